//! Connections: how they stand, reconciliation by hand, and plans that bring a provider's account to its model.

use super::{body as read_body, list as page};
use crate::App;
use crate::audit;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use pasarela_engine::{
    Ask, ConnectionState, ProvisionAsk, ProvisionError, ProvisionPlan, Provisioned, Report, ServerCan,
};
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
    /// What its server can do and others of its provider cannot, and the other way round.
    server: Vec<ServerCan>,
}

/// A connection in the list.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ListedConnection {
    #[serde(flatten)]
    state: ConnectionState,
    /// What its server can do and others of its provider cannot, and the other way round.
    server: Vec<ServerCan>,
}

pub(crate) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let mut rows = Vec::new();
    for state in app.connections() {
        let server = app.engine.server_can(&state.name).await?;
        rows.push(json!(ListedConnection { state, server }));
    }
    Ok(page(rows, None))
}

pub(crate) async fn one(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Connection>, Problem> {
    let state = app.connections().into_iter().find(|c| c.name == name);
    let state = state.ok_or_else(|| Problem::not_found(format!("there is no connection '{name}'")))?;
    let server = app.engine.server_can(&name).await?;
    Ok(Json(Connection { state, reconciliation: app.engine.reports(&name), server }))
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

/// What would be changed at the provider. Reads there, and changes nothing.
pub(crate) async fn plan(State(app): State<App>, Path(name): Path<String>) -> Result<Json<ProvisionPlan>, Problem> {
    app.must_see_connection(&name)?;
    Ok(Json(app.engine.provision_plan(&name, &app.public_url).await?))
}

pub(crate) async fn apply(
    State(app): State<App>,
    Path(name): Path<String>,
    body: axum::body::Bytes,
) -> Result<Json<Provisioned>, Problem> {
    app.must_see_connection(&name)?;
    let ask: ProvisionAsk = read_body(&body)?;
    if ask.limit == Some(0) {
        return Err(Problem::bad_request("limit is the most steps that are done: 1 or more; leave it out for all"));
    }
    audit::of_brand(app.engine.brand_of(&name));
    audit::before(&name, Value::Null);
    let before = app.engine.provision_plan(&name, &app.public_url).await?;
    let ids: Vec<&str> = before.plan.todo().map(|s| s.id.as_str()).collect();
    audit::before(&name, json!({ "fingerprint": before.fingerprint, "todo": ids }));
    if let Some(shown) = ask.fingerprint.as_ref().filter(|f| **f != before.fingerprint) {
        let (shown, now) = (shown.clone(), before.fingerprint);
        return Err(ProvisionError::Changed { shown, now }.into());
    }
    // The provider is changed, whatever comes of it.
    audit::begin(&app).await?;
    // Exactly what the audit tells of is done, or nothing.
    let ask = ProvisionAsk { fingerprint: Some(before.fingerprint), ..ask };
    let came = app.engine.provision(&name, &app.public_url, ask).await?;
    let done: Vec<&str> = came.done.iter().map(|s| s.id.as_str()).collect();
    audit::done(
        &name,
        json!({
            "done": done, "refused": came.refused, "kept": came.kept, "stopped": came.stopped, "left": came.plan.todo,
            "fingerprint": came.plan.fingerprint,
        }),
    );
    Ok(Json(came))
}
