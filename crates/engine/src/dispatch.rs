//! Effects go out: claim, call, judge, settle, next. Outbound decides nothing that a flow decides.
//!
//! The record of an attempt is on disk before its bytes leave; the outcome and what follows from it
//! are one transaction (T3 to T5). When an answer is lost, the hub knows that it does not know.

use crate::connections::{AuthTrouble, ConnectionRuntime};
use crate::engine::Inner;
use crate::lanes::{LaneKey, Next, Queued};
use crate::runs::{OpenCall, OpenEffect, Planned, StoredCall, repeat_of, state_of_settled};
use crate::telemetry::count;
use jiff::Timestamp;
use pasarela_connector::{
    Answer, Call, Ctx, Done, Idempotency, Outcome, Repeat, Request, Scope, SettledBy, Source, Step, judge,
};
use pasarela_domain::{DeliveryId, EffectId, EntityRef, RunId};
use pasarela_flows::StepOutcome;
use pasarela_store::{
    AttemptInsert, EffectGuard, EffectRow, EffectState, EffectUpdate, Error, NewDelivery, RunStatus, TimerKind,
    TimerSet, Work, Worked,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The engine's own read of a record that a run needs.
pub(crate) const FETCH: &str = "@fetch";
/// Claims of one transaction at most.
const CLAIMS: usize = 64;
/// Effects read from the backlog at a time.
const LOAD: u32 = 512;
/// How long an unanswered read waits before it is asked back at the least.
const PAUSE: Duration = Duration::from_millis(250);

/// What becomes of an effect, and of the step that wanted it.
struct Verdict {
    to: EffectState,
    not_before: Option<Timestamp>,
    code: Option<String>,
    /// Sealed as JSON into the effect's row.
    note: Option<Value>,
    reference: Option<String>,
    step: Option<StepOutcome>,
    timer: Option<(Timestamp, TimerKind)>,
    /// Bytes that a fetch brought.
    fetched: Option<Answer>,
}

impl Verdict {
    fn new(to: EffectState) -> Self {
        Self { to, not_before: None, code: None, note: None, reference: None, step: None, timer: None, fetched: None }
    }
}

impl Inner {
    /// Begins an action; a connector that panics gives up instead.
    pub(crate) fn begin(&self, connection: &ConnectionRuntime, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
        if action == FETCH {
            let entity = inputs.first().and_then(|i| serde_json::from_value::<EntityRef>(i.clone()).ok());
            return match entity.and_then(|e| connection.connector.fetch(&e)) {
                Some(request) => Step::Call(Call { request, state: Value::Null, repeat: Repeat::Safe }),
                None => Step::end(Outcome::give_up("not_readable", "this record cannot be read on its own")),
            };
        }
        let attempt =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| connection.connector.begin(action, inputs, ctx)));
        attempt.unwrap_or_else(|_| {
            Step::all(
                inputs.len(),
                &Outcome::NeedsHuman { why: "the connector failed on this input; please report it".into() },
            )
        })
    }

    fn judge(&self, call: &OpenCall, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        if call.action == FETCH {
            return match judge::classify(answer, ctx.now) {
                None => Step::end(Outcome::done(Value::Null)),
                Some(outcome) => Step::end(outcome),
            };
        }
        let inputs: Vec<Value> = call.members.iter().map(|m| m.input.clone()).collect();
        let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            call.connection.connector.on(&call.action, &inputs, &call.state, answer, ctx)
        }));
        attempt.unwrap_or_else(|_| {
            Step::all(
                inputs.len(),
                &Outcome::Unknown { why: "the connector failed on this answer; please report it".into() },
            )
        })
    }

    /// The dispatcher of one connection: starts what may start, loads the backlog, sleeps.
    pub(crate) async fn dispatcher(self: Arc<Self>, connection: Arc<ConnectionRuntime>) {
        loop {
            if self.is_stopping() {
                return;
            }
            let now = self.clock.now();
            let mut starts = Vec::new();
            let idle = loop {
                match connection.lock_lanes(|l| l.next(now)) {
                    Next::Start(batch) => {
                        starts.push(batch);
                        if starts.len() >= CLAIMS {
                            break None;
                        }
                    }
                    Next::Load { urgency, after } => self.load_backlog(&connection, urgency, after).await,
                    Next::Idle(until) => break Some(until),
                }
            };
            if !starts.is_empty() {
                self.claim_and_call(&connection, starts).await;
            }
            match idle {
                None => {}
                Some(until) => {
                    let pause =
                        until.map_or(Duration::from_secs(60), |t| self.clock.sleep_for(t).min(Duration::from_secs(60)));
                    tokio::select! {
                        () = connection.wake.notified() => {}
                        () = tokio::time::sleep(pause) => {}
                        () = self.stopped() => return,
                    }
                }
            }
        }
    }

    /// Reads a part of the backlog into the lanes. Also used at start.
    pub(crate) async fn load_backlog(&self, connection: &ConnectionRuntime, urgency: u8, after: i64) {
        let rows = loop {
            match self.store.queued(connection.id, urgency, after, LOAD).await {
                Ok(rows) => break rows,
                Err(Error::Closed) => return,
                Err(e) => {
                    tracing::error!(connection = connection.name(), error = %e, "the backlog cannot be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        };
        let whole = rows.len() < LOAD as usize;
        let now = self.clock.now();
        let queued = rows
            .iter()
            .map(|r| {
                if r.action == FETCH
                    && let Ok(entity) = serde_json::from_slice::<EntityRef>(&r.input)
                {
                    self.fetching.lock().insert((connection.id, entity));
                }
                let key = LaneKey { lane: r.lane, urgency: r.urgency };
                (
                    key,
                    Queued {
                        id: r.id,
                        seq: r.seq,
                        action: connection.action_index(&r.action),
                        not_before: r.not_before,
                    },
                )
            })
            .collect();
        connection.lock_lanes(|l| l.loaded(urgency, after, queued, whole, now));
    }

    /// Claims what the lanes gave, in one transaction, and makes the calls.
    async fn claim_and_call(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        starts: Vec<Vec<(LaneKey, Queued)>>,
    ) {
        let now = self.clock.now();
        let mut calls: Vec<OpenCall> = Vec::new();
        let mut claims = Vec::new();
        for batch in starts {
            let mut rows = Vec::new();
            for (lane, queued) in batch {
                match self.store.effect(queued.id).await {
                    Ok(Some(row)) if row.state == EffectState::Queued => rows.push((lane, row)),
                    Ok(_) => self.drop_start(connection, lane, queued, now),
                    Err(e) => {
                        tracing::error!(effect = %queued.id, error = %e, "an effect cannot be read");
                        let later = Queued { not_before: now.checked_add(Duration::from_secs(1)).ok(), ..queued };
                        connection.lock_lanes(|l| l.finish(lane, queued.action, Some(later), now));
                    }
                }
            }
            if rows.is_empty() {
                connection.lock_lanes(|l| l.release_slot(None, now));
                continue;
            }
            if let Some(call) = self.open_call(connection, rows, now, &mut claims).await {
                calls.push(call);
            }
        }
        if claims.is_empty() {
            return;
        }
        let ids: Vec<EffectId> = claims.iter().map(|c| c.id).collect();
        let results = loop {
            match self.store.claim(claims.clone()).await {
                Ok(results) => break results,
                Err(Error::Closed) => return,
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        };
        let lost: Vec<EffectId> = ids.iter().zip(results).filter(|(_, ok)| !ok).map(|(id, _)| *id).collect();
        for mut call in calls {
            if !lost.is_empty() && call.members.iter().any(|m| lost.contains(&m.id)) {
                // Withdrawn or taken between reading and claiming. A batch that was built with it is made anew.
                let index = connection.action_index(&call.action);
                let members = std::mem::take(&mut call.members);
                for m in members {
                    let queued = Queued { id: m.id, seq: m.seq, action: index, not_before: None };
                    if lost.contains(&m.id) {
                        self.drop_start(connection, m.lane, queued, now);
                    } else {
                        self.unclaim(&m, now).await;
                        connection.lock_lanes(|l| l.finish(m.lane, index, Some(queued), now));
                    }
                }
                connection.lock_lanes(|l| l.release_slot(None, now));
                connection.wake.notify_one();
                continue;
            }
            self.spawn_call(call);
        }
    }

    /// Gives a claimed effect back untouched.
    async fn unclaim(&self, m: &OpenEffect, _now: Timestamp) {
        let update = EffectUpdate {
            id: m.id,
            guard: EffectGuard::Attempt { boot: self.store.boot(), attempt: m.attempt },
            to: EffectState::Queued,
            not_before: None,
            code: None,
            outcome: None,
            reference: None,
            renew: None,
        };
        if let Err(e) = self.store.work(Work { updates: vec![update], ..Work::default() }).await {
            tracing::error!(effect = %m.id, error = %e, "an effect could not be given back; it will be after a restart");
        }
    }

    fn drop_start(&self, connection: &ConnectionRuntime, lane: LaneKey, queued: Queued, now: Timestamp) {
        connection.lock_lanes(|l| l.finish(lane, queued.action, None, now));
    }

    /// Builds the call of one start: resumes a stored call, or begins anew. Ends that need no call are settled here.
    async fn open_call(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        rows: Vec<(LaneKey, EffectRow)>,
        now: Timestamp,
        claims: &mut Vec<pasarela_store::Claim>,
    ) -> Option<OpenCall> {
        let action = rows.first().map(|(_, r)| r.action.clone())?;
        let members: Vec<OpenEffect> = rows.iter().map(|(lane, row)| open_effect(*lane, row)).collect();
        let stored = match rows.as_slice() {
            [(_, only)] => serde_json::from_slice::<StoredCall>(&only.call)
                .ok()
                .filter(|s| s.batch.is_none() && s.generation == only.generation),
            _ => None,
        };
        let resumed = stored.and_then(|s| {
            let repeat = repeat_of(rows[0].1.repeat);
            s.request.map(|request| (Call { request, state: s.state, repeat }, s.ordinal))
        });
        let (call, ordinal) = match resumed {
            Some(found) => found,
            None => {
                let inputs: Vec<Value> = members.iter().map(|m| m.input.clone()).collect();
                let key = idempotency_key(&members[0]);
                let ctx = Ctx { now, key: &key, attempt: members[0].attempt };
                match self.begin(connection, &action, &inputs, &ctx) {
                    Step::Call(call) => (call, 0),
                    Step::End(outcomes) => {
                        let open = OpenCall {
                            connection: connection.clone(),
                            members,
                            action,
                            request: Request::get(""),
                            state: Value::Null,
                            repeat: Repeat::Safe,
                            ordinal: 0,
                            started_at: now,
                            credential: 0,
                        };
                        // Nothing was claimed: claim first, so that the settlement has its fence.
                        let call = Call { request: open.request.clone(), state: Value::Null, repeat: Repeat::Safe };
                        let own: Vec<_> = open
                            .members
                            .iter()
                            .map(|m| self.claim_of(m.id, m.attempt, m.generation, now, &call, 0, None))
                            .collect();
                        let inner = self.clone();
                        tokio::spawn(async move {
                            if inner.store.claim(own).await.is_ok()
                                && let Some(next) = inner.conclude(open, outcomes, None, None).await
                            {
                                // Recorded as calling already: it must be made.
                                inner.spawn_call(next);
                            }
                        });
                        return None;
                    }
                }
            }
        };
        let batch = (members.len() > 1).then(|| members[0].id);
        for m in &members {
            claims.push(self.claim_of(m.id, m.attempt, m.generation, now, &call, ordinal, batch));
        }
        Some(OpenCall {
            connection: connection.clone(),
            members,
            action,
            request: call.request,
            state: call.state,
            repeat: call.repeat,
            ordinal,
            started_at: now,
            credential: 0,
        })
    }

    /// Makes a call on its own task.
    pub(crate) fn spawn_call(self: &Arc<Self>, call: OpenCall) {
        let inner = self.clone();
        self.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        tokio::spawn(async move {
            inner.run_chain(call).await;
            inner.calls.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        });
    }

    /// Makes a call, and the next of its chain while there is one at once.
    async fn run_chain(self: &Arc<Self>, call: OpenCall) {
        let mut next = Some(call);
        while let Some(call) = next.take() {
            next = self.run_call(call).await;
        }
    }

    async fn run_call(self: &Arc<Self>, mut call: OpenCall) -> Option<OpenCall> {
        loop {
            self.fail_point("before_call");
            let started = self.clock.now();
            call.credential = call.connection.credential_in_use();
            let result = self.send(&call.connection, &call.request).await;
            self.fail_point("after_call");
            let now = self.clock.now();
            let name = call.connection.name().to_owned();
            let answer = match result {
                Ok(answer) => answer,
                Err(trouble) => {
                    let outcome = trouble.outcome(call.repeat);
                    self.metrics.call(&name, outcome.name());
                    let outcomes = vec![outcome; call.members.len()];
                    return self.conclude(call, outcomes, None, Some(started)).await;
                }
            };
            let key = idempotency_key(&call.members[0]);
            let ctx = Ctx { now, key: &key, attempt: call.members[0].attempt };
            match self.judge(&call, &answer, &ctx) {
                Step::End(outcomes) => {
                    self.metrics.call(&name, outcomes.first().map_or("none", Outcome::name));
                    return self.conclude(call, outcomes, Some(answer), Some(started)).await;
                }
                Step::Call(next) => {
                    self.metrics.call(&name, "step");
                    if !self.progress(&mut call, next, &answer, started, now).await {
                        return None;
                    }
                }
            }
        }
    }

    /// Records the next call of an attempt before it is made.
    async fn progress(
        &self,
        call: &mut OpenCall,
        next: Call,
        answer: &Answer,
        started: Timestamp,
        now: Timestamp,
    ) -> bool {
        let batch = (call.members.len() > 1).then(|| call.members[0].id);
        let leader = &call.members[0];
        let attempt = AttemptInsert {
            effect: leader.id,
            attempt: leader.attempt,
            call: call.ordinal,
            started_at: started,
            ended_at: now,
            outcome: "step",
            status: Some(answer.status),
            detail: Some(self.store.sealer().seal_json(&json!({ "answer": answer.excerpt(500) }))),
        };
        let claim = self.claim_of(leader.id, leader.attempt, leader.generation, now, &next, call.ordinal + 1, batch);
        let work =
            || Work { attempts: vec![clone_attempt(&attempt)], progress: Some(claim.clone()), ..Work::default() };
        let written = self.write_until_done(work).await;
        if !matches!(written, Some(Worked::Done { .. })) {
            count(&self.metrics.stale);
            self.release(call, None, now);
            return false;
        }
        call.ordinal += 1;
        call.request = next.request;
        call.state = next.state;
        call.repeat = next.repeat;
        call.started_at = now;
        call.connection.lock_lanes(crate::lanes::Lanes::pay);
        true
    }

    /// Writes, and goes on trying while the store is only busy. `None`: the store is closed.
    async fn write_until_done(&self, work: impl Fn() -> Work) -> Option<Worked> {
        loop {
            match self.store.work(work()).await {
                Ok(worked) => return Some(worked),
                Err(Error::Busy | Error::DiskFull) if !self.is_stopping() => tokio::time::sleep(PAUSE).await,
                Err(e) => {
                    tracing::error!(error = %e, "a call could not be recorded; it is looked into after a restart");
                    return None;
                }
            }
        }
    }

    /// Makes one HTTP call with the connection's credential.
    pub(crate) async fn send(&self, connection: &ConnectionRuntime, request: &Request) -> Result<Answer, Trouble> {
        let mut extra = connection.credential(&*self.store, &self.client, &*self.clock).await.map_err(Trouble::Auth)?;
        extra.extend(connection.extra_headers.iter().cloned());
        self.client
            .call(request, &extra, connection.allow_private, connection.limits.timeout)
            .await
            .map_err(Trouble::NoAnswer)
    }

    /// Outcomes of a call, one per member: each is settled in a transaction of its own, with what follows.
    /// Returns the next call of the chain, when it can be made at once.
    async fn conclude(
        self: &Arc<Self>,
        mut call: OpenCall,
        outcomes: Vec<Outcome>,
        answer: Option<Answer>,
        started: Option<Timestamp>,
    ) -> Option<OpenCall> {
        let now = self.clock.now();
        let connection = call.connection.clone();
        self.note_health(&call, &outcomes, answer.as_ref(), now).await;
        let members = std::mem::take(&mut call.members);
        let mut chain = None;
        let single = members.len() == 1;
        let missing = || Outcome::Unknown { why: "the connector gave no outcome for this input".into() };
        let mut outcomes = outcomes.into_iter();
        for (i, member) in members.into_iter().enumerate() {
            let outcome = outcomes.next().unwrap_or_else(missing);
            let verdict = self.verdict(&connection, &call, &member, outcome.clone(), answer.as_ref(), now).await;
            let attempt = AttemptInsert {
                effect: member.id,
                attempt: member.attempt,
                call: call.ordinal,
                started_at: started.unwrap_or(call.started_at),
                ended_at: now,
                outcome: outcome.name(),
                status: answer.as_ref().map(|a| a.status),
                detail: attempt_detail(&outcome, answer.as_ref().filter(|_| i == 0))
                    .map(|d| self.store.sealer().seal_json(&d)),
            };
            let calls = self.settle(&connection, &call.action, member, verdict, attempt, now).await;
            let mut calls = calls.into_iter();
            if single && chain.is_none() {
                chain = calls.next();
            }
            calls.for_each(|c| self.spawn_call(c));
        }
        connection.wake.notify_one();
        chain
    }

    /// Tells the breaker, the bucket and the credential how a call went.
    async fn note_health(&self, call: &OpenCall, outcomes: &[Outcome], answer: Option<&Answer>, now: Timestamp) {
        let connection = &call.connection;
        let first = outcomes.first();
        let well = match first {
            _ if answer.is_none() && started_nothing(first) => None,
            Some(Outcome::ProviderDown { .. }) => Some(false),
            Some(Outcome::Unknown { .. } | Outcome::Retry { .. }) if answer.is_none() => Some(false),
            Some(_) if answer.is_some() => Some(true),
            _ => None,
        };
        let opened = connection.lock_lanes(|l| l.release_slot(well, now));
        if opened {
            count(&self.metrics.breaker_opened);
            tracing::warn!(connection = connection.name(), "too many failures in a row: calls pause and are probed");
        }
        if answer.is_some() && !outcomes.contains(&Outcome::AuthExpired) {
            connection.credential_accepted();
        }
        for outcome in outcomes {
            let hold = match outcome {
                Outcome::Throttled { after, scope: Scope::Connection } => Some(after.unwrap_or(Duration::from_secs(1))),
                Outcome::Retry { after: Some(after), scope: Scope::Connection, .. } => Some(*after),
                Outcome::ProviderDown { after: Some(after), .. } => Some(*after),
                _ => None,
            };
            if let Some(until) = hold.and_then(|h| now.checked_add(self.dice.spread(h)).ok()) {
                connection.lock_lanes(|l| l.hold(until));
            }
        }
    }

    /// What an outcome means for the effect and its step.
    async fn verdict(
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
                    note: Some(json!({ "why": why })),
                    ..Verdict::new(EffectState::Queued)
                },
                _ => dead(format!("tried until it was too old; last: {why}")),
            }
        };
        match outcome {
            Outcome::Done(done) => self.done(connection, action, done, answer, now),
            Outcome::Partial { done, failed } => Verdict {
                note: Some(json!({ "result": done, "failed": failed })),
                step: Some(StepOutcome::Done { result: done }),
                ..Verdict::new(EffectState::Partial)
            },
            Outcome::Retry { after, why, .. } => again(after, why),
            Outcome::ProviderDown { after, why } => again(after, why),
            Outcome::Throttled { after, .. } => again(after.or(Some(PAUSE)), "the provider asked to go slower".into()),
            Outcome::AuthExpired => {
                if connection.credential_refused(call.credential).await {
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
            Outcome::Unknown { why } => self.unknown(connection, action, member.resend_unknown, why, now),
        }
    }

    fn done(
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
            note: Some(json!({ "result": done.result })),
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
            None => (EffectState::Unknown, None, Some(StepOutcome::Unknown { why: why.clone() }), None, why),
        }
    }

    fn unknown(
        &self,
        connection: &ConnectionRuntime,
        action: &str,
        resend: bool,
        why: String,
        now: Timestamp,
    ) -> Verdict {
        let (to, not_before, step, timer, why) = self.unknown_of(connection, action, resend, why, now);
        Verdict { not_before, step, timer, note: Some(json!({ "why": why })), ..Verdict::new(to) }
    }

    /// T3 to T5: the outcome, the attempt's history, the run, what it decides next, in one transaction.
    async fn settle(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        action: &str,
        member: OpenEffect,
        verdict: Verdict,
        attempt: AttemptInsert,
        now: Timestamp,
    ) -> Vec<OpenCall> {
        let index = connection.action_index(action);
        let queued = (verdict.to == EffectState::Queued).then_some(Queued {
            id: member.id,
            seq: member.seq,
            action: index,
            not_before: verdict.not_before,
        });
        // The lane goes on at the answer; a dead, unknown or checking effect stops it if it is to be parked.
        let stops = match verdict.to {
            EffectState::Dead | EffectState::Unknown => member.park,
            EffectState::Checking => true,
            _ => false,
        };
        if stops {
            connection.lock_lanes(|l| l.park(member.lane));
        }
        let gap = connection.manifest().action(action).is_some_and(|a| a.lane_gap.is_some());
        let written = self.settle_written(connection, &member, &verdict, gap, attempt, now).await;
        match verdict.to {
            EffectState::Dead => count(&self.metrics.dead),
            EffectState::Unknown => count(&self.metrics.unknown),
            _ => {}
        }
        if verdict.timer.is_some() {
            self.timer_wake.notify_one();
        }
        if action == FETCH && verdict.to != EffectState::Queued {
            self.fetch_over(connection, &member.input);
        }
        match written {
            Some((calls, deliveries)) => {
                connection.lock_lanes(|l| l.finish(member.lane, index, queued, now));
                deliveries.into_iter().for_each(|(id, bytes)| self.feed_own(connection, id, Source::Fetch, bytes, now));
                calls
            }
            None => {
                // Settled by a status that came first, or the store is closed.
                count(&self.metrics.stale);
                if stops {
                    connection.lock_lanes(|l| l.unpark(member.lane, now));
                }
                connection.lock_lanes(|l| l.finish(member.lane, index, None, now));
                Vec::new()
            }
        }
    }

    pub(crate) fn fetch_over(&self, connection: &ConnectionRuntime, input: &Value) {
        if let Ok(entity) = serde_json::from_value::<EntityRef>(input.clone()) {
            self.fetching.lock().remove(&(connection.id, entity));
        }
    }

    #[allow(clippy::type_complexity)]
    async fn settle_written(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        member: &OpenEffect,
        verdict: &Verdict,
        gap: bool,
        attempt: AttemptInsert,
        now: Timestamp,
    ) -> Option<(Vec<OpenCall>, Vec<(DeliveryId, Vec<u8>)>)> {
        let guard = EffectGuard::Attempt { boot: self.store.boot(), attempt: member.attempt };
        let change = EffectChange {
            id: member.id,
            run: member.run,
            path: member.path.clone(),
            guard,
            to: verdict.to,
            not_before: verdict.not_before,
            code: verdict.code.clone(),
            note: verdict.note.clone(),
            reference: verdict.reference.clone(),
            renew: None,
            step: verdict.step.clone(),
            timer: verdict.timer,
            fired: Vec::new(),
            // A lane with a least time between its effects is not handed over.
            holding: (!gap).then_some((connection.id, member.lane)),
        };
        let fetched = verdict.fetched.as_ref().map(|answer| {
            let packed = crate::pack::pack(std::iter::empty(), &answer.body);
            (connection.id, packed)
        });
        self.change_effect(change, Some(attempt), fetched, now).await
    }

    /// Changes an effect together with its run, and lets the run decide on. The one way by which
    /// outcomes reach a flow. `None`: a guard did not hold, or the store is closed.
    #[allow(clippy::type_complexity)]
    pub(crate) async fn change_effect(
        self: &Arc<Self>,
        change: EffectChange,
        attempt: Option<AttemptInsert>,
        fetched: Option<(i64, Vec<u8>)>,
        now: Timestamp,
    ) -> Option<(Vec<OpenCall>, Vec<(DeliveryId, Vec<u8>)>)> {
        let mut stale = 0;
        while stale < 20 {
            let cell = change.run.map(|id| (id, self.runs.cell(id)));
            let mut guard = match &cell {
                Some((_, cell)) => Some(cell.clone().lock_owned().await),
                None => None,
            };
            let mut work = Work { fired: change.fired.clone(), ..Work::default() };
            work.updates.push(change.update(self));
            work.attempts.extend(attempt.as_ref().map(clone_attempt));
            if let Some((due, kind)) = change.timer {
                work.timers.push(TimerSet { due, kind, target: change.id.get(), path: String::new() });
            }
            if let Some((connection, packed)) = &fetched {
                work.deliveries.push(NewDelivery {
                    connection: *connection,
                    source: Source::Fetch.as_str(),
                    received_at: now,
                    packed: self.store.sealer().seal(packed),
                    replay_key: None,
                });
            }
            let mut planned = Vec::new();
            let mut more = false;
            let mut ended = false;
            if let (Some(id), Some(slot)) = (change.run, guard.as_mut()) {
                if slot.is_none() {
                    **slot = match self.load_run(id).await {
                        Ok(run) => run,
                        Err(e) => {
                            tracing::error!(run = %id, error = %e, "a run cannot be read");
                            return None;
                        }
                    };
                }
                if let Some(run) = slot.as_mut() {
                    match change.to {
                        EffectState::Settling => drop(run.data.settling.insert(change.path.clone())),
                        _ => drop(run.data.settling.remove(&change.path)),
                    }
                    if let Some(step) = &change.step {
                        run.flow.clone().on_outcome(state_of_settled(&mut run.data), &change.path, step.clone());
                        if run.status != RunStatus::Cancelled {
                            let models = match self.run_models(&run.flow.clone(), &run.event.clone()).await {
                                Ok(models) => models,
                                Err(e) => {
                                    tracing::error!(run = %id, error = %e, "read models cannot be read");
                                    forget_changed(&mut guard);
                                    return None;
                                }
                            };
                            more = self.advance(run, &models, now, change.holding, &mut work, &mut planned);
                            match self.hear_missed(run, now, &[], &mut work, &mut planned).await {
                                Ok(again) => more |= again,
                                Err(e) => {
                                    tracing::error!(run = %id, error = %e, "events cannot be read");
                                    planned.into_iter().for_each(|p: Planned| p.abort(now));
                                    forget_changed(&mut guard);
                                    return None;
                                }
                            }
                        }
                        work.runs.push(self.run_write(run, now));
                        run.version += 1;
                    } else if change.to != EffectState::Queued && change.to != EffectState::Checking {
                        // Settled late without news for the flow: the run may be over now.
                        if run.status == RunStatus::Settling && run.data.settling.is_empty() {
                            run.status = RunStatus::Done;
                        }
                        work.runs.push(self.run_write(run, now));
                        run.version += 1;
                    }
                    ended = run.status == RunStatus::Done;
                }
            }
            work.effects.extend(planned.iter().map(|p| p.insert.clone()));
            let has_timers = !work.timers.is_empty();
            self.fail_point("before_settle");
            let result = self.store.work(work).await;
            match result {
                Ok(Worked::Done { seqs, deliveries }) => {
                    self.fail_point("after_settle");
                    let calls: Vec<OpenCall> =
                        planned.into_iter().zip(seqs).filter_map(|(p, seq)| p.commit(seq, now)).collect();
                    if ended {
                        count(&self.metrics.runs_done);
                    }
                    if has_timers {
                        self.timer_wake.notify_one();
                    }
                    self.after_run_change(cell, guard, &calls, more);
                    let brought = deliveries.into_iter().zip(fetched.map(|(_, p)| p)).collect();
                    return Some((calls, brought));
                }
                Ok(Worked::Stale) => {
                    planned.into_iter().for_each(|p: Planned| p.abort(now));
                    forget_changed(&mut guard);
                    stale += 1;
                    // Was it the effect that moved, or only the run?
                    let still = self
                        .store
                        .effect(change.id)
                        .await
                        .ok()
                        .flatten()
                        .is_some_and(|row| change.still_holds(&row, self.store.boot()));
                    if !still {
                        self.after_run_change(cell, guard, &[], false);
                        return None;
                    }
                    drop(guard);
                }
                Err(e) => {
                    planned.into_iter().for_each(|p: Planned| p.abort(now));
                    forget_changed(&mut guard);
                    if matches!(e, Error::Closed) || self.is_stopping() {
                        return None;
                    }
                    drop(guard);
                    tracing::warn!(effect = %change.id, error = %e, "an outcome could not be written yet");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        tracing::error!(effect = %change.id, "an outcome could not be written: its run changes all the time");
        None
    }

    /// Lets go of a run's lock, and of the run when no call of it is out.
    fn after_run_change(
        self: &Arc<Self>,
        cell: Option<(RunId, crate::runs::RunCell)>,
        guard: Option<tokio::sync::OwnedMutexGuard<Option<crate::runs::LiveRun>>>,
        calls: &[OpenCall],
        more: bool,
    ) {
        drop(guard);
        let Some((id, cell)) = cell else { return };
        if more {
            let inner = self.clone();
            tokio::spawn(async move { inner.go_on(id).await });
        }
        if calls.is_empty() {
            self.runs.forget(id, cell);
        }
    }

    /// A run that had more to decide than one transaction takes goes on.
    pub(crate) async fn go_on(self: Arc<Self>, id: RunId) {
        loop {
            let cell = self.runs.cell(id);
            let mut guard = cell.clone().lock_owned().await;
            if guard.is_none() {
                match self.load_run(id).await {
                    Ok(run) => *guard = run,
                    Err(_) => return,
                }
            }
            let Some(run) = guard.as_mut() else { return };
            let now = self.clock.now();
            let Ok(models) = self.run_models(&run.flow.clone(), &run.event.clone()).await else { return };
            let (mut work, mut planned) = (Work::default(), Vec::new());
            let mut more = self.advance(run, &models, now, None, &mut work, &mut planned);
            match self.hear_missed(run, now, &[], &mut work, &mut planned).await {
                Ok(again) => more |= again,
                Err(_) => {
                    planned.into_iter().for_each(|p: Planned| p.abort(now));
                    *guard = None;
                    return;
                }
            }
            work.effects.extend(planned.iter().map(|p| p.insert.clone()));
            work.runs.push(self.run_write(run, now));
            run.version += 1;
            match self.store.work(work).await {
                Ok(Worked::Done { seqs, .. }) => {
                    let calls: Vec<OpenCall> =
                        planned.into_iter().zip(seqs).filter_map(|(p, seq)| p.commit(seq, now)).collect();
                    self.after_run_change(Some((id, cell)), Some(guard), &calls, false);
                    calls.into_iter().for_each(|c| self.spawn_call(c));
                    if !more {
                        return;
                    }
                }
                other => {
                    planned.into_iter().for_each(|p: Planned| p.abort(now));
                    *guard = None;
                    drop(guard);
                    if matches!(other, Err(Error::Closed)) {
                        return;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Gives up a call whose attempt is no longer ours.
    fn release(&self, call: &OpenCall, well: Option<bool>, now: Timestamp) {
        let index = call.connection.action_index(&call.action);
        call.connection.lock_lanes(|l| {
            for m in &call.members {
                l.finish(m.lane, index, None, now);
            }
            l.release_slot(well, now);
        });
        call.connection.wake.notify_one();
    }
}

/// A change of one effect and its run.
pub(crate) struct EffectChange {
    pub(crate) id: EffectId,
    pub(crate) run: Option<RunId>,
    pub(crate) path: String,
    pub(crate) guard: EffectGuard,
    pub(crate) to: EffectState,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) code: Option<String>,
    pub(crate) note: Option<Value>,
    pub(crate) reference: Option<String>,
    pub(crate) renew: Option<Timestamp>,
    pub(crate) step: Option<StepOutcome>,
    pub(crate) timer: Option<(Timestamp, TimerKind)>,
    pub(crate) fired: Vec<(Timestamp, i64)>,
    /// Connection and lane that the effect holds and may hand over.
    pub(crate) holding: Option<(i64, LaneKey)>,
}

impl EffectChange {
    fn update(&self, inner: &Inner) -> EffectUpdate {
        EffectUpdate {
            id: self.id,
            guard: self.guard.clone(),
            to: self.to,
            not_before: self.not_before,
            code: self.code.clone(),
            outcome: self.note.as_ref().map(|n| inner.store.sealer().seal_json(n)),
            reference: self.reference.as_deref().map(|r| inner.reference_hash(r)),
            renew: self.renew,
        }
    }

    fn still_holds(&self, row: &EffectRow, boot: i64) -> bool {
        match &self.guard {
            EffectGuard::Attempt { boot: own, attempt } => {
                row.state == EffectState::Calling && row.attempt == *attempt && *own == boot
            }
            EffectGuard::State(states) => states.contains(&row.state),
        }
    }
}

fn forget_changed(guard: &mut Option<tokio::sync::OwnedMutexGuard<Option<crate::runs::LiveRun>>>) {
    if let Some(slot) = guard.as_mut() {
        **slot = None;
    }
}

/// Why a call was not made, or not answered.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    Auth(AuthTrouble),
    NoAnswer(crate::client::NoAnswer),
}

impl Trouble {
    pub(crate) fn outcome(&self, repeat: Repeat) -> Outcome {
        match self {
            Self::Auth(AuthTrouble::Refused(why)) => Outcome::NeedsHuman { why: why.clone() },
            Self::Auth(AuthTrouble::Later(why)) => {
                Outcome::Retry { after: None, scope: Scope::Effect, why: why.clone() }
            }
            Self::NoAnswer(no) if no.maybe_sent && repeat == Repeat::Never => Outcome::Unknown { why: no.why.clone() },
            Self::NoAnswer(no) => Outcome::Retry { after: None, scope: Scope::Effect, why: no.why.clone() },
        }
    }
}

/// The key that a provider sees: the effect's id, with its generation after a person asked for a new try.
pub(crate) fn idempotency_key(member: &OpenEffect) -> String {
    key_of(member.id, member.generation)
}

pub(crate) fn key_of(id: EffectId, generation: u32) -> String {
    if generation <= 1 { id.to_string() } else { format!("{id}.{generation}") }
}

fn open_effect(lane: LaneKey, row: &EffectRow) -> OpenEffect {
    OpenEffect {
        id: row.id,
        run: row.run,
        path: row.path.clone(),
        lane,
        seq: row.seq,
        attempt: row.attempt + 1,
        generation: row.generation,
        give_up_at: row.give_up_at,
        resend_unknown: row.resend_unknown,
        park: row.park,
        input: serde_json::from_slice(&row.input).unwrap_or(Value::Null),
    }
}

fn started_nothing(first: Option<&Outcome>) -> bool {
    matches!(
        first,
        Some(Outcome::GiveUp { .. } | Outcome::TargetGone { .. } | Outcome::NeedsHuman { .. } | Outcome::Done(_))
    )
}

fn dead(why: String) -> Verdict {
    Verdict {
        code: Some("needs_human".into()),
        note: Some(json!({ "why": why })),
        step: Some(StepOutcome::Dead { why }),
        ..Verdict::new(EffectState::Dead)
    }
}

fn gave_up(code: String, why: String) -> Verdict {
    Verdict {
        code: Some(code.clone()),
        note: Some(json!({ "code": code, "why": why })),
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
        | Outcome::Unknown { why } => Some(why.clone()),
    };
    let excerpt = answer.map(|a| a.excerpt(500));
    (why.is_some() || excerpt.is_some()).then(|| json!({ "why": why, "answer": excerpt }))
}

fn clone_attempt(a: &AttemptInsert) -> AttemptInsert {
    AttemptInsert {
        effect: a.effect,
        attempt: a.attempt,
        call: a.call,
        started_at: a.started_at,
        ended_at: a.ended_at,
        outcome: a.outcome,
        status: a.status,
        detail: a.detail.clone(),
    }
}
