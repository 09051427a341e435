//! What a member of a group reads and writes, as hashes: members that meet are not written by the
//! same statements, since none of them would see the other; and nodes that meet wait for each other.
//!
//! A false meeting of two hashes costs a group that ends early, or a short wait. Nothing else.

use super::piece::Piece;
use crate::contract::{DedupKey, ReadGuard};
use pasarela_domain::EntityRef;
use std::collections::HashSet;
use std::hash::Hasher as _;

/// Reads and writes of one member or of several.
#[derive(Default)]
pub(super) struct Footprint {
    reads: HashSet<i64>,
    writes: HashSet<i64>,
    /// What has to be locked against other nodes: guards look at rows that may not be there yet, so
    /// that no row can be locked in their place.
    locks: HashSet<i64>,
}

impl Footprint {
    /// Does this one read or write what an earlier one writes?
    pub(super) fn meets(&self, earlier: &Self) -> bool {
        self.reads.iter().chain(&self.writes).any(|k| earlier.writes.contains(k))
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.reads.extend(other.reads);
        self.writes.extend(other.writes);
        self.locks.extend(other.locks);
    }

    /// Locks in the one order in which all nodes take them, so that no two wait for each other.
    pub(super) fn locks(&self) -> Vec<i64> {
        let mut locks: Vec<i64> = self.locks.iter().copied().collect();
        locks.sort_unstable();
        locks
    }

    pub(super) fn inbox(&mut self, delivery: i64) {
        self.writes.insert(hash(b"inbox", &[&delivery.to_le_bytes()]));
    }

    fn write_number(&mut self, kind: &[u8], number: i64) {
        self.writes.insert(hash(kind, &[&number.to_le_bytes()]));
    }

    /// What a piece reads and writes.
    pub(super) fn of(piece: &Piece<'_>) -> Self {
        let mut f = Self::default();
        if let Some(key) = piece.dedup {
            f.writes.insert(dedup(key));
        }
        for guard in &piece.work.guards {
            let key = match guard {
                ReadGuard::Entity { connection, entity: e, .. } => entity(*connection, e),
                ReadGuard::Listeners { key, event_type, .. } => listen(*key, event_type),
                ReadGuard::Events { key, .. } => hash(b"events", &[&key.to_le_bytes()]),
            };
            f.reads.insert(key);
            f.locks.insert(key);
        }
        for e in piece.entities {
            let key = entity(e.connection, &e.entity);
            f.writes.insert(key);
            f.locks.insert(key);
        }
        if let Some(event) = piece.event {
            let key = hash(b"events", &[&event.key.to_le_bytes()]);
            f.writes.insert(key);
            f.locks.insert(key);
        }
        for run in piece.runs {
            f.write_number(b"run", run.id.get());
        }
        for run in &piece.work.runs {
            f.write_number(b"run", run.id.get());
            // Who stops listening spoils no guard: the lock is for those who begin.
            f.writes.extend(run.unlisten.iter().map(|l| listen(l.key, &l.event_type)));
        }
        let begun = piece.runs.iter().flat_map(|r| &r.listens).chain(piece.work.runs.iter().flat_map(|r| &r.listen));
        for l in begun {
            let key = listen(l.key, &l.event_type);
            f.writes.insert(key);
            f.locks.insert(key);
        }
        let claims = piece.claims.iter().chain(&piece.work.progress).map(|c| c.id);
        let effects = piece.work.updates.iter().map(|u| u.id).chain(piece.work.effects.iter().map(|e| e.id));
        for id in claims.chain(effects) {
            f.write_number(b"effect", id.get());
        }
        for l in &piece.work.links {
            f.write_number(b"person", l.address);
        }
        for a in &piece.work.attempts {
            let parts = [a.effect.get(), i64::from(a.attempt), i64::from(a.call)].map(i64::to_le_bytes);
            f.writes.insert(hash(b"attempt", &[&parts[0], &parts[1], &parts[2]]));
        }
        for (due, id) in &piece.work.fired {
            f.writes.insert(hash(b"timer", &[&due.as_millisecond().to_le_bytes(), &id.to_le_bytes()]));
        }
        for d in piece.deliveries {
            if let Some(key) = &d.replay_key {
                f.writes.insert(hash(b"replay", &[&d.connection.to_le_bytes(), key.as_bytes()]));
            }
        }
        f
    }
}

fn dedup(key: &DedupKey) -> i64 {
    let numbers = [key.connection, key.entity, key.discriminator].map(i64::to_le_bytes);
    hash(b"dedup", &[&numbers[0], &numbers[1], &numbers[2], key.kind.as_bytes()])
}

fn entity(connection: i64, entity: &EntityRef) -> i64 {
    hash(b"entity", &[&connection.to_le_bytes(), entity.kind.as_bytes(), entity.id.as_bytes()])
}

fn listen(key: i64, event_type: &str) -> i64 {
    hash(b"listen", &[&key.to_le_bytes(), event_type.as_bytes()])
}

/// The same in every node and release: what two nodes lock must be the same number.
fn hash(kind: &[u8], parts: &[&[u8]]) -> i64 {
    let mut hasher = siphasher::sip::SipHasher24::new();
    hasher.write(kind);
    for part in parts {
        hasher.write(&[0xff]);
        hasher.write(part);
    }
    hasher.finish().cast_signed()
}
