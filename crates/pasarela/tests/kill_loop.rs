//! G1, G5 and G7 under kill: the built program is killed fifty times under load, at random moments
//! and at the points where it hurts most, and afterwards every accepted delivery has exactly one
//! story: nothing missing, nothing twice, and what is not known is known not to be known.
//!
//! The seed is printed; `PASARELA_TEST_SEED` runs the same moments again. SIGKILL proves nothing
//! about the sync to the disk (the page cache survives it): that is `unsynced.rs`.
#![allow(clippy::print_stdout, reason = "the seed must be seen when the test fails")]

#[path = "support/hub.rs"]
mod hub;
#[path = "../src/commands/bench/sample.rs"]
#[allow(dead_code, reason = "its body is for the counters")]
mod sample;

use hub::{Home, Sender, Sink, copy_to, order};
use parking_lot::Mutex;
use pasarela_domain::EffectId;
use pasarela_store::Store as _;
use pasarela_store::sqlite::{Options, SqliteStore};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const KILLS: usize = 50;
/// On PostgreSQL, whose own crashes are not at stake here.
const KILLS_ON_POSTGRES: usize = 16;
const SENDERS: usize = 6;
/// Between two webhooks of one sender.
const PACE: Duration = Duration::from_millis(40);
const POINTS: [&str; 4] = ["before_call", "after_call", "before_settle", "after_settle"];

