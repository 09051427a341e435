//! What is known of a person for a sending decision, under the hub's own connection: what they have allowed,
//! what stands for and against writing to them, and which addresses are one person's.
//!
//! Promise: everything in here is changed with the version that was read. Whoever decides whether a message
//! goes out names those versions, and two nodes cannot both find what only one of them may find.

mod apart;

use crate::engine::Inner;
use crate::ledger::{CONSENT, LEDGER};
use pasarela_domain::EntityRef;
use pasarela_domain::standing::Standing;
use pasarela_store::{
    CONTACT, EntityRow, EntityUpsert, Error, PersonLink, ReadGuard, StandingOf, StandingRow, Work, Worked,
    contact_name, hash_name,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// Kind of the read model of one address.
pub(crate) const STANDING: &str = "standing";
/// What lies under an address.
pub(crate) const KINDS: &[&str] = &[CONSENT, STANDING];

/// Who says that addresses are one person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// An order, a record, a statement that names both.
    ByRule,
    /// Somebody who looked: their word is above what was said before.
    ByPerson,
}

/// Tries to write what others write too, before it is given up for the moment.
const TRIES: u32 = 50;

impl Inner {
    /// Number of the hub's own connection.
    pub(crate) fn own_connection(&self) -> Result<i64, Error> {
        let own = self.connection(LEDGER).map(|c| c.id);
        own.ok_or_else(|| Error::Database("the hub's own connection is not there; please report it".into()))
    }

    /// The person of an address, with what lies under all addresses.
    pub(crate) async fn standing_of(&self, address: i64, sender: Option<i64>) -> Result<StandingRow, Error> {
        self.store.standing(StandingOf { connection: self.own_connection()?, address, sender, kinds: KINDS }).await
    }

    /// All addresses of the same persons, as their names among the read models.
    pub(crate) async fn linked(&self, addresses: &[String]) -> Result<Vec<String>, Error> {
        let mut all: BTreeSet<String> = addresses.iter().cloned().collect();
        for address in addresses.iter().filter_map(|a| hash_of(a)) {
            all.extend(self.standing_of(address, None).await?.addresses.into_iter().map(hash_name));
        }
        Ok(all.into_iter().collect())
    }

    /// Changes what stands for and against one address, by its name among the read models. `change` may be
    /// asked several times; `false`: there is nothing to change.
    pub(crate) async fn change_standing(
        &self,
        address: &str,
        change: impl Fn(&mut Standing) -> bool + Send + Sync,
    ) -> Result<(), Error> {
        let connection = self.own_connection()?;
        let entity = EntityRef::new(STANDING, address);
        for _ in 0..TRIES {
            let (_, rows) = self.store.lookup(Vec::new(), vec![(connection, entity.clone())]).await?;
            let known = rows.into_iter().flatten().next();
            let mut standing = known.as_ref().map(read_standing).unwrap_or_default();
            if !change(&mut standing) {
                return Ok(());
            }
            let entities = vec![self.standing_write(connection, address, known.as_ref(), &standing)];
            match self.store.work(Work { entities, ..Work::default() }).await? {
                Worked::Done { .. } => return Ok(()),
                Worked::Stale => {}
            }
        }
        Err(Error::Busy)
    }

    /// A standing as it is to be written, over what was read.
    pub(crate) fn standing_write(
        &self,
        connection: i64,
        address: &str,
        known: Option<&EntityRow>,
        standing: &Standing,
    ) -> EntityUpsert {
        let bytes = serde_json::to_vec(standing).unwrap_or_default();
        self.own_write(connection, EntityRef::new(STANDING, address), known, &bytes)
    }

    /// A read model of the hub's own as it is to be written, over what was read.
    pub(crate) fn own_write(
        &self,
        connection: i64,
        entity: EntityRef,
        known: Option<&EntityRow>,
        bytes: &[u8],
    ) -> EntityUpsert {
        EntityUpsert {
            connection,
            entity,
            expected: known.map_or(0, |k| k.version),
            updated_at: None,
            rank: 0,
            hash: self.store.sealer().hash_bytes(bytes),
            parent: None,
            data: self.store.sealer().seal(bytes),
        }
    }

