//! What is true of a person, by the rules of ownership, and which records do not say it yet.
//!
//! Promise: equal records and rules give equal persons, in whatever order the records were heard. Time decides only
//! between connections that are believed equally, in whole seconds, because not every provider tells more; what is said
//! in the same second is ordered by what kind of record says it and by its name.

use super::{Addresses, Claim, Document, Field, Name, NameKind, Names, Ownership, Person, Record, Seat, Source};
use crate::{DeedId, EmailAddress, PersonId, Phone};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// What is true of a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Golden {
    /// Name.
    pub name: Option<Name>,
    /// E-mail address, where it is this person's own.
    pub email: Option<EmailAddress>,
    /// Phone, where it is this person's own.
    pub phone: Option<Phone>,
    /// A channel's own id of the person.
    pub channel_user: Option<String>,
    /// Language that they chose.
    pub language: Option<String>,
    /// What they do.
    pub job_title: Option<String>,
    /// Identity document.
    pub document: Option<Document>,
    /// What each record should say and does not, by the ids that they were born with; in the order of the person's
    /// records.
    pub differs: Vec<(PersonId, Differs)>,
    /// Edits that do not count.
    pub overruled: Vec<Overruled>,
}

impl Golden {
    /// What is true of a field, as people read it.
    #[must_use]
    pub fn shown(&self, field: Field) -> Option<String> {
        match field {
            Field::Name => self.name.as_ref().map(|n| n.full.clone()),
            Field::Email => self.email.as_ref().map(ToString::to_string),
            Field::Phone => self.phone.as_ref().map(ToString::to_string),
            Field::ChannelUser => self.channel_user.clone(),
            Field::Language => self.language.clone(),
            Field::JobTitle => self.job_title.clone(),
            Field::Document => self.document.as_ref().map(ToString::to_string),
        }
    }
}

/// What a record should say and does not. Only fields that such a record can carry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RecordDiffers")]
pub struct Differs {
    /// The whole name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Given names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Surnames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
    /// Phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// Fields that should be empty, and are not: whose word counts removed there what this record says. `email` and
    /// `phone` alone, of contacts alone: an order or a ticket goes to somebody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clear: Vec<Field>,
}

/// Why an edit does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OverruledWhy")]
pub enum Why {
    /// Another connection's word is above it.
    Owner,
    /// Both were said in the same second.
    SameSecond,
    /// It only writes the name shorter.
    Shorter,
}

/// An edit that does not count: it is as late as what wins, or later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overruled {
    /// Id that the record was born with.
    pub born: PersonId,
    /// The record that was edited.
    pub record: Source,
    /// Field.
    pub field: Field,
    /// What the record says.
    pub says: String,
    /// What counts.
    pub wins: String,
    /// The record that says what counts.
    pub winner: Source,
    /// Why.
    pub why: Why,
    /// When it was edited, by its provider.
    pub at: Timestamp,
}

/// Place of a connection that has no say: its word never wins, and is overruled like every other.
const NO_SAY: usize = usize::MAX;

/// One record's word on one field.
struct Word<'p, T> {
    value: T,
    record: &'p Record,
    place: usize,
    since: Timestamp,
}

impl<T> Word<'_, T> {
    /// The higher one wins.
    fn weight(&self) -> (impl Ord + use<'_, T>, &Source) {
        (self.rank(), &self.record.source)
    }

    /// The higher one wins; equal ones only their names tell apart. Milliseconds only tell records of one connection
    /// apart.
    fn rank(&self) -> (Reverse<usize>, i64, u8, &str, i32) {
        let source = &self.record.source;
        let kind = match source.kind.as_str() {
            "person" => 3,
            "order" => 2,
            "ticket" => 1,
            _ => 0,
        };
        let since = self.since;
        (Reverse(self.place), since.as_second(), kind, &source.connection, since.subsec_nanosecond())
    }
}

/// All words on a field, the one that wins first.
fn words<'p, T>(
    person: &Person<'p>,
    rules: &Ownership,
    field: Field,
    read: impl Fn(&'p Claim) -> Option<T>,
) -> Vec<Word<'p, T>> {
    let mut all = Vec::new();
    for record in person.records.iter().copied() {
        let place = rules.place(field, &record.source.connection).unwrap_or(NO_SAY);
        let since = record.said_since.get(&field).copied().unwrap_or(record.since);
        let said = record.claims.iter().filter_map(&read);
        all.extend(said.map(|value| Word { value, record, place, since }));
    }
    all.sort_by(|a, b| b.weight().cmp(&a.weight()));
    all
}

