//! PostgreSQL (15 or newer) behind the store contract: one writer task per process with group commit
//! through arrays, a few connections for reads, a row with a heartbeat for the node.
//!
//! Everything goes by unnamed statements and transactions, so that a proxy that lends a server for one
//! transaction may stand between. The adapter runs on a thread and a runtime of its own: it can be
//! opened, and let go, from anywhere.
//!
//! Schema and writes are made for several nodes (ADR 0009); sharing the work between them is the
//! engine's business, so that a node is alone for now ([`Options::alone`]).

mod fill;
mod footprint;
mod group;
#[cfg(test)]
mod growth;
mod link;
mod node;
mod piece;
mod read;
mod schema;
mod scratch;
mod statement;
mod tls;
mod writer;

use crate::codes::ms;
use crate::contract::{
    Accepted, Claim, Decided, Decision, DedupKey, Error, Fut, NewDelivery, Page, Stats, Store, Work, Worked,
};
use crate::rows::{
    ApiKeyRow, AttemptRow, ConnectionRow, CursorRow, DeliveryRow, DeliveryStatus, EffectFilter, EffectRow, EntityRow,
    EventFilter, EventRow, HealthRow, InboxRow, ListenerRow, PauseKind, PauseRow, PushedFlow, QueuedRow, RunFilter,
    RunRow, TimerRow,
};
use crate::seal::{Sealed, Sealer};
use jiff::Timestamp;
use link::{Address, Readers};
use node::{Node, Registered};
use pasarela_domain::{DeliveryId, EffectId, EntityRef, EventId, IdMaker, RunId, Secret};
use piece::Job;
use read::ReadError;
pub use scratch::Scratch;
use statement::{Statement, bytes, int, ints, maybe_bytes, text};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio_postgres::Client;
use writer::{Shared, Writer};

/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a start waits for another node's row to expire, and between two looks.
const WAIT: Duration = Duration::from_millis(node::TIME_TO_LIVE_MS as u64 + 1_000);
const LOOK: Duration = Duration::from_millis(200);

/// How a database is opened.
#[derive(Clone)]
pub struct Options {
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. Never shown.
    pub url: Secret,
    /// The master key file, made when the database is. Its lock is that of the node.
    pub key_file: PathBuf,
    /// Refuse to start while another node is alive.
    pub alone: bool,
}

/// A hub's database in PostgreSQL.
pub struct PostgresStore {
    inside: Arc<Inside>,
    sealer: Arc<Sealer>,
    thread: Option<JoinHandle<()>>,
    stop: Arc<Notify>,
    _lock: std::fs::File,
}

/// What the store's thread and its callers share.
struct Inside {
    shared: Arc<Shared>,
    readers: Readers,
    address: Address,
    handle: Handle,
    node: Node,
}

/// What the thread has made when it is ready.
type Opened = (Arc<Inside>, Arc<Sealer>);

