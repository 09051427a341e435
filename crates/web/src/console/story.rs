//! `/historia/{event}`: an event's life line, from the raw delivery to the providers' answers.

mod run;
mod strip;

use super::guard::Visit;
use super::json;
use super::marks::Mark;
use super::moments::Moment;
use super::page::{Frame, html, problem, refusal, unreadable};
use super::words::Words;
use crate::App;
use crate::api::story_of;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use pasarela_connector::Verification;
use pasarela_domain::DeliveryId;
use run::RunView;
use serde_json::Value;
use strip::Stop;

/// A body longer than this is cut on the page; the whole is one link away.
const BODY: usize = 64 * 1024;

/// The delivery as received.
struct DeliveryView {
    id: String,
    mark: Mark,
    at: Option<Moment>,
    source: String,
    /// How it proved who it is; `None`: the hub read it itself.
    scheme: Option<String>,
    reason: Option<String>,
    headers: Vec<(String, String)>,
    body: String,
    cut: bool,
}

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
    /// More is to come: the page looks again.
    open: bool,
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

/// A delivery's body, byte by byte, as plain text: whatever it is, a browser must not run it.
pub(super) async fn raw_body(
    State(app): State<App>,
    visit: Visit,
    Path(delivery): Path<String>,
) -> Result<Response, Response> {
    let missing = || refusal(&visit, StatusCode::NOT_FOUND, "error.not_found");
    let id: DeliveryId = delivery.parse().map_err(|_| missing())?;
    let row = app.engine.store().delivery(id).await.map_err(|e| unreadable(&visit, e))?.ok_or_else(missing)?;
    let (_, body) = pasarela_engine::unpack(&row.packed);
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body.to_vec()).into_response())
}

impl Story {
    fn new(app: &App, w: Words, told: &Value) -> Self {
        let now = app.engine.clock().now();
        let event = EventView::new(w, &told["event"], now);
        let delivery = (!told["delivery"].is_null()).then(|| DeliveryView::new(app, w, &told["delivery"], now));
        let flows = app.engine.flows();
        let title = |name: &str| {
            let flow = flows.iter().find(|f| f.name == name)?;
            flow.title.get(w.lang.code()).or_else(|| flow.title.get("es")).cloned()
        };
        let runs: Vec<RunView> =
            json::list(&told["runs"]).iter().map(|run| RunView::new(w, run, &title, now)).collect();
        let strip = strip::strip(w, told, &event.title, delivery.as_ref().map(|d| &d.mark), &runs);
        let open = runs.iter().any(|r| r.open);
        Self { event, delivery, runs, strip, open }
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

impl DeliveryView {
    fn new(app: &App, w: Words, delivery: &Value, now: Timestamp) -> Self {
        let source = json::text(&delivery["source"]);
        let connection = json::text(&delivery["connection"]);
        let (body, cut) = json::cut(json::pretty_body(&json::text(&delivery["body"])), BODY);
        let headers = json::list(&delivery["headers"]).iter();
        Self {
            id: json::text(&delivery["id"]),
            mark: Mark::new(w, "delivery", &json::text(&delivery["status"])),
            at: delivery["received_at"].as_str().and_then(|t| Moment::parse(w, t, now)),
            scheme: (source == "webhook").then(|| scheme(app, w, &connection)),
            source: w.named("source", &source),
            reason: json::opt(&delivery["reason"]),
            headers: headers.map(|h| (json::text(&h["name"]), json::text(&h["value"]))).collect(),
            body,
            cut,
        }
    }
}

/// In words, how a connection's webhooks prove who they are. Nothing is stored that did not.
fn scheme(app: &App, w: Words, connection: &str) -> String {
    match app.engine.manifest(connection).map(|m| m.verification) {
        Some(Verification::Hmac { header, .. }) => w.with("story.hmac", header),
        Some(Verification::PublicKey { header, .. }) => w.with("story.public_key", header),
        Some(Verification::Configured) => {
            let verify = app.engine.settings(connection).map(|s| s["verify"].clone()).unwrap_or_default();
            let words = w.named("story.scheme", verify["scheme"].as_str().unwrap_or_default());
            match verify["header"].as_str() {
                Some(header) => format!("{words}, {header}"),
                None => words,
            }
        }
        Some(Verification::NoInbound) | None => w.t("story.scheme_gone").to_owned(),
    }
}
