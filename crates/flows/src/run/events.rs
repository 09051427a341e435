//! What outcomes, timers and events change in a run.

use super::begin::moment;
use super::{EventEffect, Scope, StepOutcome, View};
use crate::flow::{Flow, Ix, StepKind, Until, Wait};
use crate::state::{Mark, RunState};
use crate::words::OnDead;
use jiff::Timestamp;
use serde_json::json;

impl Flow {
    /// Records how an effect ended. Unknown paths and repeated outcomes change nothing.
    pub fn on_outcome(&self, run: &mut RunState, path: &str, outcome: StepOutcome) {
        let Some((ix, items)) = self.locate(path) else {
            return;
        };
        let Some(step) = self.steps.get(ix) else {
            return;
        };
        let StepKind::Do(action) = &step.kind else {
            return;
        };
        let cancelled = run.cancelled.is_some();
        let Some(rec) = run.steps.get_mut(path) else {
            return;
        };
        let before = rec.mark;
        // A dead letter or an unknown outcome may be settled later by a person or a status.
        let open = matches!(
            before,
            Mark::Running | Mark::DeadParked | Mark::UnknownParked | Mark::Dead | Mark::Unknown | Mark::Unsettled
        );
        let parks = action.on_dead == OnDead::Park;
        let (mark, code, why) = match outcome {
            StepOutcome::Done { result } if open => {
                rec.result = step.result_used.then_some(result);
                (Mark::Done, None, None)
            }
            StepOutcome::GaveUp { code, why } if open => (Mark::GaveUp, Some(code), Some(why)),
            StepOutcome::GaveUp { code, why } | StepOutcome::LateFailure { code, why }
                if open || before == Mark::Done =>
            {
                (Mark::LateFailure, Some(code), Some(why))
            }
            StepOutcome::Unsettled if open || before == Mark::Done => (Mark::Unsettled, None, None),
            StepOutcome::Dead { why } if open => (if parks { Mark::DeadParked } else { Mark::Dead }, None, Some(why)),
            StepOutcome::Unknown { why } if open => {
                (if parks { Mark::UnknownParked } else { Mark::Unknown }, None, Some(why))
            }
            StepOutcome::Dropped if open => (Mark::Dropped, None, None),
            StepOutcome::Withheld { rule } if open => (Mark::Withheld, Some(rule), None),
            _ => return,
        };
        (rec.mark, rec.code, rec.why) = (mark, code, why);
        // Refused by law, dropped, dead and unknown never start it: an unlawful WhatsApp must not
        // become an e-mail.
        let fires = matches!(mark, Mark::GaveUp | Mark::LateFailure);
        let starts = fires && !cancelled && !rec.otherwise && !action.otherwise.is_empty();
        rec.otherwise |= starts;
        if mark.is_over() {
            self.bump(run, ix);
        }
        self.look(run, ix, &items, starts);
    }

    /// A timer of a wait came due. A wait that is over already ignores it.
    pub fn on_timer(&self, run: &mut RunState, path: &str) {
        let Some((ix, items, wait)) = self.waiting(run, path) else {
            return;
        };
        let mark = match wait.until {
            Until::Events(_) => Mark::TimedOut,
            Until::Moment(_) | Until::Length(_) => Mark::Elapsed,
        };
        self.end_wait(run, path, ix, &items, mark);
    }

