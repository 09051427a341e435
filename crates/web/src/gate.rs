//! The gate in front of every handler: it is put there by the registration of the route, so no handler can be
//! reached around it and none can forget it. On the API's listener it asks for a key, in the console for the
//! session that the guard found. On the API it also holds what is the same for all routes: limits, media types,
//! bodies, and requests that come again.

use crate::App;
use crate::again::{self, Asked};
use crate::audit;
use crate::console::Visitor;
use crate::policy::{Action, Gate, Resource, Scope};
use crate::problem::Problem;
use crate::rate::{Stand, seconds};
use crate::routes::{Again, Terms};
use crate::server::Peer;
use crate::who::{self, Refusal, Who};
use axum::body::Body;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pasarela_domain::Brands;
use std::pin::Pin;

/// A handler of the API behind its gate.
#[derive(Clone)]
pub(crate) struct Keyed<H> {
    pub(crate) handler: H,
    pub(crate) gate: Gate,
    pub(crate) terms: Terms,
    /// As it was registered.
    pub(crate) path: &'static str,
    /// What is done, where something is: then it is written down.
    pub(crate) deed: Option<Deed>,
}

/// A page of the console behind its gate.
#[derive(Clone)]
pub(crate) struct Paged<H> {
    pub(crate) handler: H,
    pub(crate) gate: Gate,
    /// As it was registered.
    pub(crate) path: &'static str,
    /// What is done, where something is: then it is written down.
    pub(crate) deed: Option<Deed>,
}

type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

impl<H, T> Handler<T, App> for Keyed<H>
where
    H: Handler<T, App>,
    T: 'static,
{
    type Future = Answering;

    fn call(self, mut request: Request, app: App) -> Answering {
        Box::pin(async move {
            let (app, stand) = match by_key(&app, self.gate, &mut request).await {
                Ok((brands, stand)) => (app.as_seen_by(&brands), stand),
                Err((problem, stand)) => return told(problem.into_response(), stand),
            };
            let does = Does { deed: self.deed, look: look(self.gate), path: self.path };
            let answer = if request.method() == Method::POST {
                post(&app, self.terms, does, request, self.handler).await
            } else if accepts(request.headers(), self.terms.answers) {
                run(self.handler, does, request, app).await
            } else {
                not_acceptable(self.terms.answers)
            };
            told(answer, stand)
        })
    }
}

impl<H, T> Handler<T, App> for Paged<H>
where
    H: Handler<T, App>,
    T: 'static,
{
    type Future = Answering;

    fn call(self, mut request: Request, app: App) -> Answering {
        Box::pin(async move {
            match by_session(&app, self.gate, &mut request) {
                Ok(brands) => {
                    let does = Does { deed: self.deed, look: look(self.gate), path: self.path };
                    run(self.handler, does, request, app.as_seen_by(&brands)).await
                }
                Err(refusal) => *refusal,
            }
        })
    }
}

/// At which door callers show who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// A key in the request's header.
    Key,
    /// A session of the console.
    Session,
}

/// What a route does that is to be written down.
#[derive(Debug, Clone, Copy)]
struct Does {
    deed: Option<Deed>,
    /// What is looked at, where it is personal.
    look: Option<Resource>,
    path: &'static str,
}

/// What is looked at behind a gate, where it is personal.
fn look(gate: Gate) -> Option<Resource> {
    match gate {
        Gate::May(Action::ReadPersonal, resource) => Some(resource),
        _ => None,
    }
}

/// Calls the handler, and writes down what it did, or that somebody looked.
async fn run<H, T>(handler: H, does: Does, request: Request, app: App) -> Response
where
    H: Handler<T, App>,
    T: 'static,
{
    match (does.deed, does.look) {
        (Some(deed), _) => deed.done(handler, does.path, request, app).await,
        (None, Some(resource)) => {
            let who = request.extensions().get::<Who>().cloned();
            let asked = audit::parameters(does.path, request.uri().path());
            let (response, noted) = audit::hearing(handler.call(request, app.clone())).await;
            let seen = response.status().is_success() && !noted.nothing;
            if let Some(who) = who.filter(|_| seen) {
                app.note_look(&who, resource, asked, noted).await;
            }
            response
        }
        (None, None) => handler.call(request, app).await,
    }
}

/// Something that is done behind a gate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deed {
    /// At which door.
    pub(crate) door: Door,
    /// The row of the table; `None`: whoever is known may, with what is their own.
    pub(crate) row: Option<(Action, Resource)>,
}

