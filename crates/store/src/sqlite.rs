//! SQLite behind the store contract: one writer thread with group commit at `synchronous=FULL`,
//! a checkpoint thread, a pool of read-only connections.

mod addresses;
mod audit;
mod care;
mod checkpoint;
mod copy;
mod examine;
mod fill;
mod gateway;
#[cfg(test)]
mod growth;
mod integrity;
mod parts;
mod passes;
mod peek;
#[cfg(test)]
mod plans;
mod read;
mod records;
mod renew;
mod repair;
mod restore;
mod schema;
mod write;
mod writer;

use crate::audit::deed;
use crate::codes::ms;
use crate::contract::{
    Accepted, Claim, Decided, Decision, DedupKey, EffectState, Error, Fut, NewDelivery, Page, Part, PartRow, Stats,
    Store, Work, Worked,
};
use crate::rows::{
    ApiKeyRow, AttemptRow, ConnectionRow, CursorRow, DeliveryRow, DeliveryStatus, EffectFilter, EffectRow, EntityRow,
    EventFilter, EventRow, HealthRow, InboxRow, ListenerRow, PauseKind, PauseRow, PushedFlow, QueuedRow, RunFilter,
    RunRow, SigningKeyRow, StandingOf, StandingRow, SuppressionRow, TimerRow, Told,
};
use crate::seal::{self, Master, Sealed, Sealer};
pub use checkpoint::BOUND as LOG_BOUND;
pub use examine::{Finding, State, examine};
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use pasarela_domain::{DeliveryId, EffectId, EntityRef, EventId, IdMaker, RunId};
pub use peek::peek;
pub use repair::{Gap, Mended, Repaired, repair};
pub use restore::Restoring;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use writer::{Job, Shared, classify};

const READERS: usize = 4;
/// Steps of SQLite's machine between two looks at whether a read is to give way: more than any
/// search by an index takes.
const READ_STEPS: i32 = 20_000;
/// How long a read may last while the log waits to start over.
const READ_SHARE: Duration = Duration::from_millis(100);

/// A hub's database in one SQLite file.
pub struct SqliteStore {
    shared: Arc<Shared>,
    readers: Vec<Mutex<Reader>>,
    turn: AtomicUsize,
    sealer: Sealer,
    boot: i64,
    path: PathBuf,
    /// Where the master key is, as far as this process knows.
    master: Master,
    threads: Vec<JoinHandle<()>>,
    _lock: std::fs::File,
    /// Closed after the last connection: closing it drops the locks that SQLite has on the file.
    _file: Arc<std::fs::File>,
}

/// A read-only connection whose long reads give way when the log has to start over.
struct Reader {
    db: Connection,
    /// Milliseconds after `clock` at which its read began.
    began: Arc<AtomicU64>,
    clock: Instant,
}

impl Reader {
    fn open(path: &Path, shared: &Arc<Shared>) -> Result<Self, Error> {
        let (mut db, shared) = (connect(path, true)?, shared.clone());
        let (clock, began) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let since = began.clone();
        let gives_way = move || {
            let lasts = Duration::from_millis(millis(clock).saturating_sub(since.load(Ordering::Relaxed)));
            lasts > READ_SHARE && shared.log.is_pressing()
        };
        db.progress_handler(READ_STEPS, Some(gives_way)).map_err(|e| classify(&e))?;
        Ok(Self { db, began, clock })
    }

    fn begin(&self) -> &Connection {
        self.began.store(millis(self.clock), Ordering::Relaxed);
        &self.db
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// How a database file is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database file.
    pub path: PathBuf,
    /// The master key file; by default the database's path with `.key` appended.
    pub key_file: Option<PathBuf>,
    /// Where the master key is, if not in that file.
    pub master: Option<Master>,
    /// For tests of G1 only: how `PRAGMA synchronous` is set. `None`: `FULL`.
    pub synchronous: Option<&'static str>,
}

impl Options {
    /// Defaults for a file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), key_file: None, master: None, synchronous: None }
    }

