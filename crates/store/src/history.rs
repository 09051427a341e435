//! An invented past, for measuring: how large it is, and what is in it. Adapters fill an empty database
//! with it far faster than it could happen (`fill`), in the order of every index.
//!
//! Nothing of it is random: row `n` is the same in every database of the same size, so that what is to be
//! found is known. Keys are spread over all numbers as keyed hashes are, but rise with the ids.

use crate::seal::Sealer;
use pasarela_domain::{DeliveryId, EffectId, EventId, RunId};

/// Ids of the past begin here: some day of 2024, before every id that a hub makes from now on.
const FIRST: i64 = 1 << 50;
/// Effects of each run.
pub(crate) const EFFECTS: u64 = 3;
/// When everything of it happened (2024-03-01).
pub(crate) const WHEN: i64 = 1_709_251_200_000;
/// Type of its events.
pub const TYPE: &str = "tienda.order.created";

/// How much has happened, and by which rows of the database.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// Decided deliveries with an event each.
    pub events: u64,
    /// Finished runs, of the first events, with three done effects each.
    pub runs: u64,
    /// Deliveries that wait to be decided, behind all others.
    pub pending: u64,
    /// Bytes of each body.
    pub body: usize,
    /// Row of the connection that all of it belongs to.
    pub connection: i64,
    /// Row of the flow version that the runs are of.
    pub flow: i64,
}

impl History {
    fn nth(n: u64) -> i64 {
        FIRST + i64::try_from(n).unwrap_or(i64::MAX - FIRST)
    }

    /// Delivery `n`, counted from 0.
    #[must_use]
    pub fn delivery(n: u64) -> DeliveryId {
        DeliveryId::from_raw(Self::nth(n))
    }

    /// Event `n`.
    #[must_use]
    pub fn event(n: u64) -> EventId {
        EventId::from_raw(Self::nth(n))
    }

    /// Run `n`.
    #[must_use]
    pub fn run(n: u64) -> RunId {
        RunId::from_raw(Self::nth(n))
    }

    /// Effect `k` (of three) of run `n`.
    #[must_use]
    pub fn effect(n: u64, k: u64) -> EffectId {
        EffectId::from_raw(Self::nth(n * EFFECTS + k))
    }

    /// Keyed hash of whatever row `n` is found by: its key, its person, its dedup key.
    #[must_use]
    pub fn key(&self, n: u64) -> i64 {
        let step = i64::MAX.unsigned_abs() / (self.events + self.pending).max(1);
        i64::try_from(n.saturating_mul(step)).unwrap_or(i64::MAX)
    }

    /// Body of delivery `n`, packed as the engine does: no headers.
    pub(crate) fn packed(&self, n: u64) -> Vec<u8> {
        let mut packed = vec![0; 4];
        packed.extend_from_slice(&self.body_of(n));
        packed
    }

    fn body_of(&self, n: u64) -> Vec<u8> {
        let mut body = format!("{{\"id\":\"evt-past-{n}\",\"type\":\"order.created\",\"pad\":\"");
        body.extend(std::iter::repeat_n('x', self.body.saturating_sub(body.len() + 2)));
        body.push_str("\"}");
        body.into_bytes()
    }

    /// What is sealed in the row of event `n`.
    pub(crate) fn event_body(&self, n: u64) -> Vec<u8> {
        let mut body = format!("{{\"key\":\"evt-past-{n}\",\"data\":").into_bytes();
        body.extend(self.body_of(n));
        body.push(b'}');
        body
    }

    /// Sealed filler for a run's state, an effect's input, its request and its outcome.
    pub(crate) fn filler(&self, sealer: &Sealer) -> [Vec<u8>; 4] {
        let of = |bytes: usize| sealer.seal(format!("\"{}\"", "x".repeat(bytes)).as_bytes()).0;
        [of(self.body), of(self.body), of(self.body), of(32)]
    }
}
