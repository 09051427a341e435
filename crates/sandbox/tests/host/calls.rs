//! Calls to the doubles, and each fault of an answer.

use crate::wire::{Seen, call, call_with};
use crate::{Double, host, until};
use pasarela_domain::SystemClock;
use pasarela_sandbox::{Fault, Faults, Host, Options, Script};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

async fn order(host: &Host, id: &str) -> Seen {
    call(host.addr(), "POST", "/tienda/orders", id).await
}

fn times(host: &Host, id: &str) -> u32 {
    host.arrivals("tienda").iter().filter(|a| a.identity == id).map(|a| a.times).sum()
}

#[tokio::test]
async fn a_call_reaches_the_double_and_its_answer_comes_back() {
    let host = host(Faults::default()).await;
    let seen = call_with(host.addr(), "POST", "/tienda/a%20b/c?x=1&y=", "x-key: K1\r\n", "uno").await;
    assert_eq!((seen.status(), seen.json()), (Some(201), json!({ "order": "uno" })));
    assert_eq!(seen.header("x-double").as_deref(), Some("yes"));
    let said = json!([{ "method": "POST", "url": "/a%20b/c?x=1&y=", "key": "K1", "length": 3 }]);
    assert_eq!(host.view("tienda", "seen"), said);
    assert_eq!(host.base_url("tienda"), format!("http://{}/tienda", host.addr()));
    call(host.addr(), "GET", "/tienda?z=2", "").await;
    assert_eq!(host.view("tienda", "seen")[1]["url"], "/?z=2");
    assert_eq!((host.traffic().calls, host.traffic().answered), (2, 2));
}

#[tokio::test]
async fn an_unknown_connection_is_named() {
    let host = host(Faults::default()).await;
    let seen = call(host.addr(), "GET", "/nadie/orders", "").await;
    assert_eq!(seen.status(), Some(404));
    assert!(seen.body().contains("nadie") && seen.body().contains("tienda"), "{}", seen.body());
    assert_eq!(host.traffic().calls, 0);
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_is_the_doubles_defect() {
    let host = host(Faults::default()).await;
    for path in ["/tienda/broken", "/tienda/nothing"] {
        let seen = call(host.addr(), "GET", path, "").await;
        assert_eq!(seen.status(), Some(500), "{path}");
        assert!(seen.body().contains("simulator"), "{}", seen.body());
    }
}

#[tokio::test]
async fn latency_is_between_its_bounds() {
    let latency = Some((Duration::from_millis(120), Duration::from_millis(160)));
    let host = host(Faults { latency, ..Faults::default() }).await;
    for id in ["a", "b", "c"] {
        let began = Instant::now();
        assert_eq!(order(&host, id).await.status(), Some(201));
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(120) && took < Duration::from_secs(2), "{took:?}");
    }
}

#[tokio::test]
async fn throttled_calls_do_no_work_with_and_without_retry_after() {
    let host = host(Faults { p_throttle: 1.0, ..Faults::default() }).await;
    let mut with = 0;
    for n in 0..24 {
        let seen = order(&host, &n.to_string()).await;
        assert_eq!(seen.status(), Some(429));
        assert_eq!(seen.json()["status"], 429);
        if let Some(after) = seen.header("retry-after") {
            assert!((1..=2).contains(&after.parse::<u64>().unwrap()));
            with += 1;
        }
    }
    assert!((4..=20).contains(&with), "{with} of 24 with Retry-After");
    assert!(host.arrivals("tienda").is_empty());
    assert_eq!(host.traffic().throttled, 24);
}

#[tokio::test]
async fn a_500_does_no_work() {
    let host = host(Faults { p_500: 1.0, ..Faults::default() }).await;
    assert_eq!(order(&host, "a").await.status(), Some(500));
    assert_eq!((times(&host, "a"), host.traffic().failed), (0, 1));
}

#[tokio::test]
async fn a_cut_call_does_no_work_and_gets_no_byte() {
    let host = host(Faults { p_cut: 1.0, ..Faults::default() }).await;
    let seen = order(&host, "a").await;
    assert_eq!((seen.status(), seen.body()), (None, String::new()));
    assert_eq!((times(&host, "a"), host.traffic().cut), (0, 1));
}

#[tokio::test]
async fn a_lost_answer_was_work_done() {
    let host = host(Faults { p_lost: 1.0, ..Faults::default() }).await;
    assert_eq!(order(&host, "a").await.status(), None);
    assert_eq!((times(&host, "a"), host.traffic().lost), (1, 1));
    host.set_faults(Faults::default());
    assert_eq!(order(&host, "a").await.status(), Some(201));
    assert_eq!(times(&host, "a"), 2, "the oracle sees that it was done twice");
}

