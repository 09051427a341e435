//! Keys that change, and rows sealed anew. See `seal/renewal.rs`.
//!
//! A new data key seals from a moment on by which every node knows of it: each looks every few seconds, and one that
//! does not get to it for so long was declared dead.

use super::read::{Read, get, rows};
use super::statement::{Param, Statement, bytes, int, owned_blobs, text};
use super::{Inside, PostgresStore};
use crate::contract::{Error, Fut};
use crate::seal::{self, BITE_BYTES, Key, Master, Resealed, SealState, Sealer, Seals, Stand, TABLES, Table, Wrapped};
use serde_json::Value;
use tokio_postgres::{Client, Row};

/// Time until a new data key seals, where there are other nodes.
const KNOWN_AFTER_MS: i64 = 60_000;
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// Rows of the table of keys.
pub(super) async fn keys(db: &Client) -> Read<Vec<Wrapped>> {
    let sql = format!("SELECT id, purpose, wrapped, next, coalesce(begins_at, 0) <= {NOW} FROM keys ORDER BY id");
    let read = |r: &Row| {
        Ok(Wrapped { id: get(r, 0)?, purpose: get(r, 1)?, wrapped: get(r, 2)?, next: get(r, 3)?, begun: get(r, 4)? })
    };
    rows(db, sql, vec![]).await?.iter().map(read).collect()
}

/// Learns of data keys that another node made, and of those that begin to seal.
pub(super) async fn hear(inside: &Inside) {
    let heard = async {
        let client = inside.readers.client(&inside.address, &inside.handle).await?;
        let found = keys(&client).await.map_err(|e| e.told(&inside.address))?;
        let number = |row: &Wrapped| seal::number(&row.purpose);
        let news = |row: &&Wrapped| {
            number(row).is_some_and(|n| !inside.sealer.knows(n) || (row.begun && n > inside.sealer.present()))
        };
        if found.iter().any(|row| news(&row)) {
            for (number, key, begun) in seal::open_keys(&inside.master, &found)?.data {
                inside.sealer.learn(number, &key, begun)?;
            }
        }
        Ok::<(), Error>(())
    };
    if let Err(error) = heard.await {
        tracing::warn!(%error, "it could not be looked for new sealing keys");
    }
}

impl PostgresStore {
    async fn keys(&self) -> Result<Vec<Wrapped>, Error> {
        self.read(|db, _| async move { keys(&db).await }).await
    }
}

