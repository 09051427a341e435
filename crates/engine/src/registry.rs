//! The registry of people who want no advertising (in Colombia the RNE): its answers are brought before they are
//! needed, and kept in the standing of each address (ADR 0076).
//!
//! Addresses of people who allowed advertising lie in an index, sealed, since read models know them by their hash
//! only. Each night, after the registry's new day has begun, all of them are asked for in batches; between, whatever
//! a message waits for. Promise: a question that fails changes nothing, so advertising goes on waiting, and says so;
//! nothing else waits for it. Which provider is asked, a manifest says; none is named here.

mod list;

pub use list::{ListError, ListedAddress, RegistryList};

use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::lanes::Slot;
use crate::lawful::{Registry, is_foreign, last_closing};
use crate::ledger::{CONSENT, consents_in};
use crate::standing::{STANDING, hash_of, read_standing};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use pasarela_connector::{Ctx, Outcome, Step};
use pasarela_domain::EntityRef;
use pasarela_domain::consent::{ConsentRecord, ConsentState, Consents, is_necessary};
use pasarela_domain::standing::{RegistryAnswer, Standing};
use pasarela_store::{EntityRow, Error, RecordFilter, RecordOrder, RecordRow, RecordWrite, Recorded, Work, Worked};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Kind of the records that hold addresses.
pub(crate) const KEY: &str = "registry_key";
/// Kind and id of the record that tells since when the registry is asked, or not.
const SWITCH: (&str, &str) = ("market_switch", "registry");
/// Where the nightly walk keeps its place.
const PLACE: &str = "registry";
/// The nightly walk begins so long after the registry's day: at 03:15.
const AFTER_CLOSING: SignedDuration = SignedDuration::from_mins(15);
/// How often it is looked whether something is wanted, and after a question that failed.
const LOOK: SignedDuration = SignedDuration::from_secs(60);
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(5);
/// Addresses of a page, and standings of one transaction.
const PAGE: u32 = 1000;
const WRITES: usize = 100;
const TRIES: u32 = 20;
/// Tries of one question.
const ATTEMPTS: u32 = 6;

/// An address as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Key {
    /// E.164.
    Phone(String),
    /// In small letters.
    Email(String),
}

/// What people see of it.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct RegistryView {
    /// Must it have been asked before advertising goes out?
    pub required: bool,
    /// Connection that asks it; none: lists come in by hand.
    pub connection: Option<String>,
    /// Since when advertising waits for an answer.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub waits_since: Option<Timestamp>,
    /// Why the last question failed.
    pub problem: Option<String>,
}

/// What is wanted of the registry, on this node.
#[derive(Default)]
pub(crate) struct Desk {
    wake: Notify,
    waits_since: Mutex<Option<Timestamp>>,
    problem: Mutex<Option<String>>,
}

/// Addresses and their names among the read models.
type Asked = Vec<(String, Key)>;

impl Inner {
    pub(crate) fn registry_view(&self) -> RegistryView {
        RegistryView {
            required: self.law.registry == Registry::Required,
            connection: self.registry_connection().map(|(c, ..)| c.name().to_owned()),
            waits_since: *self.registry.waits_since.lock(),
            problem: self.registry.problem.lock().clone(),
        }
    }

    /// Who allowed advertising is asked for soon, and each night.
    pub(crate) fn note_for_registry(self: &Arc<Self>, record: &ConsentRecord) {
        if record.state != ConsentState::Given || is_necessary(&record.purpose) {
            return;
        }
        let phone = record.contact.phone.as_ref().map(|p| Key::Phone(p.as_e164().to_owned()));
        let email = record.contact.email.as_ref().map(|e| Key::Email(e.as_str().to_lowercase()));
        for key in phone.into_iter().chain(email) {
            self.spawn_key(key);
        }
    }

    /// A message waits for an answer about this address.
    pub(crate) fn want_answer(self: &Arc<Self>, phone: Option<&str>, email: Option<&str>) {
        self.registry.waits_since.lock().get_or_insert(self.clock.now());
        let key = match (phone, email) {
            (Some(phone), _) => Key::Phone(phone.to_owned()),
            (None, Some(email)) => Key::Email(email.to_lowercase()),
            (None, None) => return,
        };
        self.spawn_key(key);
    }

