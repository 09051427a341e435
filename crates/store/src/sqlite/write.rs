//! The statements behind each member of a group. Every function writes all of its member or
//! returns an error, upon which the writer rolls its savepoint back.

use super::parts;
use crate::audit::{AuditEntry, Chain, Head, packed};
use crate::codes::{is_end_of, ms, replay_hash, run_code};
use crate::contract::{
    Accepted, AttemptInsert, Claim, Decided, Decision, EffectGuard, EffectInsert, EffectState, EffectUpdate,
    EntityUpsert, EventInsert, FactResult, FactWrite, Listen, NewDelivery, ReadGuard, RunInsert, RunWrite, TimerSet,
    Work, Worked,
};
use crate::rows::DeliveryStatus;
use jiff::Timestamp;
use pasarela_domain::{DeliveryId, IdMaker};
use rusqlite::{Connection, OptionalExtension, params};

/// What a member could not write.
pub(super) enum Stop {
    /// The database refused: the whole group is in doubt.
    Database(rusqlite::Error),
    /// A guard does not hold: roll the member back.
    Guard,
}

impl Stop {
    /// The database's error, if it was one.
    pub(super) fn database(self) -> Option<rusqlite::Error> {
        match self {
            Self::Database(e) => Some(e),
            Self::Guard => None,
        }
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(e: rusqlite::Error) -> Self {
        Self::Database(e)
    }
}

/// State of the writer that lives as long as its connection.
pub(super) struct Writer<'c> {
    pub(super) db: &'c Connection,
    pub(super) ids: &'c mut IdMaker,
    pub(super) seq: &'c mut i64,
    pub(super) chain: &'c Chain,
    pub(super) rows: u64,
}

