//! The engine's handle and its parts.

use crate::accept::{Admission, InboundRequest};
use crate::admin::{AdminError, Replayed};
use crate::backoff::Dice;
use crate::by_hand::{AskError, Asked, Wish};
use crate::care::{CareNow, CareState, CareView, Keeping, Round};
use crate::cases::{CaseError, CaseFilter, CaseView, CasesNow, IncidentView, NewCase, NewIncident};
use crate::client::Client;
use crate::connections::{ConnectionRuntime, ConnectionSetup, ConnectionState};
use crate::errands::ErrandError;
use crate::examine::{Examination, Finding as Looked, PublicAddress};
use crate::feed::Feed;
use crate::flows::{FlowChange, FlowSet, FlowState, PushError};
use crate::holds::{Hold, NewHold};
use crate::intake::Intake;
use crate::lawful::{Explained, Explanation, Law};
use crate::ledger::{LedgerError, NewText, PersonConsents, Recorded, Statement};
use crate::neighbours::Neighbours;
use crate::network::{Machine, Network};
use crate::parts::ShowPart;
use crate::pauses::{PauseError, Pauses};
use crate::provision::{ProvisionAsk, ProvisionError, ProvisionPlan, Provisioned};
use crate::reconcile::{Ask, ReconcileError, Report};
use crate::refunds::{Colleague, NewRefund, Refund, RefundError, RefundFilter, RefundId};
use crate::replay::{ReplayFilter, ReplayPage};
use crate::retention::RetentionRule;
use crate::runs::{EventScope, LiveRuns, RunView};
use crate::standing::Said;
use crate::tallies::{Day, StepTally, Tallies};
use crate::telemetry::Metrics;
use crate::whole::whole;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use pasarela_domain::case::Step;
use pasarela_domain::consent::{Terms, TextVersion};
use pasarela_domain::incident::IncidentStep;
use pasarela_domain::{Clock, DeliveryId, EffectId, EntityRef, Envelope, EventId, IdMaker, RunId};
use pasarela_flows::{Catalog, Flow, Origin};
use pasarela_store::{EffectState, EventRow, Page, PauseKind, PauseRow, RunRow, Store};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, broadcast};

/// Live events kept for a slow reader of the stream.
const STREAM: usize = 1024;

/// What an engine is made of.
pub struct Setup {
    /// Where the truth is.
    pub store: Arc<dyn Store>,
    /// Business time.
    pub clock: Arc<dyn Clock>,
    /// Connections.
    pub connections: Vec<ConnectionSetup>,
    /// Flows, compiled against the same connections.
    pub flows: Vec<Arc<Flow>>,
    /// What stored flow versions are compiled against again.
    pub catalog: Arc<dyn Catalog + Send + Sync>,
    /// `config.vars` of flows.
    pub vars: Value,
    /// How the law is read where it leaves room.
    pub law: Law,
    /// How the store is kept.
    pub keeping: Keeping,
    /// The real world's clock, by which the audit tells when something was decided; business time may run faster.
    pub wall: Arc<dyn Clock>,
    /// Seed of the engine's chance.
    pub seed: u64,
    /// May webhooks go to this machine and its network, and by plain HTTP?
    pub private_webhooks: bool,
    /// Whose word counts for which field of a person; `None`: no map of persons is kept.
    pub people: Option<pasarela_domain::identity::Ownership>,
    /// Only read and write: nothing is recovered, decided or sent. For commands on a database that no hub serves.
    pub passive: bool,
}

/// Why an engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A connection's settings cannot work.
    #[error(transparent)]
    Config(#[from] pasarela_connector::ConfigError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] pasarela_store::Error),
}

/// Ids of events that are being written: readers of the stream stay below the lowest.
#[derive(Default)]
pub(crate) struct Watermark(Mutex<BTreeSet<i64>>);

impl Watermark {
    pub(crate) fn close(&self, id: i64) {
        self.0.lock().remove(&id);
    }
}

/// Shared by all tasks of an engine.
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) decisions: crate::decisions::Decisions,
    pub(crate) client: Client,
    pub(crate) dice: Dice,
    pub(crate) metrics: Metrics,
    pub(crate) tallies: Tallies,
    /// No event of this node is older.
    first_event: AtomicI64,
    pub(crate) connections: HashMap<String, Arc<ConnectionRuntime>>,
    by_id: HashMap<i64, Arc<ConnectionRuntime>>,
    pub(crate) names: RwLock<HashMap<i64, String>>,
    /// Endpoints of webhooks, which come and go.
    pub(crate) webhooks: crate::webhooks::Desk,
    /// Who is whom.
    pub(crate) people: crate::people::Desk,
    pub(crate) flows: ArcSwap<FlowSet>,
    versions: Mutex<HashMap<i64, Arc<Flow>>>,
    pub(crate) catalog: Arc<dyn Catalog + Send + Sync>,
    /// What is paused.
    pub(crate) pauses: ArcSwap<Pauses>,
    /// One pause or resume at a time, one push at a time.
    pub(crate) pausing: tokio::sync::Mutex<()>,
    /// One plan is applied at a time.
    pub(crate) provisioning: tokio::sync::Mutex<()>,
    pub(crate) pushing: tokio::sync::Mutex<()>,
    pub(crate) vars: Value,
    pub(crate) law: Law,
    pub(crate) registry: crate::registry::Desk,
    ids: Mutex<IdMaker>,
    pub(crate) feed: Feed,
    pub(crate) intake: Intake,
    pub(crate) texts_kept: crate::ledger::KeptTexts,
    pub(crate) care: CareState,
    pub(crate) case_rounds: crate::cases::CaseRounds,
    pub(crate) runs: LiveRuns,
    pub(crate) fetching: Mutex<HashSet<(i64, EntityRef)>>,
    pub(crate) watermark: Watermark,
    pub(crate) timer_wake: Notify,
    pub(crate) neighbours: Neighbours,
    /// This node was declared dead.
    pub(crate) fenced: AtomicBool,
    /// Timers whose effects are being found out about.
    pub(crate) checking: Mutex<HashSet<i64>>,
    pub(crate) calls: AtomicU64,
    pub(crate) stream: broadcast::Sender<Arc<Envelope>>,
    leaving: AtomicBool,
    pub(crate) begun: crate::begun::Begun,
    stopping: AtomicBool,
    stop: Notify,
    fail_points: Vec<String>,
}

