//! The `http` provider in the conformance suite, once per scheme of verification; and the suite
//! itself, which must find what is broken (`sabotage`), also in powers that `http` does not have
//! (`every_power`).

mod every_power;
mod sabotage;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use pasarela_connector::testkit::{ActionSample, Fixture, WebhookSample, check};
use pasarela_connector::{Answer, ConnectionConfig, sign};
use pasarela_connectors::http::Http;
use pasarela_domain::Secret;
use serde_json::{Value, json};

/// An invented order of about 2 kB.
const ORDER: &[u8] = include_bytes!("../fixtures/http/order-created.json");

/// The moment at which the samples are signed.
const NOW: i64 = 1_795_806_000;

/// A fixture for one scheme.
fn fixture(verify: Value, secret: &str, signature_header: &'static str, headers: &[(&str, String)]) -> Fixture {
    let mut config = ConnectionConfig::bare("tienda", "http");
    config.base_url = Some("https://api.tienda.example/v1".into());
    config.settings = json!({
        "verify": verify,
        "event": { "type": "/type", "id": "/id", "key": "/data/order/id" },
    });
    config.webhook_secrets = vec![Secret::new(secret)];
    config.credentials = [("token".to_owned(), Secret::new("token-de-prueba-0123456789"))].into();
    Fixture {
        provider: Box::new(Http::new()),
        config,
        now: Timestamp::from_second(NOW).expect("a fixed time"),
        webhooks: vec![WebhookSample {
            name: "order-created.json".into(),
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect(),
            signature_header,
            body: ORDER.to_vec(),
            events: vec!["tienda.order.created"],
        }],
        actions: actions(),
    }
}

fn actions() -> Vec<ActionSample> {
    let refused = vec![
        json!({}),
        json!({ "method": "GET" }),
        json!({ "method": "TRACE", "path": "/" }),
        json!({ "method": "GET", "path": "https://otra.example/" }),
        json!({ "method": "GET", "path": "/../admin" }),
        json!({ "method": "GET", "path": "/a", "json": {} }),
        json!({ "method": "POST", "path": "/a", "json": {}, "text": "" }),
        json!({ "method": "POST", "path": "/a", "headers": { "Host": "otra.example" } }),
        json!({ "method": "POST", "path": "/a", "headers": [] }),
        json!({ "method": "POST", "path": "/a", "query": { "a": { "b": 1 } } }),
    ];
    let judged = vec![
        (Answer::json(200, &json!({ "id": 7 })), "done"),
        (Answer::text(200, "<html></html>"), "done"),
        (Answer::json(400, &json!({ "error": "sku" })), "give_up"),
        (Answer::text(404, ""), "target_gone"),
        (Answer::text(409, "exists"), "give_up"),
        (Answer::text(302, "").header("location", "https://otra.example/"), "give_up"),
    ];
    let sample = |input: Value| ActionSample {
        action: "request",
        input,
        done: Answer { status: 204, ..Answer::default() },
        judged: judged.clone(),
        refused: refused.clone(),
    };
    vec![
        sample(
            json!({ "method": "GET", "path": "/orders/PED-2026-000481", "query": { "expand": ["lines", "buyer"] } }),
        ),
        sample(json!({
            "method": "POST", "path": "/orders", "json": { "id": "PED-2026-000481", "total": "550000.00" },
            "headers": { "x-trace": 7 }, "idempotency_header": "Idempotency-Key"
        })),
        sample(json!({ "method": "PUT", "path": "/clientes/María", "form": { "ciudad": "Bogotá", "boletas": 2 } })),
        sample(json!({ "method": "POST", "path": "", "text": "hola" })),
    ]
}

/// Hex of the MAC of the body, in one header: the example of the documentation.
fn plain_hmac() -> Fixture {
    let verify = json!({ "scheme": "hmac-sha256", "header": "x-signature", "encoding": "hex" });
    let signature = sign::hmac_sha256_hex(b"clave-de-prueba", &[ORDER]);
    fixture(verify, "clave-de-prueba", "x-signature", &[("x-signature", signature)])
}

/// Base64 behind a prefix, with a signed time in milliseconds.
fn timed_hmac() -> Fixture {
    let verify = json!({
        "scheme": "hmac-sha256", "header": "X-Tienda-Hmac", "encoding": "base64", "prefix": "sha256=",
        "timestamp": { "header": "X-Tienda-Timestamp", "unit": "milliseconds", "separator": ":" }
    });
    let at = (NOW * 1000).to_string();
    let mac = sign::hmac_sha256(b"clave-de-prueba", &[at.as_bytes(), b":", ORDER]);
    let headers = [("x-tienda-timestamp", at), ("x-tienda-hmac", format!("sha256={}", STANDARD.encode(mac)))];
    fixture(verify, "clave-de-prueba", "x-tienda-hmac", &headers)
}

fn standard_webhooks() -> Fixture {
    let key = b"una clave de 32 bytes de prueba.";
    let at = NOW.to_string();
    let mac = sign::hmac_sha256(key, &[b"msg_000481.", at.as_bytes(), b".", ORDER]);
    let headers = [
        ("webhook-id", "msg_000481".to_owned()),
        ("webhook-timestamp", at),
        ("webhook-signature", format!("v1,{}", STANDARD.encode(mac))),
    ];
    let secret = format!("whsec_{}", STANDARD.encode(key));
    fixture(json!({ "scheme": "standard-webhooks" }), &secret, "webhook-signature", &headers)
}

fn bearer() -> Fixture {
    let headers = [("authorization", "Bearer token-de-la-tienda".to_owned())];
    fixture(json!({ "scheme": "bearer" }), "token-de-la-tienda", "authorization", &headers)
}

fn basic() -> Fixture {
    let headers = [("authorization", format!("Basic {}", STANDARD.encode("tienda:clave de prueba")))];
    fixture(json!({ "scheme": "basic" }), "tienda:clave de prueba", "authorization", &headers)
}

#[test]
fn hmac_conforms() {
    check(&plain_hmac());
}

#[test]
fn hmac_with_a_time_conforms() {
    check(&timed_hmac());
}

#[test]
fn standard_webhooks_conform() {
    check(&standard_webhooks());
}

#[test]
fn bearer_conforms() {
    check(&bearer());
}

#[test]
fn basic_conforms() {
    check(&basic());
}
