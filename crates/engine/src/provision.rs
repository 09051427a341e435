//! A provider's account brought to the model that its connector has: looked at, planned, and done step by step.
//!
//! Promise: a plan changes nothing. What is applied is what was shown, or nothing is: the plan has a fingerprint. No
//! step rests on what an earlier look saw of a thing that it changes: before an update all is read again, and so it
//! is after an answer that tells nothing. What was cut off goes on with the next run, because a plan is always made
//! of what is there. Requests are kept nowhere: they may hold secrets, which the plan leaves out. A secret that a
//! provider makes and tells once goes into the vault, and nowhere else (ADR 0114).
//! What it is not: no effect. A person asks for it and waits for it, so it takes no lane and no retry of days.

use crate::connections::ConnectionRuntime;
use crate::dispatch::Trouble;
use crate::engine::Inner;
use crate::examine::is_loopback;
use pasarela_connector::provision::{Applied, Change, Plan, Provisioner, Survey, Wanted};
use pasarela_connector::{Answer, Ctx, Environment, Outcome, Repeat, Request, sign};
use pasarela_domain::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Calls of one look; more than any account needs, and no walk that never ends.
const MOST_READS: usize = 500;

/// Tries of one step in a run: the second one follows a look.
const TRIES: u32 = 2;

/// Pauses between the tries of one read, which changes nothing: somebody waits, so they are short.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(700), Duration::from_secs(2)];

/// Why nothing can be planned or applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProvisionError {
    /// No such connection.
    #[error("there is no connection '{0}'")]
    NoConnection(String),
    /// Its provider has no model.
    #[error("connection '{connection}' has nothing to provision: an account of {provider} is left as people set it up")]
    NoModel {
        /// Connection.
        connection: String,
        /// Provider.
        provider: &'static str,
    },
    /// Credentials are missing.
    #[error("connection '{connection}' has no {missing}; set it, and start the hub again")]
    NoCredentials {
        /// Connection.
        connection: String,
        /// Which.
        missing: String,
    },
    /// What is there could not be read.
    #[error("what is there at '{connection}' could not be read: {why}")]
    Unread {
        /// Connection.
        connection: String,
        /// For people.
        why: String,
    },
    /// Another plan was shown.
    #[error("the plan has changed since it was shown ({shown}, now {now}); look at it again, and apply that one")]
    Changed {
        /// Fingerprint that was given.
        shown: String,
        /// Fingerprint of the plan now.
        now: String,
    },
    /// Somebody is at it.
    #[error("somebody is applying a plan at this moment; look again when it is done")]
    Busy,
}

/// A connection's plan.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProvisionPlan {
    /// Name.
    pub connection: String,
    /// Provider.
    pub provider: &'static str,
    /// Steps that would be done. 0: all is as it should be, or nothing of the rest can be done.
    pub todo: usize,
    /// Of those steps: whoever applies the plan gives it, so that no other one is applied.
    pub fingerprint: String,
    /// Steps, missing rights, advice.
    #[serde(flatten)]
    pub plan: Plan,
}

/// How a plan is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProvisionAsk {
    /// Fingerprint of the plan that was shown; without it, whatever is to be done now is done.
    pub fingerprint: Option<String>,
    /// Most steps that are done; the answer has the rest as its plan. Without it, all.
    #[schemars(range(min = 1))]
    pub limit: Option<u32>,
}

/// A step that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DoneStep {
    /// Stable name.
    pub id: String,
    /// What it was about.
    pub what: String,
    /// `create` or `update`.
    pub change: Change,
}

/// A step that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RefusedStep {
    /// Stable name.
    pub id: String,
    /// What it was about.
    pub what: String,
    /// Why, in the provider's words where it has some.
    pub why: String,
}

