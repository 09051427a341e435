//! What goes by age beyond what the store walks by itself: closed records of the hub's own, profiles of people of
//! whom nothing was heard, and who said it in consents that were taken back long ago (colombia.md 1.6; D.1377
//! art. 11; C.Co. art. 60).
//!
//! Promise: each goes in bites, within the budget of the round, and from where the last bite ended, so that what is
//! held never keeps what lies behind it; nothing goes that is about somebody who is held; and how much went is told
//! ([`RetentionRule`]).

use crate::care::{Round, TURN_MS};
use crate::cases::CASE;
use crate::cases::incidents::INCIDENT;
use crate::engine::Inner;
use crate::ledger::{CONSENT, RECORD, consents_in};
use crate::refunds::REFUND;
use crate::registry::KEY;
use crate::standing::{STANDING, hash_of, read_standing};
use jiff::{SignedDuration, Timestamp};
use pasarela_domain::EntityRef;
use pasarela_store::{
    CONTACT, CareRow, EntityUpsert, Error, HOLD, RecordFilter, RecordOrder, StandingRow, Work, Worked, contact_name,
    hash_name,
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Rows that a bite looks at.
const BITE: u32 = 100;
/// Kind of the records that keep where a walk stands, and what it removed.
const TALLY: &str = "retention";
/// Walks over everybody begin once a night, and not with each round.
const NIGHT: SignedDuration = SignedDuration::from_hours(20);
/// Names of the two walks over read models.
const PROFILE: &str = "marketing_profile";
const PROOFS: &str = "consent_proofs";
/// All walks. Of records, what is held by another goes first.
const WALKS: [&str; 6] = [CASE, INCIDENT, HOLD, REFUND, PROFILE, PROOFS];
/// Where a profile lies, in the order of the walk.
const PROFILE_KINDS: [&str; 3] = [CONTACT, CONSENT, STANDING];

/// How one kind of thing is kept.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct RetentionRule {
    /// What.
    pub kind: String,
    /// How long after it is finished, in days; null: for ever.
    pub keep_days: Option<u64>,
    /// Why so long: an article, or a choice of the hub's owner.
    pub basis: &'static str,
    /// Removed since the database was made.
    pub removed: u64,
    /// When a round last came to its end.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub passed_at: Option<Timestamp>,
    /// The oldest that is there, where that is known by one look.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub oldest: Option<Timestamp>,
}

/// Where a walk stands.
#[derive(Default, Serialize, Deserialize)]
struct Tally {
    removed: u64,
    passed_at: Option<Timestamp>,
    /// Behind what the next bite begins; none: at the front.
    #[serde(default)]
    after: Option<Place>,
}

/// A place in a walk.
#[derive(Clone, Serialize, Deserialize)]
enum Place {
    /// Behind this record: time of its change, and its number.
    Record(Timestamp, i64),
    /// Behind this name, among read models of this kind.
    Model(String, String),
}

/// What came of a bite.
#[derive(Default)]
struct Bitten {
    removed: u64,
    /// Where the next one begins; none: the walk is through.
    next: Option<Place>,
}

fn basis(kind: &str) -> &'static str {
    match kind {
        PROFILE => "choice: 24 months without a word, a contact or a purchase; what was allowed stays",
        PROOFS => "choice: 10 years after it was taken back (D.1377 art. 8); what was said stays, without who said it",
        "scans" | "scan_runs" => "choice: scans at the door, 1 year",
        "event_links" | "delivery_links" => "goes with what it links",
        "audit" => {
            "demonstrated responsibility (D.1377 art. 26): as long as what it tells of, C.Co. art. 60 and Ley 962 de 2005, art. 28: 10 years"
        }
        CASE | INCIDENT | HOLD | REFUND => "C.Co. art. 60 and Ley 962 de 2005, art. 28: 10 years, after it is closed",
        _ => "choice: what is finished, [retention]",
    }
}

impl Inner {
    fn walk_age(&self, kind: &str) -> Option<Duration> {
        let retention = &self.care.retention;
        match kind {
            PROFILE => retention.marketing_profile,
            PROOFS => retention.consent_proofs,
            _ => retention.commercial,
        }
    }

