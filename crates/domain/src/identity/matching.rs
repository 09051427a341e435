//! Whether two persons are one, and why.
//!
//! Promise: nobody is merged for a shared address alone. A family that gives one e-mail address or one phone for all,
//! a buyer who fills in every ticket with their own, and a company's mailbox stay as many as they are; what could be
//! one person and could be two is doubtful, and a person decides.

use super::{Claim, Documents, Names, Party, People, Person, Seat, Source};
use crate::{EmailAddress, PersonId, Phone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Two persons, or nothing that says otherwise.
    Other,
    /// A person should look.
    Doubtful,
    /// One person.
    Same,
}

/// Something that speaks for or against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MatchReason")]
pub enum Reason {
    /// A provider says that they are one record.
    SameRecord,
    /// The same id in a channel, given by the channel.
    SameChannelUser,
    /// The same document.
    SameDocument,
    /// The same phone, shown to be theirs on at least one side.
    SameVerifiedPhone,
    /// The same e-mail address, shown to be theirs on at least one side.
    SameVerifiedEmail,
    /// The same phone, as it was typed.
    SamePhone,
    /// The same e-mail address, as it was typed.
    SameEmail,
    /// One name can be the other, written shorter.
    NamesAgree,
    /// Two persons' names.
    NamesContradict,
    /// Two documents of a kind of which a person has one.
    OtherDocument,
    /// Guests of one order, each with a ticket of their own: nobody sits on two chairs.
    GuestsOfOneOrder,
    /// Both are of one order, in which people give each other's addresses.
    OneOrder,
    /// What they share is shared by many.
    SharedByMany,
    /// It fits others as well, and nobody can be all of them.
    FitsSeveral,
    /// Somebody who works here says so.
    Decided,
}

/// The result for two persons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Match {
    /// What it comes to.
    pub verdict: Verdict,
    /// What speaks for it and against it, in the order of their weight.
    pub reasons: Vec<Reason>,
}

/// Addresses that so many people give that they say nothing of who somebody is: a company's mailbox, a shop's phone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shared {
    /// E-mail addresses.
    pub emails: BTreeSet<EmailAddress>,
    /// Phones.
    pub phones: BTreeSet<Phone>,
}

impl Shared {
    /// From how many persons on an address is nobody's. A household is smaller.
    pub const MANY: usize = 6;

    /// Those among these people.
    #[must_use]
    pub fn among(people: &People) -> Self {
        Self::around(&people.all().collect::<Vec<_>>())
    }

    /// Those among these persons. Who stands in for somebody unknown is counted with whom they stand in for.
    #[must_use]
    pub fn around(people: &[Person<'_>]) -> Self {
        let (mut emails, mut phones) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, usize>::new());
        let all: Vec<&Person<'_>> = people.iter().collect();
        for person in people.iter().filter(|p| !stands_in(p, &all)) {
            let told = Told::of(person);
            told.emails.into_keys().for_each(|e| *emails.entry(e.clone()).or_default() += 1);
            told.phones.into_keys().for_each(|p| *phones.entry(p.clone()).or_default() += 1);
        }
        let emails = emails.into_iter().filter(|(_, n)| *n >= Self::MANY).map(|(e, _)| e).collect();
        let phones = phones.into_iter().filter(|(_, n)| *n >= Self::MANY).map(|(p, _)| p).collect();
        Self { emails, phones }
    }
}

/// What a person's records say, by kind: addresses with whether they were shown to be theirs.
struct Told<'p> {
    emails: BTreeMap<&'p EmailAddress, bool>,
    phones: BTreeMap<&'p Phone, bool>,
}

impl<'p> Told<'p> {
    fn of(person: &'p Person<'_>) -> Self {
        let mut told = Self { emails: BTreeMap::new(), phones: BTreeMap::new() };
        for claim in person.claims() {
            match claim {
                Claim::Email { address, verified } => *told.emails.entry(address).or_default() |= verified,
                Claim::Phone { number, verified } => *told.phones.entry(number).or_default() |= verified,
                _ => {}
            }
        }
        told
    }
}

/// Whether an address is shared, and how well it is known to be theirs.
#[derive(Default)]
struct Address {
    same: bool,
    verified: bool,
    by_many: bool,
}

fn address<T: Ord>(a: &BTreeMap<&T, bool>, b: &BTreeMap<&T, bool>, shared: &BTreeSet<T>) -> Address {
    let mut found = Address::default();
    for (address, verified) in a {
        if let Some(also) = b.get(address) {
            if shared.contains(address) {
                found.by_many = true;
            } else {
                found.same = true;
                found.verified |= verified | also;
            }
        }
    }
    found
}

