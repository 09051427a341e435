//! What people write: a connection's settings, and the input of a request.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Settings of a connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// How inbound calls prove who they are. Without it, all are refused.
    pub(super) verify: Option<Verify>,
    /// Where in a body its type, id and key are.
    pub(super) event: Option<Event>,
}

/// A scheme of verification; its secrets are the connection's `webhook_secrets`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "scheme", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Verify {
    /// HMAC-SHA256 of the raw body, in a header.
    #[serde(rename = "hmac-sha256")]
    HmacSha256 {
        /// Header that carries the signature: `x-signature`.
        header: String,
        /// How the signature is written.
        #[serde(default)]
        encoding: Encoding,
        /// Text in front of the signature: `sha256=`.
        #[serde(default)]
        prefix: String,
        /// A signed time, where the sender gives one.
        timestamp: Option<SignedTime>,
    },
    /// The Standard Webhooks rules; secrets are `whsec_` and base64.
    StandardWebhooks {},
    /// A token that the sender repeats. It does not cover the body.
    Bearer {
        /// Header that carries the token, as it is. Without it: `Authorization: Bearer TOKEN`.
        header: Option<String>,
    },
    /// A name and a password (`name:password` in `webhook_secrets`). It does not cover the body.
    Basic {},
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    /// Hexadecimal, in either case.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

/// A time that is part of what is signed: `<time><separator><body>`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignedTime {
    /// Header that carries the time: `x-timestamp`.
    pub(super) header: String,
    /// Unit of the time, counted from 1970.
    #[serde(default)]
    pub(super) unit: Unit,
    /// What stands between the time and the body.
    #[serde(default = "dot")]
    pub(super) separator: String,
}

fn dot() -> String {
    ".".into()
}

/// Unit of a time in a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unit {
    /// Seconds.
    #[default]
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// JSON pointers into the body; without a leading slash, the value itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    /// Type: the event is named `<connection>.<type>`.
    #[serde(rename = "type", default = "at_type")]
    pub(super) event_type: String,
    /// The sender's id of this event, by which a repeated delivery is known again. Where the body
    /// has none, the whole body is compared.
    #[serde(default = "at_id")]
    pub(super) id: String,
    /// What the event is about: order is kept per key.
    #[serde(default = "at_id")]
    pub(super) key: String,
}

fn at_type() -> String {
    "/type".into()
}

fn at_id() -> String {
    "/id".into()
}

impl Default for Event {
    fn default() -> Self {
        Self { event_type: at_type(), id: at_id(), key: at_id() }
    }
}

/// One HTTP request. At most one of `json`, `form` and `text`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Method.
    pub(super) method: Method,
    /// Path under the connection's base URL: `/orders/7`. What does not belong in a path is percent-encoded.
    pub(super) path: String,
    /// Query parameters; a list gives its name once per value, null gives none.
    #[serde(default)]
    pub(super) query: Fields,
    /// Headers. Credentials belong into the connection.
    #[serde(default)]
    pub(super) headers: Fields,
    /// JSON body.
    pub(super) json: Option<Value>,
    /// Form body (`application/x-www-form-urlencoded`), in the order given.
    pub(super) form: Option<Fields>,
    /// Text body.
    pub(super) text: Option<String>,
    /// Header that carries the effect's idempotency key, where the other side knows it again:
    /// `Idempotency-Key`. Only then is a POST sent again when its answer was lost.
    pub(super) idempotency_header: Option<String>,
}

/// HTTP methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Method {
    Get,
    Head,
    Options,
    Put,
    Delete,
    Post,
    Patch,
}

impl Method {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Post => "POST",
            Self::Patch => "PATCH",
        }
    }

    /// Does the same request twice leave what once leaves (RFC 9110, 9.2.2)?
    pub(super) fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch)
    }

    pub(super) fn takes_body(self) -> bool {
        !matches!(self, Self::Get | Self::Head)
    }
}

/// Named values in the order in which they were written.
#[derive(Debug, Default)]
pub(super) struct Fields(pub(super) Vec<(String, Field)>);

/// A value, or several. Templates keep types, so numbers and truth values are taken as they come.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Field {
    /// One.
    One(Scalar),
    /// Several.
    Many(Vec<Scalar>),
    /// None at all.
    Absent(()),
}

/// A value with one obvious text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Scalar {
    /// Text.
    Text(String),
    /// Number.
    Number(serde_json::Number),
    /// Truth value.
    Bool(bool),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Bool(value) => value.fmt(f),
        }
    }
}

impl Field {
    pub(super) fn scalars(&self) -> &[Scalar] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
            Self::Absent(()) => &[],
        }
    }
}

impl Fields {
    /// Each name with each of its values.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().flat_map(|(name, field)| field.scalars().iter().map(move |v| (name.as_str(), v.to_string())))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names with texts, numbers or truth values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(Fields(fields))
            }
        }
        d.deserialize_map(InOrder)
    }
}

impl JsonSchema for Fields {
    fn schema_name() -> Cow<'static, str> {
        "Fields".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, Field>::json_schema(generator)
    }
}
