//! Legal holds.
//!
//! A hold is a record of the kind [`HOLD`]: while it is open, nothing about the people it names is removed by
//! retention or redacted, and the case it names stays.

use crate::cases::CaseError;
use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_store::{Error, HOLD, RecordFilter, RecordOrder, RecordWrite, Recorded};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Holds that are looked at together.
const PAGE: u32 = 100;

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

    /// Numbers of the cases that open holds name.
    pub(crate) async fn held_cases(&self) -> Result<Vec<String>, Error> {
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let filter = RecordFilter { before, ..RecordFilter::first(HOLD, RecordOrder::Open, PAGE) };
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
    pub(crate) async fn is_claimant_held(&self, data: &[u8]) -> Result<bool, Error> {
        let Ok(doc) = serde_json::from_slice::<crate::cases::Doc>(data) else { return Ok(false) };
        let claimant = &doc.case.claimant;
        self.has_hold(&self.people_of(claimant.email.as_deref(), claimant.phone.as_deref())).await
    }

    /// Is anybody held whose addresses these are, by their names among the read models?
    pub(crate) async fn has_hold(&self, addresses: &[String]) -> Result<bool, Error> {
        for subject in addresses.iter().filter_map(|a| crate::standing::hash_of(a)) {
            let mut before = None;
            loop {
                let about = RecordFilter { before, ..RecordFilter::first(HOLD, RecordOrder::About(subject), PAGE) };
                let page = self.store.records(about).await?;
                if page.rows.iter().any(|r| r.open) {
                    return Ok(true);
                }
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
        }
        Ok(false)
    }
}
