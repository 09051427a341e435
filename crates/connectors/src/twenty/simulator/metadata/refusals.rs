//! What the schema's API refuses, in the shapes that were recorded.

use crate::twenty::simulator::answers::Refusal;
use serde_json::{Value, json};
use uuid::Uuid;

/// Names that the double knows to be reserved; recorded for `event`.
const RESERVED: [&str; 2] = ["event", "events"];

/// What was not given: the framework's own shape.
pub(super) fn class(missing: &[&str]) -> Refusal {
    let texts: Vec<String> = missing
        .iter()
        .flat_map(|key| [format!("{key} should not be empty"), format!("{key} must be a string")])
        .collect();
    Refusal::whole(400, json!({ "message": texts, "error": "Bad Request", "statusCode": 400 }))
}

fn said(code: &str, text: &str, value: Option<&str>) -> Value {
    let mut error = json!({ "code": code, "message": text, "userFriendlyMessage": text });
    if let (Some(value), Some(error)) = (value, error.as_object_mut()) {
        error.insert("value".into(), json!(value));
    }
    error
}

/// What is wrong with an object's names.
pub(super) fn object_names(singular: &str, plural: &str, taken: bool) -> Option<Vec<Value>> {
    let bad = |name: &&str| {
        !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let names = [singular, plural];
    let invalid = names.iter().filter(|n| bad(n)).map(|n| {
        let text = "Name is not valid: it must start with lowercase letter and contain only alphanumeric letters";
        said("INVALID_OBJECT_INPUT", text, Some(n))
    });
    let reserved = names.iter().filter(|n| RESERVED.contains(n)).map(|n| {
        let text = "This name is reserved. Use a different name or the system will add \"Custom\" suffix.";
        said("INVALID_OBJECT_INPUT", text, Some(n))
    });
    let taken = taken.then(|| said("OBJECT_ALREADY_EXISTS", "Object already exists", None));
    let all: Vec<Value> = invalid.chain(reserved).chain(taken).collect();
    (!all.is_empty()).then_some(all)
}

/// A field's name that is taken.
pub(super) fn not_available(name: &str) -> Vec<Value> {
    let text = format!("Name \"{name}\" is not available as it is already used by another field");
    vec![said("NOT_AVAILABLE", &text, Some(name))]
}

/// What is wrong with the values of choices.
pub(super) fn option_values(options: &[Value]) -> Option<Vec<Value>> {
    let bad = |value: &str| {
        value.is_empty() || !value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    let values = options.iter().filter_map(|o| o.get("value").and_then(Value::as_str)).filter(|v| bad(v));
    let all: Vec<Value> = values
        .map(|value| {
            let text = format!("Value must be in UPPER_CASE and follow snake_case \"{value}\"");
            said("INVALID_FIELD_INPUT", &text, Some(value))
        })
        .collect();
    (!all.is_empty()).then_some(all)
}

/// A refused object, with the fields that would have been of it.
pub(super) fn object(singular: &str, plural: &str, errors: Vec<Value>) -> Refusal {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, singular.as_bytes());
    let follows: Vec<Value> = ["name", "id", "createdAt"]
        .iter()
        .map(|name| {
            let text = "Object metadata not found";
            let mut error = said("OBJECT_METADATA_NOT_FOUND", text, None);
            if let Some(error) = error.as_object_mut() {
                error.insert("userFriendlyMessage".into(), json!("Field to create related object not found"));
            }
            let about = json!({
                "universalIdentifier": Uuid::new_v5(&id, name.as_bytes()), "name": name,
                "objectMetadataUniversalIdentifier": id,
            });
            entry("fieldMetadata", vec![error], about)
        })
        .collect();
    let about = json!({ "universalIdentifier": id, "namePlural": plural, "nameSingular": singular });
    let own = entry("objectMetadata", errors, about);
    let count = follows.len();
    let errors = json!({ "fieldMetadata": follows, "objectMetadata": [own] });
    let summary = json!({ "totalErrors": count + 1, "fieldMetadata": count, "objectMetadata": 1 });
    refused("Multiple validation errors occurred while creating object", errors, summary)
}

/// A refused field, with the columns that would have shown it.
pub(super) fn field(name: &str, errors: Vec<Value>) -> Refusal {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes());
    let about = json!({
        "universalIdentifier": id, "name": name,
        "objectMetadataUniversalIdentifier": Uuid::new_v5(&id, b"object"),
    });
    let own = entry("fieldMetadata", errors, about);
    let columns: Vec<Value> = [b"a", b"b"]
        .iter()
        .map(|n| {
            let about = json!({
                "universalIdentifier": Uuid::new_v5(&id, *n), "viewUniversalIdentifier": Uuid::new_v5(&id, b"view"),
                "fieldMetadataUniversalIdentifier": id,
            });
            entry("viewField", vec![said("INVALID_VIEW_DATA", "Field metadata not found", None)], about)
        })
        .collect();
    let errors = json!({ "fieldMetadata": [own], "viewField": columns });
    let summary = json!({ "totalErrors": 3, "fieldMetadata": 1, "viewField": 2 });
    refused("Multiple validation errors occurred while creating fields", errors, summary)
}

fn entry(of: &str, errors: Vec<Value>, about: Value) -> Value {
    json!({
        "status": "fail", "errors": errors, "flatEntityMinimalInformation": about, "metadataName": of,
        "type": "create",
    })
}

fn refused(message: &str, errors: Value, summary: Value) -> Refusal {
    Refusal::whole(
        400,
        json!({
            "statusCode": 400, "error": "METADATA_VALIDATION_ERROR", "message": message, "errors": errors,
            "summary": summary, "userFriendlyMessage": "Many validation errors",
        }),
    )
}
