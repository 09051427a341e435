//! Sign-in by an OpenID provider: authorization code with PKCE, state and nonce (OpenID Connect Core, RFC 7636,
//! RFC 9207). The hub is a confidential or a public client; the provider is found by its discovery document.
//!
//! Promise: an answer is taken once, in the browser that asked, within ten minutes. Nobody comes in whom an owner
//! did not invite, and an address counts only when the provider says that it verified it. Every call goes through
//! the engine's guard.

mod token;

use crate::App;
use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use pasarela_connector::{Answer, Request};
use pasarela_domain::{Grant, Secret};
use pasarela_store::{PassKind, PassRow};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use token::{Claims, Refused, Wanted};

/// How long somebody may be away at the provider.
const AWAY: SignedDuration = SignedDuration::from_mins(10);
/// How long a discovery document and its keys are believed.
const BELIEF: SignedDuration = SignedDuration::from_mins(10);

/// `[console.oidc]`.
#[derive(Debug, Clone)]
pub struct OidcOptions {
    /// Who vouches, as its tokens name it: `https://id.example`.
    pub issuer: String,
    /// Name of the hub at the provider.
    pub client_id: String,
    /// Its secret; `None`: a public client.
    pub client_secret: Option<Secret>,
    /// What stands on the button.
    pub name: String,
    /// Claim that names groups of the person, where the provider says who may what.
    pub roles_claim: Option<String>,
    /// Group to role. Not empty where `roles_claim` is set.
    pub roles: BTreeMap<String, Vec<Grant>>,
    /// May it be on this machine or in its network?
    pub allow_private_targets: bool,
}

/// Somebody whom the provider vouches for.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// Only one that the provider verified.
    pub(crate) email: Option<String>,
    /// What the provider's groups give, where they are asked for.
    pub(crate) grants: Option<Vec<Grant>>,
}

/// Why a sign-in by the provider came to nothing. For the log; people are told less.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    /// There is none.
    #[error("no OpenID provider is configured")]
    Off,
    /// What came back belongs to no errand of this browser, or a second time.
    #[error("the answer belongs to no sign-in that this browser began")]
    Stray,
    /// The provider, or somebody in its name, says no.
    #[error("{0}")]
    Refused(String),
    /// It does not answer as it should.
    #[error("the provider cannot be used: {0}")]
    Provider(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] pasarela_store::Error),
}

#[derive(Debug, Clone, Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

struct Found {
    at: Timestamp,
    discovery: Discovery,
    keys: JwkSet,
}

/// The provider, and what is known of it.
pub(crate) struct Oidc {
    pub(crate) options: OidcOptions,
    found: tokio::sync::Mutex<Option<Arc<Found>>>,
}

/// What is kept while somebody is away.
#[derive(Serialize, Deserialize)]
struct Errand {
    nonce: String,
    verifier: String,
    /// Hash of the cookie of the browser that began.
    browser: [u8; 32],
}

/// Somebody is to be sent away.
pub(crate) struct Away {
    /// Where to.
    pub(crate) location: String,
    /// What their browser keeps meanwhile.
    pub(crate) cookie: String,
}

/// What the provider sends back, as it stands in the address.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Back {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    #[serde(default)]
    access_token: String,
}

/// Hash of an errand's state: of bytes that no form can send, so that it is never taken for a link.
fn errand_hash(state: &str) -> [u8; 32] {
    Sha256::new().chain_update([0xff]).chain_update(b"errand").chain_update(state.as_bytes()).finalize().into()
}

impl Oidc {
    pub(crate) fn new(options: OidcOptions) -> Self {
        Self { options, found: tokio::sync::Mutex::default() }
    }

