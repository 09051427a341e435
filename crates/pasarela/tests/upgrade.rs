//! An upgrade with work in flight. `fixtures/previous` is the database of a hub of the previous schema that
//! was killed in the middle: calls out, effects queued, a message that waits for its status, a run that
//! waits for its time, a lane parked behind a dead letter, deliveries accepted and not decided, one in
//! quarantine. This program opens it and finishes every flow.
//!
//! `scripts/upgrade` builds the previous program from the history, makes such a database anew, and runs the
//! previous program on a database of this one (the two ignored tests).
#![allow(clippy::print_stdout, reason = "the long command tells what it did")]

#[path = "support/hub.rs"]
mod hub;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hub::{SECRET, Sender, free_addr, get, order};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A place of loopback that nobody else uses, the same for whoever made the kept database.
const OUTSIDE: &str = "127.77.4.21:47321";
const PATIENCE: Duration = Duration::from_secs(120);
/// Lanes of the shop go by the key of the flow; a call that fails is dead after a second.
const FLOWS: [(&str, &str); 5] = [
    (
        "cadena",
        "flow: cadena\nversion: 1\non: tienda.order.created\nsteps:\n  - id: a\n    do: tienda.request\n    with: { method: POST, path: /a, idempotency_header: Idempotency-Key, json: { event: \"{{ data.id }}\" } }\n  - id: b\n    needs: [a]\n    do: tienda.request\n    with: { method: POST, path: /b, idempotency_header: Idempotency-Key, json: { event: \"{{ data.id }}\" } }\n",
    ),
    (
        "lenta",
        "flow: lenta\nversion: 1\non: lenta.order.created\nsteps:\n  - do: lenta.request\n    give_up_after: 3650d\n    with: { method: POST, path: /lenta, idempotency_header: Idempotency-Key, json: { event: \"{{ data.id }}\" } }\n",
    ),
    (
        "espera",
        "flow: espera\nversion: 1\non: tienda.reserva\nsteps:\n  - wait: { for: 60s }\n  - do: tienda.request\n    with: { method: POST, path: /recordatorio, idempotency_header: Idempotency-Key, json: { event: \"{{ data.id }}\" } }\n",
    ),
    (
        "reembolso",
        "flow: reembolso\nversion: 1\non: tienda.reembolso\nkey: \"{{ data.person }}\"\nsteps:\n  - do: tienda.request\n    on_dead: park\n    give_up_after: 1s\n    with: { method: POST, path: /roto, idempotency_header: Idempotency-Key, json: { event: \"{{ data.id }}\" } }\n",
    ),
    (
        "aviso",
        "flow: aviso\nversion: 1\non: tienda.aviso\nsteps:\n  - do: wa.send_template\n    class: transactional_urgent\n    with: { to: \"+573005550117\", template: prueba, language: es, params: [\"{{ data.id }}\"] }\n",
    ),
];

/// One call that the outside saw: step, event, idempotency key.
type Call = (String, String, String);

