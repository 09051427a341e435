//! `pasarela doctor` as somebody meets it at three in the morning: doubles of the providers with a wrong key, a clock
//! that is off and a host that is dead, beside a running hub and without one. And a purchase that is told to
//! Google only when the buyer has allowed it.

#[path = "support/files.rs"]
#[allow(dead_code, reason = "shared with the tests of damage")]
mod files;

use files::{Hub, Place, free_port, send, until};
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::{Arrival, Request, SimConfig, SimReply, Simulator};
use pasarela_domain::SystemClock;
use pasarela_sandbox::{Faults, Host, Options};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

/// A double whose clock is off by this.
struct Skewed(Box<dyn Simulator>, SignedDuration);

impl Simulator for Skewed {
    fn handle(&mut self, request: &Request, now: Timestamp) -> SimReply {
        let mut reply = self.0.handle(request, now);
        let theirs = now.checked_add(self.1).unwrap();
        reply.answer.headers.set("date", theirs.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        reply
    }
    fn act(&mut self, command: &str, args: &Value, now: Timestamp) -> Result<SimReply, String> {
        self.0.act(command, args, now)
    }
    fn arrivals(&self) -> Vec<Arrival> {
        self.0.arrivals()
    }
}

fn double(host: &Host, provider: &str, connection: &str, secret: &str, settings: Value) -> Box<dyn Simulator> {
    let config = SimConfig {
        connection: connection.into(),
        base_url: host.base_url(connection),
        webhook_secret: secret.into(),
        settings,
    };
    let registry = pasarela_connectors::registry();
    registry.iter().find(|p| p.manifest().name == provider).unwrap().simulator(config).unwrap()
}

/// Doubles in this process, and a configuration of a hub that knows them.
struct World {
    place: Place,
    host: Host,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        let place = Place::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            hub_url: format!("http://{}", place.public),
            clock: Arc::new(SystemClock),
            seed: 1,
            faults: Faults::default(),
        };
        let host = runtime.block_on(Host::start(options)).unwrap();
        Self { place, host, runtime }
    }

    fn configure(&self, public: &str, connections: &str) {
        let text = format!(
            "[server]\nlisten = \"{}\"\npublic_url = \"{public}\"\n[console]\nlisten = \"{}\"\n[store]\nurl = \"sqlite:{}\"\n{connections}",
            self.place.public,
            self.place.console,
            self.place.database().display()
        );
        std::fs::write(self.place.config(), text).unwrap();
    }

    /// A connection's table, at its double.
    fn table(&self, name: &str, provider: &str, more: &str) -> String {
        let base = self.host.base_url(name);
        format!(
            "[connections.{name}]\nprovider = \"{provider}\"\nbase_url = \"{base}\"\nallow_private_targets = true\n{more}\n"
        )
    }

    #[track_caller]
    fn doctor(&self, code: i32) -> Value {
        let told = self.place.run(&["doctor", "--json"]);
        assert_eq!(told.code, code, "{told:?}");
        serde_json::from_str(&told.out).unwrap_or_else(|e| panic!("{e}: {told:?}"))
    }
}

#[track_caller]
fn check<'v>(report: &'v Value, connection: &str, check: &str) -> (&'v str, &'v str) {
    let of = |c: &&Value| c["check"] == check && c["connection"].as_str().unwrap_or_default() == connection;
    let found = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(of)
        .unwrap_or_else(|| panic!("{connection} {check}: {report}"));
    assert_eq!(found["advice"].is_string(), found["state"] != "ok", "what is not well says what to do: {found}");
    (found["state"].as_str().unwrap(), found["found"].as_str().unwrap())
}

