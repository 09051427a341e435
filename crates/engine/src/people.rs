//! Who is whom, kept: the map of persons that the pure model (`pasarela_domain::identity`) describes, fed from what
//! happened.
//!
//! | file | what |
//! |---|---|
//! | `feed.rs` | reads the event log below the watermark, from a place of its own; looks at read models that changed without an event |
//! | `table.rs` | what a change is made on: histories and the index of who shares what, read before and written after |
//! | `hear.rs` | a record told something: whose it is, with whom it is joined, what is doubtful |
//! | `tell.rs` | what is true of a person now, by the rules of ownership; events of the hub's own connection |
//! | `deeds.rs` | what people do: merge, split, undo, say who is not whom |
//! | `rules.rs` | other rules of ownership reach everybody |
//! | `view.rs` | what is shown |
//! | `api.rs` | what may be asked and done from outside |
//! | `import.rs` | lists of contacts |
//!
//! Promise: the place in the log, the histories, the index and the events that follow are one transaction, guarded by the
//! versions that were read. A crash repeats nothing and skips nothing; two nodes cannot both write from one state.
//! Histories of persons who were never joined, and never said to be two, are kept apart, so that what a change costs
//! follows who is concerned and not how many there are.
//!
//! A record's id as a person is the keyed hash of its source: it is found without an index, and the same after a restore.

mod api;
mod deeds;
mod feed;
mod hear;
mod import;
mod rules;
mod table;
mod tell;
mod view;

pub use deeds::PeopleError;
pub use import::{ContactRow, ContactState, ContactsReport, ImportedContact};
pub(crate) use tell::translate;
pub use view::{ConflictView, DoubtView, HistoryLine, PeoplePage, PersonView};

use jiff::Timestamp;
use parking_lot::Mutex;
use pasarela_domain::EntityRef;
use pasarela_domain::identity::{Field, History, Ownership, Reason, Source, Why};
use pasarela_domain::model::HubPerson;
use pasarela_domain::{DeedId, PersonId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicI64;
use tokio::sync::Notify;

/// Kind of the read models that hold histories, by the id of the record that each began with.
const GROUP: &str = "person_group";
/// Kind of the read models that say who shares an address, a document, a channel's id or an order.
const KEY: &str = "person_key";
/// Kind of the read models that hold places: in the log, and among the histories that other rules reach.
const PLACE: &str = "person_place";
/// Kind of the read models of persons, as flows see them.
const PERSON: &str = "person";
/// Kind of the records by which persons are listed and searched.
const LISTED: &str = "person";
/// Kind of the records of pairs that a person should look at.
const DOUBT: &str = "person_doubt";
/// Kind of the records of conflicts.
const CONFLICT: &str = "person_conflict";

/// The map as one hub keeps it.
pub(crate) struct Desk {
    /// Whose word counts; `None`: no map is kept.
    pub(crate) rules: Option<Ownership>,
    /// Woken when an event was written, or a read model changed without one.
    pub(crate) wake: Notify,
    /// Read models that changed without an event, by connection.
    seen: Mutex<BTreeSet<(i64, EntityRef)>>,
    /// How far this node has read the log.
    reached: AtomicI64,
    /// Since when events wait for the map, when that was asked last.
    behind: Mutex<Option<Timestamp>>,
    /// One change at a time on this node; another node's shows in the versions.
    turn: tokio::sync::Mutex<()>,
}

impl Desk {
    pub(crate) fn new(rules: Option<Ownership>) -> Self {
        Self {
            rules,
            wake: Notify::new(),
            seen: Mutex::default(),
            reached: AtomicI64::new(0),
            behind: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Since when events wait for the map.
    pub(crate) fn note_behind(&self, since: Option<Timestamp>) {
        *self.behind.lock() = since;
    }

    /// An event was written.
    pub(crate) fn tell(&self) {
        self.wake.notify_one();
    }

    /// Read models changed without an event.
    pub(crate) fn saw(&self, seen: Vec<(i64, EntityRef)>) {
        if self.rules.is_some() && !seen.is_empty() {
            self.seen.lock().extend(seen);
            self.wake.notify_one();
        }
    }
}

/// Does a read model of this kind speak of a person?
pub(crate) fn speaks(kind: &str) -> bool {
    matches!(kind, "person" | "order" | "ticket" | "waitlist_entry")
}

/// Persons who were joined, or said to be two, with all that was told and done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Group {
    /// It was laid together with another one, which has its history now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    into: Option<PersonId>,
    /// Whose persons: those of two brands never meet.
    #[serde(default)]
    brand: String,
    #[serde(default)]
    history: History,
    /// What was told of each person.
    #[serde(default)]
    told: BTreeMap<PersonId, Told>,
    /// Pairs that a person should look at, by the id of their record; those in which one of these was found later.
    #[serde(default)]
    doubts: BTreeMap<String, Doubt>,
    /// Edits that do not count, by the id of their record.
    #[serde(default)]
    conflicts: BTreeMap<String, Conflict>,
}

/// What was told of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Told {
    /// Later than everything that was told before.
    at: Timestamp,
    person: HubPerson,
}

/// Two who could be one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Doubt {
    /// Who was found, by the id that they were found by.
    a: PersonId,
    /// With whom.
    b: PersonId,
    reasons: Vec<Reason>,
    since: Timestamp,
}

/// An edit that does not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Conflict {
    person: PersonId,
    born: PersonId,
    record: Source,
    field: Field,
    says: String,
    wins: String,
    winner: Source,
    why: Why,
    at: Timestamp,
    /// When the hub saw it.
    since: Timestamp,
    /// By whom it was accepted as it is, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<String>,
}

/// A deed that a person did, for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Its id, by which it can be undone.
    pub deed: DeedId,
    /// The person who is there now.
    pub person: PersonId,
}
