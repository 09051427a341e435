//! Several hubs on one PostgreSQL: they share all work, one that is killed, stopped or cut off frees its
//! work, a restart in turn loses nothing, and order per key and the rate of a connection hold across them.
//!
//! The sender keeps its own account: per key, orders one after another, each to a node of chance, the
//! next only after a 2xx. The sink keeps the other: what arrived, in which order. `PASARELA_NODES_KILLS`
//! makes the long run of `scripts/soak`; the seed is printed, `PASARELA_TEST_SEED` runs it again.
#![allow(clippy::print_stdout, reason = "the seed and the figures must be seen")]

#[path = "support/hub.rs"]
mod hub;
#[path = "support/nodes.rs"]
mod nodes;

use hub::server_of_tests::Database;
use nodes::{Cluster, Load, Shape};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use std::time::{Duration, Instant};

/// Interruptions of a short run.
const KILLS: usize = 12;
/// A node lives so long without a sign of life (ADR 0009).
const TIME_TO_LIVE: Duration = Duration::from_secs(5);

fn seed() -> u64 {
    std::env::var("PASARELA_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_share_all_work_and_a_killed_one_frees_its_within_a_time_to_live() {
    let Some(database) = Database::make() else { return };
    let mut cluster = Cluster::start(database, Shape::default()).await;
    let key = cluster.api_key();
    cluster.until_shared(&key).await;
    let load = Load::begin(&cluster, 12, Duration::from_millis(5));
    load.until_done(60).await;
    // Every node has some of the six connections, and each connection one node.
    let owners = cluster.owners(&key).await;
    for node in 0..3 {
        assert_eq!(owners.values().filter(|n| **n == node).count(), 2, "{owners:?}");
    }
    let victim = 1;
    cluster.kill(victim);
    let died = Instant::now();
    let out = cluster.calling_of_dead().await;
    load.avoid(Some(victim));
    // What the dead node had goes on with the others: each key's next order reaches the sink.
    let freed = load.until_each_key_moves().await;
    println!("after SIGKILL every key went on within {:.1} s", freed.duration_since(died).as_secs_f64());
    // A life of its own, and the whole way of an order on a busy machine.
    assert!(freed.duration_since(died) < TIME_TO_LIVE + Duration::from_secs(10), "{:?}", freed - died);
    load.end().await.check(&cluster, &key, out).await;
    let owners = cluster.owners(&key).await;
    assert!(owners.values().all(|node| *node != victim), "{owners:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_all_nodes_in_turn_loses_nothing_and_readyz_says_so_first() {
    let Some(database) = Database::make() else { return };
    let mut cluster = Cluster::start(database, Shape::default()).await;
    let key = cluster.api_key();
    cluster.until_shared(&key).await;
    let load = Load::begin(&cluster, 8, Duration::from_millis(10));
    for node in 0..3 {
        load.until_done(20).await;
        let refused = cluster.restart_in_good_order(node, &load).await;
        assert!(refused, "/readyz of node {node} never said that it stops while it still took requests");
        cluster.until_shared(&key).await;
    }
    load.until_done(20).await;
    load.end().await.check(&cluster, &key, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_of_a_connection_holds_across_nodes() {
    let Some(database) = Database::make() else { return };
    // Twenty calls a second, and a bucket of twenty.
    let shape = Shape { connections: 1, limits: "{ concurrency = 8, per_minute = 1200 }", ..Shape::default() };
    let mut cluster = Cluster::start(database, shape).await;
    let key = cluster.api_key();
    let load = Load::begin(&cluster, 24, Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Whoever has it dies; the next one must not begin with a full bucket.
    let owner = cluster.owners(&key).await.values().copied().next().unwrap_or(0);
    cluster.kill(owner);
    let out = cluster.calling_of_dead().await;
    load.avoid(Some(owner));
    tokio::time::sleep(Duration::from_secs(9)).await;
    let ended = load.end().await;
    ended.check(&cluster, &key, out).await;
    // A second full bucket would make it a hundred. The sink may be held up, so that calls arrive closer together.
    let most = cluster.most_calls_within(Duration::from_secs(3));
    assert!(most <= 90, "{most} calls within three seconds; bucket and rate allow 80");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g01_g06_g07_nothing_is_lost_twice_or_out_of_order_whatever_happens_to_three_nodes() {
    let Some(database) = Database::make() else { return };
    let kills = std::env::var("PASARELA_NODES_KILLS").ok().and_then(|k| k.parse().ok()).unwrap_or(KILLS);
    interruptions(database, Shape::default(), kills).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_behind_a_proxy_that_lends_a_connection_for_one_transaction() {
    let Some(database) = Database::make() else { return };
    let Some(shape) = Shape::behind_pgbouncer() else { return };
    interruptions(database, shape, KILLS / 2).await;
}

/// Kills, stops beyond a lease, cuts of database connections, and a restart of the database where the
/// tests have their own.
async fn interruptions(database: Database, shape: Shape, kills: usize) {
    let seed = seed();
    println!("PASARELA_TEST_SEED={seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let mut cluster = Cluster::start(database, shape).await;
    let key = cluster.api_key();
    let load = Load::begin(&cluster, 18, Duration::from_millis(20));
    let mut out = 0;
    let mut done = [0usize; 4];
    for n in 0..kills {
        load.until_done(10).await;
        let node = dice.random_range(0..3);
        // Most are kills; what lasts for seconds is rarer.
        let kind = match n % 6 {
            1 => 1,
            3 => 2,
            5 if cluster.can_restart_database() => 3,
            _ => 0,
        };
        done[kind] += 1;
        match kind {
            0 => {
                cluster.kill(node);
                out += cluster.calling_of_dead().await;
                tokio::time::sleep(Duration::from_millis(dice.random_range(0..300))).await;
                cluster.start_again(node).await;
            }
            1 => {
                // Beyond its lease: it is declared dead, and wakes up to hear it.
                cluster.pause(node);
                load.avoid(Some(node));
                tokio::time::sleep(TIME_TO_LIVE + Duration::from_millis(1500)).await;
                out += cluster.calling_of_dead().await;
                cluster.go_on(node);
                load.avoid(None);
            }
            2 => cluster.cut_connections(),
            _ => cluster.restart_database(),
        }
    }
    load.until_done(20).await;
    let ended = load.end().await;
    println!("{} kills, {} stops, {} cuts, {} restarts of the database", done[0], done[1], done[2], done[3]);
    ended.check(&cluster, &key, out).await;
}

/// A program sends its request again to another node, because it lost the answer or does not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_idempotency_key_at_two_nodes_does_the_deed_once() {
    let Some(database) = Database::make() else { return };
    let cluster = Cluster::start(database, Shape { connections: 1, ..Shape::default() }).await;
    let bearer = format!("Bearer {}", cluster.api_key());
    let mut numbers = std::collections::BTreeSet::new();
    const DEEDS: usize = 12;
    for deed in 0..DEEDS {
        let key = format!("incidente-{deed}");
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key.as_str())];
        let body = format!("{{\"title\":\"Portátil perdido {deed}\"}}");
        let ask = |node| cluster.send(node, "/api/v1/incidents", &headers, body.as_bytes());
        let (one, two) = tokio::join!(ask(deed % 3), ask((deed + 1) % 3));
        let done: Vec<_> = [&one, &two].into_iter().filter(|(status, ..)| *status == 201).collect();
        assert!(!done.is_empty(), "{one:?} {two:?}");
        for (status, _, answer) in [&one, &two] {
            // Whoever comes while it is being done hears so, and may ask again.
            assert!(*status == 201 || (*status == 409 && answer["code"] == "request_in_progress"), "{one:?} {two:?}");
        }
        let (status, head, again) = ask((deed + 2) % 3).await;
        assert_eq!((status, &again), (201, &done[0].2), "the third node answers as the first did");
        assert!(head.contains("idempotency-replayed: true"), "{head}");
        assert!(done.iter().all(|(.., answer)| *answer == again));
        numbers.insert(again["number"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(numbers.len(), DEEDS);
    let listed =
        hub::get(cluster.addr(0), "/api/v1/incidents?limit=200", Some(&bearer["Bearer ".len()..])).await.unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed.1).unwrap();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(DEEDS), "none was registered twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_set_at_one_node_is_taken_at_all() {
    let Some(database) = Database::make() else { return };
    let cluster = Cluster::start(database, Shape { connections: 1, vault: true, ..Shape::default() }).await;
    const NEW: &str = "otra-clave-de-la-tienda";
    for node in 0..3 {
        assert!(cluster.takes(node, hub::SECRET, &format!("antes-{node}")).await);
        assert!(!cluster.takes(node, NEW, &format!("pronto-{node}")).await);
    }
    cluster.set_secret(NEW);
    let until = Instant::now() + Duration::from_secs(60);
    for node in 0..3 {
        while !cluster.takes(node, NEW, &format!("luego-{node}")).await {
            assert!(Instant::now() < until, "node {node} goes on with the earlier secret");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(!cluster.takes(node, hub::SECRET, &format!("tarde-{node}")).await, "the earlier one is over");
    }
}
