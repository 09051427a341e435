//! `pasarela secrets`: the vault, before or beside a running hub. A value comes from a file, from standard input, or
//! is typed where nobody sees it; never as an argument, which every user of the machine could read.

use crate::Failure;
use crate::admin::Admin;
use crate::config::Config;
use crate::hub::providers;
use crate::output::{line, note};
use axum::http::Method;
use pasarela_engine::vault::{LARGEST, check_name};
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// Keep a secret, in place of the one of its name. It is typed, or comes by standard input; never as an argument.
    Set {
        /// Name: the configuration takes it as vault:NAME.
        name: String,
        /// Read it from this file, without a line break at its end.
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
    },
    /// List secrets: names, when they were set, what takes them. Never their values.
    List,
    /// Forget a secret that the configuration does not name.
    Remove {
        /// Name.
        name: String,
        /// Also one that the configuration names: the next start needs another.
        #[arg(long)]
        force: bool,
    },
}

pub(crate) async fn run(config: &Path, action: Action, json: bool) -> Result<ExitCode, Failure> {
    match action {
        Action::Set { name, from_file } => {
            check_name(&name).map_err(|e| Failure::Usage(e.to_string()))?;
            let value = read(&name, from_file.as_deref())?;
            let admin = Admin::without_secrets(config).await?;
            let done = admin.call(Method::POST, &path(&name, "set"), Some(json!({ "value": value }))).await?;
            told(&done, json);
        }
        Action::List => {
            let admin = Admin::without_secrets(config).await?;
            let held = admin.get("/admin/secrets").await?;
            if json {
                line(&held["data"].to_string());
                return Ok(ExitCode::SUCCESS);
            }
            for secret in held["data"].as_array().into_iter().flatten() {
                let text = |field: &str| secret[field].as_str().unwrap_or("-").to_owned();
                let used = words(&secret["used_by"]);
                let used = if used.is_empty() { "nothing takes it".to_owned() } else { used };
                line(&format!("{:<24} set {} by {}; {used}", text("name"), text("set_at"), text("set_by"),));
            }
        }
        Action::Remove { name, force } => {
            check_name(&name).map_err(|e| Failure::Usage(e.to_string()))?;
            // The hub that runs knows the configuration it began with; this is the one of the next start.
            let named = Config::load(config)?.vault_names(&providers());
            let places: Vec<&str> = named.iter().filter(|(n, _)| *n == name).map(|(_, place)| &**place).collect();
            if !places.is_empty() && !force {
                return Err(Failure::Failed(format!(
                    "{} takes '{name}': change the configuration first, or say --force",
                    places.join(", ")
                )));
            }
            let admin = Admin::without_secrets(config).await?;
            let done = admin.call(Method::POST, &path(&name, "remove"), Some(json!({ "force": force }))).await?;
            line(&if json { done.to_string() } else { format!("{name} is forgotten") });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn path(name: &str, step: &str) -> String {
    format!("/admin/secrets/{name}/{step}")
}

fn words(list: &Value) -> String {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn told(done: &Value, json: bool) {
    if json {
        return line(&done.to_string());
    }
    let name = done["name"].as_str().unwrap_or_default();
    line(&format!("{name} is {}", if done["replaced"] == true { "changed" } else { "kept" }));
    let (now, later) = (words(&done["in_force"]), words(&done["after_restart"]));
    if !now.is_empty() {
        note(&format!("In force at once: {now}."));
    }
    if !later.is_empty() {
        note(&format!("With the next start of the hub: {later}."));
    }
    if now.is_empty() && later.is_empty() {
        note(&format!("Nothing takes it yet: write \"vault:{name}\" where the configuration wants the secret."));
    }
}

/// The value. Nothing that is said of it repeats it.
fn read(name: &str, file: Option<&Path>) -> Result<String, Failure> {
    let failed = |what: &str, e: &dyn std::fmt::Display| Failure::Usage(format!("{what} cannot be read: {e}"));
    let text = if let Some(file) = file {
        std::fs::read_to_string(file).map_err(|e| failed(&file.display().to_string(), &e))?
    } else if std::io::stdin().is_terminal() {
        let term = console::Term::stderr();
        note(&format!("The secret '{name}', which is not shown while you type it:"));
        term.read_secure_line().map_err(|e| failed("what is typed", &e))?
    } else {
        // A little more than may be kept, so that what is too large is told and not cut.
        let mut text = String::new();
        let most = u64::try_from(LARGEST).unwrap_or(u64::MAX) + 2;
        std::io::stdin().take(most).read_to_string(&mut text).map_err(|e| failed("standard input", &e))?;
        text
    };
    let text = text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t));
    Ok(text.to_owned())
}
