//! Counters of what went through the host. Each call and each webhook ends in exactly one of them,
//! so that a test can account for everything.

use serde::Serialize;

/// What went through the host since it started.
///
/// Once no call is being answered, `calls = answered + throttled + failed + cut + lost + halved + abandoned`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Traffic {
    /// Calls to a connection that the host serves.
    pub calls: u64,
    /// Answered by the double (errors of its own included), or refused as too large.
    pub answered: u64,
    /// Answered 429 by a fault; no work was done.
    pub throttled: u64,
    /// Answered 500 by a fault; no work was done.
    pub failed: u64,
    /// Closed before the work.
    pub cut: u64,
    /// Work done, closed without an answer.
    pub lost: u64,
    /// Work done, closed in the middle of the answer.
    pub halved: u64,
    /// The caller went away before it was answered.
    pub abandoned: u64,
    /// Webhooks.
    pub webhooks: WebhookTraffic,
}

/// What became of the webhooks.
///
/// Once none is pending, `scheduled + duplicated = sent + given_up + dropped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct WebhookTraffic {
    /// Made by the doubles.
    pub scheduled: u64,
    /// Copies that a fault added.
    pub duplicated: u64,
    /// Held back by a fault, so that later ones overtake.
    pub delayed: u64,
    /// Taken by the hub with a 2xx, copies included.
    pub sent: u64,
    /// Never sent, by a fault.
    pub dropped: u64,
    /// Tries that ended without a 2xx: refused, unreachable, too slow.
    pub refused: u64,
    /// Ended without a 2xx: a single try that failed, or a persistent one out of time.
    pub given_up: u64,
}
