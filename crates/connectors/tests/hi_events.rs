//! Hi.Events: golden samples, every surprise of the contract's short list, and the conformance suite.

use jiff::Timestamp;
use pasarela_connector::testkit::{ActionSample, Fixture, WebhookSample, check};
use pasarela_connector::{
    Answer, AuthStep, ConnectionConfig, Connector, Ctx, Dedup, Fact, Item, Outcome, Provider, RawRequest, ReadBack,
    Source, Step, Verdict,
};
use pasarela_connectors::hi_events::HiEvents;
use pasarela_domain::{EntityRef, Secret};
use serde_json::{Value, json};
use std::path::PathBuf;

const SECRET: &str = "muestra-hi-events";

fn bytes(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hi-events").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn sample(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap()
}

fn answer(status: u16, name: &str) -> Answer {
    Answer::json(status, &sample(name))
}

fn config() -> ConnectionConfig {
    let mut config = ConnectionConfig::bare("boleteria", "hi-events");
    config.base_url = Some("https://boletas.fashionistas.example/api".into());
    config.webhook_secrets = vec![Secret::new(SECRET)];
    config.settings = json!({ "email": "integraciones@fashionistas.example", "organizer_id": 3 });
    config.credentials.insert("password".into(), Secret::new("clave-inventada"));
    config
}

fn connector() -> Box<dyn Connector> {
    HiEvents.connect(config()).unwrap()
}

fn ctx(now: Timestamp) -> Ctx<'static> {
    Ctx { now, key: "clave-1", attempt: 1 }
}

fn sent_at(body: &[u8]) -> Timestamp {
    let body: Value = serde_json::from_slice(body).unwrap();
    body["event_sent_at"].as_str().unwrap().parse().unwrap()
}

fn verify(connector: &dyn Connector, body: &[u8], signature: Option<&str>, now: Timestamp) -> Verdict {
    let header = |name: &str| if name == "signature" { signature } else { None };
    connector.verify(&RawRequest { method: "POST", query: "", header: &header, body }, now)
}

fn facts(source: Source, body: &[u8]) -> Vec<Fact> {
    let translation = connector().translate(source, body).unwrap();
    translation
        .items
        .into_iter()
        .map(|item| match item {
            Item::Fact(fact) => *fact,
            other => panic!("not a fact: {other:?}"),
        })
        .collect()
}

fn webhook(name: &str) -> Vec<Fact> {
    facts(Source::Webhook, &bytes(&format!("webhook.{name}.json")))
}

fn types(facts: &[Fact]) -> Vec<&str> {
    facts.iter().map(|f| f.event_type.as_deref().unwrap()).collect()
}

fn once(kind: &str, entity: &str, discriminator: &str) -> Dedup {
    Dedup::Once { kind: kind.into(), entity: entity.into(), discriminator: discriminator.into() }
}

fn entity<'a>(fact: &'a Fact, kind: &str, id: &str) -> &'a pasarela_connector::EntityWrite {
    let entity = EntityRef::new(kind, id);
    fact.entities.iter().find(|w| w.entity == entity).unwrap_or_else(|| panic!("no {kind} {id} in {fact:?}"))
}

/// What every sample must become.
const EVENTS: &[(&str, &[&str])] = &[
    ("webhook.order.created.json", &["order.placed", "order.paid", "ticket.issued", "ticket.issued"]),
    ("webhook.order.created.offline.json", &["order.placed", "ticket.issued", "ticket.issued"]),
    ("webhook.order.marked_as_paid.json", &["order.paid"]),
    ("webhook.order.updated.json", &["order.updated"]),
    ("webhook.order.cancelled.json", &["order.cancelled"]),
    ("webhook.order.refunded.json", &["order.refunded"]),
    ("webhook.attendee.created.json", &["ticket.issued"]),
    ("webhook.attendee.updated.json", &["ticket.updated"]),
    ("webhook.attendee.cancelled.json", &["ticket.cancelled"]),
    ("webhook.attendee.cancelled.single.json", &["ticket.cancelled"]),
    ("webhook.checkin.created.json", &["ticket.checked_in"]),
    ("webhook.checkin.deleted.json", &["ticket.check_in_undone"]),
    ("webhook.event.created.json", &["show.updated"]),
    ("webhook.event.updated.json", &["show.published", "show.updated"]),
    ("webhook.event.archived.json", &["show.archived", "show.updated"]),
    ("webhook.product.created.json", &["product.created"]),
    ("webhook.product.updated.json", &["product.updated"]),
    ("webhook.product.deleted.json", &["product.deleted"]),
];

#[test]
fn every_sample_is_authentic_and_becomes_its_events() {
    let signatures = sample("_signatures.json")["signatures"].as_object().unwrap().clone();
    assert_eq!(signatures.len(), EVENTS.len());
    for (name, events) in EVENTS {
        let body = bytes(name);
        let signature = signatures[*name].as_str().unwrap();
        let now = sent_at(&body);
        let verdict = verify(&*connector(), &body, Some(signature), now);
        assert_eq!(verdict, Verdict::Authentic { replay_key: None }, "{name}");
        assert_eq!(types(&facts(Source::Webhook, &body)), *events, "{name}");
    }
}

