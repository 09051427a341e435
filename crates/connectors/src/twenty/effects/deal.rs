//! `move_deal`: deals into another stage, because something happened: a sponsor replied, an invoice was paid, a show
//! was published.
//!
//! Promise: a deal is moved out of the stages that the flow names and out of no other, so that what happens late never
//! takes a deal back; the records are named one by one, never by a condition alone (contract 7.5). Moving again what
//! was moved finds nothing to move.

use super::judge::{is_unknown_field, judge, not_provisioned};
use super::rows::{OPPORTUNITY, quoted};
use super::{call, filled, invalid, read, record_id, record_ref, unreadable};
use crate::twenty::Connection;
use crate::twenty::wire::{Data, Page};
use pasarela_connector::{Answer, Ctx, Outcome, Request, Scope, Step};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// Deals that are moved by one effect: what one page shows and one call changes (contract 2.1).
const MOST: &str = "200";

/// Which deals, and where to. Deals are named by id, by the hub's key, or by what they are about; with several of
/// these, all must fit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::twenty) struct Move {
    /// Id of the deal in Twenty.
    #[serde(default)]
    id: Option<String>,
    /// The hub's own key of the deal.
    #[serde(default)]
    key: Option<String>,
    /// Id of the contact person in Twenty.
    #[serde(default)]
    person_id: Option<String>,
    /// Id of the company in Twenty.
    #[serde(default)]
    company_id: Option<String>,
    /// The hub's own key of the show (`fashionEvent`) that the deals are for.
    #[serde(default)]
    show_key: Option<String>,
    /// Pipeline: the choice of the field `embudo` (`PATROCINIOS`).
    #[serde(default)]
    pipeline: Option<String>,
    /// Stages that deals are moved out of. Without them, out of any other.
    #[serde(default)]
    from: Vec<String>,
    /// Stage that they are moved into, as the workspace names it (`PROPOSAL`).
    to: String,
}

/// A choice's value: `CONTRATO`, and nothing that could end a list.
fn choice<'t>(what: &str, text: &'t str) -> Result<&'t str, Box<Outcome>> {
    let text = text.trim();
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(invalid(format!(
            "{what} '{text}' cannot be a choice of Twenty; write its value, such as PROPOSAL"
        )));
    }
    Ok(text)
}

fn filter(on: &Connection, input: &Move) -> Result<String, Box<Outcome>> {
    let mut all = Vec::new();
    if let Some(id) = record_ref("id", &input.id)? {
        all.push(format!("id[eq]:{id}"));
    }
    if let Some(key) = filled(&input.key) {
        quoted("key", key)?;
        all.push(format!("id[eq]:{}", on.record_id(OPPORTUNITY.singular, key)));
    }
    if let Some(id) = record_ref("person_id", &input.person_id)? {
        all.push(format!("pointOfContactId[eq]:{id}"));
    }
    if let Some(id) = record_ref("company_id", &input.company_id)? {
        all.push(format!("companyId[eq]:{id}"));
    }
    if let Some(key) = filled(&input.show_key) {
        all.push(format!("eventoId[eq]:{}", on.record_id("fashionEvent", key)));
    }
    if all.is_empty() {
        return Err(invalid("name the deals: give an id, a key, a person_id, a company_id or a show_key"));
    }
    if let Some(pipeline) = filled(&input.pipeline) {
        all.push(format!("embudo[eq]:{}", choice("pipeline", pipeline)?));
    }
    let to = choice("to", &input.to)?;
    if input.from.is_empty() {
        all.push(format!("stage[neq]:{to}"));
    } else {
        let from = input.from.iter().map(|s| choice("from", s)).collect::<Result<Vec<_>, _>>()?;
        if from.contains(&to) {
            return Err(invalid(format!("from holds {to}, where the deals are to go")));
        }
        all.push(format!("stage[in]:[{}]", from.join(",")));
    }
    Ok(format!("and({})", all.join(",")))
}

pub(super) fn begin(on: &Connection, input: &Value) -> Result<Step, Box<Outcome>> {
    let input: Move = read(input)?;
    let filter = filter(on, &input)?;
    let request = Request::get(on.url(&OPPORTUNITY.path())).query([("limit", MOST), ("filter", &filter)]);
    Ok(call(request, json!({ "v": 1, "at": "look" })))
}

pub(super) fn on(
    on: &Connection,
    input: &Value,
    state: &Value,
    answer: &Answer,
    ctx: &Ctx<'_>,
) -> Result<Step, Box<Outcome>> {
    let input: Move = read(input)?;
    let to = choice("to", &input.to)?;
    // Pipelines and shows are fields that provisioning makes.
    if let Some(field) = ["embudo", "eventoId"].into_iter().find(|field| is_unknown_field(answer, field)) {
        return Err(Box::new(not_provisioned(&format!("deals have no field {field}"))));
    }
    if let Some(outcome) = judge(answer, ctx) {
        return Err(Box::new(named(outcome, to)));
    }
    let ids = |list: &[Value]| list.iter().filter_map(record_id).map(str::to_owned).collect::<Vec<_>>();
    let unread = || Box::new(unreadable(answer));
    match state.get("at").and_then(Value::as_str) {
        Some("look") => {
            let page = answer.parse::<Page>().map_err(|_| unread())?;
            let found = page.data.get(OPPORTUNITY.plural).and_then(Value::as_array).ok_or_else(unread)?;
            let ids: Vec<Uuid> = ids(found).iter().filter_map(|id| id.parse().ok()).collect();
            let change = json!({ "stage": to });
            let at = |at: &str| json!({ "v": 1, "at": at });
            Ok(match ids.as_slice() {
                [] => Step::end(Outcome::done(json!({ "moved": 0, "ids": [] }))),
                [id] => {
                    let url = on.url(&format!("{}/{id}", OPPORTUNITY.path()));
                    call(Request::new("PATCH", url).json(&change), at("one"))
                }
                several => {
                    let ids = several.iter().map(Uuid::to_string).collect::<Vec<_>>().join(",");
                    let request = Request::new("PATCH", on.url(&OPPORTUNITY.path()));
                    let request = request.query([("filter", format!("id[in]:[{ids}]"))]);
                    call(request.json(&change), at("many"))
                }
            })
        }
        Some(at @ ("one" | "many")) => {
            let data = answer.parse::<Data>().map_err(|_| unread())?.data;
            let moved = match at {
                "one" => data.get(&OPPORTUNITY.one("update")).map(std::slice::from_ref),
                _ => data.get(&OPPORTUNITY.many("update")).and_then(Value::as_array).map(Vec::as_slice),
            };
            let ids = ids(moved.ok_or_else(unread)?);
            if ids.is_empty() {
                return Err(unread());
            }
            Ok(Step::end(Outcome::done(json!({ "moved": ids.len(), "ids": ids }))))
        }
        _ => Err(Box::new(Outcome::Retry {
            after: None,
            scope: Scope::Effect,
            why: "the stored state of the move cannot be read by this version; it begins anew".into(),
        })),
    }
}

/// A stage that the workspace does not have, in words that say what to do.
fn named(outcome: Outcome, to: &str) -> Outcome {
    match outcome {
        Outcome::GiveUp { why, .. } if why.contains("for field \"stage\"") => {
            let why = format!(
                "this workspace has no stage {to}: add it to the stages of deals (pasarela provision does), or name another in the flow. Twenty says: {why}"
            );
            Outcome::give_up("no_such_stage", why)
        }
        other => other,
    }
}
