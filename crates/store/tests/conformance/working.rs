//! Outcomes and what follows: guards hold, or nothing is written.

use crate::support::{
    Factory, accept, at, bring, claim, decide, decision, delivery, eff, effect, entity, evt, fact, queue, rn, run,
    run_write, state, timer, update, write,
};
use pasarela_domain::EntityRef;
use pasarela_store::{
    AttemptInsert, Claim, Decided, DeliveryStatus, EffectGuard, EffectState, EffectUpdate, FactWrite, Listen,
    ReadGuard, RunInsert, RunStatus, Store, Work, Worked,
};

/// Work that would leave something behind in every table, so that "nothing" can be seen.
fn wide(store: &dyn Store, updates: Vec<EffectUpdate>) -> Work {
    Work {
        updates,
        attempts: vec![attempt(1, 9, 0)],
        effects: vec![effect(store, 900)],
        timers: vec![timer(900, 900)],
        deliveries: vec![delivery(store, "traído")],
        ..Work::default()
    }
}

async fn left_nothing(store: &dyn Store) {
    assert!(store.effect(eff(900)).await.unwrap().is_none(), "no effect");
    assert!(store.attempts(eff(1)).await.unwrap().iter().all(|a| a.attempt != 9), "no history");
    assert!(store.timers(at(10_000), 10).await.unwrap().iter().all(|t| t.target != 900), "no timer");
    assert!(store.inbox(0, 10).await.unwrap().rows.is_empty(), "no delivery");
}

fn attempt(effect: i64, attempt: u32, call: u32) -> AttemptInsert {
    AttemptInsert {
        effect: eff(effect),
        attempt,
        call,
        started_at: at(10),
        ended_at: at(11),
        outcome: "done",
        status: Some(200),
        detail: None,
    }
}

pub(crate) async fn the_fence_of_an_attempt_holds(factory: &impl Factory) {
    let store = factory.open();
    bring(&*store, effect(&*store, 1), EffectState::Calling).await;
    let boot = store.boot();
    for (boot, attempt) in [(boot + 1, 1), (boot - 1, 1), (boot, 0), (boot, 2)] {
        let stale = wide(&*store, vec![update(1, EffectGuard::Attempt { boot, attempt }, EffectState::Done)]);
        assert_eq!(store.work(stale).await.unwrap(), Worked::Stale, "boot {boot}, attempt {attempt}");
        assert_eq!(state(&*store, 1).await, EffectState::Calling);
        left_nothing(&*store).await;
    }
    let right = EffectGuard::Attempt { boot, attempt: 1 };
    write(&*store, Work { updates: vec![update(1, right.clone(), EffectState::Done)], ..Work::default() }).await;
    // The same answer a second time finds no open attempt.
    let again = wide(&*store, vec![update(1, right.clone(), EffectState::Dead)]);
    assert_eq!(store.work(again).await.unwrap(), Worked::Stale);
    let missing = wide(&*store, vec![update(404, right, EffectState::Dead)]);
    assert_eq!(store.work(missing).await.unwrap(), Worked::Stale, "an effect that is not there");
    assert_eq!(state(&*store, 1).await, EffectState::Done);
    left_nothing(&*store).await;
}

pub(crate) async fn the_state_guard_holds(factory: &impl Factory) {
    let store = factory.open();
    queue(&*store, [1, 2]).await;
    let dead = EffectGuard::State(&[EffectState::Dead, EffectState::Unknown]);
    let queued = EffectGuard::State(&[EffectState::Queued]);
    // The first update fits, the second does not: neither is written.
    let updates =
        vec![update(2, queued.clone(), EffectState::Withdrawn), update(1, dead.clone(), EffectState::Dropped)];
    assert_eq!(store.work(wide(&*store, updates)).await.unwrap(), Worked::Stale);
    assert_eq!(state(&*store, 2).await, EffectState::Queued);
    left_nothing(&*store).await;
    let gone = wide(&*store, vec![update(404, dead.clone(), EffectState::Dropped)]);
    assert_eq!(store.work(gone).await.unwrap(), Worked::Stale);

    write(&*store, Work { updates: vec![update(1, queued, EffectState::Unknown)], ..Work::default() }).await;
    write(&*store, Work { updates: vec![update(1, dead, EffectState::Dropped)], ..Work::default() }).await;
    assert_eq!(state(&*store, 1).await, EffectState::Dropped);
}

