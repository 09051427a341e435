//! Runs: what a flow has decided so far, and what follows from the next thing that happens.
//!
//! A run's truth is its row; a run with calls out also lives in memory, so that a chain of effects
//! reads nothing. Whoever changes a run holds its lock from reading to commit; the row's version
//! guards against anyone outside of this process.

use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::lanes::{LaneKey, Queued};
use jiff::Timestamp;
use pasarela_connector::{Call, Ctx, Lane, Request, Step};
use pasarela_domain::{DeliveryId, EffectId, EntityRef, EventId, RunId};
use pasarela_flows::{Flow, NewEffect, OnDead, OnUnknown, RunState, Scope, Urgency};
use pasarela_store::{
    Claim, EffectInsert, EventRow, Listen, ReadGuard, RunRow, RunStatus, RunWrite, TimerKind, TimerSet, Work,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// New effects of one transaction at most (engine.md, G5).
pub(crate) const SLICE: usize = 100;

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
    /// Why it failed or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// Steps that could not be rendered: path and reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failures: Vec<(String, String)>,
}

/// The event that a run is about, frozen.
#[derive(Debug)]
pub(crate) struct EventScope {
    pub(crate) id: EventId,
    pub(crate) event_type: String,
    pub(crate) connection: i64,
    pub(crate) connection_name: String,
    pub(crate) key: String,
    pub(crate) occurred_at: Timestamp,
    pub(crate) received_at: Timestamp,
    pub(crate) delivery: DeliveryId,
    pub(crate) data: Value,
    pub(crate) refs: Vec<EntityRef>,
    /// The envelope without its data, as flows see it under `event`.
    pub(crate) envelope: Value,
}

/// Sealed part of an event row.
#[derive(Serialize, Deserialize)]
pub(crate) struct EventBody<'a> {
    #[serde(borrow)]
    pub(crate) key: std::borrow::Cow<'a, str>,
    pub(crate) data: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) refs: Vec<EntityRef>,
}

/// The same, for writing without a copy of the data.
#[derive(Serialize)]
struct EventBodyRef<'a> {
    key: &'a str,
    data: &'a Value,
    #[serde(skip_serializing_if = "<[EntityRef]>::is_empty")]
    refs: &'a [EntityRef],
}

impl EventScope {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        id: EventId,
        event_type: String,
        connection: (i64, &str),
        key: String,
        occurred_at: Timestamp,
        received_at: Timestamp,
        delivery: DeliveryId,
        data: Value,
        refs: Vec<EntityRef>,
    ) -> Self {
        let envelope = json!({
            "id": id, "type": event_type, "connection": connection.1, "key": key,
            "occurred_at": occurred_at, "received_at": received_at, "delivery_id": delivery,
        });
        Self {
            id,
            event_type,
            connection: connection.0,
            connection_name: connection.1.to_owned(),
            key,
            occurred_at,
            received_at,
            delivery,
            data,
            refs,
            envelope,
        }
    }

    pub(crate) fn from_row(row: &EventRow, connection_name: &str) -> Result<Self, serde_json::Error> {
        let body: EventBody<'_> = serde_json::from_slice(&row.body)?;
        Ok(Self::new(
            row.id,
            row.event_type.clone(),
            (row.connection, connection_name),
            body.key.into_owned(),
            row.occurred_at,
            row.received_at,
            row.delivery,
            body.data,
            body.refs,
        ))
    }

    pub(crate) fn body_json(&self) -> Vec<u8> {
        serde_json::to_vec(&EventBodyRef { key: &self.key, data: &self.data, refs: &self.refs }).unwrap_or_default()
    }

    pub(crate) fn to_envelope(&self) -> pasarela_domain::Envelope {
        pasarela_domain::Envelope {
            id: self.id,
            event_type: self.event_type.clone(),
            connection: self.connection_name.clone(),
            key: self.key.clone(),
            occurred_at: self.occurred_at,
            received_at: self.received_at,
            delivery_id: self.delivery,
            data: self.data.clone(),
        }
    }
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

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// An effect's stored call: what was sent, and what the connector needs to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredCall {
    /// `None` for a member of a batch: its call is kept by the first one, and is made anew when it is repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<Request>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) state: Value,
    /// Ordinal of the call in its attempt.
    #[serde(default)]
    pub(crate) ordinal: u32,
    /// First effect of the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<EffectId>,
    /// Generation of the idempotency key in it: another generation is another call.
    #[serde(default)]
    pub(crate) generation: u32,
}

