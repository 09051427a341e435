//! One action of one connection, because a person asked for it: cancel this order, send that ticket again.
//!
//! Promise: it takes the way of everything else. What was asked is an event of the hub's own (`action.asked`), and a
//! flow makes the effect of it: with a lane, retries, the law's gate, a story to look at, and a place among what needs
//! a person when it fails. The flow is made of the action's schema and pushed when it is first asked for, so it is
//! seen, and may be replaced, like every flow.
//! What can be said beforehand is said at once: an input that the connector refuses is not asked for at all.

use crate::accept::Admission;
use crate::cases::news::News;
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::flows::PushError;
use pasarela_connector::{Action, Ctx, Outcome, Step};
use pasarela_domain::DeliveryId;
use pasarela_domain::model::ActionAsked;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

/// Begins the names of these flows.
const BY_HAND: &str = "a-mano";

/// The event that says what was asked.
pub(crate) const ASKED: &str = "action.asked";

/// What somebody wants done.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Connection at which.
    pub connection: String,
    /// Action, by its name.
    pub action: String,
    /// Its input.
    pub input: Value,
    /// What it is about, as events name it: `order:1011`. What is asked about the same is decided in its order.
    pub about: String,
    /// Who asks, as the story shows it.
    pub by: String,
}

/// It will be done.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct Asked {
    /// The delivery that says what was asked; its event and the event's story follow from it.
    pub delivery_id: DeliveryId,
}

/// Why it is not asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AskError {
    /// There is no such connection.
    #[error("there is no connection '{0}'")]
    NoConnection(String),
    /// The provider has no such action.
    #[error("{connection} has no action '{action}'{}", .has.as_ref().map(|h| format!("; it has {h}")).unwrap_or_default())]
    NoAction {
        /// Connection.
        connection: String,
        /// Action.
        action: String,
        /// Those that it has.
        has: Option<String>,
    },
    /// The input cannot be sent: why, in the connector's words.
    #[error("{0}")]
    Refused(String),
    /// The hub has no room now.
    #[error("the hub cannot take it now: {0}")]
    Busy(String),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] pasarela_store::Error),
}

impl Inner {
    /// Has it done.
    pub(crate) async fn do_by_hand(self: &Arc<Self>, wish: Wish) -> Result<Asked, AskError> {
        self.ready_by_hand(&wish.connection, &wish.action, &wish.input).await?;
        let now = self.clock.now();
        let data = ActionAsked { connection: wish.connection, action: wish.action, input: wish.input, by: wish.by };
        let news = News {
            news: ASKED.into(),
            key: wish.about,
            id: self.next_run_id(now).to_string(),
            at: now,
            data: serde_json::to_value(data).unwrap_or_default(),
        };
        match self.hand_in_news(&news).await? {
            Admission::Accepted(delivery_id) => Ok(Asked { delivery_id }),
            Admission::Busy(why) => Err(AskError::Busy(why)),
            _ => Err(AskError::Busy("it was not taken".into())),
        }
    }

    /// Would it be done, as far as that can be said without asking the provider?
    pub(crate) fn would_do(&self, connection: &str, action: &str, input: &Value) -> Result<(), AskError> {
        let (connection, action) = self.offered(connection, action)?;
        self.try_input(connection, action, input)
    }

    /// The same, and the flow that does it is in force.
    pub(crate) async fn ready_by_hand(
        self: &Arc<Self>,
        connection: &str,
        action: &str,
        input: &Value,
    ) -> Result<(), AskError> {
        let (found, offered) = self.offered(connection, action)?;
        self.try_input(found, offered, input)?;
        self.flow_by_hand(connection, offered).await
    }

    fn offered(&self, connection: &str, action: &str) -> Result<(&Arc<ConnectionRuntime>, &Action), AskError> {
        let found = self.connections.get(connection).ok_or_else(|| AskError::NoConnection(connection.to_owned()))?;
        let offered = found.manifest().action(action).ok_or_else(|| AskError::NoAction {
            connection: connection.to_owned(),
            action: action.to_owned(),
            has: names(found),
        })?;
        Ok((found, offered))
    }

