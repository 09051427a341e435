//! `/`: the night at a glance: what needs a person, what happened in the last day, how the connections
//! stand, and the latest events.

use super::chart::{self, Series};
use super::connections::{ConnectionView, views};
use super::events::Row;
use super::guard::Visit;
use super::moments::{day, hour};
use super::page::{Frame, first_section, html, unreadable};
use super::status::{self, Status};
use super::words::Words;
use crate::App;
use crate::policy::{Action, Resource};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use pasarela_engine::Day;
use pasarela_store::EventFilter;

/// Events that were there before this process and are counted at its first look.
const RECALLED: u32 = 2_000;
/// Latest events on the page.
const LATEST: u32 = 8;

/// Whether everything of the last day is counted; asked once.
#[derive(Default)]
pub(super) struct Recalled(tokio::sync::OnceCell<bool>);

/// A row of the table beside the chart.
struct HourView {
    when: String,
    tickets: String,
    messages: String,
    entries: String,
    events: String,
}

#[derive(Template)]
#[template(path = "console/inicio.html")]
struct HomePage {
    frame: Frame,
    today: String,
    /// What needs a person.
    needs: Status,
    calm: bool,
    chart: String,
    hours: Vec<HourView>,
    /// Not everything of the day is counted.
    short: bool,
    /// Other nodes count their own.
    nodes: bool,
    quiet: bool,
    connections: Vec<ConnectionView>,
    rows: Vec<Row>,
    newest: String,
}

pub(super) async fn show(State(app): State<App>, visit: Visit) -> Result<Response, Response> {
    if !visit.may(Action::Read, Resource::Overview) {
        let first = first_section(&visit).map(|path| Redirect::to(path).into_response());
        return Err(first.unwrap_or_else(|| visit.refused(Action::Read)));
    }
    let app = app.as_seen_by(&visit.reach(Action::Read, Resource::Overview));
    let w = visit.w;
    let now = app.engine.clock().now();
    let whole = app.console.recalled.0.get_or_try_init(|| app.engine.recall(RECALLED)).await;
    let whole = *whole.map_err(|e| unreadable(&visit, e))?;
    let health = status::health(&app).await.map_err(|e| unreadable(&visit, e))?;
    let needs = Status::needs(w, &health, &crate::alarms::ringing(&app, &health));
    let filter = EventFilter { below: Some(app.engine.watermark()), limit: LATEST, ..EventFilter::default() };
    let found = app.seen().events(filter).await.map_err(|e| unreadable(&visit, e))?;
    let rows: Vec<Row> = found
        .rows
        .iter()
        .filter_map(|r| app.engine.envelope(r).ok())
        .map(|e| Row::new(w, &e, now, visit.sees_people()))
        .collect();
    let counted = app.engine.day();
    let page = HomePage {
        today: day_title(w, now),
        calm: needs.is_empty(),
        needs,
        chart: draw(w, &counted, now),
        hours: hours(w, &counted),
        short: !whole,
        nodes: !app.engine.other_nodes().is_empty(),
        quiet: counted.sum().events == 0,
        connections: views(&app, &visit),
        newest: found.rows.first().map(|r| r.id.to_string()).unwrap_or_default(),
        rows,
        frame: Frame::new(&app, &visit, "home.title", "home").await,
    };
    Ok(html(&page))
}

/// `jueves 26 de noviembre`: the date even where it is today.
fn day_title(w: Words, now: Timestamp) -> String {
    let far = now.checked_add(SignedDuration::from_hours(24 * 5)).unwrap_or(now);
    day(w, now, far)
}

fn draw(w: Words, counted: &Day, now: Timestamp) -> String {
    let sum = counted.sum();
    let of = |value: fn(&pasarela_engine::Slot) -> u64| counted.slots.iter().map(value).collect::<Vec<_>>();
    let sold = if sum.pesos > 0 {
        format!("{} · {}", w.number(sum.tickets), w.pesos(sum.pesos))
    } else {
        w.number(sum.tickets)
    };
    let series = [
        Series { label: w.t("home.tickets").to_owned(), sum: sold, values: of(|s| s.tickets), first: true },
        Series {
            label: w.t("home.messages").to_owned(),
            sum: w.number(sum.messages),
            values: of(|s| s.messages),
            first: false,
        },
        Series {
            label: w.t("home.entries").to_owned(),
            sum: w.number(sum.entries),
            values: of(|s| s.entries),
            first: false,
        },
    ];
    let marks = [hour(w, counted.from), hour(w, middle(counted.from)), hour(w, now)];
    chart::bars(w.t("home.chart"), &series, &marks)
}

fn middle(from: Timestamp) -> Timestamp {
    from.checked_add(SignedDuration::from_hours(12)).unwrap_or(from)
}

/// Two slots a row, without those in which nothing happened, the latest first.
fn hours(w: Words, counted: &Day) -> Vec<HourView> {
    let mut rows = Vec::new();
    for (n, pair) in counted.slots.chunks(2).enumerate() {
        let from = counted.from.checked_add(SignedDuration::from_hours(n as i64)).unwrap_or(counted.from);
        let add = |value: fn(&pasarela_engine::Slot) -> u64| w.number(pair.iter().map(value).sum());
        if pair.iter().all(|s| s.events == 0) {
            continue;
        }
        rows.push(HourView {
            when: hour(w, from),
            tickets: add(|s| s.tickets),
            messages: add(|s| s.messages),
            entries: add(|s| s.entries),
            events: add(|s| s.events),
        });
    }
    rows.reverse();
    rows
}
