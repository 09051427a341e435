//! Several nodes on one database: which connections are this node's, what others did for them, and what
//! to do when a node comes, goes or dies (ADR 0011). On a database of one node all of this is one answer.
//!
//! A connection is one node's at a time: that node decides its deliveries, calls its provider, fires its
//! timers and reads its records, so that order, rate and breaker need no agreement. Others accept its
//! webhooks and queue effects for it; its owner reads what arrived, by hints and by looking.
//!
//! A node that is alone decides by what it has in memory. Before another one writes, each that is there
//! lets what it is deciding come to its end and says that it knows ([`Ask::beside`]). From then on nothing
//! begins in the transaction that decides it: an effect is queued, and claimed only if nothing that this
//! node does not know of lies before it in its lane ([`pasarela_store::Claim::alone_above`]).

use crate::connections::{ConnectionRuntime, Hold};
use crate::dispatch::FETCH;
use crate::engine::Inner;
use crate::lanes::{LaneKey, Queued};
use parking_lot::Mutex;
use pasarela_domain::EntityRef;
use pasarela_store::{Ask, Error, News, Shares};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;

/// How often it is looked when nothing is told.
const LOOK: Duration = Duration::from_secs(1);
/// The same where hints do not arrive.
const LOOK_DEAF: Duration = Duration::from_millis(100);
/// Between two looks at what has to end first.
const MOMENT: Duration = Duration::from_millis(5);
/// After a look that failed.
const PAUSE: Duration = Duration::from_millis(250);
/// Arrived effects read at a time.
const LOAD: u32 = 512;
/// Events of other nodes that are told live at a time.
const TOLD: u32 = 200;

/// What this node knows of the others.
#[derive(Default)]
pub(crate) struct Neighbours {
    state: Mutex<State>,
    kick: Notify,
}

#[derive(Default)]
struct State {
    /// Other nodes that are alive.
    nodes: Vec<String>,
    /// Connections of others.
    others: HashMap<i64, String>,
    /// Marks and misses of own connections, as of the last look.
    counts: HashMap<i64, (i64, i64)>,
    /// Newest node that this one writes beside.
    beside: i64,
    /// Events of others below this are all written.
    below: Option<i64>,
    /// To be told with the next look.
    given: Vec<i64>,
    missed: Vec<i64>,
    /// Highest event of another node that was told live.
    told: i64,
    soonest_end: Option<Duration>,
    /// Pushed flow versions, as of the last look.
    pushed: Vec<i64>,
    /// It serves other connections than at the last look.
    anew: bool,
}

impl Neighbours {
    /// Are these pushed flow versions others than at the last look?
    pub(crate) fn pushes(&self, rows: &[i64]) -> bool {
        let mut state = self.state.lock();
        let other = state.pushed != rows;
        if other {
            state.pushed = rows.to_vec();
        }
        other
    }

    pub(crate) fn look_now(&self) {
        self.kick.notify_one();
    }

    /// There is a connection more that this node serves.
    pub(crate) fn serve_anew(&self) {
        self.state.lock().anew = true;
        self.look_now();
    }

    /// Node that has a connection, if it is another.
    pub(crate) fn node_of(&self, connection: i64) -> Option<String> {
        self.state.lock().others.get(&connection).cloned()
    }

    pub(crate) fn nodes(&self) -> Vec<String> {
        self.state.lock().nodes.clone()
    }

    /// The records of another node's connection are to be read.
    pub(crate) fn missed(&self, connection: i64) {
        let mut state = self.state.lock();
        if !state.missed.contains(&connection) {
            state.missed.push(connection);
        }
    }

    /// Does no node serve this connection?
    pub(crate) fn is_nobodys(&self, inner: &Inner, connection: i64) -> bool {
        inner.connection_by_id(connection).is_none() && !self.state.lock().others.contains_key(&connection)
    }
}

impl Inner {
    /// Readers of the event log that want no gaps stay below this id: no event to come, at whichever node, has one
    /// that is lower.
    pub(crate) fn watermark(&self) -> i64 {
        let others = self.neighbours.state.lock().below;
        self.events_to_come().min(others.unwrap_or(i64::MAX))
    }

