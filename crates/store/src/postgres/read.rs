//! Reads: one statement each, through any connection. Every query that can grow goes by an index and a limit.

mod effects;

use super::statement::{Param, Statement, int, ints, maybe_int, maybe_list, text, texts};
use crate::codes::{DONE, ms, run_code, run_status, time, timer_kind};
use crate::contract::{DedupKey, EffectState, Error, Page, RunStatus};
use crate::gateway::KeyTerms;
use crate::page::{PAGE_BYTES, page};
use crate::rows::{
    ApiKeyRow, AttemptRow, ConnectionRow, CursorRow, DeliveryRow, DeliveryStatus, EntityRow, EventFilter, EventRow,
    HealthRow, InboxRow, PauseKind, PauseRow, PushedFlow, RunFilter, RunRow, StandingOf, StandingRow, TimerRow,
};
use crate::seal::{SealError, Sealer};
use jiff::Timestamp;
use pasarela_domain::{DeliveryId, EffectId, EntityRef, EventId, RunId};
use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::{Client, Row};

pub(super) use effects::{
    arrived, by_reference, effect, effects, interrupted, parked, queued, queued_flows, queued_lane,
};

/// Why a read failed.
pub(super) enum ReadError {
    Database(tokio_postgres::Error),
    Seal(SealError),
}
impl From<tokio_postgres::Error> for ReadError {
    fn from(e: tokio_postgres::Error) -> Self {
        Self::Database(e)
    }
}
impl From<SealError> for ReadError {
    fn from(e: SealError) -> Self {
        Self::Seal(e)
    }
}
impl ReadError {
    pub(super) fn told(self, address: &super::link::Address) -> Error {
        match self {
            Self::Database(e) => address.classify(&e),
            Self::Seal(e) => Error::Seal(e),
        }
    }
}

pub(super) type Read<T> = Result<T, ReadError>;

pub(super) fn get<T: FromSqlOwned>(row: &Row, i: usize) -> Read<T> {
    Ok(row.try_get(i)?)
}
pub(super) fn at(row: &Row, i: usize) -> Read<Timestamp> {
    get(row, i).map(time)
}
pub(super) fn maybe_at(row: &Row, i: usize) -> Read<Option<Timestamp>> {
    Ok(get::<Option<i64>>(row, i)?.map(time))
}
/// A number that is small by its meaning.
pub(super) fn small<T: TryFrom<i64> + Default>(row: &Row, i: usize) -> Read<T> {
    Ok(T::try_from(get::<i64>(row, i)?).unwrap_or_default())
}
fn open(sealer: &Sealer, row: &Row, i: usize) -> Read<Vec<u8>> {
    let sealed: Option<&[u8]> = row.try_get(i)?;
    Ok(sealed.map(|s| sealer.open(s)).transpose()?.unwrap_or_default())
}

pub(super) async fn rows(client: &Client, sql: impl Into<String>, params: Vec<Param<'_>>) -> Read<Vec<Row>> {
    Ok(Statement::new(sql, params).run(client).await?.rows)
}

/// A page of rows with bodies, which ends before its limit when they are large.
fn page_of_bodies<T>(
    found: &[Row],
    limit: u32,
    read: impl Fn(&Row) -> Read<T>,
    size: impl Fn(&T) -> usize,
    id: impl Fn(&T) -> i64 + Copy,
) -> Read<Page<T>> {
    let (mut out, mut bytes) = (Vec::new(), 0);
    for row in found {
        if bytes > PAGE_BYTES {
            let next = out.last().map(id);
            return Ok(Page { rows: out, next });
        }
        let row = read(row)?;
        bytes += size(&row);
        out.push(row);
    }
    Ok(page(out, limit, id))
}

/// One row more than asked for, to know whether there are more.
fn one_more<'a>(limit: u32) -> Param<'a> {
    int(i64::from(limit) + 1)
}

