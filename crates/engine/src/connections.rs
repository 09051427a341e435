//! One connection at run time: its connector, its pace, its credential.

mod login;

pub(crate) use login::AuthTrouble;

use crate::lanes::{LaneKey, Lanes, LanesView};
use crate::reconcile::ReconcileSettings;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use login::Login;
use parking_lot::Mutex;
use pasarela_connector::{ApiVersion, Connector, Environment, Limits, Manifest, Provider, Rate};
use pasarela_store::Store;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// What the configuration says of one connection, checked and with secrets resolved.
pub struct ConnectionSetup {
    /// The provider, out of the registry.
    pub provider: Arc<dyn Provider>,
    /// Settings for the connector.
    pub config: pasarela_connector::ConnectionConfig,
    /// May it reach loopback, private and metadata addresses?
    pub allow_private_targets: bool,
    /// Static headers on every call.
    pub extra_headers: Vec<(String, String)>,
    /// Limits in place of the manifest's.
    pub limits: LimitOverride,
    /// How it is reconciled.
    pub reconcile: ReconcileSettings,
    /// Whose number or address writes: contacts of all connections of one sender count together.
    pub sender: String,
    /// Whose rows are what comes in and goes out by it: a legal entity. Empty: the hub's own.
    pub brand: String,
}

/// The brand of connections that name none.
pub const DEFAULT_BRAND: &str = "default";

/// The sender of connections that name none.
pub const DEFAULT_SENDER: &str = "default";

/// Limits that a connection sets for itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct LimitOverride {
    /// Calls at the same time.
    pub concurrency: Option<u32>,
    /// Calls per time.
    pub rate: Option<Rate>,
    /// Longest life of a call.
    pub timeout: Option<Duration>,
}

/// Whose a connection is, for this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Hold {
    /// Another node's, or nobody's.
    Foreign = 0,
    /// This node's.
    Own = 1,
    /// This node's, until nothing of it is out.
    Closing = 2,
}

/// An effect of a connection is being decided, or its outcome written: until then, the connection is not
/// given away, and one that is taken over is not believed to be known.
pub(crate) struct Deciding {
    connection: Arc<ConnectionRuntime>,
    /// The connection is this node's.
    pub(crate) own: bool,
    /// It may begin at once: no other node is told that it may write beside this one.
    pub(crate) begins: bool,
}

