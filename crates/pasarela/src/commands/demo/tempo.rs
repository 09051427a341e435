//! How fast a night passes: what stretch of real time belongs to which part of the story.
//!
//! Business time: the sale opens at 4 p. m. of the day before, reminders are due an hour later, and
//! the show begins 25 hours after the sale. Between the parts the clock runs very fast.

use jiff::{SignedDuration, Timestamp};
use pasarela_domain::{Pace, Segment};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
/// The sale is over, with what becomes of it, before the reminders are due.
const SALE_ENDS: f64 = 45.0 * MINUTE;
const REMINDERS: (f64, f64) = (57.0 * MINUTE, 63.0 * MINUTE);
const DOOR: (f64, f64) = (24.0 * HOUR + 40.0 * MINUTE, 24.0 * HOUR + 55.0 * MINUTE);
/// The show begins, counted from the opening of the sale.
pub(super) const SHOW: SignedDuration = SignedDuration::from_hours(25);
/// The next sale opens, counted from the opening of this one.
const NIGHT: f64 = 7.0 * 24.0 * HOUR;
/// Fastest that people's doings are shown.
const FAST: f64 = 60.0;

/// Real seconds of each part of a night.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tempo {
    /// Purchases are made.
    pub(super) sale: f64,
    /// Time for what becomes of a purchase: paid, cancelled, refunded.
    pub(super) pause: f64,
    jump_to_reminders: f64,
    reminders: f64,
    jump_to_door: f64,
    pub(super) door: f64,
    after: f64,
    jump_to_next: f64,
}

impl Tempo {
    /// One night, as fast as it may go with so many purchases.
    pub(super) fn once(orders: usize) -> Self {
        let orders = orders as f64;
        Self {
            sale: (orders * 0.08).max(12.0),
            pause: 4.0,
            jump_to_reminders: 1.5,
            reminders: (orders * 0.03).max(4.0),
            jump_to_door: 2.0,
            door: (orders * 0.06).max(7.0),
            after: 0.0,
            jump_to_next: 0.0,
        }
    }

    /// Night after night, slow enough to be watched.
    pub(super) fn watched(orders: usize) -> Self {
        let orders = orders as f64;
        Self {
            sale: (orders * 1.5).max(15.0),
            pause: 8.0,
            jump_to_reminders: 3.0,
            reminders: (orders * 0.3).max(10.0),
            jump_to_door: 4.0,
            door: (orders * 0.9).max(15.0),
            after: 8.0,
            jump_to_next: 4.0,
        }
    }

    /// Real second of the night at which the door opens.
    pub(super) fn door_opens(&self) -> f64 {
        self.sale + self.pause + self.jump_to_reminders + self.reminders + self.jump_to_door
    }

    /// Real seconds of a whole night.
    pub(super) fn whole(&self) -> f64 {
        self.door_opens() + self.door + self.after + self.jump_to_next
    }

    /// The clock of so many nights; after the last one it goes on at the pace of the door.
    pub(super) fn pace(&self, real_start: Timestamp, starts_at: Timestamp, nights: usize) -> Pace {
        let open = self.sale + self.pause;
        let speed = FAST.min(SALE_ENDS / open);
        let sold_at = open * speed;
        let stretch = |seconds: f64, business: f64| Segment { seconds, speed: business / seconds.max(0.001) };
        let mut segments = Vec::new();
        for night in 1..=nights {
            segments.push(Segment { seconds: open, speed });
            segments.push(stretch(self.jump_to_reminders, REMINDERS.0 - sold_at));
            segments.push(stretch(self.reminders, REMINDERS.1 - REMINDERS.0));
            segments.push(stretch(self.jump_to_door, DOOR.0 - REMINDERS.1));
            segments.push(stretch(self.door, DOOR.1 - DOOR.0));
            if night < nights {
                segments.push(Segment { seconds: self.after, speed: FAST });
                segments.push(stretch(self.jump_to_next, NIGHT - DOOR.1 - self.after * FAST));
            }
        }
        segments.push(Segment { seconds: 0.0, speed: FAST });
        Pace { real_start, starts_at, segments }
    }

    /// What the night is at, so many real seconds after its start.
    pub(super) fn phase(&self, at: f64) -> &'static str {
        let reminders = self.sale + self.pause + self.jump_to_reminders;
        match at {
            a if a < self.sale + self.pause => "tickets are on sale",
            a if a < reminders => "an hour passes",
            a if a < reminders + self.reminders => "24 hours before the show: reminders",
            a if a < self.door_opens() => "a day passes",
            a if a < self.door_opens() + self.door => "the door is open",
            _ => "the show is on",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pasarela_domain::{Clock, PacedClock};

    #[test]
    fn every_part_of_the_night_has_its_business_time() {
        for tempo in [Tempo::once(40), Tempo::once(2_000), Tempo::watched(40)] {
            let start: Timestamp = "2026-11-27T00:00:00Z".parse().unwrap();
            let now = Timestamp::now();
            let hours = |clock: &PacedClock, business: f64| {
                let at = start.checked_add(SignedDuration::from_secs_f64(business * HOUR)).unwrap();
                clock.sleep_for(at).as_secs_f64()
            };
            let clock = PacedClock::new(tempo.pace(now, start, 2));
            let reminders = hours(&clock, 1.0);
            assert!(reminders > tempo.sale + tempo.pause && reminders < tempo.door_opens(), "{reminders} {tempo:?}");
            let scan = hours(&clock, DOOR.0 / HOUR + 0.01);
            assert!(scan > tempo.door_opens() - 0.2 && scan < tempo.door_opens() + tempo.door, "{scan} {tempo:?}");
            if tempo.after > 0.0 {
                let next = hours(&clock, NIGHT / HOUR);
                assert!((next - tempo.whole()).abs() < 0.2, "{next} {tempo:?}");
            }
        }
    }
}
