//! Puts the parts together: configuration, registry, flows, store, engine.

use crate::Failure;
use crate::config::{Config, Database, Secrets, read_connections};
use crate::vault::Named;
use pasarela_connector::{Environment, Provider};
use pasarela_domain::{Clock, PacedClock, SystemClock};
use pasarela_engine::{ConnectionSetup, Engine, HubCatalog, Setup};
use pasarela_flows::{Flow, Origin, Problem};
use pasarela_store::Store;
use pasarela_store::postgres::{self, PostgresStore};
use pasarela_store::sqlite::{self, SqliteStore};
use pasarela_ticket::Desk;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Flows that ship with the program: file name and text.
pub(crate) const BUILT_IN: &[(&str, &str)] = &[
    ("baja-confirmada.yaml", include_str!("../flows/baja-confirmada.yaml")),
    ("bienvenida.yaml", include_str!("../flows/bienvenida.yaml")),
    ("boleta-confirmada.yaml", include_str!("../flows/boleta-confirmada.yaml")),
    ("caso-carta.yaml", include_str!("../flows/caso-carta.yaml")),
    ("casos-por-vencer.yaml", include_str!("../flows/casos-por-vencer.yaml")),
    ("devolucion.yaml", include_str!("../flows/devolucion.yaml")),
    ("mis-datos-enlace.yaml", include_str!("../flows/mis-datos-enlace.yaml")),
    ("patrocinador-responde.yaml", include_str!("../flows/patrocinador-responde.yaml")),
    ("pedido-al-crm.yaml", include_str!("../flows/pedido-al-crm.yaml")),
    ("pedido-cancelado.yaml", include_str!("../flows/pedido-cancelado.yaml")),
    ("pedido-por-pagar.yaml", include_str!("../flows/pedido-por-pagar.yaml")),
    ("persona-a-la-boleteria.yaml", include_str!("../flows/persona-a-la-boleteria.yaml")),
    ("persona-al-crm.yaml", include_str!("../flows/persona-al-crm.yaml")),
    ("reclamo-en-tramite.yaml", include_str!("../flows/reclamo-en-tramite.yaml")),
    ("recordatorio.yaml", include_str!("../flows/recordatorio.yaml")),
    ("show-al-crm.yaml", include_str!("../flows/show-al-crm.yaml")),
    ("show-publicado.yaml", include_str!("../flows/show-publicado.yaml")),
];

/// Everything that a configuration names, checked.
pub(crate) struct Plan {
    pub(crate) config: Arc<Config>,
    pub(crate) secrets: Secrets,
    pub(crate) connections: Vec<ConnectionSetup>,
    pub(crate) flows: Vec<Arc<Flow>>,
    pub(crate) catalog: Arc<HubCatalog>,
    pub(crate) notes: Vec<Problem>,
}

/// All providers.
pub(crate) fn providers() -> Vec<Arc<dyn Provider>> {
    pasarela_connectors::registry().into_iter().map(Arc::from).collect()
}

impl Plan {
    /// Reads and checks. Every problem of every flow is told at once.
    pub(crate) fn read(config: Config) -> Result<Self, Failure> {
        let registry = providers();
        let secrets = config.secrets(&registry)?;
        Self::read_by(config, &registry, secrets)
    }

    /// The same without a secret, for what needs none: no connection of it can be served.
    pub(crate) fn without_secrets(config: Config) -> Result<Self, Failure> {
        Self::read_by(config, &providers(), Secrets::Unread)
    }

    fn read_by(config: Config, registry: &[Arc<dyn Provider>], secrets: Secrets) -> Result<Self, Failure> {
        let connections = read_connections(&config, registry, &secrets)?;
        let live: Vec<&str> = connections
            .iter()
            .filter(|c| c.config.environment == Environment::Live)
            .map(|c| c.config.name.as_str())
            .collect();
        if !live.is_empty() && (config.sandbox.clock.is_some() || config.sandbox.url.is_some()) {
            return Err(Failure::Usage(format!(
                "{}: [sandbox] cannot be used beside live connections ({}): a clock that runs faster would write to real people",
                config.path.display(),
                live.join(", ")
            )));
        }
        let named = connections.iter().map(|c| (c.config.name.as_str(), c.provider.clone()));
        let catalog = Arc::new(with_templates(&config, HubCatalog::new(named, registry.iter().cloned()))?);
        let (flows, notes) = read_flows(&config, &catalog)?;
        Ok(Self { config: Arc::new(config), secrets, connections, flows, catalog, notes })
    }

