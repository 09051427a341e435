//! What flows can ask of mail, as messages, and what a server's reply means.
//!
//! Promise: the same effect gives the same bytes, files included. A message leaves with
//! [`Repeat::Never`]: SMTP knows no key, and two tickets in a mailbox are worse than a question to a person.

mod input;
mod judge;
mod message;
mod templates;
mod words;

pub use input::{Attach, Send, Template};

use super::Account;
use super::wire::{Mailbox, domain_of, message_id};
use pasarela_connector::action::one;
use pasarela_connector::{Answer, Call, Ctx, Outcome, Repeat, Step, mail};
use serde::Deserialize as _;
use serde_json::{Value, json};

/// Name of the action [`Send`].
pub(super) const SEND: &str = "send";

/// First step of an action.
pub(super) fn begin(account: &Account, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
    let input = match one(action, inputs) {
        Ok(input) => input,
        Err(refused) => return *refused,
    };
    if action != SEND {
        return Step::end(Outcome::give_up("unknown_action", format!("smtp has no action '{action}', only '{SEND}'")));
    }
    match prepare(account, input, ctx) {
        Ok(call) => Step::Call(call),
        Err(refusal) => Step::end(refusal.outcome()),
    }
}

/// Last step of an action.
pub(super) fn on(account: &Account, action: &str, inputs: &[Value], answer: &Answer, ctx: &Ctx<'_>) -> Step {
    if action != SEND {
        return Step::all(inputs.len(), &Outcome::give_up("unknown_action", format!("smtp has no action '{action}'")));
    }
    let id = sender(account).map(|from| message_id(ctx.key, domain_of(from.address.as_str())));
    Step::all(inputs.len(), &judge::sent(answer, &id.unwrap_or_default()))
}

fn prepare(account: &Account, input: &Value, ctx: &Ctx<'_>) -> Result<Call, Refusal> {
    let name = || account.config.name.clone();
    let url = account.url.clone().ok_or_else(|| Refusal::NoServer(name()))?;
    let input = Send::deserialize(input).map_err(|e| Refusal::Invalid(e.to_string()))?;
    let read = |field: &str, text: &str| Mailbox::read(text).map_err(|why| Refusal::Invalid(format!("{field}: {why}")));
    let to = read("to", input.to.as_deref().ok_or(Refusal::NoRecipient)?)?;
    let from = match &input.from {
        Some(from) => read("from", from)?,
        None => sender(account).ok_or_else(|| Refusal::NoSender(name()))?,
    };
    let reply_to = input.reply_to.as_ref().or(account.settings.reply_to.as_ref());
    let reply_to = reply_to.map(|text| read("reply_to", text)).transpose()?;
    let bounces = account.settings.bounces.as_deref().map(|text| read("bounces", text)).transpose()?;
    let unsubscribe = input.unsubscribe.as_ref().or(account.settings.unsubscribe.as_ref());
    let unsubscribe = unsubscribe.filter(|_| input.marketing).map(String::as_str);
    if input.marketing && unsubscribe.is_none() {
        return Err(Refusal::NoWayOut(name()));
    }
    // The message-id carries the account's own domain, whoever is named as the sender.
    let own = sender(account).unwrap_or_else(|| from.clone());
    let id = message_id(ctx.key, domain_of(own.address.as_str()));
    let content = templates::content(&input, from.name.as_deref(), unsubscribe)?;
    let envelope_from = bounces.as_ref().unwrap_or(&from).address.as_str().to_owned();
    let letter =
        message::Letter { id: &id, from: &from, to: &to, reply_to: reply_to.as_ref(), unsubscribe, at: ctx.now };
    let bytes = message::build(&letter, content)?;
    let request = mail::send(url, &account.settings.hello(), &envelope_from, to.address.as_str(), bytes);
    Ok(Call { request, state: json!({ "v": 1 }), repeat: Repeat::Never })
}

/// Who writes, unless a flow names another.
fn sender(account: &Account) -> Option<Mailbox> {
    Mailbox::read(account.settings.from.as_deref()?).ok()
}

/// Why a message is not even built.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Invalid(String),
    #[error("`to` is not known: there is nobody to write to")]
    NoRecipient,
    #[error("[connections.{0}] has no base_url: write smtp://HOST:PORT or smtps://HOST:PORT")]
    NoServer(String),
    #[error("[connections.{0}] has no `from`: write who sends, such as Fashionistas <boletas@fashionistas.example>")]
    NoSender(String),
    #[error(
        "the message is advertising and offers no way out of it: set `unsubscribe` on [connections.{0}] or in the step"
    )]
    NoWayOut(String),
}

impl Refusal {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Invalid(_) => Outcome::give_up("invalid_input", self.to_string()),
            Self::NoRecipient => Outcome::give_up("no_recipient", self.to_string()),
            // Settings are mended by a person, and then the message can go.
            Self::NoServer(_) | Self::NoSender(_) | Self::NoWayOut(_) => Outcome::NeedsHuman { why: self.to_string() },
        }
    }
}
