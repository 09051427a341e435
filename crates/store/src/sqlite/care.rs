//! Care of the file: retention (`care/retain.rs`), redacting (`care/redact.rs`), free pages, copies. What is
//! to go is looked for by a reader; the writer gets ids, and looks once more at what matters before each goes.

mod redact;
mod retain;

pub(super) use retain::look;

use super::copy::Order;
use super::{SqliteStore, connect, read, schema};
use crate::backup::{self, Draft, Manifest, Progress, Table};
use crate::care::{Bite, Care, CareRow, EFFECTS, Kept, Person, Redacted, Space};
use crate::codes::ms;
use crate::contract::{Error, Fut};
use crate::seal;
use crate::sqlite::writer::classify;
use jiff::Timestamp;
use redact::{Blank, blank, traces};
use retain::{remove, stand};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::oneshot;

impl SqliteStore {
    /// Housekeeping that gives something back.
    pub(super) fn told<T: Send + 'static>(
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
            let subject = who.subject;
            let found = self.read(move |db, sealer| traces(db, sealer, &who, after, limit)).await?;
            if found.held {
                return Ok(Redacted { held: true, ..Redacted::default() });
            }
            let forgotten = if after < 0 { crate::audit::forget(self, subject, now).await? } else { 0 };
            let (next, with) = (found.next, Blank::new(&self.sealer));
            let rows = self.told(move |db| blank(db, &found, &with, ms(now))).await?;
            Ok(Redacted { rows: rows + forgotten, next, held: false })
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
                             WHERE status IN (0, 4) AND id > ?1 ORDER BY id LIMIT ?2",
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
                            "UPDATE effects SET status = 31, code = ?2, outcome = ?3, not_before = NULL WHERE id = ?1 AND status IN (0, 4)",
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
            if !rx.await.map_err(|_| Error::Closed)?.map_err(|e| classify(&e))? {
                return Err(Error::Closed);
            }
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
    /// Fingerprint of the master key as it is now; an error when it is gone or does not open this database.
    fn own_key(&self) -> Result<String, Error> {
        let place = &self.master;
        let rows = super::renew::keys(self.reader().begin()).map_err(|e| classify(&e))?;
        seal::open_keys(place, &rows)?;
        Ok(place.fingerprint()?)
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
