//! Templates: made, listed, deleted (contract, section 5), and looked up by name and language.
//! How a send fills one is in `fill`.

mod fill;

use super::graph::GraphFault;
use super::parameter;
use crate::whatsapp::settings::is_language;
use crate::whatsapp::wire::{BODY_MAX, is_template_name};
use jiff::Timestamp;
use serde_json::{Value, json};

const FIRST_ID: u64 = 1_689_556_908_129_832;
const PAGE: usize = 100;

/// All templates of the account.
#[derive(Default)]
pub(super) struct Templates {
    list: Vec<Template>,
    made: u64,
}

/// One template in one language.
#[derive(Debug, Clone)]
pub(super) struct Template {
    /// Id as text, as most answers write it.
    pub(super) id: String,
    /// Id as number, as webhooks write it.
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) language: String,
    /// `MARKETING`, `UTILITY`, `AUTHENTICATION`.
    pub(super) category: String,
    /// Set once something other than its approval happened to it.
    state: Option<&'static str>,
    approved_at: Timestamp,
    named: bool,
    /// As they were given.
    components: Vec<Value>,
    /// `TEXT`, `DOCUMENT`, ...; with the text of a text header.
    header: Option<(String, String)>,
    body: String,
    footer: Option<String>,
    buttons: Vec<TemplateButton>,
}

#[derive(Debug, Clone)]
struct TemplateButton {
    /// `QUICK_REPLY`, `URL`, `COPY_CODE`, `OTP`, ...
    kind: String,
    text: String,
    /// Needs a value for the end of its address.
    variable: bool,
}

impl Templates {
    /// Makes a template out of a creation body. `strict`: with Meta's rules about variables and
    /// examples, as the management API has them.
    pub(super) fn create(
        &mut self,
        body: &Value,
        approved_at: Timestamp,
        strict: bool,
    ) -> Result<Template, GraphFault> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or("");
        let (name, language) = (text("name"), text("language"));
        let category = text("category").to_ascii_uppercase();
        let bad = |details: &str| GraphFault::new(100, "Invalid parameter", details);
        if !is_template_name(name) {
            return Err(bad("name must be lower-case letters, digits and _"));
        }
        if !is_language(language) {
            return Err(bad("language is not supported"));
        }
        if !["MARKETING", "UTILITY", "AUTHENTICATION"].contains(&category.as_str()) {
            return Err(bad("category must be MARKETING, UTILITY or AUTHENTICATION"));
        }
        if strict && self.find(name, language).is_some() {
            return Err(GraphFault::template(
                2_388_024,
                "Content in This Language Already Exists",
                format!("There is already {language} content for this template."),
            ));
        }
        let components: Vec<Value> = match body.get("components") {
            Some(Value::Array(list)) => list.clone(),
            _ => return Err(bad("components must be a list")),
        };
        let number = FIRST_ID + self.made;
        let mut template = Template {
            id: number.to_string(),
            number,
            name: name.to_owned(),
            language: language.to_owned(),
            category,
            state: None,
            approved_at,
            named: text("parameter_format").eq_ignore_ascii_case("NAMED"),
            components,
            header: None,
            body: String::new(),
            footer: None,
            buttons: Vec::new(),
        };
        template.read_components();
        template.check(strict)?;
        self.made += 1;
        self.list.retain(|t| t.name != name || t.language != language);
        self.list.push(template.clone());
        Ok(template)
    }

    /// The template of this name in exactly this language.
    pub(super) fn find(&self, name: &str, language: &str) -> Option<&Template> {
        self.list.iter().find(|t| t.name == name && t.language == language)
    }

    /// The template with this id.
    pub(super) fn by_id(&self, id: &str) -> Option<&Template> {
        self.list.iter().find(|t| t.id == id)
    }

    /// Meta pauses a template for low quality.
    pub(super) fn pause(&mut self, name: &str, language: &str) -> Option<Template> {
        let template = self.list.iter_mut().find(|t| t.name == name && t.language == language)?;
        template.state = Some("PAUSED");
        Some(template.clone())
    }

    /// Answer of `GET /{waba_id}/message_templates`.
    pub(super) fn list(&self, query: &[(String, String)], now: Timestamp) -> Value {
        let asked = |name| parameter(query, name);
        let start: usize = asked("after").and_then(|a| a.parse().ok()).unwrap_or(0);
        let limit: usize = asked("limit").and_then(|l| l.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE);
        let found: Vec<&Template> = self
            .list
            .iter()
            .filter(|t| asked("name").is_none_or(|n| t.name.contains(n)))
            .filter(|t| asked("language").is_none_or(|l| t.language == l))
            .filter(|t| asked("status").is_none_or(|s| t.status(now) == s))
            .collect();
        let page: Vec<Value> = found.iter().skip(start).take(limit).map(|t| t.listed(now)).collect();
        let end = start.saturating_add(page.len());
        let mut answer = json!({
            "data": page,
            "paging": { "cursors": { "before": start.to_string(), "after": end.to_string() } },
        });
        if end < found.len()
            && let Some(paging) = answer.get_mut("paging").and_then(Value::as_object_mut)
        {
            paging.insert("next".into(), json!(format!("?after={end}&limit={limit}")));
        }
        answer
    }

    /// Deletes by name in all languages, or one by `hsm_id`.
    pub(super) fn delete(&mut self, query: &[(String, String)]) -> Result<(), GraphFault> {
        let Some(name) = parameter(query, "name") else {
            return Err(GraphFault::new(100, "Invalid parameter", "name is required"));
        };
        let id = parameter(query, "hsm_id");
        let before = self.list.len();
        self.list.retain(|t| t.name != name || id.is_some_and(|id| t.id != id));
        if self.list.len() == before {
            return Err(GraphFault::new(100, "Invalid parameter", "there is no such template"));
        }
        Ok(())
    }
}

