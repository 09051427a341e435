//! The double of WhatsApp, spoken to by our own connector: request, answer, webhooks, verified
//! and translated again.

#[allow(dead_code, unreachable_pub)]
#[path = "fixtures/whatsapp/bench.rs"]
mod bench;
#[allow(dead_code, unreachable_pub)]
#[path = "fixtures/whatsapp/support.rs"]
mod support;

use bench::{Bench, CAMILA};
use pasarela_connector::{Correlation, Fact, Outcome, Settlement};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn a_ticket_arrives_and_its_statuses_settle_it() {
    let mut bench = Bench::with_template();
    let sent = bench.ticket("eff_1");
    let Outcome::Done(done) = sent.outcome else { panic!("{:?}", sent.outcome) };
    assert_eq!(done.result["message_status"], "accepted");
    let wamid = done.reference.unwrap();
    let mut told = Vec::new();
    let mut last = Duration::ZERO;
    for (after, webhook) in &sent.webhooks {
        assert!(*after > last, "one after the other");
        last = *after;
        let fact = bench.facts(webhook).remove(0);
        let settles = fact.settles.unwrap();
        // The key comes back, so that a status may arrive before the answer.
        assert_eq!(settles.by, [Correlation::Key("eff_1".into()), Correlation::Reference(wamid.clone())]);
        told.push((fact.event_type.unwrap(), settles.settlement));
    }
    assert_eq!(
        told,
        [
            ("message.sent".to_owned(), Settlement::Accepted),
            ("message.delivered".to_owned(), Settlement::Delivered),
            ("message.read".to_owned(), Settlement::Delivered),
        ]
    );
}

#[test]
fn what_is_sent_twice_arrives_twice() {
    let mut bench = Bench::with_template();
    bench.ticket("eff_1");
    bench.ticket("eff_2");
    bench.ticket("eff_1");
    let arrivals: Vec<(String, u32, String)> =
        bench.double.arrivals().into_iter().map(|a| (a.identity, a.times, a.detail)).collect();
    let detail = format!("boleta_confirmada to {CAMILA}");
    assert_eq!(arrivals, [("eff_1".into(), 2, detail.clone()), ("eff_2".into(), 1, detail)]);
    let sent = bench.double.view("sent");
    assert_eq!(sent.as_array().unwrap().len(), 3);
    assert_eq!(sent[0]["key"], "eff_1");
    assert_eq!(sent[0]["to"], CAMILA);
    assert_eq!(sent[0]["template"], "boleta_confirmada");
    assert_eq!(sent[0]["params"], json!(["Camila", "Pasarela Hilo Caribe"]));
}

#[test]
fn a_number_without_whatsapp_is_accepted_and_then_fails() {
    let mut bench = Bench::with_template();
    bench.act("no_whatsapp", json!({ "phone": CAMILA }));
    let sent = bench.ticket("eff_1");
    assert_eq!(sent.outcome.name(), "done");
    let fact = bench.only_fact(&sent.webhooks);
    assert_eq!(fact.event_type.as_deref(), Some("message.failed"));
    assert_eq!(fact.data["contact"]["phone"], CAMILA);
    let settles = fact.settles.unwrap();
    assert_eq!(settles.by[0], Correlation::Key("eff_1".into()));
    assert!(matches!(settles.settlement, Settlement::Failed { code, .. } if code == "131026"));
    assert_eq!(bench.double.view("chats")[0]["messages"][0]["status"], "failed");
}

#[test]
fn a_guest_with_a_user_name_has_no_phone_in_any_webhook() {
    let mut bench = Bench::with_template();
    bench.act("username_only", json!({ "phone": CAMILA, "username": "cami.telar" }));
    let reply = bench.act("say", json!({ "phone": CAMILA, "text": "¿Hay cupo?", "name": "Camila" }));
    let said = bench.only_fact(&reply.webhooks);
    let user_id = said.data["channel_user_id"].as_str().unwrap().to_owned();
    assert_eq!(said.key, format!("chat:{user_id}"));
    assert_eq!(said.data["contact"]["phone"], Value::Null);
    assert_eq!(said.data["text"], "¿Hay cupo?");
    // The answer goes to the user id, and its statuses name nothing else.
    let input = json!({ "to": null, "recipient": user_id, "text": "Sí, queda uno." });
    let sent = bench.send("send_text", input, "eff_9");
    let Outcome::Done(done) = &sent.outcome else { panic!() };
    assert_eq!(done.result["user_id"], user_id.as_str());
    assert_eq!(sent.webhooks.len(), 3);
    for (_, webhook) in &sent.webhooks {
        assert!(!String::from_utf8_lossy(&webhook.body).contains("573005550117"));
        assert_eq!(bench.facts(webhook)[0].key, format!("chat:{user_id}"));
    }
}

