//! What the engine may ask of a store, as data. Closures over a database connection would not
//! become arrays on PostgreSQL; these do.

use crate::audit::AuditEntry;
use crate::rows::{
    ApiKeyRow, ArrivedRow, AttemptRow, ConnectionRow, CursorRow, DeliveryRow, DeliveryStatus, EffectFilter, EffectRow,
    EntityRow, EventFilter, EventRow, HealthRow, InboxRow, ListenerRow, PauseKind, PauseRow, PushedFlow, QueuedRow,
    RunFilter, RunRow, SigningKeyRow, StandingOf, StandingRow, SuppressionRow, TimerRow,
};
use crate::seal::{Sealed, Sealer};
use crate::share::{Ask, News, Share, Shares};
use jiff::Timestamp;
use pasarela_domain::{DeliveryId, EffectId, EntityRef, EventId, RunId};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;

/// A store call in flight.
pub type Fut<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Why the store could not do what was asked. Nothing was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The bounded queue in front of the writer is full: answer 503 and `Retry-After`.
    #[error("the write queue is full")]
    Busy,
    /// A read that lasted too long beside heavy writing: answer 503 and `Retry-After`.
    #[error("this read takes too long while so much is being written; ask for less, or later")]
    GaveWay,
    /// The disk is full: answer 503 and `Retry-After`.
    #[error("the disk that holds the database is full; free space and the hub goes on by itself")]
    DiskFull,
    /// The database file is damaged.
    #[error("the database is damaged: {0}; stop the hub, keep the file, and restore a backup")]
    Corrupt(String),
    /// The database's server does not answer. What was to be written is not; it is tried again by itself.
    #[error("the database cannot be reached: {0}; the hub goes on by itself when it is back")]
    Unreachable(String),
    /// This node gave no sign of life for too long, and was declared dead.
    #[error(
        "this node was silent for too long, and others may have taken over its work; it writes nothing any more: start it again"
    )]
    Fenced,
    /// Another process serves this database.
    #[error("another pasarela serves {0}; stop it first, or use another store.url")]
    Locked(String),
    /// Sealed data could not be opened.
    #[error(transparent)]
    Seal(#[from] crate::seal::SealError),
    /// The writer has stopped.
    #[error("the store is closed")]
    Closed,
    /// Anything else the database said.
    #[error("database: {0}")]
    Database(String),
}

/// A verified request or a polled record, on its way in.
#[derive(Debug)]
pub struct NewDelivery {
    /// Connection it came by.
    pub connection: i64,
    /// `webhook`, `poll`, `fetch`, `import`.
    pub source: &'static str,
    /// When.
    pub received_at: Timestamp,
    /// Headers and body, sealed together.
    pub packed: Sealed,
    /// Nonce or message id of the signature scheme: the second delivery with it is known already.
    pub replay_key: Option<String>,
    /// Somebody stands at the door: it has a share of the writer of its own, and waits behind no flood.
    pub door: bool,
}

/// What became of a delivery that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// On disk, and in the inbox. Ids are given in commit order.
    New(DeliveryId),
    /// The same request was accepted before.
    Known,
}

/// Everything that one delivery leads to (T2 of engine.md).
#[derive(Debug)]
pub struct Decision {
    /// The delivery; its inbox row goes away.
    pub delivery: DeliveryId,
    /// How it ended. `Decided` becomes `Duplicate` when every fact was known.
    pub status: DeliveryStatus,
    /// Why, for quarantine and partial results.
    pub reason: Option<Sealed>,
    /// Its facts, in order.
    pub facts: Vec<FactWrite>,
    /// Keyed hashes of the people in it.
    pub subjects: Vec<i64>,
    /// Somebody stands at the door, as in [`NewDelivery::door`].
    pub door: bool,
}

impl Decision {
    /// Bytes of its bodies.
    pub(crate) fn bytes(&self) -> usize {
        let fact = |f: &FactWrite| {
            f.entities.iter().map(|e| e.data.0.len()).sum::<usize>()
                + f.event.as_ref().map_or(0, |e| e.body.0.len())
                + f.runs.iter().map(|r| r.state.0.len()).sum::<usize>()
                + f.work.bytes()
        };
        self.facts.iter().map(fact).sum()
    }
}

