//! How a moment is described to programs: a text with date, time and zone.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// The schema of a [`jiff::Timestamp`], which has none of its own:
/// `#[schemars(with = "pasarela_domain::Moment")]`.
#[derive(Debug)]
pub enum Moment {}

impl JsonSchema for Moment {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}
