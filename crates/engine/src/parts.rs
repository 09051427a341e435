//! Parts of a show: its orders, tickets and products, as lists give them.
//!
//! Promise: whatever read model of those kinds is kept is found under its show. It is noted with the read model itself;
//! those that an earlier version kept are noted once, in bites behind the writer's own work.

use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_domain::EntityRef;
use pasarela_domain::model::{PARTS_OF_A_SHOW, whole_of};
use pasarela_store::{Error, Page, Part, RecordWrite, Recorded};
use serde_json::Value;
use std::sync::Arc;

/// The record that says that all were noted.
const NOTED: (&str, &str) = ("index", "parts-of-shows");
/// Read models of a bite.
const BITE: u32 = 200;

/// A part of a show.
#[derive(Debug, Clone, PartialEq)]
pub struct ShowPart {
    /// Connection whose it is.
    pub connection: String,
    /// Its id there.
    pub id: String,
    /// As it is known: an order, a ticket or a product in the hub's words.
    pub data: Value,
}

impl Inner {
    /// Orders, tickets or products of a show, the first seen last.
    pub(crate) async fn parts_of_show(
        &self,
        connection: i64,
        show: &str,
        kind: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<ShowPart>, Error> {
        let parent = self.entity_hash(connection, &EntityRef::new("show", show));
        let page = self.store.parts(parent, kind, before, limit).await?;
        let rows = page.rows.into_iter().filter_map(|row| {
            let data = serde_json::from_slice(&row.data).ok()?;
            Some(ShowPart { connection: self.connection_name(row.connection), id: row.id, data })
        });
        Ok(Page { rows: rows.collect(), next: page.next })
    }

    /// How many parts of a kind each of these shows has.
    pub(crate) async fn count_parts(&self, shows: &[(i64, String)], kind: &str) -> Result<Vec<u64>, Error> {
        let parents = shows.iter().map(|(c, id)| self.entity_hash(*c, &EntityRef::new("show", id))).collect();
        self.store.count_parts(parents, kind).await
    }

    /// Notes whose parts those are that were kept before it was noted with them.
    pub(crate) async fn note_parts(self: Arc<Self>) {
        if let Err(error) = self.note_all_parts().await {
            // The next start begins anew; what it did is done.
            tracing::warn!(%error, "orders and tickets of earlier versions are not in the lists of their shows yet");
        }
    }

    async fn note_all_parts(&self) -> Result<(), Error> {
        let (kind, id) = NOTED;
        if self.store.record(kind, id).await?.is_some() {
            return Ok(());
        }
        let mut any = false;
        for connection in self.store.connections().await? {
            for kind in PARTS_OF_A_SHOW {
                any |= self.note_parts_of(connection.id, kind).await?;
            }
        }
        if !any {
            // Nothing is there yet, and what comes is noted as it comes.
            return Ok(());
        }
        let record = RecordWrite {
            kind: kind.to_owned(),
            id: id.to_owned(),
            expected: 0,
            due: None,
            // What is not open goes after its time, and this one stays.
            open: true,
            subjects: Vec::new(),
            at: Timestamp::UNIX_EPOCH.max(self.clock.now()),
            data: self.store.sealer().seal(b"{}"),
        };
        match self.store.keep_record(record).await? {
            Recorded::Done(_) | Recorded::Stale => Ok(()),
        }
    }

    /// False: the connection has none of this kind.
    async fn note_parts_of(&self, connection: i64, kind: &str) -> Result<bool, Error> {
        let mut after = String::new();
        loop {
            let ids = self.store.entity_ids(connection, kind, &after, BITE).await?;
            let Some(last) = ids.last() else { return Ok(!after.is_empty()) };
            after.clone_from(last);
            let wanted = ids.into_iter().map(|id| (connection, EntityRef::new(kind, id))).collect();
            let (_, rows) = self.store.lookup(Vec::new(), wanted).await?;
            let parts: Vec<Part> = rows
                .into_iter()
                .flatten()
                .filter_map(|row| {
                    let data: Value = serde_json::from_slice(&row.data).ok()?;
                    let parent = self.entity_hash(connection, &whole_of(kind, &data)?);
                    Some(Part { connection, entity: row.entity, parent })
                })
                .collect();
            if !parts.is_empty() {
                self.store.keep_parts(parts).await?;
            }
        }
    }
}
