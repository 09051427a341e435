//! What the webhooks missed (contract section 6, point 2; G11).
//!
//! Each webhook is tried once, for three seconds, so polling is no luxury. Five tasks, each a
//! walk whose place is its cursor: a restart goes on where the last stored page ended.
//!
//! - `orders`: by time of creation with overlap, open ones until they close, the last days hourly;
//! - `attendees`: by time of change, per show;
//! - `check_ins`: every list of every running show;
//! - `shows`: shows and their products;
//! - `selling`: what of each running show makes it cheaper, by whose links it sells, who waits for it, what is left, what
//!   it came to; and what this server can do.
//!
//! Promise: a record is whole when it is handed over. Lists leave answers out, so orders are read
//! one by one, but only when their row in the list has changed since it was last read.
//! Not here: pacing; the manifest's limits keep the calls below 120 a minute.

mod attendees;
mod check_ins;
mod orders;
mod selling;
mod shows;
mod traits;

pub(super) use traits::ALL as TRAITS;

use super::{HiEventsConnector, is_id, wire};
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::poll::{self, Polled, cursor as cursor_or_default, page};
use pasarela_connector::{Answer, Outcome, PollStep, Record, Request, sign};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Largest page that the provider gives.
pub(super) const PER_PAGE: usize = 100;
/// Single reads that make up one page of records.
const READS: usize = 10;

pub(super) fn poll(
    connector: &HiEventsConnector,
    task: &str,
    cursor: Option<&Value>,
    answer: Option<(&Value, &Answer)>,
    now: Timestamp,
) -> PollStep {
    poll::step(match task {
        "orders" => orders::poll(connector, cursor, answer, now),
        "attendees" => attendees::poll(connector, cursor, answer, now),
        "check_ins" => check_ins::poll(connector, cursor, answer, now),
        "shows" => shows::poll(connector, cursor, answer, now),
        "selling" => selling::poll(connector, cursor, answer, now),
        other => Err(poll::unknown("hi-events", other)),
    })
}

pub(super) fn organizer(connector: &HiEventsConnector) -> Result<String, Box<Outcome>> {
    connector.organizer().ok_or_else(|| {
        Box::new(Outcome::NeedsHuman {
            why: format!(
                "[connections.{}] set organizer_id: the number of the Hi.Events organiser to reconcile",
                connector.config.name
            ),
        })
    })
}

/// A page of a list.
pub(super) fn list(connector: &HiEventsConnector, path: &str, page: u32, filters: &[(&str, &str)]) -> Request {
    Request::get(connector.url(path))
        .query([("page", page.to_string().as_str()), ("per_page", "100")])
        .query(filters.iter().copied())
}

/// A 2xx answer's body, or what its failure means.
pub(super) fn body<T: DeserializeOwned>(answer: &Answer, now: Timestamp) -> Result<T, Box<Outcome>> {
    if answer.status == 403 {
        return Err(Box::new(Outcome::NeedsHuman {
            why:
                "Hi.Events shows this user nothing of the organiser: check organizer_id, account_id and the user's role"
                    .into(),
        }));
    }
    poll::body(answer, now)
}

pub(super) fn text_id(row: &Value, key: &str) -> Option<String> {
    let id = match row.get(key)? {
        Value::Number(n) => n.to_string(),
        Value::String(s) => s.clone(),
        _ => return None,
    };
    is_id(&id).then_some(id)
}

fn time(row: &Value, key: &str) -> Option<Timestamp> {
    row.get(key)?.as_str()?.parse().ok()
}

fn record(kind: &str, data: Value) -> Record {
    Record { body: json!({ "record": kind, "data": data }) }
}

/// A short name for a row's content, to see whether it has changed.
fn fingerprint(row: &Value) -> String {
    let text = serde_json::to_vec(row).unwrap_or_default();
    sign::sha256(&text).iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// A moment as a filter takes it: the database's own form, UTC without a mark.
fn filter_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// An order that is to be read whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Want {
    order: String,
    show: String,
    /// Fingerprint of what makes the read needed.
    mark: String,
    /// Second of creation of the order, to forget it in time.
    #[serde(default)]
    created: i64,
    /// Tickets whose own state is to be told beside the order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tickets: Vec<String>,
}

/// Where a batch of single reads is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Reading {
    at: usize,
    got: Vec<Value>,
}

fn is_reading(state: &Value) -> bool {
    state.get("at").is_some()
}

/// What a turn of single reads came to.
enum Reads {
    /// One more call.
    Call(PollStep),
    /// The first `done` of the queue were read.
    Page { records: Vec<Record>, done: usize },
}

