//! Nothing grows with the past: no statement of a claim, an accept, a decision, a look-up, a page or a start
//! walks a table that keeps history, and what a read touches is as few pages with 200,000 events as with
//! 10,000. The statements are those that the adapter really sends, caught on their way, with their values.
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use super::link::Address;
use super::node::Node;
use super::piece::{Job, survey};
use super::statement::PLANS;
use super::{Options, PostgresStore, Scratch, group, read};
use crate::contract::{
    Claim, Decision, DedupKey, EffectGuard, EffectState, EffectUpdate, EventInsert, FactWrite, NewDelivery, ReadGuard,
    RunStatus, RunWrite, Work,
};
use crate::history::{History, TYPE};
use crate::rows::{DeliveryStatus, EffectFilter, EventFilter, RunFilter};
use crate::seal::Sealer;
use jiff::Timestamp;
use pasarela_domain::{EntityRef, EventId, IdMaker, Secret};
use std::cell::RefCell;
use std::sync::Arc;
use tokio::sync::oneshot::channel;
use tokio_postgres::Client;

const FEW: u64 = 10_000;
const MANY: u64 = 200_000;
/// Tables that the past has filled. (The planner walks an empty table, whatever indexes it has.)
const PAST: [&str; 6] = ["deliveries", "dedup", "events", "event_subject", "runs", "effects"];

struct Filled {
    client: Client,
    sealer: Arc<Sealer>,
    history: History,
    node: Node,
    _store: PostgresStore,
    _scratch: Scratch,
    _folder: tempfile::TempDir,
}

/// Statements with their plans.
type Plans = Vec<(String, Vec<String>)>;

impl Filled {
    /// `None`, loudly, when no server was named.
    async fn new(events: u64) -> Option<Self> {
        let Ok(server) = std::env::var("PASARELA_TEST_POSTGRES_URL") else {
            eprintln!("SKIPPED: this test needs PostgreSQL; run it by scripts/postgres cargo test");
            return None;
        };
        let scratch = Scratch::make(&server).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let options =
            Options { url: Secret::new(scratch.url()), key_file: folder.path().join("hub.key"), master: None };
        let history = History { events, runs: events / 10, pending: 100, body: 200, connection: 1, flow: 1 };
        PostgresStore::fill(&options, &history).unwrap();
        let store = PostgresStore::open(&options).unwrap();
        let address = Address::parse(scratch.url()).unwrap();
        let client = address.connect(&tokio::runtime::Handle::current()).await.unwrap();
        let (sealer, node) = (store.sealer.clone(), store.inside.node);
        Some(Self { client, sealer, history, node, _store: store, _scratch: scratch, _folder: folder })
    }

    /// Plans of everything that is asked.
    async fn plans<T>(asked: impl Future<Output = T>) -> Plans {
        PLANS
            .scope(RefCell::default(), async {
                asked.await;
                PLANS.with(|plans| plans.borrow().clone())
            })
            .await
    }

