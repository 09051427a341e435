//! The console as a browser meets it: the door, the pages, the deeds, the stream.

#[path = "console/people.rs"]
mod people;
#[path = "console/seed.rs"]
#[expect(dead_code, reason = "others use more of it")]
mod seed;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use seed::{HOSTILE, Hub, hub};
use std::time::{Duration, Instant};
use tower::ServiceExt as _;

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
    Request::post(path)
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap()
}

async fn page(hub: &Hub, path: &str, cookie: &str) -> String {
    let response = send(hub, get(path, cookie)).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    text(response).await
}

fn location(response: &Response<Body>) -> &str {
    response.headers().get(header::LOCATION).map_or("", |v| v.to_str().unwrap())
}

/// Name and value of the session's cookie.
fn session_of(response: &Response<Body>) -> String {
    let cookie = response.headers().get(header::SET_COOKIE).expect("a cookie").to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

async fn sign_in(hub: &Hub, key: &str) -> String {
    let response = send(hub, post("/entrar", "", &format!("clave={key}"))).await;
    assert_eq!((response.status(), location(&response)), (StatusCode::SEE_OTHER, "/"));
    session_of(&response)
}

fn csrf(page: &str) -> &str {
    page.split("name=\"csrf\" value=\"").nth(1).and_then(|t| t.split('"').next()).expect("a token")
}

const PAGES: &[&str] = &[
    "/",
    "/eventos",
    "/buscar",
    "/flujos",
    "/flujos/boleta-confirmada",
    "/conexiones/nueva",
    "/conexiones/nueva?proveedor=hi-events",
    "/por-resolver",
    "/conexiones",
    "/conciliacion",
    "/conservacion",
    "/auditoria",
    "/alarmas",
];

#[tokio::test]
async fn nothing_is_shown_without_a_session() {
    let hub = hub(None).await;
    let story = format!("/historia/{}", hub.told);
    for path in PAGES.iter().copied().chain(["/vivo", "/nada", "/teatro", &story, "/entregas/del_0000000000001/cuerpo"])
    {
        for cookie in ["", "pasarela_sesion=00ff", "pasarela_sesion="] {
            let response = send(&hub, get(path, cookie)).await;
            assert_eq!((response.status(), location(&response)), (StatusCode::SEE_OTHER, "/entrar"), "{path}");
        }
    }
    for path in
        ["/", "/nada", "/salir", "/conciliacion/tienda", "/conexiones/tienda/pausar", "/teatro/acto", "/teatro/red"]
    {
        let response = send(&hub, post(path, "", "")).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let deed = post(&format!("/por-resolver/{}/descartar", hub.dead), "", "csrf=x");
    assert_eq!(send(&hub, deed).await.status(), StatusCode::FORBIDDEN);
    for asset in ["/recursos/consola.css", "/recursos/consola.js", "/recursos/pasarela.svg", "/entrar"] {
        assert_eq!(send(&hub, get(asset, "")).await.status(), StatusCode::OK, "{asset}");
    }
}

#[tokio::test]
async fn a_key_opens_and_leaving_closes() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    let home = page(&hub, "/", &session).await;
    assert!(!home.contains(&hub.key), "the key is on no page");
    assert_eq!(send(&hub, post("/salir", &session, "csrf=wrong")).await.status(), StatusCode::FORBIDDEN);
    let left = send(&hub, post("/salir", &session, &format!("csrf={}", csrf(&home)))).await;
    assert_eq!(location(&left), "/entrar");
    assert_eq!(location(&send(&hub, get("/", &session)).await), "/entrar", "the old cookie is worth nothing");
}

#[tokio::test]
async fn wrong_keys_are_refused_slowly_and_many_of_them_close_the_door_for_a_while() {
    let hub = hub(None).await;
    let begun = Instant::now();
    let response = send(&hub, post("/entrar", "", "clave=psk_no")).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(response.headers().get(header::SET_COOKIE).is_none());
    assert!(!text(response).await.contains("psk_no"));
    let no_read = send(&hub, post("/entrar", "", &format!("clave={}", hub.writer))).await;
    assert!(text(no_read).await.contains("permiso de lectura"));
    for _ in 0..3 {
        send(&hub, post("/entrar", "", "clave=psk_no")).await;
    }
    let response = send(&hub, post("/entrar", "", &format!("clave={}", hub.key))).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(response.headers().contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn a_link_signs_in_once_by_its_button_and_no_key_is_read_from_an_address() {
    let hub = hub(None).await;
    let link = hub.link(&["read", "write"], 15).await;
    for _ in 0..2 {
        // Looked at, by a person or by a chat that fetches previews: nothing is used up.
        let shown = send(&hub, get(&link, "")).await;
        assert!(shown.headers().get(header::SET_COOKIE).is_none());
        assert!(text(shown).await.contains("Sirve una sola vez"));
    }
    let token = link.split("enlace=").nth(1).unwrap();
    let entered = send(&hub, post("/entrar", "", &format!("enlace={token}"))).await;
    assert_eq!((entered.status(), location(&entered)), (StatusCode::SEE_OTHER, "/"));
    let session = session_of(&entered);
    let home = page(&hub, "/", &session).await;
    assert!(home.contains("Luz Ospina") && !home.contains(token), "who it is, and nothing of the link");
    assert!(page(&hub, "/por-resolver", &session).await.contains("Sí, descartar"), "a link may write");
    let again = send(&hub, post("/entrar", "", &format!("enlace={token}"))).await;
    assert_eq!(again.status(), StatusCode::FORBIDDEN);
    assert!(text(again).await.contains("ya se usó o venció"));

    let reader = hub.link(&["read"], 15).await;
    let entered = send(&hub, post("/entrar", "", &format!("enlace={}", reader.split("enlace=").nth(1).unwrap()))).await;
    assert!(page(&hub, "/por-resolver", &session_of(&entered)).await.contains("solo permite mirar"));

    let late = hub.link(&["read"], 1).await;
    hub.wall.forward(Duration::from_secs(61));
    let refused = send(&hub, post("/entrar", "", &format!("enlace={}", late.split("enlace=").nth(1).unwrap()))).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN, "its minute is over");

    let keyed = send(&hub, get(&format!("/entrar?clave={}", hub.key), "")).await;
    assert_eq!(location(&keyed), "/entrar");
    assert!(keyed.headers().get(header::SET_COOKIE).is_none());
    for (name, scopes, minutes) in
        [("", "read", 15), ("Ana", "write", 15), ("Ana", "admin", 15), ("Ana", "read", 0), ("Ana", "read", 1441)]
    {
        let life = Duration::from_secs(minutes * 60);
        assert!(
            pasarela_web::create_link(&hub.app, name, &[scopes.to_owned()], life).await.is_err(),
            "{name} {scopes} {minutes}"
        );
    }
}

#[tokio::test]
async fn of_many_who_press_the_button_at_once_one_is_in() {
    let hub = hub(None).await;
    let link = hub.link(&["read"], 15).await;
    let form = format!("enlace={}", link.split("enlace=").nth(1).unwrap());
    // Another process on the same database: a console of its own, with nothing in its memory.
    let beside = hub.beside();
    let tries = (0..4).map(|n| {
        let router = if n % 2 == 0 { hub.app.console() } else { beside.console() };
        router.oneshot(post("/entrar", "", &form))
    });
    let answers: Vec<Response<Body>> =
        futures_util::future::join_all(tries).await.into_iter().map(Result::unwrap).collect();
    let mut inside = answers.iter().filter(|a| a.status() == StatusCode::SEE_OTHER);
    let session = session_of(inside.next().expect("one is in"));
    assert!(inside.next().is_none(), "and only one");
    let there = beside.console().oneshot(get("/eventos", &session)).await.unwrap();
    assert_eq!(there.status(), StatusCode::OK, "a session holds on every node");
    let home = page(&hub, "/", &session).await;
    let left = beside.console().oneshot(post("/salir", &session, &format!("csrf={}", csrf(&home)))).await.unwrap();
    assert_eq!(location(&left), "/entrar");
    hub.wall.forward(Duration::from_secs(6));
    assert_eq!(location(&send(&hub, get("/", &session)).await), "/entrar", "and ends on every node");
}

#[tokio::test]
async fn a_session_ends_by_its_time() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    hub.wall.forward(Duration::from_secs(12 * 3600 - 1));
    page(&hub, "/", &session).await;
    hub.wall.forward(Duration::from_secs(2));
    assert_eq!(location(&send(&hub, get("/", &session)).await), "/entrar");
}

#[tokio::test]
async fn every_answer_carries_its_protection() {
    let hub = hub(Some("http://127.0.0.1:9090")).await;
    let session = sign_in(&hub, &hub.key).await;
    let story = format!("/historia/{}", hub.told);
    for path in PAGES.iter().copied().chain(["/entrar", "/nada", "/recursos/consola.css", &story]) {
        for cookie in ["", session.as_str()] {
            let response = send(&hub, get(path, cookie)).await;
            let header = |name: &str| response.headers().get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
            assert_eq!(
                header("content-security-policy"),
                "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
                "{path}"
            );
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert_eq!(header("referrer-policy"), "no-referrer");
            if !path.starts_with("/recursos/") {
                assert_eq!(header("cache-control"), "no-store", "{path}");
            }
            let body = text(response).await;
            assert!(!body.contains("<style") && !body.contains(" style=") && !body.contains(" onclick"), "{path}");
            assert!(!body.contains("<script>"), "{path}: no script but files of ours");
        }
    }
}

#[tokio::test]
async fn a_story_tells_everything_and_hostile_text_stays_text() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    let story = page(&hub, &format!("/historia/{}", hub.told), &session).await;
    for part in [
        "Pedido pagado",
        "Auténtica",
        "clave compartida",
        "x-signature",
        "luz.ospina@example.com",
        "boleta-confirmada",
        "directorio.upsert_person",
        "Hecha",
        "Por resolver",
        "Sin confirmar",
        "No enviado",
        "En espera",
        "HTTP 422",
        "tardó",
        "132001",
        "POST http://127.0.0.1:9/boleta",
        "the answer was lost",
        "No antes de",
        "Espera hasta",
    ] {
        assert!(story.contains(part), "'{part}' is missing");
    }
    assert!(story.contains("&#60;script&#62;"), "hostile text is there, as text");
    let list = page(&hub, "/eventos", &session).await;
    assert!(list.contains("&#60;script&#62;") && list.contains("tienda.order.created"));
    for (name, html) in [("story", &story), ("list", &list), ("dead", &page(&hub, "/por-resolver", &session).await)] {
        assert!(!html.contains(HOSTILE), "{name}");
        assert!(!html.contains("esto no es JSON <b>"), "{name}");
    }
    let delivery = story.split("/entregas/del_").nth(1).and_then(|t| t.split(['/', '"']).next()).unwrap();
    let raw = send(&hub, get(&format!("/entregas/del_{delivery}/cuerpo"), &session)).await;
    assert_eq!(raw.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    assert!(text(raw).await.contains(HOSTILE), "the raw body is what came, byte by byte");
    for path in [
        "/historia/evt_0000000000001",
        "/historia/x",
        "/historia/%3Cscript%3E",
        "/entregas/x/cuerpo",
        "/entregas/x",
        "/flujos/nada",
        "/nada/de",
    ] {
        let response = send(&hub, get(path, &session)).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(!text(response).await.contains("<script>"));
    }
}

#[tokio::test]
async fn both_languages_are_spoken_and_remembered() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    let spanish = page(&hub, "/eventos", &session).await;
    assert!(
        spanish.contains("<html lang=\"es-CO\">")
            && spanish.contains("Pedido pagado")
            && spanish.contains("href=\"/eventos?lang=en\"")
    );
    let response = send(&hub, get("/eventos?tipo=order.paid&lang=en", &session)).await;
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    let english = text(response).await;
    assert!(english.contains("<html lang=\"en\">") && english.contains("Order paid") && !english.contains("Pedido"));
    assert!(!english.contains("tienda.order.created</span>"), "filtered by type");
    assert!(english.contains("tipo=order.paid&#38;lang=es"), "the way back keeps the filter");
    let remembered = format!("{session}; {}", cookie.split(';').next().unwrap());
    assert!(
        page(&hub, "/conciliacion", &remembered)
            .await
            .contains("Each provider.s records are the truth".replace(".s", "&#39;s").as_str())
    );
    let mut request = get("/entrar", "");
    request.headers_mut().insert(header::ACCEPT_LANGUAGE, "en-GB,es;q=0.5".parse().unwrap());
    assert!(text(send(&hub, request).await).await.contains("works once"));
}

