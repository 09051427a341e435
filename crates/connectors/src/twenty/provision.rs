//! The workspace's schema, brought to the fashion model (contract 3.2 to 3.4, 4.1).
//!
//! Promise: only what is missing is made. Nothing is deleted or renamed; a field of another type, or one that is
//! switched off, is a conflict that is shown. Options of choices are sent whole, with the ids that they have, since
//! leaving one out would move records without a word (contract 3.3).
//! What it is not: no rename of labels that people changed, no page layouts, and nothing by GraphQL.

pub(in crate::twenty) mod model;
mod plan;
mod seen;
mod survey;

use super::effects::judge;
use super::wire::ErrorBody;
use super::{Connection, Settings};
use pasarela_connector::provision::{self, Applied, Plan, Provisioner, Survey, Wanted};
use pasarela_connector::{Answer, Ctx, Outcome, Request};
use plan::{Planner, Step};
use seen::Seen;
use serde_json::Value;

/// Where the schema is.
const METADATA: &str = "/rest/metadata";

/// Name of the hub's own field where the connection's settings name none.
pub(super) const HUB_ID: &str = "hubId";

/// The field that takes the hub's key.
pub(super) fn hub_id(settings: &Settings) -> &str {
    settings.hub_id_field.as_deref().filter(|field| !field.is_empty()).unwrap_or(HUB_ID)
}

impl Connection {
    fn planner<'a>(&'a self, ask: &'a Wanted<'a>, seen: &'a Seen) -> Planner<'a> {
        let secrets = self.config.webhook_secrets.iter().map(|s| s.expose()).collect();
        Planner { hub_id: hub_id(&self.settings), hook: ask.hook, secrets, seen }
    }
}

impl Provisioner for Connection {
    fn survey(
        &self,
        ask: &Wanted<'_>,
        known: Option<&Value>,
        answer: Option<(&Value, &Answer)>,
        ctx: &Ctx<'_>,
    ) -> Survey {
        survey::next(self, ask, known, answer, ctx)
    }

    fn plan(&self, ask: &Wanted<'_>, seen: &Value) -> Plan {
        let seen: Seen = provision::seen(seen);
        let mut plan = self.planner(ask, &seen).plan();
        if self.settings.hub_id_field.as_deref() == Some("") {
            let text = format!(
                "hub_id_field is empty on [connections.{}]: flows write no key of the hub into the field {HUB_ID}; take the line out, and they do",
                self.config.name
            );
            plan.advice.push(text);
        }
        plan
    }

    fn request(&self, ask: &Wanted<'_>, seen: &Value, step: &str) -> Option<Request> {
        let seen: Seen = provision::seen(seen);
        self.planner(ask, &seen).step(step)?.request(|path| self.url(path))
    }

    fn judge(&self, ask: &Wanted<'_>, seen: &Value, step: &str, answer: &Answer, ctx: &Ctx<'_>) -> Applied {
        let mut seen: Seen = provision::seen(seen);
        let Some(stands) = self.planner(ask, &seen).step(step) else { return Applied::no_step(step) };
        let (step, surface) = (stands.step, stands.step.surface());
        if answer.is_success() {
            return match taken(&mut seen, &step, answer) {
                Some(()) => Applied::Done { seen: provision::written(&seen) },
                None => Applied::Unclear { why: format!("HTTP {} without what was made", answer.status) },
            };
        }
        let body: ErrorBody = answer.parse().unwrap_or_default();
        if is_denied(answer, &body) {
            seen.denied.insert(surface);
            let why = format!("the API key's role lacks {}", surface.right());
            return Applied::Refused { seen: provision::written(&seen), why };
        }
        if is_there_already(answer, &step, hub_id(&self.settings)) {
            return Applied::Unclear { why: "somebody made it meanwhile".into() };
        }
        match judge(answer, ctx) {
            // Of a 400 only the server's words are known: it is this step's, and others may still go.
            Some(Outcome::GiveUp { .. } | Outcome::TargetGone { .. } | Outcome::Retry { .. })
                if (400..500).contains(&answer.status) =>
            {
                let why = refusal(answer, &body);
                seen.refused.insert(step.id(), why.clone());
                Applied::Refused { seen: provision::written(&seen), why }
            }
            Some(outcome) => Applied::Stop(outcome),
            None => Applied::Unclear { why: format!("HTTP {}", answer.status) },
        }
    }
}

