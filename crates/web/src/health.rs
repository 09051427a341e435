//! `/healthz`, `/readyz`, `/metrics`.

use crate::App;
use crate::policy::Gate;
use crate::problem::Problem;
use crate::routes::{Routes, op};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// Due work older than this means that the hub is stuck.
const OLDEST_DUE: Duration = Duration::from_secs(30);

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get(
            "/healthz",
            healthz,
            op(Gate::Open("says that the process lives"), "Is the process alive?").answers::<Alive>(),
        )
        .get(
            "/readyz",
            readyz,
            op(
                Gate::Open("says whether the hub can take work"),
                "Can it take work? 503, with the same body, when it cannot",
            )
            .about(
                "The writer answers a probe within 1 s, the oldest due work is younger than 30 s, and the hub is not \
                     about to stop.",
            )
            .answers::<Ready>(),
        )
        .get(
            "/metrics",
            metrics,
            op(Gate::Open("counts, and names of connections"), "Metrics in Prometheus' text format")
                .answers_media("text/plain; version=0.0.4"),
        )
}

/// The process is alive.
#[derive(Serialize, JsonSchema)]
struct Alive {
    /// Always `ok`.
    status: &'static str,
    version: &'static str,
}

/// Whether the hub can take work.
#[derive(Serialize, JsonSchema)]
struct Ready {
    ready: bool,
    /// What is wrong, if something is.
    why: Option<&'static str>,
    /// How long the writer took to answer.
    writer_ms: f64,
    /// Null when the store did not answer.
    oldest_due_s: Option<f64>,
}

