//! From the text of a flow file to a [`Flow`], or to everything that is wrong with it: all
//! findings of one reading, each with its place and what to write instead.

mod actions;
mod fields;
mod graph;
mod inputs;
mod lawful;
mod paths;
mod steps;
mod values;
mod waits;

use crate::catalog::{Catalog, Origin};
use crate::flow::{Flow, Ix, Step};
use crate::problem::{At, Problem, Report};
use crate::template::environment;
use crate::words::{OnDead, OnUnknown};
use crate::yaml::{Entry, Node};
use minijinja::Environment;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

const FLOW_FIELDS: &[&str] =
    &["flow", "version", "title", "on", "when", "key", "steps", "on_unknown", "on_dead", "give_up_after"];

/// Reads, checks and compiles one flow file.
///
/// # Errors
/// Everything that is wrong, in the order of the file; notes among it.
pub fn compile(file: &str, text: &str, origin: Origin, catalog: &dyn Catalog) -> Result<Flow, Vec<Problem>> {
    let mut report = Report::new(file);
    let Some(document) = crate::yaml::parse(text, &mut report) else {
        return Err(report.into_problems());
    };
    let mut compiler = Compiler::new(text, origin, catalog, report);
    let head = compiler.head(&document);
    compiler.finish(head, text)
}

/// Fields of a mapping, known ones only.
type Fields<'n> = HashMap<&'n str, &'n Entry>;

struct Compiler<'a> {
    origin: Origin,
    catalog: &'a dyn Catalog,
    report: Report,
    lines: Vec<&'a str>,
    env: Environment<'static>,
    /// Event types that begin the flow.
    on: Vec<String>,
    steps: Vec<Step>,
    drafts: Vec<Draft>,
    /// Schemas by name, asked for once.
    schemas: HashMap<String, Option<Value>>,
    models: BTreeSet<String>,
    /// Those of them that the head and what is listened to need, whichever steps are left out.
    lasting: BTreeSet<String>,
    defaults: Defaults,
}

/// What is known of a step until the whole file is read.
#[derive(Default)]
struct Draft {
    at: At,
    /// Names of `needs`.
    needs: Vec<(At, String)>,
    /// `steps.x` in its expressions.
    uses: Vec<StepUse>,
    /// `steps.x` in its `cancel_on`: not waited for.
    glances: Vec<StepUse>,
    is_wait: bool,
    /// Steps above it in the same list that are waits.
    waits_above: Vec<Ix>,
    /// Left out: its provider is not configured.
    absent: bool,
    /// Fields of its result, when its action tells them.
    output: Option<Vec<String>>,
    /// The message that it is.
    message: Option<lawful::Planned>,
}

#[derive(Clone)]
struct StepUse {
    at: At,
    id: String,
    /// More than the outcome.
    result: bool,
    /// The field of the result.
    field: Option<String>,
}

#[derive(Clone, Copy, Default)]
struct Defaults {
    on_unknown: Option<OnUnknown>,
    on_dead: Option<OnDead>,
    give_up_after: Option<Duration>,
}

#[derive(Default)]
struct Head {
    name: String,
    version: u32,
    title: BTreeMap<String, String>,
    when: Option<crate::flow::Condition>,
    key: Option<crate::flow::Tree>,
    top: Vec<Ix>,
}

impl<'a> Compiler<'a> {
    fn new(text: &'a str, origin: Origin, catalog: &'a dyn Catalog, report: Report) -> Self {
        Self {
            origin,
            catalog,
            report,
            lines: text.lines().collect(),
            env: environment(),
            on: Vec::new(),
            steps: Vec::new(),
            drafts: Vec::new(),
            schemas: HashMap::new(),
            models: BTreeSet::new(),
            lasting: BTreeSet::new(),
            defaults: Defaults::default(),
        }
    }

    fn head(&mut self, document: &Node) -> Head {
        let mut head = Head::default();
        let Some(fields) = self.fields(document, FLOW_FIELDS, "a flow") else {
            return head;
        };
        head.name = match fields.get("flow") {
            Some(entry) => self.name(&entry.value, "flow").unwrap_or_default(),
            None => self.missing(document.at, "the flow has no name", "begin the file with `flow: a-name`"),
        };
        head.version = match fields.get("version") {
            Some(entry) => self.version(&entry.value),
            None => {
                self.missing(document.at, "the flow has no version", "add `version: 1`, and raise it with every change")
            }
        };
        if let Some(entry) = fields.get("title") {
            head.title = self.title(&entry.value);
        }
        match fields.get("on") {
            Some(entry) => self.on = self.event_types(&entry.value),
            None => self.missing(document.at, "the flow does not say which event begins it", "add `on: order.paid`"),
        }
        self.defaults = Defaults {
            on_unknown: fields
                .get("on_unknown")
                .and_then(|entry| self.word(&entry.value, OnUnknown::from_word, OnUnknown::ALL)),
            on_dead: fields.get("on_dead").and_then(|entry| self.word(&entry.value, OnDead::from_word, OnDead::ALL)),
            give_up_after: fields.get("give_up_after").and_then(|entry| self.length(&entry.value)),
        };
        let head_values = values::Place::head();
        head.when = fields.get("when").and_then(|entry| self.condition(&entry.value, &head_values));
        head.key = fields.get("key").and_then(|entry| self.tree(&entry.value, &head_values));
        match fields.get("steps") {
            Some(entry) => {
                head.top = self.list(&entry.value, &steps::Around::default());
                if head.top.is_empty() && !self.report.failed() {
                    self.report.error(
                        entry.value.at,
                        "the flow has no steps",
                        Some("add `- do: provider.action`".into()),
                    );
                }
            }
            None => self.missing(
                document.at,
                "the flow has no steps",
                "add `steps:` with a list of `- do: provider.action`",
            ),
        }
        head
    }

    fn finish(mut self, head: Head, text: &str) -> Result<Flow, Vec<Problem>> {
        let ids = self.link();
        if self.report.failed() {
            return Err(self.report.into_problems());
        }
        // What only a step uses that is left out is not waited for, and not read.
        let (steps, drafts, lasting) = (&self.steps, &self.drafts, &self.lasting);
        let used = |model: &String| {
            let present = steps.iter().zip(drafts).filter(|(_, draft)| !draft.absent);
            lasting.contains(model) || present.into_iter().any(|(step, _)| step.models.contains(model))
        };
        let models = self.models.iter().filter(|model| used(model)).cloned().collect();
        let unlawful = self.unlawful();
        let mut flow = Flow {
            unlawful,
            name: head.name,
            version: head.version,
            title: head.title,
            on: self.on,
            origin: self.origin,
            source: text.to_owned(),
            notes: self.report.into_problems(),
            when: head.when,
            key: head.key,
            by_path: self.steps.iter().enumerate().map(|(ix, step)| (step.path.clone(), ix)).collect(),
            steps: self.steps,
            top: head.top,
            models,
            env: self.env,
            by_id: ids,
        };
        let absent = |ix: &Ix| self.drafts.get(*ix).is_none_or(|draft| draft.absent);
        graph::prune(&mut flow, &absent);
        Ok(flow)
    }

    /// Reports what is missing; an empty value stands for it, so that reading goes on.
    fn missing<T: Default>(&mut self, at: At, what: &str, todo: &str) -> T {
        self.report.error(at, what, Some(todo.to_owned()));
        T::default()
    }

    fn schema(&mut self, name: &str) -> Option<Value> {
        let catalog = self.catalog;
        self.schemas.entry(name.to_owned()).or_insert_with(|| catalog.schema(name)).clone()
    }
}
