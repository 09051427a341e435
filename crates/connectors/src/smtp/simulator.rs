//! The double of a mail server and of the mailboxes behind it.
//!
//! Promise: it takes what a server takes and refuses what a server refuses, with codes as Postfix writes
//! them; what it has taken lies in a mailbox, parsed as a mail program would, and what is sent twice lies
//! there twice ([`arrivals`](pasarela_connector::Simulator::arrivals) tells). What comes back later comes as
//! mail, by the connection's hook, signed.
//!
//! Commands of `act`:
//!
//! | command | what happens |
//! |---|---|
//! | `no_mailbox {email}` | the server says at once that there is no such mailbox (5.1.1) |
//! | `full_mailbox {email}` | the mailbox takes nothing now (4.2.2) |
//! | `mailbox {email}` | it takes mail again |
//! | `returns {email}` | mail to it is taken, and returned a minute later |
//! | `complain {email}` | the person calls our last message spam, with its report |
//! | `unsubscribe {email}` | the person writes that they want no advertising |
//!
//! Settings: `username`, `password` (no login is asked for when absent), `no_mailbox`, `returns` (lists).
//!
//! Views: `mailbox`, `sent`, `attachment/MESSAGE/N` (`{name, type, base64}`).

mod mailbox;
mod reports;

use crate::smtp::inbound::SIGNATURE_HEADER;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use mailbox::Stored;
use pasarela_connector::{
    Answer, Arrival, Attempts, Headers, OutgoingWebhook, Request, SimConfig, SimReply, Simulator, Speaks, mail, sign,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a server takes to return what it cannot deliver.
const RETURNED_AFTER: Duration = Duration::from_secs(60);

/// The double's state.
pub(super) struct Double {
    secret: String,
    login: Option<String>,
    missing: BTreeSet<String>,
    full: BTreeSet<String>,
    returning: BTreeSet<String>,
    messages: Vec<Stored>,
}

impl Double {
    /// A double with its settings; a setting of the wrong form counts as absent.
    pub(super) fn new(config: SimConfig) -> Self {
        let text = |name: &str| config.settings.get(name).and_then(Value::as_str);
        let list = |name: &str| {
            let all = config.settings.get(name).and_then(Value::as_array).into_iter().flatten();
            all.filter_map(Value::as_str).map(str::to_lowercase).collect()
        };
        let login = text("username").zip(text("password"));
        Self {
            login: login.map(|(user, password)| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))),
            missing: list("no_mailbox"),
            full: BTreeSet::new(),
            returning: list("returns"),
            messages: Vec::new(),
            secret: config.webhook_secret,
        }
    }

    fn recipient(&self, to: &str) -> Answer {
        let to = to.to_lowercase();
        if !to.contains('@') {
            return mail::reply("rcpt", 501, "5.1.3 Bad recipient address syntax");
        }
        if self.missing.contains(&to) {
            let text = format!("5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table");
            return mail::reply("rcpt", 550, &text);
        }
        if self.full.contains(&to) {
            return mail::reply("rcpt", 452, &format!("4.2.2 <{to}>: mailbox is full"));
        }
        mail::reply("rcpt", 250, "2.1.5 Ok")
    }

    fn message(&mut self, request: &Request, now: Timestamp) -> SimReply {
        let to = request.headers.get(mail::TO).unwrap_or_default().to_lowercase();
        let refused = self.recipient(&to);
        if !refused.is_success() {
            return SimReply::answer(refused);
        }
        let id = format!("m{}", self.messages.len() + 1);
        let Some(stored) = Stored::read(id, &to, request.body.clone(), now) else {
            return SimReply::answer(mail::reply("message", 554, "5.6.0 this is not a message"));
        };
        let answer =
            mail::reply("message", 250, &format!("2.0.0 Ok: queued as {:08X}", self.messages.len() + 0x4F_2A31));
        let mut reply = SimReply::answer(answer);
        if self.returning.contains(&to) {
            reply.webhooks.push((RETURNED_AFTER, self.piped("email.bounced", reports::returned(&stored, now))));
        }
        self.messages.push(stored);
        reply
    }

    /// A message as a mail server's pipe hands it to the hub.
    fn piped(&self, kind: &str, message: String) -> OutgoingWebhook {
        let mut headers = Headers::default();
        headers.set("content-type", "message/rfc822");
        let mac = sign::hmac_sha256_hex(self.secret.as_bytes(), &[message.as_bytes()]);
        headers.set(SIGNATURE_HEADER, format!("sha256={mac}"));
        OutgoingWebhook {
            kind: kind.into(),
            headers,
            body: message.into_bytes().into(),
            attempts: Attempts::Persistent,
        }
    }

    fn last_to(&self, email: &str) -> Result<&Stored, String> {
        let found = self.messages.iter().rev().find(|m| m.to == email);
        found.ok_or_else(|| format!("there is no message to {email}"))
    }
}

