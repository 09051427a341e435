//! Prices: the total with all taxes, and how it splits (Ley 1480 de 2011, art. 26; E.T. arts. 447 and 468).
//!
//! Amounts are integers of centavos (1 peso = 100). Discount first, then tax; the total is split once, a unit never.
//! Halves are rounded up, at the total of the line.

use crate::tables::{MissingTable, Tables};
use jiff::civil::Date;

/// Hundredths of a percent: 19 % is 1900.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Percent(u32);

impl Percent {
    /// Of hundredths of a percent. `None` above one hundred percent.
    #[must_use]
    pub fn from_hundredths(hundredths: u32) -> Option<Self> {
        (hundredths <= 10_000).then_some(Self(hundredths))
    }

    /// Reads `19`, `19.00`, `12.5`. `None` for anything else, and above one hundred.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_hundredths(u32::try_from(centavos(text)?).ok()?)
    }
}

/// Whether the tax is in the amount already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IvaMode {
    /// In it: what consumers are shown.
    Included,
    /// Comes on top.
    Added,
}

/// To what amounts are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Whole pesos: what people pay.
    Peso,
    /// Two decimals: what documents for the DIAN carry.
    Centavo,
}

/// One line of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Centavos of one unit.
    pub unit: i64,
    /// How many.
    pub quantity: u32,
    /// Off the line's total, before tax.
    pub discount: Percent,
    /// Whether the tax is in `unit`.
    pub mode: IvaMode,
    /// Of the tax; nothing for what is excluded, and for sellers who are not responsible for IVA (regime 49).
    pub rate: Percent,
    /// To what it is rounded.
    pub rounding: Rounding,
}

/// How a line splits. `base + iva == total`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// Centavos before tax.
    pub base: i64,
    /// Centavos of tax.
    pub iva: i64,
    /// Centavos to pay.
    pub total: i64,
}

/// What a line cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLine {
    /// Less than nothing.
    #[error("a price is not negative")]
    Negative,
    /// None of it.
    #[error("the quantity is at least 1")]
    NoQuantity,
    /// Beyond what money counts.
    #[error("the amount is too large")]
    TooLarge,
}

/// Splits a line.
///
/// # Errors
/// With what it cannot be.
///
/// ```
/// use pasarela_colombia::price::{IvaMode, Line, Percent, Rounding, split};
/// let line = Line {
///     unit: 18_000_000,
///     quantity: 1,
///     discount: Percent::default(),
///     mode: IvaMode::Included,
///     rate: Percent::parse("19").unwrap(),
///     rounding: Rounding::Peso,
/// };
/// let split = split(&line).unwrap();
/// assert_eq!((split.base, split.iva, split.total), (15_126_100, 2_873_900, 18_000_000));
/// ```
pub fn split(line: &Line) -> Result<Split, InvalidLine> {
    if line.unit < 0 {
        return Err(InvalidLine::Negative);
    }
    if line.quantity == 0 {
        return Err(InvalidLine::NoQuantity);
    }
    let step = match line.rounding {
        Rounding::Peso => 100,
        Rounding::Centavo => 1,
    };
    let left = i128::from(10_000 - line.discount.0);
    let amount = half_up(i128::from(line.unit) * i128::from(line.quantity) * left, 10_000 * step) * step;
    let rate = i128::from(line.rate.0);
    let (base, iva) = match line.mode {
        IvaMode::Included => {
            let base = half_up(amount * 10_000, (10_000 + rate) * step) * step;
            (base, amount - base)
        }
        IvaMode::Added => (amount, half_up(amount * rate, 10_000 * step) * step),
    };
    let narrow = |value: i128| i64::try_from(value).map_err(|_| InvalidLine::TooLarge);
    Ok(Split { base: narrow(base)?, iva: narrow(iva)?, total: narrow(base + iva)? })
}

/// Of numbers that are not negative.
fn half_up(value: i128, by: i128) -> i128 {
    (2 * value + by) / (2 * by)
}

/// Reads an amount as data carries it: digits, and at most two decimals after a point. Into centavos.
#[must_use]
pub fn centavos(text: &str) -> Option<i64> {
    let (whole, decimals) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    if whole.is_empty() || decimals.len() > 2 || !whole.bytes().chain(decimals.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let cents: i64 = format!("{decimals:0<2}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents)
}

/// Parafiscal contribution on performing arts: 10 % of each ticket of 3 UVT or more, inside of its price (Ley 1493 de
/// 2011, art. 7). By the UVT of the day of sale; a fashion show owes none, and whether something is performing arts is
/// for its organiser to say. Centavos in, centavos out, in whole pesos.
///
/// # Errors
/// "Falta UVT 2027": nothing is computed by the UVT of another year.
pub fn contribution(tables: &Tables, unit: i64, sold: Date) -> Result<i64, MissingTable> {
    let from = i128::from(tables.uvt(sold.year())?.pesos) * 300;
    let unit = i128::from(unit);
    let due = if unit >= from { half_up(unit, 1_000) * 100 } else { 0 };
    Ok(i64::try_from(due).unwrap_or(i64::MAX))
}
