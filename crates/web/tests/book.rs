//! The book as a browser meets it: every page, the search, and a policy that nothing of it needs to break.

#[path = "console/seed.rs"]
#[expect(dead_code, reason = "the console's tests use all of it")]
mod seed;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use seed::{HOSTILE, Hub, hub};
use tower::ServiceExt as _;

async fn get(hub: &Hub, path: &str, language: &str) -> (Response<Body>, String) {
    let request = Request::get(path).header(header::ACCEPT_LANGUAGE, language).body(Body::empty()).unwrap();
    let (parts, body) = hub.app.public().oneshot(request).await.unwrap().into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (Response::from_parts(parts, Body::empty()), text)
}

fn location(response: &Response<Body>) -> &str {
    response.headers().get(header::LOCATION).map_or("", |v| v.to_str().unwrap())
}

#[tokio::test]
async fn every_page_is_served_under_a_policy_that_allows_no_script_and_no_outside_host() {
    let hub = hub(None).await;
    let own = ["api", "search?q=nodes", "search?q=nodos&lang=es", "search"];
    let pages = pasarela_book::book().pages().map(|p| p.path.clone()).chain(own.map(str::to_owned));
    let mut seen = 0;
    for path in pages {
        let (response, text) = get(&hub, &format!("/docs/{path}"), "en").await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        for forbidden in ["<script", " style=", "<style", " onclick", " src=\"http", "<iframe", "<img"] {
            assert!(!text.contains(forbidden), "{path} has {forbidden}");
        }
        assert_eq!(text.matches("<h1").count(), 1, "{path}: one first heading");
        assert!(text.contains("<html lang=\""), "{path}");
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
}

#[tokio::test]
async fn the_entrance_speaks_the_browsers_language_and_pages_know_their_twin() {
    let hub = hub(None).await;
    for (asked, language) in [("es-CO,es;q=0.9,en;q=0.5", "es"), ("en-GB", "en"), ("fr, es", "es"), ("", "en")] {
        let (response, _) = get(&hub, "/docs", asked).await;
        assert_eq!((response.status(), location(&response)), (StatusCode::SEE_OTHER, &*format!("/docs/{language}")));
        let (response, _) = get(&hub, location(&response), asked).await;
        assert!(location(&response).starts_with(&format!("/docs/{language}/")), "{}", location(&response));
    }
    let book = pasarela_book::book();
    for entry in book.contents("es").iter().filter_map(|e| e.path.as_deref()) {
        let twin = entry.replacen("es/", "en/", 1);
        assert!(book.page(&twin).is_some(), "{entry} has no English chapter of the same name");
        let (_, text) = get(&hub, &format!("/docs/{entry}"), "es").await;
        assert!(text.contains(&format!("href=\"/docs/{twin}\"")), "{entry}");
    }
}

#[tokio::test]
async fn a_search_finds_places_and_shows_what_was_asked_as_text() {
    let hub = hub(None).await;
    let (_, text) = get(&hub, "/docs/search?q=honest+limit&lang=en", "es").await;
    assert!(text.contains("href=\"/docs/en/honest-limit"), "{text}");
    let asked: String = form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    let (response, text) = get(&hub, &format!("/docs/search?q={asked}"), "en").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!text.contains(HOSTILE) && text.contains("&#60;script&#62;"), "{text}");
}

#[tokio::test]
async fn what_is_not_there_is_a_page_that_says_so() {
    let hub = hub(None).await;
    for path in ["/docs/nada", "/docs/es/nada", "/docs/en/../x", "/docs/%00"] {
        let (response, text) = get(&hub, path, "en").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(text.contains("id=\"book-contents\""), "{path}");
    }
}

/// A phone on a show's network: no page is heavy.
#[tokio::test]
async fn no_page_is_above_100_kilobytes_but_the_api() {
    let hub = hub(None).await;
    for page in pasarela_book::book().pages() {
        let (_, text) = get(&hub, &format!("/docs/{}", page.path), "en").await;
        assert!(text.len() < 100_000, "{}: {} bytes", page.path, text.len());
    }
}
