//! What an organiser keeps beside a show: questions, promo codes, capacities, affiliates (contract sections 2.2, 2.5).
//!
//! Promise: there is one of each name. What there is of it is looked for first; a question is left as it is, anything
//! else is brought to what was asked for. So all of it may be asked for again.

use super::answers::refused;
use super::{HiEventsConnector, ids};
use crate::hi_events::questions::plain;
use crate::hi_events::reconcile::{PER_PAGE, list};
use crate::hi_events::wire;
use jiff::Timestamp;
use pasarela_connector::action::{self, Refused, invalid, read};
use pasarela_connector::{Answer, Call, Done, Outcome, ReadBack, Repeat, Request, Step};
use pasarela_domain::EmailAddress;
use serde::Deserialize;
use serde_json::{Value, json};

/// Pages of one list, and no list that turns in a circle.
const MOST_PAGES: u32 = 50;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateQuestion {
    /// Show that asks it (`show.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// The question. One that the show asks already, however it is capitalised or accented, is left as it is.
    #[schemars(length(min = 1, max = 255))]
    title: String,
    /// How it is answered.
    #[serde(rename = "type")]
    answered: QuestionType,
    /// Products (`product.id`) for each ticket of which it is asked; once, of the buyer, when absent.
    #[serde(default)]
    product_ids: Vec<String>,
    /// What may be chosen.
    #[serde(default)]
    options: Vec<String>,
    /// Nobody buys without an answer.
    #[serde(default)]
    required: bool,
    /// What stands below it.
    #[serde(default)]
    description: Option<String>,
}

/// How a question is answered.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum QuestionType {
    Address,
    Phone,
    SingleLineText,
    MultiLineText,
    Checkbox,
    Radio,
    Dropdown,
    MultiSelectDropdown,
    Date,
}

impl QuestionType {
    fn wire(self) -> &'static str {
        match self {
            Self::Address => "ADDRESS",
            Self::Phone => "PHONE",
            Self::SingleLineText => "SINGLE_LINE_TEXT",
            Self::MultiLineText => "MULTI_LINE_TEXT",
            Self::Checkbox => "CHECKBOX",
            Self::Radio => "RADIO",
            Self::Dropdown => "DROPDOWN",
            Self::MultiSelectDropdown => "MULTI_SELECT_DROPDOWN",
            Self::Date => "DATE",
        }
    }

    fn is_chosen(self) -> bool {
        matches!(self, Self::Checkbox | Self::Radio | Self::Dropdown | Self::MultiSelectDropdown)
    }
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetPromoCode {
    /// Show in which it counts (`show.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// The code; kept in lower case, and typed in any.
    #[schemars(length(min = 2, max = 50))]
    code: String,
    /// How much less.
    discount: Discount,
    /// Products (`product.id`) for which it counts; all when absent.
    #[serde(default)]
    product_ids: Vec<String>,
    /// Until when, local to the show: `2026-05-10T23:59`; as long as the show sells when absent.
    #[serde(default)]
    #[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?$"))]
    until: Option<String>,
    /// How often; any number of times when absent.
    #[serde(default)]
    #[schemars(range(min = 1))]
    most: Option<u32>,
}

