//! What is kept beside the stream: connections, flows, credentials, cursors, keys.

use crate::support::{Factory, accept, at, decide, eff, evt, fact, queue, rn, run, timer, write};
use pasarela_store::{
    ApiKeyRow, DeliveryStatus, FactWrite, KeyTerms, PassKind, PassRow, PauseKind, PauseRow, SuppressionCause,
    SuppressionRow, Work,
};

pub(crate) async fn connections_keep_their_row(factory: &impl Factory) {
    let store = factory.open();
    let a = store.connection_id("boleteria", "hi-events").await.unwrap();
    let b = store.connection_id("crm", "twenty").await.unwrap();
    assert_ne!(a, b);
    assert_eq!(store.connection_id("boleteria", "hi-events").await.unwrap(), a);
    drop(store);
    let store = factory.open();
    assert_eq!(store.connection_id("crm", "http").await.unwrap(), b, "the name is what counts");
    let rows = store.connections().await.unwrap();
    let told: Vec<_> = rows.iter().map(|c| (c.id, c.name.as_str(), c.provider.as_str())).collect();
    assert_eq!(told, [(a, "boleteria", "hi-events"), (b, "crm", "http")]);
}

pub(crate) async fn flow_versions_keep_their_row(factory: &impl Factory) {
    let store = factory.open();
    let one = store.flow_id("bienvenida", 1, "a: 1").await.unwrap();
    let two = store.flow_id("bienvenida", 2, "a: 2").await.unwrap();
    let edited = store.flow_id("bienvenida", 1, "a: 3").await.unwrap();
    assert!(one != two && one != edited && two != edited, "a run stays pinned to the very text it began with");
    assert_eq!(store.flow_id("bienvenida", 1, "a: 1").await.unwrap(), one);
    assert_eq!(store.flow(two).await.unwrap(), Some(("bienvenida".into(), 2, "a: 2".into())));
    assert_eq!(store.flow(404).await.unwrap(), None);
}

pub(crate) async fn pushed_flows_replace_the_one_of_their_name(factory: &impl Factory) {
    let store = factory.open();
    let one = store.flow_id("bienvenida", 1, "a: 1").await.unwrap();
    let two = store.flow_id("bienvenida", 2, "a: 2").await.unwrap();
    let other = store.flow_id("aviso", 1, "b: 1").await.unwrap();
    store.push_flows(vec![one, other], "ana", at(1)).await.unwrap();
    store.push_flows(vec![two], "luis", at(2)).await.unwrap();
    drop(store);
    let pushed = factory.open().pushed_flows().await.unwrap();
    let told: Vec<_> = pushed.iter().map(|p| (p.name.as_str(), p.flow, p.by.as_str(), p.at)).collect();
    assert_eq!(told, [("aviso", other, "ana", at(1)), ("bienvenida", two, "luis", at(2))]);
}

pub(crate) async fn pauses_are_kept_until_they_end(factory: &impl Factory) {
    let store = factory.open();
    let pause = |kind, name: &str, reason: Option<&str>, seconds| PauseRow {
        kind,
        name: name.to_owned(),
        reason: reason.map(str::to_owned),
        by: "ana".into(),
        since: at(seconds),
    };
    let class = pause(PauseKind::Class, "marketing", Some("queja de una clienta"), 1);
    let flow = pause(PauseKind::Flow, "marketing", None, 2);
    store.keep_pause(class.clone()).await.unwrap();
    store.keep_pause(flow.clone()).await.unwrap();
    store.keep_pause(pause(PauseKind::Class, "marketing", None, 3)).await.unwrap();
    drop(store);
    let store = factory.open();
    assert_eq!(store.pauses().await.unwrap(), [class, flow.clone()], "the first one stays as it was");
    assert!(store.end_pause(PauseKind::Class, "marketing").await.unwrap());
    assert!(!store.end_pause(PauseKind::Class, "marketing").await.unwrap());
    assert_eq!(store.pauses().await.unwrap(), [flow]);
}

pub(crate) async fn an_address_is_not_written_to_until_somebody_says_so(factory: &impl Factory) {
    let store = factory.open();
    let row = |address: &str, cause, seconds| SuppressionRow {
        address: address.to_owned(),
        cause,
        why: Some("550 5.1.1 no such user".into()),
        by: "correo".into(),
        since: at(seconds),
    };
    assert_eq!(store.suppression("ana@correo.example").await.unwrap(), None);
    store.suppress(row("ana@correo.example", SuppressionCause::Unsubscribed, 1)).await.unwrap();
    store.suppress(row("ana@correo.example", SuppressionCause::Complained, 2)).await.unwrap();
    store.suppress(row("ana@correo.example", SuppressionCause::Bounced, 3)).await.unwrap();
    for n in 0..4 {
        store.suppress(row(&format!("n{n}@correo.example"), SuppressionCause::Bounced, 4)).await.unwrap();
    }
    drop(store);
    let store = factory.open();
    let found = store.suppression(" Ana@Correo.example").await.unwrap().unwrap();
    assert_eq!(found, row("ana@correo.example", SuppressionCause::Complained, 2), "the strongest cause stays");
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.suppressions(before, 2).await.unwrap();
        seen.extend(page.rows.into_iter().map(|r| r.address));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let expected: Vec<String> = ["n3", "n2", "n1", "n0", "ana"].map(|n| format!("{n}@correo.example")).to_vec();
    assert_eq!(seen, expected, "the latest first, without gap or repeat");
    assert!(store.unsuppress("ANA@correo.example").await.unwrap());
    assert!(!store.unsuppress("ana@correo.example").await.unwrap());
    assert_eq!(store.suppression("ana@correo.example").await.unwrap(), None);
}

