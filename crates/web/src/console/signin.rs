//! `/entrar` and `/salir`: in with a link that works once, or with an API key; out again.
//!
//! A link is not used up by being looked at (chats fetch previews of what is sent in them): it opens a page
//! with one button, and the button signs in. No key is ever read from an address.

use super::guard::{Visit, read_form};
use super::page::{Bare, html};
use super::session::{COOKIE, Refused, cookie, set_cookie};
use crate::App;
use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// A failed try is answered no sooner, so that trying is slow.
const FAILED_AFTER: Duration = Duration::from_millis(300);
/// Failed tries in a row before the door makes people wait.
const FREE_TRIES: u32 = 5;
/// Longest wait: whoever has a good key is never locked out for long.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Failed tries of this process, and until when the door stays closed.
#[derive(Default)]
pub(super) struct Tries(Mutex<(u32, Option<Instant>)>);

impl Tries {
    /// How long to wait before the next try.
    fn wait(&self, now: Instant) -> Option<Duration> {
        self.0.lock().1.and_then(|until| until.checked_duration_since(now)).filter(|d| !d.is_zero())
    }

    /// One more failure: 1 s after the fifth in a row, then twice as long each time.
    fn failed(&self, now: Instant) {
        let mut state = self.0.lock();
        state.0 = state.0.saturating_add(1);
        if state.0 >= FREE_TRIES {
            let wait = Duration::from_secs(1 << (state.0 - FREE_TRIES).min(6)).min(LONGEST_WAIT);
            state.1 = Some(now + wait);
        }
    }

    fn succeeded(&self) {
        *self.0.lock() = (0, None);
    }
}

/// What somebody shows at the door.
enum Shown {
    Link(String),
    Key(String),
}

#[derive(Template)]
#[template(path = "console/entrar.html")]
struct EnterPage {
    frame: Bare,
    problem: Option<&'static str>,
    /// The link that was opened, to be used by the button.
    link: Option<String>,
    sandbox: bool,
}

fn page(app: &App, visit: &Visit, status: StatusCode, problem: Option<&'static str>, link: Option<String>) -> Response {
    let frame = Bare::new(visit, "signin.title");
    (status, html(&EnterPage { frame, problem, link, sandbox: app.console.sandbox.is_some() })).into_response()
}

pub(super) async fn form(State(app): State<App>, visit: Visit, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let given = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(n, _)| n == wanted).map(|(_, v)| v.into_owned())
    };
    match (given("enlace"), given("clave")) {
        (Some(link), _) => page(&app, &visit, StatusCode::OK, None, Some(link)),
        // Not in an address: what it holds is left unread, and taken out of the address bar.
        (None, Some(_)) => Redirect::to("/entrar").into_response(),
        (None, None) if visit.session.is_some() => Redirect::to("/").into_response(),
        (None, None) => page(&app, &visit, StatusCode::OK, None, None),
    }
}

pub(super) async fn enter(State(app): State<App>, visit: Visit, request: Request) -> Response {
    let headers = request.headers().clone();
    let mut form = read_form(request.into_body()).await.unwrap_or_default();
    let shown = match form.remove("enlace") {
        Some(link) => Shown::Link(link),
        None => Shown::Key(form.remove("clave").unwrap_or_default().trim().to_owned()),
    };
    sign_in(&app, &visit, &headers, &shown).await
}

async fn sign_in(app: &App, visit: &Visit, headers: &HeaderMap, shown: &Shown) -> Response {
    let (tries, sessions) = (&app.console.tries, &app.console.sessions);
    if let Some(wait) = tries.wait(Instant::now()) {
        let mut response = page(app, visit, StatusCode::TOO_MANY_REQUESTS, Some("signin.wait"), None);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        return response;
    }
    let opened = match shown {
        Shown::Link(link) => sessions.open_by_link(app, link).await,
        Shown::Key(key) => sessions.open_by_key(app, key).await,
    };
    match opened {
        Ok(Ok(value)) => {
            tries.succeeded();
            // Whoever signs in anew leaves the old session behind.
            if let Some(old) = cookie(headers, COOKIE)
                && let Err(e) = sessions.close(app, old).await
            {
                tracing::warn!(error = %e, "an old session could not be ended; it ends by its time");
            }
            with_cookie(Redirect::to("/").into_response(), &set_cookie(headers, &value))
        }
        Ok(Err(why)) => {
            tries.failed(Instant::now());
            tracing::info!("a sign-in to the console was refused");
            tokio::time::sleep(FAILED_AFTER).await;
            let key = match why {
                Refused::UnknownKey => "signin.unknown",
                Refused::MayNotRead => "signin.no_read",
                Refused::SpentLink => "signin.spent",
            };
            page(app, visit, StatusCode::FORBIDDEN, Some(key), None)
        }
        Err(e) => {
            tracing::error!(error = %e, "a sign-in could not be checked");
            page(app, visit, StatusCode::SERVICE_UNAVAILABLE, Some("error.busy"), None)
        }
    }
}

/// Out. Anybody who is in may go out, so no scope is asked for; the token is.
pub(super) async fn leave(State(app): State<App>, visit: Visit, request: Request) -> Response {
    let headers = request.headers().clone();
    let form = read_form(request.into_body()).await.unwrap_or_default();
    let owned = visit.session.as_ref().is_some_and(|s| form.get("csrf").is_some_and(|t| s.owns(t)));
    if !owned {
        return super::page::refusal(&visit, StatusCode::FORBIDDEN, "error.csrf");
    }
    if let Some(value) = cookie(&headers, COOKIE)
        && let Err(e) = app.console.sessions.close(&app, value).await
    {
        // Still signed in, and the person must know.
        return super::page::unreadable(&visit, e);
    }
    with_cookie(Redirect::to("/entrar").into_response(), &set_cookie(&headers, ""))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_makes_people_wait_longer_each_time_and_forgets_at_a_success() {
        let (tries, now) = (Tries::default(), Instant::now());
        for _ in 0..4 {
            tries.failed(now);
        }
        assert_eq!(tries.wait(now), None, "typing errors cost nothing");
        tries.failed(now);
        assert_eq!(tries.wait(now), Some(Duration::from_secs(1)));
        tries.failed(now);
        assert_eq!(tries.wait(now), Some(Duration::from_secs(2)));
        for _ in 0..40 {
            tries.failed(now);
        }
        assert_eq!(tries.wait(now), Some(LONGEST_WAIT));
        assert_eq!(tries.wait(now + LONGEST_WAIT), None);
        tries.succeeded();
        assert_eq!(tries.wait(now), None);
    }
}
