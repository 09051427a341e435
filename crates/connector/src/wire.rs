//! Requests and answers as values.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Headers in order; names in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// First value of `name` (lower case).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Sets `name`, in place of an earlier value.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.0.push((name.to_ascii_lowercase(), value.into()));
    }
}

/// A request from outside, not yet believed.
pub struct RawRequest<'a> {
    /// `POST`, or `GET` for challenges.
    pub method: &'a str,
    /// Query string without the question mark.
    pub query: &'a str,
    /// A header by lower-case name; `None` when absent or not text.
    pub header: &'a dyn Fn(&str) -> Option<&'a str>,
    /// Body, byte for byte.
    pub body: &'a [u8],
}

/// Name and value of each query parameter, percent-decoded, in order.
#[must_use]
pub fn query_pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// A call that the engine is to make. The engine adds credentials and `extra_headers`, never stores them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Upper case.
    pub method: String,
    /// Absolute URL, query included.
    pub url: String,
    /// Without credentials.
    pub headers: Headers,
    /// Body, exactly as sent and as resent.
    #[serde(with = "body_text")]
    pub body: Bytes,
}

impl Request {
    /// `GET url`, `Accept: application/json`.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A request without a body.
    #[must_use]
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        let mut headers = Headers::default();
        headers.set("accept", "application/json");
        Self { method: method.to_ascii_uppercase(), url: url.into(), headers, body: Bytes::new() }
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.headers.set("content-type", "application/json");
        self.body = serde_json::to_vec(body).unwrap_or_default().into();
        self
    }

    /// With a form body, in the order given.
    #[must_use]
    pub fn form<K: AsRef<str>, V: AsRef<str>>(mut self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        self.headers.set("content-type", "application/x-www-form-urlencoded");
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.body = text.into_bytes().into();
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.set(name, value);
        self
    }

    /// With query parameters appended, percent-encoded.
    #[must_use]
    pub fn query<K: AsRef<str>, V: AsRef<str>>(mut self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        if !text.is_empty() {
            self.url.push(if self.url.contains('?') { '&' } else { '?' });
            self.url.push_str(&text);
        }
        self
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Headers,
    /// Body, whole (the engine bounds it).
    pub body: Bytes,
}

impl Answer {
    /// An answer with a JSON body; for simulators and tests.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        let mut headers = Headers::default();
        headers.set("content-type", "application/json");
        Self { status, headers, body: serde_json::to_vec(body).unwrap_or_default().into() }
    }

    /// An answer with a text body; for simulators and tests.
    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        let mut headers = Headers::default();
        headers.set("content-type", "text/plain; charset=utf-8");
        Self { status, headers, body: body.into().into_bytes().into() }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.set(name, value);
        self
    }

    /// Is the status 2xx?
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// First characters of the body, for people.
    #[must_use]
    pub fn excerpt(&self, max: usize) -> String {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(max * 4)]);
        text.chars().take(max).collect()
    }
}

/// Bodies are kept as text where they are text, else as base64 with a mark.
mod body_text {
    use base64::Engine as _;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    const MARK: &str = "base64:";

    pub(super) fn serialize<S: Serializer>(body: &Bytes, s: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(body) {
            Ok(text) if !text.starts_with(MARK) => s.serialize_str(text),
            _ => s.serialize_str(&format!("{MARK}{}", base64::engine::general_purpose::STANDARD.encode(body))),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(d)?;
        match text.strip_prefix(MARK) {
            None => Ok(Bytes::from(text)),
            Some(encoded) => base64::engine::general_purpose::STANDARD
                .decode(encoded)
                .map(Bytes::from)
                .map_err(serde::de::Error::custom),
        }
    }
}
