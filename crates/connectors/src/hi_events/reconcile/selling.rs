//! How shows sell: promo codes, affiliates, shared capacities, waitlists and the provider's own count, of every running
//! show; and what this server can do, which its answers tell.
//!
//! None of it has a webhook or a time of change, and all of it is small: five calls a show, and one of the organiser's
//! webhooks. It becomes read models and no events, since each sale changes it. Whoever was waiting and is not listed any
//! more does not wait.

use super::traits::{self, AFFILIATES, ORGANIZER_WEBHOOKS, SEVERAL_DATES, WAITLIST};
use super::{PER_PAGE, Polled, Shows, body, cursor_or_default, list, organizer, page, text_id};
use crate::hi_events::{HiEventsConnector, wire};
use jiff::Timestamp;
use pasarela_connector::{Answer, PollStep, Record, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Lists of a show, with the kind of their rows, and the trait of servers that have it.
const LISTS: [(&str, &str, Option<&str>); 4] = [
    ("promo-codes", "promo_code", None),
    ("affiliates", "affiliate", Some(AFFILIATES)),
    ("capacity-assignments", "capacity", None),
    ("waitlist", "waitlist_entry", Some(WAITLIST)),
];

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Cursor {
    #[serde(default)]
    walk: Option<Walk>,
    /// By show: who was on its waitlist.
    #[serde(default)]
    listed: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Walk {
    shows: Shows,
    /// Were the organiser's webhooks asked for in this walk?
    #[serde(default)]
    hooks: bool,
    /// Which list of the present show; behind the last one, its count.
    list: usize,
    page: u32,
    /// The present show is there: one of its lists was answered.
    #[serde(default)]
    there: bool,
    /// Who is on the present show's waitlist, as far as it was read.
    #[serde(default)]
    listed: BTreeSet<String>,
}

impl Walk {
    fn begin() -> Self {
        Self { shows: Shows::begin(), hooks: false, list: 0, page: 1, there: false, listed: BTreeSet::new() }
    }
}

pub(super) fn poll(
    connector: &HiEventsConnector,
    cursor: Option<&Value>,
    answer: Option<(&Value, &Answer)>,
    now: Timestamp,
) -> Polled {
    let mut cursor: Cursor = cursor_or_default(cursor);
    let mut walk = cursor.walk.take().unwrap_or_else(Walk::begin);
    let Some((_, answer)) = answer else {
        if let Some(call) = walk.shows.call(connector)? {
            return Ok(call);
        }
        let request = if walk.hooks {
            let Some(show) = walk.shows.present() else {
                return page(Vec::new(), &cursor, false);
            };
            match LISTS.get(walk.list) {
                Some((name, ..)) => list(connector, &format!("/events/{show}/{name}"), walk.page, &[]),
                None => Request::get(connector.url(&format!("/events/{show}/stats"))),
            }
        } else {
            Request::get(connector.url(&format!("/organizers/{}/webhooks", organizer(connector)?)))
        };
        return Ok(PollStep::Call { request, state: json!({ "list": walk.list }) });
    };
    let mut records = Vec::new();
    if walk.shows.page.is_some() {
        records.extend(several_dates(answer).map(|has| traits::record(SEVERAL_DATES, has)));
        walk.shows.take(answer, now)?;
    } else if !walk.hooks {
        walk.hooks = true;
        // What else it may say is for the next call to find out.
        let has = answer.is_success().then_some(true).or((answer.status == 404).then_some(false));
        records.extend(has.map(|has| traits::record(ORGANIZER_WEBHOOKS, has)));
    } else {
        take(&mut cursor, &mut walk, answer, now, &mut records)?;
    }
    // The webhooks are asked for even where no show runs.
    let more = !walk.hooks || !walk.shows.done();
    if !more {
        cursor.listed.retain(|show, _| walk.shows.found.contains(show));
    }
    cursor.walk = more.then_some(walk);
    page(records, &cursor, more)
}

/// Takes an answer about the present show.
fn take(
    cursor: &mut Cursor,
    walk: &mut Walk,
    answer: &Answer,
    now: Timestamp,
    records: &mut Vec<Record>,
) -> Result<(), Box<pasarela_connector::Outcome>> {
    let show = walk.shows.present().unwrap_or_default().to_owned();
    let currency = walk.shows.currency(&show).map(str::to_owned);
    let record = |kind: &str, data: Value| Record {
        body: json!({ "record": kind, "show": show, "currency": currency, "data": data }),
    };
    // A server that has none of it, or a show that is gone since it was listed.
    let absent = matches!(answer.status, 404 | 405);
    let Some((_, kind, told)) = LISTS.get(walk.list) else {
        if !absent {
            let counted: wire::Data<Value> = body(answer, now)?;
            records.push(record("show_sales", counted.data));
        }
        (walk.list, walk.there, walk.listed) = (0, false, BTreeSet::new());
        walk.shows.next();
        return Ok(());
    };
    let rows = if absent { None } else { Some(body::<wire::Page>(answer, now)?) };
    walk.there |= rows.is_some();
    if let Some(name) = told.filter(|_| walk.there && walk.page == 1) {
        records.push(traits::record(name, !absent));
    }
    let more = rows.as_ref().is_some_and(|r| r.more_after(walk.page, PER_PAGE));
    let rows = rows.map(|r| r.data);
    if *kind == "waitlist_entry"
        && let Some(rows) = &rows
    {
        walk.listed.extend(rows.iter().filter_map(|r| text_id(r, "id")));
        if !more {
            let listed = std::mem::take(&mut walk.listed);
            let before = cursor.listed.insert(show.clone(), listed.clone()).unwrap_or_default();
            for id in before.difference(&listed) {
                let mut gone = record(kind, json!({ "id": id, "status": "CANCELLED" }));
                gone.body.as_object_mut().map(|b| b.insert("gone".into(), json!(true)));
                records.push(gone);
            }
        }
    }
    records.extend(rows.into_iter().flatten().map(|row| record(kind, row)));
    if more {
        walk.page = walk.page.saturating_add(1);
    } else {
        (walk.list, walk.page) = (walk.list + 1, 1);
    }
    Ok(())
}

/// Do shows of this server take place on several dates? Unknown where it lists none.
fn several_dates(answer: &Answer) -> Option<bool> {
    let rows: wire::Page = answer.parse().ok().filter(|_| answer.is_success())?;
    let row = rows.data.first()?;
    Some(["occurrences", "next_occurrence_start_date", "recurrence_rule"].iter().any(|key| row.get(*key).is_some()))
}
