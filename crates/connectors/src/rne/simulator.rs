//! The registry's double: people register by `act`, the service is closed from 02:00 to 02:59 in Bogota, only who is
//! registered is answered, and an exchanged token is dead at once.

use super::EXCHANGE;
use super::wire::{Question, Row, ways};
use jiff::Timestamp;
use pasarela_connector::{Answer, Arrival, Request, SimConfig, SimReply, Simulator};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Keys that are remembered.
const REMEMBERED: usize = 100_000;
/// More than this in one call is too much, also for the real one.
const MOST_KEYS: usize = 500_000;

pub(super) struct Double {
    /// The token that is good now; none before the first is shown.
    token: Option<String>,
    exchanged: u32,
    /// The user has the role.
    allowed: bool,
    /// Kind and key to the ways that are accepted.
    registered: BTreeMap<(String, String), Map<String, Value>>,
    /// Keys that were asked for, and how often.
    asked: BTreeMap<String, u32>,
}

impl Double {
    pub(super) fn new(config: &SimConfig) -> Self {
        let token = config.settings.get("token").and_then(Value::as_str).map(str::to_owned);
        Self { token, exchanged: 0, allowed: true, registered: BTreeMap::new(), asked: BTreeMap::new() }
    }

    /// The first token that is shown is the one of the user, where the double was told of none.
    fn is_known(&mut self, request: &Request) -> bool {
        let shown = request.headers.get("authorization").and_then(|a| a.strip_prefix("Bearer ")).unwrap_or_default();
        !shown.is_empty() && self.token.get_or_insert_with(|| shown.to_owned()) == shown
    }

    fn ask(&mut self, request: &Request) -> Answer {
        let Ok(Question { kind, keys }) = serde_json::from_slice(&request.body) else {
            return Answer::json(400, &json!({ "message": "type y keys" }));
        };
        if !matches!(kind.as_str(), "TEL" | "COR") || keys.is_empty() || keys.len() > MOST_KEYS {
            return Answer::json(400, &json!({ "message": "type TEL o COR, con llaves" }));
        }
        let mut rows = Vec::new();
        for key in keys {
            if self.asked.len() < REMEMBERED || self.asked.contains_key(&key) {
                let times = self.asked.entry(key.clone()).or_default();
                *times = times.saturating_add(1);
            }
            if let Some(options) = self.registered.get(&(kind.clone(), key.clone())) {
                rows.push(Row { llave: key, options: options.clone() });
            }
        }
        Answer::json(200, &json!(rows))
    }
}

impl Simulator for Double {
    fn handle(&mut self, request: &Request, now: Timestamp) -> SimReply {
        let path = request.url.split('?').next().unwrap_or_default();
        let known = [EXCHANGE, "/consultaMasiva/validarExcluidos"].contains(&path);
        SimReply::answer(match request.method.as_str() {
            _ if !known => Answer::json(404, &json!({ "message": "no existe" })),
            _ if !self.is_known(request) => Answer::json(401, &json!({ "message": "token vencido" })),
            _ if !self.allowed => Answer::json(403, &json!({ "message": "sin rol" })),
            "GET" if path == EXCHANGE => {
                self.exchanged = self.exchanged.saturating_add(1);
                let next = format!("rne-token-{}", self.exchanged);
                self.token = Some(next.clone());
                Answer::json(200, &json!({ "data": next }))
            }
            "POST" if path != EXCHANGE && pasarela_colombia::calendar::bogota(now).hour() == 2 => {
                Answer::json(509, &json!({ "message": "actualizando" }))
            }
            "POST" if path != EXCHANGE => self.ask(request),
            _ => Answer::json(405, &json!({ "message": "método" })),
        })
    }

    /// `register {type, key, accepts: [words]}`, `forget {type, key}`, `role {allowed}`, `expire {}`.
    fn act(&mut self, command: &str, args: &Value, _now: Timestamp) -> Result<SimReply, String> {
        let text = |name: &str| args.get(name).and_then(Value::as_str).map(str::to_owned);
        let key = || text("type").zip(text("key")).ok_or("name a type (TEL, COR) and a key");
        match command {
            "register" => {
                let key = key()?;
                let accepts: Vec<&str> =
                    args["accepts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let options = ways(&key.0).iter();
                let options = options.map(|(word, _)| ((*word).to_owned(), json!(accepts.contains(word)))).collect();
                self.registered.insert(key, options);
            }
            "forget" => drop(self.registered.remove(&key()?)),
            "role" => self.allowed = args["allowed"].as_bool().ok_or("allowed is true or false")?,
            "expire" => self.token = Some("vencido".into()),
            other => return Err(format!("there is no command '{other}'; there are register, forget, role, expire")),
        }
        Ok(SimReply::answer(Answer::json(200, args)))
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let arrival = |(key, times): (&String, &u32)| Arrival {
            kind: "question".into(),
            identity: key.clone(),
            times: *times,
            detail: "asked for".into(),
        };
        self.asked.iter().map(arrival).collect()
    }

    /// `registered`: who is in it.
    fn view(&self, what: &str) -> Value {
        match what {
            "registered" => (self.registered.iter())
                .map(|((kind, key), options)| json!({ "type": kind, "key": key, "options": options }))
                .collect(),
            _ => Value::Null,
        }
    }
}
