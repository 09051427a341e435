//! What can begin now, in the order of the file.

use super::begin::{begin_wait, freeze, render};
use super::order::Ended;
use super::{Advance, NewEffect, Scope, View};
use crate::flow::{Each, Flow, Ix, Step, StepKind};
use crate::state::{Items, Mark, Rec, RunState};
use crate::template::eval::EvalError;

/// Code of a step that could not be rendered.
const INVALID_INPUT: &str = "invalid_input";

impl Flow {
    /// Everything that can begin now, in file order; at most `budget` new effects. What was not
    /// looked at yet is remembered in the state: call again while [`Advance::more`].
    pub fn advance(&self, run: &mut RunState, scope: &Scope<'_>, budget: usize) -> Advance {
        self.advance_with(run, scope, budget, false)
    }

    pub(crate) fn advance_with(&self, run: &mut RunState, scope: &Scope<'_>, budget: usize, explain: bool) -> Advance {
        if run.cancelled.is_some() {
            let running = run.steps.values().any(|rec| rec.mark == Mark::Running);
            return Advance { finished: !running, ..Advance::default() };
        }
        let visits = budget.saturating_mul(10).max(100);
        let mut walk =
            Walk { flow: self, scope, run, out: Advance::default(), budget, visits, ends: 0, blocked: 0, explain };
        let over = walk.list(&self.top, &mut Vec::new());
        let mut out = walk.out;
        out.finished = over && !out.more;
        out
    }
}

struct Walk<'a, 'r> {
    flow: &'a Flow,
    scope: &'a Scope<'a>,
    run: &'r mut RunState,
    out: Advance,
    budget: usize,
    /// Items that may still be looked at: a slice is bounded even when its items do nothing.
    visits: usize,
    /// Counts what ended in this call: while it grows, others may have become ready.
    ends: usize,
    /// Counts steps that wait for a read model.
    blocked: usize,
    explain: bool,
}

/// What became of a step that was looked at for the first time.
enum Begun {
    /// Not its turn yet.
    NotYet,
    Now,
    /// The budget does not allow it.
    NoBudget,
}

impl Walk<'_, '_> {
    /// Begins what can begin; true when everything in the list is over.
    fn list(&mut self, list: &[Ix], items: &mut Vec<usize>) -> bool {
        loop {
            let ends = self.ends;
            let Some(over) = self.pass(list, items) else {
                self.out.more = true;
                return false;
            };
            if self.ends == ends {
                return over;
            }
        }
    }

    /// One look at the list; `None` when the budget is used up.
    fn pass(&mut self, list: &[Ix], items: &mut Vec<usize>) -> Option<bool> {
        let flow = self.flow;
        let mut over = true;
        // A wait above that is not over; a wait above that will never be.
        let (mut waiting, mut hopeless) = (false, None);
        for ix in list {
            let Some(step) = flow.steps.get(*ix) else {
                continue;
            };
            let path = flow.path(*ix, items);
            if !self.run.steps.contains_key(path.as_ref()) {
                if let Some(wait) = hopeless {
                    self.end(*ix, &path, Rec::new(Mark::Skipped).why(format!("the wait `{wait}` above has no moment")));
                } else if waiting {
                    over = false;
                    continue;
                } else {
                    match self.begin(*ix, step, &path, items) {
                        Begun::Now => {}
                        Begun::NotYet => {
                            over = false;
                            waiting |= matches!(step.kind, StepKind::Wait(_));
                            continue;
                        }
                        Begun::NoBudget => return None,
                    }
                }
            }
            if let StepKind::Each(each) = &step.kind
                && self.run.steps.get(path.as_ref()).is_some_and(|rec| rec.mark == Mark::Each)
            {
                over &= self.each(*ix, each, &path, items);
                if self.out.more {
                    return None;
                }
                continue;
            }
            let (mark, otherwise) = match self.run.steps.get(path.as_ref()) {
                Some(rec) => (rec.mark, rec.otherwise),
                None => continue,
            };
            over &= mark.is_over();
            match &step.kind {
                StepKind::Wait(_) if !mark.is_over() => waiting = true,
                StepKind::Wait(_) if mark == Mark::GaveUp => hopeless = Some(step.shown()),
                StepKind::Do(action) if otherwise => {
                    over &= self.list(&action.otherwise, items);
                    if self.out.more {
                        return None;
                    }
                }
                _ => {}
            }
        }
        Some(over)
    }

