//! Orders: new ones by time of creation, open ones until they close, the last days hourly.
//!
//! Orders have no time of change, so changes are found by looking again: what a row of the list
//! shows is remembered as a fingerprint, and only a changed row is read whole. A cart is created
//! minutes before it is completed, so the walk begins well before the newest order seen.
//! An edited answer does not even change the row, and raises no webhook: each order of the last days is read whole
//! once a day, some of them with each look.
//! Not found: changes to an old, closed order after the last days (a late refund), if its webhook
//! is lost.

use super::{
    PER_PAGE, Polled, Reads, Want, body, cursor_or_default, filter_time, fingerprint, is_reading, list, organizer,
    page, read_orders, text_id, time,
};
use crate::hi_events::{HiEventsConnector, wire};
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::{Answer, PollStep};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A cart may live so long before it becomes an order.
const OVERLAP: SignedDuration = SignedDuration::from_hours(2);
/// The last days are looked at again this often; the connection's settings say how many they are.
const RECENT_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// An order of the last days is read whole this often, whatever its row shows.
const WHOLE_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// So many of them with one look at the last days.
const WHOLE_AT_ONCE: usize = 300;
/// Fingerprints kept; beyond them the oldest orders are read again.
const REMEMBERED: usize = 5_000;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Cursor {
    /// Creation of the newest order of a finished walk.
    newest: Option<Timestamp>,
    /// When the last days were looked at.
    recent_at: Option<Timestamp>,
    /// By order: second of creation, fingerprint of its row when it was read.
    #[serde(default)]
    seen: BTreeMap<String, (i64, String)>,
    /// By order: second of its last whole read.
    #[serde(default)]
    read: BTreeMap<String, i64>,
    /// Open orders, with their show.
    #[serde(default)]
    open: BTreeMap<String, String>,
    #[serde(default)]
    walk: Option<Walk>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Walk {
    phase: Phase,
    page: u32,
    since: Option<Timestamp>,
    /// Does this walk cover the last days?
    recent: bool,
    newest: Option<Timestamp>,
    /// Orders that this walk reads though their row has not changed.
    #[serde(default)]
    again: usize,
    /// Open orders found in this walk.
    #[serde(default)]
    still_open: BTreeMap<String, String>,
    #[serde(default)]
    queue: Vec<Want>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    Created,
    Unpaid,
    Refunding,
    /// Reads what was open and is no longer listed as such.
    Closing,
}

pub(super) fn poll(
    connector: &HiEventsConnector,
    cursor: Option<&Value>,
    answer: Option<(&Value, &Answer)>,
    now: Timestamp,
) -> Polled {
    let organizer = organizer(connector)?;
    let mut cursor: Cursor = cursor_or_default(cursor);
    let mut walk = cursor.walk.take().unwrap_or_else(|| begin(&cursor, connector.recent(), now));

    if let Some((_, answer)) = answer.filter(|(state, _)| !is_reading(state)) {
        take(&mut cursor, &mut walk, &body(answer, now)?, now);
        cursor.walk = Some(walk);
        return page(Vec::new(), &cursor, true);
    }
    if !walk.queue.is_empty() {
        return match read_orders(connector, &walk.queue, answer, now)? {
            Reads::Call(call) => Ok(call),
            Reads::Page { records, done } => {
                for want in walk.queue.drain(..done) {
                    cursor.read.insert(want.order.clone(), now.as_second());
                    // A changed order that was read as open because it left the list has no row to remember.
                    if !want.mark.is_empty() {
                        cursor.seen.insert(want.order, (want.created, want.mark));
                    }
                }
                cursor.walk = Some(walk);
                page(records, &cursor, true)
            }
        };
    }
    let path = format!("/organizers/{organizer}/orders");
    let since = walk.since.map(filter_time);
    let mut filters = vec![("sort_by", "created_at"), ("sort_direction", "asc")];
    match walk.phase {
        Phase::Created => filters.extend(since.as_deref().map(|since| ("filter_fields[created_at][gte]", since))),
        Phase::Unpaid => filters.push(("filter_fields[status][eq]", "AWAITING_OFFLINE_PAYMENT")),
        Phase::Refunding => filters.push(("filter_fields[refund_status][eq]", "REFUND_PENDING")),
        Phase::Closing => return finish(cursor, walk, connector.recent(), now),
    }
    let request = list(connector, &path, walk.page, &filters);
    Ok(PollStep::Call { request, state: json!({ "list": walk.phase }) })
}

fn begin(cursor: &Cursor, last_days: SignedDuration, now: Timestamp) -> Walk {
    let back = |at: Timestamp, by| at.checked_sub(by).unwrap_or(Timestamp::UNIX_EPOCH);
    let recent = cursor.recent_at.is_none_or(|at| now.duration_since(at) >= RECENT_EVERY);
    let since = cursor.newest.map(|newest| {
        let since = back(newest, OVERLAP);
        if recent { since.min(back(now, last_days)) } else { since }
    });
    Walk {
        phase: Phase::Created,
        page: 1,
        since,
        recent,
        newest: cursor.newest,
        again: 0,
        still_open: BTreeMap::new(),
        queue: Vec::new(),
    }
}

/// Takes a page of rows in: what has changed is queued for reading.
fn take(cursor: &mut Cursor, walk: &mut Walk, rows: &wire::Page, now: Timestamp) {
    for row in &rows.data {
        let (Some(order), Some(show)) = (text_id(row, "id"), text_id(row, "event_id")) else {
            continue;
        };
        let created = time(row, "created_at");
        if walk.phase == Phase::Created {
            walk.newest = walk.newest.max(created);
        }
        let status = |key: &str, value: &str| row.get(key).and_then(Value::as_str) == Some(value);
        if status("status", "AWAITING_OFFLINE_PAYMENT") || status("refund_status", "REFUND_PENDING") {
            walk.still_open.insert(order.clone(), show.clone());
        }
        let mut row = row.clone();
        // Only lists have it, and it is no part of an order as the hub knows it.
        row.as_object_mut().map(|o| o.shift_remove("latest_invoice"));
        let mark = fingerprint(&row);
        let known = cursor.seen.get(&order).is_some_and(|(_, seen)| *seen == mark);
        let read = cursor.read.get(&order).copied().unwrap_or_default();
        let stale = walk.recent && now.as_second().saturating_sub(read) >= WHOLE_EVERY.as_secs();
        let again = known && stale && walk.again < WHOLE_AT_ONCE;
        walk.again += usize::from(again);
        if (!known || again) && !walk.queue.iter().any(|w| w.order == order) {
            let created = created.map_or(0, Timestamp::as_second);
            walk.queue.push(Want { order, show, mark, created, tickets: Vec::new() });
        }
    }
    if rows.more_after(walk.page, PER_PAGE) {
        walk.page = walk.page.saturating_add(1);
        return;
    }
    walk.page = 1;
    walk.phase = match walk.phase {
        Phase::Created => Phase::Unpaid,
        Phase::Unpaid => Phase::Refunding,
        Phase::Refunding | Phase::Closing => Phase::Closing,
    };
    if walk.phase == Phase::Closing {
        for (order, show) in std::mem::take(&mut cursor.open) {
            let queued = walk.queue.iter().any(|w| w.order == order);
            if !walk.still_open.contains_key(&order) && !queued {
                walk.queue.push(Want { order, show, mark: String::new(), created: 0, tickets: Vec::new() });
            }
        }
        cursor.open.clone_from(&walk.still_open);
    }
}

fn finish(mut cursor: Cursor, walk: Walk, last_days: SignedDuration, now: Timestamp) -> Polled {
    cursor.newest = walk.newest;
    if walk.recent {
        cursor.recent_at = Some(now);
    }
    // What no walk lists any more need not be remembered; open orders are listed at any age.
    let oldest = now.checked_sub(last_days + OVERLAP).map_or(0, Timestamp::as_second);
    let open = &cursor.open;
    let newest = cursor.newest.and_then(|n| n.checked_sub(OVERLAP + OVERLAP).ok()).map_or(0, Timestamp::as_second);
    cursor.seen.retain(|order, (created, _)| *created >= oldest.min(newest) || open.contains_key(order));
    if cursor.seen.len() > REMEMBERED {
        let mut ages: Vec<i64> = cursor.seen.values().map(|(created, _)| *created).collect();
        ages.sort_unstable_by(|a, b| b.cmp(a));
        let limit = ages.get(REMEMBERED - 1).copied().unwrap_or(i64::MIN);
        cursor.seen.retain(|_, (created, _)| *created >= limit);
    }
    let known = &cursor.seen;
    cursor.read.retain(|order, _| known.contains_key(order));
    page(Vec::new(), &cursor, false)
}
