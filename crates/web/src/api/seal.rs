//! The keys of the database, for whoever holds it.

use super::body;
use crate::App;
use crate::audit;
use crate::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use pasarela_store::{Error, InvalidMaster, Master, rotate as change};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) async fn show(State(app): State<App>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "state": app.engine.store().seal_state().await? })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Where the new master key is.
    to: Option<String>,
}

pub(crate) async fn rotate(State(app): State<App>, bytes: Bytes) -> Result<Json<Value>, Problem> {
    let wanted: Wanted = body(&bytes)?;
    let to: Option<Master> = wanted
        .to
        .map(|text| text.parse())
        .transpose()
        .map_err(|e: InvalidMaster| Problem::bad_request(e.to_string()))?;
    let store = app.engine.store();
    let rotated = change(&**store, to).await.map_err(|e| match e {
        // The owner of the database reads it, and nobody else.
        Error::Database(_) | Error::Seal(_) => {
            Problem::new(StatusCode::CONFLICT, "wrong_state", "Not possible in its present state", e.to_string())
        }
        other => other.into(),
    })?;
    let state = store.seal_state().await?;
    audit::done("master", json!({ "rotated": rotated, "data_key": state.key }));
    tracing::info!(?rotated, data_key = state.key, "the sealing keys were changed");
    Ok(Json(json!({ "rotated": rotated, "state": state })))
}
