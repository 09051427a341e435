//! The door: scans as they stand, and the lists by which they came.

#[path = "hi_events_lab.rs"]
mod lab;

use lab::{World, sale, show};
use pasarela_connector::{PollStep, Source};
use serde_json::{Value, json};

/// A show with a paid order of two tickets; codes and ids of the tickets.
fn sold(world: &mut World) -> (Value, Vec<(Value, String)>) {
    let made = world.heard("create_show", show());
    let order = world.heard("sell", sale(&made, "stripe"));
    let model = world.model("order", &order["order_id"]);
    let tickets = model["tickets"].as_array().unwrap().iter();
    let tickets = tickets.map(|t| (t["code"].clone(), t["id"].as_str().unwrap().to_owned())).collect();
    (made, tickets)
}

fn stands(world: &World, ticket: &str, list: &Value) -> (bool, Value) {
    let scan = world.model("check_in", &json!(format!("{ticket}:{list}")));
    (scan["undone"].as_bool().unwrap(), scan["id"].clone())
}

#[test]
fn the_last_scan_of_a_list_counts_in_whatever_order_it_is_heard() {
    let mut world = World::new(json!({}));
    let (made, tickets) = sold(&mut world);
    let (code, id) = &tickets[0];
    let list = &made["list"]["id"];
    let (_, first) = world.act("scan", json!({ "code": code }));
    let (_, undone) = world.act("undo_scan", json!({ "code": code }));
    let (_, second) = world.act("scan", json!({ "code": code }));
    world.receive(&first[0]);
    let (out, check_in) = stands(&world, id, list);
    assert!(!out);
    let of_show = world.model("check_in", &json!(format!("{id}:{list}")));
    assert_eq!(
        (&of_show["show_id"], &of_show["list_id"]),
        (&json!(made["show_id"].to_string()), &json!(list.to_string()))
    );
    assert_eq!(of_show["ticket"], Value::Null, "it names nobody");
    world.receive(&undone[0]);
    assert_eq!(stands(&world, id, list), (true, check_in.clone()));
    world.receive(&second[0]);
    let (out, again) = stands(&world, id, list);
    assert!(!out && again != check_in, "another check-in");
    // The same in another order, as webhooks of parallel requests may come.
    let mut other = World::new(json!({}));
    for webhook in [&second[0], &first[0], &undone[0]] {
        other.decide(Source::Webhook, &webhook.body);
    }
    assert_eq!(stands(&other, id, list), (false, again));
    // A list that nobody has read yet is there without its name, so that its scans are found.
    assert_eq!(other.model("door_list", list)["name"], "");
}

#[test]
fn lists_are_read_as_they_stand_without_what_opens_them() {
    let mut world = World::new(json!({}));
    let (made, tickets) = sold(&mut world);
    let list = &made["list"]["id"];
    world.heard("scan", json!({ "code": tickets[0].0 }));
    assert_eq!(world.model("door_list", list)["tickets"], Value::Null);
    world.poll("check_ins");
    let read = world.model("door_list", list).clone();
    assert_eq!(
        (&read["name"], &read["tickets"], &read["came"], &read["open"]),
        (&json!("Puerta principal"), &json!(2), &json!(1), &json!(true))
    );
    assert_eq!(read["product_ids"], json!([made["product_id"].to_string()]));
    // A later scan does not take back what was read.
    world.heard("scan", json!({ "code": tickets[1].0 }));
    assert_eq!(world.model("door_list", list), &read);
    world.act("close_list", json!({ "list": list }));
    world.poll("check_ins");
    assert_eq!(world.model("door_list", list)["open"], false);
    let secret = made["list"]["short_id"].as_str().unwrap();
    assert!(world.models.values().all(|(data, ..)| !data.to_string().contains(secret)));
    // Not in a record either, which the hub keeps as it was read. Its place does hold it, since a walk goes on from it.
    let mut cursor = None;
    let mut last: Option<(Value, pasarela_connector::Answer)> = None;
    let mut lists = 0;
    loop {
        let ctx = pasarela_connector::Ctx { now: world.now, key: "", attempt: 1 };
        match world.it.poll("check_ins", cursor.as_ref(), last.as_ref().map(|(s, a)| (s, a)), &ctx) {
            PollStep::Call { request, state } => last = Some((state, world.call(&request).answer)),
            PollStep::Page { records, cursor: next, more } => {
                assert!(records.iter().all(|r| !r.body.to_string().contains(secret)));
                lists += records.iter().filter(|r| r.body["record"] == "door_list").count();
                (cursor, last) = (Some(next), None);
                if !more {
                    break;
                }
            }
            PollStep::Failed(outcome) => panic!("{outcome:?}"),
        }
    }
    assert_eq!(lists, 1);
}

#[test]
fn scans_that_were_told_before_they_were_kept_are_kept_by_the_next_reading() {
    let mut world = World::new(json!({}));
    let (made, tickets) = sold(&mut world);
    world.heard("scan", json!({ "code": tickets[0].0 }));
    world.poll("check_ins");
    // As an earlier version left it: told, and no read model.
    let cursor = world.cursors.get_mut("check_ins").unwrap();
    assert_eq!(cursor.as_object_mut().unwrap().remove("kept"), Some(json!(true)));
    world.models.retain(|entity, _| entity.kind != "check_in");
    let events = world.events.clone();
    world.poll("check_ins");
    assert!(!stands(&world, &tickets[0].1, &made["list"]["id"]).0);
    assert_eq!(world.events, events, "and told no second time");
    // From then on a known scan costs nothing.
    world.models.retain(|entity, _| entity.kind != "check_in");
    world.poll("check_ins");
    assert!(world.models.keys().all(|entity| entity.kind != "check_in"));
}
