//! Looks and writes as a small state machine. A batch is all or nothing (contract 2.5), so a refused one is halved
//! until the row at fault stands alone; every other row is written. A row alone whose record is there is changed by
//! its id, which tells others what changed; an upsert tells nothing of composites (contract 0.3).

use super::look::{self, Choice, Seen, filter};
use super::wide::{self, Heard};
use super::{BATCH, Reader, Row, body, plan};
use crate::twenty::Connection;
use crate::twenty::effects::judge::{Reach, is_duplicate, is_missing, is_unknown_field, refusal};
use crate::twenty::effects::{call, is_new, record_id, unreadable};
use crate::twenty::wire::{Data, Page};
use pasarela_connector::action::spread;
use pasarela_connector::{Answer, Ctx, Outcome, Request, Scope, Step};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Name of the rule that what was deleted stays deleted.
const DELETED: &str = "deleted_in_crm";

/// Records of one page of a look.
const PAGE: &str = "200";

/// A call that is under way, with the rows that it is about, from and up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    /// Which records are there?
    Look(usize, usize),
    /// The same for more of them than an address can name.
    Wide(usize, usize),
    /// The write.
    Write(usize, usize),
    /// The address is taken from a record of the hub's that is no longer its owner.
    Free(usize),
    /// A change of the record that the caller knows, without a look: one that is in the bin is not found.
    Patch(usize),
}

/// How far a batch has come. Rows are counted, never named: the inputs give them again.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    v: u8,
    now: At,
    /// Calls that follow.
    todo: Vec<At>,
    /// Has the workspace the hub's field, as far as is known?
    hub: bool,
    /// Records that have a row's address and are to lose it.
    #[serde(default)]
    free: BTreeMap<usize, String>,
    /// Records that rows mean; a row of which a look showed none has no entry.
    seen: BTreeMap<usize, Seen>,
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
    Withheld { rule: String, why: String },
}

impl From<Ended> for Outcome {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Done { id, created } => Self::done(json!({ "id": id, "created": created })),
            Ended::GiveUp { code, why } => Self::GiveUp { code, why },
            Ended::Gone { why } => Self::TargetGone { why },
            Ended::Retry { why } => Self::Retry { after: None, scope: Scope::Effect, why },
            Ended::Human { why } => Self::NeedsHuman { why },
            Ended::Withheld { rule, why } => Self::Withheld { rule, why },
        }
    }
}

/// One action under way.
struct Run<'a> {
    on: &'a Connection,
    inputs: usize,
    rows: Vec<Row>,
    refused: Vec<(usize, Outcome)>,
    progress: Progress,
}

/// Begins with a look, or, for one record that the caller knows, with its change.
pub(in crate::twenty::effects) fn begin(on: &Connection, read: Reader, inputs: &[Value]) -> Step {
    let (rows, refused) = plan(on, read, inputs);
    let known = matches!(rows.as_slice(), [row] if row.given.is_some() && !row.revive && !row.only_new);
    let ranges = look::ranges(&rows, BATCH, false);
    let looks = ranges.iter().flat_map(|&(from, to)| match looks(&rows, from, to) {
        several if several.len() > 1 && on.graphql() => vec![At::Wide(from, to)],
        all => all,
    });
    let writes = ranges.iter().map(|&(from, to)| At::Write(from, to));
    let todo = if known { vec![At::Patch(0)] } else { looks.chain(writes).collect() };
    let hub = on.hub_field().is_some();
    let progress = Progress {
        v: 3,
        now: At::Patch(0),
        todo,
        hub,
        free: BTreeMap::new(),
        seen: BTreeMap::new(),
        ended: BTreeMap::new(),
    };
    Run { on, inputs: inputs.len(), rows, refused, progress }.next()
}

/// The looks by REST at a range of rows of one object.
fn looks(rows: &[Row], from: usize, to: usize) -> Vec<At> {
    let part = rows.get(from..to).unwrap_or_default();
    look::ranges(part, BATCH, true).into_iter().map(|(a, b)| At::Look(from + a, from + b)).collect()
}

/// Goes on with an answer.
pub(in crate::twenty::effects) fn on(
    on: &Connection,
    read: Reader,
    inputs: &[Value],
    state: &Value,
    answer: &Answer,
    ctx: &Ctx<'_>,
) -> Step {
    let (rows, refused) = plan(on, read, inputs);
    let Some(progress) = read_state(state, rows.len()) else {
        // Another version of the hub wrote it. Looks and upserts may be repeated, so beginning anew is safe.
        let why = "the stored state of the batch cannot be read by this version; it begins anew".to_owned();
        return Step::all(inputs.len(), &Outcome::Retry { after: None, scope: Scope::Effect, why });
    };
    Run { on, inputs: inputs.len(), rows, refused, progress }.hear(answer, ctx)
}

