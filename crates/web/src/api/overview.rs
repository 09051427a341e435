//! Everything that a person on watch wants to see, in one answer: `pasarela top` shows it.

use crate::App;
use crate::auth::Caller;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

pub(crate) async fn show(_: Caller, State(app): State<App>) -> Result<Json<Value>, Problem> {
    let now = app.engine.clock().now();
    let health = app.engine.store().health(now).await?;
    let age = |t: Option<jiff::Timestamp>| t.map(|t| now.duration_since(t).as_secs_f64().max(0.0));
    let (_, _, calls) = app.engine.in_memory();
    let counted = app.engine.metrics().withheld_by_rule().into_iter();
    let withheld: Vec<Value> = counted
        .map(|(connection, rule, count)| json!({ "connection": connection, "rule": rule, "count": count }))
        .collect();
    Ok(Json(json!({
        "at": now,
        "uptime_s": app.started.elapsed().as_secs(),
        "inbox": { "waiting": health.inbox, "oldest_s": age(health.oldest_inbox) },
        "intake": app.engine.care_now().intake,
        "space": app.engine.care_now().space,
        "effects": {
            "queued": health.queued, "paused": health.paused, "oldest_due_s": age(health.oldest_due),
            "calling": health.calling, "unknown": health.unknown, "dead": health.dead,
        },
        "quarantined": health.quarantined,
        "calls_out": calls,
        "withheld": withheld,
        "totals": app.engine.metrics().snapshot(),
        "connections": app.engine.connections(),
        "paused": app.engine.pauses(),
    })))
}
