//! Check-ins: every list of every running show, walked whole (contract section 2.6).
//!
//! A check-in does not change its ticket's time, and lists give their rows in no fixed order: only
//! walking finds it. What each list showed is remembered, so that a new scan is told, a scan that
//! was undone is told, and a known one costs nothing. The lists themselves are told as they stand, without what opens them. A row that a walk did not show is not judged.
//! Not found: scans of the minutes before a list's end whose webhook was lost, as the provider
//! closes the list to everyone.

use super::{PER_PAGE, Polled, Shows, body, cursor_or_default, list, page, text_id};
use crate::hi_events::{HiEventsConnector, wire};
use jiff::Timestamp;
use pasarela_connector::{Answer, PollStep, Record};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// By ticket: id and time of the check-in.
type Known = BTreeMap<String, (String, Option<String>)>;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Cursor {
    /// By list: what it showed.
    #[serde(default)]
    known: BTreeMap<String, Known>,
    #[serde(default)]
    walk: Option<Walk>,
    /// Were known scans told since scans are kept? Once all of them are, as an earlier version only told of them.
    #[serde(default)]
    kept: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Walk {
    shows: Shows,
    /// Page of the present show's lists; 0 when they are known.
    lists_page: u32,
    /// Lists still to walk: id and short id.
    lists: Vec<(String, String)>,
    page: u32,
    /// Lists found in this walk.
    #[serde(default)]
    found: Vec<String>,
}

pub(super) fn poll(
    connector: &HiEventsConnector,
    cursor: Option<&Value>,
    answer: Option<(&Value, &Answer)>,
    now: Timestamp,
) -> Polled {
    let mut cursor: Cursor = cursor_or_default(cursor);
    let mut walk = cursor.walk.take().unwrap_or_else(|| Walk {
        shows: Shows::begin(),
        lists_page: 1,
        lists: Vec::new(),
        page: 1,
        found: Vec::new(),
    });
    let Some((_, answer)) = answer else {
        if let Some(call) = walk.shows.call(connector)? {
            return Ok(call);
        }
        let Some(show) = walk.shows.present() else {
            return go_on(cursor, walk, Vec::new());
        };
        let (path, at) = match walk.lists.first() {
            Some((_, short)) => (format!("/public/check-in-lists/{short}/attendees"), walk.page),
            None => (format!("/events/{show}/check-in-lists"), walk.lists_page),
        };
        let state = json!({ "list": "check_ins" });
        return Ok(PollStep::Call { request: list(connector, &path, at, &[]), state });
    };
    let mut records = Vec::new();
    if walk.shows.page.is_some() {
        walk.shows.take(answer, now)?;
    } else if let Some((id, _)) = walk.lists.first().cloned() {
        // Not open yet, closed, or gone since it was listed.
        if matches!(answer.status, 403 | 404) {
            next_list(&mut walk);
        } else {
            let rows: wire::Page = body(answer, now)?;
            let show = walk.shows.present().unwrap_or_default();
            let known = cursor.known.entry(id.clone()).or_default();
            let again = !cursor.kept;
            records = rows.data.iter().flat_map(|row| compare(known, row, &id, show, again)).collect();
            if rows.more_after(walk.page, PER_PAGE) {
                walk.page = walk.page.saturating_add(1);
            } else {
                next_list(&mut walk);
            }
        }
    } else if answer.status == 404 {
        walk.lists_page = 0;
    } else {
        records = take_lists(&mut walk, body(answer, now)?);
    }
    go_on(cursor, walk, records)
}

fn next_list(walk: &mut Walk) {
    if !walk.lists.is_empty() {
        walk.lists.remove(0);
    }
    walk.page = 1;
}

/// The lists that are walked, and each as it stands.
fn take_lists(walk: &mut Walk, rows: wire::Page) -> Vec<Record> {
    for row in &rows.data {
        let Some(id) = text_id(row, "id") else {
            continue;
        };
        let Some(short) = row.get("short_id").and_then(Value::as_str).filter(|s| plain(s)) else {
            continue;
        };
        let closed = row.get("is_expired").and_then(Value::as_bool).unwrap_or(false)
            || row.get("is_active").and_then(Value::as_bool) == Some(false);
        walk.found.push(id.clone());
        if !closed {
            walk.lists.push((id, short.to_owned()));
        }
    }
    walk.lists_page = if rows.more_after(walk.lists_page, PER_PAGE) { walk.lists_page.saturating_add(1) } else { 0 };
    let show = walk.shows.present().unwrap_or_default().to_owned();
    let stands = |mut row: Value| {
        // Whoever has it checks people in: it is written down nowhere.
        row.as_object_mut().map(|r| r.shift_remove("short_id"));
        Record { body: json!({ "record": "door_list", "show": show, "data": row }) }
    };
    rows.data.into_iter().map(stands).collect()
}

/// Goes into a path.
fn plain(short_id: &str) -> bool {
    (1..=60).contains(&short_id.len()) && short_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn go_on(mut cursor: Cursor, mut walk: Walk, records: Vec<Record>) -> Polled {
    // Lists are walked between two of their pages only when there are several pages of lists.
    if walk.lists_page == 0 && walk.lists.is_empty() {
        walk.shows.next();
        walk.lists_page = 1;
    }
    let more = !walk.shows.done();
    if more {
        cursor.walk = Some(walk);
    } else {
        cursor.known.retain(|list, _| walk.found.contains(list));
        cursor.kept = true;
    }
    page(records, &cursor, more)
}

/// What a row tells beyond what is known; `again`: and what of it is known.
fn compare(known: &mut Known, row: &Value, list: &str, show: &str, again: bool) -> Vec<Record> {
    let Some(ticket) = text_id(row, "id") else {
        return Vec::new();
    };
    let scan = row.get("check_in").filter(|c| c.is_object());
    let present = scan.and_then(|c| text_id(c, "id"));
    let before = known.get(&ticket).cloned();
    let same = before.as_ref().map(|(id, _)| id) == present.as_ref();
    if same && (!again || present.is_none()) {
        return Vec::new();
    }
    let mut attendee = row.clone();
    attendee.as_object_mut().map(|a| a.shift_remove("check_in"));
    let data = |id: &str, at: Option<&str>| json!({ "id": id, "check_in_list_id": list, "event_id": show, "checked_in_at": at, "attendee": attendee });
    let mut records = Vec::new();
    if let Some((id, at)) = before.filter(|_| !same) {
        let data = data(&id, at.as_deref());
        records.push(Record { body: json!({ "record": "check_in", "undone": true, "data": data }) });
        known.remove(&ticket);
    }
    if let Some(id) = present {
        let at = scan.and_then(|c| c.get("checked_in_at")).and_then(Value::as_str);
        records.push(super::record("check_in", data(&id, at)));
        known.insert(ticket, (id, at.map(str::to_owned)));
    }
    records
}
