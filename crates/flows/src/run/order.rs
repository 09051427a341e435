//! Paths of steps and items, and who waits for whom.

use crate::flow::{Flow, Ix};
use crate::state::{Mark, RunState};
use std::borrow::Cow;

/// Has something ended that others wait for?
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    NotYet,
    Well,
    Badly(&'static str),
}

/// The step that a path names, whichever items it was for: `boletas[3].boleta` is `boletas.boleta`.
#[must_use]
pub fn step_of(path: &str) -> Cow<'_, str> {
    if !path.contains('[') {
        return Cow::Borrowed(path);
    }
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((head, tail)) = rest.split_once('[') {
        plain.push_str(head);
        rest = tail.split_once(']').map_or("", |(_, tail)| tail);
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

impl Flow {
    /// Path of a step for these items of the `each` steps around it.
    pub(crate) fn path(&self, ix: Ix, items: &[usize]) -> Cow<'_, str> {
        let Some(step) = self.steps.get(ix) else {
            return Cow::Borrowed("");
        };
        if step.eaches.is_empty() {
            return Cow::Borrowed(&step.path);
        }
        let mut path = String::with_capacity(step.path.len() + 8 * step.eaches.len());
        let mut from = 0;
        for (each, item) in step.eaches.iter().zip(items) {
            let end = self.steps.get(*each).map_or(from, |each| each.path.len());
            path.push_str(step.path.get(from..end).unwrap_or_default());
            path.push('[');
            path.push_str(&item.to_string());
            path.push(']');
            from = end;
        }
        path.push_str(step.path.get(from..).unwrap_or_default());
        Cow::Owned(path)
    }

    /// The step and the items that a path names.
    pub(crate) fn locate(&self, path: &str) -> Option<(Ix, Vec<usize>)> {
        if let Some(ix) = self.by_path.get(path) {
            return self.steps.get(*ix).filter(|step| step.eaches.is_empty()).map(|_| (*ix, Vec::new()));
        }
        let mut plain = String::with_capacity(path.len());
        let mut items = Vec::new();
        let mut rest = path;
        while let Some((head, tail)) = rest.split_once('[') {
            let (number, tail) = tail.split_once(']')?;
            plain.push_str(head);
            items.push(number.parse().ok()?);
            rest = tail;
        }
        plain.push_str(rest);
        let ix = *self.by_path.get(&plain)?;
        (self.steps.get(ix)?.eaches.len() == items.len()).then_some((ix, items))
    }

    /// How many `each` steps hold both.
    pub(crate) fn shared_depth(&self, from: Option<Ix>, target: Ix) -> usize {
        let around = |ix: Ix| self.steps.get(ix).map_or(&[][..], |step| &step.eaches);
        let own = from.map_or(&[][..], around);
        own.iter().zip(around(target)).take_while(|(a, b)| a == b).count()
    }

    /// Has `target` ended, as `from` (of these items) sees it?
    pub(crate) fn ended(&self, run: &RunState, from: Ix, items: &[usize], target: Ix) -> Ended {
        let shared = self.shared_depth(Some(from), target);
        let mut prefix = items.get(..shared).unwrap_or(items).to_vec();
        self.ended_below(run, target, &mut prefix)
    }

    fn ended_below(&self, run: &RunState, target: Ix, prefix: &mut Vec<usize>) -> Ended {
        let Some(step) = self.steps.get(target) else {
            return Ended::NotYet;
        };
        let Some(each) = step.eaches.get(prefix.len()) else {
            return self.ended_here(run, target, prefix);
        };
        let Some(rec) = run.steps.get(self.path(*each, prefix).as_ref()) else {
            return match self.ended_here(run, *each, prefix) {
                Ended::NotYet => Ended::NotYet,
                _ => Ended::Well,
            };
        };
        let Some(list) = &rec.items else {
            return Ended::Well;
        };
        if list.next < list.list.len() {
            return Ended::NotYet;
        }
        // Failures of single items are for the one who reads the list.
        for index in 0..list.list.len() {
            prefix.push(index);
            let ended = self.ended_below(run, target, prefix);
            prefix.pop();
            if ended == Ended::NotYet {
                return ended;
            }
        }
        Ended::Well
    }

    fn ended_here(&self, run: &RunState, target: Ix, items: &[usize]) -> Ended {
        match run.steps.get(self.path(target, items).as_ref()) {
            Some(rec) => match (rec.mark, &rec.items) {
                (Mark::Each, Some(list)) if list.is_over() => Ended::Well,
                (Mark::Each, _) => Ended::NotYet,
                (mark, _) if !mark.is_over() => Ended::NotYet,
                (mark, _) if mark.is_good() => Ended::Well,
                (mark, _) => Ended::Badly(mark.word()),
            },
            // In an `otherwise` that was not needed.
            None if self.is_spared(run, target, items) => Ended::Badly(Mark::Skipped.word()),
            None => Ended::NotYet,
        }
    }

    fn is_spared(&self, run: &RunState, target: Ix, items: &[usize]) -> bool {
        let Some(parent) = self.steps.get(target).and_then(|step| step.otherwise_of) else {
            return false;
        };
        match run.steps.get(self.path(parent, items).as_ref()) {
            Some(rec) => rec.mark.is_over() && !rec.otherwise,
            None => self.is_spared(run, parent, items),
        }
    }

    /// Something ended: lists that wait for it from elsewhere must be looked at again.
    pub(crate) fn bump(&self, run: &mut RunState, ix: Ix) {
        for each in self.steps.get(ix).map_or(&[][..], |step| &step.watchers) {
            let count = run.bumps.entry(*each).or_insert(0);
            *count = count.saturating_add(1);
        }
    }

    /// Something changed in an item: the lists around it must look at it.
    pub(crate) fn look(&self, run: &mut RunState, ix: Ix, items: &[usize], reopen: bool) {
        let Some(step) = self.steps.get(ix) else {
            return;
        };
        for (depth, (each, item)) in step.eaches.iter().zip(items).enumerate() {
            let path = self.path(*each, items.get(..depth).unwrap_or(items));
            if let Some(list) = run.steps.get_mut(path.as_ref()).and_then(|rec| rec.items.as_mut()) {
                if reopen && *item < list.next {
                    list.open.insert(*item);
                }
                if list.open.contains(item) {
                    list.look.insert(*item);
                }
            }
        }
    }
}
