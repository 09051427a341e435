//! What the messages endpoint refuses at once, by type of message (contract, sections 2 and 8).

use super::text;
use crate::whatsapp::simulator::Double;
use crate::whatsapp::simulator::graph::GraphFault;
use crate::whatsapp::simulator::guests::ShownButton;
use crate::whatsapp::wire::TEXT_MAX;
use jiff::Timestamp;
use serde_json::Value;

/// A message that passed the checks.
pub(super) struct Checked {
    /// Template's name, else the type.
    pub(super) label: String,
    pub(super) template: Option<String>,
    /// Category under which it is charged, in lower case.
    pub(super) category: String,
    pub(super) text: String,
    pub(super) buttons: Vec<ShownButton>,
    pub(super) params: Value,
}

impl Double {
    /// Checks the body of a send, recipient apart.
    pub(super) fn check(
        &self,
        body: &Value,
        marketing_door: bool,
        is_phone: bool,
        now: Timestamp,
    ) -> Result<Checked, GraphFault> {
        let kind = match text(body, "type") {
            "" => "text",
            kind => kind,
        };
        if marketing_door && kind != "template" {
            return Err(GraphFault::invalid("marketing_messages takes only type template"));
        }
        let content = match body.get(kind) {
            Some(content) if content.is_object() || kind == "contacts" => content,
            _ => return Err(GraphFault::missing(kind)),
        };
        let plain = |text: String| Checked {
            label: kind.to_owned(),
            template: None,
            category: "service".to_owned(),
            text,
            buttons: Vec::new(),
            params: Value::Null,
        };
        Ok(match kind {
            "template" => return self.check_template(content, marketing_door, is_phone, now),
            "text" => {
                let words = text(content, "body");
                if words.is_empty() {
                    return Err(GraphFault::missing("text.body"));
                }
                if words.chars().count() > TEXT_MAX {
                    return Err(GraphFault::new(100, "Param text['body'] must be at most 4096 characters long.", ""));
                }
                plain(words.to_owned())
            }
            "image" | "video" | "audio" | "document" | "sticker" => {
                if text(content, "link").is_empty() == text(content, "id").is_empty() {
                    return Err(GraphFault::invalid(format!("{kind} needs either link or id")));
                }
                let words = [text(content, "filename"), text(content, "caption")];
                let shown: Vec<&str> = words.into_iter().filter(|w| !w.is_empty()).collect();
                plain(if shown.is_empty() { format!("[{kind}]") } else { shown.join("\n") })
            }
            "reaction" => plain(text(content, "emoji").to_owned()),
            "location" => plain(format!("📍 {}", text(content, "name"))),
            "contacts" => plain("👤".to_owned()),
            "interactive" => {
                let words = content.get("body").map(|b| text(b, "text")).unwrap_or("");
                if words.is_empty() {
                    return Err(GraphFault::missing("interactive.body.text"));
                }
                Checked { buttons: interactive_buttons(content)?, ..plain(words.to_owned()) }
            }
            other => return Err(GraphFault::invalid(format!("type '{other}' is not known"))),
        })
    }

    fn check_template(
        &self,
        content: &Value,
        marketing_door: bool,
        is_phone: bool,
        now: Timestamp,
    ) -> Result<Checked, GraphFault> {
        let name = text(content, "name");
        let code = content.get("language").map(|l| text(l, "code")).unwrap_or("");
        for (parameter, value) in [("template.name", name), ("template.language.code", code)] {
            if value.is_empty() {
                return Err(GraphFault::missing(parameter));
            }
        }
        let absent = || {
            GraphFault::new(
                132_001,
                "Template name does not exist in the translation",
                format!("template name ({name}) does not exist in {code}"),
            )
        };
        let template = self.templates.find(name, code).ok_or_else(absent)?;
        match template.status(now) {
            "APPROVED" => {}
            "PAUSED" => {
                return Err(GraphFault::new(132_015, "Template is paused", "Template is paused due to low quality"));
            }
            _ => return Err(absent()),
        }
        if template.category == "AUTHENTICATION" && !is_phone {
            return Err(GraphFault::new(
                131_062,
                "Business-scoped user ID recipients are not supported for this message",
                "Authentication templates need a phone number in the field to.",
            ));
        }
        if marketing_door && template.category != "MARKETING" {
            return Err(GraphFault::invalid("the template is not of category MARKETING"));
        }
        let filled = template.fill(content.get("components").unwrap_or(&Value::Null))?;
        Ok(Checked {
            label: name.to_owned(),
            template: Some(name.to_owned()),
            category: match marketing_door {
                true => "marketing_lite".to_owned(),
                false => template.category.to_ascii_lowercase(),
            },
            text: filled.text,
            buttons: filled.buttons,
            params: filled.params,
        })
    }
}

fn interactive_buttons(content: &Value) -> Result<Vec<ShownButton>, GraphFault> {
    let list = |path: &str| content.pointer(path).and_then(Value::as_array).into_iter().flatten();
    let replies = list("/action/buttons").filter_map(|b| b.get("reply")).map(|r| (r, 20));
    let rows =
        list("/action/sections").filter_map(|s| s.get("rows").and_then(Value::as_array)).flatten().map(|r| (r, 24));
    let mut shown = Vec::new();
    for (reply, max) in replies.chain(rows) {
        let title = text(reply, "title");
        if title.is_empty() || title.chars().count() > max {
            return Err(GraphFault::invalid(format!("Button title length invalid. Min length: 1, Max length: {max}")));
        }
        shown.push(ShownButton { text: title.to_owned(), payload: Some(text(reply, "id").to_owned()) });
    }
    Ok(shown)
}
