//! `/conciliacion`: what the providers' records say against what the hub knows, and what a person decides
//! about it.

use super::guard::{Deed, Visit};
use super::json;
use super::marks::Mark;
use super::moments::Moment;
use super::notice::Notice;
use super::page::{Frame, html, unreadable};
use super::words::Words;
use crate::App;
use crate::audit;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use pasarela_engine::{Ask, Difference, Finding, Policy, ReconcileError, Report};
use pasarela_store::{DeliveryStatus, deed};
use std::time::Duration;

/// A person waits this long for a reconciliation before the page says that it goes on.
const PATIENCE: Duration = Duration::from_secs(3);
/// Findings of a report on the page; the report holds more.
const FINDINGS: usize = 12;
/// Proposals on the page.
const PROPOSALS: u32 = 50;

struct FindingView {
    mark: Mark,
    record: String,
    facts: String,
    /// The delivery that it came in as, or that waits for approval.
    delivery: Option<String>,
}

struct ReportView {
    task: String,
    ended: Moment,
    policy: String,
    whole: bool,
    read: String,
    same: String,
    missing: String,
    different: String,
    extra: String,
    mark: Mark,
    problem: Option<String>,
    findings: Vec<FindingView>,
    more: Option<String>,
}

struct ConnectionView {
    name: String,
    title: String,
    why_not: Option<String>,
    reports: Vec<ReportView>,
}

struct ProposalView {
    id: String,
    connection: String,
    at: Moment,
    why: Option<String>,
}

#[derive(Template)]
#[template(path = "console/conciliacion.html")]
struct ReconciliationPage {
    frame: Frame,
    connections: Vec<ConnectionView>,
    proposals: Vec<ProposalView>,
    notice: Option<&'static str>,
}

pub(super) async fn show(
    State(app): State<App>,
    visit: Visit,
    Query(notice): Query<Notice>,
) -> Result<Response, Response> {
    let (w, now) = (visit.w, app.engine.clock().now());
    let proposed = app.seen().deliveries(Some(DeliveryStatus::Proposed), None, PROPOSALS).await;
    let proposed = proposed.map_err(|e| unreadable(&visit, e))?;
    let proposals = proposed.rows.iter().map(|row| ProposalView {
        id: row.id.to_string(),
        connection: app.engine.connection_name(row.connection),
        at: Moment::new(w, row.received_at, now),
        why: row.reason.clone(),
    });
    let connections = app.connections().into_iter().map(|c| {
        let manifest = app.engine.manifest(&c.name);
        ConnectionView {
            title: manifest.map_or_else(|| c.provider.clone(), |m| m.title.to_owned()),
            why_not: match manifest {
                Some(m) if m.tasks.is_empty() => Some(w.t("reconciliation.no_history").to_owned()),
                _ if c.state == "receives_only" => c.problem,
                _ => None,
            },
            reports: app.engine.reports(&c.name).iter().map(|r| report(w, r, now)).collect(),
            name: c.name,
        }
    });
    let page = ReconciliationPage {
        connections: connections.collect(),
        proposals: proposals.collect(),
        notice: notice.key(),
        frame: Frame::new(&app, &visit, "reconciliation.title", "reconciliation").await,
    };
    Ok(html(&page))
}

fn report(w: Words, r: &Report, now: Timestamp) -> ReportView {
    let (tone, key) = match (&r.problem, r.news) {
        (Some(_), _) => ("failed", "reconciliation.incomplete"),
        (None, 0) => ("done", "reconciliation.equal"),
        (None, _) => ("waits", "reconciliation.found"),
    };
    let shown = r.findings.len().min(FINDINGS);
    let left = (r.findings.len() - shown) as u64 + r.findings_left_out;
    ReportView {
        task: w.named("task", &r.task),
        ended: Moment::new(w, r.ended_at, now),
        policy: w.named("policy", json::text(&serde_json::json!(r.policy)).as_str()),
        whole: r.from_beginning,
        read: w.number(r.read),
        same: w.number(r.same),
        missing: w.number(r.missing),
        different: w.number(r.different),
        extra: r.extra.map_or_else(|| "–".to_owned(), |n| w.number(n)),
        mark: Mark { tone, shape: tone, word: w.t(key).to_owned() },
        problem: r.problem.clone(),
        findings: r.findings.iter().take(FINDINGS).map(|f| finding(w, f)).collect(),
        more: (left > 0).then(|| w.count("reconciliation.more", left)),
    }
}

fn finding(w: Words, f: &Finding) -> FindingView {
    let (shape, name) = match f.difference {
        Difference::Missing => ("unknown", "missing"),
        Difference::Different => ("waits", "different"),
        Difference::Extra => ("withheld", "extra"),
    };
    FindingView {
        mark: Mark { tone: "waits", shape, word: w.named("difference", name) },
        record: format!("{} {}", w.named("record", &f.record.kind), f.record.id),
        facts: f.facts.iter().map(|t| w.named("event", t)).collect::<Vec<_>>().join(", "),
        delivery: f.delivery_id.map(|d| d.to_string()),
    }
}

/// Reads a connection's records now, and does with what is found as the person says.
pub(super) async fn run(State(app): State<App>, Path(name): Path<String>, deed: Deed) -> Response {
    let policy = match deed.field("politica") {
        "report" => Some(Policy::Report),
        "propose" => Some(Policy::Propose),
        "repair" => Some(Policy::Repair),
        // As the connection's own setting says.
        _ => None,
    };
    if !app.sees_connection(&name) {
        return super::page::refusal(&deed.visit, http::StatusCode::NOT_FOUND, "error.not_found");
    }
    let ask = Ask { from_beginning: deed.field("todo") == "si", policy };
    audit::done(&name, serde_json::json!(ask));
    audit::of_brand(app.engine.brand_of(&name));
    // Providers are asked, whatever comes of it.
    if let Err(e) = audit::begin(&app).await {
        return super::page::unreadable(&deed.visit, e);
    }
    let engine = app.engine.clone();
    // A task of its own: it goes on when the person leaves the page.
    let work = tokio::spawn(deed::inherited(async move { engine.reconcile(&name, ask).await }));
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
    if matches!(word, "cannot_reconcile" | "busy") {
        audit::nothing();
    }
    app.console.health.forget().await;
    Redirect::to(&format!("/conciliacion?aviso={word}")).into_response()
}
