//! From the event log to the map. What was read and how far it was read are one transaction.
//!
//! Beside the log, read models that changed without an event (a poll that found our own echo) are looked at when the log
//! has been read to its end, so that nothing older comes after them; and all that there are once after a start and once a
//! day, which finds whatever is in no log any more.

use super::rules::Rules;
use super::table::Table;
use super::{PLACE, speaks};
use crate::engine::Inner;
use crate::ledger::LEDGER;
use crate::standing::Said;
use jiff::Timestamp;
use pasarela_connector::Source;
use pasarela_domain::EntityRef;
use pasarela_domain::identity::{Claim, Mention};
use pasarela_store::{Error, EventFilter, EventRow, NewDelivery, RecordWrite, Work, Worked};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// Name of the place in the log.
const LOG: &str = "log";
/// Events of one transaction.
const PAGE: u32 = 200;
/// Events that are looked at and say nothing of persons, before the place is written all the same.
const LOOKED: usize = 2000;
/// How often it is looked when nothing wakes: beside other nodes, and alone.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_ALONE: Duration = Duration::from_secs(30);
/// What comes close behind one another is read together.
const GATHER: Duration = Duration::from_millis(5);
/// Read models that are looked at together.
const STATES: u32 = 200;
/// How often all read models are looked at.
const SWEEP: Duration = Duration::from_secs(24 * 3600);
/// Tries to write what others write too.
const TRIES: u32 = 50;

/// Where the reading of the log stands.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Place {
    after: i64,
}

/// A place that is written with what was done on the way to it.
pub(super) struct Reached {
    /// Of what: the name of the read model.
    of: &'static str,
    /// The version that was read; 0: there was none.
    version: i64,
    bytes: Vec<u8>,
}

impl Reached {
    pub(super) fn new(of: &'static str, version: i64, place: &impl Serialize) -> Self {
        Self { of, version, bytes: serde_json::to_vec(place).unwrap_or_default() }
    }
}

/// What this node knows of the place.
#[derive(Default)]
struct Reader {
    /// The read model as it was read or written, and how far was looked since.
    at: Option<(i64, i64)>,
    looked: usize,
    swept: Option<Instant>,
    /// Where the sweep stands: connection, kind, id.
    sweep: Option<(usize, usize, String)>,
    rules: Rules,
}

#[derive(Deserialize)]
struct Body {
    data: Value,
}

impl Inner {
    /// Keeps the map until the hub stops.
    pub(crate) async fn people_keeper(self: Arc<Self>) {
        if self.people.rules.is_none() {
            return;
        }
        let Some(own) = self.connection(LEDGER) else { return };
        let mut reader = Reader::default();
        while !self.is_stopping() {
            let more = if own.is_own() {
                match self.read_people(&mut reader).await {
                    Ok(more) => more,
                    Err(Error::Closed | Error::Fenced) => return,
                    Err(error) => {
                        reader.at = None;
                        reader.rules = Rules::default();
                        tracing::warn!(%error, "the map of persons could not be brought up to date yet");
                        tokio::time::sleep(Duration::from_millis(250)).await;
                        true
                    }
                }
            } else {
                reader = Reader::default();
                // What this node saw it tells itself: the log's reader is elsewhere.
                match self.look_at_seen().await {
                    Ok(()) => false,
                    Err(Error::Closed | Error::Fenced) => return,
                    Err(_) => true,
                }
            };
            if more {
                continue;
            }
            let wait = if self.store.is_shared() { LOOK } else { LOOK_ALONE };
            tokio::select! {
                () = self.people.wake.notified() => tokio::time::sleep(GATHER).await,
                () = own.gained.notified() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.stopped() => return,
            }
        }
    }

