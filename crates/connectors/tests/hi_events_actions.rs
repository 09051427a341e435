//! What flows may ask of Hi.Events, against its double: each thing once, what is not named as it was, and what was
//! asked for before recognised.

#[path = "hi_events_lab.rs"]
mod lab;

use lab::{World, sale, show};
use pasarela_connector::{Answer, Ctx, Outcome, ReadBack, Repeat, Step};
use serde_json::{Value, json};

impl World {
    fn done(&mut self, action: &str, input: &Value) -> Value {
        match self.run(action, input.clone()).0 {
            Outcome::Done(done) => done.result,
            other => panic!("{action} {input}: {other:?}"),
        }
    }

    fn code(&mut self, action: &str, input: &Value) -> String {
        match self.run(action, input.clone()).0 {
            Outcome::GiveUp { code, .. } => code,
            other => other.name().to_owned(),
        }
    }

    /// What looking says of an action whose answer was lost.
    fn looked(&mut self, action: &str, input: &Value) -> ReadBack {
        let ctx = Ctx { now: self.now, key: "k", attempt: 1 };
        let request = self.it.read_back(action, input, &ctx).unwrap();
        let answer = self.call(&request).answer;
        self.it.judge_read_back(action, input, &answer)
    }

    fn times(&self, kind: &str) -> u32 {
        self.sim.arrivals().iter().filter(|a| a.kind == kind).map(|a| a.times).sum()
    }
}

fn ids(made: &Value, sold: &Value) -> Value {
    json!({ "show_id": made["show_id"].to_string(), "order_id": sold["order_id"].to_string() })
}

fn with(base: &Value, more: Value) -> Value {
    let mut all = base.clone();
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

fn cop(minor: i64) -> Value {
    json!({ "minor": minor, "currency": "COP" })
}

#[test]
fn money_goes_back_in_parts_and_whole_and_never_twice() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let sold = world.heard("sell", sale(&made, "stripe"));
    let order = ids(&made, &sold);
    // 341,056 pesos.
    let part = with(&order, json!({ "amount": cop(10_000_050), "refunded_before": cop(0) }));
    assert_eq!(world.looked("refund", &part), ReadBack::NotThere);
    let (outcome, webhooks) = world.run("refund", part.clone());
    assert!(
        matches!(&outcome, Outcome::Done(d) if d.result["already"] == false && d.result["refund_status"] == "refund_pending")
    );
    // Another one waits while the first one is on its way; asked again afterwards, it was done.
    assert_eq!(world.run("refund", with(&order, json!({ "amount": cop(100) }))).0.name(), "retry");
    assert!(matches!(world.looked("refund", &part), ReadBack::Done(_)));
    world.pass(5);
    webhooks.iter().for_each(|w| world.receive(w));
    assert_eq!(world.model("order", &sold["order_id"])["refunded"], cop(10_000_050));
    assert_eq!(world.done("refund", &part)["already"], true);
    assert!(matches!(world.looked("refund", &part), ReadBack::Done(_)));
    // Without what was refunded before, nobody can tell one part from another.
    assert!(matches!(world.looked("refund", &with(&order, json!({ "amount": cop(100) }))), ReadBack::Unclear(_)));
    assert_eq!(world.code("refund", &with(&order, json!({ "amount": cop(34_105_600) }))), "too_much");
    assert_eq!(
        world.code("refund", &with(&order, json!({ "amount": { "minor": 100, "currency": "USD" } }))),
        "invalid_input"
    );
    assert_eq!(world.looked("refund", &order), ReadBack::NotThere);
    assert_eq!(world.done("refund", &order)["amount"], cop(24_105_550), "all that is left");
    world.pass(5);
    assert_eq!(world.done("refund", &order)["already"], true);
    assert_eq!(world.times("refund"), 2);

    let cash = world.heard("sell", sale(&made, "offline"));
    assert_eq!(world.code("refund", &ids(&made, &cash)), "not_stripe");
}

