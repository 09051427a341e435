//! Looking at the organiser's account, read by read. The provider's limit counts each: only what the plan needs is read.

use super::seen::{Asked, Hook, Level, Seen, Show};
use crate::hi_events::reconcile::{PER_PAGE, list, organizer, running, text_id};
use crate::hi_events::{HiEventsConnector, reconcile, wire};
use pasarela_connector::provision::{self, Survey, Wanted};
use pasarela_connector::{Answer, Ctx, Outcome, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Pages of one list, and no list that turns in a circle.
const MOST_PAGES: u32 = 50;
/// The provider keeps twenty logs of a webhook and shows ten a page.
const LOG_PAGES: u32 = 2;

/// One list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Read {
    Hooks(Level),
    Logs(Level, u64),
    Shows,
    Questions(String),
    Products(String),
}

/// Where the look stands.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    seen: Seen,
    /// What is read now.
    read: Read,
    page: u32,
    /// What is to be read after it, last first.
    then: Vec<Read>,
}

pub(super) fn next(
    on: &HiEventsConnector,
    ask: &Wanted<'_>,
    known: Option<&Value>,
    answer: Option<(&Value, &Answer)>,
    ctx: &Ctx<'_>,
) -> Survey {
    let organizer = match organizer(on) {
        Ok(organizer) => organizer,
        Err(outcome) => return Survey::Failed(*outcome),
    };
    let Some((state, answer)) = answer else {
        // What was refused, and whose secret was told, stays so within a run; all else is read anew.
        let known = known.map(provision::seen::<Seen>).unwrap_or_default();
        let hooks = known.hooks.into_iter().filter(|h| h.made_now).collect();
        let seen = Seen { refused: known.refused, hooks, ..Seen::default() };
        let state = State { seen, read: Read::Hooks(Level::Organizer), page: 1, then: Vec::new() };
        return call(on, &organizer, &state);
    };
    let Ok(mut state) = State::deserialize(state) else {
        return Survey::Failed(Outcome::give_up("invalid_state", "the state of the look cannot be read"));
    };
    let more = match take(on, ask, &mut state, answer, ctx) {
        Ok(more) => more,
        Err(outcome) => return Survey::Failed(*outcome),
    };
    if more {
        state.page += 1;
        return call(on, &organizer, &state);
    }
    match state.then.pop() {
        Some(read) => {
            let state = State { read, page: 1, ..state };
            call(on, &organizer, &state)
        }
        None => Survey::Seen(provision::written(&state.seen)),
    }
}

fn base(organizer: &str, level: &Level) -> String {
    match level {
        Level::Organizer => format!("/organizers/{organizer}/webhooks"),
        Level::Show(show) => format!("/events/{show}/webhooks"),
    }
}

fn call(on: &HiEventsConnector, organizer: &str, state: &State) -> Survey {
    let request = match &state.read {
        // Not paged.
        Read::Hooks(level) => Request::get(on.url(&base(organizer, level))),
        Read::Logs(level, id) => {
            let path = format!("{}/{id}/logs", base(organizer, level));
            Request::get(on.url(&path)).query([("page", state.page.to_string().as_str())])
        }
        Read::Shows => list(on, &format!("/organizers/{organizer}/events"), state.page, &[]),
        Read::Questions(show) => list(on, &format!("/events/{show}/questions"), state.page, &[]),
        Read::Products(show) => list(on, &format!("/events/{show}/products"), state.page, &[]),
    };
    Survey::Call { request, state: json!(state) }
}

/// Takes a page in. `true`: there is another one.
fn take(
    on: &HiEventsConnector,
    ask: &Wanted<'_>,
    state: &mut State,
    answer: &Answer,
    ctx: &Ctx<'_>,
) -> Result<bool, Box<Outcome>> {
    let makes = on.questions.all().any(|q| q.make.is_some());
    if state.read == Read::Hooks(Level::Organizer) && matches!(answer.status, 404 | 405) {
        // Servers before 1.7.0 have no such route. Whether there is such an organiser, its shows will tell.
        state.seen.by_show = true;
        state.then.push(Read::Shows);
        return Ok(false);
    }
    // Gone since it was listed.
    let gone = answer.status == 404;
    match state.read.clone() {
        Read::Hooks(level) => {
            let rows: wire::Page = reconcile::body(answer, ctx.now)?;
            let told: Vec<u64> = state.seen.hooks.iter().filter(|h| h.level == level).map(|h| h.id).collect();
            state.seen.hooks.retain(|h| h.level != level);
            for row in &rows.data {
                let Some(mut hook) = Hook::read(row, level.clone()) else { continue };
                hook.made_now = told.contains(&hook.id);
                if hook.enabled && ask.hook.is_some_and(|address| hook.calls(address)) {
                    state.then.push(Read::Logs(level.clone(), hook.id));
                }
                state.seen.hooks.push(hook);
            }
            if level == Level::Organizer && makes {
                state.then.insert(0, Read::Shows);
            }
            Ok(false)
        }
        Read::Logs(..) if gone => Ok(false),
        Read::Logs(level, id) => {
            let rows: wire::Page = reconcile::body(answer, ctx.now)?;
            let codes = rows.data.iter().filter_map(|r| r.get("response_code").and_then(Value::as_u64));
            let codes: Vec<u16> = codes.filter_map(|c| u16::try_from(c).ok()).collect();
            let full = codes.len() >= 10;
            if let Some(hook) = state.seen.hooks.iter_mut().find(|h| h.level == level && h.id == id) {
                hook.answers.extend(codes);
            }
            Ok(full && state.page < LOG_PAGES)
        }
        Read::Shows => {
            let rows: wire::Page = reconcile::body(answer, ctx.now)?;
            for row in rows.data.iter().filter(|r| running(r, ctx.now)) {
                let Some(id) = text_id(row, "id") else { continue };
                if state.seen.shows.iter().any(|s| s.id == id) {
                    continue;
                }
                let title = row.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
                if makes {
                    state.then.extend([Read::Questions(id.clone()), Read::Products(id.clone())]);
                }
                if state.seen.by_show {
                    state.then.push(Read::Hooks(Level::Show(id.clone())));
                }
                state.seen.shows.push(Show { id, title, questions: Vec::new(), products: Vec::new() });
            }
            Ok(rows.more_after(state.page, PER_PAGE) && state.page < MOST_PAGES)
        }
        Read::Questions(_) | Read::Products(_) if gone => Ok(false),
        Read::Questions(show) => {
            let rows: wire::Page = reconcile::body(answer, ctx.now)?;
            if let Some(show) = state.seen.shows.iter_mut().find(|s| s.id == show) {
                show.questions.extend(rows.data.iter().filter_map(Asked::read));
            }
            Ok(rows.more_after(state.page, PER_PAGE) && state.page < MOST_PAGES)
        }
        Read::Products(show) => {
            let rows: wire::Page = reconcile::body(answer, ctx.now)?;
            if let Some(show) = state.seen.shows.iter_mut().find(|s| s.id == show) {
                let tickets =
                    rows.data.iter().filter(|r| r.get("product_type").and_then(Value::as_str) == Some("TICKET"));
                show.products.extend(tickets.filter_map(|r| r.get("id")?.as_u64()));
            }
            Ok(rows.more_after(state.page, PER_PAGE) && state.page < MOST_PAGES)
        }
    }
}
