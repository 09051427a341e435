//! The organiser's questions: which answers are a phone, a document, a yes or a no, and whose.

#[path = "hi_events_lab.rs"]
mod lab;

use lab::{World, sale, show};
use pasarela_connector::{ConnectionConfig, Fact, Item, Provider, Source};
use pasarela_connectors::hi_events::HiEvents;
use pasarela_domain::identity::{Claim, Mention};
use serde_json::{Value, json};

const ADVERTISING: &str = "Autorizo el envío de novedades de la marca";

fn questions() -> Value {
    json!({ "questions": [
        { "asks": "phone", "title": "¿A qué número te escribimos?" },
        { "asks": "document_kind", "title": "Tipo de documento" },
        { "asks": "document", "title": "Número de documento" },
        { "asks": "consent", "title": "Novedades", "yes": [ADVERTISING], "text_version": "checkout-v3", "notice_version": "aviso-v2", "channel": "whatsapp" },
        { "asks": "consent", "title": "Medición", "purpose": "analytics" },
    ]})
}

fn world() -> World {
    World::with(json!({ "phone_questions": false }), questions())
}

/// A show that asks all of it, once of the buyer and once of each guest.
fn asking(world: &mut World) -> Value {
    let made = world.heard("create_show", show());
    for per_ticket in [false, true] {
        for (title, kind) in [
            ("A qué numero te escribimos", "SINGLE_LINE_TEXT"),
            ("Tipo de documento", "DROPDOWN"),
            ("Número de documento", "SINGLE_LINE_TEXT"),
            ("Novedades", "CHECKBOX"),
            ("Medición", "RADIO"),
        ] {
            let question =
                json!({ "show_id": made["show_id"], "title": title, "type": kind, "per_ticket": per_ticket });
            world.act("create_question", question);
        }
    }
    made
}

fn answered(made: &Value, buyer: Value, guests: [Value; 2]) -> Value {
    let mut sale = sale(made, "stripe");
    sale["buyer"]["answers"] = buyer;
    for (ticket, answers) in sale["tickets"].as_array_mut().unwrap().iter_mut().zip(guests) {
        ticket["holder"]["answers"] = answers;
        ticket["holder"].as_object_mut().unwrap().remove("phone");
    }
    sale
}

/// Of each consent that came out: type, purpose, and whether it was news.
fn consents(world: &World) -> Vec<&str> {
    world.events.iter().map(String::as_str).filter(|e| e.starts_with("consent.")).collect()
}

#[test]
fn phones_and_documents_are_read_from_whatever_question_is_mapped() {
    let mut world = world();
    let made = asking(&mut world);
    let buyer = json!({ "A qué numero te escribimos": "310 555 0123", "Tipo de documento": "Cédula de ciudadanía", "Número de documento": "1.020.304.050" });
    let guest = json!({ "A qué numero te escribimos": "+34 612 345 678", "Número de documento": "PA AV612907" });
    let sold = world.heard("sell", answered(&made, buyer, [json!({}), guest]));
    let order = world.model("order", &sold["order_id"]).clone();
    assert_eq!(order["buyer"]["phone"], "+573105550123");
    assert_eq!(order["buyer"]["document"], json!({ "kind": "CC", "number": "1020304050" }));
    let holders = [0, 1].map(|n| &order["tickets"][n]["holder"]);
    assert_eq!(holders[0].get("document"), None, "nobody has a document that was not told");
    assert_eq!(holders[1]["phone"], "+34612345678");
    assert_eq!(holders[1]["document"], json!({ "kind": "PA", "number": "AV612907" }));
    // By REST it is the same, so that nothing is news.
    let events = world.events.len();
    world.poll("orders");
    assert_eq!(world.events.len(), events, "{:?}", &world.events[events..]);
}

