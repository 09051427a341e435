//! How often one sender may reach one person. A pure function of what was before.

use super::{Ask, Channel, Market, Rule, Window};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// More steps than any history needs: each one leaves a day behind.
const STEPS: u32 = 120;

/// One contact that took place, or may have: sent, delivered, or of unknown outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastContact {
    /// When it was handed over.
    pub at: Timestamp,
    /// By what.
    pub channel: Channel,
}

/// How often a person may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrequencyRule {
    /// As often as need be.
    Free,
    /// Once in a day of the calendar over all channels, and within a week (Monday to Sunday) by one channel only.
    DayAndWeek {
        /// What forbids the second of a day.
        day: Rule,
        /// What forbids the second channel of a week.
        week: Rule,
    },
    /// Once in so many days of 24 hours, over all channels.
    Every {
        /// How many.
        days: u16,
        /// Where it is written.
        rule: Rule,
    },
}

/// Whether a person may be reached again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frequency {
    /// Yes.
    Allow,
    /// Not before `until`.
    Defer {
        /// The first moment at which frequency and hours allow it, if nothing else is sent until then.
        until: Timestamp,
        /// The rule that lasts longest.
        rule: Rule,
        /// The contact that stands in the way.
        previous: PastContact,
    },
}

pub(super) fn of<M: Market + ?Sized>(
    market: &M,
    ask: &Ask<'_>,
    history: &[PastContact],
    at: Timestamp,
    guard: SignedDuration,
) -> Frequency {
    let limit = market.frequency_rule(ask.class);
    let Some(first) = conflict(&limit, ask, history, at) else {
        return Frequency::Allow;
    };
    let (mut until, rule, previous) = first;
    for _ in 0..STEPS {
        if let Window::Closed { opens, .. } = market.window(ask, until, guard) {
            until = opens;
        }
        // A history may hold what another node has written a moment ahead of this one's clock.
        match conflict(&limit, ask, history, until) {
            Some((later, ..)) if later > until => until = later,
            _ => break,
        }
    }
    Frequency::Defer { until, rule, previous }
}

/// What forbids a contact at a moment and lasts longest.
fn conflict(
    limit: &FrequencyRule,
    ask: &Ask<'_>,
    history: &[PastContact],
    at: Timestamp,
) -> Option<(Timestamp, Rule, PastContact)> {
    let mut worst: Option<(Timestamp, Rule, PastContact)> = None;
    let mut forbid = |until: Timestamp, rule: Rule, past: PastContact| {
        if worst.as_ref().is_none_or(|(longest, ..)| until > *longest) {
            worst = Some((until, rule, past));
        }
    };
    match *limit {
        FrequencyRule::Free => {}
        FrequencyRule::DayAndWeek { day, week } => {
            let today = ask.zone.to_datetime(at).date();
            let monday = monday_of(today);
            for past in history {
                let date = ask.zone.to_datetime(past.at).date();
                if date == today {
                    forbid(midnight(ask, today, 1), day, *past);
                }
                if past.channel != ask.channel && monday_of(date) == monday {
                    forbid(midnight(ask, monday, 7), week, *past);
                }
            }
        }
        FrequencyRule::Every { days, rule } => {
            let apart = SignedDuration::from_hours(i64::from(days) * 24);
            for past in history {
                if at.duration_since(past.at).abs() < apart {
                    forbid(past.at.checked_add(apart).unwrap_or(Timestamp::MAX), rule, *past);
                }
            }
        }
    }
    worst
}

fn monday_of(date: Date) -> Date {
    let back = date.weekday().to_monday_zero_offset();
    date.checked_sub(i64::from(back).days()).unwrap_or(Date::MIN)
}

fn midnight(ask: &Ask<'_>, date: Date, days: i64) -> Timestamp {
    let date = date.checked_add(days.days()).unwrap_or(Date::MAX);
    ask.zone.to_timestamp(date.at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX)
}
