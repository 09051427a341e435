//! Walks the chain and finds the first thing that is not as it was written.

use super::chain::{Chain, Head, NONE, digest_of, numbers};
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
    /// Entries.
    pub entries: i64,
    /// Hash of the last, hexadecimal; empty when there is none.
    pub head: String,
    /// Entries whose values went with an erased person.
    pub forgotten: u64,
    /// Anchors that were found in the chain.
    pub anchors: u64,
}

/// Looks at one entry after the other.
#[derive(Clone)]
pub struct Verifier<'s> {
    sealer: &'s Sealer,
    chain: &'s Chain,
    head: Head,
    anchors: BTreeMap<i64, Vec<u8>>,
    found: u64,
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
            anchors: anchors.into_iter().map(|a| (a.seq, a.hash)).collect(),
            found: 0,
            gone: BTreeSet::new(),
            excused: BTreeSet::new(),
        }
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
        match link.actor.as_deref().map(salted) {
            Some(Ok(digest)) if digest[..] == link.actor_digest[..] => {}
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
            if !self.gone.contains(&seq) {
                return Err(Broken {
                    seq,
                    what: format!("its values are there, and entry {} says that they went", link.seq),
                });
            }
            self.excused.insert(seq);
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
        if let Some((seq, _)) = self.anchors.first_key_value() {
            let what = format!("it was noted outside of the database and is not there: the chain ends at {}", head.seq);
            return Err(Broken { seq: *seq, what });
        }
        if let Some(seq) = self.gone.difference(&self.excused).next() {
            return Err(Broken { seq: *seq, what: "its values were removed, and no entry says so".into() });
        }
        Ok(Verified {
            entries: head.seq,
            head: crate::backup::hex(&head.hash),
            forgotten: self.gone.len() as u64,
            anchors: self.found,
        })
    }
}

/// Verifies the whole chain beside the hub's work, a page at a time. `seen` hears how many entries were seen.
pub async fn verify(
    store: &dyn Store,
    anchors: impl IntoIterator<Item = Anchor>,
    mut seen: impl FnMut(i64),
) -> Result<Result<Verified, Broken>, Error> {
    let mut verifier = Verifier::new(store.sealer(), anchors);
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
