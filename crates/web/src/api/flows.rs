//! Flows in force, and flows that are pushed.

use super::{body, list as page};
use crate::App;
use crate::audit;
use crate::etag;
use crate::problem::Problem;
use crate::who::Who;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use pasarela_engine::FlowState;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A flow in force, with its text.
#[derive(Serialize, JsonSchema)]
pub(crate) struct WholeFlow {
    #[serde(flatten)]
    state: FlowState,
    /// The file.
    text: String,
    /// Its steps, for whoever draws them.
    outline: Value,
}

/// Texts to push.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Push {
    /// At least one.
    flows: Vec<File>,
    /// Only check them.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FlowFile")]
struct File {
    /// Name for messages.
    file: String,
    text: String,
}

pub(crate) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    Ok(page(app.engine.flow_states().await?.iter().map(|f| json!(f)).collect(), None))
}

/// With its text and outline.
pub(crate) async fn one(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    let state = app.engine.flow_states().await?.into_iter().find(|f| f.name == name);
    let flow = app.engine.flows().into_iter().find(|f| f.name == name);
    let (Some(state), Some(flow)) = (state, flow) else {
        return Err(Problem::not_found(format!("there is no flow '{name}' in force")));
    };
    let whole = WholeFlow { state, text: flow.source.clone(), outline: flow.outline() };
    Ok(etag::tagged(StatusCode::OK, whole, &name, flow.version as usize))
}

/// All or none.
pub(crate) async fn push(
    who: Who,
    State(app): State<App>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    let asked: Push = body(&bytes)?;
    let read = etag::seen_of(&headers)?;
    let files: Vec<(String, String)> = asked.flows.into_iter().map(|f| (f.file, f.text)).collect();
    if files.is_empty() {
        return Err(Problem::bad_request("flows is empty; give at least one {\"file\", \"text\"}"));
    }
    if read.is_some() && files.len() > 1 {
        return Err(Problem::bad_request("If-Match names one flow: push it alone"));
    }
    if asked.dry_run {
        audit::nothing();
    }
    let before = app.engine.flow_states().await?;
    let changes = app.engine.push_flows_over(&files, &who.name, asked.dry_run, read).await?;
    let told = |c: &pasarela_engine::FlowChange| {
        before
            .iter()
            .find(|f| f.name == c.name)
            .map(|f| json!({ "name": f.name, "version": f.version, "from": f.from }))
    };
    let were: Vec<Value> = changes.iter().filter_map(told).collect();
    audit::note(|n| n.before = Some(json!(were)).filter(|_| !were.is_empty()));
    audit::done(changes.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(" "), json!(changes));
    Ok(page(changes.iter().map(|c| json!(c)).collect(), None))
}
