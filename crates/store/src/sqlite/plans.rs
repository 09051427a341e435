//! Query plans of the hot statements: the cost of a claim, a page or a health check follows the
//! backlog and never the history. The statements are those that the functions really run, caught
//! on their way into SQLite, so that a changed text cannot slip past.

use super::{audit, parts, passes, read, records, schema};
use crate::audit::{AuditFilter, AuditKind};
use crate::contract::{DedupKey, EffectState, RunStatus};
use crate::records::{RecordFilter, RecordOrder};
use crate::rows::{DeliveryStatus, EffectFilter, EventFilter, RunFilter};
use crate::seal::Sealer;
use jiff::Timestamp;
use pasarela_domain::{DeliveryId, EffectId, EntityRef, EventId, RunId};
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use std::path::Path;
use std::sync::{Arc, Mutex};

struct Bench {
    db: Connection,
    sealer: Sealer,
}

impl Bench {
    fn new() -> Self {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(schema::SCHEMA).unwrap();
        db.execute_batch(schema::EXPANSION).unwrap();
        Self { db, sealer: Sealer::new(&[1; 32], &[2; 32]).unwrap() }
    }

    /// Plans of every statement that `ask` runs, one line each.
    fn plan<T>(&mut self, ask: impl FnOnce(&Connection, &Sealer) -> Result<T, super::ReadError>) -> Vec<String> {
        let statements = Arc::new(Mutex::new(Vec::<String>::new()));
        let sink = statements.clone();
        let note = move |event: TraceEvent<'_>| {
            if let TraceEvent::Stmt(statement, _) = event {
                sink.lock().unwrap().push(statement.sql().into_owned());
            }
        };
        self.db.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note)).unwrap();
        let asked = ask(&self.db, &self.sealer);
        self.db.trace_v2(TraceEventCodes::empty(), None::<fn(TraceEvent<'_>)>).unwrap();
        assert!(asked.is_ok(), "the statement runs");
        let statements = statements.lock().unwrap();
        assert!(!statements.is_empty());
        let mut lines = Vec::new();
        for sql in statements.iter() {
            let mut explain = self.db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let mut rows = explain.raw_query();
            while let Some(row) = rows.next().unwrap() {
                lines.push(row.get::<_, String>(3).unwrap());
            }
        }
        lines
    }
}

/// Every step goes by one of `by`; no table is scanned whole and nothing is sorted.
#[track_caller]
fn goes_by(plan: &[String], by: &[&str]) {
    for line in plan {
        let known = by.iter().any(|b| line.contains(b));
        assert!(known, "{line:?} goes by none of {by:?}; whole plan: {plan:#?}");
    }
}

const BY_ID: &str = "USING INTEGER PRIMARY KEY (rowid";

#[test]
fn health_goes_over_hot_indexes_only() {
    let plan = Bench::new().plan(|db, _| read::health(db, Timestamp::UNIX_EPOCH, &[7], Path::new("x")));
    goes_by(
        &plan,
        &[
            "SCAN i",
            "SCAN inbox",
            "d USING INTEGER PRIMARY KEY (rowid=?)",
            "INDEX effects_open",
            "INDEX effects_lane",
            "INDEX effects_due",
            "INDEX effects_calling",
            "INDEX effects_held",
            "INDEX delivery_quarantine",
            "INDEX delivery_proposed",
            // Is anything paused at all? A handful of rows.
            "SCAN pauses",
            "SCAN CONSTANT ROW",
            "SCALAR SUBQUERY",
        ],
    );
}

/// What is due for longest is two seeks into an index that has it first, paused work or not.
#[test]
fn what_is_due_for_longest_is_looked_up() {
    let mut b = Bench::new();
    for pauses in ["", "INSERT INTO pauses (kind, name, who, since) VALUES ('class', 'marketing', 'ana', 0)"] {
        b.db.execute_batch(pauses).unwrap();
        let plan = b.plan(|db, _| read::health(db, Timestamp::UNIX_EPOCH, &[], Path::new("x")));
        for seek in ["INDEX effects_due (not_before=?)", "INDEX effects_due (not_before<?)"] {
            assert!(plan.iter().any(|line| line.contains(seek)), "{seek:?} is none of {plan:#?}");
        }
        assert!(!plan.iter().any(|line| line.contains("ORDER BY")), "nothing is sorted: {plan:#?}");
    }
}

