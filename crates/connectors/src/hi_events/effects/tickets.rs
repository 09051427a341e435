//! Tickets: sent again, their holder corrected, cancelled, put back in force (contract section 2.4).

use super::answers::{data, refused};
use super::{HiEventsConnector, ids, names, patched};
use jiff::Timestamp;
use pasarela_connector::action::{self, Refused, invalid, read};
use pasarela_connector::{Answer, Call, Done, Outcome, ReadBack, Repeat, Request, Scope, Step};
use pasarela_domain::EmailAddress;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResendTicket {
    /// Show of the ticket (`ticket.show_id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// Ticket (`ticket.id`), sent to its holder's e-mail address.
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    ticket_id: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateTicketHolder {
    /// Show of the ticket (`ticket.show_id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// Ticket whose holder is corrected (`ticket.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    ticket_id: String,
    /// Given names; as they are when absent.
    #[serde(default)]
    #[schemars(length(min = 1, max = 40))]
    first_name: Option<String>,
    /// Surnames; as they are when absent.
    #[serde(default)]
    #[schemars(length(max = 40))]
    last_name: Option<String>,
    /// E-mail address; as it is when absent.
    #[serde(default)]
    email: Option<EmailAddress>,
    /// Notes of the organiser; as they are when absent.
    #[serde(default)]
    notes: Option<String>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetTicket {
    /// Show of the ticket (`ticket.show_id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// Ticket (`ticket.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    ticket_id: String,
}

/// What the ticket must be when the action took effect. In upper case: a lower-case value is stored, but moves no stock
/// and tells nobody.
fn wanted(action: &str) -> &'static str {
    if action == "cancel_ticket" { "CANCELLED" } else { "ACTIVE" }
}

impl HiEventsConnector {
    pub(super) fn begin_ticket(&self, action: &str, input: &Value) -> Result<Call, Refused> {
        match action {
            "resend_ticket" => {
                let ResendTicket { show_id, ticket_id } = read(input)?;
                ids(&[("show_id", &show_id), ("ticket_id", &ticket_id)])?;
                let path = format!("/events/{show_id}/attendees/{ticket_id}/resend-ticket");
                let state = json!({ "v": 1, "step": "do" });
                return Ok(action::call(Request::new("POST", self.url(&path)), state, Repeat::Never));
            }
            "update_ticket_holder" => {
                let UpdateTicketHolder { show_id, ticket_id, first_name, last_name, email, notes } = read(input)?;
                ids(&[("show_id", &show_id), ("ticket_id", &ticket_id)])?;
                names(first_name.as_deref(), last_name.as_deref())?;
                if [&first_name, &last_name, &notes].iter().all(|f| f.is_none()) && email.is_none() {
                    return Err(invalid("nothing is to be changed: name a first_name, last_name, email or notes"));
                }
            }
            _ => {
                let SetTicket { show_id, ticket_id } = read(input)?;
                ids(&[("show_id", &show_id), ("ticket_id", &ticket_id)])?;
            }
        }
        Ok(action::call(self.read_ticket(input)?, json!({ "v": 1, "step": "read" }), Repeat::Safe))
    }

    /// The ticket that an input names.
    pub(super) fn read_ticket(&self, input: &Value) -> Result<Request, Refused> {
        let id = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
        let (show, ticket) = (id("show_id"), id("ticket_id"));
        ids(&[("show_id", show), ("ticket_id", ticket)])?;
        Ok(Request::get(self.url(&format!("/events/{show}/attendees/{ticket}"))))
    }

    pub(super) fn on_ticket(
        &self,
        action: &str,
        input: &Value,
        state: &Value,
        answer: &Answer,
        now: Timestamp,
    ) -> Step {
        let step = state.get("step").and_then(Value::as_str).unwrap_or_default();
        if step == "do"
            && action != "update_ticket_holder"
            && let Some(lost) = action::lost(answer)
        {
            return Step::end(lost);
        }
        if let Some(outcome) = refused(answer, now) {
            return Step::end(outcome);
        }
        let id = input.get("ticket_id").cloned().unwrap_or_default();
        let changed = |changed: bool| Step::end(Outcome::done(json!({ "ticket_id": id, "changed": changed })));
        let put = |method: &str, body: &Value, repeat: Repeat| {
            action::step(self.read_ticket(input).map(|request| {
                action::call(Request::new(method, request.url).json(body), json!({ "v": 1, "step": "do" }), repeat)
            }))
        };
        match (action, step) {
            ("resend_ticket", _) => Step::end(Outcome::done(json!({ "ticket_id": id }))),
            ("update_ticket_holder", "read") => {
                let Some(ticket) = data(answer) else {
                    return Step::end(action::unreadable(answer));
                };
                // The whole of it is asked for: what is not named stays as it is.
                let Some(mut body) = patched(input, &ticket, &["email", "first_name", "last_name", "notes"]) else {
                    return changed(false);
                };
                if let Some(fields) = body.as_object_mut() {
                    for field in ["product_id", "product_price_id"] {
                        fields.insert(field.into(), ticket.get(field).cloned().unwrap_or_default());
                    }
                }
                put("PUT", &body, Repeat::Safe)
            }
            ("update_ticket_holder", _) if data(answer).is_none() => Step::end(action::unreadable(answer)),
            ("update_ticket_holder", _) => changed(true),
            (_, step) => {
                let wanted = wanted(action);
                match status(answer) {
                    Some(status) if status == wanted => Step::end(Outcome::Done(set(input, wanted, step == "read"))),
                    Some(_) if step == "read" => put("PATCH", &json!({ "status": wanted }), Repeat::Never),
                    None if step == "read" => Step::end(action::unreadable(answer)),
                    Some(status) if step == "look" => {
                        let why = format!("Hi.Events did not do it; the ticket is {status}");
                        Step::end(Outcome::Retry { after: None, scope: Scope::Effect, why })
                    }
                    None if step == "look" => {
                        Step::end(Outcome::Unknown { why: "the ticket could not be read".into() })
                    }
                    // It may be answered as it was before.
                    _ => {
                        let state = json!({ "v": 1, "step": "look" });
                        action::step(self.read_ticket(input).map(|r| action::call(r, state, Repeat::Safe)))
                    }
                }
            }
        }
    }
}

fn status(answer: &Answer) -> Option<String> {
    data(answer)?.get("status")?.as_str().map(str::to_ascii_uppercase)
}

fn set(input: &Value, status: &str, already: bool) -> Done {
    let ticket = input.get("ticket_id").cloned().unwrap_or_default();
    let status = status.to_ascii_lowercase();
    Done { result: json!({ "ticket_id": ticket, "status": status, "already": already }), reference: None }
}

/// Is the ticket in the state that was asked for?
pub(super) fn judge_ticket(action: &str, input: &Value, answer: &Answer) -> ReadBack {
    match status(answer) {
        Some(status) if status == wanted(action) => ReadBack::Done(set(input, &status, false)),
        Some(_) => ReadBack::NotThere,
        None => ReadBack::Unclear("the ticket could not be read".into()),
    }
}
