//! Judge of the double: each sample of the contract comes out of it, key for key and in the provider's order, and a
//! sample that nobody plays is found out.

#[path = "hi_events_lab.rs"]
mod lab;

use lab::{BASE, World, relative, sale, show};
use pasarela_connector::{Answer, OutgoingWebhook, Request};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Played by nobody, with the reason.
const NOT_PLAYED: &[(&str, &str)] = &[
    ("_signatures.json", "signatures of the webhooks' exact bytes, which the connector is held to"),
    ("rest.public-order-create-request.json", "a request: it is sent to the double below"),
    ("rest.public-order-complete-request.json", "likewise"),
];

fn folder() -> std::path::PathBuf {
    format!("{}/tests/fixtures/hi-events", env!("CARGO_MANIFEST_DIR")).into()
}

/// What a value has in common with every other one of its kind: keys in their order, and types. Null fits anything, a
/// list is its first row.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let rows: Vec<String> = fields.iter().map(|(k, v)| format!("{k}:{}", shape(v))).collect();
            format!("{{{}}}", rows.join(","))
        }
        Value::Array(rows) => format!("[{}]", rows.first().map(shape).unwrap_or_default()),
        Value::Null => "~".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "text".into(),
    }
}

/// Where two values are not of one kind.
fn differs(at: &str, sample: &Value, played: &Value, all: &mut Vec<String>) {
    match (sample, played) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(a), Value::Object(b)) => {
            // Errors of the door are named by the tickets' codes.
            let key = |k: &String| if k.starts_with("A-") { "A-".to_owned() } else { k.clone() };
            let keys = |o: &serde_json::Map<String, Value>| o.keys().map(key).collect::<Vec<_>>();
            if keys(a) != keys(b) {
                all.push(format!("{at}: {:?}\n   played as {:?}", keys(a), keys(b)));
                return;
            }
            a.iter().zip(b.values()).for_each(|((key, a), b)| differs(&format!("{at}/{key}"), a, b, all));
        }
        // An empty map is a list in PHP, and an empty list has no rows to compare.
        (Value::Array(a), Value::Array(b)) => {
            if let (Some(a), Some(b)) = (a.first(), b.first()) {
                differs(&format!("{at}[]"), a, b, all);
            }
        }
        (a, b) if shape(a) != shape(b) => all.push(format!("{at}: {} played as {}", shape(a), shape(b))),
        _ => {}
    }
}

/// Everything that the double said, by the name of the sample that it should be like.
#[derive(Default)]
struct Played(BTreeMap<String, Value>);

impl Played {
    fn told(&mut self, webhooks: &[OutgoingWebhook], suffix: &str) {
        for webhook in webhooks {
            let name = format!("webhook.{}{suffix}.json", webhook.kind);
            self.0.entry(name).or_insert_with(|| serde_json::from_slice(&webhook.body).unwrap());
        }
    }

    fn answered(&mut self, name: &str, answer: &Answer) {
        let body = answer.parse().unwrap_or_else(|e| panic!("{name}: {e}: {}", answer.excerpt(200)));
        self.0.insert(format!("rest.{name}.json"), body);
    }
}