/// How much less.
#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Discount {
    /// Percent: `{ percent: 20 }`.
    Percent(f64),
    /// An amount of the show's currency, in its major unit: `{ amount: 15000 }`.
    Amount(f64),
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetCapacity {
    /// Show (`show.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// Name, by which it is known again.
    #[schemars(length(min = 1, max = 255))]
    name: String,
    /// Places that its products share; without limit when absent.
    #[serde(default)]
    places: Option<u32>,
    /// Products (`product.id`) that share them.
    #[serde(default)]
    product_ids: Vec<String>,
    /// Is it in force? It is when absent.
    #[serde(default)]
    active: Option<bool>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetAffiliate {
    /// Show for which they sell (`show.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// Who it is.
    #[schemars(length(min = 1, max = 255))]
    name: String,
    /// The code in their link: letters, digits, `_` and `-`; kept in upper case.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,50}$"))]
    code: String,
    /// Where they are written to.
    #[serde(default)]
    email: Option<EmailAddress>,
    /// Does their link count? It does when absent.
    #[serde(default)]
    active: Option<bool>,
}

/// What is asked for, in the provider's words.
struct Asked {
    show: String,
    /// Name of the list.
    list: &'static str,
    /// Field by which it is known again, and what it is, plain.
    key: (&'static str, String),
    body: Value,
    /// One that is there is left as it is.
    kept: bool,
}

fn numbers(name: &str, given: &[String]) -> Result<Vec<u64>, Refused> {
    let number = |id: &String| id.parse::<u64>().map_err(|_| invalid(format!("{name}: a Hi.Events id is a number")));
    given.iter().map(number).collect()
}

fn asked(action: &str, input: &Value) -> Result<Asked, Refused> {
    let asked = match action {
        "create_question" => {
            let CreateQuestion { show_id, title, answered, product_ids, options, required, description } = read(input)?;
            if answered.is_chosen() == options.is_empty() {
                return Err(invalid("options: a question of which one chooses has some, and any other has none"));
            }
            let products = numbers("product_ids", &product_ids)?;
            let body = json!({
                "title": title,
                "type": answered.wire(),
                "belongs_to": if products.is_empty() { "ORDER" } else { "PRODUCT" },
                "product_ids": products,
                "options": if options.is_empty() { Value::Null } else { json!(options) },
                "required": required,
                "is_hidden": false,
                "description": description,
            });
            Asked { show: show_id, list: "questions", key: ("title", title), body, kept: true }
        }
        "set_promo_code" => {
            let SetPromoCode { show_id, code, discount, product_ids, until, most } = read(input)?;
            if !(2..=50).contains(&code.trim().chars().count()) {
                return Err(invalid("code: 2 to 50 characters"));
            }
            let (kind, discount) = match discount {
                Discount::Percent(percent) if (0.0..=100.0).contains(&percent) => ("PERCENTAGE", percent),
                Discount::Amount(amount) if amount >= 0.0 => ("FIXED", amount),
                _ => return Err(invalid("discount: a percentage from 0 to 100, or an amount that is not below 0")),
            };
            let body = json!({
                "code": code, "discount_type": kind, "discount": discount,
                "applicable_product_ids": numbers("product_ids", &product_ids)?, "expiry_date": until,
                "max_allowed_usages": most,
            });
            Asked { show: show_id, list: "promo-codes", key: ("code", code), body, kept: false }
        }
        "set_capacity" => {
            let SetCapacity { show_id, name, places, product_ids, active } = read(input)?;
            let body = json!({
                "name": name, "capacity": places, "product_ids": numbers("product_ids", &product_ids)?,
                "status": if active == Some(false) { "INACTIVE" } else { "ACTIVE" },
            });
            Asked { show: show_id, list: "capacity-assignments", key: ("name", name), body, kept: false }
        }
        _ => {
            let SetAffiliate { show_id, name, code, email, active } = read(input)?;
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            if !(1..=50).contains(&code.len()) || !code.bytes().all(plain) {
                return Err(invalid("code: 1 to 50 letters, digits, '_' and '-'"));
            }
            let body = json!({
                "name": name, "code": code, "email": email,
                "status": if active == Some(false) { "INACTIVE" } else { "ACTIVE" },
            });
            Asked { show: show_id, list: "affiliates", key: ("code", code), body, kept: false }
        }
    };
    ids(&[("show_id", &asked.show)])?;
    if asked.key.1.trim().is_empty() {
        return Err(invalid(format!("{}: it is empty", asked.key.0)));
    }
    Ok(asked)
}

impl Asked {
    /// The row of its name.
    fn find<'r>(&self, rows: &'r [Value]) -> Option<&'r Value> {
        let (field, wanted) = &self.key;
        // Titles are compared as the settings' are; codes and names as they are, but for their case.
        let same = |own: &str| match self.kept {
            true => plain(own) == plain(wanted),
            false => own.trim().to_lowercase() == wanted.trim().to_lowercase(),
        };
        rows.iter().find(|row| row.get(*field).and_then(Value::as_str).is_some_and(same))
    }

    fn done(&self, row: &Value, already: bool) -> Done {
        let id = row.get("id").and_then(Value::as_u64).map(|id| id.to_string());
        Done { result: json!({ "id": id, "already": already }), reference: id }
    }
}

