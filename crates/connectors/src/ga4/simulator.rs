//! Google's side as a double. It answers 204 to anything, as production does, and keeps only what production
//! would keep: the limits are applied, the stream and its secret are compared, a purchase is known again by its
//! transaction. What was thrown away is there to be seen, which production never shows.

use super::limits::{self, Problem};
use jiff::Timestamp;
use pasarela_connector::{Answer, Arrival, Request, SimConfig, SimReply, Simulator, query_pairs};
use serde_json::{Value, json};

/// Hits that are remembered.
const REMEMBERED: usize = 10_000;

/// The double of one stream.
pub(super) struct Double {
    /// Settings as the connection has them; absent ones are not compared.
    stream: Option<String>,
    secret: Option<String>,
    kept: Vec<Event>,
    thrown: Vec<Value>,
}

struct Event {
    client: String,
    name: String,
    params: Value,
    at: Timestamp,
    times: u32,
}

impl Double {
    pub(super) fn new(config: SimConfig) -> Self {
        let text = |name: &str| config.settings.get(name).and_then(Value::as_str).map(str::to_owned);
        let stream = text("measurement_id").or_else(|| text("firebase_app_id"));
        Self { stream, secret: text("api_secret"), kept: Vec::new(), thrown: Vec::new() }
    }

    fn throw(&mut self, why: &str, body: Value) {
        if self.thrown.len() < REMEMBERED {
            self.thrown.push(json!({ "why": why, "body": body }));
        }
    }

    fn collect(&mut self, request: &Request, query: &str, now: Timestamp) {
        let pairs = query_pairs(query);
        let value = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let stream = value("measurement_id").or_else(|| value("firebase_app_id"));
        let other = |own: &Option<String>, told: Option<&str>| own.as_deref().is_some_and(|own| told != Some(own));
        if stream.is_none() || other(&self.stream, stream) {
            return self.throw("another stream", body);
        }
        if value("api_secret").is_none_or(str::is_empty) || other(&self.secret, value("api_secret")) {
            return self.throw("another api_secret", body);
        }
        if request.body.len() >= limits::BYTES {
            return self.throw("too many bytes", Value::Null);
        }
        if let Some(problem) = limits::problems(&body, now).first() {
            return self.throw(&format!("{}: {}", problem.path, problem.code), body);
        }
        let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let client = text(&body, "client_id") + &text(&body, "app_instance_id");
        let micros = |of: &Value| of.get("timestamp_micros").and_then(Value::as_i64);
        for event in body.get("events").and_then(Value::as_array).into_iter().flatten() {
            let at = micros(event).or(micros(&body)).and_then(|m| Timestamp::from_microsecond(m).ok()).unwrap_or(now);
            let (name, params) = (text(event, "name"), event.get("params").cloned().unwrap_or_default());
            let transaction = text(&params, "transaction_id");
            let room = self.kept.len() < REMEMBERED;
            let known = self.kept.iter_mut().find(|e| {
                name == "purchase" && e.name == name && e.params["transaction_id"].as_str() == Some(&transaction)
            });
            match known {
                // Counted once, however often it comes.
                Some(known) => known.times = known.times.saturating_add(1),
                None if room => {
                    self.kept.push(Event { client: client.clone(), name, params, at, times: 1 });
                }
                None => {}
            }
        }
    }

    fn validate(request: &Request, now: Timestamp) -> Answer {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let enforce = body.get("validation_behavior").and_then(Value::as_str) == Some("ENFORCE_RECOMMENDATIONS");
        // A relaxed reading moves old times instead of refusing them.
        let tells = |p: &Problem| enforce || !p.path.ends_with("timestamp_micros");
        let messages: Vec<Value> = limits::problems(&body, now)
            .iter()
            .filter(|p| tells(p))
            .map(|p| json!({ "fieldPath": p.path, "description": p.text, "validationCode": p.code }))
            .collect();
        Answer::json(200, &json!({ "validationMessages": messages }))
    }
}

impl Simulator for Double {
    fn handle(&mut self, request: &Request, now: Timestamp) -> SimReply {
        let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
        SimReply::answer(match (request.method.as_str(), path) {
            ("POST", "/mp/collect") => {
                self.collect(request, query, now);
                Answer { status: 204, ..Answer::default() }
            }
            ("POST", "/debug/mp/collect") => Self::validate(request, now),
            (_, "/mp/collect" | "/debug/mp/collect") => Answer::text(405, ""),
            _ => Answer::text(404, ""),
        })
    }

    fn act(&mut self, command: &str, _args: &Value, _now: Timestamp) -> Result<SimReply, String> {
        Err(format!("there is no command '{command}': nobody does anything at Google Analytics but look"))
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let identity = |e: &Event| match e.params["transaction_id"].as_str() {
            Some(transaction) => format!("{} {transaction}", e.name),
            None => format!("{} {} {}", e.name, e.client, e.at),
        };
        let arrival = |e: &Event| Arrival {
            kind: e.name.clone(),
            identity: identity(e),
            times: e.times,
            detail: format!("{} of {}", e.name, e.client),
        };
        self.kept.iter().map(arrival).collect()
    }

    /// `events`: what counts; `thrown_away`: what came and does not.
    fn view(&self, what: &str) -> Value {
        match what {
            "events" => self
                .kept
                .iter()
                .map(|e| json!({ "client_id": e.client, "name": e.name, "params": e.params, "at": e.at, "times": e.times }))
                .collect(),
            "thrown_away" => json!(self.thrown),
            _ => Value::Null,
        }
    }
}
