//! Twenty CRM: people, companies and deals of the platform, over its REST API.
//!
//! Role: keeps one person per e-mail address in the CRM, files notes and deals there, and tells the
//! hub what people in the CRM's own interface change.
//! Promise: every write may be repeated (an upsert by unique e-mail, or a record id that the hub
//! derives from its own key), and one bad person never holds back the 199 others of a batch.
//! The workspace's schema is brought to the fashion model when a person asks for it (`provision`).
//! What it is not: it does not speak GraphQL, whose errors and rate limits hide behind HTTP 200
//! (contract 1.4, 1.5).

mod effects;
mod inbound;
mod names;
mod provision;
mod reconcile;
mod simulator;
mod wire;

use jiff::Timestamp;
use pasarela_connector::{
    Answer, ApiVersion, AuthKind, ConfigError, ConnectionConfig, Connector, Credential, Ctx, Limits, Manifest,
    PollStep, Provider, Rate, RawRequest, Record, Request, SimConfig, Simulator, Source, Step, Translation, Trial,
    Unread, Verdict, Verification, provision::Provisioner, verify::Gate,
};
use pasarela_domain::EntityRef;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::sync::LazyLock;
use std::time::Duration;
use uuid::Uuid;

/// Calls a minute that Twenty's defaults and its Organization plan allow (contract 1.4).
const CALLS_PER_MINUTE: u32 = 100;

/// Reconciliation is every few minutes: a webhook is tried once, and never again (contract 0.2, 7.7).
const SWEEP: Duration = Duration::from_secs(300);

/// Where the cloud is.
const CLOUD: &str = "https://api.twenty.com";

/// Name of the credential: a static bearer token (contract 1.2). A key cannot renew itself, so what is
/// refused stays refused until a person pastes a new one.
const API_KEY: &str = "api_key";

/// The provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct Twenty;

/// Settings of a `[connections.NAME]` table with `provider = "twenty"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Calls a minute that the workspace's plan allows: 100, or 50 on the cloud's Pro plan.
    #[schemars(range(min = 1, max = 6000))]
    pub calls_per_minute: u32,
    /// Id of the workspace; webhooks of another one are quarantined.
    pub workspace: Option<String>,
    /// Name of the API key in Twenty (Settings → APIs & Webhooks). Changes made with it are the hub's
    /// own echoes and raise no events.
    pub api_key_name: Option<String>,
    /// API name of the unique text field that takes the hub's own key. Without it `hubId` is written where the
    /// workspace has such a field, which provisioning makes; `""`: none is written.
    pub hub_id_field: Option<String>,
    /// May many records be looked up in one call of GraphQL? Without it REST is asked for some fifty at a time. What
    /// the server does not understand is asked by REST anyway.
    pub graphql: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            calls_per_minute: CALLS_PER_MINUTE,
            workspace: None,
            api_key_name: None,
            hub_id_field: None,
            graphql: true,
        }
    }
}

/// Time between two calls. Version 2.31 refills its bucket by whole tokens since the last *accepted*
/// call: whoever calls faster than one token's time gets no refill at all and is refused after a
/// minute (contract 1.4). So there is no burst, and a twentieth of a second to spare for the network: of 130 calls at this
/// pace the server refused none, and its bucket of a minute bears calls that the network pushes together.
fn pace(calls_per_minute: u32) -> Rate {
    let every = 60_000 / u64::from(calls_per_minute.max(1)) + 50;
    Rate { burst: 1, every: Duration::from_millis(every) }
}

fn limits(calls_per_minute: u32) -> Limits {
    Limits { rate: Some(pace(calls_per_minute)), concurrency: 4, timeout: Duration::from_secs(30) }
}

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| Manifest {
    name: "twenty",
    title: "Twenty CRM",
    docs: "https://docs.twenty.com/developers/extend/api",
    api: ApiVersion { version: "2.31", ends: None },
    default_base_url: Some(CLOUD),
    auth: AuthKind::Bearer(API_KEY),
    verification: Verification::Hmac {
        header: inbound::SIGNATURE,
        recipe: "HMAC-SHA256 in lower-case hex with the webhook's secret (as text) over \
                 X-Twenty-Webhook-Timestamp (milliseconds), a colon and the raw body",
    },
    settings: schemars::schema_for!(Settings),
    credentials: vec![Credential {
        name: API_KEY,
        help: "API key of the workspace: Settings → APIs & Webhooks → Create key. It cannot renew itself; a person \
               makes the next one before it expires",
        required: true,
    }],
    actions: effects::actions(),
    events: &[
        "person.created",
        "person.updated",
        "person.deleted",
        "company.created",
        "company.updated",
        "company.deleted",
        "deal.created",
        "deal.updated",
        "deal.stage_changed",
    ],
    fetches: &[
        "person",
        "company",
        "deal",
        "designer",
        "collection",
        "sponsor_tier",
        "show_record",
        "order_record",
        "model_release",
    ],
    tasks: reconcile::tasks(),
    no_history: None,
    limits: limits(CALLS_PER_MINUTE),
});

impl Provider for Twenty {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }

    fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
        let settings: Settings = config.settings_as()?;
        if !(1..=6000).contains(&settings.calls_per_minute) {
            return Err(config.error(format!(
                "calls_per_minute is {}; write a number from 1 to 6000, such as 100",
                settings.calls_per_minute
            )));
        }
        if let Some(field) = &settings.hub_id_field
            && !field.is_empty()
            && !is_field_name(field)
        {
            return Err(config.error(format!(
                "hub_id_field '{field}' cannot be a field of Twenty; write its API name, such as hubId"
            )));
        }
        let gate = inbound::gate(&config).map_err(|why| config.error(why))?;
        Ok(Box::new(Connection { config, settings, gate }))
    }

    fn simulator(&self, config: SimConfig) -> Option<Box<dyn Simulator>> {
        Some(Box::new(simulator::Double::new(config)))
    }
}

