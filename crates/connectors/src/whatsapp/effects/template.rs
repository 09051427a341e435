//! The `template` object of a send (contract, section 2.1).
//!
//! Promise: what Meta would refuse for its form (empty values, line breaks, two files in one
//! header) is refused here, with the place named, before a call is spent on it.

use super::input::{Button, Header, Media, Params, SendTemplate};
use crate::whatsapp::{Settings, settings, wire};
use pasarela_connector::action::{Refused, invalid};
use serde_json::{Map, Value, json};

/// Builds the object, or says what is wrong with the input.
pub(super) fn build(input: &SendTemplate, settings: &Settings) -> Result<Value, Refused> {
    let name = input.template.trim();
    if !wire::is_template_name(name) {
        return Err(invalid(format!(
            "template '{}' is no template name: lower-case letters, digits and _",
            excerpt(name)
        )));
    }
    let language = settings.language(&input.language);
    if !settings::is_language(&language) {
        return Err(invalid(format!(
            "language '{}' is no template language: write es, en or a code such as es_CO",
            excerpt(&input.language)
        )));
    }
    let mut components = Vec::new();
    if let Some(header) = &input.header {
        components.push(json!({ "type": "header", "parameters": [header_parameter(header)?] }));
    }
    let body = body_parameters(&input.params)?;
    if !body.is_empty() {
        components.push(json!({ "type": "body", "parameters": body }));
    }
    for (place, button) in input.buttons.iter().enumerate() {
        components.push(button_component(place, button)?);
    }
    let mut template = Map::new();
    template.insert("name".into(), json!(name));
    template.insert("language".into(), json!({ "code": language }));
    if !components.is_empty() {
        template.insert("components".into(), Value::Array(components));
    }
    Ok(Value::Object(template))
}

fn body_parameters(params: &Params) -> Result<Vec<Value>, Refused> {
    match params {
        Params::Positional(values) => values
            .iter()
            .enumerate()
            .map(|(i, value)| {
                let text = text_of(value, || format!("params[{i}]"))?;
                Ok(json!({ "type": "text", "text": text }))
            })
            .collect(),
        Params::Named(values) => values
            .iter()
            .map(|(name, value)| {
                let text = text_of(value, || format!("params.{name}"))?;
                Ok(json!({ "type": "text", "parameter_name": name, "text": text }))
            })
            .collect(),
    }
}

