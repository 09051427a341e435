//! The conformance suite, and the requests that the connector writes, against recorded answers and
//! golden requests.

use jiff::Timestamp;
use pasarela_connector::testkit::{ActionSample, Fixture, WebhookSample, check};
use pasarela_connector::{Answer, AuthStep, ConnectionConfig, Connector, Ctx, Outcome, PollStep, Provider, Step};
use pasarela_connectors::twenty::Twenty;
use pasarela_domain::Secret;
use serde_json::{Value, json};

const EMAIL: &str = "modelo6@agenciaficticia.example.co";

fn read(path: &str) -> Value {
    let path = format!("{}/tests/fixtures/twenty/{path}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))).unwrap()
}

fn config(settings: Value) -> ConnectionConfig {
    ConnectionConfig {
        base_url: Some("https://crm.example/".into()),
        webhook_secrets: vec![Secret::new("next-secret"), Secret::new("lab-secret-9f2c")],
        credentials: [("api_key".to_owned(), Secret::new("llave-de-prueba"))].into(),
        settings,
        ..ConnectionConfig::bare("crm", "twenty")
    }
}

fn connector(settings: Value) -> Box<dyn Connector> {
    Twenty.connect(config(settings)).unwrap()
}

fn ctx(attempt: u32) -> Ctx<'static> {
    Ctx { now: moment(1_795_546_967_000), key: "run-7/nota", attempt }
}

fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap()
}

/// The answer of a recorded exchange.
fn recorded(name: &str) -> Answer {
    let response = &read(&format!("recorded/{name}"))["response"];
    Answer::json(u16::try_from(response["status"].as_u64().unwrap()).unwrap(), &response["body"])
}

/// A page with nothing on it.
fn none(plural: &str) -> Answer {
    page(plural, &[])
}

fn page(plural: &str, rows: &[Value]) -> Answer {
    let info = json!({ "hasNextPage": false, "hasPreviousPage": false, "startCursor": null, "endCursor": null });
    Answer::json(200, &json!({ "data": { plural: rows }, "totalCount": rows.len(), "pageInfo": info }))
}

/// The deal of a recorded change, as a look shows it.
fn one_deal() -> Answer {
    let change: Value = recorded("opportunity-update-stage").parse().unwrap();
    page("opportunities", &[change["data"]["updateOpportunity"].clone()])
}

fn members() -> Answer {
    page(
        "workspaceMembers",
        &[json!({ "id": "20202020-0687-4c41-b707-ed1bfca972a7", "userEmail": "camila@fashionistas.example.co" })],
    )
}

/// A recorded creation of one record, as the answer to a batch with the id of the hub's key.
fn batch_of(plural: &str, name: &str, key: &str) -> Answer {
    let singular = plural.trim_end_matches('s');
    let capital = |name: &str| format!("{}{}", name[..1].to_uppercase(), &name[1..]);
    let one: Value = recorded(name).parse().unwrap();
    let mut record = one["data"][format!("create{}", capital(singular))].clone();
    let input = json!({ "object": singular, "key": key });
    let Step::Call(call) = connector(json!({})).begin("upsert_record", &[input], &ctx(1)) else { panic!() };
    let id = call.request.url.split("%5Bin%5D%3A%5B").nth(1).unwrap()[..36].to_owned();
    record["id"] = json!(id);
    Answer::json(201, &json!({ "data": { format!("create{}", capital(plural)): [record] } }))
}

/// A recorded webhook: headers in lower case, body, time of signing.
fn webhook(name: &str) -> (Vec<(String, String)>, Vec<u8>, i64) {
    let sample = read(&format!("recorded/webhook-{name}"));
    let headers = sample["headers"].as_object().unwrap().iter();
    let headers: Vec<_> = headers.map(|(n, v)| (n.to_lowercase(), v.as_str().unwrap().to_owned())).collect();
    let stamp = headers.iter().find(|(n, _)| n == "x-twenty-webhook-timestamp").unwrap().1.parse().unwrap();
    (headers, sample["body_raw"].as_str().unwrap().as_bytes().to_vec(), stamp)
}

fn sent(step: Step) -> (String, Value) {
    let Step::Call(call) = step else { panic!("a call, not {step:?}") };
    let body =
        if call.request.body.is_empty() { Value::Null } else { serde_json::from_slice(&call.request.body).unwrap() };
    (format!("{} {}", call.request.method, call.request.url), body)
}

