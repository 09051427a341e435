use super::pace::BREAKER_FAILURES;
use super::shelf::{Shelf, effect, key};
use super::*;
use pasarela_connector::Rate;

fn at(seconds: i64) -> Timestamp {
    super::shelf::at(seconds * 1000)
}

fn limits(rate: Option<Rate>, concurrency: u32) -> Limits {
    Limits { rate, concurrency, timeout: Duration::from_secs(10) }
}

fn lanes(rate: Option<Rate>, concurrency: u32) -> Lanes {
    Lanes::new(limits(rate, concurrency), vec![1, 200], vec![None, None], at(0))
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
    assert!(!l.try_start(key(1, 1), 0, at(0)), "reserved places come first");
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

/// Tasks come back from the store at different times, with the time that they went with.
#[test]
fn a_time_of_before_fills_the_bucket_no_second_time() {
    let mut l = lanes(Some(Rate { burst: 1, every: Duration::from_secs(10) }), 100);
    for n in 0..10 {
        l.enqueue(key(n, 1), effect(n), at(0));
    }
    let mut started = 0;
    for seconds in 10..40 {
        for stale in [0, 5, 9] {
            started += usize::from(start(&mut l, at(seconds)).is_some());
            assert_eq!(start(&mut l, at(seconds - stale)), None, "at {seconds}");
        }
    }
    assert_eq!(started, 3, "one each ten seconds");
}

#[test]
fn the_breaker_opens_probes_once_and_closes() {
    let mut l = lanes(None, 10);
    for n in 1..=20 {
        l.enqueue(key(n, 1), effect(n), at(0));
    }
    for n in 1..=i64::from(BREAKER_FAILURES) {
        assert_eq!(start(&mut l, at(0)), Some(n));
        assert_eq!(l.release_slot(Slot::Shared, Some(false), at(0)), n == i64::from(BREAKER_FAILURES));
    }
    assert_eq!(l.next(at(1)), Next::Idle(Some(at(2))));
    assert!(start(&mut l, at(2)).is_some(), "one probe");
    assert!(start(&mut l, at(2)).is_none(), "only one");
    l.release_slot(Slot::Shared, Some(false), at(2));
    assert_eq!(l.next(at(3)), Next::Idle(Some(at(6))), "twice as long");
    assert!(start(&mut l, at(6)).is_some());
    l.release_slot(Slot::Shared, Some(true), at(6));
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
    assert_eq!(
        l.next_reads(),
        [Read::Lane { key: key(1, 0), after: -1 }],
        "what waits behind a dead letter needs no memory"
    );
    l.lane_read(key(1, 0), vec![effect(2)], true, at(8));
    assert_eq!(start(&mut l, at(8)), Some(2));
    l.finish(key(1, 0), 0, None, at(8));
    assert!(!l.try_start(key(1, 0), 0, at(9)), "the gap holds for fresh effects too");
    assert!(l.try_start(key(1, 0), 0, at(14)));
}

/// Two campaigns to the same 30,000 people, and a third flow that comes after them.
#[test]
fn a_backlog_lives_in_the_store_and_holds_back_no_other_flow() {
    let mut shelf = Shelf::new(Some(Rate { burst: 8, every: Duration::from_millis(100) }), 16, vec![1]);
    shelf.page = 512;
    for n in 0..60_000 {
        shelf.decide(key(n % 30_000, 2), 1 + n / 30_000, 0);
        shelf.hear_all();
    }
    shelf.read_all();
    let memory = |shelf: &Shelf| (shelf.lanes.known.len(), shelf.lanes.lanes.len());
    assert!(memory(&shelf).0 < 3000 && memory(&shelf).1 < 3000, "{:?}", memory(&shelf));
    for n in 0..10 {
        shelf.decide(key(90_000 + n, 2), 3, 0);
    }
    shelf.hear_all();
    let mut seen = 0;
    while seen < 10 {
        shelf.read_all();
        shelf.now += 100;
        shelf.start(16);
        shelf.end_all();
        seen = shelf.started.iter().filter(|seq| **seq > 60_000).count();
        assert!(shelf.started.len() < 60, "the third flow waits: {} calls", shelf.started.len());
    }
    assert!(memory(&shelf).0 < 3000 && memory(&shelf).1 < 3000, "{:?}", memory(&shelf));
}

/// The number: 100,000 queued, read page by page, 80 a second, and a flow of ten beside it.
#[test]
fn a_campaign_of_a_hundred_thousand_is_sent_whole_while_others_pass() {
    let mut shelf = Shelf::new(Some(Rate { burst: 80, every: Duration::from_micros(12_500) }), 64, vec![1]);
    shelf.page = 512;
    for n in 0..100_000 {
        shelf.decide(key(n, 2), 1, 0);
        shelf.hear_all();
    }
    shelf.restart();
    let mut waited = Vec::new();
    let mut fresh = 0;
    while shelf.queued() > 0 {
        shelf.read_all();
        shelf.now += 100;
        if shelf.now % 1000 == 0 && fresh < 500 {
            fresh += 1;
            let seq = shelf.rows.len() as i64 + 1;
            shelf.decide(key(200_000 + fresh, if fresh % 2 == 0 { 0 } else { 2 }), 2, 0);
            shelf.hear_all();
            shelf.read_all();
            let (at, before) = (shelf.now, shelf.started.len());
            shelf.start(64);
            while !shelf.started[before..].contains(&seq) && shelf.rows[&seq].state == super::shelf::State::Queued {
                shelf.end_all();
                shelf.now += 10;
                shelf.read_all();
                shelf.start(64);
            }
            waited.push(shelf.now - at);
        }
        shelf.start(64);
        shelf.end_all();
    }
    assert_eq!(shelf.started.len(), 100_500);
    assert!(waited.iter().all(|ms| *ms <= 500), "{waited:?}");
    let seconds = shelf.now / 1000;
    assert!(seconds < 100_500 / 80 * 11 / 10, "80 a second: it took {seconds} s");
}

#[test]
fn a_slow_campaign_leaves_a_slot_to_what_is_urgent() {
    let mut l = lanes(None, 16);
    for n in 1..=40 {
        l.enqueue(key(n, 2), effect(n), at(0));
    }
    let mut out = 0;
    while start(&mut l, at(0)).is_some() {
        out += 1;
    }
    assert_eq!(out, 15, "one is kept");
    assert_eq!(l.next(at(0)), Next::Idle(None));
    l.enqueue(key(99, 0), effect(99), at(0));
    assert_eq!(start(&mut l, at(0)), Some(99), "nobody at the door waits for a slow answer");
    l.enqueue(key(98, 0), effect(98), at(0));
    assert_eq!(start(&mut l, at(0)), None, "all are out");
    l.release_slot(Slot::Shared, Some(true), at(0));
    assert_eq!(start(&mut l, at(0)), Some(98));
    l.release_slot(Slot::Urgent, Some(true), at(0));
    assert!(start(&mut l, at(0)).is_some(), "a slot that urgent work had is the campaign's again");
}

#[test]
fn an_effect_that_was_withdrawn_while_it_was_ready_takes_no_turn_with_it() {
    let mut l = lanes(None, 10);
    l.enqueue(key(1, 1), effect(1), at(0));
    l.withdraw(key(1, 1), effect(1).id, at(0));
    l.enqueue(key(1, 1), effect(2), at(0));
    l.enqueue(key(1, 1), effect(3), at(0));
    assert_eq!(start(&mut l, at(0)), Some(2));
    assert_eq!(l.next(at(0)), Next::Idle(None), "3 waits for 2");
}

#[test]
fn what_waits_takes_the_slots_that_an_answer_frees_and_no_more() {
    let mut l = lanes(None, 4);
    for n in 1..=9 {
        l.enqueue(key(n, 0), effect(n), at(0));
    }
    let seqs = |starts: Vec<Vec<(LaneKey, Queued)>>| starts.iter().flatten().map(|(_, q)| q.seq).collect::<Vec<_>>();
    assert_eq!(seqs(l.next_starts(3, at(0))), [1, 2, 3], "not more than asked for");
    assert!(l.is_busy());
    assert_eq!(seqs(l.next_starts(16, at(0))), [4], "not more than may be out");
    assert!(l.next_starts(16, at(0)).is_empty());
    l.release_slot(Slot::Urgent, Some(true), at(0));
    assert_eq!(seqs(l.next_starts(16, at(0))), [5]);
    l.hold(at(60));
    l.release_slot(Slot::Urgent, Some(true), at(0));
    assert!(l.next_starts(16, at(1)).is_empty(), "the provider asked to wait");
    for _ in 0..3 {
        l.release_slot(Slot::Urgent, Some(true), at(1));
    }
    assert!(!l.is_busy());
    assert_eq!(seqs(l.next_starts(1, at(60))), [6]);
}

/// Queued effects as a store has them, in one urgency, and whose flow is paused.
struct Kept {
    /// By place: lane and flow.
    queued: BTreeMap<i64, (i64, i64)>,
    paused: bool,
    sent: Vec<i64>,
}

impl Kept {
    /// Flow 1 is the one that is paused.
    fn run(&mut self, l: &mut Lanes) {
        let queued = |seq: i64, flow: i64| Queued { flow, ..effect(seq) };
        for _ in 0..100_000 {
            let reads = l.next_reads();
            let idle = reads.is_empty();
            for read in reads {
                match read {
                    Read::Flow { urgency, flow, after } => {
                        let own = self.queued.range(after + 1..).filter(|(_, (_, f))| *f == flow).take(7);
                        let page: Vec<Shown> = own
                            .map(|(seq, (lane, flow))| {
                                let mut others = self.queued.iter().filter(|(_, (l, _))| l == lane).map(|(s, _)| s);
                                let first = others.next() == Some(seq);
                                let last =
                                    others.next_back().is_none_or(|l| l == seq) && (first || others.count() == 0);
                                Shown { key: key(*lane, 1), effect: queued(*seq, *flow), first, last }
                            })
                            .collect();
                        let whole = page.len() < 7;
                        l.page_read(urgency, flow, after, page, whole, at(0));
                    }
                    Read::Lane { key, after } => {
                        let rest: Vec<Queued> = self
                            .queued
                            .range(after + 1..)
                            .filter(|(_, (lane, _))| *lane == key.lane)
                            .map(|(seq, (_, flow))| queued(*seq, *flow))
                            .collect();
                        let whole = rest.len() <= LANE_WINDOW;
                        l.lane_read(key, rest.into_iter().take(LANE_WINDOW).collect(), whole, at(0));
                    }
                }
            }
            match l.next(at(0)) {
                Next::Start(started) => {
                    let (key, effect) = started[0];
                    if self.paused && effect.flow == 1 {
                        l.step_aside(key, &effect, at(0));
                        l.return_slot(Slot::Shared, at(0));
                    } else {
                        self.queued.remove(&effect.seq);
                        self.sent.push(effect.seq);
                        l.finish(key, 0, None, at(0));
                        l.release_slot(Slot::Shared, Some(true), at(0));
                    }
                }
                Next::Idle(_) if idle => return,
                Next::Idle(_) => {}
            }
        }
        panic!("it never comes to rest");
    }

    fn told(&self, l: &mut Lanes) {
        for flow in [1, 2] {
            l.stored(1, flow);
        }
    }
}

#[test]
fn what_is_paused_steps_aside_and_goes_on_in_its_order() {
    // Lane 5: more of the paused flow than a lane keeps in memory, then others, then both in turn.
    let flow_of = |n: i64| if n < 80 || n % 2 == 0 { 1 } else { 2 };
    let mut kept = Kept { queued: (0..120).map(|n| (n, (5, flow_of(n)))).collect(), paused: true, sent: Vec::new() };
    kept.queued.extend((200..210).map(|n| (n, (6, 2))));
    let mut l = lanes(None, 3);
    kept.told(&mut l);
    kept.run(&mut l);
    let others: Vec<i64> = (0..120).filter(|n| flow_of(*n) == 2).collect();
    let lane_5 = |sent: &[i64]| sent.iter().copied().filter(|n| *n < 200).collect::<Vec<_>>();
    assert_eq!(lane_5(&kept.sent), others, "everything that is not paused passes, in order");
    assert_eq!(kept.sent.len(), others.len() + 10);
    // Decided while it is paused: one steps aside, the other passes.
    for (n, flow) in [(300, 1), (301, 2)] {
        kept.queued.insert(n, (5, flow));
        l.enqueue(key(5, 1), Queued { flow, ..effect(n) }, at(0));
    }
    kept.run(&mut l);
    assert_eq!(kept.sent.last(), Some(&301));

    kept.sent.clear();
    kept.paused = false;
    l.reload(at(0));
    kept.told(&mut l);
    kept.run(&mut l);
    let held: Vec<i64> = (0..120).filter(|n| flow_of(*n) == 1).chain([300]).collect();
    assert_eq!(kept.sent, held, "and in its order once it goes on");
    assert!(kept.queued.is_empty());
}

#[test]
fn a_lane_that_was_being_read_when_a_pause_ended_is_read_again() {
    let mut l = lanes(None, 3);
    l.enqueue(key(5, 1), Queued { flow: 1, ..effect(1) }, at(0));
    let Next::Start(started) = l.next(at(0)) else { panic!() };
    l.requeue(key(5, 1), at(0));
    l.step_aside(key(5, 1), &started[0].1, at(0));
    l.return_slot(Slot::Shared, at(0));
    assert_eq!(l.next_reads(), [Read::Lane { key: key(5, 1), after: 1 }]);
    l.reload(at(0));
    // What was asked for before comes back without the one that had stepped aside.
    l.lane_read(key(5, 1), vec![effect(2)], true, at(0));
    assert_eq!(start(&mut l, at(0)), None, "2 does not go before 1");
    assert_eq!(l.next_reads(), [Read::Lane { key: key(5, 1), after: -1 }]);
    l.lane_read(key(5, 1), vec![effect(1), effect(2)], true, at(0));
    assert_eq!(start(&mut l, at(0)), Some(1));
}
