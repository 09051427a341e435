//! A message of a person becomes `message.received` (contract, section 7.3).
//!
//! A tap on a template's quick reply and a tap on an interactive button or list row are the same
//! to a flow: kind `button`, with `payload`. A filled-in Flow form is kind `form`, with its JSON
//! text as `payload`; a place has `geo:lat,lon` there, a cart its JSON. A type that Meta adds
//! later comes through under its own name.
//!
//! `system` messages (`user_changed_number`, `user_changed_user_id`, `customer_identity_changed`)
//! are ignored by name: no canonical fact fits, since they change how a person is reached and
//! not a person that the hub holds under an id of WhatsApp's.

use super::payload;
use super::people::{Person, e164};
use crate::whatsapp::wire::{MessagesValue, id_text, moment};
use pasarela_connector::{Fact, Item};
use pasarela_domain::model::Message;
use serde_json::Value;

/// What a message holds, whichever type it has.
#[derive(Default)]
struct Content {
    kind: String,
    text: Option<String>,
    payload: Option<String>,
    reply_to: Option<String>,
    media_id: Option<String>,
    error_code: Option<String>,
    error: Option<String>,
}

/// Translates one of `messages[]`.
pub(super) fn translate(message: &Value, value: &MessagesValue) -> Item {
    let kind = text(message, "/type").unwrap_or_default();
    let unread = |why: &str| Item::Unread { kind: format!("message {kind}"), why: why.to_owned() };
    let Some(id) = text(message, "/id") else {
        return unread("it has no id");
    };
    if kind.is_empty() {
        return unread("it has no type");
    }
    if kind == "system" {
        let what = text(message, "/system/type").unwrap_or_default();
        return Item::Ignored { kind: format!("system.{what}") };
    }
    let (from, from_user) = (text(message, "/from"), text(message, "/from_user_id"));
    let Some(person) = Person::find(value, from.as_deref(), from_user.as_deref()) else {
        return unread("neither from nor from_user_id says who wrote it");
    };
    let content = match content(&kind, message) {
        Ok(content) => content,
        Err(missing) => return unread(&format!("{missing} is missing or has another form")),
    };
    let data = Message {
        id: id.clone(),
        channel: "whatsapp".to_owned(),
        sender: e164(&value.metadata.display_phone_number),
        contact: person.contact(),
        channel_user_id: person.user_id.clone(),
        kind: content.kind,
        text: content.text,
        payload: content.payload,
        reply_to: content.reply_to.or_else(|| text(message, "/context/id")),
        media_id: content.media_id,
        error_code: content.error_code,
        error: content.error,
    };
    let at = message.get("timestamp").and_then(moment);
    Fact::once("message.received", person.key(), id, "", payload(&data)).at(at).into()
}

/// Reads what the type promises; the error is the path that is not there.
fn content(kind: &str, message: &Value) -> Result<Content, String> {
    let need = |path: &str| text(message, path).ok_or_else(|| path.to_owned());
    let plain = Content { kind: kind.to_owned(), ..Content::default() };
    Ok(match kind {
        "text" => Content { text: Some(need("/text/body")?), ..plain },
        "image" | "video" | "audio" | "document" | "sticker" => {
            let field = |name: &str| format!("/{kind}/{name}");
            Content {
                media_id: Some(need(&field("id"))?),
                text: text(message, &field("caption")).or_else(|| text(message, &field("filename"))),
                ..plain
            }
        }
        "location" => {
            let degrees = |axis: &str| {
                let path = format!("/location/{axis}");
                message.pointer(&path).and_then(Value::as_f64).ok_or(path)
            };
            let (north, east) = (degrees("latitude")?, degrees("longitude")?);
            let words = [text(message, "/location/name"), text(message, "/location/address")];
            let words: Vec<String> = words.into_iter().flatten().collect();
            Content {
                text: (!words.is_empty()).then(|| words.join(", ")),
                payload: Some(format!("geo:{north},{east}")),
                ..plain
            }
        }
        "reaction" => Content {
            // No emoji: the reaction was taken back.
            text: text(message, "/reaction/emoji"),
            reply_to: Some(need("/reaction/message_id")?),
            ..plain
        },
        "button" => Content {
            payload: text(message, "/button/payload").or_else(|| text(message, "/button/text")),
            text: Some(need("/button/text")?),
            ..plain
        },
        "interactive" => interactive(message, plain)?,
        "order" => {
            let order = message.get("order").filter(|o| o.is_object()).ok_or("/order")?;
            Content { text: text(order, "/text"), payload: Some(order.to_string()), ..plain }
        }
        "edit" => Content {
            reply_to: Some(need("/edit/original_message_id")?),
            text: text(message, "/edit/message/text/body"),
            ..plain
        },
        "revoke" => Content { reply_to: Some(need("/revoke/original_message_id")?), ..plain },
        "unsupported" => Content {
            error_code: message.pointer("/errors/0/code").and_then(id_text),
            error: text(message, "/errors/0/error_data/details").or_else(|| text(message, "/errors/0/title")),
            ..plain
        },
        // contacts, request_welcome, and what Meta adds later: who wrote and when is understood.
        _ => plain,
    })
}

fn interactive(message: &Value, plain: Content) -> Result<Content, String> {
    let need = |path: &str| text(message, path).ok_or_else(|| path.to_owned());
    let kind = need("/interactive/type")?;
    Ok(match kind.as_str() {
        "button_reply" | "list_reply" => Content {
            kind: "button".to_owned(),
            payload: Some(need(&format!("/interactive/{kind}/id"))?),
            text: Some(need(&format!("/interactive/{kind}/title"))?),
            ..plain
        },
        "nfm_reply" => Content {
            kind: "form".to_owned(),
            payload: Some(need("/interactive/nfm_reply/response_json")?),
            text: text(message, "/interactive/nfm_reply/body"),
            ..plain
        },
        // call_permission_reply and later ones.
        _ => Content { kind, ..plain },
    })
}

/// A text that is there and not empty.
fn text(value: &Value, path: &str) -> Option<String> {
    value.pointer(path)?.as_str().filter(|t| !t.is_empty()).map(str::to_owned)
}
