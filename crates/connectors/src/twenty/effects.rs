//! What flows can ask of Twenty, and what its answers mean.
//!
//! Promise: every request may be sent again ([`Repeat::Safe`]): people are upserted by their unique
//! e-mail or by an id derived from their phone, notes and deals carry ids derived from the hub's key.

mod judge;
mod note;
mod opportunity;
mod person;

pub(super) use judge::judge;

use super::Connection;
use pasarela_connector::action::{self as kit, invalid, read, unreadable};
use pasarela_connector::{Action, Answer, Call, Ctx, Idempotency, Lane, Outcome, Repeat, Request, Step};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Rows of one batch call (contract 2.1).
const BATCH: usize = 200;

pub(super) fn actions() -> Vec<Action> {
    vec![
        Action::new::<person::Input>("upsert_person", "Create or update a person", Idempotency::ClientId)
            .lane(Lane::Input("/email"))
            .batch(BATCH)
            .give_up_after(Duration::from_secs(72 * 3600))
            .output(json!({ "id": "string", "created": "boolean" }))
            .build(),
        Action::new::<person::Find>("find_person", "Find a person by e-mail or phone", Idempotency::ClientId)
            .output(json!({
                "found": "boolean", "matches": "integer", "id": "string", "name": "string", "first_name": "string",
                "last_name": "string", "email": "string", "phone": "string", "job_title": "string",
                "company_id": "string"
            }))
            .build(),
        Action::new::<note::Input>("add_note", "Add a note to a person, company or deal", Idempotency::ClientId)
            .give_up_after(Duration::from_secs(72 * 3600))
            .output(json!({ "id": "string", "target_id": "string" }))
            .build(),
        Action::new::<opportunity::Input>("upsert_opportunity", "Create or update a deal", Idempotency::ClientId)
            .lane(Lane::Input("/key"))
            .give_up_after(Duration::from_secs(72 * 3600))
            .output(json!({ "id": "string", "created": "boolean" }))
            .build(),
    ]
}

pub(super) fn begin(on: &Connection, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
    if action == "upsert_person" {
        return person::begin(on, inputs);
    }
    let input = match kit::one(action, inputs) {
        Ok(input) => input,
        Err(end) => return *end,
    };
    let step = match action {
        "find_person" => person::begin_find(on, input),
        "add_note" => note::begin(on, input, ctx),
        "upsert_opportunity" => opportunity::begin(on, input),
        _ => Err(kit::unknown("twenty", action)),
    };
    step.unwrap_or_else(|outcome| Step::end(*outcome))
}

pub(super) fn on(
    on: &Connection,
    action: &str,
    inputs: &[Value],
    state: &Value,
    answer: &Answer,
    ctx: &Ctx<'_>,
) -> Step {
    if action == "upsert_person" {
        return person::on(on, inputs, state, answer, ctx);
    }
    let input = match kit::one(action, inputs) {
        Ok(input) => input,
        Err(end) => return *end,
    };
    let step = match action {
        "find_person" => Ok(Step::end(person::on_find(answer, ctx))),
        "add_note" => note::on(on, input, state, answer, ctx),
        "upsert_opportunity" => Ok(Step::end(opportunity::on(answer, ctx))),
        _ => Err(kit::unknown("twenty", action)),
    };
    step.unwrap_or_else(|outcome| Step::end(*outcome))
}

/// A call whose bytes may be sent again.
fn call(request: Request, state: Value) -> Step {
    Step::Call(Call { request, state, repeat: Repeat::Safe })
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|t| !t.is_empty())
}

/// An id of a record, if one is given.
fn record_ref(field: &str, text: &Option<String>) -> Result<Option<Uuid>, Box<Outcome>> {
    filled(text)
        .map(|t| t.parse().map_err(|_| invalid(format!("{field} '{t}' is not the id of a record in Twenty (a UUID)"))))
        .transpose()
}

/// The id of a record that an answer shows.
fn record_id(record: &Value) -> Option<&str> {
    record.get("id")?.as_str().filter(|id| !id.is_empty())
}

/// Was this record made by the call that it answers? Both times are then the same; any upsert that
/// finds the record moves `updatedAt`, even when nothing changes (contract 2.5).
fn is_new(record: &Value) -> bool {
    record.get("createdAt").is_some_and(|made| made.is_string() && Some(made) == record.get("updatedAt"))
}
