//! The double of WhatsApp: one business number, its templates, and the phones of the guests.
//!
//! Promise: it speaks Meta's wire format byte by byte (escapes and signature included), refuses
//! what Meta refuses with Meta's codes, and tells statuses as Meta does: later, one by one, and
//! `failed` after a 200. It has no idempotency, as WhatsApp has none: what is sent twice arrives
//! twice, and [`arrivals`](pasarela_connector::Simulator::arrivals) shows it. It keeps no files:
//! media uploads are not served.
//!
//! Commands of `act` (phones with or without the plus):
//!
//! | command | what happens |
//! |---|---|
//! | `say {phone \| user_id, text, name?, reply_to?}` | the guest writes; opens the 24-hour window |
//! | `press {phone \| user_id, payload?, text?, message_id?}` | the guest taps a button of our message (the last one) |
//! | `define_template {name, language, category?, body, header?, footer?, buttons?, parameter_format?}` | an approved template |
//! | `pause_template {name, language}` | Meta pauses it, with its webhook |
//! | `block_marketing {phone \| user_id}`, `allow_marketing {…}` | the guest stops or resumes marketing, with its webhook |
//! | `introduce {phone \| user_id, name}` | the guest's profile gets a name |
//! | `no_whatsapp {phone}` | messages to it are accepted and then fail with 131026 |
//! | `username_only {phone, username?}` | its webhooks carry only the user id |
//!
//! Settings: `phone_number_id`, `waba_id`, `display_phone_number`, `verified_name`,
//! `access_token` (any bearer when absent), `sent_after`, `delivered_after`, `read_after`,
//! `approve_after` (seconds of business time; `read_after: null` for guests who never read),
//! `per_second`, `pair_burst`, `pair_every`, `templates` and `no_whatsapp` (lists).
//!
//! Views: `chats`, `sent`, `templates`.

mod acts;
mod graph;
mod guests;
mod messages;
mod setup;
mod templates;
mod views;
mod webhooks;

use graph::GraphFault;
use guests::Guests;
use jiff::Timestamp;
use pasarela_connector::{Answer, Arrival, Request, SimConfig, SimReply, Simulator, query_pairs, sign};
use serde_json::{Value, json};
use setup::Setup;
use std::collections::{HashMap, VecDeque};
use templates::Templates;

/// The double's state.
pub(super) struct Double {
    setup: Setup,
    secret: String,
    templates: Templates,
    guests: Guests,
    sent: Vec<Sent>,
    arrivals: Vec<Arrival>,
    arrival_of: HashMap<String, usize>,
    /// Moments of the last second's messages, in and out.
    recent: VecDeque<Timestamp>,
    serial: u64,
    /// Latest business time that was told.
    now: Timestamp,
}

/// One accepted message, for the oracle.
struct Sent {
    key: Option<String>,
    to: String,
    template: Option<String>,
    params: Value,
    text: String,
}

impl Double {
    /// A double with its settings; a setting of the wrong form counts as absent.
    pub(super) fn new(config: SimConfig) -> Self {
        let setup = Setup::read(&config.settings);
        let mut double = Self {
            setup,
            secret: config.webhook_secret,
            templates: Templates::default(),
            guests: Guests::default(),
            sent: Vec::new(),
            arrivals: Vec::new(),
            arrival_of: HashMap::new(),
            recent: VecDeque::new(),
            serial: 0,
            now: Timestamp::UNIX_EPOCH,
        };
        for (list, command) in [("templates", "define_template"), ("no_whatsapp", "no_whatsapp")] {
            for entry in config.settings.get(list).and_then(Value::as_array).into_iter().flatten() {
                let args = if entry.is_string() { json!({ "phone": entry }) } else { entry.clone() };
                // A wrong entry of the settings shows itself when it is used.
                let _ = double.act(command, &args, Timestamp::UNIX_EPOCH);
            }
        }
        double
    }

    /// `wamid.` and the base64 of a serial text, as Meta's ids look.
    fn next_wamid(&mut self, direction: &str) -> String {
        use base64::Engine as _;
        self.serial += 1;
        let text = format!("\x1d\x02{}-{direction}-{:06}", self.setup.phone_number_id, self.serial);
        format!("wamid.{}", base64::engine::general_purpose::STANDARD.encode(text))
    }

    /// Is one more message of this second within the number's throughput?
    fn takes_one_more(&mut self, now: Timestamp) -> bool {
        while let Some(first) = self.recent.front() {
            if now.duration_since(*first).as_millis() < 1000 {
                break;
            }
            self.recent.pop_front();
        }
        self.recent.len() < self.setup.per_second
    }

