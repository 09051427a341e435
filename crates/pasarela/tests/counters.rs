//! The cost of a flow, in numbers that do not depend on the machine: a flow of three effects, one
//! after another, is at most five transactions and twenty rows (engine.md, "Transactions").
//!
//! An order that names a person costs two rows more per e-mail and phone: the links of event and
//! delivery to the person, by which an erasure finds them without opening sealed bodies.

#[path = "support/hub.rs"]
mod hub;

use hub::{Home, Hub, Sender, Sink, THREE_EFFECTS, order};
use std::time::{Duration, Instant};

const FLOWS: usize = 120;
const SENDERS: usize = 4;

/// Transactions and rows per flow.
async fn cost(hub: &Hub, round: &str, body: fn(&str) -> Vec<u8>) -> (f64, f64) {
    let read = async |name: &str| hub.metric(name).await.expect("the hub has this metric");
    hub.quiet(Duration::from_secs(10)).await;
    let before = (read("pasarela_store_transactions").await, read("pasarela_store_row_operations").await);
    let done = read("pasarela_runs_done_total").await + FLOWS as f64;
    let senders: Vec<_> = (0..SENDERS)
        .map(|s| {
            let (addr, round) = (hub.addr, round.to_owned());
            tokio::spawn(async move {
                let mut sender = Sender::default();
                for n in 0..FLOWS / SENDERS {
                    let body = body(&format!("evt-{round}-{s}x{n}"));
                    let (status, _) = sender.post(addr, "/hooks/tienda", &body).await.expect("an answer");
                    assert_eq!(status, 200);
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("a sender ends");
    }
    let until = Instant::now() + Duration::from_secs(30);
    while read("pasarela_runs_done_total").await < done {
        assert!(Instant::now() < until, "the flows do not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    hub.quiet(Duration::from_secs(10)).await;
    let flows = FLOWS as f64;
    (
        (read("pasarela_store_transactions").await - before.0) / flows,
        (read("pasarela_store_row_operations").await - before.1) / flows,
    )
}

/// An order whose buyer left neither e-mail nor phone.
fn nameless(id: &str) -> Vec<u8> {
    let mut value: serde_json::Value = serde_json::from_slice(&order(id)).expect("an order is JSON");
    value["attendee"]["email"] = "".into();
    value["attendee"]["phone"] = "".into();
    value.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_of_three_effects_is_five_transactions_and_twenty_rows() {
    let sink = Sink::start().await;
    let home = Home::new(sink.addr, &["tienda"], &[("banco", THREE_EFFECTS)]);
    let hub = home.start(&[]).await.expect("the hub starts");

    let (transactions, rows) = cost(&hub, "a", nameless).await;
    // Less would mean that something is not counted: one accept, one decision, three outcomes.
    assert!((4.99..=5.0).contains(&transactions), "{transactions} transactions a flow");
    assert!((15.0..=20.0).contains(&rows), "{rows} rows a flow");

    let (transactions, with_person) = cost(&hub, "b", order).await;
    assert!(transactions <= 5.0, "{transactions} transactions a flow that names a person");
    assert!(with_person <= rows + 4.0, "{with_person} rows a flow that names a person, {rows} without");
    assert_eq!(sink.calls().len(), 2 * 3 * FLOWS, "each effect was sent once");
}
