//! `pasarela bench flood`: more than the hub takes. It must answer 503 with `Retry-After`, keep its
//! memory, and lose nothing of what it accepted, also when it is killed right after.

use super::Flood;
use super::figures::{Goal, Report, median};
use super::load::{self, Load, Plan};
use super::place::{Database, Hub, Place, Wiring};
use crate::Failure;
use crate::output::note;
use pasarela_store::EventFilter;
use serde_json::json;
use std::time::Duration;

struct Round {
    load: Load,
    /// Memory after a second of full load with small bodies, and after all of it.
    early_mib: f64,
    late_mib: f64,
    backlog: f64,
    flood_mib: f64,
    missing: i64,
}

pub(super) async fn run(args: &Flood, databases: &[Database]) -> Result<Report, Failure> {
    let mut report = Report::default();
    for database in databases {
        let mut rounds = Vec::new();
        for round in 0..args.common.rounds {
            note(&format!("a flood, round {}: {}", round + 1, database.name()));
            rounds.push(one(args, database, round).await?);
        }
        tell(&mut report, database, &rounds);
    }
    Ok(report)
}

fn tell(report: &mut Report, database: &Database, rounds: &[Round]) {
    let name = database.name();
    let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    let sum = |value: fn(&Round) -> u64| rounds.iter().map(value).sum::<u64>();
    let missing: i64 = rounds.iter().map(|r| r.missing).sum();
    if missing != 0 {
        report.fault(format!("a flood, {name}: {missing} accepted webhooks are missing"));
    }
    let (refused, told) = (sum(|r| r.load.refused), sum(|r| r.load.told_to_wait));
    if refused != told {
        report.fault(format!("a flood, {name}: {} refusals were not 503 with Retry-After", refused - told));
    }
    let growth = of(|r| r.late_mib / r.early_mib);
    report.figure(format!("memory with a backlog, {name}"), of(|r| r.late_mib), "MiB", Goal::AtMost(150.0));
    report.figure(format!("memory, {name}, with a backlog to without"), growth, "", Goal::AtMost(1.25));
    report.figure(format!("flood, {name}, accepted"), of(|r| r.load.per_second()), "/s", Goal::None);
    let share = refused as f64 / (refused + sum(|r| r.load.accepted)).max(1) as f64;
    report.figure(format!("flood, {name}, told to come again"), share * 100.0, "%", Goal::None);
    report.figure(format!("flood, {name}, accepted and lost"), missing as f64, "", Goal::AtMost(0.0));
    report.detail(
        format!("flood_{}", name.to_lowercase()),
        json!({ "backlog": of(|r| r.backlog), "memory_in_flood_mib": of(|r| r.flood_mib), "refused": refused, "p99_ms": of(|r| r.load.ms(99.0)) }),
    );
}

async fn one(args: &Flood, database: &Database, round: usize) -> Result<Round, Failure> {
    let place = Place::make(args.common.dir.as_deref(), database)?;
    let mut hub = Hub::start(&place, &Wiring { connections: &["tienda"], sink: None, flow: None }).await?;
    let (connections, run) = (args.common.connections, format!("a{round}"));
    let early = Plan::new(hub.addr, "/hooks/tienda", connections, Duration::from_secs(2), &run);
    let mut accepted = load::run(early.clone()).await?.accepted;
    let early_mib = hub.peak_mib();
    let late = Plan { time: Duration::from_secs(args.common.seconds), run: format!("b{round}"), ..early.clone() };
    accepted += load::run(late).await?.accepted;
    let (late_mib, backlog) = (hub.peak_mib(), hub.metric("pasarela_inbox").await);
    let flood = Plan {
        connections: connections * args.times,
        bytes: args.bytes,
        time: Duration::from_secs(args.common.seconds.min(5)),
        run: format!("c{round}"),
        ..early
    };
    let load = load::run(flood).await?;
    accepted += load.accepted;
    let flood_mib = hub.peak_mib();
    hub.kill_and_start().await?;
    hub.drained(Duration::from_secs(600)).await?;
    drop(hub);
    // One event each: counters of a process do not outlive its kill, so the log itself is counted.
    let kept = events(&place).await?;
    Ok(Round { load, early_mib, late_mib, backlog, flood_mib, missing: accepted as i64 - kept as i64 })
}

/// How many events there are, read page by page from the database that no hub serves any more.
async fn events(place: &Place) -> Result<u64, Failure> {
    let failed = |e: pasarela_store::Error| Failure::Failed(e.to_string());
    let store = place.open().map_err(failed)?;
    let (mut count, mut above) = (0, None);
    loop {
        let filter = EventFilter { above, ascending: true, limit: 1000, ..EventFilter::default() };
        let page = store.events(filter).await.map_err(failed)?;
        count += page.rows.len() as u64;
        match page.next {
            Some(next) => above = Some(next),
            None => return Ok(count),
        }
    }
}
