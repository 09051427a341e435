//! No change without an entry of the audit, and no entry of what did not happen: every route that changes something,
//! with a chain that refuses to be written to, and with one that takes what it is told.

use super::walk::session;
use super::{Hub, call, calls, hub};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use pasarela_store::{AuditFilter, AuditRow, Outcome, verify};
use pasarela_web::policy::{Action, Gate};
use pasarela_web::{Listener, gates};
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tower::ServiceExt as _;

/// What is written beside a request whoever it is of: the last use of a key, the last look of a session, requests
/// that may come again, who waits for trying too often; when a call is tried again. And the chain.
const BESIDE: [&str; 8] =
    ["key_terms", "passes", "answers", "timers", "attempts", "audit", "audit_about", "audit_head"];

/// The database, beside the hub that has it open.
struct Database(Connection);

impl Database {
    fn of(hub: &Hub) -> Self {
        let db = Connection::open(hub.engine.store().home()).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        Self(db)
    }

    /// The table takes no new row that fits the condition.
    fn refuse(&self, table: &str, when: &str) {
        let when = if when.is_empty() { String::new() } else { format!("WHEN {when}") };
        let sql = format!(
            "CREATE TRIGGER refused_{table} BEFORE INSERT ON {table} {when} BEGIN SELECT RAISE(ABORT, 'no'); END"
        );
        self.0.execute_batch(&sql).unwrap();
    }

    fn allow(&self, table: &str) {
        self.0.execute_batch(&format!("DROP TRIGGER refused_{table}")).unwrap();
    }

    /// Everything that a deed may change, by table.
    fn content(&self) -> Content {
        let mut names = self.0.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
        let names: Vec<String> = names.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
        let names = names.into_iter().filter(|n| !BESIDE.contains(&n.as_str()) && !n.starts_with("sqlite_"));
        let rows = |name: &str| {
            // Calls that are on their way to nobody go on meanwhile: of effects and runs, what a person changes.
            // Events that go out as webhooks are effects too, and come by themselves.
            let (what, which) = match name {
                "records" => ("*", "WHERE kind <> 'lockout'"),
                "effects" => {
                    let own = "WHERE connection IN (SELECT id FROM connections WHERE provider <> 'webhook')";
                    ("id, generation, status = 23", own)
                }
                "runs" => ("id, status = 11", ""),
                _ => ("*", ""),
            };
            let mut all = self.0.prepare(&format!("SELECT {what} FROM {name} {which}")).unwrap();
            let columns = all.column_count();
            let found = all.query_map([], |r| (0..columns).map(|c| r.get(c)).collect::<Result<Vec<Sql>, _>>());
            found.unwrap().map(Result::unwrap).collect()
        };
        names.map(|name| (name.clone(), rows(&name))).collect()
    }
}

/// The content, once what the deed before set going has come to its end.
async fn at_rest(hub: &Hub, db: &Database) -> Content {
    let mut last = db.content();
    for _ in 0..200 {
        hub.settled().await;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        let now = db.content();
        if now == last {
            return now;
        }
        last = now;
    }
    panic!("the hub does not come to rest");
}

/// Rows of each table.
type Content = BTreeMap<String, Vec<Vec<Sql>>>;

/// Something that changes something: where, its route, and how it is asked for.
struct Asked {
    listener: &'static str,
    route: String,
    path: String,
    /// JSON, or a form.
    body: String,
}

/// An answer that does not come is a failure of the test, and not its end.
async fn send(hub: &Hub, asked: &Asked, key: &str, session: &(String, String)) -> (StatusCode, String) {
    let answer = tokio::time::timeout(std::time::Duration::from_secs(10), sent(hub, asked, key, session)).await;
    answer.unwrap_or_else(|_| panic!("{} does not answer", asked.path))
}

