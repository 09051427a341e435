//! Legal holds, and the retention of the hub's own records.
//!
//! A hold is a record of the kind [`HOLD`]: while it is open, nothing about the people it names is removed by
//! retention or redacted, and the case it names stays. Records that are closed go after their term, in bites,
//! with the rounds of care (Ley 1581 de 2012, D.1377 art. 11; C.Co. art. 60).

use crate::cases::incidents::INCIDENT;
use crate::cases::{CASE, CaseError};
use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_store::{CareRow, Error, HOLD, Kept, RecordFilter, RecordOrder, RecordWrite, Recorded};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Records of a bite.
const BITE: u32 = 100;
/// Kind of the records that keep what was removed.
const TALLY: &str = "retention";
/// Kinds of records that go after the commercial term, once they are closed. What is held by another goes first.
const COMMERCIAL: [&str; 3] = [CASE, INCIDENT, HOLD];

/// A hold to set.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHold {
    /// Whose data stays: an e-mail address, or a phone in international form.
    #[serde(default)]
    pub person: Option<String>,
    /// The case that stays, with its person.
    #[serde(default)]
    pub case: Option<String>,
    /// Why: the process, the order, the authority.
    pub reason: String,
}

/// A hold. The person is kept as keyed hashes only, and as the name that was given for people to recognise it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hold {
    /// `HOLD-2026-000001`.
    pub number: String,
    /// Whom it names, as it was given.
    pub person: Option<String>,
    /// The case that it names.
    pub case: Option<String>,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub by: String,
    /// Since when.
    #[schemars(with = "pasarela_domain::Moment")]
    pub since: Timestamp,
    /// When it was ended, and by whom.
    #[serde(default)]
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub ended_at: Option<Timestamp>,
    /// Who ended it.
    #[serde(default)]
    pub ended_by: Option<String>,
    /// Keyed hashes of the addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(skip)]
    pub(crate) subjects: Vec<i64>,
}

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

#[derive(Default, Serialize, Deserialize)]
struct Tally {
    removed: u64,
    passed_at: Option<Timestamp>,
}

impl Inner {
    /// Sets a hold.
    pub(crate) async fn set_hold(self: &Arc<Self>, new: NewHold, by: &str) -> Result<Hold, CaseError> {
        let now = self.clock.now();
        let reason = new.reason.trim().to_owned();
        if reason.is_empty() || reason.chars().count() > 300 {
            return Err(CaseError::Invalid("reason: say in 1 to 300 characters why it is held".into()));
        }
        let mut addresses = Vec::new();
        if let Some(person) = &new.person {
            let why = "person is neither an e-mail address nor a phone in international form (+573001234567)";
            addresses.push(self.address_of(person).ok_or_else(|| CaseError::Invalid(why.into()))?);
        }
        if let Some(number) = &new.case {
            let claimant = self.case(number).await?.case.claimant;
            addresses.extend(self.people_of(claimant.email.as_deref(), claimant.phone.as_deref()));
        }
        if new.person.is_none() && new.case.is_none() {
            return Err(CaseError::Invalid("name a person or a case".into()));
        }
        // All addresses of the person: what lies under another one of them is held too.
        let linked = self.linked(&addresses).await?;
        let hold = Hold {
            number: self.next_number("HOLD", now).await?,
            person: new.person,
            case: new.case,
            reason,
            by: by.to_owned(),
            since: now,
            ended_at: None,
            ended_by: None,
            subjects: linked.iter().filter_map(|a| crate::standing::hash_of(a)).collect(),
        };
        match self.keep_hold(&hold, 0, now).await? {
            Recorded::Done(_) => Ok(hold),
            Recorded::Stale => Err(Error::Busy.into()),
        }
    }

    /// Ends a hold.
    pub(crate) async fn end_hold(&self, number: &str, by: &str) -> Result<Hold, CaseError> {
        let row = self.store.record(HOLD, number).await?;
        let found = row.as_ref().and_then(|r| Some((serde_json::from_slice::<Hold>(&r.data).ok()?, r.version)));
        let (mut hold, version) = found.ok_or_else(|| CaseError::NotFound(number.to_owned()))?;
        if hold.ended_at.is_some() {
            return Err(CaseError::Invalid(format!("{number} was ended already")));
        }
        let now = self.clock.now();
        (hold.ended_at, hold.ended_by) = (Some(now), Some(by.to_owned()));
        match self.keep_hold(&hold, version, now).await? {
            Recorded::Done(_) => Ok(hold),
            Recorded::Stale => Err(Error::Busy.into()),
        }
    }

    /// A page of holds, the newest first.
    pub(crate) async fn holds(&self, before: Option<i64>, limit: u32) -> Result<(Vec<Hold>, Option<i64>), Error> {
        let filter = RecordFilter { before, ..RecordFilter::first(HOLD, RecordOrder::Newest, limit) };
        let page = self.store.records(filter).await?;
        Ok((page.rows.iter().filter_map(|r| serde_json::from_slice(&r.data).ok()).collect(), page.next))
    }

