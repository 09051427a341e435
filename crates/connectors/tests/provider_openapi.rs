//! Requests that our connectors build, and answers that our doubles give, held to the providers' own OpenAPI
//! documents. Those lie beside the repository (`../shared/contracts/specs`, or below `PASARELA_SHARED`) and
//! not in it; without them these tests say that they are skipped.

#![allow(clippy::print_stdout, reason = "what was held to what, and what was skipped, must be seen")]

use jiff::{SignedDuration, Timestamp};
use pasarela_connector::provision::{Applied, Survey, Wanted};
use pasarela_connector::{
    Answer, AuthStep, ConnectionConfig, Connector, Ctx, Manifest, Outcome, PollStep, Provider, Request, SimConfig,
    Simulator, Step, auth,
};
use pasarela_connectors::twenty::Twenty;
use pasarela_connectors::whatsapp::WhatsApp;
use pasarela_domain::Secret;
use serde_json::{Value, json};
use std::path::PathBuf;

#[path = "provider_openapi/generated.rs"]
mod generated;

/// A provider's document; `None`, and said so, where it is not there.
fn document(name: &str) -> Option<Value> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("PASARELA_SHARED").map_or(beside, PathBuf::from);
    let path = shared.join("contracts/specs").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("SKIPPED: {} is not there", path.display());
        return None;
    };
    let yaml = path.extension().is_some_and(|e| e == "yaml");
    Some(if yaml { serde_saphyr::from_str(&text).unwrap() } else { serde_json::from_str(&text).unwrap() })
}

/// A connector and its double, and everything that passed between them.
struct Pair {
    manifest: Manifest,
    connector: Box<dyn Connector>,
    double: Box<dyn Simulator>,
    now: Timestamp,
    passed: Vec<(Request, Answer)>,
}

impl Pair {
    fn new(provider: &dyn Provider, settings: Value, credentials: &[&str]) -> Self {
        let name = provider.manifest().name;
        let base_url = "https://provider.example".to_owned();
        let config = ConnectionConfig {
            base_url: Some(base_url.clone()),
            webhook_secrets: vec![Secret::new("secreto")],
            settings: settings.clone(),
            credentials: credentials.iter().map(|n| ((*n).to_owned(), Secret::new("ficha"))).collect(),
            ..ConnectionConfig::bare("uno", name)
        };
        let double = SimConfig { connection: "uno".into(), base_url, webhook_secret: "secreto".into(), settings };
        Self {
            manifest: provider.manifest().clone(),
            connector: provider.connect(config).unwrap(),
            double: provider.simulator(double).unwrap(),
            now: "2026-11-27T19:00:00Z".parse().unwrap(),
            passed: Vec::new(),
        }
    }

    fn call(&mut self, request: &Request) -> Answer {
        // Seconds apart: what the doubles limit is no matter here.
        self.now = self.now.checked_add(SignedDuration::from_secs(10)).unwrap();
        let mut sent = request.clone();
        let step = auth::begin(&self.manifest, &*self.connector, None, &self.ctx("login"));
        let AuthStep::Ready(auth) = step else { panic!("no credential") };
        for (name, value) in auth.headers {
            sent.headers.set(&name, value);
        }
        sent.url = sent.url.replacen("https://provider.example", "", 1);
        let answer = self.double.handle(&sent, self.now).answer;
        self.passed.push((request.clone(), answer.clone()));
        answer
    }

