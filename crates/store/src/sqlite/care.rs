//! Care of the file: retention, free pages, redacting, copies. What is to go is looked for by a reader; the
//! writer gets ids, and looks once more at what matters before each goes.

use super::copy::Order;
use super::{ReadError, SqliteStore, connect, read, schema};
use crate::backup::{self, Draft, Manifest, Progress, Table};
use crate::care::{
    Bite, Care, CareRow, EFFECTS, ERASED, ERASED_EVENT, ERASED_RUN, Kept, Person, Redacted, Space, first_id, named_in,
};
use crate::codes::{ms, time};
use crate::contract::{Error, Fut};
use crate::seal::{self, Sealer};
use crate::sqlite::writer::classify;
use jiff::Timestamp;
use pasarela_domain::EntityRef;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::oneshot;

type Found = Result<Look, ReadError>;

/// What a look brought: what may go, and where the next look begins.
#[derive(Default)]
pub(super) struct Look {
    looked: u64,
    /// Rows by their one or two numbers.
    go: Vec<(i64, i64)>,
    /// Effects that go with runs.
    effects: Vec<i64>,
    /// Keys of earlier builds that have no time yet.
    undated: Vec<(i64, i64)>,
    next: (i64, i64),
    done: bool,
}

/// Finished, and nobody is to look at it: neither pending nor quarantined, proposed or understood in part.
const FINISHED: &str = "NOT EXISTS (SELECT 1 FROM inbox i WHERE i.delivery = d.id)
    AND coalesce((SELECT r.status FROM delivery_result r WHERE r.delivery = d.id), 1) IN (1, 3, 5)";
const NO_EVENT: &str = "NOT EXISTS (SELECT 1 FROM events e WHERE e.delivery = d.id)";
/// A run that ended, of which nothing is open and nobody is to decide anything.
const ENDED: &str =
    "r.status >= 10 AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.run = r.id AND (e.status < 10 OR e.status >= 30))";
/// An event that no run has, and that no run which began with its key before it may still look for.
const UNUSED: &str = "NOT EXISTS (SELECT 1 FROM runs r WHERE r.event = e.id)
    AND NOT EXISTS (SELECT 1 FROM events o JOIN runs r ON r.event = o.id WHERE o.key = e.key AND o.id < e.id AND r.status < 10)";

