//! Inbound: who is calling ([`gate`]), and what the body says ([`Reader`]).
//!
//! The hottest way of the product: one MAC over the raw bytes, one parse, and the parsed body is
//! moved into the event, not copied.

mod exact;
mod gate;
mod pointer;

pub(super) use exact::parse as parse_exactly;
pub(super) use gate::gate;

use super::wire::Event;
use pasarela_connector::sign::sha256;
use pasarela_connector::{ConfigError, ConnectionConfig, Dedup, Fact, Translation, Unread};
use pointer::Place;
use serde_json::Value;
use std::borrow::Cow;

/// Longest type, id and key: they are parts of index keys.
const LONGEST_TYPE: usize = 100;
const LONGEST_ID: usize = 300;

/// Reads events out of bodies.
pub(super) struct Reader {
    /// `<connection>.`
    prefix: String,
    event_type: Place,
    id: Place,
    key: Place,
}

impl Reader {
    pub(super) fn new(event: Event, config: &ConnectionConfig) -> Result<Self, ConfigError> {
        let place =
            |name: &str, text: String| Place::new(text).map_err(|why| config.error(format!("event.{name} {why}")));
        let reader = Self {
            prefix: format!("{}.", config.name),
            event_type: place("type", event.event_type)?,
            id: place("id", event.id)?,
            key: place("key", event.key)?,
        };
        if let Place::Literal(text) = &reader.event_type {
            reader.name(text).map_err(|Unread(why)| config.error(format!("event.type: {why}")))?;
        }
        if let Place::Literal(text) = &reader.id {
            return Err(config.error(format!(
                "event.id = {text:?} is a fixed value: every event would be a repetition of the first. Write a JSON \
                 pointer such as \"/id\""
            )));
        }
        Ok(reader)
    }

    /// One body, one event.
    pub(super) fn read(&self, body: &[u8]) -> Result<Translation, Unread> {
        let data = parse_exactly(body)?;
        if !data.is_object() {
            return Err(Unread(format!("the body is {}, not a JSON object", kind_of(&data))));
        }
        let event_type = self.name(&self.required("type", &self.event_type, &data, LONGEST_TYPE)?)?;
        let key = self.required("key", &self.key, &data, LONGEST_ID)?.into_owned();
        let discriminator = match self.id.find("id", &data, LONGEST_ID)? {
            Some(id) => id.into_owned(),
            // The sender names no id: the same bytes are the same event, other bytes another one.
            None => hex::encode(sha256(body)),
        };
        let fact = Fact {
            dedup: Dedup::Once { kind: event_type.clone(), entity: key.clone(), discriminator },
            event_type: Some(event_type),
            key,
            occurred_at: None,
            data,
            entities: Vec::new(),
            refs: Vec::new(),
            settles: None,
        };
        Ok(Translation { items: vec![fact.into()] })
    }

    fn required<'v>(
        &self,
        what: &str,
        place: &'v Place,
        data: &'v Value,
        longest: usize,
    ) -> Result<Cow<'v, str>, Unread> {
        place.find(what, data, longest)?.ok_or_else(|| {
            Unread(format!("there is no {what} at {place} of the body; the setting event.{what} says where it is"))
        })
    }

    /// `<connection>.<type>`, in lower case.
    fn name(&self, event_type: &str) -> Result<String, Unread> {
        let sound = event_type.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            && event_type.split('.').all(|part| !part.is_empty());
        if !sound {
            return Err(Unread(format!(
                "the type {event_type:?} cannot name an event: only letters a to z, digits, and . _ - are allowed"
            )));
        }
        let mut name = String::with_capacity(self.prefix.len() + event_type.len());
        name.push_str(&self.prefix);
        name.extend(event_type.bytes().map(|b| char::from(b.to_ascii_lowercase())));
        Ok(name)
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a JSON list",
        Value::Object(_) => "a JSON object",
    }
}

#[cfg(test)]
mod tests;
