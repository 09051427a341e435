//! What a flow would do with an event, without doing it. Waits elapse at once, effects are done at
//! once; what their results would hold is shown by its name.

use crate::flow::{Flow, Ix, Step, StepKind, Until, condition_text};
use crate::run::{NewEffect, Scope, Start, StepOutcome};
use crate::state::{Mark, RunState};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;

/// Most effects that are shown.
const MAX_EFFECTS: usize = 1_000;

/// What would happen, in the order of the file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Name of the flow.
    pub flow: String,
    /// Its version.
    pub version: u32,
    /// The run's key, if a run would begin.
    pub key: Option<String>,
    /// Why no run would begin.
    pub skipped: Option<String>,
    /// All steps, items one by one.
    pub steps: Vec<ExplainedStep>,
}

/// One step of an [`Explanation`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedStep {
    /// Its path.
    pub path: String,
    /// Line in the file.
    pub line: u32,
    /// `do`, `each`, `wait`, `skip`, `fail`, `otherwise`, `blocked`.
    pub what: &'static str,
    /// `connection.action` of an effect.
    pub action: Option<String>,
    /// Class of a message.
    pub class: Option<crate::Class>,
    /// Rendered input of an effect.
    pub input: Option<Value>,
    /// Moment of a wait.
    pub at: Option<Timestamp>,
    /// What it waits for, why it is skipped, how many items.
    pub why: Option<String>,
}

impl Flow {
    /// What would happen for an event. Read models that are not in the scope are named as what
    /// their steps wait for.
    #[must_use]
    pub fn explain(&self, scope: &Scope<'_>) -> Explanation {
        let mut out =
            Explanation { flow: self.name.clone(), version: self.version, key: None, skipped: None, steps: Vec::new() };
        let mut run = match self.start(scope) {
            Ok(Start::Run { key, state }) => {
                out.key = Some(key);
                state
            }
            Ok(Start::Skip { why }) => {
                out.skipped = Some(why);
                return out;
            }
            Err(error) => {
                out.skipped = Some(error.to_string());
                return out;
            }
        };
        let mut effects = HashMap::new();
        let missing = self.play(&mut run, scope, &mut effects);
        let told = Told { flow: self, run: &run, effects: &effects, missing };
        told.list(&self.top, &mut Vec::new(), &mut out.steps);
        out
    }

    /// Runs to the end; the names of read models that are missing, if it cannot.
    fn play(&self, run: &mut RunState, scope: &Scope<'_>, effects: &mut HashMap<String, NewEffect>) -> String {
        // Every round ends at least one step, and there are no more than this.
        for _ in 0..2 * MAX_EFFECTS {
            let advance = self.advance_with(run, scope, 100, true);
            for effect in advance.effects {
                self.on_outcome(run, &effect.path, StepOutcome::Done { result: Value::Null });
                effects.insert(effect.path.clone(), effect);
            }
            let waits: Vec<String> = run.waits.iter().cloned().collect();
            for path in &waits {
                if let Some((ix, items)) = self.locate(path) {
                    self.end_wait(run, path, ix, &items, Mark::Elapsed);
                }
            }
            let missing = advance.missing.into_iter().collect::<Vec<_>>().join(", ");
            if advance.finished
                || effects.len() >= MAX_EFFECTS
                || (!missing.is_empty() && waits.is_empty() && !advance.more)
            {
                return missing;
            }
        }
        String::new()
    }
}

struct Told<'a> {
    flow: &'a Flow,
    run: &'a RunState,
    effects: &'a HashMap<String, NewEffect>,
    missing: String,
}

