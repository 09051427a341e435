//! Which record a row means: what a look shows, and what follows from it.

use super::{Object, Row, bin_too};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest filter, as it is written into the address. Proxies in front of a server take lines of 8 kB; method, path
/// and the other parameters need a little of it.
const LONGEST: usize = 7_400;

/// What a look showed of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// The record.
    pub(super) id: String,
    /// May the hub's key be written to it? Not where another record in the bin still holds it.
    pub(super) key: bool,
    /// Is it in the bin?
    pub(super) bin: bool,
}

/// What is to become of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// Write it to this record.
    Record(Seen),
    /// There is none: make one.
    New,
    /// It was deleted there, by people or by the hub: `revive` would bring it back.
    Deleted,
    /// The record that the caller knows is gone.
    Gone,
    /// Its address is another record's: the first is the one that was meant.
    Ambiguous(String, String),
    /// Its address is the record of another of the hub's keys; and the record that was meant, if there is one.
    Taken(String, Option<Seen>),
}

/// Parts of a filter that find the records that these rows may mean.
pub(super) fn filter(rows: &[&Row], object: Object, hub_field: Option<&str>) -> String {
    let ids: Vec<&str> = rows.iter().flat_map(|r| r.given.iter().chain(&r.own)).map(String::as_str).collect();
    let mut parts = Vec::new();
    if !ids.is_empty() {
        parts.push(format!("id[in]:[{}]", ids.join(",")));
    }
    let quoted = |texts: Vec<&String>| texts.into_iter().map(|t| format!("\"{t}\"")).collect::<Vec<_>>().join(",");
    let naturals: Vec<&String> = rows.iter().filter_map(|r| r.natural.as_ref()).collect();
    if let (Some(path), false) = (object.natural, naturals.is_empty()) {
        parts.push(format!("{path}[in]:[{}]", quoted(naturals)));
    }
    let keys: Vec<&String> = rows.iter().filter_map(|r| r.key.as_ref()).collect();
    if let (Some(field), false) = (hub_field, keys.is_empty()) {
        parts.push(format!("{field}[in]:[{}]", quoted(keys)));
    }
    bin_too(&match parts.as_slice() {
        [one] => one.clone(),
        all => format!("or({})", all.join(",")),
    })
}

/// Ranges of rows, each of one object and as long as one look, or one write of `most`, takes.
pub(super) fn ranges(rows: &[Row], most: usize, looking: bool) -> Vec<(usize, usize)> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    let mut length = 0;
    for (n, row) in rows.iter().enumerate() {
        let size = if looking { weight(row) } else { 0 };
        let fits = ranges.last().is_some_and(|&(from, _)| {
            n - from < most && length + size <= LONGEST && rows.get(from).is_some_and(|r| r.object == row.object)
        });
        match ranges.last_mut().filter(|_| fits) {
            Some(range) => range.1 = n + 1,
            None => {
                length = 0;
                ranges.push((n, n + 1));
            }
        }
        length += size;
    }
    ranges
}

/// Length of what a row adds to a filter, percent-encoded.
fn weight(row: &Row) -> usize {
    let encoded = |text: &String| {
        text.bytes().map(|b| if b.is_ascii_alphanumeric() || b == b'-' { 1 } else { 3 }).sum::<usize>() + 9
    };
    let ids = row.given.iter().chain(&row.own).count() * 39;
    ids + row.natural.as_ref().map_or(0, encoded) + row.key.as_ref().map_or(0, encoded)
}

/// Chooses among the records that a look brought.
pub(super) fn choose(row: &Row, records: &[Value], hub_field: Option<&str>) -> Choice {
    let text = |record: &Value, path: &str| -> String {
        let found = path.split('.').try_fold(record, |v, part| v.get(part));
        found.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let id = |record: &Value| text(record, "id").to_lowercase();
    let key = |record: &Value| hub_field.map(|field| text(record, field)).unwrap_or_default();
    let has_key = |record: &&Value| row.key.as_ref().is_some_and(|k| *k == key(record));
    let is_natural = |record: &&Value| {
        let found = row.object.natural.map(|path| text(record, path).to_lowercase());
        row.natural.is_some() && found == row.natural
    };
    let in_bin = |record: &Value| record.get("deletedAt").is_some_and(|d| !d.is_null());

    // Who is asked for by name comes first, then whoever bears the key, then what the hub made, then the address.
    let given = records.iter().find(|r| row.given.as_ref().is_some_and(|g| *g == id(r)));
    let by_key = records.iter().find(has_key);
    let own = row.own.iter().find_map(|own| records.iter().find(|r| *own == id(r)));
    let natural = records.iter().find(is_natural);
    let found: Vec<&Value> = [given, by_key, own, natural].into_iter().flatten().collect();
    let Some(pick) = found.iter().find(|r| !in_bin(r)).or(found.first()).copied() else {
        return if row.given.is_some() && !row.revive { Choice::Gone } else { Choice::New };
    };
    if in_bin(pick) && !row.revive {
        return Choice::Deleted;
    }
    let is_anothers = |record: &Value| row.key.is_some() && !key(record).is_empty() && !has_key(&record);
    let elsewhere = by_key.is_some_and(|k| id(k) != id(pick));
    let meant = Seen { id: id(pick), key: !elsewhere, bin: in_bin(pick) };
    if let Some(other) = natural.filter(|n| id(n) != id(pick)) {
        return if is_anothers(other) {
            Choice::Taken(id(other), Some(meant))
        } else {
            Choice::Ambiguous(id(pick), id(other))
        };
    }
    let only_by_address = given.is_none() && by_key.is_none() && own.is_none();
    if only_by_address && is_anothers(pick) {
        return Choice::Taken(id(pick), None);
    }
    Choice::Record(meant)
}
