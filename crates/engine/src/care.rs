//! Care of the store while the hub works: what is finished and old goes, free pages are given back, in
//! bites with pauses between them, and no longer than a budget each round. Ages follow the hub's clock;
//! pauses and budget are the machine's.

use crate::engine::Inner;
use crate::intake::{IntakeLimits, IntakeView};
use jiff::Timestamp;
use parking_lot::Mutex;
use pasarela_store::{Audited, CareRow, Error, Kept, Space, prune_audit};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows that a bite looks at.
const BITE: u32 = 200;
/// A bite is followed by a pause so many times as long as it took.
const REST: u32 = 4;
const SHORTEST_REST: Duration = Duration::from_millis(2);
/// Members in the writer's queue for which the next bite waits, and how long it does at a time.
const BUSY: u64 = 16;
const NAP: Duration = Duration::from_millis(20);
/// A node that takes care has the turn for so long after each bite.
pub(crate) const TURN_MS: u32 = 30_000;
/// Pages that are given back at a time.
const PAGES: u32 = 128;
/// Free space that new rows will use soon is not given back: this much, or this part of the file.
const SPARE_BYTES: u64 = 64 * 1024 * 1024;
const SPARE_PART: u64 = 8;
/// How often free space is looked at.
const LOOK: Duration = Duration::from_secs(30);

/// How long what is finished is kept; `None`: for ever.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Bodies of finished deliveries.
    pub bodies: Option<Duration>,
    /// Deliveries of which nothing came.
    pub ignored: Option<Duration>,
    /// Finished deliveries.
    pub deliveries: Option<Duration>,
    /// Ended runs, their effects and attempts, and ended reads.
    pub runs: Option<Duration>,
    /// Events.
    pub events: Option<Duration>,
    /// Nonces of signatures.
    pub replays: Option<Duration>,
    /// What makes a fact known.
    pub facts: Option<Duration>,
    /// Scans at the door: their events, and ended runs of these.
    pub scans: Option<Duration>,
    /// Profiles of people of whom nothing was heard: contacts, when they wrote, what the registry said.
    pub marketing_profile: Option<Duration>,
    /// Who said it, in consents, after they were taken back.
    pub consent_proofs: Option<Duration>,
    /// Closed cases, incidents, holds and requests for refunds: the term of commercial papers.
    pub commercial: Option<Duration>,
    /// Entries of the audit.
    pub audit: Option<Duration>,
    /// Between two rounds.
    pub every: Duration,
    /// Longest time of a round.
    pub budget: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |n: u64| Some(Duration::from_secs(n * 86_400));
        Self {
            bodies: days(90),
            ignored: days(30),
            deliveries: days(400),
            runs: days(400),
            events: days(400),
            replays: days(90),
            facts: None,
            scans: days(365),
            marketing_profile: days(730),
            consent_proofs: days(3653),
            commercial: days(3653),
            audit: days(3653),
            every: Duration::from_secs(3600),
            budget: Duration::from_secs(120),
        }
    }
}

impl Retention {
    /// How long one kind is kept.
    #[must_use]
    pub fn of(&self, kept: Kept) -> Option<Duration> {
        match kept {
            Kept::Bodies => self.bodies,
            Kept::Ignored => self.ignored,
            Kept::Deliveries => self.deliveries,
            Kept::Runs | Kept::Reads => self.runs,
            Kept::ScanRuns | Kept::Scans => self.scans,
            Kept::Events => self.events,
            // A link goes when what it links is gone.
            Kept::EventLinks => self.events.or(self.scans).map(|_| Duration::ZERO),
            Kept::DeliveryLinks => self.deliveries.or(self.ignored).map(|_| Duration::ZERO),
            Kept::Replays => self.replays,
            Kept::Facts => self.facts,
        }
    }
}

/// How the store is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keeping {
    /// What is finished.
    pub retention: Retention,
    /// What waits.
    pub intake: IntakeLimits,
}

/// How care stands.
#[derive(Debug, Clone)]
pub struct CareView {
    /// Per kind: removed, last pass, oldest.
    pub kept: Vec<CareRow>,
    /// Since when rounds end before they are through.
    pub behind_since: Option<Timestamp>,
    /// The file.
    pub space: Space,
    /// What is damaged.
    pub damage: Option<String>,
    /// What waits.
    pub intake: IntakeView,
}

/// What alarms ask, at any time and without the store.
#[derive(Debug, Clone, Default)]
pub struct CareNow {
    /// Since when rounds end before they are through.
    pub behind_since: Option<Timestamp>,
    /// The file.
    pub space: Space,
    /// What is damaged.
    pub damage: Option<String>,
    /// What waits.
    pub intake: IntakeView,
}

/// What came of a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Round {
    /// Things removed.
    pub removed: u64,
    /// All kinds came to their end.
    pub complete: bool,
}

#[derive(Default)]
pub(crate) struct CareState {
    pub(crate) retention: Retention,
    now: Mutex<CareNow>,
    /// Kind with which the next round begins: where the last one ran out of time.
    next: Mutex<usize>,
    /// Removed by kind since the audit was told last.
    gone: Mutex<BTreeMap<&'static str, u64>>,
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl CareState {
    pub(crate) fn new(retention: Retention) -> Self {
        Self { retention, ..Self::default() }
    }

    fn count(&self, kind: &'static str, removed: u64) {
        if removed > 0 {
            *self.gone.lock().entry(kind).or_default() += removed;
        }
    }

    pub(crate) fn note_damage(&self, damage: Option<String>) {
        self.now.lock().damage = damage;
    }
}

impl Inner {
    pub(crate) fn care_now(&self) -> CareNow {
        CareNow { intake: self.intake.view(), ..self.care.now.lock().clone() }
    }

