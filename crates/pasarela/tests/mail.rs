//! Mail through a server that is not ours: aiosmtpd (PyPI), with TLS and a login, in an environment of its
//! own under `target`. What it took, Python's mail library reads. Where there is no Python or no package,
//! the tests say aloud that they were skipped; `scripts/judges.d/smtp` refuses to skip them
//! (`PASARELA_JUDGE=1`).
#![allow(clippy::print_stderr, reason = "what was not judged is said aloud")]

#[path = "support/files.rs"]
#[allow(dead_code, reason = "shared with the tests of damage")]
mod files;

use files::{Hub, Place, until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mail/server.py");

/// aiosmtpd, killed when it is let go.
struct Server {
    child: Child,
    folder: tempfile::TempDir,
    ports: Value,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// `None`: it cannot be had here, and that was said.
    fn start() -> Option<Self> {
        let python = match python() {
            Ok(python) => python,
            Err(why) => {
                assert!(std::env::var_os("PASARELA_JUDGE").is_none(), "the judge of mail cannot be had: {why}");
                eprintln!("SKIPPED: no real mail server judged this: {why}");
                return None;
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = certificate(folder.path());
        let mut child =
            Command::new(python).arg(SERVER).args([folder.path(), &cert, &key]).stdout(Stdio::null()).spawn().unwrap();
        let ports = until("the mail server to listen", || {
            assert!(child.try_wait().unwrap().is_none(), "the mail server ended");
            serde_json::from_str(&std::fs::read_to_string(folder.path().join("ports.json")).ok()?).ok()
        });
        Some(Self { child, folder, ports })
    }

    fn taken(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("taken.jsonl")).unwrap_or_default();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    fn to(&self, address: &str) -> Vec<Value> {
        self.taken().into_iter().filter(|m| m["to"][0] == address).collect()
    }
}

/// A certificate for localhost, signed by an authority of our own (`ca.pem`).
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let openssl = |args: &str| {
        let out = Command::new("openssl").args(args.split(' ')).current_dir(folder).output();
        let out = out.expect("openssl makes the server's certificate");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    };
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("{new} -x509 -days 2 -subj /CN=prueba -keyout ca.key -out ca.pem"));
    openssl(&format!("{new} -subj /CN=localhost -keyout key.pem -out localhost.csr"));
    std::fs::write(folder.join("ext"), "subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n").unwrap();
    openssl("x509 -req -in localhost.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out cert.pem");
    (folder.join("cert.pem"), folder.join("key.pem"))
}

/// A Python with aiosmtpd, made once under `target`.
fn python() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aiosmtpd");
    let python = folder.join("bin/python");
    let works = || {
        let run = Command::new(&python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
        run.is_ok_and(|s| s.success())
    };
    if works() {
        return Ok(python);
    }
    let run = |program: &str, args: &[&str]| {
        let out = Command::new(program).args(args).output().map_err(|e| format!("{program}: {e}"))?;
        if out.status.success() { Ok(()) } else { Err(format!("{program}: {}", String::from_utf8_lossy(&out.stderr))) }
    };
    let name = folder.to_str().ok_or("the folder's name is not text")?;
    run("python3", &["-m", "venv", name])?;
    let pip = folder.join("bin/pip");
    run(pip.to_str().unwrap_or_default(), &["install", "--quiet", "--disable-pip-version-check", "aiosmtpd==1.4.6"])?;
    if works() { Ok(python) } else { Err("aiosmtpd was installed and cannot be used".into()) }
}

const FLOW: &str = r#"
flow: correo
version: 1
on: tienda.correo
key: "{{ data.to }}"
steps:
  - id: correo
    do: correo.send
    class: transactional_urgent
    with:
      to: "{{ data.to }}"
      template: boleta
      language: "{{ data.language }}"
      ticket: "{{ data.ticket }}"
      show: "{{ data.show }}"
      attach: [ticket_pdf, ticket_image, calendar]
    on_unknown: hold
    on_dead: skip
"#;

/// A hub that is told of messages by a shop and writes them by the server.
struct Lab {
    place: Place,
    hub: Hub,
    key: String,
}

fn lab(server: &Server, scheme: &str, password: &str) -> Lab {
    let place = Place::new();
    let port = &server.ports[if scheme == "smtps" { "implicit" } else { "starttls" }];
    std::fs::create_dir_all(place.path("flows")).unwrap();
    std::fs::write(place.path("flows/correo.yaml"), FLOW).unwrap();
    place.write(&format!(
        "[flows]\nbuiltin = false\nfolder = \"flows\"\n\
         [connections.tienda]\nprovider = \"http\"\nwebhook_secrets = [\"{}\"]\n\
         verify = {{ scheme = \"hmac-sha256\", header = \"x-signature\" }}\n\
         event = {{ type = \"/type\", id = \"/id\", key = \"/id\" }}\n\
         [connections.correo]\nprovider = \"smtp\"\nbase_url = \"{scheme}://localhost:{port}\"\nallow_private_targets = true\n\
         from = \"Fashionistas <boletas@fashionistas.example>\"\nbounces = \"rebotes@fashionistas.example\"\n\
         username = \"boletas\"\npassword = \"{password}\"\ntls_ca = \"file:{}\"\nlimits = {{ timeout = \"5s\" }}\n",
        files::SECRET,
        server.folder.path().join("ca.pem").display()
    ));
    let (_, key) = place.key("read");
    let hub = place.serve();
    Lab { place, hub, key }
}

impl Lab {
    /// Lets the shop tell of a message that is wanted.
    #[track_caller]
    fn ask(&self, id: &str, to: &str, language: &str) {
        let ticket = json!({
            "code": "A-7KQ2M9X", "qr": "A-7KQ2M9X", "status": "active", "link": "https://boletas.fashionistas.example/b/P1ABC",
            "holder": { "name": "Valentina Arango Ñustes" },
        });
        let show =
            json!({ "title": "Raíz y Seda", "starts_at": "2026-11-28T00:00:00Z", "venue": { "name": "Plaza Mayor" } });
        let body =
            json!({ "type": "correo", "id": id, "to": to, "language": language, "ticket": ticket, "show": show });
        let answer = self.hub.hook(body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn get(&self, path: &str) -> Value {
        self.hub.get(path, &self.key).json()
    }

    /// The effect of a message, once it is in this state.
    #[track_caller]
    fn effect(&self, to: &str, state: &str) -> Value {
        until(&format!("the message to {to} to be {state}"), || {
            let list = self.get(&format!("/api/v1/effects?state={state}&connection=correo"));
            let ids = list["data"].as_array()?.iter().filter_map(|e| e["id"].as_str());
            ids.map(|id| self.get(&format!("/api/v1/effects/{id}"))).find(|e| e["input"]["to"] == to)
        })
    }
}

#[test]
fn a_real_server_takes_tickets_over_tls_and_another_library_reads_them() {
    let Some(server) = Server::start() else { return };
    for (scheme, language, subject) in
        [("smtp", "es", "Tu boleta para Raíz y Seda"), ("smtps", "en", "Your ticket for Raíz y Seda")]
    {
        let lab = lab(&server, scheme, "una-clave-larga");
        let to = format!("valentina.{scheme}@correo.example");
        lab.ask(scheme, &to, language);
        let done = lab.effect(&to, "done");
        let taken = server.to(&to);
        let [message] = taken.as_slice() else { panic!("{taken:?}") };
        assert_eq!((message["tls"].as_bool(), message["user"].as_str()), (Some(true), Some("boletas")));
        assert_eq!(message["from"], "rebotes@fashionistas.example");
        assert_eq!(message["subject"], subject);
        assert_eq!(message["defects"], json!([]), "Python's mail library finds nothing wrong");
        assert_eq!(message["id"].as_str().unwrap().trim_matches(['<', '>']), done["result"]["id"]);
        assert!(message["text"].as_str().unwrap().contains("Valentina Arango Ñustes"));
        let kinds: Vec<&str> = message["files"].as_array().unwrap().iter().map(|f| f[1].as_str().unwrap()).collect();
        assert_eq!(kinds, ["application/pdf", "image/png", "text/calendar"]);
        lab.hub.stop();
    }
}

#[test]
fn a_real_servers_refusals_mean_what_they_say() {
    let Some(server) = Server::start() else { return };
    let lab = lab(&server, "smtp", "una-clave-larga");
    lab.ask("uno", "nadie@correo.example", "es");
    let gone = lab.effect("nadie@correo.example", "gave_up");
    assert_eq!(gone["code"], "target_gone");
    // Whom the server does not know is not asked for again.
    lab.ask("dos", "nadie@correo.example", "es");
    let runs = until("the second message to be refused here", || {
        let list: Value = serde_json::from_str(&lab.place.run(&["suppressions", "list", "--json"]).out).ok()?;
        Some(list)
    });
    assert_eq!((&runs["address"], &runs["cause"]), (&json!("nadie@correo.example"), &json!("bounced")));
    until("the second message to be refused here", || {
        let all = lab.get("/api/v1/effects?state=gave_up&connection=correo");
        all["data"].as_array()?.iter().any(|e| e["code"] == "suppressed_bounced").then_some(())
    });
    assert!(server.to("nadie@correo.example").is_empty());
    // Taken, and the reply lost: nobody knows, and nothing is sent twice.
    lab.ask("tres", "muda@correo.example", "es");
    lab.effect("muda@correo.example", "unknown");
    assert_eq!(server.to("muda@correo.example").len(), 1);
    lab.hub.stop();
}

#[test]
fn a_wrong_password_is_a_state_of_the_connection_and_no_loop() {
    let Some(server) = Server::start() else { return };
    let lab = lab(&server, "smtp", "otra-clave");
    lab.ask("uno", "ana@correo.example", "es");
    lab.effect("ana@correo.example", "dead");
    let told = lab.place.run(&["connections", "--json"]);
    assert!(told.out.contains("refuses the credential"), "{told:?}");
    assert!(server.taken().is_empty());
    lab.hub.stop();
}
