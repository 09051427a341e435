//! The routes under `/_sandbox/`.

use crate::host;
use crate::wire::{call, call_with};
use pasarela_sandbox::Faults;
use serde_json::{Value, json};

#[tokio::test]
async fn people_act_and_errors_tell_them_what_to_do() {
    let host = host(Faults::default()).await;
    assert_eq!(host.act("tienda", "send", &json!({ "texts": [] })), Ok(json!({ "sent": 0 })));
    for (connection, command, args, part) in [
        ("tienda", "sell", json!({}), "there is send"),
        ("tienda", "send", json!({ "texts": 1 }), "a list"),
        ("nadie", "send", json!({}), "it serves tienda"),
    ] {
        let why = host.act(connection, command, &args).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
    let act = |path: &'static str, body: &'static str| call(host.addr(), "POST", path, body);
    let done = act("/_sandbox/tienda/act", r#"{"command": "send", "args": {"texts": ["a"]}}"#).await;
    assert_eq!((done.status(), done.json()), (Some(200), json!({ "sent": 1 })));
    for (path, body, status, part) in [
        ("/_sandbox/tienda/act", r#"{"command": "sell"}"#, 422, "there is send"),
        ("/_sandbox/tienda/act", r#"{"command": "send", "arg": {}}"#, 400, "`arg`"),
        ("/_sandbox/tienda/act", "nonsense", 400, "body"),
        ("/_sandbox/nadie/act", r#"{"command": "send"}"#, 404, "it serves tienda"),
    ] {
        let seen = act(path, body).await;
        assert_eq!(seen.status(), Some(status), "{body}");
        assert!(seen.json()["detail"].as_str().unwrap().contains(part), "{}", seen.body());
    }
}

#[tokio::test]
async fn what_happened_can_be_read() {
    let host = host(Faults::default()).await;
    call(host.addr(), "POST", "/tienda/orders", "a").await;
    let get = |path: &'static str| call(host.addr(), "GET", path, "");
    let entry = json!({ "kind": "order", "identity": "a", "times": 1, "detail": "order a" });
    assert_eq!(get("/_sandbox/arrivals").await.json(), json!({ "tienda": [entry] }));
    let traffic = get("/_sandbox/traffic").await.json();
    assert_eq!((&traffic["calls"], &traffic["webhooks"]["scheduled"]), (&json!(1), &json!(1)));
    assert_eq!(get("/_sandbox/tienda/view/seen").await.json()[0]["url"], "/orders");
    assert_eq!(get("/_sandbox/tienda/view/other").await.json(), Value::Null);
    assert_eq!(get("/_sandbox/nadie/view/seen").await.status(), Some(404));
    let health = get("/_sandbox/health").await.json();
    assert_eq!((&health["status"], &health["connections"]), (&json!("ok"), &json!(["tienda"])));
    assert_eq!(get("/_sandbox/other").await.status(), Some(404));
    let wrong = call(host.addr(), "DELETE", "/_sandbox/faults", "").await;
    assert_eq!((wrong.status(), wrong.header("allow").as_deref()), (Some(405), Some("GET, PUT")));
    let large = call(host.addr(), "PUT", "/_sandbox/faults", &" ".repeat(6 * 1024 * 1024 + 1)).await;
    assert_eq!(large.status(), Some(413));
}

#[tokio::test]
async fn faults_and_scripts_are_set_over_http() {
    let host = host(Faults::default()).await;
    let put = |body: &'static str| call(host.addr(), "PUT", "/_sandbox/faults", body);
    assert_eq!(put(r#"{"p_500": 1, "latency": ["1ms", "2ms"]}"#).await.status(), Some(200));
    assert_eq!(call(host.addr(), "POST", "/tienda/orders", "a").await.status(), Some(500));
    assert_eq!(call(host.addr(), "GET", "/_sandbox/faults", "").await.json()["latency"], json!(["1ms", "2ms"]));
    for (bad, part) in [(r#"{"p_500": 2}"#, "p_500"), (r#"{"p_501": 1}"#, "p_501"), ("[", "body")] {
        let seen = put(bad).await;
        assert_eq!(seen.status(), Some(400), "{bad}");
        assert!(seen.body().contains(part), "{}", seen.body());
    }
    assert_eq!(host.faults().p_500, 1.0, "a refused change changes nothing");
    put("{}").await;
    let script = |body: &'static str| call(host.addr(), "POST", "/_sandbox/script", body);
    assert_eq!(script(r#"{"path": "/orders", "fault": {"kind": "cut"}}"#).await.status(), Some(200));
    assert_eq!(call(host.addr(), "POST", "/tienda/orders", "a").await.status(), None);
    assert_eq!(call(host.addr(), "POST", "/tienda/orders", "a").await.status(), Some(201));
    assert_eq!(script(r#"{"fault": {"kind": "cut", "millis": 1}}"#).await.status(), Some(400));
}

#[tokio::test]
async fn pages_of_strangers_do_not_get_in() {
    let host = host(Faults::default()).await;
    let with = |headers: &'static str| {
        call_with(host.addr(), "POST", "/_sandbox/script", headers, r#"{"fault": {"kind": "cut"}}"#)
    };
    for headers in ["host: evil.example\r\n", "origin: https://evil.example\r\n", "origin: null\r\n"] {
        assert_eq!(with(headers).await.status(), Some(403), "{headers}");
    }
    assert_eq!(with("origin: http://localhost:8081\r\n").await.status(), Some(200));
}

#[tokio::test]
async fn the_phone_is_served_strictly_in_two_languages() {
    let host = host(Faults::default()).await;
    let get = |path: &'static str| call(host.addr(), "GET", path, "");
    let page = get("/_sandbox/phone").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains("frame-ancestors http://127.0.0.1:* http://localhost:*"), "{policy}");
    let html = page.body();
    assert!(html.contains(r#"lang="es-CO""#) && html.contains("El celular de los invitados"));
    assert!(!html.contains("{{") && !html.contains("<style") && !html.contains("style="), "{html}");
    assert!(
        html.matches("<script").count() == 1 && html.contains(r#"<script src="/_sandbox/phone.js" defer></script>"#)
    );
    let english = get("/_sandbox/phone?lang=en").await.body();
    assert!(english.contains(r#"lang="en""#) && english.contains("The guests&#39; phone"), "{english}");
    for (path, kind) in [
        ("/_sandbox/phone.css", "text/css"),
        ("/_sandbox/phone.js", "text/javascript"),
        ("/_sandbox/phone.svg", "image/svg"),
    ] {
        let file = get(path).await;
        assert_eq!(file.status(), Some(200), "{path}");
        assert!(file.header("content-type").unwrap().starts_with(kind), "{path}");
    }
    let chats = get("/_sandbox/phone/chats").await.json();
    assert_eq!(chats["connections"][0]["connection"], "tienda");
    assert_eq!(chats["connections"][0]["chats"][0]["name"], "Ana Ruiz");
}
