//! The flow language of the hub (design.md 4.2, engine.md "Flow semantics"): parse, check, step.
//!
//! Pure: no I/O, no clock, no randomness. [`compile`] turns the text of a flow file into a
//! [`Flow`], or into a list of [`Problem`]s with line, column and suggestion. A [`Flow`] steps a
//! [`RunState`]: [`Flow::start`], then [`Flow::advance`] after every outcome, timer and event.
//! The caller does the effects and keeps the state; nothing here knows of HTTP or of a store.

mod catalog;
mod compile;
mod duration;
mod explain;
mod flow;
mod problem;
mod run;
mod schema;
mod state;
mod template;
mod words;
mod yaml;

pub use catalog::{ActionInfo, Catalog, Origin, TemplateText, Unresolved};
pub use compile::compile;
pub use duration::{InvalidDuration, parse_duration};
pub use explain::{ExplainedStep, Explanation};
pub use flow::Flow;
pub use problem::{Problem, Severity};
pub use run::{Advance, EventEffect, NewEffect, Scope, Start, StepOutcome, step_of};
pub use state::RunState;
pub use template::eval::EvalError;
pub use words::{Class, OnDead, OnUnknown, Urgency};
