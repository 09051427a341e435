//! The contract that a provider is written against. No I/O: a connector turns bytes into
//! facts and intents into requests; the engine does the calls, once for all.
//!
//! A provider is one folder in `pasarela-connectors` that offers a [`Provider`]: its
//! [`Manifest`] (what it can do), [`Provider::connect`] (one configured account of it) and
//! [`Provider::simulator`] (its double). Everything that is the same for all providers is
//! written here once, and a connector names what it needs of it:
//!
//! | | |
//! |---|---|
//! | who calls us | [`verify`]: HMAC, Standard Webhooks, ECDSA, tokens, signed times |
//! | who we are | [`auth`]: fixed credentials, OAuth in three ways, tokens of a login |
//! | what we ask | [`Request`] (JSON, form, query), [`mail`] for what goes by SMTP, [`action`]: one input or a batch |
//! | what it means | [`judge`]: statuses, waits, limits that are left |
//! | what there is | [`poll`]: pages by number, cursor or link |
//! | what there should be | [`provision`]: a model, as a plan that is shown, applied and applied again |
//! | is it right? | [`testkit`]: the conformance suite |

pub mod action;
pub mod auth;
mod config;
mod fact;
pub mod judge;
pub mod mail;
mod manifest;
pub mod poll;
pub mod provision;
pub mod sign;
mod simulator;
mod step;
pub mod testkit;
pub mod verify;
mod wire;

pub use config::{ConfigError, ConnectionConfig, Environment, check_address, check_name};
pub use fact::{Correlation, Dedup, EntityWrite, Fact, Item, Merge, Settlement, Settles, Translation};
pub use manifest::{
    Action, ActionBuilder, ApiVersion, AuthKind, Batch, Credential, Idempotency, Lane, Limits, Manifest, Message,
    OAuth, Rate, SettledBy, Successor, Task, Verification, WayOut,
};
pub use simulator::{Arrival, Attempts, OutgoingWebhook, SimConfig, SimReply, Simulator, Speaks};
pub use step::{Auth, AuthStep, Call, Ctx, Done, Outcome, PollStep, ReadBack, Record, Repeat, Scope, Step};
pub use wire::{Answer, Headers, RawRequest, Request, query_pairs};

use jiff::Timestamp;
use pasarela_domain::EntityRef;
use serde_json::Value;

/// A kind of outside system.
pub trait Provider: Send + Sync + 'static {
    /// What it is and can do.
    fn manifest(&self) -> &Manifest;

    /// Checks one connection's settings and returns its connector.
    fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError>;

    /// What the connection's `base_url` may begin with.
    fn schemes(&self) -> &'static [&'static str] {
        &["https", "http"] // schemes of the web
    }

    /// Does it make the secrets of its webhooks itself, and tell each once? Then a plan that makes one keeps it in the
    /// vault ([`provision::Applied::Told`]), several may lie under one name, a line each, and none need be there yet.
    fn makes_webhook_secrets(&self) -> bool {
        false
    }

    /// A fresh double of the provider; `None` only for providers that are "anything".
    fn simulator(&self, config: SimConfig) -> Option<Box<dyn Simulator>>;
}

