//! T2: a decision is written whole or not at all (G4, G5).

use crate::support::{
    Factory, accept, claim, decide, decision, dedup, eff, effect, entity, event, evt, fact, rn, run, run_write, timer,
};
use pasarela_domain::{DeliveryId, EntityRef};
use pasarela_store::{
    Decided, Decision, DeliveryStatus, EffectState, EventFilter, FactResult, FactWrite, Listen, RunInsert, RunStatus,
    Store, Work,
};

/// A fact with everything that a fact can have; its ids begin at `n`.
fn whole(store: &dyn Store, n: i64, delivery: DeliveryId) -> FactWrite {
    FactWrite {
        dedup: Some(dedup(n)),
        entities: vec![entity(store, &format!("o{n}"), 0, "estado")],
        event: Some(event(store, n, delivery)),
        runs: vec![RunInsert {
            listens: vec![Listen { key: n, event_type: "order.cancelled".into() }],
            ..run(store, n, n)
        }],
        work: Work {
            effects: vec![
                pasarela_store::EffectInsert {
                    run: Some(rn(n)),
                    calling: Some(claim(store, n, 1)),
                    ..effect(store, n)
                },
                pasarela_store::EffectInsert { run: Some(rn(n)), ..effect(store, n + 1) },
            ],
            timers: vec![timer(n, n)],
            ..Work::default()
        },
    }
}

/// Is nothing of `whole(n)` there?
async fn absent(store: &dyn Store, n: i64) -> bool {
    let (known, models) =
        store.lookup(vec![dedup(n)], vec![(1, EntityRef::new("order", format!("o{n}")))]).await.unwrap();
    known == [false]
        && models[0].is_none()
        && store.event(evt(n)).await.unwrap().is_none()
        && store.run(rn(n)).await.unwrap().is_none()
        && store.listeners(n, "order.cancelled").await.unwrap().is_empty()
        && store.effect(eff(n)).await.unwrap().is_none()
        && store.effect(eff(n + 1)).await.unwrap().is_none()
        && store.timers(crate::support::at(10_000), 100).await.unwrap().iter().all(|t| t.target != n)
}

pub(crate) async fn a_decision_writes_all_that_follows(factory: &impl Factory) {
    let store = factory.open();
    let id = accept(&*store, "{}").await;
    assert!(absent(&*store, 10).await);
    let facts = vec![whole(&*store, 10, id)];
    let Decided::Done(results) = store.decide(decision(id, facts)).await.unwrap() else { panic!("no conflict") };
    let [FactResult::New(seqs)] = &results[..] else { panic!("{results:?}") };
    assert!(seqs.len() == 2 && seqs[0] < seqs[1], "places rise in the order of the file: {seqs:?}");

    assert!(store.inbox(0, 10).await.unwrap().rows.is_empty());
    assert_eq!(store.delivery(id).await.unwrap().unwrap().status, DeliveryStatus::Decided);
    assert_eq!(store.events_of(id).await.unwrap(), [evt(10)]);
    let row = store.event(evt(10)).await.unwrap().unwrap();
    assert_eq!((row.event_type.as_str(), row.delivery, row.body.as_slice()), ("order.paid", id, &b"event 10"[..]));
    let (known, models) = store.lookup(vec![dedup(10)], vec![(1, EntityRef::new("order", "o10"))]).await.unwrap();
    assert_eq!(known, [true]);
    let model = models[0].as_ref().unwrap();
    assert_eq!((model.version, model.rank, model.hash, model.data.as_slice()), (1, 2, 9, &b"estado"[..]));
    let run = store.run(rn(10)).await.unwrap().unwrap();
    assert_eq!((run.status, run.version, run.flow, run.event), (RunStatus::Running, 1, 3, evt(10)));
    assert_eq!(run.state, b"begun");
    assert_eq!(store.listeners(10, "order.cancelled").await.unwrap()[0].run, rn(10));

    let first = store.effect(eff(10)).await.unwrap().unwrap();
    assert_eq!((first.state, first.attempt, first.seq), (EffectState::Calling, 1, seqs[0]));
    assert_eq!(first.call, b"call 10", "the attempt is recorded by the same row");
    assert_eq!((first.class.as_deref(), first.park, first.run), (Some("transactional"), true, Some(rn(10))));
    let second = store.effect(eff(11)).await.unwrap().unwrap();
    assert_eq!((second.state, second.attempt, second.seq), (EffectState::Queued, 0, seqs[1]));
    assert_eq!(second.input, b"input 11");
    let timers = store.timers(crate::support::at(10), 10).await.unwrap();
    assert_eq!((timers.len(), timers[0].target, timers[0].path.as_str()), (1, 10, "paso10"));
}