    /// Opens the store of the configuration.
    pub(crate) fn open_store(&self) -> Result<Arc<dyn Store>, Failure> {
        let master = Some(self.config.master()?);
        let opened: Result<Arc<dyn Store>, pasarela_store::Error> = match self.config.database()? {
            Database::Sqlite(path) => {
                let options = sqlite::Options { master, ..sqlite::Options::file(path) };
                SqliteStore::open(&options).map(|s| Arc::new(s) as _)
            }
            Database::Postgres { url, key_file } => {
                PostgresStore::open(&postgres::Options { url, key_file, master }).map(|s| Arc::new(s) as _)
            }
        };
        opened.map_err(|e| Failure::Failed(e.to_string()))
    }

    /// Whoever hands tickets out: with the keys of the store, of which the first is made here. Flows read
    /// tickets with their links from now on.
    pub(crate) async fn desk(&self, store: &Arc<dyn Store>) -> Result<Arc<Desk>, Failure> {
        let failed = |e: &dyn std::fmt::Display| Failure::Failed(format!("the keys that sign tickets: {e}"));
        let mut keys = store.signing_keys().await.map_err(|e| failed(&e))?;
        if keys.is_empty() {
            let seed: [u8; 32] = rand::random();
            // Another node may be at the same: the first one that is written is everybody's.
            store.keep_signing_key(1, store.sealer().seal(&seed), self.clock().now()).await.map_err(|e| failed(&e))?;
            keys = store.signing_keys().await.map_err(|e| failed(&e))?;
        }
        let desk = Arc::new(self.keyless_desk());
        let seeds: Vec<&[u8]> = keys.iter().map(|k| k.seed.as_slice()).collect();
        desk.use_keys(&seeds).map_err(|e| failed(&e))?;
        let own = desk.clone();
        self.catalog.complete_with(Box::new(move |connection, kind, model| own.complete(connection, kind, model)));
        Ok(desk)
    }

    fn keyless_desk(&self) -> Desk {
        let tickets = &self.config.tickets;
        Desk::new(&self.config.server.public_url, tickets.seller.clone(), tickets.qr)
    }

    /// A desk whose tickets nobody believes, for showing what a flow would do.
    pub(crate) fn sample_desk(&self) -> Result<Desk, String> {
        let desk = self.keyless_desk();
        desk.use_keys(&[[0; 32]]).map_err(|e| e.to_string())?;
        Ok(desk)
    }

    /// Does any connection write to real people?
    fn is_live(&self) -> bool {
        self.connections.iter().any(|c| c.config.environment == Environment::Live)
    }

    /// Settings of the web side.
    pub(crate) fn web_options(&self) -> pasarela_web::Options {
        pasarela_web::Options {
            sandbox: self.config.sandbox.url.clone(),
            console_url: self.config.console.url(),
            public_url: self.config.server.public_url.clone(),
            idle: self.config.console.idle.0,
            second_factor_required: self.config.console.requires_second(self.is_live()),
            brands: self.config.brands.names(),
            secret_uses: Some(Arc::new(Named::new(self.config.clone()))),
            api_rate: self.config.server.api_rate.0,
            ..pasarela_web::Options::default()
        }
    }

    /// The OpenID provider of the console, with its secret.
    pub(crate) fn oidc(&self) -> Result<Option<pasarela_web::OidcOptions>, Failure> {
        let read = self.config.console.oidc.as_ref().map(|oidc| oidc.options(&self.secrets));
        read.transpose().map_err(|why| Failure::Usage(format!("{}: {why}", self.config.path.display())))
    }

