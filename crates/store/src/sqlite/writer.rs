//! The writer: one thread that owns the connection, drains its queues and commits once.
//!
//! It never waits to fill a group: what is there is taken (at most [`GROUP`] members or
//! [`GROUP_TIME`]), committed with `synchronous=FULL`, and only then answered. Accepting comes
//! before deciding, so that a flood is taken in first; a share of each group is kept for either.
//! The door has a share of its own (G9): what tells of somebody who stands there goes first in every
//! group, and has room in the queue when a flood has filled it.

use super::checkpoint::Log;
use super::copy::{self, Order};
use super::write::{Stop, Writer};
use crate::contract::{Decided, Error, Worked};
use crate::queue::{DOOR_SHARE, GROUP, GROUP_BYTES, Queues, Reply, Tx};
use parking_lot::{Condvar, Mutex};
use pasarela_domain::IdMaker;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time of one group at most.
const GROUP_TIME: Duration = Duration::from_millis(4);
type Misc = Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>;
pub(super) type Job = crate::queue::Job<Misc>;

/// Shared between the writer thread, its callers and the checkpoint thread.
#[derive(Default)]
pub(super) struct Shared {
    queues: Mutex<Queues<Misc>>,
    wake: Condvar,
    /// Held by the writer during a group; the checkpoint thread takes it for its last short step.
    pub(super) gate: Mutex<()>,
    pub(super) log: Log,
    /// A copy of the database that somebody wants.
    order: Mutex<Option<Order>>,
    pub(super) commits: AtomicU64,
    pub(super) members: AtomicU64,
    pub(super) rows: AtomicU64,
    pub(super) rollbacks: AtomicU64,
}

impl Shared {
    pub(super) fn push(&self, job: Job) -> Result<(), Error> {
        let mut queues = self.queues.lock();
        queues.push(job)?;
        drop(queues);
        self.wake.notify_one();
        Ok(())
    }

    /// One copy at a time.
    pub(super) fn order(&self, order: Order) -> Result<(), Error> {
        let queues = self.queues.lock();
        if queues.closed {
            return Err(Error::Closed);
        }
        let mut slot = self.order.lock();
        if slot.is_some() {
            return Err(Error::Database("a backup is being made already; wait for it".into()));
        }
        *slot = Some(order);
        drop((slot, queues));
        self.wake.notify_one();
        Ok(())
    }

    pub(super) fn queued(&self) -> usize {
        self.queues.lock().len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queues.lock().closed
    }

    pub(super) fn close(&self) {
        self.queues.lock().closed = true;
        self.wake.notify_all();
    }
}

/// What the writer goes on with from group to group.
struct Turns<'c> {
    db: &'c Connection,
    ids: IdMaker,
    seq: i64,
    group: Vec<Job>,
    shared: &'c Shared,
}

/// The writer's loop: ends when the queues are closed and empty.
pub(super) fn run(db: &Connection, ids: IdMaker, seq: i64, shared: &Arc<Shared>) {
    let group = Vec::with_capacity(GROUP + DOOR_SHARE);
    let mut turns = Turns { db, ids, seq, group, shared };
    while turns.next(true) {
        let order = shared.order.lock().take();
        if let Some(order) = order {
            copy::run(db, order, || turns.next(false), || shared.is_closed());
        }
    }
    // Whoever still waits for a copy hears that there is nobody to make it.
    drop(shared.order.lock().take());
}

impl Turns<'_> {
    /// Writes a group. With `wait` it waits for one, or for an order; false: the queues are closed and empty.
    /// Without, false means that nothing was to be done.
    fn next(&mut self, wait: bool) -> bool {
        let shared = self.shared;
        shared.log.wait_for_room();
        {
            let mut queues = shared.queues.lock();
            while self.group.is_empty() && queues.len() == 0 {
                if !wait || queues.closed {
                    return false;
                }
                if shared.order.lock().is_some() {
                    return true;
                }
                shared.wake.wait(&mut queues);
            }
            queues.fill(&mut self.group);
        }
        let _gate = shared.gate.lock();
        commit(self.db, &mut self.ids, &mut self.seq, &mut self.group, shared);
        true
    }
}

