//! The guard in front of every page: who is there, in which language, and what a browser may do with
//! the answer. Handlers behind it cannot forget any of it.

use super::session::{Session, Way, cookie};
use super::told::Doer;
use super::words::{self, Lang, Words};
use crate::App;
use crate::policy::{Action, Resource};
use crate::server::Peer;
use crate::who::Who;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use pasarela_domain::Brands;
use std::collections::HashMap;
use std::net::IpAddr;

/// Cookie that remembers the language.
const LANG_COOKIE: &str = "pasarela_idioma";
/// What a page may load and do: files of ours, and nothing inline.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Pages for people who are not in yet.
const OPEN: [&str; 5] = ["/entrar", "/entrar/enlace", "/entrar/proveedor", "/entrar/vuelta", "/primer-uso"];
/// A form of ours is far smaller.
const MAX_FORM: usize = 16 * 1024;

/// A request that passed the guard.
#[derive(Clone)]
pub(crate) struct Visit {
    /// Texts in the visitor's language.
    pub(super) w: Words,
    /// Who is there; `None` only on the sign-in page.
    pub(super) session: Option<Session>,
    /// This page in the other language.
    pub(super) other_lang: String,
}

impl Visit {
    /// Who it is; `None` at the door alone.
    pub(crate) fn who(&self) -> Option<&Who> {
        self.session.as_ref().map(|s| &s.who)
    }

    /// May this person do it, for any brand?
    pub(super) fn may(&self, action: Action, resource: Resource) -> bool {
        self.who().is_some_and(|w| w.may(action, resource))
    }

    /// For which brands this person may do it.
    pub(super) fn reach(&self, action: Action, resource: Resource) -> Brands {
        self.who().map_or_else(Brands::none, |w| w.allowed(resource, action))
    }

    /// May rows say what an event is about?
    pub(super) fn sees_people(&self) -> bool {
        self.may(Action::ReadPersonal, Resource::Events)
    }

    /// Who it is, for what is written down.
    pub(super) fn name(&self) -> &str {
        self.who().map_or("", |w| &w.name)
    }

    /// A page that says no: to a look, or to a deed.
    pub(crate) fn refused(&self, action: Action) -> Response {
        let looks = matches!(action, Action::Read | Action::ReadPersonal);
        let why = if looks { "error.not_allowed" } else { "error.read_only" };
        super::page::refusal(self, StatusCode::FORBIDDEN, why)
    }

    /// A page that says that something was done and is not in the audit.
    pub(crate) fn unwritten(&self) -> Response {
        super::page::refusal(self, StatusCode::INTERNAL_SERVER_ERROR, "error.unwritten")
    }

    /// Is this somebody who must turn codes on before anything else?
    pub(super) fn must_enrol(&self) -> bool {
        self.session.as_ref().is_some_and(|s| s.must_enrol)
    }

    /// The way of this session, where it was the provider's: a proof on the way does not make it another.
    pub(super) fn way_or(&self, other: Way) -> Way {
        self.session.as_ref().and_then(|s| s.way).filter(|way| *way == Way::Provider).unwrap_or(other)
    }

    /// Where it is done from, for a letter to whom it is about.
    pub(super) fn doer(&self, headers: &HeaderMap, from: Option<IpAddr>) -> Doer {
        Doer { words: Some(self.w), device: super::device::name(headers), from }
    }

    /// Was it proved lately who this is?
    pub(super) fn is_fresh(&self, app: &App) -> bool {
        self.session.as_ref().is_some_and(|s| s.is_fresh(app.console.wall()))
    }

    /// Token for this session's forms.
    pub(super) fn csrf(&self) -> &str {
        self.session.as_ref().map_or("", |s| &s.csrf)
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        // Only a route that is not behind the guard has none.
        parts.extensions.get::<Self>().cloned().ok_or(StatusCode::FORBIDDEN)
    }
}

/// A form that was sent from one of this session's own pages. Whether this person may do what it asks for, the
/// gate of its route has said.
pub(super) struct Deed {
    pub(super) visit: Visit,
    /// Its other fields.
    pub(super) form: HashMap<String, String>,
}

impl Deed {
    /// A field without spaces around it; empty when it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", |v| v.trim())
    }
}

impl FromRequest<App> for Deed {
    type Rejection = Response;

    async fn from_request(request: Request, _: &App) -> Result<Self, Response> {
        owned(request).await
    }
}

/// A form that was sent from one of this session's own pages, whatever its owner may do.
async fn owned(request: Request) -> Result<Deed, Response> {
    let visit = request.extensions().get::<Visit>().cloned().ok_or(StatusCode::FORBIDDEN.into_response())?;
    let form = read_form(request.into_body()).await.unwrap_or_default();
    let owned = visit.session.as_ref().is_some_and(|s| form.get("csrf").is_some_and(|t| s.owns(t)));
    if !owned {
        return Err(super::page::refusal(&visit, StatusCode::FORBIDDEN, "error.csrf"));
    }
    Ok(Deed { visit, form })
}

