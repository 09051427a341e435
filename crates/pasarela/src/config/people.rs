//! `[people]`: the map of persons, and whose word counts for what.

use pasarela_domain::identity::{InvalidOwnership, Ownership};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct People {
    /// Is a map of persons kept: who is whom across all connections of a brand ([identity](identity.md))?
    pub(crate) enabled: bool,
    /// For a field of a person (`name`, `email`, `phone`, `channel_user`, `language`, `job_title`, `document`), the
    /// connections whose word counts, in order: `name = ["crm", "boleteria"]`. `"*"` is any other, of which the latest
    /// counts; who is not in a list has no say. Not set: `["*"]`.
    pub(crate) fields: BTreeMap<String, Vec<String>>,
}

impl Default for People {
    fn default() -> Self {
        Self { enabled: true, fields: BTreeMap::new() }
    }
}

impl People {
    /// The rules, where a map is kept. `knows`: is there such a connection?
    pub(crate) fn rules(&self, knows: impl Fn(&str) -> bool) -> Result<Option<Ownership>, InvalidOwnership> {
        let fields = self.fields.iter().map(|(field, names)| (field.as_str(), names.as_slice()));
        let rules = Ownership::read(fields, knows)?;
        Ok(self.enabled.then_some(rules))
    }
}
