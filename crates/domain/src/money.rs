//! Money as integer minor units.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::fmt;
use std::str::FromStr;

/// An ISO 4217 code, upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Colombian peso.
    pub const COP: Self = Self(*b"COP");

    /// The three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// Decimal places of the minor unit (ISO 4217): COP has 2, JPY 0, KWD 3.
    #[must_use]
    pub fn exponent(&self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
            | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
impl FromStr for Currency {
    type Err = InvalidMoney;
    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        let upper = text.trim().to_ascii_uppercase();
        match upper.as_bytes() {
            [a, b, c] if upper.bytes().all(|x| x.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(InvalidMoney::Currency(text.chars().take(12).collect())),
        }
    }
}
impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.code())
    }
}
impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
impl schemars::JsonSchema for Currency {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Currency".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217 code" })
    }
}

/// An amount of money that cannot be represented.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    /// Not three letters.
    #[error("'{0}' is not an ISO 4217 currency code")]
    Currency(String),
    /// Not a decimal number.
    #[error("'{0}' is not an amount of money")]
    Amount(String),
    /// Outside of 64 bits of minor units.
    #[error("the amount {0} is too large")]
    TooLarge(String),
}

/// An amount in minor units (centavos) of one currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Money {
    /// Minor units: 185.000 pesos are 18 500 000.
    pub minor: i64,
    /// Currency of the amount.
    pub currency: Currency,
}

impl Money {
    /// An amount in minor units.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// From a decimal text in major units (`85000`, `38304.319199999998`), rounded half away from zero
    /// to the minor unit, as providers that speak in major units need at their border.
    pub fn from_major_text(text: &str, currency: Currency) -> Result<Self, InvalidMoney> {
        let bad = || InvalidMoney::Amount(text.chars().take(40).collect());
        let decimal = Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text)).map_err(|_| bad())?;
        let scaled = decimal
            .checked_mul(Decimal::from(10_i64.pow(currency.exponent())))
            .ok_or_else(|| InvalidMoney::TooLarge(text.to_owned()))?
            .round_dp_with_strategy(0, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        let minor = scaled.to_i64().ok_or_else(|| InvalidMoney::TooLarge(text.to_owned()))?;
        Ok(Self { minor, currency })
    }

    /// Decimal text in major units without needless zeros: `185000`, `45.5`.
    #[must_use]
    pub fn major_text(&self) -> String {
        Decimal::new(self.minor, self.currency.exponent()).normalize().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_units_are_converted_by_decimal() {
        for (text, minor) in
            [("85000", 8_500_000), ("38304.319199999998", 3_830_432), ("0", 0), ("-1.005", -101), ("1e3", 100_000)]
        {
            assert_eq!(Money::from_major_text(text, Currency::COP).unwrap().minor, minor, "{text}");
        }
        assert_eq!(Money::from_major_text("10", "JPY".parse().unwrap()).unwrap().minor, 10);
        assert!(Money::from_major_text("dos", Currency::COP).is_err());
        assert!(Money::from_major_text("99999999999999999999", Currency::COP).is_err());
        assert_eq!(Money::new(18_500_000, Currency::COP).major_text(), "185000");
    }
}
