//! Factories, and short ways to make what the store is asked to write. Persons are invented.

use jiff::{SignedDuration, Timestamp};
use pasarela_domain::{DeliveryId, EffectId, EntityRef, EventId, RunId};
use pasarela_store::postgres::PostgresStore;
use pasarela_store::sqlite::{Options, SqliteStore};
use pasarela_store::{
    Accepted, Claim, Decided, Decision, DedupKey, DeliveryStatus, EffectGuard, EffectInsert, EffectState, EffectUpdate,
    EntityUpsert, Error, EventInsert, FactResult, FactWrite, Master, NewDelivery, RecordRow, RunInsert, RunStatus,
    RunWrite, Store, TimerKind, TimerSet, Work, Worked,
};
use std::sync::Arc;

#[path = "../postgres/server.rs"]
pub(crate) mod server;

/// Where one test's database lives. Opening again after every handle is dropped is a restart.
pub(crate) trait Factory {
    /// Opens the database, made empty the first time.
    fn open(&self) -> Arc<dyn Store> {
        self.try_open(None).unwrap()
    }
    /// Opens it with another master key.
    fn open_by(&self, master: Master) -> Arc<dyn Store> {
        self.try_open(Some(master)).unwrap()
    }
    /// Does this master key not open it?
    fn refuses(&self, master: &Master) -> bool {
        self.try_open(Some(master.clone())).is_err()
    }
    fn try_open(&self, master: Option<Master>) -> Result<Arc<dyn Store>, Error>;
    /// Records of a kind, seen without opening it.
    fn peek(&self, kind: &str) -> Result<Vec<RecordRow>, Error>;
    /// File of its master key.
    fn key(&self) -> std::path::PathBuf;
}

/// SQLite in a folder that goes away with the test.
pub(crate) struct Sqlite(tempfile::TempDir);

