//! What the configuration takes out of the vault, for whoever changes a secret beside a running hub; and the look
//! by which the other nodes of a database learn of it.

use crate::config::{Config, Secrets, read_connection};
use crate::hub::providers;
use pasarela_connector::{ConnectionConfig, Provider};
use pasarela_engine::Engine;
use pasarela_engine::vault::{self, Values};
use pasarela_web::SecretUses;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks for what another node was told.
const EVERY: Duration = Duration::from_secs(5);

/// Names of the vault in a configuration.
pub(crate) struct Named {
    config: Arc<Config>,
    registry: Vec<Arc<dyn Provider>>,
    /// (secret, place).
    all: Vec<(String, String)>,
}

impl Named {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        let registry = providers();
        let all = config.vault_names(&registry);
        Self { config, registry, all }
    }

    /// Connections that name a secret.
    fn connections(&self, secret: &str) -> BTreeSet<&str> {
        let places = self.all.iter().filter(|(name, _)| name == secret);
        // A connection's name has no dot in it.
        places.filter_map(|(_, place)| place.strip_prefix("connections.")?.split('.').next()).collect()
    }
}

impl SecretUses for Named {
    fn places(&self, secret: &str) -> Vec<String> {
        self.all.iter().filter(|(name, _)| name == secret).map(|(_, place)| place.clone()).collect()
    }

    fn resolved(&self, secret: &str, values: &Values) -> Result<Vec<ConnectionConfig>, String> {
        let mut resolved = Vec::new();
        for connection in self.connections(secret) {
            let prefix = format!("connections.{connection}.");
            let mut own = self.all.iter().filter(|(_, place)| place.starts_with(&prefix));
            if own.any(|(name, _)| !values.contains_key(name)) {
                continue;
            }
            let secrets = Secrets::Held(values.clone());
            let setup = read_connection(&self.config, connection, &self.registry, &secrets);
            resolved.push(setup.map_err(|e| e.to_string())?.config);
        }
        Ok(resolved)
    }
}

/// Takes over what was set at other nodes, until the task is ended. A hub alone is told when it happens.
pub(crate) async fn keep(engine: Engine, config: Arc<Config>) {
    let named = Named::new(config);
    if named.all.is_empty() || !engine.store().is_shared() {
        return;
    }
    // What was set between the reading of the configuration and the first look counts too: with that look, everything
    // is taken as it is then.
    let mut known = BTreeMap::new();
    loop {
        match look(&engine, &named, &known).await {
            Ok(seen) => known = seen,
            Err(error) => tracing::warn!(%error, "the vault could not be looked at; it is tried again"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Lets connections go on with what changed since `known`. The versions now.
async fn look(
    engine: &Engine,
    named: &Named,
    known: &BTreeMap<String, i64>,
) -> Result<BTreeMap<String, i64>, pasarela_store::Error> {
    let store = &**engine.store();
    let held = vault::list(store).await?;
    let seen: BTreeMap<String, i64> = held.into_iter().map(|h| (h.name, h.version)).collect();
    // One that was removed and set again begins at version 1, as a new one does.
    let changed: Vec<&String> = seen.iter().filter(|(n, v)| known.get(*n) != Some(v)).map(|(n, _)| n).collect();
    if changed.is_empty() {
        return Ok(seen);
    }
    let values = vault::values(store).await?;
    for secret in changed {
        match named.resolved(secret, &values) {
            Ok(connections) => {
                for config in connections {
                    let connection = config.name.clone();
                    match engine.take_secrets(config).await {
                        Ok(_) => tracing::info!(connection, secret, "goes on with the secret that was set elsewhere"),
                        Err(e) => tracing::error!(connection, error = %e, "does not take its new secret"),
                    }
                }
            }
            Err(why) => tracing::error!(secret, why, "a new secret of the vault cannot be used here"),
        }
    }
    Ok(seen)
}
