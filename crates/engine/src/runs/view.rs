//! A run as the API shows it.

use super::RunData;
use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_domain::{EffectId, EntityRef, EventId, RunId};
use pasarela_store::{RunRow, RunStatus};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A run as the API shows it.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct RunView {
    /// Id.
    pub id: RunId,
    /// Flow.
    pub flow: String,
    /// Version that it is pinned to.
    pub version: u32,
    /// Event that began it.
    pub event_id: EventId,
    /// State.
    pub status: RunStatus,
    /// When it began.
    #[schemars(with = "pasarela_domain::Moment")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schemars(with = "pasarela_domain::Moment")]
    pub updated_at: Timestamp,
    /// State of each step.
    pub steps: Value,
    /// Effect of each step path.
    pub effects: BTreeMap<String, EffectId>,
    /// Moments that it waits for.
    #[schemars(with = "BTreeMap<String, pasarela_domain::Moment>")]
    pub waits: BTreeMap<String, Timestamp>,
    /// Read models that it waits for.
    pub missing: Vec<EntityRef>,
    /// Why it failed or was cancelled, and steps that could not be rendered.
    pub problems: Vec<String>,
}

impl Inner {
    /// A run as the API shows it.
    pub(crate) async fn view_run(&self, row: &RunRow) -> Result<RunView, pasarela_store::Error> {
        let (flow, version) = match self.store.flow(row.flow).await? {
            Some((name, version, _)) => (name, version),
            None => ("?".into(), 0),
        };
        let data: RunData = serde_json::from_slice(&row.state).unwrap_or_default();
        let steps = data.flow.as_ref().map_or(Value::Null, |s| s.summary()["steps"].take());
        let problems =
            data.why.into_iter().chain(data.failures.iter().map(|(path, why)| format!("{path}: {why}"))).collect();
        Ok(RunView {
            id: row.id,
            flow,
            version,
            event_id: row.event,
            status: row.status,
            created_at: row.created_at,
            updated_at: row.updated_at,
            steps,
            effects: data.effects,
            waits: data.armed,
            missing: data.missing,
            problems,
        })
    }
}
