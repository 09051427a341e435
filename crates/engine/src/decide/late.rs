//! Late news of a message of ours: a status names an effect by our key or by the provider's reference,
//! and settles it with its run.

use super::Draft;
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::runs::{Planned, state_of_settled};
use jiff::Timestamp;
use pasarela_connector::{Correlation, Settlement, Settles};
use pasarela_domain::EffectId;
use pasarela_flows::StepOutcome;
use pasarela_store::{EffectGuard, EffectRow, EffectState, EffectUpdate, Error, FactWrite};
use serde_json::json;
use std::sync::Arc;

impl Inner {
    /// Late news of a message of ours.
    #[allow(clippy::too_many_arguments)]
    pub(super) async fn settle_late(
        &self,
        connection: &Arc<ConnectionRuntime>,
        settles: &Settles,
        now: Timestamp,
        position: usize,
        write: &mut FactWrite,
        planned: &mut Vec<Planned>,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        let Some((effect, reference)) = self.find_settled(connection, settles).await? else { return Ok(()) };
        let open = [
            EffectState::Calling,
            EffectState::Settling,
            EffectState::Checking,
            EffectState::Unknown,
            EffectState::Unsettled,
        ];
        if !open.contains(&effect.state) {
            return Ok(());
        }
        let timeout = connection.manifest().action(&effect.action).and_then(|a| match a.settled_by {
            pasarela_connector::SettledBy::Status { timeout } => Some(timeout),
            pasarela_connector::SettledBy::Answer => None,
        });
        let unanswered = !matches!(effect.state, EffectState::Settling | EffectState::Unsettled);
        let done = json!({ "id": reference });
        let (to, outcome) = match &settles.settlement {
            Settlement::Accepted if !unanswered => return Ok(()),
            Settlement::Accepted if timeout.is_some() => {
                (EffectState::Settling, Some(StepOutcome::Done { result: done.clone() }))
            }
            Settlement::Accepted | Settlement::Delivered => {
                (EffectState::Done, unanswered.then(|| StepOutcome::Done { result: done.clone() }))
            }
            Settlement::Failed { code, why } => {
                (EffectState::FailedLate, Some(StepOutcome::LateFailure { code: code.clone(), why: why.clone() }))
            }
        };
        let (code, sealed) = match &settles.settlement {
            Settlement::Failed { code, why } => {
                (Some(code.clone()), Some(self.store.sealer().seal_json(&json!({ "code": code, "why": why }))))
            }
            _ if unanswered => (None, Some(self.store.sealer().seal_json(&json!({ "result": done })))),
            _ => (None, None),
        };
        write.work.updates.push(EffectUpdate {
            id: effect.id,
            guard: EffectGuard::State(guard_for(effect.state)),
            to,
            not_before: None,
            code,
            outcome: sealed,
            reference: reference.as_deref().map(|r| self.reference_hash(r)),
            renew: None,
            give_up_at: None,
            reenters: None,
        });
        if to == EffectState::Settling
            && let Some(due) = timeout.and_then(|t| now.checked_add(t).ok())
        {
            // The answer that would have set it never came, or comes too late to be written.
            let (kind, target) = (pasarela_store::TimerKind::Settle, effect.id.get());
            write.work.timers.push(pasarela_store::TimerSet {
                due,
                kind,
                target,
                path: String::new(),
                connection: effect.connection,
            });
            draft.timers = true;
        }
        if matches!(effect.state, EffectState::Checking | EffectState::Unknown) {
            draft.unpark.push((position, effect.clone()));
        }
        if let Some(id) = effect.run {
            let beside = draft.beside(None);
            let models = {
                let Some(run) = self.hold(id, draft).await? else { return Ok(()) };
                let (flow, event) = (run.flow.clone(), run.event.clone());
                self.run_models(&flow, &event).await?
            };
            let Some(run) = self.hold(id, draft).await? else { return Ok(()) };
            if to == EffectState::Settling {
                run.data.settling.insert(effect.path.clone());
            } else {
                run.data.settling.remove(&effect.path);
            }
            let flow = run.flow.clone();
            if let Some(outcome) = outcome {
                flow.on_outcome(state_of_settled(&mut run.data), &effect.path, outcome);
            }
            let mut more = self.advance(run, &models, now, None, &mut write.work, planned);
            more |= self.hear_missed(run, now, &beside, &mut write.work, planned).await?;
            if more {
                draft.more.push(id);
            }
            self.write_held(id, now, &mut write.work, draft)?;
        }
        Ok(())
    }

    async fn find_settled(
        &self,
        connection: &ConnectionRuntime,
        settles: &Settles,
    ) -> Result<Option<(EffectRow, Option<String>)>, Error> {
        let reference =
            settles.by.iter().find_map(|c| if let Correlation::Reference(r) = c { Some(r.clone()) } else { None });
        for correlation in &settles.by {
            let found = match correlation {
                Correlation::Key(key) => match key.split('.').next().unwrap_or_default().parse::<EffectId>() {
                    Ok(id) => self.store.effect(id).await?.filter(|e| e.connection == connection.id),
                    Err(_) => None,
                },
                Correlation::Reference(r) => self.store.by_reference(connection.id, self.reference_hash(r)).await?,
            };
            if let Some(effect) = found {
                return Ok(Some((effect, reference)));
            }
        }
        Ok(None)
    }

    /// Keyed hash of a provider's reference.
    pub(crate) fn reference_hash(&self, reference: &str) -> i64 {
        self.store.sealer().hash(&["reference", reference])
    }
}

/// The guard that holds while an effect stays in the state that was read.
fn guard_for(state: EffectState) -> &'static [EffectState] {
    match state {
        EffectState::Calling => &[EffectState::Calling],
        EffectState::Settling => &[EffectState::Settling],
        EffectState::Checking => &[EffectState::Checking],
        EffectState::Unknown => &[EffectState::Unknown],
        EffectState::Unsettled => &[EffectState::Unsettled],
        _ => &[],
    }
}
