//! `/conservacion`: how long everything is kept and what went, and the legal holds that keep more.

use super::guard::{Deed, Visit};
use super::marks::Mark;
use super::moments::Moment;
use super::notice::Notice;
use super::page::{Frame, html, refusal, unreadable};
use super::words::Words;
use crate::App;
use crate::audit;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use pasarela_engine::{CaseError, Hold, NewHold, RetentionRule};
use serde::Deserialize;

/// Holds on a page.
const PAGE: u32 = 50;
/// What is kept for the people it is about and for the law; everything else is the hub's own work.
const FIRST: [&str; 8] =
    ["case", "incident", "hold", "consents", "consent_proofs", "marketing_profile", "scans", "read_models"];

struct Kept {
    what: String,
    term: String,
    why: String,
    removed: String,
    passed: Option<Moment>,
}

struct Held {
    number: String,
    whom: String,
    reason: String,
    mark: Mark,
    since: String,
    open: bool,
}

#[derive(Template)]
#[template(path = "console/conservacion.html")]
struct KeepingPage {
    frame: Frame,
    first: Vec<Kept>,
    others: Vec<Kept>,
    holds: Vec<Held>,
    older: Option<String>,
    notice: Option<&'static str>,
    refused: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    antes: Option<i64>,
    aviso: Option<String>,
}

/// `10 años`, `90 días`, `siempre`.
fn term(w: Words, days: Option<u64>) -> String {
    let Some(days) = days else { return w.t("keeping.forever").to_owned() };
    // A year with and without its leap days.
    let years = (1..=100).find(|y| (y * 365..=y * 365 + y / 4 + 1).contains(&days));
    match years {
        Some(years) => w.count("keeping.years", years),
        None => w.count("keeping.days", days),
    }
}

fn why(w: Words, kind: &str) -> String {
    let key = match kind {
        "case" | "incident" | "hold" => "keep_why.commercial",
        "event_links" | "delivery_links" => "keep_why.links",
        "consents" | "consent_proofs" | "marketing_profile" | "read_models" => return w.named("keep_why", kind),
        "scans" | "scan_runs" => "keep_why.scans",
        _ => "keep_why.finished",
    };
    w.t(key).to_owned()
}

fn kept(w: Words, rule: &RetentionRule, now: Timestamp) -> Kept {
    Kept {
        what: w.named("keep_kind", &rule.kind),
        term: term(w, rule.keep_days),
        why: why(w, &rule.kind),
        removed: w.number(rule.removed),
        passed: rule.passed_at.map(|at| Moment::new(w, at, now)),
    }
}

fn held(w: Words, hold: &Hold, now: Timestamp) -> Held {
    let since = |key: &str, at: Timestamp, by: &str| {
        w.t(key).replacen("{}", &Moment::new(w, at, now).text, 1).replacen("{}", by, 1)
    };
    let (mark, when) = match hold.ended_at {
        Some(at) => {
            let by = hold.ended_by.as_deref().unwrap_or_default();
            (("quiet", "withheld", "keeping.ended"), since("keeping.ended_by", at, by))
        }
        None => (("waits", "waits", "keeping.held"), since("keeping.since", hold.since, &hold.by)),
    };
    let named = [hold.case.as_deref(), hold.person.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" · ");
    Held {
        number: hold.number.clone(),
        whom: named,
        reason: hold.reason.clone(),
        mark: Mark { tone: mark.0, shape: mark.1, word: w.t(mark.2).to_owned() },
        since: when,
        open: hold.ended_at.is_none(),
    }
}

async fn page(
    app: &App,
    visit: &Visit,
    before: Option<i64>,
    notice: Option<&'static str>,
    refused: Option<String>,
) -> Result<KeepingPage, Response> {
    let (w, now) = (visit.w, app.engine.clock().now());
    let rules = app.engine.retention_report().await.map_err(|e| unreadable(visit, e))?;
    let (holds, next) = app.engine.holds(before, PAGE).await.map_err(|e| unreadable(visit, e))?;
    let first = FIRST.iter().filter_map(|kind| rules.iter().find(|r| r.kind == *kind));
    let others = rules.iter().filter(|r| !FIRST.contains(&r.kind.as_str()));
    Ok(KeepingPage {
        first: first.map(|r| kept(w, r, now)).collect(),
        others: others.map(|r| kept(w, r, now)).collect(),
        holds: holds.iter().map(|h| held(w, h, now)).collect(),
        older: next.map(|n| format!("/conservacion?antes={n}#ordenes")),
        notice,
        refused,
        frame: Frame::new(app, visit, "keeping.title", "cases").await,
    })
}

pub(super) async fn show(
    State(app): State<App>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Response> {
    let notice = Notice::of(asked.aviso).key();
    Ok(html(&page(&app, &visit, asked.antes, notice, None).await?))
}

/// Sets a hold.
pub(super) async fn add(State(app): State<App>, deed: Deed) -> Result<Response, Response> {
    let maybe = |name: &str| Some(deed.field(name).trim().to_owned()).filter(|t| !t.is_empty());
    let new = NewHold { person: maybe("persona"), case: maybe("caso"), reason: deed.field("motivo").to_owned() };
    answered(&app, &deed, app.engine.hold(new, deed.visit.name()).await).await
}

/// Ends one.
pub(super) async fn end(State(app): State<App>, Path(number): Path<String>, deed: Deed) -> Result<Response, Response> {
    crate::api::intend_hold_end(&app, &number).await.map_err(|e| unreadable(&deed.visit, e))?;
    answered(&app, &deed, app.engine.end_hold(&number, deed.visit.name()).await).await
}

async fn answered(app: &App, deed: &Deed, done: Result<Hold, CaseError>) -> Result<Response, Response> {
    match done {
        Ok(hold) => {
            audit::done(&hold.number, crate::api::hold_kept(&hold));
            Ok(Redirect::to("/conservacion?aviso=case_done#ordenes").into_response())
        }
        Err(CaseError::Store(e)) => Err(unreadable(&deed.visit, e)),
        Err(CaseError::NotFound(_)) if deed.field("motivo").is_empty() => {
            Err(refusal(&deed.visit, StatusCode::NOT_FOUND, "error.not_found"))
        }
        Err(why) => {
            let page = page(app, &deed.visit, None, None, Some(why.to_string())).await?;
            Ok((StatusCode::BAD_REQUEST, html(&page)).into_response())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::words::Lang;

    #[test]
    fn a_term_of_years_is_told_in_years() {
        let told = |days| term(Words::new(Lang::Es), days);
        assert_eq!([told(Some(365)), told(Some(730)), told(Some(3653))], ["1 año", "2 años", "10 años"]);
        assert_eq!(
            [told(Some(400)), told(Some(90)), told(Some(1)), told(None)],
            ["400 días", "90 días", "1 día", "siempre"]
        );
    }
}
