//! Twenty's records in the hub's words. Equal records give equal values, whatever brought them.

use crate::twenty::wire::{self, Common, Object};
use pasarela_connector::{EntityWrite, Fact, Unread};
use pasarela_domain::identity::Field;
use pasarela_domain::model::{Company, Contact, Deal, Person, Record};
use pasarela_domain::{Currency, Money, PersonId};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Where a record is in its life. The state before a deletion can bear the same `updatedAt` as what
/// follows, so the later station wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Life {
    Live,
    Deleted,
    Destroyed,
}

impl Life {
    pub(super) fn of(common: &Common) -> Self {
        if common.deleted_at.is_some() { Self::Deleted } else { Self::Live }
    }
}

/// What every record has; without an id nothing can be said of it.
pub(super) fn common(record: &Value) -> Result<Common, Unread> {
    let common = Common::deserialize(record)?;
    if common.id.trim().is_empty() { Err(Unread("a record without an id".into())) } else { Ok(common) }
}

/// The read model of a record.
pub(super) fn write(object: Object, record: &Value, common: &Common, life: Life) -> Result<EntityWrite, Unread> {
    let deleted = life != Life::Live;
    let data = match object {
        Object::Person => serde_json::to_value(person(record, deleted)?),
        Object::Company => serde_json::to_value(company(record, common, deleted)?),
        Object::Opportunity => serde_json::to_value(deal(record, common, deleted)?),
        Object::Made(_) => return made(object, record, common, life, ""),
    }?;
    Ok(EntityWrite::new(object.entity(), &common.id, data).updated(common.updated_at).rank(life as i16))
}

/// What only the server writes, or has a place of its own.
const OWN: [&str; 9] =
    ["id", "name", "createdAt", "updatedAt", "deletedAt", "createdBy", "updatedBy", "position", "searchVector"];

/// The read model of a record of the fashion model: what the workspace keeps of it, under its own names.
pub(super) fn made(
    object: Object,
    record: &Value,
    common: &Common,
    life: Life,
    hub_id: &str,
) -> Result<EntityWrite, Unread> {
    let text = |field: &str| record.get(field).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty());
    let (mut fields, mut links) = (BTreeMap::new(), BTreeMap::new());
    for (name, value) in record.as_object().into_iter().flatten() {
        if OWN.contains(&name.as_str()) || name == hub_id || value.is_null() || value.as_str() == Some("") {
            continue;
        }
        match name.strip_suffix("Id") {
            Some(link) if value.is_string() => links.insert(link.to_owned(), value.clone()),
            _ => fields.insert(name.clone(), value.clone()),
        };
    }
    let data = serde_json::to_value(Record {
        id: common.id.clone(),
        object: object.singular().to_owned(),
        name: text("name").unwrap_or_default().to_owned(),
        key: text(hub_id).map(str::to_owned),
        fields,
        links,
        deleted: life != Life::Live,
    })?;
    Ok(EntityWrite::new(object.entity(), &common.id, data).updated(common.updated_at).rank(life as i16))
}

/// A person of whom only the id is left.
pub(super) fn gone_person(id: &str) -> Person {
    Person {
        id: id.to_owned(),
        contact: Contact::default(),
        job_title: None,
        company_id: None,
        deleted: true,
        hub_id: None,
    }
}

/// A company of which only the id is left.
pub(super) fn gone_company(id: &str) -> Company {
    Company { id: id.to_owned(), name: String::new(), domain: None, deleted: true }
}

/// What is shown, over what is known.
pub(super) fn laid_over(known: &Value, shown: &Value) -> Value {
    let mut both = known.clone();
    match (both.as_object_mut(), shown.as_object()) {
        (Some(both), Some(shown)) => both.extend(shown.clone()),
        _ => return shown.clone(),
    }
    both
}

