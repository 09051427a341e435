//! `/entrar` and `/salir`: in with a link that works once, with a password and a code, by an OpenID provider, or
//! with an API key; out again.
//!
//! A link is not used up by being looked at (chats fetch previews of what is sent in them): it opens a page
//! with one button, and the button signs in. No key is ever read from an address. What is wrong with a password
//! is never said, nor whether an address is known; who fails waits (`accounts/lockout.rs`).

pub(super) mod letter;
pub(super) mod provider;

use super::device;
use super::guard::{Visit, asker, read_form};
use super::page::{Bare, html};
use super::session::{Opening, Refused, Way, set_cookie};
use super::told::{News, tell};
use crate::App;
use crate::accounts::lockout::{self, Admitted};
use crate::accounts::{AccountError, Entered};
use crate::policy::{Action, Resource};
use crate::who::Who;
use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use pasarela_store::Error;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// A failed try is answered no sooner, so that trying is slow.
const FAILED_AFTER: Duration = Duration::from_millis(300);

/// What somebody shows at the door.
enum Shown {
    Link { link: String, code: String },
    Key(String),
    Password { email: String, password: String, code: String },
}

impl Shown {
    /// The way that is tried, in the words of the audit.
    fn wanted(&self) -> &'static str {
        match self {
            Self::Link { .. } => "sign_in.link",
            Self::Key(_) => "sign_in.key",
            Self::Password { .. } => "sign_in.password",
        }
    }

    fn read(mut form: HashMap<String, String>) -> Self {
        let mut take = |name: &str| form.remove(name);
        if let Some(link) = take("enlace") {
            return Self::Link { link, code: take("codigo").unwrap_or_default().trim().to_owned() };
        }
        match take("correo") {
            Some(email) => Self::Password {
                email: email.trim().to_owned(),
                password: take("contrasena").unwrap_or_default(),
                code: take("codigo").unwrap_or_default().trim().to_owned(),
            },
            None => Self::Key(take("clave").unwrap_or_default().trim().to_owned()),
        }
    }
}

#[derive(Template)]
#[template(path = "console/entrar.html")]
struct EnterPage {
    frame: Bare,
    problem: Option<&'static str>,
    /// What was done, where something was.
    done: Option<&'static str>,
    /// The link that was opened, to be used by the button.
    link: Option<String>,
    /// Whose link it is has a second factor: a link alone does not open.
    code: bool,
    sandbox: bool,
    /// Can a link be sent?
    mail: bool,
    /// The OpenID provider's button.
    provider: Option<String>,
    /// It was tried with a key.
    by_key: bool,
    /// What was typed.
    email: String,
}

/// What the page says.
#[derive(Default)]
struct Says {
    problem: Option<&'static str>,
    done: Option<&'static str>,
    link: Option<String>,
    code: bool,
    by_key: bool,
    email: String,
}

fn page(app: &App, visit: &Visit, status: StatusCode, says: Says) -> Response {
    let Says { problem, done, link, code, by_key, email } = says;
    let page = EnterPage {
        frame: Bare::new(visit, "signin.title"),
        problem,
        done,
        link,
        code,
        sandbox: app.console.sandbox.is_some(),
        mail: app.engine.has_mail(),
        provider: app.console.oidc.as_ref().map(|oidc| oidc.options.name.clone()),
        by_key,
        email,
    };
    (status, html(&page)).into_response()
}

fn no(app: &App, visit: &Visit, status: StatusCode, problem: &'static str) -> Response {
    page(app, visit, status, Says { problem: Some(problem), ..Says::default() })
}

/// Too many tries: until when it is not looked at another.
fn wait(app: &App, visit: &Visit, left: Duration) -> Response {
    let mut response = no(app, visit, StatusCode::TOO_MANY_REQUESTS, "signin.wait");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(left.as_secs().max(1)));
    response
}

/// It cannot be looked at now.
fn later(app: &App, visit: &Visit, why: &Error) -> Response {
    tracing::error!(error = %why, "a sign-in could not be checked");
    no(app, visit, StatusCode::SERVICE_UNAVAILABLE, "error.busy")
}

