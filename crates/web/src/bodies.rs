//! Bodies of webhooks in memory, bounded by bytes: all that are being read or wait for the store have one
//! room together, so that a flood costs answers of 503 and not memory. A place in the room is taken when a
//! body is announced, and goes with the body: it is free again when nobody holds the body any more,
//! whoever hung up meanwhile.
//!
//! Small bodies have a part of the room for themselves: few large ones do not keep out the many
//! webhooks of an ordinary day, nor a scan at the door, which is small.

use crate::problem::Problem;
use crate::server::MAX_BODY;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest time a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(20);
/// Bodies up to here are small.
const SMALL: usize = 64 * 1024;
/// Bytes that only small bodies may take.
const SMALL_ROOM: usize = 8 * 1024 * 1024;
/// Bytes for everybody.
const ROOM: usize = 16 * 1024 * 1024;
/// What a body takes at least: its request is there too.
const LEAST: usize = 1024;
/// Steps by which a body takes more that did not tell its length.
const STEP: usize = 256 * 1024;

/// Bytes for bodies of the API, of which only small ones may take the first.
const API_ROOM: (usize, usize) = (1024 * 1024, 8 * 1024 * 1024);

/// The room.
pub(crate) struct Bodies {
    small: Arc<Semaphore>,
    all: Arc<Semaphore>,
    /// Longest time a body may take.
    patience: Duration,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { small: Arc::new(Semaphore::new(SMALL_ROOM)), all: Arc::new(Semaphore::new(ROOM)), patience: BODY_TIME }
    }
}

/// Why a body was not taken.
pub(crate) enum Refusal {
    /// There is no room.
    Full,
    /// Above [`MAX_BODY`].
    TooLarge,
    /// Not whole within [`BODY_TIME`].
    TooSlow,
    /// The sender went away.
    Broken,
}

/// A body and its places. Dropping it gives them back.
struct Held {
    body: Vec<u8>,
    places: Vec<OwnedSemaphorePermit>,
    taken: usize,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Bodies {
    /// A room for callers of the API.
    pub(crate) fn of_the_api() -> Self {
        Self {
            small: Arc::new(Semaphore::new(API_ROOM.0)),
            all: Arc::new(Semaphore::new(API_ROOM.1)),
            patience: BODY_TIME,
        }
    }

    /// Reads a body whole. One that is refused is read on and thrown away, unless its sender
    /// `waits` for leave to send it: who still writes hears the answer, and no broken connection.
    pub(crate) async fn read(&self, mut body: Body, waits: bool) -> Result<Bytes, Refusal> {
        let read = tokio::time::timeout(self.patience, self.collect(&mut body)).await;
        match read.unwrap_or(Err(Refusal::TooSlow)) {
            Ok(held) => Ok(Bytes::from_owner(held)),
            Err(why) => {
                if !waits && matches!(why, Refusal::Full | Refusal::TooLarge) {
                    tokio::spawn(let_pass(body));
                }
                Err(why)
            }
        }
    }

    async fn collect(&self, body: &mut Body) -> Result<Held, Refusal> {
        let told = body.size_hint().exact().map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        if told.is_some_and(|n| n > MAX_BODY) {
            return Err(Refusal::TooLarge);
        }
        let taken = told.unwrap_or(SMALL);
        let place = self.take(taken).ok_or(Refusal::Full)?;
        let mut held = Held { body: Vec::with_capacity(told.unwrap_or(0)), places: vec![place], taken };
        while let Some(frame) = body.frame().await {
            // Trailers tell nothing here.
            let Ok(chunk) = frame.map_err(|_| Refusal::Broken)?.into_data() else { continue };
            let length = held.body.len() + chunk.len();
            if length > MAX_BODY {
                return Err(Refusal::TooLarge);
            }
            while held.taken < length {
                held.places.push(self.take_of_all(STEP).ok_or(Refusal::Full)?);
                held.taken += STEP;
            }
            // Copied out of the connection's buffer, which a body that is kept would keep whole.
            held.body.extend_from_slice(&chunk);
        }
        Ok(held)
    }

    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let own = if bytes <= SMALL { place(&self.small, bytes) } else { None };
        own.or_else(|| self.take_of_all(bytes))
    }

    fn take_of_all(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        place(&self.all, bytes)
    }
}

