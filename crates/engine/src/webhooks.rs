//! Webhooks to the platform's own services: events as they are written, by the Standard Webhooks rules.
//!
//! Each endpoint reads the event log, below the watermark, from a place of its own (`feed.rs`). What it takes become
//! effects of a connection of its own, in the transaction that moves the place on; from there on they are effects
//! like all others: in the order of each key, tried again with patience, held back while it is paused.
//!
//! Promise: every event that an endpoint asks for is sent until it is answered with 2xx, or is a dead letter that a
//! person can send again; those of one key in their order; a kill, a pause, a change of node lose nothing. The same
//! event carries the same `webhook-id` however often it is sent. What is sent is made of the event right before it
//! leaves and kept nowhere, so that nothing is sent of an event that was erased meanwhile. While an endpoint is
//! paused its events stay in the log and pile up nowhere else.
//!
//! What it costs those who do not use it: nothing. A decision writes no row for it.

mod endpoint;
mod feed;
mod manage;
mod send;
mod view;

pub use endpoint::DELIVER as WEBHOOK_ACTION;
pub(crate) use endpoint::Endpoint;
pub use manage::{NewWebhook, WebhookChange};
pub(crate) use send::Notice;
pub use send::{SecretError, TestOutcome, check_secret, signing_secret};
pub use view::{SecretView, Webhook, WebhookState};

use crate::abroad::Transfer;
use crate::connections::ConnectionRuntime;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use pasarela_store::Error;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::Notify;

/// Kind of the records that hold endpoints.
const WEBHOOK: &str = "webhook";
/// Kind of the read models that hold their places.
const PLACE: &str = "webhook_place";
/// What the names of their connections begin with: no configured connection's does.
const PREFIX: &str = "webhook:";
/// Is this the name of an endpoint's connection?
#[must_use]
pub fn is_webhook(connection: &str) -> bool {
    connection.starts_with(PREFIX)
}

/// By whom an endpoint is paused that answered nothing well for too long.
pub const BY_THE_HUB: &str = "pasarela";
/// Endpoints of a hub.
const MOST: usize = 100;

/// Why nothing was done with an endpoint.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WebhookError {
    /// Something in it is wrong or missing: what, and what to write.
    #[error("{0}")]
    Invalid(String),
    /// There is none of that id.
    #[error("there is no webhook '{0}'")]
    NotFound(String),
    /// Another change came first.
    #[error("the webhook was changed meanwhile; read it again and decide again")]
    Stale,
    /// It is not in a state in which this makes sense.
    #[error("{0}")]
    Conflict(String),
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Endpoints of this hub, by the rows of their connections.
#[derive(Default)]
pub(crate) struct Desk {
    all: ArcSwap<HashMap<i64, Arc<ConnectionRuntime>>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
    /// Woken when an event was written.
    news: Notify,
    /// May they lie on this machine and its network, and speak plain HTTP?
    pub(crate) allow_private: bool,
}

impl Desk {
    pub(crate) fn new(allow_private: bool) -> Self {
        Self { allow_private, ..Self::default() }
    }

    pub(crate) fn by_id(&self, id: i64) -> Option<Arc<ConnectionRuntime>> {
        self.all.load().get(&id).cloned()
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<ConnectionRuntime>> {
        name.starts_with(PREFIX).then(|| self.connections().into_iter().find(|c| c.name() == name)).flatten()
    }

    pub(crate) fn connections(&self) -> Vec<Arc<ConnectionRuntime>> {
        self.all.load().values().cloned().collect()
    }

    /// An event was written.
    pub(crate) fn tell(&self) {
        self.news.notify_waiters();
    }
}

/// An endpoint as it is kept: sealed, secrets included.
#[derive(Clone, Serialize, Deserialize)]
struct Doc {
    id: String,
    url: String,
    #[serde(default)]
    description: Option<String>,
    /// `order.paid`, `order.*`, `*`.
    types: Vec<String>,
    #[serde(default)]
    brand: Option<String>,
    /// Headers that go with each request.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The newest first.
    secrets: Vec<KeptSecret>,
    give_up_after_hours: u32,
    pause_after_hours: u32,
    #[serde(default)]
    country: Option<String>,
    #[serde(default)]
    transfer: Option<Transfer>,
    created_at: Timestamp,
    created_by: String,
    changed_at: Timestamp,
    changed_by: String,
    /// It is being removed: what was queued is withdrawn, then it goes.
    #[serde(default)]
    leaving: bool,
}

/// A secret of an endpoint.
#[derive(Clone, Serialize, Deserialize)]
struct KeptSecret {
    id: String,
    secret: String,
    created_at: Timestamp,
    /// It signs until then.
    #[serde(default)]
    ends_at: Option<Timestamp>,
}

impl KeptSecret {
    fn signs(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| end > now)
    }
}

/// An endpoint with the version of its record.
struct Terms {
    doc: Doc,
    version: i64,
}

impl Doc {
    fn connection(&self) -> String {
        format!("{PREFIX}{}", self.id)
    }

    /// Does it ask for events of this type?
    fn wants(&self, event_type: &str) -> bool {
        self.types.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(head) => event_type.starts_with(head),
            None => pattern == event_type,
        })
    }
}

/// Where an endpoint's reading of the log stands, and how it fares: as the node that serves it last wrote.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Place {
    /// Events up to this id have been taken.
    after: i64,
    /// Since when nothing was answered well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failing_since: Option<Timestamp>,
    /// When something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    well_at: Option<Timestamp>,
    /// The last trouble, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_all_that_follows() {
        let doc = |types: &[&str]| Doc {
            id: "w".into(),
            url: String::new(),
            description: None,
            types: types.iter().map(|t| (*t).to_owned()).collect(),
            brand: None,
            headers: BTreeMap::new(),
            secrets: Vec::new(),
            give_up_after_hours: 1,
            pause_after_hours: 1,
            country: None,
            transfer: None,
            created_at: Timestamp::UNIX_EPOCH,
            created_by: String::new(),
            changed_at: Timestamp::UNIX_EPOCH,
            changed_by: String::new(),
            leaving: false,
        };
        assert!(doc(&["*"]).wants("order.paid"));
        assert!(doc(&["order.*", "x.y"]).wants("order.paid") && doc(&["order.*", "x.y"]).wants("x.y"));
        assert!(!doc(&["order.*"]).wants("orders.paid") && !doc(&["order.paid"]).wants("order.paid_late"));
    }
}
