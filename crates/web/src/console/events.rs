//! `/eventos`: events as they happen, the latest first.

use super::guard::Visit;
use super::moments::Moment;
use super::page::{Frame, html, unreadable};
use super::words::Words;
use crate::App;
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use pasarela_domain::{CANONICAL_EVENT_TYPES, Envelope, EventId};
use pasarela_store::EventFilter;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Rows of a page.
const ROWS: u32 = 50;

#[derive(Deserialize)]
pub(super) struct Ask {
    /// Only this type; empty: all.
    tipo: Option<String>,
    /// Only events before this one.
    antes: Option<String>,
}

/// One event of the list.
#[derive(Template)]
#[template(path = "console/fila.html")]
pub(super) struct Row {
    id: String,
    title: String,
    connection: String,
    key: String,
    at: Moment,
}

impl Row {
    /// `personal`: what the event is about may be a phone or an address, which not everybody sees.
    pub(super) fn new(w: Words, event: &Envelope, now: Timestamp, personal: bool) -> Self {
        Self {
            id: event.id.to_string(),
            title: w.named("event", &event.event_type),
            connection: event.connection.clone(),
            key: if personal { event.key.clone() } else { String::new() },
            at: Moment::brief(w, event.received_at, now),
        }
    }
}

/// A type to choose.
struct Choice {
    value: String,
    title: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "console/eventos.html")]
struct EventsPage {
    frame: Frame,
    rows: Vec<Row>,
    choices: Vec<Choice>,
    chosen: String,
    /// The page follows what happens.
    live: bool,
    newest: String,
    older: Option<String>,
}

pub(super) async fn list(State(app): State<App>, visit: Visit, Query(ask): Query<Ask>) -> Result<Response, Response> {
    let w = visit.w;
    let now = app.engine.clock().now();
    let chosen = ask.tipo.filter(|t| !t.is_empty());
    let before: Option<EventId> = ask.antes.as_deref().and_then(|t| t.parse().ok());
    let filter = EventFilter {
        event_type: chosen.clone(),
        below: before.map(EventId::get).or_else(|| Some(app.engine.watermark())),
        limit: ROWS,
        ..EventFilter::default()
    };
    let found = app.seen().events(filter).await.map_err(|e| unreadable(&visit, e))?;
    let mut rows = Vec::with_capacity(found.rows.len());
    let mut types: BTreeSet<String> = CANONICAL_EVENT_TYPES.iter().map(|t| (*t).to_owned()).collect();
    types.extend(app.engine.flows().iter().flat_map(|f| f.on.clone()));
    types.extend(chosen.clone());
    for row in &found.rows {
        types.insert(row.event_type.clone());
        match app.engine.envelope(row) {
            Ok(event) => rows.push(Row::new(w, &event, now, visit.sees_people())),
            Err(e) => tracing::error!(event = %row.id, error = %e, "an event cannot be shown"),
        }
    }
    let mut choices: Vec<Choice> = types
        .into_iter()
        .map(|t| Choice { title: w.named("event", &t), chosen: chosen.as_deref() == Some(&t), value: t })
        .collect();
    choices.sort_by(|a, b| a.title.cmp(&b.title));
    let oldest = found.rows.last().filter(|_| found.next.is_some());
    let older = oldest.map(|row| address(chosen.as_deref(), Some(&row.id.to_string())));
    let page = EventsPage {
        frame: Frame::new(&app, &visit, "events.title", "events").await,
        newest: found.rows.first().map(|r| r.id.to_string()).unwrap_or_default(),
        live: before.is_none(),
        chosen: chosen.unwrap_or_default(),
        rows,
        choices,
        older,
    };
    Ok(html(&page))
}

/// This list with a type and a place in it.
fn address(chosen: Option<&str>, before: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::for_suffix(String::from("/eventos?"), "/eventos?".len());
    for (name, value) in [("tipo", chosen), ("antes", before)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.finish()
}
