//! Colombian conventions for software: phone numbers, money and dates as people in Colombia
//! write and read them.
//!
//! Pure: no clock, no time zone database, no I/O, and no type of the hub; useful to any program.
//!
//! - [`phone`]: what people type into a phone field, to E.164, with the reason when it is not one.
//! - [`money`]: `$ 185.000` (es-CO) and `COP 185,000` (English) from integer minor units.
//! - [`calendar`]: "viernes 27 de noviembre, 7:00 p. m." in `America/Bogota`.
//!
//! What it is not: it decides nothing about law (contact hours, consent).

pub mod calendar;
pub mod money;
pub mod phone;

/// Language of a text for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// Spanish of Colombia (es-CO).
    #[default]
    Es,
    /// English.
    En,
}

impl Lang {
    /// Reads a language tag by its first part: `es`, `es-CO`, `en_US`. `None` for others.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let head = tag.split(['-', '_']).next().unwrap_or("");
        if head.eq_ignore_ascii_case("es") {
            Some(Self::Es)
        } else if head.eq_ignore_ascii_case("en") {
            Some(Self::En)
        } else {
            None
        }
    }
}
