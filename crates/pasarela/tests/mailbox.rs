//! A guest without WhatsApp, from the sale to the mailbox: the ticket comes by mail, its link opens, what
//! the guest does with the mail is believed.

#[path = "support/files.rs"]
#[allow(dead_code, reason = "shared with the tests of damage")]
mod files;

#[path = "support/sandbox.rs"]
mod sandbox;

use files::{Place, free_port, until};
use sandbox::Sandbox;
use serde_json::{Value, json};
use std::net::SocketAddr;

fn mailbox(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.view("correo", "mailbox")["messages"].as_array().cloned().unwrap_or_default()
}

fn sell(sandbox: &Sandbox, show: &Value, phone: Option<&str>) -> Value {
    let buyer =
        json!({ "first_name": "Manuela", "last_name": "Ospina", "email": "manuela@correo.example", "phone": phone });
    let sale =
        json!({ "show_id": show["show_id"], "buyer": buyer, "tickets": [{}], "payment": "stripe", "locale": "es" });
    sandbox.act("boleteria", "sell", sale)
}

#[test]
fn a_guest_without_whatsapp_gets_the_ticket_by_mail_and_what_they_say_of_it_counts() {
    let place = Place::new();
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mail = SocketAddr::from(([127, 0, 0, 1], free_port()));
    place.write(&format!(
        "[sandbox]\nurl = \"http://{addr}\"\n[tickets]\nseller = \"Fashionistas S.A.S.\"\nqr = \"signed\"\n\
         [connections.boleteria]\nprovider = \"hi-events\"\nbase_url = \"http://{addr}/boleteria\"\nallow_private_targets = true\n\
         webhook_secrets = [\"uno\"]\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3\n\
         [connections.whatsapp]\nprovider = \"whatsapp\"\nbase_url = \"http://{addr}/whatsapp\"\nallow_private_targets = true\n\
         webhook_secrets = [\"tres\"]\naccess_token = \"clave\"\nphone_number_id = \"20455\"\n\
         [connections.correo]\nprovider = \"smtp\"\nbase_url = \"smtp://{mail}\"\ntls = \"none\"\nallow_private_targets = true\n\
         webhook_secrets = [\"cuatro\"]\nfrom = \"Fashionistas <boletas@fashionistas.example>\"\n"
    ));
    let (_, key) = place.key("read");
    let sandbox = Sandbox::start(&place, addr);
    let hub = place.serve();
    let show = sandbox.act(
        "boleteria",
        "create_show",
        json!({ "title": "Raíz y Seda", "starts_at": "2030-11-28T01:00:00Z", "venue": "Plaza Mayor", "city": "Medellín",
            "tiers": [{ "label": "General", "price": 60000 }] }),
    );
    // WhatsApp takes the message and says later that the number has none.
    sandbox.act("whatsapp", "no_whatsapp", json!({ "phone": "+573155500123" }));
    let sold = sell(&sandbox, &show, Some("315 550 0123"));
    let code = sold["tickets"][0]["code"].as_str().unwrap().to_owned();
    let message = until("the ticket by mail", || mailbox(&sandbox).into_iter().next());
    assert_eq!(
        (&message["to"], &message["subject"]),
        (&json!("manuela@correo.example"), &json!("Tu boleta para Raíz y Seda"))
    );
    let text = message["text"].as_str().unwrap();
    assert!(text.contains(&code) && text.contains("miércoles 27 de noviembre, 8:00 p. m."), "{text}");
    let names: Vec<&str> =
        message["attachments"].as_array().unwrap().iter().map(|a| a["type"].as_str().unwrap()).collect();
    assert_eq!(names, ["application/pdf", "text/calendar"]);

    // The link opens, from the address that guests have.
    let link = text.split_whitespace().find(|w| w.contains("/b/P1")).unwrap();
    let path = link.split_once("/b/").map(|(_, token)| format!("/b/{token}")).unwrap();
    let page = hub.send("GET", &path, &[], b"");
    assert!(page.status == 200 && page.body.contains(&code) && page.body.contains("Manuela Ospina"), "{page:?}");
    sandbox.act("boleteria", "scan", json!({ "code": code }));
    until("the page to know of the scan", || hub.send("GET", &path, &[], b"").body.contains(">Usada<").then_some(()));
    // A new key signs from now on; what was sent stays true, here and after a restart.
    let before = place.run(&["tickets", "keys"]).out;
    assert_eq!(place.run(&["tickets", "rotate"]).code, 0);
    assert_eq!(place.run(&["tickets", "keys"]).out.lines().count(), before.lines().count() + 1);
    assert_eq!(hub.send("GET", &path, &[], b"").status, 200);
    hub.stop();
    let hub = place.serve();
    assert_eq!(hub.send("GET", &path, &[], b"").status, 200, "the same link after a restart");

    // Who wants no advertising still gets what they bought; who complains is not written to.
    let listed = |cause: &str| {
        let told = place.run(&["suppressions", "list", "--json"]).out;
        told.contains(&format!("\"cause\":\"{cause}\"")).then_some(())
    };
    sandbox.act("correo", "unsubscribe", json!({ "email": "manuela@correo.example" }));
    until("the wish to be known", || listed("unsubscribed"));
    sell(&sandbox, &show, None);
    until("a second ticket by mail, without a number at all", || (mailbox(&sandbox).len() == 2).then_some(()));
    sandbox.act("correo", "complain", json!({ "email": "manuela@correo.example" }));
    until("the complaint to be known", || listed("complained"));
    sell(&sandbox, &show, None);
    until("the third one to be refused", || {
        let list = hub.get("/api/v1/effects?connection=correo&limit=50", &key).json();
        list["data"].as_array()?.iter().any(|e| e["code"] == "suppressed_complained").then_some(())
    });
    assert_eq!(mailbox(&sandbox).len(), 2);
    assert_eq!(place.run(&["suppressions", "remove", "manuela@correo.example"]).code, 0);
    place.run(&["suppressions", "remove", "manuela@correo.example"]).says(1, &["it is written to"]);
    place.run(&["suppressions", "add", "manuela"]).says(2, &["not an e-mail address"]);
    hub.stop();
}
