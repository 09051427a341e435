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

/// Says, before it is done, what is paused or goes on: whose it is, and how it stands now.
pub(crate) fn intend(app: &App, kind: PauseKind, name: &str) {
    let now = app.engine.pauses().into_iter().find(|p| p.kind == kind && p.name == name);
    let state = now.map_or_else(
        || json!({ "paused": false }),
        |p| json!({ "paused": true, "reason": p.reason, "by": p.by, "since": p.since }),
    );
    audit::before(format!("{} {name}", kind.as_str()), state);
    if kind == PauseKind::Connection {
        audit::of_brand(app.engine.brand_of(name));
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
    intend(&app, kind, &name);
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
    intend(&app, kind, &name);
    app.engine.resume(kind, &name, &who.name).await?;
    audit::done(format!("{} {name}", kind.as_str()), json!({ "paused": false }));
    Ok(Json(Resumed { kind, name, paused: false }))
}
