//! The audit: one chain, appended to with what it tells of, and verified.

use crate::support::{Factory, at, entity, write};
use pasarela_domain::EntityRef;
use pasarela_store::{
    Anchor, AuditEntry, AuditFilter, AuditKind, Audited, FORGOTTEN, HOLD, Outcome, PRUNED, PauseKind, PauseRow,
    ReadGuard, RecordWrite, Store, Verified, WhoKind, Work, Worked, deed, forget, prune_audit, verify,
};
use serde_json::json;

fn noted(n: i64, who: &str, action: &str, subject: &str) -> Audited {
    Audited {
        at: at(n),
        who_kind: WhoKind::Person,
        who: format!("usr_{}", who.to_lowercase()),
        name: who.to_owned(),
        from: Some("192.0.2.7".into()),
        brand: if n % 2 == 0 { "default".into() } else { String::new() },
        action: action.to_owned(),
        subject: subject.to_owned(),
        before: None,
        after: Some(json!({ "n": n })),
        about: Vec::new(),
        deed: None,
    }
}

fn entry(store: &dyn Store, n: i64, who: &str, action: &str, subject: &str) -> AuditEntry {
    noted(n, who, action, subject).sealed(store.sealer()).unwrap()
}

async fn verified(store: &dyn Store) -> Verified {
    verify(store, [], |_| ()).await.unwrap().unwrap()
}

async fn found(store: &dyn Store, filter: AuditFilter) -> Vec<i64> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = store.audit_list(AuditFilter { before, limit: 2, ..filter.clone() }).await.unwrap();
        all.extend(page.rows.iter().map(|r| r.seq));
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

pub(crate) async fn an_entry_is_written_with_what_it_tells_of_or_not_at_all(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    assert_eq!(verified(s).await.entries, 0, "a chain begins with nothing");
    let first = vec![entry(s, 1, "Ana", "pauses.write", "taquilla"), entry(s, 2, "Ana", "pauses.write", "correo")];
    write(s, Work { entities: vec![entity(s, "o1", 0, "nuevo")], audit: first, ..Work::default() }).await;
    let stale = ReadGuard::Entity { connection: 1, entity: EntityRef::new("order", "o1"), version: 9 };
    let work = Work { guards: vec![stale], audit: vec![entry(s, 3, "Ana", "a", "b")], ..Work::default() };
    assert_eq!(s.work(work).await.unwrap(), Worked::Stale);
    // Its clock goes behind that of the entry before it.
    s.audit(entry(s, 0, "Beto", "keys.write", "key_1")).await.unwrap();
    drop(store);
    let store = factory.open();
    let s = &*store;
    let chain = verified(s).await;
    assert_eq!(chain.entries, 3);
    let row = s.audit_entry(3).await.unwrap().unwrap();
    assert_eq!((row.name.as_str(), row.who.as_str(), row.from.as_deref()), ("Beto", "usr_beto", Some("192.0.2.7")));
    assert_eq!((row.at, row.after, row.before, row.forgotten), (at(2), Some(json!({ "n": 0 })), None, false));
    assert_eq!(row.hash, chain.head);
    let (links, head) = (s.audit_links(0, 10).await.unwrap(), s.audit_head().await.unwrap());
    assert_eq!((links[2].hash.clone(), links[1].hash.clone()), (head.hash, links[2].previous.clone()));
    assert!(!links.iter().any(|l| l.actor.as_ref().unwrap().windows(3).any(|w| w == b"Ana")), "names are sealed");
    let anchors = |seq: i64, hash: &[u8]| vec![Anchor { seq, hash: hash.to_vec() }];
    assert_eq!(verify(s, anchors(2, &links[1].hash), |_| ()).await.unwrap().unwrap().anchors, 1);
    assert_eq!(verify(s, anchors(2, &links[0].hash), |_| ()).await.unwrap().unwrap_err().seq, 2);
    assert_eq!(verify(s, anchors(9, &links[0].hash), |_| ()).await.unwrap().unwrap_err().seq, 9, "a tail was cut");
}

