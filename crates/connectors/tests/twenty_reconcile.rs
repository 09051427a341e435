//! Reconciliation against the double: what the webhooks missed is read, once.

#[path = "twenty_lab.rs"]
mod lab;

use jiff::SignedDuration;
use lab::{Lab, guest};
use pasarela_connector::{Answer, Item, PollStep, Request, Source};
use pasarela_domain::EntityRef;
use serde_json::{Value, json};

#[test]
fn what_webhooks_missed_is_read_once() {
    let mut lab = Lab::new(json!({}));
    for from in [0, 200, 400] {
        let batch: Vec<Value> = (from..(from + 200).min(450)).map(guest).collect();
        lab.upsert(&batch);
    }
    lab.act("create_person", json!({ "name": "Ana Ruiz", "email": "ana@correo.example.co" }));
    lab.act("create_person", json!({ "name": "Eva Paz", "email": "eva@correo.example.co" }));
    lab.act("delete_person", json!({ "email": "eva@correo.example.co" }));
    lab.wait(60_000);

    // The first sweep brings all of it: own records and the bin in silence.
    let (told, cursor) = lab.sweep("people", None);
    assert_eq!(told.len(), 452);
    assert_eq!(told.iter().filter(|t| *t == "person.updated").count(), 1);
    assert_eq!(told.iter().filter(|t| *t == "-").count(), 451);

    // Nothing changed: nothing is told again.
    lab.wait(300_000);
    let (told, cursor) = lab.sweep("people", cursor);
    assert!(told.is_empty(), "{told:?}");

    // All of these webhooks were lost.
    lab.act("create_person", json!({ "name": "Luz Mar", "email": "luz@correo.example.co" }));
    lab.act("edit_person", json!({ "email": "invitada7@correo.example.co", "job_title": "Compradora" }));
    lab.act("delete_person", json!({ "email": "ana@correo.example.co" }));
    lab.wait(300_000);
    let (mut told, cursor) = lab.sweep("people", cursor);
    told.sort();
    assert_eq!(told, ["person.created", "person.deleted", "person.updated"]);

    lab.wait(300_000);
    assert!(lab.sweep("people", cursor).0.is_empty());
    assert_eq!(lab.sweep("companies", None).0.len(), 0);
}

/// A slow transaction shows an earlier time after a later one was read.
#[test]
fn a_late_write_below_the_mark_is_still_read() {
    let mut lab = Lab::new(json!({}));
    lab.act("create_person", json!({ "name": "Ana Ruiz", "email": "ana@correo.example.co" }));
    let (_, cursor) = lab.sweep("people", None);
    let earlier = lab.now.checked_sub(SignedDuration::from_secs(4)).unwrap();
    lab.crm.act("create_person", &json!({ "name": "Leo Gil", "email": "leo@correo.example.co" }), earlier).unwrap();
    assert_eq!(lab.sweep("people", cursor).0, ["person.created"]);
}

#[test]
fn a_record_from_the_future_does_not_blind_the_sweep() {
    let mut lab = Lab::new(json!({}));
    let body = json!({ "name": { "firstName": "Fecha" }, "createdAt": "2099-01-01T00:00:00.000Z", "updatedAt": "2099-01-01T00:00:00.000Z" });
    lab.call(&Request::new("POST", "http://crm.example/rest/people").json(&body));
    let (_, cursor) = lab.sweep("people", None);
    lab.act("create_person", json!({ "name": "Ana Ruiz", "email": "ana@correo.example.co" }));
    assert!(lab.sweep("people", cursor).0.contains(&"person.created".to_owned()));
}

#[test]
fn a_refused_cursor_is_given_up_once_for_a_fresh_start() {
    let lab = Lab::new(json!({}));
    let state = json!({ "v": 1, "mark": "2026-11-27T18:00:00Z", "after": "viejo" });
    let refused = Answer::json(400, &json!({ "messages": ["Invalid cursor"], "code": "INVALID_CURSOR" }));
    let PollStep::Page { cursor, more, .. } = lab.hub.poll("people", None, Some((&state, &refused)), &lab.ctx("s"))
    else {
        panic!()
    };
    assert!(more && cursor["after"].is_null() && cursor["mark"] == "2026-11-27T18:00:00Z");
    let mut again = cursor;
    again["after"] = json!("viejo");
    assert!(matches!(lab.hub.poll("people", None, Some((&again, &refused)), &lab.ctx("s")), PollStep::Failed(_)));
}

