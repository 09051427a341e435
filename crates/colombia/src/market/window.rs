//! Hours in which people may be reached. A span is half-open, `[open, close)`: its first second is
//! inside, its last moment outside.

use super::{Ask, Market, Rule};
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// How far an opening is looked for, in days. Holidays and rest days never last as long.
const HORIZON: u32 = 60;

/// A part of a day, in minutes since midnight: 0 to 1440, `from` inside and `to` outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First minute inside.
    pub from: u16,
    /// First minute outside.
    pub to: u16,
}

/// Why a moment is outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Too early, or too late, on a day with hours.
    Hours,
    /// A day without hours, such as a Sunday.
    RestDay,
    /// A holiday.
    Holiday,
}

/// The hours of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// In order, not touching. Two, so that a day may have a pause.
    pub spans: [Option<Span>; 2],
    /// Why what is outside of them is outside.
    pub cause: Cause,
}

impl Hours {
    /// From one hour to another.
    #[must_use]
    pub const fn between(from: u16, to: u16) -> Self {
        Self { spans: [Some(Span { from: from * 60, to: to * 60 }), None], cause: Cause::Hours }
    }

    /// None at all.
    #[must_use]
    pub const fn closed(cause: Cause) -> Self {
        Self { spans: [None, None], cause }
    }
}

/// Hours that a person has asked for, expressly, in an instrument other than the contract and after it (Ley 2300
/// de 2023, art. 3, parágrafo). They are added to those of the law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnHours {
    /// When the person asked.
    pub asked_at: Timestamp,
    /// Which part of the day.
    pub span: Span,
    /// Days of the week, Monday first.
    pub days: [bool; 7],
    /// Holidays too. Without the person's word for it, no.
    pub holidays: bool,
}

impl OwnHours {
    /// Whether they count: asked for after the purchase or the consent, not with it.
    #[must_use]
    pub fn count_after(&self, contract: Timestamp) -> bool {
        self.asked_at > contract
    }

    fn of(&self, date: Date, is_holiday: bool) -> Option<Span> {
        let day = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
        let asked = self.days.get(day).copied().unwrap_or(false);
        (asked && (self.holidays || !is_holiday) && self.span.from < self.span.to).then_some(self.span)
    }
}

/// Whether a contact may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// It may.
    Open {
        /// When it ends; `None` where no rule bounds it.
        closes: Option<Timestamp>,
    },
    /// It may not, now.
    Closed {
        /// The next moment at which it may.
        opens: Timestamp,
        /// Why not now.
        cause: Cause,
        /// Where it is written.
        rule: Rule,
    },
}

impl Window {
    /// Whether it may come now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

pub(super) fn of<M: Market + ?Sized>(market: &M, ask: &Ask<'_>, at: Timestamp, guard: SignedDuration) -> Window {
    let Some(rule) = market.hours_rule(ask.class, ask.channel) else {
        return Window::Open { closes: None };
    };
    let mut date = ask.zone.to_datetime(at).date();
    let cause = market.hours(ask.class, ask.channel, date).cause;
    for _ in 0..HORIZON {
        for span in spans(market, ask, date).into_iter().flatten() {
            let (opens, closes) = moments(ask.zone, date, span);
            if at < opens {
                return Window::Closed { opens, cause, rule };
            }
            if at < closes && ends(closes, guard).is_some_and(|last| at <= last) {
                return Window::Open { closes: Some(closes) };
            }
        }
        let Ok(next) = date.tomorrow() else { break };
        date = next;
    }
    Window::Closed { opens: Timestamp::MAX, cause, rule }
}

pub(super) fn latest<M: Market + ?Sized>(
    market: &M,
    ask: &Ask<'_>,
    before: Timestamp,
    guard: SignedDuration,
) -> Option<Timestamp> {
    if market.hours_rule(ask.class, ask.channel).is_none() {
        return Some(before);
    }
    // The end is outside of the span: without a guard, the last second before it.
    let guard = guard.max(SignedDuration::from_secs(1));
    let mut date = ask.zone.to_datetime(before).date();
    for _ in 0..HORIZON {
        for span in spans(market, ask, date).into_iter().rev().flatten() {
            let (opens, closes) = moments(ask.zone, date, span);
            let last = ends(closes, guard)?.min(before);
            if last >= opens {
                return Some(last);
            }
        }
        date = date.yesterday().ok()?;
    }
    None
}

fn ends(closes: Timestamp, guard: SignedDuration) -> Option<Timestamp> {
    closes.checked_sub(guard).ok()
}

fn moments(zone: &TimeZone, date: Date, span: Span) -> (Timestamp, Timestamp) {
    (moment(zone, date, span.from), moment(zone, date, span.to))
}

fn moment(zone: &TimeZone, date: Date, minutes: u16) -> Timestamp {
    let (hours, minutes) = (i8::try_from(minutes / 60).unwrap_or(24), i8::try_from(minutes % 60).unwrap_or(0));
    let local = if hours < 24 {
        date.at(hours, minutes, 0, 0)
    } else {
        date.checked_add(1.day()).unwrap_or(Date::MAX).at(0, 0, 0, 0)
    };
    zone.to_timestamp(local).unwrap_or(Timestamp::MAX)
}

/// The market's hours with the person's own, in order, not overlapping.
fn spans<M: Market + ?Sized>(market: &M, ask: &Ask<'_>, date: Date) -> [Option<Span>; 3] {
    let hours = market.hours(ask.class, ask.channel, date);
    let [a, b] = hours.spans;
    let own = ask.own_hours.and_then(|own| own.of(date, market.holiday(date).is_some()));
    let Some(mut own) = own else { return [a, b, None] };
    // Whatever touches the own hours becomes one with them.
    let mut apart = [a, b];
    for part in &mut apart {
        if let Some(span) = *part
            && span.from <= own.to
            && own.from <= span.to
        {
            own = Span { from: own.from.min(span.from), to: own.to.max(span.to) };
            *part = None;
        }
    }
    let mut all = [apart[0], apart[1], Some(own)];
    all.sort_by_key(|span| span.map_or(u16::MAX, |s| s.from));
    all
}

impl Cause {
    /// Stable code, for data.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Hours => "hours",
            Self::RestDay => "rest_day",
            Self::Holiday => "holiday",
        }
    }
}

/// Hours of a week that is alike everywhere: from Monday to Friday, on Saturday, and none on Sunday and holidays.
pub(crate) fn of_week(date: Date, is_holiday: bool, weekday: Hours, saturday: Hours) -> Hours {
    if is_holiday {
        return Hours::closed(Cause::Holiday);
    }
    match date.weekday() {
        Weekday::Sunday => Hours::closed(Cause::RestDay),
        Weekday::Saturday => saturday,
        _ => weekday,
    }
}
