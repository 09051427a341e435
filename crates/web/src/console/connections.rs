//! `/conexiones`: how each connection stands, and reconciliation by hand.

use super::guard::{Deed, Visit};
use super::marks::Mark;
use super::moments::Moment;
use super::page::{Frame, html};
use crate::App;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use pasarela_connector::Environment;
use pasarela_engine::{Ask, ConnectionState, ReconcileError};
use serde::Deserialize;
use std::time::Duration;

/// A person waits this long for a reconciliation before the page says that it goes on.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a deed wants to say on the page it leads back to.
#[derive(Deserialize)]
pub(super) struct Notice {
    aviso: Option<String>,
}

impl Notice {
    /// Key of the sentence; what is in the address is only ever compared.
    pub(super) fn key(&self) -> Option<&'static str> {
        const KNOWN: &[&str] = &[
            "notice.retried",
            "notice.replayed",
            "notice.dropped",
            "notice.changed",
            "notice.no_connection",
            "notice.reconciled",
            "notice.reconciling",
            "notice.cannot_reconcile",
            "notice.busy",
        ];
        let given = self.aviso.as_deref()?;
        KNOWN.iter().copied().find(|k| k.strip_prefix("notice.") == Some(given))
    }
}

struct ReportView {
    task: String,
    ended: Moment,
    read: String,
    same: String,
    news: String,
    mark: Mark,
    problem: Option<String>,
}

struct ConnectionView {
    name: String,
    title: String,
    environment: String,
    mark: Mark,
    problem: Option<String>,
    queue: String,
    in_flight: String,
    breaker: Mark,
    held: bool,
    parked: Option<String>,
    can_reconcile: bool,
    reports: Vec<ReportView>,
}

#[derive(Template)]
#[template(path = "console/conexiones.html")]
struct ConnectionsPage {
    frame: Frame,
    connections: Vec<ConnectionView>,
    notice: Option<&'static str>,
}

pub(super) async fn list(State(app): State<App>, visit: Visit, Query(notice): Query<Notice>) -> Response {
    let connections = app.engine.connections().into_iter().map(|c| view(&app, &visit, c)).collect();
    let frame = Frame::new(&app, &visit, "connections.title", "connections").await;
    html(&ConnectionsPage { frame, connections, notice: notice.key() })
}

fn view(app: &App, visit: &Visit, state: ConnectionState) -> ConnectionView {
    let (w, now) = (visit.w, app.engine.clock().now());
    let manifest = app.engine.manifest(&state.name);
    let reports = app.engine.reports(&state.name).into_iter().map(|r| {
        let key = if r.problem.is_some() { "connections.incomplete" } else { "connections.complete" };
        let tone = if r.problem.is_some() { "failed" } else { "done" };
        ReportView {
            task: r.task,
            ended: Moment::new(w, r.ended_at, now),
            read: w.number(r.read),
            same: w.number(r.same),
            news: w.number(r.news),
            mark: Mark { tone, shape: tone, word: w.t(key).to_owned() },
            problem: r.problem,
        }
    });
    let [urgent, normal, bulk] = state.work.queued.map(|n| n as u64);
    let mut parts = Vec::new();
    for (key, n) in [("connections.queue_parts", urgent), ("connections.normal", normal), ("connections.bulk", bulk)] {
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
    ConnectionView {
        title: manifest.map_or_else(|| state.provider.clone(), |m| m.title.to_owned()),
        environment: w.named("environment", if state.environment == Environment::Live { "live" } else { "sandbox" }),
        mark: Mark::new(w, "connection", state.state),
        problem: state.problem,
        queue: if parts.is_empty() { "0".into() } else { parts.join(", ") },
        in_flight: w.number(u64::from(state.work.in_flight)),
        breaker: Mark { tone, shape: tone, word: w.named("breaker", state.work.breaker) },
        held: state.work.held,
        parked: (state.work.parked > 0).then(|| w.count("connections.parked", state.work.parked as u64)),
        can_reconcile: manifest.is_some_and(|m| !m.tasks.is_empty()),
        reports: reports.collect(),
        name: state.name,
    }
}

pub(super) async fn reconcile(State(app): State<App>, Path(name): Path<String>, deed: Deed) -> Response {
    // A task of its own: it goes on when the person leaves the page.
    let engine = app.engine.clone();
    let work = tokio::spawn(async move { engine.reconcile(&name, Ask::default()).await });
    let word = match tokio::time::timeout(PATIENCE, work).await {
        Err(_) => "reconciling",
        Ok(Ok(Ok(_))) => "reconciled",
        Ok(Ok(Err(ReconcileError::NoConnection(_)))) => {
            return super::page::refusal(&deed.visit, http::StatusCode::NOT_FOUND, "error.not_found");
        }
        Ok(Ok(Err(_))) => "cannot_reconcile",
        Ok(Err(e)) => {
            tracing::error!(error = %e, "a reconciliation ended badly");
            "busy"
        }
    };
    app.console.health.forget().await;
    Redirect::to(&format!("/conexiones?aviso={word}")).into_response()
}
