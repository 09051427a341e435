//! Addresses that are not written to, and the keys that sign tickets.

use super::read::{Read, get, rows};
use super::statement::int;
use crate::codes::time;
use crate::contract::Page;
use crate::page::page;
use crate::rows::{SigningKeyRow, SuppressionCause, SuppressionRow, Told};
use crate::seal::Sealer;
use tokio_postgres::{Client, Row};

/// Keeps an address, or gives one that is there a stronger cause.
pub(super) const SUPPRESS: &str = "INSERT INTO suppressions AS s (address, cause, who, since, body)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (address) DO UPDATE SET cause = excluded.cause, who = excluded.who,
      since = excluded.since, body = excluded.body WHERE excluded.cause > s.cause";

pub(super) async fn suppression(client: &Client, sealer: &Sealer, address: i64) -> Read<Option<SuppressionRow>> {
    let sql = "SELECT id, cause, who, since, body FROM suppressions WHERE address = $1";
    let found = rows(client, sql, vec![int(address)]).await?;
    Ok(found.first().map(|r| opened(r, sealer)).transpose()?.map(|(_, row)| row))
}

pub(super) async fn suppressions(
    client: &Client,
    sealer: &Sealer,
    before: Option<i64>,
    limit: u32,
) -> Read<Page<SuppressionRow>> {
    let sql = "SELECT id, cause, who, since, body FROM suppressions WHERE id < $1 ORDER BY id DESC LIMIT $2";
    let found = rows(client, sql, vec![int(before.unwrap_or(i64::MAX)), int(i64::from(limit) + 1)]).await?;
    let opened = found.iter().map(|r| opened(r, sealer)).collect::<Read<Vec<_>>>()?;
    let page = page(opened, limit, |(id, _)| *id);
    Ok(Page { rows: page.rows.into_iter().map(|(_, row)| row).collect(), next: page.next })
}

fn opened(r: &Row, sealer: &Sealer) -> Read<(i64, SuppressionRow)> {
    let told = Told::read(&sealer.open(&get::<Vec<u8>>(r, 4)?)?);
    let cause = SuppressionCause::from_code(get(r, 1)?);
    let row = SuppressionRow { address: told.address, cause, why: told.why, by: get(r, 2)?, since: time(get(r, 3)?) };
    Ok((get(r, 0)?, row))
}

pub(super) async fn signing_keys(client: &Client, sealer: &Sealer) -> Read<Vec<SigningKeyRow>> {
    let found = rows(client, "SELECT number, secret, made_at FROM signing_keys ORDER BY number", vec![]).await?;
    let row = |r: &Row| -> Read<SigningKeyRow> {
        let seed = sealer.open(&get::<Vec<u8>>(r, 1)?)?;
        Ok(SigningKeyRow { number: get(r, 0)?, seed, made_at: time(get(r, 2)?) })
    };
    found.iter().map(row).collect()
}
