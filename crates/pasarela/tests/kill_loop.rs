//! G1, G5, G6 and G7 under kill: the built program is killed fifty times under load, at random moments
//! and at the points where it hurts most, sometimes after it stood still for a while, and afterwards every
//! accepted delivery has exactly one story: nothing missing, nothing twice, the order of every lane kept,
//! and what is not known is known not to be known.
//!
//! The seed is printed; `PASARELA_TEST_SEED` runs the same moments again. `PASARELA_KILLS` kills so many
//! times, for at most `PASARELA_KILL_SECONDS` (`scripts/soak`). SIGKILL proves nothing about the sync to
//! the disk (the page cache survives it): that is `unsynced.rs`.
#![allow(clippy::print_stdout, reason = "the seed must be seen when the test fails, and the summary of a soak")]

#[path = "support/hub.rs"]
mod hub;
#[path = "../src/commands/bench/sample.rs"]
#[allow(dead_code, reason = "its body is for the counters")]
mod sample;

use hub::{Home, Sender, Sink, copy_to, order_of};
use parking_lot::Mutex;
use pasarela_domain::EffectId;
use pasarela_store::Store as _;
use pasarela_store::sqlite::{Options, SqliteStore};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const KILLS: usize = 50;
/// On PostgreSQL, whose own crashes are not at stake here.
const KILLS_ON_POSTGRES: usize = 16;
const SENDERS: u64 = 6;
/// Things that the events of one sender are about, in turn: each is a lane.
const ABOUT: u64 = 2;
/// How long the outside takes for an answer: so long that effects wait for one another in their lanes.
const ANSWER: Duration = Duration::from_millis(20);
/// Between two webhooks of one sender, while there are few kills: what is read at each kill grows.
const PACE: Duration = Duration::from_millis(40);
const POINTS: [&str; 4] = ["before_call", "after_call", "before_settle", "after_settle"];
/// Longest that the kills of a run of the tests may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// An effect that its provider cannot know again: at most once, held when unknown, and passed by others.
const AT_MOST_ONCE: &str = "flow: unica
version: 1
on: unica.order.created
steps:
  - id: aviso
    do: unica.request
    on_unknown: hold
    on_dead: skip
    with: { method: POST, path: /unica, json: { event: \"{{ data.id }}\" } }
";

/// A delivery that was answered 2xx.
#[derive(Clone)]
struct Sent {
    id: String,
    delivery: String,
    connection: &'static str,
    /// What it is about.
    about: String,
}

/// What the senders know.
#[derive(Default)]
struct Load {
    next: AtomicU64,
    stop: AtomicBool,
    answered: Mutex<Vec<Sent>>,
}

/// Sends webhooks like a provider: the same one again, to one node or another, until it is answered 2xx;
/// and not the next one before.
async fn send(load: Arc<Load>, me: u64, nodes: Vec<SocketAddr>, pace: Duration) {
    let mut senders: Vec<Sender> = nodes.iter().map(|_| Sender::default()).collect();
    let mut node = me as usize % nodes.len();
    let mut pace = tokio::time::interval(pace);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for turn in 0.. {
        pace.tick().await;
        if load.stop.load(Ordering::Relaxed) {
            return;
        }
        let n = load.next.fetch_add(1, Ordering::Relaxed);
        let connection = if n.is_multiple_of(3) { "unica" } else { "tienda" };
        let (id, about) = (format!("evt-{n}"), format!("{me}-{}", turn % ABOUT));
        let (path, body) = (format!("/hooks/{connection}"), order_of(&id, &about));
        loop {
            // Whoever is stopped holds the line and says nothing.
            let post = senders[node].post(nodes[node], &path, &body);
            match tokio::time::timeout(Duration::from_secs(10), post).await {
                Ok(Ok((status, answer))) if (200..300).contains(&status) => {
                    let delivery = answer["delivery_id"].as_str().unwrap_or_default().to_owned();
                    load.answered.lock().push(Sent { id, delivery, connection, about });
                    break;
                }
                _ => {
                    node = (node + 1) % nodes.len();
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        // The next one goes to another node: what is about one thing comes by all of them.
        node = (node + 1) % nodes.len();
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

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|s| s.parse().ok())
}

fn seed() -> u64 {
    number("PASARELA_TEST_SEED").unwrap_or_else(rand::random)
}

/// How it is killed.
struct Trial {
    kills: usize,
    nodes: usize,
    /// How long a process stands still before some of the kills, in milliseconds.
    pause: Range<u64>,
}

impl Trial {
    fn of_one_node(kills: usize) -> Self {
        let kills = number("PASARELA_KILLS").map_or(kills, |n| n as usize);
        Self { kills, nodes: 1, pause: 20..400 }
    }

    /// So that the files that are read at each kill stay small enough.
    fn pace(&self) -> Duration {
        PACE * u32::try_from(self.kills / 125).unwrap_or(0).max(1)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g01_g06_g07_every_accepted_delivery_has_one_story_after_fifty_kills() {
    one_story_each(None, Trial::of_one_node(KILLS)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g01_g06_g07_the_same_on_postgres() {
    if let Some(server) = hub::server_of_tests::Database::make() {
        one_story_each(Some(server), Trial::of_one_node(KILLS_ON_POSTGRES)).await;
    }
}

async fn one_story_each(server: Option<hub::server_of_tests::Database>, trial: Trial) {
    let seed = seed();
    let kills = trial.kills;
    println!("PASARELA_TEST_SEED={seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let sink = Sink::slow(ANSWER).await;
    let flows = [("banco", sample::FLOW), ("unica", AT_MOST_ONCE)];
    let first = Home::on(server, sink.addr, &["tienda", "unica"], &flows, "/about");
    let key = first.api_key();
    let mut homes = vec![first];
    homes.extend((1..trial.nodes).map(|_| homes[0].beside()).collect::<Vec<_>>());
    let nodes: Vec<SocketAddr> = homes.iter().map(|h| h.addr).collect();
    let load = Arc::new(Load::default());
    let senders: Vec<_> =
        (0..SENDERS).map(|me| tokio::spawn(send(load.clone(), me, nodes.clone(), trial.pace()))).collect();

    let began = Instant::now();
    let patience = number("PASARELA_KILL_SECONDS").map_or(PATIENCE, Duration::from_secs);
    let mut hubs: Vec<Option<hub::Hub>> = homes.iter().map(|_| None).collect();
    let mut out_at_kills = BTreeSet::new();
    let (mut aborted, mut paused) = (0, 0);
    for kill in 0..kills {
        assert!(began.elapsed() < patience, "only {kill} of {kills} kills in {patience:?} (seed {seed})");
        // Every second life ends by itself at one of the points; the others at a moment of chance.
        let point = (kill % 2 == 0).then(|| POINTS[kill / 2 % POINTS.len()]);
        let env: Vec<(&str, &str)> = point.map(|p| ("PASARELA_FAIL_POINTS", p)).into_iter().collect();
        for (home, hub) in homes.iter().zip(&mut hubs) {
            if hub.as_mut().is_none_or(|h| h.ended().is_some()) {
                *hub = home.start(&env).await;
            }
        }
        let victim = dice.random_range(0..homes.len());
        if let Some(mut hub) = hubs[victim].take() {
            let life = if point.is_some() { 3000 } else { dice.random_range(20..600) };
            let until = Instant::now() + Duration::from_millis(life);
            while hub.ended().is_none() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            if kill % 5 == 1 && hub.ended().is_none() {
                paused += 1;
                hub.pause();
                tokio::time::sleep(Duration::from_millis(dice.random_range(trial.pause.clone()))).await;
                hub.go_on();
                tokio::time::sleep(Duration::from_millis(dice.random_range(1..60))).await;
            }
            aborted += usize::from(hub.ended().is_some());
            hub.kill();
        } else {
            aborted += 1;
        }
        out_at_kills.extend(calling(&homes[victim]).await);
        if kill % 50 == 49 {
            println!("{} kills in {:.0} s", kill + 1, began.elapsed().as_secs_f64());
        }
    }
    let took = began.elapsed();

    for (home, hub) in homes.iter().zip(&mut hubs) {
        if hub.as_mut().is_none_or(|h| h.ended().is_some()) {
            *hub = Some(home.start(&[]).await.expect("the hub starts after all"));
        }
    }
    let hub = hubs[0].as_ref().expect("it runs");
    load.stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.expect("a sender ends");
    }
    hub.quiet(Duration::from_secs(60).max(took / 4)).await;

    let answered = load.answered.lock().clone();
    let sent = load.next.load(Ordering::Relaxed) as usize;
    assert_eq!(answered.len(), sent, "every sender retried until it was answered (seed {seed})");
    assert!(aborted >= kills / 4, "the points were hardly met: {aborted} of {kills} (seed {seed})");
    let story = Story::read(hub, &key).await;
    story.one_each(&answered, seed);
    keyed_once(&sink, &answered, &story, seed);
    let unknown = at_most_once(&sink, &answered, &story, seed);
    let lanes = in_order(&sink, &answered, seed);
    let unexplained: Vec<&String> = unknown.difference(&out_at_kills).collect();
    assert!(unexplained.is_empty(), "unknown, but no call was out: {unexplained:?} (seed {seed})");
    println!(
        "{kills} kills in {:.0} s on {} node(s): {aborted} lives ended at a point, {paused} stood still before; \
         {sent} deliveries answered, {} calls seen; missing 0, twice 0; {lanes} lanes in order; \
         unknown {} of {} at-most-once calls that were out at a kill",
        took.as_secs_f64(),
        homes.len(),
        sink.calls().len(),
        unknown.len(),
        out_at_kills.len(),
    );
}

/// The master key changes while webhooks come in, and the hub is killed at moments of chance within it; each time the
/// next start opens the database, whichever of the two keys lies there, and the change goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_key_changes_under_load_through_kills_and_nothing_is_lost() {
    const CHANGES: usize = 12;
    let seed = seed();
    println!("PASARELA_TEST_SEED={seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let sink = Sink::slow(ANSWER).await;
    let flows = [("banco", sample::FLOW), ("unica", AT_MOST_ONCE)];
    let home = Home::on(None, sink.addr, &["tienda", "unica"], &flows, "/about");
    let key = home.api_key();
    let first = std::fs::read(home.dir.path().join("hub.db.key")).expect("the first master key");
    let load = Arc::new(Load::default());
    let senders: Vec<_> = (0..2).map(|me| tokio::spawn(send(load.clone(), me, vec![home.addr], PACE))).collect();
    let (mut began, mut cut) = (0, 0);
    for _ in 0..CHANGES {
        let mut hub = home.start(&[]).await.expect("whichever key lies there opens the database");
        let changing = home.begin(&["seal", "rotate", "--json"]);
        began += 1;
        // It takes some 40 ms of a start of the command, and then a few for each step.
        tokio::time::sleep(Duration::from_millis(dice.random_range(5..160))).await;
        hub.kill();
        cut += usize::from(!changing.wait_with_output().expect("the command ends").status.success());
    }
    let hub = home.start(&[]).await.expect("the hub starts after all");
    load.stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.expect("a sender ends");
    }
    let told = home.done(&["seal", "rotate", "--json"]);
    assert_eq!((&told["rotated"], &told["state"]["between"]), (&"done".into(), &false.into()), "{told} (seed {seed})");
    hub.quiet(Duration::from_secs(60)).await;
    let answered = load.answered.lock().clone();
    Story::read(&hub, &key).await.one_each(&answered, seed);
    let until = Instant::now() + Duration::from_secs(60);
    while !home.done(&["seal", "status", "--json"])["state"]["table"].is_null() {
        assert!(Instant::now() < until, "sealing anew does not end (seed {seed})");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    home.done(&["audit", "verify", "--json"]);
    // What came first opens still, and the first master key opens nothing any more.
    let (status, body) = hub::get(home.addr, &format!("/api/v1/deliveries/{}", answered[0].delivery), Some(&key))
        .await
        .expect("it answers");
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(status == 200 && body.contains(&answered[0].id), "{status} {body} (seed {seed})");
    drop(hub);
    std::fs::write(home.dir.path().join("hub.db.key"), first).expect("the first master key, put back");
    assert!(home.start(&[]).await.is_none(), "the first master key opens the database (seed {seed})");
    println!(
        "{began} changes of the master key begun, {cut} cut off by a kill; {} deliveries, missing 0",
        answered.len()
    );
}

/// The calls of each step about one thing came in the order in which their events were accepted; one of
/// them again only while nothing later of it had come. Returns how many lanes there were.
fn in_order(sink: &Sink, answered: &[Sent], seed: u64) -> usize {
    let about: HashMap<&str, &str> = answered.iter().map(|s| (s.id.as_str(), s.about.as_str())).collect();
    let mut lanes: BTreeMap<(String, &str), Vec<u64>> = BTreeMap::new();
    for call in sink.calls() {
        let number = call.event.strip_prefix("evt-").and_then(|n| n.parse().ok()).expect("an event of ours");
        lanes.entry((call.step, about[call.event.as_str()])).or_default().push(number);
    }
    for ((step, about), numbers) in &mut lanes {
        numbers.dedup();
        let broken = numbers.windows(2).find(|w| w[0] >= w[1]);
        assert!(broken.is_none(), "{step} about {about}: {broken:?} out of order (seed {seed})");
    }
    lanes.len()
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
    fn one_each(&self, answered: &[Sent], seed: u64) {
        let mut wanted = 0;
        for Sent { id, delivery, connection, .. } in answered {
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
fn keyed_once(sink: &Sink, answered: &[Sent], story: &Story, seed: u64) {
    for step in ["crm", "whatsapp", "analytics"] {
        let seen = sink.by_event(step);
        for Sent { id, .. } in answered.iter().filter(|s| s.connection == "tienda") {
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
fn at_most_once(sink: &Sink, answered: &[Sent], story: &Story, seed: u64) -> BTreeSet<String> {
    let seen = sink.by_event("unica");
    let mut unknown = BTreeSet::new();
    for Sent { id, .. } in answered.iter().filter(|s| s.connection == "unica") {
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
