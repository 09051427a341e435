//! The provider's double: an organiser with shows, orders, tickets, check-in lists and webhooks.
//!
//! Promise: bytes as PHP writes them, one attempt per webhook with three seconds, attendees before
//! their order, the lying status of a single cancellation, the repeated webhook of a repeated
//! scan, 180 calls a minute.
//! Not here: mail, Stripe, and the hub's answers to webhooks (its logs show a 200, as the double is not told, until
//! `break_webhooks` says what they were).
//!
//! Settings (all optional): `email`, `password` (else any of eight characters or more), `accounts`
//! (ids; the first is the organiser's), `organizer_id`, `rate_limit`, `token_seconds`,
//! `webhook` (`false`: none until one is made by API), `phone_questions` (`false`: a new show asks for no phone),
//! `organizer_webhooks` and `waitlist` (`false`: as servers before 1.7.0, which know webhooks of shows only and nobody
//! who waits), `offline_check_in`, `allowed_internal_webhook_hosts`.
//!
//! Commands of [`Simulator::act`]: `create_show`, `publish_show`, `edit_show`, `archive_show`,
//! `create_promo`, `sell`, `mark_as_paid`, `edit_order`, `cancel_order`, `refund`,
//! `edit_attendee`, `cancel_attendee`, `reactivate_attendee`, `scan`, `undo_scan`, `close_list`, `create_question`,
//! `edit_answer`, `create_affiliate`, `join_waitlist`, `edit_product`, `delete_product`, `break_webhooks`.

mod hooks;
mod lists;
mod people;
mod php;
mod resources;
mod rest;
mod state;

use jiff::Timestamp;
use pasarela_connector::{Answer, Arrival, Request, SimConfig, SimReply, Simulator};
use serde_json::{Value, json};
use state::State;
use std::collections::BTreeMap;

/// The double of [`HiEvents`](super::HiEvents).
pub struct HiEventsSimulator {
    config: SimConfig,
    state: State,
    hooks: Vec<hooks::Hook>,
    /// Token to its end of life.
    tokens: BTreeMap<String, Timestamp>,
    /// Calls of the present minute, by token or for all who are not logged in.
    calls: BTreeMap<String, u64>,
    minute: i64,
    /// What the hub made happen: kind and identity, with a line for people.
    arrived: BTreeMap<(String, String), (u32, String)>,
}

impl std::fmt::Debug for HiEventsSimulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HiEventsSimulator").field("connection", &self.config.connection).finish_non_exhaustive()
    }
}

impl HiEventsSimulator {
    /// An organiser without shows, and one webhook for all of the organiser's events.
    #[must_use]
    pub fn new(config: SimConfig) -> Self {
        let mut double = Self {
            state: State::new(config.setting_u64("organizer_id").unwrap_or(3)),
            hooks: Vec::new(),
            tokens: BTreeMap::new(),
            calls: BTreeMap::new(),
            minute: 0,
            arrived: BTreeMap::new(),
            config,
        };
        // Without a secret there is none yet: the provider makes one with its webhook.
        if double.config.setting_bool("webhook") != Some(false) && !double.config.webhook_secret.is_empty() {
            let url = format!("https://hub.fashionistas.example/hooks/{}", double.config.connection);
            let secret = double.config.webhook_secret.clone();
            double.add_hook(
                hooks::Level::Organizer,
                url,
                hooks::EVENT_TYPES.map(str::to_owned).to_vec(),
                "ENABLED",
                secret,
            );
        }
        double
    }

    fn arrive(&mut self, kind: &str, identity: impl Into<String>, detail: String) {
        let entry = self.arrived.entry((kind.to_owned(), identity.into())).or_insert((0, detail));
        entry.0 = entry.0.saturating_add(1);
    }

