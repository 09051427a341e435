//! The audit: who did what to which thing, when, from where, and what it was before and after.
//!
//! Entries form one chain per database. Each carries a keyed hash of itself and of the hash before it, so
//! that an entry that was changed, removed, put in or moved is found ([`verify`]), also when it was the last:
//! the head of the chain is kept with a keyed hash of its own. The key is made of the database's index key,
//! so whoever has the file and not the master key cannot write the chain anew.
//!
//! What is personal in an entry is not hashed itself but by its digest, which is made with a salt. Value and
//! salt are sealed together and go together: the chain still verifies when a person was erased from it
//! ([`forget`]), and nobody can guess the value from what is left. That a value went is itself an entry.
//!
//! What somebody asks for is a [`deed`]: one entry before it, one after it, which lists show as one. What is beyond
//! its age goes from the front ([`prune_audit`]); where the chain begins then is sealed by a keyed hash and an entry.

mod chain;
pub mod deed;
mod prune;
mod verify;

pub use chain::{AuditEntry, Audited, Outcome, WhoKind};
pub(crate) use chain::{Chain, Head, packed};
pub use prune::{PRUNED, prune_audit};
pub use verify::{Anchor, Broken, Verified, Verifier, verify};

use crate::contract::{Error, Fut, Page, Store, Work, Worked};
use crate::seal::{SealError, Sealer};
use jiff::Timestamp;
use serde_json::Value;

/// Action of an entry that says of which entries the values went.
pub const FORGOTTEN: &str = "audit.forgotten";
/// Entries whose values go with one such entry.
const BITE: u32 = 200;
/// What a list asks of each entry: that it is not the beginning of a deed of which the end is there too.
pub(crate) const ONE_OF_A_DEED: &str = "NOT (outcome = 'begun' AND EXISTS
    (SELECT 1 FROM audit e WHERE e.deed = audit.deed AND e.deed <> 0 AND e.outcome <> 'begun'))";

/// An entry, opened.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct AuditRow {
    /// Its number in the chain, from 1.
    pub seq: i64,
    /// When; never earlier than the entry before it.
    #[schemars(with = "pasarela_domain::Moment")]
    pub at: Timestamp,
    /// Kind of whoever did it.
    pub who_kind: WhoKind,
    /// Id of whoever did it.
    pub who: String,
    /// Their name then.
    pub name: String,
    /// Address that they came from, where there is one.
    pub from: Option<String>,
    /// Brand that it belongs to; empty: the hub itself.
    pub brand: String,
    /// What was done, as `pauses.write`.
    pub action: String,
    /// To what: a name or an id.
    pub subject: String,
    /// What it was before.
    pub before: Option<Value>,
    /// What it is after.
    pub after: Option<Value>,
    /// The values went with a person who was erased.
    pub forgotten: bool,
    /// How what was begun ended; null: the entry stands for itself, and tells of what happened.
    pub outcome: Option<Outcome>,
    /// Hash of the entry, hexadecimal.
    pub hash: String,
}

/// An entry as it lies in the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Number.
    pub seq: i64,
    /// Unix milliseconds.
    pub at: i64,
    /// As [`WhoKind`] writes it.
    pub who_kind: String,
    /// Id.
    pub who: String,
    /// Keyed hash of the name.
    pub named: i64,
    /// Brand.
    pub brand: String,
    /// Action.
    pub action: String,
    /// Subject.
    pub subject: String,
    /// Keyed hashes of the people it is about, eight bytes each.
    pub about: Vec<u8>,
    /// Numbers of the entries whose values went with it, eight bytes each.
    pub forgets: Vec<u8>,
    /// Name and address, sealed with their salt.
    pub actor: Option<Vec<u8>>,
    /// Digest of these.
    pub actor_digest: Vec<u8>,
    /// Before and after, sealed with their salt.
    pub detail: Option<Vec<u8>>,
    /// Digest of these; zeros when there never were any.
    pub detail_digest: Vec<u8>,
    /// Hash of the entry before.
    pub previous: Vec<u8>,
    /// Hash of this entry.
    pub hash: Vec<u8>,
    /// The deed that it tells of; 0: none.
    pub deed: i64,
    /// As [`Outcome`] writes it; empty: it tells of no deed.
    pub outcome: String,
}