#[test]
fn forgeries_and_old_bodies_are_refused_and_a_rotated_secret_is_not() {
    let name = "webhook.order.created.json";
    let (body, signatures) = (bytes(name), sample("_signatures.json"));
    let signature = signatures["signatures"][name].as_str().unwrap();
    let now = sent_at(&body);
    let forged = |verdict| matches!(verdict, Verdict::Forged(_));
    let it = connector();
    assert!(forged(verify(&*it, &body, None, now)));
    assert!(forged(verify(&*it, &body, Some("ab"), now)));
    assert!(forged(verify(&*it, &body, Some(&signature.replace('8', "9")), now)));
    let mut changed = body.clone();
    changed[200] ^= 1;
    assert!(forged(verify(&*it, &changed, Some(signature), now)));
    let later = |minutes| now + jiff::SignedDuration::from_mins(minutes);
    assert!(!forged(verify(&*it, &body, Some(signature), later(9))));
    assert!(forged(verify(&*it, &body, Some(signature), later(11))));
    assert!(forged(verify(&*it, &body, Some(signature), later(-11))));

    let mut rotated = config();
    rotated.webhook_secrets.insert(0, Secret::new("la-nueva"));
    rotated.signature_max_age = Some(std::time::Duration::from_secs(3600));
    let rotated = HiEvents.connect(rotated).unwrap();
    assert!(!forged(verify(&*rotated, &body, Some(signature), later(59))));
    let mut none = config();
    none.webhook_secrets.clear();
    assert!(forged(verify(&*HiEvents.connect(none).unwrap(), &body, Some(signature), now)));
}

#[test]
fn surprise_1_and_2_reconciliation_is_offered_and_the_hub_stays_below_the_limit() {
    let manifest = HiEvents.manifest();
    let tasks: Vec<&str> = manifest.tasks.iter().map(|t| t.name).collect();
    assert_eq!(tasks, ["orders", "attendees", "check_ins", "shows", "selling"]);
    let rate = manifest.limits.rate.unwrap();
    let per_minute = f64::from(rate.burst) + 60.0 / rate.every.as_secs_f64();
    assert!(per_minute <= 120.0, "{per_minute}");
}

#[test]
fn surprise_3_overlapping_webhooks_tell_the_same_facts() {
    let first = webhook("order.created");
    let mut again = sample("webhook.order.created.json");
    again["event_sent_at"] = json!("2026-04-09T15:04:14+00:00");
    let second = facts(Source::Webhook, &serde_json::to_vec(&again).unwrap());
    let keys = |facts: &[Fact]| facts.iter().map(|f| f.dedup.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&first), keys(&second));
    assert_eq!(first[2].dedup, webhook("attendee.created")[0].dedup);
    assert_eq!(first[2].data, webhook("attendee.created")[0].data);
    assert_eq!(first[0].dedup, once("order.placed", "3301", ""));
    assert_eq!(first[0].key, "order:3301");
    assert_eq!(first[2].key, "ticket:9001");
    assert!(first[0].refs.contains(&EntityRef::new("show", "118")));
    assert!(first[2].refs.contains(&EntityRef::new("order", "3301")));
}

#[test]
fn surprise_4_a_single_cancellation_lies_about_its_status() {
    assert_eq!(sample("webhook.attendee.cancelled.single.json")["payload"]["status"], "ACTIVE");
    let lied = &webhook("attendee.cancelled.single")[0];
    assert_eq!(lied.data["status"], "cancelled");
    let write = entity(lied, "ticket", "9001");
    assert_eq!(write.data["status"], "cancelled");
    // The time is that of the state before: only the rank makes it the later one.
    let before = webhook("attendee.created");
    assert_eq!(write.updated_at, entity(&before[0], "ticket", "9001").updated_at);
    assert!(write.rank > entity(&before[0], "ticket", "9001").rank);
    assert_eq!(lied.dedup, webhook("attendee.cancelled")[0].dedup);
}

#[test]
fn surprise_5_a_second_scan_is_the_same_check_in() {
    let scan = &webhook("checkin.created")[0];
    assert_eq!(scan.dedup, once("ticket.checked_in", "7001", ""));
    assert_eq!(scan.key, "ticket:9001");
    assert_eq!(scan.data["list_id"], "22");
    assert_eq!(scan.data["at"], "2026-05-15T22:41:07Z");
    // It carries no answers, so it must not overwrite a ticket that has a phone.
    assert!(scan.entities.iter().all(|e| e.entity.kind != "ticket"));
    let stands = entity(&scan, "check_in", "9001:22");
    assert_eq!((&stands.data["undone"], &stands.data["id"]), (&json!(false), &json!("7001")));
    assert_eq!(webhook("checkin.deleted")[0].dedup, once("ticket.check_in_undone", "7001", ""));
}