impl Inner {
    pub(crate) fn connection(&self, name: &str) -> Option<Arc<ConnectionRuntime>> {
        self.connections.get(name).cloned().or_else(|| self.webhooks.by_name(name))
    }

    /// All connections that are served: the configured ones, the hub's own, and the endpoints of webhooks.
    pub(crate) fn served(&self) -> Vec<Arc<ConnectionRuntime>> {
        self.connections.values().cloned().chain(self.webhooks.connections()).collect()
    }

    pub(crate) fn connection_by_id(&self, id: i64) -> Option<Arc<ConnectionRuntime>> {
        self.by_id.get(&id).cloned().or_else(|| self.webhooks.by_id(id))
    }

    pub(crate) fn connection_name(&self, id: i64) -> String {
        self.names.read().get(&id).cloned().unwrap_or_else(|| format!("connection-{id}"))
    }

    pub(crate) fn next_effect_id(&self, now: Timestamp) -> EffectId {
        EffectId::from_raw(self.ids.lock().next(now))
    }

    pub(crate) fn next_run_id(&self, now: Timestamp) -> RunId {
        RunId::from_raw(self.ids.lock().next(now))
    }

    /// An event's id; open in the watermark until it is written or given up.
    pub(crate) fn next_event_id(&self, now: Timestamp) -> EventId {
        // Under one lock, so that a reader never sees a gap below an id that is given but not yet open.
        let mut open = self.watermark.0.lock();
        let id = self.ids.lock().next(now);
        open.insert(id);
        EventId::from_raw(id)
    }

    /// A flow version by its row, compiled once.
    pub(crate) async fn flow_by_id(&self, id: i64) -> Result<Option<Arc<Flow>>, pasarela_store::Error> {
        if let Some(flow) = self.versions.lock().get(&id) {
            return Ok(Some(flow.clone()));
        }
        let Some((name, version, source)) = self.store.flow(id).await? else { return Ok(None) };
        let file = format!("{name} version {version}");
        match pasarela_flows::compile(&file, &source, Origin::BuiltIn, &*self.catalog) {
            Ok(flow) => {
                let flow = Arc::new(flow);
                self.versions.lock().insert(id, flow.clone());
                Ok(Some(flow))
            }
            Err(problems) => {
                let why: Vec<String> = problems.iter().map(ToString::to_string).collect();
                tracing::error!(flow = file, why = why.join("; "), "a stored flow version does not compile any more");
                Ok(None)
            }
        }
    }

    /// Ids to come are above this one, whichever node made it.
    pub(crate) fn raise_ids(&self, highest: i64) {
        let mut ids = self.ids.lock();
        if IdMaker::above(self.store.node(), highest).is_above(&ids) {
            *ids = IdMaker::above(self.store.node(), highest);
        }
    }

    /// No event of this node to come has an id below this.
    pub(crate) fn events_to_come(&self) -> i64 {
        let open = self.watermark.0.lock();
        // Given away, and not only looked at: should the clock go back now, ids to come are above it all the same.
        open.first().copied().unwrap_or_else(|| self.ids.lock().next(self.clock.now()))
    }

    /// Highest id of an event, effect or run that is stored.
    pub(crate) async fn highest_id(&self) -> Result<i64, pasarela_store::Error> {
        let store = &self.store;
        let event = store.events(pasarela_store::EventFilter { limit: 1, ..Default::default() }).await?;
        let effect = store.effects(pasarela_store::EffectFilter { limit: 1, ..Default::default() }).await?;
        let run = store.runs(pasarela_store::RunFilter { limit: 1, ..Default::default() }).await?;
        let ids = [
            event.rows.first().map_or(0, |e| e.id.get()),
            effect.rows.first().map_or(0, |e| e.id.get()),
            run.rows.first().map_or(0, |r| r.id.get()),
        ];
        Ok(ids.into_iter().max().unwrap_or(0))
    }

    pub(crate) fn keep_version(&self, id: i64, flow: Arc<Flow>) {
        self.versions.lock().insert(id, flow);
    }