#[test]
fn each_trouble_of_a_connection_is_named_and_says_what_to_do() {
    let world = World::new();
    let (host, place) = (&world.host, &world.place);
    host.add("crm", double(host, "twenty", "crm", "uno", json!({ "api_key": "clave", "version": "2.47" })));
    host.add("crm2", double(host, "twenty", "crm2", "uno", json!({ "api_key": "otra-clave" })));
    let whatsapp = double(host, "whatsapp", "wa", "dos", json!({ "phone_number_id": "20455" }));
    host.add("wa", Box::new(Skewed(whatsapp, SignedDuration::from_mins(10))));
    host.add("web", double(host, "ga4", "web", "", json!({})));
    let dead = format!("http://127.0.0.1:{}", free_port());
    let key = "webhook_secrets = [\"uno\"]\napi_key = \"clave\"";
    let tables = [
        // Several connections to one provider: the built-in flows could not say which.
        "[flows]\nbuiltin = false\n".to_owned(),
        world.table("crm", "twenty", key),
        world.table("crm2", "twenty", key),
        world.table("wa", "whatsapp", "webhook_secrets = [\"dos\"]\naccess_token = \"clave\"\nphone_number_id = \"20455\"\ngraph_version = \"v21.0\""),
        world.table("web", "ga4", "api_secret = \"secreto-de-la-web\"\nmeasurement_id = \"G-7Q2KX9M4PL\""),
        format!("[connections.muerta]\nprovider = \"hi-events\"\nbase_url = \"{dead}\"\nallow_private_targets = true\nwebhook_secrets = [\"tres\"]\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3\n"),
        world.table("sola", "twenty", "webhook_secrets = [\"uno\"]"),
    ];
    let public = format!("http://{}", place.public);
    world.configure(&public, &tables.concat());
    let hub = place.serve();
    let report = world.doctor(1);
    assert_eq!(check(&report, "", "public").0, "ok");
    assert_eq!(check(&report, "crm", "credential").0, "ok");
    assert!(check(&report, "crm", "clock").0 == "ok" && check(&report, "crm", "limits").1.contains("calls are left"));
    let (state, found) = check(&report, "crm2", "credential");
    assert!(state == "fail" && !found.contains("clave"), "a wrong key, and not its text: {found}");
    let (state, found) = check(&report, "wa", "clock");
    assert!(state == "fail" && found.contains("s behind the provider"), "{found}");
    assert!(check(&report, "wa", "api").1.contains("v21.0"), "the version that this connection chose");
    let (state, found) = check(&report, "muerta", "credential");
    assert!(state == "fail" && found.contains("no token could be fetched"), "{found}");
    assert!(check(&report, "web", "credential").1.contains("cannot say whether api_secret is right"));
    assert!(check(&report, "sola", "credential").1.contains("a credential is missing"));
    for signs in ["crm", "wa", "muerta"] {
        assert_eq!(check(&report, signs, "way in").0, "ok", "{signs}: a signed trial came in");
    }
    // Looked at twice: a trial of our own is no sign of the provider.
    let again = world.doctor(1);
    assert!(check(&again, "wa", "webhooks").1.contains("none came lately"), "{again}");
    let told = place.run(&["doctor"]);
    let words = [
        "Pasarela\n",
        "  ok    config",
        "\ncrm (twenty, sandbox)\n  ok    credential",
        "  FAIL  credential",
        "→ renew api_key of [connections.crm2]",
        "to mend (FAIL)",
    ];
    for word in words {
        assert!(told.out.contains(word), "no {word:?} in\n{}", told.out);
    }
    for secret in ["secreto-de-la-web", "doce-letras", "clave\""] {
        assert!(!told.out.contains(secret) && !hub.log().contains(secret), "{secret} is nowhere");
    }

    // The way in leads elsewhere.
    let stranger = format!("http://127.0.0.1:{}", free_port());
    world.configure(&stranger, &tables[..2].concat());
    hub.stop();
    let hub = place.serve();
    let report = world.doctor(1);
    assert_eq!((check(&report, "", "public").0, check(&report, "crm", "way in").0), ("ok", "fail"));
    assert!(check(&report, "crm", "webhooks").1.contains("and not"), "the provider calls another address");
    hub.stop();

    // Without a hub this process asks; the way in is not tried.
    let report = world.doctor(0);
    assert_eq!(check(&report, "crm", "credential").0, "ok");
    assert!(report["checks"].as_array().unwrap().iter().all(|c| c["check"] != "way in"));
    let offline = place.run(&["doctor", "--offline", "--json"]);
    assert!(offline.code == 0 && !offline.out.contains("\"crm\""), "{offline:?}");
    drop(world.runtime);
}

#[test]
fn a_purchase_is_told_to_google_only_when_the_buyer_has_allowed_it() {
    let world = World::new();
    let (host, place) = (&world.host, &world.place);
    host.add("boleteria", double(host, "hi-events", "boleteria", "uno", json!({ "organizer_id": 3 })));
    let own = json!({ "measurement_id": "G-7Q2KX9M4PL", "api_secret": "secreto-de-la-web" });
    host.add("web", double(host, "ga4", "web", "", own));
    let tables = [
        world.table(
            "boleteria",
            "hi-events",
            "webhook_secrets = [\"uno\"]\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3",
        ),
        world.table("web", "ga4", "api_secret = \"secreto-de-la-web\"\nmeasurement_id = \"G-7Q2KX9M4PL\""),
    ];
    world.configure(&format!("http://{}", place.public), &tables.concat());
    let (_, key) = place.key("read,write");
    let hub = place.serve();
    let show = host
        .act("boleteria", "create_show", &json!({ "title": "Raíz y Seda", "starts_at": "2030-11-27T01:00:00Z", "tiers": [{ "label": "General", "price": 60000 }] }))
        .unwrap();
    let sell = |email: &str| {
        let buyer = json!({ "first_name": "Laura", "last_name": "Rincón", "email": email, "phone": "315 550 0123" });
        let args = json!({ "show_id": show["show_id"], "buyer": buyer, "tickets": [{}], "payment": "stripe" });
        host.act("boleteria", "sell", &args).unwrap()
    };
    let effects =
        |state: &str| hub.get(&format!("/api/v1/effects?state={state}&connection=web"), &key).json()["data"].clone();
    sell("laura@correo.example");
    let withheld = until("a purchase that is withheld", || Some(effects("withheld")).filter(|e| e.get(0).is_some()));
    assert_eq!((&withheld[0]["rule"], &withheld[0]["action"]), (&json!("no_analytics_consent"), &json!("purchase")));
    let counted = hub.send("GET", "/metrics", &[], b"").body;
    assert!(counted.contains("pasarela_effects_withheld_total{connection=\"web\",rule=\"no_analytics_consent\"} 1"));

    let statement = json!({
        "person": { "email": "laura@correo.example" }, "purpose": "analytics", "state": "given",
        "evidence": { "channel": "checkout", "text_version": "v3" }, "analytics": { "ga_client_id": "GA1.1.12.34" },
    });
    let bearer = format!("Bearer {key}");
    let answer =
        send(place.public, "POST", "/api/v1/consents", &[("authorization", &bearer)], statement.to_string().as_bytes());
    assert_eq!(answer.unwrap().status, 201);
    let sold = sell("laura@correo.example");
    sell("otra@correo.example");
    let told = until("the purchase at Google", || Some(host.view("web", "events")).filter(|e| e.get(0).is_some()));
    assert_eq!((&told[0]["name"], &told[0]["client_id"]), (&json!("purchase"), &json!("12.34")));
    assert_eq!(told[0]["params"]["currency"], "COP");
    assert!(told[0]["params"]["transaction_id"].as_str().is_some_and(|t| !t.is_empty()), "{sold} {told}");
    until("the other one to be withheld", || (effects("withheld").as_array()?.len() == 2).then_some(()));
    assert_eq!(host.view("web", "events").as_array().unwrap().len(), 1, "the phone is the same, and was not named");
    assert_eq!(host.view("web", "thrown_away"), json!([]));
    assert!(!hub.log().contains("secreto-de-la-web"));
    hub.stop();
}