impl Simulator for Double {
    fn handle(&mut self, request: &Request, now: Timestamp) -> SimReply {
        let header = |name: &str| request.headers.get(name).unwrap_or_default();
        let answer = match request.method.as_str() {
            "AUTH" => match &self.login {
                Some(login) if *login != header("authorization") => {
                    mail::reply("auth", 535, "5.7.8 Error: authentication failed")
                }
                _ => mail::reply("auth", 235, "2.7.0 Authentication successful"),
            },
            "MAIL" if self.login.is_some() && header("authorization").is_empty() => {
                mail::reply("mail", 530, "5.7.0 Authentication required")
            }
            "MAIL" => mail::reply("mail", 250, "2.1.0 Ok"),
            "RCPT" => self.recipient(header(mail::TO)),
            mail::SEND => return self.message(request, now),
            mail::PROBE => mail::reply("probe", 250, "2.0.0 Ok"),
            _ => mail::reply("probe", 502, "5.5.2 Error: command not recognized"),
        };
        SimReply::answer(answer)
    }

    fn act(&mut self, command: &str, args: &Value, now: Timestamp) -> Result<SimReply, String> {
        let email = || {
            let text = args.get("email").and_then(Value::as_str).map(str::trim).unwrap_or_default();
            if text.contains('@') {
                Ok(text.to_lowercase())
            } else {
                Err("email is missing: whose mailbox?".to_owned())
            }
        };
        let mut reply = SimReply::default();
        match command {
            "no_mailbox" => {
                self.missing.insert(email()?);
            }
            "full_mailbox" => {
                self.full.insert(email()?);
            }
            "mailbox" => {
                let email = email()?;
                [&mut self.missing, &mut self.full, &mut self.returning].into_iter().for_each(|set| {
                    set.remove(&email);
                });
            }
            "returns" => {
                self.returning.insert(email()?);
            }
            "complain" => {
                let report = reports::complaint(self.last_to(&email()?)?, now);
                reply.webhooks.push((Duration::ZERO, self.piped("email.complained", report)));
            }
            "unsubscribe" => {
                let wish = reports::leaving(&email()?, now);
                reply.webhooks.push((Duration::ZERO, self.piped("email.unsubscribed", wish)));
            }
            other => {
                return Err(format!(
                    "unknown command '{other}': no_mailbox, full_mailbox, mailbox, returns, complain or unsubscribe"
                ));
            }
        }
        reply.answer = Answer::json(200, &json!({ "email": email()? }));
        Ok(reply)
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let mut by_id: BTreeMap<&str, (u32, &Stored)> = BTreeMap::new();
        for message in &self.messages {
            by_id.entry(&message.message_id).or_insert((0, message)).0 += 1;
        }
        let one = |(id, (times, message)): (&str, (u32, &Stored))| Arrival {
            kind: "email".into(),
            identity: id.to_owned(),
            times,
            detail: format!("{} to {}", message.subject, message.to),
        };
        by_id.into_iter().map(one).collect()
    }

    fn speaks(&self) -> Speaks {
        Speaks::Smtp
    }

    fn view(&self, what: &str) -> Value {
        match what.split('/').collect::<Vec<_>>().as_slice() {
            ["mailbox"] => json!({ "messages": self.messages.iter().rev().map(Stored::shown).collect::<Vec<_>>() }),
            ["sent"] => {
                self.messages.iter().map(|m| json!({ "id": m.message_id, "to": m.to, "subject": m.subject })).collect()
            }
            ["attachment", id, n] => {
                let message = self.messages.iter().find(|m| m.id == *id);
                message.zip(n.parse().ok()).and_then(|(m, n)| m.file(n)).unwrap_or_default()
            }
            _ => Value::Null,
        }
    }
}
