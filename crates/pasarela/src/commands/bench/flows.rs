//! `pasarela bench flows`: webhook in, three effects one after another to a sink.

use super::Flows;
use super::figures::{Goal, Report, median};
use super::load::{self, Plan, percentile_ms};
use super::place::{Database, Hub, Place, Wiring};
use super::sample::FLOW;
use super::sink::Sink;
use crate::Failure;
use crate::output::note;
use serde_json::json;
use std::time::{Duration, Instant};

/// The last of the three effects.
pub(super) const LAST: &str = "analytics";
/// How long the flows of a load may take to end after it.
const PATIENCE: Duration = Duration::from_secs(300);

struct Round {
    accepted_per_s: f64,
    complete_per_s: f64,
    missing: i64,
    twice: usize,
    /// From the first byte at the hub until the sink has the third request, in microseconds, sorted.
    latencies: Vec<u32>,
    transactions: f64,
    rows: f64,
    peak_mib: f64,
}

pub(super) async fn run(args: &Flows, databases: &[Database]) -> Result<Report, Failure> {
    Ok(at_full_speed(args, databases).await?.1)
}

/// Also tells how many flows a second each database did.
pub(super) async fn at_full_speed(args: &Flows, databases: &[Database]) -> Result<(Vec<f64>, Report), Failure> {
    let told = args.rate.map_or_else(|| "full speed".to_owned(), |r| format!("{r}/s"));
    let mut all: Vec<Vec<Round>> = databases.iter().map(|_| Vec::new()).collect();
    for round in 0..args.common.rounds {
        for (database, rounds) in databases.iter().zip(&mut all) {
            note(&format!("flows at {told}, round {}: {}", round + 1, database.name()));
            rounds.push(one(args, database, round).await?);
        }
    }
    let mut report = Report::default();
    let mut most = Vec::new();
    for (database, rounds) in databases.iter().zip(&all) {
        let name = database.name();
        let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        let missing: i64 = rounds.iter().map(|r| r.missing).sum();
        let twice: usize = rounds.iter().map(|r| r.twice).sum();
        if missing != 0 || twice != 0 {
            report.fault(format!("flows at {told}, {name}: {missing} missing, {twice} effects twice"));
        }
        match args.rate {
            None => {
                let goal = match database {
                    Database::Sqlite => Goal::AtLeast(2500.0),
                    Database::Postgres(_) => Goal::AtLeast(1200.0),
                };
                report.figure(format!("flows, {name}"), of(|r| r.complete_per_s), "/s", goal);
                report.figure(format!("memory at full flows, {name}"), of(|r| r.peak_mib), "MiB", Goal::AtMost(150.0));
            }
            Some(rate) => {
                let of = |p: f64| median(rounds.iter().map(|r| percentile_ms(&r.latencies, p)).collect());
                report.figure(format!("third effect at {rate}/s, {name}, p50"), of(50.0), "ms", Goal::AtMost(7.0));
                report.figure(format!("third effect at {rate}/s, {name}, p99"), of(99.0), "ms", Goal::AtMost(20.0));
            }
        }
        most.push(of(|r| r.complete_per_s));
        report.detail(
            format!("flows_{}_{}", args.rate.map_or_else(|| "full".to_owned(), |r| r.to_string()), name.to_lowercase()),
            json!({
                "complete_per_s": rounds.iter().map(|r| r.complete_per_s.round()).collect::<Vec<_>>(),
                "accepted_per_s": of(|r| r.accepted_per_s).round(), "transactions_per_flow": of(|r| r.transactions),
                "rows_per_flow": of(|r| r.rows), "missing": missing, "twice": twice,
            }),
        );
    }
    Ok((most, report))
}

async fn one(args: &Flows, database: &Database, round: usize) -> Result<Round, Failure> {
    let sink = Sink::start(Duration::from_millis(args.delay_ms)).await.map_err(|e| Failure::Failed(e.to_string()))?;
    let place = Place::make(args.common.dir.as_deref(), database)?;
    let wiring = Wiring { connections: &["tienda"], sink: Some(sink.addr), flow: Some(FLOW) };
    let hub = Hub::start(&place, &wiring).await?;
    let time = Duration::from_secs(args.common.seconds);
    let run = format!("f{round}");
    let plan = Plan {
        rate: args.rate,
        keep_ids: args.rate.is_some(),
        ..Plan::new(hub.addr, "/hooks/tienda", args.common.connections, time, &run)
    };
    let before = (hub.metric("pasarela_store_transactions").await, hub.metric("pasarela_store_row_operations").await);
    let begun = Instant::now();
    let load = load::run(plan).await?;
    let complete = ended(&sink, load.accepted as usize, PATIENCE).await;
    let seconds = begun.elapsed().as_secs_f64();
    // The last outcomes are written after the last calls.
    let quiet = Instant::now();
    while hub.metric("pasarela_effects_calling").await > 0.0 && quiet.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let flows = load.accepted.max(1) as f64;
    let arrivals = if args.rate.is_some() { sink.seen.arrivals(LAST) } else { Default::default() };
    let mut latencies: Vec<u32> = (load.ids.iter())
        .filter_map(|(id, sent)| Some(arrivals.get(id)?.saturating_duration_since(*sent)))
        .map(|took| u32::try_from(took.as_micros()).unwrap_or(u32::MAX))
        .collect();
    latencies.sort_unstable();
    Ok(Round {
        accepted_per_s: load.per_second(),
        complete_per_s: complete as f64 / seconds,
        missing: load.accepted as i64 - complete as i64,
        twice: sink.seen.again(),
        latencies,
        transactions: (hub.metric("pasarela_store_transactions").await - before.0) / flows,
        rows: (hub.metric("pasarela_store_row_operations").await - before.1) / flows,
        peak_mib: hub.peak_mib(),
    })
}

/// Waits until so many flows have ended; how many had.
async fn ended(sink: &Sink, flows: usize, patience: Duration) -> usize {
    let begun = Instant::now();
    while sink.seen.of_step(LAST) < flows && begun.elapsed() < patience {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sink.seen.of_step(LAST)
}
