//! G11: webhooks are hints, the provider's records are the truth.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use pasarela_connector::Rate;
use pasarela_engine::{Ask, Difference, LimitOverride, Policy, ReconcileSettings};
use pasarela_store::DeliveryStatus;
use serde_json::{Value, json};
use std::time::Duration;

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
    let report = &hub.engine.reconcile("ventas", Ask::default()).await.unwrap()[0];
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

fn with(policy: Policy) -> ReconcileSettings {
    ReconcileSettings { policy, ..ReconcileSettings::default() }
}

fn page(range: std::ops::Range<u64>) -> Reply {
    let next = range.end;
    Reply::ok(json!({ "records": records(range), "next": next }))
}

/// Difference, record, facts.
fn found(report: &pasarela_engine::Report) -> Vec<(Difference, String, Vec<String>)> {
    report.findings.iter().map(|f| (f.difference, f.record.id.clone(), f.facts.clone())).collect()
}

#[tokio::test]
async fn g11_a_report_names_what_is_missing_different_and_extra_and_changes_nothing() {
    let hub = Hub::build().reconcile(with(Policy::Report)).start().await;
    // The hub knows 1 as it is, 2 in an older state, and 9, which the provider does not show.
    let known = |n: u64, data: Value| {
        json!([{ "type": "order.paid", "key": format!("order:{n}"), "id": n.to_string(), "data": data,
            "state": [{ "kind": "order", "id": n.to_string(), "data": data }] }])
    };
    for facts in [known(1, json!({ "n": 1 })), known(2, json!({ "n": 0 })), known(9, json!({ "n": 9 }))] {
        hub.hear(facts.as_array().unwrap().clone()).await;
    }
    hub.decided().await;
    let before = hub.deliveries(None).await.len();
    hub.server.script("/poll", [page(0..3)]);
    let report = &hub.engine.reconcile("ventas", Ask { from_beginning: true, policy: None }).await.unwrap()[0];
    assert_eq!((report.read, report.same, report.news), (3, 1, 2));
    assert_eq!((report.missing, report.different, report.extra), (1, 1, Some(1)));
    let expected = [
        (Difference::Missing, "0".to_owned(), vec!["order.paid".to_owned()]),
        (Difference::Different, "2".to_owned(), vec![]),
        (Difference::Extra, "9".to_owned(), vec![]),
    ];
    assert_eq!(found(report), expected);
    hub.calm().await;
    assert_eq!(hub.deliveries(None).await.len(), before, "nothing came in");
    assert_eq!(hub.events().await.len(), 3);

    // A look that somebody takes at a connection that repairs leaves the repair to do.
    let hub = Hub::build().start().await;
    hub.server.always("/poll", page(0..2));
    let look = Ask { from_beginning: false, policy: Some(Policy::Report) };
    assert_eq!(hub.engine.reconcile("ventas", look).await.unwrap()[0].missing, 2);
    hub.calm().await;
    assert!(hub.events().await.is_empty());
    assert_eq!(hub.engine.reconcile("ventas", Ask::default()).await.unwrap()[0].missing, 2);
    hub.calm().await;
    assert_eq!(hub.events().await.len(), 2);
    let from: Vec<_> = hub.server.calls("/poll").iter().map(|c| c.path.clone()).collect();
    assert_eq!(from, ["/poll?from=0", "/poll?from=0"]);
}

#[tokio::test]
async fn g11_a_proposal_waits_for_a_person_and_comes_in_once() {
    let flow = on_paid("  - id: a\n    do: ventas.clave\n    with: { to: \"{{ data.n }}\" }\n");
    let hub = Hub::build().flow(&flow).reconcile(with(Policy::Propose)).start().await;
    hub.server.always("/poll", page(0..3));
    let report = hub.engine.reconcile("ventas", Ask::default()).await.unwrap()[0].clone();
    assert_eq!((report.missing, report.news), (3, 3));
    // Seen again, it is not proposed again.
    let again = Ask { from_beginning: true, policy: None };
    let second = &hub.engine.reconcile("ventas", again).await.unwrap()[0];
    assert!(second.findings.iter().all(|f| f.delivery_id.is_none()), "{:?}", second.findings);
    let hub = hub.crash().await;
    hub.calm().await;
    assert!(hub.events().await.is_empty(), "nothing follows by itself, a restart or not");
    let waiting = hub.deliveries(Some(DeliveryStatus::Proposed)).await;
    assert_eq!(waiting.len(), 3);
    assert!(waiting[0].reason.as_ref().is_some_and(|r| r.contains("order:2")), "{:?}", waiting[0].reason);

    let [first, other, third] = [0, 1, 2].map(|i| report.findings[i].delivery_id.unwrap());
    hub.engine.replay(first).await.unwrap();
    hub.arrived("/clave", 1).await;
    let twice = hub.engine.replay(first).await.unwrap_err();
    assert!(twice.to_string().contains("only quarantined and proposed"), "{twice}");
    hub.engine.drop_delivery(other).await.unwrap();
    // The webhook of the third comes after all: approving it then brings nothing new.
    hub.hear_by("ventas", records(2..3)[0].clone()).await;
    hub.arrived("/clave", 2).await;
    hub.engine.replay(third).await.unwrap();
    hub.calm().await;
    assert_eq!((hub.server.calls("/clave").len(), hub.events().await.len()), (2, 2));
    assert!(hub.deliveries(Some(DeliveryStatus::Proposed)).await.is_empty());
}

