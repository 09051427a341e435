//! G7: each effect is done once, whatever happens to its answer.

use crate::hub::{Hub, on_paid};
use crate::provider::{CALL_LIFE, CORRELATE_WITHIN, READ_AFTER};
use crate::server::Reply;
use pasarela_store::{EffectState, RunStatus};
use serde_json::json;

pub(crate) fn flow(action: &str, more: &str) -> String {
    on_paid(&format!(
        "  - id: a\n    do: ventas.{action}\n{more}    with: {{ to: ana, n: \"{{{{ data.n }}}}\" }}\n  - id: despues\n    needs: [a]\n    do: ventas.flujo\n    with: {{ outcome: \"{{{{ steps.a.outcome }}}}\" }}\n"
    ))
}

#[tokio::test]
async fn g07_once_out_a_keyed_call_is_sent_again_with_the_same_bytes_and_key() {
    for action in ["clave", "cliente"] {
        let hub = Hub::build().flow(&flow(action, "")).start().await;
        let path = format!("/{action}");
        hub.server.script(&path, [Reply::Cut]);
        hub.paid("1", json!({ "n": 1 })).await;
        hub.arrived(&path, 1).await;
        hub.comes_to("a", EffectState::Queued).await;
        hub.pass(2);
        hub.comes_to("a", EffectState::Done).await;
        let calls = hub.server.calls(&path);
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0], calls[1], "{action}");
        assert_eq!(calls[0].key.as_deref(), Some(hub.effect("a").await.unwrap().id.to_string().as_str()));
    }
}

#[tokio::test]
async fn g07_a_readable_call_is_read_back_and_not_before_its_longest_life() {
    for (found, posts) in [(true, 1), (false, 2)] {
        let hub = Hub::build().flow(&flow("leible", "")).start().await;
        hub.server.script("/leible", [Reply::Cut]);
        hub.server.always("/read", Reply::ok(json!({ "found": found })));
        hub.paid("1", json!({ "n": 1 })).await;
        hub.comes_to("a", EffectState::Checking).await;
        hub.pass(i64::try_from((READ_AFTER + CALL_LIFE).as_secs()).unwrap() - 1);
        hub.calm().await;
        assert!(hub.server.calls("/read").is_empty(), "asked too early: the call may still be on its way");
        hub.pass(2);
        hub.comes_to("a", EffectState::Done).await;
        assert_eq!(hub.server.calls("/leible").len(), posts, "found: {found}");
        let key = hub.effect("a").await.unwrap().id;
        assert!(hub.server.calls("/read")[0].path.contains(&key.to_string()));
        hub.arrived("/flujo", 1).await;
    }
}

#[tokio::test]
async fn g07_a_read_back_that_cannot_tell_asks_a_person() {
    let hub = Hub::build().flow(&flow("leible", "    on_dead: skip\n")).start().await;
    hub.server.script("/leible", [Reply::Cut]);
    hub.server.always("/read", Reply::ok(json!({})));
    hub.paid("1", json!({ "n": 1 })).await;
    hub.comes_to("a", EffectState::Checking).await;
    hub.pass(40);
    hub.comes_to("a", EffectState::Unknown).await;
    assert_eq!(hub.server.calls("/leible").len(), 1);
    hub.arrived("/flujo", 1).await;
    assert_eq!(hub.server.values("/flujo", "/outcome"), [json!("unknown")]);
}

#[tokio::test]
async fn g07_a_correlated_call_is_settled_by_its_status_and_never_resent() {
    let hub = Hub::build().flow(&flow("correla", "")).start().await;
    hub.server.script("/correla", [Reply::Cut]);
    hub.paid("1", json!({ "n": 1 })).await;
    let effect = hub.comes_to("a", EffectState::Checking).await;
    // Behind it the lane waits.
    hub.paid("2", json!({ "n": 2 })).await;
    hub.calm().await;
    assert_eq!(hub.server.calls("/correla").len(), 1);
    hub.hear([json!({ "key": "m", "id": "s1", "settles": { "key": effect.id.to_string(), "what": "accepted" } })])
        .await;
    hub.arrived("/correla", 2).await;
    hub.until("the run to go on", async || (hub.server.calls("/flujo").len() == 2).then_some(())).await;
    assert_eq!(hub.effects().await[0].state, EffectState::Done);
    hub.pass(i64::try_from(CORRELATE_WITHIN.as_secs()).unwrap() + 1);
    hub.calm().await;
    assert_eq!(hub.server.values("/correla", "/n"), [json!(1), json!(2)]);
}

#[tokio::test]
async fn g07_a_status_that_never_comes_leaves_it_unknown() {
    let hub = Hub::build().flow(&flow("correla", "")).start().await;
    hub.server.script("/correla", [Reply::Cut]);
    hub.paid("1", json!({ "n": 1 })).await;
    hub.comes_to("a", EffectState::Checking).await;
    hub.pass(i64::try_from(CORRELATE_WITHIN.as_secs()).unwrap() + 1);
    hub.comes_to("a", EffectState::Unknown).await;
    assert_eq!(hub.server.calls("/correla").len(), 1);
}

#[tokio::test]
async fn g07_a_status_may_come_before_the_answer() {
    let hub = Hub::build().flow(&flow("correla", "")).start().await;
    hub.server.script("/correla", [Reply::Hang]);
    hub.paid("1", json!({ "n": 1 })).await;
    hub.arrived("/correla", 1).await;
    let id = hub.effect("a").await.unwrap().id.to_string();
    hub.hear([json!({ "key": "m", "id": "s1", "settles": { "key": id, "what": "delivered" } })]).await;
    hub.comes_to("a", EffectState::Done).await;
    hub.comes_to("despues", EffectState::Done).await;
    // The hub ends before the answer: nothing is repeated.
    let hub = hub.crash().await;
    hub.calm().await;
    assert_eq!(hub.server.calls("/correla").len(), 1);
    assert_eq!(hub.server.calls("/flujo").len(), 1);
}

