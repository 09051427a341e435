//! Verification: the scheme that the connection names, and no other. Nothing is let in by default.

use super::super::wire::{Encoding, SignedTime, Unit, Verify};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use pasarela_connector::sign::{hmac_sha256, same};
use pasarela_connector::{ConfigError, ConnectionConfig, RawRequest, Verdict};
use pasarela_domain::Secret;
use std::time::Duration;

/// Tolerance of signed times where the connection sets none; that of the Standard Webhooks rules.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(300);

/// Longest header that is looked at: no scheme here needs more.
const LONGEST_HEADER: usize = 4096;

/// Who may come in.
pub(in super::super) struct Gate {
    scheme: Option<Scheme>,
    secrets: Vec<Secret>,
    max_age_ms: i128,
}

enum Scheme {
    Hmac { header: String, encoding: Encoding, prefix: String, time: Option<SignedTime> },
    StandardWebhooks { keys: Vec<Vec<u8>> },
    Bearer { header: Option<String> },
    Basic,
}

const AUTHENTIC: Verdict = Verdict::Authentic { replay_key: None };

impl Gate {
    pub(in super::super) fn new(verify: Option<Verify>, config: &ConnectionConfig) -> Result<Self, ConfigError> {
        let secrets = config.webhook_secrets.clone();
        if let Some(n) = secrets.iter().position(|secret| secret.expose().trim().is_empty()) {
            return Err(config.error(format!("webhook_secrets[{n}] is empty: anyone could sign with it")));
        }
        let header = |setting: &str, name: String| {
            if super::super::effects::is_header_name(&name) {
                Ok(name.to_ascii_lowercase())
            } else {
                Err(config
                    .error(format!("verify.{setting} = {name:?} is not a header name; write such as \"x-signature\"")))
            }
        };
        let scheme = match verify {
            None => None,
            Some(Verify::HmacSha256 { header: name, encoding, prefix, timestamp }) => {
                let time = match timestamp {
                    None => None,
                    Some(time) => Some(SignedTime { header: header("timestamp.header", time.header)?, ..time }),
                };
                Some(Scheme::Hmac { header: header("header", name)?, encoding, prefix, time })
            }
            Some(Verify::StandardWebhooks {}) => {
                let keys = secrets.iter().enumerate().map(|(n, secret)| {
                    standard_key(secret.expose()).ok_or_else(|| {
                        config.error(format!(
                            "webhook_secrets[{n}] is not a Standard Webhooks secret: `whsec_` and base64"
                        ))
                    })
                });
                Some(Scheme::StandardWebhooks { keys: keys.collect::<Result<_, _>>()? })
            }
            Some(Verify::Bearer { header: name }) => {
                Some(Scheme::Bearer { header: name.map(|name| header("header", name)).transpose()? })
            }
            Some(Verify::Basic {}) => {
                let is_pair = |secret: &Secret| {
                    (secret.expose().split_once(':'))
                        .is_some_and(|(name, password)| !name.is_empty() && !password.is_empty())
                };
                if let Some(n) = secrets.iter().position(|secret| !is_pair(secret)) {
                    return Err(config.error(format!(
                        "webhook_secrets[{n}] must be name:password for verify.scheme basic, neither of them empty"
                    )));
                }
                Some(Scheme::Basic)
            }
        };
        let max_age = config.signature_max_age.unwrap_or(DEFAULT_MAX_AGE);
        Ok(Self { scheme, secrets, max_age_ms: i128::try_from(max_age.as_millis()).unwrap_or(i128::MAX) })
    }

    pub(in super::super) fn verify(&self, request: &RawRequest<'_>, now: Timestamp) -> Verdict {
        let Some(scheme) = &self.scheme else {
            return Verdict::Forged("this connection has no `verify` setting, so it takes no webhooks");
        };
        if self.secrets.is_empty() {
            return Verdict::Forged("this connection has no webhook_secrets, so it takes no webhooks");
        }
        if request.method != "POST" {
            return Verdict::Forged("only POST brings events here");
        }
        let verdict = match scheme {
            Scheme::Hmac { header, encoding, prefix, time } => {
                self.hmac(request, now, header, *encoding, prefix, time.as_ref())
            }
            Scheme::StandardWebhooks { keys } => self.standard_webhooks(request, now, keys),
            Scheme::Bearer { header } => self.bearer(request, header.as_deref()),
            Scheme::Basic => self.basic(request),
        };
        verdict.unwrap_or_else(Verdict::Forged)
    }

