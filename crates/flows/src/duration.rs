//! Lengths of time as flows write them: `24h`, `2d 3h`, `90 min`, `PT24H`. Days are 24 hours:
//! in the market's zone they are.

use jiff::Timestamp;
use std::time::Duration;

/// Not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time: write `90s`, `15m`, `24h`, `2d 3h`, `1w` or ISO 8601 (`PT24H`)")]
pub struct InvalidDuration(pub String);

/// Longest length that a flow can ask for: ten years.
const MAX_SECONDS: u64 = 10 * 366 * 24 * 3600;

/// Reads a length of time. Negative, empty and longer than ten years are refused.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let bad = || InvalidDuration(text.chars().take(40).collect());
    let seconds = match text.trim().strip_prefix(['P', 'p']) {
        Some(iso) => iso_seconds(iso),
        None => plain_seconds(text.trim()),
    };
    match seconds {
        Some(seconds) if seconds <= MAX_SECONDS => Ok(Duration::from_secs(seconds)),
        _ => Err(bad()),
    }
}

fn plain_seconds(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = take_number(rest)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let unit = match unit {
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = after.trim_start();
    }
    Some(total)
}

fn iso_seconds(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text;
    let mut in_time = false;
    let mut parts = 0;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix(['T', 't']) {
            if in_time || time.is_empty() {
                return None;
            }
            in_time = true;
            rest = time;
        }
        let (number, after) = take_number(rest)?;
        let mut letters = after.chars();
        let unit = match (letters.next()?.to_ascii_uppercase(), in_time) {
            ('W', false) => 604_800,
            ('D', false) => 86_400,
            ('H', true) => 3600,
            ('M', true) => 60,
            ('S', true) => 1,
            // Months and years have no fixed length.
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = letters.as_str();
        parts += 1;
    }
    (parts > 0).then_some(total)
}

fn take_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// `moment` plus or minus a length; `None` outside the range of moments.
pub(crate) fn shift(moment: Timestamp, by: Duration, later: bool) -> Option<Timestamp> {
    let by = jiff::SignedDuration::try_from(by).ok()?;
    let moved = if later { moment.checked_add(by) } else { moment.checked_sub(by) };
    moved.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_in_both_forms() {
        for (text, seconds) in [
            ("24h", 86_400),
            ("2d 3h", 183_600),
            ("2d3h", 183_600),
            ("90 min", 5_400),
            ("1w", 604_800),
            ("0s", 0),
            ("PT24H", 86_400),
            ("P2DT3H", 183_600),
            ("P1W", 604_800),
            ("PT1M30S", 90),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in
            ["", "h", "24", "-1h", "1y", "P", "PT", "P1M", "PT1D", "1h!", "99999999999w", "1 fortnight", "é", "2dé"]
        {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
