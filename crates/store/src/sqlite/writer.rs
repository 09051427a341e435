//! The writer: one thread that owns the connection, drains its queues and commits once.
//!
//! It never waits to fill a group: what is there is taken (at most [`GROUP`] members or
//! [`GROUP_TIME`]), committed with `synchronous=FULL`, and only then answered. Accepting comes
//! before deciding, so that a flood is taken in first; a share of each group is kept for either.
//! What was accepted while a group was written joins it just before the sync, so that whoever sends a
//! webhook to a busy hub waits for one sync and not for two.
//! The door has a share of its own (G9): what tells of somebody who stands there goes first in every
//! group, and has room in the queue when a flood has filled it.

use super::checkpoint::Log;
use super::copy::{self, Order};
use super::write::{Stop, Writer};
use crate::audit::Chain;
use crate::contract::{Accepted, Decided, Error, Worked};
use crate::queue::{DOOR_SHARE, GROUP, GROUP_BYTES, Queues};
use parking_lot::{Condvar, Mutex};
use pasarela_domain::IdMaker;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time of one group at most, while a flood is taken in.
const GROUP_TIME: Duration = Duration::from_millis(4);
/// The same while few are accepted: whoever sends a webhook then waits for the group that is being written
/// and for its own, and not for a crowd of outcomes.
const SHORT_TIME: Duration = Duration::from_micros(1250);
/// Accepts in a group that make it a flood.
const CROWD: usize = 16;
/// Housekeeping; taken when it is written.
type Misc = Option<Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>>;
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
    chain: Chain,
}

/// The writer's loop: ends when the queues are closed and empty.
pub(super) fn run(db: &Connection, ids: IdMaker, seq: i64, chain: Chain, shared: &Arc<Shared>) {
    let group = Vec::with_capacity(GROUP + DOOR_SHARE);
    let mut turns = Turns { db, ids, seq, group, shared, chain };
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
        commit(self.db, &mut self.ids, &mut self.seq, &mut self.group, &self.chain, shared);
        true
    }
}

/// What a member has come to.
enum Outcome {
    Accept(Accepted),
    Decide(Decided),
    Work(Worked),
    Claim(Vec<bool>),
    Count(u32),
    Flag(bool),
    Unit,
}

/// How the members of a group are kept apart.
#[derive(Clone, Copy, PartialEq)]
enum Care {
    /// Not at all: a member that fails undoes the group, which is then written with care.
    Hope,
    /// A savepoint each, so that the failure of one does not undo the others. A savepoint costs a copy of
    /// every page that its member changes.
    Savepoints,
}

fn commit(db: &Connection, ids: &mut IdMaker, seq: &mut i64, group: &mut Vec<Job>, chain: &Chain, shared: &Shared) {
    let (before_seq, before_ids, count) = (*seq, ids.clone(), group.len());
    // Housekeeping is taken when it is written, and could not be written again.
    let again = !group.iter().any(|job| matches!(job, Job::Misc(..)));
    let hoped = again.then(|| write_group(db, ids, seq, group, chain, Care::Hope, || shared.queues.lock().late()));
    let result = match hoped {
        Some(Ok(written)) => Ok(written),
        Some(Err(Some(e))) if concerns_all(&e) => Err(Some(e)),
        _ => {
            roll_back(db);
            (*seq, *ids) = (before_seq, before_ids);
            write_group(db, ids, seq, group, chain, Care::Savepoints, Vec::new)
        }
    };
    match result {
        Ok((outcomes, rows)) => {
            shared.commits.fetch_add(1, Ordering::Relaxed);
            shared.members.fetch_add(outcomes.iter().filter(|o| o.is_ok()).count() as u64, Ordering::Relaxed);
            shared.rows.fetch_add(rows, Ordering::Relaxed);
            group.drain(..outcomes.len()).zip(outcomes).for_each(|(job, outcome)| answer(job, outcome));
        }
        Err(e) => {
            roll_back(db);
            *seq = before_seq;
            shared.rollbacks.fetch_add(1, Ordering::Relaxed);
            let error = match &e {
                None => Error::Database("a guard failed where none was expected".into()),
                Some(e) => match e.sqlite_error_code() {
                    // Another program holds the write lock (a copy, a shell): nothing is wrong with what
                    // was to be written, so callers come again instead of giving it up.
                    Some(rusqlite::ErrorCode::DatabaseBusy) => Error::Busy,
                    _ => classify(e),
                },
            };
            let cause = e.map(|e| e.to_string());
            tracing::error!(%error, cause, members = count, "a group of writes was rolled back");
            group.drain(..).for_each(|job| job.refuse(&error));
        }
    }
}

fn roll_back(db: &Connection) {
    if !db.is_autocommit()
        && let Err(error) = db.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "the writer cannot roll back");
    }
}

