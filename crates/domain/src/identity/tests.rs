mod reading;

use super::*;
use crate::{DeedId, PersonId};
use std::collections::BTreeSet;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn id(n: i64) -> PersonId {
    PersonId::from_raw(n)
}

fn email(address: &str) -> Claim {
    Claim::Email { address: address.parse().unwrap(), verified: false }
}

fn phone(number: &str) -> Claim {
    Claim::Phone { number: number.parse().unwrap(), verified: false }
}

fn shown(claim: Claim) -> Claim {
    match claim {
        Claim::Email { address, .. } => Claim::Email { address, verified: true },
        Claim::Phone { number, .. } => Claim::Phone { number, verified: true },
        other => other,
    }
}

fn name(given: &str, surnames: &str) -> Claim {
    Claim::Name { name: Name::civil(given, surnames) }
}

fn nick(text: &str) -> Claim {
    let name = Name { full: text.into(), given: String::new(), surnames: String::new(), kind: NameKind::Display };
    Claim::Name { name }
}

fn document(kind: &str, number: &str) -> Claim {
    Claim::Document { document: Document::read(kind, number).unwrap() }
}

fn bsuid(id: &str) -> Claim {
    Claim::ChannelUser { channel: "whatsapp".into(), id: id.into() }
}

fn ticket(id: &str) -> Source {
    Source::new("boleteria", "ticket", id)
}

fn told(source: Source, claims: &[Claim]) -> Mention {
    Mention::new(source, None, claims.to_vec())
}

fn of_order(order: &str, seat: Seat, mention: Mention) -> Mention {
    Mention { party: Some(Party { order: Source::new("boleteria", "order", order), seat }), ..mention }
}

/// A history with these records, whose ids are 1, 2, 3, ...
fn history(mentions: impl IntoIterator<Item = Mention>) -> History {
    let mut history = History::default();
    for (n, mention) in (1..).zip(mentions) {
        assert_eq!(history.tell(stamp(1000 + n, By::Rule), id(n), mention), Ok(true));
    }
    history
}

fn stamp(n: i64, by: By) -> Stamp {
    Stamp { deed: DeedId::from_raw(n), at: at(n), by }
}

fn luz(n: i64) -> Stamp {
    stamp(n, By::Person("luz".into()))
}

/// What two records are to each other.
fn between(a: Mention, b: Mention) -> (Verdict, Vec<Reason>) {
    let people = history([a, b]).people();
    let (a, b) = (people.person(id(1)).unwrap(), people.person(id(2)).unwrap());
    let (there, back) = (compare(&a, &b, &Shared::default()), compare(&b, &a, &Shared::default()));
    assert_eq!(there, back, "the order in which they are looked at says nothing");
    (there.verdict, there.reasons)
}

fn verdict(a: &[Claim], b: &[Claim]) -> Verdict {
    between(told(ticket("1"), a), told(ticket("2"), b)).0
}

#[test]
fn what_is_the_same_person_says_why() {
    let vale = name("Valentina", "Ríos Mejía");
    let (mail, mobile) = (email("vale@correo.example"), phone("+573001234567"));
    let same = [
        // The same buyer again, with less of her name.
        ([mail.clone(), vale.clone()], [mail.clone(), name("Valentina", "Ríos")]),
        // Whoever wrote from the phone that somebody typed on a ticket.
        ([mobile.clone(), vale.clone()], [shown(mobile.clone()), nick("Vale 🌸")]),
        ([shown(mail.clone()), nick("vale")], [mail.clone(), vale.clone()]),
        ([document("CC", "1020304050"), vale.clone()], [document("TI", "1.020.304.050"), mail.clone()]),
        // WhatsApp without a phone.
        ([bsuid("CO.13491208655302741918"), nick("Vale")], [bsuid("co.13491208655302741918"), vale.clone()]),
    ];
    for (a, b) in same {
        assert_eq!(verdict(&a, &b), Verdict::Same, "{a:?} {b:?}");
    }
    // What the provider itself joins, whatever the names are.
    let crm = Source::new("crm", "person", "p-1");
    let says = Claim::Record { record: crm.clone() };
    let (found, why) = between(told(ticket("1"), &[says, vale]), told(crm, &[name("Otra", "Persona")]));
    assert_eq!((found, why), (Verdict::Same, vec![Reason::SameRecord, Reason::NamesContradict]));
}

