//! The tables.

use super::evidence;
use crate::config::{Config, schemas};
use crate::hub::{BUILT_IN, Plan, providers};
use axum::body::Body;
use http_body_util::BodyExt as _;
use pasarela_connector::{Action, Idempotency, Lane, Manifest, SettledBy, Verification};
use pasarela_domain::CANONICAL_EVENT_TYPES;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use tower::ServiceExt as _;

/// All tables, by the names of their markers.
pub(super) async fn all() -> BTreeMap<String, String> {
    let registry = providers();
    let manifests: Vec<&Manifest> = registry.iter().map(|p| p.manifest()).collect();
    let mut tables: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |name: &str, text: String| {
        tables.insert(name.to_owned(), text);
    };
    add("actions", actions(&manifests));
    add("events", events(&manifests));
    add("limits", limits(&manifests));
    add("verification", verification(&manifests));
    add("providers", provider_settings(&manifests));
    add("reconciliation", reconciliation(&manifests));
    add("flows", flows());
    add("alarms", alarms());
    add("routes", routes(&manifests));
    add("metrics", metrics().await);
    add("crates", crates());
    add("evidence", evidence::table(&manifests));
    let [whole, connection, brand] = schemas();
    for section in [
        "server",
        "console",
        "store",
        "audit",
        "retention",
        "market",
        "flows",
        "tickets",
        "sandbox",
        "webhooks",
        "people",
    ] {
        add(&format!("settings.{section}"), settings(&section_of(whole.as_value(), section)));
    }
    add("settings.connection", settings(connection.as_value()));
    add("settings.brand", settings(brand.as_value()));
    tables
}

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|c| c.replace('\n', " ").replace('|', "\\|")).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn codes<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(code).collect::<Vec<_>>().join(", ")
}

/// A length of time in its largest whole unit.
fn span(d: Duration) -> String {
    let ms = d.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")];
    let (unit, name) = units.into_iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit)).unwrap_or((1, "ms"));
    format!("{} {name}", ms / unit)
}

fn actions(manifests: &[&Manifest]) -> String {
    let rows = manifests.iter().flat_map(|m| m.actions.iter().map(move |a| (m, a)));
    table(
        &[
            "action",
            "what",
            "input (required ones first)",
            "when the answer is lost",
            "settled by",
            "lane",
            "tried for",
        ],
        rows.map(|(m, a)| {
            let settled = match a.settled_by {
                SettledBy::Answer => "answer".to_owned(),
                SettledBy::Status { timeout } => format!("status, within {}", span(timeout)),
            };
            let lane = match a.lane {
                Lane::FlowKey => "key of the flow".to_owned(),
                Lane::Input(pointer) => code(pointer),
                Lane::First(pointers) => pointers.iter().map(|p| code(p)).collect::<Vec<_>>().join(", else "),
                Lane::Connection => "the connection".to_owned(),
            };
            let lane = match a.lane_gap {
                Some(gap) => format!("{lane}, one in {}", span(gap)),
                None => lane,
            };
            let what = if a.message.is_some() {
                format!("{} (a message: needs a class)", a.title)
            } else {
                a.title.to_owned()
            };
            let batch = a.batch.map(|b| format!("; up to {} in one call", b.max)).unwrap_or_default();
            vec![
                code(&format!("{}.{}", m.name, a.name)),
                format!("{what}{batch}"),
                inputs(a),
                idempotency(a),
                settled,
                lane,
                span(a.give_up_after),
            ]
        }),
    )
}

fn inputs(action: &Action) -> String {
    let schema = action.input.as_value();
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let names = schema["properties"].as_object().into_iter().flat_map(|p| p.keys().map(String::as_str));
    let (must, may): (Vec<&str>, Vec<&str>) = names.partition(|n| required.contains(n));
    match (must.is_empty(), may.is_empty()) {
        (false, false) => format!("{}; {}", codes(must), codes(may)),
        (false, true) => codes(must),
        (true, false) => format!("none required; {}", codes(may)),
        (true, true) => "none".into(),
    }
}

fn idempotency(action: &Action) -> String {
    match action.idempotency {
        Idempotency::Native { valid_for } => format!("sent again, with a key that is known for {}", span(valid_for)),
        Idempotency::ClientId => "sent again: it changes nothing".into(),
        Idempotency::Readable { after } => format!("read back, {} after the call's longest life", span(after)),
        Idempotency::Correlated { within } => {
            format!("a status that carries our key is waited for {}, then `on_unknown`", span(within))
        }
        Idempotency::AtMostOnce => "`on_unknown` decides".into(),
    }
}

