//! `pasarela texts`: versions of the texts that people agree to.

use crate::Failure;
use crate::admin::Admin;
use crate::output::line;
use axum::http::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// Add a version. It is never changed afterwards.
    Add(Box<Add>),
    /// List versions, the latest in force first.
    List {
        /// consent, notice or policy.
        #[arg(long)]
        kind: Option<String>,
    },
    /// Show the exact text of a version.
    Show {
        /// consent, notice or policy.
        kind: String,
        /// Version.
        #[arg(id = "text_version", value_name = "VERSION")]
        version: String,
        /// Language, where there are several.
        #[arg(long)]
        locale: Option<String>,
    },
}

#[derive(clap::Args)]
pub(crate) struct Add {
    /// consent, notice or policy.
    kind: String,
    /// Version, as evidence will name it: checkout-v3.
    #[arg(id = "text_version", value_name = "VERSION")]
    version: String,
    /// File with the exact text, in UTF-8.
    file: PathBuf,
    /// Series in which versions follow one another.
    #[arg(long, default_value = "general")]
    name: String,
    /// Language of the text.
    #[arg(long, default_value = "es-CO")]
    locale: String,
    /// Purpose that a text of consent covers; again for each.
    #[arg(long = "purpose", value_name = "PURPOSE")]
    purposes: Vec<String>,
    /// Channel that it names; again for each. None: every one.
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// Purpose that it covers in a new way: what was given before counts for it no more.
    #[arg(long = "reopens", value_name = "PURPOSE")]
    reopens: Vec<String>,
    /// Version of the privacy notice that is shown with it.
    #[arg(long, value_name = "VERSION")]
    notice: Option<String>,
    /// From when it is the text of its series: 2026-12-01T05:00:00Z; now, when it is left out.
    #[arg(long, value_name = "TIME")]
    in_force_from: Option<String>,
}

pub(crate) async fn run(config: &Path, action: Action, as_json: bool) -> Result<ExitCode, Failure> {
    let admin = Admin::open(config).await?;
    match action {
        Action::Add(add) => {
            let text = std::fs::read_to_string(&add.file)
                .map_err(|e| Failure::Usage(format!("{}: the text cannot be read: {e}", add.file.display())))?;
            let body = json!({
                "kind": add.kind, "name": add.name, "version": add.version, "locale": add.locale, "text": text,
                "purposes": add.purposes, "channels": add.channels, "reopens": add.reopens, "notice": add.notice,
                "in_force_from": add.in_force_from,
            });
            let done = admin.call(Method::POST, "/api/v1/texts", Some(body)).await?;
            line(&if as_json { done.to_string() } else { told(&done) });
        }
        Action::List { kind } => {
            let query = kind.map(|kind| format!("?kind={kind}")).unwrap_or_default();
            let page = admin.get(&format!("/api/v1/texts{query}")).await?;
            for row in page["data"].as_array().into_iter().flatten() {
                line(&if as_json { row.to_string() } else { told(row) });
            }
        }
        Action::Show { kind, version, locale } => {
            let page = admin.get(&format!("/api/v1/texts?kind={kind}&version={version}")).await?;
            let rows = page["data"].as_array().cloned().unwrap_or_default();
            let fits = |row: &&Value| locale.as_ref().is_none_or(|l| row["locale"] == l.as_str());
            let found: Vec<&Value> = rows.iter().filter(fits).collect();
            let row = match found.as_slice() {
                [one] => *one,
                [] => {
                    return Err(Failure::Usage(format!(
                        "there is no {kind} '{version}'; `pasarela texts list` tells which are"
                    )));
                }
                many => {
                    let locales: Vec<&str> = many.iter().filter_map(|r| r["locale"].as_str()).collect();
                    return Err(Failure::Usage(format!(
                        "'{version}' is kept in {}: name one with --locale",
                        locales.join(", ")
                    )));
                }
            };
            line(&if as_json { row.to_string() } else { row["text"].as_str().unwrap_or_default().to_owned() });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn told(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
    let purposes: Vec<&str> = row["purposes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let hash: String = text("sha256").chars().take(12).collect();
    let mark = if row["in_force"] == true { "in force" } else { "from" };
    format!(
        "{:<8} {:<20} {:<6} {:<12} {hash}  {mark} {}  {}",
        text("kind"),
        text("version"),
        text("locale"),
        text("name"),
        text("in_force_from"),
        purposes.join(", ")
    )
}