pub(crate) async fn entries_are_found_by_who_what_which_and_when(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    for (n, who, action, subject) in [
        (1, "Ana", "pauses.write", "taquilla"),
        (2, "Beto", "pauses.write", "correo"),
        (3, "Ana", "keys.write", "key_1"),
        (4, "Ana", "pauses.write", "correo"),
        (5, "Beto", "keys.write", "key_2"),
    ] {
        s.audit(entry(s, n * 10, who, action, subject)).await.unwrap();
    }
    let all = AuditFilter::default;
    assert_eq!(found(s, all()).await, [5, 4, 3, 2, 1]);
    assert_eq!(found(s, AuditFilter { who: Some("usr_ana".into()), ..all() }).await, [4, 3, 1]);
    assert_eq!(found(s, AuditFilter { name: Some(" beto".into()), ..all() }).await, [5, 2]);
    assert_eq!(found(s, AuditFilter { action: Some("keys.write".into()), ..all() }).await, [5, 3]);
    assert_eq!(found(s, AuditFilter { subject: Some("correo".into()), ..all() }).await, [4, 2]);
    let both = AuditFilter { subject: Some("correo".into()), who: Some("usr_ana".into()), ..all() };
    assert_eq!(found(s, both).await, [4]);
    let between = AuditFilter { from: Some(at(20)), until: Some(at(40)), ..all() };
    assert_eq!(found(s, between).await, [3, 2]);
    assert!(found(s, AuditFilter { until: Some(at(10)), ..all() }).await.is_empty());
    assert!(found(s, AuditFilter { from: Some(at(51)), ..all() }).await.is_empty());
    assert_eq!(found(s, AuditFilter { brands: Some(vec!["default".into()]), ..all() }).await, [5, 4, 3, 2, 1]);
    assert!(found(s, AuditFilter { brands: Some(vec!["otra".into()]), ..all() }).await.is_empty());
    assert_eq!(s.audit_entry(6).await.unwrap(), None);
}

pub(crate) async fn of_many_who_append_each_has_a_place(factory: &impl Factory) {
    let store = factory.open();
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.audit(entry(&*store, n, "Ana", "a", &n.to_string())).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(verified(&*store).await.entries, 40);
    assert!(store.stats().commits < 40, "entries share commits, and so syncs");
}

pub(crate) async fn values_of_an_erased_person_go_and_the_chain_verifies(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    let (valentina, mateo) = (7, 8);
    for (n, about) in [vec![valentina], vec![mateo], vec![valentina, mateo, valentina], vec![]].into_iter().enumerate()
    {
        let note = Audited { about, ..noted(n as i64, "Ana", "suppressions.write", "sup") };
        s.audit(note.sealed(s.sealer()).unwrap()).await.unwrap();
    }
    assert_eq!(forget(s, valentina, at(90)).await.unwrap(), 2);
    assert_eq!(forget(s, valentina, at(91)).await.unwrap(), 0, "again there is nothing to do");
    let gone: Vec<bool> = s
        .audit_list(AuditFilter { limit: 9, ..AuditFilter::default() })
        .await
        .unwrap()
        .rows
        .iter()
        .map(|r| {
            assert_eq!(r.after.is_some(), !r.forgotten && r.action != FORGOTTEN);
            r.forgotten
        })
        .collect();
    assert_eq!(gone, [false, false, true, false, true]);
    let chain = verified(s).await;
    assert_eq!((chain.entries, chain.forgotten), (5, 2));
    let last = s.audit_entry(5).await.unwrap().unwrap();
    assert_eq!((last.action.as_str(), last.who_kind), (FORGOTTEN, WhoKind::System));
    assert_eq!(forget(s, mateo, at(95)).await.unwrap(), 1);
    assert_eq!(verified(s).await.forgotten, 3);
}

fn pause(name: &str) -> PauseRow {
    PauseRow { kind: PauseKind::Connection, name: name.into(), reason: None, by: "Ana".into(), since: at(1) }
}

pub(crate) async fn a_deed_begins_before_anything_of_it_is_written(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    let told = |subject: &'static str| noted(1, "Ana", "pauses.pause", subject);
    // Whichever of two writes at once comes first, one beginning is before both.
    let one = deed::Deed::new(7, move || Some(told("taquilla")));
    let both = async { tokio::join!(s.keep_pause(pause("taquilla")), s.keep_pause(pause("correo"))) };
    let (first, second) = deed::within(one.clone(), both).await;
    first.unwrap();
    second.unwrap();
    assert!(one.has_begun());
    let rows = s.audit_list(AuditFilter { limit: 9, ..AuditFilter::default() }).await.unwrap().rows;
    assert_eq!((rows.len(), rows[0].outcome), (1, Some(Outcome::Begun)), "nobody knows yet what came of it");
    s.audit(one.ended(told("taquilla"), Outcome::Done).sealed(s.sealer()).unwrap()).await.unwrap();
    let rows = s.audit_list(AuditFilter { limit: 9, ..AuditFilter::default() }).await.unwrap().rows;
    assert_eq!((rows.len(), rows[0].seq, rows[0].outcome), (1, 2, Some(Outcome::Done)), "both are one line");
    assert_eq!(s.audit_links(0, 9).await.unwrap().len(), 2, "and two entries of the chain");
    // What is none after all leaves nothing; nor does what only looks.
    let none = deed::Deed::new(8, || None);
    deed::within(none.clone(), s.keep_pause(pause("pagos"))).await.unwrap();
    let looks = deed::Deed::new(9, move || Some(told("nada")));
    deed::within(looks.clone(), s.pauses()).await.unwrap();
    assert!(!none.has_begun() && !looks.has_begun());
    // A task of its own goes on with it.
    let store2 = store.clone();
    let task = deed::Deed::new(10, move || Some(told("flujos")));
    let work = async { tokio::spawn(deed::inherited(async move { store2.keep_pause(pause("flujos")).await })).await };
    deed::within(task.clone(), work).await.unwrap().unwrap();
    assert!(task.has_begun());
    assert_eq!(verified(s).await.entries, 3);
}

