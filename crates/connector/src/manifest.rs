//! What a provider is and can do, as data.

use schemars::Schema;
use serde_json::Value;
use std::time::Duration;

/// A provider's front page.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Name in configuration and flows: `whatsapp`.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// The provider's own documentation.
    pub docs: &'static str,
    /// The provider's API as this connector speaks it.
    pub api: ApiVersion,
    /// Base URL when the connection names none; `None`: it must.
    pub default_base_url: Option<&'static str>,
    /// How calls to it prove who calls.
    pub auth: AuthKind,
    /// How inbound calls prove who they are.
    pub verification: Verification,
    /// JSON Schema of the connection's own settings (besides the common ones).
    pub settings: Schema,
    /// Secrets that actions and reconciliation need.
    pub credentials: Vec<Credential>,
    /// What flows can ask for.
    pub actions: Vec<Action>,
    /// Canonical events that it can tell.
    pub events: &'static [&'static str],
    /// Read models that [`fetch`](crate::Connector::fetch) can bring.
    pub fetches: &'static [&'static str],
    /// What can be reconciled; empty means that the provider keeps no history, and `no_history` says so.
    pub tasks: Vec<Task>,
    /// Why it cannot be reconciled, where it cannot.
    pub no_history: Option<&'static str>,
    /// Limits that hold unless the connection sets others.
    pub limits: Limits,
}

impl Manifest {
    /// Does it tell events of the sender's own (`<connection>.<type>`), since it may be anything that calls?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.events.is_empty() && self.verification != Verification::NoInbound
    }

    /// An action by name.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.iter().find(|a| a.name == name)
    }
}

/// Version of a provider's API, and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiVersion {
    /// The provider's name for it.
    pub version: &'static str,
    /// Last day on which it works (`2028-07-29`), if announced.
    pub ends: Option<&'static str>,
}

impl ApiVersion {
    /// Days until its last day, by UTC; negative when it is over. `None`: no end is announced.
    #[must_use]
    pub fn days_left(&self, now: jiff::Timestamp) -> Option<i32> {
        let ends: jiff::civil::Date = self.ends?.parse().ok()?;
        let last = jiff::civil::date(1970, 1, 1).until(ends).ok()?.get_days();
        Some(last - i32::try_from(now.as_second().div_euclid(86_400)).ok()?)
    }
}

/// How calls to a provider prove who calls. Tokens are fetched, kept, renewed early and given up by the
/// engine, by this alone ([`crate::auth`]). There is no default: each provider says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthKind {
    /// Nothing is asked for.
    Nothing,
    /// `Authorization: Bearer` with this credential as it is. It does not renew itself.
    Bearer(&'static str),
    /// A header with this credential as it is.
    Header {
        /// Name of the header, lower case.
        name: &'static str,
        /// Name of the credential.
        credential: &'static str,
    },
    /// A query parameter with this credential as it is, for providers that know no other way.
    Query {
        /// Name of the parameter.
        name: &'static str,
        /// Name of the credential.
        credential: &'static str,
    },
    /// OAuth 2.0 client credentials (RFC 6749, 4.4): credentials `client_id` and `client_secret`.
    ClientCredentials(OAuth),
    /// OAuth 2.0 refresh token (RFC 6749, 6): credentials `client_id`, `client_secret` and `refresh_token`.
    /// A token that the provider rotates is kept, sealed, before it is used.
    RefreshToken(OAuth),
    /// A token that brings the next one, and ends with it: see [`Successor`].
    Successor(Successor),
    /// A signed assertion of a service account (RFC 7523, as Google has it): the key file is the
    /// credential `service_account`.
    ServiceAccount(OAuth),
    /// A login of the provider's own making: [`authenticate`](crate::Connector::authenticate) asks,
    /// [`on_authenticate`](crate::Connector::on_authenticate) reads the token.
    Login,
    /// Fixed, and the connection's settings choose which: [`authenticate`](crate::Connector::authenticate).
    Configured,
}

