//! A compiled flow: what [`compile`](crate::compile) makes and what runs are stepped by. Never
//! changes; a run keeps only what was decided, by the paths that are named here.

use crate::problem::Problem;
use crate::template::Template;
use crate::template::uses::Seg;
use crate::words::{Class, OnDead, OnUnknown};
use minijinja::Environment;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Number of a step in its flow.
pub(crate) type Ix = usize;

/// A compiled flow (design.md 4.2). Made by [`compile`](crate::compile); shared between threads.
pub struct Flow {
    /// Name: `boleta-confirmada`.
    pub name: String,
    /// Version that the author gave.
    pub version: u32,
    /// Title per language.
    pub title: BTreeMap<String, String>,
    /// Event types that begin it.
    pub on: Vec<String>,
    /// Where its text comes from.
    pub origin: crate::catalog::Origin,
    /// The text it was compiled from.
    pub source: String,
    /// What a person should know about it.
    pub notes: Vec<Problem>,
    /// What it plans and the law forbids whatever happens. A new flow with any of it is refused; one whose runs are
    /// under way goes on, and its messages are decided one by one.
    pub unlawful: Vec<Problem>,
    pub(crate) when: Option<Condition>,
    pub(crate) key: Option<Tree>,
    pub(crate) steps: Vec<Step>,
    pub(crate) top: Vec<Ix>,
    pub(crate) models: BTreeSet<String>,
    pub(crate) env: Environment<'static>,
    pub(crate) by_id: HashMap<String, Ix>,
    /// Steps by their path without item numbers.
    pub(crate) by_path: HashMap<String, Ix>,
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Flow({} v{}, {} steps)", self.name, self.version, self.steps.len())
    }
}

/// One step, wherever it stands.
pub(crate) struct Step {
    pub(crate) id: Option<String>,
    /// Path without item numbers: `each2.boleta`.
    pub(crate) path: String,
    /// The `each` steps around it, outermost first.
    pub(crate) eaches: Vec<Ix>,
    /// The step whose `otherwise` list it stands in.
    pub(crate) otherwise_of: Option<Ix>,
    pub(crate) line: u32,
    pub(crate) when: Option<Condition>,
    /// Steps that it waits for and whether it uses their results.
    pub(crate) after: Vec<After>,
    /// Read models that it needs.
    pub(crate) models: BTreeSet<String>,
    /// `each` steps that do not hold this one and whose bodies wait for it.
    pub(crate) watchers: Vec<Ix>,
    /// Do expressions read its result? Else it is not kept.
    pub(crate) result_used: bool,
    pub(crate) kind: StepKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct After {
    pub(crate) step: Ix,
    /// Its result is used, not only its outcome.
    pub(crate) result: bool,
}

pub(crate) enum StepKind {
    Do(Box<Action>),
    Each(Each),
    Wait(Wait),
}

pub(crate) struct Action {
    pub(crate) connection: String,
    pub(crate) action: String,
    pub(crate) with: Tree,
    pub(crate) class: Option<Class>,
    pub(crate) purpose: Option<String>,
    pub(crate) on_unknown: OnUnknown,
    pub(crate) on_dead: OnDead,
    pub(crate) give_up_after: Option<Duration>,
    /// Of no use after this moment.
    pub(crate) expires: Option<Tree>,
    pub(crate) otherwise: Vec<Ix>,
    /// `None` only in flows that did not compile.
    pub(crate) input: Option<jsonschema::Validator>,
}

pub(crate) struct Each {
    pub(crate) list: Template,
    pub(crate) name: String,
    pub(crate) steps: Vec<Ix>,
}

pub(crate) struct Wait {
    pub(crate) until: Until,
    pub(crate) timeout: Option<Duration>,
    pub(crate) cancel_on: Vec<Cancel>,
    /// `latest_before`: kept for the engine, which knows the hours of contact.
    pub(crate) lawful: Option<String>,
}

impl Wait {
    /// Does it name events, to go on or to be cancelled?
    fn listens(&self) -> bool {
        !self.cancel_on.is_empty() || matches!(self.until, Until::Events(_))
    }
}

pub(crate) enum Until {
    /// A moment.
    Moment(Tree),
    /// A length of time, from when the wait begins.
    Length(Tree),
    /// An event of the run's key.
    Events(Vec<String>),
}

pub(crate) struct Cancel {
    pub(crate) event: String,
    pub(crate) when: Option<Condition>,
}

pub(crate) enum Condition {
    Fixed(bool),
    Expr(Template),
}

/// A value of the file with templates in it.
pub(crate) enum Tree {
    Fixed(Value),
    Expr(Template),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// As written.
    pub(crate) fn source(&self) -> Value {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Expr(template) => Value::String(template.source.clone()),
            Self::List(items) => items.iter().map(Self::source).collect(),
            Self::Map(fields) => {
                Value::Object(fields.iter().map(|(name, item)| (name.clone(), item.source())).collect())
            }
        }
    }
}

