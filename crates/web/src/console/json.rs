//! Reading the API's JSON for pages: what is absent is an empty text, nothing panics.

use serde_json::Value;

/// Text of a value; numbers as they are written; `None` for null and for nothing.
pub(super) fn opt(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(s) if s.is_empty() => None,
        Value::String(s) => Some(s.clone()),
        other => Some(other.to_string()),
    }
}

/// Text of a value; empty for null.
pub(super) fn text(value: &Value) -> String {
    opt(value).unwrap_or_default()
}

/// A list's members.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// JSON over several lines; `None` when there is nothing to show.
pub(super) fn pretty(value: &Value) -> Option<String> {
    let empty = match value {
        Value::Null => true,
        Value::Object(o) => o.is_empty(),
        Value::Array(a) => a.is_empty(),
        Value::String(s) => s.is_empty(),
        _ => false,
    };
    if empty { None } else { serde_json::to_string_pretty(value).ok() }
}

/// A body as people read it: JSON over several lines, anything else as it is.
pub(super) fn pretty_body(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => pretty(&value).unwrap_or_else(|| body.to_owned()),
        _ => body.to_owned(),
    }
}

/// At most `most` bytes, cut between characters; says whether it was cut.
pub(super) fn cut(mut text: String, most: usize) -> (String, bool) {
    if text.len() <= most {
        return (text, false);
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    (text, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bodies_of_any_kind_are_shown_and_cut_between_characters() {
        assert_eq!(pretty_body("{\"a\":1}"), "{\n  \"a\": 1\n}");
        assert_eq!(pretty_body("a=1&b=2"), "a=1&b=2");
        assert_eq!(cut("señal".into(), 3), ("se".into(), true));
        assert_eq!(cut("sí".into(), 3), ("sí".into(), false));
        assert_eq!(pretty(&json!({})), None);
        assert_eq!(opt(&json!(7)), Some("7".into()));
    }
}
