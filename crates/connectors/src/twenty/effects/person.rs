//! `upsert_person` and `find_person`.
//!
//! A person with an e-mail is upserted by it alone: e-mails are unique in Twenty, so a repeat finds
//! the same record, and an id of ours next to the address of a record that somebody else made would
//! be refused as two records (contract 2.5). Without an e-mail the record's id is derived from the
//! phone, or from the flow's key, because phones are not unique there.

mod batch;
mod find;

pub(super) use batch::{begin, on};
pub(super) use find::{Find, begin as begin_find, on as on_find};

use super::{filled, invalid, read, record_ref};
use crate::twenty::{Connection, names};
use pasarela_connector::Outcome;
use pasarela_domain::{EmailAddress, Phone};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Fields that have an input of their own, or that only the server writes (contract 2.3).
const OWN_FIELDS: &[&str] = &[
    "id",
    "name",
    "emails",
    "phones",
    "jobTitle",
    "companyId",
    "createdAt",
    "updatedAt",
    "deletedAt",
    "createdBy",
    "updatedBy",
    "position",
    "searchVector",
];

/// A person as a flow knows them. Needs an e-mail, a phone or a key; blank values are left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::twenty) struct Input {
    /// E-mail; one person in the CRM per address.
    #[serde(default)]
    email: Option<String>,
    /// Phone in international form (+573001234567).
    #[serde(default)]
    phone: Option<String>,
    /// Full name; both surnames are kept.
    #[serde(default)]
    name: Option<String>,
    /// Given names, where they are known apart; wins over `name`.
    #[serde(default)]
    first_name: Option<String>,
    /// Surnames, where they are known apart; wins over `name`.
    #[serde(default)]
    last_name: Option<String>,
    /// Role or job title.
    #[serde(default)]
    job_title: Option<String>,
    /// Id of the company in Twenty.
    #[serde(default)]
    company_id: Option<String>,
    /// The hub's own key of the person; goes into the connection's `hub_id_field` where there is one.
    #[serde(default)]
    key: Option<String>,
    /// Further fields of the workspace's people, by API name.
    #[serde(default)]
    fields: Option<Map<String, Value>>,
}

/// One row of a batch: one identity, with the inputs that it stands for.
#[derive(Debug)]
struct Row {
    identity: Identity,
    body: Map<String, Value>,
    inputs: Vec<usize>,
}

/// How a row is known again in the answer, which is not in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Identity {
    Email(String),
    Id(String),
}

impl Identity {
    fn is(&self, record: &Value) -> bool {
        match self {
            Self::Email(email) => record
                .pointer("/emails/primaryEmail")
                .and_then(Value::as_str)
                .is_some_and(|found| found.to_lowercase() == *email),
            Self::Id(id) => {
                record.get("id").and_then(Value::as_str).is_some_and(|found| found.eq_ignore_ascii_case(id))
            }
        }
    }
}

/// The row of one input.
fn row(on: &Connection, input: &Value) -> Result<(Identity, Map<String, Value>), Box<Outcome>> {
    let input: Input = read(input)?;
    let email = filled(&input.email)
        .map(|t| t.parse::<EmailAddress>().map_err(|e| invalid(format!("email: {e}"))))
        .transpose()?;
    let phone =
        filled(&input.phone).map(|t| t.parse::<Phone>().map_err(|e| invalid(format!("phone: {e}")))).transpose()?;
    let key = filled(&input.key);
    let company = record_ref("company_id", &input.company_id)?;

    let mut body = Map::new();
    let identity = match (&email, &phone, key) {
        (Some(email), _, _) => Identity::Email(email.as_str().to_owned()),
        (None, Some(phone), _) => {
            Identity::Id(on.record_id("person", &format!("phone:{}", phone.as_e164())).to_string())
        }
        (None, None, Some(key)) => Identity::Id(on.record_id("person", &format!("key:{key}")).to_string()),
        (None, None, None) => {
            return Err(invalid("a person needs an email, a phone or a key, or it would be made anew each time"));
        }
    };
    if let Identity::Id(id) = &identity {
        body.insert("id".into(), json!(id));
    }
    if let (Some(field), Some(key)) = (&on.settings.hub_id_field, key) {
        body.insert(field.clone(), json!(key));
    }
    let name = full_name(&input);
    if !name.is_empty() {
        body.insert("name".into(), Value::Object(name));
    }
    if let Some(email) = email {
        body.insert("emails".into(), json!({ "primaryEmail": email.as_str() }));
    }
    if let Some(phone) = phone {
        // The server takes the country out of the international form itself; a national number alone
        // is refused (contract 2.4).
        body.insert("phones".into(), json!({ "primaryPhoneNumber": phone.as_e164() }));
    }
    if let Some(title) = filled(&input.job_title) {
        body.insert("jobTitle".into(), json!(title));
    }
    if let Some(company) = company {
        body.insert("companyId".into(), json!(company));
    }
    for (field, value) in input.fields.unwrap_or_default() {
        if OWN_FIELDS.contains(&field.as_str()) || on.settings.hub_id_field.as_ref() == Some(&field) {
            return Err(invalid(format!(
                "fields.{field} cannot be written this way; it has an input of its own or is the server's"
            )));
        }
        body.insert(field, value);
    }
    Ok((identity, body))
}

/// The parts of the name that are known: an absent one must not wipe what the CRM has.
fn full_name(input: &Input) -> Map<String, Value> {
    let (first, last) = names::split(filled(&input.name).unwrap_or_default());
    let first = filled(&input.first_name).map_or(first, str::to_owned);
    let last = filled(&input.last_name).map_or(last, str::to_owned);
    [("firstName", first), ("lastName", last)]
        .into_iter()
        .filter(|(_, part)| !part.is_empty())
        .map(|(field, part)| (field.to_owned(), json!(part)))
        .collect()
}

/// The rows of a batch, and the inputs that cannot become one. The same identity twice in one body
/// fails the whole batch (contract 2.5), so those inputs are one row: what comes later wins.
fn plan(on: &Connection, inputs: &[Value]) -> (Vec<Row>, Vec<(usize, Outcome)>) {
    let mut rows: Vec<Row> = Vec::new();
    let mut refused = Vec::new();
    for (n, input) in inputs.iter().enumerate() {
        match row(on, input) {
            Err(outcome) => refused.push((n, *outcome)),
            Ok((identity, body)) => match rows.iter_mut().find(|r| r.identity == identity) {
                Some(row) => {
                    merge(&mut row.body, body);
                    row.inputs.push(n);
                }
                None => rows.push(Row { identity, body, inputs: vec![n] }),
            },
        }
    }
    (rows, refused)
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (field, value) in from {
        match (into.get_mut(&field), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, value) => {
                into.insert(field, value);
            }
        }
    }
}
