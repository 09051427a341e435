//! The OpenAPI 3.1 document: made of what each route says of itself ([`crate::routes`]), of the types
//! that handlers take and answer, and of the manifests' actions. Nothing of it is written twice.

mod actions;

use crate::policy::{Gate, Scope};
use crate::routes::{Content, Operation, Shape};
use pasarela_connector::Manifest;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

const SCHEMAS: &str = "#/components/schemas/";

/// An error as RFC 9457 has it.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used; problems are written by `problem`")]
struct Problem {
    /// Address of the page that explains the code.
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    /// Stable: programs may tell errors apart by it.
    code: String,
    /// What is wrong here, and what to do.
    detail: String,
}

/// The document of the public listener, with the actions of `providers`.
#[must_use]
pub fn openapi(providers: &[&Manifest]) -> Value {
    let mut writer = Writer::new();
    let problem = writer.answers.subschema_for::<Problem>();
    let mut paths = Map::new();
    let mut tags: Vec<String> = Vec::new();
    for operation in crate::public_routes().into_operations() {
        let tag = tag_of(&operation.path);
        if !tags.contains(&tag) {
            tags.push(tag.clone());
        }
        let path = operation.path.replace("{*", "{");
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        let described = writer.operation(&operation, &tag, &problem);
        entry[operation.method] = described;
    }
    let mut schemas = writer.into_schemas();
    let actions = actions::write(providers, &mut schemas);
    schemas.sort_keys();
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Pasarela",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The integration hub of Fashionistas.",
            "description": "Lists are newest first and answer `{\"data\": [...], \"next_cursor\": null | \"...\"}`: give the cursor back to read on. Errors are problem details (RFC 9457) with a stable `code`. Keys are made by `pasarela keys create NAME --scopes read,write`; `read` allows GET, `write` the rest.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags.iter().map(|t| json!({ "name": t })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "An API key, `psk_...`." },
            },
        },
        "x-actions": actions,
    })
}

/// `alarms` of `/api/v1/alarms`; `hub` for what is not below it.
fn tag_of(path: &str) -> String {
    match path.strip_prefix("/api/v1") {
        Some("") => "index".into(),
        Some(rest) => match rest.split('/').nth(1) {
            Some(segment) if !segment.starts_with('{') => segment.into(),
            _ => "pauses".into(),
        },
        None if path.starts_with("/hooks") => "hooks".into(),
        None if path.starts_with("/docs") || path == "/openapi.json" => "docs".into(),
        None if ["/healthz", "/readyz", "/metrics"].contains(&path) => "health".into(),
        None => "pages".into(),
    }
}

/// A stable name for generated clients: `getEventsByIdStory`.
fn operation_id(method: &str, path: &str) -> String {
    let below = path.strip_prefix("/api/v1").unwrap_or(path);
    let mut id = method.to_owned();
    for segment in below.split(['/', '-', '.']).filter(|s| !s.is_empty()) {
        let (by, word) = match segment.strip_prefix('{') {
            Some(name) => ("By", name.trim_matches(|c| c == '}' || c == '*')),
            None => ("", segment),
        };
        id.push_str(by);
        let mut letters = word.chars();
        id.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        id.push_str(letters.as_str());
    }
    id
}