    async fn keep_hold(&self, hold: &Hold, expected: i64, at: Timestamp) -> Result<Recorded, Error> {
        let record = RecordWrite {
            kind: HOLD.to_owned(),
            id: hold.number.clone(),
            expected,
            due: None,
            open: hold.ended_at.is_none(),
            subjects: hold.subjects.clone(),
            at,
            data: self.store.sealer().seal_json(hold),
        };
        self.store.keep_record(record).await
    }

    /// Removes closed records whose term is over, but what is held: one bite of each kind.
    pub(crate) async fn retain_records(&self, keep: Option<Duration>) -> Result<u64, Error> {
        let Some(keep) = keep else { return Ok(0) };
        let now = self.clock.now();
        let before = now.checked_sub(keep).unwrap_or(Timestamp::MIN);
        let held = self.held_cases().await?;
        let mut all = 0;
        for kind in COMMERCIAL {
            let page = self.store.records(RecordFilter::first(kind, RecordOrder::Closed(before), BITE)).await?;
            let mut removed = 0;
            for row in page.rows.iter().filter(|r| !held.contains(&r.id)) {
                if self.is_person_held(&row.data).await? {
                    continue;
                }
                removed += u64::from(self.store.drop_record(kind, &row.id, row.version).await?);
            }
            self.tally(kind, removed, now).await?;
            all += removed;
        }
        Ok(all)
    }

    /// Numbers of the cases that open holds name.
    async fn held_cases(&self) -> Result<Vec<String>, Error> {
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let filter = RecordFilter { before, ..RecordFilter::first(HOLD, RecordOrder::Open, BITE) };
            let page = self.store.records(filter).await?;
            let holds = page.rows.iter().filter_map(|r| serde_json::from_slice::<Hold>(&r.data).ok());
            all.extend(holds.filter_map(|h| h.case));
            before = page.next;
            if before.is_none() {
                return Ok(all);
            }
        }
    }

    /// Is the person of this case held?
    async fn is_person_held(&self, data: &[u8]) -> Result<bool, Error> {
        let Ok(doc) = serde_json::from_slice::<crate::cases::Doc>(data) else { return Ok(false) };
        let claimant = &doc.case.claimant;
        for person in self.people_of(claimant.email.as_deref(), claimant.phone.as_deref()) {
            let Some(subject) = crate::standing::hash_of(&person) else { continue };
            let about = RecordFilter::first(HOLD, RecordOrder::About(subject), BITE);
            if self.store.records(about).await?.rows.iter().any(|r| r.open) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn tally(&self, kind: &str, removed: u64, now: Timestamp) -> Result<(), Error> {
        let row = self.store.record(TALLY, kind).await?;
        let known = row.as_ref().and_then(|r| serde_json::from_slice::<Tally>(&r.data).ok()).unwrap_or_default();
        let next = Tally { removed: known.removed + removed, passed_at: Some(now) };
        let write = self.plain_record(TALLY, kind, row.map_or(0, |r| r.version), now, &next);
        // Another node counted at the same time: what is lost is a count, and not what was kept.
        self.store.keep_record(write).await.map(|_| ())
    }

    /// How everything is kept: rule, basis, what went.
    pub(crate) async fn retention_report(&self) -> Result<Vec<RetentionRule>, Error> {
        let retention = self.care.retention;
        let days = |age: Option<Duration>| age.map(|a| a.as_secs() / 86_400);
        let mut rules = Vec::new();
        for CareRow { kept, removed, passed_at, oldest } in self.store.care().await? {
            let linked = matches!(kept, Kept::EventLinks | Kept::DeliveryLinks);
            let basis = if linked { "goes with what it links" } else { "choice: what is finished, [retention]" };
            let keep_days = days(retention.of(kept));
            rules.push(RetentionRule { kind: kept.as_str().into(), keep_days, basis, removed, passed_at, oldest });
        }
        for kind in COMMERCIAL {
            let row = self.store.record(TALLY, kind).await?;
            let tally = row.and_then(|r| serde_json::from_slice::<Tally>(&r.data).ok()).unwrap_or_default();
            let first = self.store.records(RecordFilter::first(kind, RecordOrder::Closed(Timestamp::MAX), 1)).await?;
            rules.push(RetentionRule {
                kind: kind.to_owned(),
                keep_days: days(retention.commercial),
                basis: "C.Co. art. 60 and Ley 962 de 2005, art. 28: 10 years, after it is closed",
                removed: tally.removed,
                passed_at: tally.passed_at,
                oldest: first.rows.first().map(|r| r.changed_at),
            });
        }
        for (kind, basis) in [
            ("consents", "proof of consent (D.1377 art. 8): never removed by this release"),
            ("read_models", "orders, tickets, people as the providers have them: never removed by this release"),
        ] {
            let kind = kind.to_owned();
            rules.push(RetentionRule { kind, keep_days: None, basis, removed: 0, passed_at: None, oldest: None });
        }
        Ok(rules)
    }
}