/// One fact and all that follows from it: written whole, or skipped whole when the fact is known.
#[derive(Debug, Default)]
pub struct FactWrite {
    /// Key of a `Once` fact.
    pub dedup: Option<DedupKey>,
    /// Read models, each with the version that the decision was based on.
    pub entities: Vec<EntityUpsert>,
    /// The event, if the fact is one.
    pub event: Option<EventInsert>,
    /// New runs.
    pub runs: Vec<RunInsert>,
    /// What happens to effects, runs and timers.
    pub work: Work,
}

/// What makes a fact the same fact for all time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupKey {
    /// Connection.
    pub connection: i64,
    /// Kind of fact.
    pub kind: String,
    /// Keyed hash of the entity, since it may name a person.
    pub entity: i64,
    /// Keyed hash of the discriminator.
    pub discriminator: i64,
}

/// A read model to write.
#[derive(Debug)]
pub struct EntityUpsert {
    /// Connection whose id it is.
    pub connection: i64,
    /// Which one.
    pub entity: EntityRef,
    /// Version that was read; 0 for one that did not exist. Another version now: [`Decided::Conflict`].
    pub expected: i64,
    /// Provider's time of change.
    pub updated_at: Option<Timestamp>,
    /// Rank in its life.
    pub rank: i16,
    /// Keyed hash of the normalised state.
    pub hash: i64,
    /// State, sealed JSON.
    pub data: Sealed,
    /// Keyed hash of the read model that it is a part of, as an order is of its show: for lists of a whole's parts.
    pub parent: Option<i64>,
}

/// That a read model is a part of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Connection whose id it is.
    pub connection: i64,
    /// Which one.
    pub entity: EntityRef,
    /// Keyed hash of the whole.
    pub parent: i64,
}

/// A part of a read model, as lists give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// Place among all parts, in the order in which they were first seen: the cursor of lists.
    pub number: i64,
    /// Connection whose id it is.
    pub connection: i64,
    /// Its id within its kind.
    pub id: String,
    /// State, opened.
    pub data: Vec<u8>,
}

/// An event to write.
#[derive(Debug)]
pub struct EventInsert {
    /// Id, given by the engine.
    pub id: EventId,
    /// Canonical type.
    pub event_type: String,
    /// Connection.
    pub connection: i64,
    /// Keyed hash of the key.
    pub key: i64,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// Where it came from.
    pub delivery: DeliveryId,
    /// `{"key":..,"data":..,"refs":[..]}`, sealed.
    pub body: Sealed,
    /// Keyed hashes of the people in it.
    pub subjects: Vec<i64>,
}

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Effects are open or steps wait.
    Running,
    /// A read model is missing and being fetched.
    Blocked,
    /// All steps have ended; late news may still come.
    Settling,
    /// Ended.
    Done,
    /// Ended by a `cancel_on` or by a person.
    Cancelled,
    /// Ended because it could not be decided.
    Failed,
}

/// A new run.
#[derive(Debug)]
pub struct RunInsert {
    /// Id, given by the engine.
    pub id: RunId,
    /// Flow and version that it is pinned to.
    pub flow: i64,
    /// Event that started it.
    pub event: EventId,
    /// Keyed hash of (connection, key) of its event.
    pub key: i64,
    /// State.
    pub status: RunStatus,
    /// Data of the run, sealed.
    pub state: Sealed,
    /// When.
    pub created_at: Timestamp,
    /// Event types that it listens to now.
    pub listens: Vec<Listen>,
}

/// A run listens to events of one type with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Keyed hash of (connection, key), or of a read model's name.
    pub key: i64,
    /// Event type, or `entity`.
    pub event_type: String,
}

/// A change of a run.
#[derive(Debug)]
pub struct RunWrite {
    /// Which.
    pub id: RunId,
    /// Version that was read. Another version now: [`Worked::Stale`].
    pub expected: i64,
    /// State.
    pub status: RunStatus,
    /// Data of the run, sealed.
    pub state: Sealed,
    /// Now listens to these too.
    pub listen: Vec<Listen>,
    /// No longer listens to these.
    pub unlisten: Vec<Listen>,
    /// When.
    pub at: Timestamp,
}

