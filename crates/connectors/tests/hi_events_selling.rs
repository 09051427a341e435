//! How shows sell, by polling alone, and servers of other versions.

#[path = "hi_events_lab.rs"]
mod lab;

use lab::{World, sale, show};
use pasarela_connector::{EntityWrite, Fact, Item, Source};
use pasarela_domain::EntityRef;
use serde_json::{Value, json};

fn sample(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/hi-events/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn facts(source: Source, body: &Value) -> Vec<Fact> {
    let items = World::new(json!({})).it.translate(source, &serde_json::to_vec(body).unwrap()).unwrap().items;
    items.into_iter().filter_map(|i| if let Item::Fact(f) = i { Some(*f) } else { None }).collect()
}

/// The only read model that a record becomes, which tells no event.
fn quiet(kind: &str, data: &Value) -> EntityWrite {
    let body = json!({ "record": kind, "show": 118, "currency": "COP", "data": data });
    let mut facts = facts(Source::Poll, &body);
    assert_eq!((facts.len(), &facts[0].event_type, facts[0].entities.len()), (1, &None, 1), "{kind}");
    assert!(facts[0].refs.contains(&EntityRef::new("show", "118")));
    facts.remove(0).entities.remove(0)
}

#[test]
fn samples_of_what_sells_become_read_models_and_no_events() {
    let code = quiet("promo_code", &sample("rest.promo-codes-list.json")["data"][0]);
    assert_eq!(code.entity, EntityRef::new("promo_code", "6"));
    assert_eq!((&code.data["code"], &code.data["percent"]), (&json!("disenadoras20"), &json!(20.0)));
    assert_eq!((&code.data["used"], &code.data["most"], &code.data["amount"]), (&json!(4), &json!(100), &Value::Null));
    assert_eq!((&code.data["product_ids"], &code.data["ends_at"]), (&json!(["54"]), &json!("2026-05-10T05:00:00Z")));
    let affiliate = quiet("affiliate", &sample("rest.affiliates-list.json")["data"][0]);
    assert_eq!((&affiliate.data["code"], &affiliate.data["orders"]), (&json!("LACOSTURERA"), &json!(3)));
    assert_eq!(affiliate.data["total"], json!({ "minor": 116_025_000, "currency": "COP" }));
    let capacity = quiet("capacity", &sample("rest.capacity-assignments-list.json")["data"][0]);
    assert_eq!((&capacity.data["places"], &capacity.data["taken"]), (&json!(340), &json!(53)));
    let sales = quiet("show_sales", &sample("rest.event-stats.json")["data"]);
    assert_eq!(sales.entity, EntityRef::new("show_sales", "118"));
    assert_eq!(sales.data["tax"], json!({ "minor": 115_187_353, "currency": "COP" }), "an unrounded roll-up is money");
    assert_eq!((&sales.data["orders"], &sales.data["views"]), (&json!(31), &json!(3981)));
    assert_eq!(sales.data["days"][0]["day"], "2026-04-09");
    let product = json!({ "record": "product", "data": sample("rest.products-list.json")["data"][0] });
    let product = facts(Source::Poll, &product);
    let stock = product.last().unwrap();
    assert_eq!((&stock.event_type, &stock.entities[0].entity), (&None, &EntityRef::new("stock", "54")));
    assert_eq!(
        stock.entities[0].data["tiers"].as_array().unwrap().len(),
        product[0].data["tiers"].as_array().unwrap().len()
    );
}

#[test]
fn how_a_show_sells_is_read_by_polling_and_tells_nothing() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    world.act(
        "create_promo",
        json!({ "show_id": made["show_id"], "code": "Prensa", "discount_type": "FIXED", "discount": 5000 }),
    );
    world.act("create_affiliate", json!({ "show_id": made["show_id"], "name": "Creadora", "code": "creadora" }));
    let mut sold = sale(&made, "stripe");
    sold["promo"] = json!("PRENSA");
    sold["affiliate"] = json!("Creadora");
    let order = world.heard("sell", sold);
    let events = world.events.clone();
    let calls = world.calls;
    world.poll("selling");
    assert_eq!(world.events, events, "no event");
    assert_eq!(world.calls - calls, 7, "shows and webhooks of the organiser, and five of the show that runs");
    let only = |kind: &str| {
        let mut all = world.models.iter().filter(|(e, _)| e.kind == kind).map(|(_, (data, ..))| data.clone());
        (all.next().unwrap_or_else(|| panic!("no {kind}")), all.next()).0
    };
    let total = world.model("order", &order["order_id"])["total"].clone();
    assert_eq!((&only("promo_code")["used"], &only("promo_code")["amount"]["minor"]), (&json!(1), &json!(500_000)));
    assert_eq!((&only("affiliate")["orders"], &only("affiliate")["total"]), (&json!(1), &total));
    let sales = only("show_sales");
    assert_eq!((&sales["gross"], &sales["guests"], &sales["refunded"]["minor"]), (&total, &json!(2), &json!(0)));
    // What is left comes with the products.
    world.poll("shows");
    let stock = world.model("stock", &made["product_id"]).clone();
    assert_eq!((&stock["sold"], &stock["tiers"][0]["sold"]), (&json!(2), &json!(1)));
    assert_eq!(world.events, events);
    // A show that is over is not read any more.
    world.act("archive_show", json!({ "show_id": made["show_id"] }));
    let calls = world.calls;
    world.poll("selling");
    assert_eq!(world.calls - calls, 2);
}