pub(super) async fn form(State(app): State<App>, visit: Visit, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let given = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(n, _)| n == wanted).map(|(_, v)| v.into_owned())
    };
    match (given("enlace"), given("clave")) {
        (Some(link), _) => match app.console.sessions.second_of_link(&app, &link).await {
            Ok(second) => {
                let says = Says { link: Some(link), code: second.is_some(), ..Says::default() };
                page(&app, &visit, StatusCode::OK, says)
            }
            Err(e) => later(&app, &visit, &e),
        },
        // Not in an address: what it holds is left unread, and taken out of the address bar.
        (None, Some(_)) => Redirect::to("/entrar").into_response(),
        (None, None) if visit.session.is_some() => Redirect::to("/").into_response(),
        (None, None) => page(&app, &visit, StatusCode::OK, Says::default()),
    }
}

pub(super) async fn enter(State(app): State<App>, visit: Visit, request: Request) -> Response {
    let (headers, from) = (request.headers().clone(), asker(&request));
    let form = read_form(request.into_body()).await.unwrap_or_default();
    let shown = Shown::read(form);
    match sign_in(&app, &visit, &headers, from, &shown).await {
        Ok(response) => response,
        Err(e) => later(&app, &visit, &e),
    }
}

/// Tries of who has a link are counted apart: nobody is kept out by somebody else's tries at the password.
const BY_LINK: &str = "enlace ";

/// One more try at an account, counted before it is looked at: how long it has to wait, if it has.
async fn held(app: &App, way: &str, email: &str, from: Option<IpAddr>) -> Result<Option<Duration>, Error> {
    let account = email.to_lowercase();
    let counted = format!("{way}{account}");
    match lockout::admit(&**app.engine.store(), lockout::ACCOUNT, &counted, app.console.wall()).await? {
        Admitted::Wait(left) => return Ok(Some(left)),
        Admitted::Last => app.note_kept_out("sign_in.held", &app.accounts().id_of(&account), from).await,
        Admitted::Yes => {}
    }
    Ok(None)
}

/// The link is not used up by it: the next code may be the right one.
async fn wrong_code(app: &App, visit: &Visit, link: &str) -> Response {
    tracing::info!("a sign-in to the console was refused");
    tokio::time::sleep(FAILED_AFTER).await;
    let says = Says { problem: Some("signin.wrong_code"), link: Some(link.to_owned()), code: true, ..Says::default() };
    page(app, visit, StatusCode::FORBIDDEN, says)
}