pub(super) async fn standing(client: &Client, sealer: &Sealer, of: &StandingOf) -> Read<StandingRow> {
    // One statement: one state of the database, and one round trip.
    let sql = "WITH p AS (SELECT coalesce((SELECT person FROM person_links WHERE address = $2), $2) AS person),
           a AS (SELECT l.address FROM p JOIN person_links l USING (person) UNION SELECT $2)
         SELECT p.person, a.address, e.kind, e.entity, e.version, e.updated_at, e.rank, e.hash, e.data
         FROM p CROSS JOIN a LEFT JOIN entities e ON e.connection = $1 AND e.kind = ANY($3::text[])
           AND e.entity = lpad(to_hex(a.address), 16, '0')
         UNION ALL
         SELECT p.person, NULL, e.kind, e.entity, e.version, e.updated_at, e.rank, e.hash, e.data
         FROM p JOIN entities e ON e.connection = $1 AND e.kind = 'contact'
           AND e.entity = lpad(to_hex($4::bigint), 16, '0') || '-' || lpad(to_hex(p.person), 16, '0')";
    let params = vec![int(of.connection), int(of.address), texts(of.kinds.iter().copied()), maybe_int(of.sender)];
    let mut row = StandingRow { person: of.address, addresses: Vec::new(), rows: Vec::new() };
    for r in rows(client, sql, params).await? {
        row.person = get(&r, 0)?;
        row.addresses.extend(get::<Option<i64>>(&r, 1)?);
        if let Some(kind) = get::<Option<String>>(&r, 2)? {
            row.rows.push(EntityRow {
                entity: EntityRef::new(kind, get::<String>(&r, 3)?),
                version: get(&r, 4)?,
                updated_at: maybe_at(&r, 5)?,
                rank: small(&r, 6)?,
                hash: get(&r, 7)?,
                data: open(sealer, &r, 8)?,
            });
        }
    }
    row.addresses.sort_unstable();
    row.addresses.dedup();
    Ok(row)
}

/// Overdue messages that were deferred, oldest first.
pub(super) async fn overdue(client: &Client, until: Timestamp, limit: u32) -> Read<Vec<(EffectId, i64, Timestamp)>> {
    let sql = "SELECT id, connection, not_before FROM effects WHERE status = 4 AND not_before <= $1
               ORDER BY not_before LIMIT $2";
    let found = rows(client, sql, vec![int(ms(until)), int(i64::from(limit))]).await?;
    found.iter().map(|r| Ok((EffectId::from_raw(get(r, 0)?), get(r, 1)?, time(get(r, 2)?)))).collect()
}

pub(super) async fn lookup(
    client: &Client,
    sealer: &Sealer,
    keys: &[DedupKey],
    entities: &[(i64, EntityRef)],
) -> Read<(Vec<bool>, Vec<Option<EntityRow>>)> {
    let mut known = vec![false; keys.len()];
    let mut found: Vec<Option<EntityRow>> = vec![None; entities.len()];
    let keys_sql = "SELECT k.n FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[])
           WITH ORDINALITY AS k (entity, discriminator, connection, kind, n)
         JOIN dedup d USING (entity, discriminator, connection, kind)";
    let keys_params = vec![
        ints(keys.iter().map(|k| k.entity)),
        ints(keys.iter().map(|k| k.discriminator)),
        ints(keys.iter().map(|k| k.connection)),
        texts(keys.iter().map(|k| k.kind.as_str())),
    ];
    let entities_sql = "SELECT k.n, e.version, e.updated_at, e.rank, e.hash, e.data
         FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY AS k (connection, kind, entity, n)
         JOIN entities e USING (connection, kind, entity)";
    let entities_params = vec![
        ints(entities.iter().map(|e| e.0)),
        texts(entities.iter().map(|e| &*e.1.kind)),
        texts(entities.iter().map(|e| &*e.1.id)),
    ];
    let (of_keys, of_entities) = futures_util::future::join(
        async { if keys.is_empty() { Ok(Vec::new()) } else { rows(client, keys_sql, keys_params).await } },
        async { if entities.is_empty() { Ok(Vec::new()) } else { rows(client, entities_sql, entities_params).await } },
    )
    .await;
    let place = |row: &Row| -> Read<usize> { Ok(small::<usize>(row, 0)?.saturating_sub(1)) };
    for row in of_keys? {
        if let Some(slot) = known.get_mut(place(&row)?) {
            *slot = true;
        }
    }
    for row in of_entities? {
        let n = place(&row)?;
        if let (Some(slot), Some((_, entity))) = (found.get_mut(n), entities.get(n)) {
            *slot = Some(EntityRow {
                entity: entity.clone(),
                version: get(&row, 1)?,
                updated_at: maybe_at(&row, 2)?,
                rank: small(&row, 3)?,
                hash: get(&row, 4)?,
                data: open(sealer, &row, 5)?,
            });
        }
    }
    Ok((known, found))
}

pub(super) async fn entity_ids(
    client: &Client,
    connection: i64,
    kind: &str,
    after: &str,
    limit: u32,
) -> Read<Vec<String>> {
    let sql =
        "SELECT entity FROM entities WHERE connection = $1 AND kind = $2 AND entity > $3 ORDER BY entity LIMIT $4";
    let found = rows(client, sql, vec![int(connection), text(kind), text(after), int(limit)]).await?;
    found.iter().map(|r| get(r, 0)).collect()
}

