//! Why a message went out when it did, or did not: the decisions that were made, as they were kept.

use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_domain::EffectId;
use pasarela_store::{AttemptRow, EffectState, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One decision about a message.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// When.
    #[schemars(with = "pasarela_domain::Moment")]
    pub at: Timestamp,
    /// `allow`, `defer`, `refuse`, or `not_taken`: the provider would not take it.
    pub verdict: String,
    /// Stable code of the rule that stood in the way.
    pub rule: Option<String>,
    /// Where it is written.
    pub article: Option<String>,
    /// Until when it was put off.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub until: Option<Timestamp>,
    /// Class, purpose, channel, and the version of the tables that it was decided with.
    pub message: Value,
    /// What was looked at, in order.
    pub checks: Vec<Value>,
}

impl Explained {
    /// The decision in a row of an effect's history; `None`: it is an attempt, or the person's data is gone, and with
    /// it what was decided from it.
    #[must_use]
    pub fn of(row: &AttemptRow) -> Option<Self> {
        #[derive(Deserialize)]
        struct Kept {
            verdict: String,
            rule: Option<String>,
            article: Option<String>,
            until: Option<Timestamp>,
            message: Value,
            #[serde(default)]
            checks: Vec<Value>,
        }
        if !Self::is_one(row) {
            return None;
        }
        let Kept { verdict, rule, article, until, message, checks } = serde_json::from_slice(&row.detail).ok()?;
        Some(Self { at: row.started_at, verdict, rule, article, until, message, checks })
    }

    /// Is this row of an effect's history a decision, and no attempt?
    #[must_use]
    pub fn is_one(row: &AttemptRow) -> bool {
        matches!(row.outcome.as_str(), "allowed" | "deferred" | "refused")
    }
}

/// Everything that was decided about a message.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Explanation {
    /// The effect that sends it.
    pub id: EffectId,
    /// Connection that sends it.
    pub connection: String,
    /// Its action.
    pub action: String,
    /// State now.
    pub state: EffectState,
    /// Class, as the flow gives it; without one it counts as marketing.
    pub class: Option<String>,
    /// Purpose.
    pub purpose: Option<String>,
    /// When it is decided again, if it was put off.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub decided_again_at: Option<Timestamp>,
    /// Is it a message at all?
    pub is_message: bool,
    /// Decisions, oldest first.
    pub decisions: Vec<Explained>,
}

impl Inner {
    /// The decisions about a message; `None`: there is no such effect.
    pub(crate) async fn explain_message(&self, id: EffectId) -> Result<Option<Explanation>, Error> {
        let Some(row) = self.store.effect(id).await? else { return Ok(None) };
        let connection = self.connection_by_id(row.connection);
        let action = connection.as_ref().and_then(|c| c.manifest().action(&row.action));
        let mut decisions: Vec<Explained> = self.store.attempts(id).await?.iter().filter_map(Explained::of).collect();
        decisions.sort_by_key(|d| d.at);
        Ok(Some(Explanation {
            id,
            connection: self.connection_name(row.connection),
            action: row.action,
            state: row.state,
            class: row.class,
            purpose: row.purpose,
            decided_again_at: row.not_before.filter(|_| row.state == EffectState::Deferred),
            is_message: action.is_some_and(|a| a.message.is_some()),
            decisions,
        }))
    }
}
