//! `/casos`: requests of people, how long is left, and what comes next.

mod forms;
pub(super) mod incidents;

pub(super) use forms::{create, fresh};

use super::guard::{Deed, Visit};
use super::marks::Mark;
use super::moments::{self, Moment};
use super::notice::Notice;
use super::page::{Frame, html, refusal, unreadable};
use super::words::Words;
use crate::App;
use crate::audit;
use crate::policy::{Action, Resource};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use pasarela_domain::case::{CaseKind, CaseState, DueOf, Entry, Letter, Ruling, Step};
use pasarela_engine::{CaseError, CaseFilter, CaseView, Urgency, answer_draft};
use serde::Deserialize;

/// Cases on a page.
const PAGE: u32 = 50;

/// How long is left, in words and with its tone.
struct Clock {
    tone: &'static str,
    shape: &'static str,
    /// `Vence el 9 de diciembre`.
    text: String,
    /// `quedan 13 días`.
    left: String,
    /// What is due.
    duty: String,
    /// Our goal, where it is earlier.
    goal: Option<String>,
    iso: String,
}

impl Clock {
    fn new(w: Words, due: &DueOf, urgency: Urgency, now: Timestamp) -> Self {
        let late = now > due.due.by;
        let (tone, shape) = match urgency {
            _ if late => ("failed", "failed"),
            Urgency::Late => ("failed", "failed"),
            Urgency::Goal | Urgency::Soon => ("waits", "waits"),
            Urgency::Calm => ("quiet", "waits"),
        };
        let date = moments::date(w, due.due.by, now);
        let days = moments::days_until(due.due.by, now);
        let left = match days {
            0 => w.t("cases.today").to_owned(),
            n if n > 0 => w.count("cases.days", n.unsigned_abs()),
            n => w.count("cases.days_over", n.unsigned_abs()),
        };
        let text = if late { w.with("cases.late", date) } else { w.with("cases.due", date) };
        let goal =
            (due.due.goal < due.due.by && !late).then(|| w.with("cases.goal", moments::date(w, due.due.goal, now)));
        let duty = w.named("case_duty", due.duty.as_str());
        Self { tone, shape, text, left, duty, goal, iso: due.due.by.to_string() }
    }
}

fn state_mark(w: Words, state: CaseState) -> Mark {
    let (tone, shape) = match state {
        CaseState::Answered => ("done", "done"),
        CaseState::Withdrawn | CaseState::PassedOn => ("quiet", "withheld"),
        CaseState::Complete | CaseState::Decided => ("info", "waits"),
        CaseState::Received | CaseState::Incomplete => ("waits", "waits"),
    };
    Mark { tone, shape, word: w.named("case_state", state.as_str()) }
}

struct Row {
    number: String,
    kind: String,
    name: String,
    mark: Mark,
    clock: Option<Clock>,
    received: Moment,
}

#[derive(Template)]
#[template(path = "console/casos.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
    all: bool,
    older: Option<String>,
    notice: Option<&'static str>,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    todos: Option<String>,
    #[serde(default)]
    antes: Option<i64>,
    aviso: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Response> {
    let all = asked.todos.is_some();
    let filter = CaseFilter { all, person: None, before: asked.antes, limit: PAGE };
    let (cases, next) = app.engine.cases(filter).await.map_err(|e| wrong(&visit, e))?;
    let now = app.engine.clock().now();
    let rows = cases.iter().map(|c| row(visit.w, c, now)).collect();
    let page = ListPage {
        rows,
        all,
        older: next.map(|n| format!("/casos?antes={n}{}", if all { "&todos=1" } else { "" })),
        notice: Notice::of(asked.aviso).key(),
        frame: Frame::new(&app, &visit, "cases.title", "cases").await,
    };
    Ok(html(&page))
}

fn row(w: Words, view: &CaseView, now: Timestamp) -> Row {
    let case = &view.case;
    Row {
        number: case.number.clone(),
        kind: w.named("case_kind", case.kind.as_str()),
        name: case.claimant.name.clone(),
        mark: state_mark(w, case.state),
        clock: view.dues.first().map(|due| Clock::new(w, due, view.urgency, now)),
        received: Moment::new(w, case.received_at, now),
    }
}

/// A step that may be done now: its name, and what its form asks for.
struct Deal {
    name: &'static str,
    title: String,
    help: Option<String>,
    reason: Option<String>,
    /// Must the reason be said?
    must: bool,
    /// One of granted, partly, denied is chosen.
    rulings: bool,
    /// The letter, to be read and changed.
    letter: Option<Letter>,
    /// Not the usual way: behind a click.
    aside: bool,
}

struct Did {
    at: Moment,
    what: String,
    by: String,
    note: String,
}

#[derive(Template)]
#[template(path = "console/caso.html")]
struct CasePage {
    frame: Frame,
    row: Row,
    clocks: Vec<Clock>,
    contact: Vec<String>,
    facts: String,
    request: String,
    documents: String,
    reference: String,
    missing: Option<String>,
    label: Option<String>,
    deals: Vec<Deal>,
    over: bool,
    no_email: bool,
    answer: Option<Letter>,
    history: Vec<Did>,
    notice: Option<&'static str>,
    refused: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    visit: Visit,
    Path(number): Path<String>,
    Query(notice): Query<Notice>,
) -> Result<Response, Response> {
    let view = app.engine.case(&number).await.map_err(|e| wrong(&visit, e))?;
    Ok(html(&page(&app, &visit, view, notice.key(), None).await))
}

