//! `/b/{ticket}`: a guest's ticket, on the public listener. The address holds the signed form; whoever
//! has it has the ticket, so these pages are kept by nobody, found by no search engine, and tell no other
//! page where the guest came from.

use crate::App;
use crate::policy::Gate;
use crate::routes::{Routes, op};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pasarela_colombia::Lang;
use pasarela_domain::EntityRef;
use pasarela_store::{EventFilter, Store};
use pasarela_ticket::token::{Claims, Error, Tag};
use pasarela_ticket::words::{code, t, with};
use pasarela_ticket::{Boleta, Desk, State as Stands, calendar, media, pdf, png, qr};
use serde_json::Value;
use std::time::{Duration, Instant};

const STYLE: &str = include_str!("../assets/boleta.css");
const CHECKED_IN: &str = "ticket.checked_in";
const UNDONE: &str = "ticket.check_in_undone";
/// Events of a ticket that are looked at for the latest scan.
const GLANCE: u32 = 20;
/// A key that is not known is looked for in the store no more often: tokens are made up easily.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get(
            "/b/{ticket}",
            show,
            op(Gate::Pass, "A guest's ticket: a page, or a file when the address ends in .pdf, .png or .ics")
                .about("The address holds the signed ticket: whoever has it has the ticket. 404 is a page too.")
                .query::<Asked>()
                .also(&[404])
                .answers_media("text/html"),
        )
        .get(
            "/b/estilo.css",
            style,
            op(Gate::Open("a style sheet"), "How tickets' pages look").answers_media("text/css"),
        )
}

/// When keys were last looked for.
#[derive(Default)]
pub(crate) struct Looked(parking_lot::Mutex<Option<Instant>>);

/// How a ticket is to be shown.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Asked {
    /// `es` or `en`; what the browser asks for when it is not said.
    lang: Option<String>,
}

async fn style() -> Response {
    let kind = (header::CONTENT_TYPE, "text/css; charset=utf-8");
    ([kind, (header::CACHE_CONTROL, "public, max-age=300")], STYLE).into_response()
}

async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let chosen = asked.lang.as_deref().and_then(Lang::from_tag);
    let lang = chosen.unwrap_or_else(|| accepted(&headers));
    let (token, form) = name.rsplit_once('.').unwrap_or((&name, ""));
    let found = match &app.tickets {
        Some(desk) => find(&app, desk, token).await,
        None => Ok(None),
    };
    let mut response = match found {
        Ok(Some(boleta)) => match form {
            "" => page(&boleta, token, lang),
            "pdf" => file(pdf(&boleta, lang), media::PDF, "inline", &boleta, "pdf", lang),
            "png" => file(png(&boleta, lang), media::PNG, "inline", &boleta, "png", lang),
            "ics" => {
                let entry = calendar(&boleta, lang).map(String::into_bytes);
                file(entry, media::CALENDAR, "attachment", &boleta, "ics", lang)
            }
            _ => notice(StatusCode::NOT_FOUND, "unknown", lang),
        },
        Ok(None) => notice(StatusCode::NOT_FOUND, "unknown", lang),
        Err(e) => {
            tracing::error!(error = %e, "a ticket could not be read");
            notice(StatusCode::SERVICE_UNAVAILABLE, "later", lang)
        }
    };
    protect(response.headers_mut());
    response
}

