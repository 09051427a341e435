//! `/teatro`: where a sandbox runs, the stage beside the hub. The guest's phone, the CRM board, the mailbox
//! and the box office as the doubles show them, with buttons that buy, pay, reply, scan and break the network.
//!
//! The console asks the doubles itself (ADR 0062): the browser meets one origin, the policy stays strict, and
//! every deed asks for the session's token. Which double is which is told by what it shows, and not by name.

mod acts;
mod double;
mod mail;
mod network;
mod phone;
mod scene;

pub(super) use double::Sandbox;
pub(super) use mail::{attachment, letter};

use super::events::Row;
use super::guard::{Deed, Visit};
use super::notice::Notice;
use super::page::{Frame, html, refusal, unreadable};
use crate::App;
use crate::audit;
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use mail::MailboxView;
use network::Weather;
use pasarela_store::EventFilter;
use phone::PhoneView;
use scene::{BoardView, BoxOfficeView, Scene};
use serde::Deserialize;

/// Latest events beside the stage.
const LATEST: u32 = 12;

#[derive(Deserialize)]
pub(super) struct Ask {
    /// Whose phone is shown.
    celular: Option<String>,
    /// Which letter is open.
    correo: Option<String>,
}

#[derive(Template)]
#[template(path = "console/teatro.html")]
struct TheatrePage {
    frame: Frame,
    notice: Option<&'static str>,
    /// No double answers.
    dark: bool,
    weather: Vec<Weather>,
    office: Option<BoxOfficeView>,
    phone: Option<PhoneView>,
    mailbox: Option<MailboxView>,
    board: Option<BoardView>,
    rows: Vec<Row>,
    newest: String,
    /// This page with its choices, for the forms to come back to.
    here: String,
}

pub(super) async fn show(
    State(app): State<App>,
    visit: Visit,
    Query(ask): Query<Ask>,
    Query(notice): Query<Notice>,
) -> Result<Response, Response> {
    let Some(sandbox) = &app.console.sandbox else {
        return Err(refusal(&visit, StatusCode::NOT_FOUND, "theatre.none"));
    };
    let w = visit.w;
    let now = app.engine.clock().now();
    let scene = Scene::look(sandbox).await;
    let filter = EventFilter { below: Some(app.engine.watermark()), limit: LATEST, ..EventFilter::default() };
    let found = app.seen().events(filter).await.map_err(|e| unreadable(&visit, e))?;
    let rows: Vec<Row> = found
        .rows
        .iter()
        .filter_map(|r| app.engine.envelope(r).ok())
        .map(|e| Row::new(w, &e, now, visit.sees_people()))
        .collect();
    let frame = Frame::new(&app, &visit, "theatre.title", "theatre").await;
    let mut page = TheatrePage {
        here: here(&ask),
        notice: notice.key(),
        dark: scene.is_none(),
        newest: found.rows.first().map(|r| r.id.to_string()).unwrap_or_default(),
        rows,
        frame,
        weather: Vec::new(),
        office: None,
        phone: None,
        mailbox: None,
        board: None,
    };
    if let Some(scene) = scene {
        page.weather = network::weathers(w, &scene.faults);
        page.office = scene.office(w);
        page.phone = PhoneView::of(w, &scene, ask.celular.as_deref(), now);
        page.mailbox = MailboxView::of(w, &scene, ask.correo.as_deref(), now);
        page.board = scene.board();
    }
    Ok(html(&page))
}

/// The choices of the page as a query; empty when there are none.
fn here(ask: &Ask) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("celular", &ask.celular), ("correo", &ask.correo)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

/// Something that a person does at a provider.
pub(super) async fn act(State(app): State<App>, deed: Deed) -> Response {
    let Some(sandbox) = &app.console.sandbox else {
        return refusal(&deed.visit, StatusCode::NOT_FOUND, "theatre.none");
    };
    let done = match acts::of(&deed) {
        Some(act) => sandbox.act(deed.field("conexion"), act.command, act.args).await,
        None => return refusal(&deed.visit, StatusCode::NOT_FOUND, "error.not_found"),
    };
    back(&deed, done)
}

/// The network becomes better or worse.
pub(super) async fn network(State(app): State<App>, deed: Deed) -> Response {
    let Some(sandbox) = &app.console.sandbox else {
        return refusal(&deed.visit, StatusCode::NOT_FOUND, "theatre.none");
    };
    let Some(faults) = network::faults(deed.field("tiempo")) else {
        return refusal(&deed.visit, StatusCode::NOT_FOUND, "error.not_found");
    };
    let done = sandbox.set_faults(faults).await;
    back(&deed, done)
}

/// Back to the stage as it was, with a word on how it went.
fn back(deed: &Deed, done: Result<(), double::Trouble>) -> Response {
    let word = match done {
        Ok(()) => "acted",
        Err(double::Trouble::Refused(why)) => {
            tracing::info!(why, "a double refused");
            "refused"
        }
        Err(double::Trouble::Silent) => "silent",
    };
    if word != "acted" {
        audit::nothing();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(deed.field("aqui").as_bytes()) {
        if matches!(&*name, "celular" | "correo") {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("aviso", word);
    Redirect::to(&format!("/teatro?{}", query.finish())).into_response()
}
