//! G1 without the page cache: the answer comes after the sync. A small library, preloaded into the
//! hub, remembers what each database file held at its last sync (`unsynced/sync_shadow.c`); the hub
//! is killed, everything that was not synced is dropped, and every delivery that was answered 2xx
//! must still be there. The same with a store that does not sync must lose some, or this test could
//! not fail.
#![allow(clippy::print_stdout, reason = "the child of the control tells its parent what it acknowledged")]

#[path = "support/hub.rs"]
mod hub;

use hub::{Home, Sender, Sink, order};
use parking_lot::Mutex;
use pasarela_store::sqlite::{Options, SqliteStore};
use pasarela_store::{Accepted, NewDelivery, Store as _};
use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Power cuts in a row.
const CUTS: usize = 4;
/// Answers before each.
const ANSWERS: usize = 120;
/// Names the control's child and how its store syncs.
const CHILD: &str = "PASARELA_TEST_UNSYNCED_CHILD";
const CHILD_FOLDER: &str = "PASARELA_TEST_UNSYNCED_FOLDER";

/// Compiles the library; its path.
fn shim(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/unsynced/sync_shadow.c");
    let library = folder.join("sync_shadow.so");
    let out = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-o"])
        .arg(&library)
        .arg(source)
        .output()
        .expect("this test needs a C compiler named `cc`");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    library
}

/// Drops every write that was not synced.
fn cut_power(folder: &Path) {
    for name in ["hub.db", "hub.db-wal", "hub.db-journal", "hub.db.key"] {
        let (file, synced) = (folder.join(name), folder.join(format!("{name}.synced")));
        if synced.exists() {
            std::fs::copy(&synced, &file).expect("a shadow can be put in place");
        } else if file.exists() {
            std::fs::remove_file(&file).expect("a file that was never synced is gone");
        }
    }
    drop(std::fs::remove_file(folder.join("hub.db-shm")));
}

async fn send(
    addr: std::net::SocketAddr,
    next: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    answered: Arc<Mutex<Vec<String>>>,
) {
    let mut sender = Sender::default();
    while !stop.load(Ordering::Relaxed) {
        let body = order(&format!("evt-{}", next.fetch_add(1, Ordering::Relaxed)));
        match sender.post(addr, "/hooks/tienda", &body).await {
            Ok((200, answer)) => answered.lock().push(answer["delivery_id"].as_str().unwrap_or_default().to_owned()),
            // Killed: what was not answered is not promised.
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g01_what_was_answered_survives_the_loss_of_every_unsynced_write() {
    let sink = Sink::start().await;
    let home = Home::new(sink.addr, &["tienda"], &[]);
    let library = shim(home.dir.path());
    let preload = [("LD_PRELOAD", library.to_str().expect("a path in UTF-8"))];
    let (next, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
    for cut in 1..=CUTS {
        let mut hub = home.start(&preload).await.expect("the hub starts on what was synced");
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> =
            (0..6).map(|_| tokio::spawn(send(home.addr, next.clone(), stop.clone(), answered.clone()))).collect();
        let until = Instant::now() + Duration::from_secs(20);
        while answered.lock().len() < cut * ANSWERS {
            assert!(Instant::now() < until, "only {} answers", answered.lock().len());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        hub.kill();
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.await.expect("a sender ends");
        }
        assert!(home.dir.path().join("hub.db-wal.synced").exists(), "the library saw no sync");
        cut_power(home.dir.path());
    }
    let key = home.api_key();
    let hub = home.start(&[]).await.expect("the hub starts on what was synced");
    hub.quiet(Duration::from_secs(30)).await;
    let kept: HashSet<String> = hub
        .list("/api/v1/deliveries", &key)
        .await
        .iter()
        .filter(|d| d["status"] == "decided" && d["events"].as_array().is_some_and(|e| e.len() == 1))
        .filter_map(|d| d["id"].as_str().map(str::to_owned))
        .collect();
    let answered = answered.lock().clone();
    let lost: Vec<&String> = answered.iter().filter(|id| !kept.contains(*id)).collect();
    assert!(answered.len() >= CUTS * ANSWERS);
    assert!(lost.is_empty(), "{} of {} answered deliveries are lost: {lost:?}", lost.len(), answered.len());
}

/// The control's child: a store that acknowledges deliveries until it is killed. Nothing by itself.
#[tokio::test]
async fn child_store() {
    let (Ok(synchronous), Ok(folder)) = (std::env::var(CHILD), std::env::var(CHILD_FOLDER)) else { return };
    let synchronous = if synchronous == "OFF" { "OFF" } else { "FULL" };
    let options = Options { synchronous: Some(synchronous), ..Options::file(Path::new(&folder).join("hub.db")) };
    let store = SqliteStore::open(&options).expect("a fresh store");
    let connection = store.connection_id("tienda", "http").await.expect("a connection");
    for n in 0_u32.. {
        let delivery = NewDelivery {
            connection,
            source: "webhook",
            received_at: jiff::Timestamp::now(),
            packed: store.sealer().seal(&n.to_le_bytes()),
            replay_key: None,
            door: false,
        };
        if let Ok(Accepted::New(id)) = store.accept(delivery).await {
            println!("ack {}", id.get());
        }
    }
}

/// Deliveries that a store with this setting acknowledged, and how many of them a power cut took.
async fn acknowledged_and_lost(synchronous: &str) -> (usize, usize) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let mut child = Command::new(std::env::current_exe().expect("this test has a file"))
        .args(["--exact", "child_store", "--nocapture"])
        .env(CHILD, synchronous)
        .env(CHILD_FOLDER, folder.path())
        .env("LD_PRELOAD", shim(folder.path()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let mut acknowledged: Vec<i64> = Vec::new();
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    for line in lines {
        acknowledged.extend(line.split("ack ").nth(1).and_then(|id| id.trim().parse::<i64>().ok()));
        if acknowledged.len() == ANSWERS {
            // More may still come out of the pipe; they count too.
            child.kill().expect("the child is killed");
        }
    }
    drop(child.wait());
    assert!(acknowledged.len() >= ANSWERS, "{} acknowledged", acknowledged.len());
    cut_power(folder.path());
    let Ok(store) = SqliteStore::open(&Options::file(folder.path().join("hub.db"))) else {
        // Not even the schema was synced: all is lost.
        return (acknowledged.len(), acknowledged.len());
    };
    let mut lost = 0;
    for id in &acknowledged {
        let found = store.delivery(pasarela_domain::DeliveryId::from_raw(*id)).await.expect("a readable store");
        lost += usize::from(found.is_none());
    }
    (acknowledged.len(), lost)
}

#[tokio::test]
async fn control_a_store_that_does_not_sync_loses_what_it_acknowledged() {
    let (acknowledged, lost) = acknowledged_and_lost("OFF").await;
    assert!(lost > 0, "{acknowledged} acknowledged without a sync, and none lost: the test sees nothing");
    let (acknowledged, lost) = acknowledged_and_lost("FULL").await;
    assert_eq!(lost, 0, "of {acknowledged} acknowledged");
}
