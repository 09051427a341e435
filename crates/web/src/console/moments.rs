//! Times as people in Bogotá read them. Colombia has had one offset all year since 1993, so no time
//! zone data is needed.

use super::words::{Lang, Words};
use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};

/// A moment of a page.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// For machines.
    pub(super) iso: String,
    /// `hoy, 7:00:05 p. m.`
    pub(super) text: String,
}

fn bogota(at: Timestamp) -> DateTime {
    Offset::constant(-5).to_datetime(at)
}

impl Moment {
    pub(super) fn new(w: Words, at: Timestamp, now: Timestamp) -> Self {
        Self { iso: at.to_string(), text: format!("{}, {}", day(w, at, now), clock(w, at)) }
    }

    /// Shorter, for lists: today's have no day.
    pub(super) fn brief(w: Words, at: Timestamp, now: Timestamp) -> Self {
        let whole = Self::new(w, at, now);
        if bogota(at).date() == bogota(now).date() { Self { text: clock(w, at), ..whole } } else { whole }
    }

    /// From an API text; `None` when it is no time.
    pub(super) fn parse(w: Words, text: &str, now: Timestamp) -> Option<Self> {
        text.parse().ok().map(|at| Self::new(w, at, now))
    }
}

/// `7:00:05 p. m.`, with spaces that do not break.
pub(super) fn clock(w: Words, at: Timestamp) -> String {
    let at = bogota(at);
    let half = if at.hour() < 12 { "clock.am" } else { "clock.pm" };
    let hour = match at.hour() % 12 {
        0 => 12,
        h => h,
    };
    let half = w.t(half).replace(' ', "\u{a0}");
    format!("{hour}:{:02}:{:02}\u{a0}{half}", at.minute(), at.second())
}

/// `7:30 p. m.`, for axes and tables.
pub(super) fn hour(w: Words, at: Timestamp) -> String {
    let at = bogota(at);
    let half = w.t(if at.hour() < 12 { "clock.am" } else { "clock.pm" }).replace(' ', "\u{a0}");
    let hour = match at.hour() % 12 {
        0 => 12,
        h => h,
    };
    format!("{hour}:{:02}\u{a0}{half}", at.minute())
}

/// `hoy`, `ayer`, `viernes 27 de noviembre`; with the year when it is another one.
pub(super) fn day(w: Words, at: Timestamp, now: Timestamp) -> String {
    let (at, now) = (bogota(at).date(), bogota(now).date());
    let near = [("day.today", 0), ("day.yesterday", -1), ("day.tomorrow", 1)];
    if let Some((key, _)) = near.iter().find(|(_, off)| now.checked_add((*off).days()).is_ok_and(|d| d == at)) {
        return w.t(key).to_owned();
    }
    let weekday = w.named("day", &at.weekday().to_monday_zero_offset().to_string());
    let month = w.named("month", &at.month().to_string());
    let year = if at.year() == now.year() { None } else { Some(at.year()) };
    match (w.lang, year) {
        (Lang::Es, None) => format!("{weekday} {} de {month}", at.day()),
        (Lang::Es, Some(year)) => format!("{weekday} {} de {month} de {year}", at.day()),
        (Lang::En, None) => format!("{weekday} {} {month}", at.day()),
        (Lang::En, Some(year)) => format!("{weekday} {} {month} {year}", at.day()),
    }
}

/// `9 de diciembre`, with the year when it is another one: for ends of terms.
pub(super) fn date(w: Words, at: Timestamp, now: Timestamp) -> String {
    let (at, now) = (bogota(at).date(), bogota(now).date());
    let month = w.named("month", &at.month().to_string());
    let year = if at.year() == now.year() { String::new() } else { format!(" {}", at.year()) };
    match w.lang {
        Lang::Es if year.is_empty() => format!("{} de {month}", at.day()),
        Lang::Es => format!("{} de {month} de{year}", at.day()),
        Lang::En => format!("{} {month}{year}", at.day()),
    }
}

/// The day of a moment in Bogotá, counted from 1970: for what is summed by days.
pub(super) fn day_number(at: Timestamp) -> i64 {
    (at.as_second() - 5 * 3600).div_euclid(86_400)
}

/// Days on the calendar from now to a moment; negative when it has passed.
pub(super) fn days_until(at: Timestamp, now: Timestamp) -> i64 {
    let (at, now) = (bogota(at).date(), bogota(now).date());
    at.since((jiff::Unit::Day, now)).map_or(0, |span| i64::from(span.get_days()))
}

/// Time between two moments: `12 ms`, `1,4 s`, `3 min`, `2 h`, `5 d`.
pub(super) fn elapsed(w: Words, from: Timestamp, to: Timestamp) -> String {
    span(w, to.as_millisecond().saturating_sub(from.as_millisecond()) as f64)
}

/// A length of time, given in milliseconds.
pub(super) fn span(w: Words, ms: f64) -> String {
    let ms = ms.max(0.0) as i64;
    match ms {
        0..1_000 => format!("{ms}\u{a0}ms"),
        1_000..60_000 => {
            let text = format!("{:.1}\u{a0}s", ms as f64 / 1e3);
            if w.lang == Lang::Es { text.replacen('.', ",", 1) } else { text }
        }
        60_000..3_600_000 => format!("{}\u{a0}min", ms / 60_000),
        3_600_000..86_400_000 => format!("{}\u{a0}h", ms / 3_600_000),
        _ => format!("{}\u{a0}d", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_bogota_in_the_visitors_words() {
        let (es, en) = (Words::new(Lang::Es), Words::new(Lang::En));
        // 00:30 UTC of the 28th is still the evening of the 27th in Bogotá.
        let at: Timestamp = "2026-11-28T00:30:05Z".parse().unwrap();
        let later: Timestamp = "2026-12-01T15:00:00Z".parse().unwrap();
        assert_eq!(clock(es, at), "7:30:05\u{a0}p.\u{a0}m.");
        assert_eq!(clock(en, "2026-11-28T05:00:00Z".parse().unwrap()), "12:00:00\u{a0}a.m.");
        assert_eq!(day(es, at, at), "hoy");
        assert_eq!(day(en, at, "2026-11-28T15:00:00Z".parse().unwrap()), "yesterday");
        assert_eq!(day(es, at, later), "viernes 27 de noviembre");
        assert_eq!(day(es, at, "2027-02-01T00:00:00Z".parse().unwrap()), "viernes 27 de noviembre de 2026");
        assert_eq!(elapsed(es, at, at + 1400.milliseconds()), "1,4\u{a0}s");
        assert_eq!(elapsed(en, at, at - 5.seconds()), "0\u{a0}ms");
    }
}