#[tokio::test]
async fn half_an_answer_promises_the_whole_and_breaks_off() {
    let host = host(Faults { p_half: 1.0, ..Faults::default() }).await;
    let seen = order(&host, "abcdefgh").await;
    let whole = r#"{"order":"abcdefgh"}"#;
    assert_eq!(seen.status(), Some(201));
    assert_eq!(seen.header("content-length"), Some(whole.len().to_string()));
    assert_eq!(seen.body(), whole[..whole.len() / 2]);
    assert_eq!((times(&host, "abcdefgh"), host.traffic().halved), (1, 1));
    assert_eq!(call(host.addr(), "GET", "/tienda/empty", "").await.status(), None, "half of nothing");
}

#[tokio::test]
async fn a_script_hits_the_next_calls_on_its_path_and_no_others() {
    let host = host(Faults::default()).await;
    host.script(Script::times("/orders", 2, Fault::Throttle { retry_after: Some(9) }));
    host.script(Script::once("/orders", Fault::Lost));
    host.script(Script::once("/slow", Fault::Latency { millis: 150 }));
    assert_eq!(call(host.addr(), "GET", "/tienda/other", "").await.status(), Some(201));
    for _ in 0..2 {
        let seen = order(&host, "a").await;
        assert_eq!((seen.status(), seen.header("retry-after").as_deref()), (Some(429), Some("9")));
    }
    assert_eq!(order(&host, "a").await.status(), None);
    assert_eq!(order(&host, "b").await.status(), Some(201));
    assert_eq!((times(&host, "a"), times(&host, "b")), (1, 1));
    let began = Instant::now();
    call(host.addr(), "GET", "/tienda/slow", "").await;
    assert!(began.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn every_call_ends_in_exactly_one_counter() {
    let faults =
        Faults { latency: None, p_throttle: 0.2, p_500: 0.2, p_cut: 0.2, p_lost: 0.2, p_half: 0.2, ..Faults::all() };
    let host = host(faults).await;
    for n in 0..60 {
        order(&host, &n.to_string()).await;
    }
    let t = host.traffic();
    assert_eq!(t.calls, 60);
    assert_eq!(t.answered + t.throttled + t.failed + t.cut + t.lost + t.halved, 60);
    assert!([t.answered, t.throttled, t.failed, t.cut, t.lost, t.halved].iter().all(|n| *n > 0), "{t:?}");
    assert_eq!(host.arrivals("tienda").len() as u64, t.answered + t.lost + t.halved);
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_counted_as_abandoned() {
    let host = host(Faults::default()).await;
    host.script(Script::once("", Fault::Latency { millis: 60_000 }));
    let mut stream = tokio::net::TcpStream::connect(host.addr()).await.unwrap();
    stream.write_all(b"POST /tienda/orders HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\na").await.unwrap();
    until("the work is done", || async { times(&host, "a") == 1 }).await;
    drop(stream);
    until("it is counted", || async { host.traffic().abandoned == 1 }).await;
    assert_eq!(times(&host, "a"), 1);
}

#[tokio::test]
async fn six_mebibytes_are_read_and_one_byte_more_is_refused() {
    let host = host(Faults::default()).await;
    let largest = "x".repeat(6 * 1024 * 1024);
    assert_eq!(call(host.addr(), "GET", "/tienda/empty", &largest).await.status(), Some(204));
    let seen = call(host.addr(), "GET", "/tienda/empty", &(largest + "x")).await;
    assert_eq!(seen.status(), Some(413));
    let lengths: Vec<_> = host.view("tienda", "seen").as_array().unwrap().iter().map(|s| s["length"].clone()).collect();
    assert_eq!(lengths, [json!(6 * 1024 * 1024)]);
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.168.1.5:0"] {
        let refused = Host::start(Options {
            listen: listen.parse().unwrap(),
            hub_url: "http://127.0.0.1:9".into(),
            clock: Arc::new(SystemClock),
            seed: 1,
            faults: Faults::default(),
        })
        .await;
        let Err(why) = refused else { panic!("{listen} was taken") };
        assert!(why.to_string().contains("127.0.0.1"), "{why}");
    }
}

#[tokio::test]
async fn a_stopped_host_frees_its_port_and_closes_its_connections() {
    let host = host(Faults::default()).await;
    let addr = host.addr();
    host.script(Script::once("", Fault::Latency { millis: 60_000 }));
    let hanging = tokio::spawn(async move { call(addr, "POST", "/tienda/orders", "a").await });
    until("it has begun", || async { times(&host, "a") == 1 }).await;
    host.stop().await;
    assert_eq!(hanging.await.unwrap().status(), None);
    tokio::net::TcpListener::bind(addr).await.expect("the port is free");
}

#[tokio::test]
async fn a_double_can_be_replaced() {
    let host = host(Faults::default()).await;
    order(&host, "a").await;
    host.add("tienda", Box::new(Double::default()));
    assert!(host.arrivals("tienda").is_empty());
    assert_eq!(host.pending_webhooks(), 0, "the old one's webhooks went with it");
}
