//! The checkpoint thread: copies the write-ahead log into the database beside the writer, so that
//! no commit ever pays for it.
//!
//! A passive checkpoint never catches up with a busy writer, and a log that is never caught up
//! with is never reused. So the long part runs beside the writer, and above [`BOUND`] the last
//! short part runs while the writer waits between two groups; then the log starts over.

use super::writer::Shared;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Bytes of log below which nothing is done while the writer is busy.
const SMALL: u64 = 4 * 1024 * 1024;
/// Bytes of log at which the writer yields for the last part.
const BOUND: u64 = 24 * 1024 * 1024;
/// How often the log is looked at.
const PACE: Duration = Duration::from_millis(100);

pub(super) fn run(db: &Connection, log: &PathBuf, shared: &Arc<Shared>) {
    let size = || std::fs::metadata(log).map_or(0, |m| m.len());
    // The log file keeps its size when it starts over: what counts is what was written since.
    let mut at_reset = 0;
    let mut idle = 0;
    while !shared.is_closed() {
        std::thread::sleep(PACE);
        if !shared.dirty.load(Ordering::Relaxed) {
            continue;
        }
        let rows = shared.rows.load(Ordering::Relaxed);
        let busy = rows != at_reset;
        at_reset = rows;
        idle = if busy { 0 } else { idle + 1 };
        let bytes = size();
        if busy && bytes < SMALL {
            continue;
        }
        if checkpoint(db).is_none() {
            continue;
        }
        if bytes >= BOUND || idle >= 5 {
            let _writer_waits = shared.gate.lock();
            if checkpoint(db) == Some(true) {
                shared.dirty.store(false, Ordering::Relaxed);
            }
        }
    }
}

/// `Some(true)`: everything in the log is in the database now.
fn checkpoint(db: &Connection) -> Option<bool> {
    let result = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |r| {
        Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?, r.get::<_, i64>(2)?))
    });
    match result {
        Ok((0, log, done)) => Some(log == done),
        Ok(_) => Some(false),
        Err(e) => {
            tracing::error!(error = %e, "checkpoint failed");
            None
        }
    }
}
