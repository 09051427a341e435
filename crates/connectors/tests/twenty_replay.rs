//! Exchanges recorded from a real Twenty 2.31 are replayed against the double: same status, same
//! shape, same texts. Ids, times and positions differ, and are compared by what they stand for.

use jiff::{SignedDuration, Timestamp};
use pasarela_connector::{Provider, Request, SimConfig, SimReply, Simulator};
use pasarela_connectors::twenty::Twenty;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/twenty/recorded/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))).unwrap()
}

fn simulator(settings: Value) -> Box<dyn Simulator> {
    let config = SimConfig {
        connection: "crm".into(),
        base_url: "http://twenty.example".into(),
        webhook_secret: "lab-secret-9f2c".into(),
        settings,
    };
    Twenty.simulator(config).unwrap()
}

/// A running replay: the double, its clock, and which of its ids stands for which recorded one.
struct Replay {
    sim: Box<dyn Simulator>,
    now: Timestamp,
    ids: BTreeMap<String, String>,
}

impl Replay {
    fn new(settings: Value) -> Self {
        Self { sim: simulator(settings), now: "2026-11-24T19:02:45Z".parse().unwrap(), ids: BTreeMap::new() }
    }

    fn translated(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (recorded, ours)| text.replace(recorded, ours))
    }

    fn send(&mut self, request: &Value) -> SimReply {
        self.now = self.now.checked_add(SignedDuration::from_millis(100)).unwrap();
        let path = self.translated(request["path"].as_str().unwrap());
        let mut call = Request::new(request["method"].as_str().unwrap(), path);
        let none = serde_json::Map::new();
        for (name, value) in request["headers"].as_object().unwrap_or(&none) {
            call = call.header(name, value.as_str().unwrap());
        }
        call.body = match &request["body"] {
            Value::Null => String::new(),
            Value::String(raw) => raw.clone(),
            body => self.translated(&body.to_string()),
        }
        .into();
        self.sim.handle(&call, self.now)
    }

    fn play(&mut self, name: &str) {
        let exchange = fixture(name);
        let reply = self.send(&exchange["request"]);
        let answer = reply.answer;
        let body: Value = if answer.body.is_empty() { json!("") } else { answer.parse().unwrap() };
        assert_eq!(u64::from(answer.status), exchange["response"]["status"].as_u64().unwrap(), "{name}: {body}");
        let ordered = name.starts_with("batch");
        self.same(&format!("{name}: "), "", &exchange["response"]["body"], &body, ordered);
    }

    /// Compares what was recorded with what the double says.
    fn same(&mut self, at: &str, key: &str, recorded: &Value, ours: &Value, ordered: bool) {
        match (recorded, ours) {
            (Value::Object(a), Value::Object(b)) => {
                // Fields that the recorded workspace had been given.
                let own = ["consentimientos", "whatsapp", "hubId", "nivelPatrocinioId", "eventoId"];
                for (key, value) in a.iter().filter(|(k, _)| !own.contains(&k.as_str())) {
                    let ours = b.get(key).unwrap_or_else(|| panic!("{at}/{key} is missing in {ours}"));
                    self.same(&format!("{at}/{key}"), key, value, ours, ordered);
                }
                for key in b.keys() {
                    assert!(a.contains_key(key), "{at}/{key} was not recorded");
                }
            }
            (Value::Array(a), Value::Array(b)) => {
                assert_eq!(a.len(), b.len(), "{at}: {ours}");
                let sorted = |list: &[Value]| {
                    let mut list = list.to_vec();
                    // Without an order of its own a list is sorted by ids, and those differ.
                    if !ordered {
                        list.sort_by_key(|v| v.pointer("/emails/primaryEmail").map(Value::to_string));
                    }
                    list
                };
                for (n, (a, b)) in sorted(a).iter().zip(&sorted(b)).enumerate() {
                    self.same(&format!("{at}/{n}"), key, a, b, ordered);
                }
            }
            (Value::String(a), Value::String(b)) => match key {
                _ if key == "id" || key.ends_with("Id") => {
                    let known = self.ids.entry(a.clone()).or_insert_with(|| b.clone());
                    assert!(known == b || key == "workspaceId" || key == "applicationId", "{at}: another record");
                }
                "createdAt" | "updatedAt" | "deletedAt" => {
                    assert!(b.parse::<Timestamp>().is_ok() && b.len() == a.len(), "{at}: {b}");
                }
                "searchVector" | "startCursor" | "endCursor" | "cursor" | "blocknote" => {
                    assert!(!b.is_empty(), "{at}")
                }
                "secret" => assert_eq!(b.len(), a.len(), "{at}"),
                _ => {
                    let constraint = |text: &str| text.split("\"FK_").next().unwrap().to_owned();
                    assert_eq!(constraint(&self.translated(a)), constraint(b), "{at}");
                }
            },
            (Value::Number(_), Value::Number(_)) if key == "position" => {}
            (a, b) => assert_eq!(a, b, "{at}"),
        }
    }
}

