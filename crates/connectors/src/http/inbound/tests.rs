//! Surprises of inbound calls; what all connectors share is in the conformance suite.

use super::super::Http;
use jiff::Timestamp;
use pasarela_connector::{
    ConnectionConfig, Connector, Dedup, Fact, Item, Provider, RawRequest, Source, Unread, Verdict, sign,
};
use pasarela_domain::Secret;
use serde_json::{Value, json};

fn config(settings: Value, secrets: &[&str]) -> ConnectionConfig {
    let mut config = ConnectionConfig::bare("tienda", "http");
    config.settings = settings;
    config.webhook_secrets = secrets.iter().map(|s| Secret::new(*s)).collect();
    config
}

fn connect(settings: Value, secrets: &[&str]) -> Box<dyn Connector> {
    Http::new().connect(config(settings, secrets)).unwrap()
}

fn refusal(settings: Value, secrets: &[&str]) -> String {
    match Http::new().connect(config(settings.clone(), secrets)) {
        Ok(_) => panic!("{settings} must be refused"),
        Err(e) => e.to_string(),
    }
}

fn verify(connector: &dyn Connector, method: &str, headers: &[(&str, &str)], body: &[u8], now: i64) -> Verdict {
    let header = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
    let request = RawRequest { method, query: "", header: &header, body };
    connector.verify(&request, Timestamp::from_second(now).unwrap())
}

fn fact(event: Value, body: &str) -> Result<Fact, String> {
    let connector = connect(json!({ "event": event }), &[]);
    match connector.translate(Source::Webhook, body.as_bytes()) {
        Ok(translation) => match translation.items.as_slice() {
            [Item::Fact(fact)] => Ok(fact.as_ref().clone()),
            other => panic!("one fact is expected: {other:?}"),
        },
        Err(Unread(why)) => Err(why),
    }
}

/// The example of the Standard Webhooks rules.
const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STANDARD_BODY: &[u8] = br#"{"test": 2432232314}"#;
const STANDARD_AT: i64 = 1_614_265_330;
const STANDARD_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn standard(signature: &str, now: i64) -> Verdict {
    let connector = connect(json!({ "verify": { "scheme": "standard-webhooks" } }), &[STANDARD_SECRET]);
    let headers = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", signature),
    ];
    verify(connector.as_ref(), "POST", &headers, STANDARD_BODY, now)
}

#[test]
fn standard_webhooks_gives_its_id_against_replays() {
    let replay_key = Some("msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned());
    assert_eq!(standard(STANDARD_SIGNATURE, STANDARD_AT), Verdict::Authentic { replay_key });
}

#[test]
fn one_true_signature_of_a_list_is_enough() {
    let list = format!("v1a,xxxx v1,AAAA {STANDARD_SIGNATURE} v2,{}", &STANDARD_SIGNATURE[3..]);
    assert!(matches!(standard(&list, STANDARD_AT), Verdict::Authentic { .. }));
    let other_version = format!("v2,{}", &STANDARD_SIGNATURE[3..]);
    assert!(matches!(standard(&other_version, STANDARD_AT), Verdict::Forged(_)));
}

#[test]
fn the_time_window_is_five_minutes_both_ways() {
    for (age, accepted) in [(300, true), (301, false), (-300, true), (-301, false)] {
        let verdict = standard(STANDARD_SIGNATURE, STANDARD_AT + age);
        assert_eq!(matches!(verdict, Verdict::Authentic { .. }), accepted, "{age} s: {verdict:?}");
    }
    assert_eq!(standard(STANDARD_SIGNATURE, STANDARD_AT + 301), Verdict::Forged("the signature is too old"));
}

#[test]
fn without_verify_nothing_comes_in() {
    let connector = connect(json!({}), &["clave"]);
    let signature = sign::hmac_sha256_hex(b"clave", &[b"{}"]);
    let headers = [("x-signature", signature.as_str()), ("authorization", "Bearer clave")];
    let verdict = verify(connector.as_ref(), "POST", &headers, b"{}", 0);
    assert_eq!(verdict, Verdict::Forged("this connection has no `verify` setting, so it takes no webhooks"));
}

#[test]
fn only_post_brings_events() {
    let connector = connect(json!({ "verify": { "scheme": "bearer" } }), &["tok-1"]);
    let headers = [("authorization", "bearer tok-1")];
    assert!(matches!(verify(connector.as_ref(), "POST", &headers, b"", 0), Verdict::Authentic { .. }));
    assert!(matches!(verify(connector.as_ref(), "GET", &headers, b"", 0), Verdict::Forged(_)));
}

#[test]
fn a_token_may_have_its_own_header() {
    let connector = connect(json!({ "verify": { "scheme": "bearer", "header": "X-Api-Key" } }), &["tok-1"]);
    let with = |name, value| verify(connector.as_ref(), "POST", &[(name, value)], b"{}", 0);
    assert!(matches!(with("x-api-key", "tok-1"), Verdict::Authentic { .. }));
    assert!(matches!(with("x-api-key", "Bearer tok-1"), Verdict::Forged(_)));
    assert!(matches!(with("authorization", "Bearer tok-1"), Verdict::Forged(_)));
}

#[test]
fn settings_that_cannot_work_are_refused_with_a_reason() {
    let hmac = |more: Value| {
        let mut verify = json!({ "scheme": "hmac-sha256", "header": "x-signature" });
        verify.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "verify": verify })
    };
    for (settings, secret, expected) in [
        (json!({ "verify": {} }), "clave", "scheme"),
        (json!({ "verify": { "scheme": "none" } }), "clave", "none"),
        (json!({ "verify": { "scheme": "hmac-sha256" } }), "clave", "header"),
        (json!({ "verify": { "scheme": "standard-webhooks", "encoding": "hex" } }), STANDARD_SECRET, "encoding"),
        (json!({ "verify": { "scheme": "basic", "header": "x" } }), "a:b", "header"),
        (hmac(json!({ "encoding": "base32" })), "clave", "base32"),
        (hmac(json!({ "header": "x signature" })), "clave", "not a header name"),
        (hmac(json!({ "timestamp": {} })), "clave", "header"),
        (hmac(json!({ "timestamp": { "header": "t", "unit": "hours" } })), "clave", "hours"),
        (hmac(json!({ "tolerance": 3 })), "clave", "tolerance"),
        (hmac(json!({})), "", "webhook_secrets[0] is empty"),
        (json!({ "verify": { "scheme": "standard-webhooks" } }), "whsec_ñ", "webhook_secrets[0]"),
        (json!({ "verify": { "scheme": "basic" } }), "sin-clave", "name:password"),
        (json!({ "verify": { "scheme": "basic" } }), "tienda:", "neither of them empty"),
        (json!({ "verify": { "scheme": "basic" } }), ":clave-larga", "neither of them empty"),
        (json!({ "event": { "id": "fijo" } }), "clave", "event.id"),
        (json!({ "event": { "key": "" } }), "clave", "event.key is empty"),
        (json!({ "event": { "key": "/a~2" } }), "clave", "~0"),
        (json!({ "event": { "type": "pedido nuevo" } }), "clave", "event.type"),
        (json!({ "event": { "kind": "/type" } }), "clave", "kind"),
    ] {
        let message = refusal(settings, &[secret]);
        assert!(message.starts_with("[connections.tienda] ") && message.contains(expected), "{expected}: {message}");
        assert!(secret.is_empty() || secret.len() < 6 || !message.contains(secret), "a secret is told: {message}");
    }
}

