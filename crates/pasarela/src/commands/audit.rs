//! `pasarela audit`: who did what, and whether anybody changed it since.

use crate::Failure;
use crate::admin::Admin;
use crate::anchors;
use crate::config::Config;
use crate::output::{line, note};
use axum::http::Method;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// List entries, the latest first.
    List(Filter),
    /// Show one entry, with what it was before and after.
    Show {
        /// Its number.
        number: i64,
    },
    /// Walk the whole chain, and name the first entry that was changed, removed, put in or moved.
    Verify {
        /// Heads that were noted outside of the database; by default audit.anchor_file, where there is one.
        #[arg(long, value_name = "FILE")]
        anchors: Option<PathBuf>,
    },
    /// Write all entries into a file, one JSON object a line, the oldest first.
    Export {
        /// The file; it must not be there.
        file: PathBuf,
    },
}

#[derive(clap::Args)]
pub(crate) struct Filter {
    /// By whom: an id (key_..., usr_...) or a name.
    #[arg(long)]
    who: Option<String>,
    /// What was done, such as pauses.resume.
    #[arg(long)]
    action: Option<String>,
    /// To what: a name or an id.
    #[arg(long)]
    subject: Option<String>,
    /// Of which kind: changes, looks (at personal data), refusals.
    #[arg(long)]
    kind: Option<String>,
    /// Not before: 2026-11-27T19:00:00-05:00.
    #[arg(long)]
    from: Option<jiff::Timestamp>,
    /// Before.
    #[arg(long)]
    until: Option<jiff::Timestamp>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

impl Filter {
    fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let (from, until) = (self.from.map(|t| t.to_string()), self.until.map(|t| t.to_string()));
        let fields = [
            ("who", &self.who),
            ("action", &self.action),
            ("subject", &self.subject),
            ("kind", &self.kind),
            ("from", &from),
            ("until", &until),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

pub(crate) async fn run(config: &Path, action: Action, as_json: bool) -> Result<ExitCode, Failure> {
    match action {
        Action::List(filter) => list(&Admin::open(config).await?, &filter, as_json).await,
        Action::Show { number } => {
            let entry = Admin::open(config).await?.get(&format!("/api/v1/audit/{number}")).await?;
            if as_json {
                line(&entry.to_string());
            } else {
                line(&told(&entry));
                for (name, value) in [("before", &entry["before"]), ("after", &entry["after"])] {
                    if !value.is_null() {
                        line(&format!("  {name}: {}", serde_json::to_string_pretty(value).unwrap_or_default()));
                    }
                }
                line(&format!("  hash: {}", text(&entry, "hash")));
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Verify { anchors } => verify(config, anchors, as_json).await,
        Action::Export { file } => export(config, &file, as_json).await,
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn told(entry: &Value) -> String {
    let from = entry["from"].as_str().map(|ip| format!(" from {ip}")).unwrap_or_default();
    let came = match entry["outcome"].as_str() {
        Some("begun") => " (it began; nobody knows whether it was done)",
        Some("failed") => " (it was not done)",
        Some("refused") => " (refused)",
        _ => "",
    };
    let gone = if entry["forgotten"] == true { " (values gone with an erased person)" } else { "" };
    format!(
        "{:>7}  {}  {:<24} {:<28} {} ({}){from}{came}{gone}",
        entry["seq"],
        text(entry, "at"),
        text(entry, "action"),
        text(entry, "subject"),
        text(entry, "name"),
        text(entry, "who")
    )
}

async fn list(admin: &Admin, filter: &Filter, as_json: bool) -> Result<ExitCode, Failure> {
    let (mut cursor, mut left) = (String::new(), filter.limit);
    while left > 0 {
        let page = admin.get(&format!("/api/v1/audit?limit={}&{}{cursor}", left.min(200), filter.query())).await?;
        let rows = page["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        for entry in rows {
            line(&if as_json { entry.to_string() } else { told(entry) });
        }
        left = left.saturating_sub(rows.len());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(config: &Path, named: Option<PathBuf>, as_json: bool) -> Result<ExitCode, Failure> {
    let file = match named {
        Some(file) => Some(file),
        // One that is configured and not there yet tells of nothing.
        None => Config::load(config)?.anchor_file().filter(|file| file.exists()),
    };
    let anchors = file.as_deref().map(anchors::read).transpose().map_err(Failure::Failed)?.unwrap_or_default();
    let admin = Admin::open(config).await?;
    let verdict = admin.call(Method::POST, "/admin/audit/verify", Some(json!({ "anchors": anchors }))).await?;
    if as_json {
        line(&verdict.to_string());
    }
    if let Some(broken) = verdict.get("broken") {
        return Err(Failure::Failed(format!(
            "the audit is not as it was written: entry {}: {}",
            broken["seq"],
            text(broken, "what")
        )));
    }
    let found = &verdict["verified"];
    if !as_json {
        line(&format!("{} entries are as they were written; the last is {}", found["entries"], text(found, "head")));
        if found["pruned"].as_i64().is_some_and(|n| n > 0) {
            line(&format!("entries up to {} went by their age ([retention] audit)", found["pruned"]));
        }
        match verdict["before"].as_str() {
            Some(at) => line(&format!("it was verified before at {at}")),
            None => line("it was never verified before"),
        }
        if found["forgotten"].as_u64().is_some_and(|n| n > 0) {
            line(&format!("{} of them gave their values up with people who were erased", found["forgotten"]));
        }
        match file {
            Some(file) => {
                line(&format!("{} anchors of {} are in the chain", found["anchors"], file.display()));
                if found["anchors_before"].as_u64().is_some_and(|n| n > 0) {
                    line(&format!("{} are of entries that went by their age", found["anchors_before"]));
                }
            }
            None => note(
                "No anchor was asked: whoever has the database and its key could have written all of it anew. Set audit.anchor_file.",
            ),
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn export(config: &Path, path: &Path, as_json: bool) -> Result<ExitCode, Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = |e: std::io::Error| Failure::Failed(format!("{}: {e}", path.display()));
    let admin = Admin::open(config).await?;
    let file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let mut out = BufWriter::new(file);
    let (mut after, mut entries) = (0, 0_u64);
    loop {
        let page = admin.get(&format!("/admin/audit/entries?after={after}")).await?;
        let rows = page["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(last) = rows.last() else { break };
        after = last["seq"].as_i64().unwrap_or(i64::MAX);
        for row in rows {
            writeln!(out, "{row}").map_err(failed)?;
            entries += 1;
        }
    }
    out.into_inner().map_err(|e| failed(e.into_error()))?.sync_all().map_err(failed)?;
    line(&if as_json {
        json!({ "file": path, "entries": entries }).to_string()
    } else {
        format!("{}: {entries} entries; names and values are readable in it: keep it like the database", path.display())
    });
    Ok(ExitCode::SUCCESS)
}
