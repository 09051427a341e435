//! The connectors against real accounts, when their keys are in the environment (`tests/live` says which): a
//! hub of its own reads their records, and writes only what does no harm. Built-in flows are off and nothing is
//! repaired, so that nobody real is written to. Without keys it says that it was skipped.
//!
//! The checks themselves are checked against the doubles, so that they do not rot between two uses.

#![allow(clippy::print_stdout, reason = "what was asked, and what was skipped, must be seen")]

#[path = "support/files.rs"]
#[allow(dead_code, reason = "shared with the tests of damage")]
mod files;

use files::{Place, free_port, send, until};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// What may be asked of one provider.
struct Account {
    name: &'static str,
    /// Variables that must be there: the key of the connection that each fills.
    needs: &'static [(&'static str, &'static str)],
    /// Base URL where it is not the provider's own.
    url: &'static str,
    /// Can its records be read?
    reads: bool,
    /// Steps of a flow that does no harm.
    writes: &'static str,
}

const ACCOUNTS: &[Account] = &[
    Account {
        name: "hi-events",
        needs: &[
            ("PASARELA_LIVE_HI_EVENTS_URL", "base_url"),
            ("PASARELA_LIVE_HI_EVENTS_EMAIL", "email"),
            ("PASARELA_LIVE_HI_EVENTS_PASSWORD", "password"),
            ("PASARELA_LIVE_HI_EVENTS_ORGANIZER", "organizer_id"),
        ],
        url: "PASARELA_LIVE_HI_EVENTS_URL",
        reads: true,
        writes: "",
    },
    Account {
        name: "twenty",
        needs: &[("PASARELA_LIVE_TWENTY_KEY", "api_key")],
        url: "PASARELA_LIVE_TWENTY_URL",
        reads: true,
        // The same invented person twice: the second time changes nothing.
        writes: "  - id: primera\n    do: cuenta.upsert_person\n    with: { email: \"prueba.pasarela@example.com\", name: \"Prueba Pasarela Ejemplo\" }\n  \
                 - id: segunda\n    needs: [primera]\n    do: cuenta.upsert_person\n    with: { email: \"prueba.pasarela@example.com\", name: \"Prueba Pasarela Ejemplo\" }\n  \
                 - id: buscada\n    needs: [segunda]\n    do: cuenta.find_person\n    with: { email: \"prueba.pasarela@example.com\" }\n",
    },
    Account {
        name: "whatsapp",
        needs: &[
            ("PASARELA_LIVE_WHATSAPP_TOKEN", "access_token"),
            ("PASARELA_LIVE_WHATSAPP_NUMBER_ID", "phone_number_id"),
            ("PASARELA_LIVE_WHATSAPP_TO", ""),
        ],
        url: "PASARELA_LIVE_WHATSAPP_URL",
        reads: false,
        // Meta's own template of every new account, to the phone of whoever runs this.
        writes: "  - id: saludo\n    do: cuenta.send_template\n    class: transactional_urgent\n    purpose: sale\n    \
                 with: { to: \"{{ data.to }}\", template: hello_world, language: en_US, params: [] }\n",
    },
];

const SECRET: &str = "gatillo-de-prueba";

/// Checks one account. `value` gives a variable's value, `refer` how the configuration names it.
fn check(account: &Account, value: &dyn Fn(&str) -> Option<String>, refer: &dyn Fn(&str) -> String) {
    let place = Place::new();
    std::fs::create_dir(place.path("flows")).unwrap();
    let mut config = format!(
        "[flows]\nbuiltin = false\nfolder = \"flows\"\n\
         [connections.gatillo]\nprovider = \"http\"\nwebhook_secrets = [\"{SECRET}\"]\nverify = {{ scheme = \"bearer\" }}\n\
         event = {{ type = \"/type\", id = \"/id\", key = \"/id\" }}\n\
         [connections.cuenta]\nprovider = \"{}\"\nreconcile = \"report\"\n",
        account.name
    );
    for (variable, key) in account.needs.iter().filter(|(_, key)| !key.is_empty() && *key != "base_url") {
        // Only credentials may be references; the rest is written as it is.
        let secret = ["password", "api_key", "access_token"].contains(key);
        let written = if secret { refer(variable) } else { value(variable).unwrap() };
        let number = *key == "organizer_id";
        config.push_str(&if number { format!("{key} = {written}\n") } else { format!("{key} = \"{written}\"\n") });
    }
    if let Some(url) = value(account.url) {
        let here = url.starts_with("http://127.");
        config.push_str(&format!("base_url = \"{url}\"\nallow_private_targets = {here}\n"));
    }
    if !account.writes.is_empty() {
        let flow = format!("flow: prueba\nversion: 1\non: gatillo.prueba\nsteps:\n{}", account.writes);
        std::fs::write(place.path("flows/prueba.yaml"), flow).unwrap();
    }
    place.write(&config);
    let hub = place.serve();
    let (_, key) = place.key("read,write");
    if account.reads {
        let told = place.run(&["reconcile", "cuenta", "--policy", "report", "--json"]);
        assert_eq!(told.code, 0, "{}: its records cannot be read: {told:?}", account.name);
        let found: Value = serde_json::from_str(told.out.trim()).unwrap_or_else(|e| panic!("{e}: {}", told.out));
        let reports = found.as_array().or_else(|| found["data"].as_array()).unwrap();
        assert!(!reports.is_empty(), "{found}");
        for report in reports {
            assert!(report["problem"].is_null(), "{}: {report}", account.name);
            println!("{}: {} read, {} records", account.name, report["task"], report["read"]);
        }
    }
    if !account.writes.is_empty() {
        let to = value("PASARELA_LIVE_WHATSAPP_TO").unwrap_or_default();
        let body = json!({ "type": "prueba", "id": "prueba-1", "to": to }).to_string();
        let bearer = format!("Bearer {SECRET}");
        let taken = hub.send("POST", "/hooks/gatillo", &[("authorization", &bearer)], body.as_bytes());
        assert_eq!(taken.status, 200, "{taken:?}");
        let states = until("every step to be answered", || {
            let page = hub.get("/api/v1/effects?connection=cuenta&limit=200", &key).json();
            let effects = page["data"].as_array()?.clone();
            let open = ["queued", "calling", "checking"];
            let steps = account.writes.matches("do: ").count();
            let all = effects.len() >= steps && effects.iter().all(|e| !open.contains(&e["state"].as_str().unwrap()));
            all.then_some(effects)
        });
        for effect in states {
            let state = effect["state"].as_str().unwrap();
            assert!(["done", "settling", "unsettled"].contains(&state), "{}: {effect:#}", account.name);
            println!("{}: {} is {state}", account.name, effect["action"]);
        }
    }
    hub.stop();
}

