//! `pasarela suppressions`: addresses that are not written to.

use crate::Failure;
use crate::admin::Admin;
use crate::output::line;
use axum::http::Method;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// List them, the latest first.
    List,
    /// Do not write to an address any more.
    Add {
        /// The address.
        email: String,
        /// Why, for whoever asks later.
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
    },
    /// Write to an address again.
    Remove {
        /// The address.
        email: String,
    },
}

pub(crate) async fn run(config: &Path, action: Action, as_json: bool) -> Result<ExitCode, Failure> {
    let admin = Admin::open(config).await?;
    match action {
        Action::List => {
            let mut cursor = String::new();
            loop {
                let page = admin.get(&format!("/api/v1/suppressions?limit=200{cursor}")).await?;
                for row in page["data"].as_array().into_iter().flatten() {
                    let text = |name: &str| row[name].as_str().unwrap_or("-");
                    line(&if as_json {
                        row.to_string()
                    } else {
                        format!(
                            "{:<40} {:<12} since {}, by {}: {}",
                            text("address"),
                            text("cause"),
                            text("since"),
                            text("by"),
                            text("why")
                        )
                    });
                }
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => return Ok(ExitCode::SUCCESS),
                }
            }
        }
        Action::Add { email, why } => {
            let body = json!({ "email": email, "why": why });
            let done = admin.call(Method::POST, "/api/v1/suppressions", Some(body)).await?;
            let cause = done["cause"].as_str().unwrap_or_default();
            line(&if as_json { done.to_string() } else { format!("{email} is not written to ({cause})") });
        }
        Action::Remove { email } => {
            let done = admin.call(Method::POST, "/api/v1/suppressions/remove", Some(json!({ "email": email }))).await?;
            line(&if as_json { done.to_string() } else { format!("{email} is written to again") });
        }
    }
    Ok(ExitCode::SUCCESS)
}
