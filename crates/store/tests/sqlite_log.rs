//! The write-ahead log under a load that does not let up: its file stays below what the store promises.

use jiff::Timestamp;
use pasarela_domain::EventId;
use pasarela_store::sqlite::{LOG_BOUND, Options, SqliteStore};
use pasarela_store::{
    Accepted, Decided, Decision, DedupKey, DeliveryStatus, Error, EventFilter, EventInsert, FactWrite, NewDelivery,
    Store,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// A database, and what its log did so far.
struct Loaded {
    store: Arc<SqliteStore>,
    next: Arc<AtomicI64>,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Loaded {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.db");
        let store = Arc::new(SqliteStore::open(&Options::file(&path)).unwrap());
        Self { store, next: Arc::default(), log: folder.path().join("hub.db-wal"), _folder: folder }
    }

    /// Accepts and decides `count` deliveries of `bytes` each, from several tasks at once.
    async fn write(&self, tasks: usize, count: usize, bytes: usize) {
        let tasks: Vec<_> = (0..tasks)
            .map(|_| {
                let (store, next) = (self.store.clone(), self.next.clone());
                tokio::spawn(async move {
                    for _ in 0..count {
                        one(&store, next.fetch_add(1, Ordering::Relaxed), bytes).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
}

/// One delivery with one event, under keys that hit the indexes all over, as keyed hashes do.
async fn one(store: &SqliteStore, n: i64, bytes: usize) {
    let body = vec![u8::try_from(n % 251).unwrap(); bytes];
    let delivery = NewDelivery {
        connection: 1,
        source: "webhook",
        received_at: Timestamp::now(),
        packed: store.sealer().seal(&body),
        replay_key: None,
        door: false,
    };
    let Accepted::New(id) = store.accept(delivery).await.unwrap() else { panic!("new") };
    let scattered = store.sealer().hash(&[&n.to_string()]);
    let fact = FactWrite {
        dedup: Some(DedupKey { connection: 1, kind: "k".into(), entity: scattered, discriminator: scattered }),
        event: Some(EventInsert {
            id: EventId::from_raw(n + 1),
            event_type: "order.paid".into(),
            connection: 1,
            key: scattered,
            occurred_at: Timestamp::UNIX_EPOCH,
            received_at: Timestamp::UNIX_EPOCH,
            delivery: id,
            body: store.sealer().seal(&body),
            subjects: vec![],
        }),
        ..FactWrite::default()
    };
    let decision = Decision {
        delivery: id,
        status: DeliveryStatus::Decided,
        reason: None,
        facts: vec![fact],
        subjects: vec![],
        door: false,
    };
    assert!(matches!(store.decide(decision).await.unwrap(), Decided::Done(_)));
}

fn size(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |m| m.len())
}

/// The largest size that a file has while `f` runs.
async fn peak(log: &Path, f: impl Future<Output = ()>) -> u64 {
    let (log, done) = (log.to_owned(), Arc::new(AtomicBool::new(false)));
    let ends = done.clone();
    let watch = std::thread::spawn(move || {
        let mut most = 0;
        while !ends.load(Ordering::Relaxed) {
            most = most.max(size(&log));
            std::thread::sleep(Duration::from_millis(1));
        }
        most.max(size(&log))
    });
    f.await;
    done.store(true, Ordering::Relaxed);
    watch.join().unwrap()
}

/// What a single member that is larger than a group may add.
fn slack(bytes: usize) -> u64 {
    2 * bytes as u64
}

/// Several times the bound is written, by more tasks than the disk can follow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_below_its_bound_however_much_is_written() {
    for (tasks, count, bytes) in [(24, 100, 16 * 1024), (4, 24, 512 * 1024), (2, 5, 6 * 1024 * 1024)] {
        let l = Loaded::new();
        let most = peak(&l.log, l.write(tasks, count, bytes)).await;
        let written = 2 * (tasks * count * bytes) as u64;
        assert!(written > 3 * LOG_BOUND, "the load would fill the log three times: {written}");
        assert!(most <= LOG_BOUND + slack(bytes), "bodies of {bytes}: the log was {most} bytes large");
        assert!(most > LOG_BOUND / 4, "the load was one: {most}");
    }
}

/// Pages that are asked for one after another, each with as many large bodies as may be asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_beside_it_does_not_lift_the_bound() {
    const BYTES: usize = 256 * 1024;
    let l = Loaded::new();
    l.write(4, 40, BYTES).await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (store, done) = (l.store.clone(), done.clone());
            tokio::spawn(async move {
                let mut pages = 0;
                while !done.load(Ordering::Relaxed) {
                    let all = EventFilter { limit: 1000, ..EventFilter::default() };
                    match store.events(all).await {
                        Ok(page) => {
                            let read: usize = page.rows.iter().map(|r| r.body.len()).sum();
                            assert!(read < 8 * 1024 * 1024, "a page of {read} bytes");
                            assert!(page.next.is_some(), "and a place to go on from");
                            pages += 1;
                        }
                        Err(Error::GaveWay) => {}
                        Err(e) => panic!("{e}"),
                    }
                    tokio::task::yield_now().await;
                }
                pages
            })
        })
        .collect();
    let most = peak(&l.log, l.write(4, 80, BYTES)).await;
    done.store(true, Ordering::Relaxed);
    let mut pages = 0;
    for reader in readers {
        pages += reader.await.unwrap();
    }
    assert!(pages > 3, "pages were read meanwhile");
    assert!(most <= LOG_BOUND + slack(BYTES), "the log was {most} bytes large");
}

/// Another program that reads the file in one long transaction: nobody can bound the log then, so
/// writing goes on, and when it ends the file shrinks to what is promised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_that_reads_for_long_stops_nobody_and_the_log_shrinks_after_it() {
    const BYTES: usize = 256 * 1024;
    let l = Loaded::new();
    l.write(1, 1, BYTES).await;
    let stranger = rusqlite::Connection::open(l.log.with_file_name("hub.db")).unwrap();
    stranger.execute_batch("BEGIN; SELECT count(*) FROM events").unwrap();
    let begun = Instant::now();
    l.write(4, 40, BYTES).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "it went on");
    assert!(size(&l.log) > 2 * LOG_BOUND, "and the log kept what the stranger reads");
    stranger.execute_batch("COMMIT").unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while size(&l.log) > LOG_BOUND {
        assert!(Instant::now() < until, "the log is still {} bytes large", size(&l.log));
        l.write(1, 1, 2048).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The check of the whole file gives way instead of holding the log, and still comes to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_of_the_file_does_not_lift_the_bound() {
    const BYTES: usize = 64 * 1024;
    let l = Loaded::new();
    l.write(4, 40, BYTES).await;
    let store = l.store.clone();
    let check = tokio::spawn(async move {
        for _ in 0..3 {
            assert_eq!(store.integrity().await.unwrap(), None);
        }
    });
    let most = peak(&l.log, l.write(4, 300, BYTES)).await;
    check.await.unwrap();
    assert!(most <= LOG_BOUND + slack(BYTES), "the log was {most} bytes large");
}
