//! `pasarela bench`: measures this machine, beside a reference and both databases in the same run.
//!
//! Whatever is compared is measured in turn (A B A B) and told as medians of the rounds. What each
//! figure means, and which goal it has, is in docs/benchmarks.md.

mod decisions;
mod figures;
mod flood;
mod flows;
mod growth;
mod idle;
mod ingest;
mod load;
mod pages;
mod place;
mod resume;
mod sample;
mod sealing;
mod season;
mod sink;
mod webhooks;

use crate::Failure;
use figures::{Report, machine};
use place::Database;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    /// Also writes everything that was found to a file, as JSON.
    #[arg(long, global = true, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum What {
    /// Signed webhooks a second that are accepted; with `--rate`, how long each takes.
    Ingest(Ingest),
    /// Flows of three effects a second; with `--rate`, the time until the third one arrives.
    Flows(Flows),
    /// How long an idle connection's webhooks take while flows of another are at 80 % of what is possible.
    IdleAccept(Common),
    /// SIGKILL under load: the time until the first webhook is taken again, and the first effect goes on.
    Resume(Common),
    /// More than fits: 503 with Retry-After, memory, and nothing accepted lost.
    Flood(Flood),
    /// Webhooks in, each told on to a service of one's own.
    Webhooks(Common),
    /// What sealing costs: ingest as it is, beside a hub whose sealer copies.
    Sealing(Common),
    /// A hub whose sealer copies, for `sealing`.
    #[command(hide = true)]
    CopyingHub,
    /// All of the first six, and a table of goals.
    All(Ingest),
    /// What ten million events and a million finished runs cost the next one. Takes long, and 30 GiB.
    Growth(Growth),
    /// What it costs to decide whether a message may be sent, with a million consents stored.
    Decisions(Decisions),
    /// A sold-out show from the ticketing into the CRM, complete and without duplicates, by a clock that runs faster.
    Season(season::Args),
    /// What each page of the console costs with ten million events behind it. Takes long, and 15 GiB.
    Pages(Pages),
}

/// Where and how long.
#[derive(clap::Args, Clone)]
pub(crate) struct Common {
    /// Seconds of load in each round.
    #[arg(long, default_value_t = 8)]
    pub(crate) seconds: u64,
    /// Connections of the load.
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: usize,
    /// Rounds of everything that is compared, in turn; medians are told.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Folder on the disk to be judged.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// PostgreSQL server to measure beside SQLite (`postgres://...`, `env:NAME`): databases are made on it and
    /// dropped again. Without it, the one of `PASARELA_TEST_POSTGRES_URL`; without that, SQLite alone.
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// Only one of the databases.
    #[arg(long, value_name = "DATABASE")]
    pub(crate) only: Option<Only>,
}

/// Which disk and which databases, for what fills them itself.
#[derive(clap::Args, Clone)]
pub(crate) struct Where {
    /// Folder on the disk to be judged.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// As for the others.
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// Only one of the databases.
    #[arg(long, value_name = "DATABASE")]
    pub(crate) only: Option<Only>,
}

impl Where {
    fn databases(&self) -> Result<Vec<Database>, Failure> {
        databases(self.store.as_deref(), self.only)
    }

    /// What the figures mean nothing without.
    fn conditions(&self, more: Value) -> Value {
        let mut all = machine(self.dir.as_deref());
        if let (Some(all), Some(more)) = (all.as_object_mut(), more.as_object()) {
            all.extend(more.clone());
        }
        all
    }
}

#[derive(clap::ValueEnum, Clone, Copy, PartialEq)]
pub(crate) enum Only {
    Sqlite,
    Postgres,
}

#[derive(clap::Args, Clone)]
pub(crate) struct Ingest {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Webhooks a second, due at fixed times; without it, as many as are accepted.
    #[arg(long)]
    pub(crate) rate: Option<u64>,
    /// The reference server (`http_ceiling`, built from bench/limits); without it only the hub is measured.
    #[arg(long, value_name = "FILE")]
    pub(crate) reference: Option<PathBuf>,
}

