//! `pasarela bench`: measures this machine, beside a reference in the same run.

mod flows;
mod ingest;
mod load;
mod sample;
mod sink;

use crate::Failure;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// How many signed webhooks a second are accepted, decided, and how the log grows.
    Ingest(IngestArgs),
    /// How many flows of three effects a second complete.
    Flows(FlowArgs),
}

#[derive(clap::Args)]
pub(crate) struct IngestArgs {
    /// Seconds of load in each round.
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u64,
    /// Connections.
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: usize,
    /// Rounds of reference and hub, in turn; medians are told.
    #[arg(long, default_value_t = 1)]
    pub(crate) rounds: usize,
    /// The reference server (`http_ceiling`, built from bench/limits); without it only the hub is measured.
    #[arg(long, value_name = "FILE")]
    pub(crate) reference: Option<PathBuf>,
    /// Folder on the disk to be judged.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Database to measure with (`postgres://...`, `env:NAME`); it must be empty. Without it, a fresh SQLite file.
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct FlowArgs {
    /// Seconds of load.
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u64,
    /// Connections.
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: usize,
    /// Webhooks a second; without it as many as are accepted.
    #[arg(long)]
    pub(crate) rate: Option<u64>,
    /// Milliseconds that the sink takes to answer.
    #[arg(long, default_value_t = 1)]
    pub(crate) delay_ms: u64,
    /// Folder on the disk to be judged.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Database to measure with (`postgres://...`, `env:NAME`); it must be empty. Without it, a fresh SQLite file.
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
}

/// The section `[store]` of a measured hub, and what is said of it.
fn store_section(dir: &Path, store: Option<&str>) -> (String, &'static str) {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    match store {
        Some(url) => {
            let key = quoted(&dir.join("hub.key").display().to_string());
            (format!("[store]\nurl = {}\nkey_file = {key}\n", quoted(url)), "PostgreSQL synchronous_commit=on")
        }
        None => {
            let url = quoted(&format!("sqlite:{}", dir.join("hub.db").display()));
            (format!("[store]\nurl = {url}\n"), "SQLite synchronous=FULL")
        }
    }
}

pub(crate) async fn run(args: Args, json: bool) -> Result<ExitCode, Failure> {
    match args.what {
        What::Ingest(args) => ingest::run(args, json).await,
        What::Flows(args) => flows::run(args, json).await,
    }
}
