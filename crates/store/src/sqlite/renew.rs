//! Keys that change, and rows sealed anew. See `seal/renewal.rs`.

use super::SqliteStore;
use super::read::Read;
use crate::contract::{Error, Fut};
use crate::seal::{self, BITE_BYTES, Master, Resealed, SealState, Sealer, Seals, Stand, TABLES, Table, Wrapped};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

/// Rows of the table of keys.
pub(super) fn keys(db: &Connection) -> rusqlite::Result<Vec<Wrapped>> {
    let mut statement = db.prepare("SELECT id, purpose, wrapped, next FROM keys ORDER BY id")?;
    let row = |r: &Row<'_>| {
        Ok(Wrapped { id: r.get(0)?, purpose: r.get(1)?, wrapped: r.get(2)?, next: r.get(3)?, begun: true })
    };
    statement.query_map([], row)?.collect()
}

/// The same of a file that no build of this one has opened yet.
pub(super) fn keys_of_earlier(db: &Connection) -> rusqlite::Result<Vec<Wrapped>> {
    let mut statement = db.prepare("SELECT id, purpose, wrapped FROM keys ORDER BY id")?;
    let row =
        |r: &Row<'_>| Ok(Wrapped { id: r.get(0)?, purpose: r.get(1)?, wrapped: r.get(2)?, next: None, begun: true });
    statement.query_map([], row)?.collect()
}

/// Only the second master key opens the database from now on.
pub(super) fn finish(db: &Connection) -> rusqlite::Result<()> {
    let sql = "UPDATE keys SET wrapped = next, next = NULL WHERE NOT EXISTS (SELECT 1 FROM keys WHERE next IS NULL)";
    db.execute(sql, []).map(|_| ())
}

impl Seals for SqliteStore {
    fn master(&self) -> Master {
        self.master.clone()
    }
    fn seal_state(&self) -> Fut<'_, SealState> {
        let key = self.sealer.present();
        self.read(move |db, _| {
            let stand = stand(db)?.for_key(key);
            let (keys, between): (u32, bool) = db.query_row(
                "SELECT count(*) FILTER (WHERE purpose LIKE 'data%'), coalesce(max(next IS NOT NULL), 0) FROM keys",
                [],
                |r| Ok((r.get(0)?, r.get(1)?)),
            )?;
            let used = "SELECT used FROM keys WHERE purpose = ?1";
            let sealed: u64 = db.query_row(used, [seal::purpose(key)], |r| r.get(0))?;
            let table = stand.name().filter(|_| keys > 1).map(str::to_owned);
            Ok(SealState { key, keys, sealed, between, table, renewed: stand.renewed })
        })
    }

    fn add_data_key(&self) -> Fut<'_, u8> {
        Box::pin(async move {
            let state = self.seal_state().await?;
            if state.between {
                return Err(Error::Database(seal::BETWEEN.into()));
            }
            let number = self.sealer.present().checked_add(1).ok_or_else(|| Error::Database(seal::TOO_MANY.into()))?;
            let master = self.master.read(false)?;
            let key = seal::fresh_key()?;
            let (purpose, wrapped) = (seal::purpose(number), seal::wrap(&master, &key)?);
            self.misc(move |db| {
                db.execute("INSERT INTO keys (purpose, wrapped) VALUES (?1, ?2)", params![purpose, wrapped]).map(|_| ())
            })
            .await?;
            self.sealer.learn(number, &key, true)?;
            Ok(number)
        })
    }

    fn wrap_next(&self, next: Master) -> Fut<'_, ()> {
        Box::pin(async move {
            let place = self.master.clone();
            let rows = self.read(|db, _| Ok(keys(db)?)).await?;
            let wrapped = seal::wrap_by(&place, &rows, &next)?;
            self.misc(move |db| {
                let mut update = db.prepare("UPDATE keys SET next = ?2 WHERE id = ?1")?;
                wrapped.iter().try_for_each(|(id, key)| update.execute(params![id, key]).map(|_| ()))
            })
            .await
        })
    }

    fn finish_wrap(&self) -> Fut<'_, ()> {
        Box::pin(async move {
            let place = self.master.clone();
            let rows = self.read(|db, _| Ok(keys(db)?)).await?;
            seal::opens_next(&place, &rows)?;
            self.misc(finish).await
        })
    }

    fn reseal(&self, limit: u32) -> Fut<'_, Resealed> {
        Box::pin(async move {
            let key = self.sealer.present();
            let Some(bite) = self.read(move |db, sealer| bite(db, sealer, key, limit)).await? else {
                return Ok(Resealed { done: true, ..Resealed::default() });
            };
            let looked = bite.looked;
            let renewed = self.told(move |db| write(db, &bite)).await?;
            Ok(Resealed { looked, renewed, done: false })
        })
    }

    fn count_seals(&self) -> Fut<'_, u64> {
        Box::pin(async move {
            let (purpose, seals) = (seal::purpose(self.sealer.present()), self.sealer.take_uncounted());
            let seals = i64::try_from(seals).unwrap_or(i64::MAX);
            self.told(move |db| {
                let sql = "UPDATE keys SET used = used + ?2 WHERE purpose = ?1 RETURNING used";
                db.query_row(sql, params![purpose, seals], |r| r.get::<_, i64>(0))
            })
            .await
            .map(|used| u64::try_from(used).unwrap_or(0))
        })
    }
}

