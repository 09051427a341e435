//! Who waits for whom: ids, `needs`, uses, what is left out, cycles.

use super::Compiler;
use crate::flow::{After, Flow, Ix, StepKind};
use crate::problem::did_you_mean;
use std::collections::HashMap;

impl Compiler<'_> {
    /// Resolves ids and finds what each step waits for.
    pub(super) fn link(&mut self) -> HashMap<String, Ix> {
        let ids = self.ids();
        self.check_ids(&ids);
        if self.report.failed() {
            return ids;
        }
        self.leave_out(&ids);
        self.connect(&ids);
        self.find_cycle();
        ids
    }

    fn ids(&mut self) -> HashMap<String, Ix> {
        let mut ids: HashMap<String, Ix> = HashMap::new();
        for (ix, step) in self.steps.iter().enumerate() {
            let Some(id) = &step.id else { continue };
            match ids.get(id).and_then(|first| self.steps.get(*first)) {
                Some(first) => {
                    let at = self.drafts.get(ix).map(|draft| draft.at).unwrap_or_default();
                    let message = format!("the id `{id}` is taken by the step in line {}", first.line);
                    self.report.error(at, message, Some("choose another id".into()));
                }
                None => {
                    ids.insert(id.clone(), ix);
                }
            }
        }
        ids
    }

    fn check_ids(&mut self, ids: &HashMap<String, Ix>) {
        let names: Vec<&str> = ids.keys().map(String::as_str).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        for draft in &self.drafts {
            for (at, id) in &draft.needs {
                if !ids.contains_key(id) {
                    self.report.error(
                        *at,
                        format!("`needs`: there is no step `{id}`"),
                        did_you_mean(id, sorted.iter().copied()),
                    );
                }
            }
            for used in draft.uses.iter().chain(&draft.glances) {
                let Some(target) = ids.get(&used.id) else {
                    let suggestion = did_you_mean(&used.id, sorted.iter().copied());
                    self.report.error(used.at, format!("`steps.{0}`: there is no step `{0}`", used.id), suggestion);
                    continue;
                };
                let output = self.drafts.get(*target).and_then(|draft| draft.output.as_ref());
                if let (Some(field), Some(output)) = (&used.field, output)
                    && !output.contains(field)
                    && !matches!(field.as_str(), "outcome" | "code" | "why")
                {
                    let known = output.iter().map(String::as_str).chain(["outcome"]);
                    let message = format!("`steps.{0}.{field}`: the result of `{0}` has no field `{field}`", used.id);
                    self.report.error(used.at, message, did_you_mean(field, known));
                }
            }
        }
    }

    /// Steps inside of an absent step are absent; so are those that use an absent result.
    fn leave_out(&mut self, ids: &HashMap<String, Ix>) {
        loop {
            let mut more = Vec::new();
            for (ix, draft) in self.drafts.iter().enumerate().filter(|(_, draft)| !draft.absent) {
                let is_absent = |ix: &Ix| self.drafts.get(*ix).is_some_and(|draft| draft.absent);
                let Some(step) = self.steps.get(ix) else {
                    continue;
                };
                let inside = step.otherwise_of.as_ref().is_some_and(is_absent) || step.eaches.iter().any(is_absent);
                let used = draft.uses.iter().find(|used| used.result && ids.get(&used.id).is_some_and(is_absent));
                // A wait that is left out holds back for ever what stands below it.
                let below = draft.waits_above.iter().any(is_absent);
                if inside || below || used.is_some() {
                    more.push((ix, draft.at, used.filter(|_| !inside).map(|used| used.id.clone())));
                }
            }
            if more.is_empty() {
                return;
            }
            for (ix, at, used) in more {
                if let Some(draft) = self.drafts.get_mut(ix) {
                    draft.absent = true;
                }
                if let Some(id) = used {
                    self.report.note(at, format!("this step is left out: it uses `{id}`, which is left out"), None);
                }
            }
        }
    }

    fn connect(&mut self, ids: &HashMap<String, Ix>) {
        let mut used_results = Vec::new();
        for ix in 0..self.steps.len() {
            let Some(draft) = self.drafts.get(ix) else {
                continue;
            };
            let present = |target: &Ix| self.drafts.get(*target).is_some_and(|draft| !draft.absent);
            let mut after: Vec<After> = Vec::new();
            let mut add = |step: Ix, result: bool| match after.iter_mut().find(|known| known.step == step) {
                Some(known) => known.result |= result,
                None => after.push(After { step, result }),
            };
            for (_, id) in &draft.needs {
                if let Some(target) = ids.get(id).filter(|target| present(target)) {
                    add(*target, false);
                }
            }
            for used in &draft.uses {
                if let Some(target) = ids.get(&used.id).filter(|target| present(target)) {
                    // Inside of its own `otherwise`, that it failed is the reason to run.
                    add(*target, used.result && !self.is_inside_otherwise(ix, *target));
                }
            }
            used_results.extend(
                draft
                    .uses
                    .iter()
                    .chain(&draft.glances)
                    .filter(|used| used.result)
                    .filter_map(|used| ids.get(&used.id))
                    .copied(),
            );
            self.watch(ix, &after);
            if let Some(step) = self.steps.get_mut(ix) {
                step.after = after;
            }
        }
        for target in used_results {
            if let Some(step) = self.steps.get_mut(target) {
                step.result_used = true;
            }
        }
    }

    fn is_inside_otherwise(&self, ix: Ix, target: Ix) -> bool {
        let Some(step) = self.steps.get(ix) else {
            return false;
        };
        step.otherwise_of.into_iter().any(|parent| parent == target || self.is_inside_otherwise(parent, target))
            || step.eaches.last().is_some_and(|each| self.is_inside_otherwise(*each, target))
    }

    /// The lists around a step that do not hold what it waits for must hear of it.
    fn watch(&mut self, ix: Ix, after: &[After]) {
        let eaches = self.steps.get(ix).map(|step| step.eaches.clone()).unwrap_or_default();
        for after in after {
            let Some(target) = self.steps.get_mut(after.step) else {
                continue;
            };
            for each in &eaches {
                if !target.eaches.contains(each) && !target.watchers.contains(each) {
                    target.watchers.push(*each);
                }
            }
        }
    }

    /// Nodes of the search: a step begins (even number), a step ends (odd number).
    fn find_cycle(&mut self) {
        let count = self.steps.len();
        let (begin, end) = (|ix: Ix| 2 * ix, |ix: Ix| 2 * ix + 1);
        let mut edges: Vec<Vec<usize>> = vec![Vec::new(); 2 * count];
        let mut add = |from: usize, to: usize| {
            if let Some(list) = edges.get_mut(from) {
                list.push(to);
            }
        };
        for (ix, step) in self.steps.iter().enumerate() {
            add(end(ix), begin(ix));
            for after in &step.after {
                add(begin(ix), end(after.step));
            }
            for wait in self.drafts.get(ix).map_or(&[][..], |draft| &draft.waits_above) {
                add(begin(ix), end(*wait));
            }
            if let Some(parent) = step.otherwise_of {
                add(begin(ix), end(parent));
            }
            for each in &step.eaches {
                add(begin(ix), begin(*each));
                add(end(*each), end(ix));
            }
        }
        let mut search = Search { edges: &edges, state: vec![Mark::New; 2 * count], stack: Vec::new() };
        let Some(cycle) = (0..2 * count).find_map(|node| search.visit(node)) else {
            return;
        };
        let mut names: Vec<&str> = Vec::new();
        for node in &cycle {
            if let Some(step) = self.steps.get(node / 2)
                && names.last() != Some(&step.shown())
            {
                names.push(step.shown());
            }
        }
        names.dedup();
        if names.first() != names.last() || names.len() == 1 {
            names.extend(names.first().copied());
        }
        let at =
            cycle.iter().filter_map(|node| self.drafts.get(node / 2)).map(|draft| draft.at).min().unwrap_or_default();
        let chain = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" waits for ");
        self.report.error(
            at,
            format!("these steps wait for each other: {chain}"),
            Some("remove one of the `needs` or uses".into()),
        );
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Closed,
}

