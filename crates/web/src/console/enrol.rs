//! `/segundo-factor`: whoever may do much and has no second factor is led here right after they came in, and sees
//! nothing else until they have one. The guard leads; the deeds are those of `/mi-cuenta`.

use super::guard::{OwnDeed, Visit};
use super::own::picture;
use super::page::{Bare, html, unreadable};
use crate::App;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

/// Where it is.
pub(super) const PATH: &str = "/segundo-factor";
/// What somebody may open who is led here.
const OPEN: [&str; 4] = [PATH, "/mi-cuenta/codigos", "/mi-cuenta/codigos/activar", "/salir"];

#[derive(Template)]
#[template(path = "console/segundo-factor.html")]
struct EnrolPage {
    frame: Bare,
    csrf: String,
    name: String,
    /// The authenticator that is being enrolled: picture and text.
    enrolling: Option<(String, String)>,
    /// It was proved lately who this is.
    fresh: bool,
    problem: Option<String>,
}

/// Is this session led here from a page?
pub(super) fn leads(visit: &Visit, path: &str) -> bool {
    visit.must_enrol() && !OPEN.contains(&path)
}

/// The page, for whoever is led to it.
pub(super) async fn page(app: &App, visit: &Visit, problem: Option<String>) -> Result<Response, Response> {
    let account = match visit.session.as_ref().and_then(|s| s.account.as_deref()) {
        Some(id) => app.accounts().by_id(id).await.map_err(|e| unreadable(visit, e))?,
        None => None,
    };
    let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = EnrolPage {
        csrf: visit.csrf().to_owned(),
        name: visit.name().to_owned(),
        enrolling: account.as_ref().and_then(|a| picture(visit.w, a)),
        fresh: visit.is_fresh(app),
        problem,
        frame: Bare::new(visit, "enrol.title"),
    };
    Ok((status, html(&page)).into_response())
}

pub(super) async fn show(State(app): State<App>, visit: Visit) -> Result<Response, Response> {
    if !visit.must_enrol() {
        return Ok(Redirect::to("/mi-cuenta").into_response());
    }
    page(&app, &visit, None).await
}

/// Where a deed about codes leads back to.
pub(super) fn back(own: &OwnDeed) -> &'static str {
    if own.deed.visit.must_enrol() { PATH } else { "/mi-cuenta#codigos" }
}
