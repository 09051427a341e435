//! What only SQLite has: files beside one another, their lock and key, and a writer that can be held up.

#[path = "sqlite/tampering.rs"]
mod tampering;

use jiff::Timestamp;
use pasarela_domain::{DeliveryId, EntityRef, EventId};
use pasarela_store::sqlite::{Options, SqliteStore};
use pasarela_store::{
    Accepted, Decision, DeliveryStatus, EntityUpsert, Error, EventInsert, FactWrite, Master, NewDelivery, SealError,
    Store,
};
use std::collections::BTreeSet;
use std::path::Path;

fn open(folder: &Path) -> Result<SqliteStore, Error> {
    SqliteStore::open(&Options::file(folder.join("hub.db")))
}

fn delivery(store: &SqliteStore, body: &[u8]) -> NewDelivery {
    NewDelivery {
        connection: 1,
        source: "webhook",
        received_at: Timestamp::UNIX_EPOCH,
        packed: store.sealer().seal(body),
        replay_key: None,
        door: false,
    }
}

/// Words about an invented person, as they stand in bodies, read models and events.
const PERSONAL: [&str; 4] =
    ["valentina.rios@correo.example", "+573001234567", "Valentina Ríos Mejía", "Carrera 7 # 45-10"];

#[tokio::test]
async fn no_file_holds_a_word_about_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let text = PERSONAL.join(" | ");
    let seal = |s: &str| store.sealer().seal(s.as_bytes());
    let Accepted::New(id) = store.accept(delivery(&store, text.as_bytes())).await.unwrap() else { panic!("new") };
    let fact = FactWrite {
        entities: vec![EntityUpsert {
            connection: 1,
            entity: EntityRef::new("order", "o1"),
            expected: 0,
            updated_at: None,
            rank: 0,
            hash: 1,
            parent: None,
            data: seal(&text),
        }],
        event: Some(EventInsert {
            id: EventId::from_raw(1),
            event_type: "order.paid".into(),
            connection: 1,
            key: store.sealer().hash(&[PERSONAL[0]]),
            occurred_at: Timestamp::UNIX_EPOCH,
            received_at: Timestamp::UNIX_EPOCH,
            delivery: id,
            body: seal(&text),
            subjects: vec![store.sealer().hash(&[PERSONAL[1]])],
        }),
        ..FactWrite::default()
    };
    let decision = Decision {
        delivery: id,
        status: DeliveryStatus::Partial,
        reason: Some(seal(&text)),
        facts: vec![fact],
        subjects: vec![store.sealer().hash(&[PERSONAL[1]])],
        door: false,
    };
    store.decide(decision).await.unwrap();
    store.keep_credential(1, seal("secreto-del-proveedor")).await.unwrap();
    store.keep_cursor(1, "orders", seal(&text), Timestamp::UNIX_EPOCH, 1).await.unwrap();
    assert_eq!(store.delivery(id).await.unwrap().unwrap().packed, text.as_bytes(), "it can be read with the key");

    let mut seen = Vec::new();
    let mut look = |when: &str| {
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            seen.push(path.file_name().unwrap().to_string_lossy().into_owned());
            for word in PERSONAL.iter().chain(&["secreto-del-proveedor", "valentina", "3001234567"]) {
                let found = bytes.windows(word.len()).any(|w| w == word.as_bytes());
                assert!(!found, "{} holds {word:?} {when}", path.display());
            }
        }
    };
    look("while the hub runs");
    drop(store);
    look("after it stopped");
    for name in ["hub.db", "hub.db-wal", "hub.db.key"] {
        assert!(seen.iter().any(|s| s == name), "{name} was looked at: {seen:?}");
    }
}

#[tokio::test]
async fn one_file_has_one_hub() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    match open(folder.path()).map(|_| ()) {
        Err(Error::Locked(path)) => assert!(path.ends_with("hub.db"), "{path}"),
        other => panic!("a second one opened: {other:?}"),
    }
    drop(store);
    open(folder.path()).unwrap();
}