#[test]
fn free_text_needs_the_guests_message_of_the_last_day() {
    let mut bench = Bench::new(json!({}));
    let text = || json!({ "to": CAMILA, "text": "Te esperamos." });
    let code = |fact: &Fact| fact.data["error_code"].clone();
    let sent = bench.send("send_text", text(), "eff_1");
    assert_eq!(code(&bench.only_fact(&sent.webhooks)), "131047");
    bench.act("say", json!({ "phone": CAMILA, "text": "Hola" }));
    bench.later(23 * 3600);
    assert_eq!(bench.send("send_text", text(), "eff_2").webhooks.len(), 3);
    bench.later(3600);
    let sent = bench.send("send_text", text(), "eff_3");
    assert_eq!(code(&bench.only_fact(&sent.webhooks)), "131047");
}

#[test]
fn a_guest_who_stops_marketing_gets_no_more_of_it_but_still_tickets() {
    let mut bench = Bench::with_template();
    bench.act(
        "define_template",
        json!({ "name": "preventa", "category": "MARKETING", "body": "Hola {{1}}, abre la preventa." }),
    );
    let stop = bench.act("block_marketing", json!({ "phone": CAMILA }));
    let fact = bench.only_fact(&stop.webhooks);
    assert_eq!(fact.event_type.as_deref(), Some("consent.withdrawn"));
    assert_eq!(fact.data["contact"]["phone"], CAMILA);
    let preventa = json!({ "to": CAMILA, "template": "preventa", "language": "es", "params": ["Camila"] });
    let sent = bench.send("send_template", preventa.clone(), "eff_1");
    let [(_, webhook)] = sent.webhooks.as_slice() else { panic!() };
    let told: Vec<_> = bench.facts(webhook).into_iter().map(|f| f.event_type.unwrap()).collect();
    assert_eq!(told, ["message.failed", "consent.withdrawn"]);
    assert_eq!(bench.ticket("eff_2").webhooks.len(), 3);
    let resume = bench.act("allow_marketing", json!({ "phone": CAMILA }));
    assert_eq!(bench.only_fact(&resume.webhooks).event_type.as_deref(), Some("consent.given"));
    assert_eq!(bench.send("send_template", preventa, "eff_3").webhooks.len(), 3);
}

#[test]
fn a_tap_comes_back_with_its_payload_and_the_message_it_belongs_to() {
    let mut bench = Bench::with_template();
    let Outcome::Done(done) = bench.ticket("eff_1").outcome else { panic!() };
    let reply = bench.act("press", json!({ "phone": CAMILA, "text": "Cambiar talla" }));
    let fact = bench.only_fact(&reply.webhooks);
    assert_eq!(fact.data["kind"], "button");
    assert_eq!(fact.data["payload"], "TALLA:7");
    assert_eq!(fact.data["text"], "Cambiar talla");
    assert_eq!(fact.data["reply_to"].as_str(), done.reference.as_deref());
    // And the tap can be marked as read.
    let id = fact.data["id"].clone();
    assert_eq!(bench.send("mark_read", json!({ "message_id": id }), "r").outcome.name(), "done");
    let unknown = json!({ "message_id": "wamid.nobody" });
    assert_eq!(bench.send("mark_read", unknown, "r").outcome.name(), "give_up");
}

#[test]
fn the_phone_shows_the_filled_template() {
    let mut bench = Bench::with_template();
    bench.ticket("eff_1");
    bench.later(10);
    bench.act("say", json!({ "phone": CAMILA, "text": "¡Gracias!", "name": "Camila Restrepo" }));
    let chats = bench.double.view("chats");
    assert_eq!(chats.as_array().unwrap().len(), 1);
    assert_eq!(chats[0]["phone"], CAMILA);
    assert_eq!(chats[0]["name"], "Camila Restrepo");
    let ours = &chats[0]["messages"][0];
    assert_eq!(ours["from"], "us");
    assert_eq!(ours["text"], "Hola Camila, tu boleta para Pasarela Hilo Caribe está lista.");
    assert_eq!(ours["buttons"], json!([{ "text": "Cambiar talla", "payload": "TALLA:7" }]));
    assert_eq!(ours["template"], "boleta_confirmada");
    assert_eq!(ours["status"], "read", "who answers has read");
    assert_eq!(chats[0]["messages"][1]["from"], "guest");
    assert_eq!(bench.double.view("weather"), Value::Null);
}
