//! The theatre as a browser meets it, in front of a sandbox that is told what to show: what it draws, what its
//! buttons ask for, and that nothing of what the doubles hold can run.

#[path = "console/seed.rs"]
#[allow(dead_code, reason = "the console's tests use more of it")]
mod seed;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response, StatusCode, header};
use axum::routing::{get as on_get, post as on_post};
use axum::{Json, Router};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use seed::{HOSTILE, Hub, hub};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt as _;

/// What the sandbox was asked to do: path and body.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A sandbox that shows invented things.
async fn sandbox() -> (String, Asked) {
    let asked = Asked::default();
    let view = |Path((connection, what)): Path<(String, String)>| async move { Json(shown(&connection, &what)) };
    let act = |State(asked): State<Asked>, Path(connection): Path<String>, Json(body): Json<Value>| async move {
        let refused = body["args"]["code"] == "A-NADA";
        asked.lock().push((format!("{connection}/act"), body));
        let status = if refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        (status, Json(json!({ "detail": "there is no ticket" })))
    };
    let faults = |State(asked): State<Asked>, Json(body): Json<Value>| async move {
        asked.lock().push(("faults".into(), body.clone()));
        Json(body)
    };
    let file = |Path((_, message, n)): Path<(String, String, String)>| async move {
        let status = if message == "m1" && n == "0" { StatusCode::OK } else { StatusCode::NOT_FOUND };
        (status, [(header::CONTENT_TYPE, "text/html")], HOSTILE)
    };
    let router = Router::new()
        .route(
            "/_sandbox/health",
            on_get(|| async {
                Json(json!({ "connections": ["boleteria", "correo", "crm", "wa"], "now": "2026-11-27T19:00:00Z" }))
            }),
        )
        .route("/_sandbox/faults", on_get(|| async { Json(json!({ "p_cut": 1.0, "p_lost": 0.0 })) }).put(faults))
        .route("/_sandbox/{connection}/view/{what}", on_get(view))
        .route("/_sandbox/{connection}/act", on_post(act))
        .route("/_sandbox/{connection}/attachment/{message}/{n}", on_get(file))
        .with_state(asked.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Lives as long as the test's runtime: dropped, it would stop.
    std::mem::forget(pasarela_web::serve(listener, router).unwrap());
    (url, asked)
}

fn shown(connection: &str, what: &str) -> Value {
    match (connection, what) {
        ("boleteria", "shows") => json!([{ "id": 5, "title": format!("Noche {HOSTILE}"), "status": "LIVE" }]),
        ("boleteria", "products") => json!([{ "event_id": 5, "prices": [{ "label": "VIP" }] }]),
        ("boleteria", "orders") => json!([
            { "id": 1, "public_id": "O-UNO", "first_name": "Luz", "last_name": HOSTILE, "status": "COMPLETED", "total_gross": 71400 },
            { "id": 2, "public_id": "O-DOS", "first_name": "Ana", "status": "AWAITING_OFFLINE_PAYMENT", "total_gross": 1000 },
        ]),
        ("boleteria", "attendees") => json!([
            { "public_id": "A-UNO", "first_name": "Luz", "status": "ACTIVE", "check_ins": [] },
            { "public_id": "A-DOS", "first_name": "Ana", "status": "ACTIVE", "check_ins": [{}] },
        ]),
        ("wa", "chats") => json!([{ "phone": "+573001112233", "name": HOSTILE, "messages": [
            { "id": "w1", "from": "us", "text": HOSTILE, "at": "2026-11-27T18:00:00Z", "status": "read", "template": "boleta",
              "buttons": [{ "text": "Confirmo", "payload": "si" }] },
            { "id": "w2", "from": "guest", "text": "Allá nos vemos", "at": "2026-11-27T18:01:00Z" } ] }]),
        ("crm", "people") => {
            json!([{ "name": HOSTILE, "email": "luz@correo.example", "phone": "+573001112233", "deleted": false },
            { "name": "Borrada", "deleted": true }])
        }
        ("crm", "notes") => json!([{ "title": "Compra O-UNO", "text": HOSTILE, "deleted": false }]),
        ("correo", "mailbox") => {
            json!({ "messages": [{ "id": "m1", "to": ["luz@correo.example"], "from": "hola@marca.example",
            "subject": format!("Tu boleta {HOSTILE}"), "at": "2026-11-27T18:00:00Z", "text": format!("Hola {HOSTILE}"),
            "html": format!("<b>Hola</b>{HOSTILE}"),
            "attachments": [{ "name": "boleta.pdf", "type": "application/pdf", "size": 2048 }] }] })
        }
        _ => Value::Null,
    }
}

async fn send(hub: &Hub, request: Request<Body>) -> Response<Body> {
    hub.app.console().oneshot(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn get(path: &str, cookie: &str) -> Request<Body> {
    Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap()
}

fn post(path: &str, cookie: &str, form: &str) -> Request<Body> {
    let request = Request::post(path).header(header::COOKIE, cookie);
    request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(Body::from(form.to_owned())).unwrap()
}

async fn sign_in(hub: &Hub, scopes: &[&str]) -> String {
    let link = hub.link(scopes, 15).await;
    let response = send(hub, post("/entrar", "", &format!("enlace={}", link.split("enlace=").nth(1).unwrap()))).await;
    response.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
}

fn csrf(page: &str) -> &str {
    page.split("name=\"csrf\" value=\"").nth(1).and_then(|t| t.split('"').next()).expect("a token")
}

#[tokio::test]
async fn the_stage_shows_phone_mail_board_and_box_office_and_hostile_text_stays_text() {
    let (url, _) = sandbox().await;
    let hub = hub(Some(&url)).await;
    let session = sign_in(&hub, &["read", "write"]).await;
    let stage = text(send(&hub, get("/teatro", &session)).await).await;
    for part in [
        "O-UNO",
        "O-DOS",
        "Pagar",
        "Devolver",
        "A-UNO",
        "2 boletas vendidas",
        "1 persona adentro",
        "VIP",
        "Confirmo",
        "Allá nos vemos",
        "+57\u{a0}300\u{a0}111\u{a0}2233",
        "Compra O-UNO",
        "luz@correo.example",
        "boleta.pdf",
        "2\u{a0}KiB",
        "/teatro/carta/correo/m1",
        "/teatro/adjunto/correo/m1/0",
        "sandbox=\"\"",
        "&#60;script&#62;",
    ] {
        assert!(stage.contains(part), "'{part}' is missing in {stage}");
    }
    assert!(!stage.contains(HOSTILE), "nothing of the doubles is markup");
    assert!(!stage.contains("Borrada"), "what was deleted is not on the board");
    assert!(!stage.contains("value=\"A-DOS\""), "who is inside is not scanned again");
    let down = stage.split("value=\"caida\"").nth(1).unwrap();
    assert!(down.split("</form>").next().unwrap().contains("aria-pressed=\"true\""), "the network is told as it is");
}

#[tokio::test]
async fn letters_cannot_run_and_attachments_are_only_kept() {
    let (url, _) = sandbox().await;
    let hub = hub(Some(&url)).await;
    let session = sign_in(&hub, &["read"]).await;
    let letter = send(&hub, get("/teatro/carta/correo/m1", &session)).await;
    let policy = letter.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    for part in ["sandbox;", "default-src 'none'", "form-action 'none'", "frame-ancestors 'self'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("script-src") && !policy.contains("allow-"), "{policy}");
    assert_eq!(letter.headers()["x-content-type-options"], "nosniff");
    assert!(text(letter).await.contains("<b>Hola</b>"));
    let file = send(&hub, get("/teatro/adjunto/correo/m1/0", &session)).await;
    assert_eq!(file.headers()[header::CONTENT_DISPOSITION], "attachment");
    assert!(file.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("sandbox;"));
    for missing in [
        "/teatro/carta/correo/m9",
        "/teatro/carta/nada/m1",
        "/teatro/adjunto/correo/m1/7",
        "/teatro/adjunto/correo/..%2F..%2Fhealth/0",
    ] {
        assert_eq!(send(&hub, get(missing, &session)).await.status(), StatusCode::NOT_FOUND, "{missing}");
    }
    for closed in ["/teatro/carta/correo/m1", "/teatro/adjunto/correo/m1/0"] {
        assert_eq!(
            send(&hub, get(closed, "")).await.status(),
            StatusCode::SEE_OTHER,
            "a guest's letter is no public page"
        );
    }
}

#[tokio::test]
async fn buttons_ask_the_doubles_for_what_they_say_and_only_for_who_may() {
    let (url, asked) = sandbox().await;
    let hub = hub(Some(&url)).await;
    let session = sign_in(&hub, &["read", "write"]).await;
    let stage = text(send(&hub, get("/teatro", &session)).await).await;
    let token = csrf(&stage).to_owned();
    let press = async |form: &str| {
        let response = send(&hub, post("/teatro/acto", &session, &format!("csrf={token}&{form}"))).await;
        let to = response.headers().get(header::LOCATION).map(|l| l.to_str().unwrap().to_owned());
        (response.status(), to.unwrap_or_default())
    };
    let buy = "acto=comprar&conexion=boleteria&desfile=5&nombre=Luz&apellidos=Ospina&correo=luz@correo.example&celular=3001112233&localidad=VIP&boletas=9&pago=despues&aqui=celular%3D%252B573001112233%26aviso%3Dx";
    assert_eq!(press(buy).await, (StatusCode::SEE_OTHER, "/teatro?celular=%2B573001112233&aviso=acted".into()));
    let bought = asked.lock().pop().unwrap();
    assert_eq!(bought.0, "boleteria/act");
    assert_eq!(bought.1["command"], "sell");
    assert_eq!(bought.1["args"]["payment"], "offline");
    assert_eq!(bought.1["args"]["tickets"], json!(vec![json!({ "tier": "VIP" }); 4]), "four at most");
    for (form, command, args) in [
        ("acto=pagar&conexion=boleteria&pedido=2", "mark_as_paid", json!({ "order_id": "2" })),
        ("acto=devolver&conexion=boleteria&pedido=1", "refund", json!({ "order_id": "1" })),
        ("acto=escanear&conexion=boleteria&codigo=A-UNO", "scan", json!({ "code": "A-UNO" })),
        (
            "acto=decir&conexion=wa&telefono=%2B573001112233&texto=hola",
            "say",
            json!({ "text": "hola", "phone": "+573001112233" }),
        ),
        (
            "acto=pulsar&conexion=wa&persona=CO.1&mensaje=w1&texto=Confirmo",
            "press",
            json!({ "text": "Confirmo", "user_id": "CO.1", "message_id": "w1" }),
        ),
    ] {
        assert!(press(form).await.1.ends_with("aviso=acted"), "{form}");
        let (_, body) = asked.lock().pop().unwrap();
        assert_eq!(body, json!({ "command": command, "args": args }));
    }
    assert!(press("acto=escanear&conexion=boleteria&codigo=A-NADA").await.1.ends_with("aviso=refused"));
    asked.lock().clear();
    assert_eq!(press("acto=destruir&conexion=boleteria").await.0, StatusCode::NOT_FOUND);
    let weather = send(&hub, post("/teatro/red", &session, &format!("csrf={token}&tiempo=avisos"))).await;
    assert_eq!(weather.status(), StatusCode::SEE_OTHER);
    assert_eq!(asked.lock().pop().unwrap(), ("faults".into(), json!({ "p_webhook_drop": 1.0 })));

    let reader = sign_in(&hub, &["read"]).await;
    let looked = text(send(&hub, get("/teatro", &reader)).await).await;
    assert!(looked.contains("solo permite mirar") && !looked.contains(">Comprar<"));
    for (who, token) in [(&reader, csrf(&looked)), (&session, "x")] {
        let tried =
            send(&hub, post("/teatro/acto", who, &format!("csrf={token}&acto=pagar&conexion=boleteria&pedido=2")))
                .await;
        assert_eq!(tried.status(), StatusCode::FORBIDDEN);
    }
    assert!(asked.lock().is_empty(), "nothing was asked for");
}

#[tokio::test]
async fn without_a_sandbox_there_is_no_theatre_and_a_silent_one_is_told() {
    let live = hub(None).await;
    let session = sign_in(&live, &["read", "write"]).await;
    let none = send(&live, get("/teatro", &session)).await;
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
    let none = text(none).await;
    assert!(none.contains("solo en el ambiente de pruebas") && !none.contains("href=\"/teatro\""));
    let silent = hub(Some("http://127.0.0.1:9")).await;
    let session = sign_in(&silent, &["read", "write"]).await;
    assert!(text(send(&silent, get("/teatro", &session)).await).await.contains("El simulador no responde"));
    let elsewhere = hub(Some("http://192.0.2.1:80")).await;
    let session = sign_in(&elsewhere, &["read"]).await;
    assert_eq!(send(&elsewhere, get("/teatro", &session)).await.status(), StatusCode::NOT_FOUND, "only this machine");
}
