//! Hi.Events: open ticketing. Shows, products, orders, tickets and check-ins.
//!
//! Promise: every webhook is verified over its raw bytes, every fact has one key whichever way it
//! came, and what the webhooks missed (the provider tries each once, for three seconds) is found
//! by polling. Written against 1.8.0-beta; unknown fields and event types are tolerated.
//!
//! Not here: the provider's own marketing opt-in and the affiliate of an order, which it exposes nowhere (consent
//! is asked for by a question of the organiser's; unknown is never "yes"), refunds of offline orders, which it does not offer, and its legacy check-in,
//! which its own lists do not see.

mod auth;
mod effects;
mod inbound;
mod normal;
mod provision;
mod questions;
mod reconcile;
mod simulator;
mod wire;

pub use simulator::HiEventsSimulator;

use jiff::Timestamp;
use pasarela_connector::provision::Provisioner;
use pasarela_connector::{
    Answer, ApiVersion, AuthKind, AuthStep, ConfigError, ConnectionConfig, Connector, Credential, Ctx, Limits,
    Manifest, PollStep, Provider, Rate, RawRequest, ReadBack, Request, SimConfig, Simulator, Source, Step, Task, Trait,
    Translation, Trial, Unread, Verdict, Verification, verify::Gate,
};
use pasarela_domain::{Currency, EntityRef};
use questions::{Question, Questions};
use serde_json::Value;
use std::sync::LazyLock;
use std::time::Duration;

/// Where the cloud is commonly seen; the provider does not promise it, so a connection should name its base.
const CLOUD: &str = "https://api.hi.events";

/// The provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct HiEvents;

/// Settings of a connection, besides the common ones. A connection without them receives
/// webhooks; login and reconciliation say which one they miss.
#[derive(Debug, Clone, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// E-mail of the Hi.Events user that the hub logs in as (role ORGANIZER is enough).
    #[serde(default)]
    email: Option<String>,
    /// Account to act for, where the user belongs to several.
    #[serde(default)]
    account_id: Option<NumericId>,
    /// Organiser whose shows, orders and tickets are reconciled, and who gets the webhook.
    #[serde(default)]
    organizer_id: Option<NumericId>,
    /// Currency of product prices, whose bodies name none (ISO 4217); COP when absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    currency: Option<Currency>,
    /// The organiser's questions whose answers the hub reads as phone, identity document or consent. What is not
    /// listed says nothing, but for phones, which are read from every question of type PHONE.
    #[serde(default)]
    questions: Vec<Question>,
    /// Orders of so many days are read again, since edits of answers and late changes raise no webhook; 7 when absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 365))]
    reread_days: Option<u16>,
}

/// A provider's id, written as a number or as a text of digits.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
enum NumericId {
    /// `3`
    Number(u64),
    /// `"3"`
    Text(String),
}

impl NumericId {
    fn digits(&self) -> Option<String> {
        match self {
            Self::Number(n) => Some(n.to_string()),
            Self::Text(t) => is_id(t).then(|| t.clone()),
        }
    }

    /// As the provider wants it: a number.
    fn to_json(&self) -> Value {
        match self {
            Self::Number(n) => Value::from(*n),
            Self::Text(t) => t.parse::<u64>().map_or_else(|_| Value::from(t.as_str()), Value::from),
        }
    }
}

/// Ids go into paths, so nothing but digits passes.
fn is_id(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| Manifest {
    name: "hi-events",
    title: "Hi.Events",
    docs: "https://hi.events/docs",
    api: ApiVersion { version: "1.8.0-beta", ends: None },
    default_base_url: Some(CLOUD),
    auth: AuthKind::Login,
    verification: Verification::Hmac {
        header: "signature",
        recipe: "lower-case hex HMAC-SHA256 of the raw body, key: the webhook's secret as it stands; \
                 event_sent_at inside the signed body must be younger than signature_max_age (10 minutes)",
    },
    settings: schemars::schema_for!(Settings),
    credentials: vec![Credential {
        name: "password",
        help: "Password of the Hi.Events user in `email`; there are no API keys. Make a user of its own for the hub, with role ORGANIZER.",
        required: true,
    }],
    actions: effects::actions(),
    events: &[
        "order.placed",
        "order.paid",
        "order.updated",
        "order.cancelled",
        "order.refunded",
        "ticket.issued",
        "ticket.updated",
        "ticket.cancelled",
        "ticket.checked_in",
        "ticket.check_in_undone",
        "show.published",
        "show.updated",
        "show.archived",
        "product.created",
        "product.updated",
        "product.deleted",
        "consent.given",
        "consent.withdrawn",
    ],
    fetches: &["show"],
    tasks: vec![
        Task { name: "orders", every: Duration::from_secs(5 * 60), whole: &["order", "ticket"] },
        Task { name: "attendees", every: Duration::from_secs(10 * 60), whole: &[] },
        Task { name: "check_ins", every: Duration::from_secs(10 * 60), whole: &[] },
        Task { name: "shows", every: Duration::from_secs(30 * 60), whole: &["show", "product"] },
        Task { name: "selling", every: Duration::from_secs(30 * 60), whole: &[] },
    ],
    no_history: None,
    // The provider allows 180 calls a minute; 20 at once and 100 more a minute stay within 120.
    limits: Limits {
        rate: Some(Rate { burst: 20, every: Duration::from_millis(600) }),
        concurrency: 4,
        timeout: Duration::from_secs(20),
    },
});

