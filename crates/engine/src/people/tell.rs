//! What is true of persons now, told as events of the hub's own connection.

use super::table::{Table, persons};
use super::{CONFLICT, Conflict, LISTED, PERSON, Told};
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::{EntityWrite, Fact, Translation, Unread};
use pasarela_domain::PersonId;
use pasarela_domain::identity::{Golden, Person, Record, Seat, Source, golden, has_seat, is_unknown};
use pasarela_domain::model::{HubDocument, HubPerson, HubPersonNews, HubRecord};
use pasarela_store::{Error, RecordWrite, hash_name};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// Histories that share an address which somebody no longer gives, and are looked at for who has it now.
const HEIRS: usize = 20;

/// What lies in a delivery of the hub's own connection that tells of a person.
#[derive(Serialize, Deserialize)]
struct News {
    /// Type of the event.
    told_of_person: String,
    /// Read model of the history, so that whoever erases the person finds it.
    group: String,
    at: Timestamp,
    person: HubPerson,
    changed: Vec<String>,
    /// Persons who are this one now.
    gone: Vec<PersonId>,
}

/// Such an event out of a delivery; `None`: it is something else.
pub(crate) fn translate(body: &[u8]) -> Option<Result<Translation, Unread>> {
    if !body.starts_with(b"{\"told_of_person\"") {
        return None;
    }
    Some(read(body))
}

fn read(body: &[u8]) -> Result<Translation, Unread> {
    let news: News = serde_json::from_slice(body)?;
    let (id, at) = (news.person.id.to_string(), news.at);
    let json = |value: serde_json::Result<Value>| value.map_err(|e| Unread(e.to_string()));
    let model = json(serde_json::to_value(&news.person))?;
    let data = json(serde_json::to_value(HubPersonNews { person: news.person, changed: news.changed }))?;
    let write = EntityWrite::new(PERSON, &id, model).updated(Some(at));
    let fact = Fact { data, ..Fact::state(&news.told_of_person, write) }.at(Some(at));
    let mut items = vec![fact.about(super::GROUP, news.group).into()];
    for gone in news.gone {
        let model = serde_json::json!({ "id": gone, "merged_into": id });
        let write = EntityWrite::new(PERSON, gone.to_string(), model).updated(Some(at));
        items.push(Fact { event_type: None, ..Fact::state("person.updated", write) }.into());
    }
    Ok(Translation { items })
}

