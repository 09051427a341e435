//! Looks at personal data, and refusals, gathered so that nobody can flood the chain with them.
//!
//! Promise: of each look (who, at what, which one) one entry an hour and node, before its answer goes out; of each
//! refusal (who, from where, what, why) its first at once and the count of the others when the minute is over. Of
//! what is beyond [`GROUPS`] in a minute, and [`SUBJECTS`] in an hour, only that it was, and how often. Many refusals
//! of one key, person or address in ten minutes ring ([`Gathered::worst`]).
//!
//! Pure: the time is given, and what is to be written is handed back.

use crate::who::Who;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};

/// Groups of refusals of one minute that have an entry of their own.
const GROUPS: usize = 20;
/// Things of one kind that somebody looks at in an hour, with an entry for each.
const SUBJECTS: usize = 200;
/// Looks that are remembered; beyond, all of this hour are forgotten, and what was written may be written again.
const MEMORY: usize = 50_000;
/// Minutes in which refusals are counted for the alarm, and how many of one caller ring.
const WINDOW: i64 = 10;
const RINGS: u32 = 60;
/// Callers whose refusals are counted for the alarm.
const CALLERS: usize = 1000;

/// Somebody was turned away.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Refused {
    /// Id of a key or an account; empty: nobody knows.
    pub(crate) who: String,
    /// Where from, as it is counted.
    pub(crate) place: String,
    /// Code of the refusal, as `missing_scope`.
    pub(crate) code: &'static str,
    /// What was wanted, as `keys.write` or `password`.
    pub(crate) wanted: String,
}

/// An entry that is to be written: of whom, of what, how often since the one before.
pub(crate) struct Note {
    pub(crate) who: Who,
    pub(crate) refused: Refused,
    pub(crate) count: u64,
}

/// What is to be written of a look.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It is written already.
    Known,
    /// This one.
    Write,
    /// That there are many of this kind; what each is, is not written any more in this hour.
    Many,
}

struct Group {
    who: Who,
    more: u64,
}

#[derive(Default)]
struct State {
    minute: i64,
    groups: HashMap<Refused, Group>,
    /// Beyond the groups of this minute.
    others: u64,
    hour: i64,
    looks: HashMap<(String, String), Vec<String>>,
    looked: usize,
    /// Refusals of a caller, by minute.
    recent: HashMap<String, BTreeMap<i64, u32>>,
    /// Refusals since the start, by code.
    totals: BTreeMap<&'static str, u64>,
}

/// See the head of this file.
#[derive(Default)]
pub(crate) struct Gathered(Mutex<State>);

impl Gathered {
    /// Somebody was turned away now. What is to be written now.
    pub(crate) fn refused(&self, who: &Who, refused: Refused, now: Timestamp) -> Vec<Note> {
        let state = &mut *self.0.lock();
        let mut notes = state.over(now);
        *state.totals.entry(refused.code).or_default() += 1;
        let caller = if refused.who.is_empty() { refused.place.clone() } else { refused.who.clone() };
        state.count(caller);
        if let Some(group) = state.groups.get_mut(&refused) {
            group.more += 1;
        } else if state.groups.len() < GROUPS {
            state.groups.insert(refused.clone(), Group { who: who.clone(), more: 0 });
            notes.push(Note { who: who.clone(), refused, count: 1 });
        } else {
            state.others += 1;
        }
        notes
    }

    /// What is to be written of the minutes that are over.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<Note> {
        self.0.lock().over(now)
    }

    /// What is to be written of what is gathered yet: the hub stops.
    pub(crate) fn rest(&self) -> Vec<Note> {
        self.0.lock().close()
    }

    /// Somebody looks at something now.
    pub(crate) fn looks(&self, who: &str, what: &str, subject: &str, now: Timestamp) -> Look {
        let state = &mut *self.0.lock();
        let hour = now.as_second().div_euclid(3600);
        if state.hour != hour || state.looked >= MEMORY {
            (state.hour, state.looked) = (hour, 0);
            state.looks.clear();
        }
        let seen = state.looks.entry((who.to_owned(), what.to_owned())).or_default();
        if seen.iter().any(|s| s == subject) || seen.len() > SUBJECTS {
            return Look::Known;
        }
        state.looked += 1;
        seen.push(subject.to_owned());
        if seen.len() > SUBJECTS { Look::Many } else { Look::Write }
    }

    /// Refusals of the caller with the most in the last ten minutes, if they are so many that it rings.
    pub(crate) fn worst(&self, now: Timestamp) -> Option<u32> {
        let state = self.0.lock();
        let since = minute(now) - WINDOW;
        let sum = |by: &BTreeMap<i64, u32>| by.range(since + 1..).map(|(_, n)| n).sum::<u32>();
        state.recent.values().map(sum).max().filter(|n| *n >= RINGS)
    }

    /// Refusals since the start, by code.
    pub(crate) fn totals(&self) -> Vec<(&'static str, u64)> {
        self.0.lock().totals.iter().map(|(code, n)| (*code, *n)).collect()
    }
}