fn place(of: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    of.clone().try_acquire_many_owned(u32::try_from(bytes.max(LEAST)).ok()?).ok()
}

async fn let_pass(mut body: Body) {
    let rest = async {
        let mut left = MAX_BODY;
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(less) => left = less,
                None => return,
            }
        }
    };
    // Whoever is slower, or sends more than could ever be taken, meets a closed connection.
    drop(tokio::time::timeout(BODY_TIME, rest).await);
}

impl From<Refusal> for Problem {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Full => Self::busy("more bodies come in at once than the hub holds in memory; come again shortly"),
            Refusal::TooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "The body is too large",
                format!("bodies up to {} MiB are accepted", MAX_BODY / 1024 / 1024),
            ),
            Refusal::TooSlow => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "too_slow",
                "The body took too long",
                format!("the whole body must arrive within {} s", BODY_TIME.as_secs()),
            ),
            Refusal::Broken => Self::bad_request("the body broke off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::convert::Infallible;

    fn of(bytes: usize) -> Body {
        Body::from(vec![b'x'; bytes])
    }

    /// In chunks, its length not told.
    fn chunked(bytes: usize) -> Body {
        let chunk = Bytes::from(vec![b'x'; 16 * 1024]);
        Body::from_stream(stream::iter((0..bytes / chunk.len()).map(move |_| Ok::<_, Infallible>(chunk.clone()))))
    }

    fn free(bodies: &Bodies) -> (usize, usize) {
        (bodies.small.available_permits(), bodies.all.available_permits())
    }

    #[tokio::test]
    async fn large_bodies_have_their_room_and_small_ones_go_on() {
        let bodies = Bodies::default();
        let mut held = Vec::new();
        while let Ok(body) = bodies.read(of(MAX_BODY / 2), false).await {
            held.push(body);
        }
        assert_eq!(held.len(), ROOM / (MAX_BODY / 2), "as many as fit");
        assert!(matches!(bodies.read(chunked(MAX_BODY / 2), false).await, Err(Refusal::Full)), "told or not");
        let small = bodies.read(of(SMALL), false).await;
        assert!(small.is_ok_and(|b| b.len() == SMALL));
        assert!(bodies.read(chunked(SMALL), false).await.is_ok());
        // The place goes with the body, also with a part of it that somebody kept.
        let part = held[0].slice(0..1);
        drop(held.remove(0));
        assert!(bodies.read(of(MAX_BODY / 2), false).await.is_err());
        drop(part);
        assert!(bodies.read(of(MAX_BODY / 2), false).await.is_ok());
        drop(held);
        assert_eq!(free(&bodies), (SMALL_ROOM, ROOM), "nothing is left behind");
    }

    #[tokio::test]
    async fn a_body_of_untold_length_takes_as_it_comes() {
        let bodies = Bodies::default();
        let body = bodies.read(chunked(SMALL + 3 * STEP), false).await;
        assert!(body.as_ref().is_ok_and(|b| b.len() == SMALL + 3 * STEP));
        assert_eq!(free(&bodies), (SMALL_ROOM - SMALL, ROOM - 3 * STEP));
        assert!(matches!(bodies.read(chunked(MAX_BODY + SMALL), false).await, Err(Refusal::TooLarge)));
        assert!(matches!(bodies.read(of(MAX_BODY + 1), false).await, Err(Refusal::TooLarge)));
        drop(body);
        assert_eq!(free(&bodies), (SMALL_ROOM, ROOM));
    }

    #[tokio::test]
    async fn a_body_that_drips_is_given_up_and_leaves_its_room() {
        let bodies = Bodies { patience: Duration::from_millis(20), ..Bodies::default() };
        let begun = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
        let drips = Body::from_stream(futures_util::StreamExt::chain(begun, stream::pending()));
        assert!(matches!(bodies.read(drips, false).await, Err(Refusal::TooSlow)));
        assert_eq!(free(&bodies), (SMALL_ROOM, ROOM));
    }

    #[tokio::test]
    async fn many_small_bodies_are_bounded_too() {
        let bodies = Bodies::default();
        let mut held = Vec::new();
        while let Ok(body) = bodies.read(of(0), false).await {
            held.push(body);
        }
        assert_eq!(held.len(), (SMALL_ROOM + ROOM) / LEAST);
    }
}
