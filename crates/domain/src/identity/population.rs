//! A season of chance whose truth is known: households that share a mailbox and a phone, names written now short and now
//! long, friends who come along under the buyer's address, organisers who ask for no names, and people who write. The
//! rules join records as they come; nobody may be joined with another, and who comes again must be known again.

use super::*;
use crate::{DeedId, PersonId};
use std::collections::{BTreeMap, BTreeSet};

const GIVEN: [&str; 10] =
    ["Ana María", "Juan Camilo", "Lucía", "Andrés", "Sofía", "José", "Paula", "Iván", "Marta Inés", "Óscar"];
/// The first surname of each household is its own: namesakes who give one address are one to everybody.
const SURNAMES: [&str; 10] = ["Ríos", "Núñez", "de la Torre", "Mejía", "Soto", "Pardo", "Díaz", "Gil", "Rey", "Cruz"];
const HOUSEHOLDS: u64 = 10;
const SHOWS: u64 = 3;

/// Numbers of chance that are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Somebody, as they are.
struct Human {
    home: u64,
    given: &'static str,
    surnames: [&'static str; 2],
}

impl Human {
    /// As they write it this time.
    fn name(&self, dice: &mut Dice) -> Claim {
        let given = if dice.below(3) == 0 { self.given.split(' ').next().unwrap() } else { self.given };
        let surnames = if dice.below(3) == 0 { self.surnames[0].to_owned() } else { self.surnames.join(" ") };
        let plain = |text: &str| text.to_uppercase().replace(['Í', 'Ú'], "I");
        let name = match dice.below(4) {
            0 => Name::civil(given, &plain(&surnames).replace("NIÑEZ", "NUÑEZ")),
            _ => Name::civil(given, &surnames),
        };
        Claim::Name { name }
    }

    fn email(&self) -> Claim {
        Claim::Email { address: format!("casa{}@correo.example", self.home).parse().unwrap(), verified: false }
    }

