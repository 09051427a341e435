//! The ledger as a connection: it takes in what the API hands over, and nothing from outside.

use super::{CONSENT, Entry, LEDGER, RECORD, lay, lay_standing};
use crate::connections::{ConnectionSetup, LimitOverride};
use crate::reconcile::ReconcileSettings;
use crate::standing::STANDING;
use pasarela_connector::{
    Answer, ApiVersion, AuthKind, ConfigError, ConnectionConfig, Connector, Ctx, EntityWrite, Fact, Limits, Manifest,
    Outcome, Provider, RawRequest, SimConfig, Simulator, Source, Step, Translation, Unread, Verdict, Verification,
};
use pasarela_domain::consent::{ConsentRecord, ConsentState, Consents, EVERYTHING};
use pasarela_domain::model;
use pasarela_domain::standing::{Guardian, Standing};
use serde_json::Value;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The ledger beside the configured connections.
pub(crate) fn setup() -> ConnectionSetup {
    ConnectionSetup {
        provider: Arc::new(Ledger),
        config: ConnectionConfig::bare(LEDGER, LEDGER),
        allow_private_targets: false,
        extra_headers: Vec::new(),
        limits: LimitOverride::default(),
        reconcile: ReconcileSettings::default(),
        sender: crate::connections::DEFAULT_SENDER.into(),
        // What people said about their data is the hub's, and no brand's.
        brand: String::new(),
    }
}

struct Ledger;

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| Manifest {
    name: LEDGER,
    title: "Pasarela",
    docs: "https://docs.pasarela.example",
    api: ApiVersion { version: "1", ends: None },
    default_base_url: None,
    auth: AuthKind::Nothing,
    verification: Verification::NoInbound,
    settings: schemars::json_schema!({ "type": "object", "additionalProperties": false }),
    credentials: Vec::new(),
    actions: Vec::new(),
    events: &[
        "consent.given",
        "consent.withdrawn",
        "person.link_requested",
        "person.created",
        "person.updated",
        "person.merged",
        "person.deleted",
        "case.opened",
        "case.incomplete",
        "case.labelled",
        "case.extended",
        "case.decided",
        "case.answered",
        "case.passed_on",
        "case.withdrawn",
        "case.reminder",
    ],
    fetches: &[],
    tasks: Vec::new(),
    no_history: Some("the ledger is its own history"),
    limits: Limits { rate: None, concurrency: 1, timeout: Duration::from_secs(10) },
});

impl Provider for Ledger {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }
    fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
        Ok(Box::new(Connected(config)))
    }
    fn simulator(&self, _config: SimConfig) -> Option<Box<dyn Simulator>> {
        None
    }
}

struct Connected(ConnectionConfig);

impl Connector for Connected {
    fn config(&self) -> &ConnectionConfig {
        &self.0
    }

    fn verify(&self, _request: &RawRequest<'_>, _now: jiff::Timestamp) -> Verdict {
        Verdict::Forged("the ledger takes nothing from outside; POST /api/v1/consents records a consent")
    }

    fn translate(&self, _source: Source, body: &[u8]) -> Result<Translation, Unread> {
        if let Some(asked) = super::links::translate(body) {
            return asked;
        }
        if let Some(told) = crate::people::translate(body) {
            return told;
        }
        if let Some(news) = crate::cases::news::translate(body) {
            return news;
        }
        let entry: Entry = serde_json::from_slice(body)?;
        let record = &entry.record;
        let told = model::Consent {
            contact: record.contact.clone(),
            channel_user_id: entry.user.clone(),
            channel: record.channel.clone().unwrap_or_else(|| "all".into()),
            purpose: record.purpose.clone(),
            record_id: Some(record.id.clone()),
            evidence: Some(record.evidence.clone()),
        };
        let kind = match record.state {
            ConsentState::Given => "consent.given",
            ConsentState::Withdrawn => "consent.withdrawn",
        };
        let first = entry.people.first().ok_or_else(|| Unread("a record names nobody".into()))?;
        let json = |value: serde_json::Result<Value>| value.map_err(|e| Unread(e.to_string()));
        let mut fact = Fact::once(kind, format!("person:{first}"), &record.id, "", json(serde_json::to_value(told))?)
            .at(Some(record.at))
            .with(EntityWrite::new(RECORD, &record.id, json(serde_json::to_value(&entry))?));
        let said = json(serde_json::to_value(Consents::of(record)))?;
        for person in &entry.people {
            fact = fact.with(EntityWrite::new(CONSENT, person, said.clone()).merged(lay));
        }
        if let Some(standing) = standing(record) {
            let standing = json(serde_json::to_value(standing))?;
            for person in &entry.people {
                fact = fact.with(EntityWrite::new(STANDING, person, standing.clone()).merged(lay_standing));
            }
        }
        Ok(Translation { items: vec![fact.into()] })
    }

    fn begin(&self, _action: &str, inputs: &[Value], _ctx: &Ctx<'_>) -> Step {
        Step::all(inputs.len(), &Outcome::give_up("unknown_action", "the ledger does nothing elsewhere"))
    }

    fn on(&self, action: &str, inputs: &[Value], _state: &Value, _answer: &Answer, ctx: &Ctx<'_>) -> Step {
        self.begin(action, inputs, ctx)
    }
}

/// What a record says against a person, beside what they allow: their age, who answers for them, that they took
/// everything back.
fn standing(record: &ConsentRecord) -> Option<Standing> {
    let everything = record.purpose == EVERYTHING && record.channel.is_none();
    let standing = Standing {
        born: record.birth_date,
        minor: record.minor,
        guardian: record.guardian.as_ref().map(|g| Guardian {
            name: g.name.clone(),
            document: g.document.clone(),
            relationship: g.relationship.clone(),
            record: Some(g.consent.clone()),
        }),
        revoked_all: everything.then_some(record.at),
        ..Standing::default()
    };
    (standing != Standing::default()).then_some(standing)
}
