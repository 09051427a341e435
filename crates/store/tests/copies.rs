//! Backups, restores and repairs of a SQLite file; a backup of PostgreSQL put back into an empty database.

#[path = "conformance/support.rs"]
#[allow(dead_code, reason = "shared with the conformance suite")]
mod support;

use pasarela_store::backup::{Manifest, Progress, read_manifest, verify};
use pasarela_store::postgres::{Aftermath, PostgresStore, restore};
use pasarela_store::sqlite::{LOG_BOUND, Mended, Options, Restoring, SqliteStore, State, examine, repair};
use pasarela_store::{
    Accepted, Audited, Care as _, Error, EventFilter, Master, Person, RecordWrite, Recorded, Records as _, Store,
    verify as verify_audit,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use support::{accept, at, decision, delivery, fact};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn options(&self) -> Options {
        Options::file(self.path("hub.db"))
    }
    fn open(&self) -> Arc<SqliteStore> {
        Arc::new(SqliteStore::open(&self.options()).unwrap())
    }
    fn key(&self) -> PathBuf {
        self.path("hub.db.key")
    }
}

async fn filled(store: &dyn Store, count: i64) {
    for id in 1..=count {
        let delivery = accept(store, &format!("cuerpo {id} {}", "x".repeat(600))).await;
        store.decide(decision(delivery, vec![fact(store, id, delivery)])).await.unwrap();
    }
}

async fn backup(store: &dyn Store, file: &Path) -> Result<Manifest, Error> {
    store.backup(file.to_owned(), at(0), Arc::new(Progress::default())).await
}

async fn events(store: &dyn Store) -> usize {
    store.events(EventFilter { limit: 100_000, ..EventFilter::default() }).await.unwrap().rows.len()
}

