//! Addresses that were taken for one person's and are two persons'.
//!
//! Promise: what was said by an address stays with it, and no "no" is lost on the way: a withdrawal was written for
//! every address that the person had when they said it, and stays at each. A yes was written for the address that said
//! it, and stands for nobody else from now on. Contacts do not say by which address they went, so those of before count
//! for both, and neither is written to more often than the law allows. The label of a claim stays with who made it.

use super::{STANDING, TRIES, hash_of, read_standing};
use crate::cases::CASE;
use crate::engine::Inner;
use crate::lawful::Contacts;
use pasarela_domain::EntityRef;
use pasarela_domain::standing::Standing;
use pasarela_store::{CONTACT, Error, PersonLink, ReadGuard, StandingRow, Work, Worked, contact_name, hash_name};
use std::collections::BTreeSet;

impl Inner {
    /// These addresses leave the person of the first of them, together. Returns false when none would stay.
    pub(crate) async fn separate(&self, leaving: &[String]) -> Result<bool, Error> {
        let leaving: Vec<i64> = leaving.iter().filter_map(|a| hash_of(a)).collect();
        let Some(first) = leaving.first() else { return Ok(false) };
        for _ in 0..TRIES {
            let found = self.standing_of(*first, None).await?;
            let (leave, stay): (Vec<i64>, Vec<i64>) = found.addresses.iter().partition(|a| leaving.contains(a));
            if stay.is_empty() {
                return Ok(false);
            }
            let work = self.separate_work(&found, &leave, &stay).await?;
            match self.store.work(work).await? {
                Worked::Done { .. } => return Ok(true),
                Worked::Stale => {}
            }
        }
        Err(Error::Busy)
    }

    async fn separate_work(&self, found: &StandingRow, leave: &[i64], stay: &[i64]) -> Result<Work, Error> {
        let connection = self.own_connection()?;
        // A person has the name of one of their addresses: who keeps that address keeps the name.
        let (kept, renamed) = if leave.contains(&found.person) { (leave, stay) } else { (stay, leave) };
        let person = renamed[0];
        let mut work = Work::default();
        for (group, other, name) in [(kept, renamed, found.person), (renamed, kept, person)] {
            for address in group {
                work.links.push(PersonLink { address: *address, person: name });
                let own = hash_name(*address);
                let known = found.rows.iter().find(|r| &*r.entity.kind == STANDING && *r.entity.id == *own);
                // All of them: whoever decided from any while they were one person's decides again.
                let mut standing = known.map(read_standing).unwrap_or_default();
                self.drop_claims_of_others(&mut standing, group).await?;
                standing.apart.extend(other.iter().map(|o| hash_name(*o)));
                work.entities.push(self.standing_write(connection, &own, known, &standing));
            }
        }
        for sender in self.senders() {
            let of = |person| EntityRef::new(CONTACT, contact_name(sender, person));
            let wanted = vec![(connection, of(found.person)), (connection, of(person))];
            let (_, rows) = self.store.lookup(Vec::new(), wanted).await?;
            let [before, there] = [0, 1].map(|at| rows.get(at).and_then(Option::as_ref));
            // Must still be so when it is written.
            let version = before.map_or(0, |r| r.version);
            work.guards.push(ReadGuard::Entity { connection, entity: of(found.person), version });
            let Some(before) = before else { continue };
            let mut all = there.map(|row| Contacts::read(&row.data)).unwrap_or_default();
            all.lay(Contacts::read(&before.data));
            let bytes = serde_json::to_vec(&all).unwrap_or_default();
            work.entities.push(self.own_write(connection, of(person), there, &bytes));
        }
        Ok(work)
    }

    /// Takes away the labels of claims that none of these addresses made: what ends such a case does not reach them.
    async fn drop_claims_of_others(&self, standing: &mut Standing, addresses: &[i64]) -> Result<(), Error> {
        let mut others = Vec::new();
        for mark in &standing.claims {
            let Some(row) = self.store.record(CASE, &mark.case).await? else { continue };
            let Some(doc) = crate::cases::read(&row) else { continue };
            let claimant = &doc.case.claimant;
            let named = self.people_of(claimant.email.as_deref(), claimant.phone.as_deref());
            if !named.iter().filter_map(|n| hash_of(n)).any(|n| addresses.contains(&n)) {
                others.push(mark.case.clone());
            }
        }
        standing.claims.retain(|mark| !others.contains(&mark.case));
        Ok(())
    }
}

/// Has somebody said of any of these persons' addresses that they are two persons'?
pub(super) fn are_apart(found: &[StandingRow]) -> bool {
    let all: BTreeSet<String> = found.iter().flat_map(|f| &f.addresses).map(|a| hash_name(*a)).collect();
    let rows = found.iter().flat_map(|f| &f.rows).filter(|r| &*r.entity.kind == STANDING);
    rows.map(read_standing).any(|standing| !standing.apart.is_disjoint(&all))
}