/// State of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EffectState {
    /// Waits for its turn, or for its next try.
    Queued = 0,
    /// A call is out.
    Calling = 1,
    /// Answered; waits for the provider's status.
    Settling = 2,
    /// It is not known whether it was done; the hub is finding out.
    Checking = 3,
    /// Not to be sent before a moment, by law. It is in no lane, and takes a new place when it enters again.
    Deferred = 4,
    /// Done.
    Done = 10,
    /// Done in part.
    Partial = 11,
    /// Answered, but no status came in time.
    Unsettled = 12,
    /// It could not be done.
    GaveUp = 20,
    /// Accepted first, failed later.
    FailedLate = 21,
    /// Taken back before it was sent.
    Withdrawn = 22,
    /// Dropped: by a person, or because its moment had passed.
    Dropped = 23,
    /// Not sent, by a rule; its code names it.
    Withheld = 24,
    /// Needs a person.
    Dead = 30,
    /// It is not known whether it was done, and a person must say.
    Unknown = 31,
}

impl EffectState {
    /// From the stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Queued,
            1 => Self::Calling,
            2 => Self::Settling,
            3 => Self::Checking,
            4 => Self::Deferred,
            10 => Self::Done,
            11 => Self::Partial,
            12 => Self::Unsettled,
            20 => Self::GaveUp,
            21 => Self::FailedLate,
            22 => Self::Withdrawn,
            23 => Self::Dropped,
            24 => Self::Withheld,
            31 => Self::Unknown,
            _ => Self::Dead,
        }
    }

    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Calling => "calling",
            Self::Settling => "settling",
            Self::Checking => "checking",
            Self::Deferred => "deferred",
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Unsettled => "unsettled",
            Self::GaveUp => "gave_up",
            Self::FailedLate => "failed_late",
            Self::Withdrawn => "withdrawn",
            Self::Dropped => "dropped",
            Self::Withheld => "withheld",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

/// A new effect. With `calling`, its first attempt is recorded by the same row.
#[derive(Debug, Clone)]
pub struct EffectInsert {
    /// Id, given by the engine; stem of the idempotency key.
    pub id: EffectId,
    /// Run that wants it; `None` for the engine's own reads.
    pub run: Option<RunId>,
    /// Step path in the run.
    pub path: String,
    /// Connection.
    pub connection: i64,
    /// Action of the connection.
    pub action: String,
    /// Keyed hash of the lane key.
    pub lane: i64,
    /// 0 urgent, 1 normal, 2 bulk.
    pub urgency: u8,
    /// Keyed hash of the flow's name; 0 for the engine's own. Flows take turns (G9).
    pub flow: i64,
    /// Class of the message, if it is one.
    pub class: Option<String>,
    /// Purpose of the data's use (Ley 1581), as the flow names it.
    pub purpose: Option<String>,
    /// Input, sealed JSON.
    pub input: Sealed,
    /// When it was decided.
    pub created_at: Timestamp,
    /// Not before; `None`: at once.
    pub not_before: Option<Timestamp>,
    /// Tried until.
    pub give_up_at: Timestamp,
    /// Of no use after this moment: it is dropped then.
    pub expires_at: Option<Timestamp>,
    /// `hold` or `resend`.
    pub resend_unknown: bool,
    /// A dead letter parks its lane (else the lane goes on).
    pub park: bool,
    /// The first attempt, when it begins in the same transaction.
    pub calling: Option<Claim>,
}

/// An attempt that begins: the record is made before the call.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Effect.
    pub id: EffectId,
    /// Fence: the boot that owns the attempt.
    pub boot: i64,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Generation of the idempotency key.
    pub generation: u32,
    /// When it begins.
    pub started_at: Timestamp,
    /// Request bytes and connector state, sealed.
    pub call: Sealed,
    /// 0 safe, 1 same key, 2 never.
    pub repeat: u8,
    /// Nothing queued may lie in its lane above this place and before its own, else it is not to be had:
    /// another node may have put something there. `None`: nobody else may.
    pub alone_above: Option<i64>,
}

