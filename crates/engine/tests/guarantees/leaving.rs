//! Whoever asks may go away at any moment: a webhook whose sender hangs up, a request of the API that is
//! given up. What was begun is ended all the same (G1, G13): nothing waits for a restart.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use bytes::Bytes;
use pasarela_engine::{Ask, InboundRequest, LimitOverride};
use pasarela_store::EffectState;
use serde_json::json;
use std::future::Future;
use std::time::Duration;

fn one() -> String {
    on_paid("  - id: a\n    do: ventas.clave\n    with: { to: \"{{ data.n }}\", n: \"{{ data.n }}\" }\n")
}

/// Looks at a future so many times, a moment apart, and lets it go. True: it was done by then.
async fn left_after<T>(looks: usize, work: impl Future<Output = T>) -> bool {
    let mut work = std::pin::pin!(work);
    for _ in 0..looks {
        tokio::select! {
            biased;
            _ = &mut work => return true,
            () = tokio::task::yield_now() => {}
        }
    }
    false
}

#[tokio::test]
async fn g01_a_webhook_whose_sender_hangs_up_is_decided_like_any_other() {
    let hub = Hub::build().flow(&one()).start().await;
    let mut headers = http::HeaderMap::new();
    headers.insert("x-clave", http::HeaderValue::from_static("si"));
    for n in 0..10 {
        let fact = json!({ "type": "order.paid", "key": format!("o{n}"), "id": n.to_string(), "data": { "n": n } });
        let body = Bytes::from(json!({ "facts": [fact] }).to_string());
        let request = InboundRequest { method: "POST", query: "", headers: &headers, body };
        left_after(1, hub.engine.accept("ventas", request)).await;
    }
    hub.arrived("/clave", 10).await;
}

#[tokio::test]
async fn g13_a_reconciliation_that_nobody_waits_for_any_more_gives_its_slot_back() {
    let limits =
        LimitOverride { concurrency: Some(1), timeout: Some(Duration::from_millis(1500)), ..LimitOverride::default() };
    let hub = Hub::build().flow(&one()).limits(limits).start().await;
    hub.server.script("/poll", [Reply::Hang]);
    let engine = hub.engine.clone();
    let asked = tokio::spawn(async move { engine.reconcile("ventas", Ask::default()).await });
    hub.arrived("/poll", 1).await;
    asked.abort();
    drop(asked.await);
    hub.paid("1", json!({ "n": 1 })).await;
    hub.arrived("/clave", 1).await;
}

#[tokio::test]
async fn g13_a_command_that_is_given_up_half_way_leaves_no_lane_behind() {
    let hub = Hub::build().flow(&one()).start().await;
    for looks in 0..12 {
        hub.server.script("/clave", [Reply::status(402)]);
        hub.paid(&looks.to_string(), json!({ "n": looks })).await;
        let dead =
            hub.until("a dead letter", async || hub.effects().await.into_iter().find(|e| e.state == EffectState::Dead));
        let dead = dead.await;
        left_after(looks, hub.engine.retry(dead.id)).await;
        hub.calm().await;
        // It had not begun, or it was done whole.
        let state = hub.effects().await.into_iter().find(|e| e.id == dead.id).unwrap().state;
        match state {
            EffectState::Dead => hub.engine.retry(dead.id).await.unwrap(),
            EffectState::Done => {}
            other => panic!("after {looks} looks it is {other:?}"),
        }
        hub.until("the call", async || hub.effects().await.iter().all(|e| e.state == EffectState::Done).then_some(()))
            .await;
    }
}
