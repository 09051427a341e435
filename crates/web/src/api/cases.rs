//! `/api/v1/cases`: requests of people about their data and purchases, with the law's clocks.

use super::{Params, body, cursor, limit, list as page};
use crate::App;
use crate::etag;
use crate::problem::Problem;
use crate::who::Who;
use crate::{again, audit};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use pasarela_domain::case::{
    Case, CaseKind, CaseState, Claimant, Decided, DueOf, Entry, Extended, Intake, Letter, Requester, Step, Tongue,
};
use pasarela_engine::{CaseError, CaseFilter, CaseView, NewCase, Urgency, answer_draft};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A case as it is shown.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Case")]
pub(crate) struct Shown {
    number: String,
    kind: CaseKind,
    state: CaseState,
    /// `calm`, `soon`, `goal` (the earlier reading of the term has passed), `late`.
    urgency: Urgency,
    /// What is to be done now, the earliest first, each with its goal and the end of its term.
    dues: Vec<DueOf>,
    #[schemars(with = "pasarela_domain::Moment")]
    received_at: Timestamp,
    #[schemars(with = "pasarela_domain::Moment")]
    recorded_at: Timestamp,
    intake: Intake,
    /// Where the paper, the scan or the message is.
    reference: String,
    claimant: Claimant,
    requester: Requester,
    language: Tongue,
    facts: String,
    request: String,
    documents: Vec<String>,
    /// What a complete request of its kind would have too.
    missing: Vec<&'static str>,
    /// What the person was asked to add.
    asked: Option<Extended>,
    /// "Reclamo en trámite", while it stands beside the person's data.
    label: Option<Extended>,
    extended: Option<Extended>,
    decided: Option<Decided>,
    /// The answer as its template has it, while it waits to be sent.
    draft: Option<Letter>,
    answer: Option<Letter>,
    history: Vec<Entry>,
}

impl Shown {
    fn of(view: CaseView) -> Self {
        let CaseView { case, dues, urgency } = view;
        let draft = if case.state == CaseState::Decided { answer_draft(&case) } else { None };
        let (missing, labelled) = (case.missing(), case.labelled());
        let Case {
            number,
            kind,
            state,
            received_at,
            recorded_at,
            intake,
            reference,
            claimant,
            requester,
            language,
            facts,
            request,
            documents,
            asked,
            label,
            extended,
            decided,
            answer,
            history,
            ..
        } = case;
        Self {
            number,
            kind,
            state,
            urgency,
            dues,
            received_at,
            recorded_at,
            intake,
            reference,
            claimant,
            requester,
            language,
            facts,
            request,
            documents,
            missing,
            asked,
            label: label.filter(|_| labelled),
            extended,
            decided,
            draft,
            answer,
            history,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// Also those that are over.
    #[serde(default)]
    all: bool,
    /// Only those about this person: an e-mail address, or a phone in international form (`%2B57...`).
    person: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn list(State(app): State<App>, Params(f): Params<Filter>) -> Result<Json<Value>, Problem> {
    let filter =
        CaseFilter { all: f.all, person: f.person, before: cursor(f.cursor.as_deref())?, limit: limit(f.limit)? };
    let (cases, next) = app.engine.cases(filter).await?;
    Ok(page(cases.into_iter().map(|c| json!(Shown::of(c))).collect(), next))
}

pub(crate) async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    Ok(shown(StatusCode::OK, app.engine.case(&id).await?))
}

/// With its version, for who changes it.
fn shown(status: StatusCode, view: CaseView) -> Response {
    let (number, history) = (view.case.number.clone(), view.case.history.len());
    etag::tagged(status, Shown::of(view), &number, history)
}

pub(crate) async fn open(
    who: Who,
    State(app): State<App>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let key = again::of_caller(again::key(&headers)?, &who);
    let new: NewCase = body(&bytes)?;
    let (view, repeated) = app.engine.open_case(new, &who.name, key.as_deref()).await?;
    audit::done(&view.case.number, json!({ "kind": view.case.kind, "state": view.case.state }));
    let status = if repeated { StatusCode::OK } else { StatusCode::CREATED };
    let mut answer = shown(status, view);
    if repeated {
        again::replayed(&mut answer);
    }
    Ok(answer)
}

/// Says, before a step of it is done, how a case stands.
pub(crate) async fn intend(app: &App, id: &str) {
    // One that cannot be read has no step either: whoever does it says why.
    if let Ok(view) = app.engine.case(id).await {
        audit::before(id, json!({ "kind": view.case.kind, "state": view.case.state }));
    }
}

pub(crate) async fn step(
    who: Who,
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let step: Step = body(&bytes)?;
    let done = json!(step)["step"].take();
    let seen = etag::seen(&headers, &id)?;
    intend(&app, &id).await;
    let view = app.engine.step_case_as_seen(&id, step, &who.name, seen).await?;
    audit::done(&id, json!({ "step": done, "state": view.case.state }));
    Ok(shown(StatusCode::OK, view))
}

impl From<CaseError> for Problem {
    fn from(e: CaseError) -> Self {
        match e {
            CaseError::Invalid(why) => Self::bad_request(why),
            CaseError::NotFound(_) => Self::not_found(e.to_string()),
            CaseError::Refused(why) => {
                Self::new(StatusCode::CONFLICT, "not_possible", "That step is not possible", why.to_string())
            }
            CaseError::Changed => etag::changed(),
            CaseError::Store(e) => e.into(),
        }
    }
}
