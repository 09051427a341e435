//! A flow's outline as a list of steps: what each does, when, after which others, and what it came to.
//! The picture is drawn from it, and the table beside the picture is it.

use crate::console::json;
use crate::console::words::Words;
use serde_json::Value;
use std::collections::HashMap;

/// What a step came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) withheld: u64,
    /// Waits or is out now.
    pub(super) open: u64,
    /// Needs a person now.
    pub(super) stuck: u64,
}

/// What kind of step it is, as it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Do,
    Wait,
    Each,
}

/// A step.
pub(super) struct Step {
    pub(super) path: String,
    pub(super) kind: Kind,
    /// How deep inside lists it stands.
    pub(super) depth: usize,
    /// Stands where another step could not be done.
    pub(super) otherwise: bool,
    /// Its own name, or what it does.
    pub(super) title: String,
    /// What it does, as the flow writes it.
    pub(super) what: String,
    /// Condition, class, what it is after, what cancels it: in words.
    pub(super) notes: Vec<String>,
    /// Paths of the steps that it waits for.
    pub(super) after: Vec<String>,
    pub(super) counts: Counts,
    pub(super) done: String,
    pub(super) open: String,
    pub(super) stuck: String,
    pub(super) failed: String,
    pub(super) withheld: String,
}

/// All steps, in the order of the file.
pub(super) fn steps(w: Words, outline: &Value, counts: &HashMap<String, Counts>) -> Vec<Step> {
    let mut out = Vec::new();
    walk(w, &outline["steps"], 0, false, counts, &mut out);
    out
}

fn walk(w: Words, list: &Value, depth: usize, otherwise: bool, counts: &HashMap<String, Counts>, out: &mut Vec<Step>) {
    for value in json::list(list) {
        out.push(step(w, value, depth, otherwise, counts));
        walk(w, &value["steps"], depth + 1, false, counts, out);
        walk(w, &value["otherwise"], depth + 1, true, counts, out);
    }
}

fn step(w: Words, value: &Value, depth: usize, otherwise: bool, counts: &HashMap<String, Counts>) -> Step {
    let path = json::text(&value["path"]);
    let counts = counts.get(&path).copied().unwrap_or_default();
    let (kind, what) = match value["kind"].as_str() {
        Some("wait") => (Kind::Wait, wait(w, value)),
        Some("each") => (Kind::Each, w.with("flows.each", bare(&json::text(&value["each"])))),
        _ => (Kind::Do, json::text(&value["do"])),
    };
    let own = json::opt(&value["id"]);
    Step {
        title: own.unwrap_or_else(|| if kind == Kind::Wait { w.t("flows.wait").to_owned() } else { what.clone() }),
        notes: notes(w, value),
        after: json::list(&value["after"]).iter().map(json::text).collect(),
        done: w.number(counts.done),
        open: w.number(counts.open),
        stuck: w.number(counts.stuck),
        failed: w.number(counts.failed),
        withheld: w.number(counts.withheld),
        path,
        kind,
        depth,
        otherwise,
        what,
        counts,
    }
}

fn wait(w: Words, value: &Value) -> String {
    if let Some(until) = json::opt(&value["until"]) {
        return w.with("flows.until", bare(&until));
    }
    match &value["for"] {
        Value::Array(types) => {
            let types: Vec<String> = types.iter().map(|t| w.named("event", &json::text(t))).collect();
            w.with("flows.for_event", types.join(", "))
        }
        length => w.with("flows.for", bare(&json::text(length))),
    }
}

fn notes(w: Words, value: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(when) = json::opt(&value["when"]) {
        notes.push(w.with("flows.when", bare(&when)));
    }
    if let Some(class) = json::opt(&value["class"]) {
        notes.push(w.named("class", &class));
    }
    let cancel: Vec<String> =
        json::list(&value["cancel_on"]).iter().map(|t| w.named("event", &json::text(t))).collect();
    if !cancel.is_empty() {
        notes.push(w.with("flows.cancel", cancel.join(", ")));
    }
    notes
}

/// An expression without its braces.
fn bare(text: &str) -> &str {
    let inner = text.trim().strip_prefix("{{").and_then(|t| t.strip_suffix("}}"));
    inner.map_or(text, str::trim)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::console::words::Lang;
    use serde_json::json;

    pub(in super::super) fn outline() -> Value {
        json!({ "flow": "boleta", "on": ["order.paid"], "steps": [
            { "path": "comprador", "id": "comprador", "kind": "do", "do": "crm.upsert_person" },
            { "path": "boletas", "id": "boletas", "kind": "each", "each": "{{ order.tickets }}", "as": "ticket", "steps": [
                { "path": "boletas.boleta", "id": "boleta", "kind": "do", "do": "whatsapp.send_template",
                  "when": "{{ ticket.holder.phone }}", "class": "transactional_urgent",
                  "otherwise": [{ "path": "boletas.boleta.otherwise.0", "kind": "do", "do": "crm.add_note", "after": ["comprador"] }] } ] },
            { "path": "3", "kind": "wait", "until": "{{ show.starts_at | minus('24h') }}", "cancel_on": ["order.cancelled"] },
        ] })
    }

    #[test]
    fn steps_come_in_the_order_of_the_file_with_what_they_came_to() {
        let counts =
            HashMap::from([("boletas.boleta".to_owned(), Counts { done: 1200, stuck: 2, ..Counts::default() })]);
        let steps = steps(Words::new(Lang::Es), &outline(), &counts);
        let told: Vec<(&str, usize, bool)> = steps.iter().map(|s| (s.title.as_str(), s.depth, s.otherwise)).collect();
        assert_eq!(
            told,
            [
                ("comprador", 0, false),
                ("boletas", 0, false),
                ("boleta", 1, false),
                ("crm.add_note", 2, true),
                ("Espera", 0, false)
            ]
        );
        assert_eq!((steps[2].done.as_str(), steps[2].stuck.as_str()), ("1.200", "2"));
        assert_eq!(steps[1].what, "Por cada uno de order.tickets");
        assert_eq!(steps[2].notes, ["si ticket.holder.phone", "urgente"]);
        assert_eq!(steps[3].after, ["comprador"]);
        assert_eq!(steps[4].what, "Hasta show.starts_at | minus('24h')");
    }
}
