//! What can be mended of a damaged file, in a new file beside it. The damaged one is only read.
//!
//! First a copy, page by page, that needs no page to be sound. If anything is damaged in it, what can be read
//! goes row by row into a fresh file: from both ends of each table, and for tables with a numeric key between
//! the damaged places too. Indexes are made anew by it; a damaged one cannot even be dropped.

use super::restore::give_back_later;
use super::{Options, connect, schema, take_lock};
use crate::backup::Draft;
use crate::contract::Error;
use crate::sqlite::writer::classify;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::path::Path;

/// Places that are looked for between the damaged ones of one table.
const TRIES: u32 = 4_000;

/// How a file was mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mended {
    /// Nothing was damaged: the new file is the same, without free pages.
    Whole,
    /// Only indexes were: every row is there.
    Indexes,
    /// Rows were: what could be read is there.
    Rows,
}

/// What came of a repair.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Repaired {
    /// How.
    pub mended: Mended,
    /// What was wrong.
    pub verdict: Option<String>,
    /// Rows of each table in the new file.
    pub tables: Vec<(String, u64)>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

/// Rows that could not be read.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Gap {
    /// Table.
    pub table: String,
    /// Where: numbers between which they lie, if the table goes by numbers.
    pub between: Option<(i64, i64)>,
    /// What the database said.
    pub why: String,
}

/// Mends `options.path` into `to`, which must not be there.
pub fn repair(options: &Options, to: &Path) -> Result<Repaired, Error> {
    // A file that is not there is not made by looking at it.
    std::fs::metadata(&options.path)
        .map_err(|e| Error::Database(format!("cannot read {}: {e}", options.path.display())))?;
    let _lock = take_lock(&options.path)?;
    let draft = Draft::beside(to)?;
    let source = connect(&options.path, true)?;
    let mut copy = connect(draft.path(), false)?;
    copy_pages(&source, &mut copy).map_err(|e| classify(&e))?;
    drop(source);
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(|e| classify(&e))?;
    let verdict = check(&copy);
    if verdict.is_none() {
        give_back_later(&copy).map_err(|e| classify(&e))?;
        return finish(copy, draft, Repaired { mended: Mended::Whole, verdict, tables: Vec::new(), gaps: Vec::new() });
    }
    let fresh = Draft::beside(&super::with_suffix(to, ".rows"))?;
    let new = connect(fresh.path(), false)?;
    let gaps = salvage(&copy, &new)?;
    drop((new, copy));
    std::fs::rename(fresh.path(), draft.path())
        .map_err(|e| Error::Database(format!("cannot write {}: {e}", draft.path().display())))?;
    let new = connect(draft.path(), false)?;
    if let Some(why) = check(&new) {
        return Err(Error::Corrupt(format!("what could be read does not fit together: {why}; restore a backup")));
    }
    // Every table was read to its end: what was damaged were indexes, which are new now.
    let mended = if gaps.is_empty() { Mended::Indexes } else { Mended::Rows };
    finish(new, draft, Repaired { mended, verdict, tables: Vec::new(), gaps })
}

fn finish(db: Connection, mut draft: Draft, mut told: Repaired) -> Result<Repaired, Error> {
    for name in names(&db).map_err(|e| classify(&e))? {
        let rows = db.query_row(&format!("SELECT count(*) FROM \"{name}\""), [], |r| r.get(0));
        told.tables.push((name, rows.map_err(|e| classify(&e))?));
    }
    drop(db);
    draft.keep()?;
    Ok(told)
}

fn names(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?
        .query_map([], |r| r.get(0))?
        .collect()
}

fn copy_pages(from: &Connection, to: &mut Connection) -> rusqlite::Result<()> {
    let backup = Backup::new(from, to)?;
    loop {
        match backup.step(1024)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    }
}

/// What is wrong, in a few lines.
fn check(db: &Connection) -> Option<String> {
    let told = (|| -> rusqlite::Result<Vec<String>> {
        db.prepare("PRAGMA integrity_check(5)")?.query_map([], |r| r.get(0))?.collect()
    })();
    match told {
        Ok(lines) if lines == ["ok"] => None,
        Ok(lines) => Some(lines.join("; ")),
        Err(e) => Some(e.to_string()),
    }
}

fn salvage(from: &Connection, to: &Connection) -> Result<Vec<Gap>, Error> {
    let failed = |e: rusqlite::Error| classify(&e);
    to.execute_batch(schema::NEW_FILE).map_err(failed)?;
    to.execute_batch(schema::SCHEMA).map_err(failed)?;
    to.execute_batch(schema::EXPANSION).map_err(failed)?;
    to.execute_batch("DELETE FROM brands; DELETE FROM senders; DELETE FROM audit_head; BEGIN").map_err(failed)?;
    let mut gaps = Vec::new();
    for table in names(to).map_err(failed)? {
        Rescue { from, to, table: &table, tries: TRIES }.run(&mut gaps).map_err(failed)?;
    }
    let keys: i64 = to.query_row("SELECT count(DISTINCT purpose) FROM keys", [], |r| r.get(0)).map_err(failed)?;
    if keys < 2 {
        return Err(Error::Corrupt(
            "the sealing keys in the file cannot be read, and nothing of it without them; restore a backup".into(),
        ));
    }
    // What cannot stand alone: a place in the inbox needs its delivery, a fence its number.
    to.execute_batch(
        "DELETE FROM inbox WHERE delivery NOT IN (SELECT id FROM deliveries);
         INSERT OR IGNORE INTO brands (id, name) VALUES (1, 'default');
         INSERT OR IGNORE INTO senders (id, brand, name) VALUES (1, 1, 'default');
         INSERT OR IGNORE INTO audit_head (id, seq, at, hash, mac) VALUES (1, 0, 0, x'', x'');
         INSERT OR IGNORE INTO meta (name, value) SELECT 'boot', coalesce(max(boot), 0) + 1 FROM effects;",
    )
    .and_then(|()| {
        to.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('schema', ?1)", [schema::VERSION]).map(|_| ())
    })
    .and_then(|()| to.execute_batch("COMMIT"))
    .map_err(failed)?;
    Ok(gaps)
}

