//! A backup of the tables, and a restore into an empty database: COPY in its binary form, all tables from
//! one snapshot. Both are one transaction, so that a proxy that lends a server for one may stand between.

use super::link::{Address, said};
use super::read::{Read, get, rows, small};
use super::statement::{Statement, bytes, int, text, texts};
use super::{Options, PostgresStore, audit, care, schema};
use crate::audit::Audited;
use crate::backup::{self, Draft, Manifest, Progress, Table};
use crate::care::Person;
use crate::codes::ms;
use crate::contract::Error;
use crate::seal::{self, Sealer};
use bytes::Bytes;
use futures_util::{SinkExt as _, TryStreamExt as _};
use jiff::Timestamp;
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tokio_postgres::Client;

/// Not copied: who serves the database, and which part of it; who is signed in.
const LEFT_OUT: [&str; 4] = ["nodes", "passes", "shares", "written"];
/// Bytes of a piece that is sent.
const PIECE: usize = 256 * 1024;

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Tables with their columns.
async fn tables(db: &Client, address: &Address) -> Result<Vec<(String, Vec<String>)>, Error> {
    let sql = "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname <> ALL($1)
          AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum";
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for row in rows(db, sql, vec![texts(LEFT_OUT)]).await.map_err(|e| e.told(address))? {
        let (table, column): (String, String) =
            (get(&row, 0).map_err(|e| e.told(address))?, get(&row, 1).map_err(|e| e.told(address))?);
        match all.last_mut() {
            Some((last, columns)) if *last == table => columns.push(column),
            _ => all.push((table, vec![column])),
        }
    }
    Ok(all)
}

impl PostgresStore {
    pub(super) async fn copy_out(
        &self,
        file: PathBuf,
        at: Timestamp,
        progress: Arc<Progress>,
    ) -> Result<Manifest, Error> {
        let inside = &self.inside;
        let address = &inside.address;
        // The key as it is now: a backup that nobody could read would be none.
        let mut draft = Draft::beside(&file)?;
        let db = address.connect(&inside.handle).await?;
        let wrapped = super::renew::keys(&db).await.map_err(|e| e.told(address))?;
        seal::open_keys(&inside.master, &wrapped)?;
        let print = inside.master.fingerprint()?;

        let size = "SELECT coalesce(sum(pg_table_size(oid)), 0)::bigint FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'";
        let size = rows(&db, size, vec![]).await.map_err(|e| e.told(address))?;
        let total: u64 = size.first().map_or(Ok(0), |r| small(r, 0)).map_err(|e| e.told(address))?;
        db.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(|e| address.classify(&e))?;
        let mut manifest = Manifest::new("postgres", schema::VERSION, at, print);
        let written = self.write_tables(&db, draft.path(), &mut manifest, total, &progress).await;
        // Nothing was changed: whichever way it ends, it is over.
        drop(db.batch_execute("ROLLBACK").await);
        written?;
        let closing = move || -> Result<Manifest, Error> {
            let manifest = backup::seal_off(draft.path(), manifest)?;
            // What is on the disk is read once more before it gets its name.
            backup::verify(draft.path())?;
            draft.keep()?;
            Ok(manifest)
        };
        tokio::task::spawn_blocking(closing).await.unwrap_or(Err(Error::Closed))
    }

    async fn write_tables(
        &self,
        db: &Client,
        path: &Path,
        manifest: &mut Manifest,
        total: u64,
        progress: &Progress,
    ) -> Result<(), Error> {
        let address = &self.inside.address;
        let failed = |e: std::io::Error| Error::Database(format!("cannot write {}: {e}", path.display()));
        let file = tokio::fs::OpenOptions::new().write(true).open(path).await.map_err(failed)?;
        let mut out = tokio::io::BufWriter::with_capacity(PIECE, file);
        let mut at = 0;
        for (name, columns) in tables(db, address).await? {
            let list: Vec<String> = columns.iter().map(|c| quoted(c)).collect();
            let sql = format!("COPY {} ({}) TO STDOUT (FORMAT binary)", quoted(&name), list.join(", "));
            let stream = db.copy_out(&sql).await.map_err(|e| address.classify(&e))?;
            let mut stream = std::pin::pin!(stream);
            let (mut bytes, mut count) = (0u64, Tuples::default());
            while let Some(piece) = stream.try_next().await.map_err(|e| address.classify(&e))? {
                count.see(&piece);
                bytes += piece.len() as u64;
                out.write_all(&piece).await.map_err(failed)?;
                progress.set(at + bytes, total.max(at + bytes));
            }
            manifest.tables.insert(name, Table { rows: count.rows, columns, at, bytes });
            at += bytes;
        }
        out.flush().await.map_err(failed)?;
        progress.set(at, at);
        out.into_inner().sync_all().await.map_err(failed)
    }
}