#[test]
fn a_lost_answer_to_what_happens_twice_is_never_sent_again_unseen() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let sold = world.heard("sell", sale(&made, "stripe"));
    let ticket = json!({ "show_id": made["show_id"].to_string(), "ticket_id": sold["tickets"][0]["id"].to_string() });
    let question = json!({ "show_id": made["show_id"].to_string(), "title": "Talla", "type": "single_line_text" });
    for (action, input) in [("refund", ids(&made, &sold)), ("cancel_ticket", ticket), ("create_question", question)] {
        let ctx = Ctx { now: world.now, key: "k", attempt: 1 };
        let inputs = [input];
        let mut step = world.it.begin(action, &inputs, &ctx);
        let mut calls = Vec::new();
        while let Step::Call(call) = step {
            let answer = world.call(&call.request).answer;
            let lost = world.it.on(action, &inputs, &call.state, &Answer::text(504, ""), &ctx);
            step = world.it.on(action, &inputs, &call.state, &answer, &ctx);
            calls.push((call, lost));
        }
        let (last, lost) = calls.last().unwrap();
        assert_eq!((calls.len(), last.repeat), (2, Repeat::Never), "{action}");
        assert!(matches!(lost, Step::End(o) if o[0].name() == "unknown"), "{action}: {lost:?}");
        assert_eq!(calls[0].0.repeat, Repeat::Safe, "{action}: it reads first");
        assert_eq!(calls[0].0.request.method, "GET");
        assert!(matches!(world.looked(action, &inputs[0]), ReadBack::Done(_)), "{action}");
    }
}

#[test]
fn a_holder_and_a_buyer_are_corrected_and_the_rest_stays() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let sold = world.heard("sell", sale(&made, "stripe"));
    world.act(
        "edit_attendee",
        json!({ "attendee_id": sold["tickets"][1]["id"], "notes": "silla de ruedas", "silent": true }),
    );
    let ticket = json!({ "show_id": made["show_id"].to_string(), "ticket_id": sold["tickets"][1]["id"].to_string() });
    let (outcome, webhooks) = world.run("update_ticket_holder", with(&ticket, json!({ "last_name": "Rendón Gil" })));
    assert!(matches!(outcome, Outcome::Done(d) if d.result["changed"] == true));
    assert_eq!(webhooks.iter().map(|w| w.kind.as_str()).collect::<Vec<_>>(), ["attendee.updated"]);
    webhooks.iter().for_each(|w| world.receive(w));
    let holder = world.model("ticket", &sold["tickets"][1]["id"])["holder"].clone();
    assert_eq!((&holder["first_name"], &holder["last_name"]), (&json!("Samuel"), &json!("Rendón Gil")));
    assert_eq!(holder["email"], "samuel@correo.example");
    let rows = world.sim.view("attendees");
    let row = rows.as_array().unwrap().iter().find(|r| r["id"] == sold["tickets"][1]["id"]).unwrap();
    assert_eq!((&row["notes"], &row["product_price_id"]), (&json!("silla de ruedas"), &made["tiers"][1]["id"]));
    // What is so already is not sent: the echo of it ends here.
    let again = with(&ticket, json!({ "last_name": " Rendón Gil", "email": "Samuel@Correo.example" }));
    let (outcome, webhooks) = world.run("update_ticket_holder", again);
    assert!(matches!(outcome, Outcome::Done(d) if d.result["changed"] == false) && webhooks.is_empty());

    let order = ids(&made, &sold);
    let (outcome, webhooks) =
        world.run("update_buyer", with(&order, json!({ "email": "v.ochoa@correo.example", "notes": "REF 81" })));
    assert!(matches!(outcome, Outcome::Done(d) if d.result["changed"] == true));
    webhooks.iter().for_each(|w| world.receive(w));
    let buyer = &world.model("order", &sold["order_id"])["buyer"];
    assert_eq!((&buyer["email"], &buyer["name"]), (&json!("v.ochoa@correo.example"), &json!("Valentina Ochoa Mejía")));
    assert_eq!(world.done("update_buyer", &with(&order, json!({ "first_name": "Valentina" })))["changed"], false);
    let gone = json!({ "show_id": made["show_id"].to_string(), "ticket_id": "1", "last_name": "x" });
    assert_eq!(world.code("update_ticket_holder", &gone), "target_gone");
}

#[test]
fn a_ticket_is_cancelled_put_back_and_known_to_be_so() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let sold = world.heard("sell", sale(&made, "stripe"));
    let ticket = json!({ "show_id": made["show_id"].to_string(), "ticket_id": sold["tickets"][0]["id"].to_string() });
    let (outcome, webhooks) = world.run("cancel_ticket", ticket.clone());
    assert!(
        matches!(outcome, Outcome::Done(d) if d.result == json!({ "ticket_id": ticket["ticket_id"], "status": "cancelled", "already": false }))
    );
    // In upper case, or nobody is told and no place is free again.
    assert_eq!(webhooks.iter().map(|w| w.kind.as_str()).collect::<Vec<_>>(), ["attendee.cancelled"]);
    assert!(matches!(world.looked("cancel_ticket", &ticket), ReadBack::Done(_)));
    assert_eq!(world.looked("reactivate_ticket", &ticket), ReadBack::NotThere);
    assert_eq!(world.done("cancel_ticket", &ticket)["already"], true);
    assert_eq!(world.done("reactivate_ticket", &ticket)["status"], "active");
    assert_eq!(world.done("reactivate_ticket", &ticket)["already"], true);
    let sold_out: u64 = world.sim.view("products")[0]["quantity_sold"].as_u64().unwrap();
    assert_eq!(sold_out, 2);
}