impl Seals for PostgresStore {
    fn master(&self) -> Master {
        self.inside.master.clone()
    }
    fn seal_state(&self) -> Fut<'_, SealState> {
        let key = self.sealer.present();
        self.read(move |db, _| async move {
            let stand = stand(&db).await?.for_key(key);
            let sql = "SELECT count(*) FILTER (WHERE purpose LIKE 'data%'), bool_or(next IS NOT NULL),
                coalesce(max(used) FILTER (WHERE purpose = $1), 0) FROM keys";
            let found = rows(&db, sql, vec![text(seal::purpose(key))]).await?;
            let Some(r) = found.first() else { return Err(crate::seal::SealError::Damaged.into()) };
            let (keys, sealed): (i64, i64) = (get(r, 0)?, get(r, 2)?);
            let table = stand.name().filter(|_| keys > 1).map(str::to_owned);
            Ok(SealState {
                key,
                keys: u32::try_from(keys).unwrap_or(0),
                sealed: u64::try_from(sealed).unwrap_or(0),
                between: get(r, 1)?,
                table,
                renewed: stand.renewed,
            })
        })
    }

    fn add_data_key(&self) -> Fut<'_, u8> {
        Box::pin(async move {
            let found = self.keys().await?;
            if found.iter().any(|row| row.next.is_some()) {
                return Err(Error::Database(seal::BETWEEN.into()));
            }
            let last = found.iter().filter_map(|row| seal::number(&row.purpose)).max().unwrap_or(0);
            let number = last.checked_add(1).ok_or_else(|| Error::Database(seal::TOO_MANY.into()))?;
            let key = seal::fresh_key()?;
            let wrapped = seal::wrap(&self.inside.master.read(false)?, &key)?;
            // Alone, everybody knows of it at once.
            let sql = format!(
                "INSERT INTO keys (purpose, wrapped, begins_at) SELECT $1, $2, {NOW} + CASE WHEN
                   (SELECT count(*) FROM nodes WHERE expires_at > now()) > 1 THEN $3 ELSE 0 END
                 WHERE NOT EXISTS (SELECT 1 FROM keys WHERE purpose = $1)"
            );
            self.misc(&sql, vec![text(seal::purpose(number)), bytes(wrapped), int(KNOWN_AFTER_MS)]).await?;
            hear(&self.inside).await;
            Ok(number)
        })
    }

    fn wrap_next(&self, next: Master) -> Fut<'_, ()> {
        Box::pin(async move {
            let (ids, wrapped): (Vec<i64>, Vec<Vec<u8>>) =
                seal::wrap_by(&self.inside.master, &self.keys().await?, &next)?.into_iter().unzip();
            let sql = "UPDATE keys k SET next = x.next FROM unnest($1::bigint[], $2::bytea[]) AS x (id, next) WHERE k.id = x.id";
            self.misc(sql, vec![super::ints(ids), owned_blobs(wrapped)]).await
        })
    }

    fn finish_wrap(&self) -> Fut<'_, ()> {
        Box::pin(async move {
            seal::opens_next(&self.inside.master, &self.keys().await?)?;
            let sql =
                "UPDATE keys SET wrapped = next, next = NULL WHERE NOT EXISTS (SELECT 1 FROM keys WHERE next IS NULL)";
            self.misc(sql, vec![]).await
        })
    }

    fn reseal(&self, limit: u32) -> Fut<'_, Resealed> {
        Box::pin(async move {
            let key = self.sealer.present();
            let found = self.read(move |db, sealer| async move { bite(&db, &sealer, key, limit).await }).await?;
            let Some(bite) = found else { return Ok(Resealed { done: true, ..Resealed::default() }) };
            let mut renewed = 0;
            for (sql, params) in bite.changes() {
                renewed += self.counted(&sql, params).await?;
            }
            let stand = bite.stand.after(bite.last, bite.more, renewed);
            let (part, count) = (i64::try_from(stand.table).unwrap_or(0), i64::try_from(stand.renewed).unwrap_or(0));
            let sql = "INSERT INTO resealing (id, key, part, at, renewed) VALUES (1, $1, $2, $3, $4)
                ON CONFLICT (id) DO UPDATE SET key = $1, part = $2, at = $3, renewed = $4";
            self.misc(sql, vec![int(stand.key), int(part), text(stand.at_text()), int(count)]).await?;
            Ok(Resealed { looked: bite.looked, renewed, done: false })
        })
    }

    fn count_seals(&self) -> Fut<'_, u64> {
        Box::pin(async move {
            let (key, seals) = (self.sealer.present(), self.sealer.take_uncounted());
            let sql = "UPDATE keys SET used = used + $2 WHERE purpose = $1";
            self.misc(sql, vec![text(seal::purpose(key)), int(i64::try_from(seals).unwrap_or(i64::MAX))]).await?;
            Ok(self.seal_state().await?.sealed)
        })
    }
}

async fn stand(db: &Client) -> Read<Stand> {
    let found = rows(db, "SELECT key, part, at, renewed FROM resealing WHERE id = 1", vec![]).await?;
    let Some(r) = found.first() else { return Ok(Stand::default()) };
    Ok(Stand::read(get(r, 0)?, get(r, 1)?, &get::<String>(r, 2)?, get(r, 3)?))
}

/// A value to replace: key of its row, as it was, as it is to be.
type Change = (Vec<Value>, Vec<u8>, Vec<u8>);

/// What one bite changes.
struct Bite {
    table: &'static Table,
    stand: Stand,
    last: Option<Vec<Value>>,
    more: bool,
    looked: u64,
    /// Per column.
    changed: Vec<Vec<Change>>,
}

