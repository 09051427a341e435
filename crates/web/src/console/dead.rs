//! `/por-resolver`: what needs a person, and what a person can do about it.

use super::guard::{Deed, Visit};
use super::json;
use super::marks::Mark;
use super::moments::Moment;
use super::notice::Notice;
use super::page::{Frame, html, problem, unreadable};
use crate::App;
use crate::api::effect_json;
use crate::audit;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use pasarela_domain::{DeliveryId, EffectId};
use pasarela_engine::AdminError;
use pasarela_store::{DeliveryRow, DeliveryStatus, EffectFilter, EffectRow, EffectState};

/// Things of each kind on the page.
const MOST: u32 = 50;

struct EffectView {
    id: String,
    action: String,
    connection: String,
    mark: Mark,
    at: Moment,
    why: Option<String>,
    unknown: bool,
    /// Event whose story it belongs to.
    event: Option<String>,
}

struct DeliveryView {
    id: String,
    connection: String,
    at: Moment,
    mark: Mark,
    why: Option<String>,
}

/// Deliveries that wait for the same reason. Title, help and deed are keys of the catalogue.
struct Group {
    title: &'static str,
    help: &'static str,
    deed: &'static str,
    rows: Vec<DeliveryView>,
}

#[derive(Template)]
#[template(path = "console/por-resolver.html")]
struct DeadPage {
    frame: Frame,
    effects: Vec<EffectView>,
    deliveries: [Group; 2],
    /// There is no delivery either.
    nothing: bool,
    more: bool,
    notice: Option<&'static str>,
}

pub(super) async fn list(
    State(app): State<App>,
    visit: Visit,
    Query(notice): Query<Notice>,
) -> Result<Response, Response> {
    let store = app.seen();
    let filter =
        EffectFilter { states: vec![EffectState::Dead, EffectState::Unknown], limit: MOST, ..EffectFilter::default() };
    let found = store.effects(filter).await.map_err(|e| unreadable(&visit, e))?;
    let quarantined =
        store.deliveries(Some(DeliveryStatus::Quarantined), None, MOST).await.map_err(|e| unreadable(&visit, e))?;
    let proposed =
        store.deliveries(Some(DeliveryStatus::Proposed), None, MOST).await.map_err(|e| unreadable(&visit, e))?;
    let mut effects = Vec::with_capacity(found.rows.len());
    for row in &found.rows {
        effects.push(effect(&app, &visit, row).await?);
    }
    let now = app.engine.clock().now();
    let view = |row: &DeliveryRow| DeliveryView {
        id: row.id.to_string(),
        connection: app.engine.connection_name(row.connection),
        at: Moment::new(visit.w, row.received_at, now),
        mark: Mark::new(visit.w, "delivery", row.status.as_str()),
        why: row.reason.clone(),
    };
    let page = DeadPage {
        nothing: quarantined.rows.is_empty() && proposed.rows.is_empty(),
        more: [found.next, quarantined.next, proposed.next].iter().any(Option::is_some),
        deliveries: [
            Group {
                title: "dead.proposals",
                help: "dead.proposals_help",
                deed: "dead.approve",
                rows: proposed.rows.iter().map(view).collect(),
            },
            Group {
                title: "dead.deliveries",
                help: "dead.deliveries_help",
                deed: "dead.replay",
                rows: quarantined.rows.iter().map(view).collect(),
            },
        ],
        notice: notice.key(),
        frame: Frame::new(&app, &visit, "dead.title", "dead").await,
        effects,
    };
    Ok(html(&page))
}

async fn effect(app: &App, visit: &Visit, row: &EffectRow) -> Result<EffectView, Response> {
    let value = effect_json(app, row, false).await.map_err(|p| problem(visit, p))?;
    let run = match row.run {
        Some(id) => app.seen().run(id).await.map_err(|e| unreadable(visit, e))?,
        None => None,
    };
    Ok(EffectView {
        id: row.id.to_string(),
        action: row.action.clone(),
        connection: app.engine.connection_name(row.connection),
        mark: Mark::new(visit.w, "effect", row.state.as_str()),
        at: Moment::new(visit.w, row.created_at, app.engine.clock().now()),
        why: json::opt(&value["why"]),
        unknown: row.state == EffectState::Unknown,
        event: run.map(|r| r.event.to_string()),
    })
}

/// Tries an effect again, or decides a delivery again.
pub(super) async fn retry(State(app): State<App>, Path(id): Path<String>, deed: Deed) -> Response {
    match app.sees(&id).await {
        Ok(true) => {}
        Ok(false) => return super::page::refusal(&deed.visit, StatusCode::NOT_FOUND, "error.not_found"),
        Err(e) => return unreadable(&deed.visit, e),
    }
    if let Err(e) = crate::api::intend_dead(&app, &id).await {
        return unreadable(&deed.visit, e);
    }
    let (done, word) = match (id.parse::<EffectId>(), id.parse::<DeliveryId>()) {
        (Ok(id), _) => (app.engine.retry(id).await, "retried"),
        (_, Ok(id)) => (app.engine.replay(id).await.map(|_| ()), "replayed"),
        _ => return super::page::refusal(&deed.visit, StatusCode::NOT_FOUND, "error.not_found"),
    };
    back(&app, &deed, done, word).await
}

/// Gives an effect or a delivery up for good.
pub(super) async fn discard(State(app): State<App>, Path(id): Path<String>, deed: Deed) -> Response {
    match app.sees(&id).await {
        Ok(true) => {}
        Ok(false) => return super::page::refusal(&deed.visit, StatusCode::NOT_FOUND, "error.not_found"),
        Err(e) => return unreadable(&deed.visit, e),
    }
    if let Err(e) = crate::api::intend_dead(&app, &id).await {
        return unreadable(&deed.visit, e);
    }
    let done = match (id.parse::<EffectId>(), id.parse::<DeliveryId>()) {
        (Ok(id), _) => app.engine.drop_effect(id).await,
        (_, Ok(id)) => app.engine.drop_delivery(id).await,
        _ => return super::page::refusal(&deed.visit, StatusCode::NOT_FOUND, "error.not_found"),
    };
    back(&app, &deed, done, "dropped").await
}

/// Back to the list that it came from, with a word on how it went.
async fn back(app: &App, deed: &Deed, done: Result<(), AdminError>, word: &str) -> Response {
    app.console.health.forget().await;
    let word = match done {
        Ok(()) => word,
        Err(
            AdminError::WrongState { .. }
            | AdminError::NotWaiting { .. }
            | AdminError::RunEnded { .. }
            | AdminError::BodyGone(_)
            | AdminError::Restless(_),
        ) => "changed",
        Err(AdminError::NoConnection(_)) => "no_connection",
        Err(AdminError::NotFound(_)) => {
            return super::page::refusal(&deed.visit, StatusCode::NOT_FOUND, "error.not_found");
        }
        Err(AdminError::Store(e)) => {
            tracing::warn!(error = %e, "a person's wish could not be done");
            "busy"
        }
    };
    if matches!(word, "changed" | "no_connection" | "busy") {
        audit::nothing();
    }
    // A proposal is decided on the page of the reconciliation too; what is in the form is only ever compared.
    let page = if deed.field("vuelta") == "conciliacion" { "/conciliacion" } else { "/por-resolver" };
    Redirect::to(&format!("{page}?aviso={word}")).into_response()
}
