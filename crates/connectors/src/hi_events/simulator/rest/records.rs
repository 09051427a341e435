//! Single orders and attendees: read, edit, pay, cancel, refund (contract sections 2.3 and 2.4).

use super::super::HiEventsSimulator;
use super::super::hooks::Outbox;
use super::{data, error, invalid, not_found};
use jiff::Timestamp;
use pasarela_connector::Answer;
use pasarela_domain::Money;
use serde_json::Value;
use std::time::Duration;

pub(super) fn order(
    sim: &mut HiEventsSimulator,
    method: &str,
    id: u64,
    rest: &[&str],
    body: &Value,
    now: Timestamp,
    out: &mut Outbox,
) -> Answer {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    match (method, rest) {
        ("GET", []) => {}
        ("PUT", []) => {
            let (Some(first), Some(last), Some(email)) = (text("first_name"), text("last_name"), text("email")) else {
                return invalid("email", "The email, first name and last name fields are required.");
            };
            if let Some(order) = sim.state.order_mut(id) {
                (order.first_name, order.last_name, order.email) = (first, last, email);
                order.notes = text("notes");
            }
            sim.tell_order("order.updated", id, now, out);
        }
        ("POST", ["mark-as-paid"]) => {
            if !sim.state.mark_as_paid(id, now) {
                return error(409, "Order is not awaiting offline payment");
            }
            sim.arrive("mark_as_paid", id.to_string(), format!("order {id} marked as paid"));
            sim.tell_order("order.marked_as_paid", id, now, out);
        }
        ("POST", ["cancel"]) => {
            let refund = body.get("refund").and_then(Value::as_bool).unwrap_or(false);
            let whole =
                sim.state.order(id).map(|o| (o, Money::new(o.total.minor - o.refunded.minor, o.total.currency)));
            let refundable = whole.map(|(order, rest)| (rest, sim.state.refundable(order, rest)));
            if refund && let Some((_, Err(why))) = refundable {
                return invalid("refund", why);
            }
            let rest = refundable.map(|(rest, _)| rest);
            if !sim.cancel(id, now, out) {
                return error(409, "Order already cancelled");
            }
            if refund && let Some(rest) = rest {
                sim.refund_soon(id, rest, now, out);
            }
            sim.arrive("cancel_order", id.to_string(), format!("order {id} cancelled"));
        }
        ("POST", ["refund"]) => {
            let Some(order) = sim.state.order(id) else {
                return not_found();
            };
            let amount = body.get("amount").map(Value::to_string).unwrap_or_default();
            let Ok(amount) = Money::from_major_text(&amount, order.total.currency) else {
                return invalid("amount", "The amount must be a number.");
            };
            if let Err(why) = sim.state.refundable(order, amount) {
                return invalid("amount", why);
            }
            if body.get("cancel_order").and_then(Value::as_bool) == Some(true) {
                sim.cancel(id, now, out);
            }
            sim.refund_soon(id, amount, now, out);
            sim.arrive("refund", format!("{id} {}", amount.major_text()), format!("order {id} refunded"));
        }
        ("POST", ["resend_confirmation"]) => {
            sim.arrive("resend_confirmation", id.to_string(), format!("confirmation of order {id}"));
            return Answer { status: 204, ..Answer::default() };
        }
        _ => return not_found(),
    }
    sim.state.order(id).map_or_else(not_found, |o| data(&sim.state.order_read(o)))
}

impl HiEventsSimulator {
    /// Stripe confirms a little later; the webhook then shows the order as it is by that time.
    fn refund_soon(&mut self, order: u64, amount: Money, now: Timestamp, out: &mut Outbox) {
        const DELAY: Duration = Duration::from_secs(2);
        let at = now.checked_add(DELAY).unwrap_or(now);
        let before = out.len();
        let pending = self.state.order(order).map(|o| (o.refunded, o.refund_status));
        self.state.refund(order, amount);
        self.tell_order("order.refunded", order, at, out);
        if let (Some((refunded, status)), Some(order)) = (pending, self.state.order_mut(order)) {
            (order.refunded, order.refund_status) = (refunded, status);
        }
        for (delay, _) in out.iter_mut().skip(before) {
            *delay = delay.saturating_add(DELAY);
        }
        self.state.refund_later(at, order, amount);
    }
}

pub(super) fn attendee(
    sim: &mut HiEventsSimulator,
    method: &str,
    id: u64,
    rest: &[&str],
    body: &Value,
    now: Timestamp,
    out: &mut Outbox,
) -> Answer {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    match (method, rest) {
        ("GET", []) => {}
        ("PUT" | "PATCH", []) => {
            if let Some(ticket) = sim.state.ticket_mut(id) {
                for (field, key) in [
                    (&mut ticket.first_name, "first_name"),
                    (&mut ticket.last_name, "last_name"),
                    (&mut ticket.email, "email"),
                ] {
                    if let Some(value) = text(key) {
                        *field = value;
                    }
                }
                ticket.notes = text("notes").or_else(|| ticket.notes.take());
                ticket.updated_at = now;
            }
            match text("status").as_deref() {
                // Lower case is stored, but skips the webhook.
                Some("CANCELLED") => sim.cancel_ticket(id, now, out),
                Some(status) if status.eq_ignore_ascii_case("CANCELLED") => {
                    sim.state.set_ticket_status(id, "CANCELLED", now)
                }
                Some(status) if status.eq_ignore_ascii_case("ACTIVE") => sim.state.set_ticket_status(id, "ACTIVE", now),
                _ => {}
            }
            // PATCH tells nobody of names and e-mails.
            if method == "PUT" {
                sim.tell_ticket("attendee.updated", id, now, out);
            }
        }
        ("POST", ["resend-ticket"]) => {
            sim.arrive("resend_ticket", id.to_string(), format!("ticket {id} sent again"));
            return Answer { status: 204, ..Answer::default() };
        }
        _ => return not_found(),
    }
    sim.state.ticket(id).map_or_else(not_found, |t| data(&sim.state.attendee_read(t)))
}
