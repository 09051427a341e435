//! How people are reached: phones in E.164, e-mail addresses in lower case.

use std::fmt;
use std::str::FromStr;

/// Not an E.164 number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a phone number in international form (+ and 8 to 15 digits)")]
pub struct InvalidPhone(pub String);

/// Not an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an e-mail address")]
pub struct InvalidEmail(pub String);

/// A phone number in E.164 form: `+573001234567`. National forms are read by the country's crate.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phone(String);

impl Phone {
    /// With the leading plus sign.
    #[must_use]
    pub fn as_e164(&self) -> &str {
        &self.0
    }
    /// Digits only, as WhatsApp writes numbers.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0[1..]
    }
}

impl FromStr for Phone {
    type Err = InvalidPhone;
    fn from_str(text: &str) -> Result<Self, InvalidPhone> {
        let digits = text.strip_prefix('+').unwrap_or("");
        let plausible =
            (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        if plausible { Ok(Self(text.to_owned())) } else { Err(InvalidPhone(text.chars().take(32).collect())) }
    }
}

/// An e-mail address, lower case, with one `@` and a dotted domain.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmail;
    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let lower = text.trim().to_lowercase();
        let bad = || InvalidEmail(text.chars().take(80).collect());
        let (local, domain) = lower.rsplit_once('@').ok_or_else(bad)?;
        let plausible = !local.is_empty()
            && local.len() <= 64
            && !local.contains('@')
            && lower.len() <= 254
            && domain.contains('.')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && !lower.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';'));
        if plausible { Ok(Self(lower)) } else { Err(bad()) }
    }
}

macro_rules! text_type {
    ($name:ident, $format:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": $format })
            }
        }
    };
}

text_type!(Phone, "phone");
text_type!(EmailAddress, "email");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_strict_and_do_not_print_in_debug() {
        let phone: Phone = "+573001234567".parse().unwrap();
        assert_eq!(phone.digits(), "573001234567");
        assert!(!format!("{phone:?}").contains("300"));
        for bad in ["3001234567", "+57 300", "+0123456789", "+1234567", ""] {
            assert!(bad.parse::<Phone>().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_lower_cased_and_checked() {
        assert_eq!("Ana.Diaz@Correo.Example".parse::<EmailAddress>().unwrap().as_str(), "ana.diaz@correo.example");
        for bad in ["ana", "@x.co", "ana@", "ana@x", "a b@x.co", "a@b@x.co", "ana@.co"] {
            assert!(bad.parse::<EmailAddress>().is_err(), "{bad}");
        }
    }
}
