//! Effects that are being decided: each takes the head of a free lane with its first attempt, or a place
//! behind what waits, and gives it back when its transaction is not written. Nothing is sent from here.

use crate::connections::{ConnectionRuntime, Deciding};
use crate::engine::Inner;
use crate::lanes::{LaneKey, Queued, Slot};
use jiff::Timestamp;
use pasarela_connector::{Action, Call, Ctx, Lane, Request, Step};
use pasarela_domain::{EffectId, EntityRef, RunId};
use pasarela_flows::{Class, NewEffect, OnDead, OnUnknown, Urgency};
use pasarela_store::{Claim, EffectInsert, News, Store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

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

/// The same, for writing without a copy.
#[derive(Serialize)]
struct CallToStore<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a Request>,
    #[serde(skip_serializing_if = "Value::is_null")]
    state: &'a Value,
    ordinal: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<EffectId>,
    generation: u32,
}

/// A call that is to be made now.
pub(crate) struct OpenCall {
    pub(crate) connection: Arc<ConnectionRuntime>,
    pub(crate) members: Vec<OpenEffect>,
    /// Slot of the connection that it holds.
    pub(crate) slot: Slot,
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
    pub(crate) flow: i64,
    pub(crate) seq: i64,
    pub(crate) attempt: u32,
    pub(crate) generation: u32,
    pub(crate) give_up_at: Timestamp,
    pub(crate) resend_unknown: bool,
    pub(crate) park: bool,
    pub(crate) input: Value,
}

impl OpenEffect {
    /// The effect as its lane knows it.
    pub(crate) fn queued(&self, action: u16, not_before: Option<Timestamp>) -> Queued {
        Queued { id: self.id, seq: self.seq, flow: self.flow, action, not_before }
    }
}

/// An effect that is being decided: it holds a lane's head or a reserved place until it is
/// committed or aborted.
pub(crate) struct Planned {
    pub(crate) id: EffectId,
    /// Its row, until it is handed to the store.
    insert: Option<EffectInsert>,
    /// Keyed hash of the flow's name.
    flow: i64,
    /// Number of its action.
    action: u16,
    /// The record that it reads, where it is the engine's own read.
    pub(crate) reads: Option<EntityRef>,
    pub(crate) connection: Arc<ConnectionRuntime>,
    pub(super) lane: LaneKey,
    pub(super) call: Option<OpenCall>,
    /// It took over the lane of the effect whose outcome is written with it.
    pub(super) handed: bool,
    /// Held until this is written or given up.
    pub(super) held: Deciding,
    pub(super) store: Arc<dyn Store>,
}

impl Planned {
    fn new(
        insert: EffectInsert,
        connection: Arc<ConnectionRuntime>,
        lane: LaneKey,
        call: Option<OpenCall>,
        handed: bool,
        held: Deciding,
        store: Arc<dyn Store>,
    ) -> Self {
        let read = (insert.action == crate::dispatch::FETCH).then(|| insert.path.split_once(':')).flatten();
        Self {
            id: insert.id,
            flow: insert.flow,
            action: connection.action_index(&insert.action),
            reads: read.map(|(kind, id)| EntityRef::new(kind, id)),
            insert: Some(insert),
            connection,
            lane,
            call,
            handed,
            held,
            store,
        }
    }

    /// The row that is to be written; once.
    pub(crate) fn row(&mut self) -> Option<EffectInsert> {
        self.insert.take()
    }

    /// The transaction was written. Returns the call that is to be made.
    pub(crate) fn commit(self, seq: i64, now: Timestamp) -> Option<OpenCall> {
        match self.call {
            Some(mut call) => {
                call.members.iter_mut().for_each(|m| m.seq = seq);
                Some(call)
            }
            None if !self.held.own => {
                // Its node finds it in the store.
                self.store.tell(News::EFFECTS);
                None
            }
            None => {
                let queued = Queued { id: self.id, seq, flow: self.flow, action: self.action, not_before: None };
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
            self.connection.lock_lanes(|l| {
                l.finish(self.lane, self.action, None, now);
                l.release_slot(Slot::of(self.lane.urgency), None, now);
            });
            self.connection.wake.notify_one();
        } else if self.held.own {
            self.connection.unreserve(self.lane, now);
        }
    }
}

/// Where an effect is to be placed.
pub(crate) struct PlanAt {
    pub(crate) connection: Arc<ConnectionRuntime>,
    pub(crate) run: Option<RunId>,
    pub(crate) path: String,
    pub(crate) action: String,
    pub(crate) lane_text: String,
    pub(crate) urgency: u8,
    /// Keyed hash of the flow's name; 0 for the engine's own.
    pub(crate) flow: i64,
    pub(crate) class: Option<String>,
    pub(crate) purpose: Option<String>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) input: Value,
    pub(crate) give_up_after: Duration,
    pub(crate) resend_unknown: bool,
    pub(crate) park: bool,
    /// Connection and lane of the effect whose outcome is written with it.
    pub(crate) holding: Option<(i64, LaneKey)>,
    /// Its flow or class is paused: it is queued and not started.
    pub(crate) held: bool,
}