    /// An event that the run listens to (same key). May end a wait, or cancel the run: then
    /// nothing more begins. A `when` that cannot be evaluated cancels nothing and is shown in
    /// [`RunState::summary`].
    pub fn on_event(&self, run: &mut RunState, event_type: &str, scope: &Scope<'_>) -> EventEffect {
        if run.cancelled.is_some() {
            return EventEffect::None;
        }
        let mut effect = EventEffect::None;
        for path in run.waits.clone() {
            let Some((ix, items, wait)) = self.waiting(run, &path) else {
                continue;
            };
            for cancel in wait.cancel_on.iter().filter(|cancel| cancel.event == event_type) {
                let view = View { flow: self, run: Some(run), scope, step: Some(ix), items: &items, explain: false };
                let holds = cancel.when.as_ref().map_or(Ok(true), |when| self.holds(when, &view));
                match holds {
                    Ok(true) => {
                        let why = format!("`{event_type}` while `{path}` waited");
                        run.cancelled = Some(why.clone());
                        run.waits.clear();
                        return EventEffect::Cancelled { why };
                    }
                    Ok(false) => {}
                    Err(error) => run.trouble(format!("`cancel_on` of `{path}` at `{event_type}`: {error}")),
                }
            }
            if matches!(&wait.until, Until::Events(types) if types.iter().any(|name| name == event_type)) {
                if self.steps.get(ix).is_some_and(|step| step.result_used)
                    && let Some(rec) = run.steps.get_mut(&path)
                {
                    rec.result = Some(json!({ "type": event_type, "data": scope.data }));
                }
                self.end_wait(run, &path, ix, &items, Mark::Happened);
                effect = EventEffect::Resumed;
            }
        }
        effect
    }

    /// Event types that the run listens to now, for its waits and their `cancel_on`.
    #[must_use]
    pub fn listening(&self, run: &RunState) -> Vec<String> {
        let mut types = std::collections::BTreeSet::new();
        for path in &run.waits {
            if let Some((_, _, wait)) = self.waiting(run, path) {
                types.extend(wait.cancel_on.iter().map(|cancel| cancel.event.clone()));
                if let Until::Events(events) = &wait.until {
                    types.extend(events.iter().cloned());
                }
            }
        }
        types.into_iter().collect()
    }

    /// Computes the moments of waits again, because what they were computed from changed (a show
    /// was moved). Returns those that changed. A wait whose moment cannot be computed now keeps its
    /// moment, and says so in [`RunState::summary`].
    pub fn rearm(&self, run: &mut RunState, scope: &Scope<'_>) -> Vec<(String, Timestamp)> {
        let mut changed = Vec::new();
        for path in run.waits.clone() {
            let Some((ix, items, wait)) = self.waiting(run, &path) else {
                continue;
            };
            // A length counts from when the wait began.
            if !matches!(wait.until, Until::Moment(_)) {
                continue;
            }
            let view = View { flow: self, run: Some(run), scope, step: Some(ix), items: &items, explain: false };
            match moment(self, wait, &view) {
                Ok(at) => {
                    if let Some(rec) = run.steps.get_mut(&path)
                        && rec.at != Some(at)
                    {
                        rec.at = Some(at);
                        changed.push((path, at));
                    }
                }
                Err(error) => run.trouble(format!("the moment of `{path}` cannot be computed again: {error}")),
            }
        }
        changed
    }

    /// Does the wait at this path move to the last moment before its own at which a person may be written to?
    #[must_use]
    pub fn is_lawful_wait(&self, path: &str) -> bool {
        let step = self.locate(path).and_then(|(ix, _)| self.steps.get(ix));
        matches!(step.map(|s| &s.kind), Some(StepKind::Wait(wait)) if wait.lawful.is_some())
    }

    fn waiting(&self, run: &RunState, path: &str) -> Option<(Ix, Vec<usize>, &Wait)> {
        let (ix, items) = self.locate(path)?;
        match &self.steps.get(ix)?.kind {
            StepKind::Wait(wait) if run.steps.get(path)?.mark == Mark::Waiting => Some((ix, items, wait)),
            _ => None,
        }
    }

    pub(crate) fn end_wait(&self, run: &mut RunState, path: &str, ix: Ix, items: &[usize], mark: Mark) {
        if let Some(rec) = run.steps.get_mut(path) {
            rec.mark = mark;
        }
        run.waits.remove(path);
        self.bump(run, ix);
        self.look(run, ix, items, false);
    }
}
