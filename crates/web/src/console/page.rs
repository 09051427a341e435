//! What all pages have in common: the frame around them, and pages that say no.

use super::guard::Visit;
use super::status::Status;
use super::words::Words;
use crate::App;
use crate::problem::Problem;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

/// The frame of a page for people who are in: sections, status line, language, way out.
pub(super) struct Frame {
    pub(super) w: Words,
    pub(super) title: String,
    /// Section that is open.
    pub(super) here: &'static str,
    pub(super) csrf: String,
    /// Who is signed in.
    pub(super) name: String,
    pub(super) may_write: bool,
    /// May they say who works here?
    pub(super) owner: bool,
    /// A sandbox runs: there is a theatre.
    pub(super) theatre: bool,
    /// What needs a person, for the door to it.
    pub(super) waiting: Option<String>,
    pub(super) other_lang: String,
    pub(super) status: Status,
}

impl Frame {
    /// `title`: key of the page's title.
    pub(super) async fn new(app: &App, visit: &Visit, title: &str, here: &'static str) -> Self {
        let health = super::status::health(app).await.ok();
        let waiting = health.map_or(0, |h| h.dead + h.unknown + h.quarantined);
        Self {
            w: visit.w,
            title: visit.w.t(title).to_owned(),
            here,
            csrf: visit.csrf().to_owned(),
            name: visit.name().to_owned(),
            may_write: visit.may_write(),
            owner: visit.is_owner(),
            theatre: app.console.sandbox.is_some(),
            waiting: (waiting > 0).then(|| visit.w.number(waiting)),
            other_lang: visit.other_lang.clone(),
            status: Status::read(app, visit.w).await,
        }
    }
}

/// The frame of a page that shows nothing of the hub.
pub(super) struct Bare {
    pub(super) w: Words,
    pub(super) title: String,
    pub(super) other_lang: String,
}

impl Bare {
    pub(super) fn new(visit: &Visit, title: &str) -> Self {
        Self { w: visit.w, title: visit.w.t(title).to_owned(), other_lang: visit.other_lang.clone() }
    }
}

/// Renders a page.
pub(super) fn html<T: Template>(page: &T) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(e) => {
            tracing::error!(error = %e, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "console/error.html")]
struct ErrorPage {
    frame: Bare,
    text: String,
}

/// A page that says no; `key` is its sentence.
pub(super) fn refusal(visit: &Visit, status: StatusCode, key: &str) -> Response {
    let text = visit.w.t(key).to_owned();
    (status, html(&ErrorPage { frame: Bare::new(visit, "error.title"), text })).into_response()
}

/// A problem of the API as a page.
pub(super) fn problem(visit: &Visit, problem: Problem) -> Response {
    let status = problem.into_response().status();
    let key = match status {
        // An id that is none leads nowhere, as one that is not there.
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => "error.not_found",
        StatusCode::SERVICE_UNAVAILABLE => "error.busy",
        _ => "error.internal",
    };
    let status = if status == StatusCode::BAD_REQUEST { StatusCode::NOT_FOUND } else { status };
    refusal(visit, status, key)
}

/// The store could not be read.
pub(super) fn unreadable(visit: &Visit, e: pasarela_store::Error) -> Response {
    problem(visit, e.into())
}

/// No such page.
pub(super) async fn not_here(visit: Visit) -> Response {
    refusal(&visit, StatusCode::NOT_FOUND, "error.not_found")
}
