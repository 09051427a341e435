//! What flows hear of a case: events of the hub's own connection, kept before they are told.

use super::{Doc, letters};
use crate::accept::Admission;
use crate::engine::Inner;
use crate::ledger::LEDGER;
use jiff::Timestamp;
use pasarela_connector::{Fact, Source, Translation, Unread};
use pasarela_domain::case::{Case, CaseKind, Letter, Step};
use pasarela_domain::model::{CaseNews, Contact};
use pasarela_domain::{EmailAddress, Phone};
use pasarela_store::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// An event that is still to be told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Untold {
    /// Its number within the case, from 1.
    pub(crate) n: u32,
    /// Type.
    pub(crate) what: String,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// The letter that goes with it.
    #[serde(default)]
    pub(crate) letter: Option<Letter>,
}

/// What lies in a delivery of the hub's own connection that is no consent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct News {
    /// Type of the event.
    pub(crate) news: String,
    /// Key of the event: what it is about.
    pub(crate) key: String,
    /// Makes it the same event for all time.
    pub(crate) id: String,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// Payload.
    pub(crate) data: Value,
}

/// An event of this kind out of a delivery; `None`: it is something else.
pub(crate) fn translate(body: &[u8]) -> Option<Result<Translation, Unread>> {
    let news: News = serde_json::from_slice(body).ok()?;
    let fact = Fact::once(&news.news, news.key, news.id, "", news.data).at(Some(news.at));
    Some(Ok(Translation { items: vec![fact.into()] }))
}

impl Inner {
    /// Notes what a step has to tell.
    pub(super) fn tell_later(&self, doc: &mut Doc, step: &Step, now: Timestamp) {
        let terms = self.case_terms();
        let case = &doc.case;
        let letter = match step {
            Step::Incomplete { .. } => Some(letters::incomplete(case, &terms)),
            Step::Extend { .. } => Some(letters::extended(case, &terms)),
            Step::Answer { .. } => case.answer.clone(),
            Step::PassOn { to } => Some(letters::passed_on(case, to)),
            _ => None,
        };
        let what = match step {
            Step::Incomplete { .. } => "case.incomplete",
            Step::Complete { .. } if case.kind == CaseKind::Reclamo => "case.labelled",
            Step::Extend { .. } => "case.extended",
            Step::Decide { .. } => "case.decided",
            Step::Answer { .. } => "case.answered",
            Step::PassOn { .. } => "case.passed_on",
            Step::Withdraw { .. } => "case.withdrawn",
            Step::Complete { .. } | Step::Note { .. } => return,
        };
        doc.add(what, letter, now);
    }

    /// Hands an event to the hub's own connection. Told twice, it is one event.
    pub(crate) async fn tell(self: &Arc<Self>, news: &News) -> Result<(), Error> {
        match self.hand_in_news(news).await? {
            Admission::Accepted(_) | Admission::Known => Ok(()),
            _ => Err(Error::Busy),
        }
    }

    /// The same, with what became of it.
    pub(crate) async fn hand_in_news(self: &Arc<Self>, news: &News) -> Result<Admission, Error> {
        let own = self.connection(LEDGER);
        let own =
            own.ok_or_else(|| Error::Database("the hub's own connection is not there; please report it".into()))?;
        let body = serde_json::to_vec(news).unwrap_or_default();
        let packed = crate::pack::pack(std::iter::empty(), &body);
        let nonce = Some(format!("news:{}:{}", news.news, news.id));
        Ok(self.clone().keep_inbound(own, Source::Import, body.into(), packed, nonce, self.clock.now()).await)
    }

    /// An event of a case as flows see it.
    pub(super) fn news_of(&self, case: &Case, untold: &Untold) -> News {
        let due = case.next_due(&self.case_terms());
        let claimant = &case.claimant;
        let label = case.label.as_ref().filter(|_| case.labelled());
        let data = CaseNews {
            number: case.number.clone(),
            kind: case.kind,
            state: case.state,
            contact: Contact {
                name: claimant.name.clone(),
                email: claimant.email.as_deref().and_then(|e| e.parse::<EmailAddress>().ok()),
                phone: claimant.phone.as_deref().and_then(|p| p.parse::<Phone>().ok()),
                language: Some(letters::tag(case.language).to_owned()),
                ..Contact::default()
            },
            label: label.map(|l| format!("{}: {}", case.number, l.reason)),
            due_by: due.map(|d| d.due.by),
            ruling: case.decided.as_ref().map(|d| d.ruling),
            letter: untold.letter.clone(),
        };
        News {
            news: untold.what.clone(),
            key: format!("case:{}", case.number),
            id: format!("{}:{}", case.number, untold.n),
            at: untold.at,
            data: serde_json::to_value(data).unwrap_or_default(),
        }
    }
}

impl Doc {
    /// Adds an event to those that are still to be told.
    pub(super) fn add(&mut self, what: &str, letter: Option<Letter>, at: Timestamp) {
        self.told += 1;
        self.untold.push(Untold { n: self.told, what: what.to_owned(), at, letter });
    }
}
