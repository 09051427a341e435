//! Moments as people in Colombia read them. `America/Bogota` has been UTC-05:00 all year since
//! April 1993, so no time zone database is needed.

use crate::Lang;
use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};

const DAYS_ES: [&str; 7] = ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"];
const DAYS_EN: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS_ES: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];
const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The clock on a wall in Bogota.
#[must_use]
pub fn bogota(moment: Timestamp) -> DateTime {
    jiff::tz::offset(-5).to_datetime(moment)
}

/// "viernes 27 de noviembre", "Friday, November 27".
#[must_use]
pub fn date(moment: Timestamp, lang: Lang) -> String {
    let local = bogota(moment);
    let (day, month) = names(local, lang);
    match lang {
        Lang::Es => format!("{day} {} de {month}", local.day()),
        Lang::En => format!("{day}, {month} {}", local.day()),
    }
}

/// "viernes 27 de noviembre de 2026", "Friday, November 27, 2026".
#[must_use]
pub fn date_with_year(moment: Timestamp, lang: Lang) -> String {
    let year = bogota(moment).year();
    match lang {
        Lang::Es => format!("{} de {year}", date(moment, lang)),
        Lang::En => format!("{}, {year}", date(moment, lang)),
    }
}

/// "28/07/2026", "07/28/2026".
#[must_use]
pub fn short_date(moment: Timestamp, lang: Lang) -> String {
    let local = bogota(moment);
    match lang {
        Lang::Es => format!("{:02}/{:02}/{:04}", local.day(), local.month(), local.year()),
        Lang::En => format!("{:02}/{:02}/{:04}", local.month(), local.day(), local.year()),
    }
}

/// "2026-07-28", for files.
#[must_use]
pub fn iso_date(moment: Timestamp) -> String {
    bogota(moment).date().to_string()
}

/// "martes, 28 de julio de 2026", as ICU writes it (with a comma, unlike [`date_with_year`]); "Tuesday, July 28, 2026".
#[must_use]
pub fn long_date(moment: Timestamp, lang: Lang) -> String {
    match lang {
        Lang::Es => date_with_year(moment, lang).replacen(' ', ", ", 1),
        Lang::En => date_with_year(moment, lang),
    }
}

/// "7:00 p. m.", "7:00 PM".
#[must_use]
pub fn time(moment: Timestamp, lang: Lang) -> String {
    let local = bogota(moment);
    let hour = match local.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let half = match (lang, local.hour() < 12) {
        (Lang::Es, true) => "a. m.",
        (Lang::Es, false) => "p. m.",
        (Lang::En, true) => "AM",
        (Lang::En, false) => "PM",
    };
    format!("{hour}:{:02} {half}", local.minute())
}

/// "viernes 27 de noviembre, 7:00 p. m.", "Friday, November 27, 7:00 PM".
#[must_use]
pub fn date_time(moment: Timestamp, lang: Lang) -> String {
    format!("{}, {}", date(moment, lang), time(moment, lang))
}

fn names(local: DateTime, lang: Lang) -> (&'static str, &'static str) {
    let (days, months) = match lang {
        Lang::Es => (DAYS_ES, MONTHS_ES),
        Lang::En => (DAYS_EN, MONTHS_EN),
    };
    let day = match local.weekday() {
        Weekday::Monday => 0,
        Weekday::Tuesday => 1,
        Weekday::Wednesday => 2,
        Weekday::Thursday => 3,
        Weekday::Friday => 4,
        Weekday::Saturday => 5,
        Weekday::Sunday => 6,
    };
    let month = usize::try_from(local.month()).unwrap_or(1).saturating_sub(1);
    (days.get(day).copied().unwrap_or(""), months.get(month).copied().unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_on_the_wall_in_bogota() {
        for (utc, es, en) in [
            ("2026-11-28T00:00:00Z", "viernes 27 de noviembre, 7:00 p. m.", "Friday, November 27, 7:00 PM"),
            ("2026-01-01T05:00:00Z", "jueves 1 de enero, 12:00 a. m.", "Thursday, January 1, 12:00 AM"),
            ("2026-02-28T17:05:00Z", "sábado 28 de febrero, 12:05 p. m.", "Saturday, February 28, 12:05 PM"),
            ("2027-12-31T04:59:59Z", "jueves 30 de diciembre, 11:59 p. m.", "Thursday, December 30, 11:59 PM"),
        ] {
            let moment: Timestamp = utc.parse().unwrap();
            assert_eq!(date_time(moment, Lang::Es), es);
            assert_eq!(date_time(moment, Lang::En), en);
        }
        let show: Timestamp = "2026-11-28T00:00:00Z".parse().unwrap();
        assert_eq!(date_with_year(show, Lang::Es), "viernes 27 de noviembre de 2026");
        assert_eq!(date_with_year(show, Lang::En), "Friday, November 27, 2026");
        let july: Timestamp = "2026-07-28T23:30:00Z".parse().unwrap();
        assert_eq!(
            (short_date(july, Lang::Es), short_date(july, Lang::En)),
            ("28/07/2026".into(), "07/28/2026".into())
        );
        assert_eq!((iso_date(july), time(july, Lang::Es)), ("2026-07-28".into(), "6:30 p. m.".into()));
        assert_eq!(long_date(july, Lang::Es), "martes, 28 de julio de 2026");
        // The whole range of moments is readable.
        for edge in [Timestamp::MIN, Timestamp::MAX] {
            assert!(!date_time(edge, Lang::Es).is_empty());
        }
    }
}
