//! Care of what is kept: retention, redacting, what a restored database may do again.

use crate::support::{
    Factory, accept, at, bring, decision, delivery, eff, effect, entity, event, evt, fact, queue, rn, run, run_write,
    state, timer, write,
};
use jiff::Timestamp;
use pasarela_domain::{DeliveryId, EntityRef};
use pasarela_store::{
    Accepted, AttemptInsert, Audited, Decided, Decision, DedupKey, DeliveryStatus, EffectState, FactWrite, HOLD, Kept,
    NewDelivery, Person, RecordWrite, RunStatus, SCANS, Store, Work, verify,
};

const DAY: i64 = 86_400;

/// Whole passes of all kinds, as the engine makes them.
async fn pass(store: &dyn Store, before: Timestamp) -> u64 {
    let mut removed = 0;
    for kept in Kept::ALL.into_iter().filter(|k| *k != Kept::Facts && *k != Kept::Bodies) {
        removed += whole(store, kept, before, 100).await;
    }
    removed
}

async fn whole(store: &dyn Store, kept: Kept, before: Timestamp, limit: u32) -> u64 {
    let mut removed = 0;
    for _ in 0..200 {
        let bite = store.prune(kept, before, at(9 * DAY), limit).await.unwrap();
        assert!(bite.looked <= u64::from(limit), "{kept:?}: {bite:?}");
        removed += bite.removed;
        if bite.done {
            return removed;
        }
    }
    panic!("a pass of {kept:?} does not end");
}

/// A delivery, its event, and a run of it.
async fn story(store: &dyn Store, id: i64, key: i64, status: RunStatus) -> DeliveryId {
    let delivery = accept(store, &format!("body {id}")).await;
    let mut event = event(store, id, delivery);
    event.key = key;
    let facts = vec![FactWrite {
        dedup: Some(DedupKey { connection: 1, kind: "order.paid".into(), entity: id, discriminator: 1 }),
        event: Some(event),
        runs: vec![run(store, id, id)],
        ..FactWrite::default()
    }];
    assert!(matches!(store.decide(decision(delivery, facts)).await.unwrap(), Decided::Done(_)));
    write(store, Work { runs: vec![run_write(store, id, 1, status)], ..Work::default() }).await;
    delivery
}

/// The newest row of each table stays for ever: one that no test asks after.
async fn newest(store: &dyn Store) {
    story(store, 900_000, 900_000, RunStatus::Done).await;
    let mut last = effect(store, 900_001);
    last.run = Some(rn(900_000));
    bring(store, last, EffectState::Done).await;
}

async fn done(store: &dyn Store, id: i64, run: Option<i64>) {
    let mut insert = effect(store, id);
    insert.run = run.map(rn);
    bring(store, insert, EffectState::Done).await;
    let attempt = AttemptInsert {
        effect: eff(id),
        attempt: 1,
        call: 0,
        started_at: at(0),
        ended_at: at(1),
        outcome: "retry",
        status: Some(503),
        detail: None,
    };
    write(store, Work { attempts: vec![attempt], ..Work::default() }).await;
}

pub(crate) async fn only_what_is_finished_and_old_goes(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    let delivery = story(s, 1, 5, RunStatus::Done).await;
    done(s, 11, Some(1)).await;
    done(s, 12, None).await;
    let empty = accept(s, "nothing in it").await;
    let mut ignored = decision(empty, vec![]);
    ignored.status = DeliveryStatus::Ignored;
    s.decide(ignored).await.unwrap();
    newest(s).await;

    assert_eq!(pass(s, at(-1)).await, 0, "nothing is older than that");
    assert!(s.run(rn(1)).await.unwrap().is_some());
    // Run, read, event, the ignored delivery and its own.
    assert!(pass(s, at(2 * DAY)).await >= 5);
    assert!(s.run(rn(1)).await.unwrap().is_none());
    assert!(s.event(evt(1)).await.unwrap().is_none());
    for id in [11, 12] {
        assert!(s.effect(eff(id)).await.unwrap().is_none(), "{id}");
        assert!(s.attempts(eff(id)).await.unwrap().is_empty(), "{id}");
    }
    for id in [delivery, empty] {
        assert!(s.delivery(id).await.unwrap().is_none());
    }
    assert!(s.run(rn(900_000)).await.unwrap().is_some(), "ids go on above the newest, which stays");
    let care = s.care().await.unwrap();
    let runs = care.iter().find(|c| c.kept == Kept::Runs).unwrap();
    assert_eq!((runs.removed, runs.passed_at), (1, Some(at(9 * DAY))), "counted in a row of its own");
    assert_eq!(runs.oldest, Some(at(0)));
}

