//! A call and the next of its chain: sent with the connection's credential, judged by its connector.
//! Each further call of an action is recorded before it is made. What an outcome means is not said here.

use super::{PAUSE, idempotency_key};
use crate::connections::{AuthTrouble, ConnectionRuntime};
use crate::engine::Inner;
use crate::runs::OpenCall;
use crate::telemetry::count;
use crate::webhooks::Notice;
use jiff::Timestamp;
use pasarela_connector::{Answer, Auth, Call, Ctx, Outcome, Repeat, Request, Scope, Step};
use pasarela_store::{AttemptInsert, Error, Work, Worked};
use serde_json::json;
use std::sync::Arc;

/// Why a call was not made, or not answered.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    Auth(AuthTrouble),
    NoAnswer(crate::client::NoAnswer),
}

impl Trouble {
    fn why(&self) -> String {
        match self {
            Self::Auth(AuthTrouble::Refused(why) | AuthTrouble::Later(why)) => why.clone(),
            Self::NoAnswer(no) => no.why.clone(),
        }
    }

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

impl Inner {
    /// Makes a call on its own task.
    pub(crate) fn spawn_call(self: &Arc<Self>, call: OpenCall) {
        let inner = self.clone();
        self.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let piece = self.go_on_with();
        tokio::spawn(async move {
            let _piece = piece;
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
            let Ok(suppressed) = self.suppressed(&call).await else { return None };
            if let Some(outcome) = suppressed {
                self.metrics.call(call.connection.name(), outcome.name());
                return self.conclude(call, vec![outcome], None, Some(started)).await;
            }
            let result = match &call.connection.endpoint {
                None => self.send(&call.connection, &call.request).await,
                Some(endpoint) => match self.notice(endpoint, &call.members[0].input).await {
                    Notice::Send(request) => {
                        let result = self.send(&call.connection, &request).await;
                        let why = result.as_ref().err().map(Trouble::why).unwrap_or_default();
                        endpoint.heard(result.as_ref().ok().map(|a| a.status), &why, self.clock.now());
                        result
                    }
                    Notice::End(outcome) => {
                        self.metrics.call(call.connection.name(), outcome.name());
                        return self.conclude(call, vec![outcome], None, Some(started)).await;
                    }
                    Notice::Closed => return None,
                },
            };
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
            match self.judge(&mut call, &answer, &ctx) {
                Step::End(outcomes) => {
                    self.metrics.call(&name, outcomes.first().map_or("none", Outcome::name));
                    self.note_gone(&call, &outcomes, now).await;
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
        let claim =
            self.claim_of(leader.id, leader.attempt, leader.generation, now, &next, call.ordinal + 1, batch, None);
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
        call.connection.lock_lanes(|l| l.pay(call.members[0].lane, call.members[0].flow));
        true
    }

    /// Writes, and goes on trying while the store is only busy. `None`: the store is closed.
    pub(super) async fn write_until_done(&self, work: impl Fn() -> Work) -> Option<Worked> {
        loop {
            match self.store.work(work()).await {
                Ok(worked) => return Some(worked),
                Err(Error::Busy | Error::DiskFull | Error::Unreachable(_)) if !self.is_stopping() => {
                    tokio::time::sleep(PAUSE).await
                }
                Err(e) => {
                    tracing::error!(error = %e, "a call could not be recorded; it is looked into after a restart");
                    return None;
                }
            }
        }
    }

    /// Makes one call with the connection's credential.
    pub(crate) async fn send(&self, connection: &ConnectionRuntime, request: &Request) -> Result<Answer, Trouble> {
        let auth =
            connection.credential(&*self.store, &self.client, &*self.clock, true).await.map_err(Trouble::Auth)?;
        self.send_as(connection, request, auth).await
    }

    /// Makes one HTTP call with a credential.
    pub(crate) async fn send_as(
        &self,
        connection: &ConnectionRuntime,
        request: &Request,
        auth: Auth,
    ) -> Result<Answer, Trouble> {
        let Auth { headers: mut extra, query, .. } = auth;
        extra.extend(connection.extra_headers.iter().cloned());
        // What proves who calls is in no stored request, neither as a header nor as a parameter.
        let proved = (!query.is_empty()).then(|| request.clone().query(query));
        let request = proved.as_ref().unwrap_or(request);
        while !self.store.may_send() {
            // No sign of life could be given for so long that another node may be at this by now.
            if self.is_stopping() || self.fenced.load(std::sync::atomic::Ordering::Relaxed) {
                let why = "this node may not send any more".to_owned();
                return Err(Trouble::NoAnswer(crate::client::NoAnswer { maybe_sent: false, why }));
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.client
            .call(request, &extra, connection.allow_private, connection.limits.timeout)
            .await
            .map_err(Trouble::NoAnswer)
    }

    /// Gives up a call whose attempt is no longer ours.
    fn release(&self, call: &OpenCall, well: Option<bool>, now: Timestamp) {
        let index = call.connection.action_index(&call.action);
        call.connection.lock_lanes(|l| {
            for m in &call.members {
                l.finish(m.lane, index, None, now);
            }
            l.release_slot(call.slot, well, now);
        });
        call.connection.wake.notify_one();
    }
}

pub(super) fn clone_attempt(a: &AttemptInsert) -> AttemptInsert {
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
