//! The ledger of consent: what people have allowed, kept as deliveries of a connection of the hub's own.
//!
//! A record takes the way of everything that comes in: it is kept before it is answered, becomes the event
//! `consent.given` or `consent.withdrawn`, and is found again under its own id, so that the same request sent
//! twice is one record. Beside it lies what all words of a person come to, one read model for each e-mail
//! address and phone; read models are never removed by age, so the history stays. Their names are keyed hashes,
//! and everything else is sealed.
//!
//! What it is not: the judge of whether a message may be sent (G10). It says what was said.

mod connection;
mod people;

pub(crate) use connection::setup;

use crate::accept::Admission;
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::Source;
use pasarela_domain::consent::{
    AnalyticsIds, CHANNELS, ConsentRecord, ConsentState, Consents, Evidence, PURPOSES, PURPOSES_OF, SOURCES, is_purpose,
};
use pasarela_domain::model::Contact;
use pasarela_domain::{ConsentId, EmailAddress, EntityRef, Phone};
use pasarela_store::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Name of the ledger's connection, which no configuration may use.
pub const LEDGER: &str = "pasarela";

/// Kind of the read model of one record.
const RECORD: &str = "consent_record";
/// Kind of the read model of one e-mail address or phone.
pub(crate) const CONSENT: &str = "consent";

/// A clock that is ahead of ours by no more than this is believed.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// How long an answer waits for its record to be decided.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(5);
/// Longest text of a piece of evidence.
const LONGEST: usize = 300;

/// A person, as a request names them.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "NamedPerson")]
pub struct Named {
    /// E-mail address.
    pub email: Option<String>,
    /// Phone in international form.
    pub phone: Option<String>,
    /// Name, if known.
    pub name: Option<String>,
}

/// What a person said, as a request tells it.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ConsentStatement")]
pub struct Statement {
    /// Who.
    pub person: Named,
    /// What for.
    pub purpose: String,
    /// Given or taken back.
    pub state: ConsentState,
    /// Channel that it is limited to.
    #[serde(default)]
    pub channel: Option<String>,
    /// What proves it.
    #[serde(default)]
    pub evidence: Evidence,
    /// Ids of web analytics.
    #[serde(default)]
    pub analytics: AnalyticsIds,
}

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
    /// It counts now. Else it is kept, and counts as soon as it is decided.
    pub decided: bool,
}

/// All that is known of a person's consent.
#[derive(Debug, Clone, Default)]
pub struct PersonConsents {
    /// What it comes to.
    pub consents: Consents,
    /// Records, newest first.
    pub records: Vec<ConsentRecord>,
}

