//! `/casos/nuevo`: a request that came on paper, by phone or another way, entered by hand.

use super::super::guard::{Deed, Visit};
use super::super::page::{Frame, html};
use super::wrong;
use crate::App;
use crate::audit;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::civil::Date;
use pasarela_domain::case::{CaseKind, Claimant, Intake, Requester, Tongue};
use pasarela_engine::{CaseError, NewCase};
use std::collections::HashMap;

#[derive(Template)]
#[template(path = "console/caso-nuevo.html")]
struct NewPage {
    frame: Frame,
    form: HashMap<String, String>,
    today: String,
    refused: Option<String>,
}

impl NewPage {
    fn value(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    fn selected(&self, name: &str, value: &str) -> &'static str {
        if self.value(name) == value { " selected" } else { "" }
    }

    fn intakes(&self) -> [&'static str; 5] {
        Intake::BY_HAND.map(Intake::as_str)
    }
}

async fn page(app: &App, visit: &Visit, form: HashMap<String, String>, refused: Option<String>) -> NewPage {
    let today = pasarela_colombia::calendar::bogota(app.engine.clock().now()).date().to_string();
    NewPage { frame: Frame::new(app, visit, "casenew.title", "cases").await, form, today, refused }
}

pub(in crate::console) async fn fresh(State(app): State<App>, visit: Visit) -> Response {
    html(&page(&app, &visit, HashMap::new(), None).await)
}

pub(in crate::console) async fn create(State(app): State<App>, deed: Deed) -> Response {
    let text = |name: &str| deed.field(name).replace("\r\n", "\n");
    let maybe = |name: &str| Some(deed.field(name).to_owned()).filter(|t| !t.is_empty());
    let now = app.engine.clock().now();
    // Received on a day before today: from its first moment, so that no term is read too long.
    let today = pasarela_colombia::calendar::bogota(now).date();
    let received_at = match deed.field("recibido").parse::<Date>() {
        Ok(day) if day != today => jiff::tz::offset(-5).to_timestamp(day.at(0, 0, 0, 0)).ok(),
        _ => None,
    };
    let new = NewCase {
        kind: match deed.field("tipo") {
            "consulta" => CaseKind::Consulta,
            "pqr" => CaseKind::Pqr,
            _ => CaseKind::Reclamo,
        },
        claimant: Claimant {
            name: text("nombre"),
            document: text("documento"),
            email: maybe("correo"),
            phone: maybe("celular"),
            address: text("direccion"),
        },
        requester: Requester::Person,
        facts: text("hechos"),
        request: text("peticion"),
        documents: deed
            .field("documentos")
            .split(',')
            .map(str::trim)
            .filter(|d| !d.is_empty())
            .map(str::to_owned)
            .collect(),
        received_at,
        intake: Some(Intake::BY_HAND.into_iter().find(|i| i.as_str() == deed.field("medio")).unwrap_or_default()),
        reference: text("referencia"),
        language: if deed.field("idioma") == "en" { Tongue::En } else { Tongue::Es },
    };
    match app.engine.open_case(new, deed.visit.name(), None).await {
        Ok((view, _)) => {
            audit::done(&view.case.number, serde_json::json!({ "kind": view.case.kind, "state": view.case.state }));
            Redirect::to(&format!("/casos/{}?aviso=case_opened", view.case.number)).into_response()
        }
        Err(CaseError::Invalid(why)) => {
            let page = page(&app, &deed.visit, deed.form.clone(), Some(why)).await;
            (StatusCode::BAD_REQUEST, html(&page)).into_response()
        }
        Err(e) => wrong(&deed.visit, e),
    }
}
