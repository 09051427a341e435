//! Reads of the audit, and the statements that append to it in a transaction that has locked its head.

use super::PostgresStore;
use super::read::{Read, get, rows};
use super::statement::{Param, Statement, blobs, bytes, int, ints, maybe_blobs, owned_blobs, owned_texts, text, texts};
use crate::audit::{
    self, AuditEntry, AuditFilter, AuditHead, AuditRow, Audited, Audits, Chain, FORGOTTEN, Head, Link, ONE_OF_A_DEED,
    packed,
};
use crate::codes::ms;
use crate::contract::{Fut, Page};
use crate::page::page;
use crate::seal::Sealer;
use jiff::Timestamp;
use std::sync::Arc;
use tokio_postgres::{Client, Row};

const COLUMNS: &str =
    "seq, at, who_kind, who, named, brand, action, subject, about, forgets, actor, actor_digest, detail,
    detail_digest, previous, hash, deed, outcome";

/// Locks the head of the chain until the transaction ends.
pub(super) const LOCK_HEAD: &str = "SELECT seq, at, hash FROM audit_head WHERE id = 1 FOR UPDATE";
const ABOUT: &str = "SELECT a.seq FROM audit_about s JOIN audit a ON a.seq = s.seq
    WHERE s.subject = $1 AND a.detail IS NOT NULL ORDER BY s.seq LIMIT $2";
/// Entries whose values go with one entry when a restore makes an erasure again.
const BITE: i64 = 200;

/// Appends entries behind the head, which moves on.
pub(super) fn appending<'a>(chain: &Chain, head: &mut Head, entries: &[&'a AuditEntry]) -> Vec<Statement<'a>> {
    if entries.is_empty() {
        return Vec::new();
    }
    let all: Vec<_> = entries.iter().map(|e| (*e, chain.append(head, e))).collect();
    let mut out = vec![Statement::new(
        "INSERT INTO audit (seq, at, who_kind, who, named, brand, action, subject, about, forgets, actor,
           actor_digest, detail, detail_digest, previous, hash, deed, outcome)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[],
           $8::text[], $9::bytea[], $10::bytea[], $11::bytea[], $12::bytea[], $13::bytea[], $14::bytea[], $15::bytea[],
           $16::bytea[], $17::bigint[], $18::text[])",
        vec![
            ints(all.iter().map(|(_, l)| l.seq)),
            ints(all.iter().map(|(_, l)| l.at)),
            texts(all.iter().map(|(e, _)| e.who_kind.as_str())),
            texts(all.iter().map(|(e, _)| e.who.as_str())),
            ints(all.iter().map(|(e, _)| e.named)),
            texts(all.iter().map(|(e, _)| e.brand.as_str())),
            texts(all.iter().map(|(e, _)| e.action.as_str())),
            texts(all.iter().map(|(e, _)| e.subject.as_str())),
            owned_blobs(all.iter().map(|(e, _)| packed(&e.about))),
            owned_blobs(all.iter().map(|(e, _)| packed(&e.forgets))),
            blobs(all.iter().map(|(e, _)| &e.actor.0[..])),
            blobs(all.iter().map(|(e, _)| &e.actor_digest[..])),
            maybe_blobs(all.iter().map(|(e, _)| e.detail.as_ref().map(|d| &d.0[..]))),
            blobs(all.iter().map(|(e, _)| &e.detail_digest[..])),
            owned_blobs(all.iter().map(|(_, l)| l.previous.clone())),
            owned_blobs(all.iter().map(|(_, l)| l.hash.clone())),
            ints(all.iter().map(|(e, _)| e.deed.map_or(0, |(deed, _)| deed))),
            texts(all.iter().map(|(e, _)| e.deed.map_or("", |(_, outcome)| outcome.as_str()))),
        ],
    )];
    let about: Vec<(i64, i64)> = all.iter().flat_map(|(e, l)| e.about.iter().map(|s| (*s, l.seq))).collect();
    if !about.is_empty() {
        out.push(Statement::new(
            "INSERT INTO audit_about (subject, seq) SELECT DISTINCT * FROM unnest($1::bigint[], $2::bigint[])",
            vec![ints(about.iter().map(|a| a.0)), ints(about.iter().map(|a| a.1))],
        ));
    }
    let forgets: Vec<i64> = entries.iter().flat_map(|e| e.forgets.iter().copied()).collect();
    if !forgets.is_empty() {
        let gone = "UPDATE audit SET detail = NULL WHERE seq = ANY($1)";
        out.push(Statement::new(gone, vec![ints(forgets.iter().copied())]));
        out.push(Statement::new("DELETE FROM audit_about WHERE seq = ANY($1)", vec![ints(forgets)]));
    }
    for base in entries.iter().filter_map(|e| e.prunes.as_ref()) {
        out.push(Statement::new(
            "INSERT INTO audit_head (id, seq, at, hash, mac) VALUES (2, $1, $2, $3, $4)
             ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, at = excluded.at, hash = excluded.hash,
               mac = excluded.mac WHERE excluded.seq > audit_head.seq",
            vec![int(base.seq), int(base.at), bytes(base.hash.clone()), bytes(chain.mac_of_base(base))],
        ));
        out.push(Statement::new("DELETE FROM audit_about WHERE seq <= $1", vec![int(base.seq)]));
        out.push(Statement::new("DELETE FROM audit WHERE seq <= $1", vec![int(base.seq)]));
    }
    out.push(Statement::new(
        "UPDATE audit_head SET seq = $1, at = $2, hash = $3, mac = $4 WHERE id = 1",
        vec![int(head.seq), int(head.at), bytes(head.hash.clone()), bytes(chain.mac(head))],
    ));
    out
}

