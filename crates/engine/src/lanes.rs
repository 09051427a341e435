//! Order and pace of one connection's effects, in memory: which lane goes next, and when. Pure: the
//! time is given, nothing sleeps in here, and nothing claims a slot and then waits.
//!
//! A lane is (lane hash, urgency). Its head is called, the others wait. An effect that is being
//! decided reserves its lane before the commit and is enqueued after it with the sequence number
//! that the store gave; while a reservation is open the lane starts nothing, so that what was decided
//! first goes out first whatever task comes back first.
//!
//! How fast is said by [`pace`], whose turn it is by [`turns`] (G9), and what of the backlog is in
//! memory by [`backlog`]. Nothing in here is true by itself: all of it can be read again from the store.

mod backlog;
mod pace;
mod turns;

pub(crate) use backlog::{LANE_WINDOW, Read, Shown};
pub(crate) use pace::Slot;

use backlog::{FlowBacklog, Rest};
use jiff::Timestamp;
use pace::Pace;
use pasarela_connector::Limits;
use pasarela_domain::EffectId;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;
use turns::Turns;

/// A lane of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LaneKey {
    pub(crate) lane: i64,
    pub(crate) urgency: u8,
}

impl LaneKey {
    /// Index of its urgency.
    fn band(self) -> usize {
        usize::from(self.urgency.min(2))
    }
}

/// A queued effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) id: EffectId,
    pub(crate) seq: i64,
    /// Flow that wants it: flows take turns.
    pub(crate) flow: i64,
    /// Index of the action in the manifest, so that alike effects can be put into one call.
    pub(crate) action: u16,
    /// Not before, for a retry that was stored.
    pub(crate) not_before: Option<Timestamp>,
}

/// Effects that go out in one call.
pub(crate) type Start = Vec<(LaneKey, Queued)>;

#[derive(Debug)]
struct LaneState {
    /// Always the first of its queued effects; see `rest`.
    queue: BTreeMap<i64, Queued>,
    /// What of it is in the store only.
    rest: Rest,
    /// It stands among the lanes that are to be read.
    asked: bool,
    /// Effects up to this place have stepped aside, and are not read.
    passed: i64,
    /// What is being read of it was asked for before a reload.
    outdated: bool,
    /// Effects that are being decided.
    reserved: u32,
    busy: bool,
    parked: bool,
    not_before: Option<Timestamp>,
    ready: bool,
    /// The effect that ends gives the lane to the next one of its run, in the same transaction.
    handed: bool,
}

impl Default for LaneState {
    fn default() -> Self {
        Self {
            queue: BTreeMap::new(),
            rest: Rest::default(),
            asked: false,
            passed: -1,
            outdated: false,
            reserved: 0,
            busy: false,
            parked: false,
            not_before: None,
            ready: false,
            handed: false,
        }
    }
}

impl LaneState {
    fn is_idle(&self) -> bool {
        let rests = matches!(self.rest, Rest::Nothing | Rest::Unknown);
        rests && self.queue.is_empty() && self.reserved == 0 && !self.busy && !self.parked
    }
}

/// What the dispatcher is to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// Start these: one effect, or several of one action that fit into one call.
    Start(Start),
    /// Nothing to do before this moment (`None`: before something else happens).
    Idle(Option<Timestamp>),
}

/// Order and pace of one connection.
pub(crate) struct Lanes {
    /// Largest batch per action index; 1 where the action has none.
    batch: Vec<usize>,
    /// Least time between two effects of a lane per action index.
    gaps: Vec<Option<Duration>>,
    pace: Pace,
    lanes: HashMap<LaneKey, LaneState>,
    turns: Turns,
    /// Lanes that wait for a moment.
    later: BTreeMap<(Timestamp, LaneKey), ()>,
    /// Effects in the queues above.
    known: HashSet<EffectId>,
    /// Per urgency: flows, and what of them is in the store only.
    backlog: [BTreeMap<i64, FlowBacklog>; 3],
    /// Per urgency: flows of which not all was shown.
    behind: [usize; 3],
    /// Per urgency: the flow of which a page was read last.
    last_page: [i64; 3],
    /// Lanes that are to be read.
    to_read: VecDeque<LaneKey>,
    /// Pages that are being read.
    pages_out: usize,
    /// Lanes that went out of memory, or had something left out, since those were read.
    moved: HashSet<LaneKey>,
    /// Some effect has stepped aside: lanes that memory does not know may have others behind it.
    aside: bool,
}

