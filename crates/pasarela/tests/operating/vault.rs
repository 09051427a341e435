//! Secrets of the vault: kept before and beside a running hub, taken by `vault:NAME`, and told nowhere.

use super::files::{Answer, Hub, Told, order};
use super::{Place, done};
use pasarela_connector::sign::hmac_sha256_hex;
use serde_json::json;
use std::path::Path;

const FIRST: &str = "primera-palabra-de-la-tienda-4471";
const SECOND: &str = "segunda-palabra-de-la-tienda-9038";

fn vault_shop(place: &Place) {
    place.write(
        "[connections.tienda]\nprovider = \"http\"\nenvironment = \"sandbox\"\nwebhook_secrets = [\"vault:tienda\"]\n\
         verify = { scheme = \"hmac-sha256\", header = \"x-signature\" }\n\
         event = { type = \"/type\", id = \"/id\", key = \"/id\" }\n",
    );
}

fn hook(hub: &Hub, secret: &str, id: &str) -> Answer {
    let body = order(id);
    let signature = hmac_sha256_hex(secret.as_bytes(), &[body.as_bytes()]);
    hub.send("POST", "/hooks/tienda", &[("x-signature", &signature)], body.as_bytes())
}

/// Does a secret stand in anything that lies in the folder?
fn lies_in(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(lies_in(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            let holds = |secret: &str| bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            if holds(FIRST) || holds(SECOND) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_secret_is_kept_before_and_beside_a_hub_taken_at_once_and_told_nowhere() {
    let place = Place::new();
    vault_shop(&place);
    let mut heard: Vec<String> = Vec::new();
    let mut keep = |told: Told| {
        heard.push(format!("{}{}", told.out, told.err));
        told
    };
    // What is missing is said by name, with its place and what to do, and nothing starts.
    let missing = ["[connections.tienda] webhook_secrets[0]", "no secret 'tienda'", "pasarela secrets set tienda"];
    keep(place.run(&["check"])).says(2, &missing);
    keep(place.refused()).says(2, &missing);
    let told = keep(place.run(&["doctor", "--offline"]));
    assert!(told.code == 1 && told.out.contains(missing[2]), "{told:?}");

    keep(place.run_with(&["secrets", "set", "tienda"], b"")).says(2, &["is empty", "nothing was kept"]);
    keep(place.run_with(&["secrets", "set", "mi tienda"], b"x")).says(2, &["a secret's name is"]);
    place.run_with(&["secrets", "set", "tienda", "una-palabra"], b"").says(2, &["unexpected argument"]);
    let told = keep(place.run_with(&["secrets", "set", "tienda"], format!("{FIRST}\n").as_bytes()));
    told.says(0, &["next start of the hub: connections.tienda.webhook_secrets[0]"]);
    assert_eq!(keep(place.run(&["check"])).code, 0);

    let hub = place.serve_with(&[("PASARELA_LOG", "trace")]);
    assert_eq!(hook(&hub, FIRST, "o-1").status, 200);
    // Beside it the vault is looked into, too.
    assert_eq!(keep(place.run(&["check"])).code, 0);
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("secreto");
    std::fs::write(&file, format!("{SECOND}\r\n")).unwrap();
    let set = ["secrets", "set", "tienda", "--from-file", file.to_str().unwrap(), "--json"];
    let told = keep(place.run(&set));
    assert_eq!(told.code, 0, "{told:?}");
    let answer: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    let wanted = json!({ "name": "tienda", "replaced": true, "in_force": ["tienda"], "after_restart": [] });
    assert_eq!(answer, wanted);
    assert_eq!(hook(&hub, FIRST, "o-2").status, 401, "the earlier one is over");
    assert_eq!(hook(&hub, SECOND, "o-3").status, 200, "without a restart");

    let listed = done(&place, &["secrets", "list", "--json"]);
    let held = &listed[0];
    assert_eq!((&held["name"], &held["set_by"]), (&json!("tienda"), &json!("command line")));
    assert_eq!(held["used_by"], json!(["connections.tienda.webhook_secrets[0]"]));
    heard.push(listed.to_string());
    // Keys change under it, and it opens by the new ones.
    done(&place, &["seal", "rotate", "--json"]);
    assert_eq!(place.run(&["check"]).code, 0);
    let log = hub.log();
    hub.stop();
    let hub = place.serve();
    assert_eq!(hook(&hub, SECOND, "o-4").status, 200, "after a restart");

    place.run(&["secrets", "remove", "tienda"]).says(1, &["connections.tienda.webhook_secrets[0]", "--force"]);
    let trail = place.run(&["audit", "list", "--json"]).out;
    assert_eq!(trail.matches("\"secrets.set\"").count(), 2, "{trail}");
    assert_eq!(place.run(&["secrets", "remove", "tienda", "--force"]).code, 0);
    assert_eq!(done(&place, &["secrets", "list", "--json"]), json!([]));
    let trail = place.run(&["audit", "list", "--json"]).out;
    assert!(trail.contains("\"secrets.remove\""), "{trail}");
    heard.extend([trail, log, hub.log()]);
    hub.stop();
    place.run(&["check"]).says(2, &missing);

    for said in &heard {
        assert!(!said.contains(FIRST) && !said.contains(SECOND), "{said}");
    }
    assert_eq!(lies_in(place.path("").as_path()), Vec::<String>::new());
}

#[test]
fn a_secret_comes_back_with_a_backup_and_a_word_that_its_connector_refuses_is_not_kept() {
    let place = Place::new();
    place.write(
        "[connections.tienda]\nprovider = \"http\"\nwebhook_secrets = [\"vault:tienda\"]\n\
         verify = { scheme = \"standard-webhooks\" }\nevent = { type = \"/type\", id = \"/id\", key = \"/id\" }\n",
    );
    // These are `whsec_` and base64, as the connector says.
    place.run_with(&["secrets", "set", "tienda"], FIRST.as_bytes()).says(2, &["[connections.tienda]", "whsec_"]);
    assert_eq!(done(&place, &["secrets", "list", "--json"]), json!([]));
    vault_shop(&place);
    assert_eq!(place.run_with(&["secrets", "set", "tienda"], FIRST.as_bytes()).code, 0);
    let hub = place.serve();
    let file = place.path("hub.backup").display().to_string();
    assert_eq!(place.run(&["backup", &file]).code, 0);
    hub.stop();
    for name in ["hub.db", "hub.db-wal", "hub.db-shm"] {
        drop(std::fs::remove_file(place.path(name)));
    }
    place.run(&["check"]).says(2, &["no secret 'tienda'"]);
    assert_eq!(place.run(&["restore", &file, "--resume"]).code, 0, "what it needs comes with it");
    let hub = place.serve();
    assert_eq!(hook(&hub, FIRST, "o-1").status, 200);
}
