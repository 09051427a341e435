//! Canonical events, and the story of one.

use super::deliveries::{WholeDelivery, full};
use super::effects::{Effect, effect};
use super::{Params, cursor, id, limit, list as page};
use crate::App;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use pasarela_domain::{EntityRef, Envelope, EventId, RunId};
use pasarela_engine::RunView;
use pasarela_store::{EventFilter, EventRow, RunFilter, RunStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Everything that one event led to.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Story {
    event: Envelope,
    /// Null when its time has passed and it was removed.
    delivery: Option<WholeDelivery>,
    runs: Vec<RunStory>,
}

/// A run as it is alone, with its effects whole in place of their ids.
#[derive(Serialize, JsonSchema)]
struct RunStory {
    id: RunId,
    flow: String,
    version: u32,
    event_id: EventId,
    status: RunStatus,
    #[schemars(with = "pasarela_domain::Moment")]
    created_at: Timestamp,
    #[schemars(with = "pasarela_domain::Moment")]
    updated_at: Timestamp,
    /// State of each step.
    steps: Value,
    effects: Vec<Effect>,
    /// Moments that it waits for.
    #[schemars(with = "BTreeMap<String, pasarela_domain::Moment>")]
    waits: BTreeMap<String, Timestamp>,
    /// Read models that it waits for.
    missing: Vec<EntityRef>,
    problems: Vec<String>,
}

impl RunStory {
    fn new(run: RunView, effects: Vec<Effect>) -> Self {
        let RunView {
            id,
            flow,
            version,
            event_id,
            status,
            created_at,
            updated_at,
            steps,
            effects: _,
            waits,
            missing,
            problems,
        } = run;
        Self { id, flow, version, event_id, status, created_at, updated_at, steps, effects, waits, missing, problems }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// Canonical type, or `<connection>.<type>`.
    #[serde(rename = "type")]
    event_type: Option<String>,
    connection: Option<String>,
    /// What the events are about; needs `connection`.
    key: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn list(State(app): State<App>, Params(f): Params<Filter>) -> Result<Json<Value>, Problem> {
    let connection = match &f.connection {
        Some(name) => Some(
            app.engine
                .connection_id(name)
                .ok_or_else(|| Problem::not_found(format!("there is no connection '{name}'")))?,
        ),
        None => None,
    };
    let key = match (&f.key, connection) {
        (Some(key), Some(connection)) => Some(app.engine.key_hash(connection, key)),
        (Some(_), None) => return Err(Problem::bad_request("key: name its connection too, keys are per connection")),
        (None, _) => None,
    };
    let filter = EventFilter {
        event_type: f.event_type,
        key,
        connection,
        below: cursor(f.cursor.as_deref())?.or_else(|| Some(app.engine.watermark())),
        limit: limit(f.limit)?,
        ..EventFilter::default()
    };
    let found = app.seen().events(filter).await?;
    let data = found.rows.iter().map(|row| Ok(json!(envelope(&app, row)?))).collect::<Result<_, Problem>>()?;
    Ok(page(data, found.next))
}

fn envelope(app: &App, row: &EventRow) -> Result<Envelope, Problem> {
    Ok(app.engine.envelope(row).map_err(|e| pasarela_store::Error::Database(e.to_string()))?)
}

async fn find(app: &App, text: &str) -> Result<EventRow, Problem> {
    let id: EventId = id(text)?;
    app.seen().event(id).await?.ok_or_else(|| Problem::not_found(format!("there is no event {id}")))
}

pub(crate) async fn one(State(app): State<App>, Path(text): Path<String>) -> Result<Json<Envelope>, Problem> {
    let row = find(&app, &text).await?;
    Ok(Json(envelope(&app, &row)?))
}

pub(crate) async fn story(State(app): State<App>, Path(text): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(story_of(&app, &text).await?))
}

/// Delivery, event, runs, effects, attempts: everything that one event led to.
pub(crate) async fn story_of(app: &App, text: &str) -> Result<Value, Problem> {
    let row = find(app, text).await?;
    let store = app.seen();
    let delivery = match store.delivery(row.delivery).await? {
        Some(d) => Some(full(app, &d).await?),
        None => None,
    };
    let mut runs = Vec::new();
    for run in store.runs(RunFilter { event: Some(row.id), limit: 50, ..RunFilter::default() }).await?.rows {
        let view = app.engine.view_run(&run).await?;
        let mut effects = Vec::new();
        for id in view.effects.values() {
            if let Some(row) = store.effect(*id).await? {
                effects.push(effect(app, &row, true).await?);
            }
        }
        effects.sort_by_key(Effect::id);
        runs.push(RunStory::new(view, effects));
    }
    Ok(json!(Story { event: envelope(app, &row)?, delivery, runs }))
}
