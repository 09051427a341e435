//! G9: a campaign does not delay a ticket, and no flow another.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use pasarela_connector::Rate;
use pasarela_domain::Clock as _;
use pasarela_engine::LimitOverride;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// People of one webhook of the campaign, and webhooks: each is a run of its own.
const PEOPLE: usize = 100;
const RUNS: usize = 100;

/// A flow on an event, that sends to each person with this class.
fn flow(name: &str, on: &str, class: &str) -> String {
    format!(
        "flow: {name}\nversion: 1\non: {on}\nsteps:\n  - each: \"{{{{ data.people }}}}\"\n    as: persona\n    steps:\n      - id: m\n        do: ventas.clave\n        class: {class}\n        purpose: sale\n        with: {{ to: \"{{{{ persona }}}}\", flow: {name} }}\n"
    )
}

fn news(event: &str, n: usize, people: Vec<String>) -> Value {
    json!({ "type": event, "key": format!("{event}:{n}"), "id": format!("{event}-{n}"), "data": { "people": people } })
}

fn eighty_a_second() -> LimitOverride {
    let rate = Rate { burst: 80, every: Duration::from_micros(12_500) };
    LimitOverride { rate: Some(rate), ..LimitOverride::default() }
}

/// Queues the campaign.
async fn campaign(hub: &Hub) {
    for n in 0..RUNS {
        let people = (0..PEOPLE).map(|p| format!("c{n}-{p}")).collect();
        hub.hear([news("order.updated", n, people)]).await;
    }
    hub.until("the campaign to be queued", async || {
        let health = hub.engine.store().health(hub.clock.now()).await.unwrap();
        (health.inbox == 0 && health.queued as usize + hub.server.calls("/clave").len() >= PEOPLE * RUNS).then_some(())
    })
    .await;
}

/// Lets business time pass in small steps, each as long as it takes until every call that the bucket
/// allows has arrived. Returns after how many milliseconds each call of a flow came.
async fn sells(hub: &Hub, flow: &str, event: &str, sales: usize) -> Vec<i64> {
    let mut sold: HashMap<String, i64> = HashMap::new();
    let mut waited = Vec::new();
    let (mut now, mut told) = (0i64, hub.server.calls("/clave").len());
    let before = told;
    while waited.len() < sales {
        if now % 200 == 0 && sold.len() < sales {
            let guest = format!("{flow}-{}", sold.len());
            hub.hear([news(event, 1000 + sold.len(), vec![guest.clone()])]).await;
            hub.decided().await;
            sold.insert(guest, now);
        }
        now += 50;
        hub.pass_millis(50);
        // Four tokens; the last of them may come a breath later.
        let due = (before + (now as usize) * 80 / 1000).saturating_sub(1);
        hub.until("what the bucket allows to be sent", async || {
            (hub.server.calls("/clave").len() >= due).then_some(())
        })
        .await;
        let calls = hub.server.calls("/clave");
        for call in &calls[told..] {
            let to = call.json()["to"].as_str().unwrap_or_default().to_owned();
            if let Some(at) = sold.get(&to) {
                waited.push(now - at);
            }
        }
        told = calls.len();
        assert!(told <= before + (now as usize) * 80 / 1000 + 81, "more than 80 a second: {told} in {now} ms");
        assert!(now < 120_000, "only {} of {sales} arrived", waited.len());
    }
    waited.sort_unstable();
    waited
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g09_a_ticket_sold_during_a_campaign_reaches_its_guest_within_two_seconds() {
    let hub = Hub::build()
        .flow(&flow("campana", "order.updated", "marketing"))
        .flow(&flow("boleta", "order.paid", "transactional_urgent"))
        .limits(eighty_a_second())
        .start()
        .await;
    campaign(&hub).await;
    let waited = sells(&hub, "boleta", "order.paid", 100).await;
    let p99 = waited[waited.len() * 99 / 100 - 1];
    assert!(p99 < 2000, "p99 is {p99} ms: {waited:?}");
    assert!(hub.server.calls("/clave").len() > 1000, "the campaign went on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g09_a_small_campaign_does_not_wait_behind_a_large_one() {
    let hub = Hub::build()
        .flow(&flow("campana", "order.updated", "marketing"))
        .flow(&flow("aviso", "order.refunded", "marketing"))
        .limits(eighty_a_second())
        .start()
        .await;
    campaign(&hub).await;
    // Also after a restart, when all of it is read from the store.
    let hub = hub.crash().await;
    let waited = sells(&hub, "aviso", "order.refunded", 30).await;
    let p99 = waited[waited.len() * 99 / 100 - 1];
    assert!(p99 < 2000, "p99 is {p99} ms: {waited:?}");
}

/// A provider that does not answer bulk work holds back nothing that is urgent.
#[tokio::test]
async fn g09_a_slot_is_kept_for_what_is_urgent() {
    let slots = LimitOverride { concurrency: Some(4), ..LimitOverride::default() };
    let send = |name: &str, on: &str, action: &str, class: &str| {
        flow(name, on, class).replace("ventas.clave", &format!("ventas.{action}"))
    };
    let hub = Hub::build()
        .flow(&send("campana", "order.updated", "flujo", "marketing"))
        .flow(&send("boleta", "order.paid", "clave", "transactional_urgent"))
        .limits(slots)
        .start()
        .await;
    hub.server.always("/flujo", Reply::Hang);
    for n in 0..6 {
        hub.hear([news("order.updated", n, vec![format!("c{n}")])]).await;
    }
    hub.arrived("/flujo", 3).await;
    hub.hear([news("order.paid", 1, vec!["ana".into()])]).await;
    hub.arrived("/clave", 1).await;
    assert_eq!(hub.server.calls("/flujo").len(), 3);
}

/// Flows of one urgency share a lane where the action says so; its order stays that of the decisions.
#[tokio::test]
async fn g09_flows_that_share_a_lane_keep_its_order() {
    let hub = Hub::build()
        .flow(&on_paid("  - id: a\n    do: ventas.todo\n    with: { to: x, n: \"{{ data.n }}\" }\n"))
        .flow("flow: otra\nversion: 1\non: order.updated\nsteps:\n  - id: b\n    do: ventas.todo\n    with: { to: x, n: \"{{ data.n }}\" }\n")
        .start()
        .await;
    hub.server.script("/todo", [Reply::status(503)]);
    for n in 0..100 {
        let event = if n % 3 == 0 { "order.updated" } else { "order.paid" };
        hub.hear([json!({ "type": event, "key": format!("o:{n}"), "id": n.to_string(), "data": { "n": n } })]).await;
        hub.decided().await;
    }
    let hub = hub.crash().await;
    hub.pass(400);
    hub.until("all to be sent", async || (hub.server.calls("/todo").len() >= 101).then_some(())).await;
    let numbers: Vec<i64> = hub.server.values("/todo", "/n").iter().filter_map(Value::as_i64).collect();
    assert_eq!(numbers[1..], (0..100).collect::<Vec<_>>());
}