/// Retention walks by ids and asks by indexes: nothing is scanned from the front, nothing is sorted.
#[test]
fn retention_walks_by_ids() {
    let mut b = Bench::new();
    for kept in crate::care::Kept::ALL {
        let plan = b.plan(|db, _| super::care::look(db, kept, Timestamp::UNIX_EPOCH, 10));
        for line in &plan {
            let searched = line.contains("SEARCH") || line.contains("SUBQUERY");
            assert!(searched, "{kept:?}: {line:?} of {plan:#?}");
        }
    }
}

#[test]
fn what_a_start_reads_follows_the_backlog() {
    let mut b = Bench::new();
    goes_by(&b.plan(|db, s| read::interrupted(db, s, 7)), &["INDEX effects_calling (boot<?)"]);
    goes_by(
        &b.plan(|db, _| read::queued_flows(db, 1, 0)),
        &["COVERING INDEX effects_open (connection=? AND urgency=? AND flow>?)"],
    );
    let in_lane = ["CORRELATED SCALAR SUBQUERY", "INDEX effects_lane (connection=? AND urgency=? AND lane=?"];
    goes_by(
        &b.plan(|db, _| read::queued(db, 1, 0, 7, -1, 10)),
        &[in_lane[0], in_lane[1], "INDEX effects_open (connection=? AND urgency=? AND flow=? AND seq>?)"],
    );
    goes_by(&b.plan(|db, _| read::queued_lane(db, 1, 0, 7, -1, 10)), &in_lane);
    goes_by(&b.plan(|db, _| read::parked(db)), &["INDEX effects_held (status=?)", "TEMP B-TREE FOR DISTINCT"]);
    goes_by(
        &b.plan(|db, s| read::inbox(db, s, 0, 10)),
        &["SEARCH i USING INTEGER PRIMARY KEY (rowid>?)", "SEARCH d USING INTEGER PRIMARY KEY (rowid=?)"],
    );
}

#[test]
fn what_each_event_reads_is_a_search() {
    let mut b = Bench::new();
    let keys = [DedupKey { connection: 1, kind: "k".into(), entity: 1, discriminator: 1 }];
    let entities = [(1, EntityRef::new("order", "a"))];
    goes_by(
        &b.plan(|db, s| read::lookup(db, s, &keys, &entities)),
        &[
            "PRIMARY KEY (entity=? AND discriminator=? AND connection=? AND kind=?)",
            "(connection=? AND kind=? AND entity=?)",
        ],
    );
    goes_by(&b.plan(|db, _| read::listeners(db, 1, "order.paid")), &["PRIMARY KEY (key=? AND type=?)"]);
    goes_by(
        &b.plan(|db, s| read::by_reference(db, s, 1, 2)),
        &["INDEX effects_reference (connection=? AND reference=?)"],
    );
    goes_by(&b.plan(|db, _| read::timers(db, Timestamp::UNIX_EPOCH, 10)), &["PRIMARY KEY (due<?)"]);
    goes_by(&b.plan(|db, _| read::next_timer(db)), &["SCAN timers"]);
    goes_by(&b.plan(|db, s| read::effect(db, s, EffectId::from_raw(1))), &[BY_ID]);
    goes_by(&b.plan(|db, s| read::run(db, s, RunId::from_raw(1))), &[BY_ID]);
    goes_by(&b.plan(|db, s| read::event(db, s, EventId::from_raw(1))), &[BY_ID]);
    goes_by(
        &b.plan(|db, s| read::attempts(db, s, EffectId::from_raw(1))),
        &["PRIMARY KEY (effect=?)", BY_ID, "MERGE (UNION ALL)", "LEFT", "RIGHT"],
    );
    // Sorted in memory: what names one person is few.
    goes_by(
        &b.plan(|db, _| read::naming(db, 1, 0, 10)),
        &[
            "PRIMARY KEY (subject=?",
            "e USING INTEGER PRIMARY KEY (rowid=?)",
            "MERGE (UNION)",
            "LEFT",
            "RIGHT",
            "TEMP B-TREE FOR ORDER BY",
        ],
    );
    goes_by(&b.plan(|db, _| read::events_of(db, DeliveryId::from_raw(1))), &["INDEX events_delivery (delivery=?)"]);
    goes_by(
        &b.plan(|db, s| read::events_about(db, s, 1, None, 10)),
        &["PRIMARY KEY (subject=? AND event<?)", "e USING INTEGER PRIMARY KEY (rowid=?)"],
    );
    goes_by(&b.plan(|db, sealer| passes::one(db, sealer, [1; 32])), &["PRIMARY KEY (hash=?)"]);
    goes_by(&b.plan(|db, sealer| passes::of(db, sealer, "usr_1")), &["passes_account (account=?)"]);
}