/// What lies in a delivery of the ledger.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    record: ConsentRecord,
    /// Hash of the statement, by which a repeated key is known to mean the same.
    statement: String,
    /// Keyed hashes of the e-mail address and the phone.
    people: Vec<String>,
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
        let ledger = self.ledger()?;
        let now = self.clock.now();
        let id = match key {
            Some(key) => ConsentId::from_raw(self.store.sealer().hash(&["consent key", key])),
            None => ConsentId::from_raw(self.next_effect_id(now).get()),
        };
        let (record, people) = self.read_statement(statement, id, now)?;
        // Without what the hub adds, so that the same request is the same.
        let told =
            json!([record.state, record.purpose, record.channel, record.contact, record.evidence, record.analytics]);
        let statement = format!("{:016x}", self.store.sealer().hash_bytes(told.to_string().as_bytes()));
        let entry = Entry { record, statement, people };
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
            Some(known) if known.statement != entry.statement => Err(LedgerError::OtherStatement),
            Some(known) => Ok(Recorded { record: known.record, repeated, decided: true }),
            None if repeated => {
                Err(LedgerError::Busy("the first request with this key is still being taken in".into()))
            }
            None => Ok(Recorded { record: entry.record, repeated, decided: false }),
        }
    }

    /// A statement as a record, or what is wrong with it.
    fn read_statement(
        &self,
        statement: Statement,
        id: ConsentId,
        now: Timestamp,
    ) -> Result<(ConsentRecord, Vec<String>), LedgerError> {
        let wrong = |why: String| LedgerError::Invalid(why);
        let Statement { person, purpose, state, channel, mut evidence, analytics } = statement;
        let text = |t: Option<String>| t.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let email = text(person.email).map(|t| t.parse::<EmailAddress>()).transpose();
        let email = email.map_err(|e| wrong(format!("person.email: {e}")))?;
        let phone = text(person.phone).map(|t| t.parse::<Phone>()).transpose();
        let phone = phone.map_err(|e| wrong(format!("person.phone: {e}")))?;
        if email.is_none() && phone.is_none() {
            return Err(wrong("person: name an email, a phone, or both".into()));
        }
        if !is_purpose(&purpose) {
            let of_many: Vec<String> = PURPOSES_OF.iter().map(|head| format!("{head}:<id>")).collect();
            let all = format!("{}, {}", PURPOSES.join(", "), of_many.join(", "));
            return Err(wrong(format!("purpose is '{}'; it must be one of {all}", cut(&purpose))));
        }
        let one_of = |field: &str, value: &Option<String>, all: &[&str]| match value {
            Some(text) if !all.contains(&text.as_str()) => {
                Err(wrong(format!("{field} is '{}'; it must be one of {}", cut(text), all.join(", "))))
            }
            _ => Ok(()),
        };
        one_of("channel", &channel, CHANNELS)?;
        one_of("evidence.channel", &evidence.channel, SOURCES)?;
        let hex = |t: &String| t.len() == 64 && t.bytes().all(|b| b.is_ascii_hexdigit());
        if evidence.text_sha256.as_ref().is_some_and(|t| !hex(t)) {
            return Err(wrong("evidence.text_sha256 is not the 64 hexadecimal digits of a SHA-256".into()));
        }
        for (field, value) in [
            ("text_version", &evidence.text_version),
            ("locale", &evidence.locale),
            ("ip_hash", &evidence.ip_hash),
            ("reference", &evidence.reference),
        ] {
            if value.as_ref().is_some_and(|t| t.trim().is_empty() || t.chars().count() > LONGEST) {
                return Err(wrong(format!("evidence.{field} must have 1 to {LONGEST} characters")));
            }
        }
        if evidence.ip_hash.as_ref().is_some_and(|t| t.parse::<std::net::IpAddr>().is_ok()) {
            return Err(wrong("evidence.ip_hash is an address: send a keyed hash of it, and never the address".into()));
        }
        if state == ConsentState::Given {
            // Proof is what makes it a yes (Decreto 1377, art. 8).
            for (field, value) in [("text_version", &evidence.text_version), ("channel", &evidence.channel)] {
                if value.is_none() {
                    return Err(wrong(format!(
                        "evidence.{field} is missing: a consent without proof of what was agreed to, and where, is none"
                    )));
                }
            }
        }
        let at = evidence.at.take().unwrap_or(now);
        if at.duration_since(now) > AHEAD {
            return Err(wrong("evidence.at is in the future; is the sender's clock right?".into()));
        }
        let analytics = analytics.read().map_err(|why| wrong(format!("analytics.{why}")))?;
        let name = text(person.name).unwrap_or_default();
        let people = self.people_of(email.as_ref().map(EmailAddress::as_str), phone.as_ref().map(Phone::as_e164));
        let contact = Contact { name, email, phone, ..Contact::default() };
        let record = ConsentRecord {
            id: id.to_string(),
            state,
            purpose,
            channel,
            contact,
            at,
            recorded_at: now,
            evidence,
            analytics,
        };
        Ok((record, people))
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
        Ok(PersonConsents { consents, records })
    }
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

/// For rows that were read.
pub(crate) fn consents_in(data: &[u8]) -> Consents {
    serde_json::from_slice(data).unwrap_or_default()
}

/// What flows see of these read models together.
pub(crate) fn view_of<'v>(known: impl Iterator<Item = &'v Value>) -> Arc<Value> {
    let all = known.fold(Consents::default(), |mut all, one| {
        all.lay(Consents::deserialize(one).unwrap_or_default());
        all
    });
    Arc::new(serde_json::to_value(all.view()).unwrap_or_default())
}

/// Lays one read model of a person over what is known.
fn lay(known: &Value, shown: &Value) -> Value {
    let mut both = Consents::deserialize(known).unwrap_or_default();
    both.lay(Consents::deserialize(shown).unwrap_or_default());
    serde_json::to_value(both).unwrap_or_default()
}
