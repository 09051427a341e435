//! Which record a person is written to: known, adopted, deleted, gone, or another one's; and one for all of them.

#[path = "twenty_lab.rs"]
mod lab;

use jiff::SignedDuration;
use lab::{Lab, guest, result};
use pasarela_connector::{Outcome, Request};
use serde_json::{Value, json};

fn keyed(n: usize) -> Value {
    let mut guest = guest(n);
    guest["key"] = json!(format!("per_{n:04}"));
    guest
}

fn code(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::GiveUp { code, .. } => code,
        Outcome::Withheld { rule, .. } => rule,
        other => other.name(),
    }
}

#[test]
fn a_person_gets_the_hubs_key_wherever_the_field_is() {
    for provisioned in [true, false] {
        let mut lab = if provisioned { Lab::provisioned(json!({})) } else { Lab::new(json!({})) };
        lab.act("create_person", json!({ "name": "Sara Gil", "email": "invitada1@correo.example.co" }));
        let made = lab.act("create_person", json!({ "name": "Sara Gil", "email": "invitada2@correo.example.co" }));
        let made: Value = made.answer.parse().unwrap();
        let outcomes = lab.upsert(&[keyed(1), keyed(2), keyed(3)]);
        let ids: Vec<Value> = outcomes.iter().map(|o| result(o)["id"].clone()).collect();
        assert_eq!(ids[1], made["id"], "adopted by the address, with its own id");
        let again: Vec<Value> =
            lab.upsert(&[keyed(1), keyed(2), keyed(3)]).iter().map(|o| result(o)["id"].clone()).collect();
        assert_eq!(ids, again);
        assert_eq!(lab.people().len(), 3);
        for (n, id) in ids.iter().enumerate() {
            let key = lab.read("people", id)["hubId"].clone();
            assert_eq!(key, if provisioned { json!(format!("per_{:04}", n + 1)) } else { Value::Null });
        }
        // With the field, the person is known by the key, whatever address they have since.
        let moved = lab.upsert(&[json!({ "key": "per_0002", "email": "otra@correo.example.co" })]);
        assert_eq!(code(&moved[0]), "done");
        assert_eq!(result(&moved[0])["id"] == ids[1], provisioned);
    }
}

#[test]
fn a_named_field_that_is_not_there_is_told_and_an_empty_one_asks_for_nothing() {
    let mut lab = Lab::with(json!({}), json!({ "hub_id_field": "llave" }));
    assert_eq!(code(&lab.upsert(&[keyed(1)])[0]), "needs_human");
    let mut lab = Lab::with(json!({}), json!({ "hub_id_field": "" }));
    assert_eq!(code(&lab.upsert(&[keyed(1)])[0]), "done");
    assert_eq!(lab.calls, 2, "one look, one write");
}

#[test]
fn what_was_deleted_stays_deleted_until_somebody_says_otherwise() {
    let mut lab = Lab::provisioned(json!({}));
    let ids: Vec<Value> = lab.upsert(&[keyed(1), keyed(2), keyed(3)]).iter().map(|o| result(o)["id"].clone()).collect();
    lab.act("delete_person", json!({ "email": "invitada2@correo.example.co" }));
    // By address, by key, by id; alone and among others.
    let by_id = json!({ "id": ids[1], "job_title": "Jefa" });
    for inputs in
        [vec![guest(2)], vec![keyed(2)], vec![by_id.clone()], vec![keyed(1), by_id, keyed(3)], vec![guest(1), keyed(2)]]
    {
        let outcomes = lab.upsert(&inputs);
        for (input, outcome) in inputs.iter().zip(&outcomes) {
            let second = input["id"] == ids[1] || input["email"] == "invitada2@correo.example.co";
            assert_eq!(code(outcome), if second { "deleted_in_crm" } else { "done" }, "{input}");
        }
        assert!(lab.crm.view("people").as_array().unwrap().iter().any(|p| p["deleted"] == true));
    }
    let mut back = keyed(2);
    back["revive"] = json!(true);
    assert_eq!(result(&lab.upsert(&[back])[0])["id"], ids[1]);
    assert!(lab.crm.view("people").as_array().unwrap().iter().all(|p| p["deleted"] == false));
}

