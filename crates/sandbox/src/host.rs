//! The host: what is served, under which faults, and the handle that tests and the binary hold.

use crate::dice::Dice;
use crate::faults::{Faults, Script};
use crate::mail;
use crate::serve;
use crate::traffic::Traffic;
use crate::webhooks::{self, Outbox};
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use pasarela_connector::{Arrival, OutgoingWebhook, Request, SimReply, Simulator, Speaks};
use pasarela_domain::Clock;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How to start a [`Host`].
pub struct Options {
    /// Where to listen: a loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the hub is, `http://127.0.0.1:8080`; webhooks go to `{hub_url}/hooks/{connection}`.
    pub hub_url: String,
    /// Business time.
    pub clock: Arc<dyn Clock>,
    /// Seed of all faults.
    pub seed: u64,
    /// Faults from the start.
    pub faults: Faults,
}

/// A running host. Cheap to clone; all clones are the same host. It serves until [`Host::stop`]
/// or until its runtime ends.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    addr: SocketAddr,
    pub(crate) clock: Arc<dyn Clock>,
    hub_url: RwLock<String>,
    pub(crate) dice: Mutex<Dice>,
    connections: RwLock<BTreeMap<String, Arc<Connection>>>,
    /// Where the doubles listen that are spoken to by SMTP.
    mail: RwLock<BTreeMap<String, SocketAddr>>,
    pub(crate) traffic: Mutex<Traffic>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    runtime: tokio::runtime::Handle,
    pub(crate) client: webhooks::Client,
    sequence: AtomicU64,
}

/// One double and its webhooks.
pub(crate) struct Connection {
    pub(crate) name: String,
    simulator: Mutex<Box<dyn Simulator>>,
    pub(crate) outbox: Outbox,
    /// Requests that the double was given, by method and the first two segments of their path.
    handled: Mutex<BTreeMap<String, u64>>,
}

