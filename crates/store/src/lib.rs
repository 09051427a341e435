//! The store contract, and the SQLite and PostgreSQL adapters behind it. No business rule lives here: the engine
//! says what to write as domain batches ([`NewDelivery`], [`Decision`], [`Work`], [`Claim`]), the
//! adapter writes each of them whole or not at all, and answers after the commit.
//!
//! Every adapter implements [`Store`] and passes the same conformance suite (`tests/conformance.rs`).

mod audit;
pub mod backup;
mod care;
mod codes;
mod contract;
pub mod erasures;
mod gateway;
mod history;
mod page;
mod passes;
pub mod postgres;
mod queue;
mod records;
mod rows;
mod seal;
mod seen;
mod share;
pub mod sqlite;

pub use audit::{
    Anchor, AuditEntry, AuditFilter, AuditHead, AuditKind, AuditRow, Audited, Audits, Broken, FORGOTTEN, Link, Outcome,
    PRUNED, Verified, Verifier, WhoKind, deed, forget, prune_audit, verify,
};
pub use care::{Bite, Care, CareRow, HOLD, Kept, Person, Redacted, SCANS, Space};
pub use contract::{
    Accepted, AttemptInsert, Claim, Decided, Decision, DedupKey, EffectGuard, EffectInsert, EffectState, EffectUpdate,
    EntityUpsert, Error, EventInsert, FactResult, FactWrite, Fut, Listen, NewDelivery, Page, Part, PartRow, PersonLink,
    ReadGuard, RunInsert, RunStatus, RunWrite, Stats, Store, TimerKind, TimerSet, Work, Worked,
};
pub use gateway::{AnswerBegin, Begun, Gateway, KeyTerms};
pub use history::{History, TYPE as HISTORY_TYPE};
pub use passes::{PassKind, PassRow, Passes};
pub use records::{RecordFilter, RecordGuard, RecordOrder, RecordRow, RecordWrite, Recorded, Records};
pub use rows::{
    ApiKeyRow, ArrivedRow, AttemptRow, CONTACT, ConnectionRow, CursorRow, DeliveryRow, DeliveryStatus, EffectFilter,
    EffectRow, EntityRow, EventFilter, EventRow, HealthRow, InboxRow, ListenerRow, PauseKind, PauseRow, PushedFlow,
    QueuedRow, RunFilter, RunRow, SigningKeyRow, StandingOf, StandingRow, SuppressionCause, SuppressionRow, TimerRow,
    contact_name, hash_name,
};
pub use seal::{
    InvalidMaster, Master, Resealed, Rotated, SEALS_OF_A_KEY, SealError, SealState, Sealed, Sealer, Seals, rotate,
    sealed_columns,
};
pub use seen::{Seen, Within};
pub use share::{Ask, News, Share, Shares};