#[test]
fn a_family_that_shares_an_address_stays_apart() {
    let (ana, juan) = (name("Ana", "Ríos Mejía"), name("Juan", "Ríos Mejía"));
    for shared in [email("familia@correo.example"), phone("+573001234567"), document("CC", "1020304050")] {
        for shared in [shared.clone(), shown(shared)] {
            let (found, why) =
                between(told(ticket("1"), &[shared.clone(), ana.clone()]), told(ticket("2"), &[shared, juan.clone()]));
            assert_eq!(found, Verdict::Doubtful, "{why:?}");
            assert!(why.contains(&Reason::NamesContradict));
        }
    }
    // Nothing but a name, or an address that one of them left without a name, is not enough.
    assert_eq!(verdict(std::slice::from_ref(&ana), std::slice::from_ref(&ana)), Verdict::Other);
    assert_eq!(verdict(&[email("familia@correo.example")], &[email("familia@correo.example"), ana]), Verdict::Doubtful);
}

#[test]
fn two_documents_are_two_persons_and_with_one_name_at_one_address_a_wrong_digit() {
    let (mail, ana) = (email("familia@correo.example"), name("Ana", "Ríos"));
    let (one, two) = (document("CC", "1020304050"), document("CC", "1020304051"));
    assert_eq!(verdict(&[mail.clone(), one.clone()], &[mail.clone(), two.clone()]), Verdict::Other);
    assert_eq!(verdict(&[mail.clone(), one, ana.clone()], &[mail, two, ana]), Verdict::Doubtful);
}

#[test]
fn guests_of_one_order_are_different_persons_whatever_the_buyer_typed() {
    let mine = [email("ana@correo.example"), phone("+573001234567"), document("CC", "1020304050"), name("Ana", "Ríos")];
    let guest = |ticket_id, claims: &[Claim]| of_order("O-1", Seat::Guest, told(ticket(ticket_id), claims));
    let buyer = of_order("O-1", Seat::Buyer, told(Source::new("boleteria", "order", "O-1"), &mine));
    // The organiser asked for no names but the buyer's: every ticket has them.
    let (found, why) = between(guest("1", &mine), guest("2", &mine));
    assert_eq!(found, Verdict::Other);
    assert!(why.contains(&Reason::GuestsOfOneOrder), "{why:?}");
    // Who bought and comes is one; who came along with the buyer's address is another, and nobody's doubt.
    assert_eq!(between(buyer.clone(), guest("1", &mine)).0, Verdict::Same);
    let along = [email("ana@correo.example"), name("Camila", "Soto")];
    assert_eq!(between(buyer.clone(), guest("1", &along)).0, Verdict::Other);
    assert_eq!(between(buyer.clone(), guest("1", &[email("ana@correo.example")])).0, Verdict::Other);
    // Of another order she is herself again.
    let later = of_order("O-2", Seat::Guest, told(ticket("9"), &mine));
    assert_eq!(between(guest("1", &mine), later).0, Verdict::Same);
    // Once the buyer has one of two chairs, the other is somebody else's.
    let mut all = history([buyer, guest("1", &mine), guest("2", &mine)]);
    all.merge(stamp(1, By::Rule), id(1), id(2), vec![Reason::SameEmail, Reason::NamesAgree]).unwrap();
    let people = all.people();
    let (ana, other) = (people.person(id(1)).unwrap(), people.person(id(3)).unwrap());
    assert_eq!(compare(&ana, &other, &Shared::default()).verdict, Verdict::Other);
}