#[test]
fn the_model_is_read_where_it_is_and_is_nothing_where_it_is_not() {
    let mut lab = Lab::new(json!({}));
    let (told, cursor) = lab.sweep("show_records", None);
    assert_eq!(told, Vec::<String>::new(), "no model, nothing to read");
    assert!(lab.sweep("show_records", cursor).0.is_empty());

    let mut lab = Lab::provisioned(json!({}));
    let (_, cursor) = lab.sweep("show_records", None);
    let show =
        json!({ "object": "fashionEvent", "key": "show_1", "name": "Noche de Telares", "fields": { "aforo": 90 } });
    lab.run("upsert_record", &[show], "k");
    let (told, cursor) = lab.sweep("show_records", cursor);
    assert_eq!(told, ["-"], "a read model and no event");
    lab.wait(120_000);
    let (_, cursor) = lab.sweep("show_records", cursor);
    assert!(lab.sweep("show_records", cursor).0.is_empty(), "what was read is not told again");
}

/// Imported with old dates, below every mark; and destroyed without a word.
#[test]
fn reading_everything_finds_what_changes_do_not() {
    let mut lab = Lab::provisioned(json!({ "operations": [] }));
    let made = lab.act("create_person", json!({ "name": "Sara Gil", "email": "sara@correo.example.co" }));
    let sara: Value = made.answer.parse().unwrap();
    let (_, cursor) = lab.sweep("people", None);
    lab.wait(120_000);
    let old = json!({ "name": { "firstName": "Ana", "lastName": "Vieja" }, "createdAt": "2020-01-01T00:00:00.000Z",
        "updatedAt": "2020-01-01T00:00:00.000Z", "emails": { "primaryEmail": "vieja@correo.example.co" } });
    lab.rest("POST", "people", old);
    for n in 0..450 {
        lab.act("create_person", json!({ "name": "Mil", "email": format!("mil{n}@correo.example.co") }));
    }
    lab.wait(120_000);
    let (told, _) = lab.sweep("people", cursor);
    assert_eq!(told.iter().filter(|t| *t == "person.created").count(), 450, "the old one passes below the mark");
    lab.calls = 0;
    let (told, cursor) = lab.sweep("everything", None);
    assert_eq!(told.len(), 452, "each person is read");
    assert_eq!(cursor, Some(Value::Null), "the next reading begins anew");
    assert_eq!(lab.calls, 20, "three pages of people, one each of eight other objects, and nine bins");

    let id = sara["id"].as_str().unwrap();
    let entity = EntityRef::new("person", id);
    let ask = |lab: &mut Lab| {
        let request = lab.hub.look_for(&entity).unwrap();
        let answer = lab.call(&request).answer;
        lab.hub.gone(&entity, &answer, &lab.ctx("gone"))
    };
    assert_eq!(ask(&mut lab), None, "she is there");
    lab.act("destroy_person", json!({ "id": id }));
    let gone = ask(&mut lab).expect("she is gone");
    let items = lab.hub.translate(Source::Poll, gone.body.to_string().as_bytes()).unwrap().items;
    let [Item::Fact(fact)] = &items[..] else { panic!("{items:?}") };
    assert_eq!(
        (fact.event_type.as_deref(), fact.key.as_str()),
        (Some("person.deleted"), format!("person:{id}").as_str())
    );
    let known = json!({ "id": id, "contact": { "name": "Sara Gil" }, "deleted": false });
    let write = &fact.entities[0];
    let both = (write.merge.unwrap().0)(&known, &write.data);
    assert_eq!((&both["contact"]["name"], &both["deleted"]), (&json!("Sara Gil"), &json!(true)));
    // Another server's 404 says nothing.
    let html = Answer::text(404, "<html>Not Found</html>");
    assert_eq!(lab.hub.gone(&entity, &html, &lab.ctx("gone")), None);
}

/// The plans' limits, against the recorded refill: whoever is a little too fast is refused for good after a minute.
#[test]
fn both_plans_paces_are_never_refused_and_a_faster_one_is() {
    for (calls, ours, too_fast) in [(100, 650, 500), (50, 1250, 1000)] {
        let mut lab = Lab::with(json!({ "limit_per_minute": calls }), json!({ "calls_per_minute": calls }));
        let rate = lab.hub.limits().unwrap().rate.unwrap();
        assert_eq!((rate.burst, rate.every.as_millis()), (1, ours));
        let probe = lab.hub.probe().unwrap();
        let mut refused = |every: i64| {
            (0..300)
                .filter(|_| {
                    // The lab waits 700 ms by itself.
                    lab.wait(every - 700);
                    lab.call(&probe).answer.status == 429
                })
                .count()
        };
        assert_eq!(refused(i64::try_from(ours).unwrap()), 0, "{calls}");
        assert!(refused(too_fast) > 100, "{calls}");
    }
}
