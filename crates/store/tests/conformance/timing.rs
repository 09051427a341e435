//! Timers, and runs that listen.

use crate::support::{Factory, accept, at, decide, decision, fact, rn, run, run_write, timer, write};
use pasarela_store::{Decided, FactWrite, Listen, RunInsert, RunStatus, TimerKind, TimerSet, Work};

pub(crate) async fn timers_come_oldest_first(factory: &impl Factory) {
    let store = factory.open();
    assert_eq!(store.next_timer().await.unwrap(), None);
    let mut timers: Vec<TimerSet> = [50, 10, 40, 10, 30].iter().zip(1..).map(|(due, n)| timer(*due, n)).collect();
    timers[0].kind = TimerKind::Settle;
    timers[2].kind = TimerKind::Check;
    timers[4].kind = TimerKind::Resume;
    write(&*store, Work { timers, ..Work::default() }).await;
    assert_eq!(store.next_timer().await.unwrap(), Some(at(10)));
    assert!(store.timers(at(9), 10).await.unwrap().is_empty());
    let due = store.timers(at(40), 10).await.unwrap();
    assert_eq!(due.iter().map(|t| t.target).collect::<Vec<_>>(), [2, 4, 5, 3], "up to and with the moment asked for");
    assert_eq!(
        due.iter().map(|t| t.kind).collect::<Vec<_>>(),
        [TimerKind::Wait, TimerKind::Wait, TimerKind::Resume, TimerKind::Check]
    );
    assert_eq!(store.timers(at(99), 2).await.unwrap().len(), 2);
    assert_eq!(store.timers(at(99), 10).await.unwrap()[4].kind, TimerKind::Settle);
    write(&*store, Work { fired: due.iter().map(|t| (t.due, t.id)).collect(), ..Work::default() }).await;
    assert_eq!(store.next_timer().await.unwrap(), Some(at(50)));
}

/// All guests of a show wait for the same moment; a restart between two decisions must not make
/// their timers collide.
pub(crate) async fn timers_of_one_moment_survive_a_reopening(factory: &impl Factory) {
    let store = factory.open();
    let (first, second) = (accept(&*store, "a").await, accept(&*store, "b").await);
    let waits = |target: i64| {
        let work = Work { timers: vec![timer(3600, target)], ..Work::default() };
        vec![FactWrite { work, ..FactWrite::default() }]
    };
    assert!(matches!(store.decide(decision(first, waits(1))).await.unwrap(), Decided::Done(_)));
    drop(store);
    let store = factory.open();
    let decided = store.decide(decision(second, waits(2))).await;
    assert!(matches!(decided, Ok(Decided::Done(_))), "{decided:?}");
    let targets: Vec<_> = store.timers(at(3600), 10).await.unwrap().iter().map(|t| t.target).collect();
    assert_eq!(targets, [1, 2]);
}

fn listen(key: i64, event_type: &str) -> Listen {
    Listen { key, event_type: event_type.into() }
}

pub(crate) async fn listeners_hear_their_key_and_type(factory: &impl Factory) {
    let store = factory.open();
    for n in 1..=3 {
        let listens = vec![listen(7, "order.cancelled"), listen(n, "order.refunded")];
        decide(&*store, |d| {
            vec![FactWrite { runs: vec![RunInsert { listens, ..run(&*store, n, n) }], ..fact(&*store, n, d) }]
        })
        .await;
    }
    let who = async |key, event_type: &str| -> Vec<i64> {
        store.listeners(key, event_type).await.unwrap().iter().map(|l| l.run.get()).collect()
    };
    assert_eq!(who(7, "order.cancelled").await, [1, 2, 3]);
    assert_eq!(who(2, "order.refunded").await, [2]);
    assert!(who(8, "order.cancelled").await.is_empty() && who(7, "order.paid").await.is_empty());
    assert_eq!(store.run(rn(1)).await.unwrap().unwrap().version, 1);
}

pub(crate) async fn a_finished_run_no_longer_listens(factory: &impl Factory) {
    let store = factory.open();
    let listens = vec![listen(7, "order.cancelled")];
    decide(&*store, |d| {
        vec![FactWrite { runs: vec![RunInsert { listens, ..run(&*store, 1, 1) }], ..fact(&*store, 1, d) }]
    })
    .await;
    let mut change = run_write(&*store, 1, 1, RunStatus::Running);
    change.unlisten = vec![listen(7, "order.cancelled")];
    change.listen = vec![listen(7, "order.refunded"), listen(7, "order.refunded")];
    write(&*store, Work { runs: vec![change], ..Work::default() }).await;
    assert!(store.listeners(7, "order.cancelled").await.unwrap().is_empty());
    assert_eq!(store.listeners(7, "order.refunded").await.unwrap().len(), 1);
    let mut ends = run_write(&*store, 1, 2, RunStatus::Done);
    ends.unlisten = vec![listen(7, "order.refunded"), listen(9, "never.heard")];
    write(&*store, Work { runs: vec![ends], ..Work::default() }).await;
    assert!(store.listeners(7, "order.refunded").await.unwrap().is_empty());
}
