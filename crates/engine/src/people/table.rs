//! What a change of the map is made on. Everything that it may look at is read before, with its version; what it changed
//! is written in one transaction that names those versions.

use super::{GROUP, Group, KEY};
use crate::engine::Inner;
use pasarela_domain::identity::{Claim, Mention, Party, People, Person, Source};
use pasarela_domain::{EntityRef, PersonId};
use pasarela_store::{EntityRow, EntityUpsert, Error, RecordWrite, hash_name};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Histories that the index names under one thing. An address of more is a company's, and says nothing of who somebody is;
/// of an order of more, those beyond are compared with those who were there first.
const NAMED: usize = 200;
/// Read models of one look.
const LOOK: usize = 400;

/// Who shares something.
#[derive(Default, Serialize, Deserialize)]
struct Named {
    persons: Vec<PersonId>,
}

struct GroupSlot {
    version: i64,
    group: Group,
    people: Option<Arc<People>>,
    changed: bool,
}

#[derive(Default)]
struct KeySlot {
    version: i64,
    persons: Vec<PersonId>,
    changed: bool,
}

/// See the head of this file.
pub(super) struct Table<'i> {
    pub(super) inner: &'i Arc<Inner>,
    own: i64,
    groups: HashMap<PersonId, GroupSlot>,
    keys: HashMap<String, KeySlot>,
    /// Names of addresses that some record no longer gives: who else gives them may have them now.
    pub(super) dropped: BTreeSet<String>,
    /// Addresses that become one person's for the law, by their names among the read models; and whether a person says so.
    pub(super) links: Vec<(Vec<String>, bool)>,
    /// Addresses that leave a person for the law.
    pub(super) parted: Vec<Vec<String>>,
    /// Records by which people find it, written before the rest, so that none is missing after a crash. Written twice they
    /// are the same.
    pub(super) records: Vec<RecordWrite>,
    /// What is told of persons, packed.
    pub(super) told: Vec<Vec<u8>>,
}

impl<'i> Table<'i> {
    pub(super) fn new(inner: &'i Arc<Inner>) -> Result<Self, Error> {
        Ok(Self {
            own: inner.own_connection()?,
            inner,
            groups: HashMap::new(),
            keys: HashMap::new(),
            dropped: BTreeSet::new(),
            links: Vec::new(),
            parted: Vec::new(),
            records: Vec::new(),
            told: Vec::new(),
        })
    }

    /// The id that a record of a brand is born with.
    pub(super) fn born(&self, brand: &str, source: &Source) -> PersonId {
        let parts = ["person", brand, &source.connection, &source.kind, &source.id];
        PersonId::from_raw(self.inner.store.sealer().hash(&parts))
    }

    /// A name under which the index finds who shares something. Never those of another brand.
    fn key(&self, brand: &str, what: &str, text: &str) -> String {
        hash_name(self.inner.store.sealer().hash(&["person key", brand, what, text]))
    }

    pub(super) fn claim_key(&self, brand: &str, claim: &Claim) -> Option<String> {
        Some(match claim {
            Claim::Email { address, .. } => self.key(brand, "email", address.as_str()),
            Claim::Phone { number, .. } => self.key(brand, "phone", number.as_e164()),
            Claim::ChannelUser { channel, id } => self.key(brand, channel, &id.to_lowercase()),
            // Kinds that share one line of numbers are compared, whatever they are called.
            Claim::Document { document } => self.key(brand, "document", document.number()),
            Claim::Record { record } => {
                let id = format!("{}/{}/{}", record.connection, record.kind, record.id);
                self.key(brand, "record", &id)
            }
            Claim::Name { .. } | Claim::Hub { .. } | Claim::Language { .. } | Claim::JobTitle { .. } => return None,
        })
    }

    fn party_key(&self, brand: &str, party: &Party) -> String {
        let order = &party.order;
        self.key(brand, "order", &format!("{}/{}", order.connection, order.id))
    }

    /// Under which names a mention is found.
    pub(super) fn keys_of(&self, brand: &str, mention: &Mention) -> Vec<String> {
        let claims = mention.claims.iter().filter_map(|c| self.claim_key(brand, c));
        claims.chain(mention.party.iter().map(|p| self.party_key(brand, p))).collect()
    }

