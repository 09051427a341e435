//! What all pages have in common: the frame around them, and pages that say no.

use super::guard::Visit;
use super::status::Status;
use super::words::Words;
use crate::App;
use crate::policy::{Action, Resource};
use crate::problem::Problem;
use crate::who::Who;
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
    who: Option<Who>,
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
        let overview = visit.may(Action::Read, Resource::Overview);
        let health = if overview { super::status::health(app).await.ok() } else { None };
        let waiting = health.map_or(0, |h| h.dead + h.unknown + h.quarantined);
        Self {
            w: visit.w,
            title: visit.w.t(title).to_owned(),
            here,
            csrf: visit.csrf().to_owned(),
            name: visit.name().to_owned(),
            who: visit.who().cloned(),
            theatre: app.console.sandbox.is_some(),
            waiting: (waiting > 0).then(|| visit.w.number(waiting)),
            other_lang: visit.other_lang.clone(),
            status: Status::read(app, visit.w, overview).await,
        }
    }
}

/// A section of the console.
pub(super) struct Section {
    /// As pages name it in `Frame::here`.
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    /// Key of its name.
    pub(super) word: &'static str,
    action: Action,
    resource: Resource,
}

const fn section(
    name: &'static str,
    path: &'static str,
    word: &'static str,
    action: Action,
    resource: Resource,
) -> Section {
    Section { name, path, word, action, resource }
}

/// In the order of the bar. The gate is that of the page's route.
const SECTIONS: [Section; 16] = [
    section("home", "/", "nav.home", Action::Read, Resource::Overview),
    section("events", "/eventos", "nav.events", Action::Read, Resource::Events),
    section("shows", "/desfiles", "nav.shows", Action::Read, Resource::Shows),
    section("refunds", "/devoluciones", "nav.refunds", Action::ReadPersonal, Resource::Refunds),
    section("flows", "/flujos", "nav.flows", Action::Read, Resource::Flows),
    section("dead", "/por-resolver", "nav.dead", Action::ReadPersonal, Resource::DeadLetters),
    section("connections", "/conexiones", "nav.connections", Action::Read, Resource::Connections),
    section("reconciliation", "/conciliacion", "nav.reconciliation", Action::Read, Resource::Connections),
    section("persons", "/personas", "nav.persons", Action::ReadPersonal, Resource::People),
    section("cases", "/casos", "nav.cases", Action::ReadPersonal, Resource::Cases),
    section("audit", "/auditoria", "nav.audit", Action::ReadPersonal, Resource::Audit),
    section("alarms", "/alarmas", "nav.alarms", Action::Read, Resource::Overview),
    section("users", "/usuarios", "nav.users", Action::ReadPersonal, Resource::Users),
    section("webhooks", "/webhooks", "nav.webhooks", Action::Read, Resource::Webhooks),
    section("keys", "/claves", "nav.keys", Action::Read, Resource::Keys),
    section("theatre", "/teatro", "nav.theatre", Action::Read, Resource::Sandbox),
];

/// Where somebody begins: the first section that they may open.
pub(super) fn first_section(visit: &Visit) -> Option<&'static str> {
    SECTIONS.iter().find(|s| s.name != "theatre" && visit.may(s.action, s.resource)).map(|s| s.path)
}

/// What the person may do: a page offers nothing that its gate would refuse.
impl Frame {
    pub(super) fn may(&self, action: Action, resource: Resource) -> bool {
        self.who.as_ref().is_some_and(|w| w.may(action, resource))
    }

    pub(super) fn sections(&self) -> impl Iterator<Item = &'static Section> {
        let there = |s: &&Section| (s.name != "theatre" || self.theatre) && self.may(s.action, s.resource);
        SECTIONS.iter().filter(there)
    }

    pub(super) fn may_manage_users(&self) -> bool {
        self.may(Action::Write, Resource::Users)
    }

    pub(super) fn may_search(&self) -> bool {
        self.may(Action::ReadPersonal, Resource::Events)
    }

    pub(super) fn may_pause(&self) -> bool {
        self.may(Action::Operate, Resource::Pauses)
    }

    pub(super) fn may_retry(&self) -> bool {
        self.may(Action::Operate, Resource::DeadLetters)
    }

    pub(super) fn may_drop(&self) -> bool {
        self.may(Action::Write, Resource::DeadLetters)
    }

    pub(super) fn may_reconcile(&self) -> bool {
        self.may(Action::Operate, Resource::Connections)
    }

    pub(super) fn may_open_cases(&self) -> bool {
        self.may(Action::Write, Resource::Cases)
    }

    pub(super) fn may_open_incidents(&self) -> bool {
        self.may(Action::Write, Resource::Incidents)
    }

    pub(super) fn may_step_incidents(&self) -> bool {
        self.may(Action::Operate, Resource::Incidents)
    }

    pub(super) fn may_hold(&self) -> bool {
        self.may(Action::Write, Resource::Holds)
    }

    pub(super) fn may_keep_keys(&self) -> bool {
        self.may(Action::Write, Resource::Keys)
    }

    pub(super) fn may_keep_webhooks(&self) -> bool {
        self.may(Action::Write, Resource::Webhooks)
    }

    pub(super) fn may_operate_webhooks(&self) -> bool {
        self.may(Action::Operate, Resource::Webhooks)
    }

    pub(super) fn may_play(&self) -> bool {
        self.may(Action::Operate, Resource::Sandbox)
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
