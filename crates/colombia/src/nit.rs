//! NIT, the tax number, and its check digit (DIAN, Orden Administrativa 4 de 1989).
//!
//! Number and check digit are kept apart. A number without its hyphen is ambiguous: its check digit is computed and
//! shown, never cut off.

use crate::Lang;
use crate::text::{grouped, plain};

/// From the right.
const WEIGHTS: [u32; 15] = [3, 7, 13, 17, 19, 23, 29, 37, 41, 43, 47, 53, 59, 67, 71];

/// A tax number whose check digit is right.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nit {
    /// Digits before the hyphen.
    pub number: String,
    /// 0 to 9.
    pub check_digit: u8,
}

impl std::fmt::Display for Nit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", grouped(&self.number, '.'), self.check_digit)
    }
}

// The NIT of a natural person is the cédula: debug output does not show it.
impl std::fmt::Debug for Nit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nit").finish_non_exhaustive()
    }
}

/// Why a text is not a NIT.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNit {
    /// Nothing was typed.
    #[error("this is empty: a NIT looks like 901.234.567-7")]
    Empty,
    /// Something else than digits.
    #[error("a NIT has digits only, such as 901.234.567-7")]
    NotDigits,
    /// More than fifteen digits before the check digit.
    #[error("a NIT has at most 15 digits before the hyphen")]
    TooLong,
    /// No hyphen: it cannot be known whether the last digit is the check digit.
    #[error("the check digit is missing: is it {0}?")]
    NoCheckDigit(Nit),
    /// The check digit is another one.
    #[error("the check digit does not fit: {0}?")]
    WrongCheckDigit(Nit),
}

// As for a NIT.
impl std::fmt::Debug for InvalidNit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl InvalidNit {
    /// Stable code, for data.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotDigits => "not_digits",
            Self::TooLong => "too_long",
            Self::NoCheckDigit(_) => "no_check_digit",
            Self::WrongCheckDigit(_) => "wrong_check_digit",
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        match (lang, self) {
            (Lang::En, _) => self.to_string(),
            (Lang::Es, Self::Empty) => "Está vacío: un NIT se escribe 901.234.567-7".into(),
            (Lang::Es, Self::NotDigits) => "Un NIT lleva solo dígitos, como 901.234.567-7".into(),
            (Lang::Es, Self::TooLong) => "Un NIT lleva a lo sumo 15 dígitos antes del guion".into(),
            (Lang::Es, Self::NoCheckDigit(nit)) => format!("Falta el dígito de verificación: ¿{nit}?"),
            (Lang::Es, Self::WrongCheckDigit(nit)) => format!("El dígito de verificación no coincide: ¿{nit}?"),
        }
    }
}

/// The check digit of up to fifteen digits. `None` for anything else.
///
/// ```
/// assert_eq!(pasarela_colombia::nit::check_digit("901234567"), Some(7));
/// ```
#[must_use]
pub fn check_digit(number: &str) -> Option<u8> {
    if number.is_empty() || number.len() > WEIGHTS.len() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let sum: u32 = number.bytes().rev().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let rest = u8::try_from(sum % 11).ok()?;
    Some(if rest < 2 { rest } else { 11 - rest })
}

/// What stands before the hyphen and behind it, cleaned: dots, spaces and the word NIT are gone.
#[must_use]
pub fn parts(typed: &str) -> (String, Option<String>) {
    let text = plain(typed, 64).to_uppercase();
    let text = text.trim();
    let text = text.strip_prefix("N.I.T.").or_else(|| text.strip_prefix("NIT")).unwrap_or(text);
    let text = text.trim_start_matches([':', '.', ' ']);
    let clean = |part: &str| part.chars().filter(|c| !matches!(c, '.' | ' ' | '\t' | '-')).collect::<String>();
    match text.rsplit_once('-') {
        Some((number, digit)) => (clean(number), Some(clean(digit))),
        None => (clean(text), None),
    }
}

/// Reads a NIT as people type it: `901.234.567-7`, `901234567-7`, `NIT 901234567-7`.
///
/// # Errors
/// With the reason, and the number with its right check digit where there is one to be confirmed.
pub fn read(typed: &str) -> Result<Nit, InvalidNit> {
    let (number, digit) = parts(typed);
    if number.is_empty() {
        return Err(InvalidNit::Empty);
    }
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidNit::NotDigits);
    }
    let right = check_digit(&number).ok_or(InvalidNit::TooLong)?;
    let nit = Nit { number, check_digit: right };
    match digit.as_deref() {
        None | Some("") => Err(InvalidNit::NoCheckDigit(nit)),
        Some(digit) if !digit.bytes().all(|b| b.is_ascii_digit()) => Err(InvalidNit::NotDigits),
        Some(digit) if digit.len() == 1 && digit.parse() == Ok(right) => Ok(nit),
        Some(_) => Err(InvalidNit::WrongCheckDigit(nit)),
    }
}
