//! `upsert_person` and `find_person`.
//!
//! A person is the record whose id is given; else the one that bears the hub's key; else the one whose id follows from
//! the key, or from the phone of somebody without an address; else the one that has the address. A record that people
//! made is adopted by its address: it keeps its id and gets the hub's key.

mod find;

pub(super) use find::{Find, begin as begin_find, on as on_find};

use super::rows::{PERSON, Row, quoted};
use super::{OWN, filled, invalid, read, record_ref};
use crate::twenty::{Connection, names};
use pasarela_connector::Outcome;
use pasarela_domain::{EmailAddress, Phone};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Fields that have an input of their own.
const OWN_FIELDS: [&str; 5] = ["name", "emails", "phones", "jobTitle", "companyId"];

/// A field that can be emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::twenty) enum Emptied {
    /// The e-mail. Further addresses of the record stay.
    Email,
    /// The phone. Further numbers of the record stay.
    Phone,
}

/// A person as a flow knows them. Needs an id, an e-mail, a phone or a key; blank values are left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::twenty) struct Input {
    /// Id of the person in Twenty, where it is known.
    #[serde(default)]
    id: Option<String>,
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
    /// Fields to empty. Only these are: a value that is not given stays as it is in Twenty.
    #[serde(default)]
    clear: Option<Vec<Emptied>>,
    /// Role or job title.
    #[serde(default)]
    job_title: Option<String>,
    /// Id of the company in Twenty.
    #[serde(default)]
    company_id: Option<String>,
    /// The hub's own key of the person: a new record's id follows from it, and the field `hubId` gets it where the
    /// workspace has one.
    #[serde(default)]
    key: Option<String>,
    /// Further fields of the workspace's people, by API name.
    #[serde(default)]
    fields: Option<Map<String, Value>>,
    /// Bring the person back where they were deleted in Twenty. Without it nothing is written then.
    #[serde(default)]
    revive: bool,
    /// Write only when the record is made: what one says already stays, and its id is the result.
    #[serde(default)]
    only_new: bool,
    /// The address is this person's own, and no other's: where another record that bears a key of the hub's still has
    /// it, it is taken from there first. Records of people's own making keep theirs.
    #[serde(default)]
    owns_address: bool,
}

/// The row of one input.
pub(super) fn row(on: &Connection, n: usize, input: &Value) -> Result<Row, Box<Outcome>> {
    let input: Input = read(input)?;
    let given = record_ref("id", &input.id)?;
    let email = filled(&input.email)
        .map(|t| t.parse::<EmailAddress>().map_err(|e| invalid(format!("email: {e}"))))
        .transpose()?;
    let phone =
        filled(&input.phone).map(|t| t.parse::<Phone>().map_err(|e| invalid(format!("phone: {e}")))).transpose()?;
    let key = filled(&input.key);
    let company = record_ref("company_id", &input.company_id)?;
    if let Some(email) = &email {
        quoted("email", email.as_str())?;
    }
    if let Some(key) = key {
        quoted("key", key)?;
    }

    // Phones are not unique: a person without an address is known by an id that follows from the phone.
    let by_key = key.map(|key| on.record_id("person", &format!("key:{key}")).to_string());
    let by_phone = match (&email, &phone) {
        (None, Some(phone)) => Some(on.record_id("person", &format!("phone:{}", phone.as_e164())).to_string()),
        _ => None,
    };
    let own: Vec<String> = by_key.into_iter().chain(by_phone).collect();
    if given.is_none() && email.is_none() && own.is_empty() {
        return Err(invalid("a person needs an id, an email, a phone or a key, or it would be made anew each time"));
    }
    let natural = email.as_ref().map(|email| email.as_str().to_owned());

    let mut body = Map::new();
    let name = full_name(&input);
    if !name.is_empty() {
        body.insert("name".into(), Value::Object(name));
    }
    // Composites merge: what is not named, such as further addresses, stays as people wrote it (contract 2.4).
    if let Some(email) = email {
        body.insert("emails".into(), json!({ "primaryEmail": email.as_str() }));
    }
    if let Some(phone) = phone {
        // The server takes the country out of the international form itself; a national number alone
        // is refused (contract 2.4).
        body.insert("phones".into(), json!({ "primaryPhoneNumber": phone.as_e164() }));
    }
    for field in input.clear.iter().flatten() {
        let (name, part) = match field {
            Emptied::Email => ("emails", json!({ "primaryEmail": "" })),
            // A country without a number would be left behind.
            Emptied::Phone => (
                "phones",
                json!({ "primaryPhoneNumber": "", "primaryPhoneCountryCode": "", "primaryPhoneCallingCode": "" }),
            ),
        };
        if body.insert(name.into(), part).is_some() {
            return Err(invalid(format!(
                "{name}: a value is given, and it is to be emptied; leave one of the two out"
            )));
        }
    }
    if let Some(title) = filled(&input.job_title) {
        body.insert("jobTitle".into(), json!(title));
    }
    if let Some(company) = company {
        body.insert("companyId".into(), json!(company));
    }
    for (field, value) in input.fields.unwrap_or_default() {
        if OWN.contains(&field.as_str())
            || OWN_FIELDS.contains(&field.as_str())
            || on.hub_field() == Some(field.as_str())
        {
            return Err(invalid(format!(
                "fields.{field} cannot be written this way; it has an input of its own or is the server's"
            )));
        }
        body.insert(field, value);
    }
    Ok(Row {
        object: PERSON,
        given: given.map(|id| id.to_string()),
        own,
        key: key.map(str::to_owned),
        natural,
        body,
        revive: input.revive,
        only_new: input.only_new,
        owns_address: input.owns_address,
        inputs: vec![n],
    })
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
