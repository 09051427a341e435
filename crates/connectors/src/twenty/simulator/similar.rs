//! Records that may be the same, and records that are made one (contract 2.1, 2.7).

use super::answers::Refusal;
use super::schema::{Kind, ObjectType};
use super::store::{Actor, Event, Record, Store};
use super::values;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Records of one merge at most, and at least.
const MOST: usize = 9;
const LEAST: usize = 2;

/// What makes two records of an object look the same: paths that must all be equal, and filled. Objects that people
/// made have no such criteria.
fn criteria(object: &ObjectType) -> &'static [&'static [&'static str]] {
    match object.singular {
        "person" => &[&["name.firstName", "name.lastName"], &["linkedinLink.primaryLinkUrl"], &["emails.primaryEmail"]],
        "company" => &[&["name"], &["domainName.primaryLinkUrl"]],
        _ => &[],
    }
}

fn at<'v>(record: &'v Value, path: &str) -> &'v str {
    path.split('.').try_fold(record, |v, part| v.get(part)).and_then(Value::as_str).unwrap_or_default()
}

fn alike(object: &ObjectType, a: &Value, b: &Value) -> bool {
    criteria(object).iter().any(|paths| paths.iter().all(|p| !at(a, p).is_empty() && at(a, p) == at(b, p)))
}

/// `POST /<objects>/duplicates`: for each record that is given, by its data or by its id, those that look like it.
pub(super) fn duplicates(store: &Store, object: &'static ObjectType, body: &Value) -> Result<Value, Refusal> {
    let list = |key: &str| body.get(key).and_then(Value::as_array);
    let given: Vec<(Option<&str>, Value)> = match (list("data"), list("ids")) {
        (Some(data), None) => data.iter().map(|row| (None, row.clone())).collect(),
        (None, Some(ids)) => {
            let one = |id: &Value| -> Option<(String, Value)> {
                let id = id.as_str()?.to_lowercase();
                let record = store.live(object.plural, &id).ok()?;
                Some((id, Value::Object(record.clone())))
            };
            let found: Vec<(String, Value)> = ids.iter().filter_map(one).collect();
            let shown = found.iter().map(|(id, record)| entry(store, object, Some(id), record));
            return Ok(json!({ "data": shown.collect::<Vec<_>>() }));
        }
        _ => {
            let text = "You have to provide either \"data\" or \"ids\" argument";
            return Err(Refusal::bad(text));
        }
    };
    let shown: Vec<Value> = given.iter().map(|(id, row)| entry(store, object, *id, row)).collect();
    Ok(json!({ "data": shown }))
}

fn entry(store: &Store, object: &'static ObjectType, id: Option<&str>, row: &Value) -> Value {
    let live = |r: &&Record| r.get("deletedAt").is_none_or(Value::is_null);
    let other = |r: &&Record| id.is_none_or(|id| values::text(r, "id") != id);
    let like = |r: &&Record| alike(object, row, &Value::Object((*r).clone()));
    let found: Vec<&Record> = store.all(object.plural).filter(live).filter(other).filter(like).collect();
    let cursor = |r: Option<&&Record>| r.map(|r| values::text(r, "id"));
    json!({
        format!("{}Duplicates", object.singular): found,
        "totalCount": found.len(),
        "pageInfo": {
            "hasNextPage": false, "hasPreviousPage": false,
            "startCursor": cursor(found.first()), "endCursor": cursor(found.last()),
        },
    })
}

/// `PATCH /<objects>/merge`: one record keeps what it has, gets what it lacks and the others' further addresses and
/// numbers; what pointed at the others points at it; the others are destroyed.
pub(super) fn merge(
    store: &mut Store,
    object: &'static ObjectType,
    body: &Value,
    by: &Actor,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Result<Record, Refusal> {
    if criteria(object).is_empty() {
        return Err(Refusal::bad(format!(
            "Merge is only available for objects with duplicate criteria. Object '{}' does not have duplicate criteria defined.",
            object.singular
        )));
    }
    let ids = body.get("ids").and_then(Value::as_array).cloned().unwrap_or_default();
    if ids.len() < LEAST {
        return Err(Refusal::bad(format!("At least {LEAST} record IDs are required for merge")));
    }
    if ids.len() > MOST {
        return Err(Refusal::bad(format!("Maximum {MOST} records can be merged at once")));
    }
    let mut records = Vec::new();
    for id in &ids {
        let id = super::store::checked_id(id.as_str().unwrap_or_default())?;
        records.push(store.live(object.plural, &id)?.clone());
    }
    let first = body.get("conflictPriorityIndex").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let first = first.filter(|n| *n < records.len()).unwrap_or(0);
    let winner = records.remove(first);
    let id = values::text(&winner, "id");
    records.retain(|r| values::text(r, "id") != id);
    let mut row = Map::new();
    for field in object.fields {
        let merged = joined(field.kind, winner.get(field.name), records.iter().filter_map(|r| r.get(field.name)));
        if let Some(value) = merged {
            row.insert(field.name.to_owned(), value);
        }
    }
    if body.get("dryRun") == Some(&json!(true)) {
        let mut shown = winner;
        shown.extend(row);
        shown.insert("id".into(), json!(store.new_id()));
        shown.insert("deletedAt".into(), json!(values::moment(now)));
        return Ok(shown);
    }
    for loser in &records {
        let loser = values::text(loser, "id");
        store.repoint(object, &loser, &id);
        store.destroy(object, &loser, by, events)?;
    }
    store.patch(object, &id, &Value::Object(row), by, now, events)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        _ => false,
    }
}

/// A field of the record that stays; `None` where it stays as it is.
fn joined<'v>(kind: Kind, kept: Option<&Value>, others: impl Iterator<Item = &'v Value>) -> Option<Value> {
    let filled: Vec<&Value> = others.filter(|v| !is_empty(v)).collect();
    let Some(kept) = kept.filter(|v| !is_empty(v)) else {
        return filled.first().map(|v| (*v).clone());
    };
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let (key, own): (&str, fn(&Value) -> Value) = match kind {
        Kind::Emails => ("additionalEmails", |v| v.get("primaryEmail").cloned().unwrap_or_default()),
        Kind::Phones => ("additionalPhones", |v| {
            let part = |name: &str| v.get(format!("primaryPhone{name}")).cloned().unwrap_or_default();
            json!({ "number": part("Number"), "countryCode": part("CountryCode"), "callingCode": part("CallingCode") })
        }),
        _ => return None,
    };
    let mut all = list(kept, key);
    for other in filled {
        for more in std::iter::once(own(other)).chain(list(other, key)) {
            if !is_empty(&more) && more != own(kept) && !all.contains(&more) {
                all.push(more);
            }
        }
    }
    Some(json!({ key: all }))
}
