//! `pasarela bench flows`: webhook in, three effects one after another to a sink.

use super::FlowArgs;
use super::ingest::scratch;
use super::load::{self, SECRET};
use super::sample::FLOW;
use super::sink::Sink;
use crate::Failure;
use crate::commands::process::{free_port, hub, metric, resident_mib, wait_for};
use crate::output::{line, note};
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Configuration of a hub with one `http` connection to a sink, and a folder of flows.
pub(crate) fn write_config(
    dir: &Path,
    addr: SocketAddr,
    sink: SocketAddr,
    flow: &str,
    store: Option<&str>,
) -> Result<std::path::PathBuf, Failure> {
    let failed = |e: std::io::Error| Failure::Failed(e.to_string());
    let flows = dir.join("flows");
    std::fs::create_dir_all(&flows).map_err(failed)?;
    std::fs::write(flows.join("banco.yaml"), flow).map_err(failed)?;
    let config = dir.join("bench.toml");
    let (store, _) = super::store_section(dir, store);
    let text = format!(
        "[server]\nlisten = \"{addr}\"\n[console]\nlisten = \"127.0.0.1:0\"\n{store}\
         [flows]\nbuiltin = false\nfolder = \"flows\"\n\
         [connections.tienda]\nprovider = \"http\"\nwebhook_secrets = [\"{SECRET}\"]\nbase_url = \"http://{sink}\"\nallow_private_targets = true\n\
         verify = {{ scheme = \"hmac-sha256\", header = \"x-signature\", encoding = \"hex\" }}\n\
         event = {{ type = \"/type\", id = \"/id\", key = \"/id\" }}\n\
         limits = {{ concurrency = 256 }}\n",
    );
    std::fs::write(&config, text).map_err(failed)?;
    Ok(config)
}

pub(crate) async fn run(args: FlowArgs, json: bool) -> Result<ExitCode, Failure> {
    let dir = scratch(args.dir.as_deref())?;
    let sink = Sink::start(Duration::from_millis(args.delay_ms)).await.map_err(|e| Failure::Failed(e.to_string()))?;
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let config = write_config(dir.path(), addr, sink.addr, FLOW, args.store.as_deref())?;
    let mut child = hub(&config, &[("PASARELA_LOG", "error")], Stdio::inherit())?;
    wait_for(addr, &mut child, Duration::from_secs(10)).await?;
    note(&format!("flows of three effects, {} s", args.seconds));
    let before =
        (metric(addr, "pasarela_store_transactions").await, metric(addr, "pasarela_store_row_operations").await);
    let begun = Instant::now();
    let plan = load::Plan {
        addr,
        path: "/hooks/tienda".into(),
        connections: args.connections,
        time: Duration::from_secs(args.seconds),
        rate: args.rate,
        run: "flow".into(),
    };
    let load = load::run(plan).await?;
    let in_time = sink.seen.of_step("analytics");
    let memory = resident_mib(child.0.id());
    let patience = Instant::now();
    while sink.seen.of_step("analytics") < load.accepted as usize && patience.elapsed() < Duration::from_secs(300) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let complete = sink.seen.of_step("analytics");
    let twice = sink.seen.counts().values().filter(|n| **n > 1).count();
    let accepted = load.accepted as f64;
    let transactions = (metric(addr, "pasarela_store_transactions").await - before.0) / accepted.max(1.0);
    let rows = (metric(addr, "pasarela_store_row_operations").await - before.1) / accepted.max(1.0);
    let facts = json!({
        "bench": "flows", "seconds": args.seconds, "connections": args.connections, "rate": args.rate, "delay_ms": args.delay_ms,
        "accepted_per_s": load.per_second().round(), "complete": complete, "complete_in_time_per_s": (in_time as f64 / load.seconds).round(),
        "complete_per_s": (complete as f64 / seconds).round(), "missing": load.accepted as i64 - complete as i64, "twice": twice,
        "transactions_per_flow": (transactions * 100.0).round() / 100.0, "row_operations_per_flow": (rows * 100.0).round() / 100.0,
        "memory_mib": memory,
    });
    if json {
        line(&facts.to_string());
    } else {
        line(&format!(
            "flows: three effects one after another, sink {} ms, {} connections, {} s, {}",
            args.delay_ms,
            args.connections,
            args.seconds,
            super::store_section(dir.path(), args.store.as_deref()).1
        ));
        line(&format!("  accepted        {:>9.0} /s", load.per_second()));
        line(&format!(
            "  complete        {:>9.0} /s   (all {complete} after {seconds:.1} s; missing {}, twice {twice})",
            complete as f64 / seconds,
            facts["missing"]
        ));
        line(&format!("  per flow        {transactions:>9.2} transactions, {rows:.2} row operations"));
        line(&format!("  memory          {memory:>9.1} MiB"));
    }
    Ok(if facts["missing"] == 0 && twice == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