#[tokio::test]
async fn deeds_need_the_sessions_own_token_and_the_right_scope() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    let list = page(&hub, "/por-resolver", &session).await;
    assert!(list.contains("Sí, descartar") && list.contains("Repetir") && list.contains(&hub.unknown.to_string()));
    let path = format!("/por-resolver/{}/descartar", hub.dead);
    let other = sign_in(&hub, &hub.key).await;
    let foreign = page(&hub, "/por-resolver", &other).await;
    for form in [String::new(), "csrf=".into(), "csrf=x".into(), format!("csrf={}", csrf(&foreign))] {
        assert_eq!(send(&hub, post(&path, &session, &form)).await.status(), StatusCode::FORBIDDEN, "{form}");
    }
    let mut elsewhere = post(&path, &session, &format!("csrf={}", csrf(&list)));
    elsewhere.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(send(&hub, elsewhere).await.status(), StatusCode::FORBIDDEN);

    let reader = sign_in(&hub, &hub.reader).await;
    let looked = page(&hub, "/por-resolver", &reader).await;
    assert!(!looked.contains("Sí, descartar") && looked.contains("solo permite mirar"));
    let tried = send(&hub, post(&path, &reader, &format!("csrf={}", csrf(&looked)))).await;
    assert_eq!(tried.status(), StatusCode::FORBIDDEN);
    assert!(page(&hub, "/por-resolver", &session).await.contains(&hub.dead.to_string()), "nothing was done so far");

    let done = send(&hub, post(&path, &session, &format!("csrf={}", csrf(&list)))).await;
    assert_eq!((done.status(), location(&done)), (StatusCode::SEE_OTHER, "/por-resolver?aviso=dropped"));
    let after = page(&hub, "/por-resolver?aviso=dropped", &session).await;
    assert!(after.contains("quedó descartada") && !after.contains(&hub.dead.to_string()));
    let again = send(&hub, post(&path, &session, &format!("csrf={}", csrf(&list)))).await;
    assert_eq!(location(&again), "/por-resolver?aviso=changed");
    let retried =
        post(&format!("/por-resolver/{}/reintentar", hub.unknown), &session, &format!("csrf={}", csrf(&list)));
    assert_eq!(location(&send(&hub, retried).await), "/por-resolver?aviso=retried");
    let quarantined = list.split("id=\"del_").nth(1).and_then(|t| t.split('"').next()).unwrap();
    let dropped =
        post(&format!("/por-resolver/del_{quarantined}/descartar"), &session, &format!("csrf={}", csrf(&list)));
    assert_eq!(location(&send(&hub, dropped).await), "/por-resolver?aviso=dropped");
    assert!(!page(&hub, "/por-resolver", &session).await.contains(&format!("del_{quarantined}")));
    let replay =
        post(&format!("/por-resolver/del_{quarantined}/reintentar"), &session, &format!("csrf={}", csrf(&list)));
    assert_eq!(location(&send(&hub, replay).await), "/por-resolver?aviso=replayed");
}

