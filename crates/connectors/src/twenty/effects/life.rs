//! `delete_person`, `restore_person` and `destroy_person` (contract 2.7).
//!
//! Deleting puts a person into the bin, which empties itself after some days; restoring takes them out of it; destroying
//! leaves nothing, the notes and tasks about them neither. Each says what it found: doing it again is done.

use super::judge::{is_missing, judge};
use super::rows::{PERSON, bin_too};
use super::{call, read, record_id, record_ref, unreadable};
use crate::twenty::Connection;
use crate::twenty::wire::{Data, Page};
use pasarela_connector::{Answer, Ctx, Outcome, Request, Scope, Step, action::invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// Which person.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::twenty) struct Whom {
    /// Id of the person in Twenty.
    id: String,
}

/// Which call is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    Delete,
    /// Is it there, and is it in the bin?
    Look,
    Restore,
    /// What notes and tasks are about the person?
    NoteTargets,
    TaskTargets,
    Notes,
    Tasks,
    /// Out of the bin, since what is in it may not be found by its id.
    Raise,
    Destroy,
}

/// Notes that are destroyed by one call; the next look shows the next ones.
const MOST: &str = "100";

/// Looks of one effect: nobody has so many notes.
const MOST_ROUNDS: u32 = 40;

fn whom(input: &Value) -> Result<Uuid, Box<Outcome>> {
    let whom: Whom = read(input)?;
    record_ref("id", &Some(whom.id))?.ok_or_else(|| invalid("id: which person?"))
}

fn state(at: At, round: u32) -> Value {
    json!({ "v": 1, "at": at, "round": round })
}

/// A server that shows again and again what it said was destroyed would be asked for ever.
fn within(round: u32) -> Result<(), Box<Outcome>> {
    if round < MOST_ROUNDS {
        return Ok(());
    }
    let why = "Twenty says that it destroyed what is about this person, and still shows it; look at them there".into();
    Err(Box::new(Outcome::NeedsHuman { why }))
}

fn one(on: &Connection, id: Uuid) -> String {
    on.url(&format!("{}/{id}", PERSON.path()))
}

/// The record by its id, the bin included: a read by the id alone does not find what is in it.
fn look(on: &Connection, id: Uuid, round: u32) -> Result<Step, Box<Outcome>> {
    within(round)?;
    let filter = bin_too(&format!("id[eq]:{id}"));
    let request = Request::get(on.url(&PERSON.path())).query([("limit", "1"), ("filter", &filter)]);
    Ok(call(request, state(At::Look, round)))
}

/// Out of the bin by an upsert by id, which every version knows. Only where a look has shown the record: it would make
/// an empty one else.
fn raise(on: &Connection, id: Uuid, at: At, round: u32) -> Step {
    let request = Request::new("POST", on.url(&PERSON.path())).query([("upsert", "true")]).json(&json!({ "id": id }));
    call(request, state(at, round))
}

fn targets(on: &Connection, id: Uuid, at: At, round: u32) -> Result<Step, Box<Outcome>> {
    within(round)?;
    let plural = if at == At::NoteTargets { "noteTargets" } else { "taskTargets" };
    let filter = format!("targetPersonId[eq]:{id}");
    let request = Request::get(on.url(&format!("/rest/{plural}"))).query([("limit", MOST), ("filter", &filter)]);
    Ok(call(request, state(at, round)))
}

pub(super) fn begin(on: &Connection, action: &str, input: &Value) -> Result<Step, Box<Outcome>> {
    let id = whom(input)?;
    match action {
        "delete_person" => {
            let request = Request::new("DELETE", one(on, id)).query([("soft_delete", "true")]);
            Ok(call(request, state(At::Delete, 0)))
        }
        "destroy_person" => targets(on, id, At::NoteTargets, 0),
        _ => look(on, id, 0),
    }
}