impl AuthKind {
    /// In a word, for tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Bearer(_) => "bearer token",
            Self::Header { .. } => "header",
            Self::Query { .. } => "query parameter",
            Self::ClientCredentials(_) => "OAuth client credentials",
            Self::RefreshToken(_) => "OAuth refresh token",
            Self::Successor(_) => "token that brings the next one",
            Self::ServiceAccount(_) => "service account",
            Self::Login => "login",
            Self::Configured => "as configured",
        }
    }

    /// Does fetching a token end the one before, so that only one may fetch?
    #[must_use]
    pub fn rotates(self) -> bool {
        matches!(self, Self::RefreshToken(_) | Self::Successor(_))
    }
}

/// A bearer token that is exchanged for the next one, which ends it. The configured one is exchanged at its first
/// use: what stands in the configuration is worth nothing afterwards. Each is kept, sealed, before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Successor {
    /// Credential that holds the first one.
    pub credential: &'static str,
    /// A `GET` here with the token gives the next one, below the connection's base URL (or the manifest's).
    pub path: &'static str,
    /// JSON pointer to it in the answer.
    pub pointer: &'static str,
    /// How long one lives. It is exchanged when five sixths are over.
    pub life: Duration,
    /// Where a person gets the first one, for when the chain is broken.
    pub anew: &'static str,
}

/// Where an OAuth token is fetched, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OAuth {
    /// The provider's token address; a connection's `token_url` stands in place of it.
    pub token_url: &'static str,
    /// Scopes, with blanks between; empty: the provider's own.
    pub scope: &'static str,
    /// Client id and secret go into the body, where the provider does not read `Authorization: Basic`.
    pub in_body: bool,
}

/// How inbound calls prove who they are. There is no "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// A keyed hash over the raw body, as described.
    Hmac {
        /// Header that carries it.
        header: &'static str,
        /// In words: key, message, form.
        recipe: &'static str,
    },
    /// A signature over the raw body by the provider's private key, as described.
    PublicKey {
        /// Header that carries it.
        header: &'static str,
        /// In words: algorithm, message, form.
        recipe: &'static str,
    },
    /// Chosen by the connection's `verify` setting, which must be there.
    Configured,
    /// The provider sends nothing: any inbound call is refused.
    NoInbound,
}

/// A secret that a connection may hold.
#[derive(Debug, Clone, Copy)]
pub struct Credential {
    /// Key in the connection's table: `access_token`.
    pub name: &'static str,
    /// What it is and where it is made.
    pub help: &'static str,
    /// Must it be there for actions to work?
    pub required: bool,
}

/// How fast a connection may go.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Token bucket over all calls; `None`: unlimited.
    pub rate: Option<Rate>,
    /// Calls at the same time.
    pub concurrency: u32,
    /// Longest life of one call, real time.
    pub timeout: Duration,
}

/// A token bucket: `burst` tokens, one more each `every`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Tokens when full.
    pub burst: u32,
    /// Time for one token, business time.
    pub every: Duration,
}

/// Fields of an input that make a message offer the way out of advertising (RFC 8058). The hub fills them for every
/// message of class `marketing`: it marks the message, and puts the address of the person's own page where the flow
/// names no way of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WayOut {
    /// Takes `true`: it is advertising, and does not go out without a way out of it.
    pub mark: &'static str,
    /// Takes the address.
    pub link: &'static str,
}