impl PostgresStore {
    /// Connects, makes or checks the schema, and begins a new epoch. Blocks until it is done; when another
    /// node is alive and this one wants to be alone, as long as that node may still have died.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let address = Address::parse(options.url.expose())?;
        let lock = lock_beside(&options.key_file, &address)?;
        let name = node_name(&options.key_file);
        let (options, stop) = (options.clone(), Arc::new(Notify::new()));
        let (told, opened) = std::sync::mpsc::channel();
        let stopped = stop.clone();
        let body = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(e) => return drop(told.send(Err(Error::Database(format!("no runtime for the store: {e}"))))),
            };
            runtime.block_on(async {
                match begin(&options, address, &name).await {
                    Ok((opened, writer)) => {
                        let inside = opened.0.clone();
                        drop(told.send(Ok(opened)));
                        live(inside, writer, stopped).await;
                    }
                    Err(e) => drop(told.send(Err(e))),
                }
            });
        };
        let thread = std::thread::Builder::new()
            .name("store-postgres".into())
            .spawn(body)
            .map_err(|e| Error::Database(e.to_string()))?;
        let (inside, sealer): Opened = opened.recv().unwrap_or(Err(Error::Closed))?;
        Ok(Self { inside, sealer, thread: Some(thread), stop, _lock: lock })
    }

    /// Runs a read, once more over another connection when the first one was lost.
    fn read<'a, T: 'a, F>(&'a self, f: impl Fn(Arc<Client>, Arc<Sealer>) -> F + Send + 'a) -> Fut<'a, T>
    where
        F: Future<Output = Result<T, ReadError>> + Send + 'a,
    {
        Box::pin(async move {
            let inside = &self.inside;
            let client = inside.readers.client(&inside.address, &inside.handle).await?;
            match f(client, self.sealer.clone()).await.map_err(|e| e.told(&inside.address)) {
                Err(Error::Unreachable(_)) => {}
                done => return done,
            }
            let client = inside.readers.client(&inside.address, &inside.handle).await?;
            f(client, self.sealer.clone()).await.map_err(|e| e.told(&inside.address))
        })
    }

    fn write<T: Send + 'static>(&self, job: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Job) -> Fut<'_, T> {
        let (tx, rx) = oneshot::channel();
        let fenced = self.inside.shared.fenced.load(Ordering::Relaxed);
        let pushed = if fenced { Err(Error::Fenced) } else { self.inside.shared.push(job(tx)) };
        Box::pin(async move {
            pushed?;
            rx.await.unwrap_or(Err(Error::Closed))
        })
    }

    fn misc(&self, sql: &str, params: Vec<statement::Param<'static>>) -> Fut<'_, ()> {
        let statement = Statement::new(sql, params);
        self.write(|tx| Job::Misc(statement, tx))
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.inside.shared.close();
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// One process per key file, and so per node: its name may be taken over at once by the next one.
fn lock_beside(key_file: &Path, address: &Address) -> Result<std::fs::File, Error> {
    let mut path = key_file.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(|e| {
        Error::Database(format!(
            "cannot write {}: {e}; does the folder of store.key_file exist, and may this user write to it?",
            path.display()
        ))
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::Locked(format!("{} (its lock is {})", address.shown, path.display())))
        }
        Err(std::fs::TryLockError::Error(e)) => Err(Error::Database(format!("cannot lock {}: {e}", path.display()))),
    }
}

/// This machine and the key file: what the file's lock protects has one name.
fn node_name(key_file: &Path) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "localhost".into());
    let file = std::path::absolute(key_file).unwrap_or_else(|_| key_file.to_owned());
    format!("{}:{}", host.trim(), file.display())
}

async fn begin(options: &Options, address: Address, name: &str) -> Result<(Opened, Writer), Error> {
    let handle = Handle::current();
    let client = address.connect(&handle).await?;
    let sealer = Arc::new(schema::prepare(&client, &address, &options.key_file).await?);
    let until = Instant::now() + WAIT;
    let node = loop {
        match node::register(&client, &address, name, options.alone).await? {
            Registered::Here(node) => break node,
            Registered::Taken(other) if Instant::now() > until => {
                return Err(Error::Locked(format!("{} (as {other})", address.shown)));
            }
            Registered::Taken(_) => tokio::time::sleep(LOOK).await,
        }
    };
    let highest = read::highest_id(&client).await.map_err(|e| address.classify(&e))?;
    let number = u8::try_from(node.id).unwrap_or(0);
    let shared = Arc::new(Shared::default());
    let inside = Arc::new(Inside {
        shared: shared.clone(),
        readers: Readers::new(),
        address: address.clone(),
        handle: handle.clone(),
        node,
    });
    let ids = IdMaker::above(number, highest);
    Ok(((inside, sealer), Writer { client, address, handle, node, ids, shared }))
}

/// The life of the store's thread: writes and heartbeats, until it is let go and everything is written.
async fn live(inside: Arc<Inside>, writer: Writer, stop: Arc<Notify>) {
    let beating = tokio::spawn(beat(inside.clone(), stop));
    let client = writer.run().await;
    beating.abort();
    if let Err(e) = node::leave(&client, inside.node).await {
        tracing::warn!(error = %link::said(&e), "this node could not sign off; the next start waits for its row to expire");
    }
}

async fn beat(inside: Arc<Inside>, stop: Arc<Notify>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(HEARTBEAT) => {}
            () = stop.notified() => return,
        }
        let renewed = match inside.readers.client(&inside.address, &inside.handle).await {
            Ok(client) => node::renew(&client, inside.node).await.map_err(|e| inside.address.classify(&e)),
            Err(e) => Err(e),
        };
        match renewed {
            Ok(true) => {}
            Ok(false) => {
                if !inside.shared.fenced.swap(true, Ordering::Relaxed) {
                    tracing::error!("{}", Error::Fenced);
                }
                return;
            }
            Err(error) => tracing::warn!(%error, "a sign of life could not be given"),
        }
    }
}