#[test]
fn an_address_of_many_says_nothing_and_whoever_fits_several_is_nobody_yet() {
    let desk = email("eventos@empresa.example");
    let names = ["Ana Ríos", "Luis Soto", "Marta Gil", "Jorge Paz", "Sara Rey", "Iván Cruz", "Olga Díaz"];
    let claims = names.map(|n| {
        let (given, surname) = n.split_once(' ').unwrap();
        [desk.clone(), name(given, surname)]
    });
    let many = history((1..).zip(&claims).map(|(n, c)| told(ticket(&n.to_string()), c)));
    let people = many.people();
    let shared = Shared::among(&people);
    assert_eq!(shared.emails.len(), 1);
    let all: Vec<Person<'_>> = people.all().collect();
    for somebody in &all {
        assert_eq!(choose(somebody, &all, &shared), Choice::default());
    }
    // Five are a household, whose pairs somebody looks at.
    let few = history((1..).zip(&claims[..5]).map(|(n, c)| told(ticket(&n.to_string()), c))).people();
    assert_eq!(Shared::among(&few), Shared::default());

    // A phone that wrote, and two who typed it: it can be either.
    let mobile = phone("+573001234567");
    let typed = |n: &str, given| told(ticket(n), &[mobile.clone(), name(given, "Ríos")]);
    let wrote = told(Source::new("wa", "message", "1"), &[shown(mobile.clone()), bsuid("CO.1")]);
    let three = history([wrote.clone(), typed("1", "Ana"), typed("2", "Juan")]).people();
    let all: Vec<Person<'_>> = three.all().collect();
    let choice = choose(&all[0], &all, &Shared::default());
    assert_eq!((choice.same, choice.doubtful.len()), (None, 2));
    assert!(choice.doubtful.iter().all(|(_, why)| why.contains(&Reason::FitsSeveral)));
    // What is certain goes before what is likely, and the rest is left to somebody.
    let known = told(Source::new("wa", "message", "2"), &[bsuid("CO.1"), name("Ana", "Ríos")]);
    let four = history([wrote, typed("1", "Ana"), typed("2", "Juan"), known]).people();
    let all: Vec<Person<'_>> = four.all().collect();
    let choice = choose(&all[0], &all, &Shared::default());
    assert_eq!(choice.same.unwrap().0, id(4));
    assert_eq!(choice.doubtful.len(), 2);
}

#[test]
fn a_merge_is_undone_and_done_again_and_every_id_leads_on() {
    let mut history = history(["1", "2", "3"].map(|n| told(ticket(n), &[email(&format!("p{n}@correo.example"))])));
    let start = history.people();
    history.merge(stamp(1, By::Rule), id(2), id(3), vec![Reason::SameDocument]).unwrap();
    history.merge(luz(2), id(3), id(1), vec![Reason::Decided]).unwrap();
    let all = history.people();
    assert_eq!([1, 2, 3].map(|n| all.resolve(id(n))), [Some(id(1)); 3], "the id of who is known for longest");
    assert_eq!(all.person(id(3)).unwrap().addresses().emails.len(), 3);
    assert_eq!(all.between(id(1), id(2)), Between::Together);
    // The first, beneath the second.
    history.undo(luz(3), DeedId::from_raw(1)).unwrap();
    let people = history.people();
    assert_eq!([1, 2, 3].map(|n| people.resolve(id(n))), [Some(id(1)), Some(id(2)), Some(id(1))]);
    history.undo(luz(4), DeedId::from_raw(2)).unwrap();
    assert_eq!(history.people(), start);
    history.undo(luz(5), DeedId::from_raw(4)).unwrap();
    history.undo(luz(6), DeedId::from_raw(3)).unwrap();
    assert_eq!(history.people(), all);
    let undone: Vec<i64> = history.entries().filter(|(_, u)| *u).map(|(e, _)| e.stamp.deed.get()).collect();
    assert_eq!(undone, [3, 4]);
}

