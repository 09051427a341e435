//! PostgreSQL (15 or newer) behind the store contract: one writer task per process with group commit
//! through arrays, a few connections for reads, a row with a heartbeat for the node.
//!
//! Everything goes by unnamed statements and transactions, so that a proxy that lends a server for one
//! transaction may stand between. The adapter runs on a thread and a runtime of its own: it can be
//! opened, and let go, from anywhere.
//!
//! Several nodes may write one database (ADR 0009); whose the work is, they settle by [`Store::share`]
//! (ADR 0011).

mod addresses;
mod audit;
mod care;
mod copy;
mod fill;
mod footprint;
mod gateway;
mod group;
#[cfg(test)]
mod growth;
mod hints;
mod link;
mod node;
mod parts;
mod passes;
mod peek;
mod piece;
mod read;
mod records;
mod renew;
mod schema;
mod scratch;
mod seat;
mod share;
mod statement;
mod tls;
mod writer;

use crate::audit::deed;
use crate::codes::ms;
use crate::contract::{
    Accepted, Claim, Decided, Decision, DedupKey, EffectState, Error, Fut, NewDelivery, Page, Part, PartRow, Stats,
    Store, Work, Worked,
};
use crate::rows::{
    ApiKeyRow, ArrivedRow, AttemptRow, ConnectionRow, CursorRow, DeliveryRow, DeliveryStatus, EffectFilter, EffectRow,
    EntityRow, EventFilter, EventRow, HealthRow, InboxRow, ListenerRow, PauseKind, PauseRow, PushedFlow, QueuedRow,
    RunFilter, RunRow, SigningKeyRow, StandingOf, StandingRow, SuppressionRow, TimerRow, Told,
};
use crate::seal::{Master, Sealed, Sealer};
use crate::share::{Ask, Letterbox, News, Shares};
pub use copy::{Aftermath, Restored, restore};
use jiff::Timestamp;
use link::{Address, Readers};
use node::Node;
use pasarela_domain::{DeliveryId, EffectId, EntityRef, EventId, IdMaker, RunId, Secret};
pub use peek::peek;
use piece::Job;
use read::ReadError;
pub use scratch::Scratch;
use seat::Seat;
use statement::{Statement, bytes, int, ints, maybe_bytes, maybe_int, maybe_text, text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio_postgres::Client;
use writer::{Shared, Writer};

/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Signs of life between two looks for data keys of other nodes.
const KEYS_EVERY: u32 = 5;
/// What is left of a node's life at the least when it begins to send: its way to the socket is shorter.
const SPARE_MS: i64 = 500;

/// How a database is opened.
#[derive(Clone)]
pub struct Options {
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. Never shown.
    pub url: Secret,
    /// The master key file, made when the database is. Nodes of one machine may share it.
    pub key_file: PathBuf,
    /// Where the master key is, if not in that file. Lock and socket lie beside the file's name all the same.
    pub master: Option<Master>,
}

impl Options {
    /// Where the master key is.
    #[must_use]
    pub fn master(&self) -> Master {
        self.master.clone().unwrap_or_else(|| Master::File(self.key_file.clone()))
    }
}

/// A hub's database in PostgreSQL.
pub struct PostgresStore {
    inside: Arc<Inside>,
    sealer: Arc<Sealer>,
    thread: Option<JoinHandle<()>>,
    stop: Arc<Notify>,
    seat: Seat,
}

/// What the store's thread and its callers share.
struct Inside {
    shared: Arc<Shared>,
    readers: Readers,
    address: Address,
    handle: Handle,
    node: Node,
    /// For transactions that are not the writer's.
    control: tokio::sync::Mutex<Option<Client>>,
    /// What this node reads; `None`: all.
    reads: parking_lot::RwLock<Option<Reads>>,
    /// Stretch of time without other nodes; 0: there are others.
    alone: AtomicU64,
    stretches: AtomicU64,
    /// End of this node's life, were it to give no more sign, on a clock that counts suspension.
    ends_at: AtomicI64,
    incoming: Letterbox,
    outgoing: Letterbox,
    hears: AtomicBool,
    sealer: Arc<Sealer>,
    master: Master,
}

/// Connections whose work a node reads.
struct Reads {
    /// Whose deliveries.
    inbox: Arc<[i64]>,
    /// Whose timers: also of those that nobody has.
    timers: Arc<[i64]>,
}

impl Inside {
    fn inbox_of(&self) -> Option<Arc<[i64]>> {
        self.reads.read().as_ref().map(|r| r.inbox.clone())
    }

    fn timers_of(&self) -> Option<Arc<[i64]>> {
        self.reads.read().as_ref().map(|r| r.timers.clone())
    }

    /// The connection for transactions of our own, made anew when it was lost.
    async fn control(&self) -> Result<tokio::sync::MutexGuard<'_, Option<Client>>, Error> {
        let mut slot = self.control.lock().await;
        if slot.as_ref().is_none_or(Client::is_closed) {
            *slot = Some(self.address.connect(&self.handle).await?);
        }
        Ok(slot)
    }

    /// A sign of life was given with a statement that was sent at this moment.
    fn lives_since(&self, sent: i64) {
        self.ends_at.fetch_max(sent + node::TIME_TO_LIVE_MS, Ordering::Relaxed);
    }

    fn fence(&self) {
        self.shared.fence();
    }
}

