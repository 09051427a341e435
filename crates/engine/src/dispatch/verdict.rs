//! What an outcome means for its effect, its step, its lane and its connection. A lost answer is told as
//! lost: nothing whose repetition does harm is repeated in silence. Nothing is written here.

use super::settle::Note;
use super::{FETCH, PAUSE};
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::lanes::Start;
use crate::runs::{OpenCall, OpenEffect};
use crate::telemetry::count;
use jiff::Timestamp;
use pasarela_connector::{Answer, Done, Idempotency, Outcome, Scope, SettledBy, judge};
use pasarela_flows::StepOutcome;
use pasarela_store::{AttemptInsert, EffectState, TimerKind};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A window of a provider's limit that is longer than this is not waited for by its header alone.
const LONGEST_HOLD: Duration = Duration::from_secs(300);

/// Claims that go along with an outcome at most: its own commit must not wait long for them.
const RIDERS: usize = 16;

/// Code of an effect that was dropped because of its age.
pub(super) const TOO_OLD: &str = "too_old";

/// Code of an effect that was dropped because nobody can say whether it was done.
pub(crate) const MAYBE_SENT: &str = "maybe_sent";

/// What becomes of an effect, and of the step that wanted it.
pub(super) struct Verdict {
    pub(super) to: EffectState,
    pub(super) not_before: Option<Timestamp>,
    pub(super) code: Option<String>,
    /// Sealed as JSON into the effect's row.
    pub(super) note: Option<Note>,
    pub(super) reference: Option<String>,
    pub(super) step: Option<StepOutcome>,
    pub(super) timer: Option<(Timestamp, TimerKind)>,
    /// Bytes that a fetch brought.
    pub(super) fetched: Option<Answer>,
}

/// A good result, as it is noted.
#[derive(serde::Serialize)]
struct Result<'a> {
    result: &'a Value,
}

impl Verdict {
    pub(super) fn new(to: EffectState) -> Self {
        Self { to, not_before: None, code: None, note: None, reference: None, step: None, timer: None, fetched: None }
    }
}

impl Inner {
    /// Outcomes of a call, one per member: each is settled in a transaction of its own, with what follows.
    /// Returns the next call of the chain, when it can be made at once.
    pub(super) async fn conclude(
        self: &Arc<Self>,
        mut call: OpenCall,
        outcomes: Vec<Outcome>,
        answer: Option<Answer>,
        started: Option<Timestamp>,
    ) -> Option<OpenCall> {
        let now = self.clock.now();
        let connection = call.connection.clone();
        // Its slot is free before its outcome is written.
        let _busy = connection.busy();
        let above = connection.unknown_above(&*self.store);
        let next = self.note_health(&call, &outcomes, answer.as_ref(), now);
        let mut starts = self.prepare(&connection, next, above, now).await;
        let members = std::mem::take(&mut call.members);
        let mut chain = None;
        let single = members.len() == 1;
        let missing = || Outcome::Unknown { why: "the connector gave no outcome for this input".into() };
        let mut outcomes = outcomes.into_iter();
        for (i, member) in members.into_iter().enumerate() {
            let outcome = outcomes.next().unwrap_or_else(missing);
            let name = outcome.name();
            let detail = attempt_detail(&outcome, answer.as_ref().filter(|_| i == 0));
            let verdict = self.verdict(&connection, &call, &member, outcome, answer.as_ref(), now).await;
            let attempt = AttemptInsert {
                effect: member.id,
                attempt: member.attempt,
                call: call.ordinal,
                started_at: started.unwrap_or(call.started_at),
                ended_at: now,
                outcome: name,
                status: answer.as_ref().map(|a| a.status),
                detail: detail.map(|d| self.store.sealer().seal_json(&d)),
            };
            let calls = self
                .settle(&connection, &call.action, member, verdict, attempt, std::mem::take(&mut starts), now)
                .await;
            let mut calls = calls.into_iter();
            if single && chain.is_none() {
                chain = calls.next();
            }
            calls.for_each(|c| self.spawn_call(c));
        }
        connection.wake.notify_one();
        chain
    }