#[test]
fn real_accounts_answer_as_the_connectors_expect() {
    let value = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let mut asked = 0;
    for account in ACCOUNTS {
        let missing: Vec<&str> = account.needs.iter().map(|(v, _)| *v).filter(|v| value(v).is_none()).collect();
        if missing.is_empty() {
            check(account, &value, &|variable| format!("env:{variable}"));
            asked += 1;
        } else {
            println!("SKIPPED: {} was not asked; set {}", account.name, missing.join(", "));
        }
    }
    println!("{asked} of {} real accounts were asked", ACCOUNTS.len());
}

/// A sandbox that is killed when it is let go.
struct Doubles(Child);

impl Drop for Doubles {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn doubles() -> (Doubles, SocketAddr, Place) {
    let place = Place::new();
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
    place.write(&format!(
        "[sandbox]\nurl = \"http://{addr}\"\n\
         [connections.hi-events]\nprovider = \"hi-events\"\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3\n\
         [connections.twenty]\nprovider = \"twenty\"\napi_key = \"clave\"\n\
         [connections.whatsapp]\nprovider = \"whatsapp\"\naccess_token = \"clave\"\nphone_number_id = \"20455\"\n"
    ));
    let mut command = Command::new(env!("CARGO_BIN_EXE_pasarela"));
    command.arg("--config").arg(place.config()).arg("sandbox").stdin(Stdio::null());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let doubles = Doubles(child);
    let template = json!({ "command": "define_template",
        "args": { "name": "hello_world", "language": "en_US", "category": "UTILITY", "body": "Welcome." } });
    let headers = [("content-type", "application/json")];
    // It listens before all of them are there.
    until("the double of WhatsApp to take a template", || {
        let made = send(addr, "POST", "/_sandbox/whatsapp/act", &headers, template.to_string().as_bytes()).ok()?;
        (made.status == 200).then_some(())
    });
    (doubles, addr, place)
}

#[test]
fn the_live_checks_pass_against_the_doubles() {
    let (_doubles, addr, _place) = doubles();
    let value = |name: &str| {
        Some(match name {
            "PASARELA_LIVE_HI_EVENTS_URL" => format!("http://{addr}/hi-events"),
            "PASARELA_LIVE_HI_EVENTS_EMAIL" => "hub@marca.example".into(),
            "PASARELA_LIVE_HI_EVENTS_PASSWORD" => "doce-letras".into(),
            "PASARELA_LIVE_HI_EVENTS_ORGANIZER" => "3".into(),
            "PASARELA_LIVE_TWENTY_URL" => format!("http://{addr}/twenty"),
            "PASARELA_LIVE_WHATSAPP_URL" => format!("http://{addr}/whatsapp"),
            "PASARELA_LIVE_WHATSAPP_NUMBER_ID" => "20455".into(),
            "PASARELA_LIVE_WHATSAPP_TO" => "+573001112233".into(),
            "PASARELA_LIVE_TWENTY_KEY" | "PASARELA_LIVE_WHATSAPP_TOKEN" => "clave".into(),
            _ => return None,
        })
    };
    for account in ACCOUNTS {
        check(account, &value, &|variable| value(variable).unwrap());
    }
    let people = send(addr, "GET", "/_sandbox/twenty/view/people", &[], b"").unwrap().json();
    assert_eq!(people.as_array().unwrap().len(), 1, "the same person twice is one: {people}");
    let chats = send(addr, "GET", "/_sandbox/whatsapp/view/chats", &[], b"").unwrap().json();
    assert_eq!(chats[0]["messages"].as_array().unwrap().len(), 1, "{chats}");
}
