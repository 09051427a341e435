//! The API's document against the API itself: every route is in it, everything in it is there, and what
//! a running hub answers is what the document says, field by field.

#[path = "openapi/deeds.rs"]
mod deeds;
#[path = "openapi/gateway.rs"]
mod gateway;
#[path = "openapi/people.rs"]
mod people;
#[path = "console/seed.rs"]
#[expect(dead_code, reason = "the console's tests use all of it")]
mod seed;
#[path = "openapi/shows.rs"]
mod shows;
#[path = "openapi/walk.rs"]
mod walk;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use seed::{Hub, hub};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tower::ServiceExt as _;

fn document() -> Value {
    let registry = pasarela_connectors::registry();
    let manifests: Vec<_> = registry.iter().map(|p| p.manifest()).collect();
    pasarela_web::openapi(&manifests)
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(|(m, o)| (m.clone(), path.clone(), o.clone())).collect::<Vec<_>>()
        })
        .collect()
}

async fn call(hub: &Hub, method: &str, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
    let mut request = Request::builder().method(method.to_uppercase().as_str()).uri(path);
    if !key.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let response = hub.app.public().oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status();
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|t| t.to_str().unwrap().contains("json"));
    if !json {
        return (status, Value::Null);
    }
    let bytes = tokio::time::timeout(Duration::from_secs(5), response.into_body().collect()).await.unwrap().unwrap();
    (status, serde_json::from_slice(&bytes.to_bytes()).unwrap())
}

#[tokio::test]
async fn whatever_is_described_is_there() {
    let hub = hub(None).await;
    for (method, path, operation) in operations(&document()) {
        let filled =
            path.replace("{kind}", "flows").replace("{page}", "api").replace("{ticket}", "x").replace("{pass}", "x");
        let filled = filled
            .replace("{version}", "vigente")
            .replace("{connection}", "tienda")
            .replace("{id}", "x")
            .replace("{seq}", "1")
            .replace("{number}", "1")
            .replace("{secret}", "x")
            .replace("{name}", "x");
        assert!(!filled.contains('{'), "{path}: which value may stand here?");
        let (status, answer) = call(&hub, &method, &filled, &hub.key, &Value::Null).await;
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        let nothing = answer["detail"].as_str().is_some_and(|d| d.contains("nothing at this address"));
        assert!(!nothing, "{method} {path} is described and not there");
        if operation["security"] != json!([]) {
            let (status, problem) = call(&hub, &method, &filled, "", &Value::Null).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} is said to need a key");
            assert_eq!(problem["code"], "no_key");
        }
    }
}

/// Fields that the document does not name are an error here, so that it cannot fall behind.
fn strict(document: &Value) -> Value {
    let mut schemas = document["components"]["schemas"].clone();
    // What others extend with fields of their own stays open.
    let text = document.to_string();
    let mut extended = BTreeSet::new();
    fn look(value: &Value, extended: &mut BTreeSet<String>) {
        if let Value::Object(fields) = value {
            if let (Some(r), Some(_)) = (fields.get("$ref").and_then(Value::as_str), fields.get("properties")) {
                extended.insert(r.rsplit('/').next().unwrap().to_owned());
            }
            fields.values().for_each(|v| look(v, extended));
        } else if let Value::Array(items) = value {
            items.iter().for_each(|v| look(v, extended));
        }
    }
    look(&serde_json::from_str(&text).unwrap(), &mut extended);
    for (name, schema) in schemas.as_object_mut().unwrap() {
        let closed = schema.get("properties").is_some() && schema.get("additionalProperties").is_none();
        if closed && !extended.contains(name) {
            schema["additionalProperties"] = json!(false);
        }
    }
    schemas
}