/// Every key of this name under another one, as servers before 1.0 write it.
fn renamed(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::Object(fields) => {
            if let Some(held) = fields.shift_remove(from) {
                fields.insert(to.to_owned(), held);
            }
            fields.values_mut().for_each(|v| renamed(v, from, to));
        }
        Value::Array(rows) => rows.iter_mut().for_each(|v| renamed(v, from, to)),
        _ => {}
    }
}

#[test]
fn servers_that_say_ticket_for_product_are_understood() {
    let new = sample("webhook.order.created.json");
    let mut old = new.clone();
    renamed(&mut old, "product_id", "ticket_id");
    renamed(&mut old, "product_price_id", "ticket_price_id");
    assert!(!old.to_string().contains("product_id"));
    assert_eq!(facts(Source::Webhook, &old), facts(Source::Webhook, &new));
    // Both at once are no contradiction.
    let mut both = new.clone();
    both["payload"]["attendees"][0]["ticket_id"] = json!(54);
    assert_eq!(facts(Source::Webhook, &both), facts(Source::Webhook, &new));
    let mut neither = new;
    neither["payload"]["attendees"][0].as_object_mut().unwrap().remove("product_id");
    let it = World::new(json!({})).it;
    let unread = it.translate(Source::Webhook, &serde_json::to_vec(&neither).unwrap()).unwrap_err();
    assert!(unread.to_string().contains("names no product"), "{unread}");
}

#[test]
fn shows_of_several_dates_begin_with_the_next_one_and_tickets_name_theirs() {
    let told = |change: &dyn Fn(&mut Value)| {
        let mut body = sample("webhook.event.updated.json");
        for gone in ["start_date", "end_date"] {
            body["payload"].as_object_mut().unwrap().remove(gone);
        }
        change(&mut body["payload"]);
        facts(Source::Webhook, &body).last().unwrap().data.clone()
    };
    let dates = json!([
        { "id": 2, "start_date": "2026-05-16T23:00:00.000000Z", "end_date": "2026-05-17T02:00:00.000000Z" },
        { "id": 1, "start_date": "2026-05-15T23:00:00.000000Z", "end_date": null },
    ]);
    let by_dates = told(&|payload| payload["occurrences"] = dates.clone());
    assert_eq!(
        (&by_dates["starts_at"], &by_dates["ends_at"]),
        (&json!("2026-05-15T23:00:00Z"), &json!("2026-05-17T02:00:00Z"))
    );
    let next = told(&|payload| {
        payload["occurrences"] = dates.clone();
        payload["next_occurrence_start_date"] = json!("2026-05-16T23:00:00.000000Z");
    });
    assert_eq!(next["starts_at"], "2026-05-16T23:00:00Z");
    assert_eq!(told(&|_| {})["starts_at"], Value::Null, "unknown, and not wrong");

    let mut order = sample("webhook.order.created.json");
    order["payload"]["attendees"][1]["event_occurrence_id"] = json!(2);
    order["payload"]["order_items"][1]["event_occurrence_id"] = json!(2);
    let placed = &facts(Source::Webhook, &order)[0];
    assert_eq!(placed.data["tickets"][1]["occurrence_id"], "2");
    assert_eq!(
        placed.data["tickets"][0].get("occurrence_id"),
        None,
        "what was kept before is equal to what is read now"
    );
}
