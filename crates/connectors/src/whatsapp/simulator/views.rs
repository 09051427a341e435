//! What the double shows: the guests' phones, and the list of accepted messages for the oracle.

use super::Double;
use super::guests::{Guest, Line};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Chats with at least one message, the latest first. Ticks are as of the latest business time
/// that the double was told: it has no clock of its own.
pub(super) fn chats(double: &Double) -> Value {
    let mut chats: Vec<&Guest> = double.guests.iter().filter(|g| !g.lines.is_empty()).collect();
    chats.sort_by_key(|g| std::cmp::Reverse(g.lines.last().map(|l| l.at)));
    chats.into_iter().map(|g| chat(g, double.now)).collect()
}

fn chat(guest: &Guest, now: Timestamp) -> Value {
    json!({
        "phone": guest.phone.as_ref().map(|p| format!("+{p}")),
        "user_id": guest.user_id,
        "name": guest.name,
        "username": guest.username,
        "messages": guest.lines.iter().map(|l| line(l, now)).collect::<Vec<_>>(),
    })
}

fn line(line: &Line, now: Timestamp) -> Value {
    let mut shown = Map::new();
    shown.insert("id".into(), json!(line.id));
    shown.insert("from".into(), json!(if line.from_us { "us" } else { "guest" }));
    shown.insert("text".into(), json!(line.text));
    shown.insert("at".into(), json!(line.at));
    shown.insert("status".into(), json!(status(line, now)));
    shown.insert("template".into(), json!(line.template));
    if let Some(code) = line.failed {
        shown.insert("error".into(), json!(code));
    }
    if !line.buttons.is_empty() {
        let buttons = line.buttons.iter().map(|b| json!({ "text": b.text, "payload": b.payload }));
        shown.insert("buttons".into(), buttons.collect());
    }
    Value::Object(shown)
}

/// What is on a phone's screen has been delivered.
fn status(line: &Line, now: Timestamp) -> &'static str {
    match line {
        l if !l.from_us => "received",
        l if l.failed.is_some() => "failed",
        l if l.read_at.is_some_and(|at| at <= now) => "read",
        _ => "delivered",
    }
}

/// Accepted messages in order: the hub's key, to whom, which template, with which values.
pub(super) fn sent(double: &Double) -> Value {
    double
        .sent
        .iter()
        .map(|s| {
            json!({
                "key": s.key,
                "to": s.to,
                "template": s.template,
                "params": s.params,
                "text": s.text,
            })
        })
        .collect()
}
