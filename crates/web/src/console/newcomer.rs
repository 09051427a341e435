//! `/conexiones/nueva`: the form of a new connection, made of its provider's manifest. It checks what was
//! written as `pasarela check` does, and shows the table for `pasarela.toml`.
//!
//! No secret is asked for: the table names the variables that will hold them. Nothing is changed here, so
//! the form is a plain question in the address, and whoever may only look may use it.

use super::guard::Visit;
use super::page::{Frame, html};
use super::words::Words;
use crate::App;
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use pasarela_connector::{ConnectionConfig, Environment, Manifest, Provider, Verification, check_address, check_name};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Longest answer to a question of the form.
const LONGEST: usize = 500;

/// A provider to choose.
struct Choice {
    name: &'static str,
    title: &'static str,
    chosen: bool,
}

/// How a setting is asked for.
enum Ask {
    Text,
    Number,
    /// One of these.
    OneOf(Vec<String>),
    /// As TOML writes it.
    Toml,
}

impl Ask {
    fn options(&self) -> &[String] {
        if let Self::OneOf(options) = self { options } else { &[] }
    }
}

/// A setting of the provider.
struct Field {
    name: String,
    help: String,
    ask: Ask,
    value: String,
}

/// A secret, and the variable that will hold it.
struct SecretField {
    name: &'static str,
    help: &'static str,
    /// It is in the table.
    has: bool,
}

#[derive(Template)]
#[template(path = "console/conexion-nueva.html")]
struct NewPage {
    frame: Frame,
    choices: Vec<Choice>,
    form: Option<Form>,
}

struct Form {
    provider: &'static str,
    docs: &'static str,
    name: String,
    base_url: String,
    /// Where it is called when nothing is said.
    default_url: &'static str,
    live: bool,
    hears: bool,
    fields: Vec<Field>,
    secrets: Vec<SecretField>,
    found: Option<Found>,
}

/// What the check came to.
enum Found {
    /// In the visitor's language.
    Wrong(String),
    /// The connector's own words.
    Refused(String),
    Right {
        table: String,
        variables: String,
        hook: Option<String>,
    },
}

pub(super) async fn show(State(app): State<App>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let asked: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.trim().chars().take(LONGEST).collect()))
        .collect();
    let providers = app.described.providers();
    let chosen = asked.get("proveedor").and_then(|name| providers.iter().find(|p| p.manifest().name == name));
    let choices = providers.iter().map(|p| {
        let manifest = p.manifest();
        let chosen = chosen.is_some_and(|c| c.manifest().name == manifest.name);
        Choice { name: manifest.name, title: manifest.title, chosen }
    });
    let choices = choices.collect();
    let form = chosen.map(|p| form(&app, visit.w, &**p, &asked));
    let frame = Frame::new(&app, &visit, "newcomer.title", "connections").await;
    html(&NewPage { frame, choices, form })
}

fn form(app: &App, w: Words, provider: &dyn Provider, asked: &BTreeMap<String, String>) -> Form {
    let manifest = provider.manifest();
    let answer = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let sent = asked.contains_key("revisar");
    let fields: Vec<Field> = fields(manifest, &answer);
    let secrets: Vec<SecretField> = manifest
        .credentials
        .iter()
        .map(|c| {
            let has = if sent { asked.contains_key(&format!("secreto.{}", c.name)) } else { c.required };
            SecretField { name: c.name, help: c.help, has }
        })
        .collect();
    let mut form = Form {
        provider: manifest.name,
        docs: manifest.docs,
        name: if sent { answer("nombre") } else { manifest.name.to_owned() },
        base_url: answer("direccion"),
        default_url: manifest.default_base_url.unwrap_or_default(),
        live: answer("ambiente") == "live",
        hears: manifest.verification != Verification::NoInbound,
        fields,
        secrets,
        found: None,
    };
    if sent {
        form.found = Some(check(app, w, provider, &form).unwrap_or_else(Found::Wrong));
    }
    form
}

/// Questions for the settings of a provider, by their schema.
fn fields(manifest: &Manifest, answer: &dyn Fn(&str) -> String) -> Vec<Field> {
    let schema = manifest.settings.as_value();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, property)| Field {
            name: name.clone(),
            help: property["description"].as_str().unwrap_or_default().to_owned(),
            ask: ask(property),
            value: answer(&format!("ajuste.{name}")),
        })
        .collect()
}

