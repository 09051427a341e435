//! Records, their unique values, and what a change tells the webhooks.

mod bin;
mod custom;
mod fill;

use super::answers::Refusal;
use super::schema::{self, Kind, ObjectType};
use super::values;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// A record as the server writes it.
pub(super) type Record = Map<String, Value>;

/// Who writes.
#[derive(Debug, Clone)]
pub(super) enum Actor {
    /// An API key, by name.
    Key(String),
    /// The person at the interface.
    Person,
}

/// Id, name and login of the person at the interface, who is invented.
pub(super) const MEMBER: (&str, &str, &str) =
    ("5a1f8e0c-6b52-4d37-9c1a-2f6b0f4e7d11", "Camila Torres Rey", "camila.torres@fashionistas.example.co");

impl Actor {
    fn stamp(&self) -> Value {
        match self {
            Self::Key(name) => {
                json!({ "source": "API", "workspaceMemberId": null, "name": name, "context": {} })
            }
            Self::Person => {
                json!({ "source": "MANUAL", "workspaceMemberId": MEMBER.0, "name": MEMBER.1, "context": {} })
            }
        }
    }
}

/// A change that webhooks tell.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) object: &'static ObjectType,
    pub(super) action: &'static str,
    pub(super) record: Record,
    pub(super) updated_fields: Option<Vec<String>>,
    pub(super) by: Actor,
}

/// How a change is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Create,
    Upsert,
    Patch,
}

/// A change that can be made: the record before and after, and the fields that differ.
struct Planned {
    before: Option<Record>,
    after: Record,
    changed: Vec<String>,
}

/// The workspace.
pub(super) struct Store {
    records: BTreeMap<&'static str, BTreeMap<String, Record>>,
    /// Unique values, bin included: (plural, field, value) to id.
    unique: HashMap<(&'static str, String, String), String>,
    hub_id_field: Option<String>,
    stages: Vec<String>,
    /// Objects that callers made.
    made_objects: Vec<&'static ObjectType>,
    /// Fields that callers made, by plural and name.
    custom: BTreeMap<String, BTreeMap<String, custom::Custom>>,
    seed: String,
    made: u64,
}

impl Store {
    pub(super) fn new(seed: &str, hub_id_field: Option<String>, stages: Vec<String>) -> Self {
        let mut store = Self {
            records: BTreeMap::new(),
            unique: HashMap::new(),
            hub_id_field,
            stages,
            made_objects: Vec::new(),
            custom: BTreeMap::new(),
            seed: seed.to_owned(),
            made: 0,
        };
        store.seat_member();
        store
    }

    /// The person at the interface, whom tasks can be given to.
    fn seat_member(&mut self) {
        let Some(object) = schema::by_plural("workspaceMembers") else { return };
        let mut record = self.blank(object);
        let (first, last) = MEMBER.1.split_once(' ').unwrap_or((MEMBER.1, ""));
        let at = values::moment(Timestamp::UNIX_EPOCH);
        for (field, value) in [
            ("id", json!(MEMBER.0)),
            ("createdAt", json!(at)),
            ("updatedAt", json!(at)),
            ("name", json!({ "firstName": first, "lastName": last })),
            ("userEmail", json!(MEMBER.2)),
        ] {
            record.insert(field.into(), value);
        }
        self.records.entry(object.plural).or_default().insert(MEMBER.0.to_owned(), record);
    }

    /// An object by its plural: a standard one, or one that a caller made.
    pub(super) fn object(&self, plural: &str) -> Option<&'static ObjectType> {
        schema::by_plural(plural).or_else(|| self.made_objects.iter().find(|o| o.plural == plural).copied())
    }