/// Are two persons one?
#[must_use]
pub fn compare(a: &Person<'_>, b: &Person<'_>, shared: &Shared) -> Match {
    use Reason as R;
    let (mine, theirs) = (Told::of(a), Told::of(b));
    let email = address(&mine.emails, &theirs.emails, &shared.emails);
    let phone = address(&mine.phones, &theirs.phones, &shared.phones);
    let record = names_record(a, b) || names_record(b, a) || carries_id(a, b) || carries_id(b, a);
    let user = both(a, b, |x, y| match (x, y) {
        (Claim::ChannelUser { channel: c, id: i }, Claim::ChannelUser { channel, id }) => {
            (c == channel && i.eq_ignore_ascii_case(id)).then_some(true)
        }
        _ => None,
    });
    let document = both(a, b, |x, y| match (x, y) {
        (Claim::Document { document: d }, Claim::Document { document }) => match d.compare(document) {
            Documents::Same => Some(true),
            Documents::Different => Some(false),
            Documents::Silent => None,
        },
        _ => None,
    });
    let names = both(a, b, |x, y| match (x, y) {
        (Claim::Name { name: n }, Claim::Name { name }) => match n.compare(name) {
            Names::Agree => Some(true),
            Names::Contradict => Some(false),
            Names::Silent => None,
        },
        _ => None,
    });
    let (guests, one_order) = in_one_order(a, b);
    let found = [
        (record, R::SameRecord),
        (user == Some(true), R::SameChannelUser),
        (document == Some(true), R::SameDocument),
        (phone.verified, R::SameVerifiedPhone),
        (email.verified, R::SameVerifiedEmail),
        (phone.same && !phone.verified, R::SamePhone),
        (email.same && !email.verified, R::SameEmail),
        (names == Some(true), R::NamesAgree),
        (names == Some(false), R::NamesContradict),
        (document == Some(false), R::OtherDocument),
        (guests, R::GuestsOfOneOrder),
        (one_order && !guests, R::OneOrder),
        (phone.by_many || email.by_many, R::SharedByMany),
    ];
    let reasons = found.into_iter().filter_map(|(is, reason)| is.then_some(reason)).collect();
    let certain = user == Some(true) || document == Some(true);
    let reached = phone.same || email.same;
    let verdict = if record {
        Verdict::Same
    } else if guests {
        Verdict::Other
    } else if document == Some(false) {
        // A wrong digit, or two persons: with the same name at the same address it may be either.
        if certain || (reached && names == Some(true)) { Verdict::Doubtful } else { Verdict::Other }
    } else if certain {
        if names == Some(false) { Verdict::Doubtful } else { Verdict::Same }
    } else if names == Some(true) && (reached || phone.by_many || email.by_many) {
        Verdict::Same
    } else if !reached || one_order {
        Verdict::Other
    } else if names.is_none() && (phone.verified || email.verified) {
        Verdict::Same
    } else {
        Verdict::Doubtful
    };
    Match { verdict, reasons }
}

impl Match {
    fn is_told_by_provider(&self) -> bool {
        self.reasons.iter().any(|r| matches!(r, Reason::SameRecord | Reason::SameChannelUser))
    }

    /// Is it the same person by more than an address?
    fn is_certain(&self) -> bool {
        let certain = [Reason::SameRecord, Reason::SameChannelUser, Reason::SameDocument];
        self.verdict == Verdict::Same && self.reasons.iter().any(|r| certain.contains(r))
    }
}

/// What becomes of somebody new beside those who could be the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Who they are, and why.
    pub same: Option<(PersonId, Vec<Reason>)>,
    /// Who they could be, for a person to decide.
    pub doubtful: Vec<(PersonId, Vec<Reason>)>,
}

