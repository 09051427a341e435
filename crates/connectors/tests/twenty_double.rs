//! The connector's actions and its double together: batches, repeats, limits and webhooks, seen from
//! outside.

#[path = "twenty_lab.rs"]
mod lab;

use lab::{Lab, guest, result};
use pasarela_connector::{Answer, Outcome, Scope, Step};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn one_bad_row_never_blocks_the_others() {
    let mut lab = Lab::new(json!({}));
    let mut inputs: Vec<Value> = (0..200).map(guest).collect();
    // In international form, and of no country that Twenty knows.
    inputs[137]["phone"] = json!("+99912345678");
    let outcomes = lab.upsert(&inputs);
    for (n, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Outcome::GiveUp { code, why } if n == 137 => {
                assert_eq!(code, "invalid_input");
                assert!(why.starts_with("Provided phone number is invalid"), "{why}");
            }
            outcome => assert!(n != 137 && result(outcome)["created"] == true, "{n}: {outcome:?}"),
        }
    }
    assert_eq!(lab.people().len(), 199);
    assert!(lab.people().values().all(|times| *times == 1));
    assert!(lab.calls <= 18, "{} calls", lab.calls);
}

#[test]
fn answers_out_of_order_reach_their_inputs() {
    let mut lab = Lab::new(json!({}));
    lab.upsert(&[guest(2), guest(4)]);
    let inputs: Vec<Value> = (1..=5).map(guest).collect();
    let outcomes = lab.upsert(&inputs);
    for (n, outcome) in outcomes.iter().enumerate() {
        let found = lab.run("find_person", &[json!({ "email": inputs[n]["email"] })], "k");
        assert_eq!(result(&found[0])["id"], result(outcome)["id"], "{n}");
        assert_eq!(result(outcome)["created"], n % 2 == 0, "{n}");
    }
}

#[test]
fn the_same_person_twice_in_a_batch_is_one_row() {
    let mut lab = Lab::new(json!({}));
    let outcomes = lab.upsert(&[
        json!({ "email": "Ana.Diaz@correo.example.co", "name": "Ana Díaz" }),
        json!({ "email": "bea@correo.example.co" }),
        json!({ "email": "ana.diaz@correo.example.co", "name": "Ana Díaz Rojas", "job_title": "Modelista" }),
        json!({ "email": "no-es-correo" }),
    ]);
    assert_eq!(result(&outcomes[0])["id"], result(&outcomes[2])["id"]);
    assert_ne!(result(&outcomes[0])["id"], result(&outcomes[1])["id"]);
    assert_eq!(outcomes[3].name(), "give_up");
    assert_eq!((lab.calls, lab.people().len()), (2, 2), "one look and one write");
    let found = lab.run("find_person", &[json!({ "email": "ana.diaz@correo.example.co" })], "k");
    let person = result(&found[0]);
    assert_eq!((person["name"].clone(), person["job_title"].clone()), (json!("Ana Díaz Rojas"), json!("Modelista")));
}

#[test]
fn repeats_change_nothing_whoever_the_person_is_known_by() {
    let mut lab = Lab::new(json!({}));
    let inputs = [
        json!({ "email": "ana@correo.example.co", "phone": "+573005550101", "name": "Ana Ruiz" }),
        json!({ "phone": "+573005550102", "name": "Leo Paz" }),
        json!({ "key": "per_9", "name": "Sin Datos" }),
    ];
    let first = lab.upsert(&inputs);
    let second = lab.upsert(&inputs);
    for (a, b) in first.iter().zip(&second) {
        assert_eq!(result(a)["id"], result(b)["id"]);
        assert_eq!((result(a)["created"].clone(), result(b)["created"].clone()), (json!(true), json!(false)));
    }
    let people = lab.people();
    assert_eq!(people.len(), 3);
    assert!(people.values().all(|times| *times == 1), "{people:?}");
}

