//! What happened lately, counted as it happens: half-hours of the last day for the first look at a night,
//! and what the steps of each flow came to since the process began, for its picture.
//!
//! In memory, because counting it afterwards would walk the history. It is this node's share, and a start
//! begins anew; [`Tallies::recall`] takes in what the store still shows of the newest events.

use jiff::Timestamp;
use parking_lot::Mutex;
use pasarela_store::EffectState;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};

/// Length of a slot in seconds.
const SLOT: i64 = 1800;
/// Slots that are kept: one day.
const SLOTS: usize = 48;

/// What happened in one slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slot {
    /// Events of any kind.
    pub events: u64,
    /// Tickets of orders that were paid.
    pub tickets: u64,
    /// What those orders cost, in minor units of Colombian pesos.
    pub pesos: i64,
    /// Messages that reached a phone or a mailbox.
    pub messages: u64,
    /// People who came through the door.
    pub entries: u64,
}

impl Slot {
    /// What one event adds.
    fn of(event_type: &str, data: &Value) -> Self {
        let mut slot = Self { events: 1, ..Self::default() };
        match event_type {
            "order.paid" => {
                slot.tickets = data["tickets"].as_array().map_or(0, |t| t.len() as u64);
                if data["total"]["currency"] == "COP" {
                    slot.pesos = data["total"]["minor"].as_i64().unwrap_or(0);
                }
            }
            "message.delivered" | "email.delivered" => slot.messages = 1,
            "ticket.checked_in" => slot.entries = 1,
            _ => {}
        }
        slot
    }

    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.tickets += other.tickets;
        self.pesos = self.pesos.saturating_add(other.pesos);
        self.messages += other.messages;
        self.entries += other.entries;
    }
}

/// The last day in slots, the oldest first.
#[derive(Debug, Clone)]
pub struct Day {
    /// When the first slot begins.
    pub from: Timestamp,
    /// Slots of half an hour; the last one is the present one.
    pub slots: Vec<Slot>,
}

impl Day {
    /// All slots together.
    #[must_use]
    pub fn sum(&self) -> Slot {
        let mut sum = Slot::default();
        self.slots.iter().for_each(|s| sum.add(*s));
        sum
    }
}

/// What the effects of one step came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepTally {
    /// The provider took it.
    pub done: u64,
    /// It could not be done, or needs a person.
    pub failed: u64,
    /// Not sent, by a rule or by a person.
    pub withheld: u64,
}

impl StepTally {
    fn count(&mut self, to: EffectState) {
        match to {
            EffectState::Done | EffectState::Partial | EffectState::Settling => self.done += 1,
            EffectState::GaveUp | EffectState::FailedLate | EffectState::Dead | EffectState::Unknown => {
                self.failed += 1;
            }
            EffectState::Withheld | EffectState::Withdrawn | EffectState::Dropped => self.withheld += 1,
            _ => {}
        }
    }
}

#[derive(Default)]
struct Ring {
    /// Number of the first slot.
    first: i64,
    slots: VecDeque<Slot>,
}

impl Ring {
    fn at(&mut self, slot: i64) -> Option<&mut Slot> {
        if self.slots.is_empty() {
            self.first = slot;
        }
        // Backwards, for what is recalled; never further than a day before the newest.
        while slot < self.first {
            if self.slots.len() >= SLOTS {
                return None;
            }
            self.slots.push_front(Slot::default());
            self.first -= 1;
        }
        let ahead = slot - self.first;
        if ahead >= 2 * SLOTS as i64 {
            self.slots.clear();
            self.first = slot;
        }
        while self.first + (self.slots.len() as i64) <= slot {
            self.slots.push_back(Slot::default());
        }
        while self.slots.len() > SLOTS {
            self.slots.pop_front();
            self.first += 1;
        }
        let at = usize::try_from(slot - self.first).ok()?;
        self.slots.get_mut(at)
    }
}

/// Steps of a flow with what they came to; few, so that a list is the quickest map.
type Steps = Vec<(Box<str>, StepTally)>;

/// See the head of this file.
#[derive(Default)]
pub(crate) struct Tallies {
    ring: Mutex<Ring>,
    flows: Mutex<HashMap<i64, Steps>>,
}

fn slot_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(SLOT)
}