#[tokio::test]
async fn a_database_without_its_key_stays_shut_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let Accepted::New(id) = store.accept(delivery(&store, b"cuerpo")).await.unwrap() else { panic!("new") };
    drop(store);
    let (key, aside) = (folder.path().join("hub.db.key"), folder.path().join("aside"));
    std::fs::rename(&key, &aside).unwrap();
    assert!(
        matches!(open(folder.path()), Err(Error::Seal(SealError::KeyMissing(p))) if p == Master::File(key.clone()))
    );
    assert!(!key.exists(), "no new key is made for an old database");
    std::fs::write(&key, "ab".repeat(32)).unwrap();
    assert!(matches!(open(folder.path()), Err(Error::Seal(SealError::WrongKey(p))) if p == Master::File(key.clone())));
    std::fs::write(&key, "no es una llave").unwrap();
    assert!(matches!(open(folder.path()), Err(Error::Seal(SealError::KeyFile { .. }))));
    std::fs::rename(&aside, &key).unwrap();
    let store = open(folder.path()).unwrap();
    assert_eq!(store.delivery(id).await.unwrap().unwrap().packed, b"cuerpo");
}

/// Another program that holds SQLite's write lock: the writer waits, the queue fills, the rest is
/// refused at once, and whatever was taken in is kept.
#[tokio::test]
async fn a_full_queue_refuses_at_once_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let holder = rusqlite::Connection::open(folder.path().join("hub.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();

    let (mut waiting, mut refused) = (Vec::new(), 0);
    while refused < 20 {
        assert!(waiting.len() < 20_000, "the queue has no end");
        let mut call = store.accept(delivery(&store, b"x"));
        // A refusal is there at once; everything else waits for the writer.
        let first = std::future::poll_fn(|c| std::task::Poll::Ready(call.as_mut().poll(c))).await;
        match first {
            std::task::Poll::Pending => waiting.push(call),
            std::task::Poll::Ready(Err(Error::Busy)) => refused += 1,
            std::task::Poll::Ready(other) => panic!("answered while nothing can be written: {other:?}"),
        }
    }
    assert!(waiting.len() >= 8192 && store.stats().queued >= 8192);
    holder.execute_batch("ROLLBACK").unwrap();
    let taken = waiting.len();
    let mut ids: Vec<DeliveryId> = Vec::new();
    for call in waiting {
        match call.await.unwrap() {
            Accepted::New(id) => ids.push(id),
            Accepted::Known => panic!("new"),
        }
    }
    assert!(ids.is_sorted(), "in the order of arrival");
    assert_eq!(store.health(Timestamp::UNIX_EPOCH).await.unwrap().inbox, taken as u64);
    assert!(matches!(store.accept(delivery(&store, b"x")).await, Ok(Accepted::New(_))), "and it goes on");
}

/// Longer than SQLite waits: callers are told to come again, not that their work is wrong.
#[tokio::test]
async fn a_database_that_another_program_holds_is_busy_and_not_broken() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let holder = rusqlite::Connection::open(folder.path().join("hub.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = store.accept(delivery(&store, b"x")).await;
    assert!(matches!(answer, Err(Error::Busy)), "{answer:?}");
    holder.execute_batch("ROLLBACK").unwrap();
    assert!(matches!(store.accept(delivery(&store, b"x")).await, Ok(Accepted::New(_))));
    assert_eq!(store.health(Timestamp::UNIX_EPOCH).await.unwrap().inbox, 1, "what was refused is not there");
}

#[tokio::test]
async fn large_bodies_fill_the_queue_by_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let holder = rusqlite::Connection::open(folder.path().join("hub.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let body = vec![b'x'; 6 * 1024 * 1024];
    let mut waiting = Vec::new();
    let refused = loop {
        let mut call = store.accept(delivery(&store, &body));
        match std::future::poll_fn(|c| std::task::Poll::Ready(call.as_mut().poll(c))).await {
            std::task::Poll::Pending => waiting.push(call),
            std::task::Poll::Ready(answer) => break answer,
        }
        assert!(waiting.len() < 40, "240 MiB wait in memory");
    };
    assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
    holder.execute_batch("ROLLBACK").unwrap();
    drop(holder);
    for call in waiting {
        assert!(matches!(call.await, Ok(Accepted::New(_))));
    }
}

/// Whoever adds a column of bytes says whether it is sealed: then it is sealed anew with all others.
#[test]
fn every_column_of_bytes_is_sealed_or_known_not_to_be() {
    const PLAIN: [(&str, &str); 14] = [
        ("api_keys", "hash"),
        ("audit", "about"),
        ("audit", "actor_digest"),
        ("audit", "detail_digest"),
        ("audit", "forgets"),
        ("audit", "hash"),
        ("audit", "previous"),
        ("audit_head", "hash"),
        ("audit_head", "mac"),
        ("key_terms", "old_hash"),
        ("keys", "next"),
        ("keys", "wrapped"),
        ("passes", "hash"),
        ("passes", "taker"),
    ];
    // Sealed, and gone within a day.
    const SHORT: [(&str, &str); 2] = [("answers", "answer"), ("passes", "detail")];
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let db = rusqlite::Connection::open(folder.path().join("hub.db")).unwrap();
    let sql = "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c
        WHERE m.type = 'table' AND c.type = 'BLOB' ORDER BY 1, 2";
    let mut statement = db.prepare(sql).unwrap();
    let found = statement.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?))).unwrap();
    let there: BTreeSet<(String, String)> = found.map(Result::unwrap).collect();
    let known: BTreeSet<(String, String)> = (PLAIN.into_iter().chain(SHORT).chain(pasarela_store::sealed_columns()))
        .map(|(table, column)| (table.to_owned(), column.to_owned()))
        .collect();
    assert_eq!(there, known);
}