#[test]
fn surprise_6_login_brings_a_bearer_token_and_says_what_is_missing() {
    let now: Timestamp = "2026-04-09T15:00:00Z".parse().unwrap();
    let it = connector();
    let AuthStep::Call(request) = it.authenticate(&ctx(now)) else { panic!() };
    assert_eq!(request.url, "https://boletas.fashionistas.example/api/auth/login");
    assert_eq!(request.headers.get("accept"), Some("application/json"));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, json!({ "email": "integraciones@fashionistas.example", "password": "clave-inventada" }));
    let AuthStep::Ready(auth) = it.on_authenticate(&answer(200, "rest.auth-login.json"), &ctx(now)) else { panic!() };
    assert!(auth.headers[0].1.starts_with("Bearer eyJ"));
    assert_eq!(auth.expires.unwrap(), "2026-04-16T14:00:00Z".parse::<Timestamp>().unwrap());

    let refused = |answer: &Answer| match it.on_authenticate(answer, &ctx(now)) {
        AuthStep::Refused(why) => why,
        other => panic!("{other:?}"),
    };
    let several = refused(&answer(200, "rest.auth-login-several-accounts.json"));
    assert!(several.contains("account_id") && several.contains("7 (Fashionistas), 8 (Taller Guayabal)"), "{several}");
    assert!(refused(&answer(401, "rest.error-401.json")).contains("password"));
    assert!(matches!(it.on_authenticate(&Answer::text(503, ""), &ctx(now)), AuthStep::Later(_)));
    assert!(matches!(it.on_authenticate(&Answer::text(200, "<html>"), &ctx(now)), AuthStep::Later(_)));

    let mut chosen = config();
    chosen.settings["account_id"] = json!("8");
    let AuthStep::Call(request) = HiEvents.connect(chosen).unwrap().authenticate(&ctx(now)) else { panic!() };
    assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap()["account_id"], 8);
    let mut without = config();
    without.credentials.clear();
    let AuthStep::Refused(why) = HiEvents.connect(without).unwrap().authenticate(&ctx(now)) else { panic!() };
    assert!(why.contains("password"), "{why}");
}

#[test]
fn surprise_7_phones_come_from_answers_and_go_to_the_right_person() {
    let paid = &webhook("order.created")[1];
    assert_eq!(paid.data["buyer"]["name"], "Valentina Ochoa");
    assert_eq!(paid.data["buyer"]["phone"], "+573001234567");
    assert_eq!(paid.data["tickets"][1]["holder"]["phone"], "+573157654321");
    assert_eq!(paid.data["answers"][0]["text"], "Instagram");
    assert_eq!(paid.data["answers"][1]["ticket_id"], "9001");
    assert_eq!(webhook("attendee.updated")[0].data["holder"]["last_name"], "Ochoa Mejía");

    // Bought for someone else: that person's number is not the buyer's.
    let mut gift = sample("webhook.order.created.json");
    for (field, value) in [("first_name", "Lucía"), ("last_name", "Peña Gil"), ("email", "lucia@correo.example")] {
        gift["payload"][field] = json!(value);
    }
    let found = facts(Source::Webhook, &serde_json::to_vec(&gift).unwrap());
    assert_eq!(found[1].data["buyer"]["phone"], Value::Null);
    assert_eq!(found[1].data["buyer"]["name"], "Lucía Peña Gil");
    // Asked at the order: it is the buyer's own.
    let mut asked = gift["payload"]["question_answers"][0].clone();
    asked["question_type"] = json!("PHONE");
    asked["text_answer"] = json!("310 555 01 23");
    gift["payload"]["question_answers"].as_array_mut().unwrap().push(asked);
    let found = facts(Source::Webhook, &serde_json::to_vec(&gift).unwrap());
    assert_eq!(found[1].data["buyer"]["phone"], "+573105550123");
}

#[test]
fn surprise_8_an_offline_order_is_placed_and_paid_only_when_marked() {
    let placed = webhook("order.created.offline");
    assert_eq!(placed[0].data["status"], "placed");
    assert_eq!(placed[1].data["status"], "awaiting_payment");
    assert_eq!(entity(&placed[0], "order", "3301").rank, 1);
    let paid = &webhook("order.marked_as_paid")[0];
    assert_eq!(paid.dedup, webhook("order.created")[1].dedup);
    assert_eq!(entity(paid, "order", "3301").rank, 2);
    assert_eq!(entity(paid, "ticket", "9001").data["status"], "active");
    assert_eq!(entity(&webhook("order.cancelled")[0], "order", "3301").rank, 3);

    let mut free = sample("webhook.order.created.json");
    for (field, value) in [
        ("payment_provider", Value::Null),
        ("payment_status", json!("NO_PAYMENT_REQUIRED")),
        ("is_free_order", json!(true)),
    ] {
        free["payload"][field] = value;
    }
    let free = facts(Source::Webhook, &serde_json::to_vec(&free).unwrap());
    assert_eq!(types(&free)[..2], ["order.placed", "order.paid"]);
    assert_eq!(free[1].data["payment_method"], Value::Null);
}

#[test]
fn surprise_9_money_is_decimal_pesos_even_when_it_is_a_float() {
    let paid = &webhook("order.created")[1];
    assert_eq!(paid.data["total"], json!({ "minor": 38_675_000, "currency": "COP" }));
    assert_eq!(paid.data["tax"]["minor"], 6_175_000);
    let text = String::from_utf8(bytes("webhook.order.refunded.json")).unwrap();
    let partial = text.replace("\"total_refunded\":386750", "\"total_refunded\":38304.319199999998");
    let fact = &facts(Source::Webhook, partial.as_bytes())[0];
    assert_eq!(fact.data["refunded"]["minor"], 3_830_432);
    assert_eq!(fact.dedup, once("order.refunded", "3301", "38304.32"));
    assert_eq!(webhook("order.refunded")[0].dedup, once("order.refunded", "3301", "386750"));
    // The empty roll-up is a list, and the order can be of goods only.
    let mut goods = sample("webhook.order.created.json");
    goods["payload"]["taxes_and_fees_rollup"] = json!([]);
    goods["payload"]["attendees"] = json!([]);
    assert_eq!(types(&facts(Source::Webhook, &serde_json::to_vec(&goods).unwrap())), ["order.placed", "order.paid"]);
}

