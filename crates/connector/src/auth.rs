//! Credentials by the manifest's auth kind ([`AuthKind`]): fixed ones as they are, and tokens that are
//! fetched before they are needed.
//!
//! The engine asks [`begin`] for the next step and [`answered`] what an answer means; it makes the calls,
//! one at a time for a connection, and keeps what was brought, sealed, before it is used. What a
//! provider's own login needs is here too: [`token`] reads an answer, [`usable`] says how long it is good.
//!
//! Promise: a token is renewed early, so that no call carries one that has just ended; a refusal is a
//! sentence for people and no loop; no secret is in a sentence. What it is not: a login of a person by a
//! browser; the refresh token that such a login gave is the credential here.

mod assertion;

use crate::{
    Answer, Auth, AuthKind, AuthStep, Connector, Credential, Ctx, Manifest, OAuth, Request, Successor, judge, sign,
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::time::Duration;

/// A token that does not say how long it is good is taken for one of an hour, as most are.
const HOUR: u32 = 3600;

/// First step: a credential, or the call that brings one. `kept`: what was kept of the last one, good or not.
#[must_use]
pub fn begin(manifest: &Manifest, connector: &dyn Connector, kept: Option<&Auth>, ctx: &Ctx<'_>) -> AuthStep {
    let made_with = made_with(connector);
    let kept = kept.filter(|auth| auth.made_with.as_ref() == Some(&made_with));
    let step = match manifest.auth {
        AuthKind::Nothing => Ok(AuthStep::Ready(Auth::default())),
        AuthKind::Login | AuthKind::Configured => Ok(connector.authenticate(ctx)),
        AuthKind::Bearer(name) => fixed(manifest, connector, name).map(|text| AuthStep::Ready(Auth::bearer(text))),
        AuthKind::Header { name, credential } => {
            fixed(manifest, connector, credential).map(|text| AuthStep::Ready(Auth::header(name, text)))
        }
        AuthKind::Query { name, credential } => {
            fixed(manifest, connector, credential).map(|text| AuthStep::Ready(Auth::parameter(name, text)))
        }
        AuthKind::ClientCredentials(oauth) => {
            let pairs = vec![("grant_type", "client_credentials".to_owned())];
            client_request(manifest, connector, oauth, pairs)
        }
        AuthKind::RefreshToken(oauth) => last_token(manifest, connector, kept, "refresh_token").and_then(|token| {
            let pairs = vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", token)];
            client_request(manifest, connector, oauth, pairs)
        }),
        AuthKind::Successor(chain) => last_token(manifest, connector, kept, chain.credential).map(|token| {
            let base = manifest.default_base_url.unwrap_or_default();
            let request = Request::get(connector.config().url(base, chain.path));
            AuthStep::Call(request.header("authorization", format!("Bearer {token}")))
        }),
        AuthKind::ServiceAccount(oauth) => assertion::request(manifest, connector, oauth, ctx.now),
    };
    step.unwrap_or_else(AuthStep::Refused)
}

/// What the answer to the call of [`begin`] means.
#[must_use]
pub fn answered(
    manifest: &Manifest,
    connector: &dyn Connector,
    kept: Option<&Auth>,
    answer: &Answer,
    ctx: &Ctx<'_>,
) -> AuthStep {
    let step = match manifest.auth {
        AuthKind::ClientCredentials(_) | AuthKind::RefreshToken(_) | AuthKind::ServiceAccount(_) => {
            oauth_answer(manifest.title, answer, ctx.now)
        }
        AuthKind::Successor(chain) => next_token(manifest.title, &chain, answer, ctx.now),
        _ => connector.on_authenticate(answer, ctx),
    };
    let AuthStep::Ready(mut auth) = step else { return step };
    let made_with = made_with(connector);
    if manifest.auth.rotates() && auth.refresh.is_none() {
        // Not rotated this time: the one before goes on being good.
        auth.refresh = kept.filter(|k| k.made_with.as_ref() == Some(&made_with)).and_then(|k| k.refresh.clone());
    }
    auth.made_with = Some(made_with);
    AuthStep::Ready(auth)
}

/// May this be used for calls made now?
#[must_use]
pub fn is_fresh(auth: &Auth, connector: &dyn Connector, now: Timestamp) -> bool {
    let own = auth.made_with.is_none() || auth.made_with.as_deref() == Some(made_with(connector).as_str());
    own && auth.expires.is_none_or(|end| end > now)
}

/// Until when a token of this life is used: the last tenth of it is left out (30 s at least, an hour at most),
/// and of a very short one the last half.
#[must_use]
pub fn usable(now: Timestamp, life: Duration) -> Option<Timestamp> {
    let life = SignedDuration::try_from(life).unwrap_or(SignedDuration::MAX);
    let margin = (life / 10).clamp(SignedDuration::from_secs(30), SignedDuration::from_hours(1));
    now.checked_add(if life > margin * 2 { life - margin } else { life / 2 }).ok()
}

/// A token as an answer brought it, fit for a header and with its end.
#[must_use]
pub fn token(text: &str, life: Option<u32>, default_life: u32, now: Timestamp) -> Option<Auth> {
    let fit = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let life = Duration::from_secs(u64::from(life.unwrap_or(default_life)));
    fit.then(|| Auth::bearer(text).until(usable(now, life)))
}

/// Short hash of the credentials and of who they are for: it tells others from these, and is worth nothing.
fn made_with(connector: &dyn Connector) -> String {
    let config = connector.config();
    let mut bytes = Vec::new();
    let settings = config.settings.to_string();
    let base = config.base_url.as_deref().unwrap_or_default();
    let parts = [base, settings.as_str()].into_iter();
    for part in parts.chain(config.credentials.iter().flat_map(|(name, secret)| [name.as_str(), secret.expose()])) {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    hex::encode(&sign::sha256(&bytes)[..8])
}

fn named<'m>(manifest: &'m Manifest, name: &str) -> Result<&'m Credential, String> {
    let found = manifest.credentials.iter().find(|c| c.name == name);
    found.ok_or_else(|| format!("{} names no credential '{name}'; please report it", manifest.name))
}