/// What came of applying a plan.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Provisioned {
    /// In their order.
    pub done: Vec<DoneStep>,
    /// What the provider refused; other steps went on.
    pub refused: Vec<RefusedStep>,
    /// Secrets of the vault that the provider told anew, by their names.
    pub kept: Vec<String>,
    /// Why it ended before its end: a limit, a provider that is not well, a lost answer. Applying again goes on.
    pub stopped: Option<String>,
    /// What is left, by a new look.
    pub plan: ProvisionPlan,
}

/// One run at one connection.
struct Run<'a> {
    engine: &'a Inner,
    connection: &'a ConnectionRuntime,
    model: &'a dyn Provisioner,
    hook: Option<String>,
}

impl Inner {
    /// What differs between the account and the model. Nothing is changed.
    pub(crate) async fn provision_plan(&self, name: &str, public_url: &str) -> Result<ProvisionPlan, ProvisionError> {
        let connection = self.provisionable(name)?;
        let connector = connection.connector();
        let run = Run::new(self, &connection, connector.provisioner(), public_url)?;
        let seen = run.look(None).await?;
        Ok(run.view(&seen))
    }

    /// Does the steps of the plan, one after another.
    pub(crate) async fn provision(
        &self,
        name: &str,
        public_url: &str,
        ask: ProvisionAsk,
    ) -> Result<Provisioned, ProvisionError> {
        let _one = self.provisioning.try_lock().map_err(|_| ProvisionError::Busy)?;
        let connection = self.provisionable(name)?;
        let connector = connection.connector();
        let run = Run::new(self, &connection, connector.provisioner(), public_url)?;
        let seen = run.look(None).await?;
        if let Some(shown) = ask.fingerprint {
            let now = run.view(&seen).fingerprint;
            if shown != now {
                return Err(ProvisionError::Changed { shown, now });
            }
        }
        run.apply(seen, ask.limit).await
    }

    fn provisionable(&self, name: &str) -> Result<Arc<ConnectionRuntime>, ProvisionError> {
        let connection = self.connection(name).ok_or_else(|| ProvisionError::NoConnection(name.to_owned()))?;
        let missing = connection.missing_credentials();
        if connection.connector().provisioner().is_some() && !missing.is_empty() {
            let missing = missing.join(" and ");
            return Err(ProvisionError::NoCredentials { connection: name.to_owned(), missing });
        }
        Ok(connection)
    }
}

/// Where webhooks of this connection come in; `None` where no provider of the world could reach it.
fn hook(connection: &ConnectionRuntime, public_url: &str) -> Option<String> {
    let live = connection.connector().config().environment == Environment::Live;
    let nowhere = public_url.is_empty() || live && is_loopback(public_url);
    (!nowhere).then(|| format!("{}/hooks/{}", public_url.trim_end_matches('/'), connection.name()))
}

/// What became of the call of a step.
enum Called {
    Done(Value),
    /// Done, and a secret was kept under this name of the vault.
    Kept(Value, String),
    Refused(Value, String),
    Unclear(String),
    Stop(String),
}

impl<'a> Run<'a> {
    fn new(
        engine: &'a Inner,
        connection: &'a ConnectionRuntime,
        model: Option<&'a dyn Provisioner>,
        public_url: &str,
    ) -> Result<Self, ProvisionError> {
        let model = model.ok_or_else(|| ProvisionError::NoModel {
            connection: connection.name().to_owned(),
            provider: connection.manifest().title,
        })?;
        Ok(Self { engine, connection, model, hook: hook(connection, public_url) })
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted { hook: self.hook.as_deref() }
    }