fn played() -> Played {
    let mut all = Played::default();
    let mut world = World::new(json!({}));
    // One that has no place yet, as somebody makes it first.
    let bare = json!({ "title": "Raíz y Seda", "starts_at": "2026-05-20T23:00:00Z", "tiers": [{ "label": "General", "price": 1 }] });
    all.told(&world.act("create_show", bare).1, "");
    let made = world.act("create_show", show());
    let made = made.0;
    let id = made["show_id"].clone();
    let get = |world: &mut World, path: String| world.call(&Request::get(format!("{BASE}{path}"))).answer;
    let post = |world: &mut World, path: String, body: Value| {
        world.call(&Request::new("POST", format!("{BASE}{path}")).json(&body)).answer
    };
    let question = json!({ "show_id": id, "title": "¿Cómo te enteraste del evento?", "type": "DROPDOWN", "options": ["Instagram"] });
    world.act("create_question", question);
    world.act(
        "create_promo",
        json!({ "show_id": id, "code": "disenadoras20", "discount_type": "PERCENTAGE", "discount": 20 }),
    );
    world.act("create_affiliate", json!({ "show_id": id, "name": "Creadora", "code": "lacosturera" }));
    let mut buys = sale(&made, "stripe");
    buys["buyer"]["answers"] = json!({ "¿Cómo te enteraste del evento?": "Instagram" });
    let (sold, webhooks) = world.act("sell", buys.clone());
    all.told(&webhooks, "");
    buys["payment"] = json!("offline");
    let (waits, webhooks) = world.act("sell", buys);
    all.told(&webhooks.into_iter().filter(|w| w.kind == "order.created").collect::<Vec<_>>(), ".offline");
    // One of a single price.
    let category = get(&mut world, format!("/events/{id}/product-categories")).parse::<Value>().unwrap();
    let plain = json!({
        "title": "Catálogo", "type": "PAID", "product_type": "GENERAL", "prices": [{ "price": 30000 }],
        "product_category_id": category["data"][0]["id"],
    });
    let plain: Value = post(&mut world, format!("/events/{id}/products"), plain).parse().unwrap();
    let (order, ticket) = (json!({ "order_id": sold["order_id"] }), json!({ "attendee_id": sold["tickets"][1]["id"] }));
    let code = json!({ "code": sold["tickets"][0]["code"] });
    for (command, args) in [
        ("edit_order", order.clone()),
        ("mark_as_paid", json!({ "order_id": waits["order_id"] })),
        ("edit_attendee", ticket.clone()),
        ("scan", code.clone()),
        ("publish_show", json!({ "show_id": id })),
        ("edit_product", json!({ "product_id": made["product_id"] })),
    ] {
        all.told(&world.act(command, args).1, "");
    }
    let door = format!("/public/check-in-lists/{}", made["list"]["short_id"].as_str().unwrap());
    for (name, path) in [
        ("orders-list", format!("/events/{id}/orders")),
        ("order-get", format!("/events/{id}/orders/{}", sold["order_id"])),
        ("attendees-list", format!("/events/{id}/attendees?sort_by=created_at&sort_direction=asc")),
        ("attendee-get", format!("/events/{id}/attendees/{}", sold["tickets"][0]["id"])),
        ("products-list", format!("/events/{id}/products")),
        ("events-list", "/events".to_owned()),
        ("check-in-lists", format!("/events/{id}/check-in-lists")),
        ("promo-codes-list", format!("/events/{id}/promo-codes")),
        ("affiliates-list", format!("/events/{id}/affiliates")),
        ("event-stats", format!("/events/{id}/stats")),
        ("webhook-logs", "/organizers/3/webhooks/15/logs".to_owned()),
        ("public-check-in-attendees", format!("{door}/attendees")),
        ("public-check-in-attendee", format!("{door}/attendees/{}", sold["tickets"][0]["code"].as_str().unwrap())),
    ] {
        let answer = get(&mut world, path);
        assert_eq!(answer.status, 200, "{name}");
        all.answered(name, &answer);
    }
    let capacity = json!({ "name": "Aforo", "capacity": 340, "status": "ACTIVE", "product_ids": [made["product_id"]] });
    post(&mut world, format!("/events/{id}/capacity-assignments"), capacity);
    let answer = get(&mut world, format!("/events/{id}/capacity-assignments"));
    all.answered("capacity-assignments-list", &answer);
    let hook = |url: &str| json!({ "url": url, "event_types": ["order.created"], "status": "ENABLED" });
    let answer = post(&mut world, format!("/events/{id}/webhooks"), hook("https://hub.fashionistas.example/x"));
    all.answered("webhook-create", &answer);
    let answer = post(&mut world, format!("/events/{id}/webhooks"), hook("http://10.0.0.1/x"));
    assert_eq!(answer.status, 422);
    all.answered("error-422", &answer);
    let answer = post(&mut world, format!("/events/{id}/orders/{}/mark-as-paid", sold["order_id"]), json!({}));
    assert_eq!(answer.status, 409);
    all.answered("error-409", &answer);
    let stranger = relative(&Request::get(format!("{BASE}/users/me")));
    all.answered("error-401", &world.sim.handle(&stranger, world.now).answer);

    let scan = |code: &Value| json!({ "attendees": [{ "public_id": code, "action": "check-in" }] });
    let again = post(&mut world, format!("{door}/check-ins"), scan(&sold["tickets"][0]["code"]));
    all.answered("public-check-ins-duplicate", &again);
    let first = post(&mut world, format!("{door}/check-ins"), scan(&sold["tickets"][1]["code"]));
    all.answered("public-check-ins-create", &first);
    let unknown = post(&mut world, format!("{door}/check-ins"), scan(&json!("A-ZZZZZZZ")));
    assert_eq!(unknown.status, 409);
    all.answered("public-check-ins-invalid-409", &unknown);
    all.told(&world.act("undo_scan", code).1, "");
    all.told(&world.act("cancel_attendee", ticket).1, ".single");
    let cancelled = post(&mut world, format!("{door}/check-ins"), scan(&sold["tickets"][1]["code"]));
    all.answered("public-check-ins-cancelled", &cancelled);
    for (command, args) in [
        ("refund", order.clone()),
        ("cancel_order", order),
        ("archive_show", json!({ "show_id": id })),
        ("delete_product", json!({ "product_id": plain["data"]["id"] })),
    ] {
        all.told(&world.act(command, args).1, "");
    }
    for (name, accounts) in [("auth-login", json!([7])), ("auth-login-several-accounts", json!([7, 8]))] {
        let mut other = World::new(json!({ "accounts": [7] }));
        other.sim = double(json!({ "accounts": accounts }));
        let body = json!({ "email": "integraciones@fashionistas.example", "password": "clave-inventada" });
        let login = relative(&Request::new("POST", format!("{BASE}/auth/login")).json(&body));
        all.answered(name, &other.sim.handle(&login, other.now).answer);
    }
    all
}

