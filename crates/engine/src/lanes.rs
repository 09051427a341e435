//! Order and pace of one connection's effects, in memory: lanes, token bucket, concurrency, circuit
//! breaker. Pure: the time is given, nothing sleeps in here, and nothing claims a slot and then waits.
//!
//! A lane is (lane hash, urgency). Its head is called, the others wait. An effect that is being
//! decided reserves its lane before the commit and is enqueued after it with the sequence number
//! that the store gave; while a reservation is open the lane starts nothing, so that what was decided
//! first goes out first whatever task comes back first.
//!
//! Only a window of the backlog lives here: above [`WINDOW`] queued effects per urgency the rest
//! stays in the store and is loaded in lane order as the window empties.

use jiff::Timestamp;
use pasarela_connector::{Limits, Rate};
use pasarela_domain::EffectId;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

/// Queued effects of one urgency that live in memory.
pub(crate) const WINDOW: usize = 4096;
/// Failures in a row that open the breaker.
const BREAKER_FAILURES: u32 = 6;
const BREAKER_FIRST: Duration = Duration::from_secs(2);
const BREAKER_CAP: Duration = Duration::from_secs(60);
/// Starts per round of urgent, normal and bulk work when all three wait.
const WEIGHTS: [u32; 3] = [16, 4, 1];

/// A lane of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LaneKey {
    pub(crate) lane: i64,
    pub(crate) urgency: u8,
}

/// A queued effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) id: EffectId,
    pub(crate) seq: i64,
    /// Index of the action in the manifest, so that alike effects can be put into one call.
    pub(crate) action: u16,
    /// Not before, for a retry that was stored.
    pub(crate) not_before: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct LaneState {
    queue: BTreeMap<i64, Queued>,
    /// Effects that are being decided.
    reserved: u32,
    busy: bool,
    parked: bool,
    not_before: Option<Timestamp>,
    ready: bool,
    /// The effect that ends gives the lane to the next one of its run, in the same transaction.
    handed: bool,
}

impl LaneState {
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.reserved == 0 && !self.busy && !self.parked
    }
}

/// The part of the backlog that is not in memory.
#[derive(Debug, Clone, Copy, Default)]
struct Overflow {
    /// Place in lane order from which the store is to be read.
    from: Option<i64>,
    loading: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Breaker {
    Closed { failures: u32 },
    Open { until: Timestamp, wait: Duration },
    HalfOpen { wait: Duration, probing: bool },
}

/// What the dispatcher is to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// Start these: one effect, or several of one action that fit into one call.
    Start(Vec<(LaneKey, Queued)>),
    /// Read more of the backlog of this urgency, above this place.
    Load { urgency: u8, after: i64 },
    /// Nothing to do before this moment (`None`: before something else happens).
    Idle(Option<Timestamp>),
}

/// Order and pace of one connection.
pub(crate) struct Lanes {
    limits: Limits,
    /// Largest batch per action index; 1 where the action has none.
    batch: Vec<usize>,
    /// Least time between two effects of a lane per action index.
    gaps: Vec<Option<Duration>>,
    tokens: f64,
    refilled: Timestamp,
    hold_until: Option<Timestamp>,
    in_flight: u32,
    breaker: Breaker,
    lanes: HashMap<LaneKey, LaneState>,
    ready: [VecDeque<LaneKey>; 3],
    /// Lanes that wait for a moment.
    later: BTreeMap<(Timestamp, LaneKey), ()>,
    credit: [u32; 3],
    queued: [usize; 3],
    overflow: [Overflow; 3],
    known: HashSet<EffectId>,
    paused: bool,
}

impl Lanes {
    /// Buckets start empty: the call after a restart must not be the one too many.
    pub(crate) fn new(limits: Limits, batch: Vec<usize>, gaps: Vec<Option<Duration>>, now: Timestamp) -> Self {
        Self {
            limits,
            batch,
            gaps,
            tokens: 0.0,
            refilled: now,
            hold_until: None,
            in_flight: 0,
            breaker: Breaker::Closed { failures: 0 },
            lanes: HashMap::new(),
            ready: Default::default(),
            later: BTreeMap::new(),
            credit: WEIGHTS,
            queued: [0; 3],
            overflow: Default::default(),
            known: HashSet::new(),
            paused: false,
        }
    }

    /// Starts nothing more: the connection cannot call, or nothing may be sent.
    pub(crate) fn pause(&mut self) {
        self.paused = true;
    }

    // ---- deciding ------------------------------------------------------------------------------

