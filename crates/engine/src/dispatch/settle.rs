//! T3 to T5: an outcome, its run, and what the run decides next are written together, or not at all.
//! The one way by which outcomes reach a flow; the flow itself decides in its own crate.

use super::{FETCH, PAUSE, call::clone_attempt, claim::Starts, verdict::Verdict};
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::lanes::LaneKey;
use crate::runs::{OpenCall, OpenEffect, Planned, state_of_settled};
use crate::telemetry::count;
use jiff::Timestamp;
use pasarela_connector::Source;
use pasarela_domain::{DeliveryId, EffectId, EntityRef, RunId};
use pasarela_flows::StepOutcome;
use pasarela_store::{
    AttemptInsert, Claim, EffectGuard, EffectRow, EffectState, EffectUpdate, Error, NewDelivery, RunStatus, TimerKind,
    TimerSet, Work, Worked,
};
use serde_json::Value;
use std::sync::Arc;

/// What came of a change that was written.
pub(crate) struct Changed {
    /// Calls that the run wants made next.
    pub(crate) calls: Vec<OpenCall>,
    /// Deliveries that a fetch brought, with their bytes.
    pub(crate) brought: Vec<(DeliveryId, Vec<u8>)>,
    /// Which of the claims were still to be had.
    claimed: Vec<bool>,
}

/// What is kept of an outcome in the effect's row, as the text of its JSON.
pub(crate) struct Note(Vec<u8>);

impl From<Value> for Note {
    fn from(value: Value) -> Self {
        Self::of(&value)
    }
}

impl Note {
    /// Without a copy of what is noted.
    pub(super) fn of(value: &impl serde::Serialize) -> Self {
        Self(serde_json::to_vec(value).unwrap_or_default())
    }
}

/// A change of one effect and its run.
pub(crate) struct EffectChange {
    pub(crate) id: EffectId,
    pub(crate) connection: i64,
    pub(crate) run: Option<RunId>,
    pub(crate) path: String,
    pub(crate) guard: EffectGuard,
    pub(crate) to: EffectState,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) code: Option<String>,
    pub(crate) note: Option<Note>,
    pub(crate) reference: Option<String>,
    pub(crate) renew: Option<Timestamp>,
    pub(crate) step: Option<StepOutcome>,
    pub(crate) timer: Option<(Timestamp, TimerKind)>,
    pub(crate) fired: Vec<(Timestamp, i64)>,
    /// Connection and lane that the effect holds and may hand over.
    pub(crate) holding: Option<(i64, LaneKey)>,
}

impl EffectChange {
    fn update(&self, inner: &Inner) -> EffectUpdate {
        EffectUpdate {
            id: self.id,
            guard: self.guard.clone(),
            to: self.to,
            not_before: self.not_before,
            code: self.code.clone(),
            outcome: self.note.as_ref().map(|n| inner.store.sealer().seal(&n.0)),
            reference: self.reference.as_deref().map(|r| inner.reference_hash(r)),
            renew: self.renew,
            give_up_at: None,
            reenters: None,
        }
    }

    fn still_holds(&self, row: &EffectRow, boot: i64) -> bool {
        match &self.guard {
            EffectGuard::Attempt { boot: own, attempt } => {
                row.state == EffectState::Calling && row.attempt == *attempt && *own == boot
            }
            EffectGuard::State(states) => states.contains(&row.state),
        }
    }
}

