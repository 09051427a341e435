//! Reading what changed: by `updatedAt`, live records first, then those in the bin (contract 2.2).
//!
//! Promise: what a lost webhook would have told is read at the next sweep. Each sweep begins a little
//! before the last one's end, because a slow transaction can show an earlier time later on; records
//! that were read before are left out.
//! What it is not: destroyed records leave no trace, and records imported with old dates pass below
//! the mark; both are found by the task that reads everything once a day (`whole`).

mod whole;

use super::effects::{NOT_PROVISIONED, is_missing, judge};
use super::wire::{Common, Gone, Object, Page, Polled};
use super::{Connection, SWEEP};
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::{Answer, Ctx, Outcome, PollStep, Record, Request, Task, poll};
use pasarela_domain::EntityRef;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Records of the model are read less often than people, companies and deals: few hands change them.
const MODEL_SWEEP: Duration = Duration::from_secs(900);

/// What is read: changes of each object, and everything once a day.
pub(super) fn tasks() -> Vec<Task> {
    let changes = Object::all().map(|object| {
        let every = if matches!(object, Object::Made(_)) { MODEL_SWEEP } else { SWEEP };
        Task { name: object.task(), every, whole: object.entities() }
    });
    changes.chain([whole::TASK]).collect()
}

/// A workspace that was not provisioned has none of the model's objects, and nothing of them to read.
fn has_no_such_object(object: Object, outcome: &Outcome) -> bool {
    matches!(object, Object::Made(_)) && matches!(outcome, Outcome::Withheld { rule, .. } if rule == NOT_PROVISIONED)
}

/// Rows of a page: more are cut by the server.
const PAGE: &str = "200";

/// Longest time that a write may stay invisible after its `updatedAt`.
const OVERLAP: SignedDuration = SignedDuration::from_secs(10);

/// After this time nothing can still appear below the mark, and the next sweep begins at the mark.
const SETTLED: SignedDuration = SignedDuration::from_secs(60);

/// Records of the overlap that are remembered; beyond, they are told again, which does no harm.
const REMEMBERED: usize = 400;

/// Which half of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Pass {
    #[default]
    Live,
    Deleted,
}

/// How far a task has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Cursor {
    v: u8,
    /// Newest `updatedAt` of the sweeps before; `None` at the first.
    mark: Option<Timestamp>,
    /// Was the mark old when the last sweep ended?
    settled: bool,
    /// Newest `updatedAt` of this sweep.
    newest: Option<Timestamp>,
    pass: Pass,
    /// Twenty's own cursor, good only for the same filter and order.
    after: Option<String>,
    /// The server refused its own cursor once, so the pass began anew.
    again: bool,
    /// Records of the last sweep's overlap.
    seen: BTreeSet<String>,
    /// Records of this sweep, for the next one.
    read: BTreeSet<String>,
}

impl Cursor {
    /// Where this sweep begins.
    fn since(&self) -> Option<Timestamp> {
        let overlap = if self.settled { SignedDuration::ZERO } else { OVERLAP };
        self.mark.map(|mark| mark.checked_sub(overlap).unwrap_or(mark))
    }

    fn request(&self, on: &Connection, object: Object) -> Request {
        let since = self.since().map(|at| format!("updatedAt[gte]:\"{at:.3}\""));
        let filter = match (since, self.pass) {
            (None, Pass::Live) => None,
            (Some(since), Pass::Live) => Some(since),
            (None, Pass::Deleted) => Some("deletedAt[is]:NOT_NULL".to_owned()),
            (Some(since), Pass::Deleted) => Some(format!("and({since},deletedAt[is]:NOT_NULL)")),
        };
        let request = Request::get(on.url(&format!("/rest/{}", object.plural())))
            .query([("limit", PAGE), ("order_by", "updatedAt[AscNullsFirst]")])
            .query(filter.map(|f| ("filter", f)));
        request.query(self.after.as_ref().map(|after| ("starting_after", after)))
    }

    /// After the last page of a pass: the other pass, or the end of the sweep. A cursor of the one is
    /// refused by the other.
    fn next_pass(self, now: Timestamp) -> (Self, bool) {
        if self.pass == Pass::Live {
            return (Self { pass: Pass::Deleted, after: None, again: false, ..self }, true);
        }
        // A record may claim a time to come; a mark in the future would pass over everything until then.
        let mark = self.newest.max(self.mark).map(|at| at.min(now));
        let settled = mark.is_some_and(|at| now.duration_since(at) > SETTLED);
        let next = Self { v: 1, mark, settled, ..Self::default() };
        let from = next.since().map(|at| format!("{at:.3}"));
        let keeps = |entry: &String| from.as_ref().is_none_or(|from| entry.as_str() >= from.as_str());
        let seen = self.read.into_iter().rev().filter(keeps).take(REMEMBERED).collect();
        (Self { seen, ..next }, false)
    }
}

