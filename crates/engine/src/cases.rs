//! Requests of people and incidents: records of the hub's own, with the law's clocks.
//!
//! Promise: what a person decided is written against the version that they saw; what follows from it (the label
//! beside the person's data, the event that flows hear) is written down with it and done at once, and again by
//! the next round where a crash came between. Nothing is lost and nothing is told twice.

pub(crate) mod incidents;
mod letters;
pub(crate) mod news;
mod night;
mod opening;
mod settle;
mod terms;

pub use incidents::{IncidentError, IncidentView, NewIncident};
pub use letters::draft as answer_draft;
pub(crate) use night::CaseRounds;
pub use night::CasesNow;
pub use opening::NewCase;

use crate::engine::Inner;
use jiff::Timestamp;
use news::Untold;
use pasarela_domain::case::{Case, CaseRefusal, CaseState, DueOf, Step};
use pasarela_store::{Error, RecordFilter, RecordOrder, RecordRow, RecordWrite, Recorded};
use serde::{Deserialize, Serialize};

/// Kind of the records of cases.
pub(crate) const CASE: &str = "case";
/// Tries to write what others write too, before it is given up for the moment.
const TRIES: u32 = 20;

/// Why nothing was done with a case.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CaseError {
    /// Something in the request is wrong or missing.
    #[error("{0}")]
    Invalid(String),
    /// There is none of that number.
    #[error("there is no case {0}")]
    NotFound(String),
    /// The law or the state of the case forbids it.
    #[error(transparent)]
    Refused(#[from] CaseRefusal),
    /// Somebody else wrote since it was read.
    #[error("it was changed after it was read: look at it again, and decide again")]
    Changed,
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] Error),
}

/// What is kept of a case: the case, and what is still to be told of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Doc {
    pub(crate) case: Case,
    /// Events that flows have not heard yet.
    #[serde(default)]
    pub(crate) untold: Vec<Untold>,
    /// How many there were so far: numbers of events go on.
    #[serde(default)]
    pub(crate) told: u32,
}

/// A case, and what is to be done with it now.
#[derive(Debug, Clone)]
pub struct CaseView {
    /// The case.
    pub case: Case,
    /// What is due, the earliest first.
    pub dues: Vec<DueOf>,
    /// A goal is near, or a term is over.
    pub urgency: Urgency,
}

/// How near the end of a term is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// There is time.
    Calm,
    /// The goal is within the next business days.
    Soon,
    /// The goal has passed, the term has not.
    Goal,
    /// The term is over.
    Late,
}

/// Which cases.
#[derive(Debug, Clone, Default)]
pub struct CaseFilter {
    /// Also those that are over.
    pub all: bool,
    /// Only those about this person: an e-mail address, or a phone in international form.
    pub person: Option<String>,
    /// Cursor of the page.
    pub before: Option<i64>,
    /// At most.
    pub limit: u32,
}

impl Inner {
    /// A case as it is shown.
    fn view(&self, case: Case, now: Timestamp) -> CaseView {
        let terms = self.case_terms();
        let dues = case.dues(&terms);
        // Two months of silence are the person's term, not ours: nothing is late when they end.
        let ours = dues.iter().filter(|_| case.state != CaseState::Incomplete);
        let urgency = ours.map(|d| terms.urgency(d.due, now)).max().unwrap_or(Urgency::Calm);
        CaseView { case, dues, urgency }
    }

    /// One case.
    pub(crate) async fn case(&self, number: &str) -> Result<CaseView, CaseError> {
        let (doc, _) = self.case_doc(number).await?;
        Ok(self.view(doc.case, self.clock.now()))
    }

    /// A page of cases, the newest first.
    pub(crate) async fn cases(&self, filter: CaseFilter) -> Result<(Vec<CaseView>, Option<i64>), CaseError> {
        let order = match &filter.person {
            Some(person) => {
                let found = self.address_of(person).and_then(|a| crate::standing::hash_of(&a));
                let Some(subject) = found else {
                    let why = "person is neither an e-mail address nor a phone in international form (+573001234567)";
                    return Err(CaseError::Invalid(why.into()));
                };
                RecordOrder::About(subject)
            }
            None if filter.all => RecordOrder::Newest,
            None => RecordOrder::Open,
        };
        let asked = RecordFilter { before: filter.before, ..RecordFilter::first(CASE, order, filter.limit) };
        let page = self.store.records(asked).await?;
        let now = self.clock.now();
        let docs = page.rows.iter().filter_map(read);
        let shown = docs.filter(|d| filter.all || d.case.state.is_open());
        Ok((shown.map(|d| self.view(d.case, now)).collect(), page.next))
    }

    async fn case_doc(&self, number: &str) -> Result<(Doc, i64), CaseError> {
        let row = self.store.record(CASE, number).await?;
        let found = row.as_ref().and_then(|row| Some((read(row)?, row.version)));
        found.ok_or_else(|| CaseError::NotFound(number.to_owned()))
    }

    /// Does a step of a case, and what follows from it. `seen`: how long the history was that whoever asks has read.
    pub(crate) async fn step_case(
        self: &std::sync::Arc<Self>,
        number: &str,
        step: &Step,
        by: &str,
        seen: Option<usize>,
    ) -> Result<CaseView, CaseError> {
        for _ in 0..TRIES {
            let (mut doc, version) = self.case_doc(number).await?;
            if seen.is_some_and(|seen| seen != doc.case.history.len()) {
                return Err(CaseError::Changed);
            }
            let now = self.clock.now();
            let step = letters::completed(&doc.case, step);
            doc.case.step(&step, by, now, &self.case_terms())?;
            self.tell_later(&mut doc, &step, now);
            if self.keep_case(&doc, version, now).await? != Recorded::Stale {
                self.settle_soon(number).await;
                self.count_cases().await;
                return self.case(number).await;
            }
        }
        Err(Error::Busy.into())
    }

    /// Writes a case over the version that was read.
    async fn keep_case(&self, doc: &Doc, expected: i64, now: Timestamp) -> Result<Recorded, Error> {
        let next = doc.case.dues(&self.case_terms()).iter().map(|d| d.due.goal).min();
        // What is still to be told is due at once.
        let due = if doc.untold.is_empty() { next } else { Some(now) };
        let claimant = &doc.case.claimant;
        let people = self.people_of(claimant.email.as_deref(), claimant.phone.as_deref());
        let record = RecordWrite {
            kind: CASE.to_owned(),
            id: doc.case.number.clone(),
            expected,
            due,
            open: doc.case.state.is_open() || !doc.untold.is_empty(),
            subjects: people.iter().filter_map(|p| crate::standing::hash_of(p)).collect(),
            at: now,
            data: self.store.sealer().seal_json(doc),
        };
        self.store.keep_record(record).await
    }
}

/// A case out of its record. `None`: its person was erased.
pub(crate) fn read(row: &RecordRow) -> Option<Doc> {
    serde_json::from_slice(&row.data).ok()
}
