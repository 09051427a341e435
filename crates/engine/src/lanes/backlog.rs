//! The part of a connection's backlog that is not in memory, and the way back from the store.
//!
//! Each flow has a window of its own, so that a campaign of 100,000 effects fills its own and nobody
//! else's. Two readings bring the rest: a *page* of a flow brings the heads of lanes that memory does
//! not know, and a *lane* brings its own next effects. So whatever a lane has in memory is always the
//! first of what it has, and order holds although flows that share a lane are read apart.
//!
//! While any flow of an urgency has effects that no page has shown yet, a lane that is not in memory
//! is unknown: what is new for it waits in the store until it is shown. Lanes in memory are known.

use super::{LaneKey, LaneState, Lanes, Queued};
use jiff::Timestamp;

/// Ready lanes that a flow has in memory before more is left to the store.
pub(crate) const WINDOW: usize = 1024;
/// Queued effects of a flow in memory at most; more than its window, since lanes that wait for a moment
/// of their own must not hold back the others.
const MOST: usize = 8 * WINDOW;
/// Effects of one lane in memory, and of one reading of it.
pub(crate) const LANE_WINDOW: usize = 32;
/// Lanes that are read before the dispatcher looks at what may start.
const LANES_AT_A_TIME: usize = 32;

/// What of a lane is in the store only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Rest {
    /// Nothing.
    #[default]
    Nothing,
    /// Something, or perhaps something: it is read when memory has none of it any more.
    Something,
    /// It is being read.
    Reading,
    /// It is being read, and something was left out since.
    ReadingMore,
    /// A page may yet show something.
    Unknown,
}

/// What of a flow no page has shown yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FlowBacklog {
    /// Queued effects in memory.
    pub(super) loaded: usize,
    /// Place above which the store is to be read.
    from: Option<i64>,
    reading: bool,
}

/// What is to be read from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// The next page of a flow's effects with this urgency, above this place.
    Flow { urgency: u8, flow: i64, after: i64 },
    /// The first effects of a lane above this place, at most [`LANE_WINDOW`].
    Lane { key: LaneKey, after: i64 },
}

/// An effect that a page shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) key: LaneKey,
    pub(crate) effect: Queued,
    /// Nothing queued is before it in its lane.
    pub(crate) first: bool,
    /// Nothing queued is behind it in its lane.
    pub(crate) last: bool,
}

impl LaneState {
    /// Is, or may, something of it be in the store only?
    fn has_rest(&self) -> bool {
        matches!(self.rest, Rest::Something | Rest::Reading | Rest::ReadingMore)
    }

    /// Is it time to read what it has in the store?
    pub(super) fn wants_rest(&self) -> bool {
        self.rest == Rest::Something && self.queue.is_empty() && !self.busy && !self.parked
    }

    /// Something of it stays in the store.
    pub(super) fn leave(&mut self) {
        self.rest = match self.rest {
            Rest::Reading | Rest::ReadingMore => Rest::ReadingMore,
            _ => Rest::Something,
        };
    }
}

impl Lanes {
    /// May lanes of this urgency that memory does not know have something in the store?
    pub(super) fn is_behind(&self, band: usize) -> bool {
        self.behind[band] > 0
    }

    /// At start: a flow has effects in the store, none of which was shown.
    pub(crate) fn stored(&mut self, urgency: u8, flow: i64) {
        self.leave_to_flow(LaneKey { lane: 0, urgency }.band(), flow, -1);
    }

    fn leave_to_flow(&mut self, band: usize, flow: i64, after: i64) {
        let backlog = self.backlog[band].entry(flow).or_default();
        if backlog.from.is_none() {
            self.behind[band] += 1;
        }
        backlog.from = Some(backlog.from.map_or(after, |f| f.min(after)));
    }

    /// A new effect that is in the store takes its place behind what is there, or is left in the store
    /// if there is no room, or if what is before it may not be in memory.
    pub(crate) fn enqueue(&mut self, key: LaneKey, effect: Queued, now: Timestamp) {
        let band = key.band();
        let behind = self.is_behind(band);
        let room = self.turns.ready_of(band, effect.flow) < WINDOW
            && self.backlog[band].get(&effect.flow).is_none_or(|b| b.loaded < MOST);
        let shown = self.lanes.get(&key).map_or(!behind, |lane| lane.rest != Rest::Unknown || !behind);
        let lane = self.lanes.entry(key).or_default();
        if lane.queue.last_key_value().is_some_and(|(last, _)| effect.seq < *last) {
            // Decided before what is there, and told after it.
            return self.put(key, effect, now);
        }
        if !shown || (lane.is_idle() && !room) {
            lane.rest = Rest::Unknown;
            if self.pages_out > 0 {
                self.moved.insert(key);
            }
            self.leave_to_flow(band, effect.flow, effect.seq - 1);
        } else if lane.parked || lane.has_rest() || !room || lane.queue.len() >= LANE_WINDOW {
            lane.leave();
        } else {
            // If it was unknown, everything was shown since, and nothing of this lane was in it.
            lane.rest = Rest::Nothing;
            return self.put(key, effect, now);
        }
        self.settle_lane(key, now);
    }

    /// An effect that another node queued, or that this one did and has heard of already.
    pub(crate) fn arrive(&mut self, key: LaneKey, effect: Queued, now: Timestamp) {
        if !self.known.contains(&effect.id) {
            self.enqueue(key, effect, now);
        }
    }

