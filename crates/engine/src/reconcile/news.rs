//! Is a record news to the hub, and what of it? Reads only.

use super::report::{Difference, Finding};
use crate::connections::ConnectionRuntime;
use crate::decide::is_newer;
use crate::engine::Inner;
use pasarela_connector::{EntityWrite, Fact, Item, Translation};
use pasarela_domain::EntityRef;
use pasarela_store::{DedupKey, EntityRow, Error};

impl Inner {
    /// What deciding this would write, if anything. An item that is not understood is news: it belongs
    /// into quarantine.
    pub(super) async fn news(
        &self,
        connection: &ConnectionRuntime,
        translation: &Translation,
    ) -> Result<Option<Finding>, Error> {
        let facts = || translation.items.iter().filter_map(|i| if let Item::Fact(f) = i { Some(&**f) } else { None });
        let happened: Vec<(&Fact, DedupKey)> =
            facts().filter_map(|f| Some((f, self.dedup_key(connection.id, &f.dedup)?))).collect();
        let writes: Vec<&EntityWrite> = facts().flat_map(|f| &f.entities).collect();
        let (known, rows) = self
            .store
            .lookup(
                happened.iter().map(|(_, key)| key.clone()).collect(),
                writes.iter().map(|w| (connection.id, w.entity.clone())).collect(),
            )
            .await?;
        let mut unheard: Vec<String> = Vec::new();
        for ((fact, _), known) in happened.iter().zip(known) {
            if !known {
                unheard.push(fact.event_type.clone().unwrap_or_else(|| "fact".into()));
            }
        }
        let absent = rows.iter().any(Option::is_none);
        let changed =
            writes.iter().zip(&rows).any(|(write, row)| row.as_ref().is_some_and(|r| self.is_changed(write, r)));
        let unread = translation.items.iter().any(|i| matches!(i, Item::Unread { .. }));
        // Without a read model the facts are all that the hub can have of it.
        let missing = absent || (writes.is_empty() && !unheard.is_empty());
        let difference = match (missing, changed || !unheard.is_empty() || unread) {
            (true, _) => Difference::Missing,
            (false, true) => Difference::Different,
            (false, false) => return Ok(None),
        };
        let record = record_of(translation).unwrap_or_else(|| EntityRef::new("record", ""));
        unheard.sort();
        unheard.dedup();
        Ok(Some(Finding { difference, record, facts: unheard, delivery_id: None }))
    }

    fn is_changed(&self, write: &EntityWrite, row: &EntityRow) -> bool {
        let hash = self.store.sealer().hash_bytes(&serde_json::to_vec(&write.data).unwrap_or_default());
        is_newer(write, hash, Some((row.hash, row.updated_at, row.rank)))
    }
}

/// The read models that a record is about.
pub(super) fn entities_of(translation: &Translation) -> impl Iterator<Item = &EntityRef> {
    translation.items.iter().flat_map(|i| match i {
        Item::Fact(fact) => fact.entities.iter().map(|e| &e.entity).collect::<Vec<_>>(),
        _ => Vec::new(),
    })
}

/// The record for people: its first read model, else the key of its first fact.
fn record_of(translation: &Translation) -> Option<EntityRef> {
    if let Some(entity) = entities_of(translation).next() {
        return Some(entity.clone());
    }
    translation.items.iter().find_map(|i| {
        let Item::Fact(fact) = i else { return None };
        let (kind, id) = fact.key.split_once(':').unwrap_or(("record", &fact.key));
        Some(EntityRef::new(kind, id))
    })
}
