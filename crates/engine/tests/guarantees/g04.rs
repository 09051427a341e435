//! G4: the same fact becomes one event, however often and whichever way it comes.

use crate::hub::Hub;
use crate::server::Reply;
use pasarela_domain::EntityRef;
use pasarela_engine::Ask;
use pasarela_store::DeliveryStatus;
use serde_json::{Value, json};

fn paid() -> Value {
    json!({ "type": "order.paid", "key": "order:1", "id": "1", "data": { "n": 1 } })
}

fn updated(title: &str, at: Option<&str>, rank: i64) -> Value {
    json!({ "type": "order.updated", "key": "order:1", "data": { "title": title },
        "state": [{ "kind": "order", "id": "1", "data": { "title": title }, "updated": at, "rank": rank }] })
}

async fn titles(hub: &Hub) -> Vec<Value> {
    hub.events().await.into_iter().map(|e| e.data["title"].clone()).collect()
}

#[tokio::test]
async fn g04_once_in() {
    let hub = Hub::build().start().await;
    hub.hear([paid()]).await;
    hub.hear([paid()]).await;
    // Twice in one body, and beside a new one.
    hub.hear([paid(), paid(), json!({ "type": "order.paid", "key": "order:2", "id": "2", "data": {} })]).await;
    hub.decided().await;
    assert_eq!(hub.types().await, ["order.paid", "order.paid"]);
    assert_eq!(hub.deliveries(Some(DeliveryStatus::Duplicate)).await.len(), 1);
}

#[tokio::test]
async fn g04_webhook_and_poll_meet_at_the_fact() {
    let hub = Hub::build().start().await;
    hub.hear([paid()]).await;
    hub.decided().await;
    let other = json!({ "type": "order.paid", "key": "order:2", "id": "2", "data": {} });
    hub.server.always("/poll", Reply::ok(json!({ "records": [{ "facts": [paid()] }, { "facts": [other.clone()] }] })));
    let reports = hub.engine.reconcile("ventas", Ask::default()).await.unwrap();
    assert_eq!((reports[0].read, reports[0].same, reports[0].news), (2, 1, 1));
    hub.decided().await;
    hub.hear([other]).await;
    hub.decided().await;
    assert_eq!(hub.types().await.len(), 2);
}

#[tokio::test]
async fn g04_a_b_a_is_three_facts_and_equal_is_none() {
    let hub = Hub::build().start().await;
    for title in ["A", "A", "B", "B", "A", "A"] {
        hub.hear([updated(title, None, 0)]).await;
        hub.decided().await;
    }
    assert_eq!(titles(&hub).await, ["A", "B", "A"]);
}

#[tokio::test]
async fn g04_a_state_told_again_later_is_no_news_and_holds_against_what_was_between() {
    let hub = Hub::build().start().await;
    let at = |hour: u8| format!("2026-11-27T{hour}:00:00Z");
    let (ten, eleven, noon, one) = (at(10), at(11), at(12), at(13));
    for fact in [
        updated("A", Some(&ten), 0),
        updated("A", Some(&noon), 0),
        updated("B", Some(&eleven), 0),
        updated("C", Some(&one), 0),
    ] {
        hub.hear([fact]).await;
        hub.decided().await;
    }
    assert_eq!(titles(&hub).await, ["A", "C"]);
}

#[tokio::test]
async fn g04_older_never_overwrites_newer() {
    let hub = Hub::build().start().await;
    let (early, late) = (Some("2026-11-27T10:00:00Z"), Some("2026-11-27T11:00:00Z"));
    for fact in
        [updated("new", late, 1), updated("old", early, 9), updated("lower", late, 0), updated("higher", late, 2)]
    {
        hub.hear([fact]).await;
        hub.decided().await;
    }
    assert_eq!(titles(&hub).await, ["new", "higher"]);
    let (_, rows) = hub.engine.store().lookup(vec![], vec![(1, EntityRef::new("order", "1"))]).await.unwrap();
    let row = rows[0].as_ref().unwrap();
    assert_eq!(row.data, br#"{"title":"higher"}"#);
}

#[tokio::test]
async fn g04_two_webhooks_at_the_same_time_are_one_event() {
    let hub = Hub::build().start().await;
    let many = (0..40).map(|n| {
        // Two keys, so that two deciders meet at the same fact and the same read model.
        let mut fact = updated("A", None, 0);
        fact["key"] = json!(format!("k{}", n % 2));
        let mut once = paid();
        once["key"] = json!(format!("k{}", n % 2));
        hub.hear([once, fact])
    });
    let mut all = Vec::new();
    for one in many {
        all.push(one);
    }
    for one in all {
        one.await;
    }
    hub.decided().await;
    let mut types = hub.types().await;
    types.sort();
    assert_eq!(types, ["order.paid", "order.updated"]);
}

/// A delivery whose facts were all known names a person all the same: an erasure must find its body.
#[tokio::test]
async fn g04_a_duplicate_is_found_by_the_person_that_it_names() {
    let hub = Hub::build().start().await;
    let fact = json!({ "type": "order.paid", "key": "order:1", "id": "1", "data": { "buyer": { "email": "Ana@Ejemplo.test" } },
        "state": [{ "kind": "order", "id": "1", "data": { "n": 1, "phone": "+573000000000" } }] });
    for _ in 0..2 {
        hub.hear([fact.clone()]).await;
        hub.decided().await;
    }
    hub.hear([json!({ "type": "order.paid", "key": "order:2", "id": "2", "data": {} })]).await;
    hub.decided().await;
    let store = hub.engine.store();
    let all: Vec<_> = hub.deliveries(None).await.iter().rev().map(|d| d.id).collect();
    for person in ["email:ana@ejemplo.test", "phone:+573000000000"] {
        let found = store.naming(store.sealer().hash(&["subject", person]), 0, 10).await.unwrap();
        assert_eq!(found.rows, all[..2], "{person}");
    }
}