#[derive(clap::Args, Clone)]
pub(crate) struct Flows {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Webhooks a second, due at fixed times; without it, as many as are accepted.
    #[arg(long)]
    pub(crate) rate: Option<u64>,
    /// Milliseconds that the sink takes to answer.
    #[arg(long, default_value_t = 1)]
    pub(crate) delay_ms: u64,
}

#[derive(clap::Args, Clone)]
pub(crate) struct Flood {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections of the flood for each one of the load.
    #[arg(long, default_value_t = 10)]
    pub(crate) times: usize,
    /// Bytes of each body of the flood.
    #[arg(long, default_value_t = 512 * 1024)]
    pub(crate) bytes: usize,
}

#[derive(clap::Args, Clone)]
pub(crate) struct Growth {
    /// Events of the long past.
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) events: u64,
    /// Finished runs of the long past.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) runs: u64,
    /// Deliveries that wait to be decided.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) pending: u64,
    /// Operations of each kind on each database.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) operations: u64,
    /// Cold starts.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    #[command(flatten)]
    pub(crate) at: Where,
}

#[derive(clap::Args, Clone)]
pub(crate) struct Pages {
    /// Events of the past.
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) events: u64,
    /// Finished runs of the past.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) runs: u64,
    /// Times that each page is asked for.
    #[arg(long, default_value_t = 50)]
    pub(crate) rounds: u64,
    #[command(flatten)]
    pub(crate) at: Where,
}

/// How much, and where.
#[derive(clap::Args, Clone)]
pub(crate) struct Decisions {
    /// Consents, each of another person.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) consents: u64,
    /// Decisions that are measured.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) rounds: u64,
    #[command(flatten)]
    pub(crate) at: Where,
}

impl Common {
    fn databases(&self) -> Result<Vec<Database>, Failure> {
        databases(self.store.as_deref(), self.only)
    }

    /// What the figures mean nothing without.
    fn conditions(&self, databases: &[Database], more: Value) -> Value {
        let mut all = machine(self.dir.as_deref());
        let own = json!({
            "databases": databases.iter().map(Database::durability).collect::<Vec<_>>().join(", "),
            "connections": self.connections, "rounds": self.rounds, "seconds": self.seconds,
        });
        for part in [own, more] {
            if let (Some(all), Some(part)) = (all.as_object_mut(), part.as_object()) {
                all.extend(part.iter().filter(|(_, v)| !v.is_null()).map(|(n, v)| (n.clone(), v.clone())));
            }
        }
        all
    }
}

