//! Phone numbers as people in Colombia type them, to E.164.
//!
//! Since September 2021 all national numbers have ten digits: mobiles begin with 3, fixed lines
//! with 60 and the region. Numbers from before are recognised and refused, never completed: the
//! city is not known, and a wrong guess writes to a stranger. Foreign numbers must carry their `+`.

use crate::text::plain;

/// What kind of line a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Colombian mobile: can receive WhatsApp and SMS.
    Mobile,
    /// Colombian fixed line.
    Fixed,
    /// Free for the caller (018000): a business, never a person's number.
    TollFree,
    /// Premium rate (01900): a business, never a person's number.
    Premium,
    /// A number of another country; only its plausibility was checked.
    Foreign,
}

impl Kind {
    /// Its name in data.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::Fixed => "fixed",
            Self::TollFree => "toll_free",
            Self::Premium => "premium",
            Self::Foreign => "foreign",
        }
    }
}

/// A number in international form.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber {
    /// E.164, with the plus sign.
    pub e164: String,
    /// What kind of line it is.
    pub kind: Kind,
    /// Extension that was typed behind it.
    pub extension: Option<String>,
}

// Phones are personal data: debug output does not show them.
impl std::fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PhoneNumber").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Why a text is not a phone number. The text itself is not repeated: it may be personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPhone {
    /// Empty, or holds letters or signs that no number has.
    #[error("this is not a phone number: use digits only")]
    NotANumber,
    /// Two numbers in one field.
    #[error("there are two phone numbers in one field: give one")]
    TwoNumbers,
    /// Emergency, SMS or operator code.
    #[error("this is a short code, not a phone number")]
    ShortCode,
    /// A fixed line as it was written before September 2021.
    #[error("this is a fixed line of before 2021: put 60 and the number of the region before its seven digits")]
    OldFixedNumber,
    /// Digits are missing.
    #[error("digits are missing: a Colombian number has ten")]
    TooShort,
    /// Too many digits.
    #[error("there are too many digits: a Colombian number has ten")]
    TooLong,
    /// No operator or region has this prefix.
    #[error("no operator or region of Colombia has this prefix; a foreign number needs its + and country code")]
    Unassigned,
}

impl InvalidPhone {
    /// Stable code, for data.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotANumber => "not_a_number",
            Self::TwoNumbers => "two_numbers",
            Self::ShortCode => "short_code",
            Self::OldFixedNumber => "old_fixed_number",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Unassigned => "unassigned",
        }
    }
}

/// E.164 of what was typed; national numbers are Colombian.
///
/// ```
/// use pasarela_colombia::phone::{InvalidPhone, to_e164};
/// assert_eq!(to_e164("(300) 123-4567").as_deref(), Ok("+573001234567"));
/// assert_eq!(to_e164("307 7042"), Err(InvalidPhone::OldFixedNumber));
/// ```
pub fn to_e164(typed: &str) -> Result<String, InvalidPhone> {
    read(typed).map(|number| number.e164)
}

/// Reads what was typed, with the kind of line and the extension.
pub fn read(typed: &str) -> Result<PhoneNumber, InvalidPhone> {
    let clean = plain(typed, 200).to_ascii_lowercase();
    let (number, extension) = split_extension(without_scheme(clean.trim()));
    if is_two_numbers(number) {
        return Err(InvalidPhone::TwoNumbers);
    }
    let mut digits = String::with_capacity(16);
    let mut plus = false;
    let mut code = false;
    for c in number.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '+' if digits.is_empty() && !plus => plus = true,
            '*' | '#' => code = true,
            ' ' | '\t' | '-' | '.' | '(' | ')' => {}
            _ => return Err(InvalidPhone::NotANumber),
        }
    }
    if digits.is_empty() {
        return Err(InvalidPhone::NotANumber);
    }
    if code {
        return Err(InvalidPhone::ShortCode);
    }
    let (e164, kind) = if plus {
        match digits.strip_prefix("57") {
            Some(national) => read_national(national, true)?,
            None => read_foreign(&digits)?,
        }
    } else if let Some(national) = digits.strip_prefix("0057") {
        // Dialled from abroad or copied from an old form; Colombia's own prefix has an operator digit.
        read_national(national, true)?
    } else if let (Some(national), true) = (digits.strip_prefix("57"), digits.len() >= 12) {
        read_national(national, true)?
    } else {
        read_national(&digits, false)?
    };
    Ok(PhoneNumber { e164, kind, extension })
}

/// What a refused text was most likely meant to be, for whoever asks again: `None` where nothing tells.
///
/// ```
/// use pasarela_colombia::phone::{Kind, likely};
/// assert_eq!(likely("300 123 456"), Some(Kind::Mobile));
/// assert_eq!(likely("307 7042"), Some(Kind::Fixed));
/// assert_eq!(likely("*611"), None);
/// ```
#[must_use]
pub fn likely(typed: &str) -> Option<Kind> {
    let why = match read(typed) {
        Ok(number) => return Some(number.kind),
        Err(why) => why,
    };
    match why {
        InvalidPhone::OldFixedNumber => Some(Kind::Fixed),
        InvalidPhone::TooShort | InvalidPhone::TooLong | InvalidPhone::Unassigned => {
            let digits: String = plain(typed, 200).chars().filter(char::is_ascii_digit).collect();
            let digits = digits.strip_prefix("00").unwrap_or(&digits);
            let national = digits.strip_prefix("57").unwrap_or(digits);
            match national.bytes().next() {
                Some(b'3') => Some(Kind::Mobile),
                Some(b'6') => Some(Kind::Fixed),
                _ => None,
            }
        }
        InvalidPhone::NotANumber | InvalidPhone::TwoNumbers | InvalidPhone::ShortCode => None,
    }
}