#[test]
fn a_person_of_the_crms_own_making_is_met_by_their_address() {
    let mut lab = Lab::new(json!({}));
    lab.act("create_person", json!({ "name": "Isabella Cano Mejía", "email": "isa@correo.example.co" }));
    let outcomes = lab.upsert(&[json!({ "email": "isa@correo.example.co", "phone": "+573005550103" })]);
    assert_eq!(result(&outcomes[0])["created"], false);
    let found = lab.run("find_person", &[json!({ "phone": "+573005550103" })], "k");
    let person = result(&found[0]);
    // An absent name does not wipe the one that is there.
    assert_eq!((person["name"].clone(), person["matches"].clone()), (json!("Isabella Cano Mejía"), json!(1)));
    let missing = lab.run("find_person", &[json!({ "phone": "+573009999999" })], "k");
    assert_eq!(result(&missing[0])["found"], false);
}

#[test]
fn an_outage_in_the_middle_of_a_split_keeps_what_is_done() {
    let mut lab = Lab::new(json!({}));
    let mut inputs: Vec<Value> = (0..4).map(guest).collect();
    inputs[0]["phone"] = json!("+99912345678");
    let Step::Call(look) = lab.hub.begin("upsert_person", &inputs, &lab.ctx("k")) else { panic!() };
    let answer = lab.call(&look.request).answer;
    let Step::Call(call) = lab.hub.on("upsert_person", &inputs, &look.state, &answer, &lab.ctx("k")) else { panic!() };
    let answer = lab.call(&call.request).answer;
    let Step::Call(halves) = lab.hub.on("upsert_person", &inputs, &call.state, &answer, &lab.ctx("k")) else {
        panic!()
    };
    let text = halves.state.to_string();
    assert!(!text.contains('@') && !text.contains("Ruiz"), "no personal data in the state: {text}");
    let answer = lab.call(&halves.request).answer;
    let Step::Call(alone) = lab.hub.on("upsert_person", &inputs, &halves.state, &answer, &lab.ctx("k")) else {
        panic!()
    };
    let answer = lab.call(&alone.request).answer;
    let Step::Call(next) = lab.hub.on("upsert_person", &inputs, &alone.state, &answer, &lab.ctx("k")) else { panic!() };
    let answer = lab.call(&next.request).answer;
    let Step::Call(last) = lab.hub.on("upsert_person", &inputs, &next.state, &answer, &lab.ctx("k")) else { panic!() };
    let limited = Answer::json(429, &json!({ "messages": ["Limit reached (100 tokens per 60000 ms)"] }));
    let Step::End(ends) = lab.hub.on("upsert_person", &inputs, &last.state, &limited, &lab.ctx("k")) else { panic!() };
    let names: Vec<&str> = ends.iter().map(Outcome::name).collect();
    assert_eq!(names, ["give_up", "done", "throttled", "throttled"]);
}

#[test]
fn a_note_whose_answers_were_lost_is_there_once() {
    let mut lab = Lab::new(json!({}));
    let person = result(&lab.upsert(&[guest(1)])[0])["id"].clone();
    let input = [json!({ "person_id": person, "title": "WhatsApp entrante", "markdown": "Confirmo el **fitting**." })];
    for lost_after in [1, 2] {
        let mut step = lab.hub.begin("add_note", &input, &lab.ctx("run-1/nota"));
        for _ in 0..lost_after {
            let Step::Call(call) = step else { panic!("{step:?}") };
            let answer = lab.call(&call.request).answer;
            step = lab.hub.on("add_note", &input, &call.state, &answer, &lab.ctx("run-1/nota"));
        }
    }
    let first = result(&lab.run("add_note", &input, "run-1/nota")[0]);
    let second = result(&lab.run("add_note", &input, "run-1/nota")[0]);
    assert_eq!(first, second);
    let notes = lab.crm.view("notes");
    assert_eq!(notes.as_array().unwrap().len(), 1);
    assert_eq!(notes[0]["person_id"], person);
    lab.run("add_note", &input, "run-2/nota");
    assert_eq!(lab.crm.arrivals().iter().filter(|a| a.kind == "note").count(), 2);

    let nobody = json!({ "person_id": "00000000-0000-4000-8000-000000000000", "title": "t", "markdown": "m" });
    assert_eq!(lab.run("add_note", &[nobody], "run-3/nota")[0].name(), "target_gone");
}