    fn spawn_key(self: &Arc<Self>, key: Key) {
        let foreign = matches!(&key, Key::Phone(phone) if is_foreign(Some(phone)));
        if foreign || self.law.registry == Registry::Off {
            return;
        }
        let inner = self.clone();
        tokio::spawn(async move {
            // What cannot be noted now is wanted again by the message that waits.
            match inner.keep_key(&key).await {
                Ok(()) => inner.registry.wake.notify_one(),
                Err(error) => tracing::warn!(%error, "an address is not in the index of the registry yet"),
            }
        });
    }

    fn name_of(&self, key: &Key) -> String {
        let names = match key {
            Key::Phone(phone) => self.people_of(None, Some(phone)),
            Key::Email(email) => self.people_of(Some(email), None),
        };
        names.into_iter().next().unwrap_or_default()
    }

    /// Notes an address, due at once.
    async fn keep_key(&self, key: &Key) -> Result<(), Error> {
        let name = self.name_of(key);
        for _ in 0..TRIES {
            let known = self.store.record(KEY, &name).await?;
            if known.as_ref().is_some_and(|k| k.due.is_some()) {
                return Ok(());
            }
            let version = known.map_or(0, |k| k.version);
            if self.write_key(&name, key, version, Some(self.clock.now())).await? != Recorded::Stale {
                return Ok(());
            }
        }
        Err(Error::Busy)
    }

    async fn write_key(&self, name: &str, key: &Key, expected: i64, due: Option<Timestamp>) -> Result<Recorded, Error> {
        let record = RecordWrite {
            kind: KEY.into(),
            id: name.to_owned(),
            expected,
            due,
            open: true,
            subjects: hash_of(name).into_iter().collect(),
            at: self.clock.now(),
            data: self.store.sealer().seal_json(key),
        };
        self.store.keep_record(record).await
    }

    /// The connection that asks a registry, its action, and how many it asks about at once.
    fn registry_connection(&self) -> Option<(Arc<ConnectionRuntime>, &'static str, usize)> {
        let mut all: Vec<_> = self.connections.values().collect();
        all.sort_by_key(|c| c.name());
        all.into_iter().find_map(|connection| {
            let action = connection.manifest().actions.iter().find(|a| a.registry.is_some())?;
            Some((connection.clone(), action.name, action.registry?))
        })
    }

    /// Asks the registry for ever.
    pub(crate) async fn registrar(self: Arc<Self>) {
        if self.law.registry == Registry::Off {
            return;
        }
        let registry = self.registry_connection();
        let mut next = self.clock.now();
        while !self.is_stopping() {
            tokio::select! {
                () = self.registry.wake.notified() => {}
                () = tokio::time::sleep(self.clock.sleep_for(next).min(Duration::from_secs(60))) => {}
                () = self.stopped() => return,
            }
            let own = registry.as_ref().filter(|(c, ..)| c.is_own() && c.missing_credentials().is_empty());
            let Some(registry @ (connection, ..)) = own else {
                // Another node asks it, or a person does.
                if self.registry.waits_since.lock().is_some()
                    && let Err(error) = self.registry_calm().await
                {
                    tracing::warn!(%error, "whether the registry is waited for cannot be read");
                }
                next = self.clock.now().checked_add(LOOK).unwrap_or(Timestamp::MAX);
                continue;
            };
            let done = match self.ask_for_wanted(registry).await {
                Ok(()) => self.ask_for_all(registry).await,
                failed => failed,
            };
            let pause = if done.is_ok() { LOOK } else { AFTER_FAILURE };
            if let Err(problem) = &done {
                tracing::warn!(connection = connection.name(), problem, "the registry could not be asked");
            }
            *self.registry.problem.lock() = done.err();
            next = self.clock.now().checked_add(pause).unwrap_or(Timestamp::MAX);
            if pause == AFTER_FAILURE {
                // Who is woken meanwhile does not ask it sooner.
                while next > self.clock.now() && !self.is_stopping() {
                    tokio::time::sleep(self.clock.sleep_for(next).min(Duration::from_secs(5))).await;
                }
            }
        }
    }

