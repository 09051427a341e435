//! `/personas`: who is whom, what each system says of them, and what somebody does about it.

use super::guard::{Deed, Visit};
use super::moments::Moment;
use super::page::{Frame, html, problem};
use super::words::Words;
use crate::App;
use crate::api::people::{join, keep_apart, leave_it, part, person as read_id, take_back};
use crate::problem::Problem;
use crate::who::Who;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use pasarela_domain::PersonId;
use pasarela_domain::identity::Reason;
use pasarela_domain::model::{HubPerson, HubRecord};
use pasarela_engine::{ConflictView, DoubtView, HistoryLine, PeopleError};
use serde::Deserialize;
use std::collections::BTreeSet;

/// Persons on a page.
const PAGE: u32 = 50;
/// Pairs and conflicts on a page.
const PAIRS: u32 = 25;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    c: Option<String>,
}

/// A person in a list.
struct Row {
    id: String,
    name: String,
    reached: String,
    records: String,
    brand: String,
}

#[derive(Template)]
#[template(path = "console/personas.html")]
struct ListPage {
    frame: Frame,
    q: String,
    people: Vec<Row>,
    next: Option<String>,
    /// The hub keeps no map.
    off: bool,
    doubts: bool,
    conflicts: bool,
}

/// A record of a person.
struct RecordRow {
    born: String,
    title: String,
    connection: String,
    /// Where more of it is shown.
    href: Option<String>,
    deleted: bool,
    /// What it should say, in words.
    differs: Vec<String>,
}

/// A line of the history.
struct Line {
    at: Moment,
    text: String,
    why: String,
    undone: bool,
    undoable: Option<String>,
}

/// Two who could be one.
struct Pair {
    a: Row,
    b: Row,
    why: String,
    since: Moment,
}

/// An edit that does not count.
struct Dispute {
    id: String,
    person: String,
    name: String,
    field: String,
    connection: String,
    says: String,
    winner: String,
    wins: String,
    why: String,
    at: Moment,
    accepted: Option<String>,
}