    /// Counts a call of the present minute; the third number is the wait, when it is one too many.
    fn count(&mut self, who: &str, now: Timestamp) -> (u64, u64, Option<i64>) {
        let limit = self.config.setting_u64("rate_limit").unwrap_or(180);
        let minute = now.as_second().div_euclid(60);
        if minute != self.minute {
            self.minute = minute;
            self.calls.clear();
        }
        let calls = self.calls.entry(who.to_owned()).or_default();
        *calls = calls.saturating_add(1);
        let over = *calls > limit;
        (limit, limit.saturating_sub(*calls), over.then(|| 60 - now.as_second().rem_euclid(60)))
    }
}

/// Settings by name.
trait Setting {
    fn setting_u64(&self, name: &str) -> Option<u64>;
    fn setting_bool(&self, name: &str) -> Option<bool>;
    fn setting_str(&self, name: &str) -> Option<&str>;
}

impl Setting for SimConfig {
    fn setting_u64(&self, name: &str) -> Option<u64> {
        let value = self.settings.get(name)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }
    fn setting_bool(&self, name: &str) -> Option<bool> {
        self.settings.get(name)?.as_bool()
    }
    fn setting_str(&self, name: &str) -> Option<&str> {
        self.settings.get(name)?.as_str()
    }
}

impl Simulator for HiEventsSimulator {
    fn handle(&mut self, request: &Request, now: Timestamp) -> SimReply {
        self.state.settle(now);
        let token = request.headers.get("authorization").and_then(|h| h.strip_prefix("Bearer ")).unwrap_or_default();
        let token = token.to_owned();
        let (limit, left, wait) = self.count(&token, now);
        let mut reply = match wait {
            None => rest::route(self, request, &token, now),
            Some(seconds) => SimReply::answer(
                php::answer(429, &json!({ "message": "Too Many Attempts." }))
                    .header("retry-after", seconds.to_string())
                    .header("x-ratelimit-reset", (now.as_second().saturating_add(seconds)).to_string()),
            ),
        };
        reply.answer.headers.set("x-ratelimit-limit", limit.to_string());
        reply.answer.headers.set("x-ratelimit-remaining", left.to_string());
        reply
    }

    fn act(&mut self, command: &str, args: &Value, now: Timestamp) -> Result<SimReply, String> {
        self.state.settle(now);
        let mut webhooks = Vec::new();
        let made = people::act(self, command, args, now, &mut webhooks)?;
        Ok(SimReply { answer: Answer::json(200, &made), webhooks })
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let arrived = self.arrived.iter().map(|((kind, identity), (times, detail))| Arrival {
            kind: kind.clone(),
            identity: identity.clone(),
            times: *times,
            detail: detail.clone(),
        });
        arrived.chain(self.state.scans_by_ticket()).collect()
    }

    /// `shows`, `products`, `orders`, `attendees`, `check_in_lists`, `check_ins`, `questions`, `messages`, `webhooks`.
    fn view(&self, what: &str) -> Value {
        let state = &self.state;
        let all = |rows: Vec<Value>| Value::Array(rows);
        match what {
            "shows" => all(state.shows.iter().map(|s| state.event(s, true)).collect()),
            "products" => all(state.products.iter().map(|p| state.product(p, true)).collect()),
            "orders" => all(state.orders.iter().map(|o| state.order_read(o)).collect()),
            "attendees" => all(state.tickets.iter().map(|t| state.attendee_read(t)).collect()),
            "check_in_lists" => {
                all(state.lists.iter().map(|l| state.check_in_list(l, Timestamp::UNIX_EPOCH)).collect())
            }
            "check_ins" => all(state.scans.iter().filter(|s| !s.undone).map(|s| state.public_scan(s)).collect()),
            "messages" => {
                let message = |m: &state::Message| json!({ "id": m.id, "subject": m.subject, "message": m.text, "tickets": m.tickets });
                all(state.messages.iter().map(message).collect())
            }
            "questions" => all(state.questions.iter().map(State::question_row).collect()),
            "webhooks" => all(self.hooks.iter().map(|h| h.resource(false)).collect()),
            _ => Value::Null,
        }
    }
}
