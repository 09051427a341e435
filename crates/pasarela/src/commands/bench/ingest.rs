//! `pasarela bench ingest`: signed 2 kB webhooks into a connection without flows, beside the reference.

use super::Ingest;
use super::figures::{Goal, Report, median};
use super::load::{self, Load, Plan};
use super::place::{Database, Hub, Place, Wiring, scratch};
use crate::Failure;
use crate::commands::process::{Running, free_port, wait_for};
use crate::output::note;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Unmeasured load at the beginning of a round, so that caches and files are there.
const WARM_UP: Duration = Duration::from_millis(500);

struct Round {
    load: Load,
    decided_per_s: f64,
    drain_s: f64,
    log_mib: f64,
    peak_mib: f64,
    start_ms: f64,
}

pub(super) async fn run(args: &Ingest, databases: &[Database]) -> Result<Report, Failure> {
    let mut references: Vec<Load> = Vec::new();
    let mut hubs: Vec<Vec<Round>> = databases.iter().map(|_| Vec::new()).collect();
    let told = args.rate.map_or_else(|| "full speed".to_owned(), |r| format!("{r}/s"));
    for round in 0..args.common.rounds {
        if let Some(program) = &args.reference {
            note(&format!("ingest at {told}, round {}: reference", round + 1));
            references.push(reference(program, args, round).await?);
        }
        for (database, rounds) in databases.iter().zip(&mut hubs) {
            note(&format!("ingest at {told}, round {}: {}", round + 1, database.name()));
            rounds.push(one_hub(args, database, round).await?);
        }
    }
    let mut report = Report::default();
    match args.rate {
        None => at_full_speed(&mut report, databases, &references, &hubs),
        Some(rate) => at_rate(&mut report, rate, databases, &references, &hubs),
    }
    Ok(report)
}

fn plan(args: &Ingest, addr: SocketAddr, path: &str, run: &str) -> Plan {
    let time = Duration::from_secs(args.common.seconds);
    Plan { rate: args.rate, ..Plan::new(addr, path, args.common.connections, time, run) }
}

fn warm_up(plan: &Plan) -> Plan {
    Plan { time: WARM_UP, run: format!("w{}", plan.run), ..plan.clone() }
}

