//! JSON Schema as the suite uses it.

use serde_json::{Value, json};

/// Why a schema is not one that a front page may show.
pub(super) fn refuse_unknown(schema: &Value) -> Result<(), String> {
    if !schema.is_object() {
        return Err("it is not an object".into());
    }
    jsonschema::meta::validate(schema).map_err(|e| format!("it is not valid JSON Schema: {e}"))?;
    let validator = jsonschema::validator_for(schema).map_err(|e| format!("it cannot be used: {e}"))?;
    if [json!([]), json!("text"), json!(7), json!(null)].iter().any(|other| validator.is_valid(other)) {
        return Err("it accepts what is not an object: say `type: object`".into());
    }
    if validator.is_valid(&json!({ UNKNOWN: true })) {
        return Err("it accepts unknown properties: use #[serde(deny_unknown_fields)] on the type".into());
    }
    Ok(())
}

/// What a schema says against an instance; `None` when it accepts it.
pub(super) fn objection(schema: &Value, instance: &Value) -> Option<String> {
    match jsonschema::validator_for(schema) {
        Ok(validator) => {
            validator.validate(instance).err().map(|e| format!("{e} (at {:?})", e.instance_path().as_str()))
        }
        Err(e) => Some(format!("the schema cannot be used: {e}")),
    }
}

/// A property that no provider has.
pub(super) const UNKNOWN: &str = "zz_no_such_property";
