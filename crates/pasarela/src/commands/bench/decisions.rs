//! `pasarela bench decisions`: what it costs to decide whether a message may be sent, in a database with a million
//! consents, against one with few: everything is read, nothing is written or sent.

use super::Decisions;
use super::figures::{Goal, Report};
use super::load::percentile_ms;
use super::place::{Database, Place};
use crate::Failure;
use crate::commands::bench::sample;
use crate::output::note;
use jiff::Timestamp;
use pasarela_connector::{ConnectionConfig, Provider};
use pasarela_domain::consent::{ConsentRecord, ConsentState, Consents, Evidence, Proof};
use pasarela_domain::model::Contact;
use pasarela_domain::{EntityRef, SystemClock};
use pasarela_engine::{
    ConnectionSetup, DEFAULT_BRAND, DEFAULT_SENDER, Engine, HubCatalog, LEDGER, Law, LimitOverride, ReconcileSettings,
    Setup,
};
use pasarela_store::{EntityUpsert, History, Store, Work, Worked};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// The short past.
const FEW: u64 = 1_000;
/// Read models of one transaction.
const ROWS: u64 = 500;
/// Transactions under way.
const WRITERS: u64 = 8;

pub(super) async fn run(args: &Decisions, databases: &[Database]) -> Result<Report, Failure> {
    let mut report = Report::default();
    for database in databases {
        let mut medians = Vec::new();
        for consents in [FEW, args.consents] {
            note(&format!("decisions: {} with {consents} consents", database.name()));
            let mut took = one(args, database, consents).await?;
            took.sort_unstable();
            let [p50, p99] = [50.0, 99.0].map(|p| percentile_ms(&took, p) * 1000.0);
            medians.push(p50);
            let what = format!("one decision, {}, {consents} consents", database.name());
            let goal = if matches!(database, Database::Sqlite) { Goal::AtMost(50.0) } else { Goal::None };
            report.figure(format!("{what}, median"), p50, "us", goal);
            report.figure(format!("{what}, p99"), p99, "us", Goal::None);
        }
        report.detail(format!("decisions_{}", database.name().to_lowercase()), json!({ "medians_us": medians }));
    }
    Ok(report)
}

fn failed(e: impl std::fmt::Display) -> Failure {
    Failure::Failed(e.to_string())
}

fn address(n: u64) -> String {
    format!("persona{n}@correo.example")
}

/// Microseconds of each decision.
async fn one(args: &Decisions, database: &Database, consents: u64) -> Result<Vec<u32>, Failure> {
    let place = Place::make(args.at.dir.as_deref(), database)?;
    let store = place.open().map_err(failed)?;
    let connection = store.connection_id("tienda", "http").await.map_err(failed)?;
    let flow = store.flow_id("banco", 1, sample::FLOW).await.map_err(failed)?;
    drop(store);
    // The events that the consents are.
    let history = History { events: consents, runs: 0, pending: 0, body: 200, connection, flow };
    place.fill(&history).map_err(failed)?;
    let store = place.open().map_err(failed)?;
    let ledger = store.connection_id(LEDGER, LEDGER).await.map_err(failed)?;
    fill(&store, ledger, consents).await?;
    let engine = engine(store).await?;
    let mut took = Vec::with_capacity(usize::try_from(args.rounds).unwrap_or_default());
    for n in 0..args.rounds + args.rounds / 10 {
        let who = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % consents;
        let input = json!({ "to": address(who), "subject": "Hola", "text": "Nueva colección" });
        let begun = Instant::now();
        let decided = engine.weigh("correo", "send", &input, Some("marketing"), Some("marketing")).await;
        let micros = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
        let decided = decided.map_err(failed)?.ok_or_else(|| failed("the connection has no such message"))?;
        if !decided.checks.iter().any(|c| c["check"] == "consent" && c["since"].is_string()) {
            return Err(failed(format!("a consent was not found: {:?}", decided.checks)));
        }
        // The first tenth warms what a hub that works has warm.
        if n >= args.rounds / 10 {
            took.push(micros);
        }
    }
    engine.stop(std::time::Duration::ZERO).await;
    Ok(took)
}

async fn fill(store: &Arc<dyn Store>, ledger: i64, consents: u64) -> Result<(), Failure> {
    let at: Timestamp = "2026-11-01T15:00:00Z".parse().map_err(failed)?;
    let record = ConsentRecord {
        id: "cns_banco".into(),
        state: ConsentState::Given,
        purpose: "marketing".into(),
        channel: None,
        contact: Contact::default(),
        at,
        recorded_at: at,
        evidence: Evidence::default(),
        analytics: Default::default(),
        legal_basis: Default::default(),
        birth_date: None,
        minor: false,
        guardian: None,
        proof: Proof { complete: true, ..Proof::default() },
    };
    let bytes = serde_json::to_vec(&Consents::of(&record)).map_err(failed)?;
    let mut from = 0;
    while from < consents {
        let batches = (0..WRITERS).map(|n| from + n * ROWS).filter(|first| *first < consents);
        let works = batches.map(|first| {
            let entities = (first..(first + ROWS).min(consents)).map(|n| {
                let hash = store.sealer().hash(&["subject", &format!("email:{}", address(n))]);
                EntityUpsert {
                    connection: ledger,
                    entity: EntityRef::new("consent", pasarela_store::hash_name(hash)),
                    expected: 0,
                    updated_at: None,
                    rank: 0,
                    hash: 0,
                    parent: None,
                    data: store.sealer().seal(&bytes),
                }
            });
            store.work(Work { entities: entities.collect(), ..Work::default() })
        });
        for written in futures_util::future::join_all(works).await {
            if !matches!(written.map_err(failed)?, Worked::Done { .. }) {
                return Err(failed("the consents could not be written"));
            }
        }
        from += WRITERS * ROWS;
    }
    Ok(())
}

async fn engine(store: Arc<dyn Store>) -> Result<Engine, Failure> {
    let registry: Vec<Arc<dyn Provider>> = pasarela_connectors::registry().into_iter().map(Arc::from).collect();
    let provider = registry.iter().find(|p| p.manifest().name == "smtp").cloned();
    let provider: Arc<dyn Provider> = provider.ok_or_else(|| failed("there is no provider for mail"))?;
    let mut config = ConnectionConfig::bare("correo", "smtp");
    config.base_url = Some("smtp://127.0.0.1:9".into());
    config.settings = json!({ "from": "Banco <banco@fashionistas.example>" });
    let catalog = Arc::new(HubCatalog::new([("correo", provider.clone())], registry.iter().cloned()));
    Engine::start(Setup {
        store,
        clock: Arc::new(SystemClock),
        connections: vec![ConnectionSetup {
            provider,
            config,
            allow_private_targets: true,
            extra_headers: Vec::new(),
            limits: LimitOverride::default(),
            reconcile: ReconcileSettings::default(),
            sender: DEFAULT_SENDER.into(),
            brand: DEFAULT_BRAND.into(),
        }],
        flows: Vec::new(),
        catalog,
        vars: Value::Null,
        law: Law::default(),
        keeping: Default::default(),
        wall: Arc::new(SystemClock),
        seed: 1,
        private_webhooks: true,
        people: None,
        passive: true,
    })
    .await
    .map_err(failed)
}
