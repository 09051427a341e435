//! `smtp`: mail by any server that takes it (RFC 5321), with tickets attached.
//!
//! Out: one action, `send`, for one recipient, with templates of our own (`boleta`, `recordatorio`) or the
//! flow's words. In: what a mail server pipes to `/hooks/CONNECTION`, signed: returned mail (RFC 3464),
//! complaints (RFC 5965), people who want no advertising.
//!
//! Promise: SMTP has no idempotency, so a message whose reply was lost is never sent again in silence; it
//! has a Message-ID that is made of the effect's key, so that two copies can be told for one. A server
//! that says "there is no such mailbox" is believed; one that says "not now" is asked again. What it is
//! not: a mail server. It signs nothing with DKIM (the server does), reads no mailbox and has no history.

mod auth;
mod effects;
mod inbound;
mod reconcile;
mod settings;
mod simulator;
mod wire;

pub use effects::{Attach, Send, Template};
pub use settings::{Settings, Tls};

use jiff::Timestamp;
use pasarela_connector::{
    Action, Answer, ApiVersion, AuthKind, AuthStep, ConfigError, ConnectionConfig, Connector, Credential, Ctx,
    Idempotency, Lane, Limits, Manifest, Message, Provider, RawRequest, Request, SimConfig, Simulator, Source, Step,
    Translation, Trial, Unread, Verdict, Verification, mail, verify::Gate,
};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;

/// The provider `smtp`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Smtp;

static MANIFEST: LazyLock<Manifest> = LazyLock::new(manifest);

impl Provider for Smtp {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }

    fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
        let settings = Settings::read(&config)?;
        let gate = inbound::gate(&config).map_err(|why| config.error(why))?;
        Ok(Box::new(Account { url: settings.url(&config), config, settings, gate }))
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["smtp", "smtps"]
    }

    fn simulator(&self, config: SimConfig) -> Option<Box<dyn Simulator>> {
        Some(Box::new(simulator::Double::new(config)))
    }
}

/// One account at a mail server.
struct Account {
    config: ConnectionConfig,
    settings: Settings,
    gate: Gate,
    /// Where it is, with how the way is protected. `None`: no server is named.
    url: Option<String>,
}

impl Connector for Account {
    fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    fn verify(&self, request: &RawRequest<'_>, now: Timestamp) -> Verdict {
        self.gate.verify(request, now)
    }

    fn translate(&self, _source: Source, body: &[u8]) -> Result<Translation, Unread> {
        inbound::translate(body)
    }

    fn begin(&self, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
        effects::begin(self, action, inputs, ctx)
    }

    fn on(&self, action: &str, inputs: &[Value], _state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        effects::on(self, action, inputs, answer, ctx)
    }

    fn authenticate(&self, _ctx: &Ctx<'_>) -> AuthStep {
        auth::authenticate(&self.config)
    }

    fn probe(&self) -> Option<Request> {
        Some(mail::probe(self.url.clone()?, &self.settings.hello()))
    }

    fn judge_probe(&self, answer: &Answer) -> Result<String, String> {
        let stage = answer.headers.get(mail::STAGE).unwrap_or_default();
        let said = format!("{} {}", answer.status, answer.excerpt(120));
        match (answer.status, stage) {
            (200..=299, _) => Ok("the mail server is there and takes the login".into()),
            (_, "auth") => Err(format!("the mail server refuses the login: renew username and password ({said})")),
            _ => Err(format!("the mail server refuses at {stage}: {said}")),
        }
    }

    fn trial(&self, now: Timestamp) -> Option<Trial> {
        inbound::trial(&self.config, now)
    }
}

fn manifest() -> Manifest {
    Manifest {
        name: "smtp",
        title: "E-mail (SMTP)",
        docs: "https://www.rfc-editor.org/rfc/rfc5321",
        api: ApiVersion { version: "RFC 5321", ends: None },
        default_base_url: None,
        auth: AuthKind::Configured,
        verification: Verification::Hmac {
            header: inbound::SIGNATURE_HEADER,
            recipe: "sha256= and the lower-case hex HMAC-SHA256 of the raw message, keyed with a word of your own",
        },
        settings: schemars::schema_for!(Settings),
        credentials: vec![
            Credential {
                name: auth::USERNAME,
                help: "Name of the account at the mail server. Leave it out where the server asks for none.",
                required: false,
            },
            Credential { name: auth::PASSWORD, help: "Of `username`.", required: false },
            Credential {
                name: auth::TLS_CA,
                help: "Certificate authority in PEM (file:PATH), where the server's certificate is signed by one of your own.",
                required: false,
            },
        ],
        actions: vec![
            Action::new::<Send>(effects::SEND, "Send an e-mail", Idempotency::AtMostOnce)
                .lane(Lane::Input("/to"))
                .message(Message::to("email", "/to"))
                .way_out("marketing", "unsubscribe")
                .output(json!({ "id": "string", "reply": "string" }))
                .build(),
        ],
        events: &["email.delivered", "email.bounced", "email.complained", "email.unsubscribed"],
        fetches: &[],
        tasks: Vec::new(),
        no_history: Some(reconcile::NO_HISTORY),
        limits: Limits { rate: None, concurrency: 8, timeout: Duration::from_secs(60) },
    }
}
