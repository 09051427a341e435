//! A person's own pages, on the public listener: `/preferencias/{pass}` (what they allow) and `/mis-datos` (what
//! is held about them). The address holds a sealed pass; whoever has it is believed to be the person, so these
//! pages are kept by nobody, found by no search engine, and tell no other page where somebody came from.
//!
//! Promise: they work without a script and without a sign-in. A form that another site sends is refused. No page
//! says whether an address is known.

mod ask;
mod data;
mod form;
mod preferences;
mod rate;
mod words;

pub(crate) use rate::Rate;

use crate::App;
use crate::policy::Gate;
use crate::routes::{Routes, op};
use crate::server::Peer;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pasarela_colombia::Lang;
use pasarela_domain::consent::{TextKind, TextVersion};
use pasarela_domain::{EmailAddress, Phone};
use pasarela_engine::Named;
use pasarela_ticket::pass::{Opens, Pass};
use serde::Deserialize;
use words::{t, with};

const STYLE: &str = include_str!("../assets/personas.css");

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get(
            "/preferencias/{pass}",
            preferences::show,
            op(Gate::Pass, "What a person allows, with boxes and buttons: a page")
                .about("The address holds a sealed pass: whoever has it is believed to be the person. 404 is a page too.")
                .query::<Asked>()
                .also(&[404])
                .answers_media("text/html"),
        )
        .post(
            "/preferencias/{pass}",
            preferences::change,
            op(Gate::Pass, "What a person gives or withdraws, as the page's form sends it")
                .about("Leads back to the page by 303. A form of another site is refused.")
                .takes_bytes()
                .also(&[303, 400, 403, 404, 413, 429, 503])
                .answers_media("text/html"),
        )
        .get(
            "/preferencias/{pass}/baja",
            preferences::show,
            op(Gate::Pass, "The same page, where a mailbox opens the way out of advertising")
                .query::<Asked>()
                .also(&[404])
                .answers_media("text/html"),
        )
        .post(
            "/preferencias/{pass}/baja",
            preferences::leave,
            op(Gate::Pass, "The way out of advertising that a mailbox calls by one click (RFC 8058)")
                .takes_bytes()
                .also(&[303, 400, 403, 404, 413, 429, 503])
                .answers_media("text/html"),
        )
        .get(
            "/mis-datos",
            data::ask,
            op(Gate::Open("an empty form"), "Where a person asks for the link to their own data: a page")
                .query::<Asked>()
                .answers_media("text/html"),
        )
        .post(
            "/mis-datos",
            data::send,
            op(Gate::Open("a person asks for their own link, which goes to their own address"), "Sends the link to the address that was named")
                .about("It answers the same whether the address is known or not.")
                .takes_bytes()
                .also(&[303, 400, 403, 404, 413, 429, 503])
                .answers_media("text/html"),
        )
        .get(
            "/mis-datos/{pass}",
            data::show,
            op(Gate::Pass, "What the hub holds about a person: a page, or JSON when the address ends in .json")
                .query::<Asked>()
                .also(&[404])
                .answers_media("text/html"),
        )
        .post(
            "/mis-datos/{pass}",
            ask::send,
            op(Gate::Pass, "What a person asks for: a correction, a suppression, a question; it becomes a case")
                .about("Leads back to the page by 303, with the number of the case.")
                .takes_bytes()
                .also(&[303, 400, 403, 404, 413, 429, 503])
                .answers_media("text/html"),
        )
        .get("/mis-datos/estilo.css", style, op(Gate::Open("a style sheet"), "How a person's own pages look").answers_media("text/css"))
        .get(
            "/textos/{kind}/{version}",
            text,
            op(Gate::Open("texts that everybody may read"), "A version of a text that people agree to, a privacy notice or a policy: a page; `vigente` is the one in force")
                .query::<Asked>()
                .also(&[404])
                .answers_media("text/html"),
        )
}

/// How a page is to be shown.
#[derive(Deserialize, schemars::JsonSchema, Default)]
pub(super) struct Asked {
    /// `es` or `en`; what the browser asks for when it is not said.
    lang: Option<String>,
    /// What was just done, on the way back from a form.
    hecho: Option<String>,
    /// Number of the request that was just made.
    numero: Option<String>,
}

impl Asked {
    fn lang(&self, headers: &HeaderMap) -> Lang {
        self.lang.as_deref().and_then(Lang::from_tag).unwrap_or_else(|| crate::tickets::accepted(headers))
    }
}

/// Texts of a page.
#[derive(Clone, Copy)]
struct Words {
    lang: Lang,
}

impl Words {
    fn t(self, key: &str) -> &'static str {
        t(key, self.lang)
    }

    fn with(self, key: &str, value: &str) -> String {
        with(key, self.lang, value)
    }

    fn tag(self) -> &'static str {
        if self.lang == Lang::Es { "es-CO" } else { "en" }
    }

    fn code(self) -> &'static str {
        pasarela_ticket::words::code(self.lang)
    }

    fn other(self) -> &'static str {
        pasarela_ticket::words::code(if self.lang == Lang::Es { Lang::En } else { Lang::Es })
    }
}

