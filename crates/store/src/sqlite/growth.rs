//! Nothing grows with the past: the work that SQLite does for a claim, an accept, a decision, a look-up, a
//! page or a start, counted in steps of its machine, is the same with 200,000 events as with 10,000.
//! Counters do not flake; times are for `pasarela bench growth`.

use super::write::Writer;
use super::{Options, SqliteStore, begin_boot, connect, prepare, read};
use crate::contract::{Claim, Decision, DedupKey, EventInsert, FactWrite, NewDelivery};
use crate::history::{History, TYPE};
use crate::rows::{DeliveryStatus, EffectFilter, EventFilter, RunFilter};
use crate::seal::Sealer;
use jiff::Timestamp;
use pasarela_domain::{DeliveryId, EntityRef, EventId, IdMaker};
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, StatementStatus};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const FEW: u64 = 10_000;
const MANY: u64 = 200_000;

struct Filled {
    db: Connection,
    sealer: Sealer,
    history: History,
    _folder: tempfile::TempDir,
}

impl Filled {
    fn new(events: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::file(folder.path().join("hub.db"));
        let history = History { events, runs: events / 10, pending: 100, body: 200, connection: 1, flow: 1 };
        SqliteStore::fill(&options, &history).unwrap();
        let mut db = connect(&options.path, false).unwrap();
        let sealer = prepare(&mut db, &options.path, &options.master()).unwrap();
        Self { db, sealer, history, _folder: folder }
    }

    /// Steps of SQLite's machine, of all statements that `ask` runs.
    fn steps(&mut self, ask: impl FnOnce(&Connection, &Sealer, &History)) -> i64 {
        self.db.flush_prepared_statement_cache();
        let steps = Arc::new(AtomicI64::new(0));
        let sum = steps.clone();
        let note = move |event: TraceEvent<'_>| {
            if let TraceEvent::Profile(statement, _) = event {
                sum.fetch_add(i64::from(statement.get_status(StatementStatus::VmStep)), Ordering::Relaxed);
            }
        };
        self.db.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(note)).unwrap();
        ask(&self.db, &self.sealer, &self.history);
        self.db.trace_v2(TraceEventCodes::empty(), None::<fn(TraceEvent<'_>)>).unwrap();
        let steps = steps.load(Ordering::Relaxed);
        assert!(steps > 0, "something was counted");
        steps
    }
}

