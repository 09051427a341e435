//! JSON without silent rounding.
//!
//! The hub's JSON numbers are 64-bit integers or doubles (engine.md, "HTTP client"): an id such as
//! `123456789012345678901` or an amount with 20 digits would come out as another number. Such a body
//! is refused with a sentence, so that it is quarantined whole; exact decimals travel as text.
//! What keeps its digits (every integer of 64 bits, every fraction that its double gives back to the
//! last digit written) passes.

use pasarela_connector::Unread;
use serde_json::Value;

/// Numbers of fewer digits than this always keep them.
const SAFE_DIGITS: usize = 15;

/// Parses, and refuses numbers whose digits would be lost.
pub(in super::super) fn parse(body: &[u8]) -> Result<Value, Unread> {
    let value: Value = serde_json::from_slice(body).map_err(|e| Unread(format!("the body is not JSON: {e}")))?;
    if has_long_run(body)
        && let Some(number) = first_inexact(body)
    {
        let shown: String = number.chars().take(60).collect();
        return Err(Unread(format!(
            "the number {shown} has more digits than the hub can keep; send it as text (in quotes)"
        )));
    }
    Ok(value)
}

/// Is there any run of more than 15 digits and points? Looks at every 16th byte only, since a run of 16
/// covers one of them: nearly free on bodies without such runs.
fn has_long_run(body: &[u8]) -> bool {
    let digit = |b: &u8| b.is_ascii_digit() || *b == b'.';
    let stride = SAFE_DIGITS + 1;
    (0..body.len()).step_by(stride).any(|at| {
        let (before, from) = body.split_at(at);
        from.first().is_some_and(digit)
            && before.iter().rev().take_while(|b| digit(b)).count() + from.iter().take_while(|b| digit(b)).count()
                >= stride
    })
}

/// The first number outside of texts that its parsed form does not give back. `body` is JSON.
fn first_inexact(body: &[u8]) -> Option<&str> {
    let mut rest = body;
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'"' {
            rest = after_text(tail);
        } else if first == b'-' || first.is_ascii_digit() {
            let length =
                rest.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E')).count();
            let (token, after) = rest.split_at(length);
            let token = std::str::from_utf8(token).ok()?;
            if !keeps_its_digits(token) {
                return Some(token);
            }
            rest = after;
        } else {
            rest = tail;
        }
    }
    None
}

/// What follows the closing quote.
fn after_text(mut rest: &[u8]) -> &[u8] {
    while let Some((&b, tail)) = rest.split_first() {
        match b {
            b'"' => return tail,
            b'\\' => rest = tail.get(1..).unwrap_or_default(),
            _ => rest = tail,
        }
    }
    rest
}

fn keeps_its_digits(token: &str) -> bool {
    if token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok() {
        return true;
    }
    let mantissa = token.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_start_matches('0');
    if digits.trim_end_matches('0').len() <= SAFE_DIGITS {
        return true;
    }
    // An integer beyond 64 bits would be written in another form, even where a double holds it.
    if mantissa == token && !token.contains('.') {
        return false;
    }
    // No double has more than 767 digits that matter; far before that it is not what was meant.
    if digits.len() > 400 {
        return false;
    }
    // By the parser that made the value, not by a better one.
    let Ok(double) = serde_json::from_str::<f64>(token) else {
        return false;
    };
    // Written again with as many digits as it came with.
    let written = format!("{:.*e}", digits.len() - 1, double.abs());
    let again = written.split('e').next().unwrap_or_default().chars().filter(char::is_ascii_digit);
    again.eq(digits.chars())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn digits_are_kept_or_the_body_is_refused() {
        for kept in [
            "0",
            "-7",
            "18446744073709551615",
            "-9223372036854775808",
            "4.5",
            "0.1",
            "0.30000000000000004",
            "19.990000000000002",
            "4.7109886000000003",
            "250000.00000000000000000000",
            "1e22",
            "1E-7",
            "150000000000000000000",
        ] {
            let body = format!("{{\"total\":{kept},\"x\":[{kept}]}}");
            assert!(parse(body.as_bytes()).is_ok(), "{kept}");
        }
        for lost in [
            "18446744073709551616",
            "-9223372036854775809",
            "123456789012345678901",
            "0.123456789012345678901",
            "123456789012345678.01",
            "3.14159265358979323846264338327950288",
            "12345678901234567890123e5",
        ] {
            for body in [format!("{{\"total\":{lost}}}"), format!("{{\"a\":\"\\\"\",\"total\":[1,{lost}]}}")] {
                let Unread(why) = parse(body.as_bytes()).unwrap_err();
                assert!(why.contains(lost), "{why}");
            }
        }
    }

    #[test]
    fn digits_in_texts_are_texts() {
        let body = br#"{"id":"123456789012345678901234567890","note":"a \" 123456789012345678901 \\","n":1}"#;
        assert_eq!(parse(body).unwrap()["id"], json!("123456789012345678901234567890"));
    }

    #[test]
    fn a_long_number_is_seen_wherever_it_stands() {
        for pad in 0..40 {
            let body = format!("{{{}\"n\":123456789012345678901}}", " ".repeat(pad));
            assert!(parse(body.as_bytes()).is_err(), "after {pad} blanks");
        }
    }

    /// Whatever double another program writes with 17 digits comes back as that double.
    #[test]
    fn fractions_of_other_programs_come_back() {
        let mut seed = 20_261_127_u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let double = (seed >> 11) as f64 / 1e13;
            for text in [format!("{double}"), format!("{double:.16e}")] {
                let value = parse(format!("[{text}]").as_bytes()).unwrap();
                assert_eq!(value[0].as_f64(), Some(double), "{text}");
            }
        }
    }
}
