//! The guarantees that are shown elsewhere with the built program, once more at the engine, so that they
//! are shown on both databases: G1, G2, G13, G14.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use bytes::Bytes;
use pasarela_domain::Clock as _;
use pasarela_engine::{Admission, InboundRequest};
use pasarela_store::{DeliveryStatus, EffectState};
use serde_json::json;

fn one() -> String {
    on_paid("  - id: a\n    do: ventas.clave\n    with: { to: \"{{ data.n }}\", n: \"{{ data.n }}\" }\n")
}

/// Not the disk itself (`unsynced.rs` does that), but the order: kept, then answered.
#[tokio::test]
async fn g01_what_was_accepted_is_there_in_the_next_life() {
    let hub = Hub::build().flow(&one()).start().await;
    let mut accepted = Vec::new();
    for n in 0..40 {
        let fact = json!({ "type": "order.paid", "key": format!("o{n}"), "id": n.to_string(), "data": { "n": n } });
        if let Admission::Accepted(id) = hub.hear([fact]).await {
            accepted.push(id);
        }
    }
    let hub = hub.crash().await;
    hub.decided().await;
    let kept: Vec<_> = hub.deliveries(None).await.into_iter().map(|d| (d.id, d.status)).collect();
    assert_eq!(accepted.len(), 40);
    for id in accepted {
        assert!(kept.contains(&(id, DeliveryStatus::Decided)), "{id} was answered 2xx");
    }
    hub.until("each to be done", async || {
        (hub.effects().await.iter().filter(|e| e.state == EffectState::Done).count() == 40).then_some(())
    })
    .await;
}

#[tokio::test]
async fn g02_a_forgery_leaves_a_count_and_nothing_else() {
    let hub = Hub::build().flow(&one()).start().await;
    let fact = json!({ "facts": [{ "type": "order.paid", "key": "o", "id": "1", "data": { "n": 1 } }] });
    let headers = http::HeaderMap::new();
    let before = hub.engine.store().stats().transactions;
    for connection in ["ventas", "nadie"] {
        let body = Bytes::from(fact.to_string());
        let request = InboundRequest { method: "POST", query: "", headers: &headers, body };
        match (connection, hub.engine.accept(connection, request).await) {
            ("ventas", Admission::Forged(why)) => assert!(why.contains("x-clave"), "{why}"),
            ("nadie", Admission::NoConnection) => {}
            (_, other) => panic!("{connection}: {other:?}"),
        }
    }
    hub.calm().await;
    assert!(hub.deliveries(None).await.is_empty() && hub.events().await.is_empty() && hub.effects().await.is_empty());
    assert_eq!(hub.engine.store().health(hub.clock.now()).await.unwrap().inbox, 0);
    // `calm` writes nothing: it asks the writer three times whether it is done.
    assert!(hub.engine.store().stats().transactions - before <= 3);
}

#[tokio::test]
async fn g13_each_thing_that_is_stuck_is_counted_where_the_alarms_look() {
    let hub = Hub::build()
        .flow(&one())
        .flow("flow: otra\nversion: 1\non: order.updated\nsteps:\n  - id: b\n    do: ventas.unavez\n    with: { to: x }\n")
        .start()
        .await;
    let health = async || hub.engine.store().health(hub.clock.now()).await.unwrap();
    let calm = health().await;
    let zero = [calm.inbox, calm.queued, calm.calling, calm.dead, calm.unknown, calm.quarantined];
    assert_eq!((zero, calm.oldest_due), ([0; 6], None));

    hub.server.script("/clave", [Reply::status(402)]);
    hub.paid("1", json!({ "n": 1 })).await;
    hub.until("a dead letter", async || (health().await.dead == 1).then_some(())).await;

    hub.server.script("/unavez", [Reply::Cut]);
    hub.hear([json!({ "type": "order.updated", "key": "o", "id": "u", "data": {} })]).await;
    hub.until("an unknown one", async || (health().await.unknown == 1).then_some(())).await;

    hub.hear_by("ventas", json!({ "hechos": 1 })).await;
    hub.until("a quarantined one", async || (health().await.quarantined == 1).then_some(())).await;

    // What is due and does not go: its age is that of its decision.
    let since = hub.clock.now();
    hub.paid("2", json!({ "n": 1 })).await;
    hub.pass(900);
    hub.calm().await;
    let stuck = health().await;
    assert_eq!((stuck.queued, stuck.oldest_due), (1, Some(since)), "it waits behind the dead letter");

    hub.server.script("/clave", (0..6).map(|_| Reply::status(500)));
    for n in 10..16 {
        hub.paid(&n.to_string(), json!({ "n": n })).await;
    }
    hub.until("an open breaker", async || (hub.engine.connections()[0].work.breaker == "open").then_some(())).await;
    assert_eq!((hub.engine.connections()[0].state, hub.engine.connections()[0].work.parked), ("degraded", 1 + 1));
}

#[tokio::test]
async fn g14_flows_that_do_not_compile_change_nothing_and_say_where() {
    let hub = Hub::build().flow(&one()).start().await;
    let good =
        "flow: buena\nversion: 1\non: order.paid\nsteps:\n  - id: g\n    do: ventas.flujo\n    with: { to: x }\n";
    let bad = good.replace("buena", "mala").replace("ventas.flujo", "ventas.fluj0");
    let files = [("buena.yaml".to_owned(), good.to_owned()), ("mala.yaml".to_owned(), bad)];
    let refused = hub.engine.push_flows(&files, "ana", false).await.unwrap_err().to_string();
    assert!(refused.contains("mala.yaml") && refused.contains(":6") && refused.contains("flujo"), "{refused}");
    assert_eq!(hub.engine.flows().len(), 1, "nothing half done");
    hub.paid("1", json!({ "n": 1 })).await;
    hub.calm().await;
    assert!(hub.server.calls("/flujo").is_empty());
    // Commands about what is not there.
    let nobody = pasarela_domain::EffectId::from_raw(7);
    let refused = hub.engine.retry(nobody).await.unwrap_err().to_string();
    assert!(refused.contains(&nobody.to_string()), "{refused}");
}
