//! `/mi-cuenta`: password, second factor, recovery codes and sessions of whoever is in.
//!
//! Promise: what lets people in is changed only shortly after they proved who they are. Recovery codes are shown
//! once. A changed password ends every other session and gives this one another cookie.

use super::enrol;
use super::guard::{OwnDeed, Visit};
use super::moments::Moment;
use super::notice::Notice;
use super::page::{Frame, html, refusal, unreadable};
use super::session::{Kept, Opening, Way};
use super::signin::inside;
use super::told::{News, tell};
use super::words::Words;
use crate::App;
use crate::accounts::password::Weak;
use crate::accounts::{Account, AccountError, second};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use pasarela_domain::{Brands, Grant};
use pasarela_store::PassKind;

/// Where who is in goes to prove it again.
const CONFIRM: &str = "/confirmar?a=/mi-cuenta";

struct Sitting {
    id: String,
    device: String,
    how: String,
    since: Moment,
    seen: Option<Moment>,
    /// It is this one.
    this: bool,
}

#[derive(Template)]
#[template(path = "console/mi-cuenta.html")]
struct OwnPage {
    frame: Frame,
    /// Of whoever came by a link or a key that belongs to no account.
    nobody: bool,
    email: String,
    roles: Vec<String>,
    has_password: bool,
    needs_second: bool,
    has_second: bool,
    left: String,
    /// The authenticator that is being enrolled: picture and text.
    enrolling: Option<(String, String)>,
    /// Recovery codes, this once.
    codes: Vec<String>,
    sittings: Vec<Sitting>,
    fresh: bool,
    notice: Option<&'static str>,
    problem: Option<String>,
}

