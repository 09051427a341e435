//! Lists: pages without gap or repeat, while others write; filters that mean what they say.

use crate::support::{
    Factory, accept, at, bring, decide, decision, delivery, eff, effect, entity, event, evt, fact, rn, run, run_write,
    write,
};
use pasarela_domain::{DeliveryId, EntityRef};
use pasarela_store::{
    Accepted, Decision, DeliveryStatus, EffectFilter, EffectGuard, EffectInsert, EffectState, EffectUpdate,
    EntityUpsert, EventFilter, EventInsert, FactWrite, NewDelivery, Page, Part, RecordWrite, RunFilter, RunInsert,
    RunStatus, Seen, Within, Work,
};
use std::collections::BTreeSet;

/// Reads all pages by their cursors; no page may be longer than asked for, or empty before the end.
async fn all<T>(limit: usize, first: Option<i64>, page: impl AsyncFn(Option<i64>) -> Page<T>) -> Vec<T> {
    let (mut cursor, mut rows) = (first, Vec::new());
    for _ in 0..100 {
        let found = page(cursor).await;
        assert!(found.rows.len() <= limit);
        assert!(found.next.is_none() || found.rows.len() == limit, "a page with a next one is full");
        rows.extend(found.rows);
        cursor = found.next;
        if cursor.is_none() {
            return rows;
        }
    }
    panic!("the pages do not end");
}

pub(crate) async fn deliveries_page_without_gap_or_repeat(factory: &impl Factory) {
    let store = factory.open();
    let mut ids = Vec::new();
    for n in 0..11 {
        ids.push(accept(&*store, &format!("cuerpo {n}")).await);
    }
    ids.reverse();
    for limit in [1, 2, 5, 11, 12] {
        let read = all(limit as usize, None, async |before| {
            // New ones come while someone turns pages: they stand above the cursor.
            store.deliveries(None, before, limit).await.unwrap()
        })
        .await;
        assert_eq!(read.iter().map(|d| d.id).collect::<Vec<_>>(), ids, "limit {limit}");
        assert!(read.iter().all(|d| d.packed.is_empty()), "a list carries no bodies");
    }
    let first = store.deliveries(None, None, 4).await.unwrap();
    accept(&*store, "nueva").await;
    let rest = all(4, first.next, async |before| store.deliveries(None, before, 4).await.unwrap()).await;
    assert_eq!(first.rows.iter().chain(&rest).map(|d| d.id).collect::<Vec<_>>(), ids);
}

pub(crate) async fn deliveries_by_status(factory: &impl Factory) {
    let store = factory.open();
    let statuses = [
        DeliveryStatus::Received,
        DeliveryStatus::Decided,
        DeliveryStatus::Partial,
        DeliveryStatus::Ignored,
        DeliveryStatus::Quarantined,
        DeliveryStatus::Proposed,
    ];
    let mut ids: Vec<(DeliveryStatus, DeliveryId)> = Vec::new();
    for _ in 0..3 {
        for status in statuses {
            let id = accept(&*store, "{}").await;
            if status != DeliveryStatus::Received {
                store.decide(Decision { status, ..decision(id, vec![]) }).await.unwrap();
            }
            ids.push((status, id));
        }
    }
    ids.reverse();
    for status in statuses {
        let read = all(2, None, async |before| store.deliveries(Some(status), before, 2).await.unwrap()).await;
        let expected: Vec<_> = ids.iter().filter(|(s, _)| *s == status).map(|(_, id)| *id).collect();
        assert_eq!(read.iter().map(|d| d.id).collect::<Vec<_>>(), expected, "{status:?}");
        assert!(read.iter().all(|d| d.status == status));
    }
    assert!(store.deliveries(Some(DeliveryStatus::Duplicate), None, 5).await.unwrap().rows.is_empty());
}

