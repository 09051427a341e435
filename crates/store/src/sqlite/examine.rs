//! A look at a database file by a person who wonders: header, schema, key, log, free pages, integrity.
//! Only reads, so that it may stand beside a running hub.

use super::{Options, check_files, checkpoint, connect, schema, with_suffix};
use crate::contract::Error;
use crate::seal;
use crate::sqlite::writer::classify;
use rusqlite::{Connection, OptionalExtension};

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// To be looked at.
    Warn,
    /// The hub cannot work with it.
    Fail,
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What.
    pub check: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do, if something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    /// As it should be.
    #[must_use]
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), advice: None }
    }
    /// To be looked at.
    #[must_use]
    pub fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Warn, found: found.into(), advice: Some(advice.into()) }
    }
    /// Something is wrong.
    #[must_use]
    pub fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Fail, found: found.into(), advice: Some(advice.into()) }
    }
}

const RESTORE: &str = "keep the file; `pasarela doctor --repair NEW` mends what can be mended into a new file, `pasarela restore BACKUP` brings a backup back";

/// Looks. `served`: a hub has the file open, so that the whole file is not read (the hub does that itself).
#[must_use]
pub fn examine(options: &Options, served: bool) -> Vec<Finding> {
    let path = &options.path;
    let mut all = Vec::new();
    if !path.exists() {
        all.push(Finding::warn(
            "database",
            format!("{} is not there", path.display()),
            "the first start makes it; if there was one, look at store.url or restore a backup",
        ));
        return all;
    }
    if let Err(e) = check_files(path) {
        all.push(Finding::fail("header", e.to_string(), RESTORE));
        return all;
    }
    all.push(Finding::ok("header", format!("{} is a SQLite file", path.display())));
    match connect(path, true).and_then(|db| look(&db, options, served, &mut all)) {
        Ok(()) => {}
        Err(e @ Error::Corrupt(_)) => all.push(Finding::fail("integrity", e.to_string(), RESTORE)),
        Err(e) => all.push(Finding::fail("database", e.to_string(), "is the file readable for this user?")),
    }
    all
}

fn look(db: &Connection, options: &Options, served: bool, all: &mut Vec<Finding>) -> Result<(), Error> {
    let failed = |e: rusqlite::Error| classify(&e);
    let version: Option<i64> =
        match db.query_row("SELECT value FROM meta WHERE name = 'schema'", [], |r| r.get(0)).optional() {
            Ok(version) => version,
            Err(e) if matches!(classify(&e), Error::Corrupt(_)) => return Err(classify(&e)),
            Err(_) => None,
        };
    all.push(match version {
        Some(v) if v <= schema::VERSION => Finding::ok("schema", format!("version {v}")),
        Some(v) => Finding::fail(
            "schema",
            format!("version {v}; this program knows up to {}", schema::VERSION),
            "start the newer program that made it",
        ),
        None => Finding::fail("schema", "this is not a database of pasarela", "choose another store.url"),
    });
    if version.is_none() {
        return Ok(());
    }
    all.push(key(db, options)?);
    let ask = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, u64>(0)).map_err(failed);
    let (page, pages, free, vacuum) =
        (ask("page_size")?, ask("page_count")?, ask("freelist_count")?, ask("auto_vacuum")?);
    let space = format!("{} MiB, {} MiB of it free", mib(pages * page), mib(free * page));
    all.push(if vacuum == 2 {
        Finding::ok("space", space)
    } else {
        Finding::warn(
            "space",
            format!("{space}; the file is of an earlier build and keeps its free pages"),
            "new rows use them; to give them back to the disk, stop the hub at a calm hour, run `pasarela doctor --repair NEW`, and put the new file in place",
        )
    });
    let log = std::fs::metadata(with_suffix(&options.path, "-wal")).map_or(0, |m| m.len());
    all.push(if log <= checkpoint::BOUND + 8 * 1024 * 1024 {
        Finding::ok("log", format!("{} MiB", mib(log)))
    } else {
        Finding::warn(
            "log",
            format!("{} MiB; it should stay below 24", mib(log)),
            "another program holds the file open: end it",
        )
    });
    if served {
        all.push(Finding::ok("integrity", "a hub has the file open and checks it itself; its alarms tell"));
        return Ok(());
    }
    let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0)).map_err(failed)?;
    all.push(if verdict == "ok" {
        Finding::ok("integrity", "every page and index was read")
    } else {
        Finding::fail("integrity", verdict, RESTORE)
    });
    let lost: u64 = db
        .query_row("SELECT count(*) FROM inbox WHERE delivery NOT IN (SELECT id FROM deliveries)", [], |r| r.get(0))
        .map_err(failed)?;
    if lost > 0 {
        all.push(Finding::fail("inbox", format!("{lost} accepted deliveries have lost their bytes"), RESTORE));
    }
    Ok(())
}

fn key(db: &Connection, options: &Options) -> Result<Finding, Error> {
    let place = options.master();
    // A file of an earlier build has no second wrapping.
    let rows = super::renew::keys(db).or_else(|_| super::renew::keys_of_earlier(db)).map_err(|e| classify(&e))?;
    let opened = seal::open_keys(&place, &rows).and_then(|opened| Ok((opened.by_next, place.fingerprint()?)));
    Ok(match opened {
        Ok((_, print)) => Finding::ok("key", format!("{place} opens the database; its fingerprint is {print}")),
        Err(e) => Finding::fail(
            "key",
            e.to_string(),
            "nothing sealed can be read without it; it is kept apart from the database",
        ),
    })
}

fn mib(bytes: u64) -> u64 {
    bytes / (1024 * 1024)
}
