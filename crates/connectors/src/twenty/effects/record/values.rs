//! Plain values as Twenty's composites (contract 2.4), by the type that the model gives a field.

use crate::twenty::effects::rows::Object;
use crate::twenty::effects::{invalid, micros, moment};
use crate::twenty::provision::model;
use jiff::civil::Date;
use pasarela_connector::Outcome;
use pasarela_domain::{Money, Phone};
use serde_json::{Map, Value, json};

/// Fields of the standard objects whose values need a form of their own.
const STANDARD: [(&str, &str, &str); 3] = [
    ("opportunity", "amount", "CURRENCY"),
    ("opportunity", "closeDate", "DATE_TIME"),
    ("company", "address", "ADDRESS"),
];

/// Parts of an address: as flows write them, and as Twenty does.
const ADDRESS: [(&str, &str); 6] = [
    ("street", "addressStreet1"),
    ("street2", "addressStreet2"),
    ("city", "addressCity"),
    ("state", "addressState"),
    ("postcode", "addressPostcode"),
    ("country", "addressCountry"),
];

/// A field's value as Twenty takes it; `None` where there is nothing to write.
pub(super) fn field(object: Object, name: &str, value: Value) -> Result<Option<Value>, Box<Outcome>> {
    if value.is_null() {
        return Ok(None);
    }
    let known = model::FIELDS.iter().find(|f| f.object == object.singular && f.name == name);
    let standard = STANDARD.iter().find(|(o, n, _)| *o == object.singular && *n == name).map(|(.., kind)| *kind);
    let Some(kind) = known.map(|f| f.kind.type_name()).or(standard) else {
        // A field of the workspace's own: it knows its form itself.
        return Ok(Some(value));
    };
    let what = format!("fields.{name}");
    let text = value.as_str().map(str::trim);
    let want = |form: &str| Err(invalid(format!("{what} takes {form}, not {}", excerpt(&value))));
    Ok(Some(match kind {
        "TEXT" => match &value {
            Value::String(_) => value,
            Value::Number(_) | Value::Bool(_) => json!(value.to_string()),
            _ => return want("a text"),
        },
        "BOOLEAN" if value.is_boolean() => value,
        "BOOLEAN" => return want("true or false"),
        "NUMBER" if value.is_i64() || value.is_u64() => value,
        "NUMBER" => return want("a whole number"),
        "SELECT" => match text {
            Some("") => return Ok(None),
            Some(choice) => json!(choice),
            None => return want("one of its choices, such as PAGADA"),
        },
        "MULTI_SELECT" | "ARRAY" => match &value {
            Value::Array(all) if all.iter().all(Value::is_string) => value,
            _ => return want("a list of texts"),
        },
        "DATE_TIME" => match text {
            Some("") => return Ok(None),
            Some(text) => json!(moment(&what, text)?),
            None => return want("a date or a moment with its zone"),
        },
        "DATE" => match text.map(|t| t.parse::<Date>()) {
            _ if text == Some("") => return Ok(None),
            Some(Ok(date)) => json!(date.to_string()),
            _ => return want("a date, such as 2027-02-28"),
        },
        "CURRENCY" => match serde_json::from_value::<Money>(value.clone()) {
            Ok(money) => json!({ "amountMicros": micros(money)?, "currencyCode": money.currency }),
            Err(_) => return want("an amount, { minor: ..., currency: COP }"),
        },
        "LINKS" => match text {
            Some("") => return Ok(None),
            Some(url) => json!({ "primaryLinkUrl": url, "primaryLinkLabel": "" }),
            None if value.is_object() => value,
            None => return want("an address of the web"),
        },
        "PHONES" => match text.map(str::parse::<Phone>) {
            _ if text == Some("") => return Ok(None),
            Some(Ok(phone)) => json!({ "primaryPhoneNumber": phone.as_e164() }),
            _ => return want("a phone in international form (+573001234567)"),
        },
        "ADDRESS" => match address(&value) {
            Some(address) if address.is_empty() => return Ok(None),
            Some(address) => Value::Object(address),
            None => return want("an address: street, street2, city, state, postcode, country"),
        },
        _ => value,
    }))
}

/// Only the parts that are known: an absent one must not wipe what the CRM has.
fn address(value: &Value) -> Option<Map<String, Value>> {
    let mut parts = Map::new();
    for (name, part) in value.as_object()? {
        let (_, field) = ADDRESS.iter().find(|(short, long)| short == name || long == name)?;
        match part {
            Value::Null => {}
            Value::String(text) if text.trim().is_empty() => {}
            Value::String(_) => {
                parts.insert((*field).to_owned(), part.clone());
            }
            _ => return None,
        }
    }
    Some(parts)
}

/// `https://host`, which the server compares as it stands (contract 2.4).
pub(super) fn domain(text: &str) -> Result<String, Box<Outcome>> {
    let lower = text.trim().to_lowercase();
    let host = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || !host.contains('.') || host.contains(char::is_whitespace) {
        return Err(invalid(format!("domain '{text}' is no web domain, such as telares.example.co")));
    }
    Ok(format!("https://{host}"))
}

/// What was given, for people, without what may be somebody's data.
fn excerpt(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "this number",
        Value::String(_) => "this text",
        Value::Array(_) => "this list",
        Value::Object(_) => "these fields",
    }
}
