//! `/webhooks`: events to services of one's own. A secret is on one page, once: the answer to the form that made it.

use super::guard::{Deed, FreshDeed, Visit};
use super::marks::Mark;
use super::moments::Moment;
use super::page::{Frame, html, problem};
use super::words::Words;
use crate::App;
use crate::api::webhooks::{end, make, renew};
use crate::audit;
use crate::problem::Problem;
use crate::who::Who;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use pasarela_engine::{NewWebhook, TestOutcome, Webhook, WebhookState};
use serde_json::json;

/// Hours back from which a replay may begin.
const BACK: [u64; 4] = [1, 6, 24, 168];
/// Hours for which the secrets before go on signing.
const OVERLAP: [u64; 3] = [1, 24, 168];

struct View {
    id: String,
    url: String,
    title: String,
    mark: Mark,
    types: String,
    brand: Option<String>,
    headers: String,
    paused: Option<Moment>,
    reason: Option<String>,
    failing: Option<Moment>,
    problem: Option<String>,
    well: Option<Moment>,
    /// Up to when events were taken, where later ones wait in the log.
    taken: Option<Moment>,
    waiting: String,
    dead: Option<String>,
    secrets: String,
    is_paused: bool,
}

/// What the last form led to.
#[derive(Default)]
struct Done {
    /// Webhook and the secret that was made for it.
    made: Option<(String, String)>,
    /// How a trial went.
    tried: Option<Tried>,
    refused: Option<String>,
}

struct Tried {
    title: String,
    well: bool,
    says: String,
    answer: String,
}

#[derive(Template)]
#[template(path = "console/webhooks.html")]
struct Page {
    frame: Frame,
    done: Done,
    all: Vec<View>,
    /// Brands to choose among, where there are several.
    brands: Vec<String>,
    /// Was it proved lately who looks?
    fresh: bool,
}

impl Page {
    fn back(&self) -> [u64; 4] {
        BACK
    }

    fn overlap(&self) -> [u64; 3] {
        OVERLAP
    }

    fn span(&self, n: &u64) -> String {
        self.frame.w.count("keys.hours", *n)
    }

    fn since(&self, n: &u64) -> String {
        self.frame.w.count("webhooks.back", *n)
    }
}

fn mark(w: Words, state: WebhookState) -> Mark {
    let (tone, shape) = match state {
        WebhookState::Active => ("done", "done"),
        WebhookState::Failing => ("waits", "waits"),
        WebhookState::Paused => ("quiet", "paused"),
        WebhookState::PausedFailing | WebhookState::PausedGone => ("failed", "paused"),
    };
    Mark { tone, shape, word: w.named("webhook", state.word()) }
}

/// What people call it.
fn title(webhook: &Webhook) -> String {
    webhook.description.clone().unwrap_or_else(|| {
        let bare = webhook.url.split_once("://").map_or(webhook.url.as_str(), |(_, rest)| rest);
        bare.split('/').next().unwrap_or(bare).to_owned()
    })
}

fn view(w: Words, webhook: Webhook, now: Timestamp) -> View {
    let moment = |at: Option<Timestamp>| at.map(|at| Moment::new(w, at, now));
    View {
        title: title(&webhook),
        mark: mark(w, webhook.state),
        types: webhook.types.join(", "),
        headers: webhook.headers.join(", "),
        paused: moment(webhook.paused_since),
        failing: moment(webhook.failing_since),
        problem: webhook.last_problem,
        well: moment(webhook.last_success_at),
        taken: moment(webhook.state.is_paused().then_some(webhook.taken_until)),
        waiting: w.count("webhooks.waiting", webhook.waiting as u64 + u64::from(webhook.in_flight)),
        dead: (webhook.dead > 0).then(|| w.count("webhooks.dead", webhook.dead as u64)),
        secrets: w.count("webhooks.secrets", webhook.secrets.len() as u64),
        is_paused: webhook.state.is_paused(),
        reason: webhook.pause_reason,
        brand: webhook.brand,
        url: webhook.url,
        id: webhook.id,
    }
}

async fn page(app: &App, visit: &Visit, done: Done) -> Result<Page, Response> {
    let (w, now) = (visit.w, app.engine.clock().now());
    let all = app.engine.webhooks().await.map_err(|e| problem(visit, e.into()))?;
    Ok(Page {
        all: all.into_iter().map(|webhook| view(w, webhook, now)).collect(),
        done,
        brands: if app.brands.len() > 1 { app.brands.iter().cloned().collect() } else { Vec::new() },
        fresh: visit.is_fresh(app),
        frame: Frame::new(app, visit, "webhooks.title", "webhooks").await,
    })
}

pub(super) async fn show(State(app): State<App>, visit: Visit) -> Result<Response, Response> {
    Ok(html(&page(&app, &visit, Done::default()).await?))
}

