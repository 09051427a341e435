//! Webhooks: is it Meta, and what does it say (contract, section 7)?
//!
//! Promise: every message, status, preference and template change of a signed body becomes one
//! fact; what is of no use is named as ignored; a part that is not understood is kept aside and
//! never spoils the others. What it is not: a judge of consent (that is decided at sending).

mod account;
mod message;
mod people;
mod status;

use super::{auth, wire};
use jiff::Timestamp;
use pasarela_connector::verify::{Gate, Hmac, Scheme};
use pasarela_connector::{
    Answer, ConnectionConfig, Headers, Item, RawRequest, Translation, Trial, Unread, Verdict, query_pairs, sign,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// Header that carries the signature. The older `x-hub-signature` (SHA-1) is never looked at.
pub(super) const SIGNATURE_HEADER: &str = "x-hub-signature-256";

const PREFIX: &str = "sha256=";
/// What all bodies of this product are about.
const OBJECT: &str = "whatsapp_business_account";
const CHALLENGE_MAX: usize = 128;

/// The signature of the raw bytes (section 7.1). The scheme has no time and no nonce; Meta repeats the same
/// bytes for days, and each fact is known again by its own id.
pub(super) fn gate(config: &ConnectionConfig) -> Result<Gate, String> {
    Gate::new(config, Some(Scheme::Hmac(Hmac::hex(SIGNATURE_HEADER).prefixed(PREFIX))), Duration::MAX)
}

/// Answers the challenge of a `GET`; else asks the gate.
pub(super) fn verify(gate: &Gate, config: &ConnectionConfig, request: &RawRequest<'_>, now: Timestamp) -> Verdict {
    match request.method {
        "GET" => Verdict::Reply(challenge(config, request.query)),
        _ => gate.verify(request, now),
    }
}

/// A change of a field that nobody subscribes to.
pub(super) fn trial(config: &ConnectionConfig) -> Option<Trial> {
    let secret = config.webhook_secrets.first()?.expose().as_bytes();
    let change = json!({ "field": "pasarela_trial", "value": {} });
    let entry = json!({ "id": "0", "time": 0, "changes": [change] });
    let body = json!({ "object": OBJECT, "entry": [entry] }).to_string();
    let mut headers = Headers::default();
    headers.set("content-type", "application/json");
    let signature = sign::hmac_sha256_hex(secret, &[body.as_bytes()]);
    headers.set(SIGNATURE_HEADER, format!("{PREFIX}{signature}"));
    Some(Trial { headers, body: body.into() })
}

fn challenge(config: &ConnectionConfig, query: &str) -> Answer {
    let pairs = query_pairs(query);
    let value = |name| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let known = config
        .credentials
        .get(auth::VERIFY_TOKEN)
        .is_some_and(|token| value("hub.verify_token").is_some_and(|t| token.matches(t.as_bytes())));
    let challenge = value("hub.challenge").filter(|c| {
        (1..=CHALLENGE_MAX).contains(&c.len()) && c.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    });
    match challenge {
        Some(challenge) if known && value("hub.mode") == Some("subscribe") => Answer::text(200, challenge),
        _ => Answer::text(403, "the verify token does not match the connection's verify_token"),
    }
}

/// Takes the facts out of a body: all entries, all changes, all their parts (section 7.2).
pub(super) fn translate(body: &[u8]) -> Result<Translation, Unread> {
    let envelope: wire::Envelope = serde_json::from_slice(body)?;
    if envelope.object != OBJECT {
        return Err(Unread(format!(
            "object is '{}', not whatsapp_business_account: is another product of Meta's \
             subscribed to this address?",
            envelope.object.chars().take(40).collect::<String>()
        )));
    }
    let mut items = Vec::new();
    for entry in &envelope.entry {
        let entry: wire::Entry = match read("entry", entry) {
            Ok(entry) => entry,
            Err(unread) => {
                items.push(unread);
                continue;
            }
        };
        for change in &entry.changes {
            match read::<wire::Change>("change", change) {
                Ok(change) => translate_change(&change, &entry, &mut items),
                Err(unread) => items.push(unread),
            }
        }
    }
    Ok(Translation { items })
}

fn translate_change(change: &wire::Change, entry: &wire::Entry, items: &mut Vec<Item>) {
    match change.field.as_str() {
        "messages" => match read::<wire::MessagesValue>("messages", &change.value) {
            Ok(value) => translate_messages(&value, items),
            Err(unread) => items.push(unread),
        },
        "user_preferences" => match read::<wire::MessagesValue>("user_preferences", &change.value) {
            Ok(value) => account::preferences(&value, &entry.time, items),
            Err(unread) => items.push(unread),
        },
        "message_template_status_update" => {
            items.push(account::template_status(&change.value, &entry.time));
        }
        // Quality, categories, limits, account news, and fields that Meta adds later: stored with
        // the delivery and answered 200, of no use to a flow.
        field => items.push(Item::Ignored { kind: field.chars().take(80).collect() }),
    }
}

fn translate_messages(value: &wire::MessagesValue, items: &mut Vec<Item>) {
    let before = items.len();
    for message in &value.messages {
        items.push(message::translate(message, value));
    }
    for status in &value.statuses {
        status::translate(status, value, items);
    }
    if !value.errors.is_empty() {
        // About the account or number, not about a message: it is told again by the next answer.
        items.push(Item::Ignored { kind: "errors".to_owned() });
    }
    if items.len() == before {
        items.push(Item::Unread {
            kind: "messages".to_owned(),
            why: "neither messages, statuses nor errors in it".to_owned(),
        });
    }
}

/// Reads one part; an error names the part and becomes an item of its own.
fn read<T: DeserializeOwned>(kind: &str, value: &Value) -> Result<T, Item> {
    T::deserialize(value).map_err(|e| Item::Unread { kind: kind.to_owned(), why: e.to_string() })
}

/// A canonical payload as JSON. Our own types always serialise.
fn payload<T: Serialize>(data: &T) -> Value {
    serde_json::to_value(data).unwrap_or_default()
}
