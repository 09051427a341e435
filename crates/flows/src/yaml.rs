//! A YAML document as a tree in which every value and key knows its place in the file.
//! Knows nothing of flows.

use crate::problem::{At, Report};
use serde::de::{self, Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// Largest flow file.
pub(crate) const MAX_BYTES: usize = 256 * 1024;

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: At,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Null, boolean, number or text.
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One line of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: At,
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// In words, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(Value::Null) => "nothing",
            Kind::Scalar(Value::Bool(_)) => "true or false",
            Kind::Scalar(Value::Number(_)) => "a number",
            Kind::Scalar(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

/// Reads one document. What is wrong goes into the report, with its place.
pub(crate) fn parse(text: &str, report: &mut Report) -> Option<Node> {
    if text.len() > MAX_BYTES {
        report.error(
            At::default(),
            format!("the file is larger than {} KiB", MAX_BYTES / 1024),
            Some("split it into several flows".into()),
        );
        return None;
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 64, max_nodes: 50_000, max_aliases: 1_000, max_anchors: 200, max_documents: 2 },
        with_snippet: false,
        strict_booleans: true,
    };
    match serde_saphyr::from_str_with_options::<Loaded>(text, options) {
        Ok(loaded) => Some(loaded.0),
        Err(error) => {
            let at = error.location().map(place).unwrap_or_default();
            report.error(at, format!("this is not readable YAML: {}", plain(&error.to_string())), None);
            None
        }
    }
}

/// The library's message without its own "line, column" words and further lines.
fn plain(message: &str) -> String {
    let line = message.lines().next().unwrap_or("");
    let line = match line.find(" at line ") {
        Some(end) => line.get(..end).unwrap_or(line),
        None => line,
    };
    let line = match (line.starts_with("line "), line.find(": ")) {
        (true, Some(end)) => line.get(end + 2..).unwrap_or(line),
        _ => line,
    };
    line.trim_start_matches("error: ").trim().chars().take(300).collect()
}

fn place(location: Location) -> At {
    let clamp = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    At { line: clamp(location.line()), column: clamp(location.column()) }
}

struct Loaded(Node);

impl<'de> Deserialize<'de> for Loaded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Raw>::deserialize(deserializer)?;
        Ok(Self(Node { at: place(spanned.referenced), kind: spanned.value.0 }))
    }
}

struct Raw(Kind);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor).map(Self)
    }
}

struct RawVisitor;

impl<'de> de::Visitor<'de> for RawVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }
    fn visit_str<E: de::Error>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }
    fn visit_string<E: de::Error>(self, value: String) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }
    fn visit_none<E: de::Error>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(Loaded(node)) = seq.next_element()? {
            items.push(node);
        }
        Ok(Kind::List(items))
    }
    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let Loaded(value) = map.next_value()?;
            entries.push(Entry { at: place(key.referenced), key: key.value, value });
        }
        Ok(Kind::Map(entries))
    }
}
