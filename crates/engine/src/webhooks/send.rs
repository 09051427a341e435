//! What is sent, made right before it leaves: the event as it stands, signed by every secret that is live
//! (Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp`, `webhook-signature`).

use super::endpoint::Endpoint;
use super::{Doc, KeptSecret};
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use pasarela_connector::{Outcome, Request, sign};
use pasarela_domain::{Envelope, EventId, Secret};
use pasarela_store::Error;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// After a look at the store that failed.
const PAUSE: Duration = Duration::from_millis(250);
/// What of an answer to a trial is shown.
const SHOWN: usize = 500;

/// A secret that signs nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a secret is 'whsec_' and the base64 of 24 to 64 random bytes; leave it out and the hub makes one")]
pub struct SecretError;

/// Is this a secret of the Standard Webhooks rules?
///
/// # Errors
/// It is none.
pub fn check_secret(secret: &str) -> Result<(), SecretError> {
    key(secret).map(drop).ok_or(SecretError)
}

/// A secret of the Standard Webhooks rules, of random bytes.
#[must_use]
pub fn signing_secret(random: &[u8; 32]) -> Secret {
    Secret::new(format!("whsec_{}", STANDARD.encode(random)))
}

fn key(secret: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
    (24..=64).contains(&bytes.len()).then_some(bytes)
}

/// How a trial went.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct TestOutcome {
    /// `webhook-id` that was sent.
    pub id: String,
    /// Was it answered with 2xx?
    pub delivered: bool,
    /// HTTP status; none when nobody answered.
    pub status: Option<u16>,
    /// Time until the answer, in milliseconds.
    pub millis: u64,
    /// What the endpoint said, its first 500 characters.
    pub answer: Option<String>,
    /// Why there was no answer.
    pub problem: Option<String>,
}

/// What becomes of an effect whose turn it is.
pub(crate) enum Notice {
    /// It goes out.
    Send(Request),
    /// It ends without a call.
    End(Outcome),
    /// The store is closed: nobody can say.
    Closed,
}

/// The body: the event as the API has it, and `timestamp` as the rules name the time it happened.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    event: &'a Envelope,
    timestamp: Timestamp,
}

impl Inner {
    /// The request of an effect.
    pub(crate) async fn notice(&self, endpoint: &Endpoint, input: &Value) -> Notice {
        let Some(id) = input["event"].as_str().and_then(|id| id.parse::<EventId>().ok()) else {
            return Notice::End(Outcome::NeedsHuman { why: "the effect names no event; please report it".into() });
        };
        let row = loop {
            match self.store.event(id).await {
                Ok(row) => break row,
                Err(Error::Closed | Error::Fenced) => return Notice::Closed,
                Err(_) if self.is_stopping() => return Notice::Closed,
                Err(error) => {
                    tracing::warn!(%error, "an event cannot be read; its webhook waits");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        let event = row.and_then(|row| self.envelope(&row).ok());
        let Some(event) = event.filter(|e| e.data.get("erased") != Some(&Value::Bool(true))) else {
            let why = "the event was erased or removed after its time";
            return Notice::End(Outcome::dropped("event_gone", why));
        };
        let body = serde_json::to_vec(&Body { timestamp: event.occurred_at, event: &event }).unwrap_or_default();
        let terms = endpoint.terms.load();
        Notice::Send(request(&terms.doc, &event.id.to_string(), body, self.clock.now()))
    }

    /// Sends an event that tells of nothing, once, and waits for the answer.
    pub(super) async fn try_webhook(&self, connection: &ConnectionRuntime, doc: &Doc) -> TestOutcome {
        let now = self.clock.now();
        let id = self.next_effect_id(now).to_string().replacen("eff_", "test_", 1);
        let body = json!({
            "id": id, "type": "webhook.test", "timestamp": now, "connection": crate::ledger::LEDGER,
            "key": format!("webhook:{}", doc.id), "occurred_at": now, "received_at": now,
            "data": { "webhook": doc.id, "message": "Pasarela: a trial, nothing happened" },
        });
        let request = request(doc, &id, serde_json::to_vec(&body).unwrap_or_default(), now);
        let began = Instant::now();
        let answer = self.client.call(&request, &[], connection.allow_private, connection.limits.timeout).await;
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match answer {
            Ok(answer) => TestOutcome {
                id,
                delivered: answer.is_success(),
                status: Some(answer.status),
                millis,
                answer: Some(answer.excerpt(SHOWN)),
                problem: None,
            },
            Err(no) => TestOutcome { id, delivered: false, status: None, millis, answer: None, problem: Some(no.why) },
        }
    }
}

fn request(doc: &Doc, id: &str, body: Vec<u8>, now: Timestamp) -> Request {
    let stamp = now.as_second().to_string();
    let mut request = Request::new("POST", &doc.url);
    for (name, value) in &doc.headers {
        request = request.header(name, value);
    }
    let signature = signatures(&doc.secrets, id, &stamp, &body, now);
    request = request
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", stamp)
        .header("webhook-signature", signature);
    request.body = body.into();
    request
}

/// One signature per live secret, with blanks between.
fn signatures(secrets: &[KeptSecret], id: &str, stamp: &str, body: &[u8], now: Timestamp) -> String {
    let live = secrets.iter().filter(|s| s.signs(now)).filter_map(|s| key(&s.secret));
    let signed = live.map(|key| {
        let mac = sign::hmac_sha256(&key, &[id.as_bytes(), b".", stamp.as_bytes(), b".", body]);
        format!("v1,{}", STANDARD.encode(mac))
    });
    signed.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks libraries.
    #[test]
    fn the_signature_is_that_of_the_rules() {
        let secret = |secret: &str, ends_at: Option<i64>| KeptSecret {
            id: "s".into(),
            secret: secret.into(),
            created_at: Timestamp::UNIX_EPOCH,
            ends_at: ends_at.map(|s| Timestamp::from_second(s).unwrap()),
        };
        let now = Timestamp::from_second(1_614_265_330).unwrap();
        let known = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None);
        let over = secret("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Some(1_614_265_330));
        let signed = |secrets: &[KeptSecret]| {
            signatures(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#, now)
        };
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed(&[known.clone()]), expected);
        assert_eq!(signed(&[over, known.clone()]), expected, "a secret that has ended signs nothing");
        assert_eq!(signed(&[known.clone(), known]), format!("{expected} {expected}"));
    }

    #[test]
    fn a_short_secret_is_none() {
        for wrong in ["", "secret", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert_eq!(check_secret(wrong), Err(SecretError), "{wrong}");
        }
        assert_eq!(check_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Ok(()));
    }
}