/// Walks what is older, from where the last bite ended. The newest row of a table never goes: ids go on above it.
pub(super) fn look(db: &Connection, kept: Kept, before: Timestamp, limit: u32) -> Found {
    let (first, second): (i64, i64) = db
        .prepare_cached("SELECT first, second FROM care WHERE task = ?1")?
        .query_row([kept.as_str()], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?
        .unwrap_or_default();
    let (bound, old) = (first_id(before), ms(before));
    let by_id = |sql: String| -> Found {
        let mut statement = db.prepare_cached(&sql)?;
        let mut rows = statement.query(params![first, bound, old, limit])?;
        let mut found = Look { next: (first, 0), ..Look::default() };
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            found.looked += 1;
            found.next.0 = id;
            if row.get::<_, Option<bool>>(1)?.unwrap_or(false) {
                found.go.push((id, 0));
            }
        }
        found.done = found.looked < u64::from(limit);
        Ok(found)
    };
    match kept {
        Kept::Bodies => by_id(format!(
            "SELECT d.id, d.received_at < ?3 AND length(d.packed) > 29 AND {FINISHED}
             FROM deliveries d WHERE d.id > ?1 AND d.id < ?2 ORDER BY d.id LIMIT ?4"
        )),
        Kept::Ignored => by_id(format!(
            "SELECT d.id, s.status IN (3, 5) AND d.received_at < ?3 AND {FINISHED} AND {NO_EVENT}
               AND d.id < (SELECT max(id) FROM deliveries)
             FROM delivery_result s CROSS JOIN deliveries d ON d.id = s.delivery
             WHERE s.delivery > ?1 AND s.delivery < ?2 ORDER BY s.delivery LIMIT ?4"
        )),
        Kept::Deliveries => by_id(format!(
            "SELECT d.id, d.received_at < ?3 AND {FINISHED} AND {NO_EVENT} AND d.id < (SELECT max(id) FROM deliveries)
             FROM deliveries d WHERE d.id > ?1 AND d.id < ?2 ORDER BY d.id LIMIT ?4"
        )),
        Kept::Runs => {
            let mut found = by_id(format!(
                "SELECT r.id, r.updated_at < ?3 AND r.id < (SELECT max(id) FROM runs) AND {ENDED}
                 FROM runs r WHERE r.id > ?1 AND r.id < ?2 ORDER BY r.id LIMIT ?4"
            ))?;
            with_effects(db, &mut found)?;
            Ok(found)
        }
        Kept::Reads => by_id(
            "SELECT id, status BETWEEN 10 AND 24 AND created_at < ?3 AND id < (SELECT max(id) FROM effects)
             FROM effects INDEXED BY effects_run WHERE run IS NULL AND id > ?1 AND id < ?2 ORDER BY id LIMIT ?4"
                .into(),
        ),
        Kept::Events => by_id(format!(
            "SELECT e.id, e.received_at < ?3 AND e.id < (SELECT max(id) FROM events) AND {UNUSED}
             FROM events e WHERE e.id > ?1 AND e.id < ?2 ORDER BY e.id LIMIT ?4"
        )),
        Kept::EventLinks | Kept::DeliveryLinks => {
            let (link, to, table) = if kept == Kept::EventLinks {
                ("event_subject", "event", "events")
            } else {
                ("delivery_subject", "delivery", "deliveries")
            };
            pairs(
                db,
                &format!(
                    "SELECT subject, {to}, NOT EXISTS (SELECT 1 FROM {table} t WHERE t.id = {to}), 1 FROM {link}
                     WHERE (subject, {to}) > (?1, ?2) ORDER BY subject, {to} LIMIT ?3"
                ),
                (first, second),
                limit,
            )
        }
        Kept::Replays | Kept::Facts => {
            let which = if kept == Kept::Replays { "kind = 'replay'" } else { "kind <> 'replay'" };
            pairs(
                db,
                &format!(
                    "SELECT entity, discriminator, {which} AND at < {old}, NOT ({which} AND at IS NULL) FROM dedup
                     WHERE (entity, discriminator) > (?1, ?2) ORDER BY entity, discriminator LIMIT ?3"
                ),
                (first, second),
                limit,
            )
        }
    }
}

fn pairs(db: &Connection, sql: &str, from: (i64, i64), limit: u32) -> Found {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query(params![from.0, from.1, limit])?;
    let mut found = Look { next: from, ..Look::default() };
    while let Some(row) = rows.next()? {
        found.looked += 1;
        found.next = (row.get(0)?, row.get(1)?);
        if row.get::<_, Option<bool>>(2)?.unwrap_or(false) {
            found.go.push(found.next);
        }
        if !row.get::<_, bool>(3)? {
            found.undated.push(found.next);
        }
    }
    found.done = found.looked < u64::from(limit);
    Ok(found)
}

/// Effects of the runs that may go. A run with more of them than a bite takes goes in a later one.
fn with_effects(db: &Connection, found: &mut Look) -> Result<(), ReadError> {
    let mut statement = db.prepare_cached("SELECT id FROM effects WHERE run = ?1 ORDER BY id LIMIT ?2")?;
    let mut whole = 0;
    for (run, _) in &found.go {
        let room = EFFECTS.saturating_sub(found.effects.len());
        let ids = statement.query_map(params![run, i64::try_from(room + 1).unwrap_or(0)], |r| r.get(0))?;
        let ids = ids.collect::<rusqlite::Result<Vec<i64>>>()?;
        found.effects.extend(ids.iter().take(room));
        if ids.len() > room {
            // This run, and what is behind it, is looked at again.
            found.next.0 = run - 1;
            found.done = false;
            break;
        }
        whole += 1;
    }
    found.go.truncate(whole);
    Ok(())
}

