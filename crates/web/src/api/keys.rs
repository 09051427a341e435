//! API keys, for whoever holds the database file.

use crate::App;
use crate::auth::{create_key, revoke_key};
use crate::problem::Problem;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    name: String,
    scopes: Vec<String>,
}

pub(crate) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let rows = app.engine.store().api_keys().await?;
    let data = rows
        .iter()
        .map(|k| json!({ "id": k.id, "name": k.name, "scopes": k.scopes, "created_at": k.created_at, "revoked_at": k.revoked_at }))
        .collect();
    Ok(super::list(data, None))
}

pub(crate) async fn create(
    State(app): State<App>,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(wanted) = wanted.map_err(|e| Problem::bad_request(e.body_text()))?;
    let now = app.engine.clock().now();
    let key =
        create_key(&**app.engine.store(), &wanted.name, &wanted.scopes, now).await.map_err(Problem::bad_request)?;
    Ok(Json(json!(key)))
}

pub(crate) async fn revoke(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let now = app.engine.clock().now();
    revoke_key(&**app.engine.store(), &id, now).await.map_err(Problem::not_found)?;
    Ok(Json(json!({ "id": id, "revoked": true })))
}
