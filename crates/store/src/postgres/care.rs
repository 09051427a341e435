//! Care of the tables: retention, redacting. What is to go is looked for by a read; one statement of the
//! writer removes it, looks once more at what matters, and keeps where the pass stands.

use super::PostgresStore;
use super::read::{self, Read, get, maybe_at, rows, small};
use super::statement::{Param, bytes, int, ints, text};
use crate::backup::{Manifest, Progress};
use crate::care::{
    Bite, Care, CareRow, EFFECTS, ERASED, ERASED_EVENT, ERASED_RUN, Kept, Person, Redacted, SCANS, Space, first_id,
    named_in,
};
use crate::codes::ms;
use crate::contract::Fut;
use crate::seal::Sealer;
use jiff::Timestamp;
use pasarela_domain::EntityRef;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_postgres::Client;

/// What a look brought; the meaning is that of the SQLite adapter.
#[derive(Default)]
struct Look {
    looked: u64,
    go: Vec<(i64, i64)>,
    effects: Vec<i64>,
    undated: Vec<(i64, i64)>,
    next: (i64, i64),
    done: bool,
    /// Removed before this bite.
    removed: u64,
}

const FINISHED: &str = "NOT EXISTS (SELECT 1 FROM inbox i WHERE i.delivery = d.id)
    AND coalesce((SELECT r.status FROM delivery_result r WHERE r.delivery = d.id), 1) IN (1, 3, 5)
    AND NOT EXISTS (SELECT 1 FROM records h JOIN record_subjects hs ON hs.record = h.number
      JOIN delivery_subject s ON s.subject = hs.subject AND s.delivery = d.id WHERE h.open AND h.kind = 'hold')
    AND NOT EXISTS (SELECT 1 FROM records h JOIN record_subjects hs ON hs.record = h.number
      JOIN events he ON he.delivery = d.id JOIN event_subject s ON s.subject = hs.subject AND s.event = he.id
      WHERE h.open AND h.kind = 'hold')";
const NO_EVENT: &str = "NOT EXISTS (SELECT 1 FROM events e WHERE e.delivery = d.id)";
const ENDED: &str =
    "r.status >= 10 AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.run = r.id AND (e.status < 10 OR e.status >= 30))";
/// A run whose event is about nobody who is held.
const FREE_RUN: &str = "NOT EXISTS (SELECT 1 FROM records h JOIN record_subjects hs ON hs.record = h.number
      JOIN event_subject s ON s.subject = hs.subject AND s.event = r.event WHERE h.open AND h.kind = 'hold')";
const UNUSED: &str = "NOT EXISTS (SELECT 1 FROM runs r WHERE r.event = e.id)
    AND NOT EXISTS (SELECT 1 FROM events o JOIN runs r ON r.event = o.id WHERE o.key = e.key AND o.id < e.id AND r.status < 10)
    AND NOT EXISTS (SELECT 1 FROM records h JOIN record_subjects hs ON hs.record = h.number
      JOIN event_subject s ON s.subject = hs.subject AND s.event = e.id WHERE h.open AND h.kind = 'hold')";
/// Keeps where a pass stands: `$1` to `$4`.
const BOOK: &str = "INSERT INTO care AS c (task, first, second, removed, passed_at)
    SELECT $1, $2, $3, (SELECT count(*) FROM gone), $4
    ON CONFLICT (task) DO UPDATE SET first = excluded.first, second = excluded.second,
      removed = c.removed + excluded.removed, passed_at = coalesce(excluded.passed_at, c.passed_at)";

/// One row of `care`: where the pass stands, and what it removed so far.
async fn stand_of(db: &Client, kept: Kept) -> Read<(i64, i64, u64, Option<Timestamp>)> {
    let sql = "SELECT first, second, removed, passed_at FROM care WHERE task = $1";
    match rows(db, sql, vec![text(kept.as_str())]).await?.first() {
        Some(r) => Ok((get(r, 0)?, get(r, 1)?, small(r, 2)?, maybe_at(r, 3)?)),
        None => Ok((0, 0, 0, None)),
    }
}

