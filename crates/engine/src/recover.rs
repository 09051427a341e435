//! What a start finds: calls that were out when the process ended, lanes that are parked, the backlog.
//!
//! Exactly the effects in flight at the crash are `calling` under an earlier boot. What may be sent
//! again is queued again, with the same bytes; what may not is found out about.

use crate::connections::{ConnectionRuntime, Hold};
use crate::dispatch::FETCH;
use crate::engine::Inner;
use crate::lanes::LaneKey;
use pasarela_connector::Repeat;
use pasarela_store::{AttemptInsert, EffectGuard, EffectState, EffectUpdate, Error, TimerSet, Work};
use serde_json::json;
use std::sync::Arc;

impl Inner {
    /// Looks after connections that have just become this node's, before anything of them is dispatched.
    /// Returns how many calls had been interrupted.
    pub(crate) async fn recover(self: &Arc<Self>, of: &[Arc<ConnectionRuntime>]) -> Result<usize, Error> {
        let is_of = |id: i64| of.iter().any(|c| c.id == id);
        let mut interrupted = self.store.interrupted().await?;
        // What is out of a connection that nobody serves is looked after by everybody.
        interrupted.retain(|row| is_of(row.connection) || self.neighbours.is_nobodys(self, row.connection));
        let now = self.clock.now();
        self.enter_overdue(&is_of, now).await?;
        let count = interrupted.len();
        let mut advance = Vec::new();
        for row in interrupted {
            let repeat = crate::runs::repeat_of(row.repeat);
            let why = "the hub stopped while the call was out".to_owned();
            let (to, not_before, step, timer) = match self.connection_by_id(row.connection) {
                _ if repeat != Repeat::Never || row.action == FETCH => (EffectState::Queued, None, None, None),
                Some(connection) => {
                    let (to, at, step, timer, _) =
                        self.unknown_of(&connection, &row.action, row.resend_unknown, why.clone(), now);
                    (to, at, step, timer)
                }
                None => (EffectState::Unknown, None, None, None),
            };
            let attempt = AttemptInsert {
                effect: row.id,
                attempt: row.attempt,
                // Beyond any call of the attempt, so that none is overwritten.
                call: 1000,
                started_at: row.started_at.unwrap_or(now),
                ended_at: now,
                outcome: "interrupted",
                status: None,
                detail: Some(self.store.sealer().seal_json(&json!({ "why": why }))),
            };
            let guard = EffectGuard::State(&[EffectState::Calling]);
            if let Some(step) = step {
                let change = crate::dispatch::EffectChange {
                    id: row.id,
                    connection: row.connection,
                    run: row.run,
                    path: row.path.clone(),
                    guard,
                    to,
                    not_before,
                    code: (to == EffectState::Dropped).then(|| crate::dispatch::MAYBE_SENT.to_owned()),
                    note: Some(json!({ "why": why }).into()),
                    reference: None,
                    renew: None,
                    step: Some(step),
                    timer,
                    fired: Vec::new(),
                    holding: None,
                };
                if row.park
                    && let Some(connection) = self.connection_by_id(row.connection)
                {
                    // It is not among the parked ones yet: what is behind it waits nevertheless.
                    connection.lock_lanes(|l| l.park(LaneKey { lane: row.lane, urgency: row.urgency }));
                }
                crate::telemetry::count(&self.metrics.unknown);
                advance.push((change, attempt));
                continue;
            }
            let work = Work {
                updates: vec![EffectUpdate {
                    id: row.id,
                    guard,
                    to,
                    not_before,
                    code: None,
                    outcome: Some(self.store.sealer().seal_json(&json!({ "why": why }))),
                    reference: None,
                    renew: None,
                    give_up_at: None,
                    reenters: None,
                }],
                attempts: vec![attempt],
                timers: timer
                    .map(|(due, kind)| TimerSet {
                        due,
                        kind,
                        target: row.id.get(),
                        path: String::new(),
                        connection: row.connection,
                    })
                    .into_iter()
                    .collect(),
                ..Work::default()
            };
            self.store.work(work).await?;
        }
        for (connection, lane, urgency) in self.store.parked().await? {
            if let Some(connection) = of.iter().find(|c| c.id == connection) {
                connection.lock_lanes(|l| l.park(LaneKey { lane, urgency }));
            }
        }
        for connection in of {
            // From here on what is decided for it goes behind what is there.
            let mut flows = 0;
            for urgency in 0..3 {
                for flow in self.store.queued_flows(connection.id, urgency).await? {
                    connection.lock_lanes(|l| l.stored(urgency, flow));
                    flows += 1;
                }
            }
            connection.set_hold(Hold::Own);
            for _ in 0..flows {
                self.read_backlog(connection).await;
            }
        }
        // Runs decide on only now: what they want goes behind what was queued before.
        for (change, attempt) in advance {
            if let Some(changed) = self.change_effect(change, Some(attempt), None, &[], now).await {
                changed.calls.into_iter().for_each(|c| self.spawn_call(c));
            }
        }
        Ok(count)
    }
}