pub(super) async fn listeners(client: &Client, key: i64, event_type: &str) -> Read<Vec<crate::rows::ListenerRow>> {
    let sql = "SELECT run FROM run_waits WHERE key = $1 AND type = $2 ORDER BY run";
    let found = rows(client, sql, vec![int(key), text(event_type)]).await?;
    found.iter().map(|r| Ok(crate::rows::ListenerRow { run: RunId::from_raw(get(r, 0)?) })).collect()
}

/// Pending deliveries above `after` but those that are `known`; `of`: of these connections only. With
/// several nodes their ids are in no order, and their places are.
pub(super) async fn inbox(
    client: &Client,
    sealer: &Sealer,
    after: i64,
    known: Option<&[i64]>,
    of: Option<&[i64]>,
    limit: u32,
) -> Read<Page<InboxRow>> {
    let order = if known.is_some() { "place" } else { "delivery" };
    // The server sends all rows of an answer: what would not fit into a page is not asked for.
    let sql = format!(
        "SELECT id, connection, source, received_at, packed, tries FROM (
         SELECT d.id, d.connection, d.source, d.received_at, d.packed, i.tries, i.{order} AS n,
           coalesce(sum(octet_length(d.packed)) OVER (ORDER BY i.{order} ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING), 0)
             AS before
         FROM (SELECT * FROM inbox WHERE delivery > $1 AND ($4::bigint[] IS NULL OR connection = ANY($4))
           AND NOT delivery = ANY($5) ORDER BY {order} LIMIT $2) i
         JOIN deliveries d ON d.id = i.delivery) p WHERE before <= $3 ORDER BY n"
    );
    let params = vec![
        int(after),
        one_more(limit),
        int(PAGE_BYTES as i64),
        maybe_list(of.map(<[i64]>::to_vec)),
        ints(known.unwrap_or_default().iter().copied()),
    ];
    let found = rows(client, sql, params).await?;
    page_of_bodies(
        &found,
        limit,
        |r| {
            Ok(InboxRow {
                id: DeliveryId::from_raw(get(r, 0)?),
                connection: get(r, 1)?,
                source: get(r, 2)?,
                received_at: at(r, 3)?,
                packed: open(sealer, r, 4)?,
                tries: small(r, 5)?,
            })
        },
        |r| r.packed.len(),
        |r| r.id.get(),
    )
}

/// `of`: of these connections only, each by its own part of the index.
pub(super) async fn timers(client: &Client, until: Timestamp, of: Option<&[i64]>, limit: u32) -> Read<Vec<TimerRow>> {
    let found = match of {
        None => {
            let sql = "SELECT due, id, kind, target, path FROM timers WHERE due <= $1 ORDER BY due, id LIMIT $2";
            rows(client, sql, vec![int(ms(until)), int(limit)]).await?
        }
        Some(of) => {
            let sql = "SELECT t.due, t.id, t.kind, t.target, t.path FROM unnest($3::bigint[]) c, LATERAL (
                 SELECT due, id, kind, target, path FROM timers WHERE connection = c AND due <= $1 ORDER BY due, id LIMIT $2) t
               ORDER BY 1, 2 LIMIT $2";
            rows(client, sql, vec![int(ms(until)), int(limit), ints(of.iter().copied())]).await?
        }
    };
    (found.iter())
        .map(|r| {
            Ok(TimerRow {
                due: at(r, 0)?,
                id: get(r, 1)?,
                kind: timer_kind(get(r, 2)?),
                target: get(r, 3)?,
                path: get(r, 4)?,
            })
        })
        .collect()
}

pub(super) async fn next_timer(client: &Client, of: Option<&[i64]>) -> Read<Option<Timestamp>> {
    let found = match of {
        None => rows(client, "SELECT due FROM timers ORDER BY due LIMIT 1", vec![]).await?,
        Some(of) => {
            let sql = "SELECT t.due FROM unnest($1::bigint[]) c, LATERAL (
                 SELECT due FROM timers WHERE connection = c ORDER BY due LIMIT 1) t ORDER BY 1 LIMIT 1";
            rows(client, sql, vec![ints(of.iter().copied())]).await?
        }
    };
    found.first().map(|r| at(r, 0)).transpose()
}

/// Highest places given.
pub(super) async fn places(client: &Client, connections: &[i64]) -> Read<Vec<(i64, i64)>> {
    let sql = "SELECT c, coalesce(p.last, 0) FROM unnest($1::bigint[]) c LEFT JOIN places p ON p.connection = c";
    let found = rows(client, sql, vec![ints(connections.iter().copied())]).await?;
    found.iter().map(|r| Ok((get(r, 0)?, get(r, 1)?))).collect()
}