/// Of scans at the door only: the types are [`crate::care::SCANS`].
fn of_scans(kept: Kept, event: &str) -> String {
    if matches!(kept, Kept::Scans | Kept::ScanRuns) {
        let [there, undone] = SCANS;
        format!("EXISTS (SELECT 1 FROM events scan WHERE scan.id = {event} AND scan.type IN ('{there}', '{undone}'))")
    } else {
        "true".to_owned()
    }
}

async fn look(db: &Client, kept: Kept, before: Timestamp, limit: u32) -> Read<Look> {
    let (first, second, removed, _) = stand_of(db, kept).await?;
    let (bound, old) = (first_id(before), ms(before));
    let by_id = match kept {
        Kept::Bodies => Some(format!(
            "SELECT d.id, d.received_at < $3 AND octet_length(d.packed) > 29 AND {FINISHED}
             FROM deliveries d WHERE d.id > $1 AND d.id < $2 ORDER BY d.id LIMIT $4"
        )),
        Kept::Ignored => Some(format!(
            "SELECT d.id, s.status IN (3, 5) AND d.received_at < $3 AND {FINISHED} AND {NO_EVENT}
               AND d.id < (SELECT max(id) FROM deliveries)
             FROM delivery_result s JOIN deliveries d ON d.id = s.delivery
             WHERE s.delivery > $1 AND s.delivery < $2 ORDER BY s.delivery LIMIT $4"
        )),
        Kept::Deliveries => Some(format!(
            "SELECT d.id, d.received_at < $3 AND {FINISHED} AND {NO_EVENT} AND d.id < (SELECT max(id) FROM deliveries)
             FROM deliveries d WHERE d.id > $1 AND d.id < $2 ORDER BY d.id LIMIT $4"
        )),
        Kept::Runs | Kept::ScanRuns => Some(format!(
            "SELECT r.id, r.updated_at < $3 AND {} AND r.id < (SELECT max(id) FROM runs) AND {ENDED} AND {FREE_RUN}
             FROM runs r WHERE r.id > $1 AND r.id < $2 ORDER BY r.id LIMIT $4",
            of_scans(kept, "r.event")
        )),
        Kept::Reads => Some(
            "SELECT id, status BETWEEN 10 AND 24 AND created_at < $3 AND id < (SELECT max(id) FROM effects)
             FROM effects WHERE run IS NULL AND id > $1 AND id < $2 ORDER BY run, id LIMIT $4"
                .into(),
        ),
        Kept::Events | Kept::Scans => Some(format!(
            "SELECT e.id, e.received_at < $3 AND {} AND e.id < (SELECT max(id) FROM events) AND {UNUSED}
             FROM events e WHERE e.id > $1 AND e.id < $2 ORDER BY e.id LIMIT $4",
            of_scans(kept, "e.id")
        )),
        _ => None,
    };
    let mut found = Look { next: (first, second), removed, ..Look::default() };
    if let Some(sql) = by_id {
        for row in rows(db, sql, vec![int(first), int(bound), int(old), int(limit)]).await? {
            found.looked += 1;
            found.next = (get(&row, 0)?, 0);
            if get::<Option<bool>>(&row, 1)?.unwrap_or(false) {
                found.go.push(found.next);
            }
        }
    } else {
        let (sql, with_age) = match kept {
            Kept::EventLinks => (links("event_subject", "event", "events"), false),
            Kept::DeliveryLinks => (links("delivery_subject", "delivery", "deliveries"), false),
            _ => {
                let which = which_keys(kept);
                let sql = format!(
                    "SELECT entity, discriminator, {which} AND at < $4, {which} AND at IS NULL FROM dedup
                     WHERE (entity, discriminator) > ($1, $2) ORDER BY entity, discriminator LIMIT $3"
                );
                (sql, true)
            }
        };
        let mut params = vec![int(first), int(second), int(limit)];
        if with_age {
            params.push(int(old));
        }
        for row in rows(db, sql, params).await? {
            found.looked += 1;
            found.next = (get(&row, 0)?, get(&row, 1)?);
            if get::<Option<bool>>(&row, 2)?.unwrap_or(false) {
                found.go.push(found.next);
            }
            if get(&row, 3)? {
                found.undated.push(found.next);
            }
        }
    }
    found.done = found.looked < u64::from(limit);
    if matches!(kept, Kept::Runs | Kept::ScanRuns) {
        with_effects(db, &mut found).await?;
    }
    Ok(found)
}

