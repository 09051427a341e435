//! `POST /{phone_number_id}/messages`: what is refused at once, what is accepted and fails later,
//! and what arrives (contract, sections 2, 8 and 10).

mod check;

use super::graph::GraphFault;
use super::guests::{Line, digits};
use super::webhooks::News;
use super::{Double, Sent};
use crate::whatsapp::wire::{CALLBACK_DATA_MAX, is_user_id};
use check::Checked;
use jiff::Timestamp;
use pasarela_connector::{Answer, Arrival, SimReply};
use serde_json::{Value, json};
use std::time::Duration;

impl Double {
    /// One call of the messages endpoint, or of its marketing door.
    pub(super) fn message(
        &mut self,
        body: &Value,
        marketing_door: bool,
        now: Timestamp,
    ) -> Result<SimReply, GraphFault> {
        if text(body, "messaging_product") != "whatsapp" {
            return Err(GraphFault::new(100, "The parameter messaging_product is required.", ""));
        }
        if body.get("status").is_some() {
            return self.mark_read(body);
        }
        // A phone goes before a user id.
        let (id, is_phone) = match (text(body, "to"), text(body, "recipient")) {
            ("", "") => return Err(GraphFault::new(100, "The parameter to is required.", "")),
            ("", user) if is_user_id(user) => (user.to_owned(), false),
            ("", _) => return Err(GraphFault::invalid("recipient is not a user id")),
            (phone, _) => {
                let digits = digits(phone).ok_or_else(|| GraphFault::invalid("to is not a phone number"))?;
                (digits, true)
            }
        };
        if id == self.setup.display_phone_number {
            return Err(GraphFault::new(131_021, "Recipient cannot be sender", ""));
        }
        let key = body.get("biz_opaque_callback_data").and_then(Value::as_str).map(str::to_owned);
        if key.as_ref().is_some_and(|k| k.chars().count() > CALLBACK_DATA_MAX) {
            return Err(GraphFault::invalid("biz_opaque_callback_data is too long"));
        }
        let checked = self.check(body, marketing_door, is_phone, now)?;
        if !self.takes_one_more(now) {
            return Err(GraphFault::new(
                130_429,
                "Rate limit hit",
                "Message failed to send because there were too many messages sent from this \
                 phone number in a short period of time.",
            ));
        }
        // A user id that nobody has is accepted, too, and fails later.
        let stranger = !is_phone && self.guests.get(&id).is_none();
        let (burst, every) = (self.setup.pair_burst, self.setup.pair_every);
        let guest = if is_phone { self.guests.by_phone(&id) } else { self.guests.by_user_id(&id) };
        if stranger {
            guest.reachable = false;
        }
        if !guest.allows_one_more(now, burst, every) {
            return Err(GraphFault::new(
                131_056,
                "(Business Account, Consumer Account) pair rate limit hit",
                "Message failed to send because there were too many messages sent from this \
                 phone number to the same recipient.",
            ));
        }
        self.recent.push_back(now);
        Ok(self.accept(body, &id, is_phone, key, checked, now))
    }

    fn accept(
        &mut self,
        body: &Value,
        id: &str,
        is_phone: bool,
        key: Option<String>,
        checked: Checked,
        now: Timestamp,
    ) -> SimReply {
        let wamid = self.next_wamid("OUT");
        let to = if is_phone { format!("+{id}") } else { id.to_owned() };
        let identity = key.clone().unwrap_or_else(|| wamid.clone());
        match self.arrival_of.get(&identity).and_then(|at| self.arrivals.get_mut(*at)) {
            Some(arrival) => arrival.times += 1,
            None => {
                self.arrival_of.insert(identity.clone(), self.arrivals.len());
                self.arrivals.push(Arrival {
                    kind: "message".to_owned(),
                    identity,
                    times: 1,
                    detail: format!("{} to {to}", checked.label),
                });
            }
        }
        let plan = self.plan(id, is_phone, &checked, now);
        let guest = if is_phone { self.guests.by_phone(id) } else { self.guests.by_user_id(id) };
        let failed = plan.iter().find_map(|step| step.error.map(|(code, ..)| code));
        let read_at = plan.iter().find(|step| step.status == "read").and_then(|step| now.checked_add(step.after).ok());
        guest.lines.push(Line {
            id: wamid.clone(),
            from_us: true,
            text: checked.text.clone(),
            template: checked.template.clone(),
            buttons: checked.buttons,
            at: now,
            failed,
            read_at,
        });
        let webhooks = match self.guests.get(id) {
            None => Vec::new(),
            Some(guest) => plan
                .iter()
                .map(|step| {
                    let news = News {
                        wamid: &wamid,
                        status: step.status,
                        at: now.checked_add(step.after).unwrap_or(now),
                        key: key.as_deref(),
                        category: &checked.category,
                        error: step.error,
                    };
                    (step.after, self.status_webhook(guest, &news))
                })
                .collect(),
        };
        let input = if is_phone { text(body, "to") } else { id };
        let contact =
            if is_phone { json!({ "input": input, "wa_id": id }) } else { json!({ "input": input, "user_id": id }) };
        let message = match &checked.template {
            Some(_) => json!({ "id": wamid, "message_status": "accepted" }),
            None => json!({ "id": wamid }),
        };
        self.sent.push(Sent { key, to, template: checked.template, params: checked.params, text: checked.text });
        let answer = Answer::json(
            200,
            &json!({
                "messaging_product": "whatsapp",
                "contacts": [contact],
                "messages": [message],
            }),
        );
        SimReply { answer, webhooks }
    }

    /// What becomes of an accepted message.
    fn plan(&self, id: &str, is_phone: bool, checked: &Checked, now: Timestamp) -> Vec<Next> {
        let setup = &self.setup;
        let next = |status, after| Next { status, after, error: None };
        let fail = |code, title, details| {
            vec![Next { status: "failed", after: setup.sent_after, error: Some((code, title, details)) }]
        };
        let guest = self.guests.get(id);
        if !guest.map_or(is_phone, |g| g.reachable) {
            return fail(131_026, "Message undeliverable", "Message Undeliverable.");
        }
        if checked.category == "marketing" && guest.is_some_and(|g| g.blocks_marketing) {
            return fail(
                131_050,
                "User stopped marketing messages",
                "The user has stopped marketing messages from this business.",
            );
        }
        if checked.template.is_none() && !guest.is_some_and(|g| g.window_is_open(now)) {
            return fail(
                131_047,
                "Re-engagement message",
                "Message failed to send because more than 24 hours have passed since the \
                 customer last replied to this number.",
            );
        }
        let mut plan = vec![next("sent", setup.sent_after), next("delivered", setup.delivered_after)];
        plan.extend(setup.read_after.map(|after| next("read", after)));
        plan
    }

    fn mark_read(&mut self, body: &Value) -> Result<SimReply, GraphFault> {
        if text(body, "status") != "read" {
            return Err(GraphFault::invalid("status must be read"));
        }
        let id = text(body, "message_id");
        if id.is_empty() {
            return Err(GraphFault::missing("message_id"));
        }
        if !self.guests.iter().any(|g| g.lines.iter().any(|l| !l.from_us && l.id == id)) {
            return Err(GraphFault::invalid("message_id is not a message of a guest"));
        }
        Ok(SimReply::answer(Answer::json(200, &json!({ "success": true }))))
    }
}

/// One status to come.
struct Next {
    status: &'static str,
    after: Duration,
    error: Option<(u32, &'static str, &'static str)>,
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}
