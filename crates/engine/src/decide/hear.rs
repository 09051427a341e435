//! Runs that are there already hear of an event or of a changed read model: they go on, are cancelled,
//! or move their timers. Whoever holds one run never waits for another.

use super::{Draft, known::Known};
use crate::engine::Inner;
use crate::runs::{EventScope, LiveRun, Planned, ReadModels, state_of_settled};
use jiff::Timestamp;
use pasarela_domain::{EffectId, EntityRef, RunId};
use pasarela_flows::{EventEffect, Scope, Start};
use pasarela_store::{EffectGuard, EffectRow, EffectState, EffectUpdate, Error, ReadGuard, RunStatus};
use std::collections::HashMap;
use std::sync::Arc;

impl Inner {
    /// Takes a run's lock into the draft. `None`: the run cannot be read any more.
    pub(super) async fn hold<'d>(&self, id: RunId, draft: &'d mut Draft) -> Result<Option<&'d mut LiveRun>, Error> {
        if !draft.held.contains_key(&id) {
            let cell = self.runs.cell(id);
            if let Some(drafted) = draft.runs.iter().position(|(_, r)| r.id == id) {
                // A run of an earlier fact of this decision: nobody else knows it yet.
                let (position, run) = draft.runs.remove(drafted);
                draft.adopted.push(position);
                let guard = draft.held.entry(id).or_insert((cell.clone(), cell.lock_owned().await));
                *guard.1 = Some(run);
                return Ok(guard.1.as_mut());
            }
            // Whoever holds one run never waits for another: two deciders would wait for each other.
            let mut guard = if draft.held.is_empty() {
                cell.clone().lock_owned().await
            } else {
                cell.clone().try_lock_owned().map_err(|_| Error::Busy)?
            };
            // What another node made of it shows in its row only.
            if guard.is_none() || self.store.alone().is_none() {
                *guard = self.load_run(id).await?;
            }
            draft.held.insert(id, (cell, guard));
        }
        Ok(draft.held.get_mut(&id).and_then(|(_, g)| g.as_mut()))
    }

    /// Runs that listen to this: those that are stored, and those of earlier facts of this decision.
    pub(super) async fn listeners(
        &self,
        key: i64,
        event_type: &str,
        work: &mut pasarela_store::Work,
        draft: &Draft,
    ) -> Result<Vec<RunId>, Error> {
        let mut runs: Vec<RunId> = self.store.listeners(key, event_type).await?.into_iter().map(|l| l.run).collect();
        let listens = |r: &LiveRun| r.data.listening.iter().any(|(k, t)| *k == key && t == event_type);
        let held = draft.held.values().filter_map(|(_, guard)| guard.as_ref());
        let drafted = held.chain(draft.runs.iter().map(|(_, r)| r)).filter(|r| listens(r)).map(|r| r.id);
        for run in drafted {
            if !runs.contains(&run) {
                runs.push(run);
            }
        }
        // A run that begins to listen while this is being decided is not among them.
        work.guards.push(ReadGuard::Listeners { key, event_type: event_type.to_owned(), runs: runs.clone() });
        Ok(runs)
    }

    /// A run that listens to this event hears it.
    #[allow(clippy::too_many_arguments)]
    pub(super) async fn event_heard(
        &self,
        id: RunId,
        event: &EventScope,
        known: &HashMap<EntityRef, Option<Known>>,
        now: Timestamp,
        work: &mut pasarela_store::Work,
        planned: &mut Vec<Planned>,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        let beside = draft.beside(Some(event.id));
        let Some(run) = self.hold(id, draft).await? else { return Ok(()) };
        let flow = run.flow.clone();
        let (models, _) = self.models(event.connection, &flow, &event.refs, |r| {
            known.get(r).and_then(Option::as_ref).map(|k| k.data.clone())
        });
        let resumed = self.hear(run, event, &models, now, work).await?;
        if resumed {
            let own = self.run_models(&flow, &run.event.clone()).await?;
            let mut more = self.advance(run, &own, now, None, work, planned);
            more |= self.hear_missed(run, now, &beside, work, planned).await?;
            if more {
                draft.more.push(id);
            }
        } else if run.status != RunStatus::Cancelled {
            return Ok(());
        }
        self.write_held(id, now, work, draft)
    }

    /// Events that were decided since the run began and that it listens to only now, on entering a wait:
    /// a cancel that came while an earlier step was still being done is not lost.
    /// `beside`: events of the decision that this belongs to, which are not stored yet.
    pub(crate) async fn hear_missed(
        &self,
        run: &mut LiveRun,
        now: Timestamp,
        beside: &[Arc<EventScope>],
        work: &mut pasarela_store::Work,
        planned: &mut Vec<Planned>,
    ) -> Result<bool, Error> {
        let Some(state) = run.data.flow.as_ref() else { return Ok(false) };
        let fresh: Vec<String> = run
            .flow
            .listening(state)
            .into_iter()
            .filter(|t| !run.data.listening.iter().any(|(_, heard)| heard == t))
            .collect();
        if fresh.is_empty() || run.version == 0 {
            return Ok(false);
        }
        let missed = self.events_since(run, &fresh, beside).await?;
        // One that is being decided at this moment does not know of this run yet.
        work.guards.push(ReadGuard::Events {
            key: self.key_hash(run.event.connection, &run.event.key),
            after: run.event.id,
            count: u32::try_from(missed.len()).unwrap_or(u32::MAX),
            types: fresh,
        });
        let mut more = false;
        for event in missed {
            if run.status == RunStatus::Cancelled {
                break;
            }
            let heard = self.run_models(&run.flow.clone(), &event).await?;
            if self.hear(run, &event, &heard.models, now, work).await? {
                let own = self.run_models(&run.flow.clone(), &run.event.clone()).await?;
                more |= self.advance(run, &own, now, None, work, planned);
            }
        }
        Ok(more)
    }

    /// Events with the run's key that came after its own, of some types, in order.
    async fn events_since(
        &self,
        run: &LiveRun,
        types: &[String],
        beside: &[Arc<EventScope>],
    ) -> Result<Vec<Arc<EventScope>>, Error> {
        const PAGE: u32 = 200;
        let own = &run.event;
        let mut found = Vec::new();
        let mut above = own.id.get();
        loop {
            let filter = pasarela_store::EventFilter {
                key: Some(self.key_hash(own.connection, &own.key)),
                above: Some(above),
                ascending: true,
                limit: PAGE,
                ..Default::default()
            };
            let rows = self.store.events(filter).await?.rows;
            let last = rows.len() < PAGE as usize;
            above = rows.last().map_or(above, |r| r.id.get());
            for row in rows.iter().filter(|r| types.contains(&r.event_type)) {
                let name = self.connection_name(row.connection);
                let event = EventScope::from_row(row, &name)
                    .map_err(|e| Error::Database(format!("{} cannot be read: {e}", row.id)))?;
                found.push(Arc::new(event));
            }
            if last {
                break;
            }
        }
        let same = |e: &&Arc<EventScope>| {
            e.id > own.id && e.connection == own.connection && e.key == own.key && types.contains(&e.event_type)
        };
        found.extend(beside.iter().filter(same).cloned());
        Ok(found)
    }

    /// Lets a run hear one event. True: it goes on.
    async fn hear(
        &self,
        run: &mut LiveRun,
        event: &EventScope,
        models: &crate::runs::Models,
        now: Timestamp,
        work: &mut pasarela_store::Work,
    ) -> Result<bool, Error> {
        let flow = run.flow.clone();
        let Some(state) = run.data.flow.as_mut() else { return Ok(false) };
        let scope = Scope { event: &event.envelope, data: &event.data, models, vars: &self.vars, now };
        match flow.on_event(state, &event.event_type, &scope) {
            EventEffect::None => Ok(false),
            EventEffect::Resumed => Ok(true),
            EventEffect::Cancelled { why } => {
                self.call_off(run, why, now, work).await?;
                Ok(false)
            }
        }
    }

    /// Ends a run: nothing more of it begins, and what was not sent is taken back. Calls that are out end
    /// and are recorded.
    pub(crate) async fn call_off(
        &self,
        run: &mut LiveRun,
        why: String,
        now: Timestamp,
        work: &mut pasarela_store::Work,
    ) -> Result<(), Error> {
        if let Some(state) = run.data.flow.as_mut() {
            state.cancel(&why);
        }
        run.data.why = Some(why);
        run.data.armed.clear();
        run.data.more = false;
        run.status = RunStatus::Cancelled;
        let open: Vec<EffectId> = run.data.effects.values().copied().collect();
        for row in self.open_effects(&open).await? {
            work.updates.push(withdrawal(&row));
            let lane = crate::lanes::LaneKey { lane: row.lane, urgency: row.urgency };
            if let Some(connection) = self.connection_by_id(row.connection) {
                connection.lock_lanes(|l| l.withdraw(lane, row.id, now));
                connection.wake.notify_one();
            }
        }
        Ok(())
    }

    /// Effects of a run that are still queued, or that the law deferred.
    async fn open_effects(&self, ids: &[EffectId]) -> Result<Vec<EffectRow>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let filter = pasarela_store::EffectFilter {
            states: vec![EffectState::Queued, EffectState::Deferred],
            ids: ids.to_vec(),
            limit: u32::try_from(ids.len()).unwrap_or(u32::MAX - 1),
            ..Default::default()
        };
        Ok(self.store.effects(filter).await?.rows)
    }

    /// A read model that a run waits for, or computed a wait from, has changed.
    pub(super) async fn entity_changed(
        &self,
        id: RunId,
        known: &HashMap<EntityRef, Option<Known>>,
        now: Timestamp,
        work: &mut pasarela_store::Work,
        planned: &mut Vec<Planned>,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        let vars = self.vars.clone();
        let beside = draft.beside(None);
        // Read models that this delivery does not name are read as they are.
        let stored = {
            let Some(run) = self.hold(id, draft).await? else { return Ok(()) };
            let (flow, event) = (run.flow.clone(), run.event.clone());
            self.run_models(&flow, &event).await?
        };
        let Some(run) = self.hold(id, draft).await? else { return Ok(()) };
        let flow = run.flow.clone();
        let (models, missing) = self.models(run.event.connection, &flow, &run.event.refs, |r| {
            known
                .get(r)
                .and_then(Option::as_ref)
                .map(|k| k.data.clone())
                .or_else(|| stored.models.get(&r.kind).cloned())
        });
        // What this decision writes itself is not looked at again.
        let read = ReadModels { models, ..stored };
        let event = run.event.clone();
        let scope = Scope { event: &event.envelope, data: &event.data, models: &read.models, vars: &vars, now };
        let mut more = false;
        if run.data.flow.is_none() {
            run.data.missing = missing;
            work.guards.extend(read.guards());
            if run.data.missing.is_empty() {
                match flow.start(&scope) {
                    Ok(Start::Skip { why }) => {
                        run.status = RunStatus::Done;
                        run.data.why = Some(why);
                    }
                    Ok(Start::Run { key, state }) => {
                        run.data.key = (key != event.key).then_some(key);
                        run.data.flow = Some(state);
                        more = self.advance(run, &read, now, None, work, planned);
                        // It was blocked: a cancel that came meanwhile found nobody who listened.
                        more |= self.hear_missed(run, now, &beside, work, planned).await?;
                    }
                    Err(e) => {
                        run.status = RunStatus::Failed;
                        run.data.why = Some(e.to_string());
                    }
                }
            }
        } else {
            let state = state_of_settled(&mut run.data);
            let moved = flow.rearm(state, &scope);
            if moved.is_empty() {
                return Ok(());
            }
            work.guards.extend(read.guards());
            for (path, due) in moved {
                let due = self.lawful_due(&flow, &path, due);
                run.data.armed.insert(path.clone(), due);
                work.timers.push(pasarela_store::TimerSet {
                    due,
                    kind: pasarela_store::TimerKind::Wait,
                    target: id.get(),
                    path,
                    connection: event.connection,
                });
            }
        }
        if more {
            draft.more.push(id);
        }
        self.write_held(id, now, work, draft)
    }

    /// Puts a held run's new row into the work, in place of an earlier one of the same decision.
    pub(super) fn write_held(
        &self,
        id: RunId,
        now: Timestamp,
        work: &mut pasarela_store::Work,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        let Some(run) = draft.held.get_mut(&id).and_then(|(_, g)| g.as_mut()) else { return Ok(()) };
        let mut write = self.run_write(run, now);
        run.version += 1;
        if let Some(earlier) = work.runs.iter().position(|w| w.id == id) {
            let first = work.runs.remove(earlier);
            run.version -= 1;
            write.expected = first.expected;
            write.listen.extend(first.listen);
            write.unlisten.extend(first.unlisten.into_iter().filter(|u| !write.listen.contains(u)).collect::<Vec<_>>());
        }
        work.runs.push(write);
        Ok(())
    }
}

/// Takes back an effect that was not sent.
fn withdrawal(row: &EffectRow) -> EffectUpdate {
    EffectUpdate {
        id: row.id,
        guard: EffectGuard::State(&[EffectState::Queued, EffectState::Deferred]),
        to: EffectState::Withdrawn,
        not_before: None,
        code: None,
        outcome: None,
        reference: None,
        renew: None,
        give_up_at: None,
        reenters: None,
    }
}