fn links(link: &str, to: &str, table: &str) -> String {
    format!(
        "SELECT subject, {to}, NOT EXISTS (SELECT 1 FROM {table} t WHERE t.id = {to}), false FROM {link}
         WHERE (subject, {to}) > ($1, $2) ORDER BY subject, {to} LIMIT $3"
    )
}

fn which_keys(kept: Kept) -> &'static str {
    if kept == Kept::Replays { "kind = 'replay'" } else { "kind <> 'replay'" }
}

async fn with_effects(db: &Client, found: &mut Look) -> Read<()> {
    let most = i64::try_from(EFFECTS).unwrap_or(i64::MAX);
    let sql = "SELECT run, id FROM effects WHERE run = ANY($1) ORDER BY run, id LIMIT $2";
    let runs = found.go.iter().map(|g| g.0);
    let all = rows(db, sql, vec![ints(runs), int(most + 1)]).await?;
    let mut last = None;
    for row in all.iter().take(EFFECTS) {
        found.effects.push(get(row, 1)?);
    }
    if let Some(beyond) = all.get(EFFECTS) {
        last = Some(get::<i64>(beyond, 0)?);
    }
    if let Some(run) = last {
        // This run, and what is behind it, is looked at again.
        found.go.retain(|g| g.0 < run);
        found.next = (run - 1, 0);
        found.done = false;
    }
    Ok(())
}

/// The statement that removes what was found.
fn remove(
    kept: Kept,
    found: &Look,
    before: Timestamp,
    now: Timestamp,
    empty: Vec<u8>,
) -> (String, Vec<Param<'static>>) {
    let next = if found.done && kept != Kept::Bodies { (0, 0) } else { found.next };
    let mut params = vec![
        text(kept.as_str()),
        int(next.0),
        int(next.1),
        super::statement::maybe_int(found.done.then(|| ms(now))),
        ints(found.go.iter().map(|g| g.0)),
    ];
    let gone = match kept {
        Kept::Bodies => {
            params.push(bytes(empty));
            format!("UPDATE deliveries d SET packed = $6 WHERE d.id = ANY($5) AND {FINISHED} RETURNING d.id")
        }
        Kept::Ignored | Kept::Deliveries => {
            format!("DELETE FROM deliveries d WHERE d.id = ANY($5) AND {FINISHED} AND {NO_EVENT} RETURNING d.id")
        }
        Kept::Runs | Kept::ScanRuns => {
            params.push(ints(found.effects.iter().copied()));
            params.push(int(ms(before)));
            // All see the tables as they were: an effect that goes now is still there.
            format!("DELETE FROM runs r WHERE r.id = ANY($5) AND r.status >= 10 AND r.updated_at < $7 AND {FREE_RUN}
             AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.run = r.id AND NOT (e.id = ANY($6) AND e.status BETWEEN 10 AND 24))
             RETURNING r.id")
        }
        Kept::Reads => "DELETE FROM effects WHERE id = ANY($5) AND status BETWEEN 10 AND 24 RETURNING id".into(),
        Kept::Events | Kept::Scans => format!("DELETE FROM events e WHERE e.id = ANY($5) AND {UNUSED} RETURNING e.id"),
        Kept::EventLinks | Kept::DeliveryLinks => {
            params.push(ints(found.go.iter().map(|g| g.1)));
            let (link, to, table) = if kept == Kept::EventLinks {
                ("event_subject", "event", "events")
            } else {
                ("delivery_subject", "delivery", "deliveries")
            };
            format!(
                "DELETE FROM {link} l USING unnest($5::bigint[], $6::bigint[]) AS n (a, b)
                 WHERE l.subject = n.a AND l.{to} = n.b AND NOT EXISTS (SELECT 1 FROM {table} t WHERE t.id = l.{to})
                 RETURNING l.subject"
            )
        }
        Kept::Replays | Kept::Facts => {
            params.push(ints(found.go.iter().map(|g| g.1)));
            params.push(int(ms(before)));
            format!(
                "DELETE FROM dedup k USING unnest($5::bigint[], $6::bigint[]) AS n (a, b)
                 WHERE k.entity = n.a AND k.discriminator = n.b AND {} AND k.at < $7 RETURNING k.entity",
                which_keys(kept)
            )
        }
    };
    let beside = match kept {
        Kept::Ignored | Kept::Deliveries => {
            ", beside AS (DELETE FROM delivery_result WHERE delivery IN (SELECT id FROM gone))".to_owned()
        }
        Kept::Runs | Kept::ScanRuns => format!(
            ", e AS (DELETE FROM effects x WHERE x.id = ANY($6) AND x.status BETWEEN 10 AND 24
                 AND EXISTS (SELECT 1 FROM runs r WHERE r.id = x.run AND {FREE_RUN}) RETURNING id),
            a AS (DELETE FROM attempts WHERE effect IN (SELECT id FROM e))"
        ),
        Kept::Reads => ", a AS (DELETE FROM attempts WHERE effect IN (SELECT id FROM gone))".to_owned(),
        Kept::Replays | Kept::Facts if !found.undated.is_empty() => {
            params.extend([
                ints(found.undated.iter().map(|u| u.0)),
                ints(found.undated.iter().map(|u| u.1)),
                int(ms(now)),
            ]);
            format!(
                ", dated AS (UPDATE dedup k SET at = $10 FROM unnest($8::bigint[], $9::bigint[]) AS n (a, b)
                   WHERE k.entity = n.a AND k.discriminator = n.b AND {} AND k.at IS NULL)",
                which_keys(kept)
            )
        }
        _ => String::new(),
    };
    (format!("WITH gone AS ({gone}){beside} {BOOK}"), params)
}

