//! The workspace's API key: a static bearer token (contract 1.2). A key cannot renew itself, so
//! there is no refresh; what is refused stays refused until a person pastes a new one.

use pasarela_connector::{Auth, AuthStep, ConnectionConfig};

/// Name of the credential.
pub(super) const API_KEY: &str = "api_key";

pub(super) fn authenticate(config: &ConnectionConfig) -> AuthStep {
    match config.credentials.get(API_KEY).map(|key| key.expose().trim()) {
        None | Some("") => AuthStep::Refused(format!(
            "[connections.{}] has no {API_KEY}; make one in Twenty under Settings → APIs & Webhooks and name it here",
            config.name
        )),
        // A header with a line break in it could not be sent; the usual cause is a file with two lines.
        Some(key) if !key.bytes().all(|b| b.is_ascii_graphic()) => AuthStep::Refused(format!(
            "the {API_KEY} of [connections.{}] holds spaces or line breaks; paste the key alone",
            config.name
        )),
        Some(key) => {
            AuthStep::Ready(Auth { headers: vec![("authorization".into(), format!("Bearer {key}"))], expires: None })
        }
    }
}