    /// Waits until all other nodes know of this one. `passive`: it is here for a command.
    pub(crate) async fn join(self: &Arc<Self>, passive: bool) -> Result<Shares, Error> {
        let begun = std::time::Instant::now();
        let mut told = Duration::from_secs(5);
        loop {
            let shares = self.ask(passive).await?;
            // Nothing was decided yet, so that there is nothing to wait for.
            let known = std::mem::replace(&mut self.neighbours.state.lock().beside, shares.newest) >= shares.newest;
            if shares.admitted && known {
                return Ok(shares);
            }
            if begun.elapsed() > told {
                told *= 2;
                tracing::warn!(nodes = shares.nodes.join(", "), "waits for other nodes to make room for this one");
            }
            if !known {
                continue;
            }
            tokio::select! {
                _ = self.store.news() => {}
                () = tokio::time::sleep(LOOK_DEAF) => {}
            }
        }
    }

    async fn ask(&self, passive: bool) -> Result<Shares, Error> {
        let (given, missed, beside) = {
            let mut state = self.neighbours.state.lock();
            (std::mem::take(&mut state.given), std::mem::take(&mut state.missed), state.beside)
        };
        let mut serves: Vec<i64> = self.served().iter().map(|c| c.id).collect();
        serves.sort_unstable();
        let ask = Ask {
            serves: (!passive).then_some(serves),
            light: self.connection(crate::ledger::LEDGER).map(|ledger| ledger.id).into_iter().collect(),
            given: given.clone(),
            missed: missed.clone(),
            below: self.events_to_come(),
            beside,
        };
        let answer = self.store.share(ask).await;
        let mut state = self.neighbours.state.lock();
        match &answer {
            Ok(shares) => {
                state.nodes.clone_from(&shares.nodes);
                state.others = shares.others.iter().cloned().collect();
                state.below = shares.below;
                state.soonest_end = shares.soonest_end;
            }
            Err(_) => {
                state.given.extend(given);
                state.missed.extend(missed);
            }
        }
        answer
    }

