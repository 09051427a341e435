//! `/api/v1/webhooks`: events to services of one's own, by the Standard Webhooks rules.

mod routes;

pub(super) use routes::routes;

use super::{Params, body, cursor, limit, list as page};
use crate::App;
use crate::auth::whsec;
use crate::problem::Problem;
use crate::who::Who;
use crate::{audit, etag};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use pasarela_domain::{EffectId, EventId, Secret};
use pasarela_engine::{NewWebhook, TestOutcome, Webhook, WebhookChange};
use pasarela_store::EffectFilter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A webhook with the secret that was just made for it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NewlySigned")]
pub(crate) struct Made {
    #[serde(flatten)]
    webhook: Webhook,
    /// The secret, shown once: whoever is called checks signatures with it.
    secret: String,
}

/// A new secret.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// `whsec_` and the base64 of 24 to 64 bytes; left out: the hub makes one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    secret: Option<Secret>,
    /// The secrets before go on signing for so many hours, beside it: 24 when left out, at most 720.
    #[serde(default = "a_day")]
    #[schemars(range(max = 720))]
    overlap_hours: u32,
}

fn a_day() -> u32 {
    24
}

/// From when on events are sent again.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    /// Everything since then that the webhook asks for.
    #[schemars(with = "pasarela_domain::Moment")]
    since: Timestamp,
}

/// A webhook that is here no more.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Removed {
    id: String,
    /// Always true.
    removed: bool,
}

/// One event on its way to a webhook.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookDelivery")]
pub(crate) struct Sent {
    /// The call, as `/api/v1/effects` has it.
    effect_id: EffectId,
    event_id: Option<EventId>,
    state: &'static str,
    /// Attempts begun.
    attempt: u32,
    #[schemars(with = "pasarela_domain::Moment")]
    created_at: Timestamp,
    /// The next try, when it has to wait.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    not_before: Option<Timestamp>,
    /// It is tried until then.
    #[schemars(with = "pasarela_domain::Moment")]
    give_up_at: Timestamp,
    /// Stable code of a failure.
    code: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WebhookDeliveries")]
pub(crate) struct Filter {
    /// One or more states, with commas between them.
    #[schemars(regex(
        pattern = r"^(queued|calling|done|withdrawn|dropped|dead|unknown)(,(queued|calling|done|withdrawn|dropped|dead|unknown))*$"
    ))]
    state: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    Ok(page(app.engine.webhooks().await?.iter().map(|w| json!(w)).collect(), None))
}

pub(crate) async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    Ok(shown(app.engine.webhook(&id).await?))
}

pub(crate) async fn create(
    who: Who,
    State(app): State<App>,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Made>), Problem> {
    Ok((StatusCode::CREATED, Json(make(&app, &who, body(&bytes)?).await?)))
}

/// Makes a webhook, with a secret of its own where none was brought.
pub(crate) async fn make(app: &App, who: &Who, mut new: NewWebhook) -> Result<Made, Problem> {
    if let Some(brand) = new.brand.as_deref().map(str::trim).filter(|b| !b.is_empty() && !app.brands.contains(*b)) {
        let there: Vec<&str> = app.brands.iter().map(String::as_str).collect();
        return Err(Problem::bad_request(format!("there is no brand '{brand}'; brands are {}", there.join(", "))));
    }
    let secret = new.secret.get_or_insert_with(whsec).expose().to_owned();
    let webhook = app.engine.create_webhook(new, &who.name).await?;
    audit::done(&webhook.id, told(&webhook));
    Ok(Made { webhook, secret })
}

impl Made {
    /// The secret, for the page that shows it once.
    pub(crate) fn secret(self) -> (Webhook, String) {
        (self.webhook, self.secret)
    }
}

pub(crate) async fn change(
    who: Who,
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let (change, expected) = (body::<WebhookChange>(&bytes)?, seen(&headers, &id)?);
    let before = app.engine.webhook(&id).await?;
    let webhook = app.engine.change_webhook(&id, expected, change, &who.name).await?;
    let (before, after) = (told(&before), told(&webhook));
    audit::done(&id, after);
    audit::note(|n| n.before = Some(before));
    Ok(shown(webhook))
}