    /// Where the master key is.
    #[must_use]
    pub fn master(&self) -> Master {
        let file = || self.key_file.clone().unwrap_or_else(|| with_suffix(&self.path, ".key"));
        self.master.clone().unwrap_or_else(|| Master::File(file()))
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl SqliteStore {
    /// Opens or creates the database, takes its lock, and begins a new boot.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let path = &options.path;
        let lock = take_lock(path)?;
        check_files(path)?;
        let mut db = connect(path, false)?;
        db.execute_batch(schema::NEW_FILE).map_err(|e| classify(&e))?;
        db.pragma_update(None, "journal_mode", "WAL").map_err(|e| classify(&e))?;
        db.pragma_update(None, "synchronous", options.synchronous.unwrap_or("FULL")).map_err(|e| classify(&e))?;
        db.pragma_update(None, "wal_autocheckpoint", 0).map_err(|e| classify(&e))?;
        // A log that had to grow is cut down when it starts over.
        db.pragma_update(None, "journal_size_limit", checkpoint::BOUND).map_err(|e| classify(&e))?;
        let sealer = prepare(&mut db, path, &options.master())?;

        let shared = Arc::new(Shared::default());
        let told = shared.clone();
        let hook = move |_: &mut rusqlite::hooks::Wal, frames| {
            told.log.written(u64::try_from(frames).unwrap_or(0));
            Ok(())
        };
        db.wal_hook(Some(hook)).map_err(|e| classify(&e))?;
        let (boot, ids, seq) = begin_boot(&db).map_err(|e| classify(&e))?;

        let readers = (0..READERS).map(|_| Reader::open(path, &shared).map(Mutex::new)).collect::<Result<_, _>>()?;
        let checkpointer = connect(path, false)?;
        let file = std::fs::File::open(path)
            .map(Arc::new)
            .map_err(|e| Error::Database(format!("cannot open {}: {e}", path.display())))?;
        let chain = sealer.chain().clone();
        let (for_writer, for_checkpoint, to_sync) = (shared.clone(), shared.clone(), file.clone());
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.into()).spawn(body).map_err(|e| Error::Database(e.to_string()))
        };
        let threads = vec![
            spawn(
                "store-writer",
                Box::new(move || {
                    writer::run(&db, ids, seq, chain, &for_writer);
                    for_writer.close();
                    for_writer.log.end();
                    // Everything is on disk: leave the next start an empty log.
                    drop(db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
                }),
            )?,
            spawn("store-checkpoint", Box::new(move || checkpoint::run(&checkpointer, &to_sync, &for_checkpoint)))?,
        ];
        Ok(Self {
            shared,
            readers,
            turn: AtomicUsize::new(0),
            sealer,
            boot,
            path: path.clone(),
            master: options.master(),
            threads,
            _lock: lock,
            _file: file,
        })
    }

    /// The first that is free: what its cache holds of the upper pages of the indexes is warm. Whoever finds
    /// none waits for one in turn.
    fn reader(&self) -> MutexGuard<'_, Reader> {
        if let Some(free) = self.readers.iter().find_map(Mutex::try_lock) {
            return free;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % READERS;
        self.readers[turn].lock()
    }

    fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection, &Sealer) -> Result<T, ReadError> + Send + 'static,
    ) -> Fut<'_, T> {
        Box::pin(async move {
            f(self.reader().begin(), &self.sealer).map_err(|e| match e {
                ReadError::Database(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
                    Error::GaveWay
                }
                ReadError::Database(e) => classify(&e),
                ReadError::Seal(e) => Error::Seal(e),
            })
        })
    }

    fn write<T: Send + 'static>(&self, job: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Job) -> Fut<'_, T> {
        let (tx, rx) = oneshot::channel();
        let job = job(tx);
        let pushed = match deed::waiting() {
            None => Ok(self.shared.push(job)),
            Some(deed) => Err((deed, job)),
        };
        Box::pin(async move {
            match pushed {
                Ok(pushed) => pushed?,
                Err((deed, job)) => {
                    deed.begin(self).await?;
                    self.shared.push(job)?;
                }
            }
            rx.await.unwrap_or(Err(Error::Closed))
        })
    }

    fn misc(&self, f: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static) -> Fut<'_, ()> {
        self.write(|tx| Job::Misc(Some(Box::new(f)), tx))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

/// Why a read failed.
enum ReadError {
    Database(rusqlite::Error),
    Seal(seal::SealError),
}
impl From<rusqlite::Error> for ReadError {
    fn from(e: rusqlite::Error) -> Self {
        Self::Database(e)
    }
}
impl From<seal::SealError> for ReadError {
    fn from(e: seal::SealError) -> Self {
        Self::Seal(e)
    }
}