    /// Lives beside other nodes until the hub stops, or this node is declared dead.
    pub(crate) async fn neighbourhood(self: Arc<Self>) {
        let mut looked = tokio::time::Instant::now();
        loop {
            // From the last look on, however much is told meanwhile.
            let due = looked + self.until_next_look();
            let mut news = tokio::select! {
                news = self.store.news() => news,
                () = tokio::time::sleep_until(due) => News::default(),
                () = self.neighbours.kick.notified() => News::EFFECTS,
                () = self.store.fenced() => {
                    self.fenced.store(true, Ordering::Relaxed);
                    return;
                }
                () = self.stopped() => return,
            };
            if due <= tokio::time::Instant::now() {
                news = News { inbox: true, effects: true, nodes: true };
            }
            if news.nodes {
                looked = tokio::time::Instant::now();
            }
            match self.look(news).await {
                Ok(()) => {}
                Err(Error::Closed) => return,
                // The next turn of the loop hears it.
                Err(Error::Fenced) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot look after the other nodes");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn until_next_look(&self) -> Duration {
        if self.served().iter().any(|c| c.hold() == Hold::Closing) {
            return MOMENT;
        }
        let every = if self.store.alone().is_some() || self.store.hears() { LOOK } else { LOOK_DEAF };
        // Whoever dies is noticed when its time is over, not a look later.
        let end = self.neighbours.state.lock().soonest_end.map(|end| end + MOMENT);
        end.map_or(every, |end| every.min(end)).max(MOMENT)
    }

    async fn look(self: &Arc<Self>, news: News) -> Result<(), Error> {
        // What others queued is read without asking whose is what.
        let was_alone = self.store.alone();
        let giving = !self.neighbours.state.lock().given.is_empty();
        let anew = std::mem::take(&mut self.neighbours.state.lock().anew);
        if news.nodes || giving || anew || self.served().iter().any(|c| c.hold() == Hold::Closing) {
            self.look_at_nodes().await?;
        }
        let alone = self.store.alone();
        if alone != was_alone {
            // What others accepted last, and what they made of runs.
            self.feed.look_again();
            self.runs.forget_idle();
        } else if alone.is_none() && news.inbox {
            self.feed.look_again();
        }
        let mut again = false;
        for connection in &self.served() {
            if !connection.is_own()
                || alone.is_some() && connection.knows_all(&*self.store)
                || alone.is_none() && !news.effects
            {
                continue;
            }
            // What was planned while it was another node's may still be on its way: then it is not all yet.
            let settled = !connection.is_strange();
            self.read_arrived(connection).await?;
            match alone.filter(|s| settled && self.store.alone() == Some(*s)) {
                Some(stretch) => connection.catch_up(stretch),
                None => again |= alone.is_some(),
            }
        }
        if again {
            tokio::time::sleep(MOMENT).await;
            self.neighbours.look_now();
        }
        if alone.is_none() {
            if news.effects || news.nodes {
                // A wait that another node armed may be the next one due.
                self.timer_wake.notify_one();
            }
            self.tell_live().await?;
        }
        if news.nodes {
            self.follow_pauses().await?;
            self.follow_flows().await?;
            self.follow_webhooks().await?;
        }
        Ok(())
    }

    pub(crate) async fn look_at_nodes(self: &Arc<Self>) -> Result<(), Error> {
        let shares = loop {
            let was_alone = self.store.alone().is_some();
            let shares = self.ask(false).await?;
            if shares.newest <= self.neighbours.state.lock().beside {
                break shares;
            }
            // Another one is about to write. From now on nothing begins at once; what is being decided so
            // has to end first.
            while self.served().iter().any(|c| c.is_beginning()) {
                tokio::time::sleep(MOMENT).await;
            }
            if was_alone {
                let own = self.served().iter().filter(|c| c.is_own()).map(|c| c.id).collect();
                for (connection, place) in self.store.places(own).await? {
                    if let Some(connection) = self.connection_by_id(connection) {
                        connection.raise_floor(place);
                    }
                }
            }
            self.neighbours.state.lock().beside = shares.newest;
        };
        self.take_over(&shares).await?;
        self.hand_over(&shares).await;
        self.look_at_counts(&shares).await?;
        Ok(())
    }

    /// Connections that have become this node's.
    pub(crate) async fn take_over(self: &Arc<Self>, shares: &Shares) -> Result<(), Error> {
        let mut fresh = Vec::new();
        for share in &shares.own {
            let Some(connection) = self.connection_by_id(share.connection) else { continue };
            match connection.hold() {
                Hold::Foreign => fresh.push(connection),
                // The other node is gone again.
                Hold::Closing if !shares.give.contains(&share.connection) => {
                    connection.set_hold(Hold::Own);
                    self.open_up(&connection, self.clock.now());
                }
                Hold::Own | Hold::Closing => {}
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        // Ids to come are above those of whoever had them before, whatever the clocks did.
        self.raise_ids(self.highest_id().await?);
        let counts = shares.own.iter().filter(|s| fresh.iter().any(|c| c.id == s.connection));
        let counts: Vec<_> = counts.map(|s| (s.connection, (s.marks, s.missed))).collect();
        self.neighbours.state.lock().counts.extend(counts);
        for (connection, place) in self.store.places(fresh.iter().map(|c| c.id).collect()).await? {
            if let Some(connection) = fresh.iter().find(|c| c.id == connection) {
                connection.raise_floor(place);
            }
        }
        let now = self.clock.now();
        for connection in &fresh {
            connection.forget_credential().await;
        }
        let interrupted = loop {
            match self.recover(&fresh).await {
                Ok(interrupted) => break interrupted,
                Err(e) if matches!(e, Error::Closed | Error::Fenced) || !self.store.is_shared() => return Err(e),
                Err(error) => {
                    // The same trouble, perhaps, that ended the node before this one.
                    tracing::warn!(%error, "what was taken over cannot be looked after yet");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        if interrupted > 0 {
            tracing::warn!(calls = interrupted, "calls were out when their hub ended; each is being looked into");
        }
        for connection in &fresh {
            if let Some(stretch) = self.store.alone().filter(|_| !self.store.is_shared()) {
                connection.catch_up(stretch);
            }
            self.open_up(connection, now);
        }
        self.timer_wake.notify_one();
        if self.store.is_shared() {
            // Whether all of it is known is seen when what is being decided for it now is written.
            self.neighbours.look_now();
            let names: Vec<&str> = fresh.iter().map(|c| c.name()).collect();
            tracing::info!(connections = names.join(", "), "this node has these connections now");
        }
        Ok(())
    }

    /// Calls, decisions and readings of a connection begin.
    fn open_up(&self, connection: &ConnectionRuntime, now: jiff::Timestamp) {
        connection.lock_lanes(|l| l.own(true, now));
        self.feed.serve(connection.id);
        connection.wake.notify_one();
        connection.gained.notify_one();
    }

    /// Connections that another node is to have: nothing more of them begins here, and when nothing is out
    /// they are given.
    async fn hand_over(&self, shares: &Shares) {
        let now = self.clock.now();
        for connection in shares.give.iter().filter_map(|id| self.connection_by_id(*id)) {
            if connection.is_own() {
                connection.set_hold(Hold::Closing);
                connection.lock_lanes(|l| l.own(false, now));
                self.feed.serve_no_more(connection.id);
            }
        }
        let mut given = Vec::new();
        for connection in self.served().iter().filter(|c| c.hold() == Hold::Closing) {
            let out = connection.is_deciding()
                || connection.lock_lanes(|l| l.in_flight()) > 0
                || !self.feed.is_free_of(connection.id)
                || connection.reconciling.try_lock().is_err();
            if !out {
                connection.set_hold(Hold::Foreign);
                connection.lock_lanes(crate::lanes::Lanes::clear);
                self.fetching.lock().retain(|(of, _)| *of != connection.id);
                given.push(connection.id);
            }
        }
        if !given.is_empty() {
            self.neighbours.state.lock().given.extend(given);
            self.neighbours.look_now();
        }
    }

    /// What other nodes did to connections of this one.
    async fn look_at_counts(self: &Arc<Self>, shares: &Shares) -> Result<(), Error> {
        for share in &shares.own {
            let Some(connection) = self.connection_by_id(share.connection).filter(|c| c.is_own()) else { continue };
            let before = self.neighbours.state.lock().counts.get(&share.connection).copied();
            let (marks, missed) = before.unwrap_or((share.marks, share.missed));
            if marks != share.marks {
                self.read_again(&connection).await?;
            }
            if missed != share.missed {
                connection.missed(self.clock.now());
            }
            self.neighbours.state.lock().counts.insert(share.connection, (share.marks, share.missed));
        }
        let own: Vec<i64> = shares.own.iter().map(|s| s.connection).collect();
        self.neighbours.state.lock().counts.retain(|connection, _| own.contains(connection));
        Ok(())
    }

    /// A person changed effects of this connection at another node: its lanes are read as they are.
    async fn read_again(&self, connection: &Arc<ConnectionRuntime>) -> Result<(), Error> {
        let parked: Vec<LaneKey> = (self.store.parked().await?.into_iter())
            .filter(|(of, ..)| *of == connection.id)
            .map(|(_, lane, urgency)| LaneKey { lane, urgency })
            .collect();
        let now = self.clock.now();
        connection.lock_lanes(|l| l.park_only(&parked, now));
        self.reload_backlog(connection).await;
        Ok(())
    }

    /// Effects that other nodes have queued for a connection of this one.
    async fn read_arrived(&self, connection: &Arc<ConnectionRuntime>) -> Result<(), Error> {
        loop {
            let floor = connection.floor();
            let (rows, place) = self.store.arrived(connection.id, floor, LOAD).await?;
            let whole = rows.len() < LOAD as usize;
            let now = self.clock.now();
            for row in rows {
                if row.queued.action == FETCH
                    && let Some((kind, id)) = row.queued.path.split_once(':')
                {
                    self.fetching.lock().insert((connection.id, EntityRef::new(kind, id)));
                }
                let effect = Queued {
                    id: row.queued.id,
                    seq: row.queued.seq,
                    flow: row.queued.flow,
                    action: connection.action_index(&row.queued.action),
                    not_before: row.queued.not_before,
                };
                let key = LaneKey { lane: row.queued.lane, urgency: row.urgency };
                connection.lock_lanes(|l| l.arrive(key, effect, now));
            }
            connection.raise_floor(place);
            if place > floor {
                connection.wake.notify_one();
            }
            if whole {
                return Ok(());
            }
        }
    }

    /// Events that other nodes wrote, for those who listen to this one's stream.
    async fn tell_live(&self) -> Result<(), Error> {
        if self.stream.receiver_count() == 0 {
            self.neighbours.state.lock().told = 0;
            return Ok(());
        }
        let below = Some(self.watermark());
        let told = self.neighbours.state.lock().told;
        if told == 0 {
            let last = pasarela_store::EventFilter { below, limit: 1, ..Default::default() };
            let last = self.store.events(last).await?.rows.first().map_or(1, |e| e.id.get());
            self.neighbours.state.lock().told = last;
            return Ok(());
        }
        let filter = pasarela_store::EventFilter {
            above: Some(told),
            below,
            ascending: true,
            limit: TOLD,
            ..Default::default()
        };
        let own = self.store.node();
        for row in self.store.events(filter).await?.rows {
            self.neighbours.state.lock().told = row.id.get();
            if row.id.node() != own
                && let Ok(envelope) = self.envelope(&row)
            {
                drop(self.stream.send(Arc::new(envelope)));
            }
        }
        Ok(())
    }
}
