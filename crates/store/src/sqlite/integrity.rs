//! The check of the whole file, in the background.
//!
//! A read of the whole file in one piece would hold a snapshot for minutes, and the write-ahead log
//! could not start over all that time. So it goes table by table, and a table's check gives way when
//! the log is at its limit and begins again when the writer has less to do.

use super::writer::{Shared, classify};
use super::{READ_STEPS, connect};
use crate::contract::Error;
use rusqlite::{Connection, ErrorCode};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Pause before a check that gave way begins again; doubled up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A sentence for people when the file is damaged.
pub(super) fn check(path: &Path, shared: &Arc<Shared>) -> Result<Option<String>, Error> {
    let mut db = connect(path, true)?;
    let asked = shared.clone();
    let gives_way = move || asked.log.is_pressing() || asked.is_closed();
    db.progress_handler(READ_STEPS, Some(gives_way)).map_err(|e| classify(&e))?;
    for table in tables(&db).map_err(|e| classify(&e))? {
        if let Some(verdict) = patiently(shared, || one(&db, &table))? {
            return Ok(Some(verdict));
        }
    }
    Ok(None)
}

fn patiently<T>(shared: &Shared, check: impl Fn() -> rusqlite::Result<T>) -> Result<T, Error> {
    let mut pause = PAUSE;
    loop {
        match check() {
            Ok(verdict) => return Ok(verdict),
            Err(_) if shared.is_closed() => return Err(Error::Closed),
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                let mut left = pause;
                while !left.is_zero() && !shared.is_closed() {
                    let nap = left.min(PAUSE);
                    std::thread::sleep(nap);
                    left -= nap;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(e) => return Err(classify(&e)),
        }
    }
}

/// The catalogue first: with it goes the list of free pages.
fn tables(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut names = vec!["sqlite_schema".to_owned()];
    let mut statement = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    names.extend(statement.query_map([], |r| r.get(0))?.collect::<Result<Vec<String>, _>>()?);
    Ok(names)
}

fn one(db: &Connection, table: &str) -> rusqlite::Result<Option<String>> {
    let sql = format!("PRAGMA quick_check(\"{}\")", table.replace('"', "\"\""));
    let verdict: String = db.query_row(&sql, [], |r| r.get(0))?;
    Ok((verdict != "ok").then_some(verdict))
}
