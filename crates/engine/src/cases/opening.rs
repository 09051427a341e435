//! A case is opened: read, numbered, written.

use super::news::Untold;
use super::{CaseError, CaseView, Doc, TRIES, letters};
use crate::engine::Inner;
use jiff::{SignedDuration, Timestamp};
use pasarela_domain::case::{Case, CaseKind, CaseState, Claimant, Entry, Intake, Requester, Tongue};
use pasarela_domain::{EmailAddress, Phone};
use pasarela_store::{Error, RecordWrite, Recorded};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Kind of the records that count numbers, and of those that know a repeated request.
const COUNTER: &str = "counter";
const KEY: &str = "case_key";
/// A clock that is ahead of ours by no more than this is believed.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// Longest texts, in characters.
const LINE: usize = 300;
const TEXT: usize = 10_000;
const DOCUMENTS: usize = 20;

/// A request of a person, as it comes in: from the privacy page, by hand from paper, by a program.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCase {
    /// Consulta, reclamo or pqr.
    pub kind: CaseKind,
    /// Whom it is about.
    pub claimant: Claimant,
    /// Who asks.
    #[serde(default)]
    pub requester: Requester,
    /// What happened. A reclamo needs it (Ley 1581, art. 15).
    #[serde(default)]
    pub facts: String,
    /// What is asked for.
    pub request: String,
    /// Documents that came along, by name or reference.
    #[serde(default)]
    pub documents: Vec<String>,
    /// When it was received, where that was before: a letter of yesterday. Never in the future.
    #[serde(default)]
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub received_at: Option<Timestamp>,
    /// How it came in; `api` when it is not said.
    #[serde(default)]
    pub intake: Option<Intake>,
    /// Where the paper, the scan or the message is.
    #[serde(default)]
    pub reference: String,
    /// Language of letters; Spanish when it is not said.
    #[serde(default)]
    pub language: Tongue,
}

#[derive(Serialize, Deserialize)]
struct Counter {
    last: u64,
}

#[derive(Serialize, Deserialize)]
struct Known {
    number: String,
}

impl Inner {
    /// Opens a case. `key`: the same key is the same case. Says whether it was there before.
    pub(crate) async fn open_case(
        self: &Arc<Self>,
        new: NewCase,
        by: &str,
        key: Option<&str>,
    ) -> Result<(CaseView, bool), CaseError> {
        let now = self.clock.now();
        let mut case = read(new, now)?;
        let id = key.map(|k| format!("{:016x}", self.store.sealer().hash(&["case key", k])));
        if let Some(id) = &id
            && let Some(known) = self.store.record(KEY, id).await?
            && let Ok(known) = serde_json::from_slice::<Known>(&known.data)
        {
            match self.case(&known.number).await {
                // Its number was given, and then came a crash: it is written now.
                Err(CaseError::NotFound(_)) => case.number = known.number,
                found => return found.map(|view| (view, true)),
            }
        }
        if case.number.is_empty() {
            case.number = self.next_number(case.kind.prefix(), now).await?;
            if let Some(id) = id {
                let known = Known { number: case.number.clone() };
                let write = self.plain_record(KEY, &id, 0, now, &known);
                if self.store.keep_record(write).await? == Recorded::Stale {
                    // The same request, twice at once.
                    return Err(Error::Busy.into());
                }
            }
        }
        let number = case.number.clone();
        case.history.push(Entry { at: now, by: by.to_owned(), what: "opened".into(), note: case.reference.clone() });
        let letter = letters::opened(&case, &self.case_terms());
        let untold = vec![Untold { n: 1, what: "case.opened".into(), at: now, letter: Some(letter) }];
        let doc = Doc { case, untold, told: 1 };
        if self.keep_case(&doc, 0, now).await? == Recorded::Stale {
            return self.case(&number).await.map(|view| (view, true));
        }
        self.settle_soon(&number).await;
        self.count_cases().await;
        self.case(&number).await.map(|view| (view, false))
    }

