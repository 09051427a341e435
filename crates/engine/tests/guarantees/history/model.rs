//! What must be seen at the end of a history, worked out in the plainest way: a list of facts, a list of
//! effects per lane, and each effect by itself.

use super::Visible;
use super::outside::{Meets, meets, tells_later};
use super::story::{Op, Paid, Updated};
use std::collections::{BTreeMap, BTreeSet};

/// How one effect ends, seen alone.
struct End {
    state: &'static str,
    /// How often the provider did it.
    done: usize,
}

pub(crate) struct Model {
    seed: u64,
    known: BTreeSet<i64>,
    /// Title and time of each key.
    titles: BTreeMap<u64, (&'static str, u64)>,
    events: BTreeMap<String, Vec<String>>,
    /// Effects of each lane in the order of their decisions: number, action.
    lanes: BTreeMap<String, Vec<(i64, &'static str)>>,
}

impl Model {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, known: BTreeSet::new(), titles: BTreeMap::new(), events: BTreeMap::new(), lanes: BTreeMap::new() }
    }

    pub(crate) fn happens(&mut self, op: &Op) {
        match op {
            Op::Paid(paid) => self.paid(paid),
            Op::Updated(updated) => self.updated(updated),
            Op::Burst(burst, _) => burst.iter().for_each(|paid| self.paid(paid)),
            // Neither time nor an end changes what becomes of a thing.
            Op::Crash | Op::Jump(_) => {}
        }
    }

    fn paid(&mut self, paid: &Paid) {
        if self.known.insert(paid.n) {
            self.events.entry(format!("k{}", paid.key)).or_default().push(paid.n.to_string());
            self.lanes.entry(paid.lane()).or_default().push((paid.n, paid.action));
        }
    }

    fn updated(&mut self, updated: &Updated) {
        let now = self.titles.get(&updated.key).copied();
        if now.is_some_and(|(_, at)| at > updated.at) {
            return;
        }
        self.titles.insert(updated.key, (updated.title, updated.at));
        // Told again: no news, and nothing older may come after it.
        if now.is_none_or(|(title, _)| title != updated.title) {
            let key = format!("k{}", updated.key);
            self.events.entry(key.clone()).or_default().push(updated.title.to_owned());
            self.lanes.entry(key).or_default().push((updated.n, "flujo"));
        }
    }

    fn end(&self, n: i64, action: &str) -> End {
        let mut done = 0;
        for nth in 1.. {
            let end = |state, done| End { state, done };
            let repeats = matches!(action, "clave" | "cliente" | "flujo");
            match meets(self.seed, n, nth) {
                Meets::Well if repeats => return end("done", 1),
                Meets::Well => return end("done", done + 1),
                Meets::Never => return end("gave_up", done),
                Meets::NeedsPerson => return end("dead", done),
                Meets::Later | Meets::Overloaded => {}
                Meets::DoneAndLost | Meets::DoneAndSilent if repeats => done = 1,
                Meets::Lost if repeats => {}
                Meets::DoneAndLost | Meets::DoneAndSilent => match action {
                    "leible" => return end("done", 1),
                    "correla" if tells_later(self.seed, n) => return end("done", 1),
                    _ => return end("unknown", 1),
                },
                Meets::Lost if action == "leible" => {}
                Meets::Lost => return end("unknown", 0),
            }
        }
        unreachable!("the fourth call is met well")
    }

    pub(crate) fn visible(&self) -> Visible {
        let mut wanted = Visible { events: self.events.clone(), ..Visible::default() };
        for (lane, effects) in &self.lanes {
            let mut parked = false;
            for (n, action) in effects {
                if parked {
                    wanted.effects.insert(*n, "queued");
                    continue;
                }
                let end = self.end(*n, action);
                wanted.effects.insert(*n, end.state);
                wanted.lanes.entry(lane.clone()).or_default().push(*n);
                if end.done > 0 {
                    wanted.done.insert(*n, end.done);
                }
                // `flujo` has the default, which is to park; so has `fija` by its flow.
                parked = matches!(end.state, "dead" | "unknown") && (*action == "fija" || *action == "flujo");
                if !parked {
                    wanted.ended.insert(*n);
                }
            }
        }
        wanted
    }
}
