//! `/primer-uso`: where nobody is known yet, a link that the terminal shows makes the first owner, once.

use super::device;
use super::guard::{Visit, asker, read_form};
use super::page::{Bare, html};
use super::session::{Opening, Way, random_cookie};
use super::signin::inside;
use crate::App;
use crate::accounts::lockout;
use crate::accounts::{AccountError, password};
use crate::auth::random_text;
use askama::Template;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use pasarela_store::{PassKind, PassRow};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// How long the link waits.
const LIFE: Duration = Duration::from_secs(3600);

#[derive(Template)]
#[template(path = "console/primer-uso.html")]
struct FirstPage {
    frame: Bare,
    link: String,
    problem: Option<String>,
    name: String,
    email: String,
}

/// Of bytes that no form can send: it is never taken for a link that signs in.
fn hashed(token: &str) -> [u8; 32] {
    Sha256::new().chain_update([0xff]).chain_update(b"first").chain_update(token.as_bytes()).finalize().into()
}

/// A link that makes the first owner; `None`: somebody is known already, a person or a program.
pub async fn first_owner_link(app: &App) -> Result<Option<String>, pasarela_store::Error> {
    let store = app.engine.store();
    let keys = store.api_keys().await?;
    if keys.iter().any(|k| k.revoked_at.is_none()) || app.accounts().has_owner().await? {
        return Ok(None);
    }
    let token = format!("pso_{}", random_text(43));
    let now = app.console.wall();
    let pass = PassRow {
        hash: hashed(&token),
        kind: PassKind::First,
        name: String::new(),
        may_write: false,
        key: None,
        account: None,
        detail: Vec::new(),
        created_at: now,
        expires_at: now.checked_add(LIFE).unwrap_or(Timestamp::MAX),
    };
    store.keep_pass(pass).await?;
    Ok(Some(format!("{}/primer-uso?enlace={token}", app.console.url)))
}

/// Is the link good, and is there nobody yet?
async fn opens(app: &App, token: &str) -> Result<bool, pasarela_store::Error> {
    let now = app.console.wall();
    let pass = app.engine.store().pass(hashed(token)).await?;
    Ok(pass.is_some_and(|p| p.kind == PassKind::First && p.expires_at > now) && !app.accounts().has_owner().await?)
}

fn over(visit: &Visit) -> Response {
    super::page::refusal(visit, StatusCode::FORBIDDEN, "first.over")
}

pub(super) async fn form(State(app): State<App>, visit: Visit, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let link = form_urlencoded::parse(query.as_bytes()).find(|(n, _)| n == "enlace").map(|(_, v)| v.into_owned());
    let link = link.unwrap_or_default();
    match opens(&app, &link).await {
        Ok(true) => {
            let frame = Bare::new(&visit, "first.title");
            html(&FirstPage { frame, link, problem: None, name: String::new(), email: String::new() })
        }
        Ok(false) => over(&visit),
        Err(e) => super::page::unreadable(&visit, e),
    }
}

pub(super) async fn make(State(app): State<App>, visit: Visit, request: Request) -> Response {
    let (headers, from) = (request.headers().clone(), asker(&request));
    let form = read_form(request.into_body()).await.unwrap_or_default();
    let given = |name: &str| form.get(name).map_or("", String::as_str);
    let (link, name, email, secret) = (given("enlace"), given("nombre"), given("correo"), given("contrasena"));
    match made(&app, &headers, from, [link, name, email, secret]).await {
        Ok(Some(cookie)) => {
            inside(&app, &headers, &cookie, Redirect::to("/mi-cuenta?aviso=first").into_response()).await
        }
        Ok(None) => over(&visit),
        Err(AccountError::Store(e)) => super::page::unreadable(&visit, e),
        Err(why) => {
            let page = FirstPage {
                frame: Bare::new(&visit, "first.title"),
                link: link.to_owned(),
                problem: Some(super::own::said(visit.w, &why)),
                name: name.chars().take(60).collect(),
                email: email.chars().take(254).collect(),
            };
            (StatusCode::BAD_REQUEST, html(&page)).into_response()
        }
    }
}

/// The new owner's cookie; `None`: the link is over.
async fn made(
    app: &App,
    headers: &header::HeaderMap,
    from: Option<std::net::IpAddr>,
    [link, name, email, secret]: [&str; 4],
) -> Result<Option<String>, AccountError> {
    let (store, accounts, now) = (app.engine.store(), app.accounts(), app.console.wall());
    if !lockout::admit(&**store, lockout::SOURCE, &device::place(from), now).await?.is_in() || !opens(app, link).await?
    {
        return Ok(None);
    }
    // What is wrong with the form uses the link up no more than looking at it does.
    if !secret.is_empty() {
        password::judge(secret, &[name, email])?;
    }
    super::users::well_formed(email, name)?;
    let mut who = crate::who::Who::person(accounts.id_of(&email.trim().to_lowercase()), name, Vec::new());
    who.from = from;
    let made = app.as_deed(who, "users.first", crate::audit::Noted::default(), async {
        if !store.take_pass(hashed(link), super::session::hashed(&random_cookie())).await? {
            crate::audit::nothing();
            return Ok(None);
        }
        let Some(mut account) = accounts.add_first(email, name).await? else {
            crate::audit::nothing();
            return Ok(None);
        };
        if !secret.is_empty() {
            account = accounts.set_password(&account, secret).await?;
        }
        lockout::take_back(&**store, lockout::SOURCE, &device::place(from), now).await?;
        let opening = Opening::account(&account, Way::Link);
        let cookie = app.console.sessions.open(app, headers, from, opening).await?;
        accounts.signed_in(&account).await;
        app.note_account("users.first", &account, None);
        Ok::<_, AccountError>(Some((account, cookie)))
    });
    let Some((account, cookie)) = made.await? else { return Ok(None) };
    tracing::info!(account = account.id, "the first owner was made");
    Ok(Some(cookie))
}
