//! Contacts of one sender with one person: advertising and collection only (Ley 2300, arts. 3 and 5). Counted by
//! person, whatever addresses the person has.

use jiff::{SignedDuration, Timestamp};
use pasarela_colombia::market::{Channel, PastContact};
use pasarela_domain::EffectId;
use pasarela_store::EffectState;
use serde::{Deserialize, Serialize};

/// Older ones bear on nothing: no rule looks further back than a week.
const KEPT: SignedDuration = SignedDuration::from_hours(15 * 24);

/// All of them, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Contacts(Vec<Contact>);

/// One of them: it left, or may have.
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

    /// Those with another person, who is the same one.
    pub(crate) fn lay(&mut self, other: Self) {
        for contact in other.0 {
            if !self.0.iter().any(|c| c.effect == contact.effect) {
                self.0.push(contact);
            }
        }
        self.0.sort_by_key(|c| c.at);
    }

    /// This message is a contact now; an earlier try of it is not another one.
    pub(crate) fn add(&mut self, effect: EffectId, channel: Channel, at: Timestamp) {
        self.0.retain(|c| c.effect != effect && at.duration_since(c.at) < KEPT);
        self.0.push(Contact { effect, at, channel: channel.as_str().to_owned() });
    }

    /// Those but this message's own earlier tries, as the market reads them.
    pub(crate) fn but(&self, effect: EffectId) -> Vec<PastContact> {
        let read = |c: &Contact| Some(PastContact { at: c.at, channel: Channel::from_name(&c.channel)? });
        self.0.iter().filter(|c| c.effect != effect).filter_map(read).collect()
    }

    /// When the last one was.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.0.iter().map(|c| c.at).max()
    }

    /// The message behind a contact.
    pub(crate) fn effect_of(&self, past: &PastContact) -> Option<EffectId> {
        self.0.iter().find(|c| c.at == past.at && c.channel == past.channel.as_str()).map(|c| c.effect)
    }

    /// Was not a contact after all: it never left.
    pub(crate) fn drop_one(&mut self, effect: EffectId) {
        self.0.retain(|c| c.effect != effect);
    }
}

/// Did a message in this state never reach the person? One that was refused before it was delivered is no contact;
/// what was sent, delivered or is not known is one. A row that is gone was one.
pub(crate) fn never_left(state: EffectState) -> bool {
    matches!(
        state,
        EffectState::GaveUp
            | EffectState::FailedLate
            | EffectState::Withdrawn
            | EffectState::Withheld
            | EffectState::Dropped
            | EffectState::Deferred
    )
}
