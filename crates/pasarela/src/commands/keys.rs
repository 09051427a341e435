//! `pasarela keys`: API keys, before or beside a running hub.

use crate::Failure;
use crate::admin::Admin;
use crate::config::Span;
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
        /// What it may do: read, write, one resource's (events:read, consents:write), or a role's (role:viewer).
        #[arg(long, value_delimiter = ',', default_value = "read")]
        scopes: Vec<String>,
        /// Brands that it is for; left out: every one.
        #[arg(long, value_delimiter = ',')]
        brands: Option<Vec<String>>,
        /// How long it opens, such as 90d or 12h; left out: until it is revoked.
        #[arg(long)]
        expires: Option<Span>,
        /// Requests that it may make, such as 10/s, 600/m or 20000/h; left out: as `server.api_rate` says.
        #[arg(long)]
        rate: Option<String>,
    },
    /// List keys.
    List,
    /// Give a key a new text; it is shown once.
    Rotate {
        /// Its id (`key_...`).
        id: String,
        /// How long the old text still opens, such as 24h; left out: not at all.
        #[arg(long)]
        overlap: Option<Span>,
    },
    /// Revoke a key.
    Revoke {
        /// Its id (`key_...`).
        id: String,
    },
}

pub(crate) async fn run(config: &Path, action: Action, json: bool) -> Result<ExitCode, Failure> {
    let admin = Admin::open(config).await?;
    match action {
        Action::Create { name, scopes, brands, expires, rate } => {
            let expires_at = match expires {
                Some(span) => {
                    Some(jiff::Timestamp::now().checked_add(span.0).map_err(|e| Failure::Usage(e.to_string()))?)
                }
                None => None,
            };
            let mut wish = json!({ "name": name, "scopes": scopes, "brands": brands, "expires_at": expires_at });
            wish["rate"] = json!(rate);
            let made = admin.call(Method::POST, "/admin/keys", Some(wish)).await?;
            show(&made, json, &format!("for '{name}'"));
        }
        Action::Rotate { id, overlap } => {
            let asked = json!({ "overlap_s": overlap.map_or(0, |span| span.0.as_secs()) });
            let made = admin.call(Method::POST, &format!("/admin/keys/{id}/rotate"), Some(asked)).await?;
            show(&made, json, "has a new text");
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
                let mut state = text("state").replace('_', " ");
                for (word, field) in [("revoked", "revoked_at"), ("until", "expires_at"), ("used", "used_at")] {
                    if !key[field].is_null() {
                        state = format!("{state}, {word} {}", text(field));
                    }
                }
                let brands: Vec<&str> =
                    key["brands"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let brands = if brands.is_empty() { "every brand".to_owned() } else { brands.join(",") };
                line(&format!(
                    "{}  {:<20} {:<12} {brands}  made {}  {state}",
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

/// The text goes to the output, for whoever takes it further; what is said about it does not.
fn show(made: &Value, json: bool, what: &str) {
    if json {
        line(&made.to_string());
        return;
    }
    line(made["key"].as_str().unwrap_or_default());
    let id = made["id"].as_str().unwrap_or_default();
    let old = made["old_until"].as_str().map_or_else(String::new, |at| format!("; the old one opens until {at}"));
    note(&format!("{id} {what}; the key is shown only now: keep it safe{old}"));
}