impl Inner {
    /// T3 to T5: the outcome, the attempt's history, the run, what it decides next, in one transaction.
    #[allow(clippy::too_many_arguments)]
    pub(super) async fn settle(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        action: &str,
        member: OpenEffect,
        verdict: Verdict,
        attempt: AttemptInsert,
        starts: Starts,
        now: Timestamp,
    ) -> Vec<OpenCall> {
        let index = connection.action_index(action);
        let queued = (verdict.to == EffectState::Queued).then(|| member.queued(index, verdict.not_before));
        // The lane goes on at the answer; a dead, unknown or checking effect stops it if it is to be parked.
        let stops = match verdict.to {
            EffectState::Dead | EffectState::Unknown => member.park,
            EffectState::Checking => true,
            _ => false,
        };
        if stops {
            connection.lock_lanes(|l| l.park(member.lane));
        }
        let gap = connection.manifest().action(action).is_some_and(|a| a.lane_gap.is_some());
        let (to, timer) = (verdict.to, verdict.timer.is_some());
        let written = self.settle_written(connection, &member, verdict, gap, attempt, &starts.claims, now).await;
        match to {
            EffectState::Dead => count(&self.metrics.dead),
            EffectState::Unknown => count(&self.metrics.unknown),
            EffectState::Dropped => count(&self.metrics.dropped),
            _ => {}
        }
        if timer {
            self.timer_wake.notify_one();
        }
        if action == FETCH && to != EffectState::Queued {
            self.fetch_over(connection, &member.input);
        }
        match written {
            Some(Changed { calls, brought, claimed }) => {
                self.tallies.step(member.flow, &member.path, to);
                connection.lock_lanes(|l| l.finish(member.lane, index, queued, now));
                brought.into_iter().for_each(|(id, bytes)| self.feed_own(connection, id, Source::Fetch, bytes, now));
                self.started(starts, &claimed, now).await;
                calls
            }
            None => {
                // Settled by a status that came first, or the store is closed.
                count(&self.metrics.stale);
                if stops {
                    connection.lock_lanes(|l| l.unpark(member.lane, now));
                }
                connection.lock_lanes(|l| l.finish(member.lane, index, None, now));
                self.give_back(starts, now);
                Vec::new()
            }
        }
    }

    pub(crate) fn fetch_over(&self, connection: &ConnectionRuntime, input: &Value) {
        if let Ok(entity) = serde_json::from_value::<EntityRef>(input.clone()) {
            self.fetching.lock().remove(&(connection.id, entity));
        }
    }

    #[allow(clippy::too_many_arguments)]
    async fn settle_written(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        member: &OpenEffect,
        verdict: Verdict,
        gap: bool,
        attempt: AttemptInsert,
        claims: &[Claim],
        now: Timestamp,
    ) -> Option<Changed> {
        let guard = EffectGuard::Attempt { boot: self.store.boot(), attempt: member.attempt };
        let change = EffectChange {
            id: member.id,
            connection: connection.id,
            run: member.run,
            path: member.path.clone(),
            guard,
            to: verdict.to,
            not_before: verdict.not_before,
            code: verdict.code,
            note: verdict.note,
            reference: verdict.reference,
            renew: None,
            step: verdict.step,
            timer: verdict.timer,
            fired: Vec::new(),
            // A lane with a least time between its effects is not handed over.
            holding: (!gap).then_some((connection.id, member.lane)),
        };
        let fetched = verdict.fetched.as_ref().map(|answer| {
            let packed = crate::pack::pack(std::iter::empty(), &answer.body);
            (connection.id, packed)
        });
        self.change_effect(change, Some(attempt), fetched, claims, now).await
    }