/// Removes what was found, and keeps where the pass stands.
fn remove(
    db: &Connection,
    kept: Kept,
    found: &Look,
    before: Timestamp,
    now: Timestamp,
    empty: &[u8],
) -> rusqlite::Result<u64> {
    let old = ms(before);
    let mut removed = 0;
    match kept {
        Kept::Bodies => {
            let mut statement =
                db.prepare_cached(&format!("UPDATE deliveries AS d SET packed = ?2 WHERE d.id = ?1 AND {FINISHED}"))?;
            for (id, _) in &found.go {
                removed += statement.execute(params![id, empty])?;
            }
        }
        Kept::Ignored | Kept::Deliveries => {
            let mut row = db.prepare_cached(&format!(
                "DELETE FROM deliveries AS d WHERE d.id = ?1 AND {FINISHED} AND {NO_EVENT}"
            ))?;
            let mut result = db.prepare_cached("DELETE FROM delivery_result WHERE delivery = ?1")?;
            for (id, _) in &found.go {
                if row.execute([id])? == 1 {
                    removed += 1;
                    result.execute([id])?;
                }
            }
        }
        Kept::Runs => {
            delete_effects(db, &found.effects)?;
            let mut statement = db.prepare_cached(
                "DELETE FROM runs AS r WHERE r.id = ?1 AND r.status >= 10 AND r.updated_at < ?2
                 AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.run = r.id)",
            )?;
            for (id, _) in &found.go {
                removed += statement.execute(params![id, old])?;
            }
        }
        Kept::Reads => {
            let ids: Vec<i64> = found.go.iter().map(|g| g.0).collect();
            removed += delete_effects(db, &ids)?;
        }
        Kept::Events => {
            let mut statement = db.prepare_cached(&format!("DELETE FROM events AS e WHERE e.id = ?1 AND {UNUSED}"))?;
            for (id, _) in &found.go {
                removed += statement.execute([id])?;
            }
        }
        Kept::EventLinks | Kept::DeliveryLinks => {
            let sql = if kept == Kept::EventLinks {
                "DELETE FROM event_subject WHERE subject = ?1 AND event = ?2 AND NOT EXISTS (SELECT 1 FROM events WHERE id = ?2)"
            } else {
                "DELETE FROM delivery_subject WHERE subject = ?1 AND delivery = ?2
                 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE id = ?2)"
            };
            let mut statement = db.prepare_cached(sql)?;
            for pair in &found.go {
                removed += statement.execute([pair.0, pair.1])?;
            }
        }
        Kept::Replays | Kept::Facts => {
            let which = if kept == Kept::Replays { "kind = 'replay'" } else { "kind <> 'replay'" };
            let mut gone = db.prepare_cached(&format!(
                "DELETE FROM dedup WHERE entity = ?1 AND discriminator = ?2 AND {which} AND at < ?3"
            ))?;
            let mut seen = db.prepare_cached(&format!(
                "UPDATE dedup SET at = ?3 WHERE entity = ?1 AND discriminator = ?2 AND {which} AND at IS NULL"
            ))?;
            for pair in &found.go {
                removed += gone.execute([pair.0, pair.1, old])?;
            }
            for pair in &found.undated {
                seen.execute([pair.0, pair.1, ms(now)])?;
            }
        }
    }
    // Bodies that were emptied are not looked at again; everything else that stays may go next time.
    let next = if found.done && kept != Kept::Bodies { (0, 0) } else { found.next };
    let removed = removed as u64;
    db.prepare_cached(
        "INSERT INTO care (task, first, second, removed, passed_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (task) DO UPDATE SET first = excluded.first, second = excluded.second,
           removed = removed + excluded.removed, passed_at = coalesce(excluded.passed_at, passed_at)",
    )?
    .execute(params![kept.as_str(), next.0, next.1, removed, found.done.then(|| ms(now))])?;
    Ok(removed)
}

/// Ended effects with their attempts; what is open or held stays.
fn delete_effects(db: &Connection, ids: &[i64]) -> rusqlite::Result<usize> {
    let mut row = db.prepare_cached("DELETE FROM effects WHERE id = ?1 AND status BETWEEN 10 AND 24")?;
    let mut attempts = db.prepare_cached("DELETE FROM attempts WHERE effect = ?1")?;
    let mut removed = 0;
    for id in ids {
        if row.execute([id])? == 1 {
            removed += 1;
            attempts.execute([id])?;
        }
    }
    Ok(removed)
}