    /// Goes on with every walk that has an age, until its end or that of the round.
    pub(crate) async fn walk(&self, until: Instant) -> Result<Round, Error> {
        let mut round = Round { complete: true, removed: 0 };
        for kind in WALKS {
            let Some(keep) = self.walk_age(kind) else { continue };
            let mut first = true;
            loop {
                let now = self.clock.now();
                if Instant::now() >= until || self.is_stopping() {
                    return Ok(Round { complete: false, ..round });
                }
                if !self.store.care_turn(TURN_MS).await? {
                    // Another node does it.
                    return Ok(round);
                }
                let begun = Instant::now();
                let row = self.store.record(TALLY, kind).await?;
                let mut tally = row.as_ref().and_then(|r| serde_json::from_slice(&r.data).ok()).unwrap_or_default();
                let Tally { passed_at, after, .. } = &tally;
                let rested = passed_at.is_none_or(|at| now.duration_since(at) >= NIGHT);
                if first && after.is_none() && !rested && [PROFILE, PROOFS].contains(&kind) {
                    break;
                }
                first = false;
                let before = now.checked_sub(keep).unwrap_or(Timestamp::MIN);
                let bitten = match self.bite(kind, before, after.clone()).await {
                    Ok(bitten) => bitten,
                    // The writer has more to do than usual: it is tried again within the budget.
                    Err(Error::Busy | Error::GaveWay) => {
                        self.rest(begun).await;
                        continue;
                    }
                    Err(e) => return Err(e),
                };
                let done = bitten.next.is_none();
                tally = Tally {
                    removed: tally.removed + bitten.removed,
                    passed_at: if done { Some(now) } else { tally.passed_at },
                    after: bitten.next,
                };
                round.removed += bitten.removed;
                // Another node wrote it at the same time: what is lost is a count and a place, and not what was kept.
                let write = self.plain_record(TALLY, kind, row.map_or(0, |r| r.version), now, &tally);
                self.store.keep_record(write).await?;
                if done {
                    break;
                }
                self.rest(begun).await;
            }
        }
        Ok(round)
    }

    async fn bite(&self, kind: &str, before: Timestamp, after: Option<Place>) -> Result<Bitten, Error> {
        match (kind, after) {
            (PROFILE, Some(Place::Model(kind, name))) => self.bite_profiles(before, &kind, &name).await,
            (PROFILE, _) => self.bite_profiles(before, PROFILE_KINDS[0], "").await,
            (PROOFS, Some(Place::Model(_, name))) => self.bite_proofs(before, &name).await,
            (PROOFS, _) => self.bite_proofs(before, "").await,
            (_, Some(Place::Record(at, number))) => self.bite_records(kind, before, Some((at, number))).await,
            _ => self.bite_records(kind, before, None).await,
        }
    }

    /// Closed records whose term is over, but what is held.
    async fn bite_records(
        &self,
        kind: &str,
        before: Timestamp,
        after: Option<(Timestamp, i64)>,
    ) -> Result<Bitten, Error> {
        let filter = RecordFilter::first(kind, RecordOrder::Closed(before, after), BITE);
        let page = self.store.records(filter).await?;
        let held = if page.rows.is_empty() { Vec::new() } else { self.held_cases().await? };
        let mut bitten = Bitten::default();
        for row in page.rows.iter().filter(|r| !held.contains(&r.id)) {
            if !self.is_claimant_held(&row.data).await? {
                bitten.removed += u64::from(self.store.drop_record(kind, &row.id, row.version).await?);
            }
        }
        let last = page.rows.last().filter(|_| page.next.is_some());
        bitten.next = last.map(|r| Place::Record(r.changed_at, r.number));
        Ok(bitten)
    }

