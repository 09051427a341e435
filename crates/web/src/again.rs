//! Requests that may come again: `Idempotency-Key` on a POST. The first one is begun in the store before anything
//! is done; its answer is kept for a day, sealed, and whoever sends the same request with the same key gets it
//! again, also after a restart and on another node. Keys are each caller's own.
//!
//! Promise: of many that come at once, one is done. What was refused changed nothing and may come again. Where nobody
//! knows what became of the first one, it is not done again unless that is safe.

use crate::App;
use crate::problem::Problem;
use crate::routes::Again;
use crate::who::Who;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use pasarela_store::{AnswerBegin, Begun};
use rand::RngExt as _;

/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Longest key that is taken.
const LONGEST: usize = 255;
/// Longest answer that is kept: larger ones are not asked for twice by anybody who means it.
const LARGEST: usize = 1024 * 1024;
const NAME: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The caller's key that makes a repeated request the same one, if it names one.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    match headers.get(NAME).map(|v| v.to_str()) {
        None => Ok(None),
        Some(Ok(text)) if (1..=LONGEST).contains(&text.trim().len()) => Ok(Some(text.trim().to_owned())),
        Some(_) => Err(Problem::bad_request(format!("Idempotency-Key must have 1 to {LONGEST} plain characters"))),
    }
}

/// A key as it is kept where it outlives the day: each caller has their own.
pub(crate) fn of_caller(key: Option<String>, who: &Who) -> Option<String> {
    key.map(|key| format!("{}:{}:{key}", who.kind.word(), who.id))
}

/// Says that an answer is an earlier one's.
pub(crate) fn replayed(response: &mut Response) {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
}

/// What a request is, for telling it from another one.
pub(crate) struct Asked<'a> {
    pub(crate) who: &'a Who,
    pub(crate) key: String,
    /// Path and query.
    pub(crate) path: &'a str,
    pub(crate) body: &'a Bytes,
    pub(crate) again: Again,
}

/// A request that was begun, and is to be ended.
pub(crate) struct Begin {
    id: i64,
    taker: i64,
}

/// Begins a request, or gives the answer that there is for it.
pub(crate) async fn begin(app: &App, asked: Asked<'_>) -> Result<Begin, Response> {
    let store = app.engine.store();
    let sealer = store.sealer();
    let id = sealer.hash(&["idempotency", asked.who.kind.word(), &asked.who.id, &asked.key]);
    // Paths hold no byte that UTF-8 does not.
    let request = sealer.hash_bytes(&[asked.path.as_bytes(), b"\xff", asked.body].concat());
    let taker: i64 = rand::rng().random();
    let at = app.console.wall();
    let expires_at = at.checked_add(KEPT).unwrap_or(at);
    let begin = AnswerBegin { id, request, taker, at, expires_at, again: asked.again == Again::Safe };
    match store.begin_answer(begin).await.map_err(|e| Problem::from(e).into_response())? {
        Begun::First => Ok(Begin { id, taker }),
        Begun::Answered { status, answer } => Err(earlier(status, answer)),
        Begun::Other => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "The key belongs to another request",
            "this Idempotency-Key came with another request before; a new request needs a new key",
        )
        .into_response()),
        Begun::Running => Err(Problem::new(
            StatusCode::CONFLICT,
            "request_in_progress",
            "The same request is being done",
            "ask again with the same Idempotency-Key in a moment: the answer will be there",
        )
        .wait(1)
        .into_response()),
        Begun::Lost => Err(lost()),
    }
}

fn lost() -> Response {
    Problem::new(
        StatusCode::CONFLICT,
        "outcome_unknown",
        "Nobody knows what became of the first request",
        "the hub stopped or failed while it did this; look whether it was done, and if not send it with a new \
         Idempotency-Key",
    )
    .into_response()
}

fn earlier(status: u16, answer: Option<Vec<u8>>) -> Response {
    if status >= 500 {
        return lost();
    }
    let Some(answer) = answer else {
        let mut response = Problem::new(
            StatusCode::CONFLICT,
            "answer_not_kept",
            "It was done, and its answer is not kept",
            "the answer held a secret that is shown once, or was too large; look at what it made",
        )
        .into_response();
        replayed(&mut response);
        return response;
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let json = HeaderValue::from_static("application/json");
    let mut response = (status, [(header::CONTENT_TYPE, json)], answer).into_response();
    replayed(&mut response);
    response
}

impl Begin {
    /// Keeps what came of it; what failed is forgotten, since it changed nothing.
    pub(crate) async fn end(self, app: &App, again: Again, response: Response) -> Response {
        let store = app.engine.store();
        // Failed in the middle: done or not, it is not done again where that would be twice.
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR && again != Again::Safe {
            if let Err(e) = store.keep_answer(self.id, self.taker, 500, None).await {
                tracing::warn!(error = %e, "a failed request could not be noted");
            }
            return response;
        }
        if !response.status().is_success() {
            if let Err(e) = store.forget_answer(self.id, self.taker).await {
                tracing::warn!(error = %e, "a refused request could not be forgotten; it is after its time");
            }
            return response;
        }
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let kept = (again != Again::Secret && bytes.len() <= LARGEST).then(|| store.sealer().seal(&bytes));
        if let Err(e) = store.keep_answer(self.id, self.taker, status, kept).await {
            // It was done. Who asks again hears that nobody knows, and not a second deed.
            tracing::warn!(error = %e, "an answer could not be kept");
        }
        Response::from_parts(parts, Body::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_answer_is_told_again_and_one_that_is_not_there_is_said_so() {
        let told = earlier(201, Some(b"{}".to_vec()));
        assert_eq!((told.status(), told.headers().contains_key(REPLAYED)), (StatusCode::CREATED, true));
        for (status, replayed) in [(201, true), (500, false)] {
            let told = earlier(status, None);
            assert_eq!((told.status(), told.headers().contains_key(REPLAYED)), (StatusCode::CONFLICT, replayed));
        }
    }
}