    fn ctx<'a>(&self, key: &'a str) -> Ctx<'a> {
        Ctx { now: self.now, key, attempt: 1 }
    }

    /// Does an action to its end.
    fn act(&mut self, action: &str, input: Value) -> Outcome {
        self.act_all(action, &[input]).remove(0)
    }

    /// Does an action for several inputs at once.
    fn act_all(&mut self, action: &str, inputs: &[Value]) -> Vec<Outcome> {
        let mut step = self.connector.begin(action, inputs, &self.ctx("eff_1"));
        loop {
            match step {
                Step::End(outcomes) => return outcomes,
                Step::Call(call) => {
                    let answer = self.call(&call.request);
                    step = self.connector.on(action, inputs, &call.state, &answer, &self.ctx("eff_1"));
                }
            }
        }
    }

    fn done(&mut self, action: &str, input: Value) -> Value {
        match self.act(action, input) {
            Outcome::Done(done) => done.result,
            other => panic!("{action}: {other:?}"),
        }
    }

    /// Reads a task once from the beginning.
    fn read(&mut self, task: &str) -> usize {
        let mut found = 0;
        let (mut cursor, mut last): (Option<Value>, Option<(Value, Answer)>) = (None, None);
        loop {
            let answer = last.as_ref().map(|(state, answer)| (state, answer));
            match self.connector.poll(task, cursor.as_ref(), answer, &self.ctx("read")) {
                PollStep::Call { request, state } => {
                    let answer = self.call(&request);
                    last = Some((state, answer));
                }
                PollStep::Page { records, cursor: next, more } => {
                    found += records.len();
                    (cursor, last) = (Some(next), None);
                    if !more {
                        return found;
                    }
                }
                PollStep::Failed(why) => panic!("{task}: {why:?}"),
            }
        }
    }
}

/// Errors of `value` by a schema of the document.
fn errors(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [schema], "components": document["components"],
    });
    let validator = jsonschema::validator_for(&whole).unwrap();
    validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

/// The operation that a request is for: the path with the most fixed segments that fits.
fn operation<'a>(document: &'a Value, prefix: &str, request: &Request) -> Option<(String, &'a Value)> {
    let url = request.url.strip_prefix("https://provider.example")?.strip_prefix(prefix)?;
    let path: Vec<&str> = url.split('?').next()?.split('/').collect();
    let fits = |template: &str| {
        let segments: Vec<&str> = template.split('/').collect();
        let same = segments.len() == path.len()
            && segments.iter().zip(&path).all(|(s, p)| s == p || (s.starts_with('{') && !p.is_empty()));
        same.then(|| segments.iter().filter(|s| !s.starts_with('{')).count())
    };
    let method = request.method.to_lowercase();
    let paths = document["paths"].as_object()?.iter();
    let fitting = paths.filter(|(_, methods)| methods.get(&method).is_some());
    let (template, methods) =
        fitting.filter_map(|(t, m)| Some((fits(t)?, t, m))).max_by_key(|(fixed, ..)| *fixed).map(|(_, t, m)| (t, m))?;
    Some((template.clone(), &methods[&method]))
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str().and_then(|r| r.strip_prefix('#')).and_then(|p| document.pointer(p)) {
        Some(there) => there,
        None => value,
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_nulls(v))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// Have both the same fields, with values of the same kinds?
fn same_form(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same_form(v, w)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_form(a, b)),
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

/// Meta's document closes the parts of its messages one by one (`additionalProperties: false` in each member of an
/// `allOf`), so that nothing fits the whole, not even its own examples. Here the whole is closed and not its parts.
fn mended(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for field in fields.values_mut() {
                *field = mended(field.take());
            }
            let mut closed = false;
            for part in fields.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
                closed |= part.as_object_mut().is_some_and(|p| p.remove("additionalProperties") == Some(json!(false)));
            }
            if closed {
                fields.insert("unevaluatedProperties".into(), json!(false));
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = mended(item.take());
            }
        }
        _ => {}
    }
    value
}

