//! The RNE, Registro de Números Excluidos of the Comisión de Regulación de Comunicaciones (manual v3.1 of its web
//! service, as public programs have it; `market/colombia.md`, 2.6).
//!
//! Role: says which phones and e-mail addresses want no advertising, and by which ways. Promise: an answer is told
//! only where the registry gave one for all that was asked; an option that it leaves out is a "no"; the token, which
//! ends when the next one is fetched, is kept before it is used.
//! What it is not: the decision whether something is sent. How answers are kept, and how long they are good, is the
//! engine's (ADR 0076). Only Colombian phones are in it.

mod effects;
mod simulator;
mod wire;

use jiff::Timestamp;
use pasarela_connector::{
    Answer, ApiVersion, AuthKind, ConfigError, ConnectionConfig, Connector, Credential, Ctx, Limits, Manifest,
    Provider, Rate, RawRequest, Request, SimConfig, Simulator, Source, Step, Successor, Translation, Unread, Verdict,
    Verification,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;

const PORTAL: &str = "https://tramitescrcom.gov.co/excluidosback";
const TOKEN: &str = "token";
const EXCHANGE: &str = "/consultaMasiva/generateApiToken";
const ANEW: &str = "sign in to tramitescrcom.gov.co by hand, make a new one, and set it as token";

/// The provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rne;

/// There are none.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {}

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| Manifest {
    name: "rne",
    title: "RNE (CRC)",
    docs: "https://www.crcom.gov.co/es/pagina/registro-numeros-excluidos-rne",
    api: ApiVersion { version: "manual 3.1", ends: None },
    default_base_url: Some(PORTAL),
    auth: AuthKind::Successor(Successor {
        credential: TOKEN,
        path: EXCHANGE,
        pointer: "/data",
        life: Duration::from_secs(180 * 86_400),
        anew: ANEW,
    }),
    verification: Verification::NoInbound,
    settings: schemars::schema_for!(Settings),
    credentials: vec![Credential {
        name: TOKEN,
        help: "token of the web service: tramitescrcom.gov.co, as Proveedor de Bienes y Servicios; it is exchanged at its first use",
        required: true,
    }],
    actions: effects::actions(),
    events: &[],
    fetches: &[],
    tasks: Vec::new(),
    no_history: Some("it is asked about addresses, and tells nothing by itself"),
    // The manual names no rate; calls of many keys are slow.
    limits: Limits {
        rate: Some(Rate { burst: 2, every: Duration::from_secs(1) }),
        concurrency: 1,
        timeout: Duration::from_secs(120),
    },
});

impl Provider for Rne {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }

    fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
        let Settings {} = config.settings_as()?;
        Ok(Box::new(Registry { config }))
    }

    fn simulator(&self, config: SimConfig) -> Option<Box<dyn Simulator>> {
        Some(Box::new(simulator::Double::new(&config)))
    }
}

/// One user of the web service.
struct Registry {
    config: ConnectionConfig,
}

impl Registry {
    fn question(&self, body: &Value) -> Request {
        Request::new("POST", self.config.url(PORTAL, "/consultaMasiva/validarExcluidos")).json(body)
    }
}

impl Connector for Registry {
    fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    fn verify(&self, _request: &RawRequest<'_>, _now: Timestamp) -> Verdict {
        Verdict::Forged("the RNE calls nobody")
    }

    fn translate(&self, _source: Source, _body: &[u8]) -> Result<Translation, Unread> {
        Err(Unread("the RNE tells nothing by itself".into()))
    }

    fn begin(&self, action: &str, inputs: &[Value], _ctx: &Ctx<'_>) -> Step {
        effects::begin(self, action, inputs)
    }

    fn on(&self, _action: &str, inputs: &[Value], _state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        effects::on(inputs, answer, ctx)
    }

    /// A number that nobody has.
    fn probe(&self) -> Option<Request> {
        Some(self.question(&json!({ "type": "TEL", "keys": ["3000000000"] })))
    }

    fn judge_probe(&self, answer: &Answer) -> Result<String, String> {
        effects::judge_probe(answer)
    }
}
