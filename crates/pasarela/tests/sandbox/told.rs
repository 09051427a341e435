//! A secret that a provider makes and tells once, with its webhook: the plan keeps it in the vault that the
//! configuration names, and it is believed at once, after a restart, and beside those of before.

use crate::files::{Place, free_port, send, until};
use crate::sandbox::Sandbox;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Events of this type, as the API lists them.
fn count(hub: &crate::files::Hub, key: &str, kind: &str) -> usize {
    let list = hub.get(&format!("/api/v1/events?type={kind}"), key).json();
    list["data"].as_array().unwrap_or_else(|| panic!("{list}")).len()
}

#[test]
fn a_secret_that_is_told_once_is_kept_in_the_vault_and_shown_nowhere() {
    let place = Place::new();
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
    place.write(&format!(
        "[sandbox]\nurl = \"http://{addr}\"\n\
         [connections.boleteria]\nprovider = \"hi-events\"\nbase_url = \"http://{addr}/boleteria\"\nallow_private_targets = true\n\
         webhook_secrets = [\"vault:taquilla\"]\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3\n\
         reconcile_every = \"30d\"\n"
    ));
    // What is not there yet stops neither a check nor a start: it is the plan that brings it.
    let checked = place.run(&["check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let sandbox = Sandbox::start(&place, addr);
    until("the double", || send(addr, "POST", "/boleteria/auth/login", &[], b"{}").ok().filter(|a| a.status == 422));
    let (_, key) = place.key("events:read,audit:read,connections:read");
    let hub = place.serve();
    let doctor = place.run(&["doctor"]);
    assert!(doctor.out.contains("pasarela connections provision boleteria --apply"), "{doctor:?}");

    let run = |more: &[&str]| {
        let args: Vec<&str> = ["connections", "provision", "boleteria"].iter().chain(more).copied().collect();
        place.run(&args)
    };
    let shown = run(&[]);
    assert!(shown.out.contains("+ create   webhook to this hub"), "{shown:?}");
    let told = run(&["--apply", "--yes", "--json"]);
    assert_eq!(told.code, 0, "{told:?}");
    let came: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&came["kept"], &came["plan"]["todo"]), (&json!(["taquilla"]), &json!(0)), "{came}");
    let show = json!({ "title": "Raíz y Seda", "starts_at": "2030-11-27T01:00:00Z", "tiers": [{ "label": "General", "price": 60000 }] });
    sandbox.act("boleteria", "create_show", show.clone());
    until("the show, by its webhook", || (count(&hub, &key, "show.published") == 1).then_some(()));
    let listed: Value = serde_json::from_str(&place.run(&["secrets", "list", "--json"]).out).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["set_by"]), (&json!("taquilla"), &json!("provision boleteria")));
    let trail = hub.get("/api/v1/audit?action=connections.provision", &key).json();
    assert_eq!(trail["data"][0]["after"]["kept"], json!(["taquilla"]), "{trail:#}");
    let log = hub.log();
    hub.stop();

    // After a restart it comes out of the vault; another one beside it ends nothing.
    let hub = place.serve();
    sandbox.act("boleteria", "create_show", show.clone());
    until("the second show", || (count(&hub, &key, "show.published") == 2).then_some(()));
    sandbox.act("boleteria", "break_webhooks", json!({ "code": 401, "last": 20 }));
    let told = run(&["--apply", "--yes", "--json"]);
    let came: Value = serde_json::from_str(&told.out).unwrap_or_else(|e| panic!("{e}: {told:?}"));
    assert_eq!(came["done"].as_array().unwrap().iter().map(|d| &d["id"]).collect::<Vec<_>>(), ["webhook", "pause:15"]);
    sandbox.act("boleteria", "create_show", show);
    until("the third show", || (count(&hub, &key, "show.published") == 3).then_some(()));
    assert_eq!(
        run(&["--json"]).out.matches("\"todo\":0").count() + run(&["--json"]).out.matches("\"todo\": 0").count(),
        1
    );

    // Thirty-two letters and digits in a row are nowhere: not in what was printed, logged or written down.
    let secret = |text: &str| {
        text.split(|c: char| !c.is_ascii_alphanumeric()).any(|w| {
            w.len() == 32 && w.bytes().any(|b| b.is_ascii_uppercase()) && w.bytes().any(|b| b.is_ascii_lowercase())
        })
    };
    for text in [&told.out, &told.err, &log, &hub.log(), &trail.to_string(), &shown.out] {
        assert!(!secret(text), "{text}");
    }
    hub.stop();
}
