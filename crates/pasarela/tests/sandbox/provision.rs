//! `pasarela connections provision` against the double of Twenty: beside a hub and without one, killed in the middle,
//! and in a bad world.

use crate::files::{Answer, Place, Told, free_port, send, until};
use crate::sandbox::Sandbox;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

struct Crm {
    place: Place,
    addr: SocketAddr,
    _sandbox: Sandbox,
}

impl Crm {
    fn new() -> Self {
        let place = Place::new();
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        place.write(&format!(
            "[sandbox]\nurl = \"http://{addr}\"\n\
             [connections.crm]\nprovider = \"twenty\"\nbase_url = \"http://{addr}/crm\"\nallow_private_targets = true\n\
             webhook_secrets = [\"dos-secretos\"]\napi_key = \"clave\"\nhub_id_field = \"hubId\"\n"
        ));
        let sandbox = Sandbox::start(&place, addr);
        // It listens before it has its doubles.
        until("the double of the CRM", || {
            let headers = [("authorization", "Bearer clave")];
            send(addr, "GET", "/crm/rest/metadata/views", &headers, b"").ok().filter(|a| a.status == 200)
        });
        Self { place, addr, _sandbox: sandbox }
    }

    fn run(&self, more: &[&str]) -> Told {
        let args: Vec<&str> = ["connections", "provision", "crm"].iter().chain(more).copied().collect();
        self.place.run(&args)
    }

    fn plan(&self) -> Value {
        let told = self.run(&["--json"]);
        assert_eq!(told.code, 0, "{told:?}");
        serde_json::from_str(&told.out).unwrap()
    }

