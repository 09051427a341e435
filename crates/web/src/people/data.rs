//! `/mis-datos`: a person asks for a link, and sees by it what the hub holds about them: what they allowed, orders
//! and tickets, messages, and where it came from (Ley 1581, arts. 8 and 14). What is shown can be taken along.
//!
//! Promise: only what lies under the address that the link went to, and of what others are named in too only the
//! person's own part: no payload is shown whole.

use super::form::{Form, is_foreign, mark};
use super::words::{find, purpose_on};
use super::{Asked, Foot, Words, admitted, html, notice, veiled};
use crate::App;
use crate::server::Peer;
use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use pasarela_colombia::calendar::{date_time, long_date};
use pasarela_domain::Envelope;
use pasarela_domain::consent::{ConsentState, TextKind};
use pasarela_engine::LedgerError;
use pasarela_store::{EffectState, Error, RunFilter};
use pasarela_ticket::pass::{Opens, Pass};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Instant;

/// Events that are looked through.
const MOST: u32 = 200;
/// Longest text of a message that is shown.
const LONGEST: usize = 300;

#[derive(Template)]
#[template(path = "publico/mis-datos-pedir.html")]
struct AskPage {
    w: Words,
    foot: Foot,
    wrong: bool,
    typed: String,
}

pub(super) async fn ask(State(app): State<App>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let w = Words { lang: asked.lang(&headers) };
    html(StatusCode::OK, &AskPage { w, foot: Foot::of(&app).await, wrong: false, typed: String::new() })
}

pub(super) async fn send(
    State(app): State<App>,
    Query(asked): Query<Asked>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let w = Words { lang: asked.lang(&headers) };
    let Some(form) = Form::read(&body).filter(|_| !is_foreign(&app, &headers)) else {
        return notice(&app, StatusCode::FORBIDDEN, "form", w.lang).await;
    };
    let typed: String = form.get("direccion").chars().take(200).collect();
    let address =
        if typed.contains('@') { Some(typed.to_lowercase()) } else { pasarela_colombia::phone::to_e164(&typed).ok() };
    let Some(address) = address else {
        let page = AskPage { w, foot: Foot::of(&app).await, wrong: true, typed };
        return html(StatusCode::BAD_REQUEST, &page);
    };
    if !app.people.admits(peer.map(|p| p.0.0), Instant::now()) {
        return notice(&app, StatusCode::TOO_MANY_REQUESTS, "often", w.lang).await;
    }
    match app.engine.request_link(&address, w.code()).await {
        Ok(()) => notice(&app, StatusCode::ACCEPTED, "ask.sent", w.lang).await,
        Err(LedgerError::Invalid(_)) => {
            let page = AskPage { w, foot: Foot::of(&app).await, wrong: true, typed };
            html(StatusCode::BAD_REQUEST, &page)
        }
        Err(e) => {
            tracing::warn!(error = %e, "a link to somebody's data could not be asked for");
            notice(&app, StatusCode::SERVICE_UNAVAILABLE, "later", w.lang).await
        }
    }
}

/// One thing that is held.
#[derive(Serialize)]
struct Line {
    #[serde(rename = "what")]
    title: String,
    detail: String,
    #[serde(skip)]
    when: String,
    at: Timestamp,
    source: String,
}

/// One thing that the person said.
#[derive(Serialize)]
struct Said {
    title: String,
    purpose: String,
    channel: Option<String>,
    state: ConsentState,
    #[serde(skip)]
    when: String,
    at: Timestamp,
    text_version: Option<String>,
    text_sha256: Option<String>,
    source: Option<String>,
}

#[derive(Default, Serialize)]
struct Held {
    consents: Vec<Said>,
    cases: Vec<super::ask::Own>,
    purchases: Vec<Line>,
    messages: Vec<Line>,
    others: Vec<Line>,
    sources: BTreeSet<String>,
    /// There are older records than are shown.
    more: bool,
}

#[derive(Template)]
#[template(path = "publico/mis-datos.html")]
struct DataPage {
    w: Words,
    foot: Foot,
    pass: String,
    mark: String,
    address: String,
    today: String,
    done: Option<String>,
    held: Held,
}