#[test]
fn files_that_are_no_database_of_ours_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    std::fs::write(&path, "una lista de invitados, no una base de datos").unwrap();
    assert!(matches!(open(folder.path()), Err(Error::Corrupt(why)) if why.contains("hub.db")));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "una lista de invitados, no una base de datos");

    std::fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE guests (name)").unwrap();
    let why = open(folder.path()).map(|_| ()).unwrap_err().to_string();
    assert!(why.contains("is not a database of pasarela") && why.contains("store.url"), "{why}");

    std::fs::remove_file(&path).unwrap();
    drop(open(folder.path()).unwrap());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute("UPDATE meta SET value = 99 WHERE name = 'schema'", []).unwrap();
    drop(db);
    let why = open(folder.path()).map(|_| ()).unwrap_err().to_string();
    assert!(why.contains("schema 99") && why.contains("newer"), "{why}");
}

/// A database as the first release left it: its tables, the keys that its sealed columns need, and work in flight.
#[tokio::test]
async fn a_database_of_the_first_schema_is_opened_and_used() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let (now, old) = (folder.path().join("hub.db"), folder.path().join("old.db"));
    let db = rusqlite::Connection::open(&old).unwrap();
    db.execute_batch(include_str!("fixtures/first-schema.sql")).unwrap();
    db.execute("ATTACH ?1 AS fresh", [now.to_str().unwrap()]).unwrap();
    db.execute_batch(
        "INSERT INTO keys SELECT id, purpose, wrapped FROM fresh.keys; INSERT INTO meta SELECT * FROM fresh.meta; DETACH fresh;
         INSERT INTO deliveries VALUES (7, 1, 'webhook', 5, x''); INSERT INTO delivery_result VALUES (7, 4, NULL);
         PRAGMA journal_mode = WAL;",
    )
    .unwrap();
    drop(db);
    for suffix in ["-wal", "-shm"] {
        drop(std::fs::remove_file(folder.path().join(format!("hub.db{suffix}"))));
    }
    std::fs::rename(&old, &now).unwrap();

    // Twice: what was added once is not added again.
    for _ in 0..2 {
        let store = open(folder.path()).unwrap();
        let health = store.health(Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!((health.quarantined, health.proposed, health.queued), (1, 0, 0));
        assert!(store.deliveries(Some(DeliveryStatus::Proposed), None, 5).await.unwrap().rows.is_empty());
        assert!(store.pauses().await.unwrap().is_empty());
        assert!(store.pushed_flows().await.unwrap().is_empty());
        assert!(store.queued_flows(1, 0).await.unwrap().is_empty());
        assert!(store.queued_lane(1, 0, 1, -1, 5).await.unwrap().is_empty());
        assert!(
            store
                .effects(pasarela_store::EffectFilter { limit: 5, ..Default::default() })
                .await
                .unwrap()
                .rows
                .is_empty()
        );
        assert!(store.attempts(pasarela_domain::EffectId::from_raw(1)).await.unwrap().is_empty());
        assert!(matches!(store.accept(delivery(&store, b"{}")).await.unwrap(), Accepted::New(_)));
    }
}

