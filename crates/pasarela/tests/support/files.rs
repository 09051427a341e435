//! A hub in a folder of its own, driven from outside: the built program, its files, its listeners.
//! Children are killed when they are let go; waiting is polling with a deadline.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Secret of the shop in [`Place::shop`].
pub(crate) const SECRET: &str = "clave-de-la-tienda";
const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(5);

/// Polls until `ready` gives something.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {} s for {what}", PATIENCE.as_secs());
        std::thread::sleep(STEP);
    }
}

pub(crate) fn free_port() -> u16 {
    pasarela_sandbox::free_port().unwrap()
}

/// Folder, configuration and ports of one hub.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    /// Folder of database and key, when it is another one.
    pub(crate) data: Option<PathBuf>,
    pub(crate) public: SocketAddr,
    pub(crate) console: SocketAddr,
}

impl Place {
    pub(crate) fn new() -> Self {
        let addr = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        Self { folder: tempfile::tempdir().unwrap(), data: None, public: addr(), console: addr() }
    }

    /// A hub with one shop that signs its webhooks, already written.
    pub(crate) fn shop() -> Self {
        let place = Self::new();
        place.write_shop();
        place
    }

    pub(crate) fn write_shop(&self) {
        self.write_shop_with("");
    }

    /// The same, with more keys of `[store]`, or sections.
    pub(crate) fn write_shop_with(&self, more: &str) {
        self.write(&format!(
            "{more}[connections.tienda]\nprovider = \"http\"\nwebhook_secrets = [\"{SECRET}\"]\n\
             verify = {{ scheme = \"hmac-sha256\", header = \"x-signature\" }}\n\
             event = {{ type = \"/type\", id = \"/id\", key = \"/id\" }}\n"
        ));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.data.as_deref().unwrap_or(self.folder.path()).join("hub.db")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("pasarela.toml")
    }

    /// Writes the configuration: listeners and database, and then `rest`.
    pub(crate) fn write(&self, rest: &str) {
        let text = format!(
            "[server]\nlisten = \"{}\"\n[console]\nlisten = \"{}\"\n[store]\nurl = \"sqlite:{}\"\n{rest}",
            self.public,
            self.console,
            self.database().display()
        );
        std::fs::write(self.config(), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pasarela"));
        command.args(args).arg("--config").arg(self.config()).current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars().filter(|(n, _)| n.starts_with("PASARELA")) {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Told {
        Told::of(self.command(args).output().unwrap())
    }

    /// The same, with something on its standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &[u8]) -> Told {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that refuses before it reads has closed its end.
        drop(child.stdin.take().unwrap().write_all(input));
        Told::of(child.wait_with_output().unwrap())
    }

    /// `serve` that must not start: its exit code and words.
    #[track_caller]
    pub(crate) fn refused(&self) -> Told {
        let mut child = self.command(&["serve"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("the hub started, or hangs: {:?}", Told::of(child.wait_with_output().unwrap()));
            }
            std::thread::sleep(STEP);
        }
        Told::of(child.wait_with_output().unwrap())
    }

    /// `serve`, waited for until it is open.
    #[track_caller]
    pub(crate) fn serve(&self) -> Hub {
        self.serve_with(&[])
    }

    /// The same, with variables of its environment.
    #[track_caller]
    pub(crate) fn serve_with(&self, variables: &[(&str, &str)]) -> Hub {
        let mut command = self.command(&["serve"]);
        command.envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (pipe, sink) = (child.stderr.take().unwrap(), log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut log = sink.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut hub = Hub { child, log, addr: self.public };
        until("the hub to open", || {
            assert!(hub.child.try_wait().unwrap().is_none(), "the hub ended: {}", hub.log());
            hub.log().contains("the hub is open").then_some(())
        });
        hub
    }

    /// A new key with these scopes, made by the command: (id, key).
    #[track_caller]
    pub(crate) fn key(&self, scopes: &str) -> (String, String) {
        let told = self.run(&["keys", "create", "tablero", "--scopes", scopes, "--json"]);
        assert_eq!(told.code, 0, "{told:?}");
        let made: Value = serde_json::from_str(told.out.trim()).unwrap();
        (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
    }
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Told {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It ended with `code`, and its words hold all of `parts`.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }
}

/// A running hub.
pub(crate) struct Hub {
    child: Child,
    log: Arc<Mutex<String>>,
    pub(crate) addr: SocketAddr,
}

impl Drop for Hub {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Hub {
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn wait_log(&self, part: &str) {
        until(&format!("{part:?} in the log"), || self.log().contains(part).then_some(()));
    }

    /// Most memory that it ever had, in KiB.
    #[track_caller]
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asked to stop, and waited for.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = until("the hub to stop", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// A request, answered.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        send(self.addr, method, path, headers, body).unwrap()
    }

    /// A signed webhook of the shop.
    pub(crate) fn hook(&self, body: &[u8]) -> Answer {
        let signature = pasarela_connector::sign::hmac_sha256_hex(SECRET.as_bytes(), &[body]);
        self.send("POST", "/hooks/tienda", &[("x-signature", &signature)], body)
    }

    /// An order of the shop, accepted: its delivery.
    #[track_caller]
    pub(crate) fn order(&self, id: &str) -> String {
        let answer = self.hook(order(id).as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["delivery_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn get(&self, path: &str, key: &str) -> Answer {
        self.send("GET", path, &[("authorization", &format!("Bearer {key}"))], b"")
    }

    /// Keys of all events, once there are `count` of them.
    #[track_caller]
    pub(crate) fn event_keys(&self, key: &str, count: usize) -> Vec<String> {
        let mut keys = until(&format!("{count} events"), || {
            let (mut keys, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = self.get(&format!("/api/v1/events?limit=200{cursor}"), key).json();
                for event in page["data"].as_array()? {
                    keys.push(event["key"].as_str()?.to_owned());
                }
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break (keys.len() >= count).then_some(keys),
                }
            }
        });
        keys.sort();
        keys
    }
}

/// Body of an order of an invented guest.
pub(crate) fn order(id: &str) -> String {
    format!("{{\"type\":\"order.created\",\"id\":\"{id}\",\"buyer\":\"Valentina\"}}")
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// A problem of this status whose text holds all of `parts`.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, parts: &[&str]) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.json()["status"], status);
        for part in parts {
            assert!(self.body.contains(part), "no {part:?} in {}", self.body);
        }
    }
}

/// One request on a connection of its own.
pub(crate) fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    // A body that is too large is answered before it was read whole: the rest may meet a closed door.
    let sent = stream.write_all(body);
    let mut bytes = Vec::new();
    if let Err(e) = stream.read_to_end(&mut bytes)
        && bytes.is_empty()
    {
        return Err(sent.err().unwrap_or(e));
    }
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok()).unwrap_or(0);
    let headers = lines.filter_map(|l| l.split_once(": ")).map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
    Ok(Answer { status, headers, body: body.to_owned() })
}

/// Length of a file, 0 when it is not there.
pub(crate) fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}