#[test]
fn whoever_is_let_out_again_may_come_in_again() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let sold = world.heard("sell", sale(&made, "stripe"));
    let door = json!({ "list": made["list"]["short_id"], "code": sold["tickets"][0]["code"] });
    assert_eq!(world.done("check_out", &door)["already"], true, "who is not in is out");
    let scan = world.done("check_in", &door);
    let (outcome, webhooks) = world.run("check_out", door.clone());
    assert!(matches!(outcome, Outcome::Done(d) if d.result["already"] == false));
    assert_eq!(webhooks[0].kind, "checkin.deleted");
    let named = with(&door, json!({ "check_in": scan["short_id"] }));
    assert_eq!(world.done("check_out", &named)["already"], true);
    assert_eq!(world.done("check_in", &door)["duplicate"], false);
    let stranger = json!({ "list": made["list"]["short_id"], "code": "A-ZZZZZZZ" });
    assert_eq!(world.code("check_out", &stranger), "not_on_list");
    world.act("close_list", json!({ "list": made["list"]["short_id"] }));
    assert_eq!(world.code("check_out", &door), "list_closed");
}

#[test]
fn guests_are_written_to_once_and_only_those_that_are_named() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let sold = world.heard("sell", sale(&made, "stripe"));
    world.heard("sell", sale(&made, "stripe"));
    let base = json!({ "show_id": made["show_id"].to_string(), "subject": "Cambio de sala", "message": "La pasarela es en el Pabellón Azul." });
    let one = with(&base, json!({ "to": "tickets", "ticket_ids": [sold["tickets"][1]["id"].to_string()] }));
    let sent = world.done("message_attendees", &one);
    assert_eq!(sent["status"], "sent");
    for (to, who) in [
        (json!({ "to": "all" }), 4),
        (json!({ "to": "holders_of", "product_ids": [made["product_id"].to_string()] }), 4),
        (json!({ "to": "buyer", "order_id": sold["order_id"].to_string() }), 2),
    ] {
        world.done("message_attendees", &with(&base, to.clone()));
        let messages = world.sim.view("messages");
        assert_eq!(messages.as_array().unwrap().last().unwrap()["tickets"].as_array().unwrap().len(), who, "{to}");
    }
    assert_eq!(world.sim.view("messages")[0]["tickets"], json!([sold["tickets"][1]["id"]]));
    let action = pasarela_connector::Provider::manifest(&pasarela_connectors::hi_events::HiEvents)
        .action("message_attendees")
        .unwrap();
    let message = action.message.unwrap();
    assert_eq!((message.channel, message.to), ("email", None), "it names nobody, so it is no advertising");
    let ctx = Ctx { now: world.now, key: "k", attempt: 1 };
    assert!(world.it.read_back("message_attendees", &one, &ctx).is_none());
}

