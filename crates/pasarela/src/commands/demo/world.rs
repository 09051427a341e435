//! The demo's world on this machine: the doubles in this process, the hub in a process of its own,
//! so that it can be killed, and a clock that both read the same.

use super::ledger::{Party, Thing};
use crate::Failure;
use crate::admin::{Admin, socket_path};
use crate::commands::process::{Running, free_port, hub, metric, wait_for};
use crate::commands::{sandbox, users};
use axum::http::Method;
use jiff::Timestamp;
use pasarela_connector::SimConfig;
use pasarela_domain::{Pace, PacedClock};
use pasarela_sandbox::{Faults, Host, Options};
use rand::RngExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

/// How long a hub may take to listen.
const START: Duration = Duration::from_secs(20);
/// The link of a demo waits a whole day: nobody can make another without knowing its folder.
const LINK_MINUTES: u64 = 1440;
const NUMBER: &str = "109283746501928";

pub(in crate::commands) struct World {
    /// First, since it ends before its folder goes.
    hub: Option<Running>,
    pub(in crate::commands) host: Host,
    pub(in crate::commands) clock: Arc<PacedClock>,
    /// Database, configuration and log of the hub.
    dir: Option<tempfile::TempDir>,
    config: PathBuf,
    public: SocketAddr,
    /// Signs in to the console, once.
    link: String,
    pub(in crate::commands) admin: Admin,
}

impl World {
    /// Starts doubles and hub. The pace begins when all is there.
    pub(in crate::commands) async fn start(
        pace: impl FnOnce(Timestamp) -> Pace,
        faults: Faults,
        seed: u64,
    ) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| Failure::Failed(format!("the demo's folder cannot be used: {e}"));
        let dir = tempfile::Builder::new().prefix("pasarela-demo-").tempdir().map_err(failed)?;
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (public, console) = (loopback(free_port()?), loopback(free_port()?));
        // A second for the hub to start in: until then the clock stands.
        let begin = Timestamp::now().checked_add(Duration::from_secs(1)).unwrap_or(Timestamp::MAX);
        let pace = pace(begin);
        let clock = Arc::new(PacedClock::new(pace.clone()));
        let host = Host::start(Options {
            listen: loopback(0),
            hub_url: format!("http://{public}"),
            clock: clock.clone(),
            seed,
            faults,
        })
        .await
        .map_err(|e| Failure::Failed(format!("the doubles cannot be served: {e}")))?;

        let secret = || format!("{:032x}", rand::rng().random::<u128>());
        let mut connections = toml::Table::new();
        for party in Party::ALL {
            let name = party.connection();
            let webhook_secret = secret();
            let (own, sim) = settings(party);
            sandbox::add(
                &host,
                party.provider(),
                SimConfig {
                    connection: name.to_owned(),
                    base_url: host.base_url(name),
                    webhook_secret: webhook_secret.clone(),
                    settings: sim,
                },
            )?;
            // Where mail is spoken the address is known only now.
            let mut table = json!({
                "provider": party.provider(), "base_url": host.base_url(name), "webhook_secrets": [webhook_secret],
                "allow_private_targets": true, "reconcile_every": "5m",
            });
            if let (Some(table), Some(own)) = (table.as_object_mut(), own.as_object()) {
                table.extend(own.clone());
            }
            connections.insert(name.into(), toml::Value::try_from(table).map_err(|e| Failure::Failed(e.to_string()))?);
        }
        let database = dir.path().join("demo.db");
        let mut text = toml::Table::new();
        let set = |table: &mut toml::Table, section: &str, value: Value| {
            let value = toml::Value::try_from(value).map_err(|e| Failure::Failed(e.to_string()))?;
            table.insert(section.into(), value);
            Ok::<(), Failure>(())
        };
        set(&mut text, "server", json!({ "listen": public, "public_url": format!("http://{public}") }))?;
        set(&mut text, "console", json!({ "listen": console }))?;
        set(&mut text, "tickets", json!({ "seller": "Fashionistas S.A.S., NIT 900.123.456-8" }))?;
        set(&mut text, "store", json!({ "url": format!("sqlite:{}", database.display()) }))?;
        set(&mut text, "sandbox", json!({ "url": format!("http://{}", host.addr()), "clock": pace }))?;
        text.insert("connections".into(), toml::Value::Table(connections));
        let config = dir.path().join("demo.toml");
        std::fs::write(&config, text.to_string()).map_err(failed)?;

