//! HTTP: hooks, API, health, console, the book, pages for guests. Thin: it turns requests into calls of the engine and rows into
//! JSON. No SQL, no business rule.

mod accounts;
mod again;
mod alarms;
mod api;
mod audit;
mod auth;
mod bodies;
mod console;
mod docs;
mod edges;
mod etag;
mod gate;
mod health;
mod hooks;
mod openapi;
mod people;
pub mod policy;
mod problem;
mod rate;
mod routes;
mod server;
mod sight;
mod stream;
mod tickets;
pub mod who;

pub use accounts::oidc::OidcOptions;
pub use alarms::explained as alarms_explained;
pub use api::SecretUses;
pub use auth::{KeyWish, NewKey, create_key, revoke_key};
pub use console::{NewLink, create_link, first_owner_link};
pub use openapi::openapi;
pub use rate::Rate;
pub use routes::Route;
pub use server::{Bounds, MAX_BODY, Peer, Running, serve, serve_unix, serve_within};

use axum::Router;
use pasarela_connector::Provider;
use pasarela_domain::{Brands, Clock, SystemClock};
use pasarela_engine::{DEFAULT_BRAND, Engine};
use pasarela_store::Seen;
use pasarela_ticket::Desk;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What every handler holds.
#[derive(Clone)]
pub struct App {
    pub(crate) engine: Engine,
    pub(crate) keys: Arc<auth::Keys>,
    pub(crate) console: Arc<console::Settings>,
    pub(crate) bodies: Arc<bodies::Bodies>,
    /// Bodies of the API: providers' have a room of their own.
    pub(crate) asked: Arc<bodies::Bodies>,
    pub(crate) buckets: Arc<rate::Buckets>,
    pub(crate) unknown_keys: Arc<auth::Unknown>,
    /// Do people and providers reach the public listener by https?
    pub(crate) public_https: bool,
    /// How the outside reaches the public listener.
    pub(crate) public_url: Arc<str>,
    /// Limit of a key that has none of its own.
    pub(crate) api_rate: Rate,
    pub(crate) gathered: Arc<audit::gathered::Gathered>,
    pub(crate) backup: Arc<parking_lot::Mutex<api::Backup>>,
    pub(crate) described: Arc<docs::Described>,
    pub(crate) started: std::time::Instant,
    pub(crate) tickets: Option<Arc<Desk>>,
    pub(crate) looked: Arc<tickets::Looked>,
    pub(crate) people: Arc<people::Rate>,
    pub(crate) passwords: accounts::password::Desk,
    /// What the configuration takes out of the vault.
    pub(crate) secret_uses: Option<Arc<dyn SecretUses>>,
    /// Brands of this hub: what somebody may do for none of them, they may not do.
    pub(crate) brands: Arc<BTreeSet<String>>,
    /// What the caller may see, as the gate in front of the route found it: nothing before there was one.
    sight: Seen,
    brands_seen: Brands,
    /// The caller has the database file already: no key is asked for.
    pub(crate) trusted: bool,
}

/// Settings of the web side.
#[derive(Clone)]
pub struct Options {
    /// Address of the sandbox, when simulators stand in for the providers: the console has a theatre then.
    pub sandbox: Option<String>,
    /// Whoever hands tickets out; `None`: there are no ticket pages.
    pub tickets: Option<Arc<Desk>>,
    /// Where people find the console, for links: `http://127.0.0.1:8081`.
    pub console_url: String,
    /// How the public listener is reached from outside: `https://hub.marca.example`.
    pub public_url: String,
    /// Time of the real world, by which sessions end. Business time may run faster.
    pub wall: Arc<dyn Clock>,
    /// After so long without a look at a page, a person's session is over.
    pub idle: std::time::Duration,
    /// Must owners, operators, finance and privacy turn codes on before they see anything?
    pub second_factor_required: bool,
    /// An OpenID provider that vouches for people.
    pub oidc: Option<OidcOptions>,
    /// Brands of this hub, by the names of the configuration.
    pub brands: BTreeSet<String>,
    /// Requests that an API key may make which has no limit of its own.
    pub api_rate: Rate,
    /// What the configuration takes out of the vault.
    pub secret_uses: Option<Arc<dyn SecretUses>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sandbox: None,
            tickets: None,
            console_url: "http://127.0.0.1:8081".into(),
            public_url: "http://127.0.0.1:8080".into(),
            wall: Arc::new(SystemClock),
            idle: std::time::Duration::from_secs(30 * 60),
            second_factor_required: false,
            oidc: None,
            brands: [DEFAULT_BRAND.to_owned()].into(),
            api_rate: Rate::DEFAULT,
            secret_uses: None,
        }
    }
}

