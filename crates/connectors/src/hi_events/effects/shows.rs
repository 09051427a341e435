//! Shows: published, archived, made from another one (contract section 2.2).
//!
//! A show is made of a template: its place, products with their tiers, questions and ways of payment, by single calls.
//! Promise: it may be begun again. A show of this title that begins on that day is gone on with, and only what it lacks
//! is made, so a run that was cut off ends as one that was not.
//! Not copied: dates of sale, which belong to the other date; promo codes, affiliates, check-in lists, pictures.

use super::answers::{data, refused};
use super::{HiEventsConnector, ids};
use crate::hi_events::questions::plain;
use crate::hi_events::reconcile::list;
use crate::hi_events::wire;
use jiff::{SignedDuration, Timestamp, civil, tz::Offset};
use pasarela_connector::action::{self, Refused, invalid, read};
use pasarela_connector::{Answer, Call, Outcome, ReadBack, Repeat, Request, Scope, Step};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetShow {
    /// Show (`show.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateShow {
    /// Show that it is made after (`show.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    from: String,
    /// Title. A show of this title that begins on that day is gone on with.
    #[schemars(length(min = 1, max = 150))]
    title: String,
    /// When it begins, local to the show that it is made after: `2026-05-15T19:00`.
    #[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$"))]
    starts: String,
    /// When it ends, local too.
    #[serde(default)]
    #[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$"))]
    ends: Option<String>,
    /// What stands on its page; that of the other show when absent.
    #[serde(default)]
    description: Option<String>,
}

/// Settings that a show takes over.
const SETTINGS: &[&str] = &[
    "payment_providers",
    "offline_payment_instructions",
    "allow_orders_awaiting_offline_payment_to_check_in",
    "attendee_details_collection_method",
    "order_timeout_in_minutes",
    "require_billing_address",
    "enable_invoicing",
    "show_marketing_opt_in",
    "price_display_mode",
];

/// Fields that a product takes over.
const PRODUCT: &[&str] = &[
    "title",
    "type",
    "product_type",
    "description",
    "max_per_order",
    "min_per_order",
    "hide_before_sale_start_date",
    "hide_after_sale_end_date",
    "start_collapsed",
    "show_quantity_remaining",
    "hide_when_sold_out",
    "is_hidden_without_promo_code",
    "is_hidden",
];

/// Where the making of a show is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Making {
    step: Stage,
    /// The new show.
    #[serde(default)]
    show: u64,
    /// It was made by this run.
    #[serde(default)]
    made: bool,
    /// Its category of products.
    #[serde(default)]
    category: u64,
    /// What the new show has: title to number.
    #[serde(default)]
    have: Vec<(String, u64)>,
    /// Numbers of the other show's products, and of their likes here.
    #[serde(default)]
    likes: Vec<(u64, u64)>,
    /// Bodies still to be sent, the next one first, with the number of what they are like.
    #[serde(default)]
    todo: Vec<(u64, Value)>,
    #[serde(default)]
    products: u32,
    #[serde(default)]
    questions: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// Is it there already?
    #[default]
    Find,
    /// What is it made after?
    Template,
    Make,
    Categories,
    MakeCategory,
    Made,
    Products,
    MakeProduct,
    Asked,
    Questions,
    MakeQuestion,
    Settings,
    Set,
}

impl Stage {
    /// Does a call of it make something, so that it must not be made twice?
    fn makes(self) -> bool {
        matches!(self, Self::Make | Self::MakeCategory | Self::MakeProduct | Self::MakeQuestion)
    }
}

fn wanted(action: &str) -> &'static str {
    if action == "archive_show" { "ARCHIVED" } else { "LIVE" }
}

fn moment(name: &str, text: &str) -> Result<civil::DateTime, Refused> {
    text.parse().map_err(|_| invalid(format!("{name}: a local time is written 2026-05-15T19:00")))
}

