//! What the API's door keeps: the terms of keys, and answers to requests that may come again.
//!
//! A request under an idempotency key is begun here before anything is done, and its answer is kept until its time
//! is over: whoever sends it again, after a lost answer, a restart or on another node, gets the same answer and
//! nothing is done twice. The store knows keyed hashes of caller, key and request, and the sealed answer.

use crate::contract::Fut;
use crate::seal::Sealed;
use jiff::{SignedDuration, Timestamp};

/// A request whose end is not known is asked after for so long, when the node that began it has started anew since.
const LOST_AFTER_A_START: SignedDuration = SignedDuration::from_mins(2);
/// And for so long in any case: nothing that the API does takes that long.
const LOST: SignedDuration = SignedDuration::from_mins(15);

/// Terms of an API key, beside its scopes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyTerms {
    /// Brands that it is for; `None`: every one there is and will be.
    pub brands: Option<Vec<String>>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Its own limit of requests, as `600/m`; `None`: the hub's.
    pub rate: Option<String>,
    /// When it was last used, to the minute.
    pub used_at: Option<Timestamp>,
    /// SHA-256 of the text that it had before its last rotation, and until when that one still opens.
    pub old: Option<(Vec<u8>, Timestamp)>,
}

/// A request under an idempotency key.
#[derive(Debug, Clone)]
pub struct AnswerBegin {
    /// Keyed hash of caller and key.
    pub id: i64,
    /// Keyed hash of method, path and body.
    pub request: i64,
    /// A random number of this try alone.
    pub taker: i64,
    /// Now.
    pub at: Timestamp,
    /// Until when its answer is kept.
    pub expires_at: Timestamp,
    /// May it be done again when it is not known what became of the first try?
    pub again: bool,
}

/// What became of the first request under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// This is the first one: do it, then keep its answer or forget it.
    First,
    /// The same request was answered.
    Answered {
        /// HTTP status.
        status: u16,
        /// What was kept of the answer; `None`: it is not kept, because a secret was in it.
        answer: Option<Vec<u8>>,
    },
    /// Another request has this key.
    Other,
    /// The same request is being done.
    Running,
    /// The same request was begun, and nobody knows what became of it.
    Lost,
}

/// A database that keeps what the API's door needs.
pub trait Gateway: Send + Sync + 'static {
    /// Gives a key a new text; the one that it had opens until `until`. `false`: there is no such key in force.
    fn rotate_api_key(&self, id: &str, hash: Vec<u8>, until: Timestamp) -> Fut<'_, bool>;
    /// Notes that a key was used.
    fn api_key_used(&self, id: &str, at: Timestamp) -> Fut<'_, ()>;

    /// Begins a request under a key, or tells what became of the one that came before.
    fn begin_answer(&self, begin: AnswerBegin) -> Fut<'_, Begun>;
    /// Keeps the answer of the request that `taker` began.
    fn keep_answer(&self, id: i64, taker: i64, status: u16, answer: Option<Sealed>) -> Fut<'_, ()>;
    /// Forgets a request that changed nothing: it may come again.
    fn forget_answer(&self, id: i64, taker: i64) -> Fut<'_, ()>;
}

/// A row of `answers`, as far as it tells what became of a request.
#[derive(Debug)]
pub(crate) struct AnswerRow {
    pub(crate) request: i64,
    pub(crate) taker: i64,
    pub(crate) boot: i64,
    pub(crate) at: Timestamp,
    pub(crate) status: Option<i64>,
    pub(crate) answer: Option<Vec<u8>>,
}

impl AnswerRow {
    /// For who began with `begin`, on a node of this boot.
    pub(crate) fn tells(self, begin: &AnswerBegin, boot: i64) -> Begun {
        if self.request != begin.request {
            return Begun::Other;
        }
        if let Some(status) = self.status {
            return Begun::Answered { status: u16::try_from(status).unwrap_or(200), answer: self.answer };
        }
        if self.taker == begin.taker {
            return Begun::First;
        }
        let age = begin.at.duration_since(self.at);
        let lost = age >= LOST || (self.boot != boot && age >= LOST_AFTER_A_START);
        if lost { Begun::Lost } else { Begun::Running }
    }
}

/// How often a request is begun that finds the one before it forgotten meanwhile.
pub(crate) const AGAIN: u32 = 20;

/// Begun before: lost for everybody, and lost when its node has started anew.
pub(crate) fn lost_before(now: Timestamp) -> (Timestamp, Timestamp) {
    (now.saturating_sub(LOST).unwrap_or(now), now.saturating_sub(LOST_AFTER_A_START).unwrap_or(now))
}
