//! Tickets by time of change, per show: what was edited, cancelled, reactivated or rotated.
//!
//! The provider sends nothing for most of these. A ticket that never changed since it was made is
//! left to its order, which brings it. The list leaves answers out, so the order is read, and tells
//! both the ticket and itself: its read model holds the ticket too.

use super::{
    PER_PAGE, Polled, Reads, Shows, Want, body, cursor_or_default, is_reading, list, page, read_orders, text_id, time,
};
use crate::hi_events::{HiEventsConnector, wire};
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::{Answer, PollStep};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Changes are written in transactions that may show late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Cursor {
    /// By show: the newest change that was read.
    #[serde(default)]
    newest: BTreeMap<String, Timestamp>,
    /// By ticket: the change that was read last, as long as the overlap shows it again.
    #[serde(default)]
    seen: BTreeMap<String, Timestamp>,
    #[serde(default)]
    walk: Option<Walk>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Walk {
    shows: Shows,
    /// Page of the present show; 0 when its list has been read.
    page: u32,
    /// Newest change of the present show.
    newest: Option<Timestamp>,
    /// Changes that the queue will have read.
    #[serde(default)]
    marks: BTreeMap<String, Timestamp>,
    #[serde(default)]
    queue: Vec<Want>,
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
        page: 1,
        newest: None,
        marks: BTreeMap::new(),
        queue: Vec::new(),
    });
    if let Some((_, answer)) = answer.filter(|(state, _)| !is_reading(state)) {
        if walk.shows.page.is_some() {
            walk.shows.take(answer, now)?;
        } else if answer.status == 404 {
            // The show is gone since it was listed.
            walk.page = 0;
        } else {
            take(&cursor, &mut walk, &body(answer, now)?);
        }
        return go_on(cursor, walk, Vec::new());
    }
    if !walk.queue.is_empty() {
        return match read_orders(connector, &walk.queue, answer, now)? {
            Reads::Call(call) => Ok(call),
            Reads::Page { records, done } => {
                for want in walk.queue.drain(..done) {
                    for ticket in want.tickets {
                        if let Some(at) = walk.marks.remove(&ticket) {
                            cursor.seen.insert(ticket, at);
                        }
                    }
                }
                go_on(cursor, walk, records)
            }
        };
    }
    if let Some(call) = walk.shows.call(connector)? {
        return Ok(call);
    }
    let Some(show) = walk.shows.present() else {
        return go_on(cursor, walk, Vec::new());
    };
    let path = format!("/events/{show}/attendees");
    let request = list(connector, &path, walk.page.max(1), &[("sort_by", "updated_at"), ("sort_direction", "desc")]);
    Ok(PollStep::Call { request, state: json!({ "list": "attendees" }) })
}

/// Stores the place; moves to the next show when the present one is read, ends after the last.
fn go_on(mut cursor: Cursor, mut walk: Walk, records: Vec<pasarela_connector::Record>) -> Polled {
    if walk.page == 0 && walk.queue.is_empty() {
        if let (Some(show), Some(newest)) = (walk.shows.present(), walk.newest) {
            cursor.newest.insert(show.to_owned(), newest);
        }
        walk.shows.next();
        walk.page = 1;
        walk.newest = None;
        walk.marks.clear();
    }
    let more = !walk.shows.done();
    if more {
        cursor.walk = Some(walk);
    } else {
        cursor.newest.retain(|show, _| walk.shows.found.contains(show));
        // Each show keeps its own overlap; the oldest of them decides what may be forgotten.
        let oldest = cursor.newest.values().min().and_then(|at| at.checked_sub(OVERLAP).ok());
        cursor.seen.retain(|_, at| oldest.is_some_and(|oldest| *at >= oldest));
    }
    page(records, &cursor, more)
}

fn take(cursor: &Cursor, walk: &mut Walk, rows: &wire::Page) {
    let show = walk.shows.present().unwrap_or_default().to_owned();
    let until = cursor.newest.get(&show).and_then(|at| at.checked_sub(OVERLAP).ok());
    let mut reached = false;
    for row in &rows.data {
        let (Some(ticket), Some(order), Some(changed)) =
            (text_id(row, "id"), text_id(row, "order_id"), time(row, "updated_at"))
        else {
            continue;
        };
        if until.is_some_and(|until| changed < until) {
            reached = true;
            break;
        }
        walk.newest = walk.newest.max(Some(changed));
        let untouched = time(row, "created_at").is_some_and(|created| created >= changed);
        if untouched || cursor.seen.get(&ticket) == Some(&changed) {
            continue;
        }
        walk.marks.insert(ticket.clone(), changed);
        match walk.queue.iter_mut().find(|w| w.order == order) {
            Some(want) if !want.tickets.contains(&ticket) => want.tickets.push(ticket),
            Some(_) => {}
            None => walk.queue.push(Want {
                order,
                show: show.clone(),
                mark: String::new(),
                created: 0,
                tickets: vec![ticket],
            }),
        }
    }
    let more = !reached && rows.more_after(walk.page, PER_PAGE);
    walk.page = if more { walk.page.saturating_add(1) } else { 0 };
}
