//! `/api/v1/holds` and `/api/v1/retention`: what must stay, and how long everything else does.

use super::{Params, body, cursor, limit, list as page};
use crate::App;
use crate::audit;
use crate::problem::Problem;
use crate::who::Who;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pasarela_engine::{Hold, NewHold};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HoldPage")]
pub(crate) struct Page {
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn list(State(app): State<App>, Params(f): Params<Page>) -> Result<Json<Value>, Problem> {
    let (all, next) = app.engine.holds(cursor(f.cursor.as_deref())?, limit(f.limit)?).await?;
    Ok(page(all.into_iter().map(shown).collect(), next))
}

pub(crate) async fn add(who: Who, State(app): State<App>, bytes: Bytes) -> Result<Response, Problem> {
    let new: NewHold = body(&bytes)?;
    let hold = app.engine.hold(new, &who.name).await?;
    audit::done(&hold.number, kept(&hold));
    Ok((StatusCode::CREATED, Json(shown(hold))).into_response())
}

/// What the audit keeps of a hold: not whom it is about.
pub(crate) fn kept(hold: &Hold) -> Value {
    json!({ "case": hold.case, "ended_at": hold.ended_at })
}

/// Says, before it is ended, how it stands.
pub(crate) async fn intend_end(app: &App, id: &str) -> Result<(), pasarela_store::Error> {
    let row = app.engine.store().record(pasarela_store::HOLD, id).await?;
    let hold = row.and_then(|r| serde_json::from_slice::<Hold>(&r.data).ok());
    audit::before(id, hold.as_ref().map_or(Value::Null, kept));
    Ok(())
}

pub(crate) async fn end(who: Who, State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    intend_end(&app, &id).await?;
    let hold = app.engine.end_hold(&id, &who.name).await?;
    audit::note(|n| n.after = Some(kept(&hold)));
    Ok(Json(shown(hold)))
}

pub(crate) async fn retention(State(app): State<App>) -> Result<Json<Value>, Problem> {
    Ok(page(app.engine.retention_report().await?.iter().map(|r| json!(r)).collect(), None))
}

/// Hashes by which the hub finds the person are its own.
fn shown(hold: Hold) -> Value {
    let mut value = json!(hold);
    if let Some(fields) = value.as_object_mut() {
        fields.remove("subjects");
    }
    value
}
