//! `/conexiones`: how each connection stands, and its kill switch.

use super::guard::{Deed, Visit};
use super::marks::Mark;
use super::moments::{Moment, span};
use super::notice::Notice;
use super::page::{Frame, html, refusal};
use super::words::Words;
use crate::App;
use crate::audit;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use pasarela_connector::Environment;
use pasarela_engine::{ConnectionState, PauseError, ServerCan};
use pasarela_store::{PauseKind, PauseRow};

/// Longest reason for a pause.
const REASON: usize = 200;

/// Something that a person paused.
pub(super) struct PauseView {
    pub(super) since: Moment,
    pub(super) by: String,
    pub(super) reason: Option<String>,
}

impl PauseView {
    pub(super) fn new(w: Words, app: &App, pause: &PauseRow) -> Self {
        Self {
            since: Moment::new(w, pause.since, app.engine.clock().now()),
            by: pause.by.clone(),
            reason: pause.reason.clone(),
        }
    }
}

/// A connection as pages show it.
pub(super) struct ConnectionView {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) environment: String,
    pub(super) mark: Mark,
    pub(super) problem: Option<String>,
    pub(super) node: Option<String>,
    pub(super) paused: Option<PauseView>,
    /// Waiting: urgent, normal, bulk, in words; none: nothing waits.
    pub(super) queue: Option<String>,
    pub(super) in_flight: String,
    pub(super) breaker: Mark,
    pub(super) held: bool,
    pub(super) lanes: String,
    pub(super) parked: Option<String>,
    pub(super) rate: String,
    pub(super) heard: Option<Moment>,
    pub(super) calls: Vec<(Mark, String)>,
    /// Its provider has a model that the account can be brought to.
    pub(super) model: bool,
    /// What its server can and cannot do; filled where it is shown.
    pub(super) server: Vec<String>,
}

#[derive(Template)]
#[template(path = "console/conexiones.html")]
struct ConnectionsPage {
    frame: Frame,
    connections: Vec<ConnectionView>,
    notice: Option<&'static str>,
}

pub(super) async fn list(State(app): State<App>, visit: Visit, Query(notice): Query<Notice>) -> Response {
    let mut connections = views(&app, &visit);
    for connection in &mut connections {
        // What cannot be read is not told: how the rest stands matters more.
        let can = app.engine.server_can(&connection.name).await.unwrap_or_default();
        connection.server = can.iter().map(|t| server(visit.w, t)).collect();
    }
    let frame = Frame::new(&app, &visit, "connections.title", "connections").await;
    html(&ConnectionsPage { frame, connections, notice: notice.key() })
}

/// All connections.
pub(super) fn views(app: &App, visit: &Visit) -> Vec<ConnectionView> {
    app.connections().into_iter().map(|c| view(app, visit.w, c)).collect()
}

/// `Lista de espera: no, desde 1.7.0`
fn server(w: Words, can: &ServerCan) -> String {
    let name = if w.tag() == "en" { &can.en } else { &can.es };
    let word = match can.has {
        Some(true) => w.t("connections.can").to_owned(),
        Some(false) => w.with("connections.cannot", &can.since),
        None => w.with("connections.unseen", &can.since),
    };
    format!("{name}: {word}")
}

