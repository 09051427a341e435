//! stub
#![allow(missing_docs)]
use jiff::Timestamp;
use serde::*;
use serde_json::Value;
use std::collections::*;
use std::sync::Arc;
use std::time::Duration;
pub enum Origin {
    BuiltIn,
    File,
}
pub trait Catalog {
    fn action(&self, name: &str) -> Result<ActionInfo, Unresolved>;
    fn actions(&self) -> Vec<String>;
    fn event_types(&self) -> Vec<String>;
    fn is_event_type(&self, t: &str) -> bool;
    fn schema(&self, name: &str) -> Option<Value>;
}
pub struct ActionInfo {
    pub connection: String,
    pub action: String,
    pub input: Value,
    pub output: Value,
    pub message: bool,
}
pub enum Unresolved {
    Unknown,
    NotConfigured { provider: String },
    Ambiguous { connections: Vec<String> },
}
pub fn compile(_f: &str, _t: &str, _o: Origin, _c: &dyn Catalog) -> Result<Flow, Vec<Problem>> {
    Err(vec![])
}
#[derive(Clone, Debug)]
pub struct Problem {
    pub file: String,
    pub line: u32,
    pub column: u32,
    pub message: String,
    pub suggestion: Option<String>,
}
impl std::fmt::Display for Problem {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
pub struct Flow {
    pub name: String,
    pub version: u32,
    pub title: BTreeMap<String, String>,
    pub on: Vec<String>,
    pub source: String,
    pub notes: Vec<Problem>,
    m: BTreeSet<String>,
}
#[derive(Debug)]
pub struct EvalError;
impl std::fmt::Display for EvalError {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
pub enum Start {
    Skip { why: String },
    Run { key: String, state: RunState },
}
impl Flow {
    pub fn models(&self) -> &BTreeSet<String> {
        &self.m
    }
    pub fn may_listen(&self) -> bool {
        false
    }
    pub fn start(&self, _s: &Scope<'_>) -> Result<Start, EvalError> {
        Err(EvalError)
    }
    pub fn advance(&self, _r: &mut RunState, _s: &Scope<'_>, _b: usize) -> Advance {
        todo!()
    }
    pub fn on_outcome(&self, _r: &mut RunState, _p: &str, _o: StepOutcome) {}
    pub fn on_timer(&self, _r: &mut RunState, _p: &str) {}
    pub fn on_event(&self, _r: &mut RunState, _t: &str, _s: &Scope<'_>) -> EventEffect {
        EventEffect::None
    }
    pub fn listening(&self, _r: &RunState) -> Vec<String> {
        vec![]
    }
    pub fn rearm(&self, _r: &mut RunState, _s: &Scope<'_>) -> Vec<(String, Timestamp)> {
        vec![]
    }
}
pub enum EventEffect {
    None,
    Resumed,
    Cancelled { why: String },
}
pub struct Scope<'a> {
    pub event: &'a Value,
    pub data: &'a Value,
    pub models: &'a BTreeMap<String, Arc<Value>>,
    pub vars: &'a Value,
    pub now: Timestamp,
}
pub struct Advance {
    pub effects: Vec<NewEffect>,
    pub timers: Vec<(String, Timestamp)>,
    pub finished: bool,
    pub more: bool,
    pub failures: Vec<(String, String)>,
}
pub struct NewEffect {
    pub path: String,
    pub connection: String,
    pub action: String,
    pub input: Value,
    pub class: Option<Class>,
    pub purpose: Option<String>,
    pub urgency: Urgency,
    pub on_unknown: OnUnknown,
    pub on_dead: OnDead,
    pub give_up_after: Option<Duration>,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    A,
}
impl Class {
    pub fn as_str(self) -> &'static str {
        ""
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Urgency {
    Urgent,
    Normal,
    Bulk,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnUnknown {
    Hold,
    Resend,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnDead {
    Park,
    Skip,
}
#[derive(Clone, Debug)]
pub enum StepOutcome {
    Done { result: Value },
    GaveUp { code: String, why: String },
    LateFailure { code: String, why: String },
    Unsettled,
    Dead { why: String },
    Unknown { why: String },
    Dropped,
    Withheld { rule: String },
}
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunState;
impl RunState {
    pub fn summary(&self) -> Value {
        Value::Null
    }
}