/// Milliseconds on a clock that goes on while the machine is suspended.
fn boot_ms() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// What the thread has made when it is ready.
type Opened = (Arc<Inside>, Arc<Sealer>);

impl PostgresStore {
    /// Connects, makes or checks the schema, and begins a new epoch. Blocks until it is done.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let address = Address::parse(options.url.expose())?;
        let seat = Seat::take(&options.key_file, &address.shown)?;
        let (identity, name) = (seat.identity.clone(), seat.name.clone());
        let (options, stop) = (options.clone(), Arc::new(Notify::new()));
        let (told, opened) = std::sync::mpsc::channel();
        let stopped = stop.clone();
        let body = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(e) => return drop(told.send(Err(Error::Database(format!("no runtime for the store: {e}"))))),
            };
            runtime.block_on(async {
                match begin(&options, address, &identity, &name).await {
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
        Ok(Self { inside, sealer, thread: Some(thread), stop, seat })
    }

    /// Beside which paths the files of this database's nodes may lie on this machine.
    pub fn homes(options: &Options) -> Result<Vec<PathBuf>, Error> {
        Ok(seat::homes(&options.key_file, &Address::parse(options.url.expose())?.shown).collect())
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
        let job = job(tx);
        let pushed = match deed::waiting() {
            _ if fenced => Ok(Err(Error::Fenced)),
            None => Ok(self.inside.shared.push(job)),
            Some(deed) => Err((deed, job)),
        };
        Box::pin(async move {
            match pushed {
                Ok(pushed) => pushed?,
                Err((deed, job)) => {
                    deed.begin(self).await?;
                    self.inside.shared.push(job)?;
                }
            }
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

async fn begin(options: &Options, address: Address, seat: &str, name: &str) -> Result<(Opened, Writer), Error> {
    let handle = Handle::current();
    let client = address.connect(&handle).await?;
    let sealer = Arc::new(schema::prepare(&client, &address, &options.master()).await?);
    let sent = boot_ms();
    let node = node::register(&client, &address, seat, name).await?;
    let highest = read::highest_id(&client).await.map_err(|e| address.classify(&e))?;
    let number = u8::try_from(node.id).unwrap_or(0);
    let shared = Arc::new(Shared::default());
    let inside = Arc::new(Inside {
        shared: shared.clone(),
        readers: Readers::new(),
        address: address.clone(),
        handle: handle.clone(),
        node,
        control: tokio::sync::Mutex::new(None),
        reads: parking_lot::RwLock::new(None),
        alone: AtomicU64::new(0),
        stretches: AtomicU64::new(0),
        ends_at: AtomicI64::new(0),
        incoming: Letterbox::default(),
        outgoing: Letterbox::default(),
        hears: AtomicBool::new(false),
        sealer: sealer.clone(),
        master: options.master(),
    });
    inside.lives_since(sent);
    // Whoever believes to be alone is to know at once.
    inside.outgoing.put(News::NODES);
    let ids = IdMaker::above(number, highest);
    let chain = sealer.chain().clone();
    Ok(((inside, sealer), Writer { client, address, handle, node, ids, chain, shared }))
}

/// The life of the store's thread: writes, signs of life and hints, until it is let go and everything is
/// written.
async fn live(inside: Arc<Inside>, writer: Writer, stop: Arc<Notify>) {
    let beside = [
        tokio::spawn(beat(inside.clone(), stop)),
        tokio::spawn(hints::speak(inside.clone())),
        tokio::spawn(hints::listen(inside.clone())),
    ];
    let client = writer.run().await;
    beside.iter().for_each(tokio::task::JoinHandle::abort);
    if let Err(e) = sign_off(&client, &inside).await {
        tracing::warn!(error = %link::said(&e), "this node could not sign off; others take over its work when its row expires");
    }
}

async fn sign_off(client: &Client, inside: &Inside) -> Result<(), tokio_postgres::Error> {
    node::leave(client, inside.node).await?;
    hints::farewell(client, inside.node).await
}

async fn beat(inside: Arc<Inside>, stop: Arc<Notify>) {
    let mut beats: u32 = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(HEARTBEAT) => {}
            () = stop.notified() => return,
        }
        beats = beats.wrapping_add(1);
        if beats.is_multiple_of(KEYS_EVERY) {
            renew::hear(&inside).await;
        }
        let sent = boot_ms();
        let renewed = match inside.readers.client(&inside.address, &inside.handle).await {
            Ok(client) => node::renew(&client, inside.node).await.map_err(|e| inside.address.classify(&e)),
            Err(e) => Err(e),
        };
        match renewed {
            Ok(true) => inside.lives_since(sent),
            Ok(false) => return inside.fence(),
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
    fn home(&self) -> &Path {
        &self.seat.home
    }
    fn is_shared(&self) -> bool {
        true
    }
    fn alone(&self) -> Option<u64> {
        Some(self.inside.alone.load(Ordering::SeqCst)).filter(|stretch| *stretch > 0)
    }
    fn may_send(&self) -> bool {
        let fenced = self.inside.shared.fenced.load(Ordering::Relaxed);
        !fenced && boot_ms() + SPARE_MS < self.inside.ends_at.load(Ordering::Relaxed)
    }
    fn share(&self, ask: Ask) -> Fut<'_, Shares> {
        Box::pin(async move {
            let inside = &self.inside;
            let slot = inside.control().await?;
            let Some(client) = slot.as_ref() else { return Err(Error::Closed) };
            let sent = boot_ms();
            let shared = share::share(client, &inside.address, inside.node, &ask).await;
            let (shares, timers, told) = match shared {
                Err(Error::Fenced) => {
                    inside.fence();
                    return Err(Error::Fenced);
                }
                other => other?,
            };
            inside.lives_since(sent);
            if ask.serves.is_some() {
                let own = shares.own.iter().map(|s| s.connection).collect();
                *inside.reads.write() = Some(Reads { inbox: own, timers: timers.into() });
            }
            // The stretch ends before anybody is told that this node knows of others.
            match (shares.nodes.is_empty(), inside.alone.load(Ordering::SeqCst)) {
                (false, _) => inside.alone.store(0, Ordering::SeqCst),
                (true, 0) => {
                    let stretch = inside.stretches.fetch_add(1, Ordering::Relaxed) + 1;
                    inside.alone.store(stretch, Ordering::SeqCst);
                }
                (true, _) => {}
            }
            if told || ask.beside < shares.newest {
                inside.outgoing.put(News::NODES);
            }
            Ok(shares)
        })
    }
    fn tell(&self, news: News) {
        if self.alone().is_none() {
            self.inside.outgoing.put(news);
        }
    }
    fn news(&self) -> Pin<Box<dyn Future<Output = News> + Send + '_>> {
        Box::pin(self.inside.incoming.take())
    }
    fn hears(&self) -> bool {
        self.inside.hears.load(Ordering::Relaxed)
    }
    fn fenced(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.inside.shared.until_fenced())
    }
    fn leave(&self) -> Fut<'_, ()> {
        Box::pin(async move {
            // Through the writer: what was handed in before is written before.
            self.ping().await?;
            let inside = &self.inside;
            let slot = inside.control().await?;
            let Some(client) = slot.as_ref() else { return Err(Error::Closed) };
            sign_off(client, inside).await.map_err(|e| inside.address.classify(&e))
        })
    }
    fn places(&self, connections: Vec<i64>) -> Fut<'_, Vec<(i64, i64)>> {
        let connections = Arc::new(connections);
        self.read(move |db, _| {
            let connections = connections.clone();
            async move { read::places(&db, &connections).await }
        })
    }
    fn arrived(&self, connection: i64, after: i64, limit: u32) -> Fut<'_, (Vec<ArrivedRow>, i64)> {
        self.read(move |db, _| async move { read::arrived(&db, connection, after, limit).await })
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
    fn standing(&self, of: StandingOf) -> Fut<'_, StandingRow> {
        self.read(move |db, sealer| {
            let of = of.clone();
            async move { read::standing(&db, &sealer, &of).await }
        })
    }
    fn overdue(&self, until: Timestamp, limit: u32) -> Fut<'_, Vec<(EffectId, i64, Timestamp)>> {
        self.read(move |db, _| async move { read::overdue(&db, until, limit).await })
    }
    fn entity_ids(&self, connection: i64, kind: &str, after: &str, limit: u32) -> Fut<'_, Vec<String>> {
        let asked: Arc<(String, String)> = Arc::new((kind.to_owned(), after.to_owned()));
        self.read(move |db, _| {
            let asked = asked.clone();
            async move { read::entity_ids(&db, connection, &asked.0, &asked.1, limit).await }
        })
    }
    fn parts(&self, parent: i64, kind: &str, before: Option<i64>, limit: u32) -> Fut<'_, Page<PartRow>> {
        let kind: Arc<str> = kind.into();
        self.read(move |db, sealer| {
            let kind = kind.clone();
            async move { parts::list(&db, &sealer, parent, &kind, before, limit).await }
        })
    }
    fn count_parts(&self, parents: Vec<i64>, kind: &str) -> Fut<'_, Vec<u64>> {
        let asked: Arc<(Vec<i64>, String)> = Arc::new((parents, kind.to_owned()));
        self.read(move |db, _| {
            let asked = asked.clone();
            async move { parts::count(&db, &asked.0, &asked.1).await }
        })
    }
    fn keep_parts(&self, parts: Vec<Part>) -> Fut<'_, ()> {
        // One is named once: a statement changes no row twice.
        let parts: BTreeMap<_, _> = parts.into_iter().map(|p| ((p.connection, p.entity.clone()), p)).collect();
        let parts: Vec<Part> = parts.into_values().collect();
        self.misc(parts::KEEP, parts::columns(&parts))
    }
    fn listeners(&self, key: i64, event_type: &str) -> Fut<'_, Vec<ListenerRow>> {
        let event_type: Arc<str> = event_type.into();
        self.read(move |db, _| {
            let event_type = event_type.clone();
            async move { read::listeners(&db, key, &event_type).await }
        })
    }
    fn inbox(&self, after: i64, limit: u32) -> Fut<'_, Page<InboxRow>> {
        let of = self.inside.inbox_of();
        self.read(move |db, sealer| {
            let of = of.clone();
            async move { read::inbox(&db, &sealer, after, None, of.as_deref(), limit).await }
        })
    }
    fn inbox_besides(&self, of: Vec<i64>, known: Vec<i64>, limit: u32) -> Fut<'_, Page<InboxRow>> {
        let asked = Arc::new((of, known));
        self.read(move |db, sealer| {
            let asked = asked.clone();
            async move { read::inbox(&db, &sealer, 0, Some(&asked.1), Some(&asked.0), limit).await }
        })
    }
    fn interrupted(&self) -> Fut<'_, Vec<EffectRow>> {
        let epoch = self.inside.node.epoch;
        self.read(move |db, sealer| async move { read::interrupted(&db, &sealer, epoch).await })
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
        let of = self.inside.timers_of();
        self.read(move |db, _| {
            let of = of.clone();
            async move { read::timers(&db, until, of.as_deref(), limit).await }
        })
    }
    fn next_timer(&self) -> Fut<'_, Option<Timestamp>> {
        let of = self.inside.timers_of();
        self.read(move |db, _| {
            let of = of.clone();
            async move { read::next_timer(&db, of.as_deref()).await }
        })
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
    fn events_about(&self, subject: i64, before: Option<i64>, limit: u32) -> Fut<'_, Page<EventRow>> {
        self.read(move |db, sealer| async move { read::events_about(&db, &sealer, subject, before, limit).await })
    }
    fn runs_of(&self, flows: Vec<i64>, within: u32, limit: u32) -> Fut<'_, Vec<RunRow>> {
        self.read(move |db, sealer| {
            let flows = flows.clone();
            async move { read::runs_of(&db, &sealer, flows, within, limit).await }
        })
    }
    fn open_steps(&self, flow: i64, connections: Vec<i64>, most: u32) -> Fut<'_, Vec<(String, EffectState, u64)>> {
        self.read(move |db, _| {
            let connections = connections.clone();
            async move { read::open_steps(&db, flow, connections, most).await }
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
    fn health_besides(&self, now: Timestamp, connections: Vec<i64>) -> Fut<'_, HealthRow> {
        self.read(move |db, _| {
            let besides = connections.clone();
            async move { read::health(&db, now, &besides).await }
        })
    }

    fn keep_api_key(&self, key: ApiKeyRow) -> Fut<'_, ()> {
        self.misc(
            "WITH kept AS (INSERT INTO key_terms (key, brands, expires_at, rate) VALUES ($1, $6, $7, $8))
             INSERT INTO api_keys (id, name, hash, scopes, created_at) VALUES ($1, $2, $3, $4, $5)",
            vec![
                text(key.id),
                text(key.name),
                bytes(key.hash),
                text(key.scopes.join(",")),
                int(ms(key.created_at)),
                maybe_text(key.terms.brands.map(|b| b.join(","))),
                maybe_int(key.terms.expires_at.map(ms)),
                maybe_text(key.terms.rate),
            ],
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

    fn suppress(&self, row: SuppressionRow) -> Fut<'_, ()> {
        let (address, body) = (self.sealer.address(&row.address), self.sealer.seal_json(&Told::of(&row)).0);
        let params = vec![int(address), int(row.cause as u8), text(row.by), int(ms(row.since)), bytes(body)];
        self.misc(addresses::SUPPRESS, params)
    }
    fn unsuppress(&self, address: &str) -> Fut<'_, bool> {
        let written = address.to_owned();
        Box::pin(async move {
            let there = self.suppression(&written).await?.is_some();
            let sql = "DELETE FROM suppressions WHERE address = $1";
            self.misc(sql, vec![int(self.sealer.address(&written))]).await?;
            Ok(there)
        })
    }
    fn suppression(&self, address: &str) -> Fut<'_, Option<SuppressionRow>> {
        let address = self.sealer.address(address);
        self.read(move |db, sealer| async move { addresses::suppression(&db, &sealer, address).await })
    }
    fn suppressions(&self, before: Option<i64>, limit: u32) -> Fut<'_, Page<SuppressionRow>> {
        self.read(move |db, sealer| async move { addresses::suppressions(&db, &sealer, before, limit).await })
    }

    fn keep_signing_key(&self, number: i64, seed: Sealed, at: Timestamp) -> Fut<'_, ()> {
        self.misc(
            "INSERT INTO signing_keys (number, secret, made_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            vec![int(number), bytes(seed.0), int(ms(at))],
        )
    }
    fn signing_keys(&self) -> Fut<'_, Vec<SigningKeyRow>> {
        self.read(|db, sealer| async move { addresses::signing_keys(&db, &sealer).await })
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
