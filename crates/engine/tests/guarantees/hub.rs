//! An engine on a fresh database, with a clock that is moved by hand. `PASARELA_TEST_STORE=postgres` says
//! which (`scripts/test` runs both).

use crate::provider::Ensayo;
use crate::server::Server;
use crate::server_of_tests;
use crate::wires::{Fate, Fates, Wires};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use pasarela_connector::{AuthKind, ConnectionConfig, Provider};
use pasarela_domain::identity::Ownership;
use pasarela_domain::{Clock, DeliveryId, Envelope, Secret};
use pasarela_engine::{
    Admission, ConnectionSetup, Engine, HubCatalog, InboundRequest, Keeping, Law, LimitOverride, ReconcileSettings,
    Registry, RunView, Setup,
};
use pasarela_flows::{ActionInfo, Catalog, Flow, Origin, Unresolved};
use pasarela_store::postgres::PostgresStore;
use pasarela_store::sqlite::{Options, SqliteStore};
use pasarela_store::{
    Accepted, DeliveryRow, DeliveryStatus, EffectFilter, EffectRow, EffectState, EventFilter, NewDelivery, RunFilter,
    Store, Work,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longest real time that a test waits for something.
const PATIENCE: Duration = Duration::from_secs(60);

/// Business time stands still until it is moved.
pub(crate) struct HandClock(Mutex<Timestamp>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
    /// Sleepers look again often, since nobody tells them that the clock was moved.
    fn sleep_for(&self, at: Timestamp) -> Duration {
        if at <= self.now() { Duration::ZERO } else { Duration::from_millis(4) }
    }
}

/// The hub's catalogue without its schemas: the facts of these tests are as small as can be.
struct Loose(HubCatalog);

impl Catalog for Loose {
    fn action(&self, name: &str) -> Result<ActionInfo, Unresolved> {
        self.0.action(name)
    }
    fn actions(&self) -> Vec<String> {
        self.0.actions()
    }
    fn event_types(&self) -> Vec<String> {
        self.0.event_types()
    }
    fn is_event_type(&self, name: &str) -> bool {
        self.0.is_event_type(name)
    }
    fn schema(&self, _name: &str) -> Option<Value> {
        None
    }
}

/// A folder that goes away with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("pasarela-engine-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The database of a test.
#[derive(Clone)]
pub(crate) enum Place {
    /// In the folder of each life.
    Sqlite,
    Postgres(Arc<server_of_tests::Database>),
}

impl Place {
    fn new() -> Self {
        if std::env::var("PASARELA_TEST_STORE").is_ok_and(|s| s == "postgres") {
            Self::postgres().expect("PASARELA_TEST_STORE=postgres needs PASARELA_TEST_POSTGRES_URL")
        } else {
            Self::Sqlite
        }
    }

    /// `None`: there is no server.
    pub(crate) fn postgres() -> Option<Self> {
        server_of_tests::Database::make().map(|made| Self::Postgres(Arc::new(made)))
    }

    fn open(&self, folder: &Path) -> Arc<dyn Store> {
        match self {
            Self::Sqlite => Arc::new(SqliteStore::open(&Options::file(database(folder))).unwrap()),
            Self::Postgres(server) => {
                Arc::new(PostgresStore::open(&server.options(&folder.join("hub.db.key"))).unwrap())
            }
        }
    }

    /// The state of this moment for another life. A node of PostgreSQL is declared dead, as another one would
    /// do it: what it still tries to write is refused.
    fn freeze(&self) {
        if let Self::Postgres(server) = self {
            let fence =
                "BEGIN; SELECT pg_advisory_xact_lock(1852793957, id::int) FROM nodes; DELETE FROM nodes; COMMIT";
            server_of_tests::run(&server.url(), fence.into());
        }
    }
}

/// What a hub is made of, besides its database.
#[derive(Clone)]
struct Plan {
    connections: Vec<(String, bool, LimitOverride)>,
    flows: Vec<String>,
    reconcile: ReconcileSettings,
    keeping: Keeping,
    /// A network in memory, with the fate of each connection; else the machine's loopback.
    fates: Option<(Fates, Arc<AtomicU64>)>,
    place: Option<Place>,
    /// How calls prove who calls, where it is not the provider's own login.
    auth: Option<AuthKind>,
    secret: bool,
    law: Law,
    /// Webhooks may go to this machine.
    private_webhooks: bool,
    /// Whose word counts, where a map of persons is kept.
    people: Option<Ownership>,
    /// Brands of connections, where they are not the default.
    brands: Vec<(String, String)>,
}

pub(crate) struct Hub {
    pub(crate) engine: Engine,
    pub(crate) server: Server,
    pub(crate) clock: Arc<HandClock>,
    plan: Plan,
    folder: Folder,
    place: Place,
    pub(crate) wires: Option<Arc<Wires>>,
}

pub(crate) struct Builder {
    plan: Plan,
}

impl Builder {
    pub(crate) fn flow(mut self, steps: &str) -> Self {
        self.plan.flows.push(steps.to_owned());
        self
    }
    /// The first connection logs in.
    pub(crate) fn with_login(mut self) -> Self {
        self.plan.connections[0].1 = true;
        self
    }
    /// The first connection has a webhook secret.
    pub(crate) fn with_secret(mut self) -> Self {
        self.plan.secret = true;
        self
    }
    /// The first connection proves who calls in this way.
    pub(crate) fn with_auth(mut self, auth: AuthKind) -> Self {
        self.plan.connections[0].1 = true;
        self.plan.auth = Some(auth);
        self
    }
    /// A second connection, `otra`, of the same sender.
    pub(crate) fn with_another(mut self) -> Self {
        self.plan.connections.push(("otra".to_owned(), false, LimitOverride::default()));
        self
    }
    pub(crate) fn law(mut self, law: Law) -> Self {
        self.plan.law = law;
        self
    }
    /// Webhooks go to the public Internet and nowhere else.
    pub(crate) fn with_guarded_webhooks(mut self) -> Self {
        self.plan.private_webhooks = false;
        self
    }
    /// A map of persons is kept, by these rules of ownership.
    pub(crate) fn people(mut self, rules: &[(&str, &[&str])]) -> Self {
        let owned: Vec<(&str, Vec<String>)> =
            rules.iter().map(|(field, names)| (*field, names.iter().map(|n| (*n).to_owned()).collect())).collect();
        let rules = owned.iter().map(|(field, names)| (*field, names.as_slice()));
        self.plan.people = Some(Ownership::read(rules, |_| true).unwrap());
        self
    }
    /// A connection is of this brand.
    pub(crate) fn brand(mut self, connection: &str, brand: &str) -> Self {
        self.plan.brands.push((connection.to_owned(), brand.to_owned()));
        self
    }
    pub(crate) fn limits(mut self, limits: LimitOverride) -> Self {
        self.plan.connections[0].2 = limits;
        self
    }
    pub(crate) fn reconcile(mut self, settings: ReconcileSettings) -> Self {
        self.plan.reconcile = settings;
        self
    }
    pub(crate) fn keeping(mut self, keeping: Keeping) -> Self {
        self.plan.keeping = keeping;
        self
    }
    /// A network in memory.
    pub(crate) fn wired(mut self, fates: impl Fn(u64) -> Fate + Send + Sync + 'static) -> Self {
        self.plan.fates = Some((Arc::new(fates), Arc::default()));
        self
    }
    /// On this database, whatever the environment says.
    pub(crate) fn on(mut self, place: Place) -> Self {
        self.plan.place = Some(place);
        self
    }
    pub(crate) async fn start(self) -> Hub {
        let place = self.plan.place.clone().unwrap_or_else(Place::new);
        let clock = Arc::new(HandClock(Mutex::new("2026-11-27T15:00:00Z".parse().unwrap())));
        Hub::open(self.plan, Server::start().await, clock, Folder::new(), place).await
    }
}

impl Hub {
    /// One connection `ventas` of the test's provider.
    pub(crate) fn build() -> Builder {
        let connections = vec![("ventas".to_owned(), false, LimitOverride::default())];
        Builder {
            plan: Plan {
                connections,
                flows: Vec::new(),
                reconcile: ReconcileSettings::default(),
                keeping: Keeping::default(),
                fates: None,
                place: None,
                auth: None,
                secret: false,
                law: Law { registry: Registry::Off, ..Law::default() },
                private_webhooks: true,
                people: None,
                brands: Vec::new(),
            },
        }
    }

    async fn open(plan: Plan, server: Server, clock: Arc<HandClock>, folder: Folder, place: Place) -> Self {
        let provider: Arc<dyn Provider> = Arc::new(plan.auth.map_or_else(Ensayo::new, Ensayo::with));
        let named = plan.connections.iter().map(|(name, ..)| (name.as_str(), provider.clone()));
        let catalog = Arc::new(Loose(HubCatalog::new(named, [provider.clone()])));
        let flows = plan.flows.iter().map(|text| {
            Arc::new(pasarela_flows::compile("prueba.yaml", text, Origin::File, &*catalog).unwrap_or_else(|problems| {
                panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
            }))
        });
        let flows: Vec<Arc<Flow>> = flows.collect();
        let connections = plan.connections.iter().map(|(name, login, limits)| {
            let mut config = ConnectionConfig::bare(name, "ensayo");
            config.base_url = Some(match plan.fates {
                Some(_) => "http://proveedor.test".to_owned(),
                None => format!("http://{}", server.addr),
            });
            if plan.secret {
                config.webhook_secrets.push(Secret::new("secreto-de-prueba"));
            }
            if *login {
                for name in ["password", "client_id", "client_secret", "refresh_token"] {
                    config.credentials.insert(name.into(), Secret::new(format!("{name}-de-prueba")));
                }
                config.token_url = config.base_url.as_ref().map(|base| format!("{base}/token"));
            }
            ConnectionSetup {
                provider: provider.clone(),
                config,
                allow_private_targets: true,
                extra_headers: Vec::new(),
                limits: *limits,
                reconcile: plan.reconcile,
                sender: pasarela_engine::DEFAULT_SENDER.into(),
                brand: plan
                    .brands
                    .iter()
                    .find(|(c, _)| c == name)
                    .map_or_else(|| pasarela_engine::DEFAULT_BRAND.to_owned(), |(_, brand)| brand.clone()),
            }
        });
        let setup = Setup {
            store: place.open(&folder.0),
            clock: clock.clone(),
            connections: connections.collect(),
            flows,
            catalog: catalog.clone(),
            vars: json!({}),
            law: plan.law.clone(),
            wall: clock.clone(),
            seed: 7,
            keeping: plan.keeping,
            private_webhooks: plan.private_webhooks,
            people: plan.people.clone(),
            passive: false,
        };
        let wires = plan.fates.clone().map(|(fates, made)| Arc::new(Wires::new(server.clone(), fates, made)));
        let engine = match &wires {
            Some(wires) => Engine::start_over(wires.clone(), setup).await.unwrap(),
            None => Engine::start(setup).await.unwrap(),
        };
        Self { engine, server, clock, plan, folder, place, wires }
    }

    /// The process ends here and now, and another one starts on what is on the disk.
    pub(crate) async fn crash(self) -> Self {
        let folder = Folder::new();
        // What the old process still tries reaches nobody: its bytes are gone with it.
        self.wires.iter().for_each(|w| w.freeze());
        self.place.freeze();
        let file = self.folder.0.join("hub.db");
        let state = || std::fs::metadata(&file).ok().and_then(|m| Some((m.len(), m.modified().ok()?)));
        loop {
            let before = state();
            for name in ["hub.db", "hub.db-wal", "hub.db.key"] {
                if self.folder.0.join(name).exists() {
                    std::fs::copy(self.folder.0.join(name), folder.0.join(name)).unwrap();
                }
            }
            // A checkpoint between the two copies would be a crash that no disk has seen.
            if before == state() {
                break;
            }
        }
        self.server.forget_hung();
        self.engine.stop(Duration::ZERO).await;
        let next =
            Self::open(self.plan.clone(), self.server.clone(), self.clock.clone(), folder, self.place.clone()).await;
        // The files of the first life stay until its tasks are gone; nobody looks at them any more.
        drop(self);
        next
    }

    /// Bytes of the database's files.
    pub(crate) fn files(&self) -> Vec<Vec<u8>> {
        ["hub.db", "hub.db-wal"].iter().filter_map(|name| std::fs::read(self.folder.0.join(name)).ok()).collect()
    }

    /// Another node of the same database, with the same connections and provider.
    pub(crate) async fn beside(&self) -> Self {
        let folder = Folder::new();
        std::fs::copy(self.folder.0.join("hub.db.key"), folder.0.join("hub.db.key")).unwrap();
        Self::open(self.plan.clone(), self.server.clone(), self.clock.clone(), folder, self.place.clone()).await
    }

    /// The same, and one more connection is configured.
    pub(crate) async fn crash_with(mut self, connection: &str) -> Self {
        self.plan.connections.push((connection.to_owned(), false, LimitOverride::default()));
        self.crash().await
    }

    /// The same, and by then others are believed about persons.
    pub(crate) async fn crash_with_people(mut self, rules: &[(&str, &[&str])]) -> Self {
        self.plan.people = Builder { plan: self.plan.clone() }.people(rules).plan.people;
        self.crash().await
    }

    /// A delivery of a connection that is not configured.
    pub(crate) async fn leave_in_inbox(&self, connection: &str, body: &Value) -> DeliveryId {
        let store = self.engine.store();
        let packed = pasarela_engine::pack(std::iter::empty(), body.to_string().as_bytes());
        let delivery = NewDelivery {
            connection: store.connection_id(connection, "ensayo").await.unwrap(),
            source: "webhook",
            received_at: self.clock.now(),
            packed: store.sealer().seal(&packed),
            replay_key: None,
            door: false,
        };
        match store.accept(delivery).await.unwrap() {
            Accepted::New(id) => id,
            Accepted::Known => panic!("it was known"),
        }
    }

    // ---- doing -----------------------------------------------------------------------------------

    /// A webhook with these facts.
    pub(crate) async fn hear(&self, facts: impl Into<Vec<Value>>) -> Admission {
        self.hear_by("ventas", json!({ "facts": facts.into() })).await
    }

    pub(crate) async fn hear_by(&self, connection: &str, body: Value) -> Admission {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-clave", http::HeaderValue::from_static("si"));
        let request =
            InboundRequest { method: "POST", query: "", headers: &headers, body: Bytes::from(body.to_string()) };
        let admission = self.engine.accept(connection, request).await;
        assert!(matches!(admission, Admission::Accepted(_)), "{admission:?}");
        admission
    }

    /// An order that was paid.
    pub(crate) async fn paid(&self, id: &str, data: Value) {
        self.hear([json!({ "type": "order.paid", "key": format!("order:{id}"), "id": id, "data": data })]).await;
        self.decided().await;
    }

    /// Moves the clock.
    pub(crate) fn pass(&self, seconds: i64) {
        let mut now = self.clock.0.lock();
        *now = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn pass_millis(&self, millis: i64) {
        let mut now = self.clock.0.lock();
        *now = now.checked_add(SignedDuration::from_millis(millis)).unwrap();
    }

    // ---- seeing ----------------------------------------------------------------------------------

    /// Polls until `seen` gives something.
    pub(crate) async fn until<T>(&self, what: &str, seen: impl AsyncFn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = seen().await {
                return found;
            }
            if Instant::now() > deadline {
                let all = self.effects().await;
                let last: Vec<_> =
                    all.iter().rev().take(20).map(|e| format!("{} {}", e.path, e.state.as_str())).collect();
                panic!("waited in vain for {what}; the last of {} effects: {last:?}", all.len());
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// Waits until every delivery is decided.
    pub(crate) async fn decided(&self) {
        self.until("the inbox to be empty", async || {
            let inbox = self.engine.store().inbox(0, 1).await.unwrap();
            (inbox.rows.is_empty() && self.engine.in_memory().0 == 0).then_some(())
        })
        .await;
    }

    /// Waits until nothing moves any more, for what must not happen.
    pub(crate) async fn calm(&self) {
        let mut still = 0;
        let mut last = Vec::new();
        self.decided().await;
        let deadline = Instant::now() + PATIENCE;
        while still < 12 {
            let now: Vec<_> = self.effects().await.iter().map(|e| (e.id, e.state.as_str(), e.attempt)).collect();
            let calls = self.engine.in_memory().2;
            still = if now == last && calls == 0 { still + 1 } else { 0 };
            last = now;
            assert!(Instant::now() < deadline, "it does not come to rest: {last:?}");
            if still % 4 == 3 {
                self.written().await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the writer has written what it was given: a slow disk is no rest.
    pub(crate) async fn written(&self) {
        drop(self.engine.store().work(Work::default()).await);
    }

    /// Effects, oldest first.
    pub(crate) async fn effects(&self) -> Vec<EffectRow> {
        let mut all = Vec::new();
        let mut below = None;
        loop {
            let filter = EffectFilter { limit: 500, below, ..EffectFilter::default() };
            let page = self.engine.store().effects(filter).await.unwrap();
            all.extend(page.rows);
            below = page.next;
            if below.is_none() {
                all.reverse();
                return all;
            }
        }
    }

    /// The only effect of a step path.
    pub(crate) async fn effect(&self, path: &str) -> Option<EffectRow> {
        let mut found = self.effects().await.into_iter().filter(|e| e.path == path);
        let first = found.next();
        assert!(found.next().is_none(), "more than one effect {path}");
        first
    }

    /// Waits until the only effect of a path is in this state.
    pub(crate) async fn comes_to(&self, path: &str, state: EffectState) -> EffectRow {
        let what = format!("{path} to be {}", state.as_str());
        self.until(&what, async || self.effect(path).await.filter(|e| e.state == state)).await
    }

    /// Waits until so many calls of a path have arrived.
    pub(crate) async fn arrived(&self, path: &str, n: usize) {
        let what = format!("{n} calls of {path}");
        self.until(&what, async || (self.server.calls(path).len() >= n).then_some(())).await;
        assert_eq!(self.server.calls(path).len(), n, "calls of {path}");
    }

    pub(crate) async fn events(&self) -> Vec<Envelope> {
        let filter = EventFilter { ascending: true, limit: 1000, ..EventFilter::default() };
        let rows = self.engine.store().events(filter).await.unwrap().rows;
        rows.iter().map(|r| self.engine.envelope(r).unwrap()).collect()
    }

    pub(crate) async fn types(&self) -> Vec<String> {
        self.events().await.into_iter().map(|e| e.event_type).collect()
    }

    /// Runs, oldest first.
    pub(crate) async fn runs(&self) -> Vec<RunView> {
        let filter = RunFilter { limit: 500, ..RunFilter::default() };
        let mut views = Vec::new();
        for row in self.engine.store().runs(filter).await.unwrap().rows {
            views.push(self.engine.view_run(&row).await.unwrap());
        }
        views.reverse();
        views
    }

    /// Deliveries of a status.
    pub(crate) async fn deliveries(&self, status: Option<DeliveryStatus>) -> Vec<DeliveryRow> {
        self.engine.store().deliveries(status, None, 500).await.unwrap().rows
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("hub.db")
}

/// A flow on `order.paid` with these steps.
pub(crate) fn on_paid(steps: &str) -> String {
    format!("flow: prueba\nversion: 1\non: order.paid\nsteps:\n{steps}")
}
