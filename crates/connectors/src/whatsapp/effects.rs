//! What flows can ask of WhatsApp, as requests, and what its answers mean.
//!
//! Promise: a message is sent with [`Repeat::Never`]; its key travels along, so that the status
//! webhook settles an answer that was lost (contract, section 2.2). An answer is judged by Meta's
//! code, never by HTTP status alone.

mod codes;
mod input;
mod judge;
mod template;

pub use input::{Button, Header, Location, MarkRead, Media, Params, SendTemplate, SendText};

pub(super) use codes::explain;

use super::{Account, wire};
use pasarela_connector::action::{self, Refused, invalid, read};
use pasarela_connector::{Answer, Call, Ctx, Outcome, Repeat, Request, Step};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Name of the action [`SendTemplate`].
pub(super) const SEND_TEMPLATE: &str = "send_template";
/// Name of the action [`SendText`].
pub(super) const SEND_TEXT: &str = "send_text";
/// Name of the action [`MarkRead`].
pub(super) const MARK_READ: &str = "mark_read";

/// A status with our key comes within this time, or the message was not taken (section 2.2).
pub(super) const STATUS_ARRIVES_WITHIN: Duration = Duration::from_secs(120);
/// `failed` may follow `sent` hours later (section 7.4).
pub(super) const SEND_SETTLES_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// Version of the state that a call leaves: nothing is needed to go on but the answer.
const STATE_VERSION: u8 = 1;

/// First step of an action.
pub(super) fn begin(account: &Account, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
    let made = |input| action::step(prepare(account, action, input, ctx));
    action::one(action, inputs).map_or_else(|end| *end, made)
}

/// Last step of an action.
pub(super) fn on(action: &str, inputs: &[Value], answer: &Answer, ctx: &Ctx<'_>) -> Step {
    let outcome = match action {
        SEND_TEMPLATE | SEND_TEXT => judge::sent(answer, ctx),
        MARK_READ => judge::marked(answer, ctx),
        _ => *action::unknown("whatsapp", action),
    };
    Step::all(inputs.len(), &outcome)
}

fn prepare(account: &Account, action: &str, input: &Value, ctx: &Ctx<'_>) -> Result<Call, Refused> {
    let Some(number) = account.settings.phone_number_id.as_deref() else {
        return Err(no_number(&account.config.name));
    };
    let (path, body, repeat) = match action {
        SEND_TEMPLATE => {
            let input: SendTemplate = read(input)?;
            let mut body = envelope(&recipient(&input.to, &input.recipient)?);
            body.insert("type".into(), json!("template"));
            body.insert("template".into(), template::build(&input, &account.settings)?);
            reply_to(&mut body, input.reply_to.as_deref());
            body.insert("biz_opaque_callback_data".into(), json!(ctx.key));
            if input.marketing && account.settings.marketing_endpoint {
                body.insert("product_policy".into(), json!("CLOUD_API_FALLBACK"));
                body.insert("message_activity_sharing".into(), json!(false));
                ("marketing_messages", body, Repeat::Never)
            } else {
                ("messages", body, Repeat::Never)
            }
        }
        SEND_TEXT => {
            let input: SendText = read(input)?;
            let text = input.text.trim();
            let length = text.chars().count();
            if length == 0 || length > wire::TEXT_MAX {
                return Err(invalid(format!("text has {length} characters; WhatsApp takes 1 to {}", wire::TEXT_MAX)));
            }
            let mut body = envelope(&recipient(&input.to, &input.recipient)?);
            body.insert("type".into(), json!("text"));
            body.insert("text".into(), json!({ "preview_url": input.preview_url, "body": text }));
            reply_to(&mut body, input.reply_to.as_deref());
            body.insert("biz_opaque_callback_data".into(), json!(ctx.key));
            ("messages", body, Repeat::Never)
        }
        MARK_READ => {
            let input: MarkRead = read(input)?;
            if input.message_id.trim().is_empty() {
                return Err(invalid("message_id is empty"));
            }
            let mut body = Map::new();
            body.insert("messaging_product".into(), json!("whatsapp"));
            body.insert("status".into(), json!("read"));
            body.insert("message_id".into(), json!(input.message_id.trim()));
            if input.typing {
                body.insert("typing_indicator".into(), json!({ "type": "text" }));
            }
            ("messages", body, Repeat::Safe)
        }
        _ => return Err(action::unknown("whatsapp", action)),
    };
    let request = Request::new("POST", account.url(&format!("{number}/{path}")));
    Ok(Call { request: request.json(&Value::Object(body)), state: json!({ "v": STATE_VERSION }), repeat })
}

/// Who gets it, as the body says it.
enum Recipient {
    /// Digits of the phone.
    Phone(String),
    /// Business-scoped user id.
    User(String),
}

/// A phone goes before a user id, as it does at Meta.
fn recipient(to: &Option<String>, recipient: &Option<String>) -> Result<Recipient, Refused> {
    if let Some(to) = to {
        let phone: pasarela_domain::Phone = to.trim().parse().map_err(|e| invalid(format!("to: {e}")))?;
        return Ok(Recipient::Phone(phone.digits().to_owned()));
    }
    match recipient.as_deref().map(str::trim) {
        Some(user) if wire::is_user_id(user) => Ok(Recipient::User(user.to_owned())),
        Some(_) => Err(invalid("recipient is not a WhatsApp user id (two letters, a dot, letters and digits)")),
        None => Err(no_recipient()),
    }
}

fn envelope(recipient: &Recipient) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("messaging_product".into(), json!("whatsapp"));
    body.insert("recipient_type".into(), json!("individual"));
    match recipient {
        Recipient::Phone(digits) => body.insert("to".into(), json!(digits)),
        Recipient::User(id) => body.insert("recipient".into(), json!(id)),
    };
    body
}

fn reply_to(body: &mut Map<String, Value>, message: Option<&str>) {
    if let Some(id) = message.map(str::trim).filter(|id| !id.is_empty()) {
        body.insert("context".into(), json!({ "message_id": id }));
    }
}

/// Settings are mended by a person, and then the message can go.
fn no_number(connection: &str) -> Refused {
    let why = format!("[connections.{connection}] has no phone_number_id: copy it from WhatsApp Manager");
    Box::new(Outcome::NeedsHuman { why })
}

fn no_recipient() -> Refused {
    let why = "neither `to` (a phone) nor `recipient` (a WhatsApp user id) is known";
    Box::new(Outcome::give_up("no_recipient", why))
}