    /// Sends somebody away. `back`: where they come back to.
    pub(crate) async fn begin(&self, app: &App, back: &str) -> Result<Away, OidcError> {
        let found = self.find(app, false).await?;
        let secret = || crate::auth::random_text(43);
        let (state, nonce, verifier, cookie) = (secret(), secret(), secret(), secret());
        let now = app.console.wall();
        let errand = Errand { nonce, verifier, browser: Sha256::digest(cookie.as_bytes()).into() };
        let pass = PassRow {
            hash: errand_hash(&state),
            kind: PassKind::Errand,
            name: String::new(),
            may_write: false,
            key: None,
            account: None,
            detail: serde_json::to_vec(&errand).unwrap_or_default(),
            created_at: now,
            expires_at: now.checked_add(AWAY).unwrap_or(Timestamp::MAX),
        };
        app.engine.store().keep_pass(pass).await?;
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(errand.verifier.as_bytes()));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.options.client_id)
            .append_pair("redirect_uri", back)
            .append_pair("scope", "openid email profile")
            .append_pair("state", &state)
            .append_pair("nonce", &errand.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let joint = if found.discovery.authorization_endpoint.contains('?') { '&' } else { '?' };
        Ok(Away { location: format!("{}{joint}{}", found.discovery.authorization_endpoint, query.finish()), cookie })
    }

    /// Somebody is back: who it is, as the provider vouches.
    pub(crate) async fn finish(&self, app: &App, answer: Back, cookie: &str, back: &str) -> Result<Person, OidcError> {
        let (store, now) = (app.engine.store(), app.console.wall());
        let hash = errand_hash(&answer.state);
        let pass = store.pass(hash).await?.filter(|p| p.kind == PassKind::Errand && p.expires_at > now);
        let errand = pass.and_then(|p| serde_json::from_slice::<Errand>(&p.detail).ok());
        let browser: [u8; 32] = Sha256::digest(cookie.as_bytes()).into();
        let errand = errand.filter(|e| e.browser == browser).ok_or(OidcError::Stray)?;
        // Whatever comes of it, it is over.
        let taker: [u8; 32] = Sha256::digest(crate::auth::random_text(43).as_bytes()).into();
        if !store.take_pass(hash, taker).await? {
            return Err(OidcError::Stray);
        }
        if answer.iss.is_some_and(|iss| iss != self.options.issuer) {
            return Err(OidcError::Refused("the answer comes from another issuer".into()));
        }
        if let Some(error) = answer.error {
            return Err(OidcError::Refused(format!(
                "the provider says {}",
                error.chars().take(60).collect::<String>()
            )));
        }
        let code = answer.code.ok_or_else(|| OidcError::Refused("the answer has no code".into()))?;
        let found = self.find(app, false).await?;
        let tokens: Tokens = self.call(app, &self.exchange(&found.discovery, &code, &errand.verifier, back)).await?;
        let wanted = Wanted {
            issuer: &self.options.issuer,
            client: &self.options.client_id,
            nonce: &errand.nonce,
            now: now.as_second(),
        };
        let claims = match token::judge(&tokens.id_token, &found.keys, wanted) {
            // Keys are changed from time to time: looked for once more.
            Err(Refused::UnknownKey) => token::judge(&tokens.id_token, &self.find(app, true).await?.keys, wanted),
            judged => judged,
        };
        let claims = claims.map_err(|e| OidcError::Refused(e.to_string()))?;
        self.person(app, &found.discovery, claims, &tokens.access_token).await
    }

    fn exchange(&self, provider: &Discovery, code: &str, verifier: &str, back: &str) -> Request {
        let options = &self.options;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", back),
            ("code_verifier", verifier),
        ];
        let request = Request::new("POST", provider.token_endpoint.clone()).header("accept", "application/json");
        let methods = &provider.token_endpoint_auth_methods_supported;
        let Some(secret) = &options.client_secret else {
            form.push(("client_id", &options.client_id));
            return request.form(form);
        };
        let posted = !methods.is_empty() && !methods.iter().any(|m| m == "client_secret_basic");
        if posted {
            form.extend([("client_id", options.client_id.as_str()), ("client_secret", secret.expose())]);
            return request.form(form);
        }
        // RFC 6749, 2.3.1: both are form-encoded first.
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(&options.client_id), encoded(secret.expose()));
        let value = format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()));
        request.form(form).header("authorization", value)
    }

    /// Puts together what is known: of the token, and of what the provider says when it is asked with it.
    async fn person(&self, app: &App, provider: &Discovery, claims: Claims, access: &str) -> Result<Person, OidcError> {
        let mut known: Map<String, Value> = claims.rest;
        let lacks = |name: &str| !known.contains_key(name);
        let asks = lacks("email") || self.options.roles_claim.as_deref().is_some_and(lacks);
        if let Some(url) = provider.userinfo_endpoint.as_deref().filter(|_| asks && !access.is_empty()) {
            let request = Request::get(url).header("authorization", format!("Bearer {access}"));
            let more: Map<String, Value> = self.call(app, &request).await?;
            if more.get("sub").and_then(Value::as_str) != Some(&claims.sub) {
                return Err(OidcError::Refused("what is known of the person is somebody else's".into()));
            }
            known.extend(more);
        }
        let verified = known.get("email_verified").is_some_and(|v| *v == Value::Bool(true) || v == "true");
        let email = known.get("email").and_then(Value::as_str).filter(|_| verified).map(str::to_owned);
        let grants = self.options.roles_claim.as_ref().map(|claim| self.grants(known.get(claim)));
        Ok(Person { issuer: self.options.issuer.clone(), subject: claims.sub, email, grants })
    }

    /// What groups give.
    fn grants(&self, groups: Option<&Value>) -> Vec<Grant> {
        let names: Vec<&str> = match groups {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        names.into_iter().filter_map(|name| self.options.roles.get(name)).flatten().cloned().collect()
    }

    /// The provider's addresses and keys.
    async fn find(&self, app: &App, anew: bool) -> Result<Arc<Found>, OidcError> {
        let mut known = self.found.lock().await;
        let now = app.console.wall();
        if let Some(found) = known.as_ref().filter(|f| !anew && now.duration_since(f.at) < BELIEF) {
            return Ok(found.clone());
        }
        let issuer = &self.options.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let discovery: Discovery = self.call(app, &Request::get(url)).await?;
        if discovery.issuer != *issuer {
            let why = format!("it calls itself '{}', and console.oidc.issuer '{issuer}'", discovery.issuer);
            return Err(OidcError::Provider(why));
        }
        let keys: JwkSet = self.call(app, &Request::get(discovery.jwks_uri.clone())).await?;
        let found = Arc::new(Found { at: now, discovery, keys });
        *known = Some(found.clone());
        Ok(found)
    }

    async fn call<T: DeserializeOwned>(&self, app: &App, request: &Request) -> Result<T, OidcError> {
        let private = self.options.allow_private_targets;
        let safe = request.url.starts_with("https://") || (private && request.url.starts_with("http://"));
        if !safe {
            return Err(OidcError::Provider("an address of it is not https://".into()));
        }
        let answered = app.engine.fetch(request, private).await;
        let answer: Answer = answered.map_err(|e| OidcError::Provider(e.to_string()))?;
        if !(200..300).contains(&answer.status) {
            // Its words may quote what was sent.
            return Err(OidcError::Provider(format!("it answers HTTP {}", answer.status)));
        }
        answer.parse().map_err(|_| OidcError::Provider("its answer cannot be read".into()))
    }
}
