//! What may be sent (G10): one decision for every message of every channel, made where its attempt is recorded.
//!
//! Promise: no message leaves that the rules forbid at that moment. What was read for the decision is named by
//! version in the transaction that records the attempt, so two nodes cannot both find "no contact today".

use jiff::Timestamp;
use pasarela_domain::EffectId;
use serde::{Deserialize, Serialize};

/// Contacts of one sender with one person: advertising and collection only (Ley 2300, art. 3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Contacts(Vec<Contact>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) effect: EffectId,
    pub(crate) at: Timestamp,
    pub(crate) channel: String,
}

impl Contacts {
    /// Out of its row.
    pub(crate) fn read(data: &[u8]) -> Self {
        serde_json::from_slice(data).unwrap_or_default()
    }

    /// Those of another person, who is the same one.
    pub(crate) fn lay(&mut self, other: Self) {
        for contact in other.0 {
            if !self.0.iter().any(|c| c.effect == contact.effect) {
                self.0.push(contact);
            }
        }
        self.0.sort_by_key(|c| c.at);
    }
}