#[test]
fn a_yes_at_the_checkout_is_the_buyers_and_names_its_text() {
    let mut world = world();
    let made = asking(&mut world);
    let buyer = json!({ "Novedades": [ADVERTISING], "Medición": "Sí" });
    let sold = world.act("sell", answered(&made, buyer, [json!({}), json!({})]));
    let order: Value = serde_json::from_slice(&sold.1[2].body).unwrap();
    let facts = read(&world, &order);
    let [advertising, measuring] = facts.as_slice() else { panic!("{facts:?}") };
    assert_eq!(advertising.event_type.as_deref(), Some("consent.given"));
    assert_eq!(advertising.data["purpose"], "marketing");
    assert_eq!(advertising.data["channel"], "whatsapp");
    assert_eq!(advertising.data["contact"]["email"], "valentina@correo.example");
    assert_eq!(advertising.data["evidence"]["channel"], "checkout");
    assert_eq!(advertising.data["evidence"]["text_version"], "checkout-v3");
    assert_eq!(advertising.data["evidence"]["notice_version"], "aviso-v2");
    // When the order was placed, and not when the hub heard of it.
    assert_eq!(advertising.data["evidence"]["at"], order_time(&order));
    assert!(advertising.data["evidence"]["reference"].as_str().unwrap().contains(sold.0["number"].as_str().unwrap()));
    assert_eq!(
        (measuring.data["purpose"].as_str(), measuring.data["channel"].as_str()),
        (Some("analytics"), Some("all"))
    );
    assert_eq!(measuring.data["evidence"].get("text_version"), None);
}

/// As the hub writes a moment.
fn order_time(order: &Value) -> Value {
    let at: jiff::Timestamp = order["payload"]["created_at"].as_str().unwrap().parse().unwrap();
    json!(at)
}

fn read(world: &World, body: &Value) -> Vec<Fact> {
    let items = world.it.translate(Source::Webhook, &serde_json::to_vec(body).unwrap()).unwrap().items;
    let facts = items.into_iter().filter_map(|i| if let Item::Fact(f) = i { Some(*f) } else { None });
    facts.filter(|f| f.event_type.as_deref().is_some_and(|t| t.starts_with("consent."))).collect()
}

#[test]
fn what_is_not_mapped_or_neither_yes_nor_no_says_nothing() {
    let mut world = world();
    let made = asking(&mut world);
    let said = |world: &mut World, answer: Value| {
        let sold = world.act("sell", answered(&made, json!({ "Novedades": answer }), [json!({}), json!({})]));
        let order: Value = serde_json::from_slice(&sold.1[2].body).unwrap();
        read(world, &order).first().map(|f| f.event_type.clone().unwrap())
    };
    for (answer, expected) in [
        (json!([ADVERTISING]), Some("consent.given")),
        (json!("si, autorizo"), Some("consent.given")),
        (json!("No, gracias"), Some("consent.withdrawn")),
        (json!([]), Some("consent.withdrawn")),
        (json!("tal vez"), None),
        (json!("Novedades"), None),
        (json!("sin novedades"), None),
    ] {
        assert_eq!(said(&mut world, answer.clone()).as_deref(), expected, "{answer}");
    }
    let mut unmapped = World::with(json!({ "phone_questions": false }), json!({}));
    let made = asking(&mut unmapped);
    let sold = unmapped.act("sell", answered(&made, json!({ "Novedades": [ADVERTISING] }), [json!({}), json!({})]));
    let order: Value = serde_json::from_slice(&sold.1[2].body).unwrap();
    assert_eq!(read(&unmapped, &order), [], "unknown is no");
}

#[test]
fn nobody_says_yes_for_a_guest_and_the_buyers_own_ticket_is_the_buyers() {
    let mut world = world();
    let made = asking(&mut world);
    let yes = json!({ "Novedades": [ADVERTISING] });
    world.heard("sell", answered(&made, json!({}), [json!({}), yes.clone()]));
    assert_eq!(consents(&world), [""; 0], "the buyer typed it for Samuel");
    // A guest under the buyer's address is another person all the same.
    let mut shared = answered(&made, json!({}), [json!({}), yes.clone()]);
    shared["tickets"][1]["holder"]["email"] = shared["buyer"]["email"].clone();
    world.heard("sell", shared);
    assert_eq!(consents(&world), [""; 0]);
    world.heard("sell", answered(&made, json!({}), [yes, json!({})]));
    assert_eq!(consents(&world), ["consent.given"]);
}

