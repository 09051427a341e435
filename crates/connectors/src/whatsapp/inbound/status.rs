//! News of our own messages (contract, section 7.4): `message.sent|delivered|read|failed`.
//!
//! A status carries the hub's own key and so settles a send whose answer was lost, even when it
//! arrives before the answer. `delivered` may never come: `read` says as much.

use super::people::{Person, e164};
use super::{payload, read};
use crate::whatsapp::effects::explain;
use crate::whatsapp::wire::{GraphError, MessagesValue, Status, moment};
use pasarela_connector::{Correlation, Fact, Item, Settlement, Settles};
use pasarela_domain::model::{Consent, Message};
use serde_json::Value;

/// The person stopped this business's marketing messages.
const STOPPED_MARKETING: u32 = 131_050;

/// Translates one of `statuses[]`.
pub(super) fn translate(status: &Value, value: &MessagesValue, items: &mut Vec<Item>) {
    let status: Status = match read("status", status) {
        Ok(status) => status,
        Err(unread) => return items.push(unread),
    };
    if status.id.is_empty() {
        return items.push(Item::Unread { kind: "status".into(), why: "it has no id".into() });
    }
    let failure = status.errors.first();
    let (event, settlement) = match status.status.as_str() {
        "sent" => ("message.sent", Settlement::Accepted),
        "delivered" => ("message.delivered", Settlement::Delivered),
        // A voice message that was played has been read.
        "read" | "played" => ("message.read", Settlement::Delivered),
        "failed" => ("message.failed", failed(failure)),
        other => {
            return items.push(Item::Ignored { kind: format!("status.{other}") });
        }
    };
    let person = Person::find(value, status.recipient_id.as_deref(), status.recipient_user_id.as_deref());
    let recipient = status
        .recipient_participant_id
        .as_deref()
        .or(status.recipient_id.as_deref())
        .or(status.recipient_user_id.as_deref())
        .unwrap_or_default();
    let (error_code, error) = match &settlement {
        Settlement::Failed { code, why } => (Some(code.clone()), Some(why.clone())),
        _ => (None, None),
    };
    let data = Message {
        id: status.id.clone(),
        channel: "whatsapp".to_owned(),
        sender: e164(&value.metadata.display_phone_number),
        contact: person.as_ref().map(Person::contact).unwrap_or_default(),
        channel_user_id: person.as_ref().and_then(|p| p.user_id.clone()),
        kind: "status".to_owned(),
        text: None,
        payload: None,
        reply_to: None,
        media_id: None,
        error_code,
        error,
    };
    let key = person.as_ref().map_or_else(|| format!("message:{}", status.id), Person::key);
    let short = event.strip_prefix("message.").unwrap_or(event);
    let at = moment(&status.timestamp);
    let mut fact = Fact::once(event, key, &status.id, format!("{short}:{recipient}"), payload(&data)).at(at);
    let our_key = status.biz_opaque_callback_data.clone().map(Correlation::Key);
    let by = our_key.into_iter().chain([Correlation::Reference(status.id.clone())]).collect();
    fact.settles = Some(Settles { by, settlement });
    items.push(fact.into());
    if status.status == "failed"
        && status.errors.iter().any(|e| e.code == Some(STOPPED_MARKETING))
        && let Some(person) = person
    {
        items.push(withdrawn(&person, &status, at));
    }
}

/// Code 131050 is an opt-out that the hub may not have heard of: the person said it inside
/// WhatsApp (contract, sections 8 and 11.7).
fn withdrawn(person: &Person, status: &Status, at: Option<jiff::Timestamp>) -> Item {
    let data = Consent {
        contact: person.contact(),
        channel_user_id: person.user_id.clone(),
        channel: "whatsapp".to_owned(),
        purpose: "marketing".to_owned(),
        record_id: None,
        evidence: None,
    };
    let discriminator = format!("{STOPPED_MARKETING}:{}", status.id);
    Fact::once("consent.withdrawn", person.key(), person.id(), discriminator, payload(&data)).at(at).into()
}

fn failed(error: Option<&GraphError>) -> Settlement {
    let code = error.and_then(|e| e.code);
    let details = error.map(GraphError::details).unwrap_or_default();
    match code {
        Some(code) => Settlement::Failed { code: code.to_string(), why: explain(code, &details) },
        None => Settlement::Failed {
            code: "unknown".to_owned(),
            why: if details.is_empty() { "Meta gave no reason".to_owned() } else { details },
        },
    }
}
