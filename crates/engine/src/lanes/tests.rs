use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn limits(rate: Option<Rate>, concurrency: u32) -> Limits {
    Limits { rate, concurrency, timeout: Duration::from_secs(10) }
}

fn lanes(rate: Option<Rate>, concurrency: u32) -> Lanes {
    Lanes::new(limits(rate, concurrency), vec![1, 200], vec![None, None], at(0))
}

fn key(lane: i64, urgency: u8) -> LaneKey {
    LaneKey { lane, urgency }
}

fn effect(n: i64) -> Queued {
    Queued { id: EffectId::from_raw(n), seq: n, action: 0, not_before: None }
}

fn start(l: &mut Lanes, now: Timestamp) -> Option<i64> {
    match l.next(now) {
        Next::Start(s) => Some(s[0].1.seq),
        _ => None,
    }
}

#[test]
fn a_lane_goes_one_by_one_and_others_do_not_wait_for_it() {
    let mut l = lanes(None, 10);
    for (lane, n) in [(1, 1), (1, 2), (2, 3)] {
        l.enqueue(key(lane, 1), effect(n), at(0));
    }
    assert_eq!(start(&mut l, at(0)), Some(1));
    assert_eq!(start(&mut l, at(0)), Some(3));
    assert_eq!(l.next(at(0)), Next::Idle(None), "2 waits for 1");
    l.finish(key(1, 1), 0, None, at(0));
    assert_eq!(start(&mut l, at(0)), Some(2));
}

#[test]
fn what_was_decided_first_goes_first_whichever_task_comes_back_first() {
    let mut l = lanes(None, 10);
    l.reserve(key(1, 1));
    l.reserve(key(1, 1));
    assert!(!l.try_start(key(1, 1), at(0)), "reserved places come first");
    l.enqueue_reserved(key(1, 1), effect(11), at(0));
    assert_eq!(l.next(at(0)), Next::Idle(None), "place 10 is not known yet");
    l.enqueue_reserved(key(1, 1), effect(10), at(0));
    assert_eq!(start(&mut l, at(0)), Some(10));
    l.finish(key(1, 1), 0, None, at(0));
    assert_eq!(start(&mut l, at(0)), Some(11));
}

#[test]
fn a_retry_keeps_its_place_and_time() {
    let mut l = lanes(None, 10);
    l.enqueue(key(1, 1), effect(1), at(0));
    l.enqueue(key(1, 1), effect(2), at(0));
    assert_eq!(start(&mut l, at(0)), Some(1));
    l.finish(key(1, 1), 0, Some(Queued { not_before: Some(at(30)), ..effect(1) }), at(0));
    assert_eq!(l.next(at(10)), Next::Idle(Some(at(30))));
    assert_eq!(start(&mut l, at(30)), Some(1));
}

#[test]
fn buckets_start_empty_and_refill() {
    let mut l = lanes(Some(Rate { burst: 2, every: Duration::from_secs(1) }), 10);
    for n in 1..=4 {
        l.enqueue(key(n, 1), effect(n), at(0));
    }
    let Next::Idle(Some(wake)) = l.next(at(0)) else { panic!("the bucket is empty") };
    assert!(wake > at(0) && wake <= at(1) + Duration::from_millis(1));
    assert!(start(&mut l, at(1) + Duration::from_millis(1)).is_some());
    assert!(start(&mut l, at(1) + Duration::from_millis(2)).is_none());
    assert!(start(&mut l, at(60)).is_some());
    assert!(start(&mut l, at(60)).is_some());
    assert!(start(&mut l, at(60)).is_none(), "the burst is two");
}

#[test]
fn the_breaker_opens_probes_once_and_closes() {
    let mut l = lanes(None, 10);
    for n in 1..=20 {
        l.enqueue(key(n, 1), effect(n), at(0));
    }
    for n in 1..=i64::from(BREAKER_FAILURES) {
        assert_eq!(start(&mut l, at(0)), Some(n));
        assert_eq!(l.release_slot(Some(false), at(0)), n == i64::from(BREAKER_FAILURES));
    }
    assert_eq!(l.next(at(1)), Next::Idle(Some(at(2))));
    assert!(start(&mut l, at(2)).is_some(), "one probe");
    assert!(start(&mut l, at(2)).is_none(), "only one");
    l.release_slot(Some(false), at(2));
    assert_eq!(l.next(at(3)), Next::Idle(Some(at(6))), "twice as long");
    assert!(start(&mut l, at(6)).is_some());
    l.release_slot(Some(true), at(6));
    assert!(start(&mut l, at(6)).is_some());
    assert!(start(&mut l, at(6)).is_some());
}

