//! `/buscar`: by order number, ticket code, e-mail, phone or id. What people are called is sealed, so that
//! everything but an id is found by its keyed hash: whole, or not at all.

use super::events::Row;
use super::guard::Visit;
use super::page::{Frame, html, unreadable};
use crate::App;
use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use pasarela_domain::{DeliveryId, EffectId, EventId, RunId};
use pasarela_store::{Error, EventFilter, EventRow};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Events on the page.
const MOST: u32 = 50;
/// Longest text that is looked for.
const LONGEST: usize = 200;

#[derive(Deserialize)]
pub(super) struct Ask {
    q: Option<String>,
}

#[derive(Template)]
#[template(path = "console/buscar.html")]
struct SearchPage {
    frame: Frame,
    asked: String,
    rows: Vec<Row>,
    more: bool,
}

pub(super) async fn show(State(app): State<App>, visit: Visit, Query(ask): Query<Ask>) -> Result<Response, Response> {
    let asked: String = ask.q.unwrap_or_default().trim().chars().take(LONGEST).collect();
    if let Some(path) = place(&app, &asked).await.map_err(|e| unreadable(&visit, e))? {
        return Ok(Redirect::to(&path).into_response());
    }
    let found = find(&app, &asked).await.map_err(|e| unreadable(&visit, e))?;
    let now = app.engine.clock().now();
    let rows = found
        .values()
        .rev()
        .take(MOST as usize)
        .filter_map(|row| app.engine.envelope(row).ok())
        .map(|event| Row::new(visit.w, &event, now, visit.sees_people()))
        .collect();
    let more = found.len() > MOST as usize;
    let frame = Frame::new(&app, &visit, "search.title", "search").await;
    Ok(html(&SearchPage { frame, asked, rows, more }))
}

/// The page of an id that exists.
async fn place(app: &App, asked: &str) -> Result<Option<String>, Error> {
    let store = app.seen();
    if let Ok(id) = asked.parse::<EventId>() {
        return Ok(store.event(id).await?.map(|e| format!("/historia/{}", e.id)));
    }
    if let Ok(id) = asked.parse::<DeliveryId>() {
        return Ok(store.delivery(id).await?.map(|d| format!("/entregas/{}", d.id)));
    }
    if let Ok(id) = asked.parse::<RunId>() {
        return Ok(store.run(id).await?.map(|r| format!("/historia/{}#{}", r.event, r.id)));
    }
    if let Ok(id) = asked.parse::<EffectId>() {
        let run = match store.effect(id).await?.and_then(|e| e.run) {
            Some(run) => store.run(run).await?,
            None => None,
        };
        return Ok(run.map(|r| format!("/historia/{}#{id}", r.event)));
    }
    Ok(None)
}

/// Events by everything that the text may be, by id.
async fn find(app: &App, asked: &str) -> Result<BTreeMap<i64, EventRow>, Error> {
    let (engine, store) = (&app.engine, app.seen());
    let mut found = BTreeMap::new();
    if asked.is_empty() {
        return Ok(found);
    }
    let mut hashes: Vec<i64> =
        ["number", "code", "email"].iter().map(|kind| engine.subject_hash(kind, asked)).collect();
    if let Ok(phone) = pasarela_colombia::phone::to_e164(asked) {
        hashes.push(engine.subject_hash("phone", &phone));
    }
    for hash in hashes {
        let page = store.events_about(hash, None, MOST + 1).await?;
        found.extend(page.rows.into_iter().map(|row| (row.id.get(), row)));
    }
    // What an event is about, as its connection names it.
    for connection in app.connections() {
        let Some(id) = engine.connection_id(&connection.name) else { continue };
        let filter = EventFilter { key: Some(engine.key_hash(id, asked)), limit: MOST + 1, ..EventFilter::default() };
        let page = store.events(filter).await?;
        found.extend(page.rows.into_iter().map(|row| (row.id.get(), row)));
    }
    Ok(found)
}
