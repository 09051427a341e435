//! `http`: anything that speaks HTTP, in and out (design.md 5.2). The way out for whatever has no
//! connector yet.
//!
//! In: signed JSON bodies become events `<connection>.<type>`, with the body as `data`. Out: the
//! action `request` makes one call under the connection's `base_url`.
//!
//! What it promises: nothing is believed without a `verify` setting; a body is kept as it came or
//! not at all (numbers that a double cannot hold are refused, not rounded); a call never leaves its
//! base URL, and says truly whether it may be repeated. What it is not: a client library. It
//! follows no redirect, keeps no cookie, reads no history; `allow_private_targets` and
//! `extra_headers` are the engine's.

mod auth;
mod effects;
mod inbound;
mod wire;

use auth::Credentials;
use inbound::{Reader, gate};
use pasarela_connector::{
    Action, Answer, ApiVersion, AuthKind, AuthStep, ConfigError, ConnectionConfig, Connector, Credential, Ctx,
    Idempotency, Limits, Manifest, Provider, RawRequest, SimConfig, Simulator, Source, Step, Translation, Unread,
    Verdict, Verification, verify::Gate,
};
use serde_json::{Value, json};
use std::time::Duration;

/// The provider "anything".
#[derive(Debug)]
pub struct Http {
    manifest: Manifest,
}

impl Http {
    /// With its manifest.
    #[must_use]
    pub fn new() -> Self {
        Self { manifest: manifest() }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for Http {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
        let settings: wire::Settings = config.settings_as()?;
        let gate = gate(settings.verify, &config)?;
        let reader = Reader::new(settings.event.unwrap_or_default(), &config)?;
        let target = effects::Target::new(&config)?;
        let credentials = Credentials::new(&config)?;
        Ok(Box::new(Connected { config, gate, reader, target, credentials }))
    }

    /// There is no double of "anything".
    fn simulator(&self, _config: SimConfig) -> Option<Box<dyn Simulator>> {
        None
    }
}

fn manifest() -> Manifest {
    Manifest {
        name: "http",
        title: "HTTP",
        docs: "https://www.rfc-editor.org/rfc/rfc9110",
        api: ApiVersion { version: "HTTP/1.1", ends: None },
        default_base_url: None,
        auth: AuthKind::Configured,
        verification: Verification::Configured,
        settings: schemars::schema_for!(wire::Settings),
        credentials: vec![
            Credential {
                name: "token",
                help: "Sent as `Authorization: Bearer ...`. Leave it out, or use username and password, where the other side asks for that.",
                required: false,
            },
            Credential {
                name: "username",
                help: "With `password`, sent as `Authorization: Basic ...`.",
                required: false,
            },
            Credential { name: "password", help: "Of `username`.", required: false },
        ],
        actions: vec![request_action()],
        events: &[],
        fetches: &[],
        tasks: Vec::new(),
        no_history: Some("whatever only speaks HTTP has no list of records that the hub knows how to read"),
        limits: Limits { rate: None, concurrency: 32, timeout: Duration::from_secs(10) },
    }
}

/// What an unknown outcome means depends on the call (method, idempotency header): the call's
/// `repeat` says it, and the action itself promises the least.
fn request_action() -> Action {
    Action::new::<wire::Input>(effects::REQUEST, "Make an HTTP request", Idempotency::AtMostOnce)
        .output(json!({ "status": "integer", "headers": "object", "body": "any" }))
        .build()
}

/// One connection.
struct Connected {
    config: ConnectionConfig,
    gate: Gate,
    reader: Reader,
    target: Option<effects::Target>,
    credentials: Credentials,
}

impl Connector for Connected {
    fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    fn verify(&self, request: &RawRequest<'_>, now: jiff::Timestamp) -> Verdict {
        self.gate.verify(request, now)
    }

    fn translate(&self, _source: Source, body: &[u8]) -> Result<Translation, Unread> {
        self.reader.read(body)
    }

    fn begin(&self, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
        effects::begin(self.target.as_ref(), &self.config.name, action, inputs, ctx)
    }

    fn on(&self, _action: &str, inputs: &[Value], state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        Step::all(inputs.len(), &effects::judge(state, answer, ctx.now))
    }

    fn authenticate(&self, _ctx: &Ctx<'_>) -> AuthStep {
        self.credentials.step()
    }
}