/// A role with what it is for, for people.
pub(super) fn role(w: Words, grant: &Grant) -> String {
    let name = w.named("role", grant.role.word());
    let brands = match &grant.brands {
        Brands::All => None,
        Brands::Of(names) => Some(names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
    };
    let only = grant.only.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let of = [brands, Some(only).filter(|o| !o.is_empty())].into_iter().flatten().collect::<Vec<_>>();
    if of.is_empty() { name } else { format!("{name} · {}", of.join(" · ")) }
}

/// What is wrong, in the visitor's language where the catalogue has it.
pub(super) fn said(w: Words, why: &AccountError) -> String {
    let key = match why {
        AccountError::Weak(Weak::Short) => "own.too_short",
        AccountError::Weak(Weak::Long) => "own.too_long",
        AccountError::Weak(Weak::Common) => "own.too_common",
        AccountError::LastOwner => "users.last_owner",
        AccountError::Exists(_) => "users.exists",
        AccountError::NotFound(_) => "error.not_found",
        AccountError::Crowded | AccountError::Store(_) => "error.busy",
        AccountError::Invalid(why) => return why.clone(),
    };
    w.t(key).to_owned()
}

/// The authenticator that is being enrolled, as a picture for the phone and as text.
pub(super) fn picture(w: Words, account: &Account) -> Option<(String, String)> {
    let secret = account.enrolling()?;
    let picture = pasarela_ticket::qr::modules(&second::address(secret, &account.email))?;
    let groups: Vec<&str> = (0..secret.len()).step_by(4).map(|n| &secret[n..(n + 4).min(secret.len())]).collect();
    Some((picture.svg(w.t("own.picture")), groups.join(" ")))
}

#[derive(Default)]
struct Says {
    notice: Option<&'static str>,
    problem: Option<String>,
    codes: Vec<String>,
}

async fn page(app: &App, visit: &Visit, says: Says) -> Result<Response, Response> {
    let (w, now, accounts) = (visit.w, app.console.wall(), app.accounts());
    let session = visit.session.as_ref();
    let account = match session.and_then(|s| s.account.as_deref()) {
        Some(id) => accounts.by_id(id).await.map_err(|e| unreadable(visit, e))?,
        None => None,
    };
    let passes = match &account {
        Some(account) => accounts.passes(&account.id).await.map_err(|e| unreadable(visit, e))?,
        None => Vec::new(),
    };
    let sitting = |pass: &pasarela_store::PassRow| {
        let kept = Kept::of(pass);
        Sitting {
            id: hex::encode(pass.hash),
            device: if kept.device.is_empty() { w.t("own.some_device").to_owned() } else { kept.device },
            how: kept.way.map(|way| w.t(way.word()).to_owned()).unwrap_or_default(),
            since: Moment::new(w, pass.created_at, now),
            seen: kept.seen.map(|at| Moment::new(w, at, now)),
            this: session.is_some_and(|s| s.id == pass.hash),
        }
    };
    let enrolling = account.as_ref().and_then(|a| picture(w, a));
    let of = |f: fn(&Account) -> bool| account.as_ref().is_some_and(f);
    Ok(html(&OwnPage {
        nobody: account.is_none(),
        email: account.as_ref().map(|a| a.email.clone()).unwrap_or_default(),
        roles: session.map(|s| s.grants.iter().map(|g| role(w, g)).collect()).unwrap_or_default(),
        has_password: of(Account::has_password),
        needs_second: of(Account::needs_second),
        has_second: of(Account::has_second),
        left: w.number(account.as_ref().map_or(0, |a| a.recovery_left() as u64)),
        enrolling,
        codes: says.codes,
        sittings: passes.iter().filter(|p| p.kind == PassKind::Session).map(sitting).collect(),
        fresh: visit.is_fresh(app),
        notice: says.notice,
        problem: says.problem,
        frame: Frame::new(app, visit, "own.title", "own").await,
    }))
}

pub(super) async fn show(
    State(app): State<App>,
    visit: Visit,
    Query(notice): Query<Notice>,
) -> Result<Response, Response> {
    page(&app, &visit, Says { notice: notice.key(), ..Says::default() }).await
}

/// Whether it was proved lately who this is; else the way to do so.
fn fresh(app: &App, own: &OwnDeed) -> Result<(), Redirect> {
    let how = if own.deed.visit.must_enrol() { enrol::PATH } else { CONFIRM };
    if own.deed.visit.is_fresh(app) { Ok(()) } else { Err(Redirect::to(how)) }
}

async fn refused(app: &App, own: &OwnDeed, why: AccountError) -> Result<Response, Response> {
    if let AccountError::Store(e) = why {
        return Err(unreadable(&own.deed.visit, e));
    }
    let problem = Some(said(own.deed.visit.w, &why));
    if own.deed.visit.must_enrol() {
        return enrol::page(app, &own.deed.visit, problem).await;
    }
    let says = Says { problem, ..Says::default() };
    Ok((StatusCode::BAD_REQUEST, page(app, &own.deed.visit, says).await?).into_response())
}

pub(super) async fn set_password(State(app): State<App>, own: OwnDeed) -> Result<Response, Response> {
    fresh(&app, &own).map_err(IntoResponse::into_response)?;
    let given = |name: &str| own.deed.form.get(name).map_or("", String::as_str);
    match changed(&app, &own, given("contrasena"), given("otra_vez")).await {
        Ok(cookie) => {
            let to = Redirect::to("/mi-cuenta?aviso=password").into_response();
            Ok(inside(&app, &own.headers, &cookie, to).await)
        }
        Err(why) => refused(&app, &own, why).await,
    }
}

async fn changed(app: &App, own: &OwnDeed, password: &str, again: &str) -> Result<String, AccountError> {
    let accounts = app.accounts();
    if password != again {
        return Err(AccountError::Invalid(own.deed.visit.w.t("own.differ").to_owned()));
    }
    let before = accounts.find(&own.account).await?;
    app.intend("users.password", &before);
    let account = accounts.set_password(&before, password).await?;
    accounts.end_sessions(&account.id, None).await?;
    app.console.sessions.forget(&account.id, None);
    app.note_account("users.password", &account, Some(&before));
    tell(app, &account, News::Password, own.deed.visit.doer(&own.headers, own.from));
    let opening = Opening::account(&account, own.deed.visit.way_or(Way::Password));
    Ok(app.console.sessions.open(app, &own.headers, own.from, opening).await?)
}

/// Notes what somebody changed of their own account.
async fn note(app: &App, own: &OwnDeed, action: &str, before: &Account) -> Result<(), AccountError> {
    let after = app.accounts().find(&own.account).await?;
    app.note_account(action, &after, Some(before));
    Ok(())
}

/// Shows an authenticator's secret.
pub(super) async fn begin_codes(State(app): State<App>, own: OwnDeed) -> Result<Response, Response> {
    fresh(&app, &own).map_err(IntoResponse::into_response)?;
    crate::audit::note(|n| n.action = Some("users.second_factor_begun".into()));
    match app.accounts().begin_second(&own.account).await {
        Ok(_) => Ok(Redirect::to(enrol::back(&own)).into_response()),
        Err(why) => refused(&app, &own, why).await,
    }
}

async fn proved(app: &App, own: &OwnDeed) -> Result<Option<Vec<String>>, AccountError> {
    let before = app.accounts().find(&own.account).await?;
    app.intend("users.second_factor", &before);
    let codes = app.accounts().prove_second(&own.account, own.deed.field("codigo")).await?;
    if codes.is_some() {
        note(app, own, "users.second_factor", &before).await?;
        tell(app, &before, News::CodesOn, own.deed.visit.doer(&own.headers, own.from));
    }
    Ok(codes)
}

async fn ended(app: &App, own: &OwnDeed) -> Result<(), AccountError> {
    let before = app.accounts().find(&own.account).await?;
    app.intend("users.second_factor", &before);
    app.accounts().end_second(&own.account).await?;
    app.console.sessions.forget(&own.account, None);
    tell(app, &before, News::CodesOff, own.deed.visit.doer(&own.headers, own.from));
    note(app, own, "users.second_factor", &before).await
}

/// Takes it over with its first code.
pub(super) async fn prove_codes(State(app): State<App>, own: OwnDeed) -> Result<Response, Response> {
    fresh(&app, &own).map_err(IntoResponse::into_response)?;
    match proved(&app, &own).await {
        Ok(Some(codes)) => {
            // Whoever is in elsewhere came in without it.
            if let Some(session) = &own.deed.visit.session {
                let ended = app.accounts().end_sessions(&own.account, Some(session.id)).await;
                ended.map_err(|e| unreadable(&own.deed.visit, e))?;
                // This one too: what it was led to is done.
                app.console.sessions.forget(&own.account, None);
            }
            page(&app, &own.deed.visit, Says { codes, ..Says::default() }).await
        }
        Ok(None) => {
            let why = AccountError::Invalid(own.deed.visit.w.t("own.bad_code").to_owned());
            refused(&app, &own, why).await
        }
        Err(why) => refused(&app, &own, why).await,
    }
}

/// Takes it away.
pub(super) async fn end_codes(State(app): State<App>, own: OwnDeed) -> Result<Response, Response> {
    fresh(&app, &own).map_err(IntoResponse::into_response)?;
    match ended(&app, &own).await {
        Ok(()) => Ok(Redirect::to("/mi-cuenta?aviso=codes_off").into_response()),
        Err(why) => refused(&app, &own, why).await,
    }
}

/// Ends one of the own sessions, or all others.
pub(super) async fn end_session(
    State(app): State<App>,
    Path(id): Path<String>,
    own: OwnDeed,
) -> Result<Response, Response> {
    let unread = |e| unreadable(&own.deed.visit, e);
    let this = own.deed.visit.session.as_ref().map(|s| s.id);
    crate::audit::note(|n| n.subject = Some(own.account.clone()));
    if id == "otras" {
        app.accounts().end_sessions(&own.account, this).await.map_err(unread)?;
        app.console.sessions.forget(&own.account, this);
    } else {
        let passes = app.accounts().passes(&own.account).await.map_err(unread)?;
        let Some(pass) = passes.iter().find(|p| p.kind == PassKind::Session && hex::encode(p.hash) == id) else {
            return Err(refusal(&own.deed.visit, StatusCode::NOT_FOUND, "error.not_found"));
        };
        app.console.sessions.end(&app, pass.hash).await.map_err(unread)?;
    }
    Ok(Redirect::to("/mi-cuenta?aviso=session_ended#sesiones").into_response())
}