/// What [`audit::forget`] does, within a transaction of the caller's.
pub(super) async fn forget(db: &Client, sealer: &Sealer, subject: i64, at: Timestamp) -> Read<u64> {
    let mut gone = 0;
    loop {
        let found = rows(db, ABOUT, vec![int(subject), int(BITE)]).await?;
        let forgets = found.iter().map(|r| get(r, 0)).collect::<Read<Vec<i64>>>()?;
        if forgets.is_empty() {
            return Ok(gone);
        }
        gone += forgets.len() as u64;
        let entry = AuditEntry { forgets, ..Audited::by_system(at, FORGOTTEN, "").sealed(sealer)? };
        append(db, sealer, &entry).await?;
    }
}

/// Appends an entry within a transaction of the caller's.
pub(super) async fn append(db: &Client, sealer: &Sealer, entry: &AuditEntry) -> Read<()> {
    let found = rows(db, LOCK_HEAD, vec![]).await?;
    let mut head = match found.first() {
        Some(r) => Head { seq: get(r, 0)?, at: get(r, 1)?, hash: get(r, 2)? },
        None => Head::default(),
    };
    for statement in appending(sealer.chain(), &mut head, &[entry]) {
        statement.run(db).await?;
    }
    Ok(())
}

impl Audits for PostgresStore {
    fn audit_list(&self, filter: AuditFilter) -> Fut<'_, Page<AuditRow>> {
        let filter = Arc::new(filter);
        self.read(move |db, sealer| {
            let filter = filter.clone();
            async move { list(&db, &sealer, &filter).await }
        })
    }
    fn audit_entry(&self, seq: i64) -> Fut<'_, Option<AuditRow>> {
        self.read(move |db, sealer| async move {
            let found = rows(&db, format!("SELECT {COLUMNS} FROM audit WHERE seq = $1"), vec![int(seq)]).await?;
            found.first().map(|r| Ok(audit::opened(link(r)?, &sealer)?)).transpose()
        })
    }
    fn audit_after(&self, after: i64, limit: u32) -> Fut<'_, Vec<AuditRow>> {
        Box::pin(async move {
            let links = self.audit_links(after, limit).await?;
            Ok(links.into_iter().map(|link| audit::opened(link, &self.sealer)).collect::<Result<_, _>>()?)
        })
    }
    fn audit_links(&self, after: i64, limit: u32) -> Fut<'_, Vec<Link>> {
        self.read(move |db, _| async move {
            let sql = format!("SELECT {COLUMNS} FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2");
            rows(&db, sql, vec![int(after), int(i64::from(limit))]).await?.iter().map(link).collect()
        })
    }
    fn audit_head(&self) -> Fut<'_, AuditHead> {
        self.read(|db, _| async move { place(&db, 1).await })
    }
    fn audit_base(&self) -> Fut<'_, AuditHead> {
        self.read(|db, _| async move { place(&db, 2).await })
    }
    fn audit_aged(&self, before: Timestamp, limit: u32) -> Fut<'_, Option<AuditHead>> {
        self.read(move |db, _| async move {
            let sql = format!(
                "SELECT seq, at, hash FROM (SELECT seq, at, hash FROM audit ORDER BY seq LIMIT $2) a
                 WHERE at < $1 AND seq < {HELD} ORDER BY seq DESC LIMIT 1"
            );
            let found = rows(&db, sql, vec![int(ms(before)), int(i64::from(limit))]).await?;
            let head = |r: &Row| Ok(AuditHead { seq: get(r, 0)?, at: get(r, 1)?, hash: get(r, 2)?, mac: Vec::new() });
            found.first().map(head).transpose()
        })
    }
    fn audit_about(&self, subject: i64, limit: u32) -> Fut<'_, Vec<i64>> {
        self.read(move |db, _| async move {
            rows(&db, ABOUT, vec![int(subject), int(i64::from(limit))]).await?.iter().map(|r| get(r, 0)).collect()
        })
    }
}