pub(super) async fn flow_id(client: &Client, name: &str, version: u32, source: &str) -> Read<Option<i64>> {
    let sql = "SELECT id FROM flows WHERE name = $1 AND version = $2 AND md5(source) = md5($3) AND source = $3";
    let found = rows(client, sql, vec![text(name), int(version), text(source)]).await?;
    found.first().map(|r| get(r, 0)).transpose()
}

pub(super) async fn flow(client: &Client, id: i64) -> Read<Option<(String, u32, String)>> {
    let found = rows(client, "SELECT name, version, source FROM flows WHERE id = $1", vec![int(id)]).await?;
    found.first().map(|r| Ok((get(r, 0)?, small(r, 1)?, get(r, 2)?))).transpose()
}

pub(super) async fn connections(client: &Client) -> Read<Vec<ConnectionRow>> {
    let found = rows(client, "SELECT id, name, provider FROM connections ORDER BY name COLLATE \"C\"", vec![]).await?;
    found.iter().map(|r| Ok(ConnectionRow { id: get(r, 0)?, name: get(r, 1)?, provider: get(r, 2)? })).collect()
}

pub(super) async fn credential(client: &Client, sealer: &Sealer, connection: i64) -> Read<Option<Vec<u8>>> {
    let sql = "SELECT secret FROM credentials WHERE connection = $1";
    rows(client, sql, vec![int(connection)]).await?.first().map(|r| open(sealer, r, 0)).transpose()
}

pub(super) async fn cursor(client: &Client, sealer: &Sealer, connection: i64, task: &str) -> Read<Option<CursorRow>> {
    let sql = "SELECT cursor, at, read FROM cursors WHERE connection = $1 AND task = $2";
    let found = rows(client, sql, vec![int(connection), text(task)]).await?;
    let row = |r: &Row| Ok(CursorRow { cursor: open(sealer, r, 0)?, at: at(r, 1)?, read: small(r, 2)? });
    found.first().map(row).transpose()
}

/// What has no result and is not pending is decided.
const DELIVERY: &str = "SELECT d.id, d.connection, d.source, d.received_at,
    coalesce(r.status, (NOT EXISTS (SELECT 1 FROM inbox p WHERE p.delivery = d.id))::int::bigint), r.reason";

fn delivery_row(r: &Row, sealer: &Sealer, packed: Vec<u8>) -> Read<DeliveryRow> {
    let reason = get::<Option<Vec<u8>>>(r, 5)?.map(|s| sealer.open(&s)).transpose()?;
    Ok(DeliveryRow {
        id: DeliveryId::from_raw(get(r, 0)?),
        connection: get(r, 1)?,
        source: get(r, 2)?,
        received_at: at(r, 3)?,
        status: DeliveryStatus::from_code(get(r, 4)?),
        reason: reason.map(|r| String::from_utf8_lossy(&r).into_owned()),
        packed,
    })
}

pub(super) async fn delivery(client: &Client, sealer: &Sealer, id: DeliveryId) -> Read<Option<DeliveryRow>> {
    let sql = format!(
        "{DELIVERY}, d.packed FROM deliveries d LEFT JOIN delivery_result r ON r.delivery = d.id WHERE d.id = $1"
    );
    let found = rows(client, sql, vec![int(id.get())]).await?;
    found.first().map(|r| delivery_row(r, sealer, open(sealer, r, 6)?)).transpose()
}

pub(super) async fn deliveries(
    client: &Client,
    sealer: &Sealer,
    status: Option<DeliveryStatus>,
    before: Option<i64>,
    limit: u32,
) -> Read<Page<DeliveryRow>> {
    let results = "FROM delivery_result r JOIN deliveries d ON d.id = r.delivery";
    let (from, filter, id) = match status {
        Some(DeliveryStatus::Received) => (
            "FROM inbox i JOIN deliveries d ON d.id = i.delivery LEFT JOIN delivery_result r ON r.delivery = d.id",
            "true".to_owned(),
            "i.delivery",
        ),
        // These name the condition of a partial index, so that it is used.
        Some(DeliveryStatus::Quarantined) => (results, "r.status = 4".to_owned(), "r.delivery"),
        Some(DeliveryStatus::Proposed) => (results, "r.status = 6".to_owned(), "r.delivery"),
        // Nearly all of the history: it is walked by id.
        Some(DeliveryStatus::Decided) => (
            "FROM deliveries d LEFT JOIN delivery_result r ON r.delivery = d.id LEFT JOIN inbox i ON i.delivery = d.id",
            "(r.status = 1 OR (r.delivery IS NULL AND i.delivery IS NULL))".to_owned(),
            "d.id",
        ),
        Some(other) => (results, format!("r.status = {}", other as u8), "r.delivery"),
        None => ("FROM deliveries d LEFT JOIN delivery_result r ON r.delivery = d.id", "true".to_owned(), "d.id"),
    };
    let sql = format!("{DELIVERY} {from} WHERE {filter} AND {id} < $1 ORDER BY {id} DESC LIMIT $2");
    let found = rows(client, sql, vec![int(before.unwrap_or(i64::MAX)), one_more(limit)]).await?;
    let list = found.iter().map(|r| delivery_row(r, sealer, Vec::new())).collect::<Read<_>>()?;
    Ok(page(list, limit, |d: &DeliveryRow| d.id.get()))
}