/// Field names are camelCase with ASCII letters and digits (contract 3.2).
fn is_field_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(|c| c.is_ascii_alphanumeric())
}

/// One workspace.
struct Connection {
    config: ConnectionConfig,
    settings: Settings,
    gate: Gate,
}

impl Connection {
    /// Address of a path below the base (`/rest/people`).
    fn url(&self, path: &str) -> String {
        self.config.url(CLOUD, path)
    }

    /// The field that takes the hub's key, as the settings name it or as provisioning does; `None`: none is written.
    fn hub_field(&self) -> Option<&str> {
        Some(self.settings.hub_id_field.as_deref().unwrap_or(provision::HUB_ID)).filter(|field| !field.is_empty())
    }

    /// May many records be looked up in one call of GraphQL?
    fn graphql(&self) -> bool {
        self.settings.graphql
    }

    /// Is the field only supposed to be there? Then a workspace without it is written to without it.
    fn hub_field_is_a_guess(&self) -> bool {
        self.settings.hub_id_field.is_none()
    }

    /// The record id that belongs to one of the hub's own keys, for ever: the client may choose ids
    /// (contract 0.10), and the same id sent again is the same record.
    fn record_id(&self, object: &str, key: &str) -> Uuid {
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"twenty.pasarela.fashionistas");
        // Names of connections and objects hold no zero byte, so no two triples are the same text.
        Uuid::new_v5(&namespace, format!("{}\0{object}\0{key}", self.config.name).as_bytes())
    }
}

impl Connector for Connection {
    fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    fn verify(&self, request: &RawRequest<'_>, now: Timestamp) -> Verdict {
        inbound::verify(&self.gate, request, now)
    }

    fn translate(&self, _source: Source, body: &[u8]) -> Result<Translation, Unread> {
        inbound::translate(&self.settings, body)
    }

    fn begin(&self, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
        effects::begin(self, action, inputs, ctx)
    }

    fn on(&self, action: &str, inputs: &[Value], state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        effects::on(self, action, inputs, state, answer, ctx)
    }

    fn fetch(&self, entity: &EntityRef) -> Option<Request> {
        let object = wire::Object::of_entity(&entity.kind)?;
        // Anything but a UUID is refused there (contract 1.5), and must not become another path.
        let id: Uuid = entity.id.parse().ok()?;
        Some(Request::get(self.url(&format!("/rest/{}/{id}", object.plural()))))
    }

    fn poll(&self, task: &str, cursor: Option<&Value>, answer: Option<(&Value, &Answer)>, ctx: &Ctx<'_>) -> PollStep {
        reconcile::poll(self, task, cursor, answer, ctx)
    }

    fn look_for(&self, entity: &EntityRef) -> Option<Request> {
        self.fetch(entity)
    }

    fn gone(&self, entity: &EntityRef, answer: &Answer, ctx: &Ctx<'_>) -> Option<Record> {
        reconcile::gone(entity, answer, ctx)
    }

    fn limits(&self) -> Option<Limits> {
        Some(limits(self.settings.calls_per_minute))
    }

    fn probe(&self) -> Option<Request> {
        Some(Request::get(self.url("/rest/people")).query([("limit", "1")]))
    }

    fn hooks(&self) -> Option<Request> {
        Some(Request::get(self.url("/rest/metadata/webhooks")))
    }

    fn registered(&self, answer: &Answer) -> Option<Vec<String>> {
        let list = answer.parse::<wire::Hooks>().ok().filter(|_| answer.is_success())?;
        Some(list.data.into_iter().map(|hook| hook.target_url).collect())
    }

    fn provisioner(&self) -> Option<&dyn Provisioner> {
        Some(self)
    }

    fn trial(&self, now: Timestamp) -> Option<Trial> {
        inbound::trial(&self.config, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_stays_above_the_refill() {
        for (calls, millis) in [(100, 650), (50, 1250)] {
            assert_eq!(pace(calls), Rate { burst: 1, every: Duration::from_millis(millis) });
        }
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let with = |settings: Value| {
            let config = ConnectionConfig { settings, ..ConnectionConfig::bare("crm", "twenty") };
            Twenty.connect(config).map(|_| ()).map_err(|e| e.to_string())
        };
        assert_eq!(with(serde_json::json!({ "calls_per_minute": 50, "hub_id_field": "hubId" })), Ok(()));
        for (settings, word) in [
            (serde_json::json!({ "calls_per_minute": 0 }), "calls_per_minute"),
            (serde_json::json!({ "hub_id_field": "hub id" }), "hub_id_field"),
            (serde_json::json!({ "burst": 3 }), "burst"),
        ] {
            let message = with(settings).unwrap_err();
            assert!(message.starts_with("[connections.crm]") && message.contains(word), "{message}");
        }
    }

    #[test]
    fn record_ids_differ_by_connection_object_and_key_and_by_nothing_else() {
        let connection = |name: &str| {
            let config = ConnectionConfig::bare(name, "twenty");
            let gate = inbound::gate(&config).unwrap();
            Connection { config, settings: Settings::default(), gate }
        };
        let id = connection("crm").record_id("note", "e1");
        assert_eq!(id, connection("crm").record_id("note", "e1"));
        assert_ne!(id, connection("crm").record_id("note", "e2"));
        assert_ne!(id, connection("crm").record_id("noteTarget", "e1"));
        assert_ne!(id, connection("crm2").record_id("note", "e1"));
    }
}
