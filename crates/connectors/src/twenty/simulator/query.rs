//! Query strings, order and pages (contract 2.2).

mod filter;

pub(super) use filter::{Filter, knows};

use super::answers::Refusal;
use super::schema::ObjectType;
use super::store::{Record, Store};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// Decoded parameters, in order.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }
}

/// Percent-decoding; what is not one stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|h| hex::decode(h).ok()).and_then(|h| h.first().copied());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = tail;
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    path: String,
    descending: bool,
    nulls_first: bool,
}

/// `depth`: nest related records?
pub(super) fn depth(params: &Params) -> Result<bool, Refusal> {
    match params.get("depth") {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => Err(Refusal::bad(format!("'depth={other}' parameter invalid. Allowed values are 0, 1"))),
    }
}

fn limit(params: &Params) -> Result<usize, Refusal> {
    match params.get("limit") {
        None => Ok(60),
        Some(text) => match text.parse::<usize>() {
            Ok(limit) => Ok(limit.min(200)),
            Err(_) => Err(Refusal::bad(format!("limit '{text}' is invalid. Should be an integer"))),
        },
    }
}

fn order(object: &ObjectType, store: &Store, text: &str) -> Result<Vec<Key>, Refusal> {
    let mut keys = Vec::new();
    for item in text.split(',').filter(|i| !i.is_empty()) {
        let (path, direction) = match item.split_once('[') {
            Some((path, rest)) => (path, rest.trim_end_matches(']')),
            None => (item, "AscNullsFirst"),
        };
        let (descending, nulls_first) = match direction {
            "AscNullsFirst" => (false, true),
            "AscNullsLast" => (false, false),
            "DescNullsFirst" => (true, true),
            "DescNullsLast" => (true, false),
            other => {
                return Err(Refusal::bad(format!(
                    "'order_by' direction '{other}' invalid. Allowed values are 'AscNullsFirst', 'AscNullsLast', \
                     'DescNullsFirst', 'DescNullsLast'. eg: ?order_by=field_1[AscNullsFirst],field_2[DescNullsLast],field_3"
                )));
            }
        };
        if !knows(object, store, path) {
            let text = format!("Field \"{path}\" does not exist or is not sortable");
            return Err(Refusal::coded("FIELD_NOT_FOUND", text));
        }
        if path != "id" {
            keys.push(Key { path: path.to_owned(), descending, nulls_first });
        }
    }
    Ok(keys)
}

/// Value at a dotted path.
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').try_fold(value, |v, part| v.get(part)).unwrap_or(&Value::Null)
}

fn in_record<'r>(record: &'r Record, path: &str) -> &'r Value {
    let (head, rest) = path.split_once('.').unwrap_or((path, ""));
    match record.get(head) {
        None => &Value::Null,
        Some(value) if rest.is_empty() => value,
        Some(value) => at(value, rest),
    }
}

fn compare_values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        (a, b) => a.to_string().cmp(&b.to_string()),
    }
}

fn compare_by(keys: &[Key], a: &Values, b: &Values) -> Ordering {
    let by_keys = keys.iter().zip(a.keys.iter().zip(&b.keys)).map(|(key, (a, b))| match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if key.nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, true) => {
            if key.nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, false) if key.descending => compare_values(b, a),
        (false, false) => compare_values(a, b),
    });
    by_keys.fold(Ordering::Equal, Ordering::then).then_with(|| a.id.cmp(&b.id))
}

/// What a row is sorted by.
struct Values {
    keys: Vec<Value>,
    id: String,
}

impl Values {
    fn of(keys: &[Key], record: &Record) -> Self {
        let id = record.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { keys: keys.iter().map(|k| in_record(record, &k.path).clone()).collect(), id }
    }

    /// Base64 of `{"<order field>": value, "id": "..."}`, composites nested.
    fn cursor(&self, keys: &[Key]) -> String {
        let mut root = Map::new();
        for (key, value) in keys.iter().zip(&self.keys) {
            match key.path.split_once('.') {
                None => root.insert(key.path.clone(), value.clone()),
                Some((head, rest)) => root.insert(head.to_owned(), json!({ rest: value })),
            };
        }
        root.insert("id".into(), json!(self.id));
        STANDARD.encode(Value::Object(root).to_string())
    }

    /// A cursor of this very order.
    fn from_cursor(keys: &[Key], text: &str) -> Result<Self, Refusal> {
        let decoded = STANDARD.decode(text).ok().and_then(|b| serde_json::from_slice::<Value>(&b).ok());
        let Some(Value::Object(root)) = decoded else {
            return Err(Refusal::bad(format!("Invalid cursor: {text}")));
        };
        let other_order = || Refusal::coded("INVALID_CURSOR", "Invalid cursor");
        let heads: Vec<&str> =
            keys.iter().map(|k| k.path.split('.').next().unwrap_or_default()).chain(["id"]).collect();
        if root.len() != heads.len() || !heads.iter().all(|h| root.contains_key(*h)) {
            return Err(other_order());
        }
        let id = root.get("id").and_then(Value::as_str).ok_or_else(other_order)?.to_owned();
        Ok(Self { keys: keys.iter().map(|k| in_record(&root, &k.path).clone()).collect(), id })
    }
}