impl Store for PostgresStore {
    fn sealer(&self) -> &Sealer {
        &self.sealer
    }
    fn boot(&self) -> i64 {
        self.inside.node.epoch
    }
    fn node(&self) -> u8 {
        u8::try_from(self.inside.node.id).unwrap_or(0)
    }
    fn stats(&self) -> Stats {
        let shared = &self.inside.shared;
        Stats {
            commits: shared.commits.load(Ordering::Relaxed),
            transactions: shared.members.load(Ordering::Relaxed),
            row_operations: shared.rows.load(Ordering::Relaxed),
            rollbacks: shared.rollbacks.load(Ordering::Relaxed),
            // The log is the server's.
            wal_bytes: 0,
            queued: shared.queued() as u64,
        }
    }

    fn accept(&self, delivery: NewDelivery) -> Fut<'_, Accepted> {
        self.write(|tx| Job::Accept(delivery, tx))
    }
    fn decide(&self, decision: Decision) -> Fut<'_, Decided> {
        self.write(|tx| Job::Decide(Box::new(decision), tx))
    }
    fn work(&self, work: Work) -> Fut<'_, Worked> {
        self.write(|tx| Job::Work(Box::new(work), tx))
    }
    fn claim(&self, claims: Vec<Claim>) -> Fut<'_, Vec<bool>> {
        self.write(|tx| Job::Claim(claims, tx))
    }
    fn decide_failed(&self, delivery: DeliveryId) -> Fut<'_, u32> {
        self.write(|tx| Job::DecideFailed(delivery, tx))
    }
    fn reopen(&self, delivery: DeliveryId) -> Fut<'_, bool> {
        self.write(|tx| Job::Reopen(delivery, tx))
    }

    fn lookup(
        &self,
        keys: Vec<DedupKey>,
        entities: Vec<(i64, EntityRef)>,
    ) -> Fut<'_, (Vec<bool>, Vec<Option<EntityRow>>)> {
        let asked = Arc::new((keys, entities));
        self.read(move |db, sealer| {
            let asked = asked.clone();
            async move { read::lookup(&db, &sealer, &asked.0, &asked.1).await }
        })
    }
    fn entity_ids(&self, connection: i64, kind: &str, after: &str, limit: u32) -> Fut<'_, Vec<String>> {
        let asked: Arc<(String, String)> = Arc::new((kind.to_owned(), after.to_owned()));
        self.read(move |db, _| {
            let asked = asked.clone();
            async move { read::entity_ids(&db, connection, &asked.0, &asked.1, limit).await }
        })
    }
    fn listeners(&self, key: i64, event_type: &str) -> Fut<'_, Vec<ListenerRow>> {
        let event_type: Arc<str> = event_type.into();
        self.read(move |db, _| {
            let event_type = event_type.clone();
            async move { read::listeners(&db, key, &event_type).await }
        })
    }
    fn inbox(&self, after: i64, limit: u32) -> Fut<'_, Page<InboxRow>> {
        self.read(move |db, sealer| async move { read::inbox(&db, &sealer, after, limit).await })
    }
    fn interrupted(&self) -> Fut<'_, Vec<EffectRow>> {
        let node = self.inside.node;
        Box::pin(async move {
            // Of their own connection: it takes a transaction, and the readers share theirs.
            let inside = &self.inside;
            let client = inside.address.connect(&inside.handle).await?;
            node::bury_expired(&client, node).await.map_err(|e| inside.address.classify(&e))?;
            read::interrupted(&client, &self.sealer, node.epoch).await.map_err(|e| e.told(&inside.address))
        })
    }
    fn queued_flows(&self, connection: i64, urgency: u8) -> Fut<'_, Vec<i64>> {
        self.read(move |db, _| async move { read::queued_flows(&db, connection, urgency).await })
    }
    fn queued(&self, connection: i64, urgency: u8, flow: i64, after: i64, limit: u32) -> Fut<'_, Vec<QueuedRow>> {
        self.read(move |db, _| async move { read::queued(&db, connection, urgency, flow, after, limit).await })
    }
    fn queued_lane(&self, connection: i64, urgency: u8, lane: i64, after: i64, limit: u32) -> Fut<'_, Vec<QueuedRow>> {
        self.read(move |db, _| async move { read::queued_lane(&db, connection, urgency, lane, after, limit).await })
    }
    fn parked(&self) -> Fut<'_, Vec<(i64, i64, u8)>> {
        self.read(|db, _| async move { read::parked(&db).await })
    }
    fn timers(&self, until: Timestamp, limit: u32) -> Fut<'_, Vec<TimerRow>> {
        self.read(move |db, _| async move { read::timers(&db, until, limit).await })
    }
    fn next_timer(&self) -> Fut<'_, Option<Timestamp>> {
        self.read(|db, _| async move { read::next_timer(&db).await })
    }
    fn by_reference(&self, connection: i64, reference: i64) -> Fut<'_, Option<EffectRow>> {
        self.read(move |db, sealer| async move { read::by_reference(&db, &sealer, connection, reference).await })
    }
    fn flow_id(&self, name: &str, version: u32, source: &str) -> Fut<'_, i64> {
        let flow: Arc<(String, String)> = Arc::new((name.to_owned(), source.to_owned()));
        Box::pin(async move {
            self.misc(
                "INSERT INTO flows (name, version, source) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                vec![text(flow.0.as_str()), int(version), text(flow.1.as_str())],
            )
            .await?;
            let found = self.read(move |db, _| {
                let flow = flow.clone();
                async move { read::flow_id(&db, &flow.0, version, &flow.1).await }
            });
            found.await?.ok_or_else(|| Error::Database("a flow that was written is not there".into()))
        })
    }
    fn flow(&self, id: i64) -> Fut<'_, Option<(String, u32, String)>> {
        self.read(move |db, _| async move { read::flow(&db, id).await })
    }

    fn push_flows(&self, flows: Vec<i64>, by: &str, at: Timestamp) -> Fut<'_, ()> {
        self.misc(
            "INSERT INTO pushed_flows (name, flow, who, at)
             SELECT name, id, $2, $3 FROM flows WHERE id = ANY($1) ORDER BY name
             ON CONFLICT (name) DO UPDATE SET flow = excluded.flow, who = excluded.who, at = excluded.at",
            vec![ints(flows), text(by), int(ms(at))],
        )
    }
    fn pushed_flows(&self) -> Fut<'_, Vec<PushedFlow>> {
        self.read(|db, _| async move { read::pushed_flows(&db).await })
    }
    fn live_runs(&self) -> Fut<'_, Vec<(i64, u64)>> {
        self.read(|db, _| async move { read::live_runs(&db).await })
    }
    fn keep_pause(&self, pause: PauseRow) -> Fut<'_, ()> {
        let reason = pause.reason.map(|r| self.sealer.seal(r.as_bytes()).0);
        self.misc(
            "INSERT INTO pauses (kind, name, reason, who, since) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            vec![
                text(pause.kind.as_str()),
                text(pause.name),
                maybe_bytes(reason),
                text(pause.by),
                int(ms(pause.since)),
            ],
        )
    }
    fn end_pause(&self, kind: PauseKind, name: &str) -> Fut<'_, bool> {
        let name = name.to_owned();
        Box::pin(async move {
            let there = self.pauses().await?.iter().any(|p| p.kind == kind && p.name == name);
            let ended = "DELETE FROM pauses WHERE kind = $1 AND name = $2";
            self.misc(ended, vec![text(kind.as_str()), text(name)]).await?;
            Ok(there)
        })
    }
    fn pauses(&self) -> Fut<'_, Vec<PauseRow>> {
        self.read(|db, sealer| async move { read::pauses(&db, &sealer).await })
    }

    fn connection_id(&self, name: &str, provider: &str) -> Fut<'_, i64> {
        let (name, provider) = (name.to_owned(), provider.to_owned());
        Box::pin(async move {
            self.misc(
                "INSERT INTO connections (name, provider) VALUES ($1, $2)
                 ON CONFLICT (name) DO UPDATE SET provider = excluded.provider",
                vec![text(name.as_str()), text(provider)],
            )
            .await?;
            let all = self.connections().await?;
            let own = all.into_iter().find(|c| c.name == name);
            own.map(|c| c.id).ok_or_else(|| Error::Database("a connection that was written is not there".into()))
        })
    }
    fn connections(&self) -> Fut<'_, Vec<ConnectionRow>> {
        self.read(|db, _| async move { read::connections(&db).await })
    }
    fn credential(&self, connection: i64) -> Fut<'_, Option<Vec<u8>>> {
        self.read(move |db, sealer| async move { read::credential(&db, &sealer, connection).await })
    }
    fn keep_credential(&self, connection: i64, credential: Sealed) -> Fut<'_, ()> {
        self.misc(
            "INSERT INTO credentials (connection, secret) VALUES ($1, $2)
             ON CONFLICT (connection) DO UPDATE SET secret = excluded.secret",
            vec![int(connection), bytes(credential.0)],
        )
    }
    fn cursor(&self, connection: i64, task: &str) -> Fut<'_, Option<CursorRow>> {
        let task: Arc<str> = task.into();
        self.read(move |db, sealer| {
            let task = task.clone();
            async move { read::cursor(&db, &sealer, connection, &task).await }
        })
    }
    fn keep_cursor(&self, connection: i64, task: &str, cursor: Sealed, at: Timestamp, read: u64) -> Fut<'_, ()> {
        self.misc(
            "INSERT INTO cursors AS c (connection, task, cursor, at, read) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (connection, task) DO UPDATE SET cursor = excluded.cursor, at = excluded.at,
               read = c.read + excluded.read",
            vec![
                int(connection),
                text(task),
                bytes(cursor.0),
                int(ms(at)),
                int(i64::try_from(read).unwrap_or(i64::MAX)),
            ],
        )
    }

    fn delivery(&self, id: DeliveryId) -> Fut<'_, Option<DeliveryRow>> {
        self.read(move |db, sealer| async move { read::delivery(&db, &sealer, id).await })
    }
    fn deliveries(
        &self,
        status: Option<DeliveryStatus>,
        before: Option<i64>,
        limit: u32,
    ) -> Fut<'_, Page<DeliveryRow>> {
        self.read(move |db, sealer| async move { read::deliveries(&db, &sealer, status, before, limit).await })
    }
    fn naming(&self, subject: i64, after: i64, limit: u32) -> Fut<'_, Page<DeliveryId>> {
        self.read(move |db, _| async move { read::naming(&db, subject, after, limit).await })
    }
    fn event(&self, id: EventId) -> Fut<'_, Option<EventRow>> {
        self.read(move |db, sealer| async move { read::event(&db, &sealer, id).await })
    }
    fn events_of(&self, delivery: DeliveryId) -> Fut<'_, Vec<EventId>> {
        self.read(move |db, _| async move { read::events_of(&db, delivery).await })
    }
    fn events(&self, filter: EventFilter) -> Fut<'_, Page<EventRow>> {
        let filter = Arc::new(filter);
        self.read(move |db, sealer| {
            let filter = filter.clone();
            async move { read::events(&db, &sealer, &filter).await }
        })
    }
    fn run(&self, id: RunId) -> Fut<'_, Option<RunRow>> {
        self.read(move |db, sealer| async move { read::run(&db, &sealer, id).await })
    }
    fn runs(&self, filter: RunFilter) -> Fut<'_, Page<RunRow>> {
        let filter = Arc::new(filter);
        self.read(move |db, sealer| {
            let filter = filter.clone();
            async move { read::runs(&db, &sealer, &filter).await }
        })
    }
    fn effect(&self, id: EffectId) -> Fut<'_, Option<EffectRow>> {
        self.read(move |db, sealer| async move { read::effect(&db, &sealer, id).await })
    }
    fn effects(&self, filter: EffectFilter) -> Fut<'_, Page<EffectRow>> {
        let filter = Arc::new(filter);
        self.read(move |db, sealer| {
            let filter = filter.clone();
            async move { read::effects(&db, &sealer, &filter).await }
        })
    }
    fn attempts(&self, effect: EffectId) -> Fut<'_, Vec<AttemptRow>> {
        self.read(move |db, sealer| async move { read::attempts(&db, &sealer, effect).await })
    }
    fn health(&self, now: Timestamp) -> Fut<'_, HealthRow> {
        self.read(move |db, _| async move { read::health(&db, now).await })
    }

    fn keep_api_key(&self, key: ApiKeyRow) -> Fut<'_, ()> {
        self.misc(
            "INSERT INTO api_keys (id, name, hash, scopes, created_at) VALUES ($1, $2, $3, $4, $5)",
            vec![text(key.id), text(key.name), bytes(key.hash), text(key.scopes.join(",")), int(ms(key.created_at))],
        )
    }
    fn api_keys(&self) -> Fut<'_, Vec<ApiKeyRow>> {
        self.read(|db, _| async move { read::api_keys(&db).await })
    }
    fn revoke_api_key(&self, id: &str, at: Timestamp) -> Fut<'_, bool> {
        let id = id.to_owned();
        Box::pin(async move {
            self.misc(
                "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1",
                vec![text(id.as_str()), int(ms(at))],
            )
            .await?;
            Ok(self.api_keys().await?.iter().any(|k| k.id == id))
        })
    }

    fn ping(&self) -> Fut<'_, ()> {
        self.misc("SELECT 1", vec![])
    }
    fn integrity(&self) -> Fut<'_, Option<String>> {
        Box::pin(async move {
            let inside = &self.inside;
            let client = inside.address.connect(&inside.handle).await?;
            match read::integrity(&client).await.map_err(|e| e.told(&inside.address)) {
                Err(Error::Corrupt(why)) => Ok(Some(why)),
                other => other,
            }
        })
    }
}