#[test]
fn a_show_is_made_after_another_one_and_gone_on_with() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let theirs =
        json!({ "show_id": made["show_id"], "title": "¿Quiere novedades?", "type": "RADIO", "options": ["Sí", "No"] });
    world.act("create_question", theirs);
    let asked = json!({ "from": made["show_id"].to_string(), "title": "Raíz y Seda", "starts": "2026-11-27T19:00", "ends": "2026-11-27T21:00" });
    assert_eq!(world.looked("create_show", &asked), ReadBack::NotThere);
    // Cut off after each call in turn, and begun again.
    for calls in 1..=13 {
        let ctx = Ctx { now: world.now, key: "k", attempt: 1 };
        let inputs = [asked.clone()];
        let mut step = world.it.begin("create_show", &inputs, &ctx);
        for _ in 0..calls {
            let Step::Call(call) = step else { break };
            let answer = world.call(&call.request).answer;
            let state = serde_json::from_str(&call.state.to_string()).unwrap();
            step = world.it.on("create_show", &inputs, &state, &answer, &ctx);
        }
    }
    let shows = world.sim.view("shows");
    let new: Vec<&Value> = shows.as_array().unwrap().iter().filter(|s| s["title"] == "Raíz y Seda").collect();
    assert_eq!(new.len(), 1, "one show, however often it is begun");
    assert_eq!((&new[0]["status"], &new[0]["start_date"]), (&json!("DRAFT"), &json!("2026-11-28T00:00:00.000000Z")));
    assert_eq!(new[0]["location_details"]["venue_name"], "Plaza Mayor");
    let done = world.done("create_show", &asked);
    assert_eq!((&done["show_id"], &done["already"]), (&json!(new[0]["id"].to_string()), &json!(true)));
    assert_eq!((&done["products"], &done["questions"]), (&json!(0), &json!(0)), "nothing is left to make");
    assert!(matches!(world.looked("create_show", &asked), ReadBack::Unclear(why) if why.contains("retry")));
    let of_new = |rows: &Value| -> Vec<Value> {
        rows.as_array().unwrap().iter().filter(|r| r["event_id"] == new[0]["id"]).cloned().collect()
    };
    let products = of_new(&world.sim.view("products"));
    assert_eq!((products.len(), products[0]["prices"].as_array().unwrap().len()), (1, 2));
    assert_eq!((&products[0]["prices"][1]["label"], &products[0]["quantity_sold"]), (&json!("Fila 1"), &json!(0)));
    let questions = of_new(&world.sim.view("questions"));
    assert_eq!(questions.len(), 3, "one of the buyer and one of each guest, by one title: {questions:#?}");
    let id = json!({ "show_id": done["show_id"] });
    let (outcome, webhooks) = world.run("publish_show", id.clone());
    assert!(matches!(outcome, Outcome::Done(d) if d.result["status"] == "live"));
    webhooks.iter().for_each(|w| world.receive(w));
    assert_eq!(world.model("show", &done["show_id"])["status"], "live");
    assert_eq!(world.done("archive_show", &id)["status"], "archived");
}

#[test]
fn there_is_one_of_each_name() {
    let mut world = World::new(json!({}));
    let made = world.heard("create_show", show());
    let show_id = json!({ "show_id": made["show_id"].to_string() });
    let question = with(
        &show_id,
        json!({ "title": "Talla", "type": "dropdown", "options": ["S", "M"], "product_ids": [made["product_id"].to_string()] }),
    );
    assert_eq!(world.looked("create_question", &question), ReadBack::NotThere);
    let first = world.done("create_question", &question);
    let again = world.done("create_question", &with(&question, json!({ "title": "¿talla?" })));
    assert_eq!((&again["id"], &again["already"]), (&first["id"], &json!(true)));
    assert!(matches!(world.looked("create_question", &question), ReadBack::Done(_)));

    let promo = |percent: u32| {
        with(
            &show_id,
            json!({ "code": "Prensa26", "discount": { "percent": percent }, "until": "2026-05-10T23:59", "most": 40 }),
        )
    };
    let made_code = world.done("set_promo_code", &promo(20));
    assert_eq!(world.done("set_promo_code", &promo(25))["id"], made_code["id"], "changed, and not made again");
    let sold = world.heard("sell", with(&sale(&made, "stripe"), json!({ "promo": "PRENSA26" })));
    assert_eq!(world.model("order", &sold["order_id"])["lines"][0]["unit_price"]["minor"], 6_375_000);
    let amount = with(&show_id, json!({ "code": "Amigos", "discount": { "amount": 5000 } }));
    assert_ne!(world.done("set_promo_code", &amount)["id"], made_code["id"]);
    let places = with(
        &show_id,
        json!({ "name": "Aforo pabellón", "places": 340, "product_ids": [made["product_id"].to_string()] }),
    );
    let capacity = world.done("set_capacity", &places);
    assert_eq!(world.done("set_capacity", &with(&places, json!({ "places": 300 })))["id"], capacity["id"]);
    let who = with(&show_id, json!({ "name": "Creadora @lacosturera", "code": "lacosturera" }));
    let affiliate = world.done("set_affiliate", &who);
    assert_eq!(world.done("set_affiliate", &with(&who, json!({ "active": false })))["id"], affiliate["id"]);
    for action in ["set_promo_code", "set_capacity", "set_affiliate"] {
        let input = match action {
            "set_promo_code" => &amount,
            "set_capacity" => &places,
            _ => &who,
        };
        assert!(matches!(world.looked(action, input), ReadBack::Done(_)), "{action}");
    }
    let foreign = with(&places, json!({ "product_ids": ["1"] }));
    assert_eq!(world.code("set_capacity", &foreign), "invalid");
}