pub(crate) async fn what_somebody_needs_stays(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    let before = at(2 * DAY);
    // A run that is live, and an event of its key after its own, which it may still look for.
    let live = story(s, 1, 5, RunStatus::Running).await;
    let later = accept(s, "later").await;
    s.decide(decision(later, vec![FactWrite { event: Some(event(s, 2, later)), ..FactWrite::default() }]))
        .await
        .unwrap();
    // Ended runs with something that is open, or that a person must decide.
    let held = [
        (10, EffectState::Queued),
        (20, EffectState::Calling),
        (30, EffectState::Settling),
        (40, EffectState::Checking),
        (50, EffectState::Dead),
        (60, EffectState::Unknown),
    ];
    for (id, to) in held {
        story(s, id, id, RunStatus::Cancelled).await;
        let mut insert = effect(s, id + 1);
        insert.run = Some(rn(id));
        bring(s, insert, to).await;
        let mut own = effect(s, id + 2);
        own.run = None;
        bring(s, own, to).await;
        // What the run did belongs to what a person is to decide.
        let mut before = effect(s, id + 3);
        (before.run, before.lane) = (Some(rn(id)), 1_000 + id);
        bring(s, before, EffectState::Done).await;
    }
    // Deliveries: pending, quarantined, proposed, understood in part.
    let pending = accept(s, "pending").await;
    let mut kept = vec![live, later, pending];
    for status in [DeliveryStatus::Quarantined, DeliveryStatus::Proposed, DeliveryStatus::Partial] {
        let id = accept(s, "to be looked at").await;
        let facts = Vec::new();
        let d = Decision { status, ..decision(id, facts) };
        s.decide(d).await.unwrap();
        kept.push(id);
    }
    newest(s).await;
    pass(s, before).await;
    whole(s, Kept::Bodies, before, 100).await;

    assert!(s.run(rn(1)).await.unwrap().is_some(), "a live run");
    assert!(s.event(evt(1)).await.unwrap().is_some() && s.event(evt(2)).await.unwrap().is_some());
    for (id, to) in held {
        assert!(s.run(rn(id)).await.unwrap().is_some(), "{to:?}");
        assert!(s.event(evt(id)).await.unwrap().is_some(), "{to:?}");
        assert_eq!(state(s, id + 1).await, to);
        assert_eq!(state(s, id + 2).await, to);
        assert_eq!(state(s, id + 3).await, EffectState::Done, "{to:?}: the whole run stays");
    }
    for id in kept {
        let row = s.delivery(id).await.unwrap().unwrap();
        // The bodies of what is decided went; nobody needs them any more.
        assert_eq!(row.packed.is_empty(), row.status == DeliveryStatus::Decided, "{:?}", row.status);
    }
    assert_eq!(s.inbox(-1, 10).await.unwrap().rows[0].packed, b"pending");
}

pub(crate) async fn a_pass_goes_in_bites_and_goes_on_after_a_reopening(factory: &impl Factory) {
    let store = factory.open();
    for id in 1..=25 {
        story(&*store, id, id, RunStatus::Done).await;
    }
    newest(&*store).await;
    let before = at(2 * DAY);
    let bite = store.prune(Kept::Runs, before, at(0), 10).await.unwrap();
    assert_eq!((bite.looked, bite.removed, bite.done), (10, 10, false));
    drop(store);
    let store = factory.open();
    let bite = store.prune(Kept::Runs, before, at(0), 10).await.unwrap();
    assert_eq!((bite.looked, bite.removed, bite.done), (10, 10, false), "it goes on where it was");
    assert!(store.run(rn(20)).await.unwrap().is_none() && store.run(rn(21)).await.unwrap().is_some());
    assert!(store.prune(Kept::Runs, before, at(0), 10).await.unwrap().done);
    assert!(store.run(rn(25)).await.unwrap().is_none());
    // The next pass begins from the front: what stayed may go now.
    let again = store.prune(Kept::Runs, before, at(0), 10).await.unwrap();
    assert_eq!((again.looked, again.removed), (1, 0), "only the newest is left");
}

