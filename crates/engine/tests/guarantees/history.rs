//! Histories of chance against a model (G4 to G8): webhooks once, twice, beside a poll, out of order;
//! answers of every kind; crashes at rest and in the middle; the clock forwards and backwards. What is
//! to be seen at the end is worked out by [`model`] without a hub, and must be seen: each fact one event,
//! order per key and per lane, each effect once, and what is not known listed as not known.
//!
//! The same history on both databases must give the same. Seeds are committed; `PASARELA_TEST_SEED`
//! plays one more, `PASARELA_TEST_HISTORIES` so many new ones.
#![allow(clippy::print_stdout, reason = "the seed must be seen when a test fails")]

mod model;
mod outside;
pub(crate) mod story;

use crate::hub::{Hub, Place};
use crate::wires::Fate;
use model::Model;
use outside::Outside;
use pasarela_connector::Rate;
use pasarela_engine::{Ask, LimitOverride};
use pasarela_store::{EffectState, RunStatus};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use story::{Dice, Op, Way};

/// Seeds that are played always. The first few are the beginning; the others once showed something.
const SEEDS: &[u64] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1003, 2026, 31_337, 65_537];
/// Things that happen in one history.
const STEPS: usize = 45;
/// Rounds of time and quiet after which everything has ended.
const ROUNDS: usize = 60;

fn flows() -> Vec<String> {
    let mut flows: Vec<String> = story::ACTIONS
        .iter()
        .map(|action| {
            let (call, more) = match *action {
                "fija" => ("unavez", "    on_dead: park\n"),
                other => (other, "    on_dead: skip\n"),
            };
            format!(
                "flow: {action}\nversion: 1\non: order.paid\nwhen: \"{{{{ data.do == '{action}' }}}}\"\nsteps:\n  - id: a\n    do: ventas.{call}\n    give_up_after: 90d\n    on_unknown: hold\n{more}    with: {{ to: \"{{{{ data.lane }}}}\", n: \"{{{{ data.n }}}}\" }}\n"
            )
        })
        .collect();
    flows.push(
        "flow: cambio\nversion: 1\non: order.updated\nsteps:\n  - id: a\n    do: ventas.flujo\n    give_up_after: 90d\n    with: { key: \"{{ data.key }}\", title: \"{{ data.title }}\", n: \"{{ data.n }}\" }\n"
            .to_owned(),
    );
    flows
}

/// What is seen of a hub and its provider.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Visible {
    /// Events of each key, in order.
    events: BTreeMap<String, Vec<String>>,
    /// State of the only effect that each event wants, by its number.
    effects: BTreeMap<i64, &'static str>,
    /// Runs that have ended, by number of their event.
    ended: BTreeSet<i64>,
    /// Numbers that reached each lane, in order; again only while nothing else of the lane came between.
    lanes: BTreeMap<String, Vec<i64>>,
    /// How often the provider did each, its own idempotency counted in.
    done: BTreeMap<i64, usize>,
}

async fn start(place: Option<Place>, seed: u64) -> (Hub, Arc<Outside>) {
    let fates = move |n: u64| match Dice::of(&[seed, n, 77]).below(12) {
        0 => Fate::Refused,
        1 => Fate::Late(Duration::from_millis(2)),
        _ => Fate::Clean,
    };
    let rate = Rate { burst: 50, every: Duration::from_millis(1) };
    // A call that gets no answer is out until its process ends: no deadline comes before.
    let limits =
        LimitOverride { timeout: Some(Duration::from_secs(300)), rate: Some(rate), ..LimitOverride::default() };
    let mut build = Hub::build().wired(fates).limits(limits);
    if let Some(place) = place {
        build = build.on(place);
    }
    for flow in flows() {
        build = build.flow(&flow);
    }
    let hub = build.start().await;
    let outside = Arc::new(Outside::new(seed));
    hub.server.mind(outside.clone().mind());
    hub.pass(1);
    (hub, outside)
}

