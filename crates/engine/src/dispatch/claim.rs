//! From the queue to a call: what may start is read, built and claimed. The claim is the record of the
//! attempt, and no call is made before it is on disk. Which effect comes next is for the lanes to say.

use super::verdict::{TOO_OLD, drops};
use super::{PAUSE, idempotency_key};
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::lanes::{LaneKey, Queued, Slot, Start};
use crate::lawful::Passed;
use crate::runs::{OpenCall, OpenEffect, StoredCall, repeat_of};
use crate::telemetry::count;
use jiff::Timestamp;
use pasarela_connector::{Call, Ctx, Message, Outcome, Repeat, Request, Step};
use pasarela_domain::EffectId;
use pasarela_store::{Claim, EffectGuard, EffectRow, EffectState, EffectUpdate, Error, Work};
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Calls that may begin, and the claims that must be written before they do.
#[derive(Default)]
pub(super) struct Starts {
    pub(super) calls: Vec<OpenCall>,
    pub(super) claims: Vec<Claim>,
}

/// The turn of one message.
pub(crate) struct Turn {
    pub(crate) connection: Arc<ConnectionRuntime>,
    pub(crate) lane: LaneKey,
    pub(crate) row: EffectRow,
    pub(crate) slot: Slot,
    pub(crate) message: Message,
    pub(crate) above: Option<i64>,
}

/// What a start comes to, with the claims that must be written first.
enum Built {
    /// A call.
    Call(OpenCall, Vec<Claim>),
    /// It ended without one.
    End(OpenCall, Vec<Outcome>, Vec<Claim>),
}

impl Inner {
    /// Claims what the lanes gave, in one transaction, and makes the calls.
    pub(super) async fn claim_and_call(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        batches: Vec<Start>,
        above: Option<i64>,
    ) {
        let now = self.clock.now();
        let starts = self.prepare(connection, batches, above, now).await;
        if starts.claims.is_empty() {
            return;
        }
        let Some(results) = self.claim(&starts.claims).await else { return };
        self.started(starts, &results, now).await;
    }

