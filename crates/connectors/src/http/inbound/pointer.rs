//! Places in a body: JSON pointers (RFC 6901), split once, or a fixed value.

use super::{Unread, kind_of};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// Where a value is.
#[derive(Debug)]
pub(super) enum Place {
    /// The value itself.
    Literal(String),
    /// A pointer into the body: its text, and its parts without escapes.
    Pointer {
        /// As written.
        text: String,
        /// Names and indexes on the way.
        parts: Vec<String>,
    },
}

impl Place {
    /// Reads a setting; the error goes on after its name.
    pub(super) fn new(text: String) -> Result<Self, &'static str> {
        if text.trim().is_empty() {
            return Err("is empty: write a JSON pointer such as \"/id\", or a fixed value");
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Ok(Self::Literal(text));
        };
        let parts = rest.split('/').map(unescape).collect::<Option<Vec<_>>>();
        match parts {
            Some(parts) => Ok(Self::Pointer { parts, text }),
            None => Err("is not a JSON pointer: ~ is written ~0, and / inside a name ~1"),
        }
    }

    /// The text at this place; `None` where there is nothing.
    pub(super) fn find<'v>(
        &'v self,
        what: &str,
        data: &'v Value,
        longest: usize,
    ) -> Result<Option<Cow<'v, str>>, Unread> {
        let text = match self {
            Self::Literal(text) => Cow::Borrowed(text.as_str()),
            Self::Pointer { text, parts } => match follow(data, parts) {
                None | Some(Value::Null) => return Ok(None),
                Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
                Some(Value::Number(number)) => Cow::Owned(number.to_string()),
                Some(other) => {
                    return Err(Unread(format!("the {what} at {text} is {}, not a text or number", kind_of(other))));
                }
            },
        };
        if text.trim().is_empty() {
            return Ok(None);
        }
        if text.len() > longest {
            return Err(Unread(format!(
                "the {what} at {self} is {} bytes long, at most {longest} are kept",
                text.len()
            )));
        }
        Ok(Some(text))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) | Self::Pointer { text, .. } => f.write_str(text),
        }
    }
}

fn unescape(part: &str) -> Option<String> {
    let mut plain = String::with_capacity(part.len());
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '~' => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            c => c,
        });
    }
    Some(plain)
}

fn follow<'v>(data: &'v Value, parts: &[String]) -> Option<&'v Value> {
    parts.iter().try_fold(data, |value, part| match value {
        Value::Object(fields) => fields.get(part),
        // RFC 6901: no leading zeros, no sign.
        Value::Array(items) if part == "0" || part.bytes().next().is_some_and(|b| (b'1'..=b'9').contains(&b)) => {
            items.get(part.parse::<usize>().ok()?)
        }
        _ => None,
    })
}