#[test]
fn a_cart_of_the_public_checkout_becomes_an_order_that_waits_for_its_payment() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let (id, tiers) = (made["show_id"].clone(), made["tiers"].as_array().unwrap().clone());
    world.act("create_affiliate", json!({ "show_id": id, "name": "Creadora", "code": "lacosturera" }));
    let sample =
        |name: &str| -> Value { serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap() };
    let send = |world: &mut World, method: &str, path: String, body: &Value| {
        let request = relative(&Request::new(method, format!("{BASE}/public/events/{id}/order{path}")).json(body));
        world.sim.handle(&request, world.now)
    };
    // The requests as the contract has them, with this show's own numbers.
    let mut cart = sample("rest.public-order-create-request.json");
    cart["products"][0]["product_id"] = made["product_id"].clone();
    for (n, tier) in tiers.iter().enumerate() {
        cart["products"][0]["quantities"][n]["price_id"] = tier["id"].clone();
    }
    let answer = send(&mut world, "POST", String::new(), &cart).answer;
    assert_eq!(answer.status, 201, "{}", answer.excerpt(200));
    let (mut all, cart): (Vec<String>, Value) = (Vec::new(), answer.parse().unwrap());
    differs("rest.public-order-201.json", &sample("rest.public-order-201.json"), &cart, &mut all);
    let (short, session) =
        (cart["data"]["short_id"].as_str().unwrap(), cart["data"]["session_identifier"].as_str().unwrap());
    let mut people = sample("rest.public-order-complete-request.json");
    people["order"]["questions"] = json!([]);
    for (n, tier) in tiers.iter().enumerate() {
        people["products"][n]["product_price_id"] = tier["id"].clone();
    }
    let stranger = send(&mut world, "PUT", format!("/{short}?session_identifier=otra"), &people).answer;
    assert_eq!(stranger.status, 403);
    let done = send(&mut world, "PUT", format!("/{short}?session_identifier={session}"), &people);
    assert_eq!((done.answer.status, done.webhooks.len()), (200, 0), "a cart tells nobody");
    let again = send(&mut world, "PUT", format!("/{short}?session_identifier={session}"), &people).answer;
    assert_eq!(again.status, 409);
    let intent =
        send(&mut world, "POST", format!("/{short}/stripe/payment_intent?session_identifier={session}"), &json!({}));
    let intent: Value = intent.answer.parse().unwrap();
    differs("rest.public-payment-intent.json", &sample("rest.public-payment-intent.json"), &intent, &mut all);
    assert!(all.is_empty(), "{}", all.join("\n"));
    let waits =
        send(&mut world, "POST", format!("/{short}/await-offline-payment?session_identifier={session}"), &json!({}));
    assert_eq!(waits.answer.parse::<Value>().unwrap()["data"]["status"], "AWAITING_OFFLINE_PAYMENT");
    let kinds: Vec<&str> = waits.webhooks.iter().map(|(_, w)| w.kind.as_str()).collect();
    assert_eq!(kinds, ["attendee.created", "attendee.created", "order.created"]);
    waits.webhooks.iter().for_each(|(_, w)| world.receive(w));
    assert!(world.events.contains(&"order.placed".to_owned()) && !world.events.contains(&"order.paid".to_owned()));
    let phone = world.models.iter().find(|(e, _)| e.kind == "ticket").map(|(_, (t, ..))| t["holder"]["phone"].clone());
    assert_eq!(phone, Some(json!("+573001234567")), "its answers are the contract's own");
}