async fn sent(hub: &Hub, asked: &Asked, key: &str, session: &(String, String)) -> (StatusCode, String) {
    let request = Request::post(&asked.path);
    let answer = match asked.listener {
        "console" => {
            let body = format!("csrf={}&{}", session.1, asked.body);
            let request = request.header(header::COOKIE, &session.0).body(Body::from(body)).unwrap();
            hub.app.console().oneshot(request).await.unwrap()
        }
        listener => {
            let request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
            let request = request.body(Body::from(asked.body.clone())).unwrap();
            let app = if listener == "socket" { hub.app.admin() } else { hub.app.public() };
            app.oneshot(request).await.unwrap()
        }
    };
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

async fn entries(hub: &Hub) -> Vec<AuditRow> {
    hub.engine.store().audit_after(0, 1000).await.unwrap()
}

/// All that the API, the socket and the console do, in an order in which each may be done.
async fn deeds(hub: &Hub) -> Vec<Asked> {
    let api = calls(hub).await.into_iter().filter(|(method, ..)| *method == "post");
    let mut all: Vec<Asked> = api
        .map(|(_, route, path, body)| {
            // The document's own call tries dry; here it is done.
            let body = if route == "/api/v1/deliveries/replay" { json!({ "connection": "tienda" }) } else { body };
            let body = if body.is_null() { String::new() } else { body.to_string() };
            Asked { listener: "public", route: route.to_owned(), path, body }
        })
        .collect();
    let mut add = |listener: &'static str, route: &str, path: &str, body: &str| {
        all.push(Asked { listener, route: route.into(), path: path.into(), body: body.into() });
    };
    let wish = r#"{ "url": "http://127.0.0.1:9/otros", "types": ["order.*"] }"#;
    let owner_key = hub.key_of(&["role:owner"]).await;
    let wished: Value = serde_json::from_str(wish).unwrap();
    let (_, made) = call(hub, "post", "/api/v1/webhooks", &owner_key, &wished).await;
    let webhook = made["id"].as_str().unwrap();
    add("public", "/api/v1/webhooks", "/api/v1/webhooks", wish);
    add("public", "/api/v1/webhooks/{id}/secrets", &format!("/api/v1/webhooks/{webhook}/secrets"), "");
    let scopes = ["read".to_owned()];
    let key = pasarela_web::create_key(&**hub.engine.store(), "k", &scopes, jiff::Timestamp::now()).await.unwrap().id;
    let owner = r#"{ "email": "ana@example.com", "name": "Ana Ruiz", "grants": [{ "role": "owner" }] }"#;
    let eva = r#"{ "email": "eva@example.com", "name": "Eva Rojas", "grants": [{ "role": "viewer" }] }"#;
    add("socket", "/admin/users", "/admin/users", owner);
    add("socket", "/admin/users", "/admin/users", eva);
    for (step, body) in [
        ("grant", r#"{ "grant": { "role": "support" } }"#),
        ("revoke", r#"{ "grant": { "role": "support" } }"#),
        ("disable", "{}"),
        ("enable", "{}"),
        ("reset", "{}"),
        ("link", "{}"),
    ] {
        add("socket", "/admin/users/{user}/{step}", &format!("/admin/users/eva@example.com/{step}"), body);
    }
    let loose = r#"{ "name": "Puerta", "grant": { "role": "viewer" }, "minutes": 5 }"#;
    add("socket", "/admin/users/loose-link", "/admin/users/loose-link", loose);
    add("socket", "/admin/links", "/admin/links", r#"{ "name": "Luz", "scopes": ["read"], "minutes": 5 }"#);
    add("socket", "/admin/keys", "/admin/keys", r#"{ "name": "robot", "scopes": ["read"] }"#);
    add("socket", "/admin/keys/{id}/rotate", &format!("/admin/keys/{key}/rotate"), r#"{ "overlap_s": 60 }"#);
    add("socket", "/admin/keys/{id}/revoke", &format!("/admin/keys/{key}/revoke"), "");
    add("socket", "/admin/tickets/rotate", "/admin/tickets/rotate", "");
    add("socket", "/admin/secrets/{name}/set", "/admin/secrets/clave/set", r#"{ "value": "una-clave-de-prueba" }"#);
    add("socket", "/admin/secrets/{name}/remove", "/admin/secrets/clave/remove", "{}");
    add("socket", "/admin/doctor", "/admin/doctor", "{}");
    add("socket", "/admin/seal/rotate", "/admin/seal/rotate", "{}");
    let backup = hub.engine.store().home().with_extension("backup");
    add("socket", "/admin/backup", "/admin/backup", &json!({ "file": backup }).to_string());
    for (route, path, form) in [
        ("/flujos/{name}/pausar", "/flujos/prueba/pausar", "motivo=x"),
        ("/flujos/{name}/reanudar", "/flujos/prueba/reanudar", ""),
        ("/conexiones/{name}/pausar", "/conexiones/tienda/pausar", "motivo=x"),
        ("/conexiones/{name}/reanudar", "/conexiones/tienda/reanudar", ""),
        (
            "/casos/nuevo",
            "/casos/nuevo",
            "tipo=reclamo&nombre=Luz+Ospina&correo=luz.ospina%40example.com&hechos=mal&peticion=corregir&medio=paper&idioma=es",
        ),
        ("/incidentes", "/incidentes", "titulo=Portatil"),
    ] {
        add("console", route, path, form);
    }
    all
}

/// Routes that do something by a session of somebody's own, or that this hub has nothing for: each says what tries
/// it instead.
const ELSEWHERE: [(&str, &str); 54] = [
    ("/personas/{id}/unir", "as the API's, by the same functions"),
    ("/personas/{id}/distintas", "as the API's, by the same functions"),
    ("/personas/{id}/sacar", "as the API's, by the same functions"),
    ("/personas/{id}/deshacer", "as the API's, by the same functions"),
    ("/personas/{id}/conflictos/aceptar", "as the API's, by the same functions"),
    ("/api/v1/shows/{connection}/{id}/publish", "a shop sells no tickets: it refuses before anything is done"),
    ("/api/v1/shows/{connection}/{id}/archive", "the same"),
    ("/api/v1/orders/{connection}/{id}/cancel", "the same; pasarela/tests/sandbox/by_hand.rs"),
    ("/api/v1/orders/{connection}/{id}/mark-paid", "the same"),
    ("/api/v1/tickets/{connection}/{id}/cancel", "the same"),
    ("/api/v1/tickets/{connection}/{id}/resend", "the same"),
    ("/api/v1/tickets/{connection}/{id}/holder", "the same"),
    ("/api/v1/tickets/{connection}/{id}/check-in", "the same"),
    ("/api/v1/tickets/{connection}/{id}/check-out", "the same"),
    ("/desfiles/{connection}/{id}/{what}", "as the API's, by the same functions"),
    ("/pedidos/{connection}/{id}/{what}", "as the API's, by the same functions"),
    ("/pedidos/{connection}/{id}/boletas/{ticket}/{what}", "as the API's, by the same functions"),
    ("/pedidos/{connection}/{id}/devolucion", "by people with an account; pasarela/tests/sandbox/refunds.rs"),
    ("/devoluciones/{connection}/{id}/{number}/aprobar", "the same"),
    ("/devoluciones/{connection}/{id}/{number}/negar", "the same"),
    ("/devoluciones/{connection}/{id}/{number}/retirar", "the same"),
    ("/conexiones/{name}/modelo", "as the API's, by the same functions"),
    ("/api/v1/connections/{name}/reconcile", "a shop keeps no history: it refuses before anything is done"),
    ("/api/v1/connections/{name}/plan/apply", "a shop has no model: it refuses before anything is done"),
    ("/admin/registry", "without a registry among the connections there is nothing to take in"),
    ("/conciliacion/{name}", "the same"),
    ("/por-resolver/{id}/reintentar", "as the API's, by the same functions"),
    ("/por-resolver/{id}/descartar", "as the API's, by the same functions"),
    ("/casos/{number}/paso", "as the API's, by the same functions"),
    ("/conservacion/ordenes", "as the API's, by the same functions"),
    ("/conservacion/ordenes/{number}/fin", "as the API's, by the same functions"),
    ("/incidentes/{number}/paso", "as the API's, by the same functions"),
    ("/claves", "console/people.rs"),
    ("/claves/{id}/rotar", "as the API's, by the same functions"),
    ("/claves/{id}/revocar", "as the API's, by the same functions"),
    ("/webhooks", "as the API's, by the same functions"),
    ("/webhooks/{id}/probar", "as the API's, by the same functions"),
    ("/webhooks/{id}/pausar", "as the API's, by the same functions"),
    ("/webhooks/{id}/reanudar", "as the API's, by the same functions"),
    ("/webhooks/{id}/reenviar", "as the API's, by the same functions"),
    ("/webhooks/{id}/secreto", "as the API's, by the same functions"),
    ("/webhooks/{id}/quitar", "as the API's, by the same functions"),
    ("/teatro/acto", "changes the sandbox, which is no part of the hub"),
    ("/teatro/red", "changes the sandbox, which is no part of the hub"),
    ("/confirmar", "console/people.rs"),
    ("/mi-cuenta/contrasena", "console/people.rs"),
    ("/mi-cuenta/codigos", "console/people.rs"),
    ("/mi-cuenta/codigos/activar", "console/people.rs"),
    ("/mi-cuenta/codigos/quitar", "console/people.rs"),
    ("/mi-cuenta/sesiones/{id}/fin", "console/people.rs"),
    ("/usuarios", "console/people.rs"),
    ("/usuarios/{id}/{what}", "console/people.rs"),
    ("/salir", "ends a session, which is beside"),
    ("/api/v1/consents", "what a program brings is a delivery with its proof"),
];

/// A table that is not as it was, with rows that are new in it.
fn changed(before: &Content, after: &Content) -> Option<(String, Vec<Vec<Sql>>)> {
    after.iter().find_map(|(table, rows)| {
        // What was on its way goes on meanwhile, and a run decides what comes next: of these, what was there.
        let goes_on = matches!(table.as_str(), "effects" | "runs");
        let same = before[table] == *rows || goes_on && before[table].iter().all(|row| rows.contains(row));
        let new = || rows.iter().filter(|row| !before[table].contains(row)).cloned().collect();
        (!same).then(|| (table.clone(), new()))
    })
}

/// Every route that changes something is tried twice: while the chain takes nothing, and then it changes nothing
/// either; and while it does, and then the chain tells that it began before it tells how it ended.
#[tokio::test]
async fn nothing_changes_of_which_the_audit_does_not_tell() {
    let hub = hub(None).await;
    let deeds = deeds(&hub).await;
    let db = Database::of(&hub);
    let owner = hub.key_of(&["role:owner"]).await;
    let session = session(&hub, &hub.key).await;
    hub.settled().await;
    for asked in &deeds {
        if ELSEWHERE.iter().any(|(route, _)| *route == asked.route) {
            continue;
        }
        let at = format!("{} {}", asked.listener, asked.path);
        let before = at_rest(&hub, &db).await;
        let told = entries(&hub).await.len();
        db.refuse("audit", "");
        let (status, answer) = send(&hub, asked, &owner, &session).await;
        db.allow("audit");
        let failed = !status.is_success() && status != StatusCode::SEE_OTHER || asked.listener == "console";
        assert!(failed, "{at} says that it was done, and the audit took nothing: {status} {answer}");
        let after = db.content();
        if let Some((table, other)) = changed(&before, &after) {
            panic!("{at} changed '{table}', and the audit tells nothing of it: {other:?} {answer}");
        }
        assert_eq!(entries(&hub).await.len(), told, "{at}");
        let (status, answer) = send(&hub, asked, &owner, &session).await;
        assert!(status.is_success() || status == StatusCode::SEE_OTHER, "{at}: {status} {answer}");
        let new = entries(&hub).await.split_off(told);
        let outcomes: Vec<_> = new.iter().map(|e| e.outcome).collect();
        if outcomes == [None] {
            // What changes nothing has nothing to begin with: a list of which no row is new, a flow that is there.
            let other = changed(&before, &db.content());
            assert_eq!(other, None, "{at} changed something before the audit told of it");
            continue;
        }
        assert_eq!(outcomes, [Some(Outcome::Begun), Some(Outcome::Done)], "{at}: {new:#?}");
        assert_eq!((&new[0].action, &new[0].who), (&new[1].action, &new[1].who), "{at}");
    }
    verify(&**hub.engine.store(), [], |_| ()).await.unwrap().unwrap();
    // Whoever adds a route that changes something adds it to these lists.
    let known: BTreeSet<&str> =
        deeds.iter().map(|d| d.route.as_str()).chain(ELSEWHERE.iter().map(|(route, _)| *route)).collect();
    for listener in [Listener::Public, Listener::Console, Listener::Socket] {
        for route in gates(listener) {
            let changes = match route.gate {
                Gate::May(action, _) => !matches!(action, Action::Read | Action::ReadPersonal),
                Gate::Known(_) => true,
                Gate::Open(_) | Gate::Signed | Gate::Pass => false,
            };
            let tried = known.contains(route.path.as_str());
            assert!(!changes || route.method != "post" || tried, "{} changes something and is in no list", route.path);
        }
    }
}

/// What dies between two steps: the chain says what is known, and claims nothing.
#[tokio::test]
async fn what_dies_in_the_middle_leaves_no_change_without_an_entry_and_no_entry_of_what_did_not_happen() {
    let hub = hub(None).await;
    let db = Database::of(&hub);
    let pause = async |name: &str| {
        call(&hub, "post", &format!("/api/v1/connections/{name}/pause"), &hub.key, &Value::Null).await
    };
    let list = async || {
        let filter = AuditFilter { limit: 9, action: Some("pauses.pause".into()), ..AuditFilter::default() };
        hub.engine.store().audit_list(filter).await.unwrap().rows
    };
    let paused = |name: &str| hub.engine.pauses().iter().any(|p| p.name == name);
    // The entry is there and the deed is not: the store refused it.
    db.refuse("pauses", "");
    let (status, _) = pause("tienda").await;
    db.allow("pauses");
    assert!(status.is_server_error() && !paused("tienda"));
    let rows = list().await;
    assert_eq!((rows.len(), rows[0].outcome), (1, Some(Outcome::Failed)), "one line, and it says so: {rows:?}");
    // The deed is there, and whoever was to say how it ended died.
    db.refuse("audit", "NEW.outcome <> 'begun'");
    let (status, answer) = pause("tienda").await;
    db.allow("audit");
    assert_eq!((status, &answer["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("not_written_down")));
    assert!(paused("tienda"));
    let rows = list().await;
    assert_eq!((rows.len(), rows[0].outcome, rows[0].subject.as_str()), (2, Some(Outcome::Begun), "connection tienda"));
    // Neither is there: nothing may be done of which nothing can be told.
    db.refuse("audit", "");
    let (status, _) = pause("directorio").await;
    db.allow("audit");
    assert!(status.is_server_error() && !paused("directorio"));
    assert_eq!(list().await.len(), 2);
    verify(&**hub.engine.store(), [], |_| ()).await.unwrap().unwrap();
}

/// Entries of a kind, the oldest first, once there are so many.
async fn listed(hub: &Hub, kind: &str, at_least: usize) -> Vec<Value> {
    for _ in 0..400 {
        let path = format!("/api/v1/audit?limit=200&kind={kind}");
        let (_, list) = call(hub, "get", &path, &hub.key, &Value::Null).await;
        let mut rows = list["data"].as_array().unwrap().clone();
        if rows.len() >= at_least {
            rows.reverse();
            return rows;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("there are not {at_least} {kind}");
}

/// Whoever is turned away is written down: who, from where, what they wanted, how often; and rings when it is much.
#[tokio::test]
async fn who_is_turned_away_is_written_down_counted_and_rings() {
    let hub = hub(None).await;
    for _ in 0..7 {
        let (status, _) = call(&hub, "get", "/api/v1/events", "psk_no", &Value::Null).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let wish = json!({ "name": "x", "scopes": ["read"] });
    for _ in 0..61 {
        let (status, _) = call(&hub, "post", "/api/v1/keys", &hub.reader, &wish).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    let form = "correo=luz%40example.com&contrasena=no-es-esta";
    let enter = Request::post("/entrar").body(Body::from(form)).unwrap();
    assert_eq!(hub.app.console().oneshot(enter).await.unwrap().status(), StatusCode::FORBIDDEN);
    let first = listed(&hub, "refusals", 3).await;
    let told = |rows: &[Value], action: &str| -> Vec<(String, String, u64)> {
        let of = rows.iter().filter(|r| r["action"] == action);
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        of.map(|r| (text(&r["who"]), text(&r["subject"]), r["after"]["count"].as_u64().unwrap())).collect()
    };
    assert_eq!(first.len(), 3, "one of each at once, however many there are: {first:#?}");
    assert_eq!(told(&first, "refused.unknown_key"), [("system".into(), "events.read_personal".into(), 1)]);
    assert_eq!(told(&first, "refused.missing_scope"), [(hub.reader_id.clone(), "keys.write".into(), 1)]);
    let (who, way, _) = &told(&first, "refused.sign_in")[0];
    assert!(who.starts_with("usr_") && way == "sign_in.password", "an account that nobody has is named like another");
    let (_, alarms) = call(&hub, "get", "/api/v1/alarms", &hub.key, &Value::Null).await;
    let ringing = alarms["data"].as_array().unwrap().iter().find(|a| a["alarm"] == "refusals").cloned();
    assert_eq!(ringing.expect("it rings")["value"], 61.0);
    // When the minute is over, how many more there were.
    hub.wall.forward(std::time::Duration::from_secs(61));
    hub.app.write_gathered().await;
    let all = listed(&hub, "refusals", 5).await;
    assert_eq!(all.len(), 5);
    assert_eq!(told(&all, "refused.missing_scope")[1].2, 60);
    assert_eq!(told(&all, "refused.unknown_key")[1].2, 6);
    let metrics = Request::get("/metrics").body(Body::empty()).unwrap();
    let answer = hub.app.public().oneshot(metrics).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(text.contains("pasarela_refused_total{code=\"missing_scope\"} 61"), "{text}");
    hub.wall.forward(std::time::Duration::from_secs(600));
    let (_, alarms) = call(&hub, "get", "/api/v1/alarms", &hub.key, &Value::Null).await;
    assert!(!alarms.to_string().contains("refusals"), "ten calm minutes later it rings no more");
}

/// Whoever looks at personal data is written down: who, at what, once an hour.
#[tokio::test]
async fn who_looks_at_personal_data_is_written_down_once_an_hour() {
    let hub = hub(None).await;
    let get = async |path: &str| call(&hub, "get", path, &hub.reader, &Value::Null).await.0;
    let event = format!("/api/v1/events/{}", hub.told);
    for path in [&event, &event, "/api/v1/consents?person=luz.ospina%40example.com", "/api/v1/events/nada"] {
        get(path).await;
    }
    let session = session(&hub, &hub.reader).await;
    for _ in 0..2 {
        let page = Request::get(format!("/historia/{}", hub.told)).header(header::COOKIE, &session.0);
        assert!(hub.app.console().oneshot(page.body(Body::empty()).unwrap()).await.unwrap().status().is_success());
    }
    let looks = |rows: Vec<Value>| -> Vec<(String, String, String)> {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        rows.iter()
            .filter(|r| r["action"] != "audit.look")
            .map(|r| (text(&r["action"]), text(&r["subject"]), text(&r["brand"])))
            .collect()
    };
    let found = looks(listed(&hub, "looks", 2).await);
    let event_look = ("events.look".to_owned(), hub.told.to_string(), "default".to_owned());
    assert_eq!(found[0], event_look, "whose it is, is that of the event");
    assert!(found[1].0 == "consents.look" && found[1].1.starts_with("person "), "{found:?}");
    assert!(!found[1].1.contains("luz"), "the address itself is nowhere");
    // A session by a key is its holder's look of its own.
    assert!(found.len() <= 3 && found[2..].iter().all(|l| *l == event_look), "{found:?}");
    hub.wall.forward(std::time::Duration::from_secs(3600));
    get(&event).await;
    assert_eq!(looks(listed(&hub, "looks", found.len() + 1).await).len(), found.len() + 1);
}