async fn stand(db: &Client) -> Read<Vec<CareRow>> {
    let mut all = Vec::with_capacity(Kept::ALL.len());
    for kept in Kept::ALL {
        let (first, _, removed, passed_at) = stand_of(db, kept).await?;
        let oldest = match kept {
            Kept::Bodies => Some(format!("SELECT received_at FROM deliveries WHERE id > {first} ORDER BY id LIMIT 1")),
            Kept::Deliveries => Some("SELECT received_at FROM deliveries ORDER BY id LIMIT 1".into()),
            Kept::Runs => Some("SELECT created_at FROM runs ORDER BY id LIMIT 1".into()),
            Kept::Events => Some("SELECT received_at FROM events ORDER BY id LIMIT 1".into()),
            _ => None,
        };
        let oldest = match oldest {
            Some(sql) => rows(db, sql, vec![]).await?.first().map(|r| maybe_at(r, 0)).transpose()?.flatten(),
            None => None,
        };
        all.push(CareRow { kept, removed, passed_at, oldest });
    }
    Ok(all)
}

#[derive(Default)]
pub(super) struct Traces {
    deliveries: Vec<i64>,
    events: Vec<i64>,
    entities: Vec<(i64, EntityRef)>,
    runs: Vec<i64>,
    records: Vec<i64>,
    pub(super) next: Option<i64>,
    held: bool,
}

impl Traces {
    pub(super) fn rows(&self) -> u64 {
        (self.deliveries.len() + self.events.len() + self.entities.len() + self.runs.len() + self.records.len()) as u64
    }
}