/// What `boleteria` says of its server once it was read: by `doctor`, and by `connections`; then what else is asked.
fn server_said(settings: Value, more: impl FnOnce(&Hub, &str)) -> (String, String) {
    let world = World::new();
    let (host, place) = (&world.host, &world.place);
    host.add("boleteria", double(host, "hi-events", "boleteria", "uno", settings));
    let table = world.table(
        "boleteria",
        "hi-events",
        "webhook_secrets = [\"uno\"]\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3\n\
         limits = { per_minute = 1500 }",
    );
    world.configure(&format!("http://{}", place.public), &table);
    let (_, key) = place.key("read,write,role:privacy");
    let hub = place.serve();
    let show = json!({ "title": "Raíz y Seda", "starts_at": "2030-11-27T01:00:00Z", "tiers": [{ "label": "General", "price": 60000 }] });
    host.act("boleteria", "create_show", &show).unwrap();
    let who =
        json!({ "show_id": 118, "first_name": "Manuela", "last_name": "Ríos Cano", "email": "manuela@correo.example" });
    host.act("boleteria", "join_waitlist", &who).unwrap();
    let bearer = format!("Bearer {key}");
    let path = "/api/v1/connections/boleteria/reconcile";
    let answer = send(place.public, "POST", path, &[("authorization", &bearer)], b"{}").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let told = || {
        let state = hub.get("/api/v1/connections/boleteria", &key).json();
        let server = state["server"].as_array().unwrap().clone();
        server.iter().any(|t| t["name"] == "waitlist" && t["has"].is_boolean()).then_some(())
    };
    until("what the server can do", told);
    let listed = place.run(&["connections"]).out;
    let looked: Value = serde_json::from_str(&place.run(&["doctor", "--json"]).out).unwrap();
    let found = looked["checks"].as_array().unwrap().iter().find(|c| c["check"] == "server").unwrap();
    let found = found["found"].as_str().unwrap().to_owned();
    more(&hub, &key);
    hub.stop();
    (found, listed)
}

#[test]
fn what_a_server_can_do_is_told_and_who_waits_there_is_a_person() {
    let (found, listed) = server_said(json!({ "organizer_id": 3 }), |hub, key| {
        // Whoever waits is a person, with a record of that kind, and no guest.
        let person = until("the person who waits", || {
            let found = hub.get("/api/v1/people?search=manuela%40correo.example", key).json();
            found["data"].get(0).cloned()
        });
        let whole = hub.get(&format!("/api/v1/people/{}", person["id"].as_str().unwrap()), key).json();
        assert!(whole.to_string().contains("waitlist_entry"), "{whole}");
        assert_eq!(hub.get("/api/v1/shows/boleteria/118", key).json()["waitlist"]["waiting"], 1);
    });
    assert!(found.starts_with("can: One webhook for all shows of the organiser, Waitlist, Affiliates"), "{found}");
    assert!(listed.contains("Waitlist") && listed.contains("yes"), "{listed}");
    let old = json!({ "organizer_id": 3, "waitlist": false, "organizer_webhooks": false });
    let (found, listed) = server_said(old, |_, _| {});
    let lacks = "cannot: One webhook for all shows of the organiser (since 1.7.0), Waitlist (since 1.7.0)";
    assert!(found.contains(lacks), "{found}");
    assert!(listed.contains("no (since 1.7.0)"), "{listed}");
}
