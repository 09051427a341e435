//! The gate in front of a message: what is known is read, the decision is made, and the attempt is recorded with
//! the versions of all that was read. Whoever changed any of it meanwhile makes it decide again.

use super::contacts::{Contacts, never_left};
use super::decide::{Asked, Decision, Known, Verdict, class_of, decide};
use super::{Explained, rules};
use crate::connections::ConnectionRuntime;
use crate::dispatch::Turn;
use crate::engine::Inner;
use crate::ledger::{CONSENT, consents_in};
use crate::standing::{STANDING, read_standing};
use jiff::{SignedDuration, Timestamp};
use pasarela_colombia::market::{Ask, Channel, Class};
use pasarela_connector::Message;
use pasarela_domain::{EffectId, EmailAddress, EntityRef, Phone};
use pasarela_flows::Flow;
use pasarela_store::{
    AttemptInsert, CONTACT, Claim, EffectGuard, EffectRow, EffectState, EffectUpdate, EntityRow, EntityUpsert, Error,
    ReadGuard, StandingRow, TimerKind, TimerSet, Work, Worked, contact_name, hash_name,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long an unanswered look waits before it is tried again: nothing is sent without it.
const PAUSE: Duration = Duration::from_millis(250);
/// Decisions of one turn at most, when others change what they rest on all the time.
const TRIES: u32 = 50;
/// Decisions lie beside the calls of an attempt, from this ordinal on: later ones by their time.
const DECISIONS: u32 = 1_000_000;
/// What waits for the last lawful moment gets this much room before the guard minutes begin.
const ROOM: SignedDuration = SignedDuration::from_mins(30);
/// A message that is deferred is still tried so long after its moment has come, at least.
const AFTERWARDS: SignedDuration = SignedDuration::from_hours(1);

/// What was read for a decision, and must still be so when it is written.
struct Read {
    connection: i64,
    person: i64,
    guards: Vec<ReadGuard>,
    contact: Option<EntityRow>,
    known: Known,
}

/// Who a message goes to.
struct Target {
    /// Keyed hash of the address, and its name in the evidence.
    address: Option<i64>,
    phone: Option<String>,
    email: Option<String>,
}

/// What the gate found.
pub(crate) enum Passed {
    /// Its attempt is recorded: it is to be sent.
    Go,
    /// Its attempt is recorded, and it ends without a call.
    End(pasarela_connector::Outcome),
    /// It is deferred, and in no lane.
    Deferred,
    /// It was not to be had: withdrawn, or another node was faster.
    Lost,
    /// It could not be decided: its turn comes again.
    Again,
    /// Nobody can say any more: the store is closed.
    Closed,
}

impl Inner {
    /// Decides whether a message goes out now, and records what follows. `claim`: the attempt, as it would be
    /// recorded.
    pub(crate) async fn pass_gate(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        message: Message,
        row: &EffectRow,
        claim: &Claim,
    ) -> Passed {
        let input: Value = serde_json::from_slice(&row.input).unwrap_or_default();
        let target = self.target_of(message, &input);
        let sender = self.sender_hash(&connection.sender);
        let mut forgotten = Vec::new();
        for _ in 0..TRIES {
            let now = self.clock.now();
            let mut read = match self.read_for(&target, sender).await {
                Ok(read) => read,
                Err(Error::Closed | Error::Fenced) => return Passed::Closed,
                Err(_) if self.is_stopping() => return Passed::Closed,
                Err(e) => {
                    tracing::warn!(effect = %row.id, error = %e, "what stands for and against a message cannot be read; it waits");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            for effect in &forgotten {
                read.known.contacts.drop_one(*effect);
            }
            let of = Wanted {
                effect: row.id,
                class: row.class.as_deref(),
                purpose: row.purpose.as_deref(),
                expires: row.expires_at,
                give_up_at: row.give_up_at,
            };
            let asked = asked_of(connection, message, of, &target, now);
            let decision = decide(&self.law, &asked, &read.known);
            if let Some(previous) = &decision.previous
                && let Some(effect) = read.known.contacts.effect_of(previous)
                && !forgotten.contains(&effect)
            {
                // It stands in the way only if it left.
                match self.store.effect(effect).await {
                    Ok(Some(past)) if never_left(past.state) => {
                        forgotten.push(effect);
                        continue;
                    }
                    Ok(_) => {}
                    Err(Error::Closed | Error::Fenced) => return Passed::Closed,
                    Err(_) => {
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                }
            }
            if decision.rule == Some(rules::REGISTRY_STALE) {
                self.want_answer(target.phone.as_deref(), target.email.as_deref());
            }
            let suppression =
                read.known.suppression.take().filter(|s| decision.rule == Some(rules::suppressed(s.cause)));
            let work = self.work_of(row, claim, &asked, &decision, &mut read, sender);
            self.fail_point("before_gate");
            let written = match self.store.work(work).await {
                Ok(written) => written,
                Err(Error::Closed | Error::Fenced) => return Passed::Closed,
                Err(_) if self.is_stopping() => return Passed::Closed,
                Err(_) => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            self.fail_point("after_gate");
            return match (written, decision.verdict) {
                (Worked::Done { .. }, Verdict::Defer(_)) => {
                    self.timer_wake.notify_one();
                    Passed::Deferred
                }
                (Worked::Done { claimed, .. }, _) if claimed != [true] => Passed::Lost,
                (Worked::Done { .. }, Verdict::Allow) => Passed::Go,
                (Worked::Done { .. }, verdict) => Passed::End(match &suppression {
                    Some(row) => crate::suppress::refusal(row),
                    None => refusal(verdict, &decision),
                }),
                (Worked::Stale, verdict) => {
                    // Somebody changed what it rests on, or took it.
                    if matches!(verdict, Verdict::Defer(_)) {
                        match self.store.effect(row.id).await {
                            Ok(Some(now)) if now.state == EffectState::Queued => {}
                            Ok(_) => return Passed::Lost,
                            Err(_) => return Passed::Closed,
                        }
                    }
                    continue;
                }
            };
        }
        tracing::error!(effect = %row.id, "what stands for and against a message cannot be read, or changes all the time; it waits for its next turn");
        Passed::Again
    }

    /// What would be decided about a message if its turn were now. Nothing is written, and nothing is sent.
    pub(crate) async fn weigh(
        &self,
        connection: &ConnectionRuntime,
        message: Message,
        input: &Value,
        class: Option<&str>,
        purpose: Option<&str>,
    ) -> Result<Explained, Error> {
        let now = self.clock.now();
        let target = self.target_of(message, input);
        let read = self.read_for(&target, self.sender_hash(&connection.sender)).await?;
        let effect = EffectId::from_raw(0);
        let of = Wanted { effect, class, purpose, expires: None, give_up_at: Timestamp::MAX };
        let decision = decide(&self.law, &asked_of(connection, message, of, &target, now), &read.known);
        Ok(Explained::new(now, decision.evidence()))
    }

    /// What follows from a decision, in one transaction.
    fn work_of(
        &self,
        row: &EffectRow,
        claim: &Claim,
        asked: &Asked<'_>,
        decision: &Decision,
        read: &mut Read,
        sender: i64,
    ) -> Work {
        let sealer = self.store.sealer();
        let outcome = match decision.verdict {
            Verdict::Allow => "allowed",
            Verdict::Defer(_) => "deferred",
            Verdict::Refuse | Verdict::Untakable => "refused",
        };
        // The registry may be waited for a hundred times: the last of those is kept.
        let ordinal = if decision.rule == Some(rules::REGISTRY_STALE) {
            DECISIONS - 1
        } else {
            let age = asked.now.duration_since(row.created_at).as_secs().clamp(0, i64::from(i32::MAX) - 2_000_000);
            DECISIONS + u32::try_from(age).unwrap_or(0)
        };
        let kept = AttemptInsert {
            effect: row.id,
            attempt: row.attempt + 1,
            call: ordinal,
            started_at: asked.now,
            ended_at: asked.now,
            outcome,
            status: None,
            detail: Some(sealer.seal_json(&decision.evidence())),
        };
        let mut work = Work { guards: std::mem::take(&mut read.guards), attempts: vec![kept], ..Work::default() };
        let Verdict::Defer(until) = decision.verdict else {
            let counts = matches!(asked.class, Class::Marketing | Class::Collection);
            if decision.verdict == Verdict::Allow && counts && asked.named {
                work.entities.extend(self.contact_write(read, asked, sender));
            }
            work.claims.push(Claim { started_at: asked.now, ..claim.clone() });
            return work;
        };
        let waits = row.give_up_at.duration_since(asked.now).max(AFTERWARDS);
        let stale = decision.rule == Some(rules::REGISTRY_STALE);
        work.updates.push(EffectUpdate {
            id: row.id,
            guard: EffectGuard::State(&[EffectState::Queued]),
            to: EffectState::Deferred,
            not_before: Some(until),
            code: decision.rule.map(|r| r.code.to_owned()),
            outcome: Some(sealer.seal_json(&json!({ "why": why(decision), "until": until }))),
            reference: None,
            renew: None,
            give_up_at: if stale { None } else { until.checked_add(waits).ok() },
            reenters: None,
        });
        work.timers.push(TimerSet {
            due: until,
            kind: TimerKind::Defer,
            target: row.id.get(),
            path: String::new(),
            connection: row.connection,
        });
        work
    }

    /// The person's row of contacts with this one, in place of the guard that only looked at it.
    fn contact_write(&self, read: &mut Read, asked: &Asked<'_>, sender: i64) -> Option<EntityUpsert> {
        let entity = EntityRef::new(CONTACT, contact_name(sender, read.person));
        let mut contacts = std::mem::take(&mut read.known.contacts);
        contacts.add(asked.effect, asked.channel, asked.now);
        let bytes = serde_json::to_vec(&contacts).unwrap_or_default();
        Some(self.own_write(read.connection, entity, read.contact.as_ref(), &bytes))
    }

    /// The address in a message's input.
    fn target_of(&self, message: Message, input: &Value) -> Target {
        let text = message.address(input);
        let email = text.and_then(|t| t.parse::<EmailAddress>().ok()).map(|e| e.as_str().to_owned());
        let phone = match &email {
            Some(_) => None,
            // WhatsApp writes numbers without their plus.
            None => text.and_then(|t| t.parse::<Phone>().or_else(|_| format!("+{t}").parse()).ok()),
        };
        let phone = phone.map(|p: Phone| p.as_e164().to_owned());
        let named = match (&email, &phone, text) {
            (Some(email), ..) => Some(format!("email:{}", email.to_lowercase())),
            (_, Some(phone), _) => Some(format!("phone:{phone}")),
            (.., Some(other)) => Some(format!("channel_user_id:{}", other.to_lowercase())),
            _ => None,
        };
        Target { address: named.map(|n| self.subject_hash(&n)), phone, email }
    }

    async fn read_for(&self, target: &Target, sender: i64) -> Result<Read, Error> {
        let connection = self.own_connection()?;
        let suppression = async {
            match &target.email {
                Some(email) => self.store.suppression(email).await,
                None => Ok(None),
            }
        };
        let Some(address) = target.address else {
            let known = Known { suppression: suppression.await?, ..Known::default() };
            return Ok(Read { connection, person: 0, guards: Vec::new(), contact: None, known });
        };
        // Side by side: one round trip.
        let (row, suppression) = tokio::try_join!(self.standing_of(address, Some(sender)), suppression)?;
        let mut read = known_of(connection, address, row, suppression);
        read.known.texts = self.texts().await?;
        Ok(read)
    }

    /// Hands the turn of a message to the gate, on a task of its own.
    pub(crate) fn spawn_gate(self: &Arc<Self>, turn: Turn) {
        let (inner, piece) = (self.clone(), self.go_on_with());
        tokio::spawn(async move {
            let _piece = piece;
            inner.take_turn(turn).await;
        });
    }

    /// When a wait of a flow ends: one that is to end lawfully ends at the last moment before its own at which a
    /// person may be written to. There is some room before the hours end, so that what follows still goes out.
    pub(crate) fn lawful_due(&self, flow: &Flow, path: &str, due: Timestamp) -> Timestamp {
        if !flow.is_lawful_wait(path) {
            return due;
        }
        let zone = self.law.market.zone().clone();
        let ask = Ask::new(Class::Transactional, Channel::Whatsapp, &zone);
        let room = self.law.guard.checked_add(ROOM).unwrap_or(self.law.guard);
        self.law.market.latest_before(&ask, due, room).unwrap_or(due)
    }
}

/// The contacts need no guard: where they bear on the decision they are written with it.
fn known_of(
    connection: i64,
    address: i64,
    row: StandingRow,
    suppression: Option<pasarela_store::SuppressionRow>,
) -> Read {
    let mut guards = Vec::with_capacity(2 * row.addresses.len());
    let mut known = Known { suppression, ..Known::default() };
    let find = |kind: &str, name: &str| row.rows.iter().find(|r| &*r.entity.kind == kind && *r.entity.id == *name);
    for of in &row.addresses {
        let name = hash_name(*of);
        let (consent, standing) = (find(CONSENT, &name), find(STANDING, &name));
        for (kind, found) in [(CONSENT, consent), (STANDING, standing)] {
            let version = found.map_or(0, |r| r.version);
            guards.push(ReadGuard::Entity { connection, entity: EntityRef::new(kind, &name), version });
        }
        if let Some(row) = consent {
            let said = consents_in(&row.data);
            if *of == address {
                known.own = said.clone();
            }
            known.all.lay(said);
        }
        if let Some(row) = standing {
            let mut own = read_standing(row);
            if *of == address {
                std::mem::swap(&mut known.standing, &mut own);
            }
            known.standing.lay(&own);
        }
    }
    let contact = row.rows.iter().find(|r| *r.entity.kind == *CONTACT).cloned();
    known.contacts = contact.as_ref().map(|c| Contacts::read(&c.data)).unwrap_or_default();
    Read { connection, person: row.person, guards, contact, known }
}

/// What is wanted sent, without its address.
struct Wanted<'a> {
    effect: EffectId,
    class: Option<&'a str>,
    purpose: Option<&'a str>,
    expires: Option<Timestamp>,
    give_up_at: Timestamp,
}

fn asked_of<'a>(
    connection: &'a ConnectionRuntime,
    message: Message,
    of: Wanted<'a>,
    target: &'a Target,
    now: Timestamp,
) -> Asked<'a> {
    let class = class_of(of.class);
    let purpose = of.purpose.unwrap_or(if class == Class::Marketing { "marketing" } else { "sale" });
    Asked {
        effect: of.effect,
        now,
        class,
        purpose,
        // A channel that nobody knows is held to the strictest of them.
        channel: Channel::from_name(message.channel).unwrap_or(Channel::Whatsapp),
        phone: target.phone.as_deref(),
        named: target.address.is_some(),
        expires: of.expires,
        give_up_at: of.give_up_at,
        answers_within: message.answers_within,
        connection: connection.name(),
    }
}

/// In words, for people who look at the message.
fn why(decision: &Decision) -> String {
    decision.rule.map_or_else(String::new, |r| format!("{} ({})", r.code, r.article))
}

fn refusal(verdict: Verdict, decision: &Decision) -> pasarela_connector::Outcome {
    use pasarela_connector::Outcome;
    let code = decision.rule.map_or("refused", |r| r.code);
    match verdict {
        Verdict::Untakable => Outcome::give_up(code, why(decision)),
        _ if decision.rule == Some(rules::EXPIRED) => Outcome::dropped(code, why(decision)),
        _ => Outcome::withheld(code, why(decision)),
    }
}
