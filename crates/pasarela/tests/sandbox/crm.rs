//! The built-in flows into the CRM: orders with their buyers and shows, in a workspace with the fashion model and in one
//! without; deals that move; and a person of the hub's who is told to the CRM.

use crate::files::{Place, free_port, send, until};
use crate::sandbox::Sandbox;
use serde_json::{Value, json};
use std::net::SocketAddr;

struct House {
    place: Place,
    addr: SocketAddr,
    sandbox: Sandbox,
}

impl House {
    fn new(more: &str) -> Self {
        let place = Place::new();
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        place.write(&format!(
            "{more}[sandbox]\nurl = \"http://{addr}\"\n\
             [connections.boleteria]\nprovider = \"hi-events\"\nbase_url = \"http://{addr}/boleteria\"\nallow_private_targets = true\n\
             webhook_secrets = [\"uno\"]\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3\n\
             [connections.crm]\nprovider = \"twenty\"\nbase_url = \"http://{addr}/crm\"\nallow_private_targets = true\n\
             webhook_secrets = [\"dos\"]\napi_key = \"clave\"\napi_key_name = \"pasarela-hub\"\n"
        ));
        let sandbox = Sandbox::start(&place, addr);
        let house = Self { place, addr, sandbox };
        until("the double of the CRM", || {
            let headers = [("authorization", "Bearer clave")];
            send(addr, "GET", "/crm/rest/metadata/views", &headers, b"").ok().filter(|a| a.status == 200)
        });
        house
    }

    fn provision(&self) {
        let told = self.place.run(&["connections", "provision", "crm", "--apply", "--yes", "--json"]);
        assert_eq!(told.code, 0, "{told:?}");
    }

    fn rest(&self, method: &str, path: &str, body: &Value) -> Value {
        let headers = [("authorization", "Bearer clave"), ("content-type", "application/json")];
        let text = if body.is_null() { String::new() } else { body.to_string() };
        send(self.addr, method, &format!("/crm/rest/{path}"), &headers, text.as_bytes()).unwrap().json()
    }

    /// What the double has, without a call of its interface: those are counted against the hub's limit.
    fn rows(&self, what: &str) -> Vec<Value> {
        self.sandbox.view("crm", what).as_array().cloned().unwrap_or_default()
    }

    fn show(&self, status: &str) -> Value {
        let args = json!({
            "title": "Raíz y Seda", "status": status, "starts_at": "2030-11-27T01:00:00Z", "tiers": [{ "label": "General", "price": 60000 }]
        });
        self.sandbox.act("boleteria", "create_show", args)
    }

    fn sell(&self, show: &Value) -> Value {
        let buyer = json!({
            "first_name": "Manuela", "last_name": "Ospina Ríos", "email": "manuela@correo.example", "phone": "315 550 0123"
        });
        let args = json!({ "show_id": show["show_id"], "buyer": buyer, "tickets": [{}, {}], "payment": "stripe" });
        self.sandbox.act("boleteria", "sell", args)
    }
}

#[test]
fn an_order_reaches_the_crm_with_its_buyer_and_its_show_and_names_of_people_stay() {
    let house = House::new("");
    house.provision();
    house.sandbox.act("crm", "create_person", json!({ "name": "Manu Ospina", "email": "manuela@correo.example" }));
    let hub = house.place.serve();
    let show = house.show("LIVE");
    let sold = house.sell(&show);
    let order = until("an order", || house.rows("ticketOrders").into_iter().find(|o| o["estado"] == "PAGADA"));
    assert_eq!((&order["boletas"], &order["total"]["amountMicros"]), (&json!(2), &json!(120_000_000_000_i64)));
    let person = house.rows("people").into_iter().find(|p| p["id"] == order["compradorId"]).unwrap();
    assert_eq!(person["email"], "manuela@correo.example");
    let event = until("the show", || house.rows("fashionEvents").into_iter().find(|e| e["inicia"].is_string()));
    assert_eq!(
        (&event["id"], &event["name"], &event["publicado"]),
        (&order["eventoId"], &json!("Raíz y Seda"), &json!(true))
    );
    assert_eq!((house.rows("ticketOrders").len(), house.rows("fashionEvents").len()), (1, 1));
    house.sandbox.act("boleteria", "cancel_order", json!({ "order_id": sold["order_id"] }));
    until("the cancelled order", || house.rows("ticketOrders").into_iter().find(|o| o["estado"] == "CANCELADA"));
    assert_eq!(house.rows("ticketOrders").len(), 1);
    hub.stop();
}

