//! What flows can ask of Hi.Events (contract sections 1.7, 2.3, 2.4 and 2.6).
//!
//! Promise: nothing is done twice where the provider can be asked. A 409 is never taken at its
//! word: messages are localised, so the order is read and its status decides.
//! Not here: refunds of offline orders (the provider has none).

mod answers;

pub(super) use answers::{judge_back, registered};

use super::{HiEventsConnector, is_id};
use answers::{on_check_in, on_webhook, order_done, order_status, refused, wanted_status};
use jiff::Timestamp;
use pasarela_connector::action::{self, Refused, invalid, read};
use pasarela_connector::{Action, Answer, Call, Idempotency, Lane, Message, Outcome, Repeat, Request, Scope, Step};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Longer than a call lives: what was sent has arrived by then, or never will.
const LOOK_AFTER: Duration = Duration::from_secs(60);

/// Every event type of section 1.1.
const EVENT_TYPES: &[&str] = &[
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

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct MarkAsPaid {
    /// Show of the order (`order.show_id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// Order that was paid outside of Hi.Events (`order.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    order_id: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct CancelOrder {
    /// Show of the order (`order.show_id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// Order to cancel (`order.id`). The provider writes an e-mail to the buyer.
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    order_id: String,
    /// Also give the money back; only for orders paid through Stripe.
    #[serde(default)]
    refund: bool,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResendTicket {
    /// Show of the ticket (`ticket.show_id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// Ticket (`ticket.id`), sent to its holder's e-mail address.
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    ticket_id: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct CheckIn {
    /// Short id of the check-in list (`cil_…`). Whoever knows it can check people in: keep it secret.
    #[schemars(regex(pattern = r"^cil_[A-Za-z0-9]{1,40}$"))]
    list: String,
    /// Code of the ticket (`ticket.code`).
    #[schemars(regex(pattern = r"^[Aa]-[A-Za-z0-9-]{3,40}$"))]
    code: String,
    /// Also mark an unpaid offline order as paid.
    #[serde(default)]
    mark_paid: bool,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateWebhook {
    /// Organiser whose events are told; the connection's `organizer_id` when absent.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    organizer_id: Option<String>,
    /// Public address of the hub's hook, at most 255 characters.
    #[schemars(length(max = 255), regex(pattern = r"^https?://"))]
    url: String,
    /// Types to be told; all when absent.
    #[serde(default)]
    event_types: Option<Vec<String>>,
}

pub(super) fn actions() -> Vec<Action> {
    let readable = Idempotency::Readable { after: LOOK_AFTER };
    vec![
        Action::new::<MarkAsPaid>("mark_as_paid", "Mark an offline order as paid", readable)
            .lane(Lane::Input("/order_id"))
            .output(json!({ "order_id": "string", "status": "string", "already": "boolean" }))
            .build(),
        Action::new::<CancelOrder>("cancel_order", "Cancel an order", readable)
            .lane(Lane::Input("/order_id"))
            .output(json!({ "order_id": "string", "status": "string", "already": "boolean" }))
            .build(),
        Action::new::<ResendTicket>("resend_ticket", "Send a ticket by e-mail again", Idempotency::AtMostOnce)
            .lane(Lane::Input("/ticket_id"))
            .message(Message::to_unnamed("email"))
            .output(json!({ "ticket_id": "string" }))
            .build(),
        // A second scan answers with the first one's record, so sending again changes nothing.
        Action::new::<CheckIn>("check_in", "Check a ticket in", Idempotency::ClientId)
            .lane(Lane::Input("/code"))
            .give_up_after(Duration::from_secs(12 * 3600))
            .output(json!({ "check_in_id": "string", "short_id": "string", "at": "string", "duplicate": "boolean" }))
            .build(),
        Action::new::<CreateWebhook>("create_webhook", "Ask for webhooks of an organiser", readable)
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

impl HiEventsConnector {
    pub(super) fn begin_action(&self, action: &str, inputs: &[Value]) -> Step {
        let made = |input| self.request(action, input);
        let call = |(request, repeat)| action::call(request, json!({ "v": 1, "step": "do" }), repeat);
        action::one(action, inputs).map_or_else(|end| *end, |input| action::step(made(input).map(call)))
    }

    fn request(&self, action: &str, input: &Value) -> Result<(Request, Repeat), Refused> {
        let post = |path: String| Request::new("POST", self.url(&path));
        Ok(match action {
            "mark_as_paid" => {
                let MarkAsPaid { show_id, order_id } = read(input)?;
                ids(&[("show_id", &show_id), ("order_id", &order_id)])?;
                (post(format!("/events/{show_id}/orders/{order_id}/mark-as-paid")), Repeat::Safe)
            }
            "cancel_order" => {
                let CancelOrder { show_id, order_id, refund } = read(input)?;
                ids(&[("show_id", &show_id), ("order_id", &order_id)])?;
                let request = post(format!("/events/{show_id}/orders/{order_id}/cancel"));
                (request.json(&json!({ "refund": refund })), Repeat::Safe)
            }
            "resend_ticket" => {
                let ResendTicket { show_id, ticket_id } = read(input)?;
                ids(&[("show_id", &show_id), ("ticket_id", &ticket_id)])?;
                (post(format!("/events/{show_id}/attendees/{ticket_id}/resend-ticket")), Repeat::Never)
            }
            "check_in" => {
                let CheckIn { list, code, mark_paid } = read(input)?;
                let code = ticket_code(&code)?;
                let list = list_id(&list)?;
                let action = if mark_paid { "check-in-and-mark-order-as-paid" } else { "check-in" };
                // One attendee a call: an unknown code in a batch fails all, or half of it.
                let body = json!({ "attendees": [{ "public_id": code, "action": action }] });
                (post(format!("/public/check-in-lists/{list}/check-ins")).json(&body), Repeat::Safe)
            }
            "create_webhook" => {
                let webhook: CreateWebhook = read(input)?;
                let path = format!("/organizers/{}/webhooks", self.webhook_organizer(&webhook)?);
                if webhook.url.len() > 255
                    || !(webhook.url.starts_with("https://") || webhook.url.starts_with("http://"))
                {
                    return Err(invalid("url: an http(s) address of at most 255 characters"));
                }
                let wanted = webhook.event_types.unwrap_or_else(|| EVENT_TYPES.iter().map(|&t| t.into()).collect());
                if let Some(unknown) = wanted.iter().find(|t| !EVENT_TYPES.contains(&t.as_str())) {
                    let all = EVENT_TYPES.join(", ");
                    return Err(invalid(format!("event_types: '{unknown}' is none of {all}")));
                }
                // All three always: without status or types the provider fails with a 500.
                let body = json!({ "url": webhook.url, "event_types": wanted, "status": "ENABLED" });
                (post(path).json(&body), Repeat::Never)
            }
            other => return Err(action::unknown("hi-events", other)),
        })
    }

    fn webhook_organizer(&self, webhook: &CreateWebhook) -> Result<String, Refused> {
        let organizer = webhook
            .organizer_id
            .clone()
            .or_else(|| self.organizer())
            .ok_or_else(|| invalid("organizer_id: name the organiser here, or in the connection's settings"))?;
        ids(&[("organizer_id", &organizer)])?;
        Ok(organizer)
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
        if matches!(action, "resend_ticket" | "create_webhook")
            && let Some(lost) = action::lost(answer)
        {
            return Step::end(lost);
        }
        match action {
            "mark_as_paid" | "cancel_order" => self.on_order(action, input, state, answer, now),
            "resend_ticket" => Step::end(refused(answer, now).unwrap_or_else(|| {
                Outcome::done(json!({ "ticket_id": input.get("ticket_id").cloned().unwrap_or_default() }))
            })),
            "check_in" => Step::end(on_check_in(input, answer, now)),
            "create_webhook" => Step::end(on_webhook(answer, now)),
            other => Step::end(*action::unknown("hi-events", other)),
        }
    }

    /// Both set a state, and answer 409 when the order is in another one: then the order is read.
    fn on_order(&self, action: &str, input: &Value, state: &Value, answer: &Answer, now: Timestamp) -> Step {
        let wanted = wanted_status(action);
        let looked = state.get("step").and_then(Value::as_str) == Some("look");
        let conflict = answer.status == 409 && !looked;
        if !conflict && let Some(outcome) = refused(answer, now) {
            return Step::end(outcome);
        }
        let status = if conflict { None } else { order_status(answer) };
        match status {
            Some(status) if status == wanted => {
                let already = state.get("refused").and_then(Value::as_bool).unwrap_or(false);
                Step::end(order_done(input, wanted, already))
            }
            // Refused, yet now in the state that allows it: another change was under way.
            Some(status) if looked && (action == "cancel_order" || status == "AWAITING_OFFLINE_PAYMENT") => {
                let why = format!("Hi.Events did not do it; the order is {status}");
                Step::end(Outcome::Retry { after: None, scope: Scope::Effect, why })
            }
            Some(status) if looked => {
                let why = format!("the order is {status}: it cannot become {wanted} any more");
                Step::end(Outcome::give_up("order_state", why))
            }
            None if looked => Step::end(Outcome::Unknown { why: "the order could not be read".into() }),
            _ => match self.ask_back(action, input) {
                Some(request) => {
                    let state = json!({ "v": 1, "step": "look", "refused": conflict });
                    Step::Call(Call { request, state, repeat: Repeat::Safe })
                }
                None => Step::end(*invalid("show_id and order_id are needed")),
            },
        }
    }

    pub(super) fn ask_back(&self, action: &str, input: &Value) -> Option<Request> {
        let id = |name: &str| input.get(name)?.as_str().filter(|id| is_id(id));
        match action {
            "mark_as_paid" | "cancel_order" => {
                Some(Request::get(self.url(&format!("/events/{}/orders/{}", id("show_id")?, id("order_id")?))))
            }
            "create_webhook" => {
                let organizer = self.webhook_organizer(&read(input).ok()?).ok()?;
                Some(Request::get(self.url(&format!("/organizers/{organizer}/webhooks"))))
            }
            _ => None,
        }
    }
}

/// Codes are compared in upper case (section 3).
fn ticket_code(code: &str) -> Result<String, Refused> {
    let code = code.trim().to_ascii_uppercase();
    let plausible = code.len() <= 42
        && code
            .strip_prefix("A-")
            .is_some_and(|rest| rest.len() >= 3 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    if plausible { Ok(code) } else { Err(invalid("code: a ticket's code looks like A-7KQ2M9X")) }
}

fn list_id(list: &str) -> Result<&str, Refused> {
    let plausible = list
        .strip_prefix("cil_")
        .is_some_and(|rest| (1..=40).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric()));
    if plausible { Ok(list) } else { Err(invalid("list: a check-in list's id looks like cil_T5nWq8ZkR1xLb")) }
}
