//! Whose word counts: for each field of a person, the connections in the order in which they are believed.
//!
//! Promise: what wins is told by the rules and by what each record says, and by nothing else. In which order it was heard
//! does not matter.

use super::{Claim, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Raised whenever `golden` comes to something else for the same records and rules, so that it is told.
const GOLDEN: u32 = 2;

/// A field of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PersonField")]
pub enum Field {
    /// Name: given names and surnames together.
    Name,
    /// E-mail address.
    Email,
    /// Phone.
    Phone,
    /// A channel's own id of the person.
    ChannelUser,
    /// The language that they chose.
    Language,
    /// What they do.
    JobTitle,
    /// Identity document.
    Document,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Name, Self::Email, Self::Phone, Self::ChannelUser, Self::Language, Self::JobTitle, Self::Document];

    /// As the configuration and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::ChannelUser => "channel_user",
            Self::Language => "language",
            Self::JobTitle => "job_title",
            Self::Document => "document",
        }
    }

    /// What claims say of it.
    pub(super) fn said_in(self, claims: &[Claim]) -> Vec<String> {
        claims.iter().filter_map(|claim| self.said_by(claim)).collect()
    }

    /// What claims say of it first, as people read it.
    #[must_use]
    pub fn shown_in(self, claims: &[Claim]) -> Option<String> {
        claims.iter().find_map(|claim| match (self, claim) {
            (Self::Name, Claim::Name { name }) => Some(name.full.clone()),
            _ => self.said_by(claim),
        })
    }

    /// What a claim says of it, as text by which two are compared. That an address was verified says nothing new of it.
    pub(super) fn said_by(self, claim: &Claim) -> Option<String> {
        match (self, claim) {
            (Self::Name, Claim::Name { name }) => Some(exact(name)),
            (Self::Email, Claim::Email { address, .. }) => Some(address.to_string()),
            (Self::Phone, Claim::Phone { number, .. }) => Some(number.to_string()),
            (Self::ChannelUser, Claim::ChannelUser { id, .. }) => Some(id.to_lowercase()),
            (Self::Language, Claim::Language { language }) => Some(language.clone()),
            (Self::JobTitle, Claim::JobTitle { title }) => Some(title.clone()),
            (Self::Document, Claim::Document { document }) => Some(document.to_string()),
            _ => None,
        }
    }
}

/// A name with where it is parted.
fn exact(name: &Name) -> String {
    format!("{}\n{}\n{}", name.full, name.given, name.surnames)
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with rules of ownership, and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOwnership {
    /// No such field.
    #[error(
        "people.fields has no field '{0}'; fields are name, email, phone, channel_user, language, job_title, document"
    )]
    Field(String),
    /// Nobody is believed.
    #[error("people.fields.{0} names nobody; write the connections whose word counts, or \"*\" for any")]
    Nobody(Field),
    /// Named twice.
    #[error("people.fields.{0} names '{1}' twice; the first place is the one that counts, remove the other")]
    Twice(Field, String),
    /// No such connection.
    #[error("people.fields.{0} names the connection '{1}', which is not configured")]
    Connection(Field, String),
}

impl FromStr for Field {
    type Err = InvalidOwnership;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|f| f.as_str() == text);
        found.ok_or_else(|| InvalidOwnership::Field(text.chars().take(40).collect()))
    }
}

/// Whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// That of a connection.
    Connection(String),
    /// That of any connection which is not named: what was said last counts.
    Any,
}

/// For each field, whose word counts, in order. A field of which nothing is written is anybody's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ownership(BTreeMap<Field, Vec<Owner>>);

impl Ownership {
    /// Reads rules as the configuration writes them: `name = ["crm", "*"]`. `knows`: is there such a connection?
    pub fn read<'r>(
        rules: impl IntoIterator<Item = (&'r str, &'r [String])>,
        knows: impl Fn(&str) -> bool,
    ) -> Result<Self, InvalidOwnership> {
        let mut all = BTreeMap::new();
        for (field, names) in rules {
            let field: Field = field.parse()?;
            if names.is_empty() {
                return Err(InvalidOwnership::Nobody(field));
            }
            let mut owners = Vec::with_capacity(names.len());
            for name in names {
                let owner = if name == "*" { Owner::Any } else { Owner::Connection(name.clone()) };
                if owners.contains(&owner) {
                    return Err(InvalidOwnership::Twice(field, name.clone()));
                }
                if owner != Owner::Any && !knows(name) {
                    return Err(InvalidOwnership::Connection(field, name.clone()));
                }
                owners.push(owner);
            }
            all.insert(field, owners);
        }
        Ok(Self(all))
    }

    /// These rules as one line: two that say the same have the same, and with it the same persons come of the same
    /// records.
    #[must_use]
    pub fn mark(&self) -> String {
        let mut mark = format!("golden {GOLDEN}");
        for (field, owners) in self.0.iter().filter(|(_, owners)| owners.as_slice() != [Owner::Any]) {
            let names = owners.iter().map(|owner| match owner {
                Owner::Any => "*",
                Owner::Connection(name) => name.as_str(),
            });
            mark.push_str(&format!("; {field} = {}", names.collect::<Vec<_>>().join(", ")));
        }
        mark
    }

    /// How much a connection is believed about a field: 0 is most. `None`: not at all.
    #[must_use]
    pub fn place(&self, field: Field, connection: &str) -> Option<usize> {
        let Some(owners) = self.0.get(&field) else { return Some(0) };
        let named = owners.iter().position(|o| matches!(o, Owner::Connection(name) if name == connection));
        named.or_else(|| owners.iter().position(|o| *o == Owner::Any))
    }
}