pub(crate) async fn a_run_of_many_effects_goes_in_several_bites(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    story(s, 1, 5, RunStatus::Done).await;
    for chunk in 0..13 {
        let ids = 1_000 + chunk * 100..1_100 + chunk * 100;
        queue(s, ids.clone()).await;
        let updates = ids
            .map(|id| {
                crate::support::update(
                    id,
                    pasarela_store::EffectGuard::State(&[EffectState::Queued]),
                    EffectState::Done,
                )
            })
            .collect();
        write(s, Work { updates, ..Work::default() }).await;
    }
    newest(s).await;
    let before = at(2 * DAY);
    let first = s.prune(Kept::Runs, before, at(0), 100).await.unwrap();
    assert!(!first.done && first.removed == 0 && s.run(rn(1)).await.unwrap().is_some(), "{first:?}");
    let left = s.effects(pasarela_store::EffectFilter { limit: 5_000, ..Default::default() }).await.unwrap().rows.len();
    assert!(left > 600 && left < 1_301, "a bite is bounded: {left} are left of 1301");
    assert_eq!(whole(s, Kept::Runs, before, 100).await, 1);
    assert!(s.run(rn(1)).await.unwrap().is_none() && s.effect(eff(2_299)).await.unwrap().is_none());
}

pub(crate) async fn bodies_go_before_their_deliveries(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    let id = story(s, 1, 5, RunStatus::Running).await;
    assert_eq!(whole(s, Kept::Bodies, at(-1), 10).await, 0);
    assert_eq!(s.delivery(id).await.unwrap().unwrap().packed, b"body 1");
    assert_eq!(whole(s, Kept::Bodies, at(2 * DAY), 10).await, 1);
    let row = s.delivery(id).await.unwrap().unwrap();
    assert_eq!((row.packed.len(), row.status), (0, DeliveryStatus::Decided), "the row is there, and says how it ended");
    assert_eq!(s.prune(Kept::Bodies, at(2 * DAY), at(0), 10).await.unwrap().looked, 0, "and is not walked again");
}

pub(crate) async fn nonces_go_and_facts_stay(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    let with = |n: u32, seconds: i64| NewDelivery {
        replay_key: Some(format!("nonce-{n}")),
        received_at: at(seconds),
        ..delivery(s, "x")
    };
    for n in 0..12 {
        assert!(matches!(s.accept(with(n, i64::from(n) * 60)).await.unwrap(), Accepted::New(_)));
    }
    story(s, 1, 5, RunStatus::Done).await;
    assert_eq!(whole(s, Kept::Replays, at(6 * 60), 5).await, 6);
    assert_eq!(s.accept(with(7, 0)).await.unwrap(), Accepted::Known, "what is younger is still known");
    assert!(matches!(s.accept(with(0, 0)).await.unwrap(), Accepted::New(_)));
    let key = DedupKey { connection: 1, kind: "order.paid".into(), entity: 1, discriminator: 1 };
    let known = |known: bool| {
        let key = key.clone();
        async move { assert_eq!(s.lookup(vec![key], vec![]).await.unwrap().0, [known]) }
    };
    known(true).await;
    // Facts go only where a person has said so.
    assert_eq!(whole(s, Kept::Facts, at(0), 5).await, 0);
    known(true).await;
    assert_eq!(whole(s, Kept::Facts, at(DAY), 5).await, 1);
    known(false).await;
}