/// By a link of their own, or by an event of theirs.
pub(super) async fn naming(client: &Client, subject: i64, after: i64, limit: u32) -> Read<Page<DeliveryId>> {
    let sql = "SELECT delivery FROM delivery_subject WHERE subject = $1 AND delivery > $2
         UNION SELECT e.delivery FROM event_subject s JOIN events e ON e.id = s.event
           WHERE s.subject = $1 AND e.delivery > $2
         ORDER BY 1 LIMIT $3";
    let found = rows(client, sql, vec![int(subject), int(after), one_more(limit)]).await?;
    let ids = found.iter().map(|r| get(r, 0).map(DeliveryId::from_raw)).collect::<Read<_>>()?;
    Ok(page(ids, limit, |id: &DeliveryId| id.get()))
}

const EVENT: &str = "SELECT id, type, connection, occurred_at, received_at, delivery, body FROM events ";

fn event_row(r: &Row, sealer: &Sealer) -> Read<EventRow> {
    Ok(EventRow {
        id: EventId::from_raw(get(r, 0)?),
        event_type: get(r, 1)?,
        connection: get(r, 2)?,
        occurred_at: at(r, 3)?,
        received_at: at(r, 4)?,
        delivery: DeliveryId::from_raw(get(r, 5)?),
        body: open(sealer, r, 6)?,
    })
}

pub(super) async fn event(client: &Client, sealer: &Sealer, id: EventId) -> Read<Option<EventRow>> {
    let found = rows(client, format!("{EVENT} WHERE id = $1"), vec![int(id.get())]).await?;
    found.first().map(|r| event_row(r, sealer)).transpose()
}

pub(super) async fn events_of(client: &Client, delivery: DeliveryId) -> Read<Vec<EventId>> {
    let found =
        rows(client, "SELECT id FROM events WHERE delivery = $1 ORDER BY id", vec![int(delivery.get())]).await?;
    found.iter().map(|r| get(r, 0).map(EventId::from_raw)).collect()
}

/// A query that grows with its filter.
struct Query<'a> {
    sql: String,
    params: Vec<Param<'a>>,
}

impl<'a> Query<'a> {
    fn new(sql: String, params: Vec<Param<'a>>) -> Self {
        Self { sql, params }
    }
    /// Adds `words`, a `?` in which stands for the parameter.
    fn add(&mut self, words: &str, param: Param<'a>) {
        self.params.push(param);
        self.sql.push_str(&words.replace('?', &format!("${}", self.params.len())));
    }
    pub(super) async fn rows(self, client: &Client) -> Read<Vec<Row>> {
        rows(client, self.sql, self.params).await
    }
}

pub(super) async fn events(client: &Client, sealer: &Sealer, f: &EventFilter) -> Read<Page<EventRow>> {
    let bounds = vec![int(f.below.unwrap_or(i64::MAX)), int(f.above.unwrap_or(-1))];
    let mut query = Query::new(format!("{EVENT} WHERE id < $1 AND id > $2"), bounds);
    if let Some(t) = &f.event_type {
        query.add(" AND type = ?", text(t.as_str()));
    }
    if let Some(k) = f.key {
        query.add(" AND key = ?", int(k));
    }
    if let Some(c) = f.connection {
        query.add(" AND connection = ?", int(c));
    }
    let order = if f.ascending { "ASC" } else { "DESC" };
    query.add(&format!(" ORDER BY id {order} LIMIT ?"), one_more(f.limit));
    // As in the inbox: the rows behind a full page stay with the server.
    let bounded = format!(
        "SELECT id, type, connection, occurred_at, received_at, delivery, body FROM (SELECT q.*,
           coalesce(sum(octet_length(body)) OVER (ORDER BY id {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING), 0) AS before
         FROM ({}) q) p WHERE before <= {PAGE_BYTES} ORDER BY id {order}",
        query.sql
    );
    let found = Query::new(bounded, query.params).rows(client).await?;
    page_of_bodies(&found, f.limit, |r| event_row(r, sealer), |e| e.body.len(), |e| e.id.get())
}

