//! Reading everything, whatever its dates: what was imported with old ones, and what is not there any more.
//!
//! Each object in the order of its ids, live records first, then those in the bin. At the end there is no place to go
//! on from: the next reading begins anew, and whoever compares it with what is known finds what was destroyed.

use super::{PAGE, failed, has_no_such_object};
use crate::twenty::Connection;
use crate::twenty::effects::judge;
use crate::twenty::wire::{Object, Page, Polled};
use pasarela_connector::{Answer, Ctx, Outcome, PollStep, Record, Request, Task, poll};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Once a day: 10,000 people are fifty calls.
pub(super) const TASK: Task = Task {
    name: "everything",
    every: Duration::from_secs(24 * 3600),
    whole: &[
        "person",
        "company",
        "deal",
        "designer",
        "collection",
        "sponsor_tier",
        "show_record",
        "order_record",
        "model_release",
    ],
};

/// How far a reading has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    v: u8,
    /// Number of the object.
    object: usize,
    /// The bin, or what is live?
    bin: bool,
    after: Option<String>,
    /// The server refused its own cursor once, so the list began anew.
    again: bool,
}

impl Place {
    fn object(&self) -> Option<Object> {
        Object::all().nth(self.object)
    }

    /// After the last page of a list: the bin, or the next object.
    fn next(&self) -> Self {
        if self.bin {
            Self { v: 1, object: self.object + 1, ..Self::default() }
        } else {
            Self { v: 1, object: self.object, bin: true, ..Self::default() }
        }
    }

    fn request(&self, on: &Connection, object: Object) -> Request {
        Request::get(on.url(&format!("/rest/{}", object.plural())))
            .query([("limit", PAGE)])
            .query(self.bin.then_some(("filter", "deletedAt[is]:NOT_NULL")))
            .query(self.after.as_ref().map(|after| ("starting_after", after)))
    }

    /// Records, and where to go on; at the end nowhere, so that the next reading begins anew.
    fn page(self, records: Vec<Record>) -> PollStep {
        let more = self.object().is_some();
        PollStep::Page { records, cursor: if more { json!(self) } else { Value::Null }, more }
    }
}

pub(super) fn poll(
    on: &Connection,
    cursor: Option<&Value>,
    answer: Option<(&Value, &Answer)>,
    ctx: &Ctx<'_>,
) -> PollStep {
    let stored = |value: &Value| Place::deserialize(value).ok().filter(|p| p.v == 1 && p.object().is_some());
    let Some((state, answer)) = answer else {
        let place = cursor.and_then(stored).unwrap_or(Place { v: 1, ..Place::default() });
        return match place.object() {
            Some(object) => poll::call(place.request(on, object), json!(place)),
            None => place.page(Vec::new()),
        };
    };
    let Some((place, object)) = stored(state).and_then(|p| Some((p.clone(), p.object()?))) else {
        return failed(Outcome::give_up("invalid_state", "the state of the reading cannot be read by this version"));
    };
    match judge(answer, ctx) {
        None => {}
        Some(Outcome::GiveUp { code, .. }) if code == "invalid_cursor" && place.after.is_some() && !place.again => {
            return Place { after: None, again: true, ..place }.page(Vec::new());
        }
        // No records of it, live or in the bin.
        Some(outcome) if has_no_such_object(object, &outcome) => return place.next().next().page(Vec::new()),
        Some(outcome) => return failed(outcome),
    }
    let unreadable =
        |what: &str| failed(Outcome::give_up("unreadable", format!("a page of {}: {what}", object.plural())));
    let page = match answer.parse::<Page>() {
        Ok(page) => page,
        Err(e) => return unreadable(&e.to_string()),
    };
    let Some(Value::Array(rows)) = page.data.get(object.plural()) else {
        return unreadable("no list of records");
    };
    let records = rows.iter().map(|row| {
        // An import under an old date is news, but whether a record was made since is not to be seen here; what was
        // thrown away before the hub was there is none.
        let polled = Polled {
            object: object.singular().to_owned(),
            created_since: false,
            first_sweep: true,
            record: row.clone(),
        };
        Record { body: serde_json::to_value(polled).unwrap_or_default() }
    });
    let records = records.collect();
    match page.page_info.end_cursor {
        Some(after) if page.page_info.has_next_page => Place { after: Some(after), ..place }.page(records),
        _ => place.next().page(records),
    }
}