/// Adds the records that this one names, so that flows may use them.
pub(super) fn related(fact: Fact) -> Fact {
    let id = |field: &str| fact.data.get(field).and_then(Value::as_str).map(str::to_owned);
    let named = [("company", id("company_id")), ("person", id("person_id"))];
    named.into_iter().fold(fact, |fact, (kind, id)| match id {
        Some(id) => fact.about(kind, id),
        None => fact,
    })
}

/// A person in the hub's words.
pub(in crate::twenty) fn person(record: &Value, deleted: bool) -> Result<Person, Unread> {
    let common = common(record)?;
    let wire = wire::Person::deserialize(record)?;
    let (first, last) = (wire.name.first_name.trim(), wire.name.last_name.trim());
    let number = &wire.phones.primary_phone_number;
    // The number comes without its country; older records may hold the whole of it.
    let phone = if number.starts_with('+') {
        number.clone()
    } else {
        format!("{}{number}", wire.phones.primary_phone_calling_code)
    };
    Ok(Person {
        id: common.id,
        contact: Contact {
            name: format!("{first} {last}").trim().to_owned(),
            first_name: first.to_owned(),
            last_name: last.to_owned(),
            // People type anything into a CRM: what is no address is no way to reach them.
            email: wire.emails.primary_email.parse().ok(),
            phone: phone.parse().ok(),
            empty: empty(record),
            ..Contact::default()
        },
        job_title: some(&wire.job_title),
        company_id: wire.company_id,
        deleted,
        // In whichever field the workspace has for it: nothing else looks like one.
        hub_id: record
            .as_object()
            .and_then(|fields| fields.values().find_map(|v| v.as_str()?.parse::<PersonId>().ok()))
            .map(|id| id.to_string()),
    })
}

/// What the record says is empty. A part that was not sent, or that a role may not read, is not among it.
fn empty(record: &Value) -> Vec<Field> {
    let parts = [(Field::Email, "/emails/primaryEmail"), (Field::Phone, "/phones/primaryPhoneNumber")];
    let blank = |part: &str| record.pointer(part).and_then(Value::as_str).is_some_and(|text| text.trim().is_empty());
    parts.into_iter().filter(|(_, part)| blank(part)).map(|(field, _)| field).collect()
}

fn company(record: &Value, common: &Common, deleted: bool) -> Result<Company, Unread> {
    let wire = wire::Company::deserialize(record)?;
    Ok(Company {
        id: common.id.clone(),
        name: wire.name.trim().to_owned(),
        domain: domain(&wire.domain_name.primary_link_url),
        deleted,
    })
}

fn deal(record: &Value, common: &Common, deleted: bool) -> Result<Deal, Unread> {
    let wire = wire::Opportunity::deserialize(record)?;
    Ok(Deal {
        id: common.id.clone(),
        name: wire.name.trim().to_owned(),
        stage: wire.stage,
        amount: amount(&wire.amount)?,
        person_id: wire.point_of_contact_id,
        company_id: wire.company_id,
        deleted,
    })
}

fn some(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// `https://host`, as contract 2.4 asks for.
fn domain(url: &str) -> Option<String> {
    let url = url.trim().to_lowercase();
    let host = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    (!host.is_empty()).then(|| format!("https://{host}"))
}

/// Millionths into minor units; an amount without a currency is no amount.
fn amount(wire: &wire::Currency) -> Result<Option<Money>, Unread> {
    let micros = match &wire.amount_micros {
        None => return Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => text.trim().parse::<i64>().ok(),
        Some(value) => value.as_i64(),
    };
    let Some(micros) = micros else {
        return Err(Unread("amountMicros is not a whole number".into()));
    };
    let Some(currency) = wire.currency_code.as_deref().and_then(|c| c.parse::<Currency>().ok()) else {
        return Ok(None);
    };
    let scale = 10_i64.pow(6_u32.saturating_sub(currency.exponent()));
    // Half away from zero, as money is rounded everywhere in the hub.
    let half = scale / 2 * micros.signum();
    Ok(Some(Money::new(micros.saturating_add(half) / scale, currency)))
}