pub(super) async fn events_about(
    client: &Client,
    sealer: &Sealer,
    subject: i64,
    before: Option<i64>,
    limit: u32,
) -> Read<Page<EventRow>> {
    // As in the list of events: the rows behind a full page stay with the server.
    let sql = format!(
        "SELECT id, type, connection, occurred_at, received_at, delivery, body FROM (SELECT q.*,
           coalesce(sum(octet_length(body)) OVER (ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING), 0) AS before
         FROM (SELECT e.id, e.type, e.connection, e.occurred_at, e.received_at, e.delivery, e.body
           FROM event_subject s JOIN events e ON e.id = s.event
           WHERE s.subject = $1 AND s.event < $2 ORDER BY s.event DESC LIMIT $3) q) p
         WHERE before <= {PAGE_BYTES} ORDER BY id DESC"
    );
    let found = rows(client, sql, vec![int(subject), int(before.unwrap_or(i64::MAX)), one_more(limit)]).await?;
    page_of_bodies(&found, limit, |r| event_row(r, sealer), |e| e.body.len(), |e| e.id.get())
}

const RUN: &str = "SELECT id, flow, event, status, version, state, created_at, updated_at FROM runs ";

fn run_row(r: &Row, sealer: &Sealer) -> Read<RunRow> {
    Ok(RunRow {
        id: RunId::from_raw(get(r, 0)?),
        flow: get(r, 1)?,
        event: EventId::from_raw(get(r, 2)?),
        status: run_status(get(r, 3)?),
        version: get(r, 4)?,
        state: open(sealer, r, 5)?,
        created_at: at(r, 6)?,
        updated_at: at(r, 7)?,
    })
}

pub(super) async fn run(client: &Client, sealer: &Sealer, id: RunId) -> Read<Option<RunRow>> {
    let found = rows(client, format!("{RUN} WHERE id = $1"), vec![int(id.get())]).await?;
    found.first().map(|r| run_row(r, sealer)).transpose()
}

pub(super) async fn runs(client: &Client, sealer: &Sealer, f: &RunFilter) -> Read<Page<RunRow>> {
    let mut query = Query::new(format!("{RUN} WHERE id < $1"), vec![int(f.below.unwrap_or(i64::MAX))]);
    if let Some(status) = f.status {
        let live = matches!(status, RunStatus::Running | RunStatus::Blocked | RunStatus::Settling);
        // The live index is partial: name its condition, so that it is used.
        let words = if live { " AND status < 10 AND status = ?" } else { " AND status = ?" };
        query.add(words, int(run_code(status)));
    }
    if let Some(event) = f.event {
        query.add(" AND event = ?", int(event.get()));
    }
    query.add(" ORDER BY id DESC LIMIT ?", one_more(f.limit));
    let found = query.rows(client).await?;
    let list = found.iter().map(|r| run_row(r, sealer)).collect::<Read<_>>()?;
    Ok(page(list, f.limit, |r: &RunRow| r.id.get()))
}

/// Which of the newest runs are of these flows is asked before their state is read.
pub(super) async fn runs_of(
    client: &Client,
    sealer: &Sealer,
    flows: Vec<i64>,
    within: u32,
    limit: u32,
) -> Read<Vec<RunRow>> {
    let sql = format!(
        "{RUN} WHERE id IN (SELECT id FROM (SELECT id, flow FROM runs ORDER BY id DESC LIMIT $2) newest
           WHERE flow = ANY($1) ORDER BY id DESC LIMIT $3) ORDER BY id DESC"
    );
    let found = rows(client, sql, vec![ints(flows), int(within), int(limit)]).await?;
    found.iter().map(|r| run_row(r, sealer)).collect()
}

/// Goes over the hot partial indexes only, and of each no further than `most`.
pub(super) async fn open_steps(
    client: &Client,
    flow: i64,
    connections: Vec<i64>,
    most: u32,
) -> Read<Vec<(String, EffectState, u64)>> {
    let sql = "SELECT path, status, count(*) FROM (
           (SELECT path, status FROM effects WHERE status = 0 AND connection = ANY($2) AND urgency IN (0, 1, 2)
             AND flow = $1 LIMIT $3)
           UNION ALL (SELECT path, status FROM effects WHERE status = 1 AND flow = $1 LIMIT $3)
           UNION ALL SELECT path, status FROM (SELECT path, status, flow FROM effects
             WHERE status IN (3, 30, 31) LIMIT $3) held WHERE flow = $1) open
         GROUP BY path, status";
    let found = rows(client, sql, vec![int(flow), ints(connections), int(most)]).await?;
    found.iter().map(|r| Ok((get(r, 0)?, EffectState::from_code(get(r, 1)?), small(r, 2)?))).collect()
}