fn outcomes(step: Step) -> Vec<Outcome> {
    let Step::End(outcomes) = step else { panic!("an end, not {step:?}") };
    outcomes
}

#[test]
fn conformance() {
    let sample = |name: &str, events: &[&'static str]| {
        let (headers, body, _) = webhook(name);
        let signature_header = "x-twenty-webhook-signature";
        WebhookSample { name: name.into(), headers, signature_header, body, events: events.to_vec() }
    };
    let refusals = || {
        vec![
            (recorded("rate-limit-rest"), "throttled"),
            (recorded("auth-bad-token"), "auth_expired"),
            (recorded("auth-no-token"), "needs_human"),
            (recorded("auth-revoked-key"), "needs_human"),
            (recorded("member-role-webhooks-refused"), "needs_human"),
            (recorded("opportunity-create-bad-company"), "target_gone"),
            (recorded("person-create-phone-mismatch"), "give_up"),
            (Answer::text(500, "request entity too large"), "give_up"),
            (Answer::text(502, "Bad Gateway"), "provider_down"),
        ]
    };
    let newer = read("rate-limited.response.newer-version");
    let newer = (Answer::json(429, &newer["body"]).header("retry-after", "12"), "throttled");
    check(&Fixture {
        provider: Box::new(Twenty),
        config: config(json!({})),
        now: moment(1_795_548_188_000),
        webhooks: vec![
            sample("person-deleted-soft", &["person.deleted"]),
            sample("person-destroyed", &["person.deleted"]),
            sample("person-restored", &["person.updated"]),
            sample("person-updated-composite", &["person.updated"]),
            sample("person-updated-field", &["person.updated"]),
            sample("person-updated-two-fields", &["person.updated"]),
            sample("person-updated-undeleted-by-upsert", &["person.updated"]),
            sample("opportunity-created", &["deal.created"]),
            sample("opportunity-updated-stage", &["deal.updated"]),
            sample("note-created", &[]),
            sample("task-created", &[]),
        ],
        actions: vec![
            ActionSample {
                action: "upsert_person",
                input: json!({ "email": EMAIL, "name": "Modelo Seis Pasarela", "phone": null }),
                done: recorded("batch-people-upsert-mixed"),
                judged: [(recorded("filter-email-upper"), "call")]
                    .into_iter()
                    .chain(refusals())
                    .chain([
                        newer,
                        (recorded("person-create-invalid-email"), "give_up"),
                        // Once it may be another's write between the look and ours.
                        (recorded("person-upsert-id-and-email-of-different-records"), "retry"),
                        (recorded("person-create-unknown-field"), "needs_human"),
                    ])
                    .collect(),
                refused: vec![
                    json!({}),
                    json!({ "id": "42" }),
                    json!({ "key": "con \"comillas\"" }),
                    json!({ "name": "Sin Contacto" }),
                    json!({ "email": "no-es-correo" }),
                    json!({ "phone": "3001234567" }),
                    json!({ "email": EMAIL, "company_id": "42" }),
                    json!({ "email": EMAIL, "nombre": "x" }),
                    json!({ "email": EMAIL, "fields": { "createdBy": {} } }),
                ],
            },
            ActionSample {
                action: "find_person",
                input: json!({ "email": "modelo1@agenciaficticia.example.co" }),
                done: recorded("filter-eq"),
                judged: vec![
                    (recorded("filter-email-upper"), "done"),
                    (recorded("rate-limit-rest"), "throttled"),
                    (recorded("auth-revoked-key"), "needs_human"),
                ],
                refused: vec![json!({}), json!({ "email": "x" }), json!({ "name": "Ana" })],
            },
            ActionSample {
                action: "add_note",
                input: json!({
                    "person_id": "cd3c2c58-4fcf-44aa-9022-761eb85a99db", "title": "Fitting", "markdown": "Jueves a las 3."
                }),
                done: recorded("note-target-create-person"),
                judged: [(recorded("note-create"), "call")].into_iter().chain(refusals()).collect(),
                refused: vec![
                    json!({ "title": "Sin nadie", "markdown": "x" }),
                    json!({ "person_id": "42", "title": "x", "markdown": "x" }),
                    json!({ "person_id": "cd3c2c58-4fcf-44aa-9022-761eb85a99db" }),
                ],
            },
            ActionSample {
                action: "add_task",
                input: json!({
                    "person_id": "cd3c2c58-4fcf-44aa-9022-761eb85a99db", "title": "Llamar", "due": "2026-12-01",
                    "assignee": "camila@fashionistas.example.co"
                }),
                done: recorded("task-target-create"),
                judged: [(members(), "call"), (recorded("task-create"), "call")]
                    .into_iter()
                    .chain(refusals())
                    .collect(),
                refused: vec![
                    json!({ "title": "Sin nadie" }),
                    json!({ "person_id": "cd3c2c58-4fcf-44aa-9022-761eb85a99db", "title": " " }),
                    json!({ "person_id": "cd3c2c58-4fcf-44aa-9022-761eb85a99db", "title": "x", "due": "mañana" }),
                    json!({ "person_id": "cd3c2c58-4fcf-44aa-9022-761eb85a99db", "title": "x", "assignee": "ella" }),
                    json!({ "about": { "object": "ticketOrder", "id": "7" }, "title": "x" }),
                    json!({ "about": { "object": "pedido", "id": "cd3c2c58-4fcf-44aa-9022-761eb85a99db" }, "title": "x" }),
                ],
            },
            ActionSample {
                action: "delete_person",
                input: json!({ "id": "cd3c2c58-4fcf-44aa-9022-761eb85a99db" }),
                done: recorded("person-soft-delete"),
                judged: [
                    (recorded("rate-limit-rest"), "throttled"),
                    (recorded("auth-bad-token"), "auth_expired"),
                    (recorded("person-destroy-again"), "done"),
                ]
                .into(),
                refused: vec![json!({}), json!({ "id": "" }), json!({ "id": "42" })],
            },
            ActionSample {
                action: "restore_person",
                input: json!({ "id": "7cf86377-4db6-41a2-99da-4b11a4e644cc" }),
                done: recorded("person-upsert-restores-soft-deleted"),
                judged: [
                    (recorded("people-filter-soft-deleted"), "call"),
                    (recorded("rate-limit-rest"), "throttled"),
                    (recorded("auth-revoked-key"), "needs_human"),
                ]
                .into(),
                refused: vec![json!({}), json!({ "id": "42" })],
            },
            ActionSample {
                action: "destroy_person",
                input: json!({ "id": "cd3c2c58-4fcf-44aa-9022-761eb85a99db" }),
                done: recorded("person-destroy-default-delete"),
                judged: [
                    (none("noteTargets"), "call"),
                    (none("taskTargets"), "call"),
                    (recorded("rate-limit-rest"), "throttled"),
                    (recorded("auth-revoked-key"), "needs_human"),
                ]
                .into(),
                refused: vec![json!({}), json!({ "id": "42" })],
            },
            ActionSample {
                action: "upsert_record",
                input: json!({
                    "object": "designerProfile", "key": "dis_0007", "name": "Hilos del Valle",
                    "fields": { "etapa": "EMERGENTE", "categorias": ["BANO"], "publicado": true }
                }),
                done: batch_of("designerProfiles", "plan-designer-create", "dis_0007"),
                judged: [(none("designerProfiles"), "call")]
                    .into_iter()
                    .chain(refusals())
                    .chain([(recorded("designer-profile-multi-select-invalid"), "give_up")])
                    .collect(),
                refused: vec![
                    json!({ "object": "designerProfile" }),
                    json!({ "object": "diseñador", "key": "k" }),
                    json!({ "object": "designerProfile", "key": "k", "fields": { "publicado": "sí" } }),
                    json!({ "object": "designerProfile", "key": "k", "fields": { "contacto": "x" } }),
                    json!({ "object": "designerProfile", "key": "k", "fields": { "createdBy": {} } }),
                    json!({ "object": "designerProfile", "key": "k", "links": { "amigo": "x" } }),
                    json!({ "object": "designerProfile", "key": "k", "links": { "contacto": "42" } }),
                    json!({ "object": "designerProfile", "key": "k", "domain": "hilos.example.co" }),
                    json!({ "object": "ticketOrder", "key": "k", "fields": { "total": 12 } }),
                    json!({ "object": "ticketOrder", "key": "k", "fields": { "boletas": 1.5 } }),
                    json!({ "object": "fashionEvent", "key": "k", "fields": { "inicia": "mañana" } }),
                    json!({ "object": "fashionEvent", "key": "k", "fields": { "lugar": { "planeta": "Marte" } } }),
                    json!({ "object": "company", "domain": "sin punto" }),
                ],
            },
            ActionSample {
                action: "find_record",
                input: json!({ "object": "designerProfile", "key": "dis_0007" }),
                done: none("designerProfiles"),
                judged: vec![
                    (recorded("rate-limit-rest"), "throttled"),
                    (recorded("unknown-object"), "needs_human"),
                    (recorded("auth-revoked-key"), "needs_human"),
                ],
                refused: vec![
                    json!({ "object": "designerProfile" }),
                    json!({ "object": "designerProfile", "field": "name" }),
                    json!({ "object": "designerProfile", "field": "name]", "value": "x" }),
                    json!({ "object": "designerProfile", "field": "name", "value": "\"" }),
                ],
            },
            ActionSample {
                action: "move_deal",
                input: json!({ "person_id": "cd3c2c58-4fcf-44aa-9022-761eb85a99db", "from": ["NEW"], "to": "PROPOSAL" }),
                done: recorded("opportunity-update-stage"),
                judged: vec![
                    (one_deal(), "call"),
                    (recorded("opportunity-create-invalid-stage"), "give_up"),
                    (recorded("rate-limit-rest"), "throttled"),
                    (recorded("auth-revoked-key"), "needs_human"),
                ],
                refused: vec![
                    json!({ "to": "PROPOSAL" }),
                    json!({ "key": "k", "to": "" }),
                    json!({ "key": "k", "to": "PROPOSAL", "from": ["PROPOSAL"] }),
                    json!({ "key": "k", "to": "PROPOSAL", "from": ["A]"] }),
                    json!({ "key": "k", "to": "PROPOSAL", "pipeline": "A,B" }),
                    json!({ "id": "42", "to": "PROPOSAL" }),
                ],
            },
            ActionSample {
                action: "upsert_opportunity",
                input: json!({ "key": "opp_0031", "name": "Patrocinio Oro", "amount": { "minor": 12_000_000_000_i64, "currency": "COP" } }),
                done: recorded("opportunity-create"),
                judged: refusals()
                    .into_iter()
                    .chain([(recorded("opportunity-create-invalid-stage"), "give_up")])
                    .collect(),
                refused: vec![
                    json!({ "name": "Sin clave" }),
                    json!({ "key": " ", "name": "x" }),
                    json!({ "key": "k", "name": "x", "close_date": "mañana" }),
                    json!({ "key": "k", "name": "x", "amount": "mucho" }),
                ],
            },
        ],
    });
}