async fn page(
    app: &App,
    visit: &Visit,
    view: CaseView,
    notice: Option<&'static str>,
    refused: Option<String>,
) -> CasePage {
    let (w, now) = (visit.w, app.engine.clock().now());
    let clocks = view.dues.iter().map(|d| Clock::new(w, d, view.urgency, now)).collect();
    let row = row(w, &view, now);
    let case = view.case;
    let c = &case.claimant;
    let contact = [
        &c.document,
        c.email.as_ref().unwrap_or(&String::new()),
        c.phone.as_ref().unwrap_or(&String::new()),
        &c.address,
    ]
    .into_iter()
    .filter(|t| !t.is_empty())
    .cloned()
    .collect();
    let missing = case.missing();
    let missing = missing.iter().map(|f| w.named("case_field", f)).collect::<Vec<_>>().join(", ");
    let mut frame = Frame::new(app, visit, "cases.title", "cases").await;
    frame.title = format!("{} · {}", case.number, frame.title);
    CasePage {
        row,
        clocks,
        contact,
        missing: (!missing.is_empty() && case.state.is_open()).then_some(missing),
        label: case.label.as_ref().filter(|_| case.labelled()).map(|l| l.reason.clone()),
        deals: if frame.may(Action::Operate, Resource::Cases) { deals(w, &case) } else { Vec::new() },
        over: !case.state.is_open(),
        no_email: case.claimant.email.is_none() && case.state == CaseState::Decided,
        documents: case.documents.join(", "),
        reference: case.reference.clone(),
        answer: case.answer.clone(),
        history: case.history.iter().rev().map(|e| did(w, e, now)).collect(),
        facts: case.facts,
        request: case.request,
        notice,
        refused,
        frame,
    }
}

fn did(w: Words, e: &Entry, now: Timestamp) -> Did {
    let note =
        if matches!(e.what.as_str(), "decided" | "withdrawn") { w.named("case_note", &e.note) } else { e.note.clone() };
    Did { at: Moment::new(w, e.at, now), what: w.named("case_did", &e.what), by: e.by.clone(), note }
}

fn deals(w: Words, case: &pasarela_domain::case::Case) -> Vec<Deal> {
    let deal = |name: &'static str, must: bool, aside: bool| Deal {
        name,
        title: w.named("case_step", name),
        help: None,
        reason: Some(w.named("case_step", &format!("{name}_reason"))),
        must,
        rulings: false,
        letter: None,
        aside,
    };
    let reclamo = case.kind == CaseKind::Reclamo;
    let mut all = Vec::new();
    if matches!(case.state, CaseState::Received | CaseState::Incomplete) && reclamo {
        all.push(Deal { help: Some(w.t("case_step.complete_help").to_owned()), ..deal("complete", false, false) });
    }
    if case.state == CaseState::Received && reclamo {
        all.push(deal("incomplete", true, true));
    }
    if matches!(case.state, CaseState::Complete) || (case.state == CaseState::Received && !reclamo) {
        all.push(Deal { rulings: true, ..deal("decide", false, false) });
    }
    if case.state == CaseState::Decided {
        all.push(Deal { letter: answer_draft(case), reason: None, ..deal("answer", true, false) });
    }
    if matches!(case.state, CaseState::Received | CaseState::Complete)
        && case.extended.is_none()
        && case.kind != CaseKind::Pqr
    {
        all.push(deal("extend", true, true));
    }
    if case.state == CaseState::Received {
        all.push(deal("pass_on", true, true));
    }
    if case.state.is_open() {
        all.push(deal("withdraw", true, true));
    }
    all.push(deal("note", true, true));
    all
}

/// Does a step of a case.
pub(super) async fn step(State(app): State<App>, Path(number): Path<String>, deed: Deed) -> Response {
    let reason = deed.field("motivo").to_owned();
    let ruling = match deed.field("decision") {
        "granted" => Ruling::Granted,
        "partly" => Ruling::Partly,
        _ => Ruling::Denied,
    };
    let step = match deed.field("paso") {
        "complete" => Step::Complete { reason },
        "incomplete" => Step::Incomplete { missing: reason },
        "extend" => Step::Extend { reason },
        "decide" => Step::Decide { ruling, reason },
        "answer" => {
            Step::Answer { subject: deed.field("asunto").to_owned(), text: deed.field("texto").replace("\r\n", "\n") }
        }
        "pass_on" => Step::PassOn { to: reason },
        "withdraw" => Step::Withdraw { reason },
        "note" => Step::Note { text: reason },
        _ => return refusal(&deed.visit, StatusCode::NOT_FOUND, "error.not_found"),
    };
    crate::api::intend_case(&app, &number).await;
    match app.engine.step_case(&number, step, deed.visit.name()).await {
        Ok(view) => {
            audit::done(&number, serde_json::json!({ "step": deed.field("paso"), "state": view.case.state }));
            Redirect::to(&format!("/casos/{number}?aviso=case_done")).into_response()
        }
        // The page as it stands now, with the reason.
        Err(CaseError::Refused(why)) => match app.engine.case(&number).await {
            Ok(view) => (StatusCode::CONFLICT, html(&page(&app, &deed.visit, view, None, Some(why.to_string())).await))
                .into_response(),
            Err(e) => wrong(&deed.visit, e),
        },
        Err(e) => wrong(&deed.visit, e),
    }
}

/// A page that says why there is nothing to see.
fn wrong(visit: &Visit, e: CaseError) -> Response {
    match e {
        CaseError::Store(e) => unreadable(visit, e),
        _ => refusal(visit, StatusCode::NOT_FOUND, "error.not_found"),
    }
}
