//! Webhooks: order, time, tries, and each fault of theirs.

use crate::hub::Hub;
use crate::wire::call;
use crate::{host_for, quiet, until};
use jiff::Timestamp;
use pasarela_domain::{Pace, PacedClock, Segment, SystemClock};
use pasarela_sandbox::{Fault, Faults, Host, Script};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn host_of(hub: &Hub, faults: Faults) -> Host {
    host_for(&hub.url(), faults, Arc::new(SystemClock)).await
}

fn send(host: &Host, args: Value) {
    host.act("tienda", "send", &args).unwrap();
}

#[tokio::test]
async fn webhooks_arrive_whole_and_in_order() {
    let hub = Hub::start().await;
    let host = host_of(&hub, Faults::default()).await;
    let texts: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    send(&host, json!({ "texts": texts }));
    quiet(&host).await;
    assert_eq!(hub.bodies(), texts);
    let first = &hub.told()[0];
    assert_eq!(first.path, "/hooks/tienda");
    assert_eq!(first.headers["x-signature"], "of 0");
    assert_eq!(first.headers["user-agent"], "pasarela-sandbox");
    assert_eq!(first.headers.get_all("user-agent").iter().count(), 1);
    assert_eq!((host.traffic().webhooks.scheduled, host.traffic().webhooks.sent), (50, 50));
}

#[tokio::test]
async fn webhooks_follow_calls_even_when_the_answer_is_lost() {
    let hub = Hub::start().await;
    let host = host_of(&hub, Faults { p_lost: 1.0, ..Faults::default() }).await;
    call(host.addr(), "POST", "/tienda/orders", "a").await;
    quiet(&host).await;
    assert_eq!(hub.bodies(), ["a"]);
}

#[tokio::test]
async fn webhooks_wait_for_their_business_time() {
    let hub = Hub::start().await;
    // One real second is one business hour: forty minutes are 0.67 s.
    let now = Timestamp::now();
    let pace = Pace { real_start: now, starts_at: now, segments: vec![Segment { seconds: 0.0, speed: 3600.0 }] };
    let host = host_for(&hub.url(), Faults::default(), Arc::new(PacedClock::new(pace))).await;
    let began = Instant::now();
    send(&host, json!({ "texts": ["late"], "after_ms": 40 * 60 * 1000 }));
    send(&host, json!({ "texts": ["early"], "after_ms": 20 * 60 * 1000 }));
    assert_eq!(host.pending_webhooks(), 2);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(hub.bodies(), [""; 0]);
    quiet(&host).await;
    let took = began.elapsed();
    assert!(took > Duration::from_millis(600) && took < Duration::from_secs(5), "{took:?}");
    assert_eq!(hub.bodies(), ["early", "late"]);
}

#[tokio::test]
async fn duplicates_are_sent_twice_byte_for_byte() {
    let hub = Hub::start().await;
    let host = host_of(&hub, Faults { p_webhook_duplicate: 1.0, ..Faults::default() }).await;
    send(&host, json!({ "texts": ["a"] }));
    quiet(&host).await;
    assert_eq!(hub.bodies(), ["a", "a"]);
    let told = hub.told();
    assert_eq!(told[0].headers["x-signature"], told[1].headers["x-signature"]);
    let t = host.traffic().webhooks;
    assert_eq!((t.scheduled, t.duplicated, t.sent), (1, 1, 2));
}

#[tokio::test]
async fn delayed_ones_are_overtaken() {
    let hub = Hub::start().await;
    let host = host_of(&hub, Faults { p_webhook_delay: 1.0, ..Faults::default() }).await;
    send(&host, json!({ "texts": ["first"] }));
    host.set_faults(Faults::default());
    send(&host, json!({ "texts": ["second", "third"] }));
    quiet(&host).await;
    assert_eq!(hub.bodies(), ["second", "third", "first"]);
    assert_eq!(host.traffic().webhooks.delayed, 1);
}

#[tokio::test]
async fn dropped_ones_never_arrive() {
    let hub = Hub::start().await;
    let host = host_of(&hub, Faults { p_webhook_drop: 1.0, ..Faults::default() }).await;
    send(&host, json!({ "texts": ["a", "b"] }));
    host.set_faults(Faults::default());
    send(&host, json!({ "texts": ["c"] }));
    quiet(&host).await;
    assert_eq!(hub.bodies(), ["c"]);
    let t = host.traffic().webhooks;
    assert_eq!((t.scheduled, t.dropped, t.sent, t.refused), (3, 2, 1, 0));
}