#[test]
fn a_person_who_is_gone_is_not_made_again_under_their_id() {
    let mut lab = Lab::provisioned(json!({}));
    let id = result(&lab.upsert(&[keyed(1)])[0])["id"].clone();
    lab.act("destroy_person", json!({ "email": "invitada1@correo.example.co" }));
    let input = json!({ "id": id, "key": "per_0001", "name": "Invitada Ruiz" });
    assert_eq!(code(&lab.upsert(std::slice::from_ref(&input))[0]), "target_gone");
    assert_eq!(code(&lab.upsert(&[input.clone(), keyed(5)])[0]), "target_gone");
    let mut again = input;
    again["revive"] = json!(true);
    assert_eq!(result(&lab.upsert(&[again])[0])["id"], id);
}

#[test]
fn an_address_of_another_record_is_told_and_blocks_nobody() {
    let mut lab = Lab::provisioned(json!({}));
    let mine = result(&lab.upsert(&[json!({ "key": "per_9", "name": "Ana Ruiz" })])[0])["id"].clone();
    lab.act("create_person", json!({ "name": "Ana Ruiz", "email": "ana@correo.example.co" }));
    let ana = json!({ "key": "per_9", "email": "ana@correo.example.co", "name": "Ana Ruiz Gil" });
    let by_id = json!({ "id": mine, "email": "ana@correo.example.co" });
    for inputs in [vec![ana.clone()], vec![by_id], vec![keyed(1), ana, keyed(2)]] {
        for (input, outcome) in inputs.iter().zip(lab.upsert(&inputs)) {
            let expected = if input["email"] == "ana@correo.example.co" { "ambiguous" } else { "done" };
            assert_eq!(code(&outcome), expected, "{outcome:?}");
        }
    }
    // Two of the hub's persons with one address: the record is the first one's.
    let first = json!({ "key": "per_a", "email": "casa@correo.example.co", "name": "Leo Paz" });
    let second = json!({ "key": "per_b", "email": "casa@correo.example.co", "name": "Mar Paz" });
    assert_eq!(code(&lab.upsert(&[first])[0]), "done");
    let outcomes = lab.upsert(&[second, keyed(3)]);
    assert_eq!((code(&outcomes[0]), code(&outcomes[1])), ("taken", "done"));
}

/// Among two hundred: one with a bad phone, one deleted, one whose address is another's, three adopted.
#[test]
fn two_hundred_take_few_calls_and_nobody_holds_back_another() {
    let mut lab = Lab::provisioned(json!({}));
    for n in [3, 70, 150] {
        lab.act("create_person", json!({ "name": "De antes", "email": format!("invitada{n}@correo.example.co") }));
    }
    lab.act("create_person", json!({ "name": "Borrada", "email": "invitada40@correo.example.co" }));
    lab.act("delete_person", json!({ "email": "invitada40@correo.example.co" }));
    let mut inputs: Vec<Value> = (0..200).map(keyed).collect();
    inputs[120]["phone"] = json!("+99912345678");
    lab.calls = 0;
    let outcomes = lab.upsert(&inputs);
    for (n, outcome) in outcomes.iter().enumerate() {
        let expected = match n {
            40 => "deleted_in_crm",
            120 => "invalid_input",
            _ => "done",
        };
        assert_eq!(code(outcome), expected, "{n}: {outcome:?}");
    }
    assert_eq!(lab.people().len(), 199);
    assert!(lab.calls <= 19, "{} calls", lab.calls);
    // Nothing wrong: one look, and one write.
    let inputs: Vec<Value> = (0..200).filter(|n| ![40, 120].contains(n)).map(keyed).collect();
    lab.calls = 0;
    assert!(lab.upsert(&inputs).iter().all(|o| o.name() == "done"));
    assert_eq!(lab.calls, 2);
}

/// Looked up by GraphQL, by REST because the settings say so, by REST because the server knows nothing else: the same
/// records, the same outcomes.
#[test]
fn a_look_by_graphql_shows_what_looks_by_rest_show() {
    let by = |double: Value, settings: Value| {
        let mut lab = Lab::with(double, settings);
        assert!(lab.apply(usize::MAX).1.is_empty());
        for n in [3, 70, 150] {
            lab.act("create_person", json!({ "name": "De antes", "email": format!("invitada{n}@correo.example.co") }));
        }
        lab.act("create_person", json!({ "name": "Borrada", "email": "invitada40@correo.example.co" }));
        lab.act("delete_person", json!({ "email": "invitada40@correo.example.co" }));
        // One that another key of the hub's has, and one that is in the bin under the hub's own key.
        lab.upsert(&[json!({ "key": "otra", "email": "invitada80@correo.example.co" }), keyed(90)]);
        lab.act("delete_person", json!({ "email": "invitada90@correo.example.co" }));
        lab.calls = 0;
        let outcomes = lab.upsert(&(0..200).map(keyed).collect::<Vec<_>>());
        let codes: Vec<String> = outcomes.iter().map(|o| code(o).to_owned()).collect();
        (codes, lab.people(), lab.calls)
    };
    let name = json!({ "api_key_name": "pasarela-hub" });
    let wide = by(json!({}), name.clone());
    assert_eq!((&*wide.0[40], &*wide.0[80], &*wide.0[90]), ("deleted_in_crm", "taken", "deleted_in_crm"));
    let by_rest = by(json!({}), json!({ "api_key_name": "pasarela-hub", "graphql": false }));
    let refused = by(json!({ "graphql": false }), name);
    for other in [&by_rest, &refused] {
        assert_eq!((&other.0, &other.1), (&wide.0, &wide.1));
    }
    assert_eq!((wide.2, by_rest.2, refused.2), (2, 4, 5));
}

