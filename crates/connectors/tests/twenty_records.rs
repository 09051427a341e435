//! The fashion model's records: written by key, linked, found, split when one is bad; tasks; and deals that move.

#[path = "twenty_lab.rs"]
mod lab;

use lab::{Lab, result};
use pasarela_connector::Outcome;
use serde_json::{Value, json};

fn order(n: usize) -> Value {
    json!({
        "object": "ticketOrder", "key": format!("ord_{n}"), "name": format!("O-{n:04}"),
        "fields": {
            "estado": "PAGADA", "boletas": 2, "total": { "minor": 18_000_000, "currency": "COP" },
            "detalle": { "codigo": format!("HI-{n}") }
        },
        "links": { "evento": { "key": "show_1" }, "comprador": null }
    })
}

fn show() -> Value {
    json!({
        "object": "fashionEvent", "key": "show_1", "name": "Noche de Telares",
        "fields": {
            "inicia": "2027-02-28T20:00:00-05:00", "aforo": 2000, "publicado": true,
            "lugar": { "street": "Plaza Mayor", "city": "Medellín", "state": null }
        }
    })
}

fn done(lab: &mut Lab, action: &str, input: Value) -> Value {
    result(&lab.run(action, &[input], "k")[0])
}

#[test]
fn records_are_written_as_the_model_has_them_and_written_again_without_change() {
    let mut lab = Lab::provisioned(json!({}));
    let person =
        result(&lab.upsert(&[json!({ "key": "per_1", "email": "ana@correo.example.co", "name": "Ana Ruiz" })])[0]);
    let brand = done(
        &mut lab,
        "upsert_record",
        json!({
            "object": "company", "key": "com_7", "name": "Palenque Joyas", "domain": "HTTPS://PalenqueJoyas.example.co/",
            "fields": { "esMarca": true, "nit": "900123456-8", "instagram": "https://instagram.com/palenque.ficticia",
                "address": { "city": "Cartagena" } }
        }),
    );
    let mut dress = show();
    dress["links"] = json!({ "anfitriona": { "domain": "palenquejoyas.example.co" } });
    let event = done(&mut lab, "upsert_record", dress);
    let mut first = order(1);
    first["links"] = json!({ "evento": event["id"], "comprador": { "email": "Ana@correo.example.co" } });
    let order_id = done(&mut lab, "upsert_record", first.clone());
    assert_eq!(done(&mut lab, "upsert_record", first)["id"], order_id["id"]);

    let read = lab.read("fashionEvents", &event["id"]);
    assert_eq!(read["inicia"], "2027-03-01T01:00:00.000Z");
    assert_eq!((&read["aforo"], &read["publicado"], &read["anfitrionaId"]), (&json!(2000), &json!(true), &brand["id"]));
    assert_eq!(
        (&read["lugar"]["addressCity"], &read["lugar"]["addressStreet1"]),
        (&json!("Medellín"), &json!("Plaza Mayor"))
    );
    let read = lab.read("ticketOrders", &order_id["id"]);
    assert_eq!((&read["eventoId"], &read["compradorId"]), (&event["id"], &person["id"]));
    assert_eq!(read["total"], json!({ "amountMicros": 180_000_000_000_i64, "currencyCode": "COP" }));
    assert_eq!((&read["hubId"], &read["estado"], &read["boletas"]), (&json!("ord_1"), &json!("PAGADA"), &json!(2)));
    let read = lab.read("companies", &brand["id"]);
    assert_eq!(read["domainName"]["primaryLinkUrl"], "https://palenquejoyas.example.co");
    assert_eq!((&read["nit"], &read["esMarca"]), (&json!("900123456-8"), &json!(true)));

    // What is absent stays.
    done(
        &mut lab,
        "upsert_record",
        json!({ "object": "ticketOrder", "key": "ord_1", "fields": { "estado": "REEMBOLSADA" } }),
    );
    let read = lab.read("ticketOrders", &order_id["id"]);
    assert_eq!(
        (&read["name"], &read["estado"], &read["boletas"]),
        (&json!("O-0001"), &json!("REEMBOLSADA"), &json!(2))
    );

    for find in [
        json!({ "object": "ticketOrder", "key": "ord_1" }),
        json!({ "object": "ticketOrder", "id": order_id["id"] }),
        json!({ "object": "ticketOrder", "field": "name", "value": "O-0001" }),
        json!({ "object": "ticketOrder", "field": "eventoId", "value": event["id"] }),
    ] {
        let found = done(&mut lab, "find_record", find);
        assert_eq!(
            (&found["found"], &found["id"], &found["record"]["boletas"]),
            (&json!(true), &order_id["id"], &json!(2))
        );
    }
    let found = done(&mut lab, "find_record", json!({ "object": "ticketOrder", "key": "ord_2" }));
    assert_eq!((&found["found"], &found["id"], &found["record"]), (&json!(false), &Value::Null, &Value::Null));
}

