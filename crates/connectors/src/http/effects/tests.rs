//! Surprises of outgoing calls; what all connectors share is in the conformance suite.

use super::super::Http;
use super::*;
use pasarela_connector::{Call, ConnectionConfig, Connector, Provider};

/// Paths that would leave the base URL at one parser or another.
fn paths_that_escape() -> Vec<String> {
    let mut paths: Vec<String> = [
        "//evil.example/x",
        "/a//b",
        "https://evil.example",
        "http:evil",
        "evil.example:80/x",
        "..",
        "/..",
        "/a/../../b",
        "/.",
        "/./a",
        "/%2e%2e/x",
        "/%2E%2e",
        "/.%2e/x",
        "/a/..%2f..%2fb",
        "/..%5c..",
        "/a\\..\\b",
        "\\\\evil.example",
        "/a?b=1",
        "/a#b",
        "/a\r\nx-evil: 1",
        "/a\nb",
        "/a\0",
        "/a\tb",
        "/100%",
        "/%zz",
        "/%",
    ]
    .map(String::from)
    .to_vec();
    // Every way of writing two dots in one part.
    for first in [".", "%2e", "%2E"] {
        for second in [".", "%2e", "%2E"] {
            paths.push(format!("/v1/{first}{second}/admin"));
            paths.push(format!("/v1/{first}{second}"));
        }
    }
    paths
}

fn connector(base: &str) -> Box<dyn Connector> {
    let mut config = ConnectionConfig::bare("tienda", "http");
    config.base_url = Some(base.into());
    Http::new().connect(config).unwrap()
}

fn begin(input: Value) -> Result<Call, String> {
    let ctx = Ctx { now: Timestamp::UNIX_EPOCH, key: "efecto-7", attempt: 1 };
    match connector("https://api.tienda.example/v1").begin(REQUEST, &[input], &ctx) {
        Step::Call(call) => Ok(call),
        Step::End(outcomes) => match outcomes.as_slice() {
            [Outcome::GiveUp { code, why }] if code == "invalid_input" => Err(why.clone()),
            other => panic!("one invalid_input is expected: {other:?}"),
        },
    }
}

fn judged(repeat: Repeat, answer: &Answer) -> Outcome {
    judge(&json!({ "v": 1, "repeat": repeat }), answer, Timestamp::UNIX_EPOCH)
}

fn body_of(answer: &Answer) -> Value {
    match judged(Repeat::Never, answer) {
        Outcome::Done(done) => done.result["body"].clone(),
        other => panic!("done is expected: {other:?}"),
    }
}

#[test]
fn a_call_stays_under_its_base() {
    for path in paths_that_escape() {
        let refused = begin(json!({ "method": "GET", "path": path }));
        assert!(refused.is_err(), "{path:?} gives {refused:?}");
    }
    for (path, url) in [
        ("/orders/7", "https://api.tienda.example/v1/orders/7"),
        ("orders/7/", "https://api.tienda.example/v1/orders/7/"),
        ("", "https://api.tienda.example/v1"),
        ("/", "https://api.tienda.example/v1/"),
        ("/clientes/José Ñuñez", "https://api.tienda.example/v1/clientes/Jos%C3%A9%20%C3%91u%C3%B1ez"),
        ("/a%2Fb/c%20d", "https://api.tienda.example/v1/a%2Fb/c%20d"),
        ("/items:batch/...", "https://api.tienda.example/v1/items:batch/..."),
        ("/@evil.example/x", "https://api.tienda.example/v1/@evil.example/x"),
        ("/a|b[c]^\"<>{}`'", "https://api.tienda.example/v1/a%7Cb%5Bc%5D%5E%22%3C%3E%7B%7D%60'"),
    ] {
        assert_eq!(
            begin(json!({ "method": "GET", "path": path })).map(|c| c.request.url),
            Ok(url.to_owned()),
            "{path}"
        );
    }
}

