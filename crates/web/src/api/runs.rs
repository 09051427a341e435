//! Runs.

use super::{Params, Reason, body, cursor, id, limit, list as page};
use crate::App;
use crate::audit;
use crate::problem::Problem;
use crate::who::Who;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use pasarela_domain::{EventId, RunId};
use pasarela_engine::RunView;
use pasarela_store::{RunFilter, RunStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A run that was ended.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Cancelled {
    id: RunId,
    status: RunStatus,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// `running`, `blocked`, `settling`, `done`, `cancelled` or `failed`.
    #[schemars(regex(pattern = r"^(running|blocked|settling|done|cancelled|failed)$"))]
    status: Option<String>,
    /// Runs that this event began.
    event: Option<EventId>,
    limit: Option<u32>,
    cursor: Option<String>,
}

fn status(text: &str) -> Result<RunStatus, Problem> {
    Ok(match text {
        "running" => RunStatus::Running,
        "blocked" => RunStatus::Blocked,
        "settling" => RunStatus::Settling,
        "done" => RunStatus::Done,
        "cancelled" => RunStatus::Cancelled,
        "failed" => RunStatus::Failed,
        other => {
            return Err(Problem::bad_request(format!(
                "status is '{other}'; it must be running, blocked, settling, done, cancelled or failed"
            )));
        }
    })
}

pub(crate) async fn list(State(app): State<App>, Params(f): Params<Filter>) -> Result<Json<Value>, Problem> {
    let filter = RunFilter {
        status: f.status.as_deref().map(status).transpose()?,
        event: f.event,
        below: cursor(f.cursor.as_deref())?,
        limit: limit(f.limit)?,
    };
    let found = app.seen().runs(filter).await?;
    let mut data = Vec::with_capacity(found.rows.len());
    for row in &found.rows {
        data.push(json!(app.engine.view_run(row).await?));
    }
    Ok(page(data, found.next))
}

pub(crate) async fn cancel(
    who: Who,
    State(app): State<App>,
    Path(text): Path<String>,
    bytes: Bytes,
) -> Result<Json<Cancelled>, Problem> {
    let id: RunId = id(&text)?;
    let asked: Reason = body(&bytes)?;
    app.must_see(&text).await?;
    let row = app.engine.store().run(id).await?;
    let row_is_there = row.is_some();
    audit::before(id.to_string(), json!(row.map(|r| json!({ "status": r.status }))));
    audit::of_brand(app.brand_of(&id.to_string()).await?);
    audit::done(id.to_string(), json!({ "status": RunStatus::Cancelled, "reason": asked.reason }));
    if row_is_there {
        // The engine goes on until what it decided is written: a chain that takes nothing must be known before.
        audit::begin(&app).await?;
    }
    app.engine.cancel_run(id, &who.name, asked.reason.as_deref().filter(|r| !r.is_empty())).await?;
    Ok(Json(Cancelled { id, status: RunStatus::Cancelled }))
}

pub(crate) async fn one(State(app): State<App>, Path(text): Path<String>) -> Result<Json<RunView>, Problem> {
    let id: RunId = id(&text)?;
    let row = app.seen().run(id).await?.ok_or_else(|| Problem::not_found(format!("there is no run {id}")))?;
    Ok(Json(app.engine.view_run(&row).await?))
}