/// Holds everything that passed to the document, and returns the operations that were met.
fn judge(document: &Value, prefix: &str, passed: &[(Request, Answer)]) -> Vec<String> {
    let (mut met, mut wrong) = (Vec::new(), Vec::new());
    for (request, answer) in passed {
        let at = format!("{} {}", request.method, request.url);
        let Some((template, operation)) = operation(document, prefix, request) else {
            wrong.push(format!("{at}: the document has no such operation"));
            continue;
        };
        let media = |content: &Value| content["content"]["application/json"]["schema"].clone();
        let schema = media(resolved(document, &operation["requestBody"]));
        if request.body.is_empty() {
            let must = operation["requestBody"]["required"] == true;
            if must {
                wrong.push(format!("{at}: a body is required"));
            }
        } else if schema.is_null() {
            wrong.push(format!("{at}: the document knows no body here"));
        } else {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let found = errors(document, &schema, &body);
            // What the document tells by an example alone has the example's form.
            let content = &resolved(document, &operation["requestBody"])["content"]["application/json"];
            let examples = content["examples"].as_object().into_iter().flatten();
            let as_told = examples.map(|(_, e)| &e["value"]).any(|example| same_form(example, &body));
            if !as_told {
                wrong.extend(found.iter().map(|e| format!("{at} takes otherwise: {e}\n{body}")));
            }
        }
        // Parameters that the document does not know.
        let known: Vec<&str> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|p| resolved(document, p))
            .filter(|p| p["in"] == "query")
            .filter_map(|p| p["name"].as_str())
            .collect();
        let query = request.url.split_once('?').map_or("", |(_, q)| q);
        for (name, _) in pasarela_connector::query_pairs(query) {
            if !known.contains(&name.as_str()) {
                wrong.push(format!("{at}: the document knows no parameter '{name}' (it knows {known:?})"));
            }
        }
        // Answers, where the document says what they look like.
        let response = resolved(document, &operation["responses"][answer.status.to_string()]);
        let schema = media(response);
        if !schema.is_null() && !answer.body.is_empty() {
            // Which fields may be null no document here says; recordings of real servers have nulls in them.
            let body: Value = without_nulls(answer.parse().unwrap());
            let found = errors(document, &schema, &body);
            wrong.extend(found.iter().map(|e| format!("{at} answers otherwise: {e}\n{body}")));
        }
        met.push(format!("{} {template}", request.method));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), passed.len(), wrong.join("\n"));
    met.sort();
    met.dedup();
    met
}

#[test]
fn twenty_is_spoken_to_as_its_own_document_says() {
    let Some(document) = document("twenty-core.openapi.json") else { return };
    let mut pair = Pair::new(&Twenty, json!({}), &["api_key"]);
    let person = pair.done(
        "upsert_person",
        json!({ "email": "luz.ospina@example.com", "phone": "+573001112233", "first_name": "Luz Marina",
            "last_name": "Ospina Vélez", "job_title": "Compradora" }),
    );
    pair.done("upsert_person", json!({ "key": "guest-7", "name": "Camila Restrepo Gil", "phone": "+573009998877" }));
    pair.done("find_person", json!({ "email": "luz.ospina@example.com" }));
    pair.done("find_person", json!({ "phone": "+573001112233" }));
    pair.done("add_note", json!({ "person_id": person["id"], "title": "Compra O-1", "markdown": "Dos boletas." }));
    pair.done(
        "upsert_opportunity",
        json!({ "key": "deal-1", "name": "Patrocinio Aurora", "stage": "NEW",
            "amount": { "minor": 250_000_000, "currency": "COP" }, "person_id": person["id"] }),
    );
    // Known by id, adopted, several at once, and each way of deleting.
    pair.done("upsert_person", json!({ "id": person["id"], "job_title": "Jefa de compras" }));
    pair.done("upsert_person", json!({ "key": "per_1", "email": "luz.ospina@example.com", "only_new": true }));
    let several = [json!({ "key": "a", "name": "Ana Ruiz" }), json!({ "key": "b", "email": "b@example.com" })];
    assert!(pair.act_all("upsert_person", &several).iter().all(|o| o.name() == "done"));
    pair.done("add_task", json!({ "person_id": person["id"], "title": "Llamar", "due": "2026-12-01", "assignee": "camila.torres@fashionistas.example.co" }));
    pair.done(
        "upsert_record",
        json!({ "object": "company", "key": "com_1", "name": "Telares", "domain": "telares.example.co", "fields": { "address": { "city": "Medellín" } } }),
    );
    pair.done(
        "upsert_record",
        json!({ "object": "opportunity", "key": "deal-2", "name": "Patrocinio Dos", "fields": { "stage": "NEW", "closeDate": "2027-02-28" },
            "links": { "pointOfContact": { "email": "luz.ospina@example.com" }, "company": { "domain": "telares.example.co" } } }),
    );
    pair.done("find_record", json!({ "object": "company", "key": "com_1" }));
    pair.done("move_deal", json!({ "key": "deal-2", "from": ["NEW"], "to": "MEETING" }));
    pair.done("move_deal", json!({ "person_id": person["id"], "to": "PROPOSAL" }));
    for action in ["delete_person", "restore_person", "destroy_person"] {
        pair.done(action, json!({ "id": person["id"] }));
    }
    // The fashion model's objects are not in the document of a fresh workspace.
    let standard = ["people", "companies", "opportunities"];
    for task in Twenty.manifest().tasks.iter().map(|t| t.name).filter(|t| standard.contains(t)) {
        pair.read(task);
    }
    let probe = pair.connector.probe().unwrap();
    pair.call(&probe);
    let met = judge(&document, "/rest", &pair.passed);
    println!("{} requests, {} operations of Twenty's document: {}", pair.passed.len(), met.len(), met.join(", "));
    assert!(met.len() >= 18, "{met:?}");
}

