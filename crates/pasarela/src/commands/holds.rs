//! `pasarela holds` and `pasarela retention`: what must stay, and how long everything else does.
//! Nothing that these commands say is legal advice.

use crate::Failure;
use crate::admin::Admin;
use crate::output::line;
use axum::http::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Holds {
    /// Hold a person or a case: nothing about it is removed.
    Add {
        /// E-mail address, or phone in international form.
        #[arg(long, required_unless_present = "case")]
        person: Option<String>,
        /// Number of a case.
        #[arg(long)]
        case: Option<String>,
        /// Why: the process, the order, the authority.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// List them, the newest first.
    List,
    /// End one.
    End {
        /// Its number: HOLD-2026-000001.
        number: String,
    },
}

#[derive(clap::Subcommand)]
pub(crate) enum Retention {
    /// How long everything is kept, on which basis, and what went.
    Report,
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or("-")
}

fn hold_line(hold: &Value) -> String {
    let named = hold["case"].as_str().or_else(|| hold["person"].as_str()).unwrap_or("-");
    let until = hold["ended_at"].as_str().map(|at| format!(", ended {at}")).unwrap_or_default();
    let (number, since, by, reason) =
        (text(hold, "number"), text(hold, "since"), text(hold, "by"), text(hold, "reason"));
    format!("{number}  {named}: {reason} (since {since}, by {by}{until})")
}

pub(crate) async fn holds(config: &Path, action: Holds, as_json: bool) -> Result<ExitCode, Failure> {
    let admin = Admin::open(config).await?;
    let done = match action {
        Holds::Add { person, case, reason } => {
            let body = json!({ "person": person, "case": case, "reason": reason });
            admin.call(Method::POST, "/api/v1/holds", Some(body)).await?
        }
        Holds::End { number } => admin.call(Method::POST, &format!("/api/v1/holds/{number}/end"), None).await?,
        Holds::List => {
            let mut cursor = String::new();
            loop {
                let page = admin.get(&format!("/api/v1/holds?limit=200{cursor}")).await?;
                for row in page["data"].as_array().into_iter().flatten() {
                    line(&if as_json { row.to_string() } else { hold_line(row) });
                }
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => return Ok(ExitCode::SUCCESS),
                }
            }
        }
    };
    line(&if as_json { done.to_string() } else { hold_line(&done) });
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn retention(config: &Path, action: Retention, as_json: bool) -> Result<ExitCode, Failure> {
    let Retention::Report = action;
    let admin = Admin::open(config).await?;
    let report = admin.get("/api/v1/retention").await?;
    for rule in report["data"].as_array().into_iter().flatten() {
        line(&if as_json {
            rule.to_string()
        } else {
            let keep = rule["keep_days"].as_u64().map_or_else(|| "for ever".to_owned(), |n| format!("{n} days"));
            format!(
                "{:<16} {:<10} removed {:<8} last round {:<22} {}",
                text(rule, "kind"),
                keep,
                rule["removed"],
                text(rule, "passed_at"),
                text(rule, "basis")
            )
        });
    }
    Ok(ExitCode::SUCCESS)
}