pub(crate) async fn links_follow_what_they_link(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    story(s, 1, 5, RunStatus::Done).await;
    let duplicate = accept(s, "again").await;
    let mut known = decision(duplicate, vec![]);
    known.subjects = vec![40];
    known.status = DeliveryStatus::Duplicate;
    s.decide(known).await.unwrap();
    let live = story(s, 2, 6, RunStatus::Running).await;
    newest(s).await;
    assert_eq!(s.naming(40, -1, 10).await.unwrap().rows.len(), 4);
    pass(s, at(2 * DAY)).await;
    let left = s.naming(40, -1, 10).await.unwrap().rows;
    assert_eq!(left.len(), 2);
    assert_eq!(left[0], live);
    let care = s.care().await.unwrap();
    let removed = |kept| care.iter().find(|c| c.kept == kept).unwrap().removed;
    // Two persons of the event, one of the duplicate.
    assert_eq!((removed(Kept::EventLinks), removed(Kept::DeliveryLinks)), (2, 1));
}

pub(crate) async fn a_person_is_redacted_everywhere_and_nobody_else(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    let body = |id: i64, order: &str| {
        let text = format!(
            "{{\"key\":\"{order}\",\"data\":{{\"name\":\"Valentina\"}},\"refs\":[{{\"kind\":\"order\",\"id\":\"{order}\"}},{{\"kind\":\"show\",\"id\":\"s1\"}}]}}"
        );
        (id, s.sealer().seal(text.as_bytes()))
    };
    let mut deliveries = Vec::new();
    for (id, subject, order) in [(1, 77, "o1"), (2, 78, "o2"), (3, 77, "o3")] {
        let delivery = accept(s, "Valentina Restrepo").await;
        let (_, sealed) = body(id, order);
        let mut told = event(s, id, delivery);
        (told.subjects, told.body, told.key) = (vec![subject], sealed, id);
        let mut entities = vec![entity(s, order, 0, "Valentina")];
        if id == 1 {
            let mut show = entity(s, "s1", 0, "Noche de lino");
            show.entity = EntityRef::new("show", "s1");
            entities.push(show);
        }
        let fact = FactWrite { event: Some(told), entities, runs: vec![run(s, id, id)], ..FactWrite::default() };
        s.decide(decision(delivery, vec![fact])).await.unwrap();
        for (n, to) in [(0, EffectState::Queued), (1, EffectState::Done), (2, EffectState::Dead)] {
            let mut insert = effect(s, id * 10 + n);
            (insert.run, insert.lane) = (Some(rn(id)), id * 10 + n);
            bring(s, insert, to).await;
        }
        deliveries.push(delivery);
    }
    let noted =
        Audited { about: vec![77], after: Some("Valentina".into()), ..Audited::by_system(at(40), "cases.write", "1") };
    s.audit(noted.sealed(s.sealer()).unwrap()).await.unwrap();
    let pending = accept(s, "not decided").await;
    let who = Person { subject: 77, personal: vec!["order".into()], records: vec![], held_by: None };
    let first = s.redact(who.clone(), -1, 1, at(50)).await.unwrap();
    assert_eq!(first.next, Some(deliveries[0].get()), "one delivery at a time, when asked so");
    let rest = s.redact(who.clone(), deliveries[0].get(), 10, at(50)).await.unwrap();
    assert!(rest.next.is_none() && rest.rows > 0);

    for (n, id) in [(0, 1), (2, 3)] {
        assert!(s.delivery(deliveries[n]).await.unwrap().unwrap().packed.is_empty());
        let row = s.event(evt(id)).await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&row.body).contains("Valentina"));
        assert!(serde_json::from_slice::<serde_json::Value>(&row.body).unwrap()["key"].is_string());
        let run = s.run(rn(id)).await.unwrap().unwrap();
        assert_eq!(run.status, RunStatus::Cancelled, "what was to come does not come");
        assert!(!String::from_utf8_lossy(&run.state).contains("begun"));
        let states = [state(s, id * 10).await, state(s, id * 10 + 1).await, state(s, id * 10 + 2).await];
        assert_eq!(states, [EffectState::Withdrawn, EffectState::Done, EffectState::Dropped]);
        for n in 0..3 {
            let row = s.effect(eff(id * 10 + n)).await.unwrap().unwrap();
            assert!(row.call.is_empty() && row.outcome.is_empty());
            assert!(!String::from_utf8_lossy(&row.input).contains("input"));
        }
    }
    let (_, models) =
        s.lookup(vec![], ["o1", "o2", "o3"].map(|o| (1, EntityRef::new("order", o))).to_vec()).await.unwrap();
    let whole: Vec<bool> = models.iter().map(|m| m.as_ref().unwrap().data == b"Valentina").collect();
    assert_eq!(whole, [false, true, false]);
    assert_eq!(models[0].as_ref().unwrap().hash, 9, "the same state is still known as it");
    let (_, show) = s.lookup(vec![], vec![(1, EntityRef::new("show", "s1"))]).await.unwrap();
    assert_eq!(show[0].as_ref().unwrap().data, b"Noche de lino", "what is everybody's stays");
    // Nobody else is touched.
    assert_eq!(s.delivery(deliveries[1]).await.unwrap().unwrap().packed, b"Valentina Restrepo");
    assert_eq!(s.run(rn(2)).await.unwrap().unwrap().status, RunStatus::Running);
    assert_eq!(state(s, 20).await, EffectState::Queued);
    assert_eq!(s.inbox(-1, 10).await.unwrap().rows[0].id, pending);
    assert!(s.audit_entry(1).await.unwrap().unwrap().forgotten, "nor does the audit know it any more");
    assert_eq!(verify(s, [], |_| ()).await.unwrap().unwrap().entries, 2);
    // Again is nothing worse.
    assert!(s.redact(who, -1, 10, at(60)).await.unwrap().next.is_none());
}