    /// Tells the breaker, the bucket and the credential how a call went. What waits for a slot gets
    /// those that are free now: its attempt begins in the transaction that writes this outcome.
    fn note_health(
        &self,
        call: &OpenCall,
        outcomes: &[Outcome],
        answer: Option<&Answer>,
        now: Timestamp,
    ) -> Vec<Start> {
        let connection = &call.connection;
        let first = outcomes.first();
        let well = match first {
            _ if answer.is_none() && started_nothing(first) => None,
            Some(Outcome::ProviderDown { .. }) => Some(false),
            Some(Outcome::Unknown { .. } | Outcome::Retry { .. }) if answer.is_none() => Some(false),
            Some(_) if answer.is_some() => Some(true),
            _ => None,
        };
        if answer.is_some() && !outcomes.contains(&Outcome::AuthExpired) {
            connection.credential_accepted();
        }
        for outcome in outcomes {
            let hold = match outcome {
                Outcome::Throttled { after, scope: Scope::Connection } => Some(after.unwrap_or(Duration::from_secs(1))),
                Outcome::Retry { after, scope: Scope::Connection, .. } => Some(after.unwrap_or(Duration::from_secs(1))),
                Outcome::ProviderDown { after: Some(after), .. } => Some(*after),
                _ => None,
            };
            if let Some(until) = hold.and_then(|h| now.checked_add(self.dice.spread(h)).ok()) {
                connection.lock_lanes(|l| l.hold(until));
            }
        }
        // The last call of the window was a good one: the next would be the one too many.
        if let Some(answer) = answer.filter(|a| a.is_success())
            && let Some(judge::Left { remaining: 0, resets_in: Some(wait), .. }) = judge::left(answer, now)
            && let Ok(until) = now.checked_add(self.dice.spread(wait.min(LONGEST_HOLD)))
        {
            connection.lock_lanes(|l| l.hold(until));
        }
        let (opened, next) =
            connection.lock_lanes(|l| (l.release_slot(call.slot, well, now), l.next_starts(RIDERS, now)));
        if opened {
            count(&self.metrics.breaker_opened);
            self.decisions.note("breaker.opened", connection.name(), &connection.brand);
            tracing::warn!(connection = connection.name(), "too many failures in a row: calls pause and are probed");
        }
        next
    }

    /// What an outcome means for the effect and its step.
    pub(super) async fn verdict(
        &self,
        connection: &Arc<ConnectionRuntime>,
        call: &OpenCall,
        member: &OpenEffect,
        outcome: Outcome,
        answer: Option<&Answer>,
        now: Timestamp,
    ) -> Verdict {
        let action = call.action.as_str();
        let again = |after: Option<Duration>, why: String| {
            let delay = after.map_or_else(|| self.dice.backoff(member.attempt), |a| self.dice.spread(a));
            match now.checked_add(delay) {
                Ok(at) if at <= member.give_up_at => Verdict {
                    not_before: Some(at),
                    note: Some(json!({ "why": why }).into()),
                    ..Verdict::new(EffectState::Queued)
                },
                _ if drops(connection, action) => {
                    dropped(TOO_OLD.into(), format!("tried until it was too old; last: {why}"))
                }
                _ => dead(format!("tried until it was too old; last: {why}")),
            }
        };
        match outcome {
            Outcome::Done(done) => self.done(connection, action, done, answer, now),
            Outcome::Partial { done, failed } => Verdict {
                note: Some(json!({ "result": done, "failed": failed }).into()),
                step: Some(StepOutcome::Done { result: done }),
                ..Verdict::new(EffectState::Partial)
            },
            Outcome::Retry { after, why, .. } => again(after, why),
            Outcome::ProviderDown { after, why } => again(after, why),
            Outcome::Throttled { after, .. } => again(after.or(Some(PAUSE)), "the provider asked to go slower".into()),
            Outcome::AuthExpired => {
                if connection.credential_refused(call.credential, now).await {
                    again(Some(Duration::ZERO), "the credential was not accepted".into())
                } else {
                    let why =
                        "the provider refuses the credential; renew it in the configuration, then retry".to_owned();
                    connection.set_problem(Some(why.clone()));
                    dead(why)
                }
            }
            // A record that a run waits for and that cannot be read needs a person.
            Outcome::GiveUp { why, .. } | Outcome::TargetGone { why } if action == FETCH => dead(why),
            Outcome::GiveUp { code, why } => gave_up(code, why),
            Outcome::TargetGone { why } => gave_up("target_gone".into(), why),
            Outcome::NeedsHuman { why } => dead(why),
            Outcome::Withheld { rule, why } => {
                self.metrics.withheld(connection.name(), &rule);
                withheld(rule, why)
            }
            Outcome::Dropped { code, why } => dropped(code, why),
            Outcome::Unknown { why } => {
                let verdict = self.unknown(connection, action, member.resend_unknown, why.clone(), now);
                // Sent again at once, and after that like every retry: what is never understood must not
                // become a flood, nor go on for ever.
                if verdict.to == EffectState::Queued && member.attempt > 1 { again(None, why) } else { verdict }
            }
        }
    }

    pub(super) fn done(
        &self,
        connection: &ConnectionRuntime,
        action: &str,
        done: Done,
        answer: Option<&Answer>,
        now: Timestamp,
    ) -> Verdict {
        if action == FETCH {
            return Verdict { fetched: answer.cloned(), ..Verdict::new(EffectState::Done) };
        }
        let status = connection.manifest().action(action).and_then(|a| match a.settled_by {
            SettledBy::Status { timeout } => Some(timeout),
            SettledBy::Answer => None,
        });
        let mut verdict = Verdict {
            note: Some(Note::of(&Result { result: &done.result })),
            step: Some(StepOutcome::Done { result: done.result }),
            reference: done.reference,
            ..Verdict::new(EffectState::Done)
        };
        if let Some(timeout) = status {
            verdict.to = EffectState::Settling;
            verdict.timer = now.checked_add(timeout).ok().map(|t| (t, TimerKind::Settle));
        }
        verdict
    }

