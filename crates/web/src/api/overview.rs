//! Everything that a person on watch wants to see, in one answer: `pasarela top` shows it.

use crate::App;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use pasarela_engine::{ConnectionState, IntakeView, Snapshot};
use pasarela_store::{PauseRow, Space};
use schemars::JsonSchema;
use serde::Serialize;

/// The hub's work.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Overview {
    /// By the hub's clock.
    #[schemars(with = "pasarela_domain::Moment")]
    at: Timestamp,
    uptime_s: u64,
    inbox: Inbox,
    intake: IntakeView,
    space: Space,
    effects: Effects,
    /// Deliveries in quarantine.
    quarantined: u64,
    /// Chains of calls that are out.
    calls_out: u64,
    /// Effects that a rule withheld, since the start of the process.
    withheld: Vec<Withheld>,
    /// Since the start of the process.
    totals: Snapshot,
    connections: Vec<ConnectionState>,
    paused: Vec<PauseRow>,
}

/// How many effects of a connection a rule withheld.
#[derive(Serialize, JsonSchema)]
struct Withheld {
    connection: String,
    rule: String,
    count: u64,
}

/// Deliveries that wait to be decided.
#[derive(Serialize, JsonSchema)]
struct Inbox {
    waiting: u64,
    oldest_s: Option<f64>,
}

/// Effects by what they wait for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EffectCounts")]
struct Effects {
    queued: u64,
    paused: u64,
    oldest_due_s: Option<f64>,
    calling: u64,
    unknown: u64,
    dead: u64,
}

pub(crate) async fn show(State(app): State<App>) -> Result<Json<Overview>, Problem> {
    let now = app.engine.clock().now();
    let health = app.engine.health().await?;
    let age = |t: Option<Timestamp>| t.map(|t| now.duration_since(t).as_secs_f64().max(0.0));
    let (_, _, calls_out) = app.engine.in_memory();
    let care = app.engine.care_now();
    let counted = app.engine.metrics().withheld_by_rule().into_iter();
    Ok(Json(Overview {
        at: now,
        uptime_s: app.started.elapsed().as_secs(),
        inbox: Inbox { waiting: health.inbox, oldest_s: age(health.oldest_inbox) },
        intake: care.intake,
        space: care.space,
        effects: Effects {
            queued: health.queued,
            paused: health.paused,
            oldest_due_s: age(health.oldest_due),
            calling: health.calling,
            unknown: health.unknown,
            dead: health.dead,
        },
        quarantined: health.quarantined,
        calls_out,
        withheld: counted.map(|(connection, rule, count)| Withheld { connection, rule, count }).collect(),
        totals: app.engine.metrics().snapshot(),
        connections: app.engine.connections(),
        paused: app.engine.pauses(),
    }))
}