/// Changes expand first: whatever the previous version has and says is still there and still understood, so
/// that it can be put back. `scripts/upgrade` runs it for real.
#[test]
fn the_previous_version_still_understands_the_schema() {
    // As this version makes it, and as it makes it of a database of the previous one.
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    understands(&folder.path().join("hub.db"));
    let other = tempfile::tempdir().unwrap();
    std::fs::copy(folder.path().join("hub.db.key"), other.path().join("hub.db.key")).unwrap();
    let db = rusqlite::Connection::open(other.path().join("hub.db")).unwrap();
    db.execute_batch(include_str!("fixtures/previous-schema.sql")).unwrap();
    db.execute("ATTACH ?1 AS fresh", [folder.path().join("hub.db").to_str().unwrap()]).unwrap();
    db.execute_batch(
        "INSERT INTO keys SELECT id, purpose, wrapped FROM fresh.keys; INSERT INTO meta SELECT * FROM fresh.meta;",
    )
    .unwrap();
    drop(db);
    drop(open(other.path()).unwrap());
    understands(&other.path().join("hub.db"));
}

fn understands(path: &Path) {
    let db = rusqlite::Connection::open(path).unwrap();
    let old = rusqlite::Connection::open_in_memory().unwrap();
    old.execute_batch(include_str!("fixtures/previous-schema.sql")).unwrap();
    let columns = |db: &rusqlite::Connection| -> Vec<(String, String, String, bool, i64)> {
        db.prepare(
            "SELECT m.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_schema m, pragma_table_info(m.name) c
             WHERE m.type = 'table' ORDER BY 1, 2",
        )
        .unwrap()
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect()
    };
    let now = columns(&db);
    for column in columns(&old) {
        assert!(now.contains(&column), "{column:?} is gone, or is another one");
    }
    // A column that the previous version does not name must fill itself.
    let bare: Vec<String> = db
        .prepare(
            "SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c
             WHERE m.type = 'table' AND c.\"notnull\" AND c.dflt_value IS NULL AND c.pk = 0",
        )
        .unwrap()
        .query_map([], |r| r.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for column in bare {
        let (table, name) = column.split_once('.').unwrap();
        let known: bool = old
            .query_row("SELECT count(*) > 0 FROM pragma_table_info(?1) WHERE name = ?2", [table, name], |r| r.get(0))
            .unwrap();
        let new_table: bool =
            old.query_row("SELECT count(*) = 0 FROM pragma_table_info(?1)", [table], |r| r.get(0)).unwrap();
        assert!(known || new_table, "the previous version cannot fill {column}");
    }
    let statements = include_str!("fixtures/previous-statements.sql");
    let mut count = 0;
    for sql in statements.lines().filter(|l| !l.starts_with("--")) {
        db.prepare(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        count += 1;
    }
    assert!(count > 60, "{count}");
    let version: i64 = db.query_row("SELECT value FROM meta WHERE name = 'schema'", [], |r| r.get(0)).unwrap();
    assert_eq!(version, 1, "the previous version refuses a higher one: raise it only when it contracts");
}