#[derive(Template)]
#[template(path = "console/persona.html")]
struct PersonPage {
    frame: Frame,
    refused: Option<String>,
    id: String,
    name: String,
    facts: Vec<(&'static str, String)>,
    records: Vec<RecordRow>,
    lines: Vec<Line>,
    pairs: Vec<Pair>,
    disputes: Vec<Dispute>,
    brand: Option<String>,
    may: bool,
}

#[derive(Template)]
#[template(path = "console/personas-revision.html")]
struct ReviewPage {
    frame: Frame,
    pairs: Vec<Pair>,
    next: Option<String>,
    may: bool,
}

#[derive(Template)]
#[template(path = "console/personas-conflictos.html")]
struct ConflictsPage {
    frame: Frame,
    disputes: Vec<Dispute>,
    next: Option<String>,
    may: bool,
}

fn row(w: Words, person: &HubPerson) -> Row {
    let reached: Vec<&str> = [
        person.email.as_ref().map(pasarela_domain::EmailAddress::as_str),
        person.phone.as_ref().map(pasarela_domain::Phone::as_e164),
    ]
    .into_iter()
    .flatten()
    .collect();
    Row {
        id: person.id.to_string(),
        name: called(w, person),
        reached: reached.join(" · "),
        records: w.count("persons.records", person.records.len() as u64),
        brand: person.brand.clone(),
    }
}

/// What somebody is called on a page.
fn called(w: Words, person: &HubPerson) -> String {
    if person.name.is_empty() { w.t("persons.nameless").to_owned() } else { person.name.clone() }
}

/// Why, as a sentence's tail.
fn because(w: Words, reasons: &[Reason]) -> String {
    let words = reasons.iter().map(|r| match serde_json::to_value(r) {
        Ok(serde_json::Value::String(name)) => w.named("match", &name),
        _ => String::new(),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn pair(w: Words, doubt: &DoubtView, now: Timestamp) -> Pair {
    Pair {
        a: row(w, &doubt.a),
        b: row(w, &doubt.b),
        why: because(w, &doubt.reasons),
        since: Moment::new(w, doubt.since, now),
    }
}

fn dispute(w: Words, c: ConflictView, now: Timestamp) -> Dispute {
    let why = serde_json::to_value(c.why).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    Dispute {
        id: c.id,
        person: c.person.to_string(),
        name: c.name,
        field: w.named("person_field", c.field.as_str()),
        connection: c.record.connection,
        says: c.says,
        winner: c.winner.connection,
        wins: c.wins,
        why: w.named("overruled", &why),
        at: Moment::new(w, c.at, now),
        accepted: c.accepted_by,
    }
}

fn record(w: Words, r: &HubRecord) -> RecordRow {
    let said = [
        ("name", r.differs.name.clone()),
        ("first_name", r.differs.first_name.clone().filter(|_| r.differs.name.is_none())),
        ("last_name", r.differs.last_name.clone().filter(|_| r.differs.name.is_none())),
        ("email", r.differs.email.as_ref().map(ToString::to_string)),
        ("phone", r.differs.phone.as_ref().map(ToString::to_string)),
    ];
    let differs = said.into_iter().filter_map(|(field, should)| {
        let field = w.named("person_field", field);
        should.map(|should| format!("{field}: {should}"))
    });
    let cleared = r
        .differs
        .clear
        .iter()
        .map(|field| format!("{}: {}", w.named("person_field", field.as_str()), w.t("persons.empty")));
    let differs = differs.chain(cleared);
    let order = r.order_id.as_ref().filter(|_| matches!(r.kind.as_str(), "order" | "ticket"));
    RecordRow {
        born: r.born.to_string(),
        title: format!("{} {}", w.named("person_kind", &r.kind), r.id),
        connection: r.connection.clone(),
        href: order.map(|order| format!("/pedidos/{}/{order}", r.connection)),
        deleted: r.deleted,
        differs: differs.collect(),
    }
}

fn line(w: Words, l: HistoryLine, now: Timestamp) -> Line {
    let who = l.by.clone().unwrap_or_else(|| w.t("persons.by_rule").to_owned());
    let text = match (l.what, &l.record) {
        ("told", Some(source)) => {
            let what = format!("{} {}", w.named("person_kind", &source.kind), source.id);
            let said = l.said.clone().unwrap_or_else(|| w.t("persons.said_nothing").to_owned());
            w.with("persons.did_told", format!("{} · {what}", source.connection)).replacen("{}", &said, 1)
        }
        ("merged", _) => w.with("persons.did_merge", who),
        ("split", _) => w.with("persons.did_split", who),
        ("kept_apart", _) => w.with("persons.did_apart", who),
        _ => w.with("persons.did_undo", who),
    };
    Line {
        at: Moment::new(w, l.at, now),
        text,
        why: because(w, &l.reasons),
        undone: l.undone,
        undoable: l.undoable.then(|| l.deed.to_string()),
    }
}

/// Reads a cursor; what is none is the first page.
fn cursor(text: Option<&str>) -> Option<i64> {
    crate::api::cursor(text).ok().flatten()
}

pub(super) async fn list(
    State(app): State<App>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Response> {
    let w = visit.w;
    let search = Some(asked.q.trim()).filter(|q| !q.is_empty());
    let seen = app.brands_seen();
    let found = match app.engine.people(search, cursor(asked.c.as_deref()), PAGE, seen).await {
        Ok(found) => Some(found),
        Err(PeopleError::Off) => None,
        Err(e) => return Err(problem(&visit, e.into())),
    };
    let (mut doubts, mut conflicts) = (false, false);
    if found.is_some() {
        let failed = |e: PeopleError| problem(&visit, e.into());
        doubts = !app.engine.people_review(None, 1, seen).await.map_err(failed)?.0.is_empty();
        conflicts = !app.engine.people_conflicts(None, 1, seen).await.map_err(failed)?.0.is_empty();
    }
    let off = found.is_none();
    let found = found.unwrap_or_default();
    Ok(html(&ListPage {
        people: found.people.iter().map(|p| row(w, p)).collect(),
        next: found.next.map(crate::api::cursor_text),
        q: asked.q.trim().to_owned(),
        off,
        doubts,
        conflicts,
        frame: Frame::new(&app, &visit, "persons.title", "persons").await,
    }))
}

pub(super) async fn show(State(app): State<App>, visit: Visit, Path(id): Path<String>) -> Result<Response, Response> {
    let id = read_id(&id).map_err(|e| problem(&visit, e))?;
    Ok(html(&page(&app, &visit, id, None).await?))
}

async fn page(app: &App, visit: &Visit, id: PersonId, refused: Option<String>) -> Result<PersonPage, Response> {
    let (w, now, seen) = (visit.w, app.engine.clock().now(), app.brands_seen());
    let failed = |e: PeopleError| problem(visit, e.into());
    let view = app.engine.person(id, seen).await.map_err(failed)?;
    let lines = app.engine.person_history(id, seen).await.map_err(failed)?;
    let person = &view.person;
    let facts = [
        ("person_field.email", person.email.as_ref().map(ToString::to_string)),
        ("person_field.phone", person.phone.as_ref().map(ToString::to_string)),
        ("person_field.channel_user", person.channel_user.clone()),
        ("person_field.document", person.document.as_ref().map(|d| format!("{} {}", d.kind, d.number))),
        ("person_field.language", person.language.clone()),
        ("person_field.job_title", person.job_title.clone()),
    ];
    Ok(PersonPage {
        id: person.id.to_string(),
        name: called(w, person),
        facts: facts.into_iter().filter_map(|(key, value)| value.map(|v| (key, v))).collect(),
        records: person.records.iter().map(|r| record(w, r)).collect(),
        lines: lines.into_iter().map(|l| line(w, l, now)).collect(),
        pairs: view.doubts.iter().map(|d| pair(w, d, now)).collect(),
        disputes: view.conflicts.iter().map(|c| dispute(w, c.clone(), now)).collect(),
        brand: (app.brands.len() > 1).then(|| person.brand.clone()),
        may: visit.may(crate::policy::Action::Write, crate::policy::Resource::People),
        refused,
        frame: Frame::new(app, visit, "persons.single", "persons").await,
    })
}

pub(super) async fn review(
    State(app): State<App>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Response> {
    let (w, now) = (visit.w, app.engine.clock().now());
    let found = app.engine.people_review(cursor(asked.c.as_deref()), PAIRS, app.brands_seen()).await;
    let (pairs, next) = found.map_err(|e| problem(&visit, e.into()))?;
    Ok(html(&ReviewPage {
        pairs: pairs.iter().map(|d| pair(w, d, now)).collect(),
        next: next.map(crate::api::cursor_text),
        may: visit.may(crate::policy::Action::Write, crate::policy::Resource::People),
        frame: Frame::new(&app, &visit, "persons.review", "persons").await,
    }))
}

pub(super) async fn conflicts(
    State(app): State<App>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Response> {
    let (w, now) = (visit.w, app.engine.clock().now());
    let found = app.engine.people_conflicts(cursor(asked.c.as_deref()), PAIRS, app.brands_seen()).await;
    let (all, next) = found.map_err(|e| problem(&visit, e.into()))?;
    Ok(html(&ConflictsPage {
        disputes: all.into_iter().map(|c| dispute(w, c, now)).collect(),
        next: next.map(crate::api::cursor_text),
        may: visit.may(crate::policy::Action::Write, crate::policy::Resource::People),
        frame: Frame::new(&app, &visit, "persons.conflicts", "persons").await,
    }))
}

/// Back to where it was asked for, or the person with the reason why not.
async fn answered(app: &App, deed: &Deed, id: PersonId, done: Result<PersonId, Problem>) -> Result<Response, Response> {
    match done {
        Ok(person) => {
            let to = match deed.field("vuelta") {
                "revision" => "/personas/revision".to_owned(),
                "conflictos" => "/personas/conflictos".to_owned(),
                _ => format!("/personas/{person}"),
            };
            Ok(Redirect::to(&to).into_response())
        }
        Err(why) => match why.told_to_people() {
            Some(sentence) => {
                let page = page(app, &deed.visit, id, Some(sentence)).await?;
                Ok((StatusCode::BAD_REQUEST, html(&page)).into_response())
            }
            None => Err(problem(&deed.visit, why)),
        },
    }
}

/// Reads an id of a form.
fn field<T: std::str::FromStr>(deed: &Deed, name: &str) -> Result<T, Problem> {
    let text = deed.field(name).trim();
    text.parse().map_err(|_| Problem::not_found(format!("there is no '{text}'")))
}

pub(super) async fn merge(
    State(app): State<App>,
    who: Who,
    Path(id): Path<String>,
    deed: Deed,
) -> Result<Response, Response> {
    let id = read_id(&id).map_err(|e| problem(&deed.visit, e))?;
    let other = field(&deed, "con").map_err(|e| problem(&deed.visit, e))?;
    let done = join(&app, &who, id, other).await.map(|d| d.person);
    answered(&app, &deed, id, done).await
}

pub(super) async fn apart(
    State(app): State<App>,
    who: Who,
    Path(id): Path<String>,
    deed: Deed,
) -> Result<Response, Response> {
    let id = read_id(&id).map_err(|e| problem(&deed.visit, e))?;
    let other = field(&deed, "con").map_err(|e| problem(&deed.visit, e))?;
    let done = keep_apart(&app, &who, id, other).await.map(|d| d.person);
    answered(&app, &deed, id, done).await
}

pub(super) async fn take_out(
    State(app): State<App>,
    who: Who,
    Path(id): Path<String>,
    deed: Deed,
) -> Result<Response, Response> {
    let id = read_id(&id).map_err(|e| problem(&deed.visit, e))?;
    let leaving: PersonId = field(&deed, "registro").map_err(|e| problem(&deed.visit, e))?;
    let done = part(&app, &who, id, BTreeSet::from([leaving])).await.map(|d| d.person);
    answered(&app, &deed, id, done).await
}

pub(super) async fn undo(
    State(app): State<App>,
    who: Who,
    Path(id): Path<String>,
    deed: Deed,
) -> Result<Response, Response> {
    let id = read_id(&id).map_err(|e| problem(&deed.visit, e))?;
    let which = field(&deed, "hecho").map_err(|e| problem(&deed.visit, e))?;
    let done = take_back(&app, &who, id, which).await.map(|d| d.person);
    answered(&app, &deed, id, done).await
}

pub(super) async fn accept(
    State(app): State<App>,
    who: Who,
    Path(id): Path<String>,
    deed: Deed,
) -> Result<Response, Response> {
    let id = read_id(&id).map_err(|e| problem(&deed.visit, e))?;
    let done = leave_it(&app, &who, id, deed.field("conflicto").trim()).await.map(|()| id);
    answered(&app, &deed, id, done).await
}
