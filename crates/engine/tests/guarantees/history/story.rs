//! What happens in a history, from a seed and nothing else.

use serde_json::{Value, json};

/// What an order may want: an action of each kind of idempotency; `fija` is at most once and parks.
pub(crate) const ACTIONS: [&str; 6] = ["clave", "cliente", "leible", "correla", "unavez", "fija"];
const KEYS: u64 = 5;

/// Small numbers from a seed (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    /// A die that always falls the same for these numbers.
    pub(crate) fn of(numbers: &[u64]) -> Self {
        let mut dice = Self(0);
        for n in numbers {
            dice.0 = dice.0.wrapping_add(*n);
            dice.0 = dice.next();
        }
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}

/// How a fact comes in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Way {
    Once,
    Twice,
    TwiceAtOnce,
    /// Also by a poll.
    AndPolled,
}

/// A fact that happened.
#[derive(Debug, Clone)]
pub(crate) struct Paid {
    pub(crate) n: i64,
    pub(crate) key: u64,
    pub(crate) action: &'static str,
    pub(crate) way: Way,
}

impl Paid {
    pub(crate) fn lane(&self) -> String {
        format!("{}-{}", self.action, self.key % 2)
    }

    pub(crate) fn fact(&self) -> Value {
        json!({ "type": "order.paid", "key": format!("k{}", self.key), "id": format!("p{}", self.n),
            "data": { "n": self.n, "do": self.action, "lane": self.lane() } })
    }
}

/// A fact about how something is.
#[derive(Debug, Clone)]
pub(crate) struct Updated {
    pub(crate) n: i64,
    pub(crate) key: u64,
    pub(crate) title: &'static str,
    /// When the provider says that it changed, in seconds; a smaller one is older news. No two are the same.
    pub(crate) at: u64,
    pub(crate) way: Way,
}

impl Updated {
    pub(crate) fn fact(&self) -> Value {
        let key = format!("k{}", self.key);
        let at = format!("2026-11-27T{:02}:{:02}:{:02}Z", self.at / 3600, self.at / 60 % 60, self.at % 60);
        json!({ "type": "order.updated", "key": key,
            "data": { "n": self.n, "key": key, "title": self.title },
            "state": [{ "kind": "order", "id": key, "data": { "title": self.title }, "updated": at }] })
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Paid(Paid),
    Updated(Updated),
    /// Many of one key without waiting; the hub may end among them.
    Burst(Vec<Paid>, bool),
    Crash,
    Jump(i64),
}

/// The history of a seed.
pub(crate) fn of(seed: u64, steps: usize) -> Vec<Op> {
    let mut dice = Dice::of(&[seed]);
    let (mut n, mut minute) = (0, 10);
    let mut past: Vec<Op> = Vec::new();
    for _ in 0..steps {
        let way = match dice.below(8) {
            0 => Way::Twice,
            1 => Way::TwiceAtOnce,
            2 => Way::AndPolled,
            _ => Way::Once,
        };
        let mut paid = |dice: &mut Dice, key: u64, actions: u64, way: Way| {
            n += 1;
            Paid { n, key, action: ACTIONS[dice.below(actions) as usize], way }
        };
        let key = dice.below(KEYS);
        let op = match dice.below(20) {
            0..=6 => Op::Paid(paid(&mut dice, key, 6, way)),
            7..=11 => {
                // A, B, A again and again, and sometimes old news after new.
                minute += 1;
                n += 1;
                let old = dice.below(5) == 0;
                let at = if old { (minute - 2 - dice.below(6)) * 60 + 1 + n.cast_unsigned() % 59 } else { minute * 60 };
                // A poll may come late, and late news of a state are other news: they have tests of their own.
                let way = if way == Way::AndPolled { Way::Once } else { way };
                let title = ["A", "B", "C"][dice.below(3) as usize];
                Op::Updated(Updated { n, key, title, at, way })
            }
            12..=13 => {
                // Only what may be repeated: where the end falls is nobody's choice.
                let many = 2 + dice.below(6);
                let burst = (0..many).map(|_| paid(&mut dice, key, 3, Way::Once)).collect();
                Op::Burst(burst, dice.below(2) == 0)
            }
            14..=15 => Op::Crash,
            16 => match past.iter().filter(|op| matches!(op, Op::Paid(_))).nth(dice.below(8) as usize) {
                Some(again) => again.clone(),
                None => Op::Crash,
            },
            17 => Op::Jump(-1 - dice.below(3600).cast_signed()),
            _ => Op::Jump(1 + dice.below(900).cast_signed()),
        };
        past.push(op);
    }
    past
}

pub(crate) fn told(story: &[Op]) -> String {
    story.iter().map(|op| format!("{op:?}")).collect::<Vec<_>>().join("\n")
}
