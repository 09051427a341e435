//! `pasarela bench idle-accept`: what a webhook of a quiet connection costs while flows of another
//! one are at 80 % of what is possible, against what it costs without them.

use super::figures::{Goal, Report, median};
use super::flows;
use super::load::{self, Plan};
use super::place::{Database, Hub, Place, Wiring};
use super::sample::FLOW;
use super::sink::Sink;
use super::{Common, Flows};
use crate::Failure;
use crate::output::note;
use serde_json::json;
use std::time::Duration;

/// Webhooks a second on the quiet connection.
pub(super) const RATE: u64 = 500;
/// Connections of their senders.
const SENDERS: usize = 16;
/// Share of the most that is possible.
const SHARE: f64 = 0.8;

/// `most`: flows a second that each database does, where that has been measured in this run.
pub(super) async fn run(args: &Common, databases: &[Database], most: &[f64]) -> Result<Report, Failure> {
    let mut report = Report::default();
    let measured;
    let most = if most.len() == databases.len() {
        most
    } else {
        let once = Flows { common: Common { rounds: 1, ..args.clone() }, rate: None, delay_ms: 1 };
        measured = flows::at_full_speed(&once, databases).await?.0;
        &measured
    };
    let mut quiet = vec![Vec::new(); databases.len()];
    let mut beside = vec![Vec::new(); databases.len()];
    let mut reached = vec![Vec::new(); databases.len()];
    for round in 0..args.rounds {
        for (n, database) in databases.iter().enumerate() {
            note(&format!("an idle connection, round {}: {}", round + 1, database.name()));
            quiet[n].push(one(args, database, 0, round).await?.0);
            let (p99, per_s) = one(args, database, (most[n] * SHARE) as u64, round).await?;
            beside[n].push(p99);
            reached[n].push(per_s);
        }
    }
    for (n, database) in databases.iter().enumerate() {
        let name = database.name();
        let (alone, loaded) = (median(quiet[n].clone()), median(beside[n].clone()));
        report.figure(format!("idle connection at {RATE}/s, {name}, p99 alone"), alone, "ms", Goal::None);
        report.figure(format!("idle connection at {RATE}/s, {name}, p99 beside flows"), loaded, "ms", Goal::None);
        report.figure(format!("idle connection, {name}, beside flows to alone"), loaded / alone, "", Goal::AtMost(4.0));
        report.detail(
            format!("idle_{}", name.to_lowercase()),
            json!({ "flows_per_s_wanted": (most[n] * SHARE).round(), "flows_accepted_per_s": median(reached[n].clone()).round() }),
        );
    }
    Ok(report)
}

/// p99 in milliseconds of the quiet connection's webhooks, and the flows that were begun beside them.
async fn one(args: &Common, database: &Database, flows: u64, round: usize) -> Result<(f64, f64), Failure> {
    let sink = Sink::start(Duration::from_millis(1)).await.map_err(|e| Failure::Failed(e.to_string()))?;
    let place = Place::make(args.dir.as_deref(), database)?;
    let wiring = Wiring { connections: &["tienda", "quieta"], sink: Some(sink.addr), flow: Some(FLOW) };
    let hub = Hub::start(&place, &wiring).await?;
    let time = Duration::from_secs(args.seconds);
    let run = format!("i{round}");
    let quiet = Plan { rate: Some(RATE), ..Plan::new(hub.addr, "/hooks/quieta", SENDERS, time, &run) };
    load::run(Plan { time: Duration::from_millis(500), run: format!("w{run}"), ..quiet.clone() }).await?;
    if flows == 0 {
        return Ok((load::run(quiet).await?.ms(99.0), 0.0));
    }
    let lead = Duration::from_secs(1);
    // Begins before the measurement and ends with it.
    let busy = Plan { rate: Some(flows), ..Plan::new(hub.addr, "/hooks/tienda", args.connections, time + lead, &run) };
    let busy = tokio::spawn(load::run(busy));
    tokio::time::sleep(lead).await;
    let p99 = load::run(quiet).await?.ms(99.0);
    let busy = busy.await.map_err(|e| Failure::Failed(e.to_string()))??;
    Ok((p99, busy.per_second()))
}