    /// Changes an effect together with its run, and lets the run decide on. The one way by which
    /// outcomes reach a flow. `None`: a guard did not hold, or the store is closed.
    pub(crate) async fn change_effect(
        self: &Arc<Self>,
        change: EffectChange,
        attempt: Option<AttemptInsert>,
        fetched: Option<(i64, Vec<u8>)>,
        claims: &[Claim],
        now: Timestamp,
    ) -> Option<Changed> {
        let mut stale = 0;
        while stale < 20 {
            let cell = change.run.map(|id| (id, self.runs.cell(id)));
            let mut guard = match &cell {
                Some((_, cell)) => Some(cell.clone().lock_owned().await),
                None => None,
            };
            let mut work = Work { fired: change.fired.clone(), claims: claims.to_vec(), ..Work::default() };
            if self.connection_by_id(change.connection).is_none_or(|c| !c.is_own()) {
                // Its owner has the lane in memory as it was.
                work.marks.push(change.connection);
            }
            work.updates.push(change.update(self));
            work.attempts.extend(attempt.as_ref().map(clone_attempt));
            if let Some((due, kind)) = change.timer {
                work.timers.push(TimerSet {
                    due,
                    kind,
                    target: change.id.get(),
                    path: String::new(),
                    connection: change.connection,
                });
            }
            if let Some((connection, packed)) = &fetched {
                work.deliveries.push(NewDelivery {
                    connection: *connection,
                    source: Source::Fetch.as_str(),
                    received_at: now,
                    packed: self.store.sealer().seal(packed),
                    replay_key: None,
                    door: false,
                });
            }
            let mut planned = Vec::new();
            let mut more = false;
            let mut ended = false;
            if let (Some(id), Some(slot)) = (change.run, guard.as_mut()) {
                if slot.is_none() {
                    **slot = match self.load_run(id).await {
                        Ok(run) => run,
                        Err(e) => {
                            drop(guard);
                            self.once_more(change.id, &e).await?;
                            continue;
                        }
                    };
                }
                if let Some(run) = slot.as_mut() {
                    if change.to == EffectState::Queued && change.step.is_none() && self.store.alone().is_none() {
                        // Another node may cancel the run at this moment: its version tells.
                        work.runs.push(self.run_write(run, now));
                        run.version += 1;
                    }
                    if run.status == RunStatus::Cancelled && change.to == EffectState::Queued {
                        // Its run was cancelled while the call was out: it is not tried again.
                        work.updates.iter_mut().for_each(|u| u.to = EffectState::Withdrawn);
                    }
                    match change.to {
                        EffectState::Settling => drop(run.data.settling.insert(change.path.clone())),
                        _ => drop(run.data.settling.remove(&change.path)),
                    }
                    if let Some(step) = &change.step {
                        run.flow.clone().on_outcome(state_of_settled(&mut run.data), &change.path, step.clone());
                        if run.status != RunStatus::Cancelled {
                            let models = match self.run_models(&run.flow.clone(), &run.event.clone()).await {
                                Ok(models) => models,
                                Err(e) => {
                                    forget_changed(&mut guard);
                                    drop(guard);
                                    self.once_more(change.id, &e).await?;
                                    continue;
                                }
                            };
                            more = self.advance(run, &models, now, change.holding, &mut work, &mut planned);
                            match self.hear_missed(run, now, &[], &mut work, &mut planned).await {
                                Ok(again) => more |= again,
                                Err(e) => {
                                    planned.into_iter().for_each(|p: Planned| p.abort(now));
                                    forget_changed(&mut guard);
                                    drop(guard);
                                    self.once_more(change.id, &e).await?;
                                    continue;
                                }
                            }
                        }
                        work.runs.push(self.run_write(run, now));
                        run.version += 1;
                    } else if change.to != EffectState::Queued && change.to != EffectState::Checking {
                        // Settled late without news for the flow: the run may be over now.
                        if run.status == RunStatus::Settling && run.data.settling.is_empty() {
                            run.status = RunStatus::Done;
                        }
                        work.runs.push(self.run_write(run, now));
                        run.version += 1;
                    }
                    ended = run.status == RunStatus::Done;
                }
            }
            work.effects.extend(planned.iter_mut().filter_map(Planned::row));
            let has_timers = !work.timers.is_empty();
            self.fail_point("before_settle");
            let result = self.store.work(work).await;
            match result {
                Ok(Worked::Done { seqs, deliveries, claimed }) => {
                    self.fail_point("after_settle");
                    let calls: Vec<OpenCall> =
                        planned.into_iter().zip(seqs).filter_map(|(p, seq)| p.commit(seq, now)).collect();
                    if ended {
                        count(&self.metrics.runs_done);
                    }
                    if has_timers {
                        self.timer_wake.notify_one();
                    }
                    self.after_run_change(cell, guard, &calls, more);
                    let brought = deliveries.into_iter().zip(fetched.map(|(_, p)| p)).collect();
                    return Some(Changed { calls, brought, claimed });
                }
                Ok(Worked::Stale) => {
                    planned.into_iter().for_each(|p: Planned| p.abort(now));
                    forget_changed(&mut guard);
                    stale += 1;
                    // Was it the effect that moved, or only the run?
                    let row = loop {
                        match self.store.effect(change.id).await {
                            Ok(row) => break row,
                            Err(e) => self.once_more(change.id, &e).await?,
                        }
                    };
                    if !row.is_some_and(|row| change.still_holds(&row, self.store.boot())) {
                        self.after_run_change(cell, guard, &[], false);
                        return None;
                    }
                    drop(guard);
                }
                Err(e) => {
                    planned.into_iter().for_each(|p: Planned| p.abort(now));
                    forget_changed(&mut guard);
                    drop(guard);
                    self.once_more(change.id, &e).await?;
                }
            }
        }
        tracing::error!(effect = %change.id, "an outcome could not be written: its run changes all the time");
        None
    }