/// Waits until nothing moves but calls that will get no answer, and tells the statuses that are due.
async fn rest(hub: &Hub, outside: &Outside) {
    loop {
        let (mut still, mut last) = (0, Vec::new());
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while still < 9 {
            hub.decided().await;
            let effects = hub.effects().await;
            let mut now: Vec<_> = effects.iter().map(|e| (e.id.get(), e.state.as_str(), e.attempt)).collect();
            now.push((hub.server.count() as i64, "calls", 0));
            let out = effects.iter().filter(|e| e.state == EffectState::Calling).count() as u64;
            let waits = hub.engine.in_memory().2 == hub.server.hung() && out == hub.server.hung();
            still = if waits && now == last { still + 1 } else { 0 };
            last = now;
            if still % 3 == 2 {
                hub.written().await;
            }
            assert!(std::time::Instant::now() < deadline, "it does not come to rest: {last:?}");
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
        let mut told = false;
        for effect in hub.effects().await.iter().filter(|e| e.state == EffectState::Checking) {
            if let Some(id) = outside.owes_status(&effect.id.to_string()) {
                let settles = json!({ "key": effect.id.to_string(), "what": "accepted" });
                hub.hear([json!({ "key": "status", "id": format!("status-{id}"), "settles": settles })]).await;
                told = true;
            }
        }
        if !told {
            return;
        }
    }
}

async fn tell(hub: &Hub, outside: &Outside, fact: Value, way: Way, waits: bool) {
    let (first, second) = match way {
        Way::Once => (1, false),
        Way::Twice => (2, false),
        Way::TwiceAtOnce => (0, false),
        Way::AndPolled => (1, true),
    };
    if first == 0 {
        tokio::join!(hub.hear([fact.clone()]), hub.hear([fact.clone()]));
    }
    for _ in 0..first {
        hub.hear([fact.clone()]).await;
        if waits {
            hub.decided().await;
        }
    }
    hub.decided().await;
    if second {
        outside.poll(fact);
        let engine = hub.engine.clone();
        // The connection may have to wait for a time that comes later: nobody waits for the reading here.
        let _ = tokio::time::timeout(Duration::from_millis(300), engine.reconcile("ventas", Ask::default())).await;
    }
}

/// Plays a history, and ends when all has ended that can. Returns what is seen.
async fn play(place: Option<Place>, seed: u64) -> (Visible, Model) {
    let story = story::of(seed, STEPS);
    let (mut hub, outside) = start(place, seed).await;
    let mut model = Model::new(seed);
    for op in &story {
        model.happens(op);
        match op {
            Op::Paid(paid) => tell(&hub, &outside, paid.fact(), paid.way, true).await,
            Op::Updated(updated) => tell(&hub, &outside, updated.fact(), updated.way, true).await,
            Op::Burst(burst, crash) => {
                for paid in burst {
                    hub.hear([paid.fact()]).await;
                }
                if *crash {
                    hub = hub.crash().await;
                }
                hub.decided().await;
            }
            Op::Crash => hub = hub.crash().await,
            Op::Jump(seconds) => hub.pass(*seconds),
        }
        rest(&hub, &outside).await;
    }
    let wanted = model.visible();
    let mut seen = Visible::default();
    for round in 0..ROUNDS {
        if hub.server.hung() > 0 {
            hub = hub.crash().await;
            // What is owed is told before time passes.
            rest(&hub, &outside).await;
        }
        hub.pass(if round % 4 == 3 { 3600 } else { 350 });
        rest(&hub, &outside).await;
        seen = see(&hub, &outside).await;
        if seen == wanted && hub.server.hung() == 0 {
            break;
        }
    }
    if seen == wanted {
        // Nothing more comes, however long one waits.
        let calls = hub.server.count();
        let polls = hub.server.calls("/poll").len();
        hub.pass(7200);
        rest(&hub, &outside).await;
        seen = see(&hub, &outside).await;
        assert_eq!(hub.server.count() - calls, hub.server.calls("/poll").len() - polls, "something more was sent");
    }
    (seen, model)
}

async fn see(hub: &Hub, outside: &Outside) -> Visible {
    let mut seen = Visible { lanes: outside.lanes(), done: outside.done(), ..Visible::default() };
    let mut numbers = BTreeMap::new();
    for event in hub.events().await {
        let n = event.data["n"].as_i64().unwrap();
        numbers.insert(event.id, n);
        let what = event.data["title"].as_str().map_or_else(|| n.to_string(), str::to_owned);
        seen.events.entry(event.key).or_default().push(what);
    }
    let effects: BTreeMap<_, _> = hub.effects().await.into_iter().map(|e| (e.id, e.state)).collect();
    for run in hub.runs().await {
        let n = numbers[&run.event_id];
        if run.status == RunStatus::Done {
            seen.ended.insert(n);
        }
        for id in run.effects.values() {
            if seen.effects.insert(n, effects[id].as_str()).is_some() {
                seen.effects.insert(n, "there are two of it");
            }
        }
    }
    seen
}

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    if let Some(seed) = number("PASARELA_TEST_SEED") {
        return vec![seed];
    }
    let more = number("PASARELA_TEST_HISTORIES").unwrap_or(0);
    let base = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs() << 16);
    SEEDS.iter().copied().chain((0..more).map(|n| base + n)).collect()
}

