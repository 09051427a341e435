//! From the inbox to the deciders: in memory while they keep up, from the store when they do not.
//!
//! Deliveries of one key are decided one after another, by the decider that the key's hash names.
//! At most [`CAPACITY`] deliveries and [`BYTES`] are in memory; beyond, they stay in the inbox and are
//! read in order when there is room again, so that a flood costs disk and not memory.
//!
//! Somebody at the door passes what is on its way to a decider, but nothing of its own key (G9). What
//! is in the inbox only cannot be passed: nobody knows the keys of what lies there before.

use crate::engine::Inner;
use crate::telemetry::count;
use jiff::Timestamp;
use parking_lot::Mutex;
use pasarela_connector::{Item, Source, Translation, Unread};
use pasarela_domain::DeliveryId;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Deliveries in memory.
const CAPACITY: usize = 1024;
/// Bytes of them, as packed. What they were translated to takes more.
const BYTES: usize = 8 * 1024 * 1024;
/// A delivery above so many bytes goes by the inbox: however many come in at once, few are translated.
const LARGE: usize = 64 * 1024;
/// Deciders.
pub(crate) const DECIDERS: usize = 16;
/// Deliveries read from the inbox at a time.
const LOAD: u32 = 256;

/// Deliveries from the door that a decider takes in a row while others wait.
const DOOR_RUN: u32 = 8;

/// A delivery on its way to its decider.
pub(crate) struct Pending {
    pub(crate) id: DeliveryId,
    pub(crate) connection: i64,
    pub(crate) source: Source,
    pub(crate) received_at: Timestamp,
    /// Translated before, on the way in; else `packed` is read.
    pub(crate) translation: Option<Arc<Result<Translation, Unread>>>,
    pub(crate) packed: Vec<u8>,
    /// Bytes of it as packed, whether they are here or not.
    pub(crate) size: usize,
    pub(crate) tries: u32,
    /// It waits for a person's approval: nothing is decided of it.
    pub(crate) proposal: bool,
    /// It tells of somebody at the door.
    pub(crate) door: bool,
}

impl Pending {
    /// Hash of what it is about: deliveries of one are decided one after another.
    fn place(&self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        self.connection.hash(&mut hasher);
        match self.translation.as_deref() {
            Some(Ok(t)) => {
                if let Some(Item::Fact(fact)) = t.items.iter().find(|i| matches!(i, Item::Fact(_))) {
                    fact.key.hash(&mut hasher);
                }
            }
            // A body that cannot be read has no key.
            _ => self.id.get().hash(&mut hasher),
        }
        hasher.finish()
    }
}

/// The way into one decider.
struct Way {
    all: mpsc::UnboundedSender<Pending>,
    door: mpsc::UnboundedSender<Pending>,
}

/// What one decider reads from.
pub(crate) struct End {
    all: mpsc::UnboundedReceiver<Pending>,
    door: mpsc::UnboundedReceiver<Pending>,
    /// From the door, in a row.
    run: u32,
}

impl End {
    /// The next delivery. `None`: there will be none.
    async fn next(&mut self) -> Option<Pending> {
        let door_first = self.run < DOOR_RUN || self.all.is_empty();
        tokio::select! {
            biased;
            Some(pending) = self.door.recv(), if door_first => {
                self.run += 1;
                Some(pending)
            }
            pending = self.all.recv() => {
                self.run = 0;
                pending
            }
        }
    }
}

/// A delivery in memory.
struct Held {
    connection: i64,
    size: usize,
    /// What it is about, once that is known.
    place: Option<u64>,
}

#[derive(Default)]
struct State {
    /// Connections whose deliveries this node decides.
    serves: HashSet<i64>,
    /// Deliveries in memory.
    in_memory: HashMap<i64, Held>,
    /// Bytes of them.
    bytes: usize,
    /// How many of them are about the same.
    places: HashMap<u64, u32>,
    /// Everything pending above this id is in the inbox only; `None`: all is in memory.
    behind: Option<i64>,
    /// Lowest id that was left in the inbox since the last read of it began.
    left: Option<i64>,
}

