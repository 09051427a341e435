//! The history of who is whom: what records told, and what was done with them. It only grows; what is taken back is
//! taken back by a deed of its own.
//!
//! Promise: undoing the last deed gives back what was there before it. Undoing an earlier one gives what would be there
//! had it never been done, with everything that was done and told since. What a record told is no deed of ours and is
//! not undone: it is corrected at its provider.

use super::{Between, Mention, People, Person, Reason, Record, Shared, Verdict, compare};
use crate::{DeedId, PersonId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The rules of matching.
    Rule,
    /// Somebody who works here, by the name of their account or key. Their word is above the rules.
    Person(String),
}

/// Which deed, when, and whose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeedStamp")]
pub struct Stamp {
    /// Its id, of this deed alone.
    pub deed: DeedId,
    /// When.
    #[schemars(with = "crate::Moment")]
    pub at: Timestamp,
    /// Who.
    pub by: By,
}

/// Something that was told or done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Deed {
    /// A record told what it says. A record that was not there is born as a person of its own.
    Told {
        /// Id that it is born with.
        born: PersonId,
        /// What it says.
        mention: Box<Mention>,
    },
    /// Two persons are one.
    Merged {
        /// One.
        a: PersonId,
        /// The other.
        b: PersonId,
        /// Why.
        reasons: Vec<Reason>,
    },
    /// Records of a person are another person's.
    Split {
        /// The person.
        from: PersonId,
        /// Ids that the records were born with; they stay together.
        leaving: BTreeSet<PersonId>,
    },
    /// Two persons are not one, whatever speaks for it.
    KeptApart {
        /// One.
        a: PersonId,
        /// The other.
        b: PersonId,
    },
    /// A deed is taken back; an undoing too.
    Undone {
        /// Which.
        undone: DeedId,
    },
}

/// A line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "IdentityEntry")]
pub struct Entry {
    /// Which, when, who.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// What.
    #[serde(flatten)]
    pub what: Deed,
}

/// Why something is not done. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such person.
    #[error("there is no person {0} here")]
    NobodyThere(PersonId),
    /// No such deed.
    #[error("there is no deed {0} in the history of this person")]
    NoSuchDeed(DeedId),
    /// Another deed has this id.
    #[error("the history has a deed {0} already; each has an id of its own")]
    KnownDeed(DeedId),
    /// The id was born with another record.
    #[error("{0} is the id of another record")]
    Taken(PersonId),
    /// Nothing to merge.
    #[error("{0} and {1} are one person already")]
    Together(PersonId, PersonId),
    /// A rule does not go against what a person said.
    #[error("somebody has said that {0} and {1} are two persons; only a person can merge them")]
    KeptApart(PersonId, PersonId),
    /// Nothing to keep apart.
    #[error("{0} and {1} are one person; split them instead")]
    NotTwo(PersonId, PersonId),
    /// It was said already.
    #[error("{0} and {1} are kept apart already")]
    ApartAlready(PersonId, PersonId),
    /// No record leaves, or none stays.
    #[error("a split needs records that leave and records that stay; this one has none that {0}")]
    Empties(&'static str),
    /// The record is somebody else's.
    #[error("the record {0} is not one of this person's")]
    OthersRecord(PersonId),
    /// What was told stays told.
    #[error("what a record says cannot be undone: correct it at its provider, or split it from this person")]
    Told,
    /// It is taken back.
    #[error("deed {0} is undone already; undo the undoing to do it again")]
    UndoneAlready(DeedId),
}

/// What was told and done, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "IdentityHistory")]
pub struct History(Vec<Entry>);

impl History {
    /// Its lines, and whether each is undone.
    pub fn entries(&self) -> impl Iterator<Item = (&Entry, bool)> {
        let undone = self.undone();
        self.0.iter().map(move |entry| (entry, undone.contains(&entry.stamp.deed)))
    }

