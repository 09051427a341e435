//! How the store is kept: what was removed after its time, what is left, how much waits.

use crate::App;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use pasarela_engine::IntakeView;
use pasarela_store::Space;
use schemars::JsonSchema;
use serde::Serialize;

/// How the store is kept.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Care {
    /// Per kind of thing that has an age.
    kept: Vec<Kept>,
    /// Since when rounds end before they are through.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    behind_since: Option<Timestamp>,
    space: Space,
    /// What the check of the whole file found damaged.
    damage: Option<String>,
    intake: IntakeView,
}

/// What was removed of one kind, and what is left.
#[derive(Serialize, JsonSchema)]
struct Kept {
    kind: &'static str,
    /// Removed since the database was made.
    removed: u64,
    /// When a round last came to its end.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    passed_at: Option<Timestamp>,
    /// The oldest that is kept.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    oldest: Option<Timestamp>,
}

pub(crate) async fn show(State(app): State<App>) -> Result<Json<Care>, Problem> {
    let care = app.engine.care().await?;
    let kept = care
        .kept
        .iter()
        .map(|r| Kept { kind: r.kept.as_str(), removed: r.removed, passed_at: r.passed_at, oldest: r.oldest })
        .collect();
    Ok(Json(Care {
        kept,
        behind_since: care.behind_since,
        space: care.space,
        damage: care.damage,
        intake: care.intake,
    }))
}
