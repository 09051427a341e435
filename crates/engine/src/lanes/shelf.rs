//! A store of the tests, as lanes see it: queued effects, what is out, and reads that may be old by the
//! time they come back. It sees to what must hold whatever happens: order, slots, and no effect twice.

use super::*;
use pasarela_connector::Rate;
use std::collections::HashMap;

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
}

pub(super) fn key(lane: i64, urgency: u8) -> LaneKey {
    LaneKey { lane, urgency }
}

pub(super) fn effect(n: i64) -> Queued {
    Queued { id: EffectId::from_raw(n), seq: n, flow: 0, action: 0, not_before: None }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    Queued,
    Out,
    Dead,
    Ended,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) key: LaneKey,
    pub(super) effect: Queued,
    pub(super) state: State,
}

/// A read that was made and has not been told yet.
pub(super) enum Told {
    Page { urgency: u8, flow: i64, after: i64, page: Vec<Shown>, whole: bool },
    Lane(LaneKey, Vec<Queued>, bool),
}

pub(super) struct Shelf {
    pub(super) lanes: Lanes,
    pub(super) now: i64,
    pub(super) rows: BTreeMap<i64, Row>,
    pub(super) out: Vec<Start>,
    /// Places in the order in which they were started.
    pub(super) started: Vec<i64>,
    /// Rows of a page.
    pub(super) page: usize,
    /// Committed, and not yet told to the lanes.
    pub(super) decided: Vec<i64>,
    limits: Limits,
    calls: usize,
    /// Queued places per lane and per flow, so that reads are searches.
    by_lane: HashMap<LaneKey, std::collections::BTreeSet<i64>>,
    by_flow: HashMap<(u8, i64), std::collections::BTreeSet<i64>>,
}

impl Shelf {
    pub(super) fn new(rate: Option<Rate>, concurrency: u32, batch: Vec<usize>) -> Self {
        let limits = Limits { rate, concurrency, timeout: Duration::from_secs(10) };
        Self {
            lanes: Lanes::new(limits, batch, Vec::new(), at(0)),
            now: 0,
            rows: BTreeMap::new(),
            out: Vec::new(),
            started: Vec::new(),
            page: 7,
            decided: Vec::new(),
            limits,
            calls: 0,
            by_lane: HashMap::new(),
            by_flow: HashMap::new(),
        }
    }

    fn now(&self) -> Timestamp {
        at(self.now)
    }

    fn mark(&mut self, seq: i64, state: State) {
        let row = self.rows.get_mut(&seq).unwrap();
        row.state = state;
        let lane = self.by_lane.entry(row.key).or_default();
        let flow = self.by_flow.entry((row.key.urgency, row.effect.flow)).or_default();
        if state == State::Queued {
            lane.insert(seq);
            flow.insert(seq);
        } else {
            lane.remove(&seq);
            flow.remove(&seq);
        }
    }

    /// A decision is written: it took a free lane, or waits.
    pub(super) fn decide(&mut self, key: LaneKey, flow: i64, action: u16) {
        let seq = self.rows.keys().next_back().map_or(1, |last| last + 1);
        let effect = Queued { flow, action, ..effect(seq) };
        self.rows.insert(seq, Row { key, effect, state: State::Queued });
        if self.lanes.try_start(key, flow, self.now()) {
            self.mark(seq, State::Out);
            self.note(vec![(key, effect)]);
        } else {
            self.lanes.reserve(key);
            self.mark(seq, State::Queued);
            self.decided.push(seq);
        }
    }

    /// The lanes hear of a decision; decisions come back in any order.
    pub(super) fn hear(&mut self, which: usize) {
        if !self.decided.is_empty() {
            let seq = self.decided.swap_remove(which % self.decided.len());
            let row = self.rows[&seq];
            self.lanes.enqueue_reserved(row.key, row.effect, self.now());
        }
    }

    pub(super) fn hear_all(&mut self) {
        while !self.decided.is_empty() {
            self.hear(0);
        }
    }

    fn note(&mut self, start: Start) {
        self.calls += 1;
        for (key, effect) in &start {
            let earlier = self.by_lane.get(key).and_then(|lane| lane.first()).filter(|seq| **seq < effect.seq);
            assert!(earlier.is_none(), "{effect:?} goes before {earlier:?}");
            assert!(!self.out.iter().flatten().any(|(k, _)| k == key), "two of lane {key:?} are out");
            self.started.push(effect.seq);
        }
        self.out.push(start);
        let shared = self.out.iter().filter(|s| s[0].0.urgency > 0).count() as u32;
        assert!(self.out.len() as u32 <= self.limits.concurrency, "more calls than may be out");
        assert!(self.limits.concurrency < 4 || shared < self.limits.concurrency, "urgent work has no slot");
        if let Some(Rate { burst, every }) = self.limits.rate {
            let most = f64::from(burst) + self.now as f64 / (every.as_secs_f64() * 1000.0) + 1e-6;
            assert!(self.calls as f64 <= most, "{} calls in {} ms", self.calls, self.now);
        }
    }