pub(super) fn on(
    on: &Connection,
    action: &str,
    input: &Value,
    kept: &Value,
    answer: &Answer,
    ctx: &Ctx<'_>,
) -> Result<Step, Box<Outcome>> {
    let id = whom(input)?;
    let at = kept.get("at").and_then(|at| At::deserialize(at).ok()).ok_or_else(|| Outcome::Retry {
        after: None,
        scope: Scope::Effect,
        why: "the stored state cannot be read by this version; it begins anew".into(),
    })?;
    let round = kept.get("round").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let missing = is_missing(answer);
    if !missing && let Some(outcome) = judge(answer, ctx) {
        return Err(Box::new(outcome));
    }
    // A 2xx is the server's own when it names what was done to.
    let named = match at {
        At::Delete | At::Destroy => Some(PERSON.one("delete")),
        At::Restore | At::Raise => Some(PERSON.one("create")),
        At::Notes => Some("deleteNotes".to_owned()),
        At::Tasks => Some("deleteTasks".to_owned()),
        At::Look | At::NoteTargets | At::TaskTargets => None,
    };
    if let Some(key) = named.filter(|_| !missing)
        && !answer
            .parse::<Data>()
            .is_ok_and(|d| d.data.get(&key).is_some_and(|v| v.is_array() || record_id(v).is_some()))
    {
        return Err(Box::new(unreadable(answer)));
    }
    let done = |word: &str, was: bool| Ok(Step::end(Outcome::done(json!({ "id": id, word: was }))));
    match at {
        At::Delete => done("deleted", !missing),
        At::Destroy if missing => look(on, id, round + 1),
        At::Destroy => done("destroyed", true),
        At::Restore if missing => Err(Box::new(gone())),
        At::Restore => done("restored", true),
        At::Raise => Ok(destroy(on, id, round)),
        At::Look => {
            let found = rows(answer, PERSON.plural)?;
            let in_bin = found.first().map(|r| r.get("deletedAt").is_some_and(|d| !d.is_null()));
            match (action, in_bin) {
                ("destroy_person", None) => done("destroyed", false),
                ("destroy_person", Some(true)) => Ok(raise(on, id, At::Raise, round)),
                ("destroy_person", Some(false)) => Ok(destroy(on, id, round)),
                (_, None) => Err(Box::new(gone())),
                (_, Some(true)) => Ok(raise(on, id, At::Restore, round)),
                (_, Some(false)) => done("restored", false),
            }
        }
        At::NoteTargets | At::TaskTargets => {
            let (plural, field, then) = match at {
                At::NoteTargets => ("noteTargets", "noteId", At::Notes),
                _ => ("taskTargets", "taskId", At::Tasks),
            };
            // A workspace of an older version names the link otherwise; the notes hang on the person there as well.
            let about: Vec<String> = rows(answer, plural)?
                .iter()
                .filter_map(|r| r.get(field)?.as_str()?.parse::<Uuid>().ok())
                .map(|id| id.to_string())
                .collect();
            if about.is_empty() {
                return match at {
                    At::NoteTargets => targets(on, id, At::TaskTargets, round),
                    _ => Ok(destroy(on, id, round)),
                };
            }
            let plural = if then == At::Notes { "notes" } else { "tasks" };
            let filter = format!("id[in]:[{}]", about.join(","));
            let request = Request::new("DELETE", on.url(&format!("/rest/{plural}"))).query([("filter", &filter)]);
            Ok(call(request, state(then, round)))
        }
        // The links went with them; where there were more than one call takes, the next look shows the rest.
        At::Notes => targets(on, id, At::NoteTargets, round + 1),
        At::Tasks => targets(on, id, At::TaskTargets, round + 1),
    }
}

fn destroy(on: &Connection, id: Uuid, round: u32) -> Step {
    call(Request::new("DELETE", one(on, id)), state(At::Destroy, round))
}

fn gone() -> Outcome {
    Outcome::TargetGone { why: "this person is not in Twenty any more, and not in its bin".into() }
}

fn rows(answer: &Answer, plural: &str) -> Result<Vec<Value>, Box<Outcome>> {
    let page = answer.parse::<Page>().map_err(|_| Box::new(unreadable(answer)))?;
    match page.data.get(plural) {
        Some(Value::Array(rows)) if rows.iter().all(|r| record_id(r).is_some()) => Ok(rows.clone()),
        _ => Err(Box::new(unreadable(answer))),
    }
}