pub(crate) async fn what_may_have_gone_out_is_held_back(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    let mut keyed = effect(s, 1);
    (keyed.action, keyed.lane) = ("upsert".into(), 1);
    let mut twice = effect(s, 2);
    (twice.resend_unknown, twice.lane) = (true, 2);
    let mut foreign = effect(s, 3);
    (foreign.connection, foreign.action, foreign.lane) = (2, "upsert".into(), 3);
    let once = effect(s, 4);
    write(s, Work { effects: vec![keyed, twice, foreign, once], ..Work::default() }).await;
    bring(s, effect(s, 5), EffectState::Calling).await;
    bring(s, effect(s, 6), EffectState::Done).await;
    let held = s.hold_back(vec![(1, "upsert".into())], "restored", "put back".into()).await.unwrap();
    assert_eq!(held, 2);
    let mut states = Vec::new();
    for id in 1..=6 {
        states.push(state(s, id).await);
    }
    use EffectState::{Calling, Done, Queued, Unknown};
    assert_eq!(
        states,
        [Queued, Queued, Unknown, Unknown, Calling, Done],
        "what is out is the start's to find out about"
    );
    let row = s.effect(eff(4)).await.unwrap().unwrap();
    assert_eq!(row.code.as_deref(), Some("restored"));
    assert!(String::from_utf8_lossy(&row.outcome).contains("put back"));
    assert!(s.parked().await.unwrap().contains(&(1, 11, 1)), "and its lane waits");
}

pub(crate) async fn the_bytes_of_what_waits_are_counted(factory: &impl Factory) {
    let store = factory.open();
    assert_eq!(store.pending().await.unwrap(), (0, 0));
    let a = accept(&*store, &"x".repeat(1000)).await;
    accept(&*store, &"y".repeat(500)).await;
    let (rows, bytes) = store.pending().await.unwrap();
    assert_eq!(rows, 2);
    assert!((1500..1700).contains(&bytes), "{bytes}");
    assert_eq!(store.health(at(0)).await.unwrap().inbox_bytes, bytes);
    store.decide(decision(a, vec![fact(&*store, 1, a)])).await.unwrap();
    let (rows, left) = store.pending().await.unwrap();
    assert!(rows == 1 && (500..600).contains(&left), "{left}");
    store.reopen(a).await.unwrap();
    assert_eq!(store.pending().await.unwrap(), (2, bytes), "what is decided again waits again");
    write(&*store, Work { timers: vec![timer(5, 1)], ..Work::default() }).await;
    assert!(store.disk_free() > 0);
}

pub(crate) async fn it_is_one_nodes_turn(factory: &impl Factory) {
    let store = factory.open();
    assert!(store.care_turn(60_000).await.unwrap());
    assert!(store.care_turn(60_000).await.unwrap(), "and stays so");
    let space = store.space().await.unwrap();
    assert!(space.free_bytes <= space.bytes);
    store.give_back(10).await.unwrap();
}

