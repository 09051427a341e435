//! The bin, and what leaves for good (contract 2.7).

use super::{Actor, Event, Record, Store, next_moment};
use crate::twenty::simulator::answers::Refusal;
use crate::twenty::simulator::schema::{Kind, ObjectType};
use jiff::Timestamp;
use serde_json::{Value, json};

impl Store {
    /// Into the bin. The unique values stay taken, and `updatedBy` stays as it was.
    pub(in crate::twenty::simulator) fn soft_delete(
        &mut self,
        object: &'static ObjectType,
        id: &str,
        by: &Actor,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<Record, Refusal> {
        self.live(object.plural, id)?;
        self.set_deleted(object, id, by, now, true, events)
    }

    /// Out of the bin.
    pub(in crate::twenty::simulator) fn restore(
        &mut self,
        object: &'static ObjectType,
        id: &str,
        by: &Actor,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<Record, Refusal> {
        self.set_deleted(object, id, by, now, false, events)
    }

    fn set_deleted(
        &mut self,
        object: &'static ObjectType,
        id: &str,
        by: &Actor,
        now: Timestamp,
        deleted: bool,
        events: &mut Vec<Event>,
    ) -> Result<Record, Refusal> {
        let record =
            self.records.get_mut(object.plural).and_then(|all| all.get_mut(id)).ok_or_else(Refusal::not_found)?;
        let at = next_moment(Some(record), now);
        record.insert("deletedAt".into(), if deleted { json!(at) } else { Value::Null });
        record.insert("updatedAt".into(), json!(at));
        let action = if deleted { "deleted" } else { "restored" };
        let updated_fields = Some(vec!["deletedAt".to_owned()]);
        events.push(Event { object, action, record: record.clone(), updated_fields, by: by.clone() });
        Ok(record.clone())
    }

    /// What pointed at one record points at another, without events.
    pub(in crate::twenty::simulator) fn repoint(&mut self, object: &'static ObjectType, from: &str, to: &str) {
        for other in self.objects() {
            for link in self.links(other, object) {
                for record in self.records.get_mut(other.plural).into_iter().flat_map(|all| all.values_mut()) {
                    if record.get(&link).and_then(Value::as_str) == Some(from) {
                        record.insert(link.clone(), json!(to));
                    }
                }
            }
        }
    }

    /// Fields of one object that lead to another.
    fn links(&self, on: &ObjectType, to: &ObjectType) -> Vec<String> {
        let standard = on.fields.iter().filter(|f| f.kind == Kind::Relation(to.plural)).map(|f| f.name.to_owned());
        let made = self.custom_links(to.plural).into_iter().filter(|(plural, _)| plural == on.plural);
        standard.chain(made.map(|(_, field)| field)).collect()
    }

    /// For good: links go with it, relations to it become null, without events.
    pub(in crate::twenty::simulator) fn destroy(
        &mut self,
        object: &'static ObjectType,
        id: &str,
        by: &Actor,
        events: &mut Vec<Event>,
    ) -> Result<Record, Refusal> {
        let record =
            self.records.get_mut(object.plural).and_then(|all| all.remove(id)).ok_or_else(Refusal::not_found)?;
        for (field, value) in self.unique_values(object, &record) {
            self.unique.remove(&(object.plural, field, value));
        }
        for other in self.objects() {
            let links = self.links(other, object);
            let Some(all) = self.records.get_mut(other.plural).filter(|_| !links.is_empty()) else {
                continue;
            };
            let names = |record: &Record, link: &str| record.get(link).and_then(Value::as_str) == Some(id);
            if other.plural.ends_with("Targets") {
                all.retain(|_, r| !links.iter().any(|link| names(r, link)));
            } else {
                for r in all.values_mut() {
                    for link in &links {
                        if names(r, link) {
                            r.insert(link.clone(), Value::Null);
                        }
                    }
                }
            }
        }
        events.push(Event {
            object,
            action: "destroyed",
            record: record.clone(),
            updated_fields: None,
            by: by.clone(),
        });
        Ok(record)
    }
}
