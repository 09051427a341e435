//! Versions where two may write: an answer about one thing carries `ETag`, a change may name it in `If-Match`, and is
//! refused with 412 when somebody else wrote in between. The version is the length of the thing's history, to which
//! every change adds; of a flow, the version that it says of itself.

use crate::problem::Problem;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer with its version.
pub(crate) fn tagged<T: Serialize>(status: StatusCode, answer: T, number: &str, history: usize) -> Response {
    let mut response = (status, Json(answer)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag(number, history)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn tag(number: &str, history: usize) -> String {
    format!("\"{number}.{history}\"")
}

/// The version that a change names, as the length of the history. `*` is any. One that is no version of `number` is
/// none that is there.
pub(crate) fn seen(headers: &HeaderMap, number: &str) -> Result<Option<usize>, Problem> {
    let Some(given) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let given = given.to_str().unwrap_or_default().trim();
    if given == "*" {
        return Ok(None);
    }
    let own = given.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    let own = own.and_then(|t| t.strip_prefix(number)).and_then(|t| t.strip_prefix('.'));
    own.and_then(|n| n.parse().ok()).map(Some).ok_or_else(changed)
}

/// The thing and the version that a change names, where its path names none. `*` is any.
pub(crate) fn seen_of(headers: &HeaderMap) -> Result<Option<(String, u32)>, Problem> {
    let Some(given) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let given = given.to_str().unwrap_or_default().trim();
    if given == "*" {
        return Ok(None);
    }
    let own = given.strip_prefix('"').and_then(|t| t.strip_suffix('"')).and_then(|t| t.rsplit_once('.'));
    own.and_then(|(name, n)| Some(Some((name.to_owned(), n.parse().ok()?)))).ok_or_else(changed)
}

/// Somebody else wrote since.
pub(crate) fn changed() -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "changed_meanwhile",
        "Somebody else changed it",
        "If-Match names a version that is no longer the one: read it again, and decide again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_it_is_written() {
        let with = |v: String| [(header::IF_MATCH, HeaderValue::from_str(&v).expect("a value"))].into_iter().collect();
        let read = |v: &str| seen(&with(v.to_owned()), "RAD-1");
        assert!(matches!(seen(&HeaderMap::new(), "RAD-1"), Ok(None)) && matches!(read("*"), Ok(None)));
        assert!(matches!(read(&tag("RAD-1", 3)), Ok(Some(3))));
        let with_name = seen_of(&with(tag("boleta-confirmada", 4)));
        assert!(matches!(with_name, Ok(Some((name, 4))) if name == "boleta-confirmada"));
        assert!(seen_of(&with("boleta".to_owned())).is_err() && matches!(seen_of(&HeaderMap::new()), Ok(None)));
        for other in ["\"RAD-2.3\"", "RAD-1.3", "W/\"RAD-1.3\"", "\"RAD-1.x\"", ""] {
            assert!(read(other).is_err(), "{other}");
        }
    }
}