#[test]
fn what_was_split_or_kept_apart_no_rule_joins_again() {
    let mut history = history(["1", "2", "3"].map(|n| told(ticket(n), &[phone("+573001234567")])));
    history.merge(stamp(1, By::Rule), id(1), id(2), Vec::new()).unwrap();
    let before = history.people();
    // The record that the person is named by leaves; the others have their own name.
    history.split(luz(2), id(2), BTreeSet::from([id(1)])).unwrap();
    let people = history.people();
    assert_eq!((people.resolve(id(1)), people.resolve(id(2))), (Some(id(1)), Some(id(2))));
    assert_eq!(people.between(id(1), id(2)), Between::Apart);
    assert_eq!(history.merge(stamp(3, By::Rule), id(1), id(2), Vec::new()), Err(Refusal::KeptApart(id(1), id(2))));
    history.keep_apart(luz(3), id(2), id(3)).unwrap();
    assert_eq!(history.merge(stamp(4, By::Rule), id(3), id(2), Vec::new()), Err(Refusal::KeptApart(id(3), id(2))));
    // Somebody may, and takes the word back with it; undone, the word is there again.
    history.merge(luz(4), id(3), id(2), vec![Reason::Decided]).unwrap();
    assert_eq!(history.people().between(id(2), id(3)), Between::Together);
    assert_eq!(history.people().between(id(3), id(1)), Between::Apart, "what was said of one holds for who they are");
    history.undo(luz(5), DeedId::from_raw(4)).unwrap();
    assert_eq!(history.people().between(id(2), id(3)), Between::Apart);
    history.undo(luz(6), DeedId::from_raw(3)).unwrap();
    history.undo(luz(7), DeedId::from_raw(2)).unwrap();
    assert_eq!(history.people(), before);
}

#[test]
fn a_rules_merge_yields_to_a_word_that_is_put_before_it_again() {
    let mut history = history(["1", "2"].map(|n| told(ticket(n), &[phone("+573001234567")])));
    history.keep_apart(luz(1), id(1), id(2)).unwrap();
    history.undo(luz(2), DeedId::from_raw(1)).unwrap();
    history.merge(stamp(3, By::Rule), id(1), id(2), vec![Reason::SameVerifiedPhone]).unwrap();
    assert_eq!(history.people().between(id(1), id(2)), Between::Together);
    history.undo(luz(4), DeedId::from_raw(2)).unwrap();
    assert_eq!(history.people().between(id(1), id(2)), Between::Apart);
}

#[test]
fn what_a_record_says_changes_by_its_providers_time_and_nothing_it_said_is_lost() {
    let (old, new) = (email("antes@correo.example"), email("ahora@correo.example"));
    let mention =
        |time, claim: &Claim| Mention { as_of: Some(at(time)), ..told(ticket("1"), std::slice::from_ref(claim)) };
    let mut history = history([mention(10, &old)]);
    assert_eq!(history.tell(stamp(1, By::Rule), id(7), mention(20, &new)), Ok(true));
    let record = |history: &History| history.people().person(id(1)).unwrap().records[0].clone();
    assert_eq!((record(&history).claims, record(&history).earlier), (vec![new.clone()], vec![old.clone()]));
    assert_eq!(history.people().resolve(id(7)), None, "it has its own id already");
    // An older state comes late, and is told again.
    let between = email("entre@correo.example");
    assert_eq!(history.tell(stamp(2, By::Rule), id(1), mention(15, &between)), Ok(true));
    assert_eq!(history.tell(stamp(3, By::Rule), id(1), mention(15, &between)), Ok(false));
    assert_eq!(
        (record(&history).claims, record(&history).earlier),
        (vec![new.clone()], vec![old.clone(), between.clone()])
    );
    // Its addresses stay its person's: what was said by them was said by them.
    assert_eq!(history.people().person(id(1)).unwrap().addresses().emails.len(), 3);
    // The same at a later time moves the time, and is no line of its own.
    let lines = history.entries().count();
    assert_eq!(history.tell(stamp(4, By::Rule), id(1), mention(40, &new)), Ok(true));
    assert_eq!((history.entries().count(), record(&history).as_of), (lines, Some(at(40))));
    assert_eq!(history.tell(stamp(5, By::Rule), id(1), mention(30, &old)), Ok(false), "older, and known");
    assert_eq!(record(&history).claims, [new]);
}

