//! Effects and their attempts.

use super::{Params, cursor, id, json_or_null, limit, list as page};
use crate::App;
use crate::auth::Caller;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use pasarela_domain::EffectId;
use pasarela_store::{EffectFilter, EffectRow, EffectState};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    state: Option<String>,
    connection: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

const STATES: &[EffectState] = &[
    EffectState::Queued,
    EffectState::Calling,
    EffectState::Settling,
    EffectState::Checking,
    EffectState::Done,
    EffectState::Partial,
    EffectState::Unsettled,
    EffectState::GaveUp,
    EffectState::FailedLate,
    EffectState::Withdrawn,
    EffectState::Dropped,
    EffectState::Withheld,
    EffectState::Dead,
    EffectState::Unknown,
];

fn states(text: &str) -> Result<Vec<EffectState>, Problem> {
    text.split(',')
        .map(|t| {
            STATES.iter().copied().find(|s| s.as_str() == t).ok_or_else(|| {
                let all: Vec<&str> = STATES.iter().map(|s| s.as_str()).collect();
                Problem::bad_request(format!("state is '{t}'; it must be one of {}", all.join(", ")))
            })
        })
        .collect()
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
    let filter = EffectFilter {
        states: f.state.as_deref().map(states).transpose()?.unwrap_or_default(),
        connection,
        below: cursor(f.cursor.as_deref())?,
        limit: limit(f.limit)?,
        ..EffectFilter::default()
    };
    let found = app.engine.store().effects(filter).await?;
    let mut data = Vec::with_capacity(found.rows.len());
    for row in &found.rows {
        data.push(effect_json(&app, row, false).await?);
    }
    Ok(page(data, found.next))
}

pub(crate) async fn one(_: Caller, State(app): State<App>, Path(text): Path<String>) -> Result<Json<Value>, Problem> {
    let id: EffectId = id(&text)?;
    let row =
        app.engine.store().effect(id).await?.ok_or_else(|| Problem::not_found(format!("there is no effect {id}")))?;
    Ok(Json(effect_json(&app, &row, true).await?))
}

/// An effect as the API shows it; `whole` adds input, last request and attempts.
pub(crate) async fn effect_json(app: &App, row: &EffectRow, whole: bool) -> Result<Value, Problem> {
    let outcome = json_or_null(&row.outcome);
    let mut value = json!({
        "id": row.id, "run_id": row.run, "step": row.path, "connection": app.engine.connection_name(row.connection),
        "action": row.action, "state": row.state.as_str(), "class": row.class,
        "urgency": (["urgent", "normal", "bulk"][usize::from(row.urgency.min(2))]),
        "attempt": row.attempt, "not_before": row.not_before, "created_at": row.created_at, "give_up_at": row.give_up_at,
        "code": row.code, "rule": (row.state == EffectState::Withheld).then_some(&row.code), "why": outcome["why"], "result": outcome["result"],
    });
    if whole {
        value["input"] = json_or_null(&row.input);
        value["request"] = json_or_null(&row.call)["request"].clone();
        let attempts = app.engine.store().attempts(row.id).await?;
        value["attempts"] = attempts
            .iter()
            .map(|a| {
                let detail = json_or_null(&a.detail);
                json!({
                    "attempt": a.attempt, "call": a.call, "started_at": a.started_at, "ended_at": a.ended_at,
                    "outcome": a.outcome, "status": a.status, "why": detail["why"], "answer": detail["answer"],
                })
            })
            .collect();
    }
    Ok(value)
}
