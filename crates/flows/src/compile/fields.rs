//! The fields of mappings and their simple values: names, words, lengths of time, event types.

use super::{Compiler, Fields};
use crate::duration::parse_duration;
use crate::problem::did_you_mean;
use crate::yaml::{Kind, Node};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

impl Compiler<'_> {
    pub(super) fn fields<'n>(&mut self, node: &'n Node, known: &[&str], what: &str) -> Option<Fields<'n>> {
        let Kind::Map(entries) = &node.kind else {
            self.report.error(node.at, format!("{what} is a mapping, not {}", node.describe()), None);
            return None;
        };
        let mut fields = HashMap::new();
        for entry in entries {
            if known.contains(&entry.key.as_str()) {
                fields.insert(entry.key.as_str(), entry);
            } else {
                let suggestion = did_you_mean(&entry.key, known.iter().copied());
                self.report.error(entry.at, format!("{what} has no field `{}`", entry.key), suggestion);
            }
        }
        Some(fields)
    }

    /// A name: letters, digits, `-` and `_`.
    pub(super) fn name(&mut self, node: &Node, field: &str) -> Option<String> {
        let text = match &node.kind {
            Kind::Scalar(Value::String(text)) => text.clone(),
            Kind::Scalar(Value::Number(number)) => number.to_string(),
            _ => {
                self.report.error(node.at, format!("`{field}` is a name, not {}", node.describe()), None);
                return None;
            }
        };
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if text.is_empty() || !plain || text.len() > 64 {
            let clean: String =
                text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).take(64).collect();
            let suggestion = (!clean.is_empty()).then(|| format!("write `{clean}`"));
            let message = format!("`{text}` cannot be a name: letters, digits, `-` and `_`, at most 64");
            self.report.error(node.at, message, suggestion);
            return None;
        }
        Some(text)
    }

    pub(super) fn version(&mut self, node: &Node) -> u32 {
        let number = match &node.kind {
            Kind::Scalar(value) => value.as_u64().and_then(|n| u32::try_from(n).ok()),
            _ => None,
        };
        match number {
            Some(version) if version >= 1 => version,
            _ => self.missing(node.at, "`version` is a whole number from 1", "write `version: 1`"),
        }
    }

    pub(super) fn title(&mut self, node: &Node) -> BTreeMap<String, String> {
        match &node.kind {
            Kind::Scalar(Value::String(text)) => BTreeMap::from([("es".to_owned(), text.clone())]),
            Kind::Map(entries) => {
                let mut titles = BTreeMap::new();
                for entry in entries {
                    match entry.value.text() {
                        Some(text) => {
                            titles.insert(entry.key.clone(), text.to_owned());
                        }
                        None => self.report.error(
                            entry.value.at,
                            format!("a title is a text, not {}", entry.value.describe()),
                            None,
                        ),
                    }
                }
                titles
            }
            _ => self.missing(node.at, "`title` is a text per language", "write `title: { es: \"...\", en: \"...\" }`"),
        }
    }

    /// One event type or a list of them.
    pub(super) fn event_types(&mut self, node: &Node) -> Vec<String> {
        let nodes: Vec<&Node> = match &node.kind {
            Kind::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut types = Vec::new();
        for node in &nodes {
            match node.text() {
                Some(text) if self.catalog.is_event_type(text) => {
                    if types.iter().any(|known| known == text) {
                        self.report.note(node.at, format!("the event `{text}` is named twice"), None);
                    } else {
                        types.push(text.to_owned());
                    }
                }
                Some(text) => {
                    let known = self.catalog.event_types();
                    let suggestion = did_you_mean(text, known.iter().map(String::as_str));
                    self.report.error(node.at, format!("there is no event type `{text}`"), suggestion);
                }
                None => self.report.error(node.at, format!("an event type is a text, not {}", node.describe()), None),
            }
        }
        if nodes.is_empty() {
            self.report.error(node.at, "the list of event types is empty", Some("name one: `order.paid`".into()));
        }
        types
    }

    pub(super) fn word<T>(&mut self, node: &Node, read: fn(&str) -> Option<T>, all: &[&str]) -> Option<T> {
        let word = node.text().and_then(read);
        if word.is_none() {
            let written = node.text().map_or_else(|| node.describe().to_owned(), |text| format!("`{text}`"));
            let choices = all.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            self.report.error(
                node.at,
                format!("{written} is none of {choices}"),
                did_you_mean(node.text().unwrap_or(""), all.iter().copied()),
            );
        }
        word
    }

    pub(super) fn length(&mut self, node: &Node) -> Option<Duration> {
        let text = match &node.kind {
            Kind::Scalar(Value::String(text)) => text.clone(),
            Kind::Scalar(Value::Number(number)) => number.to_string(),
            _ => node.describe().to_owned(),
        };
        match parse_duration(&text) {
            Ok(length) => Some(length),
            Err(error) => {
                self.report.error(node.at, error.to_string(), None);
                None
            }
        }
    }
}