    /// An answer was lost. Read back, correlate, or do as the flow says; never resend in silence.
    #[allow(clippy::type_complexity)]
    pub(crate) fn unknown_of(
        &self,
        connection: &ConnectionRuntime,
        action: &str,
        resend: bool,
        why: String,
        now: Timestamp,
    ) -> (EffectState, Option<Timestamp>, Option<StepOutcome>, Option<(Timestamp, TimerKind)>, String) {
        let idempotency = connection.manifest().action(action).map_or(Idempotency::AtMostOnce, |a| a.idempotency);
        let check_after = match idempotency {
            Idempotency::Readable { after } => Some(after + connection.limits.timeout),
            Idempotency::Correlated { within } => Some(within),
            // The same request changes nothing when it is made again.
            Idempotency::Native { .. } | Idempotency::ClientId => {
                return (EffectState::Queued, Some(now), None, None, why);
            }
            Idempotency::AtMostOnce => None,
        };
        match check_after {
            Some(wait) => {
                let due = now.checked_add(wait).unwrap_or(now);
                (EffectState::Checking, None, None, Some((due, TimerKind::Check)), why)
            }
            None if resend => (EffectState::Queued, Some(now), None, None, why),
            None if drops(connection, action) => (EffectState::Dropped, None, Some(StepOutcome::Dropped), None, why),
            None => (EffectState::Unknown, None, Some(StepOutcome::Unknown { why: why.clone() }), None, why),
        }
    }

    pub(super) fn unknown(
        &self,
        connection: &ConnectionRuntime,
        action: &str,
        resend: bool,
        why: String,
        now: Timestamp,
    ) -> Verdict {
        let (to, not_before, step, timer, why) = self.unknown_of(connection, action, resend, why, now);
        let code = (to == EffectState::Dropped).then(|| MAYBE_SENT.to_owned());
        Verdict { not_before, step, timer, code, note: Some(json!({ "why": why }).into()), ..Verdict::new(to) }
    }
}

fn started_nothing(first: Option<&Outcome>) -> bool {
    matches!(
        first,
        Some(
            Outcome::GiveUp { .. }
                | Outcome::TargetGone { .. }
                | Outcome::NeedsHuman { .. }
                | Outcome::Withheld { .. }
                | Outcome::Dropped { .. }
                | Outcome::Done(_)
        )
    )
}

pub(super) fn dead(why: String) -> Verdict {
    Verdict {
        code: Some("needs_human".into()),
        note: Some(json!({ "why": why }).into()),
        step: Some(StepOutcome::Dead { why }),
        ..Verdict::new(EffectState::Dead)
    }
}

/// Not sent, by a rule: the rule is its code, by which people and counts find it.
pub(super) fn withheld(rule: String, why: String) -> Verdict {
    Verdict {
        code: Some(rule.clone()),
        note: Some(json!({ "rule": rule, "why": why }).into()),
        step: Some(StepOutcome::Withheld { rule }),
        ..Verdict::new(EffectState::Withheld)
    }
}

/// Its moment has passed.
pub(super) fn dropped(code: String, why: String) -> Verdict {
    Verdict {
        code: Some(code.clone()),
        note: Some(json!({ "code": code, "why": why }).into()),
        step: Some(StepOutcome::Dropped),
        ..Verdict::new(EffectState::Dropped)
    }
}

/// Is an action's effect dropped, and no dead letter, when it is too old or of unknown outcome?
pub(super) fn drops(connection: &ConnectionRuntime, action: &str) -> bool {
    connection.manifest().action(action).is_some_and(|a| a.expendable)
}

fn gave_up(code: String, why: String) -> Verdict {
    Verdict {
        code: Some(code.clone()),
        note: Some(json!({ "code": code, "why": why }).into()),
        step: Some(StepOutcome::GaveUp { code, why }),
        ..Verdict::new(EffectState::GaveUp)
    }
}

/// What is kept of an ended call for its life line. Answers of plain successes are not kept twice.
fn attempt_detail(outcome: &Outcome, answer: Option<&Answer>) -> Option<Value> {
    let why = match outcome {
        Outcome::Done(_) | Outcome::Partial { .. } | Outcome::AuthExpired | Outcome::Throttled { .. } => None,
        Outcome::Retry { why, .. }
        | Outcome::ProviderDown { why, .. }
        | Outcome::GiveUp { why, .. }
        | Outcome::TargetGone { why }
        | Outcome::NeedsHuman { why }
        | Outcome::Withheld { why, .. }
        | Outcome::Dropped { why, .. }
        | Outcome::Unknown { why } => Some(why.clone()),
    };
    let excerpt = answer.map(|a| a.excerpt(500));
    (why.is_some() || excerpt.is_some()).then(|| json!({ "why": why, "answer": excerpt }))
}