fn take_lock(path: &Path) -> Result<std::fs::File, Error> {
    let lock_path = with_suffix(path, ".lock");
    let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path).map_err(|e| {
        Error::Database(format!(
            "cannot write {}: {e}; does the folder exist, and may this user write to it?",
            lock_path.display()
        ))
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Locked(path.display().to_string())),
        Err(std::fs::TryLockError::Error(e)) => {
            Err(Error::Database(format!("cannot lock {}: {e}", lock_path.display())))
        }
    }
}

/// Header of the file and shape of the log, before SQLite sees them.
fn check_files(path: &Path) -> Result<(), Error> {
    use std::io::Read;
    let mut head = [0u8; 16];
    if let Ok(mut file) = std::fs::File::open(path) {
        let n = file.read(&mut head).unwrap_or(0);
        if n > 0 && &head != b"SQLite format 3\0" {
            return Err(Error::Corrupt(format!("{} does not begin like a SQLite file", path.display())));
        }
    }
    let log = with_suffix(path, "-wal");
    if let Ok(meta) = std::fs::metadata(&log)
        && meta.len() > 32
    {
        // Frames are a header of 24 bytes and a page of 4096.
        let rest = (meta.len() - 32) % (24 + 4096);
        if rest != 0 {
            tracing::warn!(
                log = %log.display(),
                "the write-ahead log ends in the middle of a frame, as after a crash or a truncation; every whole transaction in it is used"
            );
        }
    }
    Ok(())
}

fn connect(path: &Path, read_only: bool) -> Result<Connection, Error> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags |= if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    };
    let db = Connection::open_with_flags(path, flags)
        .map_err(|e| Error::Database(format!("cannot open {}: {e}", path.display())))?;
    db.execute_batch(schema::PRAGMAS).map_err(|e| classify(&e))?;
    db.set_prepared_statement_cache_capacity(96);
    Ok(db)
}

/// Makes or checks the schema, and opens the keys.
fn prepare(db: &mut Connection, path: &Path, place: &Master) -> Result<Sealer, Error> {
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |r| r.get(0))
        .map_err(|e| classify(&e))?;
    if tables == 0 {
        let master = place.read(true)?;
        let (data, index) = (seal::fresh_key()?, seal::fresh_key()?);
        let wrapped = [("data", seal::wrap(&master, &data)?), ("index", seal::wrap(&master, &index)?)];
        (|| {
            let tx = db.transaction()?;
            tx.execute_batch(schema::SCHEMA)?;
            tx.execute_batch(schema::EXPANSION)?;
            for (purpose, key) in &wrapped {
                tx.execute("INSERT INTO keys (purpose, wrapped) VALUES (?1, ?2)", params![purpose, key])?;
            }
            tx.execute("INSERT INTO meta (name, value) VALUES ('schema', ?1), ('boot', 0)", [schema::VERSION])?;
            tx.commit()
        })()
        .map_err(|e: rusqlite::Error| classify(&e))?;
        return Ok(Sealer::new(&data, &index)?);
    }
    let version: Option<i64> = db
        .query_row("SELECT value FROM meta WHERE name = 'schema'", [], |r| r.get(0))
        .optional()
        .map_err(|e| match classify(&e) {
            Error::Database(_) => {
                Error::Database(format!("{} is not a database of pasarela; choose another store.url", path.display()))
            }
            other => other,
        })?;
    match version {
        Some(v) if v <= schema::VERSION => {}
        Some(v) => {
            return Err(Error::Database(format!(
                "{} has schema {v}, made by a newer pasarela; this one knows up to {}: start the newer program",
                path.display(),
                schema::VERSION
            )));
        }
        None => {
            return Err(Error::Database(format!(
                "{} is not a database of pasarela; choose another store.url",
                path.display()
            )));
        }
    }
    expand(db).map_err(|e| classify(&e))?;
    let opened = seal::open_keys(place, &renew::keys(db).map_err(|e| classify(&e))?)?;
    if opened.by_next {
        // The new master key is in its place: nobody needs the old one any more.
        renew::finish(db).map_err(|e| classify(&e))?;
    }
    Ok(seal::sealer(&opened)?)
}

