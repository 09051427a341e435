//! Effects and their attempts.

use super::{Params, cursor, id, json_or_null, limit, list as page};
use crate::App;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use pasarela_domain::{EffectId, RunId};
use pasarela_engine::{Explained, Explanation};
use pasarela_store::{AttemptRow, EffectFilter, EffectRow, EffectState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An effect: one call that a run wants made.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Effect {
    id: EffectId,
    /// Null for the hub's own reads.
    run_id: Option<RunId>,
    /// Step of the flow.
    step: String,
    connection: String,
    action: String,
    state: &'static str,
    /// Class of the message, if it is one.
    class: Option<String>,
    /// `urgent`, `normal` or `bulk`.
    urgency: &'static str,
    /// Attempts begun.
    attempt: u32,
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    not_before: Option<Timestamp>,
    #[schemars(with = "pasarela_domain::Moment")]
    created_at: Timestamp,
    /// It is tried until then.
    #[schemars(with = "pasarela_domain::Moment")]
    give_up_at: Timestamp,
    /// Stable code of a failure.
    code: Option<String>,
    /// The rule that withheld it, where one did.
    rule: Option<String>,
    why: Value,
    /// What the provider answered, as the action's `output` says.
    result: Value,
    #[serde(flatten)]
    whole: Option<Whole>,
}

impl Effect {
    pub(crate) fn id(&self) -> EffectId {
        self.id
    }
}

/// What only one effect alone is shown with.
#[derive(Serialize, JsonSchema)]
struct Whole {
    /// As rendered and checked against the action's schema.
    input: Value,
    /// The last request, without its credential.
    request: Value,
    attempts: Vec<Attempt>,
    /// What was decided about it, if it is a message to a person: by which rules it went out, was put off or refused.
    decisions: Vec<pasarela_engine::Explained>,
}

/// One try at an effect.
#[derive(Serialize, JsonSchema)]
struct Attempt {
    attempt: u32,
    /// Call of the attempt, from 0.
    call: u32,
    #[schemars(with = "pasarela_domain::Moment")]
    started_at: Timestamp,
    #[schemars(with = "pasarela_domain::Moment")]
    ended_at: Timestamp,
    outcome: String,
    /// HTTP status, if there was an answer.
    status: Option<u16>,
    why: Value,
    /// An excerpt.
    answer: Value,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// One or more states, with commas between them.
    #[schemars(regex(
        pattern = r"^(queued|calling|settling|checking|deferred|done|partial|unsettled|gave_up|failed_late|withdrawn|dropped|withheld|dead|unknown)(,(queued|calling|settling|checking|deferred|done|partial|unsettled|gave_up|failed_late|withdrawn|dropped|withheld|dead|unknown))*$"
    ))]
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
    EffectState::Deferred,
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

pub(super) fn states(text: &str) -> Result<Vec<EffectState>, Problem> {
    text.split(',')
        .map(|t| {
            STATES.iter().copied().find(|s| s.as_str() == t).ok_or_else(|| {
                let all: Vec<&str> = STATES.iter().map(|s| s.as_str()).collect();
                Problem::bad_request(format!("state is '{t}'; it must be one of {}", all.join(", ")))
            })
        })
        .collect()
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
    let filter = EffectFilter {
        states: f.state.as_deref().map(states).transpose()?.unwrap_or_default(),
        connection,
        below: cursor(f.cursor.as_deref())?,
        limit: limit(f.limit)?,
        ..EffectFilter::default()
    };
    let found = app.seen().effects(filter).await?;
    let mut data = Vec::with_capacity(found.rows.len());
    for row in &found.rows {
        data.push(json!(effect(&app, row, false).await?));
    }
    Ok(page(data, found.next))
}

pub(crate) async fn one(State(app): State<App>, Path(text): Path<String>) -> Result<Json<Effect>, Problem> {
    let id: EffectId = id(&text)?;
    let row = app.seen().effect(id).await?.ok_or_else(|| Problem::not_found(format!("there is no effect {id}")))?;
    Ok(Json(effect(&app, &row, true).await?))
}

/// An effect as the API shows it, as JSON.
pub(crate) async fn effect_json(app: &App, row: &EffectRow, whole: bool) -> Result<Value, Problem> {
    Ok(json!(effect(app, row, whole).await?))
}

/// An effect as the API shows it; `whole` adds input, last request and attempts.
pub(crate) async fn effect(app: &App, row: &EffectRow, whole: bool) -> Result<Effect, Problem> {
    let mut outcome = json_or_null(&row.outcome);
    let whole = if whole {
        let attempts = app.seen().attempts(row.id).await?;
        Some(Whole {
            input: json_or_null(&row.input),
            request: part(&mut json_or_null(&row.call), "request"),
            attempts: attempts.iter().filter(|a| !Explained::is_one(a)).map(attempt).collect(),
            decisions: decisions(&attempts),
        })
    } else {
        None
    };
    Ok(Effect {
        id: row.id,
        run_id: row.run,
        step: row.path.clone(),
        connection: app.engine.connection_name(row.connection),
        action: row.action.clone(),
        state: row.state.as_str(),
        class: row.class.clone(),
        urgency: ["urgent", "normal", "bulk"][usize::from(row.urgency.min(2))],
        attempt: row.attempt,
        not_before: row.not_before,
        created_at: row.created_at,
        give_up_at: row.give_up_at,
        code: row.code.clone(),
        rule: row.code.clone().filter(|_| row.state == EffectState::Withheld),
        why: part(&mut outcome, "why"),
        result: part(&mut outcome, "result"),
        whole,
    })
}

/// A field of what a row keeps; null when it is not there.
fn part(value: &mut Value, name: &str) -> Value {
    value.get_mut(name).map(Value::take).unwrap_or_default()
}

fn decisions(attempts: &[AttemptRow]) -> Vec<Explained> {
    let mut all: Vec<Explained> = attempts.iter().filter_map(Explained::of).collect();
    all.sort_by_key(|d| d.at);
    all
}

/// Why a message went out when it did, or did not.
pub(crate) async fn explain(State(app): State<App>, Path(text): Path<String>) -> Result<Json<Explanation>, Problem> {
    let id: EffectId = id(&text)?;
    app.must_see(&text).await?;
    let found = app.engine.explain_message(id).await?;
    Ok(Json(found.ok_or_else(|| Problem::not_found(format!("there is no message {id}")))?))
}

fn attempt(row: &AttemptRow) -> Attempt {
    let mut detail = json_or_null(&row.detail);
    Attempt {
        attempt: row.attempt,
        call: row.call,
        started_at: row.started_at,
        ended_at: row.ended_at,
        outcome: row.outcome.clone(),
        status: row.status,
        why: part(&mut detail, "why"),
        answer: part(&mut detail, "answer"),
    }
}
