//! Effects go out: claim, call, judge, settle, next. Outbound decides nothing that a flow decides.
//!
//! The record of an attempt is on disk before its bytes leave; the outcome and what follows from it
//! are one transaction (T3 to T5). When an answer is lost, the hub knows that it does not know.

mod call;
mod claim;
mod settle;
mod verdict;

pub(crate) use call::Trouble;
pub(crate) use claim::Turn;
pub(crate) use settle::{Changed, EffectChange};
pub(crate) use verdict::MAYBE_SENT;

use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::lanes::{LANE_WINDOW, LaneKey, Lanes, Next, Queued, Read, Shown};
use crate::runs::{OpenCall, OpenEffect};
use pasarela_connector::{Answer, Call, Ctx, Outcome, Repeat, Step, judge};
use pasarela_domain::{EffectId, EntityRef};
use pasarela_store::{Error, QueuedRow};
use serde_json::Value;
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

/// How long the dispatcher of a busy connection leaves what may start to the next outcome, which
/// claims it without a transaction of its own.
const COURTESY: Duration = Duration::from_millis(2);

impl Inner {
    /// Begins an action; a connector that panics gives up instead.
    pub(crate) fn begin(&self, connection: &ConnectionRuntime, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
        if action == FETCH {
            let entity = inputs.first().and_then(|i| serde_json::from_value::<EntityRef>(i.clone()).ok());
            return match entity.and_then(|e| connection.connector().fetch(&e)) {
                Some(request) => Step::Call(Call { request, state: Value::Null, repeat: Repeat::Safe }),
                None => Step::end(Outcome::give_up("not_readable", "this record cannot be read on its own")),
            };
        }
        let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            connection.connector().begin(action, inputs, ctx)
        }));
        attempt.unwrap_or_else(|_| {
            Step::all(
                inputs.len(),
                &Outcome::NeedsHuman { why: "the connector failed on this input; please report it".into() },
            )
        })
    }

    /// Must an effect whose bytes are made already not be sent any more?
    fn stops(&self, connection: &ConnectionRuntime, action: &str, input: &Value, ctx: &Ctx<'_>) -> Option<Step> {
        let attempt =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| connection.connector().stops(action, input, ctx)));
        let why = || Outcome::NeedsHuman { why: "the connector failed on this input; please report it".into() };
        attempt.unwrap_or_else(|_| Some(why())).map(Step::end)
    }

    fn judge(&self, call: &mut OpenCall, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        if call.action == FETCH {
            return match judge::classify(answer, ctx.now) {
                None => Step::end(Outcome::done(Value::Null)),
                Some(outcome) => Step::end(outcome),
            };
        }
        // Lent as one list, and given back.
        let inputs: Vec<Value> = call.members.iter_mut().map(|m| std::mem::take(&mut m.input)).collect();
        let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            call.connection.connector().on(&call.action, &inputs, &call.state, answer, ctx)
        }));
        let step = attempt.unwrap_or_else(|_| {
            Step::all(
                inputs.len(),
                &Outcome::Unknown { why: "the connector failed on this answer; please report it".into() },
            )
        });
        call.members.iter_mut().zip(inputs).for_each(|(member, input)| member.input = input);
        step
    }

    /// The dispatcher of one connection: starts what may start, loads the backlog, sleeps.
    pub(crate) async fn dispatcher(self: Arc<Self>, connection: Arc<ConnectionRuntime>) {
        loop {
            if self.is_stopping() || connection.endpoint.as_ref().is_some_and(|e| e.is_retired()) {
                return;
            }
            if connection.lock_lanes(|l| l.is_busy()) {
                tokio::time::sleep(COURTESY).await;
            }
            let now = self.clock.now();
            // Before the lanes are asked: what comes to be known meanwhile was not looked at by them.
            let above = connection.unknown_above(&*self.store);
            let mut starts = Vec::new();
            let idle = loop {
                match connection.lock_lanes(|l| l.next(now)) {
                    Next::Start(batch) => {
                        starts.push(batch);
                        if starts.len() >= CLAIMS {
                            break None;
                        }
                    }
                    Next::Idle(until) => break Some(until),
                }
            };
            if !starts.is_empty() {
                let Some(_piece) = self.take_up() else { return };
                self.claim_and_call(&connection, starts, above).await;
            }
            // What may start does not wait for what is read, and the other way round.
            let brought = self.read_backlog(&connection).await;
            match idle {
                Some(until) if !brought => {
                    let pause =
                        until.map_or(Duration::from_secs(60), |t| self.clock.sleep_for(t).min(Duration::from_secs(60)));
                    tokio::select! {
                        () = connection.wake.notified() => {}
                        () = tokio::time::sleep(pause) => {}
                        () = self.stopped() => return,
                    }
                }
                _ => {}
            }
        }
    }

    /// Reads of the backlog what the lanes ask for now. False: nothing.
    pub(crate) async fn read_backlog(&self, connection: &ConnectionRuntime) -> bool {
        let reads = connection.lock_lanes(Lanes::next_reads);
        let some = !reads.is_empty();
        for read in reads {
            if self.read_part(connection, read).await.is_none() {
                return false;
            }
        }
        some
    }

    /// One part; goes on until it is read. `None`: the store is closed.
    async fn read_part(&self, connection: &ConnectionRuntime, read: Read) -> Option<()> {
        let rows = loop {
            let rows = match read {
                Read::Flow { urgency, flow, after } => {
                    self.store.queued(connection.id, urgency, flow, after, LOAD).await
                }
                Read::Lane { key, after } => {
                    let most = LANE_WINDOW as u32;
                    self.store.queued_lane(connection.id, key.urgency, key.lane, after, most).await
                }
            };
            match rows {
                Ok(rows) => break rows,
                Err(Error::Closed | Error::Fenced) => return None,
                Err(e) => {
                    tracing::error!(connection = connection.name(), error = %e, "the backlog cannot be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        };
        for row in rows.iter().filter(|r| r.action == FETCH) {
            if let Some((kind, id)) = row.path.split_once(':') {
                self.fetching.lock().insert((connection.id, EntityRef::new(kind, id)));
            }
        }
        let now = self.clock.now();
        let queued = |r: &QueuedRow| Queued {
            id: r.id,
            seq: r.seq,
            flow: r.flow,
            action: connection.action_index(&r.action),
            not_before: r.not_before,
        };
        connection.lock_lanes(|l| match read {
            Read::Flow { urgency, flow, after } => {
                let key = |r: &QueuedRow| LaneKey { lane: r.lane, urgency };
                let page = rows
                    .iter()
                    .map(|r| Shown { key: key(r), effect: queued(r), first: r.first, last: r.last })
                    .collect();
                l.page_read(urgency, flow, after, page, rows.len() < LOAD as usize, now);
            }
            Read::Lane { key, .. } => {
                l.lane_read(key, rows.iter().map(queued).collect(), rows.last().is_none_or(|r| r.last), now);
            }
        });
        Some(())
    }
}

/// The key that a provider sees: the effect's id, with its generation after a person asked for a new try.
pub(crate) fn idempotency_key(member: &OpenEffect) -> String {
    key_of(member.id, member.generation)
}

pub(crate) fn key_of(id: EffectId, generation: u32) -> String {
    if generation <= 1 { id.to_string() } else { format!("{id}.{generation}") }
}