impl Drop for Deciding {
    fn drop(&mut self) {
        if self.begins {
            self.connection.beginning.fetch_sub(1, Ordering::SeqCst);
        }
        if !self.own {
            self.connection.strange.fetch_sub(1, Ordering::SeqCst);
        }
        self.connection.deciding.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A connection that the engine serves.
pub(crate) struct ConnectionRuntime {
    pub(crate) id: i64,
    pub(crate) provider: Arc<dyn Provider>,
    name: String,
    /// Made anew when one of its secrets is changed while the hub runs.
    connector: ArcSwap<Box<dyn Connector>>,
    /// The connector's own settings: no secret is among them.
    pub(crate) settings: Value,
    pub(crate) allow_private: bool,
    pub(crate) extra_headers: Vec<(String, String)>,
    pub(crate) limits: Limits,
    pub(crate) reconcile: ReconcileSettings,
    pub(crate) sender: String,
    pub(crate) brand: String,
    /// What is known of it beside, where it is an endpoint of webhooks.
    pub(crate) endpoint: Option<Arc<crate::webhooks::Endpoint>>,
    /// Before this moment reading has had its share of the rate.
    pub(crate) next_read: Mutex<Timestamp>,
    /// One task is read at a time.
    pub(crate) reconciling: tokio::sync::Mutex<()>,
    pub(crate) lanes: Mutex<Lanes>,
    /// Woken when a lane may have something to start.
    pub(crate) wake: Notify,
    /// Woken when reconciliation is asked for now.
    pub(crate) reconcile_now: Notify,
    pub(crate) reconcile_state: Mutex<Vec<crate::reconcile::Report>>,
    login: Login,
    problem: Mutex<Option<String>>,
    /// When reconciliation was last asked for because a request was refused, in seconds.
    missed_at: AtomicI64,
    /// When an authentic webhook last came, in milliseconds; `i64::MIN`: never.
    heard_at: AtomicI64,
    hold: AtomicU8,
    deciding: AtomicUsize,
    /// Those of `deciding` that may begin at once.
    beginning: AtomicUsize,
    /// Those of `deciding` that began while it was another node's.
    strange: AtomicUsize,
    /// All that was queued up to this place is in memory, or known to be in the store only.
    floor: AtomicI64,
    /// Stretch of being alone ([`Store::alone`]) for which memory has all that others queued before it.
    caught_up: AtomicU64,
    /// Woken when the connection becomes this node's.
    pub(crate) gained: Notify,
}

/// How a connection stands, for people.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct ConnectionState {
    /// Name.
    pub name: String,
    /// Provider.
    pub provider: String,
    /// `sandbox` or `live`.
    pub environment: Environment,
    /// `ready`, `receives_only`, `degraded`.
    pub state: &'static str,
    /// What is wrong and what to do, if something is.
    pub problem: Option<String>,
    /// Node that has it, when it is not this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The provider's API as it is spoken here.
    pub api: ApiState,
    /// Since when, by whom and why a person has paused it.
    pub paused: Option<pasarela_store::PauseRow>,
    /// When this node last took an authentic webhook of it; `None`: not since it began.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub last_webhook: Option<Timestamp>,
    /// Order and pace.
    pub work: LanesView,
}

/// Version of a provider's API, and how long it lives.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct ApiState {
    /// The provider's name for it.
    pub version: &'static str,
    /// Last day, if it is announced.
    pub ends: Option<&'static str>,
    /// Days until then; negative when it is over.
    pub days_left: Option<i32>,
}

impl ApiState {
    fn of(api: ApiVersion, now: Timestamp) -> Self {
        Self { version: api.version, ends: api.ends, days_left: api.days_left(now) }
    }
}

impl ConnectionRuntime {
    pub(crate) fn new(
        id: i64,
        setup: ConnectionSetup,
        now: Timestamp,
    ) -> Result<Self, pasarela_connector::ConfigError> {
        let connector = setup.provider.connect(setup.config)?;
        let manifest = setup.provider.manifest();
        let base = connector.limits().unwrap_or(manifest.limits);
        let limits = Limits {
            rate: setup.limits.rate.or(base.rate),
            concurrency: setup.limits.concurrency.unwrap_or(base.concurrency).max(1),
            timeout: setup.limits.timeout.unwrap_or(base.timeout),
        };
        // The index after the last action is that of the engine's own reads.
        let batch = manifest.actions.iter().map(|a| a.batch.map_or(1, |b| b.max)).chain([1]).collect();
        let gaps = manifest.actions.iter().map(|a| a.lane_gap).chain([None]).collect();
        let mut lanes = Lanes::new(limits, batch, gaps, now);
        // Until it is taken over.
        lanes.own(false, now);
        let have = &connector.config().credentials;
        if manifest.credentials.iter().any(|c| c.required && !have.contains_key(c.name)) {
            // It receives only. What flows want of it waits until the credentials are there.
            lanes.pause();
        }
        Ok(Self {
            id,
            lanes: Mutex::new(lanes),
            provider: setup.provider,
            name: connector.config().name.clone(),
            settings: connector.config().settings.clone(),
            connector: ArcSwap::from_pointee(connector),
            allow_private: setup.allow_private_targets,
            extra_headers: setup.extra_headers,
            limits,
            reconcile: setup.reconcile,
            sender: setup.sender,
            brand: setup.brand,
            endpoint: None,
            next_read: Mutex::new(now),
            reconciling: tokio::sync::Mutex::new(()),
            wake: Notify::new(),
            reconcile_now: Notify::new(),
            reconcile_state: Mutex::new(Vec::new()),
            login: Login::default(),
            problem: Mutex::new(None),
            missed_at: AtomicI64::new(i64::MIN / 2),
            heard_at: AtomicI64::new(i64::MIN),
            hold: AtomicU8::new(Hold::Foreign as u8),
            deciding: AtomicUsize::new(0),
            beginning: AtomicUsize::new(0),
            strange: AtomicUsize::new(0),
            floor: AtomicI64::new(0),
            caught_up: AtomicU64::new(0),
            gained: Notify::new(),
        })
    }