/// Of several objects at once; one whose show is not there, one with a choice that nobody knows.
#[test]
fn records_of_all_objects_share_one_batch_and_a_bad_one_stands_alone() {
    let mut lab = Lab::provisioned(json!({}));
    let mut inputs: Vec<Value> = (0..60).map(order).collect();
    inputs.insert(0, show());
    inputs[10]["links"]["evento"] = json!({ "key": "show_unknown" });
    inputs[20]["fields"]["estado"] = json!("REGALADA");
    inputs.push(json!({ "object": "sponsorTier", "key": "oro", "name": "Oro", "fields": { "precio": { "minor": 1_200_000_000, "currency": "COP" }, "beneficios": ["Primera fila"] }, "links": { "evento": { "key": "show_1" } } }));
    inputs.push(json!({ "object": "modelRelease", "key": "rel_1", "name": "Autorización", "fields": { "alcance": ["PASARELA"], "vence": "2028-01-31", "estado": "FIRMADA" } }));
    lab.calls = 0;
    let outcomes = lab.run("upsert_record", &inputs, "k");
    for (n, outcome) in outcomes.iter().enumerate() {
        let expected = match n {
            10 => "target_gone",
            20 => "give_up",
            _ => "done",
        };
        assert_eq!(outcome.name(), expected, "{n}: {outcome:?}");
    }
    assert!(lab.calls <= 36, "{} calls", lab.calls);
    let orders = lab.rest("GET", "ticketOrders", json!({}));
    assert_eq!(orders["totalCount"], 58);
}

#[test]
fn a_record_that_was_deleted_there_is_not_brought_back() {
    let mut lab = Lab::provisioned(json!({}));
    let id = done(&mut lab, "upsert_record", show())["id"].clone();
    lab.rest("DELETE", &format!("fashionEvents/{}?soft_delete=true", id.as_str().unwrap()), json!({}));
    assert_eq!(lab.run("upsert_record", &[show()], "k")[0].name(), "withheld");
    let mut again = show();
    again["revive"] = json!(true);
    assert_eq!(done(&mut lab, "upsert_record", again)["id"], id);
}

#[test]
fn in_a_workspace_without_the_model_nothing_happens_and_nobody_is_asked() {
    let mut lab = Lab::new(json!({}));
    let domain = json!({ "object": "company", "domain": "telares.example.co", "name": "Telares" });
    let outcomes = lab.run("upsert_record", &[show(), domain, order(1)], "k");
    let Outcome::Withheld { rule, why } = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(rule, "not_provisioned");
    assert!(why.contains("fashionEvents") && why.contains("pasarela connections provision"), "{why}");
    assert_eq!((outcomes[1].name(), outcomes[2].name()), ("done", "withheld"), "companies are Twenty's own");
    for input in
        [json!({ "show_key": "show_1", "to": "MEETING" }), json!({ "key": "a", "pipeline": "PRENSA", "to": "MEETING" })]
    {
        assert!(
            matches!(&lab.run("move_deal", &[input], "k")[0], Outcome::Withheld { rule, .. } if rule == "not_provisioned")
        );
    }
}