#[test]
fn a_path_cannot_change_the_host_of_a_base_without_a_path() {
    let ctx = Ctx { now: Timestamp::UNIX_EPOCH, key: "k", attempt: 1 };
    let connector = connector("https://api.tienda.example");
    for path in ["@evil.example", ".evil.example", "%40evil.example", ""] {
        let step = connector.begin(REQUEST, &[json!({ "method": "GET", "path": path })], &ctx);
        let Step::Call(call) = step else { panic!("{path}: {step:?}") };
        assert_eq!(url::Url::parse(&call.request.url).unwrap().host_str(), Some("api.tienda.example"), "{path}");
    }
}

#[test]
fn a_base_url_that_is_none_is_refused() {
    for base in [
        "tienda.example",
        "ftp://tienda.example",
        "https://",
        "https://ana:clave@tienda.example",
        "https://tienda.example/?a=1",
        "https://tienda.example/#a",
        "file:///etc/passwd",
        "",
    ] {
        let mut config = ConnectionConfig::bare("tienda", "http");
        config.base_url = Some(base.into());
        let error = Http::new().connect(config).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("base_url") && !error.contains("clave"), "{base}: {error}");
    }
}

#[test]
fn without_a_base_url_a_person_has_to_set_one() {
    let connector = Http::new().connect(ConnectionConfig::bare("tienda", "http")).unwrap();
    let ctx = Ctx { now: Timestamp::UNIX_EPOCH, key: "k", attempt: 1 };
    let step = connector.begin(REQUEST, &[json!({ "method": "GET", "path": "/" })], &ctx);
    assert!(
        matches!(&step, Step::End(o) if matches!(&o[..], [Outcome::NeedsHuman { why }] if why.contains("base_url"))),
        "{step:?}"
    );
}

#[test]
fn what_may_be_repeated_follows_from_the_call() {
    let repeat = |input: Value| begin(input).unwrap().repeat;
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(repeat(json!({ "method": method, "path": "/a" })), Repeat::Safe, "{method}");
    }
    for method in ["POST", "PATCH"] {
        assert_eq!(repeat(json!({ "method": method, "path": "/a" })), Repeat::Never, "{method}");
        let call = begin(json!({ "method": method, "path": "/a", "idempotency_header": "Idempotency-Key" })).unwrap();
        assert_eq!(call.repeat, Repeat::SameKey);
        assert_eq!(call.request.headers.get("idempotency-key"), Some("efecto-7"));
    }
}

#[test]
fn bodies_and_queries_are_written_as_asked() {
    let call = begin(json!({
        "method": "POST", "path": "/a", "query": { "z": 1, "a": [true, "ñ&"], "none": null }, "json": { "b": 1, "a": null }
    }))
    .unwrap();
    assert_eq!(call.request.url, "https://api.tienda.example/v1/a?z=1&a=true&a=%C3%B1%26");
    assert_eq!(&call.request.body[..], br#"{"b":1,"a":null}"#);
    assert_eq!(call.request.headers.get("content-type"), Some("application/json"));

    let call = begin(json!({ "method": "POST", "path": "/a", "form": { "z": "á b", "a": 2 } })).unwrap();
    assert_eq!(&call.request.body[..], b"z=%C3%A1+b&a=2");

    let text =
        json!({ "method": "POST", "path": "/a", "text": "<a/>", "headers": { "Content-Type": "application/xml" } });
    let call = begin(text).unwrap();
    assert_eq!(&call.request.body[..], b"<a/>");
    assert_eq!(call.request.headers.get("content-type"), Some("application/xml"));
}

#[test]
fn headers_that_are_not_the_flows_are_refused() {
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "authorization",
        "Proxy-Authorization",
        "upgrade",
        "accept-encoding",
        "a b",
        "",
        "a:b",
        "x\r\ny",
        "ñ",
    ] {
        for input in [
            json!({ "method": "POST", "path": "/a", "headers": { name: "1" } }),
            json!({ "method": "POST", "path": "/a", "idempotency_header": name }),
        ] {
            let refused = begin(input.clone());
            assert!(refused.is_err(), "{input} gives {refused:?}");
        }
    }
    for value in ["a\r\nx-evil: 1", "a\nb", "a\0", "ñ"] {
        assert!(begin(json!({ "method": "GET", "path": "/a", "headers": { "x-a": value } })).is_err(), "{value:?}");
    }
    let twice = json!({ "method": "GET", "path": "/a", "headers": { "X-A": "1", "x-a": "2" } });
    assert!(begin(twice).unwrap_err().contains("twice"));
    let both = json!({ "method": "POST", "path": "/a", "headers": { "Idempotency-Key": "1" }, "idempotency_header": "idempotency-key" });
    assert!(begin(both).unwrap_err().contains("idempotency-key"));
}