    pub(crate) fn hold(&self) -> Hold {
        match self.hold.load(Ordering::SeqCst) {
            1 => Hold::Own,
            2 => Hold::Closing,
            _ => Hold::Foreign,
        }
    }

    pub(crate) fn is_own(&self) -> bool {
        self.hold() == Hold::Own
    }

    pub(crate) fn set_hold(&self, hold: Hold) {
        self.hold.store(hold as u8, Ordering::SeqCst);
    }

    /// Something of it is to be written.
    pub(crate) fn busy(self: &Arc<Self>) -> Deciding {
        // Counted first and looked at then: whoever changes what is looked at looks at the counts after it.
        self.deciding.fetch_add(1, Ordering::SeqCst);
        self.strange.fetch_add(1, Ordering::SeqCst);
        let own = self.is_own();
        if own {
            self.strange.fetch_sub(1, Ordering::SeqCst);
        }
        Deciding { connection: self.clone(), own, begins: false }
    }

    /// An effect of it is to be decided.
    pub(crate) fn decide_on(self: &Arc<Self>, store: &dyn Store) -> Deciding {
        let mut held = self.busy();
        if held.own {
            self.beginning.fetch_add(1, Ordering::SeqCst);
            held.begins = true;
            if !self.knows_all(store) {
                held.begins = false;
                self.beginning.fetch_sub(1, Ordering::SeqCst);
            }
        }
        held
    }

    pub(crate) fn is_deciding(&self) -> bool {
        self.deciding.load(Ordering::SeqCst) > 0
    }

    /// Is something still on its way that was planned while it was another node's?
    pub(crate) fn is_strange(&self) -> bool {
        self.strange.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn is_beginning(&self) -> bool {
        self.beginning.load(Ordering::SeqCst) > 0
    }

    /// Is everything that is queued for it known here, so that what is decided may begin at once?
    pub(crate) fn knows_all(&self, store: &dyn Store) -> bool {
        store.alone().is_some_and(|stretch| stretch == self.caught_up.load(Ordering::SeqCst))
    }

    /// Above which place a lane may hold what this node does not know of; `None`: there is nothing.
    pub(crate) fn unknown_above(&self, store: &dyn Store) -> Option<i64> {
        (!self.knows_all(store)).then(|| self.floor())
    }

    pub(crate) fn floor(&self) -> i64 {
        self.floor.load(Ordering::SeqCst)
    }

    pub(crate) fn raise_floor(&self, place: i64) {
        self.floor.fetch_max(place, Ordering::SeqCst);
    }

    /// Memory has all that others queued before this stretch.
    pub(crate) fn catch_up(&self, stretch: u64) {
        self.caught_up.store(stretch, Ordering::SeqCst);
    }

    /// Its connector, as its secrets stand now.
    pub(crate) fn connector(&self) -> Arc<Box<dyn Connector>> {
        self.connector.load_full()
    }

    /// Goes on with other secrets: what is verified, built and logged in from now on is by them. What is out ends as
    /// it began.
    pub(crate) async fn take_secrets(
        &self,
        config: pasarela_connector::ConnectionConfig,
    ) -> Result<(), pasarela_connector::ConfigError> {
        self.connector.store(Arc::new(self.provider.connect(config)?));
        self.forget_credential().await;
        // What was wrong with the credential before is no word about this one.
        *self.problem.lock() = None;
        self.wake.notify_one();
        Ok(())
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        self.provider.manifest()
    }

    /// The provider's API as this connection speaks it.
    pub(crate) fn api(&self) -> ApiVersion {
        self.connector().api().unwrap_or(self.manifest().api)
    }

    /// When an authentic webhook last came in since the start.
    pub(crate) fn last_heard(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.heard_at.load(Ordering::Relaxed)).ok()
    }

