//! G11: webhooks are hints, the provider's records are the truth.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use serde_json::{Value, json};

fn records(range: std::ops::Range<u64>) -> Vec<Value> {
    range
        .map(|n| {
            json!({ "facts": [{ "type": "order.paid", "key": format!("order:{n}"), "id": n.to_string(), "data": { "n": n },
                "state": [{ "kind": "order", "id": n.to_string(), "data": { "n": n } }] }] })
        })
        .collect()
}

#[tokio::test]
async fn g11_with_no_webhook_at_all_reconciliation_brings_the_same_facts() {
    let flow = on_paid("  - id: a\n    do: ventas.clave\n    with: { to: \"{{ data.n }}\" }\n");
    let by_webhook = Hub::build().flow(&flow).start().await;
    for record in records(0..12) {
        by_webhook.hear_by("ventas", record).await;
    }
    by_webhook.arrived("/clave", 12).await;

    let hub = Hub::build().flow(&flow).start().await;
    hub.server.script(
        "/poll",
        [
            Reply::ok(json!({ "records": records(0..5), "next": 5, "more": true })),
            Reply::status(500),
            Reply::ok(json!({ "records": records(5..12), "next": 12 })),
        ],
    );
    // Nobody asks: the schedule does, once it has begun.
    hub.calm().await;
    hub.pass(901);
    hub.arrived("/clave", 12).await;
    let facts = |events: Vec<pasarela_domain::Envelope>| {
        let mut all: Vec<_> = events.into_iter().map(|e| (e.event_type, e.key, e.data.to_string())).collect();
        all.sort();
        all
    };
    assert_eq!(facts(hub.events().await), facts(by_webhook.events().await));
    assert!(hub.deliveries(None).await.iter().all(|d| d.source == "poll"));
    let cursors: Vec<_> = hub.server.calls("/poll").iter().map(|c| c.path.clone()).collect();
    assert_eq!(cursors, ["/poll?from=0", "/poll?from=5", "/poll?from=5"], "it goes on where it stopped");

    // The same records again are counted and not stored.
    let stored = hub.deliveries(None).await.len();
    hub.server.script("/poll", [Reply::ok(json!({ "records": records(0..12), "next": 12 }))]);
    let report = &hub.engine.reconcile("ventas").await.unwrap()[0];
    assert_eq!((report.read, report.same, report.news), (12, 12, 0));
    assert_eq!(hub.deliveries(None).await.len(), stored);
    // And a late webhook of one of them is a duplicate.
    hub.hear_by("ventas", records(3..4)[0].clone()).await;
    hub.calm().await;
    assert_eq!(hub.server.calls("/clave").len(), 12);
}

#[tokio::test]
async fn g11_a_refused_delivery_marks_its_connection_for_reconciliation_at_once() {
    let hub = Hub::build().start().await;
    hub.server.always("/poll", Reply::ok(json!({ "records": records(0..1), "next": 1 })));
    hub.engine.missed("ventas");
    hub.until("the missed fact", async || (hub.events().await.len() == 1).then_some(())).await;
}