pub(super) async fn traces(db: &Client, sealer: &Sealer, who: &Person, after: i64, limit: u32) -> Read<Traces> {
    if let Some(kind) = &who.held_by {
        let sql = "SELECT 1 FROM record_subjects s JOIN records r ON r.number = s.record
            WHERE s.subject = $1 AND r.kind = $2 AND r.open LIMIT 1";
        if !rows(db, sql, vec![int(who.subject), text(kind.as_str())]).await?.is_empty() {
            return Ok(Traces { held: true, ..Traces::default() });
        }
    }
    let page = read::naming(db, who.subject, after, limit).await?;
    let mut found = Traces { next: page.next, ..Traces::default() };
    // Records of one person are few: they go with the first bite.
    if after < 0 && !who.records.is_empty() {
        let sql = "SELECT r.number FROM record_subjects s JOIN records r ON r.number = s.record
            WHERE s.subject = $1 AND r.kind = ANY($2) ORDER BY r.number";
        let kinds = super::statement::owned_texts(who.records.clone());
        for row in rows(db, sql, vec![int(who.subject), kinds]).await? {
            found.records.push(get(&row, 0)?);
        }
    }
    found.deliveries.extend(page.rows.iter().map(|d| d.get()));
    let sql =
        "SELECT e.id, e.connection, e.body FROM events e JOIN event_subject s ON s.event = e.id AND s.subject = $2
        WHERE e.delivery = ANY($1) ORDER BY e.id";
    for row in rows(db, sql, vec![ints(found.deliveries.iter().copied()), int(who.subject)]).await? {
        found.events.push(get(&row, 0)?);
        let connection: i64 = get(&row, 1)?;
        let body = sealer.open(&get::<Vec<u8>>(&row, 2)?)?;
        found.entities.extend(named_in(&body, &who.personal).into_iter().map(|r| (connection, r)));
    }
    let sql = "SELECT id FROM runs WHERE event = ANY($1) ORDER BY id";
    for row in rows(db, sql, vec![ints(found.events.iter().copied())]).await? {
        found.runs.push(get(&row, 0)?);
    }
    Ok(found)
}

/// The statement that redacts; its rows are those of `traces`, so that it needs no answer.
pub(super) fn blank(t: &Traces, sealer: &Sealer, now: Timestamp) -> (String, Vec<Param<'static>>) {
    let seal = |plain: &[u8]| bytes(sealer.seal(plain).0);
    let kinds: Vec<String> = t.entities.iter().map(|e| e.1.kind.to_string()).collect();
    let ids: Vec<String> = t.entities.iter().map(|e| e.1.id.to_string()).collect();
    let sql = "WITH
        d AS (UPDATE deliveries SET packed = $2 WHERE id = ANY($1)),
        p AS (DELETE FROM inbox WHERE delivery = ANY($1) RETURNING delivery),
        q AS (INSERT INTO delivery_result (delivery, status) SELECT delivery, 3 FROM p ON CONFLICT DO NOTHING),
        w AS (UPDATE delivery_result SET reason = NULL WHERE delivery = ANY($1)),
        e AS (UPDATE events SET body = $4 WHERE id = ANY($3)),
        m AS (UPDATE entities x SET data = $8, version = x.version + 1
              FROM unnest($5::bigint[], $6::text[], $7::text[]) AS n (connection, kind, entity)
              WHERE x.connection = n.connection AND x.kind = n.kind AND x.entity = n.entity),
        r AS (UPDATE runs SET state = $10, version = version + 1,
                updated_at = CASE WHEN status < 10 THEN $11 ELSE updated_at END,
                status = CASE WHEN status < 10 THEN 11 ELSE status END WHERE id = ANY($9)),
        g AS (UPDATE records SET data = $8, version = version + 1, open = false, due = NULL, changed_at = $11
              WHERE number = ANY($12)),
        a AS (UPDATE attempts SET detail = NULL WHERE effect IN (SELECT id FROM effects WHERE run = ANY($9)))
        UPDATE effects SET input = $8, call = NULL, outcome = NULL, detail = NULL,
          status = CASE WHEN status = 0 THEN 22 WHEN status < 10 OR status >= 30 THEN 23 ELSE status END
        WHERE run = ANY($9)";
    let params = vec![
        ints(t.deliveries.iter().copied()),
        seal(b""),
        ints(t.events.iter().copied()),
        seal(ERASED_EVENT),
        ints(t.entities.iter().map(|e| e.0)),
        super::statement::owned_texts(kinds),
        super::statement::owned_texts(ids),
        seal(ERASED),
        ints(t.runs.iter().copied()),
        seal(ERASED_RUN),
        int(ms(now)),
        ints(t.records.iter().copied()),
    ];
    (sql.to_owned(), params)
}