fn stand(db: &Connection) -> Result<Vec<CareRow>, ReadError> {
    Kept::ALL
        .into_iter()
        .map(|kept| {
            let row: Option<(u64, Option<i64>, i64)> = db
                .prepare_cached("SELECT removed, passed_at, first FROM care WHERE task = ?1")?
                .query_row([kept.as_str()], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
                .optional()?;
            let (removed, passed, first) = row.unwrap_or_default();
            let oldest = match kept {
                Kept::Bodies => {
                    Some(format!("SELECT received_at FROM deliveries WHERE id > {first} ORDER BY id LIMIT 1"))
                }
                Kept::Deliveries => Some("SELECT received_at FROM deliveries ORDER BY id LIMIT 1".into()),
                Kept::Runs => Some("SELECT created_at FROM runs ORDER BY id LIMIT 1".into()),
                Kept::Events => Some("SELECT received_at FROM events ORDER BY id LIMIT 1".into()),
                _ => None,
            };
            let oldest: Option<i64> = match oldest {
                Some(sql) => db.prepare(&sql)?.query_row([], |r| r.get(0)).optional()?,
                None => None,
            };
            Ok(CareRow { kept, removed, passed_at: passed.map(time), oldest: oldest.map(time) })
        })
        .collect()
}

/// What of a person is to be redacted in one bite.
#[derive(Default)]
struct Traces {
    deliveries: Vec<i64>,
    events: Vec<i64>,
    entities: Vec<(i64, EntityRef)>,
    runs: Vec<i64>,
    next: Option<i64>,
}

fn person(db: &Connection, sealer: &Sealer, who: &Person, after: i64, limit: u32) -> Result<Traces, ReadError> {
    let page = read::naming(db, who.subject, after, limit)?;
    let mut found = Traces { next: page.next, ..Traces::default() };
    let mut events = db.prepare_cached(
        "SELECT e.id, e.connection, e.body FROM events e JOIN event_subject s ON s.event = e.id AND s.subject = ?2
         WHERE e.delivery = ?1",
    )?;
    let mut runs = db.prepare_cached("SELECT id FROM runs WHERE event = ?1")?;
    for delivery in page.rows {
        found.deliveries.push(delivery.get());
        let rows = events.query_map([delivery.get(), who.subject], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        for row in rows {
            let (event, connection, body): (i64, i64, Vec<u8>) = row?;
            found.events.push(event);
            found.entities.extend(named_in(&sealer.open(&body)?, &who.personal).into_iter().map(|r| (connection, r)));
            for run in runs.query_map([event], |r| r.get(0))? {
                found.runs.push(run?);
            }
        }
    }
    Ok(found)
}

/// Replacements, sealed off the writer.
struct Blank {
    packed: Vec<u8>,
    event: Vec<u8>,
    json: Vec<u8>,
    run: Vec<u8>,
}

impl Blank {
    fn new(sealer: &Sealer) -> Self {
        let seal = |plain: &[u8]| sealer.seal(plain).0;
        Self { packed: seal(b""), event: seal(ERASED_EVENT), json: seal(ERASED), run: seal(ERASED_RUN) }
    }
}

fn blank(db: &Connection, p: &Traces, with: &Blank, now: i64) -> rusqlite::Result<u64> {
    let mut rows = 0;
    for id in &p.deliveries {
        rows +=
            db.prepare_cached("UPDATE deliveries SET packed = ?2 WHERE id = ?1")?.execute(params![id, with.packed])?;
        db.prepare_cached("UPDATE delivery_result SET reason = NULL WHERE delivery = ?1")?.execute([id])?;
        // What is not decided yet must not bring the person back.
        if db.prepare_cached("DELETE FROM inbox WHERE delivery = ?1")?.execute([id])? == 1 {
            db.prepare_cached("INSERT OR REPLACE INTO delivery_result (delivery, status) VALUES (?1, 3)")?
                .execute([id])?;
        }
    }
    for id in &p.events {
        rows += db.prepare_cached("UPDATE events SET body = ?2 WHERE id = ?1")?.execute(params![id, with.event])?;
    }
    for (connection, entity) in &p.entities {
        // Its hash stays: a poll of the same state is known, and does not bring it back.
        rows += db
            .prepare_cached(
                "UPDATE entities SET data = ?4, version = version + 1 WHERE connection = ?1 AND kind = ?2 AND entity = ?3",
            )?
            .execute(params![connection, entity.kind, entity.id, with.json])?;
    }
    for id in &p.runs {
        rows += db
            .prepare_cached(
                "UPDATE runs SET state = ?2, version = version + 1, updated_at = CASE WHEN status < 10 THEN ?3 ELSE updated_at END,
                   status = CASE WHEN status < 10 THEN 11 ELSE status END WHERE id = ?1",
            )?
            .execute(params![id, with.run, now])?;
        rows += db
            .prepare_cached(
                "UPDATE effects SET input = ?2, call = NULL, outcome = NULL, detail = NULL,
                   status = CASE WHEN status = 0 THEN 22 WHEN status < 10 OR status >= 30 THEN 23 ELSE status END
                 WHERE run = ?1",
            )?
            .execute(params![id, with.json])?;
        rows += db
            .prepare_cached(
                "UPDATE attempts SET detail = NULL WHERE effect IN (SELECT id FROM effects WHERE run = ?1)",
            )?
            .execute([id])?;
    }
    Ok(rows as u64)
}

impl SqliteStore {
    /// Housekeeping that gives something back.
    fn told<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Fut<'_, T> {
        Box::pin(async move {
            let (tx, mut rx) = oneshot::channel();
            self.misc(move |db| {
                let value = f(db)?;
                // The caller may be gone.
                drop(tx.send(value));
                Ok(())
            })
            .await?;
            rx.try_recv().map_err(|_| Error::Closed)
        })
    }
}

impl Care for SqliteStore {
    fn prune(&self, kept: Kept, before: Timestamp, now: Timestamp, limit: u32) -> Fut<'_, Bite> {
        Box::pin(async move {
            let found = self.read(move |db, _| look(db, kept, before, limit)).await?;
            let (looked, done) = (found.looked, found.done);
            let empty = self.sealer.seal(b"").0;
            let removed = self.told(move |db| remove(db, kept, &found, before, now, &empty)).await?;
            Ok(Bite { looked, removed, done })
        })
    }
    fn care(&self) -> Fut<'_, Vec<CareRow>> {
        self.read(|db, _| stand(db))
    }
    fn care_turn(&self, _millis: u32) -> Fut<'_, bool> {
        // The lock of the file is ours.
        Box::pin(async { Ok(true) })
    }
    fn space(&self) -> Fut<'_, Space> {
        self.read(|db, _| {
            let ask = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, u64>(0));
            let page = ask("page_size")?;
            Ok(Space {
                bytes: ask("page_count")? * page,
                free_bytes: ask("freelist_count")? * page,
                gives_back: ask("auto_vacuum")? == 2,
            })
        })
    }
    fn give_back(&self, pages: u32) -> Fut<'_, ()> {
        self.misc(move |db| {
            // Each step gives one page back.
            let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        })
    }
    fn pending(&self) -> Fut<'_, (u64, u64)> {
        self.read(|db, _| {
            Ok(db
                .prepare_cached("SELECT count(*), coalesce(sum(bytes), 0) FROM inbox")?
                .query_row([], |r| Ok((r.get(0)?, r.get(1)?)))?)
        })
    }
    fn disk_free(&self) -> u64 {
        read::disk_free(&self.path)
    }

    fn redact(&self, who: Person, after: i64, limit: u32, now: Timestamp) -> Fut<'_, Redacted> {
        Box::pin(async move {
            let found = self.read(move |db, sealer| person(db, sealer, &who, after, limit)).await?;
            let (next, with) = (found.next, Blank::new(&self.sealer));
            let rows = self.told(move |db| blank(db, &found, &with, ms(now))).await?;
            Ok(Redacted { rows, next })
        })
    }
    fn hold_back(&self, but: Vec<(i64, String)>, code: &'static str, why: String) -> Fut<'_, u64> {
        Box::pin(async move {
            let reason = self.sealer.seal_json(&serde_json::json!({ "why": why })).0;
            let (mut after, mut held) = (-1, 0);
            loop {
                let page: Vec<(i64, i64, String, bool)> = self
                    .read(move |db, _| {
                        let mut statement = db.prepare_cached(
                            "SELECT id, connection, action, resend_unknown FROM effects
                             WHERE status = 0 AND id > ?1 ORDER BY id LIMIT ?2",
                        )?;
                        let rows = statement.query_map(params![after, i64::try_from(EFFECTS).unwrap_or(0)], |r| {
                            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
                        })?;
                        Ok(rows.collect::<Result<_, _>>()?)
                    })
                    .await?;
                let Some(last) = page.last() else { return Ok(held) };
                after = last.0;
                let hold: Vec<i64> = page
                    .into_iter()
                    .filter(|(_, c, a, twice)| !twice && !but.iter().any(|(bc, ba)| bc == c && ba == a))
                    .map(|e| e.0)
                    .collect();
                let reason = reason.clone();
                held += self
                    .told(move |db| {
                        let mut statement = db.prepare_cached(
                            "UPDATE effects SET status = 31, code = ?2, outcome = ?3, not_before = NULL WHERE id = ?1 AND status = 0",
                        )?;
                        hold.iter().map(|id| statement.execute(params![id, code, reason])).sum::<rusqlite::Result<usize>>()
                    })
                    .await? as u64;
            }
        })
    }
    fn backup(&self, file: PathBuf, at: Timestamp, progress: Arc<Progress>) -> Fut<'_, Manifest> {
        Box::pin(async move {
            let key = self.own_key()?;
            let mut draft = Draft::beside(&file)?;
            let to = connect(draft.path(), false)?;
            // It is synced once, whole, before it gets its name.
            to.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF").map_err(|e| classify(&e))?;
            let (tx, rx) = oneshot::channel();
            self.shared.order(Order { to, progress, done: tx })?;
            rx.await.map_err(|_| Error::Closed)?.map_err(|e| classify(&e))?;
            let closing = move || -> Result<Manifest, Error> {
                let manifest = Manifest::new("sqlite", schema::VERSION, at, key);
                let manifest = check_copy(draft.path(), manifest)?;
                let manifest = backup::seal_off(draft.path(), manifest)?;
                draft.keep()?;
                Ok(manifest)
            };
            tokio::task::spawn_blocking(closing).await.unwrap_or(Err(Error::Closed))
        })
    }
}