/// Takes out words on what somebody removed from another record of the person, whose word is above theirs: by the rules,
/// else because it is later. In the same second a value stays. Gives the records that say what was removed.
fn strike<T: ToString>(
    words: &mut Vec<Word<'_, &T>>,
    person: &Person<'_>,
    rules: &Ownership,
    field: Field,
) -> BTreeSet<PersonId> {
    let removed = person.records.iter().copied().filter_map(|record| {
        let removed = record.removed.get(&field)?;
        let place = rules.place(field, &record.source.connection)?;
        Some(Word { value: &removed.values, record, place, since: removed.since })
    });
    let removed: Vec<Word<'_, &Vec<String>>> = removed.collect();
    let mut struck = BTreeSet::new();
    words.retain(|word| {
        let said = word.value.to_string();
        let above = |r: &Word<'_, &Vec<String>>| {
            let (theirs, ours) = (r.rank(), word.rank());
            let later = theirs.1 > ours.1
                || (r.record.source.connection == word.record.source.connection && r.since > word.since);
            r.value.contains(&said) && (theirs.0 > ours.0 || (theirs.0 == ours.0 && later))
        };
        let stays = !removed.iter().any(above);
        if !stays {
            struck.insert(word.record.born);
        }
        stays
    });
    struck
}

/// The name that wins goes first: the first word, or one that only writes it fuller and is believed as much. What
/// somebody calls themselves in a channel counts where nobody was asked for a name.
fn names<'p>(person: &Person<'p>, rules: &Ownership) -> Vec<Word<'p, &'p Name>> {
    let mut all = words(person, rules, Field::Name, |c| if let Claim::Name { name } = c { Some(name) } else { None });
    all.sort_by_key(|w| w.value.kind == NameKind::Display);
    let Some(first) = all.first() else { return all };
    let length = |name: &Name| name.words().len();
    let (place, name) = (first.place, first.value);
    let alike = |w: &Word<'_, &Name>| w.place == place && name.compare(w.value) == Names::Agree;
    let fullest =
        all.iter().enumerate().filter(|(_, w)| alike(w)).max_by_key(|(at, w)| (length(w.value), Reverse(*at)));
    if let Some((at, _)) = fullest.filter(|(_, w)| length(w.value) > length(name)) {
        let word = all.remove(at);
        all.insert(0, word);
    }
    all
}

/// How well an address is known to be somebody's: they have shown it, they are no guest of an order, and for how long
/// they are known.
type Hold = (bool, bool, Reverse<(Timestamp, DeedId, PersonId)>);

/// How well an address is known to be this person's; the highest of those who give it has it.
fn holds(person: &Person<'_>, of: impl Fn(&Claim) -> Option<bool>) -> Option<Hold> {
    let said = person.records.iter().flat_map(|r| r.claims.iter().filter_map(&of).map(move |shown| (r, shown)));
    let each = said.map(|(record, shown)| {
        let guest = record.party.as_ref().is_some_and(|p| p.seat == Seat::Guest);
        (shown, !guest, Reverse(record.age()))
    });
    each.max()
}

/// Is this address the person's own, and not that of another who gives it too?
fn is_own(person: &Person<'_>, others: &[Person<'_>], of: impl Fn(&Claim) -> Option<bool> + Copy) -> bool {
    let Some(mine) = holds(person, of) else { return false };
    !others.iter().filter(|o| o.id != person.id).filter_map(|o| holds(o, of)).any(|theirs| theirs > mine)
}

fn email_of(address: &EmailAddress) -> impl Fn(&Claim) -> Option<bool> + Copy + '_ {
    move |claim| match claim {
        Claim::Email { address: a, verified } if a == address => Some(*verified),
        _ => None,
    }
}

fn phone_of(number: &Phone) -> impl Fn(&Claim) -> Option<bool> + Copy + '_ {
    move |claim| match claim {
        Claim::Phone { number: n, verified } if n == number => Some(*verified),
        _ => None,
    }
}

/// Addresses that a person's records give now and that are the person's own. `others`: whoever else gives one of them.
#[must_use]
pub fn own_addresses(person: &Person<'_>, others: &[Person<'_>]) -> Addresses {
    let mut own = Addresses::default();
    for claim in person.claims() {
        match claim {
            Claim::Email { address, .. } if is_own(person, others, email_of(address)) => {
                own.emails.insert(address.clone());
            }
            Claim::Phone { number, .. } if is_own(person, others, phone_of(number)) => {
                own.phones.insert(number.clone());
            }
            Claim::ChannelUser { id, .. } => drop(own.channel_users.insert(id.to_lowercase())),
            _ => {}
        }
    }
    own
}

