//! What the answers mean.
//!
//! Promise: a 200 is looked into, partial success is told, and what cannot be read is unknown,
//! never done.

use crate::hi_events::auth::problem;
use crate::hi_events::wire;
use jiff::Timestamp;
use pasarela_connector::{Answer, Done, Outcome, ReadBack, judge};
use serde_json::{Value, json};

/// What the order must be when the action took effect.
pub(super) fn wanted_status(action: &str) -> &'static str {
    if action == "cancel_order" { "CANCELLED" } else { "COMPLETED" }
}

pub(super) fn order_status(answer: &Answer) -> Option<String> {
    let body: wire::Data<Value> = answer.parse().ok()?;
    body.data.get("status")?.as_str().map(str::to_owned)
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

pub(super) fn on_webhook(answer: &Answer, now: Timestamp) -> Outcome {
    if let Some(outcome) = refused(answer, now) {
        return outcome;
    }
    match answer.parse::<wire::Data<wire::Webhook>>() {
        Ok(wire::Data { data: wire::Webhook { id, url, secret: Some(secret) } }) => {
            Outcome::Done(Done { result: json!({ "id": id.0, "url": url, "secret": secret }), reference: Some(id.0) })
        }
        _ => Outcome::NeedsHuman {
            why: "Hi.Events made a webhook, but told no secret: delete it there, and ask again".into(),
        },
    }
}

pub(in crate::hi_events) fn judge_back(action: &str, input: &Value, answer: &Answer) -> ReadBack {
    if !answer.is_success() {
        return ReadBack::Unclear(format!("HTTP {}", answer.status));
    }
    match action {
        "mark_as_paid" | "cancel_order" => match order_status(answer) {
            Some(status) if status == wanted_status(action) => match order_done(input, &status, false) {
                Outcome::Done(done) => ReadBack::Done(done),
                _ => ReadBack::NotThere,
            },
            Some(_) => ReadBack::NotThere,
            None => ReadBack::Unclear("the order could not be read".into()),
        },
        "create_webhook" => {
            let Some(list) = hooks(answer) else {
                return ReadBack::Unclear("the list of webhooks could not be read".into());
            };
            let url = input.get("url").and_then(Value::as_str).unwrap_or_default();
            match list.iter().find(|w| w.url == url) {
                None => ReadBack::NotThere,
                Some(found) => ReadBack::Unclear(format!(
                    "webhook {} has this address, but its secret was told only once, in an answer that was lost: \
                     delete it at Hi.Events, and ask again",
                    found.id.0
                )),
            }
        }
        _ => ReadBack::Unclear("this action cannot be read back".into()),
    }
}

fn hooks(answer: &Answer) -> Option<Vec<wire::Webhook>> {
    answer.parse::<wire::Data<Vec<wire::Webhook>>>().ok().filter(|_| answer.is_success()).map(|list| list.data)
}

/// Addresses that the organiser's webhooks call.
pub(in crate::hi_events) fn registered(answer: &Answer) -> Option<Vec<String>> {
    hooks(answer).map(|list| list.into_iter().map(|hook| hook.url).collect())
}