pub(crate) async fn a_run_is_written_by_who_read_its_version(factory: &impl Factory) {
    let store = factory.open();
    decide(&*store, |d| vec![FactWrite { runs: vec![run(&*store, 1, 1)], ..fact(&*store, 1, d) }]).await;
    queue(&*store, [1]).await;
    for wrong in [0, 2] {
        let mut stale = wide(&*store, vec![]);
        stale.runs = vec![run_write(&*store, 1, wrong, RunStatus::Done)];
        assert_eq!(store.work(stale).await.unwrap(), Worked::Stale);
        left_nothing(&*store).await;
    }
    write(&*store, Work { runs: vec![run_write(&*store, 1, 1, RunStatus::Settling)], ..Work::default() }).await;
    let row = store.run(rn(1)).await.unwrap().unwrap();
    assert_eq!((row.version, row.status, row.state.as_slice()), (2, RunStatus::Settling, &b"after 1"[..]));
    assert_eq!((row.created_at, row.updated_at), (at(0), at(60)));
    for (version, status) in [
        (2, RunStatus::Blocked),
        (3, RunStatus::Running),
        (4, RunStatus::Cancelled),
        (5, RunStatus::Failed),
        (6, RunStatus::Done),
    ] {
        write(&*store, Work { runs: vec![run_write(&*store, 1, version, status)], ..Work::default() }).await;
        assert_eq!(store.run(rn(1)).await.unwrap().unwrap().status, status);
    }
}

pub(crate) async fn a_timer_fires_once(factory: &impl Factory) {
    let store = factory.open();
    write(&*store, Work { timers: vec![timer(5, 1), timer(5, 2)], ..Work::default() }).await;
    let due = store.timers(at(5), 10).await.unwrap();
    assert_eq!(due.len(), 2);
    let fired = vec![(due[0].due, due[0].id)];
    write(&*store, Work { fired: fired.clone(), ..Work::default() }).await;
    let mut again = wide(&*store, vec![]);
    again.fired = fired;
    assert_eq!(store.work(again).await.unwrap(), Worked::Stale);
    left_nothing(&*store).await;
    let left = store.timers(at(5), 10).await.unwrap();
    assert_eq!(left.iter().map(|t| t.target).collect::<Vec<_>>(), [due[1].target], "its twin of the same moment stays");
}

pub(crate) async fn an_update_keeps_what_it_does_not_name(factory: &impl Factory) {
    let store = factory.open();
    bring(&*store, effect(&*store, 1), EffectState::Calling).await;
    let answered = EffectUpdate {
        outcome: Some(store.sealer().seal(b"wamid")),
        reference: Some(77),
        code: Some("accepted".into()),
        ..update(1, EffectGuard::Attempt { boot: store.boot(), attempt: 1 }, EffectState::Settling)
    };
    write(&*store, Work { updates: vec![answered], ..Work::default() }).await;
    let settling = EffectGuard::State(&[EffectState::Settling]);
    write(&*store, Work { updates: vec![update(1, settling, EffectState::Unknown)], ..Work::default() }).await;
    let row = store.effect(eff(1)).await.unwrap().unwrap();
    assert_eq!((row.outcome.as_slice(), row.code, row.generation), (&b"wamid"[..], None, 1));
    assert_eq!(store.by_reference(1, 77).await.unwrap().unwrap().id, eff(1), "the reference is kept");
    // A person retries: a new generation of the key, and a new time to give up.
    let retried = EffectUpdate {
        renew: Some(at(200_000)),
        not_before: Some(at(30)),
        ..update(1, EffectGuard::State(&[EffectState::Unknown]), EffectState::Queued)
    };
    write(&*store, Work { updates: vec![retried], ..Work::default() }).await;
    let row = store.effect(eff(1)).await.unwrap().unwrap();
    assert_eq!((row.generation, row.give_up_at, row.not_before, row.attempt), (2, at(200_000), Some(at(30)), 1));
}