/// The schema's API is described apart. What was recorded from the server that printed the document is right where
/// they differ, and is mended here: choices of one word, a filter's value, and parameters of lists.
#[test]
fn twentys_schema_is_spoken_to_as_its_own_document_says() {
    let Some(mut document) = document("twenty-metadata.openapi.json") else { return };
    for schema in ["Field", "FieldForUpdate", "FieldForResponse"] {
        let value = format!("/components/schemas/{schema}/properties/options/items/properties/value");
        document.pointer_mut(&value).unwrap()["pattern"] = json!("^[A-Z0-9_]+$");
    }
    for schema in ["ViewFilter", "ViewFilterForResponse"] {
        document["components"]["schemas"][schema]["properties"]["value"] = json!({ "type": ["object", "array"] });
    }
    for (path, name) in [("/views", "objectMetadataId"), ("/viewFields", "viewId"), ("/viewFilters", "viewId")] {
        let parameters = document["paths"][path]["get"]["parameters"].as_array_mut().unwrap();
        parameters.push(json!({ "in": "query", "name": name }));
    }
    let mut pair = Pair::new(&Twenty, json!({}), &["api_key"]);
    let wanted = Wanted { hook: Some("https://hub.example/hooks/uno") };
    for run in 0..2 {
        let mut last: Option<(Value, Answer)> = None;
        let mut seen = loop {
            let given = last.as_ref().map(|(state, answer)| (state, answer));
            match pair.connector.provisioner().unwrap().survey(&wanted, None, given, &pair.ctx("plan")) {
                Survey::Call { request, state } => last = Some((state, pair.call(&request))),
                Survey::Seen(seen) => break seen,
                Survey::Failed(why) => panic!("{why:?}"),
            }
        };
        let mut done = 0;
        loop {
            let model = pair.connector.provisioner().unwrap();
            let plan = model.plan(&wanted, &seen);
            let next = plan.todo().find_map(|s| Some((s.id.clone(), model.request(&wanted, &seen, &s.id)?)));
            let Some((step, request)) = next else { break };
            let answer = pair.call(&request);
            let model = pair.connector.provisioner().unwrap();
            match model.judge(&wanted, &seen, &step, &answer, &pair.ctx("plan")) {
                Applied::Done { seen: now } => seen = now,
                other => panic!("{step}: {other:?}"),
            }
            done += 1;
        }
        assert_eq!(done > 80, run == 0, "{done} steps in run {run}");
    }
    let met = judge(&document, "/rest/metadata", &pair.passed);
    println!("{} requests, {} operations of Twenty's document: {}", pair.passed.len(), met.len(), met.join(", "));
    assert!(met.len() >= 11, "{met:?}");
}

