//! What an answer of the Graph API means. The body decides; the status only where the body is
//! not Meta's (a proxy's page, an outage).

use super::codes::{self, Told};
use crate::whatsapp::wire::{GraphAnswer, GraphError};
use pasarela_connector::{Answer, Ctx, Done, Outcome, action, judge};
use serde_json::{Value, json};
use std::time::Duration;

/// Judges the answer to a send: done only with the message's id.
pub(super) fn sent(answer: &Answer, ctx: &Ctx<'_>) -> Outcome {
    let body: GraphAnswer = answer.parse().unwrap_or_default();
    if let Some(error) = &body.error {
        return refused(error, answer, ctx);
    }
    // Something in between gave up waiting: Meta may have taken the message all the same, and a
    // second one must not go out (section 2.2).
    if let Some(lost) = action::lost(answer) {
        return lost;
    }
    if let Some(outcome) = by_status(answer, ctx) {
        return outcome;
    }
    let Some(message) = body.messages.first().filter(|m| !m.id.is_empty()) else {
        // It may have been taken: the status webhook with our key tells.
        return Outcome::Unknown { why: format!("accepted without a message id: {}", answer.excerpt(200)) };
    };
    let contact = body.contacts.first();
    Outcome::Done(Done {
        result: json!({
            "id": message.id,
            "message_status": message.message_status,
            "wa_id": contact.and_then(|c| c.wa_id.as_deref()).filter(|id| !id.is_empty()),
            "user_id": contact.and_then(|c| c.user_id.as_deref()).filter(|id| !id.is_empty()),
        }),
        reference: Some(message.id.clone()),
    })
}

/// Judges the answer to a read mark.
pub(super) fn marked(answer: &Answer, ctx: &Ctx<'_>) -> Outcome {
    let body: GraphAnswer = answer.parse().unwrap_or_default();
    if let Some(error) = &body.error {
        return refused(error, answer, ctx);
    }
    if let Some(outcome) = by_status(answer, ctx) {
        return outcome;
    }
    match body.success {
        Some(true) => Outcome::done(json!({ "success": true })),
        Some(false) => Outcome::give_up("not_marked", format!("not marked as read: {}", answer.excerpt(200))),
        // Not Meta's words; a mark may be set twice.
        None => action::unreadable(answer),
    }
}

fn refused(error: &GraphError, answer: &Answer, ctx: &Ctx<'_>) -> Outcome {
    let Some(code) = error.code else {
        return by_status(answer, ctx)
            .unwrap_or_else(|| Outcome::Unknown { why: format!("an error without a code: {}", answer.excerpt(200)) });
    };
    let told = Told {
        code,
        details: error.details(),
        transient: error.is_transient || answer.status >= 500,
        wait: judge::retry_after(answer, ctx.now).or_else(|| regain_access(answer)),
    };
    codes::outcome(&told, ctx)
}

/// An answer that is not Meta's own JSON.
fn by_status(answer: &Answer, ctx: &Ctx<'_>) -> Option<Outcome> {
    match answer.status {
        // The token does not renew itself, so a refresh would change nothing.
        401 => Some(Outcome::NeedsHuman { why: codes::explain(190, &answer.excerpt(200)) }),
        // The Graph API says what it refuses in its own JSON; without it, it is another server's word
        // (a firewall, a wrong address), and tells nothing of this person.
        403 | 404 | 410 => Some(Outcome::NeedsHuman {
            why: format!("HTTP {} without Meta's error object: check base_url and graph_version", answer.status),
        }),
        _ => judge::classify(answer, ctx.now),
    }
}

/// Minutes until access comes back, as the usage header tells (the longest of those it names).
fn regain_access(answer: &Answer) -> Option<Duration> {
    let usage: Value = serde_json::from_str(answer.headers.get("x-business-use-case-usage")?).ok()?;
    let minutes = usage
        .as_object()?
        .values()
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(|entry| entry.get("estimated_time_to_regain_access")?.as_u64())
        .max()?;
    (minutes > 0).then(|| Duration::from_secs(minutes.min(24 * 60) * 60))
}
