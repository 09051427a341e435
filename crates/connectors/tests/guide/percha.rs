//! Percha (invented): a wardrobe. It tells which garments there are, and takes reservations.
//!
//! Promise: a reservation is made once, however often its answer is lost; a garment that no webhook told of is
//! found by reading. What it is not: a shop; nothing is paid here.

mod effects;
mod inbound;
mod reconcile;
mod simulator;
mod wire;

use jiff::Timestamp;
use pasarela_connector::{
    Answer, ApiVersion, AuthKind, ConfigError, ConnectionConfig, Connector, Credential, Ctx, Limits, Manifest,
    PollStep, Provider, Rate, RawRequest, Request, SimConfig, Simulator, Source, Step, Task, Translation, Unread,
    Verdict, Verification, verify::Gate,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::sync::LazyLock;
use std::time::Duration;

const CLOUD: &str = "https://api.percha.example";
const TOKEN: &str = "token";

/// The provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct Percha;

/// Settings of a connection, besides the common ones.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Show that all garments belong to.
    show_id: String,
}

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| Manifest {
    name: "percha",
    title: "Percha",
    docs: "https://docs.percha.example",
    api: ApiVersion { version: "2", ends: Some("2029-12-31") },
    default_base_url: Some(CLOUD),
    auth: AuthKind::Bearer(TOKEN),
    verification: Verification::Hmac {
        header: inbound::SIGNATURE,
        recipe: "lower-case hex HMAC-SHA256 of the raw body, key: the webhook's secret",
    },
    settings: schemars::schema_for!(Settings),
    credentials: vec![Credential { name: TOKEN, help: "API token: Percha → Settings → API", required: true }],
    actions: effects::actions(),
    events: &["product.updated"],
    fetches: &[],
    tasks: vec![Task { name: "garments", every: Duration::from_secs(600), whole: &["product"] }],
    no_history: None,
    limits: Limits {
        rate: Some(Rate { burst: 5, every: Duration::from_millis(500) }),
        concurrency: 4,
        timeout: Duration::from_secs(15),
    },
});

impl Provider for Percha {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }

    fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
        let settings = config.settings_as()?;
        let gate = inbound::gate(&config).map_err(|why| config.error(why))?;
        Ok(Box::new(Wardrobe { config, settings, gate }))
    }

    fn simulator(&self, config: SimConfig) -> Option<Box<dyn Simulator>> {
        Some(Box::new(simulator::Double::new(config)))
    }
}

/// One account.
struct Wardrobe {
    config: ConnectionConfig,
    settings: Settings,
    gate: Gate,
}

impl Wardrobe {
    fn url(&self, path: &str) -> String {
        self.config.url(CLOUD, path)
    }
}

impl Connector for Wardrobe {
    fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    fn verify(&self, request: &RawRequest<'_>, now: Timestamp) -> Verdict {
        self.gate.verify(request, now)
    }

    fn translate(&self, _source: Source, body: &[u8]) -> Result<Translation, Unread> {
        inbound::translate(body, &self.settings)
    }

    fn begin(&self, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
        effects::begin(self, action, inputs, ctx)
    }

    fn on(&self, action: &str, inputs: &[Value], _state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        effects::on(action, inputs, answer, ctx)
    }

    fn poll(&self, task: &str, cursor: Option<&Value>, answer: Option<(&Value, &Answer)>, ctx: &Ctx<'_>) -> PollStep {
        reconcile::poll(self, task, cursor, answer, ctx)
    }

    fn probe(&self) -> Option<Request> {
        Some(Request::get(self.url("/v2/garments")).query([("limit", "1")]))
    }
}
