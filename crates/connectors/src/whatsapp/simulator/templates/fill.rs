//! Fills a template with what a send brings, and refuses what Meta refuses: a wrong number of
//! values, empty ones, the wrong kind of header or button (contract, sections 2.1 and 8).

use super::Template;
use crate::whatsapp::simulator::graph::GraphFault;
use crate::whatsapp::simulator::guests::ShownButton;
use crate::whatsapp::wire::BODY_MAX;
use serde_json::{Map, Value};

/// A template as the guest sees it.
pub(in crate::whatsapp::simulator) struct Filled {
    /// Header, body and footer, each on its own line.
    pub(in crate::whatsapp::simulator) text: String,
    pub(in crate::whatsapp::simulator) buttons: Vec<ShownButton>,
    /// Values of the body: a list, or an object for named ones.
    pub(in crate::whatsapp::simulator) params: Value,
}

impl Template {
    /// Fills it with the `components` of a send.
    pub(in crate::whatsapp::simulator) fn fill(&self, components: &Value) -> Result<Filled, GraphFault> {
        let components: &[Value] = match components {
            Value::Array(list) => list,
            Value::Null => &[],
            _ => return Err(GraphFault::invalid("components must be a list")),
        };
        let of_type =
            |kind: &'static str| components.iter().filter(move |c| text(c, "type").eq_ignore_ascii_case(kind));
        let (body, params) = self.fill_body(parameters(of_type("body").next()))?;
        if body.chars().count() > BODY_MAX {
            return Err(GraphFault::new(
                132_005,
                "Translated text too long",
                format!("body: {} characters", body.chars().count()),
            ));
        }
        let header = self.fill_header(parameters(of_type("header").next()))?;
        let buttons = self.fill_buttons(&of_type("button").collect::<Vec<_>>())?;
        let lines: Vec<String> = header.into_iter().chain([body]).chain(self.footer.clone()).collect();
        Ok(Filled { text: lines.join("\n"), buttons, params })
    }

    fn fill_body(&self, given: &[Value]) -> Result<(String, Value), GraphFault> {
        let names = placeholders(&self.body);
        same_count("body", given.len(), names.len())?;
        let mut body = self.body.clone();
        let mut list = Vec::new();
        let mut by_name = Map::new();
        for (place, name) in names.iter().enumerate() {
            let parameter =
                if self.named { given.iter().find(|p| text(p, "parameter_name") == name) } else { given.get(place) };
            let Some(parameter) = parameter else {
                return Err(mismatch(format!("body: parameter {name} is missing")));
            };
            let value = value_of(parameter)?;
            body = body.replace(&format!("{{{{{name}}}}}"), value);
            list.push(Value::from(value));
            by_name.insert(name.clone(), Value::from(value));
        }
        let params = if self.named { Value::Object(by_name) } else { Value::Array(list) };
        Ok((body, params))
    }

    fn fill_header(&self, given: &[Value]) -> Result<Option<String>, GraphFault> {
        let Some((format, header)) = &self.header else {
            return match given.len() {
                0 => Ok(None),
                n => same_count("header", n, 0).map(|()| None),
            };
        };
        if format == "TEXT" {
            let names = placeholders(header);
            same_count("header", given.len(), names.len())?;
            let mut header = header.clone();
            for (name, parameter) in names.iter().zip(given) {
                header = header.replace(&format!("{{{{{name}}}}}"), value_of(parameter)?);
            }
            return Ok(Some(header));
        }
        let kind = format.to_ascii_lowercase();
        let wrong =
            |received: &str| mismatch(format!("header: Format mismatch, expected {format}, received {received}"));
        let [parameter] = given else {
            return Err(wrong("UNKNOWN"));
        };
        if text(parameter, "type") != kind {
            return Err(wrong(&text(parameter, "type").to_ascii_uppercase()));
        }
        let file = parameter.get(&kind).unwrap_or(&Value::Null);
        if kind == "location" {
            return Ok(Some(format!("📍 {}", text(file, "name"))));
        }
        let (link, id) = (text(file, "link"), text(file, "id"));
        if link.is_empty() == id.is_empty() {
            return Err(GraphFault::invalid(format!("header.{kind} needs either link or id")));
        }
        let name = match text(file, "filename") {
            "" => link.rsplit('/').next().filter(|n| !n.is_empty()).unwrap_or(id),
            name => name,
        };
        let sign = match kind.as_str() {
            "document" => "📄",
            "video" | "gif" => "🎬",
            _ => "🖼",
        };
        Ok(Some(format!("{sign} {name}")))
    }