impl Writer<'_> {
    fn run(&mut self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<usize> {
        let changed = self.db.prepare_cached(sql)?.execute(params)?;
        self.rows += changed as u64;
        Ok(changed)
    }

    pub(super) fn accept(&mut self, d: &NewDelivery) -> Result<Accepted, Stop> {
        if let Some(nonce) = &d.replay_key {
            let hash = replay_hash(nonce);
            let fresh = self.run(
                "INSERT OR IGNORE INTO dedup (entity, discriminator, connection, kind, at) VALUES (?1, ?2, ?3, 'replay', ?4)",
                params![hash.0, hash.1, d.connection, ms(d.received_at)],
            )?;
            if fresh == 0 {
                return Ok(Accepted::Known);
            }
        }
        let id = self.ids.next(d.received_at);
        self.run(
            "INSERT INTO deliveries (id, connection, source, received_at, packed) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, d.connection, d.source, ms(d.received_at), d.packed.0],
        )?;
        let bytes = i64::try_from(d.packed.0.len()).unwrap_or(i64::MAX);
        self.run("INSERT INTO inbox (delivery, bytes) VALUES (?1, ?2)", [id, bytes])?;
        Ok(Accepted::New(DeliveryId::from_raw(id)))
    }

    pub(super) fn decide(&mut self, d: &mut Decision) -> Result<Decided, Stop> {
        if self.run("DELETE FROM inbox WHERE delivery = ?1", [d.delivery.get()])? == 0 {
            // Decided before: by the run of this process that a conflict interrupted, or by another node.
            return Ok(Decided::Done(vec![FactResult::Known; d.facts.len()]));
        }
        let mut results = Vec::with_capacity(d.facts.len());
        for fact in &mut d.facts {
            results.push(self.fact(fact)?);
        }
        let all_known = !results.is_empty() && results.iter().all(|r| *r == FactResult::Known);
        let status =
            if all_known && d.status == DeliveryStatus::Decided { DeliveryStatus::Duplicate } else { d.status };
        // What is not pending and has no result is decided: the rule needs no row.
        if status != DeliveryStatus::Decided || d.reason.is_some() {
            self.run(
                "INSERT OR REPLACE INTO delivery_result (delivery, status, reason) VALUES (?1, ?2, ?3)",
                params![d.delivery.get(), status as u8, d.reason.as_ref().map(|r| &r.0)],
            )?;
        }
        // Whoever an event of this delivery names is found by that event.
        let named: Vec<i64> = (d.facts.iter().zip(&results))
            .filter(|(_, result)| matches!(result, FactResult::New(_)))
            .filter_map(|(fact, _)| fact.event.as_ref().filter(|e| e.delivery == d.delivery))
            .flat_map(|e| e.subjects.iter().copied())
            .collect();
        for subject in d.subjects.iter().filter(|s| !named.contains(s)) {
            self.run(
                "INSERT OR IGNORE INTO delivery_subject (subject, delivery) VALUES (?1, ?2)",
                [*subject, d.delivery.get()],
            )?;
        }
        Ok(Decided::Done(results))
    }

    fn fact(&mut self, fact: &mut FactWrite) -> Result<FactResult, Stop> {
        if let Some(key) = &fact.dedup {
            let fresh = self.run(
                "INSERT OR IGNORE INTO dedup (entity, discriminator, connection, kind, at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    key.entity,
                    key.discriminator,
                    key.connection,
                    key.kind,
                    fact.event.as_ref().map(|e| ms(e.received_at))
                ],
            )?;
            if fresh == 0 {
                return Ok(FactResult::Known);
            }
        }
        // Before the fact's own writes, which change what the guards look at.
        self.guards(&fact.work.guards)?;
        for entity in &fact.entities {
            self.entity(entity)?;
        }
        if let Some(event) = &fact.event {
            self.event(event)?;
        }
        for run in &fact.runs {
            self.new_run(run)?;
        }
        match self.changes(&mut fact.work)? {
            Worked::Done { seqs, .. } => Ok(FactResult::New(seqs)),
            Worked::Stale => Err(Stop::Guard),
        }
    }

    fn entity(&mut self, e: &EntityUpsert) -> Result<(), Stop> {
        let updated_at = e.updated_at.map(ms);
        let changed = if e.expected == 0 {
            self.run(
                "INSERT OR IGNORE INTO entities (connection, kind, entity, version, updated_at, rank, hash, data)
                 VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7)",
                params![e.connection, e.entity.kind, e.entity.id, updated_at, e.rank, e.hash, e.data.0],
            )?
        } else {
            self.run(
                "UPDATE entities SET version = version + 1, updated_at = ?4, rank = ?5, hash = ?6, data = ?7
                 WHERE connection = ?1 AND kind = ?2 AND entity = ?3 AND version = ?8",
                params![e.connection, e.entity.kind, e.entity.id, updated_at, e.rank, e.hash, e.data.0, e.expected],
            )?
        };
        if changed == 0 {
            return Err(Stop::Guard);
        }
        if let Some(parent) = e.parent {
            self.run(parts::KEEP, params![e.connection, e.entity.kind, e.entity.id, parent])?;
        }
        Ok(())
    }

    fn event(&mut self, e: &EventInsert) -> Result<(), Stop> {
        self.run(
            "INSERT INTO events (id, type, connection, key, occurred_at, received_at, delivery, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                e.id.get(),
                e.event_type,
                e.connection,
                e.key,
                ms(e.occurred_at),
                ms(e.received_at),
                e.delivery.get(),
                e.body.0
            ],
        )?;
        for subject in &e.subjects {
            self.run("INSERT OR IGNORE INTO event_subject (subject, event) VALUES (?1, ?2)", [*subject, e.id.get()])?;
        }
        Ok(())
    }

    fn new_run(&mut self, r: &RunInsert) -> Result<(), Stop> {
        self.run(
            "INSERT INTO runs (id, flow, event, key, status, version, created_at, updated_at, state)
             VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6, ?7)",
            params![r.id.get(), r.flow, r.event.get(), r.key, run_code(r.status), ms(r.created_at), r.state.0],
        )?;
        self.listen(r.id.get(), &r.listens)
    }

    fn listen(&mut self, run: i64, listens: &[Listen]) -> Result<(), Stop> {
        for l in listens {
            self.run(
                "INSERT OR IGNORE INTO run_waits (key, type, run) VALUES (?1, ?2, ?3)",
                params![l.key, l.event_type, run],
            )?;
        }
        Ok(())
    }

    /// What was read must still be so.
    fn guards(&mut self, guards: &[ReadGuard]) -> Result<(), Stop> {
        for guard in guards {
            let holds = match guard {
                ReadGuard::Entity { connection, entity, version } => {
                    let now: Option<i64> = self
                        .db
                        .prepare_cached(
                            "SELECT version FROM entities WHERE connection = ?1 AND kind = ?2 AND entity = ?3",
                        )?
                        .query_row(params![connection, entity.kind, entity.id], |r| r.get(0))
                        .optional()?;
                    now.unwrap_or(0) == *version
                }
                ReadGuard::Listeners { key, event_type, runs } => {
                    let mut found = self.db.prepare_cached("SELECT run FROM run_waits WHERE key = ?1 AND type = ?2")?;
                    let listening = found
                        .query_map(params![key, event_type], |r| r.get::<_, i64>(0))?
                        .collect::<rusqlite::Result<Vec<i64>>>()?;
                    listening.iter().all(|l| runs.iter().any(|r| r.get() == *l))
                }
                ReadGuard::Events { key, after, types, count } => {
                    let mut found = self.db.prepare_cached("SELECT type FROM events WHERE key = ?1 AND id > ?2")?;
                    let came = found
                        .query_map(params![key, after.get()], |r| r.get::<_, String>(0))?
                        .collect::<rusqlite::Result<Vec<String>>>()?;
                    came.iter().filter(|t| types.contains(t)).count() == *count as usize
                }
            };
            if !holds {
                return Err(Stop::Guard);
            }
        }
        Ok(())
    }

    /// Guards first, so that a stale member costs little.
    pub(super) fn work(&mut self, w: &mut Work) -> Result<Worked, Stop> {
        self.guards(&w.guards)?;
        self.changes(w)
    }

    fn changes(&mut self, w: &mut Work) -> Result<Worked, Stop> {
        for entity in &w.entities {
            self.entity(entity)?;
        }
        for link in &w.links {
            self.run(
                "INSERT INTO person_links (address, person) VALUES (?1, ?2)
                 ON CONFLICT (address) DO UPDATE SET person = excluded.person",
                [link.address, link.person],
            )?;
        }
        for update in &w.updates {
            self.update(update, w.attempts.iter().find(|a| is_end_of(update, a)))?;
        }
        for run in &w.runs {
            self.run_write(run)?;
        }
        if let Some(claim) = &w.progress {
            let changed = self.run(
                "UPDATE effects SET call = ?1, repeat = ?2, started_at = ?3
                 WHERE id = ?4 AND status = 1 AND boot = ?5 AND attempt = ?6",
                params![claim.call.0, claim.repeat, ms(claim.started_at), claim.id.get(), claim.boot, claim.attempt],
            )?;
            if changed == 0 {
                return Err(Stop::Guard);
            }
        }
        for (due, id) in &w.fired {
            // Another node, or an earlier try of ours, may have fired it: then this work is stale.
            if self.run("DELETE FROM timers WHERE due = ?1 AND id = ?2", params![ms(*due), id])? == 0 {
                return Err(Stop::Guard);
            }
        }
        for attempt in &w.attempts {
            if !w.updates.iter().any(|u| is_end_of(u, attempt)) {
                self.attempt(attempt)?;
            }
        }
        let mut seqs = Vec::with_capacity(w.effects.len());
        for effect in &w.effects {
            seqs.push(self.effect(effect)?);
        }
        for timer in &w.timers {
            self.timer(timer)?;
        }
        let mut deliveries = Vec::with_capacity(w.deliveries.len());
        for delivery in &w.deliveries {
            if let Accepted::New(id) = self.accept(delivery)? {
                deliveries.push(id);
            }
        }
        let claimed = self.claim(&w.claims)?;
        self.audit(&w.audit)?;
        Ok(Worked::Done { seqs, deliveries, claimed })
    }

    /// Appends to the chain of the audit. This is the only place that writes to it, and one thread comes here.
    fn audit(&mut self, entries: &[AuditEntry]) -> Result<(), Stop> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut head = self
            .db
            .prepare_cached("SELECT seq, at, hash FROM audit_head WHERE id = 1")?
            .query_row([], |r| Ok(Head { seq: r.get(0)?, at: r.get(1)?, hash: r.get(2)? }))?;
        for e in entries {
            let link = self.chain.append(&mut head, e);
            self.run(
                "INSERT INTO audit (seq, at, who_kind, who, named, brand, action, subject, about, forgets, actor,
                   actor_digest, detail, detail_digest, previous, hash, deed, outcome)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
                params![
                    link.seq,
                    link.at,
                    e.who_kind.as_str(),
                    e.who,
                    e.named,
                    e.brand,
                    e.action,
                    e.subject,
                    packed(&e.about),
                    packed(&e.forgets),
                    e.actor.0,
                    e.actor_digest.as_slice(),
                    e.detail.as_ref().map(|d| &d.0),
                    e.detail_digest.as_slice(),
                    link.previous,
                    link.hash,
                    e.deed.map_or(0, |(deed, _)| deed),
                    e.deed.map_or("", |(_, outcome)| outcome.as_str())
                ],
            )?;
            for subject in &e.about {
                self.run("INSERT OR IGNORE INTO audit_about (subject, seq) VALUES (?1, ?2)", [*subject, link.seq])?;
            }
            for seq in &e.forgets {
                self.run("UPDATE audit SET detail = NULL WHERE seq = ?1", [*seq])?;
                self.run("DELETE FROM audit_about WHERE seq = ?1", [*seq])?;
            }
            if let Some(base) = &e.prunes {
                self.run(
                    "INSERT INTO audit_head (id, seq, at, hash, mac) VALUES (2, ?1, ?2, ?3, ?4)
                     ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, at = excluded.at, hash = excluded.hash,
                       mac = excluded.mac WHERE excluded.seq > audit_head.seq",
                    params![base.seq, base.at, base.hash, self.chain.mac_of_base(base)],
                )?;
                self.run("DELETE FROM audit_about WHERE seq <= ?1", [base.seq])?;
                self.run("DELETE FROM audit WHERE seq <= ?1", [base.seq])?;
            }
        }
        let mac = self.chain.mac(&head);
        self.run(
            "UPDATE audit_head SET seq = ?1, at = ?2, hash = ?3, mac = ?4 WHERE id = 1",
            params![head.seq, head.at, head.hash, mac],
        )?;
        Ok(())
    }

    /// `last`: the call that ended the effect, if its history is to lie in the effect's own row.
    fn update(&mut self, u: &EffectUpdate, last: Option<&AttemptInsert>) -> Result<(), Stop> {
        let not_before = u.not_before.map(ms);
        let (renew, renew_at) = (u.renew.is_some(), u.renew.map(ms));
        let changed = match &u.guard {
            EffectGuard::Attempt { boot, attempt } => self.run(
                UPDATE_BY_ATTEMPT,
                params![
                    u.id.get(),
                    u.to as u8,
                    not_before,
                    u.code,
                    u.outcome.as_ref().map(|o| &o.0),
                    u.reference,
                    renew,
                    renew_at,
                    boot,
                    attempt,
                    last.map(|a| ms(a.started_at)),
                    last.map(|a| ms(a.ended_at)),
                    last.map(|a| a.call),
                    last.and_then(|a| a.status),
                    last.and_then(|a| a.detail.as_ref()).map(|d| &d.0)
                ],
            )?,
            EffectGuard::State(states) => {
                let current: Option<i64> = self
                    .db
                    .prepare_cached("SELECT status FROM effects WHERE id = ?1")?
                    .query_row([u.id.get()], |r| r.get(0))
                    .optional()?;
                let fits = current.is_some_and(|c| states.contains(&EffectState::from_code(c)));
                if !fits {
                    return Err(Stop::Guard);
                }
                *self.seq += i64::from(u.reenters.is_some());
                let place = u.reenters.map(|_| *self.seq);
                self.run(
                    UPDATE_BY_ID,
                    params![
                        u.id.get(),
                        u.to as u8,
                        not_before,
                        u.code,
                        u.outcome.as_ref().map(|o| &o.0),
                        u.reference,
                        renew,
                        renew_at.or(u.give_up_at.map(ms)),
                        place
                    ],
                )?
            }
        };
        if changed == 0 { Err(Stop::Guard) } else { Ok(()) }
    }

    fn run_write(&mut self, r: &RunWrite) -> Result<(), Stop> {
        let changed = self.run(
            "UPDATE runs SET status = ?2, state = ?3, updated_at = ?4, version = version + 1 WHERE id = ?1 AND version = ?5",
            params![r.id.get(), run_code(r.status), r.state.0, ms(r.at), r.expected],
        )?;
        if changed == 0 {
            return Err(Stop::Guard);
        }
        for l in &r.unlisten {
            self.run(
                "DELETE FROM run_waits WHERE key = ?1 AND type = ?2 AND run = ?3",
                params![l.key, l.event_type, r.id.get()],
            )?;
        }
        self.listen(r.id.get(), &r.listen)
    }

    fn attempt(&mut self, a: &AttemptInsert) -> Result<(), Stop> {
        self.run(
            "INSERT OR REPLACE INTO attempts (effect, attempt, call, started_at, ended_at, outcome, status, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                a.effect.get(),
                a.attempt,
                a.call,
                ms(a.started_at),
                ms(a.ended_at),
                a.outcome,
                a.status,
                a.detail.as_ref().map(|d| &d.0)
            ],
        )?;
        Ok(())
    }

    fn effect(&mut self, e: &EffectInsert) -> Result<i64, Stop> {
        *self.seq += 1;
        let seq = *self.seq;
        let status = if e.calling.is_some() { EffectState::Calling } else { EffectState::Queued };
        let c = e.calling.as_ref();
        self.run(
            "INSERT INTO effects (id, run, path, connection, action, lane, seq, urgency, class, purpose, status, not_before, attempt,
               generation, boot, started_at, repeat, created_at, give_up_at, resend_unknown, park, input, call, flow, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)",
            params![
                e.id.get(), e.run.map(|r| r.get()), e.path, e.connection, e.action, e.lane, seq, e.urgency, e.class, e.purpose,
                status as u8, e.not_before.map(ms), c.map_or(0, |c| c.attempt), c.map_or(1, |c| c.generation),
                c.map(|c| c.boot), c.map(|c| ms(c.started_at)), c.map_or(2, |c| c.repeat), ms(e.created_at),
                ms(e.give_up_at), e.resend_unknown, e.park, e.input.0, c.map(|c| &c.call.0), e.flow, e.expires_at.map(ms)
            ],
        )?;
        Ok(seq)
    }

    fn timer(&mut self, t: &TimerSet) -> Result<(), Stop> {
        // The id only tells timers of one moment apart; it must not drag delivery ids into the future.
        let id = self.ids.next(Timestamp::UNIX_EPOCH);
        self.run(
            "INSERT INTO timers (due, id, kind, target, path) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![ms(t.due), id, t.kind as u8, t.target, t.path],
        )?;
        Ok(())
    }

    pub(super) fn claim(&mut self, claims: &[Claim]) -> Result<Vec<bool>, Stop> {
        claims
            .iter()
            .map(|c| {
                let changed = self.run(
                    "UPDATE effects SET status = 1, attempt = ?2, generation = ?3, boot = ?4, started_at = ?5, repeat = ?6,
                       call = ?7, not_before = NULL WHERE id = ?1 AND status = 0",
                    params![c.id.get(), c.attempt, c.generation, c.boot, ms(c.started_at), c.repeat, c.call.0],
                )?;
                Ok(changed == 1)
            })
            .collect()
    }

    pub(super) fn decide_failed(&mut self, delivery: DeliveryId) -> Result<u32, Stop> {
        self.run("UPDATE inbox SET tries = tries + 1 WHERE delivery = ?1", [delivery.get()])?;
        let tries: Option<u32> = self
            .db
            .prepare_cached("SELECT tries FROM inbox WHERE delivery = ?1")?
            .query_row([delivery.get()], |r| r.get(0))
            .optional()?;
        Ok(tries.unwrap_or(0))
    }

    pub(super) fn reopen(&mut self, delivery: DeliveryId) -> Result<bool, Stop> {
        let known: Option<i64> = self
            .db
            .prepare_cached("SELECT id FROM deliveries WHERE id = ?1")?
            .query_row([delivery.get()], |r| r.get(0))
            .optional()?;
        if known.is_none() {
            return Ok(false);
        }
        self.run(
            "INSERT OR IGNORE INTO inbox (delivery, bytes) SELECT id, length(packed) FROM deliveries WHERE id = ?1",
            [delivery.get()],
        )?;
        self.run("DELETE FROM delivery_result WHERE delivery = ?1", [delivery.get()])?;
        Ok(true)
    }
}

const UPDATE_BY_ID: &str =
    "UPDATE effects SET status = ?2, not_before = ?3, code = ?4, outcome = coalesce(?5, outcome),
     reference = coalesce(?6, reference), generation = generation + ?7, give_up_at = coalesce(?8, give_up_at),
     seq = coalesce(?9, seq)
     WHERE id = ?1";
const UPDATE_BY_ATTEMPT: &str =
    "UPDATE effects SET status = ?2, not_before = ?3, code = ?4, outcome = coalesce(?5, outcome),
     reference = coalesce(?6, reference), generation = generation + ?7, give_up_at = coalesce(?8, give_up_at),
     started_at = coalesce(?11, started_at), ended_at = ?12, ended_call = ?13, http_status = ?14, detail = ?15
     WHERE id = ?1 AND status = 1 AND boot = ?9 AND attempt = ?10";
