//! How fast a connection may be called: token bucket, calls at the same time, circuit breaker, and the
//! time that the provider asked to wait. Which effect goes is not said here.

use jiff::Timestamp;
use pasarela_connector::{Limits, Rate};
use std::time::Duration;

/// Failures in a row that open the breaker.
pub(super) const BREAKER_FAILURES: u32 = 6;
const BREAKER_FIRST: Duration = Duration::from_secs(2);
const BREAKER_CAP: Duration = Duration::from_secs(60);
/// Nobody comes with a time that is older than this; a clock that is has been set back.
const LATEST: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Breaker {
    Closed { failures: u32 },
    Open { until: Timestamp, wait: Duration },
    HalfOpen { wait: Duration, probing: bool },
}

/// Whose slot a call takes. It is given back as what it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Of urgent work, which may take all of them.
    Urgent,
    /// Of everything else, which leaves a few to urgent work.
    Shared,
}

impl Slot {
    pub(crate) fn of(urgency: u8) -> Self {
        if urgency == 0 { Self::Urgent } else { Self::Shared }
    }
}

/// Pace of one connection.
pub(super) struct Pace {
    limits: Limits,
    tokens: f64,
    refilled: Timestamp,
    hold_until: Option<Timestamp>,
    in_flight: u32,
    /// Those of `in_flight` that are not urgent.
    shared: u32,
    breaker: Breaker,
    /// It cannot call at all: credentials are missing, or nobody serves.
    paused: bool,
    /// A person has paused it.
    halted: bool,
    /// This node has it. Another node's connection is not called from here.
    own: bool,
}

impl Pace {
    /// Buckets start empty: the call after a restart must not be the one too many.
    pub(super) fn new(limits: Limits, now: Timestamp) -> Self {
        Self {
            limits,
            tokens: 0.0,
            refilled: now,
            hold_until: None,
            in_flight: 0,
            shared: 0,
            breaker: Breaker::Closed { failures: 0 },
            paused: false,
            halted: false,
            own: true,
        }
    }

    /// Whether it is this node's. One that was another's begins with an empty bucket and a closed breaker:
    /// what that node spent of the rate is not known.
    pub(super) fn own(&mut self, own: bool, now: Timestamp) {
        if own && !self.own {
            (self.tokens, self.refilled) = (0.0, now);
            (self.hold_until, self.breaker) = (None, Breaker::Closed { failures: 0 });
        }
        self.own = own;
    }

    pub(super) fn halt(&mut self, halted: bool) {
        self.halted = halted;
    }

    pub(super) fn is_halted(&self) -> bool {
        self.halted
    }

    /// Calls that the bucket allows at once, as of the last look; `None`: there is no rate.
    pub(super) fn tokens(&self) -> Option<f64> {
        self.limits.rate.map(|_| self.tokens.max(0.0))
    }

    pub(super) fn concurrency(&self) -> u32 {
        self.limits.concurrency
    }

    /// Nothing was called after all: the slot and its token are free again.
    pub(super) fn put_back(&mut self, slot: Slot, now: Timestamp) {
        if self.limits.rate.is_some() {
            self.tokens += 1.0;
        }
        self.release(slot, None, now);
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) fn hold(&mut self, until: Timestamp) {
        self.hold_until = self.hold_until.max(Some(until));
    }

    /// Calls at the same time that are kept for urgent work, so that it never waits for the answer of a
    /// slow call that is not: one in sixteen, at least one of four. Fewer than four cannot be shared.
    fn kept(&self) -> u32 {
        match self.limits.concurrency {
            0..4 => 0,
            many => (many / 16).max(1),
        }
    }

    /// May anything be called now, if it is urgent?
    pub(super) fn may_call(&mut self, now: Timestamp) -> bool {
        if self.paused
            || self.halted
            || !self.own
            || self.in_flight >= self.limits.concurrency
            || self.hold_until.is_some_and(|t| t > now)
        {
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

    /// Has this kind of work a slot left?
    pub(super) fn has(&self, slot: Slot) -> bool {
        slot == Slot::Urgent || self.shared + self.kept() < self.limits.concurrency
    }

    fn refill(&mut self, now: Timestamp) -> bool {
        let Some(Rate { burst, every }) = self.limits.rate else { return true };
        // Whoever waited for the store comes with a time of before: the same moment must not fill it twice. A clock
        // that was set back is another matter: it may take long until it is there again.
        let passed = now.duration_since(self.refilled);
        self.tokens =
            (self.tokens + passed.as_secs_f64().max(0.0) / every.as_secs_f64().max(1e-9)).min(f64::from(burst.max(1)));
        if passed.is_positive() || passed.unsigned_abs() > LATEST {
            self.refilled = now;
        }
        self.tokens >= 1.0
    }

    pub(super) fn take(&mut self, slot: Slot) {
        self.in_flight += 1;
        self.shared += u32::from(slot == Slot::Shared);
        self.pay();
        if let Breaker::HalfOpen { wait, .. } = self.breaker {
            self.breaker = Breaker::HalfOpen { wait, probing: true };
        }
    }

    /// Takes a token. Never refuses: the bucket may go below zero.
    pub(super) fn pay(&mut self) {
        if self.limits.rate.is_some() {
            self.tokens -= 1.0;
        }
    }

    /// When a call may be free to go, as far as time alone decides it.
    pub(super) fn next_slot(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.paused || self.halted || !self.own {
            return None;
        }
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

    /// When the bucket will be so full, if nobody takes of it, that a call leaves half of the burst to whoever comes (a
    /// burst of one is taken whole); `None` when nothing can be called, or it is not time alone that decides it.
    pub(super) fn spare_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        let Rate { burst, every } = self.limits.rate?;
        if self.next_slot(now).is_some_and(|at| at > now) || self.paused || self.halted || !self.own {
            return None;
        }
        let burst = f64::from(burst.max(1));
        let missing = (burst / 2.0 + 1.0).min(burst) - self.tokens;
        if missing <= 0.0 {
            return Some(now);
        }
        now.checked_add(Duration::from_secs_f64(missing * every.as_secs_f64() + 1e-4)).ok()
    }

    /// Are so many calls out that the next answer, and a transaction with it, is a moment away?
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight > 0 && self.in_flight >= self.limits.concurrency / 2
    }

    /// A call is over: its slot is free, and the breaker hears how it went. Returns true when the breaker opened.
    pub(super) fn release(&mut self, slot: Slot, well: Option<bool>, now: Timestamp) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.shared = self.shared.saturating_sub(u32::from(slot == Slot::Shared));
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

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    pub(super) fn breaker(&self) -> &'static str {
        match self.breaker {
            Breaker::Closed { .. } => "closed",
            Breaker::Open { .. } => "open",
            Breaker::HalfOpen { .. } => "half_open",
        }
    }

    pub(super) fn is_held(&self, now: Timestamp) -> bool {
        self.hold_until.is_some_and(|t| t > now)
    }
}