/// A value as the text that stands in the message. A missing value would leave a hole in it.
fn text_of(value: &Value, place: impl Fn() -> String) -> Result<String, Refused> {
    let text = match value {
        Value::String(text) => squeeze(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => String::new(),
        Value::Array(_) | Value::Object(_) => {
            return Err(invalid(format!("{} must be a text or a number", place())));
        }
    };
    if text.is_empty() {
        return Err(invalid(format!(
            "{} is empty: WhatsApp refuses a template with an empty value; give a default",
            place()
        )));
    }
    Ok(text)
}

fn text_field(text: &str, place: &str) -> Result<String, Refused> {
    text_of(&Value::String(text.to_owned()), || place.to_owned())
}

/// Meta refuses line breaks, tabs and more than four spaces in a row. No-break spaces stay: they
/// hold "7:00 p. m." together.
fn squeeze(text: &str) -> String {
    const PLAIN_SPACES: usize = 4;
    let is_blank = |c: char| c.is_ascii_whitespace() || "\u{b}\u{85}\u{2028}\u{2029}".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.trim();
    while let Some(start) = rest.find(is_blank) {
        let (word, from_blank) = rest.split_at(start);
        let end = from_blank.find(|c| !is_blank(c)).unwrap_or(from_blank.len());
        let (blanks, after) = from_blank.split_at(end);
        out.push_str(word);
        let plain = blanks.len() <= PLAIN_SPACES && blanks.bytes().all(|b| b == b' ');
        out.push_str(if plain { blanks } else { " " });
        rest = after;
    }
    out.push_str(rest);
    out
}

fn header_parameter(header: &Header) -> Result<Value, Refused> {
    let mut found = Vec::new();
    if let Some(text) = &header.text {
        let text = text_field(text, "header.text")?;
        found.push(match header.name.as_deref() {
            None => json!({ "type": "text", "text": text }),
            Some(name) => json!({ "type": "text", "parameter_name": name, "text": text }),
        });
    }
    for (kind, media) in [("image", &header.image), ("video", &header.video), ("document", &header.document)] {
        if let Some(media) = media {
            found.push(json!({ "type": kind, kind: file(kind, media)? }));
        }
    }
    if let Some(place) = &header.location {
        let mut location = Map::new();
        location.insert("latitude".into(), json!(place.latitude));
        location.insert("longitude".into(), json!(place.longitude));
        for (key, text) in [("name", &place.name), ("address", &place.address)] {
            if let Some(text) = text {
                location.insert(key.into(), json!(text));
            }
        }
        found.push(json!({ "type": "location", "location": location }));
    }
    let count = found.len();
    match found.pop() {
        Some(parameter) if count == 1 => Ok(parameter),
        _ => Err(invalid("header needs exactly one of text, image, video, document, location")),
    }
}

fn file(kind: &str, media: &Media) -> Result<Value, Refused> {
    let mut file = Map::new();
    match (media.link.as_deref(), media.id.as_deref()) {
        // Meta fetches the link itself, and only over https.
        (Some(link), None) if link.starts_with("https://") => {
            file.insert("link".into(), json!(link));
        }
        (Some(_), None) => return Err(invalid(format!("header.{kind}.link must be https"))),
        (None, Some(id)) if !id.trim().is_empty() => {
            file.insert("id".into(), json!(id.trim()));
        }
        _ => return Err(invalid(format!("header.{kind} needs either link or id"))),
    }
    match &media.filename {
        Some(name) if kind == "document" => {
            file.insert("filename".into(), json!(name));
        }
        Some(_) => return Err(invalid(format!("header.{kind} takes no filename"))),
        None => {}
    }
    Ok(Value::Object(file))
}

fn button_component(place: usize, button: &Button) -> Result<Value, Refused> {
    let index = button.index.map_or(place, usize::from);
    let at = |field: &str| format!("buttons[{place}].{field}");
    if index > wire::LAST_BUTTON {
        return Err(invalid(format!("{} is above {}", at("index"), wire::LAST_BUTTON)));
    }
    let mut found = Vec::new();
    if let Some(suffix) = &button.url {
        let text = text_field(suffix, &at("url"))?;
        found.push(("url", json!({ "type": "text", "text": text })));
    }
    if let Some(payload) = &button.payload {
        let length = payload.chars().count();
        if length == 0 || length > wire::PAYLOAD_MAX {
            return Err(invalid(format!("{} has {length} characters; 1 to {} fit", at("payload"), wire::PAYLOAD_MAX)));
        }
        found.push(("quick_reply", json!({ "type": "payload", "payload": payload })));
    }
    if let Some(code) = &button.coupon {
        let plain = code.bytes().all(|b| b.is_ascii_alphanumeric());
        if code.is_empty() || code.len() > wire::COUPON_MAX || !plain {
            return Err(invalid(format!("{} must be 1 to {} letters and digits", at("coupon"), wire::COUPON_MAX)));
        }
        found.push(("copy_code", json!({ "type": "coupon_code", "coupon_code": code })));
    }
    if let Some(token) = &button.flow_token {
        let mut action = Map::new();
        action.insert("flow_token".into(), json!(token));
        if let Some(data) = &button.flow_data {
            action.insert("flow_action_data".into(), data.clone());
        }
        found.push(("flow", json!({ "type": "action", "action": action })));
    }
    let count = found.len();
    match found.pop() {
        Some((sub_type, parameter)) if count == 1 => Ok(json!({
            "type": "button",
            "sub_type": sub_type,
            "index": index.to_string(),
            "parameters": [parameter],
        })),
        _ => Err(invalid(format!("buttons[{place}] needs exactly one of url, payload, coupon, flow_token"))),
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::squeeze;

    #[test]
    fn white_space_is_brought_to_what_meta_takes() {
        for (given, expected) in [
            ("  Camila \n", "Camila"),
            ("Calle 41\n# 55-80\tMedellín", "Calle 41 # 55-80 Medellín"),
            ("a    b", "a    b"),
            ("a     b", "a b"),
            ("7:00\u{a0}p.\u{a0}m.", "7:00\u{a0}p.\u{a0}m."),
            ("a \r\n\r\n b\u{2028}c", "a b c"),
            ("", ""),
        ] {
            assert_eq!(squeeze(given), expected, "{given:?}");
        }
    }
}