#[test]
fn the_key_is_a_bearer_token_and_its_absence_a_clear_state() {
    let AuthStep::Ready(auth) = authenticate(connector(json!({})).as_ref(), &ctx(1)) else { panic!() };
    assert_eq!(auth.headers, [("authorization".to_owned(), "Bearer llave-de-prueba".to_owned())]);
    for key in [None, Some(""), Some("uno\ndos")] {
        let credentials = key.map(|k| ("api_key".to_owned(), Secret::new(k))).into_iter().collect();
        let connector = Twenty.connect(ConnectionConfig { credentials, ..config(json!({})) }).unwrap();
        assert!(
            matches!(authenticate(connector.as_ref(), &ctx(1)), AuthStep::Refused(why) if why.contains("api_key")),
            "{key:?}"
        );
    }
}

#[test]
fn a_batch_is_written_like_the_golden_one() {
    let golden = read("people.batch-upsert.request");
    let connector = connector(json!({ "hub_id_field": "hubId" }));
    let input = |key: &str, name: &str, email: &str| json!({ "key": key, "name": name, "email": email });
    let (line, mut body) = written(
        &*connector,
        &[
            input("per_0051", "Tomás Uribe", "Tomas.Uribe@cumbia.example.co"),
            input("per_0052", "Lucía Bermúdez", " lucia.bermudez@sabanera.example.co"),
            input("per_0053", "Antonia Vélez", "antonia.velez@palenque.example.co"),
        ],
    );
    assert_eq!(line, format!("POST https://crm.example{}", golden["path"].as_str().unwrap()));
    // Where nobody has the address, the record gets the id that follows from the key.
    let ids: std::collections::BTreeSet<String> = body
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .map(|row| row.as_object_mut().unwrap().remove("id").unwrap().to_string())
        .collect();
    assert_eq!((body, ids.len()), (golden["body"].clone(), 3));

    // The golden single upsert names empty lists as well; ours leaves the additional ones to the people of the CRM.
    let mut golden = read("person.upsert.request")["body"].clone();
    golden["emails"].as_object_mut().unwrap().remove("additionalEmails");
    golden["phones"].as_object_mut().unwrap().remove("additionalPhones");
    let (_, body) = written(
        &*connector,
        &[json!({
            "key": "per_0042", "name": "Manuela Giraldo Tobón", "email": "manuela.giraldo@hilosdelvalle.example.co",
            "phone": "+573005550142", "job_title": "Directora de marca", "company_id": ""
        })],
    );
    golden["id"] = body[0]["id"].clone();
    assert_eq!(body, json!([golden]));

    // What the hub knows the record of is one change of that record.
    let id = "cd3c2c58-4fcf-44aa-9022-761eb85a99db";
    let input = json!({ "id": id, "key": "per_0042", "job_title": "Jefa" });
    let (line, body) = sent(connector.begin("upsert_person", &[input], &ctx(1)));
    assert_eq!(line, format!("PATCH https://crm.example/rest/people/{id}"));
    assert_eq!(body, json!({ "jobTitle": "Jefa", "hubId": "per_0042" }));
}