/// What is asked: a name, and how.
type Ask = (&'static str, fn(&Connection, &Sealer, &History));

fn written(db: &Connection, write: impl FnOnce(&mut Writer<'_>)) {
    db.execute_batch("BEGIN").unwrap();
    let (mut ids, mut seq) = (IdMaker::above(0, History::delivery(1 << 40).get()), 1 << 40);
    let chain = crate::audit::Chain::new(&[7; 32]);
    write(&mut Writer { db, ids: &mut ids, seq: &mut seq, chain: &chain, rows: 0 });
    db.execute_batch("ROLLBACK").unwrap();
}

const ASKS: [Ask; 15] = [
    ("accept", |db, sealer, history| {
        let delivery = NewDelivery {
            connection: history.connection,
            source: "webhook",
            received_at: Timestamp::UNIX_EPOCH,
            packed: sealer.seal(&[b'x'; 200]),
            replay_key: None,
            door: false,
        };
        written(db, |w| assert!(w.accept(&delivery).is_ok()));
    }),
    ("decide", |db, sealer, history| {
        let delivery = History::delivery(history.events + 50);
        let key = history.key(history.events / 2) + 1;
        let event = EventInsert {
            id: EventId::from_raw(History::delivery(1 << 40).get()),
            event_type: TYPE.into(),
            connection: history.connection,
            key,
            occurred_at: Timestamp::UNIX_EPOCH,
            received_at: Timestamp::UNIX_EPOCH,
            delivery,
            body: sealer.seal(&[b'x'; 200]),
            subjects: vec![key],
        };
        let dedup = DedupKey { connection: history.connection, kind: TYPE.into(), entity: key, discriminator: key };
        let fact = FactWrite { dedup: Some(dedup), event: Some(event), ..FactWrite::default() };
        let mut decision = Decision {
            delivery,
            status: DeliveryStatus::Decided,
            reason: None,
            facts: vec![fact],
            subjects: vec![key],
            door: false,
        };
        written(db, |w| assert!(w.decide(&mut decision).is_ok()));
    }),
    ("claim", |db, sealer, history| {
        let id = History::effect(history.runs / 2, 1);
        db.execute("UPDATE effects SET status = 0 WHERE id = ?1", [id.get()]).unwrap();
        let call = sealer.seal(b"x");
        let claim = Claim {
            id,
            boot: 1,
            attempt: 2,
            generation: 1,
            started_at: Timestamp::UNIX_EPOCH,
            call,
            repeat: 0,
            alone_above: None,
        };
        written(db, |w| assert!(matches!(w.claim(std::slice::from_ref(&claim)).as_deref(), Ok([true]))));
        db.execute("UPDATE effects SET status = 10 WHERE id = ?1", [id.get()]).unwrap();
    }),
    ("look-up", |db, sealer, history| {
        let key = history.key(history.events / 2);
        let fact = DedupKey { connection: history.connection, kind: TYPE.into(), entity: key, discriminator: key };
        let known = read::lookup(db, sealer, &[fact], &[(1, EntityRef::new("order", "a"))]);
        assert!(matches!(known, Ok((known, _)) if known == [true]));
        let found = read::events(db, sealer, &EventFilter { key: Some(key), limit: 10, ..EventFilter::default() });
        assert!(matches!(found, Ok(page) if page.rows.len() == 1));
        assert!(matches!(read::run(db, sealer, History::run(history.runs / 2)), Ok(Some(_))));
        assert!(matches!(read::effect(db, sealer, History::effect(history.runs / 2, 1)), Ok(Some(_))));
        assert!(matches!(read::events_of(db, History::delivery(history.events / 2)), Ok(ids) if ids.len() == 1));
        assert!(matches!(read::naming(db, key, 0, 10), Ok(page) if page.rows.len() == 1));
    }),
    ("events about somebody", |db, sealer, history| {
        let found = read::events_about(db, sealer, history.key(history.events / 2), None, 50);
        assert!(matches!(found, Ok(page) if page.rows.len() == 1));
    }),
    ("runs of a flow", |db, sealer, _| {
        assert!(matches!(read::runs_of(db, sealer, &[1], 500, 12), Ok(runs) if runs.len() == 12));
        assert!(matches!(read::runs_of(db, sealer, &[2], 500, 12), Ok(runs) if runs.is_empty()));
    }),
    ("open steps of a flow", |db, _, _| {
        assert!(matches!(read::open_steps(db, 7, &[1, 2], 500), Ok(steps) if steps.is_empty()));
    }),
    ("newest events", |db, sealer, _| {
        let page = read::events(db, sealer, &EventFilter { limit: 50, ..EventFilter::default() });
        assert!(matches!(page, Ok(page) if page.rows.len() == 50 && page.next.is_some()));
    }),
    ("newest events of a type", |db, sealer, _| {
        let filter = EventFilter { event_type: Some(TYPE.into()), limit: 50, ..EventFilter::default() };
        assert!(matches!(read::events(db, sealer, &filter), Ok(page) if page.rows.len() == 50));
    }),
    ("newest deliveries", |db, sealer, _| {
        for status in [None, Some(DeliveryStatus::Received), Some(DeliveryStatus::Quarantined)] {
            assert!(read::deliveries(db, sealer, status, None, 50).is_ok());
        }
    }),
    ("newest runs", |db, sealer, _| {
        assert!(
            matches!(read::runs(db, sealer, &RunFilter { limit: 50, ..RunFilter::default() }), Ok(page) if page.rows.len() == 50)
        );
    }),
    ("newest effects", |db, sealer, _| {
        let filter = EffectFilter { limit: 50, ..EffectFilter::default() };
        assert!(matches!(read::effects(db, sealer, &filter), Ok(page) if page.rows.len() == 50));
    }),
    ("the inbox", |db, sealer, history| {
        let page = read::inbox(db, sealer, 0, 50);
        let first = DeliveryId::from_raw(History::delivery(history.events).get());
        assert!(matches!(page, Ok(page) if page.rows.len() == 50 && page.rows[0].id == first));
    }),
    ("health", |db, _, _| {
        let health = read::health(db, Timestamp::UNIX_EPOCH, &[], Path::new("x"));
        assert!(matches!(health, Ok(health) if health.inbox == 100));
        assert!(read::live_runs(db).is_ok());
    }),
    ("start", |db, sealer, _| {
        assert!(begin_boot(db).is_ok());
        assert!(read::interrupted(db, sealer, 2).is_ok());
        assert!(read::queued_flows(db, 1, 1).is_ok() && read::parked(db).is_ok() && read::next_timer(db).is_ok());
    }),
];

/// What is due for longest costs the same, however much waits behind it.
#[test]
fn a_hundred_times_the_backlog_costs_the_same_steps_to_find_what_is_due_for_longest() {
    let mut filled = Filled::new(MANY / 4);
    let after = |ms| Timestamp::from_millisecond(crate::history::WHEN + ms).unwrap();
    let mut queue = |effects: u64, not_before: &str| {
        let sql = format!(
            "UPDATE effects SET status = 0, created_at = ?1 + id - ?2, not_before = {not_before} WHERE id BETWEEN ?2 AND ?3"
        );
        let (first, last) = (History::effect(0, 0).get(), History::effect(0, effects - 1).get());
        filled.db.execute(&sql, [crate::history::WHEN, first, last]).unwrap();
        filled.steps(|db, _, _| {
            let oldest = read::oldest_due(db, after(5), false, &[]);
            assert!(matches!(oldest, Ok(Some(oldest)) if oldest == after(0)));
        })
    };
    for not_before in ["NULL", "?1 + id - ?2"] {
        let (few, many) = (queue(100, not_before), queue(10_000, not_before));
        assert!(many <= few + few / 20, "{many} steps with 10,000 queued, {few} with 100; {not_before}");
    }
}

#[test]
fn twenty_times_the_past_costs_the_same_steps() {
    let (mut few, mut many) = (Filled::new(FEW), Filled::new(MANY));
    for (what, ask) in ASKS {
        let (small, big) = (few.steps(ask), many.steps(ask));
        // A step more or less where a page begins; anything that walks the past is far beyond it.
        assert!(big <= small + small / 20, "{what}: {big} steps with {MANY} events, {small} with {FEW}");
    }
}
