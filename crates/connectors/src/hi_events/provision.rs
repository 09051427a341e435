//! The organiser's account as this hub needs it: a webhook that tells everything, and the questions that the settings
//! ask for (contract sections 1.7, 2.5 and 6.7).
//!
//! Promise: a webhook of the hub's own is made, resumed and completed, and nobody else's is touched. Its secret is told
//! once: it goes on as [`Applied::Told`], and no plan shows it. A webhook whose secret the hub has not is paused when
//! another one stands in for it, since all that it sends is refused. A question is made where a show has none of its
//! title, and never changed: people may have had their reasons.
//! What it is not: a repair of what was missed while a webhook was paused. That is reconciliation, and a plan says so.

mod plan;
mod seen;
mod survey;

use super::HiEventsConnector;
use super::auth::problem;
use pasarela_connector::provision::{self, Applied, Plan, Provisioner, Survey, Wanted};
use pasarela_connector::{Answer, Ctx, Outcome, Request, judge};
use pasarela_domain::Secret;
use plan::{Planner, Step};
use seen::{Asked, Hook, Seen};
use serde_json::Value;

impl HiEventsConnector {
    fn planner<'a>(&'a self, ask: &'a Wanted<'a>, seen: &'a Seen) -> Planner<'a> {
        Planner {
            connection: &self.config.name,
            organizer: self.organizer().unwrap_or_default(),
            hook: ask.hook,
            has_secret: !self.config.webhook_secrets.is_empty(),
            place: self.config.webhook_secret_name.as_deref(),
            questions: &self.questions,
            seen,
        }
    }
}

impl Provisioner for HiEventsConnector {
    fn survey(
        &self,
        ask: &Wanted<'_>,
        known: Option<&Value>,
        answer: Option<(&Value, &Answer)>,
        ctx: &Ctx<'_>,
    ) -> Survey {
        survey::next(self, ask, known, answer, ctx)
    }

    fn plan(&self, ask: &Wanted<'_>, seen: &Value) -> Plan {
        let seen: Seen = provision::seen(seen);
        self.planner(ask, &seen).plan()
    }

    fn request(&self, ask: &Wanted<'_>, seen: &Value, step: &str) -> Option<Request> {
        let seen: Seen = provision::seen(seen);
        self.planner(ask, &seen).step(step)?.request(|path| self.url(path))
    }

    fn judge(&self, ask: &Wanted<'_>, seen: &Value, step: &str, answer: &Answer, ctx: &Ctx<'_>) -> Applied {
        let mut seen: Seen = provision::seen(seen);
        let Some(stands) = self.planner(ask, &seen).step(step) else { return Applied::no_step(step) };
        if answer.is_success() {
            return taken(&mut seen, &stands.step, answer);
        }
        // Its own refusals are this step's, and others may still go.
        let why = match answer.status {
            403 => format!("Hi.Events refuses ({}): give the hub's user the role ORGANIZER or ADMIN", problem(answer)),
            400 | 404 | 405 | 409 | 422 => format!("Hi.Events refuses it: {}", problem(answer)),
            status => {
                return match judge::classify(answer, ctx.now) {
                    Some(outcome) => Applied::Stop(outcome),
                    None => Applied::Unclear { why: format!("HTTP {status}") },
                };
            }
        };
        seen.refused.insert(step.to_owned(), why.clone());
        Applied::Refused { seen: provision::written(&seen), why }
    }
}

/// What an answer shows was done, among what is there.
fn taken(seen: &mut Seen, step: &Step, answer: &Answer) -> Applied {
    let unclear = || Applied::Unclear { why: format!("HTTP {} without what was made", answer.status) };
    let body: Value = answer.parse().unwrap_or_default();
    let made = body.get("data").unwrap_or(&Value::Null);
    match step {
        Step::Hook(level) => {
            let Some(hook) = Hook::read(made, level.clone()) else { return unclear() };
            let secret = made.get("secret").and_then(Value::as_str).map(str::trim).filter(|s| !s.is_empty());
            let is_new = !seen.hooks.iter().any(|h| h.id == hook.id && h.level == *level);
            seen.hooks.retain(|h| h.id != hook.id || h.level != *level);
            match (secret.map(Secret::new), is_new) {
                (Some(secret), _) => {
                    seen.hooks.push(Hook { made_now: true, ..hook });
                    Applied::Told { seen: provision::written(seen), secret }
                }
                (None, false) => {
                    seen.hooks.push(hook);
                    Applied::Done { seen: provision::written(seen) }
                }
                // Made, and of no use: the next plan finds that all it sends is refused, and makes another.
                (None, true) => Applied::Stop(Outcome::NeedsHuman {
                    why: format!(
                        "Hi.Events made webhook {}, but told no secret: delete it there, and apply again",
                        hook.id
                    ),
                }),
            }
        }
        Step::Pause(level, id) => match Hook::read(made, level.clone()) {
            Some(hook) => {
                seen.hooks.retain(|h| h.id != *id || h.level != *level);
                seen.hooks.push(hook);
                Applied::Done { seen: provision::written(seen) }
            }
            None => unclear(),
        },
        Step::Question(show, _) => match Asked::read(made) {
            Some(asked) => {
                if let Some(show) = seen.shows.iter_mut().find(|s| s.id == *show) {
                    show.questions.push(asked);
                }
                Applied::Done { seen: provision::written(seen) }
            }
            None => unclear(),
        },
    }
}