/// The limit of calls, behind a 200, is no answer about records.
#[test]
fn the_limit_behind_graphqls_200_is_obeyed() {
    for (version, wait) in [("2.31", 60), ("2.47", 1)] {
        let mut lab = Lab::provisioned(json!({ "version": version, "limit_per_minute": 2 }));
        let inputs: Vec<Value> = (0..120).map(keyed).collect();
        let list = Request::get("http://crm.example/rest/people");
        let outcomes = loop {
            // Until the double has had enough.
            lab.now = lab.now.checked_sub(SignedDuration::from_millis(700)).unwrap();
            if lab.call(&list).answer.status == 429 {
                break lab.upsert(&inputs);
            }
        };
        let Outcome::Throttled { after, .. } = &outcomes[0] else { panic!("{version}: {:?}", outcomes[0]) };
        assert!(after.is_some_and(|a| a.as_secs() >= wait && a.as_secs() <= 60), "{version}: {after:?}");
        assert!(lab.people().is_empty());
    }
}

#[test]
fn the_addresses_of_looks_fit_through_a_proxy() {
    let lab = Lab::with(json!({}), json!({ "api_key_name": "pasarela-hub", "graphql": false }));
    let inputs: Vec<Value> = (0..200)
        .map(|n| json!({ "key": format!("{:0>40}", n), "email": format!("{:@>1}", format!("nombre.muy.largo.de.una.invitada.{n}@correo-de-la-casa.example.co")) }))
        .collect();
    let pasarela_connector::Step::Call(call) = lab.hub.begin("upsert_person", &inputs, &lab.ctx("k")) else { panic!() };
    assert!((4000..8000).contains(&call.request.url.len()), "{}", call.request.url.len());
    let text = call.state.to_string();
    assert!(!text.contains('@'), "no personal data in the state: {text}");
}

#[test]
fn further_addresses_and_numbers_that_people_added_are_kept() {
    let mut lab = Lab::provisioned(json!({}));
    let id = result(&lab.upsert(&[keyed(1)])[0])["id"].clone();
    let more = json!({
        "emails": { "additionalEmails": ["segundo@correo.example.co"] },
        "phones": { "primaryPhoneNumber": "+573001112233", "additionalPhones": [{ "number": "6011234567", "countryCode": "CO", "callingCode": "+57" }] }
    });
    lab.rest("PATCH", &format!("people/{}", id.as_str().unwrap()), more);
    let mut input = keyed(1);
    input["phone"] = json!("+573009998877");
    for inputs in [vec![input.clone()], vec![input.clone(), keyed(2)]] {
        lab.upsert(&inputs);
        let person = lab.read("people", &id);
        assert_eq!(person["emails"]["additionalEmails"], json!(["segundo@correo.example.co"]));
        assert_eq!(person["phones"]["additionalPhones"][0]["number"], "6011234567");
        let phone = |part: &str| person["phones"][format!("primaryPhone{part}")].clone();
        assert_eq!(
            (phone("Number"), phone("CallingCode"), phone("CountryCode")),
            (json!("3009998877"), json!("+57"), json!("CO"))
        );
        assert_eq!(person["name"]["lastName"], "Ruiz Mora1");
    }
}

