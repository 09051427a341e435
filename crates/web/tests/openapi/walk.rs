//! The policy as people read it, in `fixtures/policy.txt`, against the hub as it answers: every route x role x
//! brand over HTTP. The file stands for itself: it is compared with the code and never made of it, except by who
//! runs the test with `PASARELA_WRITE_POLICY=1` and reads what changed.

use super::{Hub, call, hub};
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use pasarela_domain::Role;
use pasarela_store::{ApiKeyRow, KeyTerms};
use pasarela_web::policy::{Gate, Resource, TABLE};
use pasarela_web::{Listener, Route, gates};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use tower::ServiceExt as _;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/policy.txt");

/// Who has a brand, and whether this hub has it: the one whose everything is, one with nothing, one of elsewhere.
const BRANDS: [(&str, Option<&str>); 4] =
    [("own", Some("default")), ("second", Some("luna")), ("other", Some("otra")), ("all", None)];

/// What the file says.
struct Policy {
    /// (resource, action): the roles, and whether only who has every brand.
    rows: BTreeMap<(String, String), (BTreeSet<String>, bool)>,
    /// (listener, method, path): its gate.
    routes: BTreeMap<(String, String, String), String>,
}

fn read(text: &str) -> Policy {
    let mut policy = Policy { rows: BTreeMap::new(), routes: BTreeMap::new() };
    let mut heads: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["resource", "action", "brands", ..] => heads = words[3..].to_vec(),
            ["public" | "console", method, path, ..] => {
                let key = (words[0].to_owned(), method.to_owned(), path.to_owned());
                let gate = words[3..].iter().take_while(|w| **w != "--").copied().collect::<Vec<_>>().join(" ");
                assert!(policy.routes.insert(key, gate).is_none(), "{line} stands twice");
            }
            [resource, action, brands, ..] => {
                let marks = &words[3..];
                assert_eq!(marks.len(), heads.len(), "{line}");
                let roles = heads.iter().zip(marks).filter(|(_, m)| **m == "x").map(|(h, _)| (*h).to_owned()).collect();
                policy.rows.insert((resource.to_owned(), action.to_owned()), (roles, brands == "every"));
            }
            _ => panic!("{line}"),
        }
    }
    policy
}

/// The file as the code would have it.
fn written() -> String {
    let mut out = String::from(
        "# Who may do what. `every`: only who has every brand; `own`: for the brands that one has.\n\
         # Held to the hub by crates/web/tests/openapi/walk.rs.\n\n",
    );
    let _ = write!(out, "{:<15}{:<15}{:<8}", "resource", "action", "brands");
    for role in Role::ALL {
        let _ = write!(out, "{:<10}", role.word());
    }
    for (resource, action, roles) in TABLE {
        let brands = if resource.is_the_hubs() { "every" } else { "own" };
        let _ = write!(out, "\n{:<15}{:<15}{brands:<8}", resource.word(), action.word());
        for role in Role::ALL {
            let has = role == Role::Owner || roles.contains(&role);
            let _ = write!(out, "{:<10}", if has { "x" } else { "." });
        }
    }
    out.push_str("\n\n# Routes, and the row that each asks for.\n\n");
    for (listener, name) in LISTENERS {
        for route in gates(listener) {
            let _ = writeln!(out, "{name:<8} {:<5} {:<46} {}", route.method, route.path, told(route.gate));
        }
    }
    out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n"
}

const LISTENERS: [(Listener, &str); 2] = [(Listener::Public, "public"), (Listener::Console, "console")];

fn told(gate: Gate) -> String {
    match gate {
        Gate::May(action, resource) => format!("{} {}", resource.word(), action.word()),
        Gate::Known(why) => format!("known -- {why}"),
        Gate::Open(why) => format!("open -- {why}"),
        Gate::Signed => "signed -- as the connection's provider does".into(),
        Gate::Pass => "pass -- the address is sealed and names one ticket or one person".into(),
    }
}