impl Bite {
    /// A statement per column that has something to replace; only what is still as it was read.
    fn changes(&self) -> Vec<(String, Vec<Param<'static>>)> {
        let name = self.table.name;
        let statement = |(column, changes): (&&str, &Vec<Change>)| {
            let mut params = vec![
                owned_blobs(changes.iter().map(|c| c.1.clone())),
                owned_blobs(changes.iter().map(|c| c.2.clone())),
            ];
            let (mut arrays, mut names, mut same) = (Vec::new(), Vec::new(), Vec::new());
            for (n, key) in self.table.key.iter().enumerate() {
                params.push(column_of(*key, changes.iter().map(|c| &c.0[n])));
                arrays.push(format!("${}::{}[]", n + 3, key.kind()));
                names.push(format!("k{n}"));
                same.push(format!("t.{} = x.k{n}", key.name()));
            }
            let sql = format!(
                "UPDATE {name} t SET {column} = x.later FROM unnest($1::bytea[], $2::bytea[], {}) AS x (was, later, {})
                 WHERE {} AND t.{column} = x.was RETURNING 1",
                arrays.join(", "),
                names.join(", "),
                same.join(" AND ")
            );
            (sql, params)
        };
        self.table.columns.iter().zip(&self.changed).filter(|(_, changes)| !changes.is_empty()).map(statement).collect()
    }
}

fn column_of<'v>(key: Key, values: impl Iterator<Item = &'v Value>) -> Param<'static> {
    match key {
        Key::Int(_) => super::ints(values.map(|v| v.as_i64().unwrap_or(0))),
        Key::Text(_) => {
            super::statement::owned_texts(values.map(|v| v.as_str().unwrap_or_default().to_owned()).collect())
        }
    }
}

/// Reads a bite behind the place where it stands; `None`: nothing is left.
async fn bite(db: &Client, sealer: &Sealer, present: u8, limit: u32) -> Read<Option<Bite>> {
    let stand = stand(db).await?.for_key(present);
    let Some(table) = TABLES.get(stand.table).filter(|_| present > 1) else { return Ok(None) };
    let list = table.key.iter().map(|k| k.name()).collect::<Vec<_>>().join(", ");
    let width = table.key.len();
    let (mut which, mut params) = (String::new(), Vec::new());
    if let Some(at) = &stand.at {
        let marks: Vec<String> = (1..=width).map(|n| format!("${n}")).collect();
        which = format!("WHERE ({list}) > ({})", marks.join(", "));
        params = table
            .key
            .iter()
            .zip(at)
            .map(|(key, value)| match key {
                Key::Int(_) => int(value.as_i64().unwrap_or(0)),
                Key::Text(_) => text(value.as_str().unwrap_or_default()),
            })
            .collect();
    }
    let sql = format!(
        "SELECT {list}, {} FROM {} {which} ORDER BY {list} LIMIT {limit}",
        table.columns.join(", "),
        table.name
    );
    let found = Statement::new(sql, params).run(db).await?;
    let changed = table.columns.iter().map(|_| Vec::new()).collect();
    let mut bite = Bite { table, stand, last: None, more: false, looked: 0, changed };
    let mut size = 0;
    for row in &found.rows {
        let mut key = Vec::with_capacity(width);
        for (n, part) in table.key.iter().enumerate() {
            key.push(match part {
                Key::Int(_) => Value::from(get::<i64>(row, n)?),
                Key::Text(_) => Value::from(get::<String>(row, n)?),
            });
        }
        for (n, changes) in bite.changed.iter_mut().enumerate() {
            let was: Option<Vec<u8>> = get(row, width + n)?;
            size += was.as_ref().map_or(0, Vec::len);
            if let Some(now) = seal::renewed(sealer, present, was.as_deref())? {
                changes.push((key.clone(), was.unwrap_or_default(), now));
            }
        }
        bite.looked += 1;
        bite.last = Some(key);
        bite.more = bite.looked >= u64::from(limit) || size > BITE_BYTES;
        if size > BITE_BYTES {
            break;
        }
    }
    Ok(Some(bite))
}
