//! What is the same for all of the API: requests that come again, limits, terms of keys, methods and media types,
//! problems with a page each.

use super::{Hub, document, hub};
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tower::ServiceExt as _;

/// Status, headers and JSON of an answer.
type Told = (StatusCode, HeaderMap, Value);

async fn ask(hub: &Hub, method: &str, path: &str, key: &str, headers: &[(&str, &str)], body: &str) -> Told {
    to(&hub.app, method, path, key, headers, body).await
}

async fn to(
    app: &pasarela_web::App,
    method: &str,
    path: &str,
    key: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Told {
    let mut request =
        Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {key}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = app.public().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

const INCIDENTS: &str = "/api/v1/incidents";

async fn incidents(hub: &Hub) -> usize {
    let (_, _, list) = ask(hub, "GET", INCIDENTS, &hub.key, &[], "").await;
    list["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_request_that_comes_again_is_done_once_and_answered_the_same() {
    let hub = hub(None).await;
    let (body, once) = (r#"{"title":"Portátil perdido"}"#, [("idempotency-key", "incidente-1")]);
    let (status, headers, first) = ask(&hub, "POST", INCIDENTS, &hub.key, &once, body).await;
    assert_eq!((status, headers.get("idempotency-replayed")), (StatusCode::CREATED, None));
    // Beside: another process on the same database, which has seen nothing.
    for app in [&hub.app, &hub.beside()] {
        let (status, headers, again) = to(app, "POST", INCIDENTS, &hub.key, &once, body).await;
        assert_eq!((status, &again), (StatusCode::CREATED, &first));
        assert_eq!(headers["idempotency-replayed"], "true");
    }
    let (status, _, other) = ask(&hub, "POST", INCIDENTS, &hub.key, &once, r#"{"title":"Otro"}"#).await;
    assert_eq!((status, &other["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("idempotency_key_reused")));
    let (status, _, elsewhere) = ask(&hub, "POST", "/api/v1/holds", &hub.key, &once, body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "another address is another request: {elsewhere}");
    assert_eq!(incidents(&hub).await, 1);
    let (status, _, _) = ask(&hub, "POST", INCIDENTS, &hub.key_of(&["write"]).await, &once, body).await;
    assert_eq!((status, incidents(&hub).await), (StatusCode::CREATED, 2), "keys are each caller's own");
    // What failed changed nothing: the same key may bring it right.
    let twice = [("idempotency-key", "incidente-2")];
    let (status, _, _) = ask(&hub, "POST", INCIDENTS, &hub.key, &twice, r#"{"titel":"?"}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _, _) = ask(&hub, "POST", INCIDENTS, &hub.key, &twice, body).await;
    assert_eq!((status, incidents(&hub).await), (StatusCode::CREATED, 3));
    hub.wall.forward(Duration::from_secs(25 * 3600));
    let (status, headers, _) = ask(&hub, "POST", INCIDENTS, &hub.key, &once, body).await;
    assert_eq!((status, headers.contains_key("idempotency-replayed")), (StatusCode::CREATED, false), "after a day");
    let (status, _, wrong) = ask(&hub, "POST", INCIDENTS, &hub.key, &[("idempotency-key", "")], body).await;
    assert_eq!((status, &wrong["code"]), (StatusCode::BAD_REQUEST, &json!("bad_request")));
}

#[tokio::test]
async fn of_many_that_come_at_once_one_is_done() {
    let hub = std::sync::Arc::new(hub(None).await);
    let tries: Vec<_> = (0..16)
        .map(|_| {
            let hub = hub.clone();
            tokio::spawn(async move {
                let once = [("idempotency-key", "a-la-vez")];
                ask(&hub, "POST", INCIDENTS, &hub.key, &once, r#"{"title":"Uno"}"#).await
            })
        })
        .collect();
    let mut numbers = BTreeSet::new();
    for one in tries {
        let (status, headers, answer) = one.await.unwrap();
        if status == StatusCode::CONFLICT {
            assert_eq!(answer["code"], "request_in_progress");
            assert!(headers.contains_key(header::RETRY_AFTER));
        } else {
            assert_eq!(status, StatusCode::CREATED, "{answer}");
            numbers.insert(answer["number"].to_string());
        }
    }
    assert_eq!((numbers.len(), incidents(&hub).await), (1, 1));
}

#[tokio::test]
async fn a_keys_text_is_told_once_even_to_who_asks_again() {
    let hub = hub(None).await;
    let owner = hub.key_of(&["role:owner"]).await;
    let (wish, once) = (r#"{"name":"tablero","scopes":["events:read"]}"#, [("idempotency-key", "clave-1")]);
    let (status, _, made) = ask(&hub, "POST", "/api/v1/keys", &owner, &once, wish).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let text = made["key"].as_str().unwrap().to_owned();
    let (status, _, again) = ask(&hub, "POST", "/api/v1/keys", &owner, &once, wish).await;
    assert_eq!((status, &again["code"]), (StatusCode::CONFLICT, &json!("answer_not_kept")));
    let (_, _, list) = ask(&hub, "GET", "/api/v1/keys", &owner, &[], "").await;
    let named = list["data"].as_array().unwrap().iter().filter(|k| k["name"] == "tablero").count();
    assert_eq!((named, list.to_string().contains(&text)), (1, false));
}

#[tokio::test]
async fn a_key_opens_what_its_terms_say_until_they_end() {
    let hub = hub(None).await;
    let owner = hub.key_of(&["role:owner"]).await;
    let expires = jiff::Timestamp::from_second(0).unwrap();
    let status_of = async |key: &str, path: &str| ask(&hub, "GET", path, key, &[], "").await;
    let make = async |wish: Value| ask(&hub, "POST", "/api/v1/keys", &owner, &[], &wish.to_string()).await;
    let (status, _, past) = make(json!({ "name": "x", "scopes": ["read"], "expires_at": expires })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{past}");
    // The hub's wall clock stands at 2026-11-27T19:00:00Z and is moved by hand.
    let (_, _, made) = make(json!({ "name": "un día", "scopes": ["events:read"], "expires_at": "2026-11-28T19:00:00Z",
        "brands": ["default"] }))
    .await;
    let key = made["key"].as_str().unwrap().to_owned();
    assert_eq!(status_of(&key, "/api/v1/events").await.0, StatusCode::OK);
    let (status, _, refused) = status_of(&key, "/api/v1/runs").await;
    assert_eq!((status, &refused["code"]), (StatusCode::FORBIDDEN, &json!("missing_scope")));
    assert!(refused["detail"].as_str().unwrap().contains("'runs:read'"), "{refused}");
    // A new text, and the old one for an hour.
    let id = made["id"].as_str().unwrap();
    let rotate = format!("/api/v1/keys/{id}/rotate");
    let (_, _, renewed) = ask(&hub, "POST", &rotate, &owner, &[], r#"{"overlap_s":3600}"#).await;
    let new = renewed["key"].as_str().unwrap().to_owned();
    for text in [&key, &new] {
        assert_eq!(status_of(text, "/api/v1/events").await.0, StatusCode::OK);
    }
    hub.wall.forward(Duration::from_secs(3600));
    let (status, _, over) = status_of(&key, "/api/v1/events").await;
    assert_eq!((status, &over["code"]), (StatusCode::UNAUTHORIZED, &json!("expired_key")));
    assert_eq!(status_of(&new, "/api/v1/events").await.0, StatusCode::OK);
    hub.wall.forward(Duration::from_secs(23 * 3600));
    let (status, _, over) = status_of(&new, "/api/v1/events").await;
    assert_eq!((status, &over["code"]), (StatusCode::UNAUTHORIZED, &json!("expired_key")));
    // Its use is noted beside the request, which does not wait for it.
    let row = loop {
        let (_, _, list) = ask(&hub, "GET", "/api/v1/keys", &owner, &[], "").await;
        let row = list["data"].as_array().unwrap().iter().find(|k| k["id"] == id).unwrap().clone();
        if row["used_at"].is_string() {
            break row;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&row["state"], &row["brands"]), (&json!("expired"), &json!(["default"])));
}

#[tokio::test]
async fn nobody_makes_a_key_that_may_more_than_they_may() {
    let hub = hub(None).await;
    let keeper = hub.key_of(&["keys:write", "keys:read", "events:read"]).await;
    let make = async |scopes: Value| {
        ask(&hub, "POST", "/api/v1/keys", &keeper, &[], &json!({ "name": "x", "scopes": scopes }).to_string()).await
    };
    assert_eq!(make(json!(["events:read"])).await.0, StatusCode::CREATED);
    for beyond in [json!(["read"]), json!(["events:read", "flows:write"]), json!(["role:owner"])] {
        let (status, _, refused) = make(beyond.clone()).await;
        assert_eq!((status, &refused["code"]), (StatusCode::FORBIDDEN, &json!("beyond_own")), "{beyond}");
    }
    // Another's key with more rights: to renew it would be to have it.
    let (status, _, refused) =
        ask(&hub, "POST", &format!("/api/v1/keys/{}/rotate", hub.reader_id), &keeper, &[], "").await;
    assert_eq!((status, &refused["code"]), (StatusCode::FORBIDDEN, &json!("beyond_own")));
    // What was broad before there were fine scopes reaches no key.
    assert_eq!(ask(&hub, "GET", "/api/v1/keys", &hub.key, &[], "").await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_key_is_held_to_its_limit_and_told_how_it_stands() {
    let hub = hub(None).await;
    let owner = hub.key_of(&["role:owner"]).await;
    let wish = r#"{"name":"lento","scopes":["read"],"rate":"3/h"}"#;
    let (_, _, made) = ask(&hub, "POST", "/api/v1/keys", &owner, &[], wish).await;
    let key = made["key"].as_str().unwrap();
    for left in ["2", "1", "0"] {
        let (status, headers, _) = ask(&hub, "GET", "/api/v1", key, &[], "").await;
        assert_eq!((status, &headers["ratelimit-policy"]), (StatusCode::OK, &"\"key\";q=3;w=3600".parse().unwrap()));
        assert!(headers["ratelimit"].to_str().unwrap().contains(&format!("r={left};")));
    }
    let (status, headers, refused) = ask(&hub, "GET", "/api/v1", key, &[], "").await;
    assert_eq!((status, &refused["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!("rate_limited")));
    let wait: u64 = headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1100..=1200).contains(&wait) && headers.contains_key("ratelimit"), "{headers:?}");
    assert_eq!(ask(&hub, "GET", "/api/v1", &owner, &[], "").await.0, StatusCode::OK, "another key goes on");
}

/// Guessing is hopeless, and no load either: an address that brings many keys that nobody has waits, and whoever has
/// one goes on beside it.
#[tokio::test]
async fn many_keys_that_nobody_has_wait_and_keep_out_nobody_who_has_one() {
    let hub = hub(None).await;
    let public = hub.app.public();
    let tried = async |key: &str, from: u8| {
        let mut request = Request::get("/api/v1").header(header::AUTHORIZATION, format!("Bearer {key}"));
        request = request.extension(pasarela_web::Peer([192, 0, 2, from].into()));
        public.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let made_up = |n: usize| format!("psk_{n:043}");
    let mut refused = Vec::new();
    for n in 0..80 {
        refused.push(tried(&made_up(n), 7).await);
    }
    let count = |status| refused.iter().filter(|a| a.status() == status).count();
    assert_eq!(count(StatusCode::UNAUTHORIZED) + count(StatusCode::TOO_MANY_REQUESTS), 80);
    // One comes back each second.
    assert!((60..=65).contains(&count(StatusCode::UNAUTHORIZED)), "{}", count(StatusCode::UNAUTHORIZED));
    let last = refused.last().unwrap().headers();
    let wait: u64 = last[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{last:?}");
    assert_eq!(last["ratelimit-policy"], "\"unknown-keys\";q=60;w=60");
    assert!(last["ratelimit"].to_str().unwrap().contains("r=0;"), "{last:?}");
    assert_eq!(tried(&made_up(99), 8).await.status(), StatusCode::UNAUTHORIZED, "another address");
    assert_eq!(tried(&hub.reader, 7).await.status(), StatusCode::OK, "a key that there is, from the same address");
    // One that is made now too, as soon as the list is read again.
    let fresh = hub.key_of(&["read"]).await;
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while tried(&fresh, 7).await.status() != StatusCode::OK {
        assert!(std::time::Instant::now() < deadline, "a new key is kept out");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whoever answers: a type is what it says, and where the address is https, browsers keep to it.
#[tokio::test]
async fn every_answer_says_its_type_and_https_binds_the_browser() {
    let hub = hub(None).await;
    let options = pasarela_web::Options {
        public_url: "https://hub.marca.example".into(),
        console_url: "https://consola.marca.example".into(),
        ..pasarela_web::Options::default()
    };
    let encrypted = pasarela_web::App::new(hub.engine.clone(), options);
    for (app, https) in [(&hub.app, false), (&encrypted, true)] {
        let asked = [
            ("POST", "/hooks/tienda"),
            ("GET", "/hooks/nadie"),
            ("PUT", "/hooks/tienda"),
            ("GET", "/healthz"),
            ("GET", "/metrics"),
            ("GET", "/openapi.json"),
            ("GET", "/mis-datos"),
            ("GET", "/api/v1"),
            ("DELETE", "/api/v1/events"),
            ("GET", "/nada"),
        ];
        let public = asked.map(|a| (app.public(), a));
        let console = [("GET", "/entrar"), ("GET", "/"), ("GET", "/nada"), ("GET", "/recursos/consola.js")];
        for (router, (method, path)) in public.into_iter().chain(console.map(|a| (app.console(), a))) {
            let request = Request::builder().method(method).uri(path).body(Body::from("x")).unwrap();
            let answer = router.oneshot(request).await.unwrap();
            let headers = answer.headers();
            assert_eq!(headers.get("x-content-type-options").unwrap(), "nosniff", "{method} {path}");
            let strict = headers.get("strict-transport-security").map(|v| v.to_str().unwrap());
            assert_eq!(strict, https.then_some("max-age=31536000"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn methods_and_media_types_are_answered_as_http_has_it() {
    let hub = hub(None).await;
    let (status, headers, problem) = ask(&hub, "DELETE", "/api/v1/incidents", &hub.key, &[], "").await;
    assert_eq!((status, &problem["code"]), (StatusCode::METHOD_NOT_ALLOWED, &json!("method_not_allowed")));
    let allow =
        |h: &HeaderMap| h[header::ALLOW].to_str().unwrap().split(',').map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(allow(&headers), ["GET", "HEAD", "POST"].map(str::to_owned).into());
    let (status, headers, _) = ask(&hub, "OPTIONS", "/api/v1/incidents", "", &[], "").await;
    assert_eq!((status, allow(&headers).len()), (StatusCode::NO_CONTENT, 3));
    let (status, headers, body) = ask(&hub, "HEAD", "/api/v1/incidents", &hub.key, &[], "").await;
    assert_eq!((status, body), (StatusCode::OK, Value::Null));
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    let xml = [("content-type", "application/xml")];
    let (status, _, problem) = ask(&hub, "POST", INCIDENTS, &hub.key, &xml, "<a/>").await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!("unsupported_media_type")));
    for method in ["GET", "POST"] {
        let html = [("accept", "text/html")];
        let (status, _, problem) = ask(&hub, method, INCIDENTS, &hub.key, &html, r#"{"title":"x"}"#).await;
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_ACCEPTABLE, &json!("not_acceptable")));
    }
    let large = "x".repeat(7 * 1024 * 1024);
    let (status, _, problem) = ask(&hub, "POST", INCIDENTS, &hub.key, &[], &large).await;
    assert_eq!((status, &problem["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("too_large")));
    assert_eq!(incidents(&hub).await, 0, "nothing of this was done");
}

#[tokio::test]
async fn of_two_who_change_what_both_have_read_the_second_is_told() {
    let hub = hub(None).await;
    let (_, headers, made) = ask(&hub, "POST", INCIDENTS, &hub.key, &[], r#"{"title":"Portátil perdido"}"#).await;
    let at = format!("{INCIDENTS}/{}", made["number"].as_str().unwrap());
    let version = headers[header::ETAG].to_str().unwrap().to_owned();
    let (_, headers, _) = ask(&hub, "GET", &at, &hub.key, &[], "").await;
    assert_eq!(headers[header::ETAG], version.as_str());
    let step = async |tag: &str, persons: u32| {
        let body = format!(r#"{{"step":"update","persons":{persons}}}"#);
        ask(&hub, "POST", &format!("{at}/steps"), &hub.key, &[("if-match", tag)], &body).await
    };
    let (status, headers, _) = step(&version, 12).await;
    assert_eq!(status, StatusCode::OK);
    let next = headers[header::ETAG].to_str().unwrap().to_owned();
    for stale in [version.as_str(), "\"INC-2000-000001.1\"", "W/\"x\""] {
        let (status, _, problem) = step(stale, 99).await;
        assert_eq!((status, &problem["code"]), (StatusCode::PRECONDITION_FAILED, &json!("changed_meanwhile")));
    }
    let (_, _, now) = ask(&hub, "GET", &at, &hub.key, &[], "").await;
    assert_eq!(now["persons"], 12);
    assert_eq!((step(&next, 13).await.0, step("*", 14).await.0), (StatusCode::OK, StatusCode::OK));
}

/// Two people change one flow: who did not see the other's version is told, and writes over nothing.
#[tokio::test]
async fn of_two_who_push_one_flow_the_second_is_told_what_they_did_not_see() {
    let hub = hub(None).await;
    const AT: &str = "/api/v1/flows/boleta-confirmada";
    let (_, headers, flow) = ask(&hub, "GET", AT, &hub.key, &[], "").await;
    let read = headers[header::ETAG].to_str().unwrap().to_owned();
    let version = flow["version"].as_u64().unwrap();
    let text = |version: u64| {
        let old = format!("version: {}", flow["version"]);
        flow["text"].as_str().unwrap().replace(&old, &format!("version: {version}"))
    };
    let push = async |tag: &str, files: &[String], dry_run: bool| {
        let files: Vec<Value> = files.iter().map(|t| json!({ "file": "boleta.yaml", "text": t })).collect();
        let body = json!({ "flows": files, "dry_run": dry_run }).to_string();
        ask(&hub, "POST", "/api/v1/flows", &hub.key, &[("if-match", tag)], &body).await
    };
    let (status, _, told) = push(&read, &[text(version + 1)], false).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    // A higher number alone would have written over it.
    for dry_run in [true, false] {
        let (status, _, problem) = push(&read, &[text(version + 2)], dry_run).await;
        assert_eq!((status, &problem["code"]), (StatusCode::PRECONDITION_FAILED, &json!("changed_meanwhile")));
    }
    let (_, headers, now) = ask(&hub, "GET", AT, &hub.key, &[], "").await;
    assert_eq!(now["version"], version + 1);
    let next = headers[header::ETAG].to_str().unwrap();
    assert_ne!(next, read);
    assert_eq!(push("\"otro.1\"", &[text(version + 2)], false).await.0, StatusCode::PRECONDITION_FAILED);
    let (status, _, problem) = push(next, &[text(version + 2), text(version + 3)], false).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    assert_eq!(push(next, &[text(version + 2)], false).await.0, StatusCode::OK);
    assert_eq!(push("*", &[text(version + 3)], false).await.0, StatusCode::OK, "whatever is there");
}

/// The type of a problem leads to its page; every code that the source has is one.
#[tokio::test]
async fn every_code_of_a_problem_has_a_page() {
    let hub = hub(None).await;
    let (_, _, problem) = ask(&hub, "GET", "/api/v1/events/x", &hub.key, &[], "").await;
    let page = problem["type"].as_str().unwrap().to_owned();
    let mut codes = BTreeSet::new();
    fn look(folder: &std::path::Path, codes: &mut BTreeSet<String>) {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                look(&path, codes);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            // The code is the second thing that a problem is made of, after its status.
            for made in text.split("Problem::new(").chain(text.split("Self::new(")).skip(1) {
                let Some((status, rest)) = made.split_once(',') else { continue };
                let code = rest.trim_start().strip_prefix('"').and_then(|r| r.split('"').next());
                if let Some(code) = code.filter(|_| status.trim().starts_with("StatusCode::")) {
                    codes.insert(code.to_owned());
                }
            }
        }
    }
    look(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut codes);
    // Handed to a function that makes the problem.
    codes.extend(["unknown_key".to_owned(), "expired_key".to_owned()]);
    assert!(codes.len() > 20 && codes.contains("rate_limited"), "{codes:?}");
    assert_eq!(page, "/docs/errors/bad_request");
    let index = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors/README.md")).unwrap();
    for code in &codes {
        let page = Request::get(format!("/docs/errors/{code}")).body(Body::empty()).unwrap();
        let answer = hub.app.public().oneshot(page).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{code} has no page in docs/errors");
        assert!(index.contains(&format!("[`{code}`]({code}.md)")), "docs/errors/README.md does not list {code}");
    }
}

/// What programs of others rely on: routes, parameters, scopes and names of schemas, as a file that people read.
#[test]
fn the_api_is_what_its_file_says() {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/openapi.json");
    let document = document();
    let mut kept = json!({ "paths": document["paths"], "schemas": document["components"]["schemas"] });
    // What providers' manifests say is held where they are.
    kept["schemas"].as_object_mut().unwrap().retain(|name, _| !name.contains('.'));
    let now = format!("{}\n", serde_json::to_string_pretty(&kept).unwrap());
    if std::env::var_os("PASARELA_WRITE_OPENAPI").is_some() {
        std::fs::write(FILE, &now).unwrap();
    }
    let before = std::fs::read_to_string(FILE).unwrap_or_default();
    if before != now {
        let line = before.lines().zip(now.lines()).position(|(a, b)| a != b).unwrap_or(before.lines().count());
        let around: Vec<&str> = now.lines().skip(line.saturating_sub(3)).take(8).collect();
        panic!(
            "the API has changed at line {line} of its file; if that is meant, write it with PASARELA_WRITE_OPENAPI=1:\n{}",
            around.join("\n")
        );
    }
}

/// A form of the console, sent by whoever has this session: the cookie and its token.
async fn filled_in(hub: &Hub, (cookie, csrf): &(String, String), path: &str, form: &str) -> (StatusCode, String) {
    let request = Request::post(path)
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("csrf={csrf}&{form}")))
        .unwrap();
    let answer = hub.app.console().oneshot(request).await.unwrap();
    let (status, bytes) = (answer.status(), answer.into_body().collect().await.unwrap().to_bytes());
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn the_page_of_keys_shows_a_text_once_and_ends_what_it_is_told_to() {
    let hub = hub(None).await;
    let owner = hub.key_of(&["role:owner"]).await;
    let session = super::walk::session(&hub, &owner).await;
    let cookie = &session.0;
    let send = async |path: &str, form: &str| filled_in(&hub, &session, path, form).await;
    let text_of = |page: &str| {
        let text = page.split("psk_").nth(1).map(|t| t.chars().take_while(char::is_ascii_alphanumeric).collect());
        text.map(|t: String| format!("psk_{t}"))
    };
    let (status, page) = send("/claves", "nombre=tablero&alcance.events:read=si&dias=30&limite=600/m").await;
    let made = text_of(&page).expect("the text of the key");
    assert_eq!((status, ask(&hub, "GET", "/api/v1/events", &made, &[], "").await.0), (StatusCode::OK, StatusCode::OK));
    let shown = Request::get("/claves").header(header::COOKIE, cookie).body(Body::empty()).unwrap();
    let shown = hub.app.console().oneshot(shown).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    let shown = String::from_utf8(shown.to_vec()).unwrap();
    assert!(shown.contains("tablero") && shown.contains("600/m") && !shown.contains("psk_"), "a text is shown once");
    let (_, _, list) = ask(&hub, "GET", "/api/v1/keys", &owner, &[], "").await;
    let id = list["data"].as_array().unwrap().iter().find(|k| k["name"] == "tablero").unwrap()["id"].clone();
    let id = id.as_str().unwrap();
    let (_, page) = send(&format!("/claves/{id}/rotar"), "horas=1").await;
    let renewed = text_of(&page).expect("a new text");
    assert_ne!(made, renewed);
    let (_, page) = send(&format!("/claves/{id}/revocar"), "").await;
    assert!(page.contains("Revocada"));
    for text in [&made, &renewed] {
        assert_eq!(ask(&hub, "GET", "/api/v1/events", text, &[], "").await.0, StatusCode::UNAUTHORIZED);
    }
    let (status, page) = send("/claves", "nombre=&alcance.read=si").await;
    assert!(status == StatusCode::BAD_REQUEST && page.contains("name: say"), "{status}");
}

#[tokio::test]
async fn the_page_of_webhooks_shows_a_secret_once_and_does_what_its_buttons_say() {
    let hub = hub(None).await;
    let owner = hub.key_of(&["role:owner"]).await;
    let session = super::walk::session(&hub, &owner).await;
    let send = async |path: &str, form: &str| filled_in(&hub, &session, path, form).await;
    let form = "direccion=http%3A%2F%2F127.0.0.1%3A9%2Favisos&nombre=Tablero&tipos=order.*%2C+ticket.*&pais=CO";
    let (status, page) = send("/webhooks", form).await;
    assert!(status == StatusCode::OK && page.contains("whsec_"), "{status}");
    let (_, _, list) = ask(&hub, "GET", "/api/v1/webhooks", &owner, &[], "").await;
    let made = &list["data"][0];
    assert_eq!((&made["types"], &made["description"]), (&json!(["order.*", "ticket.*"]), &json!("Tablero")));
    assert!(!list.to_string().contains("whsec_"), "a secret is shown once");
    let id = made["id"].as_str().unwrap();
    let (_, page) = send(&format!("/webhooks/{id}/secreto"), "horas=24").await;
    assert!(page.contains("whsec_") && page.contains("2 secretos vigentes"));
    let (_, page) = send(&format!("/webhooks/{id}/probar"), "").await;
    assert!(page.contains("Prueba de Tablero") && page.contains("Nadie respondió") && !page.contains("whsec_"));
    let (_, page) = send(&format!("/webhooks/{id}/pausar"), "motivo=mudanza").await;
    assert!(page.contains("En pausa") && page.contains("mudanza"));
    let (_, page) = send(&format!("/webhooks/{id}/reanudar"), "").await;
    assert!(page.contains("Al día") && !page.contains("mudanza"));
    assert_eq!(send(&format!("/webhooks/{id}/reenviar"), "horas=1").await.0, StatusCode::OK);
    let (status, page) = send("/webhooks", "direccion=ftp%3A%2F%2Fx&tipos=*").await;
    assert!(status == StatusCode::BAD_REQUEST && page.contains("https://"), "{status}");
    let (_, page) = send(&format!("/webhooks/{id}/quitar"), "").await;
    assert!(page.contains("Ningún sistema recibe avisos"));
    // Who may not make keys may not make webhooks either.
    let viewer = hub.key_of(&["read", "write"]).await;
    let (status, ..) = ask(&hub, "POST", "/api/v1/webhooks", &viewer, &[], "{}").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}
