//! The ledger of consent: what people have allowed, kept as deliveries of a connection of the hub's own.
//!
//! A record takes the way of everything that comes in: it is kept before it is answered, becomes the event
//! `consent.given` or `consent.withdrawn`, and is found again under its own id, so that the same request sent
//! twice is one record. Beside it lies what all words of a person come to, one read model for each e-mail
//! address and phone; read models are never removed by age, so the history stays. Their names are keyed hashes,
//! and everything else is sealed.
//!
//! What it is not: the judge of whether a message may be sent (G10). It says what was said, and what its proof
//! carries.

mod connection;
mod heard;
mod import;
mod links;
mod people;
mod proofs;
mod statement;
mod texts;

pub(crate) use connection::setup;
pub use import::{ImportReport, ImportedRow, RowState};
pub use statement::{Named, Statement};
pub(crate) use texts::KeptTexts;
pub use texts::NewText;

use crate::accept::Admission;
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use jiff::SignedDuration;
use pasarela_connector::Source;
use pasarela_domain::consent::{ConsentRecord, ConsentState, Consents, Denied, Terms};
use pasarela_domain::standing::Standing;
use pasarela_domain::{ConsentId, EmailAddress, EntityRef, Phone};
use pasarela_store::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Name of the ledger's connection, which no configuration may use.
pub const LEDGER: &str = "pasarela";

/// Kind of the read model of one record.
pub(crate) const RECORD: &str = "consent_record";
/// Kind of the read model of one e-mail address or phone.
pub(crate) const CONSENT: &str = "consent";

/// A clock that is ahead of ours by no more than this is believed.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// How long an answer waits for its record to be decided.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(5);

/// Why a statement was not recorded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// Something in it is wrong or missing.
    #[error("{0}")]
    Invalid(String),
    /// The same idempotency key came with another statement.
    #[error("this Idempotency-Key came with another statement before; a new statement needs a new key")]
    OtherStatement,
    /// Too much at once.
    #[error("{0}")]
    Busy(String),
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] Error),
}

/// What became of a statement.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The record.
    pub record: ConsentRecord,
    /// It was there before: the same request was sent again.
    pub repeated: bool,
    /// It is in force now. Else it is kept, and is as soon as it is decided.
    pub decided: bool,
    /// Why what was said gives no yes, where it is a yes and decided; `None`: it counts.
    pub denied: Option<Denied>,
}

/// All that is known of a person's consent.
#[derive(Debug, Clone, Default)]
pub struct PersonConsents {
    /// What it comes to.
    pub consents: Consents,
    /// Records, newest first.
    pub records: Vec<ConsentRecord>,
    /// The texts, by which the question may have been opened again.
    pub terms: Arc<Terms>,
}

/// What lies in a delivery of the ledger.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    record: ConsentRecord,
    /// Hash of the statement, by which a repeated key is known to mean the same.
    statement: String,
    /// Keyed hashes of the e-mail address and the phone.
    pub(crate) people: Vec<String>,
    /// The channel's own id of the person, where they were heard there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

impl Inner {
    fn ledger(&self) -> Result<Arc<ConnectionRuntime>, LedgerError> {
        self.connection(LEDGER).ok_or_else(|| LedgerError::Busy("the ledger is not there; please report it".into()))
    }

    /// Records what a person said. `key`: the caller's idempotency key.
    pub(crate) async fn record_consent(
        self: &Arc<Self>,
        statement: Statement,
        key: Option<&str>,
    ) -> Result<Recorded, LedgerError> {
        self.take_in(statement, key, false).await
    }

    /// The same. `proven`: a yes whose proof is not complete is refused.
    async fn take_in(
        self: &Arc<Self>,
        statement: Statement,
        key: Option<&str>,
        proven: bool,
    ) -> Result<Recorded, LedgerError> {
        let ledger = self.ledger()?;
        let now = self.clock.now();
        let id = match key {
            Some(key) => ConsentId::from_raw(self.store.sealer().hash(&["consent key", key])),
            None => ConsentId::from_raw(self.next_effect_id(now).get()),
        };
        let read = self.read_statement(statement, id, now)?;
        // A request that was taken in before is answered as it was, whatever the texts are by now.
        let known = match key {
            Some(_) => self.entries(&ledger, &[&id.to_string()]).await?.pop(),
            None => None,
        };
        if let Some(known) = known {
            return self.known_before(known, &read.statement, true).await;
        }
        let entry = self.proven(&ledger, read, now).await?;
        if proven && !entry.record.proof.complete {
            let missing = entry.record.proof.missing.join("; ");
            return Err(LedgerError::Invalid(format!("no proof of this person's own yes: {missing}")));
        }
        let statement = entry.statement.clone();
        let record = entry.record.clone();
        let body = serde_json::to_vec(&entry).map_err(|e| LedgerError::Invalid(e.to_string()))?;
        let packed = crate::pack::pack(std::iter::empty(), &body);
        let nonce = key.map(|_| format!("consent:{id}"));
        let admission =
            self.clone().keep_inbound(ledger.clone(), Source::Import, body.into(), packed, nonce, now).await;
        let repeated = match admission {
            Admission::Accepted(_) => false,
            Admission::Known => true,
            Admission::Busy(why) => return Err(LedgerError::Busy(why)),
            other => return Err(LedgerError::Busy(format!("the record was not taken in: {other:?}"))),
        };
        match self.decided_entry(&ledger, &id.to_string()).await? {
            Some(known) => {
                if !repeated {
                    self.note_for_registry(&known.record);
                    self.age_was_seen(&known).await?;
                }
                self.known_before(known, &statement, repeated).await
            }
            None if repeated => {
                Err(LedgerError::Busy("the first request with this key is still being taken in".into()))
            }
            None => Ok(Recorded { record, repeated, decided: false, denied: None }),
        }
    }