    /// The connector is pure: what it would say of this input at the first try, it says now.
    fn try_input(&self, connection: &ConnectionRuntime, action: &Action, input: &Value) -> Result<(), AskError> {
        let ctx = Ctx { now: self.clock.now(), key: "eff_trial", attempt: 1 };
        let inputs = std::slice::from_ref(input);
        let begun = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            connection.connector().begin(action.name, inputs, &ctx)
        }));
        match begun {
            Ok(Step::End(outcomes)) => match outcomes.into_iter().next() {
                Some(Outcome::GiveUp { why, .. } | Outcome::NeedsHuman { why }) => Err(AskError::Refused(why)),
                _ => Ok(()),
            },
            Ok(Step::Call(_)) => Ok(()),
            Err(_) => Err(AskError::Refused("the connector failed on this input; please report it".into())),
        }
    }

    /// The flow that does this action, in force.
    async fn flow_by_hand(self: &Arc<Self>, connection: &str, action: &Action) -> Result<(), AskError> {
        // Actions have no dash in their names: no two pairs make one name.
        let name = format!("{BY_HAND}-{connection}-{}", action.name);
        let there = self.flows.load().all().find(|(_, f)| f.name == name).map(|(_, f)| f.clone());
        let version = there.as_ref().map_or(1, |f| f.version);
        // Who replaced it by one of their own has put another version in force, whose text is theirs.
        let ours = there.as_ref().is_some_and(|f| f.source == text_of(&name, version, connection, action));
        let theirs = there.as_ref().is_some_and(|f| !f.source.starts_with(MADE));
        if ours || theirs {
            return Ok(());
        }
        let version = if there.is_some() { version + 1 } else { 1 };
        let text = text_of(&name, version, connection, action);
        let files = [(format!("{name}.yaml"), text)];
        match self.push_flows(&files, BY_HAND, false, None, self.clock.now()).await {
            Ok(_) | Err(PushError::Changed) => Ok(()),
            Err(PushError::Store(e)) => Err(e.into()),
            Err(e @ PushError::Refused(_)) => Err(AskError::Refused(e.to_string())),
        }
    }
}

/// Of what is known, what the action asks for: providers ask for different things.
#[must_use]
pub fn input_of(action: &Action, known: Map<String, Value>) -> Map<String, Value> {
    let asked = action.input.get("properties").and_then(Value::as_object);
    known.into_iter().filter(|(field, _)| asked.is_some_and(|p| p.contains_key(field))).collect()
}

/// First line of a flow that was made here.
const MADE: &str = "# Made by the hub for actions that people ask for.";

fn names(connection: &ConnectionRuntime) -> Option<String> {
    let all: Vec<&str> = connection.manifest().actions.iter().map(|a| a.name).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// The flow's text, out of the action's schema.
fn text_of(name: &str, version: u32, connection: &str, action: &Action) -> String {
    let title = |how: &str| json!(format!("{how}: {connection}.{}", action.name)).to_string();
    let when = format!("{{{{ data.connection == '{connection}' and data.action == '{}' }}}}", action.name);
    let mut text = format!(
        "{MADE} {}.\nflow: {name}\nversion: {version}\ntitle: {{ es: {}, en: {} }}\non: {ASKED}\nwhen: {}\nsteps:\n  - id: hecho\n    do: {connection}.{}\n",
        action.title,
        title("A mano"),
        title("By hand"),
        json!(when),
        action.name,
    );
    if action.message.is_some() {
        // One person asked for one message, which belongs to something that was bought.
        text.push_str("    class: transactional_urgent\n    purpose: sale\n");
    }
    text.push_str("    on_unknown: hold\n    on_dead: skip\n    with:\n");
    let properties = action.input.get("properties").and_then(Value::as_object);
    let must = action.input.get("required").and_then(Value::as_array);
    for (field, schema) in properties.into_iter().flatten() {
        let default = schema.get("default").filter(|d| !d.is_null());
        let or = match default {
            Some(default) => format!(" | default({default})"),
            None if must.is_some_and(|m| m.iter().any(|name| name == field)) => String::new(),
            // What was left out is nothing, and no mistake.
            None => " | default(none)".to_owned(),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "      {field}: {}", json!(format!("{{{{ data.input.{field}{or} }}}}")));
    }
    text
}
