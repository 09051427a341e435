//! `pasarela bench webhooks`: signed webhooks in, each told on to a service of one's own, in the order of its key.

use super::Common;
use super::figures::{Goal, Report, median};
use super::load::{self, Plan};
use super::place::{Database, Hub, Place, Wiring};
use super::sink::Sink;
use crate::Failure;
use crate::output::note;
use serde_json::json;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Where the sink is told.
const PATH: &str = "avisos";
/// How long what was accepted may take to be told after the load.
const PATIENCE: Duration = Duration::from_secs(300);
/// What the fastest of the kept webhook senders delivered where the goals were written (design.md 7).
const PEER: f64 = 756.0;

struct Round {
    told_per_s: f64,
    accepted_per_s: f64,
    missing: i64,
    again: usize,
}

pub(super) async fn run(args: &Common, databases: &[Database]) -> Result<Report, Failure> {
    let mut all: Vec<Vec<Round>> = databases.iter().map(|_| Vec::new()).collect();
    for round in 0..args.rounds {
        for (database, rounds) in databases.iter().zip(&mut all) {
            note(&format!("webhooks, round {}: {}", round + 1, database.name()));
            rounds.push(one(args, database, round).await?);
        }
    }
    let mut report = Report::default();
    for (database, rounds) in databases.iter().zip(&all) {
        let name = database.name();
        let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        let missing: i64 = rounds.iter().map(|r| r.missing).sum();
        let again: usize = rounds.iter().map(|r| r.again).sum();
        if missing != 0 || again != 0 {
            report.fault(format!("webhooks, {name}: {missing} missing, {again} told again"));
        }
        report.figure(format!("webhooks told, {name}"), of(|r| r.told_per_s), "/s", Goal::AtLeast(PEER));
        report.detail(
            format!("webhooks_{}", name.to_lowercase()),
            json!({
                "told_per_s": rounds.iter().map(|r| r.told_per_s.round()).collect::<Vec<_>>(),
                "accepted_per_s": of(|r| r.accepted_per_s).round(), "missing": missing, "again": again,
            }),
        );
    }
    Ok(report)
}

async fn one(args: &Common, database: &Database, round: usize) -> Result<Round, Failure> {
    let failed = |e: std::io::Error| Failure::Failed(e.to_string());
    let sink = Sink::start(Duration::from_millis(1)).await.map_err(failed)?;
    let place = Place::make(args.dir.as_deref(), database)?;
    let scopes = ["role:operator".to_owned()];
    let key = {
        let store = place.open().map_err(|e| Failure::Failed(e.to_string()))?;
        let made = pasarela_web::create_key(&*store, "bench", &scopes, jiff::Timestamp::now()).await;
        store.leave().await.map_err(|e| Failure::Failed(e.to_string()))?;
        made.map_err(Failure::Failed)?.key
    };
    let hub = Hub::start(&place, &Wiring { connections: &["tienda"], sink: None, flow: None }).await?;
    let wish = json!({ "url": format!("http://{}/{PATH}", sink.addr), "types": ["tienda.*"] });
    let answer = post(hub.addr, "/api/v1/webhooks", &key, &wish.to_string()).await.map_err(failed)?;
    if !answer.starts_with("HTTP/1.1 201") {
        return Err(Failure::Failed(format!("no webhook was made: {answer}")));
    }
    let time = Duration::from_secs(args.seconds);
    let begun = Instant::now();
    let load = load::run(Plan::new(hub.addr, "/hooks/tienda", args.connections, time, &format!("o{round}"))).await?;
    let waits = Instant::now();
    while sink.seen.of_step(PATH) < load.accepted as usize && waits.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let told = sink.seen.of_step(PATH);
    Ok(Round {
        told_per_s: told as f64 / begun.elapsed().as_secs_f64(),
        accepted_per_s: load.per_second(),
        missing: load.accepted as i64 - told as i64,
        again: sink.seen.again(),
    })
}

/// The answer to a `POST` on loopback, whole.
async fn post(addr: SocketAddr, path: &str, key: &str, body: &str) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(addr).await?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
