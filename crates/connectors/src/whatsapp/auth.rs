//! Authentication: a system user's token that does not renew itself (contract, section 1).
//! A refused token therefore needs a person, never a loop of refreshes.

use super::Settings;
use pasarela_connector::{ConnectionConfig, sign};

/// Name of the token among the credentials.
pub(super) const ACCESS_TOKEN: &str = "access_token";
/// Name of the challenge's word among the credentials.
pub(super) const VERIFY_TOKEN: &str = "verify_token";

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
