//! The conformance suite that every connector passes. A connector's test hands over a [`Fixture`];
//! [`check`] derives the cases from it and from the manifest: nothing in it knows a provider.
//!
//! [`check`] stands behind the feature `testkit` (it needs a JSON Schema validator), so that the
//! hub is built without it; in a connector's crate it is a dev-dependency:
//! `pasarela-connector = { workspace = true, features = ["testkit"] }`.
//!
//! What a connector's author has to know:
//! - An action of several calls names the answers on its way as `judged` samples with the name
//!   `"call"`, in the order of the calls; `done` is the answer to the last one. Without them `done`
//!   is given to each call.
//! - A status in `judged` stands instead of the suite's own expectation for that status (a 500
//!   that is to be given up, a 429 that is a daily quota).
//! - A sample whose [`WebhookSample::signature_header`] is `authorization` is a token or password:
//!   it does not cover the body, so a changed body is not expected to be refused. Only providers with
//!   [`Verification::Configured`](crate::Verification::Configured) may have such samples.
//!
//! It is not a test of the flows, nor of the engine; and it does not replace a connector's own
//! tests of its provider's surprises.

#[cfg(feature = "testkit")]
mod actions;
#[cfg(feature = "testkit")]
mod facts;
#[cfg(feature = "testkit")]
mod front_page;
#[cfg(feature = "testkit")]
mod reading;
#[cfg(feature = "testkit")]
mod schema;
#[cfg(feature = "testkit")]
mod simulator;
#[cfg(feature = "testkit")]
mod verification;

use crate::{Answer, ConnectionConfig, Provider};
use jiff::Timestamp;
use serde_json::Value;

/// What one connector shows to the suite.
pub struct Fixture {
    /// The provider.
    pub provider: Box<dyn Provider>,
    /// A connection with all credentials, whose `webhook_secrets` verify the samples.
    pub config: ConnectionConfig,
    /// The moment at which the samples were signed.
    pub now: Timestamp,
    /// Webhooks exactly as the provider sends them. Empty for providers without inbound calls.
    pub webhooks: Vec<WebhookSample>,
    /// At least one example per action of the manifest.
    pub actions: Vec<ActionSample>,
}

/// One signed webhook.
pub struct WebhookSample {
    /// File name or story.
    pub name: String,
    /// Headers, signature included; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Name of the header that carries the signature. It holds one signature: where a scheme takes
    /// a list, any true one is enough, and changing another proves nothing.
    pub signature_header: &'static str,
    /// Body, byte for byte.
    pub body: Vec<u8>,
    /// Event types that must come out, in order.
    pub events: Vec<&'static str>,
}

/// One example of an action.
pub struct ActionSample {
    /// Name in the manifest.
    pub action: &'static str,
    /// An input that the action's schema accepts.
    pub input: Value,
    /// An answer that must be judged `Done` (the last one, when the action needs several calls).
    pub done: Answer,
    /// Provider-specific answers and the outcome name ([`crate::Outcome::name`]) that they must be
    /// judged as: hidden errors in a 200, 4xx codes, rate limits; or `"call"`, see above.
    pub judged: Vec<(Answer, &'static str)>,
    /// Inputs that must be refused, by schema or by `begin`.
    pub refused: Vec<Value>,
}

/// Runs the suite; panics with a sentence for people when something does not hold.
///
/// # Panics
/// When the connector breaks a rule of the contract.
#[cfg(feature = "testkit")]
pub fn check(fixture: &Fixture) {
    front_page::check(fixture);
    verification::check(fixture);
    facts::check(fixture);
    actions::check(fixture);
    reading::check(fixture);
    simulator::check(fixture);
}

/// What the rooms of the suite share.
#[cfg(feature = "testkit")]
mod common {
    use super::Fixture;
    use crate::{ConfigError, ConnectionConfig, Connector, RawRequest, Verdict};
    use jiff::Timestamp;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// Fails with a sentence that begins with the provider's name.
    macro_rules! rule {
        ($fixture:expr, $holds:expr, $($text:tt)+) => {
            assert!($holds, "[{}] {}", $fixture.provider.manifest().name, format_args!($($text)+))
        };
    }
    pub(crate) use rule;

    impl Fixture {
        /// The connector of the fixture's own connection.
        pub(super) fn connector(&self) -> Box<dyn Connector> {
            match self.connect(self.config.clone()) {
                Ok(connector) => connector,
                Err(e) => panic!("[{}] the fixture's own settings are refused: {e}", self.provider.manifest().name),
            }
        }

        /// A connector with other settings.
        pub(super) fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
            self.calm("connect", || self.provider.connect(config))
        }

        /// Does what must not panic, whatever it is given.
        pub(super) fn calm<T>(&self, what: &str, run: impl FnOnce() -> T) -> T {
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(value) => value,
                Err(_) => panic!("[{}] panicked (see the message above): {what}", self.provider.manifest().name),
            }
        }

        /// What the connector says of a request with these headers and this body.
        pub(super) fn verify(
            &self,
            connector: &dyn Connector,
            headers: &[(String, String)],
            body: &[u8],
            now: Timestamp,
        ) -> Verdict {
            let header =
                |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
            let request = RawRequest { method: "POST", query: "", header: &header, body };
            self.calm("verify", || connector.verify(&request, now))
        }
    }

    /// First characters of a body, for messages.
    pub(super) fn excerpt(body: &[u8]) -> String {
        let text: String = String::from_utf8_lossy(body).chars().take(160).collect();
        if text.len() < body.len() { format!("{text}... ({} bytes)", body.len()) } else { text }
    }
}
