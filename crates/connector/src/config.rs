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
    /// Whatever verifies inbound calls, newest first.
    pub webhook_secrets: Vec<Secret>,
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
            webhook_secrets: Vec::new(),
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

    /// Settings as the provider's own type; unknown keys must be refused by that type
    /// (`#[serde(deny_unknown_fields)]`).
    pub fn settings_as<T: serde::de::DeserializeOwned>(&self) -> Result<T, ConfigError> {
        serde_json::from_value(self.settings.clone())
            .map_err(|e| ConfigError { connection: self.name.clone(), message: e.to_string() })
    }

    /// An error about this connection.
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        ConfigError { connection: self.name.clone(), message: message.into() }
    }
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
