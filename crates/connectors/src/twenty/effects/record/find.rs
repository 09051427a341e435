//! Looking for a record of the model: a read, so it may be repeated.

use super::ObjectName;
use crate::twenty::Connection;
use crate::twenty::effects::judge::{is_unknown_field, judge};
use crate::twenty::effects::rows::quoted;
use crate::twenty::effects::{call, filled, invalid, read, record_ref, unreadable};
use crate::twenty::wire::Page;
use pasarela_connector::{Answer, Ctx, Outcome, Request, Step};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// What to look for: by id, by the hub's key, or by one field.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::twenty) struct Find {
    /// Which object.
    object: ObjectName,
    /// Id of the record in Twenty.
    #[serde(default)]
    id: Option<String>,
    /// The hub's own key.
    #[serde(default)]
    key: Option<String>,
    /// Path of a field: `name`, `domainName.primaryLinkUrl`, `eventoId`.
    #[serde(default)]
    field: Option<String>,
    /// Value of the field.
    #[serde(default)]
    value: Option<String>,
}

/// The condition; `hub` says whether the workspace may have the hub's field.
fn filter(on: &Connection, input: &Find, hub: bool) -> Result<String, Box<Outcome>> {
    let object = input.object.object();
    if let Some(id) = record_ref("id", &input.id)? {
        return Ok(format!("id[eq]:{id}"));
    }
    if let Some(key) = filled(&input.key) {
        let own = format!("id[eq]:{}", on.record_id(object.singular, key));
        let text = quoted("key", key)?;
        return Ok(match on.hub_field().filter(|_| hub) {
            Some(field) => format!("or({own},{field}[eq]:{text})"),
            None => own,
        });
    }
    match (filled(&input.field), filled(&input.value)) {
        (Some(field), Some(value)) => {
            if !field.chars().all(|c| c.is_ascii_alphanumeric() || c == '.') {
                return Err(invalid(format!("field '{field}' cannot be a field of Twenty")));
            }
            Ok(format!("{field}[eq]:{}", quoted("value", value)?))
        }
        _ => Err(invalid("give an id, a key, or a field with its value to look for")),
    }
}

fn look(on: &Connection, input: &Find, hub: bool) -> Result<Step, Box<Outcome>> {
    let filter = filter(on, input, hub)?;
    let request = Request::get(on.url(&input.object.object().path())).query([
        ("limit", "1"),
        ("order_by", "createdAt[AscNullsFirst]"),
        ("filter", &filter),
    ]);
    Ok(call(request, json!({ "v": 1, "hub": hub })))
}

pub(in crate::twenty) fn begin(on: &Connection, input: &Value) -> Result<Step, Box<Outcome>> {
    look(on, &read(input)?, true)
}

pub(in crate::twenty) fn on(
    on: &Connection,
    input: &Value,
    state: &Value,
    answer: &Answer,
    ctx: &Ctx<'_>,
) -> Result<Step, Box<Outcome>> {
    let input: Find = read(input)?;
    let asked_for_key = state.get("hub") == Some(&json!(true));
    let guessed = on.hub_field().filter(|_| asked_for_key && on.hub_field_is_a_guess());
    if guessed.is_some_and(|field| is_unknown_field(answer, field)) {
        return look(on, &input, false);
    }
    if let Some(outcome) = judge(answer, ctx) {
        return Err(Box::new(outcome));
    }
    let page = answer.parse::<Page>().map_err(|_| Box::new(unreadable(answer)))?;
    let plural = input.object.object().plural;
    let Some(Value::Array(rows)) = page.data.get(plural) else { return Err(Box::new(unreadable(answer))) };
    let found = rows.first();
    let field = |name: &str| found.and_then(|r| r.get(name)).cloned().unwrap_or(Value::Null);
    Ok(Step::end(Outcome::done(json!({
        "found": found.is_some(),
        "matches": page.total_count.unwrap_or(rows.len() as u64),
        "id": field("id"),
        "name": field("name"),
        "record": found.cloned().unwrap_or(Value::Null),
    }))))
}
