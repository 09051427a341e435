//! Types exactly as Twenty writes them (contract 2.3, 2.4, 4.3). Nothing here decides anything.

use super::provision::model::{self, ObjectDef};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The objects that the hub follows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Object {
    Person,
    Company,
    Opportunity,
    /// One of the fashion model.
    Made(&'static ObjectDef),
}

impl Object {
    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        [Self::Person, Self::Company, Self::Opportunity].into_iter().chain(model::OBJECTS.iter().map(Self::Made))
    }

    /// `nameSingular`, as webhooks and single answers write it.
    pub(super) fn singular(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Company => "company",
            Self::Opportunity => "opportunity",
            Self::Made(def) => def.singular,
        }
    }

    /// `namePlural`, as paths write it.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Person => "people",
            Self::Company => "companies",
            Self::Opportunity => "opportunities",
            Self::Made(def) => def.plural,
        }
    }

    /// Kind of the hub's read model.
    pub(super) fn entity(self) -> &'static str {
        self.entities()[0]
    }

    /// Name of the task that reads it.
    pub(super) fn task(self) -> &'static str {
        match self {
            Self::Made(def) => def.task,
            other => other.plural(),
        }
    }

    /// The same as a list, as a task names what it reads.
    pub(super) fn entities(self) -> &'static [&'static str; 1] {
        match self {
            Self::Person => &["person"],
            Self::Company => &["company"],
            Self::Opportunity => &["deal"],
            Self::Made(def) => &def.entity,
        }
    }

    pub(super) fn of_singular(name: &str) -> Option<Self> {
        Self::all().find(|o| o.singular() == name)
    }

    pub(super) fn of_task(name: &str) -> Option<Self> {
        Self::all().find(|o| o.task() == name)
    }

    pub(super) fn of_entity(kind: &str) -> Option<Self> {
        Self::all().find(|o| o.entity() == kind)
    }
}

/// A webhook's body (contract 4.3). Metadata events have no record.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope {
    pub(super) event_name: String,
    #[serde(default)]
    pub(super) workspace_id: Option<String>,
    #[serde(default)]
    pub(super) event_date: Option<Timestamp>,
    /// There when a person did it in the interface.
    #[serde(default)]
    pub(super) user_id: Option<Value>,
    /// There when a person did it in the interface.
    #[serde(default)]
    pub(super) workspace_member_id: Option<Value>,
    #[serde(default)]
    pub(super) record: Option<Value>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) updated_fields: Vec<String>,
}

/// What every record has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Common {
    pub(super) id: String,
    #[serde(default)]
    pub(super) created_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) updated_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) deleted_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) created_by: Actor,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) updated_by: Actor,
}

/// Who wrote (contract 1.2).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Actor {
    #[serde(deserialize_with = "or_default")]
    pub(super) source: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Person {
    #[serde(deserialize_with = "or_default")]
    pub(super) name: FullName,
    #[serde(deserialize_with = "or_default")]
    pub(super) emails: Emails,
    #[serde(deserialize_with = "or_default")]
    pub(super) phones: Phones,
    #[serde(deserialize_with = "or_default")]
    pub(super) job_title: String,
    #[serde(deserialize_with = "filled")]
    pub(super) company_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Company {
    #[serde(deserialize_with = "or_default")]
    pub(super) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) domain_name: Links,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Opportunity {
    #[serde(deserialize_with = "or_default")]
    pub(super) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) stage: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) amount: Currency,
    #[serde(deserialize_with = "filled")]
    pub(super) company_id: Option<String>,
    #[serde(deserialize_with = "filled")]
    pub(super) point_of_contact_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FullName {
    #[serde(deserialize_with = "or_default")]
    pub(super) first_name: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) last_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Emails {
    #[serde(deserialize_with = "or_default")]
    pub(super) primary_email: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Phones {
    #[serde(deserialize_with = "or_default")]
    pub(super) primary_phone_number: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) primary_phone_calling_code: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Links {
    #[serde(deserialize_with = "or_default")]
    pub(super) primary_link_url: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Currency {
    /// A number; text is accepted too (contract 7.9).
    pub(super) amount_micros: Option<Value>,
    pub(super) currency_code: Option<String>,
}

/// An answer with one record, or a batch, under a key of its own: `createPeople`, `person`.
#[derive(Debug, Deserialize)]
pub(super) struct Data {
    pub(super) data: Map<String, Value>,
}

/// A page of records.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) data: Map<String, Value>,
    pub(super) page_info: PageInfo,
    #[serde(default)]
    pub(super) total_count: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    #[serde(default)]
    pub(super) end_cursor: Option<String>,
    pub(super) has_next_page: bool,
}

/// A record that reconciliation read, with what `translate` must know of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Polled {
    /// `nameSingular`.
    pub(super) object: String,
    /// Made since the last sweep: its creation is news.
    pub(super) created_since: bool,
    /// Is this the first sweep? Then what is in the bin was deleted before the hub was there.
    pub(super) first_sweep: bool,
    pub(super) record: Value,
}

/// A record that a reading of everything did not show, and that is not found by its id either.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Gone {
    /// `nameSingular`.
    pub(super) object: String,
    /// Its id.
    pub(super) gone: String,
    /// When that was seen.
    pub(super) at: Timestamp,
}

/// An error in any of its shapes (contract 1.5).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ErrorBody {
    messages: Value,
    message: Value,
    #[serde(deserialize_with = "or_default")]
    pub(super) code: String,
    /// Name of the exception, or what newer versions use as a code (`RATE_LIMITED`).
    #[serde(deserialize_with = "or_default")]
    pub(super) error: String,
    pub(super) retry_after_seconds: Option<f64>,
}

impl ErrorBody {
    /// All texts as one.
    pub(super) fn text(&self) -> String {
        let texts = |value: &Value| match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(list) => list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
            _ => Vec::new(),
        };
        let mut all = texts(&self.messages);
        if all.is_empty() {
            all = texts(&self.message);
        }
        all.join("; ")
    }
}

/// Null where a value was expected: unset composites are written as empty ones, but another version
/// of the server may write null.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(d).map(Option::unwrap_or_default)
}

/// An id that may be unset; empty is the same as absent.
fn filled<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(d)?.filter(|id| !id.trim().is_empty()))
}

/// The webhooks of a workspace (contract 4.1).
#[derive(Debug, Deserialize)]
pub(super) struct Hooks {
    pub(super) data: Vec<Hook>,
}

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hook {
    pub(super) target_url: String,
}
