//! Recorded webhooks: who is believed, and what they say in the hub's words.

use jiff::Timestamp;
use pasarela_connector::{Answer, ConnectionConfig, Connector, Dedup, Item, Provider, RawRequest, Source, Verdict};
use pasarela_connectors::twenty::Twenty;
use pasarela_domain::{EntityRef, Secret};
use serde_json::{Value, json};

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

fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap()
}

/// The answer of a recorded exchange.
fn recorded(name: &str) -> Answer {
    let response = &read(&format!("recorded/{name}"))["response"];
    Answer::json(u16::try_from(response["status"].as_u64().unwrap()).unwrap(), &response["body"])
}

/// A recorded webhook: headers in lower case, body, time of signing.
fn webhook(name: &str) -> (Vec<(String, String)>, Vec<u8>, i64) {
    let sample = read(&format!("recorded/webhook-{name}"));
    let headers = sample["headers"].as_object().unwrap().iter();
    let headers: Vec<_> = headers.map(|(n, v)| (n.to_lowercase(), v.as_str().unwrap().to_owned())).collect();
    let stamp = headers.iter().find(|(n, _)| n == "x-twenty-webhook-timestamp").unwrap().1.parse().unwrap();
    (headers, sample["body_raw"].as_str().unwrap().as_bytes().to_vec(), stamp)
}

fn verify(connector: &dyn Connector, headers: &[(String, String)], body: &[u8], now: Timestamp) -> Verdict {
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    connector.verify(&RawRequest { method: "POST", query: "", header: &header, body }, now)
}

/// Event types of a body, with their keys; ignored ones in brackets.
fn events(connector: &dyn Connector, source: Source, body: &[u8]) -> Vec<String> {
    let items = connector.translate(source, body).unwrap().items;
    let name = |item: &Item| match item {
        Item::Fact(fact) => fact.event_type.clone().unwrap_or_else(|| "-".into()),
        Item::Ignored { kind } => format!("[{kind}]"),
        Item::Unread { kind, why } => panic!("{kind}: {why}"),
    };
    items.iter().map(name).collect()
}

#[test]
fn recorded_signatures_are_believed_and_forgeries_are_not() {
    let connector = connector(json!({}));
    for name in ["person-created", "opportunity-created", "metadata-field-created", "note-target-created"] {
        let (headers, body, stamp) = webhook(name);
        let nonce = headers.iter().find(|(n, _)| n == "x-twenty-webhook-nonce").unwrap().1.clone();
        let at = |seconds: i64| moment(stamp + seconds * 1000);
        let verify = |headers: &[(String, String)], body: &[u8], now| verify(&*connector, headers, body, now);
        assert_eq!(verify(&headers, &body, at(299)), Verdict::Authentic { replay_key: Some(nonce) }, "{name}");
        assert!(matches!(verify(&headers, &body, at(301)), Verdict::Forged(_)), "{name}: too old");
        assert!(matches!(verify(&headers, &body, at(-301)), Verdict::Forged(_)), "{name}: from the future");
        let changed = [&body[..], b" "].concat();
        assert!(matches!(verify(&headers, &changed, at(0)), Verdict::Forged(_)), "{name}: another body");
        for missing in ["x-twenty-webhook-signature", "x-twenty-webhook-timestamp"] {
            let rest: Vec<_> = headers.iter().filter(|(n, _)| n != missing).cloned().collect();
            assert!(matches!(verify(&rest, &body, at(0)), Verdict::Forged(_)), "{name}: without {missing}");
        }
        for value in ["", "-", "99999999999999999999", "-9223372036854775808"] {
            let mut other = headers.clone();
            other.iter_mut().find(|(n, _)| n == "x-twenty-webhook-timestamp").unwrap().1 = value.into();
            assert!(matches!(verify(&other, &body, at(0)), Verdict::Forged(_)), "{name}: time '{value}'");
        }
    }
}