/// A call that is to be made now.
pub(crate) struct OpenCall {
    pub(crate) connection: Arc<ConnectionRuntime>,
    pub(crate) members: Vec<OpenEffect>,
    pub(crate) action: String,
    pub(crate) request: Request,
    pub(crate) state: Value,
    pub(crate) repeat: pasarela_connector::Repeat,
    pub(crate) ordinal: u32,
    pub(crate) started_at: Timestamp,
    /// Credential that it is made with.
    pub(crate) credential: u32,
}

/// One effect of an open call.
pub(crate) struct OpenEffect {
    pub(crate) id: EffectId,
    pub(crate) run: Option<RunId>,
    pub(crate) path: String,
    pub(crate) lane: LaneKey,
    pub(crate) seq: i64,
    pub(crate) attempt: u32,
    pub(crate) generation: u32,
    pub(crate) give_up_at: Timestamp,
    pub(crate) resend_unknown: bool,
    pub(crate) park: bool,
    pub(crate) input: Value,
}

/// An effect that is being decided: it holds a lane's head or a reserved place until it is
/// committed or aborted.
pub(crate) struct Planned {
    pub(crate) insert: EffectInsert,
    connection: Arc<ConnectionRuntime>,
    lane: LaneKey,
    call: Option<OpenCall>,
    /// It took over the lane of the effect whose outcome is written with it.
    handed: bool,
}

impl Planned {
    /// The transaction was written. Returns the call that is to be made.
    pub(crate) fn commit(self, seq: i64, now: Timestamp) -> Option<OpenCall> {
        match self.call {
            Some(mut call) => {
                call.members.iter_mut().for_each(|m| m.seq = seq);
                Some(call)
            }
            None => {
                let queued = Queued {
                    id: self.insert.id,
                    seq,
                    action: self.connection.action_index(&self.insert.action),
                    not_before: self.insert.not_before,
                };
                self.connection.lock_lanes(|l| l.enqueue_reserved(self.lane, queued, now));
                self.connection.wake.notify_one();
                None
            }
        }
    }

    /// The transaction was not written.
    pub(crate) fn abort(self, now: Timestamp) {
        if self.handed {
            self.connection.lock_lanes(|l| l.undo_hand_over(self.lane, now));
        } else if self.call.is_some() {
            let action = self.connection.action_index(&self.insert.action);
            self.connection.lock_lanes(|l| {
                l.finish(self.lane, action, None, now);
                l.release_slot(None, now);
            });
            self.connection.wake.notify_one();
        } else {
            self.connection.unreserve(self.lane, now);
        }
    }
}

/// A run as the API shows it.
#[derive(Debug, Clone, Serialize)]
pub struct RunView {
    /// Id.
    pub id: RunId,
    /// Flow.
    pub flow: String,
    /// Version that it is pinned to.
    pub version: u32,
    /// Event that began it.
    pub event_id: EventId,
    /// State.
    pub status: RunStatus,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// State of each step.
    pub steps: Value,
    /// Effect of each step path.
    pub effects: BTreeMap<String, EffectId>,
    /// Moments that it waits for.
    pub waits: BTreeMap<String, Timestamp>,
    /// Read models that it waits for.
    pub missing: Vec<EntityRef>,
    /// Why it failed or was cancelled, and steps that could not be rendered.
    pub problems: Vec<String>,
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

