//! A hub as a child process, and what stands around it: a sink in place of the outside services, a
//! sender that retries like a provider does, and readers of the API. Loopback only; what the tests
//! of the built program share. It holds no oracle: each test says itself what must be true.
#![allow(dead_code, reason = "each test of the built program uses its own part")]

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use pasarela_connector::sign::hmac_sha256_hex;
use serde_json::Value;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[path = "../../../store/tests/postgres/server.rs"]
pub(crate) mod server_of_tests;

/// Key of the signatures.
pub(crate) const SECRET: &str = "clave-de-prueba";

/// A free port of loopback.
pub(crate) fn free_addr() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], pasarela_sandbox::free_port().expect("loopback has a free port")))
}

/// What a hub is configured with, besides its own place.
#[derive(Clone)]
struct Spec {
    sink: SocketAddr,
    connections: Vec<String>,
    flows: Vec<(String, String)>,
    /// Pointer to what its events are about.
    key: &'static str,
}

/// A folder with a configuration, flows and a database.
pub(crate) struct Home {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) config: PathBuf,
    pub(crate) addr: SocketAddr,
    /// A PostgreSQL in place of the file.
    pub(crate) server: Option<Arc<server_of_tests::Database>>,
    spec: Spec,
}

impl Home {
    /// One `http` connection to `sink` per name; flow files by name. Each event is about itself.
    pub(crate) fn new(sink: SocketAddr, connections: &[&str], flows: &[(&str, &str)]) -> Self {
        Self::on(None, sink, connections, flows, "/id")
    }

    /// The same, on a server, with events about what `key` points to.
    pub(crate) fn on(
        server: Option<server_of_tests::Database>,
        sink: SocketAddr,
        connections: &[&str],
        flows: &[(&str, &str)],
        key: &'static str,
    ) -> Self {
        let owned = |s: &str| s.to_owned();
        let spec = Spec {
            sink,
            connections: connections.iter().map(|c| owned(c)).collect(),
            flows: flows.iter().map(|(name, text)| (owned(name), owned(text))).collect(),
            key,
        };
        Self::made(server.map(Arc::new), spec)
    }

    /// Another node of the same database: a folder and ports of its own, and the same key.
    pub(crate) fn beside(&self) -> Self {
        let other = Self::made(self.server.clone(), self.spec.clone());
        std::fs::copy(self.key_file(), other.key_file()).expect("the first node has made its key");
        other
    }

    fn key_file(&self) -> PathBuf {
        self.dir.path().join("hub.db.key")
    }

    fn made(server: Option<Arc<server_of_tests::Database>>, spec: Spec) -> Self {
        use std::fmt::Write as _;
        let dir = tempfile::tempdir().expect("a scratch folder");
        let addr = free_addr();
        let folder = dir.path().join("flows");
        std::fs::create_dir_all(&folder).expect("a folder for flows");
        for (name, text) in &spec.flows {
            std::fs::write(folder.join(format!("{name}.yaml")), text).expect("a flow file");
        }
        let mut text = format!(
            "[server]\nlisten = \"{addr}\"\n[console]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"{}\"\nkey_file = \"{}\"\n\
             [flows]\nbuiltin = false\nfolder = \"flows\"\n",
            server.as_ref().map_or_else(|| format!("sqlite:{}", dir.path().join("hub.db").display()), |s| s.url()),
            dir.path().join("hub.db.key").display()
        );
        let Spec { sink, key, .. } = &spec;
        for name in &spec.connections {
            let _ = write!(
                text,
                "[connections.{name}]\nprovider = \"http\"\nwebhook_secrets = [\"{SECRET}\"]\nbase_url = \"http://{sink}\"\n\
                 allow_private_targets = true\nlimits = {{ concurrency = 256 }}\n\
                 verify = {{ scheme = \"hmac-sha256\", header = \"x-signature\", encoding = \"hex\" }}\n\
                 event = {{ type = \"/type\", id = \"/id\", key = \"{key}\" }}\n"
            );
        }
        let config = dir.path().join("pasarela.toml");
        std::fs::write(&config, text).expect("a configuration");
        Self { dir, config, addr, server, spec }
    }

