//! After the commit, or after it failed: news go out, lanes go on, calls are made; or everything that
//! was taken is given back. Nothing is decided here.

use super::Draft;
use crate::engine::Inner;
use crate::runs::{OpenCall, Planned};
use crate::telemetry::count;
use jiff::Timestamp;
use pasarela_store::{DeliveryStatus, FactResult, RunStatus};
use std::sync::Arc;

impl Inner {
    /// After the commit: news go out, lanes go on, calls are made.
    pub(super) fn decided(
        self: &Arc<Self>,
        draft: Draft,
        results: &[FactResult],
        status: DeliveryStatus,
        now: Timestamp,
    ) {
        let written = |position: usize| matches!(results.get(position), Some(FactResult::New(_)));
        let known = results.iter().filter(|r| **r == FactResult::Known).count();
        if !results.is_empty() && known == results.len() {
            count(&self.metrics.duplicates);
        }
        if matches!(status, DeliveryStatus::Quarantined | DeliveryStatus::Partial) {
            count(&self.metrics.quarantined);
        }
        count(&self.metrics.decided);
        let mut calls: Vec<OpenCall> = Vec::new();
        let mut timers = draft.timers;
        for (position, planned) in draft.planned {
            let mut seqs: &[i64] = &[];
            if let Some(FactResult::New(given)) = results.get(position) {
                seqs = given;
            }
            for (i, plan) in planned.into_iter().enumerate() {
                match seqs.get(i) {
                    Some(seq) => calls.extend(plan.commit(*seq, now)),
                    None => self.abandon(plan, now),
                }
            }
        }
        for position in draft.adopted {
            if written(position) {
                count(&self.metrics.runs);
            }
        }
        for (position, run) in draft.runs {
            if written(position) {
                count(&self.metrics.runs);
                timers |= !run.data.armed.is_empty();
                if run.status == RunStatus::Done {
                    count(&self.metrics.runs_done);
                }
                if calls.iter().any(|c| c.members.iter().any(|m| m.run == Some(run.id))) || draft.more.contains(&run.id)
                {
                    self.runs.keep(run);
                }
            }
        }
        for (position, effect) in draft.unpark {
            if written(position)
                && let Some(connection) = self.connection_by_id(effect.connection)
            {
                let lane = crate::lanes::LaneKey { lane: effect.lane, urgency: effect.urgency };
                connection.lock_lanes(|l| l.unpark(lane, now));
                connection.wake.notify_one();
            }
        }
        for (id, (cell, guard)) in draft.held {
            timers |= guard.as_ref().is_some_and(|r| !r.data.armed.is_empty());
            drop(guard);
            self.runs.forget(id, cell);
        }
        for (position, scope) in draft.events {
            if written(position) {
                count(&self.metrics.events);
                self.tallies.event(&scope.event_type, &scope.data, scope.received_at);
                self.publish(&scope);
            }
            self.watermark.close(scope.id.get());
            self.webhooks.tell();
            self.people.tell();
        }
        let unsaid = draft.unsaid.into_iter().filter(|(position, ..)| written(*position));
        self.people.saw(unsaid.map(|(_, connection, entity)| (connection, entity)).collect());
        if timers {
            self.timer_wake.notify_one();
        }
        for call in calls {
            self.spawn_call(call);
        }
        for id in draft.more {
            let inner = self.clone();
            tokio::spawn(async move { inner.go_on(id).await });
        }
    }

    /// An effect that was planned and not written. A read may be planned again by whoever needs it next.
    fn abandon(&self, plan: Planned, now: Timestamp) {
        if let Some(entity) = &plan.reads {
            self.fetching.lock().remove(&(plan.connection.id, entity.clone()));
        }
        plan.abort(now);
    }

    /// Nothing was written: everything that was taken is given back.
    pub(super) fn abort(&self, draft: Draft, now: Timestamp) {
        for (_, planned) in draft.planned {
            for plan in planned {
                self.abandon(plan, now);
            }
        }
        for (id, (cell, mut guard)) in draft.held {
            // What is in memory was changed and not written.
            *guard = None;
            drop(guard);
            self.runs.forget(id, cell);
        }
        for (_, scope) in draft.events {
            self.watermark.close(scope.id.get());
        }
    }
}