async fn healthz() -> Json<Alive> {
    Json(Alive { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// The writer answers a probe within a second, the oldest due work is younger than 30 s, and the hub is
/// not about to stop.
async fn readyz(State(app): State<App>) -> Response {
    let begun = std::time::Instant::now();
    let writer = tokio::time::timeout(Duration::from_secs(1), app.engine.store().ping()).await;
    let writer_ms = begun.elapsed().as_secs_f64() * 1e3;
    let now = app.engine.clock().now();
    let health = app.engine.health().await.ok();
    let age = |t: Option<jiff::Timestamp>| t.map_or(0.0, |t| now.duration_since(t).as_secs_f64().max(0.0));
    let oldest = health.as_ref().map_or(f64::MAX, |h| age(h.oldest_due).max(age(h.oldest_inbox)));
    let writer_ok = matches!(writer, Ok(Ok(())));
    let ready = writer_ok && oldest < OLDEST_DUE.as_secs_f64() && !app.engine.is_leaving();
    let why = match (writer_ok, ready) {
        _ if app.engine.is_leaving() => Some("the hub is about to stop"),
        (false, _) => Some("the writer did not answer within 1 s"),
        (true, false) => Some("due work is older than 30 s"),
        _ => None,
    };
    let body = Ready { ready, why, writer_ms, oldest_due_s: (oldest != f64::MAX).then_some(oldest) };
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(body)).into_response()
}

async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let now = app.engine.clock().now();
    let store = app.engine.store();
    let health = app.engine.health().await?;
    let stats = store.stats();
    let (deliveries, runs, calls) = app.engine.in_memory();
    let mut out = app.engine.metrics().render();
    let age = |t: Option<jiff::Timestamp>| t.map_or(0.0, |t| now.duration_since(t).as_secs_f64().max(0.0));
    let care = app.engine.care().await?;
    let gauges: [(&str, &str, f64); 23] = [
        ("pasarela_inbox", "Deliveries that wait to be decided.", health.inbox as f64),
        ("pasarela_inbox_bytes", "Bytes of them.", health.inbox_bytes as f64),
        ("pasarela_inbox_limit_bytes", "Bytes of them beyond which more are refused.", care.intake.limit_bytes as f64),
        ("pasarela_store_bytes", "Bytes of the database file.", care.space.bytes as f64),
        ("pasarela_store_free_bytes", "Of these, free: new rows use them first.", care.space.free_bytes as f64),
        ("pasarela_inbox_oldest_seconds", "Age of the oldest of them.", age(health.oldest_inbox)),
        ("pasarela_effects_queued", "Effects that wait for their turn.", health.queued as f64),
        ("pasarela_effects_paused", "Effects that wait because a person paused them.", health.paused as f64),
        ("pasarela_effects_oldest_due_seconds", "Age of the oldest effect that is due.", age(health.oldest_due)),
        ("pasarela_effects_calling", "Effects with a call out.", health.calling as f64),
        ("pasarela_dead_letters", "Effects that need a person.", health.dead as f64),
        (
            "pasarela_unknown",
            "Effects of which it is not known whether they were done, and that need a person.",
            health.unknown as f64,
        ),
        ("pasarela_proposals", "Deliveries that reconciliation proposes to a person.", health.proposed as f64),
        ("pasarela_quarantine", "Deliveries that were not understood.", health.quarantined as f64),
        ("pasarela_wal_bytes", "Bytes of the write-ahead log.", stats.wal_bytes as f64),
        ("pasarela_disk_free_bytes", "Bytes free on the disk.", health.disk_free as f64),
        ("pasarela_writer_queue", "Members that wait for the writer.", stats.queued as f64),
        ("pasarela_store_commits", "Groups committed since the start.", stats.commits as f64),
        ("pasarela_store_transactions", "Members of those groups.", stats.transactions as f64),
        ("pasarela_store_row_operations", "Rows written since the start.", stats.row_operations as f64),
        ("pasarela_deliveries_in_memory", "Deliveries on their way to a decider.", deliveries as f64),
        (
            "pasarela_people_behind_seconds",
            "Age of the oldest event that waits for the map of persons, on the node that draws it.",
            age(app.engine.people_wait()),
        ),
        ("pasarela_runs_in_memory", "Runs with calls out.", runs as f64),
    ];
    for (name, help, value) in gauges {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    }
    let _ = writeln!(
        out,
        "# HELP pasarela_retention_removed_total What was removed after its time, since the database was made.\n# TYPE pasarela_retention_removed_total counter"
    );
    for row in &care.kept {
        let _ = writeln!(out, "pasarela_retention_removed_total{{kind=\"{}\"}} {}", row.kept.as_str(), row.removed);
    }
    let _ = writeln!(
        out,
        "# HELP pasarela_retention_oldest_seconds Age of the oldest that is kept.\n# TYPE pasarela_retention_oldest_seconds gauge"
    );
    for (row, oldest) in care.kept.iter().filter_map(|r| Some((r, r.oldest?))) {
        let _ =
            writeln!(out, "pasarela_retention_oldest_seconds{{kind=\"{}\"}} {}", row.kept.as_str(), age(Some(oldest)));
    }
    let ringing = crate::alarms::ringing(&app, &health);
    let _ = writeln!(
        out,
        "# HELP pasarela_alarm 1 while it needs a person; the same alarms as GET /api/v1/alarms.\n# TYPE pasarela_alarm gauge"
    );
    for name in crate::alarms::ALL {
        let rings = u8::from(ringing.iter().any(|a| a.alarm == name));
        let _ = writeln!(out, "pasarela_alarm{{alarm=\"{name}\"}} {rings}");
    }
    let _ = writeln!(
        out,
        "# HELP pasarela_refused_total Requests and sign-ins that were turned away since the start, by why.\n# TYPE pasarela_refused_total counter"
    );
    for (code, refused) in app.gathered.totals() {
        let _ = writeln!(out, "pasarela_refused_total{{code=\"{code}\"}} {refused}");
    }
    let (head, verified) = (store.audit_head().await?, app.last_verified().await?);
    let _ = writeln!(
        out,
        "# HELP pasarela_audit_entries Number of the last entry of the audit.\n# TYPE pasarela_audit_entries gauge\npasarela_audit_entries {}",
        head.seq
    );
    if let Some(at) = verified {
        let _ = writeln!(
            out,
            "# HELP pasarela_audit_verified_seconds Time since the audit was last verified.\n# TYPE pasarela_audit_verified_seconds gauge\npasarela_audit_verified_seconds {}",
            app.console.wall().duration_since(at).as_secs_f64().max(0.0)
        );
    }
    let _ = writeln!(
        out,
        "# HELP pasarela_calls_out Chains of calls that are out.\n# TYPE pasarela_calls_out gauge\npasarela_calls_out {calls}"
    );
    let _ = writeln!(
        out,
        "# HELP pasarela_connection_up 1 when the connection works.\n# TYPE pasarela_connection_up gauge"
    );
    for c in app.engine.connections() {
        let _ =
            writeln!(out, "pasarela_connection_up{{connection=\"{}\"}} {}", c.name, u8::from(c.state != "degraded"));
    }
    let _ = writeln!(
        out,
        "# HELP pasarela_api_version_days_left Days until the last day of the provider's API version; only where an end is announced.\n# TYPE pasarela_api_version_days_left gauge"
    );
    for (c, days) in app.engine.connections().iter().filter_map(|c| Some((c, c.api.days_left?))) {
        let _ = writeln!(
            out,
            "pasarela_api_version_days_left{{connection=\"{}\",version=\"{}\"}} {days}",
            c.name, c.api.version
        );
    }
    let _ =
        writeln!(out, "# HELP pasarela_paused 1 for each thing that a person paused.\n# TYPE pasarela_paused gauge");
    for p in app.engine.pauses() {
        let _ = writeln!(out, "pasarela_paused{{kind=\"{}\",name=\"{}\"}} 1", p.kind.as_str(), p.name);
    }
    let _ = writeln!(
        out,
        "# HELP pasarela_uptime_seconds Time since the start.\n# TYPE pasarela_uptime_seconds gauge\npasarela_uptime_seconds {:.1}",
        app.started.elapsed().as_secs_f64()
    );
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], out).into_response())
}
