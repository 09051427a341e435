//! Objects and fields that callers made, and what a change of choices does to records (contract 3.3).
//!
//! Values of the types that standard fields have are kept as there; choices are looked at, and the rest is kept as it
//! comes.

use super::{Record, Store};
use crate::twenty::simulator::answers::Refusal;
use crate::twenty::simulator::metadata::Change;
use crate::twenty::simulator::schema::{self, Kind, ObjectType};
use crate::twenty::simulator::values;
use serde_json::{Value, json};

/// A field.
pub(super) struct Custom {
    kind: String,
    pub(super) unique: bool,
    choices: Vec<String>,
    /// Plural of the object that a relation leads to.
    pub(super) target: Option<String>,
    /// What a new record has.
    default: Value,
}

impl Custom {
    pub(super) fn unset(&self) -> Value {
        match schema::kind_of(&self.kind) {
            _ if !self.default.is_null() => self.default.clone(),
            Some(kind) => values::unset(kind, &[]),
            None if self.kind == "BOOLEAN" => json!(false),
            None if self.kind == "MULTI_SELECT" => json!([]),
            None => Value::Null,
        }
    }

    fn is_composite(&self) -> bool {
        schema::kind_of(&self.kind).is_some_and(Kind::is_composite)
    }

    /// A value as it is kept.
    pub(super) fn taken(&self, name: &str, old: &Value, value: &Value) -> Result<Value, Refusal> {
        let known = |v: &Value| v.as_str().is_some_and(|v| self.choices.iter().any(|c| c == v));
        if let Some(kind) = schema::kind_of(&self.kind) {
            return values::apply(kind, name, &[], old, value);
        }
        match (self.kind.as_str(), value) {
            ("RELATION", _) => Ok(value.clone()),
            (_, Value::Null) => Ok(self.unset()),
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

    /// Is it one of those that an upsert's event leaves out?
    pub(super) fn is_composite(&self, object: &ObjectType, name: &str) -> bool {
        match object.field(name) {
            Some(field) => field.kind.is_composite(),
            None => self.custom_field(object, name).is_some_and(Custom::is_composite),
        }
    }

    /// A relation that a caller made, by its name without `Id`: field and plural of the target.
    pub(in crate::twenty::simulator) fn custom_relation(
        &self,
        object: &ObjectType,
        name: &str,
    ) -> Option<(String, String)> {
        let field = format!("{name}Id");
        let target = self.custom_field(object, &field)?.target.clone()?;
        Some((field, target))
    }

    /// Relations to an object that callers made: on which object, and by which field.
    pub(super) fn custom_links(&self, plural: &str) -> Vec<(String, String)> {
        let all = self.custom.iter().flat_map(|(on, fields)| fields.iter().map(move |(name, field)| (on, name, field)));
        all.filter(|(.., f)| f.target.as_deref() == Some(plural))
            .map(|(on, name, _)| (on.clone(), name.clone()))
            .collect()
    }

    /// Is there such a field, made by a caller?
    pub(in crate::twenty::simulator) fn has_custom(&self, object: &ObjectType, name: &str) -> bool {
        self.custom_field(object, name).is_some()
    }

    /// What a change of the schema does to records. Nobody is told of it.
    pub(in crate::twenty::simulator) fn learn(&mut self, change: Change) {
        match change {
            Change::Object(object) => self.made_objects.push(object),
            Change::NoObject(plural) => {
                self.made_objects.retain(|o| o.plural != plural);
                self.records.remove(plural.as_str());
                self.custom.remove(&plural);
                self.unique.retain(|(on, ..), _| *on != plural);
            }
            Change::Field { plural, name, kind, unique, choices, target, default } => {
                let field = Custom { kind, unique, choices, target, default };
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