    fn authorised(&self, request: &Request, query: &[(String, String)]) -> Result<(), GraphFault> {
        let bearer = request.headers.get("authorization").and_then(|h| {
            let (scheme, token) = h.split_once(' ')?;
            let known = ["bearer", "oauth"].iter().any(|s| scheme.eq_ignore_ascii_case(s));
            known.then_some(token.trim())
        });
        let token = bearer.or_else(|| parameter(query, "access_token")).unwrap_or("");
        let expected = self.setup.access_token.as_deref();
        if token.is_empty() || expected.is_some_and(|e| e != token) {
            return Err(GraphFault::token());
        }
        let proof = sign::hmac_sha256_hex(self.secret.as_bytes(), &[token.as_bytes()]);
        match parameter(query, "appsecret_proof") {
            Some(told) if told != proof => {
                Err(GraphFault::new(100, "Invalid appsecret_proof provided in the API argument", ""))
            }
            _ => Ok(()),
        }
    }

    fn route(&mut self, request: &Request, now: Timestamp) -> Result<SimReply, GraphFault> {
        let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
        let query = query_pairs(query);
        let mut parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
        if parts.first().is_some_and(|p| is_version(p)) {
            parts.remove(0);
        }
        self.authorised(request, &query)?;
        let number = self.setup.phone_number_id.clone();
        let waba = self.setup.waba_id.clone();
        let body = || -> Result<Value, GraphFault> {
            serde_json::from_slice(&request.body)
                .map_err(|_| GraphFault::new(100, "Invalid parameter", "The body is not JSON."))
        };
        let plain = |value: Value| Ok(SimReply::answer(Answer::json(200, &value)));
        match (request.method.as_str(), parts.as_slice()) {
            ("POST", [id, "messages"]) if *id == number => self.message(&body()?, false, now),
            ("POST", [id, "marketing_messages"]) if *id == number => self.message(&body()?, true, now),
            ("POST", [id, "register"]) if *id == number => plain(json!({ "success": true })),
            ("GET", [id]) if *id == number => plain(self.setup.number_facts()),
            ("POST", [id, "subscribed_apps"]) if *id == waba => plain(json!({ "success": true })),
            ("POST", [id, "message_templates"]) if *id == waba => {
                let approved_at = now
                    .checked_add(self.setup.approve_after)
                    .map_err(|_| GraphFault::new(131_000, "Something went wrong", ""))?;
                let made = self.templates.create(&body()?, approved_at, true)?;
                let webhook = self.template_webhook(&made, "APPROVED", approved_at);
                let answer =
                    Answer::json(200, &json!({ "id": made.id, "status": "PENDING", "category": made.category }));
                Ok(SimReply { answer, webhooks: vec![(self.setup.approve_after, webhook)] })
            }
            ("GET", [id, "message_templates"]) if *id == waba => plain(self.templates.list(&query, now)),
            ("DELETE", [id, "message_templates"]) if *id == waba => {
                self.templates.delete(&query)?;
                plain(json!({ "success": true }))
            }
            ("GET", ["debug_token"]) => {
                let token = parameter(&query, "input_token").unwrap_or("");
                let valid =
                    !token.is_empty() && self.setup.access_token.as_deref().is_none_or(|expected| expected == token);
                plain(json!({ "data": {
                    "app_id": "554433221100998",
                    "type": "SYSTEM_USER",
                    "is_valid": valid,
                    "expires_at": 0,
                    "scopes": ["whatsapp_business_management", "whatsapp_business_messaging"],
                } }))
            }
            ("GET", [id]) if self.templates.by_id(id).is_some() => {
                plain(self.templates.by_id(id).map(|t| t.listed(now)).unwrap_or_default())
            }
            (method, _) => Err(GraphFault::no_object(method, path)),
        }
    }
}

impl Simulator for Double {
    fn handle(&mut self, request: &Request, now: Timestamp) -> SimReply {
        self.now = self.now.max(now);
        self.route(request, now).unwrap_or_else(|fault| SimReply::answer(fault.answer()))
    }

    fn act(&mut self, command: &str, args: &Value, now: Timestamp) -> Result<SimReply, String> {
        self.now = self.now.max(now);
        self.perform(command, args, now)
    }

    fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.clone()
    }

    fn view(&self, what: &str) -> Value {
        match what {
            "chats" => views::chats(self),
            "sent" => views::sent(self),
            "templates" => self.templates.list(&[], self.now),
            _ => Value::Null,
        }
    }
}

fn parameter<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}
