//! The configuration: one TOML file, environment overrides, secrets by reference. Unknown keys and
//! contradictions stop the start with a sentence that says what to change.

mod brands;
mod connections;
mod keeping;
mod market;
mod oidc;
mod people;
mod secrets;
mod store;
mod units;

pub(crate) use connections::{read_connection, read_connections};
pub(crate) use secrets::Secrets;
pub(crate) use store::Database;
pub(crate) use units::Span;

use pasarela_connector::Provider;
use pasarela_domain::identity::{InvalidOwnership, Ownership};
use pasarela_domain::{Pace, Secret};
use pasarela_engine::vault;
use pasarela_store::{InvalidMaster, Master};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is wrong with a configuration, where, and what to write instead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{path}: {why}")]
    Unreadable { path: PathBuf, why: String },
    #[error("{path}: {why}")]
    Syntax { path: PathBuf, why: String },
    #[error("{path}: {why}")]
    Wrong { path: PathBuf, why: String },
}

/// A whole configuration.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Hooks, API, health, public pages.
    #[serde(default)]
    pub(crate) server: Server,
    /// People who work in the hub.
    #[serde(default)]
    pub(crate) console: Console,
    /// Where the truth is.
    #[serde(default)]
    pub(crate) store: StoreConfig,
    /// The record of who did what.
    #[serde(default)]
    pub(crate) audit: Audit,
    /// How long what is finished is kept.
    #[serde(default)]
    pub(crate) retention: keeping::Retention,
    /// Country, zone, languages.
    #[serde(default)]
    pub(crate) market: market::Market,
    /// Flows beside the built-in ones.
    #[serde(default)]
    pub(crate) flows: Flows,
    /// `config.vars` of flows.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "serde_json::Value"))]
    pub(crate) vars: toml::Table,
    /// What tickets say and hold.
    #[serde(default)]
    pub(crate) tickets: Tickets,
    /// Simulators in place of providers.
    #[serde(default)]
    pub(crate) sandbox: Sandbox,
    /// Webhooks to services of one's own.
    #[serde(default)]
    pub(crate) webhooks: Webhooks,
    /// Who is whom.
    #[serde(default)]
    pub(crate) people: people::People,
    /// Legal entities that sell shows and hold data; connections name theirs.
    #[serde(default)]
    pub(crate) brands: brands::Brands,
    /// Accounts at providers.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "serde_json::Value"))]
    pub(crate) connections: toml::Table,
    #[serde(skip)]
    pub(crate) path: PathBuf,
    /// Digest of each table as it is in force, by name; of each connection its own. Values are in none of them.
    #[serde(skip)]
    pub(crate) digests: BTreeMap<String, [u8; 32]>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Address of the public listener.
    pub(crate) listen: SocketAddr,
    /// How the outside reaches it.
    pub(crate) public_url: String,
    /// How long requests are still taken after `/readyz` says no, when the hub is asked to stop. Not set:
    /// 2 s when other nodes are there to take them, else not at all.
    pub(crate) drain: Option<units::Span>,
    /// Requests that an API key may make which has no limit of its own: `10/s`, `600/m`, `20000/h`. All at once or
    /// one after another; each node counts for itself.
    pub(crate) api_rate: units::Requests,
    /// Connections that may be open at once; who comes beyond hears 503 and is closed. Not set: half of the files that
    /// the process may open, at most 4096.
    pub(crate) max_connections: Option<usize>,
    /// Longest time for the headers of a request, and for a connection on which nothing is asked; of both listeners.
    pub(crate) header_timeout: units::Span,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: "http://127.0.0.1:8080".into(),
            drain: None,
            api_rate: units::Requests(pasarela_web::Rate::DEFAULT),
            max_connections: None,
            header_timeout: units::Span(pasarela_web::Bounds::default().header_time),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Webhooks {
    /// They may go to loopback, private and metadata addresses, and by plain HTTP. For services on this machine or
    /// its own network; whoever may make webhooks may then reach what only this machine reaches.
    pub(crate) allow_private_targets: bool,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Console {
    /// Address of the console; must differ from `server.listen`, since what operators sign in to needs an
    /// origin of its own.
    pub(crate) listen: SocketAddr,
    /// What people open, where that is not `http://` and `listen`: behind a proxy. Links of `pasarela users link`
    /// begin with it. With `https://`, cookies go by encrypted ways only.
    pub(crate) public_url: Option<String>,
    /// After so long without a look at a page, a person's session is over; 12 h after the sign-in, every one is.
    pub(crate) idle: units::Span,
    /// Must owners, operators, finance and privacy officers turn codes on before they see anything: `"required"` or
    /// `"offered"`. Not set: required where a connection is live or the console listens beyond this machine.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(crate) second_factor: Option<SecondFactor>,
    /// Connections that may be open at once, as `server.max_connections`. Not set: an eighth of the files that the
    /// process may open, at most 512.
    pub(crate) max_connections: Option<usize>,
    /// An OpenID provider that vouches for people ([people and roles](people.md)).
    pub(crate) oidc: Option<oidc::Oidc>,
}

/// Whether who may do much must have a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SecondFactor {
    Required,
    Offered,
}

