//! `/flujos`: the flows in force, each as a picture with live counts, its text, its runs, and its kill switch.

mod diagram;
mod picture;

use super::connections::{PauseView, pause_it, resume_it};
use super::guard::{Deed, Visit};
use super::marks::Mark;
use super::moments::Moment;
use super::notice::Notice;
use super::page::{Frame, html, refusal, unreadable};
use super::words::Words;
use crate::App;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use diagram::{Counts, Step};
use pasarela_engine::FlowState;
use pasarela_flows::Flow;
use pasarela_store::{EffectState, PauseKind, RunStatus};
use std::collections::HashMap;

/// Open effects of each kind that are looked at for the counts.
const OPEN: u32 = 2_000;
/// The newest runs among which those of a flow are looked for, and how many are shown.
const WITHIN: u32 = 2_000;
const RUNS: u32 = 12;

struct FlowView {
    name: String,
    title: String,
    version: String,
    from: String,
    on: String,
    live: String,
    paused: Option<PauseView>,
}

#[derive(Template)]
#[template(path = "console/flujos.html")]
struct FlowsPage {
    frame: Frame,
    flows: Vec<FlowView>,
}

struct RunView {
    id: String,
    event: String,
    mark: Mark,
    at: Moment,
    version: String,
}

#[derive(Template)]
#[template(path = "console/flujo.html")]
struct FlowPage {
    frame: Frame,
    flow: FlowView,
    when: Option<String>,
    picture: String,
    steps: Vec<Step>,
    /// Not everything that is open was looked at.
    cut: bool,
    runs: Vec<RunView>,
    text: String,
    notice: Option<&'static str>,
}

pub(super) async fn list(State(app): State<App>, visit: Visit) -> Result<Response, Response> {
    let states = app.engine.flow_states().await.map_err(|e| unreadable(&visit, e))?;
    let flows = states.iter().map(|s| view(&app, visit.w, s)).collect();
    let frame = Frame::new(&app, &visit, "flows.title", "flows").await;
    Ok(html(&FlowsPage { frame, flows }))
}

fn view(app: &App, w: Words, state: &FlowState) -> FlowView {
    let live: u64 = state.live.values().sum();
    FlowView {
        title: title(w, &state.title, &state.name),
        version: w.with("story.version", state.version),
        from: w.named("flow_from", state.from),
        on: state.on.iter().map(|t| w.named("event", t)).collect::<Vec<_>>().join(", "),
        live: w.count("flows.live", live),
        paused: state.paused.as_ref().map(|p| PauseView::new(w, app, p)),
        name: state.name.clone(),
    }
}

/// A flow's title in the visitor's language, or what there is.
pub(super) fn title(w: Words, titles: &std::collections::BTreeMap<String, String>, name: &str) -> String {
    titles.get(w.lang.code()).or_else(|| titles.get("es")).cloned().unwrap_or_else(|| name.to_owned())
}

pub(super) async fn show(
    State(app): State<App>,
    visit: Visit,
    Path(name): Path<String>,
    Query(notice): Query<Notice>,
) -> Result<Response, Response> {
    let w = visit.w;
    let failed = |e| unreadable(&visit, e);
    let states = app.engine.flow_states().await.map_err(failed)?;
    let state = states.into_iter().find(|f| f.name == name);
    let flow = app.engine.flows().into_iter().find(|f| f.name == name);
    let (Some(state), Some(flow)) = (state, flow) else {
        return Err(refusal(&visit, StatusCode::NOT_FOUND, "error.not_found"));
    };
    let open = app.engine.flow_open(&name, OPEN).await.map_err(failed)?;
    let rows = app.engine.flow_runs(&name, WITHIN, RUNS).await.map_err(failed)?;
    let now = app.engine.clock().now();
    let mut runs = Vec::with_capacity(rows.len());
    for row in &rows {
        let run = app.engine.view_run(row).await.map_err(failed)?;
        runs.push(RunView {
            id: run.id.to_string(),
            event: run.event_id.to_string(),
            mark: Mark::new(w, "run", status_name(run.status)),
            at: Moment::new(w, run.created_at, now),
            version: w.with("story.version", run.version),
        });
    }
    let counts = counts(&app, &flow, &open);
    let outline = flow.outline();
    let steps = diagram::steps(w, &outline, &counts);
    let title_of = |t: &String| w.named("event", t);
    let begins = flow.on.iter().map(title_of).collect::<Vec<_>>().join(", ");
    let mut frame = Frame::new(&app, &visit, "flows.title", "flows").await;
    let flow_view = view(&app, w, &state);
    frame.title = format!("{} · {}", flow_view.title, frame.title);
    let page = FlowPage {
        picture: picture::draw(w, &flow_view.title, &begins, &steps),
        cut: open.values().any(|n| *n >= u64::from(OPEN)),
        when: outline["when"].as_str().map(str::to_owned),
        text: flow.source.clone(),
        flow: flow_view,
        frame,
        steps,
        runs,
        notice: notice.key(),
    };
    Ok(html(&page))
}

fn status_name(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Blocked => "blocked",
        RunStatus::Settling => "settling",
        RunStatus::Done => "done",
        RunStatus::Cancelled => "cancelled",
        RunStatus::Failed => "failed",
    }
}

/// What each step did since this node began, and what of it is open now.
fn counts(app: &App, flow: &Flow, open: &HashMap<(String, EffectState), u64>) -> HashMap<String, Counts> {
    let mut all: HashMap<String, Counts> = HashMap::new();
    for (step, tally) in app.engine.flow_tallies(&flow.name) {
        let counts = all.entry(step).or_default();
        (counts.done, counts.failed, counts.withheld) = (tally.done, tally.failed, tally.withheld);
    }
    for ((step, state), n) in open {
        let counts = all.entry(step.clone()).or_default();
        match state {
            EffectState::Dead | EffectState::Unknown => counts.stuck += n,
            _ => counts.open += n,
        }
    }
    all
}

pub(super) async fn pause(State(app): State<App>, Path(name): Path<String>, deed: Deed) -> Response {
    pause_it(&app, &deed, PauseKind::Flow, &name, &page_of(&name)).await
}

pub(super) async fn resume(State(app): State<App>, Path(name): Path<String>, deed: Deed) -> Response {
    resume_it(&app, &deed, PauseKind::Flow, &name, &page_of(&name)).await
}

/// A flow's page. A name that could be more than a name leads to the list.
fn page_of(name: &str) -> String {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if plain { format!("/flujos/{name}") } else { "/flujos".to_owned() }
}
