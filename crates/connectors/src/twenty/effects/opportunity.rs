//! `upsert_opportunity`: a deal whose id is derived from the flow's key.

use super::judge::judge;
use super::{call, filled, invalid, is_new, read, record_id, record_ref, unreadable};
use crate::twenty::Connection;
use crate::twenty::wire::Data;
use jiff::Timestamp;
use jiff::civil::Date;
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
    if let Some(field) = &on.settings.hub_id_field {
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
        set("closeDate", json!(moment(text)?));
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
fn moment(text: &str) -> Result<String, Box<Outcome>> {
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => {
            let bad = || invalid(format!("close_date '{text}' is not a date (2027-02-28) or a moment with its zone"));
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