#[tokio::test]
async fn connections_show_how_they_stand_and_reconcile_on_a_wish() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    let list = page(&hub, "/conexiones", &session).await;
    assert!(list.contains("tienda") && list.contains("Solo recibe") && list.contains("Las llamadas pasan"), "{list}");
    assert!(list.contains("hoy, "), "the shop's last webhook is told");
    let form = format!("csrf={}", csrf(&list));
    let asked = send(&hub, post("/conciliacion/directorio", &session, &format!("{form}&politica=propose"))).await;
    assert_eq!(location(&asked), "/conciliacion?aviso=cannot_reconcile");
    let none = send(&hub, post("/conciliacion/nada", &session, &form)).await;
    assert_eq!(none.status(), StatusCode::NOT_FOUND);

    let paused =
        send(&hub, post("/conexiones/tienda/pausar", &session, &format!("{form}&motivo=inventario <b>"))).await;
    assert_eq!(location(&paused), "/conexiones?aviso=paused");
    let list = page(&hub, "/conexiones?aviso=paused", &session).await;
    for part in ["En pausa desde", "por mesa", "inventario &#60;b&#62;", "Listo: está en pausa", "Reanudar tienda"] {
        assert!(list.contains(part), "{part}");
    }
    assert!(hub.engine.pauses().iter().any(|p| p.name == "tienda" && p.by == "mesa"));
    let resumed = send(&hub, post("/conexiones/tienda/reanudar", &session, &form)).await;
    assert_eq!(location(&resumed), "/conexiones?aviso=resumed");
    let again = send(&hub, post("/conexiones/tienda/reanudar", &session, &form)).await;
    assert_eq!(location(&again), "/conexiones?aviso=changed");
    assert_eq!(send(&hub, post("/conexiones/nada/pausar", &session, &form)).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_people_do_here_is_on_the_page_of_the_audit() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    let first = page(&hub, "/auditoria", &session).await;
    assert!(first.matches("<li id=\"n").count() == 1 && first.contains("Entró"), "they came in, and no more: {first}");
    let token = csrf(&page(&hub, "/conexiones", &session).await).to_owned();
    let deed = |path: &str, more: &str| post(path, &session, &format!("csrf={token}{more}"));
    send(&hub, deed("/conexiones/tienda/pausar", "&motivo=%3Cb%3Emantenimiento")).await;
    send(&hub, deed("/conexiones/tienda/reanudar", "")).await;
    let not_done = send(&hub, deed("/conexiones/tienda/reanudar", "")).await;
    assert!(location(&not_done).ends_with("aviso=changed"), "there was nothing to resume");
    send(&hub, post("/conexiones/tienda/pausar", &session, "csrf=wrong")).await;
    let told = page(&hub, "/auditoria?lang=es", &session).await;
    assert_eq!(told.matches("<li id=\"n").count(), 4, "what was not done says so: {told}");
    assert!(told.contains("No se hizo"), "{told}");
    assert!(told.contains("Pausó: connection tienda") && told.contains("&#60;b&#62;mantenimiento"), "{told}");
    assert!(told.contains("mesa") && told.contains("persona"), "{told}");
    let found = page(&hub, "/auditoria?que=pauses.resume&quien=mesa&lang=en", &session).await;
    assert!(found.contains("Resumed") && !found.contains("Paused:") && found.contains("Show all"), "{found}");
    assert!(
        page(&hub, "/auditoria?desde=2001-01-01&hasta=2001-01-02&lang=en", &session).await.contains("Nothing matches")
    );
    // `read` does not reach it, and the bar does not offer it.
    let reader = sign_in(&hub, &hub.reader).await;
    assert_eq!(send(&hub, get("/auditoria", &reader)).await.status(), StatusCode::FORBIDDEN);
    assert!(!page(&hub, "/", &reader).await.contains("/auditoria"));
}

