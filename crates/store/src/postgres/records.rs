//! Records in their two tables. A write is one statement of the writer, which looks at the version itself and
//! says how many rows it changed: none, when it is stale.

use super::PostgresStore;
use super::piece::Job;
use super::read::{Read, get, maybe_at, rows};
use super::statement::{
    Param, Statement, bytes, flag, flags, int, ints, maybe_int, maybe_ints, own_texts, owned_blobs, text,
};
use crate::codes::{ms, time};
use crate::contract::{Fut, Page};
use crate::records::{RecordFilter, RecordGuard, RecordOrder, RecordRow, RecordWrite, Recorded, Records, record_page};
use crate::seal::Sealer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_postgres::{Client, Row};

const COLUMNS: &str = "r.number, r.kind, r.id, r.version, r.due, r.open, r.created_at, r.changed_at, r.data";
const MAKE: &str = "WITH made AS (INSERT INTO records (kind, id, version, due, open, created_at, changed_at, data)
      VALUES ($1, $2, 1, $3, $4, $5, $5, $6) ON CONFLICT DO NOTHING RETURNING number),
    linked AS (INSERT INTO record_subjects (subject, record) SELECT DISTINCT s, number FROM made, unnest($7::bigint[]) s)
    SELECT number FROM made";
const CHANGE: &str = "WITH changed AS (UPDATE records SET version = version + 1, due = $3, open = $4, changed_at = $5, data = $6
      WHERE kind = $1 AND id = $2 AND version = $8 RETURNING number),
    gone AS (DELETE FROM record_subjects WHERE record IN (SELECT number FROM changed) AND subject <> ALL ($7)),
    linked AS (INSERT INTO record_subjects (subject, record) SELECT DISTINCT s, number FROM changed, unnest($7::bigint[]) s
      ON CONFLICT DO NOTHING)
    SELECT number FROM changed";
/// The guard's row is locked first, and who waited for it finds another version.
const CHANGE_UNDER: &str = "WITH raised AS (UPDATE records SET version = version + 1
      WHERE kind = $9 AND id = $10 AND version = $11 RETURNING number),
    changed AS (UPDATE records SET version = version + 1, due = $3, open = $4, changed_at = $5, data = $6
      WHERE kind = $1 AND id = $2 AND version = $8 AND EXISTS (SELECT 1 FROM raised) RETURNING number),
    gone AS (DELETE FROM record_subjects WHERE record IN (SELECT number FROM changed) AND subject <> ALL ($7)),
    linked AS (INSERT INTO record_subjects (subject, record) SELECT DISTINCT s, number FROM changed, unnest($7::bigint[]) s
      ON CONFLICT DO NOTHING)
    SELECT number FROM changed";
/// In one order on every node, so that two never wait for each other.
const KEEP: &str = "WITH given AS (
      SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[], $5::bigint[], $6::bytea[])
        AS g(kind, id, due, open, at, data)),
    kept AS (INSERT INTO records (kind, id, version, due, open, created_at, changed_at, data)
      SELECT kind, id, 1, due, open, at, at, data FROM given g
        WHERE open OR EXISTS (SELECT 1 FROM records r WHERE r.kind = g.kind AND r.id = g.id) ORDER BY kind, id
      ON CONFLICT (kind, id) DO UPDATE SET version = records.version + 1, due = EXCLUDED.due, open = EXCLUDED.open,
        changed_at = EXCLUDED.changed_at, data = EXCLUDED.data
      RETURNING number, kind, id),
    wanted AS (SELECT DISTINCT k.number, s.subject FROM kept k
      JOIN unnest($7::text[], $8::text[], $9::bigint[]) AS s(kind, id, subject) ON s.kind = k.kind AND s.id = k.id),
    gone AS (DELETE FROM record_subjects o USING kept k WHERE o.record = k.number
      AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.number = o.record AND w.subject = o.subject)),
    linked AS (INSERT INTO record_subjects (subject, record) SELECT subject, number FROM wanted ON CONFLICT DO NOTHING)
    SELECT number FROM kept";
const DROP: &str = "WITH gone AS (DELETE FROM records WHERE kind = $1 AND id = $2 AND version = $3 RETURNING number),
    unlinked AS (DELETE FROM record_subjects WHERE record IN (SELECT number FROM gone))
    SELECT number FROM gone";

impl PostgresStore {
    /// Housekeeping that says how many rows came back from what was committed.
    pub(super) fn counted(&self, sql: &str, params: Vec<Param<'static>>) -> Fut<'_, u64> {
        let told = Arc::new(AtomicU64::new(0));
        let statement = Statement::new(sql, params).telling(told.clone());
        let written = self.write(|tx| Job::Misc(statement, tx));
        Box::pin(async move {
            written.await?;
            Ok(told.load(Ordering::Relaxed))
        })
    }
}

fn params_of(r: RecordWrite) -> Vec<Param<'static>> {
    vec![
        text(r.kind),
        text(r.id),
        maybe_int(r.due.map(ms)),
        flag(r.open),
        int(ms(r.at)),
        bytes(r.data.0),
        ints(r.subjects),
    ]
}

