//! `pasarela bench ingest`: signed 2 kB webhooks into a connection without flows.

use super::IngestArgs;
use super::load::{self, Load, SECRET};
use crate::Failure;
use crate::commands::process::{Running, free_port, hub, metric, resident_mib, wait_for};
use crate::output::{line, note};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

struct HubRound {
    load: Load,
    decided: f64,
    drain: f64,
    wal_peak: f64,
    memory_idle: f64,
    memory_peak: f64,
    start_ms: f64,
}

pub(crate) async fn run(args: IngestArgs, json: bool) -> Result<ExitCode, Failure> {
    let mut references: Vec<Load> = Vec::new();
    let mut hubs: Vec<HubRound> = Vec::new();
    for round in 0..args.rounds {
        let dir = scratch(args.dir.as_deref())?;
        if let Some(program) = &args.reference {
            note(&format!("round {}: reference, {} s", round + 1, args.seconds));
            references.push(reference(program, dir.path(), &args, round).await?);
        }
        note(&format!("round {}: hub, {} s", round + 1, args.seconds));
        hubs.push(one_hub(dir.path(), &args, round).await?);
    }
    report(&args, &references, &hubs, json);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn scratch(dir: Option<&Path>) -> Result<tempfile::TempDir, Failure> {
    let made = match dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    made.map_err(|e| Failure::Failed(format!("no scratch folder: {e}")))
}

fn plan(addr: SocketAddr, path: &str, args: &IngestArgs, round: usize) -> load::Plan {
    load::Plan {
        addr,
        path: path.to_owned(),
        connections: args.connections,
        time: Duration::from_secs(args.seconds),
        rate: None,
        run: format!("r{round}"),
    }
}

async fn reference(program: &Path, dir: &Path, args: &IngestArgs, round: usize) -> Result<Load, Failure> {
    let port = free_port()?;
    let child = Command::new(program)
        .args([dir.as_os_str(), "FULL".as_ref(), port.to_string().as_ref(), "2".as_ref()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| Failure::Failed(format!("{}: {e}", program.display())))?;
    let mut child = Running(child);
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for(addr, &mut child, Duration::from_secs(5)).await?;
    load::run(plan(addr, "/durable", args, round)).await
}

async fn one_hub(dir: &Path, args: &IngestArgs, round: usize) -> Result<HubRound, Failure> {
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let config = dir.join("bench.toml");
    let (store, _) = super::store_section(dir, args.store.as_deref());
    let text = format!(
        "[server]\nlisten = \"{addr}\"\n[console]\nlisten = \"127.0.0.1:0\"\n{store}[flows]\nbuiltin = false\n\
         [connections.tienda]\nprovider = \"http\"\nwebhook_secrets = [\"{SECRET}\"]\n\
         verify = {{ scheme = \"hmac-sha256\", header = \"x-signature\", encoding = \"hex\" }}\n\
         event = {{ type = \"/type\", id = \"/id\", key = \"/id\" }}\n",
    );
    std::fs::write(&config, text).map_err(|e| Failure::Failed(e.to_string()))?;
    let begun = Instant::now();
    let mut child = hub(&config, &[("PASARELA_LOG", "error")], Stdio::inherit())?;
    wait_for(addr, &mut child, Duration::from_secs(10)).await?;
    let first = load::run(load::Plan {
        connections: 1,
        time: Duration::ZERO,
        run: format!("f{round}"),
        ..plan(addr, "/hooks/tienda", args, round)
    })
    .await?;
    let start_ms = begun.elapsed().as_secs_f64() * 1e3;
    debug_assert!(first.refused == 0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let pid = child.0.id();
    let memory_idle = resident_mib(pid);
    let watch = tokio::spawn(async move {
        let (mut wal, mut memory) = (0.0f64, 0.0f64);
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            wal = wal.max(metric(addr, "pasarela_wal_bytes").await);
            memory = memory.max(resident_mib(pid));
            if memory == 0.0 {
                return (wal, memory);
            }
            WATCH.store((wal as u64, (memory * 1024.0) as u64));
        }
    });
    let load = load::run(plan(addr, "/hooks/tienda", args, round)).await?;
    let decided = metric(addr, "pasarela_deliveries_decided_total").await;
    let drained = Instant::now();
    while metric(addr, "pasarela_inbox").await > 0.0 {
        if drained.elapsed() > Duration::from_secs(600) {
            return Err(Failure::Failed("the inbox did not drain within 10 minutes".into()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let drain = drained.elapsed().as_secs_f64();
    watch.abort();
    let (wal, memory) = WATCH.load();
    Ok(HubRound {
        decided: decided / load.seconds,
        load,
        drain,
        wal_peak: wal as f64 / 1048576.0,
        memory_idle,
        memory_peak: memory as f64 / 1024.0,
        start_ms,
    })
}

/// Peaks seen by the watcher: log bytes and memory in KiB.
struct Peaks(std::sync::Mutex<(u64, u64)>);
static WATCH: Peaks = Peaks(std::sync::Mutex::new((0, 0)));

impl Peaks {
    fn store(&self, value: (u64, u64)) {
        if let Ok(mut peaks) = self.0.lock() {
            *peaks = value;
        }
    }
    fn load(&self) -> (u64, u64) {
        self.0.lock().map(|p| *p).unwrap_or_default()
    }
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn report(args: &IngestArgs, references: &[Load], hubs: &[HubRound], json: bool) {
    let of = |f: fn(&HubRound) -> f64| median(hubs.iter().map(f).collect());
    let accepted = of(|h| h.load.per_second());
    let reference = median(references.iter().map(Load::per_second).collect());
    let ratio = (reference > 0.0).then(|| accepted / reference);
    let facts: Value = json!({
        "bench": "ingest", "seconds": args.seconds, "connections": args.connections, "rounds": args.rounds, "body_bytes": 2048,
        "reference_per_s": reference.round(), "reference_p99_ms": median(references.iter().map(|l| l.ms(99.0)).collect()),
        "accepted_per_s": accepted.round(), "ratio": ratio.map(|r| (r * 1000.0).round() / 1000.0),
        "p50_ms": of(|h| h.load.ms(50.0)), "p99_ms": of(|h| h.load.ms(99.0)),
        "refused": hubs.iter().map(|h| h.load.refused).sum::<u64>(),
        "decided_per_s": of(|h| h.decided).round(), "drain_s": of(|h| h.drain), "wal_peak_mib": of(|h| h.wal_peak),
        "memory_idle_mib": of(|h| h.memory_idle), "memory_peak_mib": of(|h| h.memory_peak), "start_to_first_accepted_ms": of(|h| h.start_ms),
    });
    if json {
        line(&facts.to_string());
        return;
    }
    line(&format!(
        "ingest: {} connections, {} s, {} round(s), signed bodies of 2048 bytes, {}",
        args.connections,
        args.seconds,
        args.rounds,
        super::store_section(Path::new(""), args.store.as_deref()).1
    ));
    if let Some(ratio) = ratio {
        line(&format!("  reference       {reference:>9.0} /s"));
        line(&format!("  ratio           {ratio:>9.2}"));
    }
    line(&format!(
        "  accepted        {accepted:>9.0} /s   p50 {:.2} ms   p99 {:.2} ms",
        of(|h| h.load.ms(50.0)),
        of(|h| h.load.ms(99.0))
    ));
    line(&format!("  decided         {:>9.0} /s during the load", of(|h| h.decided)));
    line(&format!("  drain           {:>9.1} s", of(|h| h.drain)));
    line(&format!("  log, at most    {:>9.1} MiB", of(|h| h.wal_peak)));
    line(&format!("  memory          {:>9.1} MiB idle, {:.1} at most", of(|h| h.memory_idle), of(|h| h.memory_peak)));
    line(&format!("  cold start      {:>9.0} ms to the first accepted webhook", of(|h| h.start_ms)));
}