pub(crate) async fn progress_replaces_the_stored_call_of_the_open_attempt(factory: &impl Factory) {
    let store = factory.open();
    bring(&*store, effect(&*store, 1), EffectState::Calling).await;
    let next = |boot, attempt, id| Claim {
        boot,
        call: store.sealer().seal(b"segunda"),
        repeat: 2,
        alone_above: None,
        started_at: at(99),
        ..claim(&*store, id, attempt)
    };
    for (boot, attempt, id) in [(store.boot() + 1, 1, 1), (store.boot(), 2, 1), (store.boot(), 1, 404)] {
        let mut stale = wide(&*store, vec![]);
        stale.progress = Some(next(boot, attempt, id));
        assert_eq!(store.work(stale).await.unwrap(), Worked::Stale);
        left_nothing(&*store).await;
        assert_eq!(store.effect(eff(1)).await.unwrap().unwrap().call, b"call 1");
    }
    write(&*store, Work { progress: Some(next(store.boot(), 1, 1)), ..Work::default() }).await;
    let row = store.effect(eff(1)).await.unwrap().unwrap();
    assert_eq!((row.call.as_slice(), row.repeat, row.started_at), (&b"segunda"[..], 2, Some(at(99))));
    assert_eq!((row.state, row.attempt), (EffectState::Calling, 1));
}

pub(crate) async fn what_was_read_must_still_be_so(factory: &impl Factory) {
    let store = factory.open();
    decide(&*store, |d| {
        let listens = vec![Listen { key: 70, event_type: "order.cancelled".into() }];
        let mut first = fact(&*store, 1, d);
        first.entities.push(entity(&*store, "o1", 0, "estado"));
        first.runs = vec![RunInsert { listens, ..run(&*store, 1, 1) }];
        vec![first, fact(&*store, 2, d), fact(&*store, 3, d)]
    })
    .await;
    let model = |id: &str, version| ReadGuard::Entity { connection: 1, entity: EntityRef::new("order", id), version };
    let heard = |event_type: &str, runs: &[i64]| ReadGuard::Listeners {
        key: 70,
        event_type: event_type.into(),
        runs: runs.iter().map(|r| rn(*r)).collect(),
    };
    let since = |after, types: &[&str], count| ReadGuard::Events {
        key: 5,
        after: evt(after),
        types: types.iter().map(|t| (*t).to_owned()).collect(),
        count,
    };
    let holds = [
        model("o1", 1),
        model("o2", 0),
        heard("order.cancelled", &[1]),
        // Somebody who has gone meanwhile is told in vain, which does no harm.
        heard("order.cancelled", &[9, 1]),
        heard("order.refunded", &[]),
        since(1, &["order.paid"], 2),
        since(1, &["order.cancelled"], 0),
        since(3, &["order.paid"], 0),
    ];
    let broken = [
        model("o1", 0),
        model("o1", 2),
        model("o2", 1),
        heard("order.cancelled", &[]),
        heard("order.cancelled", &[9]),
        since(1, &["order.paid"], 1),
        since(1, &["order.paid"], 3),
    ];
    for guard in broken {
        let work = Work { guards: vec![model("o1", 1), guard.clone()], ..wide(&*store, vec![]) };
        assert_eq!(store.work(work).await.unwrap(), Worked::Stale, "{guard:?}");
        left_nothing(&*store).await;
        // In a decision it is a conflict, and the delivery waits to be decided again.
        let id = accept(&*store, "{}").await;
        let mut stale = fact(&*store, 90, id);
        stale.work.guards.push(guard.clone());
        assert_eq!(store.decide(decision(id, vec![stale])).await.unwrap(), Decided::Conflict, "{guard:?}");
        assert_eq!(store.inbox(0, 10).await.unwrap().rows.len(), 1);
        assert!(matches!(store.decide(decision(id, vec![])).await.unwrap(), Decided::Done(_)));
    }
    write(&*store, Work { guards: holds.to_vec(), effects: vec![effect(&*store, 1)], ..Work::default() }).await;
    // A fact's guards are looked at before what the fact itself writes.
    decide(&*store, |d| {
        let mut last = fact(&*store, 4, d);
        last.entities.push(entity(&*store, "o2", 0, "estado"));
        last.runs = vec![RunInsert {
            listens: vec![Listen { key: 70, event_type: "order.refunded".into() }],
            ..run(&*store, 4, 4)
        }];
        last.work.guards = holds.to_vec();
        vec![last]
    })
    .await;
}