impl HiEventsConnector {
    pub(super) fn begin_show(&self, action: &str, input: &Value) -> Result<Call, Refused> {
        if action == "create_show" {
            let asked: CreateShow = read(input)?;
            ids(&[("from", &asked.from)])?;
            let starts = moment("starts", &asked.starts)?;
            let ends = asked.ends.as_deref().map(|t| moment("ends", t)).transpose()?;
            if ends.is_some_and(|ends| ends <= starts) {
                return Err(invalid("ends: it ends before it begins"));
            }
            let request = self.shows_named(&asked.title)?;
            return Ok(action::call(request, json!(Making::default()), Repeat::Safe));
        }
        let SetShow { show_id } = read(input)?;
        ids(&[("show_id", &show_id)])?;
        let request = Request::new("PUT", self.url(&format!("/events/{show_id}/status")));
        let request = request.json(&json!({ "status": wanted(action) }));
        Ok(action::call(request, json!({ "v": 1, "step": "do" }), Repeat::Safe))
    }

    /// The organiser's shows that have this in their title.
    fn shows_named(&self, title: &str) -> Result<Request, Refused> {
        let organizer = self.organizer().ok_or_else(|| {
            let why = format!("[connections.{}] set organizer_id: whose show is it to be?", self.config.name);
            Box::new(Outcome::NeedsHuman { why })
        })?;
        let newest = [("query", title), ("sort_by", "created_at"), ("sort_direction", "desc")];
        Ok(list(self, &format!("/organizers/{organizer}/events"), 1, &newest))
    }

    pub(super) fn ask_show(&self, input: &Value) -> Option<Request> {
        let asked: CreateShow = read(input).ok()?;
        self.shows_named(&asked.title).ok()
    }

    pub(super) fn on_show(&self, action: &str, input: &Value, state: &Value, answer: &Answer, now: Timestamp) -> Step {
        if action == "create_show" {
            let step = Making::deserialize(state).map_err(|_| invalid("the state of the making cannot be read"));
            return match step.and_then(|making| self.go_on(making, input, answer, now)) {
                Ok(step) => step,
                Err(outcome) => Step::end(*outcome),
            };
        }
        if let Some(outcome) = refused(answer, now) {
            return Step::end(outcome);
        }
        let status = data(answer).and_then(|show| show.get("status")?.as_str().map(str::to_owned));
        Step::end(match status {
            Some(status) if status == wanted(action) => {
                let show = input.get("show_id").cloned().unwrap_or_default();
                Outcome::done(json!({ "show_id": show, "status": status.to_ascii_lowercase() }))
            }
            Some(status) => Outcome::Retry {
                after: None,
                scope: Scope::Effect,
                why: format!("Hi.Events did not do it; the show is {status}"),
            },
            None => action::unreadable(answer),
        })
    }

