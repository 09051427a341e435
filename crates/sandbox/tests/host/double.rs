//! A double that counts orders and sends the webhooks that it is told to.

use jiff::Timestamp;
use pasarela_connector::{Answer, Arrival, Attempts, Headers, OutgoingWebhook, Request, SimReply, Simulator};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Double {
    orders: BTreeMap<String, u32>,
    seen: Vec<Value>,
}

impl Simulator for Double {
    /// `POST /orders`: the body is the identity. `GET /broken`: an answer that HTTP does not allow.
    fn handle(&mut self, request: &Request, _: Timestamp) -> SimReply {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        self.seen.push(json!({
            "method": request.method, "url": request.url, "key": request.headers.get("x-key"), "length": request.body.len(),
        }));
        match request.url.as_str() {
            "/broken" => SimReply::answer(Answer::text(200, "x").header("bad name", "x")),
            "/nothing" => SimReply::default(),
            "/empty" => SimReply::answer(Answer { status: 204, ..Answer::default() }),
            _ => {
                *self.orders.entry(body.clone()).or_default() += 1;
                let answer = Answer::json(201, &json!({ "order": body })).header("x-double", "yes");
                SimReply {
                    answer,
                    webhooks: vec![(Duration::ZERO, webhook("order.created", &body, Attempts::Persistent))],
                }
            }
        }
    }

    /// `send {texts, after_ms, once_ms}`: one webhook per text.
    fn act(&mut self, command: &str, args: &Value, _: Timestamp) -> Result<SimReply, String> {
        if command != "send" {
            return Err(format!("no command {command:?}; there is send"));
        }
        let texts = args["texts"].as_array().ok_or("send needs texts, a list")?;
        let attempts = match args["once_ms"].as_u64() {
            Some(ms) => Attempts::Once { timeout: Duration::from_millis(ms) },
            None => Attempts::Persistent,
        };
        let after = Duration::from_millis(args["after_ms"].as_u64().unwrap_or(0));
        let one = |t: &Value| (after, webhook("note", t.as_str().unwrap_or("?"), attempts));
        Ok(SimReply {
            answer: Answer::json(200, &json!({ "sent": texts.len() })),
            webhooks: texts.iter().map(one).collect(),
        })
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let one = |(identity, times): (&String, &u32)| Arrival {
            kind: "order".into(),
            identity: identity.clone(),
            times: *times,
            detail: format!("order {identity}"),
        };
        self.orders.iter().map(one).collect()
    }

    fn view(&self, what: &str) -> Value {
        match what {
            "seen" => self.seen.clone().into(),
            "chats" => json!([{ "phone": "+573001234567", "name": "Ana Ruiz", "messages": [
                { "from": "us", "text": "Hola", "at": "2026-11-27T00:00:00Z", "status": "read", "template": null },
            ] }]),
            _ => Value::Null,
        }
    }
}

fn webhook(kind: &str, text: &str, attempts: Attempts) -> OutgoingWebhook {
    let mut headers = Headers::default();
    headers.set("content-type", "text/plain");
    headers.set("x-signature", format!("of {text}"));
    headers.set("user-agent", "something else");
    OutgoingWebhook { kind: kind.into(), headers, body: text.to_owned().into(), attempts }
}
