//! `/historia/{event}`: an event's life line, from the raw delivery to the providers' answers.

mod run;
mod strip;

use super::delivery::DeliveryView;
use super::guard::Visit;
use super::json;
use super::moments::Moment;
use super::page::{Frame, html, problem};
use super::words::Words;
use crate::App;
use crate::api::story_of;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use run::RunView;
use serde_json::Value;
use strip::Stop;

/// The event.
struct EventView {
    title: String,
    kind: String,
    id: String,
    connection: String,
    key: String,
    happened: Option<Moment>,
    received: Option<Moment>,
    data: Option<String>,
}

/// A whole story, ready to be shown.
struct Story {
    event: EventView,
    delivery: Option<DeliveryView>,
    runs: Vec<RunView>,
    strip: Vec<Stop>,
}

#[derive(Template)]
#[template(path = "console/historia.html")]
struct StoryPage {
    frame: Frame,
    story: Story,
}

pub(super) async fn show(
    State(app): State<App>,
    visit: Visit,
    Path(event): Path<String>,
) -> Result<Response, Response> {
    let told = story_of(&app, &event).await.map_err(|p| problem(&visit, p))?;
    let story = Story::new(&app, visit.w, &told);
    let mut frame = Frame::new(&app, &visit, "story.title", "events").await;
    frame.title = format!("{} · {}", story.event.title, frame.title);
    Ok(html(&StoryPage { frame, story }))
}

impl Story {
    fn new(app: &App, w: Words, told: &Value) -> Self {
        let now = app.engine.clock().now();
        let event = EventView::new(w, &told["event"], now);
        let delivery = (!told["delivery"].is_null()).then(|| DeliveryView::new(app, w, &told["delivery"], now));
        let flows = app.engine.flows();
        let title = |name: &str| {
            let flow = flows.iter().find(|f| f.name == name)?;
            Some(super::flows::title(w, &flow.title, name))
        };
        let runs: Vec<RunView> =
            json::list(&told["runs"]).iter().map(|run| RunView::new(w, run, &title, now)).collect();
        let strip = strip::strip(w, told, &event.title, delivery.as_ref().map(|d| &d.mark), &runs);
        Self { event, delivery, runs, strip }
    }
}

impl EventView {
    fn new(w: Words, event: &Value, now: Timestamp) -> Self {
        let moment = |name: &str| event[name].as_str().and_then(|t| Moment::parse(w, t, now));
        let kind = json::text(&event["type"]);
        Self {
            title: w.named("event", &kind),
            kind,
            id: json::text(&event["id"]),
            connection: json::text(&event["connection"]),
            key: json::text(&event["key"]),
            happened: moment("occurred_at"),
            received: moment("received_at"),
            data: json::pretty(&event["data"]),
        }
    }
}