    /// Reads histories and the index, as far as they are not here yet; also the histories that those were laid together
    /// with.
    pub(super) async fn read(
        &mut self,
        groups: impl IntoIterator<Item = PersonId>,
        keys: impl IntoIterator<Item = String>,
    ) -> Result<(), Error> {
        let mut wanted: HashSet<PersonId> = groups.into_iter().filter(|g| !self.groups.contains_key(g)).collect();
        let mut names: HashSet<String> = keys.into_iter().filter(|k| !self.keys.contains_key(k)).collect();
        while !wanted.is_empty() || !names.is_empty() {
            let ids: Vec<PersonId> = wanted.drain().collect();
            let named: Vec<String> = names.drain().collect();
            let groups = ids.iter().map(|g| EntityRef::new(GROUP, hash_name(g.get())));
            let entities: Vec<EntityRef> = groups.chain(named.iter().map(|k| EntityRef::new(KEY, k))).collect();
            let mut rows: Vec<Option<EntityRow>> = Vec::with_capacity(entities.len());
            for some in entities.chunks(LOOK) {
                let asked = some.iter().map(|e| (self.own, e.clone())).collect();
                rows.extend(self.inner.store.lookup(Vec::new(), asked).await?.1);
            }
            let keys = rows.split_off(ids.len());
            for (id, row) in ids.into_iter().zip(rows) {
                let read = row.as_ref().and_then(|r| serde_json::from_slice::<Group>(&r.data).ok());
                let group = read.unwrap_or_default();
                wanted.extend(group.into);
                self.groups.insert(
                    id,
                    GroupSlot { version: row.map_or(0, |r| r.version), group, people: None, changed: false },
                );
            }
            for (name, row) in named.into_iter().zip(keys) {
                let read = row.as_ref().and_then(|r| serde_json::from_slice::<Named>(&r.data).ok());
                let persons = read.unwrap_or_default().persons;
                self.keys.insert(name, KeySlot { version: row.map_or(0, |r| r.version), persons, changed: false });
            }
            wanted.retain(|g| !self.groups.contains_key(g));
        }
        Ok(())
    }

    /// Reads who is named under these, and their histories.
    pub(super) async fn read_named(&mut self, keys: &[String]) -> Result<(), Error> {
        self.read(Vec::new(), keys.iter().cloned()).await?;
        let named = keys.iter().filter_map(|k| self.keys.get(k)).flat_map(|s| s.persons.clone());
        let named: Vec<PersonId> = named.collect();
        self.read(named, Vec::new()).await
    }

    /// The history that an id is in now; `None`: nobody has it.
    pub(super) fn root(&self, id: PersonId) -> Option<PersonId> {
        let mut at = id;
        loop {
            let slot = self.groups.get(&at)?;
            match slot.group.into {
                Some(into) => at = into,
                None => return slot.group.history.entries().next().is_some().then_some(at),
            }
        }
    }

    pub(super) fn group(&self, root: PersonId) -> Option<&Group> {
        self.groups.get(&root).map(|s| &s.group)
    }

    pub(super) fn brand(&self, root: PersonId) -> String {
        self.group(root).map(|g| g.brand.clone()).unwrap_or_default()
    }

    /// For a change of the history: what it comes to is found anew.
    pub(super) fn change(&mut self, root: PersonId) -> Option<&mut Group> {
        let slot = self.groups.get_mut(&root)?;
        slot.people = None;
        slot.changed = true;
        Some(&mut slot.group)
    }

    /// For a change of what is noted beside the history.
    pub(super) fn note(&mut self, root: PersonId) -> Option<&mut Group> {
        let slot = self.groups.get_mut(&root)?;
        slot.changed = true;
        Some(&mut slot.group)
    }

    /// What a history comes to.
    pub(super) fn people(&mut self, root: PersonId) -> Arc<People> {
        let Some(slot) = self.groups.get_mut(&root) else { return Arc::default() };
        slot.people.get_or_insert_with(|| Arc::new(slot.group.history.people())).clone()
    }

    /// What these histories come to.
    pub(super) fn come_to(&mut self, roots: &[PersonId]) -> Vec<Arc<People>> {
        roots.iter().map(|r| self.people(*r)).collect()
    }

    /// Histories that were changed.
    pub(super) fn changed(&self) -> Vec<PersonId> {
        let changed = self.groups.iter().filter(|(_, s)| s.changed && s.group.into.is_none());
        let mut all: Vec<PersonId> = changed.map(|(id, _)| *id).collect();
        all.sort_unstable();
        all
    }