    fn ctx(&self) -> Ctx<'static> {
        // A refusal is believed at once: whoever applies the plan sees it, and may apply again.
        Ctx { now: self.engine.clock.now(), key: "provision", attempt: TRIES }
    }

    /// Reads all that is there. `known`: what an earlier look of this run saw.
    async fn look(&self, known: Option<&Value>) -> Result<Value, ProvisionError> {
        let unread = |why: String| ProvisionError::Unread { connection: self.connection.name().to_owned(), why };
        let wanted = self.wanted();
        let mut step = self.model.survey(&wanted, known, None, &self.ctx());
        for _ in 0..MOST_READS {
            match step {
                Survey::Seen(seen) => return Ok(seen),
                Survey::Failed(outcome) => return Err(unread(told(&outcome))),
                Survey::Call { request, state } => {
                    let answer = self.read(&request).await.map_err(|trouble| unread(lost(&trouble)))?;
                    step = self.model.survey(&wanted, known, Some((&state, &answer)), &self.ctx());
                }
            }
        }
        Err(unread(format!("it was not read to its end with {MOST_READS} calls")))
    }

    /// One read, tried again while the provider or the way there is not well.
    async fn read(&self, request: &Request) -> Result<Answer, Trouble> {
        let mut pauses = PAUSES.iter();
        loop {
            let answer = self.engine.ask_provider(self.connection, request).await;
            let passing = match &answer {
                Ok(answer) => matches!(answer.status, 429 | 500..=599),
                Err(trouble) => matches!(trouble, Trouble::NoAnswer(_)),
            };
            match pauses.next() {
                Some(pause) if passing && !self.engine.is_stopping() => tokio::time::sleep(*pause).await,
                _ => return answer,
            }
        }
    }

    fn view(&self, seen: &Value) -> ProvisionPlan {
        let plan = self.model.plan(&self.wanted(), seen);
        let todo: Vec<_> = plan.todo().map(|s| (&s.id, s.change, &s.request)).collect();
        let bytes = serde_json::to_vec(&todo).unwrap_or_default();
        let hash = sign::sha256(&bytes);
        let fingerprint = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
        ProvisionPlan {
            connection: self.connection.name().to_owned(),
            provider: self.connection.manifest().name,
            todo: todo.len(),
            fingerprint,
            plan,
        }
    }

    async fn apply(&self, mut seen: Value, limit: Option<u32>) -> Result<Provisioned, ProvisionError> {
        let wanted = self.wanted();
        let most = limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let (mut done, mut refused, mut kept, mut stopped) = (Vec::new(), Vec::new(), Vec::new(), None);
        let mut tries: HashMap<String, u32> = HashMap::new();
        // Is what was seen of what an update changes as new as it can be?
        let mut fresh = true;
        while done.len() < most {
            if self.engine.is_stopping() {
                stopped = Some("the hub stops; apply again to go on".to_owned());
                break;
            }
            let plan = self.model.plan(&wanted, &seen);
            let tried = |id: &str| tries.get(id).copied().unwrap_or(0);
            let next = plan.steps.into_iter().find_map(|step| {
                let open = step.change.is_todo() && tried(&step.id) < TRIES;
                let request = if open { self.model.request(&wanted, &seen, &step.id) } else { None };
                request.map(|request| (step, request))
            });
            let Some((step, request)) = next else { break };
            if step.change == Change::Update && !fresh {
                match self.look(Some(&seen)).await {
                    Ok(now) => seen = now,
                    // What was done is told all the same.
                    Err(error) => {
                        stopped = Some(error.to_string());
                        break;
                    }
                }
                fresh = true;
                continue;
            }
            fresh = false;
            let times = tries.entry(step.id.clone()).or_default();
            *times += 1;
            let last = *times >= TRIES;
            match self.call(&seen, &step.id, request).await {
                Called::Done(now) => {
                    tracing::info!(connection = self.connection.name(), step = %step.id, "provisioned");
                    seen = now;
                    done.push(DoneStep { id: step.id, what: step.what, change: step.change });
                }
                Called::Kept(now, name) => {
                    tracing::info!(connection = self.connection.name(), step = %step.id, secret = name, "provisioned; its secret is in the vault");
                    seen = now;
                    kept.push(name);
                    done.push(DoneStep { id: step.id, what: step.what, change: step.change });
                }
                Called::Refused(now, why) => {
                    seen = now;
                    refused.push(RefusedStep { id: step.id, what: step.what, why });
                }
                Called::Unclear(why) => {
                    match self.look(Some(&seen)).await {
                        Ok(now) => seen = now,
                        Err(error) => {
                            stopped = Some(error.to_string());
                            break;
                        }
                    }
                    fresh = true;
                    let plan = self.model.plan(&wanted, &seen);
                    let open = plan.todo().any(|s| s.id == step.id);
                    if !open {
                        // It was done after all, by us or by somebody else.
                        done.push(DoneStep { id: step.id, what: step.what, change: step.change });
                    } else if last {
                        refused.push(RefusedStep { id: step.id, what: step.what, why });
                    }
                }
                Called::Stop(why) => {
                    stopped = Some(why);
                    break;
                }
            }
        }
        // What was done is told by what is there, and not by what was sent.
        let left = match self.look(Some(&seen)).await {
            Ok(seen) => seen,
            Err(error) => {
                stopped.get_or_insert_with(|| error.to_string());
                seen
            }
        };
        kept.dedup();
        Ok(Provisioned { done, refused, kept, stopped, plan: self.view(&left) })
    }

    async fn call(&self, seen: &Value, step: &str, request: Request) -> Called {
        let answer = match self.engine.ask_provider(self.connection, &request).await {
            Ok(answer) => answer,
            Err(Trouble::NoAnswer(no)) if no.maybe_sent => return Called::Unclear(no.why),
            Err(trouble) => return Called::Stop(lost(&trouble)),
        };
        match self.model.judge(&self.wanted(), seen, step, &answer, &self.ctx()) {
            Applied::Done { seen } => Called::Done(seen),
            // Told once: it is kept before anything else is done, and in force at once.
            Applied::Told { seen, secret } => match self.keep(secret).await {
                Ok(name) => Called::Kept(seen, name),
                Err(why) => Called::Stop(why),
            },
            Applied::Refused { seen, why } => Called::Refused(seen, why),
            Applied::Unclear { why } => Called::Unclear(why),
            Applied::Stop(outcome) => Called::Stop(told(&outcome)),
        }
    }
}

