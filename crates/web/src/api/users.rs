//! People who work in the hub, for whoever holds the database: `pasarela users`.

use super::body;
use crate::App;
use crate::accounts::{self, Account, AccountError};
use crate::audit;
use crate::console::{Doer, LETTER, News, account_link, link_as, tell};
use crate::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use pasarela_domain::{Brands, Grant};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// A role, and where it holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    role: String,
    /// Names of brands; none: every one.
    #[serde(default)]
    brands: Vec<String>,
    /// Shows of a producer, portfolio of a designer.
    #[serde(default)]
    only: Vec<String>,
}

impl Given {
    fn grant(&self) -> Result<Grant, AccountError> {
        accounts::grant(&self.role, &self.brands, &self.only)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    email: String,
    name: String,
    grants: Vec<Given>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Loose {
    name: String,
    grant: Given,
    minutes: u64,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Step {
    grant: Option<Given>,
    minutes: Option<u64>,
}

impl From<AccountError> for Problem {
    fn from(e: AccountError) -> Self {
        match e {
            AccountError::Store(e) => e.into(),
            AccountError::NotFound(_) => Self::not_found(e.to_string()),
            AccountError::Crowded => Self::busy(e.to_string()),
            AccountError::Exists(_) | AccountError::LastOwner => {
                Self::new(StatusCode::CONFLICT, "wrong_state", "Not possible in its present state", e.to_string())
            }
            AccountError::Invalid(_) | AccountError::Weak(_) => Self::bad_request(e.to_string()),
        }
    }
}

/// What is told of an account: nothing that opens anything.
fn shown(account: &Account) -> Value {
    let grants: Vec<Value> = account.grants.iter().map(grant_json).collect();
    json!({
        "id": account.id, "email": account.email, "name": account.name, "grants": grants,
        "password": account.has_password(), "second_factor": account.has_second(),
        "created_at": account.created_at, "disabled_at": account.disabled_at, "last_sign_in": account.last_sign_in,
    })
}

fn grant_json(grant: &Grant) -> Value {
    let brands = match &grant.brands {
        Brands::All => Value::Null,
        Brands::Of(names) => json!(names),
    };
    json!({ "role": grant.role, "brands": brands, "only": grant.only })
}

pub(crate) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let all = app.accounts().list().await?;
    Ok(super::list(all.iter().map(shown).collect(), None))
}

pub(crate) async fn add(State(app): State<App>, bytes: Bytes) -> Result<Json<Value>, Problem> {
    let wanted: Wanted = body(&bytes)?;
    let grants = wanted.grants.iter().map(Given::grant).collect::<Result<Vec<_>, _>>()?;
    audit::note(|n| n.action = Some("users.added".into()));
    let account = app.accounts().add(&wanted.email, &wanted.name, grants).await?;
    app.note_account("users.added", &account, None);
    Ok(Json(shown(&account)))
}

/// A link for somebody without an account, in a role.
pub(crate) async fn loose_link(State(app): State<App>, bytes: Bytes) -> Result<Json<Value>, Problem> {
    let wanted: Loose = body(&bytes)?;
    let life = Duration::from_secs(wanted.minutes.saturating_mul(60));
    let grant = wanted.grant.grant()?;
    let told = grant_json(&grant);
    let made = link_as(&app, &wanted.name, grant, life).await.map_err(Problem::bad_request)?;
    audit::done("link", json!({ "name": wanted.name, "grant": told }));
    Ok(Json(json!(made)))
}

/// A step, in the words of the audit.
fn named(what: &str) -> Option<&'static str> {
    Some(match what {
        "grant" => "users.granted",
        "revoke" => "users.revoked",
        "disable" => "users.disabled",
        "enable" => "users.enabled",
        "reset" => "users.reset",
        "link" => "users.link",
        _ => return None,
    })
}

pub(crate) async fn step(
    State(app): State<App>,
    Path((user, what)): Path<(String, String)>,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    let step: Step = if bytes.is_empty() { Step::default() } else { body(&bytes)? };
    let accounts = app.accounts();
    let before = accounts.find(&user).await?;
    let id = before.id.as_str();
    let given = || {
        let given =
            step.grant.as_ref().ok_or_else(|| Problem::bad_request("say which role: --role ROLE[:BRAND,...]"))?;
        given.grant().map_err(Problem::from)
    };
    if let Some(action) = named(&what) {
        app.intend(action, &before);
    }
    let account = match what.as_str() {
        "grant" => {
            let grant = given()?;
            accounts.set_grants(id, |all| accounts::with(all, grant.clone())).await?
        }
        "revoke" => {
            let grant = given()?;
            let same = |g: &Grant| g.role == grant.role && g.brands == grant.brands;
            if !before.grants.iter().any(same) {
                let why =
                    format!("{} has not this role for these brands; `pasarela users list` shows them", before.email);
                return Err(Problem::not_found(why));
            }
            let without = |all: Vec<Grant>| all.into_iter().filter(|g| !same(g)).collect();
            accounts.set_grants(id, without).await?
        }
        "disable" => accounts.set_disabled(id, true).await?,
        "enable" => accounts.set_disabled(id, false).await?,
        "reset" => accounts.reset(id).await?,
        "link" => {
            let life = step.minutes.map_or(LETTER, |m| Duration::from_secs(m.saturating_mul(60)));
            let made = account_link(&app, &before, life).await.map_err(Problem::bad_request)?;
            return Ok(Json(json!(made)));
        }
        _ => return Err(Problem::not_found("steps are grant, revoke, disable, enable, reset, link")),
    };
    app.console.forget(&account.id);
    if what == "reset" {
        tell(&app, &account, News::Reset, Doer::default());
    }
    if let Some(action) = named(&what) {
        app.note_account(action, &account, Some(&before));
    }
    Ok(Json(shown(&account)))
}
