//! `pasarela tickets`: the keys that sign tickets.

use crate::Failure;
use crate::admin::Admin;
use crate::output::{line, note};
use axum::http::Method;
use std::path::Path;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// List the public keys, for doors that verify tickets without a network.
    Keys,
    /// Make a new key: it signs from now on, and what was signed before stays true.
    Rotate,
}

pub(crate) async fn run(config: &Path, action: Action, as_json: bool) -> Result<ExitCode, Failure> {
    let admin = Admin::open(config).await?;
    match action {
        Action::Keys => {
            let keys = admin.get("/api/v1/tickets/keys").await?;
            for key in keys["data"].as_array().into_iter().flatten() {
                let text = |name: &str| key[name].as_str().unwrap_or("-");
                let signs = if key["signs"] == true { "  signs" } else { "" };
                line(&if as_json {
                    key.to_string()
                } else {
                    format!("{}  Ed25519 {}  made {}{signs}", text("id"), text("public_key"), text("made_at"))
                });
            }
        }
        Action::Rotate => {
            let done = admin.call(Method::POST, "/admin/tickets/rotate", None).await?;
            line(&if as_json { done.to_string() } else { done["id"].as_str().unwrap_or_default().to_owned() });
            note("signs tickets from now on; other nodes begin with it when they are started again");
        }
    }
    Ok(ExitCode::SUCCESS)
}