async fn sign_in(
    app: &App,
    visit: &Visit,
    headers: &HeaderMap,
    from: Option<IpAddr>,
    shown: &Shown,
) -> Result<Response, Error> {
    let (store, place, now) = (&**app.engine.store(), device::place(from), app.console.wall());
    if let Admitted::Wait(left) = lockout::admit(store, lockout::SOURCE, &place, now).await? {
        app.note_refused(None, from, "too_many_tries", shown.wanted().into());
        return Ok(wait(app, visit, left));
    }
    let sessions = &app.console.sessions;
    let opened = match shown {
        Shown::Link { link, code } => {
            if let Some(account) = sessions.second_of_link(app, link).await? {
                if let Some(left) = held(app, BY_LINK, &account.email, from).await? {
                    return Ok(wait(app, visit, left));
                }
                match app.accounts().take_code(&account.id, code).await {
                    Ok(Some(entered)) => {
                        if entered.recovered {
                            tell(app, &entered.account, News::Recovery, visit.doer(headers, from));
                        }
                    }
                    Ok(None) => {
                        let who = Who::person(&account.id, &account.name, Vec::new());
                        app.note_refused(Some(&who), from, "wrong_code", "sign_in.link".into());
                        return Ok(wrong_code(app, visit, link).await);
                    }
                    Err(AccountError::Store(e)) => return Err(e),
                    Err(_) => return Ok(no(app, visit, StatusCode::SERVICE_UNAVAILABLE, "error.busy")),
                }
            }
            sessions.open_by_link(app, headers, from, link).await?.map_err(|why| (why.key(), false))
        }
        Shown::Key(key) => sessions.open_by_key(app, headers, from, key).await?.map_err(|why| (why.key(), true)),
        Shown::Password { email, password, code } => {
            if let Some(left) = held(app, "", email, from).await? {
                return Ok(wait(app, visit, left));
            }
            match app.accounts().by_password(email, password, code).await {
                Ok(Some(Entered { account, recovered })) => {
                    if recovered {
                        tell(app, &account, News::Recovery, visit.doer(headers, from));
                    }
                    let opened = app.let_in(&account, "password", from, async {
                        let opening = Opening::account(&account, Way::Password);
                        let cookie = sessions.open(app, headers, from, opening).await?;
                        app.accounts().signed_in(&account).await;
                        Ok(cookie)
                    });
                    Ok(opened.await?)
                }
                Ok(None) => Err(("signin.wrong", false)),
                Err(AccountError::Store(e)) => return Err(e),
                Err(_) => return Ok(no(app, visit, StatusCode::SERVICE_UNAVAILABLE, "error.busy")),
            }
        }
    };
    match opened {
        Ok(value) => {
            lockout::take_back(store, lockout::SOURCE, &place, now).await?;
            Ok(inside(app, headers, &value, Redirect::to(landing(app, &value).await).into_response()).await)
        }
        Err((problem, by_key)) => {
            tracing::info!("a sign-in to the console was refused");
            // An account that nobody has is named like one that somebody has: nobody learns which it is.
            let account = match shown {
                Shown::Password { email, .. } => {
                    Some(Who::person(app.accounts().id_of(&email.to_lowercase()), "", Vec::new()))
                }
                Shown::Link { .. } | Shown::Key(_) => None,
            };
            app.note_refused(account.as_ref(), from, "sign_in", shown.wanted().into());
            tokio::time::sleep(FAILED_AFTER).await;
            let email = match shown {
                Shown::Password { email, .. } => email.chars().take(254).collect(),
                Shown::Link { .. } | Shown::Key(_) => String::new(),
            };
            let says = Says { problem: Some(problem), by_key, email, ..Says::default() };
            Ok(page(app, visit, StatusCode::FORBIDDEN, says))
        }
    }
}

impl Refused {
    fn key(self) -> &'static str {
        match self {
            Self::UnknownKey => "signin.unknown",
            Self::MayNotRead => "signin.no_read",
            Self::SpentLink => "signin.spent",
        }
    }
}

/// Where somebody who has just come in goes: the first page, unless it is not for them.
pub(super) async fn landing(app: &App, cookie: &str) -> &'static str {
    let who = app.console.sessions.who(app, cookie).await;
    if who.is_some_and(|who| !who.may(Action::Read, Resource::Overview)) { "/mi-cuenta" } else { "/" }
}

/// Somebody is in: the answer with their new cookie. The session that they had before is over.
pub(super) async fn inside(app: &App, headers: &HeaderMap, value: &str, response: Response) -> Response {
    if let Err(e) = app.console.sessions.close(app, headers).await {
        tracing::warn!(error = %e, "an old session could not be ended; it ends by its time");
    }
    with_cookie(response, &set_cookie(app, headers, value))
}

/// Out. Anybody who is in may go out, so no scope is asked for; the token is.
pub(super) async fn leave(State(app): State<App>, visit: Visit, request: Request) -> Response {
    let headers = request.headers().clone();
    let form = read_form(request.into_body()).await.unwrap_or_default();
    let owned = visit.session.as_ref().is_some_and(|s| form.get("csrf").is_some_and(|t| s.owns(t)));
    if !owned {
        return super::page::refusal(&visit, StatusCode::FORBIDDEN, "error.csrf");
    }
    if let Err(e) = app.console.sessions.close(&app, &headers).await {
        // Still signed in, and the person must know.
        return super::page::unreadable(&visit, e);
    }
    with_cookie(Redirect::to("/entrar").into_response(), &set_cookie(&app, &headers, ""))
}

pub(super) fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