/// The attempt that did an effect lies in the effect's row, behind all others.
pub(super) async fn attempts(client: &Client, sealer: &Sealer, effect: EffectId) -> Read<Vec<AttemptRow>> {
    let sql = "SELECT attempt, call, started_at, ended_at, outcome, status, detail FROM attempts WHERE effect = $1
         UNION ALL SELECT attempt, ended_call, started_at, ended_at, $2, http_status, detail FROM effects
           WHERE id = $1 AND ended_at IS NOT NULL
         ORDER BY 1, 2";
    let found = rows(client, sql, vec![int(effect.get()), text(DONE)]).await?;
    (found.iter())
        .map(|r| {
            Ok(AttemptRow {
                attempt: small(r, 0)?,
                call: small(r, 1)?,
                started_at: at(r, 2)?,
                ended_at: at(r, 3)?,
                outcome: get(r, 4)?,
                status: get::<Option<i64>>(r, 5)?.and_then(|s| u16::try_from(s).ok()),
                detail: open(sealer, r, 6)?,
            })
        })
        .collect()
}

pub(super) async fn api_keys(client: &Client) -> Read<Vec<ApiKeyRow>> {
    let sql = "SELECT id, name, hash, scopes, created_at, revoked_at, brands, expires_at, rate, used_at, old_hash,
        old_until FROM api_keys LEFT JOIN key_terms ON key = id ORDER BY created_at, id";
    let found = rows(client, sql, vec![]).await?;
    (found.iter())
        .map(|r| {
            Ok(ApiKeyRow {
                id: get(r, 0)?,
                name: get(r, 1)?,
                hash: get(r, 2)?,
                scopes: get::<String>(r, 3)?.split(',').map(str::to_owned).collect(),
                created_at: at(r, 4)?,
                revoked_at: maybe_at(r, 5)?,
                terms: KeyTerms {
                    brands: get::<Option<String>>(r, 6)?.map(|b| b.split(',').map(str::to_owned).collect()),
                    expires_at: maybe_at(r, 7)?,
                    rate: get(r, 8)?,
                    used_at: maybe_at(r, 9)?,
                    old: get::<Option<Vec<u8>>>(r, 10)?.zip(maybe_at(r, 11)?),
                },
            })
        })
        .collect()
}

pub(super) async fn pushed_flows(client: &Client) -> Read<Vec<PushedFlow>> {
    let sql = "SELECT flow, name, who, at FROM pushed_flows ORDER BY name COLLATE \"C\"";
    let found = rows(client, sql, vec![]).await?;
    let row = |r: &Row| Ok(PushedFlow { flow: get(r, 0)?, name: get(r, 1)?, by: get(r, 2)?, at: at(r, 3)? });
    found.iter().map(row).collect()
}

pub(super) async fn live_runs(client: &Client) -> Read<Vec<(i64, u64)>> {
    let found = rows(client, "SELECT flow, count(*) FROM runs WHERE status < 10 GROUP BY flow", vec![]).await?;
    found.iter().map(|r| Ok((get(r, 0)?, small(r, 1)?))).collect()
}

pub(super) async fn pauses(client: &Client, sealer: &Sealer) -> Read<Vec<PauseRow>> {
    let sql = "SELECT kind, name, reason, who, since FROM pauses ORDER BY kind, name COLLATE \"C\"";
    let found = rows(client, sql, vec![]).await?;
    let row = |r: &Row| -> Read<PauseRow> {
        let reason = get::<Option<Vec<u8>>>(r, 2)?.map(|sealed| sealer.open(&sealed)).transpose()?;
        Ok(PauseRow {
            kind: PauseKind::from_name(&get::<String>(r, 0)?),
            name: get(r, 1)?,
            reason: reason.map(|text| String::from_utf8_lossy(&text).into_owned()),
            by: get(r, 3)?,
            since: at(r, 4)?,
        })
    };
    found.iter().map(row).collect()
}

