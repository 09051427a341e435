//! What a connector asks the engine to do next, and what it makes of an answer.

use crate::Request;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// What a pure call may know of the world.
#[derive(Debug, Clone, Copy)]
pub struct Ctx<'a> {
    /// Business time.
    pub now: Timestamp,
    /// Idempotency key of the effect (with its generation): stable for its whole life.
    pub key: &'a str,
    /// Attempt, from 1.
    pub attempt: u32,
}

/// Next step of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Make this call. The engine stores the request and the state before it sends.
    Call(Call),
    /// One outcome per input, in the order of the inputs.
    End(Vec<Outcome>),
}

impl Step {
    /// The same outcome for a single input.
    #[must_use]
    pub fn end(outcome: Outcome) -> Self {
        Self::End(vec![outcome])
    }

    /// The same outcome for each of `n` inputs.
    #[must_use]
    pub fn all(n: usize, outcome: &Outcome) -> Self {
        Self::End(vec![outcome.clone(); n])
    }
}

/// One call of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What to send.
    pub request: Request,
    /// What `on` needs to go on: versioned by the connector, small, no personal bytes in it.
    pub state: Value,
    /// May these bytes be sent again when it is not known whether they arrived?
    pub repeat: Repeat,
}

/// What happens when the same bytes are sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// Nothing: a read, or a write that sets a state.
    Safe,
    /// Nothing: the provider knows the key again.
    SameKey,
    /// It happens twice.
    Never,
}

/// What became of one effect (engine.md, "Connector contract").
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is done.
    Done(Done),
    /// Some of it is done.
    Partial {
        /// What was done.
        done: Value,
        /// What was not, and why.
        failed: Value,
    },
    /// Try again.
    Retry {
        /// Not before; `None`: by backoff.
        after: Option<Duration>,
        /// Who has to wait.
        scope: Scope,
        /// For people.
        why: String,
    },
    /// Too fast. Does not count as a failed try.
    Throttled {
        /// Not before; `None`: by backoff.
        after: Option<Duration>,
        /// Who has to wait.
        scope: Scope,
    },
    /// The credential is not accepted: one refresh, then again.
    AuthExpired,
    /// The provider is not well: feeds the circuit breaker.
    ProviderDown {
        /// Not before; `None`: by backoff.
        after: Option<Duration>,
        /// For people.
        why: String,
    },
    /// It will never work as asked. Fires `otherwise`.
    GiveUp {
        /// Stable code.
        code: String,
        /// For people.
        why: String,
    },
    /// Whom or what it was for is gone. Fires `otherwise`.
    TargetGone {
        /// For people.
        why: String,
    },
    /// A person has to act first (billing, blocked account): becomes a dead letter.
    NeedsHuman {
        /// For people.
        why: String,
    },
    /// It is not known whether it was done.
    Unknown {
        /// For people.
        why: String,
    },
    /// Not sent, because a rule forbids it. No failure: nothing stands in for it, and nobody has to act.
    Withheld {
        /// Stable name of the rule, by which it is counted.
        rule: String,
        /// For people.
        why: String,
    },
    /// Its moment has passed: sending it now would do harm or tell an untruth.
    Dropped {
        /// Stable code.
        code: String,
        /// For people.
        why: String,
    },
}

impl Outcome {
    /// Done, with a result for the flow.
    #[must_use]
    pub fn done(result: Value) -> Self {
        Self::Done(Done { result, reference: None })
    }

    /// Give up with a code and a reason.
    pub fn give_up(code: impl Into<String>, why: impl Into<String>) -> Self {
        Self::GiveUp { code: code.into(), why: why.into() }
    }

    /// Not sent, by a rule.
    pub fn withheld(rule: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Withheld { rule: rule.into(), why: why.into() }
    }

    /// Its moment has passed.
    pub fn dropped(code: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Dropped { code: code.into(), why: why.into() }
    }

