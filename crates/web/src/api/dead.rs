//! Dead letters: effects that need a person, deliveries that were not understood, and what
//! reconciliation proposes.

use super::effects::{Effect, effect};
use super::{Changed, Params, cursor, id, limit, list as page};
use crate::App;
use crate::audit;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use pasarela_domain::{DeliveryId, EffectId};
use pasarela_store::{DeliveryStatus, EffectFilter, EffectState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Something that needs a person.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum DeadLetter {
    /// A call that was given up, or of which nobody knows.
    Effect(Box<Effect>),
    /// A delivery that was not understood.
    Delivery(Stuck),
    /// A delivery that reconciliation proposes.
    Proposal(Stuck),
}

/// A delivery that waits for a person.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Stuck {
    id: DeliveryId,
    connection: String,
    #[schemars(with = "pasarela_domain::Moment")]
    received_at: Timestamp,
    state: DeliveryStatus,
    why: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn list(State(app): State<App>, Params(f): Params<Filter>) -> Result<Json<Value>, Problem> {
    let (below, limit) = (cursor(f.cursor.as_deref())?, limit(f.limit)?);
    let store = app.seen();
    let filter =
        EffectFilter { states: vec![EffectState::Dead, EffectState::Unknown], below, limit, ..EffectFilter::default() };
    let effects = store.effects(filter).await?;
    let quarantined = store.deliveries(Some(DeliveryStatus::Quarantined), below, limit).await?;
    let proposed = store.deliveries(Some(DeliveryStatus::Proposed), below, limit).await?;
    // Ids of both are ordered by time on one scale, so that one cursor serves both.
    let mut rows: Vec<(i64, Value)> = Vec::new();
    for row in &effects.rows {
        let letter = DeadLetter::Effect(Box::new(effect(&app, row, false).await?));
        rows.push((row.id.get(), json!(letter)));
    }
    for row in quarantined.rows.iter().chain(&proposed.rows) {
        let stuck = Stuck {
            id: row.id,
            connection: app.engine.connection_name(row.connection),
            received_at: row.received_at,
            state: row.status,
            why: row.reason.clone(),
        };
        let letter = if row.status == DeliveryStatus::Proposed {
            DeadLetter::Proposal(stuck)
        } else {
            DeadLetter::Delivery(stuck)
        };
        rows.push((row.id.get(), json!(letter)));
    }
    rows.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
    let more =
        [effects.next, quarantined.next, proposed.next].iter().any(Option::is_some) || rows.len() > limit as usize;
    rows.truncate(limit as usize);
    // A page without rows may have been looked through, and others follow.
    let looked = [effects.next, quarantined.next, proposed.next].into_iter().flatten().max();
    let next = if more { rows.last().map(|(id, _)| *id).or(looked) } else { None };
    Ok(page(rows.into_iter().map(|(_, v)| v).collect(), next))
}

/// Says, before it is done, what is decided about: whose it is, and how it stands now.
pub(crate) async fn intend(app: &App, text: &str) -> Result<(), pasarela_store::Error> {
    let state = if let Ok(id) = text.parse::<EffectId>() {
        let row = app.engine.store().effect(id).await?;
        row.map(|r| json!({ "state": r.state, "code": r.code, "connection": app.engine.connection_name(r.connection) }))
    } else if let Ok(id) = text.parse::<DeliveryId>() {
        let row = app.engine.store().delivery(id).await?;
        row.map(|r| json!({ "state": r.status, "connection": app.engine.connection_name(r.connection) }))
    } else {
        None
    };
    let Some(state) = state else { return Ok(()) };
    audit::before(text, state);
    audit::of_brand(app.brand_of(text).await?);
    // The engine goes on until what it decided is written: a chain that takes nothing must be known before.
    audit::begin(app).await
}

pub(crate) async fn retry(State(app): State<App>, Path(text): Path<String>) -> Result<Json<Changed>, Problem> {
    app.must_see(&text).await?;
    intend(&app, &text).await?;
    if text.starts_with("del_") {
        app.engine.replay(id(&text)?).await?;
    } else {
        app.engine.retry(id(&text)?).await?;
    }
    audit::done(&text, json!({ "state": "queued" }));
    Ok(Json(Changed { id: text, state: "queued" }))
}

pub(crate) async fn drop_one(State(app): State<App>, Path(text): Path<String>) -> Result<Json<Changed>, Problem> {
    app.must_see(&text).await?;
    intend(&app, &text).await?;
    if text.starts_with("del_") {
        app.engine.drop_delivery(id(&text)?).await?;
    } else {
        app.engine.drop_effect(id(&text)?).await?;
    }
    audit::done(&text, json!({ "state": "dropped" }));
    Ok(Json(Changed { id: text, state: "dropped" }))
}