impl State {
    /// Holds a delivery, unless it is held already.
    fn hold(&mut self, id: i64, connection: i64, size: usize) -> bool {
        let Entry::Vacant(place) = self.in_memory.entry(id) else { return false };
        place.insert(Held { connection, size, place: None });
        self.bytes += size;
        true
    }

    /// May a delivery of this size go by memory?
    fn has_room_for(&self, size: usize) -> bool {
        self.in_memory.len() < CAPACITY && size <= LARGE && self.bytes + size <= BYTES
    }

    /// May more be read from the inbox? A page of it has bytes up to half of what may be here.
    fn has_room_for_a_page(&self) -> bool {
        self.in_memory.len() < CAPACITY / 2 && self.bytes < BYTES / 2
    }

    /// The inbox was read up to `last`; `whole`: there was nothing above it. What was left meanwhile may
    /// not have been seen, and may lie below (a replay): it is read again from the lowest.
    fn end_read(&mut self, last: i64, whole: bool) {
        let rest = (!whole).then_some(last);
        let left = self.left.take().map(|l| l - 1);
        self.behind = match (rest, left) {
            (Some(rest), Some(left)) => Some(rest.min(left)),
            (rest, left) => rest.or(left),
        };
    }
}

/// The way from the inbox to the deciders.
pub(crate) struct Feed {
    state: Mutex<State>,
    deciders: Vec<Way>,
    room: Notify,
}

impl Feed {
    /// The feed, and the ends that the deciders read from.
    pub(crate) fn new() -> (Self, Vec<End>) {
        let way = |_| {
            let ((all, all_end), (door, door_end)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
            (Way { all, door }, End { all: all_end, door: door_end, run: 0 })
        };
        let (deciders, ends) = (0..DECIDERS).map(way).unzip();
        // Until the inbox has been looked through, nothing new goes before what is in it.
        let state = State { behind: Some(0), ..State::default() };
        (Self { state: Mutex::new(state), deciders, room: Notify::new() }, ends)
    }

    /// Do deliveries of this size go by memory now? If not, translating them early is wasted.
    pub(crate) fn by_memory(&self, size: usize) -> bool {
        let state = self.state.lock();
        state.behind.is_none() && state.has_room_for(size)
    }

    /// Decides a connection's deliveries from now on; the inbox may hold some.
    pub(crate) fn serve(&self, connection: i64) {
        self.state.lock().serves.insert(connection);
        self.look_again();
    }

    fn serves(&self, connection: i64) -> bool {
        self.state.lock().serves.contains(&connection)
    }

    /// Takes no more of a connection's deliveries. Those in memory are still decided.
    pub(crate) fn serve_no_more(&self, connection: i64) {
        self.state.lock().serves.remove(&connection);
    }

    /// Is there none of a connection in memory?
    pub(crate) fn is_free_of(&self, connection: i64) -> bool {
        !self.state.lock().in_memory.values().any(|held| held.connection == connection)
    }

    /// The inbox may hold what another node put there.
    pub(crate) fn look_again(&self) {
        let mut state = self.state.lock();
        state.left = Some(0);
        state.behind = Some(0);
        drop(state);
        self.room.notify_one();
    }

    /// A delivery that was just accepted. One that is not served here stays in the inbox.
    fn push(&self, pending: Pending) {
        {
            let mut state = self.state.lock();
            let id = pending.id.get();
            if !state.serves.contains(&pending.connection) {
                return;
            }
            // Without its translation its key is not known, and so not its decider: the feeder translates it.
            if state.behind.is_some() || !state.has_room_for(pending.size) || pending.translation.is_none() {
                state.left = Some(state.left.map_or(id, |l| l.min(id)));
                state.behind = Some(state.behind.map_or(id - 1, |b| b.min(id - 1)));
                drop(state);
                self.room.notify_one();
                return;
            }
            state.hold(id, pending.connection, pending.size);
        }
        self.send(pending);
    }

    /// Where the inbox is to be read from, if it is to be read and there is room.
    fn begin_read(&self) -> Option<i64> {
        let mut state = self.state.lock();
        let from = state.behind.filter(|_| state.has_room_for_a_page())?;
        state.left = None;
        Some(from)
    }

    /// Connections that are served here, and deliveries in memory.
    fn known(&self) -> (Vec<i64>, Vec<i64>) {
        let state = self.state.lock();
        (state.serves.iter().copied().collect(), state.in_memory.keys().copied().collect())
    }

    fn send(&self, pending: Pending) {
        let place = pending.place();
        let decider = &self.deciders[(place % DECIDERS as u64) as usize];
        // Under one lock, so that what is about the same thing keeps its order.
        let mut state = self.state.lock();
        if let Some(held) = state.in_memory.get_mut(&pending.id.get()) {
            held.place = Some(place);
        }
        let same = state.places.entry(place).or_default();
        let way = if pending.door && *same == 0 { &decider.door } else { &decider.all };
        *same += 1;
        // A decider that has ended means that the engine stops: the inbox keeps the delivery.
        drop(way.send(pending));
    }

    fn done(&self, id: DeliveryId) {
        let mut state = self.state.lock();
        let held = state.in_memory.remove(&id.get());
        state.bytes -= held.as_ref().map_or(0, |held| held.size);
        if let Some(place) = held.and_then(|held| held.place)
            && let Some(same) = state.places.get_mut(&place)
        {
            *same -= 1;
            if *same == 0 {
                state.places.remove(&place);
            }
        }
        let room = state.behind.is_some() && state.has_room_for_a_page();
        drop(state);
        if room {
            self.room.notify_one();
        }
    }

    /// Deliveries in memory, and whether more are in the inbox only.
    pub(crate) fn view(&self) -> (usize, bool) {
        let state = self.state.lock();
        (state.in_memory.len(), state.behind.is_some())
    }
}

impl Inner {
    /// One decider.
    pub(crate) async fn decider(self: Arc<Self>, mut end: End) {
        loop {
            let pending = tokio::select! {
                pending = end.next() => pending,
                () = self.stopped() => return,
            };
            let Some(pending) = pending else { return };
            let Some(_piece) = self.take_up() else { return };
            let id = pending.id;
            self.decide(pending).await;
            self.feed.done(id);
        }
    }