impl Step {
    /// Its id, or its path when it has none, for messages.
    pub(crate) fn shown(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.path)
    }
}

/// `steps.x` of a use: the id, and whether more than the outcome is read.
pub(crate) fn step_use(path: &[Seg]) -> Option<(&str, bool)> {
    let Some(Seg::Field(id)) = path.first() else {
        return None;
    };
    let field = path.iter().skip(1).find_map(|seg| match seg {
        Seg::Field(name) => Some(name.as_str()),
        Seg::Index(_) | Seg::Any => None,
    });
    Some((id, field != Some("outcome")))
}

impl Flow {
    /// Read models that its expressions use; load or fetch them before [`Flow::start`] and
    /// [`Flow::advance`]. `buyer` is taken out of `order`, so it is `order` that is named here.
    #[must_use]
    pub fn models(&self) -> &BTreeSet<String> {
        &self.models
    }

    /// May a run of it ever listen to events: does any wait name events or a `cancel_on`?
    #[must_use]
    pub fn may_listen(&self) -> bool {
        self.steps.iter().any(|s| matches!(&s.kind, StepKind::Wait(w) if w.listens()))
    }

    /// The steps with their paths, actions and places, for screens.
    #[must_use]
    pub fn outline(&self) -> Value {
        json!({
            "flow": self.name,
            "version": self.version,
            "title": self.title,
            "on": self.on,
            "when": self.when.as_ref().map(condition_text),
            "key": self.key.as_ref().map(Tree::source),
            "models": self.models,
            "steps": self.outline_of(&self.top),
        })
    }

    fn outline_of(&self, list: &[Ix]) -> Value {
        list.iter().filter_map(|ix| self.steps.get(*ix)).map(|step| self.outline_step(step)).collect()
    }

    fn outline_step(&self, step: &Step) -> Value {
        let mut out = Map::new();
        out.insert("path".into(), step.path.clone().into());
        out.insert("line".into(), step.line.into());
        if let Some(id) = &step.id {
            out.insert("id".into(), id.clone().into());
        }
        if let Some(when) = &step.when {
            out.insert("when".into(), condition_text(when));
        }
        let after: BTreeSet<&str> =
            step.after.iter().filter_map(|after| self.steps.get(after.step)).map(|step| step.path.as_str()).collect();
        if !after.is_empty() {
            out.insert("after".into(), json!(after));
        }
        match &step.kind {
            StepKind::Do(action) => self.outline_action(action, &mut out),
            StepKind::Each(each) => {
                out.insert("kind".into(), "each".into());
                out.insert("each".into(), each.list.source.clone().into());
                out.insert("as".into(), each.name.clone().into());
                out.insert("steps".into(), self.outline_of(&each.steps));
            }
            StepKind::Wait(wait) => outline_wait(wait, &mut out),
        }
        Value::Object(out)
    }

    fn outline_action(&self, action: &Action, out: &mut Map<String, Value>) {
        out.insert("kind".into(), "do".into());
        out.insert("do".into(), format!("{}.{}", action.connection, action.action).into());
        out.insert("connection".into(), action.connection.clone().into());
        out.insert("action".into(), action.action.clone().into());
        out.insert("with".into(), action.with.source());
        out.insert("class".into(), json!(action.class));
        out.insert("purpose".into(), json!(action.purpose));
        out.insert("on_unknown".into(), json!(action.on_unknown));
        out.insert("on_dead".into(), json!(action.on_dead));
        if let Some(expires) = &action.expires {
            out.insert("expires".into(), expires.source());
        }
        if !action.otherwise.is_empty() {
            out.insert("otherwise".into(), self.outline_of(&action.otherwise));
        }
    }
}

fn outline_wait(wait: &Wait, out: &mut Map<String, Value>) {
    out.insert("kind".into(), "wait".into());
    match &wait.until {
        Until::Moment(tree) => out.insert("until".into(), tree.source()),
        Until::Length(tree) => out.insert("for".into(), tree.source()),
        Until::Events(types) => out.insert("for".into(), json!(types)),
    };
    if let Some(timeout) = wait.timeout {
        out.insert("timeout_seconds".into(), timeout.as_secs().into());
    }
    out.insert("lawful".into(), json!(wait.lawful));
    let cancel: Vec<&str> = wait.cancel_on.iter().map(|cancel| cancel.event.as_str()).collect();
    out.insert("cancel_on".into(), json!(cancel));
}

pub(crate) fn condition_text(condition: &Condition) -> Value {
    match condition {
        Condition::Fixed(value) => Value::Bool(*value),
        Condition::Expr(template) => Value::String(template.source.clone()),
    }
}