/// The write of people whom a look does not find.
fn written(connector: &dyn Connector, inputs: &[Value]) -> (String, Value) {
    let Step::Call(look) = connector.begin("upsert_person", inputs, &ctx(1)) else { panic!() };
    assert!(look.request.url.contains("deletedAt"), "the bin is looked into: {}", look.request.url);
    sent(connector.on("upsert_person", inputs, &look.state, &none("people"), &ctx(1)))
}

#[test]
fn deals_notes_and_polls_are_written_like_the_golden_ones() {
    let connector = connector(json!({ "hub_id_field": "hubId" }));
    let golden = read("opportunity.upsert.request");
    let (line, mut body) = sent(connector.begin(
        "upsert_opportunity",
        &[json!({
            "key": "opp_0031", "name": "Patrocinio Plata - Pasarela Bogotá 2027", "stage": "SCREENING",
            "amount": { "minor": 4_500_000_000_i64, "currency": "COP" }, "close_date": "2027-02-28",
            "company_id": "948cd5f2-a733-4bb7-b564-e7f29d54195b", "person_id": "4000a868-ff12-5ff3-a84c-a6a1c53369de"
        })],
        &ctx(1),
    ));
    assert!(body.as_object_mut().unwrap().remove("id").is_some());
    assert_eq!(
        (line, body),
        (format!("POST https://crm.example{}", golden["path"].as_str().unwrap()), golden["body"].clone())
    );

    let golden = read("note.create.request");
    let input = json!({
        "person_id": "4000a868-ff12-5ff3-a84c-a6a1c53369de", "title": golden["body"]["title"],
        "markdown": golden["body"]["bodyV2"]["markdown"]
    });
    let Step::Call(call) = connector.begin("add_note", std::slice::from_ref(&input), &ctx(1)) else { panic!() };
    let mut body: Value = serde_json::from_slice(&call.request.body).unwrap();
    let note = body.as_object_mut().unwrap().remove("id").unwrap();
    assert_eq!(body, golden["body"]);
    let then = connector.on("add_note", &[input], &call.state, &recorded("note-create"), &ctx(1));
    let (line, mut body) = sent(then);
    assert!(body.as_object_mut().unwrap().remove("id").is_some());
    assert_eq!(line, "POST https://crm.example/rest/noteTargets");
    assert_eq!(body, json!({ "noteId": note, "targetPersonId": golden["then"]["body"]["targetPersonId"] }));

    let golden = read("task.create.request");
    let input = json!({
        "opportunity_id": "4000a868-ff12-5ff3-a84c-a6a1c53369de", "title": golden["body"]["title"],
        "markdown": golden["body"]["bodyV2"]["markdown"], "due": golden["body"]["dueAt"]
    });
    let (line, mut body) = sent(connector.begin("add_task", &[input], &ctx(1)));
    assert!(body.as_object_mut().unwrap().remove("id").is_some());
    let mut wanted = golden["body"].clone();
    // New tasks are to be done in any case.
    wanted.as_object_mut().unwrap().remove("status");
    assert_eq!((line.as_str(), body), ("POST https://crm.example/rest/tasks", wanted));

    // Read from ten seconds before the newest record.
    let golden = read("poll.changed-people.request");
    for (pass, path) in [("live", "path"), ("deleted", "second_pass_for_soft_deleted")] {
        let cursor = json!({ "v": 1, "mark": "2026-11-24T19:00:10Z", "pass": pass });
        let PollStep::Call { request, .. } = connector.poll("people", Some(&cursor), None, &ctx(1)) else { panic!() };
        // Brackets of and(...) may be encoded or not.
        let url = request.url.replace("%28", "(").replace("%29", ")");
        assert_eq!(parameters(&url), parameters(golden[path].as_str().unwrap()), "{pass}");
    }
}