fn check(document: &Value, schemas: &Value, operation: &Value, status: StatusCode, answer: &Value, at: &str) {
    let response = &operation["responses"][status.as_str()];
    assert!(response.is_object(), "{at} answered {status}, of which the document says nothing: {answer}");
    let content = response["content"].as_object().unwrap();
    let (media, content) = content.iter().next().unwrap();
    assert_eq!(media == "application/problem+json", status.is_client_error() || status.is_server_error(), "{at}");
    let mut schema = content["schema"].clone();
    schema["components"] = json!({ "schemas": schemas });
    schema["$schema"] = document["jsonSchemaDialect"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(answer).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(wrong.is_empty(), "{at}: {wrong:#?}\n{answer:#}");
}

/// A call of every route of the API: method, path as it is described, path, body. What changes something does.
type Call = (&'static str, &'static str, String, Value);

async fn calls(hub: &Hub) -> Vec<Call> {
    let (dead, unknown, told) = (hub.dead, hub.unknown, hub.told);
    let quarantined = {
        let (_, list) = call(hub, "get", "/api/v1/deliveries?status=quarantined", &hub.key, &Value::Null).await;
        list["data"][0]["id"].as_str().expect("one is in quarantine").to_owned()
    };
    let flow = "flow: prueba\nversion: 1\ntitle: { es: Prueba, en: Test }\non: tienda.order.created\nsteps:\n  - do: tienda.request\n    with: { method: GET, path: / }\n";
    let push = json!({ "flows": [{ "file": "p.yaml", "text": flow }] });
    let (status, pushed) = call(hub, "post", "/api/v1/flows", &hub.key, &push).await;
    assert!(status.is_success(), "{pushed}");
    // Its call finds nobody, so that there is a run to end.
    hub.post(json!({ "type": "order.created", "id": "o-99", "key": "pedido-99" })).await;
    hub.settled().await;
    let (_, runs) = call(hub, "get", "/api/v1/runs", &hub.key, &Value::Null).await;
    let run = runs["data"].as_array().unwrap().iter().find(|r| r["flow"] == "prueba").unwrap();
    let run = run["id"].as_str().unwrap().to_owned();
    let reason = json!({ "reason": "prueba" });
    let said = json!({ "person": { "email": "luz.ospina@example.com", "name": "Luz Marina Ospina" }, "purpose": "analytics",
        "state": "given", "evidence": { "channel": "form", "text_version": "2026-11" } });
    let claim = json!({ "kind": "reclamo", "claimant": { "name": "Luz Marina Ospina", "email": "luz.ospina@example.com" },
        "facts": "El nombre está mal escrito", "request": "Corregirlo", "intake": "paper" });
    let of_now = |prefix: &str| {
        format!("{prefix}-{}-000001", pasarela_colombia::calendar::bogota(jiff::Timestamp::now()).year())
    };
    let (number, incident) = (of_now("RAD"), of_now("INC"));
    let owner = hub.key_of(&["role:owner"]).await;
    // Nobody listens there, and nothing of what it asks for happens here.
    let wish = json!({ "url": "http://127.0.0.1:9/avisos", "types": ["show.*"], "headers": { "x-casa": "moda" } });
    let (status, webhook) = call(hub, "post", "/api/v1/webhooks", &owner, &wish).await;
    assert_eq!(status, StatusCode::CREATED, "{webhook}");
    let webhook = format!("/api/v1/webhooks/{}", webhook["id"].as_str().unwrap());
    let (_, renewed) = call(hub, "post", &format!("{webhook}/secrets"), &owner, &Value::Null).await;
    let secret = renewed["secrets"][1]["id"].as_str().unwrap().to_owned();
    shows::seed(hub).await;
    let persons = people::seed(hub).await;
    // In this order: what changes things comes after what looks at them.
    let mut all = vec![
        ("get", "/api/v1", "/api/v1".into(), Value::Null),
        ("get", "/api/v1/alarms", "/api/v1/alarms".into(), Value::Null),
        ("get", "/api/v1/care", "/api/v1/care".into(), Value::Null),
        ("post", "/api/v1/cases", "/api/v1/cases".into(), claim),
        ("get", "/api/v1/cases", "/api/v1/cases?limit=2".into(), Value::Null),
        ("get", "/api/v1/cases/{id}", format!("/api/v1/cases/{number}"), Value::Null),
        ("post", "/api/v1/cases/{id}/steps", format!("/api/v1/cases/{number}/steps"), json!({ "step": "complete" })),
        ("post", "/api/v1/holds", "/api/v1/holds".into(), json!({ "case": number, "reason": "proceso 12" })),
        ("get", "/api/v1/holds", "/api/v1/holds".into(), Value::Null),
        ("post", "/api/v1/holds/{id}/end", format!("/api/v1/holds/{}/end", of_now("HOLD")), Value::Null),
        ("get", "/api/v1/retention", "/api/v1/retention".into(), Value::Null),
        ("post", "/api/v1/incidents", "/api/v1/incidents".into(), json!({ "title": "Portátil perdido" })),
        ("get", "/api/v1/incidents", "/api/v1/incidents".into(), Value::Null),
        ("get", "/api/v1/incidents/{id}", format!("/api/v1/incidents/{incident}"), Value::Null),
        (
            "post",
            "/api/v1/incidents/{id}/steps",
            format!("/api/v1/incidents/{incident}/steps"),
            json!({ "step": "update", "persons": 12 }),
        ),
        ("get", "/api/v1/deliveries", "/api/v1/deliveries?limit=2".into(), Value::Null),
        ("get", "/api/v1/deliveries/{id}", format!("/api/v1/deliveries/{quarantined}"), Value::Null),
        ("get", "/api/v1/events", "/api/v1/events?limit=2".into(), Value::Null),
        ("get", "/api/v1/events/{id}", format!("/api/v1/events/{told}"), Value::Null),
        ("get", "/api/v1/events/{id}/story", format!("/api/v1/events/{told}/story"), Value::Null),
        ("get", "/api/v1/runs", "/api/v1/runs".into(), Value::Null),
        ("get", "/api/v1/runs/{id}", format!("/api/v1/runs/{run}"), Value::Null),
        ("get", "/api/v1/effects", "/api/v1/effects".into(), Value::Null),
        ("get", "/api/v1/effects/{id}", format!("/api/v1/effects/{dead}"), Value::Null),
        ("get", "/api/v1/messages/{id}/explanation", format!("/api/v1/messages/{dead}/explanation"), Value::Null),
        ("get", "/api/v1/dead-letters", "/api/v1/dead-letters".into(), Value::Null),
        ("post", "/api/v1/flows", "/api/v1/flows".into(), push),
        ("get", "/api/v1/flows", "/api/v1/flows".into(), Value::Null),
        ("get", "/api/v1/flows/{name}", "/api/v1/flows/prueba".into(), Value::Null),
        ("post", "/api/v1/{kind}/{name}/pause", "/api/v1/connections/tienda/pause".into(), reason.clone()),
        ("get", "/api/v1/pauses", "/api/v1/pauses".into(), Value::Null),
        ("get", "/api/v1/connections", "/api/v1/connections".into(), Value::Null),
        ("get", "/api/v1/connections/{name}", "/api/v1/connections/tienda".into(), Value::Null),
        ("get", "/api/v1/overview", "/api/v1/overview".into(), Value::Null),
        ("post", "/api/v1/{kind}/{name}/resume", "/api/v1/connections/tienda/resume".into(), Value::Null),
        (
            "post",
            "/api/v1/deliveries/replay",
            "/api/v1/deliveries/replay".into(),
            json!({ "connection": "tienda", "dry_run": true }),
        ),
        ("post", "/api/v1/deliveries/{id}/replay", format!("/api/v1/deliveries/{quarantined}/replay"), Value::Null),
        ("post", "/api/v1/dead-letters/{id}/retry", format!("/api/v1/dead-letters/{dead}/retry"), Value::Null),
        ("post", "/api/v1/dead-letters/{id}/drop", format!("/api/v1/dead-letters/{unknown}/drop"), Value::Null),
        ("post", "/api/v1/runs/{id}/cancel", format!("/api/v1/runs/{run}/cancel"), reason),
        ("post", "/api/v1/consents", "/api/v1/consents".into(), said.clone()),
        (
            "post",
            "/api/v1/consents/import",
            "/api/v1/consents/import".into(),
            json!({ "rows": [{ "line": 2, "statement": said }] }),
        ),
        (
            "post",
            "/api/v1/texts",
            "/api/v1/texts".into(),
            json!({ "kind": "notice", "version": "aviso-v1", "locale": "es-CO", "text": "Aviso de privacidad." }),
        ),
        ("get", "/api/v1/texts", "/api/v1/texts?kind=notice".into(), Value::Null),
        ("get", "/api/v1/consents", "/api/v1/consents?person=luz.ospina%40example.com".into(), Value::Null),
        (
            "get",
            "/api/v1/consents",
            "/api/v1/consents?person=luz.ospina%40example.com&history=true".into(),
            Value::Null,
        ),
        (
            "post",
            "/api/v1/suppressions",
            "/api/v1/suppressions".into(),
            json!({ "email": "luz@example.com", "why": "pidió" }),
        ),
        ("get", "/api/v1/suppressions", "/api/v1/suppressions".into(), Value::Null),
        (
            "post",
            "/api/v1/suppressions/remove",
            "/api/v1/suppressions/remove".into(),
            json!({ "email": "luz@example.com" }),
        ),
        (
            "post",
            "/api/v1/keys",
            "/api/v1/keys".into(),
            json!({ "name": "tablero", "scopes": ["events:read"], "rate": "10/s" }),
        ),
        ("get", "/api/v1/keys", "/api/v1/keys".into(), Value::Null),
        (
            "post",
            "/api/v1/keys/{id}/rotate",
            format!("/api/v1/keys/{}/rotate", hub.reader_id),
            json!({ "overlap_s": 60 }),
        ),
        ("post", "/api/v1/keys/{id}/revoke", format!("/api/v1/keys/{}/revoke", hub.reader_id), Value::Null),
        ("get", "/api/v1/webhooks", "/api/v1/webhooks".into(), Value::Null),
        ("get", "/api/v1/webhooks/{id}", webhook.clone(), Value::Null),
        ("get", "/api/v1/webhooks/{id}/deliveries", format!("{webhook}/deliveries?state=queued,dead"), Value::Null),
        ("post", "/api/v1/webhooks/{id}/secrets", format!("{webhook}/secrets"), json!({ "overlap_hours": 1 })),
        ("post", "/api/v1/webhooks/{id}/secrets/{secret}/end", format!("{webhook}/secrets/{secret}/end"), Value::Null),
        ("post", "/api/v1/webhooks/{id}/test", format!("{webhook}/test"), Value::Null),
        ("post", "/api/v1/webhooks/{id}/pause", format!("{webhook}/pause"), json!({ "reason": "mudanza" })),
        (
            "post",
            "/api/v1/webhooks/{id}/replay",
            format!("{webhook}/replay"),
            json!({ "since": "2026-11-01T00:00:00Z" }),
        ),
        (
            "post",
            "/api/v1/webhooks/{id}/change",
            format!("{webhook}/change"),
            json!({ "types": ["show.*", "company.*"] }),
        ),
        ("post", "/api/v1/webhooks/{id}/resume", format!("{webhook}/resume"), Value::Null),
        ("post", "/api/v1/webhooks/{id}/remove", format!("{webhook}/remove"), Value::Null),
        ("get", "/api/v1/audit", "/api/v1/audit?action=pauses.pause&who=mesa".into(), Value::Null),
        ("get", "/api/v1/audit/{seq}", "/api/v1/audit/1".into(), Value::Null),
        ("get", "/api/v1/tickets/keys", "/api/v1/tickets/keys".into(), Value::Null),
        ("get", "/healthz", "/healthz".into(), Value::Null),
        ("get", "/readyz", "/readyz".into(), Value::Null),
        ("get", "/openapi.json", "/openapi.json".into(), Value::Null),
        ("get", "/api/v1/shows", "/api/v1/shows?limit=1".into(), Value::Null),
        ("get", "/api/v1/shows/{connection}/{id}", "/api/v1/shows/tienda/7".into(), Value::Null),
        ("get", "/api/v1/shows/{connection}/{id}/orders", "/api/v1/shows/tienda/7/orders".into(), Value::Null),
        ("get", "/api/v1/shows/{connection}/{id}/tickets", "/api/v1/shows/tienda/7/tickets".into(), Value::Null),
        ("get", "/api/v1/orders/{connection}/{id}", "/api/v1/orders/tienda/7".into(), Value::Null),
        ("get", "/api/v1/refunds", "/api/v1/refunds?open=true".into(), Value::Null),
        ("get", "/api/v1/refunds/{connection}/{id}/{number}", "/api/v1/refunds/tienda/7/1".into(), Value::Null),
        ("get", "/api/v1/tickets/{connection}/{id}", "/api/v1/tickets/tienda/97".into(), Value::Null),
        // A shop sells no tickets: the problem is told as the document has it.
        ("post", "/api/v1/shows/{connection}/{id}/publish", "/api/v1/shows/tienda/7/publish".into(), Value::Null),
        ("post", "/api/v1/shows/{connection}/{id}/archive", "/api/v1/shows/tienda/7/archive".into(), Value::Null),
        ("post", "/api/v1/orders/{connection}/{id}/cancel", "/api/v1/orders/tienda/7/cancel".into(), Value::Null),
        ("post", "/api/v1/orders/{connection}/{id}/mark-paid", "/api/v1/orders/tienda/7/mark-paid".into(), Value::Null),
        ("post", "/api/v1/tickets/{connection}/{id}/cancel", "/api/v1/tickets/tienda/97/cancel".into(), Value::Null),
        ("post", "/api/v1/tickets/{connection}/{id}/resend", "/api/v1/tickets/tienda/97/resend".into(), Value::Null),
        (
            "post",
            "/api/v1/tickets/{connection}/{id}/holder",
            "/api/v1/tickets/tienda/97/holder".into(),
            json!({ "first_name": "Manuela Andrea" }),
        ),
        (
            "post",
            "/api/v1/tickets/{connection}/{id}/check-in",
            "/api/v1/tickets/tienda/97/check-in".into(),
            json!({ "list": "cil_1" }),
        ),
        (
            "post",
            "/api/v1/tickets/{connection}/{id}/check-out",
            "/api/v1/tickets/tienda/97/check-out".into(),
            json!({ "list": "cil_1", "check_in": "ci_1" }),
        ),
        // A shop keeps no history: the problem is told as the document has it.
        (
            "post",
            "/api/v1/connections/{name}/reconcile",
            "/api/v1/connections/tienda/reconcile".into(),
            json!({ "policy": "report" }),
        ),
        // Nor has it a model.
        ("get", "/api/v1/connections/{name}/plan", "/api/v1/connections/tienda/plan".into(), Value::Null),
        (
            "post",
            "/api/v1/connections/{name}/plan/apply",
            "/api/v1/connections/tienda/plan/apply".into(),
            json!({ "limit": 5 }),
        ),
    ];
    all.extend(people::calls(&persons));
    all
}

#[tokio::test]
async fn what_a_running_hub_answers_is_what_the_document_says() {
    let hub = hub(None).await;
    let document = document();
    let schemas = strict(&document);
    let owner = hub.key_of(&["role:owner"]).await;
    let calls = calls(&hub).await;
    for (method, path, filled, body) in &calls {
        let key =
            if path.starts_with("/api/v1/keys") || path.starts_with("/api/v1/webhooks") { &owner } else { &hub.key };
        let (status, answer) = call(&hub, method, filled, key, body).await;
        let at = format!("{method} {filled}");
        let not_offered = *method == "post" && path.contains("/{connection}/{id}/");
        let may_fail = path.ends_with("/reconcile") || path.contains("/{name}/plan") || not_offered;
        assert!(status.is_success() || may_fail, "{at}: {status} {answer}");
        check(&document, &schemas, &document["paths"][path][method], status, &answer, &at);
        for wrong in ["limit=0", "limit=x", "cursor=z", "nonsense=1"] {
            if *method == "get" && document["paths"][path][method]["parameters"].to_string().contains("\"limit\"") {
                let at = format!("{}?{wrong}", filled.split('?').next().unwrap());
                let (status, answer) = call(&hub, "get", &at, key, &Value::Null).await;
                assert_eq!(status, StatusCode::BAD_REQUEST, "{at}");
                check(&document, &schemas, &document["paths"][path][method], status, &answer, &at);
            }
        }
    }
    every_deed_is_written_down(&hub).await;
    // Whoever adds a route adds it to this list too.
    let called: BTreeSet<(&str, &str)> = calls.iter().map(|(m, p, ..)| (*m, *p)).collect();
    for (method, path, operation) in operations(&document) {
        let json = operation["responses"]["200"]["content"].get("application/json").is_some();
        let by_others = path.starts_with("/hooks/");
        let known = called.contains(&(method.as_str(), path.as_str()));
        assert!(!json || by_others || known, "{method} {path} is described, and no test looks at its answer");
    }
}

/// What the calls above did, in their order, and nothing that only looked, failed or tried dry.
async fn every_deed_is_written_down(hub: &Hub) {
    let (_, list) = call(hub, "get", "/api/v1/audit?limit=200&kind=changes", &hub.key, &Value::Null).await;
    let rows = list["data"].as_array().unwrap();
    let told: Vec<&str> = rows.iter().rev().map(|r| r["action"].as_str().unwrap()).collect();
    let done = [
        "flows.create",
        "webhooks.create",
        "webhooks.rotate",
        "cases.create",
        "cases.step",
        "holds.create",
        "holds.end",
        "incidents.create",
        "incidents.step",
        "flows.create",
        "pauses.pause",
        "pauses.resume",
        "deliveries.replay",
        "dead-letters.retry",
        "dead-letters.drop",
        "runs.cancel",
        "consents.import",
        "texts.create",
        "suppressions.create",
        "suppressions.remove",
        "keys.create",
        "keys.rotate",
        "keys.revoke",
        "webhooks.rotate",
        "webhooks.end",
        "webhooks.test",
        "webhooks.pause",
        "webhooks.replay",
        "webhooks.change",
        "webhooks.resume",
        "webhooks.remove",
        // A shop keeps no history.
        "connections.reconcile",
        "people.import",
        "people.undo",
        "people.apart",
        "people.merge",
        "people.split",
        "people.accept",
    ];
    assert_eq!(told, done);
    let of = |action: &str| rows.iter().find(|r| r["action"] == action).unwrap();
    assert!(rows.iter().all(|r| r["who_kind"] == "key" && r["who"].as_str().unwrap().starts_with("key_")), "{list:#}");
    assert_eq!(of("pauses.pause")["subject"], "connection tienda");
    assert_eq!(of("pauses.pause")["after"], json!({ "paused": true, "reason": "prueba" }));
    assert_eq!(of("dead-letters.drop")["subject"], hub.unknown.to_string());
    assert_eq!(of("suppressions.remove")["before"]["cause"], "asked");
    let chain = pasarela_store::verify(&**hub.engine.store(), [], |_| ()).await.unwrap().unwrap();
    assert_eq!(chain.pruned, 0);
    let failed: Vec<_> = rows.iter().filter(|r| r["outcome"] == "failed").map(|r| &r["action"]).collect();
    assert_eq!(failed, ["connections.reconcile"]);
    // Before and after, of what can be named; never a secret.
    assert_eq!(of("pauses.pause")["before"], json!({ "paused": false }));
    assert_eq!(of("pauses.resume")["before"]["paused"], true);
    assert_eq!(of("dead-letters.retry")["before"]["state"], "dead");
    assert_eq!(of("cases.step")["before"]["state"], "received");
    assert_eq!(of("runs.cancel")["before"]["status"], "running");
    assert_eq!(
        (&of("holds.end")["before"]["ended_at"], of("holds.end")["after"]["ended_at"].is_string()),
        (&Value::Null, true)
    );
    assert_eq!(of("keys.create")["after"]["rate"], "10/s");
    assert_eq!(of("keys.rotate")["before"]["name"], "mirador");
    assert!(!list.to_string().contains("psk_"), "no key's text");
    // Whose it is: the connection's; what counts for every brand is the hub's own.
    assert_eq!(
        (&of("pauses.pause")["brand"], &of("dead-letters.drop")["brand"]),
        (&json!("default"), &json!("default"))
    );
    assert_eq!((&of("runs.cancel")["brand"], &of("cases.create")["brand"]), (&json!("default"), &json!("")));
}

/// The document itself: names are unique, what it points at is in it, inputs of all actions are there.
#[test]
fn the_document_holds_together() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let ids: Vec<String> =
        operations(&document).iter().map(|(.., o)| o["operationId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|v| references(v, found));
            }
            Value::Array(items) => items.iter().for_each(|v| references(v, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads out of the document"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut whole = json!({ "$schema": document["jsonSchemaDialect"], "components": document["components"] });
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        whole["$ref"] = json!(format!("#/components/schemas/{name}"));
        jsonschema::validator_for(&whole).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for provider in pasarela_connectors::registry() {
        for action in &provider.manifest().actions {
            let name = format!("{}.{}", provider.manifest().name, action.name);
            assert!(document["components"]["schemas"].get(&name).is_some(), "{name}");
        }
    }
}