pub(crate) async fn remove(
    who: Who,
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Removed>, Problem> {
    end(&app, &who, &id, seen(&headers, &id)?).await?;
    Ok(Json(Removed { id, removed: true }))
}

/// Removes a webhook, and with it what it has not been sent.
pub(crate) async fn end(app: &App, who: &Who, id: &str, expected: Option<i64>) -> Result<(), Problem> {
    let before = told(&app.engine.webhook(id).await?);
    app.engine.remove_webhook(id, expected, &who.name).await?;
    audit::done(id, json!({ "removed": true }));
    audit::note(|n| n.before = Some(before));
    Ok(())
}

pub(crate) async fn rotate(
    who: Who,
    State(app): State<App>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Made>, Problem> {
    let Rotation { secret, overlap_hours } = body(&bytes)?;
    Ok(Json(renew(&app, &who, &id, secret, overlap_hours).await?))
}

/// A new secret signs, and those before for so many hours beside it.
pub(crate) async fn renew(
    app: &App,
    who: &Who,
    id: &str,
    secret: Option<Secret>,
    overlap_hours: u32,
) -> Result<Made, Problem> {
    let secret = secret.unwrap_or_else(whsec);
    let webhook = app.engine.add_webhook_secret(id, &secret, overlap_hours, &who.name).await?;
    audit::done(id, json!({ "secrets": webhook.secrets.len(), "overlap_hours": overlap_hours }));
    Ok(Made { webhook, secret: secret.expose().to_owned() })
}

pub(crate) async fn end_secret(
    who: Who,
    State(app): State<App>,
    Path((id, secret)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let webhook = app.engine.end_webhook_secret(&id, &secret, &who.name).await?;
    audit::done(&id, json!({ "ended": secret }));
    Ok(shown(webhook))
}

pub(crate) async fn test(State(app): State<App>, Path(id): Path<String>) -> Result<Json<TestOutcome>, Problem> {
    let outcome = app.engine.test_webhook(&id).await?;
    audit::done(&id, json!({ "status": outcome.status }));
    Ok(Json(outcome))
}

pub(crate) async fn pause(
    who: Who,
    State(app): State<App>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let super::Reason { reason } = body(&bytes)?;
    let webhook = app.engine.pause_webhook(&id, reason.clone(), &who.name).await?;
    audit::done(&id, json!({ "paused": true, "reason": reason }));
    Ok(shown(webhook))
}

pub(crate) async fn resume(who: Who, State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let webhook = app.engine.resume_webhook(&id, &who.name).await?;
    audit::done(&id, json!({ "paused": false }));
    Ok(shown(webhook))
}

pub(crate) async fn replay(State(app): State<App>, Path(id): Path<String>, bytes: Bytes) -> Result<Response, Problem> {
    let Replay { since } = body(&bytes)?;
    let webhook = app.engine.replay_webhook(&id, since).await?;
    audit::done(&id, json!({ "since": since }));
    Ok(shown(webhook))
}

pub(crate) async fn deliveries(
    State(app): State<App>,
    Path(id): Path<String>,
    Params(f): Params<Filter>,
) -> Result<Json<Value>, Problem> {
    let connection = app
        .engine
        .webhook_connection(&id)
        .ok_or_else(|| Problem::not_found(format!("there is no webhook '{id}'; GET /api/v1/webhooks lists them")))?;
    let filter = EffectFilter {
        states: f.state.as_deref().map(super::effects::states).transpose()?.unwrap_or_default(),
        connection: Some(connection),
        below: cursor(f.cursor.as_deref())?,
        limit: limit(f.limit)?,
        ..EffectFilter::default()
    };
    let found = app.engine.store().effects(filter).await?;
    let sent = found.rows.iter().map(|row| Sent {
        effect_id: row.id,
        event_id: row.path.parse().ok(),
        state: row.state.as_str(),
        attempt: row.attempt,
        created_at: row.created_at,
        not_before: row.not_before,
        give_up_at: row.give_up_at,
        code: row.code.clone(),
    });
    Ok(page(sent.map(|s| json!(s)).collect(), found.next))
}

/// For the audit: no secret, no header, and of the address nothing that may hold one.
fn told(webhook: &Webhook) -> Value {
    let url = webhook.url.split('?').next().unwrap_or_default();
    json!({
        "url": url, "types": webhook.types, "brand": webhook.brand, "headers": webhook.headers,
        "give_up_after_hours": webhook.give_up_after_hours, "pause_after_hours": webhook.pause_after_hours,
        "country": webhook.country,
    })
}

fn seen(headers: &HeaderMap, id: &str) -> Result<Option<i64>, Problem> {
    Ok(etag::seen(headers, id)?.and_then(|version| i64::try_from(version).ok()))
}

fn shown(webhook: Webhook) -> Response {
    let (id, version) = (webhook.id.clone(), usize::try_from(webhook.version).unwrap_or_default());
    etag::tagged(StatusCode::OK, webhook, &id, version)
}