impl SqliteStore {
    /// Fingerprint of the key file as it is now; an error when it is gone or does not open this database.
    fn own_key(&self) -> Result<String, Error> {
        let master = seal::master_key(&self.key_path, false)?;
        let wrapped: Vec<u8> = self
            .reader()
            .begin()
            .query_row("SELECT wrapped FROM keys WHERE purpose = 'data' ORDER BY id DESC", [], |r| r.get(0))
            .map_err(|e| classify(&e))?;
        seal::unwrap(&master, &wrapped, &self.key_path)?;
        Ok(seal::fingerprint(&master))
    }
}

/// Makes the copy one file, checks all of it and counts its rows.
fn check_copy(path: &Path, mut manifest: Manifest) -> Result<Manifest, Error> {
    let db = connect(path, false)?;
    (|| {
        db.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
        let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0))?;
        if verdict != "ok" {
            return Ok(Some(verdict));
        }
        let mut names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
        let names = names.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        for name in names {
            let rows = db.query_row(&format!("SELECT count(*) FROM \"{name}\""), [], |r| r.get(0))?;
            manifest.tables.insert(name, Table { rows, ..Table::default() });
        }
        Ok(None)
    })()
    .map_err(|e: rusqlite::Error| classify(&e))?
    .map_or(Ok(()), |verdict: String| Err(Error::Corrupt(format!("the copy is not whole: {verdict}"))))?;
    drop(db);
    Ok(manifest)
}