pub(crate) async fn read_models_of_a_kind_by_id(factory: &impl Factory) {
    let store = factory.open();
    decide(&*store, |d| {
        let mut f = fact(&*store, 1, d);
        f.entities = ["7", "10", "9"].iter().map(|id| entity(&*store, id, 0, "estado")).collect();
        f.entities.push(EntityUpsert { entity: EntityRef::new("show", "8"), ..entity(&*store, "", 0, "estado") });
        f.entities.push(EntityUpsert { connection: 2, ..entity(&*store, "7", 0, "estado") });
        vec![f]
    })
    .await;
    let ids = async |kind: &str, after: &str, limit| store.entity_ids(1, kind, after, limit).await.unwrap();
    assert_eq!(ids("order", "", 10).await, ["10", "7", "9"]);
    assert_eq!(ids("order", "", 2).await, ["10", "7"]);
    assert_eq!(ids("order", "7", 2).await, ["9"]);
    assert_eq!(ids("show", "", 2).await, ["8"]);
    assert!(ids("person", "", 2).await.is_empty());
}

/// Parts of a whole are listed the newest first, each once, by its kind; one that changes keeps its place.
pub(crate) async fn parts_of_a_read_model(factory: &impl Factory) {
    let store = factory.open();
    let part = |id: &str, expected, parent| EntityUpsert { parent, ..entity(&*store, id, expected, id) };
    let of = |kind: &str, id: &str, parent| EntityUpsert { entity: EntityRef::new(kind, id), ..part("", 0, parent) };
    decide(&*store, |d| {
        let mut f = fact(&*store, 1, d);
        f.entities = (1..=5).map(|n| part(&n.to_string(), 0, Some(n % 2))).collect();
        f.entities.push(of("ticket", "1", Some(1)));
        f.entities.push(of("show", "9", None));
        vec![f]
    })
    .await;
    let list = async |parent, kind: &str, before, limit| {
        let page = store.parts(parent, kind, before, limit).await.unwrap();
        (page.rows.iter().map(|r| (r.connection, r.id.clone())).collect::<Vec<_>>(), page.next)
    };
    let ids = |ids: &[&str]| ids.iter().map(|id| (1, (*id).to_owned())).collect::<Vec<_>>();
    let (first, next) = list(1, "order", None, 2).await;
    assert_eq!(first, ids(&["5", "3"]));
    assert_eq!(list(1, "order", next, 2).await, (ids(&["1"]), None));
    assert_eq!(list(1, "ticket", None, 9).await.0, ids(&["1"]));
    assert_eq!(list(7, "order", None, 9).await.0, ids(&[]));
    assert_eq!(store.parts(0, "order", None, 1).await.unwrap().rows[0].data, b"4");
    assert_eq!(store.count_parts(vec![1, 7, 0], "order").await.unwrap(), [3, 0, 2]);

    // One changes, one moves, both in a later group; the first keeps its place, and so does the second.
    let work = Work { entities: vec![part("3", 1, Some(1)), part("1", 1, Some(0))], ..Work::default() };
    store.work(work).await.unwrap();
    assert_eq!(list(1, "order", None, 9).await.0, ids(&["5", "3"]));
    assert_eq!(list(0, "order", None, 9).await.0, ids(&["4", "2", "1"]));

    // What was kept before it was noted is noted later; to say it again changes nothing.
    store.work(Work { entities: vec![part("8", 0, None)], ..Work::default() }).await.unwrap();
    assert_eq!(store.count_parts(vec![1], "order").await.unwrap(), [2]);
    let noted = Part { connection: 1, entity: EntityRef::new("order", "8"), parent: 1 };
    store.keep_parts(vec![noted.clone(), noted.clone()]).await.unwrap();
    store.keep_parts(vec![noted]).await.unwrap();
    assert_eq!(list(1, "order", None, 9).await.0, ids(&["8", "5", "3"]));
}

