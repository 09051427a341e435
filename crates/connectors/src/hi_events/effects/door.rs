//! The door: in, and out again (contract section 2.6). One ticket a call: an unknown code in a batch fails all of it,
//! or half.

use super::HiEventsConnector;
use super::answers::{on_check_in, refused};
use crate::hi_events::auth::problem;
use crate::hi_events::wire;
use jiff::Timestamp;
use pasarela_connector::action::{self, Refused, invalid, read};
use pasarela_connector::{Answer, Call, Outcome, Repeat, Request, Step};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckIn {
    /// Short id of the check-in list (`cil_…`). Whoever knows it can check people in: keep it secret.
    #[schemars(regex(pattern = r"^cil_[A-Za-z0-9]{1,40}$"))]
    list: String,
    /// Code of the ticket (`ticket.code`).
    #[schemars(regex(pattern = r"^[Aa]-[A-Za-z0-9-]{3,40}$"))]
    code: String,
    /// Also mark an unpaid offline order as paid.
    #[serde(default)]
    mark_paid: bool,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckOut {
    /// Short id of the check-in list (`cil_…`). Whoever knows it can check people in: keep it secret.
    #[schemars(regex(pattern = r"^cil_[A-Za-z0-9]{1,40}$"))]
    list: String,
    /// Code of the ticket (`ticket.code`).
    #[schemars(regex(pattern = r"^[Aa]-[A-Za-z0-9-]{3,40}$"))]
    code: String,
    /// Short id of the check-in (`short_id` of what `check_in` came to); it is looked up when absent.
    #[serde(default)]
    #[schemars(regex(pattern = r"^ci_[A-Za-z0-9]{1,40}$"))]
    check_in: Option<String>,
}

impl HiEventsConnector {
    pub(super) fn begin_door(&self, action: &str, input: &Value) -> Result<Call, Refused> {
        if action == "check_in" {
            let CheckIn { list, code, mark_paid } = read(input)?;
            let (code, list) = (ticket_code(&code)?, short_id(&list, "cil_", "list")?);
            let action = if mark_paid { "check-in-and-mark-order-as-paid" } else { "check-in" };
            let body = json!({ "attendees": [{ "public_id": code, "action": action }] });
            let path = format!("/public/check-in-lists/{list}/check-ins");
            let request = Request::new("POST", self.url(&path)).json(&body);
            return Ok(action::call(request, json!({ "v": 1, "step": "do" }), Repeat::Safe));
        }
        let CheckOut { list, code, check_in } = read(input)?;
        let (code, list) = (ticket_code(&code)?, short_id(&list, "cil_", "list")?);
        match check_in {
            Some(check_in) => self.undo(list, short_id(&check_in, "ci_", "check_in")?),
            None => {
                let path = format!("/public/check-in-lists/{list}/attendees");
                let request = Request::get(self.url(&path)).query([("per_page", "100"), ("query", code.as_str())]);
                Ok(action::call(request, json!({ "v": 1, "step": "find" }), Repeat::Safe))
            }
        }
    }

    fn undo(&self, list: &str, check_in: &str) -> Result<Call, Refused> {
        let path = format!("/public/check-in-lists/{list}/check-ins/{check_in}");
        let request = Request::new("DELETE", self.url(&path));
        Ok(action::call(request, json!({ "v": 1, "step": "do" }), Repeat::Safe))
    }

    pub(super) fn on_door(&self, action: &str, input: &Value, state: &Value, answer: &Answer, now: Timestamp) -> Step {
        if action == "check_in" {
            return Step::end(on_check_in(input, answer, now));
        }
        let CheckOut { list, code, .. } = match read(input) {
            Ok(read) => read,
            Err(outcome) => return Step::end(*outcome),
        };
        let done = |already: bool| Step::end(Outcome::done(json!({ "code": code, "already": already })));
        if state.get("step").and_then(Value::as_str) != Some("find") {
            // It is unknown: undone before, by us or by somebody at the door.
            if answer.status == 409 {
                return done(true);
            }
            return refused(answer, now).map_or_else(|| done(false), Step::end);
        }
        if answer.status == 403 {
            return Step::end(Outcome::give_up("list_closed", problem(answer)));
        }
        if let Some(outcome) = refused(answer, now) {
            return Step::end(outcome);
        }
        let Ok(page) = answer.parse::<wire::Page>() else {
            return Step::end(action::unreadable(answer));
        };
        let is_it = |row: &&Value| {
            row.get("public_id").and_then(Value::as_str).is_some_and(|own| own.eq_ignore_ascii_case(code.trim()))
        };
        match page.data.iter().find(is_it) {
            None => Step::end(Outcome::give_up("not_on_list", format!("no ticket {code} is on this list"))),
            Some(row) => match row.pointer("/check_in/short_id").and_then(Value::as_str) {
                None => done(true),
                Some(check_in) => {
                    action::step(short_id(check_in, "ci_", "check_in").and_then(|ci| self.undo(&list, ci)))
                }
            },
        }
    }
}

/// Codes are compared in upper case (section 3).
fn ticket_code(code: &str) -> Result<String, Refused> {
    let code = code.trim().to_ascii_uppercase();
    let plausible = code.len() <= 42
        && code
            .strip_prefix("A-")
            .is_some_and(|rest| rest.len() >= 3 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    if plausible { Ok(code) } else { Err(invalid("code: a ticket's code looks like A-7KQ2M9X")) }
}

/// Goes into a path.
fn short_id<'t>(text: &'t str, prefix: &str, name: &str) -> Result<&'t str, Refused> {
    let plausible = text
        .strip_prefix(prefix)
        .is_some_and(|rest| (1..=40).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric()));
    if plausible { Ok(text) } else { Err(invalid(format!("{name}: its id looks like {prefix}T5nWq8ZkR1xLb"))) }
}