    /// The clock of the configuration.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        match &self.config.sandbox.clock {
            Some(pace) => Arc::new(PacedClock::new(pace.clone())),
            None => Arc::new(SystemClock),
        }
    }

    /// Starts the engine. `passive`: it only reads and writes; nothing is decided or sent.
    pub(crate) async fn start(self, store: Arc<dyn Store>, passive: bool) -> Result<Engine, Failure> {
        let vars = serde_json::to_value(&self.config.vars).unwrap_or_default();
        let setup = Setup {
            store,
            clock: self.clock(),
            connections: self.connections,
            flows: self.flows,
            catalog: self.catalog,
            vars,
            law: self.config.market.law(),
            keeping: self.config.retention.keeping(&self.config.store),
            wall: Arc::new(SystemClock),
            seed: rand::random(),
            private_webhooks: self.config.webhooks.allow_private_targets,
            people: self.config.people_rules().map_err(|e| Failure::Usage(e.to_string()))?,
            passive,
        };
        Engine::start(setup).await.map_err(|e| Failure::Failed(e.to_string()))
    }
}

/// The WhatsApp templates that the built-in flows use, as Meta's management API takes them.
pub(crate) const TEMPLATES: &str = include_str!("../flows/whatsapp-templates.json");
/// WhatsApp templates that flows use, beside them: `check` reads what they say.
const TEMPLATES_FILE: &str = "whatsapp-templates.json";

/// The catalogue with the texts of the templates that are known: the hub's own, and those beside the flows.
fn with_templates(config: &Config, catalog: HubCatalog) -> Result<HubCatalog, Failure> {
    let wrong = |file: &str, why: String| {
        Failure::Usage(format!("{file}: {why}; write a list of templates, as Meta's form has them"))
    };
    let catalog = catalog.with_templates(TEMPLATES).map_err(|why| wrong(TEMPLATES_FILE, why))?;
    let Some(path) = config.flows_folder().map(|folder| folder.join(TEMPLATES_FILE)).filter(|p| p.exists()) else {
        return Ok(catalog);
    };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(&path).map_err(|e| wrong(&name, e.to_string()))?;
    catalog.with_templates(&text).map_err(|why| wrong(&name, why))
}

/// Built-in flows and those of the folder; a file replaces the built-in flow of the same name.
fn read_flows(config: &Config, catalog: &HubCatalog) -> Result<(Vec<Arc<Flow>>, Vec<Problem>), Failure> {
    let mut sources: BTreeMap<String, (PathBuf, String, Origin)> = BTreeMap::new();
    if config.flows.builtin {
        for (name, text) in BUILT_IN {
            sources.insert(
                (*name).to_owned(),
                (PathBuf::from(format!("(built-in) {name}")), (*text).to_owned(), Origin::BuiltIn),
            );
        }
    }
    if let Some(folder) = config.flows_folder() {
        let unreadable =
            |e: std::io::Error| Failure::Usage(format!("{}: the flows folder cannot be read: {e}", folder.display()));
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if !path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
                continue;
            }
            let text = std::fs::read_to_string(&path)
                .map_err(|e| Failure::Usage(format!("{}: cannot be read: {e}", path.display())))?;
            let name = path.file_stem().map(|n| format!("{}.yaml", n.to_string_lossy())).unwrap_or_default();
            sources.insert(name, (path, text, Origin::File));
        }
    }
    let (mut flows, mut notes, mut problems): (Vec<Arc<Flow>>, Vec<Problem>, Vec<String>) = Default::default();
    for (path, text, origin) in sources.into_values() {
        match pasarela_flows::compile(&path.display().to_string(), &text, origin, catalog) {
            Ok(flow) if !flow.unlawful.is_empty() => {
                problems.extend(flow.unlawful.iter().map(ToString::to_string));
            }
            Ok(flow) => {
                if let Some(other) = flows.iter().find(|f| f.name == flow.name) {
                    problems.push(format!(
                        "{}: another file has a flow '{}' too (version {})",
                        path.display(),
                        flow.name,
                        other.version
                    ));
                    continue;
                }
                notes.extend(flow.notes.iter().cloned());
                flows.push(Arc::new(flow));
            }
            Err(found) => problems.extend(found.iter().map(ToString::to_string)),
        }
    }
    if problems.is_empty() { Ok((flows, notes)) } else { Err(Failure::Usage(problems.join("\n"))) }
}