    fn go_on(&self, mut making: Making, input: &Value, answer: &Answer, now: Timestamp) -> Result<Step, Refused> {
        let asked: CreateShow = read(input)?;
        let done = making.step;
        if done.makes()
            && let Some(lost) = action::lost(answer)
        {
            return Ok(Step::end(lost));
        }
        if let Some(outcome) = refused(answer, now) {
            return Ok(Step::end(outcome));
        }
        let rows = || answer.parse::<wire::Page>().map(|p| p.data).map_err(|_| Box::new(action::unreadable(answer)));
        // What was made is told by its answer; without one nobody knows.
        let one = || {
            data(answer).ok_or_else(|| {
                Box::new(match done.makes() {
                    true => Outcome::Unknown { why: format!("HTTP {} without what was made", answer.status) },
                    false => action::unreadable(answer),
                })
            })
        };
        let number = |row: &Value| row.get("id").and_then(Value::as_u64);
        let title_of = |row: &Value| row.get("title").and_then(Value::as_str).map(plain).unwrap_or_default();
        // One title may be asked of the buyer and of each guest.
        let asked_as = |row: &Value| {
            let of = row.get("belongs_to").and_then(Value::as_str).unwrap_or_default();
            format!("{} {of}", title_of(row))
        };
        match done {
            Stage::Find => {
                let found = rows()?.iter().find(|row| is_it(row, &asked)).and_then(number);
                making.show = found.unwrap_or_default();
                making.step = if found.is_some() { Stage::Categories } else { Stage::Template };
            }
            Stage::Template => {
                let body = self.show_body(&one()?, &asked)?;
                making.step = Stage::Make;
                let request = Request::new("POST", self.url("/events")).json(&body);
                return Ok(call(request, &making));
            }
            Stage::Make => {
                making.show = number(&one()?).unwrap_or_default();
                making.made = true;
                making.step = Stage::Categories;
            }
            Stage::Categories => match rows()?.iter().find_map(number) {
                Some(category) => (making.category, making.step) = (category, Stage::Made),
                None => {
                    making.step = Stage::MakeCategory;
                    let body = json!({ "name": "Boletas", "description": null, "is_hidden": false });
                    let path = format!("/events/{}/product-categories", making.show);
                    return Ok(call(Request::new("POST", self.url(&path)).json(&body), &making));
                }
            },
            Stage::MakeCategory => (making.category, making.step) = (number(&one()?).unwrap_or_default(), Stage::Made),
            Stage::Made => {
                making.have = rows()?.iter().filter_map(|r| Some((title_of(r), number(r)?))).collect();
                making.step = Stage::Products;
            }
            Stage::Products => {
                for row in rows()? {
                    let Some(like) = number(&row) else { continue };
                    let title = title_of(&row);
                    match making.have.iter().find(|(own, _)| *own == title) {
                        Some((_, here)) => making.likes.push((like, *here)),
                        None => making.todo.push((like, product_body(&row, making.category))),
                    }
                }
                making.step = Stage::MakeProduct;
            }
            Stage::MakeProduct => {
                let made = number(&one()?).unwrap_or_default();
                if !making.todo.is_empty() {
                    making.likes.push((making.todo.remove(0).0, made));
                    making.products += 1;
                }
            }
            Stage::Asked => {
                making.have = rows()?.iter().filter_map(|r| Some((asked_as(r), number(r)?))).collect();
                making.step = Stage::Questions;
            }
            Stage::Questions => {
                for row in rows()? {
                    let there = making.have.iter().any(|(own, _)| *own == asked_as(&row));
                    let body = question_body(&row, &making.likes).filter(|_| !there && !title_of(&row).is_empty());
                    making.todo.extend(body.map(|body| (0, body)));
                }
                making.step = Stage::MakeQuestion;
            }
            Stage::MakeQuestion => {
                one()?;
                if !making.todo.is_empty() {
                    making.todo.remove(0);
                    making.questions += 1;
                }
            }
            Stage::Settings => {
                let all = one()?;
                let own = SETTINGS.iter().filter_map(|name| Some(((*name).to_owned(), all.get(*name)?.clone())));
                making.step = Stage::Set;
                let path = format!("/events/{}/settings", making.show);
                let request = Request::new("PATCH", self.url(&path)).json(&Value::Object(own.collect()));
                return Ok(call(request, &making));
            }
            Stage::Set => {
                one()?;
                let show = making.show.to_string();
                return Ok(Step::end(Outcome::done(json!({
                    "show_id": show, "already": !making.made, "products": making.products,
                    "questions": making.questions,
                }))));
            }
        }
        Ok(call(self.next(&mut making, &asked), &making))
    }

    /// The call of the stage; stages that have nothing to send are passed over.
    fn next(&self, making: &mut Making, asked: &CreateShow) -> Request {
        let (new, old) = (making.show.to_string(), asked.from.as_str());
        let all = |show: &str, what: &str| list(self, &format!("/events/{show}/{what}"), 1, &[]);
        if making.step == Stage::MakeProduct && making.todo.is_empty() {
            making.step = Stage::Asked;
        }
        if making.step == Stage::MakeQuestion && making.todo.is_empty() {
            making.step = Stage::Settings;
        }
        let make = |what: &str| {
            let body = making.todo.first().map(|(_, body)| body.clone()).unwrap_or_default();
            Request::new("POST", self.url(&format!("/events/{new}/{what}"))).json(&body)
        };
        match making.step {
            Stage::Template | Stage::Find | Stage::Make => Request::get(self.url(&format!("/events/{old}"))),
            Stage::Categories | Stage::MakeCategory => all(&new, "product-categories"),
            Stage::Made => all(&new, "products"),
            Stage::Products => all(old, "products"),
            Stage::MakeProduct => make("products"),
            Stage::Asked => all(&new, "questions"),
            Stage::Questions => all(old, "questions"),
            Stage::MakeQuestion => make("questions"),
            Stage::Settings | Stage::Set => Request::get(self.url(&format!("/events/{old}/settings"))),
        }
    }

