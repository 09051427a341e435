//! Looking at the workspace, read by read. None of it is counted by the rate limit (contract 1.4).

use super::seen::{Hook, Seen, Surface, listed};
use super::{METADATA, is_denied, model};
use crate::twenty::Connection;
use crate::twenty::effects::judge;
use crate::twenty::wire::ErrorBody;
use pasarela_connector::provision::{self, Survey, Wanted};
use pasarela_connector::{Answer, Ctx, Outcome, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Rows of a page.
const PAGE: &str = "200";

/// Pages of one list; more than any workspace has, and no list that turns in a circle.
const MOST_PAGES: u32 = 50;

/// One read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Read {
    Objects,
    /// Of an object, by its id.
    Views(String),
    /// Of a view, by its id.
    Columns(String),
    /// Of a view, by its id.
    Filters(String),
    Hooks,
}

impl Read {
    fn surface(&self) -> Surface {
        match self {
            Self::Objects => Surface::Model,
            Self::Views(_) | Self::Columns(_) | Self::Filters(_) => Surface::Views,
            Self::Hooks => Surface::Webhooks,
        }
    }

    fn request(&self, on: &Connection, after: Option<&str>) -> Request {
        let (path, within) = match self {
            Self::Objects => ("objects", None),
            Self::Views(object) => ("views", Some(("objectMetadataId", object))),
            Self::Columns(view) => ("viewFields", Some(("viewId", view))),
            Self::Filters(view) => ("viewFilters", Some(("viewId", view))),
            Self::Hooks => ("webhooks", None),
        };
        Request::get(on.url(&format!("{METADATA}/{path}")))
            .query(within)
            .query([("limit", PAGE)])
            .query(after.map(|a| ("starting_after", a)))
    }
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
    on: &Connection,
    _ask: &Wanted<'_>,
    known: Option<&Value>,
    answer: Option<(&Value, &Answer)>,
    ctx: &Ctx<'_>,
) -> Survey {
    let Some((state, answer)) = answer else {
        // What this run was refused stays refused; all else is read anew.
        let known = known.map(provision::seen::<Seen>).unwrap_or_default();
        let seen = Seen { denied: known.denied, absent: known.absent, refused: known.refused, ..Seen::default() };
        let state = State { seen, read: Read::Objects, page: 0, then: vec![Read::Hooks] };
        return call(on, &state, None);
    };
    let Ok(mut state) = State::deserialize(state) else {
        return Survey::Failed(Outcome::give_up("invalid_state", "the state of the look cannot be read"));
    };
    let after = match take(on, &mut state, answer, ctx) {
        Ok(after) => after,
        Err(outcome) => return Survey::Failed(*outcome),
    };
    if after.is_some() && state.page < MOST_PAGES {
        state.page += 1;
        return call(on, &state, after.as_deref());
    }
    if state.read == Read::Objects {
        let objects: std::collections::BTreeSet<&str> = model::VIEWS.iter().map(|v| v.object).collect();
        let ids = objects.into_iter().filter_map(|o| state.seen.objects.get(o)).map(|o| Read::Views(o.id.clone()));
        state.then.extend(ids.collect::<Vec<_>>());
    }
    if let Read::Views(object) = &state.read {
        let ours = |v: &&super::seen::View| {
            v.object_id == *object && model::VIEWS.iter().any(|def| state.seen.view(def).is_some_and(|s| s.id == v.id))
        };
        let ids: Vec<String> = state.seen.views.iter().filter(ours).map(|v| v.id.clone()).collect();
        state.then.extend(ids.into_iter().flat_map(|id| [Read::Columns(id.clone()), Read::Filters(id)]));
    }
    match state.then.pop() {
        Some(read) => {
            state = State { read, page: 0, ..state };
            call(on, &state, None)
        }
        None => Survey::Seen(provision::written(&state.seen)),
    }
}

fn call(on: &Connection, state: &State, after: Option<&str>) -> Survey {
    Survey::Call { request: state.read.request(on, after), state: json!(state) }
}

/// Takes a page; where the next one begins.
fn take(on: &Connection, state: &mut State, answer: &Answer, ctx: &Ctx<'_>) -> Result<Option<String>, Box<Outcome>> {
    let surface = state.read.surface();
    if !answer.is_success() {
        let body: ErrorBody = answer.parse().unwrap_or_default();
        if is_denied(answer, &body) {
            state.seen.denied.insert(surface);
            return Ok(None);
        }
        // Views came to this API later than objects; without them the rest is still good.
        if surface == Surface::Views && matches!(answer.status, 400 | 404 | 405 | 501) {
            state.seen.absent.insert(surface);
            return Ok(None);
        }
        let unread = || Outcome::give_up("unreadable", format!("HTTP {}", answer.status));
        return Err(Box::new(judge(answer, ctx).unwrap_or_else(unread)));
    }
    let (rows, after) = listed(answer).ok_or_else(|| {
        Box::new(Outcome::give_up(
            "unreadable",
            format!("HTTP {} without a list: {}", answer.status, answer.excerpt(120)),
        ))
    })?;
    let secrets: Vec<&str> = on.config.webhook_secrets.iter().map(|s| s.expose()).collect();
    for row in &rows {
        // A row that cannot be read is none of ours: what it hides would be refused as being there.
        let _ = match &state.read {
            Read::Objects => state.seen.take_object(row),
            Read::Views(object) => {
                let theirs = row.get("objectMetadataId").and_then(Value::as_str) == Some(object);
                theirs.then(|| state.seen.take_view(row)).flatten()
            }
            Read::Columns(view) if of(row, view) => state.seen.take_column(row),
            Read::Filters(view) if of(row, view) => state.seen.take_filter(row),
            Read::Columns(_) | Read::Filters(_) => None,
            Read::Hooks => Hook::read(row, &secrets).map(|hook| state.seen.hooks.push(hook)),
        };
    }
    Ok(after)
}

/// Is it of this view? A server that does not know the parameter sends all of them.
fn of(row: &Value, view: &str) -> bool {
    row.get("viewId").and_then(Value::as_str) == Some(view)
}
