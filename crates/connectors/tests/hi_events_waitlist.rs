//! The waitlist: who waits is known by reading alone, offers are made once, and servers without one are known as such.

#[path = "hi_events_lab.rs"]
mod lab;

use lab::{World, sale, show};
use pasarela_connector::{Outcome, ReadBack};
use pasarela_domain::identity::{Claim, Mention};
use serde_json::{Value, json};

fn join(world: &mut World, made: &Value, name: &str, email: &str) -> Value {
    let who = json!({ "show_id": made["show_id"], "tier": "General", "first_name": name, "last_name": "Ríos Cano", "email": email });
    let (joined, webhooks) = world.act("join_waitlist", who);
    assert!(webhooks.is_empty(), "nobody is told");
    joined["entry_id"].clone()
}

fn done(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Done(done) => done.result,
        other => panic!("{other:?}"),
    }
}

fn status<'w>(world: &'w World, entry: &Value) -> &'w str {
    world.model("waitlist_entry", entry)["status"].as_str().unwrap()
}

#[test]
fn who_waits_is_read_and_is_a_contact_and_no_guest() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let entry = join(&mut world, &made, "Manuela", "Manuela@correo.example");
    let events = world.events.clone();
    world.poll("selling");
    assert_eq!(world.events, events, "no event");
    let read = world.model("waitlist_entry", &entry).clone();
    assert_eq!(
        (&read["status"], &read["place"], &read["contact"]["email"]),
        (&json!("waiting"), &json!(1), &json!("manuela@correo.example"))
    );
    assert_eq!(read["show_id"], made["show_id"].to_string());
    let said = Mention::of_state("boleteria", "waitlist_entry", &read, None).unwrap();
    assert!(said.party.is_none() && said.show.is_none(), "no guest of any show: {said:?}");
    assert!(said.claims.iter().any(|c| matches!(c, Claim::Email { verified: false, .. })));
    // Bought: the order is the entry's end, and nothing of it is taken back when the list is cleaned.
    done(
        world.run("offer_waitlist", json!({ "show_id": made["show_id"].to_string(), "entry_id": entry.to_string() })).0,
    );
    let mut bought = sale(&made, "stripe");
    bought["buyer"]["email"] = json!("manuela@correo.example");
    let order = world.heard("sell", bought);
    world.poll("selling");
    let read = world.model("waitlist_entry", &entry);
    assert_eq!((&read["status"], &read["order_id"]), (&json!("purchased"), &json!(order["order_id"].to_string())));
}

#[test]
fn a_place_is_offered_once_and_in_turn() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let show_id = made["show_id"].to_string();
    let first = join(&mut world, &made, "Manuela", "manuela@correo.example");
    let second = join(&mut world, &made, "Camila", "camila@correo.example");
    let third = join(&mut world, &made, "Luisa", "luisa@correo.example");
    let offer = json!({ "show_id": show_id, "entry_id": second.to_string() });
    assert_eq!(
        done(world.run("offer_waitlist", offer.clone()).0),
        json!({ "offered": 1, "entry_id": second.to_string(), "already": false })
    );
    assert_eq!(done(world.run("offer_waitlist", offer.clone()).0)["already"], true);
    let made_so = |world: &World| {
        world.sim.arrivals().iter().filter(|a| a.kind == "waitlist_offer").map(|a| a.times).sum::<u32>()
    };
    assert_eq!(made_so(&world), 1, "asked twice, offered once");
    // By tier: whoever came first.
    let by_tier = json!({ "show_id": show_id, "tier_id": made["tiers"][0]["id"].to_string() });
    assert_eq!(done(world.run("offer_waitlist", by_tier.clone()).0)["offered"], 1);
    world.poll("selling");
    assert_eq!(
        [status(&world, &first), status(&world, &second), status(&world, &third)],
        ["offered", "offered", "waiting"]
    );
    // A lost answer: the entry says whether it was made; of whoever was next, nobody can say.
    let back = |world: &mut World, input: &Value| {
        let ctx = pasarela_connector::Ctx { now: world.now, key: "k", attempt: 1 };
        let request = world.it.read_back("offer_waitlist", input, &ctx).unwrap();
        let answer = world.call(&request).answer;
        world.it.judge_read_back("offer_waitlist", input, &answer)
    };
    assert!(matches!(back(&mut world, &offer), ReadBack::Done(_)));
    let waits = json!({ "show_id": show_id, "entry_id": third.to_string() });
    assert!(matches!(back(&mut world, &waits), ReadBack::NotThere));
    assert!(matches!(back(&mut world, &by_tier), ReadBack::Unclear(_)));
    // The offer runs out, and may be made again.
    world.pass(25 * 3600);
    world.poll("selling");
    assert_eq!(status(&world, &second), "offer_expired");
    assert_eq!(done(world.run("offer_waitlist", offer).0)["already"], false);
    for wrong in [
        json!({ "show_id": show_id }),
        json!({ "show_id": show_id, "entry_id": "1", "tier_id": "2" }),
        json!({ "show_id": show_id, "entry_id": "1", "quantity": 2 }),
        json!({ "show_id": show_id, "tier_id": "2", "quantity": 51 }),
        json!({ "show_id": "../1", "tier_id": "2" }),
    ] {
        let calls = world.calls;
        assert_eq!(world.run("offer_waitlist", wrong.clone()).0.name(), "give_up", "{wrong}");
        assert_eq!(world.calls, calls, "{wrong}");
    }
}