    /// An object by its singular, for whoever mistook one for the other.
    pub(super) fn object_of_one(&self, singular: &str) -> Option<&'static ObjectType> {
        schema::by_singular(singular).or_else(|| self.made_objects.iter().find(|o| o.singular == singular).copied())
    }

    /// All objects.
    pub(super) fn objects(&self) -> Vec<&'static ObjectType> {
        schema::all().iter().chain(self.made_objects.iter().copied()).collect()
    }

    /// All records of an object, bin included, by id.
    pub(super) fn all(&self, plural: &str) -> impl Iterator<Item = &Record> {
        self.records.get(plural).into_iter().flat_map(BTreeMap::values)
    }

    /// A record, bin included.
    pub(super) fn any(&self, plural: &str, id: &str) -> Option<&Record> {
        self.records.get(plural)?.get(id)
    }

    /// A record that is not in the bin.
    pub(super) fn live(&self, plural: &str, id: &str) -> Result<&Record, Refusal> {
        let found = self.any(plural, id).filter(|r| r.get("deletedAt").is_none_or(Value::is_null));
        found.ok_or_else(Refusal::not_found)
    }

    /// The record that holds a unique value, bin included.
    pub(super) fn by_unique(&self, object: &ObjectType, field: &str, value: &str) -> Option<&str> {
        self.unique.get(&(object.plural, field.to_owned(), value.to_owned())).map(String::as_str)
    }

    /// Name of the hub's own field on this object, where the workspace has one.
    pub(super) fn hub_field(&self, object: &ObjectType) -> Option<&str> {
        self.hub_id_field.as_deref().filter(|_| object.hub_id)
    }

    fn options(&self, kind: Kind) -> Vec<String> {
        match kind {
            Kind::Stage => self.stages.clone(),
            Kind::TaskStatus => schema::task_statuses(),
            _ => Vec::new(),
        }
    }

    pub(super) fn new_id(&mut self) -> String {
        self.made += 1;
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("twenty-double/{}/{}", self.seed, self.made).as_bytes()).to_string()
    }

    /// Writes rows, all or none. Answers those that were there first, then the new ones (recorded);
    /// a plain creation keeps the order.
    pub(super) fn write(
        &mut self,
        object: &'static ObjectType,
        rows: &[Value],
        mode: Mode,
        by: &Actor,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<Vec<Record>, Refusal> {
        let mut planned = Vec::new();
        let mut taken = BTreeSet::new();
        for row in rows {
            let plan = self.plan(object, row, mode, None, by, now)?;
            let id = values::text(&plan.after, "id");
            let mut marks = vec![("id".to_owned(), id)];
            marks.extend(self.unique_values(object, &plan.after));
            if marks.into_iter().any(|mark| !taken.insert(mark)) {
                return Err(Refusal::duplicate());
            }
            planned.push(plan);
        }
        let (old, new): (Vec<_>, Vec<_>) = planned.into_iter().partition(|p| p.before.is_some());
        Ok(old.into_iter().chain(new).map(|plan| self.commit(object, plan, mode, by, events)).collect())
    }

    /// Changes one record, found by id; the caller has looked whether it may be in the bin.
    pub(super) fn patch(
        &mut self,
        object: &'static ObjectType,
        id: &str,
        row: &Value,
        by: &Actor,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<Record, Refusal> {
        let plan = self.plan(object, row, Mode::Patch, Some(id), by, now)?;
        Ok(self.commit(object, plan, Mode::Patch, by, events))
    }

    fn plan(
        &mut self,
        object: &'static ObjectType,
        row: &Value,
        mode: Mode,
        target: Option<&str>,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Planned, Refusal> {
        let Value::Object(row) = row else {
            return Err(Refusal::bad("Invalid object value in 'rawInput'"));
        };
        let given_id = row.get("id").and_then(Value::as_str);
        if let Some(id) = given_id {
            checked_id(id)?;
        }
        let mut draft = self.blank(object);
        let mut changed = Vec::new();
        let existing = match target {
            Some(id) => Some(id.to_owned()),
            None => {
                // The values decide which record is meant, so they are read once over a blank one.
                self.fill(object, &mut draft, row, &mut Vec::new())?;
                self.find_match(object, given_id, &draft, mode)?
            }
        };
        let before = existing.as_deref().and_then(|id| self.any(object.plural, id)).cloned();
        let mut after = match &before {
            Some(before) => {
                let mut after = before.clone();
                if mode == Mode::Upsert && after.get("deletedAt").is_some_and(|d| !d.is_null()) {
                    after.insert("deletedAt".into(), Value::Null);
                    changed.push("deletedAt".to_owned());
                }
                after
            }
            None => {
                let id = given_id.map_or_else(|| self.new_id(), str::to_lowercase);
                let known = self.records.get(object.plural).map_or(0, BTreeMap::len);
                let position = -i64::try_from(known).unwrap_or(0);
                draft = self.blank(object);
                draft.insert("id".into(), json!(id));
                draft.insert("position".into(), json!(position));
                draft.insert("createdAt".into(), json!(values::moment(now)));
                draft.insert("createdBy".into(), by.stamp());
                draft
            }
        };
        self.fill(object, &mut after, row, &mut changed)?;
        let id = values::text(&after, "id");
        for (field, value) in self.unique_values(object, &after) {
            if self.by_unique(object, &field, &value).is_some_and(|owner| owner != id) {
                return Err(Refusal::duplicate());
            }
        }
        if row.get("updatedAt").is_none_or(|_| before.is_some()) {
            after.insert("updatedAt".into(), json!(next_moment(before.as_ref(), now)));
        }
        after.insert("updatedBy".into(), by.stamp());
        after.insert("searchVector".into(), json!(values::search_vector(&after)));
        Ok(Planned { before, after, changed })
    }

    /// The record that an upsert or creation meets, bin included.
    fn find_match(
        &self,
        object: &'static ObjectType,
        given_id: Option<&str>,
        draft: &Record,
        mode: Mode,
    ) -> Result<Option<String>, Refusal> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        if let Some(id) = given_id.map(str::to_lowercase)
            && self.any(object.plural, &id).is_some()
        {
            found.entry(id.clone()).or_default().push(format!("id (id: {id})"));
        }
        for (field, value) in self.unique_values(object, draft) {
            if let Some(owner) = self.by_unique(object, &field, &value) {
                let head = field.split('.').next().unwrap_or(&field);
                found.entry(owner.to_owned()).or_default().push(format!("{head} ({field}: {value})"));
            }
        }
        match (mode, found.len()) {
            (_, 0) => Ok(None),
            (Mode::Create, _) => Err(Refusal::duplicate()),
            (_, 1) => Ok(found.into_keys().next()),
            _ => {
                // The id is named before the unique fields.
                let mut named: Vec<String> = found.into_values().flatten().collect();
                named.sort_by_key(|n| !n.starts_with("id "));
                Err(Refusal::bad(format!(
                    "Multiple records found with the same unique field values for {}. Cannot determine which record to update.",
                    named.join("; ")
                )))
            }
        }
    }

    /// Values that only one record may have; empty ones do not collide.
    fn unique_values(&self, object: &ObjectType, record: &Record) -> Vec<(String, String)> {
        let composite =
            object.unique.map(|(field, part)| (format!("{field}.{part}"), values::part(record, field, part)));
        let hub = self.hub_field(object).map(|field| (field.to_owned(), values::text(record, field)));
        let made = self.customs(object).filter(|(_, f)| f.unique).map(|(n, _)| (n.clone(), values::text(record, n)));
        composite.into_iter().chain(hub).chain(made).filter(|(_, value)| !value.is_empty()).collect()
    }

    fn commit(
        &mut self,
        object: &'static ObjectType,
        plan: Planned,
        mode: Mode,
        by: &Actor,
        events: &mut Vec<Event>,
    ) -> Record {
        let Planned { before, after, changed } = plan;
        let id = values::text(&after, "id");
        for (field, value) in before.as_ref().map(|b| self.unique_values(object, b)).unwrap_or_default() {
            self.unique.remove(&(object.plural, field, value));
        }
        for (field, value) in self.unique_values(object, &after) {
            self.unique.insert((object.plural, field, value), id.clone());
        }
        self.records.entry(object.plural).or_default().insert(id, after.clone());
        let event =
            |action, updated_fields| Event { object, action, record: after.clone(), updated_fields, by: by.clone() };
        if before.is_none() {
            events.push(event("created", None));
        } else {
            // An upsert says nothing of composites, and nothing at all if only those changed (recorded
            // with 2.31; taken to hold for newer versions until seen otherwise).
            let told = |name: &String| mode != Mode::Upsert || !self.is_composite(object, name);
            let told: Vec<String> = changed.into_iter().filter(told).collect();
            if !told.is_empty() {
                events.push(event("updated", Some(told)));
            }
        }
        after
    }
}

/// Ids of paths and bodies must be UUIDs.
pub(super) fn checked_id(id: &str) -> Result<String, Refusal> {
    match Uuid::try_parse(id) {
        Ok(_) if id.len() == 36 => Ok(id.to_lowercase()),
        _ => Err(Refusal::bad(format!("'{id}' is not a valid UUID"))),
    }
}

/// `updatedAt` moves with every write, also within one millisecond.
fn next_moment(before: Option<&Record>, now: Timestamp) -> String {
    let last = before.and_then(|b| values::text(b, "updatedAt").parse::<Timestamp>().ok());
    let least = last.and_then(|at| at.checked_add(SignedDuration::from_millis(1)).ok());
    values::moment(least.map_or(now, |least| least.max(now)))
}
