//! T1: a request from outside becomes a delivery. Verified before anything is stored, answered 2xx
//! only after the bytes are on disk (G1), and never calling out (the provider may be holding a
//! transaction open while it waits for us).

use crate::connections::{ConnectionRuntime, Hold};
use crate::engine::Inner;
use crate::feed::Pending;
use crate::pack::pack;
use crate::telemetry::count;
use crate::whole::whole;
use bytes::Bytes;
use pasarela_connector::{Answer, RawRequest, Source, Verdict};
use pasarela_domain::DeliveryId;
use pasarela_store::{Accepted, Error, NewDelivery};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A request as it came in.
pub struct InboundRequest<'a> {
    /// `POST`, or `GET` for challenges.
    pub method: &'a str,
    /// Query string without the question mark.
    pub query: &'a str,
    /// Headers.
    pub headers: &'a http::HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// What the caller is to be told.
#[derive(Debug)]
pub enum Admission {
    /// On disk: 200.
    Accepted(DeliveryId),
    /// Accepted before: 200.
    Known,
    /// Answer of a challenge or ping.
    Reply(Answer),
    /// Not authentic: 401. The reason is for the operator's log.
    Forged(&'static str),
    /// No connection of that name: 404.
    NoConnection,
    /// Too much at once, or the disk is full: 503 with `Retry-After`.
    Busy(String),
}

impl Inner {
    pub(crate) async fn accept(self: &Arc<Self>, connection: &str, request: InboundRequest<'_>) -> Admission {
        let Some(connection) = self.connection(connection) else { return Admission::NoConnection };
        let now = self.clock.now();
        let replay_key = match verify(&connection, &request, now) {
            Some(Verdict::Authentic { replay_key }) => replay_key,
            Some(Verdict::Forged(why)) => return self.forged(&connection, why),
            Some(Verdict::Reply(answer)) => return Admission::Reply(answer),
            None => return self.forged(&connection, "the connector failed on this request; please report it"),
        };
        connection.heard(now);
        let headers = request.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes()));
        let packed = pack(headers, &request.body);
        // A sender that hangs up now has perhaps sent for the only time: it is kept and decided all the same.
        whole(self.clone().keep_inbound(connection, Source::Webhook, request.body, packed, replay_key, now)).await
    }

    /// Keeps a verified request, and hands it to its decider.
    pub(crate) async fn keep_inbound(
        self: Arc<Self>,
        connection: Arc<ConnectionRuntime>,
        source: Source,
        body: Bytes,
        packed: Vec<u8>,
        replay_key: Option<String>,
        now: jiff::Timestamp,
    ) -> Admission {
        let (size, door) = (packed.len(), at_door(&connection, &body));
        let bytes = size as u64;
        if let Err(why) = self.intake.admit(bytes, door) {
            count(&self.metrics.capped);
            self.missed(&connection);
            return Admission::Busy(why);
        }
        let sealed = self.store.sealer().seal(&packed);
        // While it waits for the writer it is in memory as it came and sealed, and not a third time.
        drop(packed);
        let stored = self.store.accept(NewDelivery {
            connection: connection.id,
            source: source.as_str(),
            received_at: now,
            packed: sealed,
            replay_key,
            door,
        });
        // The writer works already; meanwhile the body is read, once.
        let by_memory = connection.is_own() && self.store.alone().is_some() && self.feed.by_memory(size);
        let translation = by_memory.then(|| Arc::new(self.translate(&connection, source, &body)));
        let stored = stored.await;
        self.intake.answered(bytes);
        match stored {
            Ok(Accepted::New(id)) => {
                count(&self.metrics.accepted);
                self.hand_in(Pending {
                    id,
                    connection: connection.id,
                    source,
                    received_at: now,
                    translation,
                    packed: Vec::new(),
                    size,
                    tries: 0,
                    proposal: false,
                    door,
                });
                Admission::Accepted(id)
            }
            Ok(Accepted::Known) => {
                count(&self.metrics.known);
                Admission::Known
            }
            Err(e) => self.refused(&connection, &e),
        }
    }

    fn forged(&self, connection: &ConnectionRuntime, why: &'static str) -> Admission {
        self.metrics.forged(connection.name());
        tracing::info!(connection = connection.name(), why, "a request was not authentic");
        Admission::Forged(why)
    }

    /// Says no, and remembers that a provider which tries once has now been lost: reconcile at once.
    fn refused(&self, connection: &ConnectionRuntime, e: &Error) -> Admission {
        self.metrics.refused.fetch_add(1, Ordering::Relaxed);
        if !matches!(e, Error::Busy) {
            tracing::error!(connection = connection.name(), error = %e, "a delivery could not be stored");
        }
        self.missed(connection);
        Admission::Busy(e.to_string())
    }

    /// A request of this connection was refused for a reason of ours.
    pub(crate) fn missed(&self, connection: &ConnectionRuntime) {
        if connection.hold() == Hold::Foreign {
            self.neighbours.missed(connection.id);
        } else {
            connection.missed(self.clock.now());
        }
    }
}

/// A connector that panics here tells of nobody at the door.
pub(crate) fn at_door(connection: &ConnectionRuntime, body: &[u8]) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| connection.connector().at_door(body))).unwrap_or(false)
}

/// `None`: the connector panicked.
fn verify(connection: &ConnectionRuntime, request: &InboundRequest<'_>, now: jiff::Timestamp) -> Option<Verdict> {
    let header = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok());
    let raw = RawRequest { method: request.method, query: request.query, header: &header, body: &request.body };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| connection.connector().verify(&raw, now))).ok()
}
