//! What only PostgreSQL has: nodes and their fence, the key file, schemas, several writers at once.
//! And the differential test: one random history, the same visible result on both adapters.

#[path = "postgres/history.rs"]
mod history;
#[path = "conformance/support.rs"]
#[allow(dead_code, reason = "the suite uses all of it")]
mod support;

use pasarela_domain::EntityRef;
use pasarela_store::postgres::{Options, PostgresStore};
use pasarela_store::{
    Audited, Decided, Error, FactWrite, Listen, ReadGuard, RunInsert, RunStatus, Store, Work, Worked, verify,
};
use std::path::Path;
use std::sync::Arc;
use support::server::{self, Database};

/// A node with a key file of its own.
fn node(database: &Database, folder: &Path, name: &str) -> Options {
    let first = folder.join("hub.key");
    let own = folder.join(name);
    if first.exists() {
        std::fs::copy(&first, &own).unwrap();
    }
    database.options(&own)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_declared_dead_writes_nothing() {
    let Some(database) = Database::make() else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = PostgresStore::open(&database.options(&folder.path().join("hub.key"))).unwrap();
    let kept = support::accept(&store, "antes").await;
    server::run(&database.url(), "DELETE FROM nodes".into());
    let late = store.accept(support::delivery(&store, "después")).await;
    assert!(matches!(late, Err(Error::Fenced)), "{late:?}");
    assert!(matches!(store.ping().await, Err(Error::Fenced)));
    let rows = store.inbox(0, 10).await.unwrap().rows;
    assert_eq!(rows.iter().map(|r| r.id).collect::<Vec<_>>(), [kept]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_have_numbers_and_epochs_of_their_own_and_leave_in_good_order() {
    let Some(database) = Database::make() else { return };
    let folder = tempfile::tempdir().unwrap();
    let first = PostgresStore::open(&node(&database, folder.path(), "hub.key")).unwrap();
    let second = PostgresStore::open(&node(&database, folder.path(), "dos.key")).unwrap();
    assert_eq!((first.node(), second.node()), (0, 1));
    assert!(second.boot() > first.boot());
    let (one, two) = (support::accept(&first, "a").await, support::accept(&second, "b").await);
    assert_eq!(((one.get() >> 16) & 31, (two.get() >> 16) & 31), (0, 1), "the number is in the id");
    // What the first has out is not interrupted while it lives.
    support::queue(&first, [1]).await;
    first.claim(vec![support::claim(&first, 1, 1)]).await.unwrap();
    assert!(second.interrupted().await.unwrap().is_empty());
    let epoch = second.boot();
    drop(first);
    assert_eq!(second.interrupted().await.unwrap().len(), 1, "its owner is gone");
    drop(second);
    let next = PostgresStore::open(&database.options(&folder.path().join("hub.key"))).unwrap();
    assert!(next.boot() > epoch && next.node() == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_and_the_schema_are_checked_before_anything_is_written() {
    let Some(database) = Database::make() else { return };
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("hub.key");
    let open = || PostgresStore::open(&database.options(&key)).map(|_| ()).map_err(|e| e.to_string());
    drop(PostgresStore::open(&database.options(&key)).unwrap());
    let text = std::fs::read_to_string(&key).unwrap();
    let held = PostgresStore::open(&database.options(&key)).unwrap();
    open().expect("nodes of one machine may share the key file");
    drop(held);
    std::fs::write(&key, "0".repeat(64)).unwrap();
    assert!(open().unwrap_err().contains("does not belong"));
    std::fs::remove_file(&key).unwrap();
    assert!(open().unwrap_err().contains("missing"));
    std::fs::write(&key, text).unwrap();
    open().unwrap();
    server::run(&database.url(), "UPDATE meta SET value = 99 WHERE name = 'schema'".into());
    assert!(open().unwrap_err().contains("start the newer program"));
    let foreign = Database::make().unwrap();
    server::run(&foreign.url(), "CREATE TABLE guests (name text)".into());
    let why = PostgresStore::open(&foreign.options(&key)).map(|_| ()).unwrap_err().to_string();
    assert!(why.contains("not a database of pasarela"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_append_to_one_chain_without_gap_or_fork() {
    let Some(database) = Database::make() else { return };
    let folder = tempfile::tempdir().unwrap();
    let nodes: Vec<Arc<dyn Store>> = ["hub.key", "dos.key"]
        .map(|key| Arc::new(PostgresStore::open(&node(&database, folder.path(), key)).unwrap()) as Arc<dyn Store>)
        .into();
    // One after the other on each node, so that the two take turns all the time.
    let tasks: Vec<_> = (0..2)
        .map(|n| {
            let store = nodes[n].clone();
            tokio::spawn(async move {
                for n in 0..40 {
                    let note = Audited::by_system(support::at(0), "retention.ran", &n.to_string());
                    store.audit(note.sealed(store.sealer()).unwrap()).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let chain = verify(&*nodes[1], [], |_| ()).await.unwrap().unwrap();
    assert_eq!(chain.entries, 80);
}

/// ADR 0008 with two writers: one begins to wait for a record that is not there, the other brings it and
/// tells whoever waits. Whichever is second sees the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_news_falls_between_two_nodes() {
    const ROUNDS: i64 = 60;
    let Some(database) = Database::make() else { return };
    let folder = tempfile::tempdir().unwrap();
    let waits: Arc<dyn Store> = Arc::new(PostgresStore::open(&node(&database, folder.path(), "hub.key")).unwrap());
    let brings: Arc<dyn Store> = Arc::new(PostgresStore::open(&node(&database, folder.path(), "dos.key")).unwrap());
    for n in 1..=ROUNDS {
        let listen = Listen { key: n, event_type: "entity".into() };
        let record = EntityRef::new("order", n.to_string());
        let (a, b) = (support::accept(&*waits, "{}").await, support::accept(&*brings, "{}").await);
        let waiting = FactWrite {
            runs: vec![RunInsert {
                status: RunStatus::Blocked,
                listens: vec![listen.clone()],
                ..support::run(&*waits, n, n)
            }],
            work: Work {
                guards: vec![ReadGuard::Entity { connection: 1, entity: record, version: 0 }],
                ..Work::default()
            },
            ..FactWrite::default()
        };
        let news = FactWrite {
            entities: vec![support::entity(&*brings, &n.to_string(), 0, "aquí")],
            work: Work {
                guards: vec![ReadGuard::Listeners { key: n, event_type: "entity".into(), runs: Vec::new() }],
                ..Work::default()
            },
            ..FactWrite::default()
        };
        let (one, two) = (waits.clone(), brings.clone());
        let one = tokio::spawn(async move { one.decide(support::decision(a, vec![waiting])).await });
        let two = tokio::spawn(async move { two.decide(support::decision(b, vec![news])).await });
        let written = [one.await.unwrap().unwrap(), two.await.unwrap().unwrap()];
        let done = written.iter().filter(|d| matches!(d, Decided::Done(_))).count();
        assert_eq!(done, 1, "round {n}: both or none were written: {written:?}");
    }
}

/// Places rise in the order of commits, whoever commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_never_give_one_place_twice() {
    let Some(database) = Database::make() else { return };
    let folder = tempfile::tempdir().unwrap();
    let stores: [Arc<dyn Store>; 2] = [
        Arc::new(PostgresStore::open(&node(&database, folder.path(), "hub.key")).unwrap()),
        Arc::new(PostgresStore::open(&node(&database, folder.path(), "dos.key")).unwrap()),
    ];
    let tasks: Vec<_> = (1..=200)
        .map(|n| {
            let store = stores[n as usize % 2].clone();
            tokio::spawn(async move {
                let work = Work { effects: vec![support::effect(&*store, n)], ..Work::default() };
                store.work(work).await
            })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.unwrap().unwrap(), Worked::Done { .. }));
    }
    let places: Vec<i64> = stores[0].queued(1, 1, 3, 0, 1000).await.unwrap().iter().map(|e| e.seq).collect();
    assert_eq!(places.len(), 200);
    assert!(places.windows(2).all(|w| w[0] < w[1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_history_has_one_result_on_both_adapters() {
    for seed in [3, 17, 20_261_127] {
        let Some(postgres) = support::Postgres::new() else { return };
        let on_sqlite = history::play(&*support::Factory::open(&support::Sqlite::new()), seed).await;
        let on_postgres = history::play(&*support::Factory::open(&postgres), seed).await;
        for (n, (a, b)) in on_sqlite.iter().zip(&on_postgres).enumerate() {
            assert_eq!(a, b, "seed {seed}, line {n}");
        }
        assert_eq!(on_sqlite.len(), on_postgres.len(), "seed {seed}");
    }
}
