//! Records: sealed documents of the hub's own business, beside what connections tell. Requests of people
//! and their clocks, incidents, legal holds, versions of texts lie here. What is in one is its writer's to
//! know; the store knows its kind and id, whether it is open, when something is due, and whom it is about.
//!
//! A write names the version that it was made from, and is refused as stale when another came first, on
//! whichever node: nothing that a person decided is overwritten by somebody who did not see it.

use crate::contract::{Fut, Page};
use crate::page::{PAGE_BYTES, page};
use crate::seal::Sealed;
use jiff::Timestamp;

/// A record to write.
#[derive(Debug, Clone)]
pub struct RecordWrite {
    /// What it is, as `case`: names of its writers, never of people.
    pub kind: String,
    /// Which one; unique within its kind.
    pub id: String,
    /// Version that was read; 0 for one that is not there yet. Another version now: [`Recorded::Stale`].
    pub expected: i64,
    /// When something of it is due. Only of an open record is it looked for.
    pub due: Option<Timestamp>,
    /// Is anything of it still to be done? What is not open goes after its time, and never before.
    pub open: bool,
    /// Keyed hashes of the people it is about: e-mail and phone are two.
    pub subjects: Vec<i64>,
    /// When it is written: time of change, and of making when it is new.
    pub at: Timestamp,
    /// The document, sealed JSON.
    pub data: Sealed,
}

/// Another record that must still be as it was read: what is decided by several records is guarded by one that each
/// such decision raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordGuard {
    /// Its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Version that was read. It is raised by one with the write, and perhaps where the write is stale.
    pub version: i64,
}

/// Result of [`Records::keep_record`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Written; its version now.
    Done(i64),
    /// Another version is there, or none; nothing was written. Read again and decide again.
    Stale,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRow {
    /// Place among all records, in the order in which they were made: the cursor of lists.
    pub number: i64,
    /// Kind.
    pub kind: String,
    /// Id within its kind.
    pub id: String,
    /// Version, from 1.
    pub version: i64,
    /// When something of it is due.
    pub due: Option<Timestamp>,
    /// Is anything of it still to be done?
    pub open: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// The document, opened.
    pub data: Vec<u8>,
}

/// Which records, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordOrder {
    /// All of the kind, the newest first.
    Newest,
    /// Those that are open, the newest first.
    Open,
    /// Those about a person, by the keyed hash, the newest first.
    About(i64),
    /// Open ones of which something is due by then, the earliest first. One page, without a cursor.
    Due(Timestamp),
    /// Those that are not open and did not change since, the longest untouched first: behind that time of change and
    /// that number, if one is named. There are more when the page has a cursor; its last row says behind what.
    Closed(Timestamp, Option<(Timestamp, i64)>),
}

/// What a list of records asks for.
#[derive(Debug, Clone)]
pub struct RecordFilter {
    /// Kind.
    pub kind: String,
    /// Which, and how they are ordered.
    pub order: RecordOrder,
    /// Only below this number, where there is a cursor.
    pub before: Option<i64>,
    /// At most. Large documents end a page before.
    pub limit: u32,
}

impl RecordFilter {
    /// The first page.
    #[must_use]
    pub fn first(kind: &str, order: RecordOrder, limit: u32) -> Self {
        Self { kind: kind.to_owned(), order, before: None, limit }
    }
}

/// A database that keeps records.
pub trait Records: Send + Sync + 'static {
    /// Writes a record. Answers after the commit.
    fn keep_record(&self, record: RecordWrite) -> Fut<'_, Recorded>;
    /// The same for a record that is there, where the guard still has its version too: else nothing of it is written.
    fn keep_record_under(&self, record: RecordWrite, guard: RecordGuard) -> Fut<'_, Recorded>;
    /// Writes records over whatever is there, each of another name, in one commit: for what follows from something else,
    /// and is the same whoever writes it. What `expected` says counts for nothing. What is not open and not there is not
    /// made.
    fn keep_records(&self, records: Vec<RecordWrite>) -> Fut<'_, ()>;
    /// One record.
    fn record(&self, kind: &str, id: &str) -> Fut<'_, Option<RecordRow>>;
    /// A page of records of a kind.
    fn records(&self, filter: RecordFilter) -> Fut<'_, Page<RecordRow>>;
    /// Removes the version of a record that was read; `false`: it has another one, or is not there.
    fn drop_record(&self, kind: &str, id: &str, version: i64) -> Fut<'_, bool>;
}

/// Cuts rows, one more than asked for, into a page bounded by bytes; a cursor only where the order has one.
pub(crate) fn record_page(rows: Vec<RecordRow>, filter: &RecordFilter) -> Page<RecordRow> {
    let mut bytes = 0;
    let fitting = rows.iter().take_while(|row| {
        let fits = bytes <= PAGE_BYTES;
        bytes += row.data.len();
        fits
    });
    let limit = u32::try_from(fitting.count()).unwrap_or(u32::MAX).min(filter.limit);
    let mut page = page(rows, limit, |row| row.number);
    if matches!(filter.order, RecordOrder::Due(_)) {
        page.next = None;
    }
    page
}