    /// What is read: a name, and the plans.
    async fn reads(&self) -> Vec<(&'static str, Plans)> {
        let (client, sealer, history) = (&self.client, &*self.sealer, &self.history);
        let key = history.key(history.events / 2);
        let fact = DedupKey { connection: 1, kind: TYPE.into(), entity: key, discriminator: key };
        let newest = EventFilter { limit: 50, ..EventFilter::default() };
        let typed = EventFilter { event_type: Some(TYPE.into()), ..newest.clone() };
        let keyed = EventFilter { key: Some(key), ..newest.clone() };
        let runs = |status| RunFilter { status, limit: 50, ..RunFilter::default() };
        let effects =
            |states: &[EffectState]| EffectFilter { states: states.to_vec(), limit: 50, ..EffectFilter::default() };
        let (run, effect) = (History::run(history.runs / 2), History::effect(history.runs / 2, 1));
        let delivery = History::delivery(history.events / 2);
        let now = Timestamp::UNIX_EPOCH;
        vec![
            ("dedup", Self::plans(read::lookup(client, sealer, &[fact], &[(1, EntityRef::new("order", "a"))])).await),
            ("event by key", Self::plans(read::events(client, sealer, &keyed)).await),
            ("event", Self::plans(read::event(client, sealer, History::event(history.events / 2))).await),
            ("events of a delivery", Self::plans(read::events_of(client, delivery)).await),
            ("who names a person", Self::plans(read::naming(client, key, 0, 10)).await),
            ("events about somebody", Self::plans(read::events_about(client, sealer, key, None, 50)).await),
            ("runs of a flow", Self::plans(read::runs_of(client, sealer, vec![1], 500, 12)).await),
            ("open steps of a flow", Self::plans(read::open_steps(client, 7, vec![1, 2], 500)).await),
            ("run", Self::plans(read::run(client, sealer, run)).await),
            ("effect", Self::plans(read::effect(client, sealer, effect)).await),
            ("attempts", Self::plans(read::attempts(client, sealer, effect)).await),
            ("newest events", Self::plans(read::events(client, sealer, &newest)).await),
            ("newest events of a type", Self::plans(read::events(client, sealer, &typed)).await),
            ("newest runs", Self::plans(read::runs(client, sealer, &runs(None))).await),
            ("live runs", Self::plans(read::runs(client, sealer, &runs(Some(RunStatus::Running)))).await),
            ("newest effects", Self::plans(read::effects(client, sealer, &effects(&[]))).await),
            ("queued effects", Self::plans(read::effects(client, sealer, &effects(&[EffectState::Queued]))).await),
            ("dead effects", Self::plans(read::effects(client, sealer, &effects(&[EffectState::Dead]))).await),
            ("newest deliveries", Self::plans(read::deliveries(client, sealer, None, None, 50)).await),
            (
                "pending deliveries",
                Self::plans(read::deliveries(client, sealer, Some(DeliveryStatus::Received), None, 50)).await,
            ),
            (
                "quarantine",
                Self::plans(read::deliveries(client, sealer, Some(DeliveryStatus::Quarantined), None, 50)).await,
            ),
            ("inbox", Self::plans(read::inbox(client, sealer, 0, None, Some(&[1]), 50)).await),
            ("inbox beside others", Self::plans(read::inbox(client, sealer, 0, Some(&[7]), Some(&[1]), 50)).await),
            ("effects that arrived", Self::plans(read::arrived(client, 1, 40, 50)).await),
            ("places", Self::plans(read::places(client, &[1, 2])).await),
            ("interrupted", Self::plans(read::interrupted(client, sealer, 1)).await),
            ("queued flows", Self::plans(read::queued_flows(client, 1, 1)).await),
            ("queued", Self::plans(read::queued(client, 1, 1, 7, -1, 50)).await),
            ("queued lane", Self::plans(read::queued_lane(client, 1, 1, 7, -1, 50)).await),
            ("parked", Self::plans(read::parked(client)).await),
            ("by reference", Self::plans(read::by_reference(client, sealer, 1, 2)).await),
            ("timers", Self::plans(read::timers(client, now, Some(&[1]), 50)).await),
            ("health", Self::plans(read::health(client, now, &[])).await),
            ("live runs by flow", Self::plans(read::live_runs(client)).await),
            ("highest id", Self::plans(read::highest_id(client)).await),
        ]
    }

    /// Plans of a group of writes, which is not committed.
    async fn writes(&self) -> Plans {
        let (sealer, history) = (&*self.sealer, &self.history);
        let now = Timestamp::UNIX_EPOCH;
        let fresh = History::delivery(1 << 40).get();
        let delivery = NewDelivery {
            connection: 1,
            source: "webhook",
            received_at: now,
            packed: sealer.seal(b"x"),
            replay_key: Some("n".into()),
            door: false,
        };
        let key = history.key(history.events / 2) + 1;
        let event = EventInsert {
            id: EventId::from_raw(fresh),
            event_type: TYPE.into(),
            connection: 1,
            key,
            occurred_at: now,
            received_at: now,
            delivery: History::delivery(history.events + 50),
            body: sealer.seal(b"x"),
            subjects: vec![key],
        };
        let guards = vec![
            ReadGuard::Entity { connection: 1, entity: EntityRef::new("order", "a"), version: 0 },
            ReadGuard::Listeners { key, event_type: TYPE.into(), runs: Vec::new() },
            ReadGuard::Events { key, after: History::event(0), types: vec!["x".into()], count: 0 },
        ];
        let fact = FactWrite {
            dedup: Some(DedupKey { connection: 1, kind: TYPE.into(), entity: key, discriminator: key }),
            event: Some(event),
            work: Work { guards, ..Work::default() },
            ..FactWrite::default()
        };
        let decision = Decision {
            delivery: History::delivery(history.events + 50),
            status: DeliveryStatus::Decided,
            reason: None,
            facts: vec![fact],
            subjects: vec![key],
            door: false,
        };
        let (done, claimed) = (History::effect(history.runs / 2, 1), History::effect(history.runs / 2, 2));
        let update = EffectUpdate {
            id: done,
            guard: EffectGuard::Attempt { boot: 1, attempt: 1 },
            to: EffectState::Done,
            not_before: None,
            code: None,
            outcome: Some(sealer.seal(b"x")),
            reference: None,
            renew: None,
            give_up_at: None,
            reenters: None,
        };
        let run = RunWrite {
            id: History::run(history.runs / 2),
            expected: 4,
            status: RunStatus::Running,
            state: sealer.seal(b"x"),
            listen: Vec::new(),
            unlisten: Vec::new(),
            at: now,
        };
        let claim = Claim {
            id: claimed,
            boot: 1,
            attempt: 2,
            generation: 1,
            started_at: now,
            call: sealer.seal(b"x"),
            repeat: 0,
            alone_above: None,
        };
        let jobs: Vec<Job> = vec![
            Job::Accept(delivery, channel().0),
            Job::Decide(Box::new(decision), channel().0),
            Job::Work(Box::new(Work { updates: vec![update], runs: vec![run], ..Work::default() }), channel().0),
            Job::Claim(vec![claim], channel().0),
        ];
        let locks = jobs.iter().flat_map(|j| survey(j).0.locks()).collect();
        let (mut ids, chain) = (IdMaker::above(0, fresh), crate::audit::Chain::new(&[7; 32]));
        // Whatever becomes of the group (its effects are done already): its statements have been planned.
        let plans =
            Self::plans(group::write(&self.client, self.node, &jobs, locks, false, false, &mut ids, &chain)).await;
        self.client.batch_execute("ROLLBACK").await.unwrap();
        plans
    }
}

