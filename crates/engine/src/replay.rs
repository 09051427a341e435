//! Deliveries that are decided again, by a filter and in pages: after an upgrade that understands what
//! was quarantined, or to see what would become of them. Whoever asks for the next page or does not is
//! who goes on or stops. Facts that are known stay known, so nothing is done twice.

use crate::admin::{AdminError, source_of};
use crate::engine::Inner;
use crate::reconcile::PROPOSAL;
use jiff::Timestamp;
use pasarela_connector::Item;
use pasarela_domain::DeliveryId;
use pasarela_store::{DeliveryRow, DeliveryStatus};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which deliveries are decided again.
#[derive(Debug, Clone, Default)]
pub struct ReplayFilter {
    /// Only in this state.
    pub status: Option<DeliveryStatus>,
    /// Only of this connection.
    pub connection: Option<String>,
    /// Only received at or after.
    pub since: Option<Timestamp>,
    /// Only received before.
    pub until: Option<Timestamp>,
    /// Only those in which this event type is found.
    pub event_type: Option<String>,
    /// Only tell what would become of them.
    pub dry_run: bool,
    /// Only below this id: the `next` of the page before.
    pub below: Option<i64>,
    /// Deliveries that are looked at.
    pub limit: u32,
}

/// What came of a page, or would.
#[derive(Debug, Clone, Default, serde::Serialize, schemars::JsonSchema)]
pub struct ReplayPage {
    /// Deliveries that the filter found and that are decided again, or would be.
    pub deliveries: u64,
    /// Facts in them.
    pub facts: u64,
    /// Of these, known already: nothing follows from them.
    pub known: u64,
    /// Of these, new events, by type.
    pub events: BTreeMap<String, u64>,
    /// Deliveries, or parts of them, that are still not understood.
    pub unread: u64,
    /// Deliveries whose connection is not configured any more: they stay as they are.
    pub without_connection: u64,
    /// Deliveries whose body was removed after its time: they stay as they are.
    pub without_body: u64,
    /// Where the next page begins; `None`: this was the last.
    #[serde(skip)]
    pub next: Option<i64>,
}

impl Inner {
    /// One page, newest first.
    pub(crate) async fn replay_page(self: &Arc<Self>, filter: &ReplayFilter) -> Result<ReplayPage, AdminError> {
        let wanted = match &filter.connection {
            Some(name) => {
                let connection = self.connection(name);
                Some(connection.ok_or_else(|| AdminError::NotFound(format!("connection '{name}'")))?.id)
            }
            None => None,
        };
        let found = self.store.deliveries(filter.status, filter.below, filter.limit).await?;
        let mut page = ReplayPage { next: found.next, ..ReplayPage::default() };
        for row in &found.rows {
            // Ids are ordered by the moment of receipt, so nothing older follows, but for clocks that were set.
            if filter.since.is_some_and(|since| row.received_at < since) {
                page.next = None;
                break;
            }
            let fits = wanted.is_none_or(|id| row.connection == id)
                && filter.until.is_none_or(|until| row.received_at < until)
                && row.status != DeliveryStatus::Received;
            if fits {
                self.replay_one(row, filter, &mut page).await?;
            }
        }
        Ok(page)
    }

    async fn replay_one(
        self: &Arc<Self>,
        row: &DeliveryRow,
        filter: &ReplayFilter,
        page: &mut ReplayPage,
    ) -> Result<(), AdminError> {
        let Some(connection) = self.connection_by_id(row.connection) else {
            page.without_connection += 1;
            return Ok(());
        };
        let Some(whole) = self.store.delivery(row.id).await? else { return Ok(()) };
        if whole.packed.is_empty() {
            page.without_body += 1;
            return Ok(());
        }
        let (_, body) = crate::pack::unpack(&whole.packed);
        let translation = self.translate(&connection, source_of(&row.source), body);
        let items: &[Item] = translation.as_ref().map_or(&[], |t| &t.items);
        let facts: Vec<_> =
            items.iter().filter_map(|i| if let Item::Fact(f) = i { Some(&**f) } else { None }).collect();
        if let Some(wanted) = &filter.event_type
            && !facts.iter().any(|f| f.event_type.as_ref() == Some(wanted))
        {
            return Ok(());
        }
        page.deliveries += 1;
        page.unread += u64::from(translation.is_err() || items.iter().any(|i| matches!(i, Item::Unread { .. })));
        page.facts += facts.len() as u64;
        let news = self.fresh(&connection, &facts).await?;
        page.known += news.iter().filter(|n| !**n).count() as u64;
        for (fact, _) in facts.iter().zip(&news).filter(|(_, new)| **new) {
            if let Some(event_type) = &fact.event_type {
                *page.events.entry(event_type.clone()).or_default() += 1;
            }
        }
        let answered = whole.source == PROPOSAL && whole.status != DeliveryStatus::Proposed;
        if !filter.dry_run && !answered {
            self.replay(whole.id).await?;
        }
        Ok(())
    }

    /// Puts a delivery back into the inbox and tells the deciders.
    pub(crate) async fn reopen(self: &Arc<Self>, row: DeliveryRow) -> Result<DeliveryId, AdminError> {
        self.store.reopen(row.id).await?;
        self.hand_in(crate::feed::Pending {
            id: row.id,
            connection: row.connection,
            source: source_of(&row.source),
            received_at: row.received_at,
            translation: None,
            size: row.packed.len(),
            packed: row.packed,
            tries: 0,
            proposal: false,
            door: false,
        });
        Ok(row.id)
    }
}
