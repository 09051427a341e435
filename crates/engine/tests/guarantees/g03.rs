//! G3: not understood is not lost.

use crate::hub::{Hub, on_paid};
use pasarela_store::{DeliveryStatus, EffectState};
use serde_json::json;

const STEP: &str = "  - id: a\n    do: ventas.clave\n    with: { to: x, n: \"{{ data.n }}\" }\n";

#[tokio::test]
async fn g03_not_understood_is_not_lost() {
    let hub = Hub::build().flow(&on_paid(STEP)).start().await;
    hub.hear_by("ventas", json!({ "odd": "shape" })).await;
    hub.decided().await;
    let kept = hub.deliveries(Some(DeliveryStatus::Quarantined)).await;
    assert_eq!(kept.len(), 1);
    assert!(kept[0].reason.as_deref().unwrap().contains("no facts"), "{:?}", kept[0].reason);
    let whole = hub.engine.store().delivery(kept[0].id).await.unwrap().unwrap();
    let (headers, body) = pasarela_engine::unpack(&whole.packed);
    assert_eq!(body, json!({ "odd": "shape" }).to_string().as_bytes(), "kept byte for byte");
    assert_eq!(headers.get("x-clave"), Some("si"));
    assert!(hub.events().await.is_empty());
}

#[tokio::test]
async fn g03_one_unknown_item_does_not_spoil_the_others() {
    let hub = Hub::build().flow(&on_paid(STEP)).start().await;
    let fact = |id: &str| json!({ "type": "order.paid", "key": "order:1", "id": id, "data": { "n": id } });
    hub.hear([fact("1"), json!({ "unread": "a field is missing" }), fact("2")]).await;
    hub.hear([json!({ "ignored": "ping" })]).await;
    hub.arrived("/clave", 2).await;
    let partial = hub.deliveries(Some(DeliveryStatus::Partial)).await;
    assert!(partial[0].reason.as_deref().unwrap().contains("a field is missing"));
    assert_eq!(hub.deliveries(Some(DeliveryStatus::Ignored)).await.len(), 1, "ignored is not quarantined");
    assert_eq!(hub.types().await, ["order.paid", "order.paid"]);
}

#[tokio::test]
async fn g03_a_poison_pill_is_quarantined_and_does_not_come_back_at_every_start() {
    let hub = Hub::build().flow(&on_paid(STEP)).start().await;
    hub.hear_by("ventas", json!({ "panic": true })).await;
    hub.paid("1", json!({ "n": 1 })).await;
    hub.comes_to("a", EffectState::Done).await;
    let hub = hub.crash().await;
    hub.paid("2", json!({ "n": 2 })).await;
    hub.arrived("/clave", 2).await;
    assert_eq!(hub.deliveries(Some(DeliveryStatus::Quarantined)).await.len(), 1);
    assert_eq!(hub.deliveries(Some(DeliveryStatus::Received)).await.len(), 0);
}

#[tokio::test]
async fn g03_a_delivery_that_failed_three_times_is_quarantined_whatever_the_cause() {
    let hub = Hub::build().flow(&on_paid(STEP)).start().await;
    // A delivery of a connection that is not configured stays in the inbox; its decisions fail.
    let fact = json!({ "facts": [{ "type": "order.paid", "key": "order:1", "id": "1", "data": { "n": 1 } }] });
    let id = hub.leave_in_inbox("otra", &fact).await;
    for _ in 0..3 {
        hub.engine.store().decide_failed(id).await.unwrap();
    }
    let hub = hub.crash_with("otra").await;
    let kept = hub
        .until("quarantine", async || hub.deliveries(Some(DeliveryStatus::Quarantined)).await.into_iter().next())
        .await;
    assert!(kept.reason.as_deref().unwrap().contains("3 times"), "{:?}", kept.reason);
    // Replayed by a person it is decided like any other.
    hub.engine.replay(id).await.unwrap();
    hub.arrived("/clave", 1).await;
}

#[tokio::test]
async fn g03_a_replayed_delivery_is_decided_again_and_what_is_known_stays_known() {
    let hub = Hub::build().flow(&on_paid(STEP)).start().await;
    hub.hear_by("ventas", json!({ "odd": 1 })).await;
    hub.paid("1", json!({ "n": 1 })).await;
    hub.paid("2", json!({ "n": 2 })).await;
    hub.arrived("/clave", 2).await;
    let all = hub.deliveries(None).await;
    // Newest first; the older ones are replayed after a newer one, which must not keep the hub busy.
    for delivery in &all {
        hub.engine.replay(delivery.id).await.unwrap();
        hub.decided().await;
    }
    hub.calm().await;
    assert_eq!(hub.server.calls("/clave").len(), 2);
    assert_eq!(hub.types().await.len(), 2);
    assert_eq!(hub.deliveries(Some(DeliveryStatus::Quarantined)).await.len(), 1);
    assert_eq!(hub.deliveries(Some(DeliveryStatus::Duplicate)).await.len(), 2);
}