impl Lanes {
    /// Buckets start empty: the call after a restart must not be the one too many.
    pub(crate) fn new(limits: Limits, batch: Vec<usize>, gaps: Vec<Option<Duration>>, now: Timestamp) -> Self {
        Self {
            batch,
            gaps,
            pace: Pace::new(limits, now),
            lanes: HashMap::new(),
            turns: Turns::new(),
            later: BTreeMap::new(),
            known: HashSet::new(),
            backlog: Default::default(),
            behind: [0; 3],
            last_page: [i64::MIN; 3],
            to_read: VecDeque::new(),
            pages_out: 0,
            moved: HashSet::new(),
            aside: false,
        }
    }

    /// Starts nothing more: the connection cannot call, or nothing may be sent.
    pub(crate) fn pause(&mut self) {
        self.pace.pause();
    }

    /// The provider asked the whole connection to wait.
    pub(crate) fn hold(&mut self, until: Timestamp) {
        self.pace.hold(until);
    }

    /// A person pauses the connection, or lets it go on. What is queued stays as it is.
    pub(crate) fn halt(&mut self, halted: bool) {
        self.pace.halt(halted);
    }

    /// Whether this node has the connection.
    pub(crate) fn own(&mut self, own: bool, now: Timestamp) {
        self.pace.own(own, now);
    }

    /// Calls that are out.
    pub(crate) fn in_flight(&self) -> u32 {
        self.pace.in_flight()
    }

    /// Forgets everything: another node has the connection now, or all of it is read again.
    pub(crate) fn clear(&mut self) {
        self.lanes.clear();
        self.turns = Turns::new();
        self.later.clear();
        self.known.clear();
        self.backlog = Default::default();
        self.behind = [0; 3];
        self.last_page = [i64::MIN; 3];
        self.to_read.clear();
        self.moved.clear();
        self.aside = false;
    }

    /// Has a person paused it?
    pub(crate) fn is_halted(&self) -> bool {
        self.pace.is_halted()
    }

    // ---- deciding ------------------------------------------------------------------------------

    /// May fresh work of this urgency go out now, before nothing that waits?
    fn is_free(&mut self, key: LaneKey, now: Timestamp) -> bool {
        self.pace.has(Slot::of(key.urgency))
            && self.pace.may_call(now)
            && !(0..=key.band()).any(|band| self.turns.waits(band))
    }

    /// Takes the lane, a slot and a token for an effect that is being decided, if nothing is before it.
    pub(crate) fn try_start(&mut self, key: LaneKey, flow: i64, now: Timestamp) -> bool {
        if !self.is_free(key, now) || self.is_behind(key.band()) {
            return false;
        }
        let lane = self.lanes.entry(key).or_default();
        if !lane.is_idle() || lane.not_before.is_some_and(|t| t > now) {
            return false;
        }
        // Everything was shown, and nothing of this lane was in it.
        lane.rest = Rest::Nothing;
        lane.busy = true;
        self.take_slot(key, flow);
        true
    }

    /// Takes over the lane of an effect whose outcome is being written, for the next effect of its run,
    /// if nothing else waits in it.
    pub(crate) fn try_hand_over(&mut self, key: LaneKey, flow: i64, now: Timestamp) -> bool {
        if !self.is_free(key, now) || self.is_behind(key.band()) {
            return false;
        }
        let Some(lane) = self.lanes.get_mut(&key) else { return false };
        if !lane.busy
            || lane.handed
            || lane.parked
            || lane.reserved > 0
            || !lane.queue.is_empty()
            || lane.rest != Rest::Nothing
        {
            return false;
        }
        lane.handed = true;
        self.take_slot(key, flow);
        true
    }

