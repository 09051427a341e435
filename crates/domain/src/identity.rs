//! Who is whom: one person across all systems (design 4.4).
//!
//! What providers know are *records*: a ticket's holder, an order's buyer, a contact of a CRM, whoever wrote a message.
//! Each speaks of one natural person, and begins as a person of its own. Records are joined by merges and taken apart by
//! splits, each with who did it and why, on a [`History`] that only grows; what is known now is the fold of it
//! ([`People`]). So every merge can be undone, no claim is lost on the way, and whose a record is was never guessed
//! where nobody can look.
//!
//! | part | what |
//! |---|---|
//! | [`Mention`], [`Claim`] | what one record says of one person, and how events say it |
//! | [`compare`], [`choose`] | whether two persons are one: same, doubtful or other, and why |
//! | [`History`] | what was told and done, and what can be done next |
//! | [`People`], [`Person`] | what it comes to |
//! | [`Ownership`], [`golden`] | whose word counts for which field, and what the records do not say yet |
//!
//! Promise: equal histories give equal people, on any node and in any order in which unrelated deeds came.

mod document;
mod golden;
#[cfg(test)]
mod golden_properties;
mod history;
mod matching;
mod mentions;
mod names;
mod ownership;
mod people;
#[cfg(test)]
mod population;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use document::{Document, Documents, InvalidDocument};
pub use golden::{Differs, Golden, Overruled, Why, golden, own_addresses};
pub use history::{By, Deed, Entry, History, Refusal, Stamp};
pub use matching::{Choice, Match, Reason, Shared, Verdict, choose, compare, has_seat, is_unknown};
pub use names::{Name, NameKind, Names, words_of};
pub use ownership::{Field, InvalidOwnership, Owner, Ownership};
pub use people::{Addresses, Between, People, Person, Record, Removed};

use crate::{EmailAddress, PersonId, Phone};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Names a provider's record that speaks of one natural person. An order stands for its buyer.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PersonSource")]
pub struct Source {
    /// Connection that told it, as the configuration names it.
    pub connection: String,
    /// Kind of record: `person`, `order`, `ticket`; `phone`, `channel_user` or `email` of whoever wrote.
    pub kind: String,
    /// The provider's id of it.
    pub id: String,
}

impl fmt::Debug for Source {
    /// Where it is; an id may be a phone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({}/{})", self.connection, self.kind)
    }
}

impl Source {
    /// A source.
    #[must_use]
    pub fn new(connection: impl Into<String>, kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { connection: connection.into(), kind: kind.into(), id: id.into() }
    }
}

/// One thing that a record says of its person.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "claim", rename_all = "snake_case")]
pub enum Claim {
    /// An e-mail address.
    Email {
        /// Lower case.
        address: EmailAddress,
        /// The person has shown that they read it: they opened a link that went there, or wrote from it.
        verified: bool,
    },
    /// A phone.
    Phone {
        /// E.164.
        number: Phone,
        /// The person has shown that they hold it: they wrote from it, or returned a code that went there.
        verified: bool,
    },
    /// A channel's own id of the person: a WhatsApp BSUID. It stands for the person where there is no phone.
    ChannelUser {
        /// Channel, as messages name it: `whatsapp`.
        channel: String,
        /// The id. Whatever case it is written in, it is one id.
        id: String,
    },
    /// The provider says that this other record is the same person's.
    Record {
        /// The other one.
        record: Source,
    },
    /// An identity document.
    Document {
        /// Kind and number.
        document: Document,
    },
    /// A name.
    Name {
        /// With both surnames, as far as told.
        name: Name,
    },
    /// The record carries the hub's own id of its person: the hub wrote it.
    Hub {
        /// The id, perhaps one of before a merge.
        person: PersonId,
    },
    /// The language that they chose.
    Language {
        /// `es`, `en`.
        language: String,
    },
    /// What they do.
    JobTitle {
        /// As written.
        title: String,
    },
}

impl fmt::Debug for Claim {
    /// What kind of claim, and nothing of the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Email { verified: true, .. } => "Email(verified)",
            Self::Email { .. } => "Email",
            Self::Phone { verified: true, .. } => "Phone(verified)",
            Self::Phone { .. } => "Phone",
            Self::ChannelUser { .. } => "ChannelUser",
            Self::Record { .. } => "Record",
            Self::Document { .. } => "Document",
            Self::Name { .. } => "Name",
            Self::Hub { .. } => "Hub",
            Self::Language { .. } => "Language",
            Self::JobTitle { .. } => "JobTitle",
        })
    }
}

/// What somebody is in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Seat {
    /// Who pays.
    Buyer,
    /// Who comes with one of its tickets.
    Guest,
}

/// The order in which a record was made. People of one order give each other's addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Party {
    /// The order.
    pub order: Source,
    /// As what.
    pub seat: Seat,
}

/// What one record says of one person, all of it, at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mention {
    /// The record.
    pub source: Source,
    /// Time of the record's change by its provider; an older state never overwrites a newer one. `None`: unknown, what
    /// is told later is newer.
    #[schemars(with = "Option<crate::Moment>")]
    pub as_of: Option<Timestamp>,
    /// It was still so at this later time, by its provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::Moment>")]
    pub until: Option<Timestamp>,
    /// The order that it belongs to, if any.
    pub party: Option<Party>,
    /// The provider's id of the show that it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show: Option<String>,
    /// Its provider has deleted it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// What it says.
    pub claims: Vec<Claim>,
    /// Fields that it says are empty. Of what is neither claimed nor named here it does not speak.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub empty: BTreeSet<Field>,
}

impl Mention {
    /// What a record says, of no order and no show.
    #[must_use]
    pub fn new(source: Source, as_of: Option<Timestamp>, claims: Vec<Claim>) -> Self {
        Self { source, as_of, until: None, party: None, show: None, deleted: false, claims, empty: BTreeSet::new() }
    }
}
