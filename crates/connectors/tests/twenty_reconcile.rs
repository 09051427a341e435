//! Reconciliation against the double: what the webhooks missed is read, once.

#[path = "twenty_lab.rs"]
mod lab;

use jiff::SignedDuration;
use lab::{Lab, guest};
use pasarela_connector::{Answer, PollStep, Request};
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
