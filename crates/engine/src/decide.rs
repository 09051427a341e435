//! T2: what a delivery means. Translated facts become events, read models, runs and first effects,
//! in one transaction.
//!
//! Optimistic: what is known is read, the decision is made, and the store writes it only if the
//! versions still hold; else everything is done again. A delivery that fails three times is
//! quarantined, whatever the cause.

mod after;
mod begin;
mod hear;
mod heard;
mod known;
mod late;

pub(crate) use known::is_newer;

use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::feed::Pending;
use crate::runs::{EventScope, LiveRun, Planned, RunCell};
use crate::telemetry::count;
use jiff::Timestamp;
use known::{Known, Told};
use pasarela_connector::{Dedup, Fact, Item, Source, Translation, Unread};
use pasarela_domain::standing::Standing;
use pasarela_domain::{EntityRef, RunId};
use pasarela_store::{
    Decided, Decision, DedupKey, DeliveryStatus, EffectRow, Error, EventInsert, FactWrite, ReadGuard,
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Tries before a delivery is quarantined.
const TRIES: u32 = 3;

/// Events of somebody who stands at the door: their decisions wait behind no flood (G9).
const DOOR: [&str; 2] = ["ticket.checked_in", "ticket.check_in_undone"];

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
    /// Read models of the ledger as this draft leaves them: one body may hold several wishes of a person.
    ledger: HashMap<EntityRef, Option<Known>>,
    /// What stands for and against addresses, as an earlier fact of this delivery writes it, with its version.
    standings: HashMap<String, (i64, Standing)>,
    /// Read models that speak of persons and changed without an event: (fact, connection, read model).
    unsaid: Vec<(usize, i64, EntityRef)>,
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
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| connection.connector().translate(source, body)));
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
            let outcome = if pending.proposal {
                // The hub stopped between keeping it and setting it aside.
                self.hold_proposal(pending.id, &EntityRef::new("record", "")).await.map(|()| true)
            } else if failures >= TRIES {
                let why = format!("deciding it failed {failures} times; see the log, then replay it");
                self.quarantine(&pending, why).await.map(|()| true)
            } else {
                self.decide_once(&connection, &pending).await
            };
            match outcome {
                Ok(true) => return,
                Ok(false) => count(&self.metrics.conflicts),
                Err(Error::Busy) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(Error::DiskFull | Error::Unreachable(_)) => tokio::time::sleep(Duration::from_millis(250)).await,
                Err(Error::Closed | Error::Fenced) => return,
                Err(e) => {
                    count(&self.metrics.decide_failures);
                    tracing::error!(delivery = %pending.id, error = %e, "a delivery could not be decided");
                    failures = self.store.decide_failed(pending.id).await.unwrap_or(failures + 1).max(failures + 1);
                }
            }
        }
    }

    /// A delivery of a connection went into quarantine.
    fn note_quarantine(&self, connection: i64) {
        let brand = self.connection_by_id(connection).map(|c| c.brand.clone()).unwrap_or_default();
        self.decisions.note("deliveries.quarantined", &self.connection_name(connection), &brand);
    }

    async fn quarantine(&self, pending: &Pending, why: String) -> Result<(), Error> {
        let decision = Decision {
            delivery: pending.id,
            status: DeliveryStatus::Quarantined,
            reason: Some(self.store.sealer().seal(why.as_bytes())),
            facts: Vec::new(),
            subjects: Vec::new(),
            door: false,
        };
        self.store.decide(decision).await?;
        count(&self.metrics.quarantined);
        self.note_quarantine(pending.connection);
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
            ledger: HashMap::new(),
            standings: HashMap::new(),
            unsaid: Vec::new(),
        };
        let drafted = self.draft(connection, pending, &facts, now, &mut draft).await;
        if let Err(e) = drafted {
            self.abort(draft, now);
            return Err(e);
        }
        draft.subjects.sort_unstable();
        draft.subjects.dedup();
        let door = draft.events.iter().any(|(_, e)| DOOR.contains(&e.event_type.as_str()));
        let decision = Decision {
            delivery: pending.id,
            status,
            reason: reason.map(|r| self.store.sealer().seal(r.as_bytes())),
            facts: std::mem::take(&mut draft.facts),
            subjects: std::mem::take(&mut draft.subjects),
            door,
        };
        match self.store.decide(decision).await {
            Ok(Decided::Done(results)) => {
                if matches!(status, DeliveryStatus::Quarantined | DeliveryStatus::Partial) {
                    self.note_quarantine(pending.connection);
                }
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
            // The body names them also where nothing of it is news: an erasure must find it.
            let bodies = std::iter::once(&fact.data).chain(fact.entities.iter().map(|e| &e.data));
            draft.subjects.extend(bodies.flat_map(|b| self.subjects(b)));
            let told = if seen[index] || repeated {
                Told::default()
            } else {
                self.entities(connection, fact, &mut known, &mut write)
            };
            if write.dedup.is_none() && write.entities.is_empty() && !told.news {
                // An equal or older state: nothing is written, and the store has nothing to compare.
                continue;
            }
            let news = told.news;
            let position = draft.facts.len();
            let silent = fact.event_type.is_none() && connection.name() != crate::ledger::LEDGER;
            let spoken = write.entities.iter().filter(|e| silent && crate::people::speaks(&e.entity.kind));
            draft.unsaid.extend(spoken.map(|e| (position, connection.id, e.entity.clone())));
            self.fact(connection, pending, fact, told, now, position, &known, &mut write, draft).await?;
            draft.facts.push(write);
            if news {
                self.words(connection, pending, fact, now, draft).await?;
            }
        }
        Ok(())
    }

    /// What a person says about their data counts everywhere as soon as it is heard: what it gives or takes back in
    /// the ledger is written with the event that says so.
    async fn words(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        pending: &Pending,
        fact: &Fact,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        let said = match &fact.dedup {
            Dedup::Once { kind, entity, discriminator } => format!("{kind}/{entity}/{discriminator}"),
            Dedup::State { .. } => pending.id.to_string(),
        };
        let heard = self.words_in(connection.name(), fact, &said, pending.received_at).await?;
        let Some(ledger) = self.connection(crate::ledger::LEDGER).filter(|_| !heard.is_empty()) else { return Ok(()) };
        let facts: Vec<&Fact> = heard.iter().collect();
        let keys: Vec<Option<DedupKey>> = facts.iter().map(|f| self.dedup_key(ledger.id, &f.dedup)).collect();
        let mut known: HashMap<EntityRef, Option<Known>> = HashMap::new();
        let mut seen = vec![false; facts.len()];
        self.read_known(ledger.id, &facts, &keys, &mut known, &mut seen).await?;
        known.extend(std::mem::take(&mut draft.ledger));
        for ((fact, key), seen) in facts.into_iter().zip(keys).zip(seen) {
            let repeated = key.as_ref().is_some_and(|k| draft.facts.iter().any(|f| f.dedup.as_ref() == Some(k)));
            if seen || repeated {
                continue;
            }
            let mut write = FactWrite { dedup: key, ..FactWrite::default() };
            draft.subjects.extend(self.subjects(&fact.data));
            let told = self.entities(&ledger, fact, &mut known, &mut write);
            let position = draft.facts.len();
            self.fact(&ledger, pending, fact, told, now, position, &known, &mut write, draft).await?;
            draft.facts.push(write);
        }
        draft.ledger = known;
        Ok(())
    }

    /// Which of these facts are news, if they were decided now. Nothing is written.
    pub(crate) async fn fresh(&self, connection: &ConnectionRuntime, facts: &[&Fact]) -> Result<Vec<bool>, Error> {
        let keys: Vec<Option<DedupKey>> = facts.iter().map(|f| self.dedup_key(connection.id, &f.dedup)).collect();
        let mut known: HashMap<EntityRef, Option<Known>> = HashMap::new();
        let mut seen = vec![false; facts.len()];
        if !facts.is_empty() {
            self.read_known(connection.id, facts, &keys, &mut known, &mut seen).await?;
        }
        let mut news = Vec::with_capacity(facts.len());
        for (index, fact) in facts.iter().enumerate() {
            let repeated = keys[index].is_some() && keys[..index].contains(&keys[index]);
            let fresh = !seen[index]
                && !repeated
                && self.entities(connection, fact, &mut known, &mut FactWrite::default()).news;
            news.push(fresh);
        }
        Ok(news)
    }

    pub(crate) fn dedup_key(&self, connection: i64, dedup: &Dedup) -> Option<DedupKey> {
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

    #[allow(clippy::too_many_arguments)]
    async fn fact(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        pending: &Pending,
        fact: &Fact,
        told: Told,
        now: Timestamp,
        position: usize,
        known: &HashMap<EntityRef, Option<Known>>,
        write: &mut FactWrite,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        let mut planned = Vec::new();
        if told.news
            && let Some(settles) = &fact.settles
        {
            self.settle_late(connection, settles, now, position, write, &mut planned, draft).await?;
        }
        for hash in told.changed {
            for run in self.listeners(hash, "entity", &mut write.work, draft).await? {
                self.entity_changed(run, known, now, &mut write.work, &mut planned, draft).await?;
            }
        }
        if told.news
            && let Some(event_type) = &fact.event_type
        {
            if let Some(row) = crate::suppress::of_event(event_type, &fact.data, connection.name(), now) {
                // Before the event: what is decided again is noted again, and nothing is lost between the two.
                self.store.suppress(row).await?;
            }
            self.link_named(event_type, &fact.data).await?;
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
            self.heard(connection, event_type, &fact.data, scope.occurred_at, write, draft).await?;
            let subjects = self.subjects(&fact.data);
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
            if event_type == crate::by_hand::ASKED && self.store.is_shared() {
                // The flow that does it may have been pushed at another node a moment ago: without it nobody would.
                self.follow_flows().await?;
            }
            let asks = self.flows.load().asks_consent(event_type);
            let consent = if asks { Some(self.consent_now(connection, &scope, known).await?) } else { None };
            self.start_runs(connection, &scope, key, known, consent, now, position, write, &mut planned, draft);
        }
        write.work.effects.extend(planned.iter_mut().filter_map(Planned::row));
        // What this decision writes itself has a guard of its own, and another version by then.
        let own: Vec<&EntityRef> =
            write.entities.iter().chain(draft.facts.iter().flat_map(|f| &f.entities)).map(|e| &e.entity).collect();
        write.work.guards.retain(|g| !matches!(g, ReadGuard::Entity { entity, .. } if own.contains(&entity)));
        draft.planned.push((position, planned));
        Ok(())
    }

    /// What the person of an event has allowed; a word that is being written with it counts.
    async fn consent_now(
        &self,
        connection: &ConnectionRuntime,
        event: &EventScope,
        known: &HashMap<EntityRef, Option<Known>>,
    ) -> Result<Arc<Value>, Error> {
        if connection.name() != crate::ledger::LEDGER {
            return self.consent_of(&event.data).await;
        }
        let own = event.refs.iter().filter_map(|r| known.get(r)?.as_ref().filter(|_| r.kind == "consent"));
        let all = crate::ledger::all_of(own.map(|k| &*k.data));
        let address = ["/contact/email", "/contact/phone"].iter().find_map(|p| event.data.pointer(p)?.as_str());
        self.consent_seen(&all, address).await
    }

    /// Keyed hashes of the people that a payload names: e-mails, phones, channel ids; and of the numbers that
    /// people read from a ticket or an order.
    fn subjects(&self, data: &Value) -> Vec<i64> {
        fn walk(value: &Value, out: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    for (name, inner) in map {
                        match (name.as_str(), inner) {
                            // Numbers of orders and tickets name nobody; they are found in the same way.
                            ("email" | "phone" | "channel_user_id" | "number" | "code", Value::String(text))
                                if !text.is_empty() =>
                            {
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
        found.iter().map(|s| self.subject_hash(s)).collect()
    }
}

impl Inner {
    /// Keyed hash by which the events that name `email:...`, `phone:...`, `number:...` or `code:...` are found.
    pub(crate) fn subject_hash(&self, named: &str) -> i64 {
        self.store.sealer().hash(&["subject", named])
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
