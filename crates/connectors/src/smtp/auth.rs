//! Credentials: a name with a password, or none; and the certificate authority of a server of one's own.
//! The engine carries them beside each call and never stores them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pasarela_connector::{Auth, AuthStep, ConnectionConfig, mail};

/// Name of the account among the credentials.
pub(super) const USERNAME: &str = "username";
/// Name of its password.
pub(super) const PASSWORD: &str = "password";
/// Name of the certificate authority.
pub(super) const TLS_CA: &str = "tls_ca";

/// What goes beside each call, or what is wrong with it.
pub(super) fn authenticate(config: &ConnectionConfig) -> AuthStep {
    let secret = |name: &str| config.credentials.get(name).map(|s| s.expose());
    let mut headers = Vec::new();
    match (secret(USERNAME), secret(PASSWORD)) {
        (None, None) => {}
        (Some(user), Some(_)) if user.contains(':') => {
            return AuthStep::Refused("`username` may not have a colon".into());
        }
        (Some(user), Some(password)) => {
            headers.extend(Auth::basic(user, password).headers);
        }
        (Some(_), None) => return AuthStep::Refused("`username` is there, `password` is not".into()),
        (None, Some(_)) => return AuthStep::Refused("`password` is there, `username` is not".into()),
    }
    if let Some(pem) = secret(TLS_CA) {
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return AuthStep::Refused("`tls_ca` holds no certificate in PEM: name its file with file:PATH".into());
        }
        headers.push((mail::AUTHORITY.into(), STANDARD.encode(pem)));
    }
    AuthStep::Ready(Auth { headers, ..Auth::default() })
}
