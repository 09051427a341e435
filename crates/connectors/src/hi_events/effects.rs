//! What flows can ask of Hi.Events (contract sections 1.7 and 2.2 to 2.6).
//!
//! Promise: nothing is done twice where the provider can be asked. A 409 is never taken at its
//! word: messages are localised, so what it is about is read, and its state decides. Where a whole body is asked for,
//! it is read first, and what is not named stays as it is.
//! Not here: refunds of offline orders (the provider has none).

mod answers;
mod door;
mod kept;
mod messages;
mod orders;
mod shows;
mod tickets;
mod waitlist;
mod webhook;

pub(super) use webhook::registered;

use super::{HiEventsConnector, is_id};
use answers::order_done;
use jiff::Timestamp;
use pasarela_connector::action::{self, Refused, invalid};
use pasarela_connector::{Action, Answer, Idempotency, Lane, Message, Outcome, ReadBack, Request, Step};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Longer than a call lives: what was sent has arrived by then, or never will.
const LOOK_AFTER: Duration = Duration::from_secs(60);

/// Every event type of section 1.1.
pub(super) const EVENT_TYPES: &[&str] = &[
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

pub(super) fn actions() -> Vec<Action> {
    let readable = Idempotency::Readable { after: LOOK_AFTER };
    // It sets a state: sending again changes nothing.
    let state = Idempotency::ClientId;
    let order = json!({ "order_id": "string", "status": "string", "already": "boolean" });
    let ticket = json!({ "ticket_id": "string", "status": "string", "already": "boolean" });
    let kept = json!({ "id": "string", "already": "boolean" });
    let show = json!({ "show_id": "string", "status": "string" });
    vec![
        Action::new::<orders::MarkAsPaid>("mark_as_paid", "Mark an offline order as paid", readable)
            .lane(Lane::Input("/order_id"))
            .output(order.clone())
            .build(),
        Action::new::<orders::CancelOrder>("cancel_order", "Cancel an order", readable)
            .lane(Lane::Input("/order_id"))
            .output(order)
            .build(),
        Action::new::<orders::Refund>("refund", "Refund an order that was paid through Stripe", readable)
            .lane(Lane::Input("/order_id"))
            .output(json!({
                "order_id": "string", "amount": "object", "refunded": "object", "refund_status": "string",
                "already": "boolean",
            }))
            .build(),
        Action::new::<orders::UpdateBuyer>("update_buyer", "Correct an order's buyer", state)
            .lane(Lane::Input("/order_id"))
            .output(json!({ "order_id": "string", "changed": "boolean" }))
            .build(),
        Action::new::<tickets::ResendTicket>("resend_ticket", "Send a ticket by e-mail again", Idempotency::AtMostOnce)
            .lane(Lane::Input("/ticket_id"))
            .message(Message::to_unnamed("email"))
            .output(json!({ "ticket_id": "string" }))
            .build(),
        Action::new::<tickets::UpdateTicketHolder>("update_ticket_holder", "Correct a ticket's holder", state)
            .lane(Lane::Input("/ticket_id"))
            .output(json!({ "ticket_id": "string", "changed": "boolean" }))
            .build(),
        Action::new::<tickets::SetTicket>("cancel_ticket", "Cancel one ticket of an order", readable)
            .lane(Lane::Input("/ticket_id"))
            .output(ticket.clone())
            .build(),
        Action::new::<tickets::SetTicket>("reactivate_ticket", "Put a cancelled ticket back in force", readable)
            .lane(Lane::Input("/ticket_id"))
            .output(ticket)
            .build(),
        // A second scan answers with the first one's record, so sending again changes nothing.
        Action::new::<door::CheckIn>("check_in", "Check a ticket in", state)
            .lane(Lane::Input("/code"))
            .give_up_after(Duration::from_secs(12 * 3600))
            .output(json!({ "check_in_id": "string", "short_id": "string", "at": "string", "duplicate": "boolean" }))
            .build(),
        Action::new::<door::CheckOut>("check_out", "Undo a check-in", state)
            .lane(Lane::Input("/code"))
            .give_up_after(Duration::from_secs(12 * 3600))
            .output(json!({ "code": "string", "already": "boolean" }))
            .build(),
        Action::new::<messages::MessageAttendees>(
            "message_attendees",
            "Write an e-mail to guests of a show",
            Idempotency::AtMostOnce,
        )
        .lane(Lane::Input("/show_id"))
        .message(Message::to_unnamed("email"))
        .output(json!({ "message_id": "string", "status": "string" }))
        .build(),
        Action::new::<shows::CreateShow>("create_show", "Make a show after another one", readable)
            .lane(Lane::Connection)
            .output(json!({
                "show_id": "string", "already": "boolean", "products": "integer", "questions": "integer",
            }))
            .build(),
        Action::new::<shows::SetShow>("publish_show", "Publish a show", state)
            .lane(Lane::Input("/show_id"))
            .output(show.clone())
            .build(),
        Action::new::<shows::SetShow>("archive_show", "Archive a show", state)
            .lane(Lane::Input("/show_id"))
            .output(show)
            .build(),
        Action::new::<kept::CreateQuestion>("create_question", "Make a question of a show", readable)
            .lane(Lane::Input("/show_id"))
            .output(kept.clone())
            .build(),
        Action::new::<kept::SetPromoCode>("set_promo_code", "Make or change a promo code", readable)
            .lane(Lane::Input("/show_id"))
            .output(kept.clone())
            .build(),
        Action::new::<kept::SetCapacity>("set_capacity", "Make or change places that products share", readable)
            .lane(Lane::Input("/show_id"))
            .output(kept.clone())
            .build(),
        Action::new::<kept::SetAffiliate>("set_affiliate", "Make or change an affiliate", readable)
            .lane(Lane::Input("/show_id"))
            .output(kept)
            .build(),
        Action::new::<waitlist::OfferWaitlist>("offer_waitlist", "Offer a place to who waits for one", readable)
            .lane(Lane::Input("/show_id"))
            .message(Message::to_unnamed("email"))
            .output(json!({ "offered": "integer", "entry_id": "string", "already": "boolean" }))
            .build(),
        Action::new::<waitlist::RemoveFromWaitlist>("remove_from_waitlist", "Take somebody off a waitlist", state)
            .lane(Lane::Input("/show_id"))
            .output(json!({ "entry_id": "string", "already": "boolean" }))
            .build(),
        Action::new::<webhook::CreateWebhook>("create_webhook", "Ask for webhooks of an organiser", readable)
            .lane(Lane::Connection)
            .output(json!({ "id": "string", "url": "string", "secret": "string" }))
            .build(),
    ]
}

fn ids(pairs: &[(&str, &str)]) -> Result<(), Refused> {
    match pairs.iter().find(|(_, id)| !is_id(id)) {
        Some((name, _)) => Err(invalid(format!("{name}: a Hi.Events id is a number"))),
        None => Ok(()),
    }
}

/// Names as the provider takes them: a given name is needed, and neither is longer than 40 characters.
fn names(first: Option<&str>, last: Option<&str>) -> Result<(), Refused> {
    let long = |text: &str| text.trim().chars().count() > 40;
    match (first, last) {
        (Some(first), _) if first.trim().is_empty() => {
            Err(invalid("first_name: everybody has one; leave it out to keep it"))
        }
        (Some(first), _) if long(first) => Err(invalid("first_name: at most 40 characters")),
        (_, Some(last)) if long(last) => Err(invalid("last_name: at most 40 characters")),
        _ => Ok(()),
    }
}

/// The whole body of a change: what the input names, and the rest as it is. `None`: it is so already.
fn patched(input: &Value, present: &Value, fields: &[&str]) -> Option<Value> {
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(|t| t.trim().to_owned());
    // Addresses differ by more than their case.
    let same = |name: &str, a: &Option<String>, b: &Option<String>| match name {
        "email" => a.as_deref().map(str::to_lowercase) == b.as_deref().map(str::to_lowercase),
        _ => a.as_deref().unwrap_or_default() == b.as_deref().unwrap_or_default(),
    };
    let mut changed = false;
    let mut body = Map::new();
    for name in fields {
        let (wanted, known) = (text(input, name), text(present, name));
        changed |= wanted.is_some() && !same(name, &wanted, &known);
        body.insert((*name).to_owned(), json!(wanted.or(known)));
    }
    changed.then_some(Value::Object(body))
}

impl HiEventsConnector {
    pub(super) fn begin_action(&self, action: &str, inputs: &[Value]) -> Step {
        let begun = |input: &Value| match action {
            "mark_as_paid" | "cancel_order" | "refund" | "update_buyer" => self.begin_order(action, input),
            "resend_ticket" | "update_ticket_holder" | "cancel_ticket" | "reactivate_ticket" => {
                self.begin_ticket(action, input)
            }
            "check_in" | "check_out" => self.begin_door(action, input),
            "message_attendees" => self.begin_message(input),
            "create_show" | "publish_show" | "archive_show" => self.begin_show(action, input),
            "create_question" | "set_promo_code" | "set_capacity" | "set_affiliate" => self.begin_kept(action, input),
            "offer_waitlist" | "remove_from_waitlist" => self.begin_waitlist(action, input),
            "create_webhook" => self.begin_webhook(input),
            other => Err(action::unknown("hi-events", other)),
        };
        action::one(action, inputs).map_or_else(|end| *end, |input| action::step(begun(input)))
    }

    pub(super) fn on_action(
        &self,
        action: &str,
        inputs: &[Value],
        state: &Value,
        answer: &Answer,
        now: Timestamp,
    ) -> Step {
        let input = match action::one(action, inputs) {
            Ok(input) => input,
            Err(end) => return *end,
        };
        match action {
            "mark_as_paid" | "cancel_order" | "refund" | "update_buyer" => {
                self.on_order(action, input, state, answer, now)
            }
            "resend_ticket" | "update_ticket_holder" | "cancel_ticket" | "reactivate_ticket" => {
                self.on_ticket(action, input, state, answer, now)
            }
            "check_in" | "check_out" => self.on_door(action, input, state, answer, now),
            "message_attendees" => messages::on_message(answer, now),
            "create_show" | "publish_show" | "archive_show" => self.on_show(action, input, state, answer, now),
            "create_question" | "set_promo_code" | "set_capacity" | "set_affiliate" => {
                self.on_kept(action, input, state, answer, now)
            }
            "offer_waitlist" | "remove_from_waitlist" => self.on_waitlist(action, input, state, answer, now),
            "create_webhook" => Step::end(webhook::on_webhook(answer, now)),
            other => Step::end(*action::unknown("hi-events", other)),
        }
    }

    pub(super) fn ask_back(&self, action: &str, input: &Value) -> Option<Request> {
        match action {
            "mark_as_paid" | "cancel_order" | "refund" => self.read_order(input).ok(),
            "cancel_ticket" | "reactivate_ticket" => self.read_ticket(input).ok(),
            "create_show" => self.ask_show(input),
            "create_question" | "set_promo_code" | "set_capacity" | "set_affiliate" => self.ask_kept(action, input),
            "offer_waitlist" => self.ask_waitlist(action, input),
            "create_webhook" => self.ask_webhook(input),
            _ => None,
        }
    }
}

pub(super) fn judge_back(action: &str, input: &Value, answer: &Answer) -> ReadBack {
    if !answer.is_success() {
        return ReadBack::Unclear(format!("HTTP {}", answer.status));
    }
    match action {
        "mark_as_paid" | "cancel_order" => match answers::order_status(answer) {
            Some(status) if status == answers::wanted_status(action) => match order_done(input, &status, false) {
                Outcome::Done(done) => ReadBack::Done(done),
                _ => ReadBack::NotThere,
            },
            Some(_) => ReadBack::NotThere,
            None => ReadBack::Unclear("the order could not be read".into()),
        },
        "refund" => orders::judge_refund(input, answer),
        "cancel_ticket" | "reactivate_ticket" => tickets::judge_ticket(action, input, answer),
        "create_show" => shows::judge_show(input, answer),
        "create_question" | "set_promo_code" | "set_capacity" | "set_affiliate" => {
            kept::judge_kept(action, input, answer)
        }
        "offer_waitlist" => waitlist::judge_waitlist(action, input, answer),
        "create_webhook" => webhook::judge_webhook(input, answer),
        _ => ReadBack::Unclear("this action cannot be read back".into()),
    }
}