impl Inner {
    /// Makes an effect out of what a flow wants.
    pub(super) fn plan(
        &self,
        run: RunId,
        flow: &str,
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
            Lane::First(pointers) => pointers
                .iter()
                .find_map(|pointer| Some(format!("{pointer}:{}", input_key(pointer)?)))
                .unwrap_or_else(|| format!("key:{flow_key}")),
        };
        let input = self.with_way_out(action, effect.class, effect.input);
        let give_up_after = effect.give_up_after.unwrap_or(action.give_up_after);
        let urgency = match effect.urgency {
            Urgency::Urgent => 0,
            Urgency::Normal => 1,
            Urgency::Bulk => 2,
        };
        let held = self.pauses.load().hold(Some(flow), effect.class.map(Class::as_str));
        Ok(self.plan_at(
            PlanAt {
                connection,
                run: Some(run),
                path: effect.path,
                action: effect.action,
                lane_text: lane,
                urgency,
                // By name: a new version of a flow is the same flow.
                flow: self.store.sealer().hash(&["flow", flow]),
                class: effect.class.map(|c| c.as_str().to_owned()),
                purpose: effect.purpose,
                expires_at: effect.expires,
                input,
                give_up_after,
                resend_unknown: effect.on_unknown == OnUnknown::Resend,
                park: effect.on_dead == OnDead::Park,
                holding,
                held,
            },
            now,
        ))
    }

    /// What is sent as advertising says so, whatever the step does, and offers the person's own way out (RFC 8058),
    /// unless the flow names another. The page of a hub that is not reached by https is none that a mailbox would
    /// call; then the connection's own way is taken, and without one the message is not sent.
    fn with_way_out(&self, action: &Action, class: Option<Class>, mut input: Value) -> Value {
        let advertising = class.is_none_or(|class| class == Class::Marketing);
        let Some(way) = action.way_out.filter(|_| advertising) else { return input };
        let address = action.mail_address(&input).map(|address| {
            let bare = address.rsplit_once('<').map_or(address, |(_, bare)| bare.trim_end_matches('>'));
            serde_json::json!({ "address": bare, "now": self.clock.now().as_second() })
        });
        let Some(fields) = input.as_object_mut() else { return input };
        fields.insert(way.mark.to_owned(), true.into());
        if let Some(mut person) = address
            && fields.get(way.link).is_none_or(Value::is_null)
        {
            self.catalog.complete(crate::ledger::LEDGER, crate::ledger::CONSENT, &mut person);
            if let Some(page) = person["preferences"].as_str().filter(|page| page.starts_with("https://")) {
                fields.insert(way.link.to_owned(), format!("{page}/baja").into());
            }
        }
        input
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
            flow: p.flow,
            class: p.class,
            purpose: p.purpose,
            input: self.store.sealer().seal_json(&p.input),
            created_at: now,
            not_before: None,
            give_up_at,
            expires_at: p.expires_at,
            resend_unknown: p.resend_unknown,
            park: p.park,
            calling: None,
        };
        let store = self.store.clone();
        // Until this is written the connection stays whose it is, and where it begins at once nobody else puts
        // anything into the lane.
        let held = p.connection.decide_on(&*self.store);
        if !held.own {
            return Planned::new(insert, p.connection, lane, None, false, held, store);
        }
        // A message has to pass the gate when its turn comes.
        let gated = p.connection.manifest().action(&p.action).is_some_and(|a| a.message.is_some());
        let begins = !p.held && !gated && held.begins;
        let handed = begins
            && p.holding == Some((p.connection.id, lane))
            && p.connection.lock_lanes(|l| l.try_hand_over(lane, p.flow, now));
        let started = begins && (handed || p.connection.lock_lanes(|l| l.try_start(lane, p.flow, now)));
        if started {
            let key = id.to_string();
            let ctx = Ctx { now, key: &key, attempt: 1 };
            match self.begin(&p.connection, &p.action, std::slice::from_ref(&p.input), &ctx) {
                Step::Call(call) => {
                    let claim = self.claim_of(id, 1, 1, now, &call, 0, None, None);
                    insert.calling = Some(claim);
                    let member = OpenEffect {
                        id,
                        run: p.run,
                        path: p.path,
                        lane,
                        flow: p.flow,
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
                        slot: Slot::of(lane.urgency),
                        action: p.action,
                        request: call.request,
                        state: call.state,
                        repeat: call.repeat,
                        ordinal: 0,
                        started_at: now,
                        credential: 0,
                    };
                    return Planned::new(insert, p.connection, lane, Some(open), handed, held, store);
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
                            l.release_slot(Slot::of(lane.urgency), None, now);
                        }
                    });
                    return Planned::new(insert, p.connection, lane, None, false, held, store);
                }
            }
        }
        p.connection.lock_lanes(|l| l.reserve(lane));
        Planned::new(insert, p.connection, lane, None, false, held, store)
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
        alone_above: Option<i64>,
    ) -> Claim {
        let leader = batch.is_none_or(|b| b == id);
        let stored = CallToStore {
            request: leader.then_some(&call.request),
            state: if leader { &call.state } else { &Value::Null },
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
            alone_above,
        }
    }
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
