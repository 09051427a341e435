//! Login: e-mail and password bring a bearer token for seven days (contract section 2.1).
//!
//! There are no API keys. The token is never refreshed: a refresh blacklists the old one at once,
//! and would cut off whoever else uses it; a new login harms nobody.

use super::{HiEventsConnector, wire};
use jiff::Timestamp;
use pasarela_connector::{Answer, AuthStep, Request, auth};
use serde_json::json;

/// Life of a token whose answer does not say.
const WEEK_SECONDS: u32 = 604_800;

impl HiEventsConnector {
    pub(super) fn login(&self) -> AuthStep {
        let Some(email) = &self.settings.email else {
            return AuthStep::Refused("set `email`: the Hi.Events user that the hub logs in as".into());
        };
        let Some(password) = self.config.credentials.get("password") else {
            return AuthStep::Refused("set the credential `password` of the Hi.Events user".into());
        };
        let mut body = json!({ "email": email, "password": password.expose() });
        if let (Some(account), Some(object)) = (&self.settings.account_id, body.as_object_mut()) {
            object.insert("account_id".into(), account.to_json());
        }
        AuthStep::Call(Request::new("POST", self.url("/auth/login")).json(&body))
    }

    pub(super) fn on_login(&self, answer: &Answer, now: Timestamp) -> AuthStep {
        match answer.status {
            200..=299 => {}
            401 => {
                return AuthStep::Refused(
                    "Hi.Events does not accept this e-mail and password: correct `email` or the credential `password`"
                        .into(),
                );
            }
            403 | 422 => {
                return AuthStep::Refused(format!(
                    "Hi.Events refuses the login: {}; check `email`, `account_id` and the credential `password`",
                    problem(answer)
                ));
            }
            404 => {
                return AuthStep::Refused(format!(
                    "there is no Hi.Events API at {}: set `base_url` (a server of your own has it at https://HOST/api)",
                    self.base()
                ));
            }
            status => return AuthStep::Later(format!("login answered HTTP {status}")),
        }
        let Ok(login) = answer.parse::<wire::Login>() else {
            return AuthStep::Later("the answer to the login is not what Hi.Events writes".into());
        };
        let token = login.token.and_then(|text| auth::token(&text, login.expires_in, WEEK_SECONDS, now));
        token.map_or_else(
            || {
                let accounts: Vec<String> = login.accounts.iter().map(|a| format!("{} ({})", a.id.0, a.name)).collect();
                AuthStep::Refused(if accounts.is_empty() {
                    "Hi.Events gave no token, and names no account that this user may act for".into()
                } else {
                    format!("this user belongs to several accounts: set `account_id` to one of {}", accounts.join(", "))
                })
            },
            AuthStep::Ready,
        )
    }
}

/// The provider's own sentence, for people; messages are localised and never matched.
pub(super) fn problem(answer: &Answer) -> String {
    let problem = answer.parse::<wire::Problem>().unwrap_or_default();
    let first = problem
        .errors
        .as_object()
        .and_then(|fields| fields.iter().next())
        .map(|(field, texts)| format!("{field}: {}", texts.get(0).and_then(|t| t.as_str()).unwrap_or_default()));
    match first {
        Some(text) => text,
        None if problem.message.is_empty() => answer.excerpt(200),
        None => problem.message,
    }
}
