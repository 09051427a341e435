//! Waits, cancels, timers that move, read models that are missing.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use pasarela_store::{EffectState, RunStatus};
use serde_json::{Value, json};

const REMINDER: &str = "  - id: antes
    do: ventas.clave
    with: { to: ana }
  - id: espera
    needs: [antes]
    wait: { for: 2h, cancel_on: [order.cancelled, { event: order.refunded, when: \"{{ data.fully_refunded }}\" }] }
  - id: recordatorio
    do: ventas.flujo
    with: { to: ana }
";

fn about(kind: &str, data: Value) -> [Value; 1] {
    [json!({ "type": kind, "key": "order:1", "id": format!("{kind}{data}"), "data": data })]
}

async fn status(hub: &Hub, wanted: RunStatus) {
    hub.until("the run's state", async || (hub.runs().await[0].status == wanted).then_some(())).await;
}

#[tokio::test]
async fn a_wait_ends_at_its_moment_and_survives_a_restart() {
    let hub = Hub::build().flow(&on_paid(REMINDER)).start().await;
    hub.paid("1", json!({})).await;
    hub.until("a wait", async || (!hub.runs().await[0].waits.is_empty()).then_some(())).await;
    let hub = hub.crash().await;
    hub.pass(7190);
    hub.calm().await;
    assert!(hub.server.calls("/flujo").is_empty());
    hub.pass(11);
    hub.arrived("/flujo", 1).await;
    status(&hub, RunStatus::Done).await;
}

#[tokio::test]
async fn a_cancel_ends_the_wait_and_a_partial_refund_cancels_nothing() {
    let hub = Hub::build().flow(&on_paid(REMINDER)).start().await;
    hub.paid("1", json!({})).await;
    hub.until("a wait", async || (!hub.runs().await[0].waits.is_empty()).then_some(())).await;
    hub.hear(about("order.refunded", json!({ "fully_refunded": false }))).await;
    hub.calm().await;
    assert_eq!(hub.runs().await[0].status, RunStatus::Running);
    hub.hear(about("order.refunded", json!({ "fully_refunded": true }))).await;
    status(&hub, RunStatus::Cancelled).await;
    hub.pass(7300);
    hub.calm().await;
    assert!(hub.server.calls("/flujo").is_empty());
}

#[tokio::test]
async fn a_cancel_during_an_earlier_step_is_not_lost() {
    let hub = Hub::build().flow(&on_paid(REMINDER)).start().await;
    hub.server.script("/clave", [Reply::status(408)]);
    hub.paid("1", json!({})).await;
    hub.comes_to("antes", EffectState::Queued).await;
    hub.hear(about("order.cancelled", json!({}))).await;
    hub.decided().await;
    assert_eq!(hub.runs().await[0].status, RunStatus::Running, "nobody listens yet");
    hub.pass(2);
    hub.arrived("/clave", 2).await;
    status(&hub, RunStatus::Cancelled).await;
    hub.pass(7300);
    hub.calm().await;
    assert!(hub.server.calls("/flujo").is_empty());
}

#[tokio::test]
async fn a_cancel_during_an_earlier_wait_is_not_lost() {
    let steps = "  - wait: { for: 1h }\n  - wait: { for: 1h, cancel_on: [order.cancelled] }\n  - id: b\n    do: ventas.flujo\n    with: { to: ana }\n";
    let hub = Hub::build().flow(&on_paid(steps)).start().await;
    hub.paid("1", json!({})).await;
    hub.hear(about("order.cancelled", json!({}))).await;
    hub.decided().await;
    hub.pass(3601);
    status(&hub, RunStatus::Cancelled).await;
    hub.pass(7300);
    hub.calm().await;
    assert!(hub.server.calls("/flujo").is_empty());
}

#[tokio::test]
async fn a_cancel_withdraws_what_was_not_sent() {
    let steps = "  - id: a\n    do: ventas.clave\n    with: { to: ana }\n  - wait: { for: 2h, cancel_on: [order.cancelled] }\n  - id: b\n    do: ventas.flujo\n    with: { to: ana }\n";
    let hub = Hub::build().flow(&on_paid(steps)).start().await;
    hub.server.script("/clave", [Reply::status(408)]);
    hub.paid("1", json!({})).await;
    hub.comes_to("a", EffectState::Queued).await;
    hub.hear(about("order.cancelled", json!({}))).await;
    hub.comes_to("a", EffectState::Withdrawn).await;
    hub.pass(7300);
    hub.calm().await;
    assert_eq!(hub.server.calls("/clave").len(), 1);
    assert!(hub.server.calls("/flujo").is_empty());
}

fn show(starts_at: &str, updated: &str) -> Value {
    json!({ "type": "show.updated", "key": "show:9", "data": {},
        "state": [{ "kind": "show", "id": "9", "data": { "starts_at": starts_at, "title": "Noche" }, "updated": updated }] })
}

fn sold(id: &str) -> [Value; 1] {
    [json!({ "type": "order.paid", "key": format!("order:{id}"), "id": id, "data": {}, "refs": [["show", "9"]] })]
}

const BEFORE_SHOW: &str = "  - wait: { until: \"{{ show.starts_at | minus('1h') }}\", cancel_on: [order.cancelled] }\n  - id: b\n    do: ventas.flujo\n    with: { to: ana, title: \"{{ show.title }}\" }\n";

#[tokio::test]
async fn a_timer_moves_when_its_show_moves() {
    let hub = Hub::build().flow(&on_paid(BEFORE_SHOW)).start().await;
    hub.hear([show("2026-11-27T18:00:00Z", "2026-11-20T00:00:00Z")]).await;
    hub.decided().await;
    hub.hear(sold("1")).await;
    hub.until("a wait", async || hub.runs().await.first().filter(|r| !r.waits.is_empty()).map(|_| ())).await;
    // Later by two hours: not at 17:00 but at 19:00.
    hub.hear([show("2026-11-27T20:00:00Z", "2026-11-21T00:00:00Z")]).await;
    hub.decided().await;
    hub.pass(2 * 3600 + 60);
    hub.calm().await;
    assert!(hub.server.calls("/flujo").is_empty(), "the old moment is stale");
    // Earlier: now.
    hub.hear([show("2026-11-27T17:30:00Z", "2026-11-22T00:00:00Z")]).await;
    hub.arrived("/flujo", 1).await;
    status(&hub, RunStatus::Done).await;
    hub.pass(24 * 3600);
    hub.calm().await;
    assert_eq!(hub.server.calls("/flujo").len(), 1, "once");
}

#[tokio::test]
async fn a_missing_read_model_blocks_is_fetched_and_resumes() {
    let hub = Hub::build().flow(&on_paid(BEFORE_SHOW)).start().await;
    hub.server.script("/fetch", [Reply::status(408)]);
    hub.server.always("/fetch", Reply::ok(json!({ "facts": [show("2026-11-27T18:00:00Z", "2026-11-20T00:00:00Z")] })));
    hub.hear(sold("1")).await;
    hub.hear(sold("2")).await;
    hub.decided().await;
    hub.until("blocked runs", async || {
        let runs = hub.runs().await;
        (runs.len() == 2 && runs.iter().all(|r| r.status == RunStatus::Blocked && r.missing.len() == 1)).then_some(())
    })
    .await;
    // A cancel while it is blocked is heard when it goes on.
    hub.hear(about("order.cancelled", json!({}))).await;
    hub.decided().await;
    hub.pass(2);
    hub.until("both runs to go on", async || {
        let runs = hub.runs().await;
        (runs[0].status == RunStatus::Cancelled && runs[1].status == RunStatus::Running).then_some(())
    })
    .await;
    assert_eq!(hub.server.calls("/fetch").len(), 2, "one read for both, tried twice");
    assert_eq!(hub.server.calls("/fetch")[0].path, "/fetch?id=9");
    assert_eq!(hub.deliveries(None).await.iter().filter(|d| d.source == "fetch").count(), 1);
    hub.pass(2 * 3600 + 1);
    hub.arrived("/flujo", 1).await;
}

#[tokio::test]
async fn a_read_that_cannot_be_made_is_a_dead_letter_and_a_retry_resumes_the_run() {
    let hub = Hub::build().flow(&on_paid(BEFORE_SHOW)).start().await;
    hub.server.script("/fetch", [Reply::status(404)]);
    hub.server.always("/fetch", Reply::ok(json!({ "facts": [show("2026-11-27T18:00:00Z", "2026-11-20T00:00:00Z")] })));
    hub.hear(sold("1")).await;
    let dead = hub.comes_to("show:9", EffectState::Dead).await;
    assert_eq!(hub.runs().await[0].status, RunStatus::Blocked, "missing is never false");
    hub.engine.retry(dead.id).await.unwrap();
    status(&hub, RunStatus::Running).await;
    hub.pass(2 * 3600 + 1);
    hub.arrived("/flujo", 1).await;
}

#[tokio::test]
async fn a_cancel_in_the_same_delivery_is_heard() {
    let steps =
        "  - wait: { for: 2h, cancel_on: [order.cancelled] }\n  - id: b\n    do: ventas.flujo\n    with: { to: ana }\n";
    let hub = Hub::build().flow(&on_paid(steps)).start().await;
    let paid = json!({ "type": "order.paid", "key": "order:1", "id": "1", "data": {} });
    let [cancelled] = about("order.cancelled", json!({}));
    // As a provider's record tells it: everything that happened since the last look.
    hub.hear([paid, cancelled]).await;
    hub.decided().await;
    assert_eq!(hub.runs().await[0].status, RunStatus::Cancelled);
    hub.pass(7300);
    hub.calm().await;
    assert!(hub.server.calls("/flujo").is_empty());
}

#[tokio::test]
async fn a_read_model_in_a_later_fact_of_the_same_delivery_ends_the_waiting() {
    let hub = Hub::build().flow(&on_paid(BEFORE_SHOW)).start().await;
    hub.server.always("/fetch", Reply::status(408));
    let [order] = sold("1");
    hub.hear([order, show("2026-11-27T18:00:00Z", "2026-11-20T00:00:00Z")]).await;
    hub.decided().await;
    let run = &hub.runs().await[0];
    assert_eq!((run.status, run.missing.len(), run.waits.len()), (RunStatus::Running, 0, 1));
    hub.pass(2 * 3600 + 1);
    hub.arrived("/flujo", 1).await;
}

/// Whoever begins to wait for a record and whoever brings it decide side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_run_waits_for_a_record_that_came_while_it_was_decided() {
    const SHOWS: usize = 150;
    let steps = "  - id: b\n    do: ventas.flujo\n    with: { to: ana, title: \"{{ show.title }}\" }\n";
    let hub = Hub::build().flow(&on_paid(steps)).start().await;
    hub.server.always("/fetch", Reply::status(408));
    for n in 0..SHOWS {
        let show = json!({ "type": "show.updated", "key": format!("show:{n}"), "data": {},
            "state": [{ "kind": "show", "id": n.to_string(), "data": { "title": "Noche" }, "updated": "2026-11-20T00:00:00Z" }] });
        let order = json!({ "type": "order.paid", "key": format!("order:{n}"), "id": n.to_string(), "data": {},
            "refs": [["show", n.to_string()]] });
        tokio::join!(hub.hear([order]), hub.hear([show]));
    }
    hub.decided().await;
    let runs = hub.runs().await;
    assert_eq!(runs.len(), SHOWS);
    let blocked = runs.iter().filter(|r| r.status == RunStatus::Blocked).count();
    assert_eq!(blocked, 0, "runs that wait for what is there");
}