/// Who of these somebody is. Only one can be: where several fit equally well, all of them are doubtful. `others`: who
/// shares an address, a document, a channel's id, a record or an order with somebody, and who shares an order with any of
/// those. Whoever was said to be another is left out of them ([`People::between`]).
///
/// Where a buyer's name and address stand on tickets of others, these records say nothing of who comes: they are
/// matched only by what a provider itself says.
#[must_use]
pub fn choose(somebody: &Person<'_>, others: &[Person<'_>], shared: &Shared) -> Choice {
    let others = || others.iter().filter(|other| other.id != somebody.id);
    let all: Vec<&Person<'_>> = std::iter::once(somebody).chain(others()).collect();
    let stands_in = stands_in(somebody, &all);
    let mut found: Vec<(PersonId, Match)> = others()
        .map(|other| (other, compare(somebody, other, shared)))
        .filter(|(_, m)| m.verdict != Verdict::Other)
        .filter(|(other, m)| m.is_told_by_provider() || !(stands_in || self::stands_in(other, &all)))
        .map(|(other, m)| (other.id, m))
        .collect();
    let certain: Vec<usize> = (0..found.len()).filter(|i| found[*i].1.is_certain()).collect();
    let same: Vec<usize> = (0..found.len()).filter(|i| found[*i].1.verdict == Verdict::Same).collect();
    let chosen = match (certain.as_slice(), same.as_slice()) {
        ([one], _) | ([], [one]) => Some(*one),
        _ => None,
    };
    let same = chosen.map(|at| {
        let (id, m) = found.remove(at);
        (id, m.reasons)
    });
    let doubtful = found.into_iter().map(|(id, mut m)| {
        if m.verdict == Verdict::Same {
            m.reasons.push(Reason::FitsSeveral);
        }
        (id, m.reasons)
    });
    Choice { same, doubtful: doubtful.collect() }
}

/// Does somebody stand in for a guest of whom nothing is known? `others`: those of the same orders.
#[must_use]
pub fn is_unknown(somebody: &Person<'_>, others: &[Person<'_>]) -> bool {
    stands_in(somebody, &others.iter().collect::<Vec<_>>())
}

/// Are all of a person's records tickets that carry the name and the address of another guest of the same order: of who
/// bought it, or of whose ticket came first?
fn stands_in(person: &Person<'_>, all: &[&Person<'_>]) -> bool {
    let guest_of = |p: &Person<'_>, order: &Source| has_seat(p, order, Seat::Guest);
    person.records.iter().all(|record| {
        let Some(party) = record.party.as_ref().filter(|p| p.seat == Seat::Guest) else { return false };
        all.iter().any(|other| {
            let first = other.records.iter().map(|r| r.age()).min() < Some(record.age());
            other.id != person.id
                && guest_of(other, &party.order)
                && (first || has_seat(other, &party.order, Seat::Buyer))
                && {
                    let found = compare(person, other, &Shared::default()).reasons;
                    let any = |of: &[Reason]| of.iter().any(|r| found.contains(r));
                    let reached = [Reason::SameEmail, Reason::SamePhone];
                    let shown = [Reason::SameVerifiedEmail, Reason::SameVerifiedPhone];
                    any(&[Reason::NamesAgree]) && (any(&reached) || any(&shown))
                }
        })
    })
}

/// Has one of the person's records this seat in that order?
#[must_use]
pub fn has_seat(person: &Person<'_>, order: &Source, seat: Seat) -> bool {
    person.records.iter().filter_map(|r| r.party.as_ref()).any(|p| p.order == *order && p.seat == seat)
}

/// The strongest word of all pairs of claims: yes before no, and no before nothing.
fn both(a: &Person<'_>, b: &Person<'_>, word: impl Fn(&Claim, &Claim) -> Option<bool>) -> Option<bool> {
    let pairs = a.claims().flat_map(|x| b.claims().map(move |y| (x, y)));
    pairs.filter_map(|(x, y)| word(x, y)).max()
}

/// Does one's record say that a record of the other is the same person's, or do both say so of a third one?
fn names_record(a: &Person<'_>, b: &Person<'_>) -> bool {
    let named = a.claims().filter_map(|c| if let Claim::Record { record } = c { Some(record) } else { None });
    let theirs = |source: &Source| {
        b.records.iter().any(|r| r.source == *source)
            || b.claims().any(|c| matches!(c, Claim::Record { record } if record == source))
    };
    named.into_iter().any(theirs)
}

/// Does a record of one carry the hub's id of the other?
fn carries_id(a: &Person<'_>, b: &Person<'_>) -> bool {
    let carried = a.claims().filter_map(|c| if let Claim::Hub { person } = c { Some(*person) } else { None });
    carried.into_iter().any(|id| id == b.id || b.records.iter().any(|r| r.born == id))
}

/// Are they guests of one order, and are they of one order at all?
fn in_one_order(a: &Person<'_>, b: &Person<'_>) -> (bool, bool) {
    let parties = |p: &Person<'_>| -> Vec<Party> { p.records.iter().filter_map(|r| r.party.clone()).collect() };
    let (mine, theirs) = (parties(a), parties(b));
    let together = || mine.iter().flat_map(|m| theirs.iter().map(move |t| (m, t))).filter(|(m, t)| m.order == t.order);
    let guests = together().any(|(m, t)| m.seat == Seat::Guest && t.seat == Seat::Guest);
    (guests, together().next().is_some())
}
