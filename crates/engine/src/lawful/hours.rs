//! Whose clock counts: the person's own. A phone tells the country, and a country has one clock or several; then
//! the hours must hold on all of them.

use jiff::tz::{TimeZone, offset};

/// Calling codes, with the western and the eastern clock of the country over the year, summer time included, in
/// quarters of an hour from UTC. Codes that are not here count as Colombian.
const CLOCKS: &[(&str, i16, i16)] = &[
    ("1", -40, -10),
    ("20", 8, 12),
    ("27", 8, 8),
    ("30", 8, 12),
    ("31", 4, 8),
    ("32", 4, 8),
    ("33", 4, 8),
    ("34", 0, 8),
    ("351", -4, 4),
    ("353", 0, 4),
    ("39", 4, 8),
    ("41", 4, 8),
    ("43", 4, 8),
    ("44", 0, 4),
    ("45", 4, 8),
    ("46", 4, 8),
    ("47", 4, 8),
    ("48", 4, 8),
    ("49", 4, 8),
    ("501", -24, -24),
    ("502", -24, -24),
    ("503", -24, -24),
    ("504", -24, -24),
    ("505", -24, -24),
    ("506", -24, -24),
    ("507", -20, -20),
    ("509", -20, -16),
    ("51", -20, -20),
    ("52", -28, -20),
    ("53", -20, -16),
    ("54", -12, -12),
    ("55", -20, -8),
    ("56", -24, -12),
    ("58", -16, -16),
    ("591", -16, -16),
    ("592", -16, -16),
    ("593", -24, -20),
    ("595", -16, -12),
    ("597", -12, -12),
    ("598", -12, -12),
    ("61", 26, 44),
    ("64", 48, 52),
    ("65", 32, 32),
    ("81", 36, 36),
    ("82", 36, 36),
    ("86", 32, 32),
    ("90", 12, 12),
    ("91", 22, 22),
    ("972", 8, 12),
    ("971", 16, 16),
];

/// Calling code of the country whose law this is.
const HOME: &str = "57";

/// Clocks on which the hours of an address must hold. Empty: those of the country itself.
pub(super) fn clocks(phone: Option<&str>) -> Vec<TimeZone> {
    let Some(digits) = phone.and_then(|p| p.strip_prefix('+')) else { return Vec::new() };
    if digits.starts_with(HOME) {
        return Vec::new();
    }
    let Some((_, west, east)) = CLOCKS.iter().find(|(code, ..)| digits.starts_with(code)) else { return Vec::new() };
    let zone = |quarters: i16| {
        let seconds = i32::from(quarters) * 900;
        jiff::tz::Offset::from_seconds(seconds).map_or_else(|_| TimeZone::fixed(offset(0)), TimeZone::fixed)
    };
    if west == east { vec![zone(*west)] } else { vec![zone(*west), zone(*east)] }
}

/// Is it an address abroad?
pub(crate) fn is_foreign(phone: Option<&str>) -> bool {
    phone.and_then(|p| p.strip_prefix('+')).is_some_and(|digits| !digits.starts_with(HOME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_of_several_clocks_has_the_first_and_the_last_of_them() {
        assert!(clocks(None).is_empty() && clocks(Some("+573001234567")).is_empty());
        assert_eq!(clocks(Some("+34600111222")).len(), 2, "the Canaries in winter, the mainland in summer");
        assert_eq!(clocks(Some("+51999111222")).len(), 1);
        assert!(clocks(Some("+9990001")).is_empty(), "an unknown country keeps Colombian hours");
        assert!(is_foreign(Some("+34600111222")) && !is_foreign(Some("+573001234567")) && !is_foreign(None));
    }

    #[test]
    fn no_code_hides_another() {
        for (n, (code, west, east)) in CLOCKS.iter().enumerate() {
            assert!(west <= east, "{code}");
            let hidden = CLOCKS[..n].iter().find(|(before, ..)| code.starts_with(before));
            assert!(hidden.is_none(), "{code} is never found behind {hidden:?}");
        }
    }
}
