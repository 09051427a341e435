//! `upsert_record` and `find_record`: the objects of the fashion model, companies and deals among them.
//!
//! A record's id follows from the hub's key, so a flow that knows the key knows the record; the field `hubId` gets the
//! key where the workspace has one. Values are checked by the model before anything is sent; fields of the workspace's
//! own go as they are.

mod find;
mod values;

pub(super) use find::{Find, begin as begin_find, on as on_find};

use super::rows::{COMPANY, OPPORTUNITY, Object, PERSON, Row, quoted};
use super::{OWN, filled, invalid, read, record_ref};
use crate::twenty::Connection;
use crate::twenty::provision::model;
use pasarela_connector::Outcome;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Objects that can be written, as Twenty names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::twenty) enum ObjectName {
    /// A designer's profile.
    DesignerProfile,
    /// A collection.
    FashionCollection,
    /// A level of sponsorship.
    SponsorTier,
    /// A show.
    FashionEvent,
    /// An order of tickets.
    TicketOrder,
    /// The consent of a model to be shown.
    ModelRelease,
    /// A brand, sponsor or buyer.
    Company,
    /// A deal.
    Opportunity,
}

impl ObjectName {
    pub(super) fn object(self) -> Object {
        let of = |singular, plural| Object { singular, plural, natural: None };
        match self {
            Self::DesignerProfile => of("designerProfile", "designerProfiles"),
            Self::FashionCollection => of("fashionCollection", "fashionCollections"),
            Self::SponsorTier => of("sponsorTier", "sponsorTiers"),
            Self::FashionEvent => of("fashionEvent", "fashionEvents"),
            Self::TicketOrder => of("ticketOrder", "ticketOrders"),
            Self::ModelRelease => of("modelRelease", "modelReleases"),
            Self::Company => COMPANY,
            Self::Opportunity => OPPORTUNITY,
        }
    }
}

/// A record of the fashion model. Needs an id or a key; blank values are left out, and what is absent stays as the CRM
/// has it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::twenty) struct Input {
    /// Which object.
    object: ObjectName,
    /// Id of the record in Twenty, where it is known.
    #[serde(default)]
    id: Option<String>,
    /// The hub's own key of the record: the same key is the same record.
    #[serde(default)]
    key: Option<String>,
    /// Name.
    #[serde(default)]
    name: Option<String>,
    /// Web domain of a company; one company in the CRM per domain.
    #[serde(default)]
    domain: Option<String>,
    /// Fields by their API name: an amount of money, a moment, a link, a phone, an address as plain values.
    #[serde(default)]
    fields: Option<Map<String, Value>>,
    /// Records that this one points at, by the relation's name.
    #[serde(default)]
    links: Option<Map<String, Value>>,
    /// Bring the record back where it was deleted in Twenty. Without it nothing is written then.
    #[serde(default)]
    revive: bool,
    /// Write only when the record is made: what one says already stays, and its id is the result.
    #[serde(default)]
    only_new: bool,
}

/// A record that is pointed at.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, untagged)]
enum Link {
    Id(String),
    /// The hub's key of a record that the hub made.
    Key {
        key: String,
    },
    /// A person's address.
    Email {
        email: String,
    },
    /// A company's domain.
    Domain {
        domain: String,
    },
}

/// Relations that the standard objects have, with their targets.
const STANDARD: [(&str, &str, &str); 2] =
    [("opportunity", "company", "company"), ("opportunity", "pointOfContact", "person")];

/// The object that a relation leads to.
fn relation(object: Object, name: &str) -> Option<&'static str> {
    let standard = STANDARD.iter().find(|(o, n, _)| *o == object.singular && *n == name).map(|(.., target)| *target);
    standard.or_else(|| {
        model::FIELDS.iter().find(|f| f.object == object.singular && f.name == name).and_then(|f| match f.kind {
            model::Kind::One(target, _) => Some(target),
            _ => None,
        })
    })
}

/// Names of the relations of an object, for whoever mistyped one.
fn relations(object: Object) -> String {
    let standard = STANDARD.iter().filter(|(o, ..)| *o == object.singular).map(|(_, name, _)| *name);
    let ours = model::FIELDS.iter().filter(|f| f.object == object.singular);
    let ours = ours.filter(|f| matches!(f.kind, model::Kind::One(..))).map(|f| f.name);
    standard.chain(ours).collect::<Vec<_>>().join(", ")
}