/// What stands below every page.
struct Foot {
    seller: Option<String>,
    notice: bool,
    policy: bool,
}

impl Foot {
    async fn of(app: &App) -> Self {
        let terms = app.engine.texts().await.unwrap_or_default();
        let seller = app.tickets.as_ref().and_then(|desk| desk.seller()).map(str::to_owned);
        Self { seller, notice: terms.knows(TextKind::Notice), policy: terms.knows(TextKind::Policy) }
    }
}

#[derive(Template)]
#[template(path = "publico/persona-aviso.html")]
struct Notice {
    w: Words,
    foot: Foot,
    title: String,
    text: String,
    /// Leads to a page where something can be done: path and words.
    link: Option<(&'static str, &'static str)>,
}

/// A page that says one thing.
async fn notice(app: &App, status: StatusCode, what: &str, lang: Lang) -> Response {
    let w = Words { lang };
    let link = (what == "closed").then(|| ("/mis-datos", w.t("closed.link")));
    let (title, text) = (w.t(&format!("{what}.title")).to_owned(), w.t(&format!("{what}.text")).to_owned());
    html(status, &Notice { w, foot: Foot::of(app).await, title, text, link })
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    let mut response = match page.render() {
        Ok(page) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response(),
        Err(e) => {
            tracing::error!(error = %e, "a page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    };
    protect(response.headers_mut());
    response
}

/// What a browser, a cache and a search engine may do with such a page: show it, and send its own forms.
fn protect(headers: &mut HeaderMap) {
    crate::tickets::private(
        headers,
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        // Of its own origin, so that a form says where it comes from.
        "same-origin",
    );
}

/// Whom a pass lets in, for what. A pass to the data opens the preferences too.
async fn admitted(app: &App, text: &str, wanted: Opens) -> Option<Pass> {
    let desk = app.tickets.as_ref()?;
    let now = app.engine.clock().now();
    let pass = match desk.open_pass(text, now) {
        Some(pass) => Some(pass),
        // A key that another node has made meanwhile is looked for once in a while.
        None => {
            crate::tickets::look_for_keys(app, desk).await.ok()?;
            desk.open_pass(text, now)
        }
    };
    pass.filter(|pass| pass.opens == wanted || pass.opens == Opens::Data)
}

/// The person of an address.
fn named(address: &str) -> Named {
    let email = address.parse::<EmailAddress>().ok().map(|e| e.as_str().to_owned());
    let phone = address.parse::<Phone>().ok().map(|p| p.as_e164().to_owned());
    Named { email, phone, ..Named::default() }
}

/// An address as its owner knows it and a passer-by does not: `l•••@correo.example`, `••• 0117`.
fn veiled(address: &str) -> String {
    match address.split_once('@') {
        Some((name, host)) => format!("{}•••@{host}", name.chars().take(1).collect::<String>()),
        None => format!("••• {}", address.chars().skip(address.chars().count().saturating_sub(4)).collect::<String>()),
    }
}

/// Hashes that prove where a page was used from, without keeping it.
fn traces(app: &App, headers: &HeaderMap, peer: Option<Peer>) -> (Option<String>, Option<String>) {
    let hash = |kind: &str, text: &str| {
        let hash = app.engine.store().sealer().hash(&[kind, text]);
        format!("{:016x}", hash.cast_unsigned())
    };
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok());
    (peer.map(|peer| hash("ip", &peer.0.to_string())), agent.map(|agent| hash("user agent", agent)))
}

async fn style() -> Response {
    let kind = (header::CONTENT_TYPE, "text/css; charset=utf-8");
    ([kind, (header::CACHE_CONTROL, "public, max-age=300")], STYLE).into_response()
}

/// A version of a text, as it was agreed to.
async fn text(
    State(app): State<App>,
    Path((kind, version)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let lang = asked.lang(&headers);
    let w = Words { lang };
    let Ok(terms) = app.engine.texts().await else {
        return notice(&app, StatusCode::SERVICE_UNAVAILABLE, "later", lang).await;
    };
    let now = app.engine.clock().now();
    let found: Option<&TextVersion> = TextKind::read(&kind).and_then(|kind| {
        if version == "vigente" {
            return terms.series(kind).first().and_then(|name| terms.in_force(kind, name, w.tag(), now));
        }
        let own = || terms.all().iter().filter(|t| t.kind == kind && t.version == version);
        own().find(|t| t.locale.starts_with(w.code())).or_else(|| own().next())
    });
    match found {
        Some(found) => {
            let title = match found.kind {
                TextKind::Notice => w.t("notice").to_owned(),
                TextKind::Policy => w.t("policy").to_owned(),
                TextKind::Consent => w.with("pref.read", &found.version),
            };
            let foot = Foot::of(&app).await;
            html(StatusCode::OK, &Notice { w, foot, title, text: found.text.clone(), link: None })
        }
        None => notice(&app, StatusCode::NOT_FOUND, "no_text", lang).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_by_its_owner_only() {
        assert_eq!(veiled("laura@correo.example"), "l•••@correo.example");
        assert_eq!(veiled("+573005550117"), "••• 0117");
        assert_eq!(veiled(""), "••• ");
    }
}
