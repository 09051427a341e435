//! `/conexiones/{name}/modelo`: what a provider's account lacks of its model, step by step, and the button that does it.
//! Exactly the plan that was looked at is done: its fingerprint goes with the form.

use super::guard::{Deed, Visit};
use super::marks::Mark;
use super::page::{Frame, html};
use super::words::Words;
use crate::App;
use crate::audit;
use crate::problem::Problem;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use pasarela_connector::provision::{Change, PlanStep};
use pasarela_engine::{ProvisionAsk, ProvisionError, ProvisionPlan, Provisioned};
use serde_json::json;

struct Step {
    id: String,
    mark: Mark,
    what: String,
    why: String,
    /// What would be sent.
    sent: Option<String>,
}

/// Steps of one kind that are to be done.
struct Group {
    /// `38 campos`.
    title: String,
    key: String,
    steps: Vec<Step>,
}

/// What the last button led to.
struct Came {
    done: String,
    refused: Vec<(String, String)>,
    stopped: Option<String>,
    /// Where secrets that were told lie now, in words.
    kept: Option<String>,
}

#[derive(Template)]
#[template(path = "console/modelo.html")]
struct Page {
    frame: Frame,
    connection: String,
    provider: String,
    problem: Option<String>,
    came: Option<Came>,
    fingerprint: String,
    /// How many steps there are to do, in words.
    todo: Option<String>,
    /// What is to be done, by kinds.
    groups: Vec<Group>,
    /// What cannot be done by itself.
    stuck: Vec<Step>,
    kept: Vec<Step>,
    /// How many those are, in words.
    kept_words: Option<String>,
    missing: Vec<(String, String)>,
    advice: Vec<String>,
}

pub(super) async fn show(State(app): State<App>, visit: Visit, Path(name): Path<String>) -> Result<Response, Response> {
    if let Err(e) = app.must_see_connection(&name) {
        return Err(super::page::problem(&visit, e));
    }
    let plan = app.engine.provision_plan(&name, &app.public_url).await;
    Ok(page(&app, &visit, &name, plan, None).await)
}

pub(super) async fn apply(State(app): State<App>, Path(name): Path<String>, deed: Deed) -> Result<Response, Response> {
    let visit = &deed.visit;
    if let Err(e) = app.must_see_connection(&name) {
        return Err(super::page::problem(visit, e));
    }
    let fingerprint = deed.field("plan").to_owned();
    audit::of_brand(app.engine.brand_of(&name));
    audit::before(&name, json!({ "fingerprint": fingerprint }));
    // The provider is changed, whatever comes of it.
    audit::begin(&app).await.map_err(|e| super::page::unreadable(visit, e))?;
    let ask = ProvisionAsk { fingerprint: Some(fingerprint), limit: None };
    let came = app.engine.provision(&name, &app.public_url, ask).await;
    Ok(match came {
        Ok(Provisioned { done, refused, kept, stopped, plan }) => {
            let ids: Vec<&str> = done.iter().map(|s| s.id.as_str()).collect();
            audit::done(
                &name,
                json!({ "done": ids, "refused": refused, "kept": kept, "stopped": stopped, "left": plan.todo }),
            );
            let came = Came {
                done: visit.w.count("plan.done", done.len() as u64),
                refused: refused.into_iter().map(|r| (r.what, r.why)).collect(),
                stopped,
                kept: (!kept.is_empty()).then(|| visit.w.with("plan.secrets", kept.join(", "))),
            };
            page(&app, visit, &name, Ok(plan), Some(came)).await
        }
        Err(e) => {
            audit::nothing();
            page(&app, visit, &name, Err(e), None).await
        }
    })
}

async fn page(
    app: &App,
    visit: &Visit,
    name: &str,
    plan: Result<ProvisionPlan, ProvisionError>,
    came: Option<Came>,
) -> Response {
    let w = visit.w;
    let frame = Frame::new(app, visit, "plan.title", "connections").await;
    let manifest = app.engine.manifest(name);
    let mut page = Page {
        frame,
        connection: name.to_owned(),
        provider: manifest.map(|m| m.title.to_owned()).unwrap_or_default(),
        problem: None,
        came,
        fingerprint: String::new(),
        todo: None,
        groups: Vec::new(),
        stuck: Vec::new(),
        kept: Vec::new(),
        kept_words: None,
        missing: Vec::new(),
        advice: Vec::new(),
    };
    let status = match plan {
        Ok(plan) => {
            page.fingerprint = plan.fingerprint;
            page.todo = (plan.todo > 0).then(|| w.count("plan.todo", plan.todo as u64));
            page.missing = plan.plan.missing.iter().map(|m| (m.right.clone(), m.advice.clone())).collect();
            page.advice = plan.plan.advice;
            for step in plan.plan.steps {
                match step.change {
                    Change::Create | Change::Update => group(&mut page.groups, view(w, step)),
                    Change::Conflict | Change::Blocked => page.stuck.push(view(w, step)),
                    Change::Keep => page.kept.push(view(w, step)),
                }
            }
            for group in &mut page.groups {
                let n = group.steps.len() as u64;
                let one = if n == 1 { "one" } else { "many" };
                let known = w.get(&format!("plan_kind.{}.{one}", group.key));
                group.title = known.map_or_else(
                    || format!("{} · {}", group.key, w.number(n)),
                    |words| words.replacen("{}", &w.number(n), 1),
                );
            }
            page.kept_words = (!page.kept.is_empty()).then(|| w.count("plan.kept", page.kept.len() as u64));
            axum::http::StatusCode::OK
        }
        Err(e) => {
            page.problem = Some(e.to_string());
            Problem::from(e).into_response().status()
        }
    };
    (status, html(&page)).into_response()
}

/// Beside those of its kind, which the first part of its name tells.
fn group(groups: &mut Vec<Group>, step: Step) {
    let key = step.id.split(':').next().unwrap_or_default();
    match groups.iter_mut().find(|g| g.key == key) {
        Some(group) => group.steps.push(step),
        None => groups.push(Group { title: String::new(), key: key.to_owned(), steps: vec![step] }),
    }
}

fn view(w: Words, step: PlanStep) -> Step {
    let (tone, shape) = match step.change {
        Change::Create | Change::Update => ("info", "waits"),
        Change::Keep => ("done", "done"),
        Change::Conflict => ("failed", "failed"),
        Change::Blocked => ("waits", "paused"),
    };
    let sent = step.request.as_ref().and_then(|r| serde_json::to_string_pretty(r).ok());
    Step {
        id: step.id,
        mark: Mark { tone, shape, word: w.named("plan_change", step.change.as_str()) },
        what: step.what,
        why: step.why,
        sent,
    }
}
