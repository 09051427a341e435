//! Why a message went out when it did, or did not: the decisions that were made, as they were kept.

use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_domain::EffectId;
use pasarela_store::{EffectState, Error};
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
        let mut decisions: Vec<Explained> = Vec::new();
        for attempt in self.store.attempts(id).await? {
            if !is_decision(&attempt.outcome) {
                continue;
            }
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
            // Redacted: the person's data is gone, and with it what was decided from it.
            let Ok(kept) = serde_json::from_slice::<Kept>(&attempt.detail) else { continue };
            let Kept { verdict, rule, article, until, message, checks } = kept;
            decisions.push(Explained { at: attempt.started_at, verdict, rule, article, until, message, checks });
        }
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

/// Is this row of an effect's history a decision of the gate?
pub(crate) fn is_decision(outcome: &str) -> bool {
    matches!(outcome, "allowed" | "deferred" | "refused")
}
