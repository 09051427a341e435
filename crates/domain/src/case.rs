//! Requests of people about their data and their purchases, and the clocks that the law sets to them:
//! consultas and reclamos (Ley 1581 de 2012, arts. 14 and 15), PQR (Ley 1480 de 2011, art. 58 num. 5).
//!
//! A [`Case`] is a value that changes by [`Step`]s only. Promise: no step is possible that the law does not know
//! in that state, an extension exists once, and a label stands from the moment when a reclamo is complete until
//! it is decided. Terms are counted by whoever knows the calendar ([`Calendar`]); nothing here reads a clock.

mod dues;
mod steps;

pub use dues::{Calendar, Due, DueOf, Duty};
pub use steps::{CaseRefusal, Step};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CaseKind")]
pub enum CaseKind {
    /// What is held about a person (Ley 1581, art. 14).
    Consulta,
    /// Correct, update, suppress, revoke, or a duty that was not kept (Ley 1581, art. 15).
    Reclamo,
    /// Petition, complaint or claim of a consumer (Ley 1480, art. 50 lit. g and art. 58 num. 5).
    Pqr,
}

impl CaseKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Consulta, Self::Reclamo, Self::Pqr];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consulta => "consulta",
            Self::Reclamo => "reclamo",
            Self::Pqr => "pqr",
        }
    }

    /// How its numbers begin.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        if self == Self::Pqr { "PQR" } else { "RAD" }
    }
}

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CaseState")]
pub enum CaseState {
    /// Came in; nobody has looked yet whether it is complete.
    Received,
    /// The person was asked for what is missing.
    Incomplete,
    /// Everything is there; of a reclamo, its label stands.
    Complete,
    /// Decided, and not told yet.
    Decided,
    /// The person has the answer.
    Answered,
    /// Taken back, by word or by two months of silence.
    Withdrawn,
    /// It was meant for somebody else, who has it now.
    PassedOn,
}

impl CaseState {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Incomplete => "incomplete",
            Self::Complete => "complete",
            Self::Decided => "decided",
            Self::Answered => "answered",
            Self::Withdrawn => "withdrawn",
            Self::PassedOn => "passed_on",
        }
    }

    /// Is anything still to be done?
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Answered | Self::Withdrawn | Self::PassedOn)
    }
}

/// Who asks (Decreto 1377 de 2013, art. 20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Requester {
    /// The person whom the data is about.
    #[default]
    Person,
    /// An heir.
    Heir,
    /// A representative, with a power.
    Representative,
    /// Somebody in whose favour it was agreed.
    ThirdParty,
}

/// How it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Intake {
    /// The privacy page.
    Web,
    /// A letter or a form on paper.
    #[default]
    Paper,
    /// E-mail.
    Email,
    /// A call.
    Phone,
    /// WhatsApp.
    Whatsapp,
    /// In person.
    InPerson,
    /// Another program.
    Api,
}

impl Intake {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Web, Self::Paper, Self::Email, Self::Phone, Self::Whatsapp, Self::InPerson, Self::Api];
    /// Those of which somebody has to tell the hub.
    pub const BY_HAND: [Self; 5] = [Self::Paper, Self::Email, Self::Phone, Self::Whatsapp, Self::InPerson];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Paper => "paper",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Whatsapp => "whatsapp",
            Self::InPerson => "in_person",
            Self::Api => "api",
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// All that was asked for.
    Granted,
    /// A part.
    Partly,
    /// Nothing.
    Denied,
}

impl Ruling {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Partly => "partly",
            Self::Denied => "denied",
        }
    }
}

/// Language of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tongue {
    /// Spanish of Colombia.
    #[default]
    Es,
    /// English.
    En,
}

/// Whom a case is about, as far as it was told. An e-mail address or a phone finds what the hub holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Claimant {
    /// Name.
    pub name: String,
    /// Document of identity, as it was told.
    pub document: String,
    /// E-mail address, lower case.
    pub email: Option<String>,
    /// Phone in international form.
    pub phone: Option<String>,
    /// Address for the answer, where there is no e-mail.
    pub address: String,
}

/// A decision and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decided {
    /// What.
    pub ruling: Ruling,
    /// Why: it stands in the answer.
    pub reason: String,
    /// When.
    #[schemars(with = "crate::Moment")]
    pub at: Timestamp,
}

/// An extension and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Extended {
    /// Why: the person is told.
    pub reason: String,
    /// When the person was told.
    #[schemars(with = "crate::Moment")]
    pub at: Timestamp,
}

/// A letter to the person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Letter {
    /// Subject.
    pub subject: String,
    /// Text, with lines of its own.
    pub text: String,
}

/// One line of what was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CaseEntry")]
pub struct Entry {
    /// When.
    #[schemars(with = "crate::Moment")]
    pub at: Timestamp,
    /// Who: a key, a person of the console, `pasarela` for the hub itself.
    pub by: String,
    /// What: `opened`, `incomplete`, `completed`, `labelled`, `extended`, `decided`, `answered`, `withdrawn`,
    /// `passed_on`, `noted`.
    pub what: String,
    /// In words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A request of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// `RAD-2026-000123`.
    pub number: String,
    /// Kind.
    pub kind: CaseKind,
    /// Where it stands.
    pub state: CaseState,
    /// When it was received: the law's clock begins. On paper, before it was entered.
    pub received_at: Timestamp,
    /// When the hub heard of it.
    pub recorded_at: Timestamp,
    /// How.
    pub intake: Intake,
    /// Where the paper, the scan or the message is.
    #[serde(default)]
    pub reference: String,
    /// Whom it is about.
    pub claimant: Claimant,
    /// Who asks.
    pub requester: Requester,
    /// Language of letters.
    pub language: Tongue,
    /// What happened: the facts.
    pub facts: String,
    /// What is asked for.
    pub request: String,
    /// Documents that came along, by their names or references.
    #[serde(default)]
    pub documents: Vec<String>,
    /// When the person was asked to complete it, and for what.
    #[serde(default)]
    pub asked: Option<Extended>,
    /// When everything was there.
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
    /// Since when the label stands, and its reason. Taken away by the decision.
    #[serde(default)]
    pub label: Option<Extended>,
    /// The one extension.
    #[serde(default)]
    pub extended: Option<Extended>,
    /// The decision.
    #[serde(default)]
    pub decided: Option<Decided>,
    /// The answer, as it was sent.
    #[serde(default)]
    pub answer: Option<Letter>,
    /// What was done, oldest first.
    pub history: Vec<Entry>,
}

impl Case {
    /// The label as the database shows it beside the person's data (Ley 1581, art. 15 num. 2).
    #[must_use]
    pub fn labelled(&self) -> bool {
        self.label.is_some() && matches!(self.state, CaseState::Complete)
    }

    /// What a reclamo must hold and does not: identity, facts, a way to answer, what is asked for (Ley 1581,
    /// art. 15). Names of fields, empty when nothing is missing.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let c = &self.claimant;
        let nothing = |text: &str| text.trim().is_empty();
        let mut missing = Vec::new();
        let mut need = |name, is_missing| {
            if is_missing {
                missing.push(name);
            }
        };
        need("name", nothing(&c.name));
        need("document", self.kind == CaseKind::Reclamo && nothing(&c.document));
        need("address", c.email.is_none() && c.phone.is_none() && nothing(&c.address));
        need("facts", self.kind != CaseKind::Consulta && nothing(&self.facts));
        need("request", nothing(&self.request));
        missing
    }
}

#[cfg(test)]
mod tests;
