//! Colombian conventions for software: when people may be written to and by when they must be answered, holidays and
//! business days, tax numbers, phones, places, prices, money and dates as people in Colombia write and read them.
//!
//! Pure: no clock, no time zone database, no I/O, and no type of the hub; useful to any program. Each item names the
//! norm that it follows. It is engineering reference and no legal advice; where the law is open, the reading is a
//! [setting](Settings) with the stricter default.
//!
//! | module | what | where it is written |
//! |---|---|---|
//! | [`market`] | contact hours, frequency, business days, terms: the trait [`Market`], which [`Colombia`] implements | Ley 2300 de 2023; Ley 4 de 1913; Ley 1581 de 2012 |
//! | [`holidays`] | the rule of holidays, and Easter | Ley 51 de 1983; Ley 2578 de 2026 |
//! | [`tables`] | what changes by decree: holidays by year, UVT, IVA; extended from data | E.T. arts. 468 and 868 |
//! | [`nit`], [`documents`] | tax number and check digit, documents of persons | DIAN |
//! | [`phone`] | what people type into a phone field, to E.164, with the reason when it is not one | Resolución CRC 5826 de 2019 |
//! | [`places`], [`address`], [`names`] | DANE codes, addresses, names | DIVIPOLA |
//! | [`price`] | IVA included or added, discount, rounding; contribution of performing arts | Ley 1480 de 2011, art. 26; Ley 1493 de 2011, art. 7 |
//! | [`retracto`] | until when a purchase can be given back | Ley 1480 de 2011, art. 47 |
//! | [`fiscal`] | CUFE and CUDE | DIAN, anexo técnico |
//! | [`cards`] | card numbers in text | PCI DSS |
//! | [`money`], [`calendar`] | `$ 185.000`, "viernes 27 de noviembre, 7:00 p. m." | ICU, es-CO |

pub mod abroad;
pub mod address;
pub mod calendar;
pub mod cards;
mod colombia;
pub mod documents;
pub mod fiscal;
pub mod holidays;
pub mod market;
pub mod money;
pub mod names;
pub mod nit;
pub mod phone;
pub mod places;
pub mod price;
pub mod retracto;
pub mod tables;
mod text;

pub use colombia::{
    CONTACT_HOURS, Colombia, FrequencyMode, ONE_A_DAY, ONE_A_WEEK, ONE_CHANNEL_A_WEEK, QUIET_HOURS, Settings,
};
pub use market::Market;
pub use tables::Tables;
pub use text::fold;

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

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