#[test]
fn whoever_is_taken_off_waits_no_more_whoever_did_it() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let show_id = made["show_id"].to_string();
    let first = join(&mut world, &made, "Manuela", "manuela@correo.example");
    let gone = |entry: &Value| json!({ "show_id": show_id, "entry_id": entry.to_string() });
    world.poll("selling");
    assert_eq!(done(world.run("remove_from_waitlist", gone(&first)).0)["already"], false);
    assert_eq!(done(world.run("remove_from_waitlist", gone(&first)).0)["already"], true);
    assert_eq!(done(world.run("remove_from_waitlist", gone(&json!(77))).0)["already"], true, "nobody of that id waits");
    assert_eq!(world.run("offer_waitlist", gone(&first)).0.name(), "give_up");
    world.poll("selling");
    assert_eq!(status(&world, &first), "cancelled");

    // A server that forgets whoever was taken off: not listed is not waiting, and the hub still knows who it was.
    let body = json!({ "record": "waitlist_entry", "show": made["show_id"], "currency": "COP", "gone": true,
        "data": { "id": "902", "status": "CANCELLED" } });
    let second = join(&mut world, &made, "Camila", "camila@correo.example");
    assert_eq!(second, 902);
    world.poll("selling");
    world.decide(pasarela_connector::Source::Poll, body.to_string().as_bytes());
    let read = world.model("waitlist_entry", &second);
    assert_eq!((&read["status"], &read["contact"]["first_name"]), (&json!("cancelled"), &json!("Camila")));
}

#[test]
fn a_row_that_is_not_listed_any_more_is_told_as_gone() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let entry = join(&mut world, &made, "Manuela", "manuela@correo.example");
    world.poll("selling");
    // As if the server had listed one more at the last reading.
    let show_id = made["show_id"].to_string();
    let listed = world.cursors.get_mut("selling").unwrap()["listed"][&show_id].as_array_mut().unwrap();
    assert_eq!(listed, &vec![json!(entry.to_string())]);
    listed.push(json!("999"));
    world.poll("selling");
    assert_eq!(status(&world, &json!("999")), "cancelled");
    assert_eq!(status(&world, &entry), "waiting");
    // Told once.
    world.models.retain(|e, _| e.id != "999");
    world.poll("selling");
    assert!(world.models.keys().all(|e| e.id != "999"));
}

#[test]
fn what_a_server_can_do_is_known_by_what_it_answers() {
    let has = |world: &World, name: &str| {
        world.models.iter().find(|(e, _)| e.kind == "trait" && e.id == name).map(|(_, (d, ..))| d["has"].clone())
    };
    let mut new = World::new(json!({}));
    new.poll("selling");
    assert_eq!(has(&new, "organizer_webhooks"), Some(json!(true)));
    assert_eq!(has(&new, "waitlist"), None, "no show, no answer: unknown is not no");
    let made = new.heard("create_show", show());
    new.poll("selling");
    assert_eq!((has(&new, "waitlist"), has(&new, "affiliates")), (Some(json!(true)), Some(json!(true))));
    assert_eq!(has(&new, "several_dates"), Some(json!(false)));
    let known: Vec<&str> = new.it.traits().iter().map(|t| t.name).collect();
    assert!(new.models.keys().filter(|e| e.kind == "trait").all(|e| known.contains(&e.id.to_string().as_str())));

    let mut old = World::new(json!({ "organizer_webhooks": false, "waitlist": false }));
    old.heard("create_show", show());
    old.poll("selling");
    assert_eq!((has(&old, "organizer_webhooks"), has(&old, "waitlist")), (Some(json!(false)), Some(json!(false))));
    assert!(old.models.keys().any(|e| e.kind == "show_sales"), "the rest is read all the same");
    let offer = json!({ "show_id": made["show_id"].to_string(), "entry_id": "1" });
    let Outcome::TargetGone { why: reason } = old.run("offer_waitlist", offer).0 else { panic!() };
    assert!(reason.contains("1.7.0"), "{reason}");
}