#[tokio::test]
async fn g07_at_most_once_is_held_or_resent_as_declared() {
    let hub = Hub::build().flow(&flow("unavez", "    on_unknown: hold\n")).start().await;
    hub.server.script("/unavez", [Reply::Cut]);
    hub.paid("1", json!({ "n": 1 })).await;
    let held = hub.comes_to("a", EffectState::Unknown).await;
    hub.pass(3600);
    hub.calm().await;
    assert_eq!(hub.server.calls("/unavez").len(), 1, "never a silent second one");
    assert_eq!(hub.engine.metrics().snapshot().unknown, 1);
    // A person decides that it was not done: another key, since it is another call.
    hub.engine.retry(held.id).await.unwrap();
    hub.arrived("/unavez", 2).await;
    let keys: Vec<_> = hub.server.calls("/unavez").into_iter().filter_map(|c| c.key).collect();
    assert_eq!(keys, [held.id.to_string(), format!("{}.2", held.id)]);
    hub.arrived("/flujo", 1).await;

    let hub = Hub::build().flow(&flow("unavez", "    on_unknown: resend\n")).start().await;
    hub.server.script("/unavez", [Reply::Cut]);
    hub.paid("1", json!({ "n": 1 })).await;
    hub.comes_to("a", EffectState::Done).await;
    assert_eq!(hub.server.calls("/unavez").len(), 2);
    assert_eq!(hub.server.calls("/unavez")[0], hub.server.calls("/unavez")[1]);
}

#[tokio::test]
async fn g07_accepted_is_not_delivered_a_late_failure_starts_otherwise_once() {
    let flow = on_paid(
        "  - id: a\n    do: ventas.mensaje\n    with: { to: ana }\n    otherwise:\n      - id: correo\n        do: ventas.clave\n        with: { to: ana }\n  - id: despues\n    needs: [a]\n    do: ventas.flujo\n    with: { to: ana }\n",
    );
    let hub = Hub::build().flow(&flow).start().await;
    hub.server.always("/mensaje", Reply::ok(json!({ "ref": "wamid.1" })));
    hub.paid("1", json!({})).await;
    hub.comes_to("a", EffectState::Settling).await;
    // The run goes on at the answer, and is not over.
    hub.arrived("/flujo", 1).await;
    hub.until("settling", async || (hub.runs().await[0].status == RunStatus::Settling).then_some(())).await;
    assert!(hub.server.calls("/clave").is_empty());
    for id in ["s1", "s2"] {
        hub.hear([json!({ "key": "m", "id": id, "settles": { "ref": "wamid.1", "what": "failed" } })]).await;
        hub.decided().await;
    }
    hub.arrived("/clave", 1).await;
    let failed = hub.comes_to("a", EffectState::FailedLate).await;
    assert_eq!(failed.code.as_deref(), Some("131026"));
    hub.until("the run to end", async || (hub.runs().await[0].status == RunStatus::Done).then_some(())).await;
    hub.calm().await;
    assert_eq!(hub.server.calls("/clave").len(), 1);
}

#[tokio::test]
async fn g07_a_status_that_never_comes_is_unsettled_and_starts_nothing() {
    let flow = on_paid(
        "  - id: a\n    do: ventas.mensaje\n    with: { to: ana }\n    otherwise:\n      - do: ventas.clave\n        with: { to: ana }\n",
    );
    for early in [false, true] {
        let hub = Hub::build().flow(&flow).start().await;
        hub.server.always("/mensaje", if early { Reply::Hang } else { Reply::ok(json!({ "ref": "wamid.1" })) });
        hub.paid("1", json!({})).await;
        hub.arrived("/mensaje", 1).await;
        if early {
            // Only the provider's first status comes, before the answer; then nothing more.
            let id = hub.effect("a").await.unwrap().id.to_string();
            hub.hear([json!({ "key": "m", "id": "s1", "settles": { "key": id, "what": "accepted" } })]).await;
        }
        hub.comes_to("a", EffectState::Settling).await;
        hub.pass(3601);
        hub.comes_to("a", EffectState::Unsettled).await;
        hub.until("the run to end", async || (hub.runs().await[0].status == RunStatus::Done).then_some(())).await;
        assert!(hub.server.calls("/clave").is_empty(), "early: {early}");
    }
}

#[tokio::test]
async fn g07_a_multi_call_action_goes_on_where_its_answer_was_lost() {
    let hub = Hub::build().flow(&flow("pasos", "")).start().await;
    hub.server.always("/pasos1", Reply::ok(json!({ "token": "t1" })));
    hub.server.script("/pasos2", [Reply::Cut]);
    hub.paid("1", json!({ "n": 1 })).await;
    hub.arrived("/pasos2", 1).await;
    hub.comes_to("a", EffectState::Queued).await;
    hub.pass(2);
    hub.comes_to("a", EffectState::Done).await;
    assert_eq!(hub.server.calls("/pasos1").len(), 1, "the first call was answered");
    let second = hub.server.calls("/pasos2");
    assert_eq!(second.len(), 2);
    assert_eq!(second[0], second[1]);
    assert_eq!(second[1].json()["token"], json!("t1"));
}