#[test]
fn a_created_person_is_told_once_in_the_hubs_words() {
    let connector = connector(json!({}));
    let (_, body, _) = webhook("person-created");
    let items = connector.translate(Source::Webhook, &body).unwrap().items;
    let [Item::Fact(fact)] = &items[..] else { panic!("{items:?}") };
    let id = "cd3c2c58-4fcf-44aa-9022-761eb85a99db";
    assert_eq!(fact.event_type.as_deref(), Some("person.created"));
    assert_eq!(fact.key, format!("person:{id}"));
    let once = Dedup::Once { kind: "person.created".into(), entity: id.into(), discriminator: String::new() };
    assert_eq!(fact.dedup, once);
    assert_eq!(
        fact.data,
        json!({
            "id": id,
            "contact": {
                "name": "Valentina Restrepo Ochoa", "first_name": "Valentina", "last_name": "Restrepo Ochoa",
                "email": "valentina@casaguayacan.example.co", "phone": "+573005551234", "language": null
            },
            "job_title": "Directora creativa",
            "company_id": "948cd5f2-a733-4bb7-b564-e7f29d54195b",
            "deleted": false
        })
    );
    let [write] = &fact.entities[..] else { panic!("{:?}", fact.entities) };
    assert_eq!(write.data, fact.data);
    assert_eq!(write.updated_at, Some("2026-11-24T19:02:47.059Z".parse().unwrap()));
    assert!(fact.refs.contains(&EntityRef::new("company", "948cd5f2-a733-4bb7-b564-e7f29d54195b")));
}

#[test]
fn own_changes_are_echoes_but_a_deletion_is_always_news() {
    let connector = connector(json!({ "api_key_name": "pasarela-hub" }));
    let of = |name: &str| events(&*connector, Source::Webhook, &webhook(name).1);
    assert_eq!(of("person-created"), ["[person.created (own)]"]);
    assert_eq!(of("person-updated-field"), ["[person.updated (own)]"]);
    assert_eq!(of("person-destroyed"), ["person.deleted"]);
    // Somebody at the interface did it, though the hub was the last writer before.
    let mut body: Value = serde_json::from_slice(&webhook("person-updated-field").1).unwrap();
    body["workspaceMemberId"] = json!("20202020-0687-4c41-b707-ed1bfca972a7");
    assert_eq!(events(&*connector, Source::Webhook, body.to_string().as_bytes()), ["person.updated"]);
}

#[test]
fn the_bin_and_its_emptying_are_one_deletion() {
    let connector = connector(json!({}));
    let mut body: Value = serde_json::from_slice(&webhook("person-deleted-soft").1).unwrap();
    let dedup = |body: &Value| match &connector.translate(Source::Webhook, body.to_string().as_bytes()).unwrap().items[..]
    {
        [Item::Fact(fact)] => (fact.dedup.clone(), fact.entities[0].rank, fact.data["deleted"].clone()),
        other => panic!("{other:?}"),
    };
    let (soft, soft_rank, deleted) = dedup(&body);
    assert_eq!(deleted, true);
    body["eventName"] = json!("person.destroyed");
    let (hard, hard_rank, _) = dedup(&body);
    assert_eq!(soft, hard);
    assert!(hard_rank > soft_rank && soft_rank > 0);
    // A poll of the bin finds the same deletion.
    let polled = json!({ "object": "person", "created_since": false, "first_sweep": false, "record": body["record"] });
    let (poll, _, _) = dedup(&polled);
    assert_eq!(poll, soft);
}

#[test]
fn a_moved_deal_is_told_as_such() {
    let connector = connector(json!({}));
    let mut body: Value = serde_json::from_slice(&webhook("opportunity-updated-stage").1).unwrap();
    body["updatedFields"] = json!(["stage"]);
    assert_eq!(events(&*connector, Source::Webhook, body.to_string().as_bytes()), ["deal.stage_changed"]);
    let items = connector.translate(Source::Webhook, body.to_string().as_bytes()).unwrap().items;
    let Item::Fact(fact) = &items[0] else { panic!() };
    let Dedup::Once { discriminator, .. } = &fact.dedup else { panic!("{:?}", fact.dedup) };
    assert_eq!(discriminator, "NEW@2026-11-24T19:25:23.399Z");
    assert!(fact.refs.contains(&EntityRef::new("person", "cd3c2c58-4fcf-44aa-9022-761eb85a99db")));
    body["updatedFields"] = json!(["stage", "name"]);
    assert_eq!(
        events(&*connector, Source::Webhook, body.to_string().as_bytes()),
        ["deal.updated", "deal.stage_changed"]
    );
}