/// Where the hub and the file differ, in sentences.
async fn holes(
    policy: &Policy,
    routes: &[(&str, Route)],
    callers: &[Caller],
    send: impl AsyncFn(&str, &Route, Option<&Caller>) -> StatusCode,
) -> Vec<String> {
    let mut found = Vec::new();
    for (listener, route) in routes {
        let key = ((*listener).to_owned(), route.method.to_owned(), route.path.clone());
        let at = format!("{listener} {} {}", route.method, route.path);
        let Some(gate) = policy.routes.get(&key) else {
            found.push(format!("{at} has no row in the file"));
            continue;
        };
        let gate: Vec<&str> = gate.split(' ').collect();
        let [resource, action] = gate[..] else {
            // What is open is read by people, not walked; what is known must still ask who calls.
            if gate == ["known"] && let_in(send(listener, route, None).await) {
                found.push(format!("{at} asks nobody who they are"));
            }
            continue;
        };
        let Some((roles, every)) = policy.rows.get(&(resource.to_owned(), action.to_owned())) else {
            found.push(format!("{at} asks for {resource} {action}, which is in no table"));
            continue;
        };
        if let_in(send(listener, route, None).await) {
            found.push(format!("{at} lets in who is nobody"));
        }
        for caller in callers {
            // A producer and a designer of nothing have nothing, whatever the table says.
            let narrow = matches!(caller.role, Role::Producer | Role::Designer);
            let brand = caller.brand == "all" || (["own", "second"].contains(&caller.brand) && !every);
            let expected = roles.contains(caller.role.word()) && brand && !narrow;
            let status = send(listener, route, Some(caller)).await;
            if let_in(status) != expected {
                let (role, brand) = (caller.role, caller.brand);
                found.push(format!(
                    "{at}: {role} of {brand} brand got {status}, expected {}",
                    if expected { "in" } else { "out" }
                ));
            }
        }
    }
    found
}

/// Past the gate: whatever it then came to.
fn let_in(status: StatusCode) -> bool {
    status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN && status != StatusCode::SEE_OTHER
}

struct Caller {
    role: Role,
    brand: &'static str,
    key: String,
    /// Cookie and token of a session in the console; empty for who may not look at anything.
    session: String,
    csrf: String,
}

/// One for each role and brand, with a key, and signed in by it.
async fn callers(hub: &Hub) -> Vec<Caller> {
    let mut all = Vec::new();
    for role in Role::ALL {
        for (brand, name) in BRANDS {
            let key = format!("psk_{:x<43}", format!("{role}{brand}"));
            let row = ApiKeyRow {
                id: format!("key_{role}_{brand}"),
                name: format!("{role} {brand}"),
                hash: Sha256::digest(key.as_bytes()).to_vec(),
                scopes: vec![format!("role:{role}")],
                created_at: jiff::Timestamp::now(),
                revoked_at: None,
                terms: KeyTerms {
                    brands: name.map(|n| vec![n.to_owned()]),
                    rate: Some("1000000/s".into()),
                    ..KeyTerms::default()
                },
            };
            hub.engine.store().keep_api_key(row).await.unwrap();
            let (session, csrf) = session(hub, &key).await;
            all.push(Caller { role, brand, key, session, csrf });
        }
    }
    all
}

pub(crate) async fn session(hub: &Hub, key: &str) -> (String, String) {
    let enter = Request::post("/entrar").body(Body::from(format!("clave={key}"))).unwrap();
    let answer = hub.app.console().oneshot(enter).await.unwrap();
    let cookie = answer.headers().get(header::SET_COOKIE).expect("a session").to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let page = Request::get("/nada").header(header::COOKIE, &cookie).body(Body::empty()).unwrap();
    drop(hub.app.console().oneshot(page).await.unwrap());
    let value = cookie.split_once('=').unwrap().1;
    let csrf = hex::encode(Sha256::digest(format!("csrf {value}").as_bytes()));
    (cookie, csrf)
}

/// A path with something in it that is nowhere: no deed is done by the walk.
fn filled(path: &str) -> String {
    let mut out = String::new();
    for (n, segment) in path.split('/').enumerate() {
        if n > 0 {
            out.push('/');
        }
        out.push_str(match segment {
            "{kind}" => "flows",
            "{*rest}" => "no/hay",
            _ if segment.starts_with('{') => "nada",
            _ => segment,
        });
    }
    out
}

async fn over_http(hub: &Hub, listener: &str, route: &Route, caller: Option<&Caller>) -> StatusCode {
    let path = filled(&route.path);
    let method = if route.method == "any" { "GET" } else { &route.method.to_uppercase() };
    let mut request = Request::builder().method(method).uri(path);
    let answer: Response<Body> = if listener == "console" {
        let csrf = caller.map_or("", |c| &c.csrf);
        request = request.header(header::COOKIE, caller.map_or("", |c| &c.session));
        hub.app.console().oneshot(request.body(Body::from(format!("csrf={csrf}"))).unwrap()).await.unwrap()
    } else {
        if let Some(caller) = caller {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", caller.key));
        }
        hub.app.public().oneshot(request.body(Body::from("[]")).unwrap()).await.unwrap()
    };
    let status = answer.status();
    // A deed that was let in leads back to its page. A look that leads elsewhere was not let in: to the door, or to a
    // page that the person may see.
    let to = answer.headers().get(header::LOCATION).map_or("", |l| l.to_str().unwrap());
    if status == StatusCode::SEE_OTHER && route.method == "post" && to != "/entrar" { StatusCode::OK } else { status }
}

