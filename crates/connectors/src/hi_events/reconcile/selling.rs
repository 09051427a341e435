//! How shows sell: promo codes, affiliates, shared capacities and the provider's own count, of every running show.
//!
//! None of it has a webhook or a time of change, and all of it is small: four calls a show. It becomes read models
//! and no events, since each sale changes it.

use super::{PER_PAGE, Polled, Shows, body, cursor_or_default, list, page};
use crate::hi_events::{HiEventsConnector, wire};
use jiff::Timestamp;
use pasarela_connector::{Answer, PollStep, Record, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Lists of a show, with the kind of their rows.
const LISTS: [(&str, &str); 3] =
    [("promo-codes", "promo_code"), ("affiliates", "affiliate"), ("capacity-assignments", "capacity")];

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Cursor {
    #[serde(default)]
    walk: Option<Walk>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Walk {
    shows: Shows,
    /// Which list of the present show; behind the last one, its count.
    list: usize,
    page: u32,
}

pub(super) fn poll(
    connector: &HiEventsConnector,
    cursor: Option<&Value>,
    answer: Option<(&Value, &Answer)>,
    now: Timestamp,
) -> Polled {
    let mut cursor: Cursor = cursor_or_default(cursor);
    let mut walk = cursor.walk.take().unwrap_or_else(|| Walk { shows: Shows::begin(), list: 0, page: 1 });
    let Some((_, answer)) = answer else {
        if let Some(call) = walk.shows.call(connector)? {
            return Ok(call);
        }
        let Some(show) = walk.shows.present() else {
            return page(Vec::new(), &Cursor::default(), false);
        };
        let request = match LISTS.get(walk.list) {
            Some((name, _)) => list(connector, &format!("/events/{show}/{name}"), walk.page, &[]),
            None => Request::get(connector.url(&format!("/events/{show}/stats"))),
        };
        return Ok(PollStep::Call { request, state: json!({ "list": walk.list }) });
    };
    let mut records = Vec::new();
    if walk.shows.page.is_some() {
        walk.shows.take(answer, now)?;
    } else {
        let show = walk.shows.present().unwrap_or_default().to_owned();
        let currency = walk.shows.currency(&show).map(str::to_owned);
        let record = |kind: &str, data: Value| Record {
            body: json!({ "record": kind, "show": show, "currency": currency, "data": data }),
        };
        // A server that has none of it (affiliates came with 1.1) or a show that is gone since it was listed.
        let absent = matches!(answer.status, 404 | 405);
        match LISTS.get(walk.list) {
            Some((_, kind)) => {
                let rows = if absent { None } else { Some(body::<wire::Page>(answer, now)?) };
                if rows.as_ref().is_some_and(|r| r.more_after(walk.page, PER_PAGE)) {
                    walk.page = walk.page.saturating_add(1);
                } else {
                    (walk.list, walk.page) = (walk.list + 1, 1);
                }
                records.extend(rows.into_iter().flat_map(|r| r.data).map(|row| record(kind, row)));
            }
            None => {
                if !absent {
                    let counted: wire::Data<Value> = body(answer, now)?;
                    records.push(record("show_sales", counted.data));
                }
                walk.list = 0;
                walk.shows.next();
            }
        }
    }
    let more = !walk.shows.done();
    cursor.walk = more.then_some(walk);
    page(records, &cursor, more)
}