    /// What a lane has in the store is not as memory knew it (an effect that had ended is queued again,
    /// at the place that it had): the lane is read.
    pub(crate) fn requeue(&mut self, key: LaneKey, now: Timestamp) {
        self.lanes.entry(key).or_default().leave();
        self.settle_lane(key, now);
    }

    /// Puts an effect into its lane in memory: the caller knows that nothing between is missing.
    pub(super) fn put(&mut self, key: LaneKey, effect: Queued, now: Timestamp) {
        let lane = self.lanes.entry(key).or_default();
        if lane.parked {
            lane.leave();
        } else if self.known.insert(effect.id) {
            lane.queue.insert(effect.seq, effect);
            self.backlog[key.band()].entry(effect.flow).or_default().loaded += 1;
        }
        self.settle_lane(key, now);
    }

    /// An effect is no longer in its lane's queue.
    pub(super) fn forget(&mut self, band: usize, effect: &Queued) {
        self.known.remove(&effect.id);
        if let Some(backlog) = self.backlog[band].get_mut(&effect.flow) {
            backlog.loaded = backlog.loaded.saturating_sub(1);
        }
    }

    /// What is to be read from the store now: lanes that ran empty, and a page of the next flow that has
    /// room for it. Flows take turns.
    pub(crate) fn next_reads(&mut self) -> Vec<Read> {
        let mut reads = Vec::new();
        while reads.len() < LANES_AT_A_TIME
            && let Some(key) = self.to_read.pop_front()
        {
            // It may have gone, or have been parked, since it asked.
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            if std::mem::take(&mut lane.asked) && lane.wants_rest() {
                lane.rest = Rest::Reading;
                reads.push(Read::Lane { key, after: lane.passed });
            }
        }
        for (urgency, band) in (0u8..).zip(0..3usize) {
            if self.behind[band] == 0 {
                continue;
            }
            let after_last = self.last_page[band].saturating_add(1);
            let turns = &self.turns;
            let wants = |(flow, b): &(&i64, &FlowBacklog)| {
                b.from.is_some() && !b.reading && b.loaded < MOST && turns.ready_of(band, **flow) < WINDOW / 2
            };
            let backlog = &self.backlog[band];
            let Some((flow, _)) = backlog.range(after_last..).chain(backlog.range(..after_last)).find(wants) else {
                continue;
            };
            let flow = *flow;
            self.last_page[band] = flow;
            if let Some(b) = self.backlog[band].get_mut(&flow) {
                b.reading = true;
                self.pages_out += 1;
                // What is left out from here on is noticed by its place.
                let after = b.from.replace(i64::MAX).unwrap_or(-1);
                reads.push(Read::Flow { urgency, flow, after });
            }
        }
        reads
    }

    /// A page of a flow was read above `after`. `whole`: there was no more.
    pub(crate) fn page_read(
        &mut self,
        urgency: u8,
        flow: i64,
        after: i64,
        page: Vec<Shown>,
        whole: bool,
        now: Timestamp,
    ) {
        let band = LaneKey { lane: 0, urgency }.band();
        let last = page.last().map_or(after, |s| s.effect.seq);
        for shown in page {
            if self.known.contains(&shown.effect.id) {
                continue;
            }
            let moved = self.moved.contains(&shown.key);
            match self.lanes.get_mut(&shown.key) {
                None if shown.first => self.show(&shown, moved, now),
                Some(lane) if shown.first && lane.rest == Rest::Unknown => self.show(&shown, moved, now),
                // Memory has what is before it, or will hear of it: the lane tells itself what it has.
                Some(lane) => {
                    lane.leave();
                    self.settle_lane(shown.key, now);
                }
                // What is before it may have been done since the page was read, or has stepped aside.
                None if moved || self.aside => self.requeue(shown.key, now),
                // What is before it is yet to be shown, and the lane will tell this one then.
                None => {}
            }
        }
        let backlog = self.backlog[band].entry(flow).or_default();
        backlog.reading = false;
        // What was left out meanwhile may lie below the page: decisions are heard of in any order.
        let left = backlog.from.filter(|from| *from < i64::MAX);
        let rest = (!whole).then_some(last);
        backlog.from = left.into_iter().chain(rest).min();
        if backlog.from.is_none() {
            self.behind[band] = self.behind[band].saturating_sub(1);
        }
        self.pages_out = self.pages_out.saturating_sub(1);
        if self.pages_out == 0 {
            self.moved.clear();
        }
    }

    /// The head of a lane that memory does not know.
    fn show(&mut self, shown: &Shown, moved: bool, now: Timestamp) {
        let lane = self.lanes.entry(shown.key).or_default();
        lane.rest = if shown.last && !moved { Rest::Nothing } else { Rest::Something };
        self.put(shown.key, shown.effect, now);
    }

    /// The first effects of a lane were read. `whole`: there are no others.
    pub(crate) fn lane_read(&mut self, key: LaneKey, effects: Vec<Queued>, whole: bool, now: Timestamp) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        if std::mem::take(&mut lane.outdated) {
            // Asked for before a reload: what had stepped aside is not in it, and goes first.
            lane.rest = Rest::Something;
            return self.settle_lane(key, now);
        }
        lane.rest = if whole && lane.rest == Rest::Reading { Rest::Nothing } else { Rest::Something };
        for effect in effects {
            self.put(key, effect, now);
        }
        self.settle_lane(key, now);
    }
}
