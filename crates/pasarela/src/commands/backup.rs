//! `pasarela backup`: a verified copy of the database, beside a running hub or without one.

use crate::Failure;
use crate::admin::Admin;
use crate::config::Config;
use crate::output::{Bar, line, note};
use axum::http::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// File to write; it must not be there.
    file: PathBuf,
}

const LOOK: Duration = Duration::from_millis(50);

pub(crate) async fn run(config: &Path, args: Args, json: bool) -> Result<ExitCode, Failure> {
    let file = std::path::absolute(&args.file).map_err(|e| Failure::Usage(format!("{}: {e}", args.file.display())))?;
    if file.symlink_metadata().is_ok() {
        return Err(Failure::Usage(format!("{} is there already; nothing is overwritten", file.display())));
    }
    let admin = Admin::open(config).await?;
    admin.call(Method::POST, "/admin/backup", Some(json!({ "file": file }))).await?;
    let bar = Bar::new("backup");
    let made = loop {
        let stand = admin.get("/admin/backup").await?;
        match stand["state"].as_str() {
            Some("running") => {
                bar.at(stand["done"].as_u64().unwrap_or(0), stand["total"].as_u64().unwrap_or(0));
                tokio::time::sleep(LOOK).await;
            }
            Some("done") => break stand,
            _ => return Err(Failure::Failed(stand["why"].as_str().unwrap_or("the backup was lost").to_owned())),
        }
    };
    drop(bar);
    if json {
        line(&made.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let m = &made["manifest"];
    let rows: u64 = m["tables"].as_object().into_iter().flatten().filter_map(|(_, t)| t["rows"].as_u64()).sum();
    line(&format!(
        "{}: {} bytes, {rows} rows, checked; sha256 {}",
        file.display(),
        m["bytes"].as_u64().unwrap_or(0),
        text(&m["sha256"])
    ));
    let config = Config::load(config)?;
    let home = config.database()?;
    let key = config.master()?;
    note(&format!(
        "The sealing key is not in it, and nothing of it can be read without: keep {} (fingerprint {}) at another place than the backup.\n\
         Keep the journal of erasures {} with the key, as it is at the newest: a restore erases again what stands there.",
        key,
        text(&m["key"]),
        pasarela_store::erasures::journal_of(home.home()).display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