#[test]
fn surprise_10_the_tier_is_that_of_the_attendee() {
    let paid = &webhook("order.created")[1];
    assert_eq!(paid.data["tickets"][1]["tier_id"], "202");
    assert_eq!(paid.data["lines"][1]["title"], "Pasarela de apertura - Fila 1");
    assert!(paid.data["lines"][1].get("tier_id").is_none());
}

#[test]
fn an_order_is_the_same_by_webhook_and_by_rest() {
    let by_webhook = webhook("order.created");
    let record = json!({ "record": "order", "data": sample("rest.order-get.json")["data"] });
    let by_rest = facts(Source::Poll, &serde_json::to_vec(&record).unwrap());
    assert_eq!(by_rest.last().unwrap().dedup, Dedup::State { entity: EntityRef::new("order", "3301") });
    assert_eq!(by_rest.last().unwrap().data, by_webhook[0].data);
    for ticket in ["9001", "9002"] {
        let read = entity(by_rest.last().unwrap(), "ticket", ticket);
        assert_eq!(read, entity(&by_webhook[0], "ticket", ticket));
    }
    for fact in &by_webhook {
        assert!(by_rest.iter().any(|f| f.dedup == fact.dedup && f.data == fact.data), "{:?}", fact.dedup);
    }
    let record = json!({ "record": "attendee", "data": sample("rest.attendee-get.json")["data"] });
    let ticket = facts(Source::Poll, &serde_json::to_vec(&record).unwrap());
    assert_eq!(types(&ticket), ["ticket.issued", "ticket.updated"]);
    assert_eq!(ticket[1].data, webhook("attendee.created")[0].data);
}

#[test]
fn a_fetched_show_is_the_same_as_a_told_one() {
    let request = connector().fetch(&EntityRef::new("show", "118")).unwrap();
    assert_eq!(request.url, "https://boletas.fashionistas.example/api/events/118");
    assert!(connector().fetch(&EntityRef::new("order", "3301")).is_none());
    assert!(connector().fetch(&EntityRef::new("show", "../users/me")).is_none());
    let body = json!({ "data": sample("rest.events-list.json")["data"][0] });
    let fetched = facts(Source::Fetch, &serde_json::to_vec(&body).unwrap());
    let told = webhook("event.updated");
    assert_eq!(fetched[1].data, told[1].data);
    assert_eq!(fetched[0].dedup, told[0].dedup);
    assert_eq!(fetched[1].data["venue"]["name"], "Plaza Mayor, Pabellón Azul");
    assert_eq!(webhook("product.updated")[0].data["tiers"][1]["price"]["minor"], 24_000_000);
}

#[test]
fn unknown_types_are_ignored_and_what_cannot_be_read_is_not_lost() {
    let it = connector();
    let body = json!({ "event_type": "waitlist.joined", "event_sent_at": "2026-04-09T15:04:13+00:00", "payload": {} });
    let items = it.translate(Source::Webhook, &serde_json::to_vec(&body).unwrap()).unwrap().items;
    assert_eq!(items, [Item::Ignored { kind: "waitlist.joined".into() }]);
    for text in ["", "[]", "{}", "\"x\"", r#"{"event_type":"order.created","payload":{"id":1}}"#] {
        assert!(it.translate(Source::Webhook, text.as_bytes()).is_err(), "{text}");
        assert!(it.translate(Source::Poll, text.as_bytes()).is_err(), "{text}");
    }
    let mut odd = sample("webhook.order.created.json");
    odd["payload"]["status"] = json!("TELEPORTED");
    let unread = it.translate(Source::Webhook, &serde_json::to_vec(&odd).unwrap()).unwrap_err();
    assert!(unread.to_string().contains("TELEPORTED"), "{unread}");
    // Absent and unknown fields are tolerated.
    let mut lean = sample("webhook.order.created.json");
    for field in ["question_answers", "is_free_order", "taxes_and_fees_rollup", "notes", "promo_code"] {
        lean["payload"].as_object_mut().unwrap().remove(field);
    }
    lean["payload"]["event_occurrence_id"] = json!(12);
    let lean = facts(Source::Webhook, &serde_json::to_vec(&lean).unwrap());
    assert_eq!(lean[1].data["tickets"][0]["holder"]["phone"], "+573001234567");
}

#[test]
fn settings_that_cannot_work_are_refused_in_words() {
    for (key, value) in [("organizer_id", json!("tres")), ("email", json!("ana")), ("organiser", json!(3))] {
        let mut wrong = config();
        wrong.settings[key] = value;
        let Err(error) = HiEvents.connect(wrong) else { panic!("{key} was accepted") };
        assert!(error.to_string().contains(key), "{error}");
    }
    assert!(HiEvents.connect(ConnectionConfig::bare("boleteria", "hi-events")).is_ok());
}

fn now() -> Timestamp {
    "2026-04-10T14:30:00Z".parse().unwrap()
}

