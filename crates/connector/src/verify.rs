//! Who calls? The ways in which a webhook proves it, written once. A connector describes its provider's
//! way as a [`Scheme`] and asks a [`Gate`].
//!
//! Promise: nothing is believed without a secret; several secrets are live at once, for rotation;
//! comparisons take constant time; a signed time is neither too old (a replay) nor from the future (a
//! replay kept for later). What it is not: a judge of the body, which is not looked into here.

use crate::sign::{ecdsa_p256_matches, hmac_sha256, same};
use crate::{ConnectionConfig, RawRequest, Verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use pasarela_domain::Secret;
use std::borrow::Cow;
use std::time::Duration;

/// Longest header that is looked at: no scheme here needs more.
const LONGEST_HEADER: usize = 4096;

/// How a signature is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal, in either case.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

/// Unit of a time in a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unit {
    /// Seconds since 1970.
    #[default]
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
}

/// A time that is part of what is signed: `<time><separator><body>`.
#[derive(Debug, Clone)]
pub struct SignedTime {
    /// Header that carries it, lower case.
    pub header: Cow<'static, str>,
    /// Its unit.
    pub unit: Unit,
    /// What stands between the time and the body.
    pub separator: Cow<'static, str>,
}

/// A keyed hash of the raw body in a header.
#[derive(Debug, Clone)]
pub struct Hmac {
    /// Header that carries it, lower case.
    pub header: Cow<'static, str>,
    /// How it is written.
    pub encoding: Encoding,
    /// Text in front of it: `sha256=`.
    pub prefix: Cow<'static, str>,
    /// A signed time, where the sender gives one.
    pub time: Option<SignedTime>,
}

impl Hmac {
    /// HMAC-SHA256 of the raw body as hexadecimal digits in this header.
    #[must_use]
    pub fn hex(header: &'static str) -> Self {
        Self { header: Cow::Borrowed(header), encoding: Encoding::Hex, prefix: Cow::Borrowed(""), time: None }
    }

    /// With a text in front.
    #[must_use]
    pub fn prefixed(self, prefix: &'static str) -> Self {
        Self { prefix: Cow::Borrowed(prefix), ..self }
    }

    /// With a signed time, in milliseconds or seconds, before the body.
    #[must_use]
    pub fn timed(self, header: &'static str, unit: Unit, separator: &'static str) -> Self {
        let time = SignedTime { header: Cow::Borrowed(header), unit, separator: Cow::Borrowed(separator) };
        Self { time: Some(time), ..self }
    }
}

/// A way of proving who calls.
#[derive(Debug, Clone)]
pub enum Scheme {
    /// HMAC-SHA256, keyed with the secret as it stands.
    Hmac(Hmac),
    /// standardwebhooks.com: `v1,<base64>` of HMAC-SHA256 over `id.timestamp.body`; several, with blanks
    /// between, while the sender rotates. Secrets are `whsec_` and base64.
    StandardWebhooks,
    /// ECDSA over P-256 with SHA-256, DER in base64, of time and body. Secrets are the provider's public keys
    /// (SubjectPublicKeyInfo in base64).
    EcdsaP256 {
        /// Header that carries the signature, lower case.
        header: Cow<'static, str>,
        /// The signed time.
        time: SignedTime,
    },
    /// A token that the sender repeats. It does not cover the body.
    Bearer {
        /// Header that carries the token as it is; `None`: `Authorization: Bearer TOKEN`.
        header: Option<Cow<'static, str>>,
    },
    /// A name and a password (`name:password` is the secret). It does not cover the body.
    Basic,
}

/// Who may come in at one connection.
pub struct Gate {
    scheme: Option<Scheme>,
    secrets: Vec<Secret>,
    /// Bytes of the secrets, where the scheme writes them in another form.
    keys: Vec<Vec<u8>>,
    max_age_ms: i128,
}

const AUTHENTIC: Verdict = Verdict::Authentic { replay_key: None };

impl Gate {
    /// A gate with a connection's secrets. `scheme`: `None` lets nobody in. `max_age`: of signed times, where the
    /// connection does not say. The error names a secret that cannot be one of this scheme.
    pub fn new(config: &ConnectionConfig, scheme: Option<Scheme>, max_age: Duration) -> Result<Self, String> {
        let secrets = config.webhook_secrets.clone();
        if let Some(n) = secrets.iter().position(|secret| secret.expose().trim().is_empty()) {
            return Err(format!("webhook_secrets[{n}] is empty: anyone could sign with it"));
        }
        let every = |read: fn(&str) -> Option<Vec<u8>>, form: &str| -> Result<Vec<Vec<u8>>, String> {
            let of = |(n, secret): (usize, &Secret)| {
                read(secret.expose().trim()).ok_or_else(|| format!("webhook_secrets[{n}] {form}"))
            };
            secrets.iter().enumerate().map(of).collect()
        };
        let keys = match &scheme {
            Some(Scheme::StandardWebhooks) => {
                every(standard_key, "is not a Standard Webhooks secret: `whsec_` and base64")?
            }
            Some(Scheme::EcdsaP256 { .. }) => every(
                crate::sign::p256_point,
                "is not a public key of the curve P-256, in base64 as the provider shows it",
            )?,
            Some(Scheme::Basic) => every(pair, "must be name:password for verify.scheme basic, neither of them empty")?,
            _ => Vec::new(),
        };
        let max_age = config.signature_max_age.unwrap_or(max_age);
        Ok(Self { scheme, secrets, keys, max_age_ms: i128::try_from(max_age.as_millis()).unwrap_or(i128::MAX) })
    }

