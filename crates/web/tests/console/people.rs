//! People with accounts: how they come in, what keeps others out, and when it ends. All persons are invented.

use super::seed::{Hub, hub, hub_with_mail};
use super::{csrf, get, location, page, post, send, session_of, text};
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use data_encoding::BASE32_NOPAD;
use pasarela_domain::Clock as _;
use ring::hmac;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tower::ServiceExt as _;

const PASSWORD: &str = "cuatro gatos miran llover";

/// What `pasarela users` asks, over the socket of whoever has the database.
async fn admin(hub: &Hub, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let answer = hub.app.admin().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
    let status = answer.status();
    (status, serde_json::from_str(&text(answer).await).unwrap_or(Value::Null))
}

async fn account(hub: &Hub, email: &str, role: &str) -> String {
    let wanted = json!({ "email": email, "name": "Luz Ospina", "grants": [{ "role": role }] });
    let (status, made) = admin(hub, "POST", "/admin/users", wanted).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

async fn do_to(hub: &Hub, email: &str, step: &str, body: Value) -> (StatusCode, Value) {
    admin(hub, "POST", &format!("/admin/users/{}/{step}", email.replace('@', "%40")), body).await
}

/// In by a link that the command line makes.
async fn by_link(hub: &Hub, email: &str) -> String {
    let (status, made) = do_to(hub, email, "link", json!({})).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let token = made["link"].as_str().unwrap().split("enlace=").nth(1).unwrap().to_owned();
    let entered = send(hub, post("/entrar", "", &format!("enlace={token}"))).await;
    assert_eq!(entered.status(), StatusCode::SEE_OTHER);
    session_of(&entered)
}

/// An account that comes in by a password, and its session.
async fn with_password(hub: &Hub, email: &str, role: &str) -> String {
    account(hub, email, role).await;
    let session = by_link(hub, email).await;
    let own = page(hub, "/mi-cuenta", &session).await;
    let form = format!("csrf={}&contrasena={PASSWORD}&otra_vez={PASSWORD}", csrf(&own)).replace(' ', "+");
    let set = send(hub, post("/mi-cuenta/contrasena", &session, &form)).await;
    assert_eq!(location(&set), "/mi-cuenta?aviso=password");
    let fresh = session_of(&set);
    assert_ne!(fresh, session, "another cookie");
    fresh
}

fn knock(email: &str, password: &str, code: &str) -> Request<Body> {
    let form = format!("correo={email}&contrasena={password}&codigo={code}").replace(' ', "+");
    post("/entrar", "", &form)
}

async fn enter(hub: &Hub, email: &str, password: &str, code: &str) -> Response<Body> {
    send(hub, knock(email, password, code)).await
}

/// The code of an authenticator, by RFC 6238, so many seconds from now.
fn code_at(hub: &Hub, secret: &str, seconds: i64) -> String {
    let key = BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let step = (hub.wall.now().as_second() + seconds).div_euclid(30);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key), &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let bits = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", bits % 1_000_000)
}

/// Turns codes on. Secret and recovery codes.
async fn enrol(hub: &Hub, session: &str) -> (String, Vec<String>) {
    let own = page(hub, "/mi-cuenta", session).await;
    let form = format!("csrf={}", csrf(&own));
    assert_eq!(location(&send(hub, post("/mi-cuenta/codigos", session, &form)).await), "/mi-cuenta#codigos");
    let own = page(hub, "/mi-cuenta", session).await;
    assert!(own.contains("<svg xmlns"), "the picture");
    let secret = own.split("<p class=\"mono\">").nth(1).and_then(|t| t.split('<').next()).unwrap().replace(' ', "");
    let wrong = send(hub, post("/mi-cuenta/codigos/activar", session, &format!("{form}&codigo=000000"))).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    let code = code_at(hub, &secret, 0);
    let shown = send(hub, post("/mi-cuenta/codigos/activar", session, &format!("{form}&codigo={code}"))).await;
    let shown = text(shown).await;
    let codes: Vec<String> =
        shown.split("<li><code>").skip(1).map(|t| t.split('<').next().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10);
    assert!(!page(hub, "/mi-cuenta", session).await.contains(&codes[0]), "shown once");
    (secret, codes)
}

