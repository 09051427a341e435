//! Lists of steps: which kind each is, its path, and `each`. What `do` and `wait` say is read by
//! [`actions`](super::actions) and [`waits`](super::waits).

use super::values::{Place, Var};
use super::{Compiler, Draft, Fields};
use crate::flow::{Each, Ix, Step, StepKind, Until, Wait};
use crate::problem::{At, did_you_mean};
use crate::template::is_template;
use crate::template::uses::Seg;
use crate::words::Class;
use crate::yaml::{Kind, Node};
use std::collections::BTreeSet;

const MAX_STEPS: usize = 500;
const MAX_NESTING: usize = 8;

const DO_FIELDS: &[&str] = &[
    "id",
    "do",
    "with",
    "class",
    "purpose",
    "needs",
    "when",
    "on_unknown",
    "on_dead",
    "give_up_after",
    "expires",
    "otherwise",
];
const EACH_FIELDS: &[&str] = &["id", "each", "as", "steps", "needs", "when"];
const WAIT_FIELDS: &[&str] = &["id", "wait", "needs", "when"];

/// What stands around a list of steps.
#[derive(Clone, Default)]
pub(super) struct Around {
    /// Path before the steps' names, with its dot.
    pub(super) prefix: String,
    pub(super) eaches: Vec<Ix>,
    pub(super) vars: Vec<Var>,
    pub(super) otherwise_of: Option<Ix>,
    pub(super) depth: usize,
    /// Class and purpose of the message that an `otherwise` stands in for.
    pub(super) instead_of: Option<(Class, Option<String>)>,
}

