//! The public check-in API (contract section 2.6): no login, the list's short id is the secret.

use super::super::HiEventsSimulator;
use super::super::Setting;
use super::super::hooks::Outbox;
use super::super::lists::Query;
use super::super::php;
use super::{data, error, not_found};
use jiff::Timestamp;
use pasarela_connector::Answer;
use serde_json::{Map, Value, json};

#[expect(clippy::too_many_arguments, reason = "a route needs all of a request")]
pub(super) fn route(
    sim: &mut HiEventsSimulator,
    method: &str,
    list: &str,
    rest: &[&str],
    query: &Query,
    body: &Value,
    now: Timestamp,
    out: &mut Outbox,
) -> Answer {
    let url = format!("{}/public/check-in-lists/{list}/attendees", sim.config.base_url);
    let Some(list) = sim.state.list_by_short(list) else {
        return not_found();
    };
    let closed = list.expires_at.is_some_and(|at| at <= now);
    let id = list.id;
    match (method, rest) {
        ("GET", []) => data(&sim.state.check_in_list(list, now)),
        ("GET", ["attendees", ..]) if closed => error(403, "Check-in list has expired"),
        ("GET", ["attendees"]) => {
            let wanted = query.get("query").unwrap_or_default().to_lowercase();
            let state = &sim.state;
            let rows = state.tickets.iter().filter(|t| list.products.contains(&t.product)).filter(|t| {
                let text = format!("{} {} {} {}", t.first_name, t.last_name, t.email, t.public_id).to_lowercase();
                text.contains(&wanted)
            });
            let rows = rows.map(|t| state.public_attendee(t, Some(id))).collect();
            php::answer(200, &query.paged(rows, &url, true))
        }
        // Null out of a method that promises an attendee: an error of the server, not a 404.
        ("GET", ["attendees", code]) => match sim.state.ticket_by_code(code) {
            Some(ticket) => data(&sim.state.public_attendee(ticket, None)),
            None => error(500, "Server Error"),
        },
        ("POST", ["check-ins"]) if closed => error(409, "Check-in list has expired"),
        ("POST", ["check-ins"]) => create(sim, id, body, now, out),
        ("DELETE", ["check-ins", short]) => {
            let found = sim.state.scans.iter().find(|s| s.short_id == *short && s.list == id && !s.undone);
            match found.map(|s| s.id) {
                Some(scan) => {
                    sim.undo_scan(scan, now, out);
                    Answer { status: 204, ..Answer::default() }
                }
                None => error(409, "This attendee is not checked in"),
            }
        }
        _ => not_found(),
    }
}

fn create(sim: &mut HiEventsSimulator, list: u64, body: &Value, now: Timestamp, out: &mut Outbox) -> Answer {
    let asked: Vec<(String, String)> = body
        .get("attendees")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|a| {
            let text = |key: &str| a.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            (text("public_id"), text("action"))
        })
        .collect();
    if asked.is_empty() {
        return super::invalid("attendees", "The attendees field is required.");
    }
    // One unknown code refuses all.
    if let Some((unknown, _)) = asked.iter().find(|(code, _)| sim.state.ticket_by_code(code).is_none()) {
        return error(409, &format!("Invalid attendee code detected: {unknown} "));
    }
    let unpaid_may_enter = sim.config.setting_bool("offline_check_in") == Some(true);
    let (mut records, mut errors) = (Vec::new(), Map::new());
    for (code, action) in asked {
        let Some(ticket) = sim.state.ticket_by_code(&code) else {
            continue;
        };
        let (id, order, name) = (ticket.id, ticket.order, format!("{} {}", ticket.first_name, ticket.last_name));
        let on_list = sim.state.lists.iter().any(|l| l.id == list && l.products.contains(&ticket.product));
        if !on_list {
            // Earlier ones of the batch are stored by now.
            return error(409, &format!("Attendee {name} is not allowed to check in using this list"));
        }
        let status = ticket.status;
        match status {
            "CANCELLED" => {
                errors.insert(code, json!(format!("Attendee {name}'s ticket is cancelled")));
                continue;
            }
            "AWAITING_PAYMENT" if !unpaid_may_enter => {
                errors
                    .insert(code, json!(format!("Unable to check in as attendee {name}'s order is awaiting payment")));
                continue;
            }
            "AWAITING_PAYMENT" if action == "check-in-and-mark-order-as-paid" && sim.state.mark_as_paid(order, now) => {
                sim.arrive("mark_as_paid", order.to_string(), format!("order {order} marked as paid at the door"));
                sim.tell_order("order.marked_as_paid", order, now, out);
            }
            _ => {}
        }
        let (scan, duplicate) = sim.state.scan(id, list, now);
        if duplicate {
            errors.insert(code, json!(format!("Attendee {name} is already checked in")));
        }
        // Told again for a repeated scan.
        sim.tell_scan("checkin.created", scan, now, out);
        records.extend(sim.state.scans.iter().find(|s| s.id == scan).map(|s| sim.state.public_scan(s)));
    }
    let mut answer = json!({ "data": records });
    if !errors.is_empty()
        && let Some(object) = answer.as_object_mut()
    {
        object.insert("errors".into(), Value::Object(errors));
    }
    php::answer(200, &answer)
}
