//! Walks the chain and finds the first thing that is not as it was written.

use super::chain::{self, Actor, Chain, Head, NONE, digest_of, numbers};
use super::prune::{PRUNED, told};
use super::{AuditHead, Link};
use crate::contract::{Error, Store};
use crate::seal::Sealer;
use std::collections::{BTreeMap, BTreeSet};

/// Entries that are read at once.
const PAGE: u32 = 1000;

/// The head of the chain, as it was noted outside of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Number of the entry.
    pub seq: i64,
    /// Its hash.
    pub hash: Vec<u8>,
}

/// The first entry that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("entry {seq}: {what}")]
pub struct Broken {
    /// Its number.
    pub seq: i64,
    /// What is wrong with it.
    pub what: String,
}

/// A chain in which everything is as it was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Entries that are there.
    pub entries: i64,
    /// Number of the last entry that went by its age; 0: none did. The chain begins behind it.
    pub pruned: i64,
    /// Hash of the last, hexadecimal; empty when there is none.
    pub head: String,
    /// Entries whose values went with an erased person.
    pub forgotten: u64,
    /// Anchors that were found in the chain.
    pub anchors: u64,
    /// Anchors of entries that went by their age: nothing can be said of them.
    pub anchors_before: u64,
}

/// Looks at one entry after the other.
#[derive(Clone)]
pub struct Verifier<'s> {
    sealer: &'s Sealer,
    chain: &'s Chain,
    head: Head,
    /// Where it begins, when not at the first entry, and whether an entry that was seen says so.
    base: Head,
    excuses_base: bool,
    anchors: BTreeMap<i64, Vec<u8>>,
    found: u64,
    before: u64,
    /// Entries without their values, and those of which another entry says that they went.
    gone: BTreeSet<i64>,
    excused: BTreeSet<i64>,
}

impl<'s> Verifier<'s> {
    /// Of a database's chain; every anchor must be in it.
    pub fn new(sealer: &'s Sealer, anchors: impl IntoIterator<Item = Anchor>) -> Self {
        Self {
            sealer,
            chain: sealer.chain(),
            head: Head::default(),
            base: Head::default(),
            excuses_base: false,
            anchors: anchors.into_iter().map(|a| (a.seq, a.hash)).collect(),
            found: 0,
            before: 0,
            gone: BTreeSet::new(),
            excused: BTreeSet::new(),
        }
    }

    /// Of a chain that begins behind an entry, because those up to it went by their age.
    pub fn behind(mut self, stored: &AuditHead) -> Result<Self, Broken> {
        if stored.seq == 0 {
            return Ok(self);
        }
        let base = Head { seq: stored.seq, at: stored.at, hash: stored.hash.clone() };
        let wrong = |what: &str| Err(Broken { seq: stored.seq, what: what.to_owned() });
        if self.chain.mac_of_base(&base) != stored.mac {
            return wrong("where the chain begins was changed");
        }
        if self.anchors.get(&base.seq).is_some_and(|noted| *noted != base.hash) {
            return wrong("it is not the one that was noted outside of the database: the chain was written anew");
        }
        let later = self.anchors.split_off(&base.seq);
        self.before = self.anchors.len() as u64;
        self.anchors = later;
        self.found += u64::from(self.anchors.remove(&base.seq).is_some());
        (self.head, self.base) = (base.clone(), base);
        Ok(self)
    }

