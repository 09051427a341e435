//! The OpenAPI document as a page for people: what there is, what it takes, what it answers, and the
//! actions that flows may ask for.

use serde_json::{Map, Value};
use std::fmt::Write as _;

/// The page, from its first heading on, and its parts by anchor.
pub(super) fn page(document: &Value) -> (String, Vec<(String, String)>) {
    let mut out = String::from("<h1>API</h1>\n");
    let _ = writeln!(out, "<p>{}</p>", marked(text(&document["info"]["description"])));
    out.push_str(
        "<p>The same for programs: <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI 3.1), also printed by \
         <code>pasarela openapi</code>. Errors are explained in <a href=\"/docs/errors/README\">Errors</a>.</p>\n",
    );
    let mut parts = Vec::new();
    for tag in document["tags"].as_array().into_iter().flatten().map(|t| text(&t["name"])) {
        let _ = writeln!(out, "<h2 id=\"{0}\">{0}</h2>", escaped(tag));
        parts.push((tag.to_owned(), tag.to_owned()));
        for (path, methods) in entries(&document["paths"]) {
            for (method, operation) in entries(methods).filter(|(_, o)| o["tags"][0] == tag) {
                write_operation(&mut out, path, method, operation);
            }
        }
    }
    out.push_str("<h2 id=\"actions\">Actions of flows</h2>\n<p>What a flow may <code>do</code>: the input that is checked before the start, and what comes of it.</p>\n");
    for action in document["x-actions"].as_array().into_iter().flatten() {
        write_action(&mut out, action);
    }
    out.push_str("<h2 id=\"schemas\">Schemas</h2>\n");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        let _ = writeln!(out, "<h4 id=\"{0}\">{1}</h4>", anchor(name), escaped(name));
        if let Some(about) = schema["description"].as_str() {
            let _ = writeln!(out, "<p>{}</p>", marked(about));
        }
        write_schema(&mut out, schema);
    }
    parts.extend([("actions", "Actions of flows"), ("schemas", "Schemas")].map(|(a, t)| (a.to_owned(), t.to_owned())));
    (out, parts)
}

fn write_operation(out: &mut String, path: &str, method: &str, operation: &Value) {
    let _ = writeln!(
        out,
        "<section class=\"operation\" id=\"{}\">\n<h3><span class=\"verb {method}\">{}</span> <code>{}</code></h3>\n<p>{}</p>",
        escaped(text(&operation["operationId"])),
        method.to_uppercase(),
        escaped(path),
        marked(text(&operation["summary"]))
    );
    if let Some(about) = operation["description"].as_str() {
        let _ = writeln!(out, "<p>{}</p>", marked(about));
    }
    let scope = if method == "get" { "read" } else { "write" };
    if operation["security"].as_array().is_some_and(|s| !s.is_empty()) {
        let _ = writeln!(out, "<p class=\"fine\">Scope: {scope}.</p>");
    }
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    if !parameters.is_empty() {
        out.push_str("<ul class=\"fields\">\n");
        for p in parameters {
            let about = p["description"].as_str().map(|d| format!(". {}", marked(d))).unwrap_or_default();
            let _ = writeln!(
                out,
                "<li><code>{}</code> <span class=\"fine\">{}, {}</span>{about}</li>",
                escaped(text(&p["name"])),
                text(&p["in"]),
                kind(&p["schema"])
            );
        }
        out.push_str("</ul>\n");
    }
    if let Some(media) = first(&operation["requestBody"]["content"]) {
        let must = if operation["requestBody"]["required"] == true { "" } else { ", may be left out" };
        let _ = writeln!(out, "<p>Takes {}{must}.</p>", media_of(media));
    }
    out.push_str("<ul class=\"fields\">\n");
    for (status, answer) in entries(&operation["responses"]) {
        let is_problem = answer["content"].get("application/problem+json").is_some();
        let what = match first(&answer["content"]) {
            Some(media) if !is_problem => format!("{}: {}", marked(text(&answer["description"])), media_of(media)),
            _ => marked(text(&answer["description"])),
        };
        let _ = writeln!(out, "<li><code>{status}</code> {what}</li>");
    }
    out.push_str("</ul>\n</section>\n");
}

