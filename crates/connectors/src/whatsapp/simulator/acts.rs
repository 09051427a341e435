//! What people do at WhatsApp: guests write, tap, stop marketing; operators make templates. The
//! commands are listed in the simulator's front page.

use super::Double;
use super::guests::{Guest, Line, digits};
use crate::whatsapp::wire::is_user_id;
use jiff::Timestamp;
use pasarela_connector::{Answer, SimReply};
use serde_json::{Map, Value, json};
use std::time::Duration;

impl Double {
    /// Performs one command.
    pub(super) fn perform(&mut self, command: &str, args: &Value, now: Timestamp) -> Result<SimReply, String> {
        match command {
            "say" => self.say(args, now),
            "press" => self.press(args, now),
            "define_template" => self.define_template(args, now),
            "pause_template" => self.pause_template(args, now),
            "block_marketing" => self.marketing(args, true, now),
            "allow_marketing" => self.marketing(args, false, now),
            "no_whatsapp" => {
                let guest = self.guest(args)?;
                guest.reachable = false;
                Ok(made(guest, json!({})))
            }
            "introduce" => {
                let name = text(args, "name").ok_or("name is missing: what is the guest called?")?.to_owned();
                let guest = self.guest(args)?;
                guest.name = name;
                Ok(made(guest, json!({})))
            }
            "username_only" => {
                let username = text(args, "username").unwrap_or("invitada").to_owned();
                let guest = self.guest(args)?;
                guest.username = Some(username);
                Ok(made(guest, json!({})))
            }
            other => Err(format!(
                "unknown command '{other}': say, press, define_template, pause_template, \
                 block_marketing, allow_marketing, introduce, no_whatsapp or username_only"
            )),
        }
    }

    fn guest(&mut self, args: &Value) -> Result<&mut Guest, String> {
        if let Some(phone) = text(args, "phone") {
            let digits = digits(phone).ok_or("phone must have 8 to 15 digits, with the country: +573005550117")?;
            return Ok(self.guests.by_phone(&digits));
        }
        match text(args, "user_id") {
            Some(id) if is_user_id(id) => {
                let guest = self.guests.by_user_id(id);
                // Whoever does something has WhatsApp, whatever was sent to the id before.
                guest.reachable = true;
                Ok(guest)
            }
            Some(_) => Err("user_id must look like CO.1502576394655843".to_owned()),
            None => Err("say who: phone or user_id".to_owned()),
        }
    }

    fn say(&mut self, args: &Value, now: Timestamp) -> Result<SimReply, String> {
        let words = text(args, "text").ok_or("text is missing: what does the guest write?")?;
        let mut content = Map::new();
        if let Some(id) = text(args, "reply_to") {
            content.insert("context".into(), self.context(id));
        }
        content.insert("type".into(), json!("text"));
        content.insert("text".into(), json!({ "body": words }));
        self.guest_writes(args, "message.text", words, content, now)
    }

    fn press(&mut self, args: &Value, now: Timestamp) -> Result<SimReply, String> {
        let guest = self.guest(args)?;
        let line = match text(args, "message_id") {
            Some(id) => guest.lines.iter().find(|l| l.from_us && l.id == id),
            None => guest.lines.iter().rev().find(|l| l.from_us && l.failed.is_none()),
        };
        let line = line.ok_or("there is no message of ours that could be pressed")?;
        let (payload, words) = (text(args, "payload"), text(args, "text"));
        // What is not told is looked up on the button itself.
        let button = line.buttons.iter().find(|b| {
            (payload.is_some() && b.payload.as_deref() == payload)
                || (payload.is_none() && words == Some(b.text.as_str()))
        });
        let payload = payload.or_else(|| button.and_then(|b| b.payload.as_deref()));
        let words = words.or_else(|| button.map(|b| b.text.as_str())).or(payload);
        let (Some(payload), Some(words)) = (payload, words) else {
            return Err("payload is missing, and no button of the message has that text".to_owned());
        };
        let (payload, words) = (payload.to_owned(), words.to_owned());
        let (id, of_template) = (line.id.clone(), line.template.is_some());
        let mut content = Map::new();
        content.insert("context".into(), self.context(&id));
        // A tap on a template and a tap on an interactive message look different (section 7.3).
        if of_template {
            content.insert("type".into(), json!("button"));
            content.insert("button".into(), json!({ "payload": payload, "text": words }));
        } else {
            content.insert("type".into(), json!("interactive"));
            content.insert(
                "interactive".into(),
                json!({ "type": "button_reply", "button_reply": { "id": payload, "title": words } }),
            );
        }
        self.guest_writes(args, "message.button", &words, content, now)
    }