#[test]
fn lists_read_a_page_and_not_the_history() {
    let mut b = Bench::new();
    let result = "CORRELATED SCALAR SUBQUERY";
    goes_by(&b.plan(|db, s| read::deliveries(db, s, None, None, 10)), &[BY_ID, result]);
    let decided = Some(DeliveryStatus::Decided);
    goes_by(&b.plan(|db, s| read::deliveries(db, s, decided, None, 10)), &[BY_ID, result]);
    goes_by(
        &b.plan(|db, s| read::deliveries(db, s, Some(DeliveryStatus::Received), None, 10)),
        &["SEARCH i USING INTEGER PRIMARY KEY (rowid<?)", "USING INTEGER PRIMARY KEY (rowid=?)", result],
    );
    goes_by(
        &b.plan(|db, s| read::deliveries(db, s, Some(DeliveryStatus::Quarantined), None, 10)),
        &["INDEX delivery_quarantine (delivery<?)", "USING INTEGER PRIMARY KEY (rowid=?)", result],
    );
    goes_by(
        &b.plan(|db, s| read::deliveries(db, s, Some(DeliveryStatus::Proposed), None, 10)),
        &["INDEX delivery_proposed (delivery<?)", "USING INTEGER PRIMARY KEY (rowid=?)", result],
    );
    goes_by(
        &b.plan(|db, _| read::entity_ids(db, 1, "order", "7", 10)),
        &["INDEX sqlite_autoindex_entities_1 (connection=? AND kind=? AND entity>?)"],
    );
    goes_by(
        &b.plan(|db, s| parts::list(db, s, 1, "order", Some(9), 10)),
        &["INDEX parts_parent (parent=? AND kind=? AND number<?)", "INDEX sqlite_autoindex_entities_1"],
    );
    goes_by(&b.plan(|db, _| parts::count(db, &[1], "order")), &["COVERING INDEX parts_parent (parent=? AND kind=?)"]);
    let events = |f: EventFilter| EventFilter { limit: 10, ..f };
    goes_by(&b.plan(|db, s| read::events(db, s, &events(EventFilter::default()))), &[BY_ID]);
    let paid = events(EventFilter { event_type: Some("order.paid".into()), ..EventFilter::default() });
    goes_by(
        &b.plan(|db, s| read::events(db, s, &paid)),
        &["INDEX events_type (type=? AND id>? AND id<?)", "INDEX events_type (type=? AND rowid>? AND rowid<?)"],
    );
    let keyed = events(EventFilter { key: Some(1), ascending: true, ..EventFilter::default() });
    goes_by(
        &b.plan(|db, s| read::events(db, s, &keyed)),
        &["INDEX events_key (key=? AND id>? AND id<?)", "INDEX events_key (key=? AND rowid>? AND rowid<?)"],
    );
    let runs = |status| RunFilter { status, limit: 10, ..RunFilter::default() };
    goes_by(&b.plan(|db, s| read::runs(db, s, &runs(None))), &[BY_ID]);
    for live in [RunStatus::Running, RunStatus::Blocked, RunStatus::Settling] {
        goes_by(&b.plan(|db, s| read::runs(db, s, &runs(Some(live)))), &["INDEX runs_live"]);
    }
    let of_event = RunFilter { event: Some(EventId::from_raw(1)), limit: 10, ..RunFilter::default() };
    goes_by(&b.plan(|db, s| read::runs(db, s, &of_event)), &["INDEX runs_event (event=?"]);
}