#[tokio::test]
async fn the_first_owner_is_made_once_by_the_link_of_the_terminal() {
    let hub = hub(None).await;
    assert_eq!(pasarela_web::first_owner_link(&hub.app).await.unwrap(), None, "there are keys");
    let (_, keys) = admin(&hub, "GET", "/admin/keys", Value::Null).await;
    for key in keys["data"].as_array().unwrap() {
        let path = format!("/admin/keys/{}/revoke", key["id"].as_str().unwrap());
        admin(&hub, "POST", &path, Value::Null).await;
    }
    let link = pasarela_web::first_owner_link(&hub.app).await.unwrap().expect("nobody is there");
    let other = pasarela_web::first_owner_link(&hub.app).await.unwrap().expect("another start, before it is used");
    let path = link.strip_prefix("http://127.0.0.1:8081").unwrap();
    let token = path.split("enlace=").nth(1).unwrap().to_owned();
    for _ in 0..2 {
        assert!(page(&hub, path, "").await.contains("será dueño del hub"), "looking uses nothing up");
    }
    assert_eq!(send(&hub, post("/entrar", "", &format!("enlace={token}"))).await.status(), StatusCode::FORBIDDEN);
    let form = |link: &str, password: &str| {
        format!("enlace={link}&nombre=Luz+Ospina&correo=luz.ospina%40example.com&contrasena={password}")
    };
    let weak = send(&hub, post("/primer-uso", "", &form(&token, "password2026"))).await;
    assert_eq!(weak.status(), StatusCode::BAD_REQUEST);
    assert!(text(weak).await.contains("de las primeras que se prueban"));
    let made = send(&hub, post("/primer-uso", "", &form(&token, &PASSWORD.replace(' ', "+")))).await;
    assert_eq!(location(&made), "/mi-cuenta?aviso=first");
    let session = session_of(&made);
    assert!(page(&hub, "/usuarios", &session).await.contains("luz.ospina@example.com"));
    let beside = other.split("enlace=").nth(1).unwrap();
    for spent in [token.as_str(), beside, "pso_nada"] {
        // Not because of the tries before.
        hub.wall.forward(Duration::from_secs(61));
        let shown = send(&hub, get(&format!("/primer-uso?enlace={spent}"), "")).await;
        assert_eq!(shown.status(), StatusCode::FORBIDDEN, "{spent}");
        let again = send(&hub, post("/primer-uso", "", &form(spent, ""))).await;
        assert_eq!(again.status(), StatusCode::FORBIDDEN, "{spent}");
    }
    assert_eq!(pasarela_web::first_owner_link(&hub.app).await.unwrap(), None, "there is an owner");
    let (_, users) = admin(&hub, "GET", "/admin/users", Value::Null).await;
    assert_eq!(users["data"].as_array().unwrap().len(), 1);
    hub.wall.forward(Duration::from_secs(3600));
    // An owner's password waits for a second factor.
    let alone = enter(&hub, "luz.ospina@example.com", PASSWORD, "").await;
    assert_eq!(alone.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_password_with_its_code_opens_and_no_code_opens_twice() {
    let hub = hub(None).await;
    let session = with_password(&hub, "luz@example.com", "operator").await;
    assert_eq!(enter(&hub, "luz@example.com", PASSWORD, "").await.status(), StatusCode::FORBIDDEN, "it needs codes");
    let (secret, recovery) = enrol(&hub, &session).await;
    let used = code_at(&hub, &secret, 0);
    assert_eq!(enter(&hub, "luz@example.com", PASSWORD, &used).await.status(), StatusCode::FORBIDDEN, "it enrolled");
    hub.wall.forward(Duration::from_secs(120));
    for (what, password, code) in [
        ("two steps ahead", PASSWORD, code_at(&hub, &secret, 60)),
        ("two steps behind", PASSWORD, code_at(&hub, &secret, -60)),
        ("another password", "cuatro gatos miran nevar", code_at(&hub, &secret, 0)),
    ] {
        assert_eq!(enter(&hub, "luz@example.com", password, &code).await.status(), StatusCode::FORBIDDEN, "{what}");
        hub.wall.forward(Duration::from_secs(3600));
    }
    // One step of drift on either side; the same code is good once, on whichever node.
    let ahead = code_at(&hub, &secret, 30);
    let beside = hub.beside();
    let tries =
        [hub.app.console(), beside.console()].map(|router| router.oneshot(knock("LUZ@example.com", PASSWORD, &ahead)));
    let answers = futures_util::future::join_all(tries).await;
    let inside = answers.iter().filter(|a| a.as_ref().unwrap().status() == StatusCode::SEE_OTHER).count();
    assert_eq!(inside, 1, "of two who bring one code, one is in");
    let older = enter(&hub, "luz@example.com", PASSWORD, &code_at(&hub, &secret, 0)).await;
    assert_eq!(older.status(), StatusCode::FORBIDDEN, "an older code after a newer one");
    hub.wall.forward(Duration::from_secs(90));
    let behind = enter(&hub, "luz@example.com", PASSWORD, &code_at(&hub, &secret, -30)).await;
    assert_eq!(behind.status(), StatusCode::SEE_OTHER);
    let written = recovery[0].to_uppercase().replace('-', "+");
    assert_eq!(enter(&hub, "luz@example.com", PASSWORD, &written).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(enter(&hub, "luz@example.com", PASSWORD, &written).await.status(), StatusCode::FORBIDDEN, "once");
}

#[tokio::test]
async fn nobody_sits_down_in_a_session_that_was_there_before() {
    let hub = hub(None).await;
    let planted = "pasarela_sesion=".to_owned() + &"a".repeat(64);
    with_password(&hub, "ana@example.com", "viewer").await;
    let mut request = knock("ana@example.com", PASSWORD, "");
    request.headers_mut().insert(header::COOKIE, planted.parse().unwrap());
    let session = session_of(&send(&hub, request).await);
    assert_ne!(session, planted);
    assert_eq!(location(&send(&hub, get("/", &planted)).await), "/entrar", "the planted one opens nothing");
    // Who signs in anew leaves nothing of the old session behind.
    let mut request = knock("ana@example.com", PASSWORD, "");
    request.headers_mut().insert(header::COOKIE, session.parse().unwrap());
    let next = session_of(&send(&hub, request).await);
    assert_eq!(location(&send(&hub, get("/", &session)).await), "/entrar");
    assert_eq!(send(&hub, get("/", &next)).await.status(), StatusCode::OK);
    // Behind https, only a cookie that no plain page and no neighbour can set.
    let mut request = knock("ana@example.com", PASSWORD, "");
    request.headers_mut().insert("x-forwarded-proto", "https".parse().unwrap());
    let set = send(&hub, request).await.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(set.starts_with("__Host-pasarela_sesion=") && set.contains("; Secure") && set.contains("Path=/;"), "{set}");
    let value = set.split(['=', ';']).nth(1).unwrap().to_owned();
    for (name, inside) in [("__Host-pasarela_sesion", true), ("pasarela_sesion", false)] {
        let mut request = get("/", &format!("{name}={value}"));
        request.headers_mut().insert("x-forwarded-proto", "https".parse().unwrap());
        assert_eq!(send(&hub, request).await.status() == StatusCode::OK, inside, "{name}");
    }
}

#[tokio::test]
async fn a_cookie_that_was_copied_to_another_browser_ends_the_session() {
    let hub = hub(None).await;
    with_password(&hub, "ana@example.com", "viewer").await;
    let by = |mut request: Request<Body>, agent: &str| {
        request.headers_mut().insert(header::USER_AGENT, agent.parse().unwrap());
        request
    };
    let session = session_of(&send(&hub, by(knock("ana@example.com", PASSWORD, ""), "Firefox/140")).await);
    assert_eq!(send(&hub, by(get("/", &session), "Firefox/140")).await.status(), StatusCode::OK);
    assert_eq!(location(&send(&hub, by(get("/", &session), "curl/8")).await), "/entrar");
    assert_eq!(location(&send(&hub, by(get("/", &session), "Firefox/140")).await), "/entrar", "for both");
}

#[tokio::test]
async fn a_session_ends_when_nobody_looks_and_is_listed_and_ended_by_its_owner() {
    let hub = hub(None).await;
    let first = with_password(&hub, "ana@example.com", "viewer").await;
    let second = session_of(&enter(&hub, "ana@example.com", PASSWORD, "").await);
    hub.wall.forward(Duration::from_secs(29 * 60));
    page(&hub, "/", &first).await;
    // A page that refreshes itself keeps nothing alive.
    let mut itself = get("/", &second);
    itself.headers_mut().insert("x-pasarela-pulso", "1".parse().unwrap());
    assert_eq!(send(&hub, itself).await.status(), StatusCode::OK);
    hub.wall.forward(Duration::from_secs(2 * 60));
    assert_eq!(location(&send(&hub, get("/", &second)).await), "/entrar", "31 minutes without a look");
    page(&hub, "/", &first).await;

    let third = session_of(&enter(&hub, "ana@example.com", PASSWORD, "").await);
    let own = page(&hub, "/mi-cuenta", &first).await;
    let id =
        own.split("/mi-cuenta/sesiones/").nth(1).and_then(|t| t.split('/').next()).expect("another one").to_owned();
    let path = format!("/mi-cuenta/sesiones/{id}/fin");
    for form in ["", "csrf=x"] {
        assert_eq!(send(&hub, post(&path, &first, form)).await.status(), StatusCode::FORBIDDEN, "'{form}'");
    }
    let ended = send(&hub, post(&path, &first, &format!("csrf={}", csrf(&own)))).await;
    assert_eq!(location(&ended), "/mi-cuenta?aviso=session_ended#sesiones");
    assert_eq!(location(&send(&hub, get("/", &third)).await), "/entrar");
    with_password(&hub, "eva@example.com", "viewer").await;
    let foreign = send(&hub, post(&path, &first, &format!("csrf={}", csrf(&own)))).await;
    assert_eq!(foreign.status(), StatusCode::NOT_FOUND, "nobody ends what is not theirs");
    for _ in 0..25 {
        hub.wall.forward(Duration::from_secs(28 * 60));
        send(&hub, get("/", &first)).await;
    }
    assert_eq!(location(&send(&hub, get("/", &first)).await), "/entrar", "12 hours are over, however busy");
}

#[tokio::test]
async fn a_link_is_one_of_two_for_who_has_a_second_factor() {
    let hub = hub(None).await;
    let session = with_password(&hub, "ana@example.com", "owner").await;
    let (secret, codes) = enrol(&hub, &session).await;
    let link = async || {
        let (_, made) = do_to(&hub, "ana@example.com", "link", json!({})).await;
        made["link"].as_str().unwrap().split("enlace=").nth(1).unwrap().to_owned()
    };
    let first = link().await;
    assert!(page(&hub, &format!("/entrar?enlace={first}"), "").await.contains("name=\"codigo\""), "it asks");
    let enter =
        async |link: &str, code: &str| send(&hub, post("/entrar", "", &format!("enlace={link}&codigo={code}"))).await;
    for wrong in ["", "000000", &code_at(&hub, &secret, 0)] {
        // The last one enrolled, so it was used.
        let answer = enter(&first, wrong).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "'{wrong}'");
        assert!(text(answer).await.contains(&first), "the link is still there for the next try");
    }
    hub.wall.forward(Duration::from_secs(31));
    let entered = enter(&first, &code_at(&hub, &secret, 0)).await;
    assert_eq!(entered.status(), StatusCode::SEE_OTHER);
    assert!(page(&hub, "/mi-cuenta", &session_of(&entered)).await.contains("ana@example.com"));
    assert_eq!(enter(&first, &codes[0]).await.status(), StatusCode::FORBIDDEN, "and the link works once");
    assert_eq!(enter(&link().await, &codes[1]).await.status(), StatusCode::SEE_OTHER, "a recovery code is a code");
}

#[tokio::test]
async fn what_somebody_may_do_and_a_new_password_end_their_sessions_everywhere() {
    let hub = hub(None).await;
    let beside = hub.beside();
    let there = async |session: &str| beside.console().oneshot(get("/", session)).await.unwrap().status();
    let with = with_password(&hub, "ana@example.com", "viewer").await;
    for (step, body) in [
        ("grant", json!({ "grant": { "role": "support" } })),
        ("disable", json!({})),
        ("enable", json!({})),
        ("reset", json!({})),
    ] {
        let session = if step == "enable" { with.clone() } else { by_link(&hub, "ana@example.com").await };
        let before = there(&session).await;
        let (status, answer) = do_to(&hub, "ana@example.com", step, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        hub.wall.forward(Duration::from_secs(6));
        if step != "enable" {
            assert_eq!(before, StatusCode::OK, "{step}");
            assert_eq!(location(&send(&hub, get("/", &session)).await), "/entrar", "{step}");
            assert_eq!(there(&session).await, StatusCode::SEE_OTHER, "{step}, on the other node");
        }
        if step == "disable" {
            let (status, why) = do_to(&hub, "ana@example.com", "link", json!({})).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{why}");
            assert_eq!(enter(&hub, "ana@example.com", PASSWORD, "").await.status(), StatusCode::FORBIDDEN);
        }
    }
    assert_eq!(enter(&hub, "ana@example.com", PASSWORD, "").await.status(), StatusCode::FORBIDDEN, "reset took it");
    // A link that waited while its account was disabled opens nothing.
    let (_, made) = do_to(&hub, "ana@example.com", "link", json!({})).await;
    do_to(&hub, "ana@example.com", "disable", json!({})).await;
    let token = made["link"].as_str().unwrap().split("enlace=").nth(1).unwrap().to_owned();
    do_to(&hub, "ana@example.com", "enable", json!({})).await;
    let entered = send(&hub, post("/entrar", "", &format!("enlace={token}"))).await;
    assert_eq!(entered.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn who_fails_waits_and_learns_nothing_and_is_never_out_for_good() {
    let hub = hub(None).await;
    with_password(&hub, "ana@example.com", "viewer").await;
    let from = |mut request: Request<Body>, n: u32| {
        request.headers_mut().insert("x-forwarded-for", format!("192.0.2.{n}").parse().unwrap());
        request.extensions_mut().insert(pasarela_web::Peer([127, 0, 0, 1].into()));
        request
    };
    let mut answers = Vec::new();
    for email in ["ana@example.com", "nadie@example.com"] {
        let mut seen = Vec::new();
        for n in 0..7 {
            // From everywhere: it is the account that waits.
            let answer = send(&hub, from(knock(email, "perchero azul en la nieve", ""), 10 + n)).await;
            let retry = answer.headers().get(header::RETRY_AFTER).map(|v| v.to_str().unwrap().to_owned());
            seen.push((answer.status(), retry, text(answer).await.replace(email, "")));
        }
        let statuses: Vec<u16> = seen.iter().map(|(s, ..)| s.as_u16()).collect();
        assert_eq!(statuses, [403, 403, 403, 403, 403, 429, 429], "{email}");
        answers.push(seen);
    }
    assert_eq!(answers[0], answers[1], "an account that is there and one that is not");
    let beside = hub.beside();
    let good = || from(knock("ana@example.com", PASSWORD, ""), 99);
    assert_eq!(send(&hub, good()).await.status(), StatusCode::TOO_MANY_REQUESTS, "the right one waits too");
    let there = beside.console().oneshot(good()).await.unwrap();
    assert_eq!(there.status(), StatusCode::TOO_MANY_REQUESTS, "on every node");
    hub.wall.forward(Duration::from_secs(2));
    assert_eq!(send(&hub, from(knock("ana@example.com", "x", ""), 30)).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(send(&hub, good()).await.status(), StatusCode::TOO_MANY_REQUESTS, "and longer each time");
    hub.wall.forward(Duration::from_secs(15 * 60));
    assert_eq!(send(&hub, good()).await.status(), StatusCode::SEE_OTHER, "never for good");
    assert_eq!(send(&hub, from(knock("ana@example.com", "x", ""), 31)).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(send(&hub, good()).await.status(), StatusCode::SEE_OTHER, "a success forgets");

    // From one place at many accounts: the place waits, and others do not.
    for n in 0..5 {
        send(&hub, from(knock(&format!("n{n}@example.com"), "x", ""), 50)).await;
    }
    let held = send(&hub, from(knock("ana@example.com", PASSWORD, ""), 50)).await;
    assert_eq!(held.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(send(&hub, from(knock("ana@example.com", PASSWORD, ""), 51)).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn who_works_here_is_said_by_an_owner_who_proved_it_lately() {
    let hub = hub(None).await;
    let owner = with_password(&hub, "luz@example.com", "owner").await;
    let (secret, _) = enrol(&hub, &owner).await;
    let support = {
        account(&hub, "ana@example.com", "support").await;
        by_link(&hub, "ana@example.com").await
    };
    assert_eq!(send(&hub, get("/usuarios", &support)).await.status(), StatusCode::FORBIDDEN);
    assert!(!page(&hub, "/mi-cuenta", &support).await.contains("/usuarios"));
    let mine = page(&hub, "/mi-cuenta", &support).await;
    let invite = "nombre=Eva+Rojas&correo=eva%40example.com&rol=gate&marcas=&solo=";
    let form = format!("csrf={}&{invite}", csrf(&mine));
    assert_eq!(send(&hub, post("/usuarios", &support, &form)).await.status(), StatusCode::FORBIDDEN);

    let users = page(&hub, "/usuarios", &owner).await;
    for wrong in [invite.to_owned(), format!("csrf=x&{invite}"), format!("csrf={}&{invite}", csrf(&mine))] {
        assert_eq!(send(&hub, post("/usuarios", &owner, &wrong)).await.status(), StatusCode::FORBIDDEN, "{wrong}");
    }
    let mut elsewhere = post("/usuarios", &owner, &format!("csrf={}&{invite}", csrf(&users)));
    elsewhere.headers_mut().insert(header::ORIGIN, "https://otro.example".parse().unwrap());
    assert_eq!(send(&hub, elsewhere).await.status(), StatusCode::FORBIDDEN, "a form of another site");

    hub.wall.forward(Duration::from_secs(11 * 60));
    let form = format!("csrf={}&{invite}", csrf(&users));
    let late = send(&hub, post("/usuarios", &owner, &form)).await;
    assert_eq!(location(&late), "/confirmar?a=/usuarios", "it was proved eleven minutes ago");
    assert!(!page(&hub, "/usuarios", &owner).await.contains("name=\"rol\""), "and no form is offered");
    let keyed = format!("csrf={}&nombre=robot&alcance.read=si&dias=30", csrf(&users));
    assert_eq!(location(&send(&hub, post("/claves", &owner, &keyed)).await), "/confirmar?a=/claves");
    let asked = page(&hub, "/confirmar?a=/usuarios", &owner).await;
    let prove = |code: &str| format!("csrf={}&a=/usuarios&codigo={code}", csrf(&asked));
    assert_eq!(send(&hub, post("/confirmar", &owner, &prove("123456"))).await.status(), StatusCode::FORBIDDEN);
    let proved = send(&hub, post("/confirmar", &owner, &prove(&code_at(&hub, &secret, 0)))).await;
    assert_eq!(location(&proved), "/usuarios");
    let fresh = session_of(&proved);
    assert_eq!(location(&send(&hub, get("/", &owner)).await), "/entrar", "the session goes on under another cookie");
    let users = page(&hub, "/usuarios", &fresh).await;
    let invited = send(&hub, post("/usuarios", &fresh, &format!("csrf={}&{invite}", csrf(&users)))).await;
    let shown = text(invited).await;
    assert!(shown.contains("/entrar?enlace=psl_") && shown.contains("Eva Rojas"), "no mail: the link is shown");
    let token = shown.split("enlace=").nth(1).and_then(|t| t.split('<').next()).unwrap();
    let entered = send(&hub, post("/entrar", "", &format!("enlace={token}"))).await;
    assert_eq!(location(&entered), "/mi-cuenta", "the door has nothing to see on the first page");

    // Each deed is written down once, with who did it and what changed, and nothing that opens anything.
    let filter = pasarela_store::AuditFilter { limit: 50, ..Default::default() };
    let entries = hub.engine.store().audit_list(filter).await.unwrap().rows;
    let of = |action: &str| entries.iter().filter(|e| e.action == action).collect::<Vec<_>>();
    let added = of("users.added");
    let eva = added.iter().find(|e| e.after.as_ref().unwrap()["email"] == "eva@example.com").expect("an entry");
    assert_eq!((eva.name.as_str(), &eva.before), ("Luz Ospina", &None));
    assert_eq!((added.len(), of("users.second_factor").len(), of("users.create").len()), (3, 1, 0));
    assert!(of("sign_in.done").iter().any(|e| e.after == Some(json!({ "way": "link" }))));
    let told = serde_json::to_string(&entries).unwrap();
    for secret in [PASSWORD, secret.as_str(), token, "argon2"] {
        assert!(!told.contains(secret), "{secret}");
    }

    // The last owner stays one.
    let own = users.split("<li id=\"usr_").find(|p| p.contains("luz@example.com")).unwrap();
    let id = format!("usr_{}", own.split('"').next().unwrap());
    let gone = send(&hub, post(&format!("/usuarios/{id}/desactivar"), &fresh, &format!("csrf={}", csrf(&users)))).await;
    assert_eq!(gone.status(), StatusCode::BAD_REQUEST);
    assert!(text(gone).await.contains("única persona dueña"));
    let (status, _) = do_to(&hub, "luz@example.com", "disable", json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT);
}

/// Takes one letter by SMTP, and hands it over.
async fn mailbox() -> (std::net::SocketAddr, tokio::sync::mpsc::Receiver<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, (tx, rx)) = (listener.local_addr().unwrap(), tokio::sync::mpsc::channel(8));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let (mut letter, mut inside) = (String::new(), false);
            stream.write_all(b"220 buzon\r\n").await.unwrap();
            let mut line = String::new();
            while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
                let said = std::mem::take(&mut line);
                let reply: &[u8] = match (inside, said.trim_end()) {
                    (true, ".") => {
                        inside = false;
                        tx.send(std::mem::take(&mut letter)).await.unwrap();
                        b"250 guardada\r\n"
                    }
                    (true, _) => {
                        letter.push_str(&said);
                        continue;
                    }
                    (false, "DATA") => {
                        inside = true;
                        b"354 adelante\r\n"
                    }
                    (false, "QUIT") => b"221 hasta luego\r\n",
                    _ => b"250 bien\r\n",
                };
                stream.write_all(reply).await.unwrap();
            }
        }
    });
    (addr, rx)
}

#[tokio::test]
async fn a_link_comes_by_mail_works_once_and_the_answer_tells_nothing() {
    let (addr, mut letters) = mailbox().await;
    let hub = hub_with_mail(addr).await;
    account(&hub, "ana@example.com", "viewer").await;
    let ask = async |email: &str| {
        let answer = send(&hub, post("/entrar/enlace", "", &format!("correo={email}"))).await;
        (answer.status(), text(answer).await)
    };
    let (known, unknown) = (ask("ana@example.com").await, ask("nadie@example.com").await);
    assert_eq!(known, unknown);
    assert_eq!(known.0, StatusCode::ACCEPTED);
    let letter = tokio::time::timeout(Duration::from_secs(10), letters.recv()).await.expect("a letter").unwrap();
    assert!(letter.contains("ana@example.com") && letter.contains("Tu enlace para entrar"), "{letter}");
    let plain = letter.replace("=\r\n", "").replace("=3D", "=");
    let token: String =
        plain.split("enlace=").nth(1).unwrap().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    assert_eq!(token.len(), 47, "{plain}");
    let session = session_of(&send(&hub, post("/entrar", "", &format!("enlace={token}"))).await);
    assert_eq!(send(&hub, post("/entrar", "", &format!("enlace={token}"))).await.status(), StatusCode::FORBIDDEN);
    for path in ["/eventos", "/conexiones"] {
        assert!(!page(&hub, path, &session).await.contains(&token), "the link is in the letter and nowhere else");
    }
    let effects = hub.engine.store().effects(pasarela_store::EffectFilter { limit: 100, ..Default::default() }).await;
    assert!(effects.unwrap().rows.iter().all(|e| e.action != "send"), "no letter lies where people look");
    assert!(letters.try_recv().is_err(), "and nobody else got one");
}

#[tokio::test]
async fn whoever_may_do_much_turns_codes_on_before_they_see_anything() {
    let hub = hub(None).await.requiring_codes();
    for role in ["owner", "operator", "finance", "privacy"] {
        let email = format!("{role}@example.com");
        account(&hub, &email, role).await;
        let session = by_link(&hub, &email).await;
        for path in ["/", "/eventos", "/usuarios", "/mi-cuenta", "/vivo", "/nada", "/flujos/boleta-confirmada"] {
            let led = send(&hub, get(path, &session)).await;
            assert_eq!((led.status(), location(&led)), (StatusCode::SEE_OTHER, "/segundo-factor"), "{role} {path}");
        }
        let led = page(&hub, "/segundo-factor", &session).await;
        let form = format!("csrf={}", csrf(&led));
        for path in
            ["/mi-cuenta/contrasena", "/claves", "/flujos/boleta-confirmada/pausar", "/mi-cuenta/codigos/quitar"]
        {
            let refused = send(&hub, post(path, &session, &form)).await;
            assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{role} {path}");
            assert!(text(refused).await.contains("Primero activa tus códigos"), "{role} {path}");
        }
        assert_eq!(location(&send(&hub, post("/mi-cuenta/codigos", &session, &form)).await), "/segundo-factor");
        let led = page(&hub, "/segundo-factor", &session).await;
        assert!(led.contains("<svg xmlns"), "the picture");
        let secret = led.split("<p class=\"mono\">").nth(1).and_then(|t| t.split('<').next()).unwrap().replace(' ', "");
        let wrong = send(&hub, post("/mi-cuenta/codigos/activar", &session, &format!("{form}&codigo=000000"))).await;
        assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
        assert_eq!(location(&send(&hub, get("/", &session)).await), "/segundo-factor", "a wrong code opens nothing");
        let right = format!("{form}&codigo={}", code_at(&hub, &secret, 0));
        let shown = text(send(&hub, post("/mi-cuenta/codigos/activar", &session, &right)).await).await;
        let code = shown.split("<li><code>").nth(1).and_then(|t| t.split('<').next()).expect("recovery codes");
        // 24 characters of 32 kinds are 120 bits.
        assert_eq!((code.len(), code.matches('-').count()), (29, 5), "{code}");
        assert_eq!(location(&send(&hub, get("/segundo-factor", &session)).await), "/mi-cuenta");
        page(&hub, "/mi-cuenta", &session).await;
        // Who takes them away is led again.
        let off = send(&hub, post("/mi-cuenta/codigos/quitar", &session, &form)).await;
        assert_eq!(off.status(), StatusCode::SEE_OTHER);
        assert_eq!(location(&send(&hub, get("/mi-cuenta", &session)).await), "/segundo-factor");
    }
    // Who may do little, came by a key, or by a link of whoever has the machine, is led nowhere.
    account(&hub, "ana@example.com", "support").await;
    let ana = by_link(&hub, "ana@example.com").await;
    page(&hub, "/mi-cuenta", &ana).await;
    let entered = send(&hub, post("/entrar", "", &format!("clave={}", hub.key))).await;
    page(&hub, "/eventos", &session_of(&entered)).await;
    let loose = hub.link(&["read", "write"], 10).await;
    let token = loose.split("enlace=").nth(1).unwrap();
    let entered = send(&hub, post("/entrar", "", &format!("enlace={token}"))).await;
    page(&hub, "/eventos", &session_of(&entered)).await;
    // Where they are only offered, nobody is.
    let offered = hub.beside();
    account(&hub, "eva@example.com", "owner").await;
    let eva = by_link(&hub, "eva@example.com").await;
    let seen = offered.console().oneshot(get("/eventos", &eva)).await.unwrap();
    assert_eq!(seen.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_owner_hears_by_letter_that_what_lets_them_in_was_changed() {
    let (addr, mut letters) = mailbox().await;
    let hub = hub_with_mail(addr).await;
    let mut next = async || {
        let letter = tokio::time::timeout(Duration::from_secs(20), letters.recv()).await.expect("a letter").unwrap();
        mail_parser::MessageParser::default()
            .parse(letter.as_bytes())
            .map(|m| (m.subject().unwrap_or_default().to_owned(), m.body_text(0).unwrap_or_default().into_owned()))
            .expect("a letter that can be read")
    };
    let session = with_password(&hub, "ana@example.com", "support").await;
    let (subject, said) = next().await;
    assert_eq!(subject, "Cambió la forma de entrar a tu cuenta de Pasarela");
    assert!(said.contains("Hola, Luz Ospina.") && said.contains("contraseña de tu cuenta cambió"), "{said}");
    assert!(!said.contains(PASSWORD), "{said}");
    let (secret, codes) = enrol(&hub, &session).await;
    let (_, said) = next().await;
    assert!(said.contains("Se activaron códigos") && !said.contains(&secret) && !said.contains(&codes[0]), "{said}");
    assert_eq!(enter(&hub, "ana@example.com", PASSWORD, &codes[0]).await.status(), StatusCode::SEE_OTHER);
    let (_, said) = next().await;
    assert!(said.contains("con un código de recuperación") && !said.contains(&codes[0]), "{said}");
    // A code of the clock is every day's, and tells nobody.
    let code = code_at(&hub, &secret, 30);
    let entered = enter(&hub, "ana@example.com", PASSWORD, &code).await;
    let session = session_of(&entered);
    let own = page(&hub, "/mi-cuenta", &session).await;
    let off = send(&hub, post("/mi-cuenta/codigos/quitar", &session, &format!("csrf={}", csrf(&own)))).await;
    assert_eq!(off.status(), StatusCode::SEE_OTHER);
    let (_, said) = next().await;
    assert!(said.contains("Se apagaron los códigos"), "{said}");
    assert_eq!(do_to(&hub, "ana@example.com", "reset", json!({})).await.0, StatusCode::OK);
    let (_, said) = next().await;
    assert!(said.contains("se puso en cero") && said.contains("la línea de comandos"), "{said}");
}

#[tokio::test]
async fn two_at_once_do_not_take_the_last_two_owners() {
    let hub = hub(None).await;
    let (luz, ana) = ("luz@example.com", "ana@example.com");
    for email in [luz, ana] {
        account(&hub, email, "owner").await;
        do_to(&hub, email, "grant", json!({ "grant": { "role": "viewer" } })).await;
    }
    let owner = json!({ "grant": { "role": "owner" } });
    for round in 0..6 {
        let (one, two) = match round % 2 {
            0 => tokio::join!(do_to(&hub, luz, "disable", json!({})), do_to(&hub, ana, "disable", json!({}))),
            _ => tokio::join!(do_to(&hub, luz, "revoke", owner.clone()), do_to(&hub, ana, "disable", json!({}))),
        };
        let mut statuses = [one.0, two.0];
        statuses.sort();
        assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT], "round {round}: one owner stays");
        for email in [luz, ana] {
            assert_eq!(do_to(&hub, email, "enable", json!({})).await.0, StatusCode::OK);
            assert_eq!(do_to(&hub, email, "grant", owner.clone()).await.0, StatusCode::OK);
        }
    }
}
