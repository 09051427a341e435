//! The batch upsert as a small state machine. A batch is all or nothing (contract 2.5), so a refused
//! one is halved until the row at fault stands alone; every other row is written.

use super::{Row, plan};
use crate::twenty::Connection;
use crate::twenty::effects::judge::{Reach, refusal};
use crate::twenty::effects::{call, is_new, record_id, unreadable};
use crate::twenty::wire::Data;
use pasarela_connector::action::spread;
use pasarela_connector::{Answer, Ctx, Outcome, Request, Scope, Step};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How far a batch has come. Rows are counted, never named: the inputs give them again.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    v: u8,
    /// Rows of the call that is under way, from and up to.
    now: (usize, usize),
    /// Rows of the calls that follow.
    todo: Vec<(usize, usize)>,
    /// Rows that are through.
    ended: BTreeMap<usize, Ended>,
}

/// What became of a row.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum Ended {
    Done { id: String, created: bool },
    GiveUp { code: String, why: String },
    Gone { why: String },
    Retry { why: String },
    Human { why: String },
}

impl From<Ended> for Outcome {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Done { id, created } => Self::done(json!({ "id": id, "created": created })),
            Ended::GiveUp { code, why } => Self::GiveUp { code, why },
            Ended::Gone { why } => Self::TargetGone { why },
            Ended::Retry { why } => Self::Retry { after: None, scope: Scope::Effect, why },
            Ended::Human { why } => Self::NeedsHuman { why },
        }
    }
}

/// Begins with all rows in one call.
pub(in crate::twenty) fn begin(on: &Connection, inputs: &[Value]) -> Step {
    let (rows, refused) = plan(on, inputs);
    let progress = Progress { v: 1, now: (0, rows.len()), todo: Vec::new(), ended: BTreeMap::new() };
    if rows.is_empty() {
        return end(inputs.len(), &rows, refused, progress.ended, None);
    }
    send(on, &rows, &progress)
}

/// Goes on with an answer.
pub(in crate::twenty) fn on(on: &Connection, inputs: &[Value], state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step {
    let (rows, refused) = plan(on, inputs);
    let Some(mut progress) = read_state(state, rows.len()) else {
        // Another version of the hub wrote it. Upserts may be repeated, so beginning anew is safe.
        let why = "the stored state of the batch cannot be read by this version; it begins anew".to_owned();
        return Step::all(inputs.len(), &Outcome::Retry { after: None, scope: Scope::Effect, why });
    };
    let (from, to) = progress.now;
    match refusal(answer, ctx) {
        None => match answer.parse::<Data>().ok().and_then(|d| d.data.get("createPeople").cloned()) {
            Some(Value::Array(records)) => {
                for (n, row) in rows.iter().enumerate().take(to).skip(from) {
                    progress.ended.insert(n, found(row, &records, to - from, ctx));
                }
            }
            _ => {
                return end(inputs.len(), &rows, refused, progress.ended, Some(unreadable(answer)));
            }
        },
        Some((Reach::Call, outcome)) => {
            return end(inputs.len(), &rows, refused, progress.ended, Some(outcome));
        }
        Some((Reach::Row, outcome)) if to - from == 1 => {
            progress.ended.insert(from, alone(outcome));
        }
        Some((Reach::Row, _)) => {
            let middle = from + (to - from) / 2;
            progress.todo.insert(0, (middle, to));
            progress.todo.insert(0, (from, middle));
        }
    }
    if progress.todo.is_empty() {
        return end(inputs.len(), &rows, refused, progress.ended, None);
    }
    progress.now = progress.todo.remove(0);
    send(on, &rows, &progress)
}

fn send(on: &Connection, rows: &[Row], progress: &Progress) -> Step {
    let (from, to) = progress.now;
    let body: Vec<&serde_json::Map<String, Value>> = rows.iter().take(to).skip(from).map(|row| &row.body).collect();
    let request = Request::new("POST", on.url("/rest/batch/people")).query([("upsert", "true")]).json(&json!(body));
    call(request, serde_json::to_value(progress).unwrap_or_default())
}

/// State that these rows can go on with.
fn read_state(state: &Value, rows: usize) -> Option<Progress> {
    let progress = Progress::deserialize(state).ok()?;
    let fits = |&(from, to): &(usize, usize)| from < to && to <= rows;
    (progress.v == 1 && fits(&progress.now) && progress.todo.iter().all(fits)).then_some(progress)
}

fn found(row: &Row, records: &[Value], sent: usize, ctx: &Ctx<'_>) -> Ended {
    let record = records.iter().find(|r| row.identity.is(r)).or(match records {
        // One row, one record: the server may write an address in another form than ours.
        [only] if sent == 1 => Some(only),
        _ => None,
    });
    match record.and_then(|r| Some((r, record_id(r)?))) {
        Some((record, id)) => Ended::Done { id: id.to_owned(), created: is_new(record) },
        None => {
            let why = "Twenty took the batch, but its answer does not hold this person".to_owned();
            if ctx.attempt <= 1 { Ended::Retry { why } } else { Ended::Human { why } }
        }
    }
}

/// The outcome of a row that was refused alone.
fn alone(outcome: Outcome) -> Ended {
    match outcome {
        Outcome::GiveUp { code, why } => Ended::GiveUp { code, why },
        Outcome::TargetGone { why } => Ended::Gone { why },
        Outcome::Retry { why, .. } => Ended::Retry { why },
        other => Ended::Human { why: format!("{other:?}") },
    }
}

/// One outcome per input: rows that are through keep theirs, the rest gets `rest`.
fn end(
    inputs: usize,
    rows: &[Row],
    refused: Vec<(usize, Outcome)>,
    ended: BTreeMap<usize, Ended>,
    rest: Option<Outcome>,
) -> Step {
    let rest =
        rest.unwrap_or_else(|| Outcome::Unknown { why: "the batch ended without a word about this person".into() });
    let of_row = |(n, ended): (usize, Ended)| {
        let inputs = rows.get(n).map_or(&[][..], |row| &row.inputs);
        inputs.iter().map(move |input| (*input, ended.clone().into())).collect::<Vec<(usize, Outcome)>>()
    };
    spread(inputs, &rest, refused.into_iter().chain(ended.into_iter().flat_map(of_row)))
}