#[tokio::test]
async fn g11_a_backfill_reads_from_the_beginning_goes_on_after_a_stop_and_leaves_the_regular_place_alone() {
    let hub = Hub::build().start().await;
    hub.server.script("/poll", [page(0..4)]);
    hub.engine.reconcile("ventas", Ask::default()).await.unwrap();
    let whole = Ask { from_beginning: true, policy: None };
    let more = |range: std::ops::Range<u64>| {
        let next = range.end;
        Reply::ok(json!({ "records": records(range), "next": next, "more": true }))
    };
    hub.server.script("/poll", [more(0..2), Reply::status(403)]);
    let broken = hub.engine.reconcile("ventas", whole).await.unwrap()[0].clone();
    assert!(broken.problem.is_some() && broken.extra.is_none(), "{broken:?}");
    let hub = hub.crash().await;
    hub.server.script("/poll", [more(2..3), page(3..6)]);
    let rest = hub.engine.reconcile("ventas", whole).await.unwrap()[0].clone();
    assert_eq!((rest.read, rest.missing, rest.extra), (4, 2, None), "who began in the middle cannot say what is extra");
    hub.server.script("/poll", [page(6..6)]);
    hub.engine.reconcile("ventas", Ask::default()).await.unwrap();
    hub.server.script("/poll", [page(0..6)]);
    let anew = hub.engine.reconcile("ventas", whole).await.unwrap()[0].clone();
    assert_eq!((anew.read, anew.same, anew.extra), (6, 6, Some(0)));
    let from: Vec<_> = hub.server.calls("/poll").iter().map(|c| c.path["/poll?from=".len()..].to_owned()).collect();
    assert_eq!(from, ["0", "0", "2", "2", "3", "4", "0"]);
}

/// Ten calls at once, one each second.
fn ten_and_one_a_second() -> LimitOverride {
    LimitOverride { rate: Some(Rate { burst: 10, every: Duration::from_secs(1) }), ..LimitOverride::default() }
}

fn pages(count: u64) -> Vec<Reply> {
    (0..count).map(|n| Reply::ok(json!({ "records": [], "next": n + 1, "more": n + 1 < count }))).collect()
}

/// The first reading asks for what it did not show, too.
async fn has_read_before(hub: &Hub) {
    hub.server.script("/poll", pages(1));
    hub.pass(60);
    hub.engine.reconcile("ventas", Ask::default()).await.unwrap();
}

#[tokio::test]
async fn g11_reading_takes_its_share_of_the_rate_while_something_waits_and_no_more() {
    let flow = on_paid("  - id: a\n    do: ventas.clave\n    with: { to: \"{{ data.n }}\" }\n");
    let settings = ReconcileSettings { share: 0.25, ..ReconcileSettings::default() };
    let hub = Hub::build().flow(&flow).limits(ten_and_one_a_second()).reconcile(settings).start().await;
    has_read_before(&hub).await;
    let before = hub.server.calls("/poll").len();
    hub.server.script("/poll", pages(12));
    hub.pass(60);
    for record in records(0..50) {
        hub.hear_by("ventas", record).await;
    }
    hub.arrived("/clave", 10).await;
    hub.calm().await;
    let engine = hub.engine.clone();
    let reading = tokio::spawn(async move { engine.reconcile("ventas", Ask::default()).await.unwrap() });
    // One call each four seconds at most, as long as others wait for the rate.
    for turn in 1..=5 {
        hub.pass(4);
        hub.calm().await;
        let (sent, read) = (hub.server.calls("/clave").len(), hub.server.calls("/poll").len() - before);
        assert!(read <= turn, "{read} reads in {} seconds", turn * 4);
        assert!(sent + read <= 10 + turn * 4, "the rate is everybody's");
        assert!(sent >= 10 + turn * 3, "{sent} effects went in {} seconds", turn * 4);
    }
    for _ in 0..60 {
        hub.pass(1);
        hub.calm().await;
    }
    assert_eq!((reading.await.unwrap()[0].calls, hub.server.calls("/clave").len()), (12, 50));
}

