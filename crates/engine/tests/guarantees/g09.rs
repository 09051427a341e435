//! G9: a campaign does not delay a ticket, and no flow another.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use pasarela_connector::Rate;
use pasarela_domain::Clock as _;
use pasarela_engine::{Admission, InboundRequest, LimitOverride};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// People of one webhook of a campaign; each webhook is a run of its own.
const PEOPLE: usize = 100;
/// Webhooks that are sent before their decisions are waited for.
const AT_A_TIME: usize = 50;

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

/// Queues a campaign to so many people.
async fn campaign(hub: &Hub, people: usize) {
    for n in 0..people / PEOPLE {
        let people = (0..PEOPLE).map(|p| format!("c{n}-{p}")).collect();
        hub.hear([news("order.updated", n, people)]).await;
        if n % AT_A_TIME == 0 {
            hub.decided().await;
        }
    }
    hub.until("the campaign to be queued", async || {
        let health = hub.engine.store().health(hub.clock.now()).await.unwrap();
        (health.inbox == 0 && health.queued as usize + hub.server.count() >= people).then_some(())
    })
    .await;
}

/// What was seen while tickets were sold.
struct Sold {
    /// After how many milliseconds each reached its guest, sorted.
    waited: Vec<i64>,
    /// Calls of others in each second.
    others: Vec<usize>,
    /// Most effects of the connection in memory at any time.
    in_memory: usize,
}

impl Sold {
    fn p99(&self) -> i64 {
        self.waited[self.waited.len() * 99 / 100 - 1]
    }
}

/// Lets business time pass in small steps, each as long as it takes until every call that the bucket
/// allows has arrived, while five a second are sold.
async fn sells(hub: &Hub, flow: &str, event: &str, sales: usize) -> Sold {
    let mut at: HashMap<String, i64> = HashMap::new();
    let mut sold = Sold { waited: Vec::new(), others: Vec::new(), in_memory: 0 };
    let before = hub.server.count();
    let (mut now, mut told) = (0i64, before);
    while sold.waited.len() < sales {
        if now % 200 == 0 && at.len() < sales {
            let guest = format!("{flow}-{before}-{}", at.len());
            hub.hear([news(event, before + 1000 + at.len(), vec![guest.clone()])]).await;
            hub.decided().await;
            at.insert(guest, now);
        }
        if now % 1000 == 0 {
            sold.others.push(0);
        }
        now += 50;
        hub.pass_millis(50);
        // Four tokens; the last of them may come a breath later.
        let due = (before + (now as usize) * 80 / 1000).saturating_sub(1);
        hub.until("what the bucket allows to be sent", async || (hub.server.count() >= due).then_some(())).await;
        for call in hub.server.since(told) {
            told += 1;
            let to = call.json()["to"].as_str().unwrap_or_default().to_owned();
            match at.get(&to) {
                Some(at) => sold.waited.push(now - at),
                None => *sold.others.last_mut().unwrap() += 1,
            }
        }
        sold.in_memory = sold.in_memory.max(hub.engine.connections()[0].work.queued.iter().sum());
        assert!(told <= before + (now as usize) * 80 / 1000 + 81, "more than 80 a second: {told} in {now} ms");
        assert!(now < 120_000, "only {} of {sales} arrived", sold.waited.len());
    }
    sold.waited.sort_unstable();
    sold
}

/// The whole of it: a hundred thousand at eighty a second are twenty minutes of sending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g09_a_ticket_sold_during_a_campaign_of_a_hundred_thousand_reaches_its_guest_within_two_seconds() {
    let hub = Hub::build()
        .flow(&flow("campana", "order.updated", "marketing"))
        .flow(&flow("boleta", "order.paid", "transactional_urgent"))
        .limits(eighty_a_second())
        .start()
        .await;
    campaign(&hub, 100_000).await;
    let sold = sells(&hub, "boleta", "order.paid", 100).await;
    holds(&sold);
    // Also after a restart, when all of it is read from the store.
    let hub = hub.crash().await;
    let sold = sells(&hub, "boleta", "order.paid", 100).await;
    holds(&sold);
    // Those that were out at the end of the first life came again, with their key and bytes.
    let mut seen = HashMap::new();
    for call in hub.server.since(0) {
        let before = seen.insert(call.key, call.bytes.clone());
        assert!(before.is_none_or(|b| b == call.bytes), "other bytes under the same key");
    }
}

fn holds(sold: &Sold) {
    assert!(sold.p99() < 2000, "p99 is {} ms: {:?}", sold.p99(), sold.waited);
    // Five tickets a second leave seventy-five; a call that came a breath later counts in the next second,
    // and the last second may have been cut short.
    let whole = &sold.others[..sold.others.len() - 1];
    let all: usize = whole.iter().sum();
    assert!(all >= whole.len() * 73, "the campaign gets what is left: {all} in {} s", whole.len());
    assert!(whole.iter().all(|calls| *calls >= 30), "it goes on in every second: {:?}", sold.others);
    assert!(sold.in_memory <= 4096, "{} effects in memory", sold.in_memory);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g09_a_small_campaign_does_not_wait_behind_a_large_one() {
    let hub = Hub::build()
        .flow(&flow("campana", "order.updated", "marketing"))
        .flow(&flow("aviso", "order.refunded", "marketing"))
        .limits(eighty_a_second())
        .start()
        .await;
    campaign(&hub, 10_000).await;
    // Also after a restart, when all of it is read from the store.
    let hub = hub.crash().await;
    let sold = sells(&hub, "aviso", "order.refunded", 30).await;
    assert!(sold.p99() < 2000, "p99 is {} ms: {:?}", sold.p99(), sold.waited);
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

/// Check-ins are decided before a flood that was accepted before them, whichever decider they share with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g09_a_check_in_is_decided_before_the_flood_in_memory() {
    let hub = Hub::build().flow(&flow("campana", "order.updated", "marketing")).limits(eighty_a_second()).start().await;
    // All of one key, so that one decider has them one after another, each with many effects.
    let people: Vec<String> = (0..PEOPLE).map(|p| format!("c{p}")).collect();
    let mut flood = tokio::task::JoinSet::new();
    for n in 0..150 {
        let fact = json!({ "type": "order.updated", "key": "k", "id": format!("u{n}"), "data": { "people": people } });
        let (engine, body) = (hub.engine.clone(), json!({ "facts": [fact] }).to_string().into());
        flood.spawn(async move {
            let headers = [("x-clave", "si")].map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()));
            let headers = headers.into_iter().collect::<http::HeaderMap>();
            let request = InboundRequest { method: "POST", query: "", headers: &headers, body };
            assert!(matches!(engine.accept("ventas", request).await, Admission::Accepted(_)));
        });
    }
    flood.join_all().await;
    for n in 0..40 {
        hub.hear([json!({ "type": "ticket.checked_in", "key": format!("t{n}"), "id": format!("t{n}"), "data": {} })])
            .await;
    }
    hub.decided().await;
    let types = hub.types().await;
    let last = types.iter().rposition(|t| t == "ticket.checked_in").unwrap();
    let behind = types.len() - 1 - last;
    assert!(behind >= 50, "only {behind} of the flood were decided after the last check-in");
}