pub(crate) async fn the_first_signing_key_is_the_same_for_all(factory: &impl Factory) {
    let store = factory.open();
    assert!(store.signing_keys().await.unwrap().is_empty());
    // Two nodes start at once; each has drawn a key.
    for (number, seed) in [(1, [1; 32]), (1, [2; 32]), (2, [3; 32])] {
        store.keep_signing_key(number, store.sealer().seal(&seed), at(number)).await.unwrap();
    }
    drop(store);
    let keys = factory.open().signing_keys().await.unwrap();
    let told: Vec<_> = keys.iter().map(|k| (k.number, k.seed.as_slice(), k.made_at)).collect();
    assert_eq!(told, [(1, [1_u8; 32].as_slice(), at(1)), (2, [3_u8; 32].as_slice(), at(2))]);
    assert!(!format!("{keys:?}").contains("[1, 1"), "a key never prints");
}

pub(crate) async fn credentials_are_replaced(factory: &impl Factory) {
    let store = factory.open();
    assert_eq!(store.credential(1).await.unwrap(), None);
    for token in ["primero", "segundo"] {
        store.keep_credential(1, store.sealer().seal(token.as_bytes())).await.unwrap();
        assert_eq!(store.credential(1).await.unwrap().as_deref(), Some(token.as_bytes()));
    }
    assert_eq!(store.credential(2).await.unwrap(), None);
}

pub(crate) async fn cursors_move_and_add_up(factory: &impl Factory) {
    let store = factory.open();
    assert!(store.cursor(1, "orders").await.unwrap().is_none());
    for (text, seconds, read) in [("página 1", 1, 100), ("página 2", 2, 50)] {
        store.keep_cursor(1, "orders", store.sealer().seal(text.as_bytes()), at(seconds), read).await.unwrap();
    }
    let row = store.cursor(1, "orders").await.unwrap().unwrap();
    assert_eq!((row.cursor.as_slice(), row.at, row.read), ("página 2".as_bytes(), at(2), 150));
    assert!(store.cursor(1, "attendees").await.unwrap().is_none());
    assert!(store.cursor(2, "orders").await.unwrap().is_none());
}

pub(crate) async fn api_keys_are_revoked_once(factory: &impl Factory) {
    let store = factory.open();
    for n in [2, 1] {
        let key = ApiKeyRow {
            id: format!("key_{n}"),
            name: "tablero".into(),
            hash: vec![n; 32],
            scopes: vec!["read".into(), "write".into()],
            created_at: at(i64::from(n)),
            revoked_at: None,
            terms: KeyTerms::default(),
        };
        store.keep_api_key(key).await.unwrap();
    }
    assert!(!store.revoke_api_key("key_9", at(5)).await.unwrap());
    assert!(store.revoke_api_key("key_2", at(5)).await.unwrap());
    assert!(store.revoke_api_key("key_2", at(9)).await.unwrap());
    let rows = store.api_keys().await.unwrap();
    assert_eq!(rows.iter().map(|k| k.id.as_str()).collect::<Vec<_>>(), ["key_1", "key_2"]);
    assert_eq!((rows[0].revoked_at, rows[1].revoked_at), (None, Some(at(5))), "the first revocation stands");
    assert_eq!((rows[0].scopes.join(" "), rows[0].hash.clone()), ("read write".into(), vec![1; 32]));
}