    fn show_body(&self, template: &Value, asked: &CreateShow) -> Result<Value, Refused> {
        let organizer = self.organizer().and_then(|id| id.parse::<u64>().ok());
        let mut body = json!({
            "title": asked.title, "organizer_id": organizer, "start_date": asked.starts, "end_date": asked.ends,
        });
        if let Some(fields) = body.as_object_mut() {
            for name in ["description", "timezone", "currency", "category", "attributes", "location_details"] {
                if let Some(value) = template.get(name).filter(|v| !v.is_null()) {
                    fields.insert(name.to_owned(), value.clone());
                }
            }
            if let Some(text) = &asked.description {
                fields.insert("description".into(), json!(text));
            }
        }
        Ok(body)
    }
}

fn call(request: Request, making: &Making) -> Step {
    let repeat = if making.step.makes() { Repeat::Never } else { Repeat::Safe };
    Step::Call(action::call(request, json!(making), repeat))
}

/// Is it the show that is asked for? Its start is told in UTC, and asked for in a local time that is within 14 hours.
fn is_it(row: &Value, asked: &CreateShow) -> bool {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let starts = asked.starts.parse::<civil::DateTime>().ok().and_then(|at| Offset::UTC.to_timestamp(at).ok());
    let told = text("start_date").and_then(|t| t.parse::<Timestamp>().ok());
    let near = starts.zip(told).is_some_and(|(a, b)| a.duration_since(b).abs() <= SignedDuration::from_hours(14));
    text("title").map(plain) == Some(plain(&asked.title)) && near && text("status") != Some("ARCHIVED")
}

fn picked(row: &Value, names: &[&str]) -> Map<String, Value> {
    let there = |name: &&str| Some(((*name).to_owned(), row.get(*name).filter(|v| !v.is_null())?.clone()));
    names.iter().filter_map(there).collect()
}

/// A product as it is asked for, without dates of sale and without what was sold.
fn product_body(row: &Value, category: u64) -> Value {
    let mut body = picked(row, PRODUCT);
    let prices = row.get("prices").and_then(Value::as_array).into_iter().flatten();
    let prices: Vec<Value> = prices
        .map(|p| Value::Object(picked(p, &["label", "price", "initial_quantity_available", "is_hidden"])))
        .collect();
    let taxes = row.get("taxes_and_fees").and_then(Value::as_array).into_iter().flatten();
    let taxes: Vec<&Value> = taxes.filter_map(|t| t.get("id")).collect();
    body.insert("prices".into(), json!(prices));
    body.insert("tax_and_fee_ids".into(), json!(taxes));
    body.insert("product_category_id".into(), json!(category));
    Value::Object(body)
}

/// A question as it is asked for; `None`: it is asked of products that this show has not.
fn question_body(row: &Value, likes: &[(u64, u64)]) -> Option<Value> {
    let mut body = picked(row, &["title", "type", "belongs_to", "options", "required", "is_hidden", "description"]);
    let own = |id: u64| likes.iter().find(|(like, _)| *like == id).map(|(_, here)| *here);
    let named = row.get("product_ids").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64);
    let listed = row.get("products").and_then(Value::as_array).into_iter().flatten();
    let listed = listed.filter_map(|p| p.get("id")?.as_u64());
    let products: Vec<u64> = named.chain(listed).filter_map(own).collect();
    if row.get("belongs_to").and_then(Value::as_str) == Some("PRODUCT") && products.is_empty() {
        return None;
    }
    body.insert("product_ids".into(), json!(products));
    Some(Value::Object(body))
}

/// Was the show made? Whether all of it was, only its making tells: it is begun again by hand, and goes on.
pub(super) fn judge_show(input: &Value, answer: &Answer) -> ReadBack {
    let (Ok(asked), Ok(rows)) = (read::<CreateShow>(input), answer.parse::<wire::Page>()) else {
        return ReadBack::Unclear("the list of shows could not be read".into());
    };
    match rows.data.iter().find(|row| is_it(row, &asked)) {
        None => ReadBack::NotThere,
        Some(row) => ReadBack::Unclear(format!(
            "show {} is there, perhaps without all of its products and questions: retry it, and what is missing is made",
            row.get("id").map(Value::to_string).unwrap_or_default()
        )),
    }
}
