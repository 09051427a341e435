//! Calls that the hub makes for itself, beside lanes: to the OpenID provider that vouches for its people, and the
//! letter that lets one of them in.
//!
//! Promise: what such a call carries is kept nowhere. A secret link that lay in an effect could be read by
//! whoever looks at effects; whoever misses the letter asks for another. These letters go to people who work in
//! the hub and asked for them, so no consent and no hours are asked.

use crate::engine::Inner;
use pasarela_connector::{Action, Answer, Ctx, Outcome, Request, Step};
use serde_json::{Value, json};
use std::time::Duration;

/// Longest time of a call.
const PATIENCE: Duration = Duration::from_secs(10);
/// Calls of one letter at most.
const MOST_CALLS: usize = 3;

/// Why an errand came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ErrandError {
    /// No connection sends e-mail.
    #[error("no connection sends e-mail: configure one of a provider whose action writes to an e-mail address")]
    NoMail,
    /// It did not work, for this reason.
    #[error("{0}")]
    Failed(String),
}

/// Does the action's input have this field?
fn takes(action: &Action, field: &str) -> bool {
    action.input.pointer(&format!("/properties/{field}")).is_some()
}

impl Inner {
    /// One call, guarded like every other. `allow_private`: also to addresses of this machine and its network.
    pub(crate) async fn fetch(&self, request: &Request, allow_private: bool) -> Result<Answer, ErrandError> {
        let answered = self.client.call(request, &[], allow_private, PATIENCE).await;
        answered.map_err(|no| ErrandError::Failed(no.why))
    }

    /// The connection that sends e-mail, and its action: the first by name that has all it needs.
    fn mailer(&self) -> Option<(String, &'static str)> {
        let mut names: Vec<&String> = self.connections.keys().collect();
        names.sort_unstable();
        names.into_iter().find_map(|name| {
            let connection = self.connection(name)?;
            let (connector, manifest) = (connection.connector(), connection.manifest());
            let config = connector.config();
            let somewhere = config.base_url.is_some() || manifest.default_base_url.is_some();
            if !somewhere || !connection.missing_credentials().is_empty() {
                return None;
            }
            let plain = |action: &&Action| {
                let mail = action.message.is_some_and(|m| m.channel == "email" && m.to == Some("/to"));
                mail && ["to", "subject", "text"].iter().all(|field| takes(action, field))
            };
            manifest.actions.iter().find(plain).map(|action| (name.clone(), action.name))
        })
    }

    /// Could a letter be sent?
    pub(crate) fn has_mail(&self) -> bool {
        self.mailer().is_some()
    }

    /// Sends a plain letter, once, and waits for what the server says.
    pub(crate) async fn letter(&self, to: &str, subject: &str, text: &str, key: &str) -> Result<(), ErrandError> {
        let failed = |why: &str| ErrandError::Failed(why.to_owned());
        let (name, action) = self.mailer().ok_or(ErrandError::NoMail)?;
        let connection = self.connection(&name).ok_or(ErrandError::NoMail)?;
        let inputs = [json!({ "to": to, "subject": subject, "text": text })];
        let ctx = Ctx { now: self.clock.now(), key, attempt: 1 };
        let mut step = connection.connector().begin(action, &inputs, &ctx);
        for _ in 0..MOST_CALLS {
            match step {
                Step::End(outcomes) => {
                    return match outcomes.into_iter().next() {
                        Some(Outcome::Done(_)) => Ok(()),
                        Some(other) => Err(ErrandError::Failed(format!("the letter was not taken: {}", other.name()))),
                        None => Err(failed("the letter was not taken")),
                    };
                }
                Step::Call(call) => {
                    let state: Value = call.state;
                    let auth = connection.credential(&*self.store, &self.client, &*self.clock, true).await;
                    let auth = auth.map_err(|_| failed("the mail server does not take the login"))?;
                    let answered = self.send_as(&connection, &call.request, auth).await;
                    let answer = answered.map_err(|_| failed("the mail server does not answer"))?;
                    step = connection.connector().on(action, &inputs, &state, &answer, &ctx);
                }
            }
        }
        Err(failed("the letter asks for more and more calls"))
    }
}
