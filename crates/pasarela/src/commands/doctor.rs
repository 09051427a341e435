//! `pasarela doctor`: looks at configuration, database and key, and says of each how it stands and what to
//! do. With `--repair NEW` it mends a damaged database into a new file; the old one is only read.

use crate::Failure;
use crate::admin::{Admin, socket_of};
use crate::config::{Config, Database};
use crate::hub::Plan;
use crate::output::{line, note};
use pasarela_store::sqlite::{self, Finding, Mended, State};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Mend the database into this file, which must not be there. No hub may serve it meanwhile.
    #[arg(long, value_name = "NEW")]
    repair: Option<PathBuf>,
}

pub(crate) async fn run(config_path: &Path, args: Args, json: bool) -> Result<ExitCode, Failure> {
    let config = Config::load(config_path)?;
    let database = config.database()?;
    let key_file = config.store.key_file.clone();
    let served = socket_of(&database).await?.is_some();
    if let Some(new) = args.repair {
        let Database::Sqlite(path) = database else {
            return Err(Failure::Usage(
                "--repair mends SQLite files; a damaged PostgreSQL is its administrator's (pg_amcheck, REINDEX), or restore a backup"
                    .into(),
            ));
        };
        return repair(sqlite::Options { key_file, ..sqlite::Options::file(path) }, new, json).await;
    }
    let mut all = vec![Finding::ok("config", format!("{} can be read", config_path.display()))];
    match &database {
        Database::Sqlite(path) => {
            let options = sqlite::Options { key_file, ..sqlite::Options::file(path) };
            let looked = tokio::task::spawn_blocking(move || sqlite::examine(&options, served)).await;
            all.extend(looked.map_err(|e| Failure::Failed(e.to_string()))?);
        }
        Database::Postgres { key_file, .. } => all.push(match pasarela_store::key_fingerprint(key_file) {
            Ok(print) => Finding::ok("key", format!("{}; its fingerprint is {print}", key_file.display())),
            Err(e) => Finding::fail("key", e.to_string(), "nothing sealed can be read without it; put it back"),
        }),
    }
    all.push(match Plan::read(config) {
        Ok(plan) => Finding::ok(
            "plan",
            format!("{} connections and {} flows are right", plan.connections.len(), plan.flows.len()),
        ),
        Err(Failure::Usage(why) | Failure::Failed(why)) => {
            Finding::fail("plan", why, "`pasarela check` says the same; the hub does not start until it is right")
        }
    });
    // The rest is the hub's to say, or that of the database's server.
    if served || matches!(database, Database::Postgres { .. }) {
        all.push(hub(config_path, served).await);
    }
    let worst = all.iter().map(|f| f.state).max().unwrap_or(State::Ok);
    if json {
        line(&json!({ "state": worst, "checks": all }).to_string());
    } else {
        for f in &all {
            let word = match f.state {
                State::Ok => "ok",
                State::Warn => "warn",
                State::Fail => "FAIL",
            };
            line(&format!("{word:<5} {:<10} {}", f.check, f.found));
            if let Some(advice) = &f.advice {
                line(&format!("{:<16} {advice}", ""));
            }
        }
    }
    Ok(if worst == State::Fail { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Alarms of the hub that serves, or that could.
async fn hub(config: &Path, served: bool) -> Finding {
    let asked = async { Admin::open(config).await?.get("/api/v1/alarms").await };
    match asked.await {
        Ok(alarms) => {
            let ringing: Vec<&str> =
                alarms["data"].as_array().into_iter().flatten().filter_map(|a| a["alarm"].as_str()).collect();
            let who = if served { "the hub serves" } else { "the database answers" };
            if ringing.is_empty() {
                Finding::ok("hub", format!("{who}; no alarm rings"))
            } else {
                Finding::warn(
                    "hub",
                    format!("{who}; alarms: {}", ringing.join(", ")),
                    "docs/alarms.md says what to do about each",
                )
            }
        }
        Err(Failure::Usage(why) | Failure::Failed(why)) => Finding::fail("hub", why, "the log of the hub says more"),
    }
}

async fn repair(options: sqlite::Options, new: PathBuf, json: bool) -> Result<ExitCode, Failure> {
    let (old, to) = (options.path.clone(), new.clone());
    let done = tokio::task::spawn_blocking(move || sqlite::repair(&options, &to)).await;
    let done = done.map_err(|e| Failure::Failed(e.to_string()))?.map_err(|e| Failure::Failed(e.to_string()))?;
    let (old, new) = (old.display(), new.display());
    if json {
        line(&json!({ "file": new.to_string(), "repair": done }).to_string());
    } else {
        let how = match done.mended {
            Mended::Whole => "nothing was damaged; the new file is the same without its free pages",
            Mended::Indexes => "only indexes were damaged, and were made anew: every row is there",
            Mended::Rows => "rows were damaged; what could be read is there",
        };
        line(&format!("{new}: {how}"));
        for gap in &done.gaps {
            let between = gap.between.map(|(a, b)| format!(", numbers {a} to {b}")).unwrap_or_default();
            line(&format!("  lost in {}{between}: {}", gap.table, gap.why));
        }
        note(&match done.mended {
            Mended::Rows => format!(
                "Prefer a backup where deliveries, effects, runs or dedup are among the lost. To use the new file: stop the hub, move {old}, {old}-wal and {old}-shm aside and keep them, rename {new} to {old}; then `pasarela reconcile NAME` of every connection brings what their providers still have."
            ),
            _ => format!("To use it: stop the hub, move {old}, {old}-wal and {old}-shm aside, rename {new} to {old}."),
        });
    }
    Ok(ExitCode::SUCCESS)
}