impl Run<'_> {
    /// Keeps what verifies the webhooks from now on, beside what did before. The name of the vault under which it is.
    async fn keep(&self, secret: Secret) -> Result<String, String> {
        let name = self.connection.name();
        let lost = |why: String| {
            format!(
                "the provider made a webhook and told its secret, which could not be kept ({why}): apply again, and another one is made"
            )
        };
        let mut config = self.connection.connector().config().clone();
        let Some(place) = config.webhook_secret_name.clone() else {
            return Err(lost("webhook_secrets names no secret of the vault".into()));
        };
        let by = format!("provision {name}");
        let at = self.engine.clock.now();
        let kept = crate::vault::put_before(&*self.engine.store, &place, &secret, &by, at).await;
        kept.map_err(|e| lost(e.to_string()))?;
        config.webhook_secrets.insert(0, secret);
        self.connection.take_secrets(config).await.map_err(|e| e.to_string())?;
        Ok(place)
    }
}

/// A call without an answer, for people.
fn lost(trouble: &Trouble) -> String {
    told(&trouble.outcome(Repeat::Safe))
}

/// What an outcome means for whoever waits.
fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Retry { why, .. }
        | Outcome::GiveUp { why, .. }
        | Outcome::TargetGone { why }
        | Outcome::NeedsHuman { why }
        | Outcome::Unknown { why }
        | Outcome::Withheld { why, .. }
        | Outcome::Dropped { why, .. } => why.clone(),
        Outcome::ProviderDown { why, .. } => format!("the provider is not well ({why}); apply again later to go on"),
        Outcome::Throttled { after, .. } => {
            let wait = after.map(|a| format!(" in {} s", a.as_secs())).unwrap_or_default();
            format!("the provider's limit is used up; apply again{wait} to go on")
        }
        Outcome::AuthExpired => "the provider refuses the credential; renew it".to_owned(),
        Outcome::Done(_) | Outcome::Partial { .. } => "the provider's answer is not understood".to_owned(),
    }
}
