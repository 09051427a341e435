//! What is not sent, by a rule or because its moment has passed: it ends, it is counted, nobody is asked, and
//! nothing stands in for it.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use pasarela_store::{EffectState, RunStatus};
use serde_json::json;

const STEPS: &str = "  - id: a\n    do: ventas.ACTION\n    with: { to: \"{{ data.to }}\", until: \"{{ data.until }}\" }\n    otherwise:\n      - id: b\n        do: ventas.flujo\n        with: { n: 1 }\n  - id: c\n    needs: [a]\n    do: ventas.flujo\n    with: { outcome: \"{{ steps.a.outcome }}\" }\n";

/// No rule comes to hold.
const FAR: &str = "2030-01-01T00:00:00Z";

fn flow(action: &str) -> String {
    on_paid(&STEPS.replace("ACTION", action))
}

#[tokio::test]
async fn a_rule_that_comes_to_hold_while_it_waits_withholds_it() {
    let hub = Hub::build().flow(&flow("clave")).start().await;
    hub.server.script("/clave", [Reply::status(429).with("retry-after", "60")]);
    hub.paid("1", json!({ "to": "ana", "until": "2026-11-27T15:00:30Z" })).await;
    hub.arrived("/clave", 1).await;
    hub.comes_to("a", EffectState::Queued).await;
    hub.pass(70);
    let row = hub.comes_to("a", EffectState::Withheld).await;
    assert_eq!(row.code.as_deref(), Some("taken_back"), "the rule has a name");
    assert!(String::from_utf8_lossy(&row.outcome).contains("as the test wants it"));
    hub.until("the run to end", async || (hub.runs().await[0].status == RunStatus::Done).then_some(())).await;
    assert_eq!(hub.server.calls("/clave").len(), 1, "its bytes were made, and are not sent again");
    assert_eq!(hub.effect("b").await.map(|e| e.state), None, "no `otherwise`: an unlawful message becomes no other");
    assert_eq!(hub.server.values("/flujo", "/outcome"), [json!("withheld")]);
    let counted = hub.engine.metrics().withheld_by_rule();
    assert_eq!(counted, [("ventas".to_owned(), "taken_back".to_owned(), 1)]);
    let health = hub.engine.store().health(hub.now()).await.unwrap();
    assert_eq!((health.dead, health.unknown), (0, 0), "nobody has to act");
}

#[tokio::test]
async fn what_nobody_misses_is_dropped_when_it_is_too_old_or_lost() {
    let hub = Hub::build().flow(&flow("fugaz")).start().await;
    hub.server.script("/fugaz", [Reply::Cut]);
    hub.paid("1", json!({ "to": "ana", "until": FAR })).await;
    let lost = hub.comes_to("a", EffectState::Dropped).await;
    assert_eq!(lost.code.as_deref(), Some("maybe_sent"), "it may have arrived, and is not sent twice");

    let hub = Hub::build().flow(&flow("fugaz")).start().await;
    hub.server.always("/fugaz", Reply::status(429).with("retry-after", "50"));
    hub.paid("1", json!({ "to": "ana", "until": FAR })).await;
    hub.until("it to be dropped", async || {
        hub.pass(5);
        hub.effect("a").await.filter(|e| e.state == EffectState::Dropped)
    })
    .await;
    let row = hub.effect("a").await.unwrap();
    assert_eq!(row.code.as_deref(), Some("too_old"));
    assert!(hub.server.calls("/fugaz").len() <= 3, "it is not sent after its time");
    assert_eq!(hub.effect("b").await.map(|e| e.state), None);
    // The provider asked the whole connection to wait; what uses its outcome goes on then.
    hub.until("the run to end", async || {
        hub.pass(5);
        (hub.runs().await[0].status == RunStatus::Done).then_some(())
    })
    .await;
    assert_eq!(hub.server.values("/flujo", "/outcome"), [json!("dropped")]);
    assert_eq!(hub.engine.metrics().snapshot().dropped, 1);
}

#[tokio::test]
async fn the_last_call_of_a_window_is_not_followed_by_one_too_many() {
    let hub = Hub::build().flow(&flow("clave")).start().await;
    let last = Reply::ok(json!({ "ok": true })).with("x-ratelimit-remaining", "0").with("x-ratelimit-reset", "40");
    hub.server.script("/clave", [last]);
    hub.paid("1", json!({ "to": "ana", "until": FAR })).await;
    hub.arrived("/clave", 1).await;
    hub.comes_to("a", EffectState::Done).await;
    hub.paid("2", json!({ "to": "luis", "until": FAR })).await;
    hub.pass(39);
    hub.calm().await;
    assert_eq!(hub.server.calls("/clave").len(), 1, "too early");
    hub.pass(6);
    hub.arrived("/clave", 2).await;
}
