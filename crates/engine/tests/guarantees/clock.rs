//! The clock jumps: forwards by a day, backwards by an hour (G6, G7, G8). Nothing is lost, nothing done
//! twice, and what comes new does not wait for what was put off.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use pasarela_connector::Rate;
use pasarela_engine::LimitOverride;
use pasarela_store::EffectState;
use serde_json::{Value, json};
use std::time::Duration;

const HOUR: i64 = 3600;

fn flow(action: &str) -> String {
    on_paid(&format!(
        "  - id: a\n    do: ventas.{action}\n    with: {{ to: \"{{{{ data.to }}}}\", n: \"{{{{ data.n }}}}\" }}\n"
    ))
}

#[tokio::test]
async fn g08_a_clock_that_goes_back_holds_back_only_what_was_put_off_and_for_no_longer_than_that() {
    let hub = Hub::build().flow(&flow("clave")).start().await;
    hub.server.script("/clave", [Reply::status(408)]);
    hub.paid("1", json!({ "to": "ana", "n": 1 })).await;
    hub.comes_to("a", EffectState::Queued).await;
    hub.pass(-HOUR);
    // A guest who comes now is served, also by another life of the hub, and order is kept behind the first.
    hub.paid("2", json!({ "to": "luis", "n": 2 })).await;
    hub.arrived("/clave", 2).await;
    hub.paid("3", json!({ "to": "ana", "n": 3 })).await;
    let hub = hub.crash().await;
    hub.paid("4", json!({ "to": "eva", "n": 4 })).await;
    hub.arrived("/clave", 3).await;
    hub.calm().await;
    assert_eq!(hub.server.values("/clave", "/n"), [json!(1), json!(2), json!(4)]);
    hub.pass(HOUR + 2);
    hub.arrived("/clave", 5).await;
    assert_eq!(hub.server.values("/clave", "/n")[3..], [json!(1), json!(3)]);
    // Events keep the order in which they came, whatever their clocks said.
    let told: Vec<Value> = hub.events().await.into_iter().map(|e| e.data["n"].clone()).collect();
    assert_eq!(told, [json!(1), json!(2), json!(3), json!(4)]);
}

#[tokio::test]
async fn g08_a_clock_that_goes_to_and_fro_gives_no_more_than_the_burst() {
    let rate = Rate { burst: 3, every: Duration::from_secs(10) };
    let hub = Hub::build()
        .flow(&flow("clave"))
        .limits(LimitOverride { rate: Some(rate), ..LimitOverride::default() })
        .start()
        .await;
    for n in 0..40 {
        hub.paid(&n.to_string(), json!({ "to": format!("p{n}"), "n": n })).await;
    }
    // Seconds that the clock shows twice fill the bucket once.
    for (seconds, most) in [(-HOUR, 0), (5, 0), (86_400, 3), (-86_400, 3), (11, 4), (-5, 4), (11, 4), (4, 5)] {
        hub.pass(seconds);
        hub.calm().await;
        // Reconciliation, which is due after a day, pays from the same bucket.
        assert_eq!(hub.server.count(), most, "after {seconds} s");
    }
}

#[tokio::test]
async fn g05_a_wait_is_over_once_however_often_its_moment_comes() {
    let steps = "  - wait: { for: 1h }\n  - id: a\n    do: ventas.clave\n    with: { to: ana, n: 1 }\n";
    let hub = Hub::build().flow(&on_paid(steps)).start().await;
    hub.paid("1", json!({})).await;
    hub.pass(-2 * HOUR);
    hub.calm().await;
    assert!(hub.server.calls("/clave").is_empty());
    hub.pass(3 * HOUR + 1);
    hub.arrived("/clave", 1).await;
    hub.pass(-3 * HOUR);
    hub.calm().await;
    let hub = hub.crash().await;
    hub.pass(86_400);
    hub.calm().await;
    assert_eq!(hub.server.calls("/clave").len(), 1);
}

#[tokio::test]
async fn g07_a_month_that_is_skipped_sends_nothing_twice() {
    let hub = Hub::build().flow(&flow("clave")).start().await;
    hub.server.script("/clave", [Reply::status(408)]);
    hub.paid("1", json!({ "to": "ana", "n": 1 })).await;
    hub.comes_to("a", EffectState::Queued).await;
    hub.pass(30 * 86_400);
    hub.comes_to("a", EffectState::Done).await;
    hub.calm().await;
    assert_eq!(hub.server.calls("/clave").len(), 2, "its time had come, and it went well");
}