#[test]
fn in_a_workspace_without_the_model_orders_wait_for_nobody() {
    let house = House::new("");
    let (_, key) = house.place.key("effects:read,flows:read");
    let hub = house.place.serve();
    let show = house.show("LIVE");
    house.sell(&show);
    let withheld = until("what was withheld", || {
        let all = hub.get("/api/v1/effects?connection=crm", &key).json();
        let rows = all["data"].as_array().cloned().unwrap_or_default();
        rows.into_iter().find(|e| e["action"] == "upsert_record" && e["state"] == "withheld")
    });
    assert!(withheld.to_string().contains("not_provisioned"), "{withheld}");
    let people = until("the buyer", || Some(house.rows("people")).filter(|p| !p.is_empty()));
    assert_eq!(people.len(), 1);
    hub.stop();
}

#[test]
fn a_published_show_and_a_sponsor_move_their_deals() {
    let house = House::new("[vars]\npatrocinios = true\n");
    house.provision();
    let hub = house.place.serve();
    let show = house.show("DRAFT");
    let event = until("the show", || house.rows("fashionEvents").into_iter().next());
    let deal =
        json!({ "name": "Patrocinio Oro", "stage": "CONTRATO", "embudo": "PATROCINIOS", "eventoId": event["id"] });
    house.rest("POST", "opportunities", &deal);
    house.rest(
        "POST",
        "opportunities",
        &json!({ "name": "Prensa", "stage": "CONTRATO", "embudo": "PRENSA", "eventoId": event["id"] }),
    );
    house.sandbox.act("boleteria", "publish_show", json!({ "show_id": show["show_id"] }));
    until("the deal's next stage", || house.rows("opportunities").into_iter().find(|d| d["stage"] == "ACTIVACION"));
    assert_eq!(house.rows("opportunities").iter().filter(|d| d["stage"] == "CONTRATO").count(), 1);
    hub.stop();
}