#[tokio::test]
async fn a_revoked_key_ends_its_sessions() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.reader).await;
    hub.revoke_reader().await;
    hub.wall.forward(Duration::from_secs(6));
    assert_eq!(location(&send(&hub, get("/", &session)).await), "/entrar");
}

#[tokio::test]
async fn the_stream_brings_the_status_line_and_new_rows() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    let newest = page(&hub, "/eventos", &session).await;
    let newest = newest.split("data-desde=\"").nth(1).and_then(|t| t.split('"').next()).unwrap().to_owned();
    let response = send(&hub, get(&format!("/vivo?desde={newest}&tipo="), &session)).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut seen = String::new();
    let mut posted = false;
    let told = async {
        while !(seen.contains("event: estado") && seen.contains("pedido-vivo")) {
            let chunk = body.next().await.expect("the stream goes on").unwrap();
            seen.push_str(&String::from_utf8_lossy(&chunk));
            if !std::mem::replace(&mut posted, true) {
                hub.post(serde_json::json!({ "type": "order.created", "id": "v-1", "key": "pedido-vivo <b>" })).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("a row within ten seconds");
    assert!(seen.contains("event: filas") && seen.contains("pedido-vivo &#60;b&#62;"), "{seen}");
    assert!(seen.contains("1 por resolver") && seen.contains("1 sin confirmar") && seen.contains("1 en revisión"));
    assert!(!seen.contains("pedido-4"), "what the page shows already is not sent again");
}

#[tokio::test]
async fn a_flow_is_a_picture_with_what_its_steps_came_to() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    let list = page(&hub, "/flujos", &session).await;
    assert!(list.contains("Boleta confirmada") && list.contains("1 recorrido en marcha"), "{list}");
    let flow = page(&hub, "/flujos/boleta-confirmada", &session).await;
    for part in [
        "Diagrama del flujo Boleta confirmada",
        "<svg class=\"flow\"",
        "Pedido pagado",
        "Últimos recorridos",
        "En marcha",
        "on: order.paid",
    ] {
        assert!(flow.contains(part), "{part}: {flow}");
    }
    // Of the run of the story: one action waits, a dead one and an unknown one need a person.
    let row = |step: &str| flow.split("<tr>").find(|r| r.contains(&format!(">{step}</th>"))).expect("a row").to_owned();
    let numbers = |step: &str| -> Vec<String> {
        row(step).split("<td class=\"n\">").skip(1).map(|t| t.split('<').next().unwrap().to_owned()).collect()
    };
    assert_eq!(numbers("boleta"), ["0", "0", "1", "0", "0"]);
    assert_eq!(numbers("recordatorio"), ["0", "1", "0", "0", "0"]);
    let form = format!("csrf={}", csrf(&flow));
    let paused = send(&hub, post("/flujos/boleta-confirmada/pausar", &session, &form)).await;
    assert_eq!(location(&paused), "/flujos/boleta-confirmada?aviso=paused");
    assert!(page(&hub, "/flujos", &session).await.contains("En pausa"));
    let resumed = send(&hub, post("/flujos/boleta-confirmada/reanudar", &session, &form)).await;
    assert_eq!(location(&resumed), "/flujos/boleta-confirmada?aviso=resumed");
}

#[tokio::test]
async fn an_order_a_person_and_an_id_are_found() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    let story = format!("/historia/{}", hub.told);
    for asked in
        ["ord-88", "luz.ospina%40example.com", "LUZ.OSPINA%40example.com", "300+111+2233", "%2B573001112233", "O-88ZX"]
    {
        let found = page(&hub, &format!("/buscar?q={asked}"), &session).await;
        assert!(found.contains(&format!("href=\"{story}\"")), "{asked}: {found}");
    }
    for nothing in ["ord-8", "luz", "%3Cscript%3Ealert(%27x%27)%3C/script%3E1"] {
        let found = page(&hub, &format!("/buscar?q={nothing}"), &session).await;
        assert!(found.contains("No hay nada con") && !found.contains(HOSTILE), "{nothing}");
    }
    let direct = send(&hub, get(&format!("/buscar?q={}", hub.told), &session)).await;
    assert_eq!(location(&direct), story);
    let effect = send(&hub, get(&format!("/buscar?q={}", hub.dead), &session)).await;
    assert_eq!(location(&effect), format!("{story}#{}", hub.dead));
    assert!(page(&hub, "/buscar?q=evt_0000000000001", &session).await.contains("No hay nada con"));
}

