//! Bytes as PHP's `json_encode` writes them by default, and its other habits.

use pasarela_connector::{Answer, Headers, sign};
use pasarela_domain::Money;
use serde_json::{Number, Value};

/// No spaces, `/` as `\/`, everything beyond ASCII as `\uXXXX` in lower-case hex.
pub(super) fn encode(value: &Value) -> Vec<u8> {
    let mut out = String::new();
    write(value, &mut out);
    out.into_bytes()
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => out.push_str(&number_text(n)),
        Value::String(s) => text(s, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (i, (name, field)) in fields.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                text(name, out);
                out.push(':');
                write(field, out);
            }
            out.push('}');
        }
    }
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        // Whole floats lose their fraction.
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
            format!("{float:.0}")
        }
        _ => number.to_string(),
    }
}

fn text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

/// A JSON answer in PHP's bytes.
pub(super) fn answer(status: u16, body: &Value) -> Answer {
    let mut headers = Headers::default();
    headers.set("content-type", "application/json");
    Answer { status, headers, body: encode(body).into() }
}

/// An amount as a number in major units: whole ones without a fraction.
pub(super) fn amount(money: Money) -> Value {
    let text = money.major_text();
    text.parse::<i64>().map_or_else(|_| text.parse::<f64>().map_or(Value::Null, Value::from), Value::from)
}

/// A text that looks random and is always the same: the double knows neither chance nor time.
pub(super) fn code(seed: &str, length: usize, upper: bool) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let letters = if upper { 36 } else { 62 };
    sign::sha256(seed.as_bytes())
        .iter()
        .take(length)
        .filter_map(|b| ALPHABET.get(usize::from(*b) % letters).map(|c| char::from(*c)))
        .collect()
}

/// A query or path part as sent.
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
                if let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) {
                    bytes.extend(u8::try_from(high * 16 + low));
                }
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_byte_style_is_that_of_php() {
        let value = json!({ "a/b": "Medellín 🪡 \"x\"\n", "whole": 85000.0, "float": 38304.3192, "none": [] });
        let expected = r#"{"a\/b":"Medell\u00edn \ud83e\udea1 \"x\"\n","whole":85000,"float":38304.3192,"none":[]}"#;
        assert_eq!(String::from_utf8(encode(&value)).unwrap(), expected);
        assert_eq!(decode("filter_fields%5Bstatus%5D+x"), "filter_fields[status] x");
    }
}