pub(crate) async fn events_page_both_ways_by_every_filter(factory: &impl Factory) {
    let store = factory.open();
    let kinds = ["order.paid", "ticket.issued"];
    for n in 1..=12 {
        decide(&*store, |d| {
            let kind = usize::from(n % 2 == 0);
            let insert = EventInsert {
                event_type: kinds[kind].into(),
                key: n % 3,
                connection: 1 + n % 4,
                ..event(&*store, n, d)
            };
            vec![FactWrite { event: Some(insert), ..FactWrite::default() }]
        })
        .await;
    }
    let ids = |filter: &dyn Fn(i64) -> bool| (1..=12).filter(|n| filter(*n)).map(evt).collect::<Vec<_>>();
    let base = || EventFilter { limit: 2, ..EventFilter::default() };
    type Wanted = (EventFilter, Box<dyn Fn(i64) -> bool>);
    let wanted: Vec<Wanted> = vec![
        (base(), Box::new(|_| true)),
        (EventFilter { event_type: Some("order.paid".into()), ..base() }, Box::new(|n| n % 2 == 1)),
        (EventFilter { key: Some(0), ..base() }, Box::new(|n| n % 3 == 0)),
        (EventFilter { connection: Some(1), ..base() }, Box::new(|n| n % 4 == 0)),
        (
            EventFilter { event_type: Some("ticket.issued".into()), key: Some(1), ..base() },
            Box::new(|n| n % 2 == 0 && n % 3 == 1),
        ),
    ];
    for (filter, fits) in wanted {
        let mut expected = ids(&fits);
        let up = all(2, None, async |above| {
            store.events(EventFilter { above, ascending: true, ..filter.clone() }).await.unwrap()
        })
        .await;
        assert_eq!(up.iter().map(|e| e.id).collect::<Vec<_>>(), expected, "oldest first, {filter:?}");
        expected.reverse();
        let down =
            all(2, None, async |below| store.events(EventFilter { below, ..filter.clone() }).await.unwrap()).await;
        assert_eq!(down.iter().map(|e| e.id).collect::<Vec<_>>(), expected, "newest first, {filter:?}");
    }
    let between = EventFilter { above: Some(3), below: Some(7), ascending: true, limit: 10, ..EventFilter::default() };
    let found = store.events(between).await.unwrap();
    assert_eq!(found.rows.iter().map(|e| e.id.get()).collect::<Vec<_>>(), [4, 5, 6], "both ends are open");
    assert!(store.event(evt(404)).await.unwrap().is_none());
    assert!(store.events_of(DeliveryId::from_raw(404)).await.unwrap().is_empty());
}

/// Texts of strangers are values, in what is written and in what is asked.
pub(crate) async fn text_that_is_sql_is_only_text(factory: &impl Factory) {
    let store = factory.open();
    let hostile = [
        "' OR '1'='1",
        "x'; DELETE FROM events; --",
        "\"; DROP TABLE records; --",
        "%",
        "_",
        "$1",
        "?1",
        "\\' OR 1=1 /*",
    ];
    for (n, text) in (1..).zip(hostile) {
        decide(&*store, |d| {
            let insert = EventInsert { event_type: text.into(), ..event(&*store, n, d) };
            vec![FactWrite { event: Some(insert), ..FactWrite::default() }]
        })
        .await;
        let write = RecordWrite {
            kind: text.into(),
            id: text.into(),
            expected: 0,
            due: None,
            open: true,
            subjects: Vec::new(),
            at: at(n),
            data: store.sealer().seal(text.as_bytes()),
        };
        store.keep_record(write).await.unwrap();
    }
    for (n, text) in (1..).zip(hostile) {
        let asked = EventFilter { event_type: Some(text.into()), limit: 10, ..EventFilter::default() };
        let found = store.events(asked).await.unwrap();
        assert_eq!(found.rows.iter().map(|e| e.id).collect::<Vec<_>>(), [evt(n)], "{text}");
        assert!(store.record(text, text).await.unwrap().is_some(), "{text}");
        assert!(store.record("", text).await.unwrap().is_none(), "{text}");
    }
}