pub(crate) async fn what_is_beyond_its_age_goes_from_the_front_and_the_chain_verifies(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    for n in 1..=9 {
        let about = if n == 2 || n == 7 { vec![77] } else { Vec::new() };
        let note = Audited { about, ..noted(n * 10, "Ana", "pauses.write", "taquilla") };
        s.audit(note.sealed(s.sealer()).unwrap()).await.unwrap();
    }
    forget(s, 77, at(95)).await.unwrap();
    let links = s.audit_links(0, 99).await.unwrap();
    assert_eq!(prune_audit(s, at(5), at(99)).await.unwrap(), 0, "nothing is so old");
    assert_eq!(prune_audit(s, at(45), at(100)).await.unwrap(), 4);
    let chain = verified(s).await;
    assert_eq!((chain.entries, chain.pruned, chain.forgotten), (7, 4, 1), "of two that were forgotten one went");
    let last = s.audit_entry(11).await.unwrap().unwrap();
    assert_eq!((last.action.as_str(), last.subject.starts_with("4 ")), (PRUNED, true));
    // Where it begins is held by an anchor too; those before it can say nothing any more.
    let anchor = |n: usize| Anchor { seq: links[n].seq, hash: links[n].hash.clone() };
    let told = verify(s, [anchor(1), anchor(3), anchor(5)], |_| ()).await.unwrap().unwrap();
    assert_eq!((told.anchors, told.anchors_before), (2, 1));
    let false_one = Anchor { seq: 4, hash: links[4].hash.clone() };
    assert_eq!(verify(s, [false_one], |_| ()).await.unwrap().unwrap_err().seq, 4);
    // What is about somebody who is held stays, and all behind it.
    s.audit(Audited { about: vec![55], ..noted(101, "Ana", "a", "b") }.sealed(s.sealer()).unwrap()).await.unwrap();
    s.audit(entry(s, 102, "Ana", "a", "b")).await.unwrap();
    let held = RecordWrite {
        kind: HOLD.into(),
        id: "CON-1".into(),
        expected: 0,
        due: None,
        open: true,
        subjects: vec![55],
        at: at(1),
        data: s.sealer().seal(b"{}"),
    };
    s.keep_record(held).await.unwrap();
    assert_eq!(prune_audit(s, at(1000), at(1001)).await.unwrap(), 7);
    assert_eq!(prune_audit(s, at(1000), at(1001)).await.unwrap(), 0);
    let chain = verified(s).await;
    assert_eq!((chain.entries, chain.pruned), (3, 11));
    drop(store);
    assert_eq!(verified(&*factory.open()).await, chain, "after a start too");
}

pub(crate) async fn looks_and_refusals_are_told_from_changes(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    for (n, outcome) in [Outcome::Looked, Outcome::Refused, Outcome::Looked].into_iter().enumerate() {
        let note = noted(n as i64, "Ana", "events.look", "evt_1").came_to(0, outcome);
        s.audit(note.sealed(s.sealer()).unwrap()).await.unwrap();
    }
    s.audit(entry(s, 9, "Ana", "pauses.pause", "taquilla")).await.unwrap();
    let of = |kind| AuditFilter { kind: Some(kind), ..AuditFilter::default() };
    assert_eq!(found(s, of(AuditKind::Changes)).await, [4]);
    assert_eq!(found(s, of(AuditKind::Looks)).await, [3, 1]);
    assert_eq!(found(s, of(AuditKind::Refusals)).await, [2]);
    let row = s.audit_entry(2).await.unwrap().unwrap();
    assert_eq!(row.outcome, Some(Outcome::Refused));
    verified(s).await;
}
