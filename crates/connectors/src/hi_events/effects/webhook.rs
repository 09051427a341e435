//! A webhook asked for by a flow (contract section 1.7). The hub's own are made by its plan, which keeps their secrets.

use super::answers::refused;
use super::{EVENT_TYPES, HiEventsConnector, ids};
use crate::hi_events::wire;
use jiff::Timestamp;
use pasarela_connector::action::{self, Refused, invalid, read};
use pasarela_connector::{Answer, Call, Done, Outcome, ReadBack, Repeat, Request};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateWebhook {
    /// Organiser whose events are told; the connection's `organizer_id` when absent.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    organizer_id: Option<String>,
    /// Public address of the hook, at most 255 characters. The hub's own webhook is made by `pasarela connections
    /// provision`, which keeps its secret.
    #[schemars(length(max = 255), regex(pattern = r"^https?://"))]
    url: String,
    /// Types to be told; all when absent.
    #[serde(default)]
    event_types: Option<Vec<String>>,
}

impl HiEventsConnector {
    pub(super) fn begin_webhook(&self, input: &Value) -> Result<Call, Refused> {
        let webhook: CreateWebhook = read(input)?;
        let path = format!("/organizers/{}/webhooks", self.webhook_organizer(&webhook)?);
        if webhook.url.len() > 255 || !(webhook.url.starts_with("https://") || webhook.url.starts_with("http://")) {
            return Err(invalid("url: an http(s) address of at most 255 characters"));
        }
        let wanted = webhook.event_types.unwrap_or_else(|| EVENT_TYPES.iter().map(|&t| t.into()).collect());
        if let Some(unknown) = wanted.iter().find(|t| !EVENT_TYPES.contains(&t.as_str())) {
            let all = EVENT_TYPES.join(", ");
            return Err(invalid(format!("event_types: '{unknown}' is none of {all}")));
        }
        // All three always: without status or types the provider fails with a 500.
        let body = json!({ "url": webhook.url, "event_types": wanted, "status": "ENABLED" });
        let request = Request::new("POST", self.url(&path)).json(&body);
        Ok(action::call(request, json!({ "v": 1, "step": "do" }), Repeat::Never))
    }

    fn webhook_organizer(&self, webhook: &CreateWebhook) -> Result<String, Refused> {
        let organizer = webhook
            .organizer_id
            .clone()
            .or_else(|| self.organizer())
            .ok_or_else(|| invalid("organizer_id: name the organiser here, or in the connection's settings"))?;
        ids(&[("organizer_id", &organizer)])?;
        Ok(organizer)
    }

    pub(super) fn ask_webhook(&self, input: &Value) -> Option<Request> {
        let organizer = self.webhook_organizer(&read(input).ok()?).ok()?;
        Some(Request::get(self.url(&format!("/organizers/{organizer}/webhooks"))))
    }
}

pub(super) fn on_webhook(answer: &Answer, now: Timestamp) -> Outcome {
    if let Some(lost) = action::lost(answer) {
        return lost;
    }
    if let Some(outcome) = refused(answer, now) {
        return outcome;
    }
    match answer.parse::<wire::Data<wire::Webhook>>() {
        Ok(wire::Data { data: wire::Webhook { id, url, secret: Some(secret), .. } }) => {
            Outcome::Done(Done { result: json!({ "id": id.0, "url": url, "secret": secret }), reference: Some(id.0) })
        }
        _ => Outcome::NeedsHuman {
            why: "Hi.Events made a webhook, but told no secret: delete it there, and ask again".into(),
        },
    }
}

pub(super) fn judge_webhook(input: &Value, answer: &Answer) -> ReadBack {
    let Some(list) = hooks(answer) else {
        return ReadBack::Unclear("the list of webhooks could not be read".into());
    };
    let url = input.get("url").and_then(Value::as_str).unwrap_or_default();
    match list.iter().find(|w| w.url == url) {
        None => ReadBack::NotThere,
        Some(found) => ReadBack::Unclear(format!(
            "webhook {} has this address, but its secret was told only once, in an answer that was lost: \
             delete it at Hi.Events, and ask again",
            found.id.0
        )),
    }
}

fn hooks(answer: &Answer) -> Option<Vec<wire::Webhook>> {
    answer.parse::<wire::Data<Vec<wire::Webhook>>>().ok().filter(|_| answer.is_success()).map(|list| list.data)
}

/// Addresses that the organiser's webhooks call. A paused one calls nobody.
pub(in crate::hi_events) fn registered(answer: &Answer) -> Option<Vec<String>> {
    let calls = |hook: &wire::Webhook| hook.status != "PAUSED";
    hooks(answer).map(|list| list.into_iter().filter(calls).map(|hook| hook.url).collect())
}
