//! Effects: what is open, what is held, and lists for people.

use super::{Query, Read, at, get, maybe_at, one_more, open, rows, small};
use crate::contract::{EffectState, Page};
use crate::page::page;
use crate::postgres::statement::{Param, int, ints};
use crate::rows::{ArrivedRow, EffectFilter, EffectRow, QueuedRow};
use crate::seal::Sealer;
use pasarela_domain::{EffectId, RunId};
use tokio_postgres::{Client, Row};

const COLUMNS: &str =
    "SELECT id, run, path, connection, action, lane, seq, urgency, class, status, not_before, attempt, generation,
    started_at, repeat, created_at, give_up_at, resend_unknown, park, code, ";
const BODIES: &str = "input, call, outcome, flow, purpose, expires_at FROM effects ";
/// The same columns without the sealed bodies of input and call.
const BRIEF: &str = "NULL::bytea, NULL::bytea, outcome, flow, purpose, expires_at FROM effects ";

fn row(r: &Row, sealer: &Sealer) -> Read<EffectRow> {
    Ok(EffectRow {
        id: EffectId::from_raw(get(r, 0)?),
        run: get::<Option<i64>>(r, 1)?.map(RunId::from_raw),
        path: get(r, 2)?,
        connection: get(r, 3)?,
        action: get(r, 4)?,
        lane: get(r, 5)?,
        seq: get(r, 6)?,
        urgency: small(r, 7)?,
        class: get(r, 8)?,
        state: EffectState::from_code(get(r, 9)?),
        not_before: maybe_at(r, 10)?,
        attempt: small(r, 11)?,
        generation: small(r, 12)?,
        started_at: maybe_at(r, 13)?,
        repeat: small(r, 14)?,
        created_at: at(r, 15)?,
        give_up_at: at(r, 16)?,
        resend_unknown: get(r, 17)?,
        park: get(r, 18)?,
        code: get(r, 19)?,
        input: open(sealer, r, 20)?,
        call: open(sealer, r, 21)?,
        outcome: open(sealer, r, 22)?,
        flow: get(r, 23)?,
        purpose: get(r, 24)?,
        expires_at: maybe_at(r, 25)?,
    })
}

async fn whole(client: &Client, sealer: &Sealer, filter: &str, params: Vec<Param<'_>>) -> Read<Vec<EffectRow>> {
    let found = rows(client, format!("{COLUMNS}{BODIES}{filter}"), params).await?;
    found.iter().map(|r| row(r, sealer)).collect()
}

/// Effects that were out under an epoch that is over: its node is gone, or lives anew.
pub(in crate::postgres) async fn interrupted(client: &Client, sealer: &Sealer, boot: i64) -> Read<Vec<EffectRow>> {
    let filter = "WHERE status = 1 AND boot <> $1 AND boot NOT IN (SELECT epoch FROM nodes)";
    whole(client, sealer, filter, vec![int(boot)]).await
}

/// One search per flow: the next flow is looked for behind the one that was found.
pub(in crate::postgres) async fn queued_flows(client: &Client, connection: i64, urgency: u8) -> Read<Vec<i64>> {
    let sql = "WITH RECURSIVE found (flow) AS (
           (SELECT flow FROM effects WHERE status = 0 AND connection = $1 AND urgency = $2 ORDER BY flow LIMIT 1)
         UNION ALL
           SELECT (SELECT e.flow FROM effects e WHERE e.status = 0 AND e.connection = $1 AND e.urgency = $2
             AND e.flow > f.flow ORDER BY e.flow LIMIT 1) FROM found f WHERE f.flow IS NOT NULL)
         SELECT flow FROM found WHERE flow IS NOT NULL";
    let found = rows(client, sql, vec![int(connection), int(urgency)]).await?;
    found.iter().map(|r| get(r, 0)).collect()
}