fn events(manifests: &[&Manifest]) -> String {
    let begun = built_in();
    table(
        &["event", "told by", "built-in flows that it begins"],
        CANONICAL_EVENT_TYPES.iter().map(|event| {
            let told = codes(manifests.iter().filter(|m| m.events.contains(event)).map(|m| m.name));
            let told = match (told.is_empty(), event.starts_with("connection.")) {
                (false, _) => told,
                (true, _) => "nobody yet".into(),
            };
            let flows = codes(begun.iter().filter(|f| on(f).contains(event)).map(|f| f["flow"].as_str().unwrap()));
            vec![code(event), told, flows]
        }),
    )
}

/// The built-in flows as the program reads them.
pub(super) fn built_in() -> Vec<Value> {
    let registry = providers();
    let named = registry.iter().map(|p| (p.manifest().name, p.clone()));
    let catalog = pasarela_engine::HubCatalog::new(named, registry.iter().cloned());
    let compile = |(file, text): &(&str, &str)| {
        pasarela_flows::compile(file, text, pasarela_flows::Origin::BuiltIn, &catalog).unwrap().outline()
    };
    BUILT_IN.iter().map(compile).collect()
}

fn on(flow: &Value) -> Vec<&str> {
    flow["on"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn flows() -> String {
    fn actions<'a>(steps: &'a Value, found: &mut Vec<&'a str>) {
        for step in steps.as_array().into_iter().flatten() {
            let name = step["do"].as_str();
            found.extend(name.filter(|n| !found.contains(n)));
            actions(&step["steps"], found);
            actions(&step["otherwise"], found);
        }
    }
    table(
        &["flow", "version", "title", "begins on", "does"],
        built_in().iter().map(|flow| {
            let mut does = Vec::new();
            actions(&flow["steps"], &mut does);
            let title = |l: &str| flow["title"][l].as_str().unwrap_or_default().to_owned();
            vec![
                code(flow["flow"].as_str().unwrap()),
                flow["version"].to_string(),
                format!("{} ({})", title("en"), title("es")),
                codes(on(flow)),
                codes(does),
            ]
        }),
    )
}

fn limits(manifests: &[&Manifest]) -> String {
    table(
        &["provider", "rate", "calls at the same time", "longest life of a call"],
        manifests.iter().map(|m| {
            let rate = m
                .limits
                .rate
                .map_or_else(|| "none".into(), |r| format!("one in {}, {} at once", span_of_rate(r.every), r.burst));
            vec![code(m.name), rate, m.limits.concurrency.to_string(), span(m.limits.timeout)]
        }),
    )
}

fn span_of_rate(d: Duration) -> String {
    let us = d.as_micros();
    if us.is_multiple_of(1000) { span(d) } else { format!("{:.1} ms", us as f64 / 1000.0) }
}

fn verification(manifests: &[&Manifest]) -> String {
    table(
        &["provider", "API as it is spoken", "ends", "how inbound calls prove who they are"],
        manifests.iter().map(|m| {
            let how = match m.verification {
                Verification::Hmac { header, recipe } => format!("{}: {recipe}", code(header)),
                Verification::PublicKey { header, recipe } => format!("{}: {recipe}", code(header)),
                Verification::Configured => "as the connection's `verify` says, which must be there".into(),
                Verification::NoInbound => "it sends nothing: any inbound call is refused".into(),
            };
            vec![
                format!("[{}]({})", m.title, m.docs),
                m.api.version.to_owned(),
                m.api.ends.unwrap_or("not announced").to_owned(),
                how,
            ]
        }),
    )
}

fn reconciliation(manifests: &[&Manifest]) -> String {
    table(
        &["provider", "read, and how often", "why not"],
        manifests.iter().map(|m| {
            let tasks: Vec<String> = m.tasks.iter().map(|t| format!("{} ({})", code(t.name), span(t.every))).collect();
            vec![code(m.name), tasks.join(", "), m.no_history.unwrap_or_default().to_owned()]
        }),
    )
}

fn provider_settings(manifests: &[&Manifest]) -> String {
    let mut out = String::new();
    for m in manifests {
        let credentials = m.credentials.iter().map(|c| {
            let kind = if c.required { "secret, for actions and reading" } else { "secret, may be left out" };
            vec![code(c.name), kind.to_owned(), c.help.to_owned()]
        });
        let fields = m.settings.as_value()["properties"].as_object().cloned().unwrap_or_default();
        let settings = fields.iter().map(|(name, schema)| {
            let default = match &schema["default"] {
                Value::Null => "setting".to_owned(),
                value => format!("setting, {}", code(&value.to_string())),
            };
            vec![code(name), default, schema["description"].as_str().unwrap_or_default().to_owned()]
        });
        let rows: Vec<Vec<String>> = credentials.chain(settings).collect();
        let _ = writeln!(out, "#### `{}`: {}\n", m.name, m.title);
        out.push_str(&table(&["key", "kind", "meaning"], rows));
        out.push('\n');
    }
    out
}

/// The schema of a section: defaults stand in the whole file's.
fn section_of(whole: &Value, section: &str) -> Value {
    let field = &whole["properties"][section];
    let name = field["$ref"].as_str().or_else(|| field["allOf"][0]["$ref"].as_str());
    let name = name.and_then(|r| r.rsplit('/').next()).unwrap_or_else(|| panic!("{section}: {field}"));
    whole["$defs"][name].clone()
}

fn settings(schema: &Value) -> String {
    let fields = schema["properties"].as_object().cloned().unwrap_or_default();
    table(
        &["key", "default", "meaning"],
        fields.iter().map(|(name, field)| {
            let default = match &field["default"] {
                Value::Null => String::new(),
                Value::String(text) if text.is_empty() => String::new(),
                value => code(&value.to_string()),
            };
            let meaning = field["description"].as_str().unwrap_or_else(|| panic!("{name} has no comment"));
            vec![code(name), default, meaning.to_owned()]
        }),
    )
}

fn alarms() -> String {
    table(
        &["alarm", "rings when", "what to do"],
        pasarela_web::alarms_explained().map(|(name, rings, todo)| vec![code(name), rings.into(), todo.into()]),
    )
}

fn routes(manifests: &[&Manifest]) -> String {
    let document = pasarela_web::openapi(manifests);
    let paths = document["paths"].as_object().unwrap().iter();
    let rows = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| {
            let security = operation["security"].as_array();
            let who = match security.and_then(|all| all.first()).map(|one| one["key"].as_array()) {
                None if path.starts_with("/hooks") => "signature".to_owned(),
                None => "anybody".to_owned(),
                Some(scopes) => {
                    let scope = scopes.and_then(|s| s.first()).and_then(Value::as_str);
                    scope.map_or_else(|| "any key".to_owned(), code)
                }
            };
            let summary = operation["summary"].as_str().unwrap_or_default();
            vec![format!("`{} {path}`", method.to_uppercase()), who, summary.to_owned()]
        })
    });
    table(&["route", "who may", "what"], rows)
}

