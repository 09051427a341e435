//! Terms of API keys, and kept answers.

use super::PostgresStore;
use super::read::{get, rows};
use super::statement::{bytes, flag, int, maybe_bytes, text};
use crate::codes::{ms, time};
use crate::contract::{Error, Fut, Store as _};
use crate::gateway::{AGAIN, AnswerBegin, AnswerRow, Begun, Gateway, lost_before};
use crate::seal::Sealed;
use jiff::Timestamp;
use std::sync::Arc;

const ROTATE: &str = "WITH old AS (SELECT id, hash FROM api_keys WHERE id = $1 AND revoked_at IS NULL AND hash <> $2),
    kept AS (INSERT INTO key_terms (key, old_hash, old_until) SELECT id, hash, $3 FROM old
      ON CONFLICT (key) DO UPDATE SET old_hash = excluded.old_hash, old_until = excluded.old_until)
    UPDATE api_keys SET hash = $2 WHERE id IN (SELECT id FROM old)";
const USED: &str = "INSERT INTO key_terms (key, used_at) VALUES ($1, $2)
    ON CONFLICT (key) DO UPDATE SET used_at = greatest(key_terms.used_at, excluded.used_at)";
/// The row itself is not among those that go: one statement changes a row once.
const BEGIN: &str = "WITH gone AS (DELETE FROM answers WHERE id IN
      (SELECT id FROM answers WHERE expires_at <= $5 AND id <> $1 LIMIT 64 FOR UPDATE SKIP LOCKED))
    INSERT INTO answers (id, request, taker, boot, at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (id) DO UPDATE SET request = excluded.request, taker = excluded.taker, boot = excluded.boot,
      at = excluded.at, expires_at = excluded.expires_at, status = NULL, answer = NULL
    WHERE answers.expires_at <= excluded.at
      OR ($7 AND answers.request = excluded.request AND answers.status IS NULL
          AND (answers.at <= $8 OR (answers.boot <> excluded.boot AND answers.at <= $9)))";

impl PostgresStore {
    /// `None`: the request that was first was forgotten between the two looks.
    fn try_begin(&self, begin: AnswerBegin) -> Fut<'_, Option<Begun>> {
        let boot = self.boot();
        Box::pin(async move {
            let (lost, lost_by_start) = lost_before(begin.at);
            let params = vec![
                int(begin.id),
                int(begin.request),
                int(begin.taker),
                int(boot),
                int(ms(begin.at)),
                int(ms(begin.expires_at)),
                flag(begin.again),
                int(ms(lost)),
                int(ms(lost_by_start)),
            ];
            self.misc(BEGIN, params).await?;
            let begin = Arc::new(begin);
            self.read(move |db, sealer| {
                let begin = begin.clone();
                async move {
                    let sql = "SELECT request, taker, boot, at, status, answer FROM answers WHERE id = $1";
                    let found = rows(&db, sql, vec![int(begin.id)]).await?;
                    let Some(r) = found.first() else { return Ok(None) };
                    let sealed: Option<Vec<u8>> = get(r, 5)?;
                    let row = AnswerRow {
                        request: get(r, 0)?,
                        taker: get(r, 1)?,
                        boot: get(r, 2)?,
                        at: time(get(r, 3)?),
                        status: get(r, 4)?,
                        answer: sealed.map(|s| sealer.open(&s)).transpose()?,
                    };
                    Ok(Some(row.tells(&begin, boot)))
                }
            })
            .await
        })
    }
}

impl Gateway for PostgresStore {
    fn rotate_api_key(&self, id: &str, hash: Vec<u8>, until: Timestamp) -> Fut<'_, bool> {
        let id = id.to_owned();
        Box::pin(async move {
            self.misc(ROTATE, vec![text(id.as_str()), bytes(hash.clone()), int(ms(until))]).await?;
            Ok(self.api_keys().await?.iter().any(|k| k.id == id && k.hash == hash && k.revoked_at.is_none()))
        })
    }
    fn api_key_used(&self, id: &str, at: Timestamp) -> Fut<'_, ()> {
        self.misc(USED, vec![text(id), int(ms(at))])
    }

    fn begin_answer(&self, begin: AnswerBegin) -> Fut<'_, Begun> {
        Box::pin(async move {
            for _ in 0..AGAIN {
                if let Some(begun) = self.try_begin(begin.clone()).await? {
                    return Ok(begun);
                }
            }
            Err(Error::Busy)
        })
    }
    fn keep_answer(&self, id: i64, taker: i64, status: u16, answer: Option<Sealed>) -> Fut<'_, ()> {
        let sql = "UPDATE answers SET status = $3, answer = $4 WHERE id = $1 AND taker = $2";
        self.misc(sql, vec![int(id), int(taker), int(status), maybe_bytes(answer.map(|a| a.0))])
    }
    fn forget_answer(&self, id: i64, taker: i64) -> Fut<'_, ()> {
        self.misc("DELETE FROM answers WHERE id = $1 AND taker = $2 AND status IS NULL", vec![int(id), int(taker)])
    }
}
