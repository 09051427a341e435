//! Links that sign in to the console once, for whoever holds the database.

use super::body;
use crate::App;
use crate::audit;
use crate::console::create_link;
use crate::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    scopes: Vec<String>,
    /// How long it may wait to be used.
    minutes: u64,
}

pub(crate) async fn create(State(app): State<App>, bytes: Bytes) -> Result<Json<Value>, Problem> {
    let wanted: Wanted = body(&bytes)?;
    let life = Duration::from_secs(wanted.minutes.saturating_mul(60));
    let made = create_link(&app, &wanted.name, &wanted.scopes, life).await.map_err(Problem::bad_request)?;
    audit::done("link", json!({ "name": wanted.name, "scopes": wanted.scopes, "expires_at": made.expires_at }));
    Ok(Json(json!(made)))
}
