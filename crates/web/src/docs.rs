//! `/docs`: the book, its search, and the API's page. Plain pages without a script, an outside host or
//! a cookie; the policy allows our stylesheet and nothing else.

mod api;
mod words;

use crate::App;
use crate::policy::Gate;
use crate::problem::Problem;
use crate::routes::{Routes, op};
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use pasarela_book::{Book, Entry, book};
use pasarela_connector::Provider;
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use words::Words;

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
const STYLE: &str = include_str!("../assets/book.css");
const MARK: &str = include_str!("../assets/pasarela.svg");
/// Places that a search shows.
const MOST_HITS: usize = 30;

/// The API's document and its page, written when they are first asked for.
#[derive(Default)]
pub(crate) struct Described {
    providers: Vec<Arc<dyn Provider>>,
    written: OnceLock<Written>,
}

struct Written {
    document: String,
    page: String,
    /// Headings of the page.
    parts: Vec<(String, String)>,
}

impl Described {
    pub(crate) fn new(providers: Vec<Arc<dyn Provider>>) -> Self {
        Self { providers, written: OnceLock::new() }
    }

    /// What connections can be of.
    pub(crate) fn providers(&self) -> &[Arc<dyn Provider>] {
        &self.providers
    }

    fn get(&self) -> &Written {
        self.written.get_or_init(|| {
            let manifests: Vec<_> = self.providers.iter().map(|p| p.manifest()).collect();
            let document = crate::openapi(&manifests);
            let (page, parts) = api::page(&document);
            Written { document: document.to_string(), page, parts }
        })
    }
}

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get(
            "/openapi.json",
            openapi,
            op(Gate::Open("it describes"), "This document").answers::<serde_json::Map<String, Value>>(),
        )
        .get(
            "/docs",
            entrance,
            op(Gate::Open("the book"), "The book, in the language that the browser asks for").status(303),
        )
        .get(
            "/docs/{*page}",
            show,
            op(
                Gate::Open("the book"),
                "A page of the book; `search?q=WORDS` finds one, `api` is this document for reading",
            )
            .also(&[303, 404])
            .answers_media("text/html"),
        )
}

async fn openapi(State(app): State<App>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], app.described.get().document.clone()).into_response()
}

async fn entrance(headers: HeaderMap) -> Response {
    let to = format!("/docs/{}", asked_language(&headers));
    ([(header::VARY, HeaderValue::from_static("accept-language"))], Redirect::to(&to)).into_response()
}

/// `es` where it is asked for before `en`.
fn asked_language(headers: &HeaderMap) -> &'static str {
    let asked = headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let first = asked.split(',').map(|l| l.trim().get(..2).unwrap_or_default().to_ascii_lowercase());
    if first.into_iter().find(|l| l == "es" || l == "en").is_some_and(|l| l == "es") { "es" } else { "en" }
}

async fn show(
    State(app): State<App>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let path = path.trim_end_matches('/');
    match path {
        "book.css" => return Ok(asset("text/css; charset=utf-8", STYLE)),
        "pasarela.svg" => return Ok(asset("image/svg+xml", MARK)),
        "search" => return Ok(search(query.as_deref().unwrap_or_default(), &headers)),
        "api" => return Ok(api_page(&app.described)),
        _ => {}
    }
    let book = book();
    if let Some(language) = pasarela_book::LANGUAGES.iter().find(|l| **l == path) {
        let first = book.contents(language).iter().find_map(|e| e.path.clone());
        let first = first.ok_or_else(|| Problem::not_found("the book has no chapter in this language"))?;
        return Ok(Redirect::to(&format!("/docs/{first}")).into_response());
    }
    Ok(match book.page(path) {
        Some(page) => sheet(Sheet::of(book, page.language, path, &page.title, page.html.clone())),
        None => {
            let language = if path.starts_with("es/") { "es" } else { asked_language(&headers) };
            let w = Words(language);
            let text = format!("<h1>{}</h1>\n<p>{}</p>", w.t("no_page"), w.t("no_page.say"));
            let mut response = sheet(Sheet::of(book, language, path, w.t("no_page"), text));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

fn asset(media: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // An image that is opened alone is a document: nothing runs in it.
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, text).into_response()
}

fn api_page(described: &Described) -> Response {
    let written = described.get();
    let mut page = Sheet::of(book(), "en", "api", "API", written.page.clone());
    page.parts = written.parts.clone();
    sheet(page)
}

fn search(query: &str, headers: &HeaderMap) -> Response {
    let mut asked = String::new();
    let mut language = asked_language(headers);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "q" => asked = value.chars().take(200).collect(),
            "lang" => language = if value == "es" { "es" } else { "en" },
            _ => {}
        }
    }
    let w = Words(language);
    let found = book().search(language, &asked, MOST_HITS);
    let hits = Hits {
        w,
        asked: &asked,
        hits: found
            .iter()
            .map(|h| Found {
                path: &h.page.path,
                anchor: h.anchor,
                page: &h.page.title,
                heading: h.heading,
                excerpt: &h.excerpt,
            })
            .collect(),
    };
    let html = hits.render().unwrap_or_default();
    let mut page = Sheet::of(book(), language, "search", w.t("search"), html);
    page.asked = asked;
    sheet(page)
}

#[derive(Template)]
#[template(path = "docs/hits.html")]
struct Hits<'a> {
    w: Words,
    asked: &'a str,
    hits: Vec<Found<'a>>,
}

struct Found<'a> {
    path: &'a str,
    anchor: &'a str,
    page: &'a str,
    heading: &'a str,
    excerpt: &'a str,
}

#[derive(Template)]
#[template(path = "docs/page.html")]
struct Sheet<'a> {
    w: Words,
    title: String,
    /// What was searched for.
    asked: String,
    html: String,
    contents: &'a [Entry],
    here: String,
    /// Headings of the second level, to jump to.
    parts: Vec<(String, String)>,
    before: Option<&'a Entry>,
    after: Option<&'a Entry>,
    other: String,
}

impl<'a> Sheet<'a> {
    fn of(book: &'a Book, language: &'static str, path: &str, title: &str, html: String) -> Self {
        let contents = book.contents(language);
        let chapters: Vec<&Entry> = contents.iter().filter(|e| e.path.is_some()).collect();
        let at = chapters.iter().position(|e| e.path.as_deref() == Some(path));
        let other_language = if language == "es" { "en" } else { "es" };
        let name = path.split_once('/').filter(|(l, _)| *l == language).map(|(_, name)| name);
        // The same chapter where there is one, else the other language's first.
        let twin = name.map(|n| format!("{other_language}/{n}")).filter(|t| book.page(t).is_some());
        let headings = book.page(path).map(|p| p.headings.as_slice()).unwrap_or_default();
        Self {
            w: Words(language),
            title: title.to_owned(),
            asked: String::new(),
            html,
            contents,
            here: path.to_owned(),
            parts: headings.iter().filter(|h| h.level == 2).map(|h| (h.id.clone(), h.text.clone())).collect(),
            before: at.and_then(|at| chapters.get(at.checked_sub(1)?)).copied(),
            after: at.and_then(|at| chapters.get(at + 1)).copied(),
            other: format!("/docs/{}", twin.unwrap_or_else(|| other_language.to_owned())),
        }
    }
}

fn sheet(page: Sheet<'_>) -> Response {
    let Ok(text) = page.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::VARY, "accept-language"),
    ];
    (headers, Html(text)).into_response()
}
