//! The cost of a flow, in numbers that do not depend on the machine: what `pasarela bench flows` sends,
//! a body that names a person and three effects one after another, is at most five transactions and
//! twenty rows (engine.md, "Transactions"), also when more is wanted than the connection may call at once.

#[path = "support/hub.rs"]
mod hub;
#[path = "../src/commands/bench/sample.rs"]
mod sample;

use hub::{Home, Hub, Sender, Sink};
use std::time::{Duration, Instant};

/// Transactions and rows per flow.
async fn cost(hub: &Hub, senders: usize, flows: usize) -> (f64, f64) {
    let read = async |name: &str| hub.metric(name).await.expect("the hub has this metric");
    hub.quiet(Duration::from_secs(10)).await;
    let before = (read("pasarela_store_transactions").await, read("pasarela_store_row_operations").await);
    let done = read("pasarela_runs_done_total").await + flows as f64;
    let senders: Vec<_> = (0..senders)
        .map(|s| {
            let (addr, own) = (hub.addr, flows / senders);
            tokio::spawn(async move {
                let mut sender = Sender::default();
                for n in 0..own {
                    let body = sample::body(&format!("evt-{own}-{s}x{n}"));
                    let (status, _) = sender.post(addr, "/hooks/tienda", &body).await.expect("an answer");
                    assert_eq!(status, 200);
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("a sender ends");
    }
    let until = Instant::now() + Duration::from_secs(60);
    while read("pasarela_runs_done_total").await < done {
        assert!(Instant::now() < until, "the flows do not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    hub.quiet(Duration::from_secs(10)).await;
    (
        (read("pasarela_store_transactions").await - before.0) / flows as f64,
        (read("pasarela_store_row_operations").await - before.1) / flows as f64,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_of_three_effects_is_five_transactions_and_twenty_rows() {
    const FLOWS: usize = 120;
    let sink = Sink::start().await;
    let home = Home::new(sink.addr, &["tienda"], &[("banco", sample::FLOW)]);
    let hub = home.start(&[]).await.expect("the hub starts");
    let (transactions, rows) = cost(&hub, 4, FLOWS).await;
    // Less would mean that something is not counted: one accept, one decision, three outcomes.
    assert!((4.99..=5.0).contains(&transactions), "{transactions} transactions a flow");
    assert!((15.0..=20.0).contains(&rows), "{rows} rows a flow");
    assert_eq!(sink.calls().len(), 3 * FLOWS, "each effect was sent once");
}

/// More flows at once than calls: nearly every effect waits for a slot, and begins in the transaction
/// that writes the outcome of the call before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_slot_costs_no_transaction_of_its_own() {
    const FLOWS: usize = 400;
    let sink = Sink::start().await;
    let home = Home::new(sink.addr, &["tienda"], &[("banco", sample::FLOW)]);
    let text = std::fs::read_to_string(&home.config).expect("the configuration");
    std::fs::write(&home.config, text.replace("concurrency = 256", "concurrency = 4")).expect("less at once");
    let hub = home.start(&[]).await.expect("the hub starts");
    let (transactions, rows) = cost(&hub, 16, FLOWS).await;
    assert!(rows <= 20.0, "{rows} rows a flow");
    // A claim of its own is left where a slot was free when the queue was empty: at the edges of the load.
    assert!((4.99..5.05).contains(&transactions), "{transactions} transactions a flow");
    assert_eq!(sink.calls().len(), 3 * FLOWS, "each effect was sent once");
}
