//! Three hubs on one PostgreSQL as child processes, a sender that keeps order per key, and a sink that
//! remembers what arrived and when. Loopback only.
#![allow(clippy::print_stderr, reason = "what is skipped says so")]

use crate::hub::server_of_tests::{self, Database};
use crate::hub::{SECRET, Sender, free_addr, get};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rand::RngExt as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

pub(crate) const NODES: usize = 3;
/// Orders of a key that are sent before the first of them has come to its end.
const AHEAD: usize = 4;
/// Patience for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(90);

/// Two keyed calls one after another, and one that its provider cannot know again.
const FLOW: &str = "flow: tres
version: 1
on: CONNECTION.order.created
steps:
  - id: uno
    do: CONNECTION.request
    with: { method: POST, path: /uno, idempotency_header: Idempotency-Key, json: { order: \"{{ data.id }}\" } }
  - id: dos
    needs: [uno]
    do: CONNECTION.request
    with: { method: POST, path: /dos, idempotency_header: Idempotency-Key, json: { order: \"{{ data.id }}\" } }
  - id: aviso
    do: CONNECTION.request
    on_unknown: hold
    on_dead: skip
    with: { method: POST, path: /aviso, json: { order: \"{{ data.id }}\" } }
";

/// What is started.
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) limits: &'static str,
    /// The connections' secret lies in the vault, by the name `tienda`.
    pub(crate) vault: bool,
    pub(crate) proxy: Option<Proxy>,
}

impl Default for Shape {
    fn default() -> Self {
        Self { connections: 6, limits: "{ concurrency = 32 }", vault: false, proxy: None }
    }
}

impl Shape {
    /// With PgBouncer in transaction mode between hubs and database. `None`, loudly: it is not installed.
    pub(crate) fn behind_pgbouncer() -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
        let Some(program) = program.iter().find(|p| std::path::Path::new(p).exists()) else {
            eprintln!("SKIPPED: this test needs PgBouncer, which is not installed (Debian package pgbouncer)");
            return None;
        };
        Some(Self { proxy: Some(Proxy::start(program)), ..Self::default() })
    }
}

/// A PgBouncer of this test.
pub(crate) struct Proxy {
    child: Child,
    addr: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Proxy {
    fn start(program: &str) -> Self {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let addr = free_addr();
        let server = std::env::var("PASARELA_TEST_POSTGRES_URL").expect("the tests have a server");
        let server = url::Url::parse(&server).expect("the server has a URL");
        let text = format!(
            "[databases]\n* = host={} port={} user={} password={}\n[pgbouncer]\nlisten_addr = {}\nlisten_port = {}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\nmax_client_conn = 300\ndefault_pool_size = 40\n\
             server_connect_timeout = 5\nserver_login_retry = 1\n",
            server.host_str().unwrap_or_default(),
            server.port().unwrap_or(5432),
            server.username(),
            server.password().unwrap_or_default(),
            addr.ip(),
            addr.port()
        );
        let file = dir.path().join("pgbouncer.ini");
        std::fs::write(&file, text).expect("a configuration of the proxy");
        let mut command = Command::new(program);
        // It refuses to run as root, and reads its file after it has become somebody else.
        if std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0) {
            use std::os::unix::fs::PermissionsExt as _;
            let open = |path: &std::path::Path, mode| {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
            };
            open(dir.path(), 0o755);
            open(&file, 0o644);
            command.args(["-u", "nobody"]);
        }
        let child = command.arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the proxy starts");
        let until = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(addr).is_err() {
            assert!(Instant::now() < until, "the proxy does not listen on {addr}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, addr, _dir: dir }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

struct Node {
    addr: SocketAddr,
    config: PathBuf,
    child: Option<Child>,
}

/// Three hubs, their sink, their database.
pub(crate) struct Cluster {
    dir: tempfile::TempDir,
    nodes: Vec<Node>,
    sink: Sink,
    connections: usize,
    database: Database,
    _proxy: Option<Proxy>,
}

impl Cluster {
    pub(crate) async fn start(database: Database, shape: Shape) -> Self {
        let sink = Sink::start().await;
        let dir = tempfile::tempdir().expect("a scratch folder");
        let mut url = url::Url::parse(&database.url()).expect("a URL");
        if let Some(proxy) = &shape.proxy {
            url.set_ip_host(proxy.addr.ip()).expect("a host");
            url.set_port(Some(proxy.addr.port())).expect("a port");
        }
        let secret = if shape.vault { "vault:tienda" } else { SECRET };
        let mut nodes = Vec::new();
        for n in 0..NODES {
            let addr = free_addr();
            let folder = dir.path().join("flows");
            std::fs::create_dir_all(&folder).expect("a folder for flows");
            let mut text = format!(
                "[server]\nlisten = \"{addr}\"\n[console]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"{url}\"\n\
                 [flows]\nbuiltin = false\nfolder = \"flows\"\n"
            );
            for c in 0..shape.connections {
                let name = connection_name(c);
                let flow = FLOW.replace("CONNECTION", &name).replace("tres", &format!("tres-{name}"));
                std::fs::write(folder.join(format!("tres-{name}.yaml")), flow).expect("a flow file");
                let _ = write!(
                    text,
                    "[connections.{name}]\nprovider = \"http\"\nwebhook_secrets = [\"{secret}\"]\nbase_url = \"http://{}\"\n\
                     allow_private_targets = true\nlimits = {}\n\
                     verify = {{ scheme = \"hmac-sha256\", header = \"x-signature\", encoding = \"hex\" }}\n\
                     event = {{ type = \"/type\", id = \"/id\", key = \"/key\" }}\n",
                    sink.addr, shape.limits
                );
            }
            // One folder and so one key file for all, as on one machine.
            let config = dir.path().join(format!("node{n}.toml"));
            std::fs::write(&config, text).expect("a configuration");
            nodes.push(Node { addr, config, child: None });
        }
        let mut cluster = Self { dir, nodes, sink, connections: shape.connections, database, _proxy: shape.proxy };
        if shape.vault {
            cluster.set_secret(SECRET);
        }
        for n in 0..NODES {
            cluster.start_again(n).await;
        }
        cluster
    }

    /// Starts a node and waits until it answers.
    pub(crate) async fn start_again(&mut self, n: usize) {
        let command = self.command(n).arg("serve").spawn().expect("the program starts");
        self.nodes[n].child = Some(command);
        let until = Instant::now() + PATIENCE;
        while !get(self.nodes[n].addr, "/healthz", None).await.is_ok_and(|(status, _)| status == 200) {
            let ended = self.nodes[n].child.as_mut().and_then(|c| c.try_wait().ok().flatten());
            assert!(ended.is_none(), "node {n} ended while it started: {ended:?}");
            assert!(Instant::now() < until, "node {n} does not answer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn command(&self, n: usize) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pasarela"));
        let level = std::env::var("PASARELA_TEST_LOG").unwrap_or_else(|_| "off".into());
        command.arg("--config").arg(&self.nodes[n].config).current_dir(self.dir.path());
        command.env("PASARELA_LOG", level).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    pub(crate) fn addr(&self, n: usize) -> SocketAddr {
        self.nodes[n].addr
    }

    /// An API key, made through the socket of a running node.
    pub(crate) fn api_key(&self) -> String {
        let made = self
            .command(0)
            .args(["keys", "create", "prueba", "--scopes", "read,write", "--json"])
            .stdout(Stdio::piped())
            .output()
            .expect("the program runs");
        let value: Value = serde_json::from_slice(&made.stdout).unwrap_or_default();
        value["key"].as_str().unwrap_or_else(|| panic!("no key: {}", String::from_utf8_lossy(&made.stderr))).to_owned()
    }

    /// Keeps the connections' secret in the vault, by the command: at a node that runs, or at none.
    pub(crate) fn set_secret(&self, secret: &str) {
        let mut command = self.command(0);
        command.args(["secrets", "set", "tienda"]).stdin(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        std::io::Write::write_all(&mut child.stdin.take().expect("its input"), secret.as_bytes()).expect("it reads");
        assert!(child.wait().expect("it ends").success());
    }

    /// Does a node take a webhook that is signed by this secret?
    pub(crate) async fn takes(&self, n: usize, secret: &str, id: &str) -> bool {
        let body = crate::hub::order(id);
        let signature = pasarela_connector::sign::hmac_sha256_hex(secret.as_bytes(), &[&body]);
        let path = format!("/hooks/{}", connection_name(0));
        self.send(n, &path, &[("x-signature", &signature)], &body).await.0 == 200
    }

    /// A `POST` to a node: status, head and JSON of the answer.
    pub(crate) async fn send(
        &self,
        n: usize,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, String, Value) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(self.nodes[n].addr).await.expect("it listens");
        let own: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: prueba\r\ncontent-type: application/json\r\n{own}connection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await.expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("it answers");
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
        let status = head.get(9..12).and_then(|s| s.parse().ok()).expect("a status");
        (status, head.to_ascii_lowercase(), serde_json::from_str(body).unwrap_or_default())
    }

    fn alive(&self) -> Vec<usize> {
        (0..NODES).filter(|n| self.nodes[*n].child.is_some()).collect()
    }

    /// Which node has which connection, as the nodes themselves say.
    pub(crate) async fn owners(&self, key: &str) -> BTreeMap<String, usize> {
        let mut owners = BTreeMap::new();
        for n in self.alive() {
            for c in self.list(n, "/api/v1/connections", key).await {
                if c["node"].is_null() {
                    owners.insert(c["name"].as_str().unwrap_or_default().to_owned(), n);
                }
            }
        }
        owners
    }

    /// Waits until the connections are shared evenly.
    pub(crate) async fn until_shared(&self, key: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let owners = self.owners(key).await;
            let counts: Vec<usize> = (0..NODES).map(|n| owners.values().filter(|o| **o == n).count()).collect();
            let even = counts.iter().max() <= counts.iter().min().map(|least| least + 1).as_ref();
            if owners.len() == self.connections && even {
                return;
            }
            assert!(Instant::now() < until, "the work is not shared: {owners:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn list(&self, n: usize, path: &str, key: &str) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let full = format!("{path}{separator}limit=200{cursor}");
            let (status, body) =
                get(self.nodes[n].addr, &full, Some(key)).await.unwrap_or_else(|e| panic!("{full}: {e}"));
            assert_eq!(status, 200, "{full}: {}", String::from_utf8_lossy(&body));
            let page: Value = serde_json::from_slice(&body).expect("JSON");
            rows.extend(page["data"].as_array().into_iter().flatten().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }

    fn signal(&self, n: usize, name: &str) -> bool {
        let Some(child) = &self.nodes[n].child else { return true };
        let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
        sent.is_ok_and(|s| s.success())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, n: usize) {
        if let Some(mut child) = self.nodes[n].child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    pub(crate) fn pause(&self, n: usize) {
        assert!(self.signal(n, "STOP"), "node {n} is stopped");
    }

    pub(crate) fn go_on(&self, n: usize) {
        assert!(self.signal(n, "CONT"), "node {n} goes on");
    }

    /// SIGTERM, and a new start. True: `/readyz` said no while the node still took requests.
    pub(crate) async fn restart_in_good_order(&mut self, n: usize, load: &Load) -> bool {
        assert!(self.signal(n, "TERM"), "node {n} is asked to end");
        let addr = self.nodes[n].addr;
        let mut refused = false;
        loop {
            match get(addr, "/readyz", None).await {
                Ok((503, _)) => {
                    refused |= get(addr, "/healthz", None).await.is_ok_and(|(status, _)| status == 200);
                    load.avoid(Some(n));
                }
                Ok(_) => {}
                Err(_) => break,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if let Some(mut child) = self.nodes[n].child.take() {
            let until = Instant::now() + PATIENCE;
            while child.try_wait().expect("a child can be asked").is_none() {
                assert!(Instant::now() < until, "node {n} does not end");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        self.start_again(n).await;
        load.avoid(None);
        refused
    }

    /// Every connection to the database is ended by the server.
    pub(crate) fn cut_connections(&self) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        server_of_tests::run(&self.database.url(), sql.into());
    }

    pub(crate) fn can_restart_database(&self) -> bool {
        std::env::var_os("PASARELA_TEST_POSTGRES_RESTART").is_some()
    }

    /// The server crashes and comes back.
    pub(crate) fn restart_database(&self) {
        let Some(program) = std::env::var_os("PASARELA_TEST_POSTGRES_RESTART") else { return };
        assert!(Command::new(program).stdout(Stdio::null()).status().is_ok_and(|s| s.success()), "the server restarts");
    }

    /// Calls of the step that cannot be repeated which were out under an epoch that is over, or may be.
    pub(crate) async fn calling_of_dead(&self) -> usize {
        let url = self.database.url();
        let (client, connection) =
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("the server answers");
        tokio::spawn(connection);
        let rows = client.query("SELECT 1 FROM effects WHERE status = 1 AND path = 'aviso'", &[]).await;
        rows.expect("open calls can be read").len()
    }

    /// Most calls that arrived within any stretch of this length.
    pub(crate) fn most_calls_within(&self, stretch: Duration) -> usize {
        let seen = self.sink.seen.lock();
        let times: Vec<Instant> = seen.iter().map(|s| s.at).collect();
        (0..times.len()).map(|n| times[n..].iter().take_while(|t| **t - times[n] < stretch).count()).max().unwrap_or(0)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for n in 0..NODES {
            // One that ended by itself cannot be told to go on: why a test fails stays what is read.
            let _ = self.signal(n, "CONT");
            self.kill(n);
        }
    }
}

fn connection_name(n: usize) -> String {
    format!("tienda{n}")
}

// ---- the sender -----------------------------------------------------------------------------------

struct Inside {
    nodes: Vec<SocketAddr>,
    /// The node that nothing is sent to; `NODES`: none.
    avoid: AtomicUsize,
    stop: AtomicBool,
    /// Per key, the number of its last answered order.
    answered: Mutex<BTreeMap<usize, usize>>,
    done: Arc<Mutex<BTreeMap<usize, BTreeSet<usize>>>>,
    connections: usize,
}

/// Senders that are at work.
pub(crate) struct Load {
    inside: Arc<Inside>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    /// One sender per key, which belongs to one connection.
    pub(crate) fn begin(cluster: &Cluster, keys: usize, pace: Duration) -> Self {
        let inside = Arc::new(Inside {
            nodes: cluster.nodes.iter().map(|n| n.addr).collect(),
            avoid: AtomicUsize::new(NODES),
            stop: AtomicBool::new(false),
            answered: Mutex::new((0..keys).map(|k| (k, 0)).collect()),
            done: cluster.sink.done.clone(),
            connections: cluster.connections,
        });
        let tasks = (0..keys).map(|key| tokio::spawn(send(inside.clone(), key, pace))).collect();
        Self { inside, tasks }
    }

    /// Nothing goes to this node any more.
    pub(crate) fn avoid(&self, node: Option<usize>) {
        self.inside.avoid.store(node.unwrap_or(NODES), Ordering::Relaxed);
    }

    fn done(&self) -> usize {
        self.inside.done.lock().values().map(BTreeSet::len).sum()
    }

    /// Waits until so many more orders have come to their end.
    pub(crate) async fn until_done(&self, more: usize) {
        let (from, until) = (self.done(), Instant::now() + PATIENCE);
        while self.done() < from + more {
            assert!(Instant::now() < until, "{} of {more} orders in {} s", self.done() - from, PATIENCE.as_secs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until an order of every key that is answered from now on has come to its end; when the last did.
    pub(crate) async fn until_each_key_moves(&self) -> Instant {
        let from = self.inside.answered.lock().clone();
        let until = Instant::now() + PATIENCE;
        loop {
            let last = |key: &usize| self.inside.done.lock().get(key).and_then(|d| d.last().copied()).unwrap_or(0);
            let open: Vec<usize> = from.iter().filter(|(key, n)| last(key) <= **n).map(|(key, _)| *key).collect();
            if open.is_empty() {
                return Instant::now();
            }
            assert!(Instant::now() < until, "keys {open:?} do not go on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops sending; every sender has its answer.
    pub(crate) async fn end(self) -> Ended {
        self.inside.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a sender ends");
        }
        let answered = self.inside.answered.lock().clone();
        Ended { answered }
    }
}

async fn send(load: Arc<Inside>, key: usize, pace: Duration) {
    let mut senders: HashMap<SocketAddr, Sender> = HashMap::new();
    let connection = connection_name(key % load.connections);
    let mut n = 0;
    while !load.stop.load(Ordering::Relaxed) {
        n += 1;
        let id = format!("{key}-{n}");
        let ahead = || n > AHEAD + load.done.lock().get(&key).map_or(0, BTreeSet::len);
        while ahead() && !load.stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let body = json!({ "id": id, "type": "order.created", "key": format!("llave-{key}"), "n": n }).to_string();
        loop {
            let node = rand::rng().random_range(0..NODES);
            if node == load.avoid.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
                continue;
            }
            let addr = load.nodes[node];
            let sender = senders.entry(addr).or_default();
            let path = format!("/hooks/{connection}");
            // A node that is stopped takes the bytes and does not answer.
            let sent = tokio::time::timeout(Duration::from_secs(2), sender.post(addr, &path, body.as_bytes())).await;
            match sent {
                Ok(Ok((status, _))) if (200..300).contains(&status) => break,
                _ => drop(senders.remove(&addr)),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        load.answered.lock().insert(key, n);
        tokio::time::sleep(pace).await;
    }
}

/// What the senders know in the end.
pub(crate) struct Ended {
    answered: BTreeMap<usize, usize>,
}

impl Ended {
    /// Nothing missing, nothing twice, nothing out of order; what is not known was out at an interruption.
    pub(crate) async fn check(&self, cluster: &Cluster, key: &str, out: usize) {
        let node = *cluster.alive().first().expect("a node is alive");
        let orders: BTreeSet<String> =
            self.answered.iter().flat_map(|(k, last)| (1..=*last).map(move |n| format!("{k}-{n}"))).collect();
        let until = Instant::now() + PATIENCE;
        // Quiet: nothing is pending, queued or out anywhere, at three looks in a row.
        let mut calm = 0;
        loop {
            let (_, text) = get(cluster.nodes[node].addr, "/metrics", None).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let value = |name: &str| {
                text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' ')?.trim().parse::<f64>().ok())
            };
            let open = ["pasarela_inbox", "pasarela_effects_queued", "pasarela_effects_calling"].map(value);
            calm = if open == [Some(0.0); 3] { calm + 1 } else { 0 };
            if calm == 3 {
                break;
            }
            assert!(Instant::now() < until, "not quiet: {open:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let seen = cluster.sink.seen.lock().clone();
        let mut arrived: HashMap<(&str, &str), Vec<&Seen>> = HashMap::new();
        for s in &seen {
            arrived.entry((&s.step, &s.order)).or_default().push(s);
        }
        for order in &orders {
            for step in ["uno", "dos"] {
                let calls = arrived.get(&(step, order.as_str())).map_or(&[][..], Vec::as_slice);
                assert!(!calls.is_empty(), "{step} of {order} is missing");
                let keys: BTreeSet<&str> = calls.iter().map(|c| c.key.as_str()).collect();
                assert_eq!(keys.len(), 1, "{step} of {order} was done twice: {keys:?}");
            }
        }
        for key in self.answered.keys() {
            for step in ["uno", "dos"] {
                let mut highest = 0;
                let mut first = BTreeSet::new();
                for s in seen.iter().filter(|s| s.step == step) {
                    let Some((k, n)) = s.order.split_once('-') else { continue };
                    let n: usize = n.parse().unwrap_or_default();
                    if k.parse() == Ok(*key) && first.insert(n) {
                        assert!(n > highest, "{step} of key {key}: {n} arrived after {highest}");
                        highest = n;
                    }
                }
            }
        }
        // One event and one run each. Readers of the events stay below what another node may yet write.
        let events = loop {
            let mut events: BTreeMap<String, usize> = BTreeMap::new();
            for event in cluster.list(node, "/api/v1/events", key).await {
                *events.entry(event["data"]["id"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
            }
            let missing = orders.iter().find(|order| !events.contains_key(*order));
            let Some(missing) = missing else { break events };
            assert!(Instant::now() < until, "no event of {missing}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        for order in &orders {
            assert_eq!(events.get(order), Some(&1), "events of {order}");
        }
        assert_eq!(cluster.list(node, "/api/v1/runs", key).await.len(), events.len(), "one run for each event");
        let mut unknown = 0;
        for order in &orders {
            let times = arrived.get(&("aviso", order.as_str())).map_or(0, Vec::len);
            assert!(times <= 1, "aviso of {order} arrived {times} times");
            unknown += usize::from(times == 0);
        }
        let stuck = cluster.list(node, "/api/v1/dead-letters", key).await;
        let held = stuck.iter().filter(|e| e["state"] == "unknown").count();
        assert_eq!(held, stuck.len(), "only what is unknown needs a person: {stuck:?}");
        assert!(unknown <= held, "{unknown} notices did not arrive, and {held} are told to be unknown");
        assert!(held <= out, "{held} are unknown, and {out} were out at an interruption: {stuck:?}");
        println!("{} orders: missing 0, twice 0, out of order 0; {held} unknown of {out} that were out", orders.len());
    }
}

// ---- the sink -------------------------------------------------------------------------------------

/// One call that arrived whole.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    step: String,
    order: String,
    key: String,
    at: Instant,
}

struct Sink {
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Orders whose last step arrived, by key.
    done: Arc<Mutex<BTreeMap<usize, BTreeSet<usize>>>>,
}

impl Sink {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let done = Arc::new(Mutex::new(BTreeMap::new()));
        let shared = (seen.clone(), done.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(request, shared.0.clone(), shared.1.clone()));
                    let served =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    drop(served.await);
                });
            }
        });
        Self { addr, seen, done }
    }
}

async fn answer(
    request: hyper::Request<hyper::body::Incoming>,
    seen: Arc<Mutex<Vec<Seen>>>,
    done: Arc<Mutex<BTreeMap<usize, BTreeSet<usize>>>>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let step = request.uri().path().trim_start_matches('/').to_owned();
    let key = request.headers().get("idempotency-key").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    if let Ok(body) = request.into_body().collect().await {
        let parsed: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        let order = parsed["order"].as_str().unwrap_or_default().to_owned();
        if step == "dos"
            && let Some((key, n)) = order.split_once('-')
            && let (Ok(key), Ok(n)) = (key.parse(), n.parse())
        {
            done.lock().entry(key).or_default().insert(n);
        }
        seen.lock().push(Seen { step, order, key, at: Instant::now() });
    }
    Ok(hyper::Response::new(Full::new(Bytes::from_static(b"{}"))))
}
