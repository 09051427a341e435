//! Shows and their products. Few, so they are read whole: equal state is no event.

use super::{PER_PAGE, Polled, Shows, body, cursor_or_default, list, page, record};
use crate::hi_events::{HiEventsConnector, wire};
use jiff::Timestamp;
use pasarela_connector::{Answer, PollStep, Record};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Cursor {
    #[serde(default)]
    walk: Option<Walk>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Walk {
    shows: Shows,
    page: u32,
}

pub(super) fn poll(
    connector: &HiEventsConnector,
    cursor: Option<&Value>,
    answer: Option<(&Value, &Answer)>,
    now: Timestamp,
) -> Polled {
    let mut cursor: Cursor = cursor_or_default(cursor);
    let mut walk = cursor.walk.take().unwrap_or_else(|| Walk { shows: Shows::begin(), page: 1 });
    let Some((_, answer)) = answer else {
        if let Some(call) = walk.shows.call(connector)? {
            return Ok(call);
        }
        let Some(show) = walk.shows.present() else {
            return page(Vec::new(), &Cursor::default(), false);
        };
        let request = list(connector, &format!("/events/{show}/products"), walk.page, &[]);
        return Ok(PollStep::Call { request, state: json!({ "list": "products" }) });
    };
    let records: Vec<Record>;
    if walk.shows.page.is_some() {
        walk.shows.take(answer, now)?;
        let rows: wire::Page = body(answer, now)?;
        records = rows.data.into_iter().map(|row| record("show", row)).collect();
    } else if answer.status == 404 {
        records = Vec::new();
        walk.shows.next();
        walk.page = 1;
    } else {
        let rows: wire::Page = body(answer, now)?;
        if rows.more_after(walk.page, PER_PAGE) {
            walk.page = walk.page.saturating_add(1);
        } else {
            walk.shows.next();
            walk.page = 1;
        }
        records = rows.data.into_iter().map(|row| record("product", row)).collect();
    }
    let more = !walk.shows.done();
    cursor.walk = more.then_some(walk);
    page(records, &cursor, more)
}