/// The row of one input.
pub(super) fn row(on: &Connection, n: usize, input: &Value) -> Result<Row, Box<Outcome>> {
    let input: Input = read(input)?;
    let object = input.object.object();
    let given = record_ref("id", &input.id)?;
    let key = filled(&input.key);
    if let Some(key) = key {
        quoted("key", key)?;
    }
    let natural = match filled(&input.domain) {
        Some(_) if object != COMPANY => return Err(invalid(format!("a {} has no domain", object.singular))),
        domain => domain.map(values::domain).transpose()?,
    };
    if let Some(domain) = &natural {
        quoted("domain", domain)?;
    }
    let own: Vec<String> = key.map(|key| on.record_id(object.singular, key).to_string()).into_iter().collect();
    if given.is_none() && own.is_empty() && natural.is_none() {
        return Err(invalid("a record needs an id or a key, or it would be made anew each time"));
    }
    let mut body = Map::new();
    if let Some(name) = filled(&input.name) {
        body.insert("name".into(), json!(name));
    }
    if let Some(domain) = &natural {
        body.insert("domainName".into(), json!({ "primaryLinkUrl": domain }));
    }
    for (name, value) in input.fields.unwrap_or_default() {
        if OWN.contains(&name.as_str()) || name == "name" || on.hub_field() == Some(name.as_str()) {
            return Err(invalid(format!(
                "fields.{name} cannot be written this way; it has an input of its own or is the server's"
            )));
        }
        if relation(object, &name).is_some() {
            return Err(invalid(format!("fields.{name} is a relation: write it under links")));
        }
        if let Some(value) = values::field(object, &name, value)? {
            body.insert(name, value);
        }
    }
    for (name, value) in input.links.unwrap_or_default() {
        let Some(target) = relation(object, &name) else {
            let known = relations(object);
            return Err(invalid(format!("a {} has no relation '{name}'; there are {known}", object.singular)));
        };
        if let Some((field, value)) = link(on, &name, target, value)? {
            body.insert(field, value);
        }
    }
    Ok(Row {
        object,
        given: given.map(|id| id.to_string()),
        own,
        key: key.map(str::to_owned),
        natural,
        body,
        revive: input.revive,
        only_new: input.only_new,
        owns_address: false,
        inputs: vec![n],
    })
}

/// A relation as Twenty takes it: by id, or by a unique value of the other record (contract 3.1).
fn link(on: &Connection, name: &str, target: &str, value: Value) -> Result<Option<(String, Value)>, Box<Outcome>> {
    if value.is_null() || value.as_str().is_some_and(|t| t.trim().is_empty()) {
        return Ok(None);
    }
    let what = format!("links.{name}");
    let bad =
        || invalid(format!("{what}: write the record's id, or {{ key: ... }}, {{ email: ... }}, {{ domain: ... }}"));
    let by_id = |id: Value| Some((format!("{name}Id"), id));
    let connect = |path: Value| Some((name.to_owned(), json!({ "connect": { "where": path } })));
    match serde_json::from_value::<Link>(value).map_err(|_| bad())? {
        Link::Id(id) => Ok(record_ref(&what, &Some(id))?.and_then(|id| by_id(json!(id)))),
        Link::Key { key } if target == PERSON.singular => {
            Ok(by_id(json!(on.record_id(target, &format!("key:{}", key.trim())))))
        }
        Link::Key { key } => Ok(by_id(json!(on.record_id(target, key.trim())))),
        Link::Email { email } if target == PERSON.singular => {
            let email: pasarela_domain::EmailAddress = email.parse().map_err(|e| invalid(format!("{what}: {e}")))?;
            Ok(connect(json!({ "emails": { "primaryEmail": email.as_str() } })))
        }
        Link::Domain { domain } if target == COMPANY.singular => {
            Ok(connect(json!({ "domainName": { "primaryLinkUrl": values::domain(&domain)? } })))
        }
        Link::Email { .. } | Link::Domain { .. } => Err(bad()),
    }
}
