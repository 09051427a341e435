//! What is sealed about a person is replaced by nothing; ids and links stay.

use crate::care::{ERASED, ERASED_EVENT, ERASED_RUN, Person, named_in};
use crate::seal::Sealer;
use crate::sqlite::{ReadError, read};
use pasarela_domain::EntityRef;
use rusqlite::{Connection, params};

/// What of a person is to be redacted in one bite.
#[derive(Default)]
pub(super) struct Traces {
    deliveries: Vec<i64>,
    events: Vec<i64>,
    entities: Vec<(i64, EntityRef)>,
    runs: Vec<i64>,
    records: Vec<i64>,
    pub(super) next: Option<i64>,
    pub(super) held: bool,
}

pub(super) fn traces(
    db: &Connection,
    sealer: &Sealer,
    who: &Person,
    after: i64,
    limit: u32,
) -> Result<Traces, ReadError> {
    if let Some(kind) = &who.held_by {
        let sql = "SELECT EXISTS (SELECT 1 FROM record_subjects s CROSS JOIN records r ON r.number = s.record
            WHERE s.subject = ?1 AND r.kind = ?2 AND r.open = 1)";
        if db.prepare_cached(sql)?.query_row(params![who.subject, kind], |r| r.get(0))? {
            return Ok(Traces { held: true, ..Traces::default() });
        }
    }
    let page = read::naming(db, who.subject, after, limit)?;
    let mut found = Traces { next: page.next, ..Traces::default() };
    // Records of one person are few: they go with the first bite.
    if after < 0 && !who.records.is_empty() {
        let sql = "SELECT r.number, r.kind FROM record_subjects s CROSS JOIN records r ON r.number = s.record WHERE s.subject = ?1";
        let mut records = db.prepare_cached(sql)?;
        let all = records.query_map([who.subject], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?)))?;
        for row in all {
            let (number, kind) = row?;
            if who.records.contains(&kind) {
                found.records.push(number);
            }
        }
    }
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
pub(super) struct Blank {
    packed: Vec<u8>,
    event: Vec<u8>,
    json: Vec<u8>,
    run: Vec<u8>,
}

impl Blank {
    pub(super) fn new(sealer: &Sealer) -> Self {
        let seal = |plain: &[u8]| sealer.seal(plain).0;
        Self { packed: seal(b""), event: seal(ERASED_EVENT), json: seal(ERASED), run: seal(ERASED_RUN) }
    }
}

pub(super) fn blank(db: &Connection, p: &Traces, with: &Blank, now: i64) -> rusqlite::Result<u64> {
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
    for number in &p.records {
        let sql = "UPDATE records SET data = ?2, version = version + 1, open = 0, due = NULL, changed_at = ?3 WHERE number = ?1";
        rows += db.prepare_cached(sql)?.execute(params![number, with.json, now])?;
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