/// What must still hold when an effect is changed.
#[derive(Debug, Clone)]
pub enum EffectGuard {
    /// This boot's attempt is still the open one.
    Attempt {
        /// Fence.
        boot: i64,
        /// Number.
        attempt: u32,
    },
    /// The effect is in one of these states.
    State(&'static [EffectState]),
}

/// A change of an effect.
#[derive(Debug, Clone)]
pub struct EffectUpdate {
    /// Which.
    pub id: EffectId,
    /// What must still hold; else [`Worked::Stale`].
    pub guard: EffectGuard,
    /// New state.
    pub to: EffectState,
    /// Not before (for `Queued`).
    pub not_before: Option<Timestamp>,
    /// Stable code of a failure.
    pub code: Option<String>,
    /// Result or reason, sealed JSON; `None` keeps what is there.
    pub outcome: Option<Sealed>,
    /// Keyed hash of the provider's reference; `None` keeps what is there.
    pub reference: Option<i64>,
    /// A new generation of the idempotency key begins, and a new time to give up.
    pub renew: Option<Timestamp>,
    /// The time until which it is tried moves to this, and nothing else of it; `None` leaves it.
    pub give_up_at: Option<Timestamp>,
    /// It takes a new place in its lane, behind everything that waits there now. Its connection. Like
    /// `give_up_at` it goes with a guard by state only.
    pub reenters: Option<i64>,
}

/// The history row of an attempt that ended.
#[derive(Debug)]
pub struct AttemptInsert {
    /// Effect.
    pub effect: EffectId,
    /// Number, from 1. Calls of one attempt share it.
    pub attempt: u32,
    /// Ordinal of the call in the attempt, from 0.
    pub call: u32,
    /// When the call began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Outcome's name.
    pub outcome: &'static str,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Reason and excerpt of the answer, sealed JSON.
    pub detail: Option<Sealed>,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum TimerKind {
    /// A wait of a run: target is the run, path the step.
    Wait = 0,
    /// No status came in time: target is the effect.
    Settle = 1,
    /// Time to find out about an unknown effect: target is the effect.
    Check = 2,
    /// A run has more to decide than one transaction took: target is the run.
    Resume = 3,
    /// A message that the law deferred may be decided again: target is the effect.
    Defer = 4,
}

/// A timer to set.
#[derive(Debug, Clone)]
pub struct TimerSet {
    /// When.
    pub due: Timestamp,
    /// What for.
    pub kind: TimerKind,
    /// Run or effect.
    pub target: i64,
    /// Step path.
    pub path: String,
    /// Connection whose owner fires it: that of the effect, or that of the event that began the run.
    pub connection: i64,
}

/// Something that a change was decided from and that is not written with it. It must still be so when
/// the change is written, else nothing is written: [`Decided::Conflict`], [`Worked::Stale`].
///
/// Whoever begins to listen and whoever has news decide side by side. Each names what it read, so
/// that whichever is written second sees the first: no news falls between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadGuard {
    /// A read model has this version; 0: there is none.
    Entity {
        /// Connection that it belongs to.
        connection: i64,
        /// Read model.
        entity: EntityRef,
        /// Version that was read.
        version: i64,
    },
    /// Nobody listens to this but these runs.
    Listeners {
        /// Keyed hash of what is listened to.
        key: i64,
        /// Event type, or `entity`.
        event_type: String,
        /// Runs that were told.
        runs: Vec<RunId>,
    },
    /// So many events of these types with this key came after an event.
    Events {
        /// Keyed hash of the key.
        key: i64,
        /// The event.
        after: EventId,
        /// Types.
        types: Vec<String>,
        /// How many were read.
        count: u32,
    },
}

/// Changes that belong together: written whole, or [`Worked::Stale`] and nothing.
#[derive(Debug, Default)]
pub struct Work {
    /// What must still be as it was read.
    pub guards: Vec<ReadGuard>,
    /// Read models that are written beside what is decided, each with the version that was read. Where a fact
    /// is written, its own list has them.
    pub entities: Vec<EntityUpsert>,
    /// Addresses that become one person's.
    pub links: Vec<PersonLink>,
    /// Effects that change.
    pub updates: Vec<EffectUpdate>,
    /// History.
    pub attempts: Vec<AttemptInsert>,
    /// Runs that change.
    pub runs: Vec<RunWrite>,
    /// New effects, in order; they enter their lanes in this order.
    pub effects: Vec<EffectInsert>,
    /// Timers to set.
    pub timers: Vec<TimerSet>,
    /// Timers that fired: (due, id).
    pub fired: Vec<(Timestamp, i64)>,
    /// Deliveries that a fetch brought.
    pub deliveries: Vec<NewDelivery>,
    /// A new call of an attempt that goes on: replaces the stored request.
    pub progress: Option<Claim>,
    /// Attempts of other effects that begin with this: the slot that became free is used at once. One
    /// that is no longer queued is told in [`Worked::Done`] and stops nothing.
    pub claims: Vec<Claim>,
    /// Connections of which another node may be the owner, and whose lanes are not as it knows them any more.
    pub marks: Vec<i64>,
    /// Entries of the audit, in order: they are written with what they tell of, or not at all.
    pub audit: Vec<AuditEntry>,
}

/// An address (its keyed hash) belongs to a person, who is named by the hash of one of the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonLink {
    /// Keyed hash of the address.
    pub address: i64,
    /// The person.
    pub person: i64,
}

