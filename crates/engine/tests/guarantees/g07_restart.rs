//! G7 across a restart: the process ends while a call is out, once for each kind of action. The
//! provider counts.

use crate::g07::flow;
use crate::hub::{Hub, Place, on_paid};
use crate::server::Reply;
use crate::server_of_tests;
use pasarela_store::EffectState;
use serde_json::json;
use std::time::Duration;

/// A hub that ended while the call of step `a` was out.
async fn ended(action: &str, path: &str, more: &str) -> Hub {
    let hub = Hub::build().flow(&flow(action, more)).start().await;
    hub.server.script(path, [Reply::Hang]);
    hub.paid("1", json!({ "n": 1 })).await;
    hub.arrived(path, 1).await;
    hub.comes_to("a", EffectState::Calling).await;
    hub.crash().await
}

#[tokio::test]
async fn g07_after_a_restart_what_may_be_repeated_is_repeated_with_the_same_bytes_and_key() {
    for action in ["clave", "cliente", "lote"] {
        let path = format!("/{action}");
        let hub = ended(action, &path, "").await;
        hub.comes_to("a", EffectState::Done).await;
        let calls = hub.server.calls(&path);
        assert_eq!(calls.len(), 2, "{action}");
        assert_eq!(calls[0], calls[1], "{action}");
        hub.arrived("/flujo", 1).await;
        let attempts = hub.engine.store().attempts(hub.effect("a").await.unwrap().id).await.unwrap();
        assert!(attempts.iter().any(|a| a.outcome == "interrupted"), "{action}: {attempts:?}");
    }
}

#[tokio::test]
async fn g07_after_a_restart_a_multi_call_action_goes_on_in_the_middle() {
    let hub = Hub::build().flow(&flow("pasos", "")).start().await;
    hub.server.always("/pasos1", Reply::ok(json!({ "token": "t1" })));
    hub.server.script("/pasos2", [Reply::Hang]);
    hub.paid("1", json!({ "n": 1 })).await;
    hub.arrived("/pasos2", 1).await;
    let hub = hub.crash().await;
    hub.comes_to("a", EffectState::Done).await;
    assert_eq!(hub.server.calls("/pasos1").len(), 1);
    assert_eq!(hub.server.calls("/pasos2")[0], hub.server.calls("/pasos2")[1]);
}

#[tokio::test]
async fn g07_after_a_restart_a_readable_call_is_read_back() {
    let hub = ended("leible", "/leible", "").await;
    hub.server.always("/read", Reply::ok(json!({ "found": true })));
    hub.comes_to("a", EffectState::Checking).await;
    hub.pass(31);
    hub.comes_to("a", EffectState::Done).await;
    assert_eq!(hub.server.calls("/leible").len(), 1);
    hub.arrived("/flujo", 1).await;
}

#[tokio::test]
async fn g07_after_a_restart_a_correlated_call_waits_for_its_status() {
    let hub = ended("correla", "/correla", "").await;
    let effect = hub.comes_to("a", EffectState::Checking).await;
    hub.paid("2", json!({ "n": 2 })).await;
    hub.calm().await;
    assert_eq!(hub.server.calls("/correla").len(), 1, "its lane waits");
    hub.hear([json!({ "key": "m", "id": "s1", "settles": { "key": effect.id.to_string(), "what": "delivered" } })])
        .await;
    hub.arrived("/correla", 2).await;
    assert_eq!(hub.server.values("/correla", "/n"), [json!(1), json!(2)]);
}

#[tokio::test]
async fn g07_after_a_restart_at_most_once_is_unknown_and_parks_its_lane_or_is_resent() {
    let hub = Hub::build().flow(&flow("unavez", "    on_dead: park\n")).start().await;
    hub.server.script("/unavez", [Reply::Hang]);
    hub.paid("1", json!({ "n": 1 })).await;
    hub.arrived("/unavez", 1).await;
    hub.paid("2", json!({ "n": 2 })).await;
    let hub = hub.crash().await;
    let first =
        hub.until("unknown", async || hub.effects().await.into_iter().find(|e| e.state == EffectState::Unknown));
    let first = first.await;
    hub.calm().await;
    assert_eq!(hub.server.values("/unavez", "/n"), [json!(1)], "what is behind it waits, as before the restart");
    hub.engine.drop_effect(first.id).await.unwrap();
    hub.arrived("/unavez", 2).await;
    assert_eq!(hub.server.values("/unavez", "/n"), [json!(1), json!(2)]);

    let hub = ended("unavez", "/unavez", "    on_unknown: resend\n").await;
    hub.comes_to("a", EffectState::Done).await;
    assert_eq!(hub.server.calls("/unavez").len(), 2, "as the flow declares");
}

#[tokio::test]
async fn g07_after_a_restart_nothing_that_ended_is_done_again() {
    let hub = Hub::build().flow(&flow("clave", "")).start().await;
    for n in 0..10 {
        hub.paid(&n.to_string(), json!({ "n": n })).await;
    }
    hub.arrived("/flujo", 10).await;
    hub.calm().await;
    let hub = hub.crash().await;
    hub.calm().await;
    assert_eq!((hub.server.calls("/clave").len(), hub.server.calls("/flujo").len()), (10, 10));
}

/// Waits in the database until `what` is true of its locks.
fn until_locks(what: &str) -> String {
    format!(
        "DO $$ BEGIN FOR i IN 1..3000 LOOP IF EXISTS (SELECT FROM pg_locks WHERE relation = 'effects'::regclass AND {what}) \
         THEN RETURN; END IF; PERFORM pg_sleep(0.01); END LOOP; RAISE EXCEPTION 'it never came to it'; END $$"
    )
}

/// A database that is slow is enough: what was decided is about to be written when the hub is asked to stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g07_a_stop_in_good_order_leaves_nothing_that_is_not_known() {
    let Some(place) = Place::postgres() else {
        // There is no server; scripts/postgres brings one.
        return;
    };
    let Place::Postgres(server) = &place else { return };
    let url = server.url();
    let hub =
        Hub::build().flow(&on_paid("  - id: a\n    do: ventas.unavez\n    with: { n: 1 }\n")).on(place).start().await;
    let waits = until_locks("NOT granted");
    let hold = format!("BEGIN; LOCK TABLE effects IN EXCLUSIVE MODE; {waits}; SELECT pg_sleep(1); COMMIT");
    let held = std::thread::spawn({
        let url = url.clone();
        move || server_of_tests::run(&url, hold)
    });
    server_of_tests::run(&url, until_locks("granted AND mode = 'ExclusiveLock'"));
    hub.hear([json!({ "type": "order.paid", "key": "order:1", "id": "1", "data": {} })]).await;
    server_of_tests::run(&url, waits);
    hub.engine.stop(Duration::from_secs(30)).await;
    held.join().expect("the table was locked");
    assert_eq!(hub.server.calls("/unavez").len(), 1, "what had begun was done");
    let row = hub.effect("a").await.expect("and written");
    assert_eq!(row.state, EffectState::Done);
}
