//! Care of what is kept: what is finished goes after its time, space is given back, a person is
//! redacted, a copy is made. One contract for both adapters, beside [`crate::Store`].
//!
//! Everything here goes in bites: a call reads and writes a bounded number of rows and says whether there
//! is more, so that the writer does its own work between two of them.

use crate::backup::{Manifest, Progress};
use crate::contract::Fut;
use jiff::Timestamp;
use pasarela_domain::IdMaker;
use std::path::PathBuf;
use std::sync::Arc;

/// What is removed after its time. Nothing that a run, an open effect, quarantine, a proposal or a dead
/// letter needs is ever among it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// Bytes of finished deliveries; their rows stay.
    Bodies,
    /// Deliveries of which nothing came: ignored, or known before.
    Ignored,
    /// Finished deliveries of which no event is left.
    Deliveries,
    /// Ended runs with their effects and attempts.
    Runs,
    /// Ended reads of the engine's own, with their attempts.
    Reads,
    /// Ended runs of scans at the door, with their effects and attempts.
    ScanRuns,
    /// Events of scans at the door ([`SCANS`]) that no run needs.
    Scans,
    /// Events that no run needs.
    Events,
    /// Links of people to events that are gone.
    EventLinks,
    /// Links of people to deliveries that are gone.
    DeliveryLinks,
    /// Nonces of signatures.
    Replays,
    /// What makes a fact known for all time.
    Facts,
}

impl Kept {
    /// All, in the order in which they are gone through: what others need goes last.
    pub const ALL: [Self; 12] = [
        Self::ScanRuns,
        Self::Scans,
        Self::Runs,
        Self::Reads,
        Self::Events,
        Self::EventLinks,
        Self::Ignored,
        Self::Deliveries,
        Self::DeliveryLinks,
        Self::Bodies,
        Self::Replays,
        Self::Facts,
    ];

    /// As it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::Ignored => "ignored",
            Self::Deliveries => "deliveries",
            Self::Runs => "runs",
            Self::Reads => "reads",
            Self::ScanRuns => "scan_runs",
            Self::Scans => "scans",
            Self::Events => "events",
            Self::EventLinks => "event_links",
            Self::DeliveryLinks => "delivery_links",
            Self::Replays => "replays",
            Self::Facts => "facts",
        }
    }
}

/// Types of the events that a scan at the door makes (a choice of colombia.md 1.6: one year).
pub const SCANS: [&str; 2] = ["ticket.checked_in", "ticket.check_in_undone"];

/// Kind of the records that are legal holds: while one is open, nothing about the people it names is removed.
pub const HOLD: &str = "hold";

/// What came of a bite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bite {
    /// Rows that were looked at.
    pub looked: u64,
    /// Things that went: deliveries, runs, events, links, keys.
    pub removed: u64,
    /// Nothing is left of this pass.
    pub done: bool,
}

/// How keeping stands for one kind, from a row of its own and never from the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CareRow {
    /// What.
    pub kept: Kept,
    /// Removed since the database was made.
    pub removed: u64,
    /// When its last pass came to its end.
    pub passed_at: Option<Timestamp>,
    /// The oldest that is there, where that is known by one look.
    pub oldest: Option<Timestamp>,
}

/// How much of the file is used. All 0 where the database is a server's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Space {
    /// Bytes of the file, by its pages.
    pub bytes: u64,
    /// Of these, free: new rows use them first.
    pub free_bytes: u64,
    /// Free space can be given back to the disk while the hub runs.
    pub gives_back: bool,
}

/// What came of a bite of redacting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Redacted {
    /// Rows whose bodies were replaced.
    pub rows: u64,
    /// Where the next bite begins; `None`: nothing is left.
    pub next: Option<i64>,
    /// The person is held: nothing was done.
    pub held: bool,
}

/// Who is redacted.
#[derive(Debug, Clone)]
pub struct Person {
    /// Keyed hash of the person.
    pub subject: i64,
    /// Kinds of read models that tell of one person alone.
    pub personal: Vec<String>,
    /// Kinds of records whose documents go with the person. They are ended by it.
    pub records: Vec<String>,
    /// Kind of records that forbid it: while an open one of it is about the person, nothing is redacted.
    pub held_by: Option<String>,
}

/// What a store does to take care of itself.
pub trait Care: Send + Sync + 'static {
    /// One bite of a pass over what is finished and older than `before`, but what is about somebody who is held. At most `limit` rows are looked at.
    /// Where a pass stands is kept: the next call goes on, in another process too.
    fn prune(&self, kept: Kept, before: Timestamp, now: Timestamp, limit: u32) -> Fut<'_, Bite>;
    /// How keeping stands, for every kind.
    fn care(&self) -> Fut<'_, Vec<CareRow>>;
    /// Is it this node's turn to take care, for the next `millis` at least? One node at a time.
    fn care_turn(&self, millis: u32) -> Fut<'_, bool>;
    /// How much of the file is used.
    fn space(&self) -> Fut<'_, Space>;
    /// Gives at most so many free pages back to the disk.
    fn give_back(&self, pages: u32) -> Fut<'_, ()>;
    /// Deliveries that wait to be decided, and their bytes.
    fn pending(&self) -> Fut<'_, (u64, u64)>;
    /// Bytes free on the disk beside the database; `u64::MAX` where only the server knows.
    fn disk_free(&self) -> u64;

    /// Replaces what is sealed about a person by nothing, from `after` on: bodies of deliveries that name
    /// the person, their events, read models of the personal kinds that those events name, runs,
    /// effects and attempts, and, with the first bite (`after` below 0), records of the kinds named and what the
    /// audit holds of the person. What was open of it is ended and not sent. Links and ids stay. Nothing of somebody who is held.
    fn redact(&self, who: Person, after: i64, limit: u32, now: Timestamp) -> Fut<'_, Redacted>;
    /// Effects that are queued, but for these (connection, action) and those that may be sent twice, become
    /// `unknown` with a code and a reason: a person must say. For a database that was put back from an
    /// earlier moment. Returns how many.
    fn hold_back(&self, but: Vec<(i64, String)>, code: &'static str, why: String) -> Fut<'_, u64>;
    /// Writes a consistent copy into `file`, which must not be there: verified, with its manifest, on disk
    /// whole or not at all.
    fn backup(&self, file: PathBuf, at: Timestamp, progress: Arc<Progress>) -> Fut<'_, Manifest>;
}

/// Rows of effects that one bite removes or redacts at most, whatever their run is.
pub(crate) const EFFECTS: usize = 500;

/// The lowest id that could have been made at a moment.
pub(crate) fn first_id(at: Timestamp) -> i64 {
    IdMaker::new(0, 0).next(at)
}

/// An event's body after its person was redacted: it is read like any other.
pub(crate) const ERASED_EVENT: &[u8] = br#"{"key":"","data":{"erased":true}}"#;
/// Every other JSON after that.
pub(crate) const ERASED: &[u8] = br#"{"erased":true}"#;
/// A run's state after that.
pub(crate) const ERASED_RUN: &[u8] = br#"{"why":"the person was erased"}"#;

/// Read models of these kinds that an event's opened body names.
pub(crate) fn named_in(body: &[u8], personal: &[String]) -> Vec<pasarela_domain::EntityRef> {
    #[derive(serde::Deserialize)]
    struct Body {
        #[serde(default)]
        refs: Vec<pasarela_domain::EntityRef>,
    }
    let refs = serde_json::from_slice::<Body>(body).map(|b| b.refs).unwrap_or_default();
    refs.into_iter().filter(|r| personal.iter().any(|k| **k == *r.kind)).collect()
}
