//! Authentication: a system user's token that does not renew itself (contract, section 1).
//! A refused token therefore needs a person, never a loop of refreshes.

use super::Settings;
use pasarela_connector::{Auth, AuthStep, ConnectionConfig, sign};

/// Name of the token among the credentials.
pub(super) const ACCESS_TOKEN: &str = "access_token";
/// Name of the challenge's word among the credentials.
pub(super) const VERIFY_TOKEN: &str = "verify_token";

/// The bearer header, or the state "no token".
pub(super) fn authenticate(config: &ConnectionConfig) -> AuthStep {
    let token = config.credentials.get(ACCESS_TOKEN).map(|t| t.expose().trim());
    match token {
        Some(token) if !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()) => AuthStep::Ready(Auth {
            headers: vec![("authorization".to_owned(), format!("Bearer {token}"))],
            expires: None,
        }),
        Some(_) => AuthStep::Refused(
            "access_token is empty or holds blanks: paste the system user's token as Meta shows it".to_owned(),
        ),
        None => AuthStep::Refused(
            "access_token is missing: make a system user's token with \
             whatsapp_business_messaging and set it"
                .to_owned(),
        ),
    }
}

/// Proof that the caller holds the app secret too, where the connection asks for it: the HMAC of
/// the token. It is worthless without the token, so it may stand in the stored URL.
pub(super) fn appsecret_proof(config: &ConnectionConfig, settings: &Settings) -> Option<String> {
    if !settings.appsecret_proof {
        return None;
    }
    let secret = config.webhook_secrets.first()?;
    let token = config.credentials.get(ACCESS_TOKEN)?;
    Some(sign::hmac_sha256_hex(secret.expose().as_bytes(), &[token.expose().trim().as_bytes()]))
}