#[test]
fn only_what_is_named_is_emptied_and_further_addresses_stay() {
    let mut lab = Lab::provisioned(json!({}));
    let mut input = keyed(1);
    input["phone"] = json!("+573001112233");
    let id = result(&lab.upsert(&[input])[0])["id"].clone();
    let more = json!({ "emails": { "additionalEmails": ["segundo@correo.example.co"] } });
    lab.rest("PATCH", &format!("people/{}", id.as_str().unwrap()), more);
    // Nothing, null and nothing to clear take nothing away.
    for empty in [
        json!({ "id": id }),
        json!({ "id": id, "email": null, "phone": "", "clear": null }),
        json!({ "id": id, "clear": [] }),
    ] {
        assert_eq!(code(&lab.upsert(&[empty])[0]), "done");
        let person = lab.read("people", &id);
        assert_eq!(person["emails"]["primaryEmail"], "invitada1@correo.example.co");
        assert_eq!(person["phones"]["primaryPhoneNumber"], "3001112233");
    }
    // Alone by its id, and among others.
    let phone = json!({ "id": id, "clear": ["phone"] });
    assert_eq!(code(&lab.upsert(&[phone])[0]), "done");
    let person = lab.read("people", &id);
    assert_eq!(person["emails"]["primaryEmail"], "invitada1@correo.example.co");
    let phone = |part: &str| person["phones"][format!("primaryPhone{part}")].clone();
    assert_eq!([phone("Number"), phone("CountryCode"), phone("CallingCode")], ["", "", ""].map(|t| json!(t)));
    let email = json!({ "key": "per_0001", "clear": ["email"] });
    assert!(lab.upsert(&[keyed(2), email]).iter().all(|o| code(o) == "done"));
    let person = lab.read("people", &id);
    let emails = json!({ "primaryEmail": "", "additionalEmails": ["segundo@correo.example.co"] });
    assert_eq!((&person["emails"], &person["name"]["lastName"]), (&emails, &json!("Ruiz Mora1")));

    let both = json!({ "id": id, "email": "ana@correo.example.co", "clear": ["email"] });
    assert_eq!(code(&lab.upsert(&[both])[0]), "invalid_input");
    assert_eq!(lab.people().len(), 2);
}

/// What the hub hears of it: a part that is there and blank is empty, and one that was not sent is not.
#[test]
fn a_record_says_what_is_empty_and_nothing_of_what_it_does_not_carry() {
    let lab = Lab::new(json!({}));
    let person = |parts: Value| {
        let mut record = json!({ "id": "6f1d8a52-0000-4000-8000-000000000001", "updatedAt": "2026-11-27T19:00:00.000Z",
            "name": { "firstName": "Ana", "lastName": "Ruiz" } });
        record.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        let body = json!({ "eventName": "person.updated", "record": record, "updatedFields": ["emails"] });
        let items = lab.hub.translate(pasarela_connector::Source::Webhook, body.to_string().as_bytes()).unwrap().items;
        let pasarela_connector::Item::Fact(fact) = &items[0] else { panic!("{items:?}") };
        fact.data["contact"]["empty"].clone()
    };
    let (email, phone) = (json!({ "primaryEmail": "" }), json!({ "primaryPhoneNumber": "" }));
    assert_eq!(person(json!({ "emails": email, "phones": phone })), json!(["email", "phone"]));
    assert_eq!(
        person(json!({ "phones": phone, "emails": { "primaryEmail": "ana@correo.example.co" } })),
        json!(["phone"])
    );
    for nothing in
        [json!({}), json!({ "emails": null, "phones": {} }), json!({ "emails": { "primaryEmail": "no es" } })]
    {
        assert_eq!(person(nothing), Value::Null);
    }
}

/// An upsert tells nothing of a name that changed; a change of the record does (contract 0.3).
#[test]
fn a_change_of_one_person_is_heard_by_others() {
    let mut lab = Lab::provisioned(json!({ "operations": ["person.*"] }));
    lab.rest(
        "POST",
        "metadata/webhooks",
        json!({ "targetUrl": "https://hub.example/hooks/crm", "operations": ["person.*"], "secret": "secreto" }),
    );
    let id = result(&lab.upsert(&[keyed(1)])[0])["id"].clone();
    for input in [json!({ "id": id, "name": "Ana Ruiz Mora" }), json!({ "key": "per_0001", "name": "Ana Ruiz Gil" })] {
        let inputs = [input];
        let mut step = lab.hub.begin("upsert_person", &inputs, &lab.ctx("k"));
        let mut told = 0;
        while let pasarela_connector::Step::Call(call) = step {
            let reply = lab.call(&call.request);
            told += reply.webhooks.len();
            step = lab.hub.on("upsert_person", &inputs, &call.state, &reply.answer, &lab.ctx("k"));
        }
        assert_eq!(told, 1);
    }
}

