//! Connections: how they stand, and reconciliation by hand.

use super::list as page;
use crate::App;
use crate::audit;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use pasarela_engine::{Ask, ConnectionState, Report};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// A connection with its last reconciliations.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Connection {
    #[serde(flatten)]
    state: ConnectionState,
    /// The last report of each task.
    reconciliation: Vec<Report>,
}

pub(crate) async fn list(State(app): State<App>) -> Json<Value> {
    page(app.connections().iter().map(|c| json!(c)).collect(), None)
}

pub(crate) async fn one(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Connection>, Problem> {
    let state = app.connections().into_iter().find(|c| c.name == name);
    let state = state.ok_or_else(|| Problem::not_found(format!("there is no connection '{name}'")))?;
    Ok(Json(Connection { state, reconciliation: app.engine.reports(&name) }))
}

pub(crate) async fn reconcile(
    State(app): State<App>,
    Path(name): Path<String>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Problem> {
    app.must_see_connection(&name)?;
    let ask: Ask = if body.is_empty() {
        Ask::default()
    } else {
        serde_json::from_slice(&body).map_err(|e| {
            Problem::bad_request(format!(
                "{e}; the body is {{}} or {{\"from_beginning\": true, \"policy\": \"report\", \"propose\" or \"repair\"}}"
            ))
        })?
    };
    audit::done(&name, json!(ask));
    audit::of_brand(app.engine.brand_of(&name));
    // Providers are asked, whatever comes of it.
    audit::begin(&app).await?;
    Ok(page(app.engine.reconcile(&name, ask).await?.iter().map(|r| json!(r)).collect(), None))
}