/// What is true of a person. `others`: whoever else gives one of the person's addresses.
#[must_use]
pub fn golden(person: &Person<'_>, others: &[Person<'_>], rules: &Ownership) -> Golden {
    let names = names(person, rules);
    let mut emails =
        words(person, rules, Field::Email, |c| if let Claim::Email { address, .. } = c { Some(address) } else { None });
    let mut phones =
        words(person, rules, Field::Phone, |c| if let Claim::Phone { number, .. } = c { Some(number) } else { None });
    emails.retain(|w| is_own(person, others, email_of(w.value)));
    phones.retain(|w| is_own(person, others, phone_of(w.value)));
    let struck = [
        (Field::Email, strike(&mut emails, person, rules, Field::Email)),
        (Field::Phone, strike(&mut phones, person, rules, Field::Phone)),
    ];
    let users =
        words(
            person,
            rules,
            Field::ChannelUser,
            |c| if let Claim::ChannelUser { id, .. } = c { Some(id) } else { None },
        );
    let languages = words(person, rules, Field::Language, |c| match c {
        Claim::Language { language } => Some(language),
        _ => None,
    });
    let titles =
        words(person, rules, Field::JobTitle, |c| if let Claim::JobTitle { title } = c { Some(title) } else { None });
    let documents = words(person, rules, Field::Document, |c| match c {
        Claim::Document { document } => Some(document),
        _ => None,
    });
    let mut overruled = Vec::new();
    against(&names, Field::Name, |n| n.full.clone(), &mut overruled);
    against(&emails, Field::Email, |e| e.as_str().to_owned(), &mut overruled);
    against(&phones, Field::Phone, |p| p.as_e164().to_owned(), &mut overruled);
    against(&languages, Field::Language, |l| (*l).clone(), &mut overruled);
    against(&titles, Field::JobTitle, |t| (*t).clone(), &mut overruled);
    overruled.sort_by(|a, b| (&a.record, a.field).cmp(&(&b.record, b.field)));
    let (name, email, phone) = (first(&names).cloned(), first(&emails).cloned(), first(&phones).cloned());
    let differs = person.records.iter().map(|record| {
        let own_email = |e: &EmailAddress| is_own(person, others, email_of(e));
        let mut differs = differs(record, name.as_ref(), email.as_ref(), phone.as_ref(), own_email);
        let empty = |field: &Field| match field {
            Field::Email => email.is_none(),
            _ => phone.is_none(),
        };
        if record.source.kind == "person" && !record.deleted {
            let struck = struck.iter().filter(|(field, of)| empty(field) && of.contains(&record.born));
            differs.clear = struck.map(|(field, _)| *field).collect();
        }
        (record.born, differs)
    });
    Golden {
        differs: differs.collect(),
        name,
        email,
        phone,
        channel_user: first(&users).map(|u| u.to_lowercase()),
        language: first(&languages).cloned(),
        job_title: first(&titles).cloned(),
        document: first(&documents).cloned(),
        overruled,
    }
}

/// What wins.
fn first<'p, T>(words: &[Word<'p, &'p T>]) -> Option<&'p T> {
    words.first().filter(|w| w.place != NO_SAY).map(|w| w.value)
}

/// Edits that say something else than what wins, and are not older than it.
fn against<'p, T: Copy>(
    words: &[Word<'p, T>],
    field: Field,
    text: impl Fn(T) -> String,
    overruled: &mut Vec<Overruled>,
) {
    let Some(first) = words.first().filter(|w| w.place != NO_SAY) else { return };
    let wins = text(first.value);
    for word in &words[1..] {
        let says = text(word.value);
        let late = word.since.as_second() >= first.since.as_second();
        if says == wins || !late || !word.record.edited.contains(&field) {
            continue;
        }
        let why = if word.place != first.place {
            Why::Owner
        } else if word.since.as_second() == first.since.as_second() {
            Why::SameSecond
        } else {
            Why::Shorter
        };
        overruled.push(Overruled {
            born: word.record.born,
            record: word.record.source.clone(),
            field,
            says,
            wins: wins.clone(),
            winner: first.record.source.clone(),
            why,
            at: word.since,
        });
    }
}

/// What a record should say and does not.
fn differs(
    record: &Record,
    name: Option<&Name>,
    email: Option<&EmailAddress>,
    phone: Option<&Phone>,
    own_email: impl Fn(&EmailAddress) -> bool,
) -> Differs {
    let mut differs = Differs::default();
    let contact = record.source.kind == "person";
    if record.deleted || !(contact || matches!(record.source.kind.as_str(), "order" | "ticket")) {
        return differs;
    }
    let said = record.claims.iter().find_map(|c| if let Claim::Name { name } = c { Some(name) } else { None });
    if let Some(name) = name.filter(|n| n.kind == NameKind::Civil) {
        let parted = !(name.given.is_empty() && name.surnames.is_empty());
        if said.is_none_or(|said| said.full != name.full) {
            differs.name = Some(name.full.clone());
            differs.first_name = parted.then(|| name.given.clone());
            differs.last_name = parted.then(|| name.surnames.clone());
        } else if let Some(said) = said.filter(|s| parted && !(s.given.is_empty() && s.surnames.is_empty())) {
            differs.first_name = (said.given != name.given).then(|| name.given.clone());
            differs.last_name = (said.surnames != name.surnames).then(|| name.surnames.clone());
        }
    }
    let says =
        record.claims.iter().find_map(|c| if let Claim::Email { address, .. } = c { Some(address) } else { None });
    // A ticket that goes to another person's mailbox goes there because somebody said so.
    let theirs = !contact && says.is_some_and(|s| !own_email(s));
    differs.email = email.filter(|e| says != Some(*e) && !theirs).cloned();
    if contact {
        let says =
            record.claims.iter().find_map(|c| if let Claim::Phone { number, .. } = c { Some(number) } else { None });
        differs.phone = phone.filter(|p| says != Some(*p)).cloned();
    }
    differs
}