    /// An outcome is not lost because the store could not be asked: waits, and it is tried again. `None`:
    /// there is no use, and the next start finds the call.
    async fn once_more(&self, effect: EffectId, e: &Error) -> Option<()> {
        if matches!(e, Error::Closed | Error::Fenced | Error::Seal(_)) || self.is_stopping() {
            return None;
        }
        tracing::warn!(%effect, error = %e, "an outcome could not be written yet");
        tokio::time::sleep(PAUSE).await;
        Some(())
    }

    /// Lets go of a run's lock, and of the run when no call of it is out.
    fn after_run_change(
        self: &Arc<Self>,
        cell: Option<(RunId, crate::runs::RunCell)>,
        guard: Option<tokio::sync::OwnedMutexGuard<Option<crate::runs::LiveRun>>>,
        calls: &[OpenCall],
        more: bool,
    ) {
        drop(guard);
        let Some((id, cell)) = cell else { return };
        if more {
            let inner = self.clone();
            tokio::spawn(async move { inner.go_on(id).await });
        }
        if calls.is_empty() {
            self.runs.forget(id, cell);
        }
    }

    /// A run that had more to decide than one transaction takes goes on. Whatever ends this before its
    /// time, the run's timer (`TimerKind::Resume`) comes back to it.
    pub(crate) async fn go_on(self: Arc<Self>, id: RunId) {
        loop {
            let Some(_piece) = self.take_up() else { return };
            let cell = self.runs.cell(id);
            let mut guard = cell.clone().lock_owned().await;
            if guard.is_none() {
                match self.load_run(id).await {
                    Ok(run) => *guard = run,
                    Err(_) => return,
                }
            }
            let Some(run) = guard.as_mut() else { return };
            let now = self.clock.now();
            let Ok(models) = self.run_models(&run.flow.clone(), &run.event.clone()).await else { return };
            let (mut work, mut planned) = (Work::default(), Vec::new());
            let mut more = self.advance(run, &models, now, None, &mut work, &mut planned);
            match self.hear_missed(run, now, &[], &mut work, &mut planned).await {
                Ok(again) => more |= again,
                Err(_) => {
                    planned.into_iter().for_each(|p: Planned| p.abort(now));
                    *guard = None;
                    return;
                }
            }
            work.effects.extend(planned.iter_mut().filter_map(Planned::row));
            work.runs.push(self.run_write(run, now));
            run.version += 1;
            match self.store.work(work).await {
                Ok(Worked::Done { seqs, .. }) => {
                    let calls: Vec<OpenCall> =
                        planned.into_iter().zip(seqs).filter_map(|(p, seq)| p.commit(seq, now)).collect();
                    self.after_run_change(Some((id, cell)), Some(guard), &calls, false);
                    calls.into_iter().for_each(|c| self.spawn_call(c));
                    if !more {
                        return;
                    }
                }
                other => {
                    planned.into_iter().for_each(|p: Planned| p.abort(now));
                    *guard = None;
                    drop(guard);
                    if matches!(other, Err(Error::Closed | Error::Fenced)) {
                        return;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

fn forget_changed(guard: &mut Option<tokio::sync::OwnedMutexGuard<Option<crate::runs::LiveRun>>>) {
    if let Some(slot) = guard.as_mut() {
        **slot = None;
    }
}