impl Table<'_> {
    /// Tells of everybody of whom something is not as it was told.
    pub(super) async fn tell(&mut self, now: Timestamp) -> Result<(), Error> {
        let changed = self.changed();
        let mut roots: BTreeSet<PersonId> = changed.iter().copied().collect();
        for root in changed {
            for person in self.people(root).all().map(|p| p.id).collect::<Vec<_>>() {
                let others = self.sharers(root, person).await?;
                let bought = |r: &&Record| r.party.as_ref().is_some_and(|p| p.seat == Seat::Buyer);
                if self.people(root).person(person).is_some_and(|p| p.records.iter().any(bought)) {
                    // Guests of the order who were waited with.
                    roots.extend(self.gather(root, person).await?);
                }
                let brand = self.brand(root);
                let people = self.people(root);
                let mine = people.person(person).map(|p| self.addresses(&brand, &p)).unwrap_or_default();
                for other in others {
                    let holds =
                        self.group(other).is_some_and(|g| g.told.values().any(|t| self.is_told(&brand, t, &mine)));
                    if holds {
                        roots.insert(other);
                    }
                }
            }
        }
        let dropped: Vec<String> = std::mem::take(&mut self.dropped).into_iter().collect();
        self.read_named(&dropped).await?;
        for key in &dropped {
            roots.extend(self.at(key).into_iter().take(HEIRS));
        }
        for root in roots {
            for person in self.people(root).all().map(|p| p.id).collect::<Vec<_>>() {
                self.tell_of(root, person, now).await?;
            }
        }
        Ok(())
    }

    /// Tells of everybody in these histories of whom something is not as it was told. Those that were laid together with
    /// others are passed over: their persons are in those.
    pub(super) async fn tell_all(&mut self, histories: &[PersonId], now: Timestamp) -> Result<(), Error> {
        self.read(histories.iter().copied(), Vec::new()).await?;
        let here = |root: &PersonId| self.root(*root) == Some(*root);
        let roots: Vec<PersonId> = histories.iter().copied().filter(here).collect();
        let mut keys = BTreeSet::new();
        for root in &roots {
            let (brand, people) = (self.brand(*root), self.people(*root));
            keys.extend(people.all().flat_map(|person| self.addresses(&brand, &person)));
        }
        // In few looks what each would look for alone.
        self.read_named(&keys.into_iter().collect::<Vec<_>>()).await?;
        for root in roots {
            for person in self.people(root).all().map(|p| p.id).collect::<Vec<_>>() {
                self.tell_of(root, person, now).await?;
            }
        }
        Ok(())
    }

    /// Was a person told with one of these addresses?
    fn is_told(&self, brand: &str, told: &Told, addresses: &BTreeSet<String>) -> bool {
        use pasarela_domain::identity::Claim;
        let email = told.person.email.clone().map(|address| Claim::Email { address, verified: false });
        let phone = told.person.phone.clone().map(|number| Claim::Phone { number, verified: false });
        email.iter().chain(&phone).filter_map(|c| self.claim_key(brand, c)).any(|key| addresses.contains(&key))
    }

    async fn tell_of(&mut self, root: PersonId, id: PersonId, now: Timestamp) -> Result<(), Error> {
        let people = self.people(root);
        let Some(person) = people.person(id) else { return Ok(()) };
        let told = self.group(root).and_then(|g| g.told.get(&id)).cloned();
        let guest = |r: &&Record| r.party.as_ref().is_some_and(|p| p.seat == Seat::Guest);
        if told.is_none() && person.records.iter().all(guest) {
            let roots = self.gather(root, id).await?;
            let all = self.come_to(&roots);
            let around = persons(&all);
            // Until it is known who bought, nobody knows whose the address on a guest's ticket is: the first to be told of
            // with the buyer's address would be written into other systems as the one who has it.
            let bought = |order: &Source| around.iter().any(|p| has_seat(p, order, Seat::Buyer));
            let waits = |r: &&Record| r.party.as_ref().is_some_and(|p| !bought(&p.order));
            if person.records.iter().all(waits) || is_unknown(&person, &around) {
                return Ok(());
            }
        }
        let roots = self.sharers(root, id).await?;
        let all = self.come_to(&roots);
        let rules = self.inner.people.rules.clone().unwrap_or_default();
        let golden = golden(&person, &persons(&all), &rules);
        self.conflicts(root, &person, &golden, now);
        let as_is = self.describe(root, &person, &golden);
        let before = told.as_ref().filter(|t| t.person.id == id).map(|t| &t.person);
        if before == Some(&as_is) {
            return Ok(());
        }
        let what = match &told {
            None => "person.created",
            Some(told) if as_is.merged.iter().any(|m| !told.person.merged.contains(m)) => "person.merged",
            Some(told) if as_is.deleted && !told.person.deleted => "person.deleted",
            Some(_) => "person.updated",
        };
        let mut at = now;
        let ids = std::iter::once(&id).chain(&as_is.merged);
        for known in ids.filter_map(|i| self.group(root).and_then(|g| g.told.get(i))) {
            // Later than all that was told of them, also in the same instant.
            at = at.max(known.at + SignedDuration::from_micros(1));
        }
        let changed = changes(before, &as_is);
        if before.is_none_or(|b| listing(b) != listing(&as_is)) {
            self.list(&person, &as_is, now);
        }
        let mut gone = Vec::new();
        for merged in &as_is.merged {
            let other = self.group(root).and_then(|g| g.told.get(merged)).filter(|t| t.person.id == *merged).cloned();
            if let Some(mut other) = other {
                gone.push(*merged);
                self.unlist(&other.person, now);
                // By the other id: what was told last of this one is that it is another's.
                other.at = at;
                other.person.id = id;
                if let Some(group) = self.note(root) {
                    group.told.insert(*merged, other);
                }
            }
        }
        let news = News {
            told_of_person: what.to_owned(),
            group: hash_name(root.get()),
            at,
            person: as_is.clone(),
            changed,
            gone,
        };
        self.told.push(serde_json::to_vec(&news).unwrap_or_default());
        if let Some(group) = self.note(root) {
            group.told.insert(id, Told { at, person: as_is });
        }
        Ok(())
    }

    fn describe(&self, root: PersonId, person: &Person<'_>, golden: &Golden) -> HubPerson {
        let records = person.records.iter().zip(&golden.differs).map(|(record, (_, differs))| HubRecord {
            born: record.born,
            connection: record.source.connection.clone(),
            provider: self.provider(&record.source.connection),
            kind: record.source.kind.clone(),
            id: record.source.id.clone(),
            deleted: record.deleted,
            show_id: record.show.clone(),
            order_id: record.party.as_ref().map(|p| p.order.id.clone()),
            differs: differs.clone(),
        });
        let records: Vec<HubRecord> = records.collect();
        let name = golden.name.as_ref();
        // Only ids that somebody was told of lead anywhere for those who were told.
        let told = self.group(root).map(|g| &g.told);
        let others = person.records.iter().map(|r| r.born).filter(|born| *born != person.id);
        let mut merged: Vec<PersonId> = others.filter(|b| told.is_some_and(|t| t.contains_key(b))).collect();
        merged.sort_unstable();
        HubPerson {
            id: person.id,
            brand: self.brand(root),
            name: name.map(|n| n.full.clone()).unwrap_or_default(),
            first_name: name.map(|n| n.given.clone()).unwrap_or_default(),
            last_name: name.map(|n| n.surnames.clone()).unwrap_or_default(),
            email: golden.email.clone(),
            phone: golden.phone.clone(),
            channel_user: golden.channel_user.clone(),
            language: golden.language.clone(),
            job_title: golden.job_title.clone(),
            document: golden
                .document
                .as_ref()
                .map(|d| HubDocument { kind: d.kind().to_owned(), number: d.number().to_owned() }),
            deleted: records.iter().all(|r| r.deleted),
            records,
            merged,
        }
    }

    fn provider(&self, connection: &str) -> String {
        self.inner.connection(connection).map(|c| c.manifest().name.to_owned()).unwrap_or_default()
    }

    /// Edits that do not count are conflicts, until both sides say the same or a person accepts it.
    fn conflicts(&mut self, root: PersonId, person: &Person<'_>, golden: &Golden, now: Timestamp) {
        let sealer = self.inner.store.sealer();
        let mut open: Vec<(String, Conflict)> = Vec::new();
        for edit in &golden.overruled {
            let id = hash_name(sealer.hash(&["person conflict", &edit.born.to_string(), edit.field.as_str()]));
            let conflict = Conflict {
                person: person.id,
                born: edit.born,
                record: edit.record.clone(),
                field: edit.field,
                says: edit.says.clone(),
                wins: edit.wins.clone(),
                winner: edit.winner.clone(),
                why: edit.why,
                at: edit.at,
                since: now,
                accepted: None,
            };
            open.push((id, conflict));
        }
        let known = self.group(root).map(|g| g.conflicts.clone()).unwrap_or_default();
        for (id, conflict) in open {
            let same = known.get(&id).is_some_and(|k| k.says == conflict.says && k.wins == conflict.wins);
            if !same {
                self.record_conflict(&id, &conflict, &person.id, root, true, now);
                if let Some(group) = self.note(root) {
                    group.conflicts.insert(id, conflict);
                }
            }
        }
        for (id, conflict) in known {
            let Some(record) = person.records.iter().find(|r| r.born == conflict.born) else { continue };
            let says = conflict.field.shown_in(&record.claims);
            if says.is_none() || says == golden.shown(conflict.field) {
                if conflict.accepted.is_none() {
                    self.record_conflict(&id, &conflict, &person.id, root, false, now);
                }
                if let Some(group) = self.note(root) {
                    group.conflicts.remove(&id);
                }
            }
        }
    }

    pub(super) fn record_conflict(
        &mut self,
        id: &str,
        conflict: &Conflict,
        person: &PersonId,
        root: PersonId,
        open: bool,
        at: Timestamp,
    ) {
        let data = serde_json::json!({ "id": id, "brand": self.brand(root), "person": person, "conflict": conflict });
        let people = self.people(root);
        let subjects = people.person(*person).map(|p| self.subjects(&p)).unwrap_or_default();
        self.records.push(RecordWrite {
            kind: CONFLICT.to_owned(),
            id: id.to_owned(),
            expected: 0,
            due: None,
            open,
            subjects,
            at,
            data: self.inner.store.sealer().seal(data.to_string().as_bytes()),
        });
    }

    /// The person is found by name, address and document.
    fn list(&mut self, person: &Person<'_>, as_is: &HubPerson, at: Timestamp) {
        let mut subjects = self.subjects(person);
        subjects.extend(as_is.document.iter().map(|d| self.inner.document_hash(&d.number)));
        subjects.extend(pasarela_domain::identity::words_of(&as_is.name).iter().map(|w| self.inner.word_hash(w)));
        subjects.sort_unstable();
        subjects.dedup();
        self.listed(as_is, subjects, !as_is.deleted, at);
    }

    /// By which an erasure finds what is kept of a person: all addresses that were ever theirs.
    fn subjects(&self, person: &Person<'_>) -> Vec<i64> {
        let addresses = person.addresses();
        let emails = addresses.emails.iter().map(|e| format!("email:{e}"));
        let phones = addresses.phones.iter().map(|p| format!("phone:{p}"));
        let users = addresses.channel_users.iter().map(|u| format!("channel_user_id:{u}"));
        emails.chain(phones).chain(users).map(|named| self.inner.subject_hash(&named)).collect()
    }

    fn unlist(&mut self, person: &HubPerson, at: Timestamp) {
        self.listed(person, Vec::new(), false, at);
    }

    fn listed(&mut self, person: &HubPerson, subjects: Vec<i64>, open: bool, at: Timestamp) {
        let data = serde_json::json!({ "brand": person.brand });
        self.records.push(RecordWrite {
            kind: LISTED.to_owned(),
            id: person.id.to_string(),
            expected: 0,
            due: None,
            open,
            subjects,
            at,
            data: self.inner.store.sealer().seal(data.to_string().as_bytes()),
        });
    }
}

impl crate::engine::Inner {
    /// By which a person is found who has a document.
    pub(super) fn document_hash(&self, number: &str) -> i64 {
        self.store.sealer().hash(&["person document", number])
    }

    /// By which a person is found who has this word in the name.
    pub(super) fn word_hash(&self, word: &str) -> i64 {
        self.store.sealer().hash(&["person word", word])
    }
}

/// By what a person is listed.
fn listing(person: &HubPerson) -> impl PartialEq + use<'_> {
    let sources = person.records.len();
    (&person.name, &person.email, &person.phone, &person.channel_user, &person.document, person.deleted, sources)
}

/// Fields that are not what they were.
fn changes(before: Option<&HubPerson>, now: &HubPerson) -> Vec<String> {
    let as_map = |p: &HubPerson| match serde_json::to_value(p) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (old, new) = (before.map(as_map).unwrap_or_default(), as_map(now));
    let empty = |v: &Value| match v {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    let fields = new.iter().filter(|(name, _)| !matches!(name.as_str(), "id" | "brand"));
    let differs = fields.filter(|(name, value)| match old.get(*name) {
        Some(before) => before != *value,
        None => !empty(value),
    });
    differs.map(|(name, _)| name.clone()).collect()
}
