//! `/incidentes`: the register of security incidents, and the sheet for the authority.

use super::super::guard::{Deed, Visit};
use super::super::marks::Mark;
use super::super::moments::{self, Moment};
use super::super::notice::Notice;
use super::super::page::{Frame, html, refusal};
use super::super::words::Words;
use super::{Clock, Did, did, wrong};
use crate::App;
use crate::audit;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use pasarela_domain::case::{DueOf, Duty};
use pasarela_domain::incident::IncidentStep;
use pasarela_engine::{CaseError, IncidentView, NewIncident};

/// Incidents on the page.
const PAGE: u32 = 100;

struct Row {
    number: String,
    title: String,
    mark: Mark,
    clock: Option<Clock>,
    detected: Moment,
}

#[derive(Template)]
#[template(path = "console/incidentes.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
    refused: Option<String>,
}

/// Name and value of a field of the sheet; what is not known is empty.
struct Field {
    label: String,
    value: String,
}

#[derive(Template)]
#[template(path = "console/incidente.html")]
struct OnePage {
    frame: Frame,
    row: Row,
    databases: String,
    categories: String,
    persons: String,
    effect: String,
    measures: String,
    missing: Option<String>,
    reported: Option<String>,
    closed: bool,
    history: Vec<Did>,
    notice: Option<&'static str>,
    refused: Option<String>,
}

#[derive(Template)]
#[template(path = "console/incidente-hoja.html")]
struct SheetPage {
    frame: Frame,
    number: String,
    title: String,
    fields: Vec<Field>,
}

fn row(w: Words, view: &IncidentView, now: Timestamp) -> Row {
    let i = &view.incident;
    let (tone, shape, word) = match (i.closed_at, i.reported_at) {
        (Some(_), _) => ("done", "done", w.t("incidents.closed").to_owned()),
        (None, Some(at)) => ("info", "done", w.with("incidents.reported", moments::date(w, at, now))),
        (None, None) => ("waits", "waits", w.t("incidents.open").to_owned()),
    };
    let due = DueOf { duty: Duty::ReportIncident, due: view.due };
    Row {
        number: i.number.clone(),
        title: i.title.clone(),
        mark: Mark { tone, shape, word },
        clock: i.reported_at.is_none().then(|| Clock::new(w, &due, view.urgency, now)),
        detected: Moment::new(w, i.detected_at, now),
    }
}

async fn list_page(app: &App, visit: &Visit, refused: Option<String>) -> Result<ListPage, Response> {
    let (all, _) = app.engine.incidents(None, PAGE).await.map_err(|e| wrong(visit, e))?;
    let now = app.engine.clock().now();
    let rows = all.iter().map(|i| row(visit.w, i, now)).collect();
    Ok(ListPage { frame: Frame::new(app, visit, "incidents.title", "cases").await, rows, refused })
}

pub(in crate::console) async fn list(State(app): State<App>, visit: Visit) -> Result<Response, Response> {
    Ok(html(&list_page(&app, &visit, None).await?))
}

pub(in crate::console) async fn create(State(app): State<App>, deed: Deed) -> Result<Response, Response> {
    let new = NewIncident {
        title: deed.field("titulo").to_owned(),
        detected_at: None,
        databases: Vec::new(),
        categories: Vec::new(),
        persons: None,
        effect: String::new(),
        measures: String::new(),
    };
    match app.engine.open_incident(new, deed.visit.name()).await {
        Ok(view) => {
            audit::done(&view.incident.number, serde_json::json!({ "title": view.incident.title }));
            Ok(Redirect::to(&format!("/incidentes/{}", view.incident.number)).into_response())
        }
        Err(CaseError::Invalid(why)) => {
            let page = list_page(&app, &deed.visit, Some(why)).await?;
            Ok((StatusCode::BAD_REQUEST, html(&page)).into_response())
        }
        Err(e) => Err(wrong(&deed.visit, e)),
    }
}