/// One table.
struct Rescue<'a> {
    from: &'a Connection,
    to: &'a Connection,
    table: &'a str,
    tries: u32,
}

impl Rescue<'_> {
    fn run(mut self, gaps: &mut Vec<Gap>) -> rusqlite::Result<()> {
        let columns = |db: &Connection| -> rusqlite::Result<Vec<String>> {
            db.prepare("SELECT name FROM pragma_table_info(?1)")?.query_map([self.table], |r| r.get(0))?.collect()
        };
        let there = columns(self.from)?;
        let shared: Vec<String> =
            columns(self.to)?.into_iter().filter(|c| there.contains(c)).map(|c| format!("\"{c}\"")).collect();
        if shared.is_empty() {
            return Ok(());
        }
        let list = shared.join(", ");
        let marks = vec!["?"; shared.len()].join(", ");
        let insert = format!("INSERT OR IGNORE INTO \"{}\" ({list}) VALUES ({marks})", self.table);
        let sql: String = self.from.query_row(
            "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1",
            [self.table],
            |r| r.get(0),
        )?;
        if sql.to_ascii_uppercase().contains("WITHOUT ROWID") {
            let select = format!("SELECT {list} FROM \"{}\"", self.table);
            if let Err(e) = self.rows(&select, &insert) {
                // From the other end: what both reach is there once.
                let key: Vec<String> = self
                    .to
                    .prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?
                    .query_map([self.table], |r| Ok(format!("\"{}\" DESC", r.get::<_, String>(0)?)))?
                    .collect::<rusqlite::Result<_>>()?;
                drop(self.rows(&format!("{select} ORDER BY {}", key.join(", ")), &insert));
                gaps.push(Gap { table: self.table.into(), between: None, why: e.to_string() });
            }
            return Ok(());
        }
        self.range(&list, &insert, i64::MIN, i64::MAX, gaps)
    }

    /// Rows from both ends of a range of numbers, and from both sides of its middle.
    fn range(&mut self, list: &str, insert: &str, low: i64, high: i64, gaps: &mut Vec<Gap>) -> rusqlite::Result<()> {
        if self.tries == 0 || low > high {
            return Ok(());
        }
        self.tries -= 1;
        let select = |order: &str| {
            format!(
                "SELECT {list}, rowid FROM \"{}\" WHERE rowid BETWEEN {low} AND {high} ORDER BY rowid {order}",
                self.table
            )
        };
        let (last, Err(e)) = self.walk(&select("ASC"), insert)? else { return Ok(()) };
        let (first, _) = self.walk(&select("DESC"), insert)?;
        let (low, high) = (last.map_or(low, |l| l.saturating_add(1)), first.map_or(high, |f| f.saturating_sub(1)));
        if low > high {
            return Ok(());
        }
        let middle = low.midpoint(high);
        let whole = low == i64::MIN || high == i64::MAX;
        if !whole && high - low < 2 || self.tries == 0 {
            gaps.push(Gap { table: self.table.into(), between: Some((low, high)), why: e.to_string() });
            return Ok(());
        }
        let before = gaps.len();
        self.range(list, insert, low, middle, gaps)?;
        self.range(list, insert, middle.saturating_add(1), high, gaps)?;
        // Neighbouring gaps are one.
        let mut joined: Vec<Gap> = Vec::new();
        for gap in gaps.drain(before..) {
            match (joined.last_mut().and_then(|g| g.between.as_mut()), gap.between) {
                (Some(last), Some(next)) if last.1.saturating_add(1) >= next.0 => last.1 = next.1,
                _ => joined.push(gap),
            }
        }
        gaps.extend(joined);
        Ok(())
    }

    fn rows(&self, select: &str, insert: &str) -> rusqlite::Result<()> {
        let mut from = self.from.prepare(select)?;
        let width = from.column_count();
        let mut into = self.to.prepare_cached(insert)?;
        let mut rows = from.query([])?;
        while let Some(row) = rows.next()? {
            let values = (0..width).map(|i| row.get::<_, Value>(i)).collect::<rusqlite::Result<Vec<_>>>()?;
            into.execute(params_from_iter(values))?;
        }
        Ok(())
    }

    /// Rows with their number behind them: the last number that was read, and whether it came to the end.
    #[allow(clippy::type_complexity)]
    fn walk(&self, select: &str, insert: &str) -> rusqlite::Result<(Option<i64>, rusqlite::Result<()>)> {
        let mut last = None;
        let mut into = self.to.prepare_cached(insert)?;
        let mut from = match self.from.prepare(select) {
            Ok(from) => from,
            Err(e) => return Ok((None, Err(e))),
        };
        let width = from.column_count() - 1;
        let mut rows = from.query([])?;
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok((last, Ok(()))),
                Err(e) => return Ok((last, Err(e))),
            };
            let values = (0..width).map(|i| row.get::<_, Value>(i)).collect::<rusqlite::Result<Vec<_>>>();
            match values {
                Ok(values) => into.execute(params_from_iter(values))?,
                Err(e) => return Ok((last, Err(e))),
            };
            last = Some(row.get(width)?);
        }
    }
}