impl State {
    fn over(&mut self, now: Timestamp) -> Vec<Note> {
        let minute = minute(now);
        if minute == self.minute {
            return Vec::new();
        }
        self.minute = minute;
        self.close()
    }

    fn close(&mut self) -> Vec<Note> {
        let groups = std::mem::take(&mut self.groups);
        let mut notes: Vec<Note> = groups
            .into_iter()
            .filter(|(_, group)| group.more > 0)
            .map(|(refused, group)| Note { who: group.who, refused, count: group.more })
            .collect();
        if self.others > 0 {
            let refused = Refused { who: String::new(), place: String::new(), code: "many", wanted: String::new() };
            notes.push(Note { who: Who::system(), refused, count: std::mem::take(&mut self.others) });
        }
        notes
    }

    fn count(&mut self, caller: String) {
        let (minute, since) = (self.minute, self.minute - WINDOW);
        if self.recent.len() >= CALLERS && !self.recent.contains_key(&caller) {
            self.recent.retain(|_, by| by.last_key_value().is_some_and(|(m, _)| *m > since));
            if self.recent.len() >= CALLERS {
                return;
            }
        }
        let by = self.recent.entry(caller).or_default();
        *by.entry(minute).or_default() += 1;
        by.retain(|m, _| *m > since);
    }
}

fn minute(now: Timestamp) -> i64 {
    now.duration_since(Timestamp::UNIX_EPOCH).as_secs().div_euclid(SignedDuration::from_mins(1).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_020 + seconds).unwrap()
    }

    fn by(who: &str) -> Refused {
        Refused { who: who.into(), place: "192.0.2.7".into(), code: "missing_scope", wanted: "keys.write".into() }
    }

    #[test]
    fn a_flood_of_refusals_is_a_handful_of_entries_that_count_them_all() {
        let (gathered, who) = (Gathered::default(), Who::system());
        let mut notes = Vec::new();
        for n in 0..5000 {
            notes.extend(gathered.refused(&who, by(&format!("key_{}", n % 100)), at(n / 500)));
        }
        assert_eq!(notes.len(), GROUPS, "the first of each, of as many as have a place");
        notes.extend(gathered.due(at(70)));
        assert_eq!(notes.len(), 2 * GROUPS + 1);
        assert_eq!(notes.iter().map(|n| n.count).sum::<u64>(), 5000, "each is counted once");
        assert!(gathered.due(at(71)).is_empty() && gathered.rest().is_empty());
        assert_eq!(gathered.totals(), [("missing_scope", 5000)]);
    }

    #[test]
    fn many_refusals_of_one_caller_ring_for_ten_minutes() {
        let (gathered, who) = (Gathered::default(), Who::system());
        for n in 0..59 {
            gathered.refused(&who, by("key_1"), at(n));
            gathered.refused(&who, by(&format!("key_{n}x")), at(n));
        }
        assert_eq!(gathered.worst(at(59)), None, "many callers with one each are not one with many");
        gathered.refused(&who, by("key_1"), at(60));
        assert_eq!(gathered.worst(at(60)), Some(60));
        assert_eq!(gathered.worst(at(10 * 60)), None, "the first of them are ten minutes ago");
    }

    #[test]
    fn a_look_is_written_once_an_hour_and_a_list_of_thousands_in_short() {
        let gathered = Gathered::default();
        let looks = |subject: &str, now| gathered.looks("usr_1", "events.look", subject, now);
        assert_eq!((looks("evt_1", at(0)), looks("evt_1", at(9))), (Look::Write, Look::Known));
        assert_eq!(looks("evt_1", at(3600)), Look::Write, "another hour");
        let many: Vec<Look> = (0..500).map(|n| looks(&format!("evt_{n}x"), at(3601))).collect();
        assert_eq!(many.iter().filter(|l| **l == Look::Write).count(), SUBJECTS - 1);
        assert_eq!(many.iter().filter(|l| **l == Look::Many).count(), 1);
        assert_eq!(gathered.looks("usr_2", "events.look", "evt_1", at(3601)), Look::Write, "of everybody");
    }
}