fn commit(db: &Connection, ids: &mut IdMaker, seq: &mut i64, group: &mut Vec<Job>, shared: &Shared) {
    let mut replies: Vec<Reply> = Vec::with_capacity(group.len());
    let mut jobs = group.drain(..);
    let (before_seq, count) = (*seq, jobs.len());
    let mut rows = 0;
    let result = (|| -> rusqlite::Result<()> {
        db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut writer = Writer { db, ids, seq, rows: 0 };
        let (begun, mut bytes) = (Instant::now(), 0);
        for job in jobs.by_ref() {
            bytes += job.bytes();
            write_member(&mut writer, job, &mut replies)?;
            if begun.elapsed() > GROUP_TIME || bytes > GROUP_BYTES {
                break;
            }
        }
        rows = writer.rows;
        db.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    })();
    let late: Vec<Job> = jobs.collect();
    match result {
        Ok(()) => {
            shared.commits.fetch_add(1, Ordering::Relaxed);
            shared.members.fetch_add(replies.len() as u64, Ordering::Relaxed);
            shared.rows.fetch_add(rows, Ordering::Relaxed);
            replies.into_iter().for_each(|r| r.send(Ok(())));
            group.extend(late);
        }
        Err(e) => {
            if !db.is_autocommit()
                && let Err(rollback) = db.execute_batch("ROLLBACK")
            {
                tracing::error!(error = %rollback, "the writer cannot roll back");
            }
            *seq = before_seq;
            shared.rollbacks.fetch_add(1, Ordering::Relaxed);
            let error = match e.sqlite_error_code() {
                // Another program holds the write lock (a copy, a shell): nothing is wrong with what
                // was to be written, so callers come again instead of giving it up.
                Some(rusqlite::ErrorCode::DatabaseBusy) => Error::Busy,
                _ => classify(&e),
            };
            tracing::error!(%error, cause = %e, members = count, "a group of writes was rolled back");
            replies.into_iter().for_each(|r| r.send(Err(error.clone())));
            late.into_iter().for_each(|j| j.refuse(&error));
        }
    }
}

/// Writes one member under its own savepoint, so that its failure does not undo the others.
fn write_member(writer: &mut Writer<'_>, job: Job, replies: &mut Vec<Reply>) -> rusqlite::Result<()> {
    /// Answers a database error to the member that met it, too.
    fn keep<T>(
        writer: &mut Writer<'_>,
        tx: Tx<T>,
        replies: &mut Vec<Reply>,
        on_guard: Option<T>,
        reply: fn(Tx<T>, T) -> Reply,
        write: impl FnOnce(&mut Writer<'_>) -> Result<T, Stop>,
    ) -> rusqlite::Result<()> {
        let savepoint = on_guard.is_some();
        let rows = writer.rows;
        let seq = *writer.seq;
        if savepoint {
            writer.db.prepare_cached("SAVEPOINT member")?.execute([])?;
        }
        match (write(writer), on_guard) {
            (Ok(value), _) => {
                if savepoint {
                    writer.db.prepare_cached("RELEASE member")?.execute([])?;
                }
                replies.push(reply(tx, value));
                Ok(())
            }
            (Err(Stop::Guard), Some(value)) => {
                writer.db.prepare_cached("ROLLBACK TO member")?.execute([])?;
                writer.db.prepare_cached("RELEASE member")?.execute([])?;
                writer.rows = rows;
                *writer.seq = seq;
                replies.push(reply(tx, value));
                Ok(())
            }
            // A constraint or a value that does not fit concerns this member alone.
            (Err(Stop::Database(e)), Some(_)) if !concerns_all(&e) => {
                writer.db.prepare_cached("ROLLBACK TO member")?.execute([])?;
                writer.db.prepare_cached("RELEASE member")?.execute([])?;
                writer.rows = rows;
                *writer.seq = seq;
                drop(tx.send(Err(classify(&e))));
                Ok(())
            }
            (Err(Stop::Database(e)), _) => {
                drop(tx.send(Err(classify(&e))));
                Err(e)
            }
            (Err(Stop::Guard), None) => {
                drop(tx.send(Err(Error::Database("a guard failed where none was expected".into()))));
                Err(rusqlite::Error::InvalidQuery)
            }
        }
    }
    match job {
        Job::Accept(d, tx) => keep(writer, tx, replies, None, Reply::Accept, |w| w.accept(&d)),
        Job::Decide(mut d, tx) => {
            keep(writer, tx, replies, Some(Decided::Conflict), Reply::Decide, |w| w.decide(&mut d))
        }
        Job::Work(mut w, tx) => keep(writer, tx, replies, Some(Worked::Stale), Reply::Work, |x| x.work(&mut w)),
        Job::Claim(c, tx) => keep(writer, tx, replies, None, Reply::Claim, |w| w.claim(&c)),
        Job::DecideFailed(d, tx) => keep(writer, tx, replies, None, Reply::Count, |w| w.decide_failed(d)),
        Job::Reopen(d, tx) => keep(writer, tx, replies, None, Reply::Flag, |w| w.reopen(d)),
        Job::Misc(f, tx) => {
            keep(writer, tx, replies, Some(()), |tx, ()| Reply::Unit(tx), |w| f(w.db).map_err(Stop::Database))
        }
    }
}

/// Is the database itself in trouble, so that no member of the group can be trusted to be written?
fn concerns_all(e: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode;
    !matches!(
        e.sqlite_error_code(),
        None | Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
    )
}

/// A database error in words that tell people what to do.
pub(super) fn classify(e: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    match e.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::DiskFull,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Corrupt(e.to_string()),
        // A full disk often shows as a failed write or sync of the log.
        Some(ErrorCode::SystemIoFailure) => Error::DiskFull,
        _ => Error::Database(e.to_string()),
    }
}