    /// Takes the lane, a slot and a token for an effect that is being decided, if nothing is before it.
    pub(crate) fn try_start(&mut self, key: LaneKey, now: Timestamp) -> bool {
        if !self.may_call(now) || self.ready.iter().take(usize::from(key.urgency) + 1).any(|r| !r.is_empty()) {
            return false;
        }
        if self.overflow[usize::from(key.urgency)].from.is_some() {
            return false;
        }
        let lane = self.lanes.entry(key).or_default();
        if !lane.is_idle() || lane.not_before.is_some_and(|t| t > now) {
            return false;
        }
        lane.busy = true;
        self.take_slot();
        true
    }

    /// Takes over the lane of an effect whose outcome is being written, for the next effect of its run,
    /// if nothing else waits in it.
    pub(crate) fn try_hand_over(&mut self, key: LaneKey, now: Timestamp) -> bool {
        let urgency = usize::from(key.urgency.min(2));
        if !self.may_call(now)
            || self.overflow[urgency].from.is_some()
            || self.ready.iter().take(urgency + 1).any(|r| !r.is_empty())
        {
            return false;
        }
        let Some(lane) = self.lanes.get_mut(&key) else { return false };
        if !lane.busy || lane.handed || lane.parked || lane.reserved > 0 || !lane.queue.is_empty() {
            return false;
        }
        lane.handed = true;
        self.take_slot();
        true
    }

