//! The filter language: `field[cmp]:value`, commas, `and(...)`, `or(...)`, `not(...)`.

use super::in_record;
use crate::twenty::simulator::answers::Refusal;
use crate::twenty::simulator::schema::{self, ObjectType};
use crate::twenty::simulator::store::{Record, Store};
use jiff::Timestamp;
use serde_json::Value;
use std::cmp::Ordering;

const COMPARATORS: [&str; 13] =
    ["eq", "neq", "in", "containsAny", "is", "gt", "gte", "lt", "lte", "startsWith", "endsWith", "like", "ilike"];

/// Brackets inside brackets; deeper than any person writes, and far from the stack's end.
const DEEPEST: usize = 32;

/// A condition on records.
#[derive(Debug)]
pub(in crate::twenty::simulator) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Is { path: String, comparator: String, values: Vec<String> },
}

/// Does the object have this path? Records of a relation are reached by its name.
pub(in crate::twenty::simulator) fn knows(object: &ObjectType, store: &Store, path: &str) -> bool {
    let head = path.split('.').next().unwrap_or_default();
    matches!(head, "id" | "createdAt" | "updatedAt" | "deletedAt" | "createdBy" | "updatedBy" | "position")
        || object.field(head).is_some()
        || object.relation(head).is_some()
        || store.hub_field(object) == Some(head)
        || store.has_custom(object, head)
        || store.custom_relation(object, head).is_some()
}

impl Filter {
    pub(in crate::twenty::simulator) fn parse(object: &ObjectType, store: &Store, text: &str) -> Result<Self, Refusal> {
        let balance: i64 = outside_quotes(text).map(|c| i64::from(c == '(') - i64::from(c == ')')).sum();
        if balance != 0 {
            let which = if balance > 0 { "close" } else { "open" };
            let text = format!("'filter' invalid. {} {which} bracket is missing in the query", balance.abs());
            return Err(Refusal::bad(text));
        }
        Ok(Self::And(list(object, store, text, 0)?))
    }

    /// A filter as GraphQL writes it: `{ "emails": { "primaryEmail": { "in": [...] } } }`.
    pub(in crate::twenty::simulator) fn of_input(
        object: &ObjectType,
        store: &Store,
        input: &Value,
    ) -> Result<Self, Refusal> {
        of_input(object, store, "", input, 0)
    }

    pub(in crate::twenty::simulator) fn names_deleted_at(&self) -> bool {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().any(Self::names_deleted_at),
            Self::Not(inner) => inner.names_deleted_at(),
            Self::Is { path, .. } => path == "deletedAt",
        }
    }

    pub(in crate::twenty::simulator) fn holds(&self, store: &Store, object: &ObjectType, record: &Record) -> bool {
        match self {
            Self::And(all) => all.iter().all(|f| f.holds(store, object, record)),
            Self::Or(any) => any.iter().any(|f| f.holds(store, object, record)),
            Self::Not(inner) => !inner.holds(store, object, record),
            Self::Is { path, comparator, values } => {
                let (head, rest) = path.split_once('.').unwrap_or((path, ""));
                let standard = object.relation(head).map(|(field, target)| (field.name.to_owned(), target.to_owned()));
                let found = match standard.or_else(|| store.custom_relation(object, head)) {
                    Some((field, target)) => record
                        .get(&field)
                        .and_then(Value::as_str)
                        .and_then(|id| store.live(&target, id).ok())
                        .map_or(&Value::Null, |other| in_record(other, rest)),
                    None => in_record(record, path),
                };
                compare(found, comparator, values)
            }
        }
    }
}

fn list(object: &ObjectType, store: &Store, text: &str, depth: usize) -> Result<Vec<Filter>, Refusal> {
    if depth > DEEPEST {
        return Err(Refusal::bad("'filter' invalid. It is nested too deeply"));
    }
    split(text).into_iter().map(|item| one(object, store, item, depth)).collect()
}

fn one(object: &ObjectType, store: &Store, text: &str, depth: usize) -> Result<Filter, Refusal> {
    let inner = |word: &str| text.strip_prefix(word)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(inner) = inner("and") {
        return Ok(Filter::And(list(object, store, inner, depth + 1)?));
    }
    if let Some(inner) = inner("or") {
        return Ok(Filter::Or(list(object, store, inner, depth + 1)?));
    }
    if let Some(inner) = inner("not") {
        return Ok(Filter::Not(Box::new(Filter::And(list(object, store, inner, depth + 1)?))));
    }
    let parts = text.split_once('[').and_then(|(path, rest)| {
        let (comparator, value) = rest.split_once("]:")?;
        Some((path.trim(), comparator, value.trim()))
    });
    let Some((path, comparator, value)) = parts else {
        return Err(Refusal::bad(format!("'filter' invalid for '{text}'. eg: price[gte]:10")));
    };
    if !COMPARATORS.contains(&comparator) {
        let known = COMPARATORS.join(", ");
        return Err(Refusal::bad(format!("'filter' invalid for '{text}', comparator {comparator} not in {known}")));
    }
    let values = match value.strip_prefix('[').and_then(|v| v.strip_suffix(']')) {
        Some(items) => split(items).into_iter().map(unquote).collect(),
        None => vec![unquote(value)],
    };
    condition(object, store, path, comparator, values)
}

