//! Fields that callers made on standard objects, and what a change of choices does to records (contract 3.3).
//!
//! Their values are kept as they were sent; only text and choices are looked at.

use super::{Record, Store};
use crate::twenty::simulator::answers::Refusal;
use crate::twenty::simulator::metadata::Change;
use crate::twenty::simulator::schema::ObjectType;
use crate::twenty::simulator::values;
use serde_json::{Value, json};

/// A field.
pub(super) struct Custom {
    kind: String,
    pub(super) unique: bool,
    choices: Vec<String>,
}

impl Custom {
    pub(super) fn unset(&self) -> Value {
        if self.kind == "TEXT" { json!("") } else { Value::Null }
    }

    /// A value as it is kept.
    pub(super) fn taken(&self, name: &str, value: &Value) -> Result<Value, Refusal> {
        let known = |v: &Value| v.as_str().is_some_and(|v| self.choices.iter().any(|c| c == v));
        match (self.kind.as_str(), value) {
            (_, Value::Null) => Ok(self.unset()),
            ("TEXT", Value::String(_)) => Ok(value.clone()),
            ("TEXT", other) => Err(Refusal::bad(format!("Invalid string value {other} for text field \"{name}\""))),
            ("SELECT", choice) if !known(choice) => {
                let (valid, choice) = (self.choices.join(", "), choice.as_str().unwrap_or_default());
                Err(Refusal::bad(format!("Invalid value \"{choice}\" for field \"{name}\". Valid values are: {valid}")))
            }
            ("MULTI_SELECT", Value::Array(all)) => match all.iter().find(|c| !known(c)) {
                Some(bad) => {
                    let bad = bad.as_str().unwrap_or_default();
                    Err(Refusal::bad(format!("Invalid value [ '{bad}' ] for multi select field \"{name}\"")))
                }
                None => Ok(value.clone()),
            },
            _ => Ok(value.clone()),
        }
    }
}

impl Store {
    /// A field that was made on this object.
    pub(super) fn custom_field(&self, object: &ObjectType, name: &str) -> Option<&Custom> {
        self.custom.get(object.plural)?.get(name)
    }

    pub(super) fn customs(&self, object: &ObjectType) -> impl Iterator<Item = (&String, &Custom)> {
        self.custom.get(object.plural).into_iter().flatten()
    }

    /// Is there such a field, made by a caller?
    pub(in crate::twenty::simulator) fn has_custom(&self, object: &ObjectType, name: &str) -> bool {
        self.custom_field(object, name).is_some()
    }

    /// What a change of the schema does to records. Nobody is told of it.
    pub(in crate::twenty::simulator) fn learn(&mut self, change: Change) {
        match change {
            Change::Field { plural, name, kind, unique, choices } => {
                let field = Custom { kind, unique, choices };
                let unset = field.unset();
                self.each(&plural, |record| {
                    record.insert(name.clone(), unset.clone());
                });
                self.custom.entry(plural).or_default().insert(name, field);
            }
            Change::Gone { plural, name } => {
                self.each(&plural, |record| {
                    record.remove(&name);
                });
                if let Some(fields) = self.custom.get_mut(&plural) {
                    fields.remove(&name);
                }
            }
            Change::Choices { plural, name, choices, default } => {
                self.each(&plural, |record| {
                    let had = values::text(record, &name);
                    if !had.is_empty() && !choices.contains(&had) {
                        record.insert(name.clone(), json!(default));
                    }
                });
                if let Some(field) = self.custom.get_mut(&plural).and_then(|f| f.get_mut(&name)) {
                    field.choices = choices;
                } else if (plural.as_str(), name.as_str()) == ("opportunities", "stage") {
                    self.stages = choices;
                }
            }
        }
    }

    fn each(&mut self, plural: &str, mut change: impl FnMut(&mut Record)) {
        for record in self.records.get_mut(plural).into_iter().flat_map(|records| records.values_mut()) {
            change(record);
        }
    }
}
