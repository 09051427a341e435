//! Whose turn it is (G9). Urgent, normal and bulk work share by weight; within one urgency the flows
//! take turns, and within a flow its lanes: deficit round robin, counted in calls, since calls are what
//! a provider's budget is spent in. A batch is one call; an action of several calls goes into debt.
//!
//! A lane waits here at most once for each time that it became ready. Entries of lanes that are no
//! longer ready are passed over by whoever takes them.

use super::LaneKey;
use std::collections::{HashMap, VecDeque};

/// Calls of urgent, normal and bulk work in one round when all three wait.
pub(super) const WEIGHTS: [i64; 3] = [16, 4, 1];

/// Calls that a flow or an urgency may owe at most: whatever it took, it is not put off for longer.
pub(super) const DEBT: i64 = 16;

#[derive(Default)]
struct FlowTurn {
    ready: VecDeque<LaneKey>,
    /// What it may still call before others; below zero: what it owes.
    deficit: i64,
    /// Is it in its band's order?
    listed: bool,
}

#[derive(Default)]
struct Band {
    credit: i64,
    /// Entries of all its flows.
    waiting: usize,
    order: VecDeque<i64>,
    flows: HashMap<i64, FlowTurn>,
}

/// Ready lanes of one connection.
pub(super) struct Turns([Band; 3]);

impl Turns {
    pub(super) fn new() -> Self {
        Self(WEIGHTS.map(|credit| Band { credit, ..Band::default() }))
    }

    /// A lane is ready, on behalf of the flow of its head.
    pub(super) fn push(&mut self, key: LaneKey, flow: i64) {
        let band = &mut self.0[key.band()];
        let turn = band.flows.entry(flow).or_default();
        turn.ready.push_back(key);
        band.waiting += 1;
        if !turn.listed {
            turn.listed = true;
            band.order.push_back(flow);
        }
    }

    /// Does any lane of this urgency wait for its turn?
    pub(super) fn waits(&self, band: usize) -> bool {
        self.0[band].waiting > 0
    }

    /// Lanes of a flow that wait for their turn.
    pub(super) fn ready_of(&self, band: usize, flow: i64) -> usize {
        self.0[band].flows.get(&flow).map_or(0, |f| f.ready.len())
    }

    /// The lane whose turn it is among the urgencies that are open, with its flow. It has not paid yet.
    pub(super) fn take(&mut self, open: [bool; 3]) -> Option<(LaneKey, i64)> {
        let band = &mut self.0[self.band_in_turn(open)?];
        while let Some(flow) = band.order.pop_front() {
            let Some(turn) = band.flows.get_mut(&flow) else { continue };
            turn.deficit = (turn.deficit + 1).min(1);
            if turn.deficit < 1 && !turn.ready.is_empty() {
                band.order.push_back(flow);
                continue;
            }
            let key = turn.ready.pop_front();
            turn.listed = !turn.ready.is_empty();
            if turn.listed {
                band.order.push_back(flow);
            }
            if let Some(key) = key {
                band.waiting -= 1;
                return Some((key, flow));
            }
        }
        None
    }

    fn band_in_turn(&mut self, open: [bool; 3]) -> Option<usize> {
        let waiting = |bands: &[Band; 3], b: usize| open[b] && bands[b].waiting > 0;
        if !(0..3).any(|b| waiting(&self.0, b)) {
            return None;
        }
        loop {
            if let Some(band) = (0..3).find(|b| waiting(&self.0, *b) && self.0[*b].credit > 0) {
                return Some(band);
            }
            for (band, weight) in self.0.iter_mut().zip(WEIGHTS) {
                band.credit = (band.credit + weight).min(weight);
            }
        }
    }

    /// A call was made for a flow.
    pub(super) fn pay(&mut self, band: usize, flow: i64) {
        let band = &mut self.0[band];
        band.credit = (band.credit - 1).max(-DEBT);
        let turn = band.flows.entry(flow).or_default();
        turn.deficit = (turn.deficit - 1).max(-DEBT);
    }

    /// Takes lanes out of their turn that `fits` wants, at most so many: they ride along with a call
    /// that is made anyway, which costs nobody anything.
    pub(super) fn riders(&mut self, most: usize, mut fits: impl FnMut(LaneKey) -> bool) {
        let mut taken = 0;
        for band in &mut self.0 {
            for flow in &band.order {
                let Some(turn) = band.flows.get_mut(flow) else { continue };
                let before = turn.ready.len();
                turn.ready.retain(|key| {
                    let rides = taken < most && fits(*key);
                    taken += usize::from(rides);
                    !rides
                });
                band.waiting -= before - turn.ready.len();
                if taken == most {
                    return;
                }
            }
        }
    }
}
