//! G5: event, read models, run and first effects are one transaction; long lists come in slices.

use crate::hub::{Hub, on_paid};
use pasarela_store::{EffectState, RunFilter, RunStatus};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test]
async fn g05_decided_once() {
    let flow = on_paid("  - id: a\n    do: ventas.clave\n    with: { to: x, n: \"{{ order.n }}\" }\n");
    let hub = Hub::build().flow(&flow).start().await;
    let before = hub.engine.store().stats().transactions;
    hub.hear([json!({ "type": "order.paid", "key": "order:1", "id": "1", "data": {},
        "state": [{ "kind": "order", "id": "1", "data": { "n": 7 } }] })])
        .await;
    hub.arrived("/clave", 1).await;
    hub.comes_to("a", EffectState::Done).await;
    // Accept, decide (event, read model, run and the effect with its first attempt), outcome. A transaction can
    // be read a moment before it is counted.
    let counted = || hub.engine.store().stats().transactions - before;
    assert_eq!(hub.until("the third transaction", async || Some(counted()).filter(|n| *n >= 3)).await, 3);
    assert_eq!(hub.server.values("/clave", "/n"), [json!(7)]);
    let run = &hub.runs().await[0];
    assert_eq!((run.status, run.effects.len()), (RunStatus::Done, 1));
}

#[tokio::test]
async fn g05_a_list_of_a_thousand_is_frozen_and_expanded_in_slices() {
    let flow = on_paid(
        "  - each: \"{{ data.list }}\"\n    as: item\n    id: todos\n    steps:\n      - id: a\n        do: ventas.clave\n        with: { to: \"{{ item }}\" }\n  - id: fin\n    needs: [todos]\n    do: ventas.flujo\n    with: { to: fin }\n",
    );
    let hub = Hub::build().flow(&flow).start().await;
    let list: Vec<String> = (0..1000).map(|n| format!("p{n}")).collect();
    hub.paid("1", json!({ "list": list })).await;
    hub.arrived("/flujo", 1).await;
    let sent: BTreeSet<String> =
        hub.server.values("/clave", "/to").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    assert_eq!(sent.len(), 1000, "each item once");
    assert_eq!(hub.server.calls("/clave").len(), 1000);
    // The rest of the decision was written whole; nothing was begun twice.
    let effects = hub.effects().await;
    assert_eq!(effects.len(), 1001);
    let ids: BTreeSet<_> = effects.iter().map(|e| &e.path).collect();
    assert_eq!(ids.len(), 1001);
}

#[tokio::test]
async fn g05_a_step_that_ends_without_a_call_lets_the_next_begin() {
    let flow = on_paid(
        "  - id: a\n    do: ventas.nada\n    with: { to: x, fail: true }\n    otherwise:\n      - id: plan_b\n        do: ventas.clave\n        with: { to: x }\n  - id: b\n    do: ventas.nada\n    with: { to: y }\n  - id: c\n    needs: [b]\n    do: ventas.flujo\n    with: { to: y }\n",
    );
    let hub = Hub::build().flow(&flow).start().await;
    hub.paid("1", json!({})).await;
    hub.arrived("/clave", 1).await;
    hub.arrived("/flujo", 1).await;
    hub.comes_to("a", EffectState::GaveUp).await;
    hub.until("the run to end", async || (hub.runs().await[0].status == RunStatus::Done).then_some(())).await;
}

/// A list whose items all fall out leaves a run without effect, wait or listener between its slices.
#[tokio::test]
async fn g05_a_run_that_was_left_between_its_slices_goes_on_after_a_restart() {
    let flow = on_paid(
        "  - each: \"{{ data.list }}\"\n    as: item\n    id: todos\n    steps:\n      - id: a\n        when: \"{{ item == 'nadie' }}\"\n        do: ventas.clave\n        with: { to: \"{{ item }}\" }\n  - id: fin\n    needs: [todos]\n    do: ventas.flujo\n    with: { to: fin }\n",
    );
    let hub = Hub::build().flow(&flow).start().await;
    let list: Vec<String> = (0..8000).map(|n| format!("p{n}")).collect();
    hub.hear([json!({ "type": "order.paid", "key": "order:1", "id": "1", "data": { "list": list } })]).await;
    hub.until("the run to begin", async || {
        (!hub.engine.store().runs(one()).await.unwrap().rows.is_empty()).then_some(())
    })
    .await;
    let hub = hub.crash().await;
    let left = &hub.runs().await[0];
    assert_eq!((left.status, left.effects.len()), (RunStatus::Running, 0), "it ended between two slices");
    assert!(hub.effects().await.is_empty());
    hub.pass(6);
    hub.arrived("/flujo", 1).await;
    hub.until("the run to end", async || (hub.runs().await[0].status == RunStatus::Done).then_some(())).await;
    assert!(hub.server.calls("/clave").is_empty());
    hub.pass(60);
    hub.calm().await;
    assert_eq!(hub.server.calls("/flujo").len(), 1, "once");
    assert!(hub.engine.store().next_timer().await.unwrap().is_none(), "nothing is left to look after");
}

fn one() -> RunFilter {
    RunFilter { limit: 1, ..RunFilter::default() }
}
