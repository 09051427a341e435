//! `pasarela keys`: API keys, before or beside a running hub.

use crate::Failure;
use crate::admin::Admin;
use crate::output::{line, note};
use axum::http::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// Make a key; it is shown once.
    Create {
        /// What it is for.
        name: String,
        /// What it may do: read, write.
        #[arg(long, value_delimiter = ',', default_value = "read")]
        scopes: Vec<String>,
    },
    /// List keys.
    List,
    /// Revoke a key.
    Revoke {
        /// Its id (`key_...`).
        id: String,
    },
}

pub(crate) async fn run(config: &Path, action: Action, json: bool) -> Result<ExitCode, Failure> {
    let admin = Admin::open(config).await?;
    match action {
        Action::Create { name, scopes } => {
            let made = admin.call(Method::POST, "/admin/keys", Some(json!({ "name": name, "scopes": scopes }))).await?;
            if json {
                line(&made.to_string());
            } else {
                line(made["key"].as_str().unwrap_or_default());
                note(&format!(
                    "{} for '{name}'; the key is shown only now: keep it safe",
                    made["id"].as_str().unwrap_or_default()
                ));
            }
        }
        Action::List => {
            let keys = admin.get("/admin/keys").await?;
            if json {
                line(&keys["data"].to_string());
                return Ok(ExitCode::SUCCESS);
            }
            for key in keys["data"].as_array().into_iter().flatten() {
                let text = |name: &str| key[name].as_str().unwrap_or("-").to_owned();
                let scopes: Vec<&str> =
                    key["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let state = if key["revoked_at"].is_null() {
                    "in force".to_owned()
                } else {
                    format!("revoked {}", text("revoked_at"))
                };
                line(&format!(
                    "{}  {:<20} {:<12} made {}  {state}",
                    text("id"),
                    text("name"),
                    scopes.join(","),
                    text("created_at")
                ));
            }
        }
        Action::Revoke { id } => {
            let done = admin.call(Method::POST, &format!("/admin/keys/{id}/revoke"), None).await?;
            line(&if json { done.to_string() } else { format!("{id} is revoked") });
        }
    }
    Ok(ExitCode::SUCCESS)
}
