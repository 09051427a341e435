//! Google Analytics 4 by the Measurement Protocol (contract: `ga4.md`).
//!
//! Role: tells Google of purchases, refunds and other moments that happened at our own servers.
//! Promise: nothing about a person leaves without their stored consent to analytics and the client id of their
//! browser (else the effect ends as withheld), nothing older than 72 hours (dropped: Google would falsify its
//! date), and nothing that looks like an e-mail address or a phone. Each event is asked for once, except a
//! purchase, which Google knows again by its transaction.
//! What it is not: a proof. Google answers 2xx to anything and throws away what it does not like, so the limits
//! are kept here, and `pasarela doctor` asks the validation server. Reading reports and erasing are not here
//! yet.

mod body;
mod effects;
mod input;
mod limits;
mod simulator;

use jiff::Timestamp;
use pasarela_connector::{
    Answer, ApiVersion, AuthKind, ConfigError, ConnectionConfig, Connector, Credential, Ctx, Limits, Manifest, Outcome,
    Provider, RawRequest, Request, SimConfig, Simulator, Source, Step, Translation, Unread, Verdict, Verification,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::sync::LazyLock;
use std::time::Duration;

/// Where Google takes events; `region1.google-analytics.com` keeps them in the EU.
const COLLECT: &str = "https://www.google-analytics.com";
/// Name of the credential, and of the query parameter that carries it.
const API_SECRET: &str = "api_secret";

/// The provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ga4;

/// Settings of a connection, besides the common ones.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Measurement id of a web stream: `G-XXXXXXX`.
    pub measurement_id: Option<String>,
    /// Id of an app stream, in place of `measurement_id`.
    pub firebase_app_id: Option<String>,
    /// Show events in DebugView.
    pub debug: bool,
}

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| Manifest {
    name: "ga4",
    title: "Google Analytics 4",
    docs: "https://developers.google.com/analytics/devguides/collection/protocol/ga4",
    api: ApiVersion { version: "GA4", ends: None },
    default_base_url: Some(COLLECT),
    auth: AuthKind::Query { name: API_SECRET, credential: API_SECRET },
    verification: Verification::NoInbound,
    settings: schemars::schema_for!(Settings),
    credentials: vec![Credential {
        name: API_SECRET,
        help: "secret of the stream: Admin → Data streams → the stream → Measurement Protocol API secrets",
        required: true,
    }],
    actions: effects::actions(),
    events: &[],
    fetches: &[],
    tasks: Vec::new(),
    no_history: Some("what was sent cannot be read back: Google keeps counts, and gives them out a day later"),
    limits: Limits { rate: None, concurrency: 8, timeout: Duration::from_secs(15) },
});

impl Provider for Ga4 {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }

    fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
        let settings: Settings = config.settings_as()?;
        let wrong = |id: &Option<String>, good: fn(&str) -> bool| id.as_deref().is_some_and(|id| !good(id));
        if settings.measurement_id.is_some() && settings.firebase_app_id.is_some() {
            return Err(config.error("measurement_id and firebase_app_id are there both: keep one of the two"));
        }
        if wrong(&settings.measurement_id, is_measurement_id) {
            return Err(config.error("measurement_id: write what Google shows for the stream, such as G-7Q2KX9M4PL"));
        }
        if wrong(&settings.firebase_app_id, is_app_id) {
            return Err(config.error("firebase_app_id: write what Firebase shows, such as 1:1234567890:web:0a1b2c3d"));
        }
        Ok(Box::new(Stream { config, settings }))
    }

    fn simulator(&self, config: SimConfig) -> Option<Box<dyn Simulator>> {
        Some(Box::new(simulator::Double::new(config)))
    }
}

fn is_measurement_id(text: &str) -> bool {
    text.strip_prefix("G-").is_some_and(|id| {
        (4..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    })
}

fn is_app_id(text: &str) -> bool {
    (8..=80).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b':')
}

/// One stream of a property.
struct Stream {
    config: ConnectionConfig,
    settings: Settings,
}

impl Stream {
    /// A request below `/mp/collect` or the validation server; the secret is the engine's to add.
    fn request(&self, path: &str) -> Option<Request> {
        let Settings { measurement_id, firebase_app_id, .. } = &self.settings;
        let stream = match (measurement_id, firebase_app_id) {
            (Some(id), _) => ("measurement_id", id),
            (None, Some(id)) => ("firebase_app_id", id),
            (None, None) => return None,
        };
        Some(Request::new("POST", self.config.url(COLLECT, path)).query([stream]))
    }
}

impl Connector for Stream {
    fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    fn verify(&self, _request: &RawRequest<'_>, _now: Timestamp) -> Verdict {
        Verdict::Forged("Google Analytics calls nobody")
    }

    fn translate(&self, _source: Source, _body: &[u8]) -> Result<Translation, Unread> {
        Err(Unread("Google Analytics tells nothing".into()))
    }

    fn begin(&self, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
        effects::begin(self, action, inputs, ctx)
    }

    fn on(&self, action: &str, inputs: &[Value], state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        effects::on(self, action, inputs, state, answer, ctx)
    }

    fn stops(&self, action: &str, input: &Value, ctx: &Ctx<'_>) -> Option<Outcome> {
        effects::stops(action, input, ctx)
    }

    /// A sample of an event for the validation server, which keeps nothing.
    fn probe(&self) -> Option<Request> {
        Some(self.request("/debug/mp/collect")?.json(&body::sample(&self.settings)))
    }

    fn judge_probe(&self, answer: &Answer) -> Result<String, String> {
        effects::judge_probe(answer)
    }
}