    pub(crate) fn publish(&self, event: &EventScope) {
        if self.stream.receiver_count() > 0 {
            drop(self.stream.send(Arc::new(event.to_envelope())));
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Returns when the engine is to stop.
    pub(crate) async fn stopped(&self) {
        loop {
            let notified = self.stop.notified();
            if self.is_stopping() {
                return;
            }
            notified.await;
        }
    }

    /// Kills the process here when the environment variable `PASARELA_FAIL_POINTS` names the point and
    /// chance says so: for the kill loop. Costs one comparison otherwise.
    pub(crate) fn fail_point(&self, name: &str) {
        if self.fail_points.iter().any(|p| p == name) && self.dice.one_in(40) {
            // Not an exit: nothing is flushed, no destructor runs.
            std::process::abort();
        }
    }

    pub(crate) fn envelope(&self, row: &EventRow) -> Result<Envelope, serde_json::Error> {
        Ok(EventScope::from_row(row, &self.connection_name(row.connection))?.to_envelope())
    }
}

/// The engine, as its users hold it. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

impl Engine {
    /// Starts everything: recovery first, then deciders, dispatchers, timers, reconciliation.
    pub async fn start(setup: Setup) -> Result<Self, StartError> {
        Self::start_over(Arc::new(Machine), setup).await
    }

    /// The same, with another way to the outside than the machine's own network.
    pub async fn start_over(network: Arc<dyn Network>, setup: Setup) -> Result<Self, StartError> {
        let now = setup.clock.now();
        let (mut connections, mut by_id) = (HashMap::new(), HashMap::new());
        let mut concurrency = 16;
        for connection in setup.connections.into_iter().chain([crate::ledger::setup()]) {
            let name = connection.config.name.clone();
            let id = setup.store.connection_id(&name, &connection.config.provider).await?;
            let runtime = Arc::new(ConnectionRuntime::new(id, connection, now)?);
            concurrency = concurrency.max(runtime.limits.concurrency as usize);
            by_id.insert(id, runtime.clone());
            connections.insert(name, runtime);
        }
        let names = setup.store.connections().await?.into_iter().map(|c| (c.id, c.name)).collect();
        let mut all = Vec::with_capacity(setup.flows.len());
        for flow in setup.flows {
            all.push((setup.store.flow_id(&flow.name, flow.version, &flow.source).await?, flow));
        }
        let catalog = setup.catalog;
        let compile = |file: &str, text: &str| pasarela_flows::compile(file, text, Origin::File, &*catalog);
        let flows = crate::flows::with_pushed(all, &*setup.store, compile).await?;
        let versions = flows.all().cloned().collect();
        let pauses = Pauses::new(setup.store.pauses().await?);
        for pause in pauses.rows().iter().filter(|p| p.kind == PauseKind::Connection) {
            if let Some(connection) = connections.get(&pause.name) {
                let connection: &Arc<ConnectionRuntime> = connection;
                connection.lock_lanes(|l| l.halt(true));
            }
        }
        let (feed, ends) = Feed::new();
        let node = setup.store.node();
        let fail_points = std::env::var("PASARELA_FAIL_POINTS").unwrap_or_default();
        let inner = Arc::new(Inner {
            client: Client::new(&network, concurrency),
            dice: Dice::new(setup.seed),
            metrics: Metrics::default(),
            tallies: Tallies::default(),
            first_event: AtomicI64::new(i64::MAX),
            connections,
            by_id,
            names: RwLock::new(names),
            webhooks: crate::webhooks::Desk::new(setup.private_webhooks),
            people: crate::people::Desk::new(setup.people),
            flows: ArcSwap::from_pointee(flows),
            versions: Mutex::new(versions),
            catalog,
            pauses: ArcSwap::from_pointee(pauses),
            pausing: tokio::sync::Mutex::new(()),
            provisioning: tokio::sync::Mutex::new(()),
            pushing: tokio::sync::Mutex::new(()),
            vars: setup.vars,
            law: setup.law,
            registry: crate::registry::Desk::default(),
            ids: Mutex::new(IdMaker::new(node, 0)),
            feed,
            intake: Intake::new(setup.keeping.intake),
            texts_kept: crate::ledger::KeptTexts::default(),
            care: CareState::new(setup.keeping.retention),
            case_rounds: crate::cases::CaseRounds::default(),
            runs: LiveRuns::default(),
            fetching: Mutex::new(HashSet::new()),
            watermark: Watermark::default(),
            timer_wake: Notify::new(),
            neighbours: Neighbours::default(),
            fenced: AtomicBool::new(false),
            checking: Mutex::new(HashSet::new()),
            calls: AtomicU64::new(0),
            stream: broadcast::channel(STREAM).0,
            leaving: AtomicBool::new(false),
            begun: crate::begun::Begun::default(),
            stopping: AtomicBool::new(false),
            stop: Notify::new(),
            fail_points: fail_points.split(',').filter(|p| !p.is_empty()).map(str::to_owned).collect(),
            store: setup.store,
            clock: setup.clock,
            decisions: crate::decisions::Decisions::new(setup.wall),
        });
        inner.load_webhooks().await?;
        if setup.passive {
            inner.served().iter().for_each(|c| c.lock_lanes(crate::lanes::Lanes::pause));
            inner.join(true).await?;
            inner.raise_ids(inner.highest_id().await?);
            return Ok(Self { inner });
        }
        let shares = inner.join(false).await?;
        inner.take_over(&shares).await?;
        inner.first_event.store(inner.events_to_come(), Ordering::Relaxed);
        for end in ends {
            tokio::spawn(inner.clone().decider(end));
        }
        // Before anything is sent: what follows was sent under it.
        if let Err(error) = inner.note_switch().await {
            tracing::warn!(%error, "whether the registry is asked could not be noted");
        }
        inner.measure_intake().await;
        tokio::spawn(inner.clone().intake_keeper());
        tokio::spawn(inner.clone().carer());
        tokio::spawn(inner.clone().scribe());
        tokio::spawn(inner.clone().clerk());
        tokio::spawn(inner.clone().feeder());
        tokio::spawn(inner.clone().timekeeper());
        tokio::spawn(inner.clone().registrar());
        tokio::spawn(inner.clone().note_parts());
        tokio::spawn(inner.clone().people_keeper());
        for connection in inner.connections.values() {
            tokio::spawn(inner.clone().dispatcher(connection.clone()));
            tokio::spawn(inner.clone().reconciler(connection.clone()));
        }
        inner.webhooks.connections().iter().for_each(|connection| inner.serve_webhook(connection));
        if inner.store.is_shared() {
            tokio::spawn(inner.clone().neighbourhood());
        }
        Ok(Self { inner })
    }

    /// Takes a request from outside.
    pub async fn accept(&self, connection: &str, request: InboundRequest<'_>) -> Admission {
        self.inner.accept(connection, request).await
    }

    /// A request was refused before it came here (too large, too slow): its provider may try only
    /// once, so the connection is reconciled at once.
    pub fn missed(&self, connection: &str) {
        if let Some(connection) = self.inner.connection(connection) {
            self.inner.missed(&connection);
        }
    }

    /// How the store is kept, as it stands.
    pub async fn care(&self) -> Result<CareView, pasarela_store::Error> {
        self.inner.care_view().await
    }

    /// The same, as far as it is known without asking the store.
    #[must_use]
    pub fn care_now(&self) -> CareNow {
        self.inner.care_now()
    }

    /// Takes care of the store now, within the budget of a round.
    pub async fn take_care(&self) -> Result<Round, pasarela_store::Error> {
        self.inner.care_round().await
    }

    /// How the registry of people who want no advertising is asked, and what waits for it.
    #[must_use]
    pub fn registry(&self) -> crate::registry::RegistryView {
        self.inner.registry_view()
    }

    /// Takes a part of a list that was consulted by hand; how many addresses it answers for.
    pub async fn import_registry(
        &self,
        list: crate::registry::RegistryList,
    ) -> Result<u64, crate::registry::ListError> {
        let inner = self.inner.clone();
        whole(async move { inner.import_registry(list).await }).await
    }

    /// Remembers what a check of the database found.
    pub fn note_damage(&self, damage: Option<String>) {
        self.inner.care.note_damage(damage);
    }

    /// Is there a connection of that name?
    #[must_use]
    pub fn has_connection(&self, name: &str) -> bool {
        name != crate::ledger::LEDGER && self.inner.connections.contains_key(name)
    }

    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// Counters.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// How the connections stand.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionState> {
        let now = self.inner.clock.now();
        let configured = self.inner.connections.values().filter(|c| c.name() != crate::ledger::LEDGER);
        let mut all: Vec<ConnectionState> = configured.map(|c| c.state(now)).collect();
        let pauses = self.inner.pauses.load();
        for state in &mut all {
            state.paused = pauses.find(PauseKind::Connection, &state.name).cloned();
            state.node = self.inner.connection(&state.name).and_then(|c| self.inner.neighbours.node_of(c.id));
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// A connection's name by its row id.
    #[must_use]
    pub fn connection_name(&self, id: i64) -> String {
        self.inner.connection_name(id)
    }

    /// A connection's row id by its name.
    #[must_use]
    pub fn connection_id(&self, name: &str) -> Option<i64> {
        self.inner.connection(name).map(|c| c.id)
    }

    /// What a connection's provider is and can do.
    #[must_use]
    pub fn manifest(&self, connection: &str) -> Option<&pasarela_connector::Manifest> {
        self.inner.connections.get(connection).map(|c| c.manifest())
    }

    /// A connection's own settings: no secret is among them.
    #[must_use]
    pub fn settings(&self, connection: &str) -> Option<&Value> {
        self.inner.connections.get(connection).map(|c| &c.settings)
    }

    /// Lets a connection go on with other secrets, without a restart. `false`: it is not served here.
    pub async fn take_secrets(
        &self,
        config: pasarela_connector::ConnectionConfig,
    ) -> Result<bool, pasarela_connector::ConfigError> {
        match self.inner.connection(&config.name) {
            Some(connection) => connection.take_secrets(config).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Pace and limits of a connection, as configured or as its manifest says.
    #[must_use]
    pub fn limits(&self, connection: &str) -> Option<pasarela_connector::Limits> {
        self.inner.connection(connection).map(|c| c.limits)
    }

    /// Results of the last reconciliations of a connection.
    #[must_use]
    pub fn reports(&self, connection: &str) -> Vec<Report> {
        self.inner.connection(connection).map(|c| c.reconcile_state.lock().clone()).unwrap_or_default()
    }

    /// The decisions about a message; `None`: there is no such effect.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn explain_message(&self, id: EffectId) -> Result<Option<Explanation>, pasarela_store::Error> {
        self.inner.explain_message(id).await
    }

    /// What would be decided about a message if its turn were now: nothing is written or sent. `None`: there is no
    /// such connection, or its action is no message to a person.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn weigh(
        &self,
        connection: &str,
        action: &str,
        input: &Value,
        class: Option<&str>,
        purpose: Option<&str>,
    ) -> Result<Option<Explained>, pasarela_store::Error> {
        let Some(connection) = self.inner.connection(connection) else { return Ok(None) };
        let Some(message) = connection.manifest().action(action).and_then(|a| a.message) else { return Ok(None) };
        self.inner.weigh(&connection, message, input, class, purpose).await.map(Some)
    }

    /// These addresses (e-mail addresses, phones) are one person's: what stands against one of them stands against
    /// all, and contacts with one count for all. False: that was known, or there are not two.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn link_people(&self, email: Option<&str>, phone: Option<&str>) -> Result<bool, pasarela_store::Error> {
        let (inner, people) = (self.inner.clone(), self.inner.people_of(email, phone));
        whole(async move { inner.link(&people, Said::ByPerson).await }).await
    }

    /// These addresses are not whose they are linked with: they leave that person, together, and no rule links them with
    /// the others again; [`Engine::link_people`] does. What was said by an address stays with it, each no for every
    /// address for which it was recorded; contacts of before count for both. False: nothing stays, or nothing leaves.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn separate_people(
        &self,
        email: Option<&str>,
        phone: Option<&str>,
    ) -> Result<bool, pasarela_store::Error> {
        let (inner, people) = (self.inner.clone(), self.inner.people_of(email, phone));
        whole(async move { inner.separate(&people).await }).await
    }

    /// Orders, tickets or products (`kind`) of a show, the first seen last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn parts_of_show(
        &self,
        connection: i64,
        show: &str,
        kind: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<ShowPart>, pasarela_store::Error> {
        self.inner.parts_of_show(connection, show, kind, before, limit).await
    }

    /// How many parts of a kind each of these shows (connection, id) has.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_parts(&self, shows: &[(i64, String)], kind: &str) -> Result<Vec<u64>, pasarela_store::Error> {
        self.inner.count_parts(shows, kind).await
    }

