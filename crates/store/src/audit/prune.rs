//! What is beyond its age goes from the front of the chain, in bites. Where it begins then is a row with a keyed hash
//! of its own, and the entry [`PRUNED`] names the last entry that went, with its hash: without both, whoever cuts the
//! front off is found.

use super::chain::Head;
use super::{AuditEntry, Audited};
use crate::contract::{Error, Store, Work, Worked};
use jiff::Timestamp;

/// Action of an entry that says that those before a number went by their age.
pub const PRUNED: &str = "audit.pruned";
/// Entries that go at once: the writer does its own work between two bites.
const BITE: u32 = 500;

/// Removes one bite of what is older than `before`, up to the first entry about somebody who is held. `at`: the time
/// of the entry that says so. Returns how many went; 0: nothing is left to go.
///
/// # Errors
/// When the store refuses; nothing of the bite went then.
pub async fn prune_audit(store: &dyn Store, before: Timestamp, at: Timestamp) -> Result<u64, Error> {
    let Some(last) = store.audit_aged(before, BITE).await? else { return Ok(0) };
    let base = store.audit_base().await?;
    let last = Head { seq: last.seq, at: last.at, hash: last.hash };
    let note = Audited::by_system(at, PRUNED, &told(&last));
    let gone = last.seq - base.seq;
    let entry = AuditEntry { prunes: Some(last), ..note.sealed(store.sealer())? };
    match store.work(Work { audit: vec![entry], ..Work::default() }).await? {
        Worked::Done { .. } => Ok(gone.unsigned_abs()),
        Worked::Stale => Err(Error::Database("an entry of the audit has no guard, and yet it was stale".into())),
    }
}

/// Number and hash of the last entry that went, as the entry names it.
pub(super) fn told(base: &Head) -> String {
    format!("{} {}", base.seq, crate::backup::hex(&base.hash))
}
