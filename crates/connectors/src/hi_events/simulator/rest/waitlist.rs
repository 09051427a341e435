//! Waitlists (contract section 2.5): listed, counted, offered in the order in which people came, taken off.

use super::super::lists::{Listing, Query};
use super::super::resources::datetime;
use super::super::state::{State, Waiting};
use super::super::{HiEventsSimulator, php};
use super::{data, error, invalid, not_found};
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::Answer;
use serde_json::{Value, json};

/// How long an offer stands.
const OFFER: SignedDuration = SignedDuration::from_hours(24);

#[expect(clippy::too_many_arguments, reason = "a route needs all of a request")]
pub(super) fn route(
    sim: &mut HiEventsSimulator,
    method: &str,
    show: u64,
    rest: &[&str],
    query: &Query,
    url: &str,
    body: &Value,
    now: Timestamp,
) -> Answer {
    match (method, rest) {
        ("GET", []) => {
            let rows = sim.state.waitlist.iter().filter(|w| w.show == show).map(|w| row(&sim.state, w)).collect();
            match query.select(rows, &Listing::KEPT) {
                Some(rows) => php::answer(200, &query.paged(rows, url, false)),
                None => error(500, "Server Error"),
            }
        }
        ("GET", ["stats"]) => {
            let count =
                |status: &str| sim.state.waitlist.iter().filter(|w| w.show == show && w.status == status).count();
            data(&json!({
                "total": sim.state.waitlist.iter().filter(|w| w.show == show).count(), "waiting": count("WAITING"),
                "offered": count("OFFERED"), "purchased": count("PURCHASED"), "cancelled": count("CANCELLED"),
                "expired": count("OFFER_EXPIRED"),
            }))
        }
        ("POST", ["offer-next"]) => offer(sim, show, body, now),
        ("DELETE", [id]) => {
            let wanted: Option<u64> = id.parse().ok();
            let found = sim.state.waitlist.iter_mut().find(|w| w.show == show && Some(w.id) == wanted);
            match found {
                Some(entry) if entry.status != "PURCHASED" => {
                    (entry.status, entry.updated_at) = ("CANCELLED", now);
                    let id = entry.id;
                    sim.arrive("waitlist_removal", id.to_string(), format!("entry {id} taken off the waitlist"));
                    Answer { status: 204, ..Answer::default() }
                }
                Some(_) => error(409, "This entry has been purchased"),
                None => not_found(),
            }
        }
        _ => not_found(),
    }
}

fn offer(sim: &mut HiEventsSimulator, show: u64, body: &Value, now: Timestamp) -> Answer {
    let number = |key: &str| body.get(key).and_then(Value::as_u64);
    let quantity = number("quantity").unwrap_or(1);
    if !(1..=50).contains(&quantity) {
        return invalid("quantity", "The quantity must be between 1 and 50.");
    }
    let may = |w: &&mut Waiting| match (number("entry_id"), number("product_price_id")) {
        (Some(id), _) => w.id == id && matches!(w.status, "WAITING" | "OFFER_EXPIRED"),
        (None, Some(tier)) => w.tier == tier && w.status == "WAITING",
        (None, None) => false,
    };
    if number("entry_id").or(number("product_price_id")).is_none() {
        return invalid("product_price_id", "The product price id field is required when entry id is not present.");
    }
    let mut made = Vec::new();
    let next = sim.state.waitlist.iter_mut().filter(|w| w.show == show).filter(may);
    for entry in next.take(usize::try_from(quantity).unwrap_or(1)) {
        (entry.status, entry.offered_at, entry.updated_at) = ("OFFERED", Some(now), now);
        entry.expires_at = now.checked_add(OFFER).ok();
        made.push(entry.id);
    }
    if made.is_empty() {
        return error(409, "There is nobody to offer a place to");
    }
    for id in &made {
        sim.arrive("waitlist_offer", id.to_string(), format!("a place was offered to entry {id}"));
    }
    let state = &sim.state;
    let rows: Vec<Value> = state.waitlist.iter().filter(|w| made.contains(&w.id)).map(|w| row(state, w)).collect();
    php::answer(200, &json!({ "data": rows }))
}

fn row(state: &State, w: &Waiting) -> Value {
    let before = |other: &&Waiting| other.tier == w.tier && other.status == "WAITING" && other.id < w.id;
    let place = (w.status == "WAITING").then(|| state.waitlist.iter().filter(before).count() + 1);
    json!({
        "id": w.id, "event_id": w.show, "product_price_id": w.tier, "email": w.email, "first_name": w.first_name,
        "last_name": w.last_name, "status": w.status, "position": place, "locale": w.locale,
        "offered_at": w.offered_at.map(datetime), "offer_expires_at": w.expires_at.map(datetime),
        "order_id": w.order, "created_at": datetime(w.created_at), "updated_at": datetime(w.updated_at),
    })
}
