//! What people do with what is stuck: retry, drop, replay.

use crate::connections::ConnectionRuntime;
use crate::dispatch::{Changed, EffectChange};
use crate::engine::Inner;
use crate::reconcile::PROPOSAL;
use pasarela_connector::Source;
use pasarela_domain::{DeliveryId, EffectId, RunId};
use pasarela_flows::StepOutcome;
use pasarela_store::{DeliveryRow, DeliveryStatus, EffectGuard, EffectState, Error, RunStatus, Work, Worked};
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
    /// It waits for nobody.
    #[error("{id} is {status}; only quarantined and proposed deliveries wait for a person")]
    NotWaiting {
        /// Which.
        id: DeliveryId,
        /// Its status.
        status: &'static str,
    },
    /// The run has ended.
    #[error("{id} is {state}; only runs that have not ended can be cancelled")]
    RunEnded {
        /// Which.
        id: RunId,
        /// Its state.
        state: String,
    },
    /// Others change it all the time.
    #[error("{0} changes all the time; try again")]
    Restless(RunId),
    /// Its bytes are gone.
    #[error("the body of {0} was removed after its time ([retention] bodies); it cannot be decided again")]
    BodyGone(DeliveryId),
    /// Its connection is gone.
    #[error("the connection of {0} is not configured any more")]
    NoConnection(String),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A delivery that goes through the deciders again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
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
        connection.try_anew().await;
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
            connection: row.connection,
            run: row.run,
            path: row.path.clone(),
            guard: EffectGuard::State(STUCK),
            to,
            not_before: None,
            code: None,
            note: Some(note.into()),
            reference: None,
            renew,
            step,
            timer: None,
            fired: Vec::new(),
            holding: None,
        };
        let _busy = self.connection_by_id(row.connection).map(|c| c.busy());
        let _piece = self.go_on_with();
        let Some(Changed { calls, .. }) = self.change_effect(change, None, None, &[], now).await else {
            let state = self.store.effect(row.id).await?.map_or("gone", |r| r.state.as_str());
            return Err(AdminError::WrongState { id: row.id, state });
        };
        calls.into_iter().for_each(|c| self.spawn_call(c));
        self.lane_moved(row, to, now);
        Ok(())
    }

    /// Cancels a run that has not ended.
    pub(crate) async fn cancel_run(
        self: &Arc<Self>,
        id: RunId,
        by: &str,
        reason: Option<&str>,
    ) -> Result<(), AdminError> {
        let why = reason.map_or_else(|| format!("cancelled by {by}"), |r| format!("cancelled by {by}: {r}"));
        for _ in 0..20 {
            let cell = self.runs.cell(id);
            let mut guard = cell.clone().lock_owned().await;
            if guard.is_none() {
                *guard = self.load_run(id).await?;
            }
            let Some(run) = guard.as_mut() else {
                drop(guard);
                self.runs.forget(id, cell);
                return Err(AdminError::NotFound(id.to_string()));
            };
            if matches!(run.status, RunStatus::Done | RunStatus::Cancelled | RunStatus::Failed) {
                let state = serde_json::to_value(run.status).unwrap_or_default();
                let state = state.as_str().unwrap_or_default().to_owned();
                drop(guard);
                self.runs.forget(id, cell);
                return Err(AdminError::RunEnded { id, state });
            }
            let now = self.clock.now();
            let mut work = Work::default();
            let drawn = self.call_off(run, why.clone(), now, &mut work).await;
            work.runs.push(self.run_write(run, now));
            run.version += 1;
            let written = match drawn {
                Ok(()) => self.store.work(work).await,
                Err(e) => Err(e),
            };
            if !matches!(written, Ok(Worked::Done { .. })) {
                // What was changed in memory is not written, and what left its lane is still queued.
                *guard = None;
                self.reload_backlogs().await;
            }
            drop(guard);
            self.runs.forget(id, cell);
            match written {
                Ok(Worked::Done { .. }) => return Ok(()),
                // An effect began, or the run moved: what is open now is looked at again.
                Ok(Worked::Stale) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(AdminError::Restless(id))
    }

    /// Decides a delivery again: for quarantined ones after an upgrade. What is known stays known.
    /// What reconciliation proposed is approved by it.
    pub(crate) async fn replay(self: &Arc<Self>, id: DeliveryId) -> Result<Replayed, AdminError> {
        let row = self.store.delivery(id).await?.ok_or_else(|| AdminError::NotFound(id.to_string()))?;
        let connection =
            self.connection_by_id(row.connection).ok_or_else(|| AdminError::NoConnection(id.to_string()))?;
        if row.packed.is_empty() {
            return Err(AdminError::BodyGone(id));
        }
        if row.source == PROPOSAL {
            return self.approve(&connection, row).await;
        }
        Ok(Replayed { delivery: self.reopen(row).await? })
    }

    /// A proposal comes in as what it is: a record that was read. The proposal itself is over.
    async fn approve(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        row: DeliveryRow,
    ) -> Result<Replayed, AdminError> {
        if row.status != DeliveryStatus::Proposed {
            return Err(AdminError::NotWaiting { id: row.id, status: row.status.as_str() });
        }
        // Approved twice, or again after a crash in between, it is the same delivery.
        let nonce = format!("approved:{}", row.id);
        let approved = self.keep(connection, Source::Poll.as_str(), &row.packed, Some(nonce)).await?;
        if let Some(id) = approved {
            self.feed_own(connection, id, Source::Poll, row.packed, self.clock.now());
        }
        self.store.reopen(row.id).await?;
        let why =
            approved.map_or_else(|| "approved by a person".to_owned(), |id| format!("approved by a person, as {id}"));
        self.close_delivery(row.id, DeliveryStatus::Ignored, &why).await?;
        Ok(Replayed { delivery: approved.unwrap_or(row.id) })
    }

    /// Gives up a delivery that waits for a person: not understood, or proposed. Its bytes are kept.
    pub(crate) async fn drop_delivery(&self, id: DeliveryId) -> Result<(), AdminError> {
        let row = self.store.delivery(id).await?.ok_or_else(|| AdminError::NotFound(id.to_string()))?;
        if !matches!(row.status, DeliveryStatus::Proposed | DeliveryStatus::Quarantined) {
            return Err(AdminError::NotWaiting { id, status: row.status.as_str() });
        }
        self.store.reopen(id).await?;
        self.close_delivery(id, DeliveryStatus::Ignored, "dropped by a person").await?;
        Ok(())
    }
}

pub(crate) fn source_of(text: &str) -> Source {
    match text {
        "poll" => Source::Poll,
        "fetch" => Source::Fetch,
        "import" => Source::Import,
        _ => Source::Webhook,
    }
}
