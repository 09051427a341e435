//! Timers: waits of runs, settlements that did not come, unknown effects to find out about.
//! One sleep until the next one, woken by commits that set an earlier one.

use crate::connections::Hold;
use crate::dispatch::{Changed, EffectChange, key_of};
use crate::engine::Inner;
use crate::lanes::{LaneKey, Slot};
use crate::runs::state_of_settled;
use jiff::Timestamp;
use pasarela_connector::{Ctx, Idempotency, ReadBack};
use pasarela_domain::{EffectId, RunId};
use pasarela_flows::StepOutcome;
use pasarela_store::{
    EffectGuard, EffectRow, EffectState, EffectUpdate, Error, TimerKind, TimerRow, TimerSet, Work, Worked,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Timers fired at a time.
const FIRE: u32 = 64;
/// Longest sleep: a backstop, since the clock may be set.
const NAP: Duration = Duration::from_secs(30);

impl Inner {
    pub(crate) async fn timekeeper(self: Arc<Self>) {
        loop {
            if self.is_stopping() {
                return;
            }
            let now = self.clock.now();
            let due: Vec<TimerRow> = match self.store.timers(now, FIRE).await {
                Ok(due) => due.into_iter().filter(|t| !self.checking.lock().contains(&t.id)).collect(),
                Err(pasarela_store::Error::Closed | pasarela_store::Error::Fenced) => return,
                Err(e) => {
                    tracing::error!(error = %e, "timers cannot be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            if due.is_empty() {
                let next = self.store.next_timer().await.ok().flatten();
                // Checks that are under way are due and not to be waited for in a circle.
                let least = if self.checking.lock().is_empty() { Duration::ZERO } else { Duration::from_millis(200) };
                let nap = next.map_or(NAP, |t| self.clock.sleep_for(t).clamp(least, NAP));
                tokio::select! {
                    () = self.timer_wake.notified() => {}
                    () = tokio::time::sleep(nap) => {}
                    () = self.stopped() => return,
                }
                continue;
            }
            let mut failed = false;
            for timer in due {
                let Some(piece) = self.take_up() else { return };
                if timer.kind == TimerKind::Check {
                    // It may have to ask the provider: other timers do not wait for that.
                    self.checking.lock().insert(timer.id);
                    let inner = self.clone();
                    tokio::spawn(async move {
                        let fired = inner.fire_check(&timer, now).await;
                        drop(piece);
                        if !fired {
                            tokio::time::sleep(Duration::from_secs(1)).await;
                        }
                        inner.checking.lock().remove(&timer.id);
                    });
                } else {
                    failed |= !self.fire(&timer, now).await;
                }
            }
            if failed {
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    }

    /// False: it could not be fired now and is tried again.
    async fn fire(self: &Arc<Self>, timer: &TimerRow, now: Timestamp) -> bool {
        match timer.kind {
            TimerKind::Wait | TimerKind::Resume => self.fire_run(timer, now).await,
            TimerKind::Settle => self.fire_settle(timer, now).await,
            TimerKind::Defer => self.fire_defer(timer, now).await,
            TimerKind::Check => true,
        }
    }

    /// A wait of a run is over, or a run that had more to decide was left alone.
    async fn fire_run(self: &Arc<Self>, timer: &TimerRow, now: Timestamp) -> bool {
        let id = RunId::from_raw(timer.target);
        let cell = self.runs.cell(id);
        let mut guard = cell.clone().lock_owned().await;
        // What another node made of it shows in its row only.
        if guard.is_none() || self.store.alone().is_none() {
            *guard = self.load_run(id).await.ok().flatten();
        }
        let mut work = Work { fired: vec![(timer.due, timer.id)], ..Work::default() };
        let (mut planned, mut more) = (Vec::new(), false);
        if let Some(run) = guard.as_mut() {
            // A timer of another moment than the armed one is stale: the wait was moved or cancelled. So is
            // one of a run that has decided everything meanwhile.
            let wait = timer.kind == TimerKind::Wait;
            let stands = if wait {
                run.data.armed.get(&timer.path).is_some_and(|t| t.as_millisecond() == timer.due.as_millisecond())
            } else {
                run.data.more
            };
            if stands {
                if wait {
                    run.data.armed.remove(&timer.path);
                    run.flow.clone().on_timer(state_of_settled(&mut run.data), &timer.path);
                }
                let models = self.run_models(&run.flow.clone(), &run.event.clone()).await;
                let Ok(models) = models else {
                    // What was changed in memory is not written: it is read again.
                    *guard = None;
                    return false;
                };
                more = self.advance(run, &models, now, None, &mut work, &mut planned);
                match self.hear_missed(run, now, &[], &mut work, &mut planned).await {
                    Ok(again) => more |= again,
                    Err(_) => {
                        planned.into_iter().for_each(|p| p.abort(now));
                        *guard = None;
                        return false;
                    }
                }
                work.effects.extend(planned.iter_mut().filter_map(crate::runs::Planned::row));
                work.runs.push(self.run_write(run, now));
                run.version += 1;
            }
        }
        match self.store.work(work).await {
            Ok(Worked::Done { seqs, .. }) => {
                let calls: Vec<_> = planned.into_iter().zip(seqs).filter_map(|(p, seq)| p.commit(seq, now)).collect();
                drop(guard);
                if calls.is_empty() && !more {
                    self.runs.forget(id, cell);
                }
                calls.into_iter().for_each(|c| self.spawn_call(c));
                if more {
                    tokio::spawn(self.clone().go_on(id));
                }
                true
            }
            Ok(Worked::Stale) | Err(_) => {
                planned.into_iter().for_each(|p| p.abort(now));
                *guard = None;
                drop(guard);
                self.runs.forget(id, cell);
                false
            }
        }
    }

    async fn fire_settle(self: &Arc<Self>, timer: &TimerRow, now: Timestamp) -> bool {
        let Ok(row) = self.store.effect(EffectId::from_raw(timer.target)).await else { return false };
        match row {
            Some(row) if row.state == EffectState::Settling => {
                let change = change_of(
                    &row,
                    timer,
                    EffectState::Unsettled,
                    &[EffectState::Settling],
                    Some(StepOutcome::Unsettled),
                    None,
                );
                self.apply(change, &row, now).await
            }
            _ => self.forget_timer(timer).await,
        }
    }

    /// The moment has come until which a message was deferred: it takes a place in its lane, behind what waits
    /// there, and is decided again when its turn comes.
    async fn fire_defer(self: &Arc<Self>, timer: &TimerRow, now: Timestamp) -> bool {
        let Ok(row) = self.store.effect(EffectId::from_raw(timer.target)).await else { return false };
        // One that was deferred again meanwhile has a timer of its own.
        let Some(row) = row.filter(|r| r.state == EffectState::Deferred && r.not_before.is_none_or(|t| t <= now))
        else {
            return self.forget_timer(timer).await;
        };
        self.enter_again(&row, vec![(timer.due, timer.id)], now).await
    }

    /// Deferred messages whose moment passed without a timer: a previous version of the hub, which does not know
    /// such timers, may have let them go.
    pub(crate) async fn enter_overdue(
        &self,
        is_of: &(dyn Fn(i64) -> bool + Sync),
        now: Timestamp,
    ) -> Result<(), Error> {
        const PAGE: u32 = 256;
        loop {
            let overdue = self.store.overdue(now, PAGE).await?;
            let mut entered = 0;
            for (id, ..) in overdue.iter().filter(|(_, connection, _)| is_of(*connection)) {
                if let Some(row) = self.store.effect(*id).await? {
                    entered += u32::from(self.enter_again(&row, Vec::new(), now).await);
                }
            }
            if entered == 0 || overdue.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    /// A deferred message enters its lane again. False: it could not be written, or it is not deferred any more.
    pub(crate) async fn enter_again(&self, row: &EffectRow, fired: Vec<(Timestamp, i64)>, now: Timestamp) -> bool {
        let update = EffectUpdate {
            id: row.id,
            guard: EffectGuard::State(&[EffectState::Deferred]),
            to: EffectState::Queued,
            not_before: None,
            code: row.code.clone(),
            outcome: None,
            reference: None,
            renew: None,
            give_up_at: None,
            reenters: Some(row.connection),
        };
        let mut work = Work { fired, updates: vec![update], ..Work::default() };
        if self.connection_by_id(row.connection).is_none_or(|c| !c.is_own()) {
            work.marks.push(row.connection);
        }
        let written = matches!(self.store.work(work).await, Ok(Worked::Done { .. }));
        if written && let Some(connection) = self.connection_by_id(row.connection) {
            connection.lock_lanes(|l| l.requeue(LaneKey { lane: row.lane, urgency: row.urgency }, now));
            connection.wake.notify_one();
        }
        written
    }

    /// Finds out about an effect whose answer was lost.
    async fn fire_check(self: &Arc<Self>, timer: &TimerRow, now: Timestamp) -> bool {
        let Ok(row) = self.store.effect(EffectId::from_raw(timer.target)).await else { return false };
        let Some(row) = row.filter(|r| r.state == EffectState::Checking) else { return self.forget_timer(timer).await };
        let Some(connection) = self.connection_by_id(row.connection) else { return false };
        let idempotency = connection.manifest().action(&row.action).map_or(Idempotency::AtMostOnce, |a| a.idempotency);
        let found = match idempotency {
            Idempotency::Readable { .. } => match self.read_back(&connection, &row, now).await {
                Some(found) => found,
                None if now < row.give_up_at => return self.check_later(timer, &row, now).await,
                None => ReadBack::Unclear("the provider did not answer when it was asked".into()),
            },
            _ => ReadBack::Unclear("no status came for it in time".into()),
        };
        const CHECKING: &[EffectState] = &[EffectState::Checking];
        let change = match found {
            ReadBack::Done(done) => {
                let mut change = change_of(
                    &row,
                    timer,
                    EffectState::Done,
                    CHECKING,
                    Some(StepOutcome::Done { result: done.result.clone() }),
                    Some(json!({ "result": done.result, "why": "found by reading back" })),
                );
                change.reference = done.reference;
                change
            }
            ReadBack::NotThere if now > row.give_up_at => {
                let why = "tried until it was too old; the provider says that it is not there".to_owned();
                let (step, note) = (StepOutcome::Dead { why: why.clone() }, json!({ "why": why }));
                let mut change = change_of(&row, timer, EffectState::Dead, CHECKING, Some(step), Some(note));
                change.code = Some("needs_human".into());
                change
            }
            ReadBack::NotThere => change_of(&row, timer, EffectState::Queued, CHECKING, None, None),
            ReadBack::Unclear(_) if row.resend_unknown && now <= row.give_up_at => {
                change_of(&row, timer, EffectState::Queued, CHECKING, None, None)
            }
            ReadBack::Unclear(why) => change_of(
                &row,
                timer,
                EffectState::Unknown,
                CHECKING,
                Some(StepOutcome::Unknown { why: why.clone() }),
                Some(json!({ "why": why })),
            ),
        };
        self.apply(change, &row, now).await
    }

    /// The provider did not answer: asked again in half a minute.
    async fn check_later(&self, timer: &TimerRow, row: &EffectRow, now: Timestamp) -> bool {
        let due = now.checked_add(self.dice.spread(Duration::from_secs(30))).unwrap_or(Timestamp::MAX);
        let again = TimerSet {
            due,
            kind: TimerKind::Check,
            target: row.id.get(),
            path: String::new(),
            connection: row.connection,
        };
        let work = Work { fired: vec![(timer.due, timer.id)], timers: vec![again], ..Work::default() };
        let written = self.store.work(work).await.is_ok();
        self.timer_wake.notify_one();
        written
    }

    /// `None`: no answer.
    async fn read_back(
        &self,
        connection: &crate::connections::ConnectionRuntime,
        row: &EffectRow,
        now: Timestamp,
    ) -> Option<ReadBack> {
        let input: Value = serde_json::from_slice(&row.input).unwrap_or(Value::Null);
        let key = key_of(row.id, row.generation);
        let ctx = Ctx { now, key: &key, attempt: row.attempt };
        let Some(request) = connection.connector().read_back(&row.action, &input, &ctx) else {
            return Some(ReadBack::Unclear("it cannot be read back".into()));
        };
        if self.slot(connection).await.is_err() {
            return None;
        }
        let answer = self.send(connection, &request).await;
        let well = answer.as_ref().is_ok_and(|a| a.status < 500);
        connection.lock_lanes(|l| l.release_slot(Slot::Shared, Some(well), self.clock.now()));
        connection.wake.notify_one();
        match answer {
            Ok(answer) if well => Some(connection.connector().judge_read_back(&row.action, &input, &answer)),
            _ => None,
        }
    }

    /// Applies a change of an effect that is not being called, and moves its lane on.
    async fn apply(self: &Arc<Self>, change: EffectChange, row: &EffectRow, now: Timestamp) -> bool {
        let to = change.to;
        let _busy = self.connection_by_id(row.connection).map(|c| c.busy());
        let Some(Changed { calls, .. }) = self.change_effect(change, None, None, &[], now).await else { return false };
        calls.into_iter().for_each(|c| self.spawn_call(c));
        match to {
            EffectState::Dead => crate::telemetry::count(&self.metrics.dead),
            EffectState::Unknown => crate::telemetry::count(&self.metrics.unknown),
            _ => {}
        }
        self.lane_moved(row, to, now);
        true
    }

    /// An effect left the state that stopped its lane.
    pub(crate) fn lane_moved(&self, row: &EffectRow, to: EffectState, now: Timestamp) {
        // Another node's lanes are told by the mark of the change.
        let Some(connection) = self.connection_by_id(row.connection).filter(|c| c.hold() != Hold::Foreign) else {
            return;
        };
        let lane = LaneKey { lane: row.lane, urgency: row.urgency };
        let stays = matches!(to, EffectState::Dead | EffectState::Unknown) && row.park;
        connection.lock_lanes(|l| {
            if to == EffectState::Queued {
                l.requeue(lane, now);
            }
            if !stays {
                l.unpark(lane, now);
            }
        });
        connection.wake.notify_one();
    }

    async fn forget_timer(&self, timer: &TimerRow) -> bool {
        let work = Work { fired: vec![(timer.due, timer.id)], ..Work::default() };
        self.store.work(work).await.is_ok()
    }
}

fn change_of(
    row: &EffectRow,
    timer: &TimerRow,
    to: EffectState,
    from: &'static [EffectState],
    step: Option<StepOutcome>,
    note: Option<Value>,
) -> EffectChange {
    EffectChange {
        id: row.id,
        connection: row.connection,
        run: row.run,
        path: row.path.clone(),
        guard: EffectGuard::State(from),
        to,
        not_before: None,
        code: None,
        note: note.map(Into::into),
        reference: None,
        renew: None,
        step,
        timer: None,
        fired: vec![(timer.due, timer.id)],
        holding: None,
    }
}
