//! Identity documents as they are compared. Their forms are practice and not law, so nothing is refused for its form;
//! what nobody can have, or what a company has, says nothing of who somebody is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Kinds of the DIAN's list, in the short form that people use.
const KINDS: [&str; 12] = ["RC", "TI", "CC", "TE", "CE", "NIT", "PA", "DE", "PEP", "PPT", "NITE", "NUIP"];

/// Nothing to compare.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocument {
    /// No such kind.
    #[error("there is no kind of document '{0}'; kinds are RC, TI, CC, TE, CE, NIT, PA, DE, PEP, PPT, NITE, NUIP")]
    Kind(String),
    /// No number, or one that is typed to get past a field: nobody is known by it.
    #[error("this number names nobody: it is empty, a placeholder, or the 222222222222 of a sale without a buyer")]
    Nobody,
}

/// What two documents say of two persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Documents {
    /// One document, so one person.
    Same,
    /// A person has only one number of this kind: two persons.
    Different,
    /// They cannot be compared.
    Silent,
}

/// A document: its kind and the number as it is compared.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PersonDocument")]
pub struct Document {
    kind: String,
    number: String,
}

impl fmt::Debug for Document {
    /// The kind; the number is personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", self.kind)
    }
}

impl fmt::Display for Document {
    /// `CC 1020304050`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.number)
    }
}

impl Document {
    /// Reads a document by its short kind (`CC`) and the number as it was typed (`1.020.304.050`).
    pub fn read(kind: &str, typed: &str) -> Result<Self, InvalidDocument> {
        let known = KINDS.into_iter().find(|k| k.eq_ignore_ascii_case(kind.trim()));
        let kind = known.ok_or_else(|| InvalidDocument::Kind(kind.chars().take(20).collect()))?;
        let number: String =
            typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).take(32).collect();
        if names_nobody(&number) {
            return Err(InvalidDocument::Nobody);
        }
        Ok(Self { kind: kind.to_owned(), number })
    }

    /// Short kind: `CC`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Digits and capital letters.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// What this and another one say of their two persons.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Documents {
        let (Some(mine), Some(theirs)) = (self.line(), other.line()) else { return Documents::Silent };
        if mine != theirs {
            return Documents::Silent;
        }
        if self.number == other.number {
            return Documents::Same;
        }
        if self.is_for_life() && other.is_for_life() { Documents::Different } else { Documents::Silent }
    }

    /// Kinds that share their numbers: the NUIP that a birth is registered with is that of the tarjeta de identidad and
    /// of the cédula. `None`: a company's, and no proof of a person.
    fn line(&self) -> Option<&str> {
        match self.kind.as_str() {
            "RC" | "TI" | "CC" | "NUIP" => Some("NUIP"),
            "NIT" | "NITE" => None,
            other => Some(other),
        }
    }

    /// A person has one for life. Passports and permits are made anew with another number, and numbers of old
    /// registrations and tarjetas were not those of the cédula.
    fn is_for_life(&self) -> bool {
        matches!(self.kind.as_str(), "CC" | "NUIP" | "CE" | "PPT")
    }
}

/// What people type to get past a field, and the number that a sale without a named buyer carries.
fn names_nobody(number: &str) -> bool {
    let bytes = number.as_bytes();
    let Some(first) = bytes.first() else { return true };
    let counts =
        bytes.windows(2).all(|w| w[0].is_ascii_digit() && (w[1] == w[0] + 1 || (w[0] == b'9' && w[1] == b'0')));
    bytes.len() < 3 || bytes.iter().all(|b| b == first) || (counts && *first == b'1')
}
