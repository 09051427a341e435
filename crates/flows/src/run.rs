//! Steps runs of a flow: what begins now, what an outcome, a timer or an event changes. Pure: the
//! caller brings the facts and the time, keeps the [`RunState`](crate::RunState), and does the effects.

mod advance;
mod begin;
mod events;
mod names;
mod order;

pub use order::step_of;

pub(crate) use names::View;

use crate::flow::{Flow, Tree};
use crate::state::RunState;
use crate::template::eval::{EvalError, Names};
use crate::words::{Class, OnDead, OnUnknown, Urgency};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What a flow sees.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The event's envelope (design.md 5.3).
    pub event: &'a Value,
    /// The event's payload.
    pub data: &'a Value,
    /// Read models by name. JSON `null` says that there is none; an absent name is not loaded.
    pub models: &'a BTreeMap<String, Arc<Value>>,
    /// `config.vars`.
    pub vars: &'a Value,
    /// The time, by the injected clock.
    pub now: Timestamp,
}

/// What an event does to a flow.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// Nothing: the flow's `when` does not hold.
    Skip {
        /// Why, for the screen.
        why: String,
    },
    /// A run begins; call [`Flow::advance`].
    Run {
        /// What the run is about: its lane and what `cancel_on` matches.
        key: String,
        /// State to keep.
        state: RunState,
    },
}

/// What begins now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Advance {
    /// Calls to make, in the order of the file.
    pub effects: Vec<NewEffect>,
    /// Timers to set: path of the wait, moment.
    pub timers: Vec<(String, Timestamp)>,
    /// Nothing is running and nothing is waiting.
    pub finished: bool,
    /// The budget was used up: call again.
    pub more: bool,
    /// Steps that could not be rendered: path, why. They are recorded as given up (`invalid_input`).
    pub failures: Vec<(String, String)>,
    /// Read models that steps wait for: load or fetch them, then call again.
    pub missing: BTreeSet<String>,
}

/// A call that a run wants made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEffect {
    /// Path of the step: `persona`, `each1[0].boleta`, `boleta.otherwise.0`. With the run it is the
    /// idempotency key.
    pub path: String,
    /// Connection that does it.
    pub connection: String,
    /// Action of its connector.
    pub action: String,
    /// Input, valid by the action's schema.
    pub input: Value,
    /// Class of a message.
    pub class: Option<Class>,
    /// What the data is used for (Ley 1581).
    pub purpose: Option<String>,
    /// How soon.
    pub urgency: Urgency,
    /// What follows when it is not known whether it was done.
    pub on_unknown: OnUnknown,
    /// What follows when it is dead.
    pub on_dead: OnDead,
    /// How long it is tried, if the flow says so.
    pub give_up_after: Option<Duration>,
    /// Of no use after this moment: an invitation after the show is not sent.
    pub expires: Option<Timestamp>,
}

/// How an effect ended.
#[derive(Debug, Clone, PartialEq)]
pub enum StepOutcome {
    /// The provider did it.
    Done {
        /// Its result.
        result: Value,
    },
    /// It never will be: `GiveUp`, `TargetGone`. Starts `otherwise`.
    GaveUp {
        /// Stable code.
        code: String,
        /// In words.
        why: String,
    },
    /// Accepted first, failed later. Starts `otherwise`.
    LateFailure {
        /// Stable code.
        code: String,
        /// In words.
        why: String,
    },
    /// No status came in time; not a failure.
    Unsettled,
    /// A person must look at it.
    Dead {
        /// In words.
        why: String,
    },
    /// It is not known whether it was done.
    Unknown {
        /// In words.
        why: String,
    },
    /// A person dropped it.
    Dropped,
    /// The law forbids it.
    Withheld {
        /// The rule.
        rule: String,
    },
}

/// What an event did to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventEffect {
    /// Nothing.
    None,
    /// A wait is over; call [`Flow::advance`].
    Resumed,
    /// Nothing more begins; withdraw what was not sent.
    Cancelled {
        /// Why.
        why: String,
    },
}

impl Flow {
    /// Does the event begin a run?
    ///
    /// # Errors
    /// When a read model is not loaded, or `when` or `key` has no value.
    pub fn start(&self, scope: &Scope<'_>) -> Result<Start, EvalError> {
        let view = View { flow: self, run: None, scope, step: None, items: &[], explain: false };
        if let Some(when) = &self.when
            && !self.holds(when, &view)?
        {
            let why = format!("`when` does not hold: {}", crate::flow::condition_text(when));
            return Ok(Start::Skip { why });
        }
        let key = match &self.key {
            Some(tree) => self.value(tree, &view)?,
            None => scope.event.get("key").cloned().unwrap_or(Value::Null),
        };
        let key = match key {
            Value::String(text) if !text.trim().is_empty() => text,
            Value::Number(number) => number.to_string(),
            _ => {
                return Err(EvalError::Failed {
                    line: 1,
                    message: "the run's key is empty: a key is a text or a number".into(),
                });
            }
        };
        Ok(Start::Run { key, state: RunState::default() })
    }

    pub(crate) fn holds(&self, condition: &crate::flow::Condition, names: &dyn Names) -> Result<bool, EvalError> {
        match condition {
            crate::flow::Condition::Fixed(value) => Ok(*value),
            crate::flow::Condition::Expr(template) => template.holds(&self.env, names),
        }
    }

    pub(crate) fn value(&self, tree: &Tree, names: &dyn Names) -> Result<Value, EvalError> {
        Ok(match tree {
            Tree::Fixed(value) => value.clone(),
            Tree::Expr(template) => template.eval(&self.env, names)?,
            Tree::List(items) => {
                Value::Array(items.iter().map(|item| self.value(item, names)).collect::<Result<_, _>>()?)
            }
            Tree::Map(fields) => {
                let mut object = Map::new();
                for (name, item) in fields {
                    object.insert(name.clone(), self.value(item, names)?);
                }
                Value::Object(object)
            }
        })
    }
}