    fn hmac(
        &self,
        request: &RawRequest<'_>,
        now: Timestamp,
        header: &str,
        encoding: Encoding,
        prefix: &str,
        time: Option<&SignedTime>,
    ) -> Result<Verdict, &'static str> {
        let text = read(request, header).ok_or("the signature header is missing")?;
        let text = text.strip_prefix(prefix).ok_or("the signature does not begin with the configured prefix")?;
        let mac = decode(text, encoding).ok_or("the signature is not a SHA-256 MAC in the configured encoding")?;
        let matches = |parts: &[&[u8]]| {
            let found = self.secrets.iter().any(|secret| same(&hmac_sha256(secret.expose().as_bytes(), parts), &mac));
            if found { Ok(AUTHENTIC) } else { Err("the signature matches no secret") }
        };
        match time {
            None => matches(&[request.body]),
            Some(time) => {
                let stamp = read(request, &time.header).ok_or("the time header is missing")?;
                self.in_time(stamp, time.unit, now)?;
                matches(&[stamp.as_bytes(), time.separator.as_bytes(), request.body])
            }
        }
    }

    /// standardwebhooks.com: `v1,<base64>` of HMAC-SHA256 over `id.timestamp.body`; several, with
    /// blanks between, while the sender rotates.
    fn standard_webhooks(
        &self,
        request: &RawRequest<'_>,
        now: Timestamp,
        keys: &[Vec<u8>],
    ) -> Result<Verdict, &'static str> {
        let id = read(request, "webhook-id").filter(|id| !id.is_empty()).ok_or("webhook-id is missing")?;
        let stamp = read(request, "webhook-timestamp").ok_or("webhook-timestamp is missing")?;
        let signatures = read(request, "webhook-signature").ok_or("webhook-signature is missing")?;
        self.in_time(stamp, Unit::Seconds, now)?;
        // One MAC per key, however many signatures a caller sends.
        for key in keys {
            let mac = hmac_sha256(key, &[id.as_bytes(), b".", stamp.as_bytes(), b".", request.body]);
            let found = (signatures.split(' '))
                .filter_map(|signature| decode(signature.strip_prefix("v1,")?, Encoding::Base64))
                .any(|candidate| same(&mac, &candidate));
            if found {
                return Ok(Verdict::Authentic { replay_key: Some(id.to_owned()) });
            }
        }
        Err("no v1 signature matches a secret")
    }

    fn bearer(&self, request: &RawRequest<'_>, header: Option<&str>) -> Result<Verdict, &'static str> {
        let token = match header {
            Some(header) => read(request, header).ok_or("the token header is missing")?,
            None => authorization(request, "bearer").ok_or("there is no Authorization: Bearer")?,
        };
        self.known(token.as_bytes()).ok_or("the token is not one of the secrets")
    }

    fn basic(&self, request: &RawRequest<'_>) -> Result<Verdict, &'static str> {
        let encoded = authorization(request, "basic").ok_or("there is no Authorization: Basic")?;
        let pair = STANDARD.decode(encoded).map_err(|_| "Authorization: Basic is not base64")?;
        self.known(&pair).ok_or("name and password are not one of the secrets")
    }

    fn known(&self, candidate: &[u8]) -> Option<Verdict> {
        self.secrets.iter().any(|secret| secret.matches(candidate)).then_some(AUTHENTIC)
    }

    /// Neither too old (replays) nor from the future (a replay kept for later).
    fn in_time(&self, stamp: &str, unit: Unit, now: Timestamp) -> Result<(), &'static str> {
        // Digits only: `+5` or ` 5` would be the same time under another signature.
        if stamp.is_empty() || !stamp.bytes().all(|b| b.is_ascii_digit()) {
            return Err("the time of the signature is not a number");
        }
        let at = stamp.parse::<i64>().map_err(|_| "the time of the signature is out of range")?;
        let at_ms = match unit {
            Unit::Seconds => i128::from(at) * 1000,
            Unit::Milliseconds => i128::from(at),
        };
        let age = i128::from(now.as_millisecond()) - at_ms;
        if age > self.max_age_ms {
            return Err("the signature is too old");
        }
        if age < -self.max_age_ms {
            return Err("the signature is from the future");
        }
        Ok(())
    }
}

fn read<'r>(request: &RawRequest<'r>, header: &str) -> Option<&'r str> {
    (request.header)(header).filter(|value| value.len() <= LONGEST_HEADER)
}

/// What follows the scheme, whose name has no case (RFC 9110, 11.1).
fn authorization<'r>(request: &RawRequest<'r>, scheme: &str) -> Option<&'r str> {
    let (name, rest) = read(request, "authorization")?.split_once(' ')?;
    name.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// A MAC of 32 bytes, decoded without allocating.
fn decode(text: &str, encoding: Encoding) -> Option<[u8; 32]> {
    let mut mac = [0; 32];
    match encoding {
        Encoding::Hex => hex::decode_to_slice(text, &mut mac).ok()?,
        Encoding::Base64 => {
            // Base64 decodes in groups of three bytes.
            let mut groups = [0; 33];
            if STANDARD.decode_slice(text, &mut groups).ok()? != mac.len() {
                return None;
            }
            mac.copy_from_slice(groups.get(..32)?);
        }
    }
    Some(mac)
}

/// The bytes of a `whsec_` secret; the rules let the prefix be left out.
fn standard_key(secret: &str) -> Option<Vec<u8>> {
    let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
    STANDARD.decode(encoded).ok().filter(|key| !key.is_empty())
}