impl Compiler<'_> {
    pub(super) fn list(&mut self, node: &Node, around: &Around) -> Vec<Ix> {
        let Kind::List(nodes) = &node.kind else {
            let message = format!("steps are a list, not {}", node.describe());
            self.report.error(node.at, message, Some("begin each step with `- `".into()));
            return Vec::new();
        };
        if around.depth > MAX_NESTING {
            self.report.error(node.at, format!("steps are nested deeper than {MAX_NESTING}"), None);
            return Vec::new();
        }
        let mut list: Vec<Ix> = Vec::new();
        let mut waits = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            if self.steps.len() >= MAX_STEPS {
                let message = format!("the flow has more than {MAX_STEPS} steps");
                self.report.error(node.at, message, Some("split it into several flows".into()));
                break;
            }
            let Some(ix) = self.step(node, index, around) else {
                continue;
            };
            let Some(path) = self.steps.get(ix).map(|step| step.path.clone()) else {
                continue;
            };
            if let Some(draft) = self.drafts.get_mut(ix) {
                draft.waits_above.clone_from(&waits);
                if draft.is_wait {
                    waits.push(ix);
                }
            }
            let taken = list.iter().filter_map(|other| self.steps.get(*other)).any(|other| other.path == path);
            // Two equal ids are told once, by the ids themselves.
            if taken && self.steps.get(ix).is_some_and(|step| step.id.is_none() || !self.has_twin(ix)) {
                let message = format!("two steps of this list have the path `{path}`");
                self.report.error(node.at, message, Some("choose another id".into()));
            }
            list.push(ix);
        }
        list
    }

    fn has_twin(&self, ix: Ix) -> bool {
        let id = self.steps.get(ix).and_then(|step| step.id.as_ref());
        id.is_some() && self.steps.iter().enumerate().any(|(other, step)| other != ix && step.id.as_ref() == id)
    }

    fn step(&mut self, node: &Node, index: usize, around: &Around) -> Option<Ix> {
        let Kind::Map(entries) = &node.kind else {
            let message = format!("a step is a mapping, not {}", node.describe());
            self.report.error(node.at, message, Some("write `- do: provider.action`".into()));
            return None;
        };
        let kinds: Vec<&str> = entries
            .iter()
            .map(|entry| entry.key.as_str())
            .filter(|key| matches!(*key, "do" | "each" | "wait"))
            .collect();
        let (known, what, prefix) = match kinds.as_slice() {
            ["do"] => (DO_FIELDS, "a `do` step", "s"),
            ["each"] => (EACH_FIELDS, "an `each` step", "each"),
            ["wait"] => (WAIT_FIELDS, "a `wait` step", "wait"),
            [] => {
                let wrong = entries.iter().find(|entry| !DO_FIELDS.contains(&entry.key.as_str()));
                let wrong = wrong.map_or("", |entry| entry.key.as_str());
                let suggestion = did_you_mean(wrong, ["do", "each", "wait"]);
                self.report.error(node.at, "a step has one of `do`, `each` and `wait`", suggestion);
                return None;
            }
            _ => {
                let message = "a step has only one of `do`, `each` and `wait`";
                self.report.error(node.at, message, Some("make two steps of it".into()));
                return None;
            }
        };
        let fields = self.fields(node, known, what)?;
        let id = fields.get("id").and_then(|entry| self.name(&entry.value, "id"));
        let own = match &id {
            Some(id) => id.clone(),
            None if around.otherwise_of.is_some() && prefix == "s" => index.to_string(),
            None => format!("{prefix}{index}"),
        };
        // The place is taken before what is inside, so that numbers follow the file.
        let ix = self.steps.len();
        let nothing = Wait { until: Until::Events(Vec::new()), timeout: None, cancel_on: Vec::new(), lawful: None };
        self.steps.push(Step {
            id,
            path: format!("{}{own}", around.prefix),
            eaches: around.eaches.clone(),
            otherwise_of: around.otherwise_of,
            line: node.at.line,
            when: None,
            after: Vec::new(),
            models: BTreeSet::new(),
            watchers: Vec::new(),
            result_used: false,
            kind: StepKind::Wait(nothing),
        });
        self.drafts.push(Draft { at: node.at, is_wait: prefix == "wait", ..Draft::default() });
        let place = Place { step: Some(ix), vars: around.vars.clone(), events: None };
        if let Some(entry) = fields.get("needs") {
            let needs = self.needs(&entry.value);
            if let Some(draft) = self.drafts.get_mut(ix) {
                draft.needs = needs;
            }
        }
        let when = fields.get("when").and_then(|entry| self.condition(&entry.value, &place));
        let kind = match kinds.first().copied() {
            Some("do") => self.action(ix, &fields, &place, around),
            Some("each") => self.each(ix, node.at, &fields, &place, around),
            _ => self.wait(&fields, &place),
        };
        if let Some(step) = self.steps.get_mut(ix) {
            step.when = when;
            if let Some(kind) = kind {
                step.kind = kind;
            }
        }
        Some(ix)
    }

    fn needs(&mut self, node: &Node) -> Vec<(At, String)> {
        let nodes: Vec<&Node> = match &node.kind {
            Kind::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut needs = Vec::new();
        for node in nodes {
            match node.text() {
                Some(text) => needs.push((node.at, text.to_owned())),
                None => {
                    self.report.error(node.at, format!("`needs` is a list of ids, not {}", node.describe()), None);
                }
            }
        }
        needs
    }

    fn each(&mut self, ix: Ix, at: At, fields: &Fields<'_>, place: &Place, around: &Around) -> Option<StepKind> {
        let entry = fields.get("each")?;
        let list = match entry.value.text() {
            Some(text) if is_template(text) => self.template(&entry.value, text, place),
            _ => {
                let suggestion = "write `each: \"{{ order.tickets }}\"`";
                self.report.error(entry.value.at, "`each` is an expression that gives a list", Some(suggestion.into()));
                None
            }
        };
        let name = match fields.get("as") {
            Some(entry) => self.variable(&entry.value),
            None => {
                let message = "an `each` step needs `as`: the name of one item";
                self.report.error(at, message, Some("add `as: item`".into()));
                None
            }
        };
        // The item's fields are known when the list is one path.
        let item = list.as_ref().and_then(|list| list.plain_path()).and_then(|(root, path)| {
            let outer = around.vars.iter().rev().find(|var| var.name == *root);
            let (root, mut full) = match outer {
                Some(outer) => outer.list.clone()?,
                None => (root.to_owned(), Vec::new()),
            };
            full.extend(path.iter().cloned());
            full.push(Seg::Any);
            Some((root, full))
        });
        // With an unknown name, what is inside is still read: its own problems are found too.
        let name = name.unwrap_or_default();
        let mut inner = around.clone();
        inner.prefix = format!("{}.", self.steps.get(ix).map_or("", |step| &step.path));
        inner.eaches.push(ix);
        inner.vars.push(Var { name: name.clone(), list: item });
        inner.otherwise_of = None;
        inner.depth += 1;
        let steps = match fields.get("steps") {
            Some(entry) => {
                let steps = self.list(&entry.value, &inner);
                if steps.is_empty() && !self.report.failed() {
                    self.report.error(entry.value.at, "the `each` step has no steps", None);
                }
                steps
            }
            None => self.missing(at, "an `each` step needs `steps`", "add `steps:` with what to do for one item"),
        };
        Some(StepKind::Each(Each { list: list?, name, steps }))
    }

    fn variable(&mut self, node: &Node) -> Option<String> {
        let name = self.name(node, "as")?;
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if !plain || matches!(name.as_str(), "event" | "data" | "now" | "config" | "steps") {
            let suggestion = "use letters, digits and `_`, and none of `event`, `data`, `now`, `config`, `steps`";
            self.report.error(node.at, format!("`{name}` cannot be the name of an item"), Some(suggestion.into()));
            return None;
        }
        Some(name)
    }
}