fn double(settings: Value) -> Box<dyn pasarela_connector::Simulator> {
    let config = pasarela_connector::SimConfig {
        connection: "boleteria".into(),
        base_url: BASE.into(),
        webhook_secret: "secreto".into(),
        settings,
    };
    pasarela_connector::Provider::simulator(&pasarela_connectors::hi_events::HiEvents, config).unwrap()
}

#[test]
fn every_sample_comes_out_of_the_double() {
    let mut played = played().0;
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| !NOT_PLAYED.iter().any(|(own, _)| own == name))
        // Played by the checkout below.
        .filter(|name| !["rest.public-order-201.json", "rest.public-payment-intent.json"].contains(&name.as_str()))
        .collect();
    names.sort();
    assert!(names.len() >= 40, "{}", names.len());
    let mut all = Vec::new();
    for name in names {
        let sample: Value = serde_json::from_slice(&std::fs::read(folder().join(&name)).unwrap()).unwrap();
        match played.remove(&name) {
            None => all.push(format!("{name}: nobody plays it")),
            Some(value) => differs(&name, &sample, &value, &mut all),
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
    assert!(played.is_empty(), "played, and no sample: {:?}", played.keys());
}

#[test]
fn bytes_are_those_of_php_and_signed_as_sent() {
    let mut world = World::new(json!({}));
    let webhooks = world.act("create_show", show()).1;
    for webhook in &webhooks {
        world.receive(webhook);
        let text = std::str::from_utf8(&webhook.body).unwrap();
        assert!(text.is_ascii() && !text.contains("\": ") && !text.ends_with('\n'), "{text}");
        assert!(text.starts_with(r#"{"event_type":""#) && text.contains(r#""event_sent_at":"2026-"#), "{text}");
        assert_eq!(webhook.headers.get("x-webhook-source"), Some("Hi.Events"));
        assert_eq!(webhook.headers.get("user-agent"), Some("GuzzleHttp/7"));
    }
}
