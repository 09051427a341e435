//! The double's webhooks: who gets what, signed over exact bytes (contract sections 1.2 to 1.4).

use super::{HiEventsSimulator, php, resources::datetime};
use jiff::Timestamp;
use pasarela_connector::{Attempts, Headers, OutgoingWebhook, sign};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// Every type of section 1.1.
pub(super) const EVENT_TYPES: [&str; 16] = [
    "order.created",
    "order.updated",
    "order.marked_as_paid",
    "order.refunded",
    "order.cancelled",
    "attendee.created",
    "attendee.updated",
    "attendee.cancelled",
    "checkin.created",
    "checkin.deleted",
    "product.created",
    "product.updated",
    "product.deleted",
    "event.created",
    "event.updated",
    "event.archived",
];

/// Webhooks to be sent, each after a delay.
pub(super) type Outbox = Vec<(Duration, OutgoingWebhook)>;

/// The calls of one cause go out one after another.
const SPACING: Duration = Duration::from_millis(10);
/// Logs kept per webhook.
const LOGS: usize = 20;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Level {
    Organizer,
    Show(u64),
}

pub(super) struct Hook {
    pub(super) id: u64,
    pub(super) level: Level,
    pub(super) url: String,
    pub(super) event_types: Vec<String>,
    pub(super) status: &'static str,
    secret: String,
    last_triggered_at: Option<Timestamp>,
    /// Newest first.
    pub(super) logs: VecDeque<Value>,
}

impl Hook {
    /// Its newest logs say that they were answered so.
    pub(super) fn answered(&mut self, code: u16, last: usize) {
        for log in self.logs.iter_mut().take(last).filter_map(Value::as_object_mut) {
            log.insert("response_code".into(), json!(code));
        }
    }

    pub(super) fn resource(&self, with_secret: bool) -> Value {
        let mut value = json!({
            "id": self.id, "url": self.url, "event_types": self.event_types, "status": self.status,
            "last_triggered_at": self.last_triggered_at.map(datetime), "last_response_body": null,
            "last_response_code": self.last_triggered_at.map(|_| 200),
        });
        if with_secret && let Some(object) = value.as_object_mut() {
            object.insert("secret".into(), json!(self.secret));
        }
        value
    }
}

impl HiEventsSimulator {
    pub(super) fn add_hook(
        &mut self,
        level: Level,
        url: String,
        event_types: Vec<String>,
        status: &'static str,
        secret: String,
    ) -> u64 {
        let id = self.hooks.last().map_or(15, |h| h.id + 1);
        let logs = VecDeque::new();
        self.hooks.push(Hook { id, level, url, event_types, status, secret, last_triggered_at: None, logs });
        id
    }

    /// Tells everyone who asked. Overlapping webhooks tell it twice, each with its own secret.
    pub(super) fn tell(&mut self, event_type: &str, show: u64, payload: &Value, now: Timestamp, out: &mut Outbox) {
        let sent_at = now.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
        let body = php::encode(&json!({ "event_type": event_type, "event_sent_at": sent_at, "payload": payload }));
        for hook in &mut self.hooks {
            let meant = match hook.level {
                Level::Organizer => true,
                // A show that is being made has no webhooks yet.
                Level::Show(id) => id == show && event_type != "event.created",
            };
            if !meant || hook.status != "ENABLED" || !hook.event_types.iter().any(|t| t == event_type) {
                continue;
            }
            let mut headers = Headers::default();
            headers.set("content-type", "application/json");
            headers.set("x-webhook-source", "Hi.Events");
            headers.set("signature", sign::hmac_sha256_hex(hook.secret.as_bytes(), &[&body]));
            headers.set("user-agent", "GuzzleHttp/7");
            let delay = SPACING.saturating_mul(u32::try_from(out.len()).unwrap_or(u32::MAX));
            out.push((
                delay,
                OutgoingWebhook {
                    kind: event_type.to_owned(),
                    headers,
                    body: body.clone().into(),
                    attempts: Attempts::Once { timeout: Duration::from_secs(3) },
                },
            ));
            hook.last_triggered_at = Some(now);
            let id = hook.logs.front().and_then(|l| l.get("id")?.as_u64()).map_or(hook.id * 1_000, |id| id + 1);
            hook.logs.push_front(json!({
                "id": id, "webhook_id": hook.id, "payload": String::from_utf8_lossy(&body), "response_body": null,
                "response_code": 200, "created_at": datetime(now),
                "event_type": event_type.replace('.', "_").to_uppercase(),
            }));
            hook.logs.truncate(LOGS);
        }
    }

    pub(super) fn tell_order(&mut self, event_type: &str, order: u64, now: Timestamp, out: &mut Outbox) {
        if let Some(order) = self.state.order(order) {
            let (show, payload) = (order.show, self.state.order_webhook(order));
            self.tell(event_type, show, &payload, now, out);
        }
    }

    pub(super) fn tell_ticket(&mut self, event_type: &str, ticket: u64, now: Timestamp, out: &mut Outbox) {
        if let Some(ticket) = self.state.ticket(ticket) {
            let (show, payload) = (ticket.show, self.state.attendee_webhook(ticket));
            self.tell(event_type, show, &payload, now, out);
        }
    }

    pub(super) fn tell_scan(&mut self, event_type: &str, scan: u64, now: Timestamp, out: &mut Outbox) {
        let Some(scan) = self.state.scans.iter().find(|s| s.id == scan) else {
            return;
        };
        let show = self.state.ticket(scan.ticket).map_or(0, |t| t.show);
        if let Some(payload) = self.state.scan_webhook(scan) {
            self.tell(event_type, show, &payload, now, out);
        }
    }

    pub(super) fn tell_show(&mut self, event_type: &str, show: u64, now: Timestamp, out: &mut Outbox) {
        if let Some(found) = self.state.show(show) {
            let payload = self.state.event(found, false);
            self.tell(event_type, show, &payload, now, out);
        }
    }

    pub(super) fn tell_product(&mut self, event_type: &str, product: u64, now: Timestamp, out: &mut Outbox) {
        if let Some(found) = self.state.product_by_id(product) {
            let (show, payload) = (found.show, self.state.product(found, true));
            self.tell(event_type, show, &payload, now, out);
        }
    }

    /// An order is cancelled: its tickets first, then itself. `false`: it was cancelled already.
    pub(super) fn cancel(&mut self, order: u64, now: Timestamp, out: &mut Outbox) -> bool {
        let Some(tickets) = self.state.cancel_order(order, now) else {
            return false;
        };
        for ticket in tickets {
            self.tell_ticket("attendee.cancelled", ticket, now, out);
        }
        self.tell_order("order.cancelled", order, now, out);
        true
    }
}