/// Adds what this build's schema has and an earlier build's had not. The earlier build runs on it still.
fn expand(db: &mut Connection) -> rusqlite::Result<()> {
    for (table, column, statements) in schema::ADDED {
        // A table that is not there at all is made whole, below.
        let sql = "SELECT count(*) > 0 AND count(*) FILTER (WHERE name = ?2) = 0 FROM pragma_table_info(?1)";
        let lacks: bool = db.query_row(sql, [table, column], |r| r.get(0))?;
        if lacks {
            let tx = db.transaction()?;
            tx.execute_batch(statements)?;
            tx.commit()?;
        }
    }
    db.execute_batch(schema::EXPANSION)
}

/// Raises the fence, and finds where ids and lane places go on.
fn begin_boot(db: &Connection) -> rusqlite::Result<(i64, IdMaker, i64)> {
    db.execute("UPDATE meta SET value = value + 1 WHERE name = 'boot'", [])?;
    let boot = db.query_row("SELECT value FROM meta WHERE name = 'boot'", [], |r| r.get(0))?;
    let delivery: i64 = db.query_row("SELECT coalesce(max(id), 0) FROM deliveries", [], |r| r.get(0))?;
    // Timers take ids between those of deliveries: one that waits may hold the highest, and a second
    // timer of the same moment must not get it again. Their number follows the backlog.
    let timer: i64 = db.query_row("SELECT coalesce(max(id), 0) FROM timers", [], |r| r.get(0))?;
    // Places of open effects matter; those of ended ones do not, so the hot index is enough.
    let seq: i64 = db.query_row("SELECT coalesce(max(seq), 0) FROM effects WHERE status = 0", [], |r| r.get(0))?;
    let calling: i64 = db.query_row("SELECT coalesce(max(seq), 0) FROM effects WHERE status = 1", [], |r| r.get(0))?;
    let held: i64 =
        db.query_row("SELECT coalesce(max(seq), 0) FROM effects WHERE status IN (3, 30, 31)", [], |r| r.get(0))?;
    Ok((boot, IdMaker::new(0, delivery.max(timer)), seq.max(calling).max(held)))
}

