//! What a sending decision rests on: read models that are written with the version that was read, addresses of one
//! person, and effects that are deferred.

use crate::support::{Factory, at, claim, eff, effect, queue, state, update, write};
use pasarela_domain::EntityRef;
use pasarela_store::{
    EffectGuard, EffectState, EffectUpdate, EntityUpsert, PersonLink, ReadGuard, StandingOf, Store, Work, Worked,
    contact_name, hash_name,
};

const OWN: i64 = 7;
const KINDS: &[&str] = &["consent", "standing"];

fn model(store: &dyn Store, kind: &str, id: &str, expected: i64, text: &str) -> EntityUpsert {
    EntityUpsert {
        connection: OWN,
        entity: EntityRef::new(kind, id),
        expected,
        updated_at: None,
        rank: 0,
        hash: expected,
        parent: None,
        data: store.sealer().seal(text.as_bytes()),
    }
}

fn guard(kind: &str, id: &str, version: i64) -> ReadGuard {
    ReadGuard::Entity { connection: OWN, entity: EntityRef::new(kind, id), version }
}

/// Two that found the same are not both written; the second begins nothing.
pub(crate) async fn what_was_read_must_still_be_so_when_an_attempt_begins(factory: &impl Factory) {
    let store = factory.open();
    queue(&*store, 1..=4).await;
    let contact = |expected, id| Work {
        entities: vec![model(&*store, "contact", "quien", expected, "hoy")],
        claims: vec![claim(&*store, id, 1)],
        ..Work::default()
    };
    let (one, other) = tokio::join!(store.work(contact(0, 1)), store.work(contact(0, 2)));
    let done = [one.unwrap(), other.unwrap()].iter().filter(|w| matches!(w, Worked::Done { .. })).count();
    assert_eq!(done, 1, "one of the two found it so");
    let states = [state(&*store, 1).await, state(&*store, 2).await];
    assert!(states.contains(&EffectState::Calling) && states.contains(&EffectState::Queued), "{states:?}");

    write(&*store, Work { entities: vec![model(&*store, "consent", "quien", 0, "si")], ..Work::default() }).await;
    let reads = |version| Work {
        guards: vec![guard("consent", "quien", version), guard("standing", "quien", 0)],
        claims: vec![claim(&*store, 3, 1)],
        ..Work::default()
    };
    // The consent is taken back between the look and the attempt.
    write(&*store, Work { entities: vec![model(&*store, "consent", "quien", 1, "no")], ..Work::default() }).await;
    assert_eq!(store.work(reads(1)).await.unwrap(), Worked::Stale);
    assert_eq!(state(&*store, 3).await, EffectState::Queued);
    assert!(matches!(store.work(reads(2)).await.unwrap(), Worked::Done { claimed, .. } if claimed == [true]));
}

/// One look finds the person, all addresses, and what lies under them.
pub(crate) async fn a_standing_is_that_of_all_addresses_of_a_person(factory: &impl Factory) {
    let store = factory.open();
    let (mail, phone, other, sender) = (-5_i64, 11_i64, 12_i64, 99_i64);
    let of = |address| StandingOf { connection: OWN, address, sender: Some(sender), kinds: KINDS };
    let alone = store.standing(of(phone)).await.unwrap();
    assert_eq!((alone.person, alone.addresses, alone.rows.len()), (phone, vec![phone], 0), "nobody knows it yet");
    let entities = [(mail, "consent"), (phone, "consent"), (phone, "standing"), (other, "consent")];
    let mut entities: Vec<EntityUpsert> =
        entities.map(|(a, kind)| model(&*store, kind, &hash_name(a), 0, &format!("{kind} {a}"))).into();
    entities.push(model(&*store, "contact", &contact_name(sender, mail), 0, "ayer"));
    entities.push(model(&*store, "contact", &contact_name(sender + 1, mail), 0, "otro remitente"));
    let links = [mail, phone].map(|address| PersonLink { address, person: mail }).to_vec();
    write(&*store, Work { entities, links, ..Work::default() }).await;
    for address in [mail, phone] {
        let found = store.standing(of(address)).await.unwrap();
        assert_eq!((found.person, found.addresses.clone()), (mail, vec![mail, phone]));
        let mut texts: Vec<String> = found.rows.iter().map(|r| String::from_utf8_lossy(&r.data).into_owned()).collect();
        texts.sort();
        assert_eq!(texts, ["ayer", "consent -5", "consent 11", "standing 11"]);
        assert!(found.rows.iter().all(|r| r.version == 1));
    }
    assert_eq!(store.standing(of(other)).await.unwrap().rows.len(), 1, "and another is another");
    // A person of two becomes one of three.
    write(&*store, Work { links: vec![PersonLink { address: other, person: mail }], ..Work::default() }).await;
    assert_eq!(store.standing(of(other)).await.unwrap().addresses, [mail, phone, other]);
    let none = StandingOf { sender: None, ..of(mail) };
    assert!(store.standing(none).await.unwrap().rows.iter().all(|r| &*r.entity.kind != "contact"));
}

/// What is deferred is in no lane, and enters behind what waits.
pub(crate) async fn what_is_deferred_leaves_its_lane_and_enters_behind_what_waits(factory: &impl Factory) {
    let store = factory.open();
    queue(&*store, 1..=2).await;
    let defers = EffectUpdate {
        not_before: Some(at(500)),
        give_up_at: Some(at(90_000)),
        ..update(1, EffectGuard::State(&[EffectState::Queued]), EffectState::Deferred)
    };
    write(&*store, Work { updates: vec![defers], ..Work::default() }).await;
    let row = store.effect(eff(1)).await.unwrap().unwrap();
    assert_eq!((row.state, row.not_before, row.give_up_at), (EffectState::Deferred, Some(at(500)), at(90_000)));
    let lane = || store.queued_lane(1, 1, 11, -1, 10);
    assert_eq!(lane().await.unwrap().iter().map(|q| q.id).collect::<Vec<_>>(), [eff(2)], "it holds back nothing");
    assert_eq!(store.claim(vec![claim(&*store, 1, 1)]).await.unwrap(), [false], "and is not to be had");
    assert!(store.overdue(at(499), 10).await.unwrap().is_empty());
    assert_eq!(store.overdue(at(500), 10).await.unwrap(), [(eff(1), 1, at(500))]);
    queue(&*store, [3]).await;
    let enters = EffectUpdate {
        reenters: Some(1),
        ..update(1, EffectGuard::State(&[EffectState::Deferred]), EffectState::Queued)
    };
    // Beside a new one: each gets a place of its own.
    let both = Work { updates: vec![enters], effects: vec![effect(&*store, 4)], ..Work::default() };
    write(&*store, both).await;
    let mut order: Vec<_> = lane().await.unwrap().iter().map(|q| (q.seq, q.id)).collect();
    assert_eq!(order.len(), 4);
    order.dedup_by_key(|(seq, _)| *seq);
    assert_eq!(order.len(), 4, "no place twice");
    let ids: Vec<_> = order.iter().map(|(_, id)| *id).collect();
    assert!(ids[..2] == [eff(2), eff(3)] && ids[2..].contains(&eff(1)), "behind what waits: {ids:?}");
    assert_eq!(store.effect(eff(1)).await.unwrap().unwrap().give_up_at, at(90_000), "that stays");
}