#[tokio::test]
async fn a_delivery_in_quarantine_is_shown_whole_and_replayed_from_its_page() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    let list = page(&hub, "/por-resolver", &session).await;
    let path = list.split("href=\"/entregas/").nth(1).and_then(|t| t.split('"').next()).expect("a delivery");
    let shown = page(&hub, &format!("/entregas/{path}"), &session).await;
    assert!(
        shown.contains("En revisión") && shown.contains("esto no es JSON &#60;b&#62;") && shown.contains("Repetir")
    );
    let replay = post(&format!("/por-resolver/{path}/reintentar"), &session, &format!("csrf={}", csrf(&shown)));
    assert_eq!(location(&send(&hub, replay).await), "/por-resolver?aviso=replayed");
}

#[tokio::test]
async fn the_first_look_tells_what_needs_a_person_and_what_happened() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    let home = page(&hub, "/", &session).await;
    for part in [
        "1 por resolver",
        "1 sin confirmar",
        "1 en revisión",
        "Las últimas 24 horas",
        "Boletas vendidas",
        "Lo último",
        "tienda",
    ] {
        assert!(home.contains(part), "{part}: {home}");
    }
    let alarms = page(&hub, "/alarmas", &session).await;
    assert!(alarms.contains("Suena: 1") && alarms.contains("Poco disco") && alarms.contains("En silencio"));
}

