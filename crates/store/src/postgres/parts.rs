//! Which read models are parts of which: an order of its show.

use super::read::{Read, get, rows};
use super::statement::{Param, int, ints, own_texts, text};
use crate::contract::{Page, Part, PartRow};
use crate::page::{PAGE_BYTES, page};
use crate::seal::Sealer;
use tokio_postgres::Client;

/// Nothing is written where it is known. No part may stand in one statement twice.
pub(super) const KEEP: &str = "INSERT INTO parts AS p (connection, kind, entity, parent)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])
    ON CONFLICT (connection, kind, entity) DO UPDATE SET parent = excluded.parent WHERE p.parent <> excluded.parent";

/// Parameters of [`KEEP`].
pub(super) fn columns<'a>(parts: &[Part]) -> Vec<Param<'a>> {
    vec![
        ints(parts.iter().map(|p| p.connection)),
        own_texts(parts.iter().map(|p| p.entity.kind.to_string())),
        own_texts(parts.iter().map(|p| p.entity.id.to_string())),
        ints(parts.iter().map(|p| p.parent)),
    ]
}

pub(super) async fn list(
    client: &Client,
    sealer: &Sealer,
    parent: i64,
    kind: &str,
    before: Option<i64>,
    limit: u32,
) -> Read<Page<PartRow>> {
    // The newest parts first, and only of them the bodies.
    let sql = "SELECT p.number, p.connection, p.entity, e.data
        FROM (SELECT number, connection, kind, entity FROM parts WHERE parent = $1 AND kind = $2 AND number < $3
              ORDER BY number DESC LIMIT $4) p
        JOIN entities e USING (connection, kind, entity) ORDER BY p.number DESC";
    let params =
        vec![int(parent), text(kind), int(before.unwrap_or(i64::MAX)), int(i64::from(limit).saturating_add(1))];
    let (mut out, mut bytes) = (Vec::new(), 0);
    for r in &rows(client, sql, params).await? {
        if bytes > PAGE_BYTES {
            let next = out.last().map(|l: &PartRow| l.number);
            return Ok(Page { rows: out, next });
        }
        let data = sealer.open(&get::<Vec<u8>>(r, 3)?)?;
        bytes += data.len();
        out.push(PartRow { number: get(r, 0)?, connection: get(r, 1)?, id: get(r, 2)?, data });
    }
    Ok(page(out, limit, |row| row.number))
}

pub(super) async fn count(client: &Client, parents: &[i64], kind: &str) -> Read<Vec<u64>> {
    let sql = "SELECT (SELECT count(*) FROM parts p WHERE p.parent = x.parent AND p.kind = $2)
        FROM unnest($1::bigint[]) WITH ORDINALITY AS x (parent, n) ORDER BY x.n";
    let found = rows(client, sql, vec![ints(parents.iter().copied()), text(kind)]).await?;
    found.iter().map(|r| Ok(u64::try_from(get::<i64>(r, 0)?).unwrap_or(0))).collect()
}
