//! What needs a person: dead letters are retried or dropped, a refused credential is a clear state.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use pasarela_store::{EffectState, RunStatus};
use serde_json::{Value, json};

const TWO: &str = "  - id: a\n    do: ventas.clave\n    with: { to: ana }\n  - id: b\n    needs: [a]\n    do: ventas.flujo\n    with: { outcome: \"{{ steps.a.outcome }}\" }\n";

#[tokio::test]
async fn a_dead_letter_is_retried_with_a_new_key_or_dropped() {
    for (retry, outcome) in [(true, "done"), (false, "dropped")] {
        let hub = Hub::build().flow(&on_paid(TWO)).start().await;
        hub.server.script("/clave", [Reply::status(402)]);
        hub.paid("1", json!({})).await;
        let dead = hub.comes_to("a", EffectState::Dead).await;
        assert!(String::from_utf8_lossy(&dead.outcome).contains("not paid"));
        assert_eq!(hub.engine.store().health(dead.created_at).await.unwrap().dead, 1);
        if retry {
            hub.engine.retry(dead.id).await.unwrap();
        } else {
            hub.engine.drop_effect(dead.id).await.unwrap();
        }
        let wanted = if retry { EffectState::Done } else { EffectState::Dropped };
        hub.comes_to("a", wanted).await;
        hub.arrived("/clave", if retry { 2 } else { 1 }).await;
        let keys: Vec<_> = hub.server.calls("/clave").into_iter().filter_map(|c| c.key).collect();
        let all = [dead.id.to_string(), format!("{}.2", dead.id)];
        assert_eq!(keys, all[..keys.len()]);
        hub.until("the run to end", async || (hub.runs().await[0].status == RunStatus::Done).then_some(())).await;
        assert!(hub.server.values("/flujo", "/outcome").iter().all(|o| *o == json!(outcome)));
        let again = hub.engine.retry(dead.id).await.unwrap_err().to_string();
        assert!(again.contains("only dead and unknown"), "{again}");
    }
}

#[tokio::test]
async fn an_expired_credential_is_renewed_once_for_all_calls_that_were_out() {
    let flow = on_paid(
        "  - each: \"{{ data.list }}\"\n    as: item\n    steps:\n      - id: a\n        do: ventas.clave\n        with: { to: \"{{ item }}\" }\n",
    );
    let hub = Hub::build().with_login().flow(&flow).start().await;
    hub.server.script("/login", [Reply::ok(json!({ "token": "t1" })), Reply::ok(json!({ "token": "t2" }))]);
    hub.server.script("/clave", (0..8).map(|_| Reply::status(401)));
    hub.paid("1", json!({ "list": ["a", "b", "c", "d", "e", "f", "g", "h"] })).await;
    hub.until("all done", async || {
        let effects = hub.effects().await;
        assert!(effects.iter().all(|e| e.state != EffectState::Dead), "one expiry is no reason for a dead letter");
        (effects.len() == 8 && effects.iter().all(|e| e.state == EffectState::Done)).then_some(())
    })
    .await;
    let tokens: Vec<_> = hub.server.calls("/clave").into_iter().filter_map(|c| c.token).collect();
    assert!(tokens[..8].iter().all(|t| t == "t1") || tokens.contains(&"t2".to_owned()), "{tokens:?}");
    assert_eq!(hub.server.calls("/login").len(), 2, "one login, one refresh");
    assert_eq!(hub.engine.connections()[0].state, "ready");
}

#[tokio::test]
async fn a_credential_that_is_refused_after_one_refresh_is_a_clear_state() {
    let hub = Hub::build().with_login().flow(&on_paid(TWO)).start().await;
    hub.server.always("/login", Reply::ok(json!({ "token": "t" })));
    hub.server.always("/clave", Reply::status(401));
    hub.paid("1", json!({})).await;
    let dead = hub.comes_to("a", EffectState::Dead).await;
    assert_eq!((hub.server.calls("/login").len(), hub.server.calls("/clave").len()), (2, 2), "one refresh, no loop");
    let state = &hub.engine.connections()[0];
    assert_eq!(state.state, "degraded");
    assert!(state.problem.as_deref().unwrap().contains("renew it"), "{:?}", state.problem);
    // It is renewed: the person retries, and the state is over.
    hub.server.always("/clave", Reply::ok(Value::Null));
    hub.engine.retry(dead.id).await.unwrap();
    hub.comes_to("a", EffectState::Done).await;
    assert_eq!(hub.engine.connections()[0].state, "ready");
}