/// Is a queued effect one that a person has paused?
const PAUSED: &str = "(EXISTS (SELECT 1 FROM pauses p WHERE p.kind = 'class' AND p.name = e.class)
    OR EXISTS (SELECT 1 FROM pauses p JOIN connections c ON c.name = p.name WHERE p.kind = 'connection' AND c.id = e.connection)
    OR EXISTS (SELECT 1 FROM runs r JOIN flows f ON f.id = r.flow JOIN pauses p ON p.name = f.name
        WHERE p.kind = 'flow' AND r.id = e.run))";

/// Counts go over hot partial indexes only: their size follows the backlog, not the history. The disk is
/// the server's business, which does not tell: it is counted as having room.
pub(super) async fn health(client: &Client, now: Timestamp, besides: &[i64]) -> Read<HealthRow> {
    // Each effect is asked whether it is paused only while anything is.
    let any = rows(client, "SELECT EXISTS (SELECT 1 FROM pauses)", vec![]).await?;
    let (paused, mut but) = if any.first().map_or(Ok(false), |r| get(r, 0))? {
        (format!("(SELECT count(*) FROM effects e WHERE e.status = 0 AND {PAUSED})"), format!(" AND NOT {PAUSED}"))
    } else {
        ("0::bigint".to_owned(), String::new())
    };
    but.push_str(&crate::codes::not_of(besides));
    // What is due is two seeks: of what may go at once the oldest, and of what had to wait what was due first.
    // (The first is ordered by the whole index: the server does not know that the column which is null is one.)
    let sql = format!(
        "SELECT
         (SELECT d.received_at FROM inbox i JOIN deliveries d ON d.id = i.delivery ORDER BY i.delivery LIMIT 1),
         (SELECT count(*) FROM inbox),
         least((SELECT e.created_at FROM effects e WHERE e.status = 0 AND e.not_before IS NULL{but}
             ORDER BY e.not_before, e.created_at LIMIT 1),
           (SELECT e.not_before FROM effects e WHERE e.status = 0 AND e.not_before <= $1{but}
             ORDER BY e.not_before LIMIT 1)),
         (SELECT count(*) FROM effects WHERE status = 0),
         (SELECT count(*) FROM effects WHERE status = 1),
         (SELECT count(*) FROM effects WHERE status = 30 AND status IN (3, 30, 31)),
         (SELECT count(*) FROM effects WHERE status = 31 AND status IN (3, 30, 31)),
         (SELECT count(*) FROM delivery_result WHERE status = 4),
         (SELECT count(*) FROM delivery_result WHERE status = 6), {paused},
         (SELECT coalesce(sum(bytes), 0)::bigint FROM inbox)"
    );
    let found = rows(client, sql, vec![int(ms(now))]).await?;
    let Some(r) = found.first() else { return Ok(HealthRow::default()) };
    Ok(HealthRow {
        oldest_inbox: maybe_at(r, 0)?,
        inbox: small(r, 1)?,
        oldest_due: maybe_at(r, 2)?,
        queued: small(r, 3)?,
        calling: small(r, 4)?,
        dead: small(r, 5)?,
        unknown: small(r, 6)?,
        quarantined: small(r, 7)?,
        proposed: small(r, 8)?,
        paused: small(r, 9)?,
        inbox_bytes: small(r, 10)?,
        disk_free: u64::MAX,
    })
}

/// Highest id of a delivery or a timer. The number of timers follows the backlog.
pub(super) async fn highest_id(client: &Client) -> Result<i64, tokio_postgres::Error> {
    let sql = "SELECT greatest((SELECT max(id) FROM deliveries), (SELECT max(id) FROM timers), 0)";
    let ran = Statement::new(sql, vec![]).run(client).await?;
    ran.rows.first().map_or(Ok(0), |r| r.try_get(0))
}

/// Reads every row once, so that a damaged block shows as the server's error, and looks for accepted
/// deliveries without their bytes. A sentence for people when something is wrong.
pub(super) async fn integrity(client: &Client) -> Read<Option<String>> {
    for table in [
        "deliveries",
        "delivery_result",
        "dedup",
        "events",
        "event_subject",
        "delivery_subject",
        "entities",
        "runs",
        "run_waits",
        "effects",
        "attempts",
        "timers",
    ] {
        // The length of the row as text: every column has to be fetched, those that lie beside the table too.
        rows(client, format!("SELECT sum(length(t::text)) FROM {table} t"), vec![]).await?;
    }
    let lost = "SELECT count(*) FROM inbox i LEFT JOIN deliveries d ON d.id = i.delivery WHERE d.id IS NULL";
    let lost: i64 = rows(client, lost, vec![]).await?.first().map_or(Ok(0), |r| get(r, 0))?;
    Ok((lost > 0).then(|| format!("{lost} accepted deliveries have lost their bytes")))
}
