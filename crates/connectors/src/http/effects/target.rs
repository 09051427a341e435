//! Where calls go: under the base URL, and nowhere else.
//!
//! Paths come out of templates, and so, in the end, from strangers. What is joined here reads the
//! same to every URL parser: it is compared with its own normal form before it is used.

use pasarela_connector::{ConfigError, ConnectionConfig};
use std::fmt::Write as _;
use url::Url;

/// A connection's base URL, in normal form, without a trailing slash.
#[derive(Debug)]
pub(in super::super) struct Target {
    base: String,
}

impl Target {
    /// `None` without a base URL: the connection only receives.
    pub(in super::super) fn new(config: &ConnectionConfig) -> Result<Option<Self>, ConfigError> {
        let Some(text) = &config.base_url else {
            return Ok(None);
        };
        let url = Url::parse(text)
            .map_err(|e| config.error(format!("base_url is not an address such as \"https://tienda.example\": {e}")))?;
        let wrong = if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            Some("must begin with https:// (or http://) and a host")
        } else if !url.username().is_empty() || url.password().is_some() {
            Some("holds a name or password: use the credentials `username` and `password`")
        } else if url.query().is_some() || url.fragment().is_some() {
            Some("has a query or fragment: those belong into each request")
        } else {
            None
        };
        match wrong {
            Some(wrong) => Err(config.error(format!("base_url {wrong}"))),
            None => Ok(Some(Self { base: url.as_str().trim_end_matches('/').to_owned() })),
        }
    }

    /// The address of `path`, or why it has none.
    pub(super) fn join(&self, path: &str) -> Result<String, String> {
        let refused = |why: &str| Err(format!("path {path:?} {why}"));
        if path.chars().any(char::is_control) {
            return refused("has line breaks or control characters");
        }
        if path.contains(['?', '#']) {
            return refused("has a query or fragment: use `query`; in a name, write ? as %3F and # as %23");
        }
        if path.contains('\\') {
            return refused("has a backslash");
        }
        let relative = path.strip_prefix('/').unwrap_or(path);
        let first = path.split('/').next().unwrap_or_default();
        if first.contains(':') {
            return refused("looks like a whole address: only what follows base_url belongs here (begin with /)");
        }
        if path.contains("//") {
            return refused("has an empty part (//)");
        }
        let mut url = String::with_capacity(self.base.len() + path.len() + 1);
        url.push_str(&self.base);
        if !path.is_empty() {
            url.push('/');
        }
        if !encode(relative, &mut url) {
            return refused("has a % that is no percent-encoding: write %25");
        }
        if relative.split('/').any(climbs) {
            return refused("has a part . or .., which would leave the base URL");
        }
        // What another parser would read in another way is not sent.
        let normal = Url::parse(&url).map_err(|e| format!("path {path:?} gives no address: {e}"))?;
        let same = normal.as_str() == url || (path.is_empty() && normal.as_str().strip_suffix('/') == Some(&url));
        if same { Ok(url) } else { refused("is ambiguous: it would be read as another address") }
    }
}

/// Is this part a dot segment, or does it hide one behind percent-encoding (`%2e%2e`, `..%2f`)?
fn climbs(part: &str) -> bool {
    let mut decoded = Vec::with_capacity(part.len());
    let mut bytes = part.as_bytes();
    while let Some((&b, rest)) = bytes.split_first() {
        match (b, rest.get(..2).and_then(hex_byte)) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                bytes = rest.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(b);
                bytes = rest;
            }
        }
    }
    decoded.split(|b| matches!(b, b'/' | b'\\')).any(|piece| matches!(piece, b"." | b".."))
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u8::from_str_radix(text, 16).ok())?
}

/// Appends `path` with everything encoded that RFC 3986 does not allow there; what is encoded already
/// stays. False at a stray percent sign.
fn encode(path: &str, url: &mut String) -> bool {
    for (at, b) in path.bytes().enumerate() {
        match b {
            b'%' if path.as_bytes().get(at + 1..at + 3).and_then(hex_byte).is_none() => {
                return false;
            }
            b'%' | b'/' => url.push(char::from(b)),
            b if b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&b) => url.push(char::from(b)),
            b => {
                // Writing to a String cannot fail.
                let _ = write!(url, "%{b:02X}");
            }
        }
    }
    true
}
