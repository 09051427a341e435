//! Retention: what is finished and old is walked by id, in bites.

use crate::care::{CareRow, EFFECTS, Kept, SCANS, first_id};
use crate::codes::{ms, time};
use crate::sqlite::ReadError;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

type Found = Result<Look, ReadError>;

/// What a look brought: what may go, and where the next look begins.
#[derive(Default)]
pub(in crate::sqlite) struct Look {
    pub(super) looked: u64,
    /// Rows by their one or two numbers.
    go: Vec<(i64, i64)>,
    /// Effects that go with runs.
    effects: Vec<i64>,
    /// Keys of earlier builds that have no time yet.
    undated: Vec<(i64, i64)>,
    next: (i64, i64),
    pub(super) done: bool,
}

/// Finished, and nobody is to look at it: neither pending nor quarantined, proposed or understood in part.
const FINISHED: &str = "NOT EXISTS (SELECT 1 FROM inbox i WHERE i.delivery = d.id)
    AND coalesce((SELECT r.status FROM delivery_result r WHERE r.delivery = d.id), 1) IN (1, 3, 5)
    AND NOT EXISTS (SELECT 1 FROM records h INDEXED BY records_open CROSS JOIN record_subjects hs ON hs.record = h.number
      CROSS JOIN delivery_subject s ON s.subject = hs.subject AND s.delivery = d.id WHERE h.open = 1 AND h.kind = 'hold')
    AND NOT EXISTS (SELECT 1 FROM events he CROSS JOIN records h INDEXED BY records_open CROSS JOIN record_subjects hs
      ON hs.record = h.number CROSS JOIN event_subject s ON s.subject = hs.subject AND s.event = he.id
      WHERE he.delivery = d.id AND h.open = 1 AND h.kind = 'hold')";
const NO_EVENT: &str = "NOT EXISTS (SELECT 1 FROM events e WHERE e.delivery = d.id)";
/// A run that ended, of which nothing is open and nobody is to decide anything.
const ENDED: &str =
    "r.status >= 10 AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.run = r.id AND (e.status < 10 OR e.status >= 30))";
/// A run whose event is about nobody who is held.
const FREE_RUN: &str = "NOT EXISTS (SELECT 1 FROM records h INDEXED BY records_open CROSS JOIN record_subjects hs
      ON hs.record = h.number CROSS JOIN event_subject s ON s.subject = hs.subject AND s.event = r.event
      WHERE h.open = 1 AND h.kind = 'hold')";
/// An event that no run has, and that no run which began with its key before it may still look for.
const UNUSED: &str = "NOT EXISTS (SELECT 1 FROM runs r WHERE r.event = e.id)
    AND NOT EXISTS (SELECT 1 FROM events o INDEXED BY events_key CROSS JOIN runs r INDEXED BY runs_event ON r.event = o.id
      WHERE o.key = e.key AND o.id < e.id AND r.status < 10)
    AND NOT EXISTS (SELECT 1 FROM records h INDEXED BY records_open CROSS JOIN record_subjects hs ON hs.record = h.number
      CROSS JOIN event_subject s ON s.subject = hs.subject AND s.event = e.id WHERE h.open = 1 AND h.kind = 'hold')";

/// Of scans at the door only: the types are [`crate::care::SCANS`].
fn of_scans(kept: Kept, event: &str) -> String {
    if matches!(kept, Kept::Scans | Kept::ScanRuns) {
        let [there, undone] = SCANS;
        format!("EXISTS (SELECT 1 FROM events scan WHERE scan.id = {event} AND scan.type IN ('{there}', '{undone}'))")
    } else {
        "1".to_owned()
    }
}

/// Walks what is older, from where the last bite ended. The newest row of a table never goes: ids go on above it.
pub(in crate::sqlite) fn look(db: &Connection, kept: Kept, before: Timestamp, limit: u32) -> Found {
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
        Kept::Runs | Kept::ScanRuns => {
            let of = of_scans(kept, "r.event");
            let mut found = by_id(format!(
                "SELECT r.id, r.updated_at < ?3 AND {of} AND r.id < (SELECT max(id) FROM runs) AND {ENDED} AND {FREE_RUN}
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
        Kept::Events | Kept::Scans => by_id(format!(
            "SELECT e.id, e.received_at < ?3 AND {} AND e.id < (SELECT max(id) FROM events) AND {UNUSED}
             FROM events e WHERE e.id > ?1 AND e.id < ?2 ORDER BY e.id LIMIT ?4",
            of_scans(kept, "e.id")
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
pub(super) fn remove(
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
        Kept::Runs | Kept::ScanRuns => {
            // Somebody was held since it was looked: the next bite looks again. The last effect may be one of a run
            // that does not fit into this bite.
            let mut held = db.prepare_cached(&format!("SELECT NOT {FREE_RUN} FROM runs r WHERE r.id = ?1"))?;
            let mut of = db.prepare_cached("SELECT run FROM effects WHERE id = ?1")?;
            let last: Option<i64> = match found.effects.last() {
                Some(effect) => of.query_row([effect], |r| r.get(0)).optional()?.flatten(),
                None => None,
            };
            for run in found.go.iter().map(|g| g.0).chain(last) {
                if held.query_row([run], |r| r.get(0)).optional()?.unwrap_or(false) {
                    return Ok(0);
                }
            }
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
        Kept::Events | Kept::Scans => {
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

pub(super) fn stand(db: &Connection) -> Result<Vec<CareRow>, ReadError> {
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
