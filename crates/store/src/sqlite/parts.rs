//! Which read models are parts of which: an order of its show.

use super::read::Read;
use crate::contract::{Page, Part, PartRow};
use crate::page::{PAGE_BYTES, page};
use crate::seal::Sealer;
use rusqlite::{Connection, params};

/// Nothing is written where it is known.
pub(super) const KEEP: &str = "INSERT INTO parts (connection, kind, entity, parent) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (connection, kind, entity) DO UPDATE SET parent = excluded.parent WHERE parent <> excluded.parent";

pub(super) fn keep(db: &Connection, parts: &[Part]) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(KEEP)?;
    for part in parts {
        statement.execute(params![part.connection, part.entity.kind, part.entity.id, part.parent])?;
    }
    Ok(())
}

pub(super) fn list(
    db: &Connection,
    sealer: &Sealer,
    parent: i64,
    kind: &str,
    before: Option<i64>,
    limit: u32,
) -> Read<Page<PartRow>> {
    let mut statement = db.prepare_cached(
        "SELECT p.number, p.connection, p.entity, e.data FROM parts p
         CROSS JOIN entities e ON e.connection = p.connection AND e.kind = p.kind AND e.entity = p.entity
         WHERE p.parent = ?1 AND p.kind = ?2 AND p.number < ?3 ORDER BY p.number DESC LIMIT ?4",
    )?;
    let mut rows = statement.query(params![parent, kind, before.unwrap_or(i64::MAX), i64::from(limit) + 1])?;
    let (mut out, mut bytes) = (Vec::new(), 0);
    while let Some(r) = rows.next()? {
        if bytes > PAGE_BYTES {
            let next = out.last().map(|l: &PartRow| l.number);
            return Ok(Page { rows: out, next });
        }
        let data = sealer.open(&r.get::<_, Vec<u8>>(3)?)?;
        bytes += data.len();
        out.push(PartRow { number: r.get(0)?, connection: r.get(1)?, id: r.get(2)?, data });
    }
    Ok(page(out, limit, |row| row.number))
}

pub(super) fn count(db: &Connection, parents: &[i64], kind: &str) -> Read<Vec<u64>> {
    let mut statement = db.prepare_cached("SELECT count(*) FROM parts WHERE parent = ?1 AND kind = ?2")?;
    parents.iter().map(|parent| Ok(statement.query_row(params![parent, kind], |r| r.get(0))?)).collect()
}
