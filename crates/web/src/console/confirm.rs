//! `/confirmar`: who is in proves once more who they are, before something dangerous. By a code where there is a
//! second factor, else by the password; whoever has neither goes out and comes in again. The session goes on
//! under another cookie.

use super::device;
use super::guard::{OwnDeed, Visit};
use super::page::{Frame, html, unreadable};
use super::session::{Opening, Way};
use super::signin::inside;
use crate::App;
use crate::accounts::lockout;
use crate::accounts::{Account, AccountError};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

/// Where it may lead back to.
const BACK: [&str; 4] = ["/usuarios", "/claves", "/devoluciones", "/mi-cuenta"];

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    a: String,
}

#[derive(Template)]
#[template(path = "console/confirmar.html")]
struct ConfirmPage {
    frame: Frame,
    back: &'static str,
    /// By a code of the second factor.
    code: bool,
    /// By the password.
    password: bool,
    problem: Option<&'static str>,
}

fn known(path: &str) -> &'static str {
    BACK.into_iter().find(|b| *b == path).unwrap_or("/mi-cuenta")
}

async fn page(
    app: &App,
    visit: &Visit,
    account: Option<&Account>,
    back: &'static str,
    problem: Option<&'static str>,
) -> Response {
    let code = account.is_some_and(Account::has_second);
    let password = !code && account.is_some_and(Account::has_password);
    let frame = Frame::new(app, visit, "confirm.title", "own").await;
    html(&ConfirmPage { frame, back, code, password, problem })
}

pub(super) async fn form(State(app): State<App>, visit: Visit, Query(asked): Query<Asked>) -> Response {
    let account = match visit.session.as_ref().and_then(|s| s.account.as_deref()) {
        Some(id) => app.accounts().by_id(id).await,
        None => Ok(None),
    };
    match account {
        Ok(account) => page(&app, &visit, account.as_ref(), known(&asked.a), None).await,
        Err(e) => unreadable(&visit, e),
    }
}

pub(super) async fn prove(State(app): State<App>, own: OwnDeed) -> Response {
    let back = known(own.deed.field("a"));
    match proved(&app, &own).await {
        Ok(Ok(cookie)) => inside(&app, &own.headers, &cookie, Redirect::to(back).into_response()).await,
        Ok(Err(problem)) => {
            let account = app.accounts().by_id(&own.account).await.ok().flatten();
            let page = page(&app, &own.deed.visit, account.as_ref(), back, Some(problem)).await;
            (StatusCode::FORBIDDEN, page).into_response()
        }
        Err(AccountError::Store(e)) => unreadable(&own.deed.visit, e),
        Err(_) => super::page::refusal(&own.deed.visit, StatusCode::SERVICE_UNAVAILABLE, "error.busy"),
    }
}

/// A new session's cookie, if the proof is good.
async fn proved(app: &App, own: &OwnDeed) -> Result<Result<String, &'static str>, AccountError> {
    let (accounts, store, now) = (app.accounts(), &**app.engine.store(), app.console.wall());
    let account = accounts.find(&own.account).await?;
    for (limit, who) in [(lockout::ACCOUNT, account.email.clone()), (lockout::SOURCE, device::place(own.from))] {
        if !lockout::admit(store, limit, &who, now).await?.is_in() {
            return Ok(Err("signin.wait"));
        }
    }
    let good = if account.has_second() {
        accounts.take_code(&account.id, own.deed.field("codigo")).await?.is_some()
    } else {
        let password = own.deed.form.get("contrasena").map_or("", String::as_str);
        account.has_password() && accounts.knows(&account, password).await?
    };
    if !good {
        let who = crate::who::Who::person(&account.id, &account.name, Vec::new());
        app.note_refused(Some(&who), own.from, "sign_in", "sign_in.confirm".into());
        return Ok(Err("confirm.wrong"));
    }
    lockout::forget(store, lockout::ACCOUNT, &account.email).await?;
    lockout::take_back(store, lockout::SOURCE, &device::place(own.from), now).await?;
    let opening = Opening::account(&account, own.deed.visit.way_or(Way::Password));
    Ok(Ok(app.console.sessions.open(app, &own.headers, own.from, opening).await?))
}