/// Reads the orders of `queue`, up to [`READS`] a page.
fn read_orders(
    connector: &HiEventsConnector,
    queue: &[Want],
    answer: Option<(&Value, &Answer)>,
    now: Timestamp,
) -> Result<Reads, Box<Outcome>> {
    let mut reading = Reading::default();
    if let Some((state, answer)) = answer {
        reading = Reading::deserialize(state).unwrap_or_default();
        // Deleted since it was listed: nothing to tell.
        if !matches!(answer.status, 404 | 410) {
            let order: wire::Data<Value> = body(answer, now)?;
            for id in queue.get(reading.at).into_iter().flat_map(|want| &want.tickets) {
                reading.got.extend(ticket_of(&order.data, id).map(|t| json!({ "record": "attendee", "data": t })));
            }
            reading.got.push(json!({ "record": "order", "data": order.data }));
        }
        reading.at = reading.at.saturating_add(1);
    }
    match queue.get(reading.at).filter(|_| reading.at < READS) {
        None => {
            let records = reading.got.into_iter().map(|body| Record { body }).collect();
            Ok(Reads::Page { records, done: reading.at.min(queue.len()) })
        }
        Some(want) => {
            let request = Request::get(connector.url(&format!("/events/{}/orders/{}", want.show, want.order)));
            let state = serde_json::to_value(&reading).unwrap_or_default();
            Ok(Reads::Call(PollStep::Call { request, state }))
        }
    }
}

/// A ticket out of a whole order, with its answers as its own webhook has them.
fn ticket_of(order: &Value, id: &str) -> Option<Value> {
    let rows = order.get("attendees")?.as_array()?;
    let mut ticket = rows.iter().find(|a| text_id(a, "id").as_deref() == Some(id))?.clone();
    let answers: Vec<Value> = order
        .get("question_answers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|a| text_id(a, "attendee_id").as_deref() == Some(id))
        .cloned()
        .collect();
    ticket.as_object_mut()?.insert("question_answers".into(), Value::Array(answers));
    Some(ticket)
}

/// The organiser's shows, page by page, before a walk through each of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Shows {
    /// Next page of the list; `None` when all are known.
    page: Option<u32>,
    /// Shows still to walk, the present one first.
    left: Vec<String>,
    /// All that were found.
    found: Vec<String>,
    /// Their currencies, which what is listed of them does not name.
    #[serde(default)]
    currencies: BTreeMap<String, String>,
}

impl Shows {
    fn begin() -> Self {
        Self { page: Some(1), ..Self::default() }
    }

    /// The call for the next page of shows, while there is one.
    fn call(&self, connector: &HiEventsConnector) -> Result<Option<PollStep>, Box<Outcome>> {
        let Some(page) = self.page else {
            return Ok(None);
        };
        let path = format!("/organizers/{}/events", organizer(connector)?);
        let request = list(connector, &path, page, &[]);
        Ok(Some(PollStep::Call { request, state: json!({ "list": "shows" }) }))
    }

    /// Takes a page of shows in. Only those that are running or to come are walked.
    fn take(&mut self, answer: &Answer, now: Timestamp) -> Result<(), Box<Outcome>> {
        let page: wire::Page = body(answer, now)?;
        for row in &page.data {
            let Some(id) = text_id(row, "id") else {
                continue;
            };
            if running(row, now) && !self.found.contains(&id) {
                if let Some(currency) = row.get("currency").and_then(Value::as_str) {
                    self.currencies.insert(id.clone(), currency.to_owned());
                }
                self.left.push(id.clone());
                self.found.push(id);
            }
        }
        let present = self.page.unwrap_or(1);
        self.page = page.more_after(present, PER_PAGE).then(|| present.saturating_add(1));
        Ok(())
    }

    fn currency(&self, show: &str) -> Option<&str> {
        self.currencies.get(show).map(String::as_str)
    }

    fn present(&self) -> Option<&str> {
        self.left.first().map(String::as_str)
    }

    fn next(&mut self) {
        if !self.left.is_empty() {
            self.left.remove(0);
        }
    }

    fn done(&self) -> bool {
        self.page.is_none() && self.left.is_empty()
    }
}

/// Not archived, and over for no longer than a week: nothing changes in an older one but by hand.
pub(super) fn running(row: &Value, now: Timestamp) -> bool {
    let archived = row.get("status").and_then(Value::as_str) == Some("ARCHIVED");
    let over = time(row, "end_date").is_some_and(|end| now.duration_since(end) > SignedDuration::from_hours(7 * 24));
    !archived && !over
}
