//! What a person asks for by hand, against the double of the ticketing: an order is cancelled there because somebody
//! said so here, once, and its story tells of it.

use crate::files::{Place, free_port, send, until};
use crate::sandbox::Sandbox;
use serde_json::json;
use std::net::SocketAddr;

#[test]
fn an_order_is_cancelled_because_somebody_asks_for_it() {
    let place = Place::new();
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
    place.write(&format!(
        "[sandbox]\nurl = \"http://{addr}\"\n\
         [connections.boleteria]\nprovider = \"hi-events\"\nbase_url = \"http://{addr}/boleteria\"\nallow_private_targets = true\n\
         webhook_secrets = [\"uno\"]\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3\n"
    ));
    let sandbox = Sandbox::start(&place, addr);
    let hub = place.serve();
    let (_, key) = place.key("read,write,audit:read");
    let show = sandbox.act(
        "boleteria",
        "create_show",
        json!({ "title": "Raíz y Seda", "starts_at": "2030-11-27T01:00:00Z", "tiers": [{ "label": "General", "price": 60000 }] }),
    );
    let buyer = json!({ "first_name": "Manuela", "last_name": "Ospina", "email": "manuela@correo.example" });
    let sold = sandbox.act(
        "boleteria",
        "sell",
        json!({ "show_id": show["show_id"], "buyer": buyer, "tickets": [{}, {}], "payment": "offline" }),
    );
    let order =
        sold["order_id"].as_u64().map_or_else(|| sold["order_id"].as_str().unwrap().to_owned(), |n| n.to_string());
    let path = format!("/api/v1/orders/boleteria/{order}");
    until("the order", || (hub.get(&path, &key).status == 200).then_some(()));
    assert_eq!(hub.get(&path, &key).json()["order"]["status"], "placed");

    // What the provider would refuse is not asked for.
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let post = |path: &str, body: &str| hub.send("POST", path, &headers, body.as_bytes());
    let wrong = post(&format!("{path}/cancel"), r#"{ "motivo": "sí" }"#);
    wrong.problem(400, &["unknown field"]);

    let again = [headers[0], headers[1], ("idempotency-key", "una-sola-vez")];
    let asked = hub.send("POST", &format!("{path}/cancel"), &again, b"");
    assert_eq!(asked.status, 202, "{asked:?}");
    let repeated = hub.send("POST", &format!("{path}/cancel"), &again, b"");
    assert_eq!(repeated.json(), asked.json(), "the same request is one wish");
    until("the cancelled order", || (hub.get(&path, &key).json()["order"]["status"] == "cancelled").then_some(()));

    // The story: what was asked, by whom, the flow that did it, and what the provider said.
    let delivery = asked.json()["delivery_id"].as_str().unwrap().to_owned();
    let event = until("the event", || {
        let told = hub.get(&format!("/api/v1/deliveries/{delivery}"), &key).json();
        told["events"].get(0).and_then(|e| e.as_str()).map(str::to_owned)
    });
    let story = until("the end of the story", || {
        let story = hub.get(&format!("/api/v1/events/{event}/story"), &key).json();
        (story["runs"][0]["status"] == "done").then_some(story)
    });
    assert_eq!(story["event"]["type"], "action.asked");
    assert_eq!(story["event"]["data"]["action"], "cancel_order");
    assert_eq!(story["runs"][0]["flow"], "a-mano-boleteria-cancel_order");
    let effects = story["runs"][0]["effects"].as_array().unwrap();
    assert_eq!(effects.len(), 1, "{story:#}");
    let flows = hub.get("/api/v1/flows", &key).json();
    let names = flows["data"].as_array().unwrap().iter().filter(|f| f["name"].as_str().unwrap().starts_with("a-mano"));
    assert_eq!(names.count(), 1, "the flow was made once");
    let audit = hub.get("/api/v1/audit?action=orders.cancel", &key).json();
    assert!(audit.to_string().contains("cancel_order"), "{audit:#}");
    let told = send(addr, "GET", "/_sandbox/boleteria/view/orders", &[], b"").unwrap().json();
    assert!(told.to_string().contains("CANCELLED"), "{told:#}");
    hub.stop();
}
