//! Card numbers in text, so that none is kept (PCI DSS, SAQ A): 13 to 19 digits that satisfy Luhn, with single
//! spaces, dots or hyphens between.

use std::ops::Range;

/// What people are told who send one.
#[must_use]
pub fn refusal(lang: crate::Lang) -> &'static str {
    match lang {
        crate::Lang::Es => "No envíe datos de tarjeta por este medio",
        crate::Lang::En => "Do not send card numbers here",
    }
}

/// Whether a text holds what looks like a card number.
///
/// ```
/// use pasarela_colombia::cards::{holds_card, masked};
/// assert!(holds_card("mi tarjeta es 4111 1111 1111 1111, vence 12/29"));
/// assert!(!holds_card("+57 300 123 4567"));
/// assert_eq!(masked("pago 4111-1111-1111-1111 ya"), "pago **** ya");
/// ```
#[must_use]
pub fn holds_card(text: &str) -> bool {
    !find(text).is_empty()
}

/// The text with four stars in the place of each.
#[must_use]
pub fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for range in find(text) {
        out.push_str(text.get(from..range.start).unwrap_or(""));
        out.push_str("****");
        from = range.end;
    }
    out.push_str(text.get(from..).unwrap_or(""));
    out
}

/// Where they are, in bytes, in order, not overlapping.
#[must_use]
pub fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut groups: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    let mut gap = 0;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        if let Some(digit) = digit(c) {
            match groups.last_mut() {
                Some((range, digits)) if gap == 0 => {
                    range.end = end;
                    digits.push(digit);
                }
                _ => groups.push((at..end, vec![digit])),
            }
            gap = 0;
        } else if matches!(c, ' ' | '-' | '.' | '\u{a0}' | '\u{2010}'..='\u{2015}') && gap == 0 && !groups.is_empty() {
            gap = 1;
        } else {
            among(&groups, &mut found);
            groups.clear();
            gap = 0;
        }
    }
    among(&groups, &mut found);
    found
}

/// Whole groups that together are a number: also when an expiry date follows.
fn among(groups: &[(Range<usize>, Vec<u8>)], found: &mut Vec<Range<usize>>) {
    let mut first = 0;
    while let Some((range, _)) = groups.get(first) {
        let mut digits: Vec<u8> = Vec::new();
        let mut hit = None;
        for (index, (part, more)) in groups.iter().enumerate().skip(first) {
            digits.extend(more);
            if digits.len() > 19 {
                break;
            }
            if digits.len() >= 13 && luhn(&digits) {
                hit = Some((index, range.start..part.end));
            }
        }
        match hit {
            Some((last, range)) => {
                found.push(range);
                first = last + 1;
            }
            None => first += 1,
        }
    }
}

fn digit(c: char) -> Option<u8> {
    let value = match c {
        '\u{ff10}'..='\u{ff19}' => u32::from(c) - 0xff10,
        c => c.to_digit(10)?,
    };
    u8::try_from(value).ok()
}

fn luhn(digits: &[u8]) -> bool {
    // No issuer begins with 0.
    if digits.first().is_none_or(|d| *d == 0) {
        return false;
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => 2 * digit - 9,
            (_, digit) => 2 * digit,
        })
        .sum();
    sum.is_multiple_of(10)
}