/// Names of what lies in a folder, so that nothing half done is left.
fn names(folder: &Path) -> Vec<String> {
    let mut all: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_beside_writing_is_whole_and_stalls_nobody() {
    let place = Place::new();
    let store = place.open();
    filled(&*store, 3_000).await;
    let (stop, taken, slowest) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (store, stop, taken, slowest) = (store.clone(), stop.clone(), taken.clone(), slowest.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let begun = std::time::Instant::now();
                    let body = "y".repeat(20_000);
                    assert!(matches!(store.accept(delivery(&*store, &body)).await.unwrap(), Accepted::New(_)));
                    taken.fetch_add(1, Ordering::Relaxed);
                    slowest.fetch_max(begun.elapsed().as_millis() as u64, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let log = place.path("hub.db-wal");
    let mut most = 0;
    for n in 0..3 {
        let before = taken.load(Ordering::Relaxed);
        let file = place.path(&format!("b{n}"));
        let copy = backup(&*store, &file);
        tokio::pin!(copy);
        let manifest = loop {
            tokio::select! {
                done = &mut copy => break done.unwrap(),
                () = tokio::time::sleep(std::time::Duration::from_millis(1)) => {
                    most = most.max(std::fs::metadata(&log).map_or(0, |m| m.len()));
                }
            }
        };
        assert!(taken.load(Ordering::Relaxed) > before, "it went on meanwhile");
        assert_eq!(verify(&file).unwrap(), manifest);
        assert!(manifest.tables["deliveries"].rows >= 3_000 + before);
        assert_eq!(manifest.tables["events"].rows, 3_000);
        assert_eq!(manifest.tables["deliveries"].rows, manifest.tables["inbox"].rows + 3_000, "of one moment");
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(most <= LOG_BOUND + 2 * 1024 * 1024, "the log was {most} bytes large");
    assert!(slowest.load(Ordering::Relaxed) < 5_000, "an accept took {slowest:?} ms");
    // Whoever has only SQLite can open it.
    let db = rusqlite::Connection::open(place.path("b0")).unwrap();
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_without_its_key_is_refused_and_nothing_is_overwritten() {
    let place = Place::new();
    let store = place.open();
    filled(&*store, 5).await;
    let file = place.path("b");
    let (key, aside) = (place.key(), place.path("aside"));
    std::fs::rename(&key, &aside).unwrap();
    let why = backup(&*store, &file).await.unwrap_err().to_string();
    assert!(why.contains("hub.db.key is missing"), "{why}");
    std::fs::write(&key, "0".repeat(64)).unwrap();
    let why = backup(&*store, &file).await.unwrap_err().to_string();
    assert!(why.contains("does not belong to this database"), "{why}");
    std::fs::rename(&aside, &key).unwrap();

    std::fs::write(&file, "lo que había").unwrap();
    let why = backup(&*store, &file).await.unwrap_err().to_string();
    assert!(why.contains("is there already"), "{why}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "lo que había");
    let why = backup(&*store, &place.path("no/such/b")).await.unwrap_err().to_string();
    assert!(why.contains("does its folder exist"), "{why}");
    assert!(!names(place.0.path()).iter().any(|n| n.contains("partial")), "{:?}", names(place.0.path()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_file_is_the_database_and_only_a_whole_backup_is_taken() {
    let place = Place::new();
    let store = place.open();
    filled(&*store, 40).await;
    let file = place.path("b");
    let made = backup(&*store, &file).await.unwrap();
    drop(store);

    let there =
        Restoring::begin(&file, &place.path("hub.db"), &Master::File(place.key())).map(|_| ()).unwrap_err().to_string();
    assert!(there.contains("is there already") && there.contains("--to"), "{there}");
    let to = place.path("new.db");
    let refused = |file: &Path, key: &Path| {
        Restoring::begin(file, &to, &Master::File(key.to_owned())).map(|_| ()).unwrap_err().to_string()
    };
    let missing = refused(&file, &place.path("nokey"));
    assert!(missing.contains("is missing"), "{missing}");
    std::fs::write(place.path("other"), "1".repeat(64)).unwrap();
    let other = refused(&file, &place.path("other"));
    assert!(other.contains(&made.key) && other.contains("store.key_file"), "{other}");

    // Changed anywhere, cut anywhere, or of a newer program.
    let whole = std::fs::read(&file).unwrap();
    let bad = place.path("bad");
    for at in [5_000, whole.len() / 2, usize::try_from(made.bytes).unwrap() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(&bad, changed).unwrap();
        let why = refused(&bad, &place.key());
        assert!(why.contains("not what was written"), "{why}");
    }
    for cut in [0, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&bad, &whole[..cut]).unwrap();
        let why = refused(&bad, &place.key());
        assert!(why.contains("not a backup") || why.contains("cut off"), "cut at {cut}: {why}");
    }
    let text = String::from_utf8_lossy(&whole[usize::try_from(made.bytes).unwrap()..]).into_owned();
    let newer = text.replace("\"schema\":1,", "\"schema\":9,");
    std::fs::write(&bad, [&whole[..usize::try_from(made.bytes).unwrap()], newer.as_bytes()].concat()).unwrap();
    let why = refused(&bad, &place.key());
    assert!(why.contains("schema 9") && why.contains("newer program"), "{why}");
    assert!(
        !to.exists() && !names(place.0.path()).iter().any(|n| n.contains("partial")),
        "{:?}",
        names(place.0.path())
    );

    let restoring = Restoring::begin(&file, &to, &Master::File(place.key())).unwrap();
    assert!(!to.exists(), "not before all is done");
    let store = restoring.open().unwrap();
    assert_eq!(events(&store).await, 40);
    drop(store);
    restoring.finish().unwrap();
    assert!(!names(place.0.path()).iter().any(|n| n.contains("partial")), "{:?}", names(place.0.path()));
    let store = SqliteStore::open(&Options { key_file: Some(place.key()), ..Options::file(&to) }).unwrap();
    assert_eq!(events(&store).await, 40);
    assert!(store.delivery(pasarela_domain::DeliveryId::from_raw(1)).await.unwrap().is_none());
    let space = store.space().await.unwrap();
    assert!(space.gives_back, "{space:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn free_pages_are_given_back_in_bites() {
    let place = Place::new();
    let store = place.open();
    filled(&*store, 4_000).await;
    for kept in [pasarela_store::Kept::Events, pasarela_store::Kept::Deliveries] {
        while !store.prune(kept, at(86_400 * 9), at(86_400 * 9), 500).await.unwrap().done {}
    }
    let full = store.space().await.unwrap();
    assert!(full.free_bytes > full.bytes / 2 && full.gives_back, "{full:?}");
    store.give_back(64).await.unwrap();
    let once = store.space().await.unwrap();
    // With a page of the map that went with them, perhaps.
    assert!((64..68).contains(&((full.bytes - once.bytes) / 4096)), "one bite is what was asked for: {once:?}");
    while store.space().await.unwrap().free_bytes > 1024 * 1024 {
        store.give_back(256).await.unwrap();
    }
    assert!(events(&*store).await == 1 && store.space().await.unwrap().bytes < full.bytes / 2);
}

/// Damages a leaf of a table, or of an index.
fn damage(path: &Path, name: &str, nth: usize) {
    use std::io::{Seek as _, Write as _};
    let pages: Vec<u64> = {
        let db = rusqlite::Connection::open(path).unwrap();
        let mut leaves =
            db.prepare("SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY path").unwrap();
        leaves.query_map([name], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(std::io::SeekFrom::Start((pages[nth % pages.len()] - 1) * 4096)).unwrap();
    file.write_all(&[0xff; 4096]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repair_mends_indexes_whole_and_rows_as_far_as_they_can_be_read() {
    let place = Place::new();
    let store = place.open();
    filled(&*store, 2_000).await;
    drop(store);
    let (path, whole) = (place.path("hub.db"), std::fs::read(place.path("hub.db")).unwrap());

    let told = repair(&place.options(), &place.path("same.db")).unwrap();
    assert_eq!(told.mended, Mended::Whole);
    assert!(
        examine(&place.options(), false).iter().all(|f| f.state == State::Ok),
        "{:?}",
        examine(&place.options(), false)
    );

    damage(&path, "events_key", 3);
    let hurt = std::fs::read(&path).unwrap();
    let found = examine(&place.options(), false);
    let bad = found.iter().find(|f| f.state == State::Fail).unwrap();
    assert!(bad.check == "integrity" && bad.advice.as_ref().unwrap().contains("--repair"), "{found:?}");
    let told = repair(&place.options(), &place.path("indexes.db")).unwrap();
    assert_eq!(told.mended, Mended::Indexes, "{:?}", told.verdict);
    let rows =
        |told: &pasarela_store::sqlite::Repaired, table: &str| told.tables.iter().find(|t| t.0 == table).unwrap().1;
    assert_eq!((rows(&told, "events"), rows(&told, "deliveries")), (2_000, 2_000));
    assert_eq!(std::fs::read(&path).unwrap(), hurt, "the old file is as it was");

    std::fs::write(&path, &whole).unwrap();
    damage(&path, "deliveries", 20);
    damage(&path, "deliveries", 90);
    let hurt = std::fs::read(&path).unwrap();
    let told = repair(&place.options(), &place.path("rows.db")).unwrap();
    assert_eq!(told.mended, Mended::Rows);
    let left = rows(&told, "deliveries");
    assert!((1_960..2_000).contains(&left), "two pages of a few rows are lost, not what lies between: {left}");
    assert_eq!(rows(&told, "events"), 2_000);
    assert!(told.gaps.iter().all(|g| g.table == "deliveries") && !told.gaps.is_empty(), "{:?}", told.gaps);
    assert_eq!(std::fs::read(&path).unwrap(), hurt, "the old file is as it was");
    let key_file = Some(place.key());
    let store =
        SqliteStore::open(&Options { key_file: key_file.clone(), ..Options::file(place.path("rows.db")) }).unwrap();
    assert_eq!((events(&store).await, store.integrity().await.unwrap()), (2_000, None));
    accept(&store, "y sigue").await;

    // While somebody serves it, nothing is touched.
    let served = Options { key_file, ..Options::file(place.path("rows.db")) };
    assert!(matches!(repair(&served, &place.path("no.db")), Err(Error::Locked(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_goes_into_a_file_and_back_into_an_empty_database() {
    let (Some(one), Some(two)) = (support::server::Database::make(), support::server::Database::make()) else { return };
    let place = Place::new();
    let key = place.path("hub.key");
    let store = PostgresStore::open(&one.options(&key)).unwrap();
    let tienda = store.connection_id("tienda", "http").await.unwrap();
    filled(&store, 300).await;
    for (id, subject) in [("de-ella", 40), ("de-otra", 41)] {
        record(&store, id, subject).await;
    }
    let told =
        Audited { about: vec![40], after: Some("Valentina".into()), ..Audited::by_system(at(1), "cases.step", "1") };
    store.audit(told.sealed(store.sealer()).unwrap()).await.unwrap();
    let mut queued = support::effect(&store, 7_000);
    queued.connection = tienda;
    support::write(&store, pasarela_store::Work { effects: vec![queued], ..Default::default() }).await;
    let file = place.path("b");
    let aside = place.path("aside");
    std::fs::rename(&key, &aside).unwrap();
    assert!(backup(&store, &file).await.unwrap_err().to_string().contains("is missing"));
    std::fs::rename(&aside, &key).unwrap();
    let made = backup(&store, &file).await.unwrap();
    assert_eq!((made.database.as_str(), made.tables["events"].rows, made.tables["effects"].rows), ("postgres", 300, 1));
    assert_eq!(read_manifest(&file).unwrap(), made);
    filled_more(&store).await;
    drop(store);

    let who = Person { subject: 40, personal: vec![], records: vec!["nota".into()], held_by: None };
    let after = Aftermath {
        erased: vec![who],
        hold: Some((vec![], "restored", "put back".into())),
        pause: Some("put back".into()),
        spared: "",
        now: at(5),
        noted: Audited::by_system(at(5), "backups.restore", ""),
    };
    let options = two.options(&key);
    let progress = || Arc::new(Progress::default());
    let full = restore(&one.options(&key), &file, progress(), &after).await.unwrap_err().to_string();
    assert!(full.contains("holds tables already") && full.contains("empty database"), "{full}");
    let mut changed = std::fs::read(&file).unwrap();
    changed[2_000] ^= 1;
    std::fs::write(place.path("bad"), changed).unwrap();
    let why = restore(&options, &place.path("bad"), progress(), &after).await.unwrap_err().to_string();
    assert!(why.contains("not what was written"), "{why}");
    let done = restore(&options, &file, progress(), &after).await.unwrap();
    assert_eq!((done.held, done.paused), (1, 1));
    assert!(done.redacted >= 600, "{done:?}");

    let store = PostgresStore::open(&options).unwrap();
    assert_eq!(events(&store).await, 300, "of the moment of the backup");
    assert_eq!(store.connection_id("tienda", "http").await.unwrap(), tienda);
    assert_ne!(store.connection_id("crm", "twenty").await.unwrap(), tienda, "numbers go on");
    assert_eq!(support::state(&store, 7_000).await, pasarela_store::EffectState::Unknown);
    assert_eq!(store.pauses().await.unwrap()[0].reason.as_deref(), Some("put back"));
    let all = store.events(EventFilter { limit: 1, ..EventFilter::default() }).await.unwrap();
    assert!(String::from_utf8_lossy(&all.rows[0].body).contains("erased"), "what had been erased is erased again");
    accept(&store, "y sigue").await;
    let left = |id: &'static str| store.record("nota", id);
    let erased = left("de-ella").await.unwrap().unwrap();
    assert!(!erased.open && !String::from_utf8_lossy(&erased.data).contains("Valentina"));
    let other = left("de-otra").await.unwrap().unwrap();
    assert_eq!((other.data.as_slice(), other.due), (b"Valentina".as_slice(), Some(at(9))));
    let chain = verify_audit(&store, [], |_| ()).await.unwrap().unwrap();
    assert_eq!((chain.entries, chain.forgotten), (3, 1), "what was done, that its values went, and the restore");
    assert_eq!(record(&store, "nueva", 41).await, Recorded::Done(1));
    assert!(left("nueva").await.unwrap().unwrap().number > other.number, "numbers go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_one_takes_care_until_it_lets_go() {
    let Some(database) = support::server::Database::make() else { return };
    let place = Place::new();
    let open = |key: &str| {
        let options = database.options(&place.path(key));
        PostgresStore::open(&options).unwrap()
    };
    let one = open("one.key");
    std::fs::copy(place.path("one.key"), place.path("two.key")).unwrap();
    let two = open("two.key");
    assert!(one.care_turn(600_000).await.unwrap());
    assert!(!two.care_turn(600_000).await.unwrap(), "it is the other's turn");
    assert!(one.care_turn(1).await.unwrap());
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !two.care_turn(600_000).await.unwrap() {
        assert!(std::time::Instant::now() < until, "a turn that is over is to be had");
    }
    assert!(!one.care_turn(1).await.unwrap());
}

/// Keeps a record about subject 40 or somebody else.
async fn record(store: &dyn Store, id: &str, subject: i64) -> Recorded {
    let write = RecordWrite {
        kind: "nota".into(),
        id: id.into(),
        expected: 0,
        due: Some(at(9)),
        open: true,
        subjects: vec![subject],
        at: at(0),
        data: store.sealer().seal(b"Valentina"),
    };
    store.keep_record(write).await.unwrap()
}

async fn filled_more(store: &dyn Store) {
    let id = accept(store, "después").await;
    store.decide(decision(id, vec![fact(store, 900, id)])).await.unwrap();
}