pub(crate) async fn runs_page_by_status_and_event(factory: &impl Factory) {
    let store = factory.open();
    for n in 1..=10 {
        decide(&*store, |d| vec![FactWrite { runs: vec![run(&*store, n, (n + 1) / 2)], ..fact(&*store, n, d) }]).await;
    }
    for (id, status) in
        [(3, RunStatus::Done), (4, RunStatus::Failed), (5, RunStatus::Blocked), (6, RunStatus::Settling)]
    {
        write(&*store, Work { runs: vec![run_write(&*store, id, 1, status)], ..Work::default() }).await;
    }
    let read = async |filter: RunFilter| {
        all(2, None, async |below| store.runs(RunFilter { below, limit: 2, ..filter.clone() }).await.unwrap())
            .await
            .iter()
            .map(|r| r.id.get())
            .collect::<Vec<_>>()
    };
    assert_eq!(read(RunFilter::default()).await, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    for (status, ids) in [
        (RunStatus::Running, vec![10, 9, 8, 7, 2, 1]),
        (RunStatus::Done, vec![3]),
        (RunStatus::Failed, vec![4]),
        (RunStatus::Blocked, vec![5]),
        (RunStatus::Settling, vec![6]),
        (RunStatus::Cancelled, vec![]),
    ] {
        assert_eq!(read(RunFilter { status: Some(status), ..RunFilter::default() }).await, ids, "{status:?}");
    }
    assert_eq!(read(RunFilter { event: Some(evt(2)), ..RunFilter::default() }).await, [4, 3]);
    let both = RunFilter { event: Some(evt(2)), status: Some(RunStatus::Done), ..RunFilter::default() };
    assert_eq!(read(both).await, [3]);
    assert!(store.run(rn(404)).await.unwrap().is_none());
}

pub(crate) async fn runs_of_a_flow_are_looked_for_among_the_newest(factory: &impl Factory) {
    let store = factory.open();
    for n in 1..=10 {
        let of = |flow| RunInsert { flow, ..run(&*store, n, n) };
        let flow = if n % 3 == 0 { 7 } else { 8 };
        decide(&*store, |d| vec![FactWrite { runs: vec![of(flow)], ..fact(&*store, n, d) }]).await;
    }
    let read = async |flows: &[i64], within, limit| {
        let found = store.runs_of(flows.to_vec(), within, limit).await.unwrap();
        found.iter().map(|r| r.id.get()).collect::<Vec<_>>()
    };
    assert_eq!(read(&[7], 100, 10).await, [9, 6, 3]);
    assert_eq!(read(&[7], 100, 2).await, [9, 6]);
    assert_eq!(read(&[7], 5, 10).await, [9, 6], "no further than it was told");
    assert_eq!(read(&[7, 8], 100, 3).await, [10, 9, 8]);
    assert!(read(&[9], 100, 10).await.is_empty());
    assert!(read(&[], 100, 10).await.is_empty());
}

pub(crate) async fn open_steps_of_a_flow_are_counted(factory: &impl Factory) {
    let store = factory.open();
    let of = |n: i64, flow: i64, path: &str, connection: i64| EffectInsert {
        flow,
        connection,
        path: path.into(),
        ..effect(&*store, n)
    };
    let effects = vec![
        of(1, 7, "aviso", 1),
        of(2, 7, "aviso", 2),
        of(3, 7, "nota", 1),
        of(4, 8, "aviso", 1),
        of(5, 7, "aviso", 3),
        of(6, 7, "aviso", 1),
        of(7, 7, "aviso", 1),
        of(8, 7, "nota", 1),
    ];
    write(&*store, Work { effects, ..Work::default() }).await;
    for (n, to) in [(6, EffectState::Dead), (7, EffectState::Unknown), (8, EffectState::Done)] {
        let update = EffectUpdate {
            id: eff(n),
            guard: EffectGuard::State(&[EffectState::Queued]),
            to,
            not_before: None,
            code: None,
            outcome: None,
            reference: None,
            renew: None,
            give_up_at: None,
            reenters: None,
        };
        write(&*store, Work { updates: vec![update], ..Work::default() }).await;
    }
    let read = async |most| {
        let mut found = store.open_steps(7, vec![1, 2], most).await.unwrap();
        found.sort_by(|a, b| (&a.0, a.1 as u8).cmp(&(&b.0, b.1 as u8)));
        found
    };
    let row = |path: &str, state, n| (path.to_owned(), state, n);
    assert_eq!(
        read(100).await,
        [
            row("aviso", EffectState::Queued, 2),
            row("aviso", EffectState::Dead, 1),
            row("aviso", EffectState::Unknown, 1),
            row("nota", EffectState::Queued, 1)
        ]
    );
    let cut: u64 = read(1).await.iter().filter(|(_, s, _)| *s == EffectState::Queued).map(|(.., n)| n).sum();
    assert_eq!(cut, 1, "no more than it was told is looked at");
}

pub(crate) async fn events_about_somebody_come_newest_first(factory: &impl Factory) {
    let store = factory.open();
    for n in 1..=6 {
        decide(&*store, |d| {
            let subjects = if n % 2 == 0 { vec![40] } else { vec![41] };
            let mut fact = fact(&*store, n, d);
            if let Some(event) = &mut fact.event {
                event.subjects = subjects;
            }
            vec![fact]
        })
        .await;
    }
    let first = store.events_about(40, None, 2).await.unwrap();
    assert_eq!(first.rows.iter().map(|e| e.id.get()).collect::<Vec<_>>(), [6, 4]);
    let rest = store.events_about(40, first.next, 2).await.unwrap();
    assert_eq!((rest.rows[0].id.get(), rest.rows[0].body.as_slice(), rest.next), (2, &b"event 2"[..], None));
    assert!(store.events_about(99, None, 10).await.unwrap().rows.is_empty());
}

pub(crate) async fn effects_page_by_every_filter(factory: &impl Factory) {
    let store = factory.open();
    let every = [
        EffectState::Queued,
        EffectState::Calling,
        EffectState::Settling,
        EffectState::Checking,
        EffectState::Done,
        EffectState::Partial,
        EffectState::Unsettled,
        EffectState::GaveUp,
        EffectState::FailedLate,
        EffectState::Withdrawn,
        EffectState::Dropped,
        EffectState::Withheld,
        EffectState::Dead,
        EffectState::Unknown,
    ];
    for (state, n) in every.into_iter().chain(every).zip(1..) {
        bring(&*store, EffectInsert { connection: 1 + n % 2, ..effect(&*store, n) }, state).await;
    }
    let read = async |filter: EffectFilter| {
        all(3, None, async |below| store.effects(EffectFilter { below, limit: 3, ..filter.clone() }).await.unwrap())
            .await
    };
    let everything = read(EffectFilter::default()).await;
    assert_eq!(everything.iter().map(|e| e.id.get()).collect::<Vec<_>>(), (1..=28).rev().collect::<Vec<_>>());
    assert!(everything.iter().all(|e| e.input.is_empty() && e.call.is_empty()), "a list carries no bodies");
    for (state, n) in every.into_iter().zip(1..) {
        let found = read(EffectFilter { states: vec![state], ..EffectFilter::default() }).await;
        assert_eq!(found.iter().map(|e| (e.id.get(), e.state)).collect::<Vec<_>>(), [(n + 14, state), (n, state)]);
        assert_eq!(EffectState::from_code(i64::from(state as u8)), state);
    }
    let stuck = EffectFilter { states: vec![EffectState::Dead, EffectState::Unknown], ..EffectFilter::default() };
    assert_eq!(read(stuck.clone()).await.iter().map(|e| e.id.get()).collect::<Vec<_>>(), [28, 27, 14, 13]);
    let of_one = read(EffectFilter { connection: Some(2), ..stuck }).await;
    assert_eq!(of_one.iter().map(|e| e.id.get()).collect::<Vec<_>>(), [27, 13]);
    let by_id =
        read(EffectFilter { ids: vec![eff(2), eff(404), eff(9), eff(5), eff(1)], ..EffectFilter::default() }).await;
    assert_eq!(by_id.iter().map(|e| e.id.get()).collect::<Vec<_>>(), [9, 5, 2, 1]);
    assert!(store.effect(eff(404)).await.unwrap().is_none());
}

pub(crate) async fn the_largest_limit_is_no_trap(factory: &impl Factory) {
    let store = factory.open();
    decide(&*store, |d| vec![FactWrite { runs: vec![run(&*store, 1, 1)], ..fact(&*store, 1, d) }]).await;
    bring(&*store, effect(&*store, 1), EffectState::Queued).await;
    let limit = u32::MAX;
    assert_eq!(store.deliveries(None, None, limit).await.unwrap().rows.len(), 1);
    assert_eq!(store.events(EventFilter { limit, ..EventFilter::default() }).await.unwrap().rows.len(), 1);
    assert_eq!(store.runs(RunFilter { limit, ..RunFilter::default() }).await.unwrap().rows.len(), 1);
    assert_eq!(store.effects(EffectFilter { limit, ..EffectFilter::default() }).await.unwrap().rows.len(), 1);
}

/// Whoever sees one connection asks every question there is, and hears of nothing else.
pub(crate) async fn what_is_seen_is_of_the_connections_that_may_be_seen(factory: &impl Factory) {
    let store = factory.open();
    let of = |n: i64| 1 + n % 3;
    let mut deliveries = Vec::new();
    for n in 1..=30 {
        let told = NewDelivery { connection: of(n), ..delivery(&*store, &format!("d{n}")) };
        let Accepted::New(id) = store.accept(told).await.unwrap() else { panic!("each is new") };
        let made = FactWrite {
            event: Some(EventInsert { connection: of(n), ..event(&*store, n, id) }),
            runs: vec![run(&*store, n, n)],
            work: Work { effects: vec![EffectInsert { connection: of(n), ..effect(&*store, n) }], ..Work::default() },
            ..FactWrite::default()
        };
        store.decide(decision(id, vec![made])).await.unwrap();
        deliveries.push(id);
    }
    for (within, mine) in [
        (Within::All, (1..=30).collect::<Vec<_>>()),
        (Within::Connections(BTreeSet::from([2])), (1..=30).filter(|n| of(*n) == 2).collect()),
        (Within::Connections(BTreeSet::from([1, 3])), (1..=30).filter(|n| of(*n) != 2).collect()),
        (Within::Connections(BTreeSet::new()), Vec::new()),
    ] {
        let seen = Seen::new(store.clone(), within.clone());
        let down: Vec<i64> = mine.iter().rev().copied().collect();
        let events = all(4, None, async |below| {
            seen.events(EventFilter { below, limit: 4, ..EventFilter::default() }).await.unwrap()
        });
        assert_eq!(events.await.iter().map(|e| e.id.get()).collect::<Vec<_>>(), down, "{within:?}");
        let up = all(4, None, async |above| {
            seen.events(EventFilter { above, ascending: true, limit: 4, ..EventFilter::default() }).await.unwrap()
        });
        assert_eq!(up.await.iter().map(|e| e.id.get()).collect::<Vec<_>>(), mine, "{within:?}");
        let runs =
            all(4, None, async |below| seen.runs(RunFilter { below, limit: 4, ..RunFilter::default() }).await.unwrap());
        assert_eq!(runs.await.iter().map(|r| r.id.get()).collect::<Vec<_>>(), down, "{within:?}");
        let effects = all(4, None, async |below| {
            seen.effects(EffectFilter { below, limit: 4, ..EffectFilter::default() }).await.unwrap()
        });
        assert_eq!(effects.await.iter().map(|e| e.id.get()).collect::<Vec<_>>(), down, "{within:?}");
        let told = all(4, None, async |below| seen.deliveries(None, below, 4).await.unwrap()).await;
        let told: Vec<DeliveryId> = told.iter().map(|d| d.id).collect();
        assert_eq!(told, down.iter().map(|n| deliveries[*n as usize - 1]).collect::<Vec<_>>(), "{within:?}");
        for n in 1..=30 {
            let there = mine.contains(&n);
            let delivery = deliveries[n as usize - 1];
            assert_eq!(seen.event(evt(n)).await.unwrap().is_some(), there, "event {n}, {within:?}");
            assert_eq!(seen.run(rn(n)).await.unwrap().is_some(), there, "run {n}, {within:?}");
            assert_eq!(seen.effect(eff(n)).await.unwrap().is_some(), there, "effect {n}, {within:?}");
            assert_eq!(seen.delivery(delivery).await.unwrap().is_some(), there, "delivery {n}, {within:?}");
            assert_eq!(seen.events_of(delivery).await.unwrap().len(), usize::from(there), "delivery {n}, {within:?}");
            assert!(seen.attempts(eff(n)).await.unwrap().is_empty());
        }
    }
}