impl App {
    /// An app around a running engine.
    #[must_use]
    pub fn new(engine: Engine, options: Options) -> Self {
        let (tickets, brands) = (options.tickets.clone(), Arc::new(options.brands.clone()));
        let public_https = options.public_url.starts_with("https://");
        let public_url = options.public_url.as_str().into();
        let (api_rate, secret_uses) = (options.api_rate, options.secret_uses.clone());
        Self {
            keys: Arc::new(auth::Keys::default()),
            console: Arc::new(console::Settings::new(options)),
            bodies: Arc::default(),
            asked: Arc::new(bodies::Bodies::of_the_api()),
            buckets: Arc::default(),
            unknown_keys: Arc::default(),
            public_https,
            public_url,
            gathered: Arc::default(),
            api_rate,
            tickets,
            looked: Arc::default(),
            people: Arc::default(),
            passwords: accounts::password::Desk::default(),
            secret_uses,
            brands,
            backup: Arc::default(),
            described: Arc::default(),
            sight: engine.seen_by(&Brands::none()),
            brands_seen: Brands::none(),
            engine,
            started: std::time::Instant::now(),
            trusted: false,
        }
    }

    /// With the actions of these providers in the API's document.
    #[must_use]
    pub fn with_actions(mut self, providers: Vec<Arc<dyn Provider>>) -> Self {
        self.described = Arc::new(docs::Described::new(providers));
        self
    }

    /// Public listener: hooks, API, health, tickets, the book.
    pub fn public(&self) -> Router {
        let router = public_routes()
            .into_router()
            .fallback(problem::no_such_path)
            .method_not_allowed_fallback(problem::other_method)
            .with_state(self.clone());
        edges::with_headers(router, self.public_https)
    }

    /// The API for whoever may open the database file: no key is asked for, keys can be made.
    pub fn admin(&self) -> Router {
        let trusted = Self { trusted: true, ..self.clone() };
        Router::new()
            .merge(api::routes().into_router())
            .merge(api::admin_routes().into_router())
            .merge(health::routes().into_router())
            .fallback(problem::no_such_path)
            .with_state(trusted)
    }

    /// The console's listener.
    pub fn console(&self) -> Router {
        let router = console::routes(self.clone()).with_state(self.clone());
        edges::with_headers(router, self.console.is_encrypted())
    }
}

/// Every route of a listener, with who may call it.
#[must_use]
pub fn gates(listener: Listener) -> Vec<Route> {
    match listener {
        Listener::Public => public_routes().into_gates(),
        Listener::Console => console::pages().into_gates(),
        Listener::Socket => api::routes().merge(api::admin_routes()).merge(health::routes()).into_gates(),
    }
}

/// Where the hub listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Hooks, API, health, pages for guests.
    Public,
    /// The console.
    Console,
    /// The socket beside the database.
    Socket,
}

/// Everything on the public listener: what is not in here is not in its document, and the other way round.
pub(crate) fn public_routes() -> routes::Routes {
    hooks::routes()
        .merge(tickets::routes())
        .merge(people::routes())
        .merge(api::routes())
        .merge(health::routes())
        .merge(docs::routes())
}