fn parameters(url: &str) -> (String, std::collections::BTreeSet<String>) {
    let (path, query) = url.trim_start_matches("https://crm.example").split_once('?').unwrap();
    (path.to_owned(), query.split('&').map(str::to_owned).collect())
}

#[test]
fn a_note_is_made_only_when_its_record_comes_back() {
    let connector = connector(json!({}));
    let input = json!({ "person_id": "cd3c2c58-4fcf-44aa-9022-761eb85a99db", "title": "t", "markdown": "m" });
    let inputs = [input];
    for at in ["note", "target", "old_target"] {
        let state = json!({ "v": 1, "at": at });
        for answer in [
            Answer::text(200, "<html>Sign in</html>"),
            Answer::json(201, &json!({ "data": {} })),
            Answer::json(201, &json!({ "data": { "createNote": { "id": "" }, "createNoteTarget": null } })),
        ] {
            let step = connector.on("add_note", &inputs, &state, &answer, &ctx(1));
            assert_eq!(outcomes(step)[0].name(), "retry", "{at} {answer:?}");
        }
    }
}

#[test]
fn amounts_that_would_change_are_refused() {
    let connector = connector(json!({}));
    let begin = |minor: i64| {
        let input = json!({ "key": "k", "name": "x", "amount": { "minor": minor, "currency": "COP" } });
        connector.begin("upsert_opportunity", &[input], &ctx(1))
    };
    // 576 000 million whole pesos still pass; a centavo above 2^53 micros does not.
    assert!(matches!(begin(57_600_000_000_000), Step::Call(_)));
    for minor in [90_071_992_547_409_301, i64::MAX, i64::MIN] {
        assert_eq!(outcomes(begin(minor))[0].name(), "give_up", "{minor}");
    }
}

