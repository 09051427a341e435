//! A provider's double: pure state, real wire format.

use crate::{Answer, Headers, Request};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// What a double needs to know of the hub's side.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Name of the connection that its webhooks go to.
    pub connection: String,
    /// Base URL under which the double is served, without a trailing slash.
    pub base_url: String,
    /// Key of its webhook signatures.
    pub webhook_secret: String,
    /// Settings of the double, by name; always an object.
    pub settings: Value,
}

/// A provider's double. It keeps state, and no time: the host tells it.
pub trait Simulator: Send {
    /// Answers one call. `request.url` holds path and query only.
    fn handle(&mut self, request: &Request, now: Timestamp) -> SimReply;

    /// Something that a person does at the provider (sell an order, scan a ticket, write a message):
    /// commands are named by each double's docs. An unknown command or wrong argument is an error for people.
    fn act(&mut self, command: &str, args: &Value, now: Timestamp) -> Result<SimReply, String>;

    /// What has arrived, for the oracle: one entry per thing that must exist exactly once.
    fn arrivals(&self) -> Vec<Arrival>;

    /// How it is spoken to.
    fn speaks(&self) -> Speaks {
        Speaks::Http
    }

    /// State for screens: whatever the double wants to show (WhatsApp: chats).
    fn view(&self, what: &str) -> Value {
        let _ = what;
        Value::Null
    }
}

/// How a double is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// By HTTP, under its base URL.
    Http,
    /// By SMTP ([`mail`](crate::mail)): [`Simulator::handle`] is asked with the methods `AUTH` (the header
    /// `authorization`), `MAIL`, `RCPT` and `SEND`, each with the envelope so far, and answers with the reply.
    Smtp,
}

/// A double's answer, and the webhooks that follow.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SimReply {
    /// The answer to the caller (to `act`: what was made, as JSON).
    pub answer: Answer,
    /// Webhooks, each after a delay of business time.
    pub webhooks: Vec<(Duration, OutgoingWebhook)>,
}

impl SimReply {
    /// An answer without webhooks.
    #[must_use]
    pub fn answer(answer: Answer) -> Self {
        Self { answer, webhooks: Vec::new() }
    }
}

/// A webhook, signed by the double.
#[derive(Debug, Clone, PartialEq)]
pub struct OutgoingWebhook {
    /// For people and fault switches: `order.created`.
    pub kind: String,
    /// Headers, signature included.
    pub headers: Headers,
    /// Body, byte for byte.
    pub body: Bytes,
    /// How often the provider tries.
    pub attempts: Attempts,
}

/// How often a provider tries a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempts {
    /// Once, with this time limit (real time), and never again.
    Once {
        /// Time limit.
        timeout: Duration,
    },
    /// Until a 2xx, with growing delays.
    Persistent,
}

/// Something that arrived at a double.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Kind of thing: `person`, `message`.
    pub kind: String,
    /// What makes it the same thing: the hub's key, an e-mail.
    pub identity: String,
    /// How often it happened.
    pub times: u32,
    /// For people: `boleta_confirmada to +57…`.
    pub detail: String,
}
