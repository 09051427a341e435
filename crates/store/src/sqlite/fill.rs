//! Fills a database with an invented past: straight into the tables, without a log, every table and
//! index from its lowest key to its highest.

use super::{Options, SqliteStore, classify, connect, prepare, take_lock};
use crate::contract::Error;
use crate::history::{EFFECTS, History, TYPE, WHEN};
use crate::seal::Sealer;
use rusqlite::{Connection, params};

impl SqliteStore {
    /// Fills a database that nobody has open, made where it is missing. A kill meanwhile leaves a broken
    /// file: only for measuring.
    pub fn fill(options: &Options, history: &History) -> Result<(), Error> {
        let _lock = take_lock(&options.path)?;
        let mut db = connect(&options.path, false)?;
        let sealer = prepare(&mut db, &options.path, &options.master())?;
        fill(&db, &sealer, history).map_err(|e| classify(&e))
    }
}

fn fill(db: &Connection, sealer: &Sealer, history: &History) -> rusqlite::Result<()> {
    let journal = |mode: &str| db.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(()));
    journal("OFF")?;
    db.execute_batch("PRAGMA cache_size = -100000; PRAGMA synchronous = OFF;")?;
    let all = history.events + history.pending;
    each(
        db,
        all,
        "INSERT INTO deliveries (id, connection, source, received_at, packed) VALUES (?1, ?2, 'webhook', ?3, ?4)",
        |s, n| {
            s.execute(params![History::delivery(n).get(), history.connection, WHEN, sealer.seal(&history.packed(n)).0])
        },
    )?;
    each(db, history.pending, "INSERT INTO inbox (delivery) VALUES (?1)", |s, n| {
        s.execute([History::delivery(history.events + n).get()])
    })?;
    each(
        db,
        history.events,
        "INSERT INTO events (id, type, connection, key, occurred_at, received_at, delivery, body) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7)",
        |s, n| {
            let body = sealer.seal(&history.event_body(n)).0;
            s.execute(params![
                History::event(n).get(),
                TYPE,
                history.connection,
                history.key(n),
                WHEN,
                History::delivery(n).get(),
                body
            ])
        },
    )?;
    each(
        db,
        history.events,
        "INSERT INTO dedup (entity, discriminator, connection, kind) VALUES (?1, ?1, ?2, ?3)",
        |s, n| s.execute(params![history.key(n), history.connection, TYPE]),
    )?;
    each(db, history.events, "INSERT INTO event_subject (subject, event) VALUES (?1, ?2)", |s, n| {
        s.execute([history.key(n), History::event(n).get()])
    })?;
    let [state, input, call, outcome] = history.filler(sealer);
    each(
        db,
        history.runs,
        "INSERT INTO runs (id, flow, event, key, status, version, created_at, updated_at, state) VALUES (?1, ?2, ?3, ?4, 10, 4, ?5, ?5, ?6)",
        |s, n| {
            s.execute(params![
                History::run(n).get(),
                history.flow,
                History::event(n).get(),
                history.key(n),
                WHEN,
                state
            ])
        },
    )?;
    each(
        db,
        history.runs * EFFECTS,
        "INSERT INTO effects (id, run, path, connection, action, lane, seq, urgency, status, attempt, boot, started_at, created_at,
           give_up_at, resend_unknown, park, ended_at, ended_call, http_status, input, call, outcome)
         VALUES (?1, ?2, 'paso', ?3, 'request', ?4, ?5, 1, 10, 1, 0, ?6, ?6, ?6, 0, 1, ?6, 0, 200, ?7, ?8, ?9)",
        |s, n| {
            let (run, k) = (n / EFFECTS, n % EFFECTS);
            s.execute(params![
                History::effect(run, k).get(), History::run(run).get(), history.connection, history.key(run), n, WHEN, input, call, outcome
            ])
        },
    )?;
    db.execute_batch("PRAGMA synchronous = FULL;")?;
    journal("WAL")
}

/// Rows of one table, in portions.
fn each(
    db: &Connection,
    rows: u64,
    sql: &str,
    mut row: impl FnMut(&mut rusqlite::CachedStatement<'_>, u64) -> rusqlite::Result<usize>,
) -> rusqlite::Result<()> {
    const PORTION: u64 = 50_000;
    let mut next = 0;
    while next < rows {
        let until = rows.min(next + PORTION);
        db.execute_batch("BEGIN IMMEDIATE")?;
        let mut statement = db.prepare_cached(sql)?;
        for n in next..until {
            row(&mut statement, n)?;
        }
        drop(statement);
        db.execute_batch("COMMIT")?;
        next = until;
    }
    Ok(())
}
