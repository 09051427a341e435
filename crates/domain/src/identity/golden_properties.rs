//! What wins does not depend on the order in which it was heard, by rules of chance and edits of chance.

use super::*;
use crate::{DeedId, PersonId};
use proptest::prelude::*;

const CONNECTIONS: [&str; 3] = ["boleteria", "crm", "tienda"];
const KINDS: [&str; 3] = ["order", "person", "ticket"];

/// An edit of one of three records: of which, in which second, which name it says, and what of the address: one of
/// three, nothing, or that it is empty.
type Edit = (usize, i64, usize, usize);
const SILENT: usize = 3;
const EMPTY: usize = 4;

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec((0..3usize, 0..6i64, 0..4usize, 0..=EMPTY), 1..12)
}

fn rules() -> impl Strategy<Value = Vec<(String, Vec<String>)>> {
    let owners = prop::sample::subsequence(vec!["boleteria", "crm", "tienda", "*"], 1..=4).prop_shuffle();
    let field = prop::sample::select(vec!["name", "email"]);
    prop::collection::vec((field, owners), 0..3).prop_map(|all| {
        all.into_iter().map(|(f, o)| (f.to_owned(), o.into_iter().map(str::to_owned).collect())).collect()
    })
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

/// All records are one person's, whatever the order in which their edits were heard.
fn heard(edits: &[Edit]) -> History {
    let mut history = History::default();
    let mut deed = 0;
    let mut stamp = || {
        deed += 1;
        Stamp { deed: DeedId::from_raw(deed), at: at(100), by: By::Rule }
    };
    let names = ["Ana Ríos", "Ana Ríos Mejía", "Luz Gil", "ANA RIOS"];
    let mut there: Vec<PersonId> = Vec::new();
    for which in 0..3 {
        // Each is heard of in one order, so that the person is known by one id; their edits come as they come.
        let born = PersonId::from_raw(which + 1);
        let place = usize::try_from(which).unwrap();
        let source = Source::new(CONNECTIONS[place], KINDS[place], "1");
        history.tell(stamp(), born, Mention::new(source, Some(at(-1)), Vec::new())).unwrap();
        there.push(born);
    }
    for other in &there[1..] {
        history.merge(stamp(), there[0], *other, vec![Reason::Decided]).unwrap();
    }
    for (which, second, name, email) in edits {
        let mut claims = vec![Claim::Name {
            name: Name::civil(names[*name].split_once(' ').unwrap().0, names[*name].split_once(' ').unwrap().1),
        }];
        if *email < SILENT {
            claims
                .push(Claim::Email { address: format!("ana{email}@correo.example").parse().unwrap(), verified: false });
        }
        let source = Source::new(CONNECTIONS[*which], KINDS[*which], "1");
        let mut mention = Mention::new(source, Some(at(*second)), claims);
        mention.empty.extend((*email == EMPTY).then_some(Field::Email));
        history.tell(stamp(), there[*which], mention).unwrap();
    }
    history
}

/// What counts, without what only the way there shows: since when a record was edited.
fn counts(history: &History, rules: &Ownership) -> (Option<String>, Option<EmailAddress>, Vec<(PersonId, Differs)>) {
    let people = history.people();
    let person = people.person(PersonId::from_raw(1)).unwrap();
    let golden = golden(&person, &[], rules);
    (golden.name.map(|n| n.full), golden.email, golden.differs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn what_wins_does_not_depend_on_the_order_in_which_it_was_heard(
        edits in edits(),
        rules in rules(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 12),
    ) {
        // One word of each record for each second: which of two in one second is the later nobody can know.
        let mut once: Vec<Edit> = Vec::new();
        for edit in edits {
            if !once.iter().any(|(which, second, ..)| (*which, *second) == (edit.0, edit.1)) {
                once.push(edit);
            }
        }
        let named: Vec<(&str, &[String])> = rules.iter().map(|(f, o)| (f.as_str(), o.as_slice())).collect();
        let rules = Ownership::read(named, |_| true).unwrap();
        let mut in_order = once.clone();
        in_order.sort_by_key(|(which, second, ..)| (*second, *which));
        // Of records side by side: each keeps its own order, as the log of one connection does.
        let mut other = Vec::new();
        let mut queues: Vec<Vec<Edit>> =
            (0..3).map(|w| in_order.iter().rev().filter(|e| e.0 == w).copied().collect()).collect();
        for at in order {
            queues.retain(|q| !q.is_empty());
            if queues.is_empty() {
                break;
            }
            let which = at.index(queues.len());
            other.extend(queues[which].pop());
        }
        prop_assert_eq!(counts(&heard(&in_order), &rules), counts(&heard(&other), &rules));
    }

    #[test]
    fn a_record_that_is_given_what_it_should_say_differs_no_more(edits in edits(), rules in rules()) {
        let named: Vec<(&str, &[String])> = rules.iter().map(|(f, o)| (f.as_str(), o.as_slice())).collect();
        let rules = Ownership::read(named, |_| true).unwrap();
        let mut history = heard(&edits);
        let before = counts(&history, &rules);
        // What flows write is heard again, each as it is now but for what differs.
        for (n, (born, differs)) in (1..).zip(before.2.clone()) {
            let people = history.people();
            let record = people.record(born).unwrap().clone();
            let mut claims = record.claims.clone();
            if differs.name.is_some() || differs.first_name.is_some() || differs.last_name.is_some() {
                let said = claims.iter().find_map(|c| if let Claim::Name { name } = c { Some(name.clone()) } else { None });
                let said = said.unwrap_or_else(|| Name::civil("", ""));
                let given = differs.first_name.clone().unwrap_or(said.given);
                let surnames = differs.last_name.clone().unwrap_or(said.surnames);
                claims.retain(|c| !matches!(c, Claim::Name { .. }));
                claims.push(Claim::Name { name: Name::civil(&given, &surnames) });
            }
            if let Some(address) = differs.email.clone() {
                claims.retain(|c| !matches!(c, Claim::Email { .. }));
                claims.push(Claim::Email { address, verified: false });
            }
            let mut mention = Mention::new(record.source, Some(at(200)), claims);
            if differs.clear.contains(&Field::Email) {
                mention.claims.retain(|c| !matches!(c, Claim::Email { .. }));
                mention.empty.insert(Field::Email);
            }
            let stamp = Stamp { deed: DeedId::from_raw(10_000 + n), at: at(200), by: By::Rule };
            history.tell(stamp, born, mention).unwrap();
        }
        let after = counts(&history, &rules);
        prop_assert_eq!((&after.0, &after.1), (&before.0, &before.1), "writing it changes nothing of what counts");
        prop_assert!(after.2.iter().all(|(_, d)| *d == Differs::default()), "{:?}", after.2);
    }
}
