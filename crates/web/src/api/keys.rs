//! `/api/v1/keys`: API keys. Nobody gives a key what they do not have themselves.

use super::{body, list as page};
use crate::App;
use crate::audit;
use crate::auth::{KeyWish, NewKey, brands_of, overlap, revoke_key, rotate_key, scopes_of};
use crate::problem::Problem;
use crate::who::Who;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use pasarela_store::ApiKeyRow;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A key, without its text.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApiKey")]
pub(crate) struct Shown {
    id: String,
    name: String,
    state: KeyState,
    scopes: Vec<String>,
    /// Null: every brand.
    brands: Option<Vec<String>>,
    /// Its own limit; null: the hub's.
    rate: Option<String>,
    #[schemars(with = "pasarela_domain::Moment")]
    created_at: Timestamp,
    /// Null: it has no end.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    expires_at: Option<Timestamp>,
    /// To the minute; null: never, or before this was noted.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    used_at: Option<Timestamp>,
    /// Until when the text before the last rotation still opens.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    old_until: Option<Timestamp>,
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    revoked_at: Option<Timestamp>,
}

/// Does a key open anything?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyState {
    InForce,
    Expired,
    Revoked,
}

/// How a key stands at a moment.
pub(crate) fn state_of(row: &ApiKeyRow, now: Timestamp) -> KeyState {
    if row.revoked_at.is_some() {
        KeyState::Revoked
    } else if row.terms.expires_at.is_some_and(|at| at <= now) {
        KeyState::Expired
    } else {
        KeyState::InForce
    }
}

impl Shown {
    fn of(row: ApiKeyRow, now: Timestamp) -> Self {
        let state = state_of(&row, now);
        let terms = row.terms;
        Self {
            id: row.id,
            name: row.name,
            state,
            scopes: row.scopes,
            brands: terms.brands,
            rate: terms.rate,
            created_at: row.created_at,
            expires_at: terms.expires_at,
            used_at: terms.used_at,
            old_until: terms.old.map(|(_, until)| until).filter(|until| *until > now),
            revoked_at: row.revoked_at,
        }
    }
}

/// How a key is given a new text.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// Seconds for which the old text still opens; 0 when it is left out, at most 90 days.
    #[serde(default)]
    #[schemars(range(max = 7_776_000))]
    overlap_s: u64,
}

/// A key that opens nothing any more.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Revoked {
    id: String,
    /// Always true.
    revoked: bool,
}

pub(crate) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let now = app.console.wall();
    let rows = app.engine.store().api_keys().await?;
    Ok(page(rows.into_iter().map(|row| json!(Shown::of(row, now))).collect(), None))
}

pub(crate) async fn create(
    who: Who,
    State(app): State<App>,
    bytes: Bytes,
) -> Result<(StatusCode, Json<NewKey>), Problem> {
    let wish: KeyWish = body(&bytes)?;
    let made = make(&app, &who, wish).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// What the audit keeps of a key: its terms, and never its text. It is the brand's that the key is for, if it is for
/// one alone.
fn note(before: Option<&ApiKeyRow>, after: Option<&ApiKeyRow>) {
    let terms = |row: &ApiKeyRow| {
        json!({
            "name": row.name, "scopes": row.scopes, "brands": row.terms.brands, "rate": row.terms.rate,
            "expires_at": row.terms.expires_at, "revoked_at": row.revoked_at,
            "old_until": row.terms.old.as_ref().map(|(_, until)| until),
        })
    };
    let Some(row) = after.or(before) else { return };
    audit::note(|n| {
        n.subject = Some(row.id.clone());
        (n.before, n.after) = (before.map(terms), after.map(terms));
        n.brand = row.terms.brands.as_ref().and_then(|all| (all.len() == 1).then(|| all[0].clone()));
    });
}

/// Makes a key that its maker may give.
pub(crate) async fn make(app: &App, who: &Who, wish: KeyWish) -> Result<NewKey, Problem> {
    let wished = wish.check(&app.brands, app.console.wall()).map_err(Problem::bad_request)?;
    if !who.may_give(&wished.scopes, &wished.brands) {
        return Err(beyond());
    }
    note(None, Some(wished.row()));
    let made = wished.keep(&**app.engine.store()).await?;
    tracing::info!(key = made.id, by = who.name, "an API key was made");
    Ok(made)
}

pub(crate) async fn rotate(
    who: Who,
    State(app): State<App>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<NewKey>, Problem> {
    let Rotation { overlap_s } = body(&bytes)?;
    Ok(Json(renew(&app, &who, &id, overlap_s).await?))
}

/// Gives a key a new text, which is as good as making one.
pub(crate) async fn renew(app: &App, who: &Who, id: &str, overlap_s: u64) -> Result<NewKey, Problem> {
    let now = app.console.wall();
    let until = overlap(overlap_s, now).map_err(Problem::bad_request)?;
    let store = app.engine.store();
    let row = store.api_keys().await?.into_iter().find(|k| k.id == id).ok_or_else(|| unknown(id))?;
    if state_of(&row, now) != KeyState::InForce {
        let why = format!("{id} is revoked or its time is over; make a new key");
        return Err(Problem::new(StatusCode::CONFLICT, "wrong_state", "Not possible in its present state", why));
    }
    if !who.may_give(&scopes_of(&row), &brands_of(&row)) {
        return Err(beyond());
    }
    note(Some(&row), None);
    audit::note(|n| n.after = Some(json!({ "renewed": true, "old_until": until })));
    let made = rotate_key(&**store, id, until).await?.ok_or_else(|| unknown(id))?;
    app.keys.forget();
    tracing::info!(key = id, by = who.name, "an API key was given a new text");
    Ok(made)
}

pub(crate) async fn revoke(who: Who, State(app): State<App>, Path(id): Path<String>) -> Result<Json<Revoked>, Problem> {
    end(&app, &who, &id).await?;
    Ok(Json(Revoked { id, revoked: true }))
}

/// Ends a key for good.
pub(crate) async fn end(app: &App, who: &Who, id: &str) -> Result<(), Problem> {
    let row = app.engine.store().api_keys().await?.into_iter().find(|k| k.id == id);
    note(row.as_ref(), None);
    audit::note(|n| n.after = Some(json!({ "revoked": true })));
    revoke_key(&**app.engine.store(), id, app.console.wall()).await.map_err(Problem::not_found)?;
    app.keys.forget();
    tracing::info!(key = id, by = who.name, "an API key was revoked");
    Ok(())
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("there is no key '{id}'; GET /api/v1/keys lists them"))
}

fn beyond() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "beyond_own",
        "Nobody gives what they do not have",
        "the key would be allowed more than its maker is, or for more brands; somebody who has it must make it",
    )
}