    pub(crate) async fn care_view(&self) -> Result<CareView, pasarela_store::Error> {
        let kept = self.store.care().await?;
        let CareNow { behind_since, damage, intake, .. } = self.care_now();
        Ok(CareView { kept, behind_since, space: self.store.space().await?, damage, intake })
    }

    /// Takes care until the hub stops. The first round waits one turn: a start has other things to do.
    pub(crate) async fn carer(self: Arc<Self>) {
        let every = self.care.retention.every.max(Duration::from_secs(1));
        let mut due = self.clock.now().checked_add(every).unwrap_or(Timestamp::MAX);
        loop {
            if let Ok(space) = self.store.space().await {
                self.care.now.lock().space = space;
            }
            tokio::select! {
                () = tokio::time::sleep(self.clock.sleep_for(due).min(LOOK)) => {}
                () = self.stopped() => return,
            }
            if self.clock.now() < due {
                continue;
            }
            match self.care_round().await {
                Ok(round) if round.removed > 0 => {
                    let kinds = std::mem::take(&mut *self.care.gone.lock());
                    let after = serde_json::json!({ "removed": kinds, "complete": round.complete });
                    let note = Audited::by_system(self.decisions.now(), "retention.round", "");
                    self.write_decision(Audited { after: Some(after), ..note }).await;
                    tracing::info!(
                        removed = round.removed,
                        complete = round.complete,
                        "what was finished and old is gone"
                    );
                }
                Ok(_) => {}
                Err(e) => {
                    crate::telemetry::count(&self.metrics.care_failed);
                    tracing::warn!(error = %e, "a round of care did not complete; the next one goes on");
                }
            }
            due = self.clock.now().checked_add(every).unwrap_or(Timestamp::MAX);
        }
    }

    /// One round, within its budget.
    pub(crate) async fn care_round(&self) -> Result<Round, pasarela_store::Error> {
        let _alone = self.care.one_at_a_time.lock().await;
        let retention = self.care.retention;
        let (until, now) = (Instant::now() + retention.budget, self.clock.now());
        let mut round = Round { complete: true, ..Round::default() };
        let first = *self.care.next.lock();
        for n in 0..Kept::ALL.len() {
            let at = (first + n) % Kept::ALL.len();
            let kept = Kept::ALL[at];
            let Some(age) = retention.of(kept) else { continue };
            let before = now.checked_sub(age).unwrap_or(Timestamp::MIN);
            loop {
                if Instant::now() >= until || self.is_stopping() {
                    *self.care.next.lock() = at;
                    self.care.now.lock().behind_since.get_or_insert(now);
                    round.complete = false;
                    return Ok(round);
                }
                if !self.store.care_turn(TURN_MS).await? {
                    // Another node does it.
                    return Ok(round);
                }
                let begun = Instant::now();
                let bite = match self.store.prune(kept, before, now, BITE).await {
                    Ok(bite) => bite,
                    // The writer has more to do than usual: it is tried again within the budget.
                    Err(Error::Busy | Error::GaveWay) => {
                        self.rest(begun).await;
                        continue;
                    }
                    Err(e) => return Err(e),
                };
                round.removed += bite.removed;
                self.care.count(kept.as_str(), bite.removed);
                if bite.done {
                    break;
                }
                self.rest(begun).await;
            }
        }
        *self.care.next.lock() = 0;
        let walked = self.walk(until).await?;
        self.care.count("records", walked.removed);
        round = Round { removed: round.removed + walked.removed, complete: walked.complete };
        round.removed += self.prune_chain(until).await?;
        // A walk over everybody takes several rounds: when it came to its end, the report says.
        self.care.now.lock().behind_since = None;
        self.shrink(until).await?;
        Ok(round)
    }

    /// Entries of the audit beyond their age go from its front, in bites. Their age is of the real world.
    async fn prune_chain(&self, until: Instant) -> Result<u64, pasarela_store::Error> {
        let Some(age) = self.care.retention.audit else { return Ok(0) };
        let mut removed = 0;
        while Instant::now() < until && !self.is_stopping() {
            let (begun, now) = (Instant::now(), self.decisions.now());
            let gone = prune_audit(&*self.store, now.checked_sub(age).unwrap_or(Timestamp::MIN), now).await?;
            if gone == 0 {
                break;
            }
            removed += gone;
            self.care.count("audit", gone);
            self.rest(begun).await;
        }
        Ok(removed)
    }

    /// Lets the writer do its own work.
    pub(crate) async fn rest(&self, begun: Instant) {
        tokio::time::sleep((begun.elapsed() * REST).max(SHORTEST_REST)).await;
        while self.store.stats().queued > BUSY && !self.is_stopping() {
            tokio::time::sleep(NAP).await;
        }
    }

    async fn shrink(&self, until: Instant) -> Result<(), pasarela_store::Error> {
        loop {
            let space = self.store.space().await?;
            self.care.now.lock().space = space;
            let spare = SPARE_BYTES.max(space.bytes / SPARE_PART);
            if !space.gives_back || space.free_bytes <= spare || Instant::now() >= until || self.is_stopping() {
                return Ok(());
            }
            let begun = Instant::now();
            self.store.give_back(PAGES).await?;
            self.rest(begun).await;
        }
    }
}
