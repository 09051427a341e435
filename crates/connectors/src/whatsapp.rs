//! WhatsApp Business Cloud API (contract: `whatsapp.md`; Graph API v26.0).
//!
//! Promise: every webhook that Meta signed becomes facts in the hub's words, and a message is
//! asked for at most once: WhatsApp has no idempotency key, so the hub's own key travels in
//! `biz_opaque_callback_data` and comes back in every status. A 200 means accepted, not delivered;
//! sends are settled by the status that follows. What it is not: a template editor (templates are
//! made in Meta's manager) and no media store.

mod auth;
mod effects;
mod inbound;
mod reconcile;
mod settings;
mod simulator;
mod wire;

pub use effects::{Button, Header, Location, MarkRead, Media, Params, SendTemplate, SendText};
pub use settings::Settings;

use crate::whatsapp::effects::{SEND_SETTLES_WITHIN, STATUS_ARRIVES_WITHIN};
use jiff::Timestamp;
use pasarela_connector::{
    Action, Answer, ApiVersion, AuthKind, ConfigError, ConnectionConfig, Connector, Credential, Ctx, Idempotency, Lane,
    Limits, Manifest, Message, Provider, Rate, RawRequest, Request, SimConfig, Simulator, Source, Step, Translation,
    Trial, Unread, Verdict, Verification, verify::Gate,
};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;

/// Where Meta serves the Graph API.
const GRAPH: &str = "https://graph.facebook.com";
/// Free text may only answer what the person wrote no longer ago (contract, section 6).
const SERVICE_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Pair rate: one message to one person in this time (contract, section 10).
const PAIR_GAP: Duration = Duration::from_secs(6);

/// The provider `whatsapp`.
#[derive(Debug, Clone, Copy, Default)]
pub struct WhatsApp;

static MANIFEST: LazyLock<Manifest> = LazyLock::new(manifest);

impl Provider for WhatsApp {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }

    fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
        let settings = Settings::read(&config)?;
        let gate = inbound::gate(&config).map_err(|why| config.error(why))?;
        Ok(Box::new(Account { config, settings, gate }))
    }

    fn simulator(&self, config: SimConfig) -> Option<Box<dyn Simulator>> {
        Some(Box::new(simulator::Double::new(config)))
    }
}

/// One WhatsApp Business number as the hub uses it.
struct Account {
    config: ConnectionConfig,
    settings: Settings,
    gate: Gate,
}

impl Account {
    /// `https://graph.facebook.com/v26.0/{path}`, with the proof where it is switched on.
    fn url(&self, path: &str) -> String {
        let url = self.config.url(GRAPH, &format!("/{}/{path}", self.settings.graph_version));
        match auth::appsecret_proof(&self.config, &self.settings) {
            None => url,
            Some(proof) => Request::get(url).query([("appsecret_proof", proof)]).url,
        }
    }
}

impl Connector for Account {
    fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    fn api(&self) -> Option<ApiVersion> {
        settings::life_of(&self.settings.graph_version)
    }

    fn verify(&self, request: &RawRequest<'_>, now: Timestamp) -> Verdict {
        inbound::verify(&self.gate, &self.config, request, now)
    }

    fn translate(&self, _source: Source, body: &[u8]) -> Result<Translation, Unread> {
        inbound::translate(body)
    }

    fn begin(&self, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
        effects::begin(self, action, inputs, ctx)
    }

    fn on(&self, action: &str, inputs: &[Value], _state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        effects::on(action, inputs, answer, ctx)
    }

    fn probe(&self) -> Option<Request> {
        let number = self.settings.phone_number_id.as_deref()?;
        let fields = "display_phone_number,verified_name,quality_rating,status,throughput,\
                      whatsapp_business_manager_messaging_limit";
        Some(Request::get(self.url(number)).query([("fields", fields)]))
    }

    fn trial(&self, _now: Timestamp) -> Option<Trial> {
        inbound::trial(&self.config)
    }
}

fn manifest() -> Manifest {
    Manifest {
        name: "whatsapp",
        title: "WhatsApp Business",
        docs: "https://developers.facebook.com/documentation/business-messaging/whatsapp/",
        api: ApiVersion { version: settings::GRAPH_VERSION, ends: None },
        default_base_url: Some(GRAPH),
        auth: AuthKind::Bearer(auth::ACCESS_TOKEN),
        verification: Verification::Hmac {
            header: inbound::SIGNATURE_HEADER,
            recipe: "sha256= and the lower-case hex HMAC-SHA256 of the raw body, keyed with the \
                     app secret",
        },
        settings: schemars::schema_for!(Settings),
        credentials: vec![
            Credential {
                name: auth::ACCESS_TOKEN,
                help: "token of a system user with whatsapp_business_messaging (Meta Business \
                       Suite, system users)",
                required: true,
            },
            Credential {
                name: auth::VERIFY_TOKEN,
                help: "the word that you type into Meta's webhook form; answers its challenge",
                required: false,
            },
        ],
        actions: actions(),
        events: &[
            "message.received",
            "message.sent",
            "message.delivered",
            "message.read",
            "message.failed",
            "template.approved",
            "template.rejected",
            "template.paused",
            "consent.given",
            "consent.withdrawn",
        ],
        fetches: &[],
        tasks: Vec::new(),
        no_history: Some(reconcile::NO_HISTORY),
        limits: Limits {
            // 80 messages a second and number, inbound ones included (contract, section 10).
            rate: Some(Rate { burst: 80, every: Duration::from_micros(12_500) }),
            concurrency: 16,
            timeout: Duration::from_secs(30),
        },
    }
}

fn actions() -> Vec<Action> {
    let sent = Idempotency::Correlated { within: STATUS_ARRIVES_WITHIN };
    let output = json!({
        "id": "string",
        "message_status": "string|null",
        "wa_id": "string|null",
        "user_id": "string|null",
    });
    vec![
        Action::new::<SendTemplate>(effects::SEND_TEMPLATE, "Send a template", sent)
            .lane(Lane::Input("/to"))
            .lane_gap(PAIR_GAP)
            .message(Message::to("whatsapp", "/to").or("/recipient"))
            .settled_by_status(SEND_SETTLES_WITHIN)
            .output(output.clone())
            .build(),
        Action::new::<SendText>(effects::SEND_TEXT, "Answer with free text", sent)
            .lane(Lane::Input("/to"))
            .lane_gap(PAIR_GAP)
            .message(Message::to("whatsapp", "/to").or("/recipient").answers_within(SERVICE_WINDOW))
            .settled_by_status(SEND_SETTLES_WITHIN)
            .output(output)
            .build(),
        Action::new::<MarkRead>(effects::MARK_READ, "Mark as read", Idempotency::ClientId)
            // A read mark that comes an hour late helps nobody.
            .give_up_after(Duration::from_secs(3600))
            .output(json!({ "success": "boolean" }))
            .build(),
    ]
}
