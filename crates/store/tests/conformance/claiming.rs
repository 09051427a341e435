//! What is to be sent, what is out, and what is held.

use crate::support::{Factory, at, bring, claim, eff, effect, queue, state, update, write};
use pasarela_store::{Claim, EffectGuard, EffectInsert, EffectState, EffectUpdate, Work, Worked};

pub(crate) async fn only_queued_effects_are_claimed(factory: &impl Factory) {
    let store = factory.open();
    queue(&*store, [1, 2]).await;
    bring(&*store, effect(&*store, 3), EffectState::Calling).await;
    bring(&*store, effect(&*store, 4), EffectState::Done).await;
    let claims = [1, 3, 404, 4, 2].map(|id| claim(&*store, id, 5)).to_vec();
    assert_eq!(store.claim(claims).await.unwrap(), [true, false, false, false, true]);
    assert_eq!(store.effect(eff(3)).await.unwrap().unwrap().attempt, 1, "the open attempt of another stays");
    assert_eq!(state(&*store, 4).await, EffectState::Done);
    assert_eq!(store.claim(vec![claim(&*store, 1, 6)]).await.unwrap(), [false], "once");
}

/// Claims that come with other work are written with it or not at all; one that is late stops nothing.
pub(crate) async fn a_claim_may_come_with_an_outcome(factory: &impl Factory) {
    let store = factory.open();
    queue(&*store, 1..=4).await;
    store.claim(vec![claim(&*store, 1, 1), claim(&*store, 4, 1)]).await.unwrap();
    let ends = |boot| Work {
        updates: vec![update(1, EffectGuard::Attempt { boot, attempt: 1 }, EffectState::Done)],
        claims: vec![claim(&*store, 2, 1), claim(&*store, 4, 1), claim(&*store, 3, 1)],
        ..Work::default()
    };
    assert_eq!(store.work(ends(store.boot() + 1)).await.unwrap(), Worked::Stale);
    assert_eq!(state(&*store, 2).await, EffectState::Queued, "a stale outcome begins nothing");
    let Worked::Done { claimed, .. } = store.work(ends(store.boot())).await.unwrap() else { panic!("it stands") };
    assert_eq!(claimed, [true, false, true]);
    for (id, wanted) in [(1, EffectState::Done), (2, EffectState::Calling), (3, EffectState::Calling)] {
        assert_eq!(state(&*store, id).await, wanted, "{id}");
    }
    assert_eq!(store.effect(eff(2)).await.unwrap().unwrap().call, b"call 2");
    assert!(!Work { claims: vec![claim(&*store, 2, 1)], ..Work::default() }.is_empty());
}

pub(crate) async fn a_claim_is_the_attempt_record(factory: &impl Factory) {
    let store = factory.open();
    let later = EffectInsert { not_before: Some(at(5)), ..effect(&*store, 1) };
    write(&*store, Work { effects: vec![later], ..Work::default() }).await;
    let begun = Claim { attempt: 4, generation: 3, started_at: at(20), repeat: 2, ..claim(&*store, 1, 4) };
    store.claim(vec![begun]).await.unwrap();
    let row = store.effect(eff(1)).await.unwrap().unwrap();
    assert_eq!((row.state, row.attempt, row.generation, row.repeat), (EffectState::Calling, 4, 3, 2));
    assert_eq!((row.started_at, row.not_before, row.call.as_slice()), (Some(at(20)), None, &b"call 1"[..]));
}