impl Tallies {
    /// Counts an event that was written.
    pub(crate) fn event(&self, event_type: &str, data: &Value, at: Timestamp) {
        let what = Slot::of(event_type, data);
        if let Some(slot) = self.ring.lock().at(slot_of(at)) {
            slot.add(what);
        }
    }

    /// The last day until `now`.
    pub(crate) fn day(&self, now: Timestamp) -> Day {
        let last = slot_of(now);
        let first = last - (SLOTS as i64 - 1);
        let ring = self.ring.lock();
        let slot = |n: i64| usize::try_from(n - ring.first).ok().and_then(|at| ring.slots.get(at)).copied();
        Day {
            from: Timestamp::from_second(first * SLOT).unwrap_or(now),
            slots: (first..=last).map(|n| slot(n).unwrap_or_default()).collect(),
        }
    }

    /// Counts what an effect of a flow (by the keyed hash of its name) came to.
    pub(crate) fn step(&self, flow: i64, path: &str, to: EffectState) {
        if flow == 0 {
            // The hub's own reads and webhooks are no step of a flow, and their paths are without number.
            return;
        }
        let mut flows = self.flows.lock();
        let steps = flows.entry(flow).or_default();
        let step = pasarela_flows::step_of(path);
        match steps.iter_mut().find(|(name, _)| **name == *step) {
            Some((_, tally)) => tally.count(to),
            None => {
                let mut tally = StepTally::default();
                tally.count(to);
                steps.push((step.into(), tally));
            }
        }
    }

    /// What the steps of a flow came to.
    pub(crate) fn steps(&self, flow: i64) -> HashMap<String, StepTally> {
        let flows = self.flows.lock();
        flows.get(&flow).into_iter().flatten().map(|(name, tally)| (name.to_string(), *tally)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use serde_json::json;

    fn at(minutes: i64) -> Timestamp {
        "2026-11-27T19:00:00Z".parse::<Timestamp>().unwrap() + minutes.minutes()
    }

    #[test]
    fn a_day_is_counted_in_half_hours_and_forgets_what_is_older() {
        let tallies = Tallies::default();
        let order = json!({ "tickets": [{}, {}], "total": { "minor": 18_500_000, "currency": "COP" } });
        tallies.event("order.paid", &order, at(0));
        tallies.event("message.delivered", &Value::Null, at(29));
        tallies.event("ticket.checked_in", &Value::Null, at(31));
        tallies.event("order.paid", &json!({ "total": { "minor": 5, "currency": "USD" } }), at(31));
        // Recalled from before.
        tallies.event("show.published", &Value::Null, at(-45));
        let day = tallies.day(at(35));
        assert_eq!(day.slots.len(), SLOTS);
        assert_eq!(day.from, at(30) - 47.minutes() * 30);
        assert_eq!(day.slots[46], Slot { events: 2, tickets: 2, pesos: 18_500_000, messages: 1, entries: 0 });
        assert_eq!(day.slots[47], Slot { events: 2, entries: 1, ..Slot::default() });
        assert_eq!(day.slots[44].events, 1);
        assert_eq!(day.sum().events, 5);
        assert_eq!(tallies.day(at(24 * 60 + 10)).sum().events, 2, "the first half hour is a day ago");
        tallies.event("show.updated", &Value::Null, at(10 * 24 * 60));
        assert_eq!(tallies.day(at(10 * 24 * 60)).sum().events, 1);
        tallies.event("show.updated", &Value::Null, at(0));
        assert_eq!(tallies.day(at(10 * 24 * 60)).sum().events, 1, "what is that old is not counted any more");
    }

    #[test]
    fn items_of_a_list_are_one_step() {
        let tallies = Tallies::default();
        for (path, to) in [
            ("boletas[0].boleta", EffectState::Done),
            ("boletas[17].boleta", EffectState::Settling),
            ("boletas[2].boleta", EffectState::Queued),
            ("boletas[2].boleta", EffectState::Dead),
            ("nota", EffectState::Withheld),
        ] {
            tallies.step(7, path, to);
        }
        let steps = tallies.steps(7);
        assert_eq!(steps["boletas.boleta"], StepTally { done: 2, failed: 1, withheld: 0 });
        assert_eq!(steps["nota"], StepTally { withheld: 1, ..StepTally::default() });
        assert!(tallies.steps(8).is_empty());
    }
}