#[test]
fn what_cannot_be_done_is_refused_with_its_reason_and_changes_nothing() {
    let mut history = history(["1", "2"].map(|n| told(ticket(n), &[email(&format!("p{n}@correo.example"))])));
    history.merge(luz(1), id(1), id(2), vec![Reason::Decided]).unwrap();
    history.undo(luz(2), DeedId::from_raw(1)).unwrap();
    let kept = history.clone();
    let one = BTreeSet::from([id(1)]);
    let refused = [
        (history.merge(luz(1), id(1), id(2), Vec::new()), Refusal::KnownDeed(DeedId::from_raw(1))),
        (history.merge(luz(3), id(1), id(1), Vec::new()), Refusal::Together(id(1), id(1))),
        (history.merge(luz(3), id(1), id(9), Vec::new()), Refusal::NobodyThere(id(9))),
        (history.split(luz(3), id(9), one.clone()), Refusal::NobodyThere(id(9))),
        (history.split(luz(3), id(1), BTreeSet::new()), Refusal::Empties("leave")),
        (history.split(luz(3), id(1), one.clone()), Refusal::Empties("stay")),
        (history.split(luz(3), id(2), one), Refusal::OthersRecord(id(1))),
        (history.keep_apart(luz(3), id(2), id(2)), Refusal::NotTwo(id(2), id(2))),
        (history.undo(luz(3), DeedId::from_raw(1)), Refusal::UndoneAlready(DeedId::from_raw(1))),
        (history.undo(luz(3), DeedId::from_raw(77)), Refusal::NoSuchDeed(DeedId::from_raw(77))),
        (history.undo(luz(3), DeedId::from_raw(1001)), Refusal::Told),
        (history.tell(luz(3), id(1), told(ticket("3"), &[])).map(drop), Refusal::Taken(id(1))),
    ];
    for (found, expected) in refused {
        assert_eq!(found, Err(expected));
    }
    assert_eq!(history, kept);
}

#[test]
fn the_fullest_name_is_shown_and_debug_output_shows_nobody() {
    let claims = [nick("Vale 🌸 la de siempre"), name("Valentina", "Ríos")];
    let more =
        [name("Valentina", "Ríos Mejía"), email("vale@correo.example"), document("CC", "1020304050"), bsuid("CO.1")];
    let mut history = history([told(ticket("1"), &claims), told(ticket("2"), &more)]);
    history.merge(luz(1), id(1), id(2), vec![Reason::Decided]).unwrap();
    let people = history.people();
    assert_eq!(people.person(id(2)).unwrap().name().unwrap().full, "Valentina Ríos Mejía");
    let text = format!("{history:?} {people:?}");
    for personal in ["Vale", "Ríos", "correo", "1020304050", "CO.1"] {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
}

#[test]
fn who_wrote_with_and_without_a_phone_is_one_by_the_channels_id() {
    let wrote = told(Source::new("wa", "phone", "+573001234567"), &[shown(phone("+573001234567")), bsuid("CO.1")]);
    let hidden = told(Source::new("wa", "channel_user", "co.1"), &[bsuid("CO.1")]);
    assert_eq!(between(wrote, hidden), (Verdict::Same, vec![Reason::SameChannelUser]));
}

fn nick_in_parts(given: &str, rest: &str) -> Claim {
    Claim::Name { name: Name { kind: NameKind::Display, ..Name::civil(given, rest) } }
}

#[test]
fn rules_that_say_the_same_have_one_mark() {
    let rules = |all: &[(&str, &[&str])]| {
        let owned: Vec<(&str, Vec<String>)> =
            all.iter().map(|(field, names)| (*field, names.iter().map(|n| (*n).to_owned()).collect())).collect();
        Ownership::read(owned.iter().map(|(field, names)| (*field, names.as_slice())), |_| true).unwrap().mark()
    };
    let crm_first = rules(&[("name", &["crm", "*"])]);
    assert_eq!(rules(&[("phone", &["*"]), ("name", &["crm", "*"])]), crm_first, "the default may be written");
    let others = [&[("name", &["*", "crm"][..])][..], &[("name", &["crm"])], &[("email", &["crm", "*"])], &[]];
    for other in others {
        assert_ne!(rules(other), crm_first, "{other:?}");
    }
}
