//! Canonical events, and the story of one.

use super::{Params, cursor, effect_json, id, limit, list as page};
use crate::App;
use crate::auth::Caller;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use pasarela_domain::EventId;
use pasarela_store::{EventFilter, EventRow, RunFilter};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    #[serde(rename = "type")]
    event_type: Option<String>,
    connection: Option<String>,
    key: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn list(_: Caller, State(app): State<App>, Params(f): Params<Filter>) -> Result<Json<Value>, Problem> {
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
        below: cursor(f.cursor.as_deref())?.or(app.engine.watermark()),
        limit: limit(f.limit)?,
        ..EventFilter::default()
    };
    let found = app.engine.store().events(filter).await?;
    let data = found.rows.iter().map(|row| envelope(&app, row)).collect::<Result<_, _>>()?;
    Ok(page(data, found.next))
}

fn envelope(app: &App, row: &EventRow) -> Result<Value, Problem> {
    let event = app.engine.envelope(row).map_err(|e| pasarela_store::Error::Database(e.to_string()))?;
    Ok(json!(event))
}

async fn find(app: &App, text: &str) -> Result<EventRow, Problem> {
    let id: EventId = id(text)?;
    app.engine.store().event(id).await?.ok_or_else(|| Problem::not_found(format!("there is no event {id}")))
}

pub(crate) async fn one(_: Caller, State(app): State<App>, Path(text): Path<String>) -> Result<Json<Value>, Problem> {
    let row = find(&app, &text).await?;
    Ok(Json(envelope(&app, &row)?))
}

pub(crate) async fn story(_: Caller, State(app): State<App>, Path(text): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(story_of(&app, &text).await?))
}

/// Delivery, event, runs, effects, attempts: everything that one event led to.
pub(crate) async fn story_of(app: &App, text: &str) -> Result<Value, Problem> {
    let row = find(app, text).await?;
    let store = app.engine.store();
    let delivery = match store.delivery(row.delivery).await? {
        Some(d) => super::deliveries::full(app, &d).await?,
        None => Value::Null,
    };
    let mut runs = Vec::new();
    for run in store.runs(RunFilter { event: Some(row.id), limit: 50, ..RunFilter::default() }).await?.rows {
        let view = app.engine.view_run(&run).await?;
        let mut effects = Vec::new();
        for id in view.effects.values() {
            if let Some(effect) = store.effect(*id).await? {
                effects.push(effect_json(app, &effect, true).await?);
            }
        }
        effects.sort_by_key(|e| e["id"].as_str().map(str::to_owned));
        let mut run = json!(view);
        run["effects"] = json!(effects);
        runs.push(run);
    }
    Ok(json!({ "event": envelope(app, &row)?, "delivery": delivery, "runs": runs }))
}