    /// The answer of a record that is in force.
    async fn known_before(&self, known: Entry, statement: &str, repeated: bool) -> Result<Recorded, LedgerError> {
        if known.statement != statement {
            return Err(LedgerError::OtherStatement);
        }
        let denied = if known.record.state == ConsentState::Given {
            let terms = self.texts().await?;
            let all = self.consents(&known.people).await?;
            all.denied(&known.record.purpose, known.record.channel.as_deref(), &terms, self.clock.now())
        } else {
            None
        };
        Ok(Recorded { record: known.record, repeated, decided: true, denied })
    }

    /// A document that somebody here saw says more about a person's age than what was typed before.
    async fn age_was_seen(&self, entry: &Entry) -> Result<(), LedgerError> {
        let record = &entry.record;
        let seen = record.evidence.channel.as_deref() == Some("in_person") && record.evidence.reference.is_some();
        let Some(born) = record.birth_date.filter(|_| seen) else { return Ok(()) };
        for person in &entry.people {
            self.change_standing(person, |standing| {
                let other = standing.born != Some(born) || standing.minor;
                standing.born = Some(born);
                standing.minor = false;
                other
            })
            .await?;
        }
        Ok(())
    }

    /// The entry of a record, as soon as it is decided.
    async fn decided_entry(&self, ledger: &ConnectionRuntime, id: &str) -> Result<Option<Entry>, LedgerError> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(entry) = self.entries(ledger, &[id]).await?.pop() {
                return Ok(Some(entry));
            }
            if tokio::time::Instant::now() >= until || self.is_stopping() || !ledger.is_own() {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn entries(&self, ledger: &ConnectionRuntime, ids: &[&str]) -> Result<Vec<Entry>, Error> {
        let wanted = ids.iter().map(|id| (ledger.id, EntityRef::new(RECORD, *id))).collect();
        let (_, rows) = self.store.lookup(Vec::new(), wanted).await?;
        Ok(rows.into_iter().flatten().filter_map(|row| serde_json::from_slice(&row.data).ok()).collect())
    }

    /// What is known of a person, by an e-mail address or a phone.
    pub(crate) async fn consents_of(&self, person: &str) -> Result<PersonConsents, LedgerError> {
        let ledger = self.ledger()?;
        let people = match (person.parse::<EmailAddress>(), person.parse::<Phone>()) {
            (Ok(email), _) => self.people_of(Some(email.as_str()), None),
            (_, Ok(phone)) => self.people_of(None, Some(phone.as_e164())),
            _ => {
                let why = "person is neither an e-mail address nor a phone in international form (+573001234567)";
                return Err(LedgerError::Invalid(why.into()));
            }
        };
        let consents = self.consents(&people).await?;
        let mut records: Vec<ConsentRecord> = Vec::new();
        for ids in consents.records().chunks(100) {
            records.extend(self.entries(&ledger, ids).await?.into_iter().map(|entry| entry.record));
        }
        records.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
        let terms = self.texts().await?;
        Ok(PersonConsents { consents, records, terms })
    }
}

/// For rows that were read.
pub(crate) fn consents_in(data: &[u8]) -> Consents {
    serde_json::from_slice(data).unwrap_or_default()
}

/// These read models together.
pub(crate) fn all_of<'v>(known: impl Iterator<Item = &'v Value>) -> Consents {
    known.fold(Consents::default(), |mut all, one| {
        all.lay(Consents::deserialize(one).unwrap_or_default());
        all
    })
}

/// Lays one read model of a person over what is known.
fn lay(known: &Value, shown: &Value) -> Value {
    let mut both = Consents::deserialize(known).unwrap_or_default();
    both.lay(Consents::deserialize(shown).unwrap_or_default());
    serde_json::to_value(both).unwrap_or_default()
}

/// Lays what a record says against a person over what stands already.
fn lay_standing(known: &Value, shown: &Value) -> Value {
    let mut both = Standing::deserialize(known).unwrap_or_default();
    both.lay(&Standing::deserialize(shown).unwrap_or_default());
    serde_json::to_value(both).unwrap_or_default()
}
