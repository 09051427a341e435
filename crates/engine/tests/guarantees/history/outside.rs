//! The provider of a history. How it answers a call is told by the seed, the effect's number and how
//! often it has come: so an effect meets the same answers whatever happens around it. It knows keys
//! again, tells the truth when it is asked, and remembers what it did.

use super::story::Dice;
use crate::server::{Arrived, Mind, Reply};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// How a call is met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Meets {
    Well,
    /// It is done, and the answer is lost.
    DoneAndLost,
    /// Nothing is done, and the answer is lost.
    Lost,
    /// It is done, and there is no answer until the caller is gone.
    DoneAndSilent,
    /// Come again.
    Later,
    Overloaded,
    Never,
    NeedsPerson,
}

/// How an effect ends when nothing comes between.
fn at_last(seed: u64, n: i64) -> Meets {
    match Dice::of(&[seed, n.cast_unsigned(), 7]).below(14) {
        0 => Meets::Never,
        1 => Meets::NeedsPerson,
        _ => Meets::Well,
    }
}

/// How the `nth` call of effect `n` is met. An answer may be lost with the process that waited for it, so
/// that one call more is made: what it comes to in the end is the same.
pub(crate) fn meets(seed: u64, n: i64, nth: usize) -> Meets {
    let at_last = at_last(seed, n);
    if nth > 3 {
        return at_last;
    }
    match (Dice::of(&[seed, n.cast_unsigned(), nth as u64, 5]).below(20), at_last) {
        (0..=1, Meets::Well) => Meets::DoneAndLost,
        (2..=3, Meets::Well) => Meets::DoneAndSilent,
        (0..=4, _) => Meets::Lost,
        (5..=6, _) => Meets::Later,
        (7, _) => Meets::Overloaded,
        _ => at_last,
    }
}

/// Does a status come for a correlated call whose answer was lost?
pub(crate) fn tells_later(seed: u64, n: i64) -> bool {
    Dice::of(&[seed, n.cast_unsigned(), 6]).below(2) == 0
}

#[derive(Default)]
struct Seen {
    /// Numbers of each lane as they arrived, one entry as long as it is the same.
    lanes: BTreeMap<String, Vec<i64>>,
    done: BTreeMap<i64, usize>,
    keys_done: BTreeSet<String>,
    bodies: HashMap<String, bytes::Bytes>,
    /// Keys for which a status is owed, with their numbers.
    owed: HashMap<String, i64>,
    to_poll: Vec<Value>,
}

pub(crate) struct Outside {
    seed: u64,
    seen: Mutex<Seen>,
}

impl Outside {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, seen: Mutex::default() }
    }

    pub(crate) fn mind(self: Arc<Self>) -> Mind {
        Arc::new(move |call, nth| Some(self.answer(call, nth)))
    }

    fn answer(&self, call: &Arrived, nth: usize) -> Reply {
        let mut seen = self.seen.lock();
        let path = call.path.split('?').next().unwrap_or_default();
        if path == "/poll" {
            let records: Vec<Value> = seen.to_poll.drain(..).map(|fact| json!({ "facts": [fact] })).collect();
            return Reply::ok(json!({ "records": records }));
        }
        if path == "/read" {
            let key = call.path.rsplit('=').next().unwrap_or_default();
            return Reply::ok(json!({ "found": seen.keys_done.contains(key) }));
        }
        let (body, key) = (call.json(), call.key.clone().unwrap_or_default());
        let n = body["n"].as_i64().unwrap();
        let lane = body["to"].as_str().or(body["key"].as_str()).unwrap_or_default().to_owned();
        let before = seen.bodies.insert(key.clone(), call.bytes.clone());
        assert!(before.is_none_or(|b| b == call.bytes), "other bytes under the key of {n}");
        let lane = seen.lanes.entry(lane).or_default();
        if lane.last() != Some(&n) {
            lane.push(n);
        }
        let meets = meets(self.seed, n, nth);
        if matches!(meets, Meets::Well | Meets::DoneAndLost | Meets::DoneAndSilent) {
            let new = seen.keys_done.insert(key.clone());
            // Keys are known again where the action says so; where it does not, it is done once more.
            if new || !["/clave", "/cliente", "/flujo"].contains(&path) {
                *seen.done.entry(n).or_default() += 1;
            }
        }
        let lost = matches!(meets, Meets::DoneAndLost | Meets::DoneAndSilent);
        if path == "/correla" && lost && tells_later(self.seed, n) {
            seen.owed.insert(key, n);
        }
        match meets {
            Meets::Well => Reply::ok(json!({ "id": "x" })),
            Meets::DoneAndLost | Meets::Lost => Reply::Cut,
            Meets::DoneAndSilent => Reply::Hang,
            Meets::Later => Reply::status(408),
            Meets::Overloaded => Reply::status(503),
            Meets::Never => Reply::status(422),
            Meets::NeedsPerson => Reply::status(402),
        }
    }

    /// The number of the call under this key, if its status is to be told now.
    pub(crate) fn owes_status(&self, key: &str) -> Option<i64> {
        self.seen.lock().owed.remove(key)
    }

    /// The next poll brings this too.
    pub(crate) fn poll(&self, fact: Value) {
        self.seen.lock().to_poll.push(fact);
    }

    pub(crate) fn lanes(&self) -> BTreeMap<String, Vec<i64>> {
        self.seen.lock().lanes.clone()
    }

    pub(crate) fn done(&self) -> BTreeMap<i64, usize> {
        self.seen.lock().done.clone()
    }
}
