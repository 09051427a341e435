//! Who it was. A webhook may name a person by phone, by user id, by both, and the `contacts`
//! beside it may be missing, fewer or in another order (contract, section 3): they are matched by
//! id, never by place.

use crate::whatsapp::wire::{MessagesValue, WaContact};
use pasarela_domain::model::Contact;
use serde::Deserialize;

/// A person, as far as one webhook knows them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Person {
    /// Phone in digits, if told.
    pub(super) wa_id: Option<String>,
    /// Business-scoped user id, if told.
    pub(super) user_id: Option<String>,
    /// Name that the person shows.
    name: String,
}

impl Person {
    /// Puts together what the item itself says and what the `contacts` beside it add.
    pub(super) fn find(value: &MessagesValue, wa_id: Option<&str>, user_id: Option<&str>) -> Option<Self> {
        let filled = |id: Option<&str>| id.filter(|t| !t.trim().is_empty()).map(str::to_owned);
        let (wa_id, user_id) = (filled(wa_id), filled(user_id));
        if wa_id.is_none() && user_id.is_none() {
            return None;
        }
        // One contact of another shape must not cost the others their names.
        let mut contacts = value.contacts.iter().filter_map(|c| WaContact::deserialize(c).ok());
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        let found = contacts.find(|c| same(&c.user_id, &user_id) || same(&c.wa_id, &wa_id)).unwrap_or_default();
        Some(Self {
            wa_id: wa_id.or(found.wa_id),
            user_id: user_id.or(found.user_id),
            name: found.profile.name.trim().to_owned(),
        })
    }

    /// The id that names the person: the user id, which outlives a missing phone, else the phone.
    pub(super) fn id(&self) -> &str {
        self.user_id.as_deref().or(self.wa_id.as_deref()).unwrap_or_default()
    }

    /// Key under which the order of a chat is kept.
    pub(super) fn key(&self) -> String {
        format!("chat:{}", self.id())
    }

    /// The person in the hub's words. A WhatsApp name is one text and is not taken apart.
    pub(super) fn contact(&self) -> Contact {
        Contact {
            name: self.name.clone(),
            phone: self.wa_id.as_deref().and_then(|digits| e164(digits).parse().ok()),
            ..Contact::default()
        }
    }
}

/// WhatsApp writes phones as digits, the hub with a plus.
pub(super) fn e164(digits: &str) -> String {
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() { digits } else { format!("+{digits}") }
}
