//! Webhooks: their management (contract 4.1) and what they send (4.3 to 4.5).
//!
//! The host can reach only the hub, so webhooks to other targets are kept and never sent. A webhook
//! that is registered for the hub's address takes the place of the built-in one.

use super::answers::Refusal;
use super::store::{Actor, Event, MEMBER};
use super::values;
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::{Answer, Attempts, Headers, OutgoingWebhook, Request, SimConfig, sign};
use serde_json::{Map, Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Time from the change to the call, which a worker makes.
const DELAY: Duration = Duration::from_millis(250);

/// Longest time that Twenty waits for the answer.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) const WORKSPACE: &str = "20202020-1c25-4d02-bf25-6aeccf7ea419";
pub(super) const APPLICATION: &str = "4c2a9218-a2c3-4a02-b7b6-89429d0caf14";
const USER: &str = "8d1f4a57-2f0e-4a7b-9a43-6f1c0b5e2d90";

pub(super) struct Hooks {
    /// Path of the hub's address for this connection.
    hub: String,
    rows: Vec<Map<String, Value>>,
    seed: String,
    made: u64,
    sent: u64,
}

impl Hooks {
    pub(super) fn new(config: &SimConfig, operations: Vec<String>) -> Self {
        let hub = format!("/hooks/{}", config.connection);
        let mut hooks = Self { hub, rows: Vec::new(), seed: config.connection.clone(), made: 0, sent: 0 };
        let target = json!(format!("http://hub.example{}", hooks.hub));
        let row = hooks.row(
            target,
            json!(operations),
            json!("Pasarela"),
            config.webhook_secret.clone(),
            Timestamp::UNIX_EPOCH,
        );
        hooks.rows.push(row);
        hooks
    }

    fn derived(&mut self, what: &str) -> Uuid {
        self.made += 1;
        let name = format!("twenty-double/{}/{what}/{}", self.seed, self.made);
        Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
    }

    fn row(
        &mut self,
        target: Value,
        operations: Value,
        description: Value,
        secret: String,
        now: Timestamp,
    ) -> Map<String, Value> {
        let at = values::moment(now);
        let row = json!({
            "id": self.derived("webhook"),
            "targetUrl": target,
            "operations": operations,
            "description": description,
            "secret": secret,
            "workspaceId": WORKSPACE,
            "applicationId": APPLICATION,
            "createdAt": at,
            "updatedAt": at,
            "deletedAt": null,
        });
        row.as_object().cloned().unwrap_or_default()
    }

    /// The older path's list: a bare array.
    pub(super) fn bare_list(&self) -> Answer {
        Answer::json(200, &json!(self.rows))
    }

    /// Calls below `/rest/metadata/webhooks`.
    pub(super) fn manage(&mut self, request: &Request, rest: &[&str], now: Timestamp) -> Result<Answer, Refusal> {
        match (request.method.as_str(), rest) {
            ("GET", []) => {
                let id = |row: Option<&Map<String, Value>>| row.and_then(|r| r.get("id")).cloned();
                let body = json!({
                    "data": self.rows,
                    "pageInfo": {
                        "hasNextPage": false, "hasPreviousPage": false,
                        "startCursor": id(self.rows.first()), "endCursor": id(self.rows.last()),
                    },
                    "totalCount": self.rows.len(),
                });
                Ok(Answer::json(200, &body))
            }
            ("POST", []) => self.create(&body(request)?, now),
            (method, [id]) => {
                let found = self.rows.iter().position(|r| values::text(r, "id") == *id);
                let row = found.and_then(|n| self.rows.get_mut(n));
                match (method, row) {
                    // Unknown ids answer 200 with nothing (recorded).
                    ("GET", None) => Ok(Answer::text(200, "")),
                    ("GET", Some(row)) => Ok(Answer::json(200, &json!(row))),
                    ("PATCH", Some(row)) => {
                        let change = body(request)?;
                        if let Some(target) = change.get("targetUrl") {
                            checked_target(target)?;
                        }
                        for field in ["targetUrl", "operations", "description", "secret"] {
                            if let Some(value) = change.get(field) {
                                row.insert(field.into(), value.clone());
                            }
                        }
                        row.insert("updatedAt".into(), json!(values::moment(now)));
                        Ok(Answer::json(200, &json!(row)))
                    }
                    ("DELETE", Some(_)) => {
                        self.rows.retain(|r| values::text(r, "id") != *id);
                        Ok(Answer::json(200, &json!(true)))
                    }
                    _ => Err(Refusal::not_found()),
                }
            }
            (method, _) => Err(Refusal::not_simulated(method, "/rest/metadata/webhooks")),
        }
    }

    fn create(&mut self, body: &Value, now: Timestamp) -> Result<Answer, Refusal> {
        let target = body.get("targetUrl").cloned().unwrap_or_default();
        checked_target(&target)?;
        let operations = body.get("operations").filter(|o| o.is_array()).cloned().unwrap_or_else(|| json!(["*.*"]));
        let secret = match body.get("secret").and_then(Value::as_str) {
            Some(secret) => secret.to_owned(),
            None => hex::encode(sign::sha256(self.derived("secret").as_bytes())),
        };
        let description = body.get("description").cloned().unwrap_or_default();
        let row = self.row(target, operations, description, secret, now);
        if self.is_hub(&row) {
            let hub = self.hub.clone();
            self.rows.retain(|r| !values::text(r, "targetUrl").ends_with(&hub));
        }
        self.rows.push(row.clone());
        Ok(Answer::json(201, &json!(row)))
    }

    fn is_hub(&self, row: &Map<String, Value>) -> bool {
        values::text(row, "targetUrl").ends_with(&self.hub)
    }

    /// The calls that events cause, one for each event and webhook to the hub.
    pub(super) fn deliver(&mut self, events: &[Event], now: Timestamp) -> Vec<(Duration, OutgoingWebhook)> {
        let mut calls = Vec::new();
        for event in events {
            let kind = format!("{}.{}", event.object.singular, event.action);
            let rows: Vec<Map<String, Value>> =
                self.rows.iter().filter(|r| self.is_hub(r) && wants(r, event)).cloned().collect();
            for row in rows {
                calls.push((DELAY, self.call(&kind, &row, event, now)));
            }
        }
        calls
    }

    fn call(&mut self, kind: &str, row: &Map<String, Value>, event: &Event, now: Timestamp) -> OutgoingWebhook {
        self.sent += 1;
        let sent_at = now.checked_add(SignedDuration::try_from(DELAY).unwrap_or_default()).unwrap_or(now);
        let body = envelope(kind, row, event, sent_at).to_string();
        let stamp = sent_at.as_millisecond().to_string();
        let secret = values::text(row, "secret");
        let nonce = hex::encode(sign::sha256(format!("{}/nonce/{}", self.seed, self.sent).as_bytes()));
        let mut headers = Headers::default();
        headers.set("accept", "application/json, text/plain, */*");
        headers.set("content-type", "application/json");
        // An empty secret, which only old rows have, sends no signature at all.
        if !secret.is_empty() {
            let signature = sign::hmac_sha256_hex(secret.as_bytes(), &[stamp.as_bytes(), b":", body.as_bytes()]);
            headers.set("x-twenty-webhook-timestamp", stamp);
            headers.set("x-twenty-webhook-signature", signature);
            headers.set("x-twenty-webhook-nonce", nonce.get(..32).unwrap_or_default());
        }
        headers.set("user-agent", "axios/1.19.0");
        OutgoingWebhook {
            kind: kind.to_owned(),
            headers,
            body: body.into_bytes().into(),
            attempts: Attempts::Once { timeout: TIMEOUT },
        }
    }
}

/// The body, keys in Twenty's order (contract 4.3).
fn envelope(kind: &str, row: &Map<String, Value>, event: &Event, sent_at: Timestamp) -> Value {
    let object = Uuid::new_v5(&Uuid::NAMESPACE_URL, event.object.singular.as_bytes());
    let mut body = json!({
        "targetUrl": row.get("targetUrl"),
        "eventName": kind,
        "objectMetadata": { "id": object, "nameSingular": event.object.singular },
        "workspaceId": WORKSPACE,
        "webhookId": row.get("id"),
        "eventDate": values::moment(sent_at),
    });
    if let Value::Object(body) = &mut body {
        if matches!(event.by, Actor::Person) {
            body.insert("userId".into(), json!(USER));
            body.insert("workspaceMemberId".into(), json!(MEMBER.0));
        }
        body.insert("record".into(), json!(event.record));
        if let Some(fields) = &event.updated_fields {
            body.insert("updatedFields".into(), json!(fields));
        }
    }
    body
}

/// One of the four forms of an operation, and nothing else (contract 4.2).
fn wants(row: &Map<String, Value>, event: &Event) -> bool {
    let (object, action) = (event.object.singular, event.action);
    let forms = [format!("{object}.{action}"), format!("{object}.*"), format!("*.{action}"), "*.*".to_owned()];
    let operations = row.get("operations").and_then(Value::as_array);
    operations.is_some_and(|all| all.iter().any(|o| forms.iter().any(|f| o == f.as_str())))
}

fn checked_target(target: &Value) -> Result<(), Refusal> {
    let url = target.as_str().unwrap_or_default();
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    if host.is_empty() || url.contains(char::is_whitespace) {
        let text = "Multiple validation errors occurred while creating webhook";
        return Err(Refusal::named("WorkspaceMigrationBuilderException", text));
    }
    Ok(())
}

fn body(request: &Request) -> Result<Value, Refusal> {
    serde_json::from_slice(&request.body).map_err(|_| Refusal::not_json("Unexpected end of JSON input"))
}