    fn phone(&self, verified: bool) -> Claim {
        Claim::Phone { number: format!("+5730012345{:02}", self.home).parse().unwrap(), verified }
    }
}

/// Records as they come, each with who it is in truth; `None`: somebody of whom nothing is known.
fn season(dice: &mut Dice, humans: &[Human]) -> Vec<(Mention, Option<usize>)> {
    let mut all = Vec::new();
    let (mut orders, mut tickets) = (0, 0);
    for _ in 0..SHOWS {
        for home in 0..HOUSEHOLDS {
            let members: Vec<usize> = (0..humans.len()).filter(|h| humans[*h].home == home).collect();
            let who = members[usize::try_from(dice.below(members.len() as u64)).unwrap()];
            let buyer = &humans[who];
            orders += 1;
            let order = Source::new("boleteria", "order", orders.to_string());
            let party = |seat| Some(Party { order: order.clone(), seat });
            let typed = [buyer.email(), buyer.phone(false), buyer.name(dice)];
            let mention = |source, seat, claims: &[Claim]| Mention {
                party: party(seat),
                ..Mention::new(source, None, claims.to_vec())
            };
            let mut some = vec![(mention(order.clone(), Seat::Buyer, &typed), Some(who))];
            let mut ticket = |claims: &[Claim], truth| {
                tickets += 1;
                let source = Source::new("boleteria", "ticket", tickets.to_string());
                some.push((mention(source, Seat::Guest, claims), truth));
            };
            ticket(&typed, Some(who));
            match dice.below(3) {
                // No names are asked for: all tickets are the buyer's.
                0 => (0..dice.below(4)).for_each(|_| ticket(&typed, None)),
                // The household comes, under one address.
                1 => {
                    for other in members.iter().filter(|m| **m != who) {
                        ticket(&[buyer.email(), humans[*other].name(dice)], Some(*other));
                    }
                }
                // A friend, with the buyer's address; nobody's business but theirs.
                _ => {
                    let friend = usize::try_from(dice.below(humans.len() as u64)).unwrap();
                    if humans[friend].home != home {
                        ticket(&[buyer.email(), humans[friend].name(dice)], Some(friend));
                    }
                }
            }
            // Some shops tell of tickets before their order.
            if dice.below(2) == 0 {
                some.rotate_left(1);
            }
            all.extend(some);
        }
    }
    all
}

fn people_who(dice: &mut Dice) -> Vec<Human> {
    let mut humans = Vec::new();
    for home in 0..HOUSEHOLDS {
        let surnames = [home, dice.below(10)].map(|n| SURNAMES[usize::try_from(n).unwrap()]);
        let first = dice.below(10);
        for member in 0..1 + dice.below(4) {
            let given = GIVEN[usize::try_from((first + member) % 10).unwrap()];
            humans.push(Human { home, given, surnames });
        }
    }
    humans
}

#[test]
fn nobody_of_a_season_is_joined_with_another_and_buyers_are_known_again() {
    let (mut bought, mut known) = (0, 0);
    for seed in 1..=4 {
        let mut dice = Dice(seed);
        let humans = people_who(&mut dice);
        let mut history = History::default();
        let mut truth: BTreeMap<Source, Option<usize>> = BTreeMap::new();
        let mut deed = 0;
        let mut stamp = || {
            deed += 1;
            let at = Timestamp::from_second(1_795_000_000 + deed).unwrap();
            Stamp { deed: DeedId::from_raw(deed), at, by: By::Rule }
        };
        for (n, (mention, who)) in (1..).zip(season(&mut dice, &humans)) {
            let id = PersonId::from_raw(n);
            truth.insert(mention.source.clone(), who);
            history.tell(stamp(), id, mention).unwrap();
            let people = history.people();
            let all: Vec<Person<'_>> = people.all().collect();
            let choice = choose(&people.person(id).unwrap(), &all, &Shared::default());
            if let Some((same, reasons)) = choice.same {
                history.merge(stamp(), id, same, reasons).unwrap();
            }
        }
        let people = history.people();
        let mut persons_of: BTreeMap<usize, BTreeSet<PersonId>> = BTreeMap::new();
        for person in people.all() {
            let humans: BTreeSet<Option<usize>> = person.records.iter().map(|r| truth[&r.source]).collect();
            assert_eq!(humans.len(), 1, "seed {seed}: {humans:?} are one person");
            assert!(!humans.contains(&None) || person.records.len() == 1, "seed {seed}: unknown guests were joined");
            for record in person.records.iter().filter(|r| r.source.kind == "order") {
                persons_of.entry(truth[&record.source].unwrap()).or_default().insert(person.id);
                bought += 1;
            }
        }
        known += persons_of.len();
        assert!(persons_of.values().all(|p| p.len() == 1), "seed {seed}: a buyer was not known again: {persons_of:?}");

        // Whoever writes from a phone of a household of several is nobody of them until somebody says who.
        let writer = PersonId::from_raw(100_000);
        for home in 0..HOUSEHOLDS {
            let members: Vec<&Human> = humans.iter().filter(|h| h.home == home).collect();
            let source = Source::new("wa", "phone", home.to_string());
            let claims = vec![members[0].phone(true)];
            let mut heard = history.clone();
            heard.tell(stamp(), writer, Mention::new(source, None, claims)).unwrap();
            let people = heard.people();
            let all: Vec<Person<'_>> = people.all().collect();
            let bought: BTreeSet<usize> = persons_of.keys().copied().filter(|h| humans[*h].home == home).collect();
            let choice = choose(&people.person(writer).unwrap(), &all, &Shared::default());
            assert_eq!(choice.same.is_some(), bought.len() == 1, "seed {seed}: home {home}");
        }
    }
    assert!(2 * bought > 3 * known, "they did come again: {bought} orders of {known} buyers");
}
