//! What holds whatever happens (G6, G8, G9): nothing is lost, nothing starves, order per lane,
//! slots and tokens within their limits, shares by weight. [`Shelf`] looks at each start.

use super::shelf::{Shelf, State, key};
use super::turns::{DEBT, WEIGHTS};
use super::*;
use pasarela_connector::Rate;
use proptest::prelude::*;

fn config(cases: u32) -> ProptestConfig {
    let kept = proptest::test_runner::FileFailurePersistence::Direct(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/proptest-regressions/lanes.txt"
    ));
    ProptestConfig { cases, failure_persistence: Some(Box::new(kept)), ..ProptestConfig::default() }
}

/// Something that happens to a connection.
#[derive(Debug, Clone)]
enum Happens {
    Decide { lane: i64, urgency: u8, flow: i64, action: u16 },
    Hear(usize),
    Start(usize),
    Done(usize),
    Again(usize, i64),
    Dies(usize),
    Revive(usize),
    Withdraw(usize),
    Read,
    Told,
    Pass(i64),
    Restart,
}

fn happens() -> impl Strategy<Value = Happens> {
    let n = 0..1000usize;
    prop_oneof![
        12 => (0..12i64, 0..3u8, 0..4i64, 0..2u16)
            .prop_map(|(lane, urgency, flow, action)| Happens::Decide { lane, urgency, flow, action }),
        8 => n.clone().prop_map(Happens::Hear),
        4 => (1..4usize).prop_map(Happens::Start),
        6 => n.clone().prop_map(Happens::Done),
        2 => (n.clone(), 0..5000i64).prop_map(|(n, ms)| Happens::Again(n, ms)),
        1 => n.clone().prop_map(Happens::Dies),
        1 => n.clone().prop_map(Happens::Revive),
        2 => n.prop_map(Happens::Withdraw),
        5 => Just(Happens::Read),
        5 => Just(Happens::Told),
        2 => (0..3000i64).prop_map(Happens::Pass),
        1 => Just(Happens::Restart),
    ]
}

/// Lets it all happen.
fn runs(shelf: &mut Shelf, story: Vec<Happens>) {
    let mut reads = VecDeque::new();
    for one in story {
        match one {
            Happens::Decide { lane, urgency, flow, action } => shelf.decide(key(lane, urgency), flow, action),
            Happens::Hear(n) => shelf.hear(n),
            Happens::Start(n) => drop(shelf.start(n)),
            Happens::Done(n) => shelf.end(n, None, false),
            Happens::Again(n, ms) => shelf.end(n, Some(ms), false),
            Happens::Dies(n) => shelf.end(n, None, true),
            Happens::Revive(n) => shelf.revive(n),
            Happens::Withdraw(n) => shelf.withdraw(n),
            // What is read comes back later, and is old by then.
            Happens::Read => {
                if reads.is_empty() {
                    reads.extend(shelf.read());
                }
            }
            Happens::Told => {
                if let Some(told) = reads.pop_front() {
                    shelf.tell(told);
                }
            }
            Happens::Pass(ms) => shelf.now += ms,
            Happens::Restart => {
                reads.clear();
                shelf.restart();
            }
        }
    }
    reads.into_iter().for_each(|told| shelf.tell(told));
}

/// Lets everything go that can go; what is left waits behind a dead letter.
fn drains(shelf: &mut Shelf) {
    shelf.hear_all();
    for _ in 0..20_000 {
        shelf.read_all();
        shelf.now += 500;
        shelf.start(50);
        shelf.end_all();
        if shelf.queued() == 0 {
            break;
        }
        if !shelf.rows.values().any(|r| r.state == State::Queued && !is_parked(shelf, r.key)) {
            break;
        }
    }
    for row in shelf.rows.values().filter(|r| r.state == State::Queued) {
        assert!(is_parked(shelf, row.key), "{row:?} is never sent");
    }
    while shelf.rows.values().any(|r| r.state == State::Dead) {
        shelf.revive(0);
    }
    for _ in 0..2000 {
        shelf.read_all();
        shelf.now += 500;
        shelf.start(50);
        shelf.end_all();
        if shelf.queued() == 0 {
            return;
        }
    }
    panic!("{} are never sent", shelf.queued());
}

