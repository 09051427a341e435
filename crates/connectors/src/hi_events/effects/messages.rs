//! E-mails of the organiser's to the guests of a show (contract section 2.5).
//!
//! The provider knows to whom they go, so they may be nothing but transactional, and it offers nothing against sending
//! one twice. Its own scheduling is not used: whether a message may go is decided when it goes.

use super::answers::{data, refused};
use super::{HiEventsConnector, ids};
use jiff::Timestamp;
use pasarela_connector::action::{self, Refused, invalid, read};
use pasarela_connector::{Answer, Call, Done, Outcome, Repeat, Request, Step};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageAttendees {
    /// Show whose guests are written to (`show.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// To whom.
    to: To,
    /// Tickets (`ticket.id`) whose holders are written to, at most 50: for `tickets`.
    #[serde(default)]
    #[schemars(length(max = 50))]
    ticket_ids: Vec<String>,
    /// Products (`product.id`): for `holders_of` and `buyers_of`.
    #[serde(default)]
    product_ids: Vec<String>,
    /// Order (`order.id`): for `buyer`.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    order_id: Option<String>,
    /// Subject.
    #[schemars(length(min = 1, max = 100))]
    subject: String,
    /// Text; HTML as the provider's editor writes it.
    #[schemars(length(min = 1, max = 8000))]
    message: String,
    /// Only to the hub's own user, to look at it.
    #[serde(default)]
    test: bool,
}

/// To whom a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum To {
    /// Every guest.
    All,
    /// Holders of these tickets.
    Tickets,
    /// Holders of tickets of these products.
    HoldersOf,
    /// Buyers of these products.
    BuyersOf,
    /// The buyer of this order.
    Buyer,
}

impl HiEventsConnector {
    pub(super) fn begin_message(&self, input: &Value) -> Result<Call, Refused> {
        let asked: MessageAttendees = read(input)?;
        ids(&[("show_id", &asked.show_id)])?;
        let needs = |name: &str, there: bool, wanted: bool| match (there, wanted) {
            (false, true) => Err(invalid(format!("{name}: whom does it go to?"))),
            (true, false) => Err(invalid(format!("{name}: it says nothing for this `to`; leave it out"))),
            _ => Ok(()),
        };
        needs("ticket_ids", !asked.ticket_ids.is_empty(), asked.to == To::Tickets)?;
        needs("product_ids", !asked.product_ids.is_empty(), matches!(asked.to, To::HoldersOf | To::BuyersOf))?;
        needs("order_id", asked.order_id.is_some(), asked.to == To::Buyer)?;
        if asked.ticket_ids.len() > 50 {
            return Err(invalid("ticket_ids: at most 50 at once"));
        }
        let longest = |name: &str, text: &str, most: usize| match (1..=most).contains(&text.trim().chars().count()) {
            true => Ok(()),
            false => Err(invalid(format!("{name}: 1 to {most} characters"))),
        };
        longest("subject", &asked.subject, 100)?;
        longest("message", &asked.message, 8000)?;
        let numbers = |name: &str, given: &[String]| -> Result<Vec<u64>, Refused> {
            let number = |id: &String| id.parse().map_err(|_| invalid(format!("{name}: a Hi.Events id is a number")));
            given.iter().map(number).collect()
        };
        let order = asked.order_id.map(|id| numbers("order_id", &[id])).transpose()?;
        let body = json!({
            "message_type": match asked.to {
                To::All => "ALL_ATTENDEES",
                To::Tickets => "INDIVIDUAL_ATTENDEES",
                To::HoldersOf => "TICKET_HOLDERS",
                To::BuyersOf => "ORDER_OWNERS_WITH_PRODUCT",
                To::Buyer => "ORDER_OWNER",
            },
            "subject": asked.subject,
            "message": asked.message,
            "attendee_ids": numbers("ticket_ids", &asked.ticket_ids)?,
            "product_ids": numbers("product_ids", &asked.product_ids)?,
            "order_id": order.and_then(|o| o.first().copied()),
            "is_test": asked.test,
        });
        let request = Request::new("POST", self.url(&format!("/events/{}/messages", asked.show_id))).json(&body);
        Ok(action::call(request, json!({ "v": 1, "step": "do" }), Repeat::Never))
    }
}

pub(super) fn on_message(answer: &Answer, now: Timestamp) -> Step {
    if let Some(lost) = action::lost(answer) {
        return Step::end(lost);
    }
    if let Some(outcome) = refused(answer, now) {
        return Step::end(outcome);
    }
    let Some(made) = data(answer) else {
        // It said 2xx: asking again could write to everybody twice.
        return Step::end(Outcome::Unknown { why: "the answer to the message is not understood".into() });
    };
    let id = made.get("id").and_then(Value::as_u64).map(|id| id.to_string());
    let status = made.get("status").and_then(Value::as_str).map(str::to_ascii_lowercase);
    Step::end(match status.as_deref() {
        // The provider's own people look at it first; nobody here can do anything but wait.
        Some("failed" | "cancelled") => {
            Outcome::give_up("not_sent", format!("Hi.Events did not send it: {}", answer.excerpt(200)))
        }
        _ => Outcome::Done(Done { result: json!({ "message_id": id, "status": status }), reference: id }),
    })
}
