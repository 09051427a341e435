//! G6 and G7 over a network that loses what it can: refused, swallowed, cut anywhere, late, parted. The
//! network lives in memory; a seed names the fate of every connection.

use crate::hub::{Hub, on_paid};
use crate::wires::Fate;
use pasarela_engine::LimitOverride;
use pasarela_store::EffectState;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn within(milliseconds: u64) -> LimitOverride {
    LimitOverride { timeout: Some(Duration::from_millis(milliseconds)), ..LimitOverride::default() }
}

fn flow() -> String {
    let step = |action: &str| {
        format!(
            "  - id: {action}\n    when: \"{{{{ data.do == '{action}' }}}}\"\n    do: ventas.{action}\n    on_dead: skip\n    with: {{ to: \"{{{{ data.to }}}}\", n: \"{{{{ data.n }}}}\" }}\n"
        )
    };
    on_paid(&["clave", "leible", "unavez"].map(step).concat())
}

/// A message that cannot be known again is not unknown when it never left.
#[tokio::test]
async fn g07_a_call_that_never_had_a_connection_is_not_unknown() {
    let fates = |n| if n == 0 { Fate::BlackHole } else { Fate::Clean };
    let hub = Hub::build().flow(&flow()).wired(fates).limits(within(400)).start().await;
    hub.paid("1", json!({ "do": "unavez", "to": "ana", "n": 1 })).await;
    hub.comes_to("unavez", EffectState::Queued).await;
    hub.pass(2);
    hub.comes_to("unavez", EffectState::Done).await;
    assert_eq!(hub.server.calls("/unavez").len(), 1);
}

/// The way to the provider is gone for a while, in the middle of everything.
#[tokio::test]
async fn g06_g07_a_partition_loses_nothing_doubles_nothing_and_keeps_the_order() {
    let late = |_| Fate::Late(Duration::from_millis(1));
    let hub = Hub::build().flow(&flow()).wired(late).limits(within(500)).start().await;
    hub.server.always("/read", crate::server::Reply::ok(json!({ "found": false })));
    let wires = hub.wires.clone().unwrap();
    for n in 0..30i64 {
        if n == 10 {
            wires.freeze();
        }
        let action = ["clave", "leible"][(n % 2) as usize];
        hub.hear([json!({ "type": "order.paid", "key": format!("k{n}"), "id": n.to_string(),
            "data": { "do": action, "to": format!("{action}-{}", n % 3), "n": n } })])
            .await;
        hub.decided().await;
    }
    hub.until("a call to be given up", async || {
        let given_up = |state| matches!(state, EffectState::Queued | EffectState::Checking);
        hub.effects().await.iter().any(|e| e.attempt > 0 && given_up(e.state)).then_some(())
    })
    .await;
    wires.thaw();
    for _ in 0..12 {
        hub.calm().await;
        hub.pass(61);
    }
    let all = hub.effects().await;
    assert!(all.iter().all(|e| e.state == EffectState::Done), "{:?}", all.iter().map(|e| e.state).collect::<Vec<_>>());
    for action in ["clave", "leible"] {
        let mut lanes: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for call in hub.server.calls(&format!("/{action}")) {
            lanes.entry(call.json()["to"].to_string()).or_default().push(call.json()["n"].as_i64().unwrap());
        }
        for (lane, mut numbers) in lanes {
            numbers.dedup();
            assert!(numbers.is_sorted_by(|a, b| a < b), "{lane}: {numbers:?}");
        }
    }
}

/// Fate of a connection by chance.
fn fate(seed: u64, n: u64) -> Fate {
    let mut dice = crate::history::story::Dice::of(&[seed, n]);
    match dice.below(10) {
        0 => Fate::Refused,
        1..=2 => Fate::CutRequest(dice.below(400) as usize),
        3..=4 => Fate::CutAnswer(dice.below(150) as usize),
        5 => Fate::Late(Duration::from_millis(dice.below(4))),
        _ => Fate::Clean,
    }
}

async fn plays(seed: u64, orders: i64) {
    let hub = Hub::build().flow(&flow()).wired(move |n| fate(seed, n)).start().await;
    // What arrived whole is done, and the provider says so.
    let done = std::sync::Arc::new(parking_lot::Mutex::new(BTreeSet::new()));
    let told = done.clone();
    hub.server.mind(std::sync::Arc::new(move |call, _| {
        let key = call.path.rsplit_once("key=").map(|(_, key)| key.to_owned());
        let found = key.map(|key| told.lock().contains(&key));
        told.lock().extend(call.key.clone());
        // Each call has a connection of its own, and so a fate.
        let answer = found.map_or(json!({ "id": "x" }), |found| json!({ "found": found }));
        Some(crate::server::Reply::ok(answer).with("connection", "close"))
    }));
    for n in 0..orders {
        let action = ["clave", "leible", "unavez"][(n % 3) as usize];
        hub.hear([json!({ "type": "order.paid", "key": format!("k{n}"), "id": n.to_string(),
            "data": { "do": action, "to": format!("{action}-{}", n % 2), "n": n } })])
            .await;
        hub.decided().await;
    }
    let open = [EffectState::Queued, EffectState::Calling, EffectState::Checking];
    for _ in 0..40 {
        hub.calm().await;
        if hub.effects().await.iter().all(|e| !open.contains(&e.state)) {
            break;
        }
        hub.pass(47);
    }
    let mut arrived: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    let mut lanes: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for call in hub.server.since(0).into_iter().filter(|c| c.key.is_some()) {
        let (n, to) = (call.json()["n"].as_i64().unwrap(), call.json()["to"].as_str().unwrap().to_owned());
        lanes.entry(to).or_default().push(n);
        arrived.entry(n).or_default().push((call.key, call.bytes));
    }
    for (lane, mut numbers) in lanes {
        numbers.dedup();
        assert!(numbers.is_sorted_by(|a, b| a < b), "seed {seed}: order of {lane}: {numbers:?}");
    }
    // One effect of each order, oldest first.
    for (n, effect) in (0..).zip(hub.effects().await) {
        let calls = arrived.remove(&n).unwrap_or_default();
        let why =
            || format!("seed {seed}: {} {n} is {:?} and arrived {} times", effect.action, effect.state, calls.len());
        match (effect.action.as_str(), effect.state) {
            ("clave", EffectState::Done) => {
                assert!(!calls.is_empty() && calls.iter().all(|c| *c == calls[0]), "{}", why());
            }
            ("leible" | "unavez", EffectState::Done) => assert_eq!(calls.len(), 1, "{}", why()),
            ("unavez", EffectState::Unknown) => assert!(calls.len() <= 1, "{}", why()),
            _ => panic!("{}", why()),
        }
    }
    assert!(arrived.is_empty(), "seed {seed}: calls that nobody wanted: {arrived:?}");
}

fn config() -> ProptestConfig {
    let kept = proptest::test_runner::FileFailurePersistence::Direct(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/proptest-regressions/network.txt"
    ));
    // A shorter story of a seed is another story: there is little to shrink.
    ProptestConfig {
        cases: 10,
        max_shrink_iters: 8,
        failure_persistence: Some(Box::new(kept)),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn g06_g07_whatever_the_network_loses_each_is_done_once_in_order_or_known_to_be_unknown(
        seed in any::<u64>(),
        orders in 6..24i64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(plays(seed, orders));
    }
}