impl Work {
    /// Is there nothing to write?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.updates.is_empty()
            && self.entities.is_empty()
            && self.links.is_empty()
            && self.attempts.is_empty()
            && self.runs.is_empty()
            && self.effects.is_empty()
            && self.timers.is_empty()
            && self.fired.is_empty()
            && self.deliveries.is_empty()
            && self.progress.is_none()
            && self.claims.is_empty()
            && self.marks.is_empty()
            && self.audit.is_empty()
    }

    /// Bytes of its bodies.
    pub(crate) fn bytes(&self) -> usize {
        let call = |c: &Claim| c.call.0.len();
        self.updates.iter().map(|u| u.outcome.as_ref().map_or(0, |o| o.0.len())).sum::<usize>()
            + self.entities.iter().map(|e| e.data.0.len()).sum::<usize>()
            + self.attempts.iter().map(|a| a.detail.as_ref().map_or(0, |d| d.0.len())).sum::<usize>()
            + self.runs.iter().map(|r| r.state.0.len()).sum::<usize>()
            + self.effects.iter().map(|e| e.input.0.len() + e.calling.iter().map(call).sum::<usize>()).sum::<usize>()
            + self.deliveries.iter().map(|d| d.packed.0.len()).sum::<usize>()
            + self.progress.iter().chain(&self.claims).map(call).sum::<usize>()
            + self.audit.iter().map(AuditEntry::bytes).sum::<usize>()
    }
}

/// Result of [`Store::work`].
#[derive(Debug, Clone, PartialEq)]
pub enum Worked {
    /// Written. Sequence numbers of the new effects and ids of the deliveries, in order.
    Done {
        /// Sequence numbers of the new effects.
        seqs: Vec<i64>,
        /// Ids of the deliveries.
        deliveries: Vec<DeliveryId>,
        /// Which claims were still to be had.
        claimed: Vec<bool>,
    },
    /// A guard no longer holds; nothing was written.
    Stale,
}

/// Result of one fact.
#[derive(Debug, Clone, PartialEq)]
pub enum FactResult {
    /// Written; sequence numbers of its new effects.
    New(Vec<i64>),
    /// Known before; nothing of it was written.
    Known,
}

/// Result of [`Store::decide`].
#[derive(Debug, Clone, PartialEq)]
pub enum Decided {
    /// Written, one result per fact.
    Done(Vec<FactResult>),
    /// A version had changed; nothing was written. Read again and decide again.
    Conflict,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Rows.
    pub rows: Vec<T>,
    /// Cursor of the next page.
    pub next: Option<i64>,
}

/// Counters of the adapter since it was opened.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Stats {
    /// Groups committed.
    pub commits: u64,
    /// Members of those groups: accepts, decisions, works and claims.
    pub transactions: u64,
    /// Rows inserted, updated or deleted.
    pub row_operations: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Requests in the writer's queue.
    pub queued: u64,
    /// Groups that were rolled back.
    pub rollbacks: u64,
}