        // Before the hub has the file: afterwards it would have to be asked.
        let made = {
            let admin = Admin::open(&config).await?;
            let scopes = ["read".to_owned(), "write".to_owned()];
            users::link(&admin, "demo", &scopes, LINK_MINUTES).await?
        };
        let link = made["link"].as_str().unwrap_or_default().to_owned();
        let admin = Admin::Remote(socket_path(&database));
        let mut world = Self { hub: None, host, clock, dir: Some(dir), config, public, link, admin };
        world.start_hub().await?;
        Ok(world)
    }

    async fn start_hub(&mut self) -> Result<(), Failure> {
        let failed = |e: std::io::Error| Failure::Failed(format!("{}: {e}", self.log().display()));
        let log = std::fs::File::options().create(true).append(true).open(self.log()).map_err(failed)?;
        let mut child = hub(&self.config, &[("PASARELA_LOG", "info")], Stdio::from(log))?;
        wait_for(self.public, &mut child, START).await.map_err(|e| {
            let why = std::fs::read_to_string(self.log()).unwrap_or_default();
            let (Failure::Usage(what) | Failure::Failed(what)) = e;
            Failure::Failed(format!("{what}\n{}", why.trim_end()))
        })?;
        self.hub = Some(child);
        Ok(())
    }

    /// SIGKILL, and up again.
    pub(super) async fn kill_hub(&mut self) -> Result<(), Failure> {
        self.hub = None;
        self.start_hub().await
    }

    /// Where people look.
    pub(super) fn link(&self) -> &str {
        &self.link
    }

    pub(super) fn phones(&self) -> String {
        format!("http://{}/_sandbox/phone", self.host.addr())
    }

    pub(super) fn docs(&self) -> String {
        format!("http://{}/docs", self.public)
    }

    /// Its configuration, for commands beside it.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    fn log(&self) -> PathBuf {
        self.config.with_file_name("hub.log")
    }

    /// Leaves the folder where it is, for a look at what went wrong.
    pub(super) fn keep(&mut self) -> Option<PathBuf> {
        self.dir.take().map(tempfile::TempDir::keep)
    }

    /// Does something at Hi.Events.
    pub(in crate::commands) fn at_ticketing(&self, command: &str, args: &Value) -> Result<Value, Failure> {
        self.host.act(Party::HiEvents.connection(), command, args).map_err(Failure::Failed)
    }

    /// What has arrived at the doubles.
    pub(super) fn arrived(&self) -> BTreeMap<Thing, u32> {
        let mut things = BTreeMap::new();
        for arrival in self.host.arrivals(Party::Twenty.connection()) {
            let thing = match arrival.kind.as_str() {
                "person" => Thing::Person(arrival.identity),
                _ => Thing::Note(arrival.detail),
            };
            *things.entry(thing).or_default() += arrival.times;
        }
        let sent = self.host.view(Party::WhatsApp.connection(), "sent");
        for message in sent.as_array().into_iter().flatten() {
            let text = |name: &str| message[name].as_str().unwrap_or_default();
            *things.entry(Thing::message(text("template"), text("to"), &message["params"])).or_default() += 1;
        }
        let mailed = self.host.view(Party::Mail.connection(), "sent");
        for message in mailed.as_array().into_iter().flatten() {
            let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
            *things.entry(Thing::Mail(text("to"), text("subject"))).or_default() += 1;
        }
        things
    }

    /// Facts of Hi.Events that became events of the hub.
    pub(super) async fn facts(&self) -> Result<BTreeMap<Thing, u32>, Failure> {
        const TYPES: [&str; 5] =
            ["order.placed", "order.paid", "order.cancelled", "order.refunded", "ticket.checked_in"];
        let mut things = BTreeMap::new();
        for kind in TYPES {
            for event in self.list(&format!("/api/v1/events?type={kind}&limit=200")).await? {
                let data = &event["data"];
                let of = if kind == "ticket.checked_in" { &data["ticket"]["code"] } else { &data["number"] };
                *things.entry(Thing::Fact(kind, of.as_str().unwrap_or_default().to_owned())).or_default() += 1;
            }
        }
        Ok(things)
    }

    /// Effects of which the hub does not know whether they were done, with what they are.
    pub(super) async fn unknown(&self, party: Party) -> Result<(u32, BTreeMap<Thing, u32>), Failure> {
        let (mut things, mut count) = (BTreeMap::new(), 0);
        for effect in self.effects(party, "unknown").await? {
            count += 1;
            let id = effect["id"].as_str().unwrap_or_default();
            let input = self.admin.get(&format!("/api/v1/effects/{id}")).await?["input"].take();
            let text = |name: &str| input[name].as_str().unwrap_or_default();
            let thing = match party {
                Party::WhatsApp => Thing::message(text("template"), text("to"), &input["params"]),
                Party::Mail => Thing::mail(&input),
                _ if text("title").is_empty() => Thing::Person(text("email").to_owned()),
                _ => Thing::Note(text("title").to_owned()),
            };
            *things.entry(thing).or_default() += 1;
        }
        Ok((count, things))
    }

    /// How many effects of a connection are in a state.
    pub(super) async fn in_state(&self, party: Party, state: &str) -> Result<u32, Failure> {
        Ok(u32::try_from(self.effects(party, state).await?.len()).unwrap_or(u32::MAX))
    }

    async fn effects(&self, party: Party, state: &str) -> Result<Vec<Value>, Failure> {
        self.list(&format!("/api/v1/effects?state={state}&connection={}&limit=200", party.connection())).await
    }

    /// All pages of a list.
    async fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page = self.admin.get(&format!("{path}{cursor}")).await?;
            if let Some(rows) = page["data"].as_array_mut() {
                all.append(rows);
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }

    /// Waits until nobody has anything to do any more, reads the providers' records once more, and
    /// again until they say nothing new. `false`: it did not come to rest in time.
    pub(in crate::commands) async fn rest(&self, patience: Duration) -> Result<bool, Failure> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            let mut quiet = 0;
            while quiet < 3 {
                if tokio::time::Instant::now() > until {
                    return Ok(false);
                }
                quiet = if self.is_busy().await? { 0 } else { quiet + 1 };
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let mut news = 0;
            for party in [Party::HiEvents, Party::Twenty] {
                let path = format!("/api/v1/connections/{}/reconcile", party.connection());
                let reports = self.admin.call(Method::POST, &path, None).await?;
                for report in reports["data"].as_array().into_iter().flatten() {
                    // A report with a problem has not seen everything.
                    news += report["news"].as_u64().unwrap_or(0) + u64::from(!report["problem"].is_null());
                }
            }
            if news == 0 {
                return Ok(true);
            }
        }
    }

    async fn is_busy(&self) -> Result<bool, Failure> {
        if self.host.pending_webhooks() > 0 {
            return Ok(true);
        }
        for name in [
            "pasarela_inbox",
            "pasarela_effects_queued",
            "pasarela_effects_calling",
            "pasarela_deliveries_in_memory",
            "pasarela_calls_out",
        ] {
            if metric(self.public, name).await > 0.0 {
                return Ok(true);
            }
        }
        for party in [Party::Twenty, Party::WhatsApp] {
            if self.in_state(party, "checking").await? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A connection's own settings, and those of its double.
fn settings(party: Party) -> (Value, Value) {
    match party {
        Party::HiEvents => (
            json!({ "email": "pasarela@fashionistas.example", "password": "una-noche-de-prueba", "organizer_id": 3 }),
            json!({ "organizer_id": 3 }),
        ),
        Party::Twenty => {
            (json!({ "api_key": "una-noche-de-prueba", "api_key_name": "pasarela-hub" }), json!({ "version": "2.47" }))
        }
        Party::WhatsApp => (
            json!({ "access_token": "una-noche-de-prueba", "phone_number_id": NUMBER }),
            json!({ "phone_number_id": NUMBER, "templates": sandbox::templates() }),
        ),
        Party::Mail => (json!({ "from": "Fashionistas <boletas@fashionistas.example>", "tls": "none" }), json!({})),
    }
}
