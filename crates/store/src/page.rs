//! Pages of lists, bounded by rows and by bytes.

use crate::contract::Page;

/// Bytes of bodies after which a page ends before its limit: a page of large bodies would hold its
/// snapshot, and the write-ahead log, for long, and fill the memory.
pub(crate) const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Cuts a list that was read with one row too many into a page.
pub(crate) fn page<T>(mut rows: Vec<T>, limit: u32, id: impl Fn(&T) -> i64) -> Page<T> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = if more { rows.last().map(id) } else { None };
    Page { rows, next }
}