impl Console {
    /// Must they? `live`: a connection writes to real people.
    pub(crate) fn requires_second(&self, live: bool) -> bool {
        match self.second_factor {
            Some(wish) => wish == SecondFactor::Required,
            None => live || !self.listen.ip().is_loopback(),
        }
    }

    /// Where people find it, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        let url = self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen));
        url.trim_end_matches('/').to_owned()
    }
}

impl Default for Console {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            public_url: None,
            idle: units::Span(std::time::Duration::from_secs(30 * 60)),
            second_factor: None,
            max_connections: None,
            oidc: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreConfig {
    /// `sqlite:PATH`, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, or `env:NAME` or `file:PATH` that hold
    /// one.
    // With a password in it, perhaps.
    #[cfg_attr(test, schemars(with = "String", extend("default" = "sqlite:pasarela.db")))]
    pub(crate) url: Secret,
    /// File of the master key (64 hexadecimal digits): the database's path with `.key`; with PostgreSQL,
    /// `pasarela.key` beside the configuration. Made with mode 0600 when a database is created; its absence
    /// later is an error. A backup without it cannot be read.
    pub(crate) key_file: Option<PathBuf>,
    /// The master key, if it is in no such file: `file:PATH`, `env:NAME`, or `command:PROGRAM ARGUMENTS`, whose output
    /// is the key. How it is changed: [protection at rest](sealing.md).
    pub(crate) master_key: Option<String>,
    /// Bytes of deliveries that may wait to be decided; beyond, 503 with `Retry-After`. At least `64KiB`. They
    /// wait on disk: what may be in memory [is fixed](care.md#a-flood).
    pub(crate) max_pending: units::Size,
    /// Below so much free disk, deliveries are refused, so that what follows from the accepted ones can still
    /// be written. SQLite only; `"0B"`: no floor.
    pub(crate) min_free_disk: units::Size,
}

impl Default for StoreConfig {
    fn default() -> Self {
        let (max_pending, min_free_disk) = keeping::default_sizes();
        Self { url: Secret::new("sqlite:pasarela.db"), key_file: None, master_key: None, max_pending, min_free_disk }
    }
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Audit {
    /// File to which the head of the audit is added while the hub runs: `pasarela audit verify` finds by it what was
    /// cut off or written anew. It belongs where whoever has the database cannot write. Beside the configuration
    /// unless absolute; none by default.
    pub(crate) anchor_file: Option<PathBuf>,
    /// How often the head is noted, if it moved: in the log, and in the file.
    pub(crate) anchor_every: units::Span,
}

impl Default for Audit {
    fn default() -> Self {
        Self { anchor_file: None, anchor_every: units::Span(std::time::Duration::from_secs(3600)) }
    }
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Flows {
    /// Folder of flow files (`*.yaml`, `*.yml`); a file with the name of a built-in flow replaces it; a pushed
    /// flow of the same name and no lower version wins ([operations](operations.md)).
    pub(crate) folder: Option<PathBuf>,
    /// Are the built-in flows in force?
    pub(crate) builtin: bool,
}

impl Default for Flows {
    fn default() -> Self {
        Self { folder: None, builtin: true }
    }
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tickets {
    /// Who sells, as it stands on each ticket: name and NIT.
    pub(crate) seller: Option<String>,
    /// What the QR holds: `"provider"`, the ticketing system's code, or `"signed"`, the form that a door verifies
    /// without a network ([tickets](tickets.md)).
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) qr: pasarela_ticket::Square,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sandbox {
    /// Address of the simulators' host.
    pub(crate) url: Option<String>,
    /// A clock that runs faster: `{ real_start = "...", starts_at = "...", segments = [{ seconds = 60, speed = 60 }, ...] }`;
    /// the last segment lasts for ever.
    #[cfg_attr(test, schemars(with = "serde_json::Value"))]
    pub(crate) clock: Option<Pace>,
}

impl Config {
    /// Reads a file and the environment. A missing default file is an empty configuration.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::Unreadable {
                    path: path.to_owned(),
                    why: "there is no such file; write one (docs/configuration.md shows how) or name another with --config".into(),
                });
            }
            Err(e) => return Err(Error::Unreadable { path: path.to_owned(), why: e.to_string() }),
        };
        Self::parse(path, &text, std::env::vars())
    }

    /// Whose word counts for which field of a person; `None`: no map of persons is kept.
    pub(crate) fn people_rules(&self) -> Result<Option<Ownership>, InvalidOwnership> {
        self.people.rules(|name| self.connections.contains_key(name))
    }

    /// Parses a configuration with the overrides of `env`.
    pub(crate) fn parse(path: &Path, text: &str, env: impl Iterator<Item = (String, String)>) -> Result<Self, Error> {
        let syntax = |e: toml::de::Error| Error::Syntax {
            path: path.to_owned(),
            why: store::without_passwords(e.to_string().trim_end()),
        };
        let overrides: Vec<(Vec<String>, String)> =
            env.filter_map(|(name, value)| Some((override_path(&name)?, value))).collect();
        let table: toml::Table = toml::from_str(text).map_err(syntax)?;
        let (mut config, digests): (Self, _) = if overrides.is_empty() {
            // Straight from the text, so that errors show the line.
            (toml::from_str(text).map_err(syntax)?, digests(&table))
        } else {
            let mut table = table;
            for (keys, value) in overrides {
                set(&mut table, &keys, &value).map_err(|why| Error::Wrong { path: path.to_owned(), why })?;
            }
            let digests = digests(&table);
            (table.try_into().map_err(syntax)?, digests)
        };
        config.digests = digests;
        config.path = path.to_owned();
        let folder = config.path.parent().map(Path::to_owned).unwrap_or_default();
        config.market.read_tables(&folder).map_err(|why| Error::Wrong { path: config.path.clone(), why })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Error> {
        let wrong = |why: String| Err(Error::Wrong { path: self.path.clone(), why });
        if let Err(why) = self.people_rules() {
            return wrong(why.to_string());
        }
        if let Err(why) = self.brands.check() {
            return wrong(why);
        }
        if self.market.country != "CO" {
            return wrong(format!(
                "market.country is '{}'; this release knows the rules of CO only",
                self.market.country
            ));
        }
        if jiff::tz::TimeZone::get(&self.market.time_zone).is_err() {
            return wrong(format!(
                "market.time_zone '{}' is not an IANA zone such as America/Bogota",
                self.market.time_zone
            ));
        }
        if let Some(odd) = self.market.languages.iter().find(|l| !["es", "en"].contains(&l.as_str())) {
            return wrong(format!("market.languages holds '{odd}'; screens and messages exist in es and en"));
        }
        if self.server.listen == self.console.listen && self.server.listen.port() != 0 {
            return wrong(
                "server.listen and console.listen are the same; operators' sessions need an origin of their own".into(),
            );
        }
        let public = self.server.public_url.as_str();
        if !public.starts_with("https://") && !public.starts_with("http://") {
            return wrong(format!("server.public_url is '{public}'; tickets link to it: write https://HOST"));
        }
        if let Some(url) = &self.console.public_url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            return wrong(format!("console.public_url is '{url}'; write the address that people open: https://..."));
        }
        if self.console.idle.0.as_secs() < 60 || self.console.idle.0.as_secs() > 12 * 3600 {
            return wrong("console.idle is between 1m and 12h".into());
        }
        for (key, most) in [("server", self.server.max_connections), ("console", self.console.max_connections)] {
            if most.is_some_and(|n| n < 8) {
                return wrong(format!("{key}.max_connections is below 8; nobody would find room"));
            }
        }
        if !(1..=60).contains(&self.server.header_timeout.0.as_secs()) {
            return wrong("server.header_timeout is between 1s and 60s".into());
        }
        if let Some(oidc) = &self.console.oidc {
            oidc.check().or_else(wrong)?;
        }
        if self.store.max_pending.0 < 1 << 16 {
            return wrong("store.max_pending is less than 64KiB; no delivery would be taken in".into());
        }
        if self.audit.anchor_every.0.is_zero() {
            return wrong("audit.anchor_every is nothing; write how often the head is noted, such as 1h".into());
        }
        self.master()?;
        if self.store.master_key.is_some()
            && self.store.key_file.is_some()
            && self.store.url.expose().starts_with("sqlite:")
        {
            return wrong("store.key_file and store.master_key both say where the master key is; keep one".into());
        }
        self.retention.check().or_else(wrong)?;
        Database::read(&self.store, &self.path).map(|_| ()).or_else(wrong)
    }

    /// The database.
    pub(crate) fn database(&self) -> Result<Database, Error> {
        Database::read(&self.store, &self.path).map_err(|why| Error::Wrong { path: self.path.clone(), why })
    }

    /// What the listeners give to those who come: the public one, and the console's.
    pub(crate) fn bounds(&self) -> [pasarela_web::Bounds; 2] {
        let files = files_at_once();
        let bounds = |named: Option<usize>, own: usize| pasarela_web::Bounds {
            connections: named.unwrap_or(own.max(8)),
            header_time: self.server.header_timeout.0,
        };
        [
            bounds(self.server.max_connections, (files / 2).min(4096)),
            bounds(self.console.max_connections, (files / 8).min(512)),
        ]
    }

    /// The master key's file.
    pub(crate) fn key_file(&self) -> Result<PathBuf, Error> {
        Ok(match (self.database()?, &self.store.key_file) {
            (Database::Postgres { key_file, .. }, _) => key_file,
            (Database::Sqlite(_), Some(named)) => named.clone(),
            (Database::Sqlite(path), None) => {
                let mut name = path.into_os_string();
                name.push(".key");
                PathBuf::from(name)
            }
        })
    }

    /// Where the head of the audit is noted, beside the configuration file unless absolute.
    pub(crate) fn anchor_file(&self) -> Option<PathBuf> {
        let base = self.path.parent().unwrap_or(Path::new(""));
        self.audit.anchor_file.as_ref().map(|f| base.join(f))
    }

    /// Where the master key is.
    pub(crate) fn master(&self) -> Result<Master, Error> {
        match &self.store.master_key {
            Some(text) => text.parse().map_err(|e: InvalidMaster| Error::Wrong {
                path: self.path.clone(),
                why: format!("store.master_key: {e}"),
            }),
            None => self.key_file().map(Master::File),
        }
    }

    /// Which secrets of the vault are named, and where: `("meta-token", "connections.wa.access_token")`.
    pub(crate) fn vault_names(&self, registry: &[Arc<dyn Provider>]) -> Vec<(String, String)> {
        let connections = self.connections.iter().flat_map(|(connection, value)| {
            let named = connections::named_by(value, registry).into_iter();
            named.map(move |(secret, key)| (secret, format!("connections.{connection}.{key}")))
        });
        let oidc = self.console.oidc.as_ref().and_then(|o| secrets::named(o.client_secret.as_deref()?));
        connections.chain(oidc.map(|name| (name.to_owned(), oidc::OIDC_SECRET.to_owned()))).collect()
    }

    /// What its references are resolved with. The vault is looked into only where something of it is named.
    pub(crate) fn secrets(&self, registry: &[Arc<dyn Provider>]) -> Result<Secrets, Error> {
        if self.vault_names(registry).is_empty() {
            return Ok(Secrets::no_vault());
        }
        let rows = self.database()?.peek(self.master()?, vault::KIND).map_err(|e| Error::Wrong {
            path: self.path.clone(),
            why: format!("the vault cannot be looked into: {e}"),
        })?;
        Ok(Secrets::Held(vault::values_of(&rows)))
    }

    /// Folder of flow files, beside the configuration file unless absolute.
    pub(crate) fn flows_folder(&self) -> Option<PathBuf> {
        let base = self.path.parent().unwrap_or(Path::new(""));
        self.flows.folder.as_ref().map(|f| base.join(f))
    }
}

