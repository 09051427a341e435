//! Passes in their table.

use super::PostgresStore;
use super::read::{Read, at, get, rows};
use super::statement::{bytes, int, maybe_bytes, maybe_text, text};
use crate::Store as _;
use crate::codes::ms;
use crate::contract::Fut;
use crate::passes::{PassKind, PassRow, Passes};
use crate::seal::Sealer;
use std::sync::Arc;
use tokio_postgres::Row;

const COLUMNS: &str = "hash, kind, name, may_write, api_key, account, created_at, expires_at, detail";

impl Passes for PostgresStore {
    fn keep_pass(&self, pass: PassRow) -> Fut<'_, ()> {
        let detail = sealed(self.sealer(), &pass.detail);
        self.misc(
            "WITH over AS (DELETE FROM passes WHERE expires_at <= $7)
             INSERT INTO passes (hash, kind, name, may_write, api_key, account, created_at, expires_at, detail)
             VALUES ($1, $2, $3, $4 <> 0, $5, $6, $7, $8, $9)",
            vec![
                bytes(pass.hash.to_vec()),
                text(pass.kind.as_str()),
                text(pass.name),
                int(i64::from(pass.may_write)),
                maybe_text(pass.key),
                maybe_text(pass.account),
                int(ms(pass.created_at)),
                int(ms(pass.expires_at)),
                maybe_bytes(detail),
            ],
        )
    }
    fn pass(&self, hash: [u8; 32]) -> Fut<'_, Option<PassRow>> {
        self.read(move |db, sealer| async move {
            let sql = format!("SELECT {COLUMNS} FROM passes WHERE hash = $1 AND taker IS NULL");
            let found = rows(&db, sql, vec![bytes(hash.to_vec())]).await?;
            found.first().map(|r| opened(r, &sealer)).transpose()
        })
    }
    fn take_pass(&self, hash: [u8; 32], taker: [u8; 32]) -> Fut<'_, bool> {
        Box::pin(async move {
            let first = "UPDATE passes SET taker = $2 WHERE hash = $1 AND taker IS NULL";
            self.misc(first, vec![bytes(hash.to_vec()), bytes(taker.to_vec())]).await?;
            self.read(move |db, _| async move {
                let sql = "SELECT EXISTS (SELECT 1 FROM passes WHERE hash = $1 AND taker = $2)";
                let found = rows(&db, sql, vec![bytes(hash.to_vec()), bytes(taker.to_vec())]).await?;
                found.first().map_or(Ok(false), |r| get(r, 0))
            })
            .await
        })
    }
    fn end_pass(&self, hash: [u8; 32]) -> Fut<'_, ()> {
        self.misc("DELETE FROM passes WHERE hash = $1", vec![bytes(hash.to_vec())])
    }
    fn note_pass(&self, hash: [u8; 32], detail: Vec<u8>) -> Fut<'_, ()> {
        let detail = sealed(self.sealer(), &detail);
        let sql = "UPDATE passes SET detail = $2 WHERE hash = $1 AND taker IS NULL";
        self.misc(sql, vec![bytes(hash.to_vec()), maybe_bytes(detail)])
    }
    fn passes_of(&self, account: &str) -> Fut<'_, Vec<PassRow>> {
        let account: Arc<str> = account.into();
        self.read(move |db, sealer| {
            let account = account.clone();
            async move {
                let sql = format!(
                    "SELECT {COLUMNS} FROM passes WHERE account = $1 AND taker IS NULL ORDER BY created_at DESC, hash DESC"
                );
                let found = rows(&db, sql, vec![text(&*account)]).await?;
                found.iter().map(|r| opened(r, &sealer)).collect()
            }
        })
    }
    fn end_passes_of(&self, account: &str, but: Option<[u8; 32]>) -> Fut<'_, ()> {
        let sql = "DELETE FROM passes WHERE account = $1 AND ($2::bytea IS NULL OR hash <> $2)";
        self.misc(sql, vec![text(account.to_owned()), maybe_bytes(but.map(|hash| hash.to_vec()))])
    }
}

fn sealed(sealer: &Sealer, detail: &[u8]) -> Option<Vec<u8>> {
    (!detail.is_empty()).then(|| sealer.seal(detail).0)
}

fn opened(r: &Row, sealer: &Sealer) -> Read<PassRow> {
    let hash: Vec<u8> = get(r, 0)?;
    let detail: Option<Vec<u8>> = get(r, 8)?;
    Ok(PassRow {
        hash: hash.try_into().map_err(|_| crate::seal::SealError::Damaged)?,
        kind: PassKind::from_name(&get::<String>(r, 1)?),
        name: get(r, 2)?,
        may_write: get(r, 3)?,
        key: get(r, 4)?,
        account: get(r, 5)?,
        created_at: at(r, 6)?,
        expires_at: at(r, 7)?,
        detail: detail.map_or(Ok(Vec::new()), |sealed| sealer.open(&sealed))?,
    })
}