pub(crate) async fn queued_goes_by_connection_urgency_and_flow_in_lane_order(factory: &impl Factory) {
    let store = factory.open();
    // Ids fall while places rise: the order is that of the decisions.
    for n in 0..9 {
        let one = EffectInsert { urgency: u8::try_from(n % 3).unwrap(), ..effect(&*store, 100 - n) };
        let other = EffectInsert { connection: 2, ..effect(&*store, 200 - n) };
        let of_another_flow = EffectInsert { connection: 2, flow: -8, ..effect(&*store, 300 - n) };
        write(&*store, Work { effects: vec![one, other, of_another_flow], ..Work::default() }).await;
    }
    for urgency in 0..3 {
        let rows = store.queued(1, urgency, 3, -1, 100).await.unwrap();
        let expected: Vec<_> = (0..3).map(|k| eff(100 - i64::from(urgency) - 3 * k)).collect();
        assert_eq!(rows.iter().map(|e| e.id).collect::<Vec<_>>(), expected);
        assert!(
            rows.iter()
                .all(|e| (e.flow, e.lane, e.path.as_str(), e.action.as_str()) == (3, 11, "boleta", "send_template"))
        );
    }
    // A window goes on where the last one ended.
    let (mut after, mut read) = (-1, Vec::new());
    loop {
        let window = store.queued(2, 1, 3, after, 4).await.unwrap();
        let Some(last) = window.last() else { break };
        after = last.seq;
        read.extend(window.iter().map(|e| e.id));
    }
    assert_eq!(read, (0..9).map(|n| eff(200 - n)).collect::<Vec<_>>());
    store.claim(vec![claim(&*store, 200, 1)]).await.unwrap();
    assert_eq!(store.queued(2, 1, 3, -1, 100).await.unwrap().len(), 8, "what is out is not queued");
    assert_eq!(store.queued_flows(2, 1).await.unwrap(), [-8, 3]);
    assert_eq!(store.queued_flows(1, 2).await.unwrap(), [3]);
    assert!(store.queued_flows(2, 0).await.unwrap().is_empty());
    assert_eq!(store.effect(eff(300)).await.unwrap().unwrap().flow, -8);
}

/// Flows share lanes: what is queued tells how it stands among all of its lane.
pub(crate) async fn queued_tells_its_stand_in_its_lane(factory: &impl Factory) {
    let store = factory.open();
    // (id, flow, lane)
    let queued = [(1, 3, 11), (2, 4, 11), (3, 3, 12), (4, 3, 11), (5, 4, 13)];
    for (id, flow, lane) in queued {
        let not_before = (id == 3).then(|| at(5));
        let effects = vec![EffectInsert { flow, lane, not_before, ..effect(&*store, id) }];
        write(&*store, Work { effects, ..Work::default() }).await;
    }
    // Another urgency and another connection are other lanes.
    let elsewhere =
        [EffectInsert { urgency: 0, ..effect(&*store, 6) }, EffectInsert { connection: 2, ..effect(&*store, 7) }];
    write(&*store, Work { effects: elsewhere.to_vec(), ..Work::default() }).await;
    let stands =
        |rows: Vec<pasarela_store::QueuedRow>| rows.iter().map(|e| (e.id.get(), e.first, e.last)).collect::<Vec<_>>();
    let of_three = store.queued(1, 1, 3, -1, 10).await.unwrap();
    assert_eq!(of_three[1].not_before, Some(at(5)));
    assert_eq!(stands(of_three), [(1, true, false), (3, true, true), (4, false, true)]);
    assert_eq!(stands(store.queued(1, 1, 4, -1, 10).await.unwrap()), [(2, false, false), (5, true, true)]);
    assert_eq!(
        stands(store.queued_lane(1, 1, 11, -1, 10).await.unwrap()),
        [(1, true, false), (2, false, false), (4, false, true)]
    );
    assert_eq!(stands(store.queued_lane(1, 1, 11, -1, 1).await.unwrap()), [(1, true, false)]);
    store.claim(vec![claim(&*store, 1, 1)]).await.unwrap();
    assert_eq!(stands(store.queued_lane(1, 1, 11, -1, 10).await.unwrap()), [(2, true, false), (4, false, true)]);
    assert_eq!(stands(store.queued_lane(1, 1, 11, 2, 10).await.unwrap()), [(4, false, true)]);
    assert!(store.queued_lane(1, 1, 99, -1, 10).await.unwrap().is_empty());
}