    /// Reads a page; `true`: there is more.
    async fn read_people(self: &Arc<Self>, reader: &mut Reader) -> Result<bool, Error> {
        let Some(_piece) = self.take_up() else { return Ok(false) };
        let (version, after) = match reader.at {
            Some(at) => at,
            None => {
                let (version, place): (i64, Place) = self.reached(LOG).await?;
                self.people.reached.store(place.after, Ordering::Release);
                (version, place.after)
            }
        };
        reader.at = Some((version, after));
        let below = self.watermark();
        let filter = EventFilter {
            above: Some(after),
            below: Some(below),
            ascending: true,
            limit: PAGE,
            ..EventFilter::default()
        };
        let page = self.store.events(filter).await?;
        let reached = match (&page.next, page.rows.last()) {
            (Some(_), Some(last)) => last.id.get(),
            // Nothing between is to be had any more.
            _ => after.max(below - 1),
        };
        let words = self.words_of(&page.rows);
        reader.looked += page.rows.len();
        let written = if words.is_empty() && reader.looked < LOOKED {
            reader.at = Some((version, reached));
            true
        } else {
            let _turn = self.people.turn.lock().await;
            let now = self.clock.now();
            let mut table = Table::new(self)?;
            table.prefetch(&words).await?;
            for (brand, mention, at) in words {
                table.hear(&brand, mention, at).await?;
            }
            table.tell(now).await?;
            self.fail_point("before_people");
            let place = Reached::new(LOG, version, &Place { after: reached });
            let done = table.commit(Some(place), now).await?;
            self.fail_point("after_people");
            reader.at = done.then_some((version + 1, reached));
            reader.looked = 0;
            done
        };
        if !written || page.next.is_some() {
            if written {
                // There is more, so nobody takes the map for read to the end.
                self.people.reached.store(reached, Ordering::Release);
            }
            return Ok(true);
        }
        self.look_at_seen().await?;
        self.people.reached.store(reached, Ordering::Release);
        if self.walk_by_rules(&mut reader.rules).await? {
            return Ok(true);
        }
        self.sweep_people(reader).await
    }

    /// When the oldest event was received that the map has not read. `None`: it has read all, as far as this node knows;
    /// or it reads nothing.
    pub(crate) async fn people_behind(&self) -> Result<Option<Timestamp>, Error> {
        if self.people.rules.is_none() || !self.connection(LEDGER).is_some_and(|own| own.is_own()) {
            return Ok(None);
        }
        let above = Some(self.people.reached.load(Ordering::Acquire));
        let filter = EventFilter { above, ascending: true, limit: 1, ..EventFilter::default() };
        Ok(self.store.events(filter).await?.rows.first().map(|event| event.received_at))
    }

    /// How far something was gone through.
    pub(super) async fn reached<P: DeserializeOwned + Default>(&self, of: &'static str) -> Result<(i64, P), Error> {
        let wanted = vec![(self.own_connection()?, EntityRef::new(PLACE, of))];
        let (_, mut rows) = self.store.lookup(Vec::new(), wanted).await?;
        let row = rows.pop().flatten();
        let place = row.as_ref().and_then(|r| serde_json::from_slice(&r.data).ok()).unwrap_or_default();
        Ok((row.map_or(0, |r| r.version), place))
    }

    /// What events say of persons: brand, word, and when the hub heard it.
    fn words_of(&self, rows: &[EventRow]) -> Vec<(String, Mention, Timestamp)> {
        let mut words = Vec::new();
        for row in rows {
            let kind = row.event_type.split('.').next().unwrap_or_default();
            if !speaks(kind) && row.event_type != "message.received" {
                continue;
            }
            let Some(connection) = self.connection_by_id(row.connection).filter(|c| c.name() != LEDGER) else {
                continue;
            };
            let Ok(body) = serde_json::from_slice::<Body>(&row.body) else { continue };
            let said = Mention::of_event(connection.name(), &row.event_type, &body.data, Some(row.occurred_at));
            words.extend(said.into_iter().map(|mention| (connection.brand.clone(), mention, row.received_at)));
        }
        words
    }

    /// Looks at read models that changed without an event.
    async fn look_at_seen(self: &Arc<Self>) -> Result<(), Error> {
        loop {
            let seen: Vec<(i64, EntityRef)> = {
                let mut all = self.people.seen.lock();
                let some: Vec<_> = all.iter().take(STATES as usize).cloned().collect();
                all.retain(|one| !some.contains(one));
                some
            };
            if seen.is_empty() {
                return Ok(());
            }
            if let Err(error) = self.look_at(seen.clone()).await {
                self.people.seen.lock().extend(seen);
                return Err(error);
            }
        }
    }

    /// Read models as they are now say what they say.
    async fn look_at(self: &Arc<Self>, which: Vec<(i64, EntityRef)>) -> Result<(), Error> {
        for _ in 0..TRIES {
            let (_, rows) = self.store.lookup(Vec::new(), which.clone()).await?;
            let now = self.clock.now();
            let mut words = Vec::new();
            for ((connection, entity), row) in which.iter().zip(rows) {
                let (Some(connection), Some(row)) = (self.connection_by_id(*connection), row) else { continue };
                let Ok(data) = serde_json::from_slice::<Value>(&row.data) else { continue };
                let said = Mention::of_state(connection.name(), &entity.kind, &data, row.updated_at);
                words.extend(said.map(|mention| (connection.brand.clone(), mention, now)));
            }
            let _turn = self.people.turn.lock().await;
            let mut table = Table::new(self)?;
            table.prefetch(&words).await?;
            for (brand, mention, at) in words {
                table.hear(&brand, mention, at).await?;
            }
            table.tell(now).await?;
            if table.commit(None, now).await? {
                return Ok(());
            }
        }
        Err(Error::Busy)
    }