pub(crate) async fn a_pass_is_taken_once_and_goes_when_its_time_is_over(factory: &impl Factory) {
    let store = factory.open();
    let pass = |n: u8, kind, made, until| PassRow {
        hash: [n; 32],
        kind,
        name: "Luz Ospina".into(),
        may_write: n == 1,
        key: (n == 2).then(|| "key_1".into()),
        account: None,
        detail: Vec::new(),
        created_at: at(made),
        expires_at: at(until),
    };
    let (link, session) = (pass(1, PassKind::Link, 1, 10), pass(2, PassKind::Session, 1, 100));
    store.keep_pass(link.clone()).await.unwrap();
    store.keep_pass(session.clone()).await.unwrap();
    drop(store);
    let store = factory.open();
    assert_eq!(store.pass([1; 32]).await.unwrap(), Some(link));
    assert_eq!(store.pass([2; 32]).await.unwrap(), Some(session.clone()));
    assert_eq!(store.pass([9; 32]).await.unwrap(), None);
    assert!(store.take_pass([1; 32], [7; 32]).await.unwrap());
    assert!(!store.take_pass([1; 32], [8; 32]).await.unwrap(), "somebody was first");
    assert!(store.take_pass([1; 32], [7; 32]).await.unwrap(), "who has it and asks again still has it");
    assert!(!store.take_pass([9; 32], [7; 32]).await.unwrap(), "what was never there is nobody's");
    assert_eq!(store.pass([1; 32]).await.unwrap(), None, "what was taken lets nobody in");
    store.keep_pass(pass(3, PassKind::Link, 50, 60)).await.unwrap();
    assert!(!store.take_pass([1; 32], [7; 32]).await.unwrap(), "its time was over and it is gone");
    store.keep_pass(pass(4, PassKind::Link, 60, 70)).await.unwrap();
    assert_eq!(store.pass([3; 32]).await.unwrap(), None, "at its last moment it is over");
    assert_eq!(store.pass([2; 32]).await.unwrap(), Some(session));
    store.end_pass([2; 32]).await.unwrap();
    assert_eq!(store.pass([2; 32]).await.unwrap(), None);
}

pub(crate) async fn an_accounts_passes_are_listed_noted_and_ended_together(factory: &impl Factory) {
    let store = factory.open();
    let pass = |n: u8, account: &str, made| PassRow {
        hash: [n; 32],
        kind: PassKind::Session,
        name: "Luz Ospina".into(),
        may_write: true,
        key: None,
        account: Some(account.into()),
        detail: vec![n; 3],
        created_at: at(made),
        expires_at: at(1000),
    };
    for row in [pass(1, "usr_1", 1), pass(2, "usr_1", 2), pass(3, "usr_1", 3), pass(4, "usr_2", 4)] {
        store.keep_pass(row).await.unwrap();
    }
    store.note_pass([2; 32], b"seen at the desk".to_vec()).await.unwrap();
    let seen = PassRow { detail: b"seen at the desk".to_vec(), ..pass(2, "usr_1", 2) };
    drop(store);
    let store = factory.open();
    let listed = store.passes_of("usr_1").await.unwrap();
    assert_eq!(listed, [pass(3, "usr_1", 3), seen.clone(), pass(1, "usr_1", 1)]);
    assert!(store.take_pass([3; 32], [9; 32]).await.unwrap());
    store.note_pass([3; 32], b"too late".to_vec()).await.unwrap();
    assert_eq!(store.passes_of("usr_1").await.unwrap(), [seen.clone(), pass(1, "usr_1", 1)], "taken ones are gone");
    store.end_passes_of("usr_1", Some([2; 32])).await.unwrap();
    assert_eq!(store.passes_of("usr_1").await.unwrap(), [seen], "all but the one that was named");
    store.end_passes_of("usr_1", None).await.unwrap();
    assert_eq!(store.passes_of("usr_1").await.unwrap(), []);
    assert_eq!(store.pass([4; 32]).await.unwrap(), Some(pass(4, "usr_2", 4)), "nobody else's");
    assert_eq!(store.passes_of("usr").await.unwrap(), [], "no part of a name is a name");
}

pub(crate) async fn everything_is_there_after_a_reopening(factory: &impl Factory) {
    let store = factory.open();
    decide(&*store, |d| vec![FactWrite { runs: vec![run(&*store, 1, 1)], ..fact(&*store, 1, d) }]).await;
    queue(&*store, [1]).await;
    write(&*store, Work { timers: vec![timer(5, 1)], ..Work::default() }).await;
    let pending = accept(&*store, "pendiente").await;
    let boot = store.boot();
    drop(store);
    let store = factory.open();
    assert!(store.boot() > boot);
    assert_eq!(store.event(evt(1)).await.unwrap().unwrap().body, b"event 1");
    assert_eq!(store.run(rn(1)).await.unwrap().unwrap().state, b"begun");
    assert_eq!(store.effect(eff(1)).await.unwrap().unwrap().input, b"input 1");
    assert_eq!(store.timers(at(5), 10).await.unwrap().len(), 1);
    assert_eq!(store.delivery(pending).await.unwrap().unwrap().status, DeliveryStatus::Received);
    assert_eq!(store.integrity().await.unwrap(), None);
    store.ping().await.unwrap();
}

pub(crate) async fn hashes_are_stable_within_a_database(factory: &impl Factory) {
    let store = factory.open();
    let hash = store.sealer().hash(&["valentina@correo.example"]);
    assert!(hash >= 0);
    assert_ne!(store.sealer().hash(&["ab", "c"]), store.sealer().hash(&["a", "bc"]));
    let sealed = store.sealer().seal(b"secreto");
    assert_ne!(sealed, store.sealer().seal(b"secreto"), "equal text does not look equal");
    drop(store);
    let store = factory.open();
    assert_eq!(store.sealer().hash(&["valentina@correo.example"]), hash);
}
