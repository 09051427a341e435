//! How one step begins: its input is rendered and checked, its list frozen, its moment computed.

use super::{NewEffect, View};
use crate::duration::{parse_duration, shift};
use crate::flow::{Action, Each, Flow, Tree, Until, Wait};
use crate::state::{Items, Mark, Rec};
use crate::template::eval::EvalError;
use crate::words::Urgency;
use jiff::Timestamp;
use serde_json::Value;

/// Most items of an `each`.
const MAX_ITEMS: usize = 100_000;

fn failed(line: u32, message: String) -> EvalError {
    EvalError::Failed { line, message }
}

pub(super) fn render(flow: &Flow, action: &Action, path: &str, view: &View<'_>) -> Result<NewEffect, EvalError> {
    let input = flow.value(&action.with, view)?;
    let line = view.step.and_then(|ix| flow.steps.get(ix)).map_or(1, |step| step.line);
    // Results that an explanation only names have no types to check.
    let provisional = view.explain && input.to_string().contains('\u{2039}');
    if let Some(schema) = &action.input
        && !provisional
        && let Err(error) = schema.validate(&input)
    {
        // Inputs hold personal data; the message names the place and the rule, not the value.
        let at = error.instance_path().to_string();
        let place = if at.is_empty() { "the input".to_owned() } else { format!("`{}`", at.trim_start_matches('/')) };
        return Err(failed(
            line,
            format!("{place} is not what {}.{} takes: {}", action.connection, action.action, error.masked()),
        ));
    }
    Ok(NewEffect {
        path: path.to_owned(),
        connection: action.connection.clone(),
        action: action.action.clone(),
        input,
        class: action.class,
        purpose: action.purpose.clone(),
        urgency: Urgency::of(action.class),
        on_unknown: action.on_unknown,
        on_dead: action.on_dead,
        give_up_after: action.give_up_after,
        expires: action.expires.as_ref().map_or(Ok(None), |tree| time(flow, tree, "expires", line, view))?,
    })
}

pub(super) fn freeze(flow: &Flow, each: &Each, view: &View<'_>) -> Result<Rec, EvalError> {
    let line = each.list.line;
    match each.list.eval(&flow.env, view)? {
        Value::Array(list) if list.len() > MAX_ITEMS => {
            Err(failed(line, format!("`each` has {} items; the most is {MAX_ITEMS}", list.len())))
        }
        Value::Array(list) => Ok(Rec { items: Some(Items { list, ..Items::default() }), ..Rec::new(Mark::Each) }),
        // A list that an explanation does not know yet.
        Value::String(_) if view.explain => Ok(Rec::new(Mark::Skipped).why("its list is not known yet")),
        other => Err(failed(line, format!("`each` needs a list and `{}` is {}", each.list.source, kind(&other)))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

pub(super) fn begin_wait(flow: &Flow, wait: &Wait, view: &View<'_>) -> Result<Rec, EvalError> {
    let at = match &wait.until {
        Until::Events(_) => {
            let at = wait.timeout.and_then(|timeout| shift(view.scope.now, timeout, true));
            return Ok(Rec { at, ..Rec::new(Mark::Waiting) });
        }
        _ => moment(flow, wait, view)?,
    };
    if at <= view.scope.now {
        return Ok(Rec { at: Some(at), ..Rec::new(Mark::Elapsed) });
    }
    Ok(Rec { at: Some(at), ..Rec::new(Mark::Waiting) })
}

/// A moment out of a field; null is none.
fn time(flow: &Flow, tree: &Tree, field: &str, line: u32, view: &View<'_>) -> Result<Option<Timestamp>, EvalError> {
    let value = flow.value(tree, view)?;
    let text = match &value {
        Value::Null => return Ok(None),
        Value::String(text) => text,
        other => return Err(failed(line, format!("`{field}` needs a time and got {}", kind(other)))),
    };
    if view.explain && text.starts_with('\u{2039}') {
        return Ok(Some(view.scope.now));
    }
    let read = text.parse().map(Some);
    read.map_err(|_| failed(line, format!("`{field}` needs a time like `2026-11-28T00:00:00Z`")))
}

/// The moment of a wait that waits for one.
pub(super) fn moment(flow: &Flow, wait: &Wait, view: &View<'_>) -> Result<Timestamp, EvalError> {
    let line = view.step.and_then(|ix| flow.steps.get(ix)).map_or(1, |step| step.line);
    match &wait.until {
        Until::Moment(tree) => {
            let at = time(flow, tree, "until", line, view)?;
            at.ok_or_else(|| failed(line, "`until` needs a time and got null".to_owned()))
        }
        Until::Length(tree) => {
            let value = flow.value(tree, view)?;
            let text = value
                .as_str()
                .ok_or_else(|| failed(line, format!("`for` needs a length of time and got {}", kind(&value))))?;
            let length = parse_duration(text).map_err(|error| failed(line, error.to_string()))?;
            shift(view.scope.now, length, true).ok_or_else(|| failed(line, "the time is out of range".to_owned()))
        }
        Until::Events(_) => Err(failed(line, "this wait waits for an event".to_owned())),
    }
}
