//! G13 for the store itself: what waits is bounded by bytes, what is finished goes after its time, and
//! neither takes anything that somebody needs. On both databases.

use crate::hub::Hub;
use bytes::Bytes;
use pasarela_domain::DeliveryId;
use pasarela_engine::{AdminError, Admission, InboundRequest, IntakeLimits, Keeping};
use pasarela_store::{EventFilter, Kept};
use serde_json::{Value, json};

const DAY: i64 = 86_400;

async fn knock(hub: &Hub, body: Value) -> Admission {
    let mut headers = http::HeaderMap::new();
    headers.insert("x-clave", http::HeaderValue::from_static("si"));
    let body = Bytes::from(body.to_string());
    hub.engine.accept("ventas", InboundRequest { method: "POST", query: "", headers: &headers, body }).await
}

fn paid(id: &str) -> Value {
    json!({ "facts": [{ "type": "order.paid", "key": format!("order:{id}"), "id": id, "data": {} }] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g13_what_waits_is_bounded_by_bytes_and_goes_on_by_itself() {
    let intake = IntakeLimits { pending_bytes: 100 * 1024, disk_free: 0 };
    let hub = Hub::build().keeping(Keeping { intake, ..Keeping::default() }).start().await;
    hub.paid("antes", json!({})).await;
    // Of a connection that is not there: nobody decides it.
    for _ in 0..3 {
        hub.leave_in_inbox("otra", &json!({ "facts": [], "text": "x".repeat(40 * 1024) })).await;
    }
    let why = hub
        .until("a refusal", async || match knock(&hub, paid("no")).await {
            Admission::Busy(why) => Some(why),
            _ => None,
        })
        .await;
    assert!(why.contains("waits to be decided"), "{why}");
    let care = hub.engine.care_now().intake;
    assert!(care.capped && care.pending_bytes > 120 * 1024, "{care:?}");
    assert!(hub.engine.metrics().snapshot().capped > 0);

    let hub = hub.crash_with("otra").await;
    hub.until("room", async || match knock(&hub, paid("despues")).await {
        Admission::Accepted(_) => Some(()),
        _ => None,
    })
    .await;
    hub.decided().await;
    hub.until("calm", async || (!hub.engine.care_now().intake.capped).then_some(())).await;
    assert_eq!(hub.engine.store().pending().await.unwrap(), (0, 0), "what was accepted is decided");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g13_what_is_finished_goes_by_the_hubs_clock_and_a_wait_of_years_is_kept() {
    let hub = Hub::build()
        .flow("flow: espera\nversion: 1\non: order.paid\nwhen: \"{{ data.wait }}\"\nsteps:\n  - wait: { for: 900d }\n  - do: ventas.cliente\n    with: { to: \"x\" }\n")
        .start()
        .await;
    for id in ["a", "b"] {
        hub.paid(id, json!({ "wait": false })).await;
    }
    hub.paid("larga", json!({ "wait": true })).await;
    hub.paid("ultima", json!({ "wait": false })).await;
    let events = async || {
        let all = EventFilter { limit: 50, ascending: true, ..EventFilter::default() };
        let rows = hub.engine.store().events(all).await.unwrap().rows;
        rows.iter().map(|r| hub.engine.envelope(r).unwrap().key).collect::<Vec<_>>()
    };
    let first: DeliveryId = hub.engine.store().deliveries(None, None, 50).await.unwrap().rows.last().unwrap().id;
    // The hub may have made the round by itself: what counts is what is gone.
    let removed = async |kept: Kept| {
        assert!(hub.engine.take_care().await.unwrap().complete);
        let care = hub.engine.care().await.unwrap().kept;
        care.iter().find(|c| c.kept == kept).unwrap().removed
    };
    assert_eq!(removed(Kept::Bodies).await, 0, "nothing is old");

    hub.pass(100 * DAY);
    assert_eq!(removed(Kept::Bodies).await, 4);
    assert_eq!(events().await.len(), 4);
    let refused = hub.engine.replay(first).await.unwrap_err();
    assert!(matches!(refused, AdminError::BodyGone(_)) && refused.to_string().contains("[retention]"), "{refused}");

    hub.pass(400 * DAY);
    assert_eq!(removed(Kept::Events).await, 2);
    assert_eq!(removed(Kept::Deliveries).await, 2);
    assert_eq!(events().await, ["order:larga", "order:ultima"], "the waiting run keeps its event; the newest stays");
    let run =
        &hub.engine.store().runs(pasarela_store::RunFilter { limit: 5, ..Default::default() }).await.unwrap().rows;
    assert_eq!(run.len(), 1);
    assert!(hub.engine.care().await.unwrap().behind_since.is_none());
}