#[test]
fn urgent_work_comes_first_and_bulk_does_not_starve() {
    let mut l = lanes(None, 1000);
    for n in 0..100 {
        l.enqueue(key(n, 2), effect(n), at(0));
        l.enqueue(key(n, 0), effect(1000 + n), at(0));
    }
    let order: Vec<bool> = (0..40).filter_map(|_| start(&mut l, at(0))).map(|n| n >= 1000).collect();
    assert!(order[..16].iter().all(|urgent| *urgent));
    assert!(order.iter().any(|urgent| !urgent), "bulk has its share");
    assert!(order.iter().filter(|urgent| **urgent).count() > 30);
}

#[test]
fn alike_effects_of_different_lanes_share_a_call() {
    let mut l = lanes(None, 10);
    for n in 1..=5 {
        l.enqueue(key(n, 1), Queued { action: u16::from(n != 3), ..effect(n) }, at(0));
    }
    let Next::Start(batch) = l.next(at(0)) else { panic!() };
    assert_eq!(batch.iter().map(|(_, q)| q.seq).collect::<Vec<_>>(), [1, 2, 4, 5]);
    assert_eq!(start(&mut l, at(0)), Some(3));
}

#[test]
fn parked_lanes_stop_and_gaps_hold() {
    let mut l = Lanes::new(limits(None, 10), vec![1], vec![Some(Duration::from_secs(6))], at(0));
    l.enqueue(key(1, 0), effect(1), at(0));
    l.enqueue(key(1, 0), effect(2), at(0));
    assert_eq!(start(&mut l, at(0)), Some(1));
    l.finish(key(1, 0), 0, None, at(0));
    assert_eq!(l.next(at(1)), Next::Idle(Some(at(6))));
    l.park(key(1, 0));
    assert_eq!(l.next(at(7)), Next::Idle(None));
    l.unpark(key(1, 0), at(8));
    assert_eq!(start(&mut l, at(8)), Some(2));
    l.finish(key(1, 0), 0, None, at(8));
    assert!(!l.try_start(key(1, 0), at(9)), "the gap holds for fresh effects too");
    assert!(l.try_start(key(1, 0), at(14)));
}

#[test]
fn a_backlog_lives_in_the_store_and_comes_in_order() {
    let mut l = lanes(None, u32::MAX);
    let total = (WINDOW * 3) as i64;
    for n in 1..=total {
        l.enqueue(key(n % 7, 2), effect(n), at(0));
    }
    assert!(l.queued[2] <= WINDOW);
    let mut seen = Vec::new();
    loop {
        match l.next(at(0)) {
            Next::Start(started) => {
                for (k, q) in started {
                    seen.push(q.seq);
                    l.finish(k, 0, None, at(0));
                    l.release_slot(Some(true), at(0));
                }
            }
            Next::Load { urgency, after } => {
                let rows: Vec<_> = (after + 1..=total).take(500).map(|n| (key(n % 7, 2), effect(n))).collect();
                let whole = rows.len() < 500;
                l.loaded(urgency, after, rows, whole, at(0));
            }
            Next::Idle(_) => break,
        }
    }
    assert_eq!(seen.len(), total as usize);
    for lane in 0..7 {
        let own: Vec<i64> = seen.iter().copied().filter(|n| n % 7 == lane).collect();
        assert!(own.windows(2).all(|w| w[0] < w[1]), "lane {lane}");
    }
}

#[test]
fn what_waits_takes_the_slots_that_an_answer_frees_and_no_more() {
    let mut l = lanes(None, 4);
    for n in 1..=9 {
        l.enqueue(key(n, 1), effect(n), at(0));
    }
    let seqs = |starts: Vec<Vec<(LaneKey, Queued)>>| starts.iter().flatten().map(|(_, q)| q.seq).collect::<Vec<_>>();
    assert_eq!(seqs(l.next_starts(3, at(0))), [1, 2, 3], "not more than asked for");
    assert!(l.is_busy());
    assert_eq!(seqs(l.next_starts(16, at(0))), [4], "not more than may be out");
    assert!(l.next_starts(16, at(0)).is_empty());
    l.release_slot(Some(true), at(0));
    assert_eq!(seqs(l.next_starts(16, at(0))), [5]);
    l.hold(at(60));
    l.release_slot(Some(true), at(0));
    assert!(l.next_starts(16, at(1)).is_empty(), "the provider asked to wait");
    for _ in 0..3 {
        l.release_slot(Some(true), at(1));
    }
    assert!(!l.is_busy());
    assert_eq!(seqs(l.next_starts(1, at(60))), [6]);
}