/// An effect that its provider cannot know again: at most once, held when unknown.
const AT_MOST_ONCE: &str = "flow: unica
version: 1
on: unica.order.created
steps:
  - id: aviso
    do: unica.request
    on_unknown: hold
    with: { method: POST, path: /unica, json: { event: \"{{ data.id }}\" } }
";

/// What the senders know: deliveries that were answered 2xx.
#[derive(Default)]
struct Load {
    next: AtomicU64,
    stop: AtomicBool,
    /// (event, delivery, connection).
    answered: Mutex<Vec<(String, String, &'static str)>>,
}

/// Sends webhooks like a provider: the same one again until it is answered 2xx.
async fn send(load: Arc<Load>, addr: SocketAddr) {
    let mut sender = Sender::default();
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !load.stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let n = load.next.fetch_add(1, Ordering::Relaxed);
        let connection = if n.is_multiple_of(3) { "unica" } else { "tienda" };
        let id = format!("evt-{n}");
        let body = order(&id);
        loop {
            match sender.post(addr, &format!("/hooks/{connection}"), &body).await {
                Ok((status, answer)) if (200..300).contains(&status) => {
                    let delivery = answer["delivery_id"].as_str().unwrap_or_default().to_owned();
                    load.answered.lock().push((id, delivery, connection));
                    break;
                }
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

/// At-most-once effects whose call was out when the hub ended, as its files say.
async fn calling(home: &Home) -> BTreeSet<String> {
    if let Some(server) = &home.server {
        return calling_at(&server.url()).await;
    }
    let copy = tempfile::tempdir().expect("a scratch folder");
    copy_to(&home.files(), copy.path());
    let store =
        SqliteStore::open(&Options::file(copy.path().join("hub.db"))).expect("a killed hub leaves a whole file");
    let open = store.interrupted().await.expect("open calls can be read");
    open.into_iter().filter(|e| e.path == "aviso").map(|e| e.id.to_string()).collect()
}

/// The same, from a server. What the killed hub was committing is waited for, by the lock of its node.
async fn calling_at(url: &str) -> BTreeSet<String> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    let open = client
        .simple_query(
            "SELECT pg_advisory_xact_lock(1852793957, id::int) FROM nodes;
             SELECT id FROM effects WHERE status = 1 AND path = 'aviso'",
        )
        .await
        .expect("open calls can be read");
    let id =
        |row: &tokio_postgres::SimpleQueryRow| row.try_get("id").ok().flatten()?.parse().ok().map(EffectId::from_raw);
    let rows =
        open.iter().filter_map(|m| if let tokio_postgres::SimpleQueryMessage::Row(r) = m { id(r) } else { None });
    rows.map(|id| id.to_string()).collect()
}

fn seed() -> u64 {
    std::env::var("PASARELA_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g01_g07_every_accepted_delivery_has_one_story_after_fifty_kills() {
    one_story_each(None, KILLS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g01_g07_the_same_on_postgres() {
    if let Some(server) = hub::server_of_tests::Database::make() {
        one_story_each(Some(server), KILLS_ON_POSTGRES).await;
    }
}

async fn one_story_each(server: Option<hub::server_of_tests::Database>, kills: usize) {
    let seed = seed();
    println!("PASARELA_TEST_SEED={seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let sink = Sink::start().await;
    let home = Home::on(server, sink.addr, &["tienda", "unica"], &[("banco", sample::FLOW), ("unica", AT_MOST_ONCE)]);
    let key = home.api_key();
    let load = Arc::new(Load::default());
    let senders: Vec<_> = (0..SENDERS).map(|_| tokio::spawn(send(load.clone(), home.addr))).collect();

    let mut out_at_kills = BTreeSet::new();
    let mut aborted = 0;
    for kill in 0..kills {
        // Every second life ends by itself at one of the points; the others at a moment of chance.
        let point = (kill % 2 == 0).then(|| POINTS[kill / 2 % POINTS.len()]);
        let env: Vec<(&str, &str)> = point.map(|p| ("PASARELA_FAIL_POINTS", p)).into_iter().collect();
        if let Some(mut hub) = home.start(&env).await {
            let life = if point.is_some() { 3000 } else { dice.random_range(20..600) };
            let until = Instant::now() + Duration::from_millis(life);
            while hub.ended().is_none() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            aborted += usize::from(hub.ended().is_some());
            hub.kill();
        } else {
            aborted += 1;
        }
        out_at_kills.extend(calling(&home).await);
    }

    let hub = home.start(&[]).await.expect("the hub starts after all");
    load.stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.expect("a sender ends");
    }
    hub.quiet(Duration::from_secs(60)).await;

    let answered = load.answered.lock().clone();
    let sent = load.next.load(Ordering::Relaxed) as usize;
    println!("{} of {sent} answered, {aborted} of {kills} lives ended at a point", answered.len());
    assert_eq!(answered.len(), sent, "every sender retried until it was answered (seed {seed})");
    assert!(aborted >= kills / 4, "the points were hardly met: {aborted} (seed {seed})");
    let story = Story::read(&hub, &key).await;
    story.one_each(&answered, seed);
    keyed_once(&sink, &answered, &story, seed);
    let unknown = at_most_once(&sink, &answered, &story, seed);
    let unexplained: Vec<&String> = unknown.difference(&out_at_kills).collect();
    assert!(unexplained.is_empty(), "unknown, but no call was out: {unexplained:?} (seed {seed})");
    println!("{} unknown of {} calls that were out at a kill", unknown.len(), out_at_kills.len());
}

/// All that the API tells.
struct Story {
    deliveries: HashMap<String, String>,
    /// Event ids by the sender's id.
    events: HashMap<String, Vec<String>>,
    /// Runs by event id.
    runs: HashMap<String, Vec<Value>>,
    /// State of each effect.
    effects: HashMap<String, String>,
}

impl Story {
    async fn read(hub: &hub::Hub, key: &str) -> Self {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let deliveries = hub.list("/api/v1/deliveries", key).await;
        let (mut events, mut runs) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for event in hub.list("/api/v1/events", key).await {
            events.entry(text(&event["data"]["id"])).or_default().push(text(&event["id"]));
        }
        for run in hub.list("/api/v1/runs", key).await {
            runs.entry(text(&run["event_id"])).or_default().push(run);
        }
        let effects = hub.list("/api/v1/effects", key).await;
        Self {
            deliveries: deliveries.iter().map(|d| (text(&d["id"]), text(&d["status"]))).collect(),
            events,
            runs,
            effects: effects.iter().map(|e| (text(&e["id"]), text(&e["state"]))).collect(),
        }
    }

    /// One event, one run, and one ended effect per step for each answered delivery.
    fn one_each(&self, answered: &[(String, String, &'static str)], seed: u64) {
        let mut wanted = 0;
        for (id, delivery, connection) in answered {
            let status = self.deliveries.get(delivery).map_or("missing", String::as_str);
            assert!(
                ["decided", "duplicate"].contains(&status),
                "{delivery} ({id}) was answered 2xx and is {status} (seed {seed})"
            );
            let events = self.events.get(id).map_or(&[][..], Vec::as_slice);
            assert_eq!(events.len(), 1, "events of {id}: {events:?} (seed {seed})");
            let runs = self.runs.get(&events[0]).map_or(&[][..], Vec::as_slice);
            assert_eq!(runs.len(), 1, "runs of {id} (seed {seed})");
            let steps: &[&str] = if *connection == "tienda" { &["crm", "whatsapp", "analytics"] } else { &["aviso"] };
            wanted += steps.len();
            for step in steps {
                let state = self.state_of(id, step);
                let allowed: &[&str] = if *connection == "tienda" { &["done"] } else { &["done", "unknown"] };
                assert!(allowed.contains(&state), "{step} of {id} is {state}: {} (seed {seed})", runs[0]);
            }
        }
        // Nothing but what was answered: every sender went on until it was.
        assert_eq!(self.effects.len(), wanted, "effects in all (seed {seed})");
    }

    fn effect_of(&self, id: &str, step: &str) -> Option<&str> {
        self.runs.get(self.events.get(id)?.first()?)?.first()?["effects"][step].as_str()
    }

    fn state_of(&self, id: &str, step: &str) -> &str {
        self.effect_of(id, step).and_then(|e| self.effects.get(e)).map_or("missing", String::as_str)
    }
}

/// The provider knows its key again: each effect arrived, under one key, with the same bytes.
fn keyed_once(sink: &Sink, answered: &[(String, String, &'static str)], story: &Story, seed: u64) {
    for step in ["crm", "whatsapp", "analytics"] {
        let seen = sink.by_event(step);
        for (id, ..) in answered.iter().filter(|(.., c)| *c == "tienda") {
            let calls = seen.get(id).map_or(&[][..], Vec::as_slice);
            assert!(!calls.is_empty(), "{step} of {id} is missing (seed {seed})");
            let keys: BTreeSet<_> = calls.iter().map(|c| c.key.as_deref().unwrap_or_default()).collect();
            let bodies: BTreeSet<_> = calls.iter().map(|c| &c.body).collect();
            assert_eq!((keys.len(), bodies.len()), (1, 1), "{step} of {id} was done twice: {calls:?} (seed {seed})");
            assert_eq!(keys.first().copied(), story.effect_of(id, step), "key of {step} of {id} (seed {seed})");
        }
    }
}

/// Never twice; and what did not arrive is among the unknown ones. Returns their effects.
fn at_most_once(
    sink: &Sink,
    answered: &[(String, String, &'static str)],
    story: &Story,
    seed: u64,
) -> BTreeSet<String> {
    let seen = sink.by_event("unica");
    let mut unknown = BTreeSet::new();
    for (id, ..) in answered.iter().filter(|(.., c)| *c == "unica") {
        let arrived = seen.get(id).map_or(0, Vec::len);
        assert!(arrived <= 1, "{id} arrived {arrived} times (seed {seed})");
        if story.state_of(id, "aviso") == "unknown" {
            unknown.extend(story.effect_of(id, "aviso").map(str::to_owned));
        } else {
            assert_eq!(arrived, 1, "{id} is done and did not arrive (seed {seed})");
        }
    }
    unknown
}