/// Something that a flow can ask for: `do: whatsapp.send_template`.
#[derive(Debug, Clone)]
pub struct Action {
    /// Name after the dot.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// JSON Schema of the input.
    pub input: Schema,
    /// Fields of the result that flows may use; empty object schema when there are none.
    pub output: Value,
    /// Which calls must keep their order.
    pub lane: Lane,
    /// Is it a message to a person? Then a flow must give its class, and it is sent only when the law allows it.
    pub message: Option<Message>,
    /// Where the input of a message that can be advertising takes the way out of it.
    pub way_out: Option<WayOut>,
    /// What happens when it is not known whether it was done.
    pub idempotency: Idempotency,
    /// When its outcome is final.
    pub settled_by: SettledBy,
    /// How long it is tried when the flow does not say.
    pub give_up_after: Duration,
    /// Its loss bothers nobody: what is too old, or of unknown outcome, is dropped, and no person is asked.
    pub expendable: bool,
    /// May several be put into one call?
    pub batch: Option<Batch>,
    /// Least time between two effects of one lane (WhatsApp: one message per person and 6 s), business time.
    pub lane_gap: Option<Duration>,
    /// It asks a registry of people who want no advertising about so many addresses at once, at most. The engine
    /// asks by itself: `{ "phones": [E.164] }` or `{ "emails": [lower case] }`, and the result is
    /// `{ "registered": [{ "key": address, "refused": [ways] }] }` with ways of `sms`, `app`, `email`, `call`. Who is
    /// not in it is not registered.
    pub registry: Option<usize>,
}

impl Action {
    /// An action with the input type's schema; idempotency must be said, there is no default for it.
    #[must_use]
    #[expect(clippy::new_ret_no_self, reason = "it is always built by its builder")]
    pub fn new<I: schemars::JsonSchema>(
        name: &'static str,
        title: &'static str,
        idempotency: Idempotency,
    ) -> ActionBuilder {
        ActionBuilder(Self {
            name,
            title,
            input: schemars::schema_for!(I),
            output: Value::Object(serde_json::Map::new()),
            lane: Lane::FlowKey,
            message: None,
            way_out: None,
            idempotency,
            settled_by: SettledBy::Answer,
            give_up_after: Duration::from_secs(24 * 3600),
            expendable: false,
            batch: None,
            lane_gap: None,
            registry: None,
        })
    }
}

impl Action {
    /// The e-mail address that a message of this action would be written to.
    #[must_use]
    pub fn mail_address<'a>(&self, input: &'a Value) -> Option<&'a str> {
        self.message?.address(input).filter(|address| address.contains('@'))
    }
}

/// A message to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// How it reaches the person: `whatsapp`, `sms`, `email`, `call`, `push`.
    pub channel: &'static str,
    /// Where the input names the person's address; `None`: the provider knows to whom it goes, so that it may be
    /// nothing but transactional.
    pub to: Option<&'static str>,
    /// Where it names the channel's own id of the person, when there is no address.
    pub or: Option<&'static str>,
    /// The provider takes it only while the person's own message is younger than this (WhatsApp's service window).
    pub answers_within: Option<Duration>,
}

impl Message {
    /// By this channel, to the address at this JSON pointer of the input.
    #[must_use]
    pub const fn to(channel: &'static str, pointer: &'static str) -> Self {
        Self { channel, to: Some(pointer), or: None, answers_within: None }
    }
    /// By this channel, to somebody whom only the provider knows.
    #[must_use]
    pub const fn to_unnamed(channel: &'static str) -> Self {
        Self { channel, to: None, or: None, answers_within: None }
    }
    /// Where there is no address, to the channel's own id at this JSON pointer.
    #[must_use]
    pub const fn or(self, pointer: &'static str) -> Self {
        Self { or: Some(pointer), ..self }
    }
    /// Only as an answer, within this time of what the person wrote.
    #[must_use]
    pub const fn answers_within(self, time: Duration) -> Self {
        Self { answers_within: Some(time), ..self }
    }
    /// The person's address.
    #[must_use]
    pub fn address(self, input: &Value) -> Option<&str> {
        let text = |pointer: &str| input.pointer(pointer)?.as_str().map(str::trim).filter(|text| !text.is_empty());
        self.to.and_then(text).or_else(|| self.or.and_then(text))
    }
}

/// Builds an [`Action`].
#[derive(Debug, Clone)]
pub struct ActionBuilder(Action);