async fn reference(program: &Path, args: &Ingest, round: usize) -> Result<Load, Failure> {
    let dir = scratch(args.common.dir.as_deref())?;
    let port = free_port()?;
    let child = Command::new(program)
        .args([dir.path().as_os_str(), "FULL".as_ref(), port.to_string().as_ref(), "2".as_ref()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| Failure::Failed(format!("{}: {e}", program.display())))?;
    let mut child = Running(child);
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for(addr, &mut child, Duration::from_secs(5)).await?;
    let plan = plan(args, addr, "/durable", &format!("r{round}"));
    load::run(warm_up(&plan)).await?;
    load::run(plan).await
}

async fn one_hub(args: &Ingest, database: &Database, round: usize) -> Result<Round, Failure> {
    let place = Place::make(args.common.dir.as_deref(), database)?;
    let begun = Instant::now();
    let hub = Hub::start(&place, &Wiring { connections: &["tienda"], sink: None, flow: None }).await?;
    let plan = plan(args, hub.addr, "/hooks/tienda", &format!("r{round}"));
    let one = Plan { connections: 1, time: Duration::ZERO, rate: None, run: format!("f{round}"), ..plan.clone() };
    load::run(one).await?;
    let start_ms = begun.elapsed().as_secs_f64() * 1e3;
    load::run(warm_up(&plan)).await?;
    let before = hub.metric("pasarela_deliveries_decided_total").await;
    let load = load::run(plan).await?;
    let decided = hub.metric("pasarela_deliveries_decided_total").await - before;
    let log_mib = hub.metric("pasarela_wal_bytes").await / 1048576.0;
    // Once is enough to tell how long deciding what was left takes.
    let last = round + 1 == args.common.rounds && args.rate.is_none();
    let drain_s = if last { hub.drained(Duration::from_secs(600)).await? } else { 0.0 };
    Ok(Round { decided_per_s: decided / load.seconds, load, drain_s, log_mib, peak_mib: hub.peak_mib(), start_ms })
}

fn of(rounds: &[Round], value: impl Fn(&Round) -> f64) -> f64 {
    median(rounds.iter().map(value).collect())
}

fn at_full_speed(report: &mut Report, databases: &[Database], references: &[Load], hubs: &[Vec<Round>]) {
    let reference = median(references.iter().map(Load::per_second).collect());
    let reference_p99 = median(references.iter().map(|l| l.ms(99.0)).collect());
    if !references.is_empty() {
        report.figure("ingest, reference", reference, "/s", Goal::None);
        report.figure("ingest, reference, p99", reference_p99, "ms", Goal::None);
    }
    let mut sqlite = None;
    for (database, rounds) in databases.iter().zip(hubs) {
        let name = database.name();
        let accepted = of(rounds, |r| r.load.per_second());
        let p99 = of(rounds, |r| r.load.ms(99.0));
        report.figure(format!("ingest, {name}"), accepted, "/s", Goal::None);
        report.figure(format!("ingest, {name}, p99"), p99, "ms", Goal::None);
        match database {
            Database::Sqlite => {
                sqlite = Some(accepted);
                if reference > 0.0 {
                    report.figure("ingest, SQLite to reference", accepted / reference, "", Goal::AtLeast(0.6));
                    report.figure("ingest p99, SQLite to reference", p99 / reference_p99, "", Goal::AtMost(2.5));
                }
                report.figure("memory at full ingest, SQLite", of(rounds, |r| r.peak_mib), "MiB", Goal::AtMost(150.0));
            }
            Database::Postgres(_) => {
                if let Some(sqlite) = sqlite {
                    report.figure("ingest, PostgreSQL to SQLite", accepted / sqlite, "", Goal::AtLeast(0.5));
                }
                report.figure(
                    "memory at full ingest, PostgreSQL",
                    of(rounds, |r| r.peak_mib),
                    "MiB",
                    Goal::AtMost(150.0),
                );
            }
        }
        report.detail(
            format!("ingest_{}", name.to_lowercase()),
            json!({
                "accepted_per_s": rounds.iter().map(|r| r.load.per_second().round()).collect::<Vec<_>>(),
                "p50_ms": of(rounds, |r| r.load.ms(50.0)), "refused": rounds.iter().map(|r| r.load.refused).sum::<u64>(),
                "decided_per_s_during_load": of(rounds, |r| r.decided_per_s).round(), "drain_s": rounds.last().map_or(0.0, |r| r.drain_s),
                "log_mib": of(rounds, |r| r.log_mib), "start_to_first_accepted_ms": of(rounds, |r| r.start_ms),
            }),
        );
    }
    report.detail(
        "ingest_reference",
        json!({ "accepted_per_s": references.iter().map(|l| l.per_second().round()).collect::<Vec<_>>(),
            "p50_ms": median(references.iter().map(|l| l.ms(50.0)).collect()) }),
    );
}

fn at_rate(report: &mut Report, rate: u64, databases: &[Database], references: &[Load], hubs: &[Vec<Round>]) {
    for percentile in [50.0, 99.0] {
        let reference = median(references.iter().map(|l| l.ms(percentile)).collect());
        if !references.is_empty() {
            report.figure(format!("at {rate}/s, reference, p{percentile:.0}"), reference, "ms", Goal::None);
        }
        for (database, rounds) in databases.iter().zip(hubs) {
            let name = database.name();
            let own = of(rounds, |r| r.load.ms(percentile));
            report.figure(format!("at {rate}/s, {name}, p{percentile:.0}"), own, "ms", Goal::None);
            if reference > 0.0 && matches!(database, Database::Sqlite) {
                let what = format!("at {rate}/s, p{percentile:.0}, SQLite to reference");
                report.figure(what, own / reference, "", Goal::AtMost(2.5));
            }
        }
    }
    for (database, rounds) in databases.iter().zip(hubs) {
        // An answer that is slower than the rate allows shows as requests that were not sent in time.
        report.detail(
            format!("ingest_at_{rate}_{}", database.name().to_lowercase()),
            json!({ "accepted_per_s": of(rounds, |r| r.load.per_second()).round(), "refused": rounds.iter().map(|r| r.load.refused).sum::<u64>() }),
        );
    }
}