#[test]
fn an_edited_answer_raises_no_webhook_and_is_found_by_the_next_reading() {
    let mut world = world();
    let made = asking(&mut world);
    let sold = world.heard("sell", answered(&made, json!({ "Novedades": [ADVERTISING] }), [json!({}), json!({})]));
    assert_eq!(consents(&world), ["consent.given"]);
    world.poll_all();
    assert_eq!(consents(&world), ["consent.given"]);
    let edit = |answer: Value| json!({ "order_id": sold["order_id"], "question": "Novedades", "answer": answer });
    for (answer, expected) in [(json!("No"), "consent.withdrawn"), (json!([ADVERTISING]), "consent.given")] {
        let (_, webhooks) = world.act("edit_answer", edit(answer));
        assert_eq!(webhooks, []);
        // Its row in the list looks as before: only the reading of the last days finds it.
        world.pass(25 * 3600);
        world.poll_all();
        assert_eq!(consents(&world).last(), Some(&expected));
    }
    assert_eq!(consents(&world).len(), 3, "each change once");
    assert!(world.events.contains(&"order.updated".to_owned()), "the answer stands on the order too");
}

#[test]
fn questions_that_cannot_work_are_refused_in_words() {
    let refused = |question: Value| {
        let mut config = ConnectionConfig::bare("boleteria", "hi-events");
        config.settings = json!({ "questions": [question] });
        HiEvents.connect(config).err().map(|e| e.to_string()).unwrap_or_default()
    };
    for (question, says) in [
        (json!({ "asks": "phone" }), "neither ids nor a title"),
        (json!({ "asks": "phone", "title": "¿?" }), "neither ids nor a title"),
        (json!({ "asks": "phone", "ids": ["x"] }), "numbers"),
        (json!({ "asks": "phone", "title": "Celular", "yes": ["Sí"] }), "yes belongs to"),
        (json!({ "asks": "consent", "title": "Novedades", "purpose": "spam" }), "purpose 'spam'"),
        (json!({ "asks": "consent", "title": "Novedades", "channel": "paloma" }), "channel 'paloma'"),
        (json!({ "asks": "consent", "title": "Novedades", "make": { "required": true } }), "free"),
        (json!({ "asks": "consent", "title": "Novedades", "make": { "per_ticket": true } }), "nobody else"),
        (json!({ "asks": "document", "title": "Documento", "kind": "XX" }), "XX"),
        (json!({ "asks": "phone", "ids": [77], "make": {} }), "no title"),
        (json!({ "asks": "shoe_size", "title": "Talla" }), "shoe_size"),
        (json!({ "asks": "phone", "title": "Celular", "tittle": "x" }), "title"),
    ] {
        let error = refused(question.clone());
        assert!(error.contains(says), "{question}: {error}");
    }
    assert_eq!(refused(json!({ "asks": "phone", "ids": [77, "78"] })), "");
}

#[test]
fn identity_reads_documents_of_buyers_and_guests() {
    let mut world = world();
    let made = asking(&mut world);
    let guest = json!({ "Número de documento": "CE 412907" });
    let sold =
        world.heard("sell", answered(&made, json!({ "Número de documento": "CC 52100200" }), [json!({}), guest]));
    let order = world.model("order", &sold["order_id"]).clone();
    let mentions = Mention::of_event("boleteria", "order.paid", &order, None);
    let documents: Vec<String> = mentions
        .iter()
        .flat_map(|m| &m.claims)
        .filter_map(|c| if let Claim::Document { document } = c { Some(document.to_string()) } else { None })
        .collect();
    assert_eq!(documents, ["CC 52100200", "CE 412907"]);
}