impl Template {
    /// `PENDING` until Meta looked at it, then `APPROVED`, unless something happened.
    pub(super) fn status(&self, now: Timestamp) -> &'static str {
        self.state.unwrap_or(if now < self.approved_at { "PENDING" } else { "APPROVED" })
    }

    /// As the list shows it.
    pub(super) fn listed(&self, now: Timestamp) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "language": self.language,
            "status": self.status(now),
            "category": self.category,
            "parameter_format": if self.named { "NAMED" } else { "POSITIONAL" },
            "quality_score": { "score": "UNKNOWN" },
            "components": self.components,
        })
    }

    fn read_components(&mut self) {
        for component in &self.components {
            let text = |name: &str| component.get(name).and_then(Value::as_str).unwrap_or("");
            match text("type").to_ascii_uppercase().as_str() {
                "HEADER" => {
                    self.header = Some((text("format").to_ascii_uppercase(), text("text").to_owned()));
                }
                "BODY" if self.category == "AUTHENTICATION" => {
                    "*{{1}}* es tu código de verificación.".clone_into(&mut self.body);
                }
                "BODY" => text("text").clone_into(&mut self.body),
                "FOOTER" => self.footer = Some(text("text").to_owned()).filter(|t| !t.is_empty()),
                "BUTTONS" => {
                    let buttons = component.get("buttons").and_then(Value::as_array);
                    self.buttons = buttons.into_iter().flatten().map(TemplateButton::read).collect();
                }
                _ => {}
            }
        }
    }

    fn check(&self, strict: bool) -> Result<(), GraphFault> {
        let body = self.body.trim();
        if body.is_empty() {
            return Err(GraphFault::template(
                2_388_072,
                "Message template body is missing",
                "Add a BODY component with a text.",
            ));
        }
        if body.chars().count() > BODY_MAX {
            return Err(GraphFault::template(
                2_388_040,
                "Character Limit Exceeded",
                format!("The body may have {BODY_MAX} characters."),
            ));
        }
        if !strict || self.category == "AUTHENTICATION" {
            return Ok(());
        }
        if body.starts_with("{{") || body.ends_with("}}") {
            return Err(GraphFault::template(
                2_388_299,
                "Variables can't be at the start or end of the template",
                "Move the variable or add text around it.",
            ));
        }
        let names = fill::placeholders(body);
        let in_order = names.iter().enumerate().all(|(i, name)| *name == (i + 1).to_string());
        if !names.is_empty() && !self.named && !in_order {
            return Err(GraphFault::template(
                2_388_072,
                "Variables are not in order",
                "Number the variables from {{1}} without gaps.",
            ));
        }
        let example = if self.named { "body_text_named_params" } else { "body_text" };
        let has_example = self.components.iter().filter_map(|c| c.get("example")).any(|e| e.get(example).is_some());
        if !names.is_empty() && !has_example {
            return Err(GraphFault::template(
                2_388_072,
                "Message template body example is missing",
                format!("Add example.{example} with a value for each variable."),
            ));
        }
        Ok(())
    }
}

impl TemplateButton {
    fn read(button: &Value) -> Self {
        let text = |name: &str| button.get(name).and_then(Value::as_str).unwrap_or("");
        let kind = text("type").to_ascii_uppercase();
        let variable = kind == "OTP" || (kind == "URL" && text("url").contains("{{"));
        let shown = if kind == "COPY_CODE" && text("text").is_empty() { "Copiar código" } else { text("text") };
        Self { text: shown.to_owned(), kind, variable }
    }
}

/// Are the variables of a text numbered, or none?
pub(super) fn positional(text: &str) -> bool {
    fill::placeholders(text).iter().all(|name| name.bytes().all(|b| b.is_ascii_digit()))
}