    /// Profiles of people of whom nothing was heard, and to whom nothing was sent, since.
    async fn bite_profiles(&self, before: Timestamp, kind: &str, after: &str) -> Result<Bitten, Error> {
        let own = self.own_connection()?;
        let names = self.store.entity_ids(own, kind, after, BITE).await?;
        let mut bitten = Bitten { next: next_place(kind, &names), ..Bitten::default() };
        if bitten.next.is_none() {
            let at = PROFILE_KINDS.iter().position(|k| *k == kind).map_or(PROFILE_KINDS.len(), |n| n + 1);
            bitten.next = PROFILE_KINDS.get(at).map(|k| Place::Model((*k).to_owned(), String::new()));
        }
        for name in names {
            let gone = if kind == CONTACT {
                self.forget_contacts(own, &name, before).await?
            } else {
                self.forget_address(own, &name, before).await?
            };
            bitten.removed += u64::from(gone);
        }
        Ok(bitten)
    }

    /// A sender's contacts with a person.
    async fn forget_contacts(&self, own: i64, name: &str, before: Timestamp) -> Result<bool, Error> {
        let Some(person) = name.split_once('-').and_then(|(_, person)| hash_of(person)) else { return Ok(false) };
        let entity = EntityRef::new(CONTACT, name);
        let (_, rows) = self.store.lookup(Vec::new(), vec![(own, entity.clone())]).await?;
        let Some(row) = rows.into_iter().flatten().next() else { return Ok(false) };
        let Some(newest) = crate::lawful::Contacts::read(&row.data).newest() else { return Ok(false) };
        let known = self.standing_of(person, None).await?;
        if newest >= before || !self.is_forgotten(own, &known, before).await? {
            return Ok(false);
        }
        let none = serde_json::to_vec(&crate::lawful::Contacts::default()).unwrap_or_default();
        self.wrote(self.own_write(own, entity, Some(&row), &none)).await
    }

    /// What lies under an address beside what was allowed: when it wrote, what the registry said of it, and the
    /// address itself in the registry's index.
    async fn forget_address(&self, own: i64, name: &str, before: Timestamp) -> Result<bool, Error> {
        let Some(address) = hash_of(name) else { return Ok(false) };
        let known = self.standing_of(address, None).await?;
        let standing = known.rows.iter().find(|r| &*r.entity.kind == STANDING && *r.entity.id == *name);
        let standing = standing.map(read_standing).unwrap_or_default();
        let key = self.store.record(KEY, name).await?;
        let has = !standing.heard.is_empty() || standing.registry.is_some() || key.is_some();
        if !has || !self.is_forgotten(own, &known, before).await? {
            return Ok(false);
        }
        self.change_standing(name, |standing| {
            // The person wrote meanwhile.
            if standing.heard.values().any(|at| *at >= before) {
                return false;
            }
            let had = !standing.heard.is_empty() || standing.registry.is_some();
            standing.heard.clear();
            standing.registry = None;
            had
        })
        .await?;
        if let Some(key) = key {
            self.store.drop_record(KEY, name, key.version).await?;
        }
        Ok(true)
    }

    /// Nothing was heard of the person since, nothing was sent, and nobody holds it.
    async fn is_forgotten(&self, own: i64, known: &StandingRow, before: Timestamp) -> Result<bool, Error> {
        let addresses: Vec<String> = known.addresses.iter().map(|a| hash_name(*a)).collect();
        let mut asked = None;
        let mut newest: Option<Timestamp> = None;
        for row in &known.rows {
            if &*row.entity.kind == STANDING {
                let standing = read_standing(row);
                newest = newest.max(standing.heard.values().max().copied());
                asked = asked.max(standing.registry.map(|r| r.asked_at));
            } else {
                newest = newest.max(consents_in(&row.data).said().map(|(_, _, said)| said.at).max());
            }
        }
        let contacts = self.senders().into_iter().map(|s| EntityRef::new(CONTACT, contact_name(s, known.person)));
        let (_, rows) = self.store.lookup(Vec::new(), contacts.map(|c| (own, c)).collect()).await?;
        for row in rows.iter().flatten() {
            newest = newest.max(crate::lawful::Contacts::read(&row.data).newest());
        }
        for (address, name) in known.addresses.iter().zip(&addresses) {
            // A purchase is a word too, for as long as its events are kept.
            let last = self.store.events_about(*address, None, 1).await?;
            newest = newest.max(last.rows.first().map(|e| e.received_at));
            newest = newest.max(self.store.record(KEY, name).await?.map(|r| r.created_at));
        }
        // Of whom nothing else is known, the registry was asked at least.
        let silent = newest.or(asked).is_none_or(|at| at < before);
        Ok(silent && !self.has_hold(&addresses).await?)
    }