    /// Stable name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Partial { .. } => "partial",
            Self::Retry { .. } => "retry",
            Self::Throttled { .. } => "throttled",
            Self::AuthExpired => "auth_expired",
            Self::ProviderDown { .. } => "provider_down",
            Self::GiveUp { .. } => "give_up",
            Self::TargetGone { .. } => "target_gone",
            Self::NeedsHuman { .. } => "needs_human",
            Self::Unknown { .. } => "unknown",
            Self::Withheld { .. } => "withheld",
            Self::Dropped { .. } => "dropped",
        }
    }
}

/// A done effect.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Done {
    /// What flows see as `steps.<id>.<field>`.
    pub result: Value,
    /// The provider's reference, by which late news is matched (a `wamid`).
    pub reference: Option<String>,
}

/// Who has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This effect and what is behind it in its lane.
    Effect,
    /// The whole connection.
    Connection,
}

/// What a read-back says of a call whose answer was lost.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadBack {
    /// It took effect.
    Done(Done),
    /// It did not: send again.
    NotThere,
    /// Cannot tell.
    Unclear(String),
}

/// What authenticates a call. Kept in memory and, sealed, in the store; added to a request when it is
/// sent, and to nothing that is stored or shown.
#[derive(Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Auth {
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// Query parameters, for providers that have no header for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, String)>,
    /// When a new one is to be fetched; `None`: never.
    pub expires: Option<Timestamp>,
    /// What brings the next one, where the provider gives a new one with each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
    /// Short hash of the credentials that it was made with: others make another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_with: Option<String>,
}

impl Auth {
    /// `Authorization: Bearer TOKEN`.
    #[must_use]
    pub fn bearer(token: &str) -> Self {
        Self::header("authorization", format!("Bearer {token}"))
    }

    /// `Authorization: Basic ...` (RFC 7617).
    #[must_use]
    pub fn basic(user: &str, password: &str) -> Self {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        Self::header("authorization", format!("Basic {pair}"))
    }

    /// One header.
    #[must_use]
    pub fn header(name: &str, value: impl Into<String>) -> Self {
        Self { headers: vec![(name.to_ascii_lowercase(), value.into())], ..Self::default() }
    }

    /// One query parameter.
    #[must_use]
    pub fn parameter(name: &str, value: impl Into<String>) -> Self {
        Self { query: vec![(name.to_owned(), value.into())], ..Self::default() }
    }

    /// Good until this moment.
    #[must_use]
    pub fn until(mut self, expires: Option<Timestamp>) -> Self {
        self.expires = expires;
        self
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.headers.iter().chain(&self.query).map(|(n, _)| n.as_str()).collect();
        f.debug_struct("Auth").field("names", &names).field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// Next step of authenticating.
#[derive(Debug, Clone, PartialEq)]
pub enum AuthStep {
    /// Use this.
    Ready(Auth),
    /// Make this call first (a login, a token refresh). It is never stored or logged.
    Call(Request),
    /// The provider refuses, or a setting is missing: a clear state, not a loop.
    Refused(String),
    /// Try later.
    Later(String),
}

/// One record that reconciliation read.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What [`translate`](crate::Connector::translate) gets with [`Source::Poll`](crate::Source::Poll):
    /// the record with whatever envelope the connector needs to know it again.
    pub body: Value,
}

/// Next step of reconciling.
#[derive(Debug, Clone, PartialEq)]
pub enum PollStep {
    /// Make this call (a read) and come back with the answer and this state.
    Call {
        /// What to send.
        request: Request,
        /// What the next step needs.
        state: Value,
    },
    /// Records were read. The engine stores them before it stores the cursor. With `more` the
    /// engine goes on at once from `cursor`; without, the task is complete for now.
    Page {
        /// What was read.
        records: Vec<Record>,
        /// Where to go on.
        cursor: Value,
        /// Is there more to read now?
        more: bool,
    },
    /// Reading failed; the cursor stays.
    Failed(Outcome),
}
