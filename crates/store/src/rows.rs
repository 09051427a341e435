//! What the store gives back: opened, in the hub's words.

use crate::contract::{EffectState, RunStatus, TimerKind};
use jiff::Timestamp;
use pasarela_domain::{DeliveryId, EffectId, EntityRef, EventId, RunId};

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum DeliveryStatus {
    /// In the inbox.
    Received = 0,
    /// All of it was understood and decided.
    Decided = 1,
    /// Some of it was not understood.
    Partial = 2,
    /// Nothing in it that anyone needs.
    Ignored = 3,
    /// Not understood: kept, shown, replayable.
    Quarantined = 4,
    /// Everything in it was known.
    Duplicate = 5,
    /// Reconciliation found it, and a person is to approve it.
    Proposed = 6,
}

impl DeliveryStatus {
    /// From the stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Received,
            1 => Self::Decided,
            2 => Self::Partial,
            3 => Self::Ignored,
            5 => Self::Duplicate,
            6 => Self::Proposed,
            _ => Self::Quarantined,
        }
    }
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Decided => "decided",
            Self::Partial => "partial",
            Self::Ignored => "ignored",
            Self::Quarantined => "quarantined",
            Self::Duplicate => "duplicate",
            Self::Proposed => "proposed",
        }
    }
}

/// A pending delivery.
#[derive(Debug, Clone)]
pub struct InboxRow {
    /// Delivery.
    pub id: DeliveryId,
    /// Connection.
    pub connection: i64,
    /// Source.
    pub source: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// Headers and body as packed by the engine.
    pub packed: Vec<u8>,
    /// Failed tries to decide it.
    pub tries: u32,
}

/// A delivery.
#[derive(Debug, Clone)]
pub struct DeliveryRow {
    /// Id.
    pub id: DeliveryId,
    /// Connection.
    pub connection: i64,
    /// Source.
    pub source: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// How it stands.
    pub status: DeliveryStatus,
    /// Why.
    pub reason: Option<String>,
    /// Headers and body; empty in lists.
    pub packed: Vec<u8>,
}

/// An event.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Id.
    pub id: EventId,
    /// Type.
    pub event_type: String,
    /// Connection.
    pub connection: i64,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// Delivery.
    pub delivery: DeliveryId,
    /// `{"key":..,"data":..,"refs":[..]}`.
    pub body: Vec<u8>,
}

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only this type.
    pub event_type: Option<String>,
    /// Only this keyed hash of the key.
    pub key: Option<i64>,
    /// Only this connection.
    pub connection: Option<i64>,
    /// Only below this id.
    pub below: Option<i64>,
    /// Only above this id.
    pub above: Option<i64>,
    /// Oldest first.
    pub ascending: bool,
    /// At most.
    pub limit: u32,
}

/// A read model.
#[derive(Debug, Clone)]
pub struct EntityRow {
    /// Which.
    pub entity: EntityRef,
    /// Version, from 1.
    pub version: i64,
    /// Provider's time of change.
    pub updated_at: Option<Timestamp>,
    /// Rank in its life.
    pub rank: i16,
    /// Keyed hash of the state.
    pub hash: i64,
    /// State as JSON.
    pub data: Vec<u8>,
}

/// Whose standing is asked for.
#[derive(Debug, Clone)]
pub struct StandingOf {
    /// Connection of the hub's own under which the read models lie.
    pub connection: i64,
    /// Keyed hash of the address.
    pub address: i64,
    /// Keyed hash of the sender, whose contacts with the person are read too.
    pub sender: Option<i64>,
    /// Kinds of read models that lie under an address.
    pub kinds: &'static [&'static str],
}

/// A person as the store knows one: by hashes only.
#[derive(Debug, Clone)]
pub struct StandingRow {
    /// Keyed hash of the address that names the person.
    pub person: i64,
    /// All addresses of the person, in order.
    pub addresses: Vec<i64>,
    /// Read models that are there.
    pub rows: Vec<EntityRow>,
}

/// Name of an address or a person among the read models.
#[must_use]
pub fn hash_name(hash: i64) -> String {
    format!("{hash:016x}")
}

/// Kind of the read model that holds a sender's contacts with a person.
pub const CONTACT: &str = "contact";

/// Name of the read model `contact` of a sender and a person.
#[must_use]
pub fn contact_name(sender: i64, person: i64) -> String {
    format!("{sender:016x}-{person:016x}")
}