impl Host {
    /// Listens and serves. Refuses an address that is not loopback: the doubles accept any
    /// credential and `/_sandbox/` obeys anyone.
    pub async fn start(options: Options) -> io::Result<Self> {
        if !options.listen.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the sandbox does not listen on {}: it obeys anyone who reaches it; use 127.0.0.1 or [::1]",
                    options.listen
                ),
            ));
        }
        let listener = TcpListener::bind(options.listen).await?;
        let host = Self(Arc::new(Inner {
            addr: listener.local_addr()?,
            clock: options.clock,
            hub_url: RwLock::new(trimmed(&options.hub_url)),
            dice: Mutex::new(Dice::new(options.seed, options.faults)),
            connections: RwLock::default(),
            mail: RwLock::default(),
            traffic: Mutex::default(),
            tasks: Mutex::default(),
            runtime: tokio::runtime::Handle::current(),
            client: webhooks::client(),
            sequence: AtomicU64::new(0),
        }));
        host.spawn(serve::accept(host.clone(), listener));
        Ok(host)
    }

    /// Address that was taken.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// Base URL of a connection's double, without a trailing slash. A double that is spoken to by SMTP has
    /// its own once it is added.
    #[must_use]
    pub fn base_url(&self, connection: &str) -> String {
        match self.0.mail.read().get(connection) {
            Some(addr) => format!("smtp://{addr}"),
            None => format!("http://{}/{connection}", self.0.addr),
        }
    }

    /// Serves `simulator` under `/{connection}`. One that was there before is replaced, and its
    /// webhooks that have not been sent go with it. The name `_sandbox` is never reached.
    pub fn add(&self, connection: &str, simulator: Box<dyn Simulator>) {
        let speaks = simulator.speaks();
        let added = Arc::new(Connection {
            name: connection.to_owned(),
            simulator: Mutex::new(simulator),
            outbox: Outbox::default(),
            handled: Mutex::default(),
        });
        let before = self.0.connections.write().insert(connection.to_owned(), Arc::clone(&added));
        if let Some(before) = before {
            before.outbox.close();
        }
        self.spawn(webhooks::work(self.clone(), added));
        if speaks == Speaks::Smtp
            && !self.0.mail.read().contains_key(connection)
            && let Err(why) = self.listen_for_mail(connection, SocketAddr::from(([127, 0, 0, 1], 0)))
        {
            // Whoever asks for the base URL sees that there is none.
            tracing::error!(connection, error = %why, "the mail server cannot be opened");
        }
    }

    /// Opens a mail server for a connection's double at a loopback address of one's own choice, before it
    /// is added.
    pub fn listen_for_mail(&self, connection: &str, listen: SocketAddr) -> io::Result<SocketAddr> {
        if !listen.ip().is_loopback() {
            let why = format!("the sandbox's mail server does not listen on {listen}; use 127.0.0.1 or [::1]");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let listener = std::net::TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let _inside = self.0.runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        let addr = listener.local_addr()?;
        self.0.mail.write().insert(connection.to_owned(), addr);
        self.spawn(mail::accept(self.clone(), connection.to_owned(), listener));
        Ok(addr)
    }

    /// Sends webhooks to another hub from the next try on.
    pub fn set_hub_url(&self, hub_url: &str) {
        *self.0.hub_url.write() = trimmed(hub_url);
    }

    /// Changes the faults from the next call and the next webhook on. Rates out of range are read
    /// as their nearest end.
    pub fn set_faults(&self, faults: Faults) {
        self.0.dice.lock().faults = faults;
    }

    /// The faults that are set.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.0.dice.lock().faults.clone()
    }

    /// Adds a one-shot fault.
    pub fn script(&self, script: Script) {
        self.0.dice.lock().script(script);
    }

    /// Does something at a provider as a person would. Answers what the double says was made;
    /// the error is for people.
    pub fn act(&self, connection: &str, command: &str, args: &Value) -> Result<Value, String> {
        let found = self.find(connection)?;
        let reply = {
            let mut simulator = found.simulator.lock();
            let now = self.0.clock.now();
            let reply = simulator.act(command, args, now)?;
            self.schedule(&found, now, reply.webhooks);
            reply.answer
        };
        Ok(match serde_json::from_slice(&reply.body) {
            Ok(value) => value,
            Err(_) if reply.body.is_empty() => Value::Null,
            Err(_) => Value::String(String::from_utf8_lossy(&reply.body).into_owned()),
        })
    }

    /// What has arrived at a connection's double; nothing for an unknown connection.
    #[must_use]
    pub fn arrivals(&self, connection: &str) -> Vec<Arrival> {
        self.find(connection).map(|c| c.simulator.lock().arrivals()).unwrap_or_default()
    }

    /// State that a double shows; null for an unknown connection or view.
    #[must_use]
    pub fn view(&self, connection: &str, what: &str) -> Value {
        self.find(connection).map(|c| c.simulator.lock().view(what)).unwrap_or_default()
    }

    /// Webhooks that are scheduled, held back, waiting for their next try or being tried.
    #[must_use]
    pub fn pending_webhooks(&self) -> usize {
        let connections = self.0.connections.read();
        connections.values().map(|c| c.outbox.pending()).sum()
    }

    /// What went through so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        *self.0.traffic.lock()
    }

    /// Requests that a connection's double was given so far, by method and the beginning of their path.
    #[must_use]
    pub fn calls_to(&self, connection: &str) -> BTreeMap<String, u64> {
        self.find(connection).map(|c| c.handled.lock().clone()).unwrap_or_default()
    }

    /// Stops: closes the listener and all connections, and forgets the webhooks that are pending.
    /// When it returns, the port is free and nothing is sent any more.
    pub async fn stop(self) {
        let tasks = std::mem::take(&mut *self.0.tasks.lock());
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            // A task that was cancelled says so; there is nothing to do about it.
            let _ = task.await;
        }
        for connection in self.0.connections.read().values() {
            connection.outbox.close();
        }
    }

    /// Names of the connections, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.connections.read().keys().cloned().collect()
    }

    pub(crate) fn find(&self, connection: &str) -> Result<Arc<Connection>, String> {
        if let Some(found) = self.0.connections.read().get(connection) {
            return Ok(Arc::clone(found));
        }
        let known = self.names();
        Err(if known.is_empty() {
            format!("the sandbox serves no connection {connection:?}, and no other either")
        } else {
            format!("the sandbox serves no connection {connection:?}; it serves {}", known.join(", "))
        })
    }

    /// Lets the double do its work; its webhooks are scheduled before anything else can be done
    /// there, so that their order is the order of the work.
    pub(crate) fn handle(&self, connection: &Connection, request: &Request) -> SimReply {
        let path: Vec<&str> = request.url.split('?').next().unwrap_or_default().split('/').skip(1).take(3).collect();
        *connection.handled.lock().entry(format!("{} {}", request.method, path.join("/"))).or_default() += 1;
        let mut simulator = connection.simulator.lock();
        let now = self.0.clock.now();
        let SimReply { answer, webhooks } = simulator.handle(request, now);
        self.schedule(connection, now, webhooks);
        SimReply::answer(answer)
    }

    fn schedule(&self, connection: &Connection, now: Timestamp, webhooks: Vec<(Duration, OutgoingWebhook)>) {
        for (delay, webhook) in webhooks {
            let due = now.checked_add(delay).unwrap_or(Timestamp::MAX);
            let path = format!("/{}/{}", connection.name, webhook.kind);
            let fate = self.0.dice.lock().webhook(&path);
            {
                let count = &mut self.0.traffic.lock().webhooks;
                count.scheduled += 1;
                count.dropped += u64::from(fate.dropped);
                count.duplicated += u64::from(fate.copy.is_some());
                count.delayed += u64::from(!fate.held.is_zero());
            }
            if fate.dropped {
                continue;
            }
            if let Some(held) = fate.copy {
                connection.outbox.push(due, self.number(), fate.held, webhook.clone());
                connection.outbox.push(due, self.number(), fate.held + held, webhook);
            } else {
                connection.outbox.push(due, self.number(), fate.held, webhook);
            }
        }
    }

    fn number(&self) -> u64 {
        self.0.sequence.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn hook_url(&self, connection: &str) -> String {
        format!("{}/hooks/{connection}", self.0.hub_url.read())
    }

    pub(crate) fn count(&self, add: impl FnOnce(&mut Traffic)) {
        add(&mut self.0.traffic.lock());
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.0.runtime.spawn(task);
        self.0.tasks.lock().push(handle);
    }
}

fn trimmed(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}
