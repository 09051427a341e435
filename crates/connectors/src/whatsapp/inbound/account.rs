//! News of the account (contract, section 7.5): people who stop or resume marketing, and
//! templates that may or may not be sent any more.

use super::people::Person;
use super::{payload, read};
use crate::whatsapp::wire::{MessagesValue, Preference, TemplateStatus, id_text, moment};
use pasarela_connector::{Fact, Item};
use pasarela_domain::model::{Consent, Template};
use serde_json::Value;

/// Translates `user_preferences[]`: what a person chose inside WhatsApp.
pub(super) fn preferences(value: &MessagesValue, time: &Value, items: &mut Vec<Item>) {
    if value.user_preferences.is_empty() {
        items.push(Item::Unread { kind: "user_preferences".to_owned(), why: "no user_preferences in it".to_owned() });
    }
    for preference in &value.user_preferences {
        items.push(match read::<Preference>("user_preferences", preference) {
            Ok(preference) => translate_preference(&preference, value, time),
            Err(unread) => unread,
        });
    }
}

fn translate_preference(preference: &Preference, value: &MessagesValue, time: &Value) -> Item {
    let event = match (preference.category.as_str(), preference.value.as_str()) {
        ("marketing_messages", "stop") => "consent.withdrawn",
        // The person's own act. How far it restores is for the hub's consent record to say.
        ("marketing_messages", "resume") => "consent.given",
        // `signup` is no answer to a question of ours: not a consent that could be proven.
        (category, choice) => {
            return Item::Ignored { kind: format!("user_preferences.{category}.{choice}") };
        }
    };
    let (wa_id, user_id) = (preference.wa_id.as_deref(), preference.user_id.as_deref());
    let Some(person) = Person::find(value, wa_id, user_id) else {
        return Item::Unread {
            kind: "user_preferences".to_owned(),
            why: "neither wa_id nor user_id says whose preference it is".to_owned(),
        };
    };
    // Stop, resume, stop are three choices: without a time the third would pass for the first.
    let when = if moment(&preference.timestamp).is_some() { &preference.timestamp } else { time };
    let Some(stamp) = id_text(when) else {
        return Item::Unread {
            kind: "user_preferences".to_owned(),
            why: "no timestamp tells this choice from an earlier one".to_owned(),
        };
    };
    let data = Consent {
        contact: person.contact(),
        channel_user_id: person.user_id.clone(),
        channel: "whatsapp".to_owned(),
        purpose: "marketing".to_owned(),
        record_id: None,
        evidence: None,
    };
    let entity = format!("{}:{}", value.metadata.phone_number_id, person.id());
    let discriminator = format!("{}:{}:{stamp}", preference.category, preference.value);
    Fact::once(event, person.key(), entity, discriminator, payload(&data)).at(moment(when)).into()
}

/// Translates `message_template_status_update`. Only what changes whether a template may be sent
/// has a canonical event; the other steps of its life (section 5.3) are ignored by name.
pub(super) fn template_status(value: &Value, time: &Value) -> Item {
    let status: TemplateStatus = match read("message_template_status_update", value) {
        Ok(status) => status,
        Err(unread) => return unread,
    };
    let event = match status.event.as_str() {
        "APPROVED" | "REINSTATED" => "template.approved",
        "REJECTED" => "template.rejected",
        "PAUSED" | "DISABLED" => "template.paused",
        other => {
            return Item::Ignored { kind: format!("message_template_status_update.{other}") };
        }
    };
    let Some(id) = id_text(&status.message_template_id) else {
        return Item::Unread {
            kind: "message_template_status_update".to_owned(),
            why: "message_template_id is neither a number nor a text".to_owned(),
        };
    };
    let text = |v: &Value, field: &str| v.get(field).and_then(Value::as_str).map(str::to_owned);
    let reason = text(&status.rejection_info, "reason")
        .or_else(|| text(&status.other_info, "description"))
        .or_else(|| status.reason.clone().filter(|r| r != "NONE"));
    let data = Template {
        id: id.clone(),
        name: status.message_template_name.clone(),
        language: status.message_template_language.clone(),
        reason,
    };
    let discriminator = format!("{}:{}", status.event, id_text(time).unwrap_or_default());
    Fact::once(event, format!("template:{id}"), id, discriminator, payload(&data)).at(moment(time)).into()
}