pub(crate) async fn a_known_fact_is_skipped_whole(factory: &impl Factory) {
    let store = factory.open();
    decide(&*store, |d| vec![whole(&*store, 10, d)]).await;
    // The same fact again, wanting other rows, beside one that is new.
    let mut twice = whole(&*store, 20, DeliveryId::from_raw(1));
    twice.dedup = Some(dedup(10));
    let results = decide(&*store, |d| vec![twice, whole(&*store, 30, d)]).await;
    assert!(matches!(&results[..], [FactResult::Known, FactResult::New(_)]), "{results:?}");
    assert!(absent(&*store, 20).await, "nothing of a known fact is written");
    assert!(!absent(&*store, 30).await);

    // Both known: the delivery is a duplicate.
    let id = accept(&*store, "{}").await;
    let again = [10, 30].map(|n| FactWrite { dedup: Some(dedup(n)), ..FactWrite::default() });
    let results = store.decide(decision(id, again.into())).await.unwrap();
    assert_eq!(results, Decided::Done(vec![FactResult::Known, FactResult::Known]));
    assert_eq!(store.delivery(id).await.unwrap().unwrap().status, DeliveryStatus::Duplicate);
    // Any other part of the key makes another fact.
    for (i, key) in [
        pasarela_store::DedupKey { connection: 2, ..dedup(10) },
        pasarela_store::DedupKey { kind: "order.placed".into(), ..dedup(10) },
        pasarela_store::DedupKey { discriminator: 8, ..dedup(10) },
    ]
    .into_iter()
    .enumerate()
    {
        let results = decide(&*store, |_| vec![FactWrite { dedup: Some(key), ..FactWrite::default() }]).await;
        assert_eq!(results, [FactResult::New(vec![])], "key {i}");
    }
}

pub(crate) async fn only_a_decided_delivery_becomes_a_duplicate(factory: &impl Factory) {
    let store = factory.open();
    decide(&*store, |_| vec![FactWrite { dedup: Some(dedup(1)), ..FactWrite::default() }]).await;
    let known = || vec![FactWrite { dedup: Some(dedup(1)), ..FactWrite::default() }];
    for (status, facts, expected) in [
        (DeliveryStatus::Decided, known(), DeliveryStatus::Duplicate),
        (DeliveryStatus::Partial, known(), DeliveryStatus::Partial),
        (DeliveryStatus::Quarantined, vec![], DeliveryStatus::Quarantined),
        (DeliveryStatus::Ignored, vec![], DeliveryStatus::Ignored),
        (DeliveryStatus::Decided, vec![], DeliveryStatus::Decided),
    ] {
        let id = accept(&*store, "{}").await;
        let reason = Some(store.sealer().seal("línea 1: falta el tipo".as_bytes()));
        store.decide(Decision { status, reason, ..decision(id, facts) }).await.unwrap();
        let row = store.delivery(id).await.unwrap().unwrap();
        assert_eq!(row.status, expected);
        assert_eq!(row.reason.as_deref(), Some("línea 1: falta el tipo"));
    }
}

