//! What the webhooks missed: all garments, page by page.

use super::Wardrobe;
use super::wire::Page;
use pasarela_connector::poll::{self, Polled};
use pasarela_connector::{Answer, Ctx, PollStep, Record, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where a walk stands: the address of the next page, and nothing between two walks.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Cursor {
    next: Option<String>,
}

pub(super) fn poll(
    on: &Wardrobe,
    task: &str,
    cursor: Option<&Value>,
    answer: Option<(&Value, &Answer)>,
    ctx: &Ctx<'_>,
) -> PollStep {
    poll::step(match task {
        "garments" => walk(on, cursor, answer, ctx),
        other => Err(poll::unknown("percha", other)),
    })
}

fn walk(on: &Wardrobe, cursor: Option<&Value>, answer: Option<(&Value, &Answer)>, ctx: &Ctx<'_>) -> Polled {
    let cursor: Cursor = poll::cursor(cursor);
    // A kept address is believed only where it is under the base.
    let first = on.url("/v2/garments?limit=100");
    let asked = cursor.next.filter(|next| next.starts_with(&on.url("/"))).unwrap_or(first);
    let Some((_, answer)) = answer else {
        return Ok(poll::call(Request::get(asked), json!(1)));
    };
    let page: Page = poll::body(answer, ctx.now)?;
    let next = poll::next_link(answer, &asked);
    let records = page.garments.into_iter().map(|garment| Record {
        // As its webhook would have told it, so that the two meet.
        body: json!({ "event": "garment.changed", "garment": garment }),
    });
    let more = next.is_some();
    poll::page(records.collect(), &Cursor { next }, more)
}