pub(crate) async fn must_07_what_is_about_somebody_who_is_held_stays(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    // Of subjects 40 and 41; and of somebody else.
    let held = story(s, 1, 5, RunStatus::Done).await;
    done(s, 11, Some(1)).await;
    let other = accept(s, "de otra").await;
    let mut told = event(s, 2, other);
    (told.subjects, told.key) = (vec![50], 6);
    let fact = FactWrite { event: Some(told), runs: vec![run(s, 2, 2)], ..FactWrite::default() };
    s.decide(decision(other, vec![fact])).await.unwrap();
    write(s, Work { runs: vec![run_write(s, 2, 1, RunStatus::Done)], ..Work::default() }).await;
    newest(s).await;
    let hold = RecordWrite {
        kind: HOLD.into(),
        id: "h1".into(),
        expected: 0,
        due: None,
        open: true,
        subjects: vec![41],
        at: at(0),
        data: s.sealer().seal(b"proceso 12"),
    };
    s.keep_record(hold.clone()).await.unwrap();
    pass(s, at(2 * DAY)).await;
    whole(s, Kept::Bodies, at(2 * DAY), 100).await;
    assert!(s.run(rn(1)).await.unwrap().is_some() && s.event(evt(1)).await.unwrap().is_some());
    assert!(s.effect(eff(11)).await.unwrap().is_some() && !s.attempts(eff(11)).await.unwrap().is_empty());
    assert!(!s.delivery(held).await.unwrap().unwrap().packed.is_empty(), "its body too");
    assert!(s.run(rn(2)).await.unwrap().is_none() && s.event(evt(2)).await.unwrap().is_none(), "others go");
    assert!(s.delivery(other).await.unwrap().is_none());

    s.keep_record(RecordWrite { expected: 1, open: false, ..hold }).await.unwrap();
    pass(s, at(2 * DAY)).await;
    assert!(s.run(rn(1)).await.unwrap().is_none() && s.event(evt(1)).await.unwrap().is_none(), "its hold ended");
    assert!(s.delivery(held).await.unwrap().is_none());
}

pub(crate) async fn must_07_scans_at_the_door_go_before_other_events(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    let mut deliveries = Vec::new();
    for (id, event_type) in [(1, SCANS[0]), (2, SCANS[1]), (3, "order.paid"), (4, SCANS[0])] {
        let delivery = accept(s, &format!("body {id}")).await;
        let mut told = event(s, id, delivery);
        // The last one is about somebody else.
        (told.event_type, told.key, told.subjects) = (event_type.into(), id, vec![if id == 4 { 50 } else { 40 }]);
        let fact = FactWrite { event: Some(told), runs: vec![run(s, id, id)], ..FactWrite::default() };
        s.decide(decision(delivery, vec![fact])).await.unwrap();
        // The run of the second is not over.
        let status = if id == 2 { RunStatus::Running } else { RunStatus::Done };
        write(s, Work { runs: vec![run_write(s, id, 1, status)], ..Work::default() }).await;
        deliveries.push(delivery);
    }
    newest(s).await;
    let hold = RecordWrite {
        kind: HOLD.into(),
        id: "h1".into(),
        expected: 0,
        due: None,
        open: true,
        subjects: vec![50],
        at: at(0),
        data: s.sealer().seal(b"proceso 12"),
    };
    s.keep_record(hold).await.unwrap();
    assert_eq!(whole(s, Kept::ScanRuns, at(0), 100).await, 0, "not old");
    assert_eq!(whole(s, Kept::ScanRuns, at(2 * DAY), 2).await, 1);
    assert_eq!(whole(s, Kept::Scans, at(2 * DAY), 2).await, 1);
    let mut left = Vec::new();
    for id in 1..=4 {
        left.push((s.run(rn(id)).await.unwrap().is_some(), s.event(evt(id)).await.unwrap().is_some()));
    }
    assert_eq!(left, [(false, false), (true, true), (true, true), (true, true)], "live, no scan, held");
    assert!(s.delivery(deliveries[0]).await.unwrap().is_some(), "that something came goes with the deliveries");
}
