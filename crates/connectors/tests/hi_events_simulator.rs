//! The Hi.Events double and the connector against each other: a sale by webhooks, the same sale by
//! polling alone, and what the hub asks for.

#[path = "hi_events_lab.rs"]
mod lab;

use lab::{BASE, World, relative, sale, show};
use pasarela_connector::{Answer, Outcome, Request};
use serde_json::{Value, json};

#[test]
fn a_full_sale_by_webhooks() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    assert_eq!(world.events, ["show.published", "product.created"]);
    world.events.clear();
    let (sold, webhooks) = world.act("sell", sale(&made, "offline"));
    let kinds: Vec<&str> = webhooks.iter().map(|w| w.kind.as_str()).collect();
    assert_eq!(kinds, ["attendee.created", "attendee.created", "order.created"]);
    let text = String::from_utf8(webhooks[2].body.to_vec()).unwrap();
    assert!(text.contains(r#""last_name":"Ochoa Mej\u00eda""#) && text.contains(r#"R\u00edo"#), "{text}");
    assert!(text.contains(r#""value":38304.3192"#) && text.contains(r#""total_gross":341056"#), "{text}");
    for webhook in &webhooks {
        world.receive(webhook);
    }
    assert_eq!(world.events, ["ticket.issued", "ticket.issued", "order.placed"]);
    let order = world.model("order", &sold["order_id"]).clone();
    assert_eq!(order["status"], "placed");
    assert_eq!(order["total"]["minor"], 34_105_600);
    assert_eq!(order["buyer"]["phone"], "+573001234567");
    assert_eq!(order["buyer"]["email"], "valentina@correo.example");

    world.events.clear();
    world.heard("mark_as_paid", json!({ "order_id": sold["order_id"] }));
    assert_eq!(world.model("ticket", &sold["tickets"][0]["id"])["status"], "active");
    let code = &sold["tickets"][0]["code"];
    world.heard("scan", json!({ "code": code, "list": made["list"]["short_id"] }));
    world.heard("scan", json!({ "code": code }));
    world.heard("undo_scan", json!({ "code": code }));
    world.heard("edit_order", json!({ "order_id": sold["order_id"], "email": "v.ochoa@correo.example" }));
    world.heard("cancel_attendee", json!({ "attendee_id": sold["tickets"][1]["id"] }));
    world.heard("cancel_order", json!({ "order_id": sold["order_id"] }));
    assert_eq!(
        world.events,
        [
            "order.paid",
            "ticket.checked_in",
            "ticket.check_in_undone",
            "order.updated",
            "ticket.cancelled",
            "ticket.cancelled",
            "order.cancelled",
        ]
    );
    assert_eq!(world.model("order", &sold["order_id"])["status"], "cancelled");
}

/// Everything that a show sees, told to a world by `heard` or by nobody.
fn story(world: &mut World, told: bool) -> Value {
    let act = |world: &mut World, command: &str, args: Value| {
        if told { world.heard(command, args) } else { world.act(command, args).0 }
    };
    let made = act(world, "create_show", show());
    act(
        world,
        "create_promo",
        json!({ "show_id": made["show_id"], "code": "DISENADORAS20", "discount_type": "PERCENTAGE", "discount": 20 }),
    );
    let offline = act(world, "sell", sale(&made, "offline"));
    let mut promo = sale(&made, "stripe");
    promo["promo"] = json!("Disenadoras20");
    promo["buyer"]["phone"] = json!("310 555 0123");
    let stripe = act(world, "sell", promo);
    let waiting = act(world, "sell", sale(&made, "offline"));
    act(world, "mark_as_paid", json!({ "order_id": offline["order_id"] }));
    act(world, "refund", json!({ "order_id": stripe["order_id"], "amount": 1000.5 }));
    act(world, "cancel_attendee", json!({ "attendee_id": stripe["tickets"][0]["id"] }));
    act(world, "edit_attendee", json!({ "attendee_id": stripe["tickets"][1]["id"], "last_name": "Rendón Gil" }));
    act(world, "scan", json!({ "code": offline["tickets"][0]["code"] }));
    let cancelled = act(world, "sell", sale(&made, "stripe"));
    act(world, "cancel_order", json!({ "order_id": cancelled["order_id"] }));
    json!({ "show": made, "offline": offline, "stripe": stripe, "waiting": waiting })
}

#[test]
fn a_poll_alone_brings_the_same_facts_as_all_webhooks() {
    let mut told = World::new(json!({}));
    story(&mut told, true);
    let mut polled = World::new(json!({}));
    let made = story(&mut polled, false);
    assert!(polled.happened.is_empty());
    polled.poll_all();
    assert_eq!(polled.happened, told.happened);
    let order = polled.model("order", &made["stripe"]["order_id"]);
    assert_eq!(order["promo_code"], "disenadoras20");
    assert_eq!(order["refunded"]["minor"], 100_050);
    assert_eq!(order["lines"][0]["unit_price"]["minor"], 6_800_000);

    // A single cancellation and a ticket's edit change their order without a word; polling repairs both.
    let before = told.events.len();
    told.poll_all();
    assert_eq!(told.data(), polled.data());
    assert_ne!(told.events.len(), before);
    assert!(told.events[before..].iter().all(|e| e == "order.updated"), "{:?}", &told.events[before..]);
    assert_eq!(told.happened, polled.happened);

    // And once more there is nothing new, and little to read.
    for world in [&mut told, &mut polled] {
        let (events, calls) = (world.events.clone(), world.calls);
        world.pass(300);
        world.poll_all();
        assert_eq!(world.events, events);
        assert!(world.calls - calls <= 17, "{} calls", world.calls - calls);
    }
}

#[test]
fn with_half_of_all_webhooks_lost_the_end_is_the_same() {
    let mut told = World::new(json!({}));
    story(&mut told, true);
    told.poll_all();
    // Several halves: one that loses every first of two, one that loses every second, one that loses runs of three.
    for lost in [|n: usize| n & 1 == 0, |n: usize| n & 1 == 1, |n: usize| (n / 3) & 1 == 0] {
        let mut half = World::new(json!({}));
        let mut sent = 0;
        half.hear = Some(Box::new(move |_| {
            sent += 1;
            !lost(sent)
        }));
        story(&mut half, true);
        assert_ne!(half.happened, told.happened, "something was lost");
        half.poll_all();
        assert_eq!(half.happened, told.happened);
        assert_eq!(half.data(), told.data());
    }
}

/// A sold-out show of two thousand guests that no webhook told of, at the pace that the manifest allows.
#[test]
fn a_sold_out_show_is_read_in_the_shortest_time_that_the_limits_allow_and_a_tenth() {
    let mut world = World::new(json!({}));
    let made = world.act("create_show", show()).0;
    for n in 0..1_000 {
        let mut sale = sale(&made, "stripe");
        sale["buyer"]["email"] = json!(format!("persona{n}@correo.example"));
        world.act("sell", sale);
    }
    world.pass(60);
    let rate = pasarela_connector::Provider::manifest(&pasarela_connectors::hi_events::HiEvents).limits.rate.unwrap();
    world.bucket = Some((rate.burst, rate.every));
    let (began, calls) = (world.now, world.calls);
    world.poll("orders");
    let (took, calls) = (world.now.duration_since(began), world.calls - calls);
    assert_eq!(world.events.iter().filter(|e| *e == "ticket.issued").count(), 2_000);
    // Answers stand in no list, so each order is one read; ten pages list them.
    let least = 1_000 + 10;
    let shortest = rate.every.as_secs_f64() * f64::from(least - rate.burst);
    assert!(f64::from(calls) <= f64::from(least) * 1.1, "{calls} calls");
    assert!(took.as_secs_f64() <= shortest * 1.1, "{took:?}, and {shortest} s would be the shortest");
    // And once more: nothing is news, and little is read.
    let (events, calls) = (world.events.len(), world.calls);
    world.pass(300);
    world.poll("orders");
    assert_eq!(world.events.len(), events);
    assert!(world.calls - calls <= 15, "{} calls", world.calls - calls);
}

#[test]
fn what_no_webhook_tells_is_found() {
    let mut world = World::new(json!({ "token_seconds": 90 * 24 * 3600 }));
    let made = story(&mut world, true);
    world.poll_all();
    // So long ago that neither the overlap nor the look at the last days shows these orders.
    world.pass(9 * 24 * 3600);
    world.heard("sell", sale(&made["show"], "stripe"));
    world.poll_all();
    world.events.clear();

    // Lost webhooks, and changes that have none.
    world.act("mark_as_paid", json!({ "order_id": made["waiting"]["order_id"] }));
    world.act("undo_scan", json!({ "code": made["offline"]["tickets"][0]["code"] }));
    world.act(
        "edit_attendee",
        json!({ "attendee_id": made["offline"]["tickets"][1]["id"], "email": "otra@correo.example", "silent": true }),
    );
    world.act("reactivate_attendee", json!({ "attendee_id": made["stripe"]["tickets"][0]["id"] }));
    world.act("archive_show", json!({ "show_id": made["show"]["show_id"] }));
    world.act("publish_show", json!({ "show_id": made["show"]["show_id"] }));
    world.pass(300);
    world.poll("orders");
    assert!(world.events.contains(&"order.paid".to_owned()), "an order that is open is followed: {:?}", world.events);
    world.poll("attendees");
    world.poll("check_ins");
    assert!(world.events.contains(&"ticket.check_in_undone".to_owned()), "{:?}", world.events);
    assert!(world.events.contains(&"ticket.updated".to_owned()), "{:?}", world.events);
    assert_eq!(world.model("ticket", &made["stripe"]["tickets"][0]["id"])["status"], "active");
    let edited = &made["offline"]["tickets"][1]["id"];
    assert_eq!(world.model("ticket", edited)["holder"]["email"], "otra@correo.example");
    let order = world.model("order", &made["offline"]["order_id"]);
    assert_eq!(order["tickets"][1], *world.model("ticket", edited));
    // A second scan after the undoing is another check-in.
    world.events.clear();
    world.act("scan", json!({ "code": made["offline"]["tickets"][0]["code"] }));
    world.poll("check_ins");
    assert_eq!(world.events, ["ticket.checked_in"]);
}

#[test]
fn a_long_history_is_read_in_pages_and_in_order() {
    let mut world = World::new(json!({ "rate_limit": 100_000 }));
    let made = world.act("create_show", show()).0;
    for n in 0..230 {
        let mut sale = sale(&made, "stripe");
        sale["buyer"]["email"] = json!(format!("persona{n}@correo.example"));
        world.act("sell", sale);
    }
    world.poll_all();
    let paid = world.events.iter().filter(|e| *e == "order.paid").count();
    let issued = world.events.iter().filter(|e| *e == "ticket.issued").count();
    assert_eq!((paid, issued), (230, 460));
    // Each order once, three pages of lists, five of tickets on the list of the door, and little else.
    assert!(world.calls < 260, "{} calls", world.calls);
}

#[test]
fn what_the_hub_asks_for_happens_once() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let sold = world.heard("sell", sale(&made, "offline"));
    let order = json!({ "show_id": made["show_id"].to_string(), "order_id": sold["order_id"].to_string() });
    world.events.clear();
    let (outcome, webhooks) = world.run("mark_as_paid", order.clone());
    assert_eq!(outcome.name(), "done");
    webhooks.iter().for_each(|w| world.receive(w));
    assert_eq!(world.events, ["order.paid"]);
    let (Outcome::Done(again), webhooks) = world.run("mark_as_paid", order.clone()) else { panic!() };
    assert_eq!(again.result["already"], true);
    assert!(webhooks.is_empty());

    let scan = json!({ "list": made["list"]["short_id"], "code": sold["tickets"][0]["code"] });
    let (Outcome::Done(first), told) = world.run("check_in", scan.clone()) else { panic!() };
    assert_eq!(first.result["duplicate"], false);
    assert_eq!(told[0].kind, "checkin.created");
    let (Outcome::Done(second), told) = world.run("check_in", scan) else { panic!() };
    assert_eq!(second.result["duplicate"], true);
    assert_eq!(second.reference, first.reference);
    assert_eq!(told.len(), 1, "a repeated scan is told again");
    let unknown = json!({ "list": made["list"]["short_id"], "code": "A-ZZZZZZZ" });
    assert_eq!(world.run("check_in", unknown).0.name(), "give_up");

    let ticket = json!({ "show_id": made["show_id"].to_string(), "ticket_id": sold["tickets"][0]["id"].to_string() });
    assert_eq!(world.run("resend_ticket", ticket).0.name(), "done");
    assert_eq!(world.run("cancel_order", order.clone()).0.name(), "done");
    let (Outcome::Done(again), _) = world.run("cancel_order", order.clone()) else { panic!() };
    assert_eq!(again.result["already"], true);
    assert_eq!(world.run("mark_as_paid", order).0.name(), "give_up");

    let (Outcome::Done(hook), _) =
        world.run("create_webhook", json!({ "url": "https://hub.fashionistas.example/hooks/otra" }))
    else {
        panic!()
    };
    assert_eq!(hook.result["secret"].as_str().unwrap().len(), 32);
    assert_eq!(world.run("create_webhook", json!({ "url": "http://127.0.0.1/hooks/x" })).0.name(), "give_up");
    let (_, twice) = world.act("sell", sale(&made, "stripe"));
    assert_eq!(twice.len(), 6, "overlapping webhooks tell twice");
    assert_ne!(twice[0].headers.get("signature"), twice[1].headers.get("signature"));
    assert_eq!(twice[0].body, twice[1].body);

    let arrived: Vec<(String, String, u32)> =
        world.sim.arrivals().into_iter().map(|a| (a.kind, a.identity, a.times)).collect();
    for (kind, identity) in [
        ("mark_as_paid", sold["order_id"].to_string()),
        ("cancel_order", sold["order_id"].to_string()),
        ("check_in", format!("{}@{}", sold["tickets"][0]["code"].as_str().unwrap(), made["list"]["id"])),
    ] {
        assert!(arrived.contains(&(kind.into(), identity.clone(), 1)), "{kind} {identity}: {arrived:?}");
    }
}

#[test]
fn the_double_answers_as_the_provider_does() {
    let mut world = World::new(json!({ "accounts": [7], "rate_limit": 60 }));
    let now = world.now;
    let made = world.act("create_show", show()).0;
    let probe = world.it.probe().unwrap();
    let answer = world.call(&probe).answer;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers.get("x-ratelimit-limit"), Some("60"));
    let stranger = world.sim.handle(&relative(&probe), now).answer;
    assert_eq!((stranger.status, stranger.body), (401, r#"{"message":"Unauthenticated."}"#.into()));
    let mut browser = relative(&probe);
    browser.headers.0.clear();
    assert_eq!(world.sim.handle(&browser, now).answer.status, 302);
    let missing = Request::get(format!("{BASE}/events/{}/orders/1", made["show_id"]));
    assert_eq!(world.call(&missing).answer.status, 404);
    let logs = Request::get(format!("{BASE}/organizers/3/webhooks/15/logs"));
    let logs: Value = world.call(&logs).answer.parse().unwrap();
    assert_eq!(logs["data"][0]["event_type"], "PRODUCT_CREATED");
    assert!(logs["data"][0]["payload"].as_str().unwrap().starts_with(r#"{"event_type":"product.created""#));
    let other = Request::get(format!("{BASE}/organizers/4/orders"));
    assert_eq!(world.call(&other).answer.status, 403);

    world.now = "2026-04-09T16:00:30Z".parse().unwrap();
    let bearer = relative(&probe).header("authorization", world.token.clone());
    let answers: Vec<Answer> = (0..61).map(|_| world.sim.handle(&bearer, world.now).answer).collect();
    assert_eq!(answers[59].status, 200);
    assert_eq!((answers[60].status, answers[60].headers.get("retry-after")), (429, Some("30")));
    world.pass(30);
    assert_eq!(world.sim.handle(&bearer, world.now).answer.status, 200);
    // A token ends.
    world.pass(8 * 24 * 3600);
    assert_eq!(world.call(&probe).answer.status, 401);

    for (command, args) in [
        ("sell", json!({ "show_id": 1, "buyer": {}, "tickets": [], "payment": "free" })),
        ("sell", sale(&json!({ "show_id": 999 }), "stripe")),
        ("sell", sale(&made, "free")),
        ("sell", sale(&made, "nequi")),
        ("dance", json!({})),
        ("scan", json!({ "code": "A-NADIE" })),
    ] {
        let why = world.sim.act(command, &args, now).unwrap_err();
        assert!(why.len() > 12, "{why}");
    }
}

#[test]
fn shapes_are_those_of_the_samples() {
    let mut world = World::new(json!({}));
    let made = world.act("create_show", show()).0;
    let (sold, webhooks) = world.act("sell", sale(&made, "stripe"));
    let sample = |name: &str| -> Value {
        let path = format!("{}/tests/fixtures/hi-events/{name}", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let order: Value = serde_json::from_slice(&webhooks[2].body).unwrap();
    let golden = sample("webhook.order.created.json");
    assert_eq!(keys(&order), keys(&golden));
    assert_eq!(keys(&order["payload"]), keys(&golden["payload"]));
    for list in ["attendees", "order_items"] {
        assert_eq!(keys(&order["payload"][list][0]), keys(&golden["payload"][list][0]), "{list}");
    }
    assert_eq!(keys(&order["payload"]["question_answers"][0]), keys(&golden["payload"]["question_answers"][1]));
    let scan = world.act("scan", json!({ "code": sold["tickets"][0]["code"] })).1;
    let scan: Value = serde_json::from_slice(&scan[0].body).unwrap();
    assert_eq!(keys(&scan["payload"]), keys(&sample("webhook.checkin.created.json")["payload"]));
    let event = sold["order_id"].clone();
    let show = &made["show_id"];
    for (path, name) in [
        (format!("/events/{show}/orders?page=1"), "rest.orders-list.json"),
        (format!("/events/{show}/attendees"), "rest.attendees-list.json"),
        (format!("/events/{show}/products"), "rest.products-list.json"),
        (format!("/events/{show}/check-in-lists"), "rest.check-in-lists.json"),
        (
            format!("/public/check-in-lists/{}/attendees", made["list"]["short_id"].as_str().unwrap()),
            "rest.public-check-in-attendees.json",
        ),
    ] {
        let answer: Value = world.call(&Request::get(format!("{BASE}{path}"))).answer.parse().unwrap();
        let golden = sample(name);
        assert_eq!(keys(&answer["data"][0]), keys(&golden["data"][0]), "{name}");
        assert_eq!(keys(&answer["links"]), keys(&golden["links"]), "{name}");
    }
    for (path, name) in [
        (format!("/events/{show}/orders/{event}"), "rest.order-get.json"),
        (format!("/events/{show}/attendees/{}", sold["tickets"][0]["id"]), "rest.attendee-get.json"),
    ] {
        let answer: Value = world.call(&Request::get(format!("{BASE}{path}"))).answer.parse().unwrap();
        assert_eq!(keys(&answer["data"]), keys(&sample(name)["data"]), "{name}");
    }
}
