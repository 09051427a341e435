//! Terms of API keys, and kept answers.

use super::SqliteStore;
use crate::codes::{ms, time};
use crate::contract::{Error, Fut, Store as _};
use crate::gateway::{AnswerBegin, AnswerRow, Begun, Gateway, lost_before};
use crate::seal::Sealed;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

/// Answers whose time is over go so many at a time, whenever a new one is begun.
const BITE: i64 = 64;
const BEGIN: &str = "INSERT INTO answers (id, request, taker, boot, at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (id) DO UPDATE SET request = excluded.request, taker = excluded.taker, boot = excluded.boot,
      at = excluded.at, expires_at = excluded.expires_at, status = NULL, answer = NULL
    WHERE answers.expires_at <= excluded.at
      OR (?7 AND answers.request = excluded.request AND answers.status IS NULL
          AND (answers.at <= ?8 OR (answers.boot <> excluded.boot AND answers.at <= ?9)))";

impl SqliteStore {
    /// Begins, or reads who was first: by the writer, so that nothing comes between the two.
    fn begin_or_read(&self, begin: AnswerBegin) -> Fut<'_, Option<Begun>> {
        let boot = self.boot;
        Box::pin(async move {
            let b = begin.clone();
            let row = self
                .told(move |db| {
                    let gone =
                        "DELETE FROM answers WHERE id IN (SELECT id FROM answers WHERE expires_at <= ?1 LIMIT ?2)";
                    db.prepare_cached(gone)?.execute([ms(b.at), BITE])?;
                    let (lost, lost_by_start) = lost_before(b.at);
                    let values = params![
                        b.id,
                        b.request,
                        b.taker,
                        boot,
                        ms(b.at),
                        ms(b.expires_at),
                        b.again,
                        ms(lost),
                        ms(lost_by_start)
                    ];
                    db.prepare_cached(BEGIN)?.execute(values)?;
                    let sql = "SELECT request, taker, boot, at, status, answer FROM answers WHERE id = ?1";
                    let row = db.prepare_cached(sql)?.query_row([b.id], |r| {
                        Ok(AnswerRow {
                            request: r.get(0)?,
                            taker: r.get(1)?,
                            boot: r.get(2)?,
                            at: time(r.get(3)?),
                            status: r.get(4)?,
                            answer: r.get(5)?,
                        })
                    });
                    row.optional()
                })
                .await?;
            let Some(mut row) = row else { return Ok(None) };
            row.answer = row.answer.map(|sealed| self.sealer.open(&sealed)).transpose()?;
            Ok(Some(row.tells(&begin, boot)))
        })
    }
}

impl Gateway for SqliteStore {
    fn rotate_api_key(&self, id: &str, hash: Vec<u8>, until: Timestamp) -> Fut<'_, bool> {
        let id = id.to_owned();
        Box::pin(async move {
            let (key, new) = (id.clone(), hash.clone());
            self.misc(move |db| {
                let old = "INSERT INTO key_terms (key, old_hash, old_until)
                    SELECT id, hash, ?3 FROM api_keys WHERE id = ?1 AND revoked_at IS NULL AND hash <> ?2
                    ON CONFLICT (key) DO UPDATE SET old_hash = excluded.old_hash, old_until = excluded.old_until";
                db.execute(old, params![key, new, ms(until)])?;
                let sql = "UPDATE api_keys SET hash = ?2 WHERE id = ?1 AND revoked_at IS NULL";
                db.execute(sql, params![key, new]).map(|_| ())
            })
            .await?;
            Ok(self.api_keys().await?.iter().any(|k| k.id == id && k.hash == hash))
        })
    }
    fn api_key_used(&self, id: &str, at: Timestamp) -> Fut<'_, ()> {
        let id = id.to_owned();
        self.misc(move |db| {
            let sql = "INSERT INTO key_terms (key, used_at) VALUES (?1, ?2)
                ON CONFLICT (key) DO UPDATE SET used_at = max(coalesce(used_at, 0), excluded.used_at)";
            db.execute(sql, params![id, ms(at)]).map(|_| ())
        })
    }

    fn begin_answer(&self, begin: AnswerBegin) -> Fut<'_, Begun> {
        Box::pin(async move { self.begin_or_read(begin).await?.ok_or(Error::Busy) })
    }
    fn keep_answer(&self, id: i64, taker: i64, status: u16, answer: Option<Sealed>) -> Fut<'_, ()> {
        self.misc(move |db| {
            let sql = "UPDATE answers SET status = ?3, answer = ?4 WHERE id = ?1 AND taker = ?2";
            db.prepare_cached(sql)?.execute(params![id, taker, status, answer.map(|a| a.0)]).map(|_| ())
        })
    }
    fn forget_answer(&self, id: i64, taker: i64) -> Fut<'_, ()> {
        self.misc(move |db| {
            let sql = "DELETE FROM answers WHERE id = ?1 AND taker = ?2 AND status IS NULL";
            db.prepare_cached(sql)?.execute([id, taker]).map(|_| ())
        })
    }
}