/// The ticket that a token names, as it stands now. `None`: there is none, or the token is not true.
async fn find(app: &App, desk: &Desk, token: &str) -> Result<Option<Boleta>, pasarela_store::Error> {
    let store = &**app.engine.store();
    let Some(claims) = open(app, desk, token).await? else { return Ok(None) };
    let connections = store.connections().await?;
    let Some(connection) = connections.iter().find(|c| Tag::of(&c.name) == claims.connection) else { return Ok(None) };
    let wanted = |kind: &str, id: &str| (connection.id, EntityRef::new(kind, id));
    let (_, rows) =
        store.lookup(Vec::new(), vec![wanted("ticket", &claims.ticket), wanted("show", &claims.show)]).await?;
    let mut rows = rows.into_iter();
    let mut next = || rows.next().flatten().and_then(|r| serde_json::from_slice::<Value>(&r.data).ok());
    let (Some(mut ticket), show) = (next(), next().unwrap_or_default()) else { return Ok(None) };
    let order = match ticket["order_id"].as_str() {
        Some(id) => {
            let (_, rows) = store.lookup(Vec::new(), vec![wanted("order", id)]).await?;
            rows.into_iter().flatten().next().and_then(|r| serde_json::from_slice(&r.data).ok()).unwrap_or_default()
        }
        None => Value::Null,
    };
    // Neither is: the link was made of the same keys.
    let _ = desk.complete(&connection.name, "ticket", &mut ticket);
    if ticket["title"].is_null()
        && let Some(title) = pasarela_ticket::tier(&ticket, &order)
    {
        ticket["title"] = title.into();
    }
    let Some(mut boleta) = Boleta::read(&ticket, &show, &order) else { return Ok(None) };
    if boleta.state == Stands::Valid && is_inside(app, store, connection.id, &claims.ticket).await? {
        boleta.state = Stands::Used;
    }
    Ok(Some(boleta))
}

/// What a token says. A key that another node has made meanwhile is looked for once.
async fn open(app: &App, desk: &Desk, token: &str) -> Result<Option<Claims>, pasarela_store::Error> {
    match desk.open(token) {
        Ok(claims) => Ok(Some(claims)),
        Err(Error::UnknownKey(_)) => {
            look_for_keys(app, desk).await?;
            Ok(desk.open(token).ok())
        }
        Err(_) => Ok(None),
    }
}

/// Takes over the keys that are in the store, unless that was done a moment ago.
pub(crate) async fn look_for_keys(app: &App, desk: &Desk) -> Result<(), pasarela_store::Error> {
    if !may_look(&app.looked) {
        return Ok(());
    }
    let seeds: Vec<Vec<u8>> = app.engine.store().signing_keys().await?.into_iter().map(|k| k.seed).collect();
    // A desk without a store's keys keeps those that it was given.
    if !seeds.is_empty() && desk.use_keys(&seeds).is_err() {
        tracing::error!("the keys that sign tickets cannot be used");
    }
    Ok(())
}

fn may_look(looked: &Looked) -> bool {
    let mut last = looked.0.lock();
    let may = last.is_none_or(|at| at.elapsed() > LOOK_AGAIN);
    if may {
        *last = Some(Instant::now());
    }
    may
}

/// Has the ticket opened the door, by its latest scan?
async fn is_inside(app: &App, store: &dyn Store, connection: i64, id: &str) -> Result<bool, pasarela_store::Error> {
    let key = app.engine.key_hash(connection, &format!("ticket:{id}"));
    let events = store.events(EventFilter { key: Some(key), limit: GLANCE, ..EventFilter::default() }).await?;
    let scans = events.rows.iter().filter(|e| e.event_type == CHECKED_IN || e.event_type == UNDONE);
    Ok(scans.max_by_key(|e| (e.occurred_at, e.id)).is_some_and(|e| e.event_type == CHECKED_IN))
}

/// The language that the browser likes best; Spanish when it names neither.
pub(crate) fn accepted(headers: &HeaderMap) -> Lang {
    let text = headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let quality = |part: &str| {
        part.split(';')
            .find_map(|p| p.trim().strip_prefix("q="))
            .and_then(|q| q.trim().parse::<f32>().ok())
            .unwrap_or(1.0)
    };
    let wishes = text
        .split(',')
        .take(20)
        .filter_map(|part| Some((Lang::from_tag(part.trim().split(';').next()?)?, quality(part))));
    wishes.fold((Lang::Es, 0.0), |best, wish| if wish.1 > best.1 { wish } else { best }).0
}

#[derive(Template)]
#[template(path = "publico/boleta.html")]
struct BoletaPage<'a> {
    w: Words,
    boleta: &'a Boleta,
    state: &'static str,
    when: String,
    square: Option<String>,
    base: String,
    has_calendar: bool,
}