impl Store for SqliteStore {
    fn sealer(&self) -> &Sealer {
        &self.sealer
    }
    fn boot(&self) -> i64 {
        self.boot
    }
    fn home(&self) -> &std::path::Path {
        &self.path
    }
    fn stats(&self) -> Stats {
        Stats {
            commits: self.shared.commits.load(Ordering::Relaxed),
            transactions: self.shared.members.load(Ordering::Relaxed),
            row_operations: self.shared.rows.load(Ordering::Relaxed),
            rollbacks: self.shared.rollbacks.load(Ordering::Relaxed),
            wal_bytes: std::fs::metadata(with_suffix(&self.path, "-wal")).map_or(0, |m| m.len()),
            queued: self.shared.queued() as u64,
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
        self.read(move |db, sealer| read::lookup(db, sealer, &keys, &entities))
    }
    fn standing(&self, of: StandingOf) -> Fut<'_, StandingRow> {
        self.read(move |db, sealer| read::standing(db, sealer, &of))
    }
    fn overdue(&self, until: Timestamp, limit: u32) -> Fut<'_, Vec<(EffectId, i64, Timestamp)>> {
        self.read(move |db, _| read::overdue(db, until, limit))
    }
    fn entity_ids(&self, connection: i64, kind: &str, after: &str, limit: u32) -> Fut<'_, Vec<String>> {
        let (kind, after) = (kind.to_owned(), after.to_owned());
        self.read(move |db, _| read::entity_ids(db, connection, &kind, &after, limit))
    }
    fn parts(&self, parent: i64, kind: &str, before: Option<i64>, limit: u32) -> Fut<'_, Page<PartRow>> {
        let kind = kind.to_owned();
        self.read(move |db, sealer| parts::list(db, sealer, parent, &kind, before, limit))
    }
    fn count_parts(&self, parents: Vec<i64>, kind: &str) -> Fut<'_, Vec<u64>> {
        let kind = kind.to_owned();
        self.read(move |db, _| parts::count(db, &parents, &kind))
    }
    fn keep_parts(&self, parts: Vec<Part>) -> Fut<'_, ()> {
        self.misc(move |db| parts::keep(db, &parts))
    }
    fn listeners(&self, key: i64, event_type: &str) -> Fut<'_, Vec<ListenerRow>> {
        let event_type = event_type.to_owned();
        self.read(move |db, _| read::listeners(db, key, &event_type))
    }
    fn inbox(&self, after: i64, limit: u32) -> Fut<'_, Page<InboxRow>> {
        self.read(move |db, sealer| read::inbox(db, sealer, after, limit))
    }
    fn interrupted(&self) -> Fut<'_, Vec<EffectRow>> {
        let boot = self.boot;
        self.read(move |db, sealer| read::interrupted(db, sealer, boot))
    }
    fn queued_flows(&self, connection: i64, urgency: u8) -> Fut<'_, Vec<i64>> {
        self.read(move |db, _| read::queued_flows(db, connection, urgency))
    }
    fn queued(&self, connection: i64, urgency: u8, flow: i64, after: i64, limit: u32) -> Fut<'_, Vec<QueuedRow>> {
        self.read(move |db, _| read::queued(db, connection, urgency, flow, after, limit))
    }
    fn queued_lane(&self, connection: i64, urgency: u8, lane: i64, after: i64, limit: u32) -> Fut<'_, Vec<QueuedRow>> {
        self.read(move |db, _| read::queued_lane(db, connection, urgency, lane, after, limit))
    }
    fn parked(&self) -> Fut<'_, Vec<(i64, i64, u8)>> {
        self.read(|db, _| read::parked(db))
    }
    fn timers(&self, until: Timestamp, limit: u32) -> Fut<'_, Vec<TimerRow>> {
        self.read(move |db, _| read::timers(db, until, limit))
    }
    fn next_timer(&self) -> Fut<'_, Option<Timestamp>> {
        self.read(|db, _| read::next_timer(db))
    }
    fn by_reference(&self, connection: i64, reference: i64) -> Fut<'_, Option<EffectRow>> {
        self.read(move |db, sealer| read::by_reference(db, sealer, connection, reference))
    }
    fn flow_id(&self, name: &str, version: u32, source: &str) -> Fut<'_, i64> {
        let (name, source) = (name.to_owned(), source.to_owned());
        Box::pin(async move {
            let key = (name.clone(), source.clone());
            self.misc(move |db| {
                db.execute(
                    "INSERT INTO flows (name, version, source) SELECT ?1, ?2, ?3
                     WHERE NOT EXISTS (SELECT 1 FROM flows WHERE name = ?1 AND version = ?2 AND source = ?3)",
                    params![key.0, version, key.1],
                )
                .map(|_| ())
            })
            .await?;
            self.read(move |db, _| {
                Ok(db.query_row(
                    "SELECT id FROM flows WHERE name = ?1 AND version = ?2 AND source = ?3",
                    params![name, version, source],
                    |r| r.get(0),
                )?)
            })
            .await
        })
    }
    fn flow(&self, id: i64) -> Fut<'_, Option<(String, u32, String)>> {
        self.read(move |db, _| {
            Ok(db
                .prepare_cached("SELECT name, version, source FROM flows WHERE id = ?1")?
                .query_row([id], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
                .optional()?)
        })
    }

    fn push_flows(&self, flows: Vec<i64>, by: &str, at: Timestamp) -> Fut<'_, ()> {
        let by = by.to_owned();
        self.misc(move |db| {
            for flow in flows {
                db.execute(
                    "INSERT OR REPLACE INTO pushed_flows (name, flow, who, at) SELECT name, id, ?2, ?3 FROM flows WHERE id = ?1",
                    params![flow, by, ms(at)],
                )?;
            }
            Ok(())
        })
    }
    fn pushed_flows(&self) -> Fut<'_, Vec<PushedFlow>> {
        self.read(|db, _| read::pushed_flows(db))
    }
    fn live_runs(&self) -> Fut<'_, Vec<(i64, u64)>> {
        self.read(|db, _| read::live_runs(db))
    }
    fn keep_pause(&self, pause: PauseRow) -> Fut<'_, ()> {
        let reason = pause.reason.map(|r| self.sealer.seal(r.as_bytes()).0);
        self.misc(move |db| {
            db.execute(
                "INSERT OR IGNORE INTO pauses (kind, name, reason, who, since) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![pause.kind.as_str(), pause.name, reason, pause.by, ms(pause.since)],
            )
            .map(|_| ())
        })
    }
    fn end_pause(&self, kind: PauseKind, name: &str) -> Fut<'_, bool> {
        let name = name.to_owned();
        Box::pin(async move {
            let there = self.pauses().await?.iter().any(|p| p.kind == kind && p.name == name);
            self.misc(move |db| {
                db.execute("DELETE FROM pauses WHERE kind = ?1 AND name = ?2", params![kind.as_str(), name]).map(|_| ())
            })
            .await?;
            Ok(there)
        })
    }
    fn pauses(&self) -> Fut<'_, Vec<PauseRow>> {
        self.read(read::pauses)
    }

    fn connection_id(&self, name: &str, provider: &str) -> Fut<'_, i64> {
        let (name, provider) = (name.to_owned(), provider.to_owned());
        Box::pin(async move {
            let key = name.clone();
            self.misc(move |db| {
                db.execute(
                    "INSERT INTO connections (name, provider) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET provider = excluded.provider",
                    params![key, provider],
                )
                .map(|_| ())
            })
            .await?;
            self.read(
                move |db, _| Ok(db.query_row("SELECT id FROM connections WHERE name = ?1", [name], |r| r.get(0))?),
            )
            .await
        })
    }
    fn connections(&self) -> Fut<'_, Vec<ConnectionRow>> {
        self.read(|db, _| read::connections(db))
    }
    fn credential(&self, connection: i64) -> Fut<'_, Option<Vec<u8>>> {
        self.read(move |db, sealer| {
            let sealed: Option<Vec<u8>> = db
                .query_row("SELECT secret FROM credentials WHERE connection = ?1", [connection], |r| r.get(0))
                .optional()?;
            Ok(sealed.map(|s| sealer.open(&s)).transpose()?)
        })
    }
    fn keep_credential(&self, connection: i64, credential: Sealed) -> Fut<'_, ()> {
        self.misc(move |db| {
            db.execute(
                "INSERT OR REPLACE INTO credentials (connection, secret) VALUES (?1, ?2)",
                params![connection, credential.0],
            )
            .map(|_| ())
        })
    }
    fn cursor(&self, connection: i64, task: &str) -> Fut<'_, Option<CursorRow>> {
        let task = task.to_owned();
        self.read(move |db, sealer| read::cursor(db, sealer, connection, &task))
    }
    fn keep_cursor(&self, connection: i64, task: &str, cursor: Sealed, at: Timestamp, read: u64) -> Fut<'_, ()> {
        let task = task.to_owned();
        self.misc(move |db| {
            db.execute(
                "INSERT INTO cursors (connection, task, cursor, at, read) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (connection, task) DO UPDATE SET cursor = excluded.cursor, at = excluded.at, read = read + excluded.read",
                params![connection, task, cursor.0, ms(at), read],
            )
            .map(|_| ())
        })
    }

    fn delivery(&self, id: DeliveryId) -> Fut<'_, Option<DeliveryRow>> {
        self.read(move |db, sealer| read::delivery(db, sealer, id))
    }
    fn deliveries(
        &self,
        status: Option<DeliveryStatus>,
        before: Option<i64>,
        limit: u32,
    ) -> Fut<'_, Page<DeliveryRow>> {
        self.read(move |db, sealer| read::deliveries(db, sealer, status, before, limit))
    }
    fn naming(&self, subject: i64, after: i64, limit: u32) -> Fut<'_, Page<DeliveryId>> {
        self.read(move |db, _| read::naming(db, subject, after, limit))
    }
    fn event(&self, id: EventId) -> Fut<'_, Option<EventRow>> {
        self.read(move |db, sealer| read::event(db, sealer, id))
    }
    fn events_of(&self, delivery: DeliveryId) -> Fut<'_, Vec<EventId>> {
        self.read(move |db, _| read::events_of(db, delivery))
    }
    fn events(&self, filter: EventFilter) -> Fut<'_, Page<EventRow>> {
        self.read(move |db, sealer| read::events(db, sealer, &filter))
    }
    fn events_about(&self, subject: i64, before: Option<i64>, limit: u32) -> Fut<'_, Page<EventRow>> {
        self.read(move |db, sealer| read::events_about(db, sealer, subject, before, limit))
    }
    fn runs_of(&self, flows: Vec<i64>, within: u32, limit: u32) -> Fut<'_, Vec<RunRow>> {
        self.read(move |db, sealer| read::runs_of(db, sealer, &flows, within, limit))
    }
    fn open_steps(&self, flow: i64, connections: Vec<i64>, most: u32) -> Fut<'_, Vec<(String, EffectState, u64)>> {
        self.read(move |db, _| read::open_steps(db, flow, &connections, most))
    }
    fn run(&self, id: RunId) -> Fut<'_, Option<RunRow>> {
        self.read(move |db, sealer| read::run(db, sealer, id))
    }
    fn runs(&self, filter: RunFilter) -> Fut<'_, Page<RunRow>> {
        self.read(move |db, sealer| read::runs(db, sealer, &filter))
    }
    fn effect(&self, id: EffectId) -> Fut<'_, Option<EffectRow>> {
        self.read(move |db, sealer| read::effect(db, sealer, id))
    }
    fn effects(&self, filter: EffectFilter) -> Fut<'_, Page<EffectRow>> {
        self.read(move |db, sealer| read::effects(db, sealer, &filter))
    }
    fn attempts(&self, effect: EffectId) -> Fut<'_, Vec<AttemptRow>> {
        self.read(move |db, sealer| read::attempts(db, sealer, effect))
    }
    fn health_besides(&self, now: Timestamp, connections: Vec<i64>) -> Fut<'_, HealthRow> {
        let folder = self.path.clone();
        self.read(move |db, _| read::health(db, now, &connections, &folder))
    }

    fn keep_api_key(&self, key: ApiKeyRow) -> Fut<'_, ()> {
        self.misc(move |db| {
            db.execute(
                "INSERT INTO api_keys (id, name, hash, scopes, created_at, revoked_at) VALUES (?1, ?2, ?3, ?4, ?5, NULL)",
                params![key.id, key.name, key.hash, key.scopes.join(","), ms(key.created_at)],
            )?;
            let terms = key.terms;
            db.execute(
                "INSERT INTO key_terms (key, brands, expires_at, rate) VALUES (?1, ?2, ?3, ?4)",
                params![key.id, terms.brands.map(|b| b.join(",")), terms.expires_at.map(ms), terms.rate],
            )
            .map(|_| ())
        })
    }
    fn api_keys(&self) -> Fut<'_, Vec<ApiKeyRow>> {
        self.read(|db, _| read::api_keys(db))
    }
    fn revoke_api_key(&self, id: &str, at: Timestamp) -> Fut<'_, bool> {
        let id = id.to_owned();
        Box::pin(async move {
            let key = id.clone();
            self.misc(move |db| {
                db.execute(
                    "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1",
                    params![key, ms(at)],
                )
                .map(|_| ())
            })
            .await?;
            Ok(self.api_keys().await?.iter().any(|k| k.id == id))
        })
    }

    fn suppress(&self, row: SuppressionRow) -> Fut<'_, ()> {
        let (address, body) = (self.sealer.address(&row.address), self.sealer.seal_json(&Told::of(&row)).0);
        self.misc(move |db| addresses::suppress(db, address, &row, &body))
    }
    fn unsuppress(&self, address: &str) -> Fut<'_, bool> {
        let text = address.to_owned();
        Box::pin(async move {
            let there = self.suppression(&text).await?.is_some();
            let address = self.sealer.address(&text);
            self.misc(move |db| db.execute("DELETE FROM suppressions WHERE address = ?1", [address]).map(|_| ()))
                .await?;
            Ok(there)
        })
    }
    fn suppression(&self, address: &str) -> Fut<'_, Option<SuppressionRow>> {
        let address = self.sealer.address(address);
        self.read(move |db, sealer| addresses::suppression(db, sealer, address))
    }
    fn suppressions(&self, before: Option<i64>, limit: u32) -> Fut<'_, Page<SuppressionRow>> {
        self.read(move |db, sealer| addresses::suppressions(db, sealer, before, limit))
    }

    fn keep_signing_key(&self, number: i64, seed: Sealed, at: Timestamp) -> Fut<'_, ()> {
        self.misc(move |db| {
            let sql = "INSERT OR IGNORE INTO signing_keys (number, secret, made_at) VALUES (?1, ?2, ?3)";
            db.execute(sql, params![number, seed.0, ms(at)]).map(|_| ())
        })
    }
    fn signing_keys(&self) -> Fut<'_, Vec<SigningKeyRow>> {
        self.read(addresses::signing_keys)
    }

    fn ping(&self) -> Fut<'_, ()> {
        self.misc(|_| Ok(()))
    }
    fn integrity(&self) -> Fut<'_, Option<String>> {
        let (path, shared) = (self.path.clone(), self.shared.clone());
        Box::pin(async move {
            tokio::task::spawn_blocking(move || integrity::check(&path, &shared)).await.unwrap_or(Err(Error::Closed))
        })
    }
}
