//! Runs: what a flow has decided so far, and what follows from the next thing that happens.
//!
//! A run's truth is its row; a run with calls out also lives in memory, so that a chain of effects
//! reads nothing. Whoever changes a run holds its lock from reading to commit; the row's version
//! guards against anyone outside of this process.

mod event;
mod plan;
mod view;

pub(crate) use event::EventScope;
pub(crate) use plan::{OpenCall, OpenEffect, PlanAt, Planned, StoredCall, repeat_of};
pub use view::RunView;

use crate::engine::Inner;
use crate::lanes::LaneKey;
use jiff::Timestamp;
use pasarela_domain::{EffectId, EntityRef, RunId};
use pasarela_flows::{Flow, RunState, Scope};
use pasarela_store::{Listen, ReadGuard, RunStatus, RunWrite, TimerKind, TimerSet, Work};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// New effects of one transaction at most (engine.md, G5).
pub(crate) const SLICE: usize = 100;

/// When a run that has more to decide is looked after, should whoever was at it be gone. It may hold no
/// effect, wait or listener that would wake it.
const RESUME_AFTER: Duration = Duration::from_secs(5);

/// Where one of these is in a flow's text, read models are completed: to make a ticket's link costs a
/// signature, and most flows have no use for it.
const COMPLETED: [&str; 7] = [".link", ".qr", ".seller", "ticket.title", "ticket }}", "ticket}}", "tickets }}"];

/// What a run keeps between decisions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RunData {
    /// The flow's own state; `None` while a read model is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) flow: Option<RunState>,
    /// The flow's own key, where it is not the event's: names the lanes of actions that go by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Effect of each step path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) effects: BTreeMap<String, EffectId>,
    /// Paths that are answered and wait for the provider's status.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) settling: BTreeSet<String>,
    /// Moment for which each waiting path is armed; a timer of another moment is stale.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) armed: BTreeMap<String, Timestamp>,
    /// What the run listens to: (keyed hash, event type).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) listening: Vec<(i64, String)>,
    /// Read models that it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) missing: Vec<EntityRef>,
    /// The last transaction did not decide all that could be decided.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) more: bool,
    /// Why it failed or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// Steps that could not be rendered: path and reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failures: Vec<(String, String)>,
}

/// A run in memory.
pub(crate) struct LiveRun {
    pub(crate) id: RunId,
    /// 0: not written yet.
    pub(crate) version: i64,
    pub(crate) status: RunStatus,
    pub(crate) flow: Arc<Flow>,
    pub(crate) event: Arc<EventScope>,
    pub(crate) data: RunData,
}

/// Models by name, as a flow sees them.
pub(crate) type Models = BTreeMap<String, Arc<Value>>;

/// Read models of a run, as they were read.
#[derive(Default)]
pub(crate) struct ReadModels {
    pub(crate) models: Models,
    /// What was looked for, with its version; 0: it is not there.
    pub(crate) versions: Vec<(i64, EntityRef, i64)>,
}

impl ReadModels {
    /// Models of a flow and the versions that they were read in.
    pub(crate) fn of(
        models: Models,
        connection: i64,
        flow: &Flow,
        refs: &[EntityRef],
        version: impl Fn(&EntityRef) -> i64,
    ) -> Self {
        let versions = refs.iter().filter(|r| uses(flow, r)).map(|r| (connection, r.clone(), version(r))).collect();
        Self { models, versions }
    }

    /// Nothing that was read has changed when the change is written. For whoever computes something
    /// lasting from it, a wait above all: news that come meanwhile find nobody who listens yet.
    pub(crate) fn guards(&self) -> impl Iterator<Item = ReadGuard> {
        self.versions.iter().map(|(connection, entity, version)| ReadGuard::Entity {
            connection: *connection,
            entity: entity.clone(),
            version: *version,
        })
    }
}

/// Does a flow use this read model? A buyer is part of an order.
fn uses(flow: &Flow, entity: &EntityRef) -> bool {
    flow.models().contains(&entity.kind) || (entity.kind == "order" && flow.models().contains("buyer"))
}

/// The lock of a run; `None` inside until it is loaded.
pub(crate) type RunCell = Arc<tokio::sync::Mutex<Option<LiveRun>>>;

/// Runs in memory.
#[derive(Default)]
pub(crate) struct LiveRuns(parking_lot::Mutex<HashMap<RunId, RunCell>>);

impl LiveRuns {
    pub(crate) fn cell(&self, id: RunId) -> RunCell {
        self.0.lock().entry(id).or_default().clone()
    }

    pub(crate) fn keep(&self, run: LiveRun) {
        self.0.lock().insert(run.id, Arc::new(tokio::sync::Mutex::new(Some(run))));
    }