    fn fill_buttons(&self, given: &[&Value]) -> Result<Vec<ShownButton>, GraphFault> {
        let index_of = |component: &Value| match component.get("index") {
            Some(Value::String(text)) => text.parse::<usize>().ok(),
            Some(number) => number.as_u64().and_then(|n| usize::try_from(n).ok()),
            None => None,
        };
        for component in given {
            if index_of(component).is_none_or(|index| index >= self.buttons.len()) {
                return Err(mismatch("button: there is no button at that index".to_owned()));
            }
        }
        let mut shown = Vec::new();
        for (place, button) in self.buttons.iter().enumerate() {
            let component = given.iter().find(|c| index_of(c) == Some(place));
            let (sub_type, needed) = match button.kind.as_str() {
                "QUICK_REPLY" => ("quick_reply", false),
                "URL" | "OTP" => ("url", button.variable),
                "COPY_CODE" => ("copy_code", true),
                "FLOW" => ("flow", false),
                _ => ("", false),
            };
            let mut payload = None;
            match component {
                None if needed => {
                    return Err(GraphFault::missing(&format!("button at index {place}: parameter")));
                }
                None => {}
                Some(component) => {
                    if !sub_type.is_empty() && !text(component, "sub_type").eq_ignore_ascii_case(sub_type) {
                        return Err(mismatch(format!("button at index {place}: expected sub_type {sub_type}")));
                    }
                    let [parameter] = parameters(Some(component)) else {
                        return Err(GraphFault::missing(&format!("button at index {place}: one parameter")));
                    };
                    if sub_type == "url" && !needed {
                        return Err(mismatch(format!("button at index {place} does not require parameters")));
                    }
                    if matches!(sub_type, "quick_reply" | "url" | "copy_code") {
                        payload = Some(value_of(parameter)?.to_owned());
                    }
                }
            }
            // Only a quick reply's tap comes back; without a payload its text does.
            let comes_back = button.kind == "QUICK_REPLY";
            shown.push(ShownButton {
                text: button.text.clone(),
                payload: comes_back.then(|| payload.unwrap_or_else(|| button.text.clone())),
            });
        }
        Ok(shown)
    }
}

/// Names between double braces, each once, in order.
pub(super) fn placeholders(template: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut rest = template;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        let name = name.trim();
        if !name.is_empty() && !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
        rest = after;
    }
    names
}

fn value_of(parameter: &Value) -> Result<&str, GraphFault> {
    let kind = text(parameter, "type");
    let value = match kind {
        "text" | "payload" | "coupon_code" => text(parameter, kind),
        "currency" | "date_time" => parameter.get(kind).map(|v| text(v, "fallback_value")).unwrap_or(""),
        other => return Err(GraphFault::invalid(format!("parameter type '{other}'"))),
    };
    if value.trim().is_empty() {
        return Err(GraphFault::missing(&format!("Parameter of type {kind}")));
    }
    if kind == "text" && (value.contains(['\n', '\t']) || value.contains("     ")) {
        return Err(mismatch(
            "Param text cannot have new-line/tab characters or more than 4 consecutive spaces".to_owned(),
        ));
    }
    Ok(value)
}

fn same_count(part: &str, given: usize, expected: usize) -> Result<(), GraphFault> {
    if given == expected {
        return Ok(());
    }
    Err(GraphFault::new(
        132_000,
        "Number of parameters does not match the expected number of params",
        format!(
            "{part}: number of localizable_params ({given}) does not match the expected number \
             of params ({expected})"
        ),
    ))
}

fn mismatch(details: String) -> GraphFault {
    GraphFault::new(132_012, "Parameter format does not match format in the created template", details)
}

fn parameters(component: Option<&Value>) -> &[Value] {
    component.and_then(|c| c.get("parameters")).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}
