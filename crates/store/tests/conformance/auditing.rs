//! The audit: one chain, appended to with what it tells of, and verified.

use crate::support::{Factory, at, entity, write};
use pasarela_domain::EntityRef;
use pasarela_store::{
    Anchor, AuditEntry, AuditFilter, Audited, FORGOTTEN, ReadGuard, Store, Verified, WhoKind, Work, Worked, forget,
    verify,
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
