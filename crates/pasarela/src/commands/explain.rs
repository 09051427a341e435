//! `pasarela explain message ID`: why a message went out when it did, or did not.

use crate::Failure;
use crate::admin::Admin;
use crate::output::line;
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum What {
    /// The decisions about one message.
    Message {
        /// Id of its effect (`eff_...`), as runs and dead letters show it.
        id: String,
    },
}

pub(crate) async fn run(config: &Path, what: What, as_json: bool) -> Result<ExitCode, Failure> {
    let What::Message { id } = what;
    let found = Admin::open(config).await?.get(&format!("/api/v1/messages/{id}/explanation")).await?;
    if as_json {
        line(&found.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    line(&format!(
        "{}  {}.{}  {}  class {}, purpose {}",
        text(&found["id"]),
        text(&found["connection"]),
        text(&found["action"]),
        text(&found["state"]),
        found["class"].as_str().unwrap_or("marketing (none was given)"),
        text(&found["purpose"]),
    ));
    let decisions = found["decisions"].as_array().map_or(&[][..], Vec::as_slice);
    if found["is_message"] == false {
        line("It is no message to a person: no rule about messages applies to it.");
    } else if decisions.is_empty() {
        line("Nothing was decided about it yet: that is done when its turn comes.");
    }
    for d in decisions {
        let until = d["until"].as_str().map(|t| format!(" until {t}")).unwrap_or_default();
        line(&format!("{}  {}{until}", text(&d["at"]), text(&d["verdict"])));
        if let Some(rule) = d["rule"].as_str() {
            line(&format!("    {rule}: {}", text(&d["article"])));
        }
        for check in d["checks"].as_array().into_iter().flatten() {
            let facts = check.as_object().into_iter().flatten().filter(|(name, _)| *name != "check");
            let facts: Vec<String> = facts.map(|(name, value)| format!("{name} {value}")).collect();
            line(&format!("    {:<12} {}", text(&check["check"]), facts.join(", ")));
        }
        line(&format!("    tables {}", text(&d["message"]["tables"])));
    }
    Ok(ExitCode::SUCCESS)
}
