//! What people say about their data in events of other connections. Withdrawals: somebody answers `BAJA`, leaves a
//! list, calls a message spam, or turns off advertising at the provider (colombia.md 2.3; Ley 2300, art. 5 par. 2).
//! And a yes that brings its proof: an answer at the checkout, under a text whose version the event names.
//!
//! Promise: what is heard is written in the transaction that writes the event, and once, however often it is told. A
//! withdrawal counts for every address of the person, from the moment in which the hub took it in, so no yes of
//! before outlasts it. A yes counts for the addresses that it names, from when it was said, and is no record where
//! its proof is not complete (ADR 0113).

use super::{Entry, LEDGER};
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_connector::{Fact, Item, Source};
use pasarela_domain::consent::{
    CHANNELS, ConsentRecord, ConsentState, Evidence, LegalBasis, PRIVACY, Proof, SOURCES, is_opt_out, is_purpose,
    needs_proof,
};
use pasarela_domain::model::{self, Contact};
use pasarela_domain::{ConsentId, EmailAddress, Phone};
use pasarela_store::Error;
use serde::Deserialize;
use serde_json::Value;

/// What is taken back by a wish for no advertising.
const ADVERTISING: [&str; 2] = ["marketing", "ads"];

/// A wish, out of an event.
struct Wish {
    contact: Contact,
    /// The channel's own id of the person, where there is no phone.
    channel_user_id: Option<String>,
    /// Where it was said, as evidence names it.
    source: &'static str,
    /// The message that says it: the provider's id. `None`: no message does, and none is to be answered.
    message: Option<String>,
    /// What it is about.
    purposes: Vec<String>,
}

fn text<'v>(data: &'v Value, pointer: &str) -> Option<&'v str> {
    data.pointer(pointer).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty())
}

/// A channel on which people say things is named as a source of evidence; what any other tells came by a program.
fn source_of(channel: Option<&str>) -> &'static str {
    let is_both = |source: &&&str| CHANNELS.contains(*source) && channel == Some(**source);
    SOURCES.iter().find(is_both).copied().unwrap_or("api")
}

/// What an event says, whichever provider told it.
fn wish(event_type: &str, key: &str, data: &Value) -> Option<Wish> {
    let contact = |pointer: &str| {
        let at = |name: &str| text(data, &format!("{pointer}/{name}"));
        Contact {
            name: at("name").unwrap_or_default().to_owned(),
            email: at("email").and_then(|t| t.parse::<EmailAddress>().ok()),
            phone: at("phone").and_then(|t| t.parse::<Phone>().ok()),
            language: at("language").map(str::to_owned),
            ..Contact::default()
        }
    };
    let advertising = || ADVERTISING.iter().map(|p| (*p).to_owned()).collect();
    let id = |pointer: &str| Some(text(data, pointer).unwrap_or(key).to_owned());
    let user = text(data, "/channel_user_id").map(str::to_owned);
    match event_type {
        "message.received" => {
            let said = ["/text", "/payload"].iter().filter_map(|p| text(data, p)).any(is_opt_out);
            said.then(|| Wish {
                contact: contact("/contact"),
                channel_user_id: user,
                source: source_of(text(data, "/channel")),
                message: id("/id"),
                purposes: advertising(),
            })
        }
        "email.unsubscribed" | "email.complained" => Some(Wish {
            contact: contact(""),
            channel_user_id: None,
            source: "email",
            message: id("/message_id"),
            purposes: advertising(),
        }),
        "consent.withdrawn" => Some(Wish {
            contact: contact("/contact"),
            channel_user_id: user,
            source: source_of(text(data, "/channel")),
            message: None,
            purposes: match text(data, "/purpose") {
                Some("marketing") | None => advertising(),
                Some(other) => vec![other.to_owned()],
            },
        }),
        _ => None,
    }
}

impl Inner {
    /// Facts of the ledger that a fact of another connection says. `said`: what tells this event from every
    /// other one of its connection; `at`: when the hub took it in.
    pub(crate) async fn words_in(
        &self,
        connection: &str,
        fact: &Fact,
        said: &str,
        at: Timestamp,
    ) -> Result<Vec<Fact>, Error> {
        if connection == LEDGER {
            return Ok(Vec::new());
        }
        match fact.event_type.as_deref() {
            Some("consent.given") => self.yes_in(connection, fact, said, at).await,
            Some(kind) => match wish(kind, &fact.key, &fact.data) {
                Some(wish) => self.withdrawals_in(connection, wish, said, at).await,
                None => Ok(Vec::new()),
            },
            None => Ok(Vec::new()),
        }
    }

