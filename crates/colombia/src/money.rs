//! Money as text. Amounts are integers of the minor unit.

use crate::Lang;
use crate::text::grouped;

/// No-break space, so that a sign never loses its amount at the end of a line.
const NBSP: char = '\u{a0}';

/// Writes `minor` units of `currency` (an ISO 4217 code, with `exponent` decimal places).
///
/// Decimals are shown only when there are any. In es-CO the peso is `$`, the United States dollar
/// `US$`, and every other currency its code; in English all are codes, so that a `$` is never
/// mistaken for a dollar. The space is a no-break space.
///
/// ```
/// use pasarela_colombia::{Lang, money::format_money};
/// assert_eq!(format_money(18_500_000, 2, "COP", Lang::Es), "$\u{a0}185.000");
/// assert_eq!(format_money(4_550, 2, "USD", Lang::Es), "US$\u{a0}45,50");
/// assert_eq!(format_money(18_500_000, 2, "COP", Lang::En), "COP\u{a0}185,000");
/// ```
#[must_use]
pub fn format_money(minor: i64, exponent: u32, currency: &str, lang: Lang) -> String {
    let (thousands, decimal) = match lang {
        Lang::Es => ('.', ','),
        Lang::En => (',', '.'),
    };
    let sign = match (lang, currency) {
        (Lang::Es, "COP") => "$",
        (Lang::Es, "USD") => "US$",
        _ => currency,
    };
    let unit = 10_u64.checked_pow(exponent).unwrap_or(1);
    let amount = minor.unsigned_abs();
    let mut text = String::new();
    if minor < 0 {
        text.push('-');
    }
    text.push_str(sign);
    text.push(NBSP);
    text.push_str(&grouped(&(amount / unit).to_string(), thousands));
    let rest = amount % unit;
    if rest != 0 {
        text.push(decimal);
        text.push_str(&format!("{rest:0width$}", width = exponent as usize));
    }
    text
}

/// Pesos without decimals, as people read a price: halves of a peso are rounded away from nothing.
///
/// ```
/// use pasarela_colombia::{Lang, money::format_pesos};
/// assert_eq!(format_pesos(123_456_749, Lang::Es), "$\u{a0}1.234.567");
/// assert_eq!(format_pesos(-150_000, Lang::Es), "-$\u{a0}1.500");
/// assert_eq!(format_pesos(123_456_700, Lang::En), "COP\u{a0}1,234,567");
/// ```
#[must_use]
pub fn format_pesos(centavos: i64, lang: Lang) -> String {
    let whole = centavos / 100 + (centavos % 100) / 50;
    format_money(whole, 0, "COP", lang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        for (minor, exponent, currency, es, en) in [
            (18_500_000, 2, "COP", "$\u{a0}185.000", "COP\u{a0}185,000"),
            (0, 2, "COP", "$\u{a0}0", "COP\u{a0}0"),
            (99_900, 2, "COP", "$\u{a0}999", "COP\u{a0}999"),
            (12_345_678_900, 2, "COP", "$\u{a0}123.456.789", "COP\u{a0}123,456,789"),
            (-1_005, 2, "COP", "-$\u{a0}10,05", "-COP\u{a0}10.05"),
            (4_500, 2, "USD", "US$\u{a0}45", "USD\u{a0}45"),
            (4_505, 2, "EUR", "EUR\u{a0}45,05", "EUR\u{a0}45.05"),
            (4_505, 0, "JPY", "JPY\u{a0}4.505", "JPY\u{a0}4,505"),
            (i64::MIN, 2, "COP", "-$\u{a0}92.233.720.368.547.758,08", "-COP\u{a0}92,233,720,368,547,758.08"),
        ] {
            assert_eq!(format_money(minor, exponent, currency, Lang::Es), es);
            assert_eq!(format_money(minor, exponent, currency, Lang::En), en);
        }
    }
}