    /// Forgets a run, unless someone else holds or waits for it.
    pub(crate) fn forget(&self, id: RunId, cell: RunCell) {
        let mut map = self.0.lock();
        drop(cell);
        if map.get(&id).is_some_and(|c| Arc::strong_count(c) == 1) {
            map.remove(&id);
        }
    }

    /// Forgets all that nobody holds: each is read again when it is needed.
    pub(crate) fn forget_idle(&self) {
        self.0.lock().retain(|_, cell| Arc::strong_count(cell) > 1);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl Inner {
    /// Keyed hash under which events of a connection's key are found.
    pub(crate) fn key_hash(&self, connection: i64, key: &str) -> i64 {
        self.store.sealer().hash(&[&connection.to_string(), key])
    }

    /// Keyed hash under which runs wait for a read model.
    pub(crate) fn entity_hash(&self, connection: i64, entity: &EntityRef) -> i64 {
        self.store.sealer().hash(&["entity", &connection.to_string(), &entity.kind, &entity.id])
    }

    /// Models of a flow out of what is known, completed where the flow asks for it; and those that are missing.
    pub(crate) fn models(
        &self,
        connection: i64,
        flow: &Flow,
        refs: &[EntityRef],
        known: impl Fn(&EntityRef) -> Option<Arc<Value>>,
    ) -> (Models, Vec<EntityRef>) {
        let completes = COMPLETED.iter().any(|part| flow.source.contains(part));
        let (mut models, mut missing) = (Models::new(), Vec::new());
        let wanted = flow.models();
        for kind in wanted.iter().map(|k| if k == "buyer" { "order" } else { k.as_str() }).collect::<BTreeSet<_>>() {
            let Some(entity) = refs.iter().find(|r| r.kind == kind) else { continue };
            match known(entity) {
                Some(mut value) => {
                    if completes {
                        let mut model = (*value).clone();
                        if self.catalog.complete(&self.connection_name(connection), kind, &mut model) {
                            value = Arc::new(model);
                        }
                    }
                    if kind == "order"
                        && let Some(buyer) = value.get("buyer")
                    {
                        models.insert("buyer".into(), Arc::new(buyer.clone()));
                    }
                    models.insert(kind.into(), value);
                }
                None => missing.push(entity.clone()),
            }
        }
        (models, missing)
    }

    /// Models of a run, read from the store.
    pub(crate) async fn run_models(
        &self,
        flow: &Flow,
        event: &EventScope,
    ) -> Result<ReadModels, pasarela_store::Error> {
        let wanted: Vec<(i64, EntityRef)> =
            event.refs.iter().filter(|r| uses(flow, r)).map(|r| (event.connection, r.clone())).collect();
        let consent = self.consent_model(flow, &event.data).await?;
        if wanted.is_empty() && consent.is_none() {
            return Ok(ReadModels::default());
        }
        let (_, rows) = self.store.lookup(Vec::new(), wanted).await?;
        let rows: HashMap<EntityRef, (i64, Arc<Value>)> = rows
            .into_iter()
            .flatten()
            .filter_map(|r| Some((r.entity, (r.version, Arc::new(serde_json::from_slice(&r.data).ok()?)))))
            .collect();
        let known = |r: &EntityRef| rows.get(r).map(|(_, data)| data.clone());
        let (mut models, _) = self.models(event.connection, flow, &event.refs, known);
        models.extend(consent.map(|view| ("consent".to_owned(), view)));
        Ok(ReadModels::of(models, event.connection, flow, &event.refs, |r| rows.get(r).map_or(0, |(v, _)| *v)))
    }

    /// Loads a run with its flow version and its event.
    pub(crate) async fn load_run(&self, id: RunId) -> Result<Option<LiveRun>, pasarela_store::Error> {
        let Some(row) = self.store.run(id).await? else { return Ok(None) };
        let Some(flow) = self.flow_by_id(row.flow).await? else { return Ok(None) };
        let Some(event) = self.store.event(row.event).await? else { return Ok(None) };
        let name = self.connection_name(event.connection);
        let broken = |e: serde_json::Error| pasarela_store::Error::Database(format!("{id} cannot be read: {e}"));
        let event = EventScope::from_row(&event, &name).map_err(broken)?;
        let data = serde_json::from_slice(&row.state).map_err(broken)?;
        Ok(Some(LiveRun { id, version: row.version, status: row.status, flow, event: Arc::new(event), data }))
    }

    /// Lets a run decide what can begin now. Effects go to `planned`, timers to `work`.
    /// Returns whether there is more to decide in a next transaction.
    /// `holding`: connection and lane of the effect whose outcome is written with it.
    pub(crate) fn advance(
        &self,
        run: &mut LiveRun,
        read: &ReadModels,
        now: Timestamp,
        holding: Option<(i64, LaneKey)>,
        work: &mut Work,
        planned: &mut Vec<Planned>,
    ) -> bool {
        let Some(state) = run.data.flow.as_mut() else { return false };
        let scope =
            Scope { event: &run.event.envelope, data: &run.event.data, models: &read.models, vars: &self.vars, now };
        let step = run.flow.advance(state, &scope, SLICE);
        if !step.timers.is_empty() {
            work.guards.extend(read.guards());
        }
        for (path, due) in step.timers {
            let due = self.lawful_due(&run.flow, &path, due);
            run.data.armed.insert(path.clone(), due);
            work.timers.push(TimerSet {
                due,
                kind: TimerKind::Wait,
                target: run.id.get(),
                path,
                connection: run.event.connection,
            });
        }
        run.data.failures.extend(step.failures);
        for model in step.missing {
            // The event names no record of this kind, so nothing can be fetched: people must see it.
            let note = (model.clone(), format!("the event names no {model}; the steps that use it wait"));
            if !run.data.failures.contains(&note) {
                run.data.failures.push(note);
            }
        }
        for effect in step.effects {
            let path = effect.path.clone();
            let key = run.data.key.as_deref().unwrap_or(&run.event.key);
            match self.plan(run.id, &run.flow.name, key, effect, holding, now) {
                Ok(p) => {
                    run.data.effects.insert(path, p.id);
                    planned.push(p);
                }
                Err(why) => {
                    run.data.failures.push((path.clone(), why.clone()));
                    run.flow.clone().on_outcome(
                        state_of_settled(&mut run.data),
                        &path,
                        pasarela_flows::StepOutcome::Dead { why },
                    );
                }
            }
        }
        if step.finished {
            if run.status == RunStatus::Running || run.status == RunStatus::Settling || run.status == RunStatus::Blocked
            {
                run.status = if run.data.settling.is_empty() { RunStatus::Done } else { RunStatus::Settling };
            }
        } else if run.status != RunStatus::Cancelled {
            run.status = RunStatus::Running;
        }
        run.data.more = step.more;
        let resumes = |t: &TimerSet| t.kind == TimerKind::Resume && t.target == run.id.get();
        if step.more && !work.timers.iter().any(resumes) {
            let due = now.checked_add(RESUME_AFTER).unwrap_or(now);
            work.timers.push(TimerSet {
                due,
                kind: TimerKind::Resume,
                target: run.id.get(),
                path: String::new(),
                connection: run.event.connection,
            });
        }
        step.more
    }

    /// The row of a run as it is now.
    pub(crate) fn run_write(&self, run: &mut LiveRun, now: Timestamp) -> RunWrite {
        let (listen, unlisten) = self.listen_changes(run);
        RunWrite {
            id: run.id,
            expected: run.version,
            status: run.status,
            state: self.store.sealer().seal_json(&run.data),
            listen,
            unlisten,
            at: now,
        }
    }

    /// What the run listens to now, against what it listened to.
    pub(crate) fn listen_changes(&self, run: &mut LiveRun) -> (Vec<Listen>, Vec<Listen>) {
        let over = matches!(run.status, RunStatus::Done | RunStatus::Cancelled | RunStatus::Failed);
        let mut wanted: Vec<(i64, String)> = Vec::new();
        if !over {
            if let Some(state) = &run.data.flow {
                let types = run.flow.listening(state);
                if !types.is_empty() {
                    let key = self.key_hash(run.event.connection, &run.event.key);
                    wanted.extend(types.into_iter().map(|t| (key, t)));
                }
            }
            for entity in &run.data.missing {
                wanted.push((self.entity_hash(run.event.connection, entity), "entity".into()));
            }
            if !run.data.armed.is_empty() {
                // A wait may have been computed from a read model: its change re-arms the timer.
                for entity in run.event.refs.iter().filter(|r| run.flow.models().contains(&r.kind)) {
                    wanted.push((self.entity_hash(run.event.connection, entity), "entity".into()));
                }
            }
        }
        wanted.sort();
        wanted.dedup();
        let listens = |pairs: Vec<&(i64, String)>| {
            pairs
                .into_iter()
                .map(|(key, event_type)| Listen { key: *key, event_type: event_type.clone() })
                .collect::<Vec<_>>()
        };
        let added = listens(wanted.iter().filter(|w| !run.data.listening.contains(w)).collect());
        let removed = listens(run.data.listening.iter().filter(|l| !wanted.contains(l)).collect());
        run.data.listening = wanted;
        (added, removed)
    }
}

/// The flow's state, empty if there was none.
pub(crate) fn state_of_settled(data: &mut RunData) -> &mut RunState {
    data.flow.get_or_insert_with(RunState::default)
}
