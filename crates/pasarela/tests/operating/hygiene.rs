//! Nobody's data is where it is not looked for: persons go through the whole hub, and then everything that it
//! leaves behind is searched for them.

use super::Place;
use super::files::{SECRET, until};
use std::path::Path;

const EMAIL: &str = "valentina.rios@correo.example";
const PHONE: &str = "+573001234567";
const NAME: &str = "Valentina Ríos Mejía";
const FLOW: &str = "flow: aviso\nversion: 1\non: tienda.order.created\nsteps:\n  - do: tienda.request\n    with: { method: POST, path: /avisos, json: { email: \"{{ data.email }}\", phone: \"{{ data.phone }}\", name: \"{{ data.name }}\" } }\n";

/// Pieces by which each of the three is known, in whatever form it was written down.
fn traces(text: &str) -> Vec<&'static str> {
    let lower = text.to_lowercase();
    ["valentina.rios", "3001234567", "ríos mejía", "r\\u00edos"].into_iter().filter(|p| lower.contains(p)).collect()
}

#[test]
fn no_file_no_log_no_metric_and_no_problem_names_a_person() {
    let place = Place::new();
    // Nobody listens there: the calls fail, are tried again, and are told of.
    place.write(&format!(
        "[connections.tienda]\nprovider = \"http\"\nwebhook_secrets = [\"{SECRET}\"]\nbase_url = \"http://127.0.0.1:9\"\n\
         allow_private_targets = true\n\
         verify = {{ scheme = \"hmac-sha256\", header = \"x-signature\" }}\n\
         event = {{ type = \"/type\", id = \"/id\", key = \"/email\" }}\n\
         [flows]\nfolder = \"flujos\"\nbuiltin = false\n"
    ));
    std::fs::create_dir(place.path("flujos")).unwrap();
    std::fs::write(place.path("flujos/aviso.yaml"), FLOW).unwrap();
    let (_, key) = place.key("read,write");
    let hub = place.serve_with(&[("PASARELA_LOG", "trace")]);
    let bearer = format!("Bearer {key}");
    let authorized = [("authorization", bearer.as_str())];
    let mut answers = Vec::new();
    let body = format!(r#"{{"type":"order.created","id":"o-1","email":"{EMAIL}","phone":"{PHONE}","name":"{NAME}"}}"#);
    assert_eq!(hub.hook(body.as_bytes()).status, 200);
    // What is forged, what is cut, what nobody understands.
    answers.push(hub.send("POST", "/hooks/tienda", &[("x-signature", "00")], body.as_bytes()));
    answers.push(hub.hook(&body.as_bytes()[..body.len() - 2]));
    answers.push(hub.hook(body.replace("\"type\":\"order.created\",", "").as_bytes()));
    let post = |path: &str, body: String| hub.send("POST", path, &authorized, body.as_bytes());
    assert_eq!(post("/api/v1/suppressions", format!(r#"{{"email":"{EMAIL}","why":"llamó {NAME}"}}"#)).status, 200);
    let claimant = format!(r#"{{"name":"{NAME}","email":"{EMAIL}","phone":"{PHONE}"}}"#);
    let case = format!(r#"{{"kind":"reclamo","claimant":{claimant},"facts":"{NAME} dice","request":"Corregir."}}"#);
    assert_eq!(post("/api/v1/cases", case).status, 201);
    let said = format!(
        r#"{{"person":{{"email":"{EMAIL}","name":"{NAME}"}},"purpose":"analytics","state":"given","evidence":{{"channel":"form","text_version":"1"}}}}"#
    );
    assert!(post("/api/v1/consents", said).status < 300);
    assert_eq!(post("/api/v1/holds", format!(r#"{{"person":"{EMAIL}","reason":"proceso de {NAME}"}}"#)).status, 201);
    // Wrong requests, with a person where none belongs.
    for (path, wrong) in [
        ("/api/v1/suppressions", format!(r#"{{"email":"{EMAIL}","nombre":"{NAME}"}}"#)),
        ("/api/v1/cases", format!(r#"{{"kind":"{NAME}"}}"#)),
        ("/api/v1/holds", format!(r#"{{"person":"{NAME}"}}"#)),
        ("/api/v1/suppressions/remove", r#"{"email":"nadie@correo.example"}"#.to_owned()),
    ] {
        let answer = post(path, wrong);
        assert!(answer.status >= 400, "{answer:?}");
        // Whoever sent it reads what is wrong with it; that is theirs.
    }
    for path in ["/api/v1/effects?state=nada", "/api/v1/runs/run_x", "/api/v1/events/evt_x"] {
        answers.push(hub.get(path, &key));
    }
    until("a call that finds nobody", || {
        let metrics = hub.send("GET", "/metrics", &[], b"").body;
        let retried = |l: &str| l.starts_with("pasarela_calls") && l.contains("retry") && !l.ends_with(" 0");
        metrics.lines().any(retried).then_some(())
    });
    answers.push(hub.send("GET", "/metrics", &[], b""));
    answers.push(hub.send("GET", "/readyz", &[], b""));
    for answer in &answers {
        assert_eq!(traces(&answer.body), Vec::<&str>::new(), "{answer:?}");
    }
    let log = hub.log();
    assert!(log.contains("was not authentic"), "it tells of what went wrong: {log}");
    let named: Vec<&str> = log.lines().filter(|line| !traces(line).is_empty()).collect();
    assert!(named.is_empty(), "{named:#?}");
    // While it is open: the log of the database too.
    let looked = files(place.database().parent().unwrap());
    assert!(looked >= 3, "{looked}");
    hub.stop();
    files(place.database().parent().unwrap());
}

/// Searches every file of a folder, as text of any kind. How many there were.
fn files(folder: &Path) -> usize {
    let all = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file());
    all.map(|path| {
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(traces(&String::from_utf8_lossy(&bytes)), Vec::<&str>::new(), "{}", path.display());
    })
    .count()
}