#[test]
fn a_task_is_given_to_whom_it_names_and_is_there_once() {
    let mut lab = Lab::provisioned(json!({}));
    let event = done(&mut lab, "upsert_record", show())["id"].clone();
    let task = json!({
        "about": { "object": "fashionEvent", "id": event }, "title": "Llamar al patrocinador", "due": "2026-12-01",
        "assignee": "Camila.Torres@fashionistas.example.co", "markdown": "Respondió por WhatsApp."
    });
    let first = done(&mut lab, "add_task", task.clone());
    assert_eq!(done(&mut lab, "add_task", task.clone()), first, "the same effect is the same task");
    let read = lab.read("tasks", &first["id"]);
    assert_eq!((&read["status"], &read["dueAt"]), (&json!("TODO"), &json!("2026-12-01T17:00:00.000Z")));
    assert_eq!(read["assigneeId"], "5a1f8e0c-6b52-4d37-9c1a-2f6b0f4e7d11");
    assert_eq!(lab.read("taskTargets", &first["target_id"])["targetFashionEventId"], event);
    // Nobody of that name: the task is for whoever looks.
    let mut nobody = task;
    nobody["assignee"] = json!("otra@fashionistas.example.co");
    let second = result(&lab.run("add_task", &[nobody], "otra")[0]);
    assert_eq!(lab.read("tasks", &second["id"])["assigneeId"], Value::Null);
    let note = json!({ "about": { "object": "fashionEvent", "id": event }, "title": "Nota", "markdown": "m" });
    let note = done(&mut lab, "add_note", note);
    assert_eq!(lab.read("noteTargets", &note["target_id"])["targetFashionEventId"], event);
}

#[test]
fn deals_move_out_of_the_named_stages_and_out_of_no_other() {
    let mut lab = Lab::provisioned(json!({}));
    let person = result(&lab.upsert(&[json!({ "key": "per_1", "name": "Ana Ruiz" })])[0])["id"].clone();
    done(&mut lab, "upsert_record", show());
    let deal = |key: &str, stage: &str, pipeline: &str| {
        json!({
            "object": "opportunity", "key": key, "name": key,
            "fields": { "stage": stage, "embudo": pipeline, "amount": { "minor": 100, "currency": "COP" } },
            "links": { "pointOfContact": { "key": "per_1" }, "evento": { "key": "show_1" } }
        })
    };
    for input in [
        deal("a", "NEW", "PATROCINIOS"),
        deal("b", "SCREENING", "PATROCINIOS"),
        deal("c", "CUSTOMER", "PATROCINIOS"),
        deal("d", "NEW", "PRENSA"),
    ] {
        done(&mut lab, "upsert_record", input);
    }
    let stage = |lab: &mut Lab, key: &str| {
        done(lab, "find_record", json!({ "object": "opportunity", "key": key }))["record"]["stage"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let moving =
        json!({ "person_id": person, "pipeline": "PATROCINIOS", "from": ["NEW", "SCREENING"], "to": "MEETING" });
    assert_eq!(done(&mut lab, "move_deal", moving.clone())["moved"], 2);
    assert_eq!(done(&mut lab, "move_deal", moving)["moved"], 0, "again, there is nothing to move");
    assert_eq!(["a", "b", "c", "d"].map(|k| stage(&mut lab, k)), ["MEETING", "MEETING", "CUSTOMER", "NEW"]);
    assert_eq!(
        done(&mut lab, "move_deal", json!({ "key": "d", "to": "ACTIVACION" }))["moved"],
        1,
        "a stage of the model"
    );
    let by_show = json!({ "show_key": "show_1", "from": ["CUSTOMER"], "to": "ACTIVACION" });
    assert_eq!(done(&mut lab, "move_deal", by_show)["moved"], 1);
    let Outcome::GiveUp { code, why } = &lab.run("move_deal", &[json!({ "key": "a", "to": "GANADO" })], "k")[0] else {
        panic!()
    };
    assert_eq!(code, "no_such_stage");
    assert!(why.contains("no stage GANADO") && why.contains("Valid values are: NEW"), "{why}");
    // Several at once are refused in the same words.
    let all = json!({ "person_id": person, "to": "GANADO" });
    assert!(matches!(&lab.run("move_deal", &[all], "k")[0], Outcome::GiveUp { code, .. } if code == "no_such_stage"));
}
