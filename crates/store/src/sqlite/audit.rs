//! Reads of the audit. It is appended to in `write.rs`.

use super::SqliteStore;
use super::read::Read;
use crate::audit::{self, AuditFilter, AuditHead, AuditKind, AuditRow, Audits, Link, ONE_OF_A_DEED};
use crate::codes::ms;
use crate::contract::{Fut, Page};
use crate::page::page;
use crate::seal::Sealer;
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

const COLUMNS: &str =
    "seq, at, who_kind, who, named, brand, action, subject, about, forgets, actor, actor_digest, detail,
    detail_digest, previous, hash, deed, outcome";

impl Audits for SqliteStore {
    fn audit_list(&self, filter: AuditFilter) -> Fut<'_, Page<AuditRow>> {
        self.read(move |db, sealer| list(db, sealer, &filter))
    }
    fn audit_entry(&self, seq: i64) -> Fut<'_, Option<AuditRow>> {
        self.read(move |db, sealer| {
            let sql = format!("SELECT {COLUMNS} FROM audit WHERE seq = ?1");
            let found = db.prepare_cached(&sql)?.query_row([seq], link).optional()?;
            Ok(found.map(|link| audit::opened(link, sealer)).transpose()?)
        })
    }
    fn audit_after(&self, after: i64, limit: u32) -> Fut<'_, Vec<AuditRow>> {
        Box::pin(async move {
            let links = self.audit_links(after, limit).await?;
            Ok(links.into_iter().map(|link| audit::opened(link, &self.sealer)).collect::<Result<_, _>>()?)
        })
    }
    fn audit_links(&self, after: i64, limit: u32) -> Fut<'_, Vec<Link>> {
        self.read(move |db, _| {
            let sql = format!("SELECT {COLUMNS} FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2");
            Ok(db.prepare_cached(&sql)?.query_map([after, i64::from(limit)], link)?.collect::<rusqlite::Result<_>>()?)
        })
    }
    fn audit_head(&self) -> Fut<'_, AuditHead> {
        self.read(|db, _| place(db, 1))
    }
    fn audit_base(&self) -> Fut<'_, AuditHead> {
        self.read(|db, _| place(db, 2))
    }
    fn audit_aged(&self, before: Timestamp, limit: u32) -> Fut<'_, Option<AuditHead>> {
        self.read(move |db, _| {
            let sql = format!(
                "SELECT seq, at, hash FROM (SELECT seq, at, hash FROM audit ORDER BY seq LIMIT ?2)
                 WHERE at < ?1 AND seq < {HELD} ORDER BY seq DESC LIMIT 1"
            );
            let found = db.prepare_cached(&sql)?.query_row(params![ms(before), i64::from(limit)], |r| {
                Ok(AuditHead { seq: r.get(0)?, at: r.get(1)?, hash: r.get(2)?, mac: Vec::new() })
            });
            Ok(found.optional()?)
        })
    }
    fn audit_about(&self, subject: i64, limit: u32) -> Fut<'_, Vec<i64>> {
        self.read(move |db, _| {
            let sql = "SELECT a.seq FROM audit_about s CROSS JOIN audit a ON a.seq = s.seq
                WHERE s.subject = ?1 AND a.detail IS NOT NULL ORDER BY s.seq LIMIT ?2";
            let mut found = db.prepare_cached(sql)?;
            Ok(found.query_map([subject, i64::from(limit)], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?)
        })
    }
}

/// The first entry about somebody who is held; beyond every number: there is none.
const HELD: &str = "coalesce((SELECT min(a.seq) FROM records r JOIN record_subjects s ON s.record = r.number
    JOIN audit_about a ON a.subject = s.subject WHERE r.kind = 'hold' AND r.open = 1), 9223372036854775807)";

fn place(db: &Connection, id: i64) -> Read<AuditHead> {
    let place = db
        .prepare_cached("SELECT seq, at, hash, mac FROM audit_head WHERE id = ?1")?
        .query_row([id], |r| Ok(AuditHead { seq: r.get(0)?, at: r.get(1)?, hash: r.get(2)?, mac: r.get(3)? }))
        .optional()?;
    Ok(place.unwrap_or_default())
}

pub(super) fn list(db: &Connection, sealer: &Sealer, filter: &AuditFilter) -> Read<Page<AuditRow>> {
    let named = filter.name.as_deref().map(|n| sealer.named(n));
    let index = match filter {
        AuditFilter { subject: Some(_), .. } => "INDEXED BY audit_subject",
        AuditFilter { who: Some(_), .. } => "INDEXED BY audit_who",
        AuditFilter { name: Some(_), .. } => "INDEXED BY audit_named",
        AuditFilter { action: Some(_), .. } => "INDEXED BY audit_action",
        AuditFilter { brands: Some(brands), .. } if brands.len() == 1 => "INDEXED BY audit_brand",
        AuditFilter { kind: Some(AuditKind::Changes), .. } => "INDEXED BY audit_changes",
        AuditFilter { kind: Some(_), .. } => "INDEXED BY audit_outcome",
        _ => "NOT INDEXED",
    };
    let mut which = vec!["seq < ?1".to_owned(), ONE_OF_A_DEED.to_owned()];
    let mut values: Vec<Value> = vec![filter.before.unwrap_or(i64::MAX).into(), (i64::from(filter.limit) + 1).into()];
    let mut must = |condition: &str, value: Value| {
        values.push(value);
        which.push(condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(subject) = &filter.subject {
        must("subject = ?", subject.clone().into());
    }
    if let Some(who) = &filter.who {
        must("who = ?", who.clone().into());
    }
    if let Some(named) = named {
        must("named = ?", named.into());
    }
    if let Some(action) = &filter.action {
        must("action = ?", action.clone().into());
    }
    if let Some(brands) = &filter.brands {
        match &brands[..] {
            [one] => must("brand = ?", one.clone().into()),
            _ => {
                must("brand IN (SELECT value FROM json_each(?))", serde_json::json!(brands).to_string().into());
            }
        }
    }
    // Times never go back in the chain, so a moment is a place in it.
    if let Some(from) = filter.from {
        must(
            "seq >= (SELECT min(seq) FROM (SELECT seq FROM audit WHERE at >= ? ORDER BY at, seq LIMIT 1))",
            ms(from).into(),
        );
    }
    if let Some(until) = filter.until {
        must(
            "seq <= (SELECT max(seq) FROM (SELECT seq FROM audit WHERE at < ? ORDER BY at DESC, seq DESC LIMIT 1))",
            ms(until).into(),
        );
    }
    which.extend(filter.kind.map(|kind| kind.condition().to_owned()));
    let sql = format!("SELECT {COLUMNS} FROM audit {index} WHERE {} ORDER BY seq DESC LIMIT ?2", which.join(" AND "));
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(values))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(audit::opened(link(row)?, sealer)?);
    }
    Ok(page(rows, filter.limit, |row| row.seq))
}

fn link(r: &Row<'_>) -> rusqlite::Result<Link> {
    Ok(Link {
        seq: r.get(0)?,
        at: r.get(1)?,
        who_kind: r.get(2)?,
        who: r.get(3)?,
        named: r.get(4)?,
        brand: r.get(5)?,
        action: r.get(6)?,
        subject: r.get(7)?,
        about: r.get(8)?,
        forgets: r.get(9)?,
        actor: r.get(10)?,
        actor_digest: r.get(11)?,
        detail: r.get(12)?,
        detail_digest: r.get(13)?,
        previous: r.get(14)?,
        hash: r.get(15)?,
        deed: r.get(16)?,
        outcome: r.get(17)?,
    })
}
