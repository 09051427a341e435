//! Half of all webhooks are lost on their way: what a hub knows in the end is what the provider has, each thing once.

use crate::files::{Place, free_port, send, until};
use crate::sandbox::Sandbox;
use serde_json::json;
use std::net::SocketAddr;

#[test]
fn with_half_of_all_webhooks_lost_a_hub_ends_with_every_sale_once() {
    const ORDERS: usize = 12;
    let place = Place::new();
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
    place.write(&format!(
        "[sandbox]\nurl = \"http://{addr}\"\n\
         [connections.boleteria]\nprovider = \"hi-events\"\nbase_url = \"http://{addr}/boleteria\"\nallow_private_targets = true\n\
         webhook_secrets = [\"uno-dos-tres\"]\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3\n\
         reconcile_every = \"2s\"\nreconcile_share = 1.0\nlimits = {{ per_minute = 170 }}\n"
    ));
    let sandbox = Sandbox::start(&place, addr);
    until("the double", || send(addr, "POST", "/boleteria/auth/login", &[], b"{}").ok().filter(|a| a.status == 422));
    let faults = json!({ "p_webhook_drop": 0.5 }).to_string();
    let answer =
        send(addr, "PUT", "/_sandbox/faults", &[("content-type", "application/json")], faults.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let (_, key) = place.key("read");
    let hub = place.serve();
    let show = sandbox.act(
        "boleteria",
        "create_show",
        json!({ "title": "Raíz y Seda", "starts_at": "2030-11-27T01:00:00Z", "tiers": [{ "label": "General", "price": 60000 }] }),
    );
    for n in 0..ORDERS {
        let buyer = json!({ "first_name": format!("Invitada {n}"), "last_name": "Ospina", "email": format!("i{n}@correo.example") });
        let guest = json!({ "first_name": format!("Acompañante {n}"), "last_name": "Gil", "email": format!("a{n}@correo.example") });
        let sale = json!({ "show_id": show["show_id"], "buyer": buyer, "tickets": [{}, { "holder": guest }], "payment": "stripe" });
        let sold = sandbox.act("boleteria", "sell", sale);
        if n == 0 {
            sandbox.act("boleteria", "scan", json!({ "code": sold["tickets"][0]["code"] }));
            sandbox.act("boleteria", "cancel_attendee", json!({ "attendee_id": sold["tickets"][1]["id"] }));
        }
    }
    let count = |kind: &str| {
        let list = hub.get(&format!("/api/v1/events?type={kind}&limit=200"), &key).json();
        list["data"].as_array().unwrap_or_else(|| panic!("{list}")).len()
    };
    let all = || {
        ["show.published", "order.placed", "order.paid", "ticket.issued", "ticket.checked_in", "ticket.cancelled"]
            .map(count)
    };
    let wanted = [1, ORDERS, ORDERS, 2 * ORDERS, 1, 1];
    until("every sale", || (all() == wanted).then_some(()));
    hub.stop();
}