fn stand(db: &Connection) -> rusqlite::Result<Stand> {
    let read = |r: &Row<'_>| Ok(Stand::read(r.get(0)?, r.get(1)?, &r.get::<_, String>(2)?, r.get(3)?));
    let found = db.query_row("SELECT key, part, at, renewed FROM resealing WHERE id = 1", [], read).optional()?;
    Ok(found.unwrap_or_default())
}

/// Key of the row, column, as it was, as it is to be.
type Change = (Vec<Value>, &'static str, Vec<u8>, Vec<u8>);

/// What one bite changes.
struct Bite {
    table: &'static Table,
    stand: Stand,
    last: Option<Vec<serde_json::Value>>,
    more: bool,
    looked: u64,
    changes: Vec<Change>,
}

/// Reads a bite behind the place where it stands; `None`: nothing is left.
fn bite(db: &Connection, sealer: &Sealer, present: u8, limit: u32) -> Read<Option<Bite>> {
    let stand = stand(db)?.for_key(present);
    let Some(table) = TABLES.get(stand.table).filter(|_| present > 1) else { return Ok(None) };
    let names: Vec<&str> = table.key.iter().map(|k| k.name()).collect();
    let width = names.len();
    let list = names.join(", ");
    let (which, values) = match &stand.at {
        Some(at) => {
            let marks: Vec<String> = (1..=width).map(|n| format!("?{n}")).collect();
            (format!("WHERE ({list}) > ({})", marks.join(", ")), at.iter().map(value_of).collect())
        }
        None => (String::new(), Vec::new()),
    };
    let sql = format!(
        "SELECT {list}, {} FROM {} {which} ORDER BY {list} LIMIT {limit}",
        table.columns.join(", "),
        table.name
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter::<Vec<Value>>(values))?;
    let mut bite = Bite { table, stand, last: None, more: false, looked: 0, changes: Vec::new() };
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let key = (0..width).map(|i| row.get::<_, Value>(i)).collect::<rusqlite::Result<Vec<_>>>()?;
        for (n, column) in table.columns.iter().enumerate() {
            let was: Option<Vec<u8>> = row.get(width + n)?;
            bytes += was.as_ref().map_or(0, Vec::len);
            if let Some(now) = seal::renewed(sealer, present, was.as_deref())? {
                bite.changes.push((key.clone(), *column, was.unwrap_or_default(), now));
            }
        }
        bite.looked += 1;
        bite.last = Some(key.iter().map(json_of).collect());
        bite.more = bite.looked >= u64::from(limit) || bytes > BITE_BYTES;
        if bytes > BITE_BYTES {
            break;
        }
    }
    Ok(Some(bite))
}

/// Replaces what is still as it was read, and moves on.
fn write(db: &Connection, bite: &Bite) -> rusqlite::Result<u64> {
    let names: Vec<String> =
        bite.table.key.iter().enumerate().map(|(n, k)| format!("{} = ?{}", k.name(), n + 3)).collect();
    let mut renewed = 0;
    for (key, column, was, now) in &bite.changes {
        let sql =
            format!("UPDATE {} SET {column} = ?2 WHERE {column} = ?1 AND {}", bite.table.name, names.join(" AND "));
        let values = [Value::Blob(was.clone()), Value::Blob(now.clone())].into_iter().chain(key.iter().cloned());
        renewed += db.prepare_cached(&sql)?.execute(params_from_iter(values))? as u64;
    }
    let stand = bite.stand.clone().after(bite.last.clone(), bite.more, renewed);
    db.prepare_cached("INSERT OR REPLACE INTO resealing (id, key, part, at, renewed) VALUES (1, ?1, ?2, ?3, ?4)")?
        .execute(params![
            stand.key,
            i64::try_from(stand.table).unwrap_or(0),
            stand.at_text(),
            i64::try_from(stand.renewed).unwrap_or(0)
        ])?;
    Ok(renewed)
}

fn value_of(json: &serde_json::Value) -> Value {
    match json.as_i64() {
        Some(n) => Value::Integer(n),
        None => Value::Text(json.as_str().unwrap_or_default().to_owned()),
    }
}

fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Integer(n) => serde_json::json!(n),
        Value::Text(text) => serde_json::json!(text),
        _ => serde_json::Value::Null,
    }
}
