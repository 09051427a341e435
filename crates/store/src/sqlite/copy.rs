//! A consistent copy of the database, made by the writer's own connection between its groups.
//!
//! SQLite's backup of a connection that writes itself follows its writes: pages that were copied already
//! are written again as they change, so that the copy is whole at its end and never begins again. No read
//! transaction lasts longer than one step, so the write-ahead log starts over as always (ADR 0001).

use crate::backup::Progress;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Pages of a step while the writer has work, and while it has none.
const BUSY: i32 = 64;
const IDLE: i32 = 512;
/// Pause when another program locks the database.
const PAUSE: Duration = Duration::from_millis(5);

/// A wanted copy: where to, and who waits for it.
pub(super) struct Order {
    pub(super) to: Connection,
    pub(super) progress: Arc<Progress>,
    /// `false`: it was given up.
    pub(super) done: oneshot::Sender<rusqlite::Result<bool>>,
}

/// Makes the copy; `work` writes a waiting group, and says whether there was one; `ends`: the hub stops.
pub(super) fn run(db: &Connection, order: Order, mut work: impl FnMut() -> bool, ends: impl Fn() -> bool) {
    let Order { mut to, progress, done } = order;
    let result = (|| {
        let backup = Backup::new(db, &mut to)?;
        loop {
            let busy = work();
            if done.is_closed() || ends() {
                // Nobody waits for it any more, or nobody should.
                return Ok(false);
            }
            let step = backup.step(if busy { BUSY } else { IDLE })?;
            let at = backup.progress();
            let bytes = |pages: i32| u64::try_from(pages).unwrap_or(0) * 4096;
            progress.set(bytes(at.pagecount - at.remaining), bytes(at.pagecount));
            match step {
                StepResult::Done => return Ok(true),
                StepResult::More => {}
                _ => std::thread::sleep(PAUSE),
            }
        }
    })();
    drop(to);
    // A caller that went away does not want the answer.
    drop(done.send(result));
}
