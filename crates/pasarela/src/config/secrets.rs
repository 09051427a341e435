//! Secrets by reference: `env:NAME`, `file:PATH`, `vault:NAME`. A plain value is accepted with a warning, and
//! refused where real people are (`environment = "live"`).

use pasarela_connector::Environment;
use pasarela_domain::Secret;
use pasarela_engine::vault::{self, Values};

/// What a reference into the vault begins with.
const VAULT: &str = "vault:";

/// What references are resolved with.
#[derive(Debug)]
pub(crate) enum Secrets {
    /// The environment, files, and what the vault holds.
    Held(Values),
    /// Nothing is looked up, and what a connector says of its secrets is not asked: for commands that need no secret,
    /// on a database that may not be there yet.
    Unread,
}

impl Secrets {
    /// Nothing is in the vault.
    pub(crate) fn no_vault() -> Self {
        Self::Held(Values::new())
    }

    /// Does the vault have none of this name, as far as it was looked into?
    pub(crate) fn lacks(&self, name: &str) -> bool {
        matches!(self, Self::Held(held) if !held.contains_key(name))
    }

    /// Are they real?
    pub(crate) fn are_read(&self) -> bool {
        matches!(self, Self::Held(_))
    }

    /// Resolves a reference. The error names the place, never the value.
    pub(crate) fn resolve(&self, place: &str, reference: &str, environment: Environment) -> Result<Secret, String> {
        let Self::Held(held) = self else { return Ok(Secret::new("-")) };
        if let Some(name) = named(reference) {
            vault::check_name(name).map_err(|e| format!("{place}: {e}"))?;
            let missing = || {
                format!(
                    "{place}: the vault has no secret '{name}'; `pasarela secrets set {name}` keeps one, `pasarela secrets list` shows what there is"
                )
            };
            return held.get(name).cloned().ok_or_else(missing);
        }
        let secret = if let Some(name) = reference.strip_prefix("env:") {
            std::env::var(name).map_err(|_| format!("{place}: the environment has no variable {name}"))?
        } else if let Some(path) = reference.strip_prefix("file:") {
            std::fs::read_to_string(path)
                .map(|t| t.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|e| format!("{place}: cannot read {path}: {e}"))?
        } else if environment == Environment::Live {
            return Err(format!(
                "{place}: a live connection takes secrets by reference only; write env:NAME or file:PATH, or vault:NAME"
            ));
        } else {
            tracing::warn!(
                "{place} holds a secret as plain text; env:NAME, file:PATH or vault:NAME keeps it out of the file"
            );
            reference.to_owned()
        };
        if secret.is_empty() { Err(format!("{place}: the secret is empty")) } else { Ok(Secret::new(secret)) }
    }
}

/// The secret of the vault that a reference names.
pub(crate) fn named(reference: &str) -> Option<&str> {
    reference.strip_prefix(VAULT)
}
