//! `pasarela doctor`: looks at configuration, database, key, hub, public address and every connection, and says of
//! each how it stands and what to do. With `--repair NEW` it mends a damaged database into a new file; the old
//! one is only read.
//!
//! Beside a running hub the hub itself looks at the connections, with the credentials that it uses; without one
//! this process does. Nothing is changed at a provider, but a trial webhook of our own may come in.

mod report;

use crate::Failure;
use crate::admin::{Admin, socket_of};
use crate::config::{Config, Database};
use crate::hub::Plan;
use crate::output::{line, note};
use axum::http::Method;
use pasarela_store::sqlite::{self, Mended};
use report::{Line, Report, State};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Mend the database into this file, which must not be there. No hub may serve it meanwhile.
    #[arg(long, value_name = "NEW")]
    repair: Option<PathBuf>,
    /// Look at this machine only: no provider is called.
    #[arg(long)]
    offline: bool,
}

pub(crate) async fn run(config_path: &Path, args: Args, json: bool) -> Result<ExitCode, Failure> {
    let config = Config::load(config_path)?;
    let database = config.database()?;
    let master = config.master()?;
    let public_url = config.server.public_url.clone();
    let served = socket_of(&database).await?.is_some();
    if let Some(new) = args.repair {
        let Database::Sqlite(path) = database else {
            return Err(Failure::Usage(
                "--repair mends SQLite files; a damaged PostgreSQL is its administrator's (pg_amcheck, REINDEX), or restore a backup"
                    .into(),
            ));
        };
        return repair(sqlite::Options { master: Some(master), ..sqlite::Options::file(path) }, new, json).await;
    }
    let mut report = Report::default();
    report.push(Line::ok("config", format!("{} can be read", config_path.display())));
    let plan = Plan::read(config);
    report.push(match &plan {
        Ok(plan) => {
            Line::ok("plan", format!("{} connections and {} flows are right", plan.connections.len(), plan.flows.len()))
        }
        Err(Failure::Usage(why) | Failure::Failed(why)) => {
            Line::fail("plan", why.as_str(), "`pasarela check` says the same; the hub does not start until it is right")
        }
    });
    let right = plan.is_ok();
    drop(plan);
    let mut there = true;
    match &database {
        Database::Sqlite(path) => {
            there = path.exists();
            let options = sqlite::Options { master: Some(master.clone()), ..sqlite::Options::file(path) };
            let looked = tokio::task::spawn_blocking(move || sqlite::examine(&options, served)).await;
            let looked = looked.map_err(|e| Failure::Failed(e.to_string()))?;
            looked.into_iter().for_each(|found| report.push(found.into()));
        }
        Database::Postgres { .. } => report.push(match master.fingerprint() {
            Ok(print) => Line::ok("key", format!("{master}; its fingerprint is {print}")),
            Err(e) => Line::fail("key", e.to_string(), "nothing sealed can be read without it; put it back"),
        }),
    }
    // The rest is the hub's to say, or this process' in its place; never on a database that is not there or damaged.
    let sound = right && there && report.worst() != State::Fail;
    if served || (sound && !args.offline) || matches!(database, Database::Postgres { .. }) {
        match Admin::open(config_path).await {
            Ok(admin) => {
                report.push(hub(&admin, served).await);
                if !args.offline {
                    connections(&admin, &public_url, served, &mut report).await;
                }
            }
            Err(Failure::Usage(why) | Failure::Failed(why)) => {
                report.push(Line::fail("hub", why, "the log of the hub says more"));
            }
        }
    } else if !args.offline {
        report.push(Line::warn(
            "hub",
            "no hub serves, and the connections were not looked at",
            if there { "mend what is above first" } else { "start it with `pasarela serve`, then ask again" },
        ));
    }
    report.print(json);
    Ok(if report.worst() == State::Fail { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Alarms of the hub that serves, or that could.
async fn hub(admin: &Admin, served: bool) -> Line {
    match admin.get("/api/v1/alarms").await {
        Ok(alarms) => {
            let ringing: Vec<&str> =
                alarms["data"].as_array().into_iter().flatten().filter_map(|a| a["alarm"].as_str()).collect();
            let who = if served { "the hub serves" } else { "no hub serves; the database answers" };
            if ringing.is_empty() {
                Line::ok("hub", format!("{who}; no alarm rings"))
            } else {
                let found = format!("{who}; alarms: {}", ringing.join(", "));
                Line::warn("hub", found, "docs/alarms.md says what to do about each")
            }
        }
        Err(Failure::Usage(why) | Failure::Failed(why)) => Line::fail("hub", why, "the log of the hub says more"),
    }
}

async fn connections(admin: &Admin, public_url: &str, served: bool, report: &mut Report) {
    let ask = json!({ "public_url": public_url, "trial": served });
    match admin.call(Method::POST, "/admin/doctor", Some(ask)).await {
        Ok(found) => {
            if found["public"].is_object() {
                report.push(Line::read(&found["public"]));
            }
            for examined in found["data"].as_array().into_iter().flatten() {
                report.connection(examined);
            }
        }
        Err(Failure::Usage(why) | Failure::Failed(why)) => {
            report.push(Line::fail("connections", why, "the log of the hub says more"));
        }
    }
}

async fn repair(options: sqlite::Options, new: PathBuf, json: bool) -> Result<ExitCode, Failure> {
    let (old, to) = (options.path.clone(), new.clone());
    let done = tokio::task::spawn_blocking(move || sqlite::repair(&options, &to)).await;
    let done = done.map_err(|e| Failure::Failed(e.to_string()))?.map_err(|e| Failure::Failed(e.to_string()))?;
    let (old, new) = (old.display(), new.display());
    if json {
        let told: Value = json!({ "file": new.to_string(), "repair": done });
        line(&told.to_string());
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
