//! Who works in the hub, and for which brands. What a role may do with what is the table of `web/src/policy.rs`;
//! here are only the words of it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What somebody is in the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, people and keys included.
    Owner,
    /// Runs the hub: connections, flows, dead letters, backups. No people, no keys.
    Operator,
    /// Shows of their own: orders, tickets, guests, messages about them.
    Producer,
    /// The portfolio of their own.
    Designer,
    /// Helps guests: looks up, sends again, opens cases.
    Support,
    /// Money: asks for refunds and approves those that somebody else asked for.
    Finance,
    /// The door: scans and looks up tickets.
    Gate,
    /// Oficial de protección de datos (Ley 1581 de 2012, art. 17 k): cases, consents, erasure, incidents, the audit.
    Privacy,
    /// Looks, changes nothing, and sees no personal data that is not on the page anyway.
    Viewer,
}

impl Role {
    /// All of them, as pages list them.
    pub const ALL: [Self; 9] = [
        Self::Owner,
        Self::Operator,
        Self::Producer,
        Self::Designer,
        Self::Support,
        Self::Finance,
        Self::Gate,
        Self::Privacy,
        Self::Viewer,
    ];

    /// The word that commands, the API and the store use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Operator => "operator",
            Self::Producer => "producer",
            Self::Designer => "designer",
            Self::Support => "support",
            Self::Finance => "finance",
            Self::Gate => "gate",
            Self::Privacy => "privacy",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// There is no such role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no role '{0}'; roles are owner, operator, producer, designer, support, finance, gate, privacy, viewer"
)]
pub struct InvalidRole(String);

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|r| r.word() == text).ok_or_else(|| InvalidRole(text.to_owned()))
    }
}

/// Brands that somebody may see: those of a list, or every one there is and will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Brands {
    /// Every brand, and what belongs to none (the hub itself).
    All,
    /// These, by the names of the configuration. Nothing when empty.
    Of(BTreeSet<String>),
}

impl Brands {
    /// No brand at all.
    pub fn none() -> Self {
        Self::Of(BTreeSet::new())
    }

    /// May rows of this brand be seen?
    pub fn covers(&self, brand: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(brands) => brands.contains(brand),
        }
    }

    /// May rows of the hub itself be seen, which belong to no brand?
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Is there nothing to see?
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Of(brands) if brands.is_empty())
    }

    /// What either of the two covers.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Of(mut a), Self::Of(b)) => {
                a.extend(b);
                Self::Of(a)
            }
            _ => Self::All,
        }
    }

    /// What both of the two cover.
    #[must_use]
    pub fn within(self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, other) => other.clone(),
            (mine, Self::All) => mine,
            (Self::Of(a), Self::Of(b)) => Self::Of(a.intersection(b).cloned().collect()),
        }
    }
}

/// A role, where it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What somebody is.
    pub role: Role,
    /// For whom.
    pub brands: Brands,
    /// Producers: ids of their shows; designers: the name of their portfolio. Others: empty. Empty for a producer or
    /// a designer is nothing, never everything.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub only: BTreeSet<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Brands {
        Brands::Of(names.iter().map(|n| (*n).to_owned()).collect())
    }

    #[test]
    fn every_role_is_read_as_it_is_written() {
        for role in Role::ALL {
            assert_eq!(role.word().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).expect("a word"), role.word());
        }
        let why = "root".parse::<Role>().expect_err("no such role").to_string();
        assert!(why.contains("'root'") && Role::ALL.iter().all(|r| why.contains(r.word())), "{why}");
    }

    #[test]
    fn brands_are_joined_and_cut_and_nothing_is_not_everything() {
        assert_eq!(of(&["a"]).and(of(&["b"])), of(&["a", "b"]));
        assert_eq!(of(&["a"]).and(Brands::All), Brands::All);
        assert_eq!(of(&["a", "b"]).within(&of(&["b", "c"])), of(&["b"]));
        assert_eq!(Brands::All.within(&of(&["b"])), of(&["b"]));
        assert!(Brands::none().is_none() && !Brands::none().covers("a") && !Brands::none().is_all());
        assert!(Brands::All.covers("a") && Brands::All.is_all());
    }
}
