//! `pasarela sandbox` beside `pasarela serve`: the doubles of a configuration, as somebody uses them
//! who tries out a hub.

#[path = "support/files.rs"]
#[allow(dead_code, reason = "shared with the tests of damage")]
mod files;

#[path = "sandbox/by_hand.rs"]
mod by_hand;
#[path = "sandbox/corrected.rs"]
mod corrected;
#[path = "sandbox/crm.rs"]
mod crm;
#[path = "sandbox/halved.rs"]
mod halved;
#[path = "sandbox/provision.rs"]
mod provision;
#[path = "sandbox/refunds.rs"]
mod refunds;
#[path = "support/sandbox.rs"]
mod sandbox;
#[path = "sandbox/season.rs"]
mod season;
#[path = "sandbox/told.rs"]
mod told;

use files::{Place, free_port, until};
use sandbox::Sandbox;
use serde_json::json;
use std::net::SocketAddr;

#[test]
fn a_sale_by_hand_reaches_the_guests_phone() {
    let place = Place::new();
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
    place.write(&format!(
        "[sandbox]\nurl = \"http://{addr}\"\n\
         [connections.boleteria]\nprovider = \"hi-events\"\nbase_url = \"http://{addr}/boleteria\"\nallow_private_targets = true\n\
         webhook_secrets = [\"uno\"]\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3\n\
         [connections.twenty]\nprovider = \"twenty\"\nbase_url = \"http://{addr}/twenty\"\nallow_private_targets = true\n\
         webhook_secrets = [\"dos\"]\napi_key = \"clave\"\napi_key_name = \"pasarela-hub\"\n\
         [connections.whatsapp]\nprovider = \"whatsapp\"\nbase_url = \"http://{addr}/whatsapp\"\nallow_private_targets = true\n\
         webhook_secrets = [\"tres\"]\naccess_token = \"clave\"\nphone_number_id = \"20455\"\n"
    ));
    let sandbox = Sandbox::start(&place, addr);
    let hub = place.serve();
    let show = sandbox.act(
        "boleteria",
        "create_show",
        json!({ "title": "Raíz y Seda", "starts_at": "2030-11-27T01:00:00Z", "tiers": [{ "label": "General", "price": 60000 }] }),
    );
    let buyer = json!({ "first_name": "Manuela", "last_name": "Ospina", "email": "manuela@correo.example", "phone": "315 550 0123" });
    let sold = sandbox.act(
        "boleteria",
        "sell",
        json!({ "show_id": show["show_id"], "buyer": buyer, "tickets": [{}], "payment": "stripe" }),
    );
    let code = sold["tickets"][0]["code"].as_str().unwrap();
    let chat = until("a message", || sandbox.view("whatsapp", "chats").get(0).cloned());
    assert_eq!(chat["phone"], "+573155500123");
    let message = chat["messages"][0]["text"].as_str().unwrap();
    assert!(message.contains("Hola, Manuela. Tu boleta para Raíz y Seda") && message.contains(code), "{message}");
    let people = until("a person", || Some(sandbox.view("twenty", "people")).filter(|p| p.get(0).is_some()));
    assert_eq!(people[0]["name"], "Manuela Ospina");
    hub.stop();
}

#[test]
fn a_sandbox_without_anything_to_serve_or_for_the_world_is_refused() {
    let place = Place::shop();
    let told = place.run(&["sandbox"]);
    told.says(2, &["tienda: the provider http has no double", "no connection that could have a double"]);
    place.write("[connections.whatsapp]\nprovider = \"whatsapp\"\n");
    place.run(&["sandbox", "--listen", "0.0.0.0:0"]).says(1, &["0.0.0.0", "use 127.0.0.1"]);
    place.write("[sandbox]\nurl = \"https://pruebas.example\"\n[connections.whatsapp]\nprovider = \"whatsapp\"\n");
    place.run(&["sandbox"]).says(2, &["sandbox.url", "http://127.0.0.1:8090"]);
}