pub(crate) async fn held_lanes_are_told(factory: &impl Factory) {
    let store = factory.open();
    let states = [
        (1, EffectState::Dead, true),
        (2, EffectState::Unknown, true),
        (3, EffectState::Dead, false),
        (4, EffectState::Checking, false),
        (5, EffectState::Done, true),
        (6, EffectState::GaveUp, true),
        (7, EffectState::Queued, true),
    ];
    for (id, to, park) in states {
        bring(&*store, EffectInsert { lane: id * 10, park, urgency: 2, ..effect(&*store, id) }, to).await;
    }
    bring(&*store, EffectInsert { lane: 10, urgency: 2, ..effect(&*store, 8) }, EffectState::Dead).await;
    let mut held = store.parked().await.unwrap();
    held.sort_unstable();
    assert_eq!(held, [(1, 10, 2), (1, 20, 2), (1, 40, 2)], "each lane once; a dead letter that skips holds nothing");
}

pub(crate) async fn interrupted_are_exactly_those_that_were_out(factory: &impl Factory) {
    let store = factory.open();
    let first = store.boot();
    bring(&*store, effect(&*store, 1), EffectState::Calling).await;
    bring(&*store, effect(&*store, 2), EffectState::Done).await;
    bring(&*store, effect(&*store, 3), EffectState::Settling).await;
    queue(&*store, [4]).await;
    assert!(store.interrupted().await.unwrap().is_empty(), "what is out now was not interrupted");
    drop(store);
    let store = factory.open();
    assert!(store.boot() > first, "every boot has a higher fence");
    let rows = store.interrupted().await.unwrap();
    assert_eq!(rows.iter().map(|e| e.id).collect::<Vec<_>>(), [eff(1)]);
    assert_eq!((rows[0].call.as_slice(), rows[0].repeat, rows[0].attempt), (&b"call 1"[..], 1, 1));
    // The old boot's answer comes too late for a fence that has moved on.
    store
        .work(Work {
            updates: vec![update(1, EffectGuard::State(&[EffectState::Calling]), EffectState::Queued)],
            ..Work::default()
        })
        .await
        .unwrap();
    store.claim(vec![claim(&*store, 1, 2)]).await.unwrap();
    let late = update(1, EffectGuard::Attempt { boot: first, attempt: 1 }, EffectState::Done);
    let worked = store.work(Work { updates: vec![late], ..Work::default() }).await.unwrap();
    assert_eq!(worked, pasarela_store::Worked::Stale);
    assert!(store.interrupted().await.unwrap().is_empty());
}

pub(crate) async fn places_go_on_after_a_reopening(factory: &impl Factory) {
    let store = factory.open();
    let before = queue(&*store, [1, 2, 3]).await;
    bring(&*store, effect(&*store, 4), EffectState::Calling).await;
    bring(&*store, effect(&*store, 5), EffectState::Dead).await;
    drop(store);
    let store = factory.open();
    let after = queue(&*store, [6]).await;
    let highest = store.effect(eff(5)).await.unwrap().unwrap().seq;
    assert!(before.iter().all(|s| s < &highest) && after[0] > highest, "{before:?}, {highest}, {after:?}");
}

pub(crate) async fn a_reference_finds_what_is_not_settled(factory: &impl Factory) {
    let store = factory.open();
    let open = [EffectState::Settling, EffectState::Checking, EffectState::Unsettled, EffectState::Unknown];
    let closed = [EffectState::Done, EffectState::Dead, EffectState::FailedLate, EffectState::Dropped];
    for (id, to) in (1..).zip(open.into_iter().chain(closed)) {
        bring(&*store, effect(&*store, id), EffectState::Calling).await;
        let guard = EffectGuard::Attempt { boot: store.boot(), attempt: 1 };
        let answered = EffectUpdate { reference: Some(id * 100), ..update(id, guard, to) };
        write(&*store, Work { updates: vec![answered], ..Work::default() }).await;
        let found = store.by_reference(1, id * 100).await.unwrap();
        assert_eq!(found.map(|e| e.id), open.contains(&to).then_some(eff(id)), "{to:?}");
        assert!(store.by_reference(2, id * 100).await.unwrap().is_none(), "another connection's reference");
    }
}