    /// What it comes to.
    #[must_use]
    pub fn people(&self) -> People {
        let mut people = People::default();
        for (entry, _) in self.entries().filter(|(_, undone)| !undone) {
            match &entry.what {
                Deed::Told { born, mention } => people.tell(*born, mention, &entry.stamp),
                Deed::Merged { a, b, .. } => {
                    // Where an undoing has put a person's word before a rule's merge, the word holds.
                    if entry.stamp.by != By::Rule || people.between(*a, *b) == Between::Open {
                        people.merge(*a, *b);
                    }
                }
                Deed::Split { from, leaving } => people.split(*from, leaving),
                Deed::KeptApart { a, b } => people.keep_apart(*a, *b),
                Deed::Undone { .. } => {}
            }
        }
        people
    }

    /// A record says this. `born`: the id that it gets where it is not there yet; else it keeps its own, and stays with
    /// whom it is. An equal state at a later time only moves the time of what is known. `false`: nothing of it is new.
    pub fn tell(&mut self, stamp: Stamp, born: PersonId, mention: Mention) -> Result<bool, Refusal> {
        self.is_new(&stamp)?;
        let mut people = self.people();
        let born = match people.record_of(&mention.source) {
            Some(known) => known.born,
            None if people.record(born).is_some() => return Err(Refusal::Taken(born)),
            None => born,
        };
        let before = people.record(born).cloned();
        people.tell(born, &mention, &stamp);
        let after = people.record(born).cloned();
        if before == after {
            return Ok(false);
        }
        if let Some(moved) = before.and_then(|known| self.at_later_time(&known, mention.as_of))
            && moved.people() == people
        {
            *self = moved;
            return Ok(true);
        }
        self.0.push(Entry { stamp, what: Deed::Told { born, mention: Box::new(mention) } });
        Ok(true)
    }

    /// Two persons are one, for these reasons.
    pub fn merge(&mut self, stamp: Stamp, a: PersonId, b: PersonId, reasons: Vec<Reason>) -> Result<(), Refusal> {
        self.is_new(&stamp)?;
        match self.between(a, b)? {
            Between::Together => return Err(Refusal::Together(a, b)),
            Between::Apart if stamp.by == By::Rule => return Err(Refusal::KeptApart(a, b)),
            _ => {}
        }
        self.0.push(Entry { stamp, what: Deed::Merged { a, b, reasons } });
        Ok(())
    }

    /// These records of a person, named by the ids that they were born with, are another person's.
    pub fn split(&mut self, stamp: Stamp, from: PersonId, leaving: BTreeSet<PersonId>) -> Result<(), Refusal> {
        self.is_new(&stamp)?;
        let people = self.people();
        let all = people.members(people.resolve(from).ok_or(Refusal::NobodyThere(from))?);
        if let Some(other) = leaving.difference(&all).next() {
            return Err(Refusal::OthersRecord(*other));
        }
        if leaving.is_empty() {
            return Err(Refusal::Empties("leave"));
        }
        if leaving == all {
            return Err(Refusal::Empties("stay"));
        }
        self.0.push(Entry { stamp, what: Deed::Split { from, leaving } });
        Ok(())
    }

    /// Two persons are not one: no rule will merge them.
    pub fn keep_apart(&mut self, stamp: Stamp, a: PersonId, b: PersonId) -> Result<(), Refusal> {
        self.is_new(&stamp)?;
        match self.between(a, b)? {
            Between::Together => return Err(Refusal::NotTwo(a, b)),
            Between::Apart => return Err(Refusal::ApartAlready(a, b)),
            _ => {}
        }
        self.0.push(Entry { stamp, what: Deed::KeptApart { a, b } });
        Ok(())
    }

    /// Takes a merge, a split, a word of being two, or an undoing back.
    pub fn undo(&mut self, stamp: Stamp, deed: DeedId) -> Result<(), Refusal> {
        self.is_new(&stamp)?;
        let (entry, undone) = self.entries().find(|(e, _)| e.stamp.deed == deed).ok_or(Refusal::NoSuchDeed(deed))?;
        if undone {
            return Err(Refusal::UndoneAlready(deed));
        }
        if matches!(entry.what, Deed::Told { .. }) {
            return Err(Refusal::Told);
        }
        self.0.push(Entry { stamp, what: Deed::Undone { undone: deed } });
        Ok(())
    }