/// Plays every seed, some at the same time, each in a thread with a runtime of its own.
fn each_seed(play: impl Fn(&tokio::runtime::Runtime, u64) + Sync) {
    let seeds = parking_lot::Mutex::new(seeds());
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let runtime =
                    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
                loop {
                    let Some(seed) = seeds.lock().pop() else { return };
                    play(&runtime, seed);
                }
            });
        }
    });
}

fn differ(wanted: &Visible, seen: &Visible) -> String {
    fn lines<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
        what: &str,
        wanted: &BTreeMap<K, V>,
        seen: &BTreeMap<K, V>,
    ) -> String {
        let keys: BTreeSet<&K> = wanted.keys().chain(seen.keys()).collect();
        let differ = keys.into_iter().filter(|k| wanted.get(k) != seen.get(k));
        differ.map(|k| format!("{what} {k:?}: wanted {:?}, seen {:?}\n", wanted.get(k), seen.get(k))).collect()
    }
    let ended = |v: &Visible| v.ended.iter().map(|n| (*n, true)).collect::<BTreeMap<_, _>>();
    [
        lines("events of", &wanted.events, &seen.events),
        lines("effect of", &wanted.effects, &seen.effects),
        lines("ended", &ended(wanted), &ended(seen)),
        lines("lane", &wanted.lanes, &seen.lanes),
        lines("done", &wanted.done, &seen.done),
    ]
    .concat()
}

#[test]
fn g04_g06_g07_histories_of_chance_end_as_the_model_says() {
    each_seed(|runtime, seed| {
        let (seen, model) = runtime.block_on(play(None, seed));
        let wanted = model.visible();
        let told = || {
            format!("PASARELA_TEST_SEED={seed}\n{}\n{}", story::told(&story::of(seed, STEPS)), differ(&wanted, &seen))
        };
        assert!(seen == wanted, "{}", told());
    });
}

/// The same on SQLite and on PostgreSQL, side by side.
#[test]
fn g04_g06_g07_the_same_history_is_seen_the_same_on_both_databases() {
    if std::env::var("PASARELA_TEST_STORE").is_ok_and(|s| s == "postgres") {
        each_seed(|runtime, seed| {
            let postgres = Place::postgres().expect("a server is named");
            let (on_postgres, _) = runtime.block_on(play(Some(postgres), seed));
            let (on_sqlite, _) = runtime.block_on(play(Some(Place::Sqlite), seed));
            assert!(on_postgres == on_sqlite, "PASARELA_TEST_SEED={seed}\n{}", differ(&on_sqlite, &on_postgres));
        });
    }
}