impl HiEventsConnector {
    pub(super) fn begin_kept(&self, action: &str, input: &Value) -> Result<Call, Refused> {
        self.look_for(&asked(action, input)?, 1)
    }

    fn look_for(&self, asked: &Asked, page: u32) -> Result<Call, Refused> {
        let request = list(self, &format!("/events/{}/{}", asked.show, asked.list), page, &[]);
        Ok(action::call(request, json!({ "v": 1, "step": "find", "page": page }), Repeat::Safe))
    }

    /// The list in which it would stand; newest first, so that the first page has what was made a minute ago.
    pub(super) fn ask_kept(&self, action: &str, input: &Value) -> Option<Request> {
        let asked = asked(action, input).ok()?;
        let newest = [("sort_by", "created_at"), ("sort_direction", "desc")];
        Some(list(self, &format!("/events/{}/{}", asked.show, asked.list), 1, &newest))
    }

    pub(super) fn on_kept(&self, action: &str, input: &Value, state: &Value, answer: &Answer, now: Timestamp) -> Step {
        let asked = match asked(action, input) {
            Ok(asked) => asked,
            Err(outcome) => return Step::end(*outcome),
        };
        let step = state.get("step").and_then(Value::as_str).unwrap_or_default();
        if step == "make"
            && let Some(lost) = action::lost(answer)
        {
            return Step::end(lost);
        }
        if let Some(outcome) = refused(answer, now) {
            return Step::end(outcome);
        }
        if step != "find" {
            let body: Value = answer.parse().unwrap_or_default();
            let row = body.get("data").unwrap_or(&Value::Null);
            return Step::end(match (asked.find(std::slice::from_ref(row)), step) {
                (Some(row), _) => Outcome::Done(asked.done(row, false)),
                // What is set may be set again; what is made may not.
                (None, "set") => action::unreadable(answer),
                (None, _) => Outcome::Unknown { why: "the answer shows nothing of what was made".into() },
            });
        }
        let Ok(rows) = answer.parse::<wire::Page>() else {
            return Step::end(action::unreadable(answer));
        };
        let path = format!("/events/{}/{}", asked.show, asked.list);
        let send = |method: &str, path: &str, step: &str, repeat: Repeat| {
            let request = Request::new(method, self.url(path)).json(&asked.body);
            Step::Call(action::call(request, json!({ "v": 1, "step": step }), repeat))
        };
        let page = state.get("page").and_then(Value::as_u64).and_then(|p| u32::try_from(p).ok()).unwrap_or(1);
        match asked.find(&rows.data) {
            Some(row) if asked.kept => Step::end(Outcome::Done(asked.done(row, true))),
            Some(row) => match row.get("id").and_then(Value::as_u64) {
                Some(id) => send("PUT", &format!("{path}/{id}"), "set", Repeat::Safe),
                None => Step::end(action::unreadable(answer)),
            },
            None if rows.more_after(page, PER_PAGE) && page < MOST_PAGES => {
                action::step(self.look_for(&asked, page.saturating_add(1)))
            }
            None => send("POST", &path, "make", Repeat::Never),
        }
    }
}

/// Was it made?
pub(super) fn judge_kept(action: &str, input: &Value, answer: &Answer) -> ReadBack {
    let (Ok(asked), Ok(rows)) = (asked(action, input), answer.parse::<wire::Page>()) else {
        return ReadBack::Unclear("the list could not be read".into());
    };
    match asked.find(&rows.data) {
        Some(row) => ReadBack::Done(asked.done(row, false)),
        None => ReadBack::NotThere,
    }
}
