//! Ids that web analytics gave to a person's browser, as the cookies have them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ids that a web analytics tool gave to the person's browser. Kept only with consent; without them
/// nothing can be erased there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnalyticsIds {
    /// Client id of Google Analytics: two numbers with a dot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ga_client_id: Option<String>,
    /// Session id of Google Analytics: a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ga_session_id: Option<String>,
}

impl AnalyticsIds {
    /// The ids out of what a page reads in its cookies: `GA1.1.1234.5678` and `GS2.1.s1700000000$o1$g1` are taken
    /// as they are. The error is a sentence for people.
    pub fn read(self) -> Result<Self, String> {
        let ga_client_id = match self.ga_client_id.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
            None => None,
            Some(text) => Some(client_id(text).ok_or_else(|| {
                format!("ga_client_id '{}' is not two numbers with a dot, as in the cookie _ga", cut(text))
            })?),
        };
        let ga_session_id = match self.ga_session_id.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
            None => None,
            Some(text) => Some(session_id(text).ok_or_else(|| {
                format!("ga_session_id '{}' is not a number, as in the cookie _ga_<stream>", cut(text))
            })?),
        };
        Ok(Self { ga_client_id, ga_session_id })
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ga_client_id.is_none() && self.ga_session_id.is_none()
    }
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

fn digits(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn client_id(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('.').collect();
    let (a, b) = match parts.as_slice() {
        [a, b] => (a, b),
        [ga, _, a, b] if ga.starts_with("GA") => (a, b),
        _ => return None,
    };
    (digits(a) && digits(b)).then(|| format!("{a}.{b}"))
}

fn session_id(text: &str) -> Option<String> {
    let found = match text.split('.').collect::<Vec<_>>().as_slice() {
        [plain] => plain,
        ["GS1", _, id, ..] => id,
        ["GS2", _, rest, ..] => rest.split('$').next()?.strip_prefix('s')?,
        _ => return None,
    };
    digits(found).then(|| found.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn analytics_ids_are_read_as_the_cookies_have_them() {
        let read = |client: &str, session: &str| {
            AnalyticsIds { ga_client_id: Some(client.into()), ga_session_id: Some(session.into()) }.read()
        };
        let both = |client: &str, session: &str| {
            let ids = read(client, session).unwrap();
            (ids.ga_client_id.unwrap(), ids.ga_session_id.unwrap())
        };
        let wanted = ("1234567890.1700000000".to_owned(), "1700000099".to_owned());
        assert_eq!(both("1234567890.1700000000", "1700000099"), wanted);
        assert_eq!(both("GA1.1.1234567890.1700000000", "GS1.1.1700000099.1.1.1700000100.0.0.0"), wanted);
        assert_eq!(both("GA1.2.1234567890.1700000000", "GS2.1.s1700000099$o1$g0$t1700000100"), wanted);
        assert!(read("ana@correo.example", "1").is_err() && read("1.2", "s9").is_err());
        assert!(AnalyticsIds::default().read().unwrap().is_empty());
    }
}
