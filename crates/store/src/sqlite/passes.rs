//! Passes in their table.

use super::SqliteStore;
use super::read::{Read, at};
use crate::codes::ms;
use crate::contract::Fut;
use crate::passes::{PassKind, PassRow, Passes};
use crate::seal::Sealer;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

const COLUMNS: &str = "hash, kind, name, may_write, api_key, account, created_at, expires_at, detail";

impl Passes for SqliteStore {
    fn keep_pass(&self, pass: PassRow) -> Fut<'_, ()> {
        let detail = sealed(&self.sealer, &pass.detail);
        self.misc(move |db| {
            db.execute("DELETE FROM passes WHERE expires_at <= ?1", [ms(pass.created_at)])?;
            let sql =
                "INSERT INTO passes (hash, kind, name, may_write, api_key, account, created_at, expires_at, detail)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
            db.execute(
                sql,
                params![
                    pass.hash.as_slice(),
                    pass.kind.as_str(),
                    pass.name,
                    pass.may_write,
                    pass.key,
                    pass.account,
                    ms(pass.created_at),
                    ms(pass.expires_at),
                    detail
                ],
            )
            .map(|_| ())
        })
    }
    fn pass(&self, hash: [u8; 32]) -> Fut<'_, Option<PassRow>> {
        self.read(move |db, sealer| one(db, sealer, hash))
    }
    fn take_pass(&self, hash: [u8; 32], taker: [u8; 32]) -> Fut<'_, bool> {
        Box::pin(async move {
            self.misc(move |db| {
                let first = "UPDATE passes SET taker = ?2 WHERE hash = ?1 AND taker IS NULL";
                db.execute(first, [hash.as_slice(), taker.as_slice()]).map(|_| ())
            })
            .await?;
            self.read(move |db, _| {
                let sql = "SELECT EXISTS (SELECT 1 FROM passes WHERE hash = ?1 AND taker = ?2)";
                Ok(db.prepare_cached(sql)?.query_row([hash.as_slice(), taker.as_slice()], |r| r.get(0))?)
            })
            .await
        })
    }
    fn end_pass(&self, hash: [u8; 32]) -> Fut<'_, ()> {
        self.misc(move |db| db.execute("DELETE FROM passes WHERE hash = ?1", [hash.as_slice()]).map(|_| ()))
    }
    fn note_pass(&self, hash: [u8; 32], detail: Vec<u8>) -> Fut<'_, ()> {
        let detail = sealed(&self.sealer, &detail);
        self.misc(move |db| {
            let sql = "UPDATE passes SET detail = ?2 WHERE hash = ?1 AND taker IS NULL";
            db.execute(sql, params![hash.as_slice(), detail]).map(|_| ())
        })
    }
    fn passes_of(&self, account: &str) -> Fut<'_, Vec<PassRow>> {
        let account = account.to_owned();
        self.read(move |db, sealer| of(db, sealer, &account))
    }
    fn end_passes_of(&self, account: &str, but: Option<[u8; 32]>) -> Fut<'_, ()> {
        let account = account.to_owned();
        self.misc(move |db| {
            let sql = "DELETE FROM passes WHERE account = ?1 AND (?2 IS NULL OR hash <> ?2)";
            db.execute(sql, params![account, but.map(|hash| hash.to_vec())]).map(|_| ())
        })
    }
}

pub(super) fn one(db: &Connection, sealer: &Sealer, hash: [u8; 32]) -> Read<Option<PassRow>> {
    let sql = format!("SELECT {COLUMNS} FROM passes WHERE hash = ?1 AND taker IS NULL");
    let found = db.prepare_cached(&sql)?.query_row([hash.as_slice()], raw).optional()?;
    found.map(|row| opened(row, sealer)).transpose()
}

pub(super) fn of(db: &Connection, sealer: &Sealer, account: &str) -> Read<Vec<PassRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM passes WHERE account = ?1 AND taker IS NULL ORDER BY created_at DESC, hash DESC"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([account])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(opened(raw(row)?, sealer)?);
    }
    Ok(out)
}

fn sealed(sealer: &Sealer, detail: &[u8]) -> Option<Vec<u8>> {
    (!detail.is_empty()).then(|| sealer.seal(detail).0)
}

fn raw(r: &Row<'_>) -> rusqlite::Result<PassRow> {
    Ok(PassRow {
        hash: r.get(0)?,
        kind: PassKind::from_name(&r.get::<_, String>(1)?),
        name: r.get(2)?,
        may_write: r.get(3)?,
        key: r.get(4)?,
        account: r.get(5)?,
        created_at: at(r, 6)?,
        expires_at: at(r, 7)?,
        detail: r.get::<_, Option<Vec<u8>>>(8)?.unwrap_or_default(),
    })
}

fn opened(mut row: PassRow, sealer: &Sealer) -> Read<PassRow> {
    if !row.detail.is_empty() {
        row.detail = sealer.open(&row.detail)?;
    }
    Ok(row)
}