impl Deed {
    /// Does it, and writes it down: that it begins before its first row, how it ended before the answer goes out.
    /// Whoever hangs up meanwhile changes nothing of that.
    async fn done<H: Handler<T, App>, T: 'static>(
        self,
        handler: H,
        path: &'static str,
        request: Request,
        app: App,
    ) -> Response {
        let visitor = request.extensions().get::<Visitor>().cloned();
        // The gate let somebody in, so there is somebody.
        let Some(who) = request.extensions().get::<Who>().cloned() else {
            return StatusCode::FORBIDDEN.into_response();
        };
        let brand = self.row.map_or_else(String::new, |(action, resource)| app.own_brand(&who, resource, action));
        let subject = audit::parameters(path, request.uri().path());
        let line = audit::Line { who, action: audit::action_of(self.row, path), brand, subject };
        let whole = tokio::spawn(async move {
            let work = handler.call(request, app.clone());
            audit::doing(&app, line, audit::Noted::default(), work, audit::came_to).await
        });
        let (response, written) = match whole.await {
            Ok(came) => came,
            Err(error) => {
                tracing::error!(%error, path, "something that was begun did not end");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let Err(error) = written else { return response };
        tracing::error!(%error, path, "something was done and its end could not be written down");
        match visitor {
            Some(visitor) if self.door == Door::Session => visitor.unwritten(),
            _ => Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "not_written_down",
                "It was done, and how it ended could not be written down",
                "the change is in force; the audit tells that it began and not how it ended; the log says why",
            )
            .into_response(),
        }
    }
}

/// Every answer to a key says what it has left, is nobody's to keep, and is what it says it is.
fn told(mut answer: Response, stand: Option<Stand>) -> Response {
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Some(stand) = stand {
        stand.tell(answer.headers_mut());
    }
    answer
}

/// The key says who it is and whether it may ask at all now; the table says whether it may ask this.
async fn by_key(
    app: &App,
    gate: Gate,
    request: &mut Request,
) -> Result<(Brands, Option<Stand>), (Problem, Option<Stand>)> {
    let asked = match gate {
        Gate::May(action, resource) => Some((action, resource)),
        Gate::Known(_) => None,
        Gate::Open(_) | Gate::Signed | Gate::Pass => return Ok((Brands::none(), None)),
    };
    let from = crate::console::address_of(request.extensions().get::<Peer>().copied(), request.headers());
    let (who, stand) = crate::auth::caller(app, request.headers(), from).await.map_err(|away| {
        let wanted = asked.map_or_else(String::new, wanted);
        if let Some(code) = away.code {
            app.note_refused(away.whose.as_ref(), from, code, wanted);
        }
        (away.problem, away.stand)
    })?;
    let mut who = who.in_hub(&app.brands);
    who.from = from;
    if let Some(wait) = stand.and_then(|s| s.wait) {
        let problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "Too many requests of this key",
            "wait as Retry-After says; the headers RateLimit and RateLimit-Policy tell what the key has",
        );
        app.note_refused(Some(&who), from, "rate_limited", String::new());
        return Err((problem.wait(u32::try_from(seconds(wait)).unwrap_or(u32::MAX)), stand));
    }
    let mut brands = Brands::none();
    if let Some((action, resource)) = asked {
        brands = who::check(&who, action, resource, &app.brands).map_err(|why| {
            app.note_refused(Some(&who), from, why.code(), wanted((action, resource)));
            (refused(&who, action, resource, why), stand)
        })?;
    }
    request.extensions_mut().insert(who);
    Ok((brands, stand))
}

/// What somebody wanted, in the words of the table.
fn wanted((action, resource): (Action, Resource)) -> String {
    format!("{}.{}", resource.word(), action.word())
}

fn refused(who: &Who, action: Action, resource: Resource, why: Refusal) -> Problem {
    let title = "The API key does not allow this";
    if why == Refusal::Brand {
        let detail = "its scopes do, but for no brand that this hub has; `pasarela keys list` shows its brands";
        return Problem::new(StatusCode::FORBIDDEN, "other_brand", title, detail);
    }
    let needs = match Scope::needed(resource, action) {
        Some(scope) if resource.governs() => format!("the scope '{scope}'"),
        Some(scope) => {
            let own = scope.to_string();
            let broad = own.rsplit(':').next().unwrap_or_default();
            format!("the scope '{broad}', or '{scope}'")
        }
        None => format!("a person: nobody may {} {} by a scope", action.word(), resource.word()),
    };
    let brands = if resource.is_the_hubs() { ", for every brand" } else { "" };
    let detail = format!("this needs {needs}{brands}; the key has {}", who.holds());
    Problem::new(StatusCode::FORBIDDEN, "missing_scope", title, detail)
}