#[tokio::test]
async fn g13_what_needs_a_person_is_a_metric_an_answer_of_the_api_and_a_line_on_every_page() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    let public = hub.app.public();
    let ask = async |path: &str| {
        let request = Request::get(path).header("authorization", format!("Bearer {}", hub.key));
        let response = public.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        text(response).await
    };
    let alarms: serde_json::Value = serde_json::from_str(&ask("/api/v1/alarms").await).unwrap();
    let ringing: Vec<&str> = alarms["data"].as_array().unwrap().iter().map(|a| a["alarm"].as_str().unwrap()).collect();
    assert_eq!(ringing[..3], ["dead_letters", "unknown", "quarantine"], "{alarms}");
    let metrics = ask("/metrics").await;
    for (alarm, rings) in [("dead_letters", 1), ("unknown", 1), ("quarantine", 1), ("proposals", 0), ("log_large", 0)] {
        assert!(metrics.contains(&format!("pasarela_alarm{{alarm=\"{alarm}\"}} {rings}")), "{alarm}: {metrics}");
    }
    let first = page(&hub, "/conexiones", &session).await;
    for line in ["por resolver", "sin confirmar", "en revisión"] {
        assert!(first.contains(line), "{line}");
    }
}

#[tokio::test]
async fn a_new_connection_is_asked_for_as_its_manifest_says_and_checked_as_the_start_does() {
    let hub = hub(None).await;
    let cookie = sign_in(&hub, &hub.key).await;
    let ask = async |query: &str| page(&hub, &format!("/conexiones/nueva?lang=en&{query}"), &cookie).await;
    for provider in pasarela_connectors::registry() {
        let manifest = provider.manifest();
        let form = ask(&format!("proveedor={}", manifest.name)).await;
        for secret in &manifest.credentials {
            assert!(form.contains(&format!("name=\"secreto.{}\"", secret.name)), "{}: {}", manifest.name, secret.name);
        }
        for (setting, _) in manifest.settings.as_value()["properties"].as_object().into_iter().flatten() {
            assert!(form.contains(&format!("name=\"ajuste.{setting}\"")), "{}: {setting}", manifest.name);
        }
    }
    let right =
        ask("proveedor=hi-events&nombre=taquilla&ajuste.email=hub%40marca.example&secreto.password=on&revisar=1").await;
    for line in [
        "[connections.taquilla]",
        "provider = &#34;hi-events&#34;",
        "password = &#34;env:TAQUILLA_PASSWORD&#34;",
        "email = &#34;hub@marca.example&#34;",
        "/hooks/taquilla",
    ] {
        assert!(right.contains(line), "{line}\n{right}");
    }
    for (query, why) in [
        ("proveedor=hi-events&nombre=Taquilla&revisar=1", "small letters"),
        ("proveedor=hi-events&nombre=tienda&revisar=1", "already"),
        ("proveedor=hi-events&nombre=taquilla&direccion=ftp%3A%2F%2Fx&revisar=1", "must begin with"),
        ("proveedor=hi-events&nombre=taquilla&ambiente=live&direccion=http%3A%2F%2Fx&revisar=1", "must be https"),
        ("proveedor=hi-events&nombre=pasarela&revisar=1", "cannot be pasarela"),
        (
            "proveedor=twenty&nombre=crm2&ajuste.calls_per_minute=many&revisar=1",
            "calls_per_minute cannot be understood",
        ),
        ("proveedor=http&nombre=otra&ajuste.verify=%7B+scheme+%3D+%22none%22+%7D&revisar=1", "scheme"),
    ] {
        let wrong = ask(query).await;
        assert!(wrong.contains("says failed") && wrong.contains(why), "{query}: {why}");
        assert!(!wrong.contains("[connections."), "{query}");
    }
    let hostile = ask("proveedor=http&nombre=%3Cscript%3E&direccion=%22%3E%3Cb%3E&revisar=1").await;
    assert!(!hostile.contains("<script>") && !hostile.contains("\"><b>"));
}