/// What is measured, in the order of the turns.
fn databases(store: Option<&str>, only: Option<Only>) -> Result<Vec<Database>, Failure> {
    let named = match store.map(|s| s.strip_prefix("env:").ok_or(s)) {
        None => std::env::var("PASARELA_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty()),
        Some(Err(url)) => Some(url.to_owned()),
        Some(Ok(name)) => Some(
            std::env::var(name)
                .map_err(|_| Failure::Usage(format!("--store env:{name}: the environment has no variable {name}")))?,
        ),
    };
    match (only, named.map(Database::Postgres)) {
        (Some(Only::Sqlite), _) | (None, None) => Ok(vec![Database::Sqlite]),
        (None, Some(postgres)) => Ok(vec![Database::Sqlite, postgres]),
        (Some(Only::Postgres), Some(postgres)) => Ok(vec![postgres]),
        (Some(Only::Postgres), None) => Err(Failure::Usage(
            "--only postgres needs --store postgres://USER:PASSWORD@HOST:PORT/DATABASE; scripts/postgres lends a server"
                .into(),
        )),
    }
}

pub(crate) async fn run(config: &Path, args: Args, json: bool) -> Result<ExitCode, Failure> {
    let (name, report, conditions) = match args.what {
        What::Ingest(args) => {
            let databases = args.common.databases()?;
            let report = ingest::run(&args, &databases).await?;
            let more = json!({ "bodies": format!("{} B, signed", sample::BYTES), "rate": args.rate });
            ("ingest", report, args.common.conditions(&databases, more))
        }
        What::Flows(args) => {
            let databases = args.common.databases()?;
            let report = flows::run(&args, &databases).await?;
            let more = json!({ "bodies": format!("{} B, signed", sample::BYTES), "rate": args.rate, "sink_ms": args.delay_ms });
            ("flows", report, args.common.conditions(&databases, more))
        }
        What::IdleAccept(args) => {
            let databases = args.databases()?;
            let report = idle::run(&args, &databases, &[]).await?;
            ("idle-accept", report, args.conditions(&databases, json!({ "rate": idle::RATE })))
        }
        What::Resume(args) => {
            let databases = args.databases()?;
            let report = resume::run(&args, &databases).await?;
            ("resume", report, args.conditions(&databases, Value::Null))
        }
        What::Flood(args) => {
            let databases = args.common.databases()?;
            let report = flood::run(&args, &databases).await?;
            let more = json!({ "flood_bodies": args.bytes, "flood_connections": args.times * args.common.connections });
            ("flood", report, args.common.conditions(&databases, more))
        }
        What::Growth(args) => {
            let report = growth::run(&args, &args.at.databases()?).await?;
            (
                "growth",
                report,
                args.at.conditions(json!({ "bodies": "200 B", "events": args.events, "finished_runs": args.runs })),
            )
        }
        What::Decisions(args) => {
            let report = decisions::run(&args, &args.at.databases()?).await?;
            ("decisions", report, args.at.conditions(json!({ "consents": args.consents, "decisions": args.rounds })))
        }
        What::Sealing(args) => {
            let databases = args.databases()?;
            let report = sealing::run(&args, &databases).await?;
            let more = json!({ "bodies": format!("{} B, signed", sample::BYTES) });
            ("sealing", report, args.conditions(&databases, more))
        }
        What::Webhooks(args) => {
            let databases = args.databases()?;
            let report = webhooks::run(&args, &databases).await?;
            let more = json!({ "bodies": format!("{} B, signed", sample::BYTES), "sink_ms": 1 });
            ("webhooks", report, args.conditions(&databases, more))
        }
        What::CopyingHub => return crate::commands::serve::run_copying(config).await,
        What::Season(args) => {
            let report = season::run(&args).await?;
            ("season", report, machine(None))
        }
        What::Pages(args) => {
            let report = pages::run(&args, &args.at.databases()?).await?;
            ("pages", report, args.at.conditions(json!({ "events": args.events, "finished_runs": args.runs })))
        }
        What::All(args) => {
            let databases = args.common.databases()?;
            let report = all(&args, &databases).await?;
            let more = json!({ "bodies": format!("{} B, signed", sample::BYTES), "sink_ms": 1 });
            ("all", report, args.common.conditions(&databases, more))
        }
    };
    if let Some(file) = args.out {
        std::fs::write(&file, report.to_json(name, &conditions).to_string())
            .map_err(|e| Failure::Failed(format!("{}: {e}", file.display())))?;
    }
    report.print(name, &conditions, json);
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that takes minutes and not hours.
async fn all(args: &Ingest, databases: &[Database]) -> Result<Report, Failure> {
    let mut report = ingest::run(args, databases).await?;
    report.add(ingest::run(&Ingest { rate: Some(1000), ..args.clone() }, databases).await?);
    let flows = Flows { common: args.common.clone(), rate: None, delay_ms: 1 };
    let (most, found) = flows::at_full_speed(&flows, databases).await?;
    report.add(found);
    report.add(flows::run(&Flows { rate: Some(200), ..flows }, databases).await?);
    report.add(idle::run(&args.common, databases, &most).await?);
    report.add(resume::run(&args.common, databases).await?);
    // It is sound or it is not: once is enough.
    let flood = Flood { common: Common { rounds: 1, ..args.common.clone() }, times: 10, bytes: 512 * 1024 };
    report.add(flood::run(&flood, databases).await?);
    Ok(report)
}