#[test]
fn deals_keep_their_key_and_tell_when_they_are_moved() {
    let mut lab = Lab::new(json!({}));
    let input = json!({ "key": "opp_1", "name": "Patrocinio", "stage": "SCREENING", "close_date": "2027-02-28T12:00:00-05:00" });
    let first = result(&lab.run("upsert_opportunity", std::slice::from_ref(&input), "a")[0]);
    let again = result(&lab.run("upsert_opportunity", &[input], "b")[0]);
    assert_eq!((first["id"].clone(), again["created"].clone()), (again["id"].clone(), json!(false)));
    let reply = lab.act("move_deal", json!({ "id": first["id"], "stage": "PROPOSAL" }));
    assert_eq!(lab.hear(&reply.webhooks), ["deal.stage_changed"]);
    let bad = json!({ "key": "opp_1", "name": "Patrocinio", "stage": "GANADO" });
    let Outcome::GiveUp { why, .. } = &lab.run("upsert_opportunity", &[bad], "c")[0] else { panic!() };
    assert!(why.contains("Valid values are: NEW"), "{why}");
}

#[test]
fn people_in_the_crm_are_heard_and_the_hub_does_not_hear_itself() {
    let mut lab = Lab::new(json!({}));
    let email = json!({ "email": "sara@correo.example.co" });
    let made = lab.act("create_person", json!({ "name": "Sara Gil", "email": "sara@correo.example.co" }));
    assert_eq!(lab.hear(&made.webhooks), ["person.created"]);
    let edited = lab.act("edit_person", json!({ "email": "sara@correo.example.co", "job_title": "Fotógrafa" }));
    assert_eq!(lab.hear(&edited.webhooks), ["person.updated"]);
    let deleted = lab.act("delete_person", email.clone());
    assert_eq!(lab.hear(&deleted.webhooks), ["person.deleted"]);
    let destroyed = lab.act("destroy_person", email.clone());
    assert_eq!(lab.hear(&destroyed.webhooks), ["person.deleted"]);
    assert!(lab.crm.act("destroy_person", &email, lab.now).is_err());
    assert!(lab.crm.act("dance", &json!({}), lab.now).unwrap_err().contains("create_person"));

    let inputs = [guest(1)];
    let Step::Call(look) = lab.hub.begin("upsert_person", &inputs, &lab.ctx("k")) else { panic!() };
    let answer = lab.call(&look.request).answer;
    let Step::Call(call) = lab.hub.on("upsert_person", &inputs, &look.state, &answer, &lab.ctx("k")) else { panic!() };
    let reply = lab.call(&call.request);
    assert_eq!(lab.hear(&reply.webhooks), ["[person.created (own)]"]);
}

#[test]
fn the_hub_waits_as_long_as_it_is_told() {
    for (version, expected) in [("2.31", 60), ("2.47", 1)] {
        let mut lab = Lab::new(json!({ "version": version }));
        let probe = lab.hub.probe().unwrap();
        for _ in 0..100 {
            let mut request = probe.clone().header("authorization", "Bearer llave");
            request.url = request.url.replace("http://crm.example", "");
            assert_eq!(lab.crm.handle(&request, lab.now).answer.status, 200);
        }
        let Step::Call(call) = lab.hub.begin("upsert_person", &[guest(1)], &lab.ctx("k")) else { panic!() };
        let mut request = call.request.clone().header("authorization", "Bearer llave");
        request.url = request.url.replace("http://crm.example", "");
        let answer = lab.crm.handle(&request, lab.now).answer;
        let Step::End(ends) = lab.hub.on("upsert_person", &[guest(1)], &call.state, &answer, &lab.ctx("k")) else {
            panic!()
        };
        let after = Some(Duration::from_secs(expected));
        assert_eq!(ends, [Outcome::Throttled { after, scope: Scope::Connection }], "{version}");
    }
}

/// At the connector's own pace a call is never refused.
#[test]
fn the_declared_pace_holds_for_ever() {
    let mut lab = Lab::new(json!({}));
    let rate = lab.hub.limits().unwrap().rate.unwrap();
    assert_eq!((rate.burst, rate.every), (1, Duration::from_millis(650)));
    let probe = lab.hub.probe().unwrap();
    for n in 0..500 {
        assert_eq!(lab.call(&probe).answer.status, 200, "call {n}");
    }
}