/// A database that keeps the hub's truth.
pub trait Store: crate::Audits + crate::Care + crate::Gateway + crate::Passes + crate::Records + crate::Seals {
    /// Seals what goes in. Cheap to call from many threads.
    fn sealer(&self) -> &Sealer;
    /// Fence of this boot: higher than every earlier one.
    fn boot(&self) -> i64;
    /// Number of this node among those that write the database: part of every id that it makes.
    fn node(&self) -> u8 {
        0
    }
    /// Beside this path lie the files of whoever has the database open: its lock, the socket for commands.
    fn home(&self) -> &Path;
    /// Can several nodes serve it?
    fn is_shared(&self) -> bool {
        false
    }
    /// Number of the present stretch of time in which no other node writes; `None`: others may.
    fn alone(&self) -> Option<u64> {
        Some(1)
    }
    /// May this node still send? Not when it gave no sign of life for so long that others may do its work.
    fn may_send(&self) -> bool {
        true
    }
    /// Gives back and asks for this node's share of the connections. One node has all of them.
    fn share(&self, ask: Ask) -> Fut<'_, Shares> {
        let own = ask.serves.unwrap_or_default();
        let own = own.into_iter().map(|connection| Share { connection, marks: 0, missed: 0 }).collect();
        Box::pin(async move { Ok(Shares { admitted: true, own, ..Shares::default() }) })
    }
    /// Tells other nodes that there is something for them. Only a hint: it may be lost.
    fn tell(&self, news: News) {
        let _ = news;
    }
    /// Waits until another node says that it did something. Only a hint: it may be lost.
    fn news(&self) -> Pin<Box<dyn Future<Output = News> + Send + '_>> {
        Box::pin(std::future::pending())
    }
    /// Do hints of other nodes arrive at all? If not, it has to be looked more often.
    fn hears(&self) -> bool {
        true
    }
    /// Returns when this node was declared dead: it writes nothing any more.
    fn fenced(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
    /// Signs off: what is this node's is free at once. Nothing is written after it.
    fn leave(&self) -> Fut<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    /// Highest place given in the lanes of each of these connections.
    fn places(&self, connections: Vec<i64>) -> Fut<'_, Vec<(i64, i64)>> {
        Box::pin(async move { Ok(connections.into_iter().map(|c| (c, 0)).collect()) })
    }
    /// Queued effects of a connection above a place, in the order of their places, and the highest place
    /// up to which these are all.
    fn arrived(&self, connection: i64, after: i64, limit: u32) -> Fut<'_, (Vec<ArrivedRow>, i64)> {
        let _ = (connection, limit);
        Box::pin(async move { Ok((Vec::new(), after)) })
    }
    /// Counters.
    fn stats(&self) -> Stats;

    /// T1. Answers after the commit.
    fn accept(&self, delivery: NewDelivery) -> Fut<'_, Accepted>;
    /// T2. Answers after the commit.
    fn decide(&self, decision: Decision) -> Fut<'_, Decided>;
    /// Outcome and next, timers, cancellations. Answers after the commit.
    fn work(&self, work: Work) -> Fut<'_, Worked>;
    /// Writes down what was done. Answers after the commit, which it shares with whatever else is written then.
    fn audit(&self, entry: AuditEntry) -> Fut<'_, ()> {
        let written = self.work(Work { audit: vec![entry], ..Work::default() });
        Box::pin(async move { written.await.map(drop) })
    }
    /// Begins attempts. `false`: the effect is no longer queued.
    fn claim(&self, claims: Vec<Claim>) -> Fut<'_, Vec<bool>>;
    /// Counts a failed try to decide; returns the tries so far.
    fn decide_failed(&self, delivery: DeliveryId) -> Fut<'_, u32>;
    /// Puts a quarantined or decided delivery back into the inbox.
    fn reopen(&self, delivery: DeliveryId) -> Fut<'_, bool>;

    /// Which of these dedup keys exist, and these read models as they are.
    fn lookup(
        &self,
        keys: Vec<DedupKey>,
        entities: Vec<(i64, EntityRef)>,
    ) -> Fut<'_, (Vec<bool>, Vec<Option<EntityRow>>)>;
    /// The person of an address, all of the person's addresses, and the read models of these kinds that lie
    /// under the addresses, with that of the kind `contact` of a sender and the person. One look, in one state
    /// of the database; an address that was never linked is a person of its own.
    fn standing(&self, of: StandingOf) -> Fut<'_, StandingRow>;
    /// Effects that are still deferred although their moment has passed: (effect, connection, moment), oldest
    /// first. A previous version of the hub forgets timers that it does not know.
    fn overdue(&self, until: Timestamp, limit: u32) -> Fut<'_, Vec<(EffectId, i64, Timestamp)>>;
    /// Ids of a connection's read models of a kind above `after`, in order.
    fn entity_ids(&self, connection: i64, kind: &str, after: &str, limit: u32) -> Fut<'_, Vec<String>>;
    /// Parts of this kind of a read model (by its keyed hash), the newest first, below the place `before`. Large bodies
    /// end a page before its limit.
    fn parts(&self, parent: i64, kind: &str, before: Option<i64>, limit: u32) -> Fut<'_, Page<PartRow>>;
    /// How many parts of this kind each of these has, in their order.
    fn count_parts(&self, parents: Vec<i64>, kind: &str) -> Fut<'_, Vec<u64>>;
    /// Notes of read models that are there whose parts they are: for those that were kept before that was noted.
    fn keep_parts(&self, parts: Vec<Part>) -> Fut<'_, ()>;
    /// Runs that listen to an event type with a key.
    fn listeners(&self, key: i64, event_type: &str) -> Fut<'_, Vec<ListenerRow>>;
    /// Pending deliveries of this node's connections above `after`, with their bytes, in order. Large bodies
    /// end a page before its limit.
    fn inbox(&self, after: i64, limit: u32) -> Fut<'_, Page<InboxRow>>;
    /// The same from the beginning, of some connections, but those that are known; in the order in which
    /// several nodes accepted them.
    fn inbox_besides(&self, of: Vec<i64>, known: Vec<i64>, limit: u32) -> Fut<'_, Page<InboxRow>> {
        let _ = (of, known);
        self.inbox(0, limit)
    }
    /// Effects that are calling under a boot that is over, of all connections.
    fn interrupted(&self) -> Fut<'_, Vec<EffectRow>>;
    /// Flows that have queued effects on a connection with an urgency.
    fn queued_flows(&self, connection: i64, urgency: u8) -> Fut<'_, Vec<i64>>;
    /// Queued effects of a flow on a connection with an urgency, above `after`, in lane order. Each tells
    /// how it stands in its lane, whichever flows the others there are of.
    fn queued(&self, connection: i64, urgency: u8, flow: i64, after: i64, limit: u32) -> Fut<'_, Vec<QueuedRow>>;
    /// The first queued effects of a lane above `after`, in lane order.
    fn queued_lane(&self, connection: i64, urgency: u8, lane: i64, after: i64, limit: u32) -> Fut<'_, Vec<QueuedRow>>;
    /// Lanes parked by a dead, unknown or checking effect: (connection, lane, urgency).
    fn parked(&self) -> Fut<'_, Vec<(i64, i64, u8)>>;
    /// Timers of this node's connections due before `until`, oldest first.
    fn timers(&self, until: Timestamp, limit: u32) -> Fut<'_, Vec<TimerRow>>;
    /// Due time of the next of them.
    fn next_timer(&self) -> Fut<'_, Option<Timestamp>>;
    /// An unsettled effect by the provider's reference.
    fn by_reference(&self, connection: i64, reference: i64) -> Fut<'_, Option<EffectRow>>;
    /// A flow version's row id, made if new.
    fn flow_id(&self, name: &str, version: u32, source: &str) -> Fut<'_, i64>;
    /// A stored flow version: (name, version, source).
    fn flow(&self, id: i64) -> Fut<'_, Option<(String, u32, String)>>;
    /// Puts flow versions (rows of [`Store::flow_id`]) in force, each in place of the one of its name: all or none.
    fn push_flows(&self, flows: Vec<i64>, by: &str, at: Timestamp) -> Fut<'_, ()>;
    /// Flow versions that were put in force, by name.
    fn pushed_flows(&self) -> Fut<'_, Vec<PushedFlow>>;
    /// Runs that have not ended, counted by flow version: (row, runs).
    fn live_runs(&self) -> Fut<'_, Vec<(i64, u64)>>;

    /// Keeps a pause; one that is there stays as it was.
    fn keep_pause(&self, pause: PauseRow) -> Fut<'_, ()>;
    /// Ends a pause; `false`: there was none.
    fn end_pause(&self, kind: PauseKind, name: &str) -> Fut<'_, bool>;
    /// What is paused, by kind and name.
    fn pauses(&self) -> Fut<'_, Vec<PauseRow>>;

    /// A connection's row id, made if new.
    fn connection_id(&self, name: &str, provider: &str) -> Fut<'_, i64>;
    /// All connections ever known.
    fn connections(&self) -> Fut<'_, Vec<ConnectionRow>>;
    /// A kept credential.
    fn credential(&self, connection: i64) -> Fut<'_, Option<Vec<u8>>>;
    /// Keeps a credential before it is used.
    fn keep_credential(&self, connection: i64, credential: Sealed) -> Fut<'_, ()>;
    /// Where reconciliation of a task stands.
    fn cursor(&self, connection: i64, task: &str) -> Fut<'_, Option<CursorRow>>;
    /// Moves it on.
    fn keep_cursor(&self, connection: i64, task: &str, cursor: Sealed, at: Timestamp, read: u64) -> Fut<'_, ()>;

    /// One delivery.
    fn delivery(&self, id: DeliveryId) -> Fut<'_, Option<DeliveryRow>>;
    /// Deliveries, newest first, below `before`.
    fn deliveries(&self, status: Option<DeliveryStatus>, before: Option<i64>, limit: u32)
    -> Fut<'_, Page<DeliveryRow>>;
    /// Deliveries above `after` that name a person, by the keyed hash, oldest first: an erasure begins
    /// with them, and goes on to their events and runs.
    fn naming(&self, subject: i64, after: i64, limit: u32) -> Fut<'_, Page<DeliveryId>>;
    /// One event.
    fn event(&self, id: EventId) -> Fut<'_, Option<EventRow>>;
    /// Events of a delivery.
    fn events_of(&self, delivery: DeliveryId) -> Fut<'_, Vec<EventId>>;
    /// Events by filter. Large bodies end a page before its limit.
    fn events(&self, filter: EventFilter) -> Fut<'_, Page<EventRow>>;
    /// One run.
    fn run(&self, id: RunId) -> Fut<'_, Option<RunRow>>;
    /// Events that name a person or a number, by its keyed hash, newest first, below `before`. Large bodies
    /// end a page before its limit.
    fn events_about(&self, subject: i64, before: Option<i64>, limit: u32) -> Fut<'_, Page<EventRow>>;
    /// The newest runs of these flow versions, looked for among the newest `within` runs and no further.
    fn runs_of(&self, flows: Vec<i64>, within: u32, limit: u32) -> Fut<'_, Vec<RunRow>>;
    /// Effects of a flow that are queued on these connections, calling, checking, dead or unknown, counted
    /// by step path and state. Of each kind at most `most` are looked at.
    fn open_steps(&self, flow: i64, connections: Vec<i64>, most: u32) -> Fut<'_, Vec<(String, EffectState, u64)>>;
    /// Runs by filter, newest first.
    fn runs(&self, filter: RunFilter) -> Fut<'_, Page<RunRow>>;
    /// One effect.
    fn effect(&self, id: EffectId) -> Fut<'_, Option<EffectRow>>;
    /// Effects by filter, newest first.
    fn effects(&self, filter: EffectFilter) -> Fut<'_, Page<EffectRow>>;
    /// Attempts of an effect.
    fn attempts(&self, effect: EffectId) -> Fut<'_, Vec<AttemptRow>>;
    /// Ages and counts for health and metrics.
    fn health(&self, now: Timestamp) -> Fut<'_, HealthRow> {
        self.health_besides(now, Vec::new())
    }
    /// The same; what is due at these connections is not asked how old it is.
    fn health_besides(&self, now: Timestamp, connections: Vec<i64>) -> Fut<'_, HealthRow>;

    /// Keeps an API key's hash and terms.
    fn keep_api_key(&self, key: ApiKeyRow) -> Fut<'_, ()>;
    /// All API keys.
    fn api_keys(&self) -> Fut<'_, Vec<ApiKeyRow>>;
    /// Revokes a key; `false` when there is none.
    fn revoke_api_key(&self, id: &str, at: Timestamp) -> Fut<'_, bool>;

    /// Keeps an address as one that is not written to. One that is there changes only for a stronger cause.
    fn suppress(&self, row: SuppressionRow) -> Fut<'_, ()>;
    /// Writes to an address again; `false`: nothing stood against it.
    fn unsuppress(&self, address: &str) -> Fut<'_, bool>;
    /// Why an address is not written to, if it is not.
    fn suppression(&self, address: &str) -> Fut<'_, Option<SuppressionRow>>;
    /// Addresses that are not written to, the latest first, below `before`.
    fn suppressions(&self, before: Option<i64>, limit: u32) -> Fut<'_, Page<SuppressionRow>>;

    /// Keeps a key that signs tickets, unless there is one of its number: several nodes may make the first.
    fn keep_signing_key(&self, number: i64, seed: Sealed, at: Timestamp) -> Fut<'_, ()>;
    /// Keys that sign tickets, by number.
    fn signing_keys(&self) -> Fut<'_, Vec<SigningKeyRow>>;

    /// Writes a probe through the writer: proves that it answers.
    fn ping(&self) -> Fut<'_, ()>;
    /// Checks the whole file; a sentence for people when it is damaged.
    fn integrity(&self) -> Fut<'_, Option<String>>;
}