    /// Writes claims, and goes on trying while the store cannot. `None`: the store is closed.
    async fn claim(&self, claims: &[Claim]) -> Option<Vec<bool>> {
        loop {
            match self.store.claim(claims.to_vec()).await {
                Ok(results) => return Some(results),
                Err(Error::Closed | Error::Fenced) => return None,
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Builds the calls of what the lanes gave; nothing is claimed yet. `above`: up to where the lanes were
    /// known when they gave it.
    pub(super) async fn prepare(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        batches: Vec<Start>,
        above: Option<i64>,
        now: Timestamp,
    ) -> Starts {
        let mut starts = Starts::default();
        for batch in batches {
            let slot = Slot::of(batch.first().map_or(0, |(lane, _)| lane.urgency));
            let mut rows = Vec::new();
            for (lane, queued) in batch {
                match self.store.effect(queued.id).await {
                    Ok(Some(row)) if row.state == EffectState::Queued && !self.is_held(&row).await => {
                        rows.push((lane, row));
                    }
                    // Paused: it steps aside, and a resume reads it again.
                    Ok(Some(row)) if row.state == EffectState::Queued => {
                        connection.lock_lanes(|l| l.step_aside(lane, &queued, now));
                    }
                    Ok(_) => self.drop_start(connection, lane, queued, now),
                    Err(e) => {
                        tracing::error!(effect = %queued.id, error = %e, "an effect cannot be read");
                        let later = Queued { not_before: now.checked_add(Duration::from_secs(1)).ok(), ..queued };
                        connection.lock_lanes(|l| l.finish(lane, queued.action, Some(later), now));
                    }
                }
            }
            if rows.is_empty() {
                connection.lock_lanes(|l| l.return_slot(slot, now));
                continue;
            }
            let message = connection.manifest().action(&rows[0].1.action).and_then(|a| a.message);
            if let (Some(message), [_]) = (message, rows.as_slice())
                && let Some((lane, row)) = rows.pop()
            {
                self.spawn_gate(Turn { connection: connection.clone(), lane, row, slot, message, above });
                continue;
            }
            if let Some(call) = self.open_call(connection, rows, slot, above, now, &mut starts.claims).await {
                starts.calls.push(call);
            }
        }
        starts
    }

    /// The claims are written: makes the calls whose effects were still to be had.
    pub(super) async fn started(self: &Arc<Self>, starts: Starts, results: &[bool], now: Timestamp) {
        let lost: Vec<EffectId> =
            starts.claims.iter().zip(results).filter(|(_, ok)| !**ok).map(|(claim, _)| claim.id).collect();
        for call in starts.calls {
            if !lost.is_empty() && call.members.iter().any(|m| lost.contains(&m.id)) {
                self.claims_lost(call, &lost, now).await;
            } else {
                self.spawn_call(call);
            }
        }
    }

    /// Effects of a call were withdrawn or taken between reading and claiming, or another node put something
    /// before them. A batch that was built with them is made anew.
    async fn claims_lost(self: &Arc<Self>, call: OpenCall, lost: &[EffectId], now: Timestamp) {
        let connection = &call.connection;
        let index = connection.action_index(&call.action);
        for m in &call.members {
            let queued = m.queued(index, None);
            if lost.contains(&m.id) {
                self.drop_start(connection, m.lane, queued, now);
                if !connection.knows_all(&*self.store) {
                    // The lane is read as it is, and what lies above the floor comes to be known.
                    connection.lock_lanes(|l| l.requeue(m.lane, now));
                    self.neighbours.look_now();
                }
            } else {
                self.unclaim(m, now).await;
                connection.lock_lanes(|l| l.finish(m.lane, index, Some(queued), now));
            }
        }
        connection.lock_lanes(|l| l.release_slot(call.slot, None, now));
        connection.wake.notify_one();
    }

    /// The claims were not written: the effects are queued as before.
    pub(super) fn give_back(&self, starts: Starts, now: Timestamp) {
        for call in starts.calls {
            let index = call.connection.action_index(&call.action);
            call.connection.lock_lanes(|l| {
                for m in call.members {
                    l.finish(m.lane, index, Some(m.queued(index, None)), now);
                }
                l.release_slot(call.slot, None, now);
            });
            call.connection.wake.notify_one();
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
            give_up_at: None,
            reenters: None,
        };
        let work = || Work { updates: vec![update.clone()], ..Work::default() };
        // A guard that does not hold: it was withdrawn, or settled by a status.
        drop(self.write_until_done(work).await);
    }

    fn drop_start(&self, connection: &ConnectionRuntime, lane: LaneKey, queued: Queued, now: Timestamp) {
        connection.lock_lanes(|l| l.finish(lane, queued.action, None, now));
    }

    /// A message whose turn it is: decided by the rules, then sent, put off, or ended.
    pub(crate) async fn take_turn(self: Arc<Self>, turn: Turn) {
        let Turn { connection, lane, row, slot, message, above } = turn;
        let now = self.clock.now();
        let index = connection.action_index(&row.action);
        let rows = vec![(lane, row)];
        let (mut open, outcomes, claims) = match self.built(&connection, &rows, slot, above, now) {
            Built::Call(open, claims) => (open, None, claims),
            Built::End(open, outcomes, claims) => (open, Some(outcomes), claims),
        };
        if let Some(outcomes) = outcomes {
            return self.end_without_call(open, outcomes, claims).await;
        }
        let [claim] = claims.as_slice() else { return };
        match self.pass_gate(&connection, message, &rows[0].1, claim).await {
            Passed::Go => {
                open.started_at = self.clock.now();
                self.spawn_call(open);
            }
            Passed::End(outcome) => {
                if let Some(next) = self.conclude(open, vec![outcome], None, None).await {
                    self.spawn_call(next);
                }
            }
            Passed::Deferred => {
                let now = self.clock.now();
                count(&self.metrics.deferred);
                connection.lock_lanes(|l| {
                    l.finish(lane, index, None, now);
                    l.return_slot(slot, now);
                });
                connection.wake.notify_one();
            }
            Passed::Lost => self.claims_lost(open, &[rows[0].1.id], self.clock.now()).await,
            Passed::Again => {
                let now = self.clock.now();
                let later = now.checked_add(Duration::from_secs(1)).ok();
                let queued = open.members.first().map(|m| m.queued(index, later));
                connection.lock_lanes(|l| {
                    l.finish(lane, index, queued, now);
                    l.return_slot(slot, now);
                });
                connection.wake.notify_one();
            }
            Passed::Closed => {}
        }
    }

    /// Builds the call of one start. Ends that need no call are settled here.
    async fn open_call(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        rows: Vec<(LaneKey, EffectRow)>,
        slot: Slot,
        above: Option<i64>,
        now: Timestamp,
        claims: &mut Vec<Claim>,
    ) -> Option<OpenCall> {
        match self.built(connection, &rows, slot, above, now) {
            Built::Call(open, own) => {
                claims.extend(own);
                Some(open)
            }
            Built::End(open, outcomes, own) => {
                tokio::spawn(self.clone().end_without_call(open, outcomes, own));
                None
            }
        }
    }

    /// The call of one start with the claims of its effects: a stored call that goes on, or one that begins anew.
    fn built(
        &self,
        connection: &Arc<ConnectionRuntime>,
        rows: &[(LaneKey, EffectRow)],
        slot: Slot,
        above: Option<i64>,
        now: Timestamp,
    ) -> Built {
        let action = rows[0].1.action.clone();
        let members: Vec<OpenEffect> = rows.iter().map(|(lane, row)| open_effect(*lane, row)).collect();
        let stored = match rows {
            [(_, only)] => serde_json::from_slice::<StoredCall>(&only.call)
                .ok()
                .filter(|s| s.batch.is_none() && s.generation == only.generation),
            _ => None,
        };
        let resumed = stored.and_then(|s| {
            let repeat = repeat_of(rows[0].1.repeat);
            s.request.map(|request| (Call { request, state: s.state, repeat }, s.ordinal))
        });
        let key = idempotency_key(&members[0]);
        let ctx = Ctx { now, key: &key, attempt: members[0].attempt };
        let old = drops(connection, &action) && members.iter().all(|m| now > m.give_up_at);
        let begun = match resumed {
            _ if old => {
                let why = format!("it waited until {}, and is of no use any more", members[0].give_up_at);
                Err(Step::all(members.len(), &Outcome::dropped(TOO_OLD, why)))
            }
            // The bytes are made, but what they were made of may not hold any more.
            Some(found) => self.stops(connection, &action, &members[0].input, &ctx).map_or(Ok(found), Err),
            None => {
                let inputs: Vec<Value> = members.iter().map(|m| m.input.clone()).collect();
                Err(self.begin(connection, &action, &inputs, &ctx))
            }
        };
        let (call, ordinal, outcomes) = match begun {
            Ok((call, ordinal)) => (call, ordinal, None),
            Err(Step::Call(call)) => (call, 0, None),
            // Nothing was claimed: it will be, so that the settlement has its fence.
            Err(Step::End(outcomes)) => {
                (Call { request: Request::get(""), state: Value::Null, repeat: Repeat::Safe }, 0, Some(outcomes))
            }
        };
        let batch = (members.len() > 1 && outcomes.is_none()).then(|| members[0].id);
        let claims: Vec<Claim> = members
            .iter()
            .map(|m| self.claim_of(m.id, m.attempt, m.generation, now, &call, ordinal, batch, above))
            .collect();
        let open = OpenCall {
            connection: connection.clone(),
            members,
            slot,
            action,
            request: call.request,
            state: call.state,
            repeat: call.repeat,
            ordinal,
            started_at: now,
            credential: 0,
        };
        match outcomes {
            None => Built::Call(open, claims),
            Some(outcomes) => Built::End(open, outcomes, claims),
        }
    }

    /// An action that ended without a call is claimed and settled like any other. Boxed: settling may
    /// begin another effect, which may end like this one.
    fn end_without_call(
        self: Arc<Self>,
        open: OpenCall,
        outcomes: Vec<Outcome>,
        own: Vec<Claim>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let ids: Vec<EffectId> = own.iter().map(|c| c.id).collect();
            let Some(claimed) = self.claim(&own).await else { return };
            let lost: Vec<EffectId> = ids.into_iter().zip(claimed).filter(|(_, ok)| !ok).map(|(id, _)| id).collect();
            if !lost.is_empty() {
                return self.claims_lost(open, &lost, self.clock.now()).await;
            }
            if let Some(next) = self.conclude(open, outcomes, None, None).await {
                // Recorded as calling already: it must be made.
                self.spawn_call(next);
            }
        })
    }
}

fn open_effect(lane: LaneKey, row: &EffectRow) -> OpenEffect {
    OpenEffect {
        id: row.id,
        run: row.run,
        path: row.path.clone(),
        lane,
        flow: row.flow,
        seq: row.seq,
        attempt: row.attempt + 1,
        generation: row.generation,
        give_up_at: row.give_up_at,
        resend_unknown: row.resend_unknown,
        park: row.park,
        input: serde_json::from_slice(&row.input).unwrap_or(Value::Null),
    }
}
