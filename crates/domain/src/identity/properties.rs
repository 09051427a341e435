//! Any history of claims, merges, splits and undoings: nothing is lost, each record is one person's, and what is undone
//! was never there.

use super::*;
use crate::{DeedId, PersonId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Something that may be tried; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Try {
    Tell { source: u8, as_of: Option<u8>, claim: u8 },
    Merge { a: u8, b: u8, rule: bool },
    Split { from: u8, leaving: u8 },
    KeepApart { a: u8, b: u8 },
    Undo { deed: u8 },
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let tell = (0..8u8, proptest::option::of(0..6u8), 0..12u8).prop_map(|(source, as_of, claim)| Try::Tell {
        source,
        as_of,
        claim,
    });
    let merge = (0..8u8, 0..8u8, any::<bool>()).prop_map(|(a, b, rule)| Try::Merge { a, b, rule });
    let split = (0..8u8, any::<u8>()).prop_map(|(from, leaving)| Try::Split { from, leaving });
    let apart = (0..8u8, 0..8u8).prop_map(|(a, b)| Try::KeepApart { a, b });
    let undo = any::<u8>().prop_map(|deed| Try::Undo { deed });
    proptest::collection::vec(prop_oneof![4 => tell, 4 => merge, 3 => split, 1 => apart, 3 => undo], 1..60)
}

/// The id with which this source is born, of the world with this number.
fn born(world: i64, source: u8) -> PersonId {
    PersonId::from_raw(world * 100 + i64::from(source) + 1)
}

fn claim(n: u8) -> Claim {
    let address = format!("p{}@correo.example", n / 2).parse().unwrap();
    Claim::Email { address, verified: n.is_multiple_of(2) }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn stamp(world: i64, n: usize, rule: bool) -> Stamp {
    let n = i64::try_from(n).unwrap();
    let by = if rule { By::Rule } else { By::Person("luz".into()) };
    Stamp { deed: DeedId::from_raw(n * 10 + world), at: at(n), by }
}

/// Tries one thing; `true`: it was done.
fn attempt(history: &mut History, world: i64, n: usize, what: &Try) -> bool {
    match what {
        Try::Tell { source, as_of, claim: c } => {
            let source_of = Source::new(format!("tienda-{world}"), "ticket", source.to_string());
            let mention = Mention::new(source_of, as_of.map(|t| at(i64::from(t))), vec![claim(*c)]);
            history.tell(stamp(world, n, true), born(world, *source), mention).expect("it is always told")
        }
        Try::Merge { a, b, rule } => {
            history.merge(stamp(world, n, *rule), born(world, *a), born(world, *b), vec![Reason::Decided]).is_ok()
        }
        Try::Split { from, leaving } => {
            let leaving = (0..8).filter(|bit| leaving & (1 << bit) != 0).map(|bit| born(world, bit)).collect();
            history.split(stamp(world, n, false), born(world, *from), leaving).is_ok()
        }
        Try::KeepApart { a, b } => history.keep_apart(stamp(world, n, false), born(world, *a), born(world, *b)).is_ok(),
        Try::Undo { deed } => {
            let known: Vec<DeedId> = history.entries().map(|(e, _)| e.stamp.deed).collect();
            let Some(deed) = known.get(usize::from(*deed) % known.len().max(1)) else { return false };
            history.undo(stamp(world, n, false), *deed).is_ok()
        }
    }
}

/// Each record is with one person, and leads to them.
fn whole(people: &People, told: &BTreeMap<Source, BTreeSet<Claim>>) -> Result<(), TestCaseError> {
    let mut seen: BTreeMap<Source, PersonId> = BTreeMap::new();
    for person in people.all() {
        prop_assert!(!person.records.is_empty());
        prop_assert_eq!(people.resolve(person.id), Some(person.id));
        for record in &person.records {
            prop_assert_eq!(people.resolve(record.born), Some(person.id), "an id leads to whoever has its record");
            prop_assert!(seen.insert(record.source.clone(), person.id).is_none(), "a record of two persons");
            let kept: BTreeSet<Claim> = record.claims.iter().chain(&record.earlier).cloned().collect();
            prop_assert_eq!(Some(&kept), told.get(&record.source), "a claim was lost, or came from nowhere");
            prop_assert_eq!(kept.len(), record.claims.len() + record.earlier.len(), "a claim is there once");
        }
    }
    prop_assert_eq!(seen.len(), told.len(), "a record was lost");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_undoing_gives_back_what_was_there(tries in tries()) {
        let mut history = History::default();
        let mut told: BTreeMap<Source, BTreeSet<Claim>> = BTreeMap::new();
        for (n, what) in tries.iter().enumerate() {
            let before = history.clone();
            let done = attempt(&mut history, 1, n, what);
            if let Try::Tell { source, claim: c, .. } = what {
                let source = Source::new("tienda-1", "ticket", source.to_string());
                told.entry(source).or_default().insert(claim(*c));
            } else if done {
                // Taken back at once, it was never there; done again, it is as it was.
                let mut undone = history.clone();
                let deed = stamp(1, n, false).deed;
                let (back, again) = (stamp(1, 1000, false), stamp(1, 1001, false));
                let undoing = back.deed;
                prop_assert_eq!(undone.undo(back, deed), Ok(()));
                prop_assert_eq!(undone.people(), before.people());
                prop_assert_eq!(undone.undo(again, undoing), Ok(()));
                prop_assert_eq!(undone.people(), history.people());
            } else {
                prop_assert_eq!(&history, &before, "what is refused changes nothing");
            }
            whole(&history.people(), &told)?;
        }
        let text = serde_json::to_string(&history).unwrap();
        prop_assert_eq!(&serde_json::from_str::<History>(&text).unwrap(), &history);

        // Everything that was done is undone: the records stand as if nobody had ever touched them.
        let done: Vec<DeedId> = history
            .entries()
            .filter(|(e, undone)| !undone && !matches!(e.what, Deed::Told { .. } | Deed::Undone { .. }))
            .map(|(e, _)| e.stamp.deed)
            .collect();
        for (n, deed) in done.into_iter().enumerate() {
            prop_assert_eq!(history.undo(stamp(1, 2000 + n, false), deed), Ok(()));
        }
        let mut untouched = History::default();
        for (entry, _) in history.entries() {
            if let Deed::Told { born, mention } = &entry.what {
                untouched.tell(entry.stamp.clone(), *born, (**mention).clone()).unwrap();
            }
        }
        prop_assert_eq!(history.people(), untouched.people());
        prop_assert_eq!(history.people().all().count(), told.len(), "each on their own");
    }

    #[test]
    fn histories_of_different_people_come_to_the_same_laid_together(one in tries(), other in tries()) {
        let mut histories = [History::default(), History::default()];
        for (world, tries) in [(1, &one), (2, &other)] {
            for (n, what) in tries.iter().enumerate() {
                attempt(&mut histories[usize::from(world == 2)], world, n, what);
            }
        }
        let [a, b] = histories;
        let (there, back) = (a.clone().with(b.clone()), b.clone().with(a.clone()));
        prop_assert_eq!(&there, &back);
        let (all, mine, theirs) = (there.people(), a.people(), b.people());
        let apart: Vec<Person<'_>> = mine.all().chain(theirs.all()).collect();
        prop_assert_eq!(all.all().collect::<Vec<_>>(), apart);
        for (x, y) in (0..8u8).flat_map(|x| (0..8u8).map(move |y| (x, y))) {
            prop_assert_eq!(all.between(born(1, x), born(1, y)), mine.between(born(1, x), born(1, y)));
            prop_assert_eq!(all.between(born(2, x), born(2, y)), theirs.between(born(2, x), born(2, y)));
        }
    }
}
