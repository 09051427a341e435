//! What a person asks for on their own page: to correct, to suppress, to be told. Each becomes a case with a number
//! and the law's clock (Ley 1581, arts. 14 and 15).

use super::form::{Form, is_foreign, mark};
use super::{Asked, Words, admitted, named, notice};
use crate::App;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pasarela_colombia::Lang;
use pasarela_colombia::calendar::date_with_year;
use pasarela_domain::case::{CaseKind, CaseState, Claimant, Intake, Requester, Tongue};
use pasarela_engine::{CaseError, CaseFilter, NewCase};
use pasarela_ticket::pass::Opens;
use serde::Serialize;

/// Cases that are shown.
const MOST: u32 = 20;

/// A case, as its person sees it.
#[derive(Serialize)]
pub(super) struct Own {
    pub(super) number: String,
    pub(super) kind: CaseKind,
    pub(super) state: CaseState,
    #[serde(skip)]
    pub(super) title: &'static str,
    #[serde(skip)]
    pub(super) told: String,
}

/// Cases of the person of this address, the newest first.
pub(super) async fn cases(app: &App, address: &str, w: Words) -> Result<Vec<Own>, CaseError> {
    let filter = CaseFilter { all: true, person: Some(address.to_owned()), before: None, limit: MOST };
    let (found, _) = app.engine.cases(filter).await?;
    let own = found.into_iter().map(|view| {
        let case = view.case;
        let received = w.with("case.received", &date_with_year(case.received_at, w.lang));
        // The person's term is the later one, and no date of ours is promised once it is over.
        let told = if case.answer.is_some() { w.t("case.answered").to_owned() } else { received };
        Own {
            title: w.t(&format!("case.{}", case.kind.as_str())),
            number: case.number,
            kind: case.kind,
            state: case.state,
            told,
        }
    });
    Ok(own.collect())
}

pub(super) async fn send(
    State(app): State<App>,
    Path(pass): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let w = Words { lang: asked.lang(&headers) };
    let person = admitted(&app, &pass, Opens::Data).await.filter(|pass| pass.opens == Opens::Data);
    let Some(person) = person else { return notice(&app, StatusCode::NOT_FOUND, "closed", w.lang).await };
    let form = Form::read(&body).filter(|form| form.get("prueba") == mark(&app, &pass) && !is_foreign(&app, &headers));
    let Some(form) = form else { return notice(&app, StatusCode::FORBIDDEN, "form", w.lang).await };
    let kind = if form.get("que") == "consultar" { CaseKind::Consulta } else { CaseKind::Reclamo };
    let contact = named(&person.address);
    let wish = match form.get("que") {
        "eliminar" => "ask.suppress",
        "consultar" => "ask.consult",
        _ => "ask.correct",
    };
    let new = NewCase {
        kind,
        claimant: Claimant {
            name: form.get("nombre").to_owned(),
            document: form.get("documento").to_owned(),
            email: contact.email,
            phone: contact.phone,
            address: String::new(),
        },
        requester: Requester::Person,
        facts: form.get("detalle").to_owned(),
        // In Spanish, whatever the page spoke: it is read by whoever answers.
        request: format!("{}: {}", super::t(wish, Lang::Es), form.get("detalle")),
        documents: Vec::new(),
        received_at: None,
        intake: Some(Intake::Web),
        reference: String::new(),
        language: if w.lang == Lang::Es { Tongue::Es } else { Tongue::En },
    };
    // The same form sent twice is one case; the pass lasts a day.
    let key = format!(
        "page:{:016x}",
        app.engine.store().sealer().hash_bytes(&[pass.as_bytes(), &body].concat()).cast_unsigned()
    );
    if form.get("detalle").is_empty() || form.get("nombre").is_empty() {
        return notice(&app, StatusCode::BAD_REQUEST, "ask.empty", w.lang).await;
    }
    match app.engine.open_case(new, "mis-datos", Some(&key)).await {
        Ok((view, _)) => {
            let to = format!("/mis-datos/{pass}?numero={}&lang={}", view.case.number, w.code());
            let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
            super::protect(response.headers_mut());
            response
        }
        Err(CaseError::Invalid(why)) => {
            tracing::info!(why, "a request of a person was not taken");
            notice(&app, StatusCode::BAD_REQUEST, "ask.empty", w.lang).await
        }
        Err(e) => {
            tracing::error!(error = %e, "a request of a person could not be kept");
            notice(&app, StatusCode::SERVICE_UNAVAILABLE, "later", w.lang).await
        }
    }
}