    /// Whatever is due by now.
    async fn ask_for_wanted(&self, registry: &(Arc<ConnectionRuntime>, &'static str, usize)) -> Result<(), String> {
        let text = |e: Error| e.to_string();
        loop {
            let order = RecordOrder::Due(self.clock.now());
            let page = self.store.records(RecordFilter::first(KEY, order, PAGE)).await.map_err(text)?;
            if page.rows.is_empty() {
                *self.registry.waits_since.lock() = None;
                return Ok(());
            }
            let asked = self.readable(&page.rows).await.map_err(text)?;
            self.ask_registry(registry, &asked).await?;
            for row in &page.rows {
                let Ok(key) = serde_json::from_slice::<Key>(&row.data) else { continue };
                // Wanted anew meanwhile: it stays due.
                self.write_key(&row.id, &key, row.version, None).await.map_err(text)?;
            }
        }
    }

    /// All who allow advertising, once a day.
    async fn ask_for_all(&self, registry: &(Arc<ConnectionRuntime>, &'static str, usize)) -> Result<(), String> {
        let text = |e: Error| e.to_string();
        let own = self.own_connection().map_err(text)?;
        let closing = last_closing(&*self.law.market, self.clock.now());
        if self.clock.now() < closing.checked_add(AFTER_CLOSING).unwrap_or(closing) {
            return Ok(());
        }
        let done = self.store.cursor(own, PLACE).await.map_err(text)?;
        let done = done.and_then(|row| serde_json::from_slice::<Timestamp>(&row.cursor).ok());
        if done.is_some_and(|done| done >= closing) {
            return Ok(());
        }
        let (mut filter, mut count) = (RecordFilter::first(KEY, RecordOrder::Open, PAGE), 0_u64);
        loop {
            let page = self.store.records(filter.clone()).await.map_err(text)?;
            let asked = self.readable(&page.rows).await.map_err(text)?;
            let asked = self.of_interest(asked, &page.rows, closing).await.map_err(text)?;
            self.ask_registry(registry, &asked).await?;
            count = count.saturating_add(asked.len() as u64);
            filter.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        let sealed = self.store.sealer().seal_json(&closing);
        self.store.keep_cursor(own, PLACE, sealed, self.clock.now(), count).await.map_err(text)?;
        tracing::info!(addresses = count, "the registry was asked about everybody who allows advertising");
        Ok(())
    }

    /// Addresses out of their records. One that cannot be read was erased: its record goes.
    async fn readable(&self, rows: &[RecordRow]) -> Result<Asked, Error> {
        let mut asked = Vec::with_capacity(rows.len());
        for row in rows {
            match serde_json::from_slice::<Key>(&row.data) {
                Ok(key) => asked.push((row.id.clone(), key)),
                Err(_) => drop(self.store.drop_record(KEY, &row.id, row.version).await?),
            }
        }
        Ok(asked)
    }

    /// Those who still allow advertising and have no answer of this day. The index forgets who does not.
    async fn of_interest(&self, asked: Asked, rows: &[RecordRow], closing: Timestamp) -> Result<Asked, Error> {
        let consents = self.under(CONSENT, &asked).await?;
        let standings = self.under(STANDING, &asked).await?;
        let mut left = Vec::new();
        for (((name, key), consent), standing) in asked.into_iter().zip(consents).zip(standings) {
            if !consent.is_some_and(|row| allows_advertising(&consents_in(&row.data))) {
                if let Some(row) = rows.iter().find(|r| r.id == name) {
                    self.store.drop_record(KEY, &name, row.version).await?;
                }
                continue;
            }
            let known = standing.and_then(|row| read_standing(&row).registry);
            if known.is_none_or(|answer| answer.asked_at < closing) {
                left.push((name, key));
            }
        }
        Ok(left)
    }

    async fn under(&self, kind: &str, asked: &Asked) -> Result<Vec<Option<EntityRow>>, Error> {
        let own = self.own_connection()?;
        let wanted = asked.iter().map(|(name, _)| (own, EntityRef::new(kind, name))).collect();
        Ok(self.store.lookup(Vec::new(), wanted).await?.1)
    }

    /// Asks, and keeps what is answered.
    async fn ask_registry(
        &self,
        (connection, action, most): &(Arc<ConnectionRuntime>, &'static str, usize),
        asked: &Asked,
    ) -> Result<(), String> {
        let (phones, emails): (Vec<_>, Vec<_>) = asked.iter().partition(|(_, key)| matches!(key, Key::Phone(_)));
        for (field, of_kind) in [("phones", phones), ("emails", emails)] {
            for part in of_kind.chunks((*most).max(1)) {
                let address = |key: &Key| match key {
                    Key::Phone(text) | Key::Email(text) => text.clone(),
                };
                let addresses: Vec<String> = part.iter().map(|(_, key)| address(key)).collect();
                // As old as the question, not as the answer.
                let at = self.clock.now();
                let result = self.question(connection, action, json!({ field: addresses })).await?;
                let Some(rows) = result["registered"].as_array() else {
                    return Err(format!("{} answered without what was asked for", connection.name()));
                };
                let refused: HashMap<&str, Vec<String>> = rows.iter().filter_map(refusals).collect();
                let none: Vec<String> = Vec::new();
                let told: Vec<(String, Vec<String>)> = (part.iter().zip(&addresses))
                    .map(|((name, _), address)| (name.clone(), refused.get(address.as_str()).unwrap_or(&none).clone()))
                    .collect();
                self.keep_answers(&told, at).await.map_err(|e| e.to_string())?;
            }
        }
        Ok(())
    }

    /// One question, tried again as its outcomes say.
    async fn question(
        &self,
        connection: &Arc<ConnectionRuntime>,
        action: &'static str,
        input: Value,
    ) -> Result<Value, String> {
        let inputs = [input];
        let mut attempt = 1;
        while attempt <= ATTEMPTS {
            let key = format!("registry:{}", connection.name());
            let ctx = Ctx { now: self.clock.now(), key: &key, attempt };
            let mut step = self.begin(connection, action, &inputs, &ctx);
            let mut credential = connection.credential_in_use();
            let ended = loop {
                match step {
                    Step::End(mut outcomes) => break Ok(outcomes.pop()),
                    Step::Call(call) => {
                        self.slot(connection).await?;
                        credential = connection.credential_in_use();
                        let answer = self.send(connection, &call.request).await;
                        let well = answer.as_ref().is_ok_and(|a| a.status < 500);
                        connection.lock_lanes(|l| l.release_slot(Slot::Shared, Some(well), self.clock.now()));
                        connection.wake.notify_one();
                        match answer {
                            Ok(answer) => {
                                let ctx = Ctx { now: self.clock.now(), ..ctx };
                                step = connection.connector().on(action, &inputs, &call.state, &answer, &ctx);
                            }
                            Err(trouble) => break Err(trouble),
                        }
                    }
                }
            };
            attempt = match ended {
                Ok(Some(Outcome::Done(done))) => {
                    connection.credential_accepted();
                    return Ok(done.result);
                }
                Ok(outcome) => {
                    let outcome = outcome.unwrap_or_else(|| Outcome::give_up("no_outcome", "it ended without a word"));
                    self.after_failure(connection, outcome, attempt, credential).await?
                }
                Err(trouble) => self.pause_or_fail(&trouble, attempt).await?,
            };
        }
        Err(format!("no answer after {ATTEMPTS} tries"))
    }

    /// Writes answers into standings, many in one transaction.
    async fn keep_answers(&self, told: &[(String, Vec<String>)], at: Timestamp) -> Result<(), Error> {
        let own = self.own_connection()?;
        for part in told.chunks(WRITES) {
            let wanted = part.iter().map(|(name, _)| (own, EntityRef::new(STANDING, name))).collect();
            let (_, rows) = self.store.lookup(Vec::new(), wanted).await?;
            let mut work = Work::default();
            for ((name, refused), row) in part.iter().zip(&rows) {
                let mut standing = row.as_ref().map(read_standing).unwrap_or_default();
                if lay_answer(&mut standing, refused, at) {
                    work.entities.push(self.standing_write(own, name, row.as_ref(), &standing));
                }
            }
            if work.entities.is_empty() {
                continue;
            }
            if let Worked::Stale = self.store.work(work).await? {
                // Somebody wrote one of them meanwhile: each by itself.
                for (name, refused) in part {
                    self.change_standing(name, |standing| lay_answer(standing, refused, at)).await?;
                }
            }
        }
        Ok(())
    }

    /// Nobody waits, when nothing is due.
    async fn registry_calm(&self) -> Result<(), Error> {
        let due = RecordFilter::first(KEY, RecordOrder::Due(self.clock.now()), 1);
        if self.store.records(due).await?.rows.is_empty() {
            *self.registry.waits_since.lock() = None;
        }
        Ok(())
    }

    /// Since when the registry is asked, or not: who looks later sees when it was switched off, and on which node.
    pub(crate) async fn note_switch(&self) -> Result<(), Error> {
        let state = if self.law.registry == Registry::Off { "off" } else { "required" };
        let (kind, id) = SWITCH;
        let known = self.store.record(kind, id).await?;
        let before = known.as_ref().and_then(|k| serde_json::from_slice::<Value>(&k.data).ok());
        if before.as_ref().is_some_and(|b| b["state"] == state) {
            return Ok(());
        }
        let now = self.clock.now();
        // All changes stay, the newest last.
        let mut history = before.and_then(|mut b| b["history"].as_array_mut().map(std::mem::take)).unwrap_or_default();
        history.push(json!({ "state": state, "at": now, "node": self.store.node() }));
        let record = RecordWrite {
            kind: kind.into(),
            id: id.into(),
            expected: known.map_or(0, |k| k.version),
            due: None,
            open: true,
            subjects: Vec::new(),
            at: now,
            data: self.store.sealer().seal_json(&json!({ "state": state, "history": history })),
        };
        if self.law.registry == Registry::Off {
            tracing::warn!("advertising goes out without asking the registry: the configuration switches it off");
        }
        // Another node that starts at the same time writes the same.
        self.store.keep_record(record).await.map(drop)
    }
}

/// A registered address with the ways that it refuses.
fn refusals(row: &Value) -> Option<(&str, Vec<String>)> {
    let ways = row["refused"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Some((row["key"].as_str()?, ways))
}

fn allows_advertising(consents: &Consents) -> bool {
    consents.said().any(|(purpose, _, said)| said.state == ConsentState::Given && !is_necessary(purpose))
}

/// An answer laid over what is known. False: it is known already, or a newer one is.
fn lay_answer(standing: &mut Standing, refused: &[String], at: Timestamp) -> bool {
    let before = standing.registry.take();
    if let Some(known) = before.as_ref().filter(|known| known.asked_at >= at) {
        standing.registry = Some(known.clone());
        return false;
    }
    let (known, since) = before.map_or((Vec::new(), None), |b| (b.refused, b.refused_since));
    // A way that is refused for the first time begins anew: a consent must be newer than the last of them.
    let more = refused.iter().any(|way| !known.contains(way));
    let refused_since = if refused.is_empty() {
        None
    } else if more {
        Some(at)
    } else {
        since.or(Some(at))
    };
    standing.registry = Some(RegistryAnswer { asked_at: at, refused: refused.to_vec(), refused_since });
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_laid_over_an_older_one_and_tells_since_when_it_is_a_no() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let no = |ways: &[&str]| ways.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let mut standing = Standing::default();
        let since = |s: &Standing| s.registry.as_ref().unwrap().refused_since;
        assert!(lay_answer(&mut standing, &no(&["sms"]), at(10)));
        assert_eq!(since(&standing), Some(at(10)));
        assert!(lay_answer(&mut standing, &no(&["sms"]), at(20)));
        assert_eq!(since(&standing), Some(at(10)), "the same no");
        assert!(!lay_answer(&mut standing, &no(&[]), at(15)), "an older answer");
        assert_eq!(standing.registry.as_ref().unwrap().asked_at, at(20));
        assert!(lay_answer(&mut standing, &no(&["sms", "app"]), at(30)));
        assert_eq!(since(&standing), Some(at(30)), "one more way is refused");
        assert!(lay_answer(&mut standing, &no(&[]), at(40)));
        assert_eq!(since(&standing), None);
    }
}