#[test]
fn two_bodies_or_a_body_of_a_get_are_refused() {
    assert!(begin(json!({ "method": "POST", "path": "/a", "json": 1, "text": "x" })).unwrap_err().contains("keep one"));
    assert!(begin(json!({ "method": "GET", "path": "/a", "json": {} })).unwrap_err().contains("no body"));
    assert!(begin(json!({ "method": "get", "path": "/a" })).is_err());
}

#[test]
fn an_answer_is_json_where_it_is_json_and_loses_nothing() {
    let json = |body: &str| Answer { body: body.to_owned().into(), ..Answer::json(200, &Value::Null) };
    assert_eq!(body_of(&json(r#"{"id":7}"#)), json!({ "id": 7 }));
    assert_eq!(body_of(&Answer::text(200, r#"{"id":7}"#)), json!({ "id": 7 }));
    assert_eq!(body_of(&Answer::text(200, "007")), json!("007"));
    assert_eq!(body_of(&Answer::text(200, "7")), json!("7"));
    assert_eq!(body_of(&Answer::text(204, "")), Value::Null);
    assert_eq!(body_of(&json("{\"a\":")), json!("{\"a\":"));
    let long = r#"{"id":123456789012345678901}"#;
    assert_eq!(body_of(&json(long)), json!(long));
}

#[test]
fn a_long_text_is_cut_between_characters() {
    for pad in 0..4 {
        let text = format!("{}{}", "x".repeat(pad), "👗".repeat(20_000));
        let kept = body_of(&Answer::text(200, text.clone())).as_str().unwrap().to_owned();
        assert!(text.starts_with(&kept), "cut through a character");
        assert!((LONGEST_TEXT - 4..=LONGEST_TEXT).contains(&kept.len()), "{} bytes", kept.len());
    }
}

#[test]
fn a_result_has_few_headers() {
    let answer = Answer::json(201, &json!({}))
        .header("location", "/orders/7")
        .header("set-cookie", "s=1")
        .header("etag", "\"1\"");
    let Outcome::Done(done) = judged(Repeat::Never, &answer) else { panic!("done is expected") };
    let headers = json!({ "content-type": "application/json", "location": "/orders/7", "etag": "\"1\"" });
    assert_eq!(done.result, json!({ "status": 201, "headers": headers, "body": {} }));
}

#[test]
fn a_gateway_that_waited_in_vain_does_not_know() {
    let answer = Answer::text(504, "upstream timed out");
    assert_eq!(judged(Repeat::Never, &answer).name(), "unknown");
    assert_eq!(judged(Repeat::SameKey, &answer).name(), "provider_down");
    assert_eq!(judged(Repeat::Safe, &answer).name(), "provider_down");
    assert_eq!(judge(&Value::Null, &answer, Timestamp::UNIX_EPOCH).name(), "unknown");
    assert_eq!(judged(Repeat::Never, &Answer::text(409, "exists")).name(), "give_up");
    assert_eq!(judged(Repeat::Never, &Answer::text(302, "")).name(), "give_up");
}
