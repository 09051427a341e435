//! Canonical events: what the hub says happened, whichever provider told it.

use crate::{DeliveryId, EventId};
use jiff::Timestamp;
use serde_json::Value;

/// Every canonical event type of design.md 5.3. The `http` provider adds `<connection>.<type>`.
pub const CANONICAL_EVENT_TYPES: &[&str] = &[
    "order.placed",
    "order.paid",
    "order.updated",
    "order.cancelled",
    "order.refunded",
    "ticket.issued",
    "ticket.updated",
    "ticket.cancelled",
    "ticket.checked_in",
    "ticket.check_in_undone",
    "show.published",
    "show.updated",
    "show.archived",
    "product.created",
    "product.updated",
    "product.deleted",
    "payment.succeeded",
    "payment.failed",
    "payment.refunded",
    "payment.disputed",
    "subscription.started",
    "subscription.renewed",
    "subscription.past_due",
    "subscription.cancelled",
    "message.received",
    "message.sent",
    "message.delivered",
    "message.read",
    "message.failed",
    "template.approved",
    "template.rejected",
    "template.paused",
    "consent.given",
    "consent.withdrawn",
    "case.opened",
    "case.incomplete",
    "case.labelled",
    "case.extended",
    "case.decided",
    "case.answered",
    "case.passed_on",
    "case.withdrawn",
    "case.reminder",
    "person.created",
    "person.updated",
    "person.deleted",
    "person.merged",
    "person.link_requested",
    "company.created",
    "company.updated",
    "company.deleted",
    "deal.created",
    "deal.updated",
    "deal.stage_changed",
    "media.uploaded",
    "media.ready",
    "media.moderated",
    "media.deleted",
    "email.delivered",
    "email.opened",
    "email.clicked",
    "email.bounced",
    "email.complained",
    "email.unsubscribed",
    "action.asked",
    "connection.degraded",
    "connection.recovered",
];

/// Is `event_type` one of [`CANONICAL_EVENT_TYPES`]?
#[must_use]
pub fn is_canonical(event_type: &str) -> bool {
    CANONICAL_EVENT_TYPES.contains(&event_type)
}

/// Names a read model: kind (`order`, `show`, `ticket`, `person`, ...) and the provider's id of it.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct EntityRef {
    /// Kind of read model, as flows name it.
    pub kind: String,
    /// The provider's id, as text.
    pub id: String,
}

impl EntityRef {
    /// A reference.
    #[must_use]
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }
}

/// An event as the API shows it (design.md 5.3).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Envelope {
    /// Id of the event.
    pub id: EventId,
    /// Canonical type, or `<connection>.<type>` of the `http` provider.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Name of the connection that told it.
    pub connection: String,
    /// What it is about: order is kept per key.
    pub key: String,
    /// When it happened, by the provider; when it was received, if the provider does not say.
    #[schemars(with = "crate::Moment")]
    pub occurred_at: Timestamp,
    /// When the hub received the delivery.
    #[schemars(with = "crate::Moment")]
    pub received_at: Timestamp,
    /// The delivery it was taken out of.
    pub delivery_id: DeliveryId,
    /// Canonical payload: for canonical types one of [`crate::model`], else the body.
    pub data: Value,
}
