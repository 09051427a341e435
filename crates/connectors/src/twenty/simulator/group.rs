//! `GET /<objects>/groupBy` (contract 2.2): a bare array, and numbers as texts.

use super::answers::Refusal;
use super::query::{Params, select};
use super::schema::ObjectType;
use super::store::{Record, Store};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Map, Value, json};

/// One thing to group by: a field, or a moment cut to a unit in a zone.
struct Dimension {
    path: String,
    granularity: Option<(String, Offset)>,
}

fn bad(name: &str) -> Refusal {
    Refusal::bad(format!("Invalid {name} query parameter"))
}

fn list(params: &Params, name: &str) -> Result<Vec<Value>, Refusal> {
    match params.get(name) {
        None => Ok(Vec::new()),
        Some(text) => serde_json::from_str(text).map_err(|_| bad(name)),
    }
}

fn dimension(store: &Store, object: &ObjectType, given: &Value) -> Result<Dimension, Refusal> {
    let (name, inner) = given.as_object().and_then(|o| o.iter().next()).ok_or_else(|| bad("group_by"))?;
    if !super::query::knows(object, store, name) {
        return Err(Refusal::unknown_field(object.singular, name));
    }
    let text = |key: &str| inner.get(key).and_then(Value::as_str);
    if let Some(unit) = text("granularity") {
        // Zones are not data here: Colombia has one and the same all year, and there is UTC.
        let zone = match text("timeZone") {
            None | Some("UTC" | "Etc/UTC") => Offset::UTC,
            Some("America/Bogota") => Offset::constant(-5),
            Some(_) => return Err(bad("group_by")),
        };
        return Ok(Dimension { path: name.clone(), granularity: Some((unit.to_owned(), zone)) });
    }
    // A part of a composite: {"emails": {"primaryEmail": true}}.
    let part = inner.as_object().and_then(|o| o.keys().next());
    Ok(Dimension { path: part.map_or(name.clone(), |part| format!("{name}.{part}")), granularity: None })
}

impl Dimension {
    fn value(&self, record: &Record) -> Value {
        let (head, rest) = self.path.split_once('.').unwrap_or((&self.path, ""));
        let found = record.get(head).cloned().unwrap_or(Value::Null);
        let found = if rest.is_empty() { found } else { found.get(rest).cloned().unwrap_or(Value::Null) };
        let Some((unit, zone)) = &self.granularity else {
            return match found {
                Value::Null | Value::String(_) => found,
                other => json!(other.to_string()),
            };
        };
        let Some(at) = found.as_str().and_then(|t| t.parse::<Timestamp>().ok()) else { return Value::Null };
        let date = zone.to_datetime(at).date();
        let first = match unit.as_str() {
            "YEAR" => date.first_of_year(),
            "MONTH" => date.first_of_month(),
            _ => date,
        };
        json!(first.to_string())
    }
}

/// An aggregate over a group's records, as text.
fn aggregate(name: &str, records: &[&Record]) -> Result<Value, Refusal> {
    if name == "totalCount" {
        return Ok(json!(records.len().to_string()));
    }
    let path = |rest: &str| -> String {
        // `AmountAmountMicros` is the part `amountMicros` of `amount`.
        let lower =
            |t: &str| t.chars().take(1).flat_map(char::to_lowercase).chain(t.chars().skip(1)).collect::<String>();
        match rest.strip_suffix("AmountMicros").filter(|head| !head.is_empty()) {
            Some(head) => format!("{}.amountMicros", lower(head)),
            None => lower(rest),
        }
    };
    let values = |path: &str| -> Vec<Value> {
        let at = |r: &&&Record| {
            let (head, rest) = path.split_once('.').unwrap_or((path, ""));
            let value = r.get(head)?;
            Some(if rest.is_empty() { value.clone() } else { value.get(rest)?.clone() }).filter(|v| !v.is_null())
        };
        records.iter().filter_map(|r| at(&r)).collect()
    };
    let numbers = |path: &str| values(path).iter().filter_map(Value::as_f64).collect::<Vec<f64>>();
    Ok(if let Some(rest) = name.strip_prefix("countNotEmpty") {
        json!(values(&path(rest)).len().to_string())
    } else if let Some(rest) = name.strip_prefix("sum") {
        json!(numbers(&path(rest)).iter().fold(0.0, |sum, n| sum + n).to_string())
    } else if let Some(rest) = name.strip_prefix("max") {
        json!(numbers(&path(rest)).into_iter().reduce(f64::max).map(|n| n.to_string()))
    } else if let Some(rest) = name.strip_prefix("min") {
        json!(numbers(&path(rest)).into_iter().reduce(f64::min).map(|n| n.to_string()))
    } else {
        return Err(bad("aggregate"));
    })
}

pub(super) fn group(store: &Store, object: &'static ObjectType, params: &Params) -> Result<Value, Refusal> {
    let by = list(params, "group_by")?.iter().map(|d| dimension(store, object, d)).collect::<Result<Vec<_>, _>>()?;
    if by.is_empty() {
        return Err(bad("group_by"));
    }
    let mut asked: Vec<String> =
        list(params, "aggregate")?.iter().filter_map(|a| a.as_str().map(str::to_owned)).collect();
    if asked.is_empty() {
        asked.push("totalCount".into());
    }
    let mut groups: Vec<(Vec<Value>, Vec<&Record>)> = Vec::new();
    for record in select(store, object, params, false)? {
        let key: Vec<Value> = by.iter().map(|d| d.value(record)).collect();
        match groups.iter_mut().find(|(k, _)| *k == key) {
            Some((_, records)) => records.push(record),
            None => groups.push((key, vec![record])),
        }
    }
    let limit = params.get("limit").and_then(|l| l.parse::<usize>().ok()).unwrap_or(usize::MAX);
    let mut rows = Vec::new();
    for (key, records) in groups.into_iter().take(limit) {
        let mut row = Map::new();
        for name in &asked {
            row.insert(name.clone(), aggregate(name, &records)?);
        }
        row.insert("groupByDimensionValues".into(), json!(key));
        if params.get("include_records_sample") == Some("true") {
            row.insert("records".into(), json!(records));
        }
        rows.push(Value::Object(row));
    }
    Ok(Value::Array(rows))
}
