//! Runs that an event begins, and the reads of records without which they cannot begin.

use super::{Draft, known::Known};
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::runs::{EventScope, LiveRun, PlanAt, Planned, ReadModels, RunData};
use jiff::Timestamp;
use pasarela_domain::EntityRef;
use pasarela_flows::{Scope, Start};
use pasarela_store::{FactWrite, RunInsert, RunStatus};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

impl Inner {
    /// New runs of the flows that wait for this event.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn start_runs(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        event: &Arc<EventScope>,
        key: i64,
        known: &HashMap<EntityRef, Option<Known>>,
        consent: Option<Arc<Value>>,
        now: Timestamp,
        position: usize,
        write: &mut FactWrite,
        planned: &mut Vec<Planned>,
        draft: &mut Draft,
    ) {
        for (flow_id, flow) in self.flows.load().on(&event.event_type) {
            let (mut models, missing) = self.models(connection.id, &flow, &event.refs, |r| {
                known.get(r).and_then(Option::as_ref).map(|k| k.data.clone())
            });
            if let Some(consent) = consent.as_ref().filter(|_| flow.models().contains("consent")) {
                models.insert("consent".into(), consent.clone());
            }
            let read = ReadModels::of(models, connection.id, &flow, &event.refs, |r| {
                known.get(r).and_then(Option::as_ref).map_or(0, |k| k.version)
            });
            let mut run = LiveRun {
                id: self.next_run_id(now),
                version: 1,
                status: RunStatus::Running,
                flow: flow.clone(),
                event: event.clone(),
                data: RunData::default(),
            };
            if missing.is_empty() {
                let scope =
                    Scope { event: &event.envelope, data: &event.data, models: &read.models, vars: &self.vars, now };
                match flow.start(&scope) {
                    Ok(Start::Skip { .. }) => continue,
                    Ok(Start::Run { key, state }) => {
                        run.data.key = (key != event.key).then_some(key);
                        run.data.flow = Some(state);
                        if self.advance(&mut run, &read, now, None, &mut write.work, planned) {
                            draft.more.push(run.id);
                        }
                    }
                    Err(e) => {
                        run.status = RunStatus::Failed;
                        run.data.why = Some(e.to_string());
                    }
                }
            } else {
                run.status = RunStatus::Blocked;
                for entity in &missing {
                    if !self.plan_fetch(connection, entity, now, planned) {
                        let why = "cannot be read on its own; the run waits until reconciliation brings it".to_owned();
                        run.data.failures.push((format!("{}:{}", entity.kind, entity.id), why));
                        self.missed(connection);
                    }
                }
                // One that comes while this is being decided would find nobody who waits for it.
                write.work.guards.extend(read.guards());
                run.data.missing = missing;
            }
            let (listens, _) = self.listen_changes(&mut run);
            write.runs.push(RunInsert {
                id: run.id,
                flow: flow_id,
                event: event.id,
                key,
                status: run.status,
                state: self.store.sealer().seal_json(&run.data),
                created_at: now,
                listens,
            });
            draft.runs.push((position, run));
        }
    }

    /// Reads a record that a run needs, once however many runs need it. False: it cannot be read on its own.
    fn plan_fetch(
        &self,
        connection: &Arc<ConnectionRuntime>,
        entity: &EntityRef,
        now: Timestamp,
        planned: &mut Vec<Planned>,
    ) -> bool {
        if !connection.manifest().fetches.contains(&entity.kind.as_str()) {
            return false;
        }
        if !self.fetching.lock().insert((connection.id, entity.clone())) {
            return true;
        }
        planned.push(self.plan_at(
            PlanAt {
                connection: connection.clone(),
                run: None,
                path: format!("{}:{}", entity.kind, entity.id),
                action: crate::dispatch::FETCH.into(),
                lane_text: format!("fetch:{}:{}", entity.kind, entity.id),
                urgency: 0,
                flow: 0,
                class: None,
                purpose: None,
                expires_at: None,
                input: json!({ "kind": entity.kind, "id": entity.id }),
                give_up_after: Duration::from_secs(7 * 24 * 3600),
                resend_unknown: true,
                park: false,
                holding: None,
                held: false,
            },
            now,
        ));
        true
    }
}