/// The outside services: they remember every call, and fail as they are told.
struct World {
    addr: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl World {
    /// `bad`: `/lenta` does not answer, `/roto` answers 500.
    async fn start(bad: bool) -> Self {
        // Always there: a call that was out is made again as it was written, to where it was to go.
        let addr: SocketAddr = OUTSIDE.parse().unwrap();
        let end = Instant::now() + PATIENCE;
        let listener = loop {
            match tokio::net::TcpListener::bind(addr).await {
                Ok(listener) => break listener,
                Err(e) => assert!(Instant::now() < end, "{addr}: {e}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = calls.clone();
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let seen = seen.clone();
                open.spawn(async move {
                    let service = service_fn(move |r| answer(r, seen.clone(), bad));
                    let io = TokioIo::new(stream);
                    drop(hyper::server::conn::http1::Builder::new().serve_connection(io, service).await);
                });
            }
        });
        Self { addr, calls, task }
    }

    /// Keys by step and event.
    fn keys(&self, before: &[Call]) -> BTreeMap<(String, String), BTreeSet<String>> {
        let mut all: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (step, event, key) in before.iter().chain(self.calls.lock().iter()) {
            all.entry((step.clone(), event.clone())).or_default().insert(key.clone());
        }
        all
    }
}

async fn answer(
    request: hyper::Request<hyper::body::Incoming>,
    seen: Arc<Mutex<Vec<Call>>>,
    bad: bool,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let step = request.uri().path().trim_start_matches('/').to_owned();
    let key = request.headers().get("idempotency-key").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    seen.lock().push((step.clone(), body["event"].as_str().unwrap_or_default().to_owned(), key));
    if step == "lenta" && bad {
        std::future::pending::<()>().await;
    }
    let (status, text) = match step.as_str() {
        "roto" if bad => (500, "{}"),
        s if s.ends_with("/messages") => {
            (200, include_str!("../../connectors/tests/fixtures/whatsapp/answer-accepted.json"))
        }
        _ => (200, "{\"ok\":true}"),
    };
    let mut response = hyper::Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A folder with configuration, flows and a database.
struct Place {
    dir: tempfile::TempDir,
    addr: SocketAddr,
}

impl Place {
    fn new(world: SocketAddr) -> Self {
        let (dir, addr) = (tempfile::tempdir().unwrap(), free_addr());
        std::fs::create_dir(dir.path().join("flows")).unwrap();
        for (name, text) in FLOWS {
            std::fs::write(dir.path().join(format!("flows/{name}.yaml")), text).unwrap();
        }
        let shop = |name: &str, concurrency: u32| {
            format!(
                "[connections.{name}]\nprovider = \"http\"\nwebhook_secrets = [\"{SECRET}\"]\nbase_url = \"http://{world}\"\n\
                 allow_private_targets = true\nlimits = {{ concurrency = {concurrency} }}\n\
                 verify = {{ scheme = \"hmac-sha256\", header = \"x-signature\" }}\n\
                 event = {{ type = \"/type\", id = \"/id\", key = \"/id\" }}\n"
            )
        };
        let text = format!(
            "[server]\nlisten = \"{addr}\"\n[console]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite:{}\"\n\
             [flows]\nbuiltin = false\nfolder = \"flows\"\n{}{}\
             [connections.wa]\nprovider = \"whatsapp\"\nwebhook_secrets = [\"{SECRET}\"]\nbase_url = \"http://{world}\"\n\
             allow_private_targets = true\naccess_token = \"t\"\nverify_token = \"v\"\nphone_number_id = \"109283746501928\"\n",
            dir.path().join("hub.db").display(),
            shop("tienda", 64),
            shop("lenta", 2),
        );
        std::fs::write(dir.path().join("pasarela.toml"), text).unwrap();
        Self { dir, addr }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.arg("--config").arg(self.path("pasarela.toml")).args(args).current_dir(self.dir.path());
        command.stdin(Stdio::null()).env("PASARELA_LOG", "warn");
        command
    }

    fn key(&self, program: &Path) -> String {
        let out =
            self.command(program, &["keys", "create", "prueba", "--scopes", "read,write", "--json"]).output().unwrap();
        let made: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        made["key"].as_str().unwrap_or_else(|| panic!("no key: {}", String::from_utf8_lossy(&out.stderr))).to_owned()
    }

    async fn serve(&self, program: &Path) -> Running {
        let mut child = self.command(program, &["serve"]).stdout(Stdio::null()).spawn().unwrap();
        until("the hub to answer", async || {
            assert!(child.try_wait().unwrap().is_none(), "the hub ended");
            get(self.addr, "/healthz", None).await.is_ok_and(|(status, _)| status == 200)
        })
        .await;
        Running { child, addr: self.addr }
    }
}

struct Running {
    child: Child,
    addr: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Running {
    async fn states(&self, what: &str, field: &str, key: &str) -> BTreeMap<String, usize> {
        let (mut all, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let path = format!("/api/v1/{what}?limit=200{cursor}");
            let (status, body) = get(self.addr, &path, Some(key)).await.unwrap();
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
            let page: Value = serde_json::from_slice(&body).unwrap();
            for row in page["data"].as_array().unwrap() {
                *all.entry(row[field].as_str().unwrap_or_default().to_owned()).or_insert(0) += 1;
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// SIGTERM, and waited for.
    async fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        until("the hub to stop", async || self.child.try_wait().unwrap().is_some()).await;
    }
}

async fn until(what: &str, mut ready: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !ready().await {
        assert!(Instant::now() < end, "waited {} s for {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

fn event(kind: &str, id: &str) -> Vec<u8> {
    json!({ "type": kind, "id": id, "person": "Valentina" }).to_string().into_bytes()
}

async fn post(addr: SocketAddr, connection: &str, body: &[u8]) {
    let (status, answer) = Sender::default().post(addr, &format!("/hooks/{connection}"), body).await.unwrap();
    assert_eq!(status, 200, "{answer}");
}

/// A call of the API.
async fn act(addr: SocketAddr, path: &str, key: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: prueba\r\nauthorization: Bearer {key}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The status webhook of the message that waits for it.
async fn delivered(addr: SocketAddr) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let body = include_bytes!("../../connectors/tests/fixtures/whatsapp/webhook.status-delivered.json");
    let signature = pasarela_connector::sign::hmac_sha256_hex(SECRET.as_bytes(), &[body]);
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let head = format!(
        "POST /hooks/wa HTTP/1.1\r\nhost: prueba\r\nx-hub-signature-256: sha256={signature}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// What was accepted, what the outside saw, and an API key: beside a kept database.
#[derive(serde::Serialize, serde::Deserialize)]
struct Story {
    key: String,
    orders: Vec<String>,
    calls: Vec<Call>,
}

/// A hub of `program` with work of every kind in flight, killed.
async fn killed_in_the_middle(program: &Path, burst: usize) -> (Place, Story) {
    let world = World::start(true).await;
    let place = Place::new(world.addr);
    let key = place.key(program);
    let hub = place.serve(program).await;
    let mut orders: Vec<String> = (0..4).map(|n| format!("o{n}")).collect();
    for id in &orders {
        post(hub.addr, "tienda", &order(id)).await;
    }
    for n in 0..6 {
        post(hub.addr, "lenta", &order(&format!("l{n}"))).await;
    }
    for n in 0..2 {
        post(hub.addr, "tienda", &event("reserva", &format!("e{n}"))).await;
        post(hub.addr, "tienda", &event("reembolso", &format!("r{n}"))).await;
    }
    post(hub.addr, "tienda", &event("aviso", "n0")).await;
    post(hub.addr, "tienda", b"esto no es JSON").await;
    until("work of every kind", async || {
        let effects = hub.states("effects", "state", &key).await;
        let n = |state: &str| effects.get(state).copied().unwrap_or(0);
        let (_, metrics) = get(hub.addr, "/metrics", None).await.unwrap();
        n("calling") == 2
            && n("queued") >= 5
            && n("settling") == 1
            && n("dead") == 1
            && n("done") == 8
            && String::from_utf8_lossy(&metrics).contains("\npasarela_quarantine 1\n")
    })
    .await;
    // More than is decided before the end.
    let sent = flood(burst, hub.addr).await;
    drop(hub);
    orders.extend(sent);
    let calls = world.calls.lock().clone();
    (place, Story { key, orders, calls })
}

/// Many at once; those that were answered.
async fn flood(count: usize, addr: SocketAddr) -> Vec<String> {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..count {
        tasks.spawn(async move {
            let id = format!("k{n}");
            let answered = Sender::default().post(addr, "/hooks/tienda", &order(&id)).await;
            answered.is_ok_and(|(status, _)| status == 200).then_some(id)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.extend(done.unwrap());
        if all.len() * 10 > count * 9 {
            break;
        }
    }
    all
}

/// Finishes a story with `program`: nothing missing, nothing twice.
async fn finish(place: &Place, world: &World, story: &Story, program: &Path) {
    let hub = place.serve(program).await;
    let steps = |step: &str, ids: Vec<String>| ids.into_iter().map(|id| (step.to_owned(), id)).collect::<Vec<_>>();
    let numbered = |prefix: &str, n: usize| (0..n).map(|i| format!("{prefix}{i}")).collect::<Vec<_>>();
    let mut expected: BTreeSet<(String, String)> = BTreeSet::new();
    for (step, ids) in [
        ("a", story.orders.clone()),
        ("b", story.orders.clone()),
        ("lenta", numbered("l", 6)),
        ("recordatorio", numbered("e", 2)),
    ] {
        expected.extend(steps(step, ids));
    }
    until("every flow to end", async || {
        let keys = world.keys(&story.calls);
        expected.iter().all(|e| keys.contains_key(e))
    })
    .await;
    // The dead letter is still a person's to decide, and its lane waits: order is kept.
    let dead: Value =
        serde_json::from_slice(&get(hub.addr, "/api/v1/dead-letters", Some(&story.key)).await.unwrap().1).unwrap();
    let rows = dead["data"].as_array().unwrap();
    let kinds: BTreeSet<&str> = rows.iter().filter_map(|r| r["kind"].as_str()).collect();
    assert_eq!((rows.len(), kinds), (2, BTreeSet::from(["delivery", "effect"])), "{dead}");
    assert!(!world.calls.lock().iter().any(|c| c.0 == "roto"), "nothing passes the parked lane");
    let id = rows.iter().find(|r| r["kind"] == "effect").unwrap()["id"].as_str().unwrap();
    let told = act(hub.addr, &format!("/api/v1/dead-letters/{id}/retry"), &story.key).await;
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    delivered(hub.addr).await;
    until("every run to end", async || {
        let runs = hub.states("runs", "status", &story.key).await;
        runs.keys().all(|s| s == "done") && !runs.is_empty()
    })
    .await;
    let refunds: Vec<String> = world.calls.lock().iter().filter(|c| c.0 == "roto").map(|c| c.1.clone()).collect();
    assert_eq!(refunds, ["r0", "r1"], "in their order");
    for (what, keys) in world.keys(&story.calls) {
        if what.0 != "roto" && !what.0.ends_with("messages") {
            assert_eq!(keys.len(), 1, "{what:?} went out under {keys:?}");
        }
    }
    // What had been answered before is not called again at all.
    let again: Vec<_> = world.calls.lock().iter().filter(|c| c.1.starts_with('o')).cloned().collect();
    assert_eq!(again, [], "done is done");
    assert!(!world.calls.lock().iter().any(|c| c.0.ends_with("messages")), "no message twice");
    hub.stop().await;
}

/// Names of a hub's files, and under which they are kept. The key is of invented persons' data.
const KEPT: [(&str, &str); 2] = [("hub.db", "database.sqlite"), ("hub.db.key", "database.sealing-key")];

fn kept() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", "previous"].iter().collect()
}

fn ours() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pasarela"))
}

fn previous() -> PathBuf {
    std::env::var_os("PASARELA_PREVIOUS")
        .expect("PASARELA_PREVIOUS names the previous program (scripts/upgrade)")
        .into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_the_previous_schema_with_work_in_flight_is_finished() {
    let world = World::start(false).await;
    let place = Place::new(world.addr);
    for (name, kept_as) in KEPT {
        std::fs::copy(kept().join(kept_as), place.path(name)).unwrap();
    }
    let story: Story = serde_json::from_slice(&std::fs::read(kept().join("story.json")).unwrap()).unwrap();
    finish(&place, &world, &story, ours()).await;
}

/// Makes `fixtures/previous` with the program in `PASARELA_PREVIOUS`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long command: scripts/upgrade keep"]
async fn keep_a_database_of_the_previous_program() {
    let (place, story) = killed_in_the_middle(&previous(), 120).await;
    let db = rusqlite::Connection::open(place.path("hub.db")).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap();
    let pending = count("SELECT count(*) FROM inbox");
    let columns = count("SELECT count(*) FROM pragma_table_info('inbox')");
    println!("{pending} deliveries are pending, the inbox has {columns} columns");
    assert!(pending > 0, "all was decided before the end: again");
    // One file is enough to keep.
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(db);
    std::fs::create_dir_all(kept()).unwrap();
    for (name, kept_as) in KEPT {
        std::fs::copy(place.path(name), kept().join(kept_as)).unwrap();
    }
    std::fs::write(kept().join("story.json"), serde_json::to_vec_pretty(&story).unwrap()).unwrap();
}

/// The other way round: a way back must be there until the schema contracts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long command: scripts/upgrade"]
async fn the_previous_program_finishes_what_this_one_began() {
    let (place, story) = killed_in_the_middle(ours(), 120).await;
    let world = World::start(false).await;
    finish(&place, &world, &story, &previous()).await;
    // And forward again.
    let hub = place.serve(ours()).await;
    post(hub.addr, "tienda", &order("z0")).await;
    until("a new order on it", async || world.keys(&[]).contains_key(&("b".to_owned(), "z0".to_owned()))).await;
}
