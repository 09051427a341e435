//! T1: what is answered is kept, once, and in order.

use crate::support::{Factory, accept, at, decision, delivery};
use pasarela_domain::DeliveryId;
use pasarela_store::{Accepted, DeliveryStatus, Error, NewDelivery};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) async fn accepted_is_readable_when_it_is_answered(factory: &impl Factory) {
    let store = factory.open();
    for n in 0..20 {
        let text = format!("cuerpo {n}");
        let id = accept(&*store, &text).await;
        let row = store.delivery(id).await.unwrap().expect("an answered delivery is there for every reader");
        assert_eq!(row.packed, text.as_bytes());
        assert_eq!((row.status, row.connection, row.source.as_str()), (DeliveryStatus::Received, 1, "webhook"));
        assert_eq!(row.received_at, at(0));
    }
    drop(store);
    assert_eq!(factory.open().inbox(0, 100).await.unwrap().rows.len(), 20, "and after a restart");
}

pub(crate) async fn ids_rise_even_when_the_clock_goes_back(factory: &impl Factory) {
    let mut last = DeliveryId::from_raw(0);
    for hours in [3, 2, 0, 1] {
        // A new boot each time: the clock of a restarted machine may be behind.
        let store = factory.open();
        for _ in 0..3 {
            let new = NewDelivery { received_at: at(hours * 3600), ..delivery(&*store, "x") };
            let Accepted::New(id) = store.accept(new).await.unwrap() else { panic!("it is new") };
            assert!(id > last, "{id} after {last}");
            last = id;
        }
    }
}

/// The watermark of readers rests on it: once an id was seen, no lower one appears.
pub(crate) async fn nothing_appears_below_what_a_reader_has_seen(factory: &impl Factory) {
    let store = factory.open();
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|w| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..40 {
                    // Each writer's clock differs a little, as clocks do.
                    let new = NewDelivery { received_at: at((w * 7 + n) % 13), ..delivery(&*store, "x") };
                    store.accept(new).await.unwrap();
                }
            })
        })
        .collect();
    let watcher = {
        let (store, done) = (store.clone(), done.clone());
        tokio::spawn(async move {
            let mut seen: BTreeSet<i64> = BTreeSet::new();
            loop {
                let last_look = done.load(Ordering::Acquire);
                let now: BTreeSet<i64> =
                    store.inbox(0, 1000).await.unwrap().rows.into_iter().map(|r| r.id.get()).collect();
                if let Some(highest) = seen.last() {
                    assert!(now.range(..=*highest).eq(seen.iter()), "an id appeared below one that had been seen");
                }
                seen = now;
                if last_look {
                    return seen.len();
                }
                tokio::task::yield_now().await;
            }
        })
    };
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::Release);
    assert_eq!(watcher.await.unwrap(), 320);
}

pub(crate) async fn a_replayed_request_is_known(factory: &impl Factory) {
    let store = factory.open();
    let with = |connection, key: &str| NewDelivery {
        connection,
        replay_key: Some(key.to_owned()),
        ..delivery(&*store, "una vez")
    };
    assert!(matches!(store.accept(with(1, "msg_1")).await.unwrap(), Accepted::New(_)));
    assert_eq!(store.accept(with(1, "msg_1")).await.unwrap(), Accepted::Known);
    assert!(matches!(store.accept(with(1, "msg_2")).await.unwrap(), Accepted::New(_)), "another nonce");
    assert!(matches!(store.accept(with(2, "msg_1")).await.unwrap(), Accepted::New(_)), "another connection");
    // Many at once: exactly one of them is new.
    let twins: Vec<_> = (0..12)
        .map(|_| {
            let (store, new) = (store.clone(), with(1, "msg_3"));
            tokio::spawn(async move { store.accept(new).await.unwrap() })
        })
        .collect();
    let mut new = 0;
    for twin in twins {
        new += usize::from(twin.await.unwrap() != Accepted::Known);
    }
    assert_eq!(new, 1);
    assert_eq!(store.inbox(0, 100).await.unwrap().rows.len(), 4, "a known request leaves nothing");
    drop(store);
    let store = factory.open();
    let again = NewDelivery { replay_key: Some("msg_1".into()), ..delivery(&*store, "una vez") };
    assert_eq!(store.accept(again).await.unwrap(), Accepted::Known, "a restart does not forget");
}

pub(crate) async fn the_inbox_gives_pages_in_order(factory: &impl Factory) {
    let store = factory.open();
    let mut ids = Vec::new();
    for n in 0..7 {
        ids.push(accept(&*store, &format!("cuerpo {n}")).await);
    }
    let (mut after, mut read) = (0, Vec::new());
    loop {
        let page = store.inbox(after, 3).await.unwrap().rows;
        let Some(last) = page.last() else { break };
        after = last.id.get();
        read.extend(page);
    }
    assert_eq!(read.iter().map(|r| r.id).collect::<Vec<_>>(), ids);
    assert_eq!(read[4].packed, b"cuerpo 4");
    assert!(read.iter().all(|r| r.tries == 0 && r.source == "webhook" && r.received_at == at(0)));
}

/// Somebody at the door waits behind no flood, and is taken in when the queue has no room for others.
pub(crate) async fn the_door_passes_a_flood(factory: &impl Factory) {
    let store = factory.open();
    let first = accept(&*store, "{}").await;
    let large = "x".repeat(1024 * 1024);
    let packed = store.sealer().seal(large.as_bytes());
    // Handed in until the queue has no room.
    let (mut flood, mut full) = (Vec::new(), false);
    while !full {
        assert!(flood.len() < 5_000, "the queue takes everything");
        let mut one = store.accept(NewDelivery { packed: packed.clone(), ..delivery(&*store, "") });
        let told = one.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        full = matches!(told, std::task::Poll::Ready(Err(Error::Busy)));
        if told.is_pending() {
            flood.push(one);
        }
    }
    let written = store.stats().transactions;
    let scan = store.accept(NewDelivery { door: true, ..delivery(&*store, "scan") });
    let Accepted::New(scan) = scan.await.unwrap() else { panic!("it is new") };
    let decided = store.decide(pasarela_store::Decision { door: true, ..decision(scan, vec![]) });
    let last = store.decide(decision(first, vec![]));
    let (decided, last) = tokio::join!(decided, last);
    assert!(decided.is_ok() && last.is_ok());
    let mut before = 0;
    for one in flood {
        match one.await.unwrap() {
            Accepted::New(id) => before += u64::from(id < scan),
            Accepted::Known => panic!("it is new"),
        }
    }
    // What was being written at that moment, and nothing of what waited.
    assert!(before <= written + 8, "{before} of the flood went before the door; {written} were written when it came");
}
