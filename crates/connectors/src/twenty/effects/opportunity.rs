//! `upsert_opportunity`: a deal whose id is derived from the flow's key.

use super::judge::judge;
use super::{call, filled, invalid, is_new, micros, moment, read, record_id, record_ref, unreadable};
use crate::twenty::Connection;
use crate::twenty::wire::Data;
use pasarela_connector::{Answer, Ctx, Outcome, Request, Step};
use pasarela_domain::Money;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A deal. What is absent stays as the CRM has it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::twenty) struct Input {
    /// The hub's own key of the deal: the same key is the same deal.
    key: String,
    /// Name.
    name: String,
    /// Amount.
    #[serde(default)]
    amount: Option<Money>,
    /// Stage as the workspace names it (`SCREENING`); new deals begin at its default.
    #[serde(default)]
    stage: Option<String>,
    /// Expected close: a date, or a moment with its zone.
    #[serde(default)]
    close_date: Option<String>,
    /// Id of the contact person in Twenty.
    #[serde(default)]
    person_id: Option<String>,
    /// Id of the company in Twenty.
    #[serde(default)]
    company_id: Option<String>,
}

pub(super) fn begin(on: &Connection, input: &Value) -> Result<Step, Box<Outcome>> {
    let input: Input = read(input)?;
    let key = input.key.trim();
    if key.is_empty() {
        return Err(invalid("a deal needs a key, or it would be made anew each time"));
    }
    if input.name.trim().is_empty() {
        return Err(invalid("a deal needs a name"));
    }
    let mut body = Map::new();
    let mut set = |field: &str, value: Value| body.insert(field.to_owned(), value);
    set("id", json!(on.record_id("opportunity", key)));
    // A deal is one call: the field is written where the settings name it.
    if let Some(field) = on.hub_field().filter(|_| !on.hub_field_is_a_guess()) {
        set(field, json!(key));
    }
    set("name", json!(input.name.trim()));
    if let Some(stage) = filled(&input.stage) {
        set("stage", json!(stage));
    }
    if let Some(amount) = input.amount {
        set("amount", json!({ "amountMicros": micros(amount)?, "currencyCode": amount.currency }));
    }
    if let Some(text) = filled(&input.close_date) {
        set("closeDate", json!(moment("close_date", text)?));
    }
    if let Some(id) = record_ref("company_id", &input.company_id)? {
        set("companyId", json!(id));
    }
    if let Some(id) = record_ref("person_id", &input.person_id)? {
        set("pointOfContactId", json!(id));
    }
    let request =
        Request::new("POST", on.url("/rest/opportunities")).query([("upsert", "true")]).json(&Value::Object(body));
    Ok(call(request, json!({ "v": 1 })))
}

pub(super) fn on(answer: &Answer, ctx: &Ctx<'_>) -> Outcome {
    if let Some(outcome) = judge(answer, ctx) {
        return outcome;
    }
    let data = answer.parse::<Data>().ok();
    let record = data.as_ref().and_then(|d| d.data.get("createOpportunity"));
    match record.and_then(|r| Some((r, record_id(r)?))) {
        Some((record, id)) => Outcome::done(json!({ "id": id, "created": is_new(record) })),
        None => unreadable(answer),
    }
}
