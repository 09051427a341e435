//! Reads. Every query that can grow goes by an index and a limit.

use super::ReadError;
use crate::codes::{DONE, ms, run_code, run_status, time, timer_kind};
use crate::contract::{DedupKey, EffectState, Page, RunStatus};
use crate::gateway::KeyTerms;
use crate::page::{PAGE_BYTES, page};
use crate::rows::{
    ApiKeyRow, AttemptRow, CONTACT, ConnectionRow, CursorRow, DeliveryRow, DeliveryStatus, EffectFilter, EffectRow,
    EntityRow, EventFilter, EventRow, HealthRow, InboxRow, ListenerRow, PauseKind, PauseRow, PushedFlow, QueuedRow,
    RunFilter, RunRow, StandingOf, StandingRow, TimerRow, contact_name, hash_name,
};
use crate::seal::Sealer;
use jiff::Timestamp;
use pasarela_domain::{DeliveryId, EffectId, EntityRef, EventId, RunId};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use std::path::Path;

pub(super) type Read<T> = Result<T, ReadError>;

pub(super) fn at(row: &Row<'_>, i: usize) -> rusqlite::Result<Timestamp> {
    row.get(i).map(time)
}

fn maybe_at(row: &Row<'_>, i: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(i)?.map(time))
}

fn open(sealer: &Sealer, sealed: Option<Vec<u8>>) -> Read<Vec<u8>> {
    Ok(sealed.map(|s| sealer.open(&s)).transpose()?.unwrap_or_default())
}

pub(super) fn lookup(
    db: &Connection,
    sealer: &Sealer,
    keys: &[DedupKey],
    entities: &[(i64, EntityRef)],
) -> Read<(Vec<bool>, Vec<Option<EntityRow>>)> {
    let mut known = Vec::with_capacity(keys.len());
    for key in keys {
        known.push(
            db.prepare_cached(
                "SELECT 1 FROM dedup WHERE entity = ?1 AND discriminator = ?2 AND connection = ?3 AND kind = ?4",
            )?
            .exists(params![key.entity, key.discriminator, key.connection, key.kind])?,
        );
    }
    let mut rows = Vec::with_capacity(entities.len());
    for (connection, entity) in entities {
        let row = db
            .prepare_cached(
                "SELECT version, updated_at, rank, hash, data FROM entities WHERE connection = ?1 AND kind = ?2 AND entity = ?3",
            )?
            .query_row(params![connection, entity.kind, entity.id], |r| {
                Ok((r.get(0)?, maybe_at(r, 1)?, r.get(2)?, r.get(3)?, r.get::<_, Vec<u8>>(4)?))
            })
            .optional()?;
        rows.push(match row {
            None => None,
            Some((version, updated_at, rank, hash, data)) => {
                Some(EntityRow { entity: entity.clone(), version, updated_at, rank, hash, data: sealer.open(&data)? })
            }
        });
    }
    Ok((known, rows))
}

pub(super) fn standing(db: &Connection, sealer: &Sealer, of: &StandingOf) -> Read<StandingRow> {
    // One transaction, so that addresses and what lies under them are of one state.
    let tx = db.unchecked_transaction()?;
    let person: Option<i64> = tx
        .prepare_cached("SELECT person FROM person_links WHERE address = ?1")?
        .query_row([of.address], |r| r.get(0))
        .optional()?;
    let mut addresses = vec![of.address];
    if let Some(person) = person {
        let mut linked = tx.prepare_cached("SELECT address FROM person_links WHERE person = ?1 ORDER BY address")?;
        addresses = linked.query_map([person], |r| r.get(0))?.collect::<Result<_, _>>()?;
    }
    let person = person.unwrap_or(of.address);
    let wanted = addresses.iter().flat_map(|a| of.kinds.iter().map(|kind| EntityRef::new(*kind, hash_name(*a))));
    let contact = of.sender.map(|sender| EntityRef::new(CONTACT, contact_name(sender, person)));
    let entities: Vec<_> = wanted.chain(contact).map(|entity| (of.connection, entity)).collect();
    let (_, rows) = lookup(&tx, sealer, &[], &entities)?;
    Ok(StandingRow { person, addresses, rows: rows.into_iter().flatten().collect() })
}

