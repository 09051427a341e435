//! What every answer of a listener carries, whatever answered: a type is what it says, and where people come by https,
//! browsers come by nothing else from then on.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::Response;

/// A year, for this host alone: neighbours under its domain are not ours to bind.
const STRICT: HeaderValue = HeaderValue::from_static("max-age=31536000");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// The routes of a listener, with these headers on each answer. `https`: how people reach it.
pub(crate) fn with_headers(router: Router, https: bool) -> Router {
    router.layer(axum::middleware::map_response(move |mut answer: Response| async move {
        let headers = answer.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        if https {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT);
        }
        answer
    }))
}