#[test]
fn amounts_are_read_exactly_and_what_nobody_needs_is_ignored() {
    let connector = connector(json!({}));
    let mut body: Value = serde_json::from_slice(&webhook("opportunity-created").1).unwrap();
    let amount =
        |body: &Value| match &connector.translate(Source::Webhook, body.to_string().as_bytes()).unwrap().items[..] {
            [Item::Fact(fact)] => fact.data["amount"].clone(),
            other => panic!("{other:?}"),
        };
    assert_eq!(amount(&body), json!({ "minor": 4_500_000_000_i64, "currency": "COP" }));
    body["record"]["amount"]["amountMicros"] = json!("45000000000000");
    assert_eq!(amount(&body), json!({ "minor": 4_500_000_000_i64, "currency": "COP" }));
    body["record"]["amount"] = json!({ "amountMicros": null, "currencyCode": null });
    assert_eq!(amount(&body), Value::Null);
    for name in ["note-created", "task-created", "note-target-created", "metadata-field-created"] {
        let of = events(&*connector, Source::Webhook, &webhook(name).1);
        assert!(of.len() == 1 && of[0].starts_with('['), "{name}: {of:?}");
    }
    assert_eq!(events(&*connector, Source::Webhook, &webhook("company-created").1), ["company.created"]);
    // Of the fashion model a read model is kept, and no event is told.
    let told = connector.translate(Source::Webhook, &webhook("custom-object-created").1).unwrap().items;
    let [Item::Fact(fact)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((fact.event_type.as_deref(), fact.entities[0].entity.kind.as_str()), (None, "designer"));
    assert_eq!((&fact.data["key"], &fact.data["deleted"]), (&json!("dsn_01"), &json!(false)));
    assert!(fact.data["links"]["contacto"].is_string() || fact.data["links"] == json!({}), "{}", fact.data);
}

#[test]
fn what_cannot_be_read_is_kept_whole() {
    let connector = connector(json!({ "workspace": "20202020-1c25-4d02-bf25-6aeccf7ea419" }));
    let (_, body, _) = webhook("person-created");
    assert_eq!(events(&*connector, Source::Webhook, &body), ["person.created"]);
    let good: Value = serde_json::from_slice(&body).unwrap();
    let change = |change: &dyn Fn(&mut Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad.to_string().into_bytes()
    };
    for (why, bad) in [
        ("no JSON", b"{".to_vec()),
        ("a list", b"[]".to_vec()),
        ("no record", change(&|b| b["record"] = Value::Null)),
        ("no id", change(&|b| b["record"]["id"] = json!(""))),
        ("another shape of name", change(&|b| b["record"]["name"] = json!("Valentina"))),
        ("no time", change(&|b| b["record"]["updatedAt"] = json!("ayer"))),
        ("an unknown action", change(&|b| b["eventName"] = json!("person.merged"))),
        ("another workspace", change(&|b| b["workspaceId"] = json!("w"))),
    ] {
        assert!(connector.translate(Source::Webhook, &bad).is_err(), "{why}");
    }
}

#[test]
fn a_fetched_record_is_no_news() {
    let connector = connector(json!({}));
    let request = connector.fetch(&EntityRef::new("deal", "63f7e96d-3623-4850-94aa-474d077cae7c")).unwrap();
    assert_eq!(request.url, "https://crm.example/rest/opportunities/63f7e96d-3623-4850-94aa-474d077cae7c");
    assert_eq!(connector.fetch(&EntityRef::new("person", "../metadata")), None);
    assert_eq!(connector.fetch(&EntityRef::new("show", "63f7e96d-3623-4850-94aa-474d077cae7c")), None);
    let answer = recorded("person-get");
    assert_eq!(events(&*connector, Source::Fetch, &answer.body), ["-"]);
}
