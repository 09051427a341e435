//! Errors as the Graph API writes them (contract, section 8).

use pasarela_connector::Answer;
use serde_json::{Map, Value, json};

/// A call that is refused.
#[derive(Debug)]
pub(super) struct GraphFault {
    code: u32,
    subcode: Option<u32>,
    title: String,
    details: String,
}

impl GraphFault {
    pub(super) fn new(code: u32, title: impl Into<String>, details: impl Into<String>) -> Self {
        Self { code, subcode: None, title: title.into(), details: details.into() }
    }

    /// A refusal of template management, which is told apart by its subcode.
    pub(super) fn template(subcode: u32, title: &str, details: impl Into<String>) -> Self {
        Self { code: 100, subcode: Some(subcode), title: title.into(), details: details.into() }
    }

    pub(super) fn token() -> Self {
        let title = "Error validating access token: Session has expired";
        Self { code: 190, subcode: Some(463), title: title.into(), details: String::new() }
    }

    pub(super) fn no_object(method: &str, path: &str) -> Self {
        let shown: String = path.chars().take(120).collect();
        let title = format!(
            "Unsupported {} request. Object with ID '{shown}' does not exist, cannot be loaded due \
             to missing permissions, or does not support this operation",
            method.to_ascii_lowercase()
        );
        Self { code: 100, subcode: Some(33), title, details: String::new() }
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::new(131_008, "Required parameter is missing", format!("{parameter} is missing or empty"))
    }

    pub(super) fn invalid(details: impl Into<String>) -> Self {
        Self::new(131_009, "Parameter value is not valid", details)
    }

    pub(super) fn answer(&self) -> Answer {
        let status = match self.code {
            190 => 401,
            132_001 => 404,
            131_000 => 500,
            _ => 400,
        };
        let mut error = Map::new();
        // Management calls and tokens are told without the number in front.
        let message = match self.subcode {
            Some(_) => match self.details.is_empty() {
                true => self.title.clone(),
                false => "Invalid parameter".to_owned(),
            },
            None => format!("(#{}) {}", self.code, self.title),
        };
        error.insert("message".into(), json!(message));
        error.insert("type".into(), json!("OAuthException"));
        error.insert("code".into(), json!(self.code));
        match self.subcode {
            Some(subcode) => {
                error.insert("error_subcode".into(), json!(subcode));
                if !self.details.is_empty() {
                    error.insert("is_transient".into(), json!(false));
                    error.insert("error_user_title".into(), json!(self.title));
                    error.insert("error_user_msg".into(), json!(self.details));
                }
            }
            None if !self.details.is_empty() => {
                error.insert("error_data".into(), json!({ "messaging_product": "whatsapp", "details": self.details }));
            }
            None => {}
        }
        error.insert("fbtrace_id".into(), json!("AbC1dEfGhIjKlMnOpQrStUv"));
        Answer::json(status, &json!({ "error": Value::Object(error) }))
    }
}

impl std::fmt::Display for GraphFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let details = if self.details.is_empty() { &self.title } else { &self.details };
        write!(f, "{}: {details}", self.code)
    }
}