/// The chapter's own example, in both languages: what is shown there is what runs here.
#[test]
fn a_paid_invoice_of_another_program_moves_its_deal_and_asks_for_what_a_person_must_do() {
    let shown = |language: &str| {
        let path = format!("{}/../../docs/book/src/{language}/twenty.md", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let from = text.find("flow: factura-pagada").expect("the chapter shows it");
        text[from..].split("```").next().unwrap().to_owned()
    };
    assert_eq!(shown("en"), shown("es"));
    let house = House::new(
        "[flows]\nfolder = \"flujos\"\n\
         [connections.erp]\nprovider = \"http\"\nwebhook_secrets = [\"tres\"]\n\
         verify = { scheme = \"hmac-sha256\", header = \"x-signature\" }\n\
         event = { type = \"/type\", id = \"/id\", key = \"/id\" }\n",
    );
    std::fs::create_dir_all(house.place.path("flujos")).unwrap();
    std::fs::write(house.place.path("flujos/factura-pagada.yaml"), shown("es")).unwrap();
    house.provision();
    let hub = house.place.serve();
    let person = house.sandbox.act("crm", "create_person", json!({ "name": "Lucía Barrios Peña" }));
    let deal = |name: &str, stage: &str| {
        let body = json!({ "name": name, "stage": stage, "embudo": "PATROCINIOS" });
        house.rest("POST", "opportunities", &body)["data"]["createOpportunity"]["id"].clone()
    };
    let (signed, lost) = (deal("Patrocinio Plata", "CONTRATO"), deal("Patrocinio Bronce", "CERRADO_PERDIDO"));
    for (n, deal) in [&signed, &lost].into_iter().enumerate() {
        let body = json!({
            "type": "invoice.paid", "id": format!("F-{n}"), "number": format!("F-{n}"), "deal": deal, "person": person["id"],
        });
        let body = body.to_string();
        let signature = pasarela_connector::sign::hmac_sha256_hex(b"tres", &[body.as_bytes()]);
        let answer = send(house.place.public, "POST", "/hooks/erp", &[("x-signature", &signature)], body.as_bytes());
        assert_eq!(answer.unwrap().status, 200);
    }
    let stage = |id: &Value| house.rows("opportunities").into_iter().find(|d| d["id"] == *id).unwrap()["stage"].clone();
    until("the deal's next stage", || (stage(&signed) == "ACTIVACION").then_some(()));
    let task = until("the task", || house.rows("tasks").into_iter().next());
    assert!(task.to_string().contains("Factura F-0 pagada"), "{task}");
    // The other invoice came after it to the same connection, and nothing was left to do for it.
    let (_, key) = house.place.key("effects:read");
    until("both moves to be done", || {
        let all = hub.get("/api/v1/effects?connection=crm&state=done", &key).json();
        let rows = all["data"].as_array().cloned().unwrap_or_default();
        (rows.iter().filter(|e| e["action"] == "move_deal").count() == 2).then_some(())
    });
    assert_eq!((stage(&lost), house.rows("tasks").len()), (json!("CERRADO_PERDIDO"), 1));
    hub.stop();
}

/// Guests of one order, two with the buyer's address and one with their own; an edit at each side.
#[test]
fn persons_of_the_hub_are_in_the_crm_once_and_edits_reach_the_other_side() {
    let house = House::new("");
    house.provision();
    let hub = house.place.serve();
    let show = house.show("LIVE");
    let buyer = json!({ "first_name": "Manuela", "last_name": "Ospina Ríos", "email": "manuela@correo.example", "phone": "315 550 0123" });
    let tickets = json!([
        {},
        { "holder": { "first_name": "Tomás", "last_name": "Uribe Gil", "email": "tomas@correo.example" } },
        { "holder": { "first_name": "Salomé", "last_name": "Vélez Mora", "email": "manuela@correo.example" } },
    ]);
    let args = json!({ "show_id": show["show_id"], "buyer": buyer, "tickets": tickets, "payment": "stripe" });
    let sold = house.sandbox.act("boleteria", "sell", args);
    let named = |name: &str| house.rows("people").into_iter().filter(|p| p["name"] == name).collect::<Vec<_>>();
    for name in ["Manuela Ospina Ríos", "Tomás Uribe Gil", "Salomé Vélez Mora"] {
        until(name, || named(name).into_iter().next());
    }
    assert_eq!(named("Tomás Uribe Gil")[0]["email"], "tomas@correo.example");
    assert_eq!(named("Salomé Vélez Mora")[0]["email"], "", "the buyer's address is not hers");
    // At the ticket shop: her name is mended, and the CRM has it under the same record.
    let tomas = named("Tomás Uribe Gil")[0]["id"].clone();
    let ticket = sold["tickets"].as_array().unwrap()[1].clone();
    let edit = json!({ "attendee_id": ticket["id"], "last_name": "Uribe Giraldo" });
    house.sandbox.act("boleteria", "edit_attendee", edit);
    let mended = until("the mended name", || named("Tomás Uribe Giraldo").into_iter().next());
    assert_eq!(mended["id"], tomas);
    // Nothing goes round and round: every person is there once, and stays as they are.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let people = house.rows("people");
    assert_eq!(people.len(), 3, "{people:?}");
    hub.stop();
}
