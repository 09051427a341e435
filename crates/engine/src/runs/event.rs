//! The event that a run is about, frozen: as flows see it, and as its row keeps it.

use jiff::Timestamp;
use pasarela_domain::{DeliveryId, EntityRef, EventId};
use pasarela_store::EventRow;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The event that a run is about, frozen.
#[derive(Debug)]
pub(crate) struct EventScope {
    pub(crate) id: EventId,
    pub(crate) event_type: String,
    pub(crate) connection: i64,
    pub(crate) connection_name: String,
    pub(crate) key: String,
    pub(crate) occurred_at: Timestamp,
    pub(crate) received_at: Timestamp,
    pub(crate) delivery: DeliveryId,
    pub(crate) data: Value,
    pub(crate) refs: Vec<EntityRef>,
    /// The envelope without its data, as flows see it under `event`.
    pub(crate) envelope: Value,
}

/// Sealed part of an event row.
#[derive(Serialize, Deserialize)]
pub(crate) struct EventBody<'a> {
    #[serde(borrow)]
    pub(crate) key: std::borrow::Cow<'a, str>,
    pub(crate) data: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) refs: Vec<EntityRef>,
}

/// The same, for writing without a copy of the data.
#[derive(Serialize)]
struct EventBodyRef<'a> {
    key: &'a str,
    data: &'a Value,
    #[serde(skip_serializing_if = "<[EntityRef]>::is_empty")]
    refs: &'a [EntityRef],
}

impl EventScope {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        id: EventId,
        event_type: String,
        connection: (i64, &str),
        key: String,
        occurred_at: Timestamp,
        received_at: Timestamp,
        delivery: DeliveryId,
        data: Value,
        refs: Vec<EntityRef>,
    ) -> Self {
        let envelope = json!({
            "id": id, "type": event_type, "connection": connection.1, "key": key,
            "occurred_at": occurred_at, "received_at": received_at, "delivery_id": delivery,
        });
        Self {
            id,
            event_type,
            connection: connection.0,
            connection_name: connection.1.to_owned(),
            key,
            occurred_at,
            received_at,
            delivery,
            data,
            refs,
            envelope,
        }
    }

    pub(crate) fn from_row(row: &EventRow, connection_name: &str) -> Result<Self, serde_json::Error> {
        let body: EventBody<'_> = serde_json::from_slice(&row.body)?;
        Ok(Self::new(
            row.id,
            row.event_type.clone(),
            (row.connection, connection_name),
            body.key.into_owned(),
            row.occurred_at,
            row.received_at,
            row.delivery,
            body.data,
            body.refs,
        ))
    }

    pub(crate) fn body_json(&self) -> Vec<u8> {
        serde_json::to_vec(&EventBodyRef { key: &self.key, data: &self.data, refs: &self.refs }).unwrap_or_default()
    }

    pub(crate) fn to_envelope(&self) -> pasarela_domain::Envelope {
        pasarela_domain::Envelope {
            id: self.id,
            event_type: self.event_type.clone(),
            connection: self.connection_name.clone(),
            key: self.key.clone(),
            occurred_at: self.occurred_at,
            received_at: self.received_at,
            delivery_id: self.delivery,
            data: self.data.clone(),
        }
    }
}
