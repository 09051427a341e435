//! What of the hub's work somebody may see: the rows of some connections and no others. Whoever acts for a person
//! or a key reads through this and not through the store, so that a row of another brand is not there for them,
//! whichever question they ask.
//!
//! A page is looked for among [`LOOK`] rows at most: it may be short, or empty, and still have a next one. So a
//! brand with little to show costs no walk through the history of the others.

use crate::contract::{Page, Store};
use crate::rows::{
    AttemptRow, DeliveryRow, DeliveryStatus, EffectFilter, EffectRow, EventFilter, EventRow, RunFilter, RunRow,
};
use pasarela_domain::{DeliveryId, EffectId, EventId, RunId};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

type Result<T> = std::result::Result<T, crate::Error>;

/// Rows looked at for one page.
const LOOK: u32 = 2_000;

/// Connections whose rows may be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Within {
    /// All, and rows of connections that there are no more.
    All,
    /// These.
    Connections(BTreeSet<i64>),
}

impl Within {
    fn covers(&self, connection: i64) -> bool {
        match self {
            Self::All => true,
            Self::Connections(some) => some.contains(&connection),
        }
    }
}

/// The store, as somebody sees it. What they may not see is not there.
#[derive(Clone)]
pub struct Seen {
    store: Arc<dyn Store>,
    within: Within,
}

impl Seen {
    /// The rows of these connections.
    pub fn new(store: Arc<dyn Store>, within: Within) -> Self {
        Self { store, within }
    }

    /// Is everything seen?
    pub fn is_whole(&self) -> bool {
        self.within == Within::All
    }

    /// Are rows of this connection seen?
    pub fn covers(&self, connection: i64) -> bool {
        self.within.covers(connection)
    }

    /// Events, as [`Store::events`] gives them.
    pub async fn events(&self, filter: EventFilter) -> Result<Page<EventRow>> {
        let (limit, mut filter) = (filter.limit, filter);
        if self.is_whole() {
            return self.store.events(filter).await;
        }
        let (mut found, mut left) = (Page { rows: Vec::new(), next: None }, LOOK);
        loop {
            filter.limit = limit.max(100).min(left);
            let page = self.store.events(filter.clone()).await?;
            left = left.saturating_sub(page.rows.len() as u32);
            let more = fill(&mut found, page, limit, |e| self.covers(e.connection), |e| e.id.get());
            let Some(at) = more.filter(|_| left > 0) else {
                found.next = found.next.or(more);
                return Ok(found);
            };
            if filter.ascending {
                filter.above = Some(at);
            } else {
                filter.below = Some(at);
            }
        }
    }

    /// An event.
    pub async fn event(&self, id: EventId) -> Result<Option<EventRow>> {
        Ok(self.store.event(id).await?.filter(|e| self.covers(e.connection)))
    }

    /// Ids of the events of a delivery.
    pub async fn events_of(&self, delivery: DeliveryId) -> Result<Vec<EventId>> {
        match self.delivery(delivery).await? {
            Some(_) => self.store.events_of(delivery).await,
            None => Ok(Vec::new()),
        }
    }

    /// Events about a person, newest first.
    pub async fn events_about(&self, subject: i64, before: Option<i64>, limit: u32) -> Result<Page<EventRow>> {
        let mut page = self.store.events_about(subject, before, limit).await?;
        page.rows.retain(|e| self.covers(e.connection));
        Ok(page)
    }

