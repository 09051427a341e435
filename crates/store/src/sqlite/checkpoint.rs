//! The checkpoint thread: copies the write-ahead log into the database beside the writer, and lets
//! the log's file start over before it is larger than [`BOUND`].
//!
//! A log starts over only when all of it is copied, the database is synced and nobody reads from it.
//! A copier that runs beside a busy writer never gets there by itself: while it copies, the log goes
//! on, and SQLite syncs the database only when it has reached the end. So at [`SOFT`] the long part,
//! copy and sync, is done beside the writer, again until little is left; that rest is copied while
//! the writer stands between two groups. If the log reaches [`HARD`] before that, the writer waits:
//! it is faster than the disk, and whoever writes must be told so by waiting, not by a full disk.
//!
//! What only this thread cannot bound: another program that reads the database file for long. Then
//! the log grows, the writer goes on, and the log's size is a metric that alarms.

use super::writer::Shared;
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes of log from which it is copied.
const SOFT: u64 = 8 * 1024 * 1024;
/// Bytes of log at which the writer waits.
const HARD: u64 = 20 * 1024 * 1024;
/// Size that the log's file never exceeds by more than what one group writes.
pub const BOUND: u64 = 24 * 1024 * 1024;
/// Bytes that are left for the part during which the writer stands still.
const SHORT: u64 = 1024 * 1024;
/// How often a log that does not grow is looked at.
const PACE: Duration = Duration::from_millis(100);
/// Looks without a write after which what is left is copied, too.
const QUIET: u32 = 5;
/// How long the writer stands still for readers of the log at a time.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long they may keep the log from starting over while the writer waits for it: our own reads
/// end or give way long before, so that beyond it somebody else reads.
const PIN_AFTER: Duration = Duration::from_secs(2);
/// Pause until the next try while the log may still grow.
const GLANCE: Duration = Duration::from_millis(10);
/// The writer waits no longer than this at a time, whatever happened to the thread.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Header of a frame, and its page.
const FRAME: u64 = 24 + 4096;

/// How the log stands; shared by the writer, the checkpoint thread and the readers.
#[derive(Default)]
pub(super) struct Log {
    state: Mutex<State>,
    grown: Condvar,
    room: Condvar,
    /// Long reads are to give way: one of them may be what keeps the log from starting over.
    pressing: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Bytes since the log last started over.
    bytes: u64,
    /// Since when readers keep a log that is at its limit from starting over.
    held_since: Option<Instant>,
    /// Another program's read, or a disk that fails: the writer does not wait for it.
    pinned: bool,
    /// The writer has ended.
    ended: bool,
}

impl Log {
    /// Told by the writer's connection after each commit.
    pub(super) fn written(&self, frames: u64) {
        let mut state = self.state.lock();
        state.bytes = frames * FRAME;
        if state.bytes >= SOFT {
            self.grown.notify_one();
        }
    }

    /// Called by the writer before each group: waits while the log is at its limit.
    pub(super) fn wait_for_room(&self) {
        let mut state = self.state.lock();
        if state.bytes < HARD || state.pinned {
            return;
        }
        let until = Instant::now() + LONGEST_WAIT;
        while state.bytes >= HARD && !state.pinned {
            if self.room.wait_until(&mut state, until).timed_out() {
                tracing::error!(bytes = state.bytes, "the write-ahead log does not start over; writing goes on");
                return;
            }
        }
    }

    pub(super) fn end(&self) {
        self.state.lock().ended = true;
        self.grown.notify_all();
    }

    /// Should a long read stop?
    pub(super) fn is_pressing(&self) -> bool {
        self.pressing.load(Ordering::Relaxed)
    }

    fn bytes(&self) -> u64 {
        self.state.lock().bytes
    }

    /// Is the writer waiting, or about to?
    fn is_at_limit(&self) -> bool {
        let state = self.state.lock();
        state.bytes >= HARD && !state.pinned
    }

    fn started_over(&self) {
        let mut state = self.state.lock();
        *state = State { ended: state.ended, ..State::default() };
        self.room.notify_all();
    }

    /// A reader was in the way although the writer waits. True: for longer than any of ours.
    fn held(&self) -> bool {
        let now = Instant::now();
        now.duration_since(*self.state.lock().held_since.get_or_insert(now)) > PIN_AFTER
    }

    /// Lets the writer go on. True: it was not so before.
    fn pin(&self) -> bool {
        let first = !std::mem::replace(&mut self.state.lock().pinned, true);
        self.room.notify_all();
        first
    }
}

/// The thread: ends when the writer has ended. `file`: the database, for syncing it.
pub(super) fn run(db: &Connection, file: &File, shared: &Shared) {
    let log = &shared.log;
    let (mut seen, mut quiet) = (0, 0);
    loop {
        {
            let mut state = log.state.lock();
            if state.bytes < SOFT || state.pinned {
                log.grown.wait_for(&mut state, PACE);
            }
            if state.ended {
                return;
            }
            quiet = if state.bytes == seen { quiet + 1 } else { 0 };
            seen = state.bytes;
            if seen == 0 || (seen < SOFT && quiet < QUIET) {
                continue;
            }
        }
        match start_over(db, file, shared) {
            Ok(true) => {}
            Ok(false) => std::thread::sleep(GLANCE),
            Err(e) => {
                tracing::error!(error = %e, "checkpoint failed");
                log.pin();
                std::thread::sleep(PACE);
            }
        }
    }
}

/// Copies what is there and lets the log start over. False: somebody reads from it.
fn start_over(db: &Connection, file: &File, shared: &Shared) -> rusqlite::Result<bool> {
    let log = &shared.log;
    let mut before = 0;
    loop {
        let (_, copied) = checkpoint(db, "PASSIVE", Duration::ZERO)?;
        if let Err(e) = file.sync_data() {
            // SQLite syncs for itself before the log starts over, and reports what it meets.
            tracing::warn!(error = %e, "the database could not be synced beside the writer");
        }
        if log.is_at_limit() || log.bytes().saturating_sub(copied) <= SHORT || copied <= before {
            break;
        }
        before = copied;
    }
    let _writer_stands = shared.gate.lock();
    let limit = log.is_at_limit();
    log.pressing.store(limit, Ordering::Relaxed);
    let result = checkpoint(db, "RESTART", if limit { PATIENCE } else { Duration::ZERO });
    log.pressing.store(false, Ordering::Relaxed);
    let (all, _) = result?;
    if all {
        log.started_over();
    } else if limit && log.held() && log.pin() {
        tracing::warn!("another program reads the database for long: its write-ahead log cannot start over");
    }
    Ok(all)
}

/// Whether all of the log is in the database and nobody was in the way, and how many bytes of it are.
fn checkpoint(db: &Connection, mode: &str, patience: Duration) -> rusqlite::Result<(bool, u64)> {
    db.busy_timeout(patience)?;
    let (busy, log, copied) = db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |r| {
        Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?, r.get::<_, i64>(2)?))
    })?;
    Ok((busy == 0 && log == copied, u64::try_from(copied).unwrap_or(0) * FRAME))
}
