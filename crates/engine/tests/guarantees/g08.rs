//! G8: patient. What a provider asks for is obeyed; nothing is tried for ever.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use pasarela_engine::LimitOverride;
use pasarela_store::EffectState;
use serde_json::json;

fn flow(action: &str) -> String {
    on_paid(&format!("  - id: a\n    do: ventas.{action}\n    with: {{ to: \"{{{{ data.to }}}}\" }}\n"))
}

#[tokio::test]
async fn g08_patient_retry_after_is_obeyed_in_each_form() {
    // The clock stands at 2026-11-27T15:00:00Z.
    let forms = [
        ("retry-after", "30".to_owned()),
        ("retry-after", "Fri, 27 Nov 2026 15:00:30 GMT".to_owned()),
        ("x-ratelimit-reset-after", "30".to_owned()),
        ("ratelimit-reset", "30".to_owned()),
        ("x-ratelimit-reset", "1795791630".to_owned()),
    ];
    for (name, value) in forms {
        let hub = Hub::build().flow(&flow("clave")).start().await;
        hub.server.script("/clave", [Reply::status(429).with(name, value.clone())]);
        hub.paid("1", json!({ "to": "ana" })).await;
        hub.arrived("/clave", 1).await;
        hub.comes_to("a", EffectState::Queued).await;
        // The whole connection waits, not only the one that was told.
        hub.paid("2", json!({ "to": "luis" })).await;
        hub.pass(29);
        hub.calm().await;
        assert_eq!(hub.server.calls("/clave").len(), 1, "{name}: {value}: too early");
        // Up to a tenth more, so that not all come back at once.
        hub.pass(5);
        hub.arrived("/clave", 3).await;
    }
}

#[tokio::test]
async fn g08_backoff_grows() {
    let hub = Hub::build().flow(&flow("clave")).start().await;
    hub.server.script("/clave", (0..5).map(|_| Reply::status(408)));
    hub.paid("1", json!({ "to": "ana" })).await;
    let mut waits = Vec::new();
    for attempt in 1..=5 {
        hub.arrived("/clave", attempt).await;
        let row = hub.comes_to("a", EffectState::Queued).await;
        let now = pasarela_domain::Clock::now(&*hub.clock);
        let wait = row.not_before.unwrap().duration_since(now).as_secs_f64();
        let ceiling = f64::from(1 << (attempt - 1));
        assert!((0.0..=ceiling + 0.01).contains(&wait), "attempt {attempt}: {wait}");
        waits.push(wait);
        hub.pass_millis((wait * 1000.0) as i64 + 2);
    }
    hub.comes_to("a", EffectState::Done).await;
    assert!(waits[4] > 1.0 || waits[3] > 1.0, "{waits:?}");
}

#[tokio::test]
async fn g08_the_breaker_opens_and_probes_with_one_call() {
    let hub = Hub::build().flow(&flow("clave")).start().await;
    hub.server.script("/clave", (0..7).map(|_| Reply::status(500)));
    for n in 0..6 {
        hub.paid(&n.to_string(), json!({ "to": format!("p{n}") })).await;
    }
    hub.until("an open breaker", async || (hub.engine.connections()[0].work.breaker == "open").then_some(())).await;
    assert_eq!(hub.engine.connections()[0].state, "degraded");
    let before = hub.server.calls("/clave").len();
    assert_eq!(before, 6);
    hub.calm().await;
    assert_eq!(hub.server.calls("/clave").len(), before, "nothing goes out while it is open");
    // The first probe fails: it opens again, for longer.
    hub.pass(3);
    hub.arrived("/clave", before + 1).await;
    hub.calm().await;
    assert_eq!(hub.server.calls("/clave").len(), before + 1, "one probe only");
    hub.pass(3600);
    hub.until("all done", async || hub.effects().await.iter().all(|e| e.state == EffectState::Done).then_some(()))
        .await;
    assert_eq!(hub.engine.connections()[0].work.breaker, "closed");
}

#[tokio::test]
async fn g08_give_up_after_ends_in_a_dead_letter() {
    let hub = Hub::build().flow(&flow("breve")).start().await;
    hub.server.always("/breve", Reply::status(408));
    hub.paid("1", json!({ "to": "ana" })).await;
    hub.until("a dead letter", async || {
        hub.pass(1);
        hub.effect("a").await.filter(|e| e.state == EffectState::Dead)
    })
    .await;
    let row = hub.effect("a").await.unwrap();
    assert!(String::from_utf8_lossy(&row.outcome).contains("too old"));
    let tries = hub.server.calls("/breve").len();
    assert!((4..60).contains(&tries), "{tries} tries in two minutes");
}

#[tokio::test]
async fn g08_concurrency_and_rate_are_kept() {
    let limits = LimitOverride { concurrency: Some(2), ..LimitOverride::default() };
    let hub = Hub::build().limits(limits).flow(&flow("clave")).start().await;
    hub.server.always("/clave", Reply::Hang);
    for n in 0..5 {
        hub.paid(&n.to_string(), json!({ "to": format!("p{n}") })).await;
    }
    hub.arrived("/clave", 2).await;
    hub.until("rest", async || (hub.engine.connections()[0].work.in_flight == 2).then_some(())).await;

    let rate = pasarela_connector::Rate { burst: 2, every: std::time::Duration::from_secs(10) };
    let limits = LimitOverride { rate: Some(rate), ..LimitOverride::default() };
    let hub = Hub::build().limits(limits).flow(&flow("clave")).start().await;
    for n in 0..5 {
        hub.paid(&n.to_string(), json!({ "to": format!("p{n}") })).await;
    }
    hub.calm().await;
    assert_eq!(hub.server.calls("/clave").len(), 0, "buckets start empty");
    for (seconds, sent) in [(21, 2), (11, 3), (11, 4)] {
        hub.pass(seconds);
        hub.arrived("/clave", sent).await;
        hub.calm().await;
        assert_eq!(hub.server.calls("/clave").len(), sent);
    }
}
