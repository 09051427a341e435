//! How often a link may be asked for. Counted in memory, by whoever asks and for the hub as a whole; the ledger
//! itself takes one request an hour for each address.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
/// Requests an hour of one asker: a family behind one address fits.
const EACH: u32 = 10;
/// Requests an hour of everybody: what goes beyond is somebody's game with other people's mailboxes.
const ALL: u32 = 600;
/// Askers that are remembered.
const REMEMBERED: usize = 10_000;

/// Counts of the hour.
#[derive(Default)]
pub(crate) struct Rate(Mutex<State>);

#[derive(Default)]
struct State {
    since: Option<Instant>,
    all: u32,
    each: HashMap<IpAddr, u32>,
}

impl Rate {
    /// May this one ask once more?
    pub(crate) fn admits(&self, asker: Option<IpAddr>, now: Instant) -> bool {
        let mut state = self.0.lock();
        if state.since.is_none_or(|since| now.duration_since(since) >= HOUR) {
            *state = State { since: Some(now), ..State::default() };
        }
        if state.all >= ALL || state.each.len() >= REMEMBERED {
            return false;
        }
        if let Some(asker) = asker {
            let asked = state.each.entry(asker).or_default();
            if *asked >= EACH {
                return false;
            }
            *asked += 1;
        }
        state.all += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asker_and_all_together_are_held_for_the_rest_of_the_hour() {
        let (rate, begun) = (Rate::default(), Instant::now());
        let asker = |n: u32| Some(IpAddr::from(n.to_be_bytes()));
        assert_eq!((0..20).filter(|_| rate.admits(asker(1), begun)).count(), EACH as usize);
        assert!(rate.admits(asker(2), begun), "another one may");
        assert!((3..2000).filter(|n| rate.admits(asker(*n), begun)).count() < ALL as usize);
        assert!(!rate.admits(asker(5000), begun + HOUR / 2) && rate.admits(asker(1), begun + HOUR));
    }
}