/// State that these rows can go on with.
fn read_state(state: &Value, rows: usize) -> Option<Progress> {
    let progress = Progress::deserialize(state).ok()?;
    let fits = |at: &At| match *at {
        At::Look(from, to) | At::Wide(from, to) | At::Write(from, to) => from < to && to <= rows,
        At::Patch(row) | At::Free(row) => row < rows,
    };
    (progress.v == 3 && fits(&progress.now) && progress.todo.iter().all(fits)).then_some(progress)
}

impl Run<'_> {
    /// The hub's field, where the workspace has it or may have it.
    fn hub_field(&self) -> Option<&str> {
        self.on.hub_field().filter(|_| self.progress.hub)
    }

    /// Rows of a range that are not through yet, with their numbers.
    fn open(&self, from: usize, to: usize) -> Vec<(usize, &Row)> {
        let rows = self.rows.iter().enumerate().take(to).skip(from);
        rows.filter(|(n, _)| !self.progress.ended.contains_key(n)).collect()
    }

    /// Makes the next call that has something to do.
    fn next(mut self) -> Step {
        while !self.progress.todo.is_empty() {
            self.progress.now = self.progress.todo.remove(0);
            if let Some(request) = self.request() {
                return call(request, serde_json::to_value(&self.progress).unwrap_or_default());
            }
        }
        self.end(None)
    }

    fn again(self) -> Step {
        match self.request() {
            Some(request) => call(request, serde_json::to_value(&self.progress).unwrap_or_default()),
            None => self.next(),
        }
    }

    fn request(&self) -> Option<Request> {
        let url = |object: super::Object| self.on.url(&object.path());
        match self.progress.now {
            At::Look(from, to) => {
                let rows: Vec<&Row> = self.open(from, to).into_iter().map(|(_, row)| row).collect();
                let object = rows.first()?.object;
                let filter = filter(&rows, object, self.hub_field());
                Some(Request::get(url(object)).query([("limit", PAGE), ("filter", &filter)]))
            }
            At::Wide(from, to) => {
                let rows: Vec<&Row> = self.open(from, to).into_iter().map(|(_, row)| row).collect();
                Some(wide::request(self.on, rows.first()?.object, &rows, self.hub_field()))
            }
            At::Free(n) => {
                let row = self.rows.get(n)?;
                let (field, part) = row.object.natural?.split_once('.')?;
                let path = format!("{}/{}", row.object.path(), self.progress.free.get(&n)?);
                Some(Request::new("PATCH", self.on.url(&path)).json(&json!({ field: { part: "" } })))
            }
            At::Patch(n) => {
                let row = self.rows.get(n)?;
                let path = format!("{}/{}", row.object.path(), row.given.as_ref()?);
                Some(Request::new("PATCH", self.on.url(&path)).json(&json!(body(row, None, self.hub_field()))))
            }
            At::Write(from, to) => {
                let rows = self.open(from, to);
                if let Some((row, id)) = self.alone(&rows) {
                    let seen_key = self.progress.seen.get(&rows.first()?.0).is_none_or(|s| s.key);
                    let field = self.hub_field().filter(|_| seen_key);
                    let url = self.on.url(&format!("{}/{id}", row.object.path()));
                    return Some(Request::new("PATCH", url).json(&json!(body(row, None, field))));
                }
                let object = rows.first()?.1.object;
                let bodies: Vec<_> = rows.iter().map(|(n, row)| self.row_body(*n, row)).collect();
                let url = self.on.url(&format!("/rest/batch/{}", object.plural));
                Some(Request::new("POST", url).query([("upsert", "true")]).json(&json!(bodies)))
            }
        }
    }

    /// One row, whose live record is known.
    fn alone<'r>(&self, rows: &[(usize, &'r Row)]) -> Option<(&'r Row, &str)> {
        let [(n, row)] = rows else { return None };
        let seen = self.progress.seen.get(n).filter(|s| !s.bin)?;
        Some((row, &seen.id))
    }

    /// The body of a row in an upsert, and the id by which its record is known again.
    fn row_body(&self, n: usize, row: &Row) -> serde_json::Map<String, Value> {
        let seen = self.progress.seen.get(&n);
        let field = self.hub_field().filter(|_| seen.is_none_or(|s| s.key));
        body(row, self.row_id(n, row), field)
    }

    fn row_id<'r>(&'r self, n: usize, row: &'r Row) -> Option<&'r str> {
        let seen = self.progress.seen.get(&n).map(|s| s.id.as_str());
        seen.or(row.given.as_deref()).or(row.own.first().map(String::as_str))
    }

    fn hear(mut self, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        // A workspace that was not provisioned has no field for the hub's key; where the settings name none, it is
        // written without.
        if self.hub_field().is_some_and(|field| self.on.hub_field_is_a_guess() && is_unknown_field(answer, field)) {
            self.progress.hub = false;
            return self.again();
        }
        match self.progress.now {
            At::Look(from, to) => self.looked(from, to, answer, ctx),
            At::Wide(from, to) => self.looked_wide(from, to, answer, ctx),
            At::Patch(row) if is_duplicate(answer) || is_missing(answer) => {
                // The address is another record's, or the record is in the bin or gone: a look says which.
                self.progress.todo = vec![At::Look(row, row + 1), At::Write(row, row + 1)];
                self.next()
            }
            At::Patch(row) => self.wrote(row, row + 1, answer, ctx),
            At::Free(row) => self.freed(row, answer, ctx),
            At::Write(from, to) => self.wrote(from, to, answer, ctx),
        }
    }

    fn looked(mut self, from: usize, to: usize, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        match refusal(answer, ctx) {
            None => {}
            // An object that this workspace does not have is no matter of the others.
            Some((Reach::Row, Outcome::Withheld { rule, why })) => {
                let numbers: Vec<usize> = self.open(from, to).into_iter().map(|(n, _)| n).collect();
                let ended = || Ended::Withheld { rule: rule.clone(), why: why.clone() };
                self.progress.ended.extend(numbers.into_iter().map(|n| (n, ended())));
                return self.next();
            }
            Some((_, outcome)) => return self.end(Some(outcome)),
        }
        let Some(object) = self.rows.get(from).map(|r| r.object) else { return self.end(None) };
        let page = answer.parse::<Page>().ok();
        let Some(Value::Array(records)) = page.as_ref().and_then(|p| p.data.get(object.plural)) else {
            return self.end(Some(unreadable(answer)));
        };
        if page.as_ref().is_some_and(|p| p.page_info.has_next_page) && to - from > 1 {
            // More records than a page holds: fewer rows at a time.
            let middle = from + (to - from) / 2;
            self.progress.todo.insert(0, At::Look(middle, to));
            self.progress.todo.insert(0, At::Look(from, middle));
            return self.next();
        }
        self.shown(from, to, records)
    }

    fn looked_wide(mut self, from: usize, to: usize, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        let Some(object) = self.rows.get(from).map(|r| r.object) else { return self.end(None) };
        match wide::hear(answer, object) {
            Heard::Records(records, false) => self.shown(from, to, &records),
            Heard::Refused(refused) => match refusal(&refused, ctx) {
                Some((_, outcome)) => self.end(Some(outcome)),
                None => self.end(Some(unreadable(answer))),
            },
            Heard::Records(_, true) | Heard::Nothing => {
                let looks = looks(&self.rows, from, to);
                self.progress.todo.splice(0..0, looks);
                self.next()
            }
        }
    }

    /// What is to become of rows whose records were looked up.
    fn shown(mut self, from: usize, to: usize, records: &[Value]) -> Step {
        let Some(object) = self.rows.get(from).map(|r| r.object) else { return self.end(None) };
        let choices: Vec<(usize, Choice)> =
            self.open(from, to).into_iter().map(|(n, row)| (n, look::choose(row, records, self.hub_field()))).collect();
        for (n, choice) in choices {
            let (code, why) = match choice {
                Choice::New => continue,
                Choice::Record(seen) => {
                    if !seen.bin && self.rows.get(n).is_some_and(|row| row.only_new) {
                        self.progress.ended.insert(n, Ended::Done { id: seen.id.clone(), created: false });
                    }
                    self.progress.seen.insert(n, seen);
                    continue;
                }
                Choice::Deleted => {
                    let why =
                        format!("this {} was deleted in Twenty; restore it there, or set revive", object.singular);
                    self.progress.ended.insert(n, Ended::Withheld { rule: DELETED.to_owned(), why });
                    continue;
                }
                Choice::Gone => {
                    let why = format!("this {} is not in Twenty any more", object.singular);
                    self.progress.ended.insert(n, Ended::Gone { why });
                    continue;
                }
                Choice::Ambiguous(meant, other) => {
                    let why = format!(
                        "record {meant} cannot get the address, which record {other} has; merge the two in Twenty"
                    );
                    ("ambiguous", why)
                }
                Choice::Taken(other, meant) if self.rows.get(n).is_some_and(|row| row.owns_address) => {
                    if let Some(seen) = meant {
                        self.progress.seen.insert(n, seen);
                    }
                    self.progress.free.insert(n, other);
                    self.progress.todo.insert(0, At::Free(n));
                    continue;
                }
                Choice::Taken(other, _) => {
                    ("taken", format!("the address belongs to record {other}, which is another one of the hub's"))
                }
            };
            self.progress.ended.insert(n, Ended::GiveUp { code: code.to_owned(), why });
        }
        self.next()
    }

    fn freed(mut self, n: usize, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        let object = self.rows.get(n).map(|r| r.object);
        // Gone meanwhile, it has no address.
        if !is_missing(answer) {
            match refusal(answer, ctx) {
                None => {
                    let made = object.and_then(|o| answer.parse::<Data>().ok()?.data.get(&o.one("update")).cloned());
                    if made.is_none_or(|record| record_id(&record).is_none()) {
                        return self.end(Some(unreadable(answer)));
                    }
                }
                Some((Reach::Call, outcome)) => return self.end(Some(outcome)),
                Some((Reach::Row, outcome)) => {
                    self.progress.ended.insert(n, alone(outcome, ctx));
                }
            }
        }
        self.next()
    }

    fn wrote(mut self, from: usize, to: usize, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        let rows = self.open(from, to);
        let Some(object) = rows.first().map(|(_, r)| r.object) else { return self.next() };
        let by_id = matches!(self.progress.now, At::Patch(_)) || self.alone(&rows).is_some();
        let numbers: Vec<usize> = rows.iter().map(|(n, _)| *n).collect();
        match refusal(answer, ctx) {
            None => {
                let key = if by_id { object.one("update") } else { object.many("create") };
                let made = answer.parse::<Data>().ok().and_then(|d| d.data.get(&key).cloned());
                let records = match made {
                    Some(Value::Array(records)) if !by_id => records,
                    Some(record @ Value::Object(_)) if by_id => vec![record],
                    _ => return self.end(Some(unreadable(answer))),
                };
                let ended: Vec<(usize, Ended)> =
                    rows.iter().map(|(n, row)| (*n, self.found(*n, row, &records, rows.len(), ctx))).collect();
                self.progress.ended.extend(ended);
            }
            Some((Reach::Call, outcome)) => return self.end(Some(outcome)),
            Some((Reach::Row, outcome)) => match numbers.as_slice() {
                [n] => {
                    self.progress.ended.insert(*n, alone(outcome, ctx));
                }
                [first, .., last] => {
                    let middle = numbers.get(numbers.len() / 2).copied().unwrap_or(*last);
                    self.progress.todo.insert(0, At::Write(middle, last + 1));
                    self.progress.todo.insert(0, At::Write(*first, middle));
                }
                [] => {}
            },
        }
        self.next()
    }

    /// The record of a row among those of an answer, which are not in the order of the request.
    fn found(&self, n: usize, row: &Row, records: &[Value], sent: usize, ctx: &Ctx<'_>) -> Ended {
        let id = self.row_id(n, row);
        let is = |record: &&Value| match id {
            Some(id) => record_id(record).is_some_and(|found| found.eq_ignore_ascii_case(id)),
            None => {
                let path = row.object.natural.unwrap_or_default().replace('.', "/");
                let found = record.pointer(&format!("/{path}")).and_then(Value::as_str).map(str::to_lowercase);
                row.natural.is_some() && found == row.natural
            }
        };
        let record = records.iter().find(is).or(match records {
            // One row, one record: the server may write an address in another form than ours.
            [only] if sent == 1 => Some(only),
            _ => None,
        });
        match record.and_then(|r| Some((r, record_id(r)?))) {
            Some((record, id)) => Ended::Done { id: id.to_owned(), created: is_new(record) },
            None => {
                let why = format!("Twenty took the batch, but its answer does not hold this {}", row.object.singular);
                if ctx.attempt <= 1 { Ended::Retry { why } } else { Ended::Human { why } }
            }
        }
    }

    /// One outcome per input: rows that are through keep theirs, the rest gets `rest`.
    fn end(self, rest: Option<Outcome>) -> Step {
        let rest =
            rest.unwrap_or_else(|| Outcome::Unknown { why: "the batch ended without a word about this record".into() });
        let rows = self.rows;
        let of_row = |(n, ended): (usize, Ended)| {
            let inputs = rows.get(n).map_or(&[][..], |row| &row.inputs);
            inputs.iter().map(move |input| (*input, ended.clone().into())).collect::<Vec<(usize, Outcome)>>()
        };
        spread(self.inputs, &rest, self.refused.into_iter().chain(self.progress.ended.into_iter().flat_map(of_row)))
    }
}

/// The outcome of a row that was refused alone.
fn alone(outcome: Outcome, ctx: &Ctx<'_>) -> Ended {
    match outcome {
        // Somebody wrote the same address between the look and the write: the next look sees it.
        Outcome::GiveUp { code, why } if code == "ambiguous" && ctx.attempt <= 1 => Ended::Retry { why },
        Outcome::GiveUp { code, why } => Ended::GiveUp { code, why },
        Outcome::TargetGone { why } => Ended::Gone { why },
        Outcome::Retry { why, .. } => Ended::Retry { why },
        Outcome::Withheld { rule, why } => Ended::Withheld { rule, why },
        other => Ended::Human { why: format!("{other:?}") },
    }
}
