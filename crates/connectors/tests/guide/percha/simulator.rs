//! Percha's double: garments that somebody hangs up, reservations, signed webhooks.

use super::inbound::SIGNATURE;
use super::wire::Garment;
use jiff::Timestamp;
use pasarela_connector::{
    Answer, Arrival, Attempts, Headers, OutgoingWebhook, Request, SimConfig, SimReply, Simulator, sign,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) struct Double {
    secret: String,
    garments: BTreeMap<String, Garment>,
    /// Key of the reservation to garment and how often it was asked for.
    reserved: BTreeMap<String, (String, u32)>,
}

impl Double {
    pub(super) fn new(config: SimConfig) -> Self {
        Self { secret: config.webhook_secret, garments: BTreeMap::new(), reserved: BTreeMap::new() }
    }

    fn reserve(&mut self, garment: &str, key: &str) -> Answer {
        if !self.garments.contains_key(garment) {
            return Answer::json(404, &json!({ "error": "no such garment" }));
        }
        if let Some((_, times)) = self.reserved.get_mut(key) {
            *times = times.saturating_add(1);
        } else if self.reserved.values().any(|(taken, _)| taken == garment) {
            return Answer::json(409, &json!({ "error": "reserved" }));
        } else {
            self.reserved.insert(key.to_owned(), (garment.to_owned(), 1));
        }
        Answer::json(201, &json!({ "id": format!("r-{garment}") }))
    }

    fn told(&self, garment: &Garment) -> OutgoingWebhook {
        let body = json!({ "event": "garment.changed", "garment": garment }).to_string();
        let mut headers = Headers::default();
        headers.set("content-type", "application/json");
        headers.set(SIGNATURE, sign::hmac_sha256_hex(self.secret.as_bytes(), &[body.as_bytes()]));
        OutgoingWebhook {
            kind: "garment.changed".into(),
            headers,
            body: body.into(),
            attempts: Attempts::Once { timeout: Duration::from_secs(5) },
        }
    }
}

impl Simulator for Double {
    fn handle(&mut self, request: &Request, _now: Timestamp) -> SimReply {
        let path = request.url.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        if !request.headers.get("authorization").is_some_and(|a| a.starts_with("Bearer ")) {
            return SimReply::answer(Answer::json(401, &json!({ "error": "no token" })));
        }
        SimReply::answer(match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["v2", "garments"]) => {
                Answer::json(200, &json!({ "garments": self.garments.values().collect::<Vec<_>>() }))
            }
            ("POST", ["v2", "garments", garment, "reservations"]) => {
                let key = request.headers.get("idempotency-key").unwrap_or_default().to_owned();
                self.reserve(garment, &key)
            }
            _ => Answer::json(404, &json!({ "error": "not found" })),
        })
    }

    /// `hang {id, name, price}`: somebody hangs a garment up.
    fn act(&mut self, command: &str, args: &Value, _now: Timestamp) -> Result<SimReply, String> {
        if command != "hang" {
            return Err(format!("there is no command '{command}'; there is hang"));
        }
        let garment: Garment = serde_json::from_value(args.clone()).map_err(|e| e.to_string())?;
        let webhook = self.told(&garment);
        self.garments.insert(garment.id.clone(), garment);
        Ok(SimReply { answer: Answer::json(200, args), webhooks: vec![(Duration::from_millis(100), webhook)] })
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let arrival = |(key, (garment, times)): (&String, &(String, u32))| Arrival {
            kind: "reservation".into(),
            identity: key.clone(),
            times: *times,
            detail: format!("garment {garment}"),
        };
        self.reserved.iter().map(arrival).collect()
    }
}