impl Provider for HiEvents {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }

    fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
        let settings: Settings = config.settings_as()?;
        for (name, id) in [("account_id", &settings.account_id), ("organizer_id", &settings.organizer_id)] {
            if id.as_ref().is_some_and(|id| id.digits().is_none()) {
                return Err(config.error(format!("{name}: write the number that Hi.Events shows, such as 3")));
            }
        }
        if settings.email.as_ref().is_some_and(|e| !e.contains('@')) {
            return Err(config.error("email: write the e-mail address of the Hi.Events user that the hub logs in as"));
        }
        if settings.reread_days.is_some_and(|days| !(1..=365).contains(&days)) {
            return Err(config.error("reread_days: write how many days back orders are read again, from 1 to 365"));
        }
        let gate = inbound::gate(&config).map_err(|why| config.error(why))?;
        let questions = Questions::read(&settings.questions).map_err(|why| config.error(why))?;
        Ok(Box::new(HiEventsConnector { config, settings, questions, gate }))
    }

    fn makes_webhook_secrets(&self) -> bool {
        true
    }

    fn simulator(&self, config: SimConfig) -> Option<Box<dyn Simulator>> {
        Some(Box::new(HiEventsSimulator::new(config)))
    }
}

/// One configured account.
struct HiEventsConnector {
    config: ConnectionConfig,
    settings: Settings,
    questions: Questions,
    gate: Gate,
}

impl HiEventsConnector {
    fn base(&self) -> &str {
        self.config.base_or(CLOUD)
    }

    fn url(&self, path: &str) -> String {
        self.config.url(CLOUD, path)
    }

    fn organizer(&self) -> Option<String> {
        self.settings.organizer_id.as_ref().and_then(NumericId::digits)
    }

    /// Orders of the last days, which are read again.
    fn recent(&self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_hours(24 * i64::from(self.settings.reread_days.unwrap_or(7)))
    }

    fn currency(&self) -> Currency {
        self.settings.currency.unwrap_or(Currency::COP)
    }
}

impl Connector for HiEventsConnector {
    fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    fn verify(&self, request: &RawRequest<'_>, now: Timestamp) -> Verdict {
        inbound::verify(&self.gate, request, now)
    }

    fn at_door(&self, body: &[u8]) -> bool {
        inbound::at_door(body)
    }

    fn translate(&self, source: Source, body: &[u8]) -> Result<Translation, Unread> {
        inbound::translate(source, body, inbound::Reading { currency: self.currency(), questions: &self.questions })
    }

    fn begin(&self, action: &str, inputs: &[Value], _ctx: &Ctx<'_>) -> Step {
        self.begin_action(action, inputs)
    }

    fn on(&self, action: &str, inputs: &[Value], state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        self.on_action(action, inputs, state, answer, ctx.now)
    }

    fn read_back(&self, action: &str, input: &Value, _ctx: &Ctx<'_>) -> Option<Request> {
        self.ask_back(action, input)
    }

    fn judge_read_back(&self, action: &str, input: &Value, answer: &Answer) -> ReadBack {
        effects::judge_back(action, input, answer)
    }

    fn authenticate(&self, _ctx: &Ctx<'_>) -> AuthStep {
        self.login()
    }

    fn on_authenticate(&self, answer: &Answer, ctx: &Ctx<'_>) -> AuthStep {
        self.on_login(answer, ctx.now)
    }

    /// Shows only: the path of an order, a ticket or a product holds the show's id too, which its
    /// own id does not tell; those come by webhook and reconciliation.
    fn fetch(&self, entity: &EntityRef) -> Option<Request> {
        (entity.kind == "show" && is_id(&entity.id)).then(|| Request::get(self.url(&format!("/events/{}", entity.id))))
    }

    fn poll(&self, task: &str, cursor: Option<&Value>, answer: Option<(&Value, &Answer)>, ctx: &Ctx<'_>) -> PollStep {
        reconcile::poll(self, task, cursor, answer, ctx.now)
    }

    fn probe(&self) -> Option<Request> {
        Some(Request::get(self.url("/users/me")))
    }

    fn hooks(&self) -> Option<Request> {
        Some(Request::get(self.url(&format!("/organizers/{}/webhooks", self.organizer()?))))
    }

    fn registered(&self, answer: &Answer) -> Option<Vec<String>> {
        effects::registered(answer)
    }

    fn traits(&self) -> &'static [Trait] {
        reconcile::TRAITS
    }

    fn provisioner(&self) -> Option<&dyn Provisioner> {
        Some(self)
    }

    fn trial(&self, now: Timestamp) -> Option<Trial> {
        inbound::trial(&self.config, now)
    }
}