pub(super) fn poll(
    on: &Connection,
    task: &str,
    cursor: Option<&Value>,
    answer: Option<(&Value, &Answer)>,
    ctx: &Ctx<'_>,
) -> PollStep {
    if task == whole::TASK.name {
        return whole::poll(on, cursor, answer, ctx);
    }
    let Some(object) = Object::of_task(task) else {
        return failed(*poll::unknown("twenty", task));
    };
    // A cursor that this version cannot read means to read all of it: what is known is a duplicate.
    let stored = |value: &Value| Cursor::deserialize(value).ok().filter(|c| c.v == 1);
    let Some((state, answer)) = answer else {
        let cursor = cursor.and_then(stored).unwrap_or(Cursor { v: 1, ..Cursor::default() });
        let request = cursor.request(on, object);
        return poll::call(request, json!(cursor));
    };
    let Some(cursor) = stored(state) else {
        return failed(Outcome::give_up("invalid_state", "the state of the sweep cannot be read by this version"));
    };
    match judge(answer, ctx) {
        None => page(object, cursor, answer, ctx.now),
        Some(Outcome::GiveUp { code, .. }) if code == "invalid_cursor" && cursor.after.is_some() && !cursor.again => {
            let cursor = Cursor { after: None, again: true, ..cursor };
            PollStep::Page { records: Vec::new(), cursor: json!(cursor), more: true }
        }
        Some(outcome) if has_no_such_object(object, &outcome) => {
            PollStep::Page { records: Vec::new(), cursor: json!(Cursor { v: 1, ..Cursor::default() }), more: false }
        }
        Some(outcome) => failed(outcome),
    }
}

fn page(object: Object, mut cursor: Cursor, answer: &Answer, now: Timestamp) -> PollStep {
    let unreadable =
        |what: &str| failed(Outcome::give_up("unreadable", format!("a page of {}: {what}", object.plural())));
    let page = match answer.parse::<Page>() {
        Ok(page) => page,
        Err(e) => return unreadable(&e.to_string()),
    };
    let Some(Value::Array(rows)) = page.data.get(object.plural()) else {
        return unreadable("no list of records");
    };
    let since = cursor.since();
    let mut records = Vec::new();
    for row in rows {
        // A row that cannot be read goes on as it is: `translate` quarantines it alone.
        let common = Common::deserialize(row).ok();
        let updated_at = common.as_ref().and_then(|c| c.updated_at);
        if let (Some(at), Some(common)) = (updated_at, &common) {
            cursor.newest = cursor.newest.max(Some(at));
            // Time first, so that the newest sort last.
            let entry = format!("{at:.3} {}", common.id);
            let known = cursor.seen.contains(&entry);
            let again = !cursor.read.insert(entry);
            while cursor.read.len() > REMEMBERED {
                cursor.read.pop_first();
            }
            if known || again {
                continue;
            }
        }
        let created_since = since.is_some_and(|since| common.and_then(|c| c.created_at).is_some_and(|at| at >= since));
        let polled = Polled {
            object: object.singular().to_owned(),
            created_since,
            first_sweep: since.is_none(),
            record: row.clone(),
        };
        records.push(Record { body: serde_json::to_value(polled).unwrap_or_default() });
    }
    let (cursor, more) = match page.page_info.end_cursor {
        Some(after) if page.page_info.has_next_page => (Cursor { after: Some(after), ..cursor }, true),
        _ => cursor.next_pass(now),
    };
    poll::step(poll::page(records, &cursor, more))
}

/// A record that Twenty does not find by its id. One in the bin is not found either, but a reading of everything has
/// shown it.
pub(super) fn gone(entity: &EntityRef, answer: &Answer, ctx: &Ctx<'_>) -> Option<Record> {
    let object = Object::of_entity(&entity.kind).filter(|_| is_missing(answer))?;
    let gone = Gone { object: object.singular().to_owned(), gone: entity.id.clone(), at: ctx.now };
    Some(Record { body: serde_json::to_value(gone).ok()? })
}

fn failed(outcome: Outcome) -> PollStep {
    PollStep::Failed(outcome)
}