/// Overdue messages that were deferred, oldest first.
pub(super) fn overdue(db: &Connection, until: Timestamp, limit: u32) -> Read<Vec<(EffectId, i64, Timestamp)>> {
    let mut statement = db.prepare_cached(
        "SELECT id, connection, not_before FROM effects INDEXED BY effects_deferred
         WHERE status = 4 AND not_before <= ?1 ORDER BY not_before LIMIT ?2",
    )?;
    let rows = statement
        .query_map([ms(until), i64::from(limit)], |r| Ok((EffectId::from_raw(r.get(0)?), r.get(1)?, at(r, 2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn entity_ids(db: &Connection, connection: i64, kind: &str, after: &str, limit: u32) -> Read<Vec<String>> {
    let mut statement = db.prepare_cached(
        "SELECT entity FROM entities WHERE connection = ?1 AND kind = ?2 AND entity > ?3 ORDER BY entity LIMIT ?4",
    )?;
    let rows = statement.query_map(params![connection, kind, after, limit], |r| r.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn listeners(db: &Connection, key: i64, event_type: &str) -> Read<Vec<ListenerRow>> {
    let mut statement = db.prepare_cached("SELECT run FROM run_waits WHERE key = ?1 AND type = ?2 ORDER BY run")?;
    let rows =
        statement.query_map(params![key, event_type], |r| Ok(ListenerRow { run: RunId::from_raw(r.get(0)?) }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn inbox(db: &Connection, sealer: &Sealer, after: i64, limit: u32) -> Read<Page<InboxRow>> {
    let mut statement = db.prepare_cached(
        "SELECT d.id, d.connection, d.source, d.received_at, d.packed, i.tries
         FROM inbox i JOIN deliveries d ON d.id = i.delivery WHERE i.delivery > ?1 ORDER BY i.delivery LIMIT ?2",
    )?;
    let mut rows = statement.query(params![after, i64::from(limit) + 1])?;
    let (mut out, mut bytes) = (Vec::new(), 0);
    while let Some(r) = rows.next()? {
        if bytes > PAGE_BYTES {
            let next = out.last().map(|l: &InboxRow| l.id.get());
            return Ok(Page { rows: out, next });
        }
        let row = InboxRow {
            id: DeliveryId::from_raw(r.get(0)?),
            connection: r.get(1)?,
            source: r.get(2)?,
            received_at: at(r, 3)?,
            packed: open(sealer, r.get(4)?)?,
            tries: r.get(5)?,
        };
        bytes += row.packed.len();
        out.push(row);
    }
    Ok(page(out, limit, |r| r.id.get()))
}

const EFFECT: &str =
    "SELECT id, run, path, connection, action, lane, seq, urgency, class, status, not_before, attempt, generation,
    started_at, repeat, created_at, give_up_at, resend_unknown, park, code, input, call, outcome, flow, purpose, expires_at FROM effects ";
/// The same columns without the sealed bodies of input and call.
const EFFECT_BRIEF: &str =
    "SELECT id, run, path, connection, action, lane, seq, urgency, class, status, not_before, attempt, generation,
    started_at, repeat, created_at, give_up_at, resend_unknown, park, code, NULL, NULL, outcome, flow, purpose, expires_at FROM effects ";

fn effect_row(r: &Row<'_>, sealer: &Sealer) -> Read<EffectRow> {
    Ok(EffectRow {
        id: EffectId::from_raw(r.get(0)?),
        run: r.get::<_, Option<i64>>(1)?.map(RunId::from_raw),
        path: r.get(2)?,
        connection: r.get(3)?,
        action: r.get(4)?,
        lane: r.get(5)?,
        seq: r.get(6)?,
        urgency: r.get(7)?,
        class: r.get(8)?,
        state: EffectState::from_code(r.get(9)?),
        not_before: maybe_at(r, 10)?,
        attempt: r.get(11)?,
        generation: r.get(12)?,
        started_at: maybe_at(r, 13)?,
        repeat: r.get(14)?,
        created_at: at(r, 15)?,
        give_up_at: at(r, 16)?,
        resend_unknown: r.get(17)?,
        park: r.get(18)?,
        code: r.get(19)?,
        input: open(sealer, r.get(20)?)?,
        call: open(sealer, r.get(21)?)?,
        outcome: open(sealer, r.get(22)?)?,
        flow: r.get(23)?,
        purpose: r.get(24)?,
        expires_at: maybe_at(r, 25)?,
    })
}

fn effect_rows(db: &Connection, sealer: &Sealer, sql: &str, params: impl rusqlite::Params) -> Read<Vec<EffectRow>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut out = Vec::new();
    while let Some(r) = rows.next()? {
        out.push(effect_row(r, sealer)?);
    }
    Ok(out)
}

pub(super) fn interrupted(db: &Connection, sealer: &Sealer, boot: i64) -> Read<Vec<EffectRow>> {
    effect_rows(db, sealer, &format!("{EFFECT} WHERE status = 1 AND boot < ?1"), [boot])
}

/// One search per flow: the next flow is looked for behind the one that was found.
pub(super) fn queued_flows(db: &Connection, connection: i64, urgency: u8) -> Read<Vec<i64>> {
    let mut next = db.prepare_cached(
        "SELECT min(flow) FROM effects INDEXED BY effects_open
         WHERE status = 0 AND connection = ?1 AND urgency = ?2 AND flow > ?3",
    )?;
    let mut flows = Vec::new();
    let mut after = i64::MIN;
    while let Some(flow) = next.query_row(params![connection, urgency, after], |r| r.get::<_, Option<i64>>(0))? {
        flows.push(flow);
        after = flow;
    }
    Ok(flows)
}

const QUEUED: &str = "SELECT id, seq, flow, lane, path, action, not_before,
    NOT EXISTS (SELECT 1 FROM effects o INDEXED BY effects_lane WHERE o.status = 0 AND o.connection = e.connection
      AND o.urgency = e.urgency AND o.lane = e.lane AND o.seq < e.seq),
    NOT EXISTS (SELECT 1 FROM effects o INDEXED BY effects_lane WHERE o.status = 0 AND o.connection = e.connection
      AND o.urgency = e.urgency AND o.lane = e.lane AND o.seq > e.seq)
    FROM effects e ";

fn queued_rows(db: &Connection, sql: &str, params: impl rusqlite::Params) -> Read<Vec<QueuedRow>> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params, |r| {
        Ok(QueuedRow {
            id: EffectId::from_raw(r.get(0)?),
            seq: r.get(1)?,
            flow: r.get(2)?,
            lane: r.get(3)?,
            path: r.get(4)?,
            action: r.get(5)?,
            not_before: maybe_at(r, 6)?,
            first: r.get(7)?,
            last: r.get(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn queued(
    db: &Connection,
    connection: i64,
    urgency: u8,
    flow: i64,
    after: i64,
    limit: u32,
) -> Read<Vec<QueuedRow>> {
    queued_rows(
        db,
        &format!(
            "{QUEUED} INDEXED BY effects_open
             WHERE status = 0 AND connection = ?1 AND urgency = ?2 AND flow = ?3 AND seq > ?4 ORDER BY seq LIMIT ?5"
        ),
        params![connection, urgency, flow, after, limit],
    )
}

pub(super) fn queued_lane(
    db: &Connection,
    connection: i64,
    urgency: u8,
    lane: i64,
    after: i64,
    limit: u32,
) -> Read<Vec<QueuedRow>> {
    queued_rows(
        db,
        &format!(
            "{QUEUED} INDEXED BY effects_lane
             WHERE status = 0 AND connection = ?1 AND urgency = ?2 AND lane = ?3 AND seq > ?4 ORDER BY seq LIMIT ?5"
        ),
        params![connection, urgency, lane, after, limit],
    )
}

pub(super) fn parked(db: &Connection) -> Read<Vec<(i64, i64, u8)>> {
    let mut statement = db.prepare_cached(
        "SELECT DISTINCT connection, lane, urgency FROM effects WHERE status IN (3, 30, 31) AND (park OR status = 3)",
    )?;
    let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn timers(db: &Connection, until: Timestamp, limit: u32) -> Read<Vec<TimerRow>> {
    let mut statement =
        db.prepare_cached("SELECT due, id, kind, target, path FROM timers WHERE due <= ?1 ORDER BY due, id LIMIT ?2")?;
    let rows = statement.query_map(params![ms(until), limit], |r| {
        Ok(TimerRow { due: at(r, 0)?, id: r.get(1)?, kind: timer_kind(r.get(2)?), target: r.get(3)?, path: r.get(4)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn next_timer(db: &Connection) -> Read<Option<Timestamp>> {
    Ok(db.prepare_cached("SELECT due FROM timers ORDER BY due LIMIT 1")?.query_row([], |r| at(r, 0)).optional()?)
}

pub(super) fn by_reference(
    db: &Connection,
    sealer: &Sealer,
    connection: i64,
    reference: i64,
) -> Read<Option<EffectRow>> {
    let rows = effect_rows(
        db,
        sealer,
        &format!(
            "{EFFECT} WHERE connection = ?1 AND reference = ?2 AND reference IS NOT NULL AND status IN (2, 3, 12, 31) LIMIT 1"
        ),
        params![connection, reference],
    )?;
    Ok(rows.into_iter().next())
}

pub(super) fn connections(db: &Connection) -> Read<Vec<ConnectionRow>> {
    let mut statement = db.prepare_cached("SELECT id, name, provider FROM connections ORDER BY name")?;
    let rows =
        statement.query_map([], |r| Ok(ConnectionRow { id: r.get(0)?, name: r.get(1)?, provider: r.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn cursor(db: &Connection, sealer: &Sealer, connection: i64, task: &str) -> Read<Option<CursorRow>> {
    let row = db
        .prepare_cached("SELECT cursor, at, read FROM cursors WHERE connection = ?1 AND task = ?2")?
        .query_row(params![connection, task], |r| Ok((r.get::<_, Vec<u8>>(0)?, at(r, 1)?, r.get(2)?)))
        .optional()?;
    row.map(|(cursor, at, read)| Ok(CursorRow { cursor: sealer.open(&cursor)?, at, read })).transpose()
}

/// What has no result and is not pending is decided.
const DELIVERY: &str = "SELECT d.id, d.connection, d.source, d.received_at,
    coalesce(r.status, NOT EXISTS (SELECT 1 FROM inbox p WHERE p.delivery = d.id)), r.reason";

fn delivery_row(r: &Row<'_>, sealer: &Sealer, packed: Vec<u8>) -> Read<DeliveryRow> {
    let reason = r.get::<_, Option<Vec<u8>>>(5)?.map(|s| sealer.open(&s)).transpose()?;
    Ok(DeliveryRow {
        id: DeliveryId::from_raw(r.get(0)?),
        connection: r.get(1)?,
        source: r.get(2)?,
        received_at: at(r, 3)?,
        status: DeliveryStatus::from_code(r.get(4)?),
        reason: reason.map(|r| String::from_utf8_lossy(&r).into_owned()),
        packed,
    })
}

pub(super) fn delivery(db: &Connection, sealer: &Sealer, id: DeliveryId) -> Read<Option<DeliveryRow>> {
    let sql = format!(
        "{DELIVERY}, d.packed FROM deliveries d LEFT JOIN delivery_result r ON r.delivery = d.id WHERE d.id = ?1"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([id.get()])?;
    let Some(r) = rows.next()? else { return Ok(None) };
    let packed = sealer.open(&r.get::<_, Vec<u8>>(6)?)?;
    Ok(Some(delivery_row(r, sealer, packed)?))
}

pub(super) fn deliveries(
    db: &Connection,
    sealer: &Sealer,
    status: Option<DeliveryStatus>,
    before: Option<i64>,
    limit: u32,
) -> Read<Page<DeliveryRow>> {
    // Each status goes by the smallest index that holds it; CROSS makes it lead, else the planner walks
    // the history for what is pending.
    let (from, filter, id) = match status {
        Some(DeliveryStatus::Received) => (
            "FROM inbox i CROSS JOIN deliveries d ON d.id = i.delivery LEFT JOIN delivery_result r ON r.delivery = d.id",
            "?3 = ?3",
            "i.delivery",
        ),
        Some(DeliveryStatus::Quarantined) => (
            "FROM delivery_result r INDEXED BY delivery_quarantine CROSS JOIN deliveries d ON d.id = r.delivery",
            "r.status = 4 AND ?3 = ?3",
            "r.delivery",
        ),
        Some(DeliveryStatus::Proposed) => (
            "FROM delivery_result r INDEXED BY delivery_proposed CROSS JOIN deliveries d ON d.id = r.delivery",
            "r.status = 6 AND ?3 = ?3",
            "r.delivery",
        ),
        // Nearly all of the history: it is walked by id.
        Some(DeliveryStatus::Decided) => (
            "FROM deliveries d LEFT JOIN delivery_result r ON r.delivery = d.id LEFT JOIN inbox i ON i.delivery = d.id",
            "?3 = ?3 AND (r.status = 1 OR (r.delivery IS NULL AND i.delivery IS NULL))",
            "d.id",
        ),
        Some(_) => {
            ("FROM delivery_result r CROSS JOIN deliveries d ON d.id = r.delivery", "r.status = ?3", "r.delivery")
        }
        None => ("FROM deliveries d LEFT JOIN delivery_result r ON r.delivery = d.id", "?3 = ?3", "d.id"),
    };
    let sql = format!("{DELIVERY} {from} WHERE {filter} AND {id} < ?1 ORDER BY {id} DESC LIMIT ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows =
        statement.query(params![before.unwrap_or(i64::MAX), i64::from(limit) + 1, status.map_or(0, |s| s as u8)])?;
    let mut out = Vec::new();
    while let Some(r) = rows.next()? {
        out.push(delivery_row(r, sealer, Vec::new())?);
    }
    Ok(page(out, limit, |d| d.id.get()))
}

/// By a link of their own, or by an event of theirs.
pub(super) fn naming(db: &Connection, subject: i64, after: i64, limit: u32) -> Read<Page<DeliveryId>> {
    let mut statement = db.prepare_cached(
        "SELECT delivery FROM delivery_subject WHERE subject = ?1 AND delivery > ?2
         UNION SELECT e.delivery FROM event_subject s CROSS JOIN events e ON e.id = s.event
           WHERE s.subject = ?1 AND e.delivery > ?2
         ORDER BY 1 LIMIT ?3",
    )?;
    let rows = statement.query_map(params![subject, after, i64::from(limit) + 1], |r| r.get(0))?;
    let ids = rows.map(|id| id.map(DeliveryId::from_raw)).collect::<Result<Vec<_>, _>>()?;
    Ok(page(ids, limit, |id| id.get()))
}

const EVENT: &str = "SELECT id, type, connection, occurred_at, received_at, delivery, body FROM events ";

fn event_row(r: &Row<'_>, sealer: &Sealer) -> Read<EventRow> {
    Ok(EventRow {
        id: EventId::from_raw(r.get(0)?),
        event_type: r.get(1)?,
        connection: r.get(2)?,
        occurred_at: at(r, 3)?,
        received_at: at(r, 4)?,
        delivery: DeliveryId::from_raw(r.get(5)?),
        body: open(sealer, r.get(6)?)?,
    })
}

pub(super) fn event(db: &Connection, sealer: &Sealer, id: EventId) -> Read<Option<EventRow>> {
    let mut statement = db.prepare_cached(&format!("{EVENT} WHERE id = ?1"))?;
    let mut rows = statement.query([id.get()])?;
    rows.next()?.map(|r| event_row(r, sealer)).transpose()
}

pub(super) fn events_of(db: &Connection, delivery: DeliveryId) -> Read<Vec<EventId>> {
    let mut statement = db.prepare_cached("SELECT id FROM events WHERE delivery = ?1 ORDER BY id")?;
    let rows = statement.query_map([delivery.get()], |r| r.get(0).map(EventId::from_raw))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn events(db: &Connection, sealer: &Sealer, f: &EventFilter) -> Read<Page<EventRow>> {
    let mut sql = format!("{EVENT} WHERE id < ? AND id > ?");
    let mut values: Vec<Value> = vec![f.below.unwrap_or(i64::MAX).into(), f.above.unwrap_or(-1).into()];
    if let Some(t) = &f.event_type {
        sql.push_str(" AND type = ?");
        values.push(t.clone().into());
    }
    if let Some(k) = f.key {
        sql.push_str(" AND key = ?");
        values.push(k.into());
    }
    if let Some(c) = f.connection {
        sql.push_str(" AND connection = ?");
        values.push(c.into());
    }
    sql.push_str(if f.ascending { " ORDER BY id LIMIT ?" } else { " ORDER BY id DESC LIMIT ?" });
    values.push((i64::from(f.limit) + 1).into());
    let mut statement = db.prepare_cached(&sql)?;
    event_page(&mut statement.query(params_from_iter(values))?, sealer, f.limit)
}

fn event_page(rows: &mut rusqlite::Rows<'_>, sealer: &Sealer, limit: u32) -> Read<Page<EventRow>> {
    let (mut out, mut bytes) = (Vec::new(), 0);
    while let Some(r) = rows.next()? {
        if bytes > PAGE_BYTES {
            let next = out.last().map(|l: &EventRow| l.id.get());
            return Ok(Page { rows: out, next });
        }
        let row = event_row(r, sealer)?;
        bytes += row.body.len();
        out.push(row);
    }
    Ok(page(out, limit, |e| e.id.get()))
}

pub(super) fn events_about(
    db: &Connection,
    sealer: &Sealer,
    subject: i64,
    before: Option<i64>,
    limit: u32,
) -> Read<Page<EventRow>> {
    let mut statement = db.prepare_cached(
        "SELECT e.id, e.type, e.connection, e.occurred_at, e.received_at, e.delivery, e.body
         FROM event_subject s CROSS JOIN events e ON e.id = s.event
         WHERE s.subject = ?1 AND s.event < ?2 ORDER BY s.event DESC LIMIT ?3",
    )?;
    let mut rows = statement.query(params![subject, before.unwrap_or(i64::MAX), i64::from(limit) + 1])?;
    event_page(&mut rows, sealer, limit)
}

const RUN: &str = "SELECT id, flow, event, status, version, state, created_at, updated_at FROM runs ";

fn run_row(r: &Row<'_>, sealer: &Sealer) -> Read<RunRow> {
    Ok(RunRow {
        id: RunId::from_raw(r.get(0)?),
        flow: r.get(1)?,
        event: EventId::from_raw(r.get(2)?),
        status: run_status(r.get(3)?),
        version: r.get(4)?,
        state: open(sealer, r.get(5)?)?,
        created_at: at(r, 6)?,
        updated_at: at(r, 7)?,
    })
}

pub(super) fn run(db: &Connection, sealer: &Sealer, id: RunId) -> Read<Option<RunRow>> {
    let mut statement = db.prepare_cached(&format!("{RUN} WHERE id = ?1"))?;
    let mut rows = statement.query([id.get()])?;
    rows.next()?.map(|r| run_row(r, sealer)).transpose()
}

pub(super) fn runs(db: &Connection, sealer: &Sealer, f: &RunFilter) -> Read<Page<RunRow>> {
    let mut sql = format!("{RUN} WHERE id < ?");
    let mut values: Vec<Value> = vec![f.below.unwrap_or(i64::MAX).into()];
    if let Some(status) = f.status {
        let live = matches!(status, RunStatus::Running | RunStatus::Blocked | RunStatus::Settling);
        // The live index is partial: name its condition, so that it is used.
        sql.push_str(if live { " AND status < 10 AND status = ?" } else { " AND status = ?" });
        values.push(run_code(status).into());
    }
    if let Some(event) = f.event {
        sql.push_str(" AND event = ?");
        values.push(event.get().into());
    }
    sql.push_str(" ORDER BY id DESC LIMIT ?");
    values.push((i64::from(f.limit) + 1).into());
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut out = Vec::new();
    while let Some(r) = rows.next()? {
        out.push(run_row(r, sealer)?);
    }
    Ok(page(out, f.limit, |r| r.id.get()))
}

/// Which of the newest runs are of these flows is asked before their state is opened.
pub(super) fn runs_of(db: &Connection, sealer: &Sealer, flows: &[i64], within: u32, limit: u32) -> Read<Vec<RunRow>> {
    let flows: Vec<String> = flows.iter().map(ToString::to_string).collect();
    let sql = format!(
        "{RUN} WHERE id IN (SELECT id FROM (SELECT id, flow FROM runs ORDER BY id DESC LIMIT ?1)
           WHERE flow IN ({}) ORDER BY id DESC LIMIT ?2) ORDER BY id DESC",
        flows.join(",")
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![within, limit])?;
    let mut out = Vec::new();
    while let Some(r) = rows.next()? {
        out.push(run_row(r, sealer)?);
    }
    Ok(out)
}

/// Goes over the hot partial indexes only, and of each no further than `most`.
pub(super) fn open_steps(
    db: &Connection,
    flow: i64,
    connections: &[i64],
    most: u32,
) -> Read<Vec<(String, EffectState, u64)>> {
    let connections: Vec<String> = connections.iter().map(ToString::to_string).collect();
    let sql = format!(
        "SELECT path, status, count(*) FROM (
           SELECT * FROM (SELECT path, status FROM effects INDEXED BY effects_open
             WHERE status = 0 AND connection IN ({}) AND urgency IN (0, 1, 2) AND flow = ?1 LIMIT ?2)
           UNION ALL SELECT * FROM (SELECT path, status FROM effects INDEXED BY effects_calling
             WHERE status = 1 AND flow = ?1 LIMIT ?2)
           UNION ALL SELECT path, status FROM (SELECT path, status, flow FROM effects INDEXED BY effects_held
             WHERE status IN (3, 30, 31) LIMIT ?2) WHERE flow = ?1)
         GROUP BY path, status",
        connections.join(",")
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows =
        statement.query_map(params![flow, most], |r| Ok((r.get(0)?, EffectState::from_code(r.get(1)?), r.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn effect(db: &Connection, sealer: &Sealer, id: EffectId) -> Read<Option<EffectRow>> {
    Ok(effect_rows(db, sealer, &format!("{EFFECT} WHERE id = ?1"), [id.get()])?.into_iter().next())
}

pub(super) fn effects(db: &Connection, sealer: &Sealer, f: &EffectFilter) -> Read<Page<EffectRow>> {
    // What is queued or out is few among all that ever was: it goes by its partial index, which the
    // planner, knowing no numbers, would pass over for a walk through the history by id.
    let open = match f.states[..] {
        [EffectState::Queued] if f.ids.is_empty() => "INDEXED BY effects_open WHERE status = 0 AND",
        [EffectState::Calling] if f.ids.is_empty() => "INDEXED BY effects_calling WHERE status = 1 AND",
        _ => "WHERE",
    };
    let mut sql = format!("{EFFECT_BRIEF} {open} id < ?");
    let mut values: Vec<Value> = vec![f.below.unwrap_or(i64::MAX).into()];
    if open == "WHERE" && !f.states.is_empty() {
        let codes: Vec<String> = f.states.iter().map(|s| (*s as u8).to_string()).collect();
        sql.push_str(&format!(" AND status IN ({})", codes.join(",")));
        if f.states.iter().all(|s| matches!(s, EffectState::Checking | EffectState::Dead | EffectState::Unknown)) {
            // Names the condition of the partial index, so that it is used.
            sql.push_str(" AND status IN (3, 30, 31)");
        }
    }
    if let Some(c) = f.connection {
        sql.push_str(" AND connection = ?");
        values.push(c.into());
    }
    if !f.ids.is_empty() {
        let ids: Vec<String> = f.ids.iter().map(|i| i.get().to_string()).collect();
        sql.push_str(&format!(" AND id IN ({})", ids.join(",")));
    }
    sql.push_str(" ORDER BY id DESC LIMIT ?");
    values.push((i64::from(f.limit) + 1).into());
    Ok(page(effect_rows(db, sealer, &sql, params_from_iter(values))?, f.limit, |e| e.id.get()))
}

/// The attempt that did an effect lies in the effect's row, behind all others.
pub(super) fn attempts(db: &Connection, sealer: &Sealer, effect: EffectId) -> Read<Vec<AttemptRow>> {
    let mut statement = db.prepare_cached(
        "SELECT attempt, call, started_at, ended_at, outcome, status, detail FROM attempts WHERE effect = ?1
         UNION ALL SELECT attempt, ended_call, started_at, ended_at, ?2, http_status, detail FROM effects
           WHERE id = ?1 AND ended_at IS NOT NULL
         ORDER BY 1, 2",
    )?;
    let mut rows = statement.query(params![effect.get(), DONE])?;
    let mut out = Vec::new();
    while let Some(r) = rows.next()? {
        out.push(AttemptRow {
            attempt: r.get(0)?,
            call: r.get(1)?,
            started_at: at(r, 2)?,
            ended_at: at(r, 3)?,
            outcome: r.get(4)?,
            status: r.get(5)?,
            detail: open(sealer, r.get(6)?)?,
        });
    }
    Ok(out)
}

pub(super) fn api_keys(db: &Connection) -> Read<Vec<ApiKeyRow>> {
    let mut statement = db.prepare_cached(
        "SELECT id, name, hash, scopes, created_at, revoked_at, brands, expires_at, rate, used_at, old_hash, old_until
         FROM api_keys LEFT JOIN key_terms ON key = id ORDER BY created_at, id",
    )?;
    let rows = statement.query_map([], |r| {
        Ok(ApiKeyRow {
            id: r.get(0)?,
            name: r.get(1)?,
            hash: r.get(2)?,
            scopes: r.get::<_, String>(3)?.split(',').map(str::to_owned).collect(),
            created_at: at(r, 4)?,
            revoked_at: maybe_at(r, 5)?,
            terms: KeyTerms {
                brands: r.get::<_, Option<String>>(6)?.map(|b| b.split(',').map(str::to_owned).collect()),
                expires_at: maybe_at(r, 7)?,
                rate: r.get(8)?,
                used_at: maybe_at(r, 9)?,
                old: r.get::<_, Option<Vec<u8>>>(10)?.zip(maybe_at(r, 11)?),
            },
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Counts go over hot partial indexes only: their size follows the backlog, not the history.
pub(super) fn pushed_flows(db: &Connection) -> Read<Vec<PushedFlow>> {
    let mut statement = db.prepare_cached("SELECT flow, name, who, at FROM pushed_flows ORDER BY name")?;
    let rows = statement
        .query_map([], |r| Ok(PushedFlow { flow: r.get(0)?, name: r.get(1)?, by: r.get(2)?, at: at(r, 3)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn live_runs(db: &Connection) -> Read<Vec<(i64, u64)>> {
    let mut statement =
        db.prepare_cached("SELECT flow, count(*) FROM runs INDEXED BY runs_live WHERE status < 10 GROUP BY flow")?;
    let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn pauses(db: &Connection, sealer: &Sealer) -> Read<Vec<PauseRow>> {
    let mut statement = db.prepare_cached("SELECT kind, name, reason, who, since FROM pauses ORDER BY kind, name")?;
    let mut rows = statement.query([])?;
    let mut out = Vec::new();
    while let Some(r) = rows.next()? {
        let reason: Option<Vec<u8>> = r.get(2)?;
        let reason = reason.map(|sealed| sealer.open(&sealed)).transpose()?;
        out.push(PauseRow {
            kind: PauseKind::from_name(&r.get::<_, String>(0)?),
            name: r.get(1)?,
            reason: reason.map(|text| String::from_utf8_lossy(&text).into_owned()),
            by: r.get(3)?,
            since: at(r, 4)?,
        });
    }
    Ok(out)
}

/// Is a queued effect one that a person has paused?
const PAUSED: &str = "(EXISTS (SELECT 1 FROM pauses p WHERE p.kind = 'class' AND p.name = e.class)
    OR EXISTS (SELECT 1 FROM pauses p JOIN connections c ON c.name = p.name WHERE p.kind = 'connection' AND c.id = e.connection)
    OR EXISTS (SELECT 1 FROM runs r JOIN flows f ON f.id = r.flow JOIN pauses p ON p.name = f.name
        WHERE p.kind = 'flow' AND r.id = e.run))";

/// Since when the oldest of what may be sent waits. Two seeks: of what may go at once the oldest, and of
/// what had to wait what was due first. While anything is paused, what is older and paused is passed over.
pub(super) fn oldest_due(
    db: &Connection,
    now: Timestamp,
    any_paused: bool,
    besides: &[i64],
) -> Read<Option<Timestamp>> {
    let mut but = if any_paused { format!(" AND NOT {PAUSED}") } else { String::new() };
    but.push_str(&crate::codes::not_of(besides));
    let first = |sql: &str, params: &[i64]| {
        db.prepare_cached(sql)?.query_row(rusqlite::params_from_iter(params), |r| at(r, 0)).optional()
    };
    let free = first(
        &format!(
            "SELECT e.created_at FROM effects e INDEXED BY effects_due
             WHERE e.status = 0 AND e.not_before IS NULL{but} ORDER BY e.created_at LIMIT 1"
        ),
        &[],
    )?;
    let waited = first(
        &format!(
            "SELECT e.not_before FROM effects e INDEXED BY effects_due
             WHERE e.status = 0 AND e.not_before <= ?1{but} ORDER BY e.not_before LIMIT 1"
        ),
        &[ms(now)],
    )?;
    Ok(free.into_iter().chain(waited).min())
}

pub(super) fn health(db: &Connection, now: Timestamp, besides: &[i64], path: &Path) -> Read<HealthRow> {
    let count = |sql: &str| -> rusqlite::Result<u64> { db.prepare_cached(sql)?.query_row([], |r| r.get(0)) };
    // Each effect is asked whether it is paused only while anything is.
    let any: bool = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM pauses)")?.query_row([], |r| r.get(0))?;
    let paused =
        if any { count(&format!("SELECT count(*) FROM effects e WHERE e.status = 0 AND {PAUSED}"))? } else { 0 };
    Ok(HealthRow {
        oldest_inbox: db
            .prepare_cached(
                "SELECT d.received_at FROM inbox i JOIN deliveries d ON d.id = i.delivery ORDER BY i.delivery LIMIT 1",
            )?
            .query_row([], |r| at(r, 0))
            .optional()?,
        inbox: count("SELECT count(*) FROM inbox")?,
        inbox_bytes: count("SELECT coalesce(sum(bytes), 0) FROM inbox")?,
        oldest_due: oldest_due(db, now, any, besides)?,
        paused,
        queued: count("SELECT count(*) FROM effects WHERE status = 0")?,
        calling: count("SELECT count(*) FROM effects WHERE status = 1")?,
        dead: count("SELECT count(*) FROM effects WHERE status = 30 AND status IN (3, 30, 31)")?,
        unknown: count("SELECT count(*) FROM effects WHERE status = 31 AND status IN (3, 30, 31)")?,
        quarantined: count("SELECT count(*) FROM delivery_result WHERE status = 4")?,
        proposed: count("SELECT count(*) FROM delivery_result WHERE status = 6")?,
        disk_free: disk_free(path),
    })
}

/// Bytes that an ordinary user may still write beside the database; 0 when it cannot be asked.
#[allow(unsafe_code)]
pub(super) fn disk_free(path: &Path) -> u64 {
    use std::os::unix::ffi::OsStrExt;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(name) = std::ffi::CString::new(folder.as_os_str().as_bytes()) else { return 0 };
    // SAFETY: `name` is a valid C string and `stats` is plain memory of the right size that the call fills.
    unsafe {
        let mut stats: libc::statvfs = std::mem::zeroed();
        if libc::statvfs(name.as_ptr(), &raw mut stats) == 0 { stats.f_bavail * stats.f_frsize } else { 0 }
    }
}
