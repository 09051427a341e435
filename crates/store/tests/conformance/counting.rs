//! Counts: health for people, counters for the budget of a flow.

use crate::support::{
    Factory, accept, at, bring, claim, decision, dedup, delivery, eff, effect, entity, fact, queue, run, run_write,
    update, write,
};
use pasarela_store::{
    AttemptInsert, Decided, Decision, DeliveryStatus, EffectGuard, EffectInsert, EffectState, FactWrite, NewDelivery,
    RunStatus, Stats, Store, Work, Worked,
};

pub(crate) async fn health_counts_what_is_there(factory: &impl Factory) {
    let store = factory.open();
    let empty = store.health(at(0)).await.unwrap();
    assert_eq!(
        (empty.inbox, empty.queued, empty.calling, empty.dead, empty.unknown, empty.quarantined),
        (0, 0, 0, 0, 0, 0)
    );
    assert_eq!((empty.oldest_inbox, empty.oldest_due), (None, None));
    assert!(empty.disk_free > 0);

    store.accept(NewDelivery { received_at: at(3), ..delivery(&*store, "a") }).await.unwrap();
    store.accept(NewDelivery { received_at: at(4), ..delivery(&*store, "b") }).await.unwrap();
    let odd = accept(&*store, "rara").await;
    store.decide(Decision { status: DeliveryStatus::Quarantined, ..decision(odd, vec![]) }).await.unwrap();
    for (id, state) in (1..).zip([
        EffectState::Calling,
        EffectState::Dead,
        EffectState::Dead,
        EffectState::Unknown,
        EffectState::Checking,
        EffectState::Done,
        EffectState::Settling,
    ]) {
        bring(&*store, effect(&*store, id), state).await;
    }
    let waits = EffectInsert { not_before: Some(at(100)), created_at: at(1), ..effect(&*store, 20) };
    let ready = EffectInsert { created_at: at(50), ..effect(&*store, 21) };
    write(&*store, Work { effects: vec![waits, ready], ..Work::default() }).await;

    let now = store.health(at(60)).await.unwrap();
    assert_eq!((now.inbox, now.oldest_inbox), (2, Some(at(3))));
    assert_eq!((now.queued, now.calling, now.dead, now.unknown, now.quarantined), (2, 1, 2, 1, 1));
    assert_eq!(now.oldest_due, Some(at(50)), "what may not go yet is not late");
    assert_eq!(store.health(at(100)).await.unwrap().oldest_due, Some(at(50)));
    store.claim(vec![claim(&*store, 21, 1)]).await.unwrap();
    assert_eq!(store.health(at(60)).await.unwrap().oldest_due, None);
    assert_eq!(store.health(at(130)).await.unwrap().oldest_due, Some(at(100)), "late since its own time");
}

fn since(store: &dyn Store, before: Stats) -> (u64, u64) {
    let now = store.stats();
    (now.transactions - before.transactions, now.row_operations - before.row_operations)
}

pub(crate) async fn an_accept_is_two_rows(factory: &impl Factory) {
    let store = factory.open();
    let before = store.stats();
    accept(&*store, "x").await;
    assert_eq!(since(&*store, before), (1, 2));
    let with_key = || NewDelivery { replay_key: Some("msg_1".into()), ..delivery(&*store, "x") };
    let before = store.stats();
    store.accept(with_key()).await.unwrap();
    assert_eq!(since(&*store, before), (1, 3), "the nonce is one more");
    let before = store.stats();
    store.accept(with_key()).await.unwrap();
    assert_eq!(since(&*store, before), (1, 0), "a known one writes nothing");
    let now = store.stats();
    assert!(now.commits > 0 && now.commits <= now.transactions, "{now:?}");
    assert_eq!((now.queued, now.rollbacks), (0, 0));
    queue(&*store, [1]).await;
    let before = store.stats();
    let queued = EffectGuard::State(&[EffectState::Queued]);
    let (fits, stale) =
        (update(1, queued.clone(), EffectState::Withdrawn), update(404, queued, EffectState::Withdrawn));
    let worked = store.work(Work { updates: vec![fits, stale], ..Work::default() }).await.unwrap();
    assert_eq!(worked, Worked::Stale);
    assert_eq!(since(&*store, before).1, 0, "what was undone is not counted");
}

/// The budget of engine.md: T1 accept, T2 decide with the first call, then one commit per outcome.
pub(crate) async fn a_flow_of_three_effects_is_five_transactions_and_less_than_twenty_rows(factory: &impl Factory) {
    let store = factory.open();
    let before = store.stats();
    let id = accept(&*store, "{}").await;
    let calling = |n: i64| EffectInsert { calling: Some(claim(&*store, n, 1)), ..effect(&*store, n) };
    let facts = vec![FactWrite {
        dedup: Some(dedup(1)),
        entities: vec![entity(&*store, "a", 0, "estado")],
        event: fact(&*store, 1, id).event,
        runs: vec![run(&*store, 1, 1)],
        work: Work { effects: vec![calling(1)], ..Work::default() },
    }];
    let decision = Decision { subjects: vec![40, 41], ..decision(id, facts) };
    assert!(matches!(store.decide(decision).await.unwrap(), Decided::Done(_)));
    for n in 1..=3 {
        let last = n == 3;
        let attempt = AttemptInsert {
            effect: eff(n),
            attempt: 1,
            call: 0,
            started_at: at(10),
            ended_at: at(11),
            outcome: "done",
            status: Some(200),
            detail: None,
        };
        let work = Work {
            updates: vec![update(n, EffectGuard::Attempt { boot: store.boot(), attempt: 1 }, EffectState::Done)],
            attempts: vec![attempt],
            runs: vec![run_write(&*store, 1, n, if last { RunStatus::Done } else { RunStatus::Running })],
            effects: if last { vec![] } else { vec![calling(n + 1)] },
            ..Work::default()
        };
        write(&*store, work).await;
    }
    let (transactions, rows) = since(&*store, before);
    // The bound is twenty. A person with e-mail and phone, and a read model, are in it.
    assert_eq!((transactions, rows), (5, 18));
}
