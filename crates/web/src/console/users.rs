//! `/usuarios`: who works in the hub, for owners: invite, give and take roles, disable, begin anew.
//!
//! Promise: only an owner sees it, and changes something only shortly after they proved who they are. A link that
//! is made here is shown once, or sent and not shown.

use super::guard::{Deed, FreshDeed, Visit};
use super::links::LETTER;
use super::marks::Mark;
use super::moments::Moment;
use super::notice::Notice;
use super::own::{role, said};
use super::page::{Frame, html, refusal, unreadable};
use super::signin::letter;
use super::told::{News, tell};
use super::{account_link, words::Words};
use crate::App;
use crate::accounts::{self, Account, AccountError};
use crate::who::Who;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use pasarela_domain::{EmailAddress, Grant, Role};

struct Choice {
    word: &'static str,
    name: String,
}

struct Held {
    text: String,
    /// Which, for the form that takes it away.
    index: usize,
}

struct Person {
    id: String,
    name: String,
    email: String,
    grants: Vec<Held>,
    mark: Mark,
    seen: Option<Moment>,
    disabled: bool,
    second: bool,
    /// It is whoever looks.
    own: bool,
}

#[derive(Template)]
#[template(path = "console/usuarios.html")]
struct UsersPage {
    frame: Frame,
    people: Vec<Person>,
    roles: Vec<Choice>,
    fresh: bool,
    mail: bool,
    notice: Option<&'static str>,
    problem: Option<String>,
    /// A link that was just made: whose, and what.
    link: Option<(String, String)>,
}

/// Can this be somebody's address and name?
pub(super) fn well_formed(email: &str, name: &str) -> Result<(), AccountError> {
    email.parse::<EmailAddress>().map_err(|e| AccountError::Invalid(e.to_string()))?;
    if name.trim().is_empty() || name.chars().count() > 60 {
        return Err(AccountError::Invalid("give the name of a person, of 1 to 60 characters".into()));
    }
    Ok(())
}

fn person(w: Words, account: &Account, now: Timestamp, own: Option<&str>) -> Person {
    let disabled = account.disabled_at.is_some();
    let (tone, shape, word) = if disabled {
        ("quiet", "withheld", "users.disabled")
    } else if account.last_sign_in.is_none() {
        ("waits", "waits", "users.invited")
    } else {
        ("done", "done", "users.active")
    };
    let grants = account.grants.iter().enumerate().map(|(index, g)| Held { text: role(w, g), index });
    Person {
        id: account.id.clone(),
        name: account.name.clone(),
        email: account.email.clone(),
        grants: grants.collect(),
        mark: Mark { tone, shape, word: w.t(word).to_owned() },
        seen: account.last_sign_in.map(|at| Moment::new(w, at, now)),
        disabled,
        second: account.has_second(),
        own: own == Some(account.id.as_str()),
    }
}

#[derive(Default)]
struct Says {
    notice: Option<&'static str>,
    problem: Option<String>,
    link: Option<(String, String)>,
}

async fn page(app: &App, visit: &Visit, says: Says) -> Result<Response, Response> {
    let (w, now) = (visit.w, app.console.wall());
    let all = app.accounts().list().await.map_err(|e| unreadable(visit, e))?;
    let own = visit.session.as_ref().and_then(|s| s.account.as_deref());
    Ok(html(&UsersPage {
        people: all.iter().map(|a| person(w, a, now, own)).collect(),
        roles: Role::ALL.iter().map(|r| Choice { word: r.word(), name: w.named("role", r.word()) }).collect(),
        fresh: visit.is_fresh(app),
        mail: app.engine.has_mail(),
        notice: says.notice,
        problem: says.problem,
        link: says.link,
        frame: Frame::new(app, visit, "users.title", "users").await,
    }))
}

pub(super) async fn list(
    State(app): State<App>,
    visit: Visit,
    Query(notice): Query<Notice>,
) -> Result<Response, Response> {
    page(&app, &visit, Says { notice: notice.key(), ..Says::default() }).await
}

/// The role that a form names.
fn grant(deed: &Deed) -> Result<Grant, AccountError> {
    let list = |name: &str| deed.field(name).split(',').map(str::to_owned).collect::<Vec<_>>();
    accounts::grant(deed.field("rol"), &list("marcas"), &list("solo"))
}