impl Told<'_> {
    fn list(&self, list: &[Ix], items: &mut Vec<usize>, out: &mut Vec<ExplainedStep>) {
        for ix in list {
            let Some(step) = self.flow.steps.get(*ix) else {
                continue;
            };
            let path = self.flow.path(*ix, items).into_owned();
            out.push(self.step(step, &path));
            match &step.kind {
                StepKind::Do(action) if !action.otherwise.is_empty() => {
                    if self.run.steps.get(&path).is_some_and(|rec| rec.otherwise) {
                        self.list(&action.otherwise, items, out);
                    } else if self.effects.contains_key(&path) {
                        for ix in &action.otherwise {
                            out.extend(self.flow.steps.get(*ix).map(|step| self.only_if_it_fails(step, *ix, items)));
                        }
                    }
                }
                StepKind::Each(each) => {
                    let count =
                        self.run.steps.get(&path).and_then(|rec| rec.items.as_ref()).map_or(0, |items| items.next);
                    for index in 0..count {
                        items.push(index);
                        self.list(&each.steps, items, out);
                        items.pop();
                    }
                }
                _ => {}
            }
        }
    }

    fn only_if_it_fails(&self, step: &Step, ix: Ix, items: &[usize]) -> ExplainedStep {
        let action = match &step.kind {
            StepKind::Do(action) => Some(format!("{}.{}", action.connection, action.action)),
            _ => None,
        };
        ExplainedStep {
            path: self.flow.path(ix, items).into_owned(),
            line: step.line,
            what: "otherwise",
            action,
            class: None,
            input: None,
            at: None,
            why: Some("only if the step above gives up or fails late".into()),
        }
    }

    fn step(&self, step: &Step, path: &str) -> ExplainedStep {
        let mut told = ExplainedStep {
            path: path.to_owned(),
            line: step.line,
            what: "do",
            action: None,
            class: None,
            input: None,
            at: None,
            why: None,
        };
        if let StepKind::Do(action) = &step.kind {
            told.action = Some(format!("{}.{}", action.connection, action.action));
            told.class = action.class;
        }
        let Some(rec) = self.run.steps.get(path) else {
            told.what = "blocked";
            let why = if self.missing.is_empty() {
                "it was not reached".to_owned()
            } else {
                format!("waits for: {}", self.missing)
            };
            told.why = Some(why);
            return told;
        };
        told.at = rec.at;
        told.why.clone_from(&rec.why);
        match (&step.kind, rec.mark) {
            (_, Mark::Skipped) => {
                told.what = "skip";
                if let (Some(when), Some(why)) = (&step.when, &rec.why)
                    && why.contains("when")
                {
                    told.why = Some(format!("{why}: {}", condition_text(when)));
                }
            }
            (_, Mark::GaveUp) => told.what = "fail",
            (StepKind::Each(each), _) => {
                told.what = "each";
                let count = rec.items.as_ref().map_or(0, |items| items.list.len());
                told.why = Some(format!("{count} items, each as `{}`", each.name));
            }
            (StepKind::Wait(wait), _) => {
                told.what = "wait";
                told.why = match &wait.until {
                    Until::Events(types) => Some(format!("for {}", types.join(" or "))),
                    Until::Moment(_) | Until::Length(_) => None,
                };
                let cancel: Vec<&str> = wait.cancel_on.iter().map(|cancel| cancel.event.as_str()).collect();
                if !cancel.is_empty() {
                    let text = format!("ends the run at {}", cancel.join(", "));
                    told.why = Some(told.why.map_or(text.clone(), |why| format!("{why}; {text}")));
                }
            }
            (StepKind::Do(_), _) => {
                told.input = self.effects.get(path).map(|effect| effect.input.clone());
            }
        }
        told
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}", self.flow, self.version)?;
        if let Some(key) = &self.key {
            write!(f, ", key {key}")?;
        }
        writeln!(f)?;
        if let Some(why) = &self.skipped {
            return writeln!(f, "  nothing happens: {why}");
        }
        for step in &self.steps {
            write!(f, "  {:<9} {}", step.what, step.path)?;
            if let Some(action) = &step.action {
                write!(f, "  {action}")?;
            }
            if let Some(class) = step.class {
                write!(f, " ({})", class.as_str())?;
            }
            if let Some(at) = step.at {
                write!(f, "  until {at}")?;
            }
            if let Some(why) = &step.why {
                write!(f, "  {why}")?;
            }
            writeln!(f)?;
            if let Some(input) = &step.input {
                writeln!(f, "            {input}")?;
            }
        }
        Ok(())
    }
}
