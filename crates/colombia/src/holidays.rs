//! The rule of Colombian holidays: Ley 51 de 1983, arts. 1 and 2 (list, and the move to Monday), and
//! Ley 2578 de 2026, art. 6 (Nuestra Señora de Chiquinquirá, from 2026).
//!
//! What is listed in the [tables](crate::tables) comes from there; this is for the years after, and
//! what the tables are held to. Libraries made before June 2026 lack the new one (PyPI `workalendar`
//! 17.0.0, which adds Palm and Easter Sunday); npm `date-holidays` 3.37.0 marks Easter Sunday too.

use crate::market::Holiday;
use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};

/// Kept on their day.
const FIXED: [(i8, i8, &str); 6] = [
    (1, 1, "Año Nuevo"),
    (5, 1, "Día del Trabajo"),
    (7, 20, "Día de la Independencia"),
    (8, 7, "Batalla de Boyacá"),
    (12, 8, "Inmaculada Concepción"),
    (12, 25, "Navidad"),
];

/// Moved to the next Monday. With the first year.
const MOVED: [(i8, i8, i16, &str); 8] = [
    (1, 6, 1984, "Día de los Reyes Magos"),
    (3, 19, 1984, "Día de San José"),
    (6, 29, 1984, "San Pedro y San Pablo"),
    (7, 9, 2026, "Nuestra Señora del Rosario de Chiquinquirá"),
    (8, 15, 1984, "Asunción de la Virgen"),
    (10, 12, 1984, "Día de la Raza (Día de la Diversidad Étnica y Cultural)"),
    (11, 1, 1984, "Todos los Santos"),
    (11, 11, 1984, "Independencia de Cartagena"),
];

/// Days from Easter Sunday: where it is kept, where it comes from.
const EASTER: [(i32, Option<i32>, &str); 5] = [
    (-3, None, "Jueves Santo"),
    (-2, None, "Viernes Santo"),
    (43, Some(39), "Ascensión del Señor"),
    (64, Some(60), "Corpus Christi"),
    (71, Some(68), "Sagrado Corazón de Jesús"),
];

/// The first year of which the rule speaks: Ley 51 is of December 1983.
pub const FIRST_YEAR: i16 = 1984;

/// Easter Sunday by the Gregorian computus (Meeus, Jones, Butcher). `None` outside of the calendar.
#[must_use]
pub fn easter(year: i16) -> Option<Date> {
    let y = i32::from(year);
    let (a, b, c) = (y.rem_euclid(19), y.div_euclid(100), y.rem_euclid(100));
    let (d, e) = (b.div_euclid(4), b.rem_euclid(4));
    let f = (b + 8).div_euclid(25);
    let g = (b - f + 1).div_euclid(3);
    let h = (19 * a + b - d - g + 15).rem_euclid(30);
    let (i, k) = (c.div_euclid(4), c.rem_euclid(4));
    let l = (32 + 2 * e + 2 * i - h - k).rem_euclid(7);
    let m = (a + 11 * h + 22 * l).div_euclid(451);
    let month = (h + l - 7 * m + 114).div_euclid(31);
    let day = (h + l - 7 * m + 114).rem_euclid(31) + 1;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// The holidays of a year by the rule, in order. Empty before [`FIRST_YEAR`].
#[must_use]
pub fn computed(year: i16) -> Vec<Holiday<'static>> {
    let mut all: Vec<Holiday<'static>> = every(year).collect();
    all.sort_by_key(|h| (h.date, h.moved_from));
    all
}

/// The holiday of a day by the rule, without allocating.
#[must_use]
pub fn computed_on(date: Date) -> Option<Holiday<'static>> {
    every(date.year()).find(|h| h.date == date)
}

fn every(year: i16) -> impl Iterator<Item = Holiday<'static>> {
    let easter = easter(year);
    let fixed = FIXED.into_iter().filter_map(move |(month, day, name)| {
        Some(Holiday { date: Date::new(year, month, day).ok()?, name, moved_from: None })
    });
    let moved =
        MOVED.into_iter().filter(move |(.., since, _)| year >= *since).filter_map(move |(month, day, _, name)| {
            let from = Date::new(year, month, day).ok()?;
            let date = monday_from(from)?;
            Some(Holiday { date, name, moved_from: (date != from).then_some(from) })
        });
    let church = EASTER.into_iter().filter_map(move |(kept, from, name)| {
        let sunday = easter?;
        let date = sunday.checked_add(kept.days()).ok()?;
        let moved_from = match from {
            Some(from) => Some(sunday.checked_add(from.days()).ok()?),
            None => None,
        };
        Some(Holiday { date, name, moved_from })
    });
    fixed.chain(moved).chain(church).filter(move |_| year >= FIRST_YEAR)
}

/// The day itself when it is a Monday, else the next one.
fn monday_from(date: Date) -> Option<Date> {
    match date.weekday() {
        Weekday::Monday => Some(date),
        day => date.checked_add((7 - i64::from(day.to_monday_zero_offset())).days()).ok(),
    }
}
