//! Deliveries: what came in, as it came in.

use super::{Params, body, cursor, id, limit, list as page};
use crate::App;
use crate::audit;
use crate::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use jiff::Timestamp;
use pasarela_domain::{DeliveryId, EventId};
use pasarela_engine::ReplayPage;
use pasarela_store::{DeliveryRow, DeliveryStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A delivery: one request of a provider, one polled record.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Delivery {
    id: DeliveryId,
    connection: String,
    #[schemars(with = "pasarela_domain::Moment")]
    received_at: Timestamp,
    /// `webhook`, `poll`, `fetch` or `import`.
    source: String,
    status: DeliveryStatus,
    /// Why it is in quarantine, or only partly decided.
    reason: Option<String>,
    /// Events that were taken out of it.
    events: Vec<EventId>,
}

/// A delivery with headers and body, as received.
#[derive(Serialize, JsonSchema)]
pub(crate) struct WholeDelivery {
    #[serde(flatten)]
    delivery: Delivery,
    headers: Vec<Header>,
    body: String,
}

#[derive(Serialize, JsonSchema)]
struct Header {
    name: String,
    value: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    status: Option<DeliveryStatus>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn list(State(app): State<App>, Params(f): Params<Filter>) -> Result<Json<Value>, Problem> {
    let found = app.seen().deliveries(f.status, cursor(f.cursor.as_deref())?, limit(f.limit)?).await?;
    let mut data = Vec::with_capacity(found.rows.len());
    for row in &found.rows {
        data.push(json!(brief(&app, row).await?));
    }
    Ok(page(data, found.next))
}

async fn brief(app: &App, row: &DeliveryRow) -> Result<Delivery, Problem> {
    Ok(Delivery {
        id: row.id,
        connection: app.engine.connection_name(row.connection),
        received_at: row.received_at,
        source: row.source.clone(),
        status: row.status,
        reason: row.reason.clone(),
        events: app.seen().events_of(row.id).await?,
    })
}

/// The same, as JSON.
pub(crate) async fn delivery_json(app: &App, row: &DeliveryRow) -> Result<Value, Problem> {
    Ok(json!(full(app, row).await?))
}

/// With headers and body, as received.
pub(crate) async fn full(app: &App, row: &DeliveryRow) -> Result<WholeDelivery, Problem> {
    let (headers, body) = pasarela_engine::unpack(&row.packed);
    Ok(WholeDelivery {
        delivery: brief(app, row).await?,
        headers: headers.0.into_iter().map(|(name, value)| Header { name, value }).collect(),
        body: String::from_utf8_lossy(body).into_owned(),
    })
}

pub(crate) async fn one(State(app): State<App>, Path(text): Path<String>) -> Result<Json<WholeDelivery>, Problem> {
    let id: DeliveryId = id(&text)?;
    let row = app.seen().delivery(id).await?;
    let row = row.ok_or_else(|| Problem::not_found(format!("there is no delivery {id}")))?;
    Ok(Json(full(&app, &row).await?))
}

/// Which deliveries are decided again, or only looked at.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    status: Option<DeliveryStatus>,
    connection: Option<String>,
    /// Received at or after.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    since: Option<Timestamp>,
    /// Received before.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    until: Option<Timestamp>,
    /// Deliveries with an event of this type in them.
    #[serde(rename = "type")]
    event_type: Option<String>,
    /// Only tell what it would do.
    #[serde(default)]
    dry_run: bool,
    /// Deliveries that are looked at: 1 to 200.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[schemars(regex(pattern = crate::openapi::CURSOR))]
    cursor: Option<String>,
}

/// What came of a page, or would.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used; the answer is a list's with one thing in place of many")]
pub(crate) struct ReplayAnswer {
    data: ReplayPage,
    next_cursor: Option<String>,
    dry_run: bool,
}

/// One page; whoever asks with `next_cursor` goes on, whoever does not has stopped.
pub(crate) async fn replay_by_filter(State(app): State<App>, bytes: Bytes) -> Result<Json<Value>, Problem> {
    let asked: Replay = body(&bytes)?;
    if asked.status.is_none() && asked.connection.is_none() && asked.since.is_none() && asked.event_type.is_none() {
        return Err(Problem::bad_request(
            "name at least one of status, connection, since and type: everything that ever came is too much",
        ));
    }
    if !app.seen().is_whole() {
        let named = asked.connection.as_deref().ok_or_else(|| {
            Problem::bad_request("name the connection: you see the deliveries of your brands' connections only")
        })?;
        app.must_see_connection(named)?;
    }
    let dry_run = asked.dry_run;
    if dry_run {
        audit::nothing();
    }
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
    audit::done("", json!(found));
    let Json(mut answer) = page(Vec::new(), found.next);
    answer["data"] = json!(found);
    answer["dry_run"] = json!(dry_run);
    Ok(Json(answer))
}

pub(crate) async fn replay(
    State(app): State<App>,
    Path(text): Path<String>,
) -> Result<Json<pasarela_engine::Replayed>, Problem> {
    app.must_see(&text).await?;
    super::dead::intend(&app, &text).await?;
    let replayed = app.engine.replay(id(&text)?).await?;
    audit::done(&text, json!(replayed));
    Ok(Json(replayed))
}
