//! `/entrar` and `/salir`: in with an API key, out again. The key is in no address and no log, except
//! that the sandbox's own link may carry it.

use super::guard::{Visit, read_form};
use super::page::{Bare, html};
use super::session::{COOKIE, KeyCheck, cookie, set_cookie};
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

#[derive(Template)]
#[template(path = "console/entrar.html")]
struct EnterPage {
    frame: Bare,
    problem: Option<&'static str>,
    sandbox: bool,
}

fn page(app: &App, visit: &Visit, status: StatusCode, problem: Option<&'static str>) -> Response {
    let frame = Bare::new(visit, "signin.title");
    (status, html(&EnterPage { frame, problem, sandbox: app.console.sandbox.is_some() })).into_response()
}

pub(super) async fn form(State(app): State<App>, visit: Visit, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let given = form_urlencoded::parse(query.as_bytes()).find(|(n, _)| n == "clave").map(|(_, v)| v.into_owned());
    match given {
        Some(key) if app.console.sandbox.is_some() => sign_in(&app, &visit, request.headers(), &key).await,
        // Not in an address: what it holds is left unread, and taken out of the address bar.
        Some(_) => Redirect::to("/entrar").into_response(),
        None if visit.session.is_some() => Redirect::to("/").into_response(),
        None => page(&app, &visit, StatusCode::OK, None),
    }
}

pub(super) async fn enter(State(app): State<App>, visit: Visit, request: Request) -> Response {
    let headers = request.headers().clone();
    let form = read_form(request.into_body()).await.unwrap_or_default();
    let key = form.get("clave").map(|k| k.trim()).unwrap_or_default();
    sign_in(&app, &visit, &headers, key).await
}

async fn sign_in(app: &App, visit: &Visit, headers: &HeaderMap, key: &str) -> Response {
    let tries = &app.console.tries;
    if let Some(wait) = tries.wait(Instant::now()) {
        let mut response = page(app, visit, StatusCode::TOO_MANY_REQUESTS, Some("signin.wait"));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        return response;
    }
    match app.console.sessions.open(&**app.engine.store(), key).await {
        Ok((_, Some(value))) => {
            tries.succeeded();
            // Whoever signs in anew leaves the old session behind.
            if let Some(old) = cookie(headers, COOKIE) {
                app.console.sessions.close(old);
            }
            with_cookie(Redirect::to("/").into_response(), &set_cookie(headers, &value))
        }
        Ok((check, None)) => {
            tries.failed(Instant::now());
            tracing::info!("a sign-in to the console was refused");
            tokio::time::sleep(FAILED_AFTER).await;
            let why = if check == KeyCheck::MayNotRead { "signin.no_read" } else { "signin.unknown" };
            page(app, visit, StatusCode::FORBIDDEN, Some(why))
        }
        Err(e) => {
            tracing::error!(error = %e, "a sign-in could not be checked");
            page(app, visit, StatusCode::SERVICE_UNAVAILABLE, Some("error.busy"))
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
    if let Some(value) = cookie(&headers, COOKIE) {
        app.console.sessions.close(value);
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
