//! What stands for and against writing to a person, beside what they have allowed ([`crate::consent`]).
//!
//! One [`Standing`] for each e-mail address or phone, as a read model of the hub's own. Nothing in it names the
//! person: it lies under the keyed hash of the address. Addresses of one person are laid over one another
//! ([`Standing::lay`]): whatever stands against the person stands against every address.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A claim that is being dealt with: while it stands, data of the person is not used for publicity
/// (Ley 1581, art. 15; `reclamo en trámite`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseMark {
    /// Number of the case: `RAD-2026-000123`.
    pub case: String,
    /// Why, in one line.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// Other hours that a person asked for, in an instrument of its own and after the contract (Ley 2300, art. 3 par.).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtendedHours {
    /// When the person asked.
    pub asked_at: Timestamp,
    /// Where that can be seen.
    pub evidence: String,
    /// From this time of day, in it.
    pub from: Time,
    /// To this time of day, not in it.
    pub to: Time,
    /// Days of the week on which it counts, from 1 (Monday) to 7 (Sunday).
    pub days: Vec<u8>,
}

/// Who answers for a person under 18 (Ley 1581, art. 7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guardian {
    /// Name.
    pub name: String,
    /// Document, as it was told.
    pub document: String,
    /// Mother, father, tutor.
    pub relationship: String,
    /// The guardian's own consent.
    pub record: Option<String>,
}

/// What a registry of people who want no advertising said of an address, one answer for each way to be contacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryAnswer {
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Ways to be contacted (`sms`, `app`, `email`, `call`) that the person does not want. None: not registered.
    #[serde(default)]
    pub refused: Vec<String>,
    /// When it first said no to one of these.
    #[serde(default)]
    pub refused_since: Option<Timestamp>,
}

/// What stands for and against writing to one address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// Day of birth, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub born: Option<Date>,
    /// The person said to be under 18, whatever the day of birth.
    pub minor: bool,
    /// Who answers for a minor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardian: Option<Guardian>,
    /// Claims that are being dealt with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<CaseMark>,
    /// Hours that the person asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_hours: Option<ExtendedHours>,
    /// Everything that may be taken back was, at this moment: what was allowed before it counts no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_all: Option<Timestamp>,
    /// When the person last wrote, by the name of the connection.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub heard: BTreeMap<String, Timestamp>,
    /// What the registry said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryAnswer>,
    /// Addresses that somebody has said to be another person's, by their names among the read models: no rule makes
    /// them this one's again.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub apart: BTreeSet<String>,
}

impl Standing {
    /// Under 18 on this day?
    #[must_use]
    pub fn is_minor(&self, on: Date) -> bool {
        self.minor || self.born.is_some_and(|born| born.saturating_add(jiff::Span::new().years(18)) > on)
    }

    /// Lays that of another address of the same person over this one: what stands against the person counts
    /// for both. What belongs to an address alone (when it wrote, what the registry says of it, whose it is not) stays.
    pub fn lay(&mut self, other: &Self) {
        self.born = match (self.born, other.born) {
            // Two days: the person is as young as the younger of them.
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        self.minor |= other.minor;
        if self.guardian.is_none() {
            self.guardian.clone_from(&other.guardian);
        }
        for claim in &other.claims {
            if !self.claims.iter().any(|c| c.case == claim.case) {
                self.claims.push(claim.clone());
            }
        }
        self.revoked_all = self.revoked_all.max(other.revoked_all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_against_one_address_stands_against_all() {
        let at = Timestamp::UNIX_EPOCH;
        let claim = |case: &str| CaseMark { case: case.into(), reason: "datos errados".into(), since: at };
        let mut mail = Standing { claims: vec![claim("RAD-1")], ..Standing::default() };
        let phone = Standing {
            minor: true,
            claims: vec![claim("RAD-1"), claim("RAD-2")],
            revoked_all: Some(at),
            heard: BTreeMap::from([("whatsapp".into(), at)]),
            ..Standing::default()
        };
        mail.lay(&phone);
        assert_eq!((mail.minor, mail.claims.len(), mail.revoked_all), (true, 2, Some(at)));
        assert!(mail.heard.is_empty(), "an address did not write because another one did");
    }

    #[test]
    fn a_person_is_of_age_on_the_eighteenth_birthday() {
        let born = |y, m, d| Standing { born: Some(Date::constant(y, m, d)), ..Standing::default() };
        let today = Date::constant(2026, 11, 24);
        assert!(born(2008, 11, 25).is_minor(today));
        assert!(!born(2008, 11, 24).is_minor(today));
        assert!(!Standing::default().is_minor(today), "who said nothing is taken to be of age");
        let both = |a: Standing, b: &Standing| {
            let mut laid = a;
            laid.lay(b);
            laid
        };
        assert!(both(born(1990, 1, 1), &born(2010, 1, 1)).is_minor(today), "in doubt the younger day");
    }
}
