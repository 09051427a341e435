//! What is known of a person's age, by what they or their guardian said (Ley 1581, art. 7).
//!
//! Promise: the stricter word counts. "I am a minor" is not undone by a birth date that anybody may type; a
//! document that somebody here has seen does that.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{self, Offset};
use serde::{Deserialize, Serialize};

/// Years until somebody answers for themselves.
const OF_AGE: i16 = 18;
/// Colombia has had one offset since 1993 (colombia.md 0.1).
const BOGOTA: Offset = tz::offset(-5);

/// One word about a person's age.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AgeSaid {
    /// Somebody here saw the document.
    pub verified: bool,
    /// When it was said.
    pub at: Timestamp,
    /// The record that says it.
    pub record: String,
    /// Date of birth; `None`: "I am a minor".
    pub born: Option<Date>,
}

impl AgeSaid {
    fn is_minor_at(&self, moment: Timestamp) -> bool {
        let today = BOGOTA.to_datetime(moment).date();
        // Whoever is a minor now is of age in eighteen years, whenever they were born.
        let from = self.born.unwrap_or_else(|| BOGOTA.to_datetime(self.at).date());
        // The 29th of February has its birthday on the 1st of March: the later day.
        let birthday = Date::new(from.year().saturating_add(OF_AGE), from.month(), from.day());
        let of_age = birthday.or_else(|_| Date::new(from.year().saturating_add(OF_AGE), 3, 1));
        of_age.is_ok_and(|of_age| today < of_age)
    }
}

/// Was the person under 18 at that moment, by all that was said of their age?
#[must_use]
pub fn is_minor(words: &[AgeSaid], moment: Timestamp) -> bool {
    match words.iter().filter(|w| w.verified).max() {
        Some(seen) => seen.is_minor_at(moment),
        None => words.iter().any(|w| w.is_minor_at(moment)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(born: Option<&str>, verified: bool) -> AgeSaid {
        let at = "2026-11-27T15:00:00Z".parse().unwrap();
        AgeSaid { verified, at, record: "cns_1".into(), born: born.map(|b| b.parse().unwrap()) }
    }

    #[test]
    fn a_person_is_of_age_on_the_day_in_bogota() {
        let minor = |born: &str, at: &str| is_minor(&[said(Some(born), false)], at.parse().unwrap());
        assert!(minor("2008-11-28", "2026-11-28T04:59:59Z"), "in Bogota it is still the 27th");
        assert!(!minor("2008-11-28", "2026-11-28T05:00:00Z"));
        assert!(minor("2008-02-29", "2026-02-28T20:00:00Z") && !minor("2008-02-29", "2026-03-01T05:00:00Z"));
    }

    #[test]
    fn the_stricter_word_counts_until_somebody_saw_a_document() {
        let now = "2027-01-01T00:00:00Z".parse().unwrap();
        let flagged = vec![said(None, false), said(Some("1990-01-01"), false)];
        assert!(is_minor(&flagged, now), "a typed date does not undo it");
        assert!(!is_minor(&[flagged, vec![said(Some("1990-01-01"), true)]].concat(), now));
        assert!(!is_minor(&[], now), "nobody said anything");
        assert!(!is_minor(&[said(None, false)], "2044-11-28T00:00:00Z".parse().unwrap()));
    }
}