    fn each(&mut self, ix: Ix, each: &Each, path: &str, items: &mut Vec<usize>) -> bool {
        let bump = self.run.bumps.get(&ix).copied().unwrap_or(0);
        let Some(list) = self.items(path) else {
            return true;
        };
        if list.seen < bump {
            list.seen = bump;
            list.look = list.open.clone();
        }
        let was_over = list.is_over();
        loop {
            let Some(list) = self.items(path) else {
                return true;
            };
            let (index, fresh) = match list.look.pop_first() {
                Some(index) => (index, false),
                None if list.next < list.list.len() => (list.next, true),
                None => break,
            };
            if (fresh && self.budget == 0) || self.visits == 0 {
                if !fresh && let Some(list) = self.items(path) {
                    list.look.insert(index);
                }
                self.out.more = true;
                return false;
            }
            self.visits -= 1;
            if fresh && let Some(list) = self.items(path) {
                list.open.insert(index);
                list.next += 1;
            }
            let blocked = self.blocked;
            items.push(index);
            let over = self.list(&each.steps, items);
            items.pop();
            let (more, blocked) = (self.out.more, self.blocked > blocked);
            let Some(list) = self.items(path) else {
                return true;
            };
            if over {
                list.open.remove(&index);
            }
            if more {
                list.look.insert(index);
                return false;
            }
            if blocked {
                // The same model is missing for its neighbours: they stay as they are until it is there.
                list.look.insert(index);
                return false;
            }
        }
        let over = self.items(path).is_none_or(|list| list.is_over());
        if over && !was_over {
            self.ends += 1;
            self.flow.bump(self.run, ix);
        }
        over
    }

    fn items(&mut self, path: &str) -> Option<&mut Items> {
        self.run.steps.get_mut(path)?.items.as_mut()
    }

    /// Records how a step ended without an effect.
    fn end(&mut self, ix: Ix, path: &str, rec: Rec) {
        self.run.steps.insert(path.to_owned(), rec);
        self.ends += 1;
        self.flow.bump(self.run, ix);
    }

    fn fail(&mut self, ix: Ix, step: &Step, path: &str, why: String) {
        let mut rec = Rec::new(Mark::GaveUp).why(why.clone());
        rec.code = Some(INVALID_INPUT.to_owned());
        rec.otherwise = matches!(&step.kind, StepKind::Do(action) if !action.otherwise.is_empty());
        self.out.failures.push((path.to_owned(), why));
        self.end(ix, path, rec);
    }

    fn block(&mut self, model: String) -> Begun {
        self.out.missing.insert(model);
        self.blocked += 1;
        Begun::NotYet
    }

    fn begin(&mut self, ix: Ix, step: &Step, path: &str, items: &[usize]) -> Begun {
        let flow = self.flow;
        for after in &step.after {
            match flow.ended(self.run, ix, items, after.step) {
                Ended::NotYet => return Begun::NotYet,
                Ended::Badly(outcome) if after.result => {
                    let used = flow.steps.get(after.step).map_or("", Step::shown);
                    self.end(
                        ix,
                        path,
                        Rec::new(Mark::Skipped)
                            .why(format!("it uses the result of `{used}`, whose outcome is {outcome}")),
                    );
                    return Begun::Now;
                }
                Ended::Well | Ended::Badly(_) => {}
            }
        }
        if let Some(model) = step.models.iter().find(|model| !self.scope.models.contains_key(*model)) {
            return self.block(model.clone());
        }
        let view = View { flow, run: Some(self.run), scope: self.scope, step: Some(ix), items, explain: self.explain };
        let decided = match &step.when {
            Some(when) => flow.holds(when, &view),
            None => Ok(true),
        };
        let decided = match decided {
            Ok(false) => Ok(Decided::rec(Rec::new(Mark::Skipped).why("its `when` does not hold"))),
            Ok(true) => match &step.kind {
                StepKind::Do(_) if self.budget == 0 => return Begun::NoBudget,
                StepKind::Do(action) => {
                    render(flow, action, path, &view).map(|effect| Decided::Effect(Box::new(effect)))
                }
                StepKind::Each(each) => freeze(flow, each, &view).map(Decided::rec),
                StepKind::Wait(wait) => begin_wait(flow, wait, &view).map(Decided::rec),
            },
            Err(error) => Err(error),
        };
        match decided {
            Ok(Decided::Effect(effect)) => {
                self.budget -= 1;
                self.run.steps.insert(path.to_owned(), Rec::new(Mark::Running));
                self.out.effects.push(*effect);
            }
            Ok(Decided::Rec(rec)) => {
                if rec.mark == Mark::Waiting {
                    self.run.waits.insert(path.to_owned());
                    if let Some(at) = rec.at {
                        self.out.timers.push((path.to_owned(), at));
                    }
                }
                let still = rec.mark == Mark::Waiting || rec.items.as_ref().is_some_and(|list| !list.is_over());
                if still {
                    self.run.steps.insert(path.to_owned(), *rec);
                } else {
                    self.end(ix, path, *rec);
                }
            }
            Err(EvalError::MissingModel { model }) => return self.block(model),
            Err(error @ EvalError::Failed { .. }) => self.fail(ix, step, path, error.to_string()),
        }
        Begun::Now
    }
}

enum Decided {
    Effect(Box<NewEffect>),
    Rec(Box<Rec>),
}

impl Decided {
    fn rec(rec: Rec) -> Self {
        Self::Rec(Box::new(rec))
    }
}
