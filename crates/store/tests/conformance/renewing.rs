//! Keys change, and every value opens at every step of it.

use crate::support::{Factory, accept, at, bring, decision, eff, effect, entity, event, evt, fact, rn, run, write};
use pasarela_domain::{DeliveryId, EntityRef};
use pasarela_store::{
    AttemptInsert, Audited, DeliveryStatus, EffectState, FactWrite, Master, PauseKind, PauseRow, RecordWrite, Rotated,
    Store, SuppressionCause, SuppressionRow, Work, rotate, verify,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    const TASKS: usize = 40;
    const EACH: usize = 15;
    let store = factory.open();
    let name = |n: usize| format!("o{n}");
    for n in 0..TASKS {
        let entities = (0..EACH).map(|m| entity(&*store, &name(n * EACH + m), 0, "0")).collect();
        write(&*store, Work { entities, ..Work::default() }).await;
    }
    // So many at once that between a look at a row and its turn to be sealed anew somebody wrote it; and each looks
    // whether what it wrote is still there. There are more rows than they get to before they are sealed anew.
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..TASKS)
        .map(|n| {
            let (store, stop) = (store.clone(), stop.clone());
            tokio::spawn(async move {
                let mut version = 1;
                loop {
                    for m in 0..EACH {
                        let own = name(n * EACH + m);
                        let model = entity(&*store, &own, version, &version.to_string());
                        write(&*store, Work { entities: vec![model], ..Work::default() }).await;
                        let (_, found) = store.lookup(vec![], vec![(1, EntityRef::new("order", &own))]).await.unwrap();
                        let data = found[0].as_ref().map(|m| m.data.clone()).unwrap();
                        assert_eq!(data, version.to_string().as_bytes(), "what was written last is gone");
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                    version += 1;
                }
            })
        })
        .collect();
    for _ in 0..4 {
        store.add_data_key().await.unwrap();
        while !store.reseal(20).await.unwrap().done {}
    }
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
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