pub(super) async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let w = Words { lang: asked.lang(&headers) };
    let (pass, as_file) = name.strip_suffix(".json").map_or((name.as_str(), false), |pass| (pass, true));
    let person = admitted(&app, pass, Opens::Data).await.filter(|pass| pass.opens == Opens::Data);
    let Some(person) = person else { return notice(&app, StatusCode::NOT_FOUND, "closed", w.lang).await };
    let held = match held(&app, &person, w).await {
        Ok(held) => held,
        Err(e) => {
            tracing::error!(error = %e, "what is held about a person could not be read");
            return notice(&app, StatusCode::SERVICE_UNAVAILABLE, "later", w.lang).await;
        }
    };
    let now = app.engine.clock().now();
    if as_file {
        let mut response = Json(json!({ "address": person.address, "at": now, "held": held })).into_response();
        super::protect(response.headers_mut());
        let name = HeaderValue::from_static("attachment; filename=\"mis-datos.json\"");
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
        return response;
    }
    let done = asked.numero.as_deref().filter(|n| n.len() <= 40).map(|number| w.with("done.pedido", number));
    let page = DataPage {
        w,
        foot: Foot::of(&app).await,
        pass: pass.to_owned(),
        mark: mark(&app, pass),
        address: veiled(&person.address),
        today: long_date(now, w.lang),
        done,
        held,
    };
    html(StatusCode::OK, &page)
}

/// What the hub holds under an address.
async fn held(app: &App, person: &Pass, w: Words) -> Result<Held, LedgerError> {
    let known = app.engine.consents_of(&person.address).await?;
    let said =
        known.records.iter().map(|record| Said {
            title: purpose_on(&record.purpose, record.channel.as_deref(), w.lang),
            purpose: record.purpose.clone(),
            channel: record.channel.clone(),
            state: record.state,
            when: date_time(record.at, w.lang),
            at: record.at,
            text_version: record.evidence.text_version.clone().filter(|version| {
                known.terms.all().iter().any(|t| t.kind == TextKind::Consent && &t.version == version)
            }),
            text_sha256: record.evidence.text_sha256.clone(),
            source: record.evidence.channel.clone(),
        });
    let cases = super::ask::cases(app, &person.address, w).await.map_err(|e| LedgerError::Busy(e.to_string()))?;
    let mut held = Held { consents: said.collect(), cases, ..Held::default() };
    let kind = if person.address.contains('@') { "email" } else { "phone" };
    let subject = app.engine.subject_hash(kind, &person.address);
    let page = app.engine.store().events_about(subject, None, MOST).await?;
    held.more = page.next.is_some();
    for row in &page.rows {
        let Ok(event) = app.engine.envelope(row) else { continue };
        held.sources.insert(event.connection.clone());
        let head = event.event_type.split('.').next().unwrap_or_default();
        let place = match head {
            // Told above, with all that belongs to it; what became of a message of ours stands with the message.
            "consent" => continue,
            "message" if event.data["kind"] == "status" && event.event_type != "message.failed" => continue,
            "order" | "ticket" => &mut held.purchases,
            "message" | "email" => &mut held.messages,
            _ => &mut held.others,
        };
        place.push(line(&event, w));
        held.messages.extend(written(app, row.id, &person.address, w).await?);
    }
    held.messages.sort_by(|a, b| b.at.cmp(&a.at));
    Ok(held)
}

fn line(event: &Envelope, w: Words) -> Line {
    let title =
        find(&format!("event.{}", event.event_type), w.lang).map_or_else(|| event.event_type.clone(), str::to_owned);
    let named = ["/number", "/code", "/ticket/code", "/text", "/show/title", "/title"];
    let detail = named.iter().find_map(|pointer| event.data.pointer(pointer)?.as_str()).unwrap_or_default();
    Line {
        title,
        detail: detail.chars().take(LONGEST).collect(),
        when: date_time(event.occurred_at, w.lang),
        at: event.occurred_at,
        source: event.connection.clone(),
    }
}

/// Messages of ours that an event led to, to this address.
async fn written(app: &App, event: pasarela_domain::EventId, address: &str, w: Words) -> Result<Vec<Line>, Error> {
    let store = app.engine.store();
    let mut lines = Vec::new();
    for run in store.runs(RunFilter { event: Some(event), limit: 20, ..RunFilter::default() }).await?.rows {
        let view = app.engine.view_run(&run).await?;
        for id in view.effects.values() {
            let Some(row) = store.effect(*id).await? else { continue };
            let sent = matches!(row.state, EffectState::Done | EffectState::Settling | EffectState::Unknown);
            let input: Value = serde_json::from_slice(&row.input).unwrap_or_default();
            let to = input["to"].as_str().is_some_and(|to| to.eq_ignore_ascii_case(address));
            if !sent || !to || row.class.is_none() {
                continue;
            }
            let detail = ["/subject", "/template", "/text"].iter().find_map(|p| input.pointer(p)?.as_str());
            let at = row.created_at;
            lines.push(Line {
                title: w.t("event.message.sent").to_owned(),
                detail: detail.unwrap_or_default().chars().take(LONGEST).collect(),
                when: date_time(at, w.lang),
                at,
                source: app
                    .engine
                    .connections()
                    .iter()
                    .find(|c| app.engine.connection_id(&c.name) == Some(row.connection))
                    .map(|c| c.name.clone())
                    .unwrap_or_default(),
            });
        }
    }
    Ok(lines)
}