#[test]
fn deleting_restoring_and_erasing_say_what_they_found() {
    let mut lab = Lab::provisioned(json!({}));
    let id = result(&lab.upsert(&[keyed(1)])[0])["id"].clone();
    let whom = [json!({ "id": id })];
    let mut run = |action: &str| lab.run(action, &whom, "k").remove(0);
    assert_eq!(result(&run("restore_person"))["restored"], false);
    assert_eq!(result(&run("delete_person"))["deleted"], true);
    assert_eq!(result(&run("delete_person"))["deleted"], false);
    assert_eq!(result(&run("restore_person"))["restored"], true);
    for n in 0..3 {
        let about = json!({ "person_id": id, "title": "t", "markdown": "Habla de ella." });
        lab.run("add_note", &[about], &format!("nota-{n}"));
        lab.run("add_task", &[json!({ "person_id": id, "title": "Llamarla" })], &format!("tarea-{n}"));
    }
    let other = result(&lab.upsert(&[keyed(2)])[0])["id"].clone();
    lab.run("add_note", &[json!({ "person_id": other, "title": "t", "markdown": "m" })], "otra");
    lab.act("delete_person", json!({ "email": "invitada1@correo.example.co" }));
    assert_eq!(result(&lab.run("destroy_person", &whom, "k")[0])["destroyed"], true);
    assert_eq!((lab.people().len(), lab.crm.view("notes").as_array().unwrap().len()), (1, 1));
    let tasks = lab.rest("GET", "tasks", json!({}));
    assert_eq!(tasks["totalCount"], 0);
    assert_eq!(result(&lab.run("destroy_person", &whom, "k")[0])["destroyed"], false);
    assert_eq!(lab.run("restore_person", &whom, "k")[0].name(), "target_gone", "an upsert would make an empty person");
    assert_eq!(lab.people().len(), 1);
}

/// For flows that need a person to write about, and have no say in what the person is called.
#[test]
fn what_is_for_new_ones_only_changes_nobody() {
    let mut lab = Lab::provisioned(json!({}));
    lab.act("create_person", json!({ "name": "Isabella Cano Mejía", "email": "invitada1@correo.example.co" }));
    let inputs: Vec<Value> = (1..=3)
        .map(|n| {
            let mut input = guest(n);
            input["only_new"] = json!(true);
            input
        })
        .collect();
    lab.calls = 0;
    let outcomes = lab.upsert(&inputs);
    assert_eq!(outcomes.iter().map(|o| result(o)["created"] == true).collect::<Vec<_>>(), [false, true, true]);
    let person = lab.read("people", &result(&outcomes[0])["id"]);
    assert_eq!((&person["name"]["lastName"], &person["updatedBy"]["source"]), (&json!("Cano Mejía"), &json!("MANUAL")));
    lab.calls = 0;
    assert_eq!(result(&lab.upsert(&inputs)[2])["id"], result(&outcomes[2])["id"]);
    assert_eq!(lab.calls, 1, "only the look");
}

/// The hub learnt whose address it is: it goes from the one of its records to the other, and from no record of people's.
#[test]
fn an_address_goes_to_whom_the_hub_says_it_belongs() {
    let mut lab = Lab::provisioned(json!({}));
    let guest = json!({ "key": "per_guest", "email": "casa@correo.example.co", "name": "Leo Paz" });
    let guest = result(&lab.upsert(&[guest])[0])["id"].clone();
    let buyer =
        json!({ "key": "per_buyer", "email": "casa@correo.example.co", "name": "Mar Paz", "owns_address": true });
    let outcomes = lab.upsert(&[keyed(1), buyer.clone(), keyed(2)]);
    assert!(outcomes.iter().all(|o| o.name() == "done"), "{outcomes:?}");
    let buyer_id = result(&outcomes[1])["id"].clone();
    let email = |lab: &mut Lab, id: &Value| lab.read("people", id)["emails"]["primaryEmail"].clone();
    assert_ne!(buyer_id, guest);
    assert_eq!((email(&mut lab, &buyer_id), email(&mut lab, &guest)), (json!("casa@correo.example.co"), json!("")));
    // Known by id, and back again.
    let back = json!({ "id": guest, "key": "per_guest", "email": "casa@correo.example.co", "owns_address": true });
    assert_eq!(code(&lab.upsert(&[back])[0]), "done");
    assert_eq!((email(&mut lab, &buyer_id), email(&mut lab, &guest)), (json!(""), json!("casa@correo.example.co")));
    lab.act("create_person", json!({ "name": "De la gente", "email": "gente@correo.example.co" }));
    let other = json!({ "key": "per_guest", "email": "gente@correo.example.co", "owns_address": true });
    assert_eq!(code(&lab.upsert(&[other])[0]), "ambiguous");
}
