//! Addresses that are not written to, and the keys that sign tickets.

use super::read::Read;
use crate::codes::{ms, time};
use crate::contract::Page;
use crate::page::page;
use crate::rows::{SigningKeyRow, SuppressionCause, SuppressionRow, Told};
use crate::seal::Sealer;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// Keeps an address, or gives one that is there a stronger cause.
pub(super) fn suppress(db: &Connection, address: i64, row: &SuppressionRow, body: &[u8]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO suppressions (address, cause, who, since, body) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (address) DO UPDATE SET cause = excluded.cause, who = excluded.who, since = excluded.since,
          body = excluded.body WHERE excluded.cause > suppressions.cause";
    db.execute(sql, params![address, row.cause as u8, row.by, ms(row.since), body]).map(|_| ())
}

pub(super) fn suppression(db: &Connection, sealer: &Sealer, address: i64) -> Read<Option<SuppressionRow>> {
    let sql = "SELECT id, cause, who, since, body FROM suppressions WHERE address = ?1";
    let found = db.prepare_cached(sql)?.query_row([address], raw).optional()?;
    Ok(found.map(|raw| opened(raw, sealer)).transpose()?.map(|(_, row)| row))
}

pub(super) fn suppressions(
    db: &Connection,
    sealer: &Sealer,
    before: Option<i64>,
    limit: u32,
) -> Read<Page<SuppressionRow>> {
    let sql = "SELECT id, cause, who, since, body FROM suppressions WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![before.unwrap_or(i64::MAX), i64::from(limit) + 1])?;
    let mut out = Vec::new();
    while let Some(r) = rows.next()? {
        out.push(opened(raw(r)?, sealer)?);
    }
    let page = page(out, limit, |(id, _)| *id);
    Ok(Page { rows: page.rows.into_iter().map(|(_, row)| row).collect(), next: page.next })
}

/// Id, cause, who, since, sealed body.
type Raw = (i64, i64, String, i64, Vec<u8>);

fn raw(r: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?))
}

fn opened((id, cause, by, since, body): Raw, sealer: &Sealer) -> Read<(i64, SuppressionRow)> {
    let told = Told::read(&sealer.open(&body)?);
    let cause = SuppressionCause::from_code(cause);
    Ok((id, SuppressionRow { address: told.address, cause, why: told.why, by, since: time(since) }))
}

pub(super) fn signing_keys(db: &Connection, sealer: &Sealer) -> Read<Vec<SigningKeyRow>> {
    let mut statement = db.prepare_cached("SELECT number, secret, made_at FROM signing_keys ORDER BY number")?;
    let mut rows = statement.query([])?;
    let mut out = Vec::new();
    while let Some(r) = rows.next()? {
        let secret: Vec<u8> = r.get(1)?;
        out.push(SigningKeyRow { number: r.get(0)?, seed: sealer.open(&secret)?, made_at: time(r.get(2)?) });
    }
    Ok(out)
}
