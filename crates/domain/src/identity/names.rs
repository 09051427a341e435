//! Names of people and whether two of them can be one person's: given names and two surnames, of which people leave out
//! now the second given name, now the second surname, and which forms split at different places.
//!
//! A name alone is never evidence that two are one; it is what tells members of a family apart.

use crate::model::Contact;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a name is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameKind {
    /// Asked for as a name: on a ticket, an order, a CRM.
    Civil,
    /// What somebody calls themselves in a channel. It contradicts nothing.
    Display,
}

/// What two names say of two persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// One can be the other, written shorter.
    Agree,
    /// Two persons' names.
    Contradict,
    /// Too little to tell.
    Silent,
}

/// A name as a record tells it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PersonName")]
pub struct Name {
    /// The whole name as one text.
    pub full: String,
    /// Given names, where they are told apart; else empty.
    pub given: String,
    /// Both surnames, where they are told apart; else empty.
    pub surnames: String,
    /// What it is worth.
    pub kind: NameKind,
}

impl fmt::Debug for Name {
    /// Its kind; the name is personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({:?})", self.kind)
    }
}

impl Name {
    /// A name in its two parts.
    #[must_use]
    pub fn civil(given: &str, surnames: &str) -> Self {
        let (given, surnames) = (spaced(given), spaced(surnames));
        Self { full: spaced(&format!("{given} {surnames}")), given, surnames, kind: NameKind::Civil }
    }

    /// The name of a contact; `None`: it has none.
    #[must_use]
    pub fn of(contact: &Contact, kind: NameKind) -> Option<Self> {
        let (given, surnames) = (spaced(&contact.first_name), spaced(&contact.last_name));
        let told = spaced(&contact.name);
        let full = if told.is_empty() { spaced(&format!("{given} {surnames}")) } else { told };
        (!full.is_empty()).then_some(Self { full, given, surnames, kind })
    }

    /// Words by which it is compared: without case, accents, signs and the particles of surnames.
    pub(super) fn words(&self) -> Vec<String> {
        words(&self.full)
    }

    /// What this and another name say of their two persons.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Names {
        if self.kind == NameKind::Display || other.kind == NameKind::Display {
            return Names::Silent;
        }
        let (mine, theirs) = (self.words(), other.words());
        if mine.is_empty() || theirs.is_empty() {
            return Names::Silent;
        }
        if same_words(&mine, &theirs) {
            return if mine.len() > 1 { Names::Agree } else { Names::Silent };
        }
        let (short, long) = if mine.len() <= theirs.len() { (&mine, &theirs) } else { (&theirs, &mine) };
        if short.len() == 1 {
            return if long.contains(&short[0]) { Names::Silent } else { Names::Contradict };
        }
        let agree = match (self.parts(), other.parts()) {
            (Some((given, surnames)), Some((their_given, their_surnames))) => {
                within(&given, &their_given) && begins(&surnames, &their_surnames)
            }
            _ => contained(short, long),
        };
        if agree { Names::Agree } else { Names::Contradict }
    }

    fn parts(&self) -> Option<(Vec<String>, Vec<String>)> {
        let (given, surnames) = (words(&self.given), words(&self.surnames));
        (!given.is_empty() && !surnames.is_empty()).then_some((given, surnames))
    }
}

fn spaced(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// Words of a name by which it is compared and found: without case, accents, signs and the particles of surnames.
#[must_use]
pub fn words_of(name: &str) -> Vec<String> {
    words(name)
}

fn words(text: &str) -> Vec<String> {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'á' | 'à' | 'ä' | 'â' | 'ã' => plain.push('a'),
            'é' | 'è' | 'ë' | 'ê' => plain.push('e'),
            'í' | 'ì' | 'ï' | 'î' => plain.push('i'),
            'ó' | 'ò' | 'ö' | 'ô' | 'õ' => plain.push('o'),
            'ú' | 'ù' | 'ü' | 'û' => plain.push('u'),
            'ñ' => plain.push('n'),
            'ç' => plain.push('c'),
            // Accents as characters of their own, and signs within a word: O'Neil, Díaz.
            '\u{300}'..='\u{36f}' | '\'' | '’' | '.' => {}
            c if c.is_alphanumeric() => plain.push(c),
            _ => plain.push(' '),
        }
    }
    let particles = ["de", "del", "la", "las", "los", "y"];
    plain.split_whitespace().filter(|w| !particles.contains(w)).map(str::to_owned).collect()
}

fn same_words(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && contained(a, b)
}

/// Is each word of the shorter one in the longer one, as often?
fn contained(short: &[String], long: &[String]) -> bool {
    let mut left: Vec<&String> = long.iter().collect();
    short.iter().all(|word| left.iter().position(|l| *l == word).map(|at| left.swap_remove(at)).is_some())
}

/// One of two is within the other.
fn within(a: &[String], b: &[String]) -> bool {
    if a.len() <= b.len() { contained(a, b) } else { contained(b, a) }
}

/// One of two begins with the other: the first surname is the same, and the second left out or the same.
fn begins(a: &[String], b: &[String]) -> bool {
    a.iter().zip(b).all(|(x, y)| x == y)
}