/// Rows of a filter; those in the bin only where the filter names `deletedAt`, or where asked for.
pub(super) fn select<'s>(
    store: &'s Store,
    object: &'static ObjectType,
    params: &Params,
    with_bin: bool,
) -> Result<Vec<&'s Record>, Refusal> {
    let filter = params.get("filter").map(|text| Filter::parse(object, store, text)).transpose()?;
    Ok(fitting(store, object, filter.as_ref(), with_bin))
}

fn fitting<'s>(store: &'s Store, object: &ObjectType, filter: Option<&Filter>, with_bin: bool) -> Vec<&'s Record> {
    let bin = with_bin || filter.is_some_and(Filter::names_deleted_at);
    let live = |r: &&Record| bin || r.get("deletedAt").is_none_or(Value::is_null);
    let fits = |r: &&Record| filter.is_none_or(|f| f.holds(store, object, r));
    store.all(object.plural).filter(live).filter(fits).collect()
}

/// What a list is asked for.
pub(super) struct Listing {
    pub(super) filter: Option<Filter>,
    /// As REST writes it: `createdAt[DescNullsLast]`.
    pub(super) order: String,
    pub(super) limit: usize,
    pub(super) after: Option<String>,
    pub(super) before: Option<String>,
}

/// A page of a list: rows with their cursors.
pub(super) struct Rows<'s> {
    pub(super) total: usize,
    pub(super) rows: Vec<(String, &'s Record)>,
    next: bool,
    previous: bool,
}

impl Rows<'_> {
    pub(super) fn info(&self) -> Value {
        let cursor = |row: Option<&(String, &Record)>| row.map(|(cursor, _)| cursor.clone());
        json!({
            "startCursor": cursor(self.rows.first()),
            "endCursor": cursor(self.rows.last()),
            "hasNextPage": self.next,
            "hasPreviousPage": self.previous,
        })
    }
}

/// A page of the records that fit.
pub(super) fn list<'s>(store: &'s Store, object: &'static ObjectType, ask: &Listing) -> Result<Rows<'s>, Refusal> {
    let keys = order(object, store, &ask.order)?;
    let found = fitting(store, object, ask.filter.as_ref(), false);
    let mut rows: Vec<(Values, &Record)> = found.into_iter().map(|r| (Values::of(&keys, r), r)).collect();
    rows.sort_by(|a, b| compare_by(&keys, &a.0, &b.0));
    let total = rows.len();
    let (from, to) = match (&ask.after, &ask.before) {
        (Some(_), Some(_)) => {
            return Err(Refusal::bad("Only one of 'starting_after' and 'ending_before' can be given"));
        }
        (Some(text), None) => {
            let cursor = Values::from_cursor(&keys, text)?;
            let from = rows.partition_point(|(v, _)| compare_by(&keys, v, &cursor) != Ordering::Greater);
            (from, from.saturating_add(ask.limit).min(total))
        }
        (None, Some(text)) => {
            let cursor = Values::from_cursor(&keys, text)?;
            let to = rows.partition_point(|(v, _)| compare_by(&keys, v, &cursor) == Ordering::Less);
            (to.saturating_sub(ask.limit), to)
        }
        (None, None) => (0, ask.limit.min(total)),
    };
    let shown = rows.get(from..to).unwrap_or_default();
    let rows = shown.iter().map(|(values, record)| (values.cursor(&keys), *record)).collect();
    Ok(Rows { total, rows, next: to < total, previous: from > 0 })
}

/// A page, as the body of REST's answer.
pub(super) fn page(store: &Store, object: &'static ObjectType, params: &Params) -> Result<Value, Refusal> {
    let limit = limit(params)?;
    let nested = depth(params)?;
    let text = |name: &str| params.get(name).map(str::to_owned);
    let ask = Listing {
        filter: params.get("filter").map(|text| Filter::parse(object, store, text)).transpose()?,
        order: text("order_by").unwrap_or_default(),
        limit,
        after: text("starting_after"),
        before: text("ending_before"),
    };
    let page = list(store, object, &ask)?;
    let shown: Vec<Value> = page.rows.iter().map(|(_, r)| shape(store, object, r, nested)).collect();
    Ok(json!({ "data": { object.plural: shown }, "totalCount": page.total, "pageInfo": page.info() }))
}

/// A record as an answer shows it: at depth 1 with the records it points at (lists of those that
/// point at it are left out).
pub(super) fn shape(store: &Store, object: &'static ObjectType, record: &Record, nested: bool) -> Value {
    let mut shown = record.clone();
    if nested {
        for field in object.fields {
            if let super::schema::Kind::Relation(target) = field.kind {
                let id = record.get(field.name).and_then(Value::as_str);
                let other = id.and_then(|id| store.live(target, id).ok());
                shown.insert(field.name.trim_end_matches("Id").to_owned(), json!(other));
            }
        }
    }
    Value::Object(shown)
}