    /// Looks at some of all read models; `true`: there are more.
    async fn sweep_people(self: &Arc<Self>, reader: &mut Reader) -> Result<bool, Error> {
        const KINDS: [&str; 4] = ["person", "order", "ticket", "waitlist_entry"];
        let fresh = reader.swept.is_some_and(|at| at.elapsed() < SWEEP);
        if reader.sweep.is_none() && fresh {
            return Ok(false);
        }
        let (mut at, mut kind, after) = reader.sweep.take().unwrap_or_default();
        let mut connections: Vec<_> = self.connections.values().filter(|c| c.name() != LEDGER).cloned().collect();
        connections.sort_by_key(|c| c.id);
        let Some(connection) = connections.get(at) else {
            reader.swept = Some(Instant::now());
            return Ok(false);
        };
        let ids = self.store.entity_ids(connection.id, KINDS[kind], &after, STATES).await?;
        let next = ids.last().cloned().filter(|_| ids.len() == STATES as usize);
        let which = ids.into_iter().map(|id| (connection.id, EntityRef::new(KINDS[kind], id))).collect();
        self.look_at(which).await?;
        if next.is_none() {
            kind += 1;
            if kind == KINDS.len() {
                (at, kind) = (at + 1, 0);
            }
        }
        reader.sweep = Some((at, kind, next.unwrap_or_default()));
        Ok(true)
    }
}

impl Table<'_> {
    /// Reads in few looks what these words will ask for.
    pub(super) async fn prefetch(&mut self, words: &[(String, Mention, Timestamp)]) -> Result<(), Error> {
        let born: Vec<_> = words.iter().map(|(brand, m, _)| self.born(brand, &m.source)).collect();
        let mut keys: Vec<String> = words.iter().flat_map(|(brand, m, _)| self.keys_of(brand, m)).collect();
        // Who names these records: else each would be asked for alone.
        keys.extend(
            words.iter().filter_map(|(brand, m, _)| self.claim_key(brand, &Claim::Record { record: m.source.clone() })),
        );
        self.read(born, Vec::new()).await?;
        self.read_named(&keys).await
    }

    /// Writes everything; `false`: something had changed, and nothing was written.
    pub(super) async fn commit(mut self, place: Option<Reached>, now: Timestamp) -> Result<bool, Error> {
        let inner = self.inner.clone();
        let mut entities = self.writes();
        if entities.is_empty() && place.is_none() {
            return Ok(true);
        }
        // The last word on each record counts.
        let mut records: Vec<RecordWrite> = Vec::new();
        for record in std::mem::take(&mut self.records) {
            records.retain(|r| r.kind != record.kind || r.id != record.id);
            records.push(record);
        }
        if !records.is_empty() {
            inner.store.keep_records(records).await?;
        }
        // For the law first: should the rest have to be done again, this is known then.
        for (names, by_person) in std::mem::take(&mut self.links) {
            inner.link(&names, if by_person { Said::ByPerson } else { Said::ByRule }).await?;
        }
        for names in std::mem::take(&mut self.parted) {
            inner.separate(&names).await?;
        }
        let own = inner.own_connection()?;
        if let Some(place) = place {
            let mut write = inner.own_write(own, EntityRef::new(PLACE, place.of), None, &place.bytes);
            write.expected = place.version;
            entities.push(write);
        }
        let told: Vec<Vec<u8>> = self.told.iter().map(|body| crate::pack::pack(std::iter::empty(), body)).collect();
        let deliveries = told.iter().map(|packed| NewDelivery {
            connection: own,
            source: Source::Import.as_str(),
            received_at: now,
            packed: inner.store.sealer().seal(packed),
            replay_key: None,
            door: false,
        });
        let work = Work { entities, deliveries: deliveries.collect(), ..Work::default() };
        match inner.store.work(work).await? {
            Worked::Done { deliveries, .. } => {
                if let Some(ledger) = inner.connection(LEDGER) {
                    for (id, packed) in deliveries.into_iter().zip(told) {
                        inner.feed_own(&ledger, id, Source::Import, packed, now);
                    }
                }
                Ok(true)
            }
            Worked::Stale => Ok(false),
        }
    }
}