#[test]
fn lists_of_open_effects_follow_the_backlog() {
    let mut b = Bench::new();
    let effects =
        |states: &[EffectState]| EffectFilter { states: states.to_vec(), limit: 10, ..EffectFilter::default() };
    goes_by(&b.plan(|db, s| read::effects(db, s, &effects(&[]))), &[BY_ID]);
    // Sorted in memory: what is open is few.
    let sorted = "TEMP B-TREE FOR ORDER BY";
    goes_by(
        &b.plan(|db, s| read::effects(db, s, &effects(&[EffectState::Dead, EffectState::Unknown]))),
        &["INDEX effects_held (status=?", sorted],
    );
    goes_by(&b.plan(|db, s| read::effects(db, s, &effects(&[EffectState::Dead]))), &["INDEX effects_held (status=?"]);
    goes_by(
        &b.plan(|db, s| read::effects(db, s, &effects(&[EffectState::Calling]))),
        &["INDEX effects_calling", sorted],
    );
    goes_by(&b.plan(|db, s| read::effects(db, s, &effects(&[EffectState::Queued]))), &["INDEX effects_open", sorted]);
}

#[test]
fn records_are_found_by_what_is_asked_for() {
    let mut b = Bench::new();
    let now = Timestamp::UNIX_EPOCH;
    let by = [
        (RecordOrder::Newest, "INDEX records_kind (kind=? AND number<?)"),
        (RecordOrder::Open, "INDEX records_open (kind=? AND number<?)"),
        (RecordOrder::Due(now), "INDEX records_due (kind=? AND due>? AND due<?)"),
        (RecordOrder::Closed(now, None), "INDEX records_closed (kind=? AND changed_at>? AND changed_at<?)"),
        (RecordOrder::About(7), "PRIMARY KEY (subject=? AND record<?)"),
    ];
    for (order, index) in by {
        let filter = RecordFilter::first("caso", order, 10);
        goes_by(&b.plan(|db, s| records::list(db, s, &filter)), &[index, "r USING INTEGER PRIMARY KEY (rowid=?)"]);
    }
    goes_by(&b.plan(|db, s| records::one(db, s, "caso", "a")), &["(kind=? AND id=?)"]);
}

/// A page of the audit costs its rows, whatever is asked for and however many entries there are: it goes down an
/// index from where it begins, and whether a deed has ended is one look-up for each.
#[test]
fn a_page_of_the_audit_is_a_walk_down_an_index() {
    let all = AuditFilter { limit: 50, ..AuditFilter::default() };
    let some = Some("x".to_owned());
    let kind = |kind| AuditFilter { kind: Some(kind), ..all.clone() };
    for filter in [
        all.clone(),
        kind(AuditKind::Changes),
        kind(AuditKind::Looks),
        kind(AuditKind::Refusals),
        AuditFilter { who: some.clone(), ..kind(AuditKind::Changes) },
        AuditFilter { name: some.clone(), ..all.clone() },
        AuditFilter { action: some.clone(), ..all.clone() },
        AuditFilter { subject: some, ..all.clone() },
        AuditFilter { brands: Some(vec!["casa".into()]), ..kind(AuditKind::Changes) },
        AuditFilter { from: Some(Timestamp::UNIX_EPOCH), ..kind(AuditKind::Changes) },
    ] {
        let plan = Bench::new().plan(|db, sealer| audit::list(db, sealer, &filter));
        assert!(!plan.iter().any(|l| l.contains("TEMP B-TREE")), "nothing is sorted: {filter:?} {plan:#?}");
        assert!(plan.iter().any(|l| l.contains("INDEX audit_deed (deed=?)")), "{filter:?} {plan:#?}");
        let alone = filter.who.is_none() && filter.brands.is_none();
        let wanted = match filter.kind.filter(|_| alone) {
            Some(AuditKind::Changes) => "INDEX audit_changes",
            Some(_) => "INDEX audit_outcome",
            None => "audit",
        };
        assert!(plan.iter().any(|l| l.contains(wanted)), "{wanted}: {filter:?} {plan:#?}");
        let scans = plan.iter().any(|l| l.starts_with("SCAN audit") && !l.contains("INDEX audit_changes"));
        assert!(!scans, "{filter:?} {plan:#?}");
    }
}