const UNLIMITED: &str = r#"{"limit_per_minute": 0}"#;

fn unlimited() -> Value {
    serde_json::from_str(UNLIMITED).unwrap()
}

#[test]
fn people_and_companies_answer_as_recorded() {
    let mut replay = Replay::new(unlimited());
    for name in [
        "company-create",
        "person-create",
        "person-create-duplicate-email",
        "person-create-duplicate-email-uppercase",
        "person-get",
        "person-update",
        "person-update-noop",
        "person-upsert-existing-email",
        "person-upsert-new",
        "person-upsert-with-own-id",
        "person-upsert-same-id-again",
        "person-create-same-id-conflict",
        "person-upsert-id-and-email-of-different-records",
        "person-create-no-email-1",
        "person-create-no-email-2",
        "person-create-additional-email",
        "person-create-phone-e164",
        "person-create-phone-local-no-country",
        "person-create-phone-mismatch",
        "person-create-invalid-email",
        "person-create-unknown-field",
        "person-create-flat-alias-error",
        "person-create-bad-json",
        "company-create-duplicate-domain",
        "company-create-domain-uppercase",
        "company-create-domain-variant",
        "person-get-not-found",
        "person-get-invalid-id",
        "person-get-depth-2-refused",
        "person-update-not-found",
        "person-update-composite-name",
        "person-update-partial-composite",
        "person-update-phone-with-country",
        "unknown-object",
        "object-singular-in-path",
        "batch-people-create",
        "batch-people-create-one-duplicate",
        "batch-check-nothing-written",
        "people-duplicates-by-ids",
        "people-merge-one-id",
        "batch-people-upsert-mixed",
        "batch-people-upsert-same-email-twice-in-body",
        "batch-empty",
        "batch-object-not-array",
        "filter-eq",
        "filter-eq-unquoted",
        "filter-email-upper",
        "filter-in",
        "filter-ilike",
        "filter-or",
        "filter-phone",
        "filter-phone-like",
        "filter-relation-id",
        "filter-relation-nested",
        "filter-comma-in-value",
        "filter-deleted",
        "filter-bad-comparator",
        "filter-bracket-mismatch",
        "filter-unknown-field",
        "filter-additional-emails",
        "filter-additional-emails-containsAny",
        "order-by-invalid-direction",
        "order-by-unknown-field",
        "people-list-bad-cursor",
        "people-list-cursor-of-other-order",
        "people-list-limit-invalid",
        "person-soft-delete",
        "person-get-after-soft-delete",
        "people-filter-soft-deleted",
        "person-create-email-of-soft-deleted",
        "person-restore-as-documented",
        "person-restore-suffix-form",
        "people-restore-many-suffix-form",
        "people-restore-many-as-documented",
        "person-soft-delete",
        "person-upsert-restores-soft-deleted",
        "person-get-after-upsert-restore",
        "person-destroy-default-delete",
        "person-destroy-again",
        "person-get-after-destroy",
        "people-delete-many-no-filter",
    ] {
        replay.play(name);
    }
}