    /// Histories of those whom the index names here, as far as they were read.
    pub(super) fn at(&self, key: &str) -> Vec<PersonId> {
        let named = self.keys.get(key).into_iter().flat_map(|slot| &slot.persons);
        let mut roots: Vec<PersonId> = Vec::new();
        for root in named.filter_map(|id| self.root(*id)) {
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        roots
    }

    /// The index finds a history's persons under these names from now on.
    pub(super) fn enter(&mut self, root: PersonId, keys: &[String]) {
        for key in keys {
            if self.at(key).contains(&root) {
                continue;
            }
            let slot = self.keys.entry(key.clone()).or_default();
            if slot.persons.len() < NAMED {
                slot.persons.push(root);
                slot.changed = true;
            }
        }
    }

    /// Two histories become one, under the id of the first.
    pub(super) fn lay_together(&mut self, root: PersonId, other: PersonId) {
        if root == other {
            return;
        }
        let Some(theirs) = self.change(other) else { return };
        let brand = theirs.brand.clone();
        let theirs = std::mem::replace(theirs, Group { into: Some(root), brand, ..Group::default() });
        let Some(mine) = self.change(root) else { return };
        mine.history = std::mem::take(&mut mine.history).with(theirs.history);
        mine.told.extend(theirs.told);
        mine.doubts.extend(theirs.doubts);
        mine.conflicts.extend(theirs.conflicts);
    }

    /// Reads all with whom a person of this history could be one, and gives their histories, the person's own first: who
    /// shares an address, a document, a channel's id, a record or an order with them, and who shares an order with any of
    /// those.
    pub(super) async fn gather(&mut self, root: PersonId, person: PersonId) -> Result<Vec<PersonId>, Error> {
        let brand = self.brand(root);
        let people = self.people(root);
        let (mut keys, mut ids) = (Vec::new(), Vec::new());
        for record in people.person(person).into_iter().flat_map(|p| p.records) {
            keys.extend(record.claims.iter().filter_map(|c| self.claim_key(&brand, c)));
            keys.extend(record.party.iter().map(|p| self.party_key(&brand, p)));
            // Who names this record is found under its name.
            keys.extend(self.claim_key(&brand, &Claim::Record { record: record.source.clone() }));
            for claim in &record.claims {
                match claim {
                    Claim::Hub { person } => ids.push(*person),
                    Claim::Record { record } => ids.push(self.born(&brand, record)),
                    _ => {}
                }
            }
        }
        self.read(ids.iter().copied(), Vec::new()).await?;
        let mut roots = vec![root];
        for again in [true, false] {
            self.read_named(&keys).await?;
            let named = keys.iter().flat_map(|k| self.at(k));
            for other in named.chain(ids.drain(..).filter_map(|id| self.root(id))).collect::<Vec<_>>() {
                if !roots.contains(&other) && self.brand(other) == brand {
                    roots.push(other);
                }
            }
            keys.clear();
            if again {
                for people in self.come_to(&roots) {
                    let parties = people.all().flat_map(|p| p.records).filter_map(|r| r.party.clone());
                    keys.extend(parties.map(|p| self.party_key(&brand, &p)).collect::<BTreeSet<_>>());
                }
            }
        }
        Ok(roots)
    }

    /// Names of the addresses that a person's records give now.
    pub(super) fn addresses(&self, brand: &str, person: &Person<'_>) -> BTreeSet<String> {
        let addresses = person.claims().filter(|c| matches!(c, Claim::Email { .. } | Claim::Phone { .. }));
        addresses.filter_map(|c| self.claim_key(brand, c)).collect()
    }

    /// Reads whoever gives one of a person's addresses, and gives their histories, the person's own first.
    pub(super) async fn sharers(&mut self, root: PersonId, person: PersonId) -> Result<Vec<PersonId>, Error> {
        let people = self.people(root);
        let Some(person) = people.person(person) else { return Ok(vec![root]) };
        let keys: Vec<String> = self.addresses(&self.brand(root), &person).into_iter().collect();
        self.read_named(&keys).await?;
        let mut roots = vec![root];
        for other in keys.iter().flat_map(|k| self.at(k)) {
            if !roots.contains(&other) {
                roots.push(other);
            }
        }
        Ok(roots)
    }

    /// Read models as they are to be written.
    pub(super) fn writes(&self) -> Vec<EntityUpsert> {
        let sealer = self.inner.store.sealer();
        let write = |kind: &str, id: String, expected: i64, bytes: &[u8]| EntityUpsert {
            connection: self.own,
            entity: EntityRef::new(kind, id),
            expected,
            updated_at: None,
            rank: 0,
            hash: sealer.hash_bytes(bytes),
            data: sealer.seal(bytes),
            parent: None,
        };
        let mut all = Vec::new();
        for (id, slot) in self.groups.iter().filter(|(_, s)| s.changed) {
            let bytes = serde_json::to_vec(&slot.group).unwrap_or_default();
            all.push(write(GROUP, hash_name(id.get()), slot.version, &bytes));
        }
        for (name, slot) in self.keys.iter().filter(|(_, s)| s.changed) {
            let bytes = serde_json::to_vec(&Named { persons: slot.persons.clone() }).unwrap_or_default();
            all.push(write(KEY, name.clone(), slot.version, &bytes));
        }
        // In one order on every node, so that two never wait for each other.
        all.sort_by(|a, b| a.entity.cmp(&b.entity));
        all
    }
}

/// All persons of these.
pub(super) fn persons(all: &[std::sync::Arc<People>]) -> Vec<Person<'_>> {
    all.iter().flat_map(|p| p.all()).collect()
}
