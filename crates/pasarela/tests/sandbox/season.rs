//! A sold-out show from the ticket shop to the CRM, through the map of persons: complete and nobody twice; the
//! same with half of the webhooks lost; and nothing of it changes when all is decided again. How long it took beside the
//! least that the CRM's limit allows is told, and not judged: it is real time.
//!
//! `PASARELA_TEST_GUESTS=2000` is the whole house; the suite sells a part of it. `pasarela bench season` measures it.

use crate::files::{Place, free_port, send, until};
use crate::sandbox::Sandbox;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Time of one call at the CRM's limit of 100 a minute, as the connector keeps it.
const PACE: Duration = Duration::from_millis(650);

const GIVEN: [&str; 20] = [
    "Valentina",
    "Manuela",
    "Salomé",
    "Isabella",
    "Antonia",
    "Lucía",
    "Mariana",
    "Gabriela",
    "Camila",
    "Daniela",
    "Tomás",
    "Mateo",
    "Samuel",
    "Emilio",
    "Joaquín",
    "Martín",
    "Nicolás",
    "Simón",
    "Jerónimo",
    "Agustín",
];
const FIRST: [&str; 10] =
    ["Ospina", "Uribe", "Vélez", "Restrepo", "Giraldo", "Bermúdez", "Arango", "Cano", "Duque", "Ríos"];
const SECOND: [&str; 10] =
    ["Mejía", "Tobón", "Gil", "Mora", "Paz", "Ñustes", "Zapata", "Correa", "Lozano", "de la Cruz"];

fn guests() -> usize {
    std::env::var("PASARELA_TEST_GUESTS").ok().and_then(|n| n.parse().ok()).unwrap_or(120)
}

/// The n-th guest: nobody has the name of another.
fn name(n: usize) -> (String, String) {
    let surnames = format!("{} {}", FIRST[n / 20 % 10], SECOND[n / 200 % 10]);
    (GIVEN[n % 20].to_owned(), surnames)
}

fn full(n: usize) -> String {
    let (given, surnames) = name(n);
    format!("{given} {surnames}")
}

fn person(n: usize, email: &str, phone: bool) -> Value {
    let (given, surnames) = name(n);
    let mut person = json!({ "first_name": given, "last_name": surnames, "email": email });
    if phone {
        person["phone"] = json!(format!("+5730{:08}", n + 1));
    }
    person
}

struct House {
    place: Place,
    addr: SocketAddr,
    sandbox: Sandbox,
}

impl House {
    fn new() -> Self {
        let place = Place::new();
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let flows = place.path("flujos");
        std::fs::create_dir(&flows).unwrap();
        let flow = include_str!("../../flows/persona-al-crm.yaml");
        std::fs::write(flows.join("persona-al-crm.yaml"), flow).unwrap();
        place.write(&format!(
            "[flows]\nbuiltin = false\nfolder = \"flujos\"\n[sandbox]\nurl = \"http://{addr}\"\n\
             [connections.boleteria]\nprovider = \"hi-events\"\nbase_url = \"http://{addr}/boleteria\"\nallow_private_targets = true\n\
             webhook_secrets = [\"uno\"]\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3\n\
             [connections.crm]\nprovider = \"twenty\"\nbase_url = \"http://{addr}/crm\"\nallow_private_targets = true\n\
             webhook_secrets = [\"dos\"]\napi_key = \"clave\"\napi_key_name = \"pasarela-hub\"\n"
        ));
        let sandbox = Sandbox::start(&place, addr);
        until("the double of the CRM", || {
            let headers = [("authorization", "Bearer clave")];
            send(addr, "GET", "/crm/rest/metadata/views", &headers, b"").ok().filter(|a| a.status == 200)
        });
        let told = place.run(&["connections", "provision", "crm", "--apply", "--yes", "--json"]);
        assert_eq!(told.code, 0, "{told:?}");
        Self { place, addr, sandbox }
    }

    fn calls(&self) -> u64 {
        let traffic = send(self.addr, "GET", "/_sandbox/traffic", &[], b"").unwrap().json();
        traffic.pointer("/data/calls").or(traffic.get("calls")).and_then(Value::as_u64).unwrap()
    }