/// As a hub that has just begun tells them: names and meanings are what it says of itself.
async fn metrics() -> String {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[store]\nurl = \"sqlite:{}\"\n", folder.path().join("hub.db").display());
    let plan = Plan::read(Config::parse(Path::new("p.toml"), &text, std::iter::empty()).unwrap()).unwrap();
    let store = plan.open_store().unwrap();
    let engine = plan.start(store, true).await.unwrap();
    let app = pasarela_web::App::new(engine.clone(), pasarela_web::Options::default());
    let request = axum::http::Request::get("/metrics").body(Body::empty()).unwrap();
    let body = app.public().oneshot(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    engine.stop(Duration::ZERO).await;
    let text = String::from_utf8(body.to_vec()).unwrap();
    let kinds: BTreeMap<&str, &str> = text.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let told = text.lines().filter_map(|l| l.strip_prefix("# HELP ")?.split_once(' '));
    table(
        &["metric", "kind", "meaning"],
        told.map(|(name, help)| vec![code(name), (*kinds.get(name).unwrap_or(&"")).to_owned(), help.to_owned()]),
    )
}

fn crates() -> String {
    table(
        &["crate", "what", "uses"],
        super::pictures::crates().into_iter().map(|(name, about, uses)| {
            vec![code(&name), about.trim_end_matches('.').to_owned(), codes(uses.iter().map(String::as_str))]
        }),
    )
}