fn write_action(out: &mut String, action: &Value) {
    let _ = writeln!(
        out,
        "<section class=\"operation\" id=\"{}\">\n<h3><code>{}</code></h3>\n<p>{} ({} {}). Input: {}.</p>",
        anchor(text(&action["name"])).replacen("schema-", "action-", 1),
        escaped(text(&action["name"])),
        marked(text(&action["title"])),
        escaped(text(&action["provider"])),
        escaped(text(&action["api_version"])),
        kind(&action["input"])
    );
    let output: Vec<String> = entries(&action["output"])
        .map(|(name, kind)| format!("<code>{}</code> {}", escaped(name), escaped(text(kind))))
        .collect();
    if !output.is_empty() {
        let _ = writeln!(out, "<p>Result: {}.</p>", output.join(", "));
    }
    let _ = writeln!(
        out,
        "<p class=\"fine\">Idempotency: {}. Settled by: {}. Lane: {}.</p>\n</section>",
        text(&action["idempotency"]["kind"]).replace('_', " "),
        text(&action["settled_by"]["kind"]),
        escaped(text(&action["lane"]))
    );
}

/// Fields of an object, or the forms that a value may have.
fn write_schema(out: &mut String, schema: &Value) {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().map(text).collect();
    let fields: Vec<(&str, &Value)> = entries(&schema["properties"]).collect();
    if fields.is_empty() {
        let _ = writeln!(out, "<p class=\"fine\">{}</p>", kind(schema));
    } else {
        out.push_str("<ul class=\"fields\">\n");
        for (name, field) in fields {
            let must = if required.contains(&name) { "" } else { ", may be left out" };
            let about = field["description"].as_str().map(|d| format!(". {}", marked(d))).unwrap_or_default();
            let _ = writeln!(
                out,
                "<li><code>{}</code> <span class=\"fine\">{}{must}</span>{about}</li>",
                escaped(name),
                kind(field)
            );
        }
        out.push_str("</ul>\n");
    }
    for part in ["allOf", "anyOf", "oneOf"] {
        for form in schema[part].as_array().into_iter().flatten().filter(|f| f.get("properties").is_some()) {
            write_schema(out, form);
        }
    }
}

/// A schema in a few words, with links to what it names.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
        return format!("<a href=\"#{}\">{}</a>", anchor(name), escaped(name));
    }
    if let Some(value) = schema.get("const") {
        return format!("<code>{}</code>", escaped(&plain(value)));
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|v| format!("<code>{}</code>", escaped(&plain(v)))).collect::<Vec<_>>().join(", ");
    }
    for part in ["anyOf", "oneOf", "allOf"] {
        if let Some(forms) = schema[part].as_array() {
            return forms.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    let one = |name: &str| match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" => match schema.get("additionalProperties") {
            Some(Value::Object(values)) if !values.is_empty() => {
                format!("object of {}", kind(&Value::Object(values.clone())))
            }
            _ => "object".to_owned(),
        },
        "string" => match schema["format"].as_str() {
            Some("date-time") => "time".to_owned(),
            _ => "text".to_owned(),
        },
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(name) => one(name),
        Value::Array(names) => names.iter().map(|n| one(text(n))).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

fn media_of((media, content): (&str, &Value)) -> String {
    match content.get("schema") {
        Some(schema) => kind(schema),
        None => format!("<code>{}</code>", escaped(media)),
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

fn first(value: &Value) -> Option<(&str, &Value)> {
    entries(value).next()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn anchor(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '.' { c } else { '-' };
    format!("schema-{}", name.chars().map(plain).collect::<String>())
}

/// Text with `code` in it.
fn marked(text: &str) -> String {
    let mut parts = text.split('`');
    let mut out = escaped(parts.next().unwrap_or_default());
    for (n, part) in parts.enumerate() {
        out.push_str(if n % 2 == 0 { "<code>" } else { "</code>" });
        out.push_str(&escaped(part));
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
