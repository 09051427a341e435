//! `pasarela restore`: a backup becomes a database. What was erased since is erased again, and what may
//! have gone out since is not sent a second time without a person's word.
//!
//! A backup tells of an earlier moment. What was queued then was most likely sent since; deliveries that
//! waited then are decided again, under new keys; and reconciliation brings what came since once more. So a
//! restored hub begins with every connection paused, and effects that cannot be repeated are held as
//! `unknown`. `--resume` says that nothing was sent since, or that twice is better than never.

use crate::Failure;
use crate::admin::socket_of;
use crate::config::{Config, Database};
use crate::hub::Plan;
use crate::output::{Bar, line, note};
use jiff::Timestamp;
use pasarela_connector::Idempotency;
use pasarela_domain::Secret;
use pasarela_engine::{LEDGER, WEBHOOK_ACTION, is_webhook};
use pasarela_store::backup::{Manifest, Progress};
use pasarela_store::postgres::{self, Aftermath};
use pasarela_store::sqlite::Restoring;
use pasarela_store::{Audited, Care as _, Master, PauseKind, PauseRow, Person, Store as _, WhoKind, erasures};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A file that `pasarela backup` wrote.
    file: PathBuf,
    /// Where to: a file, or postgres://..., in place of store.url.
    #[arg(long, value_name = "PLACE")]
    to: Option<String>,
    /// Journal of erasures; by default the one beside the configured database.
    #[arg(long, value_name = "FILE")]
    erasures: Option<PathBuf>,
    /// Nothing went out since the backup: queued work goes on at once, no connection is paused.
    #[arg(long)]
    resume: bool,
}

/// Read models that tell of one person.
const PERSONAL: [&str; 9] =
    ["order", "buyer", "ticket", "person", "person_group", "deal", "message", "consent", "consent_record"];
/// Records of the map of persons that say something of one.
const RECORDS: [&str; 2] = ["person", "person_conflict"];
/// Reads of the engine's own: they may be made at any time.
const READ: &str = "@fetch";
/// Code of an effect that is held back.
const CODE: &str = "restored";
/// Deliveries of one bite of an erasure.
const BITE: u32 = 20;

/// What was done.
#[derive(Default)]
struct Outcome {
    erased: usize,
    rows: u64,
    held: u64,
    paused: usize,
}

pub(crate) async fn run(config_path: &Path, args: Args, json: bool) -> Result<ExitCode, Failure> {
    let config = Config::load(config_path)?;
    let configured = config.database()?;
    let manifest = pasarela_store::backup::read_manifest(&args.file).map_err(failed)?;
    let (key_file, master) = (config.key_file()?, config.master()?);
    let target = match args.to.as_deref() {
        None => configured.clone(),
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            Database::Postgres { url: Secret::new(url), key_file: key_file.clone() }
        }
        Some(path) => Database::Sqlite(PathBuf::from(path.strip_prefix("sqlite:").unwrap_or(path))),
    };
    if socket_of(&target).await?.is_some() {
        return Err(Failure::Failed(format!("a hub serves {target}; stop it first")));
    }
    let journal = args.erasures.clone().unwrap_or_else(|| erasures::journal_of(configured.home()));
    let erased = erasures::read(&journal).map_err(failed)?;
    // What the vault holds comes with the backup.
    let plan = Plan::without_secrets(config)?;
    let now = plan.clock().now();
    let safe = if args.resume { Vec::new() } else { safe(&plan, &manifest, now) };
    let why = format!(
        "the database was restored from a backup of {}; what came after it may have gone out",
        manifest.made_at
    );
    let persons: Vec<Person> = erased.iter().map(|e| again(e.subject)).collect();
    let noted = Audited {
        deed: None,
        who_kind: WhoKind::CommandLine,
        who: "command_line".into(),
        name: "command line".into(),
        after: Some(json!({ "made_at": manifest.made_at, "resume": args.resume, "erased_again": persons.len() })),
        ..Audited::by_system(Timestamp::now(), "backups.restore", "")
    };
    let wish = Wish { persons, safe, why, resume: args.resume, now, noted };
    let bar = Bar::new("restore");
    let progress = Arc::new(Progress::default());
    let shown = progress.clone();
    let work = async {
        match &target {
            Database::Sqlite(path) => sqlite(&args.file, path, &master, &wish).await,
            Database::Postgres { url, key_file } => {
                let options =
                    postgres::Options { url: url.clone(), key_file: key_file.clone(), master: Some(master.clone()) };
                let after = Aftermath {
                    erased: wish.persons.clone(),
                    hold: (!wish.resume).then(|| (wish.safe.clone(), CODE, wish.why.clone())),
                    pause: (!wish.resume).then(|| wish.why.clone()),
                    spared: LEDGER,
                    now: wish.now,
                    noted: wish.noted.clone(),
                };
                let done = postgres::restore(&options, &args.file, progress, &after).await.map_err(failed)?;
                Ok(Outcome { erased: wish.persons.len(), rows: done.redacted, held: done.held, paused: done.paused })
            }
        }
    };
    tokio::pin!(work);
    let outcome = loop {
        tokio::select! {
            done = &mut work => break done?,
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                let (done, total) = shown.get();
                bar.at(done, total);
            }
        }
    };
    drop(bar);
    tell(&target, &manifest, &outcome, json, args.resume);
    Ok(ExitCode::SUCCESS)
}

