//! `pasarela bench sealing`: what sealing costs the ingest. The same hub under the same load, once as it is and once
//! with a sealer that copies: it writes as many bytes into the same places, and encrypts nothing.
//!
//! The second one is this program again, by a command that is not listed and that takes nothing but a database which
//! no hub ever used. No configuration reaches it.

use super::Common;
use super::figures::{Goal, Report, median};
use super::load::{self, Load, Plan};
use super::place::{Database, Hub, Place, Wiring};
use crate::Failure;
use crate::output::note;
use serde_json::json;
use std::time::Duration;

/// Unmeasured load at the beginning of a round.
const WARM_UP: Duration = Duration::from_millis(500);
/// What is left of the ingest with sealing, at the least: it costs at most 15 %.
const LEFT: f64 = 0.85;

/// Rounds of one database.
#[derive(Default)]
struct Rounds {
    sealed: Vec<Load>,
    copied: Vec<Load>,
}

pub(super) async fn run(args: &Common, databases: &[Database]) -> Result<Report, Failure> {
    let mut all: Vec<Rounds> = databases.iter().map(|_| Rounds::default()).collect();
    for round in 0..args.rounds {
        for (database, rounds) in databases.iter().zip(&mut all) {
            note(&format!("sealing, round {}: {}, sealed", round + 1, database.name()));
            rounds.sealed.push(ingest(args, database, round, false).await?);
            note(&format!("sealing, round {}: {}, copied", round + 1, database.name()));
            rounds.copied.push(ingest(args, database, round, true).await?);
        }
    }
    let mut report = Report::default();
    for (database, rounds) in databases.iter().zip(&all) {
        let name = database.name();
        let rate = |loads: &[Load]| median(loads.iter().map(Load::per_second).collect());
        let (sealed, copied) = (rate(&rounds.sealed), rate(&rounds.copied));
        report.figure(format!("ingest, {name}, sealed"), sealed, "/s", Goal::None);
        report.figure(format!("ingest, {name}, copied"), copied, "/s", Goal::None);
        report.figure(format!("sealed to copied, {name}"), sealed / copied.max(1.0), "", Goal::AtLeast(LEFT));
        let each = |loads: &[Load]| loads.iter().map(|l| l.per_second().round()).collect::<Vec<_>>();
        let p99 = |loads: &[Load]| median(loads.iter().map(|l| l.ms(99.0)).collect());
        report.detail(
            format!("sealing_{}", name.to_lowercase()),
            json!({
                "sealed_per_s": each(&rounds.sealed), "copied_per_s": each(&rounds.copied),
                "sealed_p99_ms": p99(&rounds.sealed), "copied_p99_ms": p99(&rounds.copied),
            }),
        );
    }
    Ok(report)
}

async fn ingest(args: &Common, database: &Database, round: usize, copies: bool) -> Result<Load, Failure> {
    let place = Place::make(args.dir.as_deref(), database)?;
    let wiring = Wiring { connections: &["tienda"], sink: None, flow: None };
    let hub = if copies { Hub::start_copying(&place, &wiring).await? } else { Hub::start(&place, &wiring).await? };
    let time = Duration::from_secs(args.seconds);
    let run = format!("{}{round}", if copies { "c" } else { "s" });
    let plan = Plan::new(hub.addr, "/hooks/tienda", args.connections, time, &run);
    load::run(Plan { time: WARM_UP, run: format!("w{run}"), ..plan.clone() }).await?;
    load::run(plan).await
}
