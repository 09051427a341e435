//! Time is given, never taken: whoever needs the time holds a [`Clock`].

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// A source of the present moment.
pub trait Clock: Send + Sync + 'static {
    /// Now, in business time.
    fn now(&self) -> Timestamp;

    /// Now, as clocks on walls have it: what other machines' clocks are compared with.
    fn wall(&self) -> Timestamp {
        self.now()
    }

    /// How long to sleep really until business time `at`; zero when it has passed.
    fn sleep_for(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.now())).unwrap_or(Duration::ZERO)
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// One stretch of a [`Pace`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Real seconds that the stretch lasts; the last one lasts for ever.
    pub seconds: f64,
    /// Business seconds that pass in one real second.
    pub speed: f64,
}

/// A clock that runs faster by stretches. Two processes with the same pace agree on the time
/// without talking. For the sandbox only.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Real moment at which the pace begins.
    pub real_start: Timestamp,
    /// Business time at that moment.
    pub starts_at: Timestamp,
    /// Stretches, in order.
    pub segments: Vec<Segment>,
}

impl Pace {
    fn business_seconds(&self, real_seconds: f64) -> f64 {
        let mut left = real_seconds.max(0.0);
        let mut total = 0.0;
        for (i, segment) in self.segments.iter().enumerate() {
            let last = i + 1 == self.segments.len();
            let here = if last { left } else { left.min(segment.seconds) };
            total += here * segment.speed;
            left -= here;
        }
        total
    }

    fn real_seconds(&self, business_seconds: f64) -> f64 {
        let mut left = business_seconds.max(0.0);
        let mut total = 0.0;
        for (i, segment) in self.segments.iter().enumerate() {
            let last = i + 1 == self.segments.len();
            let whole = segment.seconds * segment.speed;
            if last || left < whole {
                return total + left / segment.speed.max(f64::MIN_POSITIVE);
            }
            left -= whole;
            total += segment.seconds;
        }
        total
    }
}

/// A clock that follows a [`Pace`].
#[derive(Debug, Clone)]
pub struct PacedClock(Pace);

impl PacedClock {
    /// A clock for `pace`.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self(pace)
    }
}

impl Clock for PacedClock {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn now(&self) -> Timestamp {
        let real = Timestamp::now().duration_since(self.0.real_start).as_secs_f64();
        let business = SignedDuration::from_secs_f64(self.0.business_seconds(real));
        self.0.starts_at.checked_add(business).unwrap_or(Timestamp::MAX)
    }

    fn sleep_for(&self, at: Timestamp) -> Duration {
        let business = at.duration_since(self.0.starts_at).as_secs_f64();
        let real_at = self.0.real_seconds(business);
        let real_now = Timestamp::now().duration_since(self.0.real_start).as_secs_f64();
        Duration::try_from_secs_f64((real_at - real_now).clamp(0.0, 1e9)).unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_converts_both_ways() {
        let pace = Pace {
            real_start: Timestamp::UNIX_EPOCH,
            starts_at: Timestamp::UNIX_EPOCH,
            segments: vec![
                Segment { seconds: 10.0, speed: 60.0 },
                Segment { seconds: 2.0, speed: 36_000.0 },
                Segment { seconds: 0.0, speed: 1.0 },
            ],
        };
        for (real, business) in [(0.0, 0.0), (5.0, 300.0), (10.0, 600.0), (11.0, 36_600.0), (13.0, 72_601.0)] {
            assert!((pace.business_seconds(real) - business).abs() < 1e-6);
            assert!((pace.real_seconds(business) - real).abs() < 1e-6);
        }
    }
}