#[test]
fn a_workspace_with_the_older_link_is_understood() {
    let connector = connector(json!({}));
    let input = json!({ "person_id": "cd3c2c58-4fcf-44aa-9022-761eb85a99db", "title": "t", "markdown": "m" });
    let refused = Answer::json(
        400,
        &json!({ "statusCode": 400, "messages": ["Object noteTarget doesn't have any \"targetPersonId\" field."] }),
    );
    let inputs = [input];
    let state = json!({ "v": 1, "at": "target" });
    let step = connector.on("add_note", &inputs, &state, &refused, &ctx(1));
    let (_, body) = sent(step);
    assert_eq!(body["personId"], "cd3c2c58-4fcf-44aa-9022-761eb85a99db");
    assert_eq!(body.get("targetPersonId"), None);
}

#[test]
fn state_of_another_version_begins_anew() {
    let connector = connector(json!({}));
    for action in ["upsert_person", "add_note"] {
        let input = json!({ "email": EMAIL });
        let note = json!({ "person_id": "cd3c2c58-4fcf-44aa-9022-761eb85a99db", "title": "t", "markdown": "m" });
        let inputs = [if action == "add_note" { note } else { input }];
        for state in [Value::Null, json!({ "v": 2 }), json!({ "v": 1, "now": [0, 9], "todo": [], "ended": {} })] {
            let step = connector.on(action, &inputs, &state, &recorded("note-create"), &ctx(1));
            assert_eq!(outcomes(step)[0].name(), "retry", "{action} {state}");
        }
    }
}

/// By the manifest's auth kind, as the engine does it.
fn authenticate(connector: &dyn Connector, ctx: &Ctx<'_>) -> AuthStep {
    pasarela_connector::auth::begin(Twenty.manifest(), connector, None, ctx)
}