#[test]
fn deals_notes_and_tasks_answer_as_recorded() {
    let mut replay = Replay::new(unlimited());
    for name in [
        "company-create",
        "person-create",
        "opportunity-create",
        "opportunity-create-amount-string",
        "opportunity-create-amount-over-2e53",
        "opportunity-create-amount-float",
        "opportunity-create-bad-currency",
        "opportunity-create-connect-by-unique",
        "opportunity-connect-missing",
        "opportunity-create-bad-company",
        "opportunity-create-invalid-stage",
        "opportunity-update-stage",
        "note-create",
        "note-target-create-person",
        "note-target-create-opportunity",
        "note-target-create-old-name",
        "task-create",
        "task-target-create",
    ] {
        replay.play(name);
    }
}

/// The plan that was executed on a real server makes the objects; what was written into them then answers as it did.
#[test]
fn records_of_objects_that_were_made_answer_as_recorded() {
    let mut replay = Replay::new(unlimited());
    let path = format!("{}/tests/fixtures/twenty/provisioning-plan.json", env!("CARGO_MANIFEST_DIR"));
    let plan: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let headers = json!({ "Authorization": "Bearer k" });
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let list = replay.send(&json!({ "method": "GET", "path": "/rest/metadata/objects?limit=200", "headers": headers }));
    let list: Value = list.answer.parse().unwrap();
    for object in list["data"]["objects"].as_array().unwrap() {
        known.insert(object["nameSingular"].as_str().unwrap().into(), object["id"].as_str().unwrap().into());
    }
    for step in plan["steps"].as_array().unwrap() {
        let body = &step["body"];
        let kind = step["path"].as_str().unwrap();
        // Stages, views and webhooks are judged elsewhere.
        if step["method"] != "POST" || !(kind.ends_with("/objects") || kind.ends_with("/fields")) {
            continue;
        }
        let text =
            known.iter().fold(body.to_string(), |text, (name, id)| text.replace(&format!("{{{{{name}.id}}}}"), id));
        let body: Value = serde_json::from_str(&text).unwrap();
        let reply = replay.send(&json!({ "method": "POST", "path": kind, "headers": headers, "body": body }));
        assert_eq!(reply.answer.status, 201, "{body}");
        let made: Value = reply.answer.parse().unwrap();
        if let Some(id) = made.pointer("/data/createOneObject/id").and_then(Value::as_str) {
            known.insert(body["nameSingular"].as_str().unwrap().into(), id.into());
        }
    }
    replay.play("plan-designer-create");
    replay.play("plan-collection-create");
    replay.play("plan-ticket-order-create");
    replay.play("designer-profile-multi-select-invalid");
    // The note that the recorded link points at.
    let note = json!({ "title": "Nota", "bodyV2": { "markdown": "m" } });
    let note = replay.send(&json!({ "method": "POST", "path": "/rest/notes", "headers": headers, "body": note }));
    let note: Value = note.answer.parse().unwrap();
    let id = note["data"]["createNote"]["id"].as_str().unwrap().to_owned();
    replay.ids.insert("991d61ea-4357-4f63-9130-e22bdafe2b82".into(), id);
    replay.play("plan-note-target-custom-object");
    replay.play("plan-custom-duplicates");
    replay.play("plan-custom-merge");
}