#[tokio::test]
async fn scripts_hit_webhooks_by_connection_and_kind() {
    let hub = Hub::start().await;
    let host = host_of(&hub, Faults::default()).await;
    host.script(Script::once("/tienda/order.", Fault::WebhookDrop));
    host.script(Script::once("/tienda/note", Fault::WebhookDuplicate));
    host.script(Script::once("/tienda/note", Fault::WebhookDelay { millis: 800 }));
    send(&host, json!({ "texts": ["twice", "late", "plain"] }));
    call(host.addr(), "POST", "/tienda/orders", "gone").await;
    quiet(&host).await;
    assert_eq!(hub.bodies(), ["twice", "twice", "plain", "late"]);
}

#[tokio::test]
async fn a_hub_that_is_down_loses_the_single_tries_and_none_of_the_persistent() {
    let hub = Hub::start().await;
    let (addr, url) = (hub.addr, hub.url());
    let host = host_for(&url, Faults::default(), Arc::new(SystemClock)).await;
    send(&host, json!({ "texts": ["before"] }));
    quiet(&host).await;
    drop(hub);
    tokio::time::sleep(Duration::from_millis(50)).await;
    send(&host, json!({ "texts": ["once"], "once_ms": 500 }));
    send(&host, json!({ "texts": ["kept 1", "kept 2"] }));
    until("all have been tried", || async { host.traffic().webhooks.refused >= 5 }).await;
    assert_eq!(host.pending_webhooks(), 2);
    assert_eq!(host.traffic().webhooks.given_up, 1);
    let hub = Hub::start_at(addr).await;
    quiet(&host).await;
    let mut bodies = hub.bodies();
    bodies.sort();
    assert_eq!(bodies, ["kept 1", "kept 2"]);
    let t = host.traffic().webhooks;
    assert_eq!(t.scheduled + t.duplicated, t.sent + t.given_up + t.dropped);
}

#[tokio::test]
async fn persistent_ones_are_tried_until_a_2xx_and_single_ones_are_not() {
    let hub = Hub::start().await;
    let host = host_of(&hub, Faults::default()).await;
    hub.answers([503, 401, 302].map(|status| (status, Duration::ZERO)));
    send(&host, json!({ "texts": ["a"] }));
    quiet(&host).await;
    assert_eq!(hub.bodies(), ["a", "a", "a", "a"]);
    hub.answers([(503, Duration::ZERO)]);
    send(&host, json!({ "texts": ["b"], "once_ms": 500 }));
    quiet(&host).await;
    assert_eq!(hub.bodies().iter().filter(|b| *b == "b").count(), 1);
    let t = host.traffic().webhooks;
    assert_eq!((t.sent, t.refused, t.given_up), (1, 4, 1));
}

#[tokio::test]
async fn a_single_try_ends_at_its_time_limit() {
    let hub = Hub::start().await;
    let host = host_of(&hub, Faults::default()).await;
    hub.answers([(200, Duration::from_secs(60))]);
    let began = Instant::now();
    send(&host, json!({ "texts": ["slow", "next"], "once_ms": 200 }));
    quiet(&host).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(3), "{took:?}");
    assert_eq!(hub.bodies(), ["slow", "next"]);
    assert_eq!((host.traffic().webhooks.sent, host.traffic().webhooks.given_up), (1, 1));
}

#[tokio::test]
async fn one_that_hangs_does_not_hold_back_the_next() {
    let hub = Hub::start().await;
    let host = host_of(&hub, Faults::default()).await;
    hub.answers([(200, Duration::from_secs(60))]);
    send(&host, json!({ "texts": ["hangs", "next"], "once_ms": 30_000 }));
    until("the next one arrives", || async { hub.bodies().len() == 2 }).await;
    until("the next one has ended", || async { host.traffic().webhooks.sent == 1 }).await;
    until("only the first is still being tried", || async { host.pending_webhooks() == 1 }).await;
    assert_eq!(host.traffic().webhooks.given_up, 0);
    host.stop().await;
}

#[tokio::test]
async fn the_hub_can_move() {
    let (old, new) = (Hub::start().await, Hub::start().await);
    let host = host_of(&old, Faults::default()).await;
    host.set_hub_url(&new.url());
    send(&host, json!({ "texts": ["a"] }));
    quiet(&host).await;
    assert_eq!((old.bodies().len(), new.bodies().len()), (0, 1));
    host.set_hub_url("not a url");
    send(&host, json!({ "texts": ["b"], "once_ms": 500 }));
    quiet(&host).await;
    assert_eq!(host.traffic().webhooks.given_up, 1);
}