pub(crate) async fn history_is_kept_per_attempt_and_call(factory: &impl Factory) {
    let store = factory.open();
    queue(&*store, [1]).await;
    let detailed = AttemptInsert {
        detail: Some(store.sealer().seal(b"429")),
        status: None,
        outcome: "throttled",
        ..attempt(1, 2, 0)
    };
    write(
        &*store,
        Work { attempts: vec![detailed, attempt(1, 1, 1), attempt(1, 1, 0), attempt(2, 1, 0)], ..Work::default() },
    )
    .await;
    let rows = store.attempts(eff(1)).await.unwrap();
    assert_eq!(rows.iter().map(|a| (a.attempt, a.call)).collect::<Vec<_>>(), [(1, 0), (1, 1), (2, 0)]);
    assert_eq!((rows[0].outcome.as_str(), rows[0].status, rows[0].detail.as_slice()), ("done", Some(200), &b""[..]));
    assert_eq!((rows[2].outcome.as_str(), rows[2].status, rows[2].detail.as_slice()), ("throttled", None, &b"429"[..]));
    assert_eq!((rows[0].started_at, rows[0].ended_at), (at(10), at(11)));
}

/// The attempt that did the effect is the last of its history, wherever the store keeps it.
pub(crate) async fn the_history_ends_with_the_attempt_that_did_it(factory: &impl Factory) {
    let store = factory.open();
    let done = |boot| update(1, EffectGuard::Attempt { boot, attempt: 2 }, EffectState::Done);
    queue(&*store, [1]).await;
    store.claim(vec![claim(&*store, 1, 1)]).await.unwrap();
    let back = update(1, EffectGuard::Attempt { boot: store.boot(), attempt: 1 }, EffectState::Queued);
    let throttled = AttemptInsert { outcome: "throttled", status: Some(429), ..attempt(1, 1, 0) };
    write(&*store, Work { updates: vec![back], attempts: vec![throttled], ..Work::default() }).await;
    store.claim(vec![claim(&*store, 1, 2)]).await.unwrap();
    let step = AttemptInsert { outcome: "step", ..attempt(1, 2, 0) };
    write(&*store, Work { attempts: vec![step], ..Work::default() }).await;
    let last = || AttemptInsert {
        started_at: at(20),
        ended_at: at(25),
        status: Some(201),
        detail: Some(store.sealer().seal(b"creado")),
        ..attempt(1, 2, 1)
    };
    let stale = Work { updates: vec![done(store.boot() + 1)], attempts: vec![last()], ..Work::default() };
    assert_eq!(store.work(stale).await.unwrap(), Worked::Stale);
    assert_eq!(store.attempts(eff(1)).await.unwrap().len(), 2, "nothing of what was stale");
    write(&*store, Work { updates: vec![done(store.boot())], attempts: vec![last()], ..Work::default() }).await;
    let rows = store.attempts(eff(1)).await.unwrap();
    let told: Vec<_> = rows.iter().map(|a| (a.attempt, a.call, a.outcome.as_str(), a.status)).collect();
    assert_eq!(told, [(1, 0, "throttled", Some(429)), (2, 0, "step", Some(200)), (2, 1, "done", Some(201))]);
    assert_eq!((rows[2].started_at, rows[2].ended_at, rows[2].detail.as_slice()), (at(20), at(25), &b"creado"[..]));
    assert_eq!(state(&*store, 1).await, EffectState::Done);
}

pub(crate) async fn a_fetch_brings_deliveries(factory: &impl Factory) {
    let store = factory.open();
    let mut fetched = [delivery(&*store, "uno"), delivery(&*store, "dos")];
    for d in &mut fetched {
        d.source = "fetch";
    }
    let worked = store.work(Work { deliveries: fetched.into(), ..Work::default() }).await.unwrap();
    let Worked::Done { deliveries, .. } = worked else { panic!("nothing to be stale") };
    let inbox = store.inbox(0, 10).await.unwrap().rows;
    assert_eq!(inbox.iter().map(|r| r.id).collect::<Vec<_>>(), deliveries);
    assert_eq!(inbox.iter().map(|r| r.packed.as_slice()).collect::<Vec<_>>(), [b"uno", b"dos"]);
    assert!(inbox.iter().all(|r| r.source == "fetch"));
    let one = store.delivery(deliveries[0]).await.unwrap().unwrap();
    assert_eq!((one.status, one.source.as_str()), (DeliveryStatus::Received, "fetch"));
    assert!(Work::default().is_empty());
    assert!(!wide(&*store, vec![]).is_empty());
}