/// Two of one person: what the one lacks it gets, further addresses are kept, and the other is gone.
#[test]
fn records_that_are_made_one_answer_as_recorded() {
    let mut replay = Replay::new(unlimited());
    let headers = json!({ "Authorization": "Bearer k" });
    replay.play("batch-people-create");
    let alternate = json!({
        "name": { "firstName": "Modelo 2", "lastName": "Pasarela" },
        "emails": { "primaryEmail": "modelo2.alterno@agenciaficticia.example.co" },
        "jobTitle": "Modelo", "phones": { "primaryPhoneNumber": "+573105550002" }
    });
    let made = replay.send(&json!({ "method": "POST", "path": "/rest/people", "headers": headers, "body": alternate }));
    let made: Value = made.answer.parse().unwrap();
    let id = made["data"]["createPerson"]["id"].as_str().unwrap().to_owned();
    replay.ids.insert("2cc3d2e8-536c-4775-b817-d185b89ed993".into(), id);
    let before = replay.now;
    replay.play("people-merge");
    assert!(replay.now > before);
    replay.play("people-merge-after-get-loser");
    // The counts are of another workspace: here their form.
    let deals = json!([
        { "name": "a", "stage": "NEW", "amount": { "amountMicros": 1_500_000, "currencyCode": "COP" }, "closeDate": "2027-01-01T02:00:00Z" },
        { "name": "b", "stage": "NEW", "amount": { "amountMicros": 2_000_000, "currencyCode": "COP" } },
        { "name": "c", "stage": "PROPOSAL" },
    ]);
    replay.send(&json!({ "method": "POST", "path": "/rest/batch/opportunities", "headers": headers, "body": deals }));
    for (name, ours) in [
        (
            "opportunities-group-by-stage",
            json!([
                { "countNotEmptyId": "2", "sumAmountAmountMicros": "3500000", "groupByDimensionValues": ["NEW"] },
                { "countNotEmptyId": "1", "sumAmountAmountMicros": "0", "groupByDimensionValues": ["PROPOSAL"] },
            ]),
        ),
        // In Bogotá it was still December.
        (
            "opportunities-group-by-month",
            json!([
                { "totalCount": "1", "groupByDimensionValues": ["2026-12-01"] },
                { "totalCount": "2", "groupByDimensionValues": [null] },
            ]),
        ),
    ] {
        let recorded = fixture(name);
        let answer: Value = replay.send(&recorded["request"]).answer.parse().unwrap();
        let sorted = |rows: &Value| {
            let mut rows: Vec<String> = rows.as_array().unwrap().iter().map(Value::to_string).collect();
            rows.sort();
            rows
        };
        assert_eq!(sorted(&answer), sorted(&ours), "{name}");
        let keys = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&answer[0]), keys(&recorded["response"]["body"][0]), "{name}");
    }
}

#[test]
fn a_batch_answers_those_that_were_there_first() {
    let mut replay = Replay::new(unlimited());
    for n in [2, 4] {
        let body = json!({ "emails": { "primaryEmail": format!("orden{n}@correo.example.co") } });
        let headers = json!({ "Authorization": "Bearer k" });
        let reply = replay.send(&json!({ "method": "POST", "path": "/rest/people", "headers": headers, "body": body }));
        assert_eq!(reply.answer.status, 201);
    }
    replay.play("batch-upsert-answer-order");
}

#[test]
fn keys_are_checked_as_recorded() {
    let mut replay = Replay::new(json!({
        "api_key": "<API_KEY>", "revoked_keys": ["<API_KEY_WITH_MEMBER_ROLE>"], "limit_per_minute": 0
    }));
    for name in ["auth-bad-token", "auth-no-token", "auth-revoked-key", "filter-deleted"] {
        replay.play(name);
    }
}

/// What GraphQL says behind its 200: records with what they point at, fields that are not there, keys, the limit.
#[test]
fn graphql_answers_as_recorded() {
    let mut replay = Replay::new(unlimited());
    for name in [
        "company-create",
        "person-create",
        "note-create",
        "note-target-create-person",
        "graphql-people-filter",
        "graphql-unknown-field",
        "graphql-not-found",
    ] {
        replay.play(name);
    }
    let mut replay = Replay::new(json!({
        "api_key": "<API_KEY>", "revoked_keys": ["<REVOKED_API_KEY>"], "limit_per_minute": 0
    }));
    for name in ["graphql-bad-token", "graphql-no-auth", "graphql-revoked-key"] {
        replay.play(name);
    }
    let mut replay = Replay::new(json!({}));
    let call = json!({ "method": "GET", "path": "/rest/people?limit=1", "headers": { "Authorization": "Bearer k" } });
    for _ in 0..100 {
        assert_eq!(replay.send(&call).answer.status, 200);
    }
    replay.play("rate-limit-graphql");
}

#[test]
fn webhooks_are_managed_as_recorded() {
    let mut replay = Replay::new(unlimited());
    for name in [
        "webhook-create",
        "webhook-create-default-secret",
        "webhook-create-http-url",
        "webhook-create-invalid-url",
        "webhook-create-missing-operations",
        "webhook-create-unknown-operation",
        "webhook-get-missing",
        "webhook-delete",
    ] {
        replay.play(name);
    }
}

#[test]
fn the_hundred_and_first_call_is_refused_as_recorded() {
    let mut replay = Replay::new(json!({}));
    let call = json!({ "method": "GET", "path": "/rest/people?limit=1", "headers": { "Authorization": "Bearer k" } });
    for _ in 0..100 {
        assert_eq!(replay.send(&call).answer.status, 200);
    }
    replay.play("rate-limit-rest");
    // Schema calls are not counted.
    replay.play("webhook-create");
}

