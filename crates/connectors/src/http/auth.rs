//! Credentials of outgoing calls: a bearer token, a name with a password, or nothing. They are
//! fixed, so there is no login and no refresh.

use pasarela_connector::{Auth, AuthStep, ConfigError, ConnectionConfig};

/// What the engine adds to each call, made once.
pub(super) struct Credentials(Result<Auth, String>);

impl Credentials {
    /// Two ways at once contradict each other; half a pair, or a token that no header can hold, is a
    /// state of the connection: it receives, and cannot act.
    pub(super) fn new(config: &ConnectionConfig) -> Result<Self, ConfigError> {
        let secret = |name: &str| config.credentials.get(name).map(|s| s.expose());
        let auth = match (secret("token"), secret("username"), secret("password")) {
            (None, None, None) => return Ok(Self(Ok(Auth::default()))),
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                return Err(config.error("`token` and `username`/`password` are there both: keep one of the two"));
            }
            (Some(""), ..) => Err("`token` is empty".into()),
            (Some(token), ..) if token.bytes().all(|b| b.is_ascii_graphic()) => Ok(Auth::bearer(token)),
            (Some(_), ..) => Err("`token` has blanks or other characters that a header cannot hold".into()),
            (None, Some(user), Some(_)) if user.contains(':') => Err("`username` may not have a colon".into()),
            (None, Some(user), Some(password)) => Ok(Auth::basic(user, password)),
            (None, Some(_), None) => Err("`username` is there, `password` is not".into()),
            (None, None, Some(_)) => Err("`password` is there, `username` is not".into()),
        };
        Ok(Self(auth))
    }

    pub(super) fn step(&self) -> AuthStep {
        match &self.0 {
            Ok(auth) => AuthStep::Ready(auth.clone()),
            Err(why) => AuthStep::Refused(why.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pasarela_domain::Secret;

    fn step(credentials: &[(&str, &str)]) -> Result<AuthStep, ConfigError> {
        let mut config = ConnectionConfig::bare("tienda", "http");
        config.credentials = credentials.iter().map(|(n, v)| ((*n).to_owned(), Secret::new(*v))).collect();
        Credentials::new(&config).map(|c| c.step())
    }

    fn header(credentials: &[(&str, &str)]) -> Option<String> {
        match step(credentials) {
            Ok(AuthStep::Ready(auth)) => auth.headers.first().map(|(n, v)| format!("{n}: {v}")),
            _ => None,
        }
    }

    #[test]
    fn a_token_or_a_pair_becomes_a_header() {
        assert_eq!(header(&[("token", "tok-1")]).as_deref(), Some("authorization: Bearer tok-1"));
        // RFC 7617, section 2.
        assert_eq!(
            header(&[("username", "Aladdin"), ("password", "open sesame")]).as_deref(),
            Some("authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        );
        assert_eq!(step(&[]), Ok(AuthStep::Ready(Auth::default())));
    }

    #[test]
    fn what_cannot_work_is_said() {
        for half in [
            &[("username", "ana")][..],
            &[("password", "clave")],
            &[("username", "a:b"), ("password", "c")],
            &[("token", "a b")],
            &[("token", "a\r\nx-evil: 1")],
            &[("token", "")],
        ] {
            assert!(matches!(step(half), Ok(AuthStep::Refused(_))), "{half:?}");
        }
        let both = step(&[("token", "t"), ("username", "ana"), ("password", "clave")]).unwrap_err();
        assert!(both.to_string().contains("keep one of the two") && !both.to_string().contains("clave"), "{both}");
    }
}