    fn guest_writes(
        &mut self,
        args: &Value,
        kind: &str,
        words: &str,
        mut content: Map<String, Value>,
        now: Timestamp,
    ) -> Result<SimReply, String> {
        let wamid = self.next_wamid("IN");
        // Inbound counts towards the number's throughput, and is never refused.
        let _ = self.takes_one_more(now);
        self.recent.push_back(now);
        let guest = self.guest(args)?;
        if let Some(name) = text(args, "name") {
            name.clone_into(&mut guest.name);
        }
        guest.wrote(now);
        guest.lines.push(Line {
            id: wamid.clone(),
            from_us: false,
            text: words.to_owned(),
            template: None,
            buttons: Vec::new(),
            at: now,
            failed: None,
            read_at: None,
        });
        let id = guest.user_id.clone();
        let mut message = Map::new();
        message.insert("id".into(), json!(wamid));
        message.insert("timestamp".into(), json!(now.as_second().to_string()));
        message.append(&mut content);
        let guest = self.guests.get(&id).ok_or("the guest is gone")?;
        let webhook = self.guest_webhook(guest, kind, message);
        let mut reply = made(guest, json!({ "message_id": wamid }));
        reply.webhooks.push((Duration::ZERO, webhook));
        Ok(reply)
    }

    fn context(&self, id: &str) -> Value {
        json!({ "from": self.setup.display_phone_number, "id": id })
    }

    fn marketing(&mut self, args: &Value, blocks: bool, now: Timestamp) -> Result<SimReply, String> {
        let guest = self.guest(args)?;
        guest.blocks_marketing = blocks;
        let id = guest.user_id.clone();
        let guest = self.guests.get(&id).ok_or("the guest is gone")?;
        let choice = if blocks { "stop" } else { "resume" };
        let webhook = self.preference_webhook(guest, choice, now);
        let mut reply = made(guest, json!({}));
        reply.webhooks.push((Duration::ZERO, webhook));
        Ok(reply)
    }

    fn define_template(&mut self, args: &Value, now: Timestamp) -> Result<SimReply, String> {
        let body = text(args, "body").ok_or("body is missing: the text with {{1}}, {{2}}")?;
        let mut components = Vec::new();
        match args.get("header") {
            None | Some(Value::Null) => {}
            Some(Value::String(words)) => {
                components.push(json!({ "type": "HEADER", "format": "TEXT", "text": words }));
            }
            // `{ "format": "DOCUMENT" }`
            Some(Value::Object(header)) => {
                let mut header = header.clone();
                header.insert("type".into(), json!("HEADER"));
                components.push(Value::Object(header));
            }
            Some(_) => return Err("header must be a text or { format: DOCUMENT }".to_owned()),
        }
        components.push(json!({ "type": "BODY", "text": body }));
        if let Some(footer) = text(args, "footer") {
            components.push(json!({ "type": "FOOTER", "text": footer }));
        }
        if let Some(buttons) = args.get("buttons").filter(|b| b.is_array()) {
            components.push(json!({ "type": "BUTTONS", "buttons": buttons }));
        }
        let positional = super::templates::positional(body);
        let template = json!({
            "name": text(args, "name").unwrap_or(""),
            "language": text(args, "language").unwrap_or("es_CO"),
            "category": text(args, "category").unwrap_or("UTILITY"),
            "parameter_format": text(args, "parameter_format")
                .unwrap_or(if positional { "POSITIONAL" } else { "NAMED" }),
            "components": components,
        });
        let made = self.templates.create(&template, now, false).map_err(|e| e.to_string())?;
        let answer = json!({ "id": made.id, "status": "APPROVED", "category": made.category });
        Ok(SimReply::answer(Answer::json(200, &answer)))
    }

    fn pause_template(&mut self, args: &Value, now: Timestamp) -> Result<SimReply, String> {
        let name = text(args, "name").unwrap_or("");
        let language = text(args, "language").unwrap_or("es_CO");
        let template = self
            .templates
            .pause(name, language)
            .ok_or_else(|| format!("there is no template '{name}' in {language}"))?;
        let webhook = self.template_webhook(&template, "PAUSED", now);
        Ok(SimReply {
            answer: Answer::json(200, &json!({ "id": template.id, "status": "PAUSED" })),
            webhooks: vec![(Duration::ZERO, webhook)],
        })
    }
}

/// What the command made, with who did it.
fn made(guest: &Guest, mut more: Value) -> SimReply {
    if let Some(more) = more.as_object_mut() {
        more.insert("phone".into(), json!(guest.phone.as_ref().map(|p| format!("+{p}"))));
        more.insert("user_id".into(), json!(guest.user_id));
    }
    SimReply::answer(Answer::json(200, &more))
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str).filter(|t| !t.trim().is_empty())
}