    /// Is this request authentic?
    #[must_use]
    pub fn verify(&self, request: &RawRequest<'_>, now: Timestamp) -> Verdict {
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
            Scheme::Hmac(hmac) => self.hmac(request, now, hmac),
            Scheme::StandardWebhooks => self.standard_webhooks(request, now),
            Scheme::EcdsaP256 { header, time } => self.ecdsa(request, now, header, time),
            Scheme::Bearer { header } => self.bearer(request, header.as_deref()),
            Scheme::Basic => self.basic(request),
        };
        verdict.unwrap_or_else(Verdict::Forged)
    }

    /// Is this moment, which the signature covers, within the connection's age? For providers that write it
    /// into the body.
    pub fn in_time(&self, at: Timestamp, now: Timestamp) -> Result<(), &'static str> {
        self.window(i128::from(at.as_millisecond()), now)
    }

    fn hmac(&self, request: &RawRequest<'_>, now: Timestamp, hmac: &Hmac) -> Result<Verdict, &'static str> {
        let text = read(request, &hmac.header).ok_or("the signature header is missing")?;
        let text = text.strip_prefix(&*hmac.prefix).ok_or("the signature does not begin with its prefix")?;
        let mac = decode(text, hmac.encoding).ok_or("the signature is not a SHA-256 MAC in its encoding")?;
        let matches = |parts: &[&[u8]]| {
            // Every secret is tried, so that the time tells nothing of which one it was.
            let of = |secret: &Secret| same(&hmac_sha256(secret.expose().as_bytes(), parts), &mac);
            let found = self.secrets.iter().fold(false, |found, secret| found | of(secret));
            if found { Ok(AUTHENTIC) } else { Err("the signature matches no secret") }
        };
        match &hmac.time {
            None => matches(&[request.body]),
            Some(time) => {
                let stamp = self.stamp(request, time, now)?;
                matches(&[stamp.as_bytes(), time.separator.as_bytes(), request.body])
            }
        }
    }

    fn standard_webhooks(&self, request: &RawRequest<'_>, now: Timestamp) -> Result<Verdict, &'static str> {
        let id = read(request, "webhook-id").filter(|id| !id.is_empty()).ok_or("webhook-id is missing")?;
        let stamp = read(request, "webhook-timestamp").ok_or("webhook-timestamp is missing")?;
        let signatures = read(request, "webhook-signature").ok_or("webhook-signature is missing")?;
        self.window(moment(stamp, Unit::Seconds)?, now)?;
        // One MAC per key, however many signatures a caller sends.
        for key in &self.keys {
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

    fn ecdsa(
        &self,
        request: &RawRequest<'_>,
        now: Timestamp,
        header: &str,
        time: &SignedTime,
    ) -> Result<Verdict, &'static str> {
        let text = read(request, header).ok_or("the signature header is missing")?;
        let signature = STANDARD.decode(text).map_err(|_| "the signature is not base64")?;
        let stamp = self.stamp(request, time, now)?;
        let message = [stamp.as_bytes(), time.separator.as_bytes(), request.body].concat();
        let found = self.keys.iter().any(|key| ecdsa_p256_matches(key, &message, &signature));
        if found { Ok(AUTHENTIC) } else { Err("the signature matches no public key") }
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

    /// The signed time as it was sent, when it is within the age.
    fn stamp<'r>(&self, request: &RawRequest<'r>, time: &SignedTime, now: Timestamp) -> Result<&'r str, &'static str> {
        let stamp = read(request, &time.header).ok_or("the time header is missing")?;
        self.window(moment(stamp, time.unit)?, now)?;
        Ok(stamp)
    }

    fn window(&self, at_ms: i128, now: Timestamp) -> Result<(), &'static str> {
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

/// A time in a header, in milliseconds.
fn moment(stamp: &str, unit: Unit) -> Result<i128, &'static str> {
    // Digits only: `+5` or ` 5` would be the same time under another signature.
    if stamp.is_empty() || !stamp.bytes().all(|b| b.is_ascii_digit()) {
        return Err("the time of the signature is not a number");
    }
    let at = stamp.parse::<i64>().map_err(|_| "the time of the signature is out of range")?;
    Ok(match unit {
        Unit::Seconds => i128::from(at) * 1000,
        Unit::Milliseconds => i128::from(at),
    })
}

/// A header of bounded length.
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

fn pair(secret: &str) -> Option<Vec<u8>> {
    let (name, password) = secret.split_once(':')?;
    (!name.is_empty() && !password.is_empty()).then(|| secret.as_bytes().to_vec())
}