#[test]
fn the_body_is_the_data_untouched() {
    let body = r#"{"type":"Order.Created","id":7,"z":{"ñ":[1,2.50,null]},"a":18446744073709551615}"#;
    let fact = fact(json!({ "type": "/type", "id": "/id", "key": "/z/ñ/0" }), body).unwrap();
    assert_eq!(fact.event_type.as_deref(), Some("tienda.order.created"));
    assert_eq!(fact.key, "1");
    assert_eq!(fact.data.to_string(), body.replace("2.50", "2.5"));
    let dedup = Dedup::Once { kind: "tienda.order.created".into(), entity: "1".into(), discriminator: "7".into() };
    assert_eq!(fact.dedup, dedup);
}

#[test]
fn fixed_values_and_escaped_names_are_places_too() {
    let body = r#"{"data":{"a/b":{"~":"ped-1"}},"n":3}"#;
    let fact = fact(json!({ "type": "pedido", "id": "/n", "key": "/data/a~1b/~0" }), body).unwrap();
    assert_eq!(fact.event_type.as_deref(), Some("tienda.pedido"));
    assert_eq!(fact.key, "ped-1");
}

#[test]
fn without_an_id_the_same_bytes_are_the_same_event() {
    let place = json!({ "type": "/type", "id": "/id", "key": "/sku" });
    let dedup = |body: &str| fact(place.clone(), body).unwrap().dedup;
    let one = dedup(r#"{"type":"stock","sku":"V-1","left":3}"#);
    assert_eq!(one, dedup(r#"{"type":"stock","sku":"V-1","left":3}"#));
    assert_ne!(one, dedup(r#"{"type":"stock","sku":"V-1","left":2}"#));
    // An empty or null id is none: else all of them would be one event.
    for id in ["null", "\"\"", "\"  \""] {
        let body = |left: u8| format!(r#"{{"type":"stock","sku":"V-1","id":{id},"left":{left}}}"#);
        assert_ne!(dedup(&body(1)), dedup(&body(2)), "{id}");
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let place = json!({ "type": "/type", "id": "/id", "key": "/id" });
    for (body, expected) in [
        ("", "not JSON"),
        ("hola", "not JSON"),
        ("[1]", "a JSON list, not a JSON object"),
        ("null", "null, not a JSON object"),
        (r#"{"id":1}"#, "no type at /type"),
        (r#"{"type":"a"}"#, "no key at /id"),
        (r#"{"type":"a","id":{}}"#, "the key at /id is a JSON object"),
        (r#"{"type":true,"id":1}"#, "the type at /type is a truth value"),
        (r#"{"type":"pedido nuevo","id":1}"#, "cannot name an event"),
        (r#"{"type":"..","id":1}"#, "cannot name an event"),
        (r#"{"type":"camión","id":1}"#, "cannot name an event"),
        (r#"{"type":"a","id":123456789012345678901}"#, "123456789012345678901 has more digits"),
    ] {
        let why = fact(place.clone(), body).unwrap_err();
        assert!(why.contains(expected), "{body}: {why}");
    }
    let why = fact(place, &format!(r#"{{"type":"a","id":"{}"}}"#, "x".repeat(301))).unwrap_err();
    assert!(why.contains("301 bytes long"), "{why}");
}
