//! Keys change, and every value opens at every step of it.

use crate::support::{
    Factory, accept, at, bring, decision, delivery, eff, effect, entity, event, evt, fact, rn, run, write,
};
use pasarela_domain::{DeliveryId, EntityRef};
use pasarela_store::{
    Accepted, AttemptInsert, Audited, Decided, DeliveryStatus, EffectState, FactWrite, Master, PauseKind, PauseRow,
    RecordWrite, Rotated, Store, SuppressionCause, SuppressionRow, Work, rotate, verify,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Something in every table that has sealed columns. Deliveries that it made.
async fn filled(s: &dyn Store) -> Vec<DeliveryId> {
    let mut all = Vec::new();
    for n in 1..=5 {
        let id = accept(s, &format!("cuerpo {n}")).await;
        let model = entity(s, &format!("o{n}"), 0, "Valentina");
        let told = FactWrite { event: Some(event(s, n, id)), entities: vec![model], ..fact(s, n, id) };
        s.decide(decision(id, vec![FactWrite { runs: vec![run(s, n, n)], ..told }])).await.unwrap();
        let mut insert = effect(s, n);
        insert.lane = n;
        bring(s, insert, if n % 2 == 0 { EffectState::Dead } else { EffectState::Done }).await;
        all.push(id);
    }
    let odd = accept(s, "no se entiende").await;
    let mut quarantined = decision(odd, vec![]);
    (quarantined.status, quarantined.reason) = (DeliveryStatus::Quarantined, Some(s.sealer().seal(b"sin tipo")));
    s.decide(quarantined).await.unwrap();
    all.push(odd);
    let attempt = AttemptInsert {
        effect: eff(2),
        attempt: 1,
        call: 0,
        started_at: at(1),
        ended_at: at(2),
        outcome: "give_up",
        status: Some(400),
        detail: Some(s.sealer().seal_json(&serde_json::json!({ "why": "no existe" }))),
    };
    write(s, Work { attempts: vec![attempt], ..Work::default() }).await;
    s.keep_credential(1, s.sealer().seal(b"token")).await.unwrap();
    s.keep_cursor(1, "orders", s.sealer().seal(b"{\"page\":3}"), at(1), 3).await.unwrap();
    s.keep_signing_key(1, s.sealer().seal(&[7; 32]), at(1)).await.unwrap();
    let pause = PauseRow {
        kind: PauseKind::Flow,
        name: "boleta".into(),
        reason: Some("mantenimiento".into()),
        by: "Ana".into(),
        since: at(1),
    };
    s.keep_pause(pause).await.unwrap();
    let address = "valentina@correo.example".to_owned();
    let why = Some("pidió".to_owned());
    s.suppress(SuppressionRow { address, cause: SuppressionCause::Asked, why, by: "Ana".into(), since: at(1) })
        .await
        .unwrap();
    let data = s.sealer().seal(b"un caso");
    let record = RecordWrite {
        kind: "caso".into(),
        id: "1".into(),
        expected: 0,
        due: None,
        open: true,
        subjects: vec![],
        at: at(1),
        data,
    };
    s.keep_record(record).await.unwrap();
    let noted = Audited { after: Some("x".into()), ..Audited::by_system(at(1), "cases.step", "1") };
    s.audit(noted.sealed(s.sealer()).unwrap()).await.unwrap();
    all
}

/// Everything that is sealed, opened.
async fn told(s: &dyn Store, deliveries: &[DeliveryId]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut all = Vec::new();
    for id in deliveries {
        let row = s.delivery(*id).await.unwrap().unwrap();
        all.push(format!("{} {:?}", text(&row.packed), row.reason));
    }
    for n in 1..=5 {
        all.push(text(&s.event(evt(n)).await.unwrap().unwrap().body));
        all.push(text(&s.run(rn(n)).await.unwrap().unwrap().state));
        let row = s.effect(eff(n)).await.unwrap().unwrap();
        all.push(format!("{} {} {}", text(&row.input), text(&row.call), text(&row.outcome)));
        all.extend(s.attempts(eff(n)).await.unwrap().iter().map(|a| text(&a.detail)));
    }
    let entities = (1..=5).map(|n| (1, EntityRef::new("order", format!("o{n}")))).collect();
    let (_, models) = s.lookup(vec![], entities).await.unwrap();
    all.extend(models.iter().map(|m| text(&m.as_ref().unwrap().data)));
    all.push(text(&s.credential(1).await.unwrap().unwrap()));
    all.push(text(&s.cursor(1, "orders").await.unwrap().unwrap().cursor));
    all.push(format!("{:?}", s.signing_keys().await.unwrap()[0].seed));
    all.push(format!("{:?}", s.pauses().await.unwrap()));
    all.push(format!("{:?}", s.suppression("valentina@correo.example").await.unwrap()));
    all.push(text(&s.record("caso", "1").await.unwrap().unwrap().data));
    all.push(format!("{:?}", s.audit_entry(1).await.unwrap()));
    assert_eq!(
        verify(s, [], |_| ()).await.unwrap().unwrap().entries,
        1,
        "the chain is of what is sealed, and not of how"
    );
    all
}

pub(crate) async fn keys_change_and_may_be_killed_between_any_two_steps(factory: &impl Factory) {
    let store = factory.open();
    let ids = filled(&*store).await;
    let before = told(&*store, &ids).await;
    // Every step, and after each of them a start with whatever master key lies there.
    let again = |store: Arc<dyn Store>| {
        drop(store);
        factory.open()
    };
    let mut store = again(store);
    assert_eq!(store.add_data_key().await.unwrap(), 2);
    store = again(store);
    assert_eq!(told(&*store, &ids).await, before, "a new data key seals, and the old one opens");
    let (key, old, new) = (factory.key(), factory.key().with_extension("old"), factory.key().with_extension("new"));
    let next = Master::make(&new).unwrap();
    assert!(store.finish_wrap().await.is_err(), "there is no second master key");
    store.wrap_next(next.clone()).await.unwrap();
    assert!(store.finish_wrap().await.is_err(), "it is not in its place yet");
    assert!(store.add_data_key().await.is_err(), "one change at a time");
    store = again(store);
    assert_eq!(told(&*store, &ids).await, before, "the old master key opens");
    assert!(store.seal_state().await.unwrap().between);
    std::fs::copy(&key, &old).unwrap();
    std::fs::rename(&new, &key).unwrap();
    store = again(store);
    assert_eq!(told(&*store, &ids).await, before, "so does the new one");
    // Where others may need the old one it is given up when somebody says so; a hub alone did it at its start.
    if store.is_shared() {
        store.finish_wrap().await.unwrap();
    }
    assert!(!store.seal_state().await.unwrap().between);
    store = again(store);
    let (mut bites, mut renewed) = (0, 0);
    loop {
        let bite = store.reseal(2).await.unwrap();
        (bites, renewed) = (bites + 1, renewed + bite.renewed);
        if bite.done {
            break;
        }
        if bites % 4 == 0 {
            store = again(store);
            assert_eq!(told(&*store, &ids).await, before, "after {bites} bites");
        }
    }
    let state = store.seal_state().await.unwrap();
    assert_eq!((state.key, state.keys, state.table.as_deref(), state.renewed), (2, 2, None, renewed));
    assert!(renewed >= 35, "{renewed}");
    assert_eq!(store.reseal(2).await.unwrap().renewed, 0, "nothing is left");
    assert_eq!(told(&*store, &ids).await, before);
    drop(store.sealer().seal(b"x"));
    assert!(store.count_seals().await.unwrap() > 0);
    assert_eq!(store.seal_state().await.unwrap().sealed, store.count_seals().await.unwrap(), "each is counted once");
    drop(store);
    // What was the master key is worth nothing any more.
    assert!(factory.refuses(&Master::File(old)));
}

pub(crate) async fn what_is_written_while_rows_are_sealed_anew_stays(factory: &impl Factory) {
    let store = factory.open();
    for n in 0..40 {
        let id = accept(&*store, "{}").await;
        let facts =
            vec![FactWrite { entities: vec![entity(&*store, &format!("o{n}"), 0, "0")], ..FactWrite::default() }];
        assert_eq!(
            store.decide(decision(id, facts)).await.unwrap(),
            Decided::Done(vec![pasarela_store::FactResult::New(vec![])])
        );
    }
    store.add_data_key().await.unwrap();
    let (stop, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
    let load = {
        let (store, stop, taken) = (store.clone(), stop.clone(), taken.clone());
        tokio::spawn(async move {
            let mut version = 1;
            while !stop.load(Ordering::Relaxed) || version < 4 {
                for n in 0..40 {
                    let model = entity(&*store, &format!("o{n}"), version, &version.to_string());
                    write(&*store, Work { entities: vec![model], ..Work::default() }).await;
                    assert!(matches!(store.accept(delivery(&*store, "bajo carga")).await.unwrap(), Accepted::New(_)));
                    taken.fetch_add(1, Ordering::Relaxed);
                }
                version += 1;
            }
            version - 1
        })
    };
    while !store.reseal(7).await.unwrap().done {}
    stop.store(true, Ordering::Relaxed);
    let last = load.await.unwrap().to_string();
    let names = (0..40).map(|n| (1, EntityRef::new("order", format!("o{n}")))).collect();
    let (_, models) = store.lookup(vec![], names).await.unwrap();
    assert!(models.iter().all(|m| m.as_ref().unwrap().data == last.as_bytes()), "the last that was written is there");
    let waiting = store.inbox(0, 10_000).await.unwrap().rows;
    assert_eq!(waiting.len() as i64, taken.load(Ordering::Relaxed));
    assert!(waiting.iter().all(|row| row.packed == b"bajo carga"));
}

pub(crate) async fn another_master_key_is_named_and_the_old_one_opens_until_it_is_there(factory: &impl Factory) {
    let store = factory.open();
    let id = accept(&*store, "cuerpo").await;
    let new = factory.key().with_extension("otro");
    Master::make(&new).unwrap();
    let next = Master::Command(format!("cat {}", new.display()));
    assert_eq!(rotate(&*store, Some(next.clone())).await.unwrap(), Rotated::Named);
    drop(store);
    let store = factory.open();
    assert_eq!(store.delivery(id).await.unwrap().unwrap().packed, b"cuerpo", "the old one opens");
    drop(store);
    let store = factory.open_by(next);
    assert_eq!(store.delivery(id).await.unwrap().unwrap().packed, b"cuerpo", "and so does the new one");
    if store.is_shared() {
        assert_eq!(rotate(&*store, None).await.unwrap(), Rotated::Done, "called again, it is finished");
    }
    assert!(!store.seal_state().await.unwrap().between);
    drop(store);
    assert!(factory.refuses(&Master::File(factory.key())));
}