impl Records for PostgresStore {
    fn keep_record_under(&self, r: RecordWrite, guard: RecordGuard) -> Fut<'_, Recorded> {
        let expected = r.expected;
        let mut params = params_of(r);
        params.extend([int(expected), text(guard.kind), text(guard.id), int(guard.version)]);
        let counted = self.counted(CHANGE_UNDER, params);
        Box::pin(async move { Ok(if counted.await? == 1 { Recorded::Done(expected + 1) } else { Recorded::Stale }) })
    }
    fn keep_record(&self, r: RecordWrite) -> Fut<'_, Recorded> {
        let expected = r.expected;
        let mut params = params_of(r);
        let sql = if expected == 0 {
            MAKE
        } else {
            params.push(int(expected));
            CHANGE
        };
        let counted = self.counted(sql, params);
        Box::pin(async move { Ok(if counted.await? == 1 { Recorded::Done(expected + 1) } else { Recorded::Stale }) })
    }
    fn keep_records(&self, records: Vec<RecordWrite>) -> Fut<'_, ()> {
        let about: Vec<(String, String, i64)> = records
            .iter()
            .flat_map(|r| r.subjects.iter().map(|subject| (r.kind.clone(), r.id.clone(), *subject)))
            .collect();
        let params = vec![
            own_texts(records.iter().map(|r| r.kind.clone())),
            own_texts(records.iter().map(|r| r.id.clone())),
            maybe_ints(records.iter().map(|r| r.due.map(ms))),
            flags(records.iter().map(|r| r.open)),
            ints(records.iter().map(|r| ms(r.at))),
            owned_blobs(records.into_iter().map(|r| r.data.0)),
            own_texts(about.iter().map(|a| a.0.clone())),
            own_texts(about.iter().map(|a| a.1.clone())),
            ints(about.iter().map(|a| a.2)),
        ];
        let counted = self.counted(KEEP, params);
        Box::pin(async move { counted.await.map(drop) })
    }
    fn record(&self, kind: &str, id: &str) -> Fut<'_, Option<RecordRow>> {
        let asked: Arc<(String, String)> = Arc::new((kind.to_owned(), id.to_owned()));
        self.read(move |db, sealer| {
            let asked = asked.clone();
            async move { one(&db, &sealer, &asked.0, &asked.1).await }
        })
    }
    fn records(&self, filter: RecordFilter) -> Fut<'_, Page<RecordRow>> {
        let filter = Arc::new(filter);
        self.read(move |db, sealer| {
            let filter = filter.clone();
            async move { list(&db, &sealer, &filter).await }
        })
    }
    fn drop_record(&self, kind: &str, id: &str, version: i64) -> Fut<'_, bool> {
        let counted = self.counted(DROP, vec![text(kind), text(id), int(version)]);
        Box::pin(async move { Ok(counted.await? == 1) })
    }
}

pub(super) async fn one(db: &Client, sealer: &Sealer, kind: &str, id: &str) -> Read<Option<RecordRow>> {
    let sql = format!("SELECT {COLUMNS} FROM records r WHERE r.kind = $1 AND r.id = $2");
    rows(db, sql, vec![text(kind), text(id)]).await?.first().map(|r| opened(r, sealer)).transpose()
}

pub(super) async fn list(db: &Client, sealer: &Sealer, filter: &RecordFilter) -> Read<Page<RecordRow>> {
    let below = filter.before.unwrap_or(i64::MAX);
    let (bound, which) = match filter.order {
        RecordOrder::Newest => (below, "records r WHERE r.kind = $1 AND r.number < $2 ORDER BY r.number DESC"),
        RecordOrder::Open => (below, "records r WHERE r.open AND r.kind = $1 AND r.number < $2 ORDER BY r.number DESC"),
        RecordOrder::About(_) => (
            below,
            "record_subjects s JOIN records r ON r.number = s.record
             WHERE r.kind = $1 AND s.record < $2 AND s.subject = $4 ORDER BY s.record DESC",
        ),
        RecordOrder::Due(at) => (
            ms(at),
            "records r WHERE r.open AND r.due IS NOT NULL AND r.kind = $1 AND r.due <= $2 ORDER BY r.due, r.number",
        ),
        RecordOrder::Closed(at, _) => (
            ms(at),
            "records r WHERE NOT r.open AND r.kind = $1 AND r.changed_at < $2 AND (r.changed_at, r.number) > ($4, $5)
             ORDER BY r.changed_at, r.number",
        ),
    };
    let mut params = vec![text(filter.kind.as_str()), int(bound), int(i64::from(filter.limit) + 1)];
    match filter.order {
        RecordOrder::About(subject) => params.push(int(subject)),
        RecordOrder::Closed(_, after) => {
            let (at, number) = after.map_or((i64::MIN, i64::MIN), |(at, number)| (ms(at), number));
            params.extend([int(at), int(number)]);
        }
        RecordOrder::Newest | RecordOrder::Open | RecordOrder::Due(_) => {}
    }
    let found = rows(db, format!("SELECT {COLUMNS} FROM {which} LIMIT $3"), params).await?;
    let opened = found.iter().map(|r| opened(r, sealer)).collect::<Read<Vec<_>>>()?;
    Ok(record_page(opened, filter))
}

fn opened(r: &Row, sealer: &Sealer) -> Read<RecordRow> {
    Ok(RecordRow {
        number: get(r, 0)?,
        kind: get(r, 1)?,
        id: get(r, 2)?,
        version: get(r, 3)?,
        due: maybe_at(r, 4)?,
        open: get(r, 5)?,
        created_at: time(get(r, 6)?),
        changed_at: time(get(r, 7)?),
        data: sealer.open(&get::<Vec<u8>>(r, 8)?)?,
    })
}