    /// The database and what belongs to it, without the socket.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        ["hub.db", "hub.db-wal", "hub.db.key"].iter().map(|n| self.dir.path().join(n)).filter(|p| p.exists()).collect()
    }

    /// An API key, made by the command line while no hub is running.
    pub(crate) fn api_key(&self) -> String {
        let out = self
            .command()
            .args(["keys", "create", "prueba", "--scopes", "read,write", "--json"])
            .output()
            .expect("the program runs");
        let made: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        made["key"].as_str().unwrap_or_else(|| panic!("no key: {}", String::from_utf8_lossy(&out.stderr))).to_owned()
    }

    /// A command beside whatever runs. It is not waited for.
    pub(crate) fn begin(&self, args: &[&str]) -> Child {
        let mut command = self.command();
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    }

    /// A command that must succeed; what it prints.
    pub(crate) fn done(&self, args: &[&str]) -> Value {
        let out = self.begin(args).wait_with_output().expect("the program runs");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap_or_default()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pasarela"));
        command.arg("--config").arg(&self.config).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Starts the hub and waits until it answers. `None`: it ended before that, as fail points may wish.
    pub(crate) async fn start(&self, env: &[(&str, &str)]) -> Option<Hub> {
        let mut command = self.command();
        command.arg("serve").env("PASARELA_LOG", "error").stdout(Stdio::null());
        command.envs(env.iter().copied());
        let mut hub = Hub { child: command.spawn().expect("the program starts"), addr: self.addr };
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            if get(self.addr, "/healthz", None).await.is_ok_and(|(status, _)| status == 200) {
                return Some(hub);
            }
            if hub.ended().is_some() {
                return None;
            }
            assert!(Instant::now() < until, "the hub does not answer on {}", self.addr);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A hub that is killed when it is let go.
pub(crate) struct Hub {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Hub {
    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// SIGSTOP: the process stands still, as on a machine that is suspended.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT: it goes on, and has noticed nothing.
    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(name).arg(self.child.id().to_string()).status();
        // It may have ended by itself; then nobody hears it.
        assert!(sent.is_ok(), "there is a command kill");
    }

    /// A value of the metrics; `None` when it does not answer.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = get(self.addr, "/metrics", None).await.ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
    }

    /// Waits until nothing is pending, queued or out.
    pub(crate) async fn quiet(&self, patience: Duration) {
        const WORK: [&str; 5] = [
            "pasarela_inbox",
            "pasarela_effects_queued",
            "pasarela_effects_calling",
            "pasarela_deliveries_in_memory",
            "pasarela_calls_out",
        ];
        let until = Instant::now() + patience;
        let mut calm = 0;
        loop {
            let mut open = Vec::new();
            for name in WORK {
                let value = self.metric(name).await;
                if value != Some(0.0) {
                    open.push((name, value));
                }
            }
            calm = if open.is_empty() { calm + 1 } else { 0 };
            if calm == 3 {
                return;
            }
            assert!(Instant::now() < until, "not quiet after {} s: {open:?}", patience.as_secs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All rows of a list of the API.
    pub(crate) async fn list(&self, path: &str, key: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let page = self.one(&format!("{path}{separator}limit=200{cursor}"), key).await;
            rows.extend(page["data"].as_array().into_iter().flatten().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }

    /// One thing of the API.
    pub(crate) async fn one(&self, path: &str, key: &str) -> Value {
        let (status, body) = get(self.addr, path, Some(key)).await.unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{path}: {e}"))
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Status and body of a `GET` on loopback.
pub(crate) async fn get(addr: SocketAddr, path: &str, key: Option<&str>) -> std::io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(addr).await?;
    let bearer = key.map(|k| format!("authorization: Bearer {k}\r\n")).unwrap_or_default();
    let head = format!("GET {path} HTTP/1.1\r\nhost: prueba\r\n{bearer}connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(odd)?;
    let status = status_of(&answer[..end])?;
    Ok((status, answer.split_off(end + 4)))
}

fn odd() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, "not an HTTP answer")
}

fn status_of(head: &[u8]) -> std::io::Result<u16> {
    let text = std::str::from_utf8(head).map_err(|_| odd())?;
    text.get(9..12).and_then(|s| s.parse().ok()).ok_or_else(odd)
}

/// A kept connection over which signed webhooks are sent.
#[derive(Default)]
pub(crate) struct Sender {
    stream: Option<TcpStream>,
}

impl Sender {
    /// Sends one webhook; its status and the body of the answer. An error closes the connection.
    pub(crate) async fn post(&mut self, addr: SocketAddr, path: &str, body: &[u8]) -> std::io::Result<(u16, Value)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(addr).await?,
        };
        stream.set_nodelay(true)?;
        let signature = hmac_sha256_hex(SECRET.as_bytes(), &[body]);
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: prueba\r\ncontent-type: application/json\r\nx-signature: {signature}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        stream.write_all(&request).await?;
        let mut buffer = Vec::with_capacity(512);
        loop {
            if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let status = status_of(&buffer[..end])?;
                let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
                let length: usize = head
                    .lines()
                    .find_map(|l| l.strip_prefix("content-length:"))
                    .and_then(|v| v.trim().parse().ok())
                    .unwrap_or(0);
                if buffer.len() >= end + 4 + length {
                    let value = serde_json::from_slice(&buffer[end + 4..]).unwrap_or_default();
                    self.stream = Some(stream);
                    return Ok((status, value));
                }
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the hub closed the connection"));
            }
        }
    }
}

/// A webhook of an order.
pub(crate) fn order(id: &str) -> Vec<u8> {
    order_of(id, id)
}

/// The same, about something that others are about too.
pub(crate) fn order_of(id: &str, about: &str) -> Vec<u8> {
    serde_json::json!({
        "id": id, "type": "order.created", "about": about,
        "order": { "public_id": "O-1", "total": 185_000, "currency": "COP" },
        "attendee": { "first_name": "Valentina", "last_name": "Restrepo", "email": "v@ejemplo.test", "phone": "+573000000000" },
    })
    .to_string()
    .into_bytes()
}

/// One call that the outside saw.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Path without its slash.
    pub(crate) step: String,
    /// Field `event` of the body.
    pub(crate) event: String,
    /// `Idempotency-Key`.
    pub(crate) key: Option<String>,
    pub(crate) body: Bytes,
}

/// The outside services: remembers every call, answers 200.
pub(crate) struct Sink {
    pub(crate) addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Sink {
    /// Listens on a free port of loopback.
    pub(crate) async fn start() -> Self {
        Self::slow(Duration::ZERO).await
    }

    /// The same, and takes so long for each answer.
    pub(crate) async fn slow(delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream.set_nodelay(true));
                let seen = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(request, seen.clone(), delay));
                    let served =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    drop(served.await);
                });
            }
        });
        Self { addr, seen, task }
    }

    /// Every call so far, in the order of arrival.
    pub(crate) fn calls(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// Calls of one step by event.
    pub(crate) fn by_event(&self, step: &str) -> HashMap<String, Vec<Seen>> {
        let mut found: HashMap<String, Vec<Seen>> = HashMap::new();
        for call in self.seen.lock().iter().filter(|c| c.step == step) {
            found.entry(call.event.clone()).or_default().push(call.clone());
        }
        found
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    request: hyper::Request<hyper::body::Incoming>,
    seen: Arc<Mutex<Vec<Seen>>>,
    delay: Duration,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let step = request.uri().path().trim_start_matches('/').to_owned();
    let key = request.headers().get("idempotency-key").and_then(|v| v.to_str().ok()).map(str::to_owned);
    // A call whose body did not arrive whole was not received.
    if let Ok(body) = request.into_body().collect().await {
        let body = body.to_bytes();
        let parsed: Value = serde_json::from_slice(&body).unwrap_or_default();
        let event = parsed["event"].as_str().unwrap_or_default().to_owned();
        seen.lock().push(Seen { step, event, key, body });
    }
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let mut response = hyper::Response::new(Full::new(Bytes::from_static(b"{\"ok\":true}")));
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Copies files into a fresh folder.
pub(crate) fn copy_to(files: &[PathBuf], to: &Path) {
    for file in files {
        let name = file.file_name().expect("a file has a name");
        std::fs::copy(file, to.join(name)).expect("a file can be copied");
    }
}