fn run(action: &str, input: &Value, answers: &[Answer]) -> Outcome {
    let it = connector();
    let inputs = [input.clone()];
    let mut step = it.begin(action, &inputs, &ctx(now()));
    for answer in answers {
        let Step::Call(call) = step else { panic!("{action} ended early: {step:?}") };
        step = it.on(action, &inputs, &call.state, answer, &ctx(now()));
    }
    match step {
        Step::End(mut outcomes) if outcomes.len() == 1 => outcomes.remove(0),
        other => panic!("{action} goes on: {other:?}"),
    }
}

fn order_answer(status: &str) -> Answer {
    let mut body = sample("rest.order-get.json");
    body["data"]["status"] = json!(status);
    Answer::json(200, &body)
}

#[test]
fn a_refusal_to_mark_as_paid_is_looked_into() {
    let input = json!({ "show_id": "118", "order_id": "3301" });
    let refused = answer(409, "rest.error-409.json");
    let result = |outcome| match outcome {
        Outcome::Done(done) => done.result,
        other => panic!("{other:?}"),
    };
    assert_eq!(result(run("mark_as_paid", &input, &[order_answer("COMPLETED")]))["already"], false);
    assert_eq!(result(run("mark_as_paid", &input, &[refused.clone(), order_answer("COMPLETED")]))["already"], true);
    assert_eq!(run("mark_as_paid", &input, &[refused.clone(), order_answer("CANCELLED")]).name(), "give_up");
    assert_eq!(
        run("mark_as_paid", &input, &[refused.clone(), order_answer("AWAITING_OFFLINE_PAYMENT")]).name(),
        "retry"
    );
    assert_eq!(run("mark_as_paid", &input, &[Answer::text(200, "<html>"), Answer::text(200, "")]).name(), "unknown");
    assert_eq!(run("cancel_order", &input, &[refused, order_answer("CANCELLED")]).name(), "done");
    assert_eq!(run("cancel_order", &input, &[Answer::text(401, "{}")]).name(), "auth_expired");

    let it = connector();
    let request = it.read_back("mark_as_paid", &input, &ctx(now())).unwrap();
    assert_eq!(request.url, "https://boletas.fashionistas.example/api/events/118/orders/3301");
    assert!(matches!(it.judge_read_back("mark_as_paid", &input, &order_answer("COMPLETED")), ReadBack::Done(_)));
    let not_yet = it.judge_read_back("mark_as_paid", &input, &order_answer("AWAITING_OFFLINE_PAYMENT"));
    assert_eq!(not_yet, ReadBack::NotThere);
    assert!(matches!(it.judge_read_back("mark_as_paid", &input, &Answer::text(500, "")), ReadBack::Unclear(_)));
}

#[test]
fn a_ticket_in_data_and_in_errors_was_there_before() {
    let input = json!({ "list": "cil_T5nWq8ZkR1xLb", "code": "a-7kq2m9x" });
    let Outcome::Done(done) = run("check_in", &input, &[answer(200, "rest.public-check-ins-duplicate.json")]) else {
        panic!()
    };
    assert_eq!(done.result["duplicate"], true);
    assert_eq!(done.reference.as_deref(), Some("7001"));
    let Outcome::Done(done) = run("check_in", &input, &[answer(200, "rest.public-check-ins-create.json")]) else {
        panic!()
    };
    assert_eq!(done.result["duplicate"], false);
    let it = connector();
    let Step::Call(call) = it.begin("check_in", std::slice::from_ref(&input), &ctx(now())) else { panic!() };
    assert_eq!(
        call.request.url,
        "https://boletas.fashionistas.example/api/public/check-in-lists/cil_T5nWq8ZkR1xLb/check-ins"
    );
    assert_eq!(call.request.body, r#"{"attendees":[{"public_id":"A-7KQ2M9X","action":"check-in"}]}"#);
}

#[test]
fn a_lost_secret_is_not_taken_for_done() {
    let input = json!({ "url": "https://hub.fashionistas.example/in/hi-events/118" });
    let it = connector();
    let mut list = sample("rest.webhook-create.json");
    list["data"].as_object_mut().unwrap().remove("secret");
    let list = |rows: Value| Answer::json(200, &json!({ "data": rows }));
    let body = sample("rest.webhook-create.json")["data"].clone();
    assert!(matches!(it.judge_read_back("create_webhook", &input, &list(json!([body]))), ReadBack::Unclear(_)));
    assert_eq!(it.judge_read_back("create_webhook", &input, &list(json!([]))), ReadBack::NotThere);
    let request = it.read_back("create_webhook", &input, &ctx(now())).unwrap();
    assert_eq!(request.url, "https://boletas.fashionistas.example/api/organizers/3/webhooks");
}

#[test]
fn a_gateway_is_not_hi_events() {
    let it = connector();
    let judge = |action: &str, input: &Value, answer: &Answer| {
        let state = json!({ "v": 1, "step": "do" });
        match it.on(action, std::slice::from_ref(input), &state, answer, &ctx(now())) {
            Step::End(outcomes) => outcomes[0].name(),
            Step::Call(call) => panic!("{call:?}"),
        }
    };
    let ticket = json!({ "show_id": "118", "ticket_id": "9001" });
    let order = json!({ "show_id": "118", "order_id": "3301" });
    let late = Answer::text(504, "<html>Gateway Time-out</html>");
    // A second e-mail would go out; an order is set to the same state again.
    assert_eq!(judge("resend_ticket", &ticket, &late), "unknown");
    assert_eq!(judge("mark_as_paid", &order, &late), "provider_down");
    let elsewhere = Answer::text(404, "<html>Not Found</html>");
    let own = Answer::json(404, &json!({ "message": "Resource not found", "errors": [] }));
    assert_eq!(judge("mark_as_paid", &order, &elsewhere), "needs_human");
    assert_eq!(judge("mark_as_paid", &order, &own), "target_gone");
}

fn refund_answer(status: &str) -> Answer {
    let mut body = sample("rest.order-get.json");
    body["data"]["refund_status"] = json!(status);
    Answer::json(200, &body)
}

fn offline_answer() -> Answer {
    let mut body = sample("rest.order-get.json");
    body["data"]["payment_provider"] = json!("OFFLINE");
    Answer::json(200, &body)
}

fn ticket_answer(status: &str) -> Answer {
    let mut body = sample("rest.attendee-get.json");
    body["data"]["status"] = json!(status);
    Answer::json(200, &body)
}

fn show_answer(status: &str) -> Answer {
    let mut body = json!({ "data": sample("rest.events-list.json")["data"][0] });
    body["data"]["status"] = json!(status);
    Answer::json(200, &body)
}

fn page(rows: Value) -> Answer {
    Answer::json(200, &json!({ "data": rows, "meta": { "last_page": 1 } }))
}

/// The suite has one moment for all samples, so their signed times are set to it and signed again.
fn webhook_sample(name: &str, events: &'static [&'static str], now: Timestamp) -> WebhookSample {
    let text = String::from_utf8(bytes(name)).unwrap();
    let before = sample(name)["event_sent_at"].as_str().unwrap().to_owned();
    let body = text.replace(&before, &now.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()).into_bytes();
    let signature = pasarela_connector::sign::hmac_sha256_hex(SECRET.as_bytes(), &[&body]);
    WebhookSample {
        name: name.into(),
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("x-webhook-source".into(), "Hi.Events".into()),
            ("signature".into(), signature),
        ],
        signature_header: "signature",
        body,
        events: events.to_vec(),
    }
}