    /// The transaction of a hand-over was not written.
    pub(crate) fn undo_hand_over(&mut self, key: LaneKey, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.handed = false;
        }
        self.release_slot(None, now);
    }

    /// Reserves a place behind what is there, for an effect that is being decided.
    pub(crate) fn reserve(&mut self, key: LaneKey) {
        self.lanes.entry(key).or_default().reserved += 1;
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

    /// An effect that is in the store takes its place, unless the window is full.
    pub(crate) fn enqueue(&mut self, key: LaneKey, effect: Queued, now: Timestamp) {
        let urgency = usize::from(key.urgency.min(2));
        let overflow = &mut self.overflow[urgency];
        if self.queued[urgency] >= WINDOW || overflow.from.is_some() {
            // Everything from the lowest place that was left out is read again from the store.
            overflow.from = Some(overflow.from.map_or(effect.seq - 1, |f| f.min(effect.seq - 1)));
            self.settle_lane(key, now);
            return;
        }
        self.put(key, effect, now);
    }

    /// Part of the backlog, read from the store above `after`. `whole`: there was no more.
    pub(crate) fn loaded(
        &mut self,
        urgency: u8,
        after: i64,
        rows: Vec<(LaneKey, Queued)>,
        whole: bool,
        now: Timestamp,
    ) {
        let at = usize::from(urgency.min(2));
        let last = rows.last().map_or(after, |(_, q)| q.seq);
        for (key, effect) in rows {
            self.put(key, effect, now);
        }
        let overflow = &mut self.overflow[at];
        overflow.loading = false;
        // Whatever was left out meanwhile was committed after the read, so its place is above `last`.
        overflow.from = match overflow.from {
            _ if !whole => Some(last),
            Some(from) if from < i64::MAX => Some(from),
            _ => None,
        };
    }

    fn put(&mut self, key: LaneKey, effect: Queued, now: Timestamp) {
        if !self.known.insert(effect.id) {
            return;
        }
        self.queued[usize::from(key.urgency.min(2))] += 1;
        let lane = self.lanes.entry(key).or_default();
        lane.queue.insert(effect.seq, effect);
        self.settle_lane(key, now);
    }

    // ---- calling -------------------------------------------------------------------------------

    fn may_call(&mut self, now: Timestamp) -> bool {
        if self.paused || self.in_flight >= self.limits.concurrency || self.hold_until.is_some_and(|t| t > now) {
            return false;
        }
        let breaker_open = match self.breaker {
            Breaker::Closed { .. } => false,
            Breaker::Open { until, wait } if until <= now => {
                self.breaker = Breaker::HalfOpen { wait, probing: false };
                false
            }
            Breaker::Open { .. } => true,
            Breaker::HalfOpen { probing, .. } => probing,
        };
        !breaker_open && self.refill(now)
    }

    fn refill(&mut self, now: Timestamp) -> bool {
        let Some(Rate { burst, every }) = self.limits.rate else { return true };
        let passed = now.duration_since(self.refilled).as_secs_f64().max(0.0);
        self.tokens = (self.tokens + passed / every.as_secs_f64().max(1e-9)).min(f64::from(burst.max(1)));
        self.refilled = now;
        self.tokens >= 1.0
    }

    fn take_slot(&mut self) {
        self.in_flight += 1;
        if self.limits.rate.is_some() {
            self.tokens -= 1.0;
        }
        if let Breaker::HalfOpen { wait, .. } = self.breaker {
            self.breaker = Breaker::HalfOpen { wait, probing: true };
        }
    }

    /// Gives a slot to a call that belongs to no lane (a login, a page of reconciliation), if work
    /// of its urgency may go out now.
    pub(crate) fn try_slot(&mut self, now: Timestamp) -> bool {
        let free = self.may_call(now);
        if free {
            self.take_slot();
        }
        free
    }

    /// Pays for one more call of an action that is already running. Never refuses: the bucket goes below zero.
    pub(crate) fn pay(&mut self) {
        if self.limits.rate.is_some() {
            self.tokens -= 1.0;
        }
    }

    /// When a slot may be free.
    pub(crate) fn next_slot(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mut at = self.hold_until.filter(|t| *t > now);
        if let Breaker::Open { until, .. } = self.breaker {
            at = at.max(Some(until));
        }
        if at.is_none()
            && !self.refill(now)
            && let Some(rate) = self.limits.rate
        {
            let missing = (1.0 - self.tokens).max(0.0) * rate.every.as_secs_f64();
            at = now.checked_add(Duration::from_secs_f64(missing + 1e-4)).ok();
        }
        at
    }

    /// What to do next.
    pub(crate) fn next(&mut self, now: Timestamp) -> Next {
        self.wake_lanes(now);
        for urgency in 0..3u8 {
            let at = usize::from(urgency);
            let overflow = self.overflow[at];
            if let Some(after) = overflow.from
                && !overflow.loading
                && self.queued[at] < WINDOW / 2
            {
                self.overflow[at].loading = true;
                // What is left out from here on is noticed by its place.
                self.overflow[at].from = Some(i64::MAX);
                return Next::Load { urgency, after };
            }
        }
        if self.ready.iter().all(VecDeque::is_empty) {
            return Next::Idle(self.later.keys().next().map(|(t, _)| *t));
        }
        if !self.may_call(now) {
            let slot = self.next_slot(now);
            return Next::Idle(slot);
        }
        self.start().map_or(Next::Idle(None), Next::Start)
    }

    /// What waits for a slot and may have one now; at most so many starts.
    pub(crate) fn next_starts(&mut self, most: usize, now: Timestamp) -> Vec<Vec<(LaneKey, Queued)>> {
        self.wake_lanes(now);
        let mut starts = Vec::new();
        while starts.len() < most && !self.ready.iter().all(VecDeque::is_empty) && self.may_call(now) {
            starts.extend(self.start());
        }
        starts
    }

    /// Are so many calls out that the next answer, and a transaction with it, is a moment away?
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight > 0 && self.in_flight >= self.limits.concurrency / 2
    }

    /// Takes the next of what is ready, and a slot for it.
    fn start(&mut self) -> Option<Vec<(LaneKey, Queued)>> {
        let urgency = self.pick_urgency();
        let first = self.ready[urgency].pop_front()?;
        let mut started = Vec::new();
        self.start_head(first, &mut started);
        let max = started.first().map_or(1, |(_, q)| self.batch.get(usize::from(q.action)).copied().unwrap_or(1));
        if max > 1 {
            self.fill_batch(max, &mut started);
        }
        self.take_slot();
        Some(started)
    }

    fn pick_urgency(&mut self) -> usize {
        let waiting: Vec<usize> = (0..3).filter(|u| !self.ready[*u].is_empty()).collect();
        if waiting.iter().all(|u| self.credit[*u] == 0) {
            self.credit = WEIGHTS;
        }
        let urgency = waiting.iter().copied().find(|u| self.credit[*u] > 0).unwrap_or(0);
        self.credit[urgency] -= 1;
        urgency
    }

    fn start_head(&mut self, key: LaneKey, started: &mut Vec<(LaneKey, Queued)>) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        lane.ready = false;
        if let Some((_, effect)) = lane.queue.pop_first() {
            lane.busy = true;
            self.queued[usize::from(key.urgency.min(2))] -= 1;
            self.known.remove(&effect.id);
            started.push((key, effect));
        }
    }

    /// Adds heads of other ready lanes with the same action.
    fn fill_batch(&mut self, max: usize, started: &mut Vec<(LaneKey, Queued)>) {
        let Some(action) = started.first().map(|(_, q)| q.action) else { return };
        for urgency in 0..3 {
            let mut kept = VecDeque::new();
            while let Some(key) = self.ready[urgency].pop_front() {
                let fits = started.len() < max
                    && self
                        .lanes
                        .get(&key)
                        .and_then(|l| l.queue.first_key_value())
                        .is_some_and(|(_, q)| q.action == action);
                if fits {
                    self.start_head(key, started);
                } else {
                    kept.push_back(key);
                }
            }
            self.ready[urgency] = kept;
        }
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
        if let Some(effect) = again {
            // It was in the window a moment ago: no need to ask whether there is room.
            self.put(key, effect, now);
        } else {
            self.settle_lane(key, now);
        }
    }

    /// A lane stops behind a dead, unknown or checking effect.
    pub(crate) fn park(&mut self, key: LaneKey) {
        self.lanes.entry(key).or_default().parked = true;
    }

    /// And goes on.
    pub(crate) fn unpark(&mut self, key: LaneKey, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.parked = false;
        }
        self.settle_lane(key, now);
    }

    /// An effect was withdrawn before it was sent.
    pub(crate) fn withdraw(&mut self, key: LaneKey, id: EffectId, now: Timestamp) {
        if self.known.remove(&id)
            && let Some(lane) = self.lanes.get_mut(&key)
        {
            let before = lane.queue.len();
            lane.queue.retain(|_, q| q.id != id);
            self.queued[usize::from(key.urgency.min(2))] -= before - lane.queue.len();
        }
        self.settle_lane(key, now);
    }

    /// A call is over: its slot is free, and the breaker hears how it went. Returns true when the breaker opened.
    pub(crate) fn release_slot(&mut self, well: Option<bool>, now: Timestamp) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(well) = well else {
            // Nothing was learnt: a half-open breaker may probe again.
            if let Breaker::HalfOpen { wait, .. } = self.breaker {
                self.breaker = Breaker::HalfOpen { wait, probing: false };
            }
            return false;
        };
        let open = |wait: Duration| Breaker::Open { until: now.checked_add(wait).unwrap_or(Timestamp::MAX), wait };
        let (next, opened) = match (self.breaker, well) {
            (_, true) => (Breaker::Closed { failures: 0 }, false),
            (Breaker::Closed { failures }, false) if failures + 1 >= BREAKER_FAILURES => (open(BREAKER_FIRST), true),
            (Breaker::Closed { failures }, false) => (Breaker::Closed { failures: failures + 1 }, false),
            (Breaker::HalfOpen { wait, .. }, false) => (open((wait * 2).min(BREAKER_CAP)), true),
            (still @ Breaker::Open { .. }, false) => (still, false),
        };
        self.breaker = next;
        opened
    }

    /// The provider asked the whole connection to wait.
    pub(crate) fn hold(&mut self, until: Timestamp) {
        self.hold_until = self.hold_until.max(Some(until));
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

    /// Puts a lane where it belongs: ready, later, or away when nothing is in it.
    fn settle_lane(&mut self, key: LaneKey, now: Timestamp) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        if lane.is_idle() {
            match lane.not_before {
                Some(at) if at > now => drop(self.later.insert((at, key), ())),
                _ => drop(self.lanes.remove(&key)),
            }
            return;
        }
        if lane.busy || lane.parked || lane.reserved > 0 || lane.ready || lane.queue.is_empty() {
            return;
        }
        let head = lane.queue.first_key_value().and_then(|(_, q)| q.not_before);
        match lane.not_before.max(head) {
            Some(at) if at > now => drop(self.later.insert((at, key), ())),
            _ => {
                lane.ready = true;
                self.ready[usize::from(key.urgency.min(2))].push_back(key);
            }
        }
    }

    // ---- for screens ---------------------------------------------------------------------------

    /// Queued in memory, in flight, lanes, and whether the breaker is open.
    pub(crate) fn view(&self, now: Timestamp) -> LanesView {
        LanesView {
            queued: self.queued,
            in_flight: self.in_flight,
            lanes: self.lanes.len(),
            parked: self.lanes.values().filter(|l| l.parked).count(),
            breaker: match self.breaker {
                Breaker::Closed { .. } => "closed",
                Breaker::Open { .. } => "open",
                Breaker::HalfOpen { .. } => "half_open",
            },
            held: self.hold_until.is_some_and(|t| t > now),
            backlog: self.overflow.iter().any(|o| o.from.is_some()),
        }
    }
}

/// How a connection's work stands.
#[derive(Debug, Clone, serde::Serialize)]
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
    /// The provider asked to wait.
    pub held: bool,
    /// Part of the backlog is in the store only.
    pub backlog: bool,
}

#[cfg(test)]
#[path = "lanes/tests.rs"]
mod tests;
