//! What the answers mean.
//!
//! Promise: a 200 is looked into, partial success is told, and what cannot be read is unknown,
//! never done.

use crate::hi_events::auth::problem;
use crate::hi_events::wire;
use jiff::Timestamp;
use pasarela_connector::{Answer, Done, Outcome, judge};
use serde_json::{Value, json};

/// What the order must be when the action took effect.
pub(super) fn wanted_status(action: &str) -> &'static str {
    if action == "cancel_order" { "CANCELLED" } else { "COMPLETED" }
}

/// `{"data": {…}}`
pub(super) fn data(answer: &Answer) -> Option<Value> {
    let body: wire::Data<Value> = answer.parse().ok()?;
    Some(body.data).filter(Value::is_object)
}

pub(super) fn is_looking(state: &Value) -> bool {
    state.get("step").and_then(Value::as_str) == Some("look")
}

pub(super) fn order_status(answer: &Answer) -> Option<String> {
    data(answer)?.get("status")?.as_str().map(str::to_owned)
}

pub(super) fn order_done(input: &Value, status: &str, already: bool) -> Outcome {
    let order = input.get("order_id").cloned().unwrap_or_default();
    Outcome::done(json!({ "order_id": order, "status": status.to_ascii_lowercase(), "already": already }))
}

/// The provider's own refusals first, HTTP's meaning for the rest. `None`: 2xx.
pub(super) fn refused(answer: &Answer, now: Timestamp) -> Option<Outcome> {
    Some(match answer.status {
        403 => Outcome::NeedsHuman {
            why: format!(
                "Hi.Events refuses ({}): give the hub's user access to this account and role",
                problem(answer)
            ),
        },
        // Hi.Events says in its own JSON what is not there; a bare 404 is another server's.
        404 | 410 if answer.parse::<wire::Problem>().map_or(true, |p| p.message.is_empty()) => {
            Outcome::NeedsHuman { why: format!("HTTP {} without a word of Hi.Events: check base_url", answer.status) }
        }
        409 => Outcome::give_up("conflict", problem(answer)),
        422 => {
            let stripe = answer.parse::<wire::Problem>().is_ok_and(|p| p.errors.get("refund").is_some());
            if stripe {
                Outcome::NeedsHuman { why: format!("the refund failed at the payment provider: {}", problem(answer)) }
            } else {
                Outcome::give_up("invalid", problem(answer))
            }
        }
        _ => return judge::classify(answer, now),
    })
}

pub(super) fn on_check_in(input: &Value, answer: &Answer, now: Timestamp) -> Outcome {
    if answer.status == 409 {
        return Outcome::give_up("not_admitted", problem(answer));
    }
    if let Some(outcome) = refused(answer, now) {
        return outcome;
    }
    let Ok(found) = answer.parse::<wire::CheckIns>() else {
        return Outcome::Unknown {
            why: format!("the answer to a check-in is not understood: {}", answer.excerpt(120)),
        };
    };
    let code = input.get("code").and_then(Value::as_str).unwrap_or_default().trim();
    let error = found.errors.iter().find(|(c, _)| c.eq_ignore_ascii_case(code)).map(|(_, text)| text);
    match (found.data.first(), error) {
        // In both: it was checked in before.
        (Some(record), error) => Outcome::Done(Done {
            result: json!({
                "check_in_id": record.id.0,
                "short_id": record.short_id,
                "at": record.checked_in_at,
                "duplicate": error.is_some(),
            }),
            reference: Some(record.id.0.clone()),
        }),
        (None, Some(why)) => Outcome::give_up("not_admitted", why.as_str()),
        (None, None) => Outcome::Unknown { why: "the check-in answered neither a record nor an error".into() },
    }
}