/// A form about the sender's own account.
pub(super) struct OwnDeed {
    pub(super) deed: Deed,
    /// Id of the account.
    pub(super) account: String,
    pub(super) headers: HeaderMap,
    pub(super) from: Option<IpAddr>,
}

impl FromRequest<App> for OwnDeed {
    type Rejection = Response;

    async fn from_request(request: Request, _: &App) -> Result<Self, Response> {
        let (headers, from) = (request.headers().clone(), asker(&request));
        let deed = owned(request).await?;
        match deed.visit.session.as_ref().and_then(|s| s.account.clone()) {
            Some(account) => Ok(Self { deed, account, headers, from }),
            None => Err(super::page::refusal(&deed.visit, StatusCode::FORBIDDEN, "error.no_account")),
        }
    }
}

/// A form that says who gets in and what they may do, or that gives money back. Whoever sends it proved lately who they are.
pub(super) struct FreshDeed(pub(super) Deed);

impl FromRequest<App> for FreshDeed {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let path = request.uri().path();
        let back = ["/claves", "/devoluciones"].into_iter().find(|b| path.starts_with(b)).unwrap_or("/usuarios");
        let deed = owned(request).await?;
        if !deed.visit.is_fresh(app) {
            // Nothing is done, whatever the answer's status says.
            crate::audit::nothing();
            return Err(Redirect::to(&format!("/confirmar?a={back}")).into_response());
        }
        Ok(Self(deed))
    }
}

/// Who sent a request, as far as it is known.
pub(super) fn asker(request: &Request) -> Option<IpAddr> {
    super::device::address(request.extensions().get::<Peer>().copied(), request.headers())
}

/// Fields of a form; `None`: too large, or cut off.
pub(super) async fn read_form(body: Body) -> Option<HashMap<String, String>> {
    let bytes = axum::body::to_bytes(body, MAX_FORM).await.ok()?;
    Some(form_urlencoded::parse(&bytes).into_owned().collect())
}

/// See the head of this file.
pub(super) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let asked = query(&request, "lang").and_then(|l| Lang::parse(&l));
    let lang = asked.unwrap_or_else(|| language(request.headers()));
    let session = app.console.sessions.find(&app, request.headers()).await;
    let path = request.uri().path();
    let open = OPEN.contains(&path) || path.starts_with("/recursos/");
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let foreign = !reads && comes_from_elsewhere(&app, request.headers());
    let session = session.map(|mut s| {
        s.who = s.who.in_hub(&app.brands);
        s
    });
    let visit = Visit { w: Words::new(lang), session, other_lang: other_lang(&request, lang) };
    let mut response = if foreign || (!reads && !open && visit.session.is_none()) {
        let from = super::device::address(request.extensions().get::<Peer>().copied(), request.headers());
        app.note_refused(visit.who(), from, "csrf", String::new());
        super::page::refusal(&visit, StatusCode::FORBIDDEN, "error.csrf")
    } else if !open && visit.session.is_none() {
        Redirect::to("/entrar").into_response()
    } else if !open && super::enrol::leads(&visit, path) {
        if reads {
            Redirect::to(super::enrol::PATH).into_response()
        } else {
            super::page::refusal(&visit, StatusCode::FORBIDDEN, "enrol.first")
        }
    } else {
        request.extensions_mut().insert(visit);
        next.run(request).await
    };
    if let Some(lang) = asked {
        let text = format!("{LANG_COOKIE}={}; Path=/; SameSite=Lax; Max-Age=31536000", lang.code());
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    protect(response.headers_mut());
    response
}

/// The browser says that another site sent this form. Browsers that say nothing are held by the
/// `SameSite` cookie and the token.
fn comes_from_elsewhere(app: &App, headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    // Older ones name at least where they are.
    let Some(origin) = headers.get(header::ORIGIN).and_then(|v| v.to_str().ok()) else { return false };
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
    origin != app.console.url && origin.split_once("://").is_none_or(|(_, from)| from != host)
}

fn language(headers: &HeaderMap) -> Lang {
    if let Some(lang) = cookie(headers, LANG_COOKIE).and_then(Lang::parse) {
        return lang;
    }
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    words::negotiate(accepted)
}

fn query(request: &Request, name: &str) -> Option<String> {
    let query = request.uri().query()?;
    form_urlencoded::parse(query.as_bytes()).find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
}

/// The address of this page in the other language. A key that came in an address goes no further.
fn other_lang(request: &Request, lang: Lang) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        if !matches!(&*name, "lang" | "clave" | "aviso" | "code" | "state") {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("lang", lang.other().code());
    // A page that answers a form has no address of its own to go back to.
    let path = if request.method() == Method::GET { request.uri().path() } else { "/" };
    format!("{path}?{}", query.finish())
}

/// Headers of every answer. Personal data is on these pages: nobody keeps them.
fn protect(headers: &mut HeaderMap) {
    // A letter of the theatre brings a stricter one of its own.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    let fixed: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