    /// Starts what may start now, at most so many calls. Returns how many.
    pub(super) fn start(&mut self, most: usize) -> usize {
        let mut n = 0;
        while n < most
            && let Next::Start(start) = self.lanes.next(self.now())
        {
            // The claim tells which effects were still to be had.
            let (had, lost): (Start, Start) =
                start.iter().copied().partition(|(_, q)| self.rows[&q.seq].state == State::Queued);
            for (key, q) in lost {
                self.lanes.finish(key, q.action, None, self.now());
            }
            if had.is_empty() {
                self.lanes.release_slot(Slot::of(start[0].0.urgency), None, self.now());
                continue;
            }
            for (_, q) in &had {
                self.mark(q.seq, State::Out);
            }
            self.note(had);
            n += 1;
        }
        n
    }

    /// A call ends: its effects are done, tried again after a while, or dead, which parks their lanes.
    pub(super) fn end(&mut self, which: usize, again: Option<i64>, dead: bool) {
        if self.out.is_empty() {
            return;
        }
        let start = self.out.remove(which % self.out.len());
        self.lanes.release_slot(Slot::of(start[0].0.urgency), Some(true), self.now());
        for (key, effect) in start {
            let retry = again.map(|ms| Queued { not_before: Some(at(self.now + ms)), ..effect });
            let state = match retry {
                _ if dead => State::Dead,
                Some(_) => State::Queued,
                None => State::Ended,
            };
            if dead {
                self.lanes.park(key);
            }
            self.rows.get_mut(&effect.seq).unwrap().effect.not_before = retry.and_then(|q| q.not_before);
            self.mark(effect.seq, state);
            self.lanes.finish(key, effect.action, retry.filter(|_| !dead), self.now());
        }
    }

    pub(super) fn end_all(&mut self) {
        while !self.out.is_empty() {
            self.end(0, None, false);
        }
    }

    /// A person lets a dead letter go again.
    pub(super) fn revive(&mut self, which: usize) {
        let dead: Vec<Row> = self.rows.values().filter(|r| r.state == State::Dead).copied().collect();
        if let Some(row) = (!dead.is_empty()).then(|| dead[which % dead.len()]) {
            self.mark(row.effect.seq, State::Queued);
            self.lanes.requeue(row.key, self.now());
            if !self.rows.values().any(|r| r.state == State::Dead && r.key == row.key) {
                self.lanes.unpark(row.key, self.now());
            }
        }
    }

    pub(super) fn withdraw(&mut self, which: usize) {
        let queued: Vec<Row> = self.rows.values().filter(|r| r.state == State::Queued).copied().collect();
        if let Some(row) = (!queued.is_empty()).then(|| queued[which % queued.len()])
            && !self.decided.contains(&row.effect.seq)
        {
            self.lanes.withdraw(row.key, row.effect.id, self.now());
            self.mark(row.effect.seq, State::Ended);
        }
    }

    /// Reads what the lanes ask for, as it is now.
    pub(super) fn read(&mut self) -> Vec<Told> {
        let reads = self.lanes.next_reads();
        reads.into_iter().map(|read| self.look(read)).collect()
    }

    fn look(&self, read: Read) -> Told {
        let none = std::collections::BTreeSet::new();
        match read {
            Read::Flow { urgency, flow, after } => {
                let own = self.by_flow.get(&(urgency, flow)).unwrap_or(&none);
                let page: Vec<Shown> = own
                    .range(after + 1..)
                    .take(self.page)
                    .map(|seq| {
                        let Row { key, effect, .. } = self.rows[seq];
                        let lane = &self.by_lane[&key];
                        Shown { key, effect, first: lane.first() == Some(seq), last: lane.last() == Some(seq) }
                    })
                    .collect();
                let whole = page.len() < self.page;
                Told::Page { urgency, flow, after, page, whole }
            }
            Read::Lane { key, after } => {
                let lane = self.by_lane.get(&key).unwrap_or(&none);
                let first = lane.range(after + 1..).take(LANE_WINDOW).map(|seq| self.rows[seq].effect).collect();
                Told::Lane(key, first, lane.range(after + 1..).count() <= LANE_WINDOW)
            }
        }
    }

    pub(super) fn tell(&mut self, told: Told) {
        match told {
            Told::Page { urgency, flow, after, page, whole } => {
                self.lanes.page_read(urgency, flow, after, page, whole, self.now());
            }
            Told::Lane(key, effects, whole) => self.lanes.lane_read(key, effects, whole, self.now()),
        }
    }

    /// Reads until the lanes ask for nothing.
    pub(super) fn read_all(&mut self) {
        loop {
            let told = self.read();
            if told.is_empty() {
                return;
            }
            told.into_iter().for_each(|t| self.tell(t));
        }
    }

    pub(super) fn queued(&self) -> usize {
        self.by_lane.values().map(std::collections::BTreeSet::len).sum()
    }

    /// A new process on the same store.
    pub(super) fn restart(&mut self) {
        self.end_all();
        self.lanes = Lanes::new(self.limits, self.lanes.batch.clone(), Vec::new(), self.now());
        self.decided.clear();
        for row in self.rows.values().filter(|r| r.state == State::Dead) {
            self.lanes.park(row.key);
        }
        for ((urgency, flow), _) in self.by_flow.iter().filter(|(_, places)| !places.is_empty()) {
            self.lanes.stored(*urgency, *flow);
        }
    }
}
