//! What Twenty tells: webhooks, pages of reconciliation and fetched records, all by the same way.
//!
//! Promise: the three meet at the record. A creation is `Once` per id, a deletion `Once` per moment
//! of deletion, everything else the present state, ordered by the record's own `updatedAt`.
//! What it is not: it knows no change from before; Twenty sends no image of the former state.

mod facts;

pub(super) use facts::person as person_of;

use super::Settings;
use super::wire::{Actor, Common, Data, Envelope, Gone, Object, Polled};
use facts::Life;
use jiff::Timestamp;
use pasarela_connector::verify::{Gate, Hmac, Scheme, Unit};
use pasarela_connector::{
    ConnectionConfig, EntityWrite, Fact, Headers, Item, RawRequest, Translation, Trial, Unread, Verdict,
    sign::hmac_sha256_hex,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Header of the signature, lower-case hex.
pub(super) const SIGNATURE: &str = "x-twenty-webhook-signature";
/// Header of the signed time, Unix milliseconds.
pub(super) const TIMESTAMP: &str = "x-twenty-webhook-timestamp";
/// Header of the nonce, which is not signed.
pub(super) const NONCE: &str = "x-twenty-webhook-nonce";

const MAX_AGE: Duration = Duration::from_secs(300);

/// The signature over the raw bytes (contract 4.4).
pub(super) fn gate(config: &ConnectionConfig) -> Result<Gate, String> {
    Gate::new(config, Some(Scheme::Hmac(Hmac::hex(SIGNATURE).timed(TIMESTAMP, Unit::Milliseconds, ":"))), MAX_AGE)
}

pub(super) fn verify(gate: &Gate, request: &RawRequest<'_>, now: Timestamp) -> Verdict {
    match gate.verify(request, now) {
        // The nonce is not covered by the signature; without one the signature itself is the key. Whoever
        // replays with another nonce gains nothing: the facts are known already.
        Verdict::Authentic { .. } => {
            let nonce = (request.header)(NONCE).filter(|n| !n.is_empty()).or_else(|| (request.header)(SIGNATURE));
            Verdict::Authentic { replay_key: nonce.map(str::to_owned) }
        }
        other => other,
    }
}

/// A webhook about an object that nobody follows.
pub(super) fn trial(config: &ConnectionConfig, now: Timestamp) -> Option<Trial> {
    let secret = config.webhook_secrets.first()?.expose().as_bytes();
    let body = json!({ "eventName": "pasarelaTrial.created", "record": {} }).to_string();
    let stamp = now.as_millisecond().to_string();
    let mut headers = Headers::default();
    headers.set("content-type", "application/json");
    headers.set(SIGNATURE, hmac_sha256_hex(secret, &[stamp.as_bytes(), b":", body.as_bytes()]));
    headers.set(TIMESTAMP, stamp);
    Some(Trial { headers, body: body.into() })
}

/// A body by its shape: a webhook has an `eventName`, a polled record its `object`, a fetched one `data`.
pub(super) fn translate(settings: &Settings, body: &[u8]) -> Result<Translation, Unread> {
    let body: Value = serde_json::from_slice(body)?;
    let items = if body.get("eventName").is_some() {
        webhook(settings, &body)?
    } else if body.get("gone").is_some() {
        gone(&body)?
    } else if body.get("object").is_some() {
        polled(settings, &body)?
    } else if body.get("data").is_some() {
        fetched(settings, &body)?
    } else {
        return Err(Unread("neither a webhook (eventName) nor a record (object, data) of Twenty".into()));
    };
    Ok(Translation { items })
}

fn webhook(settings: &Settings, body: &Value) -> Result<Vec<Item>, Unread> {
    let envelope = Envelope::deserialize(body)?;
    let kind = envelope.event_name.clone();
    if let (Some(ours), Some(theirs)) = (&settings.workspace, &envelope.workspace_id)
        && ours != theirs
    {
        return Err(Unread(format!("{kind} of workspace {theirs}; this connection is for {ours}")));
    }
    // metadata.<name>.<action>, notes, tasks, workflow runs and the workspace's own objects.
    let Some((object, action)) = kind.split_once('.').and_then(|(o, a)| Some((Object::of_singular(o)?, a))) else {
        return Ok(vec![Item::Ignored { kind }]);
    };
    let Some(record) = &envelope.record else {
        return Err(Unread(format!("{kind} without a record")));
    };
    let common = facts::common(record)?;
    let by_person = envelope.user_id.is_some() || envelope.workspace_member_id.is_some();
    // Of the model's own objects only read models are kept: there is no word for what happens to them.
    if let Object::Made(_) = object {
        let life = match action {
            "created" | "updated" | "restored" | "deleted" => Life::of(&common),
            "destroyed" => Life::Destroyed,
            _ => return Err(Unread(format!("{kind} is not known; was Twenty updated?"))),
        };
        return Ok(vec![silent(settings, object, record, &common, life)?]);
    }
    let gone = matches!(action, "deleted" | "destroyed");
    // A destroyed record shows who wrote it last, not who destroyed it; a deletion is told in any case.
    if !gone && !by_person && is_own(settings, &common.updated_by) {
        return Ok(vec![Item::Ignored { kind: format!("{kind} (own)") }]);
    }
    let fact = match action {
        "created" => created(object, record, &common)?,
        "updated" => return updated(object, record, &common, &envelope.updated_fields),
        "restored" => state(object, record, &common)?,
        "deleted" => deleted(object, record, &common, Life::Deleted)?,
        "destroyed" => deleted(object, record, &common, Life::Destroyed)?.at(envelope.event_date.or(common.updated_at)),
        _ => return Err(Unread(format!("{kind} is not known; was Twenty updated?"))),
    };
    Ok(vec![fact.into()])
}

/// A page of reconciliation: one record of it. Own changes bring the read model up to date in silence.
fn polled(settings: &Settings, body: &Value) -> Result<Vec<Item>, Unread> {
    let polled = Polled::deserialize(body)?;
    let Some(object) = Object::of_singular(&polled.object) else {
        return Err(Unread(format!("a record of the unknown object '{}'", polled.object)));
    };
    let record = &polled.record;
    let common = facts::common(record)?;
    if let Object::Made(_) = object {
        return Ok(vec![silent(settings, object, record, &common, Life::of(&common))?]);
    }
    if common.deleted_at.is_some() {
        let fact = deleted(object, record, &common, Life::Deleted)?;
        // At the first sweep the bin holds what was thrown away before the hub was there.
        return Ok(vec![if polled.first_sweep {
            silent(settings, object, record, &common, Life::Deleted)?
        } else {
            fact.into()
        }]);
    }
    let mut items = Vec::new();
    if polled.created_since && !is_own(settings, &common.created_by) {
        items.push(created(object, record, &common)?.into());
    }
    if is_own(settings, &common.updated_by) {
        items.push(silent(settings, object, record, &common, Life::Live)?);
    } else if items.is_empty() || common.created_at != common.updated_at {
        items.push(state(object, record, &common)?.into());
    }
    Ok(items)
}

/// A record that is not there any more. What it said last stays known, and that it is deleted is laid over it.
fn gone(body: &Value) -> Result<Vec<Item>, Unread> {
    let gone = Gone::deserialize(body)?;
    let Some(object) = Object::of_singular(&gone.object) else {
        return Err(Unread(format!("a record of the unknown object '{}'", gone.object)));
    };
    let kind = object.entity();
    let write = EntityWrite::new(kind, &gone.gone, json!({ "id": gone.gone, "deleted": true }))
        .updated(Some(gone.at))
        .rank(Life::Destroyed as i16)
        .merged(facts::laid_over);
    let once = |event: &str, said: Value| {
        Fact::once(event, format!("{kind}:{}", gone.gone), &gone.gone, "gone", said)
            .at(Some(gone.at))
            .with(write.clone())
    };
    let fact = match object {
        // The event says nothing of who it was: what is gone cannot be read.
        Object::Person => once("person.deleted", serde_json::to_value(facts::gone_person(&gone.gone))?),
        Object::Company => once("company.deleted", serde_json::to_value(facts::gone_company(&gone.gone))?),
        Object::Opportunity => Fact::state("deal.updated", write).at(Some(gone.at)),
        Object::Made(_) => Fact { event_type: None, ..Fact::state("", write).at(Some(gone.at)) },
    };
    Ok(vec![fact.into()])
}

/// A record that was read because an event named it: a read model, not news.
fn fetched(settings: &Settings, body: &Value) -> Result<Vec<Item>, Unread> {
    let data = Data::deserialize(body)?.data;
    data.iter()
        .map(|(name, record)| {
            let object =
                Object::of_singular(name).ok_or_else(|| Unread(format!("a record of the unknown object '{name}'")))?;
            let common = facts::common(record)?;
            silent(settings, object, record, &common, Life::of(&common))
        })
        .collect()
}

/// Did the hub write this itself (contract 1.2)?
fn is_own(settings: &Settings, by: &Actor) -> bool {
    by.source == "API" && settings.api_key_name.as_ref().is_some_and(|name| *name == by.name)
}

fn created(object: Object, record: &Value, common: &Common) -> Result<Fact, Unread> {
    let write = facts::write(object, record, common, Life::of(common))?;
    let event = format!("{}.created", object.entity());
    let key = format!("{}:{}", object.entity(), common.id);
    let fact = Fact::once(&event, key, &common.id, "", write.data.clone());
    Ok(facts::related(fact.at(common.created_at).with(write)))
}

fn state(object: Object, record: &Value, common: &Common) -> Result<Fact, Unread> {
    let write = facts::write(object, record, common, Life::of(common))?;
    let event = format!("{}.updated", object.entity());
    Ok(facts::related(Fact::state(&event, write).at(common.updated_at)))
}

fn updated(object: Object, record: &Value, common: &Common, fields: &[String]) -> Result<Vec<Item>, Unread> {
    let moved = matches!(object, Object::Opportunity) && fields.iter().any(|f| f == "stage");
    if !moved {
        return Ok(vec![state(object, record, common)?.into()]);
    }
    let write = facts::write(object, record, common, Life::of(common))?;
    let stage = record.get("stage").and_then(Value::as_str).unwrap_or_default();
    let when = common.updated_at.map_or_else(String::new, |at| at.to_string());
    let key = format!("deal:{}", common.id);
    let fact = Fact::once("deal.stage_changed", key, &common.id, format!("{stage}@{when}"), write.data.clone())
        .at(common.updated_at)
        .with(write);
    let moved = facts::related(fact).into();
    // Other fields changed too: that is news of its own, and comes first, since the stage's fact
    // brings the read model up to date.
    let others = fields.iter().any(|f| f != "stage");
    Ok(if others { vec![state(object, record, common)?.into(), moved] } else { vec![moved] })
}

fn deleted(object: Object, record: &Value, common: &Common, life: Life) -> Result<Fact, Unread> {
    let write = facts::write(object, record, common, life)?;
    let at = common.deleted_at.or(common.updated_at);
    // There is no canonical event for a deleted deal; its state says so.
    if matches!(object, Object::Opportunity) {
        return Ok(facts::related(Fact::state("deal.updated", write).at(at)));
    }
    let event = format!("{}.deleted", object.entity());
    let key = format!("{}:{}", object.entity(), common.id);
    // The moment of deletion is the same in the webhook and in the poll, and in the `destroyed` that
    // empties the bin later: one deletion is one fact.
    let moment = at.map_or_else(String::new, |at| at.to_string());
    Ok(Fact::once(&event, key, &common.id, moment, write.data.clone()).at(at).with(write))
}

/// Brings the read model up to date without an event.
fn silent(settings: &Settings, object: Object, record: &Value, common: &Common, life: Life) -> Result<Item, Unread> {
    let write = match object {
        Object::Made(_) => facts::made(object, record, common, life, super::provision::hub_id(settings))?,
        _ => facts::write(object, record, common, life)?,
    };
    let fact = Fact { event_type: None, ..Fact::state("", write).at(common.updated_at) };
    Ok(facts::related(fact).into())
}