/// The first entry about somebody who is held; beyond every number: there is none.
const HELD: &str = "coalesce((SELECT min(a.seq) FROM records r JOIN record_subjects s ON s.record = r.number
    JOIN audit_about a ON a.subject = s.subject WHERE r.kind = 'hold' AND r.open), 9223372036854775807)";

async fn place(db: &Client, id: i64) -> Read<AuditHead> {
    let found = rows(db, "SELECT seq, at, hash, mac FROM audit_head WHERE id = $1", vec![int(id)]).await?;
    let Some(r) = found.first() else { return Ok(AuditHead::default()) };
    Ok(AuditHead { seq: get(r, 0)?, at: get(r, 1)?, hash: get(r, 2)?, mac: get(r, 3)? })
}

async fn list(db: &Client, sealer: &Sealer, filter: &AuditFilter) -> Read<Page<AuditRow>> {
    let mut which = vec!["seq < $1".to_owned(), ONE_OF_A_DEED.to_owned()];
    let mut params: Vec<Param<'static>> =
        vec![int(filter.before.unwrap_or(i64::MAX)), int(i64::from(filter.limit) + 1)];
    let mut must = |condition: &str, param: Param<'static>| {
        params.push(param);
        which.push(condition.replace('?', &format!("${}", params.len())));
    };
    if let Some(subject) = &filter.subject {
        must("subject = ?", text(subject.as_str()));
    }
    if let Some(who) = &filter.who {
        must("who = ?", text(who.as_str()));
    }
    if let Some(name) = &filter.name {
        must("named = ?", int(sealer.named(name)));
    }
    if let Some(action) = &filter.action {
        must("action = ?", text(action.as_str()));
    }
    if let Some(brands) = &filter.brands {
        must("brand = ANY(?)", owned_texts(brands.clone()));
    }
    // Times never go back in the chain, so a moment is a place in it.
    if let Some(from) = filter.from {
        must("seq >= (SELECT seq FROM audit WHERE at >= ? ORDER BY at, seq LIMIT 1)", int(ms(from)));
    }
    if let Some(until) = filter.until {
        must("seq <= (SELECT seq FROM audit WHERE at < ? ORDER BY at DESC, seq DESC LIMIT 1)", int(ms(until)));
    }
    which.extend(filter.kind.map(|kind| kind.condition().to_owned()));
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE {} ORDER BY seq DESC LIMIT $2", which.join(" AND "));
    let found = rows(db, sql, params).await?;
    let opened = found.iter().map(|r| Ok(audit::opened(link(r)?, sealer)?)).collect::<Read<Vec<_>>>()?;
    Ok(page(opened, filter.limit, |row| row.seq))
}

fn link(r: &Row) -> Read<Link> {
    Ok(Link {
        seq: get(r, 0)?,
        at: get(r, 1)?,
        who_kind: get(r, 2)?,
        who: get(r, 3)?,
        named: get(r, 4)?,
        brand: get(r, 5)?,
        action: get(r, 6)?,
        subject: get(r, 7)?,
        about: get(r, 8)?,
        forgets: get(r, 9)?,
        actor: get(r, 10)?,
        actor_digest: get(r, 11)?,
        detail: get(r, 12)?,
        detail_digest: get(r, 13)?,
        previous: get(r, 14)?,
        hash: get(r, 15)?,
        deed: get(r, 16)?,
        outcome: get(r, 17)?,
    })
}