pub(crate) async fn a_version_conflict_writes_nothing(factory: &impl Factory) {
    let store = factory.open();
    decide(&*store, |_| vec![FactWrite { entities: vec![entity(&*store, "a", 0, "uno")], ..FactWrite::default() }])
        .await;
    for wrong in [0, 2, 7] {
        let id = accept(&*store, "conflicto").await;
        let stale = FactWrite { entities: vec![entity(&*store, "a", wrong, "dos")], ..fact(&*store, 50, id) };
        let facts = vec![whole(&*store, 40, id), stale];
        assert_eq!(store.decide(decision(id, facts)).await.unwrap(), Decided::Conflict, "expected version {wrong}");
        assert!(absent(&*store, 40).await, "the fact before the conflict is not written either");
        assert!(store.event(evt(50)).await.unwrap().is_none());
        let row = store.delivery(id).await.unwrap().unwrap();
        assert_eq!(row.status, DeliveryStatus::Received);
        assert!(store.inbox(0, 10).await.unwrap().rows.iter().any(|r| r.id == id), "it stays in the inbox");
        // The redo, on what is there now, goes through.
        let fresh = FactWrite { entities: vec![entity(&*store, &format!("b{wrong}"), 0, "x")], ..FactWrite::default() };
        assert!(matches!(store.decide(decision(id, vec![fresh])).await.unwrap(), Decided::Done(_)));
    }
    let (_, models) = store.lookup(vec![], vec![(1, EntityRef::new("order", "a"))]).await.unwrap();
    assert_eq!((models[0].as_ref().unwrap().version, models[0].as_ref().unwrap().data.as_slice()), (1, &b"uno"[..]));
}

pub(crate) async fn a_stale_guard_in_a_fact_is_a_conflict(factory: &impl Factory) {
    let store = factory.open();
    decide(&*store, |d| vec![FactWrite { runs: vec![run(&*store, 1, 1)], ..fact(&*store, 1, d) }]).await;
    let id = accept(&*store, "{}").await;
    let mut cancels = fact(&*store, 2, id);
    cancels.work.runs = vec![run_write(&*store, 1, 9, RunStatus::Cancelled)];
    assert_eq!(store.decide(decision(id, vec![cancels])).await.unwrap(), Decided::Conflict);
    assert!(store.event(evt(2)).await.unwrap().is_none());
    assert_eq!(store.run(rn(1)).await.unwrap().unwrap().status, RunStatus::Running);
}

pub(crate) async fn read_models_count_their_versions(factory: &impl Factory) {
    let store = factory.open();
    for version in 0..4 {
        let text = format!("estado {version}");
        decide(&*store, |_| {
            vec![FactWrite { entities: vec![entity(&*store, "a", version, &text)], ..FactWrite::default() }]
        })
        .await;
    }
    let asked =
        vec![(1, EntityRef::new("order", "zz")), (1, EntityRef::new("order", "a")), (2, EntityRef::new("order", "a"))];
    let (known, models) = store.lookup(vec![dedup(404)], asked).await.unwrap();
    assert_eq!(known, [false]);
    assert!(models[0].is_none() && models[2].is_none(), "answers stand in the order of the questions");
    let model = models[1].as_ref().unwrap();
    assert_eq!((model.version, model.data.as_slice()), (4, &b"estado 3"[..]));
    assert_eq!(model.updated_at, Some(crate::support::at(3)));
    assert_eq!(model.entity, EntityRef::new("order", "a"));
}

pub(crate) async fn what_is_decided_is_not_decided_again(factory: &impl Factory) {
    let store = factory.open();
    let id = accept(&*store, "{}").await;
    store.decide(decision(id, vec![fact(&*store, 1, id)])).await.unwrap();
    let again = store.decide(decision(id, vec![fact(&*store, 2, id)])).await.unwrap();
    assert_eq!(again, Decided::Done(vec![FactResult::Known]));
    let events = store.events(EventFilter { limit: 10, ..EventFilter::default() }).await.unwrap();
    assert_eq!(events.rows.iter().map(|e| e.id).collect::<Vec<_>>(), [evt(1)]);
}