    /// The rule's merge that brought a record to its person, where the two say by now that they are others: a ticket that
    /// was handed on. Its undoing makes the record a person of its own again. `None`: nothing speaks against it, or it
    /// was a person's word.
    #[must_use]
    pub fn outgrown(&self, born: PersonId) -> Option<DeedId> {
        let people = self.people();
        let person = people.person(born)?;
        let (own, rest): (Vec<_>, Vec<_>) = person.records.iter().copied().partition(|r| r.born == born);
        let (own, rest) = (Person { id: born, records: own }, Person { id: person.id, records: rest });
        let found = compare(&own, &rest, &Shared::default());
        if own.records.is_empty() || rest.records.is_empty() || found.verdict != Verdict::Other {
            return None;
        }
        if !found.reasons.contains(&Reason::NamesContradict) {
            return None;
        }
        let brought = self.entries().filter(|(e, undone)| !undone && e.stamp.by == By::Rule);
        let brought = brought.filter_map(|(e, _)| match e.what {
            Deed::Merged { a, b, .. } if a == born || b == born => Some(e.stamp.deed),
            _ => None,
        });
        brought.last().filter(|deed| {
            let mut without = self.clone();
            let stamp = Stamp { deed: DeedId::from_raw(i64::MAX), at: Timestamp::MAX, by: By::Rule };
            without.undo(stamp, *deed).is_ok()
                && without.people().person(born).is_some_and(|p| p.records.len() < person.records.len())
        })
    }

    /// This history and one of other people, laid together in the order of their times: before two persons whose
    /// histories were kept apart are merged. It comes to what both came to.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let mut all = Vec::with_capacity(self.0.len() + other.0.len());
        let (mut mine, mut theirs) = (self.0.into_iter().peekable(), other.0.into_iter().peekable());
        // Each keeps its own order, also where a clock went back.
        while let (Some(m), Some(t)) = (mine.peek(), theirs.peek()) {
            let first = if (m.stamp.at, m.stamp.deed) <= (t.stamp.at, t.stamp.deed) { &mut mine } else { &mut theirs };
            all.extend(first.next());
        }
        all.extend(mine.chain(theirs));
        Self(all)
    }

    /// This history, had what the record says now been told with this time. Of a record that is edited often in ways
    /// that say nothing of its person, a line for each edit would let the history grow.
    fn at_later_time(&self, known: &Record, as_of: Option<Timestamp>) -> Option<Self> {
        let mut moved = self.clone();
        let told = moved.0.iter_mut().rev().find_map(|entry| match &mut entry.what {
            Deed::Told { mention, .. } => {
                let says_it = mention.claims == known.claims
                    && mention.party == known.party
                    && mention.show == known.show
                    && mention.deleted == known.deleted;
                (mention.source == known.source && says_it).then_some(mention)
            }
            _ => None,
        })?;
        told.until = as_of;
        Some(moved)
    }

    fn between(&self, a: PersonId, b: PersonId) -> Result<Between, Refusal> {
        let people = self.people();
        for id in [a, b] {
            people.resolve(id).ok_or(Refusal::NobodyThere(id))?;
        }
        Ok(people.between(a, b))
    }

    fn is_new(&self, stamp: &Stamp) -> Result<(), Refusal> {
        let known = self.0.iter().any(|e| e.stamp.deed == stamp.deed);
        if known { Err(Refusal::KnownDeed(stamp.deed)) } else { Ok(()) }
    }

    /// Deeds that are undone. An undoing names a deed before it, so whether it holds itself is known when it is reached.
    fn undone(&self) -> BTreeSet<DeedId> {
        let mut undone = BTreeSet::new();
        for entry in self.0.iter().rev() {
            if let Deed::Undone { undone: deed } = entry.what
                && !undone.contains(&entry.stamp.deed)
            {
                undone.insert(deed);
            }
        }
        undone
    }
}
