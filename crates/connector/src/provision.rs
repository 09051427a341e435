//! Bringing a provider's account to a model: what is there is read, a plan says what differs, and its steps are done
//! one after another. Pure, as everything here: the engine makes the calls.
//!
//! Promise: a plan only adds. What people made stays as it is: where it stands in the way, the step is a
//! [`Change::Conflict`] that is shown and never forced. What was done is seen by the next look, so a plan that was
//! cut off goes on, and one that was done has nothing left to do.

mod steps;

pub use steps::{Draft, Judged, Stands, blocked, conflict, create, keep, seen, update, written};

use crate::{Answer, Ctx, Outcome, Request};
use pasarela_domain::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A connector whose provider can be brought to a model.
pub trait Provisioner: Send + Sync {
    /// Next read of what is there. `answer` is the answer to the last [`Survey::Call`], with its state; `known` is
    /// what an earlier look of the same run saw: what was refused then is not asked for again.
    fn survey(
        &self,
        ask: &Wanted<'_>,
        known: Option<&Value>,
        answer: Option<(&Value, &Answer)>,
        ctx: &Ctx<'_>,
    ) -> Survey;

    /// What differs between the model and what was seen.
    fn plan(&self, ask: &Wanted<'_>, seen: &Value) -> Plan;

    /// The request that does a step; `None`: it has nothing to do, or waits for another one. With the secrets that
    /// the plan's own [`Shown`] leaves out, so it is kept nowhere.
    fn request(&self, ask: &Wanted<'_>, seen: &Value, step: &str) -> Option<Request>;

    /// What the answer to a step's request means, and what is there now.
    fn judge(&self, ask: &Wanted<'_>, seen: &Value, step: &str, answer: &Answer, ctx: &Ctx<'_>) -> Applied;
}

/// What only the hub knows of itself.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Where this connection's webhooks are to go; `None`: the hub has no address that the provider could reach.
    pub hook: Option<&'a str>,
}

/// Next step of looking.
#[derive(Debug, Clone, PartialEq)]
pub enum Survey {
    /// Make this read and come back with its answer and this state.
    Call {
        /// What to send; it changes nothing.
        request: Request,
        /// What the next step needs.
        state: Value,
    },
    /// All was read. The connector's own shape, without secrets.
    Seen(Value),
    /// It could not be read.
    Failed(Outcome),
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// In the order in which they are done.
    pub steps: Vec<PlanStep>,
    /// Rights that the credential lacks.
    pub missing: Vec<MissingRight>,
    /// What a person should know or set, beside the steps.
    pub advice: Vec<String>,
}

impl Plan {
    /// Steps that are to be done.
    pub fn todo(&self) -> impl Iterator<Item = &PlanStep> {
        self.steps.iter().filter(|s| s.change.is_todo())
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanStep {
    /// Stable name: the same step in every plan (`field:person.hubId`).
    pub id: String,
    /// What it is about, for people.
    pub what: String,
    /// Why it is done, left as it is, or cannot be done.
    pub why: String,
    /// What happens.
    pub change: Change,
    /// What would be sent; none where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Shown>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is not there and is made.
    Create,
    /// It is there and gets what it lacks.
    Update,
    /// It is as it should be, or people have it their way.
    Keep,
    /// Something else stands there. It is shown and never forced.
    Conflict,
    /// A right, a setting or another step is missing.
    Blocked,
}

impl Change {
    /// Is there something to do?
    #[must_use]
    pub fn is_todo(self) -> bool {
        matches!(self, Self::Create | Self::Update)
    }

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Keep => "keep",
            Self::Conflict => "conflict",
            Self::Blocked => "blocked",
        }
    }
}

/// A request as it is shown: without secrets, and with `{{name.id}}` where an id is known only when an earlier step
/// is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// Upper case.
    pub method: String,
    /// Path below the provider's address.
    pub path: String,
    /// JSON body.
    pub body: Value,
}

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingRight {
    /// As the provider names it.
    pub right: String,
    /// What to do about it, for people.
    pub advice: String,
    /// Steps that cannot be done without.
    pub steps: Vec<String>,
}

/// What came of a step.
#[derive(Debug, Clone)]
pub enum Applied {
    /// It is done.
    Done {
        /// What is there now.
        seen: Value,
    },
    /// It is done, and the provider told the secret by which its webhooks are verified from now on. It is kept in the
    /// vault, under the name that stands first in the connection's `webhook_secrets`, and shown nowhere.
    Told {
        /// What is there now; the secret is no part of it.
        seen: Value,
        /// Told once.
        secret: Secret,
    },
    /// It was refused, and would be again. Other steps may still go.
    Refused {
        /// What is there now, with the refusal.
        seen: Value,
        /// For people.
        why: String,
    },
    /// Whether it was done must be looked at.
    Unclear {
        /// For people.
        why: String,
    },
    /// No step can go now.
    Stop(Outcome),
}