    /// A yes that names the text which the person saw, and where a trace of it is. A provider's own opt-in names
    /// none, and is no record.
    async fn yes_in(&self, connection: &str, fact: &Fact, said: &str, at: Timestamp) -> Result<Vec<Fact>, Error> {
        let Ok(told) = model::Consent::deserialize(&fact.data) else { return Ok(Vec::new()) };
        let Some(mut evidence) = told.evidence.filter(|e| e.text_version.is_some() && e.has_trace()) else {
            return Ok(Vec::new());
        };
        let (purpose, contact) = (told.purpose, told.contact);
        if !is_purpose(&purpose) || purpose == PRIVACY {
            return Ok(Vec::new());
        }
        let phone = contact.phone.as_ref().map(Phone::as_e164);
        let mut people = self.people_of(contact.email.as_ref().map(EmailAddress::as_str), phone);
        if let Some(user) = &told.channel_user_id {
            people.push(self.channel_user(user));
        }
        let Some(ledger) = self.connection(LEDGER).filter(|_| !people.is_empty()) else { return Ok(Vec::new()) };
        let channel = Some(told.channel).filter(|c| CHANNELS.contains(&c.as_str()));
        // A clock that is ahead gives no yes that outlasts a withdrawal of this moment.
        let when = evidence.at.take().unwrap_or(at).min(at);
        let terms = self.texts_that_name(&evidence).await?;
        let basis = LegalBasis::Consent;
        let judged = terms.judge(ConsentState::Given, &purpose, channel.as_deref(), basis, &mut evidence, when);
        let proof = match judged {
            Ok(proof) if proof.complete || !needs_proof(&purpose) => proof,
            Ok(proof) => {
                let missing = proof.missing.join("; ");
                tracing::warn!(
                    connection,
                    purpose,
                    "a yes that was told is not recorded, as its proof lacks {missing}"
                );
                return Ok(Vec::new());
            }
            Err(why) => {
                tracing::warn!(connection, purpose, "a yes that was told is not recorded: {why}");
                return Ok(Vec::new());
            }
        };
        let id = ConsentId::from_raw(self.store.sealer().hash(&["yes", connection, said, &purpose]));
        let record = ConsentRecord {
            id: id.to_string(),
            state: ConsentState::Given,
            purpose,
            channel,
            contact,
            at: when,
            recorded_at: at,
            evidence,
            analytics: Default::default(),
            legal_basis: basis,
            birth_date: None,
            minor: false,
            guardian: None,
            proof,
        };
        let entry = Entry { record, statement: String::new(), people, user: told.channel_user_id };
        self.facts_of(&ledger, &entry)
    }

    /// The facts that a record of the ledger is.
    fn facts_of(&self, ledger: &ConnectionRuntime, entry: &Entry) -> Result<Vec<Fact>, Error> {
        let body = serde_json::to_vec(entry).map_err(|e| Error::Database(e.to_string()))?;
        let told = self.translate(ledger, Source::Import, &body).map_err(|e| Error::Database(e.0))?;
        Ok(told.items.into_iter().filter_map(|i| if let Item::Fact(f) = i { Some(*f) } else { None }).collect())
    }

    async fn withdrawals_in(
        &self,
        connection: &str,
        wish: Wish,
        said: &str,
        at: Timestamp,
    ) -> Result<Vec<Fact>, Error> {
        let phone = wish.contact.phone.as_ref().map(Phone::as_e164);
        let mut people = self.people_of(wish.contact.email.as_ref().map(EmailAddress::as_str), phone);
        if let Some(user) = &wish.channel_user_id {
            people.push(self.channel_user(user));
        }
        if people.is_empty() {
            return Ok(Vec::new());
        }
        let people = self.linked(&people).await?;
        let Some(ledger) = self.connection(LEDGER) else { return Ok(Vec::new()) };
        let mut facts = Vec::new();
        for purpose in wish.purposes {
            let id = ConsentId::from_raw(self.store.sealer().hash(&["withdrawal", connection, said, &purpose]));
            let record = ConsentRecord {
                id: id.to_string(),
                state: ConsentState::Withdrawn,
                purpose,
                channel: None,
                contact: wish.contact.clone(),
                at,
                recorded_at: at,
                evidence: Evidence {
                    channel: Some(wish.source.into()),
                    message_id: wish.message.as_ref().map(|id| id.chars().take(300).collect()),
                    reference: Some(connection.to_owned()),
                    ..Evidence::default()
                },
                analytics: Default::default(),
                legal_basis: Default::default(),
                birth_date: None,
                minor: false,
                guardian: None,
                proof: Proof { complete: true, ..Proof::default() },
            };
            let entry =
                Entry { record, statement: String::new(), people: people.clone(), user: wish.channel_user_id.clone() };
            facts.extend(self.facts_of(&ledger, &entry)?);
        }
        Ok(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wishes_are_heard_in_events_of_any_provider() {
        let of = |kind: &str, data: Value| wish(kind, "person:7", &data).map(|w| (w.source, w.purposes.len()));
        let chat = |text: &str, payload: Value| json!({ "id": "wamid.1", "channel": "whatsapp", "contact": { "phone": "+573005550117" }, "text": text, "payload": payload });
        assert_eq!(of("message.received", chat("No más.", Value::Null)), Some(("whatsapp", 2)));
        assert_eq!(of("message.received", chat("Opción 3", json!("BAJA"))), Some(("whatsapp", 2)));
        assert_eq!(of("message.received", chat("¿a qué hora baja el telón?", Value::Null)), None);
        assert_eq!(of("message.sent", chat("baja", Value::Null)), None, "what we say is no wish of theirs");
        let mail = json!({ "email": "ana@correo.example", "message_id": "m1" });
        assert_eq!(of("email.unsubscribed", mail.clone()), Some(("email", 2)));
        assert_eq!(of("email.complained", mail.clone()), Some(("email", 2)));
        assert_eq!(of("email.bounced", mail), None);
        let told = json!({ "contact": { "phone": "+573005550117" }, "channel": "whatsapp", "purpose": "profiling" });
        assert_eq!(of("consent.withdrawn", told), Some(("whatsapp", 1)));
    }
}