impl Care for PostgresStore {
    fn prune(&self, kept: Kept, before: Timestamp, now: Timestamp, limit: u32) -> Fut<'_, Bite> {
        Box::pin(async move {
            let found = self.read(move |db, _| async move { look(&db, kept, before, limit).await }).await?;
            let (sql, params) = remove(kept, &found, before, now, self.sealer.seal(b"").0);
            self.misc(&sql, params).await?;
            let (_, _, removed, _) = self.read(move |db, _| async move { stand_of(&db, kept).await }).await?;
            Ok(Bite { looked: found.looked, removed: removed.saturating_sub(found.removed), done: found.done })
        })
    }
    fn care(&self) -> Fut<'_, Vec<CareRow>> {
        self.read(|db, _| async move { stand(&db).await })
    }
    fn care_turn(&self, millis: u32) -> Fut<'_, bool> {
        let epoch = self.inside.node.epoch;
        // One statement, on the clock of the database: nothing is held while the turn lasts.
        self.read(move |db, _| async move {
            let sql = "INSERT INTO care AS c (task, first, second)
                VALUES ('turn', $1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $2)
                ON CONFLICT (task) DO UPDATE SET first = excluded.first, second = excluded.second
                WHERE c.first = $1 OR c.second < (extract(epoch FROM clock_timestamp()) * 1000)::bigint
                RETURNING first";
            Ok(!rows(&db, sql, vec![int(epoch), int(millis)]).await?.is_empty())
        })
    }
    fn space(&self) -> Fut<'_, Space> {
        // Files and their free pages are the server's (its autovacuum).
        Box::pin(async { Ok(Space::default()) })
    }
    fn give_back(&self, _pages: u32) -> Fut<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn pending(&self) -> Fut<'_, (u64, u64)> {
        self.read(|db, _| async move {
            let found = rows(&db, "SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM inbox", vec![]).await?;
            found.first().map_or(Ok((0, 0)), |r| Ok((small(r, 0)?, small(r, 1)?)))
        })
    }
    fn disk_free(&self) -> u64 {
        u64::MAX
    }

    fn redact(&self, who: Person, after: i64, limit: u32, now: Timestamp) -> Fut<'_, Redacted> {
        let (subject, who) = (who.subject, Arc::new(who));
        Box::pin(async move {
            let found = self
                .read(move |db, sealer| {
                    let who = who.clone();
                    async move { traces(&db, &sealer, &who, after, limit).await }
                })
                .await?;
            if found.held {
                return Ok(Redacted { held: true, ..Redacted::default() });
            }
            let forgotten = if after < 0 { crate::audit::forget(self, subject, now).await? } else { 0 };
            let (sql, params) = blank(&found, &self.sealer, now);
            self.misc(&sql, params).await?;
            Ok(Redacted { rows: found.rows() + forgotten, next: found.next, held: false })
        })
    }
    fn hold_back(&self, but: Vec<(i64, String)>, code: &'static str, why: String) -> Fut<'_, u64> {
        Box::pin(async move {
            let reason = self.sealer.seal_json(&serde_json::json!({ "why": why })).0;
            let (mut after, mut held) = (-1i64, 0);
            loop {
                let most = i64::try_from(EFFECTS).unwrap_or(i64::MAX);
                let page: Vec<(i64, i64, String, bool)> = self
                    .read(move |db, _| async move {
                        let sql = "SELECT id, connection, action, resend_unknown FROM effects
                             WHERE status IN (0, 4) AND id > $1 ORDER BY id LIMIT $2";
                        let found = rows(&db, sql, vec![int(after), int(most)]).await?;
                        found.iter().map(|r| Ok((get(r, 0)?, get(r, 1)?, get(r, 2)?, get(r, 3)?))).collect()
                    })
                    .await?;
                let Some(last) = page.last() else { return Ok(held) };
                after = last.0;
                let hold: Vec<i64> = page
                    .into_iter()
                    .filter(|(_, c, a, twice)| !twice && !but.iter().any(|(bc, ba)| bc == c && ba == a))
                    .map(|e| e.0)
                    .collect();
                held += hold.len() as u64;
                self.misc(
                    "UPDATE effects SET status = 31, code = $2, outcome = $3, not_before = NULL WHERE id = ANY($1) AND status IN (0, 4)",
                    vec![ints(hold), text(code), bytes(reason.clone())],
                )
                .await?;
            }
        })
    }
    fn backup(&self, file: PathBuf, at: Timestamp, progress: Arc<Progress>) -> Fut<'_, Manifest> {
        Box::pin(async move { self.copy_out(file, at, progress).await })
    }
}
