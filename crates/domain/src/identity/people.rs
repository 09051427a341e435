//! What a history comes to: records, whose each is, and whom somebody has said to be two.
//!
//! Promise: each record is with exactly one person. An id that was given once leads for ever to the person who has the
//! record that it was born with, whatever was joined and taken apart since.

use super::{Claim, Field, Mention, Name, NameKind, Party, Source, Stamp};
use crate::{DeedId, EmailAddress, PersonId, Phone};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// A record, and all that it has ever said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The id that it was born with: a person of its own, until it was joined with others.
    pub born: PersonId,
    /// Whose record.
    pub source: Source,
    /// When the hub first heard of it.
    pub since: Timestamp,
    /// The deed by which it did: of those heard of in one instant, the lower came first.
    pub first: DeedId,
    /// Time of what it says now, by its provider.
    pub as_of: Option<Timestamp>,
    /// The order that it belongs to.
    pub party: Option<Party>,
    /// What it says now.
    pub claims: Vec<Claim>,
    /// What it said before and no longer does. Evidence of nothing, and never lost.
    pub earlier: Vec<Claim>,
    /// The provider's id of the show that it belongs to.
    pub show: Option<String>,
    /// Its provider has deleted it.
    pub deleted: bool,
    /// Since when it says what it says of each field, by its provider, else since the hub heard it.
    pub said_since: BTreeMap<Field, Timestamp>,
    /// Fields of which it said something else before: somebody edited them.
    pub edited: BTreeSet<Field>,
    /// Fields that somebody emptied there: what was removed, until something is said of them again.
    pub removed: BTreeMap<Field, Removed>,
}

/// What somebody removed from a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// What the record said, as text by which two are compared.
    pub values: Vec<String>,
    /// When it was removed, by its provider, else when the hub heard it.
    pub since: Timestamp,
}

impl Record {
    /// The lower is known for longer.
    pub(super) fn age(&self) -> (Timestamp, DeedId, PersonId) {
        (self.since, self.first, self.born)
    }

    /// The provider has told it anew.
    fn tell(&mut self, told: &Mention, at: Timestamp) {
        let older = self.as_of.zip(told.as_of).is_some_and(|(known, new)| new < known);
        let replaced = if older {
            told.claims.clone()
        } else {
            for field in Field::ALL {
                let (before, after) = (field.said_in(&self.claims), field.said_in(&told.claims));
                if !after.is_empty() {
                    self.removed.remove(&field);
                } else if !before.is_empty() && told.empty.contains(&field) && !told.deleted {
                    let since = told.as_of.unwrap_or(at);
                    self.removed.insert(field, Removed { values: before.clone(), since });
                }
                if before != after {
                    if !after.is_empty() {
                        self.said_since.insert(field, told.as_of.unwrap_or(at));
                    }
                    if !before.is_empty() {
                        self.edited.insert(field);
                    }
                }
            }
            self.as_of = told.until.or(told.as_of).or(self.as_of);
            self.party.clone_from(&told.party);
            self.show.clone_from(&told.show);
            self.deleted = told.deleted;
            std::mem::replace(&mut self.claims, told.claims.clone())
        };
        for claim in replaced {
            if !self.earlier.contains(&claim) {
                self.earlier.push(claim);
            }
        }
        self.earlier.retain(|claim| !self.claims.contains(claim));
    }
}

/// What is known of two persons' being one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// They are one.
    Together,
    /// Somebody has said that they are two.
    Apart,
    /// Nobody has said anything.
    Open,
    /// One of them is not there.
    Unknown,
}

/// All records, and whose each is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct People {
    records: BTreeMap<PersonId, Record>,
    /// Birth id of each source's record.
    sources: BTreeMap<Source, PersonId>,
    /// Birth id of each record, and the id of its person.
    whose: BTreeMap<PersonId, PersonId>,
    /// Pairs of records that somebody has said to be of two persons; the lower id first.
    apart: BTreeSet<(PersonId, PersonId)>,
}

/// One person: all records that are theirs, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person<'p> {
    /// Their id: that of the record that is known for longest.
    pub id: PersonId,
    /// Their records, the one that is known for longest first.
    pub records: Vec<&'p Record>,
}

impl People {
    /// The person whom an id stands for, also an id of before a merge or a split. `None`: it was never given.
    #[must_use]
    pub fn resolve(&self, id: PersonId) -> Option<PersonId> {
        self.whose.get(&id).copied()
    }

    /// The record of a source.
    #[must_use]
    pub fn record_of(&self, source: &Source) -> Option<&Record> {
        self.records.get(self.sources.get(source)?)
    }