fn routes() -> Vec<(&'static str, Route)> {
    LISTENERS.into_iter().flat_map(|(l, name)| gates(l).into_iter().map(move |r| (name, r))).collect()
}

#[test]
fn the_policy_is_what_the_file_says() {
    let now = written();
    if std::env::var_os("PASARELA_WRITE_POLICY").is_some() {
        std::fs::write(FILE, &now).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    let (kept, now): (Vec<&str>, Vec<&str>) = (kept.lines().collect(), now.lines().collect());
    let gone: Vec<_> = kept.iter().filter(|l| !now.contains(l)).collect();
    let new: Vec<_> = now.iter().filter(|l| !kept.contains(l)).collect();
    assert!(
        gone.is_empty() && new.is_empty() && kept == now,
        "who may do what has changed; if it is meant, write the file with PASARELA_WRITE_POLICY=1\n\
         only in the file: {gone:#?}\nonly in the code: {new:#?}"
    );
}

#[tokio::test]
async fn every_route_lets_in_whom_the_table_names_and_nobody_else() {
    let hub = hub(None).await;
    let policy = read(&std::fs::read_to_string(FILE).unwrap());
    let callers = callers(&hub).await;
    assert_eq!(callers.len(), Role::ALL.len() * BRANDS.len());
    let routes = routes();
    let walked: BTreeSet<(String, String, String)> =
        routes.iter().map(|(l, r)| ((*l).to_owned(), r.method.to_owned(), r.path.clone())).collect();
    let left: Vec<_> = policy.routes.keys().filter(|k| !walked.contains(*k)).collect();
    assert!(left.is_empty(), "the file names routes that are not there: {left:?}");
    let send =
        async |listener: &str, route: &Route, caller: Option<&Caller>| over_http(&hub, listener, route, caller).await;
    let found = holes(&policy, &routes, &callers, send).await;
    assert!(found.is_empty(), "{} holes: {found:#?}", found.len());
}

/// Every look that names or lists something, by who has its brand, and by who has another one.
#[tokio::test]
async fn what_is_one_brands_is_not_there_for_another() {
    let hub = hub(None).await;
    let callers = callers(&hub).await;
    let of = |brand: &str| callers.iter().find(|c| c.role == Role::Owner && c.brand == brand).unwrap();
    let (own, second) = (of("own"), of("second"));
    let get = async |path: &str, caller: &Caller| call(&hub, "get", path, &caller.key, &Value::Null).await;
    // A list of each kind, and what stands in it.
    for list in ["events", "deliveries", "runs", "effects", "dead-letters", "connections"] {
        let (status, mine) = get(&format!("/api/v1/{list}?limit=200"), own).await;
        let rows = mine["data"].as_array().unwrap();
        assert!(status == StatusCode::OK && !rows.is_empty(), "{list}: {mine}");
        let (status, theirs) = get(&format!("/api/v1/{list}?limit=200"), second).await;
        assert_eq!((status, &theirs["data"]), (StatusCode::OK, &Value::Array(Vec::new())), "{list}");
        for row in rows.iter().take(3) {
            let (kind, id) = match list {
                "connections" => ("connections", row["name"].as_str().unwrap()),
                "dead-letters" => {
                    (if row["kind"] == "effect" { "effects" } else { "deliveries" }, row["id"].as_str().unwrap())
                }
                _ => (list, row["id"].as_str().unwrap()),
            };
            let path = format!("/api/v1/{kind}/{id}");
            assert_eq!(get(&path, own).await.0, StatusCode::OK, "{path}");
            assert_eq!(get(&path, second).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }
    // And the deeds, which leave everything as it is.
    let event = hub.told.to_string();
    let (dead, unknown) = (hub.dead.to_string(), hub.unknown.to_string());
    let (_, runs) = get("/api/v1/runs?limit=1", own).await;
    let run = runs["data"][0]["id"].as_str().unwrap();
    let (_, deliveries) = get("/api/v1/deliveries?limit=1", own).await;
    let delivery = deliveries["data"][0]["id"].as_str().unwrap();
    assert_eq!(get(&format!("/api/v1/events/{event}/story"), own).await.0, StatusCode::OK);
    assert_eq!(get(&format!("/api/v1/events/{event}/story"), second).await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(&format!("/api/v1/messages/{dead}/explanation"), second).await.0, StatusCode::NOT_FOUND);
    for path in [
        format!("/api/v1/dead-letters/{dead}/retry"),
        format!("/api/v1/dead-letters/{unknown}/drop"),
        format!("/api/v1/deliveries/{delivery}/replay"),
        format!("/api/v1/runs/{run}/cancel"),
        "/api/v1/connections/tienda/reconcile".to_owned(),
        "/api/v1/connections/tienda/plan/apply".to_owned(),
    ] {
        let (status, answer) = call(&hub, "post", &path, &second.key, &Value::Null).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {answer}");
    }
    // In the console the same.
    for (path, theirs) in [
        (format!("/historia/{event}"), StatusCode::NOT_FOUND),
        (format!("/entregas/{delivery}"), StatusCode::NOT_FOUND),
        (format!("/entregas/{delivery}/cuerpo"), StatusCode::NOT_FOUND),
        ("/eventos".to_owned(), StatusCode::OK),
        ("/por-resolver".to_owned(), StatusCode::OK),
        ("/conexiones".to_owned(), StatusCode::OK),
        ("/conciliacion".to_owned(), StatusCode::OK),
        (format!("/buscar?q={event}"), StatusCode::OK),
    ] {
        let page = async |caller: &Caller| {
            let request = Request::get(&path).header(header::COOKIE, &caller.session).body(Body::empty()).unwrap();
            let answer = hub.app.console().oneshot(request).await.unwrap();
            let status = answer.status();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8_lossy(&body).into_owned())
        };
        let (status, text) = page(second).await;
        assert_eq!(status, theirs, "{path}");
        // The page that is not there names its own address, in its way to the other language.
        let told = status == StatusCode::OK && text.contains(&format!("/historia/{event}"));
        assert!(!text.contains("tienda") && !told, "{path} tells of another: {text}");
        // A search by an id leads to its page.
        assert!([StatusCode::OK, StatusCode::SEE_OTHER].contains(&page(own).await.0), "{path}");
    }
    assert_eq!(get(&format!("/api/v1/effects/{dead}"), own).await.1["state"], "dead", "nothing was done");
}

/// Whoever has one brand reads what was done with it, and nothing of another's or of the hub's own.
#[tokio::test]
async fn who_has_one_brand_reads_its_entries_of_the_audit_and_no_others() {
    let hub = hub(None).await;
    let callers = callers(&hub).await;
    let of = |brand: &str| callers.iter().find(|c| c.role == Role::Owner && c.brand == brand).unwrap();
    let (own, second, all) = (of("own"), of("second"), of("all"));
    for (path, body) in [
        ("/api/v1/connections/tienda/pause".to_owned(), Value::Null),
        (format!("/api/v1/dead-letters/{}/retry", hub.dead), Value::Null),
        ("/api/v1/suppressions".to_owned(), serde_json::json!({ "email": "luz@example.com" })),
    ] {
        let (status, answer) = call(&hub, "post", &path, &all.key, &body).await;
        assert!(status.is_success(), "{path}: {answer}");
    }
    let list = async |caller: &Caller| {
        let (status, list) = call(&hub, "get", "/api/v1/audit?kind=changes", &caller.key, &Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{list}");
        let rows = list["data"].as_array().unwrap().clone();
        let told = rows.iter().map(|r| r["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (told, rows)
    };
    let (told, rows) = list(own).await;
    assert_eq!(told, ["dead-letters.retry", "pauses.pause"]);
    assert_eq!(list(second).await.0, [""; 0]);
    assert!(list(all).await.0.contains(&"suppressions.create".to_owned()));
    let path = format!("/api/v1/audit/{}", rows[0]["seq"]);
    let get = async |caller: &Caller| call(&hub, "get", &path, &caller.key, &Value::Null).await.0;
    assert_eq!((get(own).await, get(second).await), (StatusCode::OK, StatusCode::NOT_FOUND));
    let page = async |caller: &Caller| {
        let request = Request::get("/auditoria").header(header::COOKIE, &caller.session).body(Body::empty()).unwrap();
        let answer = hub.app.console().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        String::from_utf8_lossy(&answer.into_body().collect().await.unwrap().to_bytes()).into_owned()
    };
    assert!(page(own).await.contains("connection tienda") && !page(second).await.contains("connection tienda"));
}

/// The walk itself is tried: with a route that nobody guards, one that has no row, one of another row.
#[tokio::test]
async fn a_planted_hole_is_found() {
    let hub = hub(None).await;
    let policy = read(&std::fs::read_to_string(FILE).unwrap());
    let callers = callers(&hub).await;
    let row = |path: &str, gate| ("public", Route { method: "get", path: path.to_owned(), gate });
    let events = Gate::May(pasarela_web::policy::Action::ReadPersonal, Resource::Events);
    // No row in the file.
    let send = async |l: &str, r: &Route, c: Option<&Caller>| over_http(&hub, l, r, c).await;
    let found = holes(&policy, &[row("/api/v1/secretos", events)], &callers, send).await;
    assert!(found.len() == 1 && found[0].contains("no row"), "{found:?}");
    // In the file, and served by a handler that nobody stands in front of.
    let mut open = read(&std::fs::read_to_string(FILE).unwrap());
    let key = ("public".to_owned(), "get".to_owned(), "/api/v1/secretos".to_owned());
    open.routes.insert(key, "events read_personal".into());
    let unguarded = hub.app.public().route("/api/v1/secretos", axum::routing::get(async || "todo"));
    let send = async |_: &str, r: &Route, c: Option<&Caller>| {
        let request = Request::get(&r.path).header(header::AUTHORIZATION, c.map_or(String::new(), |c| c.key.clone()));
        unguarded.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    };
    let found = holes(&open, &[row("/api/v1/secretos", events)], &callers, send).await;
    assert!(found.iter().any(|f| f.contains("lets in who is nobody")), "{found:?}");
    assert!(found.iter().any(|f| f.contains("viewer of all brand got 200")), "{found:?}");
    // A route that asks for another row than the file says: a viewer may read overviews, not people.
    let mut moved = read(&std::fs::read_to_string(FILE).unwrap());
    let key = ("public".to_owned(), "get".to_owned(), "/api/v1/overview".to_owned());
    moved.routes.insert(key, "events read_personal".into());
    let send = async |l: &str, r: &Route, c: Option<&Caller>| over_http(&hub, l, r, c).await;
    let found = holes(&moved, &[row("/api/v1/overview", events)], &callers, send).await;
    assert!(found.iter().any(|f| f.contains("viewer of all brand")), "{found:?}");
}

/// Routes are made where they say who may call them; this finds those that would be made anywhere else.
#[test]
fn no_route_escapes_its_gate() {
    fn look(folder: &Path, found: &mut Vec<String>) {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                look(&path, found);
            } else if !path.ends_with("src/routes.rs") && escapes(&std::fs::read_to_string(&path).unwrap_or_default()) {
                found.push(path.display().to_string());
            }
        }
    }
    fn escapes(text: &str) -> bool {
        [".route(", ".route_service(", ".nest_service(", ".fallback_service("].iter().any(|way| text.contains(way))
    }
    assert!(escapes("Router::new()\n    .route(\"/secretos\", get(todo))"), "a planted one is found");
    let mut found = Vec::new();
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.is_empty(), "register these with crate::routes::Routes or Pages: {found:?}");
}

#[tokio::test]
async fn what_is_personal_is_not_on_a_viewers_pages() {
    let hub = hub(None).await;
    let callers = callers(&hub).await;
    let of = |role: Role| callers.iter().find(|c| c.role == role && c.brand == "all").unwrap();
    hub.post(serde_json::json!({ "type": "order.created", "id": "o-77", "key": "+573005550177" })).await;
    hub.settled().await;
    for (role, sees) in [(Role::Operator, true), (Role::Viewer, false)] {
        for path in ["/", "/eventos"] {
            let page = Request::get(path).header(header::COOKIE, &of(role).session).body(Body::empty()).unwrap();
            let answer = hub.app.console().oneshot(page).await.unwrap();
            let text = answer.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8(text.to_vec()).unwrap();
            assert_eq!(text.contains("573005550177"), sees, "{role} at {path}");
            assert!(
                text.contains("/eventos") && text.contains("/casos\"") == (role == Role::Owner),
                "{role} at {path}"
            );
        }
    }
    let (_, list) = call(&hub, "get", "/api/v1/deliveries", &of(Role::Viewer).key, &Value::Null).await;
    assert!(list["data"][0].get("body").is_none() && list["data"][0]["id"].is_string(), "{list}");
}