#[test]
fn conformance() {
    let throttled = Answer::json(429, &json!({ "message": "Too Many Attempts." })).header("retry-after", "17");
    let forbidden = Answer::json(403, &json!({ "message": "This action is unauthorized." }));
    let gone = Answer::json(404, &json!({ "message": "Not found" }));
    let common = || {
        vec![
            (throttled.clone(), "throttled"),
            (forbidden.clone(), "needs_human"),
            (gone.clone(), "target_gone"),
            (answer(401, "rest.error-401.json"), "auth_expired"),
            (Answer::text(502, "Bad Gateway"), "provider_down"),
        ]
    };
    let with = |more: Vec<(Answer, &'static str)>| common().into_iter().chain(more).collect::<Vec<_>>();
    let stripe = Answer::json(422, &json!({ "message": "x", "errors": { "refund": ["Stripe said no"] } }));
    let order = json!({ "show_id": "118", "order_id": "3301" });
    let fixture = Fixture {
        provider: Box::new(HiEvents),
        config: config(),
        now: now(),
        webhooks: EVENTS.iter().map(|(name, events)| webhook_sample(name, events, now())).collect(),
        actions: vec![
            ActionSample {
                action: "mark_as_paid",
                input: order.clone(),
                done: order_answer("COMPLETED"),
                judged: common(),
                refused: vec![
                    json!({}),
                    json!({ "show_id": "118", "order_id": "../x" }),
                    json!({ "show_id": "118", "order_id": "3301", "amount": 1 }),
                ],
            },
            ActionSample {
                action: "cancel_order",
                input: order,
                done: order_answer("CANCELLED"),
                judged: with(vec![(stripe, "needs_human")]),
                refused: vec![
                    json!({ "show_id": "118" }),
                    json!({ "show_id": "118", "order_id": "3301", "refund": "si" }),
                ],
            },
            ActionSample {
                action: "resend_ticket",
                input: json!({ "show_id": "118", "ticket_id": "9001" }),
                done: Answer { status: 204, ..Answer::default() },
                judged: common(),
                refused: vec![json!({ "show_id": "118", "ticket_id": "A-7KQ2M9X" })],
            },
            ActionSample {
                action: "check_in",
                input: json!({ "list": "cil_T5nWq8ZkR1xLb", "code": "A-P03VZT1" }),
                done: answer(200, "rest.public-check-ins-create.json"),
                judged: with(vec![
                    (answer(200, "rest.public-check-ins-cancelled.json"), "give_up"),
                    (answer(200, "rest.public-check-ins-duplicate.json"), "done"),
                    (answer(409, "rest.public-check-ins-invalid-409.json"), "give_up"),
                    (Answer::json(200, &json!({ "data": [], "errors": [] })), "unknown"),
                ]),
                refused: vec![
                    json!({ "list": "cil_x/../y", "code": "A-P03VZT1" }),
                    json!({ "list": "cil_T5nWq8ZkR1xLb", "code": "P03VZT1" }),
                ],
            },
            ActionSample {
                action: "refund",
                input: json!({ "show_id": "118", "order_id": "3301", "amount": { "minor": 8_500_000, "currency": "COP" } }),
                done: refund_answer("REFUND_PENDING"),
                judged: with(vec![
                    (order_answer("COMPLETED"), "call"),
                    (offline_answer(), "give_up"),
                    (refund_answer("REFUND_PENDING"), "retry"),
                ]),
                refused: vec![
                    json!({ "show_id": "118" }),
                    json!({ "show_id": "118", "order_id": "3301", "amount": { "minor": 0, "currency": "COP" } }),
                    json!({ "show_id": "118", "order_id": "3301", "amount": 85000 }),
                ],
            },
            ActionSample {
                action: "update_buyer",
                input: json!({ "show_id": "118", "order_id": "3301", "last_name": "Ochoa Mejía" }),
                done: order_answer("COMPLETED"),
                judged: with(vec![(order_answer("COMPLETED"), "call")]),
                refused: vec![
                    json!({ "show_id": "118", "order_id": "3301" }),
                    json!({ "show_id": "118", "order_id": "3301", "email": "nadie" }),
                ],
            },
            ActionSample {
                action: "update_ticket_holder",
                input: json!({ "show_id": "118", "ticket_id": "9001", "last_name": "Ochoa Mejía" }),
                done: answer(200, "rest.attendee-get.json"),
                judged: with(vec![(answer(200, "rest.attendee-get.json"), "call")]),
                refused: vec![
                    json!({ "show_id": "118", "ticket_id": "9001" }),
                    json!({ "show_id": "118", "ticket_id": "9001", "first_name": "" }),
                ],
            },
            ActionSample {
                action: "cancel_ticket",
                input: json!({ "show_id": "118", "ticket_id": "9001" }),
                done: ticket_answer("CANCELLED"),
                judged: with(vec![(ticket_answer("ACTIVE"), "call")]),
                refused: vec![json!({ "show_id": "118", "ticket_id": "A-7KQ2M9X" })],
            },
            ActionSample {
                action: "reactivate_ticket",
                input: json!({ "show_id": "118", "ticket_id": "9001" }),
                done: ticket_answer("ACTIVE"),
                judged: with(vec![(ticket_answer("CANCELLED"), "call")]),
                refused: vec![json!({ "ticket_id": "9001" })],
            },
            ActionSample {
                action: "check_out",
                input: json!({ "list": "cil_T5nWq8ZkR1xLb", "code": "A-7KQ2M9X", "check_in": "ci_R8wQk2ZpL0xTn" }),
                done: Answer { status: 204, ..Answer::default() },
                judged: with(vec![(answer(409, "rest.public-check-ins-invalid-409.json"), "done")]),
                refused: vec![
                    json!({ "list": "cil_T5nWq8ZkR1xLb", "code": "A-7KQ2M9X", "check_in": "ci_/.." }),
                    json!({ "list": "cil_T5nWq8ZkR1xLb" }),
                ],
            },
            ActionSample {
                action: "message_attendees",
                input: json!({ "show_id": "118", "to": "tickets", "ticket_ids": ["9001"], "subject": "Cambio de sala", "message": "La pasarela es en el Pabellón Azul." }),
                done: Answer::json(201, &json!({ "data": { "id": 61, "status": "PROCESSING" } })),
                judged: with(vec![
                    (answer(422, "rest.error-422.json"), "give_up"),
                    (Answer::json(200, &json!({ "data": { "id": 61, "status": "FAILED" } })), "give_up"),
                ]),
                refused: vec![
                    json!({ "show_id": "118", "to": "tickets", "subject": "x", "message": "x" }),
                    json!({ "show_id": "118", "to": "all", "order_id": "3301", "subject": "x", "message": "x" }),
                    json!({ "show_id": "118", "to": "all", "subject": " ", "message": "x" }),
                    json!({ "show_id": "118", "to": "todos", "subject": "x", "message": "x" }),
                ],
            },
            ActionSample {
                action: "create_show",
                input: json!({ "from": "118", "title": "Raíz y Seda", "starts": "2026-11-27T19:00" }),
                done: Answer::json(200, &json!({ "data": { "payment_providers": ["STRIPE"] } })),
                judged: with(vec![
                    (page(json!([])), "call"),
                    (Answer::json(200, &json!({ "data": sample("rest.events-list.json")["data"][0] })), "call"),
                    (Answer::json(200, &json!({ "data": { "id": 119 } })), "call"),
                    (page(json!([{ "id": 32 }])), "call"),
                    (page(json!([])), "call"),
                    (answer(200, "rest.products-list.json"), "call"),
                    (Answer::json(201, &json!({ "data": { "id": 55 } })), "call"),
                    (page(json!([])), "call"),
                    (
                        page(
                            json!([{ "id": 75, "title": "¿Cómo te enteraste?", "type": "DROPDOWN", "belongs_to": "ORDER" }]),
                        ),
                        "call",
                    ),
                    (Answer::json(201, &json!({ "data": { "id": 79 } })), "call"),
                    (Answer::json(200, &json!({ "data": { "payment_providers": ["STRIPE"] } })), "call"),
                ]),
                refused: vec![
                    json!({ "from": "118", "title": "x", "starts": "mañana" }),
                    json!({ "from": "118", "title": "x", "starts": "2026-11-27T19:00", "ends": "2026-11-27T18:00" }),
                    json!({ "from": "x", "title": "x", "starts": "2026-11-27T19:00" }),
                ],
            },
            ActionSample {
                action: "publish_show",
                input: json!({ "show_id": "118" }),
                done: show_answer("LIVE"),
                judged: with(vec![(show_answer("DRAFT"), "retry")]),
                refused: vec![json!({}), json!({ "show_id": "../118" })],
            },
            ActionSample {
                action: "archive_show",
                input: json!({ "show_id": "118" }),
                done: show_answer("ARCHIVED"),
                judged: with(vec![(show_answer("LIVE"), "retry")]),
                refused: vec![json!({ "show_id": "" })],
            },
            ActionSample {
                action: "create_question",
                input: json!({ "show_id": "118", "title": "Talla", "type": "dropdown", "options": ["S", "M"] }),
                done: Answer::json(201, &json!({ "data": { "id": 80, "title": "Talla" } })),
                judged: with(vec![(page(json!([{ "id": 75, "title": "¿Otra?" }])), "call")]),
                refused: vec![
                    json!({ "show_id": "118", "title": "Talla", "type": "dropdown" }),
                    json!({ "show_id": "118", "title": "Talla", "type": "phone", "options": ["S"] }),
                    json!({ "show_id": "118", "title": "Talla", "type": "phone", "product_ids": ["x"] }),
                ],
            },
            ActionSample {
                action: "set_promo_code",
                input: json!({ "show_id": "118", "code": "Prensa26", "discount": { "percent": 20 } }),
                done: Answer::json(201, &json!({ "data": { "id": 7, "code": "prensa26" } })),
                judged: with(vec![
                    (answer(200, "rest.promo-codes-list.json"), "call"),
                    (answer(409, "rest.error-409.json"), "give_up"),
                ]),
                refused: vec![
                    json!({ "show_id": "118", "code": "Prensa26", "discount": { "percent": 120 } }),
                    json!({ "show_id": "118", "code": "Prensa26", "discount": { "amount": -1 } }),
                    json!({ "show_id": "118", "code": "P", "discount": { "percent": 10 } }),
                ],
            },
            ActionSample {
                action: "set_capacity",
                input: json!({ "show_id": "118", "name": "Aforo pabellón", "places": 300, "product_ids": ["54"] }),
                done: Answer::json(200, &json!({ "data": { "id": 5, "name": "Aforo pabellón" } })),
                judged: with(vec![(answer(200, "rest.capacity-assignments-list.json"), "call")]),
                refused: vec![
                    json!({ "show_id": "118", "name": "" }),
                    json!({ "show_id": "118", "name": "x", "places": -1 }),
                ],
            },
            ActionSample {
                action: "set_affiliate",
                input: json!({ "show_id": "118", "name": "Creadora", "code": "otra" }),
                done: Answer::json(201, &json!({ "data": { "id": 5, "code": "OTRA" } })),
                judged: with(vec![(answer(200, "rest.affiliates-list.json"), "call")]),
                refused: vec![json!({ "show_id": "118", "name": "Creadora", "code": "la creadora" })],
            },
            ActionSample {
                action: "offer_waitlist",
                input: json!({ "show_id": "118", "entry_id": "901" }),
                done: Answer::json(200, &json!({ "data": [{ "id": 901, "status": "OFFERED" }] })),
                judged: with(vec![(page(json!([{ "id": 901, "status": "WAITING" }])), "call")]),
                refused: vec![
                    json!({ "show_id": "118" }),
                    json!({ "show_id": "118", "entry_id": "901", "tier_id": "201" }),
                    json!({ "show_id": "118", "tier_id": "201", "quantity": 51 }),
                ],
            },
            ActionSample {
                action: "remove_from_waitlist",
                input: json!({ "show_id": "118", "entry_id": "901" }),
                done: Answer { status: 204, ..Answer::default() },
                judged: with(vec![(page(json!([{ "id": 901, "status": "WAITING" }])), "call")]),
                refused: vec![json!({ "show_id": "118" }), json!({ "show_id": "118", "entry_id": "../901" })],
            },
            ActionSample {
                action: "create_webhook",
                input: json!({ "url": "https://hub.fashionistas.example/in/hi-events/118" }),
                done: answer(200, "rest.webhook-create.json"),
                judged: with(vec![(answer(422, "rest.error-422.json"), "give_up")]),
                refused: vec![
                    json!({ "url": "ftp://hub.fashionistas.example" }),
                    json!({ "url": "https://hub.fashionistas.example", "event_types": ["order.dreamt"] }),
                ],
            },
        ],
    };
    // What the suite derives from the fixture is also held here, so that the fixture itself is right.
    for action in &fixture.actions {
        let between = action.judged.iter().filter(|(_, name)| *name == "call").map(|(answer, _)| answer);
        let way: Vec<Answer> = between.chain([&action.done]).cloned().collect();
        assert_eq!(run(action.action, &action.input, &way).name(), "done", "{}", action.action);
        // The first call's answers; what the suite asks of every other call it asks itself.
        for (answer, name) in action.judged.iter().filter(|(_, name)| *name != "call" && way.len() == 1) {
            assert_eq!(
                run(action.action, &action.input, std::slice::from_ref(answer)).name(),
                *name,
                "{}",
                action.action
            );
        }
        for input in &action.refused {
            let step = connector().begin(action.action, std::slice::from_ref(input), &ctx(now()));
            assert!(matches!(&step, Step::End(o) if o[0].name() == "give_up"), "{}: {input}: {step:?}", action.action);
        }
    }
    check(&fixture);
}