fn ask(property: &Value) -> Ask {
    // `null` beside it: it may be left out, which everything may here.
    let kinds: Vec<&str> = match &property["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|k| *k != "null").collect(),
        _ => Vec::new(),
    };
    if let Some(options) = property["enum"].as_array() {
        return Ask::OneOf(options.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    match kinds[..] {
        ["string"] => Ask::Text,
        ["integer" | "number"] => Ask::Number,
        ["boolean"] => Ask::OneOf(vec!["true".to_owned(), "false".to_owned()]),
        _ => Ask::Toml,
    }
}

/// Checks the answers as the hub does at its start, and writes the table. What is wrong, in words.
fn check(app: &App, w: Words, provider: &dyn Provider, form: &Form) -> Result<Found, String> {
    let name = form.name.as_str();
    if name == pasarela_engine::LEDGER || check_name(name).is_err() {
        return Err(w.t("newcomer.bad_name").to_owned());
    }
    if app.engine.has_connection(name) {
        return Err(w.with("newcomer.taken", name));
    }
    let environment = if form.live { Environment::Live } else { Environment::Sandbox };
    if !form.base_url.is_empty()
        && let Err(why) = check_address("base_url", &form.base_url, provider.schemes(), environment, false)
    {
        return Ok(Found::Refused(why));
    }
    let mut settings = toml::Table::new();
    for field in form.fields.iter().filter(|f| !f.value.is_empty()) {
        let value = setting(field).ok_or_else(|| w.with("newcomer.bad_value", &field.name))?;
        settings.insert(field.name.clone(), value);
    }
    let given: Map<String, Value> = match serde_json::to_value(&settings) {
        Ok(Value::Object(given)) => given,
        _ => Map::new(),
    };
    let config = ConnectionConfig {
        base_url: (!form.base_url.is_empty()).then(|| form.base_url.clone()),
        environment,
        settings: Value::Object(given),
        ..ConnectionConfig::bare(name, form.provider)
    };
    match provider.connect(config) {
        Ok(_) => Ok(write(form, settings)),
        Err(e) => Ok(Found::Refused(e.message)),
    }
}

/// A setting as TOML has it; `None`: it is not of its kind.
fn setting(field: &Field) -> Option<toml::Value> {
    let as_toml = || {
        let mut one = format!("v = {}", field.value).parse::<toml::Table>().ok().filter(|t| t.len() == 1)?;
        one.remove("v")
    };
    match &field.ask {
        Ask::Text => Some(toml::Value::String(field.value.clone())),
        Ask::OneOf(options) if options.iter().any(|o| o == "true") => {
            field.value.parse().ok().map(toml::Value::Boolean)
        }
        Ask::OneOf(_) => Some(toml::Value::String(field.value.clone())),
        Ask::Number => as_toml().filter(|v| v.is_integer() || v.is_float()),
        Ask::Toml => as_toml(),
    }
}

fn write(form: &Form, settings: toml::Table) -> Found {
    let stem: String = form.name.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_uppercase() }).collect();
    let mut variables = Vec::new();
    let mut variable = |secret: &str| {
        let name = format!("{stem}_{}", secret.to_ascii_uppercase());
        variables.push(name.clone());
        toml::Value::String(format!("env:{name}"))
    };
    // In the order in which people read it.
    let mut table: Vec<(String, toml::Value)> = vec![("provider".into(), form.provider.into())];
    if !form.base_url.is_empty() {
        table.push(("base_url".into(), form.base_url.clone().into()));
    }
    table.push(("environment".into(), if form.live { "live" } else { "sandbox" }.into()));
    if form.hears {
        table.push(("webhook_secrets".into(), toml::Value::Array(vec![variable("webhook_secret")])));
    }
    for secret in form.secrets.iter().filter(|s| s.has) {
        table.push((secret.name.into(), variable(secret.name)));
    }
    table.extend(settings);
    let lines: String = table.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    Found::Right {
        table: format!("[connections.{}]\n{lines}", form.name),
        variables: variables.join(", "),
        hook: form.hears.then(|| format!("/hooks/{}", form.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(ask: Ask, value: &str) -> Field {
        Field { name: "x".into(), help: String::new(), ask, value: value.into() }
    }

    #[test]
    fn a_setting_is_written_as_its_kind_and_nonsense_is_none() {
        let written = |ask, value: &str| setting(&field(ask, value)).map(|v| v.to_string());
        assert_eq!(written(Ask::Text, "a \"b\""), Some("'a \"b\"'".into()));
        assert_eq!(written(Ask::Number, "80"), Some("80".into()));
        assert_eq!(written(Ask::Number, "80 a minute"), None);
        assert_eq!(written(Ask::Number, "80\nmore = 1"), None, "one answer is one value");
        assert_eq!(written(ask(&json!({ "type": ["boolean", "null"] })), "true"), Some("true".into()));
        assert_eq!(written(ask(&json!({ "type": "boolean" })), "perhaps"), None);
        assert_eq!(written(Ask::Toml, "{ es = \"es_CO\" }"), Some("{ es = \"es_CO\" }".into()));
        assert_eq!(written(Ask::Toml, "{ es = "), None);
    }
}