/// Writes schemas as they are first needed. What is taken and what is answered differ in what must be
/// there, so each has its own generator.
struct Writer {
    takes: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Writer {
    fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|s| {
            s.definitions_path = "/components/schemas".into();
            s.meta_schema = None;
            s.transforms.push(Box::new(RecursiveTransform(tidy)));
        });
        Self {
            takes: settings.clone().for_deserialize().into_generator(),
            answers: settings.for_serialize().into_generator(),
        }
    }

    fn operation(&mut self, o: &Operation, tag: &str, problem: &Schema) -> Value {
        let keyed = matches!(o.gate, Gate::May(..) | Gate::Known(_));
        let mut parameters: Vec<Value> = o
            .path
            .split('/')
            .filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| {
                let name = name.trim_start_matches('*');
                json!({ "name": name, "in": "path", "required": true, "schema": in_path(&o.path, name) })
            })
            .collect();
        if let Some(query) = o.query {
            parameters.extend(self.query(query));
        }
        if keyed && o.method == "post" {
            parameters.push(json!({
                "name": "Idempotency-Key", "in": "header", "required": false,
                "description": "A request that comes again with its key is done once and answered the same, for a day.",
                "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
            }));
        }
        let mut described = json!({
            "tags": [tag], "operationId": operation_id(o.method, &o.path), "summary": o.summary,
        });
        if !o.about.is_empty() {
            described["description"] = json!(o.about);
        }
        described["security"] = match o.gate {
            Gate::May(action, resource) => {
                let scope = Scope::needed(resource, action).map(|s| s.to_string());
                json!([{ "key": scope.into_iter().collect::<Vec<_>>() }])
            }
            Gate::Known(_) => json!([{ "key": [] }]),
            Gate::Open(_) | Gate::Signed | Gate::Pass => json!([]),
        };
        let changes = o.over || (o.versioned && o.problems.contains(&412));
        if changes {
            parameters.push(json!({
                "name": "If-Match", "in": "header", "required": false,
                "description": "The `ETag` that was read: 412 when somebody else wrote since.",
                "schema": { "type": "string" },
            }));
        }
        if !parameters.is_empty() {
            described["parameters"] = json!(parameters);
        }
        if let Some(body) = &o.body {
            described["requestBody"] = json!({ "required": body.required, "content": content(&mut self.takes, body) });
        }
        let mut answers = Map::new();
        let ok = match &o.answer {
            Some(answer) => json!({ "description": o.summary, "content": content(&mut self.answers, answer) }),
            None => json!({ "description": o.summary }),
        };
        let ok = if o.versioned {
            let about = "Its version, for `If-Match`.";
            let tag = json!({ "ETag": { "description": about, "schema": { "type": "string" } } });
            json!({ "description": o.summary, "headers": tag, "content": ok["content"] })
        } else {
            ok
        };
        if o.path == "/readyz" {
            answers.insert("503".into(), json!({ "description": "It cannot", "content": ok["content"] }));
        }
        for status in o.also {
            let leads = json!({ "description": "It leads elsewhere" });
            answers.insert(status.to_string(), if (300..400).contains(status) { leads } else { ok.clone() });
        }
        answers.insert(o.status.to_string(), ok);
        // A change may also come again under its key, or be no JSON.
        let of_all: &[u16] = match (keyed, o.method) {
            (true, "post") => &[400, 401, 403, 406, 408, 409, 413, 415, 422, 429, 503],
            (true, _) => &[400, 401, 403, 406, 429, 503],
            (false, _) => &[],
        };
        for status in of_all.iter().chain(o.problems) {
            answers.entry(status.to_string()).or_insert_with(|| {
                json!({
                    "description": meaning(*status),
                    "content": { "application/problem+json": { "schema": problem } },
                })
            });
        }
        answers.sort_keys();
        described["responses"] = Value::Object(answers);
        described
    }

    /// The fields of a filter as parameters.
    fn query(&mut self, shape: Shape) -> Vec<Value> {
        // Written in place: a filter is no type of its own for whoever reads the document.
        let reference = shape(&mut self.takes);
        let name = reference.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix(SCHEMAS));
        let filter = match name {
            Some(name) => self.takes.definitions_mut().remove(name).unwrap_or_default(),
            None => Value::from(reference),
        };
        let fields = filter["properties"].as_object().cloned().unwrap_or_default();
        let required: Vec<String> = serde_json::from_value(filter["required"].clone()).unwrap_or_default();
        let parameter = |(name, mut schema): (String, Value)| {
            let about = schema.as_object_mut().and_then(|s| s.remove("description"));
            let about = about.unwrap_or_else(|| match name.as_str() {
                "limit" => json!("At most so many: 1 to 200, 50 when it is left out."),
                "cursor" => json!("`next_cursor` of the page before."),
                _ => Value::Null,
            });
            let mut schema = without_null(schema);
            if let Some(fields) = schema.as_object_mut() {
                match name.as_str() {
                    "limit" => fields.extend([("minimum".into(), json!(1)), ("maximum".into(), json!(200))]),
                    // One that is another kind of place says so itself.
                    "cursor" if !fields.contains_key("pattern") => fields.extend([("pattern".into(), json!(CURSOR))]),
                    _ => {}
                }
            }
            let must = required.contains(&name);
            let mut parameter = json!({ "name": name, "in": "query", "required": must, "schema": schema });
            if !about.is_null() {
                parameter["description"] = about;
            }
            parameter
        };
        fields.into_iter().map(parameter).collect()
    }

    fn into_schemas(mut self) -> Map<String, Value> {
        let mut schemas = self.takes.take_definitions(true);
        schemas.extend(self.answers.take_definitions(true));
        schemas
    }
}