const QUEUED: &str = "SELECT id, seq, flow, lane, path, action, not_before,
    NOT EXISTS (SELECT 1 FROM effects o WHERE o.status = 0 AND o.connection = e.connection
      AND o.urgency = e.urgency AND o.lane = e.lane AND o.seq < e.seq),
    NOT EXISTS (SELECT 1 FROM effects o WHERE o.status = 0 AND o.connection = e.connection
      AND o.urgency = e.urgency AND o.lane = e.lane AND o.seq > e.seq)
    FROM (SELECT * FROM effects WHERE status = 0 AND connection = $1 AND urgency = $2 AND ";

/// The page is cut before each row is asked how it stands in its lane.
async fn in_order(client: &Client, filter: &str, params: Vec<Param<'_>>) -> Read<Vec<QueuedRow>> {
    let sql = format!("{QUEUED} {filter} AND seq > $4 ORDER BY seq LIMIT $5) e ORDER BY seq");
    let found = rows(client, sql, params).await?;
    let row = |r: &Row| -> Read<QueuedRow> {
        Ok(QueuedRow {
            id: EffectId::from_raw(get(r, 0)?),
            seq: get(r, 1)?,
            flow: get(r, 2)?,
            lane: get(r, 3)?,
            path: get(r, 4)?,
            action: get(r, 5)?,
            not_before: maybe_at(r, 6)?,
            first: get(r, 7)?,
            last: get(r, 8)?,
        })
    };
    found.iter().map(row).collect()
}

pub(in crate::postgres) async fn queued(
    client: &Client,
    connection: i64,
    urgency: u8,
    flow: i64,
    after: i64,
    limit: u32,
) -> Read<Vec<QueuedRow>> {
    in_order(client, "flow = $3", vec![int(connection), int(urgency), int(flow), int(after), int(limit)]).await
}

pub(in crate::postgres) async fn queued_lane(
    client: &Client,
    connection: i64,
    urgency: u8,
    lane: i64,
    after: i64,
    limit: u32,
) -> Read<Vec<QueuedRow>> {
    in_order(client, "lane = $3", vec![int(connection), int(urgency), int(lane), int(after), int(limit)]).await
}

/// What was queued above a place. Places of a connection rise in the order of commits (the row in `places`
/// is locked until then), so the last place of one snapshot says up to where this is all of it. Each
/// flow is searched by its own part of the index, whatever lies below.
pub(in crate::postgres) async fn arrived(
    client: &Client,
    connection: i64,
    after: i64,
    limit: u32,
) -> Read<(Vec<ArrivedRow>, i64)> {
    let sql = "WITH RECURSIVE found (urgency, flow) AS (
           (SELECT urgency, flow FROM effects WHERE status = 0 AND connection = $1 ORDER BY urgency, flow LIMIT 1)
         UNION ALL
           SELECT n.urgency, n.flow FROM found f, LATERAL (SELECT e.urgency, e.flow FROM effects e WHERE e.status = 0
             AND e.connection = $1 AND (e.urgency, e.flow) > (f.urgency, f.flow) ORDER BY e.urgency, e.flow LIMIT 1) n)
         SELECT coalesce((SELECT last FROM places WHERE connection = $1), 0), e.* FROM (SELECT 1) one LEFT JOIN LATERAL (
           SELECT q.* FROM found f, LATERAL (SELECT id, seq, flow, lane, path, action, not_before, urgency FROM effects
             WHERE status = 0 AND connection = $1 AND urgency = f.urgency AND flow = f.flow AND seq > $2
             ORDER BY seq LIMIT $3) q ORDER BY q.seq LIMIT $3) e ON true";
    let found = rows(client, sql, vec![int(connection), int(after), int(limit)]).await?;
    let mut out = Vec::with_capacity(found.len());
    let mut last = after;
    for r in &found {
        last = get(r, 0)?;
        let Some(id) = get::<Option<i64>>(r, 1)? else { continue };
        out.push(ArrivedRow {
            urgency: small(r, 8)?,
            queued: QueuedRow {
                id: EffectId::from_raw(id),
                seq: get(r, 2)?,
                flow: get(r, 3)?,
                lane: get(r, 4)?,
                path: get(r, 5)?,
                action: get(r, 6)?,
                not_before: maybe_at(r, 7)?,
                first: false,
                last: false,
            },
        });
    }
    if out.len() >= limit as usize {
        last = out.last().map_or(last, |r| r.queued.seq);
    }
    Ok((out, last.max(after)))
}

pub(in crate::postgres) async fn parked(client: &Client) -> Read<Vec<(i64, i64, u8)>> {
    let sql =
        "SELECT DISTINCT connection, lane, urgency FROM effects WHERE status IN (3, 30, 31) AND (park OR status = 3)";
    let found = rows(client, sql, vec![]).await?;
    found.iter().map(|r| Ok((get(r, 0)?, get(r, 1)?, small(r, 2)?))).collect()
}

pub(in crate::postgres) async fn by_reference(
    client: &Client,
    sealer: &Sealer,
    connection: i64,
    reference: i64,
) -> Read<Option<EffectRow>> {
    let filter =
        "WHERE connection = $1 AND reference = $2 AND reference IS NOT NULL AND status IN (2, 3, 12, 31) LIMIT 1";
    Ok(whole(client, sealer, filter, vec![int(connection), int(reference)]).await?.into_iter().next())
}

pub(in crate::postgres) async fn effect(client: &Client, sealer: &Sealer, id: EffectId) -> Read<Option<EffectRow>> {
    Ok(whole(client, sealer, "WHERE id = $1", vec![int(id.get())]).await?.into_iter().next())
}

pub(in crate::postgres) async fn effects(client: &Client, sealer: &Sealer, f: &EffectFilter) -> Read<Page<EffectRow>> {
    let mut query = Query::new(format!("{COLUMNS}{BRIEF} WHERE id < $1"), vec![int(f.below.unwrap_or(i64::MAX))]);
    if !f.states.is_empty() {
        // As literals, so that the planner sees which partial index fits.
        let codes: Vec<String> = f.states.iter().map(|s| (*s as u8).to_string()).collect();
        query.sql.push_str(&match &codes[..] {
            [one] => format!(" AND status = {one}"),
            _ => format!(" AND status IN ({})", codes.join(",")),
        });
        if f.states.iter().all(|s| matches!(s, EffectState::Checking | EffectState::Dead | EffectState::Unknown)) {
            query.sql.push_str(" AND status IN (3, 30, 31)");
        }
    }
    if let Some(c) = f.connection {
        query.add(" AND connection = ?", int(c));
    }
    if !f.ids.is_empty() {
        query.add(" AND id = ANY(?)", ints(f.ids.iter().map(|i| i.get())));
    }
    query.add(" ORDER BY id DESC LIMIT ?", one_more(f.limit));
    let found = query.rows(client).await?;
    let list = found.iter().map(|r| row(r, sealer)).collect::<Read<_>>()?;
    Ok(page(list, f.limit, |e: &EffectRow| e.id.get()))
}