#[tokio::test]
async fn g11_reading_takes_what_nobody_else_has_use_for_and_leaves_half_of_the_burst() {
    let flow = on_paid("  - id: a\n    do: ventas.clave\n    with: { to: \"{{ data.n }}\" }\n");
    let settings = ReconcileSettings { share: 0.25, ..ReconcileSettings::default() };
    let hub = Hub::build().flow(&flow).limits(ten_and_one_a_second()).reconcile(settings).start().await;
    has_read_before(&hub).await;
    let before = hub.server.calls("/poll").len();
    hub.server.script("/poll", pages(8));
    hub.pass(60);
    let engine = hub.engine.clone();
    let reading = tokio::spawn(async move { engine.reconcile("ventas", Ask::default()).await.unwrap() });
    hub.arrived("/poll", before + 5).await;
    hub.calm().await;
    assert_eq!(hub.server.calls("/poll").len(), before + 5, "half of the burst is left");
    for calls in 6..=7 {
        hub.pass(1);
        hub.arrived("/poll", before + calls).await;
        hub.calm().await;
        assert_eq!(hub.server.calls("/poll").len(), before + calls, "one each second, as the provider allows");
    }
    for record in records(0..5) {
        hub.hear_by("ventas", record).await;
    }
    hub.arrived("/clave", 5).await;
    hub.pass(10);
    assert_eq!(reading.await.unwrap()[0].calls, 8);
}

#[tokio::test]
async fn g11_what_fell_due_while_the_hub_was_down_is_read_at_the_start() {
    let hub = Hub::build().start().await;
    hub.server.script("/poll", [page(0..1)]);
    hub.engine.reconcile("ventas", Ask::default()).await.unwrap();
    hub.pass(3600);
    hub.server.always("/poll", page(1..2));
    let hub = hub.crash().await;
    hub.until("the record that came meanwhile", async || (hub.events().await.len() == 2).then_some(())).await;
}

#[tokio::test]
async fn g11_a_report_outlives_the_process() {
    let hub = Hub::build().reconcile(with(Policy::Report)).start().await;
    hub.server.script("/poll", [page(0..3)]);
    let told = hub.engine.reconcile("ventas", Ask::default()).await.unwrap();
    assert_eq!((told[0].missing, told[0].findings.len()), (3, 3));
    let hub = hub.crash().await;
    let kept = hub.until("the report", async || Some(hub.engine.reports("ventas")).filter(|r| !r.is_empty())).await;
    assert_eq!(kept, told);
}

/// What a reading of everything did not show is asked for by itself: what the provider says is gone becomes a fact, once;
/// what it shows, and what it says nothing of, is only told.
#[tokio::test]
async fn g11_what_is_gone_without_a_webhook_is_a_fact_when_the_provider_says_so() {
    let hub = Hub::build().start().await;
    for n in [0, 8, 9] {
        hub.hear_by("ventas", records(n..n + 1)[0].clone()).await;
    }
    hub.decided().await;
    let whole = || Reply::ok(json!({ "records": records(0..1), "next": 1 }));
    let all = Ask { from_beginning: true, policy: None };
    // 8 was only on no page; 9 was deleted.
    hub.server.script("/poll", [whole()]);
    hub.server.script("/one", [Reply::ok(json!({})), Reply::status(404)]);
    let report = &hub.engine.reconcile("ventas", all).await.unwrap()[0];
    assert_eq!((report.extra, report.different), (Some(1), 1), "{report:?}");
    let asked: Vec<_> = hub.server.calls("/one").iter().map(|c| c.path.clone()).collect();
    assert_eq!(asked, ["/one?id=8", "/one?id=9"]);
    hub.calm().await;
    let told = |events: Vec<pasarela_domain::Envelope>| -> Vec<String> {
        events.into_iter().filter(|e| e.event_type == "order.cancelled").map(|e| e.key).collect()
    };
    assert_eq!(told(hub.events().await), ["order:9"]);
    // The hub knows now that it is deleted: it is asked for no more, and told no more.
    hub.server.script("/poll", [whole()]);
    hub.server.script("/one", [Reply::status(500)]);
    let report = &hub.engine.reconcile("ventas", all).await.unwrap()[0];
    assert_eq!(
        (report.extra, hub.server.calls("/one").len()),
        (Some(1), 3),
        "an answer that says nothing is no deletion"
    );
    assert_eq!(told(hub.events().await), ["order:9"]);
}
