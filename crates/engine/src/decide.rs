//! T2: what a delivery means. Translated facts become events, read models, runs and first effects,
//! in one transaction.
//!
//! Optimistic: what is known is read, the decision is made, and the store writes it only if the
//! versions still hold; else everything is done again. A delivery that fails three times is
//! quarantined, whatever the cause.

use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::feed::Pending;
use crate::runs::{EventScope, LiveRun, OpenCall, PlanAt, Planned, ReadModels, RunCell, RunData, state_of_settled};
use crate::telemetry::count;
use jiff::Timestamp;
use pasarela_connector::{
    Correlation, Dedup, EntityWrite, Fact, Item, Settlement, Settles, Source, Translation, Unread,
};
use pasarela_domain::{EffectId, EntityRef, RunId};
use pasarela_flows::{EventEffect, Scope, Start, StepOutcome};
use pasarela_store::{
    Decided, Decision, DedupKey, DeliveryStatus, EffectGuard, EffectRow, EffectState, EffectUpdate, EntityRow,
    EntityUpsert, Error, EventInsert, FactResult, FactWrite, ReadGuard, RunInsert, RunStatus,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Tries before a delivery is quarantined.
const TRIES: u32 = 3;

/// A read model while a delivery is being decided.
#[derive(Clone)]
struct Known {
    version: i64,
    updated_at: Option<Timestamp>,
    rank: i16,
    hash: i64,
    data: Arc<Value>,
}

/// What has been gathered for one delivery.
struct Draft {
    facts: Vec<FactWrite>,
    planned: Vec<(usize, Vec<Planned>)>,
    events: Vec<(usize, Arc<EventScope>)>,
    /// New runs: fact, run.
    runs: Vec<(usize, LiveRun)>,
    /// Facts of new runs that a later fact concerns too, and that are held since.
    adopted: Vec<usize>,
    /// Locks of existing runs that change, held until the commit.
    held: BTreeMap<RunId, (RunCell, tokio::sync::OwnedMutexGuard<Option<LiveRun>>)>,
    /// Runs that have more to decide afterwards.
    more: Vec<RunId>,
    /// Lanes that go on when the fact is written: (fact, effect).
    unpark: Vec<(usize, EffectRow)>,
    subjects: Vec<i64>,
    /// Timers of effects are set.
    timers: bool,
}

impl Draft {
    /// Events of the facts before, the one that is being told apart.
    fn beside(&self, told: Option<pasarela_domain::EventId>) -> Vec<Arc<EventScope>> {
        self.events.iter().map(|(_, e)| e).filter(|e| Some(e.id) != told).cloned().collect()
    }
}

impl Inner {
    /// Translates a body, and turns a panic of a connector into a clear refusal.
    pub(crate) fn translate(
        &self,
        connection: &ConnectionRuntime,
        source: Source,
        body: &[u8],
    ) -> Result<Translation, Unread> {
        let attempt =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| connection.connector.translate(source, body)));
        attempt.unwrap_or_else(|_| Err(Unread("the connector failed on this body; please report it".into())))
    }

    /// Decides one delivery; goes on until it is written.
    pub(crate) async fn decide(self: &Arc<Self>, pending: Pending) {
        let Some(connection) = self.connection_by_id(pending.connection) else {
            // A connection that was taken out of the configuration: its deliveries wait for it.
            return;
        };
        let mut failures = pending.tries;
        loop {
            let outcome = if failures >= TRIES {
                let why = format!("deciding it failed {failures} times; see the log, then replay it");
                self.quarantine(&pending, why).await.map(|()| true)
            } else {
                self.decide_once(&connection, &pending).await
            };
            match outcome {
                Ok(true) => return,
                Ok(false) => count(&self.metrics.conflicts),
                Err(Error::Busy) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(Error::DiskFull) => tokio::time::sleep(Duration::from_millis(250)).await,
                Err(Error::Closed) => return,
                Err(e) => {
                    count(&self.metrics.decide_failures);
                    tracing::error!(delivery = %pending.id, error = %e, "a delivery could not be decided");
                    failures = self.store.decide_failed(pending.id).await.unwrap_or(failures + 1).max(failures + 1);
                }
            }
        }
    }

    async fn quarantine(&self, pending: &Pending, why: String) -> Result<(), Error> {
        let decision = Decision {
            delivery: pending.id,
            status: DeliveryStatus::Quarantined,
            reason: Some(self.store.sealer().seal(why.as_bytes())),
            facts: Vec::new(),
            subjects: Vec::new(),
        };
        self.store.decide(decision).await?;
        count(&self.metrics.quarantined);
        Ok(())
    }

    /// `Ok(false)`: something had changed; again.
    async fn decide_once(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        pending: &Pending,
    ) -> Result<bool, Error> {
        let translation = match &pending.translation {
            Some(done) => done.clone(),
            None => {
                let (_, body) = crate::pack::unpack(&pending.packed);
                Arc::new(self.translate(connection, pending.source, body))
            }
        };
        let translation = match translation.as_ref() {
            Ok(t) => t,
            Err(unread) => {
                self.quarantine(pending, unread.0.clone()).await?;
                return Ok(true);
            }
        };
        let now = self.clock.now();
        let facts: Vec<&Fact> =
            translation.items.iter().filter_map(|i| if let Item::Fact(f) = i { Some(&**f) } else { None }).collect();
        let (status, reason) = verdict(translation);
        let mut draft = Draft {
            facts: Vec::with_capacity(facts.len()),
            planned: Vec::new(),
            events: Vec::new(),
            runs: Vec::new(),
            adopted: Vec::new(),
            held: BTreeMap::new(),
            more: Vec::new(),
            unpark: Vec::new(),
            subjects: Vec::new(),
            timers: false,
        };
        let drafted = self.draft(connection, pending, &facts, now, &mut draft).await;
        if let Err(e) = drafted {
            self.abort(draft, now);
            return Err(e);
        }
        draft.subjects.sort_unstable();
        draft.subjects.dedup();
        let decision = Decision {
            delivery: pending.id,
            status,
            reason: reason.map(|r| self.store.sealer().seal(r.as_bytes())),
            facts: std::mem::take(&mut draft.facts),
            subjects: std::mem::take(&mut draft.subjects),
        };
        match self.store.decide(decision).await {
            Ok(Decided::Done(results)) => {
                self.decided(draft, &results, status, now);
                Ok(true)
            }
            Ok(Decided::Conflict) => {
                self.abort(draft, now);
                Ok(false)
            }
            Err(e) => {
                self.abort(draft, now);
                Err(e)
            }
        }
    }

    async fn draft(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        pending: &Pending,
        facts: &[&Fact],
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        let keys: Vec<Option<DedupKey>> = facts.iter().map(|f| self.dedup_key(connection.id, &f.dedup)).collect();
        let mut known: HashMap<EntityRef, Option<Known>> = HashMap::new();
        let mut seen = vec![false; facts.len()];
        // A single fact that happened, without read models, needs no reading: the store knows it again.
        let simple = facts.len() == 1 && facts[0].entities.is_empty() && facts[0].refs.is_empty();
        if !simple && !facts.is_empty() {
            self.read_known(connection.id, facts, &keys, &mut known, &mut seen).await?;
        }
        for (index, (fact, key)) in facts.iter().zip(keys).enumerate() {
            // The same fact twice in one body is a duplicate of itself.
            let repeated = key.as_ref().is_some_and(|k| draft.facts.iter().any(|f| f.dedup.as_ref() == Some(k)));
            let mut write = FactWrite { dedup: key, ..FactWrite::default() };
            let fresh =
                if seen[index] || repeated { false } else { self.entities(connection, fact, &mut known, &mut write) };
            if !fresh {
                if write.dedup.is_none() {
                    // An equal or older state: nothing is written, and the store has nothing to compare.
                    continue;
                }
                write.entities.clear();
                draft.facts.push(write);
                continue;
            }
            let position = draft.facts.len();
            self.fact(connection, pending, fact, now, position, &known, &mut write, draft).await?;
            draft.facts.push(write);
        }
        Ok(())
    }

    fn dedup_key(&self, connection: i64, dedup: &Dedup) -> Option<DedupKey> {
        match dedup {
            Dedup::Once { kind, entity, discriminator } => {
                let sealer = self.store.sealer();
                Some(DedupKey {
                    connection,
                    kind: kind.clone(),
                    entity: sealer.hash(&[entity]),
                    discriminator: sealer.hash(&[entity, discriminator]),
                })
            }
            Dedup::State { .. } => None,
        }
    }

    async fn read_known(
        &self,
        connection: i64,
        facts: &[&Fact],
        keys: &[Option<DedupKey>],
        known: &mut HashMap<EntityRef, Option<Known>>,
        seen: &mut [bool],
    ) -> Result<(), Error> {
        let mut wanted: Vec<(i64, EntityRef)> = Vec::new();
        for entity in facts.iter().flat_map(|f| f.entities.iter().map(|e| &e.entity).chain(&f.refs)) {
            if !wanted.iter().any(|(_, w)| w == entity) {
                wanted.push((connection, entity.clone()));
            }
        }
        let asked: Vec<(usize, DedupKey)> =
            keys.iter().enumerate().filter_map(|(i, k)| Some((i, k.clone()?))).collect();
        let (found, rows) = self.store.lookup(asked.iter().map(|(_, k)| k.clone()).collect(), wanted.clone()).await?;
        for ((index, _), is_known) in asked.iter().zip(found) {
            seen[*index] = is_known;
        }
        for ((_, entity), row) in wanted.into_iter().zip(rows) {
            known.insert(entity, row.and_then(known_of));
        }
        Ok(())
    }

    /// Writes of read models that are newer than what is known. False: the fact is a state that is
    /// equal or older, and therefore no news.
    fn entities(
        &self,
        connection: &ConnectionRuntime,
        fact: &Fact,
        known: &mut HashMap<EntityRef, Option<Known>>,
        write: &mut FactWrite,
    ) -> bool {
        let state = match &fact.dedup {
            Dedup::State { entity } => Some(entity),
            Dedup::Once { .. } => None,
        };
        let mut news = state.is_none();
        for entity in &fact.entities {
            let current = known.get(&entity.entity).cloned().flatten();
            let bytes = serde_json::to_vec(&entity.data).unwrap_or_default();
            let hash = self.store.sealer().hash_bytes(&bytes);
            if !is_newer(entity, hash, current.as_ref()) {
                continue;
            }
            news |= state == Some(&entity.entity);
            let expected = current.as_ref().map_or(0, |k| k.version);
            write.entities.push(EntityUpsert {
                connection: connection.id,
                entity: entity.entity.clone(),
                expected,
                updated_at: entity.updated_at.or(current.as_ref().and_then(|k| k.updated_at)),
                rank: entity.rank,
                hash,
                data: self.store.sealer().seal(&bytes),
            });
            known.insert(
                entity.entity.clone(),
                Some(Known {
                    version: expected + 1,
                    updated_at: entity.updated_at,
                    rank: entity.rank,
                    hash,
                    data: Arc::new(entity.data.clone()),
                }),
            );
        }
        news
    }

    #[allow(clippy::too_many_arguments)]
    async fn fact(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        pending: &Pending,
        fact: &Fact,
        now: Timestamp,
        position: usize,
        known: &HashMap<EntityRef, Option<Known>>,
        write: &mut FactWrite,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        let mut planned = Vec::new();
        if let Some(settles) = &fact.settles {
            self.settle_late(connection, settles, now, position, write, &mut planned, draft).await?;
        }
        let changed: Vec<i64> = write.entities.iter().map(|e| self.entity_hash(connection.id, &e.entity)).collect();
        for hash in changed {
            for run in self.listeners(hash, "entity", &mut write.work, draft).await? {
                self.entity_changed(run, known, now, &mut write.work, &mut planned, draft).await?;
            }
        }
        if let Some(event_type) = &fact.event_type {
            let scope = Arc::new(EventScope::new(
                self.next_event_id(now),
                event_type.clone(),
                (connection.id, connection.name()),
                fact.key.clone(),
                fact.occurred_at.unwrap_or(pending.received_at),
                pending.received_at,
                pending.id,
                fact.data.clone(),
                fact.refs.clone(),
            ));
            draft.events.push((position, scope.clone()));
            let subjects = self.subjects(&fact.data);
            draft.subjects.extend(&subjects);
            let key = self.key_hash(connection.id, &fact.key);
            write.event = Some(EventInsert {
                id: scope.id,
                event_type: event_type.clone(),
                connection: connection.id,
                key,
                occurred_at: scope.occurred_at,
                received_at: scope.received_at,
                delivery: pending.id,
                body: self.store.sealer().seal(&scope.body_json()),
                subjects,
            });
            let listens = self.flows.load().listens();
            let listeners =
                if listens { self.listeners(key, event_type, &mut write.work, draft).await? } else { Vec::new() };
            for run in listeners {
                self.event_heard(run, &scope, known, now, &mut write.work, &mut planned, draft).await?;
            }
            self.start_runs(connection, &scope, key, known, now, position, write, &mut planned, draft);
        }
        for plan in &planned {
            write.work.effects.push(plan.insert.clone());
        }
        // What this decision writes itself has a guard of its own, and another version by then.
        let own: Vec<&EntityRef> =
            write.entities.iter().chain(draft.facts.iter().flat_map(|f| &f.entities)).map(|e| &e.entity).collect();
        write.work.guards.retain(|g| !matches!(g, ReadGuard::Entity { entity, .. } if own.contains(&entity)));
        draft.planned.push((position, planned));
        Ok(())
    }

    /// Runs that listen to this: those that are stored, and those of earlier facts of this decision.
    async fn listeners(
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

    /// New runs of the flows that wait for this event.
    #[allow(clippy::too_many_arguments)]
    fn start_runs(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        event: &Arc<EventScope>,
        key: i64,
        known: &HashMap<EntityRef, Option<Known>>,
        now: Timestamp,
        position: usize,
        write: &mut FactWrite,
        planned: &mut Vec<Planned>,
        draft: &mut Draft,
    ) {
        for (flow_id, flow) in self.flows.load().on(&event.event_type) {
            let (models, missing) =
                Self::models(&flow, &event.refs, |r| known.get(r).and_then(Option::as_ref).map(|k| k.data.clone()));
            let read = ReadModels::of(models, connection.id, &flow, &event.refs, |r| {
                known.get(r).and_then(Option::as_ref).map_or(0, |k| k.version)
            });
            let mut run = LiveRun {
                id: self.next_run_id(now),
                version: 1,
                status: RunStatus::Running,
                flow: flow.clone(),
                event: event.clone(),
                data: RunData::default(),
            };
            if missing.is_empty() {
                let scope =
                    Scope { event: &event.envelope, data: &event.data, models: &read.models, vars: &self.vars, now };
                match flow.start(&scope) {
                    Ok(Start::Skip { .. }) => continue,
                    Ok(Start::Run { key, state }) => {
                        run.data.key = (key != event.key).then_some(key);
                        run.data.flow = Some(state);
                        if self.advance(&mut run, &read, now, None, &mut write.work, planned) {
                            draft.more.push(run.id);
                        }
                    }
                    Err(e) => {
                        run.status = RunStatus::Failed;
                        run.data.why = Some(e.to_string());
                    }
                }
            } else {
                run.status = RunStatus::Blocked;
                for entity in &missing {
                    if !self.plan_fetch(connection, entity, now, planned) {
                        let why = "cannot be read on its own; the run waits until reconciliation brings it".to_owned();
                        run.data.failures.push((format!("{}:{}", entity.kind, entity.id), why));
                        self.missed(connection);
                    }
                }
                // One that comes while this is being decided would find nobody who waits for it.
                write.work.guards.extend(read.guards());
                run.data.missing = missing;
            }
            let (listens, _) = self.listen_changes(&mut run);
            write.runs.push(RunInsert {
                id: run.id,
                flow: flow_id,
                event: event.id,
                key,
                status: run.status,
                state: self.store.sealer().seal_json(&run.data),
                created_at: now,
                listens,
            });
            draft.runs.push((position, run));
        }
    }

    /// Reads a record that a run needs, once however many runs need it. False: it cannot be read on its own.
    fn plan_fetch(
        &self,
        connection: &Arc<ConnectionRuntime>,
        entity: &EntityRef,
        now: Timestamp,
        planned: &mut Vec<Planned>,
    ) -> bool {
        if !connection.manifest().fetches.contains(&entity.kind.as_str()) {
            return false;
        }
        if !self.fetching.lock().insert((connection.id, entity.clone())) {
            return true;
        }
        planned.push(self.plan_at(
            PlanAt {
                connection: connection.clone(),
                run: None,
                path: format!("{}:{}", entity.kind, entity.id),
                action: crate::dispatch::FETCH.into(),
                lane_text: format!("fetch:{}:{}", entity.kind, entity.id),
                urgency: 0,
                class: None,
                purpose: None,
                input: json!({ "kind": entity.kind, "id": entity.id }),
                give_up_after: Duration::from_secs(7 * 24 * 3600),
                resend_unknown: true,
                park: false,
                holding: None,
            },
            now,
        ));
        true
    }

    /// Takes a run's lock into the draft. `None`: the run cannot be read any more.
    async fn hold<'d>(&self, id: RunId, draft: &'d mut Draft) -> Result<Option<&'d mut LiveRun>, Error> {
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
            if guard.is_none() {
                *guard = self.load_run(id).await?;
            }
            draft.held.insert(id, (cell, guard));
        }
        Ok(draft.held.get_mut(&id).and_then(|(_, g)| g.as_mut()))
    }

    /// A run that listens to this event hears it.
    #[allow(clippy::too_many_arguments)]
    async fn event_heard(
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
        let (models, _) =
            Self::models(&flow, &event.refs, |r| known.get(r).and_then(Option::as_ref).map(|k| k.data.clone()));
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
                run.data.why = Some(why);
                run.data.armed.clear();
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
                Ok(false)
            }
        }
    }

    /// Effects of a run that are still queued.
    async fn open_effects(&self, ids: &[EffectId]) -> Result<Vec<EffectRow>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let filter = pasarela_store::EffectFilter {
            states: vec![EffectState::Queued],
            ids: ids.to_vec(),
            limit: u32::try_from(ids.len()).unwrap_or(u32::MAX - 1),
            ..Default::default()
        };
        Ok(self.store.effects(filter).await?.rows)
    }

    /// A read model that a run waits for, or computed a wait from, has changed.
    async fn entity_changed(
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
        let (models, missing) = Self::models(&flow, &run.event.refs, |r| {
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
                run.data.armed.insert(path.clone(), due);
                work.timers.push(pasarela_store::TimerSet {
                    due,
                    kind: pasarela_store::TimerKind::Wait,
                    target: id.get(),
                    path,
                });
            }
        }
        if more {
            draft.more.push(id);
        }
        self.write_held(id, now, work, draft)
    }

    /// Puts a held run's new row into the work, in place of an earlier one of the same decision.
    fn write_held(
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

    /// Late news of a message of ours.
    #[allow(clippy::too_many_arguments)]
    async fn settle_late(
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
        });
        if to == EffectState::Settling
            && let Some(due) = timeout.and_then(|t| now.checked_add(t).ok())
        {
            // The answer that would have set it never came, or comes too late to be written.
            let (kind, target) = (pasarela_store::TimerKind::Settle, effect.id.get());
            write.work.timers.push(pasarela_store::TimerSet { due, kind, target, path: String::new() });
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

    /// Keyed hashes of the people that a payload names: e-mails, phones, channel ids.
    fn subjects(&self, data: &Value) -> Vec<i64> {
        fn walk(value: &Value, out: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    for (name, inner) in map {
                        match (name.as_str(), inner) {
                            ("email" | "phone" | "channel_user_id", Value::String(text)) if !text.is_empty() => {
                                out.push(format!("{name}:{}", text.to_lowercase()));
                            }
                            _ => walk(inner, out),
                        }
                    }
                }
                Value::Array(items) => items.iter().for_each(|i| walk(i, out)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        walk(data, &mut found);
        found.sort();
        found.dedup();
        found.iter().map(|s| self.store.sealer().hash(&["subject", s])).collect()
    }

    /// After the commit: news go out, lanes go on, calls are made.
    fn decided(self: &Arc<Self>, draft: Draft, results: &[FactResult], status: DeliveryStatus, now: Timestamp) {
        let written = |position: usize| matches!(results.get(position), Some(FactResult::New(_)));
        let known = results.iter().filter(|r| **r == FactResult::Known).count();
        if !results.is_empty() && known == results.len() {
            count(&self.metrics.duplicates);
        }
        if matches!(status, DeliveryStatus::Quarantined | DeliveryStatus::Partial) {
            count(&self.metrics.quarantined);
        }
        count(&self.metrics.decided);
        let mut calls: Vec<OpenCall> = Vec::new();
        let mut timers = draft.timers;
        for (position, planned) in draft.planned {
            let mut seqs: &[i64] = &[];
            if let Some(FactResult::New(given)) = results.get(position) {
                seqs = given;
            }
            for (i, plan) in planned.into_iter().enumerate() {
                match seqs.get(i) {
                    Some(seq) => calls.extend(plan.commit(*seq, now)),
                    None => self.abandon(plan, now),
                }
            }
        }
        for position in draft.adopted {
            if written(position) {
                count(&self.metrics.runs);
            }
        }
        for (position, run) in draft.runs {
            if written(position) {
                count(&self.metrics.runs);
                timers |= !run.data.armed.is_empty();
                if run.status == RunStatus::Done {
                    count(&self.metrics.runs_done);
                }
                if calls.iter().any(|c| c.members.iter().any(|m| m.run == Some(run.id))) || draft.more.contains(&run.id)
                {
                    self.runs.keep(run);
                }
            }
        }
        for (position, effect) in draft.unpark {
            if written(position)
                && let Some(connection) = self.connection_by_id(effect.connection)
            {
                let lane = crate::lanes::LaneKey { lane: effect.lane, urgency: effect.urgency };
                connection.lock_lanes(|l| l.unpark(lane, now));
                connection.wake.notify_one();
            }
        }
        for (id, (cell, guard)) in draft.held {
            timers |= guard.as_ref().is_some_and(|r| !r.data.armed.is_empty());
            drop(guard);
            self.runs.forget(id, cell);
        }
        for (position, scope) in draft.events {
            if written(position) {
                count(&self.metrics.events);
                self.publish(&scope);
            }
            self.watermark.close(scope.id.get());
        }
        if timers {
            self.timer_wake.notify_one();
        }
        for call in calls {
            self.spawn_call(call);
        }
        for id in draft.more {
            let inner = self.clone();
            tokio::spawn(async move { inner.go_on(id).await });
        }
    }

    /// An effect that was planned and not written. A read may be planned again by whoever needs it next.
    fn abandon(&self, plan: Planned, now: Timestamp) {
        if plan.insert.action == crate::dispatch::FETCH
            && let Some((kind, id)) = plan.insert.path.split_once(':')
        {
            self.fetching.lock().remove(&(plan.insert.connection, EntityRef::new(kind, id)));
        }
        plan.abort(now);
    }

    /// Nothing was written: everything that was taken is given back.
    fn abort(&self, draft: Draft, now: Timestamp) {
        for (_, planned) in draft.planned {
            for plan in planned {
                self.abandon(plan, now);
            }
        }
        for (id, (cell, mut guard)) in draft.held {
            // What is in memory was changed and not written.
            *guard = None;
            drop(guard);
            self.runs.forget(id, cell);
        }
        for (_, scope) in draft.events {
            self.watermark.close(scope.id.get());
        }
    }
}

/// A delivery's status by what was found in it.
fn verdict(translation: &Translation) -> (DeliveryStatus, Option<String>) {
    let mut facts = 0;
    let mut unread: Vec<String> = Vec::new();
    for item in &translation.items {
        match item {
            Item::Fact(_) => facts += 1,
            Item::Ignored { .. } => {}
            Item::Unread { kind, why } => unread.push(format!("{kind}: {why}")),
        }
    }
    let reason = (!unread.is_empty()).then(|| unread.join("; "));
    let status = match (facts, unread.is_empty()) {
        (_, true) if facts > 0 => DeliveryStatus::Decided,
        (_, true) => DeliveryStatus::Ignored,
        (0, false) => DeliveryStatus::Quarantined,
        (_, false) => DeliveryStatus::Partial,
    };
    (status, reason)
}

/// Older never overwrites newer: by the provider's time of change, then by rank in life.
fn is_newer(write: &EntityWrite, hash: i64, current: Option<&Known>) -> bool {
    let Some(current) = current else { return true };
    if hash == current.hash {
        return false;
    }
    match (write.updated_at, current.updated_at) {
        (Some(new), Some(old)) if new != old => new > old,
        _ => write.rank >= current.rank,
    }
}

fn known_of(row: EntityRow) -> Option<Known> {
    Some(Known {
        version: row.version,
        updated_at: row.updated_at,
        rank: row.rank,
        hash: row.hash,
        data: Arc::new(serde_json::from_slice(&row.data).ok()?),
    })
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

/// Takes back an effect that was not sent.
fn withdrawal(row: &EffectRow) -> EffectUpdate {
    EffectUpdate {
        id: row.id,
        guard: EffectGuard::State(&[EffectState::Queued]),
        to: EffectState::Withdrawn,
        not_before: None,
        code: None,
        outcome: None,
        reference: None,
        renew: None,
    }
}
