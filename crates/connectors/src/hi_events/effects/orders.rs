//! Orders: paid, cancelled, refunded, their buyer corrected (contract section 2.3).
//!
//! Promise: money goes back once. The order is read before a refund, so that what was refunded already, or is on its
//! way, is no second one; and a refund whose answer was lost is looked for by what the order says now.

use super::answers::{data, is_looking, order_done, order_status, refused, wanted_status};
use super::{HiEventsConnector, ids, names, patched};
use crate::hi_events::auth::problem;
use crate::hi_events::wire;
use jiff::Timestamp;
use pasarela_connector::action::{self, Refused, invalid, read};
use pasarela_connector::{Answer, Call, Outcome, ReadBack, Repeat, Request, Scope, Step};
use pasarela_domain::{EmailAddress, Money};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// A refund under way is looked at again after this.
const UNDER_WAY: Duration = Duration::from_secs(60);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MarkAsPaid {
    /// Show of the order (`order.show_id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// Order that was paid outside of Hi.Events (`order.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    order_id: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelOrder {
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
pub(super) struct Refund {
    /// Show of the order (`order.show_id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// Order to refund (`order.id`): one that was paid through Stripe. Others are refunded where they were paid.
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    order_id: String,
    /// How much, taxes included; all that is left when absent.
    #[serde(default)]
    amount: Option<Money>,
    /// What was refunded before (`order.refunded`). With it a part is told from the parts before it, so that a lost
    /// answer needs no person.
    #[serde(default)]
    refunded_before: Option<Money>,
    /// The provider writes an e-mail to the buyer; it does when absent.
    #[serde(default)]
    notify_buyer: Option<bool>,
    /// Also cancel the order.
    #[serde(default)]
    cancel_order: bool,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateBuyer {
    /// Show of the order (`order.show_id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// Order whose buyer is corrected (`order.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    order_id: String,
    /// Given names; as they are when absent.
    #[serde(default)]
    #[schemars(length(min = 1, max = 40))]
    first_name: Option<String>,
    /// Surnames; as they are when absent.
    #[serde(default)]
    #[schemars(length(max = 40))]
    last_name: Option<String>,
    /// E-mail address; as it is when absent.
    #[serde(default)]
    email: Option<EmailAddress>,
    /// Notes of the organiser, such as a payment's reference; as they are when absent.
    #[serde(default)]
    notes: Option<String>,
}

impl HiEventsConnector {
    pub(super) fn begin_order(&self, action: &str, input: &Value) -> Result<Call, Refused> {
        let post = |path: String| Request::new("POST", self.url(&path));
        let (request, step, repeat) = match action {
            "mark_as_paid" => {
                let MarkAsPaid { show_id, order_id } = read(input)?;
                ids(&[("show_id", &show_id), ("order_id", &order_id)])?;
                (post(format!("/events/{show_id}/orders/{order_id}/mark-as-paid")), "do", Repeat::Safe)
            }
            "cancel_order" => {
                let CancelOrder { show_id, order_id, refund } = read(input)?;
                ids(&[("show_id", &show_id), ("order_id", &order_id)])?;
                let request = post(format!("/events/{show_id}/orders/{order_id}/cancel"));
                (request.json(&json!({ "refund": refund })), "do", Repeat::Safe)
            }
            "refund" => {
                let refund: Refund = read(input)?;
                if refund.amount.is_some_and(|a| a.minor <= 0) {
                    return Err(invalid("amount: more than nothing is to be refunded"));
                }
                (self.read_order(input)?, "read", Repeat::Safe)
            }
            _ => {
                let UpdateBuyer { show_id, order_id, first_name, last_name, email, notes } = read(input)?;
                ids(&[("show_id", &show_id), ("order_id", &order_id)])?;
                names(first_name.as_deref(), last_name.as_deref())?;
                if [&first_name, &last_name, &notes].iter().all(|f| f.is_none()) && email.is_none() {
                    return Err(invalid("nothing is to be changed: name a first_name, last_name, email or notes"));
                }
                (self.read_order(input)?, "read", Repeat::Safe)
            }
        };
        Ok(action::call(request, json!({ "v": 1, "step": step }), repeat))
    }

    /// The order that an input names.
    pub(super) fn read_order(&self, input: &Value) -> Result<Request, Refused> {
        let id = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
        let (show, order) = (id("show_id"), id("order_id"));
        ids(&[("show_id", show), ("order_id", order)])?;
        Ok(Request::get(self.url(&format!("/events/{show}/orders/{order}"))))
    }

    pub(super) fn on_order(&self, action: &str, input: &Value, state: &Value, answer: &Answer, now: Timestamp) -> Step {
        match action {
            "refund" => self.on_refund(input, state, answer, now),
            "update_buyer" => self.on_buyer(input, state, answer, now),
            _ => self.on_status(action, input, state, answer, now),
        }
    }

    /// Both set a state, and answer 409 when the order is in another one: then the order is read.
    fn on_status(&self, action: &str, input: &Value, state: &Value, answer: &Answer, now: Timestamp) -> Step {
        let wanted = wanted_status(action);
        let looked = is_looking(state);
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
            _ => {
                let state = json!({ "v": 1, "step": "look", "refused": conflict });
                action::step(self.read_order(input).map(|request| action::call(request, state, Repeat::Safe)))
            }
        }
    }

    fn on_refund(&self, input: &Value, state: &Value, answer: &Answer, now: Timestamp) -> Step {
        if state.get("step").and_then(Value::as_str) == Some("read") {
            let call = refused(answer, now).map_or_else(|| self.refund_call(input, answer), |o| Err(Box::new(o)));
            return action::step(call);
        }
        if let Some(lost) = action::lost(answer) {
            return Step::end(lost);
        }
        if answer.status == 422 {
            return Step::end(Outcome::give_up("refund_refused", problem(answer)));
        }
        if let Some(outcome) = refused(answer, now) {
            return Step::end(outcome);
        }
        let money = state.get("amount").cloned().unwrap_or_default();
        Step::end(match order_of(answer) {
            Some(order) => refund_done(input, money, &order, false),
            // It said 2xx to the refund: asking again could give the money back twice.
            None => Outcome::Unknown { why: "the answer to the refund is not understood".into() },
        })
    }

    /// The refund, by what the order says now; an end where there is nothing to refund.
    fn refund_call(&self, input: &Value, answer: &Answer) -> Result<Call, Refused> {
        let Refund { show_id, order_id, amount, refunded_before, notify_buyer, cancel_order } = read(input)?;
        let end = |code: &str, why: String| Err(Box::new(Outcome::give_up(code, why)));
        let Some(order) = order_of(answer) else {
            return Err(Box::new(action::unreadable(answer)));
        };
        if order.provider.as_deref() != Some("STRIPE") {
            let how = order.provider.as_deref().unwrap_or("nothing").to_ascii_lowercase();
            return end(
                "not_stripe",
                format!("this order was paid by {how}: refund it where it was paid, then cancel it with refund: false"),
            );
        }
        let foreign = |money: &Money| money.currency != order.total.currency;
        if amount.iter().chain(&refunded_before).any(foreign) {
            return Err(invalid(format!("amount: the order is in {}", order.total.currency.code())));
        }
        let left = order.total.minor.saturating_sub(order.refunded.minor);
        if left <= 0 || refunded_before.is_some_and(|before| order.refunded.minor > before.minor) {
            return Err(Box::new(refund_done(input, Value::Null, &order, true)));
        }
        if order.status.as_deref() == Some("REFUND_PENDING") {
            let why = "another refund of this order is on its way".to_owned();
            return Err(Box::new(Outcome::Retry { after: Some(UNDER_WAY), scope: Scope::Effect, why }));
        }
        let amount = amount.unwrap_or(Money::new(left, order.total.currency));
        if amount.minor > left {
            let left = Money::new(left, order.total.currency).major_text();
            return end("too_much", format!("{} is more than the {left} that is left of it", amount.major_text()));
        }
        // A number in major units, as all amounts are; digits as they stand.
        let number: serde_json::Number =
            amount.major_text().parse().map_err(|_| invalid("amount: it is no decimal number"))?;
        let body = json!({
            "amount": number, "notify_buyer": notify_buyer.unwrap_or(true), "cancel_order": cancel_order,
        });
        let path = format!("/events/{show_id}/orders/{order_id}/refund");
        let state = json!({ "v": 1, "step": "do", "amount": amount });
        Ok(action::call(Request::new("POST", self.url(&path)).json(&body), state, Repeat::Never))
    }

    fn on_buyer(&self, input: &Value, state: &Value, answer: &Answer, now: Timestamp) -> Step {
        if let Some(outcome) = refused(answer, now) {
            return Step::end(outcome);
        }
        let done = |changed: bool| {
            let order = input.get("order_id").cloned().unwrap_or_default();
            Step::end(Outcome::done(json!({ "order_id": order, "changed": changed })))
        };
        let Some(order) = data(answer) else {
            return Step::end(action::unreadable(answer));
        };
        if state.get("step").and_then(Value::as_str) != Some("read") {
            return done(true);
        }
        // The whole of it is asked for: what is not named stays as it is.
        match patched(input, &order, &["email", "first_name", "last_name", "notes"]) {
            None => done(false),
            Some(body) => action::step(self.read_order(input).map(|request| {
                let request = Request::new("PUT", request.url).json(&body);
                action::call(request, json!({ "v": 1, "step": "do" }), Repeat::Safe)
            })),
        }
    }
}

/// What an order says of its money.
struct Paid {
    provider: Option<String>,
    status: Option<String>,
    total: Money,
    refunded: Money,
}

fn order_of(answer: &Answer) -> Option<Paid> {
    let order: wire::Order = answer.parse::<wire::Data<wire::Order>>().ok()?.data;
    let currency = order.currency.parse().ok()?;
    Some(Paid {
        total: Money::from_major_text(&order.total_gross.0, currency).ok()?,
        refunded: Money::from_major_text(&order.total_refunded.0, currency).ok()?,
        provider: order.payment_provider,
        status: order.refund_status,
    })
}

fn refund_done(input: &Value, amount: Value, order: &Paid, already: bool) -> Outcome {
    let id = input.get("order_id").cloned().unwrap_or_default();
    Outcome::done(json!({
        "order_id": id, "amount": amount, "refunded": order.refunded,
        "refund_status": order.status.as_deref().map(str::to_ascii_lowercase), "already": already,
    }))
}

/// Did the refund take effect? Stripe confirms later, so one that is on its way counts.
pub(super) fn judge_refund(input: &Value, answer: &Answer) -> ReadBack {
    let (Some(order), Ok(asked)) = (order_of(answer), read::<Refund>(input)) else {
        return ReadBack::Unclear("the order could not be read".into());
    };
    let done = || match refund_done(input, json!(asked.amount), &order, false) {
        Outcome::Done(done) => ReadBack::Done(done),
        _ => ReadBack::NotThere,
    };
    let whole = order.refunded.minor >= order.total.minor;
    if whole || order.status.as_deref() == Some("REFUND_PENDING") {
        return done();
    }
    match (asked.refunded_before, asked.amount) {
        (Some(before), _) if order.refunded.minor > before.minor => done(),
        (Some(_), _) | (None, None) => ReadBack::NotThere,
        (None, Some(_)) if order.refunded.minor == 0 => ReadBack::NotThere,
        (None, Some(_)) => ReadBack::Unclear(format!(
            "{} of the order is refunded, and nothing says whether that is this refund: name refunded_before",
            order.refunded.major_text()
        )),
    }
}