impl ActionBuilder {
    /// Which calls must keep their order.
    #[must_use]
    pub fn lane(mut self, lane: Lane) -> Self {
        self.0.lane = lane;
        self
    }
    /// It is a message to a person. Nothing is written to an address of the suppression list.
    #[must_use]
    pub fn message(mut self, message: Message) -> Self {
        self.0.message = Some(message);
        self
    }
    /// The fields of the input that say that the message is advertising, and take the way out of it.
    #[must_use]
    pub fn way_out(mut self, mark: &'static str, link: &'static str) -> Self {
        self.0.way_out = Some(WayOut { mark, link });
        self
    }
    /// Its outcome is final only by a status that comes later, or after `timeout` (then `unsettled`).
    #[must_use]
    pub fn settled_by_status(mut self, timeout: Duration) -> Self {
        self.0.settled_by = SettledBy::Status { timeout };
        self
    }
    /// How long it is tried when the flow does not say.
    #[must_use]
    pub fn give_up_after(mut self, age: Duration) -> Self {
        self.0.give_up_after = age;
        self
    }
    /// Its loss bothers nobody: it is tried no longer than `age`, and then dropped; so is one of which it is not
    /// known whether it was done. For counts and statistics, never for what a person waits for.
    #[must_use]
    pub fn expendable(mut self, age: Duration) -> Self {
        self.0.give_up_after = age;
        self.0.expendable = true;
        self
    }
    /// Up to `max` inputs fit into one call.
    #[must_use]
    pub fn batch(mut self, max: usize) -> Self {
        self.0.batch = Some(Batch { max });
        self
    }
    /// Least time between two effects of one lane.
    #[must_use]
    pub fn lane_gap(mut self, gap: Duration) -> Self {
        self.0.lane_gap = Some(gap);
        self
    }
    /// It asks a registry of people who want no advertising: [`Action::registry`].
    #[must_use]
    pub fn registry(mut self, most: usize) -> Self {
        self.0.registry = Some(most);
        self
    }
    /// Names of result fields with a short type each: `json!({"id": "string"})`.
    #[must_use]
    pub fn output(mut self, fields: Value) -> Self {
        self.0.output = fields;
        self
    }
    /// Done.
    #[must_use]
    pub fn build(self) -> Action {
        self.0
    }
}

/// Which effects share a lane of their connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Those of one flow key.
    FlowKey,
    /// Those with the same value at this JSON pointer of the input (`/to`); the flow key when it is absent.
    Input(&'static str),
    /// Those with the same value at the first of these JSON pointers that the input has; the flow key when it has none.
    First(&'static [&'static str]),
    /// All of the connection.
    Connection,
}

/// What the provider offers against doing a thing twice (G7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// An idempotency header or field, remembered for a time.
    Native {
        /// How long a key is remembered.
        valid_for: Duration,
    },
    /// The hub chooses the record's id, or sets a state: sending again changes nothing.
    ClientId,
    /// The hub can look whether it was done, at the earliest `after` the call's longest life.
    Readable {
        /// Time to wait before looking.
        after: Duration,
    },
    /// A later webhook carries the hub's own key; waited for `within`.
    Correlated {
        /// Time to wait for it.
        within: Duration,
    },
    /// None of these: the flow's `on_unknown` decides.
    AtMostOnce,
}

/// When an outcome is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettledBy {
    /// At the answer.
    Answer,
    /// At a later status; `unsettled` after the timeout.
    Status {
        /// Time to wait.
        timeout: Duration,
    },
}

/// Several inputs in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// At most so many.
    pub max: usize,
}

/// Something that reconciliation reads.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// Name: `orders`.
    pub name: &'static str,
    /// How often by default, business time.
    pub every: Duration,
    /// Kinds of read models of which a reading from the beginning of time shows every one: what the hub
    /// has of them beyond that, the provider has no more.
    pub whole: &'static [&'static str],
}