    /// Who said it, in consents that were taken back long ago.
    async fn bite_proofs(&self, before: Timestamp, after: &str) -> Result<Bitten, Error> {
        let own = self.own_connection()?;
        let names = self.store.entity_ids(own, RECORD, after, BITE).await?;
        let mut bitten = Bitten { next: next_place(RECORD, &names), ..Bitten::default() };
        let wanted = names.iter().map(|name| (own, EntityRef::new(RECORD, name))).collect();
        let (_, rows) = self.store.lookup(Vec::new(), wanted).await?;
        for row in rows.into_iter().flatten() {
            let Ok(mut entry) = serde_json::from_slice::<crate::ledger::Entry>(&row.data) else { continue };
            if !entry.names_somebody() || !self.was_taken_back(&entry, before).await? {
                continue;
            }
            if self.has_hold(&entry.people).await? {
                continue;
            }
            entry.forget_who();
            let bytes = serde_json::to_vec(&entry).unwrap_or_default();
            bitten.removed += u64::from(self.wrote(self.own_write(own, row.entity.clone(), Some(&row), &bytes)).await?);
        }
        Ok(bitten)
    }

    /// Written, unless another came first: the next walk looks again.
    async fn wrote(&self, entity: EntityUpsert) -> Result<bool, Error> {
        let work = Work { entities: vec![entity], ..Work::default() };
        Ok(matches!(self.store.work(work).await?, Worked::Done { .. }))
    }

    /// How everything is kept: rule, basis, what went.
    pub(crate) async fn retention_report(&self) -> Result<Vec<RetentionRule>, Error> {
        let days = |age: Option<Duration>| age.map(|a| a.as_secs() / 86_400);
        let mut rules = Vec::new();
        for CareRow { kept, removed, passed_at, oldest } in self.store.care().await? {
            let (kind, keep_days) = (kept.as_str(), days(self.care.retention.of(kept)));
            rules.push(RetentionRule { kind: kind.into(), keep_days, basis: basis(kind), removed, passed_at, oldest });
        }
        for kind in WALKS {
            let row = self.store.record(TALLY, kind).await?;
            let tally = row.and_then(|r| serde_json::from_slice::<Tally>(&r.data).ok()).unwrap_or_default();
            let oldest = if [PROFILE, PROOFS].contains(&kind) {
                None
            } else {
                let first = RecordFilter::first(kind, RecordOrder::Closed(Timestamp::MAX, None), 1);
                self.store.records(first).await?.rows.first().map(|r| r.changed_at)
            };
            rules.push(RetentionRule {
                kind: kind.to_owned(),
                keep_days: days(self.walk_age(kind)),
                basis: basis(kind),
                removed: tally.removed,
                passed_at: tally.passed_at,
                oldest,
            });
        }
        let first = self.store.audit_after(self.store.audit_base().await?.seq, 1).await?;
        rules.push(RetentionRule {
            kind: "audit".into(),
            keep_days: days(self.care.retention.audit),
            basis: basis("audit"),
            removed: self.store.audit_base().await?.seq.unsigned_abs(),
            passed_at: None,
            oldest: first.first().map(|row| row.at),
        });
        for (kind, basis) in [
            ("consents", "what a person last allowed, under a hash: never removed by this release"),
            ("read_models", "orders, tickets, people as the providers have them: never removed by this release"),
        ] {
            let kind = kind.to_owned();
            rules.push(RetentionRule { kind, keep_days: None, basis, removed: 0, passed_at: None, oldest: None });
        }
        Ok(rules)
    }
}

/// Behind the last of these, if there may be more.
fn next_place(kind: &str, names: &[String]) -> Option<Place> {
    let last = names.last().filter(|_| names.len() >= BITE as usize)?;
    Some(Place::Model(kind.to_owned(), last.clone()))
}
