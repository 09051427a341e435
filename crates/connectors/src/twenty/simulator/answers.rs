//! Errors as the server writes them (contract 1.5).

use pasarela_connector::Answer;
use serde_json::{Map, Value, json};

/// A refusal.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    status: u16,
    body: Value,
}

impl Refusal {
    /// A refusal in a shape of its own.
    pub(super) fn whole(status: u16, body: Value) -> Self {
        Self { status, body }
    }

    /// The usual 400.
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::named("BadRequestException", text)
    }

    /// A 400 under another exception's name.
    pub(super) fn named(error: &str, text: impl Into<String>) -> Self {
        Self { status: 400, body: json!({ "statusCode": 400, "error": error, "messages": [text.into()] }) }
    }

    /// A 400 with a code, which then bears the plain name `Error`.
    pub(super) fn coded(code: &str, text: impl Into<String>) -> Self {
        let body = json!({ "statusCode": 400, "error": "Error", "messages": [text.into()], "code": code });
        Self { status: 400, body }
    }

    /// The framework's own shape for a body that is not JSON: `message`, not `messages`.
    pub(super) fn not_json(text: impl Into<String>) -> Self {
        Self { status: 400, body: json!({ "message": text.into(), "error": "Bad Request", "statusCode": 400 }) }
    }

    pub(super) fn auth(status: u16, error: &str, text: &str) -> Self {
        Self { status, body: json!({ "statusCode": status, "messages": [text], "error": error }) }
    }

    pub(super) fn not_found() -> Self {
        let body = json!({ "statusCode": 404, "error": "NotFoundException", "messages": ["Record not found"] });
        Self { status: 404, body }
    }

    pub(super) fn duplicate() -> Self {
        Self::bad("A duplicate entry was detected")
    }

    pub(super) fn unknown_field(singular: &str, field: &str) -> Self {
        Self::bad(format!("Object {singular} doesn't have any \"{field}\" field."))
    }

    /// Twenty knows this call; the double does not.
    pub(super) fn not_simulated(method: &str, path: &str) -> Self {
        let text = format!("the double of Twenty does not know {method} {path}");
        Self { status: 501, body: json!({ "statusCode": 501, "error": "NotImplemented", "messages": [text] }) }
    }

    pub(super) fn answer(self) -> Answer {
        Answer::json(self.status, &self.body)
    }

    pub(super) fn body(&self) -> &Value {
        &self.body
    }

    /// In words, for people at the interface.
    pub(super) fn text(&self) -> String {
        let text = self.body.pointer("/messages/0").or_else(|| self.body.get("message"));
        text.and_then(Value::as_str).unwrap_or("refused").to_owned()
    }
}

/// `{"data": {key: value}}`.
pub(super) fn data(status: u16, key: String, value: Value) -> Answer {
    let data: Map<String, Value> = [(key, value)].into_iter().collect();
    Answer::json(status, &json!({ "data": data }))
}