    /// The person of an id. See [`People::resolve`].
    #[must_use]
    pub fn person(&self, id: PersonId) -> Option<Person<'_>> {
        let id = self.resolve(id)?;
        let mut records: Vec<&Record> =
            self.members(id).into_iter().filter_map(|born| self.records.get(&born)).collect();
        records.sort_by_key(|r| r.age());
        Some(Person { id, records })
    }

    /// Everybody, by id.
    pub fn all(&self) -> impl Iterator<Item = Person<'_>> {
        let mut records: BTreeMap<PersonId, Vec<&Record>> = BTreeMap::new();
        for (born, id) in &self.whose {
            records.entry(*id).or_default().extend(self.records.get(born));
        }
        records.into_iter().map(|(id, records)| Person::of(id, records))
    }

    /// What is known of two being one.
    #[must_use]
    pub fn between(&self, a: PersonId, b: PersonId) -> Between {
        let (Some(a), Some(b)) = (self.resolve(a), self.resolve(b)) else { return Between::Unknown };
        if a == b {
            return Between::Together;
        }
        let (mine, theirs) = (self.members(a), self.members(b));
        let said = mine.iter().any(|x| theirs.iter().any(|y| self.apart.contains(&pair(*x, *y))));
        if said { Between::Apart } else { Between::Open }
    }

    /// Birth ids of a person's records.
    pub(super) fn members(&self, person: PersonId) -> BTreeSet<PersonId> {
        self.whose.iter().filter(|(_, id)| **id == person).map(|(born, _)| *born).collect()
    }

    /// The record that an id was born with.
    #[must_use]
    pub fn record(&self, born: PersonId) -> Option<&Record> {
        self.records.get(&born)
    }

    pub(super) fn tell(&mut self, born: PersonId, told: &Mention, stamp: &Stamp) {
        let at = stamp.at;
        let place = self.record_of(&told.source).map_or(born, |r| r.born);
        let record = self.records.entry(place).or_insert_with(|| {
            self.whose.insert(born, born);
            self.sources.insert(told.source.clone(), born);
            let (source, as_of) = (told.source.clone(), told.as_of);
            Record {
                born,
                source,
                since: at,
                first: stamp.deed,
                as_of,
                party: None,
                claims: Vec::new(),
                earlier: Vec::new(),
                show: None,
                deleted: false,
                said_since: BTreeMap::new(),
                edited: BTreeSet::new(),
                removed: BTreeMap::new(),
            }
        });
        record.tell(told, at);
    }

    /// Two become one. What was said of their being two says nothing while they are, and whatever parts them
    /// says it anew or brings it back.
    pub(super) fn merge(&mut self, a: PersonId, b: PersonId) {
        let (Some(a), Some(b)) = (self.resolve(a), self.resolve(b)) else { return };
        let (mine, theirs) = (self.members(a), self.members(b));
        self.name(&mine.union(&theirs).copied().collect());
    }

    /// Records leave a person, together, and are said to be of another one.
    pub(super) fn split(&mut self, from: PersonId, leaving: &BTreeSet<PersonId>) {
        let Some(from) = self.resolve(from) else { return };
        let all = self.members(from);
        let (leave, stay): (BTreeSet<_>, BTreeSet<_>) = all.into_iter().partition(|born| leaving.contains(born));
        if leave.is_empty() || stay.is_empty() {
            return;
        }
        self.apart.extend(pairs(&leave, &stay).map(|(x, y)| pair(x, y)));
        self.name(&leave);
        self.name(&stay);
    }

    pub(super) fn keep_apart(&mut self, a: PersonId, b: PersonId) {
        let (Some(a), Some(b)) = (self.resolve(a), self.resolve(b)) else { return };
        if a != b {
            let (mine, theirs) = (self.members(a), self.members(b));
            self.apart.extend(pairs(&mine, &theirs).map(|(x, y)| pair(x, y)));
        }
    }

    /// These records are one person's, who has the id of the one that is known for longest.
    fn name(&mut self, members: &BTreeSet<PersonId>) {
        let oldest = members.iter().filter_map(|m| self.records.get(m)).min_by_key(|r| r.age());
        if let Some(id) = oldest.map(|r| r.born) {
            self.whose.extend(members.iter().map(|m| (*m, id)));
        }
    }
}

impl<'p> Person<'p> {
    fn of(id: PersonId, mut records: Vec<&'p Record>) -> Self {
        records.sort_by_key(|r| r.age());
        Self { id, records }
    }

    /// What their records say now.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.records.iter().flat_map(|r| &r.claims)
    }

    /// The name to show and to greet by: the fullest that was asked for as a name, the latest of equals; else what
    /// they call themselves.
    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        let named = self.records.iter().flat_map(|r| {
            r.claims.iter().filter_map(move |c| if let Claim::Name { name } = c { Some((r, name)) } else { None })
        });
        let worth = |r: &Record, name: &Name| {
            (name.kind == NameKind::Civil, name.words().len(), r.as_of.unwrap_or(r.since), r.born)
        };
        named.max_by_key(|(r, name)| worth(r, name)).map(|(_, name)| name)
    }

    /// Addresses that are or were theirs, each once: what stands against one of them stands against all. An address that
    /// a record no longer names is among them, because what was said by it was said by them.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        let mut all = Addresses::default();
        for claim in self.records.iter().flat_map(|r| r.claims.iter().chain(&r.earlier)) {
            match claim {
                Claim::Email { address, .. } => drop(all.emails.insert(address.clone())),
                Claim::Phone { number, .. } => drop(all.phones.insert(number.clone())),
                Claim::ChannelUser { id, .. } => drop(all.channel_users.insert(id.to_lowercase())),
                _ => {}
            }
        }
        all
    }
}

/// Ways in which a person is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses {
    /// E-mail addresses.
    pub emails: BTreeSet<EmailAddress>,
    /// Phones.
    pub phones: BTreeSet<Phone>,
    /// Channels' own ids, lower case.
    pub channel_users: BTreeSet<String>,
}

fn pair(a: PersonId, b: PersonId) -> (PersonId, PersonId) {
    if a < b { (a, b) } else { (b, a) }
}

fn pairs<'s>(
    a: &'s BTreeSet<PersonId>,
    b: &'s BTreeSet<PersonId>,
) -> impl Iterator<Item = (PersonId, PersonId)> + use<'s> {
    a.iter().flat_map(move |x| b.iter().map(move |y| (*x, *y)))
}
