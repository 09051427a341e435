//! `/api/v1/consents` and `/admin/doctor` as a client meets them.

#[path = "console/seed.rs"]
#[allow(dead_code, reason = "shared with the tests of the console")]
mod seed;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use seed::{Hub, hub};
use serde_json::{Value, json};
use tower::ServiceExt as _;

async fn call(
    hub: &Hub,
    method: Method,
    path: &str,
    key: &str,
    idempotency: Option<&str>,
    body: Value,
) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"));
    if let Some(own) = idempotency {
        request = request.header("idempotency-key", own);
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    hub.app.public().oneshot(request.body(body).unwrap()).await.unwrap()
}

async fn read(response: Response<Body>) -> Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

fn statement(state: &str) -> Value {
    json!({
        "person": { "email": "laura@correo.example", "phone": "+573005550117" },
        "purpose": "analytics", "state": state,
        "evidence": { "channel": "checkout", "text_version": "v3" },
        "analytics": { "ga_client_id": "GA1.1.12.34" },
    })
}

const PATH: &str = "/api/v1/consents";

#[tokio::test]
async fn a_consent_is_recorded_once_for_a_key_and_read_by_its_person() {
    let hub = hub(None).await;
    let first = call(&hub, Method::POST, PATH, &hub.key, Some("k1"), statement("given")).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let first = read(first).await;
    assert!(
        first["id"].as_str().is_some_and(|id| id.starts_with("cns_")) && first["analytics"]["ga_client_id"] == "12.34"
    );
    let again = call(&hub, Method::POST, PATH, &hub.key, Some("k1"), statement("given")).await;
    assert_eq!((again.status(), again.headers().get("idempotency-replayed").is_some()), (StatusCode::OK, true));
    assert_eq!(read(again).await, first, "the same answer");
    let other = call(&hub, Method::POST, PATH, &hub.key, Some("k1"), statement("withdrawn")).await;
    assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(read(other).await["code"], "idempotency_key_reused");
    call(&hub, Method::POST, PATH, &hub.key, None, statement("withdrawn")).await;

    let get = |query: &str| format!("{PATH}?{query}");
    let now = call(&hub, Method::GET, &get("person=%2B573005550117"), &hub.reader, None, Value::Null).await;
    let now = read(now).await;
    assert_eq!(now["data"].as_array().unwrap().len(), 1);
    assert_eq!((&now["data"][0]["state"], &now["data"][0]["given"]), (&json!("withdrawn"), &json!(false)));
    let history = get("person=laura@correo.example&history=true");
    let history = read(call(&hub, Method::GET, &history, &hub.reader, None, Value::Null).await).await;
    let states: Vec<&str> = history["data"].as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["withdrawn", "given"], "newest first, and nothing is lost");
    let nobody = get("person=otra@correo.example");
    let nobody = read(call(&hub, Method::GET, &nobody, &hub.reader, None, Value::Null).await).await;
    assert_eq!(nobody["data"], json!([]));
}

#[tokio::test]
async fn wrong_questions_get_problems_that_say_what_to_do() {
    let hub = hub(None).await;
    let denied = call(&hub, Method::POST, PATH, &hub.reader, None, statement("given")).await;
    assert_eq!(denied.status(), StatusCode::FORBIDDEN, "recording needs the scope write");
    for (body, words) in [
        (json!({}), "missing field `person`"),
        (json!({ "person": {}, "purpose": "analytics", "state": "given" }), "name an email"),
        (json!({ "person": { "email": "a@b.co" }, "purpose": "analytics", "state": "yes" }), "unknown variant `yes`"),
        (json!({ "person": { "email": "a@b.co" }, "purpose": "x", "state": "given" }), "purpose is 'x'"),
        (
            json!({ "person": { "email": "a@b.co", "cedula": "1" }, "purpose": "x", "state": "given" }),
            "unknown field `cedula`",
        ),
    ] {
        let answer = call(&hub, Method::POST, PATH, &hub.key, None, body.clone()).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let told = read(answer).await;
        assert!(told["detail"].as_str().is_some_and(|d| d.contains(words)), "{told}");
    }
    for query in ["", "?person=", "?person=laura", "?persona=laura@correo.example"] {
        let answer = call(&hub, Method::GET, &format!("{PATH}{query}"), &hub.reader, None, Value::Null).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
    }
    let hook = call(&hub, Method::POST, "/hooks/pasarela", &hub.key, None, statement("given")).await;
    assert_eq!(hook.status(), StatusCode::NOT_FOUND, "the ledger has no hook");
}

#[tokio::test]
async fn the_doctor_is_asked_by_the_socket_only_and_a_dead_host_keeps_nobody_waiting() {
    let hub = hub(None).await;
    let public = call(&hub, Method::POST, "/admin/doctor", &hub.key, None, json!({})).await;
    assert_eq!(public.status(), StatusCode::NOT_FOUND);
    let request = Request::post("/admin/doctor").body(Body::from("{}")).unwrap();
    let found = read(hub.app.admin().oneshot(request).await.unwrap()).await;
    let of = |name: &str| found["data"].as_array().unwrap().iter().find(|c| c["connection"] == name).unwrap().clone();
    let check = |connection: &Value, check: &str| {
        connection["findings"].as_array().unwrap().iter().find(|f| f["check"] == check).cloned().unwrap_or_default()
    };
    let crm = of("directorio");
    assert_eq!(check(&crm, "credential")["state"], "warn", "it has no api_key: {crm}");
    assert!(check(&crm, "credential")["advice"].as_str().unwrap().contains("api_key"));
    assert!(check(&of("tienda"), "credential")["found"].as_str().unwrap().contains("no harmless call"));
}