/// What is the same for everything that changes something.
async fn post<H, T>(app: &App, terms: Terms, does: Does, request: Request, handler: H) -> Response
where
    H: Handler<T, App>,
    T: 'static,
{
    if !accepts(request.headers(), terms.answers) {
        return not_acceptable(terms.answers);
    }
    let key = match again::key(request.headers()) {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    let (parts, body) = request.into_parts();
    let body = match app.asked.read(body, parts.headers.contains_key(header::EXPECT)).await {
        Ok(body) => body,
        Err(why) => return Problem::from(why).into_response(),
    };
    if terms.takes_json && !is_json(&parts.headers, &body) {
        return Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body must be JSON",
            "send it with `Content-Type: application/json`",
        )
        .into_response();
    }
    let begun = match (key, parts.extensions.get::<Who>()) {
        (Some(key), Some(who)) if terms.again != Again::Own => {
            let path = parts.uri.path_and_query().map_or("", |p| p.as_str());
            let asked = Asked { who, key, path, body: &body, again: terms.again };
            match again::begin(app, asked).await {
                Ok(begun) => Some(begun),
                Err(answer) => return answer,
            }
        }
        _ => None,
    };
    let request = Request::from_parts(parts, Body::from(body));
    let Some(begun) = begun else { return run(handler, does, request, app.clone()).await };
    // Whoever hangs up meanwhile changes nothing: what was begun is ended, and its answer is there for the next try.
    let app = app.clone();
    let whole = tokio::spawn(async move {
        let answer = run(handler, does, request, app.clone()).await;
        begun.end(&app, terms.again, answer).await
    });
    whole.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// No type said is taken for JSON, and so is an object under the type that curl names when nobody tells it: a body
/// that is none is refused as such.
fn is_json(headers: &HeaderMap, body: &[u8]) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json"
        || (kind.starts_with("application/") && kind.ends_with("+json"))
        || (kind == "application/x-www-form-urlencoded" && body.trim_ascii_start().starts_with(b"{"))
}

/// Is `media` among what the caller takes? What is not said, or said in no known form, is everything.
fn accepts(headers: &HeaderMap, media: &str) -> bool {
    let all: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    if all.is_empty() {
        return true;
    }
    let wanted = media.split(';').next().unwrap_or_default().trim();
    let family = wanted.split('/').next().unwrap_or_default();
    let fits = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let never = parts.any(|p| {
            let zero = p.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
            zero.is_some_and(|q| q <= 0.0)
        });
        let same = name == wanted || name == "*/*" || name == "*" || name.strip_suffix("/*") == Some(family);
        // Problems are JSON of their own kind, and whoever takes those takes ours.
        let json = wanted == "application/json" && name.starts_with("application/") && name.ends_with("+json");
        !never && (same || json || name.is_empty())
    };
    all.iter().any(|value| value.split(',').map(str::trim).any(fits))
}

fn not_acceptable(media: &str) -> Response {
    let detail = format!("this answers {media}, which `Accept` leaves out");
    Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", "Not in a form that you take", detail).into_response()
}

/// The guard in front of the console found the session, or turned its absence away; the table says the rest.
fn by_session(app: &App, gate: Gate, request: &mut Request) -> Result<Brands, Box<Response>> {
    let visitor = request.extensions().get::<Visitor>().cloned();
    let (action, resource) = match gate {
        Gate::May(action, resource) => (action, resource),
        Gate::Known(_) | Gate::Signed | Gate::Pass => {
            let Some(mut who) = visitor.and_then(|v| v.who().cloned()) else {
                return Err(Box::new(StatusCode::FORBIDDEN.into_response()));
            };
            who.from = request.extensions().get::<Peer>().map(|p| p.0);
            request.extensions_mut().insert(who);
            return Ok(Brands::none());
        }
        Gate::Open(_) => return Ok(Brands::none()),
    };
    let Some(visitor) = visitor else { return Err(Box::new(StatusCode::FORBIDDEN.into_response())) };
    let Some(who) = visitor.who() else { return Err(Box::new(visitor.refused(action))) };
    let mut who = who.clone();
    who.from = request.extensions().get::<Peer>().map(|p| p.0);
    let brands = match who::check(&who, action, resource, &app.brands) {
        Ok(brands) => brands,
        Err(why) => {
            app.note_refused(Some(&who), who.from, why.code(), wanted((action, resource)));
            return Err(Box::new(visitor.refused(action)));
        }
    };
    request.extensions_mut().insert(who);
    Ok(brands)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn what_a_caller_takes_is_read_as_it_is_meant() {
        let json = "application/json";
        let takes = |value| accepts(&with(header::ACCEPT, value), json);
        assert!(accepts(&HeaderMap::new(), json));
        for yes in [
            "*/*",
            "application/json",
            "text/html, application/*;q=0.8",
            "application/problem+json",
            "APPLICATION/JSON",
        ] {
            assert!(takes(yes), "{yes}");
        }
        for no in ["text/html", "application/xml", "application/json;q=0", "image/*"] {
            assert!(!takes(no), "{no}");
        }
        assert!(accepts(&with(header::ACCEPT, "text/event-stream"), "text/event-stream"));
    }

    #[test]
    fn a_body_of_another_kind_is_told_from_json() {
        let json = |value, body: &[u8]| is_json(&with(header::CONTENT_TYPE, value), body);
        assert!(is_json(&HeaderMap::new(), b"{}"));
        for yes in
            ["application/json; charset=utf-8", "application/merge-patch+json", "application/x-www-form-urlencoded"]
        {
            assert!(json(yes, b" {}"), "{yes}");
        }
        for no in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
            assert!(!json(no, b"a=1"), "{no}");
        }
    }
}