fn is_parked(shelf: &Shelf, key: LaneKey) -> bool {
    shelf.rows.values().any(|r| r.state == State::Dead && r.key == key)
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn whatever_happens_all_is_sent_in_order_and_within_limits(
        story in proptest::collection::vec(happens(), 1..250),
        concurrency in 1..7u32,
        limited in any::<bool>(),
        page in 1..6usize,
        stored in 0..60i64,
    ) {
        let rate = limited.then_some(Rate { burst: 3, every: Duration::from_millis(100) });
        let mut shelf = Shelf::new(rate, concurrency, vec![1, 4]);
        shelf.page = page;
        // What an earlier process left: flows that share lanes.
        for n in 0..stored {
            shelf.decide(key(n % 9, (n % 3) as u8), n * 7 % 4, 0);
        }
        if stored > 0 {
            shelf.restart();
        }
        runs(&mut shelf, story);
        drains(&mut shelf);
    }
}

/// Calls of each flow: (urgency, lanes that are ready, further calls of each of its actions).
type Flows = Vec<(u8, usize, usize)>;

/// Queues so many effects for each flow, each in a lane of its own.
fn queue_all(shelf: &mut Shelf, flows: &Flows) {
    let most = flows.iter().map(|f| f.1).max().unwrap_or(0);
    for n in 0..most {
        for (flow, (urgency, count, _)) in (0i64..).zip(flows) {
            if n < *count {
                shelf.decide(key(flow * 100_000 + n as i64, *urgency), flow, 0);
            }
        }
    }
    shelf.hear_all();
}

