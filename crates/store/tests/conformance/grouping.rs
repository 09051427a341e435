//! Members of one group are committed together and fail alone.

use crate::support::{Factory, at, delivery, eff, effect, queue, update};
use pasarela_store::{Accepted, ApiKeyRow, EffectGuard, EffectState, KeyTerms, Store, Work, Worked};
use std::sync::Arc;

const MANY: i64 = 60;

/// Hands in many works at once; those whose number divides by seven come from `odd`.
async fn mixed(store: &Arc<dyn Store>, odd: impl Fn(i64) -> Work) -> Vec<Result<Worked, pasarela_store::Error>> {
    let tasks: Vec<_> = (1..=MANY)
        .map(|n| {
            let work =
                if n % 7 == 0 { odd(n) } else { Work { effects: vec![effect(&**store, 100 + n)], ..Work::default() } };
            let store = store.clone();
            tokio::spawn(async move { store.work(work).await })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

async fn only_good_ones(store: &dyn Store) {
    for n in 1..=MANY {
        let there = store.effect(eff(100 + n)).await.unwrap().is_some();
        assert_eq!(there, n % 7 != 0, "member {n}");
    }
    let mut seqs: Vec<i64> = store.queued(1, 1, 3, 0, 1000).await.unwrap().iter().map(|e| e.seq).collect();
    let count = seqs.len();
    seqs.dedup();
    assert_eq!(seqs.len(), count, "no place is given twice");
}

pub(crate) async fn a_stale_member_does_not_undo_its_neighbours(factory: &impl Factory) {
    let store = factory.open();
    let stale = |n: i64| Work {
        effects: vec![effect(&*store, 100 + n)],
        updates: vec![update(404, EffectGuard::State(&[EffectState::Queued]), EffectState::Done)],
        ..Work::default()
    };
    let results = mixed(&store, stale).await;
    for (n, result) in (1..).zip(&results) {
        assert_eq!(*result.as_ref().unwrap() == Worked::Stale, n % 7 == 0, "member {n}");
    }
    only_good_ones(&*store).await;
}

/// An id that is there already breaks a constraint of the database, not a guard.
pub(crate) async fn a_refused_member_does_not_undo_its_neighbours(factory: &impl Factory) {
    let store = factory.open();
    queue(&*store, [1]).await;
    let refused = |n: i64| Work { effects: vec![effect(&*store, 100 + n), effect(&*store, 1)], ..Work::default() };
    let results = mixed(&store, refused).await;
    for (n, result) in (1..).zip(&results) {
        assert_eq!(result.is_err(), n % 7 == 0, "member {n}: {result:?}");
    }
    only_good_ones(&*store).await;
}

pub(crate) async fn a_refused_piece_of_housekeeping_does_not_undo_its_neighbours(factory: &impl Factory) {
    let store = factory.open();
    let key = || ApiKeyRow {
        id: "key_1".into(),
        name: "tablero".into(),
        hash: vec![1; 32],
        scopes: vec!["read".into()],
        created_at: at(0),
        revoked_at: None,
        terms: KeyTerms::default(),
    };
    store.keep_api_key(key()).await.unwrap();
    let accepts: Vec<_> = (0..MANY)
        .map(|_| {
            let (store, new) = (store.clone(), delivery(&*store, "x"));
            tokio::spawn(async move { store.accept(new).await })
        })
        .collect();
    let keys: Vec<_> = (0..10)
        .map(|_| {
            let (store, key) = (store.clone(), key());
            tokio::spawn(async move { store.keep_api_key(key).await })
        })
        .collect();
    for task in keys {
        assert!(task.await.unwrap().is_err(), "an id is given once");
    }
    for task in accepts {
        assert!(matches!(task.await.unwrap(), Ok(Accepted::New(_))), "a delivery is not lost to another's mistake");
    }
    assert_eq!(store.inbox(0, 1000).await.unwrap().rows.len(), usize::try_from(MANY).unwrap());
    assert_eq!(store.api_keys().await.unwrap().len(), 1);
}