async fn one_page(
    app: &App,
    visit: &Visit,
    view: IncidentView,
    notice: Option<&'static str>,
    refused: Option<String>,
) -> OnePage {
    let (w, now) = (visit.w, app.engine.clock().now());
    let row = row(w, &view, now);
    let i = view.incident;
    let missing = i.missing().iter().map(|f| w.named("case_field", f)).collect::<Vec<_>>().join(", ");
    let mut frame = Frame::new(app, visit, "incidents.title", "cases").await;
    frame.title = format!("{} · {}", i.number, frame.title);
    OnePage {
        row,
        missing: (!missing.is_empty()).then_some(missing),
        reported: i.reported_at.map(|at| w.with("incidents.reported", moments::date(w, at, now))),
        closed: i.closed_at.is_some(),
        databases: i.databases.join(", "),
        categories: i.categories.join(", "),
        persons: i.persons.map(|n| n.to_string()).unwrap_or_default(),
        history: i.history.iter().rev().map(|e| did(w, e, now)).collect(),
        effect: i.effect,
        measures: i.measures,
        notice,
        refused,
        frame,
    }
}

pub(in crate::console) async fn show(
    State(app): State<App>,
    visit: Visit,
    Path(number): Path<String>,
    Query(notice): Query<Notice>,
) -> Result<Response, Response> {
    let view = app.engine.incident(&number).await.map_err(|e| wrong(&visit, e))?;
    Ok(html(&one_page(&app, &visit, view, notice.key(), None).await))
}

/// The sheet, made to be printed or copied into the authority's form.
pub(in crate::console) async fn sheet(
    State(app): State<App>,
    visit: Visit,
    Path(number): Path<String>,
) -> Result<Response, Response> {
    let view = app.engine.incident(&number).await.map_err(|e| wrong(&visit, e))?;
    let (w, now) = (visit.w, app.engine.clock().now());
    let i = view.incident;
    let field = |key: &str, value: String| Field { label: w.named("incidents", key), value };
    let due = if now > view.due.by { "cases.late" } else { "cases.due" };
    let fields = vec![
        field("detected", Moment::new(w, i.detected_at, now).text),
        Field {
            label: w.t("case_duty.report").to_owned(),
            value: w.t(due).replacen("{}", &moments::date(w, view.due.by, now), 1),
        },
        field("databases", i.databases.join(", ")),
        field("categories", i.categories.join(", ")),
        field("persons", i.persons.map(|n| w.number(n)).unwrap_or_default()),
        field("effect", i.effect),
        field("measures", i.measures),
        field("report_number", i.report),
    ];
    let mut frame = Frame::new(&app, &visit, "incidents.sheet", "cases").await;
    frame.title = format!("{} · {}", i.number, frame.title);
    Ok(html(&SheetPage { frame, number: i.number, title: i.title, fields }))
}

pub(in crate::console) async fn step(State(app): State<App>, Path(number): Path<String>, deed: Deed) -> Response {
    let list = |name: &str| -> Option<Vec<String>> {
        Some(deed.field(name).split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect())
    };
    let text = |name: &str| Some(deed.field(name).replace("\r\n", "\n"));
    let step = match deed.field("paso") {
        "update" => IncidentStep::Update {
            databases: list("bases"),
            categories: list("categorias"),
            persons: deed.field("personas").parse().ok(),
            effect: text("efecto"),
            measures: text("medidas"),
        },
        "report" => IncidentStep::Report { report: deed.field("numero").to_owned() },
        "close" => IncidentStep::Close { note: String::new() },
        _ => return refusal(&deed.visit, StatusCode::NOT_FOUND, "error.not_found"),
    };
    crate::api::intend_incident(&app, &number).await;
    match app.engine.step_incident(&number, step, deed.visit.name()).await {
        Ok(_) => {
            audit::done(&number, serde_json::json!({ "step": deed.field("paso") }));
            Redirect::to(&format!("/incidentes/{number}?aviso=case_done")).into_response()
        }
        Err(CaseError::Invalid(why)) => match app.engine.incident(&number).await {
            Ok(view) => {
                let page = one_page(&app, &deed.visit, view, None, Some(why)).await;
                (StatusCode::CONFLICT, html(&page)).into_response()
            }
            Err(e) => wrong(&deed.visit, e),
        },
        Err(e) => wrong(&deed.visit, e),
    }
}