fn failed(e: pasarela_store::Error) -> Failure {
    Failure::Failed(e.to_string())
}

/// Somebody who had been erased. A hold of the time of the backup forbids nothing: it had been ended before
/// the erasure, which the journal knows and the backup does not.
fn again(subject: i64) -> Person {
    let records = RECORDS.map(str::to_owned).to_vec();
    Person { subject, personal: PERSONAL.map(str::to_owned).to_vec(), records, held_by: None }
}

/// What is to be done to the restored database before anybody serves it.
struct Wish {
    persons: Vec<Person>,
    /// (connection, action) that may be repeated.
    safe: Vec<(String, String)>,
    why: String,
    resume: bool,
    now: Timestamp,
    /// What the audit of the restored database is to say of it.
    noted: Audited,
}

/// Actions whose queued effects may be made although they may have been made before: the provider knows
/// the key still, or the same request changes nothing.
fn safe(plan: &Plan, manifest: &Manifest, now: Timestamp) -> Vec<(String, String)> {
    let age = Duration::try_from(now.duration_since(manifest.made_at)).unwrap_or(Duration::ZERO);
    let mut all = Vec::new();
    for setup in &plan.connections {
        let name = &setup.config.name;
        all.push((name.clone(), READ.to_owned()));
        for action in &setup.provider.manifest().actions {
            let repeats = match action.idempotency {
                Idempotency::ClientId => true,
                Idempotency::Native { valid_for } => age < valid_for,
                Idempotency::Readable { .. } | Idempotency::Correlated { .. } | Idempotency::AtMostOnce => false,
            };
            if repeats {
                all.push((name.clone(), action.name.to_owned()));
            }
        }
    }
    all
}

async fn sqlite(file: &Path, to: &Path, master: &Master, wish: &Wish) -> Result<Outcome, Failure> {
    let (file, path, key) = (file.to_owned(), to.to_owned(), master.clone());
    let begun = tokio::task::spawn_blocking(move || Restoring::begin(&file, &path, &key)).await;
    let restoring = begun.map_err(|e| Failure::Failed(e.to_string()))?.map_err(failed)?;
    let store = restoring.open().map_err(failed)?;
    let mut outcome = Outcome { erased: wish.persons.len(), ..Outcome::default() };
    for person in &wish.persons {
        let mut after = -1;
        loop {
            let bite = store.redact(person.clone(), after, BITE, wish.now).await.map_err(failed)?;
            outcome.rows += bite.rows;
            match bite.next {
                Some(next) => after = next,
                None => break,
            }
        }
    }
    let noted = wish.noted.clone().sealed(store.sealer()).map_err(|e| failed(e.into()))?;
    store.audit(noted).await.map_err(failed)?;
    if !wish.resume {
        let connections = store.connections().await.map_err(failed)?;
        let id = |name: &str| connections.iter().find(|c| c.name == name).map(|c| c.id);
        let webhooks = connections.iter().filter(|c| is_webhook(&c.name)).map(|c| (c.id, WEBHOOK_ACTION.to_owned()));
        let safe = wish.safe.iter().filter_map(|(c, a)| Some((id(c)?, a.clone()))).chain(webhooks).collect();
        outcome.held = store.hold_back(safe, CODE, wish.why.clone()).await.map_err(failed)?;
        // The ledger calls nobody: nothing of it can go out twice.
        for connection in connections.iter().filter(|c| c.name != LEDGER) {
            outcome.paused += 1;
            let pause = PauseRow {
                kind: PauseKind::Connection,
                name: connection.name.clone(),
                reason: Some(wish.why.clone()),
                by: "pasarela restore".into(),
                since: wish.now,
            };
            store.keep_pause(pause).await.map_err(failed)?;
        }
    }
    tokio::task::spawn_blocking(move || drop(store)).await.map_err(|e| Failure::Failed(e.to_string()))?;
    restoring.finish().map_err(failed)?;
    Ok(outcome)
}

fn tell(target: &Database, manifest: &Manifest, outcome: &Outcome, json: bool, resume: bool) {
    if json {
        let facts = json!({
            "database": target.to_string(), "made_at": manifest.made_at, "program": manifest.program,
            "erased_again": outcome.erased, "rows_redacted": outcome.rows, "held": outcome.held, "paused": outcome.paused,
        });
        return line(&facts.to_string());
    }
    line(&format!(
        "{target}: restored from a backup of {} ({}); {} erasures made again ({} rows)",
        manifest.made_at, manifest.program, outcome.erased, outcome.rows
    ));
    if resume {
        note("Queued work goes on with the next `pasarela serve`: what went out since the backup may go out again.");
    } else {
        note(&format!(
            "{} effects that may have gone out since are held (`pasarela dead list`), and {} connections are paused. Start the hub, look at what providers have, retry or drop what is held, then `pasarela resume connection NAME`.",
            outcome.held, outcome.paused
        ));
    }
}