/// Where the chain ends, as the database says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditHead {
    /// Number of the last entry; 0: there is none.
    pub seq: i64,
    /// Its time.
    pub at: i64,
    /// Its hash.
    pub hash: Vec<u8>,
    /// Keyed hash of the three.
    pub mac: Vec<u8>,
}

/// What an entry tells of, roughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// What people, keys and commands did, and what the hub decided.
    Changes,
    /// Looks at personal data.
    Looks,
    /// Whoever was turned away.
    Refusals,
}

impl AuditKind {
    /// Condition of a list.
    pub(crate) fn condition(self) -> &'static str {
        match self {
            Self::Changes => "outcome <> 'looked' AND outcome <> 'refused'",
            Self::Looks => "outcome = 'looked'",
            Self::Refusals => "outcome = 'refused'",
        }
    }
}

/// Which entries; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// By this id.
    pub who: Option<String>,
    /// By this name.
    pub name: Option<String>,
    /// This action.
    pub action: Option<String>,
    /// This subject.
    pub subject: Option<String>,
    /// Of this kind.
    pub kind: Option<AuditKind>,
    /// Of these brands only.
    pub brands: Option<Vec<String>>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Only below this number.
    pub before: Option<i64>,
    /// At most.
    pub limit: u32,
}

/// A database that keeps the audit.
pub trait Audits: Send + Sync + 'static {
    /// Entries, newest first. Of a deed that ended its end alone.
    fn audit_list(&self, filter: AuditFilter) -> Fut<'_, Page<AuditRow>>;
    /// One entry.
    fn audit_entry(&self, seq: i64) -> Fut<'_, Option<AuditRow>>;
    /// Entries above a number as they lie there, in order, for [`verify`].
    fn audit_links(&self, after: i64, limit: u32) -> Fut<'_, Vec<Link>>;
    /// Entries above a number, opened, in order.
    fn audit_after(&self, after: i64, limit: u32) -> Fut<'_, Vec<AuditRow>>;
    /// Where the chain ends.
    fn audit_head(&self) -> Fut<'_, AuditHead>;
    /// Behind which entry the chain begins: that of the number 0, or the last one that went by its age.
    fn audit_base(&self) -> Fut<'_, AuditHead>;
    /// The last of the first `limit` entries that are older than a moment and behind no entry about somebody who is
    /// held; `None`: there is none.
    fn audit_aged(&self, before: Timestamp, limit: u32) -> Fut<'_, Option<AuditHead>>;
    /// Entries about a person, by the keyed hash, that still have their values.
    fn audit_about(&self, subject: i64, limit: u32) -> Fut<'_, Vec<i64>>;
}

/// Removes what entries hold of a person, by the keyed hash, and writes down of which entries. What was done, by
/// whom and when stays. Returns of how many. May be called again after a crash.
pub async fn forget(store: &dyn Store, subject: i64, at: Timestamp) -> Result<u64, Error> {
    let mut gone = 0;
    loop {
        let entries = store.audit_about(subject, BITE).await?;
        if entries.is_empty() {
            return Ok(gone);
        }
        gone += entries.len() as u64;
        let note = Audited::by_system(at, FORGOTTEN, "");
        let entry = AuditEntry { forgets: entries, ..note.sealed(store.sealer())? };
        if store.work(Work { audit: vec![entry], ..Work::default() }).await? == Worked::Stale {
            return Err(Error::Database("an entry of the audit has no guard, and yet it was stale".into()));
        }
    }
}

/// What the stored row says to people.
pub(crate) fn opened(link: Link, sealer: &Sealer) -> Result<AuditRow, SealError> {
    let actor = link.actor.as_deref().map(|b| chain::open_actor(sealer, b)).transpose()?.unwrap_or_default();
    let detail = link.detail.as_deref().map(|b| chain::open_detail(sealer, b)).transpose()?;
    let forgotten = detail.is_none() && link.detail_digest.iter().any(|b| *b != 0);
    let detail = detail.unwrap_or_default();
    Ok(AuditRow {
        seq: link.seq,
        at: crate::codes::time(link.at),
        who_kind: WhoKind::from_name(&link.who_kind),
        who: link.who,
        name: actor.name,
        from: actor.from,
        brand: link.brand,
        action: link.action,
        subject: link.subject,
        before: detail.before,
        after: detail.after,
        forgotten,
        outcome: Outcome::from_name(&link.outcome),
        hash: crate::backup::hex(&link.hash),
    })
}