    /// What a connection's server can do and others of its provider cannot, and the other way round; empty where all are
    /// alike.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn server_can(&self, connection: &str) -> Result<Vec<crate::ServerCan>, pasarela_store::Error> {
        self.inner.server_can(connection).await
    }

    /// Has one action of one connection done, because somebody asks for it. What follows is seen in the event's story.
    ///
    /// # Errors
    /// What the connector would refuse, a connection or action that is not there, a hub without room.
    pub async fn do_by_hand(&self, wish: Wish) -> Result<Asked, AskError> {
        let inner = self.inner.clone();
        whole(async move { inner.do_by_hand(wish).await }).await
    }

    /// Asks for a refund; somebody else decides it.
    ///
    /// # Errors
    /// An order that is not there or not paid, more than is left of it, another request that is not over, what the
    /// provider does not offer.
    pub async fn ask_refund(&self, new: NewRefund, by: Colleague) -> Result<Refund, RefundError> {
        let inner = self.inner.clone();
        whole(async move { inner.ask_refund(new, by).await }).await
    }

    /// Approves a request for a refund, and asks the provider for it, once.
    ///
    /// # Errors
    /// One's own request, one that does not wait any more, an order of which money went back meanwhile.
    pub async fn approve_refund(&self, id: &RefundId, by: Colleague) -> Result<Refund, RefundError> {
        let (inner, id) = (self.inner.clone(), id.clone());
        whole(async move { inner.approve_refund(&id, by).await }).await
    }

    /// Refuses a request for a refund.
    ///
    /// # Errors
    /// One's own request, which is taken back instead, and one that does not wait any more.
    pub async fn refuse_refund(&self, id: &RefundId, by: Colleague) -> Result<Refund, RefundError> {
        let (inner, id) = (self.inner.clone(), id.clone());
        whole(async move { inner.refuse_refund(&id, by).await }).await
    }

    /// Takes one's own request for a refund back.
    ///
    /// # Errors
    /// Another's request, and one that does not wait any more.
    pub async fn withdraw_refund(&self, id: &RefundId, by: Colleague) -> Result<Refund, RefundError> {
        let (inner, id) = (self.inner.clone(), id.clone());
        whole(async move { inner.withdraw_refund(&id, &by).await }).await
    }

    /// One request for a refund, and what came of it.
    ///
    /// # Errors
    /// There is none; the store.
    pub async fn refund(&self, id: &RefundId) -> Result<Refund, RefundError> {
        self.inner.refund(id).await
    }

    /// A page of requests for refunds, the newest first, and the cursor of the next one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn refunds(&self, filter: RefundFilter) -> Result<(Vec<Refund>, Option<i64>), pasarela_store::Error> {
        self.inner.refunds(filter).await
    }

    /// Requests for refunds of one order, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn refunds_of_order(&self, connection: &str, order: &str) -> Result<Vec<Refund>, pasarela_store::Error> {
        self.inner.refunds_of_order(connection, order).await
    }

    /// Looks after requests for refunds now: what is untold is told, what came of them is noted, old ones end.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn look_after_refunds(&self) -> Result<(), pasarela_store::Error> {
        self.inner.refund_round().await
    }

    /// Records what a person said about their data. `key`: the same key is the same record.
    pub async fn record_consent(&self, statement: Statement, key: Option<&str>) -> Result<Recorded, LedgerError> {
        let (inner, key) = (self.inner.clone(), key.map(str::to_owned));
        whole(async move { inner.record_consent(statement, key.as_deref()).await }).await
    }

    /// Takes in a list of statements, each with its line.
    pub async fn import_consents(&self, rows: Vec<(u64, Value)>) -> Result<crate::ledger::ImportReport, LedgerError> {
        let inner = self.inner.clone();
        whole(async move { inner.import_consents(rows).await }).await
    }

    /// All versions of all texts that people agree to.
    pub async fn texts(&self) -> Result<Arc<Terms>, pasarela_store::Error> {
        self.inner.texts().await
    }

    /// Adds a version of a text. False: it was there already.
    pub async fn add_text(&self, new: NewText) -> Result<(TextVersion, bool), LedgerError> {
        let inner = self.inner.clone();
        whole(async move { inner.add_text(new).await }).await
    }

    /// Takes in that somebody who names this address asks for the link to their own page.
    pub async fn request_link(&self, address: &str, language: &str) -> Result<(), LedgerError> {
        let (inner, address, language) = (self.inner.clone(), address.to_owned(), language.to_owned());
        whole(async move { inner.request_link(&address, &language).await }).await
    }

    /// What a person, named by an e-mail address or a phone, has allowed, and its history.
    pub async fn consents_of(&self, person: &str) -> Result<PersonConsents, LedgerError> {
        self.inner.consents_of(person).await
    }

    /// Opens a case: a request of a person. `key`: the same key is the same case. Says whether it was there.
    pub async fn open_case(&self, new: NewCase, by: &str, key: Option<&str>) -> Result<(CaseView, bool), CaseError> {
        let (inner, by, key) = (self.inner.clone(), by.to_owned(), key.map(str::to_owned));
        whole(async move { inner.open_case(new, &by, key.as_deref()).await }).await
    }

    /// One case, by its number.
    pub async fn case(&self, number: &str) -> Result<CaseView, CaseError> {
        self.inner.case(number).await
    }

    /// A page of cases, the newest first, and the cursor of the next one.
    pub async fn cases(&self, filter: CaseFilter) -> Result<(Vec<CaseView>, Option<i64>), CaseError> {
        self.inner.cases(filter).await
    }

    /// Does a step of a case, and what follows from it.
    pub async fn step_case(&self, number: &str, step: Step, by: &str) -> Result<CaseView, CaseError> {
        self.step_case_as_seen(number, step, by, None).await
    }

    /// The same, unless somebody else wrote since: `seen` is how many entries its history had when it was read.
    pub async fn step_case_as_seen(
        &self,
        number: &str,
        step: Step,
        by: &str,
        seen: Option<usize>,
    ) -> Result<CaseView, CaseError> {
        let (inner, number, by) = (self.inner.clone(), number.to_owned(), by.to_owned());
        whole(async move { inner.step_case(&number, &step, &by, seen).await }).await
    }

    /// How many cases and incidents are near their terms.
    pub async fn cases_now(&self) -> Result<CasesNow, pasarela_store::Error> {
        self.inner.cases_now().await
    }

    /// The same, as it is known without asking the store.
    #[must_use]
    pub fn known_cases(&self) -> CasesNow {
        self.inner.known_cases().unwrap_or_default()
    }

    /// Looks after cases now: silence, what is untold, reminders.
    pub async fn look_after_cases(&self) -> Result<CasesNow, pasarela_store::Error> {
        self.inner.case_round().await
    }

    /// Registers a security incident.
    pub async fn open_incident(&self, new: NewIncident, by: &str) -> Result<IncidentView, CaseError> {
        let (inner, by) = (self.inner.clone(), by.to_owned());
        whole(async move { inner.open_incident(new, &by).await }).await
    }

    /// One incident, by its number.
    pub async fn incident(&self, number: &str) -> Result<IncidentView, CaseError> {
        self.inner.incident(number).await
    }

    /// A page of incidents, the newest first, and the cursor of the next one.
    pub async fn incidents(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<IncidentView>, Option<i64>), CaseError> {
        self.inner.incidents(before, limit).await
    }

    /// Does a step of an incident.
    pub async fn step_incident(&self, number: &str, step: IncidentStep, by: &str) -> Result<IncidentView, CaseError> {
        self.step_incident_as_seen(number, step, by, None).await
    }

    /// The same, unless somebody else wrote since: `seen` is how many entries its history had when it was read.
    pub async fn step_incident_as_seen(
        &self,
        number: &str,
        step: IncidentStep,
        by: &str,
        seen: Option<usize>,
    ) -> Result<IncidentView, CaseError> {
        let (inner, number, by) = (self.inner.clone(), number.to_owned(), by.to_owned());
        whole(async move { inner.step_incident(&number, &step, &by, seen).await }).await
    }

    /// Sets a legal hold: nothing about its person or of its case is removed until it is ended.
    pub async fn hold(&self, new: NewHold, by: &str) -> Result<Hold, CaseError> {
        let (inner, by) = (self.inner.clone(), by.to_owned());
        whole(async move { inner.set_hold(new, &by).await }).await
    }

    /// Ends a legal hold.
    pub async fn end_hold(&self, number: &str, by: &str) -> Result<Hold, CaseError> {
        let (inner, number, by) = (self.inner.clone(), number.to_owned(), by.to_owned());
        whole(async move { inner.end_hold(&number, &by).await }).await
    }

    /// A page of legal holds, the newest first, and the cursor of the next one.
    pub async fn holds(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<Hold>, Option<i64>), pasarela_store::Error> {
        self.inner.holds(before, limit).await
    }

    /// How everything is kept: rule, basis, what went.
    pub async fn retention_report(&self) -> Result<Vec<RetentionRule>, pasarela_store::Error> {
        self.inner.retention_report().await
    }

    /// Looks at a connection as `pasarela doctor` does.
    pub async fn examine(&self, connection: &str, public: PublicAddress<'_>) -> Option<Examination> {
        self.inner.examine(connection, public).await
    }

    /// One call of the hub's own, guarded like every other and kept nowhere. `allow_private`: also to addresses of
    /// this machine and its network.
    pub async fn fetch(
        &self,
        request: &pasarela_connector::Request,
        allow_private: bool,
    ) -> Result<pasarela_connector::Answer, ErrandError> {
        self.inner.fetch(request, allow_private).await
    }

    /// Could a letter to somebody who works in the hub be sent?
    #[must_use]
    pub fn has_mail(&self) -> bool {
        self.inner.has_mail()
    }

    /// Sends a plain letter to somebody who works in the hub, once, and keeps nothing of it. `key` makes its
    /// Message-ID.
    pub async fn letter(&self, to: &str, subject: &str, text: &str, key: &str) -> Result<(), ErrandError> {
        self.inner.letter(to, subject, text, key).await
    }

    /// Does this address lead to a hub?
    pub async fn reach(&self, public_url: &str) -> Looked {
        self.inner.reach(public_url).await
    }

    /// Reconciles a connection now.
    pub async fn reconcile(&self, connection: &str, ask: Ask) -> Result<Vec<Report>, ReconcileError> {
        let (inner, connection) = (self.inner.clone(), connection.to_owned());
        whole(async move { inner.reconcile(&connection, ask).await }).await
    }

    /// Does the connection's provider have a model that its account can be brought to?
    #[must_use]
    pub fn has_model(&self, connection: &str) -> bool {
        self.inner.connection(connection).is_some_and(|c| c.connector().provisioner().is_some())
    }

    /// What differs between a connection's account and the model of its provider; `public_url` is where the outside
    /// reaches this hub.
    pub async fn provision_plan(&self, connection: &str, public_url: &str) -> Result<ProvisionPlan, ProvisionError> {
        self.inner.provision_plan(connection, public_url).await
    }

    /// Does the steps of that plan. What was begun is ended, also when whoever asked goes away.
    pub async fn provision(
        &self,
        connection: &str,
        public_url: &str,
        ask: ProvisionAsk,
    ) -> Result<Provisioned, ProvisionError> {
        let (inner, connection, public_url) = (self.inner.clone(), connection.to_owned(), public_url.to_owned());
        whole(async move { inner.provision(&connection, &public_url, ask).await }).await
    }

    /// Tries a dead or unknown effect again.
    pub async fn retry(&self, id: EffectId) -> Result<(), AdminError> {
        let inner = self.inner.clone();
        whole(async move { inner.retry_dead(id).await }).await
    }

    /// Gives a dead or unknown effect up.
    pub async fn drop_effect(&self, id: EffectId) -> Result<(), AdminError> {
        let inner = self.inner.clone();
        whole(async move { inner.drop_dead(id).await }).await
    }

    /// Gives a quarantined or proposed delivery up.
    pub async fn drop_delivery(&self, id: DeliveryId) -> Result<(), AdminError> {
        let inner = self.inner.clone();
        whole(async move { inner.drop_delivery(id).await }).await
    }

    /// Decides a delivery again; approves a proposed one.
    pub async fn replay(&self, id: DeliveryId) -> Result<Replayed, AdminError> {
        let inner = self.inner.clone();
        whole(async move { inner.replay(id).await }).await
    }

    /// Decides deliveries again, or tells what would become of them: one page of a filter.
    pub async fn replay_page(&self, filter: &ReplayFilter) -> Result<ReplayPage, AdminError> {
        let (inner, filter) = (self.inner.clone(), filter.clone());
        whole(async move { inner.replay_page(&filter).await }).await
    }

    /// Cancels a run: what was not sent is withdrawn, calls that are out end and are recorded.
    pub async fn cancel_run(&self, id: RunId, by: &str, reason: Option<&str>) -> Result<(), AdminError> {
        let (inner, by, reason) = (self.inner.clone(), by.to_owned(), reason.map(str::to_owned));
        whole(async move { inner.cancel_run(id, &by, reason.as_deref()).await }).await
    }

    /// What is paused.
    #[must_use]
    pub fn pauses(&self) -> Vec<PauseRow> {
        self.inner.pauses.load().rows().to_vec()
    }

    /// Pauses a connection, a flow or a class of message. Paused work is kept.
    pub async fn pause(
        &self,
        kind: PauseKind,
        name: &str,
        by: &str,
        reason: Option<String>,
    ) -> Result<PauseRow, PauseError> {
        let since = self.inner.clock.now();
        let reason = reason.filter(|r| !r.is_empty());
        let pause = PauseRow { kind, name: name.to_owned(), reason, by: by.to_owned(), since };
        let inner = self.inner.clone();
        whole(async move { inner.pause(pause).await }).await
    }

    /// Lets what was paused go on, in its order.
    pub async fn resume(&self, kind: PauseKind, name: &str, by: &str) -> Result<(), PauseError> {
        let (inner, name, by) = (self.inner.clone(), name.to_owned(), by.to_owned());
        whole(async move { inner.resume(kind, &name, &by).await }).await
    }

    /// Flows in force, with their live runs.
    pub async fn flow_states(&self) -> Result<Vec<FlowState>, pasarela_store::Error> {
        self.inner.flow_states().await
    }

    /// Checks flows, given as file name and text, and puts them in force together, or only checks them.
    pub async fn push_flows(
        &self,
        files: &[(String, String)],
        by: &str,
        dry_run: bool,
    ) -> Result<Vec<FlowChange>, PushError> {
        self.push_flows_over(files, by, dry_run, None).await
    }

    /// The same over a version that was read, of one flow: where another one is in force by now, nothing is pushed.
    pub async fn push_flows_over(
        &self,
        files: &[(String, String)],
        by: &str,
        dry_run: bool,
        read: Option<(String, u32)>,
    ) -> Result<Vec<FlowChange>, PushError> {
        let (inner, files, by) = (self.inner.clone(), files.to_vec(), by.to_owned());
        whole(async move { inner.push_flows(&files, &by, dry_run, read, inner.clock.now()).await }).await
    }

    /// An event as the API shows it.
    pub fn envelope(&self, row: &EventRow) -> Result<Envelope, serde_json::Error> {
        self.inner.envelope(row)
    }

    /// A run as the API shows it.
    pub async fn view_run(&self, row: &RunRow) -> Result<RunView, pasarela_store::Error> {
        self.inner.view_run(row).await
    }

    /// Keyed hash by which events of a connection's key are found.
    #[must_use]
    pub fn key_hash(&self, connection: i64, key: &str) -> i64 {
        self.inner.key_hash(connection, key)
    }

    /// Keyed hash by which the events that name a person or a number are found: `kind` is `email`, `phone`,
    /// `number` (of an order) or `code` (of a ticket).
    #[must_use]
    pub fn subject_hash(&self, kind: &str, text: &str) -> i64 {
        self.inner.subject_hash(&format!("{kind}:{}", text.to_lowercase()))
    }

    /// What happened in the last day, as far as this node counted it.
    #[must_use]
    pub fn day(&self) -> Day {
        self.inner.tallies.day(self.inner.clock.now())
    }

    /// Counts the newest events that were there before this node began, at most `most` of them, so that a
    /// restart in the evening does not hide the afternoon. `false`: there were more. To be called once.
    pub async fn recall(&self, most: u32) -> Result<bool, pasarela_store::Error> {
        let inner = &self.inner;
        let since = inner.clock.now().checked_sub(jiff::SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
        let mut below = Some(inner.first_event.load(Ordering::Relaxed));
        let mut left = most;
        while left > 0 {
            let filter = pasarela_store::EventFilter { below, limit: left.min(500), ..Default::default() };
            let page = inner.store.events(filter).await?;
            for row in &page.rows {
                if row.received_at < since {
                    return Ok(true);
                }
                if let Ok(event) = inner.envelope(row) {
                    inner.tallies.event(&event.event_type, &event.data, event.received_at);
                }
            }
            left -= u32::try_from(page.rows.len()).unwrap_or(left).min(left);
            below = page.next;
            if below.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the steps of a flow came to since this node began, by step path.
    #[must_use]
    pub fn flow_tallies(&self, name: &str) -> HashMap<String, StepTally> {
        self.inner.tallies.steps(self.inner.store.sealer().hash(&["flow", name]))
    }

    /// Effects of a flow that are open now, by step path and state; of each kind at most `most` are looked at.
    pub async fn flow_open(
        &self,
        name: &str,
        most: u32,
    ) -> Result<HashMap<(String, EffectState), u64>, pasarela_store::Error> {
        let connections = self.inner.served().iter().map(|c| c.id).collect();
        let flow = self.inner.store.sealer().hash(&["flow", name]);
        let mut open = HashMap::new();
        for (path, state, n) in self.inner.store.open_steps(flow, connections, most).await? {
            *open.entry((pasarela_flows::step_of(&path).into_owned(), state)).or_default() += n;
        }
        Ok(open)
    }

    /// The newest runs of a flow, of every version that this node knows, among the newest `within` runs.
    pub async fn flow_runs(&self, name: &str, within: u32, limit: u32) -> Result<Vec<RunRow>, pasarela_store::Error> {
        let mut rows: Vec<i64> =
            self.inner.versions.lock().iter().filter(|(_, f)| f.name == name).map(|(id, _)| *id).collect();
        rows.extend(self.inner.flows.load().all().filter(|(_, f)| f.name == name).map(|(id, _)| *id));
        self.inner.store.runs_of(rows, within, limit).await
    }

    /// Events as they are written, from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Envelope>> {
        self.inner.stream.subscribe()
    }

    /// Readers of the event log that want no gaps stay below this id.
    #[must_use]
    pub fn watermark(&self) -> i64 {
        self.inner.watermark()
    }

    /// The hub is about to stop: `/readyz` says so, while requests are still taken.
    pub fn announce_stop(&self) {
        self.inner.leaving.store(true, Ordering::Relaxed);
    }

    /// Is it about to stop?
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.inner.leaving.load(Ordering::Relaxed)
    }

    /// Returns when this node was declared dead: another has its work, and it is to be started again.
    pub async fn fenced(&self) {
        self.inner.store.fenced().await;
    }

    /// Nodes that share the database with this one, by name.
    #[must_use]
    pub fn other_nodes(&self) -> Vec<String> {
        self.inner.neighbours.nodes()
    }

    /// Flows in force.
    #[must_use]
    pub fn flows(&self) -> Vec<Arc<Flow>> {
        self.inner.flows.load().all().map(|(_, f)| f.clone()).collect()
    }

    /// Deliveries in memory, runs in memory, calls out.
    #[must_use]
    pub fn in_memory(&self) -> (usize, usize, u64) {
        (self.inner.feed.view().0, self.inner.runs.len(), self.inner.calls.load(Ordering::Relaxed))
    }

    /// Ages and counts. How long the webhooks of others are out of reach says nothing of this hub: what waits for
    /// them is counted, and its age is not. [`Engine::people_wait`] tells from now on what is so now.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn health(&self) -> Result<pasarela_store::HealthRow, pasarela_store::Error> {
        let besides = self.inner.webhooks.connections().iter().map(|c| c.id).collect();
        self.inner.people.note_behind(self.inner.people_behind().await?);
        self.inner.store.health_besides(self.inner.clock.now(), besides).await
    }

    /// Is there nothing to do now: no delivery pending, no call out, nothing queued that is due?
    pub async fn is_quiet(&self) -> Result<bool, pasarela_store::Error> {
        let health = self.health().await?;
        let (deliveries, _, calls) = self.in_memory();
        Ok(deliveries == 0 && calls == 0 && health.inbox == 0 && health.calling == 0 && health.oldest_due.is_none())
    }

    /// Stops taking work and waits, at most `patience`, for the calls that are out.
    pub async fn stop(&self, patience: Duration) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            self.inner.stop.notify_waiters();
            if self.inner.is_at_rest() || tokio::time::Instant::now() >= deadline {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