/// What an answer shows was made, among what is there.
fn taken(seen: &mut Seen, step: &Step, answer: &Answer) -> Option<()> {
    let made = seen::unwrapped(answer)?;
    match step {
        Step::Object(_) => seen.take_object(&made),
        Step::Field(def) => seen.take_field(def.object, &made),
        Step::Stages => seen.take_field(model::STAGE.0, &made),
        Step::View(_) => seen.take_view(&made),
        Step::Column(..) => seen.take_column(&made),
        Step::Filter(_) => seen.take_filter(&made),
        Step::Hook => {
            // The answer shows the secret, as the list does; what was seen says only whether it is ours.
            let mut hook = seen::Hook::read(&made, &[])?;
            hook.secret_known = true;
            seen.hooks.retain(|h| h.id != hook.id);
            seen.hooks.push(hook);
            Some(())
        }
    }
}

/// Does the role lack the right? 403 for objects and fields, 400 for webhooks, and for a role whose rights end at
/// some of it either (contract 1.2). A revoked key is a 403 too, and another matter.
fn is_denied(answer: &Answer, body: &ErrorBody) -> bool {
    matches!(answer.status, 400 | 403)
        && (body.code == "PERMISSION_DENIED" || body.text().contains("does not have permission"))
}

/// A create of what is there: 400 METADATA_VALIDATION_ERROR with one of these codes (contract 3.2). A name that is
/// taken on the other side of a relation is no such thing.
fn is_there_already(answer: &Answer, step: &Step, hub_id: &str) -> bool {
    let name = match step {
        Step::Field(def) if matches!(def.kind, model::Kind::HubId) => hub_id,
        Step::Field(def) => def.name,
        _ => "",
    };
    complaints(answer).iter().any(|c| {
        c.code == "OBJECT_ALREADY_EXISTS" || (c.code == "NOT_AVAILABLE" && c.value.as_deref().is_none_or(|v| v == name))
    })
}

/// One complaint of a METADATA_VALIDATION_ERROR.
#[derive(PartialEq)]
struct Complaint {
    code: String,
    message: String,
    value: Option<String>,
}

/// The complaints of a METADATA_VALIDATION_ERROR, each once, causes first.
fn complaints(answer: &Answer) -> Vec<Complaint> {
    let body: Value = answer.parse().unwrap_or_default();
    let groups = body.get("errors").and_then(Value::as_object);
    let mut all = Vec::new();
    for entry in groups.into_iter().flat_map(|g| g.values()).filter_map(Value::as_array).flatten() {
        for error in entry.get("errors").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
            let said = Complaint {
                code: text("code").unwrap_or_default(),
                message: text("message").unwrap_or_default(),
                value: text("value"),
            };
            if !all.contains(&said) {
                all.push(said);
            }
        }
    }
    // What follows from a refused object or field says only that it is not there.
    all.sort_by_key(|c| matches!(c.code.as_str(), "OBJECT_METADATA_NOT_FOUND" | "INVALID_VIEW_DATA"));
    all
}

/// A refusal in the server's words.
fn refusal(answer: &Answer, body: &ErrorBody) -> String {
    let said = complaints(answer).into_iter().map(|c| c.message).find(|m| !m.is_empty());
    let text = said.unwrap_or_else(|| body.text());
    let text = if text.is_empty() { answer.excerpt(200) } else { text };
    format!("Twenty refuses it: {}", text.chars().take(300).collect::<String>())
}
