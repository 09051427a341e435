//! A record tells something: it is with whom it is, or it is joined by the rules, or a person should look.

use super::table::{Table, persons};
use super::{DOUBT, Doubt};
use jiff::Timestamp;
use pasarela_domain::identity::{
    Addresses, Between, By, Claim, Mention, People, Person, Reason, Shared, Stamp, choose, own_addresses,
};
use pasarela_domain::{DeedId, PersonId};
use pasarela_store::{Error, RecordWrite, hash_name};
use std::collections::{BTreeMap, BTreeSet};

/// Joins that one word can bring about, one after another.
const JOINS: usize = 8;

/// What came of a word.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The person of the record now.
    pub(super) person: Option<PersonId>,
    /// Nobody knew the record.
    pub(super) new: bool,
    /// It says something that it did not say before.
    pub(super) changed: bool,
    /// With whom it was joined, and why.
    pub(super) joined: Option<(PersonId, Vec<Reason>)>,
    /// Who it could be.
    pub(super) doubtful: Vec<(PersonId, Vec<Reason>)>,
}

impl Table<'_> {
    pub(super) fn stamp(&self, at: Timestamp, by: By) -> Stamp {
        Stamp { deed: DeedId::from_raw(self.inner.next_effect_id(at).get()), at, by }
    }

    /// A record of this brand says this, and the hub heard it then.
    pub(super) async fn hear(&mut self, brand: &str, mention: Mention, at: Timestamp) -> Result<Heard, Error> {
        let born = self.born(brand, &mention.source);
        let keys = self.keys_of(brand, &mention);
        self.read([born], keys.iter().cloned()).await?;
        let (root, new) = match self.root(born) {
            Some(root) => (root, false),
            None => (born, true),
        };
        let before = self.people(root);
        let known: Vec<Claim> = before.record_of(&mention.source).map(|r| r.claims.clone()).unwrap_or_default();
        let stamp = self.stamp(at, By::Rule);
        let mut history = self.group(root).map(|g| g.history.clone()).unwrap_or_default();
        if !history.tell(stamp, born, mention).unwrap_or(false) {
            // Told again as it is: most of what is heard. Nothing is to be written.
            return Ok(Heard { person: before.resolve(born), ..Heard::default() });
        }
        if let Some(group) = self.change(root) {
            group.history = history;
            brand.clone_into(&mut group.brand);
        }
        if !new {
            self.outgrow(root, born, at);
            let gone = known.iter().filter(|c| matches!(c, Claim::Email { .. } | Claim::Phone { .. }));
            let gone = gone.filter_map(|c| self.claim_key(brand, c)).filter(|k| !keys.contains(k));
            let gone: Vec<String> = gone.collect();
            self.dropped.extend(gone);
        }
        self.enter(root, &keys);
        let mut heard = self.join(born, at).await?;
        heard.new = new;
        heard.changed = true;
        Ok(heard)
    }

    /// A record that says by now that it is another's leaves whom a rule had joined it with.
    fn outgrow(&mut self, root: PersonId, born: PersonId, at: Timestamp) {
        let before = self.people(root);
        while let Some(deed) = self.group(root).and_then(|g| g.history.outgrown(born)) {
            let stamp = self.stamp(at, By::Rule);
            let done = self.change(root).is_some_and(|g| g.history.undo(stamp, deed).is_ok());
            if !done {
                return;
            }
        }
        let after = self.people(root);
        self.law_parts(&before, &after);
    }

    /// Joins the person of a record with whom the rules say, and notes who is doubtful.
    pub(super) async fn join(&mut self, born: PersonId, at: Timestamp) -> Result<Heard, Error> {
        let mut heard = Heard::default();
        for _ in 0..JOINS {
            let Some(root) = self.root(born) else { return Ok(heard) };
            let Some(me) = self.people(root).resolve(born) else { return Ok(heard) };
            heard.person = Some(me);
            let roots = self.gather(root, me).await?;
            let all = self.come_to(&roots);
            let everybody = persons(&all);
            let mine = &all[0];
            let Some(somebody) = mine.person(me) else { return Ok(heard) };
            let others = everybody.iter().filter(|p| p.id != me && mine.between(me, p.id) != Between::Apart);
            let others: Vec<Person<'_>> = others.cloned().collect();
            let choice = choose(&somebody, &others, &Shared::around(&everybody));
            let Some((same, reasons)) = choice.same else {
                heard.doubtful = choice.doubtful;
                drop((everybody, others, somebody));
                self.doubt(root, me, &heard.doubtful, at).await?;
                return Ok(heard);
            };
            let theirs = roots.iter().zip(&all).find(|(_, people)| people.resolve(same).is_some());
            let Some(theirs) = theirs.map(|(root, _)| *root) else { return Ok(heard) };
            drop((everybody, others, somebody));
            self.lay_together(theirs, root);
            let stamp = self.stamp(at, By::Rule);
            let done = self.change(theirs).is_some_and(|g| g.history.merge(stamp, me, same, reasons.clone()).is_ok());
            if !done {
                return Ok(heard);
            }
            heard.joined.get_or_insert((same, reasons));
            self.law_joins(theirs, me, false).await?;
        }
        Ok(heard)
    }

    /// Who could be a person, and whom no rule joins with them.
    pub(super) async fn doubtful(
        &mut self,
        root: PersonId,
        me: PersonId,
    ) -> Result<Vec<(PersonId, Vec<Reason>)>, Error> {
        let roots = self.gather(root, me).await?;
        let all = self.come_to(&roots);
        let everybody = persons(&all);
        let Some(somebody) = all[0].person(me) else { return Ok(Vec::new()) };
        let others = everybody.iter().filter(|p| p.id != me && all[0].between(me, p.id) != Between::Apart);
        let others: Vec<Person<'_>> = others.cloned().collect();
        Ok(choose(&somebody, &others, &Shared::around(&everybody)).doubtful)
    }

    /// The addresses of a person are one person's for the law too, as far as they are nobody else's.
    pub(super) async fn law_joins(&mut self, root: PersonId, person: PersonId, by_person: bool) -> Result<(), Error> {
        let roots = self.sharers(root, person).await?;
        let all = self.come_to(&roots);
        let everybody = persons(&all);
        let Some(somebody) = all[0].person(person) else { return Ok(()) };
        let names = self.law_names(&own_addresses(&somebody, &everybody));
        if names.len() > 1 {
            self.links.push((names, by_person));
        }
        Ok(())
    }

    /// Of persons who came apart, the addresses of those who left leave for the law too, but those that both give.
    pub(super) fn law_parts(&mut self, before: &People, after: &People) {
        for person in before.all() {
            let mut parts: BTreeMap<PersonId, Addresses> = BTreeMap::new();
            for record in &person.records {
                let Some(now) = after.resolve(record.born) else { continue };
                let Some(part) = after.person(now) else { continue };
                parts.entry(now).or_insert_with(|| part.addresses());
            }
            if parts.len() < 2 {
                continue;
            }
            let stays = parts.remove(&person.id).or_else(|| parts.pop_first().map(|(_, p)| p)).unwrap_or_default();
            for mut part in parts.into_values() {
                part.emails.retain(|e| !stays.emails.contains(e));
                part.phones.retain(|p| !stays.phones.contains(p));
                let names = self.law_names(&part);
                if !names.is_empty() {
                    self.parted.push(names);
                }
            }
        }
    }

    /// Names of addresses among what the law knows of persons.
    fn law_names(&self, addresses: &Addresses) -> Vec<String> {
        let emails = addresses.emails.iter().flat_map(|e| self.inner.people_of(Some(e.as_str()), None));
        let phones = addresses.phones.iter().flat_map(|p| self.inner.people_of(None, Some(p.as_e164())));
        emails.chain(phones).collect()
    }

    /// These and no others could be this person: what is new is noted, and what no longer is, is closed.
    pub(super) async fn doubt(
        &mut self,
        root: PersonId,
        me: PersonId,
        doubtful: &[(PersonId, Vec<Reason>)],
        at: Timestamp,
    ) -> Result<(), Error> {
        let brand = self.brand(root);
        let mine = self.people(root);
        let mut open: BTreeSet<PersonId> = BTreeSet::new();
        let noted = self.group(root).map(|g| g.doubts.clone()).unwrap_or_default();
        for (id, doubt) in noted {
            self.read([doubt.a, doubt.b], Vec::new()).await?;
            let found = self.pair(&doubt);
            let ours = found.filter(|(a, b)| *a == me || *b == me);
            let other = ours.map(|(a, b)| if a == me { b } else { a });
            let still = other.filter(|other| doubtful.iter().any(|(d, _)| d == other));
            match (found, still) {
                (_, Some(other)) if open.insert(other) => {}
                // Of other persons of this history: it is not theirs that was asked.
                (Some(_), None) if other.is_none() => {}
                _ => {
                    if let Some(group) = self.note(root) {
                        group.doubts.remove(&id);
                    }
                    self.record_doubt(&id, &brand, &doubt, false, at);
                }
            }
        }
        for (other, reasons) in doubtful.iter().filter(|(other, _)| !open.contains(other)) {
            // From the other side it may be noted already.
            self.read([*other], Vec::new()).await?;
            let theirs = self.root(*other);
            let noted = theirs.filter(|t| *t != root).and_then(|t| self.group(t)).map(|g| g.doubts.clone());
            let mut known = false;
            for doubt in noted.unwrap_or_default().into_values() {
                self.read([doubt.a, doubt.b], Vec::new()).await?;
                known |= self.pair(&doubt).is_some_and(|(a, b)| [(me, *other), (*other, me)].contains(&(a, b)));
            }
            if known || mine.resolve(me).is_none() {
                continue;
            }
            let (low, high) = if me < *other { (me, *other) } else { (*other, me) };
            let id = hash_name(self.inner.store.sealer().hash(&["person doubt", &low.to_string(), &high.to_string()]));
            let doubt = Doubt { a: me, b: *other, reasons: reasons.clone(), since: at };
            self.record_doubt(&id, &brand, &doubt, true, at);
            if let Some(group) = self.note(root) {
                group.doubts.insert(id, doubt);
            }
        }
        Ok(())
    }

    /// The two persons of a doubt now; `None`: they are one, or a person has said that they are two.
    pub(super) fn pair(&mut self, doubt: &Doubt) -> Option<(PersonId, PersonId)> {
        let (ra, rb) = (self.root(doubt.a)?, self.root(doubt.b)?);
        let (pa, pb) = (self.people(ra), self.people(rb));
        let (a, b) = (pa.resolve(doubt.a)?, pb.resolve(doubt.b)?);
        let said = ra == rb && pa.between(a, b) != Between::Open;
        (a != b && !said).then_some((a, b))
    }

    fn record_doubt(&mut self, id: &str, brand: &str, doubt: &Doubt, open: bool, at: Timestamp) {
        let data = serde_json::json!({ "id": id, "brand": brand, "a": doubt.a, "b": doubt.b, "reasons": doubt.reasons, "since": doubt.since });
        self.records.push(RecordWrite {
            kind: DOUBT.to_owned(),
            id: id.to_owned(),
            expected: 0,
            due: None,
            open,
            subjects: Vec::new(),
            at,
            data: self.inner.store.sealer().seal(data.to_string().as_bytes()),
        });
    }
}
