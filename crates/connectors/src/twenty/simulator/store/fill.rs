//! From a row as it was sent to a record as it is kept.

use super::{Record, Store, checked_id};
use crate::twenty::simulator::answers::Refusal;
use crate::twenty::simulator::schema::{Kind, ObjectType};
use crate::twenty::simulator::values;
use serde_json::{Value, json};
use uuid::Uuid;

impl Store {
    pub(super) fn blank(&self, object: &'static ObjectType) -> Record {
        let mut record = Record::new();
        for field in ["id", "createdAt", "updatedAt", "deletedAt"] {
            record.insert(field.into(), Value::Null);
        }
        let (relations, plain): (Vec<_>, Vec<_>) =
            object.fields.iter().partition(|f| matches!(f.kind, Kind::Relation(_)));
        for field in plain {
            record.insert(field.name.into(), values::unset(field.kind, &self.options(field.kind)));
        }
        for field in ["position", "createdBy", "updatedBy", "searchVector"] {
            record.insert(field.into(), Value::Null);
        }
        for field in relations {
            record.insert(field.name.into(), Value::Null);
        }
        if let Some(field) = self.hub_field(object) {
            record.insert(field.into(), json!(""));
        }
        for (name, field) in self.customs(object) {
            record.insert(name.clone(), field.unset());
        }
        record
    }

    /// Puts a row's fields into a record and notes which ones differ.
    pub(super) fn fill(
        &self,
        object: &'static ObjectType,
        record: &mut Record,
        row: &Record,
        changed: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        for (name, value) in row {
            let (name, value) = match name.as_str() {
                "id" => continue,
                "createdAt" | "updatedAt" | "position" | "createdBy" => {
                    if name == "createdBy" {
                        if let (Some(Value::Object(old)), Value::Object(new)) = (record.get_mut("createdBy"), value) {
                            old.extend(new.clone());
                        }
                    } else {
                        record.insert(name.clone(), value.clone());
                    }
                    continue;
                }
                other => match (object.field(other), object.relation(other)) {
                    (Some(field), _) => {
                        let old = record.get(field.name).cloned().unwrap_or(Value::Null);
                        let new = values::apply(field.kind, field.name, &self.options(field.kind), &old, value)?;
                        if let Kind::Relation(target) = field.kind {
                            self.check_relation(object, target, &new)?;
                        }
                        (field.name, new)
                    }
                    (None, Some((field, target))) => (field.name, self.connect(other, target, value)?),
                    (None, None) if self.hub_field(object) == Some(other) => {
                        (other, json!(value.as_str().unwrap_or_default()))
                    }
                    (None, None) => {
                        let (name, value) = self.fill_custom(object, record, other, value)?;
                        if record.get(&name) != Some(&value) {
                            changed.push(name.clone());
                            record.insert(name, value);
                        }
                        continue;
                    }
                },
            };
            if record.get(name) != Some(&value) {
                changed.push(name.to_owned());
                record.insert(name.to_owned(), value);
            }
        }
        Ok(())
    }

    /// A field that a caller made, or a relation by its name.
    fn fill_custom(
        &self,
        object: &'static ObjectType,
        record: &Record,
        name: &str,
        value: &Value,
    ) -> Result<(String, Value), Refusal> {
        if let Some(field) = self.custom_field(object, name) {
            let old = record.get(name).cloned().unwrap_or(Value::Null);
            let new = field.taken(name, &old, value)?;
            if let Some(target) = &field.target {
                self.check_relation(object, target, &new)?;
            }
            return Ok((name.to_owned(), new));
        }
        match self.custom_relation(object, name) {
            Some((field, target)) => Ok((field, self.connect(name, &target, value)?)),
            None => Err(Refusal::unknown_field(object.singular, name)),
        }
    }

    fn check_relation(&self, object: &ObjectType, target: &str, value: &Value) -> Result<(), Refusal> {
        let Some(id) = value.as_str() else {
            return if value.is_null() { Ok(()) } else { Err(Refusal::bad(format!("'{value}' is not a valid UUID"))) };
        };
        checked_id(id)?;
        if self.any(target, &id.to_lowercase()).is_some() {
            return Ok(());
        }
        let constraint =
            Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{}/{target}", object.singular).as_bytes()).simple();
        let constraint: String = constraint.to_string().chars().take(27).collect();
        Err(Refusal::bad(format!(
            "insert or update on table \"{}\" violates foreign key constraint \"FK_{constraint}\"",
            object.singular
        )))
    }

    /// `{"connect": {"where": {...}}}` by a unique field, or `{"disconnect": true}` (contract 3.1).
    fn connect(&self, name: &str, target: &str, value: &Value) -> Result<Value, Refusal> {
        if value.get("disconnect") == Some(&json!(true)) {
            return Ok(Value::Null);
        }
        let wanted = self.object(target).and_then(|t| {
            let (field, part) = t.unique?;
            Some((t, field, part, value.pointer(&format!("/connect/where/{field}/{part}"))?.as_str()?))
        });
        let Some((object, field, part, wanted)) = wanted else {
            return Err(Refusal::bad(format!("Invalid connect for {name}")));
        };
        match self.by_unique(object, &format!("{field}.{part}"), &wanted.to_lowercase()) {
            Some(id) => Ok(json!(id)),
            None => {
                let column: String =
                    part.chars().take(1).flat_map(char::to_uppercase).chain(part.chars().skip(1)).collect();
                let text =
                    format!("Expected 1 record to connect to {name}, but found 0 for {field}{column} = {wanted}");
                Err(Refusal::bad(text))
            }
        }
    }
}
