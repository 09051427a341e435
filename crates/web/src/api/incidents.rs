//! `/api/v1/incidents`: the register of security incidents, with the clock of 15 business days.

use super::{Params, body, cursor, limit, list as page};
use crate::App;
use crate::problem::Problem;
use crate::who::Who;
use crate::{audit, etag};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use pasarela_domain::case::{Due, Entry};
use pasarela_domain::incident::IncidentStep;
use pasarela_engine::{IncidentView, NewIncident, Urgency};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An incident as it is shown; its fields are those of the sheet for the authority.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Incident")]
pub(crate) struct Shown {
    number: String,
    title: String,
    #[schemars(with = "pasarela_domain::Moment")]
    detected_at: Timestamp,
    /// By when it must be reported: the goal, and the end of the term.
    due: Due,
    urgency: Urgency,
    databases: Vec<String>,
    categories: Vec<String>,
    persons: Option<u64>,
    effect: String,
    measures: String,
    /// What the report still lacks.
    missing: Vec<&'static str>,
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    reported_at: Option<Timestamp>,
    /// Number under which the authority has it.
    report: String,
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    closed_at: Option<Timestamp>,
    history: Vec<Entry>,
}

impl Shown {
    fn of(view: IncidentView) -> Self {
        let IncidentView { incident: i, due, urgency } = view;
        Self {
            missing: i.missing(),
            number: i.number,
            title: i.title,
            detected_at: i.detected_at,
            due,
            urgency,
            databases: i.databases,
            categories: i.categories,
            persons: i.persons,
            effect: i.effect,
            measures: i.measures,
            reported_at: i.reported_at,
            report: i.report,
            closed_at: i.closed_at,
            history: i.history,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn list(State(app): State<App>, Params(f): Params<Page>) -> Result<Json<Value>, Problem> {
    let (all, next) = app.engine.incidents(cursor(f.cursor.as_deref())?, limit(f.limit)?).await?;
    Ok(page(all.into_iter().map(|i| json!(Shown::of(i))).collect(), next))
}

pub(crate) async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    Ok(shown(StatusCode::OK, app.engine.incident(&id).await?))
}

/// With its version, for who changes it.
fn shown(status: StatusCode, view: IncidentView) -> Response {
    let (number, history) = (view.incident.number.clone(), view.incident.history.len());
    etag::tagged(status, Shown::of(view), &number, history)
}

pub(crate) async fn open(who: Who, State(app): State<App>, bytes: Bytes) -> Result<Response, Problem> {
    let new: NewIncident = body(&bytes)?;
    let view = app.engine.open_incident(new, &who.name).await?;
    audit::done(
        &view.incident.number,
        json!({ "title": view.incident.title, "detected_at": view.incident.detected_at }),
    );
    Ok(shown(StatusCode::CREATED, view))
}

/// Says, before a step of it is done, how an incident stands.
pub(crate) async fn intend(app: &App, id: &str) {
    if let Ok(view) = app.engine.incident(id).await {
        audit::before(id, json!({ "title": view.incident.title, "steps": view.incident.history.len() }));
    }
}

pub(crate) async fn step(
    who: Who,
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let step: IncidentStep = body(&bytes)?;
    let done = json!(step);
    let seen = etag::seen(&headers, &id)?;
    intend(&app, &id).await;
    let view = app.engine.step_incident_as_seen(&id, step, &who.name, seen).await?;
    audit::done(&id, done);
    Ok(shown(StatusCode::OK, view))
}