async fn refused(app: &App, deed: &Deed, why: AccountError) -> Result<Response, Response> {
    match why {
        AccountError::Store(e) => Err(unreadable(&deed.visit, e)),
        why => {
            let says = Says { problem: Some(said(deed.visit.w, &why)), ..Says::default() };
            Ok((StatusCode::BAD_REQUEST, page(app, &deed.visit, says).await?).into_response())
        }
    }
}

/// Invites somebody.
pub(super) async fn add(State(app): State<App>, FreshDeed(deed): FreshDeed) -> Result<Response, Response> {
    crate::audit::note(|n| n.action = Some("users.added".into()));
    let made = match grant(&deed) {
        Ok(grant) => app.accounts().add(deed.field("correo"), deed.field("nombre"), vec![grant]).await,
        Err(why) => Err(why),
    };
    match made {
        Ok(account) => {
            app.note_account("users.added", &account, None);
            lead_in(&app, &deed, &account).await
        }
        Err(why) => refused(&app, &deed, why).await,
    }
}

/// Sends somebody their link, or shows it where no letter goes.
async fn lead_in(app: &App, deed: &Deed, account: &Account) -> Result<Response, Response> {
    if app.engine.has_mail() {
        match letter::post(app, deed.visit.w, account).await {
            Ok(()) => return Ok(Redirect::to("/usuarios?aviso=link_sent").into_response()),
            Err(why) => tracing::warn!(why, "a letter with a link that signs in was not sent; it is shown instead"),
        }
    }
    match account_link(app, account, LETTER).await {
        Ok(made) => {
            let says = Says { link: Some((account.name.clone(), made.link)), ..Says::default() };
            page(app, &deed.visit, says).await
        }
        Err(why) => refused(app, deed, AccountError::Invalid(why)).await,
    }
}

/// What is changed of an account, in the words of the audit.
fn named(what: &str) -> Option<&'static str> {
    Some(match what {
        "rol" => "users.granted",
        "quitar" => "users.revoked",
        "desactivar" => "users.disabled",
        "activar" => "users.enabled",
        "reiniciar" => "users.reset",
        "enlace" => "users.link",
        _ => return None,
    })
}

pub(super) async fn change(
    who: Who,
    State(app): State<App>,
    Path((id, what)): Path<(String, String)>,
    headers: HeaderMap,
    FreshDeed(deed): FreshDeed,
) -> Result<Response, Response> {
    let accounts = app.accounts();
    let before = match accounts.find(&id).await {
        Ok(before) => before,
        Err(AccountError::Store(e)) => return Err(unreadable(&deed.visit, e)),
        Err(_) => return Err(refusal(&deed.visit, StatusCode::NOT_FOUND, "error.not_found")),
    };
    if let Some(action) = named(&what) {
        app.intend(action, &before);
    }
    let done = match what.as_str() {
        "rol" => match grant(&deed) {
            Ok(grant) => accounts.set_grants(&id, |all| accounts::with(all, grant.clone())).await,
            Err(why) => Err(why),
        },
        "quitar" => {
            let index = deed.field("cual").parse::<usize>().unwrap_or(usize::MAX);
            let named = deed.field("texto");
            let w = deed.visit.w;
            // The list may have changed since it was shown: what is taken away is what was read.
            let without = |all: Vec<Grant>| {
                let kept = all.into_iter().enumerate().filter(|(n, g)| *n != index || role(w, g) != named);
                kept.map(|(_, g)| g).collect()
            };
            accounts.set_grants(&id, without).await
        }
        "desactivar" => accounts.set_disabled(&id, true).await,
        "activar" => accounts.set_disabled(&id, false).await,
        "reiniciar" => accounts.reset(&id).await,
        "enlace" => {
            return lead_in(&app, &deed, &before).await;
        }
        _ => return Err(refusal(&deed.visit, StatusCode::NOT_FOUND, "error.not_found")),
    };
    match done {
        Ok(account) => {
            app.console.sessions.forget(&account.id, None);
            if what == "reiniciar" {
                tell(&app, &account, News::Reset, deed.visit.doer(&headers, who.from));
            }
            if let Some(action) = named(&what) {
                app.note_account(action, &account, Some(&before));
            }
            Ok(Redirect::to(&format!("/usuarios?aviso=user_changed#{}", account.id)).into_response())
        }
        Err(why) => refused(&app, &deed, why).await,
    }
}