pub(crate) async fn failed_tries_are_counted(factory: &impl Factory) {
    let store = factory.open();
    let (poison, other) = (accept(&*store, "a").await, accept(&*store, "b").await);
    for expected in 1..=3 {
        assert_eq!(store.decide_failed(poison).await.unwrap(), expected);
    }
    drop(store);
    let store = factory.open();
    let tries: Vec<_> = store.inbox(0, 10).await.unwrap().rows.iter().map(|r| (r.id, r.tries)).collect();
    assert_eq!(tries, [(poison, 3), (other, 0)], "a restart does not begin the count again");
    assert_eq!(store.decide_failed(DeliveryId::from_raw(1)).await.unwrap(), 0, "nothing of that id");
}

pub(crate) async fn a_reopened_delivery_is_decided_again(factory: &impl Factory) {
    let store = factory.open();
    let id = accept(&*store, "formato nuevo").await;
    store.decide_failed(id).await.unwrap();
    let quarantine = Decision { status: DeliveryStatus::Quarantined, ..decision(id, vec![]) };
    store.decide(quarantine).await.unwrap();
    assert!(store.inbox(0, 10).await.unwrap().rows.is_empty());

    assert!(store.reopen(id).await.unwrap());
    let row = store.delivery(id).await.unwrap().unwrap();
    assert_eq!((row.status, row.packed.as_slice()), (DeliveryStatus::Received, &b"formato nuevo"[..]));
    let inbox = store.inbox(0, 10).await.unwrap().rows;
    assert_eq!((inbox.len(), inbox[0].id, inbox[0].tries), (1, id, 0), "with a fresh count of tries");
    assert!(store.reopen(id).await.unwrap(), "reopening what is open changes nothing");
    assert_eq!(store.inbox(0, 10).await.unwrap().rows.len(), 1);
    store.decide(decision(id, vec![fact(&*store, 1, id)])).await.unwrap();
    assert_eq!(store.delivery(id).await.unwrap().unwrap().status, DeliveryStatus::Decided);
    assert!(!store.reopen(DeliveryId::from_raw(404)).await.unwrap());
}

/// Everything that a person is named in is found by that person, whichever row holds the link.
pub(crate) async fn a_person_is_found_in_every_delivery(factory: &impl Factory) {
    let store = factory.open();
    let named = |n: i64, d: DeliveryId, subjects: &[i64]| FactWrite {
        dedup: Some(dedup(n)),
        event: Some(pasarela_store::EventInsert { subjects: subjects.to_vec(), ..event(&*store, n, d) }),
        ..FactWrite::default()
    };
    let mut ids = Vec::new();
    for (facts, subjects) in [
        // By its event; by the delivery alone; by a duplicate of the first; in part by each.
        (vec![(1, vec![70, 71])], vec![70, 71]),
        (vec![], vec![70]),
        (vec![(1, vec![70, 71])], vec![70, 71]),
        (vec![(2, vec![72])], vec![70, 72]),
        (vec![(3, vec![73])], vec![73]),
    ] {
        let id = accept(&*store, "{}").await;
        let facts = facts.iter().map(|(n, s)| named(*n, id, s)).collect();
        let decided = store.decide(Decision { subjects, ..decision(id, facts) }).await.unwrap();
        assert!(matches!(decided, Decided::Done(_)));
        ids.push(id);
    }
    for (person, places) in [(70, vec![0, 1, 2, 3]), (71, vec![0, 2]), (72, vec![3]), (73, vec![4]), (74, vec![])] {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let page = store.naming(person, after, 2).await.unwrap();
            assert!(page.rows.len() <= 2);
            found.extend(page.rows);
            let Some(next) = page.next else { break };
            after = next;
        }
        assert_eq!(found, places.iter().map(|p| ids[*p]).collect::<Vec<_>>(), "person {person}");
    }
}
