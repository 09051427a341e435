//! From the provider's words to the hub's: who waits for a place.

use super::super::wire;
use super::{contact, moment};
use pasarela_domain::model::{Contact, WaitlistEntry, WaitlistStatus};
use serde_json::Value;

/// A moment, also one without a mark, which is UTC.
fn utc(text: Option<&str>) -> Option<jiff::Timestamp> {
    moment(text).or_else(|| moment(Some(&format!("{}Z", text?.trim().replace(' ', "T")))))
}

pub(in crate::hi_events) fn waitlist_entry(wire: &wire::WaitlistEntry, show: &wire::Id) -> WaitlistEntry {
    WaitlistEntry {
        id: wire.id.0.clone(),
        show_id: show.0.clone(),
        contact: contact(
            wire.first_name.as_deref(),
            wire.last_name.as_deref(),
            wire.email.as_deref(),
            None,
            wire.locale.as_deref(),
        ),
        status: match wire.status.to_ascii_uppercase().as_str() {
            "WAITING" => WaitlistStatus::Waiting,
            "OFFERED" => WaitlistStatus::Offered,
            "PURCHASED" => WaitlistStatus::Purchased,
            "CANCELLED" => WaitlistStatus::Cancelled,
            "OFFER_EXPIRED" => WaitlistStatus::OfferExpired,
            _ => WaitlistStatus::Other,
        },
        tier_id: wire.product_price_id.as_ref().map(|id| id.0.clone()),
        place: wire.position,
        joined_at: utc(wire.created_at.as_deref()),
        offered_until: utc(wire.offer_expires_at.as_deref()),
        order_id: wire.order_id.as_ref().map(|id| id.0.clone()),
    }
}

/// One that is not listed any more: of whom it was, what is known says.
pub(in crate::hi_events) fn no_waitlist_entry(id: &wire::Id, show: &wire::Id) -> WaitlistEntry {
    WaitlistEntry {
        id: id.0.clone(),
        show_id: show.0.clone(),
        contact: Contact::default(),
        status: WaitlistStatus::Cancelled,
        tier_id: None,
        place: None,
        joined_at: None,
        offered_until: None,
        order_id: None,
    }
}

/// What is known, with the state of what is shown; what came to its end stays so.
pub(in crate::hi_events) fn gone(known: &Value, shown: &Value) -> Value {
    let mut both = known.clone();
    let waits = known.get("status").and_then(Value::as_str).is_some_and(|s| matches!(s, "waiting" | "offered"));
    if waits && let (Some(fields), Some(status)) = (both.as_object_mut(), shown.get("status")) {
        fields.insert("status".into(), status.clone());
        fields.insert("place".into(), Value::Null);
    }
    both
}