/// A number as people in Colombia read it: `300 123 4567`, `(601) 307 7042`; others stay in international form.
///
/// ```
/// use pasarela_colombia::phone::display;
/// assert_eq!(display("+573001234567"), "300 123 4567");
/// assert_eq!(display("+576013077042"), "(601) 307 7042");
/// assert_eq!(display("+34612345678"), "+34612345678");
/// ```
#[must_use]
pub fn display(e164: &str) -> String {
    let Some(national) = e164.strip_prefix("+57").filter(|n| n.len() == 10 && n.bytes().all(|b| b.is_ascii_digit()))
    else {
        return e164.to_owned();
    };
    let (area, rest) = national.split_at(3);
    let (middle, end) = rest.split_at(3);
    if area.starts_with('6') { format!("({area}) {middle} {end}") } else { format!("{area} {middle} {end}") }
}

fn without_scheme(text: &str) -> &str {
    let mut rest = text;
    for prefix in ["https://", "http://", "whatsapp:", "tel:", "wa.me/"] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest);
    }
    rest.trim()
}

fn split_extension(text: &str) -> (&str, Option<String>) {
    for mark in ["extensión", "extension", "ext.", "ext", " x"] {
        if let Some((number, rest)) = text.split_once(mark) {
            let extension: String = rest.chars().filter(char::is_ascii_digit).collect();
            let only_digits = rest.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '.' | ':'));
            if only_digits && !extension.is_empty() && extension.len() <= 6 {
                return (number.trim(), Some(extension));
            }
        }
    }
    (text, None)
}

fn is_two_numbers(text: &str) -> bool {
    let parts = text.split(['/', ',', ';', '|']).flat_map(|part| part.split(" o ")).flat_map(|part| part.split(" y "));
    parts.filter(|part| part.chars().filter(char::is_ascii_digit).count() >= 7).count() >= 2
}

fn read_foreign(digits: &str) -> Result<(String, Kind), InvalidPhone> {
    if digits.starts_with('0') {
        return Err(InvalidPhone::NotANumber);
    }
    // North America is the one plan with a fixed length that is common here.
    let (least, most) = if digits.starts_with('1') { (11, 11) } else { (8, 15) };
    match digits.len() {
        n if n < least => Err(InvalidPhone::TooShort),
        n if n > most => Err(InvalidPhone::TooLong),
        _ => Ok((format!("+{digits}"), Kind::Foreign)),
    }
}

fn read_national(digits: &str, with_country: bool) -> Result<(String, Kind), InvalidPhone> {
    if digits.is_empty() {
        return Err(InvalidPhone::NotANumber);
    }
    for (prefix, length, kind) in [("1800", 11, Kind::TollFree), ("1900", 11, Kind::Premium)] {
        let plain = digits.strip_prefix('0').unwrap_or(digits);
        if plain.starts_with(prefix) && plain.len() == length {
            return Ok((format!("+57{plain}"), kind));
        }
    }
    // 03 was dialled before a mobile from a fixed line.
    let digits = match digits.strip_prefix("03") {
        Some(mobile) if mobile.len() == 10 && mobile.starts_with('3') => mobile,
        _ => digits,
    };
    let first = digits.bytes().next().unwrap_or(b'0');
    match (digits.len(), first) {
        (0..=6, _) if !with_country => Err(InvalidPhone::ShortCode),
        (0..=6, _) => Err(InvalidPhone::TooShort),
        (7, _) if !with_country => Err(InvalidPhone::OldFixedNumber),
        (8, b'1' | b'2' | b'4'..=b'8') => Err(InvalidPhone::OldFixedNumber),
        (9 | 10, b'0') => Err(InvalidPhone::OldFixedNumber),
        (7..=9, _) => Err(InvalidPhone::TooShort),
        (10, b'3') if is_mobile(digits) => Ok((format!("+57{digits}"), Kind::Mobile)),
        (10, b'6') if is_fixed(digits) => Ok((format!("+57{digits}"), Kind::Fixed)),
        (10, _) => Err(InvalidPhone::Unassigned),
        _ => Err(InvalidPhone::TooLong),
    }
}

/// Mobile prefixes in use (phonenumbers 9.0.43).
fn is_mobile(digits: &str) -> bool {
    matches!(
        digits.get(..3).and_then(|prefix| prefix.parse::<u16>().ok()),
        Some(300..=305 | 310..=324 | 330 | 333 | 350 | 351 | 370)
    )
}

/// Regions of fixed lines; 603 and 609 are none.
fn is_fixed(digits: &str) -> bool {
    matches!(digits.get(..3), Some("601" | "602" | "604" | "605" | "606" | "607" | "608"))
}
