//! `pasarela flows`: what is in force, and texts to and from a hub.

mod unified;

use crate::Failure;
use crate::admin::Admin;
use crate::commands::lists::{print, text};
use crate::output::line;
use axum::http::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Done = Result<ExitCode, Failure>;

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// Flows in force: version, where it is from, live runs per version.
    List,
    /// Check flows and put them in force, all or none, without a restart.
    Push {
        /// Files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Only check them.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write the flows in force as files.
    Pull {
        /// Only this one.
        name: Option<String>,
        /// Folder to write to.
        #[arg(long, default_value = ".", value_name = "FOLDER")]
        dir: PathBuf,
    },
    /// Show how files differ from what is in force. Exit code 1 when they do.
    Diff {
        /// A file, or a folder of them.
        path: PathBuf,
    },
}

pub(crate) async fn run(config: &Path, action: Action, json: bool) -> Done {
    let admin = Admin::open(config).await?;
    match action {
        Action::List => list(&admin, json).await,
        Action::Push { files, dry_run } => push(&admin, &files, dry_run, json).await,
        Action::Pull { name, dir } => pull(&admin, name, &dir).await,
        Action::Diff { path } => diff(&admin, &path).await,
    }
}

async fn list(admin: &Admin, json: bool) -> Done {
    let list = admin.get("/api/v1/flows").await?;
    let row = |f: &Value| {
        let live: Vec<String> =
            f["live"].as_object().into_iter().flatten().map(|(v, n)| format!("v{v}: {n}")).collect();
        let live = if live.is_empty() { "none".to_owned() } else { live.join(", ") };
        let paused = f["paused"].as_object().map(|_| "  PAUSED").unwrap_or_default();
        format!("{:<28} v{:<4} {:<9} live runs {live}{paused}", text(f, "name"), text(f, "version"), text(f, "from"))
    };
    print(&list, json, row, "no flows are in force")
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| Failure::Usage(format!("{}: cannot be read: {e}", path.display())))
}

async fn push(admin: &Admin, files: &[PathBuf], dry_run: bool, json: bool) -> Done {
    let mut flows = Vec::with_capacity(files.len());
    for path in files {
        flows.push(json!({ "file": path.display().to_string(), "text": read(path)? }));
    }
    let body = json!({ "flows": flows, "dry_run": dry_run });
    let changes = admin.call(Method::POST, "/api/v1/flows", Some(body)).await?;
    let row = |c: &Value| match c["change"].as_str() {
        Some("same") => format!("{} v{} is in force already", text(c, "name"), text(c, "version")),
        _ if dry_run => format!("{} v{} can be pushed (now: v{})", text(c, "name"), text(c, "version"), text(c, "was")),
        _ => format!("{} v{} is in force (before: v{})", text(c, "name"), text(c, "version"), text(c, "was")),
    };
    print(&changes, json, row, "nothing to push")
}

/// Name and text of what is in force.
async fn in_force(admin: &Admin) -> Result<Vec<(String, String)>, Failure> {
    let list = admin.get("/api/v1/flows").await?;
    let mut all = Vec::new();
    for flow in list["data"].as_array().into_iter().flatten() {
        let name = text(flow, "name");
        let whole = admin.get(&format!("/api/v1/flows/{name}")).await?;
        all.push((name, whole["text"].as_str().unwrap_or_default().to_owned()));
    }
    Ok(all)
}

async fn pull(admin: &Admin, name: Option<String>, dir: &Path) -> Done {
    let failed =
        |path: &Path, e: std::io::Error| Failure::Failed(format!("{}: cannot be written: {e}", path.display()));
    let mut all = in_force(admin).await?;
    if let Some(name) = name {
        all.retain(|(n, _)| *n == name);
        if all.is_empty() {
            return Err(Failure::Failed(format!(
                "there is no flow '{name}' in force; `pasarela flows list` shows them"
            )));
        }
    }
    std::fs::create_dir_all(dir).map_err(|e| failed(dir, e))?;
    for (name, text) in all {
        let path = dir.join(format!("{name}.yaml"));
        std::fs::write(&path, text).map_err(|e| failed(&path, e))?;
        line(&path.display().to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// The flow's name in a text that may be broken elsewhere.
fn name_of(text: &str, path: &Path) -> String {
    let named = text.lines().find_map(|l| l.strip_prefix("flow:"));
    let named = named.map(|n| n.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned());
    named.unwrap_or_else(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
}

async fn diff(admin: &Admin, path: &Path) -> Done {
    let mut files = Vec::new();
    if path.is_dir() {
        let unreadable = |e: std::io::Error| Failure::Usage(format!("{}: cannot be read: {e}", path.display()));
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if file.extension().is_some_and(|e| e == "yaml" || e == "yml") {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    let all = in_force(admin).await?;
    let mut differs = false;
    for file in files {
        let text = read(&file)?;
        let name = name_of(&text, &file);
        let own = all.iter().find(|(n, _)| *n == name).map_or("", |(_, text)| text.as_str());
        if let Some(shown) = unified::diff(own, &text, &format!("in force: {name}"), &file.display().to_string()) {
            line(shown.trim_end());
            differs = true;
        }
    }
    Ok(if differs { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
