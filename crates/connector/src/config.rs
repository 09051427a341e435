//! One connection's settings, as a connector receives them.

use pasarela_domain::Secret;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Keys, links and flows of the two never mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Test accounts, simulators.
    #[default]
    Sandbox,
    /// Real people.
    Live,
}

/// Settings of one `[connections.NAME]` table. The engine has resolved secrets and taken out
/// what is common to all providers; the rest is in `settings` and `credentials`.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    /// Name of the connection.
    pub name: String,
    /// Name of the provider.
    pub provider: String,
    /// Where the provider is called; without a trailing slash. `None`: the manifest's default.
    pub base_url: Option<String>,
    /// Where a token is fetched, when it is not the provider's own address (a test double).
    pub token_url: Option<String>,
    /// Whatever verifies inbound calls, newest first.
    pub webhook_secrets: Vec<Secret>,
    /// Where a secret that the provider itself makes is kept: the vault's name that stands first among the references
    /// of `webhook_secrets`. `None`: none of them is of the vault, or this provider takes the secret that it is given.
    pub webhook_secret_name: Option<String>,
    /// Sandbox or live.
    pub environment: Environment,
    /// Oldest signature that is accepted, where the scheme has a time. `None`: the provider's default.
    pub signature_max_age: Option<Duration>,
    /// Settings that the manifest lists in its schema; always an object.
    pub settings: Value,
    /// Secrets that the manifest lists, by name. Absent ones make actions unavailable, not the hub.
    pub credentials: BTreeMap<String, Secret>,
}

impl ConnectionConfig {
    /// A connection with nothing but a name and a provider; for tests.
    #[must_use]
    pub fn bare(name: &str, provider: &str) -> Self {
        Self {
            name: name.into(),
            provider: provider.into(),
            base_url: None,
            token_url: None,
            webhook_secrets: Vec::new(),
            webhook_secret_name: None,
            environment: Environment::Sandbox,
            signature_max_age: None,
            settings: Value::Object(serde_json::Map::new()),
            credentials: BTreeMap::new(),
        }
    }

    /// The base to call, or `default`.
    #[must_use]
    pub fn base_or<'a>(&'a self, default: &'a str) -> &'a str {
        self.base_url.as_deref().unwrap_or(default).trim_end_matches('/')
    }

    /// Address of a path below the base (`/v1/orders`).
    #[must_use]
    pub fn url(&self, default: &str, path: &str) -> String {
        format!("{}{path}", self.base_or(default))
    }

    /// A credential without the blanks around it, fit for a header. The error is a sentence for people:
    /// what is missing or cannot be sent, and what to do.
    pub fn credential(&self, wanted: &crate::Credential) -> Result<&str, String> {
        let (name, help) = (wanted.name, wanted.help.trim_end_matches('.'));
        match self.credentials.get(name).map(|secret| secret.expose().trim()) {
            None | Some("") => Err(format!("[connections.{}] has no {name}: {help}", self.name)),
            // A header with a line break in it could not be sent; the usual cause is a file with two lines.
            Some(text) if !text.bytes().all(|b| b.is_ascii_graphic()) => {
                Err(format!("{name} of [connections.{}] holds blanks or line breaks: paste it alone", self.name))
            }
            Some(text) => Ok(text),
        }
    }

    /// Settings as the provider's own type; unknown keys must be refused by that type
    /// (`#[serde(deny_unknown_fields)]`).
    pub fn settings_as<T: serde::de::DeserializeOwned>(&self) -> Result<T, ConfigError> {
        serde_json::from_value(self.settings.clone()).map_err(|e| {
            let text = e.to_string();
            let hint = meant(&text).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default();
            ConfigError { connection: self.name.clone(), message: format!("{text}{hint}") }
        })
    }

    /// An error about this connection.
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        ConfigError { connection: self.name.clone(), message: message.into() }
    }
}

/// Of the names that a refusal of an unknown field lists, the one that was meant.
fn meant(refusal: &str) -> Option<&str> {
    let mut quoted = refusal.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let wrong = quoted.next()?;
    let far = |name: &str| distance(wrong, name);
    quoted.filter(|name| far(name) <= name.len().div_ceil(3)).min_by_key(|name| far(name))
}

/// Letters to change, add or leave out (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let next = (row[j] + 1).min(row[j + 1] + 1).min(diagonal + usize::from(x != y));
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row.last().copied().unwrap_or(0)
}

/// May a connection be called so? Its name is part of its webhooks' address. The hub's own name is not known here.
pub fn check_name(name: &str) -> Result<(), String> {
    let plain = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if plain { Ok(()) } else { Err("a connection's name is made of a to z, 0 to 9, - and _".into()) }
}

/// May the provider be called there? `key` is the setting's name, for the error; `clear`: a live connection may
/// speak plain HTTP to it.
pub fn check_address(
    key: &str,
    address: &str,
    schemes: &[&str],
    environment: Environment,
    clear: bool,
) -> Result<(), String> {
    let uri: http::Uri = address.parse().map_err(|_| format!("{key} '{address}' is not a URL"))?;
    if !uri.scheme_str().is_some_and(|s| schemes.contains(&s)) {
        let list: Vec<String> = schemes.iter().map(|s| format!("{s}://")).collect();
        return Err(format!("{key} '{address}' must begin with {}", list.join(" or ")));
    }
    // Where HTTP is not what is spoken, the connector itself says what may go in the clear.
    let secure = uri.scheme_str() == Some("https");
    if !secure && schemes.contains(&"https") && environment == Environment::Live && !clear {
        return Err(format!("{key} '{address}' of a live connection must be https"));
    }
    Ok(())
}

/// A connection's settings that cannot work.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("[connections.{connection}] {message}")]
pub struct ConfigError {
    /// Which connection.
    pub connection: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_is_told_what_was_meant() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its names matter")]
        struct Settings {
            measurement_id: Option<String>,
            debug: Option<bool>,
        }
        let told = |settings: Value| {
            let config = ConnectionConfig { settings, ..ConnectionConfig::bare("web", "ga4") };
            config.settings_as::<Settings>().unwrap_err().to_string()
        };
        let one = told(serde_json::json!({ "mesurement_id": "G-1" }));
        assert!(one.starts_with("[connections.web]") && one.ends_with("did you mean 'measurement_id'?"), "{one}");
        assert!(!told(serde_json::json!({ "color": "fucsia" })).contains("did you mean"));
    }
}
