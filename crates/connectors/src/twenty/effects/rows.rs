//! Writing records: one code for people and for every object of the model.
//!
//! Promise: a row is written to one record or to none. Which record it is, is looked up before the write, the bin
//! included: an upsert would bring what was deleted back without a word (contract 0.6), and would be refused as a
//! whole where an id and an address point at two records (contract 2.5). One bad row holds back no other.

mod look;
mod run;
mod wide;

pub(super) use run::{begin, on};

use super::{BATCH, invalid};
use crate::twenty::Connection;
use pasarela_connector::Outcome;
use serde_json::{Map, Value, json};

/// An object as paths, keys of answers and filters write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Object {
    pub(super) singular: &'static str,
    pub(super) plural: &'static str,
    /// Where the value is that only one record may have: an address, a domain.
    pub(super) natural: Option<&'static str>,
}

pub(super) const PERSON: Object = Object { singular: "person", plural: "people", natural: Some("emails.primaryEmail") };
pub(super) const COMPANY: Object =
    Object { singular: "company", plural: "companies", natural: Some("domainName.primaryLinkUrl") };
pub(super) const OPPORTUNITY: Object = Object { singular: "opportunity", plural: "opportunities", natural: None };

impl Object {
    /// `/rest/people`.
    pub(super) fn path(self) -> String {
        format!("/rest/{}", self.plural)
    }

    /// Key of an answer that holds one record: `updatePerson`.
    pub(super) fn one(self, verb: &str) -> String {
        format!("{verb}{}", capital(self.singular))
    }

    /// Key of an answer that holds several: `createPeople`.
    pub(super) fn many(self, verb: &str) -> String {
        format!("{verb}{}", capital(self.plural))
    }
}

/// With a capital, as keys of answers and targets of notes have it.
pub(super) fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// One row of a batch: one record, with the inputs that it stands for.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) object: Object,
    /// The record that the caller knows, lower case.
    pub(super) given: Option<String>,
    /// Ids that the hub derives from its own keys; a new record gets the first one.
    pub(super) own: Vec<String>,
    /// The hub's key, for the field of the workspace that takes it.
    pub(super) key: Option<String>,
    /// The value that only one record may have, as the server stores it.
    pub(super) natural: Option<String>,
    /// Fields, without id and key.
    pub(super) body: Map<String, Value>,
    /// Bring it back when it is in the bin, and make it anew when it is gone.
    pub(super) revive: bool,
    /// Write it only when the record is made: one that is there stays as it is.
    pub(super) only_new: bool,
    /// The address is this one's own by the hub's word: another record of the hub's that still has it loses it.
    pub(super) owns_address: bool,
    pub(super) inputs: Vec<usize>,
}

impl Row {
    /// Do both stand for one record? Another key is another one, whatever address they give.
    fn is_same(&self, other: &Self) -> bool {
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        self.object == other.object
            && !differ(&self.key, &other.key)
            && !differ(&self.given, &other.given)
            && (same(&self.given, &other.given)
                || same(&self.key, &other.key)
                || same(&self.natural, &other.natural)
                || self.own.iter().any(|id| other.own.contains(id)))
    }
}

/// Reads one input into a row; `n` is its number.
pub(super) type Reader = fn(&Connection, usize, &Value) -> Result<Row, Box<Outcome>>;

/// The rows of a batch, those of one object together, and the inputs that cannot become one. The same record twice in
/// one body fails the whole batch (contract 2.5), so those inputs are one row: what comes later wins.
fn plan(on: &Connection, read: Reader, inputs: &[Value]) -> (Vec<Row>, Vec<(usize, Outcome)>) {
    let mut rows: Vec<Row> = Vec::new();
    let mut refused = Vec::new();
    for (n, input) in inputs.iter().enumerate() {
        match read(on, n, input) {
            Err(outcome) => refused.push((n, *outcome)),
            Ok(new) => match rows.iter_mut().find(|r| r.is_same(&new)) {
                Some(row) => {
                    merge(&mut row.body, new.body);
                    row.inputs.push(n);
                    row.revive |= new.revive;
                    row.only_new &= new.only_new;
                    row.owns_address |= new.owns_address;
                    row.given = row.given.take().or(new.given);
                    row.key = row.key.take().or(new.key);
                    row.natural = new.natural.or(row.natural.take());
                    // A key's own id stands before that of a phone.
                    row.own = new.own.into_iter().chain(row.own.drain(..)).collect();
                    row.own.dedup();
                }
                None => rows.push(new),
            },
        }
    }
    rows.sort_by_key(|row| row.object);
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

/// A text that can stand in a filter; what would end its quotes is refused.
pub(super) fn quoted(what: &str, text: &str) -> Result<String, Box<Outcome>> {
    if text.contains(['"', '\\']) || text.chars().any(char::is_control) {
        return Err(invalid(format!("{what}: quotes, backslashes and line ends cannot be searched for in Twenty")));
    }
    Ok(format!("\"{text}\""))
}

/// A condition that holds for live records and for those in the bin: without one that names `deletedAt` the bin is
/// hidden (contract 2.2).
pub(super) fn bin_too(condition: &str) -> String {
    format!("and({condition},or(deletedAt[is]:NULL,deletedAt[is]:NOT_NULL))")
}

/// The body of a row for this record.
fn body(row: &Row, id: Option<&str>, hub_field: Option<&str>) -> Map<String, Value> {
    let mut body = row.body.clone();
    if let Some(id) = id {
        body.insert("id".into(), json!(id));
    }
    if let (Some(field), Some(key)) = (hub_field, &row.key) {
        body.insert(field.to_owned(), json!(key));
    }
    body
}
