//! The guest's phone: chats as the double shows them.

use super::scene::Scene;
use crate::console::json;
use crate::console::moments::Moment;
use crate::console::words::Words;
use jiff::Timestamp;
use serde_json::Value;

/// Chats in the list, and messages of the open one.
const CHATS: usize = 12;
const MESSAGES: usize = 30;

pub(super) struct ChatView {
    pub(super) query: String,
    pub(super) name: String,
    pub(super) open: bool,
}

pub(super) struct ButtonView {
    pub(super) text: String,
}

pub(super) struct MessageView {
    pub(super) id: String,
    pub(super) ours: bool,
    pub(super) text: String,
    pub(super) at: Option<Moment>,
    pub(super) template: Option<String>,
    pub(super) tick: &'static str,
    pub(super) status: String,
    pub(super) failed: bool,
    pub(super) buttons: Vec<ButtonView>,
}

pub(super) struct PhoneView {
    pub(super) connection: String,
    pub(super) chats: Vec<ChatView>,
    pub(super) name: String,
    pub(super) number: String,
    /// How the double finds the guest.
    pub(super) phone: String,
    pub(super) user: String,
    pub(super) messages: Vec<MessageView>,
}

impl PhoneView {
    /// The chat that was chosen, else the latest one; `None`: no double has chats.
    pub(super) fn of(w: Words, scene: &Scene, chosen: Option<&str>, now: Timestamp) -> Option<Self> {
        let (connection, chats) = scene.chats.as_ref()?;
        let all = json::list(chats);
        let key = |chat: &Value| json::opt(&chat["phone"]).or_else(|| json::opt(&chat["user_id"])).unwrap_or_default();
        let open = all.iter().find(|c| Some(key(c).as_str()) == chosen).or(all.first());
        let view = |chat: &Value| ChatView {
            query: form_urlencoded::Serializer::new(String::new()).append_pair("celular", &key(chat)).finish(),
            name: called(w, chat),
            open: open.is_some_and(|o| same(o, chat)),
        };
        let messages = open.map(|c| json::list(&c["messages"])).unwrap_or_default();
        let from = messages.len().saturating_sub(MESSAGES);
        let text = |name: &str| open.map(|c| json::text(&c[name])).unwrap_or_default();
        Some(Self {
            connection: connection.clone(),
            chats: all.iter().take(CHATS).map(view).collect(),
            name: open.map(|c| called(w, c)).unwrap_or_default(),
            number: readable(&text("phone")),
            phone: text("phone"),
            user: if text("phone").is_empty() { text("user_id") } else { String::new() },
            messages: messages.iter().skip(from).map(|m| message(w, m, now)).collect(),
        })
    }
}

fn same(a: &Value, b: &Value) -> bool {
    a["phone"] == b["phone"] && a["user_id"] == b["user_id"]
}

fn called(w: Words, chat: &Value) -> String {
    json::opt(&chat["name"])
        .or_else(|| json::opt(&chat["phone"]).map(|p| readable(&p)))
        .or_else(|| json::opt(&chat["username"]))
        .unwrap_or_else(|| w.t("theatre.nameless").to_owned())
}

/// `+57 300 123 4567`; numbers of other countries stay as they are.
pub(super) fn readable(phone: &str) -> String {
    match phone.strip_prefix("+57") {
        Some(rest) if rest.len() == 10 && rest.is_ascii() => {
            format!("+57\u{a0}{}\u{a0}{}\u{a0}{}", &rest[..3], &rest[3..6], &rest[6..])
        }
        _ => phone.to_owned(),
    }
}

fn message(w: Words, m: &Value, now: Timestamp) -> MessageView {
    let status = json::text(&m["status"]);
    let buttons = json::list(&m["buttons"])
        .iter()
        .map(|b| ButtonView { text: json::opt(&b["text"]).unwrap_or_else(|| json::text(b)) });
    MessageView {
        id: json::text(&m["id"]),
        ours: m["from"] == "us",
        text: json::opt(&m["text"]).unwrap_or_else(|| w.t("theatre.no_text").to_owned()),
        at: m["at"].as_str().and_then(|t| Moment::parse(w, t, now)),
        template: json::opt(&m["template"]),
        tick: match status.as_str() {
            "accepted" => "○",
            "sent" => "✓",
            "delivered" | "read" => "✓✓",
            "failed" => "✕",
            _ => "",
        },
        failed: status == "failed",
        status: w.named("tick", &status),
        buttons: buttons.collect(),
    }
}