fn view(app: &App, w: Words, state: ConnectionState) -> ConnectionView {
    let now = app.engine.clock().now();
    let manifest = app.engine.manifest(&state.name);
    let [urgent, normal, bulk] = state.work.queued.map(|n| n as u64);
    let mut parts = Vec::new();
    for (key, n) in [("connections.urgent", urgent), ("connections.normal", normal), ("connections.bulk", bulk)] {
        if n > 0 {
            parts.push(w.with(key, w.number(n)));
        }
    }
    if state.work.backlog {
        parts.push(w.t("connections.backlog").to_owned());
    }
    let tone = match state.work.breaker {
        "closed" => "done",
        "open" => "failed",
        _ => "waits",
    };
    let mark = match &state.paused {
        Some(_) => Mark { tone: "waits", shape: "paused", word: w.t("connection.paused").to_owned() },
        None => Mark::new(w, "connection", state.state),
    };
    let calls = app.engine.metrics().calls_of(&state.name);
    ConnectionView {
        title: manifest.map_or_else(|| state.provider.clone(), |m| m.title.to_owned()),
        environment: w.named("environment", if state.environment == Environment::Live { "live" } else { "sandbox" }),
        mark,
        problem: state.problem,
        node: state.node,
        paused: state.paused.as_ref().map(|p| PauseView::new(w, app, p)),
        queue: (!parts.is_empty()).then(|| parts.join(", ")),
        in_flight: w.with("connections.of", w.number(u64::from(state.work.in_flight))).replacen(
            "{}",
            &w.number(u64::from(state.work.concurrency)),
            1,
        ),
        breaker: Mark { tone, shape: tone, word: w.named("breaker", state.work.breaker) },
        held: state.work.held,
        lanes: w.number(state.work.lanes as u64),
        parked: (state.work.parked > 0).then(|| w.count("connections.parked", state.work.parked as u64)),
        rate: rate(app, w, &state.name, state.work.tokens),
        heard: state.last_webhook.map(|at| Moment::new(w, at, now)),
        // A step of an action that has several is no end of it.
        calls: calls
            .into_iter()
            .filter(|(outcome, _)| *outcome != "step")
            .map(|(outcome, n)| (Mark::new(w, "outcome", outcome), w.number(n)))
            .collect(),
        model: app.engine.has_model(&state.name),
        server: Vec::new(),
        name: state.name,
    }
}

/// `hasta 80 por segundo; caben 12 ahora`.
fn rate(app: &App, w: Words, name: &str, tokens: Option<f64>) -> String {
    let Some(rate) = app.engine.limits(name).and_then(|l| l.rate) else {
        return w.t("connections.no_rate").to_owned();
    };
    let every = rate.every.as_secs_f64();
    let pace = if every <= 1.0 {
        w.with("connections.per_second", w.decimal(1.0 / every.max(1e-6)))
    } else {
        w.with("connections.one_each", span(w, every * 1e3))
    };
    match tokens {
        Some(free) => format!("{pace}; {}", w.with("connections.free", w.number(free.max(0.0) as u64))),
        None => pace,
    }
}

pub(super) async fn pause(State(app): State<App>, Path(name): Path<String>, deed: Deed) -> Response {
    pause_it(&app, &deed, PauseKind::Connection, &name, "/conexiones").await
}

pub(super) async fn resume(State(app): State<App>, Path(name): Path<String>, deed: Deed) -> Response {
    resume_it(&app, &deed, PauseKind::Connection, &name, "/conexiones").await
}

/// Pauses something, with the person's reason.
pub(super) async fn pause_it(app: &App, deed: &Deed, kind: PauseKind, name: &str, back: &str) -> Response {
    let reason: String = deed.field("motivo").chars().take(REASON).collect();
    let reason = (!reason.is_empty()).then_some(reason);
    crate::api::intend_pause(app, kind, name);
    audit::done(format!("{} {name}", kind.as_str()), serde_json::json!({ "paused": true, "reason": reason }));
    told(deed, app.engine.pause(kind, name, deed.visit.name(), reason).await.map(|_| ()), back, "paused")
}

/// Lets it go on.
pub(super) async fn resume_it(app: &App, deed: &Deed, kind: PauseKind, name: &str, back: &str) -> Response {
    crate::api::intend_pause(app, kind, name);
    audit::done(format!("{} {name}", kind.as_str()), serde_json::json!({ "paused": false }));
    told(deed, app.engine.resume(kind, name, deed.visit.name()).await, back, "resumed")
}

fn told(deed: &Deed, done: Result<(), PauseError>, back: &str, word: &str) -> Response {
    let word = match done {
        Ok(()) => word,
        Err(PauseError::NoSuch { .. }) => return refusal(&deed.visit, StatusCode::NOT_FOUND, "error.not_found"),
        Err(PauseError::NotPaused { .. }) => "changed",
        Err(e) => {
            tracing::warn!(error = %e, "a person's wish could not be done");
            "busy"
        }
    };
    if matches!(word, "changed" | "busy") {
        audit::nothing();
    }
    Redirect::to(&format!("{back}?aviso={word}")).into_response()
}
