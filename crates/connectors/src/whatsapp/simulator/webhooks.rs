//! Webhooks as Meta writes them (contract, section 7): envelope, escapes, signature.

use super::Double;
use super::guests::Guest;
use super::templates::Template;
use jiff::Timestamp;
use pasarela_connector::{Attempts, Headers, OutgoingWebhook, sign};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// A status of one of our messages.
pub(super) struct News<'a> {
    pub(super) wamid: &'a str,
    pub(super) status: &'a str,
    pub(super) at: Timestamp,
    pub(super) key: Option<&'a str>,
    /// Category under which it is charged.
    pub(super) category: &'a str,
    pub(super) error: Option<(u32, &'a str, &'a str)>,
}

impl Double {
    /// A webhook of the field `messages` about one guest.
    pub(super) fn guest_webhook(&self, guest: &Guest, kind: &str, mut message: Map<String, Value>) -> OutgoingWebhook {
        let mut whole = Map::new();
        if let Some(phone) = guest.shown_phone() {
            whole.insert("from".into(), json!(phone));
        }
        whole.insert("from_user_id".into(), json!(guest.user_id));
        whole.append(&mut message);
        let mut value = self.value();
        value.insert("contacts".into(), json!([contact(guest)]));
        value.insert("messages".into(), json!([whole]));
        self.change(kind, "messages", value, None)
    }

    /// A status webhook.
    pub(super) fn status_webhook(&self, guest: &Guest, news: &News<'_>) -> OutgoingWebhook {
        let failed = news.error.is_some();
        let mut status = Map::new();
        status.insert("id".into(), json!(news.wamid));
        status.insert("status".into(), json!(news.status));
        status.insert("timestamp".into(), json!(news.at.as_second().to_string()));
        if let Some(phone) = guest.shown_phone() {
            status.insert("recipient_id".into(), json!(phone));
        }
        // Left out of a failure of a message to a phone (contract, section 3).
        if !failed || guest.shown_phone().is_none() {
            status.insert("recipient_user_id".into(), json!(guest.user_id));
        }
        status.insert("recipient_type".into(), json!("individual"));
        if let Some(key) = news.key {
            status.insert("biz_opaque_callback_data".into(), json!(key));
        }
        if matches!(news.status, "sent" | "delivered") {
            status.insert(
                "pricing".into(),
                json!({
                    "billable": true,
                    "pricing_model": "PMP",
                    "category": news.category,
                    "type": "regular",
                }),
            );
        }
        if let Some((code, title, details)) = news.error {
            status.insert(
                "errors".into(),
                json!([{
                    "code": code,
                    "title": title,
                    "message": title,
                    "error_data": { "details": details },
                    "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
                }]),
            );
        }
        let mut value = self.value();
        // Samples have the contact beside 131026, and not beside other failures (contract, section 7.4).
        if news.error.is_none_or(|(code, ..)| code == 131_026) {
            value.insert("contacts".into(), json!([contact(guest)]));
        }
        value.insert("statuses".into(), json!([status]));
        self.change(&format!("status.{}", news.status), "messages", value, None)
    }

    /// A choice about marketing that the guest made inside WhatsApp.
    pub(super) fn preference_webhook(&self, guest: &Guest, choice: &str, at: Timestamp) -> OutgoingWebhook {
        let mut preference = Map::new();
        if let Some(phone) = guest.shown_phone() {
            preference.insert("wa_id".into(), json!(phone));
        }
        preference.insert("user_id".into(), json!(guest.user_id));
        let detail = format!("User requested to {choice} marketing messages");
        preference.insert("detail".into(), json!(detail));
        preference.insert("category".into(), json!("marketing_messages"));
        preference.insert("value".into(), json!(choice));
        preference.insert("timestamp".into(), json!(at.as_second()));
        let mut value = self.value();
        value.insert("contacts".into(), json!([contact(guest)]));
        value.insert("user_preferences".into(), json!([preference]));
        self.change(&format!("user_preferences.{choice}"), "user_preferences", value, None)
    }