/// Tables of the past that a plan walks from end to end.
fn walked(plan: &[String]) -> Vec<&str> {
    let scans = plan.iter().filter_map(|l| l.split_once("Seq Scan on ")).map(|(_, rest)| rest);
    scans.filter(|rest| PAST.iter().any(|t| rest.split(' ').next() == Some(t))).collect()
}

/// Pages that the statement itself touched.
fn pages(plan: &[String]) -> u64 {
    let line = plan.iter().take_while(|l| !l.starts_with("Planning")).find(|l| l.contains("Buffers: shared"));
    let numbers = line.into_iter().flat_map(|l| l.split_whitespace());
    numbers
        .filter_map(|w| w.strip_prefix("hit=").or(w.strip_prefix("read=")))
        .filter_map(|n| n.parse::<u64>().ok())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_times_the_past_costs_the_same_pages_and_is_never_walked() {
    let Some(few) = Filled::new(FEW).await else { return };
    let Some(many) = Filled::new(MANY).await else { return };
    let (small, big) = (few.reads().await, many.reads().await);
    for ((what, small), (_, big)) in small.iter().zip(&big) {
        assert!(!big.is_empty(), "{what}: its statements were caught");
        for (sql, plan) in big {
            assert!(walked(plan).is_empty(), "{what} walks {:?}: {sql}\n{}", walked(plan), plan.join("\n"));
        }
        let sum = |plans: &Plans| plans.iter().map(|(_, plan)| pages(plan)).sum::<u64>();
        let (small, big) = (sum(small), sum(big));
        // Every index may be one level higher.
        assert!(big <= small + small / 2 + 8, "{what}: {big} pages with {MANY} events, {small} with {FEW}");
    }
    let writes = many.writes().await;
    let of = |word: &str| writes.iter().filter(|(sql, _)| sql.contains(word)).count();
    for table in [
        "INSERT INTO deliveries",
        "INSERT INTO dedup",
        "INSERT INTO events",
        "UPDATE effects",
        "UPDATE runs",
        "DELETE FROM inbox",
    ] {
        assert!(of(table) > 0, "{table} was planned");
    }
    for (sql, plan) in &writes {
        assert!(walked(plan).is_empty(), "walks {:?}: {sql}\n{}", walked(plan), plan.join("\n"));
    }

    // What is due for longest is looked up, however much waits behind it, and before the server has
    // counted its tables anew.
    let sql = "UPDATE effects SET status = 0, not_before = CASE WHEN id % 2 = 0 THEN created_at END WHERE id % 3 = 0";
    assert!(many.client.execute(sql, &[]).await.unwrap() >= MANY / 10);
    for analysed in [false, true] {
        if analysed {
            many.client.batch_execute("ANALYZE effects").await.unwrap();
        }
        let plans = Filled::plans(read::health(&many.client, Timestamp::now(), &[])).await;
        let plan = plans.iter().map(|(_, plan)| plan).find(|p| p.iter().any(|l| l.contains("effects_due"))).unwrap();
        // The count walks the same index, by another name of the table.
        let is_seek = |l: &&String| ["e ", "e_"].iter().any(|e| l.contains(&format!("effects_due on effects {e}")));
        let seeks: Vec<_> = plan.iter().filter(is_seek).collect();
        assert_eq!(seeks.len(), 2, "{plan:#?}");
        for seek in seeks {
            let read = seek.split_once("actual rows=").and_then(|(_, rest)| rest.split([' ', '.']).next());
            assert_eq!(read, Some("1"), "{seek}");
        }
    }
}