    /// Sells the house: orders of one to four; plus-ones with an address of their own or with the buyer's, some without
    /// a phone; every tenth buyer comes back for one more.
    /// Gives back who is to be in the CRM, with the address that is their own.
    fn sell(&self, guests: usize) -> BTreeMap<String, String> {
        let args = json!({
            "title": "Raíz y Seda", "starts_at": "2030-11-27T01:00:00Z",
            "tiers": [{ "label": "General", "price": 60000 }]
        });
        let show = self.sandbox.act("boleteria", "create_show", args);
        let (mut people, mut at, mut orders) = (BTreeMap::new(), 0, 0);
        while at < guests {
            let size = (1 + orders % 4).min(guests - at);
            let address = format!("compradora{at}@correo.example.co");
            let buyer = person(at, &address, orders % 5 > 0);
            let mut tickets = vec![json!({})];
            people.insert(full(at), address.clone());
            for n in at + 1..at + size {
                let own = format!("invitada{n}@correo.example.co");
                let (typed, theirs) = if n % 3 == 0 { (&address, "") } else { (&own, own.as_str()) };
                people.insert(full(n), theirs.to_owned());
                tickets.push(json!({ "holder": person(n, typed, false) }));
            }
            let order = |tickets: Vec<Value>| json!({ "show_id": show["show_id"], "buyer": buyer, "tickets": tickets, "payment": "stripe" });
            self.sandbox.act("boleteria", "sell", order(tickets));
            if orders % 10 == 9 {
                self.sandbox.act("boleteria", "sell", order(vec![json!({})]));
            }
            (at, orders) = (at + size, orders + 1);
        }
        people
    }

    /// Everybody in the CRM: name and address, in order.
    fn people(&self) -> Vec<(String, String)> {
        let list = self.sandbox.view("crm", "people");
        let text = |p: &Value, field: &str| p[field].as_str().unwrap_or_default().to_owned();
        let mut all: Vec<_> = list.as_array().unwrap().iter().map(|p| (text(p, "name"), text(p, "email"))).collect();
        all.sort();
        all
    }

    /// The CRM's people without times, by name.
    fn state(&self) -> BTreeMap<String, String> {
        let list = self.sandbox.view("crm", "people");
        let shown = |p: &Value| format!("{} {} {}", p["email"], p["phone"], p["deleted"]);
        list.as_array().unwrap().iter().map(|p| (p["name"].as_str().unwrap().to_owned(), shown(p))).collect()
    }

    /// Until everybody is there with their address, and nobody else.
    fn wait(&self, wanted: &BTreeMap<String, String>) {
        let wanted: Vec<(String, String)> = wanted.clone().into_iter().collect();
        let deadline = Instant::now() + Duration::from_secs(240);
        loop {
            let people = self.people();
            if people == wanted {
                return;
            }
            if Instant::now() > deadline {
                let missing: Vec<_> = wanted.iter().filter(|p| !people.contains(p)).take(9).collect();
                let extra: Vec<_> = people.iter().filter(|p| !wanted.contains(p)).take(9).collect();
                panic!("{} of {}: missing {missing:?}, beyond {extra:?}", people.len(), wanted.len());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Until nothing moves any more.
    fn calm(&self) {
        let (mut last, mut since) = (self.calls(), Instant::now());
        while since.elapsed() < Duration::from_secs(4) {
            std::thread::sleep(Duration::from_millis(250));
            let now = self.calls();
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "the figures are for the book")]
fn a_sold_out_show_arrives_in_the_crm_and_lost_webhooks_and_replays_change_nothing() {
    let house = House::new();
    let hub = house.place.serve();
    let before = house.calls();
    let began = Instant::now();
    let names = house.sell(guests());
    let sold = began.elapsed();
    house.wait(&names);
    let took = began.elapsed();
    house.calm();
    assert_eq!(house.people(), names.clone().into_iter().collect::<Vec<_>>(), "everybody once, and it stays so");
    let calls = house.calls() - before;
    // A look takes some fifty persons, a write two hundred.
    let least = PACE * u32::try_from(names.len().div_ceil(200) * 5).unwrap();
    println!(
        "{} guests sold in {sold:.1?}, in the CRM after {took:.1?}: {calls} calls to both providers; the limit's least is {least:.1?}",
        names.len()
    );
    // By webhooks; then all of it decided again.
    let state = house.state();
    let told = house.place.run(&["replay", "--connection", "boleteria", "--since", "2020-01-01T00:00:00Z"]);
    assert_eq!(told.code, 0, "{told:?}");
    house.calm();
    assert_eq!(house.state(), state, "decided again, it is as it was");
    hub.stop();

    // Another house: half of the webhooks never come, and the records are read. Reading keeps a pace of its own, so it
    // is a smaller one.
    let other = House::new();
    let faults = json!({ "p_webhook_drop": 0.5 });
    let headers = [("content-type", "application/json")];
    let answer = send(other.addr, "PUT", "/_sandbox/faults", &headers, faults.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let hub = other.place.serve();
    let names = other.sell(guests() / 6);
    let told = other.place.run(&["reconcile", "boleteria"]);
    assert_eq!(told.code, 0, "{told:?}");
    other.wait(&names);
    other.calm();
    assert_eq!(other.people(), names.into_iter().collect::<Vec<_>>(), "what webhooks lost, the records have");
    hub.stop();
}