/// One configured account of a provider. Pure: holds settings, no state.
pub trait Connector: Send + Sync + 'static {
    /// The settings that it was made of.
    fn config(&self) -> &ConnectionConfig;

    /// Limits that this connection's settings ask for, in place of the manifest's.
    fn limits(&self) -> Option<Limits> {
        None
    }

    /// Version of the provider's API that this connection's settings choose, in place of the manifest's.
    fn api(&self) -> Option<ApiVersion> {
        None
    }

    /// Is this request authentic? Also answers challenges.
    fn verify(&self, request: &RawRequest<'_>, now: Timestamp) -> Verdict;

    /// Does this verified body tell of somebody who stands at the door (a check-in)? Asked before anything
    /// is stored, so a glance must do: such a delivery waits behind no flood of others. Wrong answers
    /// change its turn and nothing else.
    fn at_door(&self, body: &[u8]) -> bool {
        let _ = body;
        false
    }

    /// Takes the facts out of a verified body. `source` says whether a webhook, a poll or a fetch
    /// brought it; polls and fetches hand over what [`Connector::poll`] put into [`Record::body`]
    /// or what [`Connector::fetch`] was answered. An error quarantines the whole delivery.
    fn translate(&self, source: Source, body: &[u8]) -> Result<Translation, Unread>;

    /// Begins an action for one input, or for several when the manifest allows a batch.
    /// Inputs have been checked against the action's schema.
    fn begin(&self, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step;

    /// Goes on with the answer to the call that `state` belongs to.
    fn on(&self, action: &str, inputs: &[Value], state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step;

    /// Must this not be sent any more? Asked before every try, also where the bytes of an earlier one are sent
    /// again: consent may have been taken back, or its moment may have passed.
    fn stops(&self, _action: &str, _input: &Value, _ctx: &Ctx<'_>) -> Option<Outcome> {
        None
    }

    /// Asks the provider whether a call whose answer was lost took effect. Only for actions whose
    /// manifest says [`Idempotency::Readable`].
    fn read_back(&self, _action: &str, _input: &Value, _ctx: &Ctx<'_>) -> Option<Request> {
        None
    }

    /// Judges the answer to [`Connector::read_back`].
    fn judge_read_back(&self, _action: &str, _input: &Value, _answer: &Answer) -> ReadBack {
        ReadBack::Unclear("this action cannot be read back".into())
    }

    /// Credential for the next calls, or the call that brings one. Asked only where the manifest says
    /// [`AuthKind::Login`] or [`AuthKind::Configured`]; all else is done by [`auth`].
    fn authenticate(&self, ctx: &Ctx<'_>) -> AuthStep {
        let _ = ctx;
        AuthStep::Ready(Auth::default())
    }

    /// Judges the answer to the call that [`Connector::authenticate`] asked for.
    fn on_authenticate(&self, answer: &Answer, ctx: &Ctx<'_>) -> AuthStep {
        let _ = (answer, ctx);
        AuthStep::Refused("this connection needs no login".into())
    }

    /// Reads one record that an event names and the hub does not know. The answer comes back
    /// through [`Connector::translate`] with [`Source::Fetch`]. `None`: cannot be read.
    fn fetch(&self, entity: &EntityRef) -> Option<Request> {
        let _ = entity;
        None
    }

    /// Next step of reconciling `task` (named by the manifest). `cursor` is what the last finished
    /// step left, `None` at the beginning of time; `answer` is the answer to the last
    /// [`PollStep::Call`], with its state.
    fn poll(&self, task: &str, cursor: Option<&Value>, answer: Option<(&Value, &Answer)>, ctx: &Ctx<'_>) -> PollStep {
        let _ = (task, cursor, answer, ctx);
        PollStep::Failed(Outcome::GiveUp { code: "no_history".into(), why: "this provider has no history".into() })
    }

    /// Asks for a record by itself that a reading of everything did not show. `None`: what is not shown is only told.
    fn look_for(&self, entity: &EntityRef) -> Option<Request> {
        let _ = entity;
        None
    }

    /// What the answer to [`Connector::look_for`] says: the record that tells that it is gone, for
    /// [`Connector::translate`] with [`Source::Poll`]; `None` when it is there, or when it does not say.
    fn gone(&self, entity: &EntityRef, answer: &Answer, ctx: &Ctx<'_>) -> Option<Record> {
        let _ = (entity, answer, ctx);
        None
    }

    /// A cheap call that proves that the provider is there and the credential works.
    fn probe(&self) -> Option<Request> {
        None
    }

    /// What the answer to [`Connector::probe`] proves. `Err`: what is wrong and what to do. By default a
    /// success says that the credential works.
    fn judge_probe(&self, answer: &Answer) -> Result<String, String> {
        if answer.is_success() { Ok("the provider accepts it".into()) } else { Err(refused_probe(answer)) }
    }

    /// A read that lists the webhooks that the provider calls. `None`: it cannot be asked.
    fn hooks(&self) -> Option<Request> {
        None
    }

    /// Addresses in the answer to [`Connector::hooks`] that are called. `None`: it is not understood.
    fn registered(&self, _answer: &Answer) -> Option<Vec<String>> {
        None
    }

    /// What some servers of this provider can do and others cannot. Which of it this one can is a read model `trait`
    /// under its name, written by whatever finds it out.
    fn traits(&self) -> &'static [Trait] {
        &[]
    }

    /// How the provider's account is brought to a model; `None`: this one is left as people set it up.
    fn provisioner(&self) -> Option<&dyn provision::Provisioner> {
        None
    }

    /// A request as the provider would send it, truly signed, that tells of nothing: it proves the way from
    /// the public address to the inbox. `None`: only the provider itself can sign.
    fn trial(&self, _now: Timestamp) -> Option<Trial> {
        None
    }
}

/// Something that some servers of a provider can do and others cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trait {
    /// Its name: `waitlist`.
    pub name: &'static str,
    /// For people, in Spanish.
    pub es: &'static str,
    /// For people, in English.
    pub en: &'static str,
    /// First version that can do it.
    pub since: &'static str,
}

/// A webhook of our own making, for a trial of the way in.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Headers, signature included.
    pub headers: Headers,
    /// Body, byte for byte.
    pub body: bytes::Bytes,
}

/// What a refused probe means, by its status.
fn refused_probe(answer: &Answer) -> String {
    let said = answer.excerpt(120);
    match answer.status {
        401 | 403 => format!("HTTP {}: the provider refuses the credential; renew it ({said})", answer.status),
        404 => format!("HTTP 404: there is nothing at this address; check base_url ({said})"),
        429 => "HTTP 429: the limit is used up; it goes on by itself".into(),
        500..=599 => format!("HTTP {}: the provider is not well; look at its status page", answer.status),
        status => format!("HTTP {status}: {said}"),
    }
}

/// What a connector says of an inbound request.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Signed by the provider. A replay key, where the scheme has one, is refused the second time
    /// within its time window.
    Authentic {
        /// Nonce or message id of the signature scheme.
        replay_key: Option<String>,
    },
    /// Not authentic: 401. The reason is for the operator and never holds the secret.
    Forged(&'static str),
    /// A challenge or ping: this is the answer, and nothing is stored.
    Reply(Answer),
}

/// How a delivery came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The provider called.
    Webhook,
    /// Reconciliation read a page.
    Poll,
    /// A record was read because an event named it.
    Fetch,
    /// Brought in by hand.
    Import,
}

impl Source {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Poll => "poll",
            Self::Fetch => "fetch",
            Self::Import => "import",
        }
    }
}

/// A verified body that could not be understood: quarantined whole, and replayable.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("cannot read the body: {0}")]
pub struct Unread(pub String);

impl From<serde_json::Error> for Unread {
    fn from(e: serde_json::Error) -> Self {
        Self(e.to_string())
    }
}