#[tokio::test]
async fn must_07_holds_are_set_and_ended_where_the_terms_are_told() {
    let hub = hub(None).await;
    let session = sign_in(&hub, &hub.key).await;
    let told = page(&hub, "/conservacion", &session).await;
    for words in ["Perfil de mercadeo", "2 años", "Entradas por la puerta", "1 año", "10 años", "asesoría legal"] {
        assert!(told.contains(words), "{words}");
    }
    assert!(!told.contains("keep_"), "every kind has its words: {told}");
    let form = format!("csrf={}", csrf(&told));
    let nobody = send(&hub, post("/conservacion/ordenes", &session, &format!("{form}&motivo=x"))).await;
    assert_eq!(nobody.status(), StatusCode::BAD_REQUEST);
    let new = format!("{form}&persona=laura@correo.example&motivo=proceso 12 <b>");
    let set = send(&hub, post("/conservacion/ordenes", &session, &new)).await;
    assert_eq!(location(&set), "/conservacion?aviso=case_done#ordenes");
    let held = page(&hub, "/conservacion", &session).await;
    assert!(held.contains("laura@correo.example") && held.contains("Vigente") && !held.contains("<b>"), "{held}");
    let number = &held[held.find("HOLD-").unwrap()..][.."HOLD-2026-000001".len()];
    let end = format!("/conservacion/ordenes/{number}/fin");
    assert_eq!(send(&hub, post(&end, &session, "csrf=x")).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(location(&send(&hub, post(&end, &session, &form)).await), "/conservacion?aviso=case_done#ordenes");
    assert!(page(&hub, "/conservacion", &session).await.contains("Terminada"));
    let twice = send(&hub, post(&end, &session, &form)).await;
    assert_eq!(twice.status(), StatusCode::BAD_REQUEST);
    let none = send(&hub, post("/conservacion/ordenes/HOLD-1/fin", &session, &form)).await;
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
}