/// Counts the rows of a binary COPY as its pieces pass: each row is a piece, between the head that the
/// first one begins with and a last one of two bytes.
#[derive(Default)]
struct Tuples {
    rows: u64,
    begun: bool,
}

impl Tuples {
    const HEAD: usize = 19;

    fn see(&mut self, piece: &[u8]) {
        let body = if self.begun { piece } else { piece.get(Self::HEAD..).unwrap_or_default() };
        self.begun = true;
        if body.len() > 2 {
            self.rows += 1;
        }
    }
}

/// What is done to a restored database before anybody sees it: in the same transaction.
#[derive(Debug, Clone)]
pub struct Aftermath {
    /// Persons who had been erased.
    pub erased: Vec<Person>,
    /// Queued effects are held back, but for these (connection, action); code and reason.
    #[allow(clippy::type_complexity)]
    pub hold: Option<(Vec<(String, String)>, &'static str, String)>,
    /// Every connection is paused, and why.
    pub pause: Option<String>,
    /// But for this one, which calls nobody; empty: none.
    pub spared: &'static str,
    /// When.
    pub now: Timestamp,
    /// What the audit is to say of it.
    pub noted: Audited,
}

/// What came of a restore.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Rows that were redacted.
    pub redacted: u64,
    /// Effects that are held back.
    pub held: u64,
    /// Connections that are paused.
    pub paused: usize,
}

/// Deliveries of one bite of an erasure.
const BITE: u32 = 50;

/// Puts a backup into an empty database. All of it, or nothing.
pub async fn restore(
    options: &Options,
    file: &Path,
    progress: Arc<Progress>,
    after: &Aftermath,
) -> Result<Restored, Error> {
    let address = Address::parse(options.url.expose())?;
    let place = options.master();
    let print = place.fingerprint()?;
    let verified = {
        let file = file.to_owned();
        tokio::task::spawn_blocking(move || backup::verify(&file)).await.unwrap_or(Err(Error::Closed))?
    };
    backup::fits(file, &verified, "postgres", schema::VERSION, &print)?;
    let db = address.connect(&Handle::current()).await?;
    schema::check_server(&db, &address).await?;
    db.batch_execute("BEGIN").await.map_err(|e| address.classify(&e))?;
    let filled = async {
        fill(&db, &address, file, &verified, &progress).await?;
        let sealer = schema::open_keys(&db, &address, &place).await?;
        settle(&db, &sealer, after).await.map_err(|e| e.told(&address))
    };
    match filled.await {
        Ok(restored) => {
            db.batch_execute("COMMIT").await.map_err(|e| address.classify(&e))?;
            Ok(restored)
        }
        Err(e) => {
            drop(db.batch_execute("ROLLBACK").await);
            Err(e)
        }
    }
}

