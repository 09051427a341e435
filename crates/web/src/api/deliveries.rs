//! Deliveries: what came in, as it came in.

use super::{Params, body, cursor, id, limit, list as page};
use crate::App;
use crate::auth::Caller;
use crate::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use pasarela_domain::DeliveryId;
use pasarela_store::{DeliveryRow, DeliveryStatus};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    status: Option<DeliveryStatus>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn list(_: Caller, State(app): State<App>, Params(f): Params<Filter>) -> Result<Json<Value>, Problem> {
    let found = app.engine.store().deliveries(f.status, cursor(f.cursor.as_deref())?, limit(f.limit)?).await?;
    let mut data = Vec::with_capacity(found.rows.len());
    for row in &found.rows {
        data.push(brief(&app, row).await?);
    }
    Ok(page(data, found.next))
}

async fn brief(app: &App, row: &DeliveryRow) -> Result<Value, Problem> {
    let events = app.engine.store().events_of(row.id).await?;
    Ok(json!({
        "id": row.id, "connection": app.engine.connection_name(row.connection), "received_at": row.received_at,
        "source": row.source, "status": row.status, "reason": row.reason, "events": events,
    }))
}

/// With headers and body, as received.
pub(crate) async fn full(app: &App, row: &DeliveryRow) -> Result<Value, Problem> {
    let mut value = brief(app, row).await?;
    let (headers, body) = pasarela_engine::unpack(&row.packed);
    value["headers"] = json!(headers.0.into_iter().map(|(n, v)| json!({ "name": n, "value": v })).collect::<Vec<_>>());
    value["body"] = json!(String::from_utf8_lossy(body));
    Ok(value)
}

pub(crate) async fn one(_: Caller, State(app): State<App>, Path(text): Path<String>) -> Result<Json<Value>, Problem> {
    let id: DeliveryId = id(&text)?;
    let row = app
        .engine
        .store()
        .delivery(id)
        .await?
        .ok_or_else(|| Problem::not_found(format!("there is no delivery {id}")))?;
    Ok(Json(full(&app, &row).await?))
}

/// Which deliveries are decided again, or only looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    status: Option<DeliveryStatus>,
    connection: Option<String>,
    since: Option<jiff::Timestamp>,
    until: Option<jiff::Timestamp>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    #[serde(default)]
    dry_run: bool,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// One page; whoever asks with `next_cursor` goes on, whoever does not has stopped.
pub(crate) async fn replay_by_filter(_: Caller, State(app): State<App>, bytes: Bytes) -> Result<Json<Value>, Problem> {
    let asked: Replay = body(&bytes)?;
    if asked.status.is_none() && asked.connection.is_none() && asked.since.is_none() && asked.event_type.is_none() {
        return Err(Problem::bad_request(
            "name at least one of status, connection, since and type: everything that ever came is too much",
        ));
    }
    let dry_run = asked.dry_run;
    let found = app
        .engine
        .replay_page(&pasarela_engine::ReplayFilter {
            status: asked.status,
            connection: asked.connection,
            since: asked.since,
            until: asked.until,
            event_type: asked.event_type,
            dry_run,
            below: cursor(asked.cursor.as_deref())?,
            limit: limit(asked.limit)?,
        })
        .await?;
    let Json(mut answer) = page(Vec::new(), found.next);
    answer["data"] = json!(found);
    answer["dry_run"] = json!(dry_run);
    Ok(Json(answer))
}

pub(crate) async fn replay(
    _: Caller,
    State(app): State<App>,
    Path(text): Path<String>,
) -> Result<Json<Value>, Problem> {
    let replayed = app.engine.replay(id(&text)?).await?;
    Ok(Json(json!(replayed)))
}
