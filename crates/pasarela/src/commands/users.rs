//! `pasarela users link`: a link that signs a person in to the console, once. Before or beside a running hub.

use crate::Failure;
use crate::admin::Admin;
use crate::output::{line, note};
use axum::http::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// How long a link waits to be used, unless somebody says otherwise.
pub(crate) const MINUTES: u64 = 15;

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// Make a link that signs in to the console; it works once.
    Link {
        /// Who it is for; kept with what they do.
        #[arg(default_value = "console")]
        name: String,
        /// What they may do: read, write.
        #[arg(long, value_delimiter = ',', default_value = "read,write")]
        scopes: Vec<String>,
        /// Minutes until it is worth nothing, at most a day.
        #[arg(long, default_value_t = MINUTES, value_parser = clap::value_parser!(u64).range(1..=1440))]
        minutes: u64,
    },
}

pub(crate) async fn run(config: &Path, action: Action, json: bool) -> Result<ExitCode, Failure> {
    let Action::Link { name, scopes, minutes } = action;
    let made = link(&Admin::open(config).await?, &name, &scopes, minutes).await?;
    if json {
        line(&made.to_string());
    } else {
        line(made["link"].as_str().unwrap_or_default());
        note(&format!("for '{name}'; it works once, until {}", made["expires_at"].as_str().unwrap_or_default()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a link: `{"link", "expires_at"}`.
pub(crate) async fn link(admin: &Admin, name: &str, scopes: &[String], minutes: u64) -> Result<Value, Failure> {
    let wanted = json!({ "name": name, "scopes": scopes, "minutes": minutes });
    admin.call(Method::POST, "/admin/links", Some(wanted)).await
}
