//! `pasarela bench resume`: SIGKILL while flows run, start again, and the time until the hub takes a
//! webhook and until an effect that waited goes out.

use super::Common;
use super::figures::{Goal, Report, median};
use super::flows::LAST;
use super::load::{self, Plan};
use super::place::{Database, Hub, Place, Wiring};
use super::sample::FLOW;
use super::sink::Sink;
use crate::Failure;
use crate::output::note;
use serde_json::json;
use std::time::{Duration, Instant};

/// Load before the kill.
const LOAD: Duration = Duration::from_secs(3);
/// How long what was accepted may take to end.
const PATIENCE: Duration = Duration::from_secs(120);

struct Round {
    accepted_ms: f64,
    resumed_ms: f64,
    missing: i64,
    again: usize,
}

pub(super) async fn run(args: &Common, databases: &[Database]) -> Result<Report, Failure> {
    let mut all: Vec<Vec<Round>> = databases.iter().map(|_| Vec::new()).collect();
    for round in 0..args.rounds {
        for (database, rounds) in databases.iter().zip(&mut all) {
            note(&format!("a kill under load, round {}: {}", round + 1, database.name()));
            rounds.push(one(args, database, round).await?);
        }
    }
    let mut report = Report::default();
    for (database, rounds) in databases.iter().zip(&all) {
        let name = database.name();
        let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        let missing: i64 = rounds.iter().map(|r| r.missing).sum();
        if missing != 0 {
            report.fault(format!("a kill under load, {name}: {missing} accepted flows did not end"));
        }
        report.figure(
            format!("after SIGKILL, {name}, first webhook accepted"),
            of(|r| r.accepted_ms),
            "ms",
            Goal::None,
        );
        report.figure(
            format!("after SIGKILL, {name}, first resumed effect"),
            of(|r| r.resumed_ms),
            "ms",
            Goal::AtMost(2000.0),
        );
        report.detail(
            format!("resume_{}", name.to_lowercase()),
            // Sent again with the same key: the provider does them once.
            json!({ "missing": missing, "sent_again_with_their_key": rounds.iter().map(|r| r.again).sum::<usize>() }),
        );
    }
    Ok(report)
}

async fn one(args: &Common, database: &Database, round: usize) -> Result<Round, Failure> {
    let sink = Sink::start(Duration::from_millis(1)).await.map_err(|e| Failure::Failed(e.to_string()))?;
    let place = Place::make(args.dir.as_deref(), database)?;
    let wiring = Wiring { connections: &["tienda"], sink: Some(sink.addr), flow: Some(FLOW) };
    let mut hub = Hub::start(&place, &wiring).await?;
    let plan = Plan {
        keep_ids: true,
        may_break: true,
        ..Plan::new(hub.addr, "/hooks/tienda", args.connections, LOAD * 2, &format!("k{round}"))
    };
    let loading = tokio::spawn(load::run(plan.clone()));
    tokio::time::sleep(LOAD).await;
    let begun = hub.kill_and_start().await?;
    // What was in the sockets at the kill has arrived by now and is not counted: what comes from here on
    // was sent by the new process.
    let listens = Instant::now();
    let probe = format!("p{round}");
    let one = Plan { connections: 1, time: Duration::ZERO, run: probe.clone(), ..plan };
    let after = load::run(one).await?;
    let accepted_ms = begun.elapsed().as_secs_f64() * 1e3;
    let resumed = resumed(&sink, listens, &format!("evt-{probe}-"), Duration::from_secs(60)).await;
    let load = loading.await.map_err(|e| Failure::Failed(e.to_string()))??;
    let wanted: Vec<&String> = load.ids.keys().chain(after.ids.keys()).collect();
    // Flows whose answer was lost in the kill end too, so these are waited for by name.
    let begun_wait = Instant::now();
    let missing = loop {
        let arrived = sink.seen.arrivals(LAST);
        let missing = wanted.iter().filter(|id| !arrived.contains_key(**id)).count();
        if missing == 0 || begun_wait.elapsed() > PATIENCE {
            break missing;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    Ok(Round {
        accepted_ms,
        resumed_ms: resumed.map_or(f64::MAX, |at| at.duration_since(begun).as_secs_f64() * 1e3),
        missing: missing as i64,
        again: sink.seen.again(),
    })
}

/// When the first effect of a flow that began before the kill came.
async fn resumed(sink: &Sink, after: Instant, not: &str, patience: Duration) -> Option<Instant> {
    while after.elapsed() < patience {
        if let Some(at) = sink.seen.first_after(after, not) {
            return Some(at);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    None
}