    /// Index of an action; the engine's own reads have the one after the last.
    pub(crate) fn action_index(&self, action: &str) -> u16 {
        let actions = &self.manifest().actions;
        actions.iter().position(|a| a.name == action).unwrap_or(actions.len()) as u16
    }

    /// Credentials that actions need and that are not there.
    pub(crate) fn missing_credentials(&self) -> Vec<&'static str> {
        let connector = self.connector();
        let have = &connector.config().credentials;
        self.manifest()
            .credentials
            .iter()
            .filter(|c| c.required && !have.contains_key(c.name))
            .map(|c| c.name)
            .collect()
    }

    pub(crate) fn set_problem(&self, problem: Option<String>) {
        let mut current = self.problem.lock();
        if *current != problem {
            match &problem {
                Some(text) => tracing::warn!(connection = self.name(), "{text}"),
                None => tracing::info!(connection = self.name(), "works again"),
            }
            *current = problem;
        }
    }

    pub(crate) fn state(&self, now: Timestamp) -> ConnectionState {
        let missing = self.missing_credentials();
        let problem = self.problem.lock().clone();
        let work = self.lanes.lock().view(now);
        let state = match (&problem, missing.is_empty(), work.breaker) {
            (Some(_), ..) | (_, _, "open") => "degraded",
            (None, false, _) => "receives_only",
            _ => "ready",
        };
        let note = (!missing.is_empty())
            .then(|| format!("set {} on [connections.{}] to use its actions", missing.join(", "), self.name()));
        ConnectionState {
            name: self.name().to_owned(),
            provider: self.manifest().name.to_owned(),
            environment: self.connector().config().environment,
            state,
            problem: problem.or(note),
            node: None,
            api: ApiState::of(self.api(), now),
            paused: None,
            last_webhook: self.last_heard(),
            work,
        }
    }

    /// Takes in the report of a reconciliation, unless a later one of the same is known.
    pub(crate) fn reconciled(&self, report: crate::reconcile::Report) {
        let mut reports = self.reconcile_state.lock();
        let same = |r: &crate::reconcile::Report| r.task == report.task && r.from_beginning == report.from_beginning;
        match reports.iter_mut().find(|r| same(r)) {
            Some(known) if known.ended_at > report.ended_at => {}
            Some(known) => *known = report,
            None => reports.push(report),
        }
    }

    pub(crate) fn lock_lanes<T>(&self, f: impl FnOnce(&mut Lanes) -> T) -> T {
        f(&mut self.lanes.lock())
    }

    /// An authentic webhook came.
    pub(crate) fn heard(&self, now: Timestamp) {
        self.heard_at.fetch_max(now.as_millisecond(), Ordering::Relaxed);
    }

    /// Takes back what was noted: a trial of our own is no word from the
    /// provider.
    pub(crate) fn set_heard(&self, at: Option<Timestamp>) {
        let at = at.map_or(i64::MIN, Timestamp::as_millisecond);
        self.heard_at.store(at, Ordering::Relaxed);
    }

    /// A request was refused for a reason of ours: its records are read at once, but not more than once a
    /// minute, since nobody knows yet whether the request was authentic.
    pub(crate) fn missed(&self, now: Timestamp) {
        let (last, now) = (self.missed_at.load(Ordering::Relaxed), now.as_second());
        if now - last >= 60 && self.missed_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.reconcile_now.notify_one();
        }
    }

    pub(crate) fn unreserve(&self, key: LaneKey, now: Timestamp) {
        self.lock_lanes(|l| l.unreserve(key, now));
        self.wake.notify_one();
    }
}
