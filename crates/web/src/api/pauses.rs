//! Kill switches: connections, flows and classes that are paused, and let go on.

use super::{Reason, body, list as page};
use crate::App;
use crate::audit;
use crate::problem::Problem;
use crate::who::Who;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use pasarela_store::{PauseKind, PauseRow};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// What goes on.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Resumed {
    kind: PauseKind,
    name: String,
    /// Always false.
    paused: bool,
}

pub(crate) async fn list(State(app): State<App>) -> Json<Value> {
    page(app.engine.pauses().iter().map(|p| json!(p)).collect(), None)
}

/// `connections`, `flows`, `classes` of the path.
fn kind_of(text: &str) -> Result<PauseKind, Problem> {
    match text {
        "connections" => Ok(PauseKind::Connection),
        "flows" => Ok(PauseKind::Flow),
        "classes" => Ok(PauseKind::Class),
        _ => Err(Problem::not_found(format!("only connections, flows and classes can be paused, not {text}"))),
    }
}

pub(crate) async fn pause(
    who: Who,
    State(app): State<App>,
    Path((kind, name)): Path<(String, String)>,
    bytes: Bytes,
) -> Result<Json<PauseRow>, Problem> {
    let asked: Reason = body(&bytes)?;
    let kind = kind_of(&kind)?;
    let pause = app.engine.pause(kind, &name, &who.name, asked.reason).await?;
    audit::done(format!("{} {name}", kind.as_str()), json!({ "paused": true, "reason": pause.reason }));
    Ok(Json(pause))
}

pub(crate) async fn resume(
    who: Who,
    State(app): State<App>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Resumed>, Problem> {
    let kind = kind_of(&kind)?;
    app.engine.resume(kind, &name, &who.name).await?;
    audit::done(format!("{} {name}", kind.as_str()), json!({ "paused": false }));
    Ok(Json(Resumed { kind, name, paused: false }))
}
