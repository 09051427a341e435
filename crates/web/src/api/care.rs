//! How the store is kept: what was removed after its time, what is left, how much waits.

use crate::App;
use crate::auth::Caller;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

pub(crate) async fn show(_: Caller, State(app): State<App>) -> Result<Json<Value>, Problem> {
    let care = app.engine.care().await?;
    let kept: Vec<Value> = care
        .kept
        .iter()
        .map(|r| json!({ "kind": r.kept.as_str(), "removed": r.removed, "passed_at": r.passed_at, "oldest": r.oldest }))
        .collect();
    Ok(Json(json!({
        "kept": kept, "behind_since": care.behind_since, "space": care.space, "damage": care.damage,
        "intake": care.intake,
    })))
}