    /// Runs, as [`Store::runs`] gives them: a run belongs where its event does.
    pub async fn runs(&self, filter: RunFilter) -> Result<Page<RunRow>> {
        let (limit, mut filter) = (filter.limit, filter);
        if self.is_whole() {
            return self.store.runs(filter).await;
        }
        let (mut found, mut left) = (Page { rows: Vec::new(), next: None }, LOOK);
        let mut known = HashMap::new();
        loop {
            filter.limit = limit.max(100).min(left);
            let page = self.store.runs(filter.clone()).await?;
            left = left.saturating_sub(page.rows.len() as u32);
            for row in &page.rows {
                if let Entry::Vacant(unknown) = known.entry(row.event) {
                    unknown.insert(self.event(row.event).await?.is_some());
                }
            }
            let mine = |r: &RunRow| known.get(&r.event).copied().unwrap_or(false);
            let more = fill(&mut found, page, limit, mine, |r| r.id.get());
            let Some(at) = more.filter(|_| left > 0) else {
                found.next = found.next.or(more);
                return Ok(found);
            };
            filter.below = Some(at);
        }
    }

    /// A run.
    pub async fn run(&self, id: RunId) -> Result<Option<RunRow>> {
        let Some(row) = self.store.run(id).await? else { return Ok(None) };
        if self.is_whole() || self.event(row.event).await?.is_some() { Ok(Some(row)) } else { Ok(None) }
    }

    /// Effects, as [`Store::effects`] gives them: an effect belongs where it is made.
    pub async fn effects(&self, filter: EffectFilter) -> Result<Page<EffectRow>> {
        let (limit, mut filter) = (filter.limit, filter);
        if self.is_whole() {
            return self.store.effects(filter).await;
        }
        let (mut found, mut left) = (Page { rows: Vec::new(), next: None }, LOOK);
        loop {
            filter.limit = limit.max(100).min(left);
            let page = self.store.effects(filter.clone()).await?;
            left = left.saturating_sub(page.rows.len() as u32);
            let more = fill(&mut found, page, limit, |e| self.covers(e.connection), |e| e.id.get());
            let Some(at) = more.filter(|_| left > 0) else {
                found.next = found.next.or(more);
                return Ok(found);
            };
            filter.below = Some(at);
        }
    }

    /// An effect.
    pub async fn effect(&self, id: EffectId) -> Result<Option<EffectRow>> {
        Ok(self.store.effect(id).await?.filter(|e| self.covers(e.connection)))
    }

    /// Attempts at an effect; none when it is not seen.
    pub async fn attempts(&self, effect: EffectId) -> Result<Vec<AttemptRow>> {
        match self.effect(effect).await? {
            Some(_) => self.store.attempts(effect).await,
            None => Ok(Vec::new()),
        }
    }

    /// Deliveries, as [`Store::deliveries`] gives them.
    pub async fn deliveries(
        &self,
        status: Option<DeliveryStatus>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<DeliveryRow>> {
        if self.is_whole() {
            return self.store.deliveries(status, before, limit).await;
        }
        let (mut found, mut left, mut before) = (Page { rows: Vec::new(), next: None }, LOOK, before);
        loop {
            let page = self.store.deliveries(status, before, limit.max(100).min(left)).await?;
            left = left.saturating_sub(page.rows.len() as u32);
            let more = fill(&mut found, page, limit, |d| self.covers(d.connection), |d| d.id.get());
            let Some(at) = more.filter(|_| left > 0) else {
                found.next = found.next.or(more);
                return Ok(found);
            };
            before = Some(at);
        }
    }

    /// A delivery.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryRow>> {
        Ok(self.store.delivery(id).await?.filter(|d| self.covers(d.connection)))
    }
}

/// Takes over what is mine of a page, up to `limit` rows. Where the looking goes on; none: the page is full, and
/// says by itself where the next one begins, or there is no more.
fn fill<T>(
    found: &mut Page<T>,
    page: Page<T>,
    limit: u32,
    mine: impl Fn(&T) -> bool,
    id: impl Fn(&T) -> i64,
) -> Option<i64> {
    let next = page.next;
    let mut rest = page.rows.into_iter().filter(|row| mine(row));
    for row in rest.by_ref() {
        found.rows.push(row);
        if found.rows.len() == limit as usize {
            break;
        }
    }
    if found.rows.len() == limit as usize {
        let last = found.rows.last().map(&id);
        found.next = if rest.next().is_some() || next.is_some() { last } else { None };
        return None;
    }
    next
}