proptest! {
    #![proptest_config(config(120))]

    /// With `F` flows of its urgency, the `p`-th effect of a flow goes out at the latest when its
    /// urgency has made `F * p` calls and what they owe, and an urgency of weight `w` makes `w` of 21.
    #[test]
    fn nothing_starves(flows in proptest::collection::vec((0..3u8, 1..60usize, 0..3usize), 1..12)) {
        let mut shelf = Shelf::new(None, 64, vec![1]);
        // Nothing goes out while it is being queued.
        shelf.lanes.hold(super::shelf::at(1000));
        queue_all(&mut shelf, &flows);
        shelf.now = 1000;
        let (mut calls, mut nth) = (0usize, vec![0usize; flows.len()]);
        let round: i64 = WEIGHTS.iter().sum();
        while shelf.start(1) == 1 {
            calls += 1;
            let (lane, effect) = shelf.out[shelf.out.len() - 1][0];
            let flow = effect.flow as usize;
            nth[flow] += 1;
            let same = flows.iter().filter(|f| f.0 == lane.urgency).count();
            let further = flows.iter().map(|f| f.2).max().unwrap_or(0);
            let rounds = (same * nth[flow] * (1 + further)) as i64 / WEIGHTS[usize::from(lane.urgency)] + 1;
            let bound = rounds * (round + 3 * DEBT) + same as i64 * DEBT;
            prop_assert!(calls as i64 <= bound, "call {} for {:?}, bound {}", calls, effect, bound);
            for _ in 0..flows[flow].2 {
                shelf.lanes.pay(lane, effect.flow);
                calls += 1;
            }
            shelf.end_all();
        }
        prop_assert_eq!(nth, flows.iter().map(|f| f.1).collect::<Vec<_>>());
    }

    /// Nor while floods go on: one of each urgency that is named has something new whenever it was served.
    /// Flows have several effects behind one another in a lane, and most of all of it is in the store.
    #[test]
    fn nothing_starves_while_floods_go_on(
        flows in proptest::collection::vec((0..3u8, 1..12usize, 1..5usize), 1..9),
        floods in proptest::collection::btree_set(0..3u8, 1..4),
        page in 1..6usize,
        restart in any::<bool>(),
    ) {
        let mut shelf = Shelf::new(None, 64, vec![1]);
        shelf.page = page;
        shelf.lanes.hold(super::shelf::at(1000));
        for deep in 0..4 {
            for (flow, (urgency, lanes, depth)) in (0i64..).zip(&flows) {
                for lane in (0..*lanes).filter(|_| deep < *depth) {
                    shelf.decide(key(flow * 1000 + lane as i64, *urgency), flow, 0);
                }
            }
        }
        let flood = |shelf: &mut Shelf, urgency: u8, n: usize| {
            for _ in 0..n {
                let lane = 1_000_000 + shelf.rows.len() as i64;
                shelf.decide(key(lane, urgency), 100 + i64::from(urgency), 0);
            }
            shelf.hear_all();
        };
        floods.iter().for_each(|urgency| flood(&mut shelf, *urgency, 40));
        if restart {
            shelf.restart();
        }
        shelf.now = 1000;
        let mut nth = vec![0usize; flows.len()];
        let wanted: Vec<usize> = flows.iter().map(|(_, lanes, depth)| lanes * depth).collect();
        let round: i64 = WEIGHTS.iter().sum();
        let mut calls = 0i64;
        while nth != wanted {
            shelf.read_all();
            if shelf.start(1) == 0 {
                // Only a restart holds back, until what it read allows.
                prop_assert!(calls == 0, "nothing goes out after {calls} calls");
                shelf.now += 1000;
                continue;
            }
            calls += 1;
            let (lane, effect) = shelf.out[shelf.out.len() - 1][0];
            shelf.end_all();
            if effect.flow >= 100 {
                flood(&mut shelf, lane.urgency, 1);
                prop_assert!(calls < 40_000, "{nth:?} of {wanted:?} after {calls} calls");
                continue;
            }
            let flow = effect.flow as usize;
            nth[flow] += 1;
            let same = flows.iter().filter(|f| f.0 == lane.urgency).count() + usize::from(floods.contains(&lane.urgency));
            let rounds = (same * nth[flow]) as i64 / WEIGHTS[usize::from(lane.urgency)] + 1;
            let bound = rounds * (round + 3 * DEBT) + same as i64 * DEBT;
            prop_assert!(calls <= bound, "call {} for {:?}, bound {}", calls, effect, bound);
        }
    }

    /// While all wait, the urgencies share 16 : 4 : 1, and flows of one urgency share alike, in calls.
    #[test]
    fn shares_follow_the_weights(
        flows in proptest::collection::vec((0..3u8, 0..3usize), 3..10),
        concurrency in prop_oneof![Just(1u32), Just(4), Just(16)],
    ) {
        let flows: Flows = flows.iter().map(|(urgency, further)| (*urgency, 900, *further)).collect();
        let mut shelf = Shelf::new(None, concurrency, vec![1]);
        shelf.lanes.hold(super::shelf::at(1000));
        queue_all(&mut shelf, &flows);
        shelf.now = 1000;
        let mut calls = vec![0i64; flows.len()];
        let total = 800;
        while calls.iter().sum::<i64>() < total {
            prop_assert_eq!(shelf.start(1), 1);
            let (lane, effect) = shelf.out[shelf.out.len() - 1][0];
            let further = flows[effect.flow as usize].2;
            (0..further).for_each(|_| shelf.lanes.pay(lane, effect.flow));
            calls[effect.flow as usize] += 1 + further as i64;
            if shelf.out.len() as u32 >= concurrency.div_ceil(2) {
                shelf.end(0, None, false);
            }
        }
        let weight = |b: u8| if flows.iter().any(|f| f.0 == b) { WEIGHTS[usize::from(b)] } else { 0 };
        let all: i64 = (0..3).map(weight).sum();
        for (flow, (urgency, ..)) in flows.iter().enumerate() {
            let same = flows.iter().filter(|f| f.0 == *urgency).count() as i64;
            let fair = total * weight(*urgency) / all / same;
            let off = (calls[flow] - fair).abs();
            prop_assert!(off <= 2 * DEBT, "flow {flow} made {} calls, {fair} would be fair: {calls:?}", calls[flow]);
        }
    }
}