    fn ask(&self, path: &str) -> Value {
        let headers = [("authorization", "Bearer clave")];
        let answer: Answer = send(self.addr, "GET", &format!("/crm/rest/metadata/{path}"), &headers, b"").unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    fn faults(&self, faults: Value) {
        let headers = [("content-type", "application/json")];
        let path = "/_sandbox/faults";
        let answer = send(self.addr, "PUT", path, &headers, faults.to_string().as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// How often each thing is there, by its name.
    fn things(&self) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        let mut add = |name: String| *all.entry(name).or_insert(0) += 1;
        for object in self.ask("objects?limit=200")["data"]["objects"].as_array().unwrap() {
            for field in object["fields"].as_array().unwrap() {
                add(format!("{} {}", object["nameSingular"], field["name"]));
            }
        }
        let views = self.ask("views");
        let named =
            |id: &Value| views["data"].as_array().unwrap().iter().find(|v| v["id"] == *id).unwrap()["name"].clone();
        views["data"].as_array().unwrap().iter().for_each(|v| add(format!("view {}", v["name"])));
        let position = |row: &Value| row["position"].to_string();
        for row in self.ask("viewFields")["data"].as_array().unwrap() {
            add(format!("column {} {}", named(&row["viewId"]), position(row)));
        }
        for row in self.ask("viewFilters")["data"].as_array().unwrap() {
            add(format!("filter {}", named(&row["viewId"])));
        }
        for row in self.ask("webhooks")["data"].as_array().unwrap() {
            add(format!("webhook {}", row["targetUrl"]));
        }
        all
    }
}

#[test]
fn a_plan_is_shown_applied_and_applied_again_without_change() {
    let crm = Crm::new();
    let before = crm.things();
    let shown = crm.run(&[]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.out.contains("+ create   object designerProfile (Perfil de diseñador)"), "{}", shown.out);
    assert!(!shown.out.contains("dos-secretos") && !shown.err.contains("dos-secretos"));
    assert_eq!(crm.things(), before, "a plan changes nothing");
    crm.run(&["--apply"]).says(2, &["--yes"]);
    crm.run(&["--apply", "--json"]).says(2, &["--yes"]);
    assert_eq!(crm.things(), before, "nobody agreed");
    // Beside a running hub, by its socket; and by the API with a key.
    let (_, reader) = crm.place.key("connections:read");
    let (_, operator) = crm.place.key("connections:read,connections:write,audit:read");
    let hub = crm.place.serve();
    let plan = hub.get("/api/v1/connections/crm/plan", &reader).json();
    let todo = plan["todo"].as_u64().unwrap();
    assert!(todo > 80 && plan["fingerprint"] == crm.plan()["fingerprint"], "{plan}");
    let post = |key: &str, body: Value| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        hub.send("POST", "/api/v1/connections/crm/plan/apply", &headers, body.to_string().as_bytes())
    };
    post(&reader, json!({})).problem(403, &["connections:write"]);
    post(&operator, json!({ "limit": 0 })).problem(400, &["limit"]);
    post(&operator, json!({ "fingerprint": "0123456789abcdef" })).problem(409, &["has changed"]);
    assert_eq!(crm.things(), before, "what was refused changed nothing");
    let some = post(&operator, json!({ "fingerprint": plan["fingerprint"], "limit": 3 })).json();
    assert_eq!((some["done"].as_array().unwrap().len(), &some["plan"]["todo"]), (3, &json!(todo - 3)), "{some}");
    // The plan that was shown is another one now.
    post(&operator, json!({ "fingerprint": plan["fingerprint"] })).problem(409, &["has changed"]);
    let told = crm.run(&["--apply", "--yes", "--json"]);
    assert_eq!(told.code, 0, "{told:?}");
    let came: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((came["done"].as_array().unwrap().len() as u64, &came["plan"]["todo"]), (todo - 3, &json!(0)));
    let after = crm.things();
    assert!(after.values().all(|n| *n == 1), "{after:?}");
    let told = crm.run(&["--apply", "--json"]);
    let came: Value = serde_json::from_str(&told.out).unwrap_or_else(|e| panic!("{e}: {told:?}"));
    assert_eq!(
        (&came["done"], &came["plan"]["todo"]),
        (&json!([]), &json!(0)),
        "nothing is asked where nothing is to do"
    );
    assert_eq!(crm.things(), after, "applied again it changes nothing");
    // Who did what, before and after; and no secret.
    let list = hub.get("/api/v1/audit?action=connections.provision", &operator).json();
    let rows = list["data"].as_array().unwrap();
    let first = rows.iter().find(|r| r["after"]["left"] == todo - 3).unwrap_or_else(|| panic!("{list:#}"));
    assert_eq!(first["before"]["todo"].as_array().unwrap().len() as u64, todo);
    assert_eq!(
        first["after"]["done"],
        json!(["object:designerProfile", "object:fashionCollection", "object:sponsorTier"])
    );
    assert!(!list.to_string().contains("dos-secretos"));
    hub.stop();
    // Without a hub.
    assert_eq!(crm.plan()["todo"], 0);
    crm.place.run(&["connections", "provision", "nadie"]).says(1, &["there is no connection 'nadie'"]);
}

#[test]
fn what_was_killed_in_the_middle_goes_on() {
    let crm = Crm::new();
    let whole = crm.plan()["todo"].as_u64().unwrap();
    crm.faults(json!({ "latency": ["15ms", "15ms"] }));
    let mut command = Command::new(env!("CARGO_BIN_EXE_pasarela"));
    command.args(["connections", "provision", "crm", "--apply", "--yes"]).arg("--config").arg(crm.place.config());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("some fields of the model", || {
        let things = crm.things();
        things.contains_key("\"fashionEvent\" \"hubId\"").then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    crm.faults(json!({}));
    let left = crm.plan()["todo"].as_u64().unwrap();
    assert!(left > 0 && left < whole, "killed in the middle: {left} of {whole}");
    let told = crm.run(&["--apply", "--yes", "--json"]);
    assert_eq!(told.code, 0, "{told:?}");
    let things = crm.things();
    assert!(things.values().all(|n| *n == 1), "{things:?}");
    assert_eq!(crm.plan()["todo"], 0);
}

/// Calls are refused, cut off, and done without an answer: applied again and again, each thing is there once.
#[test]
fn in_a_bad_world_it_ends_with_each_thing_once() {
    let crm = Crm::new();
    crm.faults(json!({ "p_throttle": 0.01, "p_500": 0.02, "p_cut": 0.03, "p_lost": 0.06, "p_half": 0.03 }));
    let mut runs = 0;
    loop {
        let told = crm.run(&["--apply", "--yes", "--json"]);
        assert!(told.code == 0 || told.code == 1, "{told:?}");
        let came: Value = serde_json::from_str(&told.out).unwrap_or_default();
        if told.code == 0 && came["plan"]["todo"] == 0 {
            break;
        }
        runs += 1;
        assert!(runs < 60, "it never ends: {told:?}");
    }
    crm.faults(json!({}));
    assert_eq!(crm.plan()["todo"], 0);
    let things = crm.things();
    assert!(things.values().all(|n| *n == 1), "{things:?}");
}

#[test]
fn what_has_no_model_says_so() {
    let place = Place::shop();
    place.run(&["connections", "provision", "tienda"]).says(1, &["nothing to provision"]);
    place.run(&["connections", "provision", "tienda", "--yes"]).says(2, &["--apply"]);
}