    /// Models of a flow out of what is known; and those that are missing.
    pub(crate) fn models(
        flow: &Flow,
        refs: &[EntityRef],
        known: impl Fn(&EntityRef) -> Option<Arc<Value>>,
    ) -> (Models, Vec<EntityRef>) {
        let (mut models, mut missing) = (Models::new(), Vec::new());
        let wanted = flow.models();
        for kind in wanted.iter().map(|k| if k == "buyer" { "order" } else { k.as_str() }).collect::<BTreeSet<_>>() {
            let Some(entity) = refs.iter().find(|r| r.kind == kind) else { continue };
            match known(entity) {
                Some(value) => {
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
        if wanted.is_empty() {
            return Ok(ReadModels::default());
        }
        let (_, rows) = self.store.lookup(Vec::new(), wanted).await?;
        let rows: HashMap<EntityRef, (i64, Arc<Value>)> = rows
            .into_iter()
            .flatten()
            .filter_map(|r| Some((r.entity, (r.version, Arc::new(serde_json::from_slice(&r.data).ok()?)))))
            .collect();
        let (models, _) = Self::models(flow, &event.refs, |r| rows.get(r).map(|(_, data)| data.clone()));
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

    /// A run as the API shows it.
    pub(crate) async fn view_run(&self, row: &RunRow) -> Result<RunView, pasarela_store::Error> {
        let (flow, version) = match self.store.flow(row.flow).await? {
            Some((name, version, _)) => (name, version),
            None => ("?".into(), 0),
        };
        let data: RunData = serde_json::from_slice(&row.state).unwrap_or_default();
        let steps = data.flow.as_ref().map_or(Value::Null, |s| s.summary()["steps"].take());
        let problems =
            data.why.into_iter().chain(data.failures.iter().map(|(path, why)| format!("{path}: {why}"))).collect();
        Ok(RunView {
            id: row.id,
            flow,
            version,
            event_id: row.event,
            status: row.status,
            created_at: row.created_at,
            updated_at: row.updated_at,
            steps,
            effects: data.effects,
            waits: data.armed,
            missing: data.missing,
            problems,
        })
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
            run.data.armed.insert(path.clone(), due);
            work.timers.push(TimerSet { due, kind: TimerKind::Wait, target: run.id.get(), path });
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
            match self.plan(Some(run.id), key, effect, holding, now) {
                Ok(p) => {
                    run.data.effects.insert(path, p.insert.id);
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
        step.more
    }

    /// Makes an effect out of what a flow wants.
    fn plan(
        &self,
        run: Option<RunId>,
        flow_key: &str,
        effect: NewEffect,
        holding: Option<(i64, LaneKey)>,
        now: Timestamp,
    ) -> Result<Planned, String> {
        let connection = self
            .connection(&effect.connection)
            .ok_or_else(|| format!("connection '{}' is not configured any more", effect.connection))?;
        let action = connection
            .manifest()
            .action(&effect.action)
            .ok_or_else(|| format!("'{}' has no action '{}' any more", effect.connection, effect.action))?;
        let input_key = |pointer: &str| {
            effect.input.pointer(pointer).and_then(|v| match v {
                Value::String(s) if !s.is_empty() => Some(s.clone()),
                Value::Number(n) => Some(n.to_string()),
                _ => None,
            })
        };
        let lane = match action.lane {
            Lane::Connection => String::new(),
            Lane::FlowKey => format!("key:{flow_key}"),
            Lane::Input(pointer) => {
                input_key(pointer).map_or_else(|| format!("key:{flow_key}"), |k| format!("{pointer}:{k}"))
            }
        };
        let give_up_after = effect.give_up_after.unwrap_or(action.give_up_after);
        let urgency = match effect.urgency {
            Urgency::Urgent => 0,
            Urgency::Normal => 1,
            Urgency::Bulk => 2,
        };
        Ok(self.plan_at(
            PlanAt {
                connection,
                run,
                path: effect.path,
                action: effect.action,
                lane_text: lane,
                urgency,
                class: effect.class.map(|c| c.as_str().to_owned()),
                purpose: effect.purpose,
                input: effect.input,
                give_up_after,
                resend_unknown: effect.on_unknown == OnUnknown::Resend,
                park: effect.on_dead == OnDead::Park,
                holding,
            },
            now,
        ))
    }

    /// Places an effect: at the head of a free lane with its first attempt, or behind what waits.
    pub(crate) fn plan_at(&self, p: PlanAt, now: Timestamp) -> Planned {
        let id = self.next_effect_id(now);
        let lane = LaneKey { lane: self.store.sealer().hash(&[p.connection.name(), &p.lane_text]), urgency: p.urgency };
        let give_up_at = now.checked_add(p.give_up_after).unwrap_or(Timestamp::MAX);
        let mut insert = EffectInsert {
            id,
            run: p.run,
            path: p.path.clone(),
            connection: p.connection.id,
            action: p.action.clone(),
            lane: lane.lane,
            urgency: lane.urgency,
            class: p.class,
            purpose: p.purpose,
            input: self.store.sealer().seal_json(&p.input),
            created_at: now,
            not_before: None,
            give_up_at,
            resend_unknown: p.resend_unknown,
            park: p.park,
            calling: None,
        };
        let handed =
            p.holding == Some((p.connection.id, lane)) && p.connection.lock_lanes(|l| l.try_hand_over(lane, now));
        let started = handed || p.connection.lock_lanes(|l| l.try_start(lane, now));
        if started {
            let key = id.to_string();
            let ctx = Ctx { now, key: &key, attempt: 1 };
            match self.begin(&p.connection, &p.action, std::slice::from_ref(&p.input), &ctx) {
                Step::Call(call) => {
                    let claim = self.claim_of(id, 1, 1, now, &call, 0, None);
                    insert.calling = Some(claim);
                    let member = OpenEffect {
                        id,
                        run: p.run,
                        path: p.path,
                        lane,
                        seq: 0,
                        attempt: 1,
                        generation: 1,
                        give_up_at,
                        resend_unknown: p.resend_unknown,
                        park: p.park,
                        input: p.input,
                    };
                    let open = OpenCall {
                        connection: p.connection.clone(),
                        members: vec![member],
                        action: p.action,
                        request: call.request,
                        state: call.state,
                        repeat: call.repeat,
                        ordinal: 0,
                        started_at: now,
                        credential: 0,
                    };
                    return Planned { insert, connection: p.connection, lane, call: Some(open), handed };
                }
                // It ends without a call: the dispatcher records that like any other outcome.
                Step::End(_) => {
                    let action = p.connection.action_index(&p.action);
                    p.connection.lock_lanes(|l| {
                        l.reserve(lane);
                        if handed {
                            l.undo_hand_over(lane, now);
                        } else {
                            l.finish(lane, action, None, now);
                            l.release_slot(None, now);
                        }
                    });
                    return Planned { insert, connection: p.connection, lane, call: None, handed: false };
                }
            }
        }
        p.connection.lock_lanes(|l| l.reserve(lane));
        Planned { insert, connection: p.connection, lane, call: None, handed: false }
    }

    /// Seals a call into the record of its attempt.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn claim_of(
        &self,
        id: EffectId,
        attempt: u32,
        generation: u32,
        now: Timestamp,
        call: &Call,
        ordinal: u32,
        batch: Option<EffectId>,
    ) -> Claim {
        let leader = batch.is_none_or(|b| b == id);
        let stored = StoredCall {
            request: leader.then(|| call.request.clone()),
            state: if leader { call.state.clone() } else { Value::Null },
            ordinal,
            batch,
            generation,
        };
        Claim {
            id,
            boot: self.store.boot(),
            attempt,
            generation,
            started_at: now,
            call: self.store.sealer().seal_json(&stored),
            repeat: repeat_code(call.repeat),
        }
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

/// Does a flow use this read model? A buyer is part of an order.
fn uses(flow: &Flow, entity: &EntityRef) -> bool {
    flow.models().contains(&entity.kind) || (entity.kind == "order" && flow.models().contains("buyer"))
}

/// Where an effect is to be placed.
pub(crate) struct PlanAt {
    pub(crate) connection: Arc<ConnectionRuntime>,
    pub(crate) run: Option<RunId>,
    pub(crate) path: String,
    pub(crate) action: String,
    pub(crate) lane_text: String,
    pub(crate) urgency: u8,
    pub(crate) class: Option<String>,
    pub(crate) purpose: Option<String>,
    pub(crate) input: Value,
    pub(crate) give_up_after: Duration,
    pub(crate) resend_unknown: bool,
    pub(crate) park: bool,
    /// Connection and lane of the effect whose outcome is written with it.
    pub(crate) holding: Option<(i64, LaneKey)>,
}

pub(crate) fn repeat_code(repeat: pasarela_connector::Repeat) -> u8 {
    use pasarela_connector::Repeat;
    match repeat {
        Repeat::Safe => 0,
        Repeat::SameKey => 1,
        Repeat::Never => 2,
    }
}

pub(crate) fn repeat_of(code: u8) -> pasarela_connector::Repeat {
    use pasarela_connector::Repeat;
    match code {
        0 => Repeat::Safe,
        1 => Repeat::SameKey,
        _ => Repeat::Never,
    }
}

/// The flow's state, empty if there was none.
pub(crate) fn state_of_settled(data: &mut RunData) -> &mut RunState {
    data.flow.get_or_insert_with(RunState::default)
}
