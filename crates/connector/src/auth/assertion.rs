//! The assertion of a service account (RFC 7523, as Google has it): a JSON Web Token that is signed with
//! the key file's private key and good for an hour, and bought off for an access token.

use super::{named, token_url};
use crate::{AuthStep, Connector, Manifest, OAuth, Request, sign};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

/// Name of the credential that holds the key file's text.
const CREDENTIAL: &str = "service_account";
const LIFE: i64 = 3600;

#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    token_uri: Option<String>,
}

pub(super) fn request(
    manifest: &Manifest,
    connector: &dyn Connector,
    oauth: OAuth,
    now: Timestamp,
) -> Result<AuthStep, String> {
    let config = connector.config();
    let place = format!("{CREDENTIAL} of [connections.{}]", config.name);
    let help = named(manifest, CREDENTIAL)?.help;
    let text = config.credentials.get(CREDENTIAL).map(|secret| secret.expose().trim()).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| format!("[connections.{}] has no {CREDENTIAL}: {help}", config.name))?;
    let key: KeyFile =
        serde_json::from_str(text).map_err(|_| format!("{place} is not the key file of a service account: {help}"))?;
    let audience = key.token_uri.as_deref().filter(|uri| config.token_url.is_none() && !uri.is_empty());
    let audience = audience.unwrap_or_else(|| token_url(connector, &oauth)).to_owned();
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(&json!({ "alg": "RS256", "typ": "JWT", "kid": key.private_key_id }));
    let claims = part(&json!({
        "iss": key.client_email, "scope": oauth.scope, "aud": audience,
        "iat": now.as_second(), "exp": now.as_second().saturating_add(LIFE),
    }));
    let message = format!("{head}.{claims}");
    let signature = sign::rsa_sha256(&key.private_key, message.as_bytes())
        .ok_or_else(|| format!("the private_key in {place} cannot be used; download the key file again"))?;
    let assertion = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let request = Request::new("POST", audience);
    Ok(AuthStep::Call(request.form([("grant_type", grant), ("assertion", assertion.as_str())])))
}
