//! Files that pages need: one style sheet, two scripts, one mark. Part of the program, so that no
//! outside host is ever asked.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Name, media type, text.
const FILES: &[(&str, &str, &str)] = &[
    ("consola.css", "text/css; charset=utf-8", include_str!("../../assets/consola.css")),
    ("consola.js", "text/javascript; charset=utf-8", include_str!("../../assets/consola.js")),
    ("contrasena.js", "text/javascript; charset=utf-8", include_str!("../../assets/contrasena.js")),
    ("pasarela.svg", "image/svg+xml", include_str!("../../assets/pasarela.svg")),
];

pub(super) async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        // Short, so that an upgrade is seen soon; not public, since a shared cache has no business here.
        Some((_, media, text)) => {
            ([(header::CONTENT_TYPE, *media), (header::CACHE_CONTROL, "private, max-age=300")], *text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