/// Upserts hide changes of composites; each step's events were recorded.
#[test]
fn webhooks_follow_the_recorded_quirk() {
    let recorded = fixture("webhook-quirk-upsert-composite");
    let mut replay = Replay::new(unlimited());
    for step in recorded["steps"].as_array().unwrap() {
        let mut request = step["request"].clone();
        request["headers"] = json!({ "Authorization": "Bearer k" });
        let reply = replay.send(&request);
        let name = step["step"].as_str().unwrap();
        assert_eq!(u64::from(reply.answer.status), step["status"].as_u64().unwrap(), "{name}");
        let body: Value = reply.answer.parse().unwrap();
        if let Some(id) = body.pointer("/data/createPerson/id").and_then(Value::as_str) {
            // The recorded person's id is in later paths.
            replay.ids.insert("eac17deb-9870-4f3b-ac6e-e60b3bccbf5e".into(), id.into());
        }
        let told: Vec<Value> = reply
            .webhooks
            .iter()
            .map(|(_, w)| {
                let body: Value = serde_json::from_slice(&w.body).unwrap();
                json!([body["eventName"], body["updatedFields"]])
            })
            .collect();
        let expected: Vec<Value> = step["events_received"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| json!([e["eventName"], e["updatedFields"]]))
            .collect();
        assert_eq!(told, expected, "{name}");
    }
}

/// The envelope has the recorded keys in the recorded order, and nothing is escaped.
#[test]
fn webhook_bodies_are_written_as_node_writes_them() {
    let recorded = fixture("webhook-person-created");
    let mut sim = simulator(json!({}));
    let now: Timestamp = "2026-11-24T19:02:47.059Z".parse().unwrap();
    let reply =
        sim.act("create_person", &json!({ "name": "Valentina Núñez Ocaña", "phone": "+573005551234" }), now).unwrap();
    let [(_, webhook)] = &reply.webhooks[..] else { panic!("one webhook, not {}", reply.webhooks.len()) };
    let body: Value = serde_json::from_slice(&webhook.body).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let ours: Vec<String> = keys(&body).into_iter().filter(|k| k != "userId" && k != "workspaceMemberId").collect();
    assert_eq!(ours, keys(&recorded["body"]));
    assert_eq!(keys(&body["record"]), keys(&recorded["body"]["record"]));
    let text = std::str::from_utf8(&webhook.body).unwrap();
    assert!(text.contains("Núñez Ocaña") && !text.contains("\": "), "{text}");
}

#[test]
fn pages_can_be_turned_in_both_directions() {
    let mut replay = Replay::new(unlimited());
    let headers = json!({ "Authorization": "Bearer k" });
    let rows: Vec<Value> =
        (0..7).map(|n| json!({ "emails": { "primaryEmail": format!("modelo{n}@agencia.example.co") } })).collect();
    replay.send(&json!({ "method": "POST", "path": "/rest/batch/people", "headers": headers, "body": rows }));
    let mut get = |query: &str| -> Value {
        let path = format!("/rest/people?limit=3&order_by=createdAt[DescNullsLast]{query}");
        let reply = replay.send(&json!({ "method": "GET", "path": path, "headers": headers }));
        assert_eq!(reply.answer.status, 200);
        reply.answer.parse().unwrap()
    };
    let first = get("");
    let after = format!("&starting_after={}", first["pageInfo"]["endCursor"].as_str().unwrap());
    let second = get(&after);
    let before = format!("&ending_before={}", second["pageInfo"]["startCursor"].as_str().unwrap());
    assert_eq!(get(&before)["data"], first["data"]);
    assert_eq!(second["totalCount"], 7);
    assert_eq!(second["pageInfo"]["hasPreviousPage"], true);
    let last = get(&format!("&starting_after={}", second["pageInfo"]["endCursor"].as_str().unwrap()));
    assert_eq!(last["data"]["people"].as_array().unwrap().len(), 1);
    assert_eq!(last["pageInfo"]["hasNextPage"], false);
}
