//! `/entregas/{delivery}`: one request as it came in, and what can be done with it.

use super::guard::Visit;
use super::json;
use super::marks::Mark;
use super::moments::Moment;
use super::notice::Notice;
use super::page::{Frame, html, problem, refusal, unreadable};
use super::words::Words;
use crate::App;
use crate::api::delivery_json;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use pasarela_connector::Verification;
use pasarela_domain::DeliveryId;
use pasarela_store::DeliveryStatus;
use serde_json::Value;

/// A body longer than this is cut on the page; the whole is one link away.
const BODY: usize = 24 * 1024;

/// The delivery as received.
pub(super) struct DeliveryView {
    pub(super) id: String,
    pub(super) connection: String,
    pub(super) mark: Mark,
    pub(super) at: Option<Moment>,
    pub(super) source: String,
    /// How it proved who it is; `None`: the hub read it itself.
    pub(super) scheme: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    pub(super) cut: bool,
}

#[derive(Template)]
#[template(path = "console/entrega.html")]
struct DeliveryPage {
    frame: Frame,
    delivery: DeliveryView,
    events: Vec<String>,
    /// A person is to say what becomes of it.
    waits: bool,
    /// What approving it is called.
    deed: &'static str,
    notice: Option<&'static str>,
}

pub(super) async fn show(
    State(app): State<App>,
    visit: Visit,
    Path(delivery): Path<String>,
    Query(notice): Query<Notice>,
) -> Result<Response, Response> {
    let missing = || refusal(&visit, StatusCode::NOT_FOUND, "error.not_found");
    let id: DeliveryId = delivery.parse().map_err(|_| missing())?;
    let row = app.seen().delivery(id).await.map_err(|e| unreadable(&visit, e))?.ok_or_else(missing)?;
    let told = delivery_json(&app, &row).await.map_err(|p| problem(&visit, p))?;
    let waits = matches!(row.status, DeliveryStatus::Quarantined | DeliveryStatus::Proposed);
    let page = DeliveryPage {
        delivery: DeliveryView::new(&app, visit.w, &told, app.engine.clock().now()),
        events: json::list(&told["events"]).iter().map(json::text).collect(),
        waits,
        deed: if row.status == DeliveryStatus::Proposed { "dead.approve" } else { "dead.replay" },
        notice: notice.key(),
        frame: Frame::new(&app, &visit, "delivery.title", "dead").await,
    };
    Ok(html(&page))
}

/// A delivery's body, byte by byte, as plain text: whatever it is, a browser must not run it.
pub(super) async fn raw_body(
    State(app): State<App>,
    visit: Visit,
    Path(delivery): Path<String>,
) -> Result<Response, Response> {
    let missing = || refusal(&visit, StatusCode::NOT_FOUND, "error.not_found");
    let id: DeliveryId = delivery.parse().map_err(|_| missing())?;
    let row = app.seen().delivery(id).await.map_err(|e| unreadable(&visit, e))?.ok_or_else(missing)?;
    let (_, body) = pasarela_engine::unpack(&row.packed);
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body.to_vec()).into_response())
}

impl DeliveryView {
    pub(super) fn new(app: &App, w: Words, delivery: &Value, now: Timestamp) -> Self {
        let source = json::text(&delivery["source"]);
        let connection = json::text(&delivery["connection"]);
        let (body, cut) = json::cut(json::pretty_body(&json::text(&delivery["body"])), BODY);
        let headers = json::list(&delivery["headers"]).iter();
        Self {
            id: json::text(&delivery["id"]),
            mark: Mark::new(w, "delivery", &json::text(&delivery["status"])),
            at: delivery["received_at"].as_str().and_then(|t| Moment::parse(w, t, now)),
            scheme: (source == "webhook").then(|| scheme(app, w, &connection)),
            source: w.named("source", &source),
            reason: json::opt(&delivery["reason"]),
            headers: headers.map(|h| (json::text(&h["name"]), json::text(&h["value"]))).collect(),
            body,
            cut,
            connection,
        }
    }
}

/// In words, how a connection's webhooks prove who they are. Nothing is stored that did not.
fn scheme(app: &App, w: Words, connection: &str) -> String {
    match app.engine.manifest(connection).map(|m| m.verification) {
        Some(Verification::Hmac { header, .. }) => w.with("story.hmac", header),
        Some(Verification::PublicKey { header, .. }) => w.with("story.public_key", header),
        Some(Verification::Configured) => {
            let verify = app.engine.settings(connection).map(|s| s["verify"].clone()).unwrap_or_default();
            let words = w.named("story.scheme", verify["scheme"].as_str().unwrap_or_default());
            match verify["header"].as_str() {
                Some(header) => format!("{words}, {header}"),
                None => words,
            }
        }
        Some(Verification::NoInbound) | None => w.t("story.scheme_gone").to_owned(),
    }
}
