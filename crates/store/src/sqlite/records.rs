//! Records in their two tables. A write is one piece of housekeeping of the writer, which looks at the version
//! itself: what is stale changes nothing and undoes nobody.

use super::SqliteStore;
use super::read::Read;
use crate::codes::{ms, time};
use crate::contract::{Fut, Page};
use crate::records::{RecordFilter, RecordGuard, RecordOrder, RecordRow, RecordWrite, Recorded, Records, record_page};
use crate::seal::Sealer;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

const COLUMNS: &str = "r.number, r.kind, r.id, r.version, r.due, r.open, r.created_at, r.changed_at, r.data";

impl Records for SqliteStore {
    fn keep_record(&self, record: RecordWrite) -> Fut<'_, Recorded> {
        self.told(move |db| keep(db, &record))
    }
    fn keep_record_under(&self, record: RecordWrite, guard: RecordGuard) -> Fut<'_, Recorded> {
        self.told(move |db| {
            let sql = "UPDATE records SET version = version + 1 WHERE kind = ?1 AND id = ?2 AND version = ?3";
            let raised = db.prepare_cached(sql)?.execute(params![guard.kind, guard.id, guard.version])?;
            if raised == 0 { Ok(Recorded::Stale) } else { keep(db, &record) }
        })
    }
    fn keep_records(&self, records: Vec<RecordWrite>) -> Fut<'_, ()> {
        self.told(move |db| {
            for record in records {
                let sql = "SELECT version FROM records WHERE kind = ?1 AND id = ?2";
                let known: Option<i64> =
                    db.prepare_cached(sql)?.query_row([&record.kind, &record.id], |r| r.get(0)).optional()?;
                if known.is_some() || record.open {
                    keep(db, &RecordWrite { expected: known.unwrap_or(0), ..record })?;
                }
            }
            Ok(())
        })
    }
    fn record(&self, kind: &str, id: &str) -> Fut<'_, Option<RecordRow>> {
        let (kind, id) = (kind.to_owned(), id.to_owned());
        self.read(move |db, sealer| one(db, sealer, &kind, &id))
    }
    fn records(&self, filter: RecordFilter) -> Fut<'_, Page<RecordRow>> {
        self.read(move |db, sealer| list(db, sealer, &filter))
    }
    fn drop_record(&self, kind: &str, id: &str, version: i64) -> Fut<'_, bool> {
        let (kind, id) = (kind.to_owned(), id.to_owned());
        self.told(move |db| {
            let sql = "DELETE FROM records WHERE kind = ?1 AND id = ?2 AND version = ?3 RETURNING number";
            let gone: Option<i64> =
                db.prepare_cached(sql)?.query_row(params![kind, id, version], |r| r.get(0)).optional()?;
            if let Some(number) = gone {
                db.prepare_cached("DELETE FROM record_subjects WHERE record = ?1")?.execute([number])?;
            }
            Ok(gone.is_some())
        })
    }
}

fn keep(db: &Connection, r: &RecordWrite) -> rusqlite::Result<Recorded> {
    let (at, due) = (ms(r.at), r.due.map(ms));
    let number: Option<i64> = if r.expected == 0 {
        let sql = "INSERT INTO records (kind, id, version, due, open, created_at, changed_at, data)
            VALUES (?1, ?2, 1, ?3, ?4, ?5, ?5, ?6) ON CONFLICT DO NOTHING RETURNING number";
        let values = params![r.kind, r.id, due, r.open, at, r.data.0];
        db.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?
    } else {
        let sql = "UPDATE records SET version = version + 1, due = ?3, open = ?4, changed_at = ?5, data = ?6
            WHERE kind = ?1 AND id = ?2 AND version = ?7 RETURNING number";
        let values = params![r.kind, r.id, due, r.open, at, r.data.0, r.expected];
        db.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?
    };
    let Some(number) = number else { return Ok(Recorded::Stale) };
    if r.expected != 0 {
        db.prepare_cached("DELETE FROM record_subjects WHERE record = ?1")?.execute([number])?;
    }
    let mut link = db.prepare_cached("INSERT OR IGNORE INTO record_subjects (subject, record) VALUES (?1, ?2)")?;
    for subject in &r.subjects {
        link.execute([*subject, number])?;
    }
    Ok(Recorded::Done(r.expected + 1))
}

pub(super) fn one(db: &Connection, sealer: &Sealer, kind: &str, id: &str) -> Read<Option<RecordRow>> {
    let sql = format!("SELECT {COLUMNS} FROM records r WHERE r.kind = ?1 AND r.id = ?2");
    let found = db.prepare_cached(&sql)?.query_row([kind, id], raw).optional()?;
    found.map(|raw| opened(raw, sealer)).transpose()
}

pub(super) fn list(db: &Connection, sealer: &Sealer, filter: &RecordFilter) -> Read<Page<RecordRow>> {
    let below = filter.before.unwrap_or(i64::MAX);
    let mut values: Vec<Value> = vec![filter.kind.clone().into()];
    let (from, which) = match filter.order {
        RecordOrder::Newest => {
            ("records r INDEXED BY records_kind", "r.kind = ?1 AND r.number < ?2 ORDER BY r.number DESC")
        }
        RecordOrder::Open => {
            ("records r INDEXED BY records_open", "r.open = 1 AND r.kind = ?1 AND r.number < ?2 ORDER BY r.number DESC")
        }
        // What is about one person is few: those of another kind are passed over.
        RecordOrder::About(_) => (
            "record_subjects s CROSS JOIN records r ON r.number = s.record",
            "r.kind = ?1 AND s.record < ?2 AND s.subject = ?4 ORDER BY s.record DESC",
        ),
        RecordOrder::Due(_) => (
            "records r INDEXED BY records_due",
            "r.open = 1 AND r.due IS NOT NULL AND r.kind = ?1 AND r.due <= ?2 ORDER BY r.due, r.number",
        ),
        RecordOrder::Closed(..) => (
            "records r INDEXED BY records_closed",
            "r.open = 0 AND r.kind = ?1 AND r.changed_at < ?2 AND (r.changed_at, r.number) > (?4, ?5) ORDER BY r.changed_at, r.number",
        ),
    };
    values.push(match filter.order {
        RecordOrder::Due(at) | RecordOrder::Closed(at, _) => ms(at).into(),
        RecordOrder::Newest | RecordOrder::Open | RecordOrder::About(_) => below.into(),
    });
    values.push((i64::from(filter.limit) + 1).into());
    match filter.order {
        RecordOrder::About(subject) => values.push(subject.into()),
        RecordOrder::Closed(_, after) => {
            let (at, number) = after.map_or((i64::MIN, i64::MIN), |(at, number)| (ms(at), number));
            values.extend([at.into(), number.into()]);
        }
        RecordOrder::Newest | RecordOrder::Open | RecordOrder::Due(_) => {}
    }
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM {from} WHERE {which} LIMIT ?3"))?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(opened(raw(row)?, sealer)?);
    }
    Ok(record_page(out, filter))
}

fn raw(r: &Row<'_>) -> rusqlite::Result<RecordRow> {
    Ok(RecordRow {
        number: r.get(0)?,
        kind: r.get(1)?,
        id: r.get(2)?,
        version: r.get(3)?,
        due: r.get::<_, Option<i64>>(4)?.map(time),
        open: r.get(5)?,
        created_at: time(r.get(6)?),
        changed_at: time(r.get(7)?),
        data: r.get(8)?,
    })
}

fn opened(mut row: RecordRow, sealer: &Sealer) -> Read<RecordRow> {
    row.data = sealer.open(&row.data)?;
    Ok(row)
}