    /// Reads the inbox whenever deliveries were left in it.
    pub(crate) async fn feeder(self: Arc<Self>) {
        loop {
            if self.is_stopping() {
                return;
            }
            let from = self.feed.begin_read();
            let Some(from) = from else {
                tokio::select! {
                    () = self.feed.room.notified() => {}
                    () = tokio::time::sleep(Duration::from_secs(60)) => self.backstop().await,
                    () = self.stopped() => return,
                }
                continue;
            };
            // Ids of several nodes do not rise in the order of commits: all of it is looked at.
            let page = match self.store.alone() {
                Some(_) => self.store.inbox(from, LOAD).await,
                None => {
                    let (of, known) = self.feed.known();
                    self.store.inbox_besides(of, known, LOAD).await
                }
            };
            match page {
                Ok(page) => {
                    let (rows, whole) = (page.rows, page.next.is_none());
                    let last = rows.last().map_or(from, |r| r.id.get());
                    let mut fresh = Vec::with_capacity(rows.len());
                    {
                        let mut state = self.feed.state.lock();
                        for row in rows {
                            let own = state.serves.contains(&row.connection);
                            if own && state.hold(row.id.get(), row.connection, row.packed.len()) {
                                fresh.push(row);
                            }
                        }
                        state.end_read(last, whole);
                    }
                    for row in fresh {
                        let pending = self.translated(row);
                        self.feed.send(pending);
                    }
                }
                Err(pasarela_store::Error::Closed | pasarela_store::Error::Fenced) => return,
                Err(e) => {
                    tracing::error!(error = %e, "the inbox cannot be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// The inbox holds only what the deciders know of: anything else is a bug that is counted and mended.
    async fn backstop(&self) {
        let Ok(page) = self.store.inbox(0, LOAD).await else { return };
        let old = self.clock.now().checked_sub(Duration::from_secs(30)).unwrap_or(Timestamp::MIN);
        for row in page.rows {
            let lost = row.received_at < old && {
                let mut state = self.feed.state.lock();
                state.serves.contains(&row.connection)
                    && state.behind.is_none()
                    && state.hold(row.id.get(), row.connection, row.packed.len())
            };
            if lost {
                count(&self.metrics.backstop);
                tracing::error!(delivery = %row.id, "a delivery was found only by the backstop scan");
                let pending = self.translated(row);
                self.feed.send(pending);
            }
        }
    }

    /// A delivery of the inbox, translated, so that its key names its decider.
    fn translated(&self, row: pasarela_store::InboxRow) -> Pending {
        let source = match row.source.as_str() {
            "poll" => Source::Poll,
            "fetch" => Source::Fetch,
            "import" => Source::Import,
            _ => Source::Webhook,
        };
        let mut door = false;
        let translation = self.connection_by_id(row.connection).map(|connection| {
            let (_, body) = crate::pack::unpack(&row.packed);
            door = crate::accept::at_door(&connection, body);
            Arc::new(self.translate(&connection, source, body))
        });
        Pending {
            id: row.id,
            connection: row.connection,
            source,
            received_at: row.received_at,
            translation,
            size: row.packed.len(),
            packed: row.packed,
            tries: row.tries,
            proposal: row.source == crate::reconcile::PROPOSAL,
            door,
        }
    }

    /// A delivery is in the inbox: it is decided here, or its node is told.
    pub(crate) fn hand_in(&self, pending: Pending) {
        if self.store.alone().is_some() {
            self.feed.push(pending);
        } else if self.feed.serves(pending.connection) {
            // Another node may have accepted one of the same key before it: the inbox knows the order.
            self.feed.look_again();
        } else {
            self.store.tell(pasarela_store::News::INBOX);
        }
    }

    /// A delivery that the engine itself brought (a fetch, a poll).
    pub(crate) fn feed_own(
        &self,
        connection: &crate::connections::ConnectionRuntime,
        id: DeliveryId,
        source: Source,
        packed: Vec<u8>,
        now: Timestamp,
    ) {
        let translation = self.feed.by_memory(packed.len()).then(|| {
            let (_, body) = crate::pack::unpack(&packed);
            Arc::new(self.translate(connection, source, body))
        });
        self.hand_in(Pending {
            id,
            connection: connection.id,
            source,
            received_at: now,
            translation,
            size: packed.len(),
            packed,
            tries: 0,
            proposal: false,
            door: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replayed(id: i64) -> Pending {
        Pending {
            id: DeliveryId::from_raw(id),
            connection: 1,
            source: Source::Webhook,
            received_at: Timestamp::UNIX_EPOCH,
            translation: None,
            packed: Vec::new(),
            size: 0,
            tries: 0,
            proposal: false,
            door: false,
        }
    }

    /// A delivery about something, that goes by memory.
    fn about(id: i64, key: &str, door: bool) -> Pending {
        let fact = pasarela_connector::Fact {
            event_type: None,
            key: key.into(),
            occurred_at: None,
            data: serde_json::Value::Null,
            dedup: pasarela_connector::Dedup::Once {
                kind: String::new(),
                entity: String::new(),
                discriminator: String::new(),
            },
            entities: Vec::new(),
            refs: Vec::new(),
            settles: None,
        };
        let translation = Some(Arc::new(Ok(Translation { items: vec![Item::from(fact)] })));
        Pending { translation, door, ..replayed(id) }
    }

    /// Two keys whose deliveries go to the same decider.
    fn neighbours() -> (String, String) {
        let decider = |key: &str| about(0, key, false).place() % DECIDERS as u64;
        let other = (0..).map(|n| format!("k{n}")).find(|k| decider(k) == decider("k")).unwrap();
        ("k".into(), other)
    }

    async fn order(feed: &Feed, ends: &mut [End], key: &str, n: usize) -> Vec<i64> {
        let end = &mut ends[(about(0, key, false).place() % DECIDERS as u64) as usize];
        let mut ids = Vec::new();
        for _ in 0..n {
            let id = end.next().await.unwrap().id;
            feed.done(id);
            ids.push(id.get());
        }
        ids
    }

    #[tokio::test]
    async fn g09_somebody_at_the_door_passes_what_is_about_others_and_nothing_of_its_own() {
        let (feed, mut ends) = Feed::new();
        feed.serve(1);
        reads(&feed, &[]);
        let (flood, guest) = neighbours();
        for id in 1..=3 {
            feed.push(about(id, &flood, false));
        }
        feed.push(about(4, &guest, true));
        // The same guest again, and somebody whose sale is on its way.
        feed.push(about(5, &guest, true));
        feed.push(about(6, &flood, true));
        assert_eq!(order(&feed, &mut ends, &flood, 6).await, [4, 1, 2, 3, 5, 6]);
        // Nothing of it is left behind.
        feed.push(about(7, &flood, false));
        feed.push(about(8, &guest, true));
        assert_eq!(order(&feed, &mut ends, &flood, 2).await, [8, 7]);
        assert!(feed.state.lock().places.is_empty() && feed.view() == (0, false));
    }

    #[tokio::test]
    async fn g09_a_flood_from_the_door_does_not_starve_the_others() {
        let (feed, mut ends) = Feed::new();
        feed.serve(1);
        reads(&feed, &[]);
        let (flood, _) = neighbours();
        let decider = |key: &str| about(0, key, false).place() % DECIDERS as u64;
        feed.push(about(1, &flood, false));
        let guests = (0..).map(|n| format!("g{n}")).filter(|k| decider(k) == decider(&flood)).take(20);
        for (id, guest) in (2..).zip(guests) {
            feed.push(about(id, &guest, true));
        }
        let order = order(&feed, &mut ends, &flood, 21).await;
        assert_eq!(order.iter().position(|id| *id == 1), Some(DOOR_RUN as usize), "{order:?}");
    }

    /// Reads as the feeder does, from an inbox that holds these ids; how many reads it takes to come to rest.
    fn reads(feed: &Feed, inbox: &[i64]) -> usize {
        for read in 0..10 {
            let Some(from) = feed.begin_read() else { return read };
            let last = inbox.iter().copied().filter(|id| *id > from).max().unwrap_or(from);
            feed.state.lock().end_read(last, true);
        }
        panic!("the feeder never comes to rest");
    }

    #[tokio::test]
    async fn bytes_in_memory_are_bounded_and_what_is_beyond_stays_in_the_inbox() {
        let (feed, mut ends) = Feed::new();
        feed.serve(1);
        reads(&feed, &[]);
        assert!(feed.by_memory(LARGE) && !feed.by_memory(LARGE + 1), "a large one goes by the inbox");
        let fit = i64::try_from(BYTES / LARGE).unwrap();
        for id in 1..=fit + 1 {
            feed.push(Pending { size: LARGE, ..about(id, "k", false) });
        }
        assert_eq!(feed.view(), (usize::try_from(fit).unwrap(), true));
        assert!(feed.begin_read().is_none(), "no page is read on top of them");
        let half = usize::try_from(fit / 2).unwrap();
        order(&feed, &mut ends, "k", half).await;
        assert!(feed.begin_read().is_none());
        order(&feed, &mut ends, "k", 1).await;
        assert_eq!(feed.begin_read(), Some(fit));
        order(&feed, &mut ends, "k", half - 1).await;
        assert_eq!(feed.state.lock().bytes, 0);
    }

    #[test]
    fn an_older_replay_after_a_newer_one_does_not_keep_the_feeder_busy() {
        let (feed, _ends) = Feed::new();
        feed.serve(1);
        assert_eq!(reads(&feed, &[]), 1);
        feed.push(replayed(100));
        assert_eq!(reads(&feed, &[100]), 1);
        feed.push(replayed(50));
        assert_eq!(reads(&feed, &[50]), 1);
    }

    #[test]
    fn what_was_left_during_a_read_is_read_by_the_next() {
        let (feed, _ends) = Feed::new();
        feed.serve(1);
        assert_eq!(feed.begin_read(), Some(0));
        feed.push(replayed(7));
        feed.push(replayed(5));
        feed.state.lock().end_read(3, true);
        assert_eq!(feed.begin_read(), Some(4));
        feed.state.lock().end_read(7, true);
        assert_eq!(feed.begin_read(), None);
    }
}
