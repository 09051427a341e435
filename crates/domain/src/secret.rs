//! Secrets that cannot be printed by accident.

use std::fmt;
use subtle::ConstantTimeEq;

/// A password, key or token. Debug and Display hide it; there is no Serialize.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The secret itself: for signing and for headers, never for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Equality in constant time for equal lengths.
    #[must_use]
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(candidate).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::new("clave-muy-privada");
        assert!(!format!("{secret:?}").contains("clave"));
        assert!(secret.matches(b"clave-muy-privada"));
        assert!(!secret.matches(b"clave"));
    }
}
