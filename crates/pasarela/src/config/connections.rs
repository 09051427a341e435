//! `[connections.NAME]`: what is common to all providers is read here, the rest by the manifest.

use super::brands::Brands;
use super::secrets::{Secrets, named};
use super::units::Span;
use super::{Config, Error, nearest};
use pasarela_connector::{AuthKind, ConnectionConfig, Environment, Provider, Rate};
use pasarela_domain::Secret;
use pasarela_engine::{
    ConnectionSetup, DEFAULT_SENDER, LimitOverride, Policy, ReconcileSettings, Transfer, check_transfer, vault,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Keys that every connection has.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(super) struct Common {
    /// Required: one of the providers below.
    provider: String,
    /// Where it is called: own server, simulator, test double; the provider's own when it is not set. `https://`
    /// on a live connection, unless `allow_private_targets`.
    base_url: Option<String>,
    /// Where a token is fetched, for a test double; the provider's own when it is not set. Only where the provider's
    /// [auth kind](connectors.md#tokens) fetches one.
    token_url: Option<String>,
    /// Whatever verifies inbound calls, newest first. Several are in force at once, for rotation. Where the provider
    /// makes the secret itself (`hi-events`), name one of the vault first: applying the connection's
    /// [plan](provisioning.md) fills it.
    webhook_secrets: Vec<String>,
    /// Or `"live"`: real people.
    environment: Environment,
    /// Oldest signature that is believed, where the scheme has a time (WhatsApp's has none). By provider:
    /// `http` and `twenty` 5 min, `hi-events` 10 min.
    signature_max_age: Option<Span>,
    /// Static headers for test doubles; refused on a live connection.
    extra_headers: BTreeMap<String, String>,
    /// May it reach loopback, private and metadata addresses?
    allow_private_targets: bool,
    /// In place of the provider's: `{ concurrency = 4, per_minute = 100, timeout = "20s" }`, each optional. The
    /// burst is one second's worth.
    #[cfg_attr(test, schemars(with = "serde_json::Value"))]
    limits: Limits,
    /// How often each task is read; by task when it is not set.
    reconcile_every: Option<Span>,
    /// What is done with what the provider has and the hub has not, or has otherwise: `"repair"` (it comes in, as
    /// if its webhook had come), `"propose"` (it waits for a person), `"report"` (it is only told). See
    /// [reconciliation](reconciliation.md).
    reconcile: Policy,
    /// Whose number or address writes to people: messages of all connections of one sender count together when
    /// the law limits how often a person is contacted. `"default"` when it is not set.
    sender: Option<String>,
    /// Whose it is: a name of `[brands]`; what comes in and goes out by it is seen by people and keys of that brand.
    /// `"default"` when it is not set.
    brand: Option<String>,
    /// Where whoever processes the data is: two capital letters (`CO`, `US`). A live connection must say it.
    country: Option<String>,
    /// Does the provider use the data for itself too, as platforms of advertising and analytics do?
    acts_for_itself: bool,
    /// On which basis personal data goes abroad (Ley 1581 art. 26): `{ basis = "contract", reference = "...",
    /// since = "2026-11-27" }`, or `"consent"` or `"declaration"`. A live connection whose `country` is not `CO` does
    /// not start without it.
    #[cfg_attr(test, schemars(with = "serde_json::Value"))]
    transfer: Option<Transfer>,
    /// Share of the connection's rate that reading may use, above 0 and at most 1; 0.5 when it is not set.
    reconcile_share: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    /// Calls at the same time.
    concurrency: Option<u32>,
    /// Calls in a minute; the burst is one second's worth.
    per_minute: Option<u32>,
    /// Longest life of a call.
    timeout: Option<Span>,
}

const COMMON: &[&str] = &[
    "provider",
    "base_url",
    "token_url",
    "webhook_secrets",
    "environment",
    "signature_max_age",
    "extra_headers",
    "allow_private_targets",
    "limits",
    "reconcile_every",
    "reconcile",
    "reconcile_share",
    "sender",
    "brand",
    "country",
    "acts_for_itself",
    "transfer",
];

/// All connections of a configuration; every problem is an error that names the connection.
pub(crate) fn read_connections(
    config: &Config,
    registry: &[Arc<dyn Provider>],
    secrets: &Secrets,
) -> Result<Vec<ConnectionSetup>, Error> {
    config.connections.keys().map(|name| read_connection(config, name, registry, secrets)).collect()
}

/// One of them, by its name.
pub(crate) fn read_connection(
    config: &Config,
    name: &str,
    registry: &[Arc<dyn Provider>],
    secrets: &Secrets,
) -> Result<ConnectionSetup, Error> {
    let wrong = |why| Error::Wrong { path: config.path.clone(), why: format!("[connections.{name}] {why}") };
    let value = config.connections.get(name).ok_or_else(|| wrong("there is none".into()))?;
    read(name, value, registry, &config.brands, secrets).map_err(wrong)
}

/// Which secrets of the vault a connection names, and by which of its keys.
pub(super) fn named_by(value: &toml::Value, registry: &[Arc<dyn Provider>]) -> Vec<(String, String)> {
    let Some(table) = value.as_table() else { return Vec::new() };
    let provider = table.get("provider").and_then(toml::Value::as_str).unwrap_or_default();
    let manifest = registry.iter().map(|p| p.manifest()).find(|m| m.name == provider);
    let credentials = manifest.iter().flat_map(|m| &m.credentials).filter_map(|c| {
        let name = named(table.get(c.name)?.as_str()?)?;
        Some((name.to_owned(), c.name.to_owned()))
    });
    let secrets = table.get("webhook_secrets").and_then(toml::Value::as_array);
    let webhooks = secrets.into_iter().flatten().enumerate().filter_map(|(i, reference)| {
        let name = named(reference.as_str()?)?;
        Some((name.to_owned(), format!("webhook_secrets[{i}]")))
    });
    credentials.chain(webhooks).collect()
}

fn read(
    name: &str,
    value: &toml::Value,
    registry: &[Arc<dyn Provider>],
    brands: &Brands,
    secrets: &Secrets,
) -> Result<ConnectionSetup, String> {
    if name == pasarela_engine::LEDGER {
        return Err("this name is the hub's own: choose another".into());
    }
    pasarela_connector::check_name(name)?;
    let table = value.as_table().ok_or("must be a table")?;
    let (own, rest): (toml::Table, toml::Table) =
        table.clone().into_iter().partition(|(k, _)| COMMON.contains(&k.as_str()));
    let common: Common = own.try_into().map_err(|e: toml::de::Error| e.message().to_owned())?;
    let provider = find(&common.provider, registry)?;
    let manifest = provider.manifest();
    let environment = common.environment;
    let secret = |place: &str, reference: &str| secrets.resolve(place, reference, environment);

    let (mut settings, mut credentials) = (Map::new(), BTreeMap::new());
    let known: Vec<String> = manifest
        .settings
        .get("properties")
        .and_then(Value::as_object)
        .map(|p| p.keys().cloned().collect())
        .unwrap_or_default();
    for (key, value) in rest {
        if let Some(credential) = manifest.credentials.iter().find(|c| c.name == key) {
            let reference =
                value.as_str().ok_or_else(|| format!("{key} must be text: env:NAME, file:PATH or vault:NAME"))?;
            credentials.insert(credential.name.to_owned(), secret(&key, reference)?);
        } else if known.contains(&key) {
            settings.insert(key, serde_json::to_value(value).map_err(|e| e.to_string())?);
        } else {
            let candidates = COMMON
                .iter()
                .copied()
                .chain(known.iter().map(String::as_str))
                .chain(manifest.credentials.iter().map(|c| c.name));
            let hint = nearest(&key, candidates).map(|n| format!("; did you mean '{n}'?")).unwrap_or_default();
            return Err(format!("'{key}' is not a setting of {}{hint}", manifest.name));
        }
    }
    let makes = provider.makes_webhook_secrets();
    let mut webhook_secrets = Vec::new();
    for (i, reference) in common.webhook_secrets.iter().enumerate() {
        if let Some(missing) = named(reference).filter(|n| makes && secrets.lacks(n)) {
            vault::check_name(missing).map_err(|e| format!("webhook_secrets[{i}]: {e}"))?;
            tracing::warn!(
                connection = name,
                "the vault has no secret '{missing}' yet, so no webhook is believed: `pasarela connections provision {name} --apply` \
                 makes the webhook and keeps its secret there"
            );
            continue;
        }
        let held = secret(&format!("webhook_secrets[{i}]"), reference)?;
        if makes {
            // One under each webhook that was made, the newest first.
            webhook_secrets.extend(held.expose().lines().map(str::trim).filter(|l| !l.is_empty()).map(Secret::new));
        } else {
            webhook_secrets.push(held);
        }
    }
    let webhook_secret_name = common.webhook_secrets.iter().find_map(|r| named(r)).filter(|_| makes).map(str::to_owned);
    let fetches_tokens = matches!(
        manifest.auth,
        AuthKind::ClientCredentials(_) | AuthKind::RefreshToken(_) | AuthKind::ServiceAccount(_)
    );
    if common.token_url.is_some() && !fetches_tokens {
        return Err(format!("'token_url': {} fetches no token, so leave it out", manifest.name));
    }
    for (key, address) in [("base_url", &common.base_url), ("token_url", &common.token_url)] {
        let Some(address) = address else { continue };
        // A base URL may speak something else than HTTP, where the provider does; a token is fetched by HTTP.
        let schemes = if key == "base_url" { provider.schemes() } else { &["https", "http"] };
        pasarela_connector::check_address(key, address, schemes, environment, common.allow_private_targets)?;
    }
    if environment == Environment::Live && !common.extra_headers.is_empty() {
        return Err("extra_headers are for test doubles; a live connection takes none".into());
    }
    let abroad =
        check_transfer(common.country.as_deref(), common.acts_for_itself, common.transfer.as_ref(), environment)?;
    if let Some(warning) = abroad {
        tracing::warn!(connection = name, "{warning}");
    }
    let share = common.reconcile_share.unwrap_or(ReconcileSettings::default().share);
    if !(share > 0.0 && share <= 1.0) {
        return Err(format!(
            "reconcile_share is {share}; write the share of the rate that reading may use, such as 0.5 (above 0, at most 1)"
        ));
    }
    let config = ConnectionConfig {
        name: name.to_owned(),
        provider: manifest.name.to_owned(),
        base_url: common.base_url.map(|u| u.trim_end_matches('/').to_owned()),
        token_url: common.token_url,
        webhook_secrets,
        webhook_secret_name,
        environment,
        signature_max_age: common.signature_max_age.map(|s| s.0),
        settings: Value::Object(settings),
        credentials,
    };
    let sender = common.sender.unwrap_or_else(|| DEFAULT_SENDER.into());
    pasarela_connector::check_name(&sender).map_err(|why| format!("'sender': {why}"))?;
    let brand = brands.named(common.brand.as_deref())?;
    if secrets.are_read() {
        // The connector itself says what else is wrong, before anything starts.
        provider.connect(config.clone()).map_err(|e| e.message)?;
    }
    let rate = common
        .limits
        .per_minute
        .map(|n| Rate { burst: (n / 60).max(1), every: Duration::from_secs_f64(60.0 / f64::from(n.max(1))) });
    Ok(ConnectionSetup {
        provider,
        config,
        allow_private_targets: common.allow_private_targets,
        extra_headers: common.extra_headers.into_iter().collect(),
        limits: LimitOverride {
            concurrency: common.limits.concurrency,
            rate,
            timeout: common.limits.timeout.map(|s| s.0),
        },
        reconcile: ReconcileSettings { every: common.reconcile_every.map(|s| s.0), policy: common.reconcile, share },
        sender,
        brand,
    })
}

fn find(name: &str, registry: &[Arc<dyn Provider>]) -> Result<Arc<dyn Provider>, String> {
    let names = || registry.iter().map(|p| p.manifest().name);
    if name.is_empty() {
        return Err(format!("'provider' is missing; it is one of {}", names().collect::<Vec<_>>().join(", ")));
    }
    registry.iter().find(|p| p.manifest().name == name).cloned().ok_or_else(|| {
        let hint = nearest(name, names()).map(|n| format!("did you mean '{n}'?")).unwrap_or_default();
        format!("there is no provider '{name}'; {hint} known are {}", names().collect::<Vec<_>>().join(", "))
    })
}