fn content(generator: &mut SchemaGenerator, content: &Content) -> Value {
    let schema = content.shape.map(|shape| shape(generator));
    json!({ content.media: match schema { Some(schema) => json!({ "schema": schema }), None => json!({}) } })
}

/// As `api::list` writes them: a number in base 36.
pub(crate) const CURSOR: &str = "^c([0-9a-z]{1,12}|1[0-9a-x][0-9a-z]{11})$";

/// What may stand in a path.
fn in_path(path: &str, name: &str) -> Value {
    let kind = path.strip_prefix("/api/v1/").and_then(|p| p.split('/').next()).unwrap_or_default();
    let id = match (name, kind) {
        ("kind", _) => return json!({ "type": "string", "enum": ["connections", "flows", "classes"] }),
        ("seq", _) => return json!({ "type": "integer", "format": "int64" }),
        ("id", "events") => "evt",
        ("id", "deliveries") => "del",
        ("id", "runs") => "run",
        ("id", "effects" | "messages") => "eff",
        ("id", "dead-letters") => "(eff|del)",
        _ => return json!({ "type": "string" }),
    };
    json!({ "type": "string", "pattern": format!("^{id}_[0-7][0-9a-hjkmnp-tv-z]{{12}}$") })
}

/// A parameter that is left out is not null.
fn without_null(mut schema: Value) -> Value {
    if let Some(kinds) = schema.get_mut("type")
        && let Some([kind, null]) = kinds.as_array().map(Vec::as_slice)
        && null == "null"
    {
        *kinds = kind.clone();
    }
    if let Some([only, null]) = schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice)
        && null["type"] == "null"
    {
        return only.clone();
    }
    schema
}

/// Formats of Rust's numbers say nothing to others.
fn tidy(schema: &mut Schema) {
    if schema.get("format").and_then(Value::as_str).is_some_and(|f| f.starts_with("uint") || f == "double") {
        schema.remove("format");
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request cannot be used",
        401 => "No key, an unknown one, or a signature that does not fit",
        403 => "The key does not allow this",
        404 => "There is no such thing",
        405 => "Another method is needed",
        406 => "Not in a form that the caller takes",
        408 => "The body came too slowly",
        409 => "Not possible in its present state",
        412 => "Somebody else changed it meanwhile",
        413 => "The body is too large",
        415 => "The body must be JSON",
        422 => "The key belongs to another request",
        429 => "Too many requests of this key: wait as `Retry-After` says",
        503 => "Too busy: try again after `Retry-After` seconds",
        _ => "A problem",
    }
}

/// Moves the definitions of a schema that stands alone among the document's own.
fn hoist(name: &str, schema: &Value, schemas: &mut Map<String, Value>) -> Value {
    let mut schema = schema.clone();
    let own = schema.as_object_mut().and_then(|s| {
        s.remove("$schema");
        s.remove("$defs")
    });
    let prefix = format!("{SCHEMAS}{name}.");
    let rename = |value: &mut Value| {
        if let Ok(whole) = <&mut Schema>::try_from(&mut *value) {
            RecursiveTransform(|s: &mut Schema| {
                let moved = s.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
                if let Some(moved) = moved.map(|m| format!("{prefix}{m}")) {
                    s.insert("$ref".into(), moved.into());
                }
            })
            .transform(whole);
        }
    };
    rename(&mut schema);
    for (inner, mut value) in own.as_ref().and_then(Value::as_object).cloned().into_iter().flatten() {
        rename(&mut value);
        schemas.insert(format!("{name}.{inner}"), value);
    }
    schemas.insert(name.to_owned(), schema);
    json!({ "$ref": format!("{SCHEMAS}{name}") })
}