/// Writes and commits the members that one group has room for, and the `late` ones that came meanwhile: what
/// each has come to, and the rows.
#[allow(clippy::type_complexity, reason = "named where it is used")]
fn write_group(
    db: &Connection,
    ids: &mut IdMaker,
    seq: &mut i64,
    group: &mut Vec<Job>,
    chain: &Chain,
    care: Care,
    late: impl FnOnce() -> Vec<Job>,
) -> Result<(Vec<Result<Outcome, Error>>, u64), Option<rusqlite::Error>> {
    let run = |sql: &str| db.prepare_cached(sql).and_then(|mut s| s.execute([])).map_err(Some);
    run("BEGIN IMMEDIATE")?;
    let mut writer = Writer { db, ids, seq, chain, rows: 0 };
    let mut outcomes = Vec::with_capacity(group.len());
    let crowd = group.iter().filter(|job| matches!(job, Job::Accept(..))).count() >= CROWD;
    let most = if crowd { GROUP_TIME } else { SHORT_TIME };
    let (begun, mut bytes) = (Instant::now(), 0);
    let mut write = |job: &mut Job| match care {
        Care::Hope => write_member(&mut writer, job).map(Ok).map_err(Stop::database),
        Care::Savepoints => write_apart(&mut writer, job),
    };
    for job in group.iter_mut() {
        bytes += job.bytes();
        outcomes.push(write(job)?);
        if begun.elapsed() > most || bytes > GROUP_BYTES {
            break;
        }
    }
    let (written, late) = (outcomes.len(), late());
    let all = written + late.len();
    group.splice(written..written, late);
    for job in &mut group[written..all] {
        outcomes.push(write(job)?);
    }
    let rows = writer.rows;
    run("COMMIT")?;
    Ok((outcomes, rows))
}

fn write_member(writer: &mut Writer<'_>, job: &mut Job) -> Result<Outcome, Stop> {
    Ok(match job {
        Job::Accept(d, _) => Outcome::Accept(writer.accept(d)?),
        Job::Decide(d, _) => Outcome::Decide(writer.decide(d)?),
        Job::Work(w, _) => Outcome::Work(writer.work(w)?),
        Job::Claim(c, _) => Outcome::Claim(writer.claim(c)?),
        Job::DecideFailed(d, _) => Outcome::Count(writer.decide_failed(*d)?),
        Job::Reopen(d, _) => Outcome::Flag(writer.reopen(*d)?),
        Job::Misc(f, _) => {
            if let Some(write) = f.take() {
                write(writer.db)?;
            }
            Outcome::Unit
        }
    })
}

/// What a member hears when its guard does not hold. `None`: it has none.
fn on_guard(job: &Job) -> Option<Outcome> {
    match job {
        Job::Decide(..) => Some(Outcome::Decide(Decided::Conflict)),
        Job::Work(..) => Some(Outcome::Work(Worked::Stale)),
        _ => None,
    }
}

/// Writes a member so that its failure does not undo the others.
fn write_apart(writer: &mut Writer<'_>, job: &mut Job) -> Result<Result<Outcome, Error>, Option<rusqlite::Error>> {
    let savepoint = matches!(job, Job::Decide(..) | Job::Work(..) | Job::Misc(..));
    if !savepoint {
        return write_member(writer, job).map(Ok).map_err(Stop::database);
    }
    let (rows, seq) = (writer.rows, *writer.seq);
    let run = |db: &Connection, sql: &str| db.prepare_cached(sql).and_then(|mut s| s.execute([])).map_err(Some);
    run(writer.db, "SAVEPOINT member")?;
    let undone = match (write_member(writer, job), on_guard(job)) {
        (Ok(outcome), _) => {
            run(writer.db, "RELEASE member")?;
            return Ok(Ok(outcome));
        }
        (Err(Stop::Guard), Some(outcome)) => Ok(outcome),
        (Err(Stop::Guard), None) => return Err(None),
        // A constraint or a value that does not fit concerns this member alone.
        (Err(Stop::Database(e)), _) if !concerns_all(&e) => Err(classify(&e)),
        (Err(Stop::Database(e)), _) => return Err(Some(e)),
    };
    run(writer.db, "ROLLBACK TO member")?;
    run(writer.db, "RELEASE member")?;
    writer.rows = rows;
    *writer.seq = seq;
    Ok(undone)
}

fn answer(job: Job, outcome: Result<Outcome, Error>) {
    // A caller that went away does not want the answer.
    match (job, outcome) {
        (job, Err(e)) => job.refuse(&e),
        (Job::Accept(_, tx), Ok(Outcome::Accept(v))) => drop(tx.send(Ok(v))),
        (Job::Decide(_, tx), Ok(Outcome::Decide(v))) => drop(tx.send(Ok(v))),
        (Job::Work(_, tx), Ok(Outcome::Work(v))) => drop(tx.send(Ok(v))),
        (Job::Claim(_, tx), Ok(Outcome::Claim(v))) => drop(tx.send(Ok(v))),
        (Job::DecideFailed(_, tx), Ok(Outcome::Count(v))) => drop(tx.send(Ok(v))),
        (Job::Reopen(_, tx), Ok(Outcome::Flag(v))) => drop(tx.send(Ok(v))),
        (Job::Misc(_, tx), Ok(Outcome::Unit)) => drop(tx.send(Ok(()))),
        (job, Ok(_)) => job.refuse(&Error::Database("a member was told what another has come to".into())),
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