#[derive(Template)]
#[template(path = "publico/aviso.html")]
struct Notice {
    w: Words,
    title: &'static str,
    text: &'static str,
    help: &'static str,
}

/// Texts of a page.
struct Words {
    lang: Lang,
}

impl Words {
    fn t(&self, key: &str) -> &'static str {
        t(key, self.lang)
    }

    fn tag(&self) -> &'static str {
        if self.lang == Lang::Es { "es-CO" } else { "en" }
    }

    fn other(&self) -> &'static str {
        code(if self.lang == Lang::Es { Lang::En } else { Lang::Es })
    }

    fn code(&self) -> &'static str {
        code(self.lang)
    }
}

fn page(boleta: &Boleta, token: &str, lang: Lang) -> Response {
    let label = with("page.qr", lang, &boleta.code);
    let square = qr::modules(&boleta.qr).filter(|_| boleta.state.shows_code()).map(|m| m.svg(&label));
    let page = BoletaPage {
        w: Words { lang },
        boleta,
        state: boleta.state.key(),
        when: boleta.when_whole(lang),
        square,
        base: format!("/b/{token}"),
        has_calendar: boleta.starts_at.is_some(),
    };
    html(StatusCode::OK, page.render())
}

fn notice(status: StatusCode, what: &str, lang: Lang) -> Response {
    let words = |part: &str| t(&format!("page.{what}.{part}"), lang);
    let page = Notice { w: Words { lang }, title: words("title"), text: words("text"), help: words("help") };
    html(status, page.render())
}

fn html(status: StatusCode, page: Result<String, askama::Error>) -> Response {
    match page {
        Ok(page) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response(),
        Err(e) => {
            tracing::error!(error = %e, "a page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn file(bytes: Option<Vec<u8>>, kind: &'static str, how: &str, boleta: &Boleta, end: &str, lang: Lang) -> Response {
    // A show without an hour has no entry in a calendar.
    let Some(bytes) = bytes else { return notice(StatusCode::NOT_FOUND, "unknown", lang) };
    let name = format!("{how}; filename=\"{}.{end}\"", boleta.file_name(lang));
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes).into_response()
}

/// What a browser, a cache and a search engine may do with a ticket: show it.
fn protect(headers: &mut HeaderMap) {
    private(
        headers,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
        "no-referrer",
    );
}

/// A page that is one person's own, opened by what is in its address: nobody keeps it, finds it or frames it.
pub(crate) fn private(headers: &mut HeaderMap, policy: &'static str, referrer: &'static str) {
    let fixed: [(HeaderName, &str); 7] = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, referrer),
        (header::CACHE_CONTROL, "private, no-store"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::VARY, "accept-language"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_says_which_language_and_spanish_goes_first() {
        for (header, lang) in [
            ("", Lang::Es),
            ("en-GB,en;q=0.9", Lang::En),
            ("de, en;q=0.5, es;q=0.8", Lang::Es),
            ("en;q=0.4, es-CO;q=0.4", Lang::En),
            ("fr", Lang::Es),
            ("en;q=x", Lang::En),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(header).unwrap());
            assert_eq!(accepted(&headers), lang, "{header}");
        }
    }

    #[test]
    fn every_text_that_the_pages_ask_for_is_there() {
        let templates = [
            include_str!("../templates/publico/base.html"),
            include_str!("../templates/publico/boleta.html"),
            include_str!("../templates/publico/aviso.html"),
        ];
        for template in templates {
            for rest in template.split("w.t(\"").skip(1) {
                let key = rest.split('"').next().unwrap();
                assert!(!t(key, Lang::Es).is_empty() && !t(key, Lang::En).is_empty(), "{key} has no text");
            }
        }
        for state in [Stands::Valid, Stands::Used, Stands::AwaitingPayment, Stands::Cancelled] {
            for family in ["door", "state"] {
                assert!(!t(&format!("{family}.{}", state.key()), Lang::En).is_empty());
            }
        }
        for what in ["unknown", "later"] {
            assert!(!t(&format!("page.{what}.title"), Lang::Es).is_empty());
        }
    }
}
