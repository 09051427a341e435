//! What the API's door keeps: terms of keys, and answers to requests that come again.

use crate::support::{Factory, at};
use jiff::{Timestamp, ToSpan as _};
use pasarela_store::{AnswerBegin, ApiKeyRow, Begun, KeyTerms};

fn key(n: u8, terms: KeyTerms) -> ApiKeyRow {
    ApiKeyRow {
        id: format!("key_{n}"),
        name: "tablero".into(),
        hash: vec![n; 32],
        scopes: vec!["events:read".into(), "role:viewer".into()],
        created_at: at(i64::from(n)),
        revoked_at: None,
        terms,
    }
}

pub(crate) async fn a_key_keeps_its_terms_and_both_its_texts_while_they_overlap(factory: &impl Factory) {
    let store = factory.open();
    let terms = KeyTerms {
        brands: Some(vec!["a".into(), "b".into()]),
        expires_at: Some(at(90)),
        rate: Some("600/m".into()),
        ..KeyTerms::default()
    };
    store.keep_api_key(key(1, terms.clone())).await.unwrap();
    store.keep_api_key(key(2, KeyTerms::default())).await.unwrap();
    assert!(store.keep_api_key(key(1, KeyTerms::default())).await.is_err(), "an id is given once");
    let rows = store.api_keys().await.unwrap();
    assert_eq!((rows[0].terms.clone(), rows[1].terms.clone()), (terms, KeyTerms::default()));

    assert!(!store.rotate_api_key("key_9", vec![9; 32], at(50)).await.unwrap());
    for _ in 0..2 {
        // Sent again after a lost answer, it is the same rotation.
        assert!(store.rotate_api_key("key_1", vec![7; 32], at(50)).await.unwrap());
    }
    store.api_key_used("key_1", at(30)).await.unwrap();
    store.api_key_used("key_1", at(20)).await.unwrap();
    store.revoke_api_key("key_2", at(5)).await.unwrap();
    assert!(!store.rotate_api_key("key_2", vec![8; 32], at(50)).await.unwrap(), "what is revoked stays so");
    drop(store);
    let rows = factory.open().api_keys().await.unwrap();
    assert_eq!(rows[0].hash, vec![7; 32]);
    assert_eq!((rows[0].terms.old.clone(), rows[0].terms.used_at), (Some((vec![1; 32], at(50))), Some(at(30))));
    assert_eq!((rows[1].hash.clone(), rows[1].terms.old.clone()), (vec![2; 32], None));
}

fn begin(id: i64, request: i64, taker: i64, at: Timestamp) -> AnswerBegin {
    AnswerBegin { id, request, taker, at, expires_at: at + 24.hours(), again: false }
}

pub(crate) async fn of_many_who_begin_a_request_one_does_it_and_all_get_its_answer(factory: &impl Factory) {
    let store = factory.open();
    let tries: Vec<_> = (1..=20)
        .map(|taker| {
            let store = store.clone();
            tokio::spawn(async move { (taker, store.begin_answer(begin(5, 50, taker, at(0))).await.unwrap()) })
        })
        .collect();
    let mut first = Vec::new();
    for one in tries {
        match one.await.unwrap() {
            (taker, Begun::First) => first.push(taker),
            (_, other) => assert_eq!(other, Begun::Running),
        }
    }
    let [taker] = first[..] else { panic!("{} did it", first.len()) };
    assert_eq!(store.begin_answer(begin(5, 51, 99, at(1))).await.unwrap(), Begun::Other, "another request, same key");
    assert_eq!(store.begin_answer(begin(6, 51, 99, at(1))).await.unwrap(), Begun::First, "another caller's key");
    // Only who began it may end it.
    let answer = || Some(store.sealer().seal(b"hecho"));
    store.keep_answer(5, 77, 201, answer()).await.unwrap();
    store.forget_answer(5, 77).await.unwrap();
    assert_eq!(store.begin_answer(begin(5, 50, 98, at(2))).await.unwrap(), Begun::Running);
    store.keep_answer(5, taker, 201, answer()).await.unwrap();
    store.forget_answer(5, taker).await.unwrap();
    let kept = Begun::Answered { status: 201, answer: Some(b"hecho".to_vec()) };
    assert_eq!(store.begin_answer(begin(5, 50, 97, at(3))).await.unwrap(), kept);
    drop(store);
    let store = factory.open();
    assert_eq!(store.begin_answer(begin(5, 50, 96, at(4))).await.unwrap(), kept, "after a restart too");
    assert_eq!(store.begin_answer(begin(5, 51, 96, at(4))).await.unwrap(), Begun::Other);
    let over = at(0) + 25.hours();
    assert_eq!(store.begin_answer(begin(5, 51, 95, over)).await.unwrap(), Begun::First, "its time is over");
}

pub(crate) async fn a_request_without_an_end_is_lost_and_begun_again_only_where_that_is_safe(factory: &impl Factory) {
    let store = factory.open();
    assert_eq!(store.begin_answer(begin(1, 10, 1, at(0))).await.unwrap(), Begun::First);
    assert_eq!(store.begin_answer(begin(2, 20, 1, at(0))).await.unwrap(), Begun::First);
    store.forget_answer(2, 1).await.unwrap();
    assert_eq!(store.begin_answer(begin(2, 21, 2, at(0))).await.unwrap(), Begun::First, "it changed nothing");
    store.keep_answer(2, 2, 201, None).await.unwrap();
    let secret = Begun::Answered { status: 201, answer: None };
    assert_eq!(store.begin_answer(begin(2, 21, 3, at(0))).await.unwrap(), secret);
    let later = at(0) + 5.minutes();
    assert_eq!(store.begin_answer(begin(1, 10, 2, later)).await.unwrap(), Begun::Running, "its node still runs");
    drop(store);
    let store = factory.open();
    assert_eq!(store.begin_answer(begin(1, 10, 3, at(0) + 1.minutes())).await.unwrap(), Begun::Running);
    assert_eq!(store.begin_answer(begin(1, 10, 4, later)).await.unwrap(), Begun::Lost);
    let other = AnswerBegin { again: true, ..begin(1, 11, 5, later) };
    assert_eq!(store.begin_answer(other).await.unwrap(), Begun::Other);
    let again = AnswerBegin { again: true, ..begin(1, 10, 6, later) };
    assert_eq!(store.begin_answer(again).await.unwrap(), Begun::First);
    assert_eq!(store.begin_answer(begin(1, 10, 7, later)).await.unwrap(), Begun::Running);
    let lost = later + 15.minutes();
    assert_eq!(store.begin_answer(begin(1, 10, 8, lost)).await.unwrap(), Begun::Lost, "nothing takes that long");
}

/// One fails and is forgotten just while another finds it there: that one begins anew, and is no error.
pub(crate) async fn a_request_that_is_forgotten_meanwhile_is_begun_again(factory: &impl Factory) {
    let store = factory.open();
    for round in 0..20 {
        let tries: Vec<_> = (1..=32)
            .map(|taker| {
                let store = store.clone();
                tokio::spawn(async move {
                    match store.begin_answer(begin(round, 50, taker, at(0))).await {
                        Ok(Begun::First) => store.forget_answer(round, taker).await.map(|()| true),
                        other => other.map(|begun| begun == Begun::Running),
                    }
                })
            })
            .collect();
        for one in tries {
            assert!(matches!(one.await.unwrap(), Ok(true)));
        }
    }
}
