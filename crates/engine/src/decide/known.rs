//! Read models: what is known, and whether what a fact brings is newer. Older never overwrites newer,
//! and an equal state is no news; told again with a later time, it moves the time of what is known.

use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_connector::{Dedup, EntityWrite, Fact};
use pasarela_domain::EntityRef;
use pasarela_store::{DedupKey, EntityRow, EntityUpsert, Error, FactWrite};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// A read model while a delivery is being decided.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) version: i64,
    pub(super) updated_at: Option<Timestamp>,
    pub(super) rank: i16,
    pub(super) hash: i64,
    pub(super) data: Arc<Value>,
}

impl Inner {
    pub(super) async fn read_known(
        &self,
        connection: i64,
        facts: &[&Fact],
        keys: &[Option<DedupKey>],
        known: &mut HashMap<EntityRef, Option<Known>>,
        seen: &mut [bool],
    ) -> Result<(), Error> {
        let mut wanted: Vec<(i64, EntityRef)> = Vec::new();
        for entity in facts.iter().flat_map(|f| f.entities.iter().map(|e| &e.entity).chain(&f.refs)) {
            if !wanted.iter().any(|(_, w)| w == entity) {
                wanted.push((connection, entity.clone()));
            }
        }
        let asked: Vec<(usize, DedupKey)> =
            keys.iter().enumerate().filter_map(|(i, k)| Some((i, k.clone()?))).collect();
        let (found, rows) = self.store.lookup(asked.iter().map(|(_, k)| k.clone()).collect(), wanted.clone()).await?;
        for ((index, _), is_known) in asked.iter().zip(found) {
            seen[*index] = is_known;
        }
        for ((_, entity), row) in wanted.into_iter().zip(rows) {
            known.insert(entity, row.and_then(known_of));
        }
        Ok(())
    }

    /// Writes of read models that are newer than what is known, or as new and seen later.
    pub(super) fn entities(
        &self,
        connection: &ConnectionRuntime,
        fact: &Fact,
        known: &mut HashMap<EntityRef, Option<Known>>,
        write: &mut FactWrite,
    ) -> Told {
        let state = match &fact.dedup {
            Dedup::State { entity } => Some(entity),
            Dedup::Once { .. } => None,
        };
        let mut told = Told { news: state.is_none(), changed: Vec::new() };
        for entity in &fact.entities {
            let current = known.get(&entity.entity).cloned().flatten();
            let data = match (&entity.merge, &current) {
                (Some(merge), Some(current)) => merge.0(&current.data, &entity.data),
                _ => entity.data.clone(),
            };
            let bytes = serde_json::to_vec(&data).unwrap_or_default();
            let hash = self.store.sealer().hash_bytes(&bytes);
            let before = current.as_ref().map(|k| (k.hash, k.updated_at, k.rank));
            if is_newer(entity, hash, before) {
                told.news |= state == Some(&entity.entity);
                told.changed.push(self.entity_hash(connection.id, &entity.entity));
            } else if !is_seen_later(entity, hash, before) {
                continue;
            }
            let expected = current.as_ref().map_or(0, |k| k.version);
            write.entities.push(EntityUpsert {
                connection: connection.id,
                entity: entity.entity.clone(),
                expected,
                updated_at: entity.updated_at.or(current.as_ref().and_then(|k| k.updated_at)),
                rank: entity.rank,
                hash,
                data: self.store.sealer().seal(&bytes),
                parent: pasarela_domain::model::whole_of(&entity.entity.kind, &data)
                    .map(|whole| self.entity_hash(connection.id, &whole)),
            });
            known.insert(
                entity.entity.clone(),
                Some(Known {
                    version: expected + 1,
                    updated_at: entity.updated_at,
                    rank: entity.rank,
                    hash,
                    data: Arc::new(data),
                }),
            );
        }
        told
    }
}

/// What the read models say of a fact.
#[derive(Default)]
pub(super) struct Told {
    /// False: the fact is a state that is equal or older, and therefore no news.
    pub(super) news: bool,
    /// Keyed hashes of the read models that are not what they were.
    pub(super) changed: Vec<i64>,
}

/// The known state, at a later time: else a state of a moment between the two would pass for newer.
fn is_seen_later(write: &EntityWrite, hash: i64, current: Option<(i64, Option<Timestamp>, i16)>) -> bool {
    current.is_some_and(|(known, at, _)| hash == known && at.zip(write.updated_at).is_some_and(|(old, new)| new > old))
}

/// Older never overwrites newer: by the provider's time of change, then by rank in life.
/// `current`: hash, time of change and rank of what is known.
pub(crate) fn is_newer(write: &EntityWrite, hash: i64, current: Option<(i64, Option<Timestamp>, i16)>) -> bool {
    let Some((known, updated_at, rank)) = current else { return true };
    if hash == known {
        return false;
    }
    match (write.updated_at, updated_at) {
        (Some(new), Some(old)) if new != old => new > old,
        _ => write.rank >= rank,
    }
}

fn known_of(row: EntityRow) -> Option<Known> {
    Some(Known {
        version: row.version,
        updated_at: row.updated_at,
        rank: row.rank,
        hash: row.hash,
        data: Arc::new(serde_json::from_slice(&row.data).ok()?),
    })
}
