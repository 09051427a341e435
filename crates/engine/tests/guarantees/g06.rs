//! G6: effects of one lane go out in the order in which they were decided; lanes never wait for
//! each other.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use pasarela_store::EffectState;
use serde_json::{Value, json};

fn one(action: &str, more: &str) -> String {
    on_paid(&format!(
        "  - id: a\n    do: ventas.{action}\n{more}    with: {{ to: \"{{{{ data.to }}}}\", n: \"{{{{ data.n }}}}\" }}\n"
    ))
}

fn numbers(range: std::ops::Range<i64>) -> Vec<Value> {
    range.map(|n| json!(n)).collect()
}

#[tokio::test]
async fn g06_in_order_across_decisions_and_retries() {
    let hub = Hub::build().flow(&one("clave", "")).start().await;
    hub.server.script("/clave", [Reply::status(503), Reply::status(503)]);
    for n in 0..20 {
        hub.paid(&n.to_string(), json!({ "to": "ana", "n": n })).await;
    }
    hub.calm().await;
    assert_eq!(hub.server.values("/clave", "/n"), [json!(0)], "nobody overtakes a retry");
    hub.pass(400);
    hub.arrived("/clave", 2).await;
    hub.calm().await;
    hub.pass(400);
    hub.arrived("/clave", 22).await;
    assert_eq!(hub.server.values("/clave", "/n")[2..], numbers(0..20));
}

#[tokio::test]
async fn g06_lanes_never_wait_for_each_other() {
    let hub = Hub::build().flow(&one("clave", "")).start().await;
    hub.server.script("/clave", [Reply::Hang]);
    hub.paid("0", json!({ "to": "slow", "n": 0 })).await;
    hub.arrived("/clave", 1).await;
    hub.paid("1", json!({ "to": "slow", "n": 1 })).await;
    for n in 2..12 {
        hub.paid(&n.to_string(), json!({ "to": format!("p{n}"), "n": n })).await;
    }
    hub.arrived("/clave", 11).await;
    let mut seen: Vec<_> = hub.server.values("/clave", "/n").iter().filter_map(Value::as_i64).collect();
    seen.sort_unstable();
    assert_eq!(seen, [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
}

#[tokio::test]
async fn g06_the_whole_connection_and_the_flow_key_are_lanes_too() {
    for (action, first_three) in [("todo", vec![0]), ("flujo", vec![0, 1, 2])] {
        let hub = Hub::build().flow(&one(action, "")).start().await;
        let path = format!("/{action}");
        hub.server.script(&path, [Reply::Hang, Reply::Hang, Reply::Hang]);
        for n in 0..3 {
            hub.paid(&n.to_string(), json!({ "to": format!("p{n}"), "n": n })).await;
        }
        hub.arrived(&path, first_three.len()).await;
        hub.until("rest", async || (hub.engine.in_memory().2 == first_three.len() as u64).then_some(())).await;
        let mut seen: Vec<_> = hub.server.values(&path, "/n").iter().filter_map(Value::as_i64).collect();
        seen.sort_unstable();
        assert_eq!(seen, first_three, "{action}");
    }
}

#[tokio::test]
async fn g06_a_dead_letter_parks_its_lane_or_skips_as_declared() {
    for (park, expected) in [("park", vec![0]), ("skip", vec![0, 1])] {
        let hub = Hub::build().flow(&one("clave", &format!("    on_dead: {park}\n"))).start().await;
        hub.server.script("/clave", [Reply::status(402)]);
        hub.paid("0", json!({ "to": "ana", "n": 0 })).await;
        hub.until("a dead letter", async || {
            hub.effects().await.first().filter(|e| e.state == EffectState::Dead).map(|_| ())
        })
        .await;
        hub.paid("1", json!({ "to": "ana", "n": 1 })).await;
        hub.calm().await;
        let seen: Vec<_> = hub.server.values("/clave", "/n").iter().filter_map(Value::as_i64).collect();
        assert_eq!(seen, expected, "{park}");
        // A restart changes nothing about it.
        let hub = hub.crash().await;
        hub.calm().await;
        assert_eq!(hub.server.calls("/clave").len(), expected.len(), "{park} after a restart");
        let dead = hub.effects().await[0].id;
        hub.engine.retry(dead).await.unwrap();
        hub.arrived("/clave", expected.len() + if park == "park" { 2 } else { 1 }).await;
        let seen: Vec<_> = hub.server.values("/clave", "/n").iter().filter_map(Value::as_i64).collect();
        assert_eq!(seen, if park == "park" { vec![0, 0, 1] } else { vec![0, 1, 0] }, "{park}");
    }
}

#[tokio::test]
async fn g06_a_batch_takes_heads_of_lanes_and_each_input_has_its_own_outcome() {
    let hub = Hub::build().flow(&one("lote", "")).start().await;
    // While the connection is held, work gathers.
    hub.server.script("/lote", [Reply::status(429).with("retry-after", "5")]);
    hub.server.always("/lote", Reply::ok(json!({ "failed": ["p4"] })));
    hub.paid("0", json!({ "to": "p0", "n": 0 })).await;
    hub.arrived("/lote", 1).await;
    for n in 1..9 {
        hub.paid(&n.to_string(), json!({ "to": format!("p{n}"), "n": n })).await;
    }
    hub.calm().await;
    hub.pass(7);
    hub.until("all to end", async || {
        let ended = [EffectState::Done, EffectState::GaveUp];
        (hub.effects().await.iter().filter(|e| ended.contains(&e.state)).count() == 9).then_some(())
    })
    .await;
    let sizes: Vec<usize> = hub.server.calls("/lote").iter().map(|c| c.json().as_array().map_or(0, Vec::len)).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 10, "nine, and the first one twice: {sizes:?}");
    assert_eq!(sizes.iter().max(), Some(&5), "{sizes:?}");
    let gave_up: Vec<_> = hub.effects().await.into_iter().filter(|e| e.state == EffectState::GaveUp).collect();
    assert_eq!(gave_up.len(), 1);
    assert_eq!(gave_up[0].code.as_deref(), Some("bad_row"));
}