impl Sqlite {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Factory for Sqlite {
    fn try_open(&self, master: Option<Master>) -> Result<Arc<dyn Store>, Error> {
        let options = Options { master, ..Options::file(self.0.path().join("hub.db")) };
        Ok(Arc::new(SqliteStore::open(&options)?))
    }
    fn peek(&self, kind: &str) -> Result<Vec<RecordRow>, Error> {
        pasarela_store::sqlite::peek(&Options::file(self.0.path().join("hub.db")), kind)
    }
    fn key(&self) -> std::path::PathBuf {
        self.0.path().join("hub.db.key")
    }
}

/// PostgreSQL in a database of its own, which goes away with the test.
pub(crate) struct Postgres {
    database: server::Database,
    folder: tempfile::TempDir,
}

impl Postgres {
    /// `None`, loudly, when no server was named.
    pub(crate) fn new() -> Option<Self> {
        Some(Self { database: server::Database::make()?, folder: tempfile::tempdir().unwrap() })
    }
}

impl Factory for Postgres {
    fn try_open(&self, master: Option<Master>) -> Result<Arc<dyn Store>, Error> {
        let options = pasarela_store::postgres::Options { master, ..self.database.options(&self.key()) };
        Ok(Arc::new(PostgresStore::open(&options)?))
    }
    fn peek(&self, kind: &str) -> Result<Vec<RecordRow>, Error> {
        pasarela_store::postgres::peek(&self.database.options(&self.key()), kind)
    }
    fn key(&self) -> std::path::PathBuf {
        self.folder.path().join("hub.key")
    }
}

/// Seconds after the doors of an invented show open.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let doors: Timestamp = "2026-11-27T19:00:00Z".parse().unwrap();
    doors.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

pub(crate) fn eff(n: i64) -> EffectId {
    EffectId::from_raw(n)
}
pub(crate) fn evt(n: i64) -> EventId {
    EventId::from_raw(n)
}
pub(crate) fn rn(n: i64) -> RunId {
    RunId::from_raw(n)
}

pub(crate) fn delivery(store: &dyn Store, text: &str) -> NewDelivery {
    NewDelivery {
        connection: 1,
        source: "webhook",
        received_at: at(0),
        packed: store.sealer().seal(text.as_bytes()),
        replay_key: None,
        door: false,
    }
}

pub(crate) async fn accept(store: &dyn Store, text: &str) -> DeliveryId {
    match store.accept(delivery(store, text)).await.unwrap() {
        Accepted::New(id) => id,
        Accepted::Known => panic!("a delivery without a replay key is never known"),
    }
}

pub(crate) fn dedup(entity: i64) -> DedupKey {
    DedupKey { connection: 1, kind: "order.paid".into(), entity, discriminator: 7 }
}

pub(crate) fn entity(store: &dyn Store, id: &str, expected: i64, text: &str) -> EntityUpsert {
    EntityUpsert {
        connection: 1,
        entity: EntityRef::new("order", id),
        expected,
        updated_at: Some(at(expected)),
        rank: 2,
        hash: 9,
        parent: None,
        data: store.sealer().seal(text.as_bytes()),
    }
}

pub(crate) fn event(store: &dyn Store, id: i64, delivery: DeliveryId) -> EventInsert {
    EventInsert {
        id: evt(id),
        event_type: "order.paid".into(),
        connection: 1,
        key: 5,
        occurred_at: at(id),
        received_at: at(id + 1),
        delivery,
        body: store.sealer().seal(format!("event {id}").as_bytes()),
        subjects: vec![40, 41],
    }
}

pub(crate) fn run(store: &dyn Store, id: i64, event: i64) -> RunInsert {
    RunInsert {
        id: rn(id),
        flow: 3,
        event: evt(event),
        key: 5,
        status: RunStatus::Running,
        state: store.sealer().seal(b"begun"),
        created_at: at(0),
        listens: Vec::new(),
    }
}

pub(crate) fn run_write(store: &dyn Store, id: i64, expected: i64, status: RunStatus) -> RunWrite {
    RunWrite {
        id: rn(id),
        expected,
        status,
        state: store.sealer().seal(format!("after {expected}").as_bytes()),
        listen: Vec::new(),
        unlisten: Vec::new(),
        at: at(60),
    }
}

pub(crate) fn effect(store: &dyn Store, id: i64) -> EffectInsert {
    EffectInsert {
        id: eff(id),
        run: Some(rn(1)),
        path: "boleta".into(),
        connection: 1,
        action: "send_template".into(),
        lane: 11,
        urgency: 1,
        flow: 3,
        class: Some("transactional".into()),
        purpose: Some("sale".into()),
        input: store.sealer().seal(format!("input {id}").as_bytes()),
        created_at: at(0),
        not_before: None,
        give_up_at: at(86_400),
        expires_at: None,
        resend_unknown: false,
        park: true,
        calling: None,
    }
}

pub(crate) fn claim(store: &dyn Store, id: i64, attempt: u32) -> Claim {
    Claim {
        id: eff(id),
        boot: store.boot(),
        attempt,
        generation: 1,
        started_at: at(10),
        call: store.sealer().seal(format!("call {id}").as_bytes()),
        alone_above: None,
        repeat: 1,
    }
}

pub(crate) fn update(id: i64, guard: EffectGuard, to: EffectState) -> EffectUpdate {
    EffectUpdate {
        id: eff(id),
        guard,
        to,
        not_before: None,
        code: None,
        outcome: None,
        reference: None,
        renew: None,
        give_up_at: None,
        reenters: None,
    }
}

pub(crate) fn timer(due: i64, target: i64) -> TimerSet {
    TimerSet { due: at(due), kind: TimerKind::Wait, target, path: format!("paso{target}"), connection: 1 }
}

pub(crate) fn decision(delivery: DeliveryId, facts: Vec<FactWrite>) -> Decision {
    Decision { delivery, status: DeliveryStatus::Decided, reason: None, facts, subjects: Vec::new(), door: false }
}

/// A fact with an event and nothing else.
pub(crate) fn fact(store: &dyn Store, id: i64, delivery: DeliveryId) -> FactWrite {
    FactWrite { event: Some(event(store, id, delivery)), ..FactWrite::default() }
}

/// Accepts a delivery and decides it with these facts.
pub(crate) async fn decide(store: &dyn Store, facts: impl FnOnce(DeliveryId) -> Vec<FactWrite>) -> Vec<FactResult> {
    let id = accept(store, "{}").await;
    match store.decide(decision(id, facts(id))).await.unwrap() {
        Decided::Done(results) => results,
        Decided::Conflict => panic!("a conflict where nobody else writes"),
    }
}

/// Writes work that must not be stale.
pub(crate) async fn write(store: &dyn Store, work: Work) -> Vec<i64> {
    match store.work(work).await.unwrap() {
        Worked::Done { seqs, .. } => seqs,
        Worked::Stale => panic!("stale where nobody else writes"),
    }
}

/// Queues effects with these ids.
pub(crate) async fn queue(store: &dyn Store, ids: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let effects = ids.into_iter().map(|id| effect(store, id)).collect();
    write(store, Work { effects, ..Work::default() }).await
}

/// Queues an effect and moves it to a state, through a real attempt.
pub(crate) async fn bring(store: &dyn Store, insert: EffectInsert, to: EffectState) {
    let id = insert.id.get();
    write(store, Work { effects: vec![insert], ..Work::default() }).await;
    if to == EffectState::Queued {
        return;
    }
    assert_eq!(store.claim(vec![claim(store, id, 1)]).await.unwrap(), [true]);
    if to != EffectState::Calling {
        let guard = EffectGuard::Attempt { boot: store.boot(), attempt: 1 };
        write(store, Work { updates: vec![update(id, guard, to)], ..Work::default() }).await;
    }
}

pub(crate) async fn state(store: &dyn Store, id: i64) -> EffectState {
    store.effect(eff(id)).await.unwrap().unwrap().state
}