fn condition(
    object: &ObjectType,
    store: &Store,
    path: &str,
    comparator: &str,
    values: Vec<String>,
) -> Result<Filter, Refusal> {
    if !knows(object, store, path) {
        return Err(Refusal::unknown_field(object.singular, path));
    }
    if path == "emails.additionalEmails" && !matches!(comparator, "is" | "like") {
        return Err(Refusal::bad(format!(
            "Operator \"{comparator}\" is not valid for field \"{path}\" of type RAW_JSON - Allowed operators: is, like"
        )));
    }
    if matches!(schema_kind(object, path), Some(schema::Kind::Relation(_))) || path == "id" {
        let bad = values
            .iter()
            .find(|v| matches!(comparator, "eq" | "neq" | "in") && super::super::store::checked_id(v).is_err());
        if let Some(bad) = bad {
            return Err(Refusal::bad(format!("'{bad}' is not a valid UUID")));
        }
    }
    Ok(Filter::Is { path: path.to_owned(), comparator: comparator.to_owned(), values })
}

/// The members of a GraphQL filter below a path: conditions, combined conditions, parts of composites.
fn of_input(object: &ObjectType, store: &Store, path: &str, input: &Value, depth: usize) -> Result<Filter, Refusal> {
    if depth > DEEPEST {
        return Err(Refusal::bad("'filter' invalid. It is nested too deeply"));
    }
    let below = |path: &str, input: &Value| of_input(object, store, path, input, depth + 1);
    let several = |input: &Value| match input {
        Value::Array(list) => list.iter().map(|one| below("", one)).collect::<Result<Vec<_>, _>>(),
        one => Ok(vec![below("", one)?]),
    };
    let mut all = Vec::new();
    for (name, value) in input.as_object().into_iter().flatten() {
        all.push(match name.as_str() {
            "and" if path.is_empty() => Filter::And(several(value)?),
            "or" if path.is_empty() => Filter::Or(several(value)?),
            "not" if path.is_empty() => Filter::Not(Box::new(below("", value)?)),
            name if !path.is_empty() && COMPARATORS.contains(&name) => {
                let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
                let values = match value {
                    Value::Array(list) => list.iter().map(text).collect(),
                    one => vec![text(one)],
                };
                condition(object, store, path, name, values)?
            }
            name if path.is_empty() => below(name, value)?,
            name => below(&format!("{path}.{name}"), value)?,
        });
    }
    Ok(Filter::And(all))
}

fn schema_kind(object: &ObjectType, path: &str) -> Option<schema::Kind> {
    object.field(path).map(|f| f.kind)
}

/// Characters that are not inside double quotes.
fn outside_quotes(text: &str) -> impl Iterator<Item = char> {
    let mut quoted = false;
    text.chars().filter(move |c| {
        if *c == '"' {
            quoted = !quoted;
        }
        !quoted
    })
}

/// Splits at the commas that are in no quotes and no brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut from) = (0_i32, false, 0);
    let mut parts = Vec::new();
    for (n, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.extend(text.get(from..n));
                from = n + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(from..));
    parts.into_iter().map(str::trim).filter(|p| !p.is_empty()).collect()
}

fn unquote(text: &str) -> String {
    text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text).to_owned()
}

fn compare(found: &Value, comparator: &str, values: &[String]) -> bool {
    let first = values.first().map_or("", String::as_str);
    if comparator == "is" {
        let null = found.is_null() || found.as_str() == Some("");
        return if first == "NOT_NULL" { !null } else { null };
    }
    let text = match found {
        Value::String(text) => text.clone(),
        Value::Null => return comparator == "neq",
        other => other.to_string(),
    };
    let order = |value: &str| match (text.parse::<Timestamp>(), value.parse::<Timestamp>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => match (text.parse::<f64>(), value.parse::<f64>()) {
            (Ok(a), Ok(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            _ => text.as_str().cmp(value),
        },
    };
    match comparator {
        "eq" => text == first || equal_moments(&text, first),
        "neq" => text != first && !equal_moments(&text, first),
        "in" => values.contains(&text),
        "containsAny" => found.as_array().is_some_and(|a| a.iter().any(|v| values.iter().any(|w| v == w.as_str()))),
        "gt" => order(first) == Ordering::Greater,
        "gte" => order(first) != Ordering::Less,
        "lt" => order(first) == Ordering::Less,
        "lte" => order(first) != Ordering::Greater,
        "startsWith" => text.starts_with(first),
        "endsWith" => text.ends_with(first),
        "like" => like(&text, first),
        _ => like(&text.to_lowercase(), &first.to_lowercase()),
    }
}

fn equal_moments(a: &str, b: &str) -> bool {
    matches!((a.parse::<Timestamp>(), b.parse::<Timestamp>()), (Ok(a), Ok(b)) if a == b)
}

/// SQL's LIKE with `%` only.
fn like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('%');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(tail) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(n) => rest = rest.get(n + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_follows_sql() {
        for (text, pattern, fits) in [
            ("3015554321", "%5554321", true),
            ("Telares", "Telares%", true),
            ("Telares", "%lar%", true),
            ("Telares", "elares", false),
            ("aba", "ab%ba", false),
            ("Telares", "%", true),
        ] {
            assert_eq!(like(text, pattern), fits, "{text} like {pattern}");
        }
    }
}