async fn settle(db: &Client, sealer: &Sealer, after: &Aftermath) -> Read<Restored> {
    let mut done = Restored::default();
    for who in &after.erased {
        let mut from = -1;
        loop {
            let found = care::traces(db, sealer, who, from, BITE).await?;
            let (sql, params) = care::blank(&found, sealer, after.now);
            rows(db, sql, params).await?;
            done.redacted += found.rows();
            match found.next {
                Some(next) => from = next,
                None => break,
            }
        }
        done.redacted += audit::forget(db, sealer, who.subject, after.now).await?;
    }
    audit::append(db, sealer, &after.noted.clone().sealed(sealer)?).await?;
    if let Some((but, code, why)) = &after.hold {
        let sql = "UPDATE effects e SET status = 31, code = $1, outcome = $2, not_before = NULL
            FROM connections c WHERE c.id = e.connection AND e.status IN (0, 4) AND NOT e.resend_unknown
              AND NOT EXISTS (SELECT 1 FROM unnest($3::text[], $4::text[]) AS b (connection, action)
                WHERE b.connection = c.name AND b.action = e.action)
            RETURNING e.id";
        let params = vec![
            text(*code),
            bytes(sealer.seal_json(&serde_json::json!({ "why": why })).0),
            texts(but.iter().map(|b| b.0.as_str())),
            texts(but.iter().map(|b| b.1.as_str())),
        ];
        done.held = rows(db, sql, params).await?.len() as u64;
    }
    if let Some(why) = &after.pause {
        let sql = "INSERT INTO pauses (kind, name, reason, who, since)
            SELECT 'connection', name, $1, 'pasarela restore', $2 FROM connections WHERE name <> $3
            ON CONFLICT DO NOTHING RETURNING name";
        let params = vec![bytes(sealer.seal(why.as_bytes()).0), int(ms(after.now)), text(after.spared)];
        done.paused = rows(db, sql, params).await?.len();
    }
    Ok(done)
}

async fn fill(
    db: &Client,
    address: &Address,
    path: &Path,
    manifest: &Manifest,
    progress: &Progress,
) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::Database(format!("cannot read {}: {e}", path.display()));
    let refused = |e: tokio_postgres::Error| address.classify(&e);
    Statement::new("SELECT pg_advisory_xact_lock($1)", vec![int(schema::MAKING)]).run(db).await.map_err(refused)?;
    if !tables(db, address).await?.is_empty() {
        return Err(Error::Database(format!(
            "{} holds tables already; restore into an empty database, and name it in store.url or with --to",
            address.shown
        )));
    }
    db.batch_execute(&format!("{}{}", schema::SCHEMA, schema::EXPANSION))
        .await
        .map_err(|e| Error::Database(format!("the tables cannot be made at {}: {}", address.shown, said(&e))))?;
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    for (name, table) in &manifest.tables {
        let list: Vec<String> = table.columns.iter().map(|c| quoted(c)).collect();
        db.batch_execute(&format!("DELETE FROM {}", quoted(name))).await.map_err(refused)?;
        let sql = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", quoted(name), list.join(", "));
        let sink = db.copy_in::<_, Bytes>(&sql).await.map_err(refused)?;
        let mut sink = std::pin::pin!(sink);
        file.seek(SeekFrom::Start(table.at)).await.map_err(failed)?;
        let mut left = table.bytes;
        while left > 0 {
            let most = usize::try_from(left.min(PIECE as u64)).unwrap_or(PIECE);
            let mut piece = vec![0; most];
            file.read_exact(&mut piece).await.map_err(failed)?;
            left -= most as u64;
            sink.send(Bytes::from(piece)).await.map_err(refused)?;
            progress.set(table.at + table.bytes - left, manifest.bytes);
        }
        let came = sink.finish().await.map_err(refused)?;
        if came != table.rows {
            return Err(Error::Corrupt(format!("{name} has {came} rows where the backup says {}", table.rows)));
        }
    }
    // Numbers go on above those that are there.
    let sequences = "SELECT setval('epochs', greatest((SELECT max(boot) FROM effects), 0) + 1),
        setval(pg_get_serial_sequence('keys', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM keys)),
        setval(pg_get_serial_sequence('inbox', 'place'), (SELECT coalesce(max(place), 0) + 1 FROM inbox)),
        setval(pg_get_serial_sequence('brands', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM brands)),
        setval(pg_get_serial_sequence('senders', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM senders)),
        setval(pg_get_serial_sequence('connections', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM connections)),
        setval(pg_get_serial_sequence('suppressions', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM suppressions)),
        setval(pg_get_serial_sequence('records', 'number'), (SELECT coalesce(max(number), 0) + 1 FROM records)),
        setval(pg_get_serial_sequence('flows', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM flows))";
    db.batch_execute(sequences).await.map_err(refused)
}