/// A run that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerRow {
    /// Run.
    pub run: RunId,
}

/// A run.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Id.
    pub id: RunId,
    /// Flow version.
    pub flow: i64,
    /// Event.
    pub event: EventId,
    /// State.
    pub status: RunStatus,
    /// Version.
    pub version: i64,
    /// Data.
    pub state: Vec<u8>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Which runs.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only in this state.
    pub status: Option<RunStatus>,
    /// Only of this event.
    pub event: Option<EventId>,
    /// Only below this id.
    pub below: Option<i64>,
    /// At most.
    pub limit: u32,
}

/// An effect.
#[derive(Debug, Clone)]
pub struct EffectRow {
    /// Id.
    pub id: EffectId,
    /// Run.
    pub run: Option<RunId>,
    /// Step path.
    pub path: String,
    /// Connection.
    pub connection: i64,
    /// Action.
    pub action: String,
    /// Lane.
    pub lane: i64,
    /// Place in its lane.
    pub seq: i64,
    /// 0 urgent, 1 normal, 2 bulk.
    pub urgency: u8,
    /// Keyed hash of the flow's name; 0 for the engine's own.
    pub flow: i64,
    /// Class of the message.
    pub class: Option<String>,
    /// Purpose of the data's use.
    pub purpose: Option<String>,
    /// Of no use after this moment.
    pub expires_at: Option<Timestamp>,
    /// State.
    pub state: EffectState,
    /// Not before.
    pub not_before: Option<Timestamp>,
    /// Attempts begun.
    pub attempt: u32,
    /// Generation of the idempotency key.
    pub generation: u32,
    /// When the open attempt began.
    pub started_at: Option<Timestamp>,
    /// 0 safe, 1 same key, 2 never.
    pub repeat: u8,
    /// When it was decided.
    pub created_at: Timestamp,
    /// Tried until.
    pub give_up_at: Timestamp,
    /// Resend when unknown.
    pub resend_unknown: bool,
    /// A dead letter parks the lane.
    pub park: bool,
    /// Stable code of a failure.
    pub code: Option<String>,
    /// Input as JSON; empty in lists.
    pub input: Vec<u8>,
    /// Stored call (request and connector state); empty when there was none, and in lists.
    pub call: Vec<u8>,
    /// Result or reason as JSON; empty when there is none.
    pub outcome: Vec<u8>,
}

/// A queued effect, as much of it as its order needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedRow {
    /// Id.
    pub id: EffectId,
    /// Place in its lane.
    pub seq: i64,
    /// Keyed hash of the flow's name; 0 for the engine's own.
    pub flow: i64,
    /// Lane.
    pub lane: i64,
    /// Step path.
    pub path: String,
    /// Action.
    pub action: String,
    /// Not before.
    pub not_before: Option<Timestamp>,
    /// Nothing queued is before it in its lane.
    pub first: bool,
    /// Nothing queued is behind it in its lane.
    pub last: bool,
}

/// A queued effect that another node may have put into a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivedRow {
    /// Urgency of its lane.
    pub urgency: u8,
    /// The effect; how it stands in its lane is not told (`first`, `last` are false).
    pub queued: QueuedRow,
}

/// Which effects.
#[derive(Debug, Clone, Default)]
pub struct EffectFilter {
    /// Only in these states; empty: any.
    pub states: Vec<EffectState>,
    /// Only of this connection.
    pub connection: Option<i64>,
    /// Only these ids.
    pub ids: Vec<EffectId>,
    /// Only below this id.
    pub below: Option<i64>,
    /// At most.
    pub limit: u32,
}

/// An ended call.
#[derive(Debug, Clone)]
pub struct AttemptRow {
    /// Attempt.
    pub attempt: u32,
    /// Call of the attempt.
    pub call: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Outcome's name.
    pub outcome: String,
    /// HTTP status.
    pub status: Option<u16>,
    /// Reason and excerpt as JSON.
    pub detail: Vec<u8>,
}

/// A timer.
#[derive(Debug, Clone)]
pub struct TimerRow {
    /// When.
    pub due: Timestamp,
    /// Id beside the due time.
    pub id: i64,
    /// What for.
    pub kind: TimerKind,
    /// Run or effect.
    pub target: i64,
    /// Step path.
    pub path: String,
}

/// A connection that was ever configured.
#[derive(Debug, Clone)]
pub struct ConnectionRow {
    /// Id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Provider.
    pub provider: String,
}

