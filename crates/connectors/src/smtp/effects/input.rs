//! Input of the action, as flows write it under `with:`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Input of `send`: one message to one person. Either a `template`, or `subject` and `text`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Send {
    /// Who gets it: `ana@correo.example`. May be null, and then nothing is sent.
    pub to: Option<String>,
    /// Who writes, in place of the connection's `from`.
    pub from: Option<String>,
    /// Where answers go, in place of the connection's `reply_to`.
    pub reply_to: Option<String>,
    /// A message of our own.
    pub template: Option<Template>,
    /// Subject, without a template.
    #[schemars(length(max = 250))]
    pub subject: Option<String>,
    /// The message as plain text, without a template.
    #[schemars(length(max = 50_000))]
    pub text: Option<String>,
    /// The same as HTML; made of the text when absent.
    #[schemars(length(max = 200_000))]
    pub html: Option<String>,
    /// `es` or `en`; `es` when absent or another.
    pub language: Option<String>,
    /// Values for templates, by name: `note`, a sentence of your own.
    pub vars: Map<String, Value>,
    /// Files to attach, made of the ticket.
    pub attach: Vec<Attach>,
    /// The ticket that it is about: the read model `ticket`.
    pub ticket: Option<Value>,
    /// The show that it is about: the read model `show`.
    pub show: Option<Value>,
    /// The order that it is about, or only its `number`.
    pub order: Option<Value>,
    /// Is it advertising? Then it offers a way out of it.
    pub marketing: bool,
    /// Way out of advertising, in place of the connection's `unsubscribe`.
    pub unsubscribe: Option<String>,
}

/// A message of our own, in Spanish and English.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// The ticket is ready. Needs `ticket` and `show`.
    Boleta,
    /// The show is near. Needs `show`; with a `ticket`, its code.
    Recordatorio,
}

/// A file that is made of the ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attach {
    /// The page to print.
    TicketPdf,
    /// The picture.
    TicketImage,
    /// The entry for a calendar.
    Calendar,
}