    /// These addresses are one person's. What stands against one of them stands against all from now on, and
    /// contacts with one count for all. Returns false when that was known, or when a rule says so of addresses of which
    /// somebody has said that they are two persons'.
    pub(crate) async fn link(&self, addresses: &[String], by: Said) -> Result<bool, Error> {
        let hashes: Vec<i64> = addresses.iter().filter_map(|a| hash_of(a)).collect();
        let [first, others @ ..] = hashes.as_slice() else { return Ok(false) };
        if others.is_empty() {
            return Ok(false);
        }
        for _ in 0..TRIES {
            let mut found = vec![self.standing_of(*first, None).await?];
            for other in others {
                if !found.iter().any(|f| f.addresses.contains(other)) {
                    found.push(self.standing_of(*other, None).await?);
                }
            }
            if found.len() < 2 {
                return Ok(false);
            }
            if by == Said::ByRule && apart::are_apart(&found) {
                return Ok(false);
            }
            let work = self.link_work(&found).await?;
            match self.store.work(work).await? {
                Worked::Done { .. } => return Ok(true),
                Worked::Stale => {}
            }
        }
        Err(Error::Busy)
    }

    /// Keyed hash of a sender.
    pub(crate) fn sender_hash(&self, sender: &str) -> i64 {
        self.store.sealer().hash(&["sender", sender])
    }

    /// All senders of the configuration.
    pub(crate) fn senders(&self) -> BTreeSet<i64> {
        self.connections.values().map(|c| self.sender_hash(&c.sender)).collect()
    }

    /// An event that tells of a person or of who ordered names addresses that are one person's. Known before the
    /// event is: decided again, it is known again.
    pub(crate) async fn link_named(&self, event_type: &str, data: &Value) -> Result<(), Error> {
        let person = match event_type.split('.').next() {
            Some("person") => data,
            Some("order") => data.get("buyer").unwrap_or(&Value::Null),
            _ => return Ok(()),
        };
        let text = |name: &str| person.get(name).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty());
        let (Some(email), Some(phone)) = (text("email"), text("phone")) else { return Ok(()) };
        self.link(&self.people_of(Some(email), Some(phone)), Said::ByRule).await.map(drop)
    }

    async fn link_work(&self, found: &[StandingRow]) -> Result<Work, Error> {
        let connection = self.own_connection()?;
        let person = found[0].person;
        let all: BTreeSet<String> = found.iter().flat_map(|f| &f.addresses).map(|a| hash_name(*a)).collect();
        let mut work = Work::default();
        for row in found {
            for address in &row.addresses {
                work.links.push(PersonLink { address: *address, person });
                // Written anew, as it is but for what was said of their being two: whoever decided from it while it was another person's decides again.
                let name = hash_name(*address);
                let known = row.rows.iter().find(|r| &*r.entity.kind == STANDING && *r.entity.id == *name);
                let mut standing = known.map(read_standing).unwrap_or_default();
                standing.apart.retain(|other| !all.contains(other));
                work.entities.push(self.standing_write(connection, &name, known, &standing));
            }
        }
        // Contacts with either are contacts with the one person.
        for sender in self.senders() {
            let names: Vec<EntityRef> =
                found.iter().map(|f| EntityRef::new(CONTACT, contact_name(sender, f.person))).collect();
            let wanted = names.iter().map(|name| (connection, name.clone())).collect();
            let (_, rows) = self.store.lookup(Vec::new(), wanted).await?;
            if rows.iter().skip(1).all(Option::is_none) {
                // Must still be so when it is written.
                let none = names.into_iter().skip(1);
                work.guards.extend(none.map(|entity| ReadGuard::Entity { connection, entity, version: 0 }));
                continue;
            }
            let mut all = crate::lawful::Contacts::default();
            for row in rows.iter().flatten() {
                all.lay(crate::lawful::Contacts::read(&row.data));
            }
            let bytes = serde_json::to_vec(&all).unwrap_or_default();
            for (name, row) in names.iter().zip(&rows).skip(1) {
                let version = row.as_ref().map_or(0, |r| r.version);
                work.guards.push(ReadGuard::Entity { connection, entity: name.clone(), version });
            }
            work.entities.push(self.own_write(connection, names[0].clone(), rows[0].as_ref(), &bytes));
        }
        Ok(work)
    }
}

/// A standing out of its row.
pub(crate) fn read_standing(row: &EntityRow) -> Standing {
    serde_json::from_slice(&row.data).unwrap_or_default()
}

/// The keyed hash that a read model's name stands for.
pub(crate) fn hash_of(name: &str) -> Option<i64> {
    u64::from_str_radix(name, 16).ok().map(u64::cast_signed)
}