/// Where a reconciliation task stands.
#[derive(Debug, Clone)]
pub struct CursorRow {
    /// The connector's cursor as JSON.
    pub cursor: Vec<u8>,
    /// When it last moved.
    pub at: Timestamp,
    /// Records read so far.
    pub read: u64,
}

/// An API key.
#[derive(Debug, Clone)]
pub struct ApiKeyRow {
    /// Public id.
    pub id: String,
    /// Name given by a person.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: Vec<u8>,
    /// `read`, `events:read`, `role:viewer`.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Its other terms.
    pub terms: crate::KeyTerms,
}

/// What a person may stop for a while.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PauseKind {
    /// All effects of a connection.
    Connection,
    /// Effects of a flow's runs, of every version.
    Flow,
    /// Effects with a class of message.
    Class,
}

impl PauseKind {
    /// As it is stored and written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Flow => "flow",
            Self::Class => "class",
        }
    }

    /// From the stored name.
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "flow" => Self::Flow,
            "class" => Self::Class,
            _ => Self::Connection,
        }
    }
}

/// Something that a person has paused.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct PauseRow {
    /// What kind of thing.
    pub kind: PauseKind,
    /// Its name.
    pub name: String,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// Who: the name of an API key, or of the command line.
    pub by: String,
    /// Since when.
    #[schemars(with = "pasarela_domain::Moment")]
    pub since: Timestamp,
}

/// A flow version that a person has put in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedFlow {
    /// Row of the version, for [`crate::Store::flow`].
    pub flow: i64,
    /// Name.
    pub name: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Ages and counts (G13).
#[derive(Debug, Clone, Default)]
pub struct HealthRow {
    /// Oldest delivery in the inbox.
    pub oldest_inbox: Option<Timestamp>,
    /// Deliveries in the inbox.
    pub inbox: u64,
    /// Bytes of them.
    pub inbox_bytes: u64,
    /// Oldest effect that is due and not paused.
    pub oldest_due: Option<Timestamp>,
    /// Effects queued.
    pub queued: u64,
    /// Those of them that wait because a person paused their connection, flow or class.
    pub paused: u64,
    /// Effects calling.
    pub calling: u64,
    /// Dead letters.
    pub dead: u64,
    /// Unknown effects that need a person.
    pub unknown: u64,
    /// Deliveries in quarantine.
    pub quarantined: u64,
    /// Deliveries that reconciliation proposes.
    pub proposed: u64,
    /// Bytes free on the disk.
    pub disk_free: u64,
}

/// Why an address is not written to. A stronger cause takes the place of a weaker one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum SuppressionCause {
    /// The person wants no advertising: what they bought they still hear of.
    Unsubscribed = 0,
    /// There is no such mailbox.
    Bounced = 1,
    /// The person called a message spam.
    Complained = 2,
    /// Somebody here said so.
    Asked = 3,
}

impl SuppressionCause {
    /// From the stored number; what is not known is the strongest.
    pub(crate) fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Unsubscribed,
            1 => Self::Bounced,
            2 => Self::Complained,
            _ => Self::Asked,
        }
    }

    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsubscribed => "unsubscribed",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
            Self::Asked => "asked",
        }
    }
}

/// An address that is not written to. Found by its keyed hash, kept sealed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct SuppressionRow {
    /// The address, lower case.
    pub address: String,
    /// Why.
    pub cause: SuppressionCause,
    /// In words: what the other side said, or the person here.
    pub why: Option<String>,
    /// Who: a connection, the name of an API key, or the command line.
    pub by: String,
    /// Since when.
    #[schemars(with = "pasarela_domain::Moment")]
    pub since: Timestamp,
}

/// What of a suppression is sealed.
#[derive(serde::Serialize, serde::Deserialize, Default)]
pub(crate) struct Told {
    pub(crate) address: String,
    pub(crate) why: Option<String>,
}

impl Told {
    pub(crate) fn of(row: &SuppressionRow) -> Self {
        Self { address: row.address.clone(), why: row.why.clone() }
    }

    pub(crate) fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }
}

/// A key that signs tickets. The highest number signs, all are believed.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// From 1.
    pub number: i64,
    /// Secret seed.
    pub seed: Vec<u8>,
    /// When it was made.
    pub made_at: Timestamp,
}

impl std::fmt::Debug for SigningKeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKeyRow({}, {})", self.number, self.made_at)
    }
}