    /// News of a template.
    pub(super) fn template_webhook(&self, template: &Template, event: &str, at: Timestamp) -> OutgoingWebhook {
        let mut value = Map::new();
        value.insert("event".into(), json!(event));
        value.insert("message_template_id".into(), json!(template.number));
        value.insert("message_template_name".into(), json!(template.name));
        value.insert("message_template_language".into(), json!(template.language));
        value.insert("reason".into(), json!("NONE"));
        value.insert("message_template_category".into(), json!(template.category));
        if event == "PAUSED" {
            value.insert(
                "other_info".into(),
                json!({
                    "title": "FIRST_PAUSE",
                    "description": "Your message template has been paused for 3 hours.",
                }),
            );
        }
        self.change(
            &format!("template.{}", event.to_ascii_lowercase()),
            "message_template_status_update",
            value,
            Some(at),
        )
    }

    fn value(&self) -> Map<String, Value> {
        let mut value = Map::new();
        value.insert("messaging_product".into(), json!("whatsapp"));
        value.insert(
            "metadata".into(),
            json!({
                "display_phone_number": self.setup.display_phone_number,
                "phone_number_id": self.setup.phone_number_id,
            }),
        );
        value
    }

    fn change(&self, kind: &str, field: &str, value: Map<String, Value>, time: Option<Timestamp>) -> OutgoingWebhook {
        let mut entry = Map::new();
        entry.insert("id".into(), json!(self.setup.waba_id));
        if let Some(time) = time {
            entry.insert("time".into(), json!(time.as_second()));
        }
        entry.insert("changes".into(), json!([{ "value": value, "field": field }]));
        let body = meta_text(&json!({ "object": "whatsapp_business_account", "entry": [entry] }));
        let mac = sign::hmac_sha256_hex(self.secret.as_bytes(), &[body.as_bytes()]);
        let mut headers = Headers::default();
        headers.set("content-type", "application/json");
        headers.set("user-agent", "facebookexternalua");
        headers.set("x-hub-signature-256", format!("sha256={mac}"));
        OutgoingWebhook {
            kind: kind.to_owned(),
            headers,
            body: body.into_bytes().into(),
            attempts: Attempts::Persistent,
        }
    }
}

fn contact(guest: &Guest) -> Value {
    let mut contact = Map::new();
    let mut profile = Map::new();
    if !guest.name.is_empty() {
        profile.insert("name".into(), json!(guest.name));
    }
    if let Some(username) = &guest.username {
        profile.insert("username".into(), json!(username));
    }
    if !profile.is_empty() {
        contact.insert("profile".into(), Value::Object(profile));
    }
    if let Some(phone) = guest.shown_phone() {
        contact.insert("wa_id".into(), json!(phone));
    }
    contact.insert("user_id".into(), json!(guest.user_id));
    Value::Object(contact)
}

/// JSON as Meta writes it: compact, `\u00e1` for what is not ASCII, `\/` for slashes. Both stand
/// only within texts, so that the whole can be escaped at once.
pub(super) fn meta_text(value: &Value) -> String {
    let plain = value.to_string();
    let mut out = String::with_capacity(plain.len() + plain.len() / 4);
    for c in plain.chars() {
        match c {
            '/' => out.push_str("\\/"),
            c if c.is_ascii() => out.push(c),
            c => {
                let mut units = [0_u16; 2];
                for unit in c.encode_utf16(&mut units) {
                    // Writing into a String does not fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_golden_webhooks() {
        for sample in [
            include_str!("../../../tests/fixtures/whatsapp/webhook.text.json"),
            include_str!("../../../tests/fixtures/whatsapp/webhook.order.json"),
            include_str!("../../../tests/fixtures/whatsapp/webhook.referral-from-ad.json"),
            include_str!("../../../tests/fixtures/whatsapp/webhook.interactive-flow-reply.json"),
        ] {
            let value: Value = serde_json::from_str(sample).unwrap();
            assert_eq!(meta_text(&value), sample);
        }
    }
}