fn fixed<'c>(manifest: &Manifest, connector: &'c dyn Connector, name: &str) -> Result<&'c str, String> {
    connector.config().credential(named(manifest, name)?)
}

/// The last token that the provider gave, else the one that was configured.
fn last_token(
    manifest: &Manifest,
    connector: &dyn Connector,
    kept: Option<&Auth>,
    credential: &str,
) -> Result<String, String> {
    match kept.and_then(|auth| auth.refresh.clone()) {
        Some(rotated) => Ok(rotated),
        None => fixed(manifest, connector, credential).map(str::to_owned),
    }
}

/// The next token of a chain.
fn next_token(title: &str, chain: &Successor, answer: &Answer, now: Timestamp) -> AuthStep {
    if answer.is_success() {
        let body: serde_json::Value = answer.parse().unwrap_or_default();
        let next = body.pointer(chain.pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
        let auth = token(next, None, HOUR, now).map(|auth| {
            let life = SignedDuration::try_from(chain.life).unwrap_or(SignedDuration::MAX);
            Auth { refresh: Some(next.to_owned()), ..auth.until(now.checked_add(life / 6 * 5).ok()) }
        });
        let later = || AuthStep::Later(format!("{title} answered the exchange of the token with something else"));
        return auth.map_or_else(later, AuthStep::Ready);
    }
    match answer.status {
        401 | 403 => AuthStep::Refused(format!(
            "{title} exchanges the token no more (HTTP {}): it is over, or was exchanged elsewhere; {}",
            answer.status, chain.anew
        )),
        400..=499 if !matches!(answer.status, 408 | 425 | 429) => {
            AuthStep::Refused(format!("{title} gives no token: HTTP {}; {}", answer.status, chain.anew))
        }
        status => AuthStep::Later(format!("the exchange of the token answered HTTP {status}")),
    }
}

/// Where tokens of this connection are fetched.
fn token_url<'a>(connector: &'a dyn Connector, oauth: &'a OAuth) -> &'a str {
    connector.config().token_url.as_deref().unwrap_or(oauth.token_url)
}

/// A token request of a client that proves itself by id and secret (RFC 6749, 2.3.1).
fn client_request(
    manifest: &Manifest,
    connector: &dyn Connector,
    oauth: OAuth,
    mut pairs: Vec<(&'static str, String)>,
) -> Result<AuthStep, String> {
    let id = fixed(manifest, connector, "client_id")?;
    let secret = fixed(manifest, connector, "client_secret")?;
    if !oauth.scope.is_empty() {
        pairs.push(("scope", oauth.scope.to_owned()));
    }
    let mut request = Request::new("POST", token_url(connector, &oauth));
    if oauth.in_body {
        pairs.push(("client_id", id.to_owned()));
        pairs.push(("client_secret", secret.to_owned()));
    } else {
        // Both are form-encoded first: a colon in an id is no separator.
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        for (name, value) in Auth::basic(&encode(id), &encode(secret)).headers {
            request = request.header(&name, value);
        }
    }
    Ok(AuthStep::Call(request.form(pairs)))
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: Option<serde_json::Value>,
    refresh_token: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
    error_description: String,
}

/// A token endpoint's answer (RFC 6749, 5).
fn oauth_answer(title: &str, answer: &Answer, now: Timestamp) -> AuthStep {
    if answer.is_success() {
        let read = answer.parse::<Token>().ok().and_then(|t| {
            // Some write the seconds as text.
            let life = t.expires_in.and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()));
            let life = life.and_then(|s| u32::try_from(s).ok());
            Some((token(&t.access_token, life, HOUR, now)?, t.refresh_token.filter(|r| !r.is_empty())))
        });
        return match read {
            Some((auth, refresh)) => AuthStep::Ready(Auth { refresh, ..auth }),
            None => AuthStep::Later(format!("{title} answered the token request with something else")),
        };
    }
    let said: Refusal = answer.parse().unwrap_or_default();
    match answer.status {
        400 | 401 | 403 if !said.error.is_empty() => {
            let more = match said.error_description.as_str() {
                "" => String::new(),
                text => format!(" ({})", text.chars().take(160).collect::<String>()),
            };
            let what = match said.error.as_str() {
                "invalid_grant" => "the token was revoked or is used up, or this machine's clock is wrong",
                "invalid_client" | "unauthorized_client" => "client id or secret are wrong",
                "invalid_scope" => "the account may not do what the connector needs",
                _ => "check the credentials",
            };
            AuthStep::Refused(format!("{title} gives no token: {}{more}; {what}", said.error))
        }
        400..=499 if !matches!(answer.status, 408 | 425 | 429) => {
            AuthStep::Refused(format!("{title} gives no token: HTTP {}; check the credentials", answer.status))
        }
        status => {
            let wait = judge::retry_after(answer, now);
            let wait = wait.map(|w| format!("; it asks to wait {} s", w.as_secs())).unwrap_or_default();
            AuthStep::Later(format!("the token request answered HTTP {status}{wait}"))
        }
    }
}