/// Files, sockets among them, that this process may have open; what systems commonly allow where it is not told.
fn files_at_once() -> usize {
    let told = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = told.lines().find_map(|l| l.strip_prefix("Max open files"));
    line.and_then(|l| l.split_whitespace().next()).map_or(1024, |n| n.parse().unwrap_or(usize::MAX))
}

/// Digest of each table of the file, by name; of each connection its own.
fn digests(whole: &toml::Table) -> BTreeMap<String, [u8; 32]> {
    let digest = |value: &toml::Value| Sha256::digest(value.to_string().as_bytes()).into();
    let of = |(name, value): (&String, &toml::Value)| match value {
        toml::Value::Table(all) if name == "connections" => {
            all.iter().map(|(own, value)| (format!("{name}.{own}"), digest(value))).collect::<Vec<_>>()
        }
        _ => vec![(name.clone(), digest(value))],
    };
    whole.iter().flat_map(of).collect()
}

/// `PASARELA__SERVER__LISTEN` as a path of keys.
fn override_path(name: &str) -> Option<Vec<String>> {
    let rest = name.strip_prefix("PASARELA__")?;
    Some(rest.split("__").map(str::to_ascii_lowercase).collect())
}

fn set(table: &mut toml::Table, keys: &[String], value: &str) -> Result<(), String> {
    let Some((last, parents)) = keys.split_last() else { return Ok(()) };
    let mut here = table;
    for key in parents {
        let entry = here.entry(key.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        here = entry
            .as_table_mut()
            .ok_or_else(|| format!("PASARELA__{}: '{key}' is not a table", keys.join("__").to_uppercase()))?;
    }
    // A value that reads as TOML keeps its type (`8080`, `true`, `["a"]`); everything else is text.
    let parsed = toml::from_str::<toml::Table>(&format!("v = {value}")).ok().and_then(|mut t| t.remove("v"));
    here.insert(last.clone(), parsed.unwrap_or_else(|| toml::Value::String(value.to_owned())));
    Ok(())
}

/// The candidate that was probably meant.
pub(crate) fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (distance(wrong, c), c))
        .filter(|(d, c)| *d <= 2.max(c.len() / 3))
        .min()
        .map(|(_, c)| c)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut previous = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (previous + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            previous = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

/// The settings as schemas, for the documentation: the whole file, and what every connection has.
#[cfg(test)]
pub(crate) fn schemas() -> [schemars::Schema; 3] {
    [schemars::schema_for!(Config), schemars::schema_for!(connections::Common), schemars::schema_for!(brands::Brand)]
}

#[cfg(test)]
mod tests;