struct Search<'e> {
    edges: &'e [Vec<usize>],
    state: Vec<Mark>,
    stack: Vec<usize>,
}

impl Search<'_> {
    fn visit(&mut self, node: usize) -> Option<Vec<usize>> {
        match self.state.get(node).copied() {
            Some(Mark::New) => {}
            Some(Mark::Open) => {
                let from = self.stack.iter().position(|open| *open == node).unwrap_or(0);
                return Some(self.stack.get(from..).unwrap_or(&[]).to_vec());
            }
            _ => return None,
        }
        self.set(node, Mark::Open);
        self.stack.push(node);
        let edges = self.edges;
        for next in edges.get(node).into_iter().flatten() {
            if let Some(cycle) = self.visit(*next) {
                return Some(cycle);
            }
        }
        self.stack.pop();
        self.set(node, Mark::Closed);
        None
    }

    fn set(&mut self, node: usize, mark: Mark) {
        if let Some(state) = self.state.get_mut(node) {
            *state = mark;
        }
    }
}

/// Takes absent steps out of all lists.
pub(super) fn prune(flow: &mut Flow, absent: &dyn Fn(&Ix) -> bool) {
    flow.top.retain(|ix| !absent(ix));
    for step in &mut flow.steps {
        match &mut step.kind {
            StepKind::Do(action) => action.otherwise.retain(|ix| !absent(ix)),
            StepKind::Each(each) => each.steps.retain(|ix| !absent(ix)),
            StepKind::Wait(_) => {}
        }
    }
}
