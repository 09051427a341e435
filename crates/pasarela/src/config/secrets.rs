//! Secrets by reference: `env:NAME`, `file:PATH`. A plain value is accepted with a warning, and
//! refused where real people are (`environment = "live"`).

use pasarela_connector::Environment;
use pasarela_domain::Secret;

/// Resolves a reference. The error names the place, never the value.
pub(crate) fn resolve(place: &str, reference: &str, environment: Environment) -> Result<Secret, String> {
    let secret = if let Some(name) = reference.strip_prefix("env:") {
        std::env::var(name).map_err(|_| format!("{place}: the environment has no variable {name}"))?
    } else if let Some(path) = reference.strip_prefix("file:") {
        std::fs::read_to_string(path)
            .map(|t| t.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|e| format!("{place}: cannot read {path}: {e}"))?
    } else if environment == Environment::Live {
        return Err(format!("{place}: a live connection takes secrets by reference only; write env:NAME or file:PATH"));
    } else {
        tracing::warn!("{place} holds a secret as plain text; env:NAME or file:PATH keeps it out of the file");
        reference.to_owned()
    };
    if secret.is_empty() { Err(format!("{place}: the secret is empty")) } else { Ok(Secret::new(secret)) }
}
