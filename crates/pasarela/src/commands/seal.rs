//! `pasarela seal`: the keys under which everything personal lies.

use crate::Failure;
use crate::admin::Admin;
use crate::output::{line, note};
use axum::http::Method;
use pasarela_store::Master;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// How sealing stands: which key seals, how much it sealed, what is being sealed anew.
    Status,
    /// Change the master key, begin a new data key, and seal everything anew beside the hub's work. Called again
    /// after it was interrupted, it goes on.
    Rotate {
        /// Where the new master key is, if it is not to take the place of the old one in its file: file:PATH,
        /// env:NAME or command:PROGRAM ARGUMENTS.
        #[arg(long, value_name = "PLACE")]
        to: Option<Master>,
    },
}

pub(crate) async fn run(config: &Path, action: Action, as_json: bool) -> Result<ExitCode, Failure> {
    let admin = Admin::open(config).await?;
    let told = match action {
        Action::Status => admin.get("/admin/seal").await?,
        Action::Rotate { to } => {
            // Relative to where the command is called, and not to where the hub runs.
            let to = match to {
                Some(Master::File(path)) => Some(format!("file:{}", absolute(&path)?)),
                Some(Master::Env(name)) => Some(format!("env:{name}")),
                Some(Master::Command(words)) => Some(format!("command:{words}")),
                None => None,
            };
            admin.call(Method::POST, "/admin/seal/rotate", Some(json!({ "to": to }))).await?
        }
    };
    if as_json {
        line(&told.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let state = &told["state"];
    line(&format!("data key {} of {}; {} values sealed by it", state["key"], state["keys"], state["sealed"]));
    match state["table"].as_str() {
        Some(table) => line(&format!("sealing anew: {table}; {} values so far", state["renewed"])),
        None => line("everything is sealed by it"),
    }
    match told["rotated"].as_str() {
        Some("done") => note(
            "The new master key opens the database, and the old one no more. Keep a copy of the new one at another place; backups of before need the old one.",
        ),
        Some("shared") => note(
            "The new master key lies in its file here, and both open the database. Put it on every other node, then call this once more: the old one ends.",
        ),
        Some("named") => note(
            "Both master keys open the database. Name the new one in store.master_key and start the hub again: the old one ends with that (several nodes: start all of them, then call this once more).",
        ),
        _ if state["between"] == true => note("The master key is being changed: call `pasarela seal rotate` to go on."),
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let whole = std::path::absolute(path).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
    Ok(whole.display().to_string())
}