    /// The next entry, in order of the numbers.
    pub fn see(&mut self, link: &Link) -> Result<(), Broken> {
        let next = self.head.seq + 1;
        let wrong = |what: &str| Err(Broken { seq: link.seq, what: what.to_owned() });
        if link.seq < next {
            return wrong("its number was given before");
        }
        if link.seq > next {
            return Err(Broken { seq: next, what: format!("it is missing; the next one there is {}", link.seq) });
        }
        if link.previous != self.head.hash {
            return wrong("it does not follow the entry before it: one of the two was changed, put in or moved");
        }
        if self.chain.hash(link) != link.hash {
            return wrong("it was changed: its hash is not that of its content");
        }
        if link.at < self.head.at {
            return wrong("it is earlier than the entry before it");
        }
        let salted = |sealed: &[u8]| self.sealer.open(sealed).map(|plain| digest_of(&plain));
        match link.actor.as_deref().map(|sealed| self.sealer.open(sealed)) {
            Some(Ok(plain)) if digest_of(&plain)[..] == link.actor_digest[..] => {
                if !chain::parsed::<Actor>(&plain).is_ok_and(|actor| actor.agrees(link)) {
                    return wrong("what it says of how a deed ended was changed");
                }
            }
            Some(_) => return wrong("who did it was changed: it is not what its digest is of"),
            None => return wrong("who did it was removed"),
        }
        match (link.detail.as_deref().map(salted), link.detail_digest[..] == NONE) {
            (Some(Ok(digest)), _) if digest[..] == link.detail_digest[..] => {}
            (Some(_), _) => return wrong("its values were changed: they are not what their digest is of"),
            (None, true) => {}
            (None, false) => drop(self.gone.insert(link.seq)),
        }
        for seq in numbers(&link.forgets) {
            if seq <= self.base.seq {
                continue;
            }
            if !self.gone.contains(&seq) {
                return Err(Broken {
                    seq,
                    what: format!("its values are there, and entry {} says that they went", link.seq),
                });
            }
            self.excused.insert(seq);
        }
        if link.action == PRUNED && self.base.seq > 0 && link.subject == told(&self.base) {
            self.excuses_base = true;
        }
        if let Some(noted) = self.anchors.remove(&link.seq) {
            if noted != link.hash {
                return wrong("it is not the one that was noted outside of the database: the chain was written anew");
            }
            self.found += 1;
        }
        self.head = Head { seq: link.seq, at: link.at, hash: link.hash.clone() };
        Ok(())
    }

    /// Number of the last entry that was seen.
    #[must_use]
    pub fn last(&self) -> i64 {
        self.head.seq
    }

    /// All entries were seen: is it the chain that the database says it is?
    pub fn end(self, stored: &AuditHead) -> Result<Verified, Broken> {
        let next = self.head.seq + 1;
        if stored.seq > self.head.seq {
            let what = format!("it is missing, and all after it: the chain had {} entries", stored.seq);
            return Err(Broken { seq: next, what });
        }
        if stored.seq < self.head.seq {
            return Err(Broken { seq: stored.seq + 1, what: "it is behind the end of the chain".into() });
        }
        let untouched = stored.seq == 0 && stored.mac.is_empty() && stored.hash.is_empty();
        let head = Head { seq: stored.seq, at: stored.at, hash: stored.hash.clone() };
        if !untouched && (head != self.head || self.chain.mac(&head) != stored.mac) {
            return Err(Broken { seq: stored.seq, what: "the head of the chain was changed".into() });
        }
        if self.base.seq > 0 && !self.excuses_base {
            let what = "it is gone, and all before it, and no entry says that they went by their age";
            return Err(Broken { seq: self.base.seq, what: what.into() });
        }
        if let Some((seq, _)) = self.anchors.first_key_value() {
            let what = format!("it was noted outside of the database and is not there: the chain ends at {}", head.seq);
            return Err(Broken { seq: *seq, what });
        }
        if let Some(seq) = self.gone.difference(&self.excused).next() {
            return Err(Broken { seq: *seq, what: "its values were removed, and no entry says so".into() });
        }
        Ok(Verified {
            entries: head.seq - self.base.seq,
            pruned: self.base.seq,
            head: crate::backup::hex(&head.hash),
            forgotten: self.gone.len() as u64,
            anchors: self.found,
            anchors_before: self.before,
        })
    }
}

/// Verifies the whole chain beside the hub's work, a page at a time. `seen` hears how many entries were seen.
pub async fn verify(
    store: &dyn Store,
    anchors: impl IntoIterator<Item = Anchor>,
    mut seen: impl FnMut(i64),
) -> Result<Result<Verified, Broken>, Error> {
    let mut verifier = match Verifier::new(store.sealer(), anchors).behind(&store.audit_base().await?) {
        Ok(verifier) => verifier,
        Err(broken) => return Ok(Err(broken)),
    };
    loop {
        let links = store.audit_links(verifier.last(), PAGE).await?;
        for link in &links {
            if let Err(broken) = verifier.see(link) {
                return Ok(Err(broken));
            }
        }
        seen(verifier.last());
        if links.len() < PAGE as usize {
            let head = store.audit_head().await?;
            // What was appended meanwhile is looked at too.
            if head.seq <= verifier.last() || links.is_empty() {
                return Ok(verifier.end(&head));
            }
        }
    }
}
