//! Spans of time with units: `10m`, `250ms`, `2h`.

use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// A span of time as the configuration writes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span(pub(crate) Duration);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            || format!("'{text}' is not a span of time; write a number and a unit, such as 250ms, 10s, 5m, 2h or 7d");
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let number: u64 = text[..split].parse().map_err(|_| bad())?;
        let ms = match text[split..].trim() {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        number.checked_mul(ms).map(|ms| Self(Duration::from_millis(ms))).ok_or_else(bad)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A span of time, or for ever (`"never"`: it never goes).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Age(pub(crate) Option<Duration>);

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match String::deserialize(d)?.trim() {
            "never" => Ok(Self(None)),
            text => match text.parse::<Span>() {
                Ok(span) => Ok(Self(Some(span.0))),
                Err(why) => Err(serde::de::Error::custom(format!("{why}, or never"))),
            },
        }
    }
}

/// A limit of requests as the configuration writes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Requests(pub(crate) pasarela_web::Rate);

impl<'de> Deserialize<'de> for Requests {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// A number of bytes as the configuration writes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Size(pub(crate) u64);

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("'{text}' is not a size; write a whole number and a unit, such as 512KiB, 64MiB or 2GiB");
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let number: u64 = text[..split].parse().map_err(|_| bad())?;
        let unit: u64 = match text[split..].trim() {
            "B" => 1,
            "kB" => 1000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return Err(bad()),
        };
        number.checked_mul(unit).map(Self).ok_or_else(bad)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How the documentation writes them.
#[cfg(test)]
mod told {
    use super::{Age, Requests, Size, Span};
    use serde::{Serialize, Serializer};
    use std::borrow::Cow;
    use std::time::Duration;

    fn span(d: Duration) -> String {
        let ms = d.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
        let (unit, name) = units.into_iter().find(|(unit, _)| ms.is_multiple_of(*unit)).unwrap_or((1, "ms"));
        format!("{}{name}", ms / unit)
    }

    impl Serialize for Span {
        fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.serialize_str(&span(self.0))
        }
    }

    impl Serialize for Age {
        fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.serialize_str(&self.0.map_or_else(|| "never".to_owned(), span))
        }
    }

    impl Serialize for Requests {
        fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.serialize_str(&self.0.to_string())
        }
    }

    impl Serialize for Size {
        fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")];
            let (unit, name) = units.into_iter().find(|(u, _)| self.0.is_multiple_of(*u)).unwrap_or((1, "B"));
            s.serialize_str(&format!("{}{name}", self.0 / unit))
        }
    }

    macro_rules! texts {
        ($($name:ident)*) => {$(
            impl schemars::JsonSchema for $name {
                fn inline_schema() -> bool { true }
                fn schema_name() -> Cow<'static, str> { stringify!($name).into() }
                fn json_schema(g: &mut schemars::SchemaGenerator) -> schemars::Schema { String::json_schema(g) }
            }
        )*};
    }
    texts!(Span Age Size Requests);

    #[test]
    fn what_is_told_reads_back_as_the_same() {
        for text in ["90d", "36h", "90m", "250ms"] {
            assert_eq!(span(text.parse::<Span>().unwrap().0), text);
        }
    }
}