    /// The next number of its year: `RAD-2026-000123`. Unique over all nodes; numbers may be left out.
    pub(crate) async fn next_number(&self, prefix: &str, now: Timestamp) -> Result<String, Error> {
        let year = pasarela_colombia::calendar::bogota(now).year();
        let id = format!("{prefix}-{year}");
        for _ in 0..TRIES {
            let row = self.store.record(COUNTER, &id).await?;
            let last = row.as_ref().and_then(|r| serde_json::from_slice::<Counter>(&r.data).ok()).map_or(0, |c| c.last);
            let next = Counter { last: last + 1 };
            let write = self.plain_record(COUNTER, &id, row.map_or(0, |r| r.version), now, &next);
            if let Recorded::Done(_) = self.store.keep_record(write).await? {
                return Ok(format!("{id}-{:06}", next.last));
            }
        }
        Err(Error::Busy)
    }

    /// A record that nothing is due of and nobody is named in.
    pub(crate) fn plain_record<T: Serialize>(
        &self,
        kind: &str,
        id: &str,
        expected: i64,
        at: Timestamp,
        doc: &T,
    ) -> RecordWrite {
        RecordWrite {
            kind: kind.to_owned(),
            id: id.to_owned(),
            expected,
            due: None,
            open: true,
            subjects: Vec::new(),
            at,
            data: self.store.sealer().seal_json(doc),
        }
    }
}

fn read(new: NewCase, now: Timestamp) -> Result<Case, CaseError> {
    let wrong = |why: String| CaseError::Invalid(why);
    let cut = |field: &str, text: String, most: usize| {
        let text = text.trim().to_owned();
        if text.chars().count() > most {
            return Err(wrong(format!("{field} is longer than {most} characters")));
        }
        Ok(text)
    };
    let filled = |text: Option<String>| text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let email = filled(new.claimant.email).map(|t| t.parse::<EmailAddress>()).transpose();
    let email = email.map_err(|e| wrong(format!("claimant.email: {e}")))?;
    let phone = filled(new.claimant.phone).map(|t| t.parse::<Phone>()).transpose();
    let phone = phone.map_err(|e| wrong(format!("claimant.phone: {e}")))?;
    let claimant = Claimant {
        name: cut("claimant.name", new.claimant.name, LINE)?,
        document: cut("claimant.document", new.claimant.document, LINE)?,
        email: email.map(|e| e.as_str().to_owned()),
        phone: phone.map(|p| p.as_e164().to_owned()),
        address: cut("claimant.address", new.claimant.address, LINE)?,
    };
    if new.documents.len() > DOCUMENTS {
        return Err(wrong(format!("documents: at most {DOCUMENTS}")));
    }
    let documents = new.documents.into_iter().map(|d| cut("documents", d, LINE)).collect::<Result<_, _>>()?;
    let received_at = new.received_at.unwrap_or(now);
    if received_at.duration_since(now) > AHEAD {
        return Err(wrong("received_at is in the future; a term cannot begin before the request came in".into()));
    }
    let case = Case {
        number: String::new(),
        kind: new.kind,
        state: CaseState::Received,
        received_at,
        recorded_at: now,
        intake: new.intake.unwrap_or(Intake::Api),
        reference: cut("reference", new.reference, LINE)?,
        claimant,
        requester: new.requester,
        language: new.language,
        facts: cut("facts", new.facts, TEXT)?,
        request: cut("request", new.request, TEXT)?,
        documents,
        asked: None,
        completed_at: None,
        label: None,
        extended: None,
        decided: None,
        answer: None,
        history: Vec::new(),
    };
    // What is missing of a reclamo is asked for (art. 15 num. 1), and no reason to refuse it. But a case
    // without a wish and without a way to answer is none.
    let missing = case.missing();
    for field in ["request", "address", "name"] {
        if missing.contains(&field) {
            let what = match field {
                "request" => "request: say what is asked for",
                "address" => "claimant: an email, a phone or an address is needed to answer",
                _ => "claimant.name: who asks?",
            };
            return Err(wrong(what.into()));
        }
    }
    Ok(case)
}