#[test]
fn whatsapp_is_spoken_to_as_metas_own_document_says() {
    let Some(document) = document("whatsapp-business-messaging.openapi.yaml") else { return };
    let mut document = mended(document);
    // The hub's own key, of which Meta's pages tell and this document does not.
    document["components"]["schemas"]["BaseMessageProperties"]["properties"]["biz_opaque_callback_data"] =
        json!({ "type": "string", "maxLength": 512 });
    // Required by the schema, left out by most of the document's own examples.
    document["components"]["schemas"]["LanguageObject"]["required"] = json!(["code"]);
    let messages = document["paths"]["/{Version}/{Phone-Number-ID}/messages"]["post"].clone();
    let content = &messages["requestBody"]["content"]["application/json"];
    let examples = content["examples"].as_object().unwrap();
    let fitting = examples.values().filter(|e| errors(&document, &content["schema"], &e["value"]).is_empty()).count();
    assert!(fitting * 2 > examples.len(), "only {fitting} of {} of the document's own examples fit it", examples.len());
    let settings = json!({ "phone_number_id": "106540352242922", "waba_id": "102290129340398" });
    let mut pair = Pair::new(&WhatsApp, settings, &["access_token"]);
    let template = json!({ "name": "boleta_confirmada", "language": "es_CO", "category": "UTILITY",
        "body": "Hola {{1}}, tu boleta para {{2}} está lista." });
    pair.double.act("define_template", &template, pair.now).unwrap();
    pair.done(
        "send_template",
        json!({ "to": "+573001112233", "template": "boleta_confirmada", "language": "es", "params": ["Luz", "Aurora"] }),
    );
    let say = json!({ "phone": "+573001112233", "text": "¿Dónde es?" });
    let said = pair.double.act("say", &say, pair.now).unwrap();
    let id: Value = said.answer.parse().unwrap();
    let id = id["id"].as_str().or_else(|| id["message_id"].as_str()).unwrap_or_else(|| panic!("{id}")).to_owned();
    pair.done("send_text", json!({ "to": "+573001112233", "text": "En la Plaza Mayor.", "reply_to": id }));
    pair.done("mark_read", json!({ "message_id": id, "typing": true }));
    let probe = pair.connector.probe().unwrap();
    pair.call(&probe);
    let met = judge(&document, "", &pair.passed);
    println!("{} requests, {} operations of Meta's document: {}", pair.passed.len(), met.len(), met.join(", "));
    assert!(met.len() >= 2, "{met:?}");
}

/// The judge itself: what the document does not allow is seen.
#[test]
fn what_a_document_does_not_allow_is_seen() {
    let document = json!({
        "paths": { "/things/{id}": { "post": {
            "parameters": [{ "in": "query", "name": "upsert" }],
            "requestBody": { "required": true, "content": { "application/json": { "schema": {
                "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } } } } } },
            "responses": { "200": { "content": { "application/json": { "schema": { "type": "object" } } } } } } } },
        "components": {},
    });
    let request = |path: &str, body: Value| Request::new("POST", format!("https://provider.example{path}")).json(&body);
    let judged = |request: Request, answer: Value| {
        std::panic::catch_unwind(|| judge(&document, "", &[(request, Answer::json(200, &answer))])).is_ok()
    };
    assert!(judged(request("/things/7?upsert=true", json!({ "name": "x" })), json!({})));
    assert!(!judged(request("/things/7?upsert=true", json!({ "name": 7 })), json!({})), "another type");
    assert!(!judged(request("/things/7?insert=true", json!({ "name": "x" })), json!({})), "another parameter");
    assert!(!judged(request("/thing/7", json!({ "name": "x" })), json!({})), "another path");
    assert!(!judged(request("/things/7", json!({ "name": "x" })), json!([])), "another answer");
}