    fn take_slot(&mut self, key: LaneKey, flow: i64) {
        self.pace.take(Slot::of(key.urgency));
        self.turns.pay(key.band(), flow);
    }

    /// The transaction of a hand-over was not written.
    pub(crate) fn undo_hand_over(&mut self, key: LaneKey, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.handed = false;
        }
        self.release_slot(Slot::of(key.urgency), None, now);
    }

    /// Reserves a place behind what is there, for an effect that is being decided.
    pub(crate) fn reserve(&mut self, key: LaneKey) {
        let rest = if self.is_behind(key.band()) { Rest::Unknown } else { Rest::Nothing };
        self.lanes.entry(key).or_insert_with(|| LaneState { rest, ..LaneState::default() }).reserved += 1;
    }

    /// The decision was not written, or its effect is now elsewhere.
    pub(crate) fn unreserve(&mut self, key: LaneKey, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.reserved = lane.reserved.saturating_sub(1);
        }
        self.settle_lane(key, now);
    }

    /// The decision is written: the effect takes its place.
    pub(crate) fn enqueue_reserved(&mut self, key: LaneKey, effect: Queued, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.reserved = lane.reserved.saturating_sub(1);
        }
        self.enqueue(key, effect, now);
    }

    // ---- calling -------------------------------------------------------------------------------

    /// Gives a slot to a call that belongs to no lane (a login, a page of reconciliation), if work
    /// that is not urgent may go out now.
    pub(crate) fn try_slot(&mut self, now: Timestamp) -> bool {
        let free = self.pace.has(Slot::Shared) && self.pace.may_call(now);
        if free {
            self.pace.take(Slot::Shared);
        }
        free
    }

    /// Pays for one more call of an action that is already running. Never refuses: bucket and flow go
    /// below zero.
    pub(crate) fn pay(&mut self, key: LaneKey, flow: i64) {
        self.pace.pay();
        self.turns.pay(key.band(), flow);
    }

    /// When a slot may be free.
    pub(crate) fn next_slot(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.pace.next_slot(now)
    }

    /// When a call takes nothing from what is sent: nothing waits, and half of the burst is left to what comes. `None`:
    /// time alone does not decide it.
    pub(crate) fn spare_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        if (0..3).any(|band| self.turns.waits(band)) { None } else { self.pace.spare_at(now) }
    }

    /// What to do next.
    pub(crate) fn next(&mut self, now: Timestamp) -> Next {
        self.wake_lanes(now);
        let later = self.later.keys().next().map(|(t, _)| *t);
        if !(0..3).any(|band| self.turns.waits(band)) {
            return Next::Idle(later);
        }
        if !self.pace.may_call(now) {
            return Next::Idle(self.next_slot(now));
        }
        // Nothing started: what waits is not urgent, and its slots are out.
        self.start().map_or(Next::Idle(later), Next::Start)
    }

    /// What waits for a slot and may have one now; at most so many starts.
    pub(crate) fn next_starts(&mut self, most: usize, now: Timestamp) -> Vec<Start> {
        self.wake_lanes(now);
        let mut starts = Vec::new();
        while starts.len() < most && self.pace.may_call(now) {
            match self.start() {
                Some(start) => starts.push(start),
                None => break,
            }
        }
        starts
    }

    /// Are so many calls out that the next answer, and a transaction with it, is a moment away?
    pub(crate) fn is_busy(&self) -> bool {
        self.pace.is_busy()
    }

    /// Takes the lane whose turn it is, and a slot for it.
    fn start(&mut self) -> Option<Start> {
        let shared = self.pace.has(Slot::Shared);
        loop {
            let (key, flow) = self.turns.take([true, shared, shared])?;
            let Some(effect) = self.take_head(key, None) else { continue };
            let mut started = vec![(key, effect)];
            let max = self.batch.get(usize::from(effect.action)).copied().unwrap_or(1);
            if max > 1 {
                self.fill_batch(max, effect.action, &mut started);
            }
            self.take_slot(key, flow);
            return Some(started);
        }
    }

    /// The head of a ready lane, if it is of this action; the lane is then busy.
    fn take_head(&mut self, key: LaneKey, action: Option<u16>) -> Option<Queued> {
        let lane = self.lanes.get_mut(&key).filter(|l| l.ready)?;
        let entry = lane.queue.first_entry().filter(|e| action.is_none_or(|a| e.get().action == a))?;
        let effect = entry.remove();
        lane.ready = false;
        lane.busy = true;
        self.forget(key.band(), &effect);
        Some(effect)
    }

    /// Adds heads of other ready lanes with the same action.
    fn fill_batch(&mut self, max: usize, action: u16, started: &mut Start) {
        let mut turns = std::mem::replace(&mut self.turns, Turns::new());
        turns.riders(max - started.len(), |key| {
            let head = self.take_head(key, Some(action));
            started.extend(head.map(|effect| (key, effect)));
            head.is_some()
        });
        self.turns = turns;
    }

    /// The call of an effect is over; its slot is given back by [`Lanes::release_slot`].
    /// `again`: the effect stays at the head of its lane.
    pub(crate) fn finish(&mut self, key: LaneKey, action: u16, again: Option<Queued>, now: Timestamp) {
        let gap = self.gaps.get(usize::from(action)).copied().flatten();
        if let Some(lane) = self.lanes.get_mut(&key) {
            if std::mem::take(&mut lane.handed) {
                return;
            }
            lane.busy = false;
            lane.not_before = match again {
                Some(effect) => effect.not_before,
                None => gap.and_then(|g| now.checked_add(g).ok()),
            };
        }
        match again {
            // It was in memory a moment ago: no need to ask whether there is room.
            Some(effect) => self.put(key, effect, now),
            None => self.settle_lane(key, now),
        }
    }

    /// An effect whose turn it is steps aside: its flow or class is paused. The others of its lane pass,
    /// and it is not read again before [`Lanes::reload`].
    pub(crate) fn step_aside(&mut self, key: LaneKey, effect: &Queued, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.passed = lane.passed.max(effect.seq);
        }
        self.aside = true;
        self.finish(key, effect.action, None, now);
    }

    /// What of the lanes is in memory is forgotten and read again, in its order: effects that had stepped
    /// aside take their places. Lanes that memory does not know are told by [`Lanes::stored`].
    pub(crate) fn reload(&mut self, now: Timestamp) {
        self.aside = false;
        let keys: Vec<LaneKey> = self.lanes.keys().copied().collect();
        for key in keys {
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            lane.passed = -1;
            lane.ready = false;
            lane.outdated = matches!(lane.rest, Rest::Reading | Rest::ReadingMore);
            lane.leave();
            for effect in std::mem::take(&mut lane.queue).values() {
                self.forget(key.band(), effect);
            }
            self.settle_lane(key, now);
        }
    }

    /// A lane stops behind a dead, unknown or checking effect. What waits in it needs no memory.
    pub(crate) fn park(&mut self, key: LaneKey) {
        let lane = self.lanes.entry(key).or_default();
        lane.parked = true;
        lane.ready = false;
        lane.leave();
        for effect in std::mem::take(&mut lane.queue).values() {
            self.forget(key.band(), effect);
        }
    }

    /// And goes on.
    pub(crate) fn unpark(&mut self, key: LaneKey, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.parked = false;
        }
        self.settle_lane(key, now);
    }

    /// These lanes are parked, and no others.
    pub(crate) fn park_only(&mut self, parked: &[LaneKey], now: Timestamp) {
        parked.iter().for_each(|key| self.park(*key));
        let others: Vec<LaneKey> =
            self.lanes.iter().filter(|(key, lane)| lane.parked && !parked.contains(key)).map(|(key, _)| *key).collect();
        others.into_iter().for_each(|key| self.unpark(key, now));
    }

    /// An effect is being withdrawn before it was sent.
    pub(crate) fn withdraw(&mut self, key: LaneKey, id: EffectId, now: Timestamp) {
        if !self.known.contains(&id) {
            // What is behind it may be shown as the first of its lane now, or may have been passed over.
            if self.is_behind(key.band()) {
                self.requeue(key, now);
            }
            return;
        }
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let found = lane.queue.values().find(|q| q.id == id).copied();
        if let Some(effect) = found {
            let head = lane.queue.first_key_value().is_some_and(|(seq, _)| *seq == effect.seq);
            lane.ready &= !head;
            lane.queue.remove(&effect.seq);
            self.forget(key.band(), &effect);
        }
        self.settle_lane(key, now);
    }

    /// Nothing was called after all: the slot and its token are free again.
    pub(crate) fn return_slot(&mut self, slot: Slot, now: Timestamp) {
        self.pace.put_back(slot, now);
    }

    /// A call is over: its slot is free, and the breaker hears how it went. Returns true when the breaker opened.
    pub(crate) fn release_slot(&mut self, slot: Slot, well: Option<bool>, now: Timestamp) -> bool {
        self.pace.release(slot, well, now)
    }

    fn wake_lanes(&mut self, now: Timestamp) {
        while let Some(entry) = self.later.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((_, key), ()) = entry.remove_entry();
            self.settle_lane(key, now);
        }
    }

    /// Puts a lane where it belongs: ready, later, to be read, or away when nothing is in it.
    fn settle_lane(&mut self, key: LaneKey, now: Timestamp) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        if lane.is_idle() {
            match lane.not_before {
                Some(at) if at > now => drop(self.later.insert((at, key), ())),
                _ => {
                    if self.pages_out > 0 && lane.rest != Rest::Unknown {
                        self.moved.insert(key);
                    }
                    self.lanes.remove(&key);
                }
            }
            return;
        }
        if lane.wants_rest() && !lane.asked {
            lane.asked = true;
            self.to_read.push_back(key);
        }
        if lane.busy || lane.parked || lane.reserved > 0 || lane.ready {
            return;
        }
        let Some((_, head)) = lane.queue.first_key_value() else { return };
        match lane.not_before.max(head.not_before) {
            Some(at) if at > now => drop(self.later.insert((at, key), ())),
            _ => {
                lane.ready = true;
                self.turns.push(key, head.flow);
            }
        }
    }

    // ---- for screens ---------------------------------------------------------------------------

    /// Queued in memory, in flight, lanes, and whether the breaker is open.
    pub(crate) fn view(&self, now: Timestamp) -> LanesView {
        LanesView {
            queued: self.backlog.each_ref().map(|flows| flows.values().map(|b| b.loaded).sum()),
            in_flight: self.pace.in_flight(),
            lanes: self.lanes.len(),
            parked: self.lanes.values().filter(|l| l.parked).count(),
            breaker: self.pace.breaker(),
            tokens: self.pace.tokens(),
            concurrency: self.pace.concurrency(),
            held: self.pace.is_held(now),
            backlog: self.behind.iter().any(|flows| *flows > 0),
        }
    }
}

/// How a connection's work stands.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct LanesView {
    /// Queued in memory: urgent, normal, bulk.
    pub queued: [usize; 3],
    /// Calls out now.
    pub in_flight: u32,
    /// Lanes with something in them.
    pub lanes: usize,
    /// Lanes that stopped behind a dead letter.
    pub parked: usize,
    /// `closed`, `open`, `half_open`.
    pub breaker: &'static str,
    /// Calls that its bucket allows at once, as of the last look; `None`: it has no rate.
    pub tokens: Option<f64>,
    /// Calls out at the same time at most.
    pub concurrency: u32,
    /// The provider asked to wait.
    pub held: bool,
    /// Part of the backlog is in the store only.
    pub backlog: bool,
}

#[cfg(test)]
#[path = "lanes/properties.rs"]
mod properties;
#[cfg(test)]
#[path = "lanes/shelf.rs"]
mod shelf;
#[cfg(test)]
#[path = "lanes/tests.rs"]
mod tests;
