//! What people do with what is stuck: retry, drop, replay.

use crate::dispatch::{Changed, EffectChange};
use crate::engine::Inner;
use crate::feed::Pending;
use pasarela_connector::Source;
use pasarela_domain::{DeliveryId, EffectId};
use pasarela_flows::StepOutcome;
use pasarela_store::{EffectGuard, EffectState, Error};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Why a person's wish was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AdminError {
    /// Nothing of that id.
    #[error("there is no {0}")]
    NotFound(String),
    /// It is not in a state in which this makes sense.
    #[error("{id} is {state}; only dead and unknown effects can be retried or dropped")]
    WrongState {
        /// Which.
        id: EffectId,
        /// Its state.
        state: &'static str,
    },
    /// Its connection is gone.
    #[error("the connection of {0} is not configured any more")]
    NoConnection(String),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A delivery that goes through the deciders again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Replayed {
    /// Which.
    pub delivery: DeliveryId,
}

const STUCK: &[EffectState] = &[EffectState::Dead, EffectState::Unknown];

impl Inner {
    /// Tries a dead or unknown effect again, with a new idempotency key: a person has decided that it
    /// was not done, or that twice is better than never.
    pub(crate) async fn retry_dead(self: &Arc<Self>, id: EffectId) -> Result<(), AdminError> {
        let row = self.stuck(id).await?;
        let connection =
            self.connection_by_id(row.connection).ok_or_else(|| AdminError::NoConnection(id.to_string()))?;
        let now = self.clock.now();
        let age = connection.manifest().action(&row.action).map_or(Duration::from_secs(86_400), |a| a.give_up_after);
        self.stuck_change(
            &row,
            EffectState::Queued,
            now.checked_add(age).ok(),
            None,
            json!({ "why": "retried by a person" }),
        )
        .await
    }

    /// Gives a dead or unknown effect up for good.
    pub(crate) async fn drop_dead(self: &Arc<Self>, id: EffectId) -> Result<(), AdminError> {
        let row = self.stuck(id).await?;
        self.stuck_change(
            &row,
            EffectState::Dropped,
            None,
            Some(StepOutcome::Dropped),
            json!({ "why": "dropped by a person" }),
        )
        .await
    }

    async fn stuck(&self, id: EffectId) -> Result<pasarela_store::EffectRow, AdminError> {
        let row = self.store.effect(id).await?.ok_or_else(|| AdminError::NotFound(id.to_string()))?;
        if STUCK.contains(&row.state) { Ok(row) } else { Err(AdminError::WrongState { id, state: row.state.as_str() }) }
    }

    async fn stuck_change(
        self: &Arc<Self>,
        row: &pasarela_store::EffectRow,
        to: EffectState,
        renew: Option<jiff::Timestamp>,
        step: Option<StepOutcome>,
        note: serde_json::Value,
    ) -> Result<(), AdminError> {
        let now = self.clock.now();
        let change = EffectChange {
            id: row.id,
            run: row.run,
            path: row.path.clone(),
            guard: EffectGuard::State(STUCK),
            to,
            not_before: None,
            code: None,
            note: Some(note),
            reference: None,
            renew,
            step,
            timer: None,
            fired: Vec::new(),
            holding: None,
        };
        let Some(Changed { calls, .. }) = self.change_effect(change, None, None, &[], now).await else {
            let state = self.store.effect(row.id).await?.map_or("gone", |r| r.state.as_str());
            return Err(AdminError::WrongState { id: row.id, state });
        };
        calls.into_iter().for_each(|c| self.spawn_call(c));
        self.lane_moved(row, to, now);
        Ok(())
    }

    /// Decides a delivery again: for quarantined ones after an upgrade. What is known stays known.
    pub(crate) async fn replay(self: &Arc<Self>, id: DeliveryId) -> Result<Replayed, AdminError> {
        let row = self.store.delivery(id).await?.ok_or_else(|| AdminError::NotFound(id.to_string()))?;
        if self.connection_by_id(row.connection).is_none() {
            return Err(AdminError::NoConnection(id.to_string()));
        }
        self.store.reopen(id).await?;
        self.feed.push(Pending {
            id,
            connection: row.connection,
            source: source_of(&row.source),
            received_at: row.received_at,
            translation: None,
            packed: row.packed,
            tries: 0,
        });
        Ok(Replayed { delivery: id })
    }
}

fn source_of(text: &str) -> Source {
    match text {
        "poll" => Source::Poll,
        "fetch" => Source::Fetch,
        "import" => Source::Import,
        _ => Source::Webhook,
    }
}