/// Makes a webhook, and shows its secret.
pub(super) async fn create(State(app): State<App>, who: Who, FreshDeed(deed): FreshDeed) -> Result<Response, Response> {
    let said = |name: &str| Some(deed.field(name).trim().to_owned()).filter(|t| !t.is_empty());
    let list = deed.field("tipos").split([',', ' ', '\n', '\r']).map(str::trim).filter(|t| !t.is_empty());
    let wish = json!({
        "url": deed.field("direccion").trim(), "description": said("nombre"),
        "types": list.collect::<Vec<_>>(), "brand": said("marca"), "country": said("pais"),
    });
    let made = match serde_json::from_value::<NewWebhook>(wish) {
        Ok(new) => make(&app, &who, new).await,
        Err(e) => Err(Problem::bad_request(e.to_string())),
    };
    let done = made.map(|made| {
        let (webhook, secret) = made.secret();
        Done { made: Some((title(&webhook), secret)), ..Done::default() }
    });
    answered(&app, &deed, done).await
}

/// Sends a trial, and shows how it went.
pub(super) async fn try_it(State(app): State<App>, Path(id): Path<String>, deed: Deed) -> Result<Response, Response> {
    let done = match (app.engine.webhook(&id).await, app.engine.test_webhook(&id).await) {
        (Ok(webhook), Ok(outcome)) => {
            audit::done(&id, json!({ "status": outcome.status }));
            Ok(Done { tried: Some(tried(deed.visit.w, &webhook, outcome)), ..Done::default() })
        }
        (Err(e), _) | (_, Err(e)) => Err(e.into()),
    };
    answered(&app, &deed, done).await
}

/// Pauses a webhook.
pub(super) async fn pause(
    State(app): State<App>,
    who: Who,
    Path(id): Path<String>,
    deed: Deed,
) -> Result<Response, Response> {
    let reason = Some(deed.field("motivo").trim().to_owned()).filter(|r| !r.is_empty());
    audit::done(&id, json!({ "paused": true, "reason": reason }));
    let done = app.engine.pause_webhook(&id, reason, &who.name).await;
    answered(&app, &deed, done.map(|_| Done::default()).map_err(Problem::from)).await
}

/// Ends a pause, a person's or the hub's.
pub(super) async fn resume(
    State(app): State<App>,
    who: Who,
    Path(id): Path<String>,
    deed: Deed,
) -> Result<Response, Response> {
    audit::done(&id, json!({ "paused": false }));
    let done = app.engine.resume_webhook(&id, &who.name).await;
    answered(&app, &deed, done.map(|_| Done::default()).map_err(Problem::from)).await
}

/// Sends again what was told in the last hours.
pub(super) async fn replay(State(app): State<App>, Path(id): Path<String>, deed: Deed) -> Result<Response, Response> {
    let hours = deed.field("horas").parse::<u64>().ok().filter(|h| BACK.contains(h));
    let hours = hours.and_then(|h| i64::try_from(h).ok()).unwrap_or(1);
    let since = app.engine.clock().now().checked_sub(SignedDuration::from_hours(hours));
    let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
    audit::done(&id, json!({ "since": since }));
    let done = app.engine.replay_webhook(&id, since).await;
    answered(&app, &deed, done.map(|_| Done::default()).map_err(Problem::from)).await
}

/// Gives a webhook a new secret, and shows it.
pub(super) async fn rotate(
    State(app): State<App>,
    who: Who,
    Path(id): Path<String>,
    FreshDeed(deed): FreshDeed,
) -> Result<Response, Response> {
    let hours = deed.field("horas").parse::<u64>().ok().filter(|h| OVERLAP.contains(h)).unwrap_or(0);
    let made = renew(&app, &who, &id, None, u32::try_from(hours).unwrap_or(0)).await;
    let done = made.map(|made| {
        let (webhook, secret) = made.secret();
        Done { made: Some((title(&webhook), secret)), ..Done::default() }
    });
    answered(&app, &deed, done).await
}

/// Removes a webhook.
pub(super) async fn remove(
    State(app): State<App>,
    who: Who,
    Path(id): Path<String>,
    deed: Deed,
) -> Result<Response, Response> {
    let done = end(&app, &who, &id, None).await;
    answered(&app, &deed, done.map(|()| Done::default())).await
}

fn tried(w: Words, webhook: &Webhook, outcome: TestOutcome) -> Tried {
    let says = match outcome.status {
        Some(status) => w.with("webhooks.tried", status).replacen("{}", &outcome.millis.to_string(), 1),
        None => w.t("webhooks.nobody").to_owned(),
    };
    let answer = outcome.answer.or(outcome.problem).unwrap_or_default();
    Tried { title: title(webhook), well: outcome.delivered, says, answer }
}

async fn answered(app: &App, deed: &Deed, done: Result<Done, Problem>) -> Result<Response, Response> {
    match done {
        Ok(done) => Ok(html(&page(app, &deed.visit, done).await?)),
        Err(why) => match why.told_to_people() {
            Some(sentence) => {
                let page = page(app, &deed.visit, Done { refused: Some(sentence), ..Done::default() }).await?;
                Ok((StatusCode::BAD_REQUEST, html(&page)).into_response())
            }
            None => Err(problem(&deed.visit, why)),
        },
    }
}
