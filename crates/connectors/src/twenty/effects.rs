//! What flows can ask of Twenty, and what its answers mean.
//!
//! Promise: every request may be sent again ([`Repeat::Safe`]): records are found by their id, by the hub's key or by
//! their unique address, and those that the hub makes carry ids derived from its own keys.

mod deal;
mod judge;
mod life;
mod memo;
mod opportunity;
mod person;
mod record;
mod rows;

pub(super) use judge::{NOT_PROVISIONED, is_missing, judge};

use super::Connection;
use jiff::Timestamp;
use jiff::civil::Date;
use pasarela_connector::action::{self as kit, invalid, read, unreadable};
use pasarela_connector::{Action, Answer, Call, Ctx, Idempotency, Lane, Outcome, Repeat, Request, Step};
use pasarela_domain::Money;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Rows of one batch call (contract 2.1).
const BATCH: usize = 200;

/// Fields that only the server writes, or that follow from an input's key (contract 2.3).
const OWN: [&str; 8] =
    ["id", "createdAt", "updatedAt", "deletedAt", "createdBy", "updatedBy", "position", "searchVector"];

pub(super) fn actions() -> Vec<Action> {
    let days = Duration::from_secs(72 * 3600);
    let of = Idempotency::ClientId;
    vec![
        Action::new::<person::Input>("upsert_person", "Create or update a person", of)
            .lane(Lane::First(&["/key", "/id", "/email"]))
            .batch(BATCH)
            .give_up_after(days)
            .output(json!({ "id": "string", "created": "boolean" }))
            .build(),
        Action::new::<person::Find>("find_person", "Find a person by e-mail or phone", of)
            .output(json!({
                "found": "boolean", "matches": "integer", "id": "string", "name": "string", "first_name": "string",
                "last_name": "string", "email": "string", "phone": "string", "job_title": "string",
                "company_id": "string"
            }))
            .build(),
        Action::new::<life::Whom>("delete_person", "Put a person into the bin", of)
            .lane(Lane::Input("/id"))
            .give_up_after(days)
            .output(json!({ "id": "string", "deleted": "boolean" }))
            .build(),
        Action::new::<life::Whom>("restore_person", "Take a person out of the bin", of)
            .lane(Lane::Input("/id"))
            .give_up_after(days)
            .output(json!({ "id": "string", "restored": "boolean" }))
            .build(),
        Action::new::<life::Whom>("destroy_person", "Erase a person for good, with the notes and tasks about them", of)
            .lane(Lane::Input("/id"))
            .give_up_after(days)
            .output(json!({ "id": "string", "destroyed": "boolean" }))
            .build(),
        Action::new::<record::Input>("upsert_record", "Create or update a record of the fashion model", of)
            .lane(Lane::First(&["/key", "/id", "/domain"]))
            .batch(BATCH)
            .give_up_after(days)
            .output(json!({ "id": "string", "created": "boolean" }))
            .build(),
        Action::new::<record::Find>("find_record", "Find a record of the fashion model", of)
            .output(json!({
                "found": "boolean", "matches": "integer", "id": "string", "name": "string", "record": "object"
            }))
            .build(),
        Action::new::<memo::Note>("add_note", "Add a note to a record", of)
            .give_up_after(days)
            .output(json!({ "id": "string", "target_id": "string" }))
            .build(),
        Action::new::<memo::Task>("add_task", "Give somebody a task about a record", of)
            .give_up_after(days)
            .output(json!({ "id": "string", "target_id": "string" }))
            .build(),
        Action::new::<opportunity::Input>("upsert_opportunity", "Create or update a deal", of)
            .lane(Lane::Input("/key"))
            .give_up_after(days)
            .output(json!({ "id": "string", "created": "boolean" }))
            .build(),
        Action::new::<deal::Move>("move_deal", "Move deals into another stage", of)
            .give_up_after(days)
            .output(json!({ "moved": "integer", "ids": "array" }))
            .build(),
    ]
}

/// How a batch action reads its inputs; `None` for an action of one input.
fn reader(action: &str) -> Option<rows::Reader> {
    match action {
        "upsert_person" => Some(person::row),
        "upsert_record" => Some(record::row),
        _ => None,
    }
}

pub(super) fn begin(on: &Connection, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
    if let Some(read) = reader(action) {
        return rows::begin(on, read, inputs);
    }
    let input = match kit::one(action, inputs) {
        Ok(input) => input,
        Err(end) => return *end,
    };
    let step = match action {
        "find_person" => person::begin_find(on, input),
        "find_record" => record::begin_find(on, input),
        "add_note" | "add_task" => memo::begin(on, action, input, ctx),
        "upsert_opportunity" => opportunity::begin(on, input),
        "move_deal" => deal::begin(on, input),
        "delete_person" | "restore_person" | "destroy_person" => life::begin(on, action, input),
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
    if let Some(read) = reader(action) {
        return rows::on(on, read, inputs, state, answer, ctx);
    }
    let input = match kit::one(action, inputs) {
        Ok(input) => input,
        Err(end) => return *end,
    };
    let step = match action {
        "find_person" => Ok(Step::end(person::on_find(answer, ctx))),
        "find_record" => record::on_find(on, input, state, answer, ctx),
        "add_note" | "add_task" => memo::on(on, action, input, state, answer, ctx),
        "upsert_opportunity" => Ok(Step::end(opportunity::on(answer, ctx))),
        "move_deal" => deal::on(on, input, state, answer, ctx),
        "delete_person" | "restore_person" | "destroy_person" => life::on(on, action, input, state, answer, ctx),
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

/// Millionths of the currency. The server keeps them in a double (contract 2.4), so an amount that
/// would come back as another one is refused here.
fn micros(amount: Money) -> Result<i64, Box<Outcome>> {
    let scale = 10_i64.pow(6_u32.saturating_sub(amount.currency.exponent()));
    let exact = amount.minor.checked_mul(scale).filter(|micros| {
        let back = *micros as f64;
        back.abs() < 9.2e18 && back as i64 == *micros
    });
    exact.ok_or_else(|| {
        let text = amount.major_text();
        invalid(format!("the amount {text} {} is too large for Twenty to keep exactly", amount.currency))
    })
}

/// A moment as Twenty writes it. A bare date is noon in Colombia (UTC−5 all year), so that it is the
/// same date for whoever reads it in Bogotá or in Madrid.
fn moment(what: &str, text: &str) -> Result<String, Box<Outcome>> {
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => {
            let bad = || invalid(format!("{what} '{text}' is not a date (2027-02-28) or a moment with its zone"));
            // A text with a time but no zone would be read as a date, and its time lost.
            let date: Date = if text.len() == 10 {
                text.parse().map_err(|_| bad())?
            } else {
                return Err(bad());
            };
            format!("{date}T17:00:00Z").parse().map_err(|_| bad())?
        }
    };
    Ok(format!("{at:.3}"))
}
